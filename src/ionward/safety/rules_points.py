"""What the faults of measurement points are judged by: contacts, connectors, boards, coolant, monitors, pyrofuse."""

from __future__ import annotations

from typing import Any

import numpy as np

from ionward._compile import njit
from ionward.image.faults import FAULT_ID
from ionward.image.inputs import CHANNEL, Array
from ionward.image.kernel_memory import POINT
from ionward.image.layout import Image
from ionward.image.parameters import Parameters
from ionward.image.signals import MEASURED, NOT_FITTED
from ionward.safety.ladder import give
from ionward.safety.rules_connection import REFUSED_MEAN_S, follow

# A demand below this need not turn a pump or fan yet; control never asks for less once it asks.
DEMAND_LEAST = 0.1


def new_points() -> Array:
    """Memory of these rules, `[POINT]`: nothing counted yet."""
    points = np.full(len(POINT), -1.0)
    points[[POINT.crc_count, POINT.sequence_count]] = np.nan
    points[[POINT.crc_per_s, POINT.sequence_per_s]] = 0.0
    return points


@njit
def point_rules(parameters: Parameters, image: Image, verdicts: Array, points: Array) -> None:
    """Temperatures of the points, cooling that stands still, what the monitors tell of themselves, the pyrofuse."""
    channels, p = image.channels, parameters.scalars[0]
    cooled = p["has_cooling"] > 0
    highest(channels, verdicts, FAULT_ID.contactor_overtemperature, CHANNEL.contactor_positive_c,
            CHANNEL.contactor_negative_c, True)  # fmt: skip
    highest(channels, verdicts, FAULT_ID.connector_overtemperature, CHANNEL.connector_positive_c,
            CHANNEL.connector_negative_c, True)  # fmt: skip
    highest(channels, verdicts, FAULT_ID.balancing_board_overtemperature, CHANNEL.balancing_board_c,
            CHANNEL.balancing_board_c, True)  # fmt: skip
    highest(channels, verdicts, FAULT_ID.coolant_overtemperature, CHANNEL.coolant_inlet_c, CHANNEL.coolant_outlet_c,
            cooled)  # fmt: skip
    highest(channels, verdicts, FAULT_ID.cell_readings_disagree, CHANNEL.monitor_redundancy_v,
            CHANNEL.monitor_redundancy_v, True)  # fmt: skip
    highest(channels, verdicts, FAULT_ID.pyrofuse_fired, CHANNEL.pyrofuse_intact, CHANNEL.pyrofuse_intact,
            p["has_pyrofuse"] > 0)  # fmt: skip
    cooling_rule(p, image, verdicts, points)
    dt_s = image.scalars[0]["dt_s"]
    error_rule(channels, verdicts, points, FAULT_ID.monitor_crc, CHANNEL.monitor_crc_errors, POINT.crc_count,
               POINT.crc_per_s, dt_s)  # fmt: skip
    error_rule(channels, verdicts, points, FAULT_ID.monitor_sequence, CHANNEL.monitor_sequence_errors,
               POINT.sequence_count, POINT.sequence_per_s, dt_s)  # fmt: skip


@njit
def highest(channels: Array, verdicts: Array, f: int, first: int, last: int, usable: bool) -> None:
    """The highest of some channels; while one of them is lost the others can raise a level, but clear none."""
    worst = newest = np.nan
    place, complete = -1, True
    for channel in range(first, last + 1):
        value = channels[MEASURED.value, channel]
        if value != value:
            complete = complete and channels[MEASURED.quality, channel] == NOT_FITTED
            continue
        if not value <= worst:
            worst, place = value, channel
        if channels[MEASURED.new, channel] > 0.0 and not value <= newest:
            newest = value
    give(verdicts, f, worst, newest, place, usable, complete, True)


@njit
def cooling_rule(p: Any, image: Image, verdicts: Array, points: Array) -> None:
    """How long pump or fan stand still although they are demanded. Without feedback nothing is claimed."""
    s, channel = image.scalars[0], CHANNEL.cooling_running
    running = image.channels[MEASURED.value, channel]
    demand = s["pump"] if p["cooling_by_pump"] > 0 else s["fan"]
    if running == running:
        points[POINT.idle_s] = follow(points[POINT.idle_s], demand >= DEMAND_LEAST and running < 0.5, s["dt_s"])
    idle_s = max(points[POINT.idle_s], 0.0) if running == running else np.nan
    give(verdicts, FAULT_ID.cooling_lost, idle_s, idle_s, channel, p["has_cooling"] > 0, True, True)


@njit
def error_rule(
    channels: Array, verdicts: Array, points: Array, f: int, channel: int, count: int, per_s: int, dt_s: float
) -> None:
    """Rate of errors that a monitor counts, averaged like refused samples.

    What was counted before the first reading, or while it was lost, does not matter. A counter that falls has begun
    again, after its highest count or a restart: what it says now has come since.
    """
    value, before = channels[MEASURED.value, channel], points[count]
    grown = 0.0
    if value == value and before == before:
        grown = value - before if value >= before else value
    points[count] = value
    share = min(dt_s / REFUSED_MEAN_S, 1.0)
    points[per_s] += grown / REFUSED_MEAN_S - share * points[per_s]
    give(verdicts, f, points[per_s], points[per_s], channel, value == value, True, True)
