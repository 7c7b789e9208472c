"""The twin as a whole: behind the ports, reproducible, with faults that are named, placed and ended."""

from __future__ import annotations

import math

import numpy as np
import pytest

from helpers.plants import EQUAL, whole_plant
from helpers.scenarios import small_system
from ionward.errors import UserError
from ionward.hardware.ports import Actuators, Outputs, Sensors
from ionward.image.inputs import CHANNEL, RAW, Raw, new_raw
from ionward.twin.build import Start, build_plant
from ionward.twin.fault_catalogue import FAULT_CATALOGUE, FAULTS_BY_NAME
from ionward.twin.faults import inject
from ionward.twin.plant import advance
from ionward.twin.rows import CELLS, KON, OUT, SENSE, SET, STATE
from ionward.twin.twin import Twin

CLOSE = Outputs(True, True, False, False, 0.0, 0.0, 0.0, np.zeros(8, dtype=bool))


def new_twin(**options: object) -> tuple[Twin, Raw]:
    return Twin(small_system(), **options), new_raw(8, 4)


def test_it_stands_behind_the_ports_and_its_samples_carry_the_callers_clock() -> None:
    twin, raw = new_twin()
    as_sensors: Sensors = twin
    as_actuators: Actuators = twin
    as_sensors.read(1000.0, raw)
    assert np.all(raw.cells[RAW.time_s] == 1000.0)
    as_actuators.write(1000.0, CLOSE)
    as_sensors.read(1000.06, raw)
    assert raw.channels[RAW.value, CHANNEL.main_positive_closed] == 1.0
    assert raw.clock["time_s"][0] == 1000.06
    assert raw.channels[RAW.time_s, CHANNEL.current_a] == pytest.approx(1000.06)
    assert raw.cells[RAW.time_s, 0] == pytest.approx(1000.06)


def test_coils_fall_off_when_nobody_renews_them() -> None:
    twin, raw = new_twin()
    twin.read(0.0, raw)
    twin.write(0.0, CLOSE)
    twin.read(0.09, raw)
    assert twin.plant.contactors[KON.closed, 0] == 1.0
    twin.read(0.3, raw)
    assert twin.plant.contactors[KON.closed, 0] == 0.0


def test_the_load_hears_of_limits() -> None:
    twin, raw = new_twin(profile=np.array([[0.0], [-20.0]]), start=Start(bus_voltage_v=30.0))
    for step in range(100):
        twin.read(step * 0.01, raw)
        twin.write(step * 0.01, CLOSE)
        twin.hear(True, 0.0, 7.0)
    assert raw.channels[RAW.value, CHANNEL.current_a] == pytest.approx(-7.0, abs=0.5)


def test_missing_sensors_have_never_spoken() -> None:
    twin = Twin(small_system(sensors={"current_redundant": {"fitted": False}, "insulation": {"fitted": False}}))
    raw = new_raw(8, 4)
    for time_s in (0.0, 1.0, 2.0):
        twin.read(time_s, raw)
    for channel in (CHANNEL.current_redundant_a, CHANNEL.insulation_ohm):
        assert math.isnan(raw.channels[RAW.value, channel])
        assert raw.channels[RAW.time_s, channel] == -math.inf


def test_the_seed_decides_about_every_cell_and_sample() -> None:
    def lived(seed: int) -> list[np.ndarray]:
        twin, raw = new_twin(seed=seed)
        for time_s in np.arange(0.0, 1.0, 0.1):
            twin.read(float(time_s), raw)
        return [twin.plant.cells, twin.plant.cell_sensors, *raw[1:]]

    for a, b in zip(lived(7), lived(7), strict=True):
        assert np.array_equal(a, b, equal_nan=True)
    assert not np.array_equal(lived(7)[0], lived(8)[0])


def test_cells_spread_as_told() -> None:
    system = small_system(topology={"modules_in_series": 50, "cells_per_module": 20})
    start = Start(soc=0.5, soc_spread=0.02, capacity_spread=0.01, resistance_spread=0.05, temperature_spread_k=1.0)
    cells = build_plant(system, start).cells
    for row, mean, width in (
        (CELLS.soc, 0.5, 0.02),
        (CELLS.core_c, 25.0, 1.0),
        (CELLS.capacity_as, system.topology.capacity_ah * 3600, 0.01 * system.topology.capacity_ah * 3600),
        (CELLS.resistance_factor, 0.25, 0.05 * 0.25),
    ):
        assert cells[row].mean() == pytest.approx(mean, abs=width / 5)
        assert cells[row].std() == pytest.approx(width, rel=0.1)


def test_an_aged_pack_has_less_capacity_and_more_resistance() -> None:
    new, old = (
        whole_plant(EQUAL.model_copy(update=u)) for u in ({}, {"capacity_factor": 0.8, "resistance_factor": 1.5})
    )
    assert old.cells[CELLS.capacity_as] == pytest.approx(0.8 * new.cells[CELLS.capacity_as])
    assert old.cells[CELLS.r0_ohm] == pytest.approx(1.5 * new.cells[CELLS.r0_ohm])


def test_a_slow_cycle_is_made_of_short_steps() -> None:
    plant = build_plant(small_system(cycle={"period_s": 0.1}))
    assert plant.settings[SET.steps_per_tick] * plant.settings[SET.dt_s] == pytest.approx(0.1)
    assert plant.settings[SET.dt_s] <= 0.01
    advance(plant)
    assert plant.state[STATE.time_s] == pytest.approx(0.1)


def test_a_bled_cell_loses_charge_through_its_resistor() -> None:
    plant = whole_plant()
    plant.cells[CELLS.bleed, 2] = 1.0
    for _ in range(10_000):
        advance(plant)
    lost_as = (0.5 - plant.cells[CELLS.soc]) * plant.cells[CELLS.capacity_as]
    assert lost_as[2] == pytest.approx(3.59 / plant.settings[SET.bleed_ohm] * 100.0, rel=0.01)
    assert np.delete(lost_as, 2) == pytest.approx(0.0, abs=1e-3)


PLACES = {"cell": 3, "module": 1, "contactor": "main_positive", "main contactor": "main_negative",
          "connector": "negative", "sensor": "cell_voltage 2", "pack": None}  # fmt: skip


@pytest.mark.parametrize("fault", FAULT_CATALOGUE, ids=lambda f: f.name)
def test_every_fault_changes_the_plant_and_ends_without_a_trace(fault) -> None:
    plant = whole_plant()
    place = PLACES[fault.place]
    blocks = (
        plant.settings, plant.state, plant.cells, plant.contactors, plant.modules, plant.channel_sensors,
        plant.cell_sensors,
    )  # fmt: skip
    before = [block.copy() for block in blocks]
    undo = inject(plant, fault.name, place, None if fault.default is not None or not fault.takes_value else 60.0)

    def same() -> bool:
        return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(before, blocks, strict=True))

    assert not same()
    undo()
    plant.cell_sensors[[SENSE.fault_value, SENSE.fault_since_s]] = 0.0
    plant.channel_sensors[[SENSE.fault_value, SENSE.fault_since_s]] = 0.0
    assert same() != fault.lasting


@pytest.mark.parametrize(("name", "row"), [("cell_soc", CELLS.soc), ("thermal_runaway", CELLS.heat_w)])
def test_a_value_of_nothing_is_taken_as_such(name: str, row: int) -> None:
    plant = whole_plant()
    inject(plant, name, 3, 0.0)
    assert plant.cells[row, 3] == 0.0


@pytest.mark.parametrize(
    ("name", "place", "value", "part"),
    [
        ("cell_internal_shortt", 1, None, "did you mean cell_internal_short?"),
        ("nonsense", None, None, "allowed: cell_internal_short, "),
        ("cell_internal_short", 8, None, "place '8' is no cell of this pack; allowed: 0 to 7"),
        ("cell_internal_short", None, None, "is no cell"),
        ("cell_internal_short", 1, 0.0, "value 0 is impossible"),
        ("cell_internal_short", 1, math.nan, "value nan is impossible"),
        ("afe_lost", 2, None, "no module of this pack; allowed: 0 to 1"),
        ("contactor_welded", "main", None, "no contactor; allowed: main_positive, main_negative, precharge"),
        ("contactor_hot", "precharge", None, "no main contactor; allowed: main_positive, main_negative"),
        ("connector_hot", "main_positive", None, "no connector; allowed: positive, negative"),
        ("afe_crc", 1, 1.5, "value 1.5 is impossible; allowed: 0 to 1"),
        ("crash", 3, None, "leave it out"),
        ("crash", None, 1.0, "takes no value"),
        ("sensor_stuck", "current", None, "value is missing"),
        ("sensor_lost", "amperes", None, "is no sensor; allowed: current, "),
        ("sensor_lost", "cell_voltage 99", None, "does not exist; allowed: 'cell_voltage 0' to 'cell_voltage 7'"),
        ("sensor_lost", "temperature x", None, "does not exist"),
    ],
)  # fmt: skip
def test_a_fault_that_cannot_be_is_refused_in_one_line(name, place, value, part) -> None:
    with pytest.raises(UserError) as error:
        inject(whole_plant(), name, place, value)
    assert part in str(error.value)
    assert len(error.value.problems) == 1


def test_a_sensor_that_is_not_fitted_cannot_break() -> None:
    plant = build_plant(small_system(sensors={"insulation": {"fitted": False}}))
    with pytest.raises(UserError, match="not fitted"):
        inject(plant, "sensor_lost", "insulation")


def test_names_are_unique_and_values_explained() -> None:
    assert len(FAULTS_BY_NAME) == len(FAULT_CATALOGUE)
    for fault in FAULT_CATALOGUE:
        assert fault.meaning
        assert not fault.takes_value or fault.value


def test_outputs_that_are_written_reach_the_plant() -> None:
    twin, raw = new_twin()
    twin.read(0.0, raw)
    twin.write(0.0, Outputs(True, False, True, False, 0.1, 0.2, 0.3, np.arange(8) == 5))
    out = twin.plant.outputs
    assert list(out[[OUT.main_positive, OUT.main_negative, OUT.precharge, OUT.pyrofuse]]) == [1, 0, 1, 0]
    assert list(out[[OUT.pump, OUT.fan, OUT.heater]]) == [0.1, 0.2, 0.3]
    assert list(np.flatnonzero(twin.plant.cells[CELLS.bleed])) == [5]
