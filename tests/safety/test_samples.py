"""Validation of single measurements: each rule by itself, and all together against a slow model."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.items import AGE_S, CYCLE_S, FROZEN_S, HIGH, HOLD_S, LOW, RATE, Items, Seen
from ionward.image.parameters import MEASURE
from ionward.image.signals import (
    BAD,
    GOOD,
    HELD,
    MEASURED,
    NOT_FITTED,
    REASON_FROZEN,
    REASON_NO_VALUE,
    REASON_NONE,
    REASON_NOT_FITTED,
    REASON_OLD,
    REASON_RANGE,
    REASON_RATE,
    REASON_TIME,
)
from ionward.safety.samples import fit


class SlowItem:
    """The same rules, written for one item without regard to speed."""

    def __init__(self) -> None:
        self.good: tuple[float, float] | None = None
        self.same_since = self.newest = self.looked_at = -math.inf
        self.jump: list[tuple[float, float]] = []  # the good sample before, and those that came too fast since
        self.level = self.course = 0
        self.quality, self.reason, self.held_since = BAD, REASON_NO_VALUE, -math.inf

    def why_refused(self, value: float, at: float, now: float) -> int:
        if not (self.newest < at <= now + CYCLE_S):
            return REASON_TIME
        if not now - at <= AGE_S:
            return REASON_OLD
        if math.isnan(value):
            return REASON_NO_VALUE
        if value < LOW or value > HIGH:
            return REASON_RANGE
        if self.good and abs(value - self.good[0]) > RATE * max(at - self.good[1], CYCLE_S):
            return REASON_RATE
        if self.good and value == self.good[0] and at - self.same_since > FROZEN_S:
            return REASON_FROZEN
        return REASON_NONE

    def believe_jump(self, value: float, at: float) -> bool:
        """Three in a row on one level, or four on one straight course."""
        if not self.jump:
            assert self.good is not None
            self.jump, self.level, self.course = [self.good], 0, 0
        last, when = self.jump[-1]
        elapsed, near, ahead = max(at - when, CYCLE_S), False, False
        if len(self.jump) > 1:
            before, earlier = self.jump[-2]
            expected = (last - before) / max(when - earlier, CYCLE_S) * elapsed
            near = abs(value - last) <= RATE * elapsed
            ahead = expected * (value - last) > 0 and abs(value - last - expected) <= RATE * elapsed
        self.level, self.course = self.level + 1 if near else 1, self.course + 1 if ahead else 1
        self.jump.append((value, at))
        return self.level >= 3 or self.course >= 4

    def tick(self, now: float, value: float, at: float) -> Seen:
        new = False
        if at != self.looked_at:
            self.looked_at = at
            if self.newest + AGE_S < at <= now + CYCLE_S:
                self.same_since = at  # silence before
            reason = self.why_refused(value, at, now)
            if reason != REASON_TIME:
                self.newest = at
            # What was believed goes on being believed until a sample keeps to the limit again.
            if reason == REASON_RATE:
                reason = REASON_NONE if self.believe_jump(value, at) else reason
            else:
                self.jump = []
            if reason == REASON_NONE:
                if self.good is None or self.good[0] != value:
                    self.same_since = at
                self.good, self.quality, new = (value, at), GOOD, True
            elif self.quality == GOOD:
                self.quality, self.held_since = HELD, now
            self.reason = reason
        if self.good and self.quality in (GOOD, HELD):
            if now - self.good[1] > AGE_S or self.good[1] > now + CYCLE_S:
                self.reason = REASON_OLD if self.quality == GOOD else self.reason
                self.quality = BAD
            elif self.quality == HELD and now - self.held_since >= HOLD_S:
                self.quality = BAD
        shown = self.good[0] if self.good and self.quality in (GOOD, HELD) else math.nan
        return shown, self.quality, self.reason, new


def same(a: Seen, b: Seen) -> bool:
    return a[1:] == b[1:] and (a[0] == b[0] or (math.isnan(a[0]) and math.isnan(b[0])))


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[float, float, float]]:
    """Ticks as (now, value, sample time), with jitter, repeats, steps back and samples from the future."""
    now, value, at, out = 0.0, 3.0, -math.inf, []
    for _ in range(draw(st.integers(1, 50))):
        now += draw(st.sampled_from([CYCLE_S] * 6 + [0.0, 0.005, AGE_S, HOLD_S, 0.5, -0.02]))
        kind = draw(st.integers(0, 11))
        if kind < 8:
            at = now + draw(st.sampled_from([0.0, -0.002, -0.004, 0.004, CYCLE_S]))
            value = draw(st.sampled_from([value, value, value + 1e-4, value + 0.49, value - 0.51, 1.0, 4.0, LOW, HIGH]))
            value = min(max(value, LOW), HIGH)
        elif kind == 8:
            at = draw(st.sampled_from([now - 1.0, now + 1.0, math.inf, -math.inf, now - AGE_S - 1e-6]))
        elif kind == 9:
            out.append((now, draw(st.sampled_from([math.nan, math.inf, -math.inf, -1e-9, 5.0 + 1e-9])), now))
            at = now
            continue
        out.append((now, value, at))
    return out


@pytest.mark.verifies("SR-100", "SR-101")
@settings(max_examples=60, deadline=None)
@given(histories())
def test_validation_agrees_with_the_slow_model(history: list[tuple[float, float, float]]) -> None:
    items, slow = Items(3), SlowItem()  # neighbours are silent: a block with silent items judges as one without
    for now, value, at in history:
        items.raw[:, 1] = value, at
        items.tick(now)
        expected = slow.tick(now, value, at)
        assert same(items.seen(1), expected), (now, value, at, items.seen(1), expected)
        assert items.seen(0) == pytest.approx((math.nan, BAD, REASON_NO_VALUE, False), nan_ok=True)


@settings(max_examples=20, deadline=None)
@given(st.lists(histories(), min_size=2, max_size=4))
def test_items_do_not_disturb_each_other(all_histories: list[list[tuple[float, float, float]]]) -> None:
    ticks = min(map(len, all_histories))
    together, alone = Items(len(all_histories)), [Items() for _ in all_histories]
    for k in range(ticks):
        now = k * CYCLE_S
        for item, history in enumerate(all_histories):
            moment, value, at = history[k]
            together.raw[:, item] = value, at - moment + now
            alone[item].raw[:, 0] = value, at - moment + now
            alone[item].tick(now)
        together.tick(now)
        for item, single in enumerate(alone):
            assert same(together.seen(item), single.seen())


@pytest.mark.parametrize("value", [LOW, HIGH, 3.0])
def test_a_first_sample_within_range_is_good(value: float) -> None:
    assert Items().sample(1.0, value) == (value, GOOD, REASON_NONE, True)


@pytest.mark.verifies("SR-100", "SR-101")
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (math.nan, REASON_NO_VALUE),
        (math.inf, REASON_RANGE),
        (-math.inf, REASON_RANGE),
        (math.nextafter(LOW, -1.0), REASON_RANGE),
        (math.nextafter(HIGH, 9.0), REASON_RANGE),
    ],
)
def test_an_impossible_value_is_bridged_for_the_hold_time_and_then_bad(value: float, reason: int) -> None:
    items = Items()
    items.sample(1.0, 3.0)
    seen = [items.sample(1.0 + k * CYCLE_S, value) for k in range(1, 8)]
    assert seen[:5] == [(3.0, HELD, reason, False)] * 5  # first refused at 1.01, so held until before 1.06
    assert all(math.isnan(v) and q == BAD and r == reason for v, q, r, _ in seen[5:])
    assert items.sample(1.09, 3.0) == (3.0, GOOD, REASON_NONE, True)


def test_a_first_impossible_value_is_never_bridged() -> None:
    _, quality, reason, _ = Items().sample(1.0, 9.0)
    assert (quality, reason) == (BAD, REASON_RANGE)


@pytest.mark.verifies("SR-100")
def test_a_jump_is_believed_with_its_third_sample() -> None:
    items = Items()
    items.sample(1.0, 3.0)
    seen = [items.sample(1.0 + k * CYCLE_S, v) for k, v in ((1, 4.5), (2, 4.51), (3, 4.5))]
    assert seen == [(3.0, HELD, REASON_RATE, False)] * 2 + [(4.5, GOOD, REASON_NONE, True)]


@pytest.mark.verifies("SR-100")
@pytest.mark.parametrize(("start", "step"), [(0.1, 0.6), (4.9, -0.6)])
def test_a_steady_course_faster_than_permitted_is_believed_with_its_fourth_sample(start: float, step: float) -> None:
    """As a temperature beside a fire: the limit says what is likely, not what is possible."""
    items = Items()
    items.sample(1.0, start)
    seen = [items.sample(1.0 + k * CYCLE_S, start + k * step) for k in range(1, 7)]
    assert [new for *_, new in seen] == [False, False, False, True, True, True]
    assert seen[-1] == (start + 6 * step, GOOD, REASON_NONE, True)
    assert items.sample(1.07, start)[1:3] == (HELD, REASON_RATE)  # off the course: a jump like any other


def test_a_course_that_turns_is_not_believed() -> None:
    items = Items()
    items.limits[MEASURE.rate_max] = 10.0
    items.sample(1.0, 2.0)
    assert not any(items.sample(1.0 + k * CYCLE_S, v)[3] for k, v in enumerate((2.6, 3.2, 2.6, 3.2, 3.8, 3.2), 1))


def test_a_single_spike_leaves_no_trace() -> None:
    items = Items()
    items.sample(1.0, 3.0)
    items.sample(1.01, 4.5)
    assert items.sample(1.02, 3.0) == (3.0, GOOD, REASON_NONE, True)
    assert items.sample(1.03, 4.5)[:2] == (3.0, HELD)
    assert items.sample(1.04, 4.5)[:2] == (3.0, HELD)  # the spike before does not count


def test_values_that_leap_about_are_never_believed() -> None:
    items = Items()
    items.limits[MEASURE.rate_max] = 10.0
    items.sample(1.0, 3.0)
    seen = [items.sample(1.0 + k * CYCLE_S, 0.1 if k % 2 else 4.9) for k in range(1, 9)]
    assert not any(new for *_, new in seen)
    assert seen[-1][1:3] == (BAD, REASON_RATE)


def test_what_may_change_grows_with_the_time_between_samples() -> None:
    items = Items()
    items.sample(1.0, 3.0)
    assert items.sample(1.03, 4.5)[1] == GOOD  # 1.5 V in 30 ms
    assert items.sample(1.05, 3.4)[1] == HELD  # 1.1 V in 20 ms


def test_a_silent_measurement_ages_and_becomes_bad() -> None:
    items = Items()
    items.sample(1.0, 3.0)
    items.tick(1.099)
    assert items.seen() == (3.0, GOOD, REASON_NONE, False)
    assert items.block[MEASURED.age_s, 0] == pytest.approx(0.099)
    items.tick(1.101)
    assert items.seen()[1:3] == (BAD, REASON_OLD)
    assert math.isnan(items.seen()[0])


@pytest.mark.verifies("SR-100")
@pytest.mark.parametrize("offset_s", [1.0, CYCLE_S + 1e-6, math.inf, math.nan])
def test_a_sample_from_the_future_is_refused_and_locks_nothing_out(offset_s: float) -> None:
    items = Items()
    items.sample(1.0, 3.0)
    assert items.sample(1.01 + offset_s, 3.1, now_s=1.01) == (3.0, HELD, REASON_TIME, False)
    assert items.sample(1.02, 3.1) == (3.1, GOOD, REASON_NONE, True)


@pytest.mark.verifies("SR-100")
def test_a_sample_older_than_the_last_one_is_refused() -> None:
    items = Items()
    items.sample(1.0, 3.0)
    assert items.sample(0.995, 3.0, now_s=1.01)[1:] == (HELD, REASON_TIME, False)


@pytest.mark.verifies("SR-100")
def test_a_sample_that_comes_too_late_is_refused() -> None:
    items = Items()
    assert items.sample(1.0, 3.0, now_s=1.2)[1:] == (BAD, REASON_OLD, False)


def test_a_clock_that_jumps_back_makes_everything_bad_until_it_has_caught_up() -> None:
    items = Items()
    items.sample(10.0, 3.0)
    assert items.sample(5.0, 3.0)[1] == BAD
    assert items.sample(9.99, 3.0)[1] == BAD
    assert items.sample(10.02, 3.0)[1] == GOOD


@pytest.mark.verifies("SR-192")
def test_a_clock_that_is_no_number_makes_everything_bad() -> None:
    items = Items()
    items.sample(10.0, 3.0)
    items.tick(math.nan)
    assert items.seen()[1] == BAD


@pytest.mark.verifies("SR-100")
def test_a_frozen_value_is_refused_and_moves_on_with_the_last_digit() -> None:
    items = Items()
    seen = [items.sample(1.0 + k * 0.05, 3.0) for k in range(24)]
    assert [q for _, q, _, _ in seen[:21]] == [GOOD] * 21  # up to exactly 1.0 s
    assert seen[21][1:3] == (HELD, REASON_FROZEN)
    assert seen[23][1:3] == (BAD, REASON_FROZEN)
    assert items.sample(1.0 + 24 * 0.05, math.nextafter(3.0, 4.0))[1] == GOOD


def test_silence_is_not_frozen() -> None:
    items = Items()
    items.sample(1.0, 3.0)
    assert items.sample(100.0, 3.0)[1] == GOOD
    assert items.sample(100.05, 3.0)[1] == GOOD


def test_frozen_is_not_judged_where_it_is_switched_off() -> None:
    items = Items()
    items.limits[MEASURE.frozen_s] = 0.0
    assert all(items.sample(1.0 + k * 0.05, 3.0)[1] == GOOD for k in range(100))


@pytest.mark.verifies("SR-104")
def test_what_is_not_fitted_stays_so_whatever_comes() -> None:
    items = Items()
    items.limits[MEASURE.fitted] = 0.0
    fit(items.limits, items.block)
    for k, value in enumerate((3.0, math.nan, 9.0)):
        assert items.sample(1.0 + k, value)[1:] == (NOT_FITTED, REASON_NOT_FITTED, False)
        assert math.isnan(items.seen()[0])


def test_counts_tell_accepted_refused_and_lost() -> None:
    items = Items(4)
    items.raw[:] = [[3.0, 3.0, math.nan, 9.0], [1.0] * 4]
    assert items.tick(1.0) == (2, 2, 0)
    assert items.tick(1.05) == (0, 0, 0)
    assert items.tick(2.0) == (0, 0, 2)
