"""Faults of the BMS itself: only in real time, latched, and each from its own cause."""

from __future__ import annotations

import functools
import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.judging import judged
from helpers.kernel import Kernel
from ionward.image.exchange import GUARD_SILENT
from ionward.image.signals import LEVEL_CRITICAL, LEVEL_FAULT, LEVEL_NONE, LEVEL_WARNING, OPEN_IN_ORDER, OPEN_NOW
from ionward.safety.rules_inside import WORDS_A_TICK, memory_rules, parity

INSIDE = ("cycle_stopped", "cycle_overrun", "guard_withholds", "enable_lost")


def live() -> Kernel:
    kernel = Kernel()
    kernel.command["supervised"] = 1
    kernel.command["enables"] = 1
    kernel.close()
    kernel.run(0.1)
    assert kernel.levels() == {}
    return kernel


@given(st.integers(0, 13), st.integers(0, 1), st.integers(0, 5), st.floats(0, 10), st.floats(0.001, 5.0))
def test_in_simulated_time_nothing_of_it_is_raised(
    withholds: int, tripped: int, trips: int, share: float, pause_s: float
) -> None:
    kernel = Kernel(settle=False)
    kernel.command["guard_withholds"], kernel.command["driver_tripped"] = withholds, tripped
    kernel.command["driver_trips"], kernel.command["overrun_share"] = trips, share
    kernel.close()
    for _ in range(3):
        kernel.tick(dt_s=pause_s)
    assert [kernel.level(fault) for fault in INSIDE] == [0, 0, 0, 0]


@pytest.mark.verifies("SR-060")
def test_a_pause_of_the_cycle_opens_and_stays_latched() -> None:
    kernel = live()
    kernel.tick(dt_s=0.09)
    assert kernel.level("cycle_stopped") == LEVEL_NONE
    kernel.tick(dt_s=0.11)
    assert kernel.level("cycle_stopped") == LEVEL_CRITICAL
    assert kernel.s["open_request"] == OPEN_NOW
    kernel.run(0.1)
    assert kernel.level("cycle_stopped") == LEVEL_NONE
    assert kernel.fault("cycle_stopped", "latched_level") == LEVEL_CRITICAL
    assert kernel.s["open_request"] == OPEN_NOW
    kernel.acknowledge()
    kernel.tick()
    assert kernel.s["latched_faults"] == 0


@pytest.mark.verifies("SR-061")
def test_overruns_derate_at_half_the_budget_and_open_in_order_when_it_is_used_up() -> None:
    kernel = live()
    kernel.command["overrun_share"] = 0.5625
    kernel.tick()
    assert kernel.level("cycle_overrun") == LEVEL_WARNING
    assert kernel.s["derate"] == 1
    kernel.command["overrun_share"] = 1.0625
    kernel.tick()
    assert kernel.level("cycle_overrun") == LEVEL_FAULT
    assert kernel.s["open_request"] == OPEN_IN_ORDER


@pytest.mark.verifies("SR-062")
def test_the_guards_reason_counts_only_while_something_is_closed() -> None:
    kernel = live()
    kernel.close(False)
    kernel.command["guard_withholds"] = GUARD_SILENT
    kernel.run(0.1)
    assert kernel.level("guard_withholds") == LEVEL_NONE
    kernel.s["main_negative_close"] = 1
    kernel.channels["main_negative_closed"] = 1.0
    kernel.tick()
    assert kernel.level("guard_withholds") == LEVEL_CRITICAL
    assert kernel.fault("guard_withholds", "value") == GUARD_SILENT


@pytest.mark.verifies("SR-063")
@pytest.mark.parametrize("from_before", [False, True])
def test_a_trip_of_the_driver_is_latched_once_also_one_from_before_the_start(from_before: bool) -> None:
    if from_before:
        kernel = Kernel(settle=False)
        kernel.command["supervised"] = 1
    else:
        kernel = live()
    kernel.command["driver_tripped"], kernel.command["driver_trips"] = 1, 3
    kernel.tick()
    assert kernel.level("enable_lost") == LEVEL_CRITICAL
    kernel.run(0.05)
    assert kernel.level("enable_lost") == LEVEL_NONE
    assert kernel.fault("enable_lost", "latched_level") == LEVEL_CRITICAL
    # The driver holds its trip until it sees the acknowledgement: that must not spend it.
    kernel.acknowledge()
    kernel.run(0.05)
    assert kernel.fault("enable_lost", "latched_level") == LEVEL_NONE
    kernel.command["driver_trips"] = 4
    kernel.tick()
    assert kernel.level("enable_lost") == LEVEL_CRITICAL


def test_clearing_forgets_the_counts_of_what_is_over_and_of_nothing_else() -> None:
    kernel = live()
    kernel.tick(dt_s=0.2)
    kernel.run(0.1)
    kernel.command["clear_count"] += 1
    kernel.tick()
    assert kernel.fault("cycle_stopped", "count") == 1  # it waits to be acknowledged
    kernel.acknowledge()
    kernel.tick()
    kernel.command["clear_count"] += 1
    kernel.tick()
    assert kernel.fault("cycle_stopped", "count") == 0


TABLES = ("levels", "faults", "channel_limits", "cell_limits", "sensor_limits", "curves", "words", "cells", "sensors",
          "table")  # fmt: skip
PARTS = 3  # of the cell model's table; every other one is read in one tick


class Memory:
    """The rule of the tables alone, tick by tick, with a cell model of a word more than two ticks read."""

    def __init__(self) -> None:
        self.kernel = Kernel(settle=False)
        self.parameters = self.kernel.parameters._replace(table=np.zeros((1, 1, 2 * WORDS_A_TICK + 1)))

    def words(self, table: str) -> np.ndarray:
        return getattr(self.parameters, table).reshape(-1).view(np.int64)

    def a_round(self) -> list[float]:
        """What is told in each tick: the table that has changed, from 1."""
        memory, told = self.kernel.protect_memory, []
        for _ in range(len(TABLES) - 1 + PARTS):
            memory_rules(self.parameters, self.kernel.image.faults, memory.verdicts, memory.state[0], memory.sums)
            told.append(judged(self.kernel, "configuration_changed"))
        assert memory.state["table"][0] == 0
        return told


@pytest.mark.verifies("SR-091")
@pytest.mark.parametrize("table", TABLES)
def test_the_table_that_has_changed_is_named_within_a_round(table: str) -> None:
    memory = Memory()
    quiet = [0.0] * (len(TABLES) - 1 + PARTS)
    assert memory.a_round() == memory.a_round() == quiet
    memory.words(table)[-1] ^= 1 << 17
    number = TABLES.index(table)
    read_before = number if table != "table" else number + PARTS - 1
    assert memory.a_round() == quiet[:read_before] + [number + 1.0] * (len(quiet) - read_before)
    memory.words(table)[-1] ^= 1 << 17  # what has changed once is not believed any more
    assert memory.a_round() == [number + 1.0] * len(quiet)


@pytest.mark.verifies("SR-091")
@pytest.mark.parametrize("word", [0, WORDS_A_TICK - 1, WORDS_A_TICK, 2 * WORDS_A_TICK - 1, 2 * WORDS_A_TICK])
def test_no_word_of_a_long_table_is_left_out_or_read_twice(word: int) -> None:
    memory = Memory()
    memory.a_round()
    memory.words("table")[word] ^= 1
    assert memory.a_round()[-1] == 10.0


@pytest.mark.verifies("SR-092")
def test_a_fault_block_is_compared_with_what_the_tick_before_left() -> None:
    kernel = Kernel(settle=False)
    state, sums = kernel.protect_memory.state[0], kernel.protect_memory.sums
    for sealed, left, told in ((0, 1, 0.0), (1, 0, 0.0), (1, 1, 1.0)):
        state["sealed"], state["seal"] = sealed, parity(kernel.image.faults) ^ left
        memory_rules(kernel.parameters, kernel.image.faults, kernel.protect_memory.verdicts, state, sums)
        assert judged(kernel, "image_corrupted") == told


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=12))
def test_a_parity_is_the_exclusive_or_of_all_words(words: list[int]) -> None:
    block = np.array(words, np.int64).view(np.float64).reshape(1, -1)
    assert parity(block) == functools.reduce(operator.xor, words)
