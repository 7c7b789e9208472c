"""The ring hands over every tick as it was, or says how many are lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.recordings import SIZE, measured
from ionward.image.blocks import Block
from ionward.image.inputs import CHANNELS, COMMAND_RECORD
from ionward.image.layout import Size
from ionward.runtime.codec import RecordBuffer, record_buffer
from ionward.runtime.ring import (
    COMMAND_AT,
    COMMAND_WORDS,
    DIGEST_AT,
    TICK_AT,
    TIME_AT,
    VALUES_AT,
    checkpoint_words,
    fill_checkpoint,
    fill_tick,
    read_checkpoint,
    read_ticks,
    ring_items,
    ring_slots,
    ring_words,
)

SLOTS = 16
SOURCE = measured(200)


class Ring:
    """A ring with one writer and one reader, in one process."""

    def __init__(self, folder: Path) -> None:
        Block.create(folder / "ring.block", SLOTS, ring_words(SIZE))
        self.writer = Block.writer(folder / "ring.block")
        self.reader = Block.reader(folder / "ring.block")
        self.buffer = record_buffer(SIZE, 50)
        self.digests = np.zeros(50, np.uint64)
        self.numbers = np.zeros(50, np.int64)
        self.written = 0

    def write(self, ticks: int) -> None:
        words = np.zeros(ring_words(SIZE), np.int64)
        for _ in range(ticks):
            fill_tick(words, self.written, SOURCE, self.written, 2**63 + self.written)
            self.writer.publish(words)
            self.written += 1

    def read(self, from_count: int, max_ticks: int = 50) -> tuple[int, int]:
        return read_ticks(self.reader, from_count, self.buffer, self.digests, self.numbers, max_ticks)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ring")


def rows(buffer: RecordBuffer, first: int, ticks: int) -> list[bytes]:
    return [part[first : first + ticks].tobytes() for part in buffer]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=12))
@settings(max_examples=60)
def test_every_tick_is_read_once_and_in_order_or_counted_as_lost(folder: Path, steps: list[tuple[int, int]]) -> None:
    ring = Ring(folder)
    at = 0
    for writes, reads in steps:
        ring.write(min(writes, len(SOURCE.time_s) - ring.written))
        ticks, lost = ring.read(at, reads)
        assert ticks == 0 or lost == 0
        assert lost == 0 or ring.written - at > SLOTS, "nothing is given up that is still there"
        assert ring.numbers[:ticks].tolist() == list(range(at, at + ticks))
        assert ring.digests[:ticks].tolist() == [2**63 + n for n in range(at, at + ticks)]
        assert rows(ring.buffer, 0, ticks) == rows(SOURCE, at, ticks)
        at += ticks + lost
        assert at <= ring.written
    while at < ring.written:
        ticks, lost = ring.read(at)
        assert ticks + lost > 0
        at += ticks + lost


def test_a_slot_that_is_being_overwritten_is_not_taken_for_data(tmp_path: Path) -> None:
    ring = Ring(tmp_path)
    ring.write(SLOTS)
    ring.writer.numbers[5, 0] = -(SLOTS + 6)  # the writer has begun slot 5 anew
    assert ring.read(0) == (0, 6)
    assert ring.read(6) == (SLOTS - 6, 0)
    ring.writer.numbers[9, -1] = 77  # killed in the middle of it
    assert ring.read(6) == (0, 4)


def test_the_layout_has_room_for_everything_and_nothing_overlaps() -> None:
    items = CHANNELS + SIZE.cells + SIZE.sensors
    assert ring_items(SIZE) == items
    assert COMMAND_RECORD.itemsize == COMMAND_WORDS * 8
    assert [TICK_AT, TIME_AT, DIGEST_AT, COMMAND_AT] == [0, 1, 2, 3]
    assert ring_words(SIZE) == VALUES_AT + 2 * items == 3 + COMMAND_WORDS + 2 * items


@pytest.mark.parametrize("cycle_s", [0.001, 0.01, 0.1])
def test_four_seconds_fit_and_memory_stays_bounded(cycle_s: float) -> None:
    assert ring_slots(cycle_s) * cycle_s >= 4.0
    assert ring_slots(cycle_s, Size(400, 200, 20)) * cycle_s >= 4.0
    large = Size(10_000, 2_000, 100)
    assert ring_slots(cycle_s, large) * (ring_words(large) + 2) * 8 <= max(1 << 26, 64 * (ring_words(large) + 2) * 8)


@given(st.binary(max_size=70), st.integers(0, 2**40), st.integers(0, 2**40))
def test_a_checkpoint_comes_back_as_it_was(state: bytes, tick: int, count: int) -> None:
    words = np.full(checkpoint_words(70), -1)
    fill_checkpoint(words, tick, count, state)
    assert read_checkpoint(words) == (tick, count, state)


@pytest.mark.parametrize("length", [-1, 73, 2**62])
def test_a_checkpoint_of_impossible_length_is_none(length: int) -> None:
    words = np.zeros(checkpoint_words(70), np.int64)
    words[2] = length
    assert read_checkpoint(words) is None
