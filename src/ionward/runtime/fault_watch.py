"""Keeps the fault memory while a BMS runs: looks at what control publishes, and takes what is new to disk.

Beside the tick and without a word in it. An occurrence is on disk within one look, with the second before it; the
second after follows when it is over. What changes otherwise is written at most once a second.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ionward.image.blocks import Block, Integers, order_memory, words_of
from ionward.image.faults import FAULTS
from ionward.image.inputs import CHANNELS, COMMAND_RECORD
from ionward.image.layout import Size
from ionward.image.signals import (
    EVENT,
    EVENT_SLOTS,
    FAULT,
    IMAGE_RECORD,
    LEVEL_NONE,
    MEASURED,
    STATE_CONNECTED,
)
from ionward.runtime import fault_log as log
from ionward.runtime.fault_frames import AFTER_S, RASTER_S, Frame, Seen, Window
from ionward.runtime.fault_log import FIRST, LATEST, FaultLog, Stored
from ionward.runtime.fault_memory import Entry, Key
from ionward.runtime.live_blocks import image_words
from ionward.runtime.ring import COMMAND_AT
from ionward.runtime.survival_record import Pack

WRITE_PERIOD_S = 1.0
RETRY_S = 5.0  # after a failure to write
# A fault that comes again and again has its latest frame renewed this often.
FRAME_PERIOD_S = 600.0
# The file is written anew when it is larger than this, and than twice what it had when it was last.
COMPACT_BYTES = 1 << 20
# A control that stands still sends no more images: frames are closed without their second after.
GIVE_UP_S = 3.0

_CLEAR_AT = 1 + COMMAND_AT + list(COMMAND_RECORD.names or ()).index("clear_count")


class _Waiting(NamedTuple):
    """A frame whose second after is not over."""

    key: Key
    which: str
    time_s: float
    wall_s: float
    due_s: float


class ImageReader:
    """Scalars, channels, faults and events out of the slots of `image.block`, without the cells."""

    def __init__(self, block: Block, size: Size) -> None:
        self._block = block
        scalars, channels = words_of(IMAGE_RECORD), len(MEASURED) * CHANNELS
        faults, events = len(FAULT) * len(FAULTS), len(EVENT) * EVENT_SLOTS
        whole = image_words(size)
        self._head = slice(1, 1 + scalars + channels)
        self._faults = slice(1 + whole - events - faults, 1 + whole - events)
        self._events = slice(1 + whole - events, 1 + whole)
        self._words = np.zeros(scalars + channels + faults + events, np.int64)
        parts = np.split(self._words, np.cumsum([scalars, channels, faults]))
        self.seen = Seen(
            parts[0].view(IMAGE_RECORD),
            parts[1].view(np.float64).reshape(len(MEASURED), CHANNELS),
            parts[2].view(np.float64).reshape(len(FAULT), len(FAULTS)),
        )
        self.events = parts[3].view(np.float64).reshape(len(EVENT), EVENT_SLOTS)
        self._parts = ((self._head, self._words[: scalars + channels]), (self._faults, parts[2]))
        self._event_words = parts[3]
        self._event_count = -1

    def read(self, number: int) -> bool:
        """Take the image of this count; False where it is not there any more."""
        block = self._block
        slots = block.numbers
        if number <= block.count - len(slots):
            return False
        row: Integers = slots[(number - 1) % len(slots)]
        order_memory()
        if row[0] != number or row[-1] != number:
            return False
        for part, into in self._parts:
            into[:] = row[part]
        count = int(self.seen.scalars["event_count"][0])
        if count != self._event_count:
            self._event_words[:] = row[self._events]
        order_memory()
        if row[0] != number:
            self._event_count = -1
            return False
        self._event_count = count
        return True


class FaultWatch:
    """Follows `image.block` and `ring.block`; `stored` is the memory as it is now.

    Args:
        images: `image.block`.
        ring: `ring.block`: it carries the commands that control has taken.
        size: of the pack.
        raster_s: distance of two images.
        pack: whose memory it is.
        boot: this boot of the machine (`survival.boot_id`).
        folder: the state folder.
        wall_s: wall time now.
        disk: what writes the file; tests put others in its place.
    """

    def __init__(
        self, images: Block, ring: Block, size: Size, raster_s: float, pack: Pack, boot: str, folder: Path,
        wall_s: float, disk: FaultLog | None = None,
    ) -> None:  # fmt: skip
        self.errors = 0
        self._images, self._ring, self._boot = images, ring, boot
        self._reader = ImageReader(images, size)
        self._window = Window(raster_s)
        self._disk = disk or FaultLog(folder)
        self.stored = self._load(pack, wall_s)
        self._seen_count = max(images.count - len(images.numbers), 0)
        self._seen_s = self.stored.seen_s if self.stored.boot == boot else -math.inf
        self.stored.boot = boot
        self._events = 0
        self._faults = np.full((2, len(FAULTS)), np.nan)
        self._clears = self._clear_count()
        self._waiting: list[_Waiting] = []
        self._frames: set[log.FrameKey] = set()  # to be written
        self._whole = False  # the file is to be written anew
        self._begun_bytes = 0
        self._due_s = self._retry_s = -math.inf
        self._start_file()

    # --- the file

    def _load(self, pack: Pack, wall_s: float) -> Stored:
        """What is kept, or an empty memory that says why what is there cannot be used; that is put aside."""
        try:
            found = log.read_log(self._disk.path)
        except OSError as error:
            aside = self._disk.put_aside(wall_s)
            return Stored(pack, notes=[(wall_s, f"{log.FILE}: {error.strerror}; kept aside as {aside}, begun anew")])
        if found.pack is not None and found.pack[:2] != pack[:2]:
            aside = self._disk.put_aside(wall_s)
            text = f"the fault memory of another pack ('{found.pack.name}') was put aside as {aside}"
            return Stored(pack, notes=[(wall_s, text)])
        if found.damaged or (found.pack is None and self._disk.size()):
            aside = self._disk.put_aside(wall_s)
            why = "; ".join(found.problems) or "no record in it is whole"
            found.notes = [*found.notes, (wall_s, f"{why}; the damaged file is kept as {aside}")][-log.NOTES_MAX :]
        found.pack, found.damaged, found.problems = pack, False, []
        return found

    def _start_file(self) -> None:
        """A file that begins whole: no torn record at its end, nothing that does not count any more."""
        try:
            self._begin_file()
        except OSError:
            self.errors += 1
            self._whole = True

    def _begin_file(self) -> None:
        self._disk.replace(log.everything(self.stored))
        self._begun_bytes = self._disk.size()

    # --- looking

    def step(self, now_s: float, wall_s: float) -> None:
        """Look at all images since the last look; `wall_s` is the wall time at `now_s`."""
        wall_of = wall_s - now_s
        self._look_for_clear(wall_s)
        newest = self._images.count
        first = max(self._seen_count, newest - len(self._images.numbers)) + 1
        for number in range(first, newest + 1):
            if self._reader.read(number):
                self._window.add(self._reader.seen)
                self._take_image(wall_of)
        self._seen_count = newest
        self._close_frames(now_s)
        self._write(now_s)

    def end(self, now_s: float, wall_s: float) -> None:
        """Control has ended: take the last images, and write whatever is not on disk yet."""
        self.step(now_s, wall_s)
        self._close_frames(math.inf)
        self._due_s = self._retry_s = -math.inf
        self._write(now_s)

    def _take_image(self, wall_of: float) -> None:
        seen, memory = self._reader.seen, self.stored.memory
        scalars = seen.scalars[0]
        time_s = float(scalars["time_s"])
        wall_s = wall_of + time_s
        memory.live(int(scalars["state"]) == STATE_CONNECTED, wall_s)
        self._take_events(int(scalars["event_count"]), wall_of)
        now = seen.faults[[FAULT.level, FAULT.latched_level]]
        if not np.array_equal(now, self._faults):
            self._faults[:] = now
            for entry in memory.sync(seen.faults, wall_s):
                self._occurred(entry, time_s, wall_s)

    def _take_events(self, count: int, wall_of: float) -> None:
        if count < self._events:
            self._events = 0  # control has begun anew
        for n in range(max(self._events, count - EVENT_SLOTS), count):
            row = self._reader.events[:, n % EVENT_SLOTS]
            time_s, number = float(row[EVENT.time_s]), int(row[EVENT.fault])
            if not time_s > self._seen_s or not 0 <= number < len(FAULTS):
                continue
            fault = FAULTS[number]
            place = int(row[EVENT.place]) if fault.scope != "pack" and math.isfinite(row[EVENT.place]) else -1
            level, previous = int(row[EVENT.level]), int(row[EVENT.previous_level])
            value, wall_s = float(row[EVENT.value]), wall_of + time_s
            entry = self.stored.memory.event(fault.dtc, place, level, previous, value, wall_s)
            if entry is not None:
                self._occurred(entry, time_s, wall_s)
        if count > self._events:
            self._events = count
            newest = float(self._reader.events[EVENT.time_s, (count - 1) % EVENT_SLOTS])
            self._seen_s = self.stored.seen_s = max(self._seen_s, newest)

    def _occurred(self, entry: Entry, time_s: float, wall_s: float) -> None:
        """A fault was raised: keep what is known around it, now and when the second after is over."""
        frames, key = self.stored.frames, entry.key
        which = FIRST if entry.count == 1 else LATEST
        before = frames.get((*key, which))
        if entry.level == LEVEL_NONE or (before is not None and 0.0 <= wall_s - before.wall_s < FRAME_PERIOD_S):
            return  # seen as a latch only, or too soon after the last one
        waiting = _Waiting(key, which, time_s, wall_s, time_s + AFTER_S + GIVE_UP_S)
        self._waiting.append(waiting)
        self._keep_frame(waiting)

    def _keep_frame(self, waiting: _Waiting) -> Frame | None:
        number = next(k for k, fault in enumerate(FAULTS) if fault.dtc == waiting.key[0])
        frame = self._window.cut(waiting.time_s, number, waiting.wall_s)
        if frame is not None and waiting.key in self.stored.memory.entries:
            self.stored.frames[*waiting.key, waiting.which] = frame
            self._frames.add((*waiting.key, waiting.which))
        return frame

    def _close_frames(self, now_s: float) -> None:
        """Take the frames whose second after is over, or will not come."""
        still = []
        for waiting in self._waiting:
            over = self._window.newest_s >= waiting.time_s + AFTER_S
            if over or now_s > waiting.due_s:
                self._keep_frame(waiting)
            else:
                still.append(waiting)
        self._waiting = still

    def _clear_count(self) -> int:
        count = self._ring.count
        return int(self._ring.numbers[(count - 1) % len(self._ring.numbers), _CLEAR_AT]) if count else 0

    def _look_for_clear(self, wall_s: float) -> None:
        """Control counts each `clear_faults` that it has taken up; a smaller number is that of a new control."""
        count, before = self._clear_count(), self._clears
        self._clears = count
        if count > before:
            self.stored.memory.clear(wall_s)
            for key in [key for key in self.stored.frames if key[:2] not in self.stored.memory.entries]:
                del self.stored.frames[key]

    # --- writing

    def _write(self, now_s: float) -> None:
        memory = self.stored.memory
        urgent = memory.urgent or bool(self._frames)
        new = memory.changed or memory.dropped or urgent or self._whole
        if not new or now_s < self._retry_s or (now_s < self._due_s and not urgent):
            return
        self._due_s = now_s + WRITE_PERIOD_S
        try:
            self._to_disk()
        except OSError:
            self.errors += 1
            self._retry_s = now_s + RETRY_S
            self._whole = True  # what is missing is not known: everything is written then
            return
        memory.changed.clear()
        memory.dropped.clear()
        self._frames.clear()
        memory.urgent = self._whole = False

    def _to_disk(self) -> None:
        stored, memory = self.stored, self.stored.memory
        for dropped in memory.dropped:
            for which in log.WHICH:
                if dropped not in memory.entries:
                    stored.frames.pop((*dropped, which), None)
        if self._whole or self._disk.size() > max(COMPACT_BYTES, 2 * self._begun_bytes):
            self._begin_file()
            return
        self._disk.append([
            *(log.drop_record(key) for key in sorted(memory.dropped)),
            *(log.entry_record(memory.entries[key]) for key in sorted(memory.changed) if key in memory.entries),
            *(log.frame_record(key[:2], key[2], stored.frames[key]) for key in sorted(self._frames)
              if key in stored.frames),
            log.cycle_record(memory),
            log.seen_record(self._boot, stored.seen_s),
        ])  # fmt: skip


def image_raster_s(cycle_s: float) -> float:
    """Distance of two images that control publishes: whole cycles."""
    return cycle_s * max(1, round(RASTER_S / cycle_s))
