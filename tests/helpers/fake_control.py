"""Control without its process: a real BMS on made-up samples, its ring, and checkpoints when asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from helpers.recordings import SIZE, measured
from ionward.battery.system import System
from ionward.control.bms import Bms, output_size
from ionward.control.entry import tick_address
from ionward.image.blocks import Block
from ionward.image.build import build_parameters
from ionward.image.inputs import new_command, new_raw
from ionward.runtime.digests import Digests
from ionward.runtime.playback import play, without_missing
from ionward.runtime.recording import Start
from ionward.runtime.ring import checkpoint_words, fill_checkpoint, fill_tick, ring_words

CYCLE_S = 0.01
WALL_S = 1_800_000_000.0  # wall time at monotonic time zero
SLOTS = 400
BLOCK_TICKS = 50
SAMPLES = {seed: measured(BLOCK_TICKS, seed=seed) for seed in range(4)}


class FakeControl:
    """Publishes ticks as control does. `run` lets time pass; `restart` is a new process with a new memory."""

    def __init__(self, folder: Path, system: System, missing_cells: tuple[int, ...] = ()) -> None:
        self.parameters = without_missing(build_parameters(system), Start(missing_cells=missing_cells))
        Block.create(folder / "ring.block", SLOTS, ring_words(SIZE))
        self.ring = Block.writer(folder / "ring.block")
        self.bms = Bms(self.parameters, SIZE)
        Block.create(folder / "checkpoint.block", 2, checkpoint_words(len(self.bms.snapshot())))
        self.checkpoints = Block.writer(folder / "checkpoint.block")
        self.folder = folder
        self.raw, self.command = new_raw(SIZE.cells, SIZE.sensors), new_command()
        self.tick = 0
        self.now_s = 0.0
        self.answered = 0
        self.answers = True
        self.published = 0
        self._ring_words = np.zeros(ring_words(SIZE), np.int64)
        self._checkpoint_words = np.zeros(self.checkpoints.words, np.int64)
        self._output = np.zeros((BLOCK_TICKS, output_size(SIZE)))

    def restart(self, preset: float = 0.4) -> None:
        """Begin anew, with a SOC that a new BMS would not have."""
        self.bms = Bms(self.parameters, SIZE)
        self.bms.memory.estimate.preset[:] = [[preset], [0.01]]
        self.tick = self.answered = 0

    def run(self, ticks: int, requested: Callable[[], int]) -> None:
        """Some ticks; `requested` gives the recorder's request, and is asked before each block of them."""
        while ticks > 0:
            request = requested()
            if self.answers and request != self.answered:
                self.answered = request
                self.checkpoint()
            ticks -= self._block(min(ticks, BLOCK_TICKS))

    def checkpoint(self) -> None:
        """Publish the state as it is."""
        fill_checkpoint(self._checkpoint_words, self.tick, self.ring.count, self.bms.snapshot())
        self.checkpoints.publish(self._checkpoint_words)

    def _block(self, ticks: int) -> int:
        buffer = SAMPLES[self.published // BLOCK_TICKS % len(SAMPLES)]
        shift = self.now_s - buffer.time_s[0]
        buffer.time_s[:] += shift
        buffer.sample_times_s[:] += shift
        words = self._output
        play(tick_address(), buffer, 0, ticks, self.raw, self.command, self.parameters, self.bms.image,
             self.bms.memory, words)  # fmt: skip
        for k, digest in enumerate(Digests(words.shape[1]).update(words[:ticks])):
            fill_tick(self._ring_words, self.tick + k, buffer, k, int(digest))
            self.ring.publish(self._ring_words)
        self.tick += ticks
        self.published += ticks
        self.now_s += ticks * CYCLE_S
        return ticks
