"""Rules of current over time, of lost and frozen readings and of the BMS itself as properties, over whole histories.

The rules are asked directly, so that a measurement may be anything. What they should say is worked out anew from
`docs/protection.md`.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.judging import beside, judged, same
from helpers.kernel import Kernel
from ionward.image.inputs import CHANNEL, new_command
from ionward.image.parameters import CURVE, MEASURE
from ionward.image.signals import BAD, GOOD, HELD, MEASURED, NOT_FITTED, REASON_FROZEN, REASON_NO_VALUE, REASON_NONE
from ionward.safety.rules import sum_rule
from ionward.safety.rules_current import current_rules, lost_current_rules
from ionward.safety.rules_heat import count_frozen
from ionward.safety.rules_inside import clock_rule, inside_rules
from ionward.safety.rules_load import load_rules, melting_s

EXAMPLES = 60
PAUSES_S = [0.0, 1 / 64, 1 / 32, 1.0]


def judged_as_a_whole(k: Kernel, *faults: str) -> bool:
    return all(judged(k, fault, field) == 1 for fault in faults for field in ("complete", "active"))


# --- current sensors

current = (beside(-600.0, -3.0, 0.0, 3.0) | st.floats(-999.0, 999.0, width=16)).map(
    lambda amperes: math.nan if math.isinf(amperes) else amperes  # validation lets no infinity through
)
sensor = st.tuples(current, st.booleans(), st.sampled_from([GOOD, GOOD, GOOD, HELD]),
                   st.sampled_from([0.0, 0.02, 0.03, 0.05]))  # fmt: skip


@settings(max_examples=2 * EXAMPLES)
@given(sensor, sensor, st.booleans())
def test_currents_are_judged_by_direction_and_compared_when_taken_together(
    first: tuple[float, bool, int, float], second: tuple[float, bool, int, float], sampled: bool
) -> None:
    k = Kernel(settle=False)
    names = ("current_a", "current_redundant_a")
    for name, (value, new, quality, age_s) in zip(names, (first, second), strict=True):
        channel = getattr(CHANNEL, name)
        k.image.channels[MEASURED.value, channel], k.image.channels[MEASURED.new, channel] = value, new
        k.image.channels[MEASURED.quality, channel] = BAD if math.isnan(value) else quality
        k.image.channels[MEASURED.age_s, channel] = age_s
    k.s["current_samples"] = 5
    state = k.protect_memory.state
    state["current_samples"] = 4 if sampled else 5
    current_rules(k.parameters, k.image, k.protect_memory.verdicts, state[0])
    known = [(v, new) for v, new, _, _ in (first, second) if not math.isnan(v)]
    assert (state["current_is_new"][0], state["current_samples"][0]) == (sampled, 5)
    assert state["direction_known"][0] == bool(known)
    assert state["charging"][0] == any(v > 3.0 for v, _ in known)  # 1.5 times a tolerance of 2 A
    assert state["discharging"][0] == any(v < -3.0 for v, _ in known)
    for way, sign in (("charge", 1.0), ("discharge", -1.0)):
        for fault in (f"{way}_overcurrent", f"{way}_overcurrent_pulse"):
            assert judged(k, fault, "usable") == bool(known)
            assert same(judged(k, fault), max((sign * v for v, _ in known), default=math.nan))
            assert same(judged(k, fault, "newest"), max((sign * v for v, new in known if new), default=math.nan))
    size = max((abs(v) for v, _ in known), default=math.nan)
    assert same(judged(k, "short_circuit"), size)
    assert same(judged(k, "short_circuit", "newest"), max((abs(v) for v, new in known if new), default=math.nan))
    if known:
        reads_more = next(n for n, r in enumerate((first, second)) if abs(r[0]) == size)
        assert judged(k, "short_circuit", "place") == getattr(CHANNEL, names[reads_more])
    compared = len(known) == 2 and first[2] == second[2] == GOOD and abs(first[3] - second[3]) <= 0.02
    difference = abs(first[0] - second[0]) if compared else math.nan
    assert same(judged(k, "current_sensors_disagree"), difference)
    assert same(judged(k, "current_sensors_disagree", "newest"), difference if first[1] or second[1] else math.nan)
    assert judged_as_a_whole(k, "charge_overcurrent", "discharge_overcurrent", "charge_overcurrent_pulse",
                             "discharge_overcurrent_pulse", "short_circuit", "current_sensors_disagree")  # fmt: skip


lost_sensor = st.tuples(st.booleans(), st.sampled_from([GOOD, HELD, BAD, BAD, BAD]), st.booleans())


@settings(max_examples=2 * EXAMPLES)
@given(lost_sensor, lost_sensor, st.sampled_from([0.05, 0.1, math.nextafter(0.1, 1.0), 0.2]))
def test_current_is_lost_with_its_last_sensor_and_redundancy_with_one_of_two(
    first: tuple[bool, int, bool], second: tuple[bool, int, bool], since_start_s: float
) -> None:
    k = Kernel(settle=False)
    k.protect_memory.state["since_start_s"] = since_start_s
    channels = (CHANNEL.current_a, CHANNEL.current_redundant_a)
    lost, fitted, awaited = [], 0, 0
    for channel, (is_fitted, quality, came) in zip(channels, (first, second), strict=True):
        k.parameters.channel_limits[MEASURE.fitted, channel] = is_fitted
        k.image.channels[MEASURED.quality, channel] = quality if is_fitted else NOT_FITTED
        k.image.channels[MEASURED.age_s, channel] = 0.2 if came else math.inf
        fitted += is_fitted
        if is_fitted and quality == BAD:
            if came or since_start_s > 0.1:
                lost.append(channel)
            else:
                awaited += 1
    lost_current_rules(k.parameters, k.image, k.protect_memory.verdicts, k.protect_memory.state[0])
    none_left = bool(lost) and len(lost) == fitted
    one_left = fitted == 2 and len(lost) == 1 and not awaited
    for fault, stands in (("current_lost", none_left), ("current_redundancy_lost", one_left)):
        assert judged(k, fault) == judged(k, fault, "newest") == stands
        assert judged(k, fault, "place") == (lost[0] if stands else -1)
        assert judged(k, fault, "usable") == 1
    assert judged_as_a_whole(k, "current_lost", "current_redundancy_lost")


# --- current over time

flowing = st.sampled_from([0.0, -0.0, 30.0, -200.0, 599.0, 600.0, -601.0, 1200.0, 5000.0, -9000.0, math.nan])
load_tick = st.tuples(flowing, st.sampled_from([0.0, 0.01, 1.0, 60.0, 200.0]), st.booleans(), st.booleans(),
                      st.booleans(), st.sampled_from([-1.0, 0.0, 0.1, 0.11, 5.0]))  # fmt: skip


def melts_after_s(amperes: float) -> float:
    """The curve of the pack's fuse, on logarithmic scales; beyond its end I²t stays the same."""
    curve_a, curve_s = [600.0, 1200.0, 5000.0], [3600.0, 10.0, 0.01]
    if amperes < curve_a[0] or math.isnan(amperes):
        return math.inf
    if amperes > curve_a[-1]:
        return curve_s[-1] * (curve_a[-1] / amperes) ** 2
    return math.exp(np.interp(math.log(amperes), np.log(curve_a), np.log(curve_s)))


@settings(max_examples=EXAMPLES)
@given(st.lists(load_tick, min_size=1, max_size=12), st.booleans())
def test_heat_drift_and_ignored_limits_follow_the_current(course: list[Any], own: bool) -> None:
    k = Kernel(settle=False, has_contactors=own)
    busbar = melted = drift = 0.0
    k.s["charge_limit_pulse_a"], k.s["discharge_limit_pulse_a"] = 20.0, 150.0
    for current_a, dt_s, new, positive, negative, open_s in course:
        state, known = k.protect_memory.state, not math.isnan(current_a)
        k.s["current_a"], k.s["dt_s"], state["current_is_new"] = current_a, dt_s, new
        k.s["main_positive_close"], k.s["main_negative_close"] = positive, negative
        state["charging"], state["discharging"] = current_a > 3.0, current_a < -3.0
        load_rules(k.parameters, k.image, k.protect_memory.verdicts, state[0], open_s)
        if known:
            share = min(dt_s / 60.0, 1.0)
            busbar = busbar * (1.0 - share) + share * (current_a / 200.0) ** 2
            melts_s = melts_after_s(abs(current_a))
            cooled = melted * max(1.0 - dt_s / 100.0, 0.0)
            melted = cooled if math.isinf(melts_s) else min(melted + dt_s / melts_s, 1.0)
        resting = known and own and open_s > 0.1
        drift = drift + min(dt_s / 5.0, 1.0) * (current_a - drift) if resting else 0.0
        closed = positive and negative
        beyond = {"charge": (current_a - 20.0) / 150.0, "discharge": (-current_a - 150.0) / 300.0}
        expected = {
            "fuse_busbar_i2t": max(busbar / 1.5, melted / 0.8),
            "current_offset": abs(drift),
            **{f"{way}_limit_ignored": max(far, 0.0) if closed and known else 0.0 for way, far in beyond.items()},
        }
        for fault, value in expected.items():
            assert judged(k, fault) == pytest.approx(value, rel=1e-9, abs=1e-12), fault
            assert judged(k, fault, "usable") == known
            assert judged(k, fault, "place") == CHANNEL.current_a
            newest = judged(k, fault, "newest")
            assert newest == judged(k, fault) if new else math.isnan(newest)
        assert judged_as_a_whole(k, *expected)


@pytest.mark.parametrize("flows_a", [2.9, -2.9])
def test_a_limit_of_nothing_is_not_ignored_by_an_offset(flows_a: float) -> None:
    k = Kernel(settle=False)
    k.s["charge_limit_pulse_a"] = k.s["discharge_limit_pulse_a"] = 0.0
    k.s["main_positive_close"] = k.s["main_negative_close"] = 1
    k.s["current_a"] = flows_a
    load_rules(k.parameters, k.image, k.protect_memory.verdicts, k.protect_memory.state[0], -1.0)
    assert judged(k, "charge_limit_ignored") == judged(k, "discharge_limit_ignored") == 0.0


@settings(max_examples=EXAMPLES)
@given(beside(600.0, 1200.0, 5000.0) | st.floats(0.0, 1e4))
def test_a_fuse_melts_by_its_curve_and_never_below_it(amperes: float) -> None:
    curve = Kernel(settle=False).parameters.curves[CURVE.fuse]
    if math.isinf(amperes):
        assert melting_s(curve, amperes) == (0.0 if amperes > 0.0 else math.inf)
    else:
        assert melting_s(curve, amperes) == pytest.approx(melts_after_s(amperes), rel=1e-9)


def test_a_curve_that_uses_all_its_points_ends_with_the_last_one() -> None:
    curve = np.array([[100.0, 200.0, 400.0], [9.0, 4.0, 1.0]])
    told = [melting_s(curve, amperes) for amperes in (99.0, 100.0, 200.0, 400.0, 800.0)]
    assert told == [math.inf, 9.0, 4.0, 1.0, 0.25]


def test_without_a_fuse_nothing_melts_and_one_of_a_single_point_keeps_its_energy() -> None:
    none, single = np.zeros((2, 4)), np.array([[100.0] * 4, [2.0] * 4])
    none[0] = math.inf
    assert melting_s(none, 1e9) == math.inf
    assert melting_s(single, 100.0) == 2.0
    assert melting_s(single, 200.0) == 0.5


# --- cell sum, frozen readings


@settings(max_examples=EXAMPLES)
@given(beside(-0.4, 0.0, 0.4) | st.floats(-20.0, 20.0, width=16), beside(-1e3, 0.0, 1e3), st.booleans())
def test_the_cell_sum_is_judged_per_cell_less_what_joints_may_drop(
    difference_v: float, current_a: float, new: bool
) -> None:
    k = Kernel(settle=False)
    k.s["cell_sum_difference_v"], k.s["current_a"] = difference_v, current_a
    k.image.channels[MEASURED.new, CHANNEL.pack_voltage_v] = new
    if math.isinf(difference_v) or math.isinf(current_a):
        return
    sum_rule(k.parameters, k.image, k.protect_memory.verdicts)
    known = not math.isnan(difference_v) and not math.isnan(current_a)
    if known:
        expected = max(abs(difference_v) / 4 - abs(current_a) * 1e-4, 0.0)
        assert judged(k, "cell_sum_mismatch") == pytest.approx(expected)
        assert same(judged(k, "cell_sum_mismatch", "newest"), judged(k, "cell_sum_mismatch") if new else math.nan)
    if math.isnan(difference_v):
        assert not judged(k, "cell_sum_mismatch", "usable")
    assert judged(k, "cell_sum_mismatch", "place") == -1
    assert judged_as_a_whole(k, "cell_sum_mismatch")


item = st.tuples(st.sampled_from([GOOD, HELD, BAD, BAD]),
                 st.sampled_from([REASON_NONE, REASON_FROZEN, REASON_FROZEN, REASON_NO_VALUE]))  # fmt: skip


@settings(max_examples=EXAMPLES)
@given(st.lists(item, min_size=1, max_size=6))
def test_what_stands_still_is_counted_apart_from_what_is_lost_otherwise(items: list[tuple[int, int]]) -> None:
    block = np.zeros((len(MEASURED), len(items)))
    for k, (quality, reason) in enumerate(items):
        block[MEASURED.quality, k], block[MEASURED.reason, k] = quality, reason
    frozen = [k for k, (quality, reason) in enumerate(items) if quality == BAD and reason == REASON_FROZEN]
    usable = sum(quality != BAD for quality, _ in items)
    assert count_frozen(block, usable) == (len(frozen), frozen[0] if frozen else -1)


# --- the BMS itself


@st.composite
def words(draw: st.DrawFn) -> dict[str, float]:
    names = ("supervised", "driver_tripped", "driven_differs", "state_refused")
    told: dict[str, float] = {name: draw(st.sampled_from([0, 1, 1])) for name in names}
    return told | {"guard_withholds": draw(st.integers(0, 13)), "driver_trips": draw(st.integers(0, 2)),
                   "overrun_share": draw(beside(0.05, 0.2)), "dt_s": draw(st.sampled_from([*PAUSES_S, math.nan])),
                   "closed": draw(st.integers(0, 7))}  # fmt: skip


@settings(max_examples=EXAMPLES)
@given(st.lists(words(), min_size=1, max_size=10))
def test_the_bms_itself_is_judged_by_what_its_processes_tell_in_real_time(course: list[dict[str, float]]) -> None:
    k, command = Kernel(settle=False), new_command()
    differs: list[float] = []
    trips_before = None
    for told in course:
        for name in told.keys() - {"dt_s", "closed"}:
            command[name] = told[name]
        k.s["dt_s"] = told["dt_s"]
        for bit, name in enumerate(("main_positive", "main_negative", "precharge")):
            k.s[f"{name}_close"] = int(told["closed"]) >> bit & 1
        inside_rules(command[0], k.image, k.protect_memory.verdicts, k.protect_memory.state[0])
        real = told["supervised"] == 1
        dt_s = told["dt_s"]
        differs = [*differs, dt_s] if real and told["driven_differs"] else []
        new_trip = trips_before is None or told["driver_trips"] != trips_before
        trips_before = told["driver_trips"]
        late = math.nan in differs[1:] or any(math.isnan(d) for d in differs[1:])
        expected = {
            "cycle_stopped": dt_s if real and not math.isnan(dt_s) else 0.0,
            "cycle_overrun": told["overrun_share"] if real else 0.0,
            "guard_withholds": told["guard_withholds"] if real and told["closed"] else 0.0,
            "enable_lost": float(real and told["driver_tripped"] == 1 and new_trip),
            "stored_state_corrupt": float(real and told["state_refused"] == 1),
        } | ({} if late else {"output_not_confirmed": sum(differs[1:])})
        if late:
            return  # a clock that is no number: told as such by another rule
        for fault, value in expected.items():
            assert same(judged(k, fault), value), fault
            assert same(judged(k, fault, "newest"), value)
            assert judged(k, fault, "usable") == (not math.isnan(value))
            assert judged(k, fault, "place") == -1
        assert judged_as_a_whole(k, *expected)


@settings(max_examples=EXAMPLES)
@given(st.lists(st.sampled_from([0.0, 0.01, 4.5, 5.0, 5.5, 50.0, 50.5, -0.01, -7.0, math.nan]), min_size=1,
                max_size=10), st.sampled_from([0.01, 1.0]))  # fmt: skip
def test_a_clock_jumps_where_it_goes_back_or_ahead_by_more_than_a_pause(steps_s: list[float], cycle_s: float) -> None:
    k = Kernel(settle=False, cycle_s=cycle_s)
    now_s, before_s = 1024.0, math.nan
    for step_s in steps_s:
        now_s = 1024.0 if math.isnan(now_s) else now_s
        now_s += step_s
        k.s["time_s"] = now_s
        clock_rule(k.parameters.scalars[0], k.s, k.protect_memory.verdicts, k.protect_memory.state[0])
        moved_s = now_s - before_s
        ahead_s = max(5.0, 50.0 * cycle_s)
        jumped = moved_s < 0.0 or moved_s > ahead_s
        assert judged(k, "clock_jumped") == (abs(moved_s) if jumped else 0.0)
        assert judged(k, "clock_jumped", "usable") == 1
        before_s = now_s


def test_the_pause_that_a_clock_may_make_is_that_of_fifty_cycles_and_at_least_five_seconds() -> None:
    for cycle_s, step_s in itertools.product((0.01, 1.0), (4.9, 5.1, 49.0, 51.0)):
        k = Kernel(settle=False, cycle_s=cycle_s)
        for now_s in (1000.0, 1000.0 + step_s):
            k.s["time_s"] = now_s
            clock_rule(k.parameters.scalars[0], k.s, k.protect_memory.verdicts, k.protect_memory.state[0])
        jumped = step_s > (5.0 if cycle_s == 0.01 else 50.0)
        assert judged(k, "clock_jumped") == pytest.approx(step_s if jumped else 0.0)


@pytest.mark.parametrize("since_start_s", [0.05, 0.15])
@pytest.mark.parametrize("lost", [CHANNEL.current_a, CHANNEL.current_redundant_a])
def test_a_sensor_that_may_still_come_is_not_the_one_that_is_left(lost: int, since_start_s: float) -> None:
    """One is lost, the other one has not come yet: it may be there at any moment, or is lost as well."""
    k = Kernel(settle=False)
    k.protect_memory.state["since_start_s"] = since_start_s
    both = [CHANNEL.current_a, CHANNEL.current_redundant_a]
    k.image.channels[MEASURED.quality, both], k.image.channels[MEASURED.age_s, both] = BAD, math.inf
    k.image.channels[MEASURED.age_s, lost] = 0.2
    lost_current_rules(k.parameters, k.image, k.protect_memory.verdicts, k.protect_memory.state[0])
    assert judged(k, "current_redundancy_lost") == 0.0
    assert judged(k, "current_lost") == (since_start_s > 0.1)
