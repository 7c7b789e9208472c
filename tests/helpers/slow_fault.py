"""The course of one fault, slowly: ladder, latch, cool-down, retries and events, written from `docs/protection.md`.

It keeps the whole history of each level and counts it again in every tick. Nothing of it comes from `ionward.safety`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

NONE, INFO, WARNING, FAULT, CRITICAL = range(5)
HOUR_S = 3600.0
ROUNDING_S = 1e-9  # times are sums of cycles


class Step(NamedTuple):
    """One level of a fault: both delays have to be over."""

    set: float
    clear: float
    samples: float
    seconds: float


class Described(NamedTuple):
    """What the catalogue and the pack file say of a fault. `steps`: info to critical, None where not in use."""

    steps: tuple[Step | None, ...]
    above: bool = True
    latching: bool = True
    service: bool = False
    cool_down_s: float = 0.0
    retries: int = 0


class Look(NamedTuple):
    """What a rule finds in one tick, and what a person does in it. `newest`: worst of the new samples, NaN for none.

    `complete`: all that the rule watches is known. `active`: it may be judged now (a direction of the current, say).
    """

    value: float
    newest: float
    place: int = 3
    usable: bool = True
    complete: bool = True
    active: bool = True
    dt_s: float = 0.0
    acknowledged: bool = False
    released: bool = False


class Told(NamedTuple):
    """An entry of the event ring."""

    level: int
    before: int
    place: int
    value: float
    time_s: float


def lasted(run: list[tuple[float, bool]], step: Step) -> bool:
    """Enough new samples, and enough time since the first of them. A run is of `(seconds, is a new sample)`.

    A delay that is no number is none: the fault is told rather than never.
    """
    samples = [k for k, (_, new) in enumerate(run) if new]
    if not samples or len(samples) < step.samples:
        return False
    time_s = sum(dt_s for dt_s, _ in run[samples[0] + 1 :])
    return math.isnan(step.seconds) or time_s + ROUNDING_S >= step.seconds


class SlowFault:
    """Ask `tick` what each look makes of it."""

    def __init__(self, described: Described, time_s: float = 0.0) -> None:
        self.described, self.time_s = described, time_s
        self.level, self.latched, self.raised, self.since_s = NONE, NONE, 0, 0.0
        self.value, self.place, self.place_of_level = math.nan, -1, 0
        self.let_go_by_retry = False
        self.events: list[Told] = []
        self.used: list[float] = []  # times of the retries that count
        self._beyond: list[list[tuple[float, bool]]] = [[] for _ in described.steps]
        self._back: list[tuple[float, bool]] = []
        self._gone: list[float] = []  # ticks since the latched fault stood last, as far as they were over

    def tick(self, look: Look) -> int:
        """The level after this tick."""
        self.time_s += look.dt_s
        before = self.level
        if look.usable and not math.isnan(look.value):
            self.value, self.place = look.value, look.place
            self.level = self._after(look)
        if self.level != before:
            self._tell(before)
        self._latch(look)
        return self.level

    def _beyond_by(self, value: float, wall: float) -> bool:
        return value > wall if self.described.above else value < wall

    def _after(self, look: Look) -> int:
        """The ladder: up at once to the highest level reached, down by one level."""
        reached = self.level
        for k in range(self.level, len(self.described.steps)):
            step = self.described.steps[k]
            if step is None:
                continue
            if not self._beyond_by(look.value, step.set):
                if look.complete:  # a good sample starts the count anew; one of a pack known in part may not be one
                    self._beyond[k] = []
            elif look.active:
                self._beyond[k].append((look.dt_s, self._beyond_by(look.newest, step.set)))
                if lasted(self._beyond[k], step):
                    reached = k + 1
        if reached > self.level:
            self._back = []
            return reached
        return self._after_leaving(look) if self.level > NONE else NONE

    def _after_leaving(self, look: Look) -> int:
        step = self.described.steps[self.level - 1]
        assert step is not None
        if look.active and self._beyond_by(look.value, step.clear):
            self._back = []
        elif look.complete:
            self._back.append((look.dt_s, not math.isnan(look.newest)))
            if lasted(self._back, step):
                self._back = []
                lower = max((k + 1 for k in range(self.level - 1) if self.described.steps[k] is not None), default=NONE)
                for k in range(lower, len(self._beyond)):
                    self._beyond[k] = []
                return lower
        return self.level

    def _tell(self, before: int) -> None:
        self.since_s = self.time_s
        if before == NONE:
            self.raised += 1
        if self.level > before:
            self.place_of_level = self.place
        self.events.append(Told(self.level, before, self.place_of_level, self.value, self.time_s))

    def _latch(self, look: Look) -> None:
        """What opened the contactors stays latched until it is gone, has cooled down, and a person lets it go, or a
        retry is left. A lock is let go by the service action only."""
        rule = self.described
        if self.level >= FAULT:
            if rule.latching:
                self.latched, self._gone, self.let_go_by_retry = max(self.latched, self.level), [], False
            return
        if self.latched == NONE:
            return
        cooled = sum(self._gone) >= rule.cool_down_s
        self._gone.append(look.dt_s)
        if cooled and (look.released if rule.service else look.acknowledged):
            self.latched, self.used, self.let_go_by_retry = NONE, [], False
        elif cooled and self.latched == FAULT and self._retry():
            self.latched, self.let_go_by_retry = NONE, True

    def _retry(self) -> bool:
        """Retries are counted for an hour from the first of them."""
        if self.used and self.time_s - self.used[0] > HOUR_S:
            self.used = []
        if len(self.used) >= self.described.retries:
            return False
        self.used.append(self.time_s)
        return True
