"""Cool: demand of coolant pump, fan or chiller, and heater, from 0 to 1.

The hottest cell asks for cooling, on the temperature that it will have: heat that the current makes now (I²R over the
heat capacity) is seen some minutes ahead, so that cooling begins before the cells are hot. Modules that drift apart ask
for the pump alone, even when no cell is too warm: a pack ages as fast as its hottest module. The coldest cell asks for
the heater. Heating and cooling never run at once, and a pack whose temperatures are lost is cooled, not heated.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ionward._compile import njit
from ionward.control.shared import first_bad, ramp
from ionward.image.catalogue import Signal, rows
from ionward.image.inputs import Array
from ionward.image.layout import Image, Size
from ionward.image.parameters import Parameters
from ionward.image.signals import CELL, HELD, LEVEL_FAULT, MODULE, STATE_CONNECTED

# The heat of the current is averaged over this time, and its temperature rise is foreseen for this time: packs of
# liquid-cooled cells take minutes from a change of cooling to a change of the cells.
HEAT_AVERAGE_S = 60.0
FORESIGHT_S = 180.0
# Never foresee more than this: the model does not know what the cooling takes away.
FORESIGHT_MAX_K = 10.0
# Once begun, cooling or heating goes on until so far on the good side, at this demand at least (pumps, compressors and
# relays wear from short runs, and turn badly below it).
HYSTERESIS_K = 2.0
HYSTERESIS_SPREAD_K = 0.5
DEMAND_MIN = 0.15

COOL = rows(
    "CoolFields",
    (
        Signal("time_s", "s", "Time of the last run; NaN before the first"),
        Signal("heat_k_per_s", "K/s", "How fast the hottest cell would warm by the current alone, averaged"),
        Signal("cooling", "", "Cooling is under way"),
        Signal("evening", "", "The pump evens modules out"),
        Signal("heating", "", "Heating is under way"),
    ),
)


class CoolMemory(NamedTuple):
    """`fields`: `[COOL]`."""

    fields: Array


def new_cool_memory(_size: Size | None = None) -> CoolMemory:
    """Everything off."""
    fields = np.zeros(len(COOL))
    fields[COOL.time_s] = np.nan
    return CoolMemory(fields)


@njit
def cool(parameters: Parameters, image: Image, memory: CoolMemory) -> None:
    """Write the demands of pump, fan and heater. Meets SR-184."""
    p = parameters.scalars[0]
    s = image.scalars[0]
    m = memory.fields
    dt_s = s["time_s"] - m[COOL.time_s]
    m[COOL.time_s] = s["time_s"]
    if p["has_cooling"] != 1 or s["temperature_samples"] == 0:
        s["pump"] = s["fan"] = s["heater"] = 0.0
        return
    _average_heat(p, s, image.cells, m, dt_s)
    if not (s["temperature_min_c"] <= s["temperature_max_c"]) or first_bad(image.cells[CELL.temperature_quality]) >= 0:
        m[COOL.cooling], m[COOL.heating] = 1.0, 0.0
        s["pump"] = s["fan"] = 1.0
        s["heater"] = 0.0
        return
    ahead_k = min(m[COOL.heat_k_per_s] * FORESIGHT_S, FORESIGHT_MAX_K)
    foreseen_c = s["temperature_max_c"] + ahead_k
    fan = _held_demand(m, COOL.cooling, foreseen_c, p["cool_start_c"], p["cool_full_c"], HYSTERESIS_K)
    spread_k = module_spread(image.modules)
    even = _held_demand(m, COOL.evening, spread_k, p["spread_start_k"], p["spread_full_k"], HYSTERESIS_SPREAD_K)
    heater = 0.0
    if fan > 0.0 or s["state"] != STATE_CONNECTED or s["fault_level"] >= LEVEL_FAULT:
        m[COOL.heating] = 0.0
    else:
        heater = _held_demand(
            m, COOL.heating, -s["temperature_min_c"], -p["heat_start_c"], -p["heat_full_c"], HYSTERESIS_K
        )
    s["fan"] = fan
    s["heater"] = heater
    # Neither cold nor heat reaches the cells without flow.
    s["pump"] = max(fan, even, heater)


@njit
def _held_demand(m: Array, flag: int, x: float, start: float, full: float, hysteresis: float) -> float:
    """Ramp from `start` to `full` (rising), that once begun lasts until `x` is below `start` by the hysteresis."""
    demand = ramp(x, start, full)
    if demand > 0.0 or (m[flag] == 1.0 and x > start - hysteresis):
        m[flag] = 1.0
        return max(demand, DEMAND_MIN)
    m[flag] = 0.0
    return 0.0


@njit
def module_spread(modules: Array) -> float:
    """Difference of the mean temperatures of the warmest and the coldest module; modules without any do not count."""
    lowest, highest = math.inf, -math.inf
    for module in range(modules.shape[1]):
        mean_c = modules[MODULE.temperature_mean_c, module]
        if mean_c < lowest:
            lowest = mean_c
        if mean_c > highest:
            highest = mean_c
    return highest - lowest if highest > lowest else 0.0


@njit
def _average_heat(p: Any, s: Any, cells: Array, m: Array, dt_s: float) -> None:
    """Average of I²R / C of the cell that warms fastest. Nothing is foreseen from what is not known."""
    resistance = 0.0
    for k in range(cells.shape[1]):
        if cells[CELL.resistance_30s_ohm, k] > resistance:
            resistance = cells[CELL.resistance_30s_ohm, k]
        elif cells[CELL.resistance_ohm, k] > resistance:
            resistance = cells[CELL.resistance_ohm, k]
    rate = 0.0
    if s["current_quality"] <= HELD and p["cell_heat_capacity_j_per_k"] > 0.0:
        rate = s["current_a"] ** 2 * resistance / p["cell_heat_capacity_j_per_k"]
    if dt_s > 0.0 and rate >= 0.0:
        m[COOL.heat_k_per_s] += (1.0 - math.exp(-dt_s / HEAT_AVERAGE_S)) * (rate - m[COOL.heat_k_per_s])
