"""Limit: how much current the pack may be charged and discharged with, now and for ten seconds.

Each rule gives a current of its own and the lowest one wins; its name and its cell, sensor or fault stand beside the
limit. No rule can raise what another one allows. Limits fall at once and rise slowly.

The rule of the cell voltage looks ahead: it takes the largest constant current with which the model of every cell
(OCV that moves with the charge, R0 and both RC pairs) is still inside its voltage limits after 10 s (pulse) or 30 s
(continuous). Models are wrong sometimes, so the measured voltage has a word as well: with each new sample the current
that flowed is corrected by what is left to the voltage limit, over the resistance. A load that follows the limit
settles at the voltage limit like a charger in its constant-voltage phase, whatever the model believed.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ionward._compile import njit
from ionward.control.shared import curve_factor, first_bad
from ionward.control.voltage_limit import (
    CHARGE,
    CHARGE_PULSE,
    DISCHARGE,
    DISCHARGE_PULSE,
    OTHER,
    WORST,
    VoltageMemory,
    from_measured_voltages,
    look_ahead,
    new_voltage_memory,
    rated_current,
)
from ionward.image.catalogue import Signal, rows
from ionward.image.inputs import Array
from ionward.image.layout import Image, Size
from ionward.image.parameters import CURVE, FAULTP, Parameters
from ionward.image.signals import (
    CELL,
    FAULT,
    HELD,
    LEVEL_FAULT,
    LEVEL_WARNING,
    OPEN_NONE,
    RULE_ADVISORY,
    RULE_ESTIMATE,
    RULE_FAULT,
    RULE_MEASUREMENT,
    RULE_NOT_CONNECTED,
    RULE_PULSE,
    RULE_RATED,
    RULE_SOC,
    RULE_TEMPERATURE,
    RULE_VOLTAGE,
    RULE_WARNING,
    STATE_CONNECTED,
)

# Part of the rated current while there is no SOC: enough to wake and start, too little to harm.
NOT_READY_FACTOR = 0.1
# The pulse limit comes down to the continuous one over this last part of the budget.
BUDGET_RAMP = 0.1

OWN = rows(
    "LimitFields",
    (
        Signal("budget_as", "A²s", "Pulse budget that is used up"),
        Signal("limit_a", "A", "The limit given last"),
        Signal("rule", "", "The rule that set it"),
        Signal("place", "", "Its cell, sensor or fault"),
    ),
)


class LimitMemory(NamedTuple):
    """`own`: `[OWN, limit]`. `voltage`: what the rules of the cell voltage keep."""

    own: Array
    voltage: VoltageMemory


def new_limit_memory(size: Size) -> LimitMemory:
    """Nothing allowed yet."""
    return LimitMemory(np.zeros((len(OWN), 4)), new_voltage_memory(size))


@njit
def limit(parameters: Parameters, command: Any, image: Image, memory: LimitMemory) -> None:
    """Write the four limits, their rules and places, and the currents that each cell allows.

    Meets SR-120, SR-180, SR-181.
    """
    s = image.scalars[0]
    look_ahead(parameters, image, memory.voltage)
    from_measured_voltages(parameters, image, memory.voltage)
    _use_pulse_budget(parameters, image, memory)
    unmeasured = first_bad(image.cells[CELL.quality])
    if unmeasured < 0:
        unmeasured = first_bad(image.cells[CELL.temperature_quality])

    own = memory.own
    for j in range(4):
        current_a, rule, place = _slewed(parameters, command, image, memory, unmeasured, j)
        own[OWN.limit_a, j], own[OWN.rule, j], own[OWN.place, j] = current_a, rule, place
    for j in (CHARGE, DISCHARGE):
        if own[OWN.rule, j] == RULE_RATED and own[OWN.rule, CHARGE_PULSE + j] == RULE_PULSE:
            own[OWN.rule, j] = RULE_PULSE
    # A current that may flow for long may flow for ten seconds, and never more than for ten seconds.
    s["charge_limit_a"] = min(own[OWN.limit_a, CHARGE], own[OWN.limit_a, CHARGE_PULSE])
    s["discharge_limit_a"] = min(own[OWN.limit_a, DISCHARGE], own[OWN.limit_a, DISCHARGE_PULSE])
    s["charge_limit_pulse_a"] = own[OWN.limit_a, CHARGE_PULSE]
    s["discharge_limit_pulse_a"] = own[OWN.limit_a, DISCHARGE_PULSE]
    s["charge_limit_rule"] = int(own[OWN.rule, CHARGE])
    s["discharge_limit_rule"] = int(own[OWN.rule, DISCHARGE])
    s["charge_limit_place"] = int(own[OWN.place, CHARGE])
    s["discharge_limit_place"] = int(own[OWN.place, DISCHARGE])


@njit
def _use_pulse_budget(parameters: Parameters, image: Image, memory: LimitMemory) -> None:
    """Count the squared current above the continuous rating; below it the budget comes back.

    The budget is what the rated pulse takes in its rated time: (pulse² - continuous²) x time. Each direction has its
    own; an unknown current counts as a full pulse.
    """
    p = parameters.scalars[0]
    s = image.scalars[0]
    dt = s["dt_s"] if s["dt_s"] > 0.0 else 0.0
    for direction in range(2):
        continuous, pulse = rated_current(p, direction), rated_current(p, CHARGE_PULSE + direction)
        current = s["current_a"] if direction == CHARGE else -s["current_a"]
        if math.isnan(current):
            current = pulse
        current = max(current, 0.0)
        budget = _budget(p, continuous, pulse)
        used = memory.own[OWN.budget_as, CHARGE_PULSE + direction] + (current**2 - continuous**2) * dt
        memory.own[OWN.budget_as, CHARGE_PULSE + direction] = min(max(used, 0.0), budget)


@njit
def _budget(p: Any, continuous_a: float, pulse_a: float) -> float:
    seconds = p["pulse_s"] if p["pulse_s"] > 0.0 else 0.0
    return (pulse_a**2 - continuous_a**2) * seconds


@njit
def _slewed(
    parameters: Parameters, command: Any, image: Image, memory: LimitMemory, unmeasured: int, j: int
) -> tuple[float, int, int]:
    """Limit `j` with its rule and place: lowered at once, raised no faster than the slew. Meets SR-180."""
    p = parameters.scalars[0]
    s = image.scalars[0]
    current_a, rule, place = _lowest(parameters, command, image, memory, unmeasured, j)
    last = memory.own[OWN.limit_a, j]
    step = p["limit_slew_a_per_s"] * s["dt_s"]
    if not step > 0.0:
        step = 0.0
    current_a = min(current_a, last + step)
    if s["state"] != STATE_CONNECTED and current_a > 0.0:
        rule, place = RULE_NOT_CONNECTED, -1
    return current_a, rule, place


@njit
def _lowest(
    parameters: Parameters, command: Any, image: Image, memory: LimitMemory, unmeasured: int, j: int
) -> tuple[float, int, int]:
    """The lowest current of all rules, with the rule and the place that set it. Meets SR-180."""
    p = parameters.scalars[0]
    s = image.scalars[0]
    charging = j in (CHARGE, CHARGE_PULSE)
    rated = rated_current(p, j)
    best = (rated, RULE_RATED, -1)
    best = _lower_by_measurement(image, unmeasured, best)
    if j >= CHARGE_PULSE:
        best = _lower(best, _pulse_left(p, memory, j), RULE_PULSE, -1)
    worst = memory.voltage.worst
    best = _lower(best, worst[WORST.model_a, j], RULE_VOLTAGE, int(worst[WORST.model_cell, j]))
    best = _lower(best, worst[WORST.measured_a, j], RULE_VOLTAGE, int(worst[WORST.measured_cell, j]))
    best = _lower_by_temperature(parameters, image, best, rated, charging)
    best = _lower_by_soc(parameters, image, memory, best, rated, charging)
    # What derates everything: named when it takes more away than the rules so far.
    if s["derate"] != 0:
        factor = p["warning_factor"]
        best = _multiplied(best, rated, factor, RULE_WARNING, _fault_at(parameters, image, LEVEL_WARNING, -1))
    advisory = command[0]["charge_factor"] if charging else command[0]["discharge_factor"]
    best = _multiplied(best, rated, advisory, RULE_ADVISORY, -1)
    if is_kept_open(p, s, charging):
        best = (0.0, RULE_NOT_CONNECTED, -1)
    allowed = s["charge_allowed"] if charging else s["discharge_allowed"]
    if allowed != 1 or s["open_request"] != OPEN_NONE:
        direction = FAULTP.blocks_charge if charging else FAULTP.blocks_discharge
        place = s["open_fault"] if s["open_request"] != OPEN_NONE else -1
        if place < 0:
            place = _fault_at(parameters, image, LEVEL_FAULT, direction)
        best = (0.0, RULE_FAULT, place)
    return best


@njit
def is_kept_open(p: Any, s: Any, charging: bool) -> bool:
    """Connected, but the one-way switch of this direction is open: a charger that still pushed would raise the bus so
    far that the switch could not be closed again.
    """
    closed = s["main_negative_close"] if charging else s["main_positive_close"]
    return bool(p["one_way"] > 0 and s["state"] == STATE_CONNECTED and closed == 0)


@njit
def _lower(best: tuple[float, int, int], current_a: float, rule: int, place: int) -> tuple[float, int, int]:
    """The lower one of two; what is not known counts as 0."""
    if current_a >= best[0]:
        return best
    return (current_a if current_a > 0.0 else 0.0), rule, place


@njit
def _multiplied(
    best: tuple[float, int, int], rated: float, factor: float, rule: int, place: int
) -> tuple[float, int, int]:
    """`best` times a factor 0..1 (an unknown one counts as 0); the rule that takes the larger part is named."""
    if factor >= 1.0:
        return best
    factor = factor if factor > 0.0 else 0.0
    if factor * rated <= best[0]:
        return best[0] * factor, rule, place
    return best[0] * factor, best[1], best[2]


@njit
def _pulse_left(p: Any, memory: LimitMemory, j: int) -> float:
    """Pulse current for what is left of the budget: full, then down to the continuous rating."""
    continuous, pulse = rated_current(p, j - CHARGE_PULSE), rated_current(p, j)
    budget = _budget(p, continuous, pulse)
    left: float = budget - memory.own[OWN.budget_as, j]
    if not budget > 0.0:
        return continuous
    return continuous + (pulse - continuous) * min(max(left / (BUDGET_RAMP * budget), 0.0), 1.0)


@njit
def _lower_by_temperature(
    parameters: Parameters, image: Image, best: tuple[float, int, int], rated: float, charging: bool
) -> tuple[float, int, int]:
    """Derating at the coldest and at the hottest sensor, and nothing beyond the limits of the pack."""
    p = parameters.scalars[0]
    s = image.scalars[0]
    curve = parameters.curves[CURVE.charge_over_temperature if charging else CURVE.discharge_over_temperature]
    coldest = p["charge_temperature_min_c"] if charging else p["discharge_temperature_min_c"]
    hottest = p["charge_temperature_max_c"] if charging else p["discharge_temperature_max_c"]
    for end in range(2):
        temperature_c = s["temperature_min_c"] if end == 0 else s["temperature_max_c"]
        sensor = s["temperature_min_sensor"] if end == 0 else s["temperature_max_sensor"]
        if math.isnan(temperature_c):
            best = _lower(best, 0.0, RULE_MEASUREMENT, -1)
        elif temperature_c < coldest or temperature_c > hottest:
            best = _lower(best, 0.0, RULE_TEMPERATURE, sensor)
        else:
            best = _lower(best, rated * curve_factor(curve, temperature_c), RULE_TEMPERATURE, sensor)
    return best


@njit
def _lower_by_soc(
    parameters: Parameters,
    image: Image,
    memory: LimitMemory,
    best: tuple[float, int, int],
    rated: float,
    charging: bool,
) -> tuple[float, int, int]:
    """Derating at the fullest cell (charging) or the emptiest one; little while an SOC is not known."""
    other = memory.voltage.other
    soc = other[OTHER.soc_max if charging else OTHER.soc_min]
    cell = int(other[OTHER.soc_max_cell if charging else OTHER.soc_min_cell])
    if image.scalars[0]["estimate_ready"] != 1 or math.isnan(soc):
        return _lower(best, rated * NOT_READY_FACTOR, RULE_ESTIMATE, cell if math.isnan(soc) else -1)
    curve = parameters.curves[CURVE.charge_over_soc if charging else CURVE.discharge_over_soc]
    return _lower(best, rated * curve_factor(curve, soc), RULE_SOC, cell)


@njit
def _lower_by_measurement(image: Image, unmeasured: int, best: tuple[float, int, int]) -> tuple[float, int, int]:
    """Nothing while the current, a cell voltage or a cell temperature is lost."""
    s = image.scalars[0]
    if s["current_quality"] > HELD or math.isnan(s["current_a"]):
        best = _lower(best, 0.0, RULE_MEASUREMENT, -1)
    if unmeasured >= 0:
        best = _lower(best, 0.0, RULE_MEASUREMENT, unmeasured)
    return best


@njit
def _fault_at(parameters: Parameters, image: Image, level: int, blocks: int) -> int:
    """The first fault that stands or is latched at `level` or above and blocks (row of FAULTP, -1 any); -1 none."""
    for f in range(image.faults.shape[1]):
        if blocks < 0 or parameters.faults[blocks, f] != 0.0:
            stands = image.faults[FAULT.level, f] >= level
            if stands or image.faults[FAULT.latched_level, f] >= level:
                return f
    return -1
