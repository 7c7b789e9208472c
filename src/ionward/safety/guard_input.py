"""The guard's memory of the samples that the driver gave lately: does control work on them, and not on older ones?

Control tells which driver cycle its tick has seen, and a sum over the raw samples as the tick had them. The guard makes
the same sum over the samples of each cycle that it sees itself.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from ionward.image.challenge import Keys, sample_keys
from ionward.image.guard_table import GuardLimits
from ionward.image.inputs import Raw

SUM_BITS = 0xFFFFFFFFFFFFFFFF
SIGN = 1 << 63


class SampleSum:
    """The sum over raw samples `[field, item]`, as a signed 64-bit number."""

    def __init__(self) -> None:
        self._raw: Raw | None = None
        self._parts: list[tuple[Keys, Keys]] = []

    def of(self, raw: Raw) -> int:
        """Sum of words times keys, over channels, cells and temperatures in this order. Wraps on purpose."""
        if raw is not self._raw:
            self._look_at(raw)
        total = 0
        for words, keys in self._parts:
            total += int(words.dot(keys))
        total &= SUM_BITS
        return total - 2 * (total & SIGN)

    def _look_at(self, raw: Raw) -> None:
        """Keep views of the words: whoever calls hands over the same arrays in every cycle.

        Where they stand behind each other in memory, as in a block, one view does for all.
        """
        blocks = [block.reshape(-1).view(np.uint64) for block in (raw.channels, raw.cells, raw.temperatures)]
        keys, at, parts = sample_keys(sum(block.size for block in blocks)), 0, []
        begin = [block.ctypes.data for block in blocks]
        if all(begin[k] + blocks[k].nbytes == begin[k + 1] for k in range(len(blocks) - 1)):
            blocks = [np.lib.stride_tricks.as_strided(blocks[0], shape=keys.shape, writeable=False)]
        for block in blocks:
            parts.append((block, keys[at : at + block.size]))
            at += block.size
        self._raw, self._parts = raw, parts


class Inputs:
    """Driver cycles seen, oldest first: number, when this guard saw it, and the sum over its samples. Meets SR-221."""

    def __init__(self, limits: GuardLimits) -> None:
        self._limits = limits
        self._sum = SampleSum()
        self._seen: deque[tuple[int, float, int]] = deque()

    def hear(self, now_s: float, cycle: int, raw: Raw) -> None:
        """Take the samples of a driver cycle in. A cycle number that goes back is a driver that was started anew."""
        seen = self._seen
        if seen and seen[-1][0] == cycle:
            return
        if seen and cycle < seen[-1][0]:
            seen.clear()
        seen.append((cycle, now_s, self._sum.of(raw)))
        # What was followed by newer samples longer ago than the deadline is too old to work on.
        while len(seen) > 1 and not now_s - seen[1][1] <= self._limits.answer_deadline_s:
            seen.popleft()

    def sum_of(self, cycle: int) -> int | None:
        """The sum over the samples of a cycle; None for one that this guard has not seen."""
        for known, _, total in reversed(self._seen):
            if known == cycle:
                return total
            if known < cycle:
                break
        return None

    def too_old(self, cycle: int) -> bool:
        """Newer samples than those of this cycle have been there for longer than the deadline."""
        return bool(self._seen) and cycle < self._seen[0][0]
