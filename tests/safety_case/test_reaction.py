"""The bound of each answer, against figures by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.examples import NAMES, changed, example
from ionward.errors import UserError
from ionward.image.build import load_pack
from ionward.image.faults import FAULTS
from ionward.image.summary import applies
from ionward.safety_case.reaction import Reaction, measured_reactions, reactions


def of(path: Path) -> dict[tuple[str, str], Reaction]:
    return {(r.fault, r.level): r for r in reactions(load_pack(path)[0])}


def test_answers_of_the_ev_example_by_hand() -> None:
    rows = of(example("ev-96s"))
    # Cells every 20 ms, at most 50 V/s: a jump is believed with its third sample. Then the wait for the first sample
    # and two samples in a row; two cycles of 10 ms; contacts of 10 ms.
    assert rows["cell_overvoltage", "critical"].total_s == pytest.approx(0.04 + (0.02 + 0.02) + 0.02 + 0.01)
    # In order: a tick to begin, one second of waiting for the current, two contacts one after the other, each of which
    # is awaited by its feedback.
    in_order_s = 0.01 + 1.0 + 2 * (0.01 + 0.02)
    assert rows["cell_overvoltage", "fault"].total_s == pytest.approx(0.04 + (0.02 + 0.05) + 0.02 + in_order_s)
    assert rows["crash", "critical"].total_s == pytest.approx((0.01 + 0.01) + 0.02 + 0.01)
    # Lost: too old after the greatest age, which is longer than the bridging; then its own delay.
    lost = rows["cell_temperature_unknown", "fault"]
    assert lost.shown_s == load_pack(example("ev-96s"))[0].sensors.temperature.age_max_s
    assert lost.decided_s == pytest.approx(0.01 + 2.0)
    # A welded contact has its time to open first, and is only told: everything is commanded open already.
    welded = rows["contactor_welded", "fault"]
    assert welded.total_s == pytest.approx(0.1 + (0.01 + 0.01) + 0.02 + 0.01)
    # No current flows past a contact that does not close: nothing is waited for.
    assert rows["contactor_stuck_open", "fault"].open_s == pytest.approx(in_order_s - 1.0)
    assert rows["coolant_temperature_lost", "info"].shown_s == load_pack(example("ev-96s"))[0].sensors.ambient.age_max_s
    # What opens nothing ends with its being told.
    told = rows["pack_voltage_lost", "warning"]
    assert (told.opens, told.open_s) == (False, 0.0)


@pytest.mark.parametrize("name", NAMES)
def test_every_fault_that_a_pack_judges_has_its_bound(name: str) -> None:
    system, _ = load_pack(example(name))
    rows = reactions(system)
    assert {r.fault for r in rows} == {f.id for f in FAULTS if applies(f, system)}
    assert all(0.0 < r.total_s < 120.0 for r in rows)
    assert all(r.opens == (system.contactors.fitted and r.level in ("fault", "critical")) for r in rows)


@pytest.mark.parametrize("name", ["ev-96s", "ev-192s", "storage-rack-240s", "home-16s"])
def test_opening_at_once_keeps_every_budget(name: str) -> None:
    rows = of(example(name)).values()
    assert [(r.fault, r.total_s, r.budget_s) for r in rows if r.level == "critical" and not r.in_time] == []


def test_a_longer_delay_is_late_and_a_larger_budget_is_not(tmp_path: Path) -> None:
    line = "fault = { set = 4.23, clear = 4.18, delay_samples = 3, delay_s = 0.05 }"
    slow = of(changed(tmp_path, (line, "critical = { delay_s = 0.95 }")))["cell_overvoltage", "critical"]
    assert not slow.in_time
    assert slow.total_s == pytest.approx(0.04 + (0.02 + 0.95) + 0.02 + 0.01)
    later = (line, "ftti_s = 1.2\ncritical = { delay_s = 0.95 }")
    assert of(changed(tmp_path, later))["cell_overvoltage", "critical"].in_time


def test_the_slowest_measured_case_stands_beside(tmp_path: Path) -> None:
    cases = [
        {"fault": "crash", "reacted_ms": 11.0}, {"fault": "crash", "reacted_ms": 31.0},
        {"fault": "crash", "reacted_ms": None}, {"fault": "hvil_open", "level": "fault", "reacted_ms": 50.0},
        {"fault": "short_circuit", "level": "critical", "opens": True, "reacted_ms": 20.0, "opened_ms": 30.0},
        {"fault": "crash_lost", "level": "warning", "opens": False, "detected_ms": 640.0, "reacted_ms": None},
    ]  # fmt: skip
    path = tmp_path / "prove.json"
    path.write_text(json.dumps({"cases": cases}))
    measured = measured_reactions(path)
    rows = {(r.fault, r.level): r for r in reactions(load_pack(example("ev-96s"))[0], measured)}
    assert rows["crash", "critical"].measured_s == pytest.approx(0.031)
    assert rows["hvil_open", "fault"].measured_s == pytest.approx(0.05)
    assert rows["short_circuit", "critical"].measured_s == pytest.approx(0.03)
    assert rows["crash_lost", "warning"].measured_s == pytest.approx(0.64)
    assert rows["cell_overvoltage", "fault"].measured_s is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"cases": [{}]}', '{"cases": [{"fault": "crash", "reacted_ms": "x"}]}']
)
def test_a_file_that_is_no_result_is_one_clear_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prove.json"
    path.write_text(text)
    with pytest.raises(UserError, match="is not a result of `ionward prove --json`"):
        measured_reactions(path)
    with pytest.raises(UserError, match="cannot be read"):
        measured_reactions(tmp_path / "none.json")
