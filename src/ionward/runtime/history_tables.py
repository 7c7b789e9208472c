"""Seconds as tables of Parquet: one row for each second, minute or hour, one to three columns for each signal.

A signal `x` has the columns

| | a second | a minute, an hour |
| --- | --- | --- |
| mean, last or worst value | `x`, or `x - base`: the difference from the column `base` (unknown counts as 0) | `x` |
| lowest and highest value | `x.below`, `x.above`: distances from the mean, rounded up | `x.min`, `x.max` |

where it has them. Unknown values are null. `time` is the start of the row in UTC, `ticks` how many ticks it is made of,
`segment` a number for the recording that it comes from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ionward.runtime.history_columns import SEGMENT, TICKS, TIME, Kept, kept_families
from ionward.runtime.history_seconds import Event, Seconds

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

DECIMALS = 9  # as many as 32 bits hold
_LARGEST = 10**DECIMALS - 1
_TIME_TYPE, _EVENT_TIME_TYPE = pa.timestamp("ms"), pa.timestamp("us")

_EVENT_COLUMNS: list[tuple[str, Any]] = [
    (TIME, _EVENT_TIME_TYPE), (SEGMENT, pa.int64()), ("kind", pa.string()), ("name", pa.string()),
    ("level", pa.string()), ("previous", pa.string()), ("place", pa.int32()), ("value", pa.float64()),
    ("text", pa.string()),
]  # fmt: skip
EVENT_SCHEMA = pa.schema(_EVENT_COLUMNS)


def column_type(digits: int) -> Any:
    """Whole numbers are integers, others decimals; both are 32-bit integers in the file."""
    return pa.decimal32(DECIMALS, digits) if digits else pa.int32()


class _Columns:
    """Collects the columns of a table."""

    def __init__(self, start_s: Ints, segment: int, ticks: Ints) -> None:
        self.names = [TIME, SEGMENT, TICKS]
        self.arrays = [
            pa.array(start_s * 1000, pa.int64()).cast(_TIME_TYPE),
            pa.array(np.full(len(start_s), segment), pa.int64()),
            pa.array(ticks, pa.int32()),
        ]

    def add(self, name: str, scaled: Ints, known: Bools, digits: int) -> None:
        """A column of integers that count units of the last decimal."""
        data: Any = np.where(known, scaled, 0).clip(-_LARGEST, _LARGEST).astype(np.int32)
        valid = None if known.all() else pa.array(known).buffers()[1]
        self.names.append(name)
        self.arrays.append(pa.Array.from_buffers(column_type(digits), len(data), [valid, pa.py_buffer(data)]))

    def table(self) -> pa.Table:
        return pa.Table.from_arrays(self.arrays, names=self.names)


def _scaled(values: Array, digits: int | Sequence[int]) -> Ints:
    """Values `[row, signal]` in units of their last decimal; 0 where unknown, clipped to what fits."""
    scaled = np.rint(values * 10.0 ** np.asarray(digits))
    return np.nan_to_num(scaled, nan=0.0, posinf=_LARGEST, neginf=-_LARGEST).clip(-_LARGEST, _LARGEST).astype(np.int64)


def _held(scaled: Ints, known: Bools, hold: Ints) -> Ints:
    """Each signal keeps its value until it has moved by more than `hold`; `[row, signal]`."""
    out = scaled.copy()
    for k in range(1, len(out)):
        keep = known[k] & known[k - 1] & (np.abs(scaled[k] - out[k - 1]) <= hold)
        out[k] = np.where(keep, out[k - 1], scaled[k])
    return out


def seconds_table(seconds: Seconds, segment: int) -> pa.Table:
    """The level of seconds."""
    signals = seconds.signals
    known = ~np.isnan(seconds.value)
    scaled = _scaled(seconds.value, [kept.digits for kept in signals])
    place = {kept.name: k for k, kept in enumerate(signals)}
    base = np.zeros_like(scaled)
    for k, kept in enumerate(signals):
        if kept.base:
            base[:, k] = np.where(known[:, place[kept.base]], scaled[:, place[kept.base]], 0)
    relative = scaled - base
    held = [k for k, kept in enumerate(signals) if kept.hold]
    relative[:, held] = _held(relative[:, held], known[:, held], np.array([signals[k].hold for k in held]))
    columns = _Columns(seconds.second, segment, seconds.ticks)
    at = 0
    for k, kept in enumerate(signals):
        if kept.finest_s == 1:
            columns.add(value_column(kept), relative[:, k], known[:, k], kept.digits)
        if kept.kind == "spread":
            stored = (relative[:, k] + base[:, k]) / 10.0**kept.digits
            _add_band(columns, kept, stored, seconds.low[:, at], seconds.high[:, at])
            at += 1
    return columns.table()


def _add_band(columns: _Columns, kept: Kept, stored: Array, low: Array, high: Array) -> None:
    unit = 10.0**kept.band_digits
    for name, distance in ((below_column(kept), stored - low), (above_column(kept), high - stored)):
        known = np.isfinite(distance)
        # What rounding of the mean has moved outside is no band; a millionth of a digit is no digit.
        steps = np.ceil(np.where(known, distance, 0.0).clip(0.0) * unit - 1e-6).clip(0.0).astype(np.int64)
        columns.add(name, steps, known, kept.band_digits)


def value_column(kept: Kept) -> str:
    """Name of the column of a second's value."""
    return f"{kept.name} - {kept.base}" if kept.base else kept.name


def below_column(kept: Kept) -> str:
    """Name of the column of a second's lowest value."""
    return f"{kept.name}.below"


def above_column(kept: Kept) -> str:
    """Name of the column of a second's highest value."""
    return f"{kept.name}.above"


def coarse_table(seconds: Seconds, segment: int, step_s: int) -> pa.Table:
    """The level of minutes or hours: `step_s` is 60 or 3600. A row holds what one segment knows of it."""
    number = seconds.second // step_s
    first = np.flatnonzero(np.append(True, number[1:] != number[:-1]))
    last = np.append(first[1:], len(number)) - 1
    columns = _Columns(number[first] * step_s, segment, np.add.reduceat(seconds.ticks, first))
    mean = _means(seconds.value, seconds.ticks, first)
    with_extremes = seconds.value.copy(), seconds.value.copy()
    spread = [k for k, kept in enumerate(seconds.signals) if kept.kind == "spread"]
    with_extremes[0][:, spread], with_extremes[1][:, spread] = seconds.low, seconds.high
    low = np.fmin.reduceat(with_extremes[0], first, axis=0)
    high = np.fmax.reduceat(with_extremes[1], first, axis=0)
    for k, kept in enumerate(seconds.signals):
        if kept.kind == "worst":
            value = high[:, k]
        elif kept.is_step:
            value = seconds.value[last, k]
        else:
            value = mean[:, k]
        digits = 2 if kept.kind == "share" else kept.digits
        parts = [(kept.name, value)]
        if kept.has_range:
            parts += [(f"{kept.name}.min", low[:, k]), (f"{kept.name}.max", high[:, k])]
        for name, values in parts:
            columns.add(name, _scaled(values, digits), ~np.isnan(values), digits)
    return columns.table()


def _means(value: Array, weight: Ints, first: Ints) -> Array:
    """Weighted means of `[row, signal]` over groups of rows that begin at `first`; NaN where nothing is known."""
    weights = np.where(np.isnan(value), 0.0, weight[:, None].astype(float))
    total = np.add.reduceat(np.nan_to_num(value.clip(-1e15, 1e15)) * weights, first, axis=0)
    count = np.add.reduceat(weights, first, axis=0)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def hour_row(minutes: pa.Table, hour_s: int) -> pa.Table:
    """One hour made from its minutes, whichever recordings these come from."""
    ticks = minutes[TICKS].to_numpy().astype(np.int64)
    order = np.argsort(minutes[TIME].to_numpy(), kind="stable")
    start = np.zeros(1, np.int64)
    columns = _Columns(np.array([hour_s]), 0, np.array([ticks.sum()]))
    families = kept_families()
    for field in minutes.schema:
        if field.name in columns.names:
            continue
        digits = field.type.scale if pa.types.is_decimal(field.type) else 0
        values = minutes[field.name].cast(pa.float64()).to_numpy()[order][:, None]
        name, _, part = field.name.rpartition(".")
        kept = families.get((name if part in ("min", "max") else field.name).partition("[")[0])
        if part == "min":
            value = np.fmin.reduceat(values, start)
        elif part == "max" or (kept and kept.kind == "worst"):
            value = np.fmax.reduceat(values, start)
        elif kept and kept.is_step:
            known = values[~np.isnan(values)]
            value = known[-1:, None] if len(known) else np.full((1, 1), np.nan)
        else:
            value = _means(values, ticks[order], start)
        columns.add(field.name, _scaled(value[:, 0], digits), ~np.isnan(value[:, 0]), digits)
    return columns.table()


def events_table(events: Sequence[Event], segment: int) -> pa.Table:
    """Events in order."""
    rows = [
        {
            TIME: round(e.time_s * 1e6), SEGMENT: segment, "kind": e.kind, "name": e.name, "level": e.level,
            "previous": e.previous, "place": e.place, "value": None if np.isnan(e.value) else e.value, "text": e.text,
        }
        for e in events
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, EVENT_SCHEMA)
