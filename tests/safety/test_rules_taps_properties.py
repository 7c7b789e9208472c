"""Rules of taps and of measurement points as properties, over whole histories.

The rules are asked directly, so that a measurement may be anything. What they should say is worked out anew from
`docs/protection.md`.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.judging import beside, judged, measure, measured, newest_is, same
from helpers.kernel import Kernel
from ionward.image.inputs import CHANNEL
from ionward.image.signals import MEASURED, NOT_FITTED
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


@pytest.mark.parametrize(("tap_v", "share"), [(15.0, 1 / 12), (17.0, 1 / 12), (12.5, 0.5 / 12), (11.0, 1 / 12),
                                              (0.0, 1.0)])  # fmt: skip
def test_of_pack_voltage_and_cell_sum_the_one_nearer_to_the_tap_counts(tap_v: float, share: float) -> None:
    k = bench()
    k.s["main_positive_close"] = k.s["main_negative_close"] = 1
    k.s["dt_s"], k.s["cell_voltage_sum_v"] = 1.0, 16.0
    measure(k, "pack_voltage_v", 12.0)
    measure(k, "positive_tap_v", tap_v)
    measure(k, "negative_tap_v", 12.0)
    for _ in range(2):
        tap_rules(k.parameters, k.image, k.protect_memory.verdicts, k.protect_memory.points)
    assert judged(k, "contactor_open_by_voltage") == pytest.approx(share)


@pytest.mark.parametrize(("name", "side"), [("positive_tap_v", 0), ("negative_tap_v", 1)])
def test_a_contact_has_the_whole_time_to_open_and_to_close(name: str, side: int) -> None:
    """Commands count from the tick in which they are seen first; 1/8 s to open, 1/16 s to close."""
    k = bench()
    for tap in ("positive_tap_v", "negative_tap_v"):
        measure(k, tap, PACK_V)
    measure(k, "bus_voltage_v", 0.0)
    k.s["main_positive_close"] = k.s["main_negative_close"] = 1
    k.s["main_negative_close" if side else "main_positive_close"] = 0
    told = {"contactor_welded_by_voltage": [], "contactor_open_by_voltage": []}
    for closed in (0, 1):
        k.s["main_negative_close" if side else "main_positive_close"] = closed
        measure(k, name, 0.0 if closed else PACK_V)
        for dt_s in (1 / 16, 1 / 16, 1 / 16, 1 / 16):
            k.s["dt_s"] = dt_s
            tap_rules(k.parameters, k.image, k.protect_memory.verdicts, k.protect_memory.points)
            for fault, values in told.items():
                values.append(judged(k, fault))
    assert told["contactor_welded_by_voltage"] == [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    assert told["contactor_open_by_voltage"] == [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0]
