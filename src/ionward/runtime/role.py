"""What all processes of a running BMS have in common: their place, their rights, their rhythm and their health.

A role dies with its parent, asks for real-time priority and locked memory where that is permitted, runs a cycle on the
common grid of the machine's monotonic clock, and tells how late and how long its cycles are.
"""

from __future__ import annotations

import ctypes
import gc
import math
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import numpy as np
import numpy.typing as npt

from ionward.image.blocks import Block, BlockError, words_of
from ionward.image.exchange import HEALTH_RECORD, HEALTH_SIGNALS, LATENESS_BINS
from ionward.runtime.plan import Plan, load_plan

NOT_ASKED, PERMITTED, REFUSED = range(3)
STARTING, RUNNING, ENDING = range(3)
# FIFO priorities: the driver before the guard before control, below the kernel's own threads.
PRIORITY = {"plant": 40, "io": 40, "guard": 39, "control": 38}
# Where in the cycle each one runs, as parts of the period: samples first, control on them, the guard on both.
PHASE = {"plant": 0.0, "io": 0.0, "control": 0.25, "guard": 0.6}
HEALTH_PERIOD_S = 0.1
HEALTH_SLOTS = 4
PLAN_WAIT_S = 60.0

PR_SET_PDEATHSIG = 1
# For tests of what a hanging process leads to: the role that this names hangs, interpreter lock and all, at SIGUSR1.
HANG_VARIABLE = "IONWARD_TEST_HANG"
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4

LATE_AT = [s.name for s in HEALTH_SIGNALS].index("late_0")
TOOK_AT = LATE_AT + LATENESS_BINS


def health_block(role: str) -> str:
    """File name of a process's health block."""
    return f"health-{role}.block"


class Tally:
    """Cycles counted in plain numbers: a field of an array costs ten times as much, in every cycle."""

    def __init__(self) -> None:
        self.cycles = self.overruns_own = self.overruns_late = self.skipped = 0
        self.lateness_max_s = self.cycle_max_s = 0.0
        self._late, self._took = [0] * LATENESS_BINS, [0] * LATENESS_BINS

    def count(self, late_s: float, took_s: float) -> None:
        """One more cycle."""
        self.cycles += 1
        self._late[lateness_bin(late_s)] += 1
        self._took[lateness_bin(took_s)] += 1
        if late_s > self.lateness_max_s:
            self.lateness_max_s = late_s
        if took_s > self.cycle_max_s:
            self.cycle_max_s = took_s

    def overrun(self, own: bool, skipped: int) -> None:
        """A cycle was over too late, by its own CPU time or not, and so many were left out."""
        if own:
            self.overruns_own += 1
        else:
            self.overruns_late += 1
        self.skipped += skipped

    def write(self, health: npt.NDArray[np.void], words: npt.NDArray[np.int64]) -> None:
        """Put it into a health record; `words` is the same memory."""
        for name in ("cycles", "overruns_own", "overruns_late", "skipped", "lateness_max_s", "cycle_max_s"):
            health[name] = getattr(self, name)
        words[LATE_AT : LATE_AT + LATENESS_BINS] = self._late
        words[TOOK_AT : TOOK_AT + LATENESS_BINS] = self._took


class StolenTime:
    """Time that the host of a virtual machine has taken away from its processors, which counts as ours otherwise."""

    def __init__(self, path: str = "/proc/stat") -> None:
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._file = -1
        self._ticks = self._read()

    def _read(self) -> int:
        """Clock ticks stolen from all processors since the machine started; 0 where the kernel does not tell."""
        fields = os.pread(self._file, 256, 0).split(b"\n", 1)[0].split() if self._file >= 0 else []
        return int(fields[8]) if len(fields) > 8 and fields[8].isdigit() else 0

    def more(self) -> bool:
        """Some was stolen since this was asked last."""
        before, self._ticks = self._ticks, self._read()
        return self._ticks > before


class Role:
    """This process as one role of the BMS in a live folder.

    `deadly` is the signal that the kernel sends when the parent has gone; one that has to leave things in order asks
    for SIGTERM, which ends `cycles`.
    """

    def __init__(self, live_folder: Path | str, name: str, deadly: signal.Signals = signal.SIGKILL) -> None:
        self.folder, self.name = Path(live_folder), name
        self.stopping = False
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the supervisor decides
        if os.environ.get(HANG_VARIABLE) == name:
            signal.signal(signal.SIGUSR1, _hang)
        die_with_parent(deadly)
        self.plan = wait_for_plan(self.folder)
        self.health = np.zeros(1, HEALTH_RECORD)
        self._words = self.health.view(np.int64)
        self._tally = Tally()
        self._block = Block.writer(self.folder / health_block(name))
        h = self.health
        h["pid"], h["started_s"] = os.getpid(), time.monotonic()
        self.publish_health(time.monotonic())

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping = True

    def become_realtime(self) -> None:
        """Ask for FIFO priority and locked memory, and take what has been made so far out of the collector's sight.

        Call it when everything is loaded. What is refused is told in the health record, and the process goes on.
        """
        gc.collect()
        gc.freeze()
        gc.disable()
        if not self.plan.realtime:
            return
        self.health["fifo"] = PERMITTED if ask_fifo(PRIORITY.get(self.name, 0)) else REFUSED
        self.health["memory_locked"] = PERMITTED if lock_memory() else REFUSED

    def cycles(self, period_s: float) -> Iterator[float]:
        """The time of each cycle, until the process is to end. Missed cycles are left out and counted.

        Lateness is the time from the deadline to the waking; a cycle overruns when it is not over at the next
        deadline: by its own doing if its CPU time alone was longer than the period and the host of a virtual machine
        has taken nothing away in the last tenth of a second, else because it was woken late or displaced.
        """
        offset_s = PHASE.get(self.name, 0.0) * period_s
        self.health["period_s"], self.health["state"] = period_s, RUNNING
        tally, stolen = self._tally, StolenTime()
        number = math.floor((time.monotonic() - offset_s) / period_s) + 1
        told_s = -math.inf
        while not self.stopping:
            deadline_s = number * period_s + offset_s
            wait_s = deadline_s - time.monotonic()
            if wait_s > 0.0:
                time.sleep(wait_s)
                if self.stopping:
                    break
            began_s, cpu_s = time.monotonic(), time.thread_time()
            yield began_s
            cpu_s, over_s = time.thread_time() - cpu_s, time.monotonic()
            number += 1
            if over_s > number * period_s + offset_s:
                next_number = math.floor((over_s - offset_s) / period_s) + 1
                tally.overrun(cpu_s > period_s and not stolen.more(), next_number - number)
                number = next_number
            tally.count(began_s - deadline_s, over_s - began_s)
            if over_s - told_s >= HEALTH_PERIOD_S:
                told_s = over_s
                stolen.more()
                self.publish_health(over_s)
        self.health["state"] = ENDING
        self.publish_health(time.monotonic())

    def looked(self, now_s: float, late_s: float, period_s: float) -> None:
        """Count a waking of a process that keeps its own time, and publish."""
        self.health["period_s"], self.health["state"] = period_s, RUNNING
        self._tally.count(late_s, 0.0)
        if late_s > period_s:
            self._tally.overrun(own=False, skipped=0)
        self.publish_health(now_s)

    @property
    def overruns(self) -> int:
        """Cycles that were not over in time, whatever the cause."""
        return self._tally.overruns_own + self._tally.overruns_late

    def publish_health(self, now_s: float) -> None:
        """Tell how this process is. `cycles` does it ten times a second."""
        self.health["time_s"] = now_s
        self._tally.write(self.health, self._words)
        self._block.publish(self._words)


def _hang(_number: int, _frame: FrameType | None) -> None:
    while True:
        pass


def lateness_bin(seconds: float) -> int:
    """The bin of a histogram that a time belongs to: bin k ends at 2 ** ((k + 1) / 2) µs."""
    if not seconds > 1e-6:
        return 0
    return min(max(math.ceil(2.0 * math.log2(seconds * 1e6)) - 1, 0), LATENESS_BINS - 1)


def bin_end_s(k: int) -> float:
    """Upper end of a bin of the histograms."""
    return float(2.0 ** ((k + 1) / 2.0)) * 1e-6


def wait_for_plan(folder: Path, timeout_s: float = PLAN_WAIT_S) -> Plan:
    """The plan of the live folder, as soon as the supervisor has written it.

    Processes are started before there is one, so that they load what they need meanwhile.

    Raises:
        BlockError: it does not come.
    """
    until_s = time.monotonic() + timeout_s
    while time.monotonic() < until_s:
        try:
            return load_plan(folder)
        except FileNotFoundError:
            time.sleep(0.01)
    raise BlockError(f"{folder}: the supervisor has written no plan")


def die_with_parent(number: signal.Signals) -> None:
    """Let the kernel send this signal when the parent ends. A parent that has gone already counts as well."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    parent = os.environ.get("IONWARD_SUPERVISOR")
    if parent is not None and os.getppid() != int(parent):
        os.kill(os.getpid(), number)


def ask_fifo(priority: int) -> bool:
    """Real-time priority for this process; False where it is not permitted."""
    if priority <= 0:
        return False
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except (OSError, AttributeError):
        return False
    return True


def lock_memory() -> bool:
    """Keep all memory of this process from being paged out; False where it is not permitted."""
    libc = ctypes.CDLL(None, use_errno=True)
    # Pages that are never touched (most of a compiler) need not be held.
    if libc.mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0:
        return True
    return int(libc.mlockall(MCL_CURRENT | MCL_FUTURE)) == 0


def health_words() -> int:
    """Words of a health block."""
    return words_of(HEALTH_RECORD)
