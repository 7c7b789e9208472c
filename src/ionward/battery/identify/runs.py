"""Runs: measured logs brought into the form that the fit takes, with the SOC at each sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ionward.battery.logs import Log

Array = npt.NDArray[np.float64]
COUNTER_STEP_S = 0.5  # from this step on the tester's charge counter gives the mean current better than two samples


@dataclass(frozen=True)
class Run:
    """One stretch of measured data with known SOC, up to the nuisances that the fit estimates.

    Arrays are `[row]`. `mean_current_a` is the mean over the step before each row. `weight` is what the row
    counts in the fit, in seconds. `hysteresis_start` is the hysteresis state before the first row.
    `offset_std_a` and `start_std` say how far a constant current offset and the SOC at the start may be
    off.
    """

    name: str
    kind: str  # "ocv" or "dynamic"
    nominal_c: float
    time_s: Array
    current_a: Array
    mean_current_a: Array
    voltage_v: Array
    temperature_c: Array
    soc: Array
    weight: Array
    hysteresis_start: float
    offset_std_a: float = 1e-4
    start_std: float = 1e-4

    @property
    def dt_s(self) -> Array:
        """Step before each row, s; 0 at the first."""
        return np.diff(self.time_s, prepend=self.time_s[0])

    @property
    def active_s(self) -> Array:
        """Time with current since the first row: a tester's offset counts only while it drives current."""
        return np.cumsum(self.dt_s * (np.abs(self.mean_current_a) > 1e-9))


def mean_current(log: Log) -> Array:
    """Mean current over the step before each row.

    The charge counter of the tester runs faster than the log, so its difference is the truth where steps
    are long; where they are short its resolution is too coarse, and the mean of two samples serves.
    """
    current = np.where(np.isfinite(log.current_a), log.current_a, 0.0)
    mean = (current + np.roll(current, 1)) / 2
    mean[0] = 0.0
    if log.ah is not None:
        step_s = np.diff(log.time_s, prepend=log.time_s[0])
        change = np.diff(log.ah, prepend=log.ah[0])
        with np.errstate(divide="ignore", invalid="ignore"):
            counted = change * 3600 / step_s
        low = np.minimum(current, np.roll(current, 1))
        high = np.maximum(current, np.roll(current, 1))
        # A counter that is reset, or a step in which more happened than the samples show, is left to the
        # samples.
        margin = 0.5 * (high - low) + 0.2 * np.nanmax(np.abs(current))
        good = (step_s >= COUNTER_STEP_S) & (counted > low - margin) & (counted < high + margin)
        mean[good] = counted[good]
        quiet = (current == 0) & (np.roll(current, 1) == 0)
        mean[quiet] = 0.0
    return np.asarray(mean, float)


def counter_ah(log: Log, mean_a: Array) -> Array:
    """Charge since the first row, Ah: the tester's counter, its resets bridged by the current."""
    step_s = np.diff(log.time_s, prepend=log.time_s[0])
    counted = mean_a * step_s / 3600
    if log.ah is not None:
        change = np.diff(log.ah, prepend=log.ah[0])
        tolerance = 0.002 + 0.5 * np.abs(counted)
        counted = np.where(np.abs(change - counted) < tolerance + 1e-3 * np.nanmax(np.abs(log.ah)), change, counted)
    return np.asarray(np.cumsum(counted), float)


def row_weight(time_s: Array, longest_s: float = 10.0) -> Array:
    """Seconds that each row stands for, at most `longest_s`."""
    step_s = np.diff(time_s, prepend=time_s[0])
    return np.asarray(np.clip(step_s, 0.0, longest_s), float)
