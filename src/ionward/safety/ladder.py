"""The ladder that every fault climbs: debounced in new samples and in time, up at once, down one by one.

- Up: level L is reached when the value has been beyond its `set` for `delay_samples` new samples in a row and for
  `delay_s` seconds. Each level counts on its own, so a grave fault does not wait for the lower levels.
- Down: the present level is left for the next lower one in use when the value has been back within its `clear` for as
  many samples and as long. Each step down takes its own time.
- A verdict that is not usable holds everything: nothing counts, nothing is forgotten. A value that is known only in
  part (some cells lost) can raise a level, but neither clears one nor interrupts a count.
- A latching fault that reached the level fault or critical stays latched until it is acknowledged while it stands
  below the level fault.

Counts stop at `COUNT_MAX` instead of growing without end.
"""

from __future__ import annotations

import numpy as np

from ionward._compile import njit
from ionward.image.inputs import Array
from ionward.image.kernel_memory import PROGRESS, STEPS, UP_S, UP_SAMPLES, VERDICT
from ionward.image.parameters import LEVELP
from ionward.image.signals import LEVEL_NONE

COUNT_MAX = 1e9
# Ticks add up to a delay with rounding errors; a delay is over when this much is missing.
TIME_SLACK_S = 1e-9


@njit
def give(
    verdicts: Array, f: int, value: float, newest: float, place: int, usable: bool, complete: bool, active: bool
) -> None:
    """Write the verdict of a rule. A NaN value is never usable. Meets SR-112."""
    verdicts[VERDICT.value, f] = value
    verdicts[VERDICT.newest, f] = newest
    verdicts[VERDICT.place, f] = place
    verdicts[VERDICT.usable, f] = usable and value == value
    verdicts[VERDICT.complete, f] = complete
    verdicts[VERDICT.active, f] = active


@njit
def beyond(value: float, threshold: float, above: bool) -> bool:
    """The value is on the bad side of the threshold."""
    return value > threshold if above else value < threshold


@njit
def lowest_set(levels: Array, f: int, above: bool) -> float:
    """Threshold of a fault that is passed first; infinitely far where no level is in use."""
    first = np.inf if above else -np.inf
    for step in range(STEPS):
        threshold = levels[step, LEVELP.set, f]
        if threshold == threshold:
            first = min(first, threshold) if above else max(first, threshold)
    return first


@njit
def climb(verdicts: Array, progress: Array, levels: Array, level: int, f: int, above: bool, dt_s: float) -> int:
    """Count towards the levels above the present one; the highest level reached.

    Meets SR-110, SR-111, SR-112, SR-113.
    """
    value, newest = verdicts[VERDICT.value, f], verdicts[VERDICT.newest, f]
    active, complete = verdicts[VERDICT.active, f] > 0.0, verdicts[VERDICT.complete, f] > 0.0
    reached = level
    for step in range(level, STEPS):
        threshold, samples, time = levels[step, LEVELP.set, f], UP_SAMPLES + step, UP_S + step
        if threshold != threshold:
            continue
        if not beyond(value, threshold, above):
            if complete:
                progress[samples, f] = 0.0
                progress[time, f] = 0.0
        elif active:
            # The first sample starts the time.
            if progress[samples, f] > 0.0:
                progress[time, f] = min(progress[time, f] + dt_s, COUNT_MAX)
            if beyond(newest, threshold, above):
                progress[samples, f] = min(progress[samples, f] + 1.0, COUNT_MAX)
            if over(progress[samples, f], progress[time, f], levels, step, f):
                reached = step + 1
    return reached


@njit
def over(samples: float, time_s: float, levels: Array, step: int, f: int) -> bool:
    """The delay of a level is over; a delay that is no number is none. Meets SR-110."""
    enough = samples >= 1.0 and not samples < levels[step, LEVELP.delay_samples, f]
    return enough and not time_s + TIME_SLACK_S < levels[step, LEVELP.delay_s, f]


@njit
def descend(verdicts: Array, progress: Array, levels: Array, level: int, f: int, above: bool, dt_s: float) -> int:
    """Count towards leaving the present level; the level afterwards. Meets SR-111, SR-112."""
    step = level - 1
    samples, time = PROGRESS.down_samples, PROGRESS.down_s
    threshold, value = levels[step, LEVELP.clear, f], verdicts[VERDICT.value, f]
    within = value <= threshold if above else value >= threshold
    if verdicts[VERDICT.active, f] > 0.0 and not within:
        progress[samples, f] = 0.0
        progress[time, f] = 0.0
        return level
    if not verdicts[VERDICT.complete, f] > 0.0:
        return level
    if progress[samples, f] > 0.0:
        progress[time, f] = min(progress[time, f] + dt_s, COUNT_MAX)
    if verdicts[VERDICT.newest, f] == verdicts[VERDICT.newest, f]:
        progress[samples, f] = min(progress[samples, f] + 1.0, COUNT_MAX)
    if not over(progress[samples, f], progress[time, f], levels, step, f):
        return level
    lower = step
    while lower > 0 and levels[lower - 1, LEVELP.set, f] != levels[lower - 1, LEVELP.set, f]:
        lower -= 1
    return lower


@njit
def step_fault(verdicts: Array, progress: Array, levels: Array, level: int, f: int, above: bool, dt_s: float) -> int:
    """One tick of one fault's ladder; the level afterwards.

    Args:
        verdicts: `[VERDICT, fault]`.
        progress: `[PROGRESS, fault]`, changed in place.
        levels: `[level, LEVELP, fault]`.
        level: the present level.
        f: number of the fault.
        above: values above the thresholds are bad.
        dt_s: time since the tick before.
    """
    if not verdicts[VERDICT.usable, f] > 0.0:
        return level
    after = climb(verdicts, progress, levels, level, f, above, dt_s)
    if after == level and level > LEVEL_NONE:
        after = descend(verdicts, progress, levels, level, f, above, dt_s)
        if after < level:
            for step in range(after, STEPS):
                progress[UP_SAMPLES + step, f] = 0.0
                progress[UP_S + step, f] = 0.0
    if after != level:
        progress[PROGRESS.down_samples, f] = 0.0
        progress[PROGRESS.down_s, f] = 0.0
    return after
