"""Faults of contacts, connectors, boards, coolant, monitors and pyrofuse: when they are raised, and when not."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from helpers.kernel import Kernel
from ionward.image.faults_points import _POINTS
from ionward.image.inputs import CHANNEL
from ionward.image.signals import (
    LEVEL_CRITICAL,
    LEVEL_FAULT,
    LEVEL_INFO,
    LEVEL_NONE,
    LEVEL_WARNING,
    OPEN_IN_ORDER,
    OPEN_NONE,
    OPEN_NOW,
)

Cause = Callable[[Kernel], None]


def put(**values: float) -> Cause:
    return lambda k: k.channels.update(values)


def silence(*names: str) -> Cause:
    return lambda k: k.samples.silent.update(names)


def pump_stands(k: Kernel) -> None:
    k.s["pump"] = 0.5


# Fault, level, seconds from the first bad sample on, place, cause; every channel is sampled in each cycle of 10 ms.
CASES: list[tuple[str, int, float, str, Cause]] = [
    ("cell_readings_disagree", LEVEL_WARNING, 0.2, "monitor_redundancy_v", put(monitor_redundancy_v=0.021)),
    ("cell_readings_disagree", LEVEL_FAULT, 0.2, "monitor_redundancy_v", put(monitor_redundancy_v=0.051)),
    ("balancing_board_overtemperature", LEVEL_WARNING, 2.0, "balancing_board_c", put(balancing_board_c=90.5)),
    ("balancing_board_overtemperature", LEVEL_FAULT, 2.0, "balancing_board_c", put(balancing_board_c=105.5)),
    ("contactor_overtemperature", LEVEL_WARNING, 2.0, "contactor_positive_c", put(contactor_positive_c=106.0)),
    ("contactor_overtemperature", LEVEL_FAULT, 2.0, "contactor_negative_c", put(contactor_negative_c=126.0)),
    ("contactor_overtemperature", LEVEL_CRITICAL, 2.0, "contactor_negative_c", put(contactor_negative_c=141.0)),
    ("connector_overtemperature", LEVEL_WARNING, 2.0, "connector_negative_c", put(connector_negative_c=91.0)),
    ("connector_overtemperature", LEVEL_FAULT, 2.0, "connector_positive_c", put(connector_positive_c=106.0)),
    ("connector_overtemperature", LEVEL_CRITICAL, 2.0, "connector_positive_c", put(connector_positive_c=121.0)),
    ("coolant_overtemperature", LEVEL_WARNING, 2.0, "coolant_inlet_c", put(coolant_inlet_c=60.5)),
    ("coolant_overtemperature", LEVEL_FAULT, 5.0, "coolant_outlet_c", put(coolant_outlet_c=70.5)),
    ("cooling_lost", LEVEL_WARNING, 5.03, "cooling_running", pump_stands),
    ("pyrofuse_fired", LEVEL_CRITICAL, 0.02, "pyrofuse_intact", put(pyrofuse_intact=0.0)),
    # Lost by silence: too old after its greatest age, 1 s for temperatures and counters and 0.1 s for the others.
    ("point_temperature_lost", LEVEL_WARNING, 6.0, "connector_negative_c", silence("connector_negative_c")),
    ("point_temperature_lost", LEVEL_WARNING, 6.0, "balancing_board_c", silence("balancing_board_c")),
    ("cooling_feedback_lost", LEVEL_INFO, 5.1, "cooling_running", silence("cooling_running")),
    ("diagnosis_lost", LEVEL_WARNING, 5.1, "monitor_redundancy_v", silence("monitor_redundancy_v")),
    ("diagnosis_lost", LEVEL_WARNING, 6.0, "monitor_crc_errors", silence("monitor_crc_errors")),
    ("diagnosis_lost", LEVEL_WARNING, 5.1, "pyrofuse_intact", silence("pyrofuse_intact")),
]


@pytest.mark.verifies(each="fault")
@pytest.mark.parametrize(
    ("fault", "level", "seconds", "place", "cause"),
    CASES,
    ids=[f"{f}-{level}-{place}" for f, level, _, place, _ in CASES],
)
def test_fault_is_raised_in_its_time_and_place(
    fault: str, level: int, seconds: float, place: str, cause: Cause
) -> None:
    k = Kernel(has_cooling=1)
    assert k.levels() == {}
    cause(k)
    assert k.until(fault, level, seconds + 0.5) == pytest.approx(seconds + k.cycle_s, abs=k.cycle_s + 1e-6)
    assert k.fault(fault, "place") == getattr(CHANNEL, place)
    assert set(k.levels()) == {fault}


def test_every_fault_of_a_point_has_a_case() -> None:
    elsewhere = {"monitor_crc", "monitor_sequence"}  # below
    elsewhere |= {"contactor_welded_by_voltage", "contactor_open_by_voltage", "tap_lost"}  # test_rules_taps.py
    assert {f.id for f in _POINTS} == {case[0] for case in CASES} | elsewhere


@pytest.mark.parametrize(
    "name", [f"{part}_{side}_c" for part in ("contactor", "connector") for side in ("positive", "negative")]
)
def test_a_pack_with_one_sensor_of_two_is_watched_by_it(name: str) -> None:
    other = name.replace("positive", "?").replace("negative", "positive").replace("?", "negative")
    k = Kernel(absent=(other,))
    k.channels[name] = 150.0
    k.run(3.0)
    assert set(k.levels()) == {f"{name.partition('_')[0]}_overtemperature"}
    k.channels[name] = 25.0
    k.run(10.0)
    assert k.levels() == {}


def test_a_lost_sensor_clears_no_fault_of_the_other_one() -> None:
    k = Kernel()
    k.channels["contactor_negative_c"] = 126.0
    k.run(3.0)
    assert k.level("contactor_overtemperature") == LEVEL_FAULT
    k.samples.silent.add("contactor_negative_c")
    k.run(30.0)
    assert k.level("contactor_overtemperature") == LEVEL_FAULT
    k.samples.silent.clear()
    k.channels["contactor_negative_c"] = 25.0
    k.run(10.0)
    assert k.level("contactor_overtemperature") == LEVEL_NONE


def test_what_a_pack_does_not_have_raises_nothing() -> None:
    names = tuple(name for name in CHANNEL._fields[CHANNEL.contactor_positive_c :])
    k = Kernel(absent=(*names, "coolant_inlet_c", "coolant_outlet_c"), has_cooling=1)
    k.s["pump"] = 1.0
    for name in names:
        k.channels[name] = 0.0 if name == "pyrofuse_intact" else 1000.0
    k.run(20.0)
    assert k.levels() == {}


def test_coolant_of_a_pack_that_does_not_cool_is_not_judged() -> None:
    k = Kernel(has_cooling=0)
    k.channels["coolant_inlet_c"] = 100.0
    k.run(10.0)
    assert k.levels() == {}


# Balancing


@pytest.mark.verifies("SR-017")
def test_a_hot_board_stops_balancing_and_opens_only_when_it_goes_on_heating() -> None:
    k = Kernel()
    assert k.s["balance_allowed"] == 1
    k.channels["balancing_board_c"] = 91.0
    k.run(3.0)
    assert (k.s["balance_allowed"], k.s["open_request"], k.s["derate"]) == (0, OPEN_NONE, 1)
    k.channels["balancing_board_c"] = 106.0
    k.run(3.0)
    assert (k.s["balance_allowed"], k.s["open_request"]) == (0, OPEN_IN_ORDER)
    k.channels["balancing_board_c"] = 40.0
    k.run(10.0)
    assert k.level("balancing_board_overtemperature") == LEVEL_NONE
    assert k.s["balance_allowed"] == 0  # until somebody has acknowledged
    k.acknowledge()
    k.tick()
    assert (k.s["balance_allowed"], k.s["open_request"]) == (1, OPEN_NONE)


# Cooling


@pytest.mark.parametrize(("by_pump", "demand", "other"), [(1, "pump", "fan"), (0, "fan", "pump")])
def test_cooling_is_judged_by_what_carries_the_heat_away(by_pump: int, demand: str, other: str) -> None:
    k = Kernel(has_cooling=1, cooling_by_pump=by_pump)
    k.s[other] = 1.0
    k.run(10.0)
    assert k.levels() == {}
    k.s[demand] = 1.0
    k.run(6.0)
    assert k.levels() == {"cooling_lost": LEVEL_WARNING}
    k.channels["cooling_running"] = 1.0
    k.run(0.1)
    assert k.levels() == {}


def test_a_pump_that_starts_late_or_is_hardly_demanded_is_not_lost() -> None:
    k = Kernel(has_cooling=1)
    for _ in range(4):
        k.s["pump"], k.channels["cooling_running"] = 1.0, 0.0
        k.run(4.5)
        k.channels["cooling_running"] = 1.0
        k.run(1.0)
    k.s["pump"], k.channels["cooling_running"] = 0.05, 0.0
    k.run(20.0)
    assert k.fault("cooling_lost", "count") == 0


# Counters


def count(k: Kernel, name: str, each: float, ticks: int, highest: float = 65535.0) -> None:
    """Let a counter grow by `each` with every tick; it begins again after its highest count."""
    for _ in range(ticks):
        k.channels[name] = (k.channels[name] + each) % (highest + 1.0)
        k.tick()


@pytest.mark.verifies("SR-080", "SR-081")
@pytest.mark.parametrize(
    ("fault", "name"), [("monitor_crc", "monitor_crc_errors"), ("monitor_sequence", "monitor_sequence_errors")]
)
def test_the_rate_of_errors_counts_not_their_number(fault: str, name: str) -> None:
    k = Kernel(settle=False)
    k.channels[name] = 40_000.0  # counted before anybody looked
    k.run(20.0)
    assert k.levels() == {}
    count(k, name, 0.02, 3000)  # two a second
    assert k.levels() == {fault: LEVEL_INFO}
    assert k.fault(fault, "value") == pytest.approx(2.0 * (1.0 - math.exp(-3.0)), rel=0.02)
    assert k.fault(fault, "place") == getattr(CHANNEL, name)
    count(k, name, 0.1, 3000)  # ten a second
    assert k.levels() == {fault: LEVEL_WARNING}
    k.run(60.0)
    assert k.levels() == {}


def test_the_first_reading_and_one_after_a_loss_tell_no_rate() -> None:
    k = Kernel(settle=False)
    k.channels["monitor_crc_errors"] = 5000.0
    k.run(0.5)
    assert k.fault("monitor_crc", "value") == 0.0
    k.samples.silent.add("monitor_crc_errors")
    k.run(2.0)
    k.samples.silent.clear()
    k.channels["monitor_crc_errors"] = 60_000.0
    k.run(0.5)
    assert k.fault("monitor_crc", "value") == 0.0


def test_a_counter_that_begins_again_counts_on() -> None:
    k = Kernel(settle=False)
    k.channels["monitor_crc_errors"] = 65_500.0
    k.run(0.1)
    count(k, "monitor_crc_errors", 1.0, 100)  # over its highest count: what came before zero is lost at most
    assert k.channels["monitor_crc_errors"] == 64.0
    assert 9.0 <= k.fault("monitor_crc", "value") <= 10.0


def test_a_monitor_that_restarts_has_no_errors() -> None:
    k = Kernel(settle=False)
    k.channels["monitor_sequence_errors"] = 65_000.0
    k.run(1.0)
    k.channels["monitor_sequence_errors"] = 0.0
    k.run(1.0)
    assert k.fault("monitor_sequence", "value") == 0.0


def test_one_wrong_count_is_no_error() -> None:
    k = Kernel()
    for wrong in (40_000.0, 65_535.0):
        k.channels["monitor_crc_errors"] = wrong
        k.tick()
        k.channels["monitor_crc_errors"] = 0.0
        k.run(1.0)
    assert k.fault("monitor_crc", "value") == 0.0


# Pyrofuse


@pytest.mark.verifies("SR-074")
def test_a_fired_pyrofuse_cannot_be_acknowledged_away() -> None:
    k = Kernel()
    k.channels["pyrofuse_intact"] = 0.0
    k.run(0.1)
    assert k.s["open_request"] == OPEN_NOW
    for _ in range(3):
        k.acknowledge()
        k.run(1.0)
        assert (k.level("pyrofuse_fired"), k.s["latched_faults"]) == (LEVEL_CRITICAL, 1)
    k.channels["pyrofuse_intact"] = 1.0  # replaced
    k.run(1.0)
    assert (k.level("pyrofuse_fired"), k.s["latched_faults"]) == (LEVEL_NONE, 1)
    k.acknowledge()
    k.run(0.1)
    assert (k.s["latched_faults"], k.s["open_request"]) == (0, OPEN_NONE)


def test_a_pack_without_pyrofuse_has_none_to_fire() -> None:
    k = Kernel(has_pyrofuse=0)
    k.channels["pyrofuse_intact"] = 0.0
    k.run(1.0)
    assert k.levels() == {}


def test_one_wrong_sample_decides_nothing() -> None:
    k = Kernel()
    good = dict(k.channels)
    for name in CHANNEL._fields[CHANNEL.contactor_positive_c :]:
        k.channels[name] = 0.0 if name == "pyrofuse_intact" else 199.0
        k.tick()
        k.channels[name] = good[name]
        k.run(0.2)
    assert k.levels() == {}
