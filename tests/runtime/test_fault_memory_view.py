"""The fault memory as plain values: order, what is told of each entry, and a file that changes or cannot be read."""

from __future__ import annotations

import json
import math
from pathlib import Path

from ionward.image.faults import BY_ID
from ionward.image.signals import LEVEL_FAULT, LEVEL_NONE, LEVEL_WARNING
from ionward.runtime import fault_log as log
from ionward.runtime.fault_log import FaultLog, Stored
from ionward.runtime.fault_memory import FaultMemory
from ionward.runtime.fault_memory_view import MemoryReader, latched_at, memory_view, one_fault

T0 = 1_800_000_000.0
OVERVOLTAGE, HVIL, CRASH = (BY_ID[name].dtc for name in ("cell_overvoltage", "hvil_open", "crash"))


def memory() -> FaultMemory:
    made = FaultMemory()
    made.event(CRASH, -1, LEVEL_FAULT, LEVEL_NONE, math.nan, T0)
    made.event(CRASH, -1, LEVEL_NONE, LEVEL_FAULT, 0.0, T0 + 1)
    made.event(OVERVOLTAGE, 3, LEVEL_WARNING, LEVEL_NONE, 4.24, T0 + 2)
    made.event(OVERVOLTAGE, 3, LEVEL_NONE, LEVEL_WARNING, 4.1, T0 + 3)
    made.event(OVERVOLTAGE, 9, LEVEL_WARNING, LEVEL_NONE, 4.24, T0 + 4)
    return made


def test_what_stands_comes_first_then_the_latest() -> None:
    view = memory_view(Stored(memory=memory()))
    assert [(e["fault"], e["place"]) for e in view["entries"]] == [
        ("cell_overvoltage", 9),
        ("cell_overvoltage", 3),
        ("crash", -1),
    ]
    json.dumps(view, allow_nan=False)
    crash = view["entries"][-1]
    assert (crash["value"], crash["where"], crash["status"], crash["worst"]) == (None, "", 0x2E, "fault")
    assert crash["last"] == "2027-01-15T08:00:00.000Z"


def test_one_fault_is_given_at_all_places_or_at_one() -> None:
    stored = Stored(memory=memory())
    assert [entry["place"] for entry in one_fault(stored, "cell_overvoltage")] == [9, 3]
    assert [entry["place"] for entry in one_fault(stored, "cell_overvoltage", 3)] == [3]
    assert one_fault(stored, "hvil_open") == []


def test_a_latched_fault_is_where_it_was_raised_last() -> None:
    made = memory()
    for entry in made.of(OVERVOLTAGE):
        entry.latched = True
    assert latched_at(Stored(memory=made)) == {"cell_overvoltage": (9, 4.24)}


def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    reader, disk = MemoryReader(tmp_path), FaultLog(tmp_path)
    assert reader.read().memory.entries == {}
    disk.replace(log.everything(Stored(memory=memory())))
    first = reader.read()
    assert len(first.memory.entries) == 3
    assert reader.read() is first
    disk.append([log.drop_record((CRASH, -1))])
    assert len(reader.read().memory.entries) == 2


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    reader = MemoryReader(tmp_path)
    reader.path.mkdir()
    for stored in (reader.read(), reader.read_frames()):
        assert stored.problems == [f"{reader.path}: Is a directory; check its rights"]
