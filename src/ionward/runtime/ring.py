"""The ring between control and the recorder: what entered each tick, and the digest of what left it.

`ring.block` has one slot for each tick, `checkpoint.block` the whole state when the recorder asked for it. The offsets
below count words of eight bytes within a slot's data (`Block.slots[k, 1 + offset]`). Integers are written through
`Block.numbers`, floats through `Block.slots`.

| at | words | |
| --- | --- | --- |
| `TICK_AT` | 1 | integer: ticks that had been run before this one, so 0 for the first |
| `TIME_AT` | 1 | `raw.clock` of the tick |
| `DIGEST_AT` | 1 | integer: `digest_kernel.digest_words` of the tick's output words, its bits |
| `COMMAND_AT` | `COMMAND_WORDS` | the command record as the tick saw it |
| `VALUES_AT` | items | raw values: channels, cells, temperatures |
| `VALUES_AT` + items | items | their sample times |

Order in control, which the recorder relies on: run tick n; publish its slot of the ring; answer a request for a
checkpoint with the state after tick n; run tick n + 1. Nothing but the tick may change image and memory between two
ticks: what does must be followed by a checkpoint, or replay differs.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ionward.image.blocks import Block, order_memory
from ionward.image.inputs import CHANNELS, COMMAND_RECORD
from ionward.image.layout import Size
from ionward.runtime.codec import RecordBuffer

Words = npt.NDArray[np.uint64]
Integers = npt.NDArray[np.int64]

COMMAND_WORDS = COMMAND_RECORD.itemsize // 8
TICK_AT, TIME_AT, DIGEST_AT, COMMAND_AT = 0, 1, 2, 3
VALUES_AT = COMMAND_AT + COMMAND_WORDS

RING_S = 4.0  # so long may the recorder be away without losing a tick
RING_BYTES_MAX = 1 << 26  # large packs with short cycles get less time
SLOTS_MIN = 64

# A checkpoint: ticks run so far, the ring's count at that moment, the snapshot's length in bytes, the snapshot.
CHECKPOINT_TICK_AT, CHECKPOINT_RING_AT, CHECKPOINT_BYTES_AT, CHECKPOINT_STATE_AT = range(4)


def ring_items(size: Size) -> int:
    """Measurements of one tick: channels, cells, temperature sensors."""
    return CHANNELS + size.cells + size.sensors


def ring_words(size: Size) -> int:
    """Words of one slot of `ring.block`."""
    return VALUES_AT + 2 * ring_items(size)


def ring_slots(cycle_s: float, size: Size | None = None) -> int:
    """Slots of `ring.block`: four seconds of ticks, less where a large pack would take too much memory."""
    wanted = max(SLOTS_MIN, math.ceil(RING_S / cycle_s))
    if size is None:
        return wanted
    return max(SLOTS_MIN, min(wanted, RING_BYTES_MAX // (8 * (ring_words(size) + 2))))


def fill_tick(words: Integers, tick: int, buffer: RecordBuffer, row: int, digest: int) -> None:
    """Write one tick into `words` `[ring_words]`, to be published; control does the same in compiled code.

    Args:
        words: written in place.
        tick: ticks that had been run before this one.
        buffer: inputs of the tick stand in its row `row`.
        row: which.
        digest: digest of the outputs, 64 bits without sign.
    """
    floats, items = words.view(np.float64), buffer.values.shape[1]
    words[TICK_AT] = tick
    floats[TIME_AT] = buffer.time_s[row]
    words.view(np.uint64)[DIGEST_AT] = digest
    words[COMMAND_AT:VALUES_AT] = buffer.commands[row : row + 1].view(np.int64)
    floats[VALUES_AT : VALUES_AT + items] = buffer.values[row]
    floats[VALUES_AT + items :] = buffer.sample_times_s[row]


def checkpoint_words(snapshot_bytes: int) -> int:
    """Words of one slot of `checkpoint.block` for snapshots of this length."""
    return CHECKPOINT_STATE_AT + -(-snapshot_bytes // 8)


def fill_checkpoint(words: Integers, tick: int, ring_count: int, snapshot: bytes) -> None:
    """Write what `checkpoint.block` carries into `words` `[checkpoint_words]`.

    Args:
        words: written in place; publish it afterwards.
        tick: ticks run so far.
        ring_count: `count` of `ring.block` now: the slot of the tick that follows has the next one.
        snapshot: `Bms.snapshot()` now.
    """
    words[CHECKPOINT_TICK_AT], words[CHECKPOINT_RING_AT] = tick, ring_count
    words[CHECKPOINT_BYTES_AT] = len(snapshot)
    words[CHECKPOINT_STATE_AT:].view(np.uint8)[: len(snapshot)] = np.frombuffer(snapshot, np.uint8)


class PublishedCheckpoint(NamedTuple):
    """The state after `tick` ticks; the tick that follows stands in the ring's slot `ring_count + 1`."""

    tick: int
    ring_count: int
    state: bytes


def read_checkpoint(words: Integers) -> PublishedCheckpoint | None:
    """What control published; None where the length makes no sense."""
    length = int(words[CHECKPOINT_BYTES_AT])
    if not 0 <= length <= 8 * (len(words) - CHECKPOINT_STATE_AT):
        return None
    state = words[CHECKPOINT_STATE_AT:].tobytes()[:length]
    return PublishedCheckpoint(int(words[CHECKPOINT_TICK_AT]), int(words[CHECKPOINT_RING_AT]), state)


def read_ticks(
    block: Block, from_count: int, buffer: RecordBuffer, digests: Words, numbers: Integers, max_ticks: int
) -> tuple[int, int]:
    """Copy the ticks that follow the ring's count `from_count` into the first rows of a buffer.

    Args:
        block: `ring.block`.
        from_count: counts that have been read already.
        buffer: rows to write, at least `max_ticks`.
        digests: `[tick]`, written.
        numbers: `[tick]`, written: number of each tick.
        max_ticks: no more than so many.

    Returns:
        Ticks copied, and ticks that were overwritten before they could be read. One of the two is zero: after a loss
        the next call begins behind what was lost.
    """
    slots = len(block.numbers)
    available = block.count - from_count
    if available > slots:
        # Some distance from the writer, or the next call would find its slots overwritten as well.
        return 0, min(available - slots + slots // 8, available)
    count = max(min(available, max_ticks), 0)
    first = from_count % slots
    run = min(count, slots - first)
    for row, slot, ticks in ((0, first, run), (run, 0, count - run)):
        if not ticks:
            continue
        expected = np.arange(from_count + row + 1, from_count + row + ticks + 1)
        order_memory()
        _copy_run(block, slot, ticks, buffer, digests, numbers, row)
        order_memory()
        found = block.numbers[slot : slot + ticks]
        wrong = np.flatnonzero((found[:, 0] != expected) | (found[:, -1] != expected))
        if len(wrong):
            return 0, row + int(wrong[-1]) + 1
    return count, 0


def _copy_run(
    block: Block, slot: int, ticks: int, buffer: RecordBuffer, digests: Words, numbers: Integers, row: int
) -> None:
    """Copy slots that follow each other."""
    integers = block.numbers[slot : slot + ticks, 1:-1]
    floats = block.slots[slot : slot + ticks, 1:-1]
    items = buffer.values.shape[1]
    rows = slice(row, row + ticks)
    numbers[rows] = integers[:, TICK_AT]
    digests.view(np.int64)[rows] = integers[:, DIGEST_AT]
    buffer.time_s[rows] = floats[:, TIME_AT]
    commands = buffer.commands.view(np.int64).reshape(-1, COMMAND_WORDS)
    commands[rows] = integers[:, COMMAND_AT:VALUES_AT]
    buffer.values[rows] = floats[:, VALUES_AT : VALUES_AT + items]
    buffer.sample_times_s[rows] = floats[:, VALUES_AT + items : VALUES_AT + 2 * items]
