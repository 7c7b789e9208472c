"""What the faults of the current are judged by. With two sensors the worse reading counts for each direction."""

from __future__ import annotations

from typing import Any

import numpy as np

from ionward._compile import njit
from ionward.image.faults import FAULT_ID
from ionward.image.inputs import CHANNEL, Array
from ionward.image.kernel_memory import STEPS
from ionward.image.layout import Image
from ionward.image.parameters import LEVELP, MEASURE, Parameters
from ionward.image.signals import BAD, GOOD, MEASURED, REASON_RANGE
from ionward.safety.ladder import give
from ionward.safety.summary import SKEW_S

# Current has a direction beyond this multiple of its tolerance: an offset must not make rest look like charging.
DEAD_BAND = 1.5


@njit
def worse_of(a: float, b: float) -> float:
    """The larger one; a NaN does not count."""
    return b if a != a or b > a else a


@njit
def current_rules(parameters: Parameters, image: Image, verdicts: Array, state: Any) -> None:
    """Overcurrent of both directions, short circuit, sensors that disagree. Meets SR-102."""
    channels = image.channels
    first, second = CHANNEL.current_a, CHANNEL.current_redundant_a
    a, b = channels[MEASURED.value, first], channels[MEASURED.value, second]
    new_a = a if channels[MEASURED.new, first] > 0.0 else np.nan
    new_b = b if channels[MEASURED.new, second] > 0.0 else np.nan
    charge, new_charge = worse_of(a, b), worse_of(new_a, new_b)
    discharge, new_discharge = worse_of(-a, -b), worse_of(-new_a, -new_b)
    samples = image.scalars[0]["current_samples"]
    state["current_is_new"] = 1 if samples != state["current_samples"] else 0
    state["current_samples"] = samples
    dead_band = DEAD_BAND * parameters.scalars[0]["current_tolerance_a"]
    state["direction_known"] = 1 if charge == charge else 0
    state["charging"] = 1 if charge > dead_band else 0
    state["discharging"] = 1 if discharge > dead_band else 0

    place = second if b == b and (a != a or abs(b) > abs(a)) else first
    charge_place = second if b == b and (a != a or b > a) else first
    discharge_place = second if b == b and (a != a or b < a) else first
    give(verdicts, FAULT_ID.charge_overcurrent, charge, new_charge, charge_place, True, True, True)
    give(verdicts, FAULT_ID.charge_overcurrent_pulse, charge, new_charge, charge_place, True, True, True)
    give(verdicts, FAULT_ID.discharge_overcurrent, discharge, new_discharge, discharge_place, True, True, True)
    give(verdicts, FAULT_ID.discharge_overcurrent_pulse, discharge, new_discharge, discharge_place, True, True, True)
    short_rule(
        parameters, image, verdicts, state, worse_of(charge, discharge), worse_of(new_charge, new_discharge), place
    )

    difference, newest = np.nan, np.nan
    both = channels[MEASURED.quality, first] == GOOD and channels[MEASURED.quality, second] == GOOD
    if both and abs(channels[MEASURED.age_s, first] - channels[MEASURED.age_s, second]) <= SKEW_S:
        difference = abs(a - b)
        if new_a == new_a or new_b == new_b:
            newest = difference
    give(verdicts, FAULT_ID.current_sensors_disagree, difference, newest, place, True, True, True)


@njit
def short_rule(
    parameters: Parameters, image: Image, verdicts: Array, state: Any, size: float, newest: float, place: int
) -> None:
    """Short circuit by size of the current; a current that leaves the sensor's range is one as well.

    Such samples are refused as values. Refused ones are only counted for all measurements together, so a refusal
    elsewhere in the same tick may stand for one here: it can make the reaction earlier, never later.
    """
    f, channels = FAULT_ID.short_circuit, image.channels
    refused = image.scalars[0]["rejected_samples"] != state["rejected_samples"]
    for channel in (CHANNEL.current_a, CHANNEL.current_redundant_a):
        if channels[MEASURED.reason, channel] == REASON_RANGE and channels[MEASURED.quality, channel] != GOOD:
            # More than the sensor can read: counts as beyond every threshold.
            size = worse_of(size, parameters.channel_limits[MEASURE.maximum, channel])
            for step in range(STEPS):
                size = worse_of(size, parameters.levels[step, LEVELP.set, f] + 1.0)
            place = channel
            if refused:
                newest = size
    give(verdicts, f, size, newest, place, True, True, True)


@njit
def lost_current_rules(parameters: Parameters, image: Image, verdicts: Array, state: Any) -> None:
    """No usable current sensor, or only one of two."""
    channels, limits = image.channels, parameters.channel_limits
    fitted = lost = in_time = 0
    place = -1
    for channel in (CHANNEL.current_redundant_a, CHANNEL.current_a):
        if limits[MEASURE.fitted, channel] > 0.0:
            fitted += 1
            if channels[MEASURED.quality, channel] == BAD:
                if (
                    channels[MEASURED.age_s, channel] < np.inf
                    or state["since_start_s"] > limits[MEASURE.age_max_s, channel]
                ):
                    lost += 1
                    place = channel
                else:
                    in_time += 1
    none_left = 1.0 if fitted > 0 and lost == fitted else 0.0
    one_left = 1.0 if fitted == 2 and lost == 1 and in_time == 0 else 0.0
    give(verdicts, FAULT_ID.current_lost, none_left, none_left, place if none_left > 0.0 else -1, True, True, True)
    left_place = place if one_left > 0.0 else -1
    give(verdicts, FAULT_ID.current_redundancy_lost, one_left, one_left, left_place, True, True, True)
