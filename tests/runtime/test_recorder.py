"""The recorder's process: recordings and copies of the state, also after it was killed in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from helpers.fake_control import CYCLE_S, WALL_S, FakeControl
from helpers.recordings import SIZE, small_system
from ionward.battery.system import System
from ionward.image.blocks import Block, words_of
from ionward.image.faults import FAULTS
from ionward.image.inputs import new_command
from ionward.image.signals import FAULT
from ionward.runtime.fault_log import FILE, read_log
from ionward.runtime.live_blocks import image_words
from ionward.runtime.plan import Plan
from ionward.runtime.recorder import RecorderRole, source_of, wall_at
from ionward.runtime.recorder_record import RECORDER_RECORD, RECORDER_RECORDING
from ionward.runtime.replay import replay
from ionward.runtime.role import health_block, health_words
from ionward.runtime.segments import listed
from ionward.runtime.state_store import read_candidates
from ionward.runtime.survival import Survived, decode, gather, new_words, pack_fingerprint


class Live:
    """A live folder as the supervisor makes it, with a control and without the other processes."""

    def __init__(self, folder: Path, system: System) -> None:
        self.folder, self.state_dir = folder / "live", folder / "state"
        self.folder.mkdir()
        self.state_dir.mkdir()
        self.plan = Plan("Five", system.as_dict(), SIZE, CYCLE_S, str(self.state_dir), start={"missing_cells": [3]})
        self.words = new_words(SIZE)
        blocks = {
            "recorder.block": words_of(RECORDER_RECORD),
            "survival.block": len(self.words),
            "image.block": image_words(SIZE),
            health_block("recorder"): health_words(),
        }
        for name, words in blocks.items():
            Block.create(self.folder / name, 2, words)
        self.survival = Block.writer(self.folder / "survival.block")
        self.images = Block.writer(self.folder / "image.block")
        self.control = FakeControl(self.folder, system, missing_cells=(3,))
        self.pack = pack_fingerprint(system.as_dict(), SIZE)
        self.record = np.zeros(1, RECORDER_RECORD)
        self.plan.save(self.folder)

    def requested(self) -> int:
        Block.reader(self.folder / "recorder.block").latest(self.record.view(np.int64))
        return int(self.record["checkpoint_request"][0])

    def run(self, ticks: int) -> None:
        """Some ticks, and what survives after them."""
        control = self.control
        control.run(ticks, self.requested)
        bms, now_s = control.bms, control.now_s
        sequence = self.survival.count + 1
        self.images.publish(np.concatenate([a.view(np.float64) if a.dtype.names else a.ravel() for a in bms.image]))
        gather(self.words, bms.image, bms.memory, new_command(), self.pack, sequence, now_s, WALL_S + now_s, "boot")
        self.survival.publish(self.words)

    def newest_copy(self) -> Survived:
        found = [decode(c.data) for c in read_candidates(self.state_dir, self.state_dir)]
        return max((s for s in found if isinstance(s, Survived)), key=lambda s: s.sequence)


@pytest.fixture
def live(tmp_path: Path) -> Live:
    return Live(tmp_path, small_system(tmp_path))


def test_one_process_keeps_recordings_and_state(live: Live) -> None:
    role = RecorderRole(live.folder, live.plan)
    live.control.checkpoint()  # control gives one before its first tick
    for _ in range(80):
        live.run(5)
        role.step(live.control.now_s, WALL_S + live.control.now_s)
        assert live.control.now_s - live.newest_copy().time_s < 1.0
    live.requested()
    assert live.record["state"] == RECORDER_RECORDING
    assert 4 <= live.record["state_copies_written"] <= 7
    assert live.record["state_copy_age_s"] < 1.0
    role.end(live.control.now_s, WALL_S + live.control.now_s)
    assert live.newest_copy().tick == 400
    [segment] = listed(live.state_dir / "recordings")
    result = replay(segment.path)
    assert result.agrees
    assert (result.ticks, result.cut, result.losses) == (400, False, [])
    assert "not there: 1 cells (3)" in result.story


def test_the_recording_tells_what_it_is_of(live: Live) -> None:
    source = source_of(live.plan)
    assert (source.name, source.start.source, source.start.missing_cells) == ("Five", "simulated battery", (3,))
    assert source.start.notes == {"scenario": "", "seed": 1}


def test_wall_time_belongs_to_the_time_given() -> None:
    assert wall_at(time.monotonic() - 5.0) == pytest.approx(time.time() - 5.0, abs=1.0)


@pytest.fixture
def process(live: Live) -> Iterator[subprocess.Popen[bytes]]:
    found = subprocess.Popen([sys.executable, "-m", "ionward.runtime.recorder", live.folder], env=dict(os.environ))
    yield found
    found.kill()
    found.wait()


def test_after_kill_9_what_was_told_as_recorded_is_there_and_agrees(
    live: Live, process: subprocess.Popen[bytes]
) -> None:
    live.control.checkpoint()
    until_s = time.monotonic() + 60.0
    while time.monotonic() < until_s and (live.requested(), int(live.record["recorded_ticks"][0]))[1] < 300:
        assert process.poll() is None, "the recorder ended by itself"
        live.run(10)
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    live.requested()
    told = int(live.record["recorded_ticks"][0])
    assert told >= 300
    results = [replay(segment.path) for segment in listed(live.state_dir / "recordings")]
    assert all(result.agrees for result in results), [result.lines() for result in results]
    assert sum(result.ticks for result in results) >= told
    assert results[-1].cut
    assert live.newest_copy().tick > 0


def test_a_remembered_fault_and_its_frame_survive_kill_9(live: Live, process: subprocess.Popen[bytes]) -> None:
    live.control.checkpoint()
    path = live.state_dir / FILE

    def remembered() -> bool:
        live.requested()
        return bool(live.record["fault_memory_entries"][0])

    until_s = time.monotonic() + 60.0
    while time.monotonic() < until_s and not remembered():  # made-up samples raise faults soon
        assert process.poll() is None, "the recorder ended by itself"
        live.run(2)
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    found = read_log(path)
    assert len(found.memory.entries) >= int(live.record["fault_memory_entries"][0]) > 0
    assert not found.damaged
    faults = live.control.bms.image.faults
    standing = {FAULTS[k].dtc for k in np.flatnonzero(faults[FAULT.level] > 0)}
    assert standing & {entry.dtc for entry in found.memory.entries.values()}
    assert found.frames, "what was known around it by then"
