"""Blocks shared between processes: files in memory, each with one writer, many readers and no lock on the way.

A block is a ring of slots. The writer fills the next slot and then counts up; a reader takes the slot of the newest
count and looks at the numbers at both ends of the slot, so that a half-written slot is never taken for data. A writer
killed in the middle leaves the slot before it readable. Memory-mapped files are used instead of
`multiprocessing.shared_memory`, whose handles unlink a live segment when any one process exits (Python 3.11).

Everything in a slot is words of eight bytes: floats, integers, or bytes packed into them.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

MAGIC = 0x01434F4C424E4F49  # "IONBLOC" and the version of this layout
HEADER_WORDS = 16  # two cache lines: what is fixed, and the count
MAGIC_AT, SLOTS_AT, WORDS_AT, COUNT_AT = 0, 1, 2, 8
READ_TRIES = 8

_barrier = threading.Lock()


class BlockError(Exception):
    """A block cannot be used: it is missing, of another layout, or somebody else writes it."""


def order_memory() -> None:
    """Keep what was written before from being seen after what is written next, on every kind of processor."""
    with _barrier:
        pass


class Block:
    """One block. `count` says how often it was written; `slots` `[slot, 1 + words + 1]` holds number, data, number.

    Compiled writers take `counter`, `numbers` (the slots as integers) and `slots` and do the same as `publish`.
    """

    def __init__(self, path: Path, file: int, writable: bool) -> None:
        self.path = path
        self._file = file
        size = os.fstat(file).st_size
        if size < HEADER_WORDS * 8:
            raise BlockError(f"{path}: no block of this version")
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        self._map = mmap.mmap(file, size, mmap.MAP_SHARED, protection)
        header = np.frombuffer(self._map, np.int64, HEADER_WORDS)
        slots, words = int(header[SLOTS_AT]), int(header[WORDS_AT])
        if header[MAGIC_AT] != MAGIC or size != block_bytes(slots, words):
            raise BlockError(f"{path}: no block of this version")
        self.words = words
        self.counter: Integers = header[COUNT_AT : COUNT_AT + 1]
        self.numbers: Integers = np.frombuffer(self._map, np.int64, slots * (words + 2), HEADER_WORDS * 8).reshape(
            slots, words + 2
        )
        self.slots: Words = self.numbers.view(np.float64)
        self._copy = np.zeros(words + 2, np.int64)

    @staticmethod
    def create(path: Path, slots: int, words: int) -> None:
        """Make the file of a block that nobody has written yet; one that is there already is replaced."""
        temporary = path.with_suffix(".new")
        header = np.zeros(HEADER_WORDS, np.int64)
        header[MAGIC_AT], header[SLOTS_AT], header[WORDS_AT] = MAGIC, slots, words
        with temporary.open("wb") as file:
            file.write(header.tobytes())
            file.truncate(block_bytes(slots, words))
        temporary.rename(path)

    @classmethod
    def reader(cls, path: Path) -> Block:
        """Attach for reading.

        Raises:
            BlockError: there is no such block.
        """
        return cls(path, _opened(path, os.O_RDONLY), writable=False)

    @classmethod
    def writer(cls, path: Path) -> Block:
        """Attach as the one writer; held until the process ends or `close`.

        Raises:
            BlockError: there is no such block, or another process writes it.
        """
        file = _opened(path, os.O_RDWR)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            raise BlockError(f"{path}: another process writes this block") from None
        return cls(path, file, writable=True)

    @property
    def count(self) -> int:
        """How often the block has been written."""
        return int(self.counter[0])

    def publish(self, data: npt.NDArray[Any]) -> int:
        """Write the next slot from `data` (`words` words of eight bytes); returns the new count."""
        number = int(self.counter[0]) + 1
        slot = self.numbers[(number - 1) % len(self.numbers)]
        slot[0] = -number
        order_memory()
        slot[1:-1] = data.view(np.int64)
        order_memory()
        slot[-1] = number
        slot[0] = number
        order_memory()
        self.counter[0] = number
        return number

    def latest(self, out: npt.NDArray[Any]) -> int:
        """Copy the newest slot into `out`; returns its count, 0 when there is none (`out` is then untouched)."""
        for _ in range(READ_TRIES):
            number = int(self.counter[0])
            if number == 0:
                return 0
            if self.read(number, out):
                return number
        return 0

    def read(self, number: int, out: npt.NDArray[Any]) -> bool:
        """Copy the slot of this count into `out`; False when it is not there yet, overwritten or half-written."""
        if not 0 < number <= int(self.counter[0]) or number <= int(self.counter[0]) - len(self.numbers):
            return False
        order_memory()
        copy = self._copy
        copy[:] = self.numbers[(number - 1) % len(self.numbers)]
        order_memory()
        if copy[0] != number or copy[-1] != number or self.numbers[(number - 1) % len(self.numbers), 0] != number:
            return False
        out.view(np.int64)[:] = copy[1:-1]
        return True

    def close(self) -> None:
        """Give the writer's place up. Views of the block stay valid: the mapping goes with the last of them."""
        if self._file >= 0:
            fcntl.flock(self._file, fcntl.LOCK_UN)  # the mapping holds a copy of the descriptor, and with it the lock
            os.close(self._file)
            self._file = -1


def block_bytes(slots: int, words: int) -> int:
    """Size of a block's file."""
    return 8 * (HEADER_WORDS + slots * (words + 2))


def words_of(dtype: np.dtype[Any]) -> int:
    """Words that a record takes; records of the catalogue are made of words of eight bytes."""
    return dtype.itemsize // 8


def _opened(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_CLOEXEC)
    except OSError as error:
        raise BlockError(f"{path}: {error.strerror}") from None
