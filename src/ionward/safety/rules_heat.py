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
from ionward.image.signals import BAD, CELL, MEASURED, REASON_FROZEN
from ionward.safety.ladder import give

# The rate of rise is what a first-order lag of this time stays behind: noise of 0.1 K makes 0.03 K/s of it.
RATE_S = 3.0
# A gap in the samples that is longer begins anew, and so does a jump that no sensor's mass allows: it is no rise.
GAP_S, JUMP_K_PER_S = 10.0, 20.0
# GB 38031-2025, annex on thermal propagation: rate of rise, and the share of its voltage that a cell has lost.
RUNAWAY_K_PER_S = 1.0
RUNAWAY_VOLTAGE = 0.75


@njit
def heat_rules(parameters: Parameters, image: Image, verdicts: Array, heat: Array, sampled: bool) -> None:
    """Judge temperatures over time; `heat` is `[HEAT, sensor]`, `sampled` tells that some sensor has a new sample."""
    s, block = image.scalars[0], image.temperatures
    stuck, first = count_frozen(block, s["temperatures_usable"])
    give(verdicts, FAULT_ID.temperature_reading_stuck, stuck, stuck, first, True, True, True)
    if not sampled:
        for f in (FAULT_ID.temperature_spread, FAULT_ID.temperature_rising_fast, FAULT_ID.thermal_propagation):
            verdicts[VERDICT.newest, f] = np.nan
        return
    spread = s["temperature_max_c"] - s["temperature_min_c"]
    give(verdicts, FAULT_ID.temperature_spread, spread, spread, s["temperature_max_sensor"], True, True, True)
    worst, place, places, first = 0.0, -1, 0.0, -1
    for k in range(block.shape[1]):
        follow_rate(heat, block, s["time_s"], k)
        rate = heat[HEAT.rate_k_per_s, k]
        if rate > worst:
            worst, place = rate, k
        if rate >= RUNAWAY_K_PER_S and runs_away(parameters, image, k):
            first = k if places == 0.0 else first
            places += 1.0
    give(verdicts, FAULT_ID.temperature_rising_fast, worst, worst, place, True, True, True)
    give(verdicts, FAULT_ID.thermal_propagation, places, places, first, True, True, True)


@njit
def follow_rate(heat: Array, block: Array, now_s: float, k: int) -> None:
    """Take a new sample of sensor `k` into its rate of rise; a lost sensor begins anew."""
    value, sample_s = block[MEASURED.value, k], now_s - block[MEASURED.age_s, k]
    if value != value:
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
def runs_away(parameters: Parameters, image: Image, k: int) -> bool:
    """Beside a fast rise: beyond the maximum temperature, or a cell of the module has lost much of its voltage."""
    if image.temperatures[MEASURED.value, k] >= parameters.scalars[0]["discharge_temperature_max_c"]:
        return True
    fallen_v = RUNAWAY_VOLTAGE * image.scalars[0]["cell_voltage_mean_v"]
    module = parameters.sensors[SENSORP.module, k]
    for cell in range(image.cells.shape[1]):
        if parameters.cells[CELLP.module, cell] == module and image.cells[CELL.voltage_v, cell] < fallen_v:
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
    heat[HEAT.slow_c] = np.nan
    return heat
