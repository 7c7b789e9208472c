"""From a scenario's loads to one profile for the twin: times and values in one unit."""

from __future__ import annotations

import math
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ionward.battery.problems import did_you_mean
from ionward.errors import UserError
from ionward.proving.scenario import Course, Load

Array = npt.NDArray[np.float64]

COLUMN_UNITS = {"current_a": "A", "power_w": "W", "current_c": "C"}
POINTS_MAX = 20_000_000


class Profile(NamedTuple):
    """`points` `[2 (time_s, value), point]`: each value holds from its time to the next."""

    points: Array
    is_power: bool


def built_in_profiles() -> list[str]:
    """Names of the profiles that come with Ionward."""
    folder = resources.files("ionward.proving") / "profiles"
    return sorted(f.name.removesuffix(".csv") for f in folder.iterdir() if f.name.endswith(".csv"))


def build_profile(scenario: Course, capacity_ah: float) -> Profile:
    """The load of a whole scenario, for a battery of this capacity.

    Raises:
        UserError: a file is missing or wrong, or loads of different units are mixed.
    """
    pieces: list[tuple[Array, str]] = []
    problems: list[str] = []
    starts = [load.at_s for load in scenario.load]
    end_s = scenario.scenario.duration_s
    ends = [min(end, end_s) for end in [*starts[1:], end_s]][: len(starts)]
    for k, (load, end_s) in enumerate(zip(scenario.load, ends, strict=True)):
        if load.at_s >= end_s:  # a shortened run does not reach it
            continue
        try:
            pieces.append(_piece(load, end_s, scenario.folder, capacity_ah))
        except UserError as error:
            problems += [f"{scenario.file}: load[{k}]: {line}" for line in error.problems]
    units = {unit for _, unit in pieces}
    if len(units) > 1:
        problems.append(f"{scenario.file}: load: currents and powers are mixed; give all loads as one of the two")
    if problems:
        raise UserError(*problems)
    points = np.concatenate([piece for piece, _ in pieces], axis=1) if pieces else np.zeros((2, 0))
    return Profile(np.ascontiguousarray(points), units == {"W"})


def _piece(load: Load, end_s: float, folder: Path, capacity_ah: float) -> tuple[Array, str]:
    if load.file is not None:
        times, values, unit = read_profile(load.file, folder)
    else:
        steps = np.array(load.steps, dtype=np.float64)
        times, values, unit = steps[:, 0], steps[:, 1], load.unit
    values = values * load.scale
    if unit == "C":
        values, unit = values * capacity_ah, "A"
    if load.repeat > 1:
        if len(times) < 2:
            raise UserError("repeat needs a profile of at least two times")
        period_s = times[-1] - times[0] + (times[-1] - times[-2])
        count = min(load.repeat, math.ceil((end_s - load.at_s) / period_s))
        if count * len(times) > POINTS_MAX:
            raise UserError(f"repeated {count} times the profile has too many points; use a coarser one")
        times = (np.arange(count)[:, None] * period_s + times[None, :]).ravel()
        values = np.tile(values, count)
    times = times + load.at_s
    within = times < end_s
    times, values = times[within], values[within]
    if len(times) == 0 or times[0] > load.at_s:  # the load before ends here
        times, values = np.append(load.at_s, times), np.append(0.0, values)
    return np.stack([times, values]), unit


def read_profile(name: str, folder: Path) -> tuple[Array, Array, str]:
    """Times, values and unit of a profile file beside the scenario, or of a built-in profile.

    Raises:
        UserError: there is no such file, it has no usable columns, or its times do not rise.
    """
    if "." not in name and "/" not in name:
        if name not in built_in_profiles():
            raise UserError(f"file '{name}': no such built-in profile; {did_you_mean(name, built_in_profiles())}")
        with resources.as_file(resources.files("ionward.proving") / "profiles" / f"{name}.csv") as path:
            return _read_columns(path)
    path = folder / name
    if not path.is_file():
        raise UserError(f"file '{path}' does not exist; paths are taken from the scenario's folder")
    return _read_columns(path)


def _read_columns(path: Path) -> tuple[Array, Array, str]:
    import pyarrow as pa  # takes its time, and most scenarios name no file
    from pyarrow import csv as pa_csv
    from pyarrow import parquet as pa_parquet

    try:
        table = pa_parquet.read_table(path) if path.suffix == ".parquet" else pa_csv.read_csv(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"file '{path}' cannot be read as {_kind(path)}: {str(error).splitlines()[0]}") from None
    found = [column for column in COLUMN_UNITS if column in table.column_names]
    if "time_s" not in table.column_names or len(found) != 1:
        columns = ", ".join(table.column_names)
        raise UserError(f"file '{path}' has the columns {columns}; needed: time_s and one of {', '.join(COLUMN_UNITS)}")
    times, values = _numbers(table, "time_s", path), _numbers(table, found[0], path)
    if len(times) == 0:
        raise UserError(f"file '{path}' has no rows; give at least one time")
    wrong = np.flatnonzero(np.diff(times) <= 0)
    if len(wrong):
        row = int(wrong[0]) + 2
        raise UserError(f"file '{path}': time_s does not rise at row {row}; sort it and take out doubles")
    return times - times[0], values, COLUMN_UNITS[found[0]]


def _kind(path: Path) -> str:
    return "Parquet" if path.suffix == ".parquet" else "CSV"


def _numbers(table: Any, column: str, path: Path) -> Array:
    import pyarrow as pa

    try:
        numbers = table.column(column).cast(pa.float64()).fill_null(np.nan).combine_chunks()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise UserError(f"file '{path}': column {column} holds text; it must hold numbers") from None
    # Not by to_numpy(): where pandas is installed, that loads it, which takes longer than all the rest of a start.
    values = np.array(np.from_dlpack(numbers))
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise UserError(f"file '{path}': column {column} has no number in row {int(bad[0]) + 1}; fill or cut it out")
    return values
