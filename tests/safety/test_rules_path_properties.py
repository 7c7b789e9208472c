"""Rules of the path to the bus, of taps and of measurement points as properties, over whole histories.

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

from helpers.judging import beside, judged, same
from helpers.kernel import Kernel
from ionward.image.inputs import CHANNEL
from ionward.image.signals import BAD, GOOD, HOLD_WELDED, MEASURED, NOT_FITTED, STATE_FAULT
from ionward.safety.rules_path import path_rules
from ionward.safety.rules_points import point_rules
from ionward.safety.rules_taps import tap_rules

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


def measure(k: Kernel, name: str, value: float, new: bool = True) -> None:
    channel = getattr(CHANNEL, name)
    k.image.channels[MEASURED.value, channel] = value
    k.image.channels[MEASURED.new, channel] = new
    k.image.channels[MEASURED.quality, channel] = BAD if math.isnan(value) else GOOD


def judge_path(k: Kernel) -> None:
    path_rules(k.parameters, k.image, k.protect_memory.verdicts, k.protect_memory.contactors, k.protect_memory.state[0])


def newest_is(k: Kernel, fault: str, new: bool) -> bool:
    newest = judged(k, fault, "newest")
    return same(newest, judged(k, fault)) if new else math.isnan(newest)


def always(k: Kernel, *faults: str) -> bool:
    """Judged whatever flows, and known as a whole."""
    return all(judged(k, fault, field) == 1 for fault in faults for field in ("complete", "active"))


def measured(values: st.SearchStrategy[float]) -> st.SearchStrategy[float]:
    """As validation leaves them: no infinities."""
    return values.map(lambda value: math.nan if math.isinf(value) else value)


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
        state["open_s"] = {"given up": 1 / 8, "open": math.nextafter(1 / 8, 1.0)}.get(path, -1.0)
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


# --- taps


class Side:
    """For how long one side has been commanded closed, and commanded open. None: it is not."""

    def __init__(self) -> None:
        self.closed_s: float | None = None
        self.open_s: float | None = None

    def look(self, closed: bool, is_open: bool, dt_s: float) -> None:
        self.closed_s = None if not closed else 0.0 if self.closed_s is None else self.closed_s + dt_s
        self.open_s = None if not is_open else 0.0 if self.open_s is None else self.open_s + dt_s


tap_volts = measured(st.just(0.0) | beside(0.85 * PACK_V, 0.95 * PACK_V, PACK_V) | st.floats(0.0, 20.0, width=16))
tap_tick = st.tuples(tap_volts, tap_volts, tap_volts, st.booleans(), st.booleans(), st.integers(0, 7), PAUSES_S,
                     st.sampled_from([PACK_V, PACK_V, 12.0, 5.0, 4.0, math.nan]),
                     st.sampled_from([PACK_V, PACK_V, math.nan]))  # fmt: skip


@settings(max_examples=EXAMPLES)
@given(st.lists(tap_tick, min_size=1, max_size=12), st.sampled_from([(), (0,), (1,), (0, 1)]), st.booleans())
def test_taps_tell_of_a_contact_what_only_it_can_make(course: list[Any], absent: tuple[int, ...], own: bool) -> None:
    k, sides = bench(has_contactors=own), (Side(), Side())
    names = ("positive_tap_v", "negative_tap_v")
    for positive_v, negative_v, bus_v, new_positive, new_negative, command, dt_s, pack_v, sum_v in course:
        positive, negative, precharge = (bool(command & bit) for bit in (1, 2, 4))
        k.s["main_positive_close"], k.s["main_negative_close"], k.s["precharge_close"] = positive, negative, precharge
        k.s["dt_s"], k.s["cell_voltage_sum_v"] = dt_s, sum_v
        measure(k, "pack_voltage_v", pack_v)
        measure(k, "bus_voltage_v", bus_v)
        taps, new = (positive_v, negative_v), (new_positive, new_negative)
        for side, name in enumerate(names):
            measure(k, name, taps[side], new[side])
            if side in absent:
                k.image.channels[MEASURED.quality, getattr(CHANNEL, name)] = NOT_FITTED
        tap_rules(k.parameters, k.image, k.protect_memory.verdicts, k.protect_memory.points)
        sides[0].look(positive, not (positive or precharge), dt_s)
        sides[1].look(negative, not negative, dt_s)
        reference_v = sum_v if math.isnan(pack_v) else pack_v
        reference_v = reference_v if reference_v > 5.0 else math.nan  # a dead pack is nothing to compare with
        watched = [side for side in (0, 1) if side not in absent]
        welded = {side: welded_share(sides[side], taps[side], bus_v, reference_v) for side in watched}
        opened = {side: open_share(sides[side], taps[side], sum_v, reference_v) for side in watched}
        agrees(k, "contactor_welded_by_voltage", welded, new, own)
        agrees(k, "contactor_open_by_voltage", opened, new, own)


def welded_share(side: Side, tap_v: float, bus_v: float, pack_v: float) -> float:
    """At the pack's voltage though it should not be; not known while the bus is there too."""
    if side.open_s is None or not side.open_s > 1 / 8:
        return 0.0
    return tap_v / pack_v if bus_v / pack_v < 0.85 or tap_v / pack_v <= 0.95 else math.nan


def open_share(side: Side, tap_v: float, sum_v: float, pack_v: float) -> float:
    """Apart from pack voltage and cell sum though it should be there."""
    if side.closed_s is None or not side.closed_s > 1 / 16:
        return 0.0
    apart = [abs(tap_v - other) for other in (pack_v, sum_v) if not math.isnan(tap_v - other)]
    return min(apart, default=math.nan) / pack_v


def agrees(k: Kernel, fault: str, shares: dict[int, float], new: tuple[bool, bool], own: bool) -> None:
    known = {side: share for side, share in shares.items() if not math.isnan(share)}
    assert judged(k, fault, "usable") == (own and bool(known))
    assert judged(k, fault, "complete") == (len(known) == len(shares))
    assert judged(k, fault, "active") == 1
    newest = [share for side, share in known.items() if new[side]]
    assert same(judged(k, fault, "newest"), max(newest, default=math.nan))
    if known:
        worst = max(known.values())
        assert same(judged(k, fault), worst)
        place = next(side for side in sorted(known) if known[side] == worst)
        assert judged(k, fault, "place") == CHANNEL.positive_tap_v + place
    else:
        assert judged(k, fault, "place") == -1


# --- measurement points

POINTS = {
    "contactor_overtemperature": ("contactor_positive_c", "contactor_negative_c"),
    "connector_overtemperature": ("connector_positive_c", "connector_negative_c"),
    "balancing_board_overtemperature": ("balancing_board_c",),
    "coolant_overtemperature": ("coolant_inlet_c", "coolant_outlet_c"),
    "cell_readings_disagree": ("monitor_redundancy_v",),
    "pyrofuse_fired": ("pyrofuse_intact",),
}
celsius = st.sampled_from([-50.0, 25.0, 89.0, 90.0, math.nan, math.inf, -math.inf])


@settings(max_examples=EXAMPLES)
@given(st.lists(st.tuples(celsius, st.booleans(), st.booleans()), min_size=9, max_size=9), st.booleans(), st.booleans())
def test_of_what_is_measured_alike_the_highest_one_counts_and_a_lost_one_keeps_it_from_clearing(
    readings: list[tuple[float, bool, bool]], cooled: bool, pyrofuse: bool
) -> None:
    k = bench(has_cooling=cooled, has_pyrofuse=pyrofuse)
    given_to = dict(zip((name for names in POINTS.values() for name in names), readings, strict=True))
    for name, (value, new, absent) in given_to.items():
        measure(k, name, value, new)
        if math.isnan(value) and absent:
            k.image.channels[MEASURED.quality, getattr(CHANNEL, name)] = NOT_FITTED
    point_rules(k.parameters, k.image, k.protect_memory.verdicts, k.protect_memory.points)
    for fault, names in POINTS.items():
        known = {name: given_to[name] for name in names if not math.isnan(given_to[name][0])}
        has = {"coolant_overtemperature": cooled, "pyrofuse_fired": pyrofuse}.get(fault, True)
        assert judged(k, fault, "usable") == (has and bool(known))
        assert judged(k, fault, "complete") == all(name in known or given_to[name][2] for name in names)
        newest = max((value for value, new, _ in known.values() if new), default=math.nan)
        assert same(judged(k, fault, "newest"), newest)
        if known:
            worst = max(value for value, _, _ in known.values())
            assert judged(k, fault) == worst
            first = next(name for name in names if name in known and known[name][0] == worst)
            assert judged(k, fault, "place") == getattr(CHANNEL, first)


@settings(max_examples=EXAMPLES)
@given(st.lists(st.tuples(beside(0.0, 0.1, 1.0), beside(0.0, 0.1, 1.0), st.sampled_from([0.0, 0.5, 1.0, math.nan]),
                          PAUSES_S), min_size=1, max_size=20), st.booleans(), st.booleans())  # fmt: skip
def test_cooling_is_lost_for_as_long_as_what_is_demanded_stands_still(
    course: list[tuple[float, float, float, float]], by_pump: bool, cooled: bool
) -> None:
    k = bench(cooling_by_pump=by_pump, has_cooling=cooled)
    idle: list[float] = []
    for pump, fan, running, dt_s in course:
        k.s["pump"], k.s["fan"], k.s["dt_s"] = pump, fan, dt_s
        measure(k, "cooling_running", running)
        point_rules(k.parameters, k.image, k.protect_memory.verdicts, k.protect_memory.points)
        demanded = (pump if by_pump else fan) >= 0.1
        if math.isnan(running):
            assert not judged(k, "cooling_lost", "usable")
            continue
        idle = [*idle, dt_s] if demanded and running < 0.5 else []
        assert judged(k, "cooling_lost") == judged(k, "cooling_lost", "newest") == sum(idle[1:])
        assert judged(k, "cooling_lost", "usable") == cooled
        assert judged(k, "cooling_lost", "place") == CHANNEL.cooling_running


counts = st.sampled_from([0.0, 1.0, 5.0, 65535.0, math.nan])


@settings(max_examples=EXAMPLES)
@given(st.lists(st.tuples(counts, counts, st.sampled_from([0.0, 0.01, 10.0, 30.0])), min_size=1, max_size=15))
def test_frames_that_are_wrong_are_a_rate_whatever_the_counters_do(course: list[tuple[float, float, float]]) -> None:
    k = bench()
    before, rate = [math.nan, math.nan], [0.0, 0.0]
    for crc, sequence, dt_s in course:
        k.s["dt_s"] = dt_s
        measure(k, "monitor_crc_errors", crc)
        measure(k, "monitor_sequence_errors", sequence)
        point_rules(k.parameters, k.image, k.protect_memory.verdicts, k.protect_memory.points)
        for n, (fault, count) in enumerate((("monitor_crc", crc), ("monitor_sequence", sequence))):
            come = 0.0
            if not math.isnan(count) and not math.isnan(before[n]):
                come = count - before[n] if count >= before[n] else count  # it began again
            before[n] = count
            rate[n] = rate[n] * max(1.0 - dt_s / 10.0, 0.0) + come / 10.0
            assert judged(k, fault) == pytest.approx(rate[n], abs=1e-9)
            assert newest_is(k, fault, True)
            assert judged(k, fault, "usable") == (not math.isnan(count))
            assert judged(k, fault, "place") == getattr(CHANNEL, f"{fault}_errors")
