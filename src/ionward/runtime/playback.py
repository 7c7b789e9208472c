"""Runs the tick again on recorded inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ionward._compile import njit
from ionward.battery.system import System
from ionward.control.bms import Bms, output_size, output_words
from ionward.control.entry import call_tick, tick_address
from ionward.control.tick import Memory
from ionward.errors import UserError
from ionward.image.build import build_parameters, system_size
from ionward.image.inputs import CHANNEL, Raw, new_command, new_raw
from ionward.image.layout import Image
from ionward.image.masks import Moment, with_masks
from ionward.image.parameters import MEASURE, Parameters
from ionward.runtime.codec import RecordBuffer, pull
from ionward.runtime.recording import Checkpoint, Chunk, End, Header, Loss, Recording, Start

Words = npt.NDArray[np.float64]


@njit
def play(
    address: int,
    buffer: RecordBuffer,
    start: int,
    stop: int,
    raw: Raw,
    command: Any,
    parameters: Parameters,
    image: Image,
    memory: Memory,
    words: Words,
) -> None:
    """Ticks on the rows `start` to `stop` of a buffer; output words of each go to its row of `words`.

    `address` is that of the compiled tick (`control.entry.tick_address`).
    """
    for k in range(start, stop):
        pull(buffer, k, raw, command)
        call_tick(address, raw, command, parameters, image, memory)
        output_words(image, words[k])


def without_missing(parameters: Parameters, start: Start) -> Parameters:
    """Parameters in which every input that the run's source does not have counts as not fitted."""
    channels, cells, sensors = (block.copy() for block in parameters[1:4])
    for name in start.missing_channels:
        channels[MEASURE.fitted, getattr(CHANNEL, name)] = 0
    cells[MEASURE.fitted, list(start.missing_cells)] = 0
    sensors[MEASURE.fitted, list(start.missing_sensors)] = 0
    return parameters._replace(channel_limits=channels, cell_limits=cells, sensor_limits=sensors)


def recorded_parameters(header: Header) -> Parameters:
    """What the tick was told in a recorded run.

    Raises:
        UserError: the description in the recording does not fit what was recorded.
    """
    system = System.from_dict(header.system)
    if system_size(system) != header.size:
        raise UserError(
            f"the recording holds {header.size.cells} cells and {header.size.sensors} temperature sensors, its system "
            f"description {system.series} cells: the header was changed"
        )
    began = Moment(*header.start.began) if header.start.began is not None else None
    return without_missing(with_masks(build_parameters(system), system.masks, began), header.start)


@dataclass
class Played:
    """Some ticks that were run again: outputs `[tick, word]`, and the digests that were recorded for them."""

    first_tick: int
    time_s: npt.NDArray[np.float64]
    words: Words
    recorded: npt.NDArray[np.uint64]


@dataclass
class Playback:
    """A recording being run again. `image`, `raw` and `command` show the state after the last tick run."""

    recording: Recording
    parameters: Parameters | None = None
    losses: list[str] = field(default_factory=list)
    cut: bool = False
    end: End | None = None
    skipped_ticks: int = 0
    first_tick: int = -1
    next_tick: int = 0

    def __post_init__(self) -> None:
        size = self.recording.header.size
        self.parameters = self.parameters or recorded_parameters(self.recording.header)
        self.bms = Bms(self.parameters, size)
        self._address = tick_address()
        self.raw = new_raw(size.cells, size.sensors)
        self.command = new_command()

    @property
    def image(self) -> Image:
        """What the BMS knows after the last tick run."""
        return self.bms.image

    def run(self, from_s: float = 0.0, every: int = 0) -> Iterator[Played | Checkpoint]:
        """Run the ticks in order; with `every`, stop after the first tick and every so many after it.

        With `from_s` the run starts from the last checkpoint at or before that time after the start. Checkpoints come
        before the ticks that follow them, so that they can be compared with the state. What is lost is told in
        `losses`; after a loss the run goes on at the next checkpoint, and `skipped_ticks` counts what it left out.
        A recording that continues a run starts from its first checkpoint.
        """
        header = self.recording.header
        first = header.start.first_tick
        self.next_tick = self._checkpoint_before(first, first + round(from_s / header.cycle_s)) if from_s > 0 else first
        whole = self.next_tick == 0 and not header.start.continues  # at tick 0 the state is that of a new BMS
        wanted = self.next_tick
        for item in self.recording.read(wanted):
            if isinstance(item, Loss):
                self.losses.append(item.text)
                self.cut = item.cut
            elif isinstance(item, End):
                self.end = item
            elif isinstance(item, Checkpoint):
                if item.tick < wanted:
                    continue
                if whole and self.next_tick == item.tick:
                    yield item
                else:
                    self.bms.restore(item.state)
                    self.next_tick = item.tick
                    whole = True
            elif not whole or item.first_tick > self.next_tick:
                whole = False
                self.skipped_ticks += item.ticks
            else:
                yield from self._play(item, every)

    def _checkpoint_before(self, first: int, wanted: int) -> int:
        found = (item.tick for item in self.recording.read(1 << 62) if isinstance(item, Checkpoint))
        return max((tick for tick in found if tick <= wanted), default=first)

    def _play(self, chunk: Chunk, every: int) -> Iterator[Played]:
        if self.first_tick < 0:
            self.first_tick = self.next_tick
        k = self.next_tick - chunk.first_tick
        words = np.empty((chunk.ticks, output_size(self.bms.size)))
        while k < chunk.ticks:
            number = chunk.first_tick + k
            stop = min(chunk.ticks, k + 1 + -number % every) if every else chunk.ticks
            assert self.parameters is not None
            play(
                self._address, chunk.buffer, k, stop, self.raw, self.command, self.parameters, self.bms.image,
                self.bms.memory, words,
            )  # fmt: skip
            self.next_tick = chunk.first_tick + stop
            yield Played(number, chunk.buffer.time_s[k:stop], words[k:stop], chunk.digests[k:stop])
            k = stop
