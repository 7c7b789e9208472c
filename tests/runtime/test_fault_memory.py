"""The fault memory: occurrences, status, operation cycles, ageing, clearing and its bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionward.image.faults import BY_ID, FAULT_ID, FAULTS
from ionward.image.signals import (
    FAULT,
    LEVEL_CRITICAL,
    LEVEL_FAULT,
    LEVEL_INFO,
    LEVEL_NONE,
    LEVEL_WARNING,
)
from ionward.runtime.fault_memory import (
    AGEING_CYCLES,
    AVAILABLE,
    CONFIRMED,
    CYCLE_MAX_S,
    CYCLE_MIN_S,
    ENTRIES_MAX,
    FAILED_SINCE_CLEAR,
    FAILED_THIS_CYCLE,
    PENDING,
    PLACES_MAX,
    TEST_FAILED,
    Array,
    FaultMemory,
)

T0 = 1_800_000_000.0
OVERVOLTAGE, HVIL = BY_ID["cell_overvoltage"].dtc, BY_ID["hvil_open"].dtc


def block(**levels: tuple[int, int, int]) -> Array:
    """A fault block with level, latched level and place of some faults."""
    faults = np.zeros((len(FAULT), len(FAULTS)))
    faults[FAULT.place] = -1
    for name, (level, latched, place) in levels.items():
        k = getattr(FAULT_ID, name)
        faults[FAULT.level, k], faults[FAULT.latched_level, k], faults[FAULT.place, k] = level, latched, place
    return faults


def cycles(memory: FaultMemory, count: int, from_s: float = T0) -> float:
    """So many operation cycles of a day each; the time after them."""
    memory.live(True, from_s)
    for k in range(1, count + 1):
        assert memory.live(True, from_s + k * CYCLE_MAX_S)
    return from_s + count * CYCLE_MAX_S


def test_an_occurrence_is_counted_with_first_and_last_time_and_worst_level() -> None:
    memory = FaultMemory()
    first = memory.event(OVERVOLTAGE, 17, LEVEL_WARNING, LEVEL_NONE, 4.24, T0)
    assert first is not None
    assert memory.event(OVERVOLTAGE, 17, LEVEL_FAULT, LEVEL_WARNING, 4.27, T0 + 1) is None
    assert memory.event(OVERVOLTAGE, 17, LEVEL_WARNING, LEVEL_FAULT, 4.24, T0 + 2) is None
    assert (first.count, first.level, first.worst) == (1, LEVEL_WARNING, LEVEL_FAULT)
    memory.event(OVERVOLTAGE, 17, LEVEL_NONE, LEVEL_WARNING, 4.1, T0 + 3)
    assert not first.failed
    again = memory.event(OVERVOLTAGE, 17, LEVEL_WARNING, LEVEL_NONE, 4.25, T0 + 60)
    assert again is first
    assert (first.count, first.first_s, first.last_s, first.value) == (2, T0, T0 + 60, 4.25)
    assert first.status == TEST_FAILED | FAILED_THIS_CYCLE | PENDING | CONFIRMED | FAILED_SINCE_CLEAR == AVAILABLE


def test_places_are_kept_apart_and_end_together() -> None:
    memory = FaultMemory()
    memory.event(OVERVOLTAGE, 3, LEVEL_WARNING, LEVEL_NONE, 4.24, T0)
    other = memory.event(OVERVOLTAGE, 5, LEVEL_FAULT, LEVEL_WARNING, 4.3, T0 + 1)
    assert other is not None
    assert {key[1]: e.failed for key, e in memory.entries.items()} == {3: True, 5: True}
    memory.event(OVERVOLTAGE, 5, LEVEL_NONE, LEVEL_FAULT, 4.1, T0 + 2)
    assert not any(entry.failed for entry in memory.entries.values())


def test_what_opens_contactors_is_confirmed_at_once_a_warning_in_its_second_cycle() -> None:
    memory = FaultMemory()
    opened = memory.event(HVIL, -1, LEVEL_CRITICAL, LEVEL_NONE, 0.0, T0)
    warned = memory.event(OVERVOLTAGE, 3, LEVEL_WARNING, LEVEL_NONE, 4.24, T0)
    assert opened is not None
    assert warned is not None
    assert (opened.confirmed, warned.pending, warned.confirmed) == (True, True, False)
    memory.event(OVERVOLTAGE, 3, LEVEL_NONE, LEVEL_WARNING, 4.1, T0 + 1)
    memory.event(OVERVOLTAGE, 3, LEVEL_WARNING, LEVEL_NONE, 4.24, T0 + 2)
    assert not warned.confirmed, "twice in one cycle is one trip"
    memory.event(OVERVOLTAGE, 3, LEVEL_NONE, LEVEL_WARNING, 4.1, T0 + 3)
    at_s = cycles(memory, 1)
    memory.event(OVERVOLTAGE, 3, LEVEL_WARNING, LEVEL_NONE, 4.24, at_s)
    assert warned.confirmed


def test_a_warning_that_does_not_come_again_is_pending_no_more() -> None:
    memory = FaultMemory()
    warned = memory.event(OVERVOLTAGE, 3, LEVEL_INFO, LEVEL_NONE, 4.24, T0)
    assert warned is not None
    memory.event(OVERVOLTAGE, 3, LEVEL_NONE, LEVEL_INFO, 4.1, T0 + 1)
    cycles(memory, 1)
    assert warned.pending, "the cycle that ended had it"
    cycles(memory, 1, T0 + CYCLE_MAX_S)
    assert warned.status == FAILED_SINCE_CLEAR


@pytest.mark.parametrize("kept", ["", "latched", "standing"])
def test_an_entry_ages_unless_it_stands_or_is_latched(kept: str) -> None:
    memory = FaultMemory()
    entry = memory.event(OVERVOLTAGE, 3, LEVEL_FAULT, LEVEL_NONE, 4.3, T0)
    assert entry is not None
    level = LEVEL_FAULT if kept == "standing" else LEVEL_NONE
    memory.sync(block(cell_overvoltage=(level, LEVEL_FAULT if kept else LEVEL_NONE, 3)), T0)
    at_s = cycles(memory, AGEING_CYCLES)
    assert entry.confirmed, "the first of these cycles had the fault"
    cycles(memory, 1, at_s)
    assert entry.confirmed is bool(kept)
    assert entry.aged == (0 if kept else AGEING_CYCLES)
    assert entry.key in memory.entries


def test_a_cycle_begins_with_a_connection_but_not_within_ten_minutes_and_at_the_latest_after_a_day() -> None:
    memory = FaultMemory()
    assert not memory.live(False, T0)
    assert not memory.live(True, T0 + CYCLE_MIN_S - 1)
    assert not memory.live(False, T0 + CYCLE_MIN_S)
    assert memory.live(True, T0 + CYCLE_MIN_S + 1)
    assert not memory.live(True, T0 + CYCLE_MIN_S + CYCLE_MAX_S)
    assert memory.live(True, T0 + CYCLE_MIN_S + 1 + CYCLE_MAX_S)
    assert memory.cycle == 3
    assert not memory.live(True, T0 - 1e6), "a clock that was set back"


def test_a_memory_that_begins_while_connected_begins_no_cycle() -> None:
    memory = FaultMemory(cycle_began_s=T0)
    assert not memory.live(True, T0 + 2 * CYCLE_MIN_S)
    assert memory.cycle == 1


def test_what_no_event_told_is_taken_from_the_fault_block() -> None:
    memory = FaultMemory()
    [stands] = memory.sync(block(cell_overvoltage=(LEVEL_FAULT, LEVEL_FAULT, 7)), T0)
    assert (stands.place, stands.failed, stands.latched, stands.count) == (7, True, True, 1)
    assert memory.sync(block(cell_overvoltage=(LEVEL_NONE, LEVEL_FAULT, 9)), T0 + 1) == []
    assert (stands.failed, stands.latched) == (False, True)
    memory.sync(block(), T0 + 2)
    assert not stands.latched


def test_a_latch_that_survived_without_an_event_has_an_entry_that_does_not_stand() -> None:
    memory = FaultMemory()
    [entry] = memory.sync(block(enable_lost=(LEVEL_NONE, LEVEL_CRITICAL, -1)), T0)
    assert (entry.dtc, entry.failed, entry.latched, entry.confirmed) == (BY_ID["enable_lost"].dtc, False, True, True)


def test_clearing_spares_what_stands_or_is_latched() -> None:
    memory = FaultMemory()
    memory.event(HVIL, -1, LEVEL_CRITICAL, LEVEL_NONE, 0.0, T0)
    memory.event(OVERVOLTAGE, 3, LEVEL_WARNING, LEVEL_NONE, 4.24, T0)
    memory.event(OVERVOLTAGE, 3, LEVEL_NONE, LEVEL_WARNING, 4.1, T0)
    memory.sync(block(hvil_open=(LEVEL_NONE, LEVEL_CRITICAL, -1)), T0)
    assert memory.clear(T0 + 9) == [(OVERVOLTAGE, 3)]
    assert list(memory.entries) == [(HVIL, -1)]
    assert (memory.cleared_s, memory.dropped) == (T0 + 9, {(OVERVOLTAGE, 3)})
    memory.sync(block(), T0 + 10)
    assert memory.clear(T0 + 11) == [(HVIL, -1)]


def test_one_fault_that_wanders_over_the_cells_leaves_room_for_the_others() -> None:
    memory = FaultMemory()
    memory.event(HVIL, -1, LEVEL_WARNING, LEVEL_NONE, 0.0, T0)
    for cell in range(300):
        memory.event(OVERVOLTAGE, cell, LEVEL_WARNING, LEVEL_NONE, 4.24, T0 + cell)
        memory.event(OVERVOLTAGE, cell, LEVEL_NONE, LEVEL_WARNING, 4.1, T0 + cell)
    assert (HVIL, -1) in memory.entries
    assert sorted(e.place for e in memory.of(OVERVOLTAGE)) == list(range(300 - PLACES_MAX, 300))


Step = tuple[int, int, int, bool]


@given(st.lists(st.tuples(st.integers(0, len(FAULTS) - 1), st.integers(-1, 40), st.integers(0, 4), st.booleans())))
@settings(max_examples=200, deadline=None)
def test_it_stays_within_its_bounds_and_loses_nothing_latched(steps: list[Step]) -> None:
    memory, faults = FaultMemory(), block()
    for n, (k, place, level, connected) in enumerate(steps):
        previous = int(faults[FAULT.level, k])
        at_s = T0 + 5e4 * n
        memory.live(connected, at_s)
        if level != previous:
            memory.event(FAULTS[k].dtc, place, level, previous, 1.0, at_s)
        faults[FAULT.level, k], faults[FAULT.place, k] = level, place
        if level >= LEVEL_FAULT:
            faults[FAULT.latched_level, k] = level
        latched = {e.key for e in memory.entries.values() if e.latched}
        memory.sync(faults, at_s)
        assert latched <= memory.entries.keys()
        assert len(memory.entries) <= ENTRIES_MAX
        for number, fault in enumerate(FAULTS):
            mine = list(memory.of(fault.dtc))
            assert len(mine) <= PLACES_MAX
            assert any(e.failed for e in mine) == (faults[FAULT.level, number] > 0) or memory.lost
            assert any(e.latched for e in mine) == (faults[FAULT.latched_level, number] > 0) or memory.lost
        for entry in memory.entries.values():
            assert entry.status & ~AVAILABLE == 0
            assert entry.count >= 1
            assert entry.first_s <= entry.last_s
