"""How long contactors stay closed when a process dies or freezes, over and over, on the real processes.

The battery is the simulated one: a trial ends when its contacts are open, by the time of the feedback's own sample.
"""

from __future__ import annotations

import math
import os
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ionward.battery.system import System
from ionward.errors import UserError
from ionward.image.blocks import Block
from ionward.image.inputs import CHANNEL, RAW
from ionward.proving.live import prepare_twin
from ionward.proving.scenario import Command, Load, Scenario, built_in_scenario
from ionward.runtime.battery_file import save_plant
from ionward.runtime.live import Live
from ionward.runtime.live_folder import write_live_folder
from ionward.runtime.plan import PLANT_FILE, live_root
from ionward.runtime.supervisor import Supervisor, make_live_folder

ROLES = ("plant", "control", "guard")
CAUSES = {
    "control killed": ("control", signal.SIGKILL),
    "control frozen": ("control", signal.SIGSTOP),
    "guard killed": ("guard", signal.SIGKILL),
    "guard frozen": ("guard", signal.SIGSTOP),
}
WAIT_S = 60.0
LOOK_S = 0.002
FROZEN_S = 0.5


class Bench:
    """A run of driver, control and guard, and what a person would do between two trials."""

    def __init__(self, folder: Path, system: System) -> None:
        make_live_folder(folder)
        self.supervisor = Supervisor(folder, folder / "log")
        self.supervisor.start(["control", "plant"])
        prepared = prepare_twin(system, _scenario(), repeat=False)
        assert prepared.plant is not None
        plan = replace(prepared.plan, state_dir=str(folder / "state"), roles=ROLES)
        save_plant(folder / PLANT_FILE, prepared.plant, prepared.fingerprint)
        write_live_folder(folder, plan, prepared.parameters)
        self.supervisor.start(["guard"])
        image = Block.reader(folder / "image.block")
        self.wait(lambda: image.count > 0, "the first tick")
        self.live = Live(folder, writer=True)

    def wait(self, what: Callable[[], bool], why: str) -> None:
        """Wait, with dead processes being started again."""
        until_s = time.monotonic() + WAIT_S
        while not what():
            self.supervisor.step(time.monotonic())
            if time.monotonic() > until_s:
                raise UserError(f"the trial does not go on: {why} did not come; {'; '.join(self.supervisor.messages)}")
            time.sleep(LOOK_S)

    def state(self) -> dict[str, Any]:
        """The state now."""
        self.live.refresh()
        return self.live.state()

    def connect(self) -> None:
        """Acknowledge what waits, and connect."""

        def clean() -> bool:
            state = self.state()
            if state["latched_faults"] or state["trip"]["tripped"] or state["guard"]["tripped"]:
                self.live.command("acknowledge", timeout_s=1.0)
            return bool(all(state["enables"].values()) and not state["latched_faults"])

        def connected() -> bool:
            state = self.state()
            return bool(state["state"] == "connected" and state["contactors"]["main_positive"] == "closed")

        self.wait(clean, "everything acknowledged")
        self.wait(lambda: self.live.command("connect", timeout_s=1.0)[0], "the connection accepted")
        self.wait(connected, "connected")

    def trial(self, role: str, number: signal.Signals, pause_s: float) -> float:
        """Seconds from the signal until the positive contact is open in the battery."""
        self.connect()
        time.sleep(pause_s)
        self.live.refresh()
        pid = int(self.live.processes()[role]["pid"])
        began_s = time.monotonic()
        os.kill(pid, number)
        opened_s = math.inf
        while time.monotonic() - began_s < 5.0:
            self.live.refresh()
            feedback = self.live.raw.channels[:, CHANNEL.main_positive_closed]
            if feedback[RAW.value] == 0.0 and feedback[RAW.time_s] > began_s:
                opened_s = float(feedback[RAW.time_s])
                break
            time.sleep(LOOK_S)
        if number == signal.SIGSTOP:
            time.sleep(FROZEN_S)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
            time.sleep(FROZEN_S)
            if self.state()["contactors"]["main_positive"] == "closed":
                raise UserError(f"{role} closed the contactors by itself when it went on")
        return opened_s - began_s


def measure_failures(
    system: System, trials: int, progress: Callable[[str, int], None] = lambda _c, _n: None
) -> dict[str, dict[str, float | int | None]]:
    """Each cause so many times.

    Args:
        system: the pack.
        trials: of each cause.
        progress: hears cause and number of trials done.

    Raises:
        UserError: the processes do not come up, or close by themselves.
    """
    root = live_root()
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    random = np.random.default_rng(1)
    out: dict[str, dict[str, float | int | None]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-", dir=root) as made:
        bench = Bench(Path(made), system)
        try:
            for cause, (role, number) in CAUSES.items():
                times = []
                for k in range(trials):
                    progress(cause, k)
                    times.append(bench.trial(role, number, float(random.uniform(0.05, 0.15))))
                    bench.supervisor.children[role].recent_s.clear()  # on purpose, again and again
                out[cause] = _figures(1000.0 * np.array(times))
        finally:
            bench.live.close()
            bench.supervisor.end()
    return out


def _figures(ms: np.ndarray[tuple[int], np.dtype[np.float64]]) -> dict[str, float | int | None]:
    finite = np.sort(ms[np.isfinite(ms)])
    return {
        "n": len(ms),
        "opened": len(finite),
        "within_100_ms": int((finite <= 100.0).sum()),
        "p50_ms": round(float(np.median(finite)), 2) if len(finite) else None,
        "max_ms": round(float(finite[-1]), 2) if len(finite) else None,
    }


def _scenario() -> Scenario:
    """A vehicle that draws a little and has no wish of its own."""
    scenario = built_in_scenario("ev")
    return scenario.model_copy(
        update={
            "load": [Load(steps=[[0.0, -0.1]], unit="C")],
            "command": [Command(at_s=0.0, connect=False)],
            "expect": [],
            "fault": [],
        }
    )
