"""Stage `estimate`: state of charge of every cell, and what follows from it for the pack.

Charge is counted on every tick (trapezoids of the measured current); the cell filter of `control.ekf` runs every
`estimate_every`-th tick with the exact mean current since its last step. What was not measured is not invented: while
the current is unknown no charge is counted, and the uncertainty grows by what could have flowed.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ionward._compile import njit
from ionward.battery import tables
from ionward.control.ekf import (
    ERROR_SHARE,
    FAST_SHARE,
    LANES,
    SLOW_SHARE,
    SOC_VAR_MAX,
    STATE,
    STEP,
    WORK,
    decay,
    filter_step,
)
from ionward.image.catalogue import Signal, record, rows
from ionward.image.inputs import CHANNEL, Array
from ionward.image.layout import Image, Size
from ionward.image.parameters import CELLP, MEASURE, Parameters
from ionward.image.signals import CELL, GOOD, HELD

RECORD_SIGNALS = (
    Signal("time_s", "s", "Time of the last tick; NaN before the first"),
    Signal("step_time_s", "s", "Time of the last filter step; NaN before the first"),
    Signal("energy_time_s", "s", "Time at which the remaining energy was last summed; NaN before the first"),
    Signal("current_a", "A", "Last known current; NaN while it is not known"),
    Signal("charge_as", "As", "Charge since the last filter step"),
    Signal("charge_var_as2", "A²s²", "Variance of that charge"),
    Signal("square_a2", "A²", "Mean square of the current over the last ten minutes"),
    Signal("square_s", "s", "Time that this mean covers, up to ten minutes"),
    Signal("blind_s", "s", "Time since the current was last measured"),
    Signal("sign", "", "Sign of the last current that was clearly not zero", "f8", -1, 1),
    Signal("ticks", "", "Ticks since the start", "i8"),
)
ESTIMATE_RECORD = record(RECORD_SIGNALS)
PRESET = rows(
    "Preset",
    (
        Signal("soc", "", "SOC to start from instead of the first voltage; NaN none", "f8", 0, 1),
        Signal("std", "", "Its standard deviation", "f8", 0, 1),
    ),
)

# Errors of the charge count that stay for long: the current sensor's offset (within its tolerance), and a share of the
# current for the sensor's gain and the capacity. Their random walk doubles its variance in this time.
CHARGE_ERROR_TIME_S = 3600.0
CHARGE_GAIN_ERROR = 0.02
SQUARE_TIME_S = 600.0
BLIND_SHARE = 0.02  # of the rated current: what may flow at least while the current is not known
DEFAULT_TEMPERATURE_C = 25.0
DOUBT_HELD = 2.0  # factors on the model's variance where the temperature is old or not known
DOUBT_UNKNOWN = 9.0
ENERGY_PERIOD_S = 1.0
STATE_LIMIT = 1e6  # a state beyond this, or NaN, is started again
CURRENT_LIMIT_A = 1e6
BELIEVABLE_V = 100.0  # no cell: what validation should have refused does no harm here either; NaN is refused too


class EstimateMemory(NamedTuple):
    """Memory of the stage. `preset` `[PRESET, cell]` may be written before the first tick."""

    record: Any
    state: Array  # [chunk, STATE, lane]: cell = chunk * LANES + lane, the last chunk is padded
    work: Array  # [chunk, WORK, lane]
    looked: Array  # [chunk, parameter, lane], what was read from the table
    step: Array  # [STEP]
    preset: Array  # [PRESET, cell]
    started: Array  # [cell], 1 once a cell has a state
    energy: Array  # [temperature, soc], V: integral of the OCV from empty


def new_estimate_memory(size: Size) -> EstimateMemory:
    """Memory before the first tick: no cell is known."""
    chunks = -(-size.cells // LANES)
    memory = EstimateMemory(
        np.zeros(1, ESTIMATE_RECORD),
        np.zeros((chunks, len(STATE), LANES)),
        np.zeros((chunks, len(WORK), LANES)),
        np.ones((chunks, tables.PARAMETERS, LANES)),
        np.zeros(len(STEP)),
        np.full((len(PRESET), size.cells), np.nan),
        np.zeros(size.cells),
        np.full((tables.TEMPERATURES, tables.SOCS), np.nan),
    )
    for name in ("time_s", "step_time_s", "energy_time_s", "current_a"):
        memory.record[name] = np.nan
    # The padding beyond the last cell takes part in the arithmetic: it must be harmless.
    memory.work[:, WORK.temperature_c] = DEFAULT_TEMPERATURE_C
    memory.work[:, WORK.capacity_ah] = 1.0
    memory.work[:, WORK.factor] = 1.0
    memory.work[:, WORK.doubt] = 1.0
    return memory


@njit
def estimate(parameters: Parameters, image: Image, memory: EstimateMemory) -> None:
    """Run the stage for one tick."""
    count_charge(parameters, image, memory)
    m = memory.record[0]
    every = max(parameters.scalars[0]["estimate_every"], 1)
    due = m["ticks"] % every == 0
    m["ticks"] += 1
    now_s = m["time_s"]
    dt_s = now_s - m["step_time_s"]  # NaN before the first step
    if not due or dt_s <= 0.0 or math.isnan(now_s):
        return
    begin_step(parameters, image, memory, dt_s)
    prepare_cells(parameters, image, memory, dt_s)
    filter_step(parameters.table, memory.step, memory.state, memory.work, memory.looked)
    publish_cells(parameters, image, memory)
    publish_pack(parameters, image, memory)
    m["step_time_s"] = now_s
    m["charge_as"] = 0.0
    m["charge_var_as2"] = 0.0


@njit
def count_charge(parameters: Parameters, image: Image, memory: EstimateMemory) -> None:
    """Add the charge of this tick's interval and its uncertainty, and the throughput."""
    p = parameters.scalars[0]
    s = image.scalars[0]
    m = memory.record[0]
    now_s = s["time_s"]
    dt_s = now_s - m["time_s"]
    if not math.isfinite(now_s):
        return
    m["time_s"] = now_s
    if not dt_s > 0.0:
        dt_s = 0.0
    current_a = s["current_a"]
    quality = s["current_quality"]
    known = quality in (GOOD, HELD) and abs(current_a) < CURRENT_LIMIT_A
    measured = known and quality == GOOD
    before_a = m["current_a"]
    gap = not dt_s <= parameters.channel_limits[MEASURE.age_max_s, CHANNEL.current_a]
    if dt_s > 0.0:
        if known and not math.isnan(before_a) and not gap:
            mean_a = 0.5 * (before_a + current_a)
            # The current between two samples is not known: a straight line errs by a twelfth of the step squared.
            sampling_as = (current_a - before_a) * dt_s
            m["charge_as"] += mean_a * dt_s
            m["charge_var_as2"] += sampling_as * sampling_as / 12.0
            if mean_a > 0.0:
                s["charge_throughput_ah"] += mean_a * dt_s / 3600.0
            else:
                s["discharge_throughput_ah"] -= mean_a * dt_s / 3600.0
            m["square_s"] = min(m["square_s"] + dt_s, SQUARE_TIME_S + dt_s)
            m["square_a2"] += (mean_a * mean_a - m["square_a2"]) * dt_s / m["square_s"]
        else:
            mean_a = 0.0
        steady_a2 = p["current_noise_a"] ** 2 + (CHARGE_GAIN_ERROR * mean_a) ** 2
        m["charge_var_as2"] += 2.0 * CHARGE_ERROR_TIME_S * dt_s * steady_a2
        if not measured or gap:
            blind_s = m["blind_s"]
            m["charge_var_as2"] += blind_square(parameters, memory) * dt_s * (2.0 * blind_s + dt_s)
            m["blind_s"] = blind_s + dt_s
    if measured:
        m["blind_s"] = 0.0
    m["current_a"] = current_a if known else math.nan
    if known and abs(current_a) > 2.0 * p["current_noise_a"]:
        m["sign"] = 1.0 if current_a > 0.0 else -1.0


@njit
def blind_square(parameters: Parameters, memory: EstimateMemory) -> float:
    """Mean square of the current that may flow while none is measured, A²: as of late, or a share of the rating."""
    p = parameters.scalars[0]
    floor_a = BLIND_SHARE * max(p["charge_current_max_a"], p["discharge_current_max_a"])
    return float(max(memory.record[0]["square_a2"], floor_a * floor_a))


@njit
def begin_step(parameters: Parameters, image: Image, memory: EstimateMemory, dt_s: float) -> None:
    """Fill in what the filter step is told about its interval; a first step has no interval."""
    p = parameters.scalars[0]
    m = memory.record[0]
    step = memory.step
    if math.isnan(dt_s):
        dt_s = 0.0
    step[STEP.dt_s] = dt_s
    step[STEP.charge_ah] = m["charge_as"] / 3600.0
    step[STEP.charge_var] = m["charge_var_as2"] / (3600.0 * 3600.0)
    step[STEP.current_a] = m["charge_as"] / dt_s if dt_s > 0.0 else 0.0
    if math.isnan(m["current_a"]):
        step[STEP.current_now_a] = 0.0
    else:
        step[STEP.current_now_a] = m["current_a"]
    if image.scalars[0]["current_quality"] == GOOD and not math.isnan(m["current_a"]):
        step[STEP.current_var] = p["current_noise_a"] ** 2
    else:
        step[STEP.current_var] = blind_square(parameters, memory)
    step[STEP.sign] = m["sign"]
    step[STEP.voltage_var] = p["voltage_noise_v"] ** 2
    step[STEP.hysteresis_rate] = p["hysteresis_rate"]
    step[STEP.hysteresis_instant_v] = p["hysteresis_instant_v"]


@njit
def prepare_cells(parameters: Parameters, image: Image, memory: EstimateMemory, dt_s: float) -> None:
    """Give each cell its temperature and its voltage, if that is a new good sample; start cells that have no state."""
    cells = image.cells
    state = memory.state
    work = memory.work
    mean_c = image.scalars[0]["temperature_mean_c"]
    for k in range(cells.shape[1]):
        c, lane = k // LANES, k % LANES
        temperature_c = cells[CELL.temperature_c, k]
        quality = cells[CELL.temperature_quality, k]
        if quality == GOOD and math.isfinite(temperature_c):
            work[c, WORK.temperature_c, lane] = temperature_c
            work[c, WORK.doubt, lane] = 1.0
        elif quality == HELD and math.isfinite(temperature_c):
            work[c, WORK.temperature_c, lane] = temperature_c
            work[c, WORK.doubt, lane] = DOUBT_HELD
        else:
            if math.isfinite(mean_c):
                work[c, WORK.temperature_c, lane] = mean_c
            work[c, WORK.doubt, lane] = DOUBT_UNKNOWN

        voltage_v = cells[CELL.voltage_v, k]
        age_s = cells[CELL.age_s, k]
        # A sample taken before the last step has been used already.
        fresh = math.isnan(dt_s) or age_s < dt_s - 1e-6
        usable = cells[CELL.quality, k] == GOOD and abs(voltage_v) < BELIEVABLE_V and fresh
        work[c, WORK.voltage_v, lane] = voltage_v if usable else 0.0
        work[c, WORK.use, lane] = 1.0 if usable else 0.0
        work[c, WORK.capacity_ah, lane] = parameters.cells[CELLP.capacity_ah, k]
        work[c, WORK.factor, lane] = parameters.cells[CELLP.resistance_factor, k]

        size = (
            state[c, STATE.soc, lane]
            + abs(state[c, STATE.v1, lane])
            + abs(state[c, STATE.v2, lane])
            + state[c, STATE.p_ss, lane]
        )
        size += (
            state[c, STATE.p_ee, lane]
            + state[c, STATE.p_22, lane]
            + state[c, STATE.p_hh, lane]
            + abs(state[c, STATE.h, lane])
        )
        if not size < STATE_LIMIT:
            memory.started[k] = 0.0
            memory.preset[PRESET.soc, k] = math.nan
        if memory.started[k] == 0.0:
            start_cell(parameters, memory, k)


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


@njit
def publish_cells(parameters: Parameters, image: Image, memory: EstimateMemory) -> None:
    """Write what is known about each cell into the image; NaN where it has no state yet."""
    cells = image.cells
    state = memory.state
    work = memory.work
    for k in range(cells.shape[1]):
        c, lane = k // LANES, k % LANES
        known = memory.started[k] == 1.0
        used = known and work[c, WORK.use, lane] == 1.0
        std = math.sqrt(min(state[c, STATE.p_ss, lane], 1.0))
        # The table was read at the predicted SOC; the slope carries it to the corrected one.
        moved = work[c, WORK.slope_v, lane] * (state[c, STATE.soc, lane] - work[c, WORK.soc, lane])
        cells[CELL.soc, k] = state[c, STATE.soc, lane] if known else math.nan
        cells[CELL.soc_std, k] = std if known else math.nan
        hysteresis_v = memory.looked[c, tables.HYSTERESIS_V, lane] * state[c, STATE.h, lane]
        cells[CELL.ocv_v, k] = memory.looked[c, tables.OCV_V, lane] + moved + hysteresis_v if known else math.nan
        cells[CELL.voltage_predicted_v, k] = work[c, WORK.predicted_v, lane] if known else math.nan
        cells[CELL.residual_v, k] = work[c, WORK.residual_v, lane] if used else math.nan
        cells[CELL.capacity_ah, k] = parameters.cells[CELLP.capacity_ah, k]
        cells[CELL.soh, k] = math.nan
    publish_horizons(parameters, image, memory)


@njit
def publish_horizons(parameters: Parameters, image: Image, memory: EstimateMemory) -> None:
    """Write what a constant current adds within 10 s and 30 s, and what is left of today's polarisation by then."""
    cells = image.cells
    state = memory.state
    for k in range(cells.shape[1]):
        c, lane = k // LANES, k % LANES
        known = 1.0 if memory.started[k] == 1.0 else math.nan
        factor = parameters.cells[CELLP.resistance_factor, k] * known
        e1 = decay(10.0 / memory.looked[c, tables.TAU1_S, lane])
        e2 = decay(10.0 / memory.looked[c, tables.TAU2_S, lane])
        r0 = memory.looked[c, tables.R0_OHM, lane] * factor
        r1 = memory.looked[c, tables.R1_OHM, lane] * factor
        r2 = memory.looked[c, tables.R2_OHM, lane] * factor
        v1 = state[c, STATE.v1, lane] * known
        v2 = state[c, STATE.v2, lane] * known
        cells[CELL.resistance_ohm, k] = r0
        cells[CELL.resistance_10s_ohm, k] = r0 + r1 * (1.0 - e1) + r2 * (1.0 - e2)
        cells[CELL.resistance_30s_ohm, k] = r0 + r1 * (1.0 - e1 * e1 * e1) + r2 * (1.0 - e2 * e2 * e2)
        cells[CELL.polarisation_v, k] = v1 + v2
        cells[CELL.polarisation_10s_v, k] = v1 * e1 + v2 * e2
        cells[CELL.polarisation_30s_v, k] = v1 * (e1 * e1 * e1) + v2 * (e2 * e2 * e2)


@njit
def publish_pack(parameters: Parameters, image: Image, memory: EstimateMemory) -> None:
    """Pack SOC: what the weakest cell still gives, of what it and the fullest cell allow together."""
    s = image.scalars[0]
    state = memory.state
    count = 0
    low, high, total = math.inf, -math.inf, 0.0
    empty_ah, empty_std_ah = math.inf, 0.0
    full_ah, full_std_ah = math.inf, 0.0
    for k in range(memory.started.shape[0]):
        c, lane = k // LANES, k % LANES
        if memory.started[k] == 0.0:
            continue
        soc = state[c, STATE.soc, lane]
        capacity_ah = parameters.cells[CELLP.capacity_ah, k]
        std_ah = math.sqrt(min(state[c, STATE.p_ss, lane], 1.0)) * capacity_ah
        count += 1
        total += soc
        low = min(low, soc)
        high = max(high, soc)
        if soc * capacity_ah < empty_ah:
            empty_ah, empty_std_ah = soc * capacity_ah, std_ah
        if (1.0 - soc) * capacity_ah < full_ah:
            full_ah, full_std_ah = (1.0 - soc) * capacity_ah, std_ah
    s["soh"] = math.nan
    s["estimate_ready"] = 1 if count == memory.started.shape[0] and count > 0 else 0
    if count == 0:
        return
    usable_ah = max(empty_ah + full_ah, 1e-9)
    s["soc"] = min(max(empty_ah / usable_ah, 0.0), 1.0)
    # The errors of two cells come from the same model and the same current sensor: they are added as if equal.
    std = (full_ah * empty_std_ah + empty_ah * full_std_ah) / (usable_ah * usable_ah)
    s["soc_std"] = min(std, 1.0)
    s["soc_min"] = low
    s["soc_max"] = high
    s["soc_mean"] = total / count
    m = memory.record[0]
    if not m["time_s"] - m["energy_time_s"] < ENERGY_PERIOD_S:
        s["remaining_energy_wh"] = remaining_energy(parameters, memory, empty_ah)
        m["energy_time_s"] = m["time_s"]


@njit
def remaining_energy(parameters: Parameters, memory: EstimateMemory, charge_ah: float) -> float:
    """Energy in Wh that all cells give until `charge_ah` has been taken out, at small current."""
    energy = memory.energy
    if math.isnan(energy[0, 0]):
        for i in range(tables.TEMPERATURES):
            energy[i, 0] = 0.0
            for j in range(1, tables.SOCS):
                mean_v = 0.5 * (parameters.table[i, j - 1, tables.OCV_V] + parameters.table[i, j, tables.OCV_V])
                energy[i, j] = energy[i, j - 1] + mean_v / (tables.SOCS - 1)
    total = 0.0
    for k in range(memory.started.shape[0]):
        c, lane = k // LANES, k % LANES
        if memory.started[k] == 0.0:
            continue
        capacity_ah = parameters.cells[CELLP.capacity_ah, k]
        soc = memory.state[c, STATE.soc, lane]
        i, _ = tables.temperature_cell(memory.work[c, WORK.temperature_c, lane] + 0.5 * tables.TEMPERATURE_STEP_K)
        j, w = tables.soc_cell(soc)
        top = energy[i, j] + w * (energy[i, j + 1] - energy[i, j])
        j, w = tables.soc_cell(soc - charge_ah / capacity_ah)
        bottom = energy[i, j] + w * (energy[i, j + 1] - energy[i, j])
        total += capacity_ah * (top - bottom)
    return total
