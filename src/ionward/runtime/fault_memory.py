"""The fault memory: what has failed and where, how often, when first and last, and how long it has stayed away.

Pure: events and the fault block come in, times are arguments. A fault has an entry for each place where it was raised.
Its status is told in the bits of ISO 14229-1 (annex D.2), of which those in `AVAILABLE` are kept:

- A fault that opens contactors is confirmed at once. An info or a warning is pending first, and confirmed when it comes
  in a second operation cycle. What does not come in a whole cycle is pending no more.
- After `AGEING_CYCLES` operation cycles in a row without it an entry is no longer confirmed. What stands or is latched
  does not age.
- An operation cycle begins with a connection, at the earliest `CYCLE_MIN_S` after the one before, at the latest after
  `CYCLE_MAX_S`: storage that stays connected for months has cycles too, and plugging in and out ages nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ionward.image.faults import BY_ID, FAULTS
from ionward.image.signals import FAULT, LEVEL_FAULT, LEVEL_NONE

Array = npt.NDArray[np.float64]
Key = tuple[int, int]  # trouble code and place

# 40 cycles without a fault, as the legislation on vehicles' on-board diagnosis has it (13 CCR 1968.2).
AGEING_CYCLES = 40
CYCLE_MIN_S = 600.0
CYCLE_MAX_S = 86400.0
TRIPS = 2  # cycles with an info or a warning until it is confirmed
ENTRIES_MAX = 128
PLACES_MAX = 8  # of one fault, so that one that wanders over all cells leaves room for the others

TEST_FAILED, FAILED_THIS_CYCLE, PENDING, CONFIRMED, FAILED_SINCE_CLEAR = 0x01, 0x02, 0x04, 0x08, 0x20
AVAILABLE = TEST_FAILED | FAILED_THIS_CYCLE | PENDING | CONFIRMED | FAILED_SINCE_CLEAR

BY_DTC = {fault.dtc: fault for fault in FAULTS}


@dataclass
class Entry:
    """One fault at one place. Times are seconds since 1970, `level` and `worst` are numbers of `image.signals.LEVELS`.

    `value` is what the rule judged when it was raised last, `aged` counts cycles in a row without the fault, `trips`
    those with it since it was clear or aged.
    """

    dtc: int
    place: int
    count: int = 0
    first_s: float = math.nan
    last_s: float = math.nan
    level: int = LEVEL_NONE
    worst: int = LEVEL_NONE
    value: float = math.nan
    this_cycle: bool = False
    pending: bool = False
    confirmed: bool = False
    latched: bool = False
    aged: int = 0
    trips: int = 0

    @property
    def key(self) -> Key:
        """Trouble code and place."""
        return self.dtc, self.place

    @property
    def failed(self) -> bool:
        """The fault stands here now."""
        return self.level > LEVEL_NONE

    @property
    def kept(self) -> bool:
        """It may be neither cleared nor aged nor pushed out."""
        return self.failed or self.latched

    @property
    def status(self) -> int:
        """The status byte of ISO 14229-1; bits outside `AVAILABLE` are 0."""
        bits = (TEST_FAILED, FAILED_THIS_CYCLE, PENDING, CONFIRMED, FAILED_SINCE_CLEAR)
        on = (self.failed, self.this_cycle, self.pending, self.confirmed, self.count > 0)
        return sum(bit for bit, is_on in zip(bits, on, strict=True) if is_on)


@dataclass
class FaultMemory:
    """All entries. `changed` and `dropped` name what differs from what was written last, `urgent` that it matters."""

    entries: dict[Key, Entry] = field(default_factory=dict)
    cycle: int = 1
    cycle_began_s: float = math.nan
    cleared_s: float = math.nan
    lost: int = 0  # raised faults for which there was no room
    urgent: bool = False  # something new or worse, or a latch: not to wait for long
    changed: set[Key] = field(default_factory=set)
    dropped: set[Key] = field(default_factory=set)
    _was_connected: bool | None = None

    def of(self, dtc: int) -> Iterator[Entry]:
        """Entries of one fault."""
        return (entry for entry in self.entries.values() if entry.dtc == dtc)

    # --- faults come and go

    def event(self, dtc: int, place: int, level: int, previous: int, value: float, wall_s: float) -> Entry | None:
        """A step of a fault's ladder, as the event ring tells it; the entry where this is an occurrence."""
        if level == LEVEL_NONE:
            self._end(dtc)
            return None
        entry = self.entries.get((dtc, place))
        if previous == LEVEL_NONE or (level > previous and (entry is None or not entry.failed)):
            return self._occur(dtc, place, level, value, wall_s)
        for standing in self.of(dtc):
            if standing.failed:
                self._stand(standing, level)
        return None

    def sync(self, faults: Array, wall_s: float) -> list[Entry]:
        """Agree with the fault block `[FAULT, fault]`: latches, and what no event told; the occurrences that follow.

        Faults that stood or were latched before anybody looked have no event: a latch that survived, for example.
        """
        occurred = []
        for k, fault in enumerate(FAULTS):
            level, latched = int(faults[FAULT.level, k]), faults[FAULT.latched_level, k] > LEVEL_NONE
            mine = list(self.of(fault.dtc))
            if level == LEVEL_NONE and any(entry.failed for entry in mine):
                self._end(fault.dtc)
            elif level > LEVEL_NONE and not any(entry.failed for entry in mine):
                entry = self._occur(fault.dtc, _place(faults, k), level, float(faults[FAULT.value, k]), wall_s)
                occurred += [entry] if entry else []
            if latched and not any(entry.latched for entry in mine):
                occurred += self._latch(fault.dtc, k, faults, wall_s)
            elif not latched:
                for entry in mine:
                    self.urgent = self.urgent or entry.latched
                    self._change(entry, latched=False)
        return occurred

    def _latch(self, dtc: int, k: int, faults: Array, wall_s: float) -> list[Entry]:
        """Mark what is latched: where the fault stands, else where it was last; else it is new to us."""
        mine = list(self.of(dtc))
        standing = [entry for entry in mine if entry.failed] or sorted(mine, key=lambda entry: entry.last_s)[-1:]
        occurred = []
        if not standing:
            entry = self._occur(dtc, _place(faults, k), int(faults[FAULT.latched_level, k]), math.nan, wall_s)
            if entry is None:
                return []
            if faults[FAULT.level, k] == LEVEL_NONE:
                entry.level = LEVEL_NONE
            standing = occurred = [entry]
        for entry in standing:
            self._change(entry, latched=True)
        self.urgent = True
        return occurred

    def _occur(self, dtc: int, place: int, level: int, value: float, wall_s: float) -> Entry | None:
        entry = self.entries.get((dtc, place))
        if entry is None:
            if dtc not in BY_DTC or not self._make_room(dtc):
                self.lost += 1
                return None
            entry = self.entries[dtc, place] = Entry(dtc, place, first_s=wall_s)
            self.dropped.discard(entry.key)
        entry.count += 1
        entry.last_s, entry.value, entry.aged = wall_s, value, 0
        if not entry.this_cycle:
            entry.this_cycle, entry.trips = True, entry.trips + 1
        entry.pending = True
        self._stand(entry, level)
        return entry

    def _stand(self, entry: Entry, level: int) -> None:
        self.urgent = self.urgent or level > entry.worst
        entry.level, entry.worst = level, max(entry.worst, level)
        entry.confirmed = entry.confirmed or level >= LEVEL_FAULT or entry.trips >= TRIPS
        self.changed.add(entry.key)

    def _end(self, dtc: int) -> None:
        for entry in self.of(dtc):
            self._change(entry, level=LEVEL_NONE)

    def _change(self, entry: Entry, **values: object) -> None:
        for name, value in values.items():
            if getattr(entry, name) != value:
                setattr(entry, name, value)
                self.changed.add(entry.key)

    # --- cycles, clearing, room

    def live(self, connected: bool, wall_s: float) -> bool:
        """Let time pass; True when a new operation cycle begins."""
        began = connected and self._was_connected is False
        self._was_connected = connected
        if not math.isfinite(self.cycle_began_s):
            self.cycle_began_s, self.urgent = wall_s, True
            return False
        # A clock that was set back begins none; one that was set forward at most one too many.
        length_s = wall_s - self.cycle_began_s
        if not ((began and length_s >= CYCLE_MIN_S) or length_s >= CYCLE_MAX_S):
            return False
        self._next_cycle(wall_s)
        return True

    def _next_cycle(self, wall_s: float) -> None:
        self.cycle, self.cycle_began_s, self.urgent = self.cycle + 1, wall_s, True
        for entry in self.entries.values():
            self.changed.add(entry.key)
            if entry.failed:
                entry.trips += 1
                self._stand(entry, entry.level)
                continue
            if not entry.this_cycle:
                entry.pending = False
                if not entry.latched:
                    entry.aged = min(entry.aged + 1, AGEING_CYCLES)
            entry.this_cycle = False
            if entry.aged >= AGEING_CYCLES:
                entry.confirmed, entry.trips = False, 0

    def clear(self, wall_s: float) -> list[Key]:
        """Forget what neither stands nor is latched; what was forgotten."""
        gone = [key for key, entry in self.entries.items() if not entry.kept]
        for key in gone:
            self._drop(key)
        self.cleared_s, self.urgent = wall_s, True
        return gone

    def _drop(self, key: Key) -> None:
        del self.entries[key]
        self.changed.discard(key)
        self.dropped.add(key)

    def _make_room(self, dtc: int) -> bool:
        """Room for one entry more; False where all that could go is latched."""
        mine = list(self.of(dtc))
        if len(mine) >= PLACES_MAX:
            return self._push_out(mine)
        return len(self.entries) < ENTRIES_MAX or self._push_out(list(self.entries.values()))

    def _push_out(self, of: list[Entry]) -> bool:
        """Drop the least of these: one that is over before one that stands, an unconfirmed one, the oldest."""
        free = [entry for entry in of if not entry.latched]
        if not free:
            return False
        self._drop(min(free, key=lambda entry: (entry.failed, entry.confirmed, entry.last_s)).key)
        return True


def _place(faults: Array, k: int) -> int:
    """Place of a fault in the fault block; -1 for the pack."""
    place = faults[FAULT.place, k]
    return int(place) if FAULTS[k].scope != "pack" and math.isfinite(place) else -1


def dtc_of(fault_id: str) -> int:
    """Trouble code of a fault of the catalogue."""
    return BY_ID[fault_id].dtc
