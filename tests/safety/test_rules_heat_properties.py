"""Rates of rise and runaways as properties: what a sensor's samples make of its rate, and which signs are needed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.judging import judged, same
from helpers.kernel import Kernel
from ionward.image.kernel_memory import HEAT
from ionward.image.parameters import CELLP
from ionward.image.signals import BAD, CELL, GOOD, MEASURED, REASON_NO_VALUE, REASON_NONE, REASON_RATE
from ionward.safety.rules_heat import (
    beside_fallen,
    feels_fall,
    follow_fall,
    follow_rate,
    is_fallen,
    least_rise,
    new_heat,
    runaway_rule,
)

NOWHERE = -9
sample = st.tuples(
    st.sampled_from([0.0, 0.0, 0.5, 5.0, -5.0, 19.0, 21.0, math.nan, math.nan]),  # K since the sample before
    st.sampled_from([0.25, 1.0, 1.0, 4.0, 10.0, 10.5]),  # s since the tick before
    st.integers(0, 4).map(bool),  # it is new
    st.integers(0, 2).map(lambda n: n == 0),  # a lost one leaps about
)


@settings(max_examples=150)
@given(st.lists(sample, min_size=1, max_size=12))
def test_a_rate_is_what_a_lag_of_three_seconds_stays_behind(course: list[tuple[float, float, bool, bool]]) -> None:
    """A gap of more than ten seconds begins anew, and so does a jump of more than 20 K/s, or one that leaps about."""
    heat, block, now_s = new_heat(1), np.zeros((len(MEASURED), 1)), 1000.0
    celsius, sample_s, lag_c, rate, before = 25.0, -math.inf, math.nan, 0.0, 0.0
    for step_k, dt_s, new, leaps in course:
        now_s += dt_s
        lost = math.isnan(step_k)
        if new and not lost:
            celsius += step_k
            taken_s = now_s
        block[MEASURED.value], block[MEASURED.new], block[MEASURED.age_s] = math.nan if lost else celsius, new, 0.0
        block[MEASURED.reason] = (REASON_RATE if leaps else REASON_NO_VALUE) if lost else REASON_NONE
        follow_rate(heat, block, now_s, 0)
        if lost:
            if leaps or now_s - sample_s > 10.0:
                lag_c, rate = math.nan, 0.0
        elif new:
            gap_s = taken_s - sample_s
            if gap_s > 10.0 or abs(celsius - before) > 20.0 * gap_s or math.isnan(lag_c):
                lag_c = celsius
            else:
                lag_c += (celsius - lag_c) * gap_s / (3.0 + gap_s)
            sample_s, before, rate = taken_s, celsius, (celsius - lag_c) / 3.0
        assert heat[HEAT.rate_k_per_s, 0] == pytest.approx(rate, abs=1e-9)


temperatures = st.lists(st.sampled_from([20.0, 20.5, 21.0, 22.0, 25.0, math.nan]), min_size=3, max_size=3)


@settings(max_examples=100)
@given(temperatures, temperatures)
def test_the_pack_has_warmed_by_the_least_of_all_that_are_known(now_c: list[float], then_c: list[float]) -> None:
    heat = new_heat(3)
    heat[HEAT.then_c] = then_c
    rises = [now - then for now, then in zip(now_c, then_c, strict=True) if not math.isnan(now - then)]
    expected = max(min(rises), 0.0) if len(rises) > 1 else 0.0
    assert least_rise(np.array(now_c), heat) == expected


def bench() -> Kernel:
    """Six cells in two modules of two sensors each."""
    k = Kernel(cells=6, sensors=4, modules=2, settle=False)
    k.s["time_s"] = 1000.0
    k.s["cell_voltage_mean_v"], k.s["cell_voltage_min_v"] = 4.0, 2.0
    k.image.cells[CELL.voltage_v] = 4.0
    k.image.temperatures[MEASURED.value], k.image.temperatures[MEASURED.quality] = 25.0, GOOD
    k.protect_memory.heat[HEAT.then_c] = 25.0
    return k


@pytest.mark.parametrize(("since_s", "risen_k", "warmed_k", "felt"), [
    (0.0, 1.0, 0.0, True), (0.0, 0.9, 0.0, False), (300.0, 1.0, 0.0, True), (300.5, 1.0, 0.0, False),
    (1.0, 1.5, 0.5, True), (1.0, 1.4, 0.5, False), (math.nan, 9.0, 0.0, False),
])  # fmt: skip
def test_a_sensor_feels_a_fall_by_warming_more_than_the_pack(
    since_s: float, risen_k: float, warmed_k: float, felt: bool
) -> None:
    k = bench()
    k.protect_memory.state["fallen_s"] = 1000.0 - since_s
    k.image.temperatures[MEASURED.value, 2] = 25.0 + risen_k
    assert feels_fall(k.image, k.protect_memory.state[0], k.protect_memory.heat, warmed_k, 2) == felt
    assert not feels_fall(k.image, k.protect_memory.state[0], k.protect_memory.heat, warmed_k, 1)


@pytest.mark.parametrize(("lost_before_s", "felt"), [(-10.0, True), (0.0, True), (30.0, True), (30.5, False),
                                                     (math.inf, False)])  # fmt: skip
def test_a_sensor_feels_a_fall_by_being_lost_with_it(lost_before_s: float, felt: bool) -> None:
    k = bench()
    k.protect_memory.state["fallen_s"] = 900.0
    k.image.temperatures[MEASURED.quality, 2] = BAD
    k.image.temperatures[MEASURED.value, 2] = math.nan
    k.image.temperatures[MEASURED.age_s, 2] = 100.0 + lost_before_s
    assert feels_fall(k.image, k.protect_memory.state[0], k.protect_memory.heat, 0.0, 2) == felt


@pytest.mark.parametrize(("cell", "torn", "fallen"), [(3, NOWHERE, True), (3, 3, False), (3, 2, False), (3, 4, True),
                                                      (2, NOWHERE, False)])  # fmt: skip
def test_a_cell_has_fallen_unless_its_wire_is_broken(cell: int, torn: int, fallen: bool) -> None:
    k = bench()
    k.image.cells[CELL.voltage_v, 3] = 2.9
    k.image.cells[CELL.voltage_v, 2] = 3.0
    assert is_fallen(k.image, cell, 3.0, torn) == fallen


def test_a_fallen_cell_is_beside_the_sensors_of_its_module_and_those_on_its_sides() -> None:
    k = bench()
    k.image.cells[CELL.voltage_v, 1] = 2.0
    beside = [beside_fallen(k.parameters, k.image, 3.0, NOWHERE, sensor) for sensor in range(4)]
    assert beside == [True, True, False, False]
    for row, sensor in (("sensor_a", 3), ("sensor_b", 2)):
        other = bench()
        other.image.cells[CELL.voltage_v, 1] = 2.0
        other.parameters.cells[getattr(CELLP, row), 1] = sensor
        assert beside_fallen(other.parameters, other.image, 3.0, NOWHERE, sensor)
    assert not any(beside_fallen(k.parameters, k.image, 3.0, 1, sensor) for sensor in range(4))


def test_the_time_and_the_temperatures_of_the_first_fall_are_kept_until_nothing_is_fallen() -> None:
    k = bench()
    state, heat = k.protect_memory.state, k.protect_memory.heat
    heat[HEAT.then_c] = math.nan
    follow_fall(k.image, state[0], heat, 3.0, NOWHERE)
    assert math.isnan(state["fallen_s"][0])
    assert np.isnan(heat[HEAT.then_c]).all()
    k.image.cells[CELL.voltage_v, 5] = 2.0
    k.image.temperatures[MEASURED.value] = (25.0, 26.0, 27.0, math.nan)
    follow_fall(k.image, state[0], heat, 3.0, NOWHERE)
    assert state["fallen_s"][0] == 1000.0
    assert all(map(same, heat[HEAT.then_c], (25.0, 26.0, 27.0, math.nan)))
    k.s["time_s"] = 1001.0
    k.image.temperatures[MEASURED.value] = 30.0
    k.image.cells[CELL.voltage_v, 0] = 2.0  # a second one
    follow_fall(k.image, state[0], heat, 3.0, NOWHERE)
    assert (state["fallen_s"][0], heat[HEAT.then_c, 0]) == (1000.0, 25.0)
    k.image.cells[CELL.voltage_v] = 4.0
    k.s["cell_voltage_min_v"] = 4.0
    follow_fall(k.image, state[0], heat, 3.0, NOWHERE)
    assert math.isnan(state["fallen_s"][0])


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.sampled_from([0.9, 1.0, 2.0, -2.0]), st.sampled_from([25.0, 59.5, 60.0, 70.0])), min_size=4,
             max_size=4),
    st.sampled_from([None, 0, 5]), st.sampled_from([0.0, 2.0]),
)  # fmt: skip
def test_a_runaway_needs_a_fast_rise_and_heat_or_a_fallen_cell_beside_it(
    sensors: list[tuple[float, float]], fallen: int | None, felt_k: float
) -> None:
    """GB 38031: (beyond the maximum, or a fallen cell) and 1 K/s; beside a fall it is enough to have become warmer."""
    k = bench()
    heat = k.protect_memory.heat
    heat[HEAT.rate_k_per_s] = [rate for rate, _ in sensors]
    heat[HEAT.last_c] = [celsius for _, celsius in sensors]
    if fallen is not None:
        k.image.cells[CELL.voltage_v, fallen] = 2.9
        k.protect_memory.state["fallen_s"] = 990.0
    k.image.temperatures[MEASURED.value, 1] = 25.0 + felt_k  # and felt by the second sensor of the first module
    runaway_rule(k.parameters, k.image, k.protect_memory.verdicts, k.protect_memory.state[0], heat, NOWHERE)
    module_fallen = {None: (), 0: (0, 1), 5: (2, 3)}[fallen]
    places = [
        n for n, (rate, celsius) in enumerate(sensors)
        if (rate >= 1.0 and (celsius >= 60.0 or n in module_fallen)) or (n == 1 and felt_k and n in module_fallen)
    ]  # fmt: skip
    assert judged(k, "thermal_propagation") == judged(k, "thermal_propagation", "newest") == len(places)
    assert judged(k, "thermal_propagation", "place") == (places[0] if places else -1)
    assert judged(k, "thermal_propagation", "usable") == judged(k, "thermal_propagation", "complete") == 1
