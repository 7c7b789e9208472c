"""Private copies of what other processes publish: the newest slot of each block, and its age.

A screen must live with blocks that are missing, of another layout, half-written or left by a process that has died: a
copy then keeps what it last saw, and its age tells.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ionward.image import exchange as ex
from ionward.image.blocks import Block, BlockError, words_of
from ionward.image.inputs import CHANNELS, CLOCK_RECORD, RAW_FIELDS, Raw, new_raw
from ionward.image.layout import Image, Size, new_image
from ionward.runtime.recorder_record import RECORDER_RECORD

Array = npt.NDArray[np.float64]

# A block that is missing or silent is looked for again this often: its file may have been replaced.
RETRY_S = 0.5


class Copy:
    """The newest slot of one block in `data` (`[words]`). `count` is its number, `new_s` when a new one was seen."""

    def __init__(self, path: Path, words: int) -> None:
        self.path = path
        self.data: Array = np.zeros(words)
        self.count = 0
        self.new_s = math.nan
        self.problem = ""
        self._block: Block | None = None
        self._file_number = -1
        self._look_s = -math.inf

    def refresh(self, now_s: float) -> bool:
        """Take the newest slot over; False when there is nothing new. Never raises."""
        block = self._block
        if block is None:
            block = self._attach(now_s)
            if block is None:
                return False
        count = block.count
        if count == self.count:
            if now_s - self._look_s >= RETRY_S:
                self._see_replaced(now_s)
            return False
        found = block.latest(self.data)
        if found == 0 or found == self.count:
            return False
        self.count, self.new_s, self._look_s = found, now_s, now_s
        return True

    def _attach(self, now_s: float) -> Block | None:
        if now_s - self._look_s < RETRY_S:
            return None
        self._look_s = now_s
        try:
            file_number = self.path.stat().st_ino
            block = Block.reader(self.path)
        except (BlockError, OSError, ValueError) as error:
            self.problem = str(error)
            return None
        if block.words != len(self.data):
            self.problem = f"{self.path}: {block.words} words where {len(self.data)} are expected"
            block.close()
            return None
        self._block, self._file_number, self.problem, self.count = block, file_number, "", 0
        return block

    def _see_replaced(self, now_s: float) -> None:
        """Let a block go whose file is no longer the one that stands there."""
        self._look_s = now_s
        try:
            same = self.path.stat().st_ino == self._file_number
        except OSError:
            same = False
        if not same:
            self.close()
            self._look_s = -math.inf

    def close(self) -> None:
        """Let the block go; the copy stays."""
        if self._block is not None:
            self._block.close()
            self._block = None


def raw_words(size: Size) -> int:
    """Words of the raw samples in `io.block`, in front of the record of what is driven."""
    return words_of(CLOCK_RECORD) + len(RAW_FIELDS) * (CHANNELS + size.cells + size.sensors)


def raw_over(data: Array, size: Size) -> Raw:
    """Raw samples as views of the first words of `data`, in the order of the block; set to nothing measured."""
    fields = len(RAW_FIELDS)
    at = words_of(CLOCK_RECORD)
    blocks = []
    for items in (CHANNELS, size.cells, size.sensors):
        blocks.append(data[at : at + fields * items].reshape(fields, items))
        at += fields * items
    raw = Raw(data[: words_of(CLOCK_RECORD)].view(CLOCK_RECORD), *blocks)
    for mine, empty in zip(raw[1:], new_raw(size.cells, size.sensors)[1:], strict=True):
        mine[:] = empty
    return raw


def image_words(size: Size) -> int:
    """Words of an image in `image.block`."""
    return sum(block.nbytes for block in new_image(size)) // 8


def image_over(data: Array, size: Size) -> Image:
    """An image as views of `data`, in the order of the block; set to nothing known."""
    views: list[Any] = []
    at = 0
    for block in new_image(size):
        words = block.nbytes // 8
        part = data[at : at + words]
        view = part.view(block.dtype) if block.dtype.names else part.reshape(block.shape)
        view[...] = block
        views.append(view)
        at += words
    return Image(*views)


def record_over(data: Array, dtype: np.dtype[Any]) -> Any:
    """A record of length 1 as a view of the first words of `data`."""
    return data[: words_of(dtype)].view(dtype)


class Copies:
    """All blocks of a live folder that a screen looks at."""

    def __init__(self, folder: Path, size: Size, roles: tuple[str, ...]) -> None:
        raw = raw_words(size)
        self.io = Copy(folder / "io.block", raw + words_of(ex.DRIVEN_RECORD))
        self.control = Copy(folder / "control.block", words_of(ex.CONTROL_RECORD) + size.cells)
        self.image = Copy(folder / "image.block", image_words(size))
        self.guard = Copy(folder / "guard.block", words_of(ex.GUARD_RECORD))
        self.supervisor = Copy(folder / "supervisor.block", words_of(ex.SUPERVISOR_RECORD))
        self.recorder = Copy(folder / "recorder.block", words_of(RECORDER_RECORD))
        self.health = {
            role: Copy(folder / f"health-{role}.block", words_of(ex.HEALTH_RECORD)) for role in dict.fromkeys(roles)
        }
        self.all = (
            self.io,
            self.control,
            self.image,
            self.guard,
            self.supervisor,
            self.recorder,
            *self.health.values(),
        )
        self.raw_part = raw

    def refresh(self, now_s: float) -> bool:
        """Take over what is new in any block; True when something was."""
        new = False
        for copy in self.all:
            new = copy.refresh(now_s) or new
        return new
