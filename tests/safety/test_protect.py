"""Every fault: raised in exactly its time, named at its place, cleared and latched as promised."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import ionward
from helpers.kernel import Kernel
from helpers.packs import breaking
from ionward.image.faults import BY_ID, FAULT_ID, FAULTS
from ionward.image.faults_derived import DERIVED
from ionward.image.faults_points import _POINTS
from ionward.image.inputs import CHANNEL
from ionward.image.parameters import LEVELP
from ionward.image.signals import (
    EVENT_SLOTS,
    LEVEL_CRITICAL,
    LEVEL_FAULT,
    LEVEL_INFO,
    LEVEL_NONE,
    LEVEL_WARNING,
    OPEN_IN_ORDER,
    OPEN_NONE,
    OPEN_NOW,
    STATES,
)

Cause = Callable[[Kernel], None]


def set_cells(*voltages: float) -> Cause:
    return lambda k: k.cells(*voltages)


def set_channel(**values: float) -> Cause:
    return lambda k: k.channels.update(values)


def silence(*names: str) -> Cause:
    return lambda k: k.samples.silent.update(names)


def temperature(celsius: float, current_a: float) -> Cause:
    def cause(k: Kernel) -> None:
        k.samples.temperatures[1] = celsius
        k.close()
        k.current(current_a)

    return cause


def flow(current_a: float) -> Cause:
    def cause(k: Kernel) -> None:
        k.close()
        k.current(current_a)

    return cause


def lose(cells: bool = False) -> Cause:
    def cause(k: Kernel) -> None:
        if cells:
            k.samples.cells[2] = math.nan
        else:
            k.samples.temperatures[1] = math.nan

    return cause


def bus_apart(k: Kernel) -> None:
    k.close()
    k.channels["bus_voltage_v"] *= 0.8


def welded_bus(k: Kernel) -> None:
    k.channels["bus_voltage_v"] = k.channels["pack_voltage_v"]


def stuck_open(k: Kernel) -> None:
    k.s["main_negative_close"] = 1


def precharge_stays(k: Kernel) -> None:
    k.s["main_negative_close"] = k.s["precharge_close"] = 1
    k.channels.update(main_negative_closed=1.0, precharge_closed=1.0)


def refuse(k: Kernel) -> None:
    """An ambient sensor that gives one wrong sample in four: 25 a second."""
    k.channels["ambient_c"] = 900.0 if k.s["tick"] % 4 == 0 else 25.0


# Fault, level, seconds from the first bad sample's tick on, place, cause. The cycle is 10 ms and everything is sampled
# in each; seconds are the longer of the samples' time and the delay, both counted from the first bad sample.
CASES: list[tuple[str, int, float, int, Cause]] = [
    ("cell_overvoltage", LEVEL_WARNING, 0.1, 2, set_cells(4.0, 4.1, 4.22, 4.1)),
    ("cell_overvoltage", LEVEL_FAULT, 0.05, 2, set_cells(4.0, 4.1, 4.24, 4.1)),
    ("cell_overvoltage", LEVEL_CRITICAL, 0.02, 3, set_cells(4.0, 4.1, 4.24, 4.29)),
    ("cell_undervoltage", LEVEL_FAULT, 0.5, 0, set_cells(2.7, 2.8, 2.8, 2.8)),
    ("cell_undervoltage", LEVEL_CRITICAL, 0.1, 1, set_cells(2.7, 2.4, 2.8, 2.8)),
    ("cell_voltage_spread", LEVEL_INFO, 10.0, 0, set_cells(3.7, 4.0, 3.9, 3.9)),
    ("cell_voltage_spread", LEVEL_FAULT, 5.0, 2, set_cells(4.15, 3.7, 3.14, 3.7)),
    ("cell_sum_mismatch", LEVEL_WARNING, 2.0, -1, set_channel(pack_voltage_v=14.8 + 4 * 0.031)),
    ("cell_sum_mismatch", LEVEL_FAULT, 2.0, -1, set_channel(pack_voltage_v=14.8 - 4 * 0.101)),
    ("charge_overtemperature", LEVEL_FAULT, 1.0, 1, temperature(48.5, 50.0)),
    ("charge_overtemperature", LEVEL_CRITICAL, 0.5, 1, temperature(53.5, 50.0)),
    ("charge_undertemperature", LEVEL_FAULT, 2.0, 1, temperature(-3.5, 50.0)),
    ("discharge_overtemperature", LEVEL_FAULT, 1.0, 1, temperature(63.5, -50.0)),
    ("discharge_undertemperature", LEVEL_FAULT, 2.0, 1, temperature(-23.5, -50.0)),
    ("overtemperature", LEVEL_WARNING, 1.0, 1, temperature(63.5, 0.0)),
    ("overtemperature", LEVEL_FAULT, 1.0, 1, temperature(66.5, 0.0)),
    ("overtemperature", LEVEL_CRITICAL, 0.5, 1, temperature(72.5, 0.0)),
    ("undertemperature", LEVEL_FAULT, 5.0, 1, temperature(-35.5, 0.0)),
    ("temperature_disagreement", LEVEL_WARNING, 5.0, 0, temperature(41.0, 0.0)),
    ("charge_overcurrent", LEVEL_WARNING, 11.0, CHANNEL.current_a, flow(106.0)),
    ("charge_overcurrent", LEVEL_FAULT, 15.0, CHANNEL.current_a, flow(111.0)),
    ("discharge_overcurrent", LEVEL_FAULT, 15.0, CHANNEL.current_a, flow(-221.0)),
    ("charge_overcurrent_pulse", LEVEL_FAULT, 0.1, CHANNEL.current_a, flow(166.0)),
    ("charge_overcurrent_pulse", LEVEL_CRITICAL, 0.02, CHANNEL.current_a, flow(226.0)),
    ("discharge_overcurrent_pulse", LEVEL_WARNING, 0.05, CHANNEL.current_a, flow(-316.0)),
    ("discharge_overcurrent_pulse", LEVEL_CRITICAL, 0.02, CHANNEL.current_a, flow(-451.0)),
    ("short_circuit", LEVEL_CRITICAL, 0.01, CHANNEL.current_a, flow(-601.0)),
    ("short_circuit", LEVEL_CRITICAL, 0.01, CHANNEL.current_a, flow(601.0)),
    ("short_circuit", LEVEL_CRITICAL, 0.01, CHANNEL.current_redundant_a, flow(-1200.0)),
    ("current_sensors_disagree", LEVEL_WARNING, 0.2, CHANNEL.current_redundant_a, set_channel(current_redundant_a=2.6)),
    ("current_sensors_disagree", LEVEL_FAULT, 1.0, CHANNEL.current_a, set_channel(current_a=-4.1)),
    ("current_while_open", LEVEL_FAULT, 0.1, CHANNEL.current_a,
     set_channel(current_a=10.1, current_redundant_a=10.1)),
    ("hvil_open", LEVEL_FAULT, 0.02, CHANNEL.hvil_closed, set_channel(hvil_closed=0.0)),
    ("crash", LEVEL_CRITICAL, 0.01, CHANNEL.crash, set_channel(crash=1.0)),
    ("insulation_low", LEVEL_WARNING, 2.0, CHANNEL.insulation_ohm, set_channel(insulation_ohm=499.0 * 4 * 4.2)),
    ("insulation_low", LEVEL_FAULT, 2.0, CHANNEL.insulation_ohm, set_channel(insulation_ohm=99.0 * 4 * 4.2)),
    # More than 0.1 s: the time allowed to open is over in the next tick.
    ("contactor_welded", LEVEL_FAULT, 0.12, CHANNEL.main_positive_closed, set_channel(main_positive_closed=1.0)),
    ("contactor_stuck_open", LEVEL_FAULT, 0.12, CHANNEL.main_negative_closed, stuck_open),
    ("bus_live_while_open", LEVEL_WARNING, 10.0, CHANNEL.bus_voltage_v, welded_bus),
    ("bus_apart_while_closed", LEVEL_FAULT, 0.5, CHANNEL.bus_voltage_v, bus_apart),
    ("precharge_too_long", LEVEL_FAULT, 2.31, CHANNEL.precharge_closed, precharge_stays),
    # Lost by refused samples: bad 0.1 s after the first one.
    ("cell_voltage_lost", LEVEL_WARNING, 0.2, 2, lose(cells=True)),
    ("cell_voltage_lost", LEVEL_FAULT, 0.6, 2, lose(cells=True)),
    ("temperature_lost", LEVEL_WARNING, 1.1, 1, lose()),
    # Lost by silence: too old more than 0.1 s after the last one, which came one cycle before the first missing one.
    ("current_lost", LEVEL_FAULT, 0.2, CHANNEL.current_a, silence("current_a", "current_redundant_a")),
    ("current_redundancy_lost", LEVEL_WARNING, 0.6, CHANNEL.current_redundant_a, silence("current_redundant_a")),
    ("pack_voltage_lost", LEVEL_WARNING, 0.6, CHANNEL.pack_voltage_v, silence("pack_voltage_v")),
    ("bus_voltage_lost", LEVEL_WARNING, 0.6, CHANNEL.bus_voltage_v, silence("bus_voltage_v")),
    ("insulation_lost", LEVEL_WARNING, 10.0, CHANNEL.insulation_ohm, silence("insulation_ohm")),
    ("hvil_lost", LEVEL_FAULT, 0.6, CHANNEL.hvil_closed, silence("hvil_closed")),
    ("crash_lost", LEVEL_WARNING, 0.6, CHANNEL.crash, silence("crash")),
    ("contactor_feedback_lost", LEVEL_WARNING, 0.6, CHANNEL.precharge_closed, silence("precharge_closed")),
    ("coolant_temperature_lost", LEVEL_INFO, 6.0, CHANNEL.coolant_inlet_c, silence("coolant_inlet_c")),
]  # fmt: skip


@pytest.mark.verifies(each="fault")
@pytest.mark.parametrize(
    ("fault", "level", "seconds", "place", "cause"), CASES, ids=[f"{f}-{level}" for f, level, *_ in CASES]
)
def test_fault_is_raised_in_its_time_and_place(
    fault: str, level: int, seconds: float, place: int, cause: Cause
) -> None:
    k = Kernel()
    prepare(k, fault)
    assert k.levels() == {}
    cause(k)
    first_sample_s = k.cycle_s
    assert k.until(fault, level, seconds + 0.5) == pytest.approx(seconds + first_sample_s, abs=k.cycle_s + 1e-6)
    assert k.fault(fault, "place") == place
    assert k.fault(fault, "count") == 1
    raised = [e for e in k.events() if e[0] == fault]
    assert raised[-1][1] == level
    assert raised[-1][3] == place


def prepare(k: Kernel, fault: str) -> None:
    """Bring the pack slowly, within what cells and sensors can do, to where the fault begins."""
    if fault.startswith("cell_over"):
        steps = [(v,) * 4 for v in (3.9, 4.1)]
    elif fault.startswith("cell_under"):
        steps = [(v,) * 4 for v in (3.3, 2.85)]
    elif fault == "cell_voltage_spread":
        steps = [(3.85, 3.62, 3.7, 3.7)]
    else:
        steps = []
    for voltages in steps:
        k.cells(*voltages)
        k.run(0.05)


def test_every_fault_has_a_case() -> None:
    elsewhere = {"cell_temperature_unknown", "precharge_failed", "samples_refused"}
    elsewhere |= {f.id for f in _POINTS}  # test_rules_points.py, test_rules_taps.py
    elsewhere |= {f.id for f in DERIVED}  # test_rules_derived.py
    elsewhere |= {"cycle_stopped", "cycle_overrun", "guard_withholds", "enable_lost"}  # test_rules_inside.py
    assert {f.id for f in FAULTS} == {case[0] for case in CASES} | elsewhere


@pytest.mark.verifies("SR-042")
def test_cells_without_any_sensor_beside_them_open() -> None:
    k = Kernel()
    k.samples.temperatures[:] = math.nan
    assert k.until("cell_temperature_unknown", LEVEL_FAULT, 3.0) == pytest.approx(2.11, abs=0.02)
    assert k.fault("cell_temperature_unknown", "value") == 4


@pytest.mark.verifies("SR-052")
def test_many_refused_samples_are_told_though_none_is_lost() -> None:
    k = Kernel()
    for _ in range(600):
        refuse(k)
        k.tick()
    assert k.levels() == {"samples_refused": LEVEL_WARNING}
    assert k.fault("samples_refused", "value") == pytest.approx(25 * (1 - math.exp(-0.6)), rel=0.02)
    k.channels["ambient_c"] = 25.0
    k.run(60.0)
    assert k.levels() == {}


@pytest.mark.verifies("SR-038")
def test_precharge_fails_after_its_tries_and_clears_when_the_wish_is_withdrawn() -> None:
    k = Kernel()
    k.command["connect"] = 1
    for attempt in range(1, 4):
        k.close(False, precharge=True)
        k.s["main_negative_close"] = 1
        k.channels.update(main_negative_closed=1.0, negative_tap_v=k.channels["pack_voltage_v"])
        k.run(0.5)
        k.close(False)
        k.run(0.1)
        assert k.fault("precharge_failed", "value") == attempt
    assert k.level("precharge_failed") == LEVEL_FAULT
    k.acknowledge()
    k.run(0.05)
    assert k.s["latched_faults"] == 1
    k.command["connect"] = 0
    k.run(0.05)
    k.acknowledge()
    k.run(0.05)
    assert k.s["latched_faults"] == 0


def test_a_precharge_that_leads_to_a_connection_or_is_called_off_is_no_failed_try() -> None:
    k = Kernel()
    for _ in range(5):
        k.command["connect"] = 1
        k.close(False, precharge=True)
        k.s["main_negative_close"] = 1
        k.channels["main_negative_closed"] = 1.0
        k.run(0.3)
        k.close(True, precharge=True)
        k.run(0.05)
        k.close(True)
        k.run(0.05)
        k.close(False, precharge=True)
        k.run(0.05)
        k.command["connect"] = 0
        k.close(False)
        k.run(0.2)
    assert k.fault("precharge_failed", "value") == 0


@pytest.mark.verifies("SR-034")
@pytest.mark.parametrize("name", ["main_positive", "main_negative", "precharge"])
def test_giving_up_does_not_hide_a_contactor_that_does_not_close(name: str) -> None:
    """The sequence withdraws the command as soon as the time is over, in the tick in which it is."""
    k = Kernel()
    k.command["connect"] = 1
    k.tick()
    k.s[f"{name}_close"] = 1
    k.run(0.1)
    k.s[f"{name}_close"] = 0
    assert k.level("contactor_stuck_open") == LEVEL_NONE
    k.run(0.05)
    assert k.level("contactor_stuck_open") == LEVEL_FAULT
    k.command["connect"] = 0
    k.run(0.05)
    assert k.level("contactor_stuck_open") == LEVEL_NONE
    k.acknowledge()
    k.tick()
    assert k.s["latched_faults"] == 0


@pytest.mark.parametrize("delay_s", [0.0, 0.5])
def test_a_wish_withdrawn_as_the_time_runs_out_does_not_hide_it_either(delay_s: float) -> None:
    k = Kernel()
    k.parameters.levels[LEVEL_FAULT - 1, LEVELP.delay_s, FAULT_ID.contactor_stuck_open] = delay_s
    k.command["connect"] = 1
    k.tick()
    k.s["main_negative_close"] = 1
    k.run(0.1)
    k.s["main_negative_close"] = k.command["connect"] = 0
    k.run(delay_s + 0.05)
    assert k.fault("contactor_stuck_open", "count") == 1


def test_a_wish_withdrawn_right_after_the_last_precharge_try_does_not_hide_it() -> None:
    k = Kernel()
    k.command["connect"] = 1
    for attempt in range(3):
        k.close(False, precharge=True)
        k.run(0.05)
        k.close(False)
        if attempt < 2:
            k.tick()
    k.command["connect"] = 0
    k.run(0.05)
    assert k.fault("precharge_failed", "count") == 1


@pytest.mark.verifies("SR-129")
@pytest.mark.parametrize("fitted", [0, 1])
def test_only_a_pyrofuse_that_is_there_is_fired(fitted: int) -> None:
    k = Kernel(**breaking(100.0), has_pyrofuse=fitted)
    k.current(-120.0)
    k.run(0.85)
    assert (k.level("current_while_open"), k.s["pyrofuse_fire"]) == (LEVEL_CRITICAL, fitted)


def test_a_command_withdrawn_in_time_is_no_fault() -> None:
    k = Kernel()
    k.command["connect"] = 1
    for _ in range(5):
        k.s["main_positive_close"] = 1
        k.run(0.07)
        k.s["main_positive_close"] = 0
        k.run(0.07)
    assert k.levels() == {}


@pytest.mark.verifies("SR-026", "SR-129")
def test_welded_contactors_that_carry_too_much_call_for_the_pyrofuse() -> None:
    k = Kernel(**breaking(100.0))
    k.current(-120.0)
    k.run(0.45)
    assert (k.level("current_while_open"), k.s["pyrofuse_fire"]) == (LEVEL_FAULT, 0)
    k.run(0.4)
    assert (k.level("current_while_open"), k.s["pyrofuse_fire"]) == (LEVEL_CRITICAL, 1)


# Directions and rest


@pytest.mark.verifies("SR-200")
@pytest.mark.parametrize("celsius", [-19.0, -10.0, 55.0, 61.0])
def test_at_rest_the_walls_of_charging_and_discharging_open_nothing(celsius: float) -> None:
    k = Kernel()
    k.close()
    k.samples.temperatures[:] = celsius
    k.run(10.0)
    assert k.levels() == {}


@pytest.mark.parametrize("offset_a", [2.9, -2.9])
def test_a_sensor_offset_is_no_current(offset_a: float) -> None:
    k = Kernel()
    k.close()
    k.samples.temperatures[:] = -10.0
    k.run(0.2)
    k.current(offset_a)
    k.run(5.0)
    assert k.levels() == {}
    k.current(3.1)
    k.run(5.0)
    assert k.level("charge_undertemperature") == LEVEL_FAULT


@pytest.mark.verifies("SR-010", "SR-011")
def test_a_cold_pack_may_be_discharged_and_a_hot_one_not_charged() -> None:
    cold, hot = Kernel(), Kernel()
    for k, celsius, current_a in ((cold, -10.0, -50.0), (hot, 49.0, -50.0)):
        k.samples.temperatures[:] = celsius
        k.run(2.0)
        k.close()
        k.current(current_a)
        k.run(5.0)
        assert k.levels() == {}
    hot.current(50.0)
    hot.run(2.0)
    assert hot.level("charge_overtemperature") == LEVEL_FAULT
    assert (hot.s["charge_allowed"], hot.s["discharge_allowed"]) == (0, 1)


def test_rest_between_charge_pulses_does_not_reset_the_count() -> None:
    k = Kernel()
    k.samples.temperatures[:] = 49.0
    k.run(2.0)
    k.close()
    for _ in range(6):
        k.current(50.0)
        k.run(0.2)
        k.current(0.0)
        k.run(0.3)
    assert k.level("charge_overtemperature") == LEVEL_FAULT or k.fault("charge_overtemperature", "count") > 0


@pytest.mark.verifies("SR-043")
def test_temperature_is_not_judged_by_direction_while_no_current_is_known() -> None:
    k = Kernel()
    k.samples.temperatures[:] = 49.0
    k.close()
    k.current(50.0)
    k.run(0.5)
    k.samples.silent |= {"current_a", "current_redundant_a"}
    k.run(3.0)
    assert k.level("charge_overtemperature") <= LEVEL_WARNING
    assert k.level("current_lost") == LEVEL_FAULT


# Known traps


@pytest.mark.verifies("SR-001")
def test_cells_that_take_turns_in_exceeding_are_counted_together() -> None:
    k = Kernel()
    prepare(k, "cell_overvoltage")
    for n in range(10):
        k.cells(*[4.24 if n % 4 == c else 4.1 for c in range(4)])
        k.tick()
    assert k.level("cell_overvoltage") == LEVEL_FAULT


@pytest.mark.verifies("SR-103")
def test_one_sample_of_one_cell_is_not_counted_again_with_its_neighbours_samples() -> None:
    """Cells measured one after the other: the bad one once, the others many times."""
    k = Kernel()
    prepare(k, "cell_overvoltage")
    raw = k.samples.raw
    k.samples.silent.add("cells")
    for n in range(9):  # within the greatest age
        raw.cells[:, n % 3] = 4.1 + 1e-4 * n, k.now_s + k.cycle_s
        if n == 0:
            raw.cells[:, 3] = 4.3, k.now_s + k.cycle_s
        k.tick()
    assert k.levels() == {}
    assert k.s["cell_voltage_max_cell"] == 3


def test_samples_that_fall_but_stay_beyond_are_counted_though_older_ones_are_worse() -> None:
    k = Kernel()
    prepare(k, "cell_overvoltage")
    raw = k.samples.raw
    k.samples.silent.add("cells")
    for n in range(9):
        raw.cells[:, n % 2] = 4.30 - 0.001 * n, k.now_s + k.cycle_s
        k.tick()
    assert k.level("cell_overvoltage") == LEVEL_CRITICAL


@pytest.mark.verifies("SR-126")
def test_acknowledging_is_an_edge_that_survives_any_counter_value() -> None:
    k = Kernel()
    for before, after in ((0, 1), (2**63 - 1, -(2**63)), (-1, -2), (5, 0)):
        k.command["acknowledge_count"] = before
        k.run(0.05)
        k.channels["hvil_closed"] = 0.0
        k.run(0.1)
        k.channels["hvil_closed"] = 1.0
        k.run(0.1)
        assert k.s["latched_faults"] == 1
        k.command["acknowledge_count"] = after
        k.run(0.02)
        assert k.s["latched_faults"] == 0


@pytest.mark.verifies("SR-126")
def test_a_count_given_before_the_start_acknowledges_nothing() -> None:
    k = Kernel(settle=False)
    k.command["acknowledge_count"] = 7
    k.channels["crash"] = 1.0
    k.run(0.1)
    k.channels["crash"] = 0.0
    k.run(1.0)
    assert k.s["latched_faults"] == 1


@pytest.mark.verifies("SR-123")
@pytest.mark.parametrize("state", range(len(STATES)), ids=STATES)
@pytest.mark.parametrize("connect", [0, 1])
def test_protection_works_in_every_state_of_the_sequence(state: int, connect: int) -> None:
    k = Kernel()
    k.s["state"], k.command["connect"] = state, connect
    prepare(k, "cell_overvoltage")
    k.cells(4.1, 4.1, 4.3, 4.1)
    assert k.until("cell_overvoltage", LEVEL_CRITICAL, 0.1) <= 0.04
    assert k.s["open_request"] == OPEN_NOW


@pytest.mark.verifies("SR-124")
def test_an_estimate_is_never_looked_at() -> None:
    k, liar = Kernel(), Kernel()
    for n in range(200):
        for pack in (k, liar):
            pack.cells(3.7, 3.7, 3.7, 3.7 + 0.006 * n)
        for name in ("soc", "soh", "charge_limit_a", "discharge_limit_a", "remaining_energy_wh"):
            liar.s[name] = math.nan if n % 2 else 1e9
        liar.image.cells[5 + 2 :] = -1.0
        k.tick()
        liar.tick()
    assert k.events() == liar.events() != []


# Latching, reactions, events


@pytest.mark.verifies("SR-125", "SR-126", "SR-121")
def test_a_fault_stays_latched_until_it_is_acknowledged_without_its_condition() -> None:
    k = Kernel()
    k.channels["hvil_closed"] = 0.0
    k.run(0.1)
    assert (k.s["open_request"], k.s["latched_faults"], k.s["fault_level"]) == (OPEN_IN_ORDER, 1, LEVEL_FAULT)
    assert FAULTS[k.s["open_fault"]].id == "hvil_open"
    k.acknowledge()
    k.run(0.1)
    assert k.s["latched_faults"] == 1, "acknowledged while the loop is open"
    k.channels["hvil_closed"] = 1.0
    k.run(0.1)
    assert (k.s["open_request"], k.s["latched_faults"], k.s["fault_level"]) == (OPEN_IN_ORDER, 1, LEVEL_NONE)
    assert (k.s["charge_allowed"], k.s["discharge_allowed"], k.s["derate"]) == (0, 0, 1)
    k.acknowledge()
    k.tick()
    assert (k.s["open_request"], k.s["latched_faults"], k.s["open_fault"]) == (OPEN_NONE, 0, -1)
    assert (k.s["charge_allowed"], k.s["discharge_allowed"], k.s["derate"]) == (1, 1, 0)


@pytest.mark.verifies("SR-120")
def test_a_warning_derates_and_leaves_by_itself() -> None:
    k = Kernel()
    k.samples.silent.add("crash")
    k.run(1.0)
    assert (k.s["fault_level"], k.s["derate"], k.s["open_request"]) == (LEVEL_WARNING, 1, OPEN_NONE)
    assert (k.s["charge_allowed"], k.s["discharge_allowed"]) == (1, 1)
    k.samples.silent.clear()
    k.run(1.0)
    assert (k.s["fault_level"], k.s["derate"], k.s["latched_faults"]) == (LEVEL_NONE, 0, 0)


@pytest.mark.verifies("SR-122")
def test_the_gravest_fault_is_named_and_stays_named() -> None:
    k = Kernel()
    k.channels["hvil_closed"] = 0.0
    k.run(0.1)
    k.channels["insulation_ohm"] = 100.0
    k.run(3.0)
    assert FAULTS[k.s["open_fault"]].id == "hvil_open", "of the same level the first one"
    k.channels["crash"] = 1.0
    k.run(0.1)
    assert (FAULTS[k.s["open_fault"]].id, k.s["open_request"]) == ("crash", OPEN_NOW)


@pytest.mark.verifies("SR-128", "SR-111")
def test_events_tell_each_step_up_and_down() -> None:
    k = Kernel()
    prepare(k, "cell_overvoltage")
    k.cells(4.1, 4.24, 4.1, 4.1)
    k.run(0.2)
    k.cells(4.1, 4.1, 4.1, 4.1)
    k.run(0.5)
    assert k.events() == [
        ("cell_overvoltage", LEVEL_FAULT, LEVEL_NONE, 1),
        ("cell_overvoltage", LEVEL_WARNING, LEVEL_FAULT, 1),
        ("cell_overvoltage", LEVEL_NONE, LEVEL_WARNING, 1),
    ]


@pytest.mark.verifies("SR-128")
def test_the_event_ring_keeps_the_newest_when_it_is_full() -> None:
    k = Kernel()
    k.s["event_count"] = 3 * EVENT_SLOTS - 1
    k.channels["hvil_closed"] = 0.0
    k.run(0.1)
    k.channels["hvil_closed"] = 1.0
    k.run(0.1)
    assert k.s["event_count"] == 3 * EVENT_SLOTS + 1
    assert k.events()[-2:] == [
        ("hvil_open", LEVEL_FAULT, LEVEL_NONE, CHANNEL.hvil_closed),
        ("hvil_open", LEVEL_NONE, LEVEL_FAULT, CHANNEL.hvil_closed),
    ]


@pytest.mark.verifies("SR-129")
@pytest.mark.parametrize(
    ("current_a", "redundant_a", "fire"),
    [(-470.0, -470.0, 1), (470.0, 470.0, 1), (-399.0, -399.0, 0), (-470.0, -300.0, 0), (-2000.0, -2000.0, 0)],
)
def test_the_pyrofuse_is_wished_for_only_above_what_contactors_break(
    current_a: float, redundant_a: float, fire: int
) -> None:
    k = Kernel()
    k.close()
    k.channels.update(crash=1.0, current_a=current_a, current_redundant_a=redundant_a)
    k.run(0.05)
    assert k.s["fault_level"] == LEVEL_CRITICAL
    assert k.s["pyrofuse_fire"] == fire
    k.current(0.0)
    k.run(0.05)
    assert k.s["pyrofuse_fire"] == 0


@pytest.mark.verifies("SR-129")
@pytest.mark.parametrize("on_crash", [0, 1])
@pytest.mark.parametrize("fitted", [0, 1])
def test_a_crash_calls_for_the_pyrofuse_where_the_description_says_so(on_crash: int, fitted: int) -> None:
    k = Kernel(pyrofuse_on_crash=on_crash, has_pyrofuse=fitted)
    k.close()
    k.channels["hvil_closed"] = 0.0  # another fault does not
    k.run(0.1)
    assert k.s["pyrofuse_fire"] == 0
    k.channels["crash"] = 1.0
    k.run(0.1)
    assert k.s["pyrofuse_fire"] == on_crash * fitted
    k.channels["crash"] = 0.0  # the fault stays latched; the signal is over
    k.run(1.0)
    assert k.s["pyrofuse_fire"] == 0


@pytest.mark.verifies("SR-129")
def test_the_pyrofuse_never_fires_by_current_alone_or_on_a_single_sample() -> None:
    k = Kernel(**breaking(100.0))
    k.close()
    k.current(-140.0)
    k.run(1.0)
    assert (k.s["fault_level"], k.s["pyrofuse_fire"]) == (LEVEL_NONE, 0)
    k.current(0.0)
    k.channels["crash"] = 1.0
    k.run(0.1)
    k.current(-140.0)
    k.tick()
    assert k.s["pyrofuse_fire"] == 0
    k.tick()
    assert k.s["pyrofuse_fire"] == 1


# What a pack does not have, and what is just starting


@pytest.mark.verifies("SR-104")
@pytest.mark.parametrize("cells", [1, 4])
def test_what_a_pack_does_not_have_is_never_raised(cells: int) -> None:
    everything = (*tuple(CHANNEL._fields), "temperatures", "cells")
    k = Kernel(absent=everything, has_contactors=0, has_precharge=0, cells=cells, settle=False)
    k.samples.temperatures[:], k.samples.cells[:] = math.nan, math.nan
    for name in k.channels:
        k.channels[name] = math.nan
    k.run(20.0)
    assert k.levels() == {}
    assert k.events() == []


def test_without_contactors_of_its_own_current_and_bus_are_free() -> None:
    k = Kernel(has_contactors=0, has_precharge=0)
    k.current(50.0)
    k.channels.update(bus_voltage_v=14.8, main_positive_closed=1.0, precharge_closed=1.0)
    k.run(12.0)
    assert k.levels() == {}


@pytest.mark.verifies("SR-104")
def test_a_pack_that_measures_nothing_yet_is_lost_only_after_its_time() -> None:
    k = Kernel(settle=False)
    k.samples.silent |= {"cells", "temperatures", *k.channels}
    k.tick()
    k.run(0.1)
    assert k.levels() == {}
    k.run(10.0)
    assert {"cell_voltage_lost", "current_lost", "cell_temperature_unknown", "hvil_lost"} <= set(k.levels())
    assert k.s["open_request"] == OPEN_IN_ORDER


@pytest.mark.verifies("SR-112")
def test_a_lost_cell_neither_hides_nor_clears_an_overvoltage() -> None:
    k = Kernel()
    prepare(k, "cell_overvoltage")
    k.cells(4.1, 4.1, 4.24, 4.1)
    k.run(0.2)
    k.samples.cells[2] = math.nan
    k.run(5.0)
    assert k.level("cell_overvoltage") == LEVEL_FAULT
    assert k.level("cell_voltage_lost") == LEVEL_FAULT
    k.cells(4.1, 4.1, 4.1, 4.1)
    k.run(1.0)
    assert k.level("cell_overvoltage") == k.level("cell_voltage_lost") == LEVEL_NONE


# No false trip


@pytest.mark.verifies("SR-200")
@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize(
    ("cell_v", "celsius", "current_a"),
    [
        (4.2, 44.9, 100.0),
        (4.2, 25.0, 150.0),
        (2.8, 59.9, -200.0),
        (2.8, 25.0, -300.0),
        (3.7, 0.1, 100.0),
        (3.7, 25.0, 0),
    ],
)
def test_a_pack_at_its_limits_with_every_sensor_at_its_tolerance_raises_nothing(
    sign: float, cell_v: float, celsius: float, current_a: float
) -> None:
    k = Kernel(modules=2)
    rng = np.random.default_rng(1)
    true_v = np.linspace(3.7, cell_v, 30)
    k.close()
    for n in range(900):  # 9 s: a pulse may last 10 s
        voltage = true_v[min(n, 29)]
        k.samples.cells[:] = voltage + sign * 0.002 * np.array([1.0, -1.0, 0.5, 1.0]) + rng.normal(0, 3e-4, 4)
        k.channels["pack_voltage_v"] = 4 * voltage * (1 + sign * 0.005) + rng.normal(0, 0.002)
        k.channels["bus_voltage_v"] = 4 * voltage * (1 - sign * 0.005) - 0.001 * current_a
        k.channels["positive_tap_v"] = 4 * voltage * (1 - sign * 0.005) - 0.0005 * current_a
        k.channels["negative_tap_v"] = 4 * voltage * (1 - sign * 0.005) - 0.0005 * current_a
        k.samples.temperatures[:] = min(celsius, 25 + n) if celsius > 25 else max(celsius, 25 - n)
        k.samples.temperatures[0] += sign * 0.4
        noise_a = rng.normal(0, 0.1)
        k.channels["current_a"] = current_a + sign * 0.7 + noise_a
        k.channels["current_redundant_a"] = current_a - sign * 0.7 + noise_a
        k.tick()
        assert k.levels() == {}, f"after {n} ticks"


def test_the_default_overvoltage_is_decided_within_a_tenth_of_a_second() -> None:
    level = BY_ID["cell_overvoltage"].fault
    assert level is not None
    cell_period_s = 0.02
    assert max(level.delay_s, level.delay_samples * cell_period_s) + 2 * cell_period_s <= 0.1


VALIDATION = ("validate.py", "samples.py", "summary.py")


def _code_lines(source: str) -> int:
    """Lines that do something: no blank ones, no comments, no docstrings."""
    texts = [
        node.body[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None
    ]
    skipped = {n for text in texts for n in range(text.lineno, (text.end_lineno or text.lineno) + 1)}
    lines = enumerate(source.splitlines(), start=1)
    return sum(1 for n, line in lines if n not in skipped and line.strip() and not line.strip().startswith("#"))


def test_the_kernel_stays_small_enough_to_be_read() -> None:
    """Every line of what protects is counted; of what it protects by (validation) what is not text or space as well."""
    room = Path(ionward.__file__).parent / "safety"
    sources = {p.name: p.read_text(encoding="utf-8") for p in room.glob("*.py") if not p.name.startswith("guard")}
    assert set(VALIDATION) < set(sources)
    assert sum(len(source.splitlines()) for name, source in sources.items() if name not in VALIDATION) < 2000
    assert sum(map(_code_lines, sources.values())) < 2000
