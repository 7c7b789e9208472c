"""The files of a history: where they are, and how they are replaced so that a crash leaves whole ones.

```
history/
  2026/05/31/14.parquet     seconds of one hour
  minute/2026-05-31/…       minutes of one day: pack.parquet, cell_voltage.parquet, …
  hour/2026-05/…            hours of one month, likewise
  events/2026-05.parquet    faults and changes of state of one month
  segments/2026-05-31.json  which recordings were taken in that begin on this day
```

All times are UTC.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ionward.errors import UserError
from ionward.runtime.history_columns import PACK_PART, PARTS, SEGMENT, TICKS, TIME, kept_families, part_of
from ionward.runtime.history_tables import mask

Bools = npt.NDArray[np.bool_]

FORMAT = 1
SECOND_S, MINUTE_S, HOUR_S, DAY_S = 1, 60, 3600, 86_400
LEVELS_S = (SECOND_S, MINUTE_S, HOUR_S)
LATEST_S = datetime(9999, 1, 1, tzinfo=UTC).timestamp()
_COMPRESSION_LEVEL = 6
_NAMES = {
    "seconds": re.compile(r"\d{4}/\d\d/\d\d/\d\d\.parquet"),
    "minutes": re.compile(rf"minute/\d{{4}}-\d\d-\d\d/({'|'.join(PARTS)})\.parquet"),
    "hours": re.compile(rf"hour/\d{{4}}-\d\d/({'|'.join(PARTS)})\.parquet"),
    "events": re.compile(r"events/\d{4}-\d\d\.parquet"),
    "segments": re.compile(r"segments/\d{4}-\d\d-\d\d\.json"),
}


class HistoryWriteError(UserError):
    """The history cannot be written: nothing of it will succeed before that is put right."""


def utc(time_s: float) -> datetime:
    """A moment as a date."""
    return datetime.fromtimestamp(time_s, UTC)


def level_file(root: Path, step_s: int, time_s: float, part: str = PACK_PART) -> Path:
    """The file that holds a moment at the level of seconds, or a part of it at that of minutes or hours."""
    if step_s == SECOND_S:
        return root / utc(time_s).strftime("%Y/%m/%d/%H.parquet")
    return root / utc(time_s).strftime("minute/%Y-%m-%d" if step_s == MINUTE_S else "hour/%Y-%m") / f"{part}.parquet"


def events_file(root: Path, time_s: float) -> Path:
    """The file that holds the events of a moment."""
    return root / utc(time_s).strftime("events/%Y-%m.parquet")


def segments_file(root: Path, time_s: float) -> Path:
    """The file that lists the recordings that begin on this day."""
    return root / utc(time_s).strftime("segments/%Y-%m-%d.json")


def period_starts(step_s: int, from_s: float, to_s: float) -> Iterator[float]:
    """Starts of the files' periods (hours, days, months) that touch a stretch of time."""
    if step_s == HOUR_S:
        at = utc(from_s).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        while at.timestamp() < to_s:
            yield at.timestamp()
            at = (at + timedelta(days=32)).replace(day=1)
        return
    length_s = {SECOND_S: HOUR_S, MINUTE_S: DAY_S}[step_s]
    at_s = from_s // length_s * length_s
    while at_s < to_s:
        yield at_s
        at_s += length_s


def all_files(root: Path) -> dict[str, list[Path]]:
    """Every file of a history by what it is, in order of time."""
    found: dict[str, list[str]] = {kind: [] for kind in _NAMES}
    for folder, _, names in os.walk(root):  # strings are several times faster than paths, and a year has 12,000 files
        start = folder[len(str(root)) + 1 :]
        for relative in (f"{start}/{name}" for name in names):
            for kind, pattern in _NAMES.items():
                if pattern.fullmatch(relative):
                    found[kind].append(relative)
    return {kind: [root / relative for relative in sorted(some)] for kind, some in found.items()}


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """One writer at a time; another one waits. Makes the folder.

    Raises:
        HistoryWriteError: the folder cannot be made or written.
    """
    try:
        _make_folder(root)
        file = (root / ".lock").open("a")
    except OSError as error:
        raise HistoryWriteError(
            f"{root}: the history cannot be written: {error.strerror}; choose another folder"
        ) from None
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file beside its place, force it to the disk and move it there: whole or not at all.

    Raises:
        HistoryWriteError: it cannot be written; what was there before stays.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        _make_folder(path.parent)
        write(temporary)
        _force(temporary)
        temporary.replace(path)
        _force(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise HistoryWriteError(
            f"{path}: cannot be written: {error.strerror or error}; free the disk and try again"
        ) from None


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, on the disk too."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(exist_ok=True)
        _force(new.parent)


def _force(path: Path) -> None:
    """Force a file or the entries of a folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_table(path: Path) -> pa.Table | None:
    """A whole file; None where there is none.

    Raises:
        pa.ArrowException, OSError: it is damaged or cannot be read.
    """
    if not path.exists():
        return None
    with pq.ParquetFile(path) as file:
        table = file.read()
    # Parquet does not tell 32-bit decimals from wider ones.
    narrow = [
        f.with_type(pa.decimal32(f.type.precision, f.type.scale)) if pa.types.is_decimal128(f.type) else f
        for f in table.schema
    ]
    return table.cast(pa.schema(narrow))


def read_or_set_aside(path: Path, problems: list[str]) -> pa.Table | None:
    """As `read_table`, but a damaged file is renamed and told, so that its place is free."""
    try:
        return read_table(path)
    except (pa.ArrowException, OSError) as error:
        with suppress(OSError):
            path.replace(path.with_suffix(".damaged"))
        problems.append(f"{path}: damaged, set aside as {path.stem}.damaged ({_short(error)})")
        return None


def _short(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__


def merged(old: pa.Table | None, keep: Bools | None, new: pa.Table) -> pa.Table:
    """The rows of `old` that are to be kept (bool `[row]`) and those of `new`, in order of time.

    Columns that one of them has not are unknown there; where their types differ, those of `new` hold.
    """
    if old is None or keep is None:
        return new
    types = {field.name: field.type for field in new.schema}
    kept = old.filter(mask(keep))
    kept = kept.cast(pa.schema([f.with_type(types.get(f.name, f.type)) for f in kept.schema]), safe=False)
    table = pa.concat_tables([new, kept], promote_options="default")
    time, segment = (table[name].to_numpy().astype(np.int64) for name in (TIME, SEGMENT))
    return table.take(np.lexsort((segment, time)))


def parts(table: pa.Table) -> dict[str, pa.Table]:
    """Minutes or hours cut into the columns of each part."""
    keys = [TIME, SEGMENT, TICKS]
    names: dict[str, list[str]] = {}
    for name in table.column_names:
        if name not in keys:
            names.setdefault(part_of(name), []).append(name)
    return {part: table.select([*keys, *some]) for part, some in names.items()}


def save(path: Path, table: pa.Table, encodings: dict[str, str] | None = None) -> None:
    """Write a table, whole or not at all. Each file is one group of rows, with statistics of its times.

    Raises:
        HistoryWriteError: it cannot be written.
    """
    named = table.replace_schema_metadata({"ionward": f"history {FORMAT}"})

    def write(temporary: Path) -> None:
        pq.write_table(
            named, temporary, row_group_size=max(len(named), 1), compression="zstd",
            compression_level=_COMPRESSION_LEVEL, use_dictionary=not encodings,
            column_encoding=encodings, write_statistics=[TIME], store_schema=False, store_decimal_as_integer=True,
        )  # fmt: skip

    write_whole(path, write)


def seconds_encodings(names: Iterable[str]) -> dict[str, str]:
    """How columns of seconds are encoded: smooth ones as differences, small or stepwise ones byte by byte."""
    families = kept_families()
    out = {}
    for name in names:
        kept = families.get(name.partition("[")[0].partition(" ")[0])
        stepwise = kept is None or kept.hold or kept.kind in ("share", "worst")
        small = name.endswith((".below", ".above"))
        plain = name not in (TIME, SEGMENT, TICKS) and (small or stepwise)
        out[name] = "BYTE_STREAM_SPLIT" if plain else "DELTA_BINARY_PACKED"
    return out


def coarse_encodings(names: Iterable[str]) -> dict[str, str]:
    """How columns of minutes and hours are encoded."""
    return dict.fromkeys(names, "DELTA_BINARY_PACKED")


def read_segments(path: Path) -> dict[str, Any]:
    """The recordings of a day by their number; nothing where the file is missing or damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def save_segments(path: Path, segments: dict[str, Any]) -> None:
    """Write the recordings of a day. Raises HistoryWriteError."""
    text = json.dumps(segments, indent=1, allow_nan=False)
    write_whole(path, lambda temporary: _write_text(temporary, text))
