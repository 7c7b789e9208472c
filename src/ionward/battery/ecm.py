"""Equivalent circuit of one cell: two RC pairs in series with a resistor, and an OCV with hysteresis.

Current is positive when charging:

    v   = OCV(soc, T) + H(soc, T) h + M0 sgn(i) + R0 i + v1 + v2
    v1' = a v1 + (1 - a) R1 i,  a = exp(-dt / tau1)    exact for a current that is constant over dt; v2 alike
    h'  = e h + (1 - e) sgn(i), e = exp(-|i| gamma dt / Q)

The hysteresis state follows G. L. Plett, Battery Management Systems, vol. I, section 2.8 (one-state model
with an instantaneous part M0). Identification, twin and estimator share these functions.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np
import numpy.typing as npt

from ionward._compile import allocating, njit
from ionward.battery import tables
from ionward.battery.tables import soc_cell, temperature_cell

Array = npt.NDArray[np.float64]

# Rows of a state vector.
State = namedtuple("State", ["soc", "v1_v", "v2_v", "h"])
STATE = State(0, 1, 2, 3)
STATES = 4

_OCV = tables.OCV_V
_HYSTERESIS = tables.HYSTERESIS_V
_R0 = tables.R0_OHM
_R1 = tables.R1_OHM
_TAU1 = tables.TAU1_S
_R2 = tables.R2_OHM
_TAU2 = tables.TAU2_S
_PARAMETERS = tables.PARAMETERS


@njit
def lookup(table: Array, soc: float, temperature_c: float, out: Array) -> None:
    """Write all parameters at this SOC and temperature into `out` (bilinear; ends are held).

    Args:
        table: `[temperature, soc, parameter]`, see `battery.tables`.
        soc: 0..1.
        temperature_c: degC.
        out: `[parameter]`.
    """
    t, wt = temperature_cell(temperature_c)
    s, ws = soc_cell(soc)
    w00 = (1.0 - wt) * (1.0 - ws)
    w01 = (1.0 - wt) * ws
    w10 = wt * (1.0 - ws)
    w11 = wt * ws
    for p in range(_PARAMETERS):
        out[p] = (
            w00 * table[t, s, p] + w01 * table[t, s + 1, p] + w10 * table[t + 1, s, p] + w11 * table[t + 1, s + 1, p]
        )


@njit
def sign(current_a: float) -> float:
    """-1, 0 or +1; a current of exactly zero has no direction."""
    if current_a > 0.0:
        return 1.0
    if current_a < 0.0:
        return -1.0
    return 0.0


@njit
def step(parameters: Array, state: Array, current_a: float, dt_s: float, capacity_ah: float, rate: float) -> None:
    """Advance `state` by `dt_s` under a current that is constant meanwhile.

    Args:
        parameters: as `lookup` wrote them.
        state: `[STATE]`, changed in place. SOC is not clamped here.
        current_a: A, positive when charging.
        dt_s: s.
        capacity_ah: Ah.
        rate: gamma of the hysteresis.
    """
    a1 = math.exp(-dt_s / parameters[_TAU1])
    a2 = math.exp(-dt_s / parameters[_TAU2])
    e = math.exp(-abs(current_a) * rate * dt_s / (3600.0 * capacity_ah))
    state[0] += current_a * dt_s / (3600.0 * capacity_ah)
    state[1] = a1 * state[1] + (1.0 - a1) * parameters[_R1] * current_a
    state[2] = a2 * state[2] + (1.0 - a2) * parameters[_R2] * current_a
    state[3] = e * state[3] + (1.0 - e) * sign(current_a)


@njit
def terminal_voltage(parameters: Array, state: Array, current_a: float, instantaneous_v: float) -> float:
    """Voltage at the terminals, V. `parameters` are those at the state's SOC."""
    return float(
        parameters[_OCV]
        + parameters[_HYSTERESIS] * state[3]
        + instantaneous_v * sign(current_a)
        + parameters[_R0] * current_a
        + state[1]
        + state[2]
    )


@allocating
def simulate(
    table: Array,
    capacity_ah: float,
    rate: float,
    instantaneous_v: float,
    time_s: Array,
    current_a: Array,
    temperature_c: Array,
    state: Array,
    voltage_v: Array,
    soc: Array,
) -> None:
    """Voltage and SOC of one cell at each sample; the current between two samples is their mean.

    Args:
        table: `[temperature, soc, parameter]`.
        capacity_ah: Ah.
        rate: gamma of the hysteresis.
        instantaneous_v: M0, V.
        time_s: `[row]`, rising.
        current_a: `[row]`, positive when charging.
        temperature_c: `[row]`.
        state: `[STATE]` at the first sample; left at that of the last.
        voltage_v: `[row]`, written.
        soc: `[row]`, written.
    """
    parameters = np.empty(_PARAMETERS)
    for k in range(len(time_s)):
        if k > 0:
            mean = 0.5 * (current_a[k - 1] + current_a[k])
            step(parameters, state, mean, time_s[k] - time_s[k - 1], capacity_ah, rate)
        lookup(table, state[0], temperature_c[k], parameters)
        voltage_v[k] = terminal_voltage(parameters, state, current_a[k], instantaneous_v)
        soc[k] = state[0]
