"""What survives `kill -9` of everything at once, on real processes: SOC, counters, latched faults."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.live_runs import LiveRun
from ionward.image.signals import FAULT
from ionward.runtime.replay import replay

pytestmark = pytest.mark.xdist_group("live")


def remembered(run: LiveRun) -> dict[str, Any]:
    """What is remembered of the interlock loop."""
    found = run.live.remembered_fault("hvil_open")
    return found[0] if found else {"frames": {"first": {"complete": False}}}


def test_soc_counters_and_latched_faults_come_through_the_end_of_everything(tmp_path: Path) -> None:
    run = LiveRun(tmp_path, "--no-dashboard")
    run.wait_connected()
    run.wait(lambda: bool(list((run.state_dir / "recordings").glob("*.rec"))), 20.0, "a recording")
    assert run.live.inject("hvil_open", None)[0]
    run.wait(lambda: not run.closed(), 10.0, "opened")
    assert run.live.inject("hvil_open", None, end=True)[0]
    run.wait(lambda: run.state()["latched_faults"] > 0, 10.0, "latched")
    time.sleep(1.0)
    run.live.refresh()
    before = run.state()
    counts = run.live.image.faults[FAULT.count].copy()
    throughput_ah = float(run.live.image.scalars["discharge_throughput_ah"][0])
    run.wait(lambda: remembered(run)["frames"]["first"]["complete"], 10.0, "the second after the fault")
    run.kill_everything()

    run.start()
    run.wait(lambda: run.state()["soc"] is not None, 20.0, "an SOC")
    after = run.state()
    assert abs(after["soc"] - before["soc"]) < 0.002
    assert after["soc_std"] < 0.05  # not started anew from a voltage
    assert after["latched_faults"] == before["latched_faults"]
    run.live.refresh()
    kept = remembered(run)
    assert (kept["count"], kept["latched"], kept["test_failed"], kept["confirmed"]) == (1, True, False, True)
    assert min(kept["frames"]["first"]["signals"]["main_positive_closed"]["values"]) == 0.0
    assert (run.live.image.faults[FAULT.count] >= counts).all()
    assert float(run.live.image.scalars["discharge_throughput_ah"][0]) >= throughput_ah - 1e-3
    accepted, reason = run.command("connect")
    assert not accepted
    assert "acknowledged" in reason
    run.recover()

    def recordings() -> list[Path]:
        return sorted((run.state_dir / "recordings").glob("*.rec"))

    run.wait(lambda: len(recordings()) >= 2, 20.0, "a recording of this run too")
    assert run.stop() == 0, run.told()
    for path in recordings():
        result = replay(path)
        assert result.mismatches == 0
        assert result.checkpoint_mismatches == 0
        assert result.ticks > 0


def test_a_run_that_ended_in_order_connects_again_without_a_person(tmp_path: Path) -> None:
    run = LiveRun(tmp_path, "--no-dashboard")
    run.wait_connected()
    assert run.stop() == 0, run.told()
    run.start()
    run.wait(lambda: run.command("connect")[0], 20.0, "connect accepted")
    run.wait_connected()
    assert run.state()["latched_faults"] == 0
    assert "acknowledge before connecting" not in run.told()
    assert run.stop() == 0, run.told()


def test_a_state_that_makes_no_sense_is_refused_and_kept_aside(tmp_path: Path) -> None:
    run = LiveRun(tmp_path, "--no-dashboard")
    run.wait(lambda: run.state()["soc"] is not None, 20.0, "an SOC")
    run.wait(lambda: (run.state_dir / "state-b.bin").exists(), 20.0, "copies on disk")
    run.kill_everything()
    for path in run.live_folder.glob("survival*"):
        path.unlink()
    for name in ("state-a.bin", "state-b.bin"):
        path = run.state_dir / name
        data = np.frombuffer(path.read_bytes(), np.uint8).copy()
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data.tobytes())
    run.start()
    run.wait(lambda: run.state()["soc"] is not None, 20.0, "an SOC")
    assert "checksum" in run.told()
    assert list(run.state_dir.glob("state-*.refused-*"))
    assert run.stop() == 0, run.told()
