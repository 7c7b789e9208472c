"""The guard's look at control: does it live, does its program run as it should, and is its wish plausible."""

from __future__ import annotations

import itertools
import math
from collections import deque
from typing import Any

from ionward.image.challenge import mix
from ionward.image.exchange import (
    FLOW_FACTOR,
    FLOW_MASK,
    FLOW_SEED,
    FLOW_STAGES,
    GUARD_ANSWER,
    GUARD_BUS,
    GUARD_FLOW,
    GUARD_SILENT,
    GUARD_WISH,
)
from ionward.image.guard_table import GuardLimits
from ionward.safety.guard_samples import SampleWatch
from ionward.safety.guard_words import (
    MAIN_NEGATIVE,
    MAIN_POSITIVE,
    PRECHARGE,
    PYROFUSE,
    Finding,
    known_age_s,
    wishes_closed,
)

ALWAYS_RUN = 5  # stages of every tick: all but balance and cool
BALANCE, COOL = FLOW_STAGES.index("balance"), FLOW_STAGES.index("cool")
# A single wrong sample of bus or pack voltage decides nothing.
APART_SAMPLES = 2


def flow_word(stages: tuple[int, ...]) -> int:
    """What the tick's flow word is after these stages (numbers in the order of `FLOW_STAGES`, from 0)."""
    flow = FLOW_SEED
    for stage in stages:
        flow = (flow * FLOW_FACTOR + stage + 1) & FLOW_MASK
    return flow


def admissible_flows() -> frozenset[int]:
    """The four flow words of a sound tick: with and without balancing, with and without cooling."""
    always = tuple(range(ALWAYS_RUN))
    slow = itertools.chain.from_iterable(itertools.combinations((BALANCE, COOL), n) for n in range(3))
    return frozenset(flow_word(always + stages) for stages in slow)


class Heartbeat:
    """Challenges that control has to answer, and what its answers tell.

    The age of an answer counts from when its challenge was made, so that an answer kept back proves nothing.
    """

    def __init__(self, limits: GuardLimits, seed: int) -> None:
        self._limits, self._seed = limits, seed
        self._flows = admissible_flows()
        self._made = 0
        self._open: deque[tuple[int, float]] = deque()  # challenges that may still be answered, oldest first
        self._count, self._tick = 0, -1
        self._answered_s = -math.inf
        self._wrong_answer = False
        self._wrong_flow: int | None = None
        self._runs = [-1, -1]  # of balancing and cooling
        self._ran_s = [math.nan, math.nan]

    def new_challenge(self, now_s: float) -> int:
        """The challenge of this cycle. Those older than the deadline can no longer be answered."""
        challenge = mix(self._seed, 0, self._made)
        self._made += 1
        self._open.append((challenge, now_s))
        while self._open and not now_s - self._open[0][1] <= self._limits.answer_deadline_s:
            self._open.popleft()
        return challenge

    def hear(self, now_s: float, control: Any, count: int) -> None:
        """Take what control says; `count` tells whether it is new. A tick that has not come on proves nothing."""
        if count == self._count:
            return
        self._count = count
        if control.tick < self._tick:
            # A control that was started anew: its first word proves nothing yet.
            self._answered_s, self._tick = -math.inf, control.tick
            return
        came_on, self._tick = control.tick != self._tick, control.tick
        made_s = self._made_s(control.challenge)
        if made_s is None or not came_on:
            return
        self._wrong_answer = control.answer != mix(control.challenge, control.flow, control.tick)
        self._wrong_flow = None if control.flow in self._flows else control.flow
        after_silence = not now_s - self._answered_s <= self._limits.answer_deadline_s
        self._answered_s = made_s
        self._note_runs(now_s, control, after_silence)

    def _made_s(self, challenge: int) -> float | None:
        """When a challenge was made; None for one that is not ours, or too old."""
        for known, made_s in reversed(self._open):
            if known == challenge:
                return made_s
        return None

    def _note_runs(self, now_s: float, control: Any, after_silence: bool) -> None:
        """When balancing and cooling last came on. A silence before does not count against them."""
        for k, runs in enumerate((control.balance_runs, control.cool_runs)):
            if runs != self._runs[k] or after_silence:
                self._runs[k], self._ran_s[k] = runs, now_s

    def silent(self, now_s: float) -> Finding | None:
        """Control has answered no challenge made within the deadline."""
        age_s = now_s - self._answered_s
        return None if age_s <= self._limits.answer_deadline_s else Finding(GUARD_SILENT, -1, known_age_s(age_s))

    def wrong_answer(self) -> Finding | None:
        """The last answer was not the one to its challenge."""
        return Finding(GUARD_ANSWER) if self._wrong_answer else None

    def wrong_flow(self, now_s: float) -> Finding | None:
        """A stage of the last tick did not run, or in a wrong order; or a slow stage has not come on for too long."""
        if self._wrong_flow is not None:
            return Finding(GUARD_FLOW, -1, float(self._wrong_flow))
        for stage, ran_s in zip((BALANCE, COOL), self._ran_s, strict=True):
            if now_s - ran_s > self._limits.slow_deadline_s:
                return Finding(GUARD_FLOW, stage, now_s - ran_s)
        return None


class Wishes:
    """Control's wish for contactors and pyrofuse, against the raw samples. Places are those of `CONTACTORS`."""

    def __init__(self, limits: GuardLimits, samples: SampleWatch) -> None:
        self._limits, self._samples = limits, samples
        self._positive = False
        self._proving = False  # the positive contactor is wished closed, and no sample yet said that the bus matches
        self._apart = 0  # new bus samples in a row that do not match
        self._precharge_since_s = math.nan
        self._large_current_s = -math.inf

    def look(self, now_s: float, control: Any) -> None:
        """Note what the checks need to remember, once in each cycle."""
        if control.precharge and math.isnan(self._precharge_since_s):
            self._precharge_since_s = now_s
        if not control.precharge:
            self._precharge_since_s = math.nan
        if self._samples.largest_current_a() >= self._limits.pyrofuse_least_a:
            self._large_current_s = now_s
        if self._limits.bus_voltage.fitted:
            self._look_at_bus(bool(control.main_positive))

    def _look_at_bus(self, positive: bool) -> None:
        matches = self._bus_matches()
        if self._samples.bus_is_new():
            self._apart = 0 if matches else self._apart + 1
        newly, self._positive = positive and not self._positive, positive
        self._proving = positive and (newly or self._proving) and not matches

    def _bus_matches(self) -> bool:
        """The positive contactor may be closed onto the bus. An unknown voltage does not match."""
        pack_v, bus_v = self._samples.pack_voltage_v(), self._samples.bus_voltage_v()
        return abs(pack_v - bus_v) <= self._limits.bus_match_v or abs(bus_v) < self._limits.bus_dead_v

    def wrong_bus(self) -> Finding | None:
        """The positive contactor is wished closed onto a bus that does not match, by more than a single sample."""
        if not self._proving:
            return None
        difference_v = self._samples.pack_voltage_v() - self._samples.bus_voltage_v()
        if self._apart < APART_SAMPLES and difference_v == difference_v:
            return None
        return Finding(GUARD_BUS, MAIN_POSITIVE, difference_v)

    def implausible(self, now_s: float, control: Any) -> Finding | None:
        """A wish that no sound control has."""
        limits = self._limits
        if wishes_closed(control) and not limits.has_contactors:
            return Finding(GUARD_WISH, _first_closed(control))
        if control.precharge and not limits.has_precharge:
            return Finding(GUARD_WISH, PRECHARGE)
        if control.main_positive and not control.main_negative:
            return Finding(GUARD_WISH, MAIN_POSITIVE)
        precharge_s = now_s - self._precharge_since_s
        if precharge_s > limits.precharge_max_s:
            return Finding(GUARD_WISH, PRECHARGE, precharge_s)
        return self._implausible_pyrofuse(now_s, control)

    def _implausible_pyrofuse(self, now_s: float, control: Any) -> Finding | None:
        """The pyrofuse is for currents that contactors may not break, and for packs that have one."""
        recent = now_s - self._large_current_s <= self._limits.pyrofuse_memory_s
        if not control.pyrofuse or (recent and self._limits.has_pyrofuse):
            return None
        return Finding(GUARD_WISH, PYROFUSE, self._samples.largest_current_a())


def _first_closed(control: Any) -> int:
    if control.main_positive:
        return MAIN_POSITIVE
    return MAIN_NEGATIVE if control.main_negative else PRECHARGE
