"""Switches that block one direction each: tripped, closed again, and connected from standby one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.bus import DT, NEGATIVE, POSITIVE, PRECHARGE, Bus
from helpers.control import set_channel
from ionward.control.limit import limit, new_limit_memory
from ionward.image.inputs import CHANNEL
from ionward.image.signals import (
    LEVEL_CRITICAL,
    LEVEL_FAULT,
    MEASURED,
    OPEN_IN_ORDER,
    OPEN_NONE,
    OPEN_NOW,
    RULE_NOT_CONNECTED,
    STATE_CONNECTED,
)

DISCHARGE_ONLY = "a fault blocks charging: the pack can only be discharged"
CHARGE_ONLY = "a fault blocks discharging: the pack can only be charged"
BREAKS = (
    "positive_break_charge_a",
    "positive_break_discharge_a",
    "negative_break_charge_a",
    "negative_break_discharge_a",
)


def one_way(**changes: Any) -> Bus:
    return Bus(one_way=1, diode_v=0.7, **changes)


def forbid(bus: Bus, charge: bool = False, discharge: bool = False) -> None:
    """What protection says of faults at the level fault that forbid one direction."""
    s = bus.scalars
    s["charge_open_request"], s["discharge_open_request"] = charge, discharge
    s["charge_allowed"], s["discharge_allowed"] = not charge, not discharge
    s["fault_level"] = LEVEL_FAULT if charge or discharge else 0
    s["latched_faults"] = int(charge or discharge)
    s["open_request"] = OPEN_IN_ORDER if charge and discharge else OPEN_NONE


def test_the_connection_is_the_usual_one_where_nothing_is_forbidden() -> None:
    bus = one_way()
    bus.step(2)
    bus.command["connect"] = 1
    seen = []
    for _ in range(300):
        bus.step()
        if not seen or seen[-1] != bus.driven:
            seen.append(bus.driven)
    assert seen == [
        {POSITIVE: False, NEGATIVE: True, PRECHARGE: False},
        {POSITIVE: False, NEGATIVE: True, PRECHARGE: True},
        {POSITIVE: True, NEGATIVE: True, PRECHARGE: True},
        {POSITIVE: True, NEGATIVE: True, PRECHARGE: False},
    ]
    assert (bus.state, bus.reason) == ("connected", "")


@pytest.mark.verifies("SR-132")
@pytest.mark.parametrize("direction", ["charge", "discharge"])
def test_a_forbidden_direction_opens_its_switch_at_once_and_the_other_one_goes_on(direction: str) -> None:
    bus = one_way()
    bus.connect()
    bus.source_a = 20.0 if direction == "charge" else -20.0
    bus.step(5)
    forbid(bus, **{direction: True})
    bus.step()
    blocked = NEGATIVE if direction == "charge" else POSITIVE
    assert bus.driven == {POSITIVE: blocked != POSITIVE, NEGATIVE: blocked != NEGATIVE, PRECHARGE: False}
    assert (bus.state, bus.reason) == ("connected", DISCHARGE_ONLY if direction == "charge" else CHARGE_ONLY)
    bus.most_v = bus.pack_v + 5.0
    bus.step(10)
    assert bus.current == 0.0
    bus.source_a = -bus.source_a
    bus.step(200)
    assert bus.current == pytest.approx(bus.source_a)
    assert bus.state == "connected"


@pytest.mark.verifies("SR-132")
def test_both_directions_forbidden_open_everything() -> None:
    bus = one_way()
    bus.connect()
    forbid(bus, charge=True)
    bus.step(10)
    forbid(bus, charge=True, discharge=True)
    bus.until("fault")
    assert not any(bus.driven.values())


@pytest.mark.verifies("SR-132")
def test_critical_opens_everything_at_once() -> None:
    bus = one_way()
    bus.connect()
    forbid(bus, charge=True)
    bus.step(3)
    bus.scalars["open_request"], bus.scalars["fault_level"] = OPEN_NOW, LEVEL_CRITICAL
    bus.step()
    assert not any(bus.driven.values())


@pytest.mark.verifies("SR-134")
def test_the_charge_switch_closes_again_only_on_a_bus_that_is_not_above_the_pack() -> None:
    bus = one_way()
    bus.connect()
    bus.step(5)
    forbid(bus, charge=True)
    bus.step(5)
    bus.source_a, bus.most_v = 10.0, bus.pack_v + 3.0
    bus.step(300)
    assert bus.bus_v > bus.pack_v + 2.0
    forbid(bus)
    for _ in range(100):
        bus.step()
        assert not bus.driven[NEGATIVE]
    assert (bus.state, bus.reason) == ("connected", "the bus is live and does not match the pack")
    bus.source_a, bus.load_a = 0.0, 5.0
    while not bus.driven[NEGATIVE]:
        bus.step()
        assert bus.scalars["time_s"] < 1000.0
    assert bus.bus_v <= bus.pack_v + 1.0
    bus.step()
    assert (bus.state, bus.reason) == ("connected", "")


@pytest.mark.verifies("SR-134")
def test_the_discharge_switch_closes_again_over_the_resistor_where_the_bus_has_fallen() -> None:
    bus = one_way()
    bus.connect()
    forbid(bus, discharge=True)
    bus.load_a = 1.0
    bus.step(300)
    assert bus.bus_v < 0.2 * bus.pack_v
    bus.load_a = 0.0
    forbid(bus)
    bus.step(3)
    assert bus.driven == {POSITIVE: False, NEGATIVE: True, PRECHARGE: True}
    while not bus.driven[POSITIVE]:
        bus.step()
    assert abs(bus.bus_v - bus.pack_v) <= 1.0
    bus.until("connected")
    assert all(bus.driven[name] for name in (POSITIVE, NEGATIVE))


@pytest.mark.verifies("SR-134")
def test_the_discharge_switch_closes_at_once_while_the_pack_is_charged() -> None:
    bus = one_way()
    bus.connect()
    forbid(bus, discharge=True)
    bus.source_a = 10.0
    bus.step(100)
    assert bus.current == pytest.approx(10.0)
    forbid(bus)
    bus.step(2)
    assert bus.driven == {POSITIVE: True, NEGATIVE: True, PRECHARGE: False}


def test_nothing_is_closed_again_by_a_bus_reading_that_stands_still_or_is_lost() -> None:
    bus = one_way()
    bus.connect()
    forbid(bus, charge=True)
    bus.step(5)
    bus.source_v, bus.frozen_v = bus.pack_v + 40.0, bus.pack_v
    bus.step(10)
    forbid(bus)
    bus.step(50)
    assert not bus.driven[NEGATIVE]
    bus.frozen_v = np.nan
    bus.scalars["cells_usable"] = 95
    bus.step(50)
    assert (bus.driven[NEGATIVE], bus.reason) == (False, "measurements not complete yet")


@pytest.mark.verifies("SR-135")
def test_an_empty_pack_is_connected_for_charging_without_precharge() -> None:
    bus = one_way()
    bus.step(2)
    forbid(bus, discharge=True)
    bus.command["connect"] = 1
    bus.until("connected", 1.0)
    assert bus.driven == {POSITIVE: False, NEGATIVE: True, PRECHARGE: False}
    bus.step()
    assert bus.reason == CHARGE_ONLY
    assert bus.bus_v < 1.0  # nothing flows out
    bus.source_a = 10.0
    bus.step(2000)
    assert bus.current == pytest.approx(10.0)


@pytest.mark.verifies("SR-135")
def test_an_empty_pack_is_not_connected_to_a_charger_that_stands_above_it() -> None:
    bus = one_way()
    bus.source_v = bus.pack_v + 20.0
    bus.step(2)
    forbid(bus, discharge=True)
    bus.command["connect"] = 1
    for _ in range(500):
        bus.step()
        assert not any(bus.driven.values())
    assert bus.reason == "the bus is live and does not match the pack"


@pytest.mark.verifies("SR-135")
@pytest.mark.parametrize("discharge", [False, True])
@pytest.mark.parametrize("ticks", [0, 1, 2, 3, 4, 5])
def test_a_charge_switch_is_not_closed_by_a_bus_reading_that_froze_a_moment_ago(ticks: int, discharge: bool) -> None:
    bus = one_way()
    bus.source_v = bus.pack_v + 10.0
    bus.step(10)
    forbid(bus, discharge=discharge)
    bus.frozen_v = bus.pack_v - 0.5
    bus.step(ticks)
    bus.command["connect"] = 1
    for _ in range(300):
        bus.step()
        assert not any(bus.driven.values())


@pytest.mark.verifies("SR-135")
@pytest.mark.parametrize("discharge", [False, True])
def test_a_charge_switch_is_not_closed_while_the_bus_reading_stands_still(discharge: bool) -> None:
    bus = one_way()
    bus.frozen_v, bus.source_v = bus.pack_v - 0.5, bus.pack_v + 10.0
    bus.step(10)
    forbid(bus, discharge=discharge)
    bus.command["connect"] = 1
    for _ in range(300):
        bus.step()
        assert not any(bus.driven.values())
    assert bus.reason == "the reading of the bus voltage does not move: its sensor may be frozen"


@pytest.mark.verifies("SR-211")
def test_a_charge_switch_is_not_closed_onto_a_bus_above_the_cells_whatever_the_pack_sensor_says() -> None:
    bus = one_way()
    bus.source_v = bus.pack_v + 4.0
    bus.step(2)
    bus.command["connect"] = 1
    for k in range(1500):
        set_channel(bus.image, CHANNEL.pack_voltage_v, bus.pack_v + (8.0 if k % 2 else -8.0))
        bus.step()
        assert not any(bus.driven.values())


@pytest.mark.verifies("SR-135")
def test_a_bus_that_fitted_discharging_alone_is_looked_at_anew_when_charging_is_no_longer_forbidden() -> None:
    """Both are asked for between two samples of the bus: a charger holds it above the pack."""
    bus = one_way()
    bus.source_v = bus.bus_v = bus.pack_v + 4.0
    forbid(bus, charge=True)
    bus.step(10)
    measure = bus._measure

    def measure_and_hear_nothing_of_the_bus() -> None:
        measure()
        bus.image.channels[MEASURED.new, CHANNEL.bus_voltage_v] = 0

    bus._measure = measure_and_hear_nothing_of_the_bus  # type: ignore[method-assign]
    forbid(bus)
    bus.command["connect"] = 1
    for _ in range(3):
        bus.step()
        assert not any(bus.driven.values())
    bus._measure = measure  # type: ignore[method-assign]
    for _ in range(300):
        bus.step()
        assert not any(bus.driven.values())
    assert bus.reason == "the bus is live and does not match the pack"


def test_a_full_pack_is_connected_for_discharging_over_the_resistor() -> None:
    bus = one_way()
    bus.step(2)
    forbid(bus, charge=True)
    bus.command["connect"] = 1
    seen = []
    for _ in range(300):
        bus.step()
        if not seen or seen[-1] != bus.driven:
            seen.append(bus.driven)
    assert seen == [
        {POSITIVE: False, NEGATIVE: False, PRECHARGE: True},
        {POSITIVE: True, NEGATIVE: False, PRECHARGE: True},
        {POSITIVE: True, NEGATIVE: False, PRECHARGE: False},
    ]
    assert (bus.state, bus.reason) == ("connected", DISCHARGE_ONLY)


@pytest.mark.verifies("SR-135")
def test_a_full_pack_is_connected_for_discharging_to_a_bus_above_it() -> None:
    bus = one_way()
    bus.source_v = bus.pack_v + 20.0
    bus.step(2)
    forbid(bus, charge=True)
    bus.command["connect"] = 1
    bus.until("connected", 1.0)
    assert bus.driven == {POSITIVE: True, NEGATIVE: False, PRECHARGE: False}
    assert bus.current == 0.0


def test_without_a_precharge_path_a_full_pack_waits_for_a_dead_or_matching_bus() -> None:
    bus = one_way(has_precharge=0)
    bus.source_v = 0.5 * bus.pack_v
    bus.step(2)
    forbid(bus, charge=True)
    bus.command["connect"] = 1
    bus.step(100)
    assert not any(bus.driven.values())
    bus.source_v = 0.0
    bus.until("connected", 1.0)
    assert bus.driven == {POSITIVE: True, NEGATIVE: False, PRECHARGE: False}


def test_a_fault_of_both_directions_holds_the_connection_back_as_ever() -> None:
    bus = one_way()
    bus.step(2)
    forbid(bus, charge=True, discharge=True)
    bus.command["connect"] = 1
    bus.step(200)
    assert not any(bus.driven.values())
    assert bus.state == "fault"


@pytest.mark.parametrize("step", range(1, 60, 4))
def test_what_is_forbidden_on_the_way_ends_the_try_and_begins_another(step: int) -> None:
    bus = one_way()
    bus.step(2)
    bus.command["connect"] = 1
    bus.step(step)
    forbid(bus, charge=True)
    bus.step(600)
    assert (bus.state, bus.reason) == ("connected", DISCHARGE_ONLY)
    assert not bus.driven[NEGATIVE]


def test_one_direction_forbidden_after_the_other_changes_over() -> None:
    bus = one_way()
    bus.connect()
    forbid(bus, charge=True)
    bus.step(10)
    forbid(bus, discharge=True)
    bus.step()
    assert not any(bus.driven.values())
    bus.until("connected", 10.0)
    assert bus.driven == {POSITIVE: False, NEGATIVE: True, PRECHARGE: False}


@pytest.mark.verifies("SR-130")
@pytest.mark.parametrize("direction", ["charge", "discharge"])
def test_more_than_the_switch_may_break_is_left_to_the_fuse_first(direction: str) -> None:
    bus = one_way(**dict.fromkeys(BREAKS, 100.0))
    bus.connect()
    bus.source_a = 150.0 if direction == "charge" else -150.0
    bus.step(3)
    forbid(bus, **{direction: True})
    switch = NEGATIVE if direction == "charge" else POSITIVE
    for _ in range(int(2.9 / DT)):
        bus.step()
        assert bus.driven[switch]
    assert bus.reason == "the current is above what the contactors may break: left to the fuse"
    bus.step(int(0.3 / DT))
    assert not bus.driven[switch]
    assert bus.driven[POSITIVE if switch == NEGATIVE else NEGATIVE]


def test_a_withdrawn_wish_opens_a_pack_of_one_direction_without_closing_the_other() -> None:
    for direction in ("charge", "discharge"):
        bus = one_way()
        bus.connect()
        forbid(bus, **{direction: True})
        bus.step(5)
        bus.source_a = -30.0 if direction == "charge" else 30.0
        bus.step(200)
        bus.command["connect"] = 0
        blocked = NEGATIVE if direction == "charge" else POSITIVE
        while bus.state != "standby":
            bus.step()
            assert not bus.driven[blocked]
        assert not any(bus.driven.values())


@pytest.mark.verifies("SR-132")
def test_the_limit_of_a_switch_that_is_open_stays_zero_until_it_is_closed() -> None:
    bus = one_way()
    s, memory = bus.scalars, new_limit_memory(_size(bus))
    s["state"], s["main_positive_close"], s["main_negative_close"] = STATE_CONNECTED, 1, 0
    limit(bus.parameters, bus.command, bus.image, memory)
    assert (s["charge_limit_a"], s["charge_limit_pulse_a"]) == (0.0, 0.0)
    assert s["charge_limit_rule"] == RULE_NOT_CONNECTED
    assert s["discharge_limit_a"] > 0.0
    s["main_positive_close"], s["main_negative_close"] = 0, 1
    limit(bus.parameters, bus.command, bus.image, memory)
    assert (s["discharge_limit_a"], s["discharge_limit_pulse_a"]) == (0.0, 0.0)
    assert s["charge_limit_a"] > 0.0


def _size(bus: Bus) -> Any:
    from helpers.control import small_size

    return small_size(bus.image.cells.shape[1])


@pytest.mark.verifies("SR-132", "SR-134", "SR-211")
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_is_forbidden_and_however_the_bus_moves_no_switch_closes_against_it(data: st.DataObject) -> None:
    bus = one_way(cells=16)
    before = dict(bus.driven)
    for _ in range(data.draw(st.integers(10, 40))):
        bus.command["connect"] = data.draw(st.sampled_from([1, 1, 1, 0]))
        forbid(bus, data.draw(st.booleans()), data.draw(st.sampled_from([False, False, True])))
        bus.source_v = data.draw(st.sampled_from([np.nan, np.nan, bus.pack_v + 8.0, bus.pack_v - 8.0, 0.0]))
        bus.source_a = data.draw(st.sampled_from([0.0, 10.0, -10.0]))
        bus.most_v = bus.pack_v + 5.0
        bus.welded = {PRECHARGE} if data.draw(st.integers(0, 20)) == 0 else set()
        for _ in range(data.draw(st.integers(1, 60))):
            bus_v = bus.bus_v
            bus.step()
            s, driven = bus.scalars, bus.driven
            if s["charge_open_request"] or s["open_request"]:
                assert not (driven[NEGATIVE] and not before[NEGATIVE])
            if s["discharge_open_request"] or s["open_request"]:
                assert not (driven[POSITIVE] and not before[POSITIVE])
                assert not (driven[PRECHARGE] and not before[PRECHARGE])
            moved_v = abs(bus.bus_v - bus_v)
            if driven[NEGATIVE] and not before[NEGATIVE]:
                assert bus.bus_v - bus.pack_v <= 1.7 + moved_v
            if driven[POSITIVE] and not before[POSITIVE]:
                assert bus.bus_v - bus.pack_v >= -1.7 - moved_v
            before = driven
