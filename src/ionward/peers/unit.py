"""One unit among its peers: what it makes of their messages, what it tells them, and what follows for its pack.

`step` is the whole transition: state, own facts and time in; state, decision and (where one is due) a message out. It
is called in every cycle, after `take` for each message that came in.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ionward._compile import njit
from ionward.image.catalogue import Signal, record
from ionward.image.signals import WAIT_NONE
from ionward.peers.joining import INTENT_NONE, plan
from ionward.peers.lease import (
    NEVER_US,
    NOBODY,
    PEER,
    SENT,
    UNIT_RECORD,
    VOTE,
    has_role,
    new_ballot,
    new_votes,
    step_ballot,
)
from ionward.peers.membership import (
    HEARD_NEW,
    MEMBER,
    TROUBLE_NAME,
    compare_clocks,
    hear,
    look_who_lives,
    new_clocks,
    new_peers,
)
from ionward.peers.message import (
    FLAG_APART,
    FLAG_CLOSE_STANDS,
    FLAG_CONNECTED,
    FLAG_LEAVING,
    FLAG_READY,
    FLAG_SPEAK_STANDS,
    new_message,
)
from ionward.peers.share import FACT, allowed, site_limits
from ionward.peers.turns import new_turn

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SETUP_RECORD = record(
    (
        Signal("period_us", "µs", "A message at least so often", "i8"),
        Signal("deadline_us", "µs", "A peer that was not heard for so long is lost", "i8"),
        Signal("margin", "", "A pack's share of the current may be larger by this part than calculated"),
        Signal("join_share", "", "A pack that joins carries at most this part of its limits"),
        Signal("fallback_share", "", "Part of its own limits that a unit stays at without a majority"),
        Signal("rise_a_per_s", "A/s", "The site's limits rise no faster than this; they fall at once"),
        Signal("join_timeout_us", "µs", "A pack that waits for longer tells a person", "i8"),
        Signal("bring_together", "", "To charge the lowest goes first, to discharge the highest", "i8", 0, 1),
        Signal("way_ohm", "Ω", "Way from the cells to the common bus and back: joints and cable"),
        Signal("tolerance_v", "V", "Pack and bus sensor may differ by this when both read the same voltage"),
    )
)
OWN_RECORD = record(
    (
        Signal("emf_v", "V", "Voltage of the pack without current"),
        Signal("resistance_ohm", "Ω", "Pack and its way to the bus"),
        Signal("bus_v", "V", "Voltage of the bus at its contactors"),
        Signal("current_a", "A", "Current, positive charging"),
        Signal("charge_limit_a", "A", "What it may be charged with"),
        Signal("discharge_limit_a", "A", "What it may be discharged with"),
        Signal("soc", "", "State of charge"),
        Signal("soh", "", "State of health"),
        Signal("energy_wh", "Wh", "Energy that it can give"),
        Signal("connected", "", "Its contactors are closed", "i8", 0, 1),
        Signal("closing", "", "It is about to close them", "i8", 0, 1),
        Signal("ready", "", "It is well, and is asked to connect", "i8", 0, 1),
        Signal("leaving", "", "It will open soon", "i8", 0, 1),
        Signal("intent", "", "What it would connect for", "i8"),
        Signal("state", "", "State of its sequence", "i8"),
        Signal("apart", "", "By its own measurements it could not close onto the bus now", "i8", 0, 1),
    )
)
DECISION_RECORD = record(
    (
        Signal("speaks", "", "This unit speaks for the site", "i8", 0, 1),
        Signal("speaker", "", "Who does, for all that is heard here; -1 nobody", "i8"),
        Signal("term", "", "… with which term", "i8"),
        Signal("may_close", "", "This unit may close its contactors, where its own measurements allow it", "i8", 0, 1),
        Signal("closer", "", "Who may, for all that is heard here; -1 nobody", "i8"),
        Signal("majority", "", "More than half of all weight is heard", "i8", 0, 1),
        Signal("isolated", "", "Why this unit keeps away from the others", "i8"),
        Signal("view", "", "Units that are heard, a bit each", "i8"),
        Signal("agreed", "", "Every living peer hears the same units", "i8", 0, 1),
        Signal("charge_limit_a", "A", "What the site may be charged with"),
        Signal("discharge_limit_a", "A", "What the site may be discharged with"),
        Signal("limits_us", "µs", "When the limits were made", "i8"),
        Signal("connected", "", "Packs that are on the bus, a bit each", "i8"),
        Signal("everybody", "", "Every unit of the site is heard", "i8", 0, 1),
        Signal("send", "", "The message of this step is to be sent", "i8", 0, 1),
    )
)


class PeerState(NamedTuple):
    """All that a unit knows of its site. `peers` `[PEER, unit]`, `members` `[MEMBER, unit]`, `clocks` `[CLOCK, unit]`,
    `facts` `[FACT, unit]`, `views` `[unit]`, `speak` and `close` ballots with their `*_votes` `[VOTE, unit]`,
    `sent_us` `[SENT]`, `reasons` and `flows` `[unit]` of the plan, `turn` how its own tries went, `message` what is
    told, `decision` what follows."""

    setup: Any
    unit: Any
    peers: Integers
    members: Integers
    clocks: Integers
    facts: Floats
    views: Integers
    speak: Any
    speak_votes: Integers
    close: Any
    close_votes: Integers
    sent_us: Integers
    reasons: Integers
    flows: Floats
    intents: Integers
    turn: Any
    message: Any
    decision: Any


def new_state(
    me: int, units: int, boot: int, now_us: int, *, site: int, software: int, known_term: int = 0,
    weights: Any = 1, period_us: int = 20_000, deadline_us: int = 60_000, lease_us: int = 100_000,
    margin_us: int = 1_000, margin: float = 0.1, join_share: float = 0.5, fallback_share: float = 0.0,
    rise_a_per_s: float = 50.0, release_us: int = 170_000, join_timeout_us: int = 1_800_000_000,
    bring_together: bool = True, way_ohm: float = 0.0, tolerance_v: float = 0.0,
) -> PeerState:  # fmt: skip
    """A unit that was just started and has heard of nobody.

    Args:
        me: its number in the site's list.
        units: how many the site has.
        boot: how often it has been started, this time among them; never the same twice.
        now_us: its clock.
        site: digest of what all units must have in common.
        software: digest of the software's version.
        known_term: the highest term of before, where it was kept.
        weights: of the votes, one for each unit or one for all.
        period_us, deadline_us, lease_us, margin_us: see SETUP_RECORD and `lease`.
        margin, join_share, fallback_share, rise_a_per_s, join_timeout_us, bring_together, way_ohm, tolerance_v: see
            SETUP_RECORD.
        release_us: so long after the role was looked at last the contactors of any unit of the site are open for
            certain: a cycle, the life of enables, and the time to open. The same in all units.
    """
    setup, unit = np.zeros(1, SETUP_RECORD), np.zeros(1, UNIT_RECORD)
    setup[0] = (period_us, deadline_us, margin, join_share, fallback_share, rise_a_per_s, join_timeout_us,
                bring_together, way_ohm, tolerance_v)  # fmt: skip
    unit[0] = (me, boot, 0, now_us, lease_us, margin_us, period_us)
    message, decision = new_message(), np.zeros(1, DECISION_RECORD)
    message["unit"], message["units"], message["boot"] = me, units, boot
    message["site"], message["software"] = site, software
    decision["speaker"] = decision["closer"] = NOBODY
    return PeerState(
        setup, unit, new_peers(units, weights), np.zeros((len(MEMBER), units), np.int64), new_clocks(units),
        np.full((len(FACT), units), np.nan), np.zeros(units, np.int64), new_ballot(known_term), new_votes(units),
        new_ballot(known_term, release_us), new_votes(units), np.full(SENT, NEVER_US), np.zeros(units, np.int64),
        np.full(units, np.nan), np.zeros(units, np.int64), new_turn(), message, decision,
    )  # fmt: skip


@njit
def take(state: PeerState, message: Any, now_us: int) -> int:
    """Take in one message; what became of it (HEARD_…)."""
    unit, own = state.unit[0], state.message[0]
    verdict = hear(message, unit, own, state.peers, state.members, now_us)
    if verdict != HEARD_NEW:
        return verdict
    u = message["unit"]
    compare_clocks(message, unit, state.sent_us, state.clocks, now_us)
    state.views[u], state.intents[u] = message["view"], message["intent"]
    flags = message["flags"]
    f = state.facts
    f[FACT.emf_v, u], f[FACT.resistance_ohm, u] = message["emf_v"], message["resistance_ohm"]
    f[FACT.bus_v, u], f[FACT.current_a, u] = message["bus_v"], message["current_a"]
    f[FACT.charge_limit_a, u], f[FACT.discharge_limit_a, u] = message["charge_limit_a"], message["discharge_limit_a"]
    f[FACT.connected, u] = 1.0 if flags & FLAG_CONNECTED else 0.0
    f[FACT.ready, u] = 1.0 if flags & FLAG_READY else 0.0
    f[FACT.leaving, u] = 1.0 if flags & FLAG_LEAVING else 0.0
    f[FACT.apart, u] = 1.0 if flags & FLAG_APART else 0.0
    v = state.speak_votes
    v[VOTE.term, u], v[VOTE.stands, u] = message["speak_term"], 1 if flags & FLAG_SPEAK_STANDS else 0
    v[VOTE.vote_for, u], v[VOTE.vote_term, u] = message["speak_vote"], message["speak_vote_term"]
    v[VOTE.vote_boot, u], v[VOTE.vote_heard, u] = message["speak_vote_boot"], message["speak_vote_heard"]
    v = state.close_votes
    v[VOTE.term, u], v[VOTE.stands, u] = message["close_term"], 1 if flags & FLAG_CLOSE_STANDS else 0
    v[VOTE.vote_for, u], v[VOTE.vote_term, u] = message["close_vote"], message["close_vote_term"]
    v[VOTE.vote_boot, u], v[VOTE.vote_heard, u] = message["close_vote_boot"], message["close_vote_heard"]
    return verdict


@njit
def step(state: PeerState, own: Any, now_us: int) -> None:
    """Decide, and make the message of this step. `own` is this unit's record (`OWN_RECORD`).

    `decision["send"]` says that the message goes out now; then `sent` is called with the time at which it does.
    """
    setup, unit, decision = state.setup[0], state.unit[0], state.decision[0]
    me = unit["me"]
    note_own(state.facts, own, me)
    state.intents[me] = own["intent"]
    state.views[me] = decision["view"] = look_who_lives(state.peers, me, setup["deadline_us"], now_us)
    decision["isolated"] = TROUBLE_NAME if state.members[MEMBER.trouble, me] == TROUBLE_NAME else 0
    judge_views(state, decision)
    intent = site_intent(state) if setup["bring_together"] == 1 else INTENT_NONE
    first = plan(state.facts, state.peers[PEER.alive], intent, site_current(state), setup["join_share"], state.reasons,
                 state.flows)  # fmt: skip
    apart = decision["isolated"] != 0
    wants_close = not apart and own["connected"] == 0 and (first == me or own["closing"] == 1)
    news = step_ballot(state.speak[0], state.speak_votes, state.peers, unit, state.sent_us, not apart,
                       place_of(state.peers, me), now_us)  # fmt: skip
    news = step_ballot(state.close[0], state.close_votes, state.peers, unit, state.sent_us, wants_close, 0,
                       now_us) or news  # fmt: skip
    decision["speaks"], decision["may_close"] = state.speak[0]["holds"], state.close[0]["holds"]
    decision["speaker"], decision["term"] = holder_of(state.speak[0], state.speak_votes, me)
    decision["closer"], _ = holder_of(state.close[0], state.close_votes, me)
    limit_site(state, own, now_us)
    news = news or changed(state, own)
    due = now_us - state.sent_us[unit["counter"] % SENT] >= setup["period_us"]
    decision["send"] = 1 if news or due else 0
    if decision["send"] == 1:
        tell(state, own)


@njit
def note_own(facts: Floats, own: Any, me: int) -> None:
    """One's own column of the facts."""
    facts[FACT.emf_v, me], facts[FACT.resistance_ohm, me] = own["emf_v"], own["resistance_ohm"]
    facts[FACT.bus_v, me], facts[FACT.current_a, me] = own["bus_v"], own["current_a"]
    facts[FACT.charge_limit_a, me] = own["charge_limit_a"]
    facts[FACT.discharge_limit_a, me] = own["discharge_limit_a"]
    facts[FACT.connected, me], facts[FACT.ready, me] = own["connected"], own["ready"]
    facts[FACT.leaving, me], facts[FACT.apart, me] = own["leaving"], own["apart"]


@njit
def judge_views(state: PeerState, decision: Any) -> None:
    """Is there a majority, and does every living peer see the same?"""
    total = heard = connected = np.int64(0)
    agreed = everybody = 1
    for u in range(state.peers.shape[1]):
        total += state.peers[PEER.weight, u]
        if state.peers[PEER.alive, u] == 0:
            everybody = 0
            continue
        heard += state.peers[PEER.weight, u]
        if state.views[u] != decision["view"]:
            agreed = 0
        if state.facts[FACT.connected, u] > 0.0:
            connected |= np.int64(1) << u
    decision["majority"] = 1 if 2 * heard > total else 0
    decision["agreed"], decision["everybody"], decision["connected"] = agreed, everybody, connected


@njit
def place_of(peers: Integers, me: int) -> int:
    """How many living peers stand before this unit in the site's list."""
    place = 0
    for u in range(me):
        place += peers[PEER.alive, u]
    return place


@njit
def site_intent(state: PeerState) -> int:
    """What the site connects for: what the first living unit of the list says that says anything."""
    for u in range(state.peers.shape[1]):
        if state.peers[PEER.alive, u] == 1 and state.intents[u] != INTENT_NONE:
            return int(state.intents[u])
    return INTENT_NONE


@njit
def site_current(state: PeerState) -> float:
    """Sum over the living packs on the bus, positive charging."""
    total_a = 0.0
    for u in range(state.peers.shape[1]):
        current_a = state.facts[FACT.current_a, u]
        if state.peers[PEER.alive, u] == 1 and state.facts[FACT.connected, u] > 0.0 and current_a == current_a:
            total_a += current_a
    return total_a


@njit
def holder_of(ballot: Any, votes: Integers, me: int) -> tuple[int, int]:
    """Who has a role, as far as this unit can tell, and its term: itself, or the one that it votes for."""
    if ballot["holds"] == 1:
        return me, ballot["term"]
    u = ballot["vote_for"]
    if u != NOBODY and u != me:
        return u, ballot["vote_term"]
    return NOBODY, ballot["known_term"]


@njit
def limit_site(state: PeerState, own: Any, now_us: int) -> None:
    """The site's limits now: at once down, slowly up, and up only with a majority. Without one each unit keeps to its
    share, agreed on beforehand, of its own limits.
    """
    setup, decision = state.setup[0], state.decision[0]
    charge_a, discharge_a = site_limits(state.facts, state.peers[PEER.alive], setup["margin"])
    rise_a = setup["rise_a_per_s"] * max(now_us - decision["limits_us"], 0) * 1e-6
    if decision["majority"] == 0 or decision["isolated"] != 0:
        connected, share = own["connected"] == 1, setup["fallback_share"]
        charge_a = min(charge_a, share * allowed(own["charge_limit_a"])) if connected else 0.0
        discharge_a = min(discharge_a, share * allowed(own["discharge_limit_a"])) if connected else 0.0
    decision["charge_limit_a"] = min(charge_a, decision["charge_limit_a"] + rise_a)
    decision["discharge_limit_a"] = min(discharge_a, decision["discharge_limit_a"] + rise_a)
    decision["limits_us"] = now_us


@njit
def flags_of(state: PeerState, own: Any) -> int:
    """The bits of the message."""
    flags = FLAG_CONNECTED if own["connected"] == 1 else 0
    flags |= FLAG_READY if own["ready"] == 1 else 0
    flags |= FLAG_LEAVING if own["leaving"] == 1 else 0
    flags |= FLAG_APART if own["apart"] == 1 else 0
    flags |= FLAG_SPEAK_STANDS if state.speak[0]["stands"] == 1 else 0
    flags |= FLAG_CLOSE_STANDS if state.close[0]["stands"] == 1 else 0
    return flags


@njit
def changed(state: PeerState, own: Any) -> bool:
    """Something that the others should hear at once: contactors, readiness, a limit that has fallen."""
    message = state.message[0]
    fell = own["charge_limit_a"] < 0.9 * message["charge_limit_a"]
    fell = fell or own["discharge_limit_a"] < 0.9 * message["discharge_limit_a"]
    return bool(fell or flags_of(state, own) != message["flags"])


@njit
def tell(state: PeerState, own: Any) -> None:
    """Fill in the message. Its counter and time are those of `sent`."""
    message = state.message[0]
    message["flags"], message["view"] = flags_of(state, own), state.decision[0]["view"]
    message["intent"], message["state"] = own["intent"], own["state"]
    message["soc"], message["soh"], message["energy_wh"] = own["soc"], own["soh"], own["energy_wh"]
    message["emf_v"], message["resistance_ohm"] = own["emf_v"], own["resistance_ohm"]
    message["bus_v"], message["current_a"] = own["bus_v"], own["current_a"]
    message["charge_limit_a"], message["discharge_limit_a"] = own["charge_limit_a"], own["discharge_limit_a"]
    b = state.speak[0]
    message["speak_term"] = b["term"] if b["stands"] == 1 else b["known_term"]
    message["speak_vote"], message["speak_vote_term"] = b["vote_for"], b["vote_term"]
    message["speak_vote_boot"], message["speak_vote_heard"] = b["vote_boot"], b["vote_heard"]
    b = state.close[0]
    message["close_term"] = b["term"] if b["stands"] == 1 else b["known_term"]
    message["close_vote"], message["close_vote_term"] = b["vote_for"], b["vote_term"]
    message["close_vote_boot"], message["close_vote_heard"] = b["vote_boot"], b["vote_heard"]


@njit
def sent(state: PeerState, now_us: int) -> None:
    """Number and date the message that goes out now, and add the echo whose turn it is."""
    unit, message, peers = state.unit[0], state.message[0], state.peers
    unit["counter"] += 1
    counter = unit["counter"]
    state.sent_us[counter % SENT] = now_us
    message["counter"], message["time_us"] = counter, now_us
    u = counter % peers.shape[1]
    echoes = u != unit["me"] and peers[PEER.alive, u] == 1
    message["echo_unit"] = u if echoes else NOBODY
    message["echo_counter"] = peers[PEER.counter, u] if echoes else 0
    message["echo_held_us"] = now_us - peers[PEER.heard_us, u] if echoes else 0


@njit
def may_speak(state: PeerState, now_us: int) -> bool:
    """Asked again just before a frame leaves: after a freeze the role is gone."""
    return bool(has_role(state.speak[0], state.speak_votes, state.peers, state.unit[0], state.sent_us, now_us))


@njit
def may_close(state: PeerState, now_us: int) -> bool:
    """Asked again just before a contactor is closed, and until it is. Meets SR-242."""
    return bool(has_role(state.close[0], state.close_votes, state.peers, state.unit[0], state.sent_us, now_us))


def pending(state: PeerState) -> dict[int, tuple[int, float]]:
    """Units that wait, with the number of their reason and the current that would flow in A (NaN: not known)."""
    return {
        u: (int(state.reasons[u]), float(state.flows[u]) if math.isfinite(state.flows[u]) else math.nan)
        for u in range(len(state.reasons))
        if state.reasons[u] != WAIT_NONE
    }
