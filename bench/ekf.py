"""Time of one filter step per cell, beside the same step in C (gcc -O3), in vectorised NumPy, and in filterpy.

All references run in the same process on the same data, interleaved, and the best of several rounds counts: on a shared
machine only the fastest round says something about the code. The C and NumPy results are compared with ours before any
time is taken.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ionward._compile import njit
from ionward.battery import tables
from ionward.battery.library import load_cell
from ionward.control import ekf

CONSTANTS = (
    "SLOW_SHARE", "FAST_SHARE", "ERROR_SHARE", "ERROR_TIME_S", "ERROR_SOC", "RESISTANCE_ERROR", "HYSTERESIS_ERROR",
    "SOC_VAR_MAX", "CLIP", "INNOVATION_MIN_V", "FLUSH_V", "FLUSH_P", "TINY",
)  # fmt: skip
FLAGS = ("-O3", "-march=native", "-ffp-contract=fast", "-fno-math-errno", "-fPIC", "-shared")
ROUNDS = 15
CELLS_PER_ROUND = 400_000
C_WORK = 21
STATE, STEP, WORK = ekf.STATE, ekf.STEP, ekf.WORK


class Setup(NamedTuple):
    """One pack in the layouts of all contestants."""

    table: Any
    step: Any
    state: Any
    work: Any
    looked: Any
    c_state: Any
    c_work: Any


def setup(cells: int, seed: int = 0) -> Setup:
    """Cells of an NMC pack in the middle of a drive: every one with its own SOC, temperature and voltage."""
    rng = np.random.default_rng(seed)
    chunks = -(-cells // ekf.LANES)
    padded = chunks * ekf.LANES
    model = load_cell("lg-18650hg2")
    step = np.zeros(len(STEP))
    values = {
        "dt_s": 0.1, "charge_ah": -5e-5, "charge_var": 1e-13, "current_a": -1.8, "current_now_a": -2.0,
        "current_var": 1e-4, "sign": -1.0, "voltage_var": 1e-6, "hysteresis_rate": model.hysteresis.rate,
        "hysteresis_instant_v": model.hysteresis.instantaneous_v,
    }  # fmt: skip
    for name, value in values.items():
        step[getattr(STEP, name)] = value
    rows = np.zeros((len(STATE), padded))
    rows[STATE.soc] = rng.uniform(0.3, 0.7, padded)
    rows[STATE.p_ss], rows[STATE.p_22], rows[STATE.p_ee], rows[STATE.p_hh] = 1e-4, 1e-5, 2e-5, 0.1
    inputs = np.zeros((len(WORK), padded))
    inputs[WORK.capacity_ah] = rng.uniform(2.7, 2.9, padded)
    inputs[[WORK.factor, WORK.use, WORK.doubt]] = 1.0
    inputs[WORK.temperature_c] = rng.uniform(20.0, 30.0, padded)
    inputs[WORK.voltage_v] = 3.4 + 0.6 * rows[STATE.soc]
    c_work = np.zeros((C_WORK, padded))
    for row, name in enumerate(("capacity_ah", "factor", "voltage_v", "use", "temperature_c", "doubt")):
        c_work[row] = inputs[getattr(WORK, name)]
    return Setup(
        model.table(),
        step,
        _chunked(rows),
        _chunked(inputs),
        np.ones((chunks, tables.PARAMETERS, ekf.LANES)),
        rows.copy(),
        c_work,
    )


def _chunked(rows: Any) -> Any:
    """`[field, cell]` as `[chunk, field, lane]`."""
    return np.ascontiguousarray(rows.reshape(len(rows), -1, ekf.LANES).transpose(1, 0, 2))


def _flat(chunks: Any) -> Any:
    return chunks.transpose(1, 0, 2).reshape(chunks.shape[1], -1)


@njit
def ours(times: int, table: Any, step: Any, state: Any, work: Any, looked: Any) -> None:
    """Many steps in one call: the call from Python is not the filter's."""
    for _ in range(times):
        ekf.filter_step(table, step, state, work, looked)


def c_reference() -> Callable[..., None] | None:
    """The C loop, compiled now; None where there is no gcc."""
    gcc = shutil.which("gcc")
    if gcc is None:
        return None
    numbers = {name: getattr(ekf, name) for name in CONSTANTS}
    numbers |= {name: getattr(tables, name) for name in ("SOCS", "TEMPERATURES", "TEMPERATURE_MIN_C")}
    numbers["TEMPERATURE_STEP_K"] = tables.TEMPERATURE_STEP_K
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "ekf.so"
        source = Path(__file__).with_name("ekf_reference.c")
        defines = [f"-D{name}={value!r}" for name, value in numbers.items()]
        subprocess.run([gcc, *FLAGS, *defines, str(source), "-o", str(library), "-lm"], check=True)
        function: Any = ctypes.CDLL(str(library)).ekf_many
    pointer = ctypes.POINTER(ctypes.c_double)
    function.argtypes = [ctypes.c_long, ctypes.c_long, *[pointer] * 4]

    def call(times: int, s: Setup) -> None:
        arrays = (a.ctypes.data_as(pointer) for a in (s.table, s.step, s.c_state, s.c_work))
        function(times, s.c_state.shape[1], *arrays)

    return call


def numpy_look_up(table: Any, temperature_c: Any, soc: Any) -> Any:
    """All parameters at once: `[cell, parameter]`."""
    x = np.clip(
        (temperature_c - tables.TEMPERATURE_MIN_C) / tables.TEMPERATURE_STEP_K, 0, tables.TEMPERATURES - 1.000001
    )
    y = np.clip(soc * (tables.SOCS - 1), 0, tables.SOCS - 1.000001)
    i, j = x.astype(int), y.astype(int)
    u, w = (x - i)[:, None], (y - j)[:, None]
    low = table[i, j] + w * (table[i, j + 1] - table[i, j])
    high = table[i + 1, j] + w * (table[i + 1, j + 1] - table[i + 1, j])
    return low + u * (high - low)


def numpy_step(s: Setup, x: Any, p: Any) -> tuple[Any, Any]:
    """The filter step in matrices, vectorised over cells: `x` is `[cell, soc v1 v2 e h]`, `p` has no v1."""
    t, f = s.step, ekf
    capacity, factor, voltage, use, temperature, doubt = s.c_work[:6]
    dt, charge, current, now = t[STEP.dt_s], t[STEP.charge_ah], t[STEP.current_a], t[STEP.current_now_a]
    soc = np.clip(x[:, 0] + charge / capacity, 0, 1)
    reach = np.maximum(np.sqrt(p[:, 0, 0]), 0.5 / (tables.SOCS - 1))
    high, low = np.minimum(soc + reach, 1), np.maximum(soc - reach, 0)
    ocv, m, r0, r1, tau1, r2, tau2, std = numpy_look_up(s.table, temperature, soc).T
    high_v = numpy_look_up(s.table, temperature, high)[:, 0]
    low_v = numpy_look_up(s.table, temperature, low)[:, 0]
    slope = (high_v - low_v) / (high - low)
    bend = low_v + slope * (soc - low) - ocv
    r0, r1, r2 = r0 * factor, r1 * factor, r2 * factor
    model_var = std**2 * doubt
    moved = np.abs(charge / capacity)
    a1, a2 = np.exp(-dt / tau1), np.exp(-dt / tau2)
    ah, ae = np.exp(-moved * t[STEP.hysteresis_rate]), np.exp(-dt / f.ERROR_TIME_S - moved / f.ERROR_SOC)
    now_var = t[STEP.current_var]
    resistance_var = now_var + (f.RESISTANCE_ERROR * current) ** 2
    v1 = a1 * x[:, 1] + r1 * (1 - a1) * current
    state = np.stack(
        [soc, a2 * x[:, 2] + r2 * (1 - a2) * current, ah * x[:, 4] + (1 - ah) * np.sign(current), ae * x[:, 3]], 1
    )
    a = np.stack([np.ones_like(a2), a2, ah, ae], 1)
    noise = np.stack(
        [
            np.full_like(a2, t[STEP.charge_var]) / capacity**2,
            (1 - a2**2) * (resistance_var * r2**2 + f.SLOW_SHARE * model_var),
            (1 - ah**2) * f.HYSTERESIS_ERROR**2,
            (1 - ae**2) * f.ERROR_SHARE * model_var,
        ],
        1,
    )
    p = a[:, :, None] * p * a[:, None, :]
    p[:, range(4), range(4)] += noise
    c = np.stack([slope, np.ones_like(m), m, np.ones_like(m)], 1)
    g = np.einsum("nij,nj->ni", p, c)
    fast = resistance_var * r1**2 + r0**2 * (now_var + (f.RESISTANCE_ERROR * now) ** 2) + f.FAST_SHARE * model_var
    r = t[STEP.voltage_var] + f.INNOVATION_MIN_V**2 + (1 + 2 * tau1 / max(dt, 1e-3)) * fast + bend**2
    big = np.einsum("ni,ni->n", g, c) + r
    predicted = ocv + m * state[:, 2] + t[STEP.hysteresis_instant_v] * t[STEP.sign] + r0 * now + v1
    predicted += state[:, 1] + state[:, 3]
    residual = use * (voltage - predicted)
    gain = use / big
    q = gain * residual * np.minimum(1, f.CLIP**2 * big / (residual**2 + f.TINY))
    state = state + g * q[:, None]
    p = p - g[:, :, None] * g[:, None, :] * gain[:, None, None]
    clipped = np.clip(state[:, 0], 0, 1), v1, state[:, 1], state[:, 3], np.clip(state[:, 2], -1, 1)
    return np.stack(clipped, 1), p


def numpy_state(s: Setup) -> tuple[Any, Any]:
    """State and covariance matrices for `numpy_step`."""
    x = s.c_state
    ss, s2, sh, se, c22, c2h, c2e, hh, he, ee = x[5:15]
    p = np.array([[ss, s2, sh, se], [s2, c22, c2h, c2e], [sh, c2h, hh, he], [se, c2e, he, ee]])
    return np.ascontiguousarray(x[:5].T), np.ascontiguousarray(p.transpose(2, 0, 1))


def filterpy_step() -> Callable[[], None] | None:
    """One step of one cell with filterpy's EKF on the same four-state model; None where filterpy is not installed."""
    try:
        from filterpy.kalman import ExtendedKalmanFilter
    except ImportError:
        return None
    model = load_cell("lg-18650hg2")
    table = model.table()
    kf = ExtendedKalmanFilter(dim_x=4, dim_z=1)
    kf.x = np.array([[0.5], [0.0], [0.0], [0.0]])
    kf.P = np.diag([1e-4, 1e-5, 0.1, 2e-5])

    def step() -> None:
        soc = float(kf.x[0, 0])
        j, w = tables.soc_cell(soc)
        ocv, m, r0, _, _, _, tau2, std = table[11, j] + w * (table[11, j + 1] - table[11, j])
        slope = (table[11, j + 1, 0] - table[11, j, 0]) * (tables.SOCS - 1)
        a2 = np.exp(-0.1 / tau2)
        kf.F = np.diag([1.0, a2, 0.999, 0.999])
        kf.Q = np.diag([1e-12, (1 - a2**2) * std**2, 1e-4, 1e-9])
        kf.R = np.array([[std**2]])
        kf.predict()
        kf.update(
            np.array([[3.7]]),
            lambda x: np.array([[slope, 1.0, m, 1.0]]),
            lambda x: np.array([[ocv + slope * (x[0, 0] - soc) + x[1, 0] + m * x[2, 0] + x[3, 0] + r0 * -2.0]]),
        )

    return step


def check_agreement(name: str, cells: int, other: Callable[[Setup], Any]) -> None:
    """Ten steps of ours and of a reference must give the same states.

    Raises:
        RuntimeError: they differ, so that their times cannot be compared.
    """
    s = setup(cells)
    expected = other(s)
    ours(10, s.table, s.step, s.state, s.work, s.looked)
    found = _flat(s.state)[: len(expected)]
    if not np.allclose(found, expected, rtol=1e-8, atol=1e-11):
        worst = np.abs(found - expected).max(axis=1)
        raise RuntimeError(f"the {name} reference does not compute the same as the filter: differences {worst}")


def _ten_numpy_steps(s: Setup) -> Any:
    x, p = numpy_state(s)
    for _ in range(10):
        x, p = numpy_step(s, x, p)
    return x.T


def _time(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _against_c(cells: int, reference: Callable[..., None] | None) -> dict[str, float | None]:
    s = setup(cells)
    times = max(CELLS_PER_ROUND // cells, 1)
    args = (s.table, s.step, s.state, s.work, s.looked)
    ours(1, *args)
    best, best_c = np.inf, np.inf
    for _ in range(ROUNDS):
        best = min(best, _time(lambda: ours(times, *args)))
        if reference is not None:
            best_c = min(best_c, _time(lambda: reference(times, s)))
    return {
        f"ekf_ns_per_cell_{cells}": best / times / cells * 1e9,
        f"ekf_vs_gcc_{cells}": best / best_c if reference is not None else None,
    }


def figures() -> dict[str, float | None]:
    """The figures of `ionward bench ekf`; None where a reference is not installed."""
    reference = c_reference()
    out: dict[str, float | None] = {}
    if reference is not None:

        def ten_c_steps(s: Setup) -> Any:
            reference(10, s)
            return s.c_state

        check_agreement("C", 96, ten_c_steps)
    check_agreement("NumPy", 96, _ten_numpy_steps)
    for cells in (96, 400, 4000):
        out |= _against_c(cells, reference)
    s = setup(400)
    x, p = numpy_state(s)
    best = min(_time(lambda: numpy_step(s, x, p)) for _ in range(50))
    ours_400 = out["ekf_ns_per_cell_400"] or np.nan
    out["ekf_vs_numpy_400"] = ours_400 / (best / 400 * 1e9)
    step = filterpy_step()
    out["ekf_vs_filterpy"] = None
    if step is not None:
        best = min(_time(lambda: [step() for _ in range(100)]) / 100 for _ in range(10))
        out["ekf_vs_filterpy"] = ours_400 / (best * 1e9)
    return out


if __name__ == "__main__":
    for figure, value in figures().items():
        print(f"{figure:24} {'not available here' if value is None else f'{value:.3g}'}")
