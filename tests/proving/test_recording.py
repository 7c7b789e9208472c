"""A simulated run with disturbed measurement points is recorded, runs again bit by bit, and goes into the history."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.history import NOON
from helpers.scenarios import scenario, small_system
from ionward.image.inputs import CHANNEL
from ionward.proving.recording import RunRecorder
from ionward.proving.simulation import Simulation
from ionward.runtime.export import read_samples
from ionward.runtime.history import convert
from ionward.runtime.history_query import events, query
from ionward.runtime.replay import replay

POINTS = CHANNEL._fields[CHANNEL.contactor_positive_c :]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """70 s, so that a checkpoint comes after a minute: frames are dropped, a contact burns, the pump stands still."""
    path = tmp_path_factory.mktemp("run") / "run.ionrec"
    system = small_system(fuse={"pyrofuse": True}, sensors={"cooling_feedback": {}})
    broken = [{"name": "afe_crc", "place": 1, "at_s": 2.0}, {"name": "afe_sequence", "place": 0, "at_s": 3.0},
              {"name": "contactor_hot", "place": "main_negative", "at_s": 5.0, "value": 300.0},
              {"name": "cooling_lost", "at_s": 30.0}]  # fmt: skip
    run = scenario(70.0, fault=broken, start={"soc": 0.6, "temperature_c": 38.0})
    simulation = Simulation(system, run, keep_traces=False)
    simulation.run(recorder=RunRecorder(path, system, "points", 1))
    return path


def test_the_points_run_again_bit_by_bit_from_the_start_and_from_a_checkpoint(recording: Path) -> None:
    for from_s in (0.0, 65.0):
        result = replay(recording, from_s=from_s)
        assert result.agrees, result.lines()
    assert result.first_tick >= 6000


def test_the_points_are_among_the_signals_of_a_recording(recording: Path) -> None:
    found = read_samples(recording, [*POINTS, "raw.positive_tap_v", "balance_allowed"], 1.0)
    assert all(np.isfinite(found[name]).any() for name in POINTS)
    assert np.nanmax(found["monitor_crc_errors"]) > 100
    assert np.nanmax(found["contactor_negative_c"]) > np.nanmax(found["contactor_positive_c"]) + 10
    assert found["positive_tap_v"][-1] == pytest.approx(found["raw.positive_tap_v"][-1])
    assert found["balance_allowed"][-1] == 1


def test_the_points_and_their_faults_go_into_the_history(recording: Path, tmp_path: Path) -> None:
    convert(recording, tmp_path, epoch_s=NOON)
    hot = query(tmp_path, "contactor_negative_c", NOON, NOON + 70.0, 70)
    every = read_samples(recording, ["contactor_negative_c"], 0.0).values
    assert np.nanmax(hot.maximum) == pytest.approx(np.nanmax(every), abs=0.2)
    counted = query(tmp_path, "monitor_crc_errors", NOON, NOON + 70.0, 70).mean
    assert np.nanmax(counted) == int(np.nanmax(counted)) > 100
    told = {e.text.rpartition(": ")[0] for e in events(tmp_path, NOON, NOON + 70.0)}
    assert {"Cell monitors: frames corrupted", "Cell monitors: frames repeated or lost", "Cooling lost"} <= told
