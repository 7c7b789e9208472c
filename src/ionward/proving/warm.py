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
from concurrent.futures import ThreadPoolExecutor
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

LOG = "time_s,current_a,voltage_v,temperature_c\n" + "".join(f"{k},-1.0,3.7,25.0\n" for k in range(20))
CAPTURE = "time_s,current_a,voltage_v\n" + "".join(f"{k / 100:.2f},-1.0,118.4\n" for k in range(50))

# Jobs of one group run side by side, the longest first; a group waits for the one before.
GROUPS: tuple[tuple[str, ...], ...] = (
    ("estimate, limit", "protection", "sequence, balance, cool", "battery"),
    ("tick", "recordings"),
    ("simulation", "live", "logs", "proof"),
)


def _mark() -> Path:
    return cache_folder() / f"warm-{cache_key()}"


def is_warm() -> bool:
    """Nothing is left to compile (or nothing is compiled at all)."""
    return jit_disabled or _mark().exists()


def warm_up(report: Callable[[str], None] = lambda _: None) -> list[str]:
    """Compile everything that is not in the cache yet; `report` hears what is being compiled.

    Returns:
        What went wrong, one line each; it will be compiled when it is used.
    """
    if is_warm():
        return []
    troubles: list[str] = []
    with ThreadPoolExecutor(max(1, min(len(GROUPS[0]), os.cpu_count() or 1))) as workers:
        for group in GROUPS:
            report("; ".join(group))
            troubles += [t for t in workers.map(_compile_apart, group) if t]
    if not troubles:
        _mark().touch()
        forget_old_caches()
    return troubles


def _compile_apart(job: str) -> str:
    """Run one job in a process of its own; returns what went wrong, or nothing."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ionward.proving.warm", job], capture_output=True, text=True, check=False
        )
    except OSError as error:
        return f"{job}: {error}"
    last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
    return f"{job}: {last[0]}" if done.returncode else ""


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


def _battery(folder: Path) -> None:
    from numba import typeof

    from ionward.twin import plant

    bench = _simulation(folder).bench
    for function, arguments in ((plant.advance, (bench.plant,)), (plant.measure, (bench.plant, bench.raw))):
        compiled: Any = function
        compiled.compile(tuple(typeof(a) for a in arguments))


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


def _live(folder: Path) -> None:
    """One cycle of control on the blocks of a live folder, as its process attaches them."""
    from dataclasses import replace

    from ionward.proving.live import prepare_twin
    from ionward.proving.scenario import built_in_scenario
    from ionward.runtime.control import Control
    from ionward.runtime.live_folder import write_live_folder

    prepared = prepare_twin(_described(folder), built_in_scenario("ev"), repeat=False)
    write_live_folder(folder, replace(prepared.plan, state_dir=str(folder)), prepared.parameters)
    Control(folder, prepared.plan).step()


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
    gc.disable()  # compiling makes much and throws little away
    with tempfile.TemporaryDirectory(prefix="ionward-") as made:
        folder = Path(made)
        if name == "tick":
            from ionward.control.entry import compile_tick

            compile_tick()
        elif name == "recordings":
            _recordings(folder)
        elif name == "battery":
            _battery(folder)
        elif name == "simulation":
            _loops(folder)
        elif name == "logs":
            _logs(folder)
        elif name == "live":
            _live(folder)
        elif name == "proof":
            _proof(folder)
        else:
            groups = {
                "estimate, limit": ("estimate", "limit"),
                "protection": ("validate", "protect"),
                "sequence, balance, cool": ("sequence", "balance", "cool"),
            }
            _stages(groups[name])


if __name__ == "__main__":
    _job(sys.argv[1])
