"""The filter step against plain matrices, and what must hold for any input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.cells import synthetic_cell
from ionward.battery import tables
from ionward.control import ekf
from ionward.control.ekf import LANES, STATE, STEP, WORK

Array = npt.NDArray[np.float64]
CELLS = 2 * LANES
# The order of the states in matrices: soc, v2, h, e.
COVARIANCE = [["p_ss", "p_s2", "p_sh", "p_se"], ["p_s2", "p_22", "p_2h", "p_2e"], ["p_sh", "p_2h", "p_hh", "p_he"],
              ["p_se", "p_2e", "p_he", "p_ee"]]  # fmt: skip


class Pack:
    """Arrays of the filter for some cells, with every cell in a state of its own."""

    def __init__(self, seed: int = 0, table: Array | None = None) -> None:
        rng = np.random.default_rng(seed)
        self.table = synthetic_cell().table() if table is None else table
        self.step = np.zeros(len(STEP))
        self.state = np.zeros((2, len(STATE), LANES))
        self.work = np.zeros((2, len(WORK), LANES))
        self.looked = np.ones((2, tables.PARAMETERS, LANES))
        shape = (2, LANES)
        self.set("soc", rng.uniform(0.1, 0.9, shape))
        self.set("v1", rng.normal(0, 0.01, shape))
        self.set("v2", rng.normal(0, 0.01, shape))
        self.set("e", rng.normal(0, 0.003, shape))
        self.set("h", rng.uniform(-1, 1, shape))
        roots = rng.normal(0, 1, (*shape, 4, 4)) * np.array([0.05, 0.003, 0.5, 0.005])[:, None]
        for index, p in enumerate((roots @ roots.swapaxes(-1, -2)).reshape(-1, 4, 4)):
            for row in range(4):
                for column in range(4):
                    self.set_one(COVARIANCE[row][column], index, p[row, column])
        self.work[:, WORK.capacity_ah] = rng.uniform(2.5, 3.1, shape)
        self.work[:, WORK.factor] = rng.uniform(0.8, 1.5, shape)
        self.work[:, WORK.temperature_c] = rng.uniform(-25.0, 50.0, shape)
        self.work[:, WORK.use] = rng.integers(0, 2, shape)
        self.work[:, WORK.doubt] = rng.choice([1.0, 9.0], shape)
        self.work[:, WORK.voltage_v] = 3.0 + 1.2 * self.state[:, STATE.soc] + rng.normal(0, 0.02, shape)
        self.drive()

    def drive(self, **values: float) -> None:
        """Set what the step is told."""
        usual = {
            "dt_s": 0.5, "charge_ah": -3e-4, "charge_var": 1e-10, "current_a": -2.16, "current_now_a": -3.0,
            "current_var": 1e-4, "sign": -1.0, "voltage_var": 1e-6, "hysteresis_rate": 50.0,
            "hysteresis_instant_v": 0.002,
        }  # fmt: skip
        for name, value in (usual | values).items():
            self.step[getattr(STEP, name)] = value

    def set(self, name: str, values: Array) -> None:
        self.state[:, getattr(STATE, name)] = values

    def set_one(self, name: str, cell: int, value: float) -> None:
        self.state[cell // LANES, getattr(STATE, name), cell % LANES] = value

    def get(self, name: str, cell: int) -> float:
        return float(self.state[cell // LANES, getattr(STATE, name), cell % LANES])

    def given(self, name: str, cell: int) -> float:
        return float(self.work[cell // LANES, getattr(WORK, name), cell % LANES])

    def covariance(self, cell: int) -> Array:
        return np.array([[self.get(name, cell) for name in row] for row in COVARIANCE])

    def run(self) -> None:
        ekf.filter_step(self.table, self.step, self.state, self.work, self.looked)


def at(table: Array, temperature_c: float, soc: float) -> Array:
    """Parameters by scipy-free bilinear interpolation on the grid's own axes."""
    grid_t = tables.TEMPERATURE_MIN_C + tables.TEMPERATURE_STEP_K * np.arange(tables.TEMPERATURES)
    over_t = [[np.interp(temperature_c, grid_t, table[:, j, p]) for p in range(8)] for j in range(tables.SOCS)]
    return np.array([np.interp(soc, np.linspace(0, 1, tables.SOCS), column) for column in np.array(over_t).T])


def matrix_step(pack: Pack, cell: int) -> tuple[Array, Array, float]:
    """The same filter for one cell in the usual matrix form: states (soc, v2, h, e), covariance, fast voltage."""
    told = {name: float(pack.step[getattr(STEP, name)]) for name in STEP._fields}
    dt, charge, current, now = told["dt_s"], told["charge_ah"], told["current_a"], told["current_now_a"]
    capacity, factor = pack.given("capacity_ah", cell), pack.given("factor", cell)
    temperature = pack.given("temperature_c", cell)
    x = np.array([pack.get(name, cell) for name in ("soc", "v2", "h", "e")])
    p = pack.covariance(cell)
    soc = min(max(x[0] + charge / capacity, 0.0), 1.0)
    ocv, m, r0, r1, tau1, r2, tau2, std = at(pack.table, temperature, soc)
    r0, r1, r2 = r0 * factor, r1 * factor, r2 * factor
    reach = max(math.sqrt(p[0, 0]), 0.0025)
    high, low = min(soc + reach, 1.0), max(soc - reach, 0.0)
    high_v, low_v = at(pack.table, temperature, high)[0], at(pack.table, temperature, low)[0]
    slope = (high_v - low_v) / (high - low)
    bend = low_v + slope * (soc - low) - ocv
    moved = abs(charge) / capacity
    a = np.diag(
        [1.0, math.exp(-dt / tau2), math.exp(-moved * told["hysteresis_rate"]),
         math.exp(-dt / ekf.ERROR_TIME_S - moved / ekf.ERROR_SOC)]
    )  # fmt: skip
    model = std**2 * pack.given("doubt", cell)
    rough = told["current_var"] + (ekf.RESISTANCE_ERROR * current) ** 2
    stationary = [0.0, rough * r2**2 + ekf.SLOW_SHARE * model, ekf.HYSTERESIS_ERROR**2, ekf.ERROR_SHARE * model]
    noise = (np.eye(4) - a @ a) @ np.diag(stationary)
    noise[0, 0] = told["charge_var"] / capacity**2
    x = np.array([soc, *(a @ x)[1:]]) + np.array(
        [0.0, r2 * (1 - a[1, 1]) * current, (1 - a[2, 2]) * np.sign(current), 0.0]
    )
    v1 = pack.get("v1", cell)
    v1 = math.exp(-dt / tau1) * v1 + r1 * (1 - math.exp(-dt / tau1)) * current
    p = a @ p @ a.T + noise
    h = np.array([slope, 1.0, m, 1.0])
    fast = rough * r1**2 + r0**2 * (told["current_var"] + (ekf.RESISTANCE_ERROR * now) ** 2) + ekf.FAST_SHARE * model
    r = told["voltage_var"] + ekf.INNOVATION_MIN_V**2 + (1 + 2 * tau1 / dt) * fast + bend**2
    if pack.given("use", cell) == 1.0:
        instant = told["hysteresis_instant_v"] * told["sign"]
        y = pack.given("voltage_v", cell) - (ocv + m * x[2] + instant + r0 * now + v1 + x[1] + x[3])
        s = h @ p @ h + r
        gain = p @ h / s
        x = x + gain * y * min(1.0, ekf.CLIP**2 * s / y**2)
        joseph = np.eye(4) - np.outer(gain, h)
        p = joseph @ p @ joseph.T + r * np.outer(gain, gain)
    x[0], x[2] = np.clip(x[0], 0, 1), np.clip(x[2], -1, 1)
    return x, p, v1


@pytest.mark.parametrize("seed", range(3))
def test_step_equals_the_matrix_form(seed: int) -> None:
    pack = Pack(seed)
    expected = [matrix_step(pack, cell) for cell in range(CELLS)]
    pack.run()
    for cell, (x, p, v1) in enumerate(expected):
        found = [pack.get(name, cell) for name in ("soc", "v2", "h", "e")]
        np.testing.assert_allclose(found, x, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(pack.covariance(cell), p, rtol=1e-8, atol=1e-13)
        assert pack.get("v1", cell) == pytest.approx(v1, rel=1e-9, abs=1e-11)


def test_decay_is_the_exponential() -> None:
    for x in (0.0, 1e-9, 1e-3, 0.3, 1.0, 5.0, 20.0, 64.0):
        assert ekf.decay(x) == pytest.approx(math.exp(-x), rel=2e-8, abs=1e-13)
    assert 0.0 <= ekf.decay(1e9) < 1e-27


@given(
    seed=st.integers(0, 2**32 - 1),
    dt_s=st.floats(0.0, 1e5),
    current_a=st.floats(-500.0, 500.0),
    current_var=st.floats(0.0, 1e4),
    charge_var=st.floats(0.0, 10.0),
    voltage_v=st.floats(-100.0, 100.0),
)
@settings(max_examples=60, deadline=None)
def test_any_drive_keeps_the_state_bounded_and_its_covariance_positive(
    seed: int, dt_s: float, current_a: float, current_var: float, charge_var: float, voltage_v: float
) -> None:
    pack = Pack(seed)
    pack.work[0, WORK.voltage_v] = voltage_v
    charge_ah = current_a * dt_s / 3600.0
    pack.drive(
        dt_s=dt_s, current_a=current_a, current_now_a=current_a, charge_ah=charge_ah, current_var=current_var,
        charge_var=charge_var, sign=math.copysign(1.0, current_a),
    )  # fmt: skip
    for _ in range(3):
        pack.run()
        assert np.isfinite(pack.state).all()
        assert ((pack.state[:, STATE.soc] >= 0) & (pack.state[:, STATE.soc] <= 1)).all()
        assert (np.abs(pack.state[:, STATE.h]) <= 1).all()
        for cell in range(CELLS):
            p = pack.covariance(cell)
            spread = np.sqrt(np.diag(p))
            assert (spread > 0).all()
            assert np.linalg.eigvalsh(p / np.outer(spread, spread)).min() > -1e-9


def test_without_a_voltage_only_uncertainty_changes() -> None:
    pack = Pack()
    pack.work[:, WORK.use] = 0.0
    pack.drive(charge_ah=0.0, current_a=0.0, current_now_a=0.0, charge_var=1e-6)
    before = pack.state.copy()
    pack.run()
    np.testing.assert_array_equal(pack.state[:, STATE.soc], before[:, STATE.soc])
    assert (pack.state[:, STATE.p_ss] > before[:, STATE.p_ss]).all()


def test_nothing_decays_into_denormal_numbers() -> None:
    pack = Pack()
    pack.work[:, WORK.use] = 0.0
    pack.drive(dt_s=3600.0, charge_ah=0.0, current_a=0.0, current_now_a=0.0, sign=0.0)
    for _ in range(2000):
        pack.run()
    values = np.abs(pack.state)
    assert (values[values > 0] > 1e-200).all()


def test_a_wild_voltage_counts_less_the_wilder_it_is() -> None:
    def shift(error_v: float) -> Any:
        pack = Pack()
        pack.work[:, WORK.use] = 0.0
        pack.run()
        quiet = Pack()
        quiet.work[:, WORK.use] = 1.0
        quiet.work[:, WORK.voltage_v] = pack.work[:, WORK.predicted_v] + error_v
        quiet.run()
        return np.abs(quiet.state[:, STATE.soc] - pack.state[:, STATE.soc])

    moderate, wild = shift(0.3), shift(30.0)
    assert (wild < moderate).all()
    assert (wild > 0).any()


def test_rate_of_samples_does_not_change_what_is_learnt() -> None:
    """A minute at 1 Hz and a minute at 100 Hz tell about the same: model errors are slow, not white."""

    def std_after_a_minute(dt_s: float) -> Any:
        pack = Pack()
        pack.set("p_ss", np.full((2, LANES), 0.01))
        for names in COVARIANCE:
            for name in names:
                if name not in ("p_ss", "p_22", "p_hh", "p_ee"):
                    pack.set(name, np.zeros((2, LANES)))
        pack.work[:, WORK.use] = 1.0
        pack.drive(dt_s=dt_s, charge_ah=0.0, current_a=0.0, current_now_a=0.0, charge_var=0.0, current_var=0.0)
        for _ in range(round(60.0 / dt_s)):
            pack.work[:, WORK.voltage_v] = 3.0 + 1.2 * pack.state[:, STATE.soc]
            pack.run()
        return np.sqrt(pack.state[:, STATE.p_ss])

    slow, fast = std_after_a_minute(1.0), std_after_a_minute(0.01)
    np.testing.assert_allclose(fast, slow, rtol=0.1)
