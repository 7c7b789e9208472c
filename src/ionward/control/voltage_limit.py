"""Currents that the cell voltages allow: by a look ahead with the model, and by the measured voltages.

Both work cell by cell and keep the lowest current of each limit with its cell; `limit` takes them as two of its rules.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ionward._compile import njit
from ionward.battery import tables
from ionward.image.catalogue import Signal, rows
from ionward.image.inputs import Array
from ionward.image.layout import Image, Size
from ionward.image.parameters import CELLP, Parameters
from ionward.image.signals import CELL

PULSE_HORIZON_S = 10.0
CONTINUOUS_HORIZON_S = 30.0
# A cell's resistance may be so much above the model's before a step to the limit overshoots the voltage limit; the
# measured voltage corrects the rest. Two samples of the same type commonly differ by less than 10 %.
RESISTANCE_MARGIN = 1.1
# Standard deviations of the voltage sensor kept free inside the voltage limit.
NOISE_MARGIN = 3.0
# The look-ahead stops this close to the voltage limit, this close to the current at it, or after so many trials.
CLOSE_ENOUGH_V = 0.0005
CLOSE_ENOUGH = 0.001
MOST_TRIALS = 10
# Where no resistance is estimated, the model's at this SOC (where it is high) times a margin.
FALLBACK_SOC = 0.1
FALLBACK_MARGIN = 1.5

# The four limits, in this order in every array.
CHARGE, DISCHARGE, CHARGE_PULSE, DISCHARGE_PULSE = range(4)

WORST = rows(
    "WorstFields",
    (
        Signal("model_a", "A", "Lowest current that the look-ahead allows"),
        Signal("model_cell", "", "Its cell"),
        Signal("round_a", "A", "Lowest current of the round that is under way"),
        Signal("round_cell", "", "Its cell"),
        Signal("measured_a", "A", "Lowest current that the measured voltages allow"),
        Signal("measured_cell", "", "Its cell"),
    ),
)
HELD_CELL = rows(
    "LimitCellFields",
    (
        Signal("current_a", "A", "Pack current when the cell voltage was sampled"),
        Signal("model_charge_a", "A", "Continuous charge current by the look-ahead"),
        Signal("model_discharge_a", "A", "Continuous discharge current by the look-ahead"),
        Signal("measured_charge_a", "A", "Continuous charge current by the measured voltage"),
        Signal("measured_discharge_a", "A", "Continuous discharge current by the measured voltage"),
    ),
)
OTHER = rows(
    "LimitOtherFields",
    (
        Signal("next_cell", "", "Cell at which the look-ahead goes on; -1 before its first round"),
        Signal("soc_min", "", "Lowest cell SOC of the last round; NaN when one is not known"),
        Signal("soc_max", "", "Highest cell SOC of the last round; NaN when one is not known"),
        Signal("soc_min_cell", "", "Its cell; the first unknown one when it is NaN"),
        Signal("soc_max_cell", "", "Its cell; the first unknown one when it is NaN"),
        Signal("round_soc_min", "", "The same of the round that is under way"),
        Signal("round_soc_max", "", "The same of the round that is under way"),
        Signal("round_soc_min_cell", "", "Its cell"),
        Signal("round_soc_max_cell", "", "Its cell"),
        Signal("round_unknown", "", "First cell of the round without SOC, -1 none"),
    ),
)


class VoltageMemory(NamedTuple):
    """`worst`: `[WORST, limit]`. `cells`: `[HELD_CELL, cell]`. `other`: `[OTHER]`."""

    worst: Array
    cells: Array
    other: Array


def new_voltage_memory(size: Size) -> VoltageMemory:
    """Nothing allowed yet."""
    worst = np.zeros((len(WORST), 4))
    worst[WORST.model_cell] = worst[WORST.measured_cell] = -1
    other = np.full(len(OTHER), np.nan)
    other[OTHER.next_cell] = -1
    return VoltageMemory(worst, np.zeros((len(HELD_CELL), size.cells)), other)


@njit
def look_ahead(parameters: Parameters, image: Image, memory: VoltageMemory) -> None:
    """Largest constant currents with which the model of each cell stays inside its voltages, and SOC extremes.

    Cells take turns, so that a round takes `slow_every` ticks and no tick bears it alone; the first round is done at
    once. A cell that allows less counts at once, a rise at the end of the round.
    """
    cells = image.cells.shape[1]
    other, worst = memory.other, memory.worst
    first = int(other[OTHER.next_cell])
    share = -(-cells // max(parameters.scalars[0]["slow_every"], 1))
    if first < 0:
        first, share = 0, cells
    if first == 0:
        for j in range(4):
            worst[WORST.round_a, j] = rated_current(parameters.scalars[0], j)
            worst[WORST.round_cell, j] = -1
        other[OTHER.round_soc_min] = other[OTHER.round_soc_max] = np.nan
        other[OTHER.round_soc_min_cell] = other[OTHER.round_soc_max_cell] = other[OTHER.round_unknown] = -1
    last = min(first + share, cells)
    _look_ahead_cells(parameters, image, memory, first, last)
    for j in range(4):
        if last == cells or worst[WORST.round_a, j] < worst[WORST.model_a, j]:
            worst[WORST.model_a, j] = worst[WORST.round_a, j]
            worst[WORST.model_cell, j] = worst[WORST.round_cell, j]
    if last < cells:
        other[OTHER.next_cell] = last
        return
    other[OTHER.next_cell] = 0
    unknown = other[OTHER.round_unknown]
    other[OTHER.soc_min] = other[OTHER.round_soc_min] if unknown < 0 else np.nan
    other[OTHER.soc_max] = other[OTHER.round_soc_max] if unknown < 0 else np.nan
    other[OTHER.soc_min_cell] = other[OTHER.round_soc_min_cell] if unknown < 0 else unknown
    other[OTHER.soc_max_cell] = other[OTHER.round_soc_max_cell] if unknown < 0 else unknown


@njit
def _look_ahead_cells(parameters: Parameters, image: Image, memory: VoltageMemory, first: int, last: int) -> None:
    """The look-ahead of cells `first` .. `last` - 1."""
    p = parameters.scalars[0]
    cells, worst, held, table = image.cells, memory.worst, memory.cells, parameters.table
    rated = rated_current(p, CHARGE), rated_current(p, DISCHARGE), rated_current(p, 2), rated_current(p, 3)
    wall = _wall(p, 1.0), _wall(p, -1.0), _wall(p, 1.0), _wall(p, -1.0)
    for k in range(first, last):
        soc = cells[CELL.soc, k]
        _note_soc(memory.other, soc, k)
        capacity = cells[CELL.capacity_ah, k]
        if not capacity > 0.0:
            capacity = parameters.cells[CELLP.capacity_ah, k]
        row, weight = _temperature_row(cells[CELL.temperature_c, k])
        for j in range(4):
            pulse = j >= CHARGE_PULSE
            sign = 1.0 if j in (CHARGE, CHARGE_PULSE) else -1.0
            resistance = cells[CELL.resistance_10s_ohm if pulse else CELL.resistance_30s_ohm, k]
            current_a = constant_current(
                table,
                row,
                weight,
                soc,
                sign,
                wall[j],
                _left_polarisation(cells, k, sign, pulse),
                resistance * RESISTANCE_MARGIN,
                (PULSE_HORIZON_S if pulse else CONTINUOUS_HORIZON_S) / (3600.0 * capacity),
                rated[j],
            )
            if j == CHARGE:
                held[HELD_CELL.model_charge_a, k] = current_a
                image.cells[CELL.charge_limit_a, k] = min(current_a, held[HELD_CELL.measured_charge_a, k])
            elif j == DISCHARGE:
                held[HELD_CELL.model_discharge_a, k] = current_a
                image.cells[CELL.discharge_limit_a, k] = min(current_a, held[HELD_CELL.measured_discharge_a, k])
            if current_a < worst[WORST.round_a, j]:
                worst[WORST.round_a, j] = current_a
                worst[WORST.round_cell, j] = k


@njit
def _note_soc(other: Array, soc: float, k: int) -> None:
    """Keep the lowest and the highest SOC of the round, and the first cell without one."""
    if math.isnan(soc):
        if other[OTHER.round_unknown] < 0.0:
            other[OTHER.round_unknown] = k
        return
    if not soc >= other[OTHER.round_soc_min]:
        other[OTHER.round_soc_min] = soc
        other[OTHER.round_soc_min_cell] = k
    if not soc <= other[OTHER.round_soc_max]:
        other[OTHER.round_soc_max] = soc
        other[OTHER.round_soc_max_cell] = k


@njit
def _left_polarisation(cells: Array, k: int, sign: float, pulse: bool) -> float:
    """What is left of the polarisation at the horizon; if only its present value is known: the harmful part of it."""
    left: float = cells[CELL.polarisation_10s_v if pulse else CELL.polarisation_30s_v, k]
    if not math.isnan(left):
        return left
    now: float = cells[CELL.polarisation_v, k]
    return now if now * sign > 0.0 else 0.0


@njit
def constant_current(
    table: Array,
    row: int,
    weight: float,
    soc: float,
    sign: float,
    wall_v: float,
    polarisation_v: float,
    resistance_ohm: float,
    soc_per_a: float,
    rated_a: float,
) -> float:
    """Largest constant current, up to the rated one, with which a cell's model is inside `wall_v` at the horizon.

    The excess over the voltage limit rises with the current, so that a bracket [inside, outside] always holds the
    answer, and regula falsi (Illinois) narrows it. The excess rises by at least the resistance for each ampere, so that
    the outside end less its excess over the resistance is inside as well; the larger of both inside currents is
    returned. A cell without an estimate sets nothing here: its measured voltage and the rule `estimate not ready` do.

    Args:
        table: the cell model, with `row` and `weight` of the cell's temperature.
        sign: +1 charging, -1 discharging.
        soc_per_a: change of SOC at the horizon for one ampere.
    """
    if math.isnan(soc) or not (resistance_ohm > 0.0 and soc_per_a > 0.0):
        return rated_a
    base_v = polarisation_v - wall_v
    at_inside = sign * (branch_ocv(table, row, weight, soc, sign) + base_v)
    if not at_inside < 0.0:
        return 0.0
    reach = sign * soc_per_a
    at_outside = sign * (branch_ocv(table, row, weight, soc + reach * rated_a, sign) + base_v)
    at_outside += resistance_ohm * rated_a
    if at_outside <= 0.0:
        return rated_a
    inside, outside, excess_outside, side = 0.0, rated_a, at_outside, 0
    for _ in range(MOST_TRIALS):
        trial = (inside * at_outside - outside * at_inside) / (at_outside - at_inside)
        excess = sign * (branch_ocv(table, row, weight, soc + reach * trial, sign) + base_v) + resistance_ohm * trial
        if excess <= 0.0:
            at_outside *= 0.5 if side < 0 else 1.0
            inside, at_inside, side = trial, excess, -1
        else:
            at_inside *= 0.5 if side > 0 else 1.0
            outside, at_outside, excess_outside, side = trial, excess, excess, 1
        if -CLOSE_ENOUGH_V < excess < CLOSE_ENOUGH * resistance_ohm * trial:
            break
    return max(inside, outside - excess_outside / resistance_ohm)


@njit
def branch_ocv(table: Array, temperature_row: int, weight: float, soc: float, sign: float) -> float:
    """OCV of the charge (sign +1) or discharge branch (-1), with the slope of the last 0.5 % beyond the ends."""
    x = soc * (tables.SOCS - 1)
    i = int(min(max(x, 0.0), tables.SOCS - 2.0))
    w = x - i
    cold, warm = table[temperature_row], table[temperature_row + 1]
    left = cold[i, tables.OCV_V] + sign * cold[i, tables.HYSTERESIS_V]
    right = cold[i + 1, tables.OCV_V] + sign * cold[i + 1, tables.HYSTERESIS_V]
    at_cold = left + w * (right - left)
    left = warm[i, tables.OCV_V] + sign * warm[i, tables.HYSTERESIS_V]
    right = warm[i + 1, tables.OCV_V] + sign * warm[i + 1, tables.HYSTERESIS_V]
    voltage: float = at_cold + weight * (left + w * (right - left) - at_cold)
    return voltage


@njit
def _temperature_row(temperature_c: float) -> tuple[int, float]:
    """Row and weight of the table; an unknown temperature counts as the coldest."""
    if math.isnan(temperature_c):
        return 0, 0.0
    return tables.temperature_cell(temperature_c)


@njit
def _wall(p: Any, sign: float) -> float:
    """Voltage that cells are kept inside of: the limit less what the sensor's noise may hide."""
    noise = p["voltage_noise_v"]
    margin_v = NOISE_MARGIN * noise if noise > 0.0 else 0.0
    limit_v: float = p["cell_voltage_max_v"] if sign > 0.0 else p["cell_voltage_min_v"]
    return limit_v - sign * margin_v


@njit
def from_measured_voltages(parameters: Parameters, image: Image, memory: VoltageMemory) -> None:
    """Currents that the measured voltages allow: what flowed, and what is left to the voltage limit over R.

    Upwards the resistance of the horizon counts, so that the correction anticipates the polarisation; downwards the
    ohmic one, so that it falls by enough. Runs in ticks in which cell voltages were sampled.
    """
    p = parameters.scalars[0]
    cells, worst, held = image.cells, memory.worst, memory.cells
    current_a = image.scalars[0]["current_a"]
    any_new = False
    for k in range(cells.shape[1]):
        if cells[CELL.new, k] > 0.0:
            held[HELD_CELL.current_a, k] = current_a
            any_new = True
    if not any_new:
        return
    told = parameters.cells
    top_v, bottom_v = _wall(p, 1.0), _wall(p, -1.0)
    for j in range(4):
        worst[WORST.measured_a, j] = rated_current(p, j)
        worst[WORST.measured_cell, j] = -1
    for k in range(cells.shape[1]):
        voltage = cells[CELL.voltage_v, k]
        flowed = held[HELD_CELL.current_a, k]
        ohmic = cells[CELL.resistance_ohm, k]
        ten = cells[CELL.resistance_10s_ohm, k] * RESISTANCE_MARGIN
        thirty = cells[CELL.resistance_30s_ohm, k] * RESISTANCE_MARGIN
        if not (ohmic > 0.0 and ten > 0.0 and thirty > 0.0):
            total = _fallback_resistance(
                parameters.table, cells[CELL.temperature_c, k], told[CELLP.resistance_factor, k]
            )
            ohmic, ten, thirty = total / 3.0, total, total
        up_v, down_v = top_v - voltage, voltage - bottom_v
        charge = _corrected(flowed, up_v, ohmic, thirty)
        discharge = _corrected(-flowed, down_v, ohmic, thirty)
        held[HELD_CELL.measured_charge_a, k] = charge
        held[HELD_CELL.measured_discharge_a, k] = discharge
        cells[CELL.charge_limit_a, k] = min(charge, held[HELD_CELL.model_charge_a, k])
        cells[CELL.discharge_limit_a, k] = min(discharge, held[HELD_CELL.model_discharge_a, k])
        _keep_lower(worst, k, CHARGE, charge)
        _keep_lower(worst, k, DISCHARGE, discharge)
        _keep_lower(worst, k, CHARGE_PULSE, _corrected(flowed, up_v, ohmic, ten))
        _keep_lower(worst, k, DISCHARGE_PULSE, _corrected(-flowed, down_v, ohmic, ten))


@njit
def _corrected(flowed_a: float, headroom_v: float, ohmic: float, horizon_ohm: float) -> float:
    """The current that flowed, corrected by the headroom; 0 at least, and 0 when something is not known."""
    current_a = flowed_a + headroom_v / (horizon_ohm if headroom_v > 0.0 else ohmic)
    return current_a if current_a > 0.0 else 0.0


@njit
def _keep_lower(worst: Array, k: int, j: int, current_a: float) -> None:
    if current_a < worst[WORST.measured_a, j]:
        worst[WORST.measured_a, j] = current_a
        worst[WORST.measured_cell, j] = k


@njit
def _fallback_resistance(table: Array, temperature_c: float, factor: float) -> float:
    """Resistance of a cell whose estimate is missing: R0 + R1 + R2 of the model where they are high, and a margin."""
    row, weight = _temperature_row(temperature_c)
    i = int(FALLBACK_SOC * (tables.SOCS - 1))
    total = 0.0
    for parameter in (tables.R0_OHM, tables.R1_OHM, tables.R2_OHM):
        cold, warm = table[row, i, parameter], table[row + 1, i, parameter]
        total += cold + weight * (warm - cold)
    return FALLBACK_MARGIN * factor * total


@njit
def rated_current(p: Any, j: int) -> float:
    """Rated current of limit `j`; a pulse is never rated below the continuous current, nothing below 0."""
    charge, discharge = p["charge_current_max_a"], p["discharge_current_max_a"]
    if j == CHARGE:
        rated = charge
    elif j == DISCHARGE:
        rated = discharge
    elif j == CHARGE_PULSE:
        rated = max(charge, p["charge_current_pulse_a"])
    else:
        rated = max(discharge, p["discharge_current_pulse_a"])
    return rated if rated > 0.0 else 0.0
