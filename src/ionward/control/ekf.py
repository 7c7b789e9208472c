"""Arithmetic of the cell filter: a 2RC equivalent circuit with hysteresis in an extended Kalman filter.

Model of one cell, current i positive when charging (Plett, Battery Management Systems vol. I, ch. 2):

    v    = OCV(soc, T) + H(soc, T) h + M0 sgn(i) + R0 i + v1 + v2 + e
    soc+ = soc + charge / Q
    vk+  = ak vk + Rk (1 - ak) i,     ak = exp(-dt / tau_k)
    h+   = ah h + (1 - ah) sgn(i),    ah = exp(-|i gamma dt / Q|)
    e+   = ae e,                      ae = exp(-dt / 2 h - |dsoc| / 0.1)

The filter differs from the textbook in what it knows about its own errors:

- A model error is not white. The OCV is a little wrong, and stays wrong until the SOC has moved on; relaxation is a
  little slower or faster than the circuit. So there is a state `e` for the slow error of the model's voltage, and v2
  carries an error of its own time constant, both as Gauss-Markov processes that tend to the model's standard
  deviation. What is faster (R0, v1) counts as noise with the fast element's time constant. The filter therefore learns
  as much from a minute at 1 Hz as from a minute at 100 Hz, and an OCV error does not make it sure of a wrong SOC.
- The OCV is linearised over the present uncertainty (central differences over one standard deviation, as in a
  sigma-point filter), not at a point: a start that is 20 points wrong on a curve with a plateau and two knees still
  sees the knees. What the straight line misses is added to the noise of the measurement.
- v1 follows the current and is not corrected: it forgets by itself within seconds. The covariance is that of soc, v2, h
  and e: ten numbers.

Layout, for speed: look-ups are split from the arithmetic, and states stand in chunks of `LANES` cells,
`[chunk, field, lane]`. Inside a chunk every address is a constant distance from the others, so that the compiler can
prove that they do not overlap and writes vector code. (With `[field, cell]` it gives up: too many checks, five times
slower. Chunks below 16 are too short for it as well.)
"""

from __future__ import annotations

import numpy as np

from ionward._compile import njit
from ionward.battery import tables
from ionward.image.catalogue import Signal, rows
from ionward.image.inputs import Array

STATE_SIGNALS = (
    Signal("soc", "", "State of charge", "f8", 0, 1),
    Signal("v1", "V", "Voltage of the fast RC element"),
    Signal("v2", "V", "Voltage of the slow RC element"),
    Signal("e", "V", "Slow error of the model's voltage"),
    Signal("h", "", "Hysteresis state: 1 on the charge branch, -1 on the discharge branch", "f8", -1, 1),
    Signal("p_ss", "", "Variance of soc", minimum=0),
    Signal("p_s2", "V", "Covariance of soc and v2"),
    Signal("p_sh", "", "Covariance of soc and h"),
    Signal("p_se", "V", "Covariance of soc and the model error"),
    Signal("p_22", "V²", "Variance of v2", minimum=0),
    Signal("p_2h", "V", "Covariance of v2 and h"),
    Signal("p_2e", "V²", "Covariance of v2 and the model error"),
    Signal("p_hh", "", "Variance of h", minimum=0),
    Signal("p_he", "V", "Covariance of h and the model error"),
    Signal("p_ee", "V²", "Variance of the model error", minimum=0),
)
STATE = rows("FilterState", STATE_SIGNALS)

# What the filter step works on: inputs, what was looked up, and results.
WORK_SIGNALS = (
    Signal("capacity_ah", "Ah", "Capacity"),
    Signal("factor", "", "Resistance against the model cell's"),
    Signal("voltage_v", "V", "Measured voltage, or 0 where `use` is 0"),
    Signal("use", "", "1: the voltage is a new, good sample", "f8", 0, 1),
    Signal("temperature_c", "°C", "Temperature that the tables are read at"),
    Signal("doubt", "", "Factor on the model's variance, above 1 where the temperature is not known"),
    Signal("soc", "", "SOC after prediction", "f8", 0, 1),
    Signal("high", "", "One standard deviation above, at most 1"),
    Signal("low", "", "One standard deviation below, at least 0"),
    Signal("high_v", "V", "OCV there"),
    Signal("low_v", "V", "OCV there"),
    Signal("slope_v", "V", "Slope of the OCV between the two"),
    Signal("ocv_v", "V", "OCV at the predicted SOC, mean of the branches"),
    Signal("predicted_v", "V", "Voltage expected before the measurement"),
    Signal("residual_v", "V", "Measured minus expected voltage; 0 where `use` is 0"),
)
WORK = rows("FilterWork", WORK_SIGNALS)

# What one filter step is told about the interval since the last one, the same for all cells of a pack.
STEP_SIGNALS = (
    Signal("dt_s", "s", "Length of the interval"),
    Signal("charge_ah", "Ah", "Charge that went in"),
    Signal("charge_var", "Ah²", "Variance of that charge: what was not measured, and the sensor's error"),
    Signal("current_a", "A", "Mean current of the interval"),
    Signal("current_now_a", "A", "Current at the time of the voltage sample"),
    Signal("current_var", "A²", "Variance of the current at the time of the voltage sample"),
    Signal("sign", "", "Sign of the last current that was clearly not zero", "f8", -1, 1),
    Signal("voltage_var", "V²", "Variance of one voltage sample, from the sensor's tolerance"),
    Signal("hysteresis_rate", "", "Gamma of the hysteresis model"),
    Signal("hysteresis_instant_v", "V", "Instantaneous part of the hysteresis, M0"),
)
STEP = rows("FilterStep", STEP_SIGNALS)

LANES = 16
STATES = len(STATE)
WORKS = len(WORK)
TABLE_ROW = tables.SOCS * tables.PARAMETERS

# How wrong the model is. MODEL_STD of the cell table is what the fit left over under load, in the very tests it was
# made from. What relaxes slowly (v2) may have that variance, what is fast half of it, and what stays (e) half more,
# because other cells and other days are not in a fit.
SLOW_SHARE = 1.0
FAST_SHARE = 0.5
ERROR_SHARE = 1.5
ERROR_TIME_S = 7200.0  # an OCV error changes with temperature and hysteresis: hours
ERROR_SOC = 0.1  # and over a stage of the electrodes: about a tenth of the capacity
RESISTANCE_ERROR = 0.15  # relative; new cells differ by 5 to 10 %, the rest is ageing and temperature inside the cell
HYSTERESIS_ERROR = 0.5  # standard deviation that h tends to: a one-state model does not know minor loops
SOC_VAR_MAX = 1.0 / 12.0  # nothing known: equally likely anywhere between empty and full
CLIP = 4.0  # an innovation counts fully up to so many standard deviations
INNOVATION_MIN_V = 1e-4  # lowest standard deviation of a voltage sample: no sensor and no model is better
TINY = 1e-30
# An index masked with this cannot be negative: the compiler need not look for Python's indices from the end.
NOT_NEGATIVE = 0xFFFFFFF

# Added and taken away again, these flush what has decayed to (almost) nothing to zero: arithmetic on denormal
# numbers is ten times slower.
FLUSH_V = 1e-12
FLUSH_P = 1e-18


@njit
def decay(x: float) -> float:
    """exp(-x) for x >= 0 to 1e-13 (relative to 1), written so that a loop over cells becomes vector code.

    Scaling and squaring of the Taylor series: `exp` itself is a call that ends vectorisation.
    """
    y: float = min(x, 64.0) * -0.015625  # /64
    e = 1.0 + y * (1.0 / 10.0)
    e = 1.0 + y * (1.0 / 9.0) * e
    e = 1.0 + y * (1.0 / 8.0) * e
    e = 1.0 + y * (1.0 / 7.0) * e
    e = 1.0 + y * (1.0 / 6.0) * e
    e = 1.0 + y * (1.0 / 5.0) * e
    e = 1.0 + y * (1.0 / 4.0) * e
    e = 1.0 + y * (1.0 / 3.0) * e
    e = 1.0 + y * (1.0 / 2.0) * e
    e = 1.0 + y * e
    e = e * e
    e = e * e
    e = e * e
    e = e * e
    e = e * e
    return e * e


@njit
def weighted(flat: Array, at: int, a: float, b: float, c: float, d: float) -> float:
    """Bilinear value of one parameter from its four corners; `at` is its place in the first one of the flat table."""
    return float(
        a * flat[at]
        + b * flat[at + tables.PARAMETERS]
        + c * flat[at + TABLE_ROW]
        + d * flat[at + TABLE_ROW + tables.PARAMETERS]
    )


@njit
def look_up(table: Array, step: Array, state: Array, work: Array, looked: Array) -> None:
    """Predict each cell's SOC and read the tables there; temperatures must be finite.

    `table` is `[temperature, soc, parameter]`; `looked` is `[cell, parameter]`, so that the parameters of one cell are
    read and written as vectors.
    """
    flat = table.reshape(-1)
    out = looked.reshape(-1)
    x = state.reshape(-1)
    y = work.reshape(-1)
    charge_ah = step[STEP.charge_ah]
    for c in range(state.shape[0]):
        s0 = c * (STATES * LANES)
        w0 = c * (WORKS * LANES)
        for k in range(LANES):
            soc = x[s0 + STATE.soc * LANES + k] + charge_ah / y[w0 + WORK.capacity_ah * LANES + k]
            soc = min(max(soc, 0.0), 1.0)
            reach = max(np.sqrt(x[s0 + STATE.p_ss * LANES + k]), 0.5 / (tables.SOCS - 1))
            y[w0 + WORK.soc * LANES + k] = soc
            y[w0 + WORK.high * LANES + k] = min(soc + reach, 1.0)
            y[w0 + WORK.low * LANES + k] = max(soc - reach, 0.0)
        for k in range(LANES):
            i, u = tables.temperature_cell(y[w0 + WORK.temperature_c * LANES + k])
            t = 1.0 - u
            row = i * TABLE_ROW
            j, w = tables.soc_cell(y[w0 + WORK.soc * LANES + k])
            at = (row + j * tables.PARAMETERS) & NOT_NEGATIVE
            cell = (c * LANES + k) * tables.PARAMETERS
            b01, b11 = t * w, u * w
            b00, b10 = t - b01, u - b11
            ocv_v = weighted(flat, at + tables.OCV_V, b00, b01, b10, b11)
            hysteresis_v = weighted(flat, at + tables.HYSTERESIS_V, b00, b01, b10, b11)
            r0_ohm = weighted(flat, at + tables.R0_OHM, b00, b01, b10, b11)
            r1_ohm = weighted(flat, at + tables.R1_OHM, b00, b01, b10, b11)
            tau1_s = weighted(flat, at + tables.TAU1_S, b00, b01, b10, b11)
            r2_ohm = weighted(flat, at + tables.R2_OHM, b00, b01, b10, b11)
            tau2_s = weighted(flat, at + tables.TAU2_S, b00, b01, b10, b11)
            model_std_v = weighted(flat, at + tables.MODEL_STD_V, b00, b01, b10, b11)
            j, w = tables.soc_cell(y[w0 + WORK.high * LANES + k])
            at = (row + j * tables.PARAMETERS) & NOT_NEGATIVE
            high_v = weighted(flat, at + tables.OCV_V, t - t * w, t * w, u - u * w, u * w)
            j, w = tables.soc_cell(y[w0 + WORK.low * LANES + k])
            at = (row + j * tables.PARAMETERS) & NOT_NEGATIVE
            low_v = weighted(flat, at + tables.OCV_V, t - t * w, t * w, u - u * w, u * w)
            out[cell + tables.OCV_V] = ocv_v
            out[cell + tables.HYSTERESIS_V] = hysteresis_v
            out[cell + tables.R0_OHM] = r0_ohm
            out[cell + tables.R1_OHM] = r1_ohm
            out[cell + tables.TAU1_S] = tau1_s
            out[cell + tables.R2_OHM] = r2_ohm
            out[cell + tables.TAU2_S] = tau2_s
            out[cell + tables.MODEL_STD_V] = model_std_v
            y[w0 + WORK.high_v * LANES + k] = high_v
            y[w0 + WORK.low_v * LANES + k] = low_v


@njit
def filter_step(step: Array, state: Array, work: Array, looked: Array) -> None:
    """One step of every cell: predict over the interval, then correct where a new voltage is there.

    `step` is `[STEP]`, `state` is `[chunk, STATE, lane]`, `work` is `[chunk, WORK, lane]` and `looked` is
    `[cell, parameter]` as `look_up` left them.
    """
    predict(step, state, work, looked)
    correct(step, state, work, looked)


@njit
def predict(step: Array, state: Array, work: Array, looked: Array) -> None:
    """Carry states and covariance over the interval; the SOC itself is carried by `look_up`."""
    dt_s = step[STEP.dt_s]
    charge_ah = step[STEP.charge_ah]
    charge_var = step[STEP.charge_var]
    current_a = step[STEP.current_a]
    rate = step[STEP.hysteresis_rate]
    toward = 1.0 if current_a > 0.0 else (-1.0 if current_a < 0.0 else 0.0)
    current_var = step[STEP.current_var] + (RESISTANCE_ERROR * current_a) ** 2
    x = state.reshape(-1)
    y = work.reshape(-1)
    z = looked.reshape(-1)
    for c in range(state.shape[0]):
        s0 = c * (STATES * LANES)
        w0 = c * (WORKS * LANES)
        t0 = c * (tables.PARAMETERS * LANES)
        for k in range(LANES):
            xk = s0 + k
            yk = w0 + k
            zk = t0 + k * tables.PARAMETERS
            capacity_ah = y[yk + WORK.capacity_ah * LANES]
            factor = y[yk + WORK.factor * LANES]
            r1 = z[zk + tables.R1_OHM] * factor
            r2 = z[zk + tables.R2_OHM] * factor
            std = z[zk + tables.MODEL_STD_V]
            model_var = std * std * y[yk + WORK.doubt * LANES]
            moved = abs(charge_ah / capacity_ah)
            a1 = decay(dt_s / z[zk + tables.TAU1_S])
            a2 = decay(dt_s / z[zk + tables.TAU2_S])
            ah = decay(moved * rate)
            ae = decay(dt_s / ERROR_TIME_S + moved / ERROR_SOC)

            v1 = a1 * x[xk + STATE.v1 * LANES] + r1 * (1.0 - a1) * current_a
            v2 = a2 * x[xk + STATE.v2 * LANES] + r2 * (1.0 - a2) * current_a
            h = ah * x[xk + STATE.h * LANES] + (1.0 - ah) * toward
            e = ae * x[xk + STATE.e * LANES]
            ss = x[xk + STATE.p_ss * LANES]
            noise_22 = (1.0 - a2 * a2) * (current_var * r2 * r2 + SLOW_SHARE * model_var)
            noise_hh = (1.0 - ah * ah) * (HYSTERESIS_ERROR * HYSTERESIS_ERROR)
            noise_ee = (1.0 - ae * ae) * (ERROR_SHARE * model_var)
            s2 = a2 * x[xk + STATE.p_s2 * LANES]
            sh = ah * x[xk + STATE.p_sh * LANES]
            se = ae * x[xk + STATE.p_se * LANES]
            c22 = a2 * a2 * x[xk + STATE.p_22 * LANES] + noise_22
            c2h = a2 * ah * x[xk + STATE.p_2h * LANES]
            c2e = a2 * ae * x[xk + STATE.p_2e * LANES]
            hh = ah * ah * x[xk + STATE.p_hh * LANES] + noise_hh
            he = ah * ae * x[xk + STATE.p_he * LANES]
            ee = ae * ae * x[xk + STATE.p_ee * LANES] + noise_ee

            # Reading the first parameter as well makes the eight one group, which is read as vectors without a rest.
            y[yk + WORK.ocv_v * LANES] = z[zk + tables.OCV_V]
            x[xk + STATE.soc * LANES] = y[yk + WORK.soc * LANES]
            x[xk + STATE.v1 * LANES] = (v1 + FLUSH_V) - FLUSH_V
            x[xk + STATE.v2 * LANES] = (v2 + FLUSH_V) - FLUSH_V
            x[xk + STATE.h * LANES] = (h + FLUSH_V) - FLUSH_V
            x[xk + STATE.e * LANES] = (e + FLUSH_V) - FLUSH_V
            x[xk + STATE.p_ss * LANES] = min(ss + charge_var / (capacity_ah * capacity_ah), max(ss, SOC_VAR_MAX))
            x[xk + STATE.p_s2 * LANES] = (s2 + FLUSH_P) - FLUSH_P
            x[xk + STATE.p_sh * LANES] = (sh + FLUSH_P) - FLUSH_P
            x[xk + STATE.p_se * LANES] = (se + FLUSH_P) - FLUSH_P
            x[xk + STATE.p_22 * LANES] = c22 + FLUSH_P
            x[xk + STATE.p_2h * LANES] = (c2h + FLUSH_P) - FLUSH_P
            x[xk + STATE.p_2e * LANES] = (c2e + FLUSH_P) - FLUSH_P
            x[xk + STATE.p_hh * LANES] = hh + FLUSH_P
            x[xk + STATE.p_he * LANES] = (he + FLUSH_P) - FLUSH_P
            x[xk + STATE.p_ee * LANES] = ee + FLUSH_P


@njit
def correct(step: Array, state: Array, work: Array, looked: Array) -> None:
    """Compare with the measured voltage and correct. Where `use` is 0 nothing changes.

    P - (P h)(P h)'/S stays positive: the noise R is above 1e-8 V², so h'P h/S stays clear of 1 by far more than float64
    rounds.
    """
    now_a = step[STEP.current_now_a]
    now_var = step[STEP.current_var]
    rc_var = now_var + (RESISTANCE_ERROR * step[STEP.current_a]) ** 2
    r0_var = now_var + (RESISTANCE_ERROR * now_a) ** 2
    instant_v = step[STEP.hysteresis_instant_v] * step[STEP.sign]
    voltage_var = step[STEP.voltage_var] + INNOVATION_MIN_V * INNOVATION_MIN_V
    per_dt = 2.0 / max(step[STEP.dt_s], 1e-3)
    x = state.reshape(-1)
    y = work.reshape(-1)
    z = looked.reshape(-1)
    for c in range(state.shape[0]):
        s0 = c * (STATES * LANES)
        w0 = c * (WORKS * LANES)
        t0 = c * (tables.PARAMETERS * LANES)
        for k in range(LANES):
            xk = s0 + k
            yk = w0 + k
            zk = t0 + k * tables.PARAMETERS
            soc = x[xk + STATE.soc * LANES]
            low = y[yk + WORK.low * LANES]
            low_v = y[yk + WORK.low_v * LANES]
            ocv = z[zk + tables.OCV_V]
            slope = (y[yk + WORK.high_v * LANES] - low_v) / (y[yk + WORK.high * LANES] - low)
            bend = low_v + slope * (soc - low) - ocv  # what the straight line misses
            m = z[zk + tables.HYSTERESIS_V]
            factor = y[yk + WORK.factor * LANES]
            r0 = z[zk + tables.R0_OHM] * factor
            r1 = z[zk + tables.R1_OHM] * factor
            std = z[zk + tables.MODEL_STD_V]
            model_var = std * std * y[yk + WORK.doubt * LANES]
            v2 = x[xk + STATE.v2 * LANES]
            h = x[xk + STATE.h * LANES]
            e = x[xk + STATE.e * LANES]
            ss = x[xk + STATE.p_ss * LANES]
            s2 = x[xk + STATE.p_s2 * LANES]
            sh = x[xk + STATE.p_sh * LANES]
            se = x[xk + STATE.p_se * LANES]
            c22 = x[xk + STATE.p_22 * LANES]
            c2h = x[xk + STATE.p_2h * LANES]
            c2e = x[xk + STATE.p_2e * LANES]
            hh = x[xk + STATE.p_hh * LANES]
            he = x[xk + STATE.p_he * LANES]
            ee = x[xk + STATE.p_ee * LANES]

            g_s = slope * ss + s2 + m * sh + se
            g_2 = slope * s2 + c22 + m * c2h + c2e
            g_h = slope * sh + c2h + m * hh + he
            g_e = slope * se + c2e + m * he + ee
            fast_var = rc_var * r1 * r1 + r0_var * r0 * r0 + FAST_SHARE * model_var
            r = voltage_var + (1.0 + z[zk + tables.TAU1_S] * per_dt) * fast_var + bend * bend
            s = slope * g_s + g_2 + m * g_h + g_e + r
            predicted = ocv + m * h + instant_v + r0 * now_a + x[xk + STATE.v1 * LANES] + v2 + e
            use = y[yk + WORK.use * LANES]
            residual = use * (y[yk + WORK.voltage_v * LANES] - predicted)
            gain = use / s
            # Beyond CLIP standard deviations a residual counts less the larger it is, but never nothing.
            q = gain * residual * min(1.0, CLIP * CLIP * s / (residual * residual + TINY))
            y[yk + WORK.slope_v * LANES] = slope
            y[yk + WORK.predicted_v * LANES] = predicted
            y[yk + WORK.residual_v * LANES] = residual
            x[xk + STATE.soc * LANES] = min(max(soc + g_s * q, 0.0), 1.0)
            x[xk + STATE.v2 * LANES] = v2 + g_2 * q
            x[xk + STATE.h * LANES] = min(max(h + g_h * q, -1.0), 1.0)
            x[xk + STATE.e * LANES] = e + g_e * q
            x[xk + STATE.p_ss * LANES] = ss - g_s * g_s * gain
            x[xk + STATE.p_s2 * LANES] = s2 - g_s * g_2 * gain
            x[xk + STATE.p_sh * LANES] = sh - g_s * g_h * gain
            x[xk + STATE.p_se * LANES] = se - g_s * g_e * gain
            x[xk + STATE.p_22 * LANES] = c22 - g_2 * g_2 * gain
            x[xk + STATE.p_2h * LANES] = c2h - g_2 * g_h * gain
            x[xk + STATE.p_2e * LANES] = c2e - g_2 * g_e * gain
            x[xk + STATE.p_hh * LANES] = hh - g_h * g_h * gain
            x[xk + STATE.p_he * LANES] = he - g_h * g_e * gain
            x[xk + STATE.p_ee * LANES] = ee - g_e * g_e * gain
