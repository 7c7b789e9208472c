"""The guard: the second line of protection, beside control and simpler than it (level 2 of the E-Gas concept).

It reads the same raw samples, by limits of its own that stand a little farther out than those of the protection kernel
(`image.guard_limits`), makes control prove that it lives and that its program runs as it should, and compares what
control wishes with what the samples say. Contactors stay closed only while it gives its enable.

- The enable is given after some good cycles in a row, and only while no contactor is closed or wished closed.
- What is wrong while contactors are closed, or wished closed, trips: the enable stays away until a person has
  acknowledged and everything is good again.
- What is wrong while everything is open withholds the enable only as long as it lasts.
- The pyrofuse fires only where its own samples call for it too, enable or not.

Pure: time and all data are arguments. No part of it is compiled, and it shares no function with the kernel.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ionward.image.exchange import (
    GUARD_LATCHED,
    GUARD_NO_SAMPLES,
    GUARD_OK,
    GUARD_STARTING,
    GUARD_STOOD,
    GUARD_WISH,
)
from ionward.image.guard_table import GuardLimits
from ionward.image.inputs import Raw
from ionward.safety.guard_control import Heartbeat, Wishes
from ionward.safety.guard_input import Inputs
from ionward.safety.guard_samples import SampleWatch
from ionward.safety.guard_words import Finding, Records, control_words, driven_words, known_age_s, wishes_closed


class Verdict(NamedTuple):
    """What the guard says in one cycle. Reasons are those of `image.exchange`; `place` -1 and `value` NaN: none."""

    enable: bool
    reason: int
    place: int
    value: float
    challenge: int
    tripped: bool
    trip_reason: int
    trip_count: int
    pyrofuse: bool


class Driver:
    """The samples' process: does it come on, and what does it drive."""

    def __init__(self, limits: GuardLimits) -> None:
        self._limits = limits
        self._count, self._cycle = 0, -1
        self._came_on_s = -math.inf
        self._words: Any = None

    def hear(self, now_s: float, driven: Records, count: int) -> None:
        """Take what is driven; `count` tells whether it is new."""
        if count == self._count:
            return
        self._count, self._words = count, driven_words(driven)
        if self._words.cycle != self._cycle:
            self._cycle, self._came_on_s = self._words.cycle, now_s

    def silent(self, now_s: float) -> Finding | None:
        """It has not come on within its deadline, or its own time is not that of the machine. Meets SR-168."""
        if self._words is None:
            return Finding(GUARD_NO_SAMPLES)
        age_s = now_s - self._words.time_s
        in_time = -self._limits.cycle_s <= age_s <= self._limits.io_deadline_s
        came_on = now_s - self._came_on_s <= self._limits.io_deadline_s
        return None if in_time and came_on else Finding(GUARD_NO_SAMPLES, -1, known_age_s(age_s))

    @property
    def cycle(self) -> int:
        """Number of its last cycle; -1 before it has been heard of."""
        return self._cycle

    def drives_closed(self) -> bool:
        """Some contactor was driven closed when last heard of."""
        return self._words is not None and wishes_closed(self._words)


class Guard:
    """Stepped once in each cycle. `seed` makes the challenges: one that control cannot know in advance is best.

    `table_sums`: checksums of the slices of control's parameter tables (`image.tables`), as made at the start; empty
    where control has none that could be compared.

    Meets SR-167.
    """

    def __init__(self, limits: GuardLimits, seed: int, table_sums: tuple[int, ...] = ()) -> None:
        self.limits = limits
        self._samples = SampleWatch(limits)
        self._driver = Driver(limits)
        self._inputs = Inputs(limits)
        self._heartbeat = Heartbeat(limits, seed, self._inputs, table_sums)
        self._wishes = Wishes(limits, self._samples)
        self._control: Any = None
        self._control_count = 0
        self._step_s = math.nan
        self._good_cycles = 0
        self._closed = False  # in the step before: something closed, or wished closed
        self._wished = False
        self._tripped, self._trip_reason, self._trip_count, self._trip_s = False, GUARD_OK, 0, math.nan

    def step(
        self, now_s: float, raw: Raw, driven: Records, control: Records, control_count: int, io_count: int
    ) -> Verdict:
        """One cycle.

        Args:
            now_s: the machine's monotonic clock.
            raw: newest raw samples.
            driven: newest `DRIVEN_RECORD`, length 1.
            control: newest `CONTROL_RECORD`, length 1.
            control_count: how often control has written its record; 0 never.
            io_count: how often the samples and `driven` have been written; 0 never.
        """
        stood = self._stood(now_s)
        self._hear(now_s, raw, driven, control, control_count, io_count)
        finding = stood or self._judge(now_s)
        wished = self._control is not None and wishes_closed(self._control)
        closed = wished or self._driver.drives_closed()
        newly_wished, self._wished = wished and not self._wished, wished
        self._follow_trip(now_s, finding, closed, newly_wished)
        self._follow_enable(finding, closed)
        self._closed = closed
        return self._verdict(finding, self._heartbeat.new_challenge(now_s))

    def _stood(self, now_s: float) -> Finding | None:
        """This process itself was not there for too long, or its clock went back. Meets SR-168."""
        pause_s, self._step_s = now_s - self._step_s, now_s
        if 0.0 <= pause_s <= self.limits.stood_after_s or math.isnan(pause_s):
            return None
        return Finding(GUARD_STOOD, -1, pause_s)

    def _hear(
        self, now_s: float, raw: Raw, driven: Records, control: Records, control_count: int, io_count: int
    ) -> None:
        self._driver.hear(now_s, driven, io_count)
        self._samples.look(now_s, raw)
        if self._driver.cycle >= 0:
            self._inputs.hear(now_s, self._driver.cycle, raw)
        if control_count != self._control_count:
            self._control, self._control_count = control_words(control), control_count
        if self._control is not None:
            self._heartbeat.hear(now_s, self._control, control_count)
            self._wishes.look(now_s, self._control)

    def _judge(self, now_s: float) -> Finding | None:
        """The first thing that is wrong: what endangers the cells before what is wrong with a process."""
        return (
            self._driver.silent(now_s)
            or self._samples.beyond_limit()
            or self._samples.blind()
            or self._heartbeat.silent(now_s)
            or self._heartbeat.changed_tables()
            or self._heartbeat.wrong_input()
            or self._heartbeat.wrong_answer()
            or self._heartbeat.wrong_flow(now_s)
            or self._wishes.wrong_bus()
            or self._wishes.implausible(now_s, self._control)
        )

    def _follow_trip(self, now_s: float, finding: Finding | None, closed: bool, newly_wished: bool) -> None:
        """Trip, let a person's acknowledgement end the trip, or trip again because of a wish in spite of it.

        Meets SR-165.
        """
        if self._tripped:
            if not self._acknowledged(now_s):
                if newly_wished:
                    self._trip(now_s, GUARD_WISH)
            elif finding is None and self._samples.complete():
                self._tripped = False
        elif finding is not None and (self._driver.drives_closed() or (self._enabled() and (closed or self._closed))):
            self._trip(now_s, finding.reason)

    def _trip(self, now_s: float, reason: int) -> None:
        self._tripped, self._trip_reason, self._trip_s = True, reason, now_s
        self._trip_count += 1

    def _acknowledged(self, now_s: float) -> bool:
        """A person has acknowledged after the trip. A time in the future is none."""
        acknowledged_s = self._control.acknowledged_s if self._control is not None else -math.inf
        return bool(self._trip_s < acknowledged_s <= now_s + self.limits.cycle_s)

    def _enabled(self) -> bool:
        return self._good_cycles >= self.limits.start_cycles

    def _follow_enable(self, finding: Finding | None, closed: bool) -> None:
        """Count good cycles. Before the enable is given they must be complete, and nothing closed or wished closed.

        Meets SR-165.
        """
        good = finding is None and not self._tripped
        if good and not self._enabled():
            good = not closed and self._samples.complete()
        self._good_cycles = min(self._good_cycles + 1, self.limits.start_cycles) if good else 0

    def _verdict(self, finding: Finding | None, challenge: int) -> Verdict:
        enable = self._enabled()
        if finding is None:
            waiting = GUARD_LATCHED if self._tripped else GUARD_STARTING
            finding = Finding(GUARD_OK if enable else waiting)
        return Verdict(
            enable, *finding, challenge, self._tripped, self._trip_reason, self._trip_count,
            self._samples.calls_for_pyrofuse(),
        )  # fmt: skip
