"""Everything that the connection sequence can do, explored breadth-first: each state, each step, each way on."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, NamedTuple

import pytest

from helpers.bus import NEGATIVE, POSITIVE, PRECHARGE
from helpers.data import ROOT
from helpers.exploring import Explorer, Inputs, Moment, driven_of, reason_of, state_of, step_of
from helpers.packs import breaking
from ionward.control.contactors import SEQ, STEP_OPEN_FIRST, STEPS
from ionward.image.signals import (
    HOLD_BUS_FROZEN,
    HOLD_CHARGE_BLOCKED,
    HOLD_DISCHARGE_BLOCKED,
    HOLD_PEERS,
    OPEN_NONE,
    OPEN_NOW,
    SEQUENCE_REASONS,
    STATES,
)

MAY_BREAK_A = 100.0
# Contactors of which one may break a large discharge current; a pack without feedback contacts whose resistor bears
# little; one without a precharge path; one of several on a common bus.
PACKS: dict[str, dict[str, Any]] = {
    "one may break it": {**breaking(MAY_BREAK_A), "negative_break_discharge_a": 2000.0, "precharge_tries": 2},
    "no feedback": {**breaking(MAY_BREAK_A), "feedback": False, "precharge_energy_max_j": 300.0, "precharge_tries": 2},
    "no precharge": {**breaking(MAY_BREAK_A), "has_precharge": 0},
    "in a site": {**breaking(MAY_BREAK_A), "in_site": True, "precharge_tries": 2},
}


class Explored(NamedTuple):
    """What was seen of a pack, and every tick that broke a rule."""

    explorer: Explorer
    ways: set[tuple[str, str]]
    broken: list[str]


@cache
def explored(pack: str) -> Explored:
    explorer, ways, broken = Explorer(**PACKS[pack]), set(), []
    for before, inputs in explorer.explore():
        after = explorer.now()
        if state_of(before) != state_of(after):
            ways.add((state_of(before), state_of(after)))
        rule = broken_rule(before, inputs, after, explorer)
        if rule:
            broken.append(f"{rule}: {state_of(before)}/{step_of(before)} -> {state_of(after)} with {inputs}")
    return Explored(explorer, ways, broken)


def broken_rule(before: Moment, inputs: Inputs, after: Moment, explorer: Explorer) -> str:
    """The rule that this tick breaks; empty when all hold."""
    was, now, state = driven_of(before), driven_of(after), state_of(after)
    newly = [name for name in now if now[name] and not was[name]]
    bearable = not abs(inputs.current_a) > MAY_BREAK_A
    other_follows = before.fields[SEQ.step] == STEP_OPEN_FIRST
    rules = {
        "closed against protection": inputs.request == OPEN_NONE or not newly,
        "not opened now": inputs.request != OPEN_NOW or not bearable or other_follows or not any(now.values()),
        "driven in a state of rest": state not in ("init", "standby", "fault") or not any(now.values()),
        "precharge without negative": not now[PRECHARGE] or now[NEGATIVE],
        "connected otherwise": state != "connected" or now == {POSITIVE: True, NEGATIVE: True, PRECHARGE: False},
        "closed onto another voltage": POSITIVE not in newly or may_close(after, explorer),
        "closed without a wish": inputs.connect == 1 or not newly,
        "began without consent": inputs.consent or not newly,
        "went on without consent": inputs.consent or state not in ("precharge", "closing") or now[POSITIVE],
        "precharged a bus that others hold": not (explorer.in_site and PRECHARGE in newly) or is_dead(before, explorer),
        "left the fault": state_of(before) != "fault" or state == "fault" or may_leave(before, inputs, after),
    }
    return next((rule for rule, holds in rules.items() if not holds), "")


def may_close(after: Moment, explorer: Explorer) -> bool:
    """The bus stands at the pack's voltage; a pack without precharge may close onto a dead one."""
    bus_v, pack_v = after.fields[SEQ.bus_v], after.fields[SEQ.pack_v]
    p = explorer.bus.parameters.scalars[0]
    dead = p["has_precharge"] == 0 and abs(bus_v) < p["bus_dead_v"]
    return bool(dead or abs(bus_v - pack_v) <= p["precharge_done_v"])


def is_dead(moment: Moment, explorer: Explorer) -> bool:
    """The bus was dead when the connection began."""
    return bool(abs(moment.fields[SEQ.bus_start_v]) < explorer.bus.parameters.scalars[0]["bus_dead_v"])


def may_leave(before: Moment, inputs: Inputs, after: Moment) -> bool:
    """Protection is content, nobody wishes to connect, and the sequence's own fault has been acknowledged."""
    acknowledged = before.fields[SEQ.own_fault] == 0.0 or after.acknowledged > before.fields[SEQ.acknowledged]
    return bool(acknowledged and inputs.request == OPEN_NONE and not inputs.latched and inputs.connect != 1)


@pytest.mark.xdist_group("exploration")
@pytest.mark.verifies("SR-121", "SR-122", "SR-143", "SR-211", "SR-240")
@pytest.mark.parametrize("pack", PACKS)
def test_no_tick_of_any_state_breaks_a_rule(pack: str) -> None:
    assert not explored(pack).broken


@pytest.mark.xdist_group("exploration")
def test_every_state_step_and_reason_is_reached() -> None:
    moments = [moment for pack in PACKS for moment in explored(pack).explorer.moments.values()]
    assert {state_of(moment) for moment in moments} == set(STATES)
    assert {step_of(moment) for moment in moments} == set(STEPS)
    # No inputs of the exploration: a bus reading that stands still (tests/control/test_sequence.py), and switches that
    # block one direction (tests/control/test_one_way.py).
    elsewhere = {SEQUENCE_REASONS[k] for k in (HOLD_BUS_FROZEN, HOLD_CHARGE_BLOCKED, HOLD_DISCHARGE_BLOCKED)}
    # Of what the site says, the exploration knows one; the others are told alike (tests/control/test_site.py).
    elsewhere |= set(SEQUENCE_REASONS[HOLD_PEERS + 1 :])
    assert {reason_of(moment) for moment in moments} | elsewhere == set(SEQUENCE_REASONS)


@pytest.mark.xdist_group("exploration")
def test_the_ways_between_states_are_those_of_the_documents() -> None:
    drawn = re.findall(r"^    (\w+) --> (\w+):", (ROOT / "docs" / "control.md").read_text(), re.MULTILINE)
    assert set().union(*(explored(pack).ways for pack in PACKS)) == set(drawn)


@pytest.mark.xdist_group("exploration")
@pytest.mark.verifies("SR-122")
@pytest.mark.parametrize("pack", PACKS)
def test_an_abort_in_every_reachable_moment_ends_open_in_the_state_fault(pack: str) -> None:
    explorer = explored(pack).explorer
    for moment in list(explorer.moments.values()):
        explorer.go_to(moment)
        for tick in range(60):
            explorer.tick(Inputs(1, OPEN_NOW, 0.3))
            if tick >= 1:  # a second contactor may follow the first one in the next tick
                assert not any(driven_of(explorer.now()).values()), (moment, tick)
        assert explorer.bus.state == "fault", (state_of(moment), step_of(moment))


@pytest.mark.xdist_group("exploration")
@pytest.mark.verifies("SR-145")
@pytest.mark.parametrize("pack", PACKS)
def test_from_every_reachable_moment_a_withdrawn_wish_ends_open_and_a_new_one_connects(pack: str) -> None:
    explorer = explored(pack).explorer
    for moment in list(explorer.moments.values()):
        explorer.go_to(moment)
        for _ in range(40):
            explorer.tick(Inputs(connect=0, wait_s=0.3))
        assert explorer.bus.state in ("standby", "fault")
        assert not any(explorer.bus.driven.values())
        explorer.tick(Inputs(connect=0, wait_s=40.0, acknowledge=True))
        explorer.tick(Inputs(connect=0, wait_s=40.0))
        for _ in range(60):
            explorer.tick(Inputs(wait_s=0.02))
        assert explorer.bus.state == "connected", (state_of(moment), step_of(moment), explorer.bus.reason)
