"""What follows from validated measurements: pack extremes, module temperatures, the current in use, cell sum."""

from __future__ import annotations

from typing import Any

import numpy as np

from ionward._compile import njit
from ionward.image.inputs import CHANNEL, Array
from ionward.image.layout import Image
from ionward.image.parameters import CELLP, SENSORP, Parameters
from ionward.image.signals import BAD, CELL, GOOD, HELD, MEASURED, MODULE, NOT_FITTED, REASON_DISAGREES, REASON_NONE

# Share of the rated current within which current counts as steady when voltages of different times are compared.
STEADY_SHARE = 0.02
# Two current samples are compared when they were taken within this.
SKEW_S = 0.02


@njit
def cell_summary(image: Image) -> None:
    """Sum, mean, extremes and number of the usable cell voltages."""
    s = image.scalars[0]
    voltage = image.cells[CELL.voltage_v]
    total, usable = 0.0, 0
    low, high, low_cell, high_cell = np.inf, -np.inf, -1, -1
    for k in range(voltage.shape[0]):
        value = voltage[k]
        if value == value:
            usable += 1
            total += value
            if value < low:
                low, low_cell = value, k
            if value > high:
                high, high_cell = value, k
    s["cells_usable"] = usable
    s["cell_voltage_min_cell"], s["cell_voltage_max_cell"] = low_cell, high_cell
    s["cell_voltage_min_v"] = low if usable > 0 else np.nan
    s["cell_voltage_max_v"] = high if usable > 0 else np.nan
    s["cell_voltage_mean_v"] = total / usable if usable > 0 else np.nan
    s["cell_voltage_sum_v"] = total if usable == voltage.shape[0] else np.nan


@njit
def temperature_summary(parameters: Parameters, image: Image, module_sensors: Array) -> None:
    """Extremes, mean and number of the usable temperatures, of the pack and of each module.

    `module_sensors` is room for the number of usable sensors of each module.
    """
    s, temperature = image.scalars[0], image.temperatures[MEASURED.value]
    total, usable = 0.0, 0
    low, high, low_sensor, high_sensor = np.inf, -np.inf, -1, -1
    for k in range(temperature.shape[0]):
        value = temperature[k]
        if value == value:
            usable += 1
            total += value
            if value < low:
                low, low_sensor = value, k
            if value > high:
                high, high_sensor = value, k
    s["temperatures_usable"] = usable
    s["temperature_min_sensor"], s["temperature_max_sensor"] = low_sensor, high_sensor
    s["temperature_min_c"] = low if usable > 0 else np.nan
    s["temperature_max_c"] = high if usable > 0 else np.nan
    s["temperature_mean_c"] = total / usable if usable > 0 else np.nan
    module_summary(temperature, parameters.sensors[SENSORP.module], image.modules, module_sensors)


@njit
def module_summary(temperature: Array, module_of: Array, modules: Array, module_sensors: Array) -> None:
    """Extremes and mean of the usable temperatures of each module; NaN where none is usable."""
    low, high, mean = (
        modules[MODULE.temperature_min_c],
        modules[MODULE.temperature_max_c],
        modules[MODULE.temperature_mean_c],
    )
    low[:], high[:], mean[:], module_sensors[:] = np.inf, -np.inf, 0.0, 0.0
    for k in range(temperature.shape[0]):
        value = temperature[k]
        if value == value:
            m = int(module_of[k])
            low[m], high[m] = min(low[m], value), max(high[m], value)
            mean[m] += value
            module_sensors[m] += 1.0
    for m in range(mean.shape[0]):
        mean[m] /= module_sensors[m] if module_sensors[m] > 0.0 else np.nan
        if module_sensors[m] == 0.0:
            low[m] = high[m] = np.nan


@njit
def cell_temperatures(parameters: Parameters, image: Image) -> None:
    """Temperature of each cell from the sensors on both sides; one stands in for the other when that is lost."""
    cells = image.cells
    value, quality = image.temperatures[MEASURED.value], image.temperatures[MEASURED.quality]
    for k in range(cells.shape[1]):
        a, b = int(parameters.cells[CELLP.sensor_a, k]), int(parameters.cells[CELLP.sensor_b, k])
        weight = parameters.cells[CELLP.weight_b, k]
        temperature_a, temperature_b = value[a], value[b]
        if temperature_a == temperature_a and temperature_b == temperature_b:
            cells[CELL.temperature_c, k] = temperature_a + weight * (temperature_b - temperature_a)
            cells[CELL.temperature_quality, k] = max(quality[a], quality[b])
        elif temperature_a == temperature_a:
            cells[CELL.temperature_c, k] = temperature_a
            cells[CELL.temperature_quality, k] = HELD
        elif temperature_b == temperature_b:
            cells[CELL.temperature_c, k] = temperature_b
            cells[CELL.temperature_quality, k] = HELD
        else:
            cells[CELL.temperature_c, k] = np.nan
            both_absent = quality[a] == NOT_FITTED and quality[b] == NOT_FITTED
            cells[CELL.temperature_quality, k] = NOT_FITTED if both_absent else BAD


@njit
def choose_current(parameters: Parameters, image: Image, state: Any) -> None:
    """The pack current from one or two sensors.

    Both good: the first, unless they differ by more than their tolerance; then the one that reads more, marked as
    held, because it is the more careful one for every limit. Otherwise the one of better quality. None: NaN, and bad
    or not fitted. Samples that were not taken at about the same time are not compared; the last verdict stands.

    Meets SR-102.
    """
    s, channels = image.scalars[0], image.channels
    first, second = CHANNEL.current_a, CHANNEL.current_redundant_a
    a, b = channels[MEASURED.value, first], channels[MEASURED.value, second]
    quality_a, quality_b = channels[MEASURED.quality, first], channels[MEASURED.quality, second]
    both_good = quality_a == GOOD and quality_b == GOOD
    if not both_good:
        state["current_disagrees"] = 0
    elif abs(channels[MEASURED.age_s, first] - channels[MEASURED.age_s, second]) <= SKEW_S:
        state["current_disagrees"] = 0 if abs(a - b) <= parameters.scalars[0]["current_tolerance_a"] else 1
    disagree = state["current_disagrees"] == 1
    if both_good:
        channels[MEASURED.reason, first] = channels[MEASURED.reason, second] = (
            REASON_DISAGREES if disagree else REASON_NONE
        )
    used = second if (quality_b < quality_a and b == b) or (disagree and abs(b) > abs(a)) else first
    if quality_a == NOT_FITTED:
        used = second
    s["current_a"] = channels[MEASURED.value, used]
    s["current_quality"] = HELD if disagree else int(channels[MEASURED.quality, used])
    s["current_age_s"] = channels[MEASURED.age_s, used]
    s["current_samples"] += int(channels[MEASURED.new, used])


@njit
def compare_cell_sum(parameters: Parameters, image: Image, state: Any, good_s: Array) -> None:
    """Cell sum minus pack voltage, where both were sampled while the current stood still.

    Cells and pack voltage are sampled at different times; while the current changes they rightly differ. So they are
    compared only if every sample in use is younger than the last change of the current. `good_s` are the sample times
    of the cells. NaN while not comparable.
    """
    s, p, channels = image.scalars[0], parameters.scalars[0], image.channels
    current, now_s = s["current_a"], s["time_s"]
    band = max(STEADY_SHARE * p["discharge_current_max_a"], p["current_tolerance_a"])
    if not abs(current - state["steady_current_a"]) <= band:  # also when either is NaN
        state["steady_current_a"] = current
        state["steady_since_s"] = now_s
    volt = CHANNEL.pack_voltage_v
    pack_good = channels[MEASURED.quality, volt] == GOOD
    fresh_cells = s["cell_samples"] != state["compared_cell_samples"]
    if not (pack_good and current == current and s["cell_voltage_sum_v"] == s["cell_voltage_sum_v"]):
        s["cell_sum_difference_v"] = np.nan
        return
    if fresh_cells:
        state["compared_cell_samples"] = s["cell_samples"]
        oldest_s = np.inf
        for k in range(good_s.shape[0]):
            oldest_s = min(oldest_s, good_s[k])
        state["oldest_cell_s"] = oldest_s
    oldest_s = min(state["oldest_cell_s"], now_s - channels[MEASURED.age_s, volt])
    if not oldest_s >= state["steady_since_s"]:
        s["cell_sum_difference_v"] = np.nan
    elif fresh_cells or channels[MEASURED.new, volt] > 0.0:
        s["cell_sum_difference_v"] = s["cell_voltage_sum_v"] - channels[MEASURED.value, volt]
