"""What the first stage sums up: extremes, module and cell temperatures, the current in use, the cell sum."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from helpers.kernel import Kernel
from ionward.image.inputs import CHANNEL, RAW
from ionward.image.parameters import CELLP, SENSORP
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
)


def some(low: float, high: float) -> st.SearchStrategy[float]:
    return st.one_of(st.floats(low, high), st.just(math.nan), st.sampled_from([low, high, math.inf]))


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(float, 9, elements=some(0.0, 5.0)), hnp.arrays(float, 6, elements=some(-50.0, 125.0)))
def test_summary_is_that_of_the_usable_values(cells: np.ndarray, temperatures: np.ndarray) -> None:
    k = Kernel(cells=9, sensors=6, modules=3, settle=False)
    k.samples.cells[:], k.samples.temperatures[:] = cells, temperatures
    k.tick()
    for prefix, unit, values, item, number, low, high in (
        ("cell_voltage", "v", k.samples.raw.cells[RAW.value], "cell", "cells_usable", 0.0, 5.0),
        ("temperature", "c", temperatures, "sensor", "temperatures_usable", -50.0, 125.0),
    ):
        usable = np.where((values >= low) & (values <= high), values, np.nan)
        known = usable[~np.isnan(usable)]
        assert k.s[number] == len(known)
        if not len(known):
            assert math.isnan(k.s[f"{prefix}_min_{unit}"])
            assert k.s[f"{prefix}_max_{item}"] == -1
            continue
        assert k.s[f"{prefix}_min_{unit}"] == known.min()
        assert k.s[f"{prefix}_max_{unit}"] == known.max()
        assert k.s[f"{prefix}_mean_{unit}"] == pytest.approx(known.mean())
        assert usable[k.s[f"{prefix}_min_{item}"]] == known.min()
        assert usable[k.s[f"{prefix}_max_{item}"]] == known.max()
    sum_v = k.s["cell_voltage_sum_v"]
    whole = k.s["cells_usable"] == 9
    assert math.isnan(sum_v) != whole
    assert not whole or sum_v == pytest.approx(k.samples.raw.cells[RAW.value].sum())
    modules_are_right(k)
    cell_temperatures_are_right(k)


def modules_are_right(k: Kernel) -> None:
    values = k.image.temperatures[MEASURED.value]
    for m in range(3):
        own = values[k.parameters.sensors[SENSORP.module] == m]
        known = own[~np.isnan(own)]
        low, high, mean = k.image.modules[:3, m]
        assert (low, high) == pytest.approx((known.min(), known.max())) if len(known) else math.isnan(low + high)
        assert mean == pytest.approx(known.mean()) if len(known) else math.isnan(mean)
    assert MODULE.temperature_mean_c == 2


def cell_temperatures_are_right(k: Kernel) -> None:
    values, block = k.image.temperatures[MEASURED.value], k.parameters.cells
    for c in range(9):
        a, b = values[int(block[CELLP.sensor_a, c])], values[int(block[CELLP.sensor_b, c])]
        weight = block[CELLP.weight_b, c]
        value, quality = k.image.cells[CELL.temperature_c, c], k.image.cells[CELL.temperature_quality, c]
        if math.isnan(a) and math.isnan(b):
            assert math.isnan(value)
            assert quality == BAD
        elif math.isnan(a) or math.isnan(b):
            assert value == (b if math.isnan(a) else a)
            assert quality == HELD
        else:
            assert value == pytest.approx(a * (1 - weight) + b * weight)
            assert quality == GOOD


def test_a_pack_without_temperature_sensors_says_so() -> None:
    k = Kernel(absent=("temperatures",))
    assert (k.image.cells[CELL.temperature_quality] == NOT_FITTED).all()
    assert np.isnan(k.image.cells[CELL.temperature_c]).all()


def test_counts_go_on_with_sweeps_not_with_ticks() -> None:
    k = Kernel()
    before = {n: int(k.s[n]) for n in ("cell_samples", "temperature_samples", "current_samples", "tick")}
    for n in range(10):
        k.tick(sample=n % 5 == 0)
    gained = {n: int(k.s[n]) - before[n] for n in before}
    assert gained == {"cell_samples": 2, "temperature_samples": 2, "current_samples": 2, "tick": 10}


def test_ages_run_and_new_is_gone_while_nothing_comes() -> None:
    k = Kernel()
    for n in range(1, 5):
        k.tick(sample=False)
        assert k.image.cells[CELL.age_s] == pytest.approx(np.full(4, 0.01 * n))
        assert k.s["current_age_s"] == pytest.approx(0.01 * n)
        assert not k.image.cells[CELL.new].any()
        assert not k.image.channels[MEASURED.new].any()
    k.tick()
    assert k.image.cells[CELL.new].all()
    assert not k.image.cells[CELL.age_s].any()


@pytest.mark.verifies("SR-192")
@pytest.mark.parametrize(("step_s", "dt_s"), [(0.01, 0.01), (0.5, 0.5), (0.0, 0.0), (-1.0, 0.0)])
def test_time_between_ticks_is_never_negative(step_s: float, dt_s: float) -> None:
    k = Kernel()
    k.tick(dt_s=step_s)
    assert k.s["dt_s"] == pytest.approx(dt_s)
    assert k.s["time_s"] == k.now_s


def test_the_first_tick_lasts_one_cycle() -> None:
    k = Kernel(settle=False)
    k.tick()
    assert k.s["dt_s"] == k.cycle_s


# The current


def currents(k: Kernel, first: float, second: float, seconds: float = 0.05) -> tuple[float, int]:
    k.channels.update(current_a=first, current_redundant_a=second)
    k.run(seconds)
    return float(k.s["current_a"]), int(k.s["current_quality"])


def test_sensors_that_agree_give_the_first_one() -> None:
    k = Kernel()
    assert currents(k, 10.0, 12.0) == (10.0, GOOD)
    assert k.channel("current_a", "reason") == REASON_NONE


@pytest.mark.verifies("SR-102")
@pytest.mark.parametrize(("first", "second", "used"), [(10.0, 12.1, 12.1), (-30.0, 5.0, -30.0), (0.0, -9.0, -9.0)])
def test_sensors_that_disagree_give_the_one_that_reads_more_as_held(first: float, second: float, used: float) -> None:
    k = Kernel()
    assert currents(k, first, second) == (used, HELD)
    assert k.channel("current_a", "reason") == k.channel("current_redundant_a", "reason") == REASON_DISAGREES
    assert currents(k, first, first) == (first, GOOD)
    assert k.channel("current_a", "reason") == REASON_NONE


def test_one_sensor_stands_in_for_the_other() -> None:
    k = Kernel()
    assert currents(k, math.nan, 7.0) == (7.0, GOOD), "good is better than held"
    assert currents(k, math.nan, 7.0, 0.3) == (7.0, GOOD)
    k = Kernel()
    assert currents(k, 7.0, math.nan, 0.3) == (7.0, GOOD)


def test_no_sensor_gives_no_current() -> None:
    k = Kernel()
    assert currents(k, 7.0, 7.0) == (7.0, GOOD)
    assert currents(k, math.nan, math.nan) == (7.0, HELD)
    current_a, quality = currents(k, math.nan, math.nan, 0.3)
    assert math.isnan(current_a)
    assert quality == BAD


def test_a_pack_with_one_or_no_current_sensor() -> None:
    single = Kernel(absent=("current_redundant_a",))
    assert currents(single, 5.0, 99.0) == (5.0, GOOD)
    other = Kernel(absent=("current_a",))
    assert currents(other, 99.0, 5.0) == (5.0, GOOD)
    none = Kernel(absent=("current_a", "current_redundant_a"))
    assert currents(none, 5.0, 5.0)[1] == NOT_FITTED


def test_samples_of_different_times_are_not_compared() -> None:
    k = Kernel()
    k.samples.silent.add("current_redundant_a")
    k.channels["current_a"] = 50.0
    for n in range(1, 9):
        k.tick()
        # Up to 20 ms apart they are compared and disagree; later the last verdict stands.
        assert k.s["current_quality"] == HELD, n
    assert k.fault("current_sensors_disagree", "value") == pytest.approx(50.0)
    k = Kernel()
    k.samples.silent.add("current_redundant_a")
    for _ in range(4):
        k.tick()
    k.channels["current_a"] = 50.0
    k.tick()
    assert k.s["current_quality"] == GOOD


# Cell sum and pack voltage


def test_cell_sum_is_compared_while_the_current_is_steady() -> None:
    k = Kernel()
    k.channels["pack_voltage_v"] = 14.5
    k.run(0.05)
    assert k.s["cell_sum_difference_v"] == pytest.approx(0.3, abs=1e-4)


def test_cells_and_pack_voltage_of_different_times_are_not_compared_while_the_current_changes() -> None:
    """A pack of 50 mΩ, cells sampled every 50 ms, pack voltage every 10 ms, under a wild current."""
    k = Kernel(discharge_current_max_a=200.0)
    rng = np.random.default_rng(7)
    k.samples.silent.add("cells")
    worst = 0.0
    for n in range(1000):
        if n % 10 == 0:
            k.current(float(rng.uniform(-200, 200)))
        pack_v = 14.8 + 0.05 * k.channels["current_a"]
        k.channels["pack_voltage_v"] = pack_v
        if n % 5 == 3:
            k.samples.raw.cells[RAW.value] = pack_v / 4
            k.samples.raw.cells[RAW.time_s] = k.now_s + k.cycle_s
        k.tick()
        difference = k.s["cell_sum_difference_v"]
        if not math.isnan(difference):
            worst = max(worst, abs(difference))
    assert worst < 0.05 * 4.0, "no more than the drop of the band within which the current is steady"
    assert k.level("cell_sum_mismatch") == 0


@pytest.mark.parametrize("missing", ["pack_voltage_v", "current"])
def test_without_all_of_it_there_is_nothing_to_compare(missing: str) -> None:
    k = Kernel()
    k.samples.silent |= {missing} if missing != "current" else {"current_a", "current_redundant_a"}
    k.run(0.3)
    assert math.isnan(k.s["cell_sum_difference_v"])
    k = Kernel()
    k.samples.cells[0] = math.nan
    k.run(0.3)
    assert math.isnan(k.s["cell_sum_difference_v"])


@pytest.mark.verifies("SR-105")
def test_no_raw_value_of_a_refused_sample_reaches_the_image() -> None:
    k = Kernel()
    k.samples.cells[:] = [math.inf, -math.inf, 9.0, math.nan]
    k.samples.temperatures[:] = [math.inf, -60.0]
    for name in k.channels:
        k.channels[name] = math.inf
    k.run(0.3)
    assert np.isnan(k.image.cells[CELL.voltage_v]).all()
    assert np.isnan(k.image.temperatures[MEASURED.value]).all()
    assert np.isnan(k.image.channels[MEASURED.value]).all()
    assert (k.image.channels[MEASURED.quality] == BAD).all()
    assert k.image.channels.shape[1] == len(CHANNEL)
    assert k.s["rejected_samples"] == 30 * (4 + 2 + len(CHANNEL))
