"""One pack of several: it closes only with the others' consent, and onto a bus that its own measurements allow."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.bus import NEGATIVE, POSITIVE, PRECHARGE, Bus
from helpers.examples import example
from helpers.parallel import Pack, Parallel
from ionward.battery.system import load_system
from ionward.control.contactors import SEQ, STEPS
from ionward.control.site import pack_setup, release_us
from ionward.image.inputs import CHANNEL
from ionward.image.signals import (
    SITE_REASONS,
    WAIT_BUS_DEAD,
    WAIT_INTO,
    WAIT_MAJORITY,
    WAIT_NAME,
    WAIT_OUT,
    WAIT_OUT_OF,
    WAIT_REST,
    WAIT_TURN,
)
from ionward.peers.membership import MEMBER, TROUBLE_NAME
from ionward.peers.telling import wait_told
from ionward.peers.turns import ANNOUNCE_US, REST_US

NOTHING = {POSITIVE: False, NEGATIVE: False, PRECHARGE: False}
KINDS = st.sampled_from(["none", "live", "free"])
OFFSET_V = st.floats(-30.0, 30.0)


def alone_among(consent: int = 1, reason: int = 0, **changes: Any) -> Bus:
    """A pack of a site that wishes to connect."""
    bus = Bus(**changes)
    bus.step(10)
    bus.command["site"], bus.command["connect"] = 1, 1
    bus.command["may_close"], bus.command["site_reason"] = consent, reason
    return bus


def step_of(bus: Bus) -> str:
    return STEPS[int(bus.memory.fields[SEQ.step])]


def reach(bus: Bus, step: str) -> None:
    for _ in range(2000):
        if step_of(bus) == step:
            return
        bus.step()
    raise AssertionError(f"step {step} not reached: {bus.history}")


# --- the sequence with scripted consent


@pytest.mark.verifies("SR-240")
@pytest.mark.parametrize("reason", range(len(SITE_REASONS)))
def test_without_consent_it_waits_and_tells_why(reason: int) -> None:
    bus = alone_among(0, reason)
    for _ in range(300):
        bus.step()
        assert bus.driven == NOTHING
    assert bus.state == "standby"
    assert bus.reason == "waiting for the site" + (f": {SITE_REASONS[reason]}" if reason else "")


def test_a_reason_that_does_not_exist_is_told_as_the_last_one() -> None:
    bus = alone_among(0, 10**9)
    bus.step(3)
    assert bus.reason.endswith(SITE_REASONS[-1])


def test_with_consent_a_dead_bus_is_precharged_as_a_pack_alone_does() -> None:
    alone, among = Bus(), alone_among()
    alone.step(10)
    alone.command["connect"] = 1
    for bus in (alone, among):
        bus.until("connected")
    assert [state for state, _ in among.history] == [state for state, _ in alone.history]


def test_a_pack_alone_is_not_moved_by_fields_of_a_site() -> None:
    alone, other = Bus(), Bus()
    other.command["site_reason"], other.command["may_close"], other.command["bus_free"] = WAIT_TURN, 0, 1
    for bus in (alone, other):
        bus.connect()
        bus.command["connect"] = 0
        bus.step(1000)
    assert alone.history == other.history
    assert (
        alone.memory.fields[~np.isnan(alone.memory.fields)] == other.memory.fields[~np.isnan(other.memory.fields)]
    ).all()


@pytest.mark.verifies("SR-240")
@pytest.mark.parametrize("step", ["negative", "probe", "charge", "positive"])
@pytest.mark.parametrize("feedback", [True, False])
def test_consent_that_ends_before_the_positive_contact_is_closed_ends_the_try_in_that_tick(
    step: str, feedback: bool
) -> None:
    bus = alone_among(feedback=feedback)
    bus.command["bus_free"] = 1  # what a try leaves on the bus is charged from there in the next one
    reach(bus, step)
    bus.command["may_close"], bus.command["site_reason"] = 0, WAIT_TURN
    bus.step()
    assert bus.driven == NOTHING
    bus.until("standby", 8.0)
    bus.step(700)
    assert bus.reason == f"waiting for the site: {SITE_REASONS[WAIT_TURN]}"
    bus.command["may_close"] = 1
    bus.until("connected")


@pytest.mark.verifies("SR-240")
def test_once_the_contact_is_closed_nobody_is_asked_any_more() -> None:
    bus = alone_among()
    reach(bus, "positive")
    while not bus.closed[POSITIVE]:
        bus.step()
    bus.command["may_close"] = 0
    bus.until("connected")
    bus.step(500)
    assert bus.state == "connected"


@pytest.mark.verifies("SR-240")
def test_the_consent_is_asked_for_last_so_that_what_is_in_its_own_way_is_told() -> None:
    bus = alone_among(0, WAIT_TURN)
    bus.scalars["cells_usable"] = 90
    bus.step(2)
    assert bus.reason == "measurements not complete yet"
    bus.scalars["cells_usable"] = 96
    bus.source_v = bus.pack_v + 9.0
    bus.step(2)
    assert bus.reason == "the bus is live and does not match the pack"


@pytest.mark.verifies("SR-241")
@pytest.mark.parametrize("apart_v", [-20.0, -2.0, 2.0, 20.0])
def test_a_live_bus_is_never_precharged_and_waited_for_without_end(apart_v: float) -> None:
    bus = alone_among()
    bus.source_v = bus.pack_v + apart_v
    for _ in range(5000):
        bus.step()
        assert bus.driven == NOTHING
    assert bus.reason == "the bus is live and does not match the pack"
    bus.source_v = bus.pack_v - 0.3 * math.copysign(1.0, apart_v)
    assert bus.until("connected") < 0.5
    assert "precharge" not in [state for state, _ in bus.history]


@pytest.mark.verifies("SR-241")
def test_what_is_left_on_a_bus_that_nobody_holds_is_precharged_from_there() -> None:
    bus = alone_among()
    bus.bus_v = 0.7 * bus.pack_v
    bus.step(1000)
    assert bus.driven == NOTHING
    bus.command["bus_free"] = 1
    bus.until("connected", 10.0)
    assert "precharge" in [state for state, _ in bus.history]


@pytest.mark.verifies("SR-241")
def test_a_live_bus_reading_that_stands_still_is_not_joined() -> None:
    bus = alone_among()
    bus.source_v, bus.frozen_v = 0.9 * bus.pack_v, bus.pack_v
    for _ in range(3000):
        bus.step()
        assert bus.driven == NOTHING
    assert bus.reason == "the reading of the bus voltage does not move: its sensor may be frozen"


@pytest.mark.verifies("SR-241")
def test_without_a_sensor_of_the_bus_nothing_is_joined() -> None:
    bus = alone_among()
    bus.parameters.channel_limits[0, CHANNEL.bus_voltage_v] = 0
    bus.step(200)
    assert (bus.driven, bus.reason) == (NOTHING, "measurements not complete yet")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), KINDS, OFFSET_V, st.integers(1, 60), st.booleans()), min_size=1, max_size=12
    ),
    st.booleans(),
)  # fmt: skip
@pytest.mark.verifies("SR-240", "SR-241")
def test_whatever_happens_nothing_begins_without_consent_nor_joins_a_bus_that_does_not_match(course, exact) -> None:
    """In a random course of consent, buses, wishes and pack sensors that are off."""
    bus = alone_among()
    done_v = float(bus.parameters.scalars[0]["precharge_done_v"])
    for consent, kind, offset_v, ticks, wish in course:
        bus.command["may_close"], bus.command["connect"] = consent, wish
        bus.command["bus_free"] = kind == "free"
        offset_v = offset_v / 30.0 if exact else offset_v
        bus.source_v = math.nan if kind == "none" else bus.pack_v + offset_v
        if kind == "none" and not bus.driven[POSITIVE]:
            bus.bus_v = 0.0
        for _ in range(ticks):
            before = bus.driven
            bus.step()
            newly = [name for name, driven in bus.driven.items() if driven and not before[name]]
            assert consent or not newly
            read_v = float(bus.image.channels[0, CHANNEL.bus_voltage_v])
            if POSITIVE in newly:
                assert abs(bus.pack_v - read_v) <= done_v
            if PRECHARGE in newly and kind == "live":
                assert abs(read_v) < bus.parameters.scalars[0]["bus_dead_v"]


# --- the stage: facts, plan and the pack's own look


def three(*emf_v: float, **setup: float) -> Parallel:
    return Parallel([Pack(v) for v in emf_v or (350.0, 350.4, 349.8)], **setup)


@pytest.mark.verifies("SR-242")
@pytest.mark.parametrize("seed", range(4))
def test_packs_join_one_after_the_other_and_soon(seed: int) -> None:
    site = Parallel([Pack(350.0 + 0.2 * (k % 3)) for k in range(5)], seed)
    site.run(3.0)
    assert site.connected() == list(range(5))
    assert all(abs(v) <= 1.0 for p in site.packs for v in p.closed_at_v)
    assert sum("precharge" in [state for state, _ in p.history] for p in site.packs) == 1


def test_the_facts_are_those_of_the_cells() -> None:
    site = three()
    site.run(2.0)
    site.site_a = -60.0
    site.run(0.1)
    for pack in site.packs:
        own = pack.own[0]
        assert own["connected"] == 1
        assert own["emf_v"] == pytest.approx(pack.emf_v, abs=1e-6)
        assert own["resistance_ohm"] == pytest.approx(pack.resistance_ohm)
        assert own["current_a"] == pytest.approx(pack.current, abs=1e-9)
    assert sum(p.current for p in site.packs) == pytest.approx(-60.0)


def test_a_current_sensor_that_is_off_does_not_move_the_voltage_of_an_open_pack() -> None:
    site = three()
    site.packs[0].offset_a = 40.0
    site.packs[0].wish["connect"] = 0
    site.run(0.5)
    own = site.packs[0].own[0]
    assert own["emf_v"] == pytest.approx(350.0)
    assert own["current_a"] == 0.0


@pytest.mark.verifies("SR-241")
@pytest.mark.parametrize(("emf_v", "reason"), [(345.0, WAIT_INTO), (355.0, WAIT_OUT_OF)])
def test_a_plan_made_from_wrong_facts_ends_at_its_own_measurement(emf_v: float, reason: int) -> None:
    """The sensors would let 5 V pass. Whoever is on the bus says that hardly anything would flow; 25 A would."""
    wide = {"precharge_done_v": 8.0, "bus_sum_match_v": 8.0}
    site = Parallel([Pack(350.0, 30.0, **wide), Pack(emf_v, 30.0, **wide), Pack(350.0, 30.0, **wide)])
    site.packs[1].wish["connect"] = 0
    site.run(3.0)
    assert site.connected() == [0, 2]
    site.packs[1].wish["connect"] = 1
    for liar in (0, 2):  # its cells are of very high resistance, it says
        site.packs[liar].state_of_site.setup["way_ohm"] = 5.0
    site.run(3.0)
    state = site.packs[1].state_of_site
    assert site.connected() == [0, 2]
    assert abs(state.flows[1]) < 15.0
    assert site.packs[1].command["site_reason"] == reason
    site.packs[1].emf_v = 350.0 + 0.2 * (emf_v - 350.0)
    site.run(1.0)
    assert site.connected() == [0, 1, 2]


@pytest.mark.verifies("SR-241")
def test_a_bus_that_reads_dead_while_others_are_on_it_is_not_precharged() -> None:
    site = three()
    site.packs[2].bus_error_v = -350.0
    site.run(5.0)
    assert site.connected() == [0, 1]
    assert site.packs[2].command["site_reason"] == WAIT_BUS_DEAD
    assert "precharge" not in [state for state, _ in site.packs[2].history]


@pytest.mark.verifies("SR-243")
def test_who_fails_rests_with_what_was_measured_and_others_go_first() -> None:
    site = three()
    site.packs[1].load_ohm = 100.0  # the fullest would go first, and its precharge fails
    site.run(4.0)
    assert site.connected() == [0, 2]
    assert site.turn(1)["failures"] >= 1
    assert site.packs[1].command["site_reason"] in (WAIT_REST, 0)
    assert math.isfinite(site.turn(1)["apart_v"])
    site.packs[1].load_ohm = math.inf
    site.run(REST_US / 1e6 + 6.0)
    assert site.connected() == [0, 1, 2]
    assert site.turn(1)["failures"] == 0


@pytest.mark.verifies("SR-243")
def test_who_waits_too_long_says_so_with_the_reason_and_the_current() -> None:
    site = three(join_timeout_us=60_000_000)
    site.packs[2].emf_v = 330.0
    site.run(59.0)
    assert site.connected() == [0, 1]
    assert site.turn(2)["overdue"] == 0
    site.run(2.0)
    assert site.turn(2)["overdue"] == 1
    pack = site.packs[2]
    told = wait_told(pack.state_of_site, WAIT_INTO, site.clock_us(2))
    assert told.startswith("has waited 1 min to join: more would flow into it than it may be charged with; +67 A")
    assert "take it out" in told
    assert wait_told(site.packs[0].state_of_site, 0, site.clock_us(0)) == ""
    pack.emf_v = 350.0
    site.run(1.0)
    assert site.turn(2)["overdue"] == 0


def test_reasons_that_a_person_can_do_something_about() -> None:
    site = three()
    site.cut = {(a, b) for a in range(3) for b in range(3) if 0 in (a, b)}
    site.run(2.0)
    assert site.packs[0].command["site_reason"] == WAIT_MAJORITY
    assert site.connected() == [1, 2]
    site.cut = set()
    site.packs[0].wish["leave"] = 1
    site.run(1.0)
    assert site.packs[0].command["site_reason"] == WAIT_OUT
    assert wait_told(site.packs[0].state_of_site, WAIT_OUT, site.clock_us(0)) == ""
    site.packs[0].wish["leave"] = 0
    site.packs[0].state_of_site.members[MEMBER.trouble, 0] = TROUBLE_NAME
    site.run(1.0)
    assert site.packs[0].command["site_reason"] == WAIT_NAME
    assert site.connected() == [1, 2]


@pytest.mark.verifies("SR-242")
def test_the_role_that_ends_in_the_middle_opens_in_time_and_is_nobodys_failure() -> None:
    site = three()
    while site.packs[1].state != "precharge":
        site.step()
    site.cut = {(a, b) for a in range(3) for b in range(3) if 1 in (a, b)}
    site.run(0.15)
    assert site.packs[1].driven == NOTHING
    assert site.turn(1)["failures"] == 0
    site.run(3.0)
    assert site.connected() == [0, 2]


@pytest.mark.verifies("SR-242")
def test_who_gives_a_try_up_keeps_its_turn_until_its_contacts_are_proven_open() -> None:
    site = three()
    pack = site.packs[1]
    while pack.state != "precharge":
        site.step()
    site.run(0.1)
    pack.scalars["cells_usable"] = 90
    ticks = 0
    while pack.state != "standby":
        opening = pack.state == "opening"
        site.step()
        if opening:
            assert pack.own["closing"][0] == 1
            assert pack.state_of_site.close["stands"][0] == 1
            ticks += 1
    assert ticks > 0
    site.run(0.1)
    assert pack.state_of_site.close["stands"][0] == 0


# --- taken out, and back


@pytest.mark.verifies("SR-244")
def test_a_pack_that_is_taken_out_is_announced_and_the_site_limits_fall_before_it_opens() -> None:
    site = three(rise_a_per_s=1000.0)
    site.run(3.0)
    site.site_a = -90.0
    site.run(1.0)
    before_a = site.decision(0)["discharge_limit_a"]
    site.packs[2].wish["leave"] = 1
    site.run(0.1)
    assert site.connected() == [0, 1, 2]
    after_a = site.decision(0)["discharge_limit_a"]
    assert after_a < 0.75 * before_a
    site.run(2.0)
    assert site.connected() == [0, 1, 2]  # its current is not small yet
    site.site_a = -3.0
    site.run(0.2)
    assert site.connected() == [0, 1]
    assert site.decision(0)["discharge_limit_a"] == pytest.approx(after_a, rel=0.05)
    site.packs[2].wish["leave"] = 0
    site.run(3.0)
    assert site.connected() == [0, 1, 2]


@pytest.mark.verifies("SR-244")
def test_one_whose_current_does_not_fall_opens_in_the_end() -> None:
    site = three()
    site.run(3.0)
    site.site_a = -90.0
    site.packs[2].wish["leave"] = 1
    site.run(9.0)
    assert site.connected() == [0, 1, 2]
    site.run(6.0)
    assert site.connected() == [0, 1]


@pytest.mark.verifies("SR-244")
def test_several_that_are_taken_out_go_one_after_the_other() -> None:
    site = three(350.0, 350.0, 350.0)
    site.run(3.0)
    for pack in site.packs:
        pack.wish["leave"] = 1
    opened_s: dict[int, float] = {}
    for _ in range(400):
        site.step()
        for k in {0, 1, 2} - set(site.connected()):
            opened_s.setdefault(k, site.now_us / 1e6)
    assert list(opened_s) == [0, 1, 2]
    assert min(np.diff(list(opened_s.values()))) >= ANNOUNCE_US / 1e6


def test_what_a_unit_is_told_of_its_pack() -> None:
    system = load_system(example("ev-96s"))
    setup = pack_setup(system, 0.002)
    assert setup["way_ohm"] == pytest.approx(0.002 + 96 * 0.00008)
    assert setup["tolerance_v"] == pytest.approx(
        system.sensors.pack_voltage.tolerance + system.sensors.bus_voltage.tolerance
    )
    cycle_s, open_s = system.cycle.period_s, system.contactors.open_timeout_s
    assert release_us([system, system]) >= 1e6 * (cycle_s + open_s + 0.05)
