"""Rules of the path to the bus as properties, over whole histories.

The rules are asked directly, so that a measurement may be anything. What they should say is worked out anew from
`docs/protection.md`.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.judging import beside, judged, measure, measured, newest_is, same
from helpers.kernel import Kernel
from ionward.image.inputs import CHANNEL
from ionward.image.signals import HOLD_WELDED, MEASURED, STATE_FAULT
from ionward.safety.rules_path import path_rules

EXAMPLES = 60
CONTACTORS = ("main_positive", "main_negative", "precharge")
PACK_V = 16.0  # a power of two: shares of it are exact
PAUSES_S = st.sampled_from([0.0, 1 / 64, 1 / 32, 3 / 64, 1 / 8])


def bench(**pack: Any) -> Kernel:
    k = Kernel(settle=False, contactor_open_s=1 / 8, contactor_close_s=1 / 16, **pack)
    for name in CHANNEL._fields:
        measure(k, name, math.nan, False)
    k.s["cell_voltage_sum_v"] = k.image.channels[MEASURED.value, CHANNEL.pack_voltage_v] = PACK_V
    return k


def judge_path(k: Kernel) -> None:
    path_rules(k.parameters, k.image, k.protect_memory.verdicts, k.protect_memory.contactors, k.protect_memory.state[0])


def always(k: Kernel, *faults: str) -> bool:
    """Judged whatever flows, and known as a whole."""
    return all(judged(k, fault, field) == 1 for fault in faults for field in ("complete", "active"))


volts = measured(st.just(0.0) | beside(-PACK_V, 2.0, PACK_V, 16.8) | st.floats(-20.0, 40.0, width=16))


@settings(max_examples=EXAMPLES)
@given(volts, volts, measured(beside(-1.0, 0.5, PACK_V)), st.booleans(), st.booleans(), st.booleans())
def test_fuse_and_bus_are_judged_by_the_cells(
    pack_v: float, bus_v: float, sum_v: float, new_pack: bool, new_bus: bool, fitted: bool
) -> None:
    k = bench(has_fuse=fitted)
    measure(k, "pack_voltage_v", pack_v, new_pack)
    measure(k, "bus_voltage_v", bus_v, new_bus)
    k.s["cell_voltage_sum_v"] = sum_v
    judge_path(k)
    fallen = 1.0 - pack_v / sum_v
    assert same(judged(k, "fuse_blown"), fallen)
    assert judged(k, "fuse_blown", "usable") == (fitted and sum_v > 0.0 and not math.isnan(fallen))
    assert judged(k, "fuse_blown", "place") == CHANNEL.pack_voltage_v
    full_v = 4 * 4.2
    outside = bus_v / full_v - 1.0 if bus_v > full_v else -bus_v / full_v if bus_v < 0.0 else 0.0 * bus_v
    assert same(judged(k, "bus_not_understood"), outside)
    assert judged(k, "bus_not_understood", "usable") == (not math.isnan(bus_v))
    assert judged(k, "bus_not_understood", "place") == CHANNEL.bus_voltage_v
    assert newest_is(k, "fuse_blown", new_pack)
    assert newest_is(k, "bus_not_understood", new_bus)
    assert always(k, "fuse_blown", "bus_not_understood")


def test_only_what_the_probe_found_is_told_as_welded_by_the_probe() -> None:
    k = bench()
    for state, reason in itertools.product(range(STATE_FAULT + 2), range(HOLD_WELDED + 2)):
        k.s["state"], k.s["state_reason"] = state, reason
        judge_path(k)
        found = state == STATE_FAULT and reason == HOLD_WELDED
        assert judged(k, "contactor_welded_in_probe") == judged(k, "contactor_welded_in_probe", "newest") == found
        assert judged(k, "contactor_welded_in_probe", "usable") == 1
        assert judged(k, "contactor_welded_in_probe", "place") == -1


@settings(max_examples=EXAMPLES)
@given(beside(0.0, 0.8, 1.0), beside(0.0, 0.8, 1.0), st.booleans())
def test_wear_is_that_of_the_contactor_that_has_borne_more(positive: float, negative: float, counted: bool) -> None:
    k = bench(has_contactor_life=counted)
    k.s["contactor_wear_positive"], k.s["contactor_wear_negative"] = positive, negative
    judge_path(k)
    if math.isnan(positive) or math.isnan(negative):
        return
    assert judged(k, "contactor_worn") == judged(k, "contactor_worn", "newest") == max(positive, negative)
    worse = "main_positive_closed" if positive >= negative else "main_negative_closed"
    assert judged(k, "contactor_worn", "place") == getattr(CHANNEL, worse)
    assert judged(k, "contactor_worn", "usable") == counted


class Flicker:
    """Changes of one contact that no command explains; each is forgotten within ten seconds, one after the other."""

    def __init__(self) -> None:
        self.changes = 0.0
        self.command: bool | None = None
        self.since_s = self.read_after_s = 0.0
        self.read: float | None = None

    def look(self, feedback: float, new: bool, commanded: bool, dt_s: float) -> None:
        if commanded != self.command:
            self.command, self.since_s, self.read_after_s = commanded, 0.0, 0.0
        self.since_s += dt_s
        self.changes = max(self.changes - dt_s / 10.0, 0.0)
        if math.isnan(feedback):
            return
        # By the reading before, the contact had had the longer of both times to follow: 1/8 s.
        if self.read is not None and feedback != self.read and self.read_after_s > 1 / 8:
            self.changes += 1.0
        self.read = feedback
        if new:
            self.read_after_s = min(self.since_s, 10.0)


flicker_tick = st.tuples(
    *[st.tuples(st.sampled_from([0.0, 1.0, 1.0, math.nan]), st.integers(0, 3).map(bool), st.integers(0, 9))] * 3,
    st.sampled_from([0.0, 1 / 64, 1 / 16, 1 / 8, 1 / 4, 2.0, 11.0]),
)


@settings(max_examples=EXAMPLES)
@given(st.lists(flicker_tick, min_size=1, max_size=25), st.booleans())
def test_a_contactor_chatters_where_its_feedback_changes_without_a_command(course: list[Any], fitted: bool) -> None:
    k, contacts = bench(has_contactors=fitted), [Flicker() for _ in CONTACTORS]
    command = [False, False, False]
    for *states, dt_s in course:
        k.s["dt_s"] = dt_s
        for c, (feedback, new, toss) in enumerate(states):
            command[c] ^= toss == 0  # seldom
            measure(k, f"{CONTACTORS[c]}_closed", feedback, new)
            k.s[f"{CONTACTORS[c]}_close"] = command[c]
            contacts[c].look(feedback, new, command[c], dt_s)
        judge_path(k)
        known = [c for c in range(3) if not math.isnan(states[c][0])]
        assert judged(k, "contactor_chattering", "usable") == (fitted and bool(known))
        if known:
            worst = max(contacts[c].changes for c in known)
            assert judged(k, "contactor_chattering") == pytest.approx(worst, abs=1e-12)
            assert newest_is(k, "contactor_chattering", True)
            place = int(judged(k, "contactor_chattering", "place")) - CHANNEL.main_positive_closed
            assert place in known
            assert contacts[place].changes == pytest.approx(worst, abs=1e-12)
        else:
            assert judged(k, "contactor_chattering", "place") == -1


def test_of_two_contacts_that_chatter_alike_the_first_one_is_named() -> None:
    k = bench()
    k.s["dt_s"] = 1 / 4
    for feedback in (0.0, 0.0, 1.0):
        for name in CONTACTORS[1:]:
            measure(k, f"{name}_closed", feedback)
        judge_path(k)
    assert judged(k, "contactor_chattering") == 1.0
    assert judged(k, "contactor_chattering", "place") == CHANNEL.main_negative_closed


ohms = st.sampled_from([0.0, -1.0, math.nan, 1e3, 1e6, 5e6])  # validation lets no infinity through


@settings(max_examples=EXAMPLES)
@given(st.lists(st.tuples(ohms, st.booleans(), st.sampled_from([0.0, 0.01, 150.0, 300.0, 400.0])), min_size=1,
                max_size=12))  # fmt: skip
def test_insulation_is_compared_with_what_it_was_some_minutes_ago(course: list[tuple[float, bool, float]]) -> None:
    k, slow = bench(), math.nan
    for ohm, new, dt_s in course:
        k.s["dt_s"] = dt_s
        measure(k, "insulation_ohm", ohm, new)
        judge_path(k)
        if ohm > 0.0:  # neither nothing nor no number is taken into the mean
            slow = ohm if math.isnan(slow) else slow + min(dt_s / 300.0, 1.0) * (ohm - slow)
        expected = ohm / slow
        assert same(judged(k, "insulation_falling"), expected)
        assert newest_is(k, "insulation_falling", new)
        assert judged(k, "insulation_falling", "usable") == (not math.isnan(expected))
        assert judged(k, "insulation_falling", "place") == CHANNEL.insulation_ohm


@settings(max_examples=EXAMPLES)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.sampled_from([0.0, 4.0, 16.0, math.nan]), PAUSES_S,
                          st.sampled_from([PACK_V, math.nan])), min_size=1, max_size=20),
       st.sampled_from([0.0, 1 / 16, 5.0]), st.booleans())  # fmt: skip
def test_the_precharge_resistor_heats_while_it_carries_alone_and_cools_in_its_pause(
    course: list[tuple[bool, bool, float, float, float]], pause_s: float, fitted: bool
) -> None:
    k, heat_j = bench(precharge_pause_s=pause_s, has_precharge=fitted), 0.0
    for closed, bypassed, bus_v, dt_s, pack_v in course:
        k.s["precharge_close"], k.s["main_positive_close"], k.s["dt_s"] = closed, bypassed, dt_s
        k.s["cell_voltage_sum_v"] = pack_v
        measure(k, "bus_voltage_v", bus_v)
        judge_path(k)
        if not closed or bypassed:
            heat_j *= max(1.0 - dt_s / pause_s, 0.0) if pause_s else 0.0
        elif not math.isnan(pack_v):
            across_v = pack_v - (0.0 if math.isnan(bus_v) else bus_v)  # an unknown bus may be a dead one
            heat_j += across_v**2 / 50.0 * dt_s
        assert judged(k, "precharge_resistor_hot") == pytest.approx(heat_j)
        assert newest_is(k, "precharge_resistor_hot", True)
        assert judged(k, "precharge_resistor_hot", "usable") == fitted
        assert judged(k, "precharge_resistor_hot", "place") == CHANNEL.precharge_closed


class Rise:
    """A precharge as it should be timed: the bus between 0.2 and 0.9 of the pack, and what flows past the resistor."""

    def __init__(self, expected_s: float) -> None:
        self.expected_s = expected_s
        self.forget()
        self.past_a: list[float] = []  # new samples in a row that the resistor cannot let through

    def forget(self) -> None:
        self.armed, self.there, self.share = False, 0, 1.0
        self.rising_s: list[float] = []

    def look_at_bus(self, share: float, new: bool, alone: bool, dt_s: float) -> None:
        if not self.armed:
            self.armed = alone and share < 0.2
        elif self.there < 2 and self.expected_s:
            if not share >= 0.9:
                self.there = 0
                if share >= 0.2 or sum(self.rising_s):
                    self.rising_s.append(dt_s)
            elif new:
                self.there += 1
                if self.there == 2:  # a single sample decides nothing
                    self.share = min(self.share, (sum(self.rising_s) + dt_s) / self.expected_s)

    def look_at_current(self, current_a: float, new: bool, alone: bool, lets_through_a: float) -> None:
        if not alone:
            self.past_a = []
        elif new:
            past = abs(current_a) > 1.5 * lets_through_a + 2.0
            self.past_a = [*self.past_a, abs(current_a)] if past else []
            if len(self.past_a) >= 2:
                self.share = min(self.share, lets_through_a / max(self.past_a))


rise_tick = st.tuples(
    st.sampled_from([0.0, 1.0, 3.1, 3.2, 8.0, 14.3, 14.4, 14.5, 16.0, 16.0, math.nan]), st.integers(0, 3).map(bool),
    st.sampled_from([0.0, 0.3, 2.47, 2.48, 2.49, -2.49, 4.0, -80.0, math.nan]), st.integers(0, 3).map(bool),
    st.sampled_from(["alone"] * 9 + ["bypassed", "given up", "open"]), PAUSES_S,
)  # fmt: skip


@settings(max_examples=EXAMPLES)
@given(st.lists(rise_tick, min_size=1, max_size=16), st.sampled_from([0.0, 0.25, 2.0]), st.booleans())
def test_a_precharge_is_too_fast_by_the_time_of_its_rise_or_by_what_flows_past_its_resistor(
    course: list[Any], expected_s: float, fitted: bool
) -> None:
    k, rise = bench(precharge_rise_s=expected_s, has_precharge=fitted), Rise(expected_s)
    for bus_v, new_bus, current_a, new_a, path, dt_s in course:
        k.s["precharge_close"], k.s["main_positive_close"] = path in ("alone", "bypassed"), path == "bypassed"
        k.s["dt_s"], k.s["current_a"] = dt_s, current_a
        state = k.protect_memory.state
        # Given up: not open for certain before the time to open is over, 1/8 s.
        state["discharge_open_s"] = {"given up": 1 / 8, "open": math.nextafter(1 / 8, 1.0)}.get(path, -1.0)
        state["current_is_new"] = new_a
        measure(k, "bus_voltage_v", bus_v, new_bus)
        judge_path(k)
        if path == "open":
            rise.forget()
        else:
            rise.look_at_bus(bus_v / PACK_V, new_bus, path == "alone", dt_s)
        rise.look_at_current(current_a, new_a, path == "alone", PACK_V / 50.0)
        assert judged(k, "precharge_too_fast") == pytest.approx(rise.share)
        assert newest_is(k, "precharge_too_fast", True)
        assert judged(k, "precharge_too_fast", "usable") == fitted
        assert judged(k, "precharge_too_fast", "place") == CHANNEL.bus_voltage_v
        assert always(k, "precharge_too_fast")


@pytest.mark.parametrize(("bus_v", "counted"), [(3.2, 4), (math.nextafter(3.2, 0.0), 3)])
def test_a_rise_is_timed_from_a_fifth_of_the_pack_on(bus_v: float, counted: int) -> None:
    k = bench(precharge_rise_s=1.0)
    k.s["precharge_close"], k.s["dt_s"] = 1, 1 / 64
    k.protect_memory.state["open_s"] = -1.0
    for volts in (0.0, bus_v, 8.0, 12.0, 16.0, 16.0):
        measure(k, "bus_voltage_v", volts)
        judge_path(k)
    assert judged(k, "precharge_too_fast") == counted / 64
