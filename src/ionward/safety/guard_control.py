"""The guard's look at control: does it live, does its program run as it should, and is its wish plausible."""

from __future__ import annotations

import itertools
import math
import random
from collections import deque
from typing import Any

from ionward.image.challenge import answer_to, wish_word
from ionward.image.exchange import (
    FLOW_FACTOR,
    FLOW_MASK,
    FLOW_SEED,
    FLOW_STAGES,
    GUARD_ANSWER,
    GUARD_BUS,
    GUARD_FLOW,
    GUARD_INPUT,
    GUARD_SILENT,
    GUARD_TABLES,
    GUARD_WISH,
    REQUEST_CHARGE,
    REQUEST_DISCHARGE,
    REQUEST_NOTHING,
)
from ionward.image.guard_table import GuardLimits
from ionward.safety.guard_closing import BusWatch, CellWatch
from ionward.safety.guard_input import Inputs
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
CHALLENGE_BITS = 62
# What protection asks to open where each switch blocks one direction.
ONE_DIRECTION = {REQUEST_CHARGE: (MAIN_NEGATIVE,), REQUEST_DISCHARGE: (MAIN_POSITIVE, PRECHARGE)}


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

    The age of an answer counts from when its challenge was made, so that an answer kept back proves nothing. Each
    challenge names a slice of control's parameter tables, by its remainder; the next one when that was answered.

    Meets SR-161.
    """

    def __init__(self, limits: GuardLimits, seed: int, inputs: Inputs, table_sums: tuple[int, ...]) -> None:
        self._limits, self._random = limits, random.Random(seed)
        self._inputs, self._table_sums = inputs, table_sums
        self._slices, self._slice = max(len(table_sums), 1), 0
        self._changed: set[int] = set()  # slices whose checksum was wrong when last told
        self._wrong_input: float | None = None
        self._flows = admissible_flows()
        self._open: deque[tuple[int, float]] = deque()  # challenges that may still be answered, oldest first
        self._count, self._tick = 0, -1
        self._answered_s = -math.inf
        self._wrong_answer = False
        self._wrong_flow: int | None = None
        self._runs = [-1, -1]  # of balancing and cooling
        self._ran_s = [math.nan, math.nan]

    def new_challenge(self, now_s: float) -> int:
        """The challenge of this cycle. Those older than the deadline can no longer be answered."""
        challenge = self._random.getrandbits(CHALLENGE_BITS)
        challenge += self._slice - challenge % self._slices
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
        sample_sum = self._inputs.sum_of(control.driver_cycle)
        too_old = self._inputs.too_old(control.driver_cycle)
        if sample_sum is None and not too_old:
            return  # samples that this guard has not seen itself: this word can be neither believed nor blamed
        self._wrong_input = float(control.driver_cycle) if sample_sum != control.sample_sum else None
        table_sum = self._check_slice(control)
        self._wrong_answer = control.answer != answer_to(
            control.challenge, control.flow, control.tick, table_sum,
            control.sample_sum if sample_sum is None else sample_sum,
            wish_word(control.main_positive, control.main_negative, control.precharge, control.pyrofuse,
                      control.open_request),
        )  # fmt: skip
        self._wrong_flow = None if control.flow in self._flows else control.flow
        after_silence = not now_s - self._answered_s <= self._limits.answer_deadline_s
        self._answered_s = made_s
        self._note_runs(now_s, control, after_silence)

    def _check_slice(self, control: Any) -> int:
        """Compare the checksum of one slice, and ask for the next; returns what it should have been."""
        number = control.challenge % self._slices
        self._slice = (number + 1) % self._slices
        expected = self._table_sums[number] if self._table_sums else control.table_sum
        if control.table_sum == expected:
            self._changed.discard(number)
        else:
            self._changed.add(number)
        return int(expected)

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

    def changed_tables(self) -> Finding | None:
        """A slice of control's parameter tables is not what it was at the start; until it is told rightly again.

        Meets SR-220.
        """
        return Finding(GUARD_TABLES, min(self._changed)) if self._changed else None

    def wrong_input(self) -> Finding | None:
        """The last answer was made from other samples than those of its driver cycle, or from old ones."""
        return None if self._wrong_input is None else Finding(GUARD_INPUT, -1, self._wrong_input)

    def wrong_answer(self) -> Finding | None:
        """The last answer was not the one to its challenge."""
        return Finding(GUARD_ANSWER) if self._wrong_answer else None

    def wrong_flow(self, now_s: float) -> Finding | None:
        """A stage of the last tick did not run, or in a wrong order; or a slow stage has not come on for too long.

        Meets SR-162.
        """
        if self._wrong_flow is not None:
            return Finding(GUARD_FLOW, -1, float(self._wrong_flow))
        for stage, ran_s in zip((BALANCE, COOL), self._ran_s, strict=True):
            if now_s - ran_s > self._limits.slow_deadline_s:
                return Finding(GUARD_FLOW, stage, now_s - ran_s)
        return None


class Wishes:
    """Control's wish for contactors and pyrofuse, against the raw samples. Places are those of `CONTACTORS`.

    Meets SR-163.
    """

    def __init__(self, limits: GuardLimits, samples: SampleWatch) -> None:
        self._limits, self._samples = limits, samples
        places = (MAIN_POSITIVE, MAIN_NEGATIVE) if limits.one_way else (MAIN_POSITIVE,)
        self._buses = [BusWatch(limits, samples, place) for place in places] if limits.bus_voltage.fitted else []
        self._cells = CellWatch(limits, samples) if limits.one_way else None
        self._precharge_since_s = math.nan
        self._large_current_s = -math.inf
        self._wished = (0, 0, 0)
        self._closing: int | None = None  # a contactor that control newly wishes closed while protection asks to open
        self._still_closed = -1
        self._still_closed_s = math.nan  # since when something is wished closed although protection asks to open

    def look(self, now_s: float, control: Any) -> None:
        """Note what the checks need to remember, once in each cycle."""
        self._look_at_request(now_s, control)
        if control.precharge and math.isnan(self._precharge_since_s):
            self._precharge_since_s = now_s
        if not control.precharge:
            self._precharge_since_s = math.nan
        if self._samples.largest_current_a() >= self._limits.pyrofuse_least_a or self._samples.crashed():
            self._large_current_s = now_s
        positive, negative = bool(control.main_positive), bool(control.main_negative)
        for bus in self._buses:
            bus.look(positive if bus.place == MAIN_POSITIVE else negative)
        if self._cells is not None:
            self._cells.look(positive, negative)

    def _look_at_request(self, now_s: float, control: Any) -> None:
        """What is wished, beside what protection in the same tick asks for. Meets SR-222."""
        wished = (control.main_positive, control.main_negative, control.precharge)
        asked_open = self._asked_open(control.open_request)
        still = [k for k in asked_open if wished[k]]
        newly = [k for k in still if not self._wished[k]]
        self._closing = newly[0] if newly else self._closing if still else None
        if not still:
            self._still_closed_s = math.nan
        elif math.isnan(self._still_closed_s):
            self._still_closed_s = now_s
        self._still_closed = still[0] if still else -1
        self._wished = wished

    def _asked_open(self, request: int) -> tuple[int, ...]:
        """What protection asks to open. One direction only counts in a pack that can block it."""
        if self._limits.one_way and request in ONE_DIRECTION:
            return ONE_DIRECTION[request]
        return () if request == REQUEST_NOTHING else (MAIN_POSITIVE, MAIN_NEGATIVE, PRECHARGE)

    def wrong_bus(self) -> Finding | None:
        """A contactor is wished closed onto a bus that does not match, by more than a single sample."""
        for bus in self._buses:
            difference_v = bus.difference_v()
            if difference_v is not None:
                return Finding(GUARD_BUS, bus.place, difference_v)
        return None

    def implausible(self, now_s: float, control: Any) -> Finding | None:
        """A wish that no sound control has."""
        limits = self._limits
        if wishes_closed(control) and not limits.has_contactors:
            return Finding(GUARD_WISH, _first_closed(control))
        if control.precharge and not limits.has_precharge:
            return Finding(GUARD_WISH, PRECHARGE)
        if control.main_positive and not control.main_negative and not limits.one_way:
            return Finding(GUARD_WISH, MAIN_POSITIVE)
        beyond = self._cells.wrong() if self._cells is not None else None
        if beyond is not None:
            return Finding(GUARD_WISH, *beyond)
        if self._closing is not None:
            return Finding(GUARD_WISH, self._closing)
        if now_s - self._still_closed_s > limits.opening_max_s:
            return Finding(GUARD_WISH, self._still_closed, now_s - self._still_closed_s)
        precharge_s = now_s - self._precharge_since_s
        if precharge_s > limits.precharge_max_s:
            return Finding(GUARD_WISH, PRECHARGE, precharge_s)
        return self._implausible_pyrofuse(now_s, control)

    def _implausible_pyrofuse(self, now_s: float, control: Any) -> Finding | None:
        """The pyrofuse is for currents that contactors may not break, for crashes, and for packs that have one."""
        recent = now_s - self._large_current_s <= self._limits.pyrofuse_memory_s
        if not control.pyrofuse or (recent and self._limits.has_pyrofuse):
            return None
        return Finding(GUARD_WISH, PYROFUSE, self._samples.largest_current_a())


def _first_closed(control: Any) -> int:
    if control.main_positive:
        return MAIN_POSITIVE
    return MAIN_NEGATIVE if control.main_negative else PRECHARGE
