"""The connection sequence on a bus: each state, each way on, each way out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.bus import DT, NEGATIVE, POSITIVE, PRECHARGE, Bus
from helpers.control import set_channel, set_current, unfit
from helpers.packs import breaking
from ionward.control.contactors import SEQ, STEPS
from ionward.control.sequence import sequence
from ionward.image.inputs import CHANNEL
from ionward.image.signals import (
    BAD,
    LEVEL_FAULT,
    MEASURED,
    OPEN_IN_ORDER,
    OPEN_NONE,
    OPEN_NOW,
    STATE_CLOSING,
    STATE_CONNECTED,
    STATE_PRECHARGE,
    STATE_STANDBY,
)

OPEN = {POSITIVE: False, NEGATIVE: False, PRECHARGE: False}


def step_of(bus: Bus) -> str:
    return STEPS[int(bus.memory.fields[SEQ.step])]


def reach(bus: Bus, step: str, seconds: float = 10.0) -> None:
    """Go on until a step of the sequence is under way."""
    for _ in range(round(seconds / DT)):
        if step_of(bus) == step:
            return
        bus.step()
    raise AssertionError(f"step {step} not reached: {bus.history}")


# --- connecting


def test_connecting_goes_negative_precharge_positive_and_lets_the_precharge_contactor_go() -> None:
    bus = Bus()
    bus.step(2)
    assert (bus.state, bus.reason) == ("standby", "no connection asked for")
    bus.command["connect"] = 1
    seen = []
    for _ in range(200):
        bus.step()
        if not seen or seen[-1] != bus.driven:
            seen.append(bus.driven)
    assert seen == [
        {POSITIVE: False, NEGATIVE: True, PRECHARGE: False},
        {POSITIVE: False, NEGATIVE: True, PRECHARGE: True},
        {POSITIVE: True, NEGATIVE: True, PRECHARGE: True},
        {POSITIVE: True, NEGATIVE: True, PRECHARGE: False},
    ]
    assert [state for state, _ in bus.history] == ["standby", "standby", "precharge", "closing", "connected"]
    assert bus.reason == ""


@pytest.mark.verifies("SR-140")
def test_the_positive_contactor_closes_only_on_a_bus_at_pack_voltage() -> None:
    bus = Bus()
    bus.step(2)
    bus.command["connect"] = 1
    for _ in range(1000):
        bus.step()
        if bus.driven[POSITIVE]:
            break
    assert bus.driven[POSITIVE]
    assert abs(bus.bus_v - bus.pack_v) <= 1.0
    assert abs(bus.current) <= 0.5


@pytest.mark.verifies("SR-143")
def test_init_waits_for_all_measurements() -> None:
    bus = Bus()
    bus.scalars["cells_usable"] = 95
    bus.command["connect"] = 1
    bus.step(5)
    assert (bus.state, bus.reason) == ("init", "measurements not complete yet")
    bus.scalars["cells_usable"] = 96
    bus.until("connected")


def test_a_live_bus_that_matches_needs_no_precharge() -> None:
    bus = Bus()
    bus.bus_v = bus.source_v = bus.pack_v + 0.5
    bus.connect()
    assert "precharge" not in [state for state, _ in bus.history]


@pytest.mark.verifies("SR-140")
@pytest.mark.parametrize("held", [False, True])
def test_a_bus_reading_that_stands_still_is_not_closed_onto(held: bool) -> None:
    """Frozen at the pack's voltage while the bus is dead, or held elsewhere by something else."""
    bus = Bus()
    bus.frozen_v = bus.pack_v
    if held:
        bus.source_v = bus.pack_v - 40.0
    bus.step(10)
    bus.command["connect"] = 1
    for _ in range(4000):
        bus.step()
        assert not bus.driven[POSITIVE]
    reasons = [reason for _, reason in bus.history]
    assert "the reading of the bus voltage does not move: its sensor may be frozen" in reasons
    assert (bus.state, bus.reason) == ("fault", "all precharge tries are used up")


@pytest.mark.verifies("SR-140")
@pytest.mark.parametrize("ticks", [0, 1, 2, 3, 4, 5])
def test_a_bus_reading_that_froze_at_the_packs_voltage_a_moment_ago_is_not_closed_onto(ticks: int) -> None:
    """For some samples it reads like a bus that matches; the bus itself goes on rising."""
    bus = Bus()
    bus.source_v = bus.pack_v - 20.0
    bus.step(10)
    bus.frozen_v, bus.source_v = bus.pack_v, bus.pack_v + 3.0
    bus.step(ticks)
    bus.command["connect"] = 1
    for _ in range(500):
        bus.step()
        assert not (bus.closed[POSITIVE] and bus.closed[NEGATIVE])


def test_a_bus_reading_that_moves_again_is_believed_again() -> None:
    bus = Bus()
    bus.frozen_v = bus.pack_v
    bus.source_v = bus.pack_v
    bus.step(10)
    bus.command["connect"] = 1
    bus.until("precharge")
    bus.step(50)
    assert bus.state == "precharge"
    bus.frozen_v = np.nan
    assert bus.until("connected") < 0.5


@pytest.mark.parametrize("read_a", [-1.4, 1.4])
def test_a_current_sensor_that_is_wrong_by_its_tolerance_does_not_hold_precharge_up(read_a: float) -> None:
    bus = Bus()
    bus.offset_a = read_a
    bus.connect()
    bus = Bus()
    bus.offset_a = 1.2 * read_a
    bus.step(2)
    bus.command["connect"] = 1
    bus.step(1000)
    assert bus.state != "connected"


def test_a_live_bus_above_the_pack_is_waited_for_then_refused() -> None:
    bus = Bus()
    bus.source_v = bus.pack_v + 20.0
    bus.step(2)
    bus.command["connect"] = 1
    bus.step(1000)
    assert (bus.state, bus.reason) == ("standby", "the bus is live and does not match the pack")
    bus.step(2500)
    bus.source_v = bus.pack_v
    bus.step(100)
    assert bus.state == "standby"  # it came too late: the wish must be given anew
    bus.command["connect"] = 0
    bus.step()
    bus.command["connect"] = 1
    bus.until("connected")


def test_a_live_bus_that_comes_to_match_in_time_is_taken() -> None:
    bus = Bus()
    bus.source_v = bus.pack_v - 20.0
    bus.step(2)
    bus.command["connect"] = 1
    bus.step(100)
    assert bus.state == "standby"
    bus.source_v = bus.pack_v
    bus.until("connected", 1.0)


@pytest.mark.verifies("SR-140")
@pytest.mark.parametrize("step_v", [-12.0, -0.9, -0.6, -0.2, 0.2, 0.6, 0.9, 12.0])
def test_a_bus_that_passes_by_is_not_met(step_v: float) -> None:
    """A charger that gives up, a load that drains the link: for some samples the bus matches, and goes on."""
    bus = Bus()
    bus.source_v = bus.bus_v = bus.pack_v - 20.0 * step_v
    bus.step(2)
    bus.command["connect"] = 1
    for _ in range(60):
        bus.source_v += step_v
        bus.step()
        met = bus.closed[POSITIVE] and bus.closed[NEGATIVE]
        assert not met or abs(bus.source_v - bus.pack_v) <= 1.0 + abs(step_v)
        if met:
            break
    assert met == (abs(step_v) < 0.5)


@pytest.mark.verifies("SR-140")
@pytest.mark.parametrize("precharge", [0.0, 1.0])
def test_a_bus_that_leaves_while_the_contact_is_on_its_way_is_not_met(precharge: float) -> None:
    bus = Bus(has_precharge=precharge)
    bus.source_v = bus.bus_v = bus.pack_v + 0.5
    bus.step(5)
    bus.command["connect"] = 1
    reach(bus, "positive")
    bus.source_v = bus.pack_v + 30.0
    bus.step()
    assert not bus.driven[POSITIVE]
    bus.step(20)
    assert (bus.state, bus.reason) == ("standby", "the bus is live and does not match the pack")
    assert not bus.closed[POSITIVE]


@pytest.mark.verifies("SR-140")
@pytest.mark.parametrize("off_v", [-3.0, 3.0])
def test_a_sensor_of_the_pack_that_is_off_is_not_believed_against_the_cells(off_v: float) -> None:
    """Onto a bus that stands where the sensor says the pack stands, nothing is closed."""
    bus = Bus()
    set_channel(bus.image, CHANNEL.pack_voltage_v, bus.pack_v + off_v)
    bus.source_v = bus.bus_v = bus.pack_v + off_v
    bus.step(5)
    bus.command["connect"] = 1
    for _ in range(4000):
        bus.step()
        assert not bus.driven[POSITIVE]


def test_what_the_last_connection_left_on_the_bus_is_charged_from_there() -> None:
    bus = Bus()
    bus.connect()
    bus.command["connect"] = 0
    bus.until("standby")
    bus.bus_v = 0.6 * bus.pack_v
    bus.command["connect"] = 1
    assert bus.until("connected") < 7.0


@pytest.mark.verifies("SR-140")
def test_without_precharge_path_a_dead_or_matching_bus_is_connected() -> None:
    bus = Bus(has_precharge=0)
    bus.connect()
    bus = Bus(has_precharge=0)
    bus.source_v = 0.5 * bus.pack_v
    bus.step(2)
    bus.command["connect"] = 1
    bus.step(200)
    assert (bus.state, bus.reason) == ("standby", "the bus is live and does not match the pack")


def test_without_feedback_contacts_times_and_voltages_count() -> None:
    bus = Bus(feedback=False)
    bus.connect()
    bus.command["connect"] = 0
    bus.until("standby", 10.0)
    # The link keeps its charge: after a second it has left the pack's voltage by more than the tolerance.
    assert bus.reason == ""


@pytest.mark.verifies("SR-146")
def test_a_bus_that_keeps_its_voltage_proves_no_opening_without_feedback() -> None:
    bus = Bus(feedback=False)
    bus.connect()
    bus.source_v = bus.pack_v
    bus.command["connect"] = 0
    bus.until("standby", 10.0)
    assert bus.reason == "opening could not be proven: no feedback contact, and the bus has kept its voltage"


def test_without_a_bus_sensor_the_current_tells_when_precharge_is_over() -> None:
    bus = Bus()
    unfit(bus.parameters, bus.image, CHANNEL.bus_voltage_v)
    bus._measure = lambda: _measure_without_bus(bus)  # type: ignore[method-assign]
    bus.connect()
    assert abs(bus.bus_v - bus.pack_v) < 1.0


def _measure_without_bus(bus: Bus) -> None:
    set_current(bus.image, bus.current)
    for name, closed in bus.closed.items():
        set_channel(bus.image, getattr(CHANNEL, f"{name}_closed"), float(closed))


def test_a_pack_without_contactors_is_observed() -> None:
    bus = Bus(has_contactors=0)
    bus.command["connect"] = 1
    bus.step()
    assert bus.state == "connected"
    assert bus.driven == OPEN
    bus.scalars["open_request"] = OPEN_IN_ORDER
    bus.step()
    assert (bus.state, bus.reason) == ("fault", "a fault is present")
    bus.scalars["open_request"], bus.scalars["latched_faults"] = OPEN_NONE, 1
    bus.step()
    assert bus.reason == "a latched fault waits to be acknowledged"
    bus.scalars["latched_faults"] = 0
    bus.scalars["cells_usable"] = 95
    bus.step()
    assert bus.state == "init"


# --- precharge that fails


def failing(bus: Bus) -> Bus:
    bus.step(2)
    bus.command["connect"] = 1
    bus.until("opening", 5.0)
    return bus


@pytest.mark.verifies("SR-142")
def test_a_slow_precharge_ends_at_its_timeout() -> None:
    bus = Bus(precharge_timeout_s=0.4, contactor_close_s=0.1)
    bus.capacitance = 0.004
    failing(bus)
    assert bus.reason == "precharge took too long"
    assert bus.scalars["precharge_tries"] == 1
    assert bus.driven == OPEN


@pytest.mark.verifies("SR-142")
def test_a_short_circuit_on_the_bus_ends_precharge_early() -> None:
    bus = Bus()
    bus.load_ohm = 2.0
    failing(bus)
    assert bus.reason == "the bus voltage does not rise: short circuit or load on the bus"
    assert bus.scalars["time_s"] - 100.0 < 1.5


@pytest.mark.verifies("SR-142")
def test_current_past_the_resistor_ends_precharge() -> None:
    bus = Bus()
    bus.step(2)
    bus.command["connect"] = 1
    reach(bus, "charge")
    bus._live = lambda: setattr(bus, "current", -60.0)  # type: ignore[method-assign]
    bus.step(3)
    assert (bus.state, bus.reason) == ("opening", "precharge current too high")


@pytest.mark.verifies("SR-142")
def test_the_resistor_bears_only_so_much_energy() -> None:
    bus = Bus(precharge_energy_max_j=30.0)
    failing(bus)
    assert bus.reason == "precharge resistor must cool down"


@pytest.mark.verifies("SR-142")
def test_tries_wait_for_the_resistor_and_then_a_person_is_asked() -> None:
    bus = Bus(precharge_timeout_s=0.4)
    bus.capacitance = 0.02
    failing(bus)
    starts = []
    for _ in range(3000):
        was = bus.driven[PRECHARGE]
        bus.step()
        if bus.driven[PRECHARGE] and not was:
            starts.append(bus.scalars["time_s"])
        # Empty the link between tries, or it would come up step by step.
        if bus.state == "standby":
            bus.bus_v = 0.0
    assert len(starts) == 2  # the first one came before
    assert min(np.diff(starts)) >= 5.0
    assert (bus.state, bus.reason) == ("fault", "all precharge tries are used up")
    bus.command["connect"] = 0
    bus.step(10)
    assert bus.state == "fault"
    bus.command["acknowledge_count"] += 1
    bus.step(2)
    assert bus.state == "standby"
    assert bus.scalars["precharge_tries"] == 0


def test_a_bus_without_capacitor_is_connected_and_flagged() -> None:
    bus = Bus()
    bus.capacitance = 1e-6
    bus.connect()
    assert bus.reason == "the bus voltage rose at once: no capacitor, or the precharge path is bypassed"


# --- contactors that fail


@pytest.mark.verifies("SR-144")
@pytest.mark.parametrize("name", [NEGATIVE, PRECHARGE, POSITIVE])
def test_a_contactor_that_does_not_close_ends_the_connection(name: str) -> None:
    bus = Bus()
    bus.stuck.add(name)
    bus.step(2)
    bus.command["connect"] = 1
    bus.until("fault", 5.0)
    assert bus.reason == "a contactor did not close"
    assert bus.driven == OPEN
    bus.command["connect"] = 0
    bus.step(5)
    assert bus.state == "fault"
    bus.stuck.clear()
    bus.command["acknowledge_count"] += 1
    bus.until("standby", 1.0)


@pytest.mark.verifies("SR-146")
@pytest.mark.parametrize("name", [NEGATIVE, POSITIVE])
def test_a_welded_contactor_is_found_when_opening(name: str) -> None:
    bus = Bus()
    bus.connect()
    bus.welded.add(name)
    bus.command["connect"] = 0
    bus.until("fault", 5.0)
    assert bus.reason == "a contactor did not open"
    assert bus.driven == OPEN
    # Acknowledging does not help while it is welded (protection would keep the state fault).
    bus.command["acknowledge_count"] += 1
    bus.step(50)
    assert (bus.state, bus.reason) == ("standby", "a contactor did not open")


def test_a_welded_precharge_contactor_is_found_when_it_should_let_go() -> None:
    bus = Bus()
    bus.step(2)
    bus.command["connect"] = 1
    reach(bus, "release")
    bus.welded.add(PRECHARGE)
    bus.until("fault", 5.0)
    assert bus.reason == "a contactor did not open"


@pytest.mark.verifies("SR-141")
def test_a_welded_positive_contactor_without_feedback_shows_on_the_bus() -> None:
    bus = Bus(feedback=False)
    bus.welded.add(POSITIVE)
    bus.step(2)
    bus.command["connect"] = 1
    bus.until("fault", 5.0)
    assert bus.reason == "the bus became live before the positive contactor was closed: a contactor is welded"


@pytest.mark.parametrize("feedback", [True, False])
def test_taps_do_not_disturb_a_good_connection(feedback: bool) -> None:
    bus = Bus(taps=True, feedback=feedback)
    for _ in range(2):
        bus.connect()
        bus.command["connect"] = 0
        bus.until("standby", 10.0)
        assert bus.reason == ""
        bus.bus_v = 0.0


@pytest.mark.parametrize("name", [POSITIVE, NEGATIVE])
def test_a_tap_shows_a_welded_contactor_whose_feedback_lies_before_anything_is_closed(name: str) -> None:
    bus = Bus(taps=True)
    bus.welded, bus.lies = {name}, {name: 0.0}
    bus.step(2)
    bus.command["connect"] = 1
    bus.step(100)
    assert (bus.state, bus.reason) == ("standby", "a contactor did not open")
    assert bus.driven == OPEN


def test_a_tap_shows_a_positive_contactor_that_welds_during_the_probe() -> None:
    bus = Bus(taps=True)
    bus.lies = {POSITIVE: 0.0}
    bus.step(2)
    bus.command["connect"] = 1
    reach(bus, "probe")
    set_channel(bus.image, CHANNEL.positive_tap_v, bus.pack_v)  # the tap is faster than the bus
    sequence(bus.parameters, bus.command, bus.image, bus.memory)
    assert bus.reason == "the bus became live before the positive contactor was closed: a contactor is welded"
    assert bus.driven == OPEN


def test_a_negative_contactor_that_is_open_by_its_tap_is_not_precharged_over() -> None:
    bus = Bus(taps=True)
    bus.stuck = {NEGATIVE}
    bus.step(2)
    bus.command["connect"] = 1
    bus.step()
    assert bus.driven[NEGATIVE]
    bus.lies = {NEGATIVE: 1.0}
    while bus.state != "opening":
        assert not bus.driven[PRECHARGE]
        bus.step()
    bus.lies = {}
    bus.until("fault")
    assert bus.reason == "a contactor did not close"


@pytest.mark.verifies("SR-144")
def test_a_contact_found_closed_in_standby_holds_the_connection_back() -> None:
    bus = Bus()
    bus.step(2)
    bus.welded.add(NEGATIVE)
    bus.command["connect"] = 1
    bus.step(50)
    assert (bus.state, bus.reason) == ("standby", "a contactor did not open")
    assert bus.driven == OPEN


# --- opening


@pytest.mark.verifies("SR-121")
def test_opening_waits_for_the_current_then_opens_positive_before_negative() -> None:
    bus = Bus()
    bus.connect()
    bus.load_a = 40.0
    bus.step(2)
    bus.command["connect"] = 0
    bus.step(100)
    assert (bus.state, bus.reason) == ("opening", "waiting for the current to fall")
    assert bus.driven[POSITIVE]
    bus.load_a = 0.5
    bus.step()
    assert bus.driven == {POSITIVE: False, NEGATIVE: True, PRECHARGE: False}
    bus.until("standby", 1.0)
    assert bus.driven == OPEN


@pytest.mark.verifies("SR-131")
def test_opening_waits_no_longer_than_it_may() -> None:
    bus = Bus(open_wait_s=2.0)
    bus.connect()
    bus.load_a = 400.0
    bus.command["connect"] = 0
    bus.step(195)
    assert bus.driven[POSITIVE]
    bus.step(10)
    assert not bus.driven[POSITIVE]


def test_an_unknown_current_is_not_waited_for() -> None:
    bus = Bus(open_wait_s=2.0)
    bus.connect()
    bus.load_a = np.nan
    bus.command["connect"] = 0
    bus.step(3)
    assert not bus.driven[POSITIVE]


def test_opening_waits_no_longer_than_the_budget_of_the_fault() -> None:
    bus = Bus(open_wait_s=2.0)
    bus.connect()
    bus.load_a = 400.0
    bus.step()
    bus.scalars["open_request"], bus.scalars["fault_level"] = OPEN_IN_ORDER, LEVEL_FAULT
    bus.scalars["open_by_s"] = bus.scalars["time_s"] + 0.5
    bus.step(45)
    assert bus.driven[POSITIVE]
    bus.step(10)
    assert not bus.driven[POSITIVE]


@pytest.mark.verifies("SR-130", "SR-131")
def test_a_current_above_what_a_contactor_may_break_is_left_to_the_fuse_for_a_while() -> None:
    bus = Bus(open_wait_s=1.0, **breaking(100.0))
    bus.connect()
    bus.load_a = 120.0
    bus.command["connect"] = 0
    bus.step(390)
    assert bus.driven[POSITIVE]
    assert bus.reason == "the current is above what the contactors may break: left to the fuse"
    bus.step(20)
    assert not bus.driven[POSITIVE]


@pytest.mark.parametrize("current", [90.0, 0.0, np.nan])
def test_a_current_that_falls_to_what_a_contactor_may_break_ends_the_wait(current: float) -> None:
    bus = Bus(open_wait_s=1.0, **breaking(100.0))
    bus.connect()
    bus.load_a = 120.0
    bus.command["connect"] = 0
    bus.step(200)
    assert bus.driven[POSITIVE]
    bus.load_a = current
    bus.step(3)
    assert not bus.driven[POSITIVE]


def ask_now(bus: Bus, load_a: float) -> None:
    """Connected, loaded, and protection wants the contactors open at once."""
    bus.connect()
    bus.load_a = load_a
    bus.step()
    bus.scalars["open_request"], bus.scalars["fault_level"] = OPEN_NOW, LEVEL_FAULT
    bus.step()


@pytest.mark.parametrize("load_a", [90.0, -90.0, np.nan])
def test_what_contactors_may_break_opens_at_once(load_a: float) -> None:
    bus = Bus(**breaking(100.0))
    ask_now(bus, load_a)
    assert bus.driven == OPEN


@pytest.mark.parametrize("load_a", [120.0, -120.0])
def test_what_they_may_not_break_is_left_to_fuse_and_pyrofuse_even_at_once(load_a: float) -> None:
    bus = Bus(**breaking(100.0))
    ask_now(bus, load_a)
    bus.step(50)
    assert bus.driven == {POSITIVE: True, NEGATIVE: True, PRECHARGE: False}
    assert bus.reason == "the current is above what the contactors may break: left to the fuse"
    bus.load_a = 0.0  # the pyrofuse has fired
    bus.step(2)
    assert bus.driven == OPEN
    bus.until("fault")


def test_nothing_that_lasts_keeps_the_contactors_closed_for_ever() -> None:
    bus = Bus(**breaking(100.0))
    ask_now(bus, 120.0)
    bus.step(310)
    assert bus.driven == OPEN


@pytest.mark.parametrize(
    ("capable", "load_a", "first"),
    [
        ("negative_break_discharge_a", 120.0, NEGATIVE),
        ("positive_break_discharge_a", 120.0, POSITIVE),
        ("negative_break_charge_a", -120.0, NEGATIVE),
        ("positive_break_charge_a", -120.0, POSITIVE),
    ],
)
def test_the_contactor_that_may_break_this_direction_opens_first(capable: str, load_a: float, first: str) -> None:
    bus = Bus(**{**breaking(100.0), capable: 500.0})
    ask_now(bus, load_a)
    other = NEGATIVE if first == POSITIVE else POSITIVE
    assert (bus.driven[first], bus.driven[other]) == (False, True)
    bus.step(4)
    assert bus.driven == OPEN
    bus.until("fault")


def test_a_first_contactor_that_sticks_does_not_keep_the_other_one_closed() -> None:
    bus = Bus(**{**breaking(100.0), "negative_break_discharge_a": 500.0})
    bus.welded = set()
    ask_now(bus, 120.0)
    bus.welded = {NEGATIVE}
    bus.step(12)
    assert bus.driven == OPEN


@pytest.mark.verifies("SR-127", "SR-143")
def test_after_a_fault_nothing_closes_before_it_is_acknowledged_and_the_wish_withdrawn() -> None:
    bus = Bus()
    bus.connect()
    bus.scalars["open_request"], bus.scalars["fault_level"], bus.scalars["latched_faults"] = 1, LEVEL_FAULT, 1
    bus.until("fault")
    assert bus.reason == "a fault is present"
    bus.scalars["open_request"], bus.scalars["fault_level"] = OPEN_NONE, 0
    bus.step(100)
    assert (bus.state, bus.reason) == ("fault", "a latched fault waits to be acknowledged")
    bus.scalars["latched_faults"] = 0
    bus.step(100)
    assert (bus.state, bus.reason) == ("fault", "the wish to connect must be withdrawn first")
    bus.command["connect"] = 0
    bus.step(2)
    assert bus.state == "standby"
    bus.command["connect"] = 1
    bus.until("connected")


STAGES = [
    "negative",
    "probe",
    "charge",
    "positive",
    "release",
    "none",
    "wait",
    "open positive",
    "open negative",
    "prove",
]


def at(step: str, **changes: float) -> Bus:
    """A bus that is in the middle of a step; `none` means connected."""
    bus = Bus(**changes)
    if step in ("none", "wait", "open positive", "open negative", "prove"):
        bus.connect()
        if step != "none":
            bus.load_a = 50.0 if step == "wait" else 0.0
            bus.step()
            bus.command["connect"] = 0
            reach(bus, step)
    else:
        bus.step(2)
        bus.command["connect"] = 1
        reach(bus, step)
    return bus


@pytest.mark.verifies("SR-122")
@pytest.mark.parametrize("step", STAGES)
def test_open_now_opens_everything_in_the_same_tick_from_every_step(step: str) -> None:
    bus = at(step)
    bus.scalars["open_request"] = OPEN_NOW
    bus.step()
    assert bus.driven == OPEN
    bus.until("fault", 1.0)


@pytest.mark.verifies("SR-121")
@pytest.mark.parametrize("step", STAGES)
def test_open_in_order_is_followed_from_every_step(step: str) -> None:
    bus = at(step)
    positive = bus.driven[POSITIVE]
    bus.scalars["open_request"] = OPEN_IN_ORDER
    bus.step()
    if not positive:
        assert not bus.driven[POSITIVE]
    assert not bus.driven[PRECHARGE]
    assert bus.state in ("opening", "fault")
    bus.until("fault", 3.5)
    assert bus.driven == OPEN


@pytest.mark.verifies("SR-145")
@pytest.mark.parametrize("step", ["negative", "probe", "charge", "positive", "release"])
def test_a_withdrawn_wish_ends_the_connection_from_every_step(step: str) -> None:
    bus = at(step)
    bus.command["connect"] = 0
    bus.until("standby", 1.0)
    assert bus.driven == OPEN
    assert bus.scalars["precharge_tries"] == 0


@pytest.mark.verifies("SR-145")
@pytest.mark.parametrize("step", ["negative", "probe", "charge"])
def test_a_lost_measurement_ends_precharge_from_every_step(step: str) -> None:
    bus = at(step)
    bus.scalars["cells_usable"] = 95
    bus.step()
    assert bus.driven == OPEN
    bus.until("standby", 1.0)
    bus.step(5)
    assert bus.reason == "measurements not complete yet"


@pytest.mark.parametrize("state", ["init", "standby"])
def test_protection_is_heard_while_everything_is_open(state: str) -> None:
    bus = Bus()
    bus.step(0 if state == "init" else 2)
    bus.scalars["open_request"] = OPEN_NOW
    bus.step()
    assert bus.state == "fault"


@pytest.mark.verifies("SR-143")
def test_a_fault_that_blocks_without_opening_holds_the_connection_back() -> None:
    bus = Bus()
    bus.step(2)
    bus.scalars["fault_level"] = LEVEL_FAULT
    bus.command["connect"] = 1
    bus.step(10)
    assert (bus.state, bus.reason) == ("standby", "a fault is present")
    bus.scalars["fault_level"], bus.scalars["latched_faults"] = 0, 2
    bus.step(10)
    assert bus.reason == "a latched fault waits to be acknowledged"


# --- rules that no input may break


values = st.one_of(st.just(np.nan), st.floats(-500.0, 900.0), st.sampled_from([0.0, 1.0, 345.6, 345.0, 346.0]))


@pytest.mark.verifies("SR-211", "SR-140")
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_no_input_closes_against_protection_or_onto_a_bus_that_does_not_match(data: st.DataObject) -> None:
    bus = Bus()
    bus.step(2)
    bus.command["connect"] = 1
    waiting = 0.0
    for _ in range(60):
        for _ in range(data.draw(st.integers(1, 20))):
            bus._live()
            bus._measure()
            if data.draw(st.integers(0, 9)) == 0:
                channel = data.draw(st.integers(0, bus.image.channels.shape[1] - 1))
                set_channel(bus.image, channel, data.draw(values))
                bus.image.channels[MEASURED.quality, channel] = data.draw(st.integers(0, BAD))
            before = bus.driven
            _tick(bus)
            s = bus.scalars
            if s["open_request"] == OPEN_NOW:
                assert bus.driven == OPEN
            if s["open_request"] != OPEN_NONE:
                assert not any(now and not then for now, then in zip(bus.driven.values(), before.values(), strict=True))
                waiting = waiting + DT if any(bus.driven.values()) else 0.0
                assert waiting <= 3.0 + 0.1 + 0.1 + 3 * DT
            else:
                waiting = 0.0
            if bus.driven[POSITIVE] and not before[POSITIVE]:
                assert abs(bus.memory.fields[SEQ.bus_v] - bus.memory.fields[SEQ.pack_v]) <= 1.0
                assert s["state"] == STATE_CLOSING
            if bus.driven[PRECHARGE]:
                assert bus.driven[NEGATIVE]
                assert s["state"] in (STATE_PRECHARGE, STATE_CLOSING)
            if s["state"] == STATE_CONNECTED:
                assert bus.driven == {POSITIVE: True, NEGATIVE: True, PRECHARGE: False}
            if s["state"] <= STATE_STANDBY:
                assert bus.driven == OPEN
        bus.scalars["open_request"] = data.draw(st.sampled_from([OPEN_NONE] * 5 + [OPEN_IN_ORDER, OPEN_NOW, 3]))
        bus.scalars["latched_faults"] = data.draw(st.sampled_from([0, 0, 0, 1]))
        bus.scalars["cells_usable"] = data.draw(st.sampled_from([96, 96, 96, 95]))
        bus.command["connect"] = data.draw(st.sampled_from([1, 1, 1, 0, 2]))
        bus.command["acknowledge_count"] += data.draw(st.integers(0, 1))


def _tick(bus: Bus) -> None:
    """One tick on measurements that were made already."""
    live, measure = bus._live, bus._measure
    bus._live = bus._measure = lambda: None  # type: ignore[method-assign]
    bus.step()
    bus._live, bus._measure = live, measure  # type: ignore[method-assign]
