"""Stage `estimate`: the first state of a cell."""

from __future__ import annotations

import math

from ionward._compile import njit
from ionward.battery import tables
from ionward.control.ekf import ERROR_SHARE, FAST_SHARE, LANES, SLOW_SHARE, SOC_VAR_MAX, STATE, STEP, WORK
from ionward.control.estimate_memory import PRESET, EstimateMemory
from ionward.image.inputs import Array
from ionward.image.parameters import CELLP, Parameters


@njit
def start_cell(parameters: Parameters, memory: EstimateMemory, k: int) -> None:
    """Give cell `k` a state: from its preset, or from its first voltage, or none yet (nothing known)."""
    p = parameters.scalars[0]
    state = memory.state
    work = memory.work
    c, lane = k // LANES, k % LANES
    for row in range(state.shape[1]):
        state[c, row, lane] = 0.0
    state[c, STATE.soc, lane] = 0.5
    state[c, STATE.p_ss, lane] = SOC_VAR_MAX
    temperature_c = work[c, WORK.temperature_c, lane]
    now_a = memory.step[STEP.current_now_a]
    now_var = memory.step[STEP.current_var]
    preset = memory.preset[PRESET.soc, k]
    usable = work[c, WORK.use, lane] == 1.0
    soc = preset
    if not preset >= 0.0 or not preset <= 1.0:
        if not usable:
            return
        factor = parameters.cells[CELLP.resistance_factor, k]
        r0 = table_at(parameters.table, temperature_c, 0.5, tables.R0_OHM) * factor
        soc = soc_at_voltage(parameters.table, temperature_c, work[c, WORK.voltage_v, lane] - r0 * now_a)

    factor = parameters.cells[CELLP.resistance_factor, k]
    current_a2 = now_a * now_a + now_var
    r1 = table_at(parameters.table, temperature_c, soc, tables.R1_OHM) * factor
    r2 = table_at(parameters.table, temperature_c, soc, tables.R2_OHM) * factor
    r0 = table_at(parameters.table, temperature_c, soc, tables.R0_OHM) * factor
    model_v = table_at(parameters.table, temperature_c, soc, tables.MODEL_STD_V)
    half_v = table_at(parameters.table, temperature_c, soc, tables.HYSTERESIS_V)
    model_var = model_v * model_v * work[c, WORK.doubt, lane]
    state[c, STATE.p_22, lane] = r2 * r2 * current_a2 + SLOW_SHARE * model_var
    state[c, STATE.p_ee, lane] = ERROR_SHARE * model_var
    state[c, STATE.p_hh, lane] = 1.0 / 3.0  # anywhere between the branches
    memory.started[k] = 1.0
    if preset >= 0.0 and preset <= 1.0:
        std = memory.preset[PRESET.std, k]
        state[c, STATE.soc, lane] = preset
        state[c, STATE.p_ss, lane] = min(std * std, SOC_VAR_MAX) if std >= 0.0 else SOC_VAR_MAX
        return

    # SOC error = -(v1 + v2 + M h + noise) / slope, with the slope over the whole span that these errors allow.
    rest_v = work[c, WORK.voltage_v, lane] - r0 * now_a
    noise_var = (
        p["voltage_noise_v"] ** 2
        + FAST_SHARE * model_var
        + r1 * r1 * current_a2
        + (0.1 * r0 * now_a) ** 2
        + r0 * r0 * now_var
        + 1e-8
    )
    var = noise_var + state[c, STATE.p_ee, lane] + state[c, STATE.p_22, lane] + half_v * half_v / 3.0
    std_v = math.sqrt(var)
    soc = soc_at_voltage(parameters.table, temperature_c, rest_v)
    low = soc_at_voltage(parameters.table, temperature_c, rest_v - std_v)
    high = soc_at_voltage(parameters.table, temperature_c, rest_v + std_v)
    std = min(max(0.5 * (high - low), 1e-4), math.sqrt(SOC_VAR_MAX))
    slope = std_v / std
    state[c, STATE.soc, lane] = soc
    state[c, STATE.p_ss, lane] = min(std * std + p["start_soc_std"] ** 2, SOC_VAR_MAX)
    state[c, STATE.p_se, lane] = -state[c, STATE.p_ee, lane] / slope
    state[c, STATE.p_s2, lane] = -state[c, STATE.p_22, lane] / slope
    state[c, STATE.p_sh, lane] = -half_v * state[c, STATE.p_hh, lane] / slope
    work[c, WORK.use, lane] = 0.0  # this voltage is in the state already


@njit
def table_at(table: Array, temperature_c: float, soc: float, parameter: int) -> float:
    """One value of the cell table."""
    i, u = tables.temperature_cell(temperature_c)
    j, w = tables.soc_cell(soc)
    low = (1.0 - w) * table[i, j, parameter] + w * table[i, j + 1, parameter]
    high = (1.0 - w) * table[i + 1, j, parameter] + w * table[i + 1, j + 1, parameter]
    return float((1.0 - u) * low + u * high)


@njit
def soc_at_voltage(table: Array, temperature_c: float, voltage_v: float) -> float:
    """SOC at which the mean OCV reaches a voltage; 0 or 1 beyond its ends. The OCV rises with SOC."""
    i, u = tables.temperature_cell(temperature_c)
    low, high = 0, tables.SOCS - 1
    while high - low > 1:
        middle = (low + high) // 2
        if (1.0 - u) * table[i, middle, tables.OCV_V] + u * table[i + 1, middle, tables.OCV_V] <= voltage_v:
            low = middle
        else:
            high = middle
    low_v = (1.0 - u) * table[i, low, tables.OCV_V] + u * table[i + 1, low, tables.OCV_V]
    high_v = (1.0 - u) * table[i, high, tables.OCV_V] + u * table[i + 1, high, tables.OCV_V]
    weight = (voltage_v - low_v) / max(high_v - low_v, 1e-9)
    return float(min(max((low + weight) / (tables.SOCS - 1), 0.0), 1.0))
