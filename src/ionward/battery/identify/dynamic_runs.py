"""Runs from drive cycles and pulse tests: split where the log is broken, with the SOC at each sample."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from ionward.battery.identify.runs import Run, counter_ah, mean_current, row_weight
from ionward.battery.logs import Log
from ionward.errors import UserError

Array = npt.NDArray[np.float64]
BREAK_S = 300.0  # a gap longer than this, with the charge counter moving meanwhile, starts a new run
FULL = 0.97  # a cell that rests at a voltage of at least this SOC is taken as fully charged
RUN_S = 20.0  # shorter stretches are left out


def dynamic_runs(log: Log, temperature_c: float, capacity_ah: float, ocv_soc: Array, ocv_v: Array) -> list[Run]:
    """All usable stretches of one log.

    The SOC comes from `soc_ref` where the log has one; else from the charge counter and the rested voltage
    at the start (a voltage near the top of the OCV means fully charged).

    Args:
        log: measured data.
        temperature_c: where the log has no temperature of its own.
        capacity_ah: that defines SOC.
        ocv_soc: SOC knots of a rough OCV.
        ocv_v: its voltages.
    """
    mean = mean_current(log)
    soc = _soc(log, mean, capacity_ah, ocv_soc, ocv_v)
    temperature = _temperature(log, temperature_c)
    weight = row_weight(log.time_s)
    weight[~(log.valid & np.isfinite(soc))] = 0.0
    name = log.source.rsplit(".", 1)[0]
    pieces = _pieces(log, soc)
    runs = []
    for number, rows in enumerate(pieces):
        part = weight[rows].copy()
        part[0] = 0.0
        if part.sum() < RUN_S:
            continue
        known = soc[rows]
        known = np.interp(np.arange(len(known)), np.flatnonzero(np.isfinite(known)), known[np.isfinite(known)])
        part_mean = mean[rows].copy()
        part_mean[0] = 0.0
        runs.append(
            Run(
                name if len(pieces) == 1 else f"{name} part {number + 1}",
                "dynamic",
                temperature_c,
                log.time_s[rows],
                np.nan_to_num(log.current_a[rows]),
                part_mean,
                np.nan_to_num(log.voltage_v[rows]),
                temperature[rows],
                known,
                part,
                1.0 if known[0] > FULL else -0.8,
                start_std=1e-4 if log.soc_ref is not None or known[0] == 1.0 else 0.01,
            )
        )
    if not runs:
        raise UserError(f"{log.source}: no stretch with known SOC and voltage that is long enough to be used")
    return runs


def _pieces(log: Log, soc: Array) -> list[slice]:
    """Stretches between broken places; rows at the end without SOC are left out."""
    step_s = np.diff(log.time_s)
    jump = np.abs(np.diff(np.nan_to_num(soc, nan=-9.0)))
    broken = (step_s > BREAK_S) | (jump > 0.05)
    edges = [0, *(np.flatnonzero(broken) + 1).tolist(), len(log)]
    pieces = [slice(a, b) for a, b in itertools.pairwise(edges)]
    return [p for p in pieces if np.isfinite(soc[p]).sum() > 2]


def _temperature(log: Log, temperature_c: float) -> Array:
    if log.temperature_c is None or not np.isfinite(log.temperature_c).any():
        return np.full(len(log), temperature_c)
    known = np.isfinite(log.temperature_c)
    return np.interp(log.time_s, log.time_s[known], log.temperature_c[known])


def _soc(log: Log, mean: Array, capacity_ah: float, ocv_soc: Array, ocv_v: Array) -> Array:
    if log.soc_ref is not None and np.isfinite(log.soc_ref).mean() > 0.5:
        return log.soc_ref
    moved = counter_ah(log, mean) / capacity_ah
    quiet = np.abs(log.current_a) < 0.02 * np.nanmax(np.abs(log.current_a))
    begin = int(np.argmax(~quiet)) if quiet[0] else 0
    rested_v = log.voltage_v[max(begin - 1, 0)] if quiet[0] else log.voltage_v[0]
    start = float(np.interp(rested_v, ocv_v, ocv_soc))
    if start > FULL or 1.0 - moved.max() - start < 0.0 < moved.max():
        start = 1.0 - max(float(moved.max()), 0.0)
    return np.asarray(start + moved, float)
