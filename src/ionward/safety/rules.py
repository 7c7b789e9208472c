"""What the faults of cells and temperatures are judged by: value, newest sample, place, and whether they may be.

Rules read validated measurements and the contactors' commands, never an estimate. What a pack does not have is not
usable for its rule, so that its fault can never be raised.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ionward._compile import njit
from ionward.image.faults import FAULT_ID
from ionward.image.inputs import CHANNEL, Array
from ionward.image.kernel_memory import VERDICT
from ionward.image.layout import Image
from ionward.image.parameters import CELLP, LEVELP, MEASURE, Parameters
from ionward.image.signals import BAD, CELL, LEVEL_CRITICAL, MEASURED, MODULE, REASON_RANGE
from ionward.safety.ladder import beyond, give, lowest_set
from ionward.safety.rules_heat import count_frozen, heat_rules

# Part of the sum-to-pack difference that joints between cells may cause: busbars of 0.1 mΩ are generous.
JOINT_OHM = 1e-4
# Neighbours count as torn apart where their distances from the mean differ by less than this share of the half
# difference; smaller spreads of the pack are not looked at. A reading so near to the end of its range may lie beyond.
TORN_SKEW = 0.4
TORN_LEAST_V = 0.1
END_V = 0.01
NOWHERE = -9  # no cell, and none next to it


@njit
def worst_new(values: Array, new: Array, above: bool, torn: int) -> float:
    """Worst value among the samples that came in this tick, cells at a broken wire left out; NaN when none came."""
    worst = np.nan
    for k in range(values.shape[0]):
        if new[k] > 0.0 and k != torn and k != torn + 1 and not (worst >= values[k] if above else worst <= values[k]):
            worst = values[k]
    return worst


@njit
def newest_of(
    values: Array, new: Array, levels: Array, f: int, above: bool, worst: float, sampled: bool, torn: int
) -> float:
    """Newest sample that counts for a fault of many items; NaN when none came.

    Cells may be measured one after the other. So that one sample of a bad cell is not counted again with each sample
    of its healthy neighbours, only samples that are themselves beyond the threshold count.

    Meets SR-103.
    """
    if not sampled:
        return np.nan
    if beyond(worst, lowest_set(levels, f, above), above):
        return worst_new(values, new, above, torn)
    return worst


@njit
def count_bad(block: Array, quality_row: int, limits: Array, since_start_s: float) -> tuple[int, int]:
    """Number of lost items and the first of them. What has never come is lost once it could have come. Meets SR-104."""
    count, first = 0, -1
    for k in range(block.shape[1]):
        late = since_start_s > limits[MEASURE.age_max_s, k]
        if block[quality_row, k] == BAD and (late or block[MEASURED.age_s, k] < np.inf):
            if count == 0:
                first = k
            count += 1
    return count, first


@njit
def cell_rules(parameters: Parameters, image: Image, verdicts: Array, state: Any) -> None:
    """Cell voltages, their spread, broken sense wires, and lost cells.

    The two cells at a wire that is broken for certain (SR-007) are not watched: what they seem to be is not told as
    well, least of all as a deep discharge that locks the pack. Their own fault opens as fast as overvoltage does.
    """
    s, levels, cells = image.scalars[0], parameters.levels, image.cells
    sampled = s["cell_samples"] != state["cell_samples"]
    state["cell_samples"] = s["cell_samples"]
    lost, first = 0, -1
    if s["cells_usable"] < cells.shape[1]:
        lost, first = count_bad(cells, CELL.quality, parameters.cell_limits, state["since_start_s"])
    low, high = s["cell_voltage_min_v"], s["cell_voltage_max_v"]
    low_cell, high_cell = s["cell_voltage_min_cell"], s["cell_voltage_max_cell"]
    voltage, new = cells[CELL.voltage_v], cells[CELL.new]
    if sampled:
        known = torn_place(verdicts, levels)
        half, place = torn_apart(parameters, cells, s["cell_voltage_mean_v"], high - low, known)
        give(verdicts, FAULT_ID.sense_wire_open, half, half, place, True, lost == 0, True)
    else:
        verdicts[VERDICT.newest, FAULT_ID.sense_wire_open] = np.nan
    torn = torn_place(verdicts, levels)
    if torn != NOWHERE:
        low, low_cell, high, high_cell = extremes_beside(voltage, torn)
    complete = lost == 0 and torn == NOWHERE
    newest = newest_of(voltage, new, levels, FAULT_ID.cell_overvoltage, True, high, sampled, torn)
    give(verdicts, FAULT_ID.cell_overvoltage, high, newest, high_cell, True, complete, True)
    newest = newest_of(voltage, new, levels, FAULT_ID.cell_undervoltage, False, low, sampled, torn)
    give(verdicts, FAULT_ID.cell_undervoltage, low, newest, low_cell, True, complete, True)
    spread = high - low
    give(verdicts, FAULT_ID.cell_voltage_spread, spread, spread if sampled else np.nan, low_cell, True, complete, True)
    give(verdicts, FAULT_ID.cell_voltage_lost, float(lost), float(lost), first, True, True, True)
    newest = newest_of(voltage, new, levels, FAULT_ID.deep_discharge, False, low, sampled, torn)
    give(verdicts, FAULT_ID.deep_discharge, low, newest, low_cell, True, complete, True)
    frozen, first = count_frozen(cells, s["cells_usable"])
    give(verdicts, FAULT_ID.cell_reading_frozen, frozen, frozen, first, True, True, True)


@njit
def torn_apart(parameters: Parameters, cells: Array, mean: float, spread: float, known: int) -> tuple[float, int]:
    """Half the difference of two neighbours of a module that stand about as far above the mean as below it.

    The wire between them has moved and their sum has not, which no two cells do. Where one of them is read at the end
    of its range, or beyond it so that its samples are refused, it may stand as far out as the other one needs; so may
    one that is lost while its wire is `known` to be broken.
    """
    worst, place = 0.0, -1
    if not spread > TORN_LEAST_V:
        return worst, place
    voltage = cells[CELL.voltage_v]
    for k in range(voltage.shape[0] - 1):
        if parameters.cells[CELLP.module, k] != parameters.cells[CELLP.module, k + 1]:
            continue
        one, other = voltage[k] - mean, voltage[k + 1] - mean
        if cells[CELL.reason, k] == REASON_RANGE or (k == known and one != one):
            one = -other
        elif cells[CELL.reason, k + 1] == REASON_RANGE or (k == known and other != other):
            other = -one
        half, moved = 0.5 * abs(one - other), one + other
        at_top = at_end(parameters, voltage, k, True) or at_end(parameters, voltage, k + 1, True)
        at_bottom = at_end(parameters, voltage, k, False) or at_end(parameters, voltage, k + 1, False)
        unmoved = abs(moved) < TORN_SKEW * half or (at_top and moved < 0.0) or (at_bottom and moved > 0.0)
        if half > worst and one * other < 0.0 and unmoved:
            worst, place = half, k
    return worst, place


@njit
def at_end(parameters: Parameters, voltage: Array, k: int, top: bool) -> bool:
    """The cell is read at this end of what its monitor can read."""
    if top:
        return bool(voltage[k] >= parameters.cell_limits[MEASURE.maximum, k] - END_V)
    return bool(voltage[k] <= parameters.cell_limits[MEASURE.minimum, k] + END_V)


@njit
def torn_place(verdicts: Array, levels: Array) -> int:
    """Lower one of the two cells at a wire that is broken for certain, else `NOWHERE`: where it counts as critical."""
    f = FAULT_ID.sense_wire_open
    if verdicts[VERDICT.value, f] > levels[LEVEL_CRITICAL - 1, LEVELP.set, f]:  # false where the level is not in use
        return int(verdicts[VERDICT.place, f])
    return NOWHERE


@njit
def extremes_beside(voltage: Array, torn: int) -> tuple[float, int, float, int]:
    """Lowest and highest cell beside the two at a broken wire; NaN where there is none."""
    low, high, low_cell, high_cell = np.inf, -np.inf, -1, -1
    for k in range(voltage.shape[0]):
        if k != torn and k != torn + 1:
            if voltage[k] < low:
                low, low_cell = voltage[k], k
            if voltage[k] > high:
                high, high_cell = voltage[k], k
    if low_cell < 0:
        low = high = np.nan
    return low, low_cell, high, high_cell


@njit
def sum_rule(parameters: Parameters, image: Image, verdicts: Array) -> None:
    """Cell sum against pack voltage, for each cell in series, less what joints may drop."""
    s = image.scalars[0]
    cells = image.cells.shape[1]
    difference = s["cell_sum_difference_v"]
    drop = abs(s["current_a"]) * JOINT_OHM
    value = max(abs(difference) / cells - drop, 0.0) if difference == difference else np.nan
    new = image.channels[MEASURED.new, CHANNEL.pack_voltage_v] > 0.0
    give(verdicts, FAULT_ID.cell_sum_mismatch, value, value if new else np.nan, -1, True, True, True)


@njit
def temperature_rules(parameters: Parameters, image: Image, verdicts: Array, state: Any, heat: Array) -> None:
    """Temperatures by the direction of the current and without it, modules that disagree, lost sensors."""
    s, block = image.scalars[0], image.temperatures
    sampled = s["temperature_samples"] != state["temperature_samples"]
    heat_rules(parameters, image, verdicts, state, heat, sampled, torn_place(verdicts, parameters.levels))
    state["temperature_samples"] = s["temperature_samples"]
    lost = unknown = 0
    first = first_cell = -1
    if s["temperatures_usable"] < block.shape[1]:
        lost, first = count_bad(block, MEASURED.quality, parameters.sensor_limits, state["since_start_s"])
        if lost > 0:
            for k in range(image.cells.shape[1]):
                if image.cells[CELL.temperature_quality, k] == BAD:
                    first_cell = k if unknown == 0 else first_cell
                    unknown += 1
    give(verdicts, FAULT_ID.temperature_lost, float(lost), float(lost), first, True, True, True)
    give(verdicts, FAULT_ID.cell_temperature_unknown, float(unknown), float(unknown), first_cell, True, True, True)

    complete, known = lost == 0, state["direction_known"] == 1
    charging, discharging = state["charging"] == 1, state["discharging"] == 1
    low, high = s["temperature_min_c"], s["temperature_max_c"]
    cold, hot = s["temperature_min_sensor"], s["temperature_max_sensor"]
    new_low = new_high = np.nan
    if sampled:
        new_low = worst_new(block[MEASURED.value], block[MEASURED.new], False, NOWHERE)
        new_high = worst_new(block[MEASURED.value], block[MEASURED.new], True, NOWHERE)
    give(verdicts, FAULT_ID.charge_overtemperature, high, new_high, hot, known, complete, charging)
    give(verdicts, FAULT_ID.charge_undertemperature, low, new_low, cold, known, complete, charging)
    give(verdicts, FAULT_ID.discharge_overtemperature, high, new_high, hot, known, complete, discharging)
    give(verdicts, FAULT_ID.discharge_undertemperature, low, new_low, cold, known, complete, discharging)
    give(verdicts, FAULT_ID.overtemperature, high, new_high, hot, True, complete, True)
    give(verdicts, FAULT_ID.undertemperature, low, new_low, cold, True, complete, True)

    worst, module = np.nan, -1
    for m in range(image.modules.shape[1] if sampled else 0):
        spread = image.modules[MODULE.temperature_max_c, m] - image.modules[MODULE.temperature_min_c, m]
        if spread == spread and not spread <= worst:
            worst, module = spread, m
    if sampled:
        give(verdicts, FAULT_ID.temperature_disagreement, worst, worst, module, True, complete, True)
    else:
        verdicts[VERDICT.newest, FAULT_ID.temperature_disagreement] = np.nan
