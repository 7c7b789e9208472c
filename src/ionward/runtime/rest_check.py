"""Does a kept SOC fit the voltage that the cell shows now? Pure; used once, before the first tick.

Each SOC allows a band of rest voltages: the OCV, half the hysteresis to either side (which branch is not known), what
the model may be wrong by, what the sensor may be wrong by, and what has not relaxed yet. The SOCs whose bands hold the
measured voltage are a window; on the plateau of an LFP cell it is most of the range. A kept SOC is refused when it
lies outside the window by more than its own uncertainty allows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ionward.battery import tables
from ionward.control.ekf import ERROR_SHARE, FAST_SHARE, SLOW_SHARE

Array = npt.NDArray[np.float64]

SIGMAS = 3.0
REST_SHARE_PER_H = 0.05  # C/20: above that a voltage is no rest voltage
OHMIC_MARGIN = 1.5  # aged and cold cells have more resistance than the table
UNKNOWN_TEMPERATURE_C = 25.0
GRID = 1.0 / (tables.SOCS - 1)


class Window(NamedTuple):
    """SOCs that a voltage allows, `[cell]` each; NaN where no voltage was measured."""

    low: Array
    high: Array


def soc_window(
    table: Array,
    cell_voltage_v: Array,
    temperature_c: Array,
    current_a: float,
    resistance_factor: Array,
    polarisation_v: Array,
    noise_v: float,
) -> Window:
    """SOCs that fit the voltages of cells at (almost) no current.

    Args:
        table: `[temperature, soc, parameter]` of the cell model.
        cell_voltage_v: `[cell]`, NaN unknown.
        temperature_c: `[cell]`, NaN unknown.
        current_a: A, positive when charging.
        resistance_factor: `[cell]`, against the model cell.
        polarisation_v: `[cell]`, what may not have relaxed yet.
        noise_v: standard deviation of a voltage sample.
    """
    rows = _at_temperatures(table, np.where(np.isnan(temperature_c), UNKNOWN_TEMPERATURE_C, temperature_c))
    ohm = rows[..., tables.R0_OHM] + rows[..., tables.R1_OHM] + rows[..., tables.R2_OHM]
    model_var = (FAST_SHARE + SLOW_SHARE + ERROR_SHARE) * rows[..., tables.MODEL_STD_V] ** 2
    half_v = rows[..., tables.HYSTERESIS_V] + SIGMAS * np.sqrt(model_var + noise_v**2)
    half_v += np.abs(np.nan_to_num(polarisation_v))[:, None]
    half_v += OHMIC_MARGIN * abs(current_a) * ohm * resistance_factor[:, None]
    ocv_v, voltage_v = rows[..., tables.OCV_V], cell_voltage_v[:, None]
    below, above = voltage_v <= ocv_v + half_v, voltage_v >= ocv_v - half_v
    # A voltage beyond the ends of the curve belongs to its end.
    low = np.where(below.any(axis=1), below.argmax(axis=1), tables.SOCS - 1) * GRID
    high = np.where(above.any(axis=1), tables.SOCS - 1 - above[:, ::-1].argmax(axis=1), 0) * GRID
    unknown = np.isnan(cell_voltage_v)
    low, high = np.minimum(low, high) - GRID, np.maximum(low, high) + GRID
    return Window(np.where(unknown, np.nan, np.maximum(low, 0.0)), np.where(unknown, np.nan, np.minimum(high, 1.0)))


def _at_temperatures(table: Array, temperature_c: Array) -> Array:
    """The table at the temperature of each cell: `[cell, soc, parameter]`."""
    x = (temperature_c - tables.TEMPERATURE_MIN_C) / tables.TEMPERATURE_STEP_K
    x = np.clip(x, 0.0, tables.TEMPERATURES - 1.000001)
    row = x.astype(np.int64)
    weight = (x - row)[:, None, None]
    return np.asarray((1.0 - weight) * table[row] + weight * table[row + 1])


def check_against_rest(
    soc: Array, soc_std: Array, window: Window, cell_voltage_v: Array, temperature_c: Array
) -> str | None:
    """Why kept SOCs do not fit the voltages; None when they do. One cell that does not fit refuses all.

    Args:
        soc: `[cell]`, kept; NaN unknown.
        soc_std: `[cell]`, standard deviation by now.
        window: what the voltages allow.
        cell_voltage_v: `[cell]`, for the sentence.
        temperature_c: `[cell]`, for the sentence.
    """
    slack = SIGMAS * np.nan_to_num(soc_std, nan=1.0)
    beyond = np.fmax(window.low - slack - soc, soc - slack - window.high)
    if not np.any(beyond > 0.0):
        return None
    cell = int(np.nanargmax(beyond))
    at = f" at {temperature_c[cell]:.0f} °C" if np.isfinite(temperature_c[cell]) else ""
    return (
        f"cell {cell} was kept at SOC {100 * soc[cell]:.1f} % (± {100 * soc_std[cell]:.1f}), but its "
        f"{cell_voltage_v[cell]:.3f} V{at} belong to {100 * window.low[cell]:.1f} to {100 * window.high[cell]:.1f} %: "
        "the pack was used, or changed, in between"
    )
