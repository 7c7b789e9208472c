"""The cells' electrical side: 2RC with hysteresis, every cell its own, in series.

The equations are those of `battery.tables`, discretised exactly for a current that is constant over the step:

    v   = OCV(soc, T) + H h + M0 s + R0 i + v1 + v2          (i positive when charging)
    v1' = e^(-dt/tau1) v1 + R1 (1 - e^(-dt/tau1)) i          (v2 alike)
    h'  = e^(-x) h + (1 - e^(-x)) sgn(i),  x = |i| gamma dt / Q     (Plett, one-state hysteresis)

Look-ups are kept out of the arithmetic: OCV and its slope, resistances and decay factors of a cell are read again
in turn, and the OCV is straight in between, as the table itself is.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ionward._compile import njit
from ionward.battery import tables
from ionward.twin.rows import CELLS, SET, STATE

Array = npt.NDArray[np.float64]

# Below this part of 1 C the instantaneous hysteresis fades: a self-discharge of microamperes must not flip it.
INSTANT_FULL_C_RATE = 1e-3


@njit
def refresh(cells: Array, table: Array, settings: Array, first: int, count: int) -> None:
    """Read the tables again for `count` cells from `first`, going round at the end."""
    dt_s = settings[SET.dt_s]
    bleed_s = 1.0 / settings[SET.bleed_ohm]
    n = cells.shape[1]
    for offset in range(count):
        k = (first + offset) % n
        soc = cells[CELLS.soc, k]
        i, u = tables.temperature_cell(0.5 * (cells[CELLS.core_c, k] + cells[CELLS.surface_c, k]))
        j, w = tables.soc_cell(soc)
        a, b, c, d = table[i, j], table[i, j + 1], table[i + 1, j], table[i + 1, j + 1]
        wa, wb, wc, wd = (1.0 - u) * (1.0 - w), (1.0 - u) * w, u * (1.0 - w), u * w

        low = (1.0 - u) * a[tables.OCV_V] + u * c[tables.OCV_V]
        high = (1.0 - u) * b[tables.OCV_V] + u * d[tables.OCV_V]
        slope = (high - low) * (tables.SOCS - 1)
        ocv = low + w * (high - low)
        # The table ends where the data sheet ends; an abused cell goes on, and steeply.
        if soc > 1.0:
            slope = max(slope, settings[SET.overcharge_slope_v])
            ocv = high + (soc - 1.0) * slope
        elif soc < 0.0:
            slope = max(slope, settings[SET.overdischarge_slope_v])
            ocv = max(low + soc * slope, 0.0)
            if ocv == 0.0:
                slope = 0.0
        cells[CELLS.ocv_v, k] = ocv
        cells[CELLS.ocv_slope_v, k] = slope
        cells[CELLS.soc_at, k] = soc
        cells[CELLS.hysteresis_v, k] = (
            wa * a[tables.HYSTERESIS_V] + wb * b[tables.HYSTERESIS_V]
            + wc * c[tables.HYSTERESIS_V] + wd * d[tables.HYSTERESIS_V]
        )  # fmt: skip
        factor = cells[CELLS.resistance_factor, k]
        r0 = factor * (wa * a[tables.R0_OHM] + wb * b[tables.R0_OHM] + wc * c[tables.R0_OHM] + wd * d[tables.R0_OHM])
        r1 = factor * (wa * a[tables.R1_OHM] + wb * b[tables.R1_OHM] + wc * c[tables.R1_OHM] + wd * d[tables.R1_OHM])
        r2 = factor * (wa * a[tables.R2_OHM] + wb * b[tables.R2_OHM] + wc * c[tables.R2_OHM] + wd * d[tables.R2_OHM])
        tau1 = wa * a[tables.TAU1_S] + wb * b[tables.TAU1_S] + wc * c[tables.TAU1_S] + wd * d[tables.TAU1_S]
        tau2 = wa * a[tables.TAU2_S] + wb * b[tables.TAU2_S] + wc * c[tables.TAU2_S] + wd * d[tables.TAU2_S]
        keep1, keep2 = math.exp(-dt_s / tau1), math.exp(-dt_s / tau2)
        cells[CELLS.r0_ohm, k] = r0
        cells[CELLS.keep1, k] = keep1
        cells[CELLS.gain1_ohm, k] = r1 * (1.0 - keep1)
        cells[CELLS.keep2, k] = keep2
        cells[CELLS.gain2_ohm, k] = r2 * (1.0 - keep2)

        on = cells[CELLS.bleed, k]
        if cells[CELLS.bleed_stuck, k] > 0.0:
            on = 1.0
        elif cells[CELLS.bleed_stuck, k] < 0.0:
            on = 0.0
        cells[CELLS.bleed_s, k] = on * bleed_s
        beside = cells[CELLS.leak_s, k] + cells[CELLS.short_s, k] + cells[CELLS.bleed_s, k]
        cells[CELLS.divider, k] = 1.0 / (1.0 + r0 * beside)


@njit
def emf(cells: Array, state: Array) -> None:
    """Sum the cells in series to one voltage behind one resistance, as the outer circuit sees them.

    With G in parallel to the cell, its terminal voltage is (E + R0 i) / (1 + R0 G).
    """
    # Independent partial sums, so that one addition need not wait for the one before.
    n = cells.shape[1]
    v0 = v1 = v2 = v3 = 0.0
    s0 = s1 = s2 = s3 = 0.0
    whole = n - n % 4
    for k in range(0, whole, 4):
        v0 += cells[CELLS.emf_v, k] * cells[CELLS.divider, k]
        v1 += cells[CELLS.emf_v, k + 1] * cells[CELLS.divider, k + 1]
        v2 += cells[CELLS.emf_v, k + 2] * cells[CELLS.divider, k + 2]
        v3 += cells[CELLS.emf_v, k + 3] * cells[CELLS.divider, k + 3]
        s0 += cells[CELLS.r0_ohm, k] * cells[CELLS.divider, k] + cells[CELLS.tap_ohm, k]
        s1 += cells[CELLS.r0_ohm, k + 1] * cells[CELLS.divider, k + 1] + cells[CELLS.tap_ohm, k + 1]
        s2 += cells[CELLS.r0_ohm, k + 2] * cells[CELLS.divider, k + 2] + cells[CELLS.tap_ohm, k + 2]
        s3 += cells[CELLS.r0_ohm, k + 3] * cells[CELLS.divider, k + 3] + cells[CELLS.tap_ohm, k + 3]
    for k in range(whole, n):
        v0 += cells[CELLS.emf_v, k] * cells[CELLS.divider, k]
        s0 += cells[CELLS.r0_ohm, k] * cells[CELLS.divider, k] + cells[CELLS.tap_ohm, k]
    state[STATE.emf_v] = (v0 + v1) + (v2 + v3)
    state[STATE.resistance_ohm] = (s0 + s1) + (s2 + s3)


@njit
def advance(cells: Array, settings: Array, mean_a: float, end_a: float) -> None:
    """One step with the pack current `mean_a`; terminal voltages are those at its end, with `end_a`."""
    dt_s = settings[SET.dt_s]
    gamma_dt = settings[SET.hysteresis_rate] * dt_s
    instant_v = settings[SET.hysteresis_instant_v]
    entropic = settings[SET.entropic_v_per_k]
    soc, h, v1, v2 = cells[CELLS.soc], cells[CELLS.hysteresis], cells[CELLS.v1_v], cells[CELLS.v2_v]
    e, r0, divider = cells[CELLS.emf_v], cells[CELLS.r0_ohm], cells[CELLS.divider]
    current, voltage, heat = cells[CELLS.current_a], cells[CELLS.voltage_v], cells[CELLS.heat_j]
    leak, short, bleed = cells[CELLS.leak_s], cells[CELLS.short_s], cells[CELLS.bleed_s]
    capacity, core = cells[CELLS.capacity_as], cells[CELLS.core_c]
    n = soc.shape[0]

    for k in range(n):
        v = (e[k] + r0[k] * mean_a) * divider[k]
        i = mean_a - v * (leak[k] + short[k] + bleed[k])
        current[k] = i
        heat[k] += dt_s * v * v * short[k]  # the short lies inside the cell, the bleed resistor does not
        voltage[k] = v

    keep1, gain1, keep2, gain2 = cells[CELLS.keep1], cells[CELLS.gain1_ohm], cells[CELLS.keep2], cells[CELLS.gain2_ohm]
    for k in range(n):
        v1[k] = keep1[k] * v1[k] + gain1[k] * current[k]
        v2[k] = keep2[k] * v2[k] + gain2[k] * current[k]

    ocv, slope, at, width = cells[CELLS.ocv_v], cells[CELLS.ocv_slope_v], cells[CELLS.soc_at], cells[CELLS.hysteresis_v]
    full_a = INSTANT_FULL_C_RATE / 3600.0
    for k in range(n):
        i = current[k]
        # Heat is what does not stay as charge (Bernardi), with the entropic part.
        u = ocv[k] + slope[k] * (soc[k] - at[k])
        heat[k] += dt_s * i * (voltage[k] - u + (core[k] + 273.15) * entropic)
        soc[k] += i * dt_s / capacity[k]
        # e^-x to third order as a quotient: within 1e-7 up to x = 0.04, and between 0 and 1 for any x.
        x = abs(i) * gamma_dt / capacity[k]
        stay = 1.0 / (1.0 + x * (1.0 + x * (0.5 + x * (1.0 / 6.0))))
        sign = min(max(i / (full_a * capacity[k]), -1.0), 1.0)
        h[k] = stay * h[k] + (1.0 - stay) * sign
        e[k] = ocv[k] + slope[k] * (soc[k] - at[k]) + width[k] * h[k] + instant_v * sign + v1[k] + v2[k]

    for k in range(n):
        voltage[k] = (e[k] + r0[k] * end_a) * divider[k]


@njit
def sense(cells: Array, settings: Array, end_a: float) -> None:
    """Voltages between the sense wires: the cell, a bad joint between its taps, and broken wires."""
    n = cells.shape[1]
    voltage, tap, out = cells[CELLS.voltage_v], cells[CELLS.tap_ohm], cells[CELLS.sense_v]
    for k in range(n):
        out[k] = voltage[k] + tap[k] * end_a
    dt_s = settings[SET.dt_s]
    for k in range(n):
        if cells[CELLS.wire_open, k] > 0.0:
            # The input between two cells floats; its leakage pulls it down within a tenth of a second, so the cell
            # below loses what the cell above gains.
            drift = cells[CELLS.wire_drift_v, k]
            drift += (cells[CELLS.wire_open, k] * voltage[k] - drift) * (1.0 - math.exp(-dt_s / 0.1))
            cells[CELLS.wire_drift_v, k] = drift
            out[k] -= drift
            if k + 1 < n:
                out[k + 1] += drift
