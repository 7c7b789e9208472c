"""Units among peers: they find each other, connect one after the other, share limits, and survive each other's loss."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.peers import CYCLE_US, Pack, Site
from ionward.peers.joining import WAIT_OUT_OF, WAIT_READY
from ionward.peers.lease import NEVER_US
from ionward.peers.membership import CLOCK, MEMBER, TROUBLE_NAME, TROUBLE_SITE, TROUBLE_SOFTWARE
from ionward.peers.unit import OWN_RECORD, new_state, pending, sent, step, take


def four(**setup: float) -> Site:
    return Site([Pack(350.0), Pack(351.0), Pack(349.0), Pack(350.5)], **setup)


def settled(site: Site, seconds: float = 3.0) -> Site:
    site.run(seconds)
    assert site.connected() == list(range(len(site.units)))
    return site


def test_units_that_start_together_connect_one_after_the_other_and_one_speaks() -> None:
    site = settled(four())
    assert len(site.speakers()) == 1
    order = sorted(range(4), key=lambda k: site.units[k].closed_at[0])
    assert order == [1, 3, 0, 2]  # to discharge, the fullest first
    views = {(int(site.decision(k)["speaker"]), int(site.decision(k)["term"])) for k in range(4)}
    assert len(views) == 1
    assert all(site.decision(k)["agreed"] == 1 for k in range(4))


def test_all_units_come_to_the_same_limits() -> None:
    site = settled(four(), 20.0)
    limits = {
        tuple(np.round([site.decision(k)[n] for n in ("charge_limit_a", "discharge_limit_a")], 3)) for k in range(4)
    }
    assert len(limits) == 1
    charge_a, discharge_a = limits.pop()
    # Some ampere between the packs, and a tenth of margin, are taken off the sum.
    assert 300.0 < charge_a < 400.0
    assert 300.0 < discharge_a < 400.0


def test_a_lost_pack_takes_its_share_of_the_limits_with_it_within_a_tenth_of_a_second() -> None:
    site = settled(four(), 20.0)
    before_a = site.decision(1)["discharge_limit_a"]
    site.kill(0)
    site.run(0.1)
    assert all(site.decision(k)["discharge_limit_a"] < 0.8 * before_a for k in (1, 2, 3))


def test_another_unit_speaks_within_two_tenths_of_a_second() -> None:
    for seed in range(20):
        site = settled(four(seed=seed))
        (speaker,) = site.speakers()
        term = site.decision(speaker)["term"]
        site.kill(speaker)
        site.run(0.2)
        (other,) = site.speakers()
        assert other != speaker
        assert site.decision(other)["term"] > term


def test_a_speaker_that_was_frozen_does_not_speak_when_it_thaws() -> None:
    site = settled(four())
    (speaker,) = site.speakers()
    site.freeze(speaker, 1.0)
    site.run(0.5)
    (other,) = site.speakers()
    for _ in range(100):
        site.run(0.01)
        assert site.speakers() == [other]


def test_the_half_without_a_majority_is_silent_and_keeps_to_its_share() -> None:
    site = settled(Site([Pack() for _ in range(5)], fallback_share=0.25))
    site.divide({0, 1}, {2, 3, 4})
    site.run(1.0)
    assert len(site.speakers()) == 1
    assert site.speakers()[0] in (2, 3, 4)
    for k in (0, 1):
        assert site.decision(k)["majority"] == 0
        assert site.decision(k)["discharge_limit_a"] <= 25.0
    site.divide({0, 1, 2, 3, 4})
    site.run(1.0)
    assert all(site.decision(k)["majority"] == 1 and site.decision(k)["agreed"] == 1 for k in range(5))
    assert len({int(site.decision(k)["speaker"]) for k in range(5)}) == 1


@pytest.mark.parametrize(("weights", "speaks"), [(1, False), ((2, 1, 1, 1), True)])
def test_an_even_site_that_falls_in_halves_is_decided_by_weight_or_not_at_all(weights: object, speaks: bool) -> None:
    site = settled(Site([Pack() for _ in range(4)], weights=weights))
    site.divide({0, 1}, {2, 3})
    site.run(1.0)
    assert len(site.speakers()) == int(speaks)
    assert all(k in (0, 1) for k in site.speakers())


def test_without_a_majority_nobody_closes() -> None:
    site = Site([Pack() for _ in range(4)])
    site.divide({0, 1}, {2, 3})
    site.run(3.0)
    assert site.connected() == []
    site.divide({0, 1, 2, 3})
    settled(site)


def test_a_pack_that_would_carry_too_much_waits_with_a_reason_and_joins_when_the_bus_has_come_to_it() -> None:
    site = Site([Pack(350.0, 0.02), Pack(340.0, 0.02)])
    site.units[1].pack.asked = False
    site.run(2.0)
    site.units[0].pack.asked = False
    site.units[1].pack.asked = True
    site.run(2.0)
    assert site.connected() == [1]
    site.units[0].pack.asked = True
    site.run(1.0)
    reason, amperes = pending(site.units[0].state)[0]
    assert (reason, round(amperes)) == (WAIT_OUT_OF, -250)
    site.units[1].pack.emf_v = 349.0
    site.run(1.0)
    assert site.connected() == [0, 1]


def test_what_is_not_ready_is_told_and_the_others_go_on() -> None:
    site = four()
    site.units[1].pack.well = False
    site.run(3.0)
    assert site.connected() == [0, 2, 3]
    assert pending(site.units[2].state)[1][0] == WAIT_READY


def test_clocks_are_compared_to_within_the_way_of_a_message() -> None:
    site = settled(four())
    for a, unit in enumerate(site.units):
        for b, other in enumerate(site.units):
            if a == b:
                continue
            real_us = other.clock_us - unit.clock_us
            assert unit.state.clocks[CLOCK.measured_us, b] != NEVER_US
            assert abs(unit.state.clocks[CLOCK.offset_us, b] - real_us) <= unit.state.clocks[CLOCK.error_us, b]
            assert unit.state.clocks[CLOCK.error_us, b] <= CYCLE_US


@pytest.mark.parametrize(("field", "trouble"), [("site", TROUBLE_SITE), ("software", TROUBLE_SOFTWARE)])
def test_a_unit_of_another_description_or_software_does_not_count(field: str, trouble: int) -> None:
    site = settled(four())
    stranger = site.units[3].state
    stranger.message[field] += 1
    site.run(1.0)
    for k in (0, 1, 2):
        assert site.units[k].state.members[MEMBER.trouble, 3] == trouble
        assert not site.decision(k)["view"] & 8
    assert site.speakers()[0] in (0, 1, 2)
    assert stranger.decision[0]["speaks"] == 0


def test_two_units_of_one_name_keep_away_from_everything() -> None:
    site = settled(four())
    double = new_state(2, 4, 9, site.now_us, site=7, software=3)
    step(double, np.zeros(1, OWN_RECORD)[0], site.now_us)
    sent(double, site.now_us)
    for unit in site.units:
        take(unit.state, double.message[0], site.now_us + unit.clock_us)
    site.run(0.5)
    assert site.decision(2)["isolated"] == TROUBLE_NAME
    assert site.decision(2)["speaks"] == 0


def test_old_and_doubled_messages_are_not_heard_twice() -> None:
    site = four()
    site.doubled = 1.0
    settled(site)
    state = site.units[0].state
    before = state.peers.copy()
    message = site.units[1].state.message.copy()
    message["counter"] -= 3
    take(state, message[0], site.now_us + site.units[0].clock_us)
    assert (state.peers == before).all()
    assert (state.members[MEMBER.old] > 0).any()


@pytest.mark.parametrize("boot", [1, 2])
def test_a_unit_that_was_replaced_is_heard_again_though_it_counts_its_starts_anew(boot: int) -> None:
    """Also where its number happens to be that of the one before."""
    site = four()
    site.restart(3)
    settled(site, 20.0)
    site.kill(3)
    site.run(2.5)
    site.boots[3] = boot - 1
    site.restart(3)
    site.run(1.0)
    assert all(site.decision(k)["everybody"] == 1 for k in range(4))


@pytest.mark.parametrize("seed", range(40))
def test_whatever_happens_never_two_speak_or_close_and_peace_heals_everything(seed: int) -> None:
    """Loss, delay, doubled messages, kills, freezes and divided networks; `Site.check` looks after every cycle."""
    site = Site([Pack(350.0 + k % 3) for k in range(3 + seed % 4)], seed=seed)
    r, units = site.random, range(3 + seed % 4)
    site.loss, site.delay_us, site.doubled = r.choice([0.0, 0.1, 0.4]), r.choice([500, 5_000, 60_000]), 0.2
    for _ in range(40):
        site.run(r.uniform(0.02, 0.4))
        event, k = r.randrange(6), r.choice(list(units))
        if event == 0:
            site.restart(k)
        elif event == 1:
            site.freeze(k, r.uniform(0.05, 0.5))
        elif event == 2:
            side = {u for u in units if r.random() < 0.5}
            site.divide(side, set(units) - side)
        elif event == 3:
            site.cut = {(a, b) for a in units for b in units if r.random() < 0.3}
        elif event == 4:
            site.cut = set()
        else:
            site.units[k].pack.asked = not site.units[k].pack.asked
    site.cut, site.loss, site.delay_us = set(), 0.0, 500
    for unit in site.units:
        unit.pack.asked = True
    site.run(6.0)
    assert len(site.speakers()) == 1
    assert site.connected() == list(units)
