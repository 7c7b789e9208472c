"""Stage `estimate`: what the image is told of cells and pack."""

from __future__ import annotations

import math

from ionward._compile import njit
from ionward.battery import tables
from ionward.control.ekf import LANES, STATE, WORK, decay
from ionward.control.estimate_memory import EstimateMemory
from ionward.image.layout import Image
from ionward.image.parameters import CELLP, Parameters
from ionward.image.signals import CELL

ENERGY_PERIOD_S = 1.0


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
