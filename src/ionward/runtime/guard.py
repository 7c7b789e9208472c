"""The guard's process: `safety.guard` on the newest samples and the newest word of control, once in each cycle.

    python -m ionward.runtime.guard LIVE_FOLDER

It loads neither Numba nor what a description of a pack needs: its table comes with the plan. The one enable that it
writes expires where the contactors are driven, so nothing has to be put in order when it ends.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from ionward.image.blocks import Block, BlockError, Words, words_of
from ionward.image.exchange import CONTROL_RECORD, DRIVEN_RECORD, GUARD_RECORD
from ionward.image.guard_table import GuardLimits
from ionward.runtime.live_blocks import raw_over, raw_words, record_over
from ionward.runtime.plan import Plan
from ionward.runtime.role import Role
from ionward.safety.guard import Guard, Verdict


class GuardProcess:
    """One cycle after the other: `step`. Blocks are attached here.

    `seed` makes the challenges; nobody else should know it.

    Raises:
        BlockError: a block is missing, of another size than the pack's, or `guard.block` has a writer already.
    """

    def __init__(self, folder: Path, plan: Plan, seed: int) -> None:
        self.guard = Guard(GuardLimits.from_dict(plan.guard), seed, plan.table_sums)
        samples = raw_words(plan.size)
        self._io = _reader(folder / "io.block", samples + words_of(DRIVEN_RECORD))
        self._io_words = np.zeros(self._io.words)
        self._raw = raw_over(self._io_words, plan.size)
        self._driven = record_over(self._io_words[samples:], DRIVEN_RECORD)
        self._control = _reader(folder / "control.block", words_of(CONTROL_RECORD) + plan.size.cells)
        self._control_words = np.zeros(self._control.words)
        self._said = record_over(self._control_words, CONTROL_RECORD)
        self._io_count = self._control_count = 0
        self._out = Block.writer(folder / "guard.block")
        self._record = np.zeros(1, GUARD_RECORD)
        self._words = self._record.view(np.int64)
        self._cycle = 0

    def step(self, now_s: float) -> Verdict:
        """Read, judge, publish."""
        self._io_count = _newest(self._io, self._io_words, self._io_count)
        self._control_count = _newest(self._control, self._control_words, self._control_count)
        verdict = self.guard.step(now_s, self._raw, self._driven, self._said, self._control_count, self._io_count)
        self._cycle += 1
        self._record[0] = (now_s, self._cycle, *verdict)
        self._out.publish(self._words)
        return verdict


def _reader(path: Path, words: int) -> Block:
    block = Block.reader(path)
    if block.words != words:
        raise BlockError(f"{path}: {block.words} words, where this pack has {words}")
    return block


def _newest(block: Block, words: Words, seen: int) -> int:
    """Copy the newest slot; its count, or that of the one seen last where there is no newer one."""
    return seen if block.count == seen else block.latest(words) or seen


def main(folder: Path) -> None:
    """Run the process until it is told to end."""
    role = Role(folder, "guard")
    guard = GuardProcess(folder, role.plan, int.from_bytes(os.urandom(7), "little"))
    role.become_realtime()
    for now_s in role.cycles(role.plan.cycle_s):
        guard.step(now_s)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
