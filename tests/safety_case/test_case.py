"""The facts of the safety case fit together, and what does not fit is told."""

from __future__ import annotations

import itertools

import pytest

from ionward.image.faults import FAULTS
from ionward.safety_case.case import Goal, Hazard, HazardousEvent, inner_problems, load_case
from ionward.safety_case.pages import goal_ftti_s

CASE = load_case()


def test_the_facts_fit_together() -> None:
    assert list(inner_problems(CASE)) == []


def test_each_requirement_is_one_sentence_that_obliges() -> None:
    for row in (*CASE.functional, *CASE.technical):
        assert " shall " in row.text or row.text.startswith("No "), row.id
        assert row.text.endswith("."), row.id


def test_each_fault_has_its_coverage_argued() -> None:
    for row in CASE.technical:
        argued = (bool(row.coverage), bool(row.seen), bool(row.unseen))
        assert argued == (bool(row.fault),) * 3, row.id


def test_vehicles_are_rated_by_s_e_c_and_stationary_systems_by_class_and_integrity() -> None:
    for event in CASE.events:
        rated = (event.severity > 0, event.exposure > 0, event.controllability > 0)
        assert rated == (event.setting == "ev",) * 3, event.id
        assert (bool(event.control_class), bool(event.integrity)) == (event.setting == "stationary",) * 2, event.id
        assert event.severity <= 3
        assert event.exposure <= 4
        assert event.controllability <= 3


def event(severity: int, exposure: int, controllability: int) -> HazardousEvent:
    return HazardousEvent(
        id="EV-99", hazard="H-01", setting="ev", situation="", why="", goals=(),
        severity=severity, exposure=exposure, controllability=controllability,
    )  # fmt: skip


# ISO 26262-3:2018, table 4: for S and E, the ASIL at C1, C2, C3.
TABLE_4 = {
    (1, 1): "QM QM QM", (1, 2): "QM QM QM", (1, 3): "QM QM A", (1, 4): "QM A B",
    (2, 1): "QM QM QM", (2, 2): "QM QM A", (2, 3): "QM A B", (2, 4): "A B C",
    (3, 1): "QM QM A", (3, 2): "QM A B", (3, 3): "A B C", (3, 4): "B C D",
}  # fmt: skip


def test_the_asil_is_that_of_the_standards_table() -> None:
    for (severity, exposure), row in TABLE_4.items():
        for controllability, asil in enumerate(row.split(), 1):
            assert event(severity, exposure, controllability).asil == asil
    for severity, exposure, controllability in itertools.product((0, 3), (0, 4), (0, 3)):
        if 0 in (severity, exposure, controllability):
            assert event(severity, exposure, controllability).asil == "QM"


def test_the_ftti_of_a_goal_is_the_shortest_of_its_faults() -> None:
    assert goal_ftti_s(CASE, "SG-06") == (0.1, "crash")
    assert goal_ftti_s(CASE, "SG-02") == (2, "cell_undervoltage")
    assert goal_ftti_s(CASE, "SG-04") == (0.1, "short_circuit")


def test_opening_serves_every_goal_but_that_of_keeping_the_power() -> None:
    without = [g.id for g in CASE.goals if goal_ftti_s(CASE, g.id) is None]
    assert without == ["SG-09"]


def test_planned_faults_are_goals_of_nothing_yet() -> None:
    planned = [CASE.of_fault[name] for name in CASE.planned]
    assert all(CASE.is_planned(r) for r in planned)
    assert not {r.id for r in planned} & {f.requirement for f in FAULTS}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"hazards": (*CASE.hazards, Hazard(id="H-99", name="x", harm="y"))},
         "H-99: no hazardous event leads to this hazard"),
        ({"hazards": (*CASE.hazards, CASE.hazards[0])},
         "H-01: this hazard is written twice; give one of them another id"),
        ({"goals": (*CASE.goals, Goal(id="SG-99", text="x", safe_state="y", standards=()))},
         "SG-99: no functional requirement leads to this goal"),
        ({"goals": CASE.goals[1:]}, "EV-01: names the goal SG-01, which does not exist"),
        ({"functional": CASE.functional[1:]}, "SR-001: names the functional requirement FSR-01, which does not exist"),
        ({"technical": tuple(t for t in CASE.technical if "FSR-04" not in t.fulfils)},
         "FSR-04: no technical requirement leads to this functional requirement"),
        ({"technical": tuple(t for t in CASE.technical if t.id != "SR-024")},
         "FMEA Current, leaves its range: names the requirement SR-024, which does not exist"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told(change: dict[str, object], problem: str) -> None:
    assert problem in list(inner_problems(CASE.model_copy(update=change)))
