"""Small curves that several stages share: straight lines between points, and ramps."""

from __future__ import annotations

from ionward._compile import njit
from ionward.image.inputs import Array

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
