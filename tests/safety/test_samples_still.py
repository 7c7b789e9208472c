"""Readings that stand still: which of many alike stands out, asked directly and over whole histories."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ionward.image.kernel_memory import HISTORY, STILL
from ionward.image.parameters import MEASURE
from ionward.image.signals import BAD, GOOD, HELD, MEASURED
from ionward.safety.samples import excuse_stillness, new_history, others_moved

other = st.tuples(st.sampled_from([GOOD, GOOD, GOOD, HELD, BAD]), st.sampled_from([1.0, 2.0, 3.0, math.nan]))


@settings(max_examples=100)
@given(st.lists(other, min_size=1, max_size=6), st.integers(0, 5))
def test_most_of_the_other_good_ones_have_to_have_moved_since(others: list[tuple[int, float]], place: int) -> None:
    """The item itself has stood since 2.0 s; the others moved as a whole before the times that are given."""
    place = min(place, len(others))
    states = [*others[:place], (GOOD, 9.0), *others[place:]]
    still = np.full((len(STILL), len(states)), 2.0)
    still[STILL.moved_before_s] = [moved_s for _, moved_s in states]
    quality = np.array([float(q) for q, _ in states])
    good = [moved_s for q, moved_s in others if q == GOOD]
    assert others_moved(quality, still, place) == (sum(moved_s > 2.0 for moved_s in good) > len(good) / 2)


class Slow:
    """One of the readings, and when it has moved: by a digit, and as a whole."""

    def __init__(self) -> None:
        self.value = self.anchor = math.nan
        self.since_s = math.nan
        self.moves_s: list[float] = []

    def look(self, value: float, good: bool, now_s: float) -> None:
        if not good:
            return
        if value != self.value:
            self.value, self.since_s = value, now_s
        if math.isnan(self.anchor):
            self.anchor = value
        elif abs(value - self.anchor) >= 1.0:
            self.anchor = value
            self.moves_s.append(now_s)


tick = st.tuples(st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.5, 1.0, -1.0, 2.5]), min_size=3, max_size=3),
                 st.lists(st.sampled_from([GOOD, GOOD, GOOD, GOOD, HELD]), min_size=3, max_size=3),
                 st.sampled_from([0.0, 0.5, 1.0]))  # fmt: skip
FROZEN_S = 4.0


@settings(max_examples=150)
@given(st.lists(tick, min_size=4, max_size=24), st.sampled_from([0.0, FROZEN_S]))
def test_a_reading_is_excused_for_standing_while_the_others_stand_too(
    course: list[tuple[list[float], list[int], float]], frozen_s: float
) -> None:
    limits, history, block = np.zeros((len(MEASURE), 3)), new_history(3), np.zeros((len(MEASURED), 3))
    limits[MEASURE.frozen_s] = frozen_s
    still, slow, now_s = np.full((len(STILL), 3), np.nan), [Slow() for _ in range(3)], 100.0
    history[HISTORY.changed_s] = now_s
    value = np.full(3, 25.0)
    for steps, qualities, dt_s in course:
        now_s += dt_s
        for k in range(3):
            if qualities[k] == GOOD and steps[k]:
                value[k] += steps[k]
                history[HISTORY.changed_s, k] = now_s
        block[MEASURED.value], block[MEASURED.quality] = value, qualities
        changed_s = history[HISTORY.changed_s].copy()
        excuse_stillness(limits, history, block, still, now_s)
        for k in range(3):
            slow[k].look(float(value[k]), qualities[k] == GOOD, now_s)
        for k in range(3):
            others = [n for n in range(3) if n != k and qualities[n] == GOOD]
            # As a whole it has moved since only if it has twice: the first time may have begun before.
            moved = [n for n in others if len(slow[n].moves_s) > 1 and slow[n].moves_s[-2] > slow[k].since_s]
            half_over = frozen_s > 0.0 and now_s - changed_s[k] > frozen_s / 2
            excused = qualities[k] == GOOD and half_over and not len(moved) > len(others) / 2
            assert history[HISTORY.changed_s, k] == (now_s if excused else changed_s[k])
