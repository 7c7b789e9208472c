"""The fault memory of a pack that lives: frames, clearing, restarts, and what a disk may do to it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from helpers.livefeed import Livefeed
from helpers.scenarios import small_system
from ionward.image.blocks import Block
from ionward.image.faults import BY_ID
from ionward.image.inputs import CHANNEL
from ionward.runtime.fault_frames import JUDGED
from ionward.runtime.fault_log import FILE, FIRST, LATEST, FaultLog, Stored, read_log
from ionward.runtime.fault_watch import WRITE_PERIOD_S, FaultWatch, image_raster_s
from ionward.runtime.survival_record import Pack, pack_fingerprint

HVIL = (BY_ID["hvil_open"].dtc, CHANNEL.hvil_closed)


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[Livefeed]:
    made = Livefeed(small_system(), tmp_path / "live").run(1.0).connect().run(2.0)
    yield made
    made.stop()


def on_disk(feed: Livefeed) -> Stored:
    return read_log(feed.folder / "state" / FILE)


def watch_of(feed: Livefeed, disk: FaultLog | None = None, pack: Pack | None = None, boot: str = "boot") -> FaultWatch:
    """A recorder that starts (again) over a feed."""
    image, ring = (Block.reader(feed.folder / f"{name}.block") for name in ("image", "ring"))
    pack = pack or pack_fingerprint(feed.plan.system, feed.size)
    state, raster_s = feed.folder / "state", image_raster_s(feed.cycle_s)
    return FaultWatch(image, ring, feed.size, raster_s, pack, boot, state, 1e9 + feed.time_s, disk)


def broken_loop(feed: Livefeed) -> Callable[[], None]:
    """The interlock loop is opened; ends it."""
    return feed.twin.inject("hvil_open", None, None)


def test_a_fault_free_drive_leaves_an_empty_memory(feed: Livefeed) -> None:
    found = on_disk(feed)
    assert found.memory.entries == {}
    assert (found.pack, found.problems) == (pack_fingerprint(feed.plan.system, feed.size), [])


def test_a_fault_is_on_disk_at_once_with_the_second_before_and_later_with_the_second_after(feed: Livefeed) -> None:
    broken_loop(feed)
    feed.run(0.4)
    found = on_disk(feed)
    assert found.memory.entries[HVIL].confirmed
    early = found.frames[*HVIL, FIRST]
    assert not early.complete
    assert early.column("time_s")[0] == pytest.approx(-1.0, abs=0.02)
    feed.run(1.0)
    frame = on_disk(feed).frames[*HVIL, FIRST]
    assert (frame.complete, frame.gaps) == (True, 0)
    time_s = frame.column("time_s")
    assert (time_s[0], time_s[-1]) == (pytest.approx(-1.0, abs=0.02), pytest.approx(1.0, abs=0.02))
    assert np.diff(time_s).max() < 0.021, "at the cycle, or each hundredth of a second"
    before, after = time_s < 0, time_s > 0.9
    assert (frame.column("main_positive_close")[before] == 1).all()
    assert (frame.column("main_positive_close")[after] == 0).all()
    assert (frame.column("fault_level")[before] == 0).all()
    assert frame.column(JUDGED)[after][-1] != frame.column(JUDGED)[0]
    sum_v, pack_v = frame.column("cell_voltage_sum_v"), frame.column("pack_voltage_v")
    assert np.allclose(sum_v, pack_v, rtol=0.02)


def test_it_is_latched_until_acknowledged_and_can_be_cleared_only_then(feed: Livefeed) -> None:
    end = broken_loop(feed)
    feed.run(1.5)
    feed.command["clear_count"] += 1
    feed.run(0.2)
    assert on_disk(feed).memory.entries[HVIL].latched
    end()
    feed.run(1.0)
    feed.command["clear_count"] += 1
    feed.run(1.2)
    kept = on_disk(feed).memory.entries[HVIL]
    assert (kept.failed, kept.latched) == (False, True)
    feed.command["acknowledge_count"] += 1
    feed.run(0.2)
    assert not on_disk(feed).memory.entries[HVIL].latched
    feed.command["clear_count"] += 1
    feed.run(0.2)
    found = on_disk(feed)
    assert (found.memory.entries, found.frames) == ({}, {})
    assert found.memory.cleared_s == pytest.approx(feed._wall_s + feed.time_s, abs=0.3)


def test_the_first_and_the_latest_occurrence_have_a_frame_and_no_more_within_ten_minutes(feed: Livefeed) -> None:
    times = []
    for _ in range(3):
        end = broken_loop(feed)
        feed.run(1.5)
        times.append(feed._wall_s + feed.time_s - 1.5)
        end()
        feed.run(1.0)
    found = on_disk(feed)
    assert found.memory.entries[HVIL].count == 3
    assert found.frames[*HVIL, FIRST].wall_s == pytest.approx(times[0], abs=0.2)
    assert found.frames[*HVIL, LATEST].wall_s == pytest.approx(times[1], abs=0.2)


def test_a_recorder_that_starts_again_counts_nothing_twice(feed: Livefeed) -> None:
    end = broken_loop(feed)
    feed.run(1.5)
    before = on_disk(feed).memory.entries[HVIL]
    feed.watch = watch_of(feed)
    feed.run(1.2)
    assert str(on_disk(feed).memory.entries[HVIL]) == str(before)
    end()
    feed.run(1.5)
    assert not on_disk(feed).memory.entries[HVIL].failed


def test_what_happened_while_no_recorder_ran_is_caught_up_with(feed: Livefeed) -> None:
    feed.frozen.add("recorder")
    end = broken_loop(feed)
    feed.run(0.5)
    end()
    feed.run(0.5)
    feed.frozen.clear()
    feed.watch = watch_of(feed)
    feed.run(0.1)
    kept = on_disk(feed).memory.entries[HVIL]
    assert (kept.count, kept.latched) == (1, True)


def test_the_memory_of_another_pack_is_put_aside_with_a_word(feed: Livefeed) -> None:
    broken_loop(feed)
    feed.run(1.5)
    found = watch_of(feed, pack=Pack(1, 2, "Other")).stored
    assert found.memory.entries == {}
    [(_, note)] = found.notes
    assert note.startswith(f"the fault memory of another pack ('small') was put aside as {FILE}.ref")
    assert len(list((feed.folder / "state").glob(f"{FILE}.refused-*"))) == 1


def test_a_damaged_file_is_kept_aside_and_what_is_whole_in_it_is_used(feed: Livefeed) -> None:
    broken_loop(feed)
    feed.run(1.5)
    path = feed.folder / "state" / FILE
    data = bytearray(path.read_bytes())
    data[20] ^= 0xFF
    path.write_bytes(data)
    feed.watch = watch_of(feed)
    feed.run(0.2)
    found = on_disk(feed)
    assert HVIL in found.memory.entries
    assert not found.damaged
    assert "bytes are damaged and were left out; the damaged file is kept as" in found.notes[-1][1]


class FullDisk(FaultLog):
    """A disk that is full while `full`."""

    full = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, write=self._put)

    def _put(self, file: int, data: bytes) -> int:
        if self.full:
            raise OSError(28, "No space left on device")
        return os.write(file, data)


def test_a_full_disk_costs_nothing_once_there_is_space_again(feed: Livefeed) -> None:
    disk = FullDisk(feed.folder / "state")
    feed.watch = watch_of(feed, disk)
    disk.full = True
    broken_loop(feed)
    feed.run(2.0)
    assert feed.watch.errors == 1, "tried again after a while only"
    assert on_disk(feed).memory.entries == {}
    disk.full = False
    feed.run(5.0)
    found = on_disk(feed)
    assert found.frames[*HVIL, FIRST].complete


def test_a_chattering_fault_does_not_fill_the_disk(feed: Livefeed) -> None:
    writes = []

    class Counting(FaultLog):
        def append(self, records: object) -> None:
            writes.append(feed.time_s)
            super().append(records)  # type: ignore[arg-type]

    feed.watch = watch_of(feed, Counting(feed.folder / "state"))
    began_s = feed.time_s
    for _ in range(20):
        end = broken_loop(feed)
        feed.run(0.3)
        end()
        feed.run(0.2)
        feed.command["acknowledge_count"] += 1
    quiet = [at_s for at_s in writes if at_s > began_s + 4.0]
    latches = 2 * 12 + 2
    assert len(quiet) <= latches + 6.0 / WRITE_PERIOD_S


def test_it_ends_with_everything_on_disk(feed: Livefeed) -> None:
    broken_loop(feed)
    feed.run(0.4)
    feed.watch.end(feed.time_s, feed._wall_s + feed.time_s)
    assert not on_disk(feed).frames[*HVIL, FIRST].complete
    feed.frozen.add("recorder")
