"""DuckDB as a reader of the history's files: nothing is fetched from anywhere, nothing is remembered between calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from ionward.errors import UserError
from ionward.runtime.history_files import LATEST_S

Columns = dict[str, npt.NDArray[Any]]


@dataclass
class Read:
    """What a query over several files gave: its columns, once or once for each file, and files that are damaged."""

    parts: list[Columns] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@cache
def _database() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": "false", "autoload_known_extensions": "false",
            "allow_community_extensions": "false", "enable_external_file_cache": "false", "threads": "2",
            "memory_limit": "512MB",
        }
    )  # fmt: skip
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def read(sql: str, paths: Sequence[Path], parameters: Sequence[Any] = ()) -> Read:
    """Run a query over files: `$1` are their names, `$2` and so on the parameters.

    Where they do not go together they are read one by one: one that lacks a column is left out, a damaged one is left
    out and told.
    """
    out = Read()
    if not paths:
        return out
    try:
        out.parts.append(_run(sql, paths, parameters))
    except duckdb.Error:
        for path in paths:
            try:
                out.parts.append(_run(sql, [path], parameters))
            except duckdb.BinderException:
                continue
            except duckdb.Error as error:
                if path.exists():
                    reason = str(error).strip().splitlines()[0][:120]
                    out.problems.append(f"{path}: damaged, left out ({reason})")
    return out


def _run(sql: str, paths: Sequence[Path], parameters: Sequence[Any]) -> Columns:
    cursor = _database().cursor()
    try:
        found = cursor.execute(sql, [[str(path) for path in paths], *parameters]).fetchnumpy()
    finally:
        cursor.close()
    return {name: np.ma.filled(c, np.nan) if c.dtype.kind == "f" else np.asarray(c) for name, c in found.items()}


def quoted(name: str) -> str:
    """A name of a column as SQL wants it."""
    return '"' + name.replace('"', '""') + '"'


def micros(time_s: float) -> int:
    """A moment in microseconds since 1970."""
    return round(time_s * 1e6)


def existing(history: Path | str) -> Path:
    """The folder of a history.

    Raises:
        UserError: there is none.
    """
    root = Path(history)
    if not root.is_dir():
        raise UserError(f"{root}: there is no history: it is made from recordings, see `ionward history make`")
    return root


def check_times(from_s: float, to_s: float) -> None:
    """Raises UserError unless both are moments, in this order."""
    if not (0.0 <= from_s < LATEST_S and 0.0 < to_s < LATEST_S):  # false for NaN
        raise UserError(f"from {from_s:g} s to {to_s:g} s: both must be seconds since 1970")
    if not from_s < to_s:
        raise UserError(f"the end ({to_s:.0f} s) must be after the beginning ({from_s:.0f} s)")
