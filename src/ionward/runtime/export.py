"""Export: the signals of a recording as a table, made by running the tick again."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ionward.errors import UserError
from ionward.runtime.playback import Playback, Played
from ionward.runtime.recording import Recording
from ionward.runtime.selection import Column, Gatherer, select

Array = npt.NDArray[np.float64]
ROWS_AT_ONCE = 4096


@dataclass
class Samples:
    """Signals over time: `values` is `[row, column]`; states are their numbers."""

    columns: Sequence[Column]
    time_s: Array
    values: Array

    def __getitem__(self, name: str) -> Array:
        """One signal over time."""
        return self.values[:, [c.name for c in self.columns].index(name)]


@dataclass
class Export:
    """What was written."""

    rows: int = 0
    columns: int = 0
    first_s: float | None = None
    last_s: float | None = None
    losses: list[str] = field(default_factory=list)


def sampled(
    playback: Playback, columns: Sequence[Column], every_s: float, rows_at_once: int = ROWS_AT_ONCE
) -> Iterator[Samples]:
    """Values of some signals every `every_s` (0: at every tick), in blocks of bounded size.

    The first row is that of the first tick.
    """
    cycle_s = playback.recording.header.cycle_s
    every = max(round(every_s / cycle_s), 1)
    gatherer = Gatherer(columns)
    times = np.empty(rows_at_once)
    values = np.empty((rows_at_once, len(columns)))
    row = 0
    for item in playback.run(every=every):
        if not isinstance(item, Played) or (playback.next_tick - 1) % every:
            continue
        times[row] = item.time_s[-1]
        gatherer.gather(playback.image, playback.raw, playback.command, values[row])
        row += 1
        if row == rows_at_once:
            yield Samples(columns, times.copy(), values.copy())
            row = 0
    if row:
        yield Samples(columns, times[:row].copy(), values[:row].copy())


def read_samples(path: Path | str, names: Sequence[str], every_s: float = 1.0) -> Samples:
    """Signals of a recording in memory. Raises UserError for unknown signals and unreadable files."""
    recording = Recording(path)
    columns = select(names, recording.header.size)
    parts = list(sampled(Playback(recording), columns, every_s))
    if not parts:
        return Samples(columns, np.zeros(0), np.zeros((0, len(columns))))
    return Samples(columns, np.concatenate([p.time_s for p in parts]), np.concatenate([p.values for p in parts]))


class _Sink(Protocol):
    def write(self, samples: Samples) -> None: ...
    def close(self) -> None: ...


def _kind(column: Column) -> pa.DataType:
    if column.states:
        return pa.dictionary(pa.int8(), pa.string())
    return pa.int64() if column.is_whole else pa.float64()


def _array(column: Column, values: Array) -> Any:
    if column.states:
        known = np.isfinite(values) & (values >= 0) & (values < len(column.states))
        index = pa.array(np.where(known, values, 0).astype(np.int8), pa.int8(), mask=~known)
        return pa.DictionaryArray.from_arrays(index, pa.array(column.states, pa.string()))
    if column.is_whole:
        unknown = ~np.isfinite(values)
        return pa.array(np.where(unknown, 0, values).astype(np.int64), pa.int64(), mask=unknown)
    return pa.array(values, pa.float64())


class _Parquet:
    """Numbers as float64, counts as int64, states as text; unit and meaning in each column's metadata."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        fields: list[Any] = [pa.field("time_s", pa.float64(), metadata={"unit": "s", "meaning": "Time of the tick"})]
        for column in columns:
            about = {"unit": column.signal.unit, "meaning": column.signal.meaning}
            fields.append(pa.field(column.name, _kind(column), metadata=about))
        self._schema = pa.schema(fields)
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd", use_byte_stream_split=False)

    def write(self, samples: Samples) -> None:
        arrays = [pa.array(samples.time_s)]
        arrays += [_array(c, samples.values[:, k]) for k, c in enumerate(samples.columns)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


class _Csv:
    """Numbers in the shortest form that reads back as the same float64; unknown values are empty."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(["time_s", *(c.name for c in columns)])

    def write(self, samples: Samples) -> None:
        texts = [[repr(float(t)) for t in samples.time_s]]
        texts += [_texts(c, samples.values[:, k]) for k, c in enumerate(samples.columns)]
        self._writer.writerows(zip(*texts, strict=True))

    def close(self) -> None:
        self._file.close()


def _texts(column: Column, values: Array) -> list[str]:
    if column.states:
        names = dict(enumerate(column.states))
        return [names.get(int(v), "") if np.isfinite(v) else "" for v in values]
    if column.is_whole:
        return [str(int(v)) if np.isfinite(v) else "" for v in values]
    return ["" if np.isnan(v) else repr(float(v)) for v in values]


def export(
    path: Path | str, out: Path, kind: Literal["parquet", "csv"], names: Sequence[str] = (), every_s: float = 1.0
) -> Export:
    """Write signals of a recording to a file.

    Args:
        path: the recording.
        out: the file to write.
        kind: its format.
        names: signals; none means the default ones (see `selection`).
        every_s: time between rows; 0 for every tick.

    Raises:
        UserError: an unknown signal, a file that cannot be read or written.
    """
    recording = Recording(path)
    columns = select(names, recording.header.size)
    playback = Playback(recording)
    result = Export(columns=len(columns))
    # A block of a wide table must not take more memory than one of a narrow one.
    rows_at_once = max(16, min(ROWS_AT_ONCE, 2_000_000 // max(len(columns), 1)))
    sink: _Sink | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        sink = _Parquet(out, columns) if kind == "parquet" else _Csv(out, columns)
        for samples in sampled(playback, columns, every_s, rows_at_once):
            sink.write(samples)
            result.rows += len(samples.time_s)
            result.first_s = float(samples.time_s[0]) if result.first_s is None else result.first_s
            result.last_s = float(samples.time_s[-1])
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror or error}; choose another file") from None
    finally:
        if sink is not None:
            sink.close()
    result.losses = playback.losses
    return result
