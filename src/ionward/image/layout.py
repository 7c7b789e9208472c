"""The image and its memory, made for a pack of given size."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np

from ionward.image.faults import FAULTS
from ionward.image.inputs import CHANNELS, Array
from ionward.image.signals import (
    BAD,
    CELL,
    EVENT,
    EVENT_SLOTS,
    FAULT,
    IMAGE_RECORD,
    MEASURED,
    MODULE,
    REASON_NO_VALUE,
)


class Size(NamedTuple):
    """How many of each a pack has."""

    cells: int
    sensors: int
    modules: int


class Image(NamedTuple):
    """What the BMS knows. Blocks are `[field, item]`; only the tick writes, everyone else reads copies."""

    scalars: Any
    channels: Array
    cells: Array
    temperatures: Array
    modules: Array
    faults: Array
    events: Array


def new_image(size: Size) -> Image:
    """The image before the first tick: nothing known, everything open, no fault."""
    scalars = np.zeros(1, IMAGE_RECORD)
    for name in IMAGE_RECORD.names or ():
        kind = IMAGE_RECORD[name].kind
        scalars[name] = np.nan if kind == "f" else 0
    for name in (
        "cell_voltage_min_cell",
        "cell_voltage_max_cell",
        "temperature_min_sensor",
        "temperature_max_sensor",
    ):
        scalars[name] = -1
    for name in ("open_fault", "charge_limit_place", "discharge_limit_place"):
        scalars[name] = -1
    for name in ("charge_throughput_ah", "discharge_throughput_ah", "charge_limit_a", "discharge_limit_a"):
        scalars[name] = 0.0
    for name in (
        "contactor_wear_positive",
        "contactor_wear_negative",
        "charge_limit_pulse_a",
        "discharge_limit_pulse_a",
        "balancing_heat_w",
        "pump",
        "fan",
        "heater",
    ):
        scalars[name] = 0.0
    scalars["current_quality"] = BAD

    def measured(fields: int, items: int) -> Array:
        block = np.full((fields, items), np.nan)
        block[MEASURED.age_s] = np.inf
        block[MEASURED.quality] = BAD
        block[MEASURED.reason] = REASON_NO_VALUE
        block[MEASURED.new] = 0
        return block

    cells = measured(len(CELL), size.cells)
    cells[CELL.temperature_quality] = BAD
    cells[CELL.balancing] = 0
    modules = np.full((len(MODULE), size.modules), np.nan)
    modules[MODULE.balancing_heat_w] = 0.0
    faults = np.zeros((len(FAULT), len(FAULTS)))
    faults[FAULT.value] = np.nan
    faults[FAULT.place] = -1
    return Image(
        scalars,
        measured(len(MEASURED), CHANNELS),
        cells,
        measured(len(MEASURED), size.sensors),
        modules,
        faults,
        np.zeros((len(EVENT), EVENT_SLOTS)),
    )


def digest(image: Image) -> str:
    """SHA-256 over the whole image, in hexadecimal."""
    total = hashlib.sha256()
    for block in image:
        total.update(np.ascontiguousarray(block).tobytes())
    return total.hexdigest()
