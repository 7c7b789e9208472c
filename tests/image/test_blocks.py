"""Blocks between processes: one writer, and readers that never see half a slot."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionward.image.blocks import HEADER_WORDS, Block, BlockError

WRITER = """
import sys, numpy as np
from pathlib import Path
from ionward.image.blocks import Block
block = Block.writer(Path(sys.argv[1]))
data = np.zeros(block.words, np.int64)
print("ready", flush=True)
while True:
    data += 1
    block.publish(data)
"""


def made(tmp_path: Path, slots: int = 4, words: int = 3) -> Path:
    path = tmp_path / "a.block"
    Block.create(path, slots, words)
    return path


def test_a_reader_sees_nothing_before_the_first_slot(tmp_path: Path) -> None:
    reader = Block.reader(made(tmp_path))
    out = np.full(3, 7.0)
    assert reader.latest(out) == 0
    assert out.tolist() == [7.0, 7.0, 7.0]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.floats(allow_nan=False), min_size=3, max_size=3), min_size=1, max_size=12))
def test_what_was_written_is_read_back_and_the_ring_forgets_the_oldest(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[float]]
) -> None:
    path = made(tmp_path_factory.mktemp("blocks"))
    writer, reader = Block.writer(path), Block.reader(path)
    for row in rows:
        writer.publish(np.array(row))
    out = np.zeros(3)
    assert reader.latest(out) == len(rows)
    assert out.tolist() == rows[-1]
    for number in range(-1, len(rows) + 3):
        kept = max(1, len(rows) - 3) <= number <= len(rows)
        assert reader.read(number, out) == kept
        if kept:
            assert out.tolist() == rows[number - 1]
    writer.close()


def test_a_second_writer_is_refused_while_the_first_one_lives(tmp_path: Path) -> None:
    path = made(tmp_path)
    first = Block.writer(path)
    with pytest.raises(BlockError, match="another process writes"):
        Block.writer(path)
    first.close()
    Block.writer(path).close()


@pytest.mark.parametrize("damage", [b"", b"x" * 64, b"\0" * 4096])
def test_a_foreign_file_is_no_block(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "a.block"
    path.write_bytes(damage)
    with pytest.raises(BlockError, match="no block of this version"):
        Block.reader(path)
    with pytest.raises(BlockError, match="No such file"):
        Block.reader(tmp_path / "missing.block")


def test_a_slot_left_half_written_is_not_read(tmp_path: Path) -> None:
    path = made(tmp_path, slots=2)
    writer, reader = Block.writer(path), Block.reader(path)
    writer.publish(np.array([1.0, 2.0, 3.0]))
    writer.publish(np.array([4.0, 5.0, 6.0]))
    out = np.zeros(3)
    for end in (0, -1):
        row = writer.numbers[1].copy()
        writer.numbers[1, end] = 99
        assert not reader.read(2, out)
        writer.numbers[1] = row
    assert reader.read(2, out)


def test_readers_see_whole_slots_while_the_writer_runs_and_after_it_is_killed(tmp_path: Path) -> None:
    path = made(tmp_path, slots=4, words=400)
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    reader = Block.reader(path)
    out = np.zeros(400, np.int64)
    seen = set()
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        if reader.latest(out):
            assert (out == out[0]).all()
            seen.add(int(out[0]))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert len(seen) > 10
    assert reader.latest(out) > 0
    assert (out == out[0]).all()
    Block.writer(path).close()  # the dead one's place is free


def test_the_header_does_not_share_a_cache_line_with_the_count() -> None:
    assert HEADER_WORDS * 8 == 128
