"""Stage `estimate`: state of charge of every cell, and what follows from it for the pack.

Charge is counted on every tick (trapezoids of the measured current); the cell filter of `control.ekf` runs every
`estimate_every`-th tick with the exact mean current since its last step. What was not measured is not invented: while
the current is unknown no charge is counted, and the uncertainty grows by what could have flowed.
"""

from __future__ import annotations

import math

from ionward._compile import njit
from ionward.control.ekf import LANES, STATE, STEP, WORK, filter_step
from ionward.control.estimate_memory import PRESET, EstimateMemory
from ionward.control.estimate_publish import publish_cells, publish_pack
from ionward.control.estimate_start import start_cell
from ionward.image.inputs import CHANNEL
from ionward.image.layout import Image
from ionward.image.parameters import CELLP, MEASURE, Parameters
from ionward.image.signals import CELL, GOOD, HELD

# Errors of the charge count that stay for long: the current sensor's offset (within its tolerance), and a share of the
# current for the sensor's gain and the capacity. Their random walk doubles its variance in this time.
CHARGE_ERROR_TIME_S = 3600.0
CHARGE_GAIN_ERROR = 0.02
SQUARE_TIME_S = 600.0
BLIND_SHARE = 0.02  # of the rated current: what may flow at least while the current is not known
DOUBT_HELD = 2.0  # factors on the model's variance where the temperature is old or not known
DOUBT_UNKNOWN = 9.0
STATE_LIMIT = 1e6  # a state beyond this, or NaN, is started again
CURRENT_LIMIT_A = 1e6
BELIEVABLE_V = 100.0  # no cell: what validation should have refused does no harm here either; NaN is refused too


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
