"""What the faults of temperatures over time are judged by: spread, rate of rise, runaway, sensors that stand still."""

from __future__ import annotations

from typing import Any

import numpy as np

from ionward._compile import njit
from ionward.image.faults import FAULT_ID
from ionward.image.inputs import Array
from ionward.image.kernel_memory import HEAT, VERDICT
from ionward.image.layout import Image
from ionward.image.parameters import CELLP, SENSORP, Parameters
from ionward.image.signals import BAD, CELL, MEASURED, REASON_FROZEN, REASON_RATE
from ionward.safety.ladder import give

# The rate of rise is what a first-order lag of this time stays behind: noise of 0.1 K makes 0.03 K/s of it.
RATE_S = 3.0
# A gap in the samples that is longer begins anew, and so does a jump that no sensor's mass allows: it is no rise.
GAP_S, JUMP_K_PER_S = 10.0, 20.0
# GB 38031-2025, annex on thermal propagation: rate of rise, and the share of its voltage that a cell has lost.
RUNAWAY_K_PER_S = 1.0
RUNAWAY_VOLTAGE = 0.75
# The rate is the burning cell's own. A sensor some cells away sees little of it: beside a fallen voltage it is enough
# that it has become so much warmer than the whole pack has, or is lost, within the time that the rule gives for the
# alarm. A sensor that was lost before the cell fell says nothing, unless it went just before: fire cuts wires too.
WARMER_K = 1.0
WITHIN_S, LOST_BEFORE_S = 300.0, 30.0


@njit
def heat_rules(
    parameters: Parameters, image: Image, verdicts: Array, state: Any, heat: Array, sampled: bool, torn: int
) -> None:
    """Judge temperatures over time.

    Args:
        parameters: of the pack.
        image: with the temperatures of this tick.
        verdicts: `[VERDICT, fault]`, written.
        state: record of the protect stage.
        heat: `[HEAT, sensor]`, memory of these rules.
        sampled: some sensor has a new sample.
        torn: lower one of two cells at a broken sense wire.
    """
    s, block = image.scalars[0], image.temperatures
    stuck, first = count_frozen(block, s["temperatures_usable"])
    give(verdicts, FAULT_ID.temperature_reading_stuck, stuck, stuck, first, True, True, True)
    verdicts[VERDICT.newest, FAULT_ID.thermal_propagation] = np.nan
    if not sampled:
        for f in (FAULT_ID.temperature_spread, FAULT_ID.temperature_rising_fast):
            verdicts[VERDICT.newest, f] = np.nan
        if s["temperatures_usable"] < block.shape[1]:  # a lost sensor sends nothing that could be counted: ticks are
            runaway_rule(parameters, image, verdicts, state, heat, torn)
        return
    spread = s["temperature_max_c"] - s["temperature_min_c"]
    give(verdicts, FAULT_ID.temperature_spread, spread, spread, s["temperature_max_sensor"], True, True, True)
    worst, place = 0.0, -1
    for k in range(block.shape[1]):
        follow_rate(heat, block, s["time_s"], k)
        rate = heat[HEAT.rate_k_per_s, k]
        if rate > worst:
            worst, place = rate, k
    give(verdicts, FAULT_ID.temperature_rising_fast, worst, worst, place, True, True, True)
    runaway_rule(parameters, image, verdicts, state, heat, torn)


@njit
def follow_rate(heat: Array, block: Array, now_s: float, k: int) -> None:
    """Take a new sample of sensor `k` into its rate of rise.

    One that is lost keeps its rate for as long as a gap may be, but for one that leaps about: its rate means nothing.
    """
    value, sample_s = block[MEASURED.value, k], now_s - block[MEASURED.age_s, k]
    if value != value:
        leaps = block[MEASURED.reason, k] == REASON_RATE
        if leaps or not now_s - heat[HEAT.sample_s, k] <= GAP_S:
            heat[HEAT.slow_c, k] = np.nan
            heat[HEAT.rate_k_per_s, k] = 0.0
    elif block[MEASURED.new, k] > 0.0:
        dt_s = sample_s - heat[HEAT.sample_s, k]
        steady = abs(value - heat[HEAT.last_c, k]) <= JUMP_K_PER_S * dt_s
        if not (0.0 <= dt_s <= GAP_S and steady and heat[HEAT.slow_c, k] == heat[HEAT.slow_c, k]):
            heat[HEAT.slow_c, k], dt_s = value, 0.0
        heat[HEAT.slow_c, k] += dt_s / (RATE_S + dt_s) * (value - heat[HEAT.slow_c, k])
        heat[HEAT.rate_k_per_s, k] = (value - heat[HEAT.slow_c, k]) / RATE_S
        heat[HEAT.sample_s, k], heat[HEAT.last_c, k] = sample_s, value


@njit
def runaway_rule(parameters: Parameters, image: Image, verdicts: Array, state: Any, heat: Array, torn: int) -> None:
    """Number of places where cells run away, by two signs each."""
    s = image.scalars[0]
    fallen_v = RUNAWAY_VOLTAGE * s["cell_voltage_mean_v"]
    follow_fall(image, state, heat, fallen_v, torn)
    warmed_k = least_rise(image.temperatures[MEASURED.value], heat)
    places, first = 0.0, -1
    for k in range(image.temperatures.shape[1]):
        rises = heat[HEAT.rate_k_per_s, k] >= RUNAWAY_K_PER_S
        away = rises and heat[HEAT.last_c, k] >= parameters.scalars[0]["discharge_temperature_max_c"]
        if not away and (rises or feels_fall(image, state, heat, warmed_k, k)):
            away = beside_fallen(parameters, image, fallen_v, torn, k)
        if away:
            first = k if places == 0.0 else first
            places += 1.0
    give(verdicts, FAULT_ID.thermal_propagation, places, places, first, True, True, True)


@njit
def is_fallen(image: Image, cell: int, fallen_v: float, torn: int) -> bool:
    """A cell has lost much of its voltage, and not because its sense wire is broken."""
    return bool(image.cells[CELL.voltage_v, cell] < fallen_v and cell != torn and cell != torn + 1)


@njit
def follow_fall(image: Image, state: Any, heat: Array, fallen_v: float, torn: int) -> None:
    """Note when the first of the fallen cells fell, and every temperature at that time."""
    s, fallen = image.scalars[0], False
    if s["cell_voltage_min_v"] < fallen_v:
        for cell in range(image.cells.shape[1]):
            fallen = fallen or is_fallen(image, cell, fallen_v, torn)
    if not fallen:
        state["fallen_s"] = np.nan
    elif state["fallen_s"] != state["fallen_s"]:
        state["fallen_s"] = s["time_s"]
        for k in range(heat.shape[1]):
            heat[HEAT.then_c, k] = image.temperatures[MEASURED.value, k]


@njit
def least_rise(temperature: Array, heat: Array) -> float:
    """By how much the whole pack has become warmer since a cell fell: the least of all places, 0 where only one is
    known."""
    least, known = np.inf, 0
    for k in range(temperature.shape[0]):
        rise = temperature[k] - heat[HEAT.then_c, k]
        if rise == rise:
            least, known = min(least, rise), known + 1
    return float(max(least, 0.0)) if known > 1 else 0.0


@njit
def feels_fall(image: Image, state: Any, heat: Array, warmed_k: float, k: int) -> bool:
    """Since a cell fell, and not long ago, sensor `k` has become warmer than the pack has, or is lost."""
    now_s, block = image.scalars[0]["time_s"], image.temperatures
    if not now_s - state["fallen_s"] <= WITHIN_S:
        return False
    if block[MEASURED.quality, k] == BAD:
        return bool(now_s - block[MEASURED.age_s, k] >= state["fallen_s"] - LOST_BEFORE_S)
    return bool(block[MEASURED.value, k] - heat[HEAT.then_c, k] >= warmed_k + WARMER_K)


@njit
def beside_fallen(parameters: Parameters, image: Image, fallen_v: float, torn: int, k: int) -> bool:
    """A cell that has fallen is of the module of sensor `k`, or between it and the next sensor."""
    module = parameters.sensors[SENSORP.module, k]
    for cell in range(image.cells.shape[1]):
        if is_fallen(image, cell, fallen_v, torn):
            beside = parameters.cells[CELLP.sensor_a, cell] == k or parameters.cells[CELLP.sensor_b, cell] == k
            if beside or parameters.cells[CELLP.module, cell] == module:
                return True
    return False


@njit
def count_frozen(block: Array, usable: int) -> tuple[float, int]:
    """Number of items that are lost because their reading stands still, and the first of them."""
    count, first = 0.0, -1
    if usable < block.shape[1]:
        for k in range(block.shape[1]):
            if block[MEASURED.quality, k] == BAD and block[MEASURED.reason, k] == REASON_FROZEN:
                first = k if count == 0.0 else first
                count += 1.0
    return count, first


def new_heat(sensors: int) -> Any:
    """Memory of these rules: `[HEAT, sensor]`."""
    heat = np.zeros((len(HEAT), sensors))
    heat[HEAT.slow_c] = heat[HEAT.then_c] = np.nan
    heat[HEAT.sample_s] = -np.inf
    return heat
