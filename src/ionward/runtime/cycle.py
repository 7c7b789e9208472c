"""One cycle of control as one compiled function: newest samples in, tick, enable and wish out, image and record out.

Everything it works on is made beforehand; nothing is allocated. Blocks come as `Wire`s, their arrays taken apart.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ionward._compile import allocating, jit_disabled, njit, order_stores
from ionward.control.entry import call_tick
from ionward.control.outputs import output_size, output_words
from ionward.control.tick import Memory
from ionward.image.blocks import READ_TRIES, Block, Integers, Words, words_of
from ionward.image.challenge import answer_to, fold, request_word, sample_keys, wish_word
from ionward.image.exchange import (
    CONTROL_RECORD,
    DRIVEN_RECORD,
    GUARD_OK,
    GUARD_RECORD,
    GUARD_STOOD,
    SUPERVISOR_RECORD,
)
from ionward.image.inputs import RAW, Raw, new_command, new_raw
from ionward.image.layout import Image, Size
from ionward.image.parameters import Parameters
from ionward.image.signals import CELL
from ionward.runtime.digest_kernel import digest_keys, digest_words
from ionward.runtime.live_blocks import raw_words

answer_of, fold_of, wish_of, request_of = njit(answer_to), njit(fold), njit(wish_word), njit(request_word)


class Wire(NamedTuple):
    """A block as compiled code takes it: `counter` [1], the slots as integers and as floats `[slot, 1 + words + 1]`."""

    counter: Integers
    numbers: Integers
    slots: Words


def wire(block: Block) -> Wire:
    """The arrays of a block."""
    return Wire(block.counter, block.numbers, block.slots)


class Wires(NamedTuple):
    """The blocks that control reads (`io`, `guard`) and writes."""

    io: Wire
    guard: Wire
    control: Wire
    image: Wire
    ring: Wire


class Desk(NamedTuple):
    """What control has before it: private copies of what came in, and what goes out.

    `…_words` are the same memory as bare words. `image_words` are the image's arrays as flat words, in order, and
    `sample_words` those of `raw` (channels, cells, temperatures), with a key for each. `tables` is the row of words of
    all parameter tables, `slices` [1] the number of slices in which they are told. `heard` [1] is when the guard's
    challenge came on last, `challenge` [1] what it was.
    """

    raw: Raw
    command: Any
    driven: Any
    driven_words: Integers
    guard: Any
    guard_words: Integers
    record: Any
    record_words: Integers
    outputs: Words
    keys: npt.NDArray[np.uint64]
    image_words: tuple[Integers, ...]
    command_words: Integers
    sample_words: tuple[npt.NDArray[np.uint64], ...]
    sample_keys: npt.NDArray[np.uint64]
    tables: Integers
    slices: Integers
    heard: Words
    challenge: Integers


def new_desk(size: Size, image: Image, tables: Integers | None = None, slices: int = 1) -> Desk:
    """A desk for a pack of this size and these tables; nothing has come in yet."""
    driven, guard, record = (np.zeros(1, kind) for kind in (DRIVEN_RECORD, GUARD_RECORD, CONTROL_RECORD))
    record["acknowledged_s"] = -np.inf
    command, raw = new_command(), new_raw(size.cells, size.sensors)
    samples = tuple(block.reshape(-1).view(np.uint64) for block in (raw.channels, raw.cells, raw.temperatures))
    return Desk(
        raw, command, driven, driven.view(np.int64), guard, guard.view(np.int64), record,
        record.view(np.int64), np.zeros(output_size(size)), digest_keys(output_size(size)),
        tuple(block.reshape(-1).view(np.int64) for block in image), command.view(np.int64),
        samples, sample_keys(sum(words.size for words in samples)), np.zeros(1, np.int64) if tables is None else tables,
        np.full(1, slices, np.int64), np.full(1, -np.inf), np.zeros(1, np.int64),
    )  # fmt: skip


def io_words(size: Size) -> int:
    """Words of `io.block`."""
    return raw_words(size) + words_of(DRIVEN_RECORD)


def control_words(size: Size) -> int:
    """Words of `control.block`."""
    return words_of(CONTROL_RECORD) + size.cells


def image_block_words(image: Image) -> int:
    """Words of `image.block`."""
    return sum(block.nbytes for block in image) // 8


def supervisor_words() -> int:
    """Words of `supervisor.block`."""
    return words_of(SUPERVISOR_RECORD)


if jit_disabled:

    class Bound(NamedTuple):
        """Everything that a cycle works on, handed over as one."""

        wires: Wires
        desk: Desk
        parameters: Parameters
        image: Image
        memory: Memory

    def bind(wires: Wires, desk: Desk, parameters: Parameters, image: Image, memory: Memory) -> Bound:
        """Put everything that a cycle works on into one, once."""
        return Bound(wires, desk, parameters, image, memory)

else:
    from numba import types
    from numba.experimental import structref

    @structref.register
    class BoundType(types.StructRef):  # type: ignore[misc]
        """Type of `Bound` in compiled code."""

        def preprocess_fields(self, fields: Any) -> Any:
            """Types of fields as they are, without constants."""
            return tuple((name, types.unliteral(kind)) for name, kind in fields)

    class Bound(structref.StructRefProxy):  # type: ignore[no-redef,misc]
        """Everything that a cycle works on, handed over as one.

        Taking apart some eighty arrays in each call would cost more than the tick.
        """

    structref.define_boxing(BoundType, Bound)
    structref.define_constructor(Bound, BoundType, ["wires", "desk", "parameters", "image", "memory"])
    structref.define_attributes(BoundType)

    @allocating
    def bind(wires: Wires, desk: Desk, parameters: Parameters, image: Image, memory: Memory) -> Bound:
        """Put everything that a cycle works on into one, once."""
        return Bound(wires, desk, parameters, image, memory)


@allocating  # makes nothing, but `Bound` is a counted object
def control_cycle(address: int, now_s: float, guard_deadline_s: float, publish_image: bool, bound: Bound) -> None:
    """Run one cycle at the time `now_s`, on the samples that `take_samples` has taken. `address`: the compiled tick's.

    A guard whose record or challenge is older than `guard_deadline_s`, or from the future by more than that, counts as
    one that withholds its enable.
    """
    wires, desk, image = bound.wires, bound.desk, bound.image
    take(wires.guard, desk.guard_words)
    desk.raw.clock[0]["time_s"] = now_s
    supervise(now_s, guard_deadline_s, desk)
    call_tick(address, desk.raw, desk.command, bound.parameters, image, bound.memory)
    output_words(image, desk.outputs)
    fill(now_s, image, desk)
    give_control(wires.control, image, desk)
    give_ring(wires.ring, image, desk, digest_words(desk.outputs, desk.keys))
    if publish_image:
        give_image(wires.image, desk.image_words)


@njit
def take_samples(io: Wire, raw: Raw, driven_words: Integers) -> bool:
    """Copy the newest samples and what is driven; what cannot be read leaves the samples before to age."""
    for _ in range(READ_TRIES):
        number = io.counter[0]
        if number == 0:
            return False
        order_stores()
        row = (number - 1) % io.numbers.shape[0]
        if io.numbers[row, 0] != number:
            continue
        at = 2
        for block in (raw.channels, raw.cells, raw.temperatures):
            for field in range(block.shape[0]):
                for k in range(block.shape[1]):
                    block[field, k] = io.slots[row, at]
                    at += 1
        for k in range(driven_words.shape[0]):
            driven_words[k] = io.numbers[row, at + k]
        order_stores()
        if io.numbers[row, 0] == number and io.numbers[row, io.numbers.shape[1] - 1] == number:
            return True
    return False


@njit
def take(source: Wire, out: Integers) -> bool:
    """Copy the newest slot."""
    for _ in range(READ_TRIES):
        number = source.counter[0]
        if number == 0:
            return False
        order_stores()
        row = (number - 1) % source.numbers.shape[0]
        if source.numbers[row, 0] != number:
            continue
        for k in range(out.shape[0]):
            out[k] = source.numbers[row, 1 + k]
        order_stores()
        if source.numbers[row, 0] == number and source.numbers[row, source.numbers.shape[1] - 1] == number:
            return True
    return False


@njit
def supervise(now_s: float, guard_deadline_s: float, desk: Desk) -> None:
    """Tell the tick what driver and guard say."""
    driven, guard, command = desk.driven[0], desk.guard[0], desk.command[0]
    fresh = driven["control_enable"] == 1 and driven["guard_enable"] == 1 and driven["tripped"] == 0
    command["enables"] = 1 if fresh else 0
    asked = desk.record[0]
    differs = (
        driven["main_positive"] != asked["main_positive"]
        or driven["main_negative"] != asked["main_negative"]
        or driven["precharge"] != asked["precharge"]
    )
    command["driven_differs"] = 1 if fresh and differs else 0
    command["driver_tripped"] = driven["tripped"]
    command["driver_trips"] = driven["trip_count"]
    withholds = GUARD_OK if guard["enable"] == 1 else guard["reason"]
    if guard["challenge"] != desk.challenge[0]:
        desk.challenge[0], desk.heard[0] = guard["challenge"], now_s
    # One that repeats itself, or lives in another time, is no guard.
    if not (abs(now_s - guard["time_s"]) < guard_deadline_s and now_s - desk.heard[0] < guard_deadline_s):
        withholds = GUARD_STOOD
    command["guard_withholds"] = withholds


@njit
def fill(now_s: float, image: Image, desk: Desk) -> None:
    """Write control's record: its enable (this time, and the answer to the challenge), and its wishes."""
    s, r, driven = image.scalars[0], desk.record[0], desk.driven[0]
    r["time_s"] = now_s
    r["tick"] = s["tick"]
    r["driver_cycle"] = driven["cycle"]
    r["flow"] = s["flow"]
    r["challenge"] = desk.guard[0]["challenge"]
    r["table_sum"], r["sample_sum"] = table_sum(r["challenge"], desk), sample_sum(desk)
    # Out of the tick's own words, not the record's: a record that is changed on its way does not fit its answer.
    request = request_of(s["open_request"], s["charge_open_request"], s["discharge_open_request"])
    wish = wish_of(s["main_positive_close"], s["main_negative_close"], s["precharge_close"], s["pyrofuse_fire"],
                   request)  # fmt: skip
    r["answer"] = answer_of(r["challenge"], s["flow"], s["tick"], r["table_sum"], r["sample_sum"], wish)
    r["balance_runs"], r["cool_runs"] = s["balance_runs"], s["cool_runs"]
    r["main_positive"], r["main_negative"] = s["main_positive_close"], s["main_negative_close"]
    r["precharge"], r["pyrofuse"] = s["precharge_close"], s["pyrofuse_fire"]
    r["open_request"] = request
    r["pump"], r["fan"], r["heater"] = s["pump"], s["fan"], s["heater"]
    r["state"] = s["state"]
    r["charge_limit_a"], r["discharge_limit_a"] = s["charge_limit_a"], s["discharge_limit_a"]
    r["acknowledge_count"] = desk.command[0]["acknowledge_count"]


@njit
def table_sum(challenge: int, desk: Desk) -> int:
    """Checksum of the slice of the live tables that the challenge names. Meets SR-220."""
    slices, words = desk.slices[0], desk.tables.shape[0]
    number = challenge % slices
    return int(fold_of(desk.tables, words * number // slices, words * (number + 1) // slices))


@njit
def sample_sum(desk: Desk) -> int:
    """Sum over the raw samples as this tick had them. Meets SR-221."""
    total, at = np.uint64(0), 0
    for words in desk.sample_words:
        for k in range(words.shape[0]):
            total += words[k] * desk.sample_keys[at + k]
        at += words.shape[0]
    return int(np.int64(total))


@njit
def begin(target: Wire) -> int:
    """Row of the next slot, marked as being written."""
    number = target.counter[0] + 1
    row = (number - 1) % target.numbers.shape[0]
    target.numbers[row, 0] = -number
    order_stores()
    return int(row)


@njit
def end(target: Wire, row: int) -> None:
    """The slot is complete: number it, then count up."""
    number = target.counter[0] + 1
    order_stores()
    target.numbers[row, target.numbers.shape[1] - 1] = number
    target.numbers[row, 0] = number
    order_stores()
    target.counter[0] = number


@njit
def give_control(target: Wire, image: Image, desk: Desk) -> None:
    """Publish control's record and what is to be bled."""
    row, words, bleed = begin(target), desk.record_words, image.cells[CELL.balancing]
    for k in range(words.shape[0]):
        target.numbers[row, 1 + k] = words[k]
    at = 1 + words.shape[0]
    for k in range(bleed.shape[0]):
        target.slots[row, at + k] = bleed[k]
    end(target, row)


@njit
def give_image(target: Wire, image_words: tuple[Integers, ...]) -> None:
    """Publish the image."""
    row, at = begin(target), 1
    for block in image_words:
        for k in range(block.shape[0]):
            target.numbers[row, at + k] = block[k]
        at += block.shape[0]
    end(target, row)


@njit
def give_ring(target: Wire, image: Image, desk: Desk, digest: Any) -> None:
    """Hand the inputs of this tick and the digest of its outputs to the recorder (layout: `runtime.ring`)."""
    row, raw = begin(target), desk.raw
    target.numbers[row, 1] = image.scalars[0]["tick"] - 1
    target.slots[row, 2] = raw.clock[0]["time_s"]
    target.numbers[row, 3] = np.int64(digest)
    at = 4
    for k in range(desk.command_words.shape[0]):
        target.numbers[row, at + k] = desk.command_words[k]
    at += desk.command_words.shape[0]
    for field in (RAW.value, RAW.time_s):
        for block in (raw.channels, raw.cells, raw.temperatures):
            for k in range(block.shape[1]):
                target.slots[row, at] = block[field, k]
                at += 1
    end(target, row)
