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
        rows = len(start_s)
        self.names = [TIME, SEGMENT, TICKS]
        self.arrays = [
            _array(_TIME_TYPE, (start_s * 1000).astype(np.int64)),
            _array(pa.int64(), np.full(rows, segment, np.int64)),
            _array(pa.int32(), ticks.astype(np.int32)),
        ]

    def add(self, names: Sequence[str], values: Array, digits: Sequence[int]) -> None:
        """Columns for values `[row, column]`, NaN where unknown."""
        self.add_scaled(names, _scaled(values, digits), ~np.isnan(values), digits)

    def add_scaled(self, names: Sequence[str], scaled: Ints, known: Bools, digits: Sequence[int]) -> None:
        """Columns for integers `[row, column]` that count units of the last decimal."""
        data = np.where(known, scaled, 0).clip(-_LARGEST, _LARGEST).T.astype(np.int32, order="C")
        whole = np.asarray(known.all(axis=0))
        for k, name in enumerate(names):
            self.names.append(name)
            self.arrays.append(_array(column_type(digits[k]), data[k], None if whole[k] else known[:, k]))

    def table(self) -> pa.Table:
        return pa.Table.from_arrays(self.arrays, names=self.names)


def _array(kind: Any, data: Any, known: Bools | None = None) -> Any:
    """A column without a copy. (`pyarrow.array` would load pandas where that is installed.)"""
    valid = None if known is None else pa.py_buffer(np.packbits(known, bitorder="little").tobytes())
    return pa.Array.from_buffers(kind, len(data), [valid, pa.py_buffer(data)])


def _numbers(column: Any) -> Array:
    """A column of a table as numbers, NaN where unknown."""
    array = column.combine_chunks()
    valid, data = array.buffers()
    rows = slice(array.offset, array.offset + len(array))
    digits = array.type.scale if pa.types.is_decimal(array.type) else 0
    numbers = np.frombuffer(data, np.int32)[rows] / 10.0**digits
    if array.null_count:
        known = np.unpackbits(np.frombuffer(valid, np.uint8), bitorder="little")[rows].astype(bool)
        numbers = np.where(known, numbers, np.nan)
    return np.asarray(numbers, np.float64)


def mask(rows: Bools) -> Any:
    """Which rows of a table are meant, as its `filter` wants it."""
    return pa.Array.from_buffers(
        pa.bool_(), len(rows), [None, pa.py_buffer(np.packbits(rows, bitorder="little").tobytes())]
    )


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
    here = [k for k, kept in enumerate(signals) if kept.finest_s == 1]
    columns.add_scaled(
        [value_column(signals[k]) for k in here], relative[:, here], known[:, here], [signals[k].digits for k in here]
    )
    spread = [k for k, kept in enumerate(signals) if kept.kind == "spread"]
    some = [signals[k] for k in spread]
    stored = (relative + base)[:, spread] / 10.0 ** np.array([kept.digits for kept in some])
    columns.add([below_column(kept) for kept in some], *_band(stored - seconds.low, some))
    columns.add([above_column(kept) for kept in some], *_band(seconds.high - stored, some))
    return columns.table()


def _band(distance: Array, signals: Sequence[Kept]) -> tuple[Array, list[int]]:
    """Distances rounded up to whole digits, and how many these are.

    What rounding of the mean has moved outside is no distance; a millionth of a digit is no digit.
    """
    digits = [kept.band_digits for kept in signals]
    unit = 10.0 ** np.array(digits)
    return np.ceil(distance.clip(0.0) * unit - 1e-6).clip(0.0) / unit, digits


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
    signals = seconds.signals
    value = np.where([kept.kind == "worst" for kept in signals], high, mean)
    value = np.where([kept.is_step for kept in signals], seconds.value[last], value)
    columns.add(
        [kept.name for kept in signals], value, [2 if kept.kind == "share" else kept.digits for kept in signals]
    )
    ranged = [k for k, kept in enumerate(signals) if kept.has_range]
    for end, extreme in (("min", low), ("max", high)):
        names = [f"{signals[k].name}.{end}" for k in ranged]
        columns.add(names, extreme[:, ranged], [signals[k].digits for k in ranged])
    return columns.table()


def _means(value: Array, weight: Ints, first: Ints) -> Array:
    """Weighted means of `[row, signal]` over groups of rows that begin at `first`; NaN where nothing is known."""
    weights = np.where(np.isnan(value), 0.0, weight[:, None].astype(float))
    total = np.add.reduceat(np.nan_to_num(value.clip(-1e15, 1e15)) * weights, first, axis=0)
    count = np.add.reduceat(weights, first, axis=0)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def hour_row(minutes: pa.Table, hour_s: int) -> pa.Table:
    """One hour made from its minutes, whichever recordings these come from."""
    order = np.argsort(minutes[TIME].to_numpy(), kind="stable")
    ticks = minutes[TICKS].to_numpy().astype(np.int64)[order]
    names = [name for name in minutes.column_names if name not in (TIME, SEGMENT, TICKS)]
    values = np.stack([_numbers(minutes[name]) for name in names], axis=1)[order]
    start = np.zeros(1, np.int64)
    mean, low, high = _means(values, ticks, start), np.fmin.reduceat(values, start), np.fmax.reduceat(values, start)
    latest = np.where(np.isnan(values), -1, np.arange(len(values))[:, None]).max(axis=0)
    last = values[latest, np.arange(len(names))]  # NaN where nothing is known: then all are
    families = kept_families()
    row = mean[0]
    for k, name in enumerate(names):
        signal, _, end = name.rpartition(".")
        kept = families.get((signal if end in ("min", "max") else name).partition("[")[0])
        if end == "min":
            row[k] = low[0, k]
        elif end == "max" or (kept and kept.kind == "worst"):
            row[k] = high[0, k]
        elif kept and kept.is_step:
            row[k] = last[k]
    types = [minutes.schema.field(name).type for name in names]
    columns = _Columns(np.array([hour_s]), 0, np.array([ticks.sum()]))
    columns.add(names, row[None, :], [kind.scale if pa.types.is_decimal(kind) else 0 for kind in types])
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
