"""What a site of parallel packs may carry, by the circuit law: no pack beyond its own limit.

Packs on one bus are voltage sources `emf_v` behind resistances `resistance_ohm`. With charging current positive and I
into the site, V = (sum e_j / R_j + I) / sum(1 / R_j) and I_k = (V - e_k) / R_k. So each pack carries a current that
flows between the packs whatever the site does, and a fixed share of I. The site's limit is the largest I that keeps
every pack inside its own limits; it is never the sum of their limits.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ionward._compile import njit
from ionward.image.catalogue import Signal, rows

Floats = npt.NDArray[np.float64]

FACT = rows(
    "Fact",
    (
        Signal("emf_v", "V", "Voltage of the pack without current: terminals less resistance times current"),
        Signal("resistance_ohm", "Ω", "Pack and its way to the bus, as one resistance"),
        Signal("bus_v", "V", "Voltage on the bus side of its contactors"),
        Signal("current_a", "A", "Current, positive charging"),
        Signal("charge_limit_a", "A", "What it may be charged with"),
        Signal("discharge_limit_a", "A", "What it may be discharged with, a positive number"),
        Signal("connected", "", "Its contactors are closed"),
        Signal("ready", "", "It is well, and would connect"),
        Signal("leaving", "", "It will open soon: the others carry on without it"),
        Signal("apart", "", "By its own measurements it could not close onto the bus now"),
    ),
)


@njit
def known(facts: Floats, k: int) -> bool:
    """The pack's electrical side is known well enough to calculate with."""
    return bool(math.isfinite(facts[FACT.emf_v, k]) and facts[FACT.resistance_ohm, k] > 0.0)


@njit
def on_bus(facts: Floats, alive: Any, k: int) -> bool:
    """The pack is on the bus, for all that is known now."""
    return bool(alive[k] == 1 and facts[FACT.connected, k] > 0.0 and known(facts, k))


@njit
def bus_of(facts: Floats, alive: Any, extra: int, site_a: float) -> tuple[float, float]:
    """Voltage of the bus and conductance of all packs on it, at a site current; `extra` is a pack taken as connected
    too (-1 none). NaN and 0 with no pack on it.
    """
    conductance = weighted = 0.0
    for k in range(facts.shape[1]):
        if on_bus(facts, alive, k) or (k == extra and known(facts, k)):
            siemens = 1.0 / facts[FACT.resistance_ohm, k]
            conductance += siemens
            weighted += facts[FACT.emf_v, k] * siemens
    if conductance == 0.0:
        return math.nan, 0.0
    return (weighted + site_a) / conductance, conductance


@njit
def current_in(facts: Floats, k: int, bus_v: float) -> float:
    """Current of a pack at a voltage of the bus, positive charging."""
    return float((bus_v - facts[FACT.emf_v, k]) / facts[FACT.resistance_ohm, k])


@njit
def site_limits(facts: Floats, alive: Any, margin: float) -> tuple[float, float]:
    """Largest charge and discharge current of the site in A, both positive; 0 where nothing may flow or is known.

    Args:
        facts: `[FACT, unit]`.
        alive: `[unit]`: 1 where the facts are fresh.
        margin: a pack's share may be larger by this part than its resistance says (0.1: a tenth).

    A pack that will leave counts neither way: limits hold with and without it. One that is on the bus and not known
    well enough to calculate with allows nothing. Meets SR-244.
    """
    for k in range(facts.shape[1]):
        if alive[k] == 1 and facts[FACT.connected, k] > 0.0 and not known(facts, k):
            return 0.0, 0.0
    charge, discharge = limits_of(facts, alive, margin, True)
    leaving = False
    for k in range(facts.shape[1]):
        leaving = leaving or (on_bus(facts, alive, k) and facts[FACT.leaving, k] > 0.0)
    if leaving:
        charge_after, discharge_after = limits_of(facts, alive, margin, False)
        charge, discharge = min(charge, charge_after), min(discharge, discharge_after)
    return charge, discharge


@njit
def limits_of(facts: Floats, alive: Any, margin: float, with_leaving: bool) -> tuple[float, float]:
    """As `site_limits`, with or without those that will leave."""
    conductance = weighted = 0.0
    for k in range(facts.shape[1]):
        if on_bus(facts, alive, k) and (with_leaving or facts[FACT.leaving, k] == 0.0):
            conductance += 1.0 / facts[FACT.resistance_ohm, k]
            weighted += facts[FACT.emf_v, k] / facts[FACT.resistance_ohm, k]
    if conductance == 0.0:
        return 0.0, 0.0
    charge = discharge = math.inf
    for k in range(facts.shape[1]):
        if on_bus(facts, alive, k) and (with_leaving or facts[FACT.leaving, k] == 0.0):
            between_a = current_in(facts, k, weighted / conductance)
            share = min((1.0 + margin) / (facts[FACT.resistance_ohm, k] * conductance), 1.0)
            charge = min(charge, (allowed(facts[FACT.charge_limit_a, k]) - between_a) / share)
            discharge = min(discharge, (allowed(facts[FACT.discharge_limit_a, k]) + between_a) / share)
    return max(charge, 0.0), max(discharge, 0.0)


@njit
def allowed(limit_a: float) -> float:
    """A limit that is no number, or negative, allows nothing."""
    return limit_a if limit_a > 0.0 else 0.0
