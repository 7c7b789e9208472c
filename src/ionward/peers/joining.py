"""Which pack connects next, and who has to wait for what.

Every unit makes the same plan from the same facts. The first pack goes onto a dead bus: to discharge that with the
highest voltage, to charge that with the lowest one. Another may join when the current that will flow is small enough
*by resistance*: the circuit is solved as if it had joined, and then each pack on the bus, it among them, must stay
inside its limits. One that cannot join yet waits until the bus has come to it: the site is charged, or discharged, by
those that are on it.

A plan connects nothing. One pack at a time asks for the role of closing (`lease`), and then its own BMU judges by its
own measurements of both sides of its own contactors.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ionward._compile import njit
from ionward.image.signals import (
    SITE_REASONS,
    WAIT_APART,
    WAIT_INTO,
    WAIT_NONE,
    WAIT_OTHER_CHARGED,
    WAIT_OTHER_DISCHARGED,
    WAIT_OUT_OF,
    WAIT_READY,
    WAIT_SILENT,
    WAIT_TURN,
    WAIT_UNKNOWN,
)
from ionward.peers.share import FACT, Floats, allowed, bus_of, current_in, known, on_bus

Integers = npt.NDArray[np.int64]

WAIT_REASONS = SITE_REASONS
INTENT_NONE, INTENT_CHARGE, INTENT_DISCHARGE = 0, 1, 2


@njit
def may_join(facts: Floats, alive: Any, k: int, site_a: float, share: float) -> tuple[int, float]:
    """Why a pack may not join now (WAIT_NONE: it may), and the current in A that would flow in it, positive charging.

    Args:
        facts: `[FACT, unit]`.
        alive: `[unit]`.
        k: the pack.
        site_a: current of the whole site now, positive charging.
        share: the pack that joins may carry this part of its limits at most.
    """
    if alive[k] == 0:
        return WAIT_SILENT, math.nan
    if not facts[FACT.ready, k] > 0.0:
        return WAIT_READY, math.nan
    if not known(facts, k):
        return WAIT_UNKNOWN, math.nan
    bus_v, _ = bus_of(facts, alive, k, site_a)
    own_a = current_in(facts, k, bus_v)
    if own_a > share * allowed(facts[FACT.charge_limit_a, k]):
        return WAIT_INTO, own_a
    if -own_a > share * allowed(facts[FACT.discharge_limit_a, k]):
        return WAIT_OUT_OF, own_a
    for j in range(facts.shape[1]):
        if j != k and on_bus(facts, alive, j):
            current_a = current_in(facts, j, bus_v)
            if current_a > allowed(facts[FACT.charge_limit_a, j]):
                return WAIT_OTHER_CHARGED, own_a
            if -current_a > allowed(facts[FACT.discharge_limit_a, j]):
                return WAIT_OTHER_DISCHARGED, own_a
    if facts[FACT.apart, k] > 0.0:
        return WAIT_APART, own_a
    return WAIT_NONE, own_a


@njit
def earlier(facts: Floats, j: int, k: int, intent: int) -> bool:
    """Of two packs that wait, j goes before k. The order is that of the list where nobody says what for."""
    if intent == INTENT_NONE:
        return j < k
    a, b = facts[FACT.emf_v, j], facts[FACT.emf_v, k]
    if a == b:
        return j < k
    return bool(a < b) if intent == INTENT_CHARGE else bool(a > b)


@njit
def plan(facts: Floats, alive: Any, intent: int, site_a: float, share: float, reasons: Integers, flows: Floats) -> int:
    """The pack that connects next, -1 none; `reasons` and `flows` `[unit]` are written: why each pack waits, and the
    current that it would carry.

    Those that may join take turns by voltage. Nobody waits for one that may not join itself.
    """
    first = -1
    for k in range(facts.shape[1]):
        if alive[k] == 1 and facts[FACT.connected, k] > 0.0:
            reasons[k], flows[k] = WAIT_NONE, facts[FACT.current_a, k]
            continue
        reasons[k], flows[k] = may_join(facts, alive, k, site_a, share)
        if reasons[k] == WAIT_NONE and (first < 0 or earlier(facts, k, first, intent)):
            first = k
    for k in range(facts.shape[1]):
        waits = reasons[k] == WAIT_NONE and not (alive[k] == 1 and facts[FACT.connected, k] > 0.0)
        if waits and k != first:
            reasons[k] = WAIT_TURN
    return first
