"""What the rules of protection judge by, and values to try them with."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from helpers.kernel import Kernel
from ionward.image.faults import FAULT_ID
from ionward.image.inputs import CHANNEL
from ionward.image.kernel_memory import VERDICT
from ionward.image.signals import BAD, GOOD, MEASURED


def judged(k: Kernel, fault: str, field: str = "value") -> float:
    """What a fault is judged by in this tick."""
    return float(k.protect_memory.verdicts[getattr(VERDICT, field), getattr(FAULT_ID, fault)])


def beside(*boundaries: float) -> st.SearchStrategy[float]:
    """Each boundary, the next numbers on both sides of it, and what is no number."""
    near = [f(x) for x in boundaries for f in (lambda x: x, lambda x: math.nextafter(x, math.inf),
                                               lambda x: math.nextafter(x, -math.inf))]  # fmt: skip
    return st.sampled_from([*near, math.nan, math.inf, -math.inf])


def usable(values: Any, low: float, high: float) -> np.ndarray:
    """What validation leaves of first samples: within the sensor's range, else nothing."""
    numbers = np.asarray(values, float)
    return np.where((numbers >= low) & (numbers <= high), numbers, np.nan)


def same(told: float, expected: float) -> bool:
    """Two numbers, or both none."""
    return told == pytest.approx(expected, abs=1e-9) or (math.isnan(told) and math.isnan(expected))


def measure(k: Kernel, name: str, value: float, new: bool = True) -> None:
    """Let validation have left this of a channel."""
    channel = getattr(CHANNEL, name)
    k.image.channels[MEASURED.value, channel] = value
    k.image.channels[MEASURED.new, channel] = new
    k.image.channels[MEASURED.quality, channel] = BAD if math.isnan(value) else GOOD


def newest_is(k: Kernel, fault: str, new: bool) -> bool:
    """A new sample counts with its value; without one there is no newest."""
    newest = judged(k, fault, "newest")
    return same(newest, judged(k, fault)) if new else math.isnan(newest)


def measured(values: st.SearchStrategy[float]) -> st.SearchStrategy[float]:
    """As validation leaves them: no infinities."""
    return values.map(lambda value: math.nan if math.isinf(value) else value)
