"""Small functions that several stages share: derating curves, ramps, and a search."""

from __future__ import annotations

from ionward._compile import njit
from ionward.image.inputs import Array
from ionward.image.signals import BAD

X, FACTOR = 0, 1  # rows of one derating curve


@njit
def curve_factor(curve: Array, x: float) -> float:
    """Factor 0..1 of a derating curve `[X|FACTOR, point]` at `x`; the ends are held, an unknown `x` gives 0."""
    points = curve.shape[1]
    if not x >= curve[X, 0]:
        return _fraction(curve[FACTOR, 0]) if x < curve[X, 0] else 0.0
    for point in range(1, points):
        left, right = curve[X, point - 1], curve[X, point]
        if x < right:
            y = curve[FACTOR, point - 1] + (curve[FACTOR, point] - curve[FACTOR, point - 1]) * (x - left) / (
                right - left
            )
            return _fraction(y)
    return _fraction(curve[FACTOR, points - 1])


@njit
def ramp(x: float, start: float, full: float) -> float:
    """0 at `start`, 1 at `full`, straight between; `full` may lie below `start`. An unknown `x` gives 0."""
    if full == start:
        return 1.0 if x >= full else 0.0
    return _fraction((x - start) / (full - start))


@njit
def _fraction(y: float) -> float:
    """`y` held inside 0..1; NaN becomes 0."""
    if y >= 1.0:
        return 1.0
    return y if y > 0.0 else 0.0


@njit
def first_bad(quality: Array) -> int:
    """The first item that is neither good nor held, -1 none."""
    for k in range(quality.shape[0]):
        if not quality[k] < BAD:
            return k
    return -1
