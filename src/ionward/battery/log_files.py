"""Tables from Parquet and CSV files, read so that a bad value can be named by its row and column."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from ionward.battery.log_columns import Conversion
from ionward.errors import UserError

Array = npt.NDArray[np.float64]
_DATE = re.compile(r"\s*\d{4}-\d\d-\d\d")
_MISSING = {"", "nan", "na", "n/a", "null", "none", "-", "--", "#n/a"}


def read_table(path: Path) -> tuple[pa.Table, dict[str, object]]:
    """The columns of a file, and the description in its footer (Parquet only).

    Raises:
        UserError: the file does not exist, is empty, cut, or neither Parquet nor text.
    """
    if not path.is_file():
        what = "is a folder, not a log" if path.is_dir() else "does not exist: check the path"
        raise UserError(f"{path}: {what}")
    if path.stat().st_size == 0:
        raise UserError(f"{path}: the file is empty (0 bytes): export it again")
    with path.open("rb") as file:
        magic = file.read(4)
    if magic == b"PAR1" or path.suffix.lower() in (".parquet", ".pq"):
        return _read_parquet(path)
    return _read_csv(path), {}


def _read_parquet(path: Path) -> tuple[pa.Table, dict[str, object]]:
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise UserError(
            f"{path}: not a complete Parquet file, it may have been cut: copy it again ({reason})"
        ) from None
    footer = (table.schema.metadata or {}).get(b"battery", b"{}")
    try:
        metadata = json.loads(footer)
    except ValueError:
        metadata = {}
    return table, metadata if isinstance(metadata, dict) else {}


def _read_csv(path: Path) -> pa.Table:
    """A table with every column as text: numbers are read later so that a bad one can be named by its row."""
    data = path.read_bytes()
    if b"\0" in data[:4096]:
        raise UserError(f"{path}: neither Parquet nor text: export the log as CSV or Parquet")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    lines = text.splitlines()
    skip = next((n for n, line in enumerate(lines) if line.strip() and not line.startswith("#")), None)
    if skip is None:
        raise UserError(f"{path}: the file has no rows: check that the export was complete")
    delimiter = max(",;\t", key=lines[skip].count)
    names = [name.strip() for name in next(csv.reader([lines[skip]], delimiter=delimiter))]
    broken: list[tuple[int, int]] = []

    def remember(row: pacsv.InvalidRow) -> Literal["skip"]:
        broken.append((row.number or 0, row.actual_columns))
        return "skip"

    try:
        table = pacsv.read_csv(
            io.BytesIO("\n".join(lines[skip + 1 :]).encode()),
            read_options=pacsv.ReadOptions(column_names=names, use_threads=False),
            parse_options=pacsv.ParseOptions(delimiter=delimiter, invalid_row_handler=remember),
            convert_options=pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )
    except pa.ArrowInvalid as error:
        if len(lines) == skip + 1 or "Empty CSV" in str(error):
            raise UserError(f"{path}: the file has a header but no rows: export it again") from None
        raise UserError(f"{path}: not a table of {len(names)} columns ({str(error).splitlines()[0]})") from None
    if broken:
        row, count = broken[0]
        where = f"line {row + skip + 1}" if row else "a line"
        raise UserError(
            f"{path}: {where} has {count} columns instead of {len(names)}: the file is cut or damaged, export it again"
        )
    if delimiter == ";":  # decimal commas go with semicolons
        table = pa.table({n: pc.replace_substring(table[n], ",", ".") for n in names})
    return table


def is_number(kind: pa.DataType) -> bool:
    """Whether a column of this type holds numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def numbers(table: pa.Table, conversion: Conversion, name: str, source: str) -> Array:
    """A column as float64 in SI units, NaN where empty.

    Times of day become seconds since the first. Raises UserError where a number column holds text.
    """
    column = table[conversion.column]
    kind = column.type
    if pa.types.is_timestamp(kind):
        values = pc.cast(pc.cast(column, pa.timestamp("us")), pa.int64()).to_numpy().astype(float) * 1e-6
        return np.asarray(values - np.nanmin(values), float)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        values = _from_text(column.to_pylist(), conversion.column, name, source)
    elif is_number(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        values = np.asarray(pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False), float)
    else:
        raise UserError(f"{source}: column '{conversion.column}' holds {kind}, {name} needs numbers")
    values = values * conversion.factor + conversion.offset if conversion.changes else values.copy()
    values[~np.isfinite(values)] = np.nan
    return np.asarray(values, float)


def extra_numbers(table: pa.Table, column: str) -> Array | None:
    """A further column as numbers, or None where it holds something else."""
    values = table[column]
    try:
        if is_number(values.type) or pa.types.is_string(values.type):
            return np.array(pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False), float)
    except pa.ArrowInvalid:
        pass
    return None


def _seconds_of_day(cells: list[str | None], column: str, source: str) -> Array:
    values = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells):
        if cell is None or cell.strip().lower() in _MISSING:
            continue
        try:
            values[row] = datetime.fromisoformat(cell.strip()).timestamp()
        except ValueError:
            raise UserError(f"{source}: row {row + 1}, column '{column}': '{cell[:40]}' is no date with time") from None
    return np.asarray(values - values[np.isfinite(values)][0])


def _from_text(cells: list[str | None], column: str, name: str, source: str) -> Array:
    try:
        return np.array(cells, float)
    except (ValueError, TypeError):
        pass
    first = next((c for c in cells if c is not None and c.strip().lower() not in _MISSING), None)
    if name == "time_s" and first is not None and _DATE.match(first):
        return _seconds_of_day(cells, column, source)
    values = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells):
        if cell is None or cell.strip().lower() in _MISSING:
            continue
        try:
            values[row] = float(cell)
        except ValueError:
            raise UserError(
                f"{source}: row {row + 1}, column '{column}': '{cell[:40]}' is text, {name} needs a number"
            ) from None
    return values
