"""Ticks run again on recorded inputs while chosen values of the image are watched: means and extremes of every tick.

A file of its own and small, because an edit here compiles every loop again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ionward._compile import njit
from ionward.control.entry import call_tick
from ionward.control.tick import Memory
from ionward.image.inputs import Array, Raw
from ionward.image.layout import Image
from ionward.image.parameters import Parameters
from ionward.runtime.codec import RecordBuffer, pull

# Blocks of the image that a watched value can stand in.
NUMBERS, COUNTS, CHANNELS, CELLS, SENSORS, MODULES, FAULT_BLOCK = range(7)


class Tally(NamedTuple):
    """What some ticks have shown: `[value]`, and the changes of state so far.

    `places` `[value, 3]` says where each value stands: block, row and item; scalars of the image are the blocks
    NUMBERS and COUNTS with their place in the record as row. `known` counts the finite values; `total`, `low` and
    `high` are over these. `changes` `[change, 4]` holds time, state before, state after and reason; `seen` the number
    of changes, of which those beyond the room are not kept, and the state at the last tick.
    """

    places: npt.NDArray[np.int64]
    known: Array
    total: Array
    low: Array
    high: Array
    changes: Array
    seen: npt.NDArray[np.int64]


def new_tally(places: npt.NDArray[np.int64], state: int, room: int = 64) -> Tally:
    """A tally of the values at `places`; `state` is that before the first tick."""
    n = len(places)
    return Tally(
        places, np.zeros(n), np.zeros(n), np.full(n, np.inf), np.full(n, -np.inf), np.zeros((room, 4)),
        np.array([0, state], np.int64),
    )  # fmt: skip


def forget(tally: Tally) -> None:
    """Begin anew, but for the state."""
    tally.known[:] = 0.0
    tally.total[:] = 0.0
    tally.low[:] = np.inf
    tally.high[:] = -np.inf
    tally.seen[0] = 0


@njit
def play_and_watch(
    address: int,
    buffer: RecordBuffer,
    start: int,
    stop: int,
    raw: Raw,
    command: Any,
    parameters: Parameters,
    image: Image,
    memory: Memory,
    numbers: Array,
    counts: npt.NDArray[np.int64],
    tally: Tally,
) -> None:
    """Ticks on the rows `start` to `stop` of a buffer, each added to the tally.

    `address` is that of the compiled tick; `numbers` and `counts` are the image's scalars seen as float64 and int64.
    """
    for k in range(start, stop):
        pull(buffer, k, raw, command)
        call_tick(address, raw, command, parameters, image, memory)
        for i in range(tally.places.shape[0]):
            block, row, item = tally.places[i, 0], tally.places[i, 1], tally.places[i, 2]
            if block == CELLS:
                value = image.cells[row, item]
            elif block == FAULT_BLOCK:
                value = image.faults[row, item]
            elif block == CHANNELS:
                value = image.channels[row, item]
            elif block == SENSORS:
                value = image.temperatures[row, item]
            elif block == MODULES:
                value = image.modules[row, item]
            elif block == NUMBERS:
                value = numbers[row]
            else:
                value = float(counts[row])
            if np.isfinite(value):
                tally.known[i] += 1.0
                tally.total[i] += value
                tally.low[i] = min(tally.low[i], value)
                tally.high[i] = max(tally.high[i], value)
        state = image.scalars[0]["state"]
        if state != tally.seen[1]:
            if tally.seen[0] < tally.changes.shape[0]:
                change = tally.changes[tally.seen[0]]
                change[0] = image.scalars[0]["time_s"]
                change[1] = tally.seen[1]
                change[2] = state
                change[3] = image.scalars[0]["state_reason"]
            tally.seen[0] += 1
            tally.seen[1] = state
