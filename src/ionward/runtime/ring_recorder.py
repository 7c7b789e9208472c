"""Takes control's ring to disk, in recordings that each can be replayed alone. One pure step; time is an argument.

It follows the ring slot by slot. A recording begins with a checkpoint, which control gives when asked: up to its tick
the rows go to the recording before, from there on to the new one. What is lost (the ring lapped, a disk that is full or
fails) is counted, then a new checkpoint is asked for, and recording goes on from it.
"""

from __future__ import annotations

import errno
import math
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ionward.errors import UserError
from ionward.image.blocks import Block
from ionward.image.layout import Size
from ionward.runtime.codec import RecordBuffer, record_buffer
from ionward.runtime.recorder_record import (
    RECORDER_ERROR,
    RECORDER_FULL,
    RECORDER_RECORD,
    RECORDER_RECORDING,
    RECORDER_WAITING,
)
from ionward.runtime.recording import Recorder, Start
from ionward.runtime.ring import PublishedCheckpoint, read_checkpoint, read_ticks, ring_items
from ionward.runtime.segments import Rules, listed, live_header, next_boundary_s, segment_path, to_remove
from ionward.runtime.state_store import sync_folder

CHUNK_S = 1.0  # so much is written, and forced to the disk, at once
CHUNK_BYTES_MAX = 1 << 25  # of the rows that wait for it
ANSWER_S = 1.0  # a request for a checkpoint is repeated after this
RETRY_S = 5.0  # after a failure
DISK_S = 10.0  # how often the disk is looked at
CLOCK_SLACK_S = 60.0  # a wall clock that is corrected by less does not begin a new recording
RATE_AFTER_S = 10.0  # of recorded time, before bytes per day mean something


@dataclass(frozen=True)
class Source:
    """What is recorded: the pack as in the recording's header."""

    system: dict[str, Any]
    size: Size
    cycle_s: float
    name: str
    start: Start


class Space(NamedTuple):
    """A disk, in bytes."""

    total: int
    free: int


def space_of(folder: Path) -> Space:
    """The disk that holds a folder."""
    usage = shutil.disk_usage(folder)
    return Space(usage.total, usage.free)


class RingRecorder:
    """Follows `ring.block` and `checkpoint.block`; `record` tells how it goes and carries requests to control.

    `opener` opens a recording, `space` tells the disk's size and free space, `on_closed` is told each recording that
    nothing is added to any more.
    """

    def __init__(
        self,
        ring: Block,
        checkpoints: Block,
        source: Source,
        folder: Path,
        rules: Rules | None = None,
        opener: Callable[[Path], BinaryIO] | None = None,
        space: Callable[[Path], Space] = space_of,
        on_closed: Callable[[Path], None] | None = None,
        last_request: int = 0,
    ) -> None:
        self.record = np.zeros(1, RECORDER_RECORD)
        for name in ("bytes_per_day", "state_copy_time_s", "state_copy_age_s"):
            self.record[name] = math.nan
        self.record["last_checkpoint_tick"] = -1
        self.record["checkpoint_request"] = last_request
        self._ring, self._checkpoints, self._source, self._folder = ring, checkpoints, source, folder
        self._rules, self._opener, self._space = rules or Rules(), opener, space
        self._on_closed = on_closed or (lambda _: None)
        items = ring_items(source.size)
        fitting = max(CHUNK_BYTES_MAX // (16 * items), 1)
        self._capacity = min(max(round(CHUNK_S / source.cycle_s), 1), fitting)
        self._buffer = record_buffer(source.size, self._capacity)
        self._digests = np.zeros(self._capacity, np.uint64)
        self._numbers = np.zeros(self._capacity, np.int64)
        self._filled = 0
        # Slots of the ring that have been dealt with. The first recorder of a run begins with the first tick, and the
        # checkpoint that control gives before it; a later one with what comes from now on.
        self._position = ring.count if last_request else 0
        self._next_tick = 0
        self._synced = False
        self._file: Recorder | None = None
        self._file_bytes = 0
        self._empty = True
        self._boundary_s = math.inf
        self._checkpoint_words = np.zeros(checkpoints.words, np.int64)
        self._checkpoints_seen = checkpoints.count if last_request else 0
        self._pending: PublishedCheckpoint | None = None
        self._asked_s = -math.inf
        self._waiting = False
        self._checkpoint_due_s = math.inf
        self._flush_due_s = math.inf
        self._disk_due_s = -math.inf
        self._retry_s = -math.inf

    @property
    def path(self) -> Path | None:
        """The recording that is being written."""
        return self._file.path if self._file else None

    def step(self, now_s: float, wall_s: float) -> None:
        """Take what is new in the ring. To be called several times a second; `wall_s` is the wall time at `now_s`."""
        # The ring's count first: a checkpoint that belongs before one of these ticks is there already then.
        newest = self._ring.count
        self._look_for_checkpoint()
        if now_s >= self._disk_due_s:
            self._look_at_disk(now_s, wall_s)
        if now_s >= self._retry_s:
            while self._advance(newest, now_s, wall_s):
                pass
        if now_s >= self._flush_due_s:
            self._flush(now_s)
        self._ask_if_due(now_s, wall_s)
        self._tell(now_s)

    def close(self, now_s: float, wall_s: float) -> None:
        """Take the rest, and end the recording."""
        self.step(now_s, wall_s)
        self._flush(now_s)
        self._close_file(now_s)
        self._tell(now_s)

    # --- following the ring

    def _look_for_checkpoint(self) -> None:
        count = self._checkpoints.count
        if count == self._checkpoints_seen or not self._checkpoints.latest(self._checkpoint_words):
            return
        self._checkpoints_seen = count
        self._pending = read_checkpoint(self._checkpoint_words)
        self._waiting = False

    def _advance(self, newest: int, now_s: float, wall_s: float) -> bool:
        """One thing after the other; False when there is nothing more to do now."""
        pending = self._pending
        if pending is not None and pending.ring_count < self._position:
            self._pending = pending = None  # it belongs to ticks that have been dealt with
        if pending is not None and (not self._synced or pending.ring_count == self._position):
            self._pending = None
            return self._take_checkpoint(pending, newest, now_s, wall_s)
        if not self._synced:
            return False
        room = self._capacity - self._filled
        wanted = min(newest if pending is None else min(newest, pending.ring_count), self._position + room)
        return wanted > self._position and self._read(wanted - self._position, now_s)

    def _read(self, ticks: int, now_s: float) -> bool:
        """Read ticks from the ring behind those that wait to be written."""
        behind = slice(self._filled, self._filled + ticks)
        buffer = RecordBuffer(*(part[behind] for part in self._buffer))
        numbers = self._numbers[behind]
        ticks, lost = read_ticks(self._ring, self._position, buffer, self._digests[behind], numbers, ticks)
        if lost:
            self._lose_track(now_s)
            return False
        wrong = np.flatnonzero(numbers[:ticks] != self._next_tick + np.arange(ticks))
        if len(wrong):
            ticks = int(wrong[0])
        if self._filled == 0 and ticks:
            self._flush_due_s = now_s + CHUNK_S
        self._filled += ticks
        self._position += ticks
        self._next_tick += ticks
        if len(wrong):  # control began anew: its state is another one
            self._lose_track(now_s)
            self._close_file(now_s)
            return False
        if self._filled == self._capacity:
            self._flush(now_s)
        return True

    def _lose_track(self, now_s: float) -> None:
        """What follows cannot be replayed without a checkpoint. `position` stays: the next one tells what is lost."""
        self._flush(now_s)
        self._synced = False
        self._waiting = False

    def _take_checkpoint(self, checkpoint: PublishedCheckpoint, newest: int, now_s: float, wall_s: float) -> bool:
        """Go on, or begin, from a checkpoint."""
        if newest - checkpoint.ring_count > len(self._ring.numbers):
            return False  # overwritten meanwhile: the next one is asked for
        self._flush(now_s)
        skipped = checkpoint.ring_count - self._position
        same_run = checkpoint.tick - self._next_tick == skipped
        if self._file is not None and (not same_run or self._rotates(wall_s)):
            self._close_file(now_s)
        self.record["dropped_ticks"] += skipped
        self._position, self._next_tick = checkpoint.ring_count, checkpoint.tick
        if self._file is None and not self._open_file(checkpoint.tick, now_s, wall_s):
            return False
        self._write(lambda file: _put_checkpoint(file, checkpoint), now_s)
        self._synced = self._file is not None
        if self._synced:
            self.record["last_checkpoint_tick"] = checkpoint.tick
            self._checkpoint_due_s = now_s + self._rules.checkpoint_s
        return self._synced

    def _rotates(self, wall_s: float) -> bool:
        """A new recording is due: by age, by size, or because the wall clock was set back."""
        if self._file is None:
            return False
        in_time = self._boundary_s - self._rules.segment_s - CLOCK_SLACK_S <= wall_s < self._boundary_s
        return not in_time or self._file.bytes >= self._rules.segment_bytes

    def _ask_if_due(self, now_s: float, wall_s: float) -> None:
        """Raise the request for a checkpoint, and again when nobody answers."""
        if self._synced and now_s < self._checkpoint_due_s and not self._rotates(wall_s):
            return
        if now_s < self._retry_s or self._pending is not None or (self._waiting and now_s < self._asked_s + ANSWER_S):
            return
        self._waiting, self._asked_s = True, now_s
        self.record["checkpoint_request"] += 1

    # --- the file

    def _open_file(self, tick: int, now_s: float, wall_s: float) -> bool:
        self._look_at_disk(now_s, wall_s)
        if now_s < self._retry_s:
            return False
        source = self._source
        header = live_header(source.system, source.size, source.cycle_s, source.start, tick, now_s, wall_s)
        path = segment_path(self._folder, source.name, wall_s)
        try:
            self._file = Recorder(path, header, sync_every=1, opener=self._opener)
        except UserError as error:
            self._fail(error, now_s)
            with suppress(OSError):
                path.unlink()  # a header without ticks is of no use
            return False
        with suppress(OSError):
            sync_folder(self._folder)
        self._file_bytes, self._empty = 0, True
        self._boundary_s = next_boundary_s(wall_s, self._rules.segment_s)
        return True

    def _flush(self, now_s: float) -> None:
        """Write the rows that wait."""
        self._flush_due_s = math.inf
        ticks = self._filled
        if not ticks:
            return
        if self._write(lambda file: file.chunk(self._buffer, ticks, self._digests), now_s):
            self.record["recorded_ticks"] += ticks
            self._empty = False
        else:
            self.record["dropped_ticks"] += ticks
        self._filled = 0

    def _write(self, what: Callable[[Recorder], None], now_s: float) -> bool:
        """Do something with the file; False when it failed, or there is none."""
        file = self._file
        if file is None:
            return False
        try:
            what(file)
        except UserError as error:
            self._fail(error, now_s)
            return False
        finally:
            self.record["bytes_written"] += file.bytes - self._file_bytes
            self._file_bytes = file.bytes
        return True

    def _close_file(self, now_s: float) -> None:
        if self._write(Recorder.close, now_s):
            self._give_up_file()

    def _give_up_file(self) -> None:
        """Nothing is added to this recording any more; one without ticks is of no use."""
        path, self._file = self.path, None
        if path is None:
            return
        if self._empty:
            with suppress(OSError):
                path.unlink()
        else:
            self._on_closed(path)

    def _fail(self, error: UserError, now_s: float) -> None:
        """The disk is full or fails: what was written stays, and it is tried again in a while."""
        number = error.__cause__.errno if isinstance(error.__cause__, OSError) else None
        self._pause(RECORDER_FULL if number in (errno.ENOSPC, errno.EDQUOT) else RECORDER_ERROR, now_s)
        self.record["disk_errors"] += 1
        self._give_up_file()

    def _pause(self, state: int, now_s: float) -> None:
        self.record["state"] = state
        self._synced = self._waiting = False
        self._retry_s = now_s + RETRY_S

    # --- the disk

    def _look_at_disk(self, now_s: float, wall_s: float) -> None:
        """Remove what the rules do not keep; stop where even that leaves too little space."""
        self._disk_due_s = now_s + DISK_S
        segments = listed(self._folder)
        try:
            disk = self._space(self._folder if self._folder.is_dir() else self._folder.parent)
        except OSError:
            return  # whoever opens a file there will hear it
        for path in to_remove(segments, self._rules, wall_s, disk.free, disk.total, self.path):
            with suppress(OSError):
                path.unlink()
        if segments and len(left := listed(self._folder)) != len(segments):
            segments = left
            with suppress(OSError):
                disk = self._space(self._folder)
        self.record["segments"] = len(segments)
        self.record["segments_bytes"] = sum(s.size for s in segments)
        self.record["disk_free_bytes"] = disk.free
        if disk.free < self._rules.floor_bytes(disk.total):
            self._flush(now_s)
            self._close_file(now_s)
            self._pause(RECORDER_FULL, now_s)

    def _tell(self, now_s: float) -> None:
        r = self.record[0]
        r["time_s"] = now_s
        if self._synced:
            r["state"] = RECORDER_RECORDING
        elif now_s >= self._retry_s:
            r["state"] = RECORDER_WAITING
        recorded_s = r["recorded_ticks"] * self._source.cycle_s
        if recorded_s >= RATE_AFTER_S:
            r["bytes_per_day"] = r["bytes_written"] / recorded_s * 86400.0


def _put_checkpoint(file: Recorder, checkpoint: PublishedCheckpoint) -> None:
    file.skip_to(checkpoint.tick)
    file.checkpoint(checkpoint.state)
