"""The cells' warmth: two nodes for each cell, coolant that warms from module to module, ambient, heater.

    C_c dT_c = Q + (T_s - T_c) / R_c
    C_s dT_s = (T_f - T_s) G_f + (T_a - T_s) G_a - (T_s - T_c) / R_c + neighbours

Core and surface take one trapezoidal step (stable for any length). The coolant passes the cells one after the
other; what it takes from one (effectiveness 1 - exp(-UA / flow)) it brings to the next, so that heat is neither lost
nor made.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ionward._compile import njit
from ionward.twin.rows import CELLS, COOLING_LIQUID, COOLING_NONE, OUT, SET, STATE

Array = npt.NDArray[np.float64]

BURNING_SHORT = (
    9.0  # conductance of a burning cell against that of its ohmic resistance: a tenth of its voltage is left
)
CHILLER_FULL_K = 10.0  # the chiller gives all it can when the loop is so much warmer than its lowest temperature


@njit
def flow_w_per_k(settings: Array, state: Array, outputs: Array) -> float:
    """Heat capacity flow of coolant or air now."""
    demand = outputs[OUT.pump] if settings[SET.cooling] == COOLING_LIQUID else outputs[OUT.fan]
    part = min(max(demand, 0.0), 1.0) * state[STATE.flow_factor]
    return float(settings[SET.flow_w_per_k] * max(part, settings[SET.stagnant]))


@njit
def advance(cells: Array, settings: Array, state: Array, outputs: Array, dt_s: float) -> None:
    """One thermal step of `dt_s`: every cell in the order in which the coolant passes it, then the loop."""
    core, surface, coolant = cells[CELLS.core_c], cells[CELLS.surface_c], cells[CELLS.coolant_c]
    heat, module = cells[CELLS.heat_j], cells[CELLS.module]
    n = core.shape[0]
    ambient_c = state[STATE.ambient_c]
    to_ambient = settings[SET.ambient_w_per_k]
    between = settings[SET.core_surface_w_per_k]
    neighbour = settings[SET.neighbour_w_per_k]
    core_rate, surface_rate = settings[SET.core_j_per_k] / dt_s, settings[SET.surface_j_per_k] / dt_s

    flow = part = 0.0
    if settings[SET.cooling] != COOLING_NONE:
        flow = flow_w_per_k(settings, state, outputs)
        part = 1.0 - math.exp(-settings[SET.coolant_w_per_k] / flow)
    take = flow * part  # watts per kelvin between this cell's surface and the coolant that reaches it
    heating_w = min(max(outputs[OUT.heater], 0.0), 1.0) * settings[SET.heater_w]
    pads_w = heating_w / n if settings[SET.cooling] != COOLING_LIQUID else 0.0
    fluid_c = state[STATE.coolant_inlet_c] if settings[SET.cooling] == COOLING_LIQUID else ambient_c

    a11 = core_rate + 0.5 * between
    a22 = surface_rate + 0.5 * (between + to_ambient + take)
    a12 = -0.5 * between
    scale = 1.0 / (a11 * a22 - a12 * a12)
    before_c = surface[0]  # of the cell before, as it was
    for k in range(n):
        tc, ts = core[k], surface[k]
        made_j = heat[k] + cells[CELLS.heat_w, k] * dt_s
        if tc >= settings[SET.runaway_c] or cells[CELLS.burnt_j, k] > 0.0:
            made_j += burn(cells, settings, k, dt_s)
        side_w = pads_w
        if k > 0 and module[k - 1] == module[k]:
            side_w += neighbour * (before_c - ts)
        if k + 1 < n and module[k + 1] == module[k]:
            side_w += neighbour * (surface[k + 1] - ts)
        b1 = core_rate * tc + made_j / dt_s + 0.5 * between * (ts - tc)
        b2 = (
            surface_rate * ts + 0.5 * between * (tc - ts) + to_ambient * (ambient_c - 0.5 * ts)
            + take * (fluid_c - 0.5 * ts) + side_w
        )  # fmt: skip
        core[k] = (b1 * a22 - a12 * b2) * scale
        surface[k] = (a11 * b2 - a12 * b1) * scale
        middle_c = 0.5 * (ts + surface[k])
        coolant[k] = fluid_c
        taken_w = take * (middle_c - fluid_c)
        if flow > 0.0:
            fluid_c += taken_w / flow
        state[STATE.coolant_heat_j] += taken_w * dt_s
        state[STATE.ambient_heat_j] += to_ambient * (middle_c - ambient_c) * dt_s
        state[STATE.made_heat_j] += made_j + pads_w * dt_s
        heat[k] = 0.0
        before_c = ts
    state[STATE.coolant_outlet_c] = fluid_c
    if settings[SET.cooling] == COOLING_LIQUID:
        loop(settings, state, outputs, flow, heating_w, dt_s)
    else:
        state[STATE.coolant_inlet_c] = ambient_c


@njit
def burn(cells: Array, settings: Array, k: int, dt_s: float) -> float:
    """Heat that a cell in thermal runaway gives in a step; it has lost its voltage from the first one on."""
    if cells[CELLS.burnt_j, k] < settings[SET.runaway_j] and cells[CELLS.r0_ohm, k] > 0.0:
        cells[CELLS.short_s, k] = max(cells[CELLS.short_s, k], BURNING_SHORT / cells[CELLS.r0_ohm, k])
    given_j = min(settings[SET.runaway_j] * dt_s / settings[SET.runaway_s],
                  max(settings[SET.runaway_j] - cells[CELLS.burnt_j, k], 0.0))  # fmt: skip
    cells[CELLS.burnt_j, k] += given_j
    return float(given_j)


@njit
def loop(settings: Array, state: Array, outputs: Array, flow: float, heating_w: float, dt_s: float) -> None:
    """The coolant loop outside of the pack: heat from the cells and the heater, to chiller and ambient."""
    inlet_c, outlet_c = state[STATE.coolant_inlet_c], state[STATE.coolant_outlet_c]
    chiller_w = min(max(outputs[OUT.fan], 0.0), 1.0) * state[STATE.chiller_factor] * settings[SET.chiller_w]
    watts = (
        flow * (outlet_c - inlet_c)
        + heating_w
        - chiller_w * min(max((inlet_c - settings[SET.chiller_c]) / CHILLER_FULL_K, 0.0), 1.0)
        - settings[SET.loop_ambient_w_per_k] * (inlet_c - state[STATE.ambient_c])
    )
    inlet_c += watts * dt_s / settings[SET.loop_j_per_k]
    held_c = state[STATE.inlet_held_c]
    state[STATE.coolant_inlet_c] = held_c if not math.isnan(held_c) else inlet_c
