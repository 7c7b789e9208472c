"""Masks in whole runs: simulated, recorded, replayed and proven."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from helpers.masks import day, masked
from helpers.proving import quick_system, silent
from helpers.scenarios import scenario, small_system
from ionward.image.build import build_parameters
from ionward.image.masks import Moment, with_masks
from ionward.proving.prove.html import page
from ionward.proving.prove.proof import Wanted, prove
from ionward.proving.recording import RunRecorder
from ionward.proving.simulation import Result, Simulation
from ionward.runtime.recording import Recording
from ionward.runtime.replay import replay

NOW_S = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()
FAULT = "pack_voltage_lost"
LOST = scenario(12.0, fault=[{"name": "sensor_lost", "place": "pack_voltage", "at_s": 3.0}])


def run(until: str, wall_s: float | None = NOW_S, record: Path | None = None) -> Result:
    system = masked(small_system(), FAULT, until)
    simulation = Simulation(system, LOST, wall_s=wall_s)
    recorder = RunRecorder(record, system, "a test", 1, simulation.began) if record else None
    return simulation.run(recorder=recorder)


def levels(result: Result) -> list[str]:
    """Levels of the events of the fault."""
    return [event["level"] for event in result.events if event["fault"] == FAULT]


@pytest.mark.verifies("SR-230", "SR-232")
def test_a_simulation_tells_a_masked_fault_and_its_mask() -> None:
    result = run(day(30, NOW_S))
    assert levels(result) == ["info"]
    (words,) = result.as_json()["masks"]
    assert words.startswith("MASKED: Pack voltage lost (pack_voltage_lost)")
    assert "by Ada Long" in words
    assert "spare part is on its way" in words
    assert levels(run(day(30, NOW_S), wall_s=None)) == ["warning"]  # nobody has said when it begins


@pytest.mark.verifies("SR-210", "SR-230")
def test_a_mask_that_ends_while_running_ends_again_in_the_replay(tmp_path: Path) -> None:
    """The start on both clocks stands in the recording: no clock of the replaying machine plays a part."""
    path = tmp_path / "masked.rec"
    result = run("2026-11-24T12:00:08Z", record=path)
    told = [event for event in result.events if event["fault"] == FAULT]
    assert [event["level"] for event in told] == ["info", "info", "warning"]
    assert "its mask has ended" in told[1]["text"]
    assert all(event["time_s"] == pytest.approx(8.0, abs=0.02) for event in told[1:])
    assert tuple(Recording(path).header.start.began or ()) == (NOW_S, 0.0)
    again = replay(path)
    assert again.agrees, again.lines()
    assert again.mismatches == 0
    assert any("its mask has ended" in line for line in again.story)


@pytest.mark.verifies("SR-232")
def test_a_masked_fault_is_not_proven() -> None:
    system = masked(quick_system(), FAULT, day(30, NOW_S))
    parameters = with_masks(build_parameters(system), system.masks, Moment(NOW_S))
    proof = prove(system, parameters, silent, Wanted(FAULT, "rest", workers=1))
    assert not proof.ok
    assert [mask.fault for mask in proof.masks] == [FAULT]
    assert proof.cases
    for case in proof.cases:
        assert not case.ok
        assert case.reason.startswith("masked: not proven, by Ada Long, until 2026-12-24")
        assert case.detected_ms is None  # it came to info only
    values = proof.as_json()
    assert values["ok"] is False
    assert values["masks"][0]["owner"] == "Ada Long"
    report = page(proof, parameters)
    assert "Masked: not proven" in report
    assert "Ada Long" in report
    other = prove(system, parameters, silent, Wanted("bus_voltage_lost", "rest", workers=1))
    assert other.ok
    assert other.masks == []


def test_an_ended_mask_is_in_no_proofs_way() -> None:
    system = masked(quick_system(), FAULT, "2026-11-01")
    parameters = with_masks(build_parameters(system), system.masks, Moment(NOW_S))
    assert np.isneginf(parameters.faults).any()
    assert prove(system, parameters, silent, Wanted(FAULT, "rest", workers=1)).ok
