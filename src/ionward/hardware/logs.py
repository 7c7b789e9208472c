"""The log backend: measured captures as if they were hardware.

Each sample appears when its time has come, with that time, and then ages until the next one, as behind a real driver.
A NaN is handed on as NaN: the sensor says that it has no value. What no capture holds never comes at all.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ionward._compile import njit
from ionward.hardware import capture_columns as cc
from ionward.hardware.captures import Captures
from ionward.image.inputs import CHANNEL, RAW, Array, Raw

CHANNEL_BLOCK, CELL_BLOCK, SENSOR_BLOCK = range(3)


class Schedule(NamedTuple):
    """Captures laid out for compiled code.

    `times_s` holds all files' times one after another and `first_row[file]` where each begins (one more entry than
    files). `values` holds each file's `[row, input]` block flat, from `first_value[file]` on. `targets` is
    `[block | item, input]` over all inputs, `first_input[file]` where each file's begin. `next_row[file]` is the
    position: the only part that changes.
    """

    times_s: Array
    values: Array
    first_row: npt.NDArray[np.int64]
    first_value: npt.NDArray[np.int64]
    first_input: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]
    next_row: npt.NDArray[np.int64]


def _target(name: str) -> tuple[int, int]:
    if name.startswith(cc.CELL):
        return CELL_BLOCK, int(name[len(cc.CELL) + 1 : -1])
    if name.startswith(cc.SENSOR):
        return SENSOR_BLOCK, int(name[len(cc.SENSOR) + 1 : -1])
    return CHANNEL_BLOCK, int(getattr(CHANNEL, name))


def new_schedule(captures: Captures) -> Schedule:
    """Lay the captures out, positioned before their first rows."""
    files = captures.files
    ends = np.cumsum([0, *(len(f.time_s) for f in files)])
    return Schedule(
        times_s=np.concatenate([f.time_s for f in files]),
        values=np.concatenate([np.ascontiguousarray(f.values.T).reshape(-1) for f in files]),
        first_row=ends.astype(np.int64),
        first_value=np.cumsum([0, *(f.values.size for f in files)]).astype(np.int64),
        first_input=np.cumsum([0, *(len(f.inputs) for f in files)]).astype(np.int64),
        targets=np.array([_target(name) for f in files for name in f.inputs], np.int64).T.copy(),
        next_row=ends[:-1].astype(np.int64),
    )


@njit
def feed(schedule: Schedule, time_s: float, raw: Raw) -> None:
    """Write the newest sample of each input that has come by `time_s` into `raw`, if it is new."""
    for file in range(schedule.next_row.shape[0]):
        row = schedule.next_row[file]
        end = schedule.first_row[file + 1]
        if row >= end or schedule.times_s[row] > time_s:
            continue
        while row + 1 < end and schedule.times_s[row + 1] <= time_s:
            row += 1
        schedule.next_row[file] = row + 1
        taken_s = schedule.times_s[row]
        start = schedule.first_input[file]
        width = schedule.first_input[file + 1] - start
        at = schedule.first_value[file] + (row - schedule.first_row[file]) * width
        for i in range(width):
            block, item = schedule.targets[0, start + i], schedule.targets[1, start + i]
            value = schedule.values[at + i]
            if block == CELL_BLOCK:
                raw.cells[RAW.value, item] = value
                raw.cells[RAW.time_s, item] = taken_s
            elif block == SENSOR_BLOCK:
                raw.temperatures[RAW.value, item] = value
                raw.temperatures[RAW.time_s, item] = taken_s
            else:
                raw.channels[RAW.value, item] = value
                raw.channels[RAW.time_s, item] = taken_s


class LogSensors:
    """Captures behind the `Sensors` port. Time must not run backwards."""

    def __init__(self, captures: Captures) -> None:
        self.schedule = new_schedule(captures)

    def read(self, time_s: float, raw: Raw) -> None:
        """Write every sample that has come by `time_s`, each with its own time."""
        raw.clock[0]["time_s"] = time_s
        feed(self.schedule, time_s, raw)
