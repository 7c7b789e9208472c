"""What the faults of the current over time are judged by: heat of fuse and busbars, drift at rest, ignored limits."""

from __future__ import annotations

from typing import Any

import numpy as np

from ionward._compile import njit
from ionward.image.faults import FAULT_ID
from ionward.image.inputs import CHANNEL, Array
from ionward.image.layout import Image
from ionward.image.parameters import CURVE, Parameters
from ionward.safety.ladder import give

# Busbars stand at 1 with the rated current for ever; they bear half as much heat again.
BUSBAR_BEARS = 1.5
# A fuse is kept from melting further than this share of its curve, and gets its strength back within this time.
FUSE_BEARS, FUSE_COOLING_S = 0.8, 100.0
OFFSET_S = 5.0


@njit
def load_rules(parameters: Parameters, image: Image, verdicts: Array, state: Any, open_s: float) -> None:
    """Judge the current over time; `open_s` is how long the path has been commanded open, -1 not at all."""
    s, p = image.scalars[0], parameters.scalars[0]
    current, dt_s, place = s["current_a"], s["dt_s"], CHANNEL.current_a
    known = current == current
    if known:
        share = (current / p["i2t_rated_a"]) ** 2
        state["busbar_heat"] += min(dt_s / p["i2t_time_s"], 1.0) * (share - state["busbar_heat"])
        melt_s = melting_s(parameters.curves[CURVE.fuse], abs(current))
        if melt_s < np.inf:
            state["fuse_melted"] = min(state["fuse_melted"] + dt_s / melt_s, 1.0)
        else:
            state["fuse_melted"] *= max(1.0 - dt_s / FUSE_COOLING_S, 0.0)
    heat = max(state["busbar_heat"] / BUSBAR_BEARS, state["fuse_melted"] / FUSE_BEARS)
    new = state["current_is_new"] == 1
    give(verdicts, FAULT_ID.fuse_busbar_i2t, heat, heat if new else np.nan, place, known, True, True)

    fitted = p["has_contactors"] > 0
    if open_s > p["contactor_open_s"] and known and fitted:
        state["offset_a"] += min(dt_s / OFFSET_S, 1.0) * (current - state["offset_a"])
    else:
        state["offset_a"] = 0.0
    offset = abs(state["offset_a"])
    give(verdicts, FAULT_ID.current_offset, offset, offset if new else np.nan, place, known, True, True)

    # A limit that the load has heard of, and only while it can obey: connected.
    positive, negative = s["main_positive_close"] > 0, s["main_negative_close"] > 0
    charge_closed = negative and (positive or s["discharge_open_request"] > 0)
    discharge_closed = positive and (negative or s["charge_open_request"] > 0)
    charge = (current - s["charge_limit_pulse_a"]) / p["charge_current_pulse_a"]
    discharge = (-current - s["discharge_limit_pulse_a"]) / p["discharge_current_pulse_a"]
    for f, excess, flows in (
        (FAULT_ID.charge_limit_ignored, charge, charge_closed and state["charging"] == 1),
        (FAULT_ID.discharge_limit_ignored, discharge, discharge_closed and state["discharging"] == 1),
    ):
        value = max(excess, 0.0) if flows else 0.0
        give(verdicts, f, value, value if new else np.nan, place, known, True, True)


@njit
def melting_s(curve: Array, amperes: float) -> float:
    """Time after which the fuse melts at a current: straight between the points of its curve on logarithmic scales.

    `curve` is `[2 (A, s), point]`, its last point repeated. Beyond it I²t is constant; below the first one the fuse
    lasts for ever, as it does where there is none.
    """
    if not amperes >= curve[0, 0]:
        return np.inf
    k = 0
    while k < curve.shape[1] - 1 and amperes >= curve[0, k + 1]:
        k += 1
    if k == curve.shape[1] - 1 or curve[0, k + 1] <= curve[0, k]:
        return float(curve[1, k] * (curve[0, k] / amperes) ** 2)
    part = np.log(amperes / curve[0, k]) / np.log(curve[0, k + 1] / curve[0, k])
    return float(curve[1, k] * (curve[1, k + 1] / curve[1, k]) ** part)
