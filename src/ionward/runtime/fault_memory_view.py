"""The fault memory as plain values, the same for the HTTP API, the dashboard and the command line."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ionward.image import signals as sg
from ionward.image.events import place_words
from ionward.runtime.fault_frames import CHOICES, JUDGED, MEANINGS, UNITS, Frame
from ionward.runtime.fault_log import FILE, WHICH, Stored, read_log
from ionward.runtime.fault_memory import AGEING_CYCLES, AVAILABLE, BY_DTC, Entry
from ionward.runtime.live_state import iso_time
from ionward.runtime.live_values import number, numbers, word

# How finely columns are told; everything else with three decimals.
DIGITS = {"cell_voltage_min_v": 4, "cell_voltage_max_v": 4, "soc": 5, JUDGED: 5}
JUDGED_MEANING = "What the fault's own rule judged"


Raised = tuple[int, float]  # place and value


class MemoryReader:
    """The memory of a state folder, read again when its file has changed."""

    def __init__(self, state_dir: Path | str) -> None:
        self.path = Path(state_dir) / FILE
        self._known: tuple[int, int, int] | None = None
        self._stored = Stored()

    def read(self) -> Stored:
        """What is on disk now, with frames that have no rows. A file that cannot be read is told in `problems`."""
        try:
            found = self.path.stat()
            known = (found.st_ino, found.st_size, found.st_mtime_ns)
            if known != self._known:
                self._stored, self._known = read_log(self.path, values=False), known
        except FileNotFoundError:
            self._stored, self._known = Stored(), None
        except OSError as error:
            self._stored, self._known = Stored(problems=[f"{self.path}: {error.strerror}; check its rights"]), None
        return self._stored

    def read_frames(self) -> Stored:
        """The same with what stands in the frames: to be asked for one fault now and then."""
        try:
            return read_log(self.path)
        except OSError as error:
            return Stored(problems=[f"{self.path}: {error.strerror}; check its rights"])


def memory_view(stored: Stored) -> dict[str, Any]:
    """The whole memory without its frames: `entries` (what stands first, then the latest first), `cycle`, …"""
    memory = stored.memory
    entries = sorted(memory.entries.values(), key=lambda e: (not e.failed, not e.latched, -_known(e.last_s)))
    return {
        "entries": [entry_view(entry, stored) for entry in entries],
        "cycle": memory.cycle,
        "cycle_began": iso_time(memory.cycle_began_s),
        "cleared": iso_time(memory.cleared_s),
        "ageing_cycles": AGEING_CYCLES,
        "status_available": AVAILABLE,
        "lost": memory.lost,
        "notes": [{"time": iso_time(wall_s), "text": text} for wall_s, text in stored.notes],
        "problems": list(stored.problems),
    }


def entry_view(entry: Entry, stored: Stored) -> dict[str, Any]:
    """One fault at one place."""
    fault = BY_DTC[entry.dtc]
    return {
        "fault": fault.id,
        "name": fault.name,
        "meaning": fault.meaning,
        "action": fault.action,
        "dtc": f"{fault.dtc:06X}",
        "place": entry.place,
        "where": place_words(fault, entry.place),
        "status": entry.status,
        "test_failed": entry.failed,
        "failed_this_cycle": entry.this_cycle,
        "pending": entry.pending,
        "confirmed": entry.confirmed,
        "latched": entry.latched,
        "service": fault.service,
        "level": word(sg.LEVELS, entry.level),
        "worst": word(sg.LEVELS, entry.worst),
        "count": entry.count,
        "first": iso_time(entry.first_s),
        "last": iso_time(entry.last_s),
        "value": number(entry.value),
        "unit": fault.unit,
        "cycles_without": entry.aged,
        "frames": [which for which in WHICH if (*entry.key, which) in stored.frames],
    }


def one_fault(stored: Stored, fault_id: str, place: int | None = None) -> list[dict[str, Any]]:
    """The entries of one fault (at one place) with their freeze frames, the latest first."""
    found = [
        entry
        for entry in stored.memory.entries.values()
        if BY_DTC[entry.dtc].id == fault_id and (place is None or entry.place == place)
    ]
    return [
        entry_view(entry, stored)
        | {"frames": {
            which: frame_view(stored.frames[*entry.key, which], BY_DTC[entry.dtc].unit)
            for which in WHICH if (*entry.key, which) in stored.frames
        }}
        for entry in sorted(found, key=lambda entry: -_known(entry.last_s))
    ]  # fmt: skip


def latched_at(stored: Stored) -> dict[str, Raised]:
    """Where and with which value each latched fault was raised last; the fault block knows the worst place of now."""
    latched = sorted((e for e in stored.memory.entries.values() if e.latched), key=lambda entry: _known(entry.last_s))
    return {BY_DTC[entry.dtc].id: (entry.place, entry.value) for entry in latched}


def frame_view(frame: Frame, unit: str) -> dict[str, Any]:
    """A freeze frame: `time_s` from the fault, and `signals` with `unit`, `meaning`, `choices` and `values`.

    `unit` is that of what the fault's rule judges.
    """
    return {
        "time": iso_time(frame.wall_s),
        "complete": frame.complete,
        "gaps": frame.gaps,
        "time_s": numbers(frame.column("time_s"), 3),
        "signals": {
            name: {
                "unit": unit if name == JUDGED else UNITS.get(name, ""),
                "meaning": JUDGED_MEANING if name == JUDGED else MEANINGS.get(name, name),
                "choices": list(CHOICES.get(name, ())),
                "values": numbers(frame.column(name).astype(float), DIGITS.get(name, 3)),
            }
            for name in frame.columns
        },
    }


def _known(wall_s: float) -> float:
    return wall_s if math.isfinite(wall_s) else -math.inf
