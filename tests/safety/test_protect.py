"""Every fault: raised in exactly its time, named at its place, cleared and latched as promised."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from helpers.kernel import Kernel, prepare
from ionward.image.faults import FAULT_ID, FAULTS
from ionward.image.faults_derived import DERIVED
from ionward.image.faults_points import _POINTS
from ionward.image.inputs import CHANNEL
from ionward.image.parameters import LEVELP
from ionward.image.signals import (
    LEVEL_CRITICAL,
    LEVEL_FAULT,
    LEVEL_INFO,
    LEVEL_NONE,
    LEVEL_WARNING,
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


def test_a_command_withdrawn_in_time_is_no_fault() -> None:
    k = Kernel()
    k.command["connect"] = 1
    for _ in range(5):
        k.s["main_positive_close"] = 1
        k.run(0.07)
        k.s["main_positive_close"] = 0
        k.run(0.07)
    assert k.levels() == {}
