"""Freeze frames: the values that matter, from a second before a fault to a second after it.

`Window` remembers the last seconds of images as control publishes them: each hundredth of a second, or each cycle where
that is longer. `cut` takes the rows around a moment out of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ionward.image.faults import FAULTS
from ionward.image.inputs import CHANNEL, CHANNEL_SIGNALS
from ionward.image.signals import FAULT, IMAGE_SIGNALS, MEASURED

Array = npt.NDArray[np.float64]
Frame32 = npt.NDArray[np.float32]

BEFORE_S = AFTER_S = 1.0
KEEP_S = 3.0
RASTER_S = 0.01
ROWS_MAX = 1 + round((BEFORE_S + AFTER_S) / RASTER_S)
TOO_SOON = 0.6  # of the raster: an image that comes sooner than that is left out
GAP_RASTERS = 2.5  # a longer distance between two rows is told as a gap

SCALARS = (
    "state", "current_a", "cell_voltage_min_v", "cell_voltage_min_cell", "cell_voltage_max_v", "cell_voltage_max_cell",
    "cell_voltage_sum_v", "temperature_min_c", "temperature_max_c", "temperature_max_sensor", "soc", "charge_limit_a",
    "discharge_limit_a", "fault_level", "open_request", "main_positive_close", "main_negative_close",
    "precharge_close", "pyrofuse_fire",
)  # fmt: skip
CHANNELS = (
    "current_redundant_a", "pack_voltage_v", "bus_voltage_v", "insulation_ohm", "main_positive_closed",
    "main_negative_closed", "precharge_closed",
)  # fmt: skip
JUDGED = "judged"  # what the fault's own rule judged, in its unit
COLUMNS = (JUDGED, *SCALARS, *CHANNELS)

_SIGNALS = {signal.name: signal for signal in (*IMAGE_SIGNALS, *CHANNEL_SIGNALS)}
UNITS = {name: _SIGNALS[name].unit for name in (*SCALARS, *CHANNELS)}
CHOICES = {name: _SIGNALS[name].choices for name in (*SCALARS, *CHANNELS)}
MEANINGS = {name: _SIGNALS[name].meaning for name in (*SCALARS, *CHANNELS)}
_CHANNEL_ROWS = [getattr(CHANNEL, name) for name in CHANNELS]


@dataclass(frozen=True)
class Frame:
    """A freeze frame of one occurrence.

    `wall_s` is when it was (seconds since 1970), `values` `[row, 1 + column]` begins with the seconds from then.
    `complete`: the second after is whole, too. `gaps` counts stretches that nobody saw.
    """

    wall_s: float
    columns: tuple[str, ...]
    values: Frame32
    complete: bool
    gaps: int

    def column(self, name: str) -> Frame32:
        """One quantity over the rows, NaN where it is not known; `time_s` are seconds from the occurrence."""
        return self.values[:, 0 if name == "time_s" else 1 + self.columns.index(name)]


class Seen(NamedTuple):
    """What of an image is looked at: scalars (record of length 1), channels `[MEASURED, channel]`, faults."""

    scalars: np.ndarray
    channels: Array
    faults: Array


class Window:
    """The last seconds of images, in memory that is made once. `raster_s`: distance of images."""

    def __init__(self, raster_s: float) -> None:
        self.raster_s = max(raster_s, RASTER_S)
        count = round(KEEP_S / self.raster_s) + 1
        self._rows = np.full((count, 1 + len(SCALARS) + len(CHANNELS) + len(FAULTS)), np.nan)
        self._next = 0
        self.newest_s = -np.inf

    def add(self, seen: Seen) -> None:
        """Keep an image, unless it came sooner than the raster asks for, or is older than what is there."""
        time_s = float(seen.scalars["time_s"][0])
        if time_s < self.newest_s:
            self._rows[:] = np.nan  # control has begun anew
        elif time_s - self.newest_s < TOO_SOON * self.raster_s:
            return
        row = self._rows[self._next]
        scalars = seen.scalars[0]
        row[0] = self.newest_s = time_s
        row[1 : 1 + len(SCALARS)] = [scalars[name] for name in SCALARS]
        row[1 + len(SCALARS) : -len(FAULTS)] = seen.channels[MEASURED.value, _CHANNEL_ROWS]
        row[-len(FAULTS) :] = seen.faults[FAULT.value]
        self._next = (self._next + 1) % len(self._rows)

    def cut(self, time_s: float, fault: int, wall_s: float) -> Frame | None:
        """The rows around a moment with what the rule of this fault judged; None when there are none."""
        ahead_s = self._rows[:, 0] - time_s
        near = self._rows[(ahead_s >= -BEFORE_S - 1e-9) & (ahead_s <= AFTER_S + 1e-9)]
        if not len(near):
            return None
        near = near[np.argsort(near[:, 0])][-ROWS_MAX:]
        judged = near[:, 1 + len(SCALARS) + len(CHANNELS) + fault]
        values = np.column_stack([near[:, 0] - time_s, judged, near[:, 1 : -len(FAULTS)]]).astype(np.float32)
        gaps = int(np.count_nonzero(np.diff(near[:, 0]) > GAP_RASTERS * self.raster_s))
        return Frame(wall_s, COLUMNS, values, self.newest_s >= time_s + AFTER_S - 0.5 * self.raster_s, gaps)
