"""Who is there: which messages count, who is alive, and how far each peer's clock is from one's own.

A peer is alive while its last valid message is younger than the deadline, whatever the transport says. A message is
valid when it comes from a unit of this site, with this description and this software, and is newer than the last one:
a higher counter of the same start, or a later start. A unit that was replaced counts its starts anew; it is heard again
once the old one has been silent for `REPLACED_US`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ionward._compile import njit
from ionward.image.catalogue import Signal, rows
from ionward.peers.lease import NEVER_US, PEER, SENT

Integers = npt.NDArray[np.int64]

REPLACED_US = 2_000_000
UNKNOWN_US = 2**62
# Clocks of small computers differ by less than this.
DRIFT_PPM = 100
TROUBLES = (
    "",
    "another unit has the same name",
    "its site has another number of units",
    "its site is described otherwise",
    "its software is another one",
)
(TROUBLE_NONE, TROUBLE_NAME, TROUBLE_UNITS, TROUBLE_SITE, TROUBLE_SOFTWARE) = range(len(TROUBLES))
HEARD_NEW, HEARD_OLD, HEARD_OWN, HEARD_REFUSED = range(4)
CLOCK = rows(
    "Clock",
    (
        Signal("offset_us", "µs", "The peer's clock less one's own", "i8"),
        Signal("error_us", "µs", "… known to within, when it was measured", "i8"),
        Signal("measured_us", "µs", "When", "i8"),
    ),
)
MEMBER = rows(
    "Member",
    (
        Signal("trouble", "", "Why its messages do not count", "i8", 0, len(TROUBLES) - 1, TROUBLES),
        Signal("refused", "", "Messages that did not count", "i8"),
        Signal("old", "", "Messages that were heard before, or overtaken", "i8"),
        Signal("lost", "", "Messages that never came", "i8"),
        Signal("starts", "", "How often it was seen to start anew", "i8"),
    ),
)


def new_clocks(units: int) -> Integers:
    """`[CLOCK, unit]`: nothing is known."""
    clocks = np.zeros((len(CLOCK), units), np.int64)
    clocks[CLOCK.measured_us] = NEVER_US
    return clocks


def new_peers(units: int, weights: Any = 1) -> Integers:
    """`[PEER, unit]`: nobody was heard."""
    peers = np.zeros((len(PEER), units), np.int64)
    peers[PEER.heard_us] = NEVER_US
    peers[PEER.weight] = weights
    return peers


@njit
def trouble_of(message: Any, unit: Any, own: Any) -> int:
    """What is wrong with the sender; `own` is this unit's message, which says what is right."""
    if message["unit"] == unit["me"]:
        foreign = message["boot"] != unit["boot"] or message["counter"] > unit["counter"]
        return TROUBLE_NAME if foreign else TROUBLE_NONE
    if message["units"] != own["units"] or message["unit"] >= own["units"]:
        return TROUBLE_UNITS
    if message["site"] != own["site"]:
        return TROUBLE_SITE
    if message["software"] != own["software"]:
        return TROUBLE_SOFTWARE
    return TROUBLE_NONE


@njit
def hear(message: Any, unit: Any, own: Any, peers: Integers, members: Integers, now_us: int) -> int:
    """Take note of a message: HEARD_NEW when it counts and what it says is to be taken over."""
    u = min(message["unit"], peers.shape[1] - 1)
    trouble = trouble_of(message, unit, own)
    if trouble != TROUBLE_NONE:
        members[MEMBER.trouble, u] = trouble
        members[MEMBER.refused, u] += 1
        return HEARD_REFUSED
    if u == unit["me"]:
        return HEARD_OWN
    boot, counter = peers[PEER.boot, u], peers[PEER.counter, u]
    # A unit that was replaced counts from the beginning: an old number may even be the same one.
    anew = message["boot"] < boot or (message["boot"] == boot and message["counter"] <= counter)
    restarted = message["boot"] > boot or (anew and now_us - peers[PEER.heard_us, u] > REPLACED_US)
    if not restarted and (message["boot"] != boot or message["counter"] <= counter):
        members[MEMBER.old, u] += 1
        return HEARD_OLD
    if restarted:
        members[MEMBER.starts, u] += 1
    else:
        members[MEMBER.lost, u] += message["counter"] - counter - 1
    members[MEMBER.trouble, u] = TROUBLE_NONE
    peers[PEER.boot, u], peers[PEER.counter, u], peers[PEER.heard_us, u] = message["boot"], message["counter"], now_us
    return HEARD_NEW


@njit
def look_who_lives(peers: Integers, me: int, deadline_us: int, now_us: int) -> int:
    """Mark who is alive; returns them as bits. One's own bit is always set."""
    view = np.int64(0)
    for u in range(peers.shape[1]):
        alive = u == me or now_us - peers[PEER.heard_us, u] < deadline_us
        peers[PEER.alive, u] = 1 if alive else 0
        if alive:
            view |= np.int64(1) << u
    return int(view)


@njit
def compare_clocks(message: Any, unit: Any, sent_us: Integers, clocks: Integers, now_us: int) -> None:
    """From an echo of one's own message: it went there and came back, so the peer's clock is known to within half of
    that time. What was measured more exactly lately is kept.
    """
    counter = message["echo_counter"]
    mine = message["echo_unit"] == unit["me"] and unit["counter"] - SENT < counter <= unit["counter"]
    if not mine:
        return
    u = message["unit"]
    around_us = now_us - sent_us[counter % SENT] - message["echo_held_us"]
    error_us = around_us // 2 + 1
    if around_us >= 0 and error_us <= clock_error_us(clocks, u, now_us):
        clocks[CLOCK.offset_us, u] = message["time_us"] + around_us // 2 - now_us
        clocks[CLOCK.error_us, u], clocks[CLOCK.measured_us, u] = error_us, now_us


@njit
def clock_error_us(clocks: Integers, u: int, now_us: int) -> int:
    """To within how much the clock of a peer is known now; it grows since it was measured."""
    if clocks[CLOCK.measured_us, u] == NEVER_US:
        return UNKNOWN_US
    return int(clocks[CLOCK.error_us, u] + (now_us - clocks[CLOCK.measured_us, u]) * DRIFT_PPM // 1_000_000)
