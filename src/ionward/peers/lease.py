"""One role that at most one unit of a site has at a time: to speak for it, or to close onto its bus.

A unit that wants the role *stands* for it with a term, in every message that it sends. Each other unit *votes* for one
that stands, and says which of its messages it has heard last. Such a vote is a promise to vote for nobody else until a
lease after that message came in. Whoever stands has the role while votes of more than half of all weight are younger
than a lease, counted **from when it sent the message that was heard**.

So no two have it at once. Any two such majorities share a voter; its promise to the one began when that message came
in, which is not before it was sent, and lasts at least as long as the vote counts. A term belongs to one unit for ever
(its number is in it), so no two ever have it with the same one. Nothing is assumed of the network: messages may be
lost, late, doubled or out of order. Assumed of the units: their clocks run on while they are frozen, with speeds that
differ by less than `margin_us` in a lease; one that is started anew knows that it is (`boot`), and is silent for a
whole lease, for it has forgotten what it promised.

A word is ended by not sending it; a contactor is not. From the last look at the role until the contact is open for
certain pass a cycle, the life of the driver's enables (for a unit that froze) and the time that the contact takes to
fall. So a promise about the role of closing is kept longer by that (`keep_us`), and so is the silence of a unit that is
started anew: when another one can have the role, the contacts of the first are open. For the same reason a unit that
gives a try up stands for the role until its contacts are proven open.

The even half of a divided site has no majority, unless one unit's weight decides.

Times are whole microseconds of the unit's own clock.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ionward._compile import njit
from ionward.image.catalogue import Signal, record, rows

Integers = npt.NDArray[np.int64]

UNITS_MAX = 64
NOBODY = -1
NEVER_US = -(2**60)
# Messages of which a unit remembers when it sent them; votes for older ones have expired long before.
SENT = 64
# A unit that stands and does not get the role within so many leases gives way.
PATIENCE_LEASES = 2

UNIT_SIGNALS = (
    Signal("me", "", "Number of this unit at the site", "i8"),
    Signal("boot", "", "How often it has been started", "i8"),
    Signal("counter", "", "Of the last message that it sent", "i8"),
    Signal("started_us", "µs", "When it was started", "i8"),
    Signal("lease_us", "µs", "So long a vote counts", "i8"),
    Signal("margin_us", "µs", "So much longer a promise is kept: clocks run at different speeds", "i8"),
    Signal("stagger_us", "µs", "So much later than the unit before it another one stands for a free role", "i8"),
)
UNIT_RECORD = record(UNIT_SIGNALS)
BALLOT_SIGNALS = (
    Signal("known_term", "", "Highest term that this unit has heard of", "i8"),
    Signal("term", "", "Term that it stands with, or stood with last", "i8"),
    Signal("stands", "", "It stands for the role", "i8", 0, 1),
    Signal("stands_from", "", "Counter of the first message that says so", "i8"),
    Signal("stands_since_us", "µs", "Since when it stands, or has had the role last", "i8"),
    Signal("free_since_us", "µs", "Since when nobody alive stands", "i8"),
    Signal("rests_until_us", "µs", "After it gave way it does not stand before", "i8"),
    Signal("vote_for", "", "Unit to which its vote is promised; -1 nobody", "i8"),
    Signal("vote_term", "", "Term that this one stands with", "i8"),
    Signal("vote_boot", "", "Start of that unit that is meant", "i8"),
    Signal("vote_heard", "", "Its message that was heard last", "i8"),
    Signal("vote_until_us", "µs", "The promise is kept until then", "i8"),
    Signal("holds", "", "It had the role at the last step", "i8", 0, 1),
    Signal("keep_us", "µs", "What the role lets begin may last so long after its end: promises are kept for it", "i8"),
)
BALLOT_RECORD = record(BALLOT_SIGNALS)
PEER = rows(
    "Peer",
    (
        Signal("alive", "", "Heard within the deadline, and one of ours", "i8", 0, 1),
        Signal("boot", "", "How often it has been started", "i8"),
        Signal("counter", "", "Its message that was heard last", "i8"),
        Signal("heard_us", "µs", "When that came in", "i8"),
        Signal("weight", "", "Of its vote", "i8"),
    ),
)
VOTE = rows(
    "Vote",
    (
        Signal("term", "", "Term that the peer stands with, or the highest that it knows", "i8"),
        Signal("stands", "", "It stands for the role", "i8", 0, 1),
        Signal("vote_for", "", "For whom it votes; -1 nobody", "i8"),
        Signal("vote_term", "", "Term of that one", "i8"),
        Signal("vote_boot", "", "Start of that one", "i8"),
        Signal("vote_heard", "", "Message of that one that it heard last", "i8"),
    ),
)


def new_ballot(known_term: int = 0, keep_us: int = 0) -> Any:
    """Nobody stands, nothing is promised. `known_term`: the highest one of before, where it was kept."""
    ballot = np.zeros(1, BALLOT_RECORD)
    ballot["known_term"], ballot["keep_us"] = known_term, keep_us
    ballot["vote_for"] = NOBODY
    ballot["free_since_us"] = ballot["rests_until_us"] = ballot["vote_until_us"] = NEVER_US
    return ballot


def new_votes(units: int) -> Integers:
    """`[VOTE, unit]`: nobody stands, nobody votes."""
    votes = np.zeros((len(VOTE), units), np.int64)
    votes[VOTE.vote_for] = NOBODY
    return votes


@njit
def next_term(known_term: int, me: int) -> int:
    """A term above all that are known, which no other unit can come to. Of two of one round that of the first unit
    in the site's list is higher.
    """
    return (known_term // UNITS_MAX + 1) * UNITS_MAX + (UNITS_MAX - 1 - me)


@njit
def step_ballot(
    ballot: Any, votes: Integers, peers: Integers, unit: Any, sent_us: Integers, wants: bool, place: int, now_us: int
) -> bool:
    """One step for one role; True when there is something new that peers should hear at once.

    Args:
        ballot: this unit's ballot, a record, changed.
        votes: `[VOTE, unit]`, as heard.
        peers: `[PEER, unit]`.
        unit: this unit.
        sent_us: `[SENT]`: when its message of a counter was sent.
        wants: it would take the role.
        place: how many living peers should rather have it.
        now_us: the unit's clock.
    """
    stood, voted = ballot["stands"], ballot["vote_for"]
    best = strongest(votes, peers, unit["me"])
    for u in range(votes.shape[1]):
        ballot["known_term"] = max(ballot["known_term"], votes[VOTE.term, u])
    if best != NOBODY:
        ballot["free_since_us"] = NEVER_US
    elif ballot["free_since_us"] == NEVER_US:
        ballot["free_since_us"] = now_us
    keep_promise(ballot, votes, peers, unit, now_us)
    ballot["holds"] = 1 if has_role(ballot, votes, peers, unit, sent_us, now_us) else 0
    if ballot["holds"] == 1:
        ballot["stands_since_us"] = now_us
    if now_us < unit["started_us"] + unit["lease_us"] + unit["margin_us"] + ballot["keep_us"]:
        return False
    if ballot["stands"] == 1:
        give_way(ballot, votes, unit, wants, best, now_us)
    elif wants and may_stand(ballot, unit, best, place, now_us):
        stand(ballot, unit, now_us)
    if ballot["stands"] == 0 and ballot["vote_for"] == NOBODY and best != NOBODY:
        promise(ballot, votes, peers, unit, best)
    ballot["holds"] = 1 if has_role(ballot, votes, peers, unit, sent_us, now_us) else 0
    return bool(ballot["stands"] != stood or ballot["vote_for"] != voted)


@njit
def strongest(votes: Integers, peers: Integers, me: int) -> int:
    """The living peer that stands with the highest term; NOBODY when none stands."""
    best = NOBODY
    for u in range(votes.shape[1]):
        stands = u != me and peers[PEER.alive, u] == 1 and votes[VOTE.stands, u] == 1
        if stands and (best == NOBODY or votes[VOTE.term, u] > votes[VOTE.term, best]):
            best = u
    return best


@njit
def keep_promise(ballot: Any, votes: Integers, peers: Integers, unit: Any, now_us: int) -> None:
    """Renew the promise with every new message of who stands. It ends when its time is over, or that one gave way."""
    u = ballot["vote_for"]
    if u == NOBODY or u == unit["me"]:
        return
    same = peers[PEER.boot, u] == ballot["vote_boot"]
    if same and votes[VOTE.stands, u] == 1 and votes[VOTE.term, u] == ballot["vote_term"]:
        if peers[PEER.counter, u] > ballot["vote_heard"]:
            promise(ballot, votes, peers, unit, u)
    elif same and peers[PEER.counter, u] > ballot["vote_heard"]:
        # It says itself that it no longer stands with this term: votes for it count no more.
        ballot["vote_for"] = NOBODY
    if ballot["vote_for"] != NOBODY and not now_us < ballot["vote_until_us"]:
        ballot["vote_for"] = NOBODY


@njit
def promise(ballot: Any, votes: Integers, peers: Integers, unit: Any, u: int) -> None:
    """Vote for a unit that stands, for a lease and more from when its message came in. Meets SR-242."""
    ballot["vote_for"], ballot["vote_term"] = u, votes[VOTE.term, u]
    ballot["vote_boot"], ballot["vote_heard"] = peers[PEER.boot, u], peers[PEER.counter, u]
    ballot["vote_until_us"] = peers[PEER.heard_us, u] + unit["lease_us"] + unit["margin_us"] + ballot["keep_us"]


@njit
def may_stand(ballot: Any, unit: Any, best: int, place: int, now_us: int) -> bool:
    """Nobody stands, nothing is promised, and those who should rather have the role had their time."""
    free = best == NOBODY and ballot["vote_for"] == NOBODY and not now_us < ballot["rests_until_us"]
    return bool(free and not now_us < ballot["free_since_us"] + place * unit["stagger_us"])


@njit
def stand(ballot: Any, unit: Any, now_us: int) -> None:
    """Stand for the role with a term of one's own, from the next message on."""
    ballot["term"] = ballot["known_term"] = next_term(ballot["known_term"], unit["me"])
    ballot["stands"], ballot["stands_from"], ballot["stands_since_us"] = 1, unit["counter"] + 1, now_us
    ballot["vote_for"], ballot["vote_term"], ballot["vote_boot"] = unit["me"], ballot["term"], unit["boot"]
    ballot["vote_heard"] = unit["counter"]


@njit
def give_way(ballot: Any, votes: Integers, unit: Any, wants: bool, best: int, now_us: int) -> None:
    """No longer stand: the role is no longer wanted, or another one stands more strongly, or nobody votes for it."""
    beaten = best != NOBODY and votes[VOTE.term, best] > ballot["term"]
    patience_us = PATIENCE_LEASES * unit["lease_us"]
    vain = not now_us < ballot["stands_since_us"] + patience_us
    if not wants or (ballot["holds"] == 0 and (beaten or vain)):
        ballot["stands"], ballot["holds"], ballot["vote_for"] = 0, 0, NOBODY
        if vain:
            ballot["rests_until_us"] = now_us + (1 + unit["me"]) * unit["lease_us"]


@njit
def has_role(ballot: Any, votes: Integers, peers: Integers, unit: Any, sent_us: Integers, now_us: int) -> bool:
    """More than half of all weight votes for this unit, by votes that count now. Ask again just before using it."""
    if ballot["stands"] == 0:
        return False
    total = mine = 0
    for u in range(votes.shape[1]):
        total += peers[PEER.weight, u]
        if u == unit["me"] or counts(ballot, votes, unit, sent_us, u, now_us):
            mine += peers[PEER.weight, u]
    return bool(2 * mine > total)


@njit
def counts(ballot: Any, votes: Integers, unit: Any, sent_us: Integers, u: int, now_us: int) -> bool:
    """The vote of a peer is for this start of this unit and this term, and young enough."""
    heard = votes[VOTE.vote_heard, u]
    meant = votes[VOTE.vote_for, u] == unit["me"] and votes[VOTE.vote_boot, u] == unit["boot"]
    if not meant or votes[VOTE.vote_term, u] != ballot["term"]:
        return False
    if heard < ballot["stands_from"] or heard > unit["counter"] or heard <= unit["counter"] - SENT:
        return False
    return bool(now_us < sent_us[heard % SENT] + unit["lease_us"])
