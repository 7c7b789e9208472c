"""How one unit takes its turns: it tries to close, rests after a try that failed, tells when it waits too long, and
leaves in order when it is taken out.

Nobody keeps the role of closing without closing. A try that ends without a connection, or a turn in which none begins,
is followed by a rest in which the others go first; what was measured then is kept for the person who asks why.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ionward._compile import njit
from ionward.image.catalogue import Signal, record
from ionward.peers.lease import NEVER_US, PEER, Integers
from ionward.peers.share import FACT, Floats

# So long a unit may have the role without beginning to close. A sequence that is let begins in the next tick.
IDLE_US = 1_000_000
# The rest after a try that failed; longer than any other unit needs to take its turn and precharge.
REST_US = 5_000_000
# Before a pack that is taken out opens, everybody has heard of it, and the outside has followed the lower limits; or
# its current does not fall, and is left to what its contactors may break.
ANNOUNCE_US = 500_000
LEAVE_US = 10_000_000

TURN_RECORD = record(
    (
        Signal("closing", "", "It was about to close at the step before", "i8", 0, 1),
        Signal("had_role", "", "It had the role then, and since it is about to close", "i8", 0, 1),
        Signal("held_since_us", "µs", "Since when it has the role without beginning to close", "i8"),
        Signal("rests_until_us", "µs", "It does not ask for the role before", "i8"),
        Signal("failures", "", "Tries and turns in vain since it was connected last", "i8", 0),
        Signal("apart_v", "V", "Pack less bus at the last one of these"),
        Signal("flow_a", "A", "… and the current that this would have driven into it"),
        Signal("waits_since_us", "µs", "Since when it would be connected and is not", "i8"),
        Signal("overdue", "", "It has waited for longer than it should: a person is told", "i8", 0, 1),
        Signal("leaves_since_us", "µs", "Since when it is leaving", "i8"),
        # What its own measurements say, kept from one new sweep of the cells to the next.
        Signal("cell_samples", "", "Sweep of the cells from which the voltage was made", "i8"),
        Signal("emf_v", "V", "Voltage of the pack without current at that sweep"),
        Signal("onto_live", "", "The bus was live when the try began", "i8", 0, 1),
    )
)


def new_turn() -> Any:
    """A record of length 1: nothing was tried."""
    turn = np.zeros(1, TURN_RECORD)
    for name in ("held_since_us", "rests_until_us", "waits_since_us", "leaves_since_us"):
        turn[name] = NEVER_US
    turn["emf_v"] = turn["apart_v"] = turn["flow_a"] = np.nan
    turn["cell_samples"] = -1
    return turn


@njit
def follow_try(turn: Any, connected: int, closing: int, apart_v: float, flow_a: float, now_us: int) -> None:
    """Note how the last try went, before the step in which the next one is decided.

    Args:
        turn: a record, changed.
        connected, closing: as the unit is now.
        apart_v: pack less bus, by its own sensors.
        flow_a: the current that this would drive into the pack, by its own resistance.
        now_us: the unit's clock.

    Meets SR-243.
    """
    if connected == 1:
        turn["failures"], turn["closing"], turn["held_since_us"] = 0, 0, NEVER_US
        return
    # A try that the others' silence ended is nobody's failure: it may be made again at once.
    failed = turn["closing"] == 1 and closing == 0 and turn["had_role"] == 1
    idle = turn["had_role"] == 1 and closing == 0
    if not idle:
        turn["held_since_us"] = NEVER_US
    elif turn["held_since_us"] == NEVER_US:
        turn["held_since_us"] = now_us
    elif now_us - turn["held_since_us"] >= IDLE_US:
        failed = True
    if failed:
        turn["failures"] += 1
        turn["rests_until_us"], turn["held_since_us"] = now_us + REST_US, NEVER_US
        turn["apart_v"], turn["flow_a"] = apart_v, flow_a
    turn["closing"] = closing


@njit
def rests(turn: Any, now_us: int) -> bool:
    """It lets others go first."""
    return bool(now_us < turn["rests_until_us"])


@njit
def follow_wait(turn: Any, wants: bool, connected: int, timeout_us: int, now_us: int) -> None:
    """How long it has waited, whatever the reason. Meets SR-243."""
    if not wants or connected == 1:
        turn["waits_since_us"], turn["overdue"] = NEVER_US, 0
    elif turn["waits_since_us"] == NEVER_US:
        turn["waits_since_us"] = now_us
    else:
        turn["overdue"] = 1 if now_us - turn["waits_since_us"] > timeout_us else 0


@njit
def leaves(turn: Any, facts: Floats, peers: Integers, me: int, asked: bool, now_us: int) -> bool:
    """It is leaving now: it was asked to, and is the only one. Of two that begin at once the first of the list goes on.

    One at a time, so that an order to take out several packs takes them out one after the other, each with limits that
    hold without it. Meets SR-244.
    """
    if not asked:
        turn["leaves_since_us"] = NEVER_US
        return False
    for u in range(facts.shape[1]):
        going = u != me and peers[PEER.alive, u] == 1 and facts[FACT.leaving, u] > 0.0
        if going and facts[FACT.connected, u] > 0.0 and (u < me or turn["leaves_since_us"] == NEVER_US):
            turn["leaves_since_us"] = NEVER_US
            return False
    if turn["leaves_since_us"] == NEVER_US:
        turn["leaves_since_us"] = now_us
    return True


@njit
def may_open(turn: Any, current_a: float, small_a: float, now_us: int) -> bool:
    """One that leaves opens now: announced, and its current is small; or its time is over."""
    if turn["leaves_since_us"] == NEVER_US:
        return False
    since_us = now_us - turn["leaves_since_us"]
    return bool(since_us >= LEAVE_US or (since_us >= ANNOUNCE_US and not abs(current_a) > small_a))
