"""Outside of the cells: contactors, fuse, DC link, load and charger.

The DC link behind contactors and cells is one capacitor behind one resistance. It is solved exactly over a step in
which contacts and source do not change, so that precharge, inrush and a closed pack (time constant below 0.1 ms)
need no smaller steps.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ionward._compile import njit
from ionward.twin import path
from ionward.twin.path import Branch
from ionward.twin.rows import KON, MAIN_NEGATIVE, MAIN_POSITIVE, OUT, PRECHARGE, SET, STATE

Array = npt.NDArray[np.float64]

LEAST_CAPACITANCE_F = 1e-6
# A fuse that carries less than its curve begins with cools down with this time constant [K].
FUSE_COOLING_S = 100.0


@njit
def switch(contactors: Array, settings: Array, state: Array, outputs: Array) -> None:
    """Move the contacts as their coils ask, each after its own delay, welded or stuck ones not."""
    contactors[KON.wanted, MAIN_POSITIVE] = outputs[OUT.main_positive]
    contactors[KON.wanted, MAIN_NEGATIVE] = outputs[OUT.main_negative]
    contactors[KON.wanted, PRECHARGE] = outputs[OUT.precharge]
    if outputs[OUT.pyrofuse] > 0.0 and settings[SET.has_pyrofuse] > 0.0:
        state[STATE.pyrofuse_fired] = 1.0
    # A pyrofuse is through within a millisecond or two, before any contact has parted.
    amperes = state[STATE.current_a] if path.is_whole(state) else 0.0
    for k in range(3):
        wanted = contactors[KON.wanted, k]
        if settings[SET.has_contactors] == 0.0:
            wanted = 0.0 if k == PRECHARGE else 1.0
        elif contactors[KON.chatters_s, k] > 0.0:
            wanted = chattering(contactors, k, wanted, settings[SET.dt_s])
        closed = contactors[KON.closed, k]
        if contactors[KON.welded, k] > 0.0:
            contactors[KON.closed, k] = 1.0
            contactors[KON.changing_s, k] = 0.0
        elif wanted == closed:
            contactors[KON.changing_s, k] = 0.0
        else:
            waited = contactors[KON.changing_s, k] + settings[SET.dt_s]
            contactors[KON.changing_s, k] = waited
            needed = contactors[KON.close_s, k] if wanted > 0.0 else contactors[KON.open_s, k]
            if waited >= needed - 1e-9 and not (wanted > 0.0 and contactors[KON.stuck, k] > 0.0):
                breaks = contactors[KON.break_charge_a if amperes > 0.0 else KON.break_discharge_a, k]
                if wanted == 0.0 and abs(amperes) > breaks:
                    # The arc goes on until the current has fallen to what the contact can break.
                    if waited - settings[SET.dt_s] < needed - 1e-9:
                        contactors[KON.breaks, k] += 1.0
                else:
                    contactors[KON.closed, k] = wanted
                    contactors[KON.changing_s, k] = 0.0
                    if wanted > 0.0 and contactors[KON.welds_next, k] > 0.0:
                        contactors[KON.welded, k] = 1.0


@njit
def chattering(contactors: Array, k: int, wanted: float, dt_s: float) -> float:
    """Whether a contact that chatters is held at this moment: it falls off for the second half of each period."""
    period_s = contactors[KON.chatters_s, k]
    if wanted == 0.0:
        contactors[KON.chatter_s, k] = 0.0
        return 0.0
    contactors[KON.chatter_s, k] += dt_s
    return 1.0 if contactors[KON.chatter_s, k] % period_s < 0.5 * period_s else 0.0


@njit
def source_current(
    settings: Array, state: Array, outputs: Array, profile: Array, charge: Branch, discharge: Branch, drain_s: float
) -> float:
    """Current that load (negative) and charger (positive) put into the bus during the coming step.

    Follows the profile; those that obey keep to the limits they have heard of and wait for the connection. The
    charger goes over to constant voltage; the load gives up on a dead bus. `charge`, `discharge`: the path.
    """
    time_s = state[STATE.time_s]
    if time_s >= state[STATE.limits_at_s] + settings[SET.limit_period_s] - 1e-9:
        state[STATE.limits_at_s] = time_s
        state[STATE.charge_limit_seen_a] = outputs[OUT.charge_limit_a]
        state[STATE.discharge_limit_seen_a] = outputs[OUT.discharge_limit_a]
        state[STATE.connected_seen] = outputs[OUT.connected]
    at = int(state[STATE.profile_next])
    since_s = time_s - settings[SET.origin_s]
    while at < profile.shape[1] and profile[0, at] <= since_s + 1e-9:
        at += 1
    state[STATE.profile_next] = at
    asked = profile[1, at - 1] if at > 0 else 0.0

    bus_v = state[STATE.bus_voltage_v]
    if settings[SET.load_is_power] > 0.0:
        closed, emf_v, path_ohm = charge if asked > 0.0 else discharge
        asked = current_of_power(asked, emf_v, path_ohm) if closed else asked / max(bus_v, 1.0)
    # Who obeys keeps to what the BMS allows, in whatever direction it goes.
    if asked > 0.0 and settings[SET.charger_obeys] > 0.0:
        asked = min(asked, max(state[STATE.charge_limit_seen_a], 0.0)) * state[STATE.connected_seen]
    elif asked < 0.0 and settings[SET.load_obeys] > 0.0:
        asked = max(asked, -max(state[STATE.discharge_limit_seen_a], 0.0)) * state[STATE.connected_seen]

    step_a = settings[SET.slew_a_per_s] * settings[SET.dt_s]
    now = state[STATE.source_a]
    now = min(max(asked, now - step_a), now + step_a)
    if now < 0.0 and bus_v < settings[SET.load_min_v]:
        now = 0.0
    if now > 0.0:
        # Constant voltage: what brings the bus to the charger's voltage and no further.
        target_v = settings[SET.charge_voltage_v]
        closed, emf_v, path_ohm = charge
        if closed:
            most = (target_v - emf_v) / path_ohm + target_v * drain_s
        else:
            most = (target_v - bus_v) * capacitance(settings) / settings[SET.dt_s] + target_v * drain_s
        now = min(now, max(most, 0.0))
    state[STATE.source_a] = now
    return float(now + settings[SET.extra_load_a])


@njit
def current_of_power(power_w: float, emf_v: float, path_ohm: float) -> float:
    """Current at which a battery takes (positive) or gives a power: P = (E + R i) i; at most what it can give."""
    inside = emf_v * emf_v + 4.0 * path_ohm * power_w
    if inside <= 0.0:
        return -emf_v / (2.0 * path_ohm)
    return (math.sqrt(inside) - emf_v) / (2.0 * path_ohm)


@njit
def capacitance(settings: Array) -> float:
    """DC link, or the stray capacitance of a pack without one."""
    return float(max(settings[SET.capacitance_f], LEAST_CAPACITANCE_F))


@njit
def solve(contactors: Array, settings: Array, state: Array, outputs: Array, profile: Array, fuse_curve: Array) -> None:
    """Bus voltage and pack current over one step, exactly; then what the current does to fuse and contacts."""
    dt_s = settings[SET.dt_s]
    charge = path.branch(contactors, settings, state, True)
    discharge = path.branch(contactors, settings, state, False)
    drain_s = 1.0 / settings[SET.bleed_down_ohm] + settings[SET.bus_short_s]
    source_a = source_current(settings, state, outputs, profile, charge, discharge, drain_s)
    bus_v, last_a, mean_a, square, peak_a = path.flow(
        state[STATE.bus_voltage_v], source_a, drain_s, capacitance(settings), charge, discharge, dt_s,
        settings[SET.charge_voltage_v],
    )  # fmt: skip
    take_current(contactors, settings, state, fuse_curve, bus_v, last_a, mean_a, square, peak_a)


@njit
def take_current(
    contactors: Array, settings: Array, state: Array, fuse_curve: Array,
    bus_v: float, last_a: float, mean_a: float, square: float, peak_a: float,
) -> None:  # fmt: skip
    """What the current of one step leaves behind in the pack: `square` is its mean square, `peak_a` keeps its sign."""
    dt_s = settings[SET.dt_s]
    main = contactors[KON.closed, MAIN_POSITIVE] > 0.0 and contactors[KON.closed, MAIN_NEGATIVE] > 0.0
    state[STATE.bus_voltage_v] = bus_v
    state[STATE.current_a] = last_a
    state[STATE.current_mean_a] = mean_a
    state[STATE.current_peak_a] = abs(peak_a)
    state[STATE.inrush_a] = max(state[STATE.inrush_a], abs(peak_a))
    state[STATE.charge_as] += mean_a * dt_s
    state[STATE.square_a2s] += square * dt_s
    # The tap of the pack voltage lies between fuse and contactors.
    if path.is_whole(state):
        inner_ohm = state[STATE.resistance_ohm] + settings[SET.busbar_ohm] + settings[SET.fuse_ohm]
        state[STATE.pack_voltage_v] = state[STATE.emf_v] + inner_ohm * last_a
    else:
        state[STATE.pack_voltage_v] = bus_v if main else 0.0
    if abs(peak_a) > settings[SET.weld_a]:
        weld(contactors, settings, peak_a)
    if settings[SET.has_fuse] > 0.0:
        melt(state, fuse_curve, square, dt_s)


@njit
def weld(contactors: Array, settings: Array, peak_a: float) -> None:
    """A contact that closes into too much current welds: the positive one, or the one-way switch that lets it through.

    The precharge resistor lets no such current through.
    """
    k = MAIN_NEGATIVE if settings[SET.one_way] > 0.0 and peak_a > 0.0 else MAIN_POSITIVE
    if contactors[KON.closed, k] > 0.0:
        contactors[KON.welded, k] = 1.0


@njit
def melting_time(curve: Array, amperes: float) -> float:
    """Time after which the fuse melts at a current: straight between the points of its curve on logarithmic scales.

    `curve` is `[2 (A, s), point]`. Beyond the last point the melting integral I²t is constant (no heat gets away);
    below the first the fuse lasts for ever.
    """
    last = curve.shape[1] - 1
    if not amperes >= curve[0, 0]:
        return math.inf
    if amperes >= curve[0, last]:
        return float(curve[1, last] * (curve[0, last] / amperes) ** 2)
    k = 0
    while amperes >= curve[0, k + 1]:
        k += 1
    part = math.log(amperes / curve[0, k]) / math.log(curve[0, k + 1] / curve[0, k])
    return float(curve[1, k] * (curve[1, k + 1] / curve[1, k]) ** part)


@njit
def melt(state: Array, curve: Array, mean_square_a2: float, dt_s: float) -> None:
    """Each step uses up its part of the melting time at its effective current; a lightly loaded fuse recovers."""
    if mean_square_a2 < curve[0, 0] * curve[0, 0]:
        state[STATE.fuse_melted] *= 1.0 - dt_s / FUSE_COOLING_S
        return
    state[STATE.fuse_melted] += dt_s / melting_time(curve, math.sqrt(mean_square_a2))
    if state[STATE.fuse_melted] >= 1.0:
        state[STATE.fuse_blown] = 1.0
