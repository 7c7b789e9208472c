"""The path between cells and bus: in which direction it conducts, and the charge of the DC link over one step.

Ordinary contacts conduct both ways or not at all. One-way switches (MOSFETs back to back, or diodes across contactors)
each block one direction: the positive one discharge, the negative one charge; the other direction goes on through its
diode, which drops some tenths of a volt. The heat of the diodes is left out.

A branch is one direction: whether it conducts, the voltage of the bus beyond which current flows, and its resistance.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ionward._compile import njit
from ionward.twin import points
from ionward.twin.rows import KON, MAIN_NEGATIVE, MAIN_POSITIVE, PRECHARGE, SET, STATE

Array = npt.NDArray[np.float64]
Branch = tuple[bool, float, float]

PIECES_MOST = 6  # of one step: a bus that starts on one side, floats, and ends on the other needs three
CHARGING, FLOATING, DISCHARGING = 1, 0, -1


@njit
def is_whole(state: Array) -> bool:
    """Fuse and pyrofuse conduct."""
    return bool(state[STATE.fuse_blown] == 0.0 and state[STATE.pyrofuse_fired] == 0.0)


@njit
def can_flow(contactors: Array, settings: Array, state: Array, charge: bool) -> bool:
    """Current of this direction can flow."""
    closed = contactors[KON.closed]
    positive = closed[MAIN_POSITIVE] > 0.0 or closed[PRECHARGE] > 0.0
    negative = closed[MAIN_NEGATIVE] > 0.0
    if settings[SET.one_way] > 0.0:
        return bool(is_whole(state) and (negative if charge else positive))
    return bool(is_whole(state) and negative and positive)


@njit
def branch(contactors: Array, settings: Array, state: Array, charge: bool) -> Branch:
    """One direction of the path. Over an open one-way switch it goes through its diode, past the precharge resistor."""
    emf_v = state[STATE.emf_v]
    ohm = state[STATE.resistance_ohm] + settings[SET.busbar_ohm] + settings[SET.fuse_ohm]
    if settings[SET.has_contactors] > 0.0:
        ohm += 2.0 * settings[SET.contactor_ohm] + points.bad_contacts_ohm(contactors, settings)
    positive, negative = contactors[KON.closed, MAIN_POSITIVE] > 0.0, contactors[KON.closed, MAIN_NEGATIVE] > 0.0
    one_way = settings[SET.one_way] > 0.0
    if contactors[KON.closed, PRECHARGE] > 0.0 and not positive and not (one_way and charge):
        ohm += settings[SET.precharge_ohm]
    if one_way and charge and not positive:
        emf_v += settings[SET.diode_v]
    if one_way and not charge and not negative:
        emf_v -= settings[SET.diode_v]
    return can_flow(contactors, settings, state, charge), emf_v, ohm


@njit
def flow(
    bus_v: float, source_a: float, drain_s: float, farad: float, charge: Branch, discharge: Branch, dt_s: float,
    most_v: float,
) -> tuple[float, float, float, float, float]:  # fmt: skip
    """Charge or discharge the bus over one step, exactly, in pieces in which the same branch conducts.

    Returns bus voltage at the end, current at the end, its mean, its mean square, and its largest value with its sign.
    An open bus is raised to `most_v` at most.
    """
    left_s, last_a, mean_a, square, peak_a = dt_s, 0.0, 0.0, 0.0, 0.0
    for piece in range(PIECES_MOST):
        side = conducting(bus_v, source_a - drain_s * bus_v, charge, discharge)
        emf_v = charge[1] if side == CHARGING else discharge[1]
        ohm = (charge[2] if side == CHARGING else discharge[2]) if side != FLOATING else math.inf
        conductance = drain_s + 1.0 / ohm
        settled_v = (source_a + emf_v / ohm) / conductance
        tau_s = farad / conductance
        away_v = bus_v - settled_v
        border_v = border(settled_v, side, charge, discharge)
        ends_s = left_s
        if border_v == border_v and piece < PIECES_MOST - 1:
            ends_s = min(left_s, tau_s * math.log(max(away_v / (border_v - settled_v), 1.0)))
        decay = math.exp(-ends_s / tau_s)
        end_v = settled_v + away_v * decay if ends_s == left_s else border_v
        if side == FLOATING:
            last_a = 0.0
            end_v = max(min(end_v, max(most_v, bus_v)), 0.0)
        else:
            # i(t) = steady + swing e^(-t/tau): its mean and mean square over the piece.
            steady_a, swing_a = (settled_v - emf_v) / ohm, away_v / ohm
            last_a = steady_a + swing_a * decay
            charge_as, square_a2s = integrals(steady_a, swing_a, tau_s, ends_s, decay)
            mean_a += charge_as / dt_s
            square += square_a2s / dt_s
            for ampere in (steady_a + swing_a, last_a):
                peak_a = ampere if abs(ampere) > abs(peak_a) else peak_a
        bus_v = end_v
        left_s -= ends_s
        if left_s <= 0.0:
            break
    if bus_v < 0.0:
        # Whatever draws from the bus draws it to nothing at most, and then what the path lets through.
        bus_v, last_a = 0.0, -discharge[1] / discharge[2]
        mean_a, square, peak_a = last_a, last_a * last_a, last_a
    return bus_v, last_a, mean_a, square, peak_a


@njit
def integrals(steady_a: float, swing_a: float, tau_s: float, ends_s: float, decay: float) -> tuple[float, float]:
    """Charge and square of a current `steady + swing e^(-t/tau)`, summed up over a time; `decay` is e^(-ends/tau)."""
    charge_as = steady_a * ends_s + swing_a * tau_s * (1.0 - decay)
    square_a2s = (
        steady_a * steady_a * ends_s
        + 2.0 * steady_a * swing_a * tau_s * (1.0 - decay)
        + swing_a * swing_a * 0.5 * tau_s * (1.0 - decay * decay)
    )
    return charge_as, square_a2s


@njit
def conducting(bus_v: float, net_a: float, charge: Branch, discharge: Branch) -> int:
    """Which branch carries current; at its border the current that is left over decides."""
    if charge[0] and (bus_v > charge[1] or (bus_v == charge[1] and net_a > 0.0)):
        return CHARGING
    if discharge[0] and (bus_v < discharge[1] or (bus_v == discharge[1] and net_a < 0.0)):
        return DISCHARGING
    return FLOATING


@njit
def border(settled_v: float, side: int, charge: Branch, discharge: Branch) -> float:
    """Voltage of the bus at which another branch takes over on the way to where it settles; NaN: none does."""
    if charge[0] and discharge[0] and charge[1] == discharge[1] and charge[2] == discharge[2]:
        return math.nan  # both directions are one conductor
    if side == CHARGING:
        return charge[1] if settled_v < charge[1] else math.nan
    if side == DISCHARGING:
        return discharge[1] if settled_v > discharge[1] else math.nan
    if charge[0] and settled_v > charge[1]:
        return charge[1]
    return discharge[1] if discharge[0] and settled_v < discharge[1] else math.nan
