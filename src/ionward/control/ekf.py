"""Arithmetic of the cell filter: a 2RC equivalent circuit with hysteresis in an extended Kalman filter.

Model of one cell, current i positive when charging (Plett, Battery Management Systems vol. I, ch. 2):

    v   = OCV(soc, T) + H(soc, T) h + M0 sgn(i) + R0 i + v1 + v2
    soc+ = soc + charge / Q
    vk+ = e^(-dt/tau_k) vk + Rk (1 - e^(-dt/tau_k)) i
    h+  = a h + (1 - a) sgn(i),  a = e^(-|i gamma dt / Q|)

The filter differs from the textbook in what it knows about its own errors:

- A model error is not white. It is a slow voltage that stays for minutes, so it is carried as a first-order
  Gauss-Markov process in the very states that have such time constants (v1, v2): their process noise is
  sigma^2 (1 - e^(-2 dt/tau)). The filter therefore learns as much from a minute at 1 Hz as from a minute at 100 Hz.
- The OCV is linearised over the present uncertainty (central differences over one standard deviation, as in a
  sigma-point filter), not at a point: a start that is 20 points wrong on a curve with a plateau and two knees still
  sees the knees. What the straight line misses is added to the measurement noise.

Everything is written as plain loops over `[field, cell]` blocks. The look-ups are split from the arithmetic, so that
the arithmetic becomes vector code.
"""

from __future__ import annotations

import math

from ionward._compile import njit
from ionward.battery import tables
from ionward.image.catalogue import Signal, rows
from ionward.image.inputs import Array
from ionward.image.parameters import CELLP

STATE_SIGNALS = (
    Signal("soc", "", "State of charge", "f8", 0, 1),
    Signal("v1", "V", "Voltage of the fast RC element"),
    Signal("v2", "V", "Voltage of the slow RC element"),
    Signal("h", "", "Hysteresis state: 1 on the charge branch, -1 on the discharge branch", "f8", -1, 1),
    Signal("p_ss", "", "Variance of soc", minimum=0),
    Signal("p_s1", "V", "Covariance of soc and v1"),
    Signal("p_s2", "V", "Covariance of soc and v2"),
    Signal("p_sh", "", "Covariance of soc and h"),
    Signal("p_11", "V²", "Variance of v1", minimum=0),
    Signal("p_12", "V²", "Covariance of v1 and v2"),
    Signal("p_1h", "V", "Covariance of v1 and h"),
    Signal("p_22", "V²", "Variance of v2", minimum=0),
    Signal("p_2h", "V", "Covariance of v2 and h"),
    Signal("p_hh", "", "Variance of h", minimum=0),
)
STATE = rows("FilterState", STATE_SIGNALS)

# What the filter step works on, one row for each input and each looked-up parameter.
WORK_SIGNALS = (
    Signal("voltage_v", "V", "Measured voltage, or 0 where `use` is 0"),
    Signal("use", "", "1: the voltage is a new, good sample", "f8", 0, 1),
    Signal("temperature_c", "°C", "Temperature that the tables are read at"),
    Signal("doubt", "", "Factor on the model's variance, above 1 where the temperature is not known"),
    Signal("soc", "", "SOC after prediction", "f8", 0, 1),
    Signal("ocv_v", "V", "Open-circuit voltage there, mean of the branches"),
    Signal("slope_v", "V", "Slope of the OCV over one standard deviation of the SOC"),
    Signal("bend_v", "V", "What the straight line misses"),
    Signal("hysteresis_v", "V", "Half the distance of the branches"),
    Signal("r0_ohm", "Ω", "Ohmic resistance of the model cell"),
    Signal("r1_ohm", "Ω", "Resistance of the fast RC element"),
    Signal("tau1_s", "s", "Time constant of the fast RC element"),
    Signal("r2_ohm", "Ω", "Resistance of the slow RC element"),
    Signal("tau2_s", "s", "Time constant of the slow RC element"),
    Signal("model_std_v", "V", "Standard deviation of the model's voltage"),
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

# Where a row of the table goes in the work block.
assert WORK.model_std_v - WORK.hysteresis_v == tables.MODEL_STD_V - tables.HYSTERESIS_V
TABLE_TO_WORK = WORK.hysteresis_v - tables.HYSTERESIS_V

# Shares of MODEL_STD carried by the slow and the fast element and as white noise, and the relative error of the table's
# resistances (spread of new cells and ageing between checks; [K] 10..20 % is what pack makers accept at goods inward).
RESISTANCE_ERROR = 0.1
WHITE_TIME_S = 2.0  # model errors faster than the fast element: correlated about so long
HYSTERESIS_ERROR = 0.5  # the one-state model in part of its loop: standard deviation that h tends to
SOC_VAR_MAX = 1.0 / 12.0  # nothing known: equally likely anywhere between empty and full
CLIP = 4.0  # an innovation counts up to so many standard deviations
INNOVATION_MIN_V = 1e-4  # lowest standard deviation of a voltage sample: no sensor and no model is better

# Added and taken away again, these flush what has decayed to (almost) nothing to zero: arithmetic on denormal
# numbers is ten times slower.
FLUSH_V = 1e-12
FLUSH_P = 1e-18


@njit
def decay(x: float) -> float:
    """exp(-x) for x >= 0 to 1e-13 (relative to 1), written so that a loop over cells becomes vector code.

    Scaling and squaring of the Taylor series: `exp` itself is a call that ends vectorisation.
    """
    y = min(x, 64.0) * -0.015625  # /64
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
def look_up(table: Array, step: Array, cells: Array, state: Array, work: Array) -> None:
    """Predict each cell's SOC and read the tables there; temperatures must be finite."""
    charge_ah = step[STEP.charge_ah]
    for k in range(state.shape[1]):
        soc = min(max(state[STATE.soc, k] + charge_ah / cells[CELLP.capacity_ah, k], 0.0), 1.0)
        work[WORK.soc, k] = soc
        i, u = tables.temperature_cell(work[WORK.temperature_c, k])
        j, w = tables.soc_cell(soc)
        a = (1.0 - u) * (1.0 - w)
        b = (1.0 - u) * w
        c = u * (1.0 - w)
        d = u * w
        ocv_v = (
            a * table[i, j, tables.OCV_V]
            + b * table[i, j + 1, tables.OCV_V]
            + c * table[i + 1, j, tables.OCV_V]
            + d * table[i + 1, j + 1, tables.OCV_V]
        )
        for p in range(tables.HYSTERESIS_V, tables.PARAMETERS):
            work[p + TABLE_TO_WORK, k] = (
                a * table[i, j, p] + b * table[i, j + 1, p] + c * table[i + 1, j, p] + d * table[i + 1, j + 1, p]
            )
        reach = max(math.sqrt(state[STATE.p_ss, k]), 0.5 / (tables.SOCS - 1))
        high = min(soc + reach, 1.0)
        low = max(soc - reach, 0.0)
        j, w = tables.soc_cell(high)
        high_v = (1.0 - u) * ((1.0 - w) * table[i, j, tables.OCV_V] + w * table[i, j + 1, tables.OCV_V]) + u * (
            (1.0 - w) * table[i + 1, j, tables.OCV_V] + w * table[i + 1, j + 1, tables.OCV_V]
        )
        j, w = tables.soc_cell(low)
        low_v = (1.0 - u) * ((1.0 - w) * table[i, j, tables.OCV_V] + w * table[i, j + 1, tables.OCV_V]) + u * (
            (1.0 - w) * table[i + 1, j, tables.OCV_V] + w * table[i + 1, j + 1, tables.OCV_V]
        )
        slope_v = (high_v - low_v) / (high - low)
        work[WORK.ocv_v, k] = ocv_v
        work[WORK.slope_v, k] = slope_v
        work[WORK.bend_v, k] = low_v + slope_v * (soc - low) - ocv_v


@njit
def filter_step(step: Array, cells: Array, state: Array, work: Array) -> None:
    """One step of every cell: predict over the interval, then correct where a new voltage is there.

    `step` is `[STEP]`, `state` is `[STATE, cell]`, `work` is `[WORK, cell]` as `look_up` left it. The correction
    P - (P h)(P h)'/S keeps P positive because R stays above 1e-8 V² (P h h' P never comes near P in float64).
    """
    dt_s = step[STEP.dt_s]
    charge_ah = step[STEP.charge_ah]
    charge_var = step[STEP.charge_var]
    current_a = step[STEP.current_a]
    now_a = step[STEP.current_now_a]
    now_var = step[STEP.current_var]
    sign = step[STEP.sign]
    rate = step[STEP.hysteresis_rate]
    instant_v = step[STEP.hysteresis_instant_v] * sign
    white = 1.0 + 2.0 * WHITE_TIME_S / max(dt_s, 1e-3)
    voltage_var = step[STEP.voltage_var] + INNOVATION_MIN_V * INNOVATION_MIN_V
    toward = 1.0 if current_a > 0.0 else (-1.0 if current_a < 0.0 else 0.0)
    resistance_var = now_var + (RESISTANCE_ERROR * current_a) ** 2
    r0_var = now_var + (RESISTANCE_ERROR * now_a) ** 2

    for k in range(state.shape[1]):
        capacity_ah = cells[CELLP.capacity_ah, k]
        factor = cells[CELLP.resistance_factor, k]
        r0 = work[WORK.r0_ohm, k] * factor
        r1 = work[WORK.r1_ohm, k] * factor
        r2 = work[WORK.r2_ohm, k] * factor
        slope = work[WORK.slope_v, k]
        m = work[WORK.hysteresis_v, k]
        std = work[WORK.model_std_v, k]
        model_var = std * std * work[WORK.doubt, k]
        a1 = decay(dt_s / work[WORK.tau1_s, k])
        a2 = decay(dt_s / work[WORK.tau2_s, k])
        ah = decay(abs(charge_ah * rate / capacity_ah))

        # predict
        soc = work[WORK.soc, k]
        v1 = (a1 * state[STATE.v1, k] + r1 * (1.0 - a1) * current_a + FLUSH_V) - FLUSH_V
        v2 = (a2 * state[STATE.v2, k] + r2 * (1.0 - a2) * current_a + FLUSH_V) - FLUSH_V
        h = (ah * state[STATE.h, k] + (1.0 - ah) * toward + FLUSH_V) - FLUSH_V
        old_ss = state[STATE.p_ss, k]
        ss = min(old_ss + charge_var / (capacity_ah * capacity_ah), max(old_ss, SOC_VAR_MAX))
        s1 = (a1 * state[STATE.p_s1, k] + FLUSH_P) - FLUSH_P
        s2 = (a2 * state[STATE.p_s2, k] + FLUSH_P) - FLUSH_P
        sh = (ah * state[STATE.p_sh, k] + FLUSH_P) - FLUSH_P
        c11 = a1 * a1 * state[STATE.p_11, k] + (1.0 - a1 * a1) * (resistance_var * r1 * r1 + 0.5 * model_var) + FLUSH_P
        c12 = (a1 * a2 * state[STATE.p_12, k] + FLUSH_P) - FLUSH_P
        c1h = (a1 * ah * state[STATE.p_1h, k] + FLUSH_P) - FLUSH_P
        c22 = a2 * a2 * state[STATE.p_22, k] + (1.0 - a2 * a2) * (resistance_var * r2 * r2 + model_var) + FLUSH_P
        c2h = (a2 * ah * state[STATE.p_2h, k] + FLUSH_P) - FLUSH_P
        hh = ah * ah * state[STATE.p_hh, k] + (1.0 - ah * ah) * HYSTERESIS_ERROR * HYSTERESIS_ERROR + FLUSH_P

        # correct
        hp_s = slope * ss + s1 + s2 + m * sh
        hp_1 = slope * s1 + c11 + c12 + m * c1h
        hp_2 = slope * s2 + c12 + c22 + m * c2h
        hp_h = slope * sh + c1h + c2h + m * hh
        bend = work[WORK.bend_v, k]
        r = voltage_var + white * 0.25 * model_var + r0 * r0 * r0_var + bend * bend
        s = slope * hp_s + hp_1 + hp_2 + m * hp_h + r
        predicted = work[WORK.ocv_v, k] + m * h + instant_v + r0 * now_a + v1 + v2
        use = work[WORK.use, k]
        residual = use * (work[WORK.voltage_v, k] - predicted)
        reach = CLIP * math.sqrt(s)
        gain = use / s
        y = gain * min(max(residual, -reach), reach)
        work[WORK.predicted_v, k] = predicted
        work[WORK.residual_v, k] = residual
        state[STATE.soc, k] = min(max(soc + hp_s * y, 0.0), 1.0)
        state[STATE.v1, k] = v1 + hp_1 * y
        state[STATE.v2, k] = v2 + hp_2 * y
        state[STATE.h, k] = min(max(h + hp_h * y, -1.0), 1.0)
        state[STATE.p_ss, k] = ss - hp_s * hp_s * gain
        state[STATE.p_s1, k] = s1 - hp_s * hp_1 * gain
        state[STATE.p_s2, k] = s2 - hp_s * hp_2 * gain
        state[STATE.p_sh, k] = sh - hp_s * hp_h * gain
        state[STATE.p_11, k] = c11 - hp_1 * hp_1 * gain
        state[STATE.p_12, k] = c12 - hp_1 * hp_2 * gain
        state[STATE.p_1h, k] = c1h - hp_1 * hp_h * gain
        state[STATE.p_22, k] = c22 - hp_2 * hp_2 * gain
        state[STATE.p_2h, k] = c2h - hp_2 * hp_h * gain
        state[STATE.p_hh, k] = hh - hp_h * hp_h * gain
