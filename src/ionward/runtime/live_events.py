"""What has happened: a log made from the image's event ring and from changes that a screen can see.

Faults come from the ring, which control keeps; changes of state, contactors, enables, trips, processes, and commands
with their answers are noted here. A few key values are kept ten times a second, so that every event can show what was
before and after it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ionward.image import exchange as ex
from ionward.image import signals as sg
from ionward.image.events import describe, ends_mask, place_words
from ionward.image.faults import BY_ID, FAULTS
from ionward.image.inputs import CHANNEL
from ionward.image.signals import EVENT, EVENT_SLOTS, FAULT, MEASURED
from ionward.runtime.live_snapshot import Snapshot, contact_positions, enables
from ionward.runtime.live_state import iso_time, reason_words
from ionward.runtime.live_values import number, numbers, whole, word

KEPT = 2000
TRACE_PERIOD_S = 0.1
TRACE_ROWS = 100  # ten seconds
AROUND_S = 2.0

# What is kept around events: name, unit, and how it is read.
TRACED: tuple[tuple[str, str, Callable[[Snapshot], float]], ...] = (
    ("pack_voltage_v", "V", lambda s: s.image.channels[MEASURED.value, CHANNEL.pack_voltage_v]),
    ("bus_voltage_v", "V", lambda s: s.image.channels[MEASURED.value, CHANNEL.bus_voltage_v]),
    ("current_a", "A", lambda s: s.image.scalars["current_a"][0]),
    ("soc", "", lambda s: s.image.scalars["soc"][0]),
    ("cell_voltage_min_v", "V", lambda s: s.image.scalars["cell_voltage_min_v"][0]),
    ("cell_voltage_max_v", "V", lambda s: s.image.scalars["cell_voltage_max_v"][0]),
    ("temperature_min_c", "°C", lambda s: s.image.scalars["temperature_min_c"][0]),
    ("temperature_max_c", "°C", lambda s: s.image.scalars["temperature_max_c"][0]),
    ("charge_limit_a", "A", lambda s: s.image.scalars["charge_limit_a"][0]),
    ("discharge_limit_a", "A", lambda s: s.image.scalars["discharge_limit_a"][0]),
    ("main_positive", "", lambda s: s.driven["main_positive"][0]),
    ("control_enable", "", lambda s: s.driven["control_enable"][0]),
    ("guard_enable", "", lambda s: s.driven["guard_enable"][0]),
)


@dataclass
class Event:
    """One event. `time_s` is monotonic; `level` is a fault's level, or info for what is no fault."""

    number: int
    time_s: float
    wall_s: float | None
    kind: str
    level: str
    text: str
    fault: str = ""
    place: int = -1
    value: float = math.nan
    trace: npt.NDArray[np.float64] | None = None
    waiting: bool = True

    def as_dict(self) -> dict[str, Any]:
        """As values that JSON can hold."""
        fault = BY_ID.get(self.fault)
        return {
            "number": self.number,
            "time": iso_time(self.wall_s),
            "wall_s": None if self.wall_s is None else number(self.wall_s, 3),
            "kind": self.kind,
            "level": self.level,
            "fault": self.fault,
            "name": fault.name if fault else "",
            "action": fault.action if fault else "",
            "place": self.place,
            "where": place_words(fault, self.place) if fault else "",
            "value": number(self.value),
            "unit": fault.unit if fault else "",
            "text": self.text,
            "has_values": self.trace is not None,
        }


class Trace:
    """The last seconds of the key values: `rows` `[TRACE_ROWS, 1 + len(TRACED)]`, the first column is the time."""

    def __init__(self) -> None:
        self.rows = np.full((TRACE_ROWS, 1 + len(TRACED)), np.nan)
        self._next = 0
        self._last_s = -math.inf

    def keep(self, s: Snapshot) -> None:
        """Take a row when it is time for one."""
        if s.now_s - self._last_s < TRACE_PERIOD_S * 0.9:
            return
        self._last_s = s.now_s
        self.rows[self._next] = (s.now_s, *(read(s) for _, _, read in TRACED))
        self._next = (self._next + 1) % TRACE_ROWS

    def around(self, time_s: float) -> npt.NDArray[np.float64] | None:
        """The rows within two seconds of a time, oldest first; None when there are none."""
        times = self.rows[:, 0]
        near = self.rows[np.abs(times - time_s) <= AROUND_S]
        return near[np.argsort(near[:, 0])].copy() if len(near) else None


class EventLog:
    """Events, newest last, at most `KEPT`. Call `look` whenever there may be something new."""

    def __init__(self, keep: int = KEPT) -> None:
        self.events: deque[Event] = deque(maxlen=keep)
        self.lost = 0
        self.trace = Trace()
        self._number = 0
        self._seen = 0
        self._before: dict[str, Any] = {}
        self._waiting: list[Event] = []

    def look(self, s: Snapshot) -> None:
        """Note what is new since the last look."""
        self.trace.keep(s)
        self._read_ring(s)
        self._compare(s)
        self._complete(s)

    def note(self, s: Snapshot, kind: str, text: str, level: str = "info", time_s: float | None = None) -> None:
        """Note something that is no fault of the catalogue."""
        self._add(s, Event(0, s.now_s if time_s is None else time_s, None, kind, level, text))

    def newest(self, limit: int | None = None, kind: str = "", since: int = 0) -> list[dict[str, Any]]:
        """Events as plain values, newest first: of one kind, with a number above `since`."""
        out: list[dict[str, Any]] = []
        for event in reversed(self.events):
            if event.number <= since or (limit is not None and len(out) >= limit):
                break
            if not kind or event.kind == kind:
                out.append(event.as_dict())
        return out

    def values(self, event_number: int) -> dict[str, Any] | None:
        """The key values around an event: `signals` with `unit, values, before, after` over `time_s` around it.

        None: no such event, or none were kept.
        """
        found = next((e for e in self.events if e.number == event_number), None)
        if found is None:
            return None
        rows = found.trace if found.trace is not None else self.trace.around(found.time_s)
        if rows is None:
            return None
        ahead_s = rows[:, 0] - found.time_s
        before, after = np.flatnonzero(ahead_s < 0), np.flatnonzero(ahead_s >= 0)
        signals = {}
        for k, (name, unit, _) in enumerate(TRACED, 1):
            signals[name] = {
                "unit": unit,
                "values": numbers(rows[:, k], 5),
                "before": number(rows[before[-1], k], 5) if len(before) else None,
                "after": number(rows[after[-1], k], 5) if len(after) else None,
            }
        return {"event": found.as_dict(), "time_s": numbers(ahead_s, 3), "signals": signals}

    def by_fault(self, s: Snapshot) -> list[dict[str, Any]]:
        """Each fault that has happened: when first and last, how often, its level now; the latest first."""
        first: dict[str, Event] = {}
        last: dict[str, Event] = {}
        for event in self.events:
            if event.kind == "fault" and event.level != "none":
                first.setdefault(event.fault, event)
                last[event.fault] = event
        out = []
        for k, fault in enumerate(FAULTS):
            column = s.image.faults[:, k]
            count = whole(column[FAULT.count], 0)
            if fault.id not in last and count == 0 and not column[FAULT.level] and not column[FAULT.latched_level]:
                continue
            begun, ended = first.get(fault.id), last.get(fault.id)
            out.append(
                {
                    "fault": fault.id,
                    "name": fault.name,
                    "action": fault.action,
                    "service": fault.service,
                    "level": word(sg.LEVELS, column[FAULT.level]),
                    "latched": bool(column[FAULT.latched_level]),
                    "count": count,
                    "first": iso_time(begun.wall_s) if begun else None,
                    "last": iso_time(ended.wall_s) if ended else None,
                    "place": ended.place if ended else whole(column[FAULT.place]),
                    "text": ended.text if ended else "",
                }
            )
        return sorted(out, key=lambda row: row["last"] or "", reverse=True)

    def _add(self, s: Snapshot, event: Event) -> None:
        self._number += 1
        event.number = self._number
        event.wall_s = s.wall_of(event.time_s)
        self.events.append(event)
        if s.now_s - event.time_s <= AROUND_S + 1.0:
            self._waiting.append(event)
        else:
            event.waiting = False

    def _read_ring(self, s: Snapshot) -> None:
        if not s.seen_image:
            return
        count = int(s.image.scalars["event_count"][0])
        if count < self._seen:  # control has begun anew
            self._seen = 0
        first = max(self._seen, count - EVENT_SLOTS)
        self.lost += first - self._seen
        self._seen = count
        for n in range(first, count):
            row = s.image.events[:, n % EVENT_SLOTS]
            try:
                known = describe(row)
            except (ValueError, IndexError, OverflowError):  # no event of this build
                self.lost += 1
                continue
            text = known["text"]
            value = float(row[EVENT.value])
            kind = "mask" if ends_mask(row) else "fault"
            reason = reason_words(known["fault"], value) if kind == "fault" and known["level"] != "none" else ""
            if reason:
                text = f"{text.partition(' (')[0]} ({reason})"
            event = Event(0, known["time_s"], None, kind, known["level"], text)
            event.fault, event.place, event.value = known["fault"], known["place"], value
            self._add(s, event)

    def _compare(self, s: Snapshot) -> None:
        before, now = self._before, _watched(s)
        self._before = now
        if not before:
            return
        for key, (value, kind, level, text, at_s) in now.items():
            if key in before and before[key][0] != value and text:
                # The time that the process itself gave, where it is of this change.
                self.note(s, kind, text, level, at_s if 0.0 <= s.now_s - at_s <= AROUND_S else s.now_s)

    def _complete(self, s: Snapshot) -> None:
        if not self._waiting:
            return
        still = []
        for event in self._waiting:
            if s.now_s - event.time_s > AROUND_S:
                event.trace, event.waiting = self.trace.around(event.time_s), False
            else:
                still.append(event)
        self._waiting = still


Watched = dict[str, tuple[Any, str, str, str, float]]


def _watched(s: Snapshot) -> Watched:
    """What is compared from look to look, by name: value, kind, level, words for its change, and when it was."""
    out: Watched = {}
    scalars, driven, guard = s.image.scalars[0], s.driven[0], s.guard[0]
    if s.seen_image:
        state, reason = word(sg.STATES, scalars["state"]), word(sg.SEQUENCE_REASONS, scalars["state_reason"])
        since_s = float(scalars["state_since_s"])
        out["state"] = (state, "state", "info", state + (f": {reason}" if reason else ""), since_s)
    if s.seen_driven:
        for name, closed in contact_positions(s)[0].items():
            at_s = math.nan if closed else float(driven["opened_time_s"])
            out[name] = (closed, "contactor", "info", f"{name} {'closed' if closed else 'open'}", at_s)
        for name, given in enables(s).items():
            words = "given" if given else "not given any more"
            out[f"{name}_enable"] = (
                given,
                "enable",
                "info" if given else "warning",
                f"enable of {name} {words}",
                math.nan,
            )
        tripped = int(driven["trip_count"])
        why = word(ex.TRIP_REASONS, driven["trip_reason"])
        text, at_s = f"contactors dropped: {why}", float(driven["trip_time_s"])
        out["trip"] = (tripped, "trip", "critical", text if driven["tripped"] else "", at_s)
        text = "" if driven["tripped"] else "trip acknowledged"
        out["tripped"] = (bool(driven["tripped"]), "trip", "info", text, math.nan)
    if s.seen_guard:
        reason = word(ex.GUARD_REASONS, guard["reason"])
        text = f"guard withholds its enable: {reason}" if guard["reason"] else "guard gives its enable"
        out["guard"] = (int(guard["reason"]), "guard", "warning" if guard["reason"] else "info", text, math.nan)
    for role, record in s.health.items():
        pid = int(record["pid"][0])
        if pid > 0:
            out[f"process {role}"] = (
                pid,
                "process",
                "warning",
                f"process {role} was started again (pid {pid})",
                math.nan,
            )
    out["stopping"] = (bool(s.supervisor["stopping"][0]), "process", "info", "the BMS is being stopped", math.nan)
    return out
