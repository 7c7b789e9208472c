"""Control's cycle around the tick: what it makes of the guard, and what it answers."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.scenarios import small_system
from ionward.image.build import build_parameters, system_size
from ionward.image.exchange import GUARD_OK, GUARD_STOOD, GUARD_WISH
from ionward.image.layout import new_image
from ionward.image.tables import in_one_row, table_sums
from ionward.runtime.cycle import Desk, new_desk, sample_sum, supervise, table_sum
from ionward.safety.guard_input import SampleSum

SYSTEM = small_system()
SIZE = system_size(SYSTEM)
DEADLINE_S, SLICES = 0.05, 7


def desk() -> Desk:
    """A desk of the small pack, with a driver and a guard that give both enables."""
    made = new_desk(SIZE, new_image(SIZE), in_one_row(build_parameters(SYSTEM))[1], SLICES)
    made.driven["control_enable"] = made.driven["guard_enable"] = made.guard["enable"] = 1
    return made


def withheld(made: Desk, now_s: float, guard_s: float, challenge: int) -> int:
    made.guard["time_s"], made.guard["challenge"] = guard_s, challenge
    supervise(now_s, DEADLINE_S, made)
    return int(made.command["guard_withholds"][0])


@pytest.mark.verifies("SR-062")
@pytest.mark.parametrize(
    ("late_s", "gone"), [(0.0, False), (0.04, False), (0.06, True), (-0.04, False), (-0.06, True), (np.nan, True)]
)
def test_a_guard_with_an_old_word_or_another_clock_is_gone(late_s: float, gone: bool) -> None:
    assert withheld(desk(), 10.0, 10.0 - late_s, 5) == (GUARD_STOOD if gone else GUARD_OK)


@pytest.mark.verifies("SR-062")
def test_a_guard_whose_challenge_stands_still_is_gone() -> None:
    """It says yes in time, again and again, and asks nothing new."""
    made = desk()
    told = [withheld(made, 10.0 + 0.01 * k, 10.0 + 0.01 * k, 5) for k in range(10)]
    assert told[:5] == [GUARD_OK] * 5
    assert told[6:] == [GUARD_STOOD] * 4
    assert withheld(made, 10.1, 10.1, 6) == GUARD_OK


def test_a_guard_that_withholds_is_heard_with_its_reason() -> None:
    made = desk()
    made.guard["enable"], made.guard["reason"] = 0, GUARD_WISH
    assert withheld(made, 10.0, 10.0, 5) == GUARD_WISH


@pytest.mark.verifies("SR-220")
def test_the_compiled_checksums_are_those_of_the_supervisor_and_follow_the_live_tables() -> None:
    made = desk()
    sums = table_sums(build_parameters(SYSTEM), SLICES)
    assert tuple(table_sum(100 * SLICES + k, made) for k in range(SLICES)) == sums
    made.tables[0] ^= 1
    assert table_sum(0, made) != sums[0]
    assert table_sum(1, made) == sums[1]


@pytest.mark.verifies("SR-221")
def test_the_compiled_sum_over_the_samples_is_the_guards() -> None:
    made = desk()
    rng = np.random.default_rng(3)
    for block in (made.raw.channels, made.raw.cells, made.raw.temperatures):
        block[...] = rng.normal(size=block.shape)
        block[0, 0] = np.nan
    guards = SampleSum()
    assert sample_sum(made) == guards.of(made.raw)
    made.raw.cells[0, -1] += 1e-9
    before = guards.of(new_desk(SIZE, new_image(SIZE)).raw)
    assert sample_sum(made) == guards.of(made.raw) != before
