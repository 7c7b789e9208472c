"""Every fault is injected, in the battery alone, and judged by what the BMS makes of it."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from helpers.proving import quick_parameters, quick_system, silent
from ionward.errors import UserError
from ionward.image.build import build_parameters
from ionward.image.faults import BY_ID, FAULT_ID, FAULTS
from ionward.image.parameters import LEVELP
from ionward.image.summary import applies
from ionward.proving.prove.cases import Case, CaseRunner, Skipped, levels_to_prove, tasks
from ionward.proving.prove.ground import CannotStandError, Ground
from ionward.proving.prove.guard_cases import catalogued
from ionward.proving.prove.injections import INJECTIONS
from ionward.proving.prove.points import ALL, BY_NAME, NotReachedError, Prepared
from ionward.proving.prove.proof import Wanted, check_selection, prove, prove_cases
from ionward.proving.prove.stand import arrays_of
from ionward.twin.rows import STATE

SYSTEM = quick_system()


def run(system: Any, parameters: Any, fault: str, point: str, level: str = "fault") -> list[Case]:
    runner = CaseRunner(system, parameters)
    found = [runner.run(task) for task in tasks(system, fault, point) if task.level == level]
    assert all(isinstance(case, Case) for case in found)
    return [case for case in found if isinstance(case, Case)]


def test_every_fault_of_the_catalogue_is_injected_in_some_way() -> None:
    injected = {injection.fault for injection in INJECTIONS} | set(catalogued())
    assert {fault.id for fault in FAULTS} - injected == set(), "give each a row in proving/prove/injections_*.py"


def test_no_injection_names_a_fault_or_an_operating_point_that_does_not_exist() -> None:
    assert {injection.fault for injection in INJECTIONS} | set(catalogued()) <= set(BY_ID)
    assert {point for injection in INJECTIONS for point in injection.points} <= set(ALL)
    assert {level for injection in INJECTIONS for level in injection.levels} <= {"warning", "fault", "critical"}


def test_a_sound_pack_is_proven_in_every_case() -> None:
    cases, skipped = prove_cases(SYSTEM, quick_parameters(), silent, workers=1)
    assert [c for c in cases if not c.ok] == []
    proven = {c.fault for c in cases} | set(catalogued())
    assert {f.id for f in FAULTS if applies(f, SYSTEM)} <= proven
    # Currents too small at one operating point are no reason to skip a fault.
    assert {s.fault for s in skipped} <= {"current_while_open", "charge_limit_ignored", "bus_not_understood"}
    assert all(
        c.detected_ms is not None and c.margin_ms is not None and c.margin_ms >= 0 for c in cases if not c.reason
    )


@pytest.mark.parametrize("point", ALL)
def test_injections_change_the_battery_and_the_wish_to_connect_alone(point: str) -> None:
    prepared = Prepared(SYSTEM, quick_parameters(), BY_NAME[point], 1)
    tried = 0
    for injection in (i for i in INJECTIONS if point in i.points and i.places(SYSTEM)):
        name, level = levels_to_prove(BY_ID[injection.fault], SYSTEM, injection)[0]
        assert name
        bench = prepared.fresh()
        untouched = (bench.stand.raw, bench.stand.parameters, bench.stand.image, bench.stand.memory)
        before = [array.tobytes() for array in arrays_of(untouched)]
        command = bench.command.copy()
        try:
            injection.make(Ground(bench, SYSTEM, prepared.point, BY_ID[injection.fault], level),
                           injection.places(SYSTEM)[0][1])  # fmt: skip
        except CannotStandError:
            continue
        tried += 1
        assert [array.tobytes() for array in arrays_of(untouched)] == before, injection
        command["connect"] = bench.command["connect"]
        assert command == bench.command
    assert tried > 5


def test_a_rule_that_does_not_work_is_missed() -> None:
    parameters = build_parameters(SYSTEM)
    parameters.levels[:, LEVELP.set, FAULT_ID.hvil_open] = math.nan
    (case,) = run(SYSTEM, parameters, "hvil_open", "rest")
    assert not case.ok
    assert case.reason.startswith("missed: nothing was told of it")
    assert case.detected_ms is None
    assert case.contactors_closed


def test_a_delay_beyond_the_budget_is_late_and_says_why() -> None:
    # Of a pack that switches its own contactors such a delay is refused before it is proven.
    late = quick_system(faults={"hvil_open": {"fault": {"delay_s": 0.6}}}, contactors={"fitted": False})
    (case,) = run(late, build_parameters(late), "hvil_open", "charge")
    assert not case.ok
    assert "late" in case.reason
    assert "its samples and delays take 61" in case.reason
    assert case.margin_ms is not None
    assert case.margin_ms < 0


def test_an_opening_that_takes_too_long_is_late_though_the_fault_was_told_in_time() -> None:
    slow = quick_system(contactors={"open_time_s": 0.45, "open_timeout_s": 0.6})
    (case,) = run(slow, build_parameters(slow), "charge_overcurrent_pulse", "rest")
    assert not case.ok
    assert case.detected_ms is not None
    assert case.detected_ms < 200 < 500 < (case.opened_ms or 0)
    assert "opening commanded after" in case.reason


def test_a_contact_that_opens_slowly_counts_into_the_reaction() -> None:
    quick, slow = quick_system(), quick_system(contactors={"open_time_s": 0.08})
    (first,), (second,) = (run(s, build_parameters(s), "crash", "rest", "critical") for s in (quick, slow))
    assert first.opened_ms is not None
    assert second.opened_ms == pytest.approx(first.opened_ms + 70.0, abs=11.0)


def test_time_counts_from_when_the_true_value_has_passed_the_threshold() -> None:
    """A module that creeps beyond by 2 K/s is told as fast as one that jumps, though it takes far longer to come."""
    creeping = run(SYSTEM, quick_parameters(), "overtemperature", "standby")
    assert all(c.detected_ms is not None and c.detected_ms < 1500.0 for c in creeping)


def test_a_pack_without_contactors_has_to_tell_in_time_and_opens_nothing() -> None:
    system = quick_system(contactors={"fitted": False})
    parameters = build_parameters(system)
    cases = run(system, parameters, "cell_overvoltage", "charge", "critical")
    assert len(cases) == 3
    assert all(c.ok and not c.opens for c in cases)
    with pytest.raises(NotReachedError, match="does not switch its own contactors"):
        Prepared(system, parameters, BY_NAME["standby"], 1)


def test_what_cannot_stand_is_skipped_with_its_reason() -> None:
    system = quick_system(topology={"temperature_sensors_per_module": 1})
    runner = CaseRunner(system, build_parameters(system))
    found = [runner.run(task) for task in tasks(system, "temperature_disagreement", "rest")]
    assert {type(s) for s in found} == {Skipped}
    assert all("no two temperature sensors" in s.reason for s in found if isinstance(s, Skipped))


def test_results_do_not_depend_on_the_number_of_workers() -> None:
    one, two = (prove_cases(SYSTEM, quick_parameters(), silent, fault="cell_overvoltage", workers=n)[0] for n in (1, 2))
    assert [c.as_json() for c in one] == [c.as_json() for c in two]
    assert Counter(c.place for c in one) >= Counter({"cell 0": 11, "cell 4": 11, "cell 7": 11})


def test_one_fault_at_one_operating_point_can_be_chosen() -> None:
    proof = prove(SYSTEM, quick_parameters(), silent, Wanted("crash", "charge", workers=1))
    assert proof.ok
    assert {(c.fault, c.operating_point) for c in proof.cases} == {("crash", "charge")}
    assert proof.campaign is None
    assert proof.drives == []


@pytest.mark.parametrize(("fault", "point", "part"), [("crush", None, "did you mean crash"), (None, "chrge", "charge")])
def test_unknown_names_are_refused_with_what_there_is(fault: str | None, point: str | None, part: str) -> None:
    with pytest.raises(UserError, match=part):
        check_selection(fault, point)


def test_nothing_proven_is_not_proven() -> None:
    system = quick_system(sensors={"crash": {"fitted": False}})
    assert not prove(system, build_parameters(system), silent, Wanted("crash", workers=1)).ok


def test_operating_points_are_what_they_say() -> None:
    for name, sign in (("charge", 1), ("discharge", -1), ("rest", 0), ("near_full", 1), ("near_empty", -1)):
        plant = Prepared(SYSTEM, quick_parameters(), BY_NAME[name], 1).bench.plant
        assert np.sign(round(float(plant.state[STATE.current_a]), 1)) == sign


def test_a_cell_that_burns_far_from_any_sensor_is_measured_against_five_minutes() -> None:
    cases = run(SYSTEM, quick_parameters(), "thermal_propagation", "rest", "critical")
    by_way = {c.injected: c for c in cases}
    assert {c.budget_ms for c in cases} == {20_000.0, 300_000.0}
    assert all(c.ok for c in cases)
    assert len(by_way) == 3


def test_a_fault_that_the_current_brings_about_may_be_ended_by_another_one() -> None:
    """A load that ignores limits is told as that before it has emptied a cell."""
    strict = quick_system(faults={"discharge_limit_ignored": {"fault": {"delay_s": 0.1}}})
    (case,) = [c for c in run(strict, build_parameters(strict), "cell_undervoltage", "near_empty") if c.place == "pack"]
    assert case.ok
    assert case.detected_ms is None
    assert case.reason == "discharge_limit_ignored opened first, which ended it"
    assert not case.contactors_closed


def test_a_frozen_reading_counts_from_when_the_pack_file_calls_it_frozen() -> None:
    (first, *_rest) = run(SYSTEM, quick_parameters(), "temperature_reading_stuck", "rest", "warning")
    assert first.stands_s is not None
    assert first.detected_ms is not None
    assert 900.0 < first.detected_ms < 3000.0
    never = quick_system(sensors={"temperature": {"frozen_s": 0.0}})
    runner = CaseRunner(never, build_parameters(never))
    (skipped, *_) = [runner.run(task) for task in tasks(never, "temperature_reading_stuck", "rest")]
    assert isinstance(skipped, Skipped)
    assert "frozen readings are not looked for" in skipped.reason
