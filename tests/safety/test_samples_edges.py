"""Validation of single measurements at its edges: the exact moment, the exact step."""

from __future__ import annotations

import math

import pytest

from helpers.items import AGE_S, CYCLE_S, FROZEN_S, HOLD_S, Items
from ionward.image.parameters import MEASURE
from ionward.image.signals import (
    BAD,
    GOOD,
    HELD,
    MEASURED,
    REASON_FROZEN,
    REASON_NONE,
    REASON_RATE,
    REASON_TIME,
)
from ionward.safety.samples import fit


@pytest.mark.parametrize(("now_s", "quality"), [(0.0499, HELD), (HOLD_S, BAD)])
def test_a_refused_sample_is_bridged_for_less_than_the_time_to_hold(now_s: float, quality: int) -> None:
    item = Items()
    item.sample(-CYCLE_S, 3.0)
    assert item.sample(0.0, math.nan)[1] == HELD
    item.tick(now_s)
    assert item.seen()[1] == quality


def test_a_value_that_moved_a_moment_ago_may_stand_still_for_the_whole_time() -> None:
    item = Items()
    for n in range(round(2 * FROZEN_S / CYCLE_S)):
        item.sample(n * CYCLE_S, 3.0 + 0.1 * (n % 2))
    moved_s, value = n * CYCLE_S, item.seen()[0]
    for n in range(1, round(FROZEN_S / CYCLE_S)):
        assert item.sample(moved_s + n * CYCLE_S, value) == (value, GOOD, REASON_NONE, True)
    assert item.sample(moved_s + FROZEN_S + CYCLE_S, value)[2] == REASON_FROZEN


@pytest.mark.parametrize(("now_s", "quality"), [(AGE_S, GOOD), (0.1001, BAD)])
def test_a_sample_is_good_up_to_the_greatest_age(now_s: float, quality: int) -> None:
    item = Items()
    item.sample(0.0, 3.0)
    item.tick(now_s)
    assert item.seen()[1] == quality


def test_the_greatest_age_is_the_same_while_another_item_comes() -> None:
    items = Items(2)
    items.raw[:, 0] = 3.0, 0.0
    items.tick(0.0)
    items.sample(AGE_S, 3.0, item=1)
    assert items.seen(0)[1] == GOOD


@pytest.mark.parametrize("judged_by", ["sweep", "one by one"])
def test_a_new_sample_is_marked_with_one_and_an_old_one_with_nothing(judged_by: str) -> None:
    items = Items()
    items.limits[MEASURE.frozen_s] = 0.0
    items.sample(1.0, 3.0)  # the first one has nothing to be compared with, so that it is looked at by itself
    if judged_by == "sweep":
        items.sample(1.01, 3.1)
    assert items.block[MEASURED.new, 0] == 1.0
    items.tick(1.015)
    assert items.block[MEASURED.new, 0] == 0.0


def test_a_sample_that_is_a_cycle_ahead_stays_good_while_the_clock_stands() -> None:
    items = Items()
    items.sample(1.0, 3.0)
    assert items.sample(1.0 + CYCLE_S, 3.1, now_s=1.0) == (3.1, GOOD, REASON_NONE, True)
    items.tick(1.0)
    assert items.seen() == (3.1, GOOD, REASON_NONE, False)
    assert items.block[MEASURED.age_s, 0] == 0.0


def test_what_is_not_fitted_is_not_taken_in_with_the_others() -> None:
    items = Items(2)
    items.limits[MEASURE.fitted, 0] = 0.0
    fit(items.limits, items.block)
    for n in range(1, 6):
        items.raw[:] = [[3.0 + 0.01 * n] * 2, [0.01 * n] * 2]
        assert items.tick(0.01 * n) == (1, 0, 0)
        assert math.isnan(items.block[0, 0])


@pytest.mark.parametrize("values", [(10.0, 11.0, 12.0), (10.0, 9.0, 10.0)])
def test_a_new_level_is_one_within_which_samples_move_as_fast_as_they_may(values: tuple[float, ...]) -> None:
    items = Items()
    items.limits[MEASURE.maximum], items.limits[MEASURE.rate_max] = 100.0, 64.0  # 1 from sample to sample, exactly
    assert items.sample(1.0, 3.0)[1] == GOOD
    assert items.sample(1.0 + 1 / 64, 4.0)[:2] == (4.0, GOOD)
    told = [items.sample(1.0 + (n + 2) / 64, value)[1:3] for n, value in enumerate(values)]
    assert told == [(HELD, REASON_RATE), (HELD, REASON_RATE), (GOOD, REASON_NONE)]


@pytest.mark.parametrize(("bend", "believed"), [(1.0, True), (1.125, False)])
def test_a_course_is_one_that_bends_by_what_a_sample_may_move(bend: float, believed: bool) -> None:
    items = Items()
    items.limits[MEASURE.maximum], items.limits[MEASURE.rate_max] = 100.0, 64.0
    items.sample(1.0, 0.0)
    value, step, told = 0.0, 1.5, []
    for n in range(1, 5):
        value, step = value + step, step + bend
        told.append(items.sample(1.0 + n / 64, value)[2])
    assert told == [REASON_RATE] * 3 + [REASON_NONE if believed else REASON_RATE]


@pytest.mark.parametrize(("late_s", "quality"), [(0.125, GOOD), (0.1251, BAD)])
def test_a_first_sample_may_be_as_old_as_the_greatest_age(late_s: float, quality: int) -> None:
    item = Items()
    item.limits[MEASURE.age_max_s] = 0.125
    assert item.sample(1.0, 3.0, now_s=1.0 + late_s)[1] == quality


def test_silence_gives_what_stands_still_its_whole_time_again() -> None:
    item = Items()
    times_s = [0.01 * n for n in range(50)] + [0.7 + 0.01 * n for n in range(100)]
    assert all(item.sample(at_s, 3.0)[1] == GOOD for at_s in times_s)
    assert [item.sample(1.7 + 0.01 * n, 3.0)[2] for n in (0, 2)] == [REASON_NONE, REASON_FROZEN]


def test_a_sample_that_was_refused_for_its_time_is_not_taken_when_its_time_has_come() -> None:
    item = Items()
    item.sample(1.0, 3.0)
    assert item.sample(1.05, 3.1, now_s=1.02)[1:3] == (HELD, REASON_TIME)
    item.tick(1.05)
    assert item.seen() == (3.0, HELD, REASON_TIME, False)
