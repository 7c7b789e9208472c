"""Compiling everything beforehand, in as many processes as help, with a mark in the cache when it is done.

Stages and the simulated battery do not need each other, so they are compiled side by side; then the tick that
composes them, and at last the loops around it, by running each of them once on next to nothing.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Any

from ionward._cache import cache_folder, cache_key, forget_old_caches, jit_disabled

SYSTEM = """
[system]
name = "warm-up"
profile = "ev"
cell = "lg-18650hg2"

[topology]
modules_in_series = 1
cells_per_module = 32
cells_in_parallel = 40
"""

SITE = """
[site]
name = "warm-up"

[[unit]]
name = "a"
pack = "system.toml"
weight = 2

[[unit]]
name = "b"
pack = "system.toml"
"""

DONE = "done"
LOG = "time_s,current_a,voltage_v,temperature_c\n" + "".join(f"{k},-1.0,3.7,25.0\n" for k in range(20))
CAPTURE = "time_s,current_a,voltage_v\n" + "".join(f"{k / 100:.2f},-1.0,118.4\n" for k in range(50))

# What each job needs to be compiled before, what most others wait for first. Jobs that need nothing of each other run
# side by side.
STAGES = ("protection", "estimate, limit", "sequence, balance, cool")
JOBS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(STAGES, ()),
    "tick": STAGES,
    "live cycle": ("tick",),
    "battery": (),
    "live": (),
    "recordings": (),
    "simulation": ("tick", "battery", "recordings"),
    "logs": ("tick",),
    "site": ("simulation",),
    "proof": ("simulation",),
}
# What a command uses, where it is not everything.
USED: dict[str, tuple[str, ...]] = {
    "run": ("live cycle", "live", "battery", "recordings"),
    "simulate": ("simulation",),
    "simulate a site": ("site",),
    "replay": ("simulation",),
    "export": ("simulation",),
    "plot": ("simulation",),
    "demo": ("simulation",),
    "estimate": ("logs", "simulation"),
}


def jobs_for(command: str = "") -> tuple[str, ...]:
    """The jobs that a command needs, each behind those that it needs itself; all of them without a command."""
    wanted: dict[str, None] = {}

    def want(job: str) -> None:
        for needed in JOBS[job]:
            want(needed)
        wanted[job] = None

    for job in USED.get(command, tuple(JOBS)):
        want(job)
    return tuple(job for job in JOBS if job in wanted)


def _mark(job: str) -> Path:
    return cache_folder() / f"warm_{''.join(filter(str.isalpha, job))}-{cache_key()}"


def is_warm(command: str = "") -> bool:
    """Nothing that a command uses is left to compile (or nothing is compiled at all)."""
    return jit_disabled or all(_mark(job).exists() for job in jobs_for(command))


def warm_up(report: Callable[[str], None] = lambda _: None, command: str = "") -> list[str]:
    """Compile what a command uses and is not in the cache yet; `report` hears what is being compiled.

    Returns:
        What went wrong, one line each; it will be compiled when it is used.
    """
    if is_warm(command):
        return []
    waiting = [job for job in jobs_for(command) if not _mark(job).exists()]
    running: dict[Future[str], str] = {}
    troubles: list[str] = []
    count = max(1, min(len(waiting), os.cpu_count() or 1))
    with _Workers() as workers, ThreadPoolExecutor(count) as pool:
        while waiting or running:
            open_jobs = {*waiting, *running.values()}
            for job in [job for job in waiting if open_jobs.isdisjoint(JOBS[job])][: count - len(running)]:
                waiting.remove(job)
                running[pool.submit(workers.compile, job)] = job
            report("; ".join(running.values()))
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job, trouble = running.pop(future), future.result()
                if trouble:
                    troubles.append(trouble)
                else:
                    _mark(job).touch()
    if not troubles and not command:
        forget_old_caches()
    return troubles


class _Workers:
    """Processes that compile one job after the other: what one job had to load, the next need not load again."""

    def __init__(self) -> None:
        self._idle: list[subprocess.Popen[str]] = []

    def __enter__(self) -> _Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._idle:
            process.kill()
            process.communicate()

    def compile(self, job: str) -> str:
        """Do one job; returns what went wrong, or nothing."""
        try:
            process = self._idle.pop() if self._idle else self._start()
            assert process.stdin is not None
            assert process.stdout is not None
            with suppress(BrokenPipeError):  # it has died: its silence tells
                print(job, file=process.stdin, flush=True)
            answer = process.stdout.readline().strip()
        except OSError as error:
            return f"{job}: {error}"
        if not answer:
            return f"{job}: exit code {process.wait()}"
        self._idle.append(process)
        return "" if answer == DONE else f"{job}: {answer}"

    @staticmethod
    def _start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "ionward.proving.warm"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip


def _stages(names: Sequence[str]) -> None:
    from ionward._compile import compile_inside
    from ionward.control import tick as stages
    from ionward.control.entry import argument_types
    from ionward.control.tick import Memory

    raw, command, parameters, image, memory = argument_types()
    memories = dict(zip(Memory._fields, memory.types, strict=True))
    told = {
        "validate": (raw, parameters, image),
        "estimate": (parameters, image),
        "cool": (parameters, image),
    }
    for name in names:
        compile_inside(getattr(stages, name), (*told.get(name, (parameters, command, image)), memories[name]))


def _described(folder: Path) -> Any:
    from ionward.image.build import load_pack

    (folder / "system.toml").write_text(SYSTEM, encoding="utf-8")
    return load_pack(folder / "system.toml")[0]


def _simulation(folder: Path) -> Any:
    from ionward.proving.scenario import built_in_scenario
    from ionward.proving.simulation import Simulation

    return Simulation(_described(folder), built_in_scenario("ev").shortened(0.05), keep_traces=False)


def _recordings(folder: Path) -> None:
    import numpy as np

    from ionward.image.inputs import new_command, new_raw
    from ionward.image.layout import Size
    from ionward.runtime.codec import push, record_buffer
    from ionward.runtime.recording import Header, Recorder, Recording, Start

    size = Size(2, 1, 1)
    buffer = record_buffer(size, 2)
    push(buffer, new_raw(size.cells, size.sensors), new_command(), 0)
    recorder = Recorder(folder / "warm-up.rec", Header({}, size, 0.01, Start("warm-up")))
    recorder.chunk(buffer, 1, np.zeros(1, np.uint64))
    recorder.close("")
    for _ in Recording(folder / "warm-up.rec").read():
        pass


def _loops(folder: Path) -> None:
    from ionward.proving.recording import RunRecorder
    from ionward.runtime.replay import replay

    simulation = _simulation(folder)
    recording = folder / "warm-up.rec"
    simulation.run(None, RunRecorder(recording, simulation.system, "warm-up", 1))
    replay(recording)


def _site(folder: Path) -> None:
    from ionward.battery.site import load_site
    from ionward.proving.site.scenario import built_in_site_scenario
    from ionward.proving.site.simulation import SiteSimulation

    (folder / "system.toml").write_text(SYSTEM, encoding="utf-8")
    (folder / "site.toml").write_text(SITE, encoding="utf-8")
    scenario = built_in_site_scenario().model_copy(update={"command": [], "fault": [], "trouble": [], "expect": []})
    SiteSimulation(load_site(folder / "site.toml"), scenario.shortened(0.05), keep_traces=False).run()


def _logs(folder: Path) -> None:
    from ionward.battery.library import load_cell
    from ionward.battery.logs import read_log
    from ionward.hardware.captures import read_captures
    from ionward.image.build import system_size
    from ionward.proving.logrun import Settings, run_log
    from ionward.proving.measured import MeasuredRun

    (folder / "log.csv").write_text(LOG, encoding="utf-8")
    (folder / "capture.csv").write_text(CAPTURE, encoding="utf-8")
    run_log(read_log(folder / "log.csv"), load_cell("lg-18650hg2"), Settings())
    described = _described(folder)
    captures = read_captures([folder / "capture.csv"], described, system_size(described), {})
    MeasuredRun(described, captures).run()


def _proof(folder: Path) -> None:
    """The loops of `ionward prove`: one case, and some ticks of a random scenario."""
    from ionward.image.build import build_parameters
    from ionward.proving.prove.campaign import run_scenario
    from ionward.proving.prove.cases import CaseRunner, tasks

    described = _described(folder)
    parameters = build_parameters(described)
    CaseRunner(described, parameters).run(tasks(described, "crash", "standby")[0])
    run_scenario(described, parameters, 0, 0)


def _job(name: str) -> None:
    from ionward.control import entry
    from ionward.runtime import preload

    groups: dict[str, tuple[str, ...]] = {
        "protection": ("validate", "protect"),
        "estimate, limit": ("estimate", "limit"),
        "sequence, balance, cool": ("sequence", "balance", "cool"),
    }
    by_types: dict[str, Callable[[], object]] = {
        "tick": lambda: entry.compile_tick(),
        "live cycle": preload.preload_cycle,
        "battery": preload.preload_plant,
        "live": preload.preload_binding,
    }
    by_running = {"recordings": _recordings, "simulation": _loops, "logs": _logs, "site": _site, "proof": _proof}
    if name in by_types:
        by_types[name]()
    elif name in by_running:
        with tempfile.TemporaryDirectory(prefix="ionward-") as made:
            by_running[name](Path(made))
    else:
        _stages(groups[name])


def _work() -> None:
    """Do the jobs that come in, a line each, and answer each with what went wrong, or that it is done."""
    gc.disable()  # compiling makes much and throws little away
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        try:
            _job(line.strip())
        except Exception as error:  # whatever it is, it stops no other job
            reason = str(error).strip() or "no reason given"
            answers.write(f"{type(error).__name__}: {reason.splitlines()[-1]}\n")
        else:
            answers.write(f"{DONE}\n")
        answers.flush()


if __name__ == "__main__":
    _work()
