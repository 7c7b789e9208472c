"""The simulated cells against independent solutions of the same equations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from helpers.cells import synthetic_cell
from helpers.plants import CAPACITY_AS, bare_plant, drive
from ionward.twin import cells as electric
from ionward.twin.rows import CELLS, SET, STATE


def exact_voltage(times_s: np.ndarray, current_a: float, soc: float, hysteresis_v: float) -> np.ndarray:
    """Terminal voltage of the synthetic cell at 25 °C, by an adaptive solver."""
    r0, r1, tau1, r2, tau2, gamma = 0.02, 0.01, 10.0, 0.01, 200.0, 50.0

    def slope(_: float, y: np.ndarray) -> list[float]:
        charge, v1, v2, h = y
        del charge
        rate = abs(current_a) * gamma / CAPACITY_AS
        return [current_a, (r1 * current_a - v1) / tau1, (r2 * current_a - v2) / tau2,
                rate * (math.copysign(1, current_a) - h)]  # fmt: skip

    found = solve_ivp(slope, (0.0, times_s[-1]), [0.0, 0.0, 0.0, 0.0], t_eval=times_s, rtol=1e-10, atol=1e-12)
    charge, v1, v2, h = found.y
    return 3.0 + 1.2 * (soc + charge / CAPACITY_AS) + hysteresis_v * h + r0 * current_a + v1 + v2


@pytest.mark.parametrize("current_a", [-6.0, -0.3, 1.5])
@pytest.mark.parametrize("dt_s", [0.01, 0.1])
def test_voltage_follows_the_differential_equations(current_a: float, dt_s: float) -> None:
    plant = bare_plant(dt_s=dt_s)
    times, voltages = drive(plant, lambda t: current_a, 300.0, every_s=10.0)
    expected = exact_voltage(times, current_a, 0.5, 0.01)
    # The tables are read again every 0.4 s; OCV is straight, so what is left is the solver's and rounding.
    assert np.abs(voltages - expected).max() < 2e-6


def test_charge_is_conserved_to_rounding() -> None:
    plant = bare_plant(cells=5)
    plant.cells[CELLS.leak_s] = 0.0
    before = plant.cells[CELLS.soc].copy()
    drive(plant, lambda t: 3.0 * math.sin(t / 7.0) - 1.0, 600.0)
    moved = (plant.cells[CELLS.soc] - before) * plant.cells[CELLS.capacity_as]
    assert moved == pytest.approx(plant.state[STATE.charge_as], abs=1e-8)


def test_an_internal_short_discharges_its_cell_alone_and_heats_it() -> None:
    plant = bare_plant(cells=3)
    plant.cells[CELLS.short_s, 1] = 1 / 10.0
    drive(plant, lambda t: 0.0, 100.0)
    soc = plant.cells[CELLS.soc]
    lost_as = (0.5 - soc) * CAPACITY_AS
    # 3.6 V over 10 Ω and the cell's own resistance, falling slightly.
    assert lost_as[1] == pytest.approx(36.0, rel=0.01)
    assert lost_as[[0, 2]] == pytest.approx(0.0, abs=0.01)
    heat = plant.cells[CELLS.heat_j]
    assert heat[1] == pytest.approx(3.59**2 / 10.0 * 100.0, rel=0.01)


def test_beyond_full_the_voltage_keeps_rising_and_below_empty_it_ends_at_nothing() -> None:
    plant = bare_plant(cells=4)
    plant.cells[CELLS.soc] = [1.0, 1.1, 0.0, -0.3]
    electric.refresh(plant.cells, plant.table, plant.settings, 0, 4)
    full, over, empty, under = plant.cells[CELLS.ocv_v]
    assert full == pytest.approx(4.2)
    assert over == pytest.approx(4.2 + 0.1 * 2.5)
    assert empty == pytest.approx(3.0)
    assert under == 0.0


def test_hysteresis_stays_between_its_branches_for_any_current() -> None:
    plant = bare_plant(cells=1)
    for current_a in (500.0, -3.0, 0.0, -500.0, 2.0):
        drive(plant, lambda t, i=current_a: i, 0.2)
        assert -1.0 <= plant.cells[CELLS.hysteresis, 0] <= 1.0


def test_self_discharge_does_not_flip_the_instantaneous_hysteresis() -> None:
    plant = bare_plant(cells=1)
    plant.settings[SET.hysteresis_instant_v] = 0.02
    drive(plant, lambda t: 0.0, 10.0)
    assert plant.cells[CELLS.voltage_v, 0] == pytest.approx(3.6, abs=1e-3)


def test_an_open_sense_wire_moves_voltage_from_one_reading_to_the_next() -> None:
    plant = bare_plant(cells=4)
    plant.cells[CELLS.wire_open, 1] = 1.0
    for _ in range(100):
        electric.sense(plant.cells, plant.settings, 0.0)
    seen, true = plant.cells[CELLS.sense_v], plant.cells[CELLS.voltage_v]
    assert seen[1] < 0.2 * true[1]
    assert seen[2] > 1.8 * true[2]
    assert seen.sum() == pytest.approx(true.sum())
    assert seen[[0, 3]] == pytest.approx(true[[0, 3]])


def test_the_synthetic_cell_is_what_the_solver_assumes() -> None:
    cell = synthetic_cell()
    assert cell.hysteresis.rate == 50.0
    assert cell.capacity.reference_ah * 3600.0 == CAPACITY_AS
