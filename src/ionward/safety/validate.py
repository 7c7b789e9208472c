"""First stage of the tick: raw samples in, measurements with value, age and quality out.

NaN and infinities never become a good value. A pack that lacks a sensor has it as `not fitted`, never as lost.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ionward._compile import njit
from ionward.image.inputs import CHANNELS, Array, Raw
from ionward.image.kernel_memory import HISTORY, STILL, VALIDATE_RECORD
from ionward.image.layout import Image, Size
from ionward.image.parameters import Parameters
from ionward.safety.samples import excuse_stillness, fit, new_history, validate_block
from ionward.safety.summary import (
    cell_summary,
    cell_temperatures,
    choose_current,
    compare_cell_sum,
    temperature_summary,
)


class ValidateMemory(NamedTuple):
    """Memory of the stage: `[HISTORY, item]` for each block, a record of length 1, room for module counts, `[STILL,
    sensor]`."""

    channels: Array
    cells: Array
    temperatures: Array
    state: Any
    module_sensors: Array
    still: Array


def new_validate_memory(size: Size) -> ValidateMemory:
    """Memory before the first tick."""
    state = np.zeros(1, VALIDATE_RECORD)
    state["steady_current_a"] = np.nan
    state["steady_since_s"] = np.inf
    state["oldest_cell_s"] = -np.inf
    return ValidateMemory(
        new_history(CHANNELS), new_history(size.cells), new_history(size.sensors), state, np.zeros(size.modules),
        np.full((len(STILL), size.sensors), np.nan),
    )  # fmt: skip


@njit
def validate(raw: Raw, parameters: Parameters, image: Image, memory: ValidateMemory) -> None:
    """Validate all samples of this tick and sum them up.

    Writes the measurement rows of channels, cells and temperature sensors, the modules' temperatures, the cells'
    temperatures, and the scalars from `time_s` to `rejected_samples`.

    Meets SR-105, SR-192.
    """
    s, p, state = image.scalars[0], parameters.scalars[0], memory.state[0]
    now_s, hold_s, cycle_s = raw.clock[0]["time_s"], p["hold_s"], p["cycle_s"]
    first = state["started"] == 0
    if first:
        state["started"] = 1
        fit(parameters.channel_limits, image.channels)
        fit(parameters.cell_limits, image.cells)
        fit(parameters.sensor_limits, image.temperatures)
        s["dt_s"] = cycle_s
    else:
        elapsed_s = now_s - s["time_s"]
        s["dt_s"] = elapsed_s if elapsed_s > 0.0 and elapsed_s < np.inf else 0.0
    s["time_s"] = now_s
    s["tick"] += 1

    _, refused, _ = validate_block(
        raw.channels, parameters.channel_limits, memory.channels, image.channels, now_s, hold_s, cycle_s
    )
    s["rejected_samples"] += refused
    choose_current(parameters, image, state)

    accepted, refused, lost = validate_block(
        raw.cells, parameters.cell_limits, memory.cells, image.cells, now_s, hold_s, cycle_s
    )
    s["rejected_samples"] += refused
    if accepted > 0:
        s["cell_samples"] += 1
    if first or accepted > 0 or lost > 0:
        cell_summary(image)

    accepted, refused, lost = validate_block(
        raw.temperatures, parameters.sensor_limits, memory.temperatures, image.temperatures, now_s, hold_s, cycle_s
    )
    s["rejected_samples"] += refused
    if accepted > 0:
        s["temperature_samples"] += 1
    if first or accepted > 0 or refused > 0 or lost > 0:
        temperature_summary(parameters, image, memory.module_sensors)
        cell_temperatures(parameters, image)
        excuse_stillness(parameters.sensor_limits, memory.temperatures, image.temperatures, memory.still, now_s)
    compare_cell_sum(parameters, image, state, memory.cells[HISTORY.good_s])
