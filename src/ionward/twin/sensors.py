"""Sensors of the simulated battery: what reaches the BMS of the truth, and when.

Every sensor has its own period, delay, noise, offset, gain, digit and range. A sample carries the time at which it was
taken. Faults of a sensor change only what it says; faults of the battery are in the battery.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ionward._compile import njit
from ionward.image.inputs import RAW
from ionward.twin.noise import Integers, next_normal
from ionward.twin.rows import (
    FAULT_DRIFT,
    FAULT_FROZEN,
    FAULT_GAIN,
    FAULT_LOST,
    FAULT_NAN,
    FAULT_NOISE,
    FAULT_OFFSET,
    FAULT_STUCK,
    SENSE,
)

Array = npt.NDArray[np.float64]

EARLY_S = 1e-9  # times are sums of steps: this much early is in time


@njit
def faulty(value: float, fault: float, strength: float, since_s: float, last: float, normal: float) -> float:
    """What a broken sensor says instead of `value`."""
    if fault == FAULT_FROZEN:
        return last
    if fault == FAULT_STUCK:
        return strength
    if fault == FAULT_OFFSET:
        return value + strength
    if fault == FAULT_GAIN:
        return value * strength
    if fault == FAULT_NOISE:
        return value + strength * normal
    if fault == FAULT_DRIFT:
        return value + strength * since_s
    if fault == FAULT_NAN:
        return math.nan
    return value


@njit
def sample(sensors: Array, truth: Array, raw: Array, time_s: float, generator: Integers, quantiles: Array) -> int:
    """Take the samples that are due from `truth`, and hand those that have arrived to `raw`; number of those taken."""
    taken = 0
    for k in range(truth.shape[0]):
        if sensors[SENSE.fitted, k] == 0.0:
            continue
        if sensors[SENSE.next_s, k] <= time_s + EARLY_S:
            due_s = sensors[SENSE.next_s, k] + sensors[SENSE.period_s, k]
            # A sensor that was asked late skips the samples it has missed.
            sensors[SENSE.next_s, k] = due_s if due_s > time_s + EARLY_S else time_s + sensors[SENSE.period_s, k]
            fault = sensors[SENSE.fault, k]
            if fault != FAULT_LOST and sensors[SENSE.dropped, k] == 0.0:
                taken += 1
                value = truth[k] * sensors[SENSE.gain, k] + sensors[SENSE.offset, k]
                if sensors[SENSE.noise, k] > 0.0:
                    value += sensors[SENSE.noise, k] * next_normal(generator, quantiles)
                if fault > 0.0:
                    normal = next_normal(generator, quantiles)
                    since_s = time_s - sensors[SENSE.fault_since_s, k]
                    value = faulty(value, fault, sensors[SENSE.fault_value, k], since_s, sensors[SENSE.last, k], normal)
                value = min(max(value, sensors[SENSE.minimum, k]), sensors[SENSE.maximum, k])
                digit = sensors[SENSE.resolution, k]
                if digit > 0.0:
                    value = np.floor(value / digit + 0.5) * digit  # NaN stays NaN, also where nothing is compiled
                if fault == FAULT_NAN:
                    value = math.nan
                else:
                    sensors[SENSE.last, k] = value
                sensors[SENSE.pending, k] = value
                sensors[SENSE.pending_s, k] = time_s
        taken_s = sensors[SENSE.pending_s, k]
        if taken_s + sensors[SENSE.delay_s, k] <= time_s + EARLY_S:  # False while none is on its way (NaN)
            raw[RAW.value, k] = sensors[SENSE.pending, k]
            raw[RAW.time_s, k] = taken_s
            sensors[SENSE.pending_s, k] = math.nan
    return taken
