"""Values as JSON holds them: no NaN, no infinity, no types of numpy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ionward.image.catalogue import Signal


def number(value: Any, digits: int = 6) -> float | None:
    """A rounded number; None where there is none."""
    value = float(value)
    return round(value, digits) if math.isfinite(value) else None


def numbers(values: Any, digits: int = 4) -> list[float | None]:
    """A row of rounded numbers, None where one is missing."""
    with np.errstate(over="ignore"):
        rounded = np.round(values, digits)
    if np.isfinite(rounded).all():
        return rounded.tolist()  # type: ignore[no-any-return]
    return [v if math.isfinite(v) else None for v in rounded.tolist()]


def whole(value: Any, unknown: int = -1) -> int:
    """A whole number; `unknown` where there is none."""
    value = float(value)
    return int(value) if math.isfinite(value) else unknown


def word(choices: tuple[str, ...], value: Any) -> str:
    """The name of a state; the bare number where there is no such state."""
    at = whole(value)
    return choices[at] if 0 <= at < len(choices) else str(at)


def words(choices: tuple[str, ...], values: Any) -> list[str]:
    """Names of a row of states; an unknown one (NaN) is the bare number."""
    return [word(choices, value) for value in values.tolist()]


def by_signal(signal: Signal, value: Any) -> Any:
    """A value in the terms of its signal: a state's name, yes or no, a whole number, or a number."""
    if not math.isfinite(float(value)):
        return None
    if signal.choices == ("no", "yes"):
        return bool(value)
    if signal.choices:
        return word(signal.choices, value)
    return whole(value) if signal.kind == "i8" else number(value)
