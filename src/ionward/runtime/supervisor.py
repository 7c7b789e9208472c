"""The supervisor: makes the live folder, starts the processes, starts a dead one again, and ends them in order.

It watches and never touches what is driven: while it is gone or frozen the others carry on, until the kernel tells
them that their parent has died.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ionward.errors import UserError
from ionward.image.blocks import Block, words_of
from ionward.image.exchange import (
    CONTROL_RECORD,
    DRIVEN_RECORD,
    HEALTH_RECORD,
    SUPERVISOR_RECORD,
)
from ionward.image.signals import STATE_OPENING
from ionward.runtime.plan import BATTERY_FILE, PLAN_FILE
from ionward.runtime.role import RUNNING, health_block
from ionward.runtime.state_store import holds_state

# What each role is started as.
MODULES: dict[str, tuple[str, ...]] = {
    "plant": ("ionward.runtime.driver",),
    "io": ("ionward.runtime.driver",),
    "control": ("ionward.runtime.control",),
    "guard": ("ionward.runtime.guard",),
    "recorder": ("ionward.runtime.recorder",),
    "services": ("ionward.cli.services",),
}
NAMED = ("plant", "io")  # roles whose module must be told which one it is
ALL_ROLES = ("supervisor", "plant", "io", "control", "guard", "recorder", "services")
# Ends first what nothing depends on; the driver last, with everything open.
ENDING = ("services", "control", "recorder", "guard", "plant", "io")
KEPT = ("survival.block", BATTERY_FILE, BATTERY_FILE + ".of")
PREVIOUS = "survival.previous"
RESTARTS_MAX, RESTARTS_WINDOW_S = 10, 60.0
RESTART_WAIT_S = {"services": 1.0, "recorder": 0.5}
# Opening in order waits three seconds for the current; the proof that it is open takes five at most.
OPEN_WAIT_S, PROVE_WAIT_S = 8.0, 6.0
END_WAIT_S = {"recorder": 15.0}  # it brings everything to the disk
END_WAIT_DEFAULT_S = 3.0


def make_live_folder(folder: Path) -> None:
    """Make the live folder, private to this user, and clear it of an earlier run but for what must survive.

    Raises:
        UserError: it cannot be made, or belongs to somebody else.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if folder.stat().st_uid != os.getuid() or folder.parent.stat().st_uid != os.getuid():
            raise UserError(f"{folder}: belongs to another user; remove it")
        if holds_state(folder / "survival.block"):  # one that nobody wrote must not replace an older one
            (folder / "survival.block").replace(folder / PREVIOUS)
        for path in folder.iterdir():
            if path.name not in (*KEPT, PREVIOUS):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    except OSError as error:
        raise UserError(f"{folder}: the live folder cannot be made: {error.strerror}; check /dev/shm") from None


@dataclass
class Child:
    """One process of the BMS, and when it was started again lately."""

    role: str
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    due_s: float = 0.0
    recent_s: deque[float] = field(default_factory=deque)
    given_up: bool = False


class Supervisor:
    """Starts, watches and ends the processes of one live folder. Meets SR-154, SR-155."""

    def __init__(self, folder: Path, log_folder: Path) -> None:
        self.folder, self._log_folder = folder, log_folder
        self.children: dict[str, Child] = {}
        self.messages: deque[str] = deque(maxlen=100)
        self._block: Block | None = None
        self._record = np.zeros(1, SUPERVISOR_RECORD)
        self._health = np.zeros(1, HEALTH_RECORD)
        self._health_block: Block | None = None

    def start(self, roles: Sequence[str]) -> None:
        """Start processes. Those started before the plan is written load what they need and wait for it."""
        for role in roles:
            child = self.children.setdefault(role, Child(role))
            self._spawn(child)

    def _spawn(self, child: Child) -> None:
        arguments = [sys.executable, "-m", *MODULES[child.role], str(self.folder)]
        if child.role in NAMED:
            arguments.append(child.role)
        environment = os.environ | {"IONWARD_SUPERVISOR": str(os.getpid()), "OPENBLAS_NUM_THREADS": "1"}
        self._log_folder.mkdir(parents=True, exist_ok=True)
        with (self._log_folder / f"{child.role}.log").open("ab") as log:
            child.process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )

    def step(self, now_s: float, stopping: bool = False) -> None:
        """Look at all processes once, start dead ones again, and tell that this process is there."""
        if self._block is None and (self.folder / PLAN_FILE).exists():
            self._block = Block.writer(self.folder / "supervisor.block")
            self._health_block = Block.writer(self.folder / health_block("supervisor"))
            self._health["pid"], self._health["started_s"], self._health["state"] = os.getpid(), now_s, RUNNING
        if self._block is not None and self._health_block is not None:
            self._record["time_s"], self._record["stopping"] = now_s, stopping
            self._block.publish(self._record.view(np.int64))
            self._health["time_s"] = now_s
            self._health["cycles"] += 1
            self._health_block.publish(self._health.view(np.int64))
        for child in self.children.values():
            self._look(child, now_s, stopping)

    def _look(self, child: Child, now_s: float, stopping: bool) -> None:
        if child.process is not None:
            code = child.process.poll()
            if code is None:
                return
            child.process = None
            if stopping:
                return
            child.recent_s.append(now_s)
            while child.recent_s and now_s - child.recent_s[0] > RESTARTS_WINDOW_S:
                child.recent_s.popleft()
            child.given_up = len(child.recent_s) > RESTARTS_MAX
            child.due_s = now_s + RESTART_WAIT_S.get(child.role, 0.0)
            again = "given up after too many" if child.given_up else "started again"
            self.messages.append(f"{child.role} ended ({_ending(code)}), {again}{self._last_words(child.role)}")
        if not child.given_up and not stopping and now_s >= child.due_s:
            child.restarts += 1
            self._spawn(child)

    def _last_words(self, role: str) -> str:
        """The last line that a process wrote before it ended."""
        try:
            text = (self._log_folder / f"{role}.log").read_text(errors="replace").strip()
        except OSError:
            return ""
        return f": {text.splitlines()[-1]}" if text else ""

    @property
    def hopeless(self) -> list[str]:
        """Roles that end again and again; without the driver, control or the guard there is nothing to supervise."""
        return [c.role for c in self.children.values() if c.given_up]

    def end(self) -> list[str]:
        """Open the contactors in order, then end all processes; returns what did not go as it should, in words."""
        troubles: list[str] = []
        if not (self.folder / PLAN_FILE).exists():
            self.kill()  # nothing was driven yet
            return troubles
        if not self._wait_open():
            troubles.append("the contactors were not seen to open in time: the driver drops them now")
        for role in ENDING:
            child = self.children.get(role)
            if child is not None and child.process is not None:
                child.process.send_signal(signal.SIGTERM)
                try:
                    child.process.wait(END_WAIT_S.get(role, END_WAIT_DEFAULT_S))
                except subprocess.TimeoutExpired:
                    troubles.append(f"{role} did not end when asked to, and was killed")
                    child.process.kill()
                    child.process.wait()
                child.process = None
        return troubles

    def _wait_open(self) -> bool:
        """Ask control to withdraw every wish, and wait until nothing is driven closed."""
        if self._block is None:
            return True
        io = Block.reader(self.folder / "io.block")
        words = np.zeros(io.words, np.int64)

        def is_open() -> bool:
            if not io.latest(words):
                return True
            driven = words[-words_of(DRIVEN_RECORD) :].view(DRIVEN_RECORD)[0]
            return bool(driven["main_positive"] + driven["main_negative"] + driven["precharge"] == 0)

        if not self._wait_for(is_open, OPEN_WAIT_S):
            return False
        # What control keeps for the next start should say that this is over.
        self._wait_for(self._opening_is_over, PROVE_WAIT_S)
        return True

    def _wait_for(self, over: Callable[[], bool], longest_s: float) -> bool:
        """Go on watching until something is so, for so long at most; whether it came."""
        until_s = time.monotonic() + longest_s
        while (now_s := time.monotonic()) < until_s:
            self.step(now_s, stopping=True)
            if over():
                return True
            time.sleep(0.02)
        return False

    def _opening_is_over(self) -> bool:
        """Control has seen that the pack is disconnected, or is not there to see it."""
        child = self.children.get("control")
        control = Block.reader(self.folder / "control.block")
        words = np.zeros(control.words, np.int64)
        if child is None or child.process is None or not control.latest(words):
            return True
        return int(words[: words_of(CONTROL_RECORD)].view(CONTROL_RECORD)["state"][0]) != STATE_OPENING

    def clean(self) -> None:
        """Take what nobody needs any more out of memory: all but the surviving state and the battery."""
        for path in self.folder.glob("*"):
            if path.name not in (*KEPT, PREVIOUS) and path.is_file():
                path.unlink(missing_ok=True)

    def kill(self) -> None:
        """End everything at once."""
        for child in self.children.values():
            if child.process is not None:
                child.process.kill()
                child.process.wait()
                child.process = None


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
