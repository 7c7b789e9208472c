"""A BMS in real time, started as a person would start it, and looked at from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ionward.image.blocks import Block, BlockError, words_of
from ionward.image.exchange import COMMAND_MESSAGE_RECORD, CONTROL_RECORD, DRIVEN_RECORD, GUARD_RECORD
from ionward.runtime.live import Live
from ionward.runtime.plan import live_folder_of

# Slow enough for a busy test machine without real-time rights; everything else is as in an EV.
SYSTEM = """
[system]
name = "Live test"
profile = "ev"
cell = "lg-18650hg2"

[topology]
modules_in_series = 2
cells_per_module = 8
cells_in_parallel = 40

[dc_link]
capacitance_f = 0.001
dead_v = 5.0

[cycle]
period_s = 0.02
estimate_every = 5
slow_every = 50
enable_expiry_s = 0.3
overrun_budget = 0.5
"""

SCENARIO = """
[scenario]
name = "Connect and draw a little"
duration_s = 86400

[start]
soc = 0.6

[[command]]
at_s = 0.5
connect = true

[[load]]
at_s = 3.0
unit = "C"
steps = [[0.0, -0.1]]
"""


class LiveRun:
    """One `ionward run`, in folders of its own."""

    def __init__(self, folder: Path, *options: str, system: str = SYSTEM, environment: dict[str, str] | None = None):
        self.folder = folder
        self.state_dir = folder / "state"
        (folder / "system.toml").write_text(system)
        (folder / "scenario.toml").write_text(SCENARIO)
        self.live_folder = live_folder_of(self.state_dir)
        self._options, self._environment = options, environment or {}
        self.start()

    def start(self) -> None:
        """Start it (again) and wait until it has begun to tick."""
        (self.live_folder / "plan.json").unlink(missing_ok=True)
        self.out = (self.folder / "out.txt").open("ab")
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "ionward.cli.main", "run", str(self.folder / "system.toml"),
                "--scenario", str(self.folder / "scenario.toml"), "--state-dir", str(self.state_dir), *self._options,
            ],
            stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.out, env=os.environ | self._environment,
        )  # fmt: skip
        until_s = time.monotonic() + 90.0
        while time.monotonic() < until_s:
            with suppress(BlockError, OSError):
                if (self.live_folder / "plan.json").exists() and Block.reader(self.live_folder / "image.block").count:
                    break
            assert self.process.poll() is None, self.told()
            time.sleep(0.05)
        self.live = Live(self.live_folder, writer="--no-dashboard" in self._options)

    def told(self) -> str:
        """What it printed."""
        return (self.folder / "out.txt").read_text()

    def driven(self) -> Any:
        """The driver's newest record."""
        io = Block.reader(self.live_folder / "io.block")
        words = np.zeros(io.words, np.int64)
        io.latest(words)
        return words[-words_of(DRIVEN_RECORD) :].view(DRIVEN_RECORD)[0]

    def closed(self) -> bool:
        """Coils are driven closed."""
        driven = self.driven()
        return bool(driven["main_positive"] and driven["main_negative"])

    def state(self) -> dict[str, Any]:
        """The state as the API tells it."""
        self.live.refresh()
        return self.live.state()

    def wait(self, what: Callable[[], bool], timeout_s: float = 30.0, why: str = "") -> None:
        """Wait for something to come true."""
        until_s = time.monotonic() + timeout_s
        while time.monotonic() < until_s:
            if what():
                return
            time.sleep(0.02)
        raise AssertionError(f"did not come: {why or what}; {self.state()['state']}, {self.told()[-2000:]}")

    def connected(self) -> bool:
        """Connected, as control and the contacts say."""
        state = self.state()
        return bool(state["state"] == "connected" and state["contactors"]["main_positive"] == "closed")

    def wait_connected(self) -> None:
        """Wait for the vehicle, or ask as an operator where it has had its turn."""
        self.wait(self.connected, 40.0, "connected")

    def pid(self, role: str) -> int:
        """The process of a role."""
        self.live.refresh()
        return int(self.live.processes()[role]["pid"])

    def send(self, role: str, number: signal.Signals) -> None:
        """A signal for a role's process."""
        os.kill(self.pid(role), number)

    def command(self, name: str, value: float | None = None) -> tuple[bool, str]:
        """A command, as the API would give it."""
        return self.live.command(name, value, timeout_s=5.0)

    def recover(self) -> None:
        """Acknowledge until nothing waits any more, and connect again."""

        def clean() -> bool:
            state = self.state()
            if state["latched_faults"] or state["trip"]["tripped"] or state["guard"]["tripped"]:
                self.command("acknowledge")
                time.sleep(0.3)
                return False
            return all(state["enables"].values())

        self.wait(clean, 30.0, "everything acknowledged")
        self.wait(lambda: self.command("connect")[0], 10.0, "connect accepted")
        self.wait_connected()

    def processes(self) -> list[int]:
        """Processes of this run that exist."""
        found = []
        for folder in Path("/proc").iterdir():
            with suppress(OSError):
                if folder.name.isdigit() and str(self.live_folder).encode() in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
        return found

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """End it as Ctrl-C does; returns the exit code."""
        self.live.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
        code = self.process.wait(40)
        self.out.close()
        return code

    def kill_everything(self) -> None:
        """As a machine that loses its mind: every process at once."""
        self.live.close()
        for pid in [self.process.pid, *self.processes()]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.out.close()


def guard_record() -> Any:
    """A guard's record, to be forged."""
    return np.zeros(1, GUARD_RECORD)


def control_record() -> Any:
    """Control's record, to be forged."""
    return np.zeros(1, CONTROL_RECORD)


def command_words() -> int:
    """Words of a command message."""
    return words_of(COMMAND_MESSAGE_RECORD)
