"""One validation for every kind of sample: channels, cells, temperature sensors.

A sample is accepted when it has a value, stands within its range, came at a plausible time, did not move faster than
it can, and is not frozen. After a refused sample the last good value is held for a while; then the measurement is bad
and has no value. What moves too fast is accepted as real after `JUMP_SAMPLES` samples which agree with each other on a
new level, or `COURSE_SAMPLES` on one steady course, so that nothing is locked out for ever. While the course goes on,
each further sample of it is accepted: a fire beside a sensor is seen until it has reached the end of the range.

Times: a sample may be up to one cycle younger than the tick that reads it; anything later, and anything before the
sample seen last, has a wrong time. When the clock itself jumps back, every measurement is bad until it has caught up.
"""

from __future__ import annotations

import numpy as np

from ionward._compile import njit
from ionward.image.inputs import RAW, Array
from ionward.image.kernel_memory import HISTORY, STILL
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

JUMP_SAMPLES, COURSE_SAMPLES = 3, 4
# So far have other temperatures moved (K) before one that has not moved by a digit stands out.
MOVED = 1.0


def new_history(items: int) -> Array:
    """History of measurements that have never come."""
    history = np.full((len(HISTORY), items), np.nan)
    for row in (HISTORY.raw_s, HISTORY.last_s, HISTORY.good_s, HISTORY.changed_s, HISTORY.held_since_s):
        history[row] = -np.inf
    history[HISTORY.jump_samples] = history[HISTORY.course_samples] = 0
    return history


@njit
def fit(limits: Array, block: Array) -> None:
    """Mark what is not fitted; done once, in the first tick."""
    for k in range(limits.shape[1]):
        if not limits[MEASURE.fitted, k] > 0.0:
            block[MEASURED.quality, k] = NOT_FITTED
            block[MEASURED.reason, k] = REASON_NOT_FITTED


@njit
def refusal(value: float, sample_s: float, now_s: float, cycle_s: float, limits: Array, history: Array, k: int) -> int:
    """Why this sample of item `k` is refused; `REASON_NONE` when it is accepted. NaN anywhere is a reason.

    Meets SR-100, SR-192.
    """
    if not (sample_s <= now_s + cycle_s and sample_s > history[HISTORY.last_s, k]):
        return REASON_TIME
    if not now_s - sample_s <= limits[MEASURE.age_max_s, k]:
        return REASON_OLD
    if value != value:
        return REASON_NO_VALUE
    if not (value >= limits[MEASURE.minimum, k] and value <= limits[MEASURE.maximum, k]):
        return REASON_RANGE
    good_s = history[HISTORY.good_s, k]
    if good_s == -np.inf:
        return REASON_NONE
    # Two samples that came close together may still differ by noise: count at least one cycle.
    elapsed_s = max(sample_s - good_s, cycle_s)
    if not abs(value - history[HISTORY.good, k]) <= limits[MEASURE.rate_max, k] * elapsed_s:
        return REASON_RATE
    # Frozen means that samples came and did not move: silence in between starts the time anew.
    frozen_s = limits[MEASURE.frozen_s, k]
    still = value == history[HISTORY.good, k] and sample_s - history[HISTORY.changed_s, k] > frozen_s
    if frozen_s > 0.0 and still and not silent_before(sample_s, limits, history, k):
        return REASON_FROZEN
    return REASON_NONE


@njit
def silent_before(sample_s: float, limits: Array, history: Array, k: int) -> bool:
    """Nothing plausible came for longer than the greatest age before this sample."""
    return bool(sample_s - history[HISTORY.last_s, k] > limits[MEASURE.age_max_s, k])


@njit
def jump_persists(value: float, sample_s: float, cycle_s: float, limits: Array, history: Array, k: int) -> bool:
    """Note a sample that came too fast; true when it and those before it agree on a new level or a steady course."""
    before, before_s = history[HISTORY.jump, k], history[HISTORY.jump_s, k]
    if history[HISTORY.jump_samples, k] == 0.0:
        before, before_s = history[HISTORY.good, k], history[HISTORY.good_s, k]
    elapsed_s = max(sample_s - before_s, cycle_s)
    moved, may_move = value - before, limits[MEASURE.rate_max, k] * elapsed_s
    expected = history[HISTORY.jump_per_s, k] * elapsed_s
    level = history[HISTORY.jump_samples, k] > 0.0 and abs(moved) <= may_move
    course = history[HISTORY.course_samples, k] > 0.0 and moved * expected > 0.0 and abs(moved - expected) <= may_move
    levels = min(history[HISTORY.jump_samples, k] + 1.0, JUMP_SAMPLES) if level else 1.0
    courses = min(history[HISTORY.course_samples, k] + 1.0, COURSE_SAMPLES) if course else 1.0
    history[HISTORY.jump_samples, k], history[HISTORY.course_samples, k] = levels, courses
    history[HISTORY.jump, k], history[HISTORY.jump_s, k] = value, sample_s
    history[HISTORY.jump_per_s, k] = moved / elapsed_s
    return bool(levels >= JUMP_SAMPLES or courses >= COURSE_SAMPLES)


@njit
def excuse_stillness(limits: Array, history: Array, block: Array, still: Array, now_s: float) -> None:
    """Let a reading of many alike count as frozen only where most of the others have moved on without it.

    A slow quantity may well stand within one digit for hours. While the others stand too, the time of a reading that
    stands still starts anew, whenever half of it is over.

    Args:
        limits: `[MEASURE, item]`.
        history: `[HISTORY, item]`.
        block: image block of the items.
        still: `[STILL, item]`, memory.
        now_s: time of this tick.
    """
    quality, value = block[MEASURED.quality], block[0]
    for k in range(still.shape[1]):
        if quality[k] == GOOD:
            if value[k] != still[STILL.value, k]:
                still[STILL.value, k], still[STILL.since_s, k] = value[k], now_s
            if abs(value[k] - still[STILL.anchor, k]) >= MOVED:
                still[STILL.moved_before_s, k], still[STILL.moved_s, k] = still[STILL.moved_s, k], now_s
                still[STILL.anchor, k] = value[k]
            elif still[STILL.anchor, k] != still[STILL.anchor, k]:
                still[STILL.anchor, k] = value[k]
    for k in range(still.shape[1]):
        frozen_s = limits[MEASURE.frozen_s, k]
        half_over = frozen_s > 0.0 and now_s - history[HISTORY.changed_s, k] > 0.5 * frozen_s
        if quality[k] == GOOD and half_over and not others_moved(quality, still, k):
            history[HISTORY.changed_s, k] = now_s


@njit
def others_moved(quality: Array, still: Array, k: int) -> bool:
    """Most of the other good items have moved by `MOVED` since item `k` changed last: as a whole, so twice."""
    moved = others = 0
    for other in range(still.shape[1]):
        if other != k and quality[other] == GOOD:
            others += 1
            moved += 1 if still[STILL.moved_before_s, other] > still[STILL.since_s, k] else 0
    return 2 * moved > others


@njit
def accept(value: float, sample_s: float, history: Array, block: Array, k: int) -> None:
    """Take a sample as the value of item `k`."""
    if value != history[HISTORY.good, k]:
        history[HISTORY.changed_s, k] = sample_s
    history[HISTORY.good, k] = value
    history[HISTORY.good_s, k] = sample_s
    block[0, k] = value
    block[MEASURED.quality, k] = GOOD
    block[MEASURED.reason, k] = REASON_NONE
    block[MEASURED.new, k] = 1.0


@njit
def degrade(now_s: float, hold_s: float, cycle_s: float, limits: Array, history: Array, block: Array, k: int) -> bool:
    """Let an item that has no fresh sample go from good or held to bad; true when it has just become bad.

    Meets SR-101.
    """
    quality = block[MEASURED.quality, k]
    if quality != GOOD and quality != HELD:
        return False
    age_s = now_s - history[HISTORY.good_s, k]
    if not (age_s <= limits[MEASURE.age_max_s, k] and history[HISTORY.good_s, k] <= now_s + cycle_s):
        block[MEASURED.reason, k] = REASON_OLD if quality == GOOD else block[MEASURED.reason, k]
    elif quality == GOOD or now_s - history[HISTORY.held_since_s, k] < hold_s:
        return False
    block[MEASURED.quality, k] = BAD
    block[0, k] = np.nan
    return True


@njit
def take(
    value: float,
    sample_s: float,
    now_s: float,
    hold_s: float,
    cycle_s: float,
    limits: Array,
    history: Array,
    block: Array,
    k: int,
) -> bool:
    """Judge a new sample of item `k`; true when it is accepted. Meets SR-100."""
    reason = refusal(value, sample_s, now_s, cycle_s, limits, history, k)
    if reason != REASON_TIME:
        if silent_before(sample_s, limits, history, k):
            history[HISTORY.changed_s, k] = sample_s
        history[HISTORY.last_s, k] = sample_s
    too_fast = reason == REASON_RATE
    if not too_fast:
        history[HISTORY.jump_samples, k] = history[HISTORY.course_samples, k] = 0.0
    elif jump_persists(value, sample_s, cycle_s, limits, history, k):
        reason = REASON_NONE
    if reason == REASON_NONE:
        accept(value, sample_s, history, block, k)
        return True
    block[MEASURED.reason, k] = reason
    if block[MEASURED.quality, k] == GOOD:
        block[MEASURED.quality, k] = HELD
        history[HISTORY.held_since_s, k] = now_s
    return False


@njit
def attention(raw: Array, limits: Array, history: Array, block: Array, now_s: float, cycle_s: float) -> int:
    """Refresh ages and forget what was new; number of items that have a new sample, are held, or are too old.

    In most ticks it is all there is to do, so it is written without branches to run over several items at once.
    """
    raw_s, seen_s, good_s = raw[RAW.time_s], history[HISTORY.raw_s], history[HISTORY.good_s]
    age, new, quality = block[MEASURED.age_s], block[MEASURED.new], block[MEASURED.quality]
    age_max_s = limits[MEASURE.age_max_s]
    count = 0
    for k in range(raw_s.shape[0]):
        age_s = now_s - good_s[k]
        fresh = (age_s <= age_max_s[k]) & (good_s[k] <= now_s + cycle_s)
        count += (raw_s[k] != seen_s[k]) | (quality[k] == HELD) | ((quality[k] == GOOD) & (not fresh))
    for k in range(raw_s.shape[0]):
        age[k] = max(now_s - good_s[k], 0.0)
        new[k] = 0.0
    return count


@njit
def sweep(raw: Array, limits: Array, history: Array, block: Array, now_s: float, cycle_s: float) -> int:
    """Accept the samples that need no second look; number of those accepted.

    The same rules as `refusal`, in one pass over the rows: nearly every sample goes this way. What is not accepted
    here keeps its `raw_s` and is judged one by one.
    """
    value, sample_s = raw[RAW.value], raw[RAW.time_s]
    fitted, low, high = limits[MEASURE.fitted], limits[MEASURE.minimum], limits[MEASURE.maximum]
    rate_max, frozen_s, age_max_s = limits[MEASURE.rate_max], limits[MEASURE.frozen_s], limits[MEASURE.age_max_s]
    seen_s, last_s, good, good_s = (
        history[HISTORY.raw_s],
        history[HISTORY.last_s],
        history[HISTORY.good],
        history[HISTORY.good_s],
    )
    changed_s, jump_samples = history[HISTORY.changed_s], history[HISTORY.jump_samples]
    course_samples = history[HISTORY.course_samples]
    out, age, quality, reason, new = (
        block[0],
        block[MEASURED.age_s],
        block[MEASURED.quality],
        block[MEASURED.reason],
        block[MEASURED.new],
    )
    newest_s = now_s + cycle_s
    accepted = 0
    for k in range(value.shape[0]):
        v, t = value[k], sample_s[k]
        step = v - good[k]
        plausible = (
            t != seen_s[k]
            and fitted[k] > 0.0
            and t <= newest_s
            and t > last_s[k]
            and now_s - t <= age_max_s[k]
            and v >= low[k]
            and v <= high[k]
            and abs(step) <= rate_max[k] * max(t - good_s[k], cycle_s)
            and (step != 0.0 or frozen_s[k] <= 0.0 or t - changed_s[k] <= frozen_s[k])
            and t - last_s[k] <= age_max_s[k]
        )
        if plausible:
            if step != 0.0:
                changed_s[k] = t
            seen_s[k] = t
            last_s[k] = t
            good[k] = v
            good_s[k] = t
            jump_samples[k] = course_samples[k] = 0.0
            out[k] = v
            age[k] = max(now_s - t, 0.0)
            quality[k] = GOOD
            reason[k] = REASON_NONE
            new[k] = 1.0
            accepted += 1
    return accepted


@njit
def validate_block(
    raw: Array, limits: Array, history: Array, block: Array, now_s: float, hold_s: float, cycle_s: float
) -> tuple[int, int, int]:
    """Validate one block of measurements.

    Args:
        raw: `[RAW, item]` as the drivers left it.
        limits: `[MEASURE, item]`.
        history: `[HISTORY, item]`, this stage's memory.
        block: image block whose first rows are the `MEASURED` fields.
        now_s: time of this tick.
        hold_s: a refused sample is bridged for so long.
        cycle_s: time between ticks.

    Returns:
        Numbers of accepted samples, refused samples, and items that became bad.
    """
    accepted = refused = lost = 0
    open_items = attention(raw, limits, history, block, now_s, cycle_s)
    if open_items == 0:
        return accepted, refused, lost
    accepted = sweep(raw, limits, history, block, now_s, cycle_s)
    if accepted == open_items:
        return accepted, refused, lost
    sample_s, seen_s = raw[RAW.time_s], history[HISTORY.raw_s]
    quality, new = block[MEASURED.quality], block[MEASURED.new]
    for k in range(sample_s.shape[0]):
        if sample_s[k] != seen_s[k]:
            seen_s[k] = sample_s[k]
            if quality[k] != NOT_FITTED:
                if take(raw[RAW.value, k], sample_s[k], now_s, hold_s, cycle_s, limits, history, block, k):
                    block[MEASURED.age_s, k] = max(now_s - sample_s[k], 0.0)
                    accepted += 1
                else:
                    refused += 1
        if quality[k] == HELD or (quality[k] == GOOD and new[k] == 0.0):
            lost += degrade(now_s, hold_s, cycle_s, limits, history, block, k)
    return accepted, refused, lost
