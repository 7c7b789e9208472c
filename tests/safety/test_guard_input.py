"""The guard's memory of samples: the sum over them, worked out anew word by word, and which driver cycles it knows."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.guarding import LIMITS
from ionward.image.inputs import CHANNELS, RAW, Raw, new_raw
from ionward.safety.guard_input import Inputs, SampleSum

CELLS, SENSORS = 3, 2
GOLDEN = 0x9E3779B97F4A7C15
DEADLINE_S = 1 / 16


def word_by_word(raw: Raw) -> int:
    """Words of channels, cells and temperatures, each times its own odd key, in 64 bits with a sign."""
    total = 0
    numbers = [float(x) for block in (raw.channels, raw.cells, raw.temperatures) for x in block.reshape(-1)]
    for place, number in enumerate(numbers, start=1):
        word = struct.unpack("<Q", struct.pack("<d", number))[0]
        total += word * (place * GOLDEN % 2**64 | 1)
    total %= 2**64
    return total - 2**64 if total >= 2**63 else total


def in_one_block() -> Raw:
    """Samples as they stand in the shared block: behind each other, in another order of the words' owners."""
    sizes = [2 * CHANNELS, 2 * CELLS, 2 * SENSORS]
    words = np.zeros(sum(sizes))
    ends = np.cumsum(sizes)
    parts = [words[end - size : end].reshape(2, -1) for size, end in zip(sizes, ends, strict=True)]
    return Raw(np.zeros(1), parts[0], parts[1], parts[2])


def apart(gap: str) -> Raw:
    """Samples of which one block stands somewhere else in memory."""
    raw = in_one_block()
    return raw._replace(**{gap: getattr(raw, gap).copy()})


def cells_first() -> Raw:
    """Behind each other, but not in the order in which they are summed up."""
    words = np.zeros(2 * (CELLS + CHANNELS + SENSORS))
    cells, channels, temperatures = np.split(words, [2 * CELLS, 2 * (CELLS + CHANNELS)])
    return Raw(np.zeros(1), channels.reshape(2, -1), cells.reshape(2, -1), temperatures.reshape(2, -1))


LAYOUTS: dict[str, Callable[[], Raw]] = {
    "one block": in_one_block,
    "apart": lambda: new_raw(CELLS, SENSORS),
    "channels apart": lambda: apart("channels"),
    "cells apart": lambda: apart("cells"),
    "temperatures apart": lambda: apart("temperatures"),
    "cells first": cells_first,
}


@pytest.mark.verifies("SR-221")
@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_the_sum_is_that_of_every_word_wherever_it_stands(layout: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    raw, total = LAYOUTS[layout](), SampleSum()
    for _ in range(2):
        for block in (raw.channels, raw.cells, raw.temperatures):
            block[:] = random.normal(size=block.shape)
            block[RAW.value, 0] = np.nan
        assert total.of(raw) == word_by_word(raw)
    other = LAYOUTS[layout]()  # other arrays are looked at anew
    assert total.of(other) == word_by_word(other)


def test_samples_of_nothing_make_no_sum_and_the_largest_one_has_a_sign() -> None:
    raw = in_one_block()
    assert SampleSum().of(raw) == 0
    raw.channels[0, 0] = struct.unpack("<d", struct.pack("<Q", 2**63))[0]  # the sign alone: -0.0
    assert SampleSum().of(raw) == -(2**63)


class Seen:
    """The guard's memory, given a cycle at a time; each has samples of its own."""

    def __init__(self) -> None:
        self.inputs, self.raw = Inputs(LIMITS._replace(answer_deadline_s=DEADLINE_S)), new_raw(CELLS, SENSORS)

    def hear(self, now_s: float, cycle: int) -> int:
        self.raw.cells[:] = 100.0 * now_s + cycle
        self.inputs.hear(now_s, cycle, self.raw)
        return word_by_word(self.raw)


def test_a_cycle_has_the_sum_of_the_samples_as_they_were_when_it_was_first_heard_of() -> None:
    seen = Seen()
    assert (seen.inputs.sum_of(5), seen.inputs.too_old(5)) == (None, False)
    first = seen.hear(0.0, 5)
    assert seen.hear(0.01, 5) != first  # the same cycle again: its samples are those of before
    second = seen.hear(0.02, 7)
    assert [seen.inputs.sum_of(cycle) for cycle in (4, 5, 6, 7, 8)] == [None, first, None, second, None]
    assert [seen.inputs.too_old(cycle) for cycle in (4, 5, 6, 8)] == [True, False, False, False]


def test_a_cycle_is_too_old_once_newer_samples_have_been_there_for_longer_than_the_deadline() -> None:
    seen = Seen()
    first, second = seen.hear(0.0, 1), seen.hear(1.0, 2)
    third = seen.hear(1.0 + DEADLINE_S, 3)
    assert [seen.inputs.sum_of(cycle) for cycle in (1, 2, 3)] == [first, second, third]
    seen.hear(1.0 + 1.5 * DEADLINE_S, 4)
    assert [seen.inputs.sum_of(cycle) for cycle in (1, 2, 3)] == [None, second, third]
    assert [seen.inputs.too_old(cycle) for cycle in (1, 2)] == [True, False]
    seen.hear(100.0, 5)  # after a pause all but the newest two are: what followed the one before came just now
    assert [seen.inputs.too_old(cycle) for cycle in (3, 4, 5)] == [True, False, False]


def test_a_driver_that_begins_anew_leaves_nothing_of_what_was_seen() -> None:
    seen = Seen()
    for cycle in (8, 9, 10):
        seen.hear(0.01 * cycle, cycle)
    begun = seen.hear(0.11, 9)
    assert [seen.inputs.sum_of(cycle) for cycle in (8, 9, 10)] == [None, begun, None]
    assert seen.inputs.too_old(8)


def test_a_time_that_is_no_number_keeps_no_old_samples() -> None:
    seen = Seen()
    seen.hear(0.0, 1)
    seen.hear(float("nan"), 2)
    last = seen.hear(0.1, 3)
    assert [seen.inputs.sum_of(cycle) is None for cycle in (1, 2)] == [True, False]
    assert seen.inputs.sum_of(3) == last
