"""Single measurements that are validated by hand."""

from __future__ import annotations

import numpy as np

from ionward.image.inputs import RAW
from ionward.image.parameters import MEASURE
from ionward.image.signals import BAD, MEASURED, REASON_NO_VALUE
from ionward.safety.samples import new_history, validate_block

LOW, HIGH, RATE, AGE_S, FROZEN_S, HOLD_S, CYCLE_S = 0.0, 5.0, 50.0, 0.1, 1.0, 0.05, 0.01
Seen = tuple[float, int, int, bool]  # value, quality, reason, new


class Items:
    """Measurements that are validated together; item by item the same limits unless changed."""

    def __init__(self, items: int = 1) -> None:
        self.limits = np.empty((len(MEASURE), items))
        self.limits[:] = np.array([1.0, LOW, HIGH, RATE, AGE_S, FROZEN_S])[:, None]
        self.raw = np.full((len(RAW), items), np.nan)
        self.raw[RAW.time_s] = -np.inf
        self.history = new_history(items)
        self.block = np.full((len(MEASURED), items), np.nan)
        self.block[MEASURED.quality], self.block[MEASURED.reason] = BAD, REASON_NO_VALUE

    def tick(self, now_s: float) -> tuple[int, int, int]:
        return validate_block(self.raw, self.limits, self.history, self.block, now_s, HOLD_S, CYCLE_S)

    def sample(self, time_s: float, value: float, item: int = 0, now_s: float | None = None) -> Seen:
        self.raw[:, item] = value, time_s
        self.tick(time_s if now_s is None else now_s)
        return self.seen(item)

    def seen(self, item: int = 0) -> Seen:
        value, _, quality, reason, new = self.block[:, item]
        return float(value), int(quality), int(reason), bool(new)
