"""What control's ring held is on disk and can be replayed, or is counted as lost, whatever the disk does."""

from __future__ import annotations

import errno
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.fake_control import SLOTS, WALL_S, FakeControl
from helpers.recordings import SIZE, small_system
from ionward.battery.system import System
from ionward.image.blocks import Block
from ionward.runtime.recorder_record import RECORDER_STATES
from ionward.runtime.recording import Recording, Start
from ionward.runtime.replay import Replay, replay
from ionward.runtime.ring_recorder import RETRY_S, RingRecorder, Source, Space
from ionward.runtime.segments import Rules, listed

STEP = 20  # ticks between two steps of the recorder
USUAL, SHORT = Rules(), Rules(segment_s=10.0)


class Disk(io.FileIO):
    """A file on a disk that can be full, broken or slow."""

    full_at = 1 << 60
    broken = False
    while_writing: Callable[[], None] | None = None

    def write(self, data: Any) -> int:
        cls = type(self)
        if cls.broken:
            raise OSError(errno.EIO, "Input/output error")
        left = cls.full_at - self.tell()
        if left <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        if cls.while_writing is not None:
            cls.while_writing()
        return super().write(memoryview(data)[:left])


class Scene:
    """A control, its recorder, and a disk to be spoilt."""

    def __init__(self, folder: Path, system: System, rules: Rules = USUAL) -> None:
        self.folder = folder
        self.system = system
        self.control = FakeControl(folder, system)
        self.rules = rules
        self.disk = type("ThisDisk", (Disk,), {})
        self.room = 10**12  # free space without our own recordings
        self.closed: list[Path] = []
        self.recorder = self.new_recorder()

    def new_recorder(self) -> RingRecorder:
        source = Source(self.system.as_dict(), SIZE, 0.01, "Five", Start("a test"))
        ring, checkpoints = (Block.reader(self.folder / f"{name}.block") for name in ("ring", "checkpoint"))
        return RingRecorder(
            ring, checkpoints, source, self.folder / "recordings", self.rules,
            opener=lambda path: self.disk(path, "wb"), space=lambda _: Space(10**12, self.room - self.size),
            on_closed=self.closed.append,
        )  # fmt: skip

    def run(self, ticks: int, step: int = STEP) -> None:
        for _ in range(ticks // step):
            self.recorder.step(self.control.now_s, WALL_S + self.control.now_s)
            self.control.run(step, self.requested)
        self.recorder.step(self.control.now_s, WALL_S + self.control.now_s)

    @property
    def size(self) -> int:
        return sum(s.size for s in listed(self.folder / "recordings"))

    def requested(self) -> int:
        return self["checkpoint_request"]

    def end(self) -> list[Replay]:
        """Close, replay every recording, and account for every tick."""
        self.recorder.close(self.control.now_s, WALL_S + self.control.now_s)
        results = self.replays()
        counted = self["recorded_ticks"] + self["dropped_ticks"]
        assert counted == self.control.published, "a tick is on disk or counted as lost"
        assert sum(r.ticks for r in results) == self["recorded_ticks"]
        assert all(r.skipped_ticks == 0 for r in results)
        return results

    def replays(self) -> list[Replay]:
        results = [replay(segment.path) for segment in listed(self.folder / "recordings")]
        assert all(r.agrees for r in results), [r.lines() for r in results]
        return results

    def __getitem__(self, name: str) -> int:
        return int(self.recorder.record[name][0])

    @property
    def state(self) -> str:
        return RECORDER_STATES[self["state"]]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path, small_system(tmp_path))


def test_every_tick_is_recorded_and_each_recording_replays_alone(tmp_path: Path) -> None:
    scene = Scene(tmp_path, small_system(tmp_path), SHORT)
    scene.run(2500)
    assert scene.state == "recording"
    results = scene.end()
    assert scene["dropped_ticks"] == 0
    assert results[0].first_tick == 0
    assert len(results) == 3, "ten seconds each"
    assert all(r.losses == [] and not r.cut for r in results)
    assert sum(r.ticks for r in results) == 2500
    paths = [segment.path for segment in listed(scene.folder / "recordings")]
    assert scene.closed == paths
    starts = [Recording(path).header.start for path in paths]
    assert [s.first_tick for s in starts] == [r.first_tick for r in results]
    assert starts[1].first_tick in range(1000, 1010), "on the boundary of the wall clock"
    assert all(s.notes["wall_minus_monotonic_s"] == pytest.approx(WALL_S, abs=1e-6) for s in starts)
    late = replay(paths[1], from_s=5.0)
    assert late.agrees
    assert late.first_tick == starts[1].first_tick, "from the last checkpoint before that time"
    assert (scene["segments"], scene["disk_errors"]) == (2, 0), "looked at when the third began"
    assert scene["bytes_written"] == sum(path.stat().st_size for path in paths)
    assert 0 < scene["bytes_per_day"] < 1e9


def test_a_recording_is_verified_while_it_is_being_written(scene: Scene) -> None:
    for _ in range(3):
        scene.run(340)
        [result] = scene.replays()
        assert result.cut
        assert result.losses == [text for text in result.losses if "was not closed" in text]
        assert scene.control.published - result.ticks <= 100 + STEP, "a second may wait"


def test_a_recording_cut_within_its_last_frame_is_verified_up_to_it(scene: Scene) -> None:
    scene.run(500)
    path = scene.recorder.path
    assert path is not None
    data = path.read_bytes()
    path.write_bytes(data[:-100])
    [result] = scene.replays()
    assert result.cut
    assert result.ticks == 400


def test_a_large_recording_is_ended_by_its_size(tmp_path: Path) -> None:
    scene = Scene(tmp_path, small_system(tmp_path), Rules(segment_bytes=20_000))
    scene.run(3000)
    results = scene.end()
    assert len(results) > 2
    assert scene["dropped_ticks"] == 0
    assert max(s.size for s in listed(tmp_path / "recordings")) < 30_000


def test_a_recorder_that_was_frozen_counts_the_loss_and_goes_on_in_the_same_recording(scene: Scene) -> None:
    scene.run(300)
    scene.control.run(3 * SLOTS, scene.requested)  # frozen for so long
    scene.run(300)
    [result] = scene.end()
    assert 2 * SLOTS < scene["dropped_ticks"] <= 3 * SLOTS + 3 * STEP
    assert any("are missing" in text for text in result.losses)


def test_a_frozen_recorder_within_the_rings_reach_loses_nothing(scene: Scene) -> None:
    scene.run(300)
    scene.control.run(SLOTS - 2 * STEP, scene.requested)
    scene.run(300)
    [result] = scene.end()
    assert scene["dropped_ticks"] == 0
    assert result.losses == []


def test_a_slow_disk_drops_with_a_count(scene: Scene) -> None:
    scene.run(300)
    control = scene.control

    def slowly() -> None:
        scene.disk.while_writing = None
        control.run(2 * SLOTS, scene.requested)

    scene.disk.while_writing = slowly
    scene.run(1200)
    assert scene.end()[0].losses != []
    assert SLOTS < scene["dropped_ticks"] < 3 * SLOTS


@given(room=st.integers(0, 30_000))
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_disk_full_at_any_byte_leaves_what_was_written_readable_and_is_tried_again(
    tmp_path_factory: pytest.TempPathFactory, room: int
) -> None:
    folder = tmp_path_factory.mktemp("full")
    scene = Scene(folder, small_system(folder), Rules())
    scene.disk.full_at = room
    scene.run(600)
    if scene["disk_errors"]:
        assert scene.state in ("disk full", "waiting for control")
        assert "disk full" in RECORDER_STATES
    scene.replays()
    scene.disk.full_at = 1 << 60
    scene.run(round(RETRY_S / 0.01) + 200)
    assert scene.state == "recording"
    scene.end()
    assert all(s.size > 100 for s in listed(folder / "recordings")), "no empty recordings are left about"


def test_a_disk_that_breaks_is_told_and_tried_again_every_few_seconds(scene: Scene) -> None:
    scene.run(300)
    scene.disk.broken = True
    scene.run(1800)
    assert scene.state in ("disk error", "waiting for control")
    assert 3 <= scene["disk_errors"] <= 5
    [kept] = listed(scene.folder / "recordings")
    assert replay(kept.path).agrees
    scene.disk.broken = False
    scene.run(900)
    assert scene.state == "recording"
    assert len(scene.end()) >= 2


def test_a_new_control_gets_a_new_recording_with_the_state_it_began_with(scene: Scene) -> None:
    scene.run(300)
    scene.control.restart()
    scene.run(300)
    first, second = scene.end()
    assert (first.ticks, second.first_tick) == (300, second.first_tick)
    assert scene["dropped_ticks"] == second.first_tick <= 3 * STEP


def test_a_new_control_that_answers_before_its_first_tick_loses_none(scene: Scene) -> None:
    scene.run(300)
    scene.control.restart()
    scene.control.checkpoint()
    scene.run(300)
    first, second = scene.end()
    assert (first.ticks, second.ticks, second.first_tick, scene["dropped_ticks"]) == (300, 300, 0, 0)


def test_a_new_recorder_begins_a_new_recording_and_the_old_one_stays_readable(scene: Scene) -> None:
    scene.run(440)
    scene.recorder = scene.new_recorder()  # the one before was killed
    scene.run(560)
    scene.recorder.close(scene.control.now_s, WALL_S + scene.control.now_s)
    first, second = scene.replays()
    assert first.cut
    assert (first.ticks, second.first_tick + second.ticks) == (400, 1000)


def test_without_answers_requests_are_repeated_and_nothing_is_written(scene: Scene) -> None:
    scene.control.answers = False
    scene.run(440)
    assert scene.state == "waiting for control"
    assert 4 <= scene["checkpoint_request"] <= 6
    assert scene["segments"] == 0
    scene.control.answers = True
    scene.run(100)
    scene.end()


def test_the_oldest_recordings_go_when_they_are_too_many_bytes(tmp_path: Path) -> None:
    scene = Scene(tmp_path, small_system(tmp_path), Rules(segment_s=5.0, keep_bytes=100_000))
    scene.run(6000, step=10)
    scene.recorder.close(scene.control.now_s, WALL_S + scene.control.now_s)
    left = [s.path for s in listed(tmp_path / "recordings")]
    assert left == scene.closed[-len(left) :]
    assert 2 <= len(left) < len(scene.closed)
    assert sum(path.stat().st_size for path in left) < 100_000 + 30_000
    assert len(scene.replays()) == len(left)


def test_the_oldest_go_for_free_space(tmp_path: Path) -> None:
    scene = Scene(tmp_path, small_system(tmp_path), SHORT)
    scene.run(3500)
    before = listed(tmp_path / "recordings")
    scene.room = 500_000_000 + scene.size - 1000
    scene.run(1500)
    assert scene.state == "recording"
    left = listed(tmp_path / "recordings")
    assert before[0].path not in [s.path for s in left]
    assert before[-1].path in [s.path for s in left]
    assert scene.size <= scene.room - 500_000_000 + 40_000, "looked at every few seconds"
    scene.recorder.close(scene.control.now_s, WALL_S + scene.control.now_s)
    scene.replays()


def test_on_a_disk_that_others_have_filled_recording_stops_and_what_is_there_stays(scene: Scene) -> None:
    scene.run(1500)
    scene.room = 100_000_000
    scene.run(1500)
    assert scene.state in ("disk full", "waiting for control")
    assert scene.recorder.path is None
    [result] = scene.replays()
    assert result.ticks > 1400
    assert scene.closed == [listed(scene.folder / "recordings")[0].path]
    scene.room = 10**12
    scene.run(800)
    assert scene.state == "recording"
    assert len(scene.end()) == 2


def test_other_files_are_never_removed(scene: Scene) -> None:
    (scene.folder / "recordings").mkdir()
    mine = scene.folder / "recordings" / "my-drive.rec"
    mine.write_bytes(b"x")
    scene.room = 0
    scene.run(100)
    assert mine.exists()


def test_a_wall_clock_that_is_set_back_begins_a_new_recording(scene: Scene) -> None:
    scene.run(300)
    for _ in range(60):
        scene.control.run(STEP, scene.requested)
        scene.recorder.step(scene.control.now_s, WALL_S - 86_400 + scene.control.now_s)
    assert len(scene.end()) >= 2
    assert scene["dropped_ticks"] == 0


def test_checkpoints_within_a_recording_come_at_their_time(tmp_path: Path) -> None:
    scene = Scene(tmp_path, small_system(tmp_path), Rules(checkpoint_s=20.0))
    scene.run(4_500, step=50)
    [result] = scene.end()
    assert result.checkpoints == 2, "the one it begins with is not compared"
    assert scene["last_checkpoint_tick"] in range(4_000, 4_200)
