"""The fault memory on disk: after a loss of power or on a bad disk, what is whole is read and the rest told."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ionward.image.faults import BY_ID
from ionward.image.signals import LEVEL_FAULT, LEVEL_NONE, LEVEL_WARNING
from ionward.runtime import fault_log as log
from ionward.runtime.fault_frames import COLUMNS, Frame
from ionward.runtime.fault_log import FIRST, FaultLog, Stored, read_log
from ionward.runtime.fault_memory import FaultMemory
from ionward.runtime.survival_record import Pack

PACK = Pack(1, 2, "Test pack")
T0 = 1_800_000_000.0
OVERVOLTAGE, HVIL = BY_ID["cell_overvoltage"].dtc, BY_ID["hvil_open"].dtc


def memory() -> FaultMemory:
    made = FaultMemory(cycle=7, cycle_began_s=T0 - 50.0, lost=1)
    made.event(OVERVOLTAGE, 17, LEVEL_WARNING, LEVEL_NONE, 4.24, T0)
    made.event(HVIL, -1, LEVEL_FAULT, LEVEL_NONE, math.nan, T0 + 1)
    return made


def frame() -> Frame:
    values = np.random.default_rng(1).normal(size=(30, 1 + len(COLUMNS))).astype(np.float32)
    values[3, 4] = np.nan
    return Frame(T0, COLUMNS, values, True, 2)


def stored() -> Stored:
    return Stored(PACK, memory(), {(OVERVOLTAGE, 17, FIRST): frame()}, "boot", 12.5, [(T0, "a note")])


@pytest.fixture
def disk(tmp_path: Path) -> FaultLog:
    made = FaultLog(tmp_path)
    made.replace(log.everything(stored()))
    return made


def test_what_is_written_is_read_again(disk: FaultLog) -> None:
    found, made = read_log(disk.path), stored()
    assert (found.pack, found.boot, found.seen_s, found.notes) == (PACK, "boot", 12.5, [(T0, "a note")])
    assert (found.memory.cycle, found.memory.cycle_began_s, found.memory.lost) == (7, T0 - 50.0, 1)
    assert [str(e) for e in found.memory.entries.values()] == [str(e) for e in made.memory.entries.values()]
    kept = found.frames[OVERVOLTAGE, 17, FIRST]
    assert np.array_equal(kept.values, frame().values, equal_nan=True)
    assert (kept.columns, kept.complete, kept.gaps, kept.wall_s) == (COLUMNS, True, 2, T0)
    assert not found.damaged
    assert found.problems == []


def test_no_file_is_an_empty_memory(tmp_path: Path) -> None:
    found = read_log(tmp_path / "none")
    assert (found.pack, found.memory.entries, found.damaged) == (None, {}, False)


def test_the_newest_record_counts_and_a_dropped_entry_takes_its_frames_along(disk: FaultLog) -> None:
    changed = memory().entries[HVIL, -1]
    disk.append([log.entry_record(replace(changed, count=9)), log.drop_record((OVERVOLTAGE, 17))])
    found = read_log(disk.path)
    assert {key: entry.count for key, entry in found.memory.entries.items()} == {(HVIL, -1): 9}
    assert found.frames == {}


def test_a_record_torn_at_any_byte_costs_that_record_only(disk: FaultLog) -> None:
    whole = disk.path.read_bytes()
    last = log.entry_record(replace(memory().entries[HVIL, -1], count=9))
    for length in range(len(last)):
        disk.path.write_bytes(whole + last[:length])
        found = read_log(disk.path)
        assert found.memory.entries[HVIL, -1].count == 1
        assert (found.damaged, found.problems) == (False, [])


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_flipped_bytes_never_raise_nor_bring_in_what_was_not_there(disk: FaultLog, data: st.DataObject) -> None:
    # A last record that nothing hangs on: damage in it may look like one that was being written.
    whole = bytearray(b"".join([*log.everything(stored()), log.seen_record("boot", 1.0)]))
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=3, unique=True)):
        whole[at] ^= data.draw(st.integers(1, 255))
    disk.path.write_bytes(whole)
    found, made = read_log(disk.path), stored()
    assert found.memory.entries.keys() <= made.memory.entries.keys()
    assert all(str(entry) == str(made.memory.entries[key]) for key, entry in found.memory.entries.items())
    missing = found.memory.entries.keys() != made.memory.entries.keys() or not found.frames
    assert found.damaged or not missing


def test_damage_in_the_middle_is_told_and_what_comes_behind_it_is_read(disk: FaultLog) -> None:
    records = log.everything(stored())
    records[0] = records[0][:20] + b"XXXX" + records[0][24:]
    disk.path.write_bytes(b"".join(records))
    found = read_log(disk.path)
    assert found.pack is None
    assert found.memory.entries.keys() == memory().entries.keys()
    assert found.problems == [f"fault-memory.log: {len(records[0])} bytes are damaged and were left out"]


@pytest.mark.parametrize(
    "head",
    [
        {"kind": "entry", "dtc": 1},
        {"kind": "entry", "dtc": OVERVOLTAGE, "place": -7, "level": 0, "worst": 0},
        {"kind": "pack", "format": 99, "first": 1, "second": 2, "name": "x"},
        {"kind": "frame", "dtc": OVERVOLTAGE, "place": 17, "which": "other", "columns": [], "rows": 1},
        {"kind": "frame", "dtc": OVERVOLTAGE, "place": 17, "which": "first", "columns": ["a"], "rows": 10**9,
         "wall_s": 0, "complete": True, "gaps": 0},
        {"kind": "cycle", "number": -1, "lost": 0, "began_s": 0, "cleared_s": 0},
        {"no": "kind"},
        [1, 2],
    ],
)  # fmt: skip
def test_a_whole_record_that_makes_no_sense_is_left_out_and_told(disk: FaultLog, head: object) -> None:
    disk.append([log._record(head)])  # type: ignore[arg-type]
    found = read_log(disk.path)
    assert found.problems == ["fault-memory.log: 1 records make no sense and were left out"]
    assert found.memory.entries.keys() == memory().entries.keys()


def test_an_unknown_kind_of_a_later_version_is_passed_over(disk: FaultLog) -> None:
    disk.append([log._record({"kind": "later"})])
    assert not read_log(disk.path).damaged


def test_a_write_that_fails_leaves_the_file_as_it_was(disk: FaultLog) -> None:
    whole = disk.path.read_bytes()

    def full(file: int, data: bytes) -> int:
        if len(data) > 10:
            return os.write(file, data[:10])
        raise OSError(28, "No space left on device")

    broken = FaultLog(disk.path.parent, write=full)
    with pytest.raises(OSError, match="No space"):
        broken.append([log.note_record(T0, "x" * 100)])
    assert disk.path.read_bytes() == whole
    with pytest.raises(OSError, match="No space"):
        broken.replace([log.note_record(T0, "x" * 100)])
    assert disk.path.read_bytes() == whole


def test_records_are_json_that_people_can_read() -> None:
    line = log.entry_record(memory().entries[OVERVOLTAGE, 17])[log.HEAD.size :].partition(b"\n")[0]
    assert json.loads(line)["fault"] == "cell_overvoltage"


def test_a_look_without_values_knows_which_frames_there_are(disk: FaultLog) -> None:
    found = read_log(disk.path, values=False)
    [kept] = found.frames.values()
    assert (kept.wall_s, kept.columns, kept.complete, len(kept.values)) == (T0, COLUMNS, True, 0)
