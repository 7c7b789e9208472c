"""Every injected fault leads the whole BMS to what it should: fault by fault, pack and BMS in closed loop."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.scenarios import run, scenario, small_system
from ionward.image.inputs import CHANNEL

CHARGE = {"command": [{"at_s": 0.5, "connect": True, "purpose": "charge"}],
          "load": [{"at_s": 4.0, "unit": "C", "steps": [[0.0, 0.5]]}]}  # fmt: skip
FULL = {"start": {"soc": 0.995, "soc_spread": 0.0}}
DISCONNECT = {"command": [{"at_s": 0.5, "connect": True}, {"at_s": 12.0, "connect": False}]}
HOT = {**CHARGE, "start": {"soc": 0.5, "temperature_c": 48.0, "temperature_spread_k": 0.0},
       "environment": {"ambient_c": 48.0}, "duration": 420.0}  # fmt: skip
PYROFUSE = {"system": {"fuse": {"pyrofuse": True}}}
STRONG = {"load": [{"at_s": 4.0, "unit": "C", "steps": [[0.0, -3.0]]}], "duration": 60.0}


def without(*sensors: str, **more: dict[str, Any]) -> dict[str, Any]:
    """A system without these sensors."""
    return {"system": {"sensors": {name: {"fitted": False} for name in sensors}, **more}}


COOLED = {"system": {"sensors": {"cooling_feedback": {}}}, "start": {"soc": 0.5, "temperature_c": 38.0}}

# Fault, place, value; the BMS's fault, its level, within so many seconds; open at the end; changes to the scenario.
CASES: list[tuple[str, Any, float | None, str, str, float, bool, dict[str, Any]]] = [
    ("cell_internal_short", 3, 0.005, "cell_undervoltage", "critical", 1.0, True, {}),
    ("cell_soc", 3, 1.3, "cell_overvoltage", "critical", 0.2, True, {}),
    ("cell_soc", 3, -0.05, "cell_undervoltage", "critical", 0.5, True, {}),
    ("cell_high_resistance", 3, 60.0, "cell_undervoltage", "critical", 2.0, True,
     {"load": [{"at_s": 4.0, "unit": "C", "steps": [[0.0, -3.0]]}]}),
    ("sense_wire_open", 2, None, "sense_wire_open", "critical", 0.5, True, {}),
    ("cell_burns", 0, None, "thermal_propagation", "critical", 20.0, True, {}),
    ("thermal_runaway", 3, 3000.0, "overtemperature", "critical", 36.0, True, {"duration": 46.0}),
    ("afe_lost", 1, None, "cell_voltage_lost", "fault", 1.0, True, {}),
    ("contactor_welded", "main_positive", None, "contactor_welded", "fault", 6.0, True, DISCONNECT),
    ("contactor_welded", "main_negative", None, "contactor_welded", "fault", 6.0, True, DISCONNECT),
    ("feedback_stuck", "main_negative", 0.0, "contactor_stuck_open", "fault", 0.5, True, {}),
    ("sensor_lost", "current", None, "current_redundancy_lost", "warning", 1.0, False, {}),
    ("sensor_lost", "pack_voltage", None, "pack_voltage_lost", "warning", 1.0, False, {}),
    ("sensor_lost", "bus_voltage", None, "bus_voltage_lost", "warning", 1.0, False, {}),
    ("sensor_lost", "insulation", None, "insulation_lost", "warning", 16.0, False, {}),
    ("sensor_lost", "coolant_outlet", None, "coolant_temperature_lost", "info", 10.0, False, {}),
    ("sensor_lost", "hvil", None, "hvil_lost", "fault", 1.0, True, {}),
    ("sensor_lost", "crash", None, "crash_lost", "warning", 1.0, False, {}),
    ("sensor_lost", "main_positive", None, "contactor_feedback_lost", "warning", 1.0, False, {}),
    ("sensor_lost", "cell_voltage 2", None, "cell_voltage_lost", "fault", 1.0, True, {}),
    ("sensor_lost", "temperature 1", None, "cell_temperature_unknown", "fault", 4.0, True, {}),
    ("sensor_lost", "temperature", None, "cell_temperature_unknown", "fault", 4.0, True, {}),
    ("sensor_nan", "cell_voltage 2", None, "cell_voltage_lost", "fault", 1.0, True, {}),
    ("sensor_nan", "current", None, "current_redundancy_lost", "warning", 1.0, False, {}),
    ("sensor_frozen", "cell_voltage 2", None, "cell_voltage_lost", "fault", 62.0, True, {"duration": 75.0}),
    ("sensor_stuck", "cell_voltage 2", 4.5, "cell_overvoltage", "critical", 0.2, True, {}),
    ("sensor_stuck", "cell_voltage 2", 1.0, "cell_undervoltage", "critical", 0.5, True, {}),
    ("sensor_stuck", "temperature 1", 90.0, "overtemperature", "critical", 2.0, True, {}),
    ("sensor_offset", "current", 5.0, "current_sensors_disagree", "fault", 2.0, True, {}),
    ("sensor_gain", "current_redundant", 2.0, "current_sensors_disagree", "fault", 2.0, True, {}),
    ("sensor_offset", "cell_voltage 5", 0.3, "cell_voltage_spread", "info", 12.0, False, without("monitor_redundancy")),
    ("sensor_offset", "cell_voltage 5", 0.06, "cell_readings_disagree", "fault", 1.0, True, {}),
    ("sensor_offset", "cell_voltage 0", -0.03, "cell_readings_disagree", "warning", 1.0, False, {}),
    ("contactor_hot", "main_positive", 60.0, "contactor_overtemperature", "fault", 45.0, True, STRONG),
    ("contactor_hot", "main_negative", 60.0, "contactor_overtemperature", "fault", 45.0, True, STRONG),
    ("connector_hot", "positive", 60.0, "connector_overtemperature", "fault", 45.0, True, STRONG),
    ("connector_hot", "negative", 60.0, "connector_overtemperature", "fault", 45.0, True, STRONG),
    ("board_hot", 1, 25.0, "balancing_board_overtemperature", "fault", 30.0, True,
     {"system": {"balancing": {"board_time_s": 30.0}}, "duration": 42.0}),
    ("afe_crc", 0, None, "monitor_crc", "warning", 12.0, False, {}),
    ("afe_sequence", 1, None, "monitor_sequence", "warning", 12.0, False, {}),
    ("cooling_lost", None, None, "cooling_lost", "warning", 8.0, False, COOLED),
    ("pyrofuse_fired", None, None, "pyrofuse_fired", "critical", 0.1, True, PYROFUSE),
    ("sensor_lost", "contactor_positive", None, "point_temperature_lost", "warning", 10.0, False, {}),
    ("sensor_lost", "balancing_board", None, "point_temperature_lost", "warning", 10.0, False, {}),
    ("sensor_lost", "negative_tap", None, "tap_lost", "warning", 1.0, False, {}),
    ("sensor_lost", "cooling_feedback", None, "cooling_feedback_lost", "info", 10.0, False, COOLED),
    ("sensor_lost", "monitor_crc", None, "diagnosis_lost", "warning", 10.0, False, {}),
    ("sensor_lost", "pyrofuse_loop", None, "diagnosis_lost", "warning", 10.0, False, PYROFUSE),
    ("sensor_offset", "pack_voltage", 3.0, "cell_sum_mismatch", "fault", 4.0, True, {}),
    ("sensor_noise", "cell_voltage 2", 0.6, "samples_refused", "info", 2.0, True, {}),
    ("sensor_drift", "temperature 1", 2.0, "temperature_disagreement", "fault", 20.0, True, {"duration": 30.0}),
    ("bus_short", None, None, "short_circuit", "critical", 0.1, True, {}),
    ("fuse_blown", None, None, "cell_sum_mismatch", "fault", 4.0, True, {}),
    ("load_ignores_limits", None, None, "discharge_overcurrent_pulse", "critical", 8.0, True,
     {**PYROFUSE, "load": [{"at_s": 4.0, "steps": [[0.0, -10.0], [6.0, -260.0]]}]}),
    ("charger_ignores_limits", None, None, "charge_overcurrent_pulse", "critical", 8.0, True,
     {"load": [{"at_s": 4.0, "steps": [[0.0, 5.0], [6.0, 60.0]]}]}),
    ("charger_runs_away", None, 40.0, "cell_overvoltage", "fault", 40.0, True,
     {**CHARGE, **FULL, "duration": 55.0, "load": [{"at_s": 4.0, "unit": "C", "steps": [[0.0, 1.0]]}]}),
    ("unwanted_current", None, -200.0, "discharge_overcurrent_pulse", "critical", 1.0, True, PYROFUSE),
    ("unwanted_current", None, -390.0, "short_circuit", "critical", 0.1, True, PYROFUSE),
    ("unwanted_current", None, -900.0, "short_circuit", "critical", 0.1, True, PYROFUSE),
    # so much that the fuse is gone between two samples: seen by what it leaves behind
    ("unwanted_current", None, -2000.0, "cell_sum_mismatch", "fault", 4.0, True, PYROFUSE),
    ("unwanted_current", None, 900.0, "short_circuit", "critical", 0.1, True, PYROFUSE),
    ("hvil_open", None, None, "hvil_open", "fault", 0.1, True, {}),
    ("crash", None, None, "crash", "critical", 0.05, True, {}),
    ("insulation_drop", None, 1000.0, "insulation_low", "fault", 5.0, True, {}),
    ("ambient_changes", None, -45.0, "charge_undertemperature", "fault", 300.0, True,
     {**CHARGE, "start": {"soc": 0.3, "temperature_c": 0.5}, "environment": {"ambient_c": 0.0}, "duration": 320.0,
      "system": {"cooling": {"kind": "none"}},
      "source": {"charger_obeys": False}, "load": [{"at_s": 4.0, "unit": "C", "steps": [[0.0, 0.05]]}]}),
    ("coolant_hot", None, 95.0, "overtemperature", "fault", 400.0, True, HOT),
    ("coolant_hot", None, 95.0, "coolant_overtemperature", "fault", 12.0, True, CHARGE),
]  # fmt: skip


@pytest.mark.verifies(each="fault")
@pytest.mark.parametrize(
    ("name", "place", "value", "fault", "level", "within_s", "opens", "changes"),
    CASES,
    ids=[f"{c[0]}-{c[1]}-{c[2]}".replace("-None", "") for c in CASES],
)
def test_fault_leads_to_its_reaction(name, place, value, fault, level, within_s, opens, changes) -> None:
    tables = {**changes}
    duration_s = tables.pop("duration", 26.0)
    system = small_system(**tables.pop("system", {}))
    injection = {"name": name, "at_s": 8.0} | {k: v for k, v in (("place", place), ("value", value)) if v is not None}
    expected: list[dict[str, Any]] = [
        {"signal": "state", "is": "connected", "at_s": 7.9},
        {"no_events": "info", "until_s": 7.9},
        {"fault": fault, "level": level, "within_s": within_s},
    ]
    if opens:
        expected.append({"signal": "state", "is": "fault", "at_s": duration_s})
        expected.append({"signal": "true.current_a", "min": -0.5, "max": 0.5, "at_s": duration_s})
    else:
        expected.append({"signal": "true.contactors_closed", "is": 1.0, "at_s": duration_s})
    result = run(system, scenario(duration_s, fault=[injection], expect=expected, **tables))
    assert not result.failed, [(v.text, v.found) for v in result.failed] + [e["text"] for e in result.events]


def test_a_hot_balancing_board_ends_balancing_and_nothing_else() -> None:
    system = small_system(balancing={"board_time_s": 30.0, "method": "voltage", "rest_s": 0.5, "rest_current_a": 5.0})
    hot = [{"name": "board_hot", "at_s": 20.0, "place": 0, "value": 9.5}]  # 101 °C in the end: warning, no fault
    expect = [
        {"signal": "balancing_cells", "min": 1, "by_s": 20.0},
        {"fault": "balancing_board_overtemperature", "level": "warning", "by_s": 90.0},
        {"fault": "balancing_board_overtemperature", "level": "fault", "never": True},
        {"signal": "balancing_cells", "max": 0, "from_s": 100.0, "until_s": 120.0},
        {"signal": "true.contactors_closed", "is": 1.0, "at_s": 120.0},
    ]
    result = run(system, scenario(120.0, fault=hot, expect=expect, load=[], start={"soc": 0.8, "soc_spread": 0.04}))
    assert not result.failed, [(v.text, v.found) for v in result.failed] + [e["text"] for e in result.events]


def reached(state: str) -> float:
    """When a good connection reaches a state."""
    return next(c.time_s for c in run(small_system(), scenario(5.0)).changes if c.state == state)


def lying(contactor: str, fault: str, at_s: float, says: float, from_s: float) -> list[dict[str, Any]]:
    """A broken contactor whose feedback contact hangs where it should be."""
    return [{"name": fault, "at_s": at_s, "place": contactor},
            {"name": "feedback_stuck", "at_s": from_s, "place": contactor, "value": says}]  # fmt: skip


@pytest.mark.verifies("SR-072")
@pytest.mark.parametrize(
    ("contactor", "place"),
    [("main_positive", "positive_tap_v"), ("main_negative", "negative_tap_v"), ("precharge", "positive_tap_v")],
)
def test_a_welded_contactor_whose_feedback_lies_shows_by_its_voltage(contactor: str, place: str) -> None:
    broken = lying(contactor, "contactor_welded", 8.0, 0.0, 11.99)
    if contactor == "precharge":
        broken = lying(contactor, "contactor_welded", 0.0, 0.0, reached("closing") + 0.01)
    expect = [
        {"no_events": "info", "until_s": 12.1},
        {"fault": "contactor_welded_by_voltage", "level": "fault", "by_s": 18.0, "place": getattr(CHANNEL, place)},
        {"fault": "contactor_welded", "never": True},
        {"signal": "state", "is": "fault", "at_s": 20.0},
    ]
    result = run(small_system(), scenario(20.0, fault=broken, expect=expect, command=DISCONNECT["command"]))
    assert not result.failed, [(v.text, v.found) for v in result.failed] + [e["text"] for e in result.events]


@pytest.mark.verifies("SR-073")
@pytest.mark.parametrize("contactor", ["main_positive", "main_negative"])
def test_a_contactor_that_is_open_though_its_feedback_says_closed_shows_by_its_voltage(contactor: str) -> None:
    commanded_s = reached("closing") if contactor == "main_positive" else reached("precharge")
    broken = lying(contactor, "contactor_stuck_open", 0.0, 1.0, commanded_s + 0.01)
    expect = [
        {"fault": "contactor_open_by_voltage", "level": "fault", "by_s": 12.0},
        {"fault": "contactor_stuck_open", "never": True},
        {"signal": "true.contactors_closed", "max": 0.0},
        {"signal": "state", "is": "fault", "at_s": 14.0},
    ]
    result = run(small_system(), scenario(14.0, fault=broken, expect=expect))
    assert not result.failed, [(v.text, v.found) for v in result.failed] + [e["text"] for e in result.events]


def test_a_welded_contactor_found_by_its_voltage_is_not_connected_again() -> None:
    broken = lying("main_positive", "contactor_welded", 8.0, 0.0, 11.99)
    commands = [*DISCONNECT["command"], {"at_s": 20.0, "connect": True}]
    expect = [{"signal": "main_negative_close", "max": 0.0, "from_s": 13.0, "until_s": 40.0}]
    result = run(small_system(), scenario(40.0, fault=broken, expect=expect, command=commands))
    assert not result.failed, [(v.text, v.found) for v in result.failed] + [e["text"] for e in result.events]


@pytest.mark.verifies("SR-034", "SR-144")
@pytest.mark.parametrize("contactor", ["main_positive", "main_negative", "precharge"])
def test_a_contactor_that_does_not_close_ends_in_fault_with_no_way_through(contactor: str) -> None:
    stuck = [{"name": "contactor_stuck_open", "at_s": 0.0, "place": contactor}]
    expect = [{"signal": "state", "is": "fault", "by_s": 20.0}, {"signal": "true.contactors_closed", "max": 0.0},
              {"fault": "contactor_stuck_open", "level": "fault"}]  # fmt: skip
    result = run(small_system(), scenario(20.0, fault=stuck, expect=expect))
    assert not result.failed, [(v.text, v.found) for v in result.failed]


@pytest.mark.verifies("SR-038", "SR-142")
@pytest.mark.parametrize(("name", "value"), [("precharge_resistor_open", None), ("bus_load", 5.0), ("bus_short", None)])
def test_a_link_that_cannot_be_precharged_is_never_connected(name: str, value: float | None) -> None:
    broken = [{"name": name, "at_s": 0.0} | ({} if value is None else {"value": value})]
    expect = [
        {"fault": "precharge_failed", "level": "fault"},
        {"signal": "true.contactors_closed", "max": 0.0},
        {"signal": "true.inrush_a", "max": 10.0},
    ]
    result = run(small_system(), scenario(30.0, fault=broken, expect=expect))
    assert not result.failed, [(v.text, v.found) for v in result.failed]


def test_a_fault_that_has_ended_can_be_acknowledged_and_the_pack_connects_again() -> None:
    commands = [{"at_s": 0.5, "connect": True}, {"at_s": 14.0, "connect": False, "acknowledge": True},
                {"at_s": 16.0, "connect": True}]  # fmt: skip
    expect = [
        {"fault": "hvil_open", "level": "fault", "within_s": 0.1},
        {"signal": "state", "is": "fault", "at_s": 13.0},
        {"signal": "state", "is": "connected", "at_s": 30.0},
    ]
    injection = [{"name": "hvil_open", "at_s": 8.0, "for_s": 2.0}]
    result = run(small_system(), scenario(30.0, command=commands, fault=injection, expect=expect))
    assert not result.failed, [(v.text, v.found) for v in result.failed]


@pytest.mark.parametrize("contactor", ["main_positive", "main_negative", "precharge"])
@pytest.mark.parametrize("after_s", [0.18, 0.2, 0.21, 0.22, 0.24])
def test_a_connection_never_ends_in_fault_without_an_event(contactor: str, after_s: float) -> None:
    """The wish is withdrawn around the moment in which the sequence gives up."""
    stuck = [{"name": "contactor_stuck_open", "at_s": 0.0, "place": contactor}]
    system = small_system()
    gave_up = next(c.time_s for c in run(system, scenario(5.0, fault=stuck)).changes if c.state == "opening")
    end_s = gave_up + after_s - 0.2
    commands = [{"at_s": 0.5, "connect": True}, {"at_s": end_s, "connect": False}]
    result = run(system, scenario(5.0, fault=stuck, command=commands))
    if "fault" in {c.state for c in result.changes}:
        assert [e["fault"] for e in result.events if e["level"] == "fault"] == ["contactor_stuck_open"]


@pytest.mark.parametrize("open_s", [0.1, 0.11, 0.12, 0.13, 0.14, 0.15, 0.16, 0.17, 0.2, 0.5])
def test_an_opening_that_ends_in_fault_has_an_event(open_s: float) -> None:
    slow = [{"name": "contactor_slow", "at_s": 5.0, "place": "main_negative", "value": open_s}]
    result = run(small_system(), scenario(14.0, fault=slow, command=DISCONNECT["command"]))
    told = "contactor_welded" in {e["fault"] for e in result.events}
    assert told == ("fault" in {c.state for c in result.changes})


@pytest.mark.parametrize("pyrofuse", [True, False])
def test_the_pack_file_decides_whether_there_is_a_pyrofuse(pyrofuse: bool) -> None:
    short = [{"name": "bus_short", "at_s": 8.0, "value": 0.06}]
    system = small_system(fuse={"pyrofuse": pyrofuse}, contactors={"break_current_a": 100.0})
    result = run(system, scenario(20.0, fault=short))
    assert result.final["pyrofuse_fired"] == float(pyrofuse)


@pytest.mark.verifies("SR-156")
@pytest.mark.parametrize("test_mode", [True, False])
def test_in_test_mode_protection_wishes_for_the_pyrofuse_and_nobody_fires_it(test_mode: bool) -> None:
    crash = [{"name": "crash", "at_s": 8.0}]
    fuse = {"pyrofuse": True, "fire_on_crash": True, "test_mode": test_mode}
    result = run(small_system(fuse=fuse), scenario(12.0, fault=crash))
    assert result.final["pyrofuse_fired"] == float(not test_mode)
    assert "crash" in {event["fault"] for event in result.events}
