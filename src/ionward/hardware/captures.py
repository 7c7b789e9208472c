"""Captures: measured files of one or several rates, merged on one clock as inputs of the BMS.

`read_captures` reads and judges the files; `logs.LogSensors` feeds them. What a capture does not hold is told by
`Captures.missing`, so that nobody waits for a sensor that was never there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ionward.battery.log_columns import Conversion
from ionward.battery.log_files import numbers, read_table
from ionward.battery.system import System
from ionward.errors import UserError
from ionward.hardware import capture_columns as cc
from ionward.image.inputs import CHANNEL
from ionward.image.layout import Size

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Capture:
    """One file: its own times, and a block `[input, row]` with the name of each input. NaN is no value."""

    source: str
    time_s: Array
    inputs: tuple[str, ...]
    values: Array
    ignored: tuple[str, ...] = ()
    conversions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reference_soc: Array | None = None

    @property
    def period_s(self) -> float:
        """Usual time between rows."""
        return float(np.median(np.diff(self.time_s))) if len(self.time_s) > 1 else np.inf

    def column(self, name: str) -> Array | None:
        """Values of one input."""
        return self.values[self.inputs.index(name)] if name in self.inputs else None


@dataclass(frozen=True)
class Captures:
    """All files of a run, on one clock. `offset_s` was taken off absolute times."""

    files: tuple[Capture, ...]
    size: Size
    offset_s: float = 0.0

    @property
    def first_s(self) -> float:
        """Time of the first row of any file."""
        return min(float(c.time_s[0]) for c in self.files)

    @property
    def last_s(self) -> float:
        """Time of the last row of any file."""
        return max(float(c.time_s[-1]) for c in self.files)

    @property
    def names(self) -> set[str]:
        """Every input that some file holds."""
        return {name for c in self.files for name in c.inputs}

    def source_of(self, name: str) -> Capture | None:
        """The file that holds an input."""
        return next((c for c in self.files if name in c.inputs), None)

    def missing(self) -> tuple[tuple[str, ...], tuple[int, ...], tuple[int, ...]]:
        """Channels, cells and temperature sensors that no file holds."""
        names = self.names
        return (
            tuple(c for c in CHANNEL._fields if c not in names),
            tuple(k for k in range(self.size.cells) if f"{cc.CELL}[{k}]" not in names),
            tuple(k for k in range(self.size.sensors) if f"{cc.SENSOR}[{k}]" not in names),
        )


def read_captures(
    paths: Sequence[Path | str], system: System, size: Size, mapping: Mapping[str, str] | None = None
) -> Captures:
    """Read captures for a system.

    Args:
        paths: Parquet or CSV files; each may have its own rate, and holds what the others do not.
        system: the battery that they were measured on.
        size: of its image.
        mapping: input name to column, where the names do not say it; `-COLUMN` turns the sign.

    Raises:
        UserError: a file cannot be read, or cannot belong to this system or to the other files. All problems at once.
    """
    mapping = mapping or {}
    problems = cc.unknown_names(mapping)
    files: list[Capture] = []
    columns: list[str] = []
    served: set[str] = set()
    absolute: list[bool] = []
    read = 0
    for path in map(Path, paths):
        try:
            table, _ = read_table(path)
            columns += table.column_names
            parts, serves, is_absolute = _read(table, path, system, size, mapping)
        except UserError as error:
            problems += error.problems
            continue
        served |= serves
        read += 1
        files += parts
        absolute += [is_absolute] * len(parts)
    if paths and read == len(paths):
        problems += cc.missing_mapped({n: c for n, c in mapping.items() if n not in served}, columns)
        problems += _together(files, absolute)
    if problems or not files:
        raise UserError(*(problems or ["no capture given: name at least one Parquet or CSV file"]))
    offset = min(float(f.time_s[0]) for f in files) if absolute[0] else 0.0
    if offset:
        for f in files:
            np.subtract(f.time_s, offset, out=f.time_s)
    return Captures(tuple(files), size, offset)


def _read(
    table: pa.Table, path: Path, system: System, size: Size, mapping: Mapping[str, str]
) -> tuple[list[Capture], set[str], bool]:
    source = path.name
    if table.num_rows == 0:
        raise UserError(f"{path}: the file has no rows: check that the export was complete")
    found, served = cc.assign(table.column_names, mapping, source)
    problems = list(found.problems)
    for what, numbers_found, limit in (
        ("cells", found.cells, size.cells), ("temperature sensors", found.sensors, size.sensors),
    ):  # fmt: skip
        if numbers_found and max(numbers_found) >= limit:
            problems.append(
                f"{source}: holds {what} up to number {max(numbers_found) + 1}, {system.system.name} has {limit}: "
                "another battery, or the wrong system file"
            )
    if problems:
        raise UserError(*problems)
    time, is_absolute = _times(table, found.single[cc.TIME], source)
    keep, notes = _in_order(time, found.single[cc.TIME].column, source)
    series: dict[str, Array] = {}
    for number, conversion in found.cells.items():
        series[f"{cc.CELL}[{number}]"] = numbers(table, conversion, f"cell {number + 1}", source)[keep]
    for number, conversion in found.sensors.items():
        series[f"{cc.SENSOR}[{number}]"] = numbers(table, conversion, f"sensor {number + 1}", source)[keep]
    reference = None
    for name, conversion in found.single.items():
        if name == cc.REFERENCE:
            reference = numbers(table, conversion, name, source)[keep]
        elif name != cc.TIME:
            series[name] = numbers(table, conversion, name, source)[keep]
    guessed = _guess_cell_unit(series, found.cells, source)
    notes += guessed
    notes += _place_voltage(series, system, source)
    notes += _place_temperature(series, found.single, size)
    _check(series, system, source)
    if not series:
        raise UserError(f"{source}: nothing in it is an input of the BMS")
    told = [f"{c.column} -> {n}" for n, c in found.single.items() if c.changes]
    whole = Capture(
        source, time[keep], tuple(series), np.array(list(series.values())), found.ignored, tuple(told), tuple(notes),
        reference,
    )  # fmt: skip
    return _by_rate(whole), served, is_absolute


SPARSE = 0.5  # a column that is empty in more than this share of the rows was sampled at another rate


def _by_rate(capture: Capture) -> list[Capture]:
    """Take slower columns of a wide table apart: where they are mostly empty, an empty cell is no sample at all."""
    known = np.isfinite(capture.values)
    sparse = (known.mean(axis=1) < 1 - SPARSE) & known.any(axis=1)
    if not sparse.any() or len(capture.time_s) < 10:
        return [capture]
    groups: dict[bytes, list[int]] = {}
    for column in np.flatnonzero(sparse):
        groups.setdefault(known[column].tobytes(), []).append(int(column))
    dense = np.flatnonzero(~sparse)
    parts = []
    if len(dense):
        names = tuple(capture.inputs[k] for k in dense)
        parts.append(replace(capture, inputs=names, values=capture.values[dense]))
    for columns in groups.values():
        rows = known[columns[0]]
        names = tuple(capture.inputs[k] for k in columns)
        note = f"{len(columns)} columns from '{names[0]}' on are empty in most rows: taken as sampled at a slower rate"
        parts.append(
            replace(
                capture,
                time_s=capture.time_s[rows],
                inputs=names,
                values=capture.values[columns][:, rows],
                ignored=(),
                conversions=(),
                notes=(note,),
                reference_soc=None,
            )
        )
    return parts


def _times(table: pa.Table, conversion: Conversion, source: str) -> tuple[Array, bool]:
    """Seconds of each row, and whether they count from 1970 (dates do, so that files agree with each other)."""
    column = table[conversion.column]
    if pa.types.is_timestamp(column.type):
        micro = pc.cast(pc.cast(pc.cast(column, pa.timestamp("us")), pa.int64()), pa.float64())
        return np.array(micro.to_numpy(zero_copy_only=False), float) * 1e-6, True
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        text = next((t for t in column.to_pylist() if t), "")
        if text[:4].isdigit() and text[4:5] == "-":
            try:
                date = datetime.fromisoformat(text.strip())
            except ValueError:
                raise UserError(f"{source}: column '{conversion.column}': '{text[:40]}' is no date with time") from None
            # Without a zone taken as UTC, as Parquet's are, so that files agree.
            first = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
            return numbers(table, conversion, cc.TIME, source) + first, True
    return numbers(table, conversion, cc.TIME, source), False


def _in_order(time: Array, column: str, source: str) -> tuple[npt.NDArray[np.intp], list[str]]:
    """Rows to keep: those with a time, the last one of each time. Raises where time runs backwards."""
    rows = np.flatnonzero(np.isfinite(time))
    if not len(rows):
        raise UserError(f"{source}: no row has a time: check column '{column}'")
    steps = np.diff(time[rows])
    if (steps < 0).any():
        at = rows[int(np.argmax(steps < 0)) + 1]
        raise UserError(
            f"{source}: time runs backwards at row {at + 1} ({time[at - 1]:g} s, then {time[at]:g} s), "
            f"{int((steps < 0).sum())} times in all: sort or split the capture"
        )
    notes = []
    if len(rows) < len(time):
        notes.append(f"{len(time) - len(rows)} rows have no time: dropped")
    if (steps == 0).any():
        notes.append(f"{int((steps == 0).sum())} rows repeat the time of the row after them: dropped")
    return rows[np.append(steps > 0, True)], notes


def _median(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else np.nan


def _guess_cell_unit(series: dict[str, Array], cells: Mapping[int, Conversion], source: str) -> list[str]:
    """Cell columns without a unit in their names: mV or V, from their size; all must agree."""
    bare = [f"{cc.CELL}[{n}]" for n, c in cells.items() if not c.unit]
    medians = {name: _median(series[name]) for name in bare}
    milli = [name for name, value in medians.items() if 500 < value < 6000]
    if milli and len(milli) < sum(np.isfinite(v) for v in medians.values()):
        raise UserError(
            f"{source}: some cell columns look like mV and some like V: mixed units, name them cell01_mv or cell01_v"
        )
    for name in milli:
        series[name] = series[name] * 1e-3
    return [f"{len(milli)} cell columns have no unit: taken as mV"] if milli else []


def _place_voltage(series: dict[str, Array], system: System, source: str) -> list[str]:
    """The capture's voltage belongs to the pack, or to the only cell of a system of one."""
    if cc.VOLTAGE not in series:
        return []
    voltage = series.pop(cc.VOLTAGE)
    if system.series > 1:
        series["pack_voltage_v"] = voltage
        return []
    series.setdefault(f"{cc.CELL}[0]", voltage)
    if system.sensors.pack_voltage.fitted:
        series["pack_voltage_v"] = voltage
    return []


def _place_temperature(series: dict[str, Array], single: Mapping[str, Conversion], size: Size) -> list[str]:
    """One temperature for the whole battery stands in for every sensor that the capture does not have."""
    if cc.TEMPERATURE not in series:
        return []
    whole = series.pop(cc.TEMPERATURE)
    absent = [k for k in range(size.sensors) if f"{cc.SENSOR}[{k}]" not in series]
    for k in absent:
        series[f"{cc.SENSOR}[{k}]"] = whole
    if len(absent) < 2:
        return []
    return [f"one temperature ('{single[cc.TEMPERATURE].column}') stands in for {len(absent)} sensors"]


def _check(series: dict[str, Array], system: System, source: str) -> None:
    """Refuse values that cannot be this system's: another unit, another battery, the sign turned."""
    sheet = system.cell_model.data_sheet
    problems = []
    cells = {n: _median(v) for n, v in series.items() if n.startswith(cc.CELL)}
    for name, median in cells.items():
        problems += _voltage_problem(source, name, median, sheet.voltage_max_v, "a cell")
        if len(problems) >= 3:
            problems[-1] += f" ({len(cells)} cells in all)"
            break
    if "pack_voltage_v" in series:
        pack = _median(series["pack_voltage_v"])
        top = sheet.voltage_max_v * system.series
        problems += _voltage_problem(source, "pack_voltage_v", pack, top, system.system.name)
        if not problems and system.series > 3 and 0.5 < pack / sheet.voltage_max_v < 1.5:
            problems.append(
                f"{source}: voltage is {pack:.2f} V in the middle: a single cell's log; {system.system.name} has "
                f"{system.series} cells in series"
            )
    current = series.get("current_a")
    if current is not None and np.isfinite(current).any():
        peak = float(np.nanmax(np.abs(current)))
        rated = max(system.limits.charge_current_pulse_a, system.limits.discharge_current_pulse_a)
        if peak > 50 * rated:
            problems.append(
                f"{source}: current goes up to {peak:.0f} A, {system.system.name} bears {rated:g} A: "
                "mA given as A? name the column current_ma"
            )
        voltage = series.get("pack_voltage_v", series.get(f"{cc.CELL}[0]"))
        if not problems and voltage is not None and _sign_is_turned(current, voltage):
            problems.append(
                f"{source}: voltage falls whenever current rises: current seems to be positive on discharge, here it "
                "is positive on charge; turn it with --map current_a=-COLUMN"
            )
    if not any(np.isfinite(v).any() for v in series.values()):
        problems.append(f"{source}: no row holds a single number besides the time")
    if problems:
        raise UserError(*problems)


def _sign_is_turned(current: Array, voltage: Array) -> bool:
    """Whether large steps of current move the voltage the wrong way: an ohmic resistance is never negative."""
    known = np.isfinite(current) & np.isfinite(voltage)
    step, answer = np.diff(current[known]), np.diff(voltage[known])
    large = np.abs(step) > 0.05 * np.ptp(current[known]) if known.any() else np.zeros(0, bool)
    if large.sum() < 10:
        return False
    x, y = step[large], answer[large]
    return bool(np.sum(x * y) < -0.5 * np.sqrt(np.sum(x * x) * np.sum(y * y)))


def _voltage_problem(source: str, name: str, median: float, top_v: float, whose: str) -> list[str]:
    if not np.isfinite(median):
        return []
    if 100 < median / top_v < 1e4:
        return [
            f"{source}: {name} is {median:.0f} V in the middle, {whose} ends at {top_v:g} V: mV given as V? "
            "give the unit in the column's name (_mv)"
        ]
    if median > 1.5 * top_v:
        return [
            f"{source}: {name} is {median:.1f} V in the middle, {whose} ends at {top_v:g} V: "
            "another battery, or the wrong system file"
        ]
    if 0 < median < 0.01 * top_v:
        return [f"{source}: {name} is {median:g} V in the middle, {whose} has up to {top_v:g} V: check its unit"]
    return []


def _together(files: Sequence[Capture], absolute: Sequence[bool]) -> list[str]:
    """Why files cannot be one measurement: no common time, the same input twice, dates beside seconds."""
    problems = []
    if len(set(absolute)) > 1:
        names = ", ".join(f.source for f in files)
        problems.append(f"{names}: some have dates and some have seconds as time: bring them to one clock")
    start = max(files, key=lambda f: f.time_s[0])
    end = min(files, key=lambda f: f.time_s[-1])
    if not problems and start.time_s[0] > end.time_s[-1]:
        problems.append(
            f"{end.source} ends at {end.time_s[-1]:g} s before {start.source} begins at {start.time_s[0]:g} s: "
            "captures must overlap in time"
        )
    owner: dict[str, str] = {}
    doubled: dict[tuple[str, str], list[str]] = {}
    for f in files:
        for name in f.inputs:
            if name in owner:
                doubled.setdefault((owner[name], f.source), []).append(name)
            owner.setdefault(name, f.source)
    for (a, b), both in doubled.items():
        more = f" and {len(both) - 1} more inputs" if len(both) > 1 else ""
        problems.append(f"{both[0]}{more} in both {a} and {b}: give each input once")
    return problems
