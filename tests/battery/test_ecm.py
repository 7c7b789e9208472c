"""The one-cell model against a closed solution and an independent integrator."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from tests.battery import synthetic as cell

from ionward.battery import tables
from ionward.battery.ecm import STATE, STATES, lookup, simulate, step, terminal_voltage

TABLE = cell.table()


def test_a_current_step_follows_the_closed_solution() -> None:
    current = -3.0
    parameters = np.empty(tables.PARAMETERS)
    lookup(TABLE, 0.5, 25.0, parameters)
    for seconds in (0.01, 1.0, 30.0, 1000.0):
        state = np.zeros(STATES)
        state[STATE.soc] = 0.5
        step(parameters, state, current, seconds, cell.CAPACITY_AH, cell.RATE)
        assert state[STATE.v1_v] == pytest.approx(cell.R1_OHM * current * (1 - np.exp(-seconds / cell.TAU1_S)))
        assert state[STATE.v2_v] == pytest.approx(cell.R2_OHM * current * (1 - np.exp(-seconds / cell.TAU2_S)))
        turn = abs(current) * cell.RATE * seconds / (3600 * cell.CAPACITY_AH)
        assert state[STATE.h] == pytest.approx(np.exp(-turn) - 1)
        assert state[STATE.soc] == pytest.approx(0.5 + current * seconds / 3600 / cell.CAPACITY_AH)


def test_one_long_step_equals_many_short_ones() -> None:
    parameters = np.empty(tables.PARAMETERS)
    lookup(TABLE, 0.5, 0.0, parameters)
    once, often = np.zeros(STATES), np.zeros(STATES)
    step(parameters, once, 2.0, 60.0, cell.CAPACITY_AH, cell.RATE)
    for _ in range(6000):
        step(parameters, often, 2.0, 0.01, cell.CAPACITY_AH, cell.RATE)
    assert often == pytest.approx(once, rel=1e-9)


def test_a_drive_agrees_with_an_independent_integrator() -> None:
    time = np.arange(0.0, 600.0, 1.0)
    current = 4 * np.sin(time / 37) - 1.5
    state = np.zeros(STATES)
    state[STATE.soc] = 0.7
    voltage, soc = np.empty_like(time), np.empty_like(time)
    simulate(TABLE, cell.CAPACITY_AH, cell.RATE, 0.0, time, current, np.full_like(time, 25.0), state, voltage, soc)

    def slopes(t: float, y: np.ndarray) -> list[float]:
        i = float(np.interp(t, time, current))
        return [
            i / 3600 / cell.CAPACITY_AH,
            (cell.R1_OHM * i - y[1]) / cell.TAU1_S,
            (cell.R2_OHM * i - y[2]) / cell.TAU2_S,
            abs(i) * cell.RATE / (3600 * cell.CAPACITY_AH) * (np.sign(i) - y[3]),
        ]

    y = solve_ivp(slopes, (0, time[-1]), [0.7, 0, 0, 0], t_eval=time, rtol=1e-9, atol=1e-11, max_step=0.5).y
    expected = cell.ocv(y[0]) + cell.HYSTERESIS_V * y[3] + cell.R0_OHM * current + y[1] + y[2]
    assert np.abs(soc - y[0]).max() < 1e-6
    assert np.abs(voltage - expected).max() < 2e-4  # the table's OCV is linear between 0.5 % SOC


def test_the_instantaneous_part_follows_the_sign_and_vanishes_at_rest() -> None:
    parameters = np.zeros(tables.PARAMETERS)
    state = np.zeros(STATES)
    assert [terminal_voltage(parameters, state, i, 0.004) for i in (-2.0, 0.0, 2.0)] == [-0.004, 0.0, 0.004]


@given(st.floats(-1, 2), st.floats(-80, 120), st.integers(0, 2**32 - 1))
def test_a_lookup_stays_within_its_table(soc: float, temperature: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    table = random.normal(size=(tables.TEMPERATURES, tables.SOCS, tables.PARAMETERS))
    out = np.empty(tables.PARAMETERS)
    lookup(table, soc, temperature, out)
    t, _ = tables.temperature_cell(temperature)
    s, _ = tables.soc_cell(soc)
    corners = table[t : t + 2, s : s + 2].reshape(4, -1)
    assert (out >= corners.min(axis=0) - 1e-12).all()
    assert (out <= corners.max(axis=0) + 1e-12).all()


@given(st.integers(0, tables.TEMPERATURES - 1), st.integers(0, tables.SOCS - 1))
def test_a_lookup_at_a_knot_is_the_knot(t: int, s: int) -> None:
    out = np.empty(tables.PARAMETERS)
    lookup(TABLE, s / (tables.SOCS - 1), tables.TEMPERATURE_MIN_C + t * tables.TEMPERATURE_STEP_K, out)
    assert out == pytest.approx(TABLE[t, s], rel=1e-4)
