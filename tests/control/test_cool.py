"""Pump, fan and heater: what asks for them, and what they never do together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.control import advance, set_current, set_temperatures, small_parameters, well_image
from ionward.control.cool import DEMAND_MIN, cool, new_cool_memory
from ionward.image.layout import Image
from ionward.image.parameters import Parameters
from ionward.image.signals import BAD, CELL, LEVEL_FAULT, STATE_CONNECTED, STATE_STANDBY

PARAMETERS = small_parameters(8)


class Cooler:
    def __init__(self, *temperatures: float, parameters: Parameters = PARAMETERS) -> None:
        self.parameters = parameters
        self.image: Image = well_image(parameters)
        self.image.scalars["state"] = STATE_CONNECTED
        set_temperatures(self.image, *temperatures)
        self.memory = new_cool_memory()

    def run(self, seconds: float = 1.0, *temperatures: float) -> tuple[float, float, float]:
        if temperatures:
            set_temperatures(self.image, *temperatures)
        for _ in range(max(1, round(seconds))):
            cool(self.parameters, self.image, self.memory)
            advance(self.image, 1.0)
        s = self.image.scalars[0]
        return float(s["pump"]), float(s["fan"]), float(s["heater"])


@pytest.mark.parametrize(("hottest", "fan"), [(25.0, 0.0), (34.9, 0.0), (40.0, 0.5), (45.0, 1.0), (60.0, 1.0)])
def test_the_hottest_cell_asks_for_cooling(hottest: float, fan: float) -> None:
    pump, found, heater = Cooler(hottest, hottest).run()
    assert found == pytest.approx(fan)
    assert pump >= found
    assert heater == 0.0


@pytest.mark.parametrize(("coldest", "heater"), [(25.0, 0.0), (5.0, 0.0), (0.0, 0.5), (-10.0, 1.0)])
def test_the_coldest_cell_asks_for_heat_and_for_flow(coldest: float, heater: float) -> None:
    pump, fan, found = Cooler(coldest, coldest).run()
    assert found == pytest.approx(heater)
    assert (pump, fan) == (pytest.approx(heater), 0.0)


def test_a_demand_is_held_a_little_longer_than_it_was_asked_for() -> None:
    c = Cooler(36.0, 36.0)
    assert c.run()[1] == DEMAND_MIN
    assert c.run(1, 33.5, 33.5)[1] == DEMAND_MIN
    assert c.run(1, 32.9, 32.9)[1] == 0.0
    assert c.run(1, 33.5, 33.5)[1] == 0.0
    c = Cooler(4.0, 4.0)
    assert c.run()[2] == DEMAND_MIN
    assert c.run(1, 6.5, 6.5)[2] == DEMAND_MIN
    assert c.run(1, 7.1, 7.1)[2] == 0.0


def test_uneven_modules_ask_for_the_pump_alone() -> None:
    assert Cooler(20.0, 22.0).run() == (0.0, 0.0, 0.0)
    pump, fan, heater = Cooler(20.0, 25.5).run()
    assert pump == pytest.approx(0.5)
    assert (fan, heater) == (0.0, 0.0)
    assert Cooler(20.0, 30.0).run()[0] == 1.0


def test_a_module_without_temperature_does_not_count_for_evenness() -> None:
    c = Cooler(20.0, 20.0)
    c.image.modules[:, 1] = np.nan
    assert c.run() == (0.0, 0.0, 0.0)


def test_heat_that_the_current_makes_is_foreseen() -> None:
    c = Cooler(32.0, 32.0)
    assert c.run(300)[1] == 0.0
    # 100 A over about 3.6 mOhm in 450 J/K: 36 W warm by 0.08 K/s.
    set_current(c.image, -100.0)
    assert c.run(10)[1] < 1.0
    assert c.run(300)[1] > 0.5
    # A cold pack is not cooled because of its current.
    assert Cooler(15.0, 15.0).run(300)[1] == 0.0
    set_current(c.image, 0.0)
    assert c.run(900)[1] == 0.0


@pytest.mark.verifies("SR-184")
def test_lost_temperatures_cool_fully_and_never_heat() -> None:
    c = Cooler(-10.0, -10.0)
    assert c.run()[2] == 1.0
    c.image.cells[CELL.temperature_quality, 3] = BAD
    assert c.run() == (1.0, 1.0, 0.0)
    c = Cooler(np.nan, np.nan)
    assert c.run() == (1.0, 1.0, 0.0)


def test_before_the_first_temperature_and_without_cooling_nothing_runs() -> None:
    c = Cooler(50.0, 50.0)
    c.image.scalars["temperature_samples"] = 0
    assert c.run() == (0.0, 0.0, 0.0)
    assert Cooler(50.0, 50.0, parameters=small_parameters(8, has_cooling=0)).run() == (0.0, 0.0, 0.0)


def test_a_parked_or_faulty_pack_is_not_heated_but_cooled() -> None:
    c = Cooler(-10.0, -10.0)
    c.image.scalars["state"] = STATE_STANDBY
    assert c.run()[2] == 0.0
    assert c.run(1, 50.0, 50.0)[1] == 1.0
    c = Cooler(-10.0, -10.0)
    c.image.scalars["fault_level"] = LEVEL_FAULT
    assert c.run()[2] == 0.0


temperature = st.one_of(st.just(np.nan), st.just(np.inf), st.floats(-40.0, 90.0))


@pytest.mark.verifies("SR-184")
@settings(max_examples=150, deadline=None)
@given(
    first=temperature,
    second=temperature,
    current=st.one_of(st.just(np.nan), st.floats(-1e4, 1e4)),
    then=temperature,
)
def test_heater_and_fan_never_run_together_and_demands_stay_in_range(
    first: float, second: float, current: float, then: float
) -> None:
    c = Cooler(first, second)
    c.image.scalars["current_a"] = current
    for temperatures in ((first, second), (then, second), (then, then)):
        pump, fan, heater = c.run(3, *temperatures)
        assert fan == 0.0 or heater == 0.0
        assert all(0.0 <= demand <= 1.0 for demand in (pump, fan, heater))
        assert pump >= max(fan, heater)
