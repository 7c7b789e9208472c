"""A run's recording: its inputs, a checkpoint each minute and the digests of its outputs."""

from __future__ import annotations

from pathlib import Path

from ionward.battery.system import System
from ionward.control.bms import Bms
from ionward.image.build import system_size
from ionward.image.masks import Moment
from ionward.runtime.codec import RecordBuffer
from ionward.runtime.recording import Header, Recorder, Start, Words

CHECKPOINT_S = 60.0


class RunRecorder:
    """Takes the chunks of a simulation into a recording."""

    def __init__(self, path: Path, system: System, scenario: str, seed: int, began: Moment | None = None) -> None:
        """Begin the file. `began` is the start of the run, from which its masks count.

        Raises:
            UserError: it cannot be written.
        """
        start = Start(source="simulation", notes={"scenario": scenario, "seed": seed}, began=began)
        self._every = max(1, round(CHECKPOINT_S / system.cycle.period_s))
        self._next = self._every
        self._recorder = Recorder(path, Header(system.as_dict(), system_size(system), system.cycle.period_s, start))

    def begin(self, bms: Bms) -> None:
        """Keep the state before the first tick."""
        self._recorder.checkpoint(bms.snapshot())

    def chunk(self, buffer: RecordBuffer, ticks: int, digests: Words, bms: Bms) -> None:
        """Keep some ticks, and now and then the state after them."""
        self._recorder.chunk(buffer, ticks, digests)
        if self._recorder.ticks >= self._next:
            self._recorder.checkpoint(bms.snapshot())
            self._next += self._every

    def end(self, digest: str) -> None:
        """Close the file."""
        self._recorder.close(digest)
