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

from ionward._compile import inlined, njit
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

Values = tuple[float, ...]

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


@inlined
def weighted(flat: Array, at: int, a: float, b: float, c: float, d: float) -> float:
    """Bilinear value of one parameter from its four corners; `at` is its place in the first one of the flat table."""
    return float(
        a * flat[at]
        + b * flat[at + tables.PARAMETERS]
        + c * flat[at + TABLE_ROW]
        + d * flat[at + TABLE_ROW + tables.PARAMETERS]
    )


@njit
def look_up(flat: Array, charge_ah: float, x: Array, y: Array, z: Array, chunks: int) -> None:
    """Predict the SOC of each cell and read the tables there; temperatures must be finite.

    `flat` is the table `[temperature, soc, parameter]`; `x`, `y` and `z` are state, work and looked of `filter_step`.
    """
    for c in range(chunks):
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
            cell = c * (tables.PARAMETERS * LANES) + k
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
            z[cell + tables.OCV_V * LANES] = ocv_v
            z[cell + tables.HYSTERESIS_V * LANES] = hysteresis_v
            z[cell + tables.R0_OHM * LANES] = r0_ohm
            z[cell + tables.R1_OHM * LANES] = r1_ohm
            z[cell + tables.TAU1_S * LANES] = tau1_s
            z[cell + tables.R2_OHM * LANES] = r2_ohm
            z[cell + tables.TAU2_S * LANES] = tau2_s
            z[cell + tables.MODEL_STD_V * LANES] = model_std_v
            y[w0 + WORK.high_v * LANES + k] = high_v
            y[w0 + WORK.low_v * LANES + k] = low_v


@inlined
def carried_covariance(x: Array, xk: int, a2: float, ah: float, ae: float) -> Values:
    """The nine numbers of the covariance that decay, in the order of STATE from p_s2 on, without noise."""
    return (
        (a2 * x[xk + STATE.p_s2 * LANES] + FLUSH_P) - FLUSH_P,
        (ah * x[xk + STATE.p_sh * LANES] + FLUSH_P) - FLUSH_P,
        (ae * x[xk + STATE.p_se * LANES] + FLUSH_P) - FLUSH_P,
        a2 * a2 * x[xk + STATE.p_22 * LANES] + FLUSH_P,
        (a2 * ah * x[xk + STATE.p_2h * LANES] + FLUSH_P) - FLUSH_P,
        (a2 * ae * x[xk + STATE.p_2e * LANES] + FLUSH_P) - FLUSH_P,
        ah * ah * x[xk + STATE.p_hh * LANES] + FLUSH_P,
        (ah * ae * x[xk + STATE.p_he * LANES] + FLUSH_P) - FLUSH_P,
        ae * ae * x[xk + STATE.p_ee * LANES] + FLUSH_P,
    )


@inlined
def correct_states(x: Array, xk: int, p: Values, g: Values, q: float) -> None:
    """Move the states by their gains times the weighted residual `q`."""
    x[xk + STATE.soc * LANES] = min(max(p[0] + g[0] * q, 0.0), 1.0)
    x[xk + STATE.v2 * LANES] = p[1] + g[1] * q
    x[xk + STATE.h * LANES] = min(max(p[2] + g[2] * q, -1.0), 1.0)
    x[xk + STATE.e * LANES] = p[3] + g[3] * q


@inlined
def correct_covariance(x: Array, xk: int, p: Values, g: Values, gain: float) -> None:
    """P - (P h)(P h)'/S with `g` = P h and `gain` = 1/S, or 0 where there is no new voltage.

    It stays positive: the noise R is above 1e-8 V², so h'P h/S stays clear of 1 by far more than float64 rounds.
    """
    ss, s2, sh, se, c22, c2h, c2e, hh, he, ee = p
    g_s, g_2, g_h, g_e = g
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


@njit
def filter_step(table: Array, step: Array, state: Array, work: Array, looked: Array) -> None:
    """One step of every cell: look up, predict over the interval, and correct where a new voltage is there.

    `table` is `[temperature, soc, parameter]`, `step` is `[STEP]`, `state` is `[chunk, STATE, lane]`, `work` is
    `[chunk, WORK, lane]` and `looked` is `[chunk, parameter, lane]`. Where `use` is 0, nothing is corrected.

    Prediction and correction are one loop: two would store and load the whole state once more. The flat views are made
    here, once, because each costs as much as a cell.
    """
    flat = table.reshape(-1)
    x = state.reshape(-1)
    y = work.reshape(-1)
    z = looked.reshape(-1)
    dt_s = step[STEP.dt_s]
    charge_ah = step[STEP.charge_ah]
    charge_var = step[STEP.charge_var]
    current_a = step[STEP.current_a]
    now_a = step[STEP.current_now_a]
    rate = step[STEP.hysteresis_rate]
    toward = 1.0 if current_a > 0.0 else (-1.0 if current_a < 0.0 else 0.0)
    rc_var = step[STEP.current_var] + (RESISTANCE_ERROR * current_a) ** 2
    r0_var = step[STEP.current_var] + (RESISTANCE_ERROR * now_a) ** 2
    instant_v = step[STEP.hysteresis_instant_v] * step[STEP.sign]
    voltage_var = step[STEP.voltage_var] + INNOVATION_MIN_V * INNOVATION_MIN_V
    per_dt = 2.0 / max(dt_s, 1e-3)
    error_time = dt_s / ERROR_TIME_S
    look_up(flat, charge_ah, x, y, z, state.shape[0])
    for c in range(state.shape[0]):
        for k in range(LANES):
            xk = c * (STATES * LANES) + k
            yk = c * (WORKS * LANES) + k
            zk = c * (tables.PARAMETERS * LANES) + k
            ocv = z[zk + tables.OCV_V * LANES]
            m = z[zk + tables.HYSTERESIS_V * LANES]
            factor = y[yk + WORK.factor * LANES]
            r0 = z[zk + tables.R0_OHM * LANES] * factor
            r1 = z[zk + tables.R1_OHM * LANES] * factor
            tau1 = z[zk + tables.TAU1_S * LANES]
            r2 = z[zk + tables.R2_OHM * LANES] * factor
            std = z[zk + tables.MODEL_STD_V * LANES]
            model_var = std * std * y[yk + WORK.doubt * LANES]
            per_ah = 1.0 / y[yk + WORK.capacity_ah * LANES]
            moved = abs(charge_ah * per_ah)
            a1 = decay(dt_s / tau1)
            a2 = decay(dt_s / z[zk + tables.TAU2_S * LANES])
            ah = decay(moved * rate)
            ae = decay(error_time + moved * (1.0 / ERROR_SOC))

            soc = y[yk + WORK.soc * LANES]
            v1 = (a1 * x[xk + STATE.v1 * LANES] + r1 * (1.0 - a1) * current_a + FLUSH_V) - FLUSH_V
            v2 = (a2 * x[xk + STATE.v2 * LANES] + r2 * (1.0 - a2) * current_a + FLUSH_V) - FLUSH_V
            h = (ah * x[xk + STATE.h * LANES] + (1.0 - ah) * toward + FLUSH_V) - FLUSH_V
            e = (ae * x[xk + STATE.e * LANES] + FLUSH_V) - FLUSH_V
            ss = x[xk + STATE.p_ss * LANES]
            ss = min(ss + charge_var * per_ah * per_ah, max(ss, SOC_VAR_MAX))
            s2, sh, se, c22, c2h, c2e, hh, he, ee = carried_covariance(x, xk, a2, ah, ae)
            c22 += (1.0 - a2 * a2) * (rc_var * r2 * r2 + SLOW_SHARE * model_var)
            hh += (1.0 - ah * ah) * (HYSTERESIS_ERROR * HYSTERESIS_ERROR)
            ee += (1.0 - ae * ae) * (ERROR_SHARE * model_var)

            low = y[yk + WORK.low * LANES]
            low_v = y[yk + WORK.low_v * LANES]
            slope = (y[yk + WORK.high_v * LANES] - low_v) / (y[yk + WORK.high * LANES] - low)
            bend = low_v + slope * (soc - low) - ocv  # what the straight line misses
            g_s = slope * ss + s2 + m * sh + se
            g_2 = slope * s2 + c22 + m * c2h + c2e
            g_h = slope * sh + c2h + m * hh + he
            g_e = slope * se + c2e + m * he + ee
            fast_var = rc_var * r1 * r1 + r0_var * r0 * r0 + FAST_SHARE * model_var
            r = voltage_var + (1.0 + tau1 * per_dt) * fast_var + bend * bend
            s = slope * g_s + g_2 + m * g_h + g_e + r
            predicted = ocv + m * h + instant_v + r0 * now_a + v1 + v2 + e
            use = y[yk + WORK.use * LANES]
            residual = use * (y[yk + WORK.voltage_v * LANES] - predicted)
            gain = use / s
            # Beyond CLIP standard deviations a residual counts less the larger it is, but never nothing.
            q = gain * residual * min(1.0, CLIP * CLIP * s / (residual * residual + TINY))
            y[yk + WORK.ocv_v * LANES] = ocv
            y[yk + WORK.slope_v * LANES] = slope
            y[yk + WORK.predicted_v * LANES] = predicted
            y[yk + WORK.residual_v * LANES] = residual
            x[xk + STATE.v1 * LANES] = v1
            correct_states(x, xk, (soc, v2, h, e), (g_s, g_2, g_h, g_e), q)
            correct_covariance(x, xk, (ss, s2, sh, se, c22, c2h, c2e, hh, he, ee), (g_s, g_2, g_h, g_e), gain)
