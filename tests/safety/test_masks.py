"""A masked fault is told and nothing more, until the mask ends by the image's time; then it is as any other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.kernel import Kernel
from ionward.image.faults import FAULT_ID, FAULTS
from ionward.image.kernel_memory import VERDICT
from ionward.image.parameters import FAULTP, LEVELP
from ionward.image.signals import (
    FAULT,
    LEVEL_FAULT,
    LEVEL_INFO,
    LEVEL_NONE,
    LEVEL_WARNING,
    OPEN_IN_ORDER,
    OPEN_NONE,
)
from ionward.safety.protect import hold_masks, judge_all, react

pytestmark = pytest.mark.verifies("SR-230")
MASKABLE = [fault.id for fault in FAULTS if fault.maskable]
CYCLE_S = 0.05
SPREAD = "temperature_disagreement"  # info, warning and fault; it latches


def masked(fault: str, until_s: float, start_s: float = 100.0) -> Kernel:
    k = Kernel(start_s=start_s, settle=False, cycle_s=CYCLE_S)
    k.parameters.faults[FAULTP.mask_until_s, getattr(FAULT_ID, fault)] = until_s
    k.run(0.3)
    return k


def hot(k: Kernel, kelvin: float) -> None:
    """One sensor of the first module is warmer than its neighbour."""
    k.samples.temperatures[0] = k.samples.temperatures[1] + kelvin


def test_it_is_told_at_info_with_its_place_and_count_and_nothing_follows() -> None:
    k = Kernel(settle=False, cycle_s=CYCLE_S)
    for fault in (SPREAD, "temperature_spread"):  # the other one sees the same
        k.parameters.faults[FAULTP.mask_until_s, getattr(FAULT_ID, fault)] = 1000.0
    k.run(0.3)
    assert (k.fault(SPREAD, "masked"), k.s["masked_faults"]) == (1.0, 2)
    hot(k, 30.0)
    k.run(12.0)
    assert (k.level(SPREAD), k.fault(SPREAD, "masked_level")) == (LEVEL_INFO, LEVEL_FAULT)
    assert (k.fault(SPREAD, "count"), k.fault(SPREAD, "place")) == (1.0, 0.0)
    assert (SPREAD, LEVEL_INFO, LEVEL_NONE, 0) in k.events()
    assert k.fault(SPREAD, "latched_level") == LEVEL_NONE
    assert (k.s["derate"], k.s["open_request"], k.s["charge_allowed"], k.s["discharge_allowed"]) == (0, OPEN_NONE, 1, 1)
    hot(k, 0.0)
    k.run(25.0)  # one level after the other
    assert (k.level(SPREAD), k.fault(SPREAD, "masked_level")) == (LEVEL_NONE, LEVEL_NONE)


def test_it_rises_to_what_it_is_in_the_tick_in_which_the_mask_ends() -> None:
    k = masked(SPREAD, 112.0)
    hot(k, 30.0)
    while k.now_s < 112.0 - 1.5 * k.cycle_s:
        k.tick()
    assert k.level(SPREAD) == LEVEL_INFO
    k.tick()
    assert (k.level(SPREAD), k.s["masked_faults"]) == (LEVEL_FAULT, 0)
    assert k.fault(SPREAD, "latched_level") == LEVEL_FAULT
    assert k.s["open_request"] == OPEN_IN_ORDER
    assert k.fault(SPREAD, "since_s") == k.now_s
    last_two = k.events()[-2:]
    assert last_two == [(SPREAD, LEVEL_INFO, LEVEL_INFO, -1), (SPREAD, LEVEL_FAULT, LEVEL_INFO, 0)]


def test_the_end_of_a_mask_of_a_quiet_fault_is_an_event() -> None:
    k = masked(SPREAD, 101.0)
    k.run(1.0)
    assert k.events() == [(SPREAD, LEVEL_NONE, LEVEL_NONE, -1)]
    assert k.level(SPREAD) == LEVEL_NONE


def test_a_mask_that_has_ended_never_comes_back_with_a_clock_that_goes_back() -> None:
    k = masked(SPREAD, 101.0)
    k.run(1.0)
    k.now_s = 50.0
    k.run(0.2)
    assert k.s["masked_faults"] == 0


def test_a_mask_that_begins_while_running_does_not_hold() -> None:
    """Only the start may mask: a table that changes later is no way around protection."""
    k = Kernel(cycle_s=CYCLE_S)
    k.parameters.faults[FAULTP.mask_until_s, getattr(FAULT_ID, SPREAD)] = 1000.0
    hot(k, 30.0)
    k.run(12.0)
    assert k.level(SPREAD) == LEVEL_FAULT


@pytest.mark.parametrize("until_s", [-math.inf, math.nan, 0.0, 99.0])
def test_no_end_in_the_future_is_no_mask(until_s: float) -> None:
    k = masked(SPREAD, until_s)
    hot(k, 30.0)
    k.run(12.0)
    assert (k.level(SPREAD), k.s["masked_faults"]) == (LEVEL_FAULT, 0)


def test_what_was_latched_at_the_start_stays_latched_until_acknowledged() -> None:
    k = Kernel(settle=False, cycle_s=CYCLE_S)
    f = getattr(FAULT_ID, SPREAD)
    k.parameters.faults[FAULTP.mask_until_s, f] = 1000.0
    k.image.faults[FAULT.latched_level, f] = LEVEL_FAULT
    k.run(1.0)
    assert (k.s["latched_faults"], k.s["open_request"]) == (1, OPEN_IN_ORDER)
    k.acknowledge()
    k.run(0.1)
    assert (k.s["latched_faults"], k.s["open_request"]) == (0, OPEN_NONE)


def test_no_other_fault_is_touched() -> None:
    k = masked(SPREAD, 1000.0)
    k.samples.channels["hvil_closed"] = 0.0
    hot(k, 30.0)
    k.run(12.0)
    assert k.level("hvil_open") == LEVEL_FAULT
    assert k.s["open_request"] == OPEN_IN_ORDER


@pytest.mark.parametrize("fault", MASKABLE)
def test_every_maskable_fault_is_held_and_let_go(fault: str) -> None:
    """Its verdict as bad as can be: info at most before the end, its own level after it."""
    k, f = Kernel(settle=False, cycle_s=CYCLE_S), getattr(FAULT_ID, fault)
    levels = k.parameters.levels[:, :, f]
    highest = int(np.flatnonzero(np.isfinite(levels[:, LEVELP.set])).max()) + 1
    above = k.parameters.faults[FAULTP.above, f] > 0.0
    levels[:, LEVELP.delay_s] = 0.0
    k.parameters.faults[FAULTP.mask_until_s, f] = 110.0
    verdict = k.protect_memory.verdicts[:, f]
    verdict[[VERDICT.value, VERDICT.newest]] = 1e9 if above else -1e9
    verdict[[VERDICT.usable, VERDICT.complete, VERDICT.active]] = 1.0
    k.s["dt_s"] = 0.1
    seen = []
    for tick in range(120):
        k.s["time_s"] = 105.0 + 0.1 * tick
        hold_masks(k.parameters, k.image, tick == 0)
        judge_all(k.parameters, k.image, k.protect_memory, False, -1)
        react(k.parameters, k.image, k.protect_memory.state[0])
        seen.append((k.s["time_s"], k.level(fault), int(k.s["derate"]), int(k.s["open_request"])))
    before = [row[1:] for row in seen if row[0] < 110.0]
    after = [row[1:] for row in seen if row[0] >= 110.0]
    assert {level for level, *_ in before} <= {LEVEL_NONE, LEVEL_INFO}
    assert before[-1] == (LEVEL_INFO, 0, OPEN_NONE)
    assert {level for level, *_ in after} == {highest}
    assert all(derate == (highest >= LEVEL_WARNING) for _, derate, _ in after)
    assert all((request != OPEN_NONE) == (highest >= LEVEL_FAULT) for *_, request in after)


STEPS = st.lists(st.tuples(st.sampled_from([0.0, 9.0, 11.0, 16.0, 30.0]), st.integers(1, 60)), min_size=1, max_size=8)


@settings(max_examples=25, deadline=None)
@given(STEPS, st.floats(100.5, 125.0))
def test_behind_a_mask_the_ladder_is_the_one_without_it(steps: list[tuple[float, int]], until_s: float) -> None:
    """Two kernels, the same samples: told at info at most before, equal after; all other faults equal throughout."""
    free, held = Kernel(cycle_s=0.1, settle=False), Kernel(cycle_s=0.1, settle=False)
    f = getattr(FAULT_ID, SPREAD)
    held.parameters.faults[FAULTP.mask_until_s, f] = until_s
    others = np.arange(len(FAULTS)) != f
    for kelvin, ticks in steps:
        for k in (free, held):
            hot(k, kelvin)
        for _ in range(ticks):
            free.tick()
            held.tick()
            np.testing.assert_array_equal(held.image.faults[:, others], free.image.faults[:, others])
            if held.now_s < until_s:
                assert held.level(SPREAD) == min(free.level(SPREAD), LEVEL_INFO)
                assert held.fault(SPREAD, "masked_level") == free.level(SPREAD)
                assert held.fault(SPREAD, "latched_level") == LEVEL_NONE
                assert held.s["open_request"] == OPEN_NONE
            else:
                assert (held.level(SPREAD), held.fault(SPREAD, "masked_level")) == (free.level(SPREAD), LEVEL_NONE)
