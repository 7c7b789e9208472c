"""From fitted parameters to a cell model: monotone branches, model error, fit figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import isotonic_regression

from ionward.battery.cell import Circuit, FitResult, Hysteresis, OpenCircuit
from ionward.battery.identify.fit import CIRCUIT_SOCS, OCV_SOCS, TEMPERATURES_C, Fit
from ionward.battery.identify.runs import Run

Array = npt.NDArray[np.float64]
SLOPE_MIN_V = 0.02  # rise of each OCV branch over the whole SOC range that is kept everywhere
STD_FLOOR_V = 0.003
STD_UNMEASURED = 1.5  # factor on the model error in temperatures where nothing was measured
QUIET_SHARE = 0.01  # of a run's largest current: below it the cell rests
QUIET_WEIGHT = 0.05  # of rests and slow tests in the model error
STD_PRIOR_S = 100.0  # seconds of data at which a bin counts half against its neighbours


def monotone(socs: Array, curve: Array) -> Array:
    """The nearest curve that rises everywhere, by at least `SLOPE_MIN_V` over the whole range."""
    tilt = SLOPE_MIN_V * socs
    return np.asarray(isotonic_regression(curve - tilt).x + tilt, float)


def open_circuit(fit: Fit) -> OpenCircuit:
    """Charge and discharge branch at each temperature knot."""
    charge, discharge = [], []
    for mean, half in zip(fit.values["ocv"], fit.values["hysteresis"], strict=True):
        width = np.interp(OCV_SOCS, CIRCUIT_SOCS, half)
        up, down = monotone(OCV_SOCS, mean + width), monotone(OCV_SOCS, mean - width)
        charge.append(_rounded(np.maximum(up, down), 5))
        discharge.append(_rounded(np.minimum(up, down), 5))
    return OpenCircuit(
        temperature_c=_rounded(TEMPERATURES_C, 1),
        soc=_rounded(OCV_SOCS, 4),
        charge_v=charge,
        discharge_v=discharge,
    )


def circuit(fit: Fit, runs: Sequence[Run]) -> Circuit:
    """R0, R1, tau1, R2, tau2 and the model error on the fit's grid."""
    digits = {"r0": 6, "r1": 6, "r2": 6, "tau1": 2, "tau2": 1}
    grids = {name: [_rounded(row, d) for row in fit.values[name]] for name, d in digits.items()}
    return Circuit(
        temperature_c=_rounded(TEMPERATURES_C, 1),
        soc=_rounded(CIRCUIT_SOCS, 3),
        r0_ohm=grids["r0"],
        r1_ohm=grids["r1"],
        tau1_s=grids["tau1"],
        r2_ohm=grids["r2"],
        tau2_s=grids["tau2"],
        model_std_v=[_rounded(row, 4) for row in model_std(fit, runs)],
    )


def hysteresis(fit: Fit) -> Hysteresis:
    """Rate and instantaneous part."""
    return Hysteresis(
        rate=round(float(fit.values["rate"][0]), 2),
        instantaneous_v=round(float(fit.values["jump"][0]), 5),
    )


def _rounded(values: Array, digits: int) -> list[float]:
    return [round(float(v), digits) + 0.0 for v in values]


def hat_weights(values: Array, knots: Array) -> Array:
    """Share of each value at each knot, `[value, knot]`; ends are held."""
    held = np.clip(values, knots[0], knots[-1])
    return np.array([np.interp(held, knots, row) for row in np.eye(len(knots))]).T


def model_std(fit: Fit, runs: Sequence[Run]) -> Array:
    """Standard deviation of measured minus modelled voltage by temperature and SOC, V.

    Squares of the residuals, weighted by time, are shared among the neighbouring knots. Rests and slow
    tests count little: the model follows them well, and that says nothing about its error under load. Bins
    with little data lean on the mean of their temperature; temperatures without data take that of the
    nearest, enlarged, and more so where the resistance is higher.
    """
    squares = np.zeros((len(TEMPERATURES_C), len(CIRCUIT_SOCS)))
    seconds = np.zeros_like(squares)
    for run, predicted, soc in zip(runs, fit.predicted_v, fit.soc, strict=True):
        used = run.weight > 0
        loaded = np.abs(run.current_a[used]) > QUIET_SHARE * np.max(np.abs(run.current_a))
        weight = run.weight[used] * np.where(loaded & (run.kind == "dynamic"), 1.0, QUIET_WEIGHT)
        over_t = hat_weights(run.temperature_c[used], TEMPERATURES_C) * weight[:, None]
        over_soc = hat_weights(soc[used], CIRCUIT_SOCS)
        error = (predicted - run.voltage_v)[used]
        squares += (over_t * error[:, None] ** 2).T @ over_soc
        seconds += over_t.T @ over_soc
    total = seconds.sum(axis=1)
    measured = total > 600
    mean = np.where(measured, squares.sum(axis=1) / np.maximum(total, 1e-9), np.nan)
    known = np.flatnonzero(measured)
    nearest = known[np.abs(np.subtract.outer(np.arange(len(mean)), known)).argmin(axis=1)]
    ohm = np.mean(fit.values["r0"] + fit.values["r1"] + fit.values["r2"], axis=1)
    variance = np.empty_like(squares)
    for j in range(len(mean)):
        source = nearest[j]
        row = (squares[source] + STD_PRIOR_S * mean[source]) / (seconds[source] + STD_PRIOR_S)
        growth = max(1.0, ohm[j] / ohm[source])
        variance[j] = row * (1.0 if measured[j] else (STD_UNMEASURED * growth) ** 2)
    smooth = gaussian_filter1d(variance, 0.7, axis=1, mode="nearest")
    return np.asarray(np.maximum(np.sqrt(smooth), STD_FLOOR_V))


def fit_results(fit: Fit, runs: Sequence[Run]) -> list[FitResult]:
    """RMSE (over time) and largest error of each run, mV."""
    out = []
    for run, predicted in zip(runs, fit.predicted_v, strict=True):
        used = run.weight > 0
        error = (predicted - run.voltage_v)[used] * 1e3
        weight = run.dt_s[used]
        out.append(
            FitResult(
                test=run.name,
                temperature_c=run.nominal_c,
                seconds=round(float(run.time_s[-1] - run.time_s[0])),
                voltage_rmse_mv=round(float(np.sqrt(np.average(error**2, weights=weight))), 1),
                voltage_max_mv=round(float(np.abs(error).max()), 1),
            )
        )
    return out
