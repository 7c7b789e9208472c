"""The compiled heart of identification: residuals and normal equations of the cell model over one run.

All parameters stand in one vector; what is positive stands as its logarithm. Sensitivities to the
parameters at the grid's corners are exact for OCV, hysteresis voltage and R0, and local for the RC pairs (a
pair's voltage is taken as proportional to its resistance here and now, and the sensitivity to the time
constant runs as a third filter). That is enough for Gauss-Newton: the residuals themselves are those of the
exact model.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np
import numpy.typing as npt

from ionward._compile import allocating, njit

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

# Columns of a run's block `[column, row]`.
RunColumns = namedtuple(
    "RunColumns",
    [
        "dt_s", "mean_current_a", "current_a", "voltage_v", "weight", "temperature_index",
        "temperature_weight", "circuit_index", "circuit_weight", "ocv_index", "ocv_weight", "ocv_width",
        "soc_per_offset", "predicted_v",
    ],
)  # fmt: skip
RUN_COLUMNS = len(RunColumns._fields)
RUN = RunColumns(*range(RUN_COLUMNS))

# Blocks of the parameter vector.
BLOCKS = ("ocv", "hysteresis", "r0", "r1", "tau1", "r2", "tau2", "rate", "jump", "offset", "start")
_ENTRIES = 32
_QUIET_A = 1e-9


@njit
def _sign(current_a: float) -> float:
    if current_a > _QUIET_A:
        return 1.0
    if current_a < -_QUIET_A:
        return -1.0
    return 0.0


@allocating
def normal_equations(
    run: Array,
    x: Array,
    start: Index,
    circuit_socs: int,
    ocv_socs: int,
    capacity_ah: float,
    hysteresis_start: float,
    nuisance: int,
    jtj: Array,
    jtr: Array,
) -> float:
    """Add this run's part to the normal equations and write its predicted voltages.

    Args:
        run: `[RUN column, row]`; `predicted_v` is written.
        x: parameter vector.
        start: first index of each block, as in `BLOCKS`.
        circuit_socs: SOC knots of circuit and hysteresis.
        ocv_socs: SOC knots of the OCV.
        capacity_ah: Ah.
        hysteresis_start: state -1..1 at the first row.
        nuisance: number of this run in the blocks of current offsets and start errors.
        jtj: `[parameter, parameter]`, added to.
        jtr: `[parameter]`, added to (gradient of half the cost).

    Returns:
        Half the weighted sum of squares.
    """
    v1, v2, h = 0.0, 0.0, hysteresis_start
    d1, d2, dh = 0.0, 0.0, 0.0
    index = np.zeros(_ENTRIES, np.int64)
    value = np.zeros(_ENTRIES)
    local = np.zeros(6)
    rate = math.exp(x[start[7]])
    cost = 0.0
    for k in range(run.shape[1]):
        j = int(run[5, k])
        wt = run[6, k]
        m = int(run[7, k])
        ws = run[8, k]
        # Hysteresis voltage, R0, R1, tau1, R2, tau2: bilinear in the values themselves, as the tables are
        # later.
        n = 0
        for p in range(6):
            base = start[1 + p]
            total = 0.0
            for a in range(2):
                for b in range(2):
                    at = base + (j + a) * circuit_socs + m + b
                    part = (wt if a else 1.0 - wt) * (ws if b else 1.0 - ws) * math.exp(x[at])
                    index[n] = at
                    value[n] = part
                    total += part
                    n += 1
            local[p] = total
        dt = run[0, k]
        i_mean = run[1, k]
        a1 = math.exp(-dt / local[3])
        a2 = math.exp(-dt / local[5])
        d1 = a1 * (d1 + dt / local[3] * (v1 - local[2] * i_mean))
        d2 = a2 * (d2 + dt / local[5] * (v2 - local[4] * i_mean))
        v1 = a1 * v1 + (1.0 - a1) * local[2] * i_mean
        v2 = a2 * v2 + (1.0 - a2) * local[4] * i_mean
        s_mean = _sign(i_mean)
        turn = abs(i_mean) * rate * dt / (3600.0 * capacity_ah)
        e = math.exp(-turn)
        dh = e * (dh - turn * (h - s_mean))
        h = e * h + (1.0 - e) * s_mean
        i = run[2, k]
        # OCV, and its slope for the offset of the tester's current.
        o = int(run[9, k])
        wo = run[10, k]
        width = run[11, k]
        ocv = 0.0
        slope = 0.0
        for a in range(2):
            w = wt if a else 1.0 - wt
            at = start[0] + (j + a) * ocv_socs + o
            ocv += w * ((1.0 - wo) * x[at] + wo * x[at + 1])
            slope += w * (x[at + 1] - x[at]) / width
            index[n] = at
            value[n] = w * (1.0 - wo)
            index[n + 1] = at + 1
            value[n + 1] = w * wo
            n += 2
        predicted = ocv + local[0] * h + x[start[8]] * _sign(i) + local[1] * i + v1 + v2
        run[13, k] = predicted
        weight = run[4, k]
        if weight <= 0.0:
            continue
        value_scale = (h, i, v1 / local[2], d1 / local[3], v2 / local[4], d2 / local[5])
        for p in range(6):
            for b in range(4):
                value[4 * p + b] *= value_scale[p]
        index[n] = start[7]
        value[n] = local[0] * dh
        index[n + 1] = start[8]
        value[n + 1] = _sign(i)
        n += 2
        index[n] = start[9] + nuisance
        value[n] = slope * run[12, k]
        index[n + 1] = start[10] + nuisance
        value[n + 1] = slope
        n += 2
        residual = predicted - run[3, k]
        cost += 0.5 * weight * residual * residual
        for a in range(n):
            va = weight * value[a]
            ia = index[a]
            jtr[ia] += va * residual
            for b in range(n):
                jtj[ia, index[b]] += va * value[b]
    return cost
