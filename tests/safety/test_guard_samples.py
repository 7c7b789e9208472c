"""The guard on raw samples: what is beyond a limit, what cannot be read, and what decides nothing."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.guarding import (
    CYCLE_S,
    LIMITS,
    Bench,
    bench,
    cycles_of,
)
from ionward.image.exchange import (
    GUARD_BLIND,
    GUARD_CURRENT,
    GUARD_TEMPERATURE,
    GUARD_VOLTAGE,
)
from ionward.image.inputs import CHANNEL

# Absolute limits.

BEYOND = {
    "cell too high": ("cells", 5, LIMITS.cell_voltage.high + 0.01, GUARD_VOLTAGE, 5, LIMITS.cell_voltage),
    "cell too low": ("cells", 2, LIMITS.cell_voltage.low - 0.01, GUARD_VOLTAGE, 2, LIMITS.cell_voltage),
    "too hot": ("temperatures", 1, LIMITS.temperature.high + 0.5, GUARD_TEMPERATURE, 1, LIMITS.temperature),
    "charge current": ("channels", "current_a", LIMITS.current.high + 1, GUARD_CURRENT, CHANNEL.current_a,
                       LIMITS.current),
    "discharge current": ("channels", "current_redundant_a", LIMITS.current.low - 1, GUARD_CURRENT,
                          CHANNEL.current_redundant_a, LIMITS.current_redundant),
    "current out of range": ("channels", "current_a", math.inf, GUARD_CURRENT, CHANNEL.current_a, LIMITS.current),
}  # fmt: skip


@pytest.mark.verifies("SR-160")
@pytest.mark.parametrize("case", BEYOND)
def test_beyond_a_limit_trips_after_samples_and_time_and_not_before(case: str) -> None:
    block, item, value, reason, place, watch = BEYOND[case]
    b = bench(break_discharge_a=1000.0)
    b.connected()
    getattr(b, block)[item] = value
    needed = max(watch.samples, cycles_of(watch.delay_s) + 1)
    before = b.step(needed - 1)
    assert before.enable
    assert not before.tripped
    verdict = b.step()
    assert not verdict.enable
    assert (verdict.reason, verdict.place, verdict.tripped) == (reason, place, True)
    assert verdict.value == pytest.approx(value)


@pytest.mark.parametrize(
    ("block", "item", "value"),
    [
        ("cells", 5, LIMITS.cell_voltage.high - 0.001),
        ("cells", 5, LIMITS.cell_voltage.low + 0.001),
        ("temperatures", 1, LIMITS.temperature.high - 0.1),
        ("temperatures", 1, -39.0),
        ("channels", "current_a", LIMITS.current.high - 0.1),
        ("channels", "current_a", LIMITS.current.low + 0.1),
    ],
)
def test_within_the_limits_nothing_happens(block: str, item: Any, value: float) -> None:
    b = bench()
    b.connected()
    getattr(b, block)[item] = value
    assert b.for_s(5.0).enable


@pytest.mark.verifies("SR-103")
def test_an_old_sample_read_again_and_again_decides_nothing() -> None:
    b = bench()
    b.connected()
    b.cells[4] = LIMITS.cell_voltage.high + 0.1
    b.step()
    b.silent = {"cells"}
    for _ in range(cycles_of(LIMITS.cell_voltage.blind_after_s)):
        assert b.step().reason not in (GUARD_VOLTAGE, GUARD_BLIND)
    assert b.for_s(LIMITS.cell_voltage.age_max_s + 0.05).reason == GUARD_BLIND


@pytest.mark.parametrize("times_s", [
    [-0.02, -0.01] * 20,  # two old samples in turn
    [1e6 + k for k in range(40)],
    [math.inf, math.nan, -math.inf, -1.0] * 10,
])  # fmt: skip
def test_samples_of_the_past_or_the_future_do_not_count(times_s: list[float]) -> None:
    b = bench()
    b.connected()
    newest_s = b.now_s
    b.silent = {"cells"}
    for time_s in times_s:
        b.raw.cells[:, 4] = 5.0, newest_s + time_s
        assert b.step().reason not in (GUARD_VOLTAGE, GUARD_BLIND)


def test_where_samples_are_slower_than_the_delay_their_number_decides() -> None:
    b = bench(cell_voltage=LIMITS.cell_voltage._replace(delay_s=0.0, samples=7))
    b.connected()
    b.cells[0] = 4.9
    assert b.step(6).enable
    assert b.step().reason == GUARD_VOLTAGE


def test_what_is_beyond_from_the_start_never_gets_the_enable() -> None:
    b = bench()
    b.cells[0] = 4.9
    assert not any(b.step().enable for _ in range(100))
    assert b.step().reason == GUARD_VOLTAGE


@settings(max_examples=40)
@given(
    runs=st.lists(
        st.tuples(st.integers(1, LIMITS.cell_voltage.samples - 1), st.integers(1, 3), st.floats(-1.0, 9.0)),
        min_size=1,
        max_size=12,
    )
)
def test_spikes_shorter_than_the_debounce_never_trip(runs: list[tuple[int, int, float]]) -> None:
    b = bench()
    b.connected()
    for length, calm, value in runs:
        b.cells[3] = value
        assert b.step(length).enable
        b.cells[3] = 3.7
        verdict = b.step(calm)
        assert verdict.enable
        assert not verdict.tripped


@settings(max_examples=25)
@given(gaps=st.lists(st.booleans(), min_size=60, max_size=60))
def test_a_value_that_is_lost_now_and_then_does_not_end_the_count(gaps: list[bool]) -> None:
    """NaN is never within a limit."""
    b = bench()
    b.connected()
    for lost in gaps:
        b.cells[3] = math.nan if lost else LIMITS.cell_voltage.high + 0.1
        b.step()
    enough = sum(not lost for lost in gaps) >= LIMITS.cell_voltage.samples
    first = gaps.index(False) if False in gaps else 0
    late = (len(gaps) - 1 - first) * CYCLE_S >= LIMITS.cell_voltage.delay_s
    assert b.verdict is not None
    assert b.verdict.tripped == (enough and late)


# What cannot be read.


@pytest.mark.verifies("SR-164")
@pytest.mark.parametrize("value", [math.nan, -0.5, 5.5, math.inf])
def test_a_lost_cell_blinds_the_guard_after_the_time_that_the_kernel_needs(value: float) -> None:
    b = bench()
    b.connected()
    b.cells[6] = value
    before = b.step(cycles_of(LIMITS.cell_voltage.blind_after_s))
    assert before.enable
    verdict = b.step(2)
    assert (verdict.reason, verdict.place, verdict.tripped) == (GUARD_BLIND, 6, True)


@pytest.mark.verifies("SR-164")
def test_a_lost_temperature_sensor_is_borne_but_not_all_of_a_module() -> None:
    b = bench()
    b.connected()
    b.temperatures[[0, 3]] = math.nan
    assert b.for_s(20.0).enable
    b.temperatures[2] = math.nan
    verdict = b.for_s(LIMITS.temperature.blind_after_s + 0.1)
    assert (verdict.reason, verdict.place) == (GUARD_BLIND, 2)


def test_one_of_two_current_sensors_is_enough() -> None:
    b = bench()
    b.connected()
    b.channels["current_a"] = math.nan
    assert b.for_s(20.0).enable
    b.channels["current_redundant_a"] = math.nan
    verdict = b.for_s(LIMITS.current.blind_after_s + 0.1)
    assert (verdict.reason, verdict.place) == (GUARD_BLIND, CHANNEL.current_a)


def test_what_the_pack_does_not_have_is_not_missed() -> None:
    absent = LIMITS.temperature._replace(fitted=False)
    b = Bench(LIMITS._replace(temperature=absent, current_redundant=LIMITS.current_redundant._replace(fitted=False)))
    b.temperatures[:] = math.nan
    b.channels["current_redundant_a"] = math.nan
    b.connected()
    assert b.for_s(20.0).enable
    b.temperatures[:] = 500.0
    b.channels["current_redundant_a"] = 1e6
    assert b.for_s(5.0).enable


# A current that contactors may not break, and the pyrofuse.

ABOVE_A = LIMITS.break_discharge_a + 1.0


@pytest.mark.verifies("SR-160", "SR-130")
def test_what_no_contactor_may_break_is_left_to_the_fuse_for_a_while() -> None:
    b = bench()
    b.connected()
    b.channels["current_a"] = min(LIMITS.current.low, -LIMITS.break_discharge_a) - 1.0
    b.cells[3] = LIMITS.cell_voltage.low - 0.5  # as in a short circuit: opening because of it would be no better
    assert b.for_s(LIMITS.fuse_wait_s).enable
    verdict = b.for_s(1.0)
    assert (verdict.enable, verdict.reason) == (False, GUARD_VOLTAGE)


def test_the_wait_for_the_fuse_ends_with_the_current() -> None:
    b = bench()
    b.connected()
    b.channels["current_a"] = min(LIMITS.current.low, -LIMITS.break_discharge_a) - 1.0
    b.cells[3] = LIMITS.cell_voltage.low - 0.5
    b.for_s(1.0)
    b.channels["current_a"] = 0.0
    assert b.step(2).reason == GUARD_VOLTAGE


PYRO = {"has_pyrofuse": True}


@pytest.mark.verifies("SR-169")
@pytest.mark.parametrize("channel", ["current_a", "current_redundant_a"])
@pytest.mark.parametrize("current_a", [LIMITS.break_charge_a + 1.0, -ABOVE_A])
def test_enough_new_samples_above_what_contactors_break_call_for_the_pyrofuse(channel: str, current_a: float) -> None:
    b = bench(**PYRO)
    b.good()
    b.channels[channel] = current_a
    told = [b.step().pyrofuse for _ in range(LIMITS.pyrofuse_samples + 1)]
    assert told == [False] * (LIMITS.pyrofuse_samples - 1) + [True, True]
    b.channels[channel] = 0.0
    assert not b.step().pyrofuse


@pytest.mark.verifies("SR-169")
@pytest.mark.parametrize(
    "current_a", [LIMITS.break_charge_a, -LIMITS.break_discharge_a, math.nan, LIMITS.current_most_a + 1.0, -math.inf]
)
def test_what_is_below_or_no_current_at_all_never_does(current_a: float) -> None:
    b = bench(**PYRO)
    b.good()
    b.channels["current_a"] = current_a
    assert not any(b.step().pyrofuse for _ in range(10))


@pytest.mark.verifies("SR-169")
def test_a_single_sample_or_an_old_one_does_not_call_for_it() -> None:
    b = bench(**PYRO)
    b.good()
    for _ in range(5):
        b.channels["current_a"] = -ABOVE_A
        assert not b.step().pyrofuse
        b.silent = {"channels"}  # the same sample, read again and again
        assert not any(b.step().pyrofuse for _ in range(3))
        b.silent = set()
        b.channels["current_a"] = 0.0
        assert not b.step().pyrofuse
    b.channels["current_a"] = -ABOVE_A
    assert b.step(5).pyrofuse
    b.silent = {"channels"}
    assert not b.for_s(LIMITS.current.age_max_s + 2 * CYCLE_S).pyrofuse


@pytest.mark.parametrize("fitted", [True, False])
def test_without_a_pyrofuse_nothing_calls_for_it(fitted: bool) -> None:
    b = bench(has_pyrofuse=fitted, pyrofuse_on_crash=True)
    b.good()
    b.channels["current_a"], b.channels["crash"] = -ABOVE_A, 1.0
    assert b.step(5).pyrofuse == fitted


@pytest.mark.verifies("SR-169")
@pytest.mark.parametrize("on_crash", [True, False])
def test_a_crash_calls_for_it_where_the_description_says_so(on_crash: bool) -> None:
    b = bench(has_pyrofuse=True, pyrofuse_on_crash=on_crash)
    b.channels["crash"] = 0.0
    b.good()
    b.channels["crash"] = 1.0
    assert not b.step().pyrofuse
    assert b.step(5).pyrofuse == on_crash
    b.channels["crash"] = math.nan
    assert not b.step().pyrofuse


@pytest.mark.verifies("SR-169")
def test_one_sensor_that_is_lost_does_not_keep_the_other_one_from_calling() -> None:
    b = bench(**PYRO)
    b.good()
    b.channels["current_a"] = b.channels["current_redundant_a"] = -ABOVE_A
    assert b.step(5).pyrofuse
    del b.channels["current_redundant_a"]  # nothing new of it any more
    assert b.for_s(LIMITS.current.age_max_s + 3 * CYCLE_S).pyrofuse
