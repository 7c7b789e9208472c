"""Reactions through the real processes: every one comes, to each of the ten faults. Times are no matter of tests."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.scenarios import small_system
from ionward.image.fault_levels import resolved_levels
from ionward.image.faults import BY_ID
from ionward.proving.reaction import KINDS, OVERCURRENT, OfFault, measure_reaction, trial_of

pytestmark = pytest.mark.xdist_group("live")


def test_the_ten_faults_are_each_reacted_to_in_turn() -> None:
    values = measure_reaction(small_system(), 14.0, faults=tuple(KINDS)).as_json()
    assert [f["fault"] for f in values["faults"]] == list(KINDS)
    assert len(KINDS) == 10
    for fault in values["faults"]:
        assert fault["missed"] == 0
        assert fault["n"] >= 1
        assert fault["p50_ms"] >= fault["debounce_ms"]
    overcurrent = next(f for f in values["faults"] if f["fault"] == OVERCURRENT)
    assert values["n"] == overcurrent["n"]
    assert values["max_ms"] == overcurrent["max_ms"]


def test_a_pack_without_a_sensor_leaves_its_fault_out() -> None:
    system = small_system(sensors={"crash": {"fitted": False}})
    values = measure_reaction(system, 1.0, faults=("crash", OVERCURRENT)).as_json()
    assert [f["fault"] for f in values["faults"]] == [OVERCURRENT]


@pytest.mark.parametrize("fault", [f for f, kind in KINDS.items() if kind in ("cell", "temperature", "current")])
def test_a_trial_is_beyond_what_opens(fault: str) -> None:
    system = small_system()
    row, value = BY_ID[fault], trial_of(fault, system)["value"]
    level = next(level for level in reversed(resolved_levels(row, system)) if level is not None)
    assert abs(value) > level.set if row.direction == "above" else value < level.set


def test_a_reaction_that_did_not_come_is_none_not_a_number() -> None:
    of = OfFault("crash", np.array([0.02, np.inf]), 0.01, 0.1)
    assert of.as_json() == {
        "fault": "crash", "requirement": "SR-031", "p50_ms": 20.0, "p99_ms": None, "p999_ms": None, "max_ms": None,
        "n": 2, "missed": 1, "debounce_ms": 10.0, "budget_ms": 100.0, "within_budget": False,
    }  # fmt: skip
