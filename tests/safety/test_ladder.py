"""The ladder against a slow model that keeps the whole history, and its promises one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionward.image.kernel_memory import PROGRESS, UP_S, UP_SAMPLES, VERDICT
from ionward.image.parameters import LEVELP
from ionward.safety.ladder import COUNT_MAX, give, lowest_set, step_fault

Steps = list[tuple[float, float, int, float] | None]  # set, clear, samples, seconds; None: not used


def block(steps: Steps) -> np.ndarray:
    levels = np.full((4, len(LEVELP), 1), math.nan)
    for k, step in enumerate(steps):
        if step is not None:
            levels[k, :, 0] = step
    return levels


class Ladder:
    def __init__(self, steps: Steps, above: bool = True) -> None:
        self.levels, self.above, self.level = block(steps), above, 0
        self.verdicts, self.progress = np.zeros((len(VERDICT), 1)), np.zeros((len(PROGRESS), 1))

    def tick(
        self, value: float, dt_s: float = 0.01, new: bool = True, usable: bool = True, complete: bool = True,
        active: bool = True,
    ) -> int:  # fmt: skip
        give(self.verdicts, 0, value, value if new else math.nan, 3, usable, complete, active)
        self.level = step_fault(self.verdicts, self.progress, self.levels, self.level, 0, self.above, dt_s)
        return self.level


class SlowLadder:
    """The rules as written in the documents, recomputed from remembered ticks."""

    def __init__(self, steps: Steps, above: bool) -> None:
        self.steps = steps if above else [s and (-s[0], -s[1], s[2], s[3]) for s in steps]
        self.sign = 1.0 if above else -1.0
        self.level = 0
        self.runs: list[list[tuple[float, bool]]] = [[] for _ in steps]  # (seconds, counts as sample)
        self.calm: list[tuple[float, bool]] = []

    @staticmethod
    def lasted(run: list[tuple[float, bool]], samples: int, seconds: float) -> bool:
        counted = [k for k, (_, sample) in enumerate(run) if sample]
        if not counted:
            return False
        time_s = sum(dt for dt, _ in run[counted[0] + 1 :])
        return len(counted) >= samples and time_s + 1e-9 >= seconds

    def tick(self, value: float, dt_s: float, new: bool, usable: bool, complete: bool, active: bool) -> int:
        if not usable or math.isnan(value):
            return self.level
        value *= self.sign
        target = self.level
        for k in range(self.level, 4):
            step = self.steps[k]
            if step is None:
                continue
            if value > step[0]:
                if active:
                    self.runs[k].append((dt_s, new))
                    if self.lasted(self.runs[k], step[2], step[3]):
                        target = k + 1
            elif complete:
                self.runs[k] = []
        if target > self.level:
            self.level, self.calm = target, []
            return self.level
        if self.level == 0:
            return 0
        step = self.steps[self.level - 1]
        assert step is not None
        if value > step[1] and active:
            self.calm = []
        elif complete:
            self.calm.append((dt_s, new))
            if self.lasted(self.calm, step[2], step[3]):
                lower = [k + 1 for k in range(self.level - 1) if self.steps[k] is not None]
                self.level, self.calm = max(lower, default=0), []
                self.runs[self.level :] = [[] for _ in self.runs[self.level :]]
        return self.level


STEPS: Steps = [(1.0, 0.5, 1, 0.0), (2.0, 1.5, 2, 0.02), (3.0, 2.0, 3, 0.05), (4.0, 3.0, 2, 0.0)]
EDGES = [x + e for x in (0.5, 1.0, 1.5, 2.0, 3.0, 4.0) for e in (-1e-9, 0.0, 1e-9)]
values = st.sampled_from([*EDGES, 0.0, 5.0, math.inf, -math.inf, math.nan])
ticks = st.tuples(
    values,
    st.sampled_from([0.0, 0.001, 0.01, 0.0100001, 0.02, 0.5]),
    st.booleans(),
    st.integers(0, 7).map(bool),
    st.integers(0, 7).map(bool),
    st.integers(0, 3).map(bool),
)


@pytest.mark.verifies("SR-110", "SR-111", "SR-112")
@settings(max_examples=100, deadline=None)
@given(
    st.lists(ticks, max_size=60),
    st.lists(st.booleans(), min_size=4, max_size=4),
    st.booleans(),
)
def test_ladder_agrees_with_the_slow_model(
    history: list[tuple[float, float, bool, bool, bool, bool]], used: list[bool], above: bool
) -> None:
    steps = [step if use else None for step, use in zip(STEPS, used, strict=True)]
    if not above:
        steps = [s and (-s[0], -s[1], s[2], s[3]) for s in steps]
    fast, slow = Ladder(steps, above), SlowLadder(steps, above)
    for value, dt_s, new, usable, complete, active in history:
        value = value if above else -value
        expected = slow.tick(value, dt_s, new, usable, complete, active)
        assert fast.tick(value, dt_s, new, usable, complete, active) == expected


@pytest.mark.verifies("SR-110")
@pytest.mark.parametrize(
    ("samples", "seconds", "dt_s", "expected"),
    [(1, 0.0, 0.01, 1), (3, 0.0, 0.01, 3), (3, 0.05, 0.01, 6), (3, 0.05, 0.001, 51), (100, 0.05, 0.001, 100)],
)
def test_a_level_is_reached_with_exactly_the_last_sample_and_the_last_moment(
    samples: int, seconds: float, dt_s: float, expected: int
) -> None:
    ladder = Ladder([(1.0, 0.5, samples, seconds), None, None, None])
    reached = [ladder.tick(2.0, dt_s) for _ in range(expected)]
    assert reached == [0] * (expected - 1) + [1]


@pytest.mark.verifies("SR-110", "SR-103")
def test_time_passes_between_samples_but_samples_are_still_needed() -> None:
    ladder = Ladder([(1.0, 0.5, 2, 0.03), None, None, None])
    assert [ladder.tick(2.0, new=new) for new in (True, False, False, False, False, True)] == [0, 0, 0, 0, 0, 1]


@pytest.mark.verifies("SR-110")
def test_a_single_good_sample_starts_the_count_anew() -> None:
    ladder = Ladder([(1.0, 0.5, 3, 0.0), None, None, None])
    assert [ladder.tick(v) for v in (2.0, 2.0, 1.0, 2.0, 2.0, 2.0)] == [0, 0, 0, 0, 0, 1]


def test_exactly_at_the_threshold_is_not_beyond_it_and_exactly_at_clear_is_back() -> None:
    ladder = Ladder([(1.0, 0.5, 1, 0.0), None, None, None])
    assert [ladder.tick(v) for v in (1.0, math.nextafter(1.0, 2.0), 0.51, 0.5)] == [0, 1, 1, 0]


@pytest.mark.verifies("SR-111")
def test_levels_are_reached_independently_and_left_one_by_one() -> None:
    ladder = Ladder([(1.0, 0.5, 1, 1.0), None, (3.0, 2.0, 2, 0.0), (4.0, 3.0, 2, 0.0)])
    up = [ladder.tick(9.0) for _ in range(2)]
    down = [ladder.tick(0.0) for _ in range(105)]
    assert up == [0, 4]
    assert down[:4] == [4, 3, 3, 1]  # two samples for each step
    assert down[-1] == 0


def test_a_level_just_left_needs_its_whole_delay_again() -> None:
    ladder = Ladder([(1.0, 0.5, 3, 0.0), (2.0, 1.5, 3, 0.0), None, None])
    for value in (3.0, 3.0, 3.0, 1.2, 1.2, 1.2):
        ladder.tick(value)
    assert ladder.level == 1
    assert [ladder.tick(3.0) for _ in range(3)] == [1, 1, 2]


@pytest.mark.verifies("SR-112")
@pytest.mark.parametrize("lost", [{"usable": False}, {"value": math.nan}])
def test_what_is_lost_neither_clears_nor_interrupts(lost: dict[str, float]) -> None:
    ladder = Ladder([(1.0, 0.5, 3, 0.0), None, None, None])
    ladder.tick(2.0)
    ladder.tick(2.0)
    for _ in range(50):
        ladder.tick(**{"value": 0.0, **lost})
    assert ladder.tick(2.0) == 1
    for _ in range(50):
        ladder.tick(**{"value": 0.0, **lost})
    assert ladder.level == 1


@pytest.mark.verifies("SR-113")
def test_counters_do_not_wrap() -> None:
    ladder = Ladder([(1.0, 0.5, 2, math.inf), None, None, None])
    ladder.tick(2.0)
    ladder.progress[UP_SAMPLES], ladder.progress[UP_S] = COUNT_MAX, COUNT_MAX
    ladder.tick(2.0, dt_s=1e12)
    assert ladder.progress[UP_SAMPLES, 0] == ladder.progress[UP_S, 0] == COUNT_MAX


def test_a_negative_delay_never_waits_and_a_nan_delay_is_none() -> None:
    for delay in (-5.0, math.nan):
        ladder = Ladder([(1.0, 0.5, 1, delay), None, None, None])
        assert ladder.tick(2.0) == 1


def test_what_is_not_judged_now_neither_counts_nor_forgets() -> None:
    ladder = Ladder([(1.0, 0.5, 3, 0.0), None, None, None])
    for _ in range(10):
        assert ladder.tick(2.0, active=False) == 0
    ladder.tick(2.0)
    ladder.tick(2.0)
    assert ladder.tick(2.0, active=False) == 0
    assert ladder.tick(2.0) == 1


def test_the_threshold_that_is_passed_first_is_found_on_either_side() -> None:
    levels = block([None, (3.0, 2.0, 1, 0.0), None, (5.0, 4.0, 1, 0.0)])
    assert lowest_set(levels, 0, True) == 3.0
    assert lowest_set(levels, 0, False) == 5.0
    unused = block([None, None, None, None])
    assert (lowest_set(unused, 0, True), lowest_set(unused, 0, False)) == (math.inf, -math.inf)


@pytest.mark.verifies("SR-112")
def test_what_is_known_in_part_interrupts_no_count_and_clears_nothing() -> None:
    ladder = Ladder([(1.0, 0.5, 3, 0.0), None, None, None])
    for value, complete in ((2.0, True), (0.0, False), (2.0, False), (0.0, False)):
        assert ladder.tick(value, complete=complete) == 0
    assert ladder.tick(2.0) == 1
    for _ in range(50):
        assert ladder.tick(0.0, complete=False) == 1
    assert [ladder.tick(0.0) for _ in range(3)] == [1, 1, 0]
