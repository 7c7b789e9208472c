"""The warmth of the simulated battery: conservation, steady states, coolant."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.plants import EQUAL, whole_plant
from ionward.twin import heat
from ionward.twin.faults import inject
from ionward.twin.plant import Plant, advance
from ionward.twin.rows import CELLS, OUT, SET, STATE


def warm(plant: Plant, watts: float, seconds: float, dt_s: float = 0.2) -> None:
    for _ in range(round(seconds / dt_s)):
        plant.cells[CELLS.heat_j] = watts * dt_s
        heat.advance(plant.cells, plant.settings, plant.state, plant.outputs, dt_s)


def stored_j(plant: Plant) -> float:
    cells, settings = plant.cells, plant.settings
    return float(
        settings[SET.core_j_per_k] * cells[CELLS.core_c].sum()
        + settings[SET.surface_j_per_k] * cells[CELLS.surface_c].sum()
    )


@pytest.mark.parametrize("kind", ["none", "air", "liquid"])
def test_heat_is_neither_lost_nor_made(kind: str) -> None:
    plant = whole_plant(cooling={"kind": kind}, ambient_c=10.0)
    plant.cells[CELLS.surface_c] += np.arange(8) * 2.0
    plant.outputs[[OUT.pump, OUT.fan]] = 0.6
    before = stored_j(plant)
    warm(plant, 5.0, 600.0)
    made, ambient, coolant = plant.state[[STATE.made_heat_j, STATE.ambient_heat_j, STATE.coolant_heat_j]]
    assert made == pytest.approx(8 * 5.0 * 600.0)
    assert stored_j(plant) - before == pytest.approx(made - ambient - coolant, abs=1e-6 * made)


def test_without_cooling_a_cell_settles_where_its_data_sheet_says() -> None:
    plant = whole_plant(cooling={"kind": "none"})
    warm(plant, 4 * 0.5, 20_000.0, dt_s=5.0)
    # 0.5 W in each of four cells in parallel: 12 K/W to ambient, 2 K/W from core to surface.
    assert plant.cells[CELLS.surface_c] == pytest.approx(25.0 + 0.5 * 12.0, abs=0.01)
    assert plant.cells[CELLS.core_c] == pytest.approx(25.0 + 0.5 * 14.0, abs=0.01)


def test_coolant_warms_from_cell_to_cell_so_the_last_module_is_the_hottest() -> None:
    plant = whole_plant()
    plant.state[STATE.inlet_held_c] = plant.state[STATE.coolant_inlet_c] = 20.0
    plant.outputs[OUT.pump] = 0.2
    plant.settings[SET.flow_w_per_k] = 20.0
    warm(plant, 6.0, 20_000.0, dt_s=1.0)
    assert np.all(np.diff(plant.cells[CELLS.coolant_c]) > 0)
    assert plant.cells[CELLS.core_c, -1] > plant.cells[CELLS.core_c, 0] + 2.0
    # Steady: what the coolant carries away is what is made, less what ambient takes.
    to_ambient = plant.settings[SET.ambient_w_per_k] * (plant.cells[CELLS.surface_c] - 25.0).sum()
    carried = 0.2 * 20.0 * (plant.state[STATE.coolant_outlet_c] - 20.0)
    assert carried + to_ambient == pytest.approx(8 * 6.0, rel=1e-3)


def test_lost_cooling_lets_the_cells_get_hotter() -> None:
    ends = []
    for factor in (1.0, 0.0):
        plant = whole_plant()
        plant.state[STATE.flow_factor] = factor
        plant.outputs[[OUT.pump, OUT.fan]] = 1.0
        warm(plant, 6.0, 2000.0, dt_s=1.0)
        ends.append(float(plant.cells[CELLS.core_c].max()))
    assert ends[1] > ends[0] + 3.0


def test_the_chiller_cools_no_further_than_its_set_point() -> None:
    plant = whole_plant(ambient_c=12.0, start=EQUAL.model_copy(update={"temperature_c": 12.0}))
    plant.outputs[[OUT.pump, OUT.fan]] = 1.0
    warm(plant, 0.0, 20_000.0, dt_s=2.0)
    assert plant.state[STATE.coolant_inlet_c] >= plant.settings[SET.chiller_c]


@pytest.mark.parametrize("kind", ["air", "liquid"])
def test_the_heater_warms_the_cells(kind: str) -> None:
    plant = whole_plant(cooling={"kind": kind, "heater_w": 200.0}, ambient_c=-10.0,
                        start=EQUAL.model_copy(update={"temperature_c": -10.0}))  # fmt: skip
    plant.outputs[OUT.heater] = 1.0
    plant.outputs[OUT.pump] = 1.0
    warm(plant, 0.0, 1200.0, dt_s=1.0)
    assert plant.cells[CELLS.core_c].min() > -9.0


def test_neighbours_share_heat_within_a_module_only() -> None:
    plant = whole_plant(cooling={"kind": "none"})
    plant.cells[[CELLS.core_c, CELLS.surface_c], 3] = 60.0  # the last of the first module
    warm(plant, 0.0, 60.0)
    warmed = plant.cells[CELLS.surface_c]
    assert warmed[2] > 25.5
    assert warmed[4] == pytest.approx(25.0, abs=1e-9)


def burn(plant: Plant, seconds: float) -> None:
    for _ in range(round(seconds / plant.settings[SET.dt_s])):
        advance(plant)


def test_a_burning_cell_gives_the_energy_that_it_stores_and_loses_its_voltage() -> None:
    plant = whole_plant()
    inject(plant, "cell_burns", 2)
    burn(plant, 60.0)
    expected_j = 4 * 3.0 * 3600.0 * 3.6  # four 18650HG2 of 3 Ah and 3.6 V
    assert plant.cells[CELLS.burnt_j, 2] == pytest.approx(expected_j, rel=0.02)
    assert plant.cells[CELLS.voltage_v, 2] < 0.5
    assert 400.0 < plant.cells[CELLS.core_c, 2] < 1500.0
    assert plant.cells[CELLS.burnt_j, 0] == 0.0


def test_a_cell_beyond_its_onset_runs_away_by_itself_and_one_below_does_not() -> None:
    plant = whole_plant()
    plant.cells[CELLS.core_c, 1] = plant.cells[CELLS.surface_c, 1] = plant.settings[SET.runaway_c] + 5.0
    plant.cells[CELLS.core_c, 6] = plant.cells[CELLS.surface_c, 6] = plant.settings[SET.runaway_c] - 5.0
    burn(plant, 40.0)
    assert plant.cells[CELLS.burnt_j, 1] == pytest.approx(plant.settings[SET.runaway_j])
    assert plant.cells[CELLS.burnt_j, 6] == 0.0
    assert plant.cells[CELLS.voltage_v, 6] > 3.0


def test_fire_goes_on_to_cells_that_lie_close_enough() -> None:
    plant = whole_plant()
    plant.settings[SET.neighbour_w_per_k] *= 100.0
    inject(plant, "cell_burns", 0)
    burn(plant, 300.0)
    assert (plant.cells[CELLS.burnt_j, :4] > 0.0).all()
    assert (plant.cells[CELLS.burnt_j, 4:] == 0.0).all()  # the other module
