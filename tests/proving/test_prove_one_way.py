"""Proving packs whose switches block one direction each: that one has to open, and the other one stays."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from helpers.data import ROOT
from helpers.examples import example
from ionward.image.build import build_parameters, load_pack
from ionward.image.faults import FAULT_ID
from ionward.image.parameters import FAULTP
from ionward.image.signals import FAULT, LEVEL_CRITICAL, LEVEL_FAULT
from ionward.proving.prove.bounds import watchdog
from ionward.proving.prove.cases import Case, CaseRunner, tasks
from ionward.proving.prove.invariants import BOUND, FOUND, INVARIANT, check
from ionward.proving.prove.stand import Bench
from ionward.proving.scenario import load_scenario
from ionward.proving.simulation import Simulation
from ionward.twin.build import Start
from ionward.twin.rows import CELLS, KON, MAIN_NEGATIVE, MAIN_POSITIVE, STATE

SYSTEM, PARAMETERS = load_pack(example("home-16s-switches"))


@cache
def runner() -> CaseRunner:
    return CaseRunner(SYSTEM, PARAMETERS)


def cases(fault: str, point: str, level: str = "fault") -> list[Case]:
    found = [runner().run(task) for task in tasks(SYSTEM, fault, point) if task.level == level]
    return [case for case in found if isinstance(case, Case)]


@pytest.mark.verifies("SR-132")
@pytest.mark.parametrize(
    ("fault", "point", "left"),
    [
        ("cell_overvoltage", "discharge", "discharge only"),
        ("cell_overvoltage", "charge", "discharge only"),
        ("cell_undervoltage", "charge", "charge only"),
        ("cell_undervoltage", "discharge", "charge only"),
        ("charge_overcurrent_pulse", "rest", "discharge only"),
        ("discharge_overcurrent_pulse", "rest", "charge only"),
    ],
)
def test_a_fault_of_one_direction_leaves_the_other_one(fault: str, point: str, left: str) -> None:
    found = cases(fault, point)
    assert found
    assert [c.reason for c in found if not c.ok] == []
    assert {c.final_state for c in found} == {f"connected, {left}"}


def test_critical_opens_everything() -> None:
    found = cases("cell_overvoltage", "charge", "critical")
    assert found
    assert all(c.ok and not c.contactors_closed and "only" not in c.final_state for c in found)


@pytest.mark.verifies("SR-133")
@pytest.mark.parametrize(("point", "left"), [("charge", "charge only"), ("discharge", "discharge only")])
def test_a_switch_that_is_welded_unseen_is_told_and_everything_else_opens(point: str, left: str) -> None:
    (case,) = (c for c in cases("current_while_open", point, "critical") if "welds unseen" in c.injected)
    assert (case.ok, case.opens) == (True, False)
    assert case.final_state.endswith(left)


def test_a_fault_that_opens_the_wrong_switch_is_no_proof() -> None:
    wrong = build_parameters(SYSTEM)
    f = FAULT_ID.cell_overvoltage
    wrong.faults[FAULTP.blocks_charge, f], wrong.faults[FAULTP.blocks_discharge, f] = 0.0, 1.0
    own = CaseRunner(SYSTEM, wrong)
    task = next(t for t in tasks(SYSTEM, "cell_overvoltage", "charge") if t.level == "fault")
    case = own.run(task)
    assert isinstance(case, Case)
    assert (case.ok, case.reason) == (False, "contactors still closed")


def bench() -> tuple[Bench, Any]:
    stand = Bench(SYSTEM, PARAMETERS, Start(soc=0.6), 1, 25.0, np.array([[0.0, 1e9], [0.0, 0.0]]))
    stand.run(1.0)
    return stand, watchdog(SYSTEM)


def found(dog: Any) -> set[str]:
    return {INVARIANT._fields[k] for k in np.flatnonzero(~np.isnan(dog.found[FOUND.time_s]))}


def look(stand: Bench, dog: Any, ticks: int) -> None:
    for _ in range(ticks):
        stand.plant.state[STATE.time_s] += stand.cycle_s
        check(dog, stand.plant, stand.bms.image, stand.command)


@pytest.mark.parametrize(("positive", "negative"), [(1.0, 0.0), (0.0, 1.0)])
def test_a_full_cell_is_judged_while_it_can_be_charged_and_an_empty_one_while_it_can_be_discharged(
    positive: float, negative: float
) -> None:
    for volts, invariant, can_flow in (
        ("cell_high_v", "cell_overvoltage", negative),
        ("cell_low_v", "cell_undervoltage", positive),
    ):
        stand, dog = bench()
        stand.plant.contactors[KON.closed, MAIN_POSITIVE] = positive
        stand.plant.contactors[KON.closed, MAIN_NEGATIVE] = negative
        bound = dog.bounds[getattr(BOUND, volts)]
        stand.plant.cells[CELLS.voltage_v, 2] = bound + (0.01 if invariant == "cell_overvoltage" else -0.01)
        look(stand, dog, 500)
        assert (invariant in found(dog)) == bool(can_flow)


@pytest.mark.parametrize(
    ("switch", "above_v", "wrong"),
    [
        (MAIN_NEGATIVE, 10.0, True),
        (MAIN_NEGATIVE, -10.0, False),
        (MAIN_POSITIVE, 10.0, False),
        (MAIN_POSITIVE, -10.0, True),
    ],
)
def test_a_switch_that_closes_onto_a_bus_that_rushes_through_it_is_noted(
    switch: int, above_v: float, wrong: bool
) -> None:
    stand, dog = bench()
    stand.plant.state[STATE.bus_voltage_v] = stand.plant.state[STATE.emf_v] + above_v
    look(stand, dog, 20)
    stand.plant.contactors[KON.closed, switch] = 1.0
    look(stand, dog, 1)
    assert ("mismatched_closing" in found(dog)) == wrong


@pytest.mark.parametrize(
    ("fault", "level", "driven", "wrong"),
    [
        ("cell_overvoltage", LEVEL_FAULT, "main_negative", True),
        ("cell_overvoltage", LEVEL_FAULT, "main_positive", False),
        ("cell_overvoltage", LEVEL_CRITICAL, "main_positive", True),
        ("cell_undervoltage", LEVEL_FAULT, "precharge", True),
        ("cell_undervoltage", LEVEL_FAULT, "main_negative", False),
        ("overtemperature", LEVEL_FAULT, "main_negative", True),
    ],
)
def test_what_a_fault_forbids_is_not_newly_closed(fault: str, level: int, driven: str, wrong: bool) -> None:
    stand, dog = bench()
    look(stand, dog, 2)
    stand.bms.image.faults[FAULT.level, getattr(FAULT_ID, fault)] = level
    stand.bms.image.scalars[f"{driven}_close"] = 1
    look(stand, dog, 1)
    assert ("closed_in_spite_of_fault" in found(dog)) == wrong


@pytest.mark.verifies("SR-132", "SR-134")
def test_an_overcharged_pack_still_feeds_the_house() -> None:
    scenario = load_scenario(ROOT / "examples/scenarios/overcharged-feeds-house.toml")
    result = Simulation(SYSTEM, scenario, keep_traces=False).run()
    assert result.failed == []
