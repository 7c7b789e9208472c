"""A unit's turns: who fails rests, who waits too long tells it, and who leaves does so alone."""

from __future__ import annotations

import numpy as np
import pytest

from ionward.peers.lease import NEVER_US
from ionward.peers.membership import new_peers
from ionward.peers.share import FACT
from ionward.peers.turns import (
    ANNOUNCE_US,
    IDLE_US,
    LEAVE_US,
    REST_US,
    follow_try,
    follow_wait,
    leaves,
    may_open,
    new_turn,
    rests,
)


class Turns:
    """A record and a clock."""

    def __init__(self) -> None:
        self.turn, self.now_us = new_turn(), 10**9

    def go(self, role: bool, closing: bool, connected: bool = False, us: int = 10_000) -> None:
        self.now_us += us
        follow_try(self.turn[0], int(connected), int(closing), 1.5, -15.0, self.now_us)
        held = role and (not closing or self.turn[0]["had_role"] == 1)
        self.turn["had_role"] = int(held)

    @property
    def resting(self) -> bool:
        return rests(self.turn[0], self.now_us)


@pytest.mark.verifies("SR-243")
def test_a_try_that_ends_without_a_connection_is_followed_by_a_rest() -> None:
    t = Turns()
    t.go(role=True, closing=False)
    for _ in range(50):
        t.go(role=True, closing=True)
    assert not t.resting
    t.go(role=True, closing=False)
    assert t.resting
    assert (t.turn["failures"][0], t.turn["apart_v"][0], t.turn["flow_a"][0]) == (1, 1.5, -15.0)
    t.go(role=False, closing=False, us=REST_US)
    assert not t.resting


def test_a_try_that_ends_in_a_connection_is_no_failure() -> None:
    t = Turns()
    t.go(role=True, closing=False)
    t.go(role=True, closing=True)
    t.go(role=False, closing=False, connected=True)
    t.go(role=False, closing=False, connected=True)
    assert (t.resting, t.turn["failures"][0]) == (False, 0)


def test_a_try_that_the_others_ended_may_be_made_again_at_once() -> None:
    t = Turns()
    t.go(role=True, closing=False)
    t.go(role=True, closing=True)
    t.go(role=False, closing=True)
    t.go(role=True, closing=True)  # the role is back before its contacts are open
    t.go(role=True, closing=False)
    assert not t.resting


@pytest.mark.verifies("SR-243")
def test_who_has_the_role_and_does_not_begin_gives_it_up() -> None:
    t = Turns()
    for _ in range(IDLE_US // 10_000):
        t.go(role=True, closing=False)
        assert not t.resting
    t.go(role=True, closing=False, us=20_000)
    assert t.resting


@pytest.mark.verifies("SR-243")
def test_a_long_wait_is_overdue_until_it_ends() -> None:
    turn = new_turn()[0]
    follow_wait(turn, True, 0, 1_000, 5_000)
    follow_wait(turn, True, 0, 1_000, 6_000)
    assert turn["overdue"] == 0
    follow_wait(turn, True, 0, 1_000, 6_001)
    assert turn["overdue"] == 1
    follow_wait(turn, True, 1, 1_000, 6_002)
    assert (turn["overdue"], turn["waits_since_us"]) == (0, NEVER_US)
    follow_wait(turn, True, 0, 1_000, 9_000)
    follow_wait(turn, False, 0, 1_000, 99_000)
    assert turn["overdue"] == 0


def site(units: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """All connected and alive, nobody leaving."""
    facts, peers = np.zeros((len(FACT), units)), new_peers(units)
    facts[FACT.connected] = peers[0] = 1
    return facts, peers


@pytest.mark.verifies("SR-244")
def test_one_leaves_at_a_time_and_of_two_the_first_of_the_list_goes_on() -> None:
    facts, peers = site()
    first, last = new_turn()[0], new_turn()[0]
    facts[FACT.leaving, 1] = 1.0
    assert not leaves(last, facts, peers, 2, True, 100)
    facts[FACT.leaving] = 0.0
    assert leaves(first, facts, peers, 0, True, 100)
    assert leaves(last, facts, peers, 2, True, 100)
    facts[FACT.leaving, [0, 2]] = 1.0
    assert leaves(first, facts, peers, 0, True, 200)
    assert not leaves(last, facts, peers, 2, True, 200)
    facts[FACT.connected, 0] = facts[FACT.leaving, 0] = 0.0
    assert leaves(last, facts, peers, 2, True, 300)


def test_who_is_not_heard_any_more_keeps_nobody_from_leaving() -> None:
    facts, peers = site()
    facts[FACT.leaving, 0] = 1.0
    peers[0, 0] = 0
    assert leaves(new_turn()[0], facts, peers, 1, True, 100)


@pytest.mark.verifies("SR-244")
def test_it_opens_when_announced_and_its_current_is_small_or_its_time_is_over() -> None:
    facts, peers = site()
    turn = new_turn()[0]
    assert not may_open(turn, 0.0, 5.0, 10**9)
    assert leaves(turn, facts, peers, 1, True, 0)
    assert not may_open(turn, 0.0, 5.0, ANNOUNCE_US - 1)
    assert may_open(turn, -5.0, 5.0, ANNOUNCE_US)
    assert not may_open(turn, -6.0, 5.0, LEAVE_US - 1)
    assert not may_open(turn, np.nan, 5.0, ANNOUNCE_US - 1)
    assert may_open(turn, 6.0, 5.0, LEAVE_US)
    assert not leaves(turn, facts, peers, 1, False, LEAVE_US)
    assert not may_open(turn, 0.0, 5.0, LEAVE_US)
