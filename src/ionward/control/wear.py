"""What opening under current takes of the main contactors' electrical life.

Each opening takes one part in as many as the contact bears at that current (`contactors.life`, from its data sheet);
shares add up (Palmgren-Miner). The contact that parts first breaks the current, the other one finds none; where both
are switched off in one tick, both are charged with it. A contact that falls because its enable has expired is charged
with the current of the tick in which control hears of it.
"""

from __future__ import annotations

import math
from typing import Any

from ionward._compile import njit
from ionward.control.contactors import SEQ
from ionward.image.inputs import Array
from ionward.image.parameters import CURVE, Parameters


@njit
def count_wear(parameters: Parameters, s: Any, m: Array) -> None:
    """Charge the contactors that were switched off in this tick."""
    if s["current_a"] == s["current_a"]:
        m[SEQ.broken_a] = s["current_a"]
    broken_a = abs(m[SEQ.broken_a])
    # A one-way switch breaks nothing of what goes on through its diode.
    one_way = parameters.scalars[0]["one_way"] > 0
    by_positive = 0.0 if one_way and m[SEQ.broken_a] > 0.0 else broken_a
    by_negative = 0.0 if one_way and m[SEQ.broken_a] < 0.0 else broken_a
    if m[SEQ.was_positive] == 1.0 and s["main_positive_close"] == 0:
        s["contactor_wear_positive"] += 1.0 / openings(parameters.curves[CURVE.life_positive], by_positive)
    if m[SEQ.was_negative] == 1.0 and s["main_negative_close"] == 0:
        s["contactor_wear_negative"] += 1.0 / openings(parameters.curves[CURVE.life_negative], by_negative)
    m[SEQ.was_positive], m[SEQ.was_negative] = s["main_positive_close"], s["main_negative_close"]


@njit
def openings(curve: Array, current_a: float) -> float:
    """How many openings at a current a contact bears: straight between the points on a logarithmic scale, ends held.

    `curve` is `[2 (A, openings), point]`, its last point repeated.
    """
    x, y = curve[0], curve[1]
    if current_a <= x[0]:
        return float(y[0])
    for k in range(1, x.shape[0]):
        if current_a < x[k]:
            share = (current_a - x[k - 1]) / (x[k] - x[k - 1])
            return float(y[k - 1] * math.exp(share * math.log(y[k] / y[k - 1])))
    return float(y[-1])
