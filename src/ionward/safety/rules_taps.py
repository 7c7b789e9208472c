"""What the taps across the main contactors say: a contact that is closed or open, whatever its feedback says.

A tap stands at the pack's voltage while its contact is closed. Over an open contact it sees the bus, where the other
side connects the bus to the battery. With everything open it reads nothing where dividers are connected in turn, and
the middle between bus and pack where both stay connected (the two taps, pack and bus are one loop of voltages).

So a tap at the pack's voltage proves a closed contact only while the bus stands well apart: a live bus (a charger, or
capacitors that have kept their charge) looks the same. And a tap apart from the pack always proves an open one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ionward._compile import njit
from ionward.image.faults import FAULT_ID
from ionward.image.faults_points import BUS_APART
from ionward.image.inputs import CHANNEL, Array
from ionward.image.kernel_memory import POINT
from ionward.image.layout import Image
from ionward.image.parameters import Parameters
from ionward.image.signals import MEASURED, NOT_FITTED
from ionward.safety.ladder import give, lowest_set
from ionward.safety.rules_connection import follow


@njit
def tap_rules(parameters: Parameters, image: Image, verdicts: Array, points: Array) -> None:
    """Contactors against the voltages at their load sides: welded while commanded open, open while commanded closed."""
    s, p, channels = image.scalars[0], parameters.scalars[0], image.channels
    follow_commands(s, points)
    pack, total = channels[MEASURED.value, CHANNEL.pack_voltage_v], s["cell_voltage_sum_v"]
    if pack != pack:
        pack = total
    if not pack > p["bus_dead_v"]:
        pack = np.nan  # nothing to compare with: a fuse is open
    apart = channels[MEASURED.value, CHANNEL.bus_voltage_v] / pack < BUS_APART
    at_pack = lowest_set(parameters.levels, FAULT_ID.contactor_welded_by_voltage, True)
    worst_welded = new_welded = worst_open = new_open = np.nan
    welded_place = open_place = -1
    welded_complete = open_complete = True
    for side in range(2):
        channel = CHANNEL.positive_tap_v + side
        if channels[MEASURED.quality, channel] == NOT_FITTED:
            continue
        tap, new = channels[MEASURED.value, channel], channels[MEASURED.new, channel] > 0.0
        welded = welded_share(tap / pack, points[POINT.positive_open_s + side] > p["contactor_open_s"], apart, at_pack)
        opened = open_share(tap, pack, total, points[POINT.positive_closed_s + side] > p["contactor_close_s"])
        welded_complete, open_complete = welded_complete and welded == welded, open_complete and opened == opened
        if welded == welded and not welded <= worst_welded:
            worst_welded, welded_place = welded, channel
        if opened == opened and not opened <= worst_open:
            worst_open, open_place = opened, channel
        if new and welded == welded and not welded <= new_welded:
            new_welded = welded
        if new and opened == opened and not opened <= new_open:
            new_open = opened
    fitted = p["has_contactors"] > 0
    give(verdicts, FAULT_ID.contactor_welded_by_voltage, worst_welded, new_welded, welded_place, fitted,
         welded_complete, True)  # fmt: skip
    give(verdicts, FAULT_ID.contactor_open_by_voltage, worst_open, new_open, open_place, fitted,
         open_complete, True)  # fmt: skip


@njit
def follow_commands(s: Any, points: Array) -> None:
    """How long each side has been commanded open, or closed. Precharge bypasses the positive contactor."""
    positive, negative = s["main_positive_close"] > 0, s["main_negative_close"] > 0
    bypassed = positive or s["precharge_close"] > 0
    dt_s = s["dt_s"]
    points[POINT.positive_open_s] = follow(points[POINT.positive_open_s], not bypassed, dt_s)
    points[POINT.negative_open_s] = follow(points[POINT.negative_open_s], not negative, dt_s)
    points[POINT.positive_closed_s] = follow(points[POINT.positive_closed_s], positive, dt_s)
    points[POINT.negative_closed_s] = follow(points[POINT.negative_closed_s], negative, dt_s)


@njit
def welded_share(share: float, commanded_open: bool, apart: bool, at_pack: float) -> float:
    """Share of the pack voltage at a tap that should have left it: 0 while that is not expected, NaN where a live bus
    leaves it open which contact holds the tap there."""
    if not commanded_open:
        return 0.0
    return share if apart or share <= at_pack else np.nan


@njit
def open_share(tap: float, pack: float, total: float, commanded_closed: bool) -> float:
    """How far a tap stands from the pack, as a share, although its contact should be closed.

    A pack voltage that is itself wrong is no open contactor: the cell sum counts as well as the sensor.
    """
    if not commanded_closed:
        return 0.0
    apart = abs(tap - pack)
    if abs(tap - total) < apart:
        apart = abs(tap - total)
    return apart / pack
