"""What is true of the battery while a fault is awaited: quantities that tell when a fault stands, and their names."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ionward._compile import njit
from ionward.image.inputs import CHANNEL
from ionward.image.parameters import SENSORP, Parameters
from ionward.twin.path import can_flow
from ionward.twin.plant import Plant
from ionward.twin.rows import CELLS, KON, OUT, STATE

Array = npt.NDArray[np.float64]

QUANTITIES = (
    "",
    "cell voltage",
    "highest cell voltage",
    "lowest cell voltage",
    "difference between cells",
    "temperature at the sensor",
    "difference within the module",
    "current",
    "bus against pack",
    "bus and pack apart",
    "contact closed without coil",
    "contact open with coil",
    "failed precharge tries",
    "channel",
    "difference within the pack",
    "charge current beyond the limit",
    "discharge current beyond the limit",
    "pack voltage against the cells",
    "load side against the pack",
    "time",
)
(NOW, CELL_V, CELL_MAX_V, CELL_MIN_V, CELL_SPREAD_V, SENSOR_C, MODULE_SPREAD_K, CURRENT_A, BUS_SHARE, BUS_APART,
 NOT_OPENED, NOT_CLOSED, PRECHARGE_TRIES, CHANNEL_TRUTH, PACK_SPREAD_K, CHARGE_EXCESS,
 DISCHARGE_EXCESS, FUSE_FALLEN, TAP_APART, TIME_S) = range(len(QUANTITIES))  # fmt: skip


# Direction in which a path is judged: any, or the one that a fault forbids where switches block one direction each.
WAY_ANY, WAY_CHARGE, WAY_DISCHARGE = 0, 1, -1


@njit
def path_closed(plant: Plant, way: int = WAY_ANY) -> bool:
    """Current can flow (in one direction): contacts closed, or diodes across them; fuse and pyrofuse whole."""
    charge = can_flow(plant.contactors, plant.settings, plant.state, True)
    discharge = can_flow(plant.contactors, plant.settings, plant.state, False)
    if way == WAY_ANY:
        return charge or discharge
    return charge if way == WAY_CHARGE else discharge


@njit
def extremes(values: Array) -> tuple[float, float]:
    """Smallest and largest."""
    low, high = np.inf, -np.inf
    for k in range(values.shape[0]):
        low, high = min(low, values[k]), max(high, values[k])
    return float(low), float(high)


@njit
def spread(values: Array) -> float:
    """Largest less smallest."""
    low, high = extremes(values)
    return high - low


@njit
def module_spread(plant: Plant, parameters: Parameters, module: int) -> float:
    """True temperatures at the sensors of a module: largest less smallest."""
    low, high = np.inf, -np.inf
    of = parameters.sensors[SENSORP.module]
    for k in range(of.shape[0]):
        if int(of[k]) == module:
            value = plant.temperature_truth[k]
            low, high = min(low, value), max(high, value)
    return float(high - low)


@njit
def quantity(kind: int, index: int, plant: Plant, parameters: Parameters, scalars: Any) -> float:
    """The true value that tells whether a fault stands.

    `NOW` stands from the injection on, whatever the value; of contacts 1 is wrong.
    """
    cells, state = plant.cells, plant.state
    voltage = cells[CELLS.voltage_v]
    if kind == CELL_V:
        return float(voltage[index])
    if kind == CELL_MAX_V:
        return extremes(voltage)[1]
    if kind == CELL_MIN_V:
        return extremes(voltage)[0]
    if kind == CELL_SPREAD_V:
        return spread(voltage)
    if kind == SENSOR_C:
        return float(plant.temperature_truth[index])
    if kind == MODULE_SPREAD_K:
        return module_spread(plant, parameters, index)
    if kind == CURRENT_A:
        return float(state[STATE.current_a])
    if kind in (BUS_SHARE, BUS_APART):
        share = state[STATE.bus_voltage_v] / max(state[STATE.pack_voltage_v], 1e-9)
        return float(share if kind == BUS_SHARE else abs(share - 1.0))
    if kind in (NOT_OPENED, NOT_CLOSED):
        coil = plant.outputs[OUT.main_positive + index] > 0.0
        closed = plant.contactors[KON.closed, index] > 0.0
        wrong = closed and not coil if kind == NOT_OPENED else coil and not closed
        return 1.0 if wrong else 0.0
    if kind == PRECHARGE_TRIES:
        return float(scalars["precharge_tries"])
    if kind == CHANNEL_TRUTH:
        return float(plant.channel_truth[index])
    if kind == TIME_S:
        return float(state[STATE.time_s])
    if kind == PACK_SPREAD_K:
        return spread(plant.temperature_truth)
    return path_quantity(kind, index, plant, parameters, scalars)


@njit
def path_quantity(kind: int, index: int, plant: Plant, parameters: Parameters, scalars: Any) -> float:
    """Quantities of the path from the cells to the load: shares."""
    state, p = plant.state, parameters.scalars[0]
    if kind == CHARGE_EXCESS:
        return float((state[STATE.current_a] - scalars["charge_limit_pulse_a"]) / p["charge_current_pulse_a"])
    if kind == DISCHARGE_EXCESS:
        return float((-state[STATE.current_a] - scalars["discharge_limit_pulse_a"]) / p["discharge_current_pulse_a"])
    if kind == FUSE_FALLEN:
        return float(1.0 - state[STATE.pack_voltage_v] / state[STATE.emf_v])
    if kind == TAP_APART:
        tap_v = plant.channel_truth[CHANNEL.positive_tap_v + index]
        return float(abs(tap_v / max(state[STATE.pack_voltage_v], 1e-9) - 1.0))
    return np.nan
