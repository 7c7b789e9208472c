"""From a recording to seconds: its ticks run again, and what the history keeps of each second of wall time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ionward.image.events import describe, ends_mask
from ionward.image.signals import EVENT, EVENT_SLOTS, LEVELS, SEQUENCE_REASONS, STATES
from ionward.runtime import history_tally as watching
from ionward.runtime.history_columns import Kept, kept_signals
from ionward.runtime.playback import Playback, Played
from ionward.runtime.recording import Chunk, Recording
from ionward.runtime.selection import CELLS, CHANNELS, FAULT_BLOCK, MODULES, SCALARS, SENSORS, Gatherer

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

WALL_NOTE = "wall_minus_monotonic_s"
CLOCK_NOISE_S = 1e-6  # a tick at 11.9999999 s belongs to second 12
HOUR_S = 3600


class Event(NamedTuple):
    """Something that happened, in wall time.

    `kind` is "fault" (`name` is the fault's id, `level` and `previous` are fault levels) or "state" (`name` is
    "state", `level` and `previous` are states). `place` is a cell, sensor or channel, -1 none; `value` may be NaN.
    """

    time_s: float
    kind: str
    name: str
    level: str
    previous: str
    place: int
    value: float
    text: str


@dataclass
class Seconds:
    """Seconds of one recording within one hour of wall time, in order.

    `second` `[row]` is wall time in whole seconds, `ticks` `[row]` how many ticks each had, `value` `[row, signal]`
    its mean, last or worst value, `low` and `high` `[row, spread signal]` the extremes; NaN where nothing is known.
    """

    signals: Sequence[Kept]
    second: Ints
    ticks: Ints
    value: Array
    low: Array
    high: Array
    events: list[Event] = field(default_factory=list)


class Watched(Playback):
    """A recording being run again with some values watched at every tick, second by second of wall time."""

    tally: watching.Tally
    offset_s: float
    second: int = -1
    ticks: int = 0
    events_before: int = 0

    def watch(self, places: Ints, offset_s: float) -> None:
        """Say what is watched (see `history_tally`). `offset_s` is wall time minus time of the recording."""
        self.tally, self.offset_s = watching.new_tally(places, int(self.image.scalars["state"][0])), offset_s
        self._numbers, self._counts = self.image.scalars.view(np.float64), self.image.scalars.view(np.int64)

    def _play(self, chunk: Chunk, every: int) -> Iterator[Played]:
        """Runs the ticks of a chunk, pausing after the last tick of each second; `second` and `ticks` tell which."""
        if self.first_tick < 0:
            self.first_tick = self.next_tick
            self.events_before = int(self.image.scalars["event_count"][0])
            self.tally.seen[1] = self.image.scalars["state"][0]
        k = self.next_tick - chunk.first_tick
        time_s = chunk.buffer.time_s
        second = np.floor(time_s + self.offset_s + CLOCK_NOISE_S).astype(np.int64)
        ends = [*(np.flatnonzero(np.diff(second)) + 1), chunk.ticks]
        assert self.parameters is not None
        for stop in (int(end) for end in ends if end > k):
            if second[k] != self.second:
                self.second, self.ticks = int(second[k]), 0
                watching.forget(self.tally)
            watching.play_and_watch(
                self._address, chunk.buffer, k, stop, self.raw, self.command, self.parameters, self.bms.image,
                self.bms.memory, self._numbers, self._counts, self.tally,
            )  # fmt: skip
            self.ticks += stop - k
            self.next_tick = chunk.first_tick + stop
            yield Played(chunk.first_tick + k, time_s[k:stop], np.empty((stop - k, 0)), chunk.digests[k:stop])
            k = stop


class SecondsReader:
    """Reads a recording as seconds. Afterwards `playback` tells what was lost, `lost_events` how many events."""

    def __init__(self, recording: Recording, offset_s: float) -> None:
        self.signals = kept_signals(recording.header.size)
        self.playback = Watched(recording)
        self.lost_events = 0
        self._seen_events = 0
        self._gatherer = Gatherer([kept.column for kept in self.signals])
        self._spread = np.array([k for k, kept in enumerate(self.signals) if kept.kind == "spread"])
        self._worst = np.array([k for k, kept in enumerate(self.signals) if kept.kind == "worst"])
        self._offset_s = offset_s
        self.playback.watch(_places([self.signals[k] for k in (*self._spread, *self._worst)]), offset_s)

    def read(self) -> Iterator[Seconds]:
        """The seconds in order, those of one hour of wall time together."""
        rows: list[tuple[int, int, Array, Array, Array]] = []
        events: list[Event] = []
        for item in self.playback.run():
            if not isinstance(item, Played):
                continue
            if rows and rows[-1][0] // HOUR_S != self.playback.second // HOUR_S:
                yield self._together(rows, events)
                rows, events = [], []
            if rows and rows[-1][0] == self.playback.second:
                rows.pop()  # the same second goes on in another chunk
            rows.append(self._row())
            events += self._events()
        if rows:
            yield self._together(rows, events)

    def _row(self) -> tuple[int, int, Array, Array, Array]:
        """The second so far: number, ticks, values, extremes of the spread signals."""
        playback, tally = self.playback, self.playback.tally
        value = np.empty(len(self.signals))
        self._gatherer.gather(playback.image, playback.raw, playback.command, value)
        known = tally.known > 0
        mean = np.divide(tally.total, tally.known, out=np.full(len(known), np.nan), where=known)
        low, high = np.where(known, tally.low, np.nan), np.where(known, tally.high, np.nan)
        n = len(self._spread)
        value[self._spread] = mean[:n]
        value[self._worst] = high[n:]
        return playback.second, playback.ticks, value, low[:n], high[:n]

    def _together(self, rows: list[tuple[int, int, Array, Array, Array]], events: list[Event]) -> Seconds:
        second, ticks, value, low, high = zip(*rows, strict=True)
        return Seconds(
            self.signals, np.array(second), np.array(ticks), np.array(value), np.array(low), np.array(high), events
        )

    def _events(self) -> list[Event]:
        """What happened since this was asked last."""
        image, tally = self.playback.image, self.playback.tally
        count = int(image.scalars["event_count"][0])
        seen = max(self._seen_events, self.playback.events_before)
        first = max(seen, count - EVENT_SLOTS)
        self.lost_events += first - seen
        self._seen_events = count
        out = [_fault_event(image.events[:, n % EVENT_SLOTS], self._offset_s) for n in range(first, count)]
        kept = min(int(tally.seen[0]), len(tally.changes))
        self.lost_events += int(tally.seen[0]) - kept
        tally.seen[0] = 0
        out += [_state_event(change, self._offset_s) for change in tally.changes[:kept]]
        return sorted(out, key=lambda event: event.time_s)


def _fault_event(row: Array, offset_s: float) -> Event:
    told = describe(row)
    kind, previous = "mask" if ends_mask(row) else "fault", LEVELS[int(row[EVENT.previous_level])]
    return Event(
        told["time_s"] + offset_s, kind, told["fault"], told["level"], previous, told["place"],
        float(row[EVENT.value]), told["text"],
    )  # fmt: skip


def _state_event(change: Array, offset_s: float) -> Event:
    before, after, reason = STATES[int(change[1])], STATES[int(change[2])], SEQUENCE_REASONS[int(change[3])]
    text = f"{before} → {after}" + (f": {reason}" if reason else "")
    return Event(float(change[0]) + offset_s, "state", "state", after, before, -1, float("nan"), text)


_BLOCKS = {CHANNELS: watching.CHANNELS, CELLS: watching.CELLS, SENSORS: watching.SENSORS, MODULES: watching.MODULES,
           FAULT_BLOCK: watching.FAULT_BLOCK}  # fmt: skip


def _places(signals: Sequence[Kept]) -> Ints:
    """Where the values stand, as the compiled loop wants it."""
    out = np.zeros((len(signals), 3), np.int64)
    for k, (column, *_) in enumerate(signals):
        block = _BLOCKS.get(column.block, watching.NUMBERS)
        if column.block == SCALARS and column.is_whole:
            block = watching.COUNTS
        out[k] = block, column.row, column.item
    return out


def first_time_s(recording: Recording) -> float | None:
    """Time of the first tick on the recording's clock; None where there is none."""
    return next((float(item.buffer.time_s[0]) for item in recording.read() if isinstance(item, Chunk)), None)


def wall_offset_s(recording: Recording, first_s: float, epoch_s: float | None = None) -> float:
    """What added to times of a recording gives wall time (seconds since 1970, UTC).

    `first_s` is the time of its first tick, `epoch_s` the wall time of that tick. Without it the recording's own note
    counts; where there is none, its first tick is at 0 s.
    """
    if epoch_s is not None:
        return epoch_s - first_s
    noted = recording.header.start.notes.get(WALL_NOTE)
    return float(noted) if isinstance(noted, int | float) else -first_s


def segment_id(recording: Recording, first_s: float, offset_s: float) -> int:
    """A number for what a recording holds, the same for a copy of it and for a part that begins at its beginning."""
    text = recording.header.to_json() + repr((round(first_s, 6), round(offset_s, 3))).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1
