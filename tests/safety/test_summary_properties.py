"""What validation sums up, as properties over whole histories: extremes and their places, the current, the cell sum."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.judging import same
from helpers.kernel import Kernel
from ionward.image.inputs import CHANNEL
from ionward.image.kernel_memory import HISTORY
from ionward.image.signals import (
    BAD,
    CELL,
    GOOD,
    HELD,
    MEASURED,
    MODULE,
    NOT_FITTED,
    REASON_DISAGREES,
    REASON_NONE,
    REASON_RANGE,
)
from ionward.safety.summary import (
    cell_summary,
    cell_temperatures,
    choose_current,
    compare_cell_sum,
    temperature_summary,
)

EXAMPLES = 80
readings = st.lists(st.sampled_from([math.nan, math.nan, 2.5, 3.0, 3.0, 4.0]), min_size=6, max_size=6)


@settings(max_examples=EXAMPLES)
@given(readings)
def test_cells_are_summed_up_by_those_that_are_known_and_the_first_of_equals_is_named(volts: list[float]) -> None:
    k = Kernel(cells=6, settle=False)
    k.image.cells[CELL.voltage_v] = volts
    cell_summary(k.image)
    summed_up(k, "cell_voltage", "v", "cell", volts)
    assert k.s["cells_usable"] == sum(v == v for v in volts)
    assert same(float(k.s["cell_voltage_sum_v"]), sum(volts))


def summed_up(k: Kernel, name: str, unit: str, item: str, values: list[float]) -> None:
    """Extremes, their first places and the mean of what is known."""
    known = [(value, n) for n, value in enumerate(values) if value == value]
    low = min(known, default=(math.nan, -1))
    high = max(((value, -n) for value, n in known), default=(math.nan, 1))
    told = [float(k.s[f"{name}_{what}"]) for what in (f"min_{unit}", f"min_{item}", f"max_{unit}", f"max_{item}")]
    assert all(map(same, told, [low[0], low[1], high[0], -high[1]])), told
    mean = sum(value for value, _ in known) / len(known) if known else math.nan
    assert same(float(k.s[f"{name}_mean_{unit}"]), mean)


@settings(max_examples=EXAMPLES)
@given(readings, st.lists(st.sampled_from([GOOD, HELD]), min_size=6, max_size=6), st.booleans())
def test_temperatures_are_summed_up_for_the_pack_each_module_and_each_cell(
    celsius: list[float], qualities: list[int], fitted: bool
) -> None:
    k = Kernel(cells=6, sensors=6, modules=3, settle=False)
    absent = BAD if fitted else NOT_FITTED
    quality = [q if c == c else absent for c, q in zip(celsius, qualities, strict=True)]
    k.image.temperatures[MEASURED.value], k.image.temperatures[MEASURED.quality] = celsius, quality
    for _ in range(2):  # nothing is left of what was summed up before
        temperature_summary(k.parameters, k.image, k.validate_memory.module_sensors)
    summed_up(k, "temperature", "c", "sensor", celsius)
    assert k.s["temperatures_usable"] == sum(c == c for c in celsius)
    for m in range(3):
        own = [c for c in celsius[2 * m : 2 * m + 2] if c == c]
        expected = (min(own), max(own), sum(own) / len(own)) if own else (math.nan,) * 3
        told = (MODULE.temperature_min_c, MODULE.temperature_max_c, MODULE.temperature_mean_c)
        assert all(map(same, k.image.modules[list(told), m], expected))
    cell_temperatures(k.parameters, k.image)
    for cell in range(6):  # between the two sensors of its module, a quarter or three quarters of the way
        a, b = 2 * (cell // 2), 2 * (cell // 2) + 1
        part = 0.25 if cell % 2 == 0 else 0.75
        lost = [celsius[s] != celsius[s] for s in (a, b)]
        value = celsius[b] if lost[0] else celsius[a] if lost[1] else celsius[a] * (1 - part) + celsius[b] * part
        expected_quality = absent if all(lost) else HELD if any(lost) else max(quality[a], quality[b])
        assert same(float(k.image.cells[CELL.temperature_c, cell]), value)
        assert k.image.cells[CELL.temperature_quality, cell] == expected_quality


@pytest.mark.parametrize("first", [BAD, NOT_FITTED])
@pytest.mark.parametrize("second", [BAD, NOT_FITTED])
def test_a_cell_has_no_temperature_for_want_of_sensors_only_where_none_is_fitted(first: int, second: int) -> None:
    k = Kernel(cells=2, sensors=2, settle=False)
    k.image.temperatures[MEASURED.value] = math.nan
    k.image.temperatures[MEASURED.quality] = (first, second)
    cell_temperatures(k.parameters, k.image)
    expected = NOT_FITTED if first == second == NOT_FITTED else BAD
    assert (k.image.cells[CELL.temperature_quality] == expected).all()
    assert np.isnan(k.image.cells[CELL.temperature_c]).all()


amperes = st.sampled_from([0.0, 50.0, 52.0, 52.5, -50.0, -60.0])
sensor = st.tuples(amperes, st.sampled_from([GOOD, GOOD, GOOD, HELD, BAD, NOT_FITTED]), st.sampled_from([0.0, 0.02]),
                   st.booleans())  # fmt: skip


@settings(max_examples=EXAMPLES)
@given(st.lists(st.tuples(sensor, sensor), min_size=1, max_size=6))
def test_of_two_current_sensors_the_better_one_counts_and_of_two_that_disagree_the_one_that_reads_more(
    course: list[tuple[Any, Any]],
) -> None:
    k, disagree, samples = Kernel(settle=False), False, int(Kernel(settle=False).s["current_samples"])
    channels = (CHANNEL.current_a, CHANNEL.current_redundant_a)
    for sensors in course:
        for channel, (value, quality, age_s, new) in zip(channels, sensors, strict=True):
            k.image.channels[MEASURED.value, channel] = value if quality in (GOOD, HELD) else math.nan
            k.image.channels[MEASURED.quality, channel], k.image.channels[MEASURED.age_s, channel] = quality, age_s
            k.image.channels[MEASURED.new, channel] = new
            k.image.channels[MEASURED.reason, channel] = REASON_RANGE
        choose_current(k.parameters, k.image, k.validate_memory.state[0])
        (a, quality_a, age_a, _), (b, quality_b, age_b, _) = sensors
        both_good = quality_a == quality_b == GOOD
        if not both_good:
            disagree = False
        elif age_a == age_b or abs(age_a - age_b) <= 0.02:
            disagree = abs(a - b) > 2.0
        usable = {n: s for n, s in enumerate(sensors) if s[1] in (GOOD, HELD)}
        best = {n: s for n, s in usable.items() if s[1] == min(u[1] for u in usable.values())}
        used = min(best, default=0 if quality_a != NOT_FITTED else 1)
        if disagree and abs(b) > abs(a):
            used = 1
        value, quality, age_s, new = sensors[used]
        samples += new
        assert same(float(k.s["current_a"]), value if usable else math.nan)
        assert k.s["current_quality"] == (HELD if disagree else quality)
        assert k.s["current_age_s"] == age_s
        assert k.s["current_samples"] == samples
        reason = REASON_RANGE if not both_good else REASON_DISAGREES if disagree else REASON_NONE
        assert (k.image.channels[MEASURED.reason, list(channels)] == reason).all()


@pytest.mark.parametrize(("apart_s", "compared"), [(0.02, True), (0.021, False), (-0.021, False)])
def test_two_currents_that_were_taken_apart_keep_the_last_verdict(apart_s: float, compared: bool) -> None:
    k = Kernel(settle=False)
    channels = [CHANNEL.current_a, CHANNEL.current_redundant_a]
    k.image.channels[MEASURED.quality, channels] = GOOD
    k.image.channels[MEASURED.value, channels] = (50.0, -60.0)
    k.image.channels[MEASURED.age_s, channels] = (max(apart_s, 0.0), max(-apart_s, 0.0))
    choose_current(k.parameters, k.image, k.validate_memory.state[0])
    assert (k.s["current_quality"], k.s["current_a"]) == ((HELD, -60.0) if compared else (GOOD, 50.0))


steady_tick = st.tuples(
    st.sampled_from([0.0, 0.0, 3.0, 4.0, 4.5, -4.0, 50.0, math.nan]),  # A; 2 % of 200 A are steady
    st.booleans(), st.booleans(), st.sampled_from([GOOD, GOOD, GOOD, BAD]), st.sampled_from([14.75, 14.75, math.nan]),
)  # fmt: skip


@settings(max_examples=EXAMPLES)
@given(st.lists(steady_tick, min_size=1, max_size=20), st.sampled_from([1.0, 2.0, 8.0]))
def test_cell_sum_and_pack_voltage_are_compared_while_the_current_stands_still(
    course: list[Any], tolerance_a: float
) -> None:
    """Every sample in use has to be younger than the last change of the current."""
    k = Kernel(settle=False, current_tolerance_a=tolerance_a)
    pack, band_a = CHANNEL.pack_voltage_v, max(4.0, tolerance_a)
    reference_a, steady_since_s, cells_s, pack_s = math.nan, math.inf, -math.inf, -math.inf
    unseen, told, compared_s = False, math.nan, -math.inf
    k.validate_memory.cells[HISTORY.good_s] = -math.inf
    for n, (current_a, new_cells, new_pack, quality, sum_v) in enumerate(course):
        now_s = 100.0 + n
        k.s["time_s"], k.s["current_a"], k.s["cell_voltage_sum_v"] = now_s, current_a, sum_v
        if new_cells:
            k.s["cell_samples"] += 1
            k.validate_memory.cells[HISTORY.good_s, n % 4] = now_s  # one cell in each sweep
        cells_s = float(k.validate_memory.cells[HISTORY.good_s].min())
        unseen = unseen or new_cells
        pack_s = now_s if new_pack else pack_s
        k.image.channels[MEASURED.quality, pack], k.image.channels[MEASURED.new, pack] = quality, new_pack
        k.image.channels[MEASURED.value, pack] = 14.5 + 0.125 * n
        k.image.channels[MEASURED.age_s, pack] = now_s - pack_s
        compare_cell_sum(k.parameters, k.image, k.validate_memory.state[0], k.validate_memory.cells[HISTORY.good_s])
        if not abs(current_a - reference_a) <= band_a:
            reference_a, steady_since_s = current_a, now_s
        if quality != GOOD or math.isnan(current_a) or math.isnan(sum_v):
            told = math.nan
        else:
            if unseen:
                compared_s = cells_s
            if min(compared_s, pack_s) < steady_since_s:
                told = math.nan
            elif unseen or new_pack:
                told = sum_v - (14.5 + 0.125 * n)
            unseen = False
        assert same(float(k.s["cell_sum_difference_v"]), told)


@pytest.mark.parametrize(("tolerance_a", "step_a", "steady"), [(1.0, 4.0, True), (1.0, 4.5, False), (8.0, 8.0, True),
                                                               (8.0, 8.5, False), (1.0, -4.5, False)])  # fmt: skip
def test_a_current_is_steady_within_two_percent_of_its_rating_or_its_tolerance(
    tolerance_a: float, step_a: float, steady: bool
) -> None:
    k = Kernel(settle=False, current_tolerance_a=tolerance_a)
    k.image.channels[MEASURED.quality, CHANNEL.pack_voltage_v] = GOOD
    k.image.channels[MEASURED.value, CHANNEL.pack_voltage_v] = 14.5
    k.s["cell_voltage_sum_v"] = 14.75
    good_s, state = k.validate_memory.cells[HISTORY.good_s], k.validate_memory.state[0]
    for n, current_a in enumerate((0.0, 0.0, step_a)):
        k.s["time_s"], k.s["current_a"] = 100.0 + n, current_a
        good_s[:] = 100.0 + min(n, 1)  # in the last tick nothing new comes
        k.s["cell_samples"] += n < 2
        k.image.channels[MEASURED.age_s, CHANNEL.pack_voltage_v] = float(n == 2)
        k.image.channels[MEASURED.new, CHANNEL.pack_voltage_v] = n < 2
        compare_cell_sum(k.parameters, k.image, state, good_s)
    assert same(float(k.s["cell_sum_difference_v"]), 0.25 if steady else math.nan)


@pytest.mark.parametrize("first_a", [50.0, -50.0])
def test_of_two_currents_that_read_as_much_the_first_one_counts(first_a: float) -> None:
    k = Kernel(settle=False)
    channels = [CHANNEL.current_a, CHANNEL.current_redundant_a]
    k.image.channels[MEASURED.quality, channels], k.image.channels[MEASURED.age_s, channels] = GOOD, 0.0
    k.image.channels[MEASURED.value, channels] = (first_a, -first_a)
    choose_current(k.parameters, k.image, k.validate_memory.state[0])
    assert (k.s["current_a"], k.s["current_quality"]) == (first_a, HELD)
