"""When protection must keep quiet: rest, directions, what a pack does not have, a start, every limit just kept."""

from __future__ import annotations

import math

import numpy as np
import pytest

from helpers.kernel import Kernel, prepare
from ionward.image.faults import BY_ID
from ionward.image.inputs import CHANNEL
from ionward.image.signals import (
    LEVEL_FAULT,
    LEVEL_NONE,
    LEVEL_WARNING,
    OPEN_IN_ORDER,
)


@pytest.mark.verifies("SR-200")
@pytest.mark.parametrize("celsius", [-19.0, -10.0, 55.0, 61.0])
def test_at_rest_the_walls_of_charging_and_discharging_open_nothing(celsius: float) -> None:
    k = Kernel()
    k.close()
    k.samples.temperatures[:] = celsius
    k.run(10.0)
    assert k.levels() == {}


@pytest.mark.parametrize("offset_a", [2.9, -2.9])
def test_a_sensor_offset_is_no_current(offset_a: float) -> None:
    k = Kernel()
    k.close()
    k.samples.temperatures[:] = -10.0
    k.run(0.2)
    k.current(offset_a)
    k.run(5.0)
    assert k.levels() == {}
    k.current(3.1)
    k.run(5.0)
    assert k.level("charge_undertemperature") == LEVEL_FAULT


@pytest.mark.verifies("SR-010", "SR-011")
def test_a_cold_pack_may_be_discharged_and_a_hot_one_not_charged() -> None:
    cold, hot = Kernel(), Kernel()
    for k, celsius, current_a in ((cold, -10.0, -50.0), (hot, 49.0, -50.0)):
        k.samples.temperatures[:] = celsius
        k.run(2.0)
        k.close()
        k.current(current_a)
        k.run(5.0)
        assert k.levels() == {}
    hot.current(50.0)
    hot.run(2.0)
    assert hot.level("charge_overtemperature") == LEVEL_FAULT
    assert (hot.s["charge_allowed"], hot.s["discharge_allowed"]) == (0, 1)


def test_rest_between_charge_pulses_does_not_reset_the_count() -> None:
    k = Kernel()
    k.samples.temperatures[:] = 49.0
    k.run(2.0)
    k.close()
    for _ in range(6):
        k.current(50.0)
        k.run(0.2)
        k.current(0.0)
        k.run(0.3)
    assert k.level("charge_overtemperature") == LEVEL_FAULT or k.fault("charge_overtemperature", "count") > 0


@pytest.mark.verifies("SR-043")
def test_temperature_is_not_judged_by_direction_while_no_current_is_known() -> None:
    k = Kernel()
    k.samples.temperatures[:] = 49.0
    k.close()
    k.current(50.0)
    k.run(0.5)
    k.samples.silent |= {"current_a", "current_redundant_a"}
    k.run(3.0)
    assert k.level("charge_overtemperature") <= LEVEL_WARNING
    assert k.level("current_lost") == LEVEL_FAULT


# What a pack does not have, and what is just starting


@pytest.mark.verifies("SR-104")
@pytest.mark.parametrize("cells", [1, 4])
def test_what_a_pack_does_not_have_is_never_raised(cells: int) -> None:
    everything = (*tuple(CHANNEL._fields), "temperatures", "cells")
    k = Kernel(absent=everything, has_contactors=0, has_precharge=0, cells=cells, settle=False)
    k.samples.temperatures[:], k.samples.cells[:] = math.nan, math.nan
    for name in k.channels:
        k.channels[name] = math.nan
    k.run(20.0)
    assert k.levels() == {}
    assert k.events() == []


def test_without_contactors_of_its_own_current_and_bus_are_free() -> None:
    k = Kernel(has_contactors=0, has_precharge=0)
    k.current(50.0)
    k.channels.update(bus_voltage_v=14.8, main_positive_closed=1.0, precharge_closed=1.0)
    k.run(12.0)
    assert k.levels() == {}


@pytest.mark.verifies("SR-104")
def test_a_pack_that_measures_nothing_yet_is_lost_only_after_its_time() -> None:
    k = Kernel(settle=False)
    k.samples.silent |= {"cells", "temperatures", *k.channels}
    k.tick()
    k.run(0.1)
    assert k.levels() == {}
    k.run(10.0)
    assert {"cell_voltage_lost", "current_lost", "cell_temperature_unknown", "hvil_lost"} <= set(k.levels())
    assert k.s["open_request"] == OPEN_IN_ORDER


@pytest.mark.verifies("SR-112")
def test_a_lost_cell_neither_hides_nor_clears_an_overvoltage() -> None:
    k = Kernel()
    prepare(k, "cell_overvoltage")
    k.cells(4.1, 4.1, 4.24, 4.1)
    k.run(0.2)
    k.samples.cells[2] = math.nan
    k.run(5.0)
    assert k.level("cell_overvoltage") == LEVEL_FAULT
    assert k.level("cell_voltage_lost") == LEVEL_FAULT
    k.cells(4.1, 4.1, 4.1, 4.1)
    k.run(1.0)
    assert k.level("cell_overvoltage") == k.level("cell_voltage_lost") == LEVEL_NONE


# No false trip


@pytest.mark.verifies("SR-200")
@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize(
    ("cell_v", "celsius", "current_a"),
    [
        (4.2, 44.9, 100.0),
        (4.2, 25.0, 150.0),
        (2.8, 59.9, -200.0),
        (2.8, 25.0, -300.0),
        (3.7, 0.1, 100.0),
        (3.7, 25.0, 0),
    ],
)
def test_a_pack_at_its_limits_with_every_sensor_at_its_tolerance_raises_nothing(
    sign: float, cell_v: float, celsius: float, current_a: float
) -> None:
    k = Kernel(modules=2)
    rng = np.random.default_rng(1)
    true_v = np.linspace(3.7, cell_v, 30)
    k.close()
    for n in range(900):  # 9 s: a pulse may last 10 s
        voltage = true_v[min(n, 29)]
        k.samples.cells[:] = voltage + sign * 0.002 * np.array([1.0, -1.0, 0.5, 1.0]) + rng.normal(0, 3e-4, 4)
        k.channels["pack_voltage_v"] = 4 * voltage * (1 + sign * 0.005) + rng.normal(0, 0.002)
        k.channels["bus_voltage_v"] = 4 * voltage * (1 - sign * 0.005) - 0.001 * current_a
        k.channels["positive_tap_v"] = 4 * voltage * (1 - sign * 0.005) - 0.0005 * current_a
        k.channels["negative_tap_v"] = 4 * voltage * (1 - sign * 0.005) - 0.0005 * current_a
        k.samples.temperatures[:] = min(celsius, 25 + n) if celsius > 25 else max(celsius, 25 - n)
        k.samples.temperatures[0] += sign * 0.4
        noise_a = rng.normal(0, 0.1)
        k.channels["current_a"] = current_a + sign * 0.7 + noise_a
        k.channels["current_redundant_a"] = current_a - sign * 0.7 + noise_a
        k.tick()
        assert k.levels() == {}, f"after {n} ticks"


def test_the_default_overvoltage_is_decided_within_a_tenth_of_a_second() -> None:
    level = BY_ID["cell_overvoltage"].fault
    assert level is not None
    cell_period_s = 0.02
    assert max(level.delay_s, level.delay_samples * cell_period_s) + 2 * cell_period_s <= 0.1
