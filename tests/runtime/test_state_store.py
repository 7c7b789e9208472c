"""The state folder: one owner, one pack, and at any moment one whole copy on disk."""

from __future__ import annotations

import math
import os
import random
import signal
import struct
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.survivors import known
from ionward.errors import UserError
from ionward.image.blocks import Block
from ionward.image.faults import FAULTS
from ionward.runtime.state_store import (
    COPIES,
    COPY_PERIOD_S,
    StateKeeper,
    StateWriter,
    check_copies,
    holds_state,
    last_wall_s,
    lock_state_folder,
    read_candidates,
)
from ionward.runtime.survival_record import SURVIVING_FAULT, Pack, Refusal, Survived, decode, encode, survival_words

PACK = Pack(11, 22, "Five")
CELLS = 96
STATE = Survived(
    PACK, 1, (3, 4), 1.8e9, 50.0, 7, 1, 0, 1.0, 2.0, 0.1, 0.2, False, 0, 0, 0, 0.0, -np.inf,
    np.full((5, CELLS), 0.5), np.zeros((4, len(FAULTS))),
)  # fmt: skip


def record(sequence: int, **changes: object) -> bytes:
    return encode(replace(STATE, sequence=sequence, **changes)).tobytes()  # type: ignore[arg-type]


def newest(folder: Path) -> int:
    """Sequence of the newest whole copy, -1 none."""
    found = [decode(candidate.data) for candidate in read_candidates(folder / "no live folder", folder)]
    return max((s.sequence for s in found if isinstance(s, Survived)), default=-1)


# --- whose folder


def test_a_second_instance_is_told_who_has_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "state"
    with lock_state_folder(folder):
        with pytest.raises(UserError, match=rf"state: in use by another Ionward \(process {os.getpid()}\)"):
            lock_state_folder(folder)
        again = "from ionward.runtime.state_store import *; import pathlib, sys\n" \
            "try: lock_state_folder(pathlib.Path(sys.argv[1]))\nexcept Exception as e: print(e)"  # fmt: skip
        done = subprocess.run([sys.executable, "-c", again, folder], capture_output=True, text=True, check=True)
        assert str(os.getpid()) in done.stdout
    with lock_state_folder(folder):
        pass


def test_a_folder_that_cannot_be_used_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path, text in ((tmp_path / "file", "is not a folder"), (tmp_path / "file" / "below", "is not a folder"),
                       (Path("/proc/none"), "cannot be used")):  # fmt: skip
        with pytest.raises(UserError, match=text) as caught:
            lock_state_folder(path)
        assert "\n" not in str(caught.value)
        assert str(path) in str(caught.value)


@pytest.mark.verifies("SR-171")
def test_the_state_of_another_pack_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / COPIES[1]).write_bytes(record(5))
    assert check_copies(tmp_path, PACK, 0.0) == []
    with pytest.raises(UserError, match=r"state-b\.bin: state of another pack \('Five'\), this one is 'Six': use"):
        check_copies(tmp_path, Pack(1, 2, "Six"), 0.0)
    with pytest.raises(UserError, match="other cells or capacity"):
        check_copies(tmp_path, Pack(1, 2, "Five"), 0.0)


@pytest.mark.verifies("SR-171")
def test_damaged_copies_are_kept_aside_and_told(tmp_path: Path) -> None:
    damaged = bytearray(record(9))
    damaged[200] ^= 4
    (tmp_path / COPIES[0]).write_bytes(damaged)
    (tmp_path / COPIES[1]).write_bytes(record(8))
    [text] = check_copies(tmp_path, PACK, 1.8e9)
    assert "checksum is wrong" in text
    assert (tmp_path / "state-a.bin.refused-20270115T080000Z").read_bytes() == damaged
    assert newest(tmp_path) == 8
    assert check_copies(tmp_path, PACK, 1.8e9) == []


def test_a_copy_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / COPIES[0]).mkdir()
    with pytest.raises(UserError, match=r"state-a\.bin: cannot be read: Is a directory"):
        check_copies(tmp_path, PACK, 0.0)
    [candidate] = read_candidates(tmp_path, tmp_path)
    assert isinstance(decode(candidate.data), Refusal)


# --- copies


def test_copies_are_written_in_turn_and_a_new_writer_overwrites_the_older_one(tmp_path: Path) -> None:
    for n in range(1, 6):
        StateWriter(tmp_path).write(record(n)) if n % 2 else (writer := StateWriter(tmp_path)).write(record(n))
        assert newest(tmp_path) == n
    writer.write(record(6))
    kept = {known((tmp_path / name).read_bytes()).sequence for name in COPIES}
    assert kept == {5, 6} or kept == {4, 6}
    assert newest(tmp_path) == 6


def test_a_copy_of_another_length_is_replaced_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / COPIES[0]).write_bytes(b"x" * 100_000)
    StateWriter(tmp_path).write(record(1))
    assert newest(tmp_path) == 1


class StoppedError(Exception):
    """The machine stops here."""


@pytest.mark.verifies("SR-173")
@given(st.lists(st.integers(0, 8 * survival_words(CELLS)), min_size=1, max_size=8))
@settings(max_examples=60)
def test_a_write_that_stops_anywhere_leaves_the_copy_before(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("state")
    acknowledged = -1
    for n, cut in enumerate(cuts):

        def partly(file: int, data: bytes, at: int, cut: int = cut) -> int:
            os.pwrite(file, data[:cut], at)
            if cut < len(data):
                raise StoppedError
            return len(data)

        try:
            StateWriter(folder, write=partly).write(record(n))
            acknowledged = n
        except StoppedError:
            pass
        assert newest(folder) >= acknowledged


@pytest.mark.verifies("SR-173")
def test_after_kill_9_at_any_moment_the_copy_read_back_is_the_last_acknowledged_one_or_newer(tmp_path: Path) -> None:
    chance = random.Random(20)
    acknowledged = 0
    for _ in range(20):
        told, tell = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(told)
                writer, n = StateWriter(tmp_path), newest(tmp_path)
                while True:
                    n += 1
                    writer.write(record(max(n, 1)))
                    os.write(tell, struct.pack("<q", max(n, 1)))
            finally:
                os._exit(1)
        os.close(tell)
        time.sleep(chance.uniform(0.002, 0.03))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL, "the writer did not end by itself"
        with os.fdopen(told, "rb") as pipe:
            numbers = pipe.read()
        if numbers:
            acknowledged = struct.unpack_from("<q", numbers, len(numbers) // 8 * 8 - 8)[0]
        assert newest(tmp_path) >= acknowledged
    assert acknowledged > 20


def test_slots_of_the_live_folder_are_candidates_of_this_run_and_the_one_before(tmp_path: Path) -> None:
    assert read_candidates(tmp_path, tmp_path) == []
    for name, sequences in (("survival.previous", [1]), ("survival.block", [2, 3, 4])):
        Block.create(tmp_path / name, 2, survival_words(CELLS))
        block = Block.writer(tmp_path / name)
        for n in sequences:
            block.publish(np.frombuffer(record(n), np.int64))
        block.close()
    StateWriter(tmp_path).write(record(3))
    found = read_candidates(tmp_path, tmp_path)
    assert [known(candidate.data).sequence for candidate in found] == [4, 3, 1, 3]
    assert [candidate.label.split()[0] for candidate in found] == ["memory", "memory", "memory", "disk"]


# --- what the recorder does with the block


class Keeping:
    """A keeper with its block and its writer."""

    def __init__(self, folder: Path) -> None:
        Block.create(folder / "survival.block", 2, survival_words(CELLS))
        self.block = Block.writer(folder / "survival.block")
        self.fails = False
        self.keeper = StateKeeper(Block.reader(folder / "survival.block"), StateWriter(folder, write=self.write))

    def write(self, file: int, data: bytes, at: int) -> int:
        if self.fails:
            raise OSError(5, "Input/output error")
        return os.pwrite(file, data, at)

    def publish(self, sequence: int, **changes: object) -> None:
        self.block.publish(np.frombuffer(record(sequence, **changes), np.int64))


def test_a_copy_is_never_a_second_old_and_not_written_needlessly(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path)
    keeping.keeper.step(0.0)
    assert keeping.keeper.written == 0
    for n in range(1, 201):
        keeping.publish(n, time_s=0.05 * n)
        keeping.keeper.step(0.05 * n)
        assert 0.05 * n - keeping.keeper.taken_s < 1.0
        assert newest(tmp_path) * 0.05 == pytest.approx(keeping.keeper.taken_s)
    assert keeping.keeper.written <= 10.0 / COPY_PERIOD_S + 1
    keeping.keeper.step(10.0, last=True)
    assert newest(tmp_path) == 200


@pytest.mark.verifies("SR-170")
def test_latches_and_locks_are_on_disk_at_once(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path)
    keeping.publish(1)
    keeping.keeper.step(0.0)
    latched = STATE.faults.copy()
    latched[SURVIVING_FAULT.latched_level, 3] = 4.0
    changes = [{"faults": latched}, {"faults": latched, "locked": True}, {"faults": latched, "locked": True}]
    for n, change in enumerate(changes):
        keeping.publish(2 + n, **change)
        keeping.keeper.step(0.05 * (n + 1))
    assert newest(tmp_path) == 3, "the third says nothing new, it waits for its time"


def test_a_disk_that_fails_is_counted_and_tried_again(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path)
    keeping.publish(1)
    keeping.keeper.step(0.0)
    keeping.fails = True
    keeping.publish(2)
    keeping.keeper.step(1.0)
    assert (keeping.keeper.errors, newest(tmp_path)) == (1, 1)
    keeping.fails = False
    keeping.keeper.step(2.0)
    assert newest(tmp_path) == 2


def test_a_record_with_a_wrong_checksum_never_reaches_the_disk(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path)
    words = np.frombuffer(record(1), np.int64).copy()
    words[-1] += 1
    keeping.block.publish(words)
    keeping.keeper.step(0.0)
    assert (keeping.keeper.errors, newest(tmp_path)) == (1, -1)


def test_a_block_that_nobody_wrote_holds_no_state(tmp_path: Path) -> None:
    path = tmp_path / "survival.block"
    assert not holds_state(path)
    Block.create(path, 2, survival_words(CELLS))
    assert not holds_state(path)
    block = Block.writer(path)
    block.publish(np.frombuffer(record(1), np.int64))
    assert holds_state(path)


@pytest.mark.verifies("SR-230")
def test_the_wall_time_of_the_kept_state_is_known_before_a_run(tmp_path: Path) -> None:
    """So that a clock that was set back in between makes no mask longer."""
    assert last_wall_s(tmp_path, tmp_path) == -math.inf
    StateWriter(tmp_path).write(encode(STATE).tobytes())
    assert last_wall_s(tmp_path, tmp_path) == STATE.wall_s
    (tmp_path / COPIES[0]).write_bytes(b"damaged")
    assert last_wall_s(tmp_path, tmp_path) == -math.inf
