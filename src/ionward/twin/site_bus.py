"""One bus that several packs hang on: its capacitors, what drains them, its load and charger, and each pack's way in.

Contacts and source do not change within a step, and contactors of a site conduct both ways, so that the bus is one
capacitor behind one resistance. Its voltage follows one exponential; so does the current of each pack, precharge and
the inrush from pack to pack among them. That is solved exactly, in steps of any length.

The bus has the rows of a plant for what it has in common with one (load, charger, capacitors). With packs on it as one
source behind one resistance (Thévenin), load and charger are those of `twin.circuit`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ionward._compile import njit
from ionward.image.catalogue import Signal, rows
from ionward.twin import circuit, path
from ionward.twin.path import Branch
from ionward.twin.plant import Plant, begin_step, end_step
from ionward.twin.rows import OUT, SET, STATE

Array = npt.NDArray[np.float64]

LEG = rows(
    "Legs",
    (
        Signal("cable_ohm", "Ω", "From the pack's contactors to the common bus and back"),
        Signal("conducts", "", "Current can flow between pack and bus"),
        Signal("emf_v", "V", "Voltage of the pack behind its resistance"),
        Signal("ohm", "Ω", "Everything between that voltage and the bus"),
        Signal("drain_s", "S", "What the pack's own side of the bus drains: bleed-down resistor, a short"),
        Signal("extra_a", "A", "What something else at the pack's side of the bus feeds or draws"),
        Signal("last_a", "A", "Current at the end of the step, positive when charging"),
        Signal("mean_a", "A", "Mean over the step"),
        Signal("square_a2", "A²", "Mean square over the step"),
        Signal("peak_a", "A", "Largest one within the step, with its sign"),
    ),
)


class SiteBus(NamedTuple):
    """What the packs hang on. `settings`, `state` and `outputs` have the rows of a plant; `profile` is
    `[2 (time_s, A or W), point]`; `legs` `[LEG, pack]`."""

    settings: Array
    state: Array
    outputs: Array
    profile: Array
    legs: Array


def build_site_bus(
    plants: Sequence[Plant],
    cables_ohm: Sequence[float],
    capacitance_f: float | None = None,
    profile: Array | None = None,
    bus_voltage_v: float = 0.0,
) -> SiteBus:
    """The bus of these packs, none of them connected yet.

    Args:
        plants: the simulated packs, all with steps of the same length, and with contactors that conduct both ways.
        cables_ohm: of each pack.
        capacitance_f: of everything on the bus; left out: the sum of the packs' DC links.
        profile: what load and charger ask for; none asks for nothing.
        bus_voltage_v: that stands on the bus already.
    """
    settings, state = np.zeros(len(SET)), np.zeros(len(STATE))
    own = np.array([plant.settings for plant in plants])
    settings[SET.dt_s], settings[SET.steps_per_tick] = own[0, SET.dt_s], own[0, SET.steps_per_tick]
    settings[SET.capacitance_f] = own[:, SET.capacitance_f].sum() if capacitance_f is None else capacitance_f
    # Each pack's description tells of the one bus behind its contactors: what drains it is there once.
    settings[SET.bleed_down_ohm] = own[:, SET.bleed_down_ohm].min()
    # What suits the most careful of the packs; a site's load and charger are as quick as their packs together.
    settings[SET.charge_voltage_v] = own[:, SET.charge_voltage_v].min()
    settings[SET.load_min_v] = own[:, SET.load_min_v].min()
    settings[SET.slew_a_per_s] = own[:, SET.slew_a_per_s].sum()
    settings[SET.load_obeys] = settings[SET.charger_obeys] = 1.0
    state[STATE.limits_at_s] = -math.inf
    state[STATE.bus_voltage_v] = bus_voltage_v
    legs = np.zeros((len(LEG), len(plants)))
    legs[LEG.cable_ohm] = cables_ohm
    for plant in plants:
        plant.state[STATE.bus_voltage_v] = bus_voltage_v
    points = np.zeros((2, 0)) if profile is None else np.ascontiguousarray(profile, dtype=np.float64)
    return SiteBus(settings, state, np.zeros(len(OUT)), points, legs)


def advance_site(bus: SiteBus, plants: Sequence[Plant]) -> None:
    """Advance bus and packs from one tick to the next. Interpreted; compiled loops call the same parts."""
    for _ in range(int(bus.settings[SET.steps_per_tick])):
        for k, plant in enumerate(plants):
            before_bus(plant, bus.legs, k)
        solve_bus(bus)
        for k, plant in enumerate(plants):
            after_bus(plant, bus, k)


@njit
def before_bus(plant: Plant, legs: Array, k: int) -> None:
    """One step of a pack up to the bus: its contacts, its cells as one source, and so its leg `k`."""
    settings, state = plant.settings, plant.state
    begin_step(settings, state, plant.cells, plant.contactors, plant.outputs, plant.table)
    conducts, emf_v, ohm = path.branch(plant.contactors, settings, state, False)
    legs[LEG.conducts, k] = 1.0 if conducts else 0.0
    legs[LEG.emf_v, k] = emf_v
    legs[LEG.ohm, k] = ohm + legs[LEG.cable_ohm, k]
    legs[LEG.drain_s, k] = settings[SET.bus_short_s]
    legs[LEG.extra_a, k] = settings[SET.extra_load_a]


@njit
def after_bus(plant: Plant, bus: SiteBus, k: int) -> None:
    """The rest of the step: what the current of leg `k` does to fuse, contacts, cells and heat."""
    settings, state, legs = plant.settings, plant.state, bus.legs
    last_a = legs[LEG.last_a, k]
    at_pack_v = bus.state[STATE.bus_voltage_v] - legs[LEG.cable_ohm, k] * last_a
    circuit.take_current(
        plant.contactors, settings, state, plant.fuse_curve,
        at_pack_v, last_a, legs[LEG.mean_a, k], legs[LEG.square_a2, k], legs[LEG.peak_a, k],
    )  # fmt: skip
    end_step(settings, state, plant.cells, plant.contactors, plant.modules, plant.outputs)


@njit
def as_one(legs: Array) -> Branch:
    """All packs that conduct, as one source behind one resistance."""
    siemens = weighted_a = 0.0
    for k in range(legs.shape[1]):
        if legs[LEG.conducts, k] > 0.0:
            siemens += 1.0 / legs[LEG.ohm, k]
            weighted_a += legs[LEG.emf_v, k] / legs[LEG.ohm, k]
    if siemens == 0.0:
        return False, 0.0, math.inf
    return True, weighted_a / siemens, 1.0 / siemens


@njit
def solve_bus(bus: SiteBus) -> None:
    """Voltage of the bus and current of every pack over one step, exactly."""
    settings, state, legs = bus.settings, bus.state, bus.legs
    dt_s = settings[SET.dt_s]
    together = as_one(legs)
    closed, emf_v, ohm = together
    drain_s = 1.0 / settings[SET.bleed_down_ohm] + settings[SET.bus_short_s]
    extra_a = 0.0
    for k in range(legs.shape[1]):
        drain_s += legs[LEG.drain_s, k]
        extra_a += legs[LEG.extra_a, k]
    source_a = extra_a + circuit.source_current(settings, state, bus.outputs, bus.profile, together, together, drain_s)
    begin_v = state[STATE.bus_voltage_v]
    conductance = drain_s + 1.0 / ohm
    settled_v = (source_a + emf_v / ohm) / conductance
    tau_s = circuit.capacitance(settings) / conductance
    decay = math.exp(-dt_s / tau_s)
    end_v = settled_v + (begin_v - settled_v) * decay
    if not closed:
        end_v = min(end_v, max(settings[SET.charge_voltage_v], begin_v))
    # Whatever draws from the bus draws it to nothing at most, and then what the paths let through.
    if end_v < 0.0:
        begin_v = settled_v = end_v = 0.0
    total_a = 0.0
    for k in range(legs.shape[1]):
        if legs[LEG.conducts, k] == 0.0:
            legs[LEG.last_a, k] = legs[LEG.mean_a, k] = legs[LEG.square_a2, k] = legs[LEG.peak_a, k] = 0.0
            continue
        steady_a = (settled_v - legs[LEG.emf_v, k]) / legs[LEG.ohm, k]
        swing_a = (begin_v - settled_v) / legs[LEG.ohm, k]
        charge_as, square_a2s = path.integrals(steady_a, swing_a, tau_s, dt_s, decay)
        last_a = steady_a + swing_a * decay
        legs[LEG.last_a, k] = last_a
        legs[LEG.mean_a, k], legs[LEG.square_a2, k] = charge_as / dt_s, square_a2s / dt_s
        first_a = steady_a + swing_a
        legs[LEG.peak_a, k] = first_a if abs(first_a) > abs(last_a) else last_a
        total_a += last_a
    state[STATE.bus_voltage_v], state[STATE.current_a] = end_v, total_a
    number = int(state[STATE.step]) + 1
    state[STATE.step] = number
    state[STATE.time_s] = settings[SET.origin_s] + number * dt_s
