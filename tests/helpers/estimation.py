"""Parameters, images and simulated measurements for tests of the estimate stage alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ionward._compile import njit
from ionward.battery.cell import CellModel
from ionward.control.estimate import estimate
from ionward.control.estimate_memory import EstimateMemory
from ionward.image.faults import FAULTS
from ionward.image.inputs import CHANNEL, CHANNELS
from ionward.image.layout import Image, Size, new_image
from ionward.image.parameters import (
    CELLP,
    CURVE,
    CURVE_POINTS,
    FAULTP,
    LEVELP,
    MEASURE,
    PARAMETER_RECORD,
    SENSORP,
    Parameters,
)
from ionward.image.signals import CELL, GOOD

Array = npt.NDArray[np.float64]


def parameters_for(
    cell: CellModel, cells: int = 1, every: int = 1, capacity_ah: float | None = None, age_max_s: float = 100.0
) -> Parameters:
    """What the estimate stage reads of the parameters, for cells in series."""
    scalars = np.zeros(1, PARAMETER_RECORD)
    values = {
        "cycle_s": 0.01,
        "estimate_every": every,
        "series": cells,
        "charge_current_max_a": cell.data_sheet.charge_current_max_a,
        "discharge_current_max_a": cell.data_sheet.discharge_current_max_a,
        "start_soc_std": 0.01,
        "voltage_noise_v": 0.001,
        "current_noise_a": 0.005 * cell.capacity.reference_ah,
        "hysteresis_rate": cell.hysteresis.rate,
        "hysteresis_instant_v": cell.hysteresis.instantaneous_v,
    }
    for name, value in values.items():
        scalars[name] = value
    channel_limits = np.zeros((len(MEASURE), CHANNELS))
    channel_limits[MEASURE.age_max_s, CHANNEL.current_a] = age_max_s
    block = np.zeros((len(CELLP), cells))
    block[CELLP.capacity_ah] = capacity_ah or cell.capacity.reference_ah
    block[CELLP.resistance_factor] = 1.0
    return Parameters(
        scalars,
        channel_limits,
        np.zeros((len(MEASURE), cells)),
        np.zeros((len(MEASURE), 1)),
        block,
        np.zeros((len(SENSORP), 1)),
        np.zeros((len(CURVE), 2, CURVE_POINTS)),
        np.zeros((len(FAULTP), len(FAULTS))),
        np.zeros((4, len(LEVELP), len(FAULTS))),
        cell.table(),
        scalars.view(np.float64),
    )


def image_for(cells: int) -> Image:
    """An image in which everything has been measured well, at 0 s and 25 degC."""
    image = new_image(Size(cells, 1, 1))
    image.scalars["time_s"] = 0.0
    image.scalars["current_a"] = 0.0
    image.scalars["current_quality"] = GOOD
    image.scalars["temperature_mean_c"] = 25.0
    image.cells[CELL.voltage_v] = 3.6
    image.cells[CELL.quality] = GOOD
    image.cells[CELL.age_s] = 0.0
    image.cells[CELL.temperature_c] = 25.0
    image.cells[CELL.temperature_quality] = GOOD
    return image


class Estimates(NamedTuple):
    soc: Array
    soc_std: Array
    predicted_v: Array


@njit
def _feed(
    parameters: Parameters,
    image: Image,
    memory: EstimateMemory,
    time_s: Array,
    current_a: Array,
    voltage_v: Array,
    temperature_c: Array,
    out: Array,
) -> None:
    s = image.scalars[0]
    for row in range(len(time_s)):
        s["time_s"] = time_s[row]
        s["current_a"] = current_a[row]
        s["temperature_mean_c"] = temperature_c[row]
        for k in range(image.cells.shape[1]):
            image.cells[CELL.voltage_v, k] = voltage_v[row]
            image.cells[CELL.temperature_c, k] = temperature_c[row]
        estimate(parameters, image, memory)
        out[0, row] = s["soc"]
        out[1, row] = s["soc_std"]
        out[2, row] = image.cells[CELL.voltage_predicted_v, 0]


def feed(
    parameters: Parameters,
    memory: EstimateMemory,
    time_s: Array,
    current_a: Array,
    voltage_v: Array,
    temperature_c: Array | float = 25.0,
) -> Estimates:
    """Put rows of good measurements through the stage, each at its time; all cells see the same voltage."""
    image = image_for(len(memory.started))
    out = np.empty((3, len(time_s)))
    temperature = np.broadcast_to(np.asarray(temperature_c, float), time_s.shape).copy()
    arrays = (np.ascontiguousarray(a, dtype=float) for a in (time_s, current_a, voltage_v))
    _feed(parameters, image, memory, *arrays, temperature, out)
    return Estimates(*out)
