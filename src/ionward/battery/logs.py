"""Measured logs: Parquet or CSV files with time, current and voltage of a cell or pack.

A log is read once into an immutable table in SI units. What is ordinary in measured data (single missing
values, gaps, repeated times) is kept and counted; what would make every later number wrong (time running
backwards, mV given as V, a current with the wrong sign) is refused with one clear line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from scipy.ndimage import median_filter

from ionward.battery.cell import CellModel, DataSheet
from ionward.battery.log_columns import NAMES, Conversion, assign, parse_mapping
from ionward.battery.log_files import extra_numbers, numbers, read_table
from ionward.errors import UserError

__all__ = ["Log", "LogIssues", "check_against_cell", "parse_mapping", "read_log"]

Array = npt.NDArray[np.float64]
MOSTLY_UNUSABLE = 0.5  # refuse a log of which more than this share of rows lacks current or voltage
GAP_FACTOR = 10.0  # a step this many times longer than its neighbours is a gap ...
GAP_MIN_S = 2.0  # ... if it is also longer than this


@dataclass(frozen=True)
class LogIssues:
    """What was wrong with a log and is ordinary: counted and reported, never hidden."""

    nan_rows: int = 0  # rows that lack current or voltage
    nan_by_column: Mapping[str, int] = field(default_factory=dict)
    rows_without_time: int = 0  # dropped
    repeated_times: int = 0  # dropped, the last row of each time is kept
    wild_reference_rows: int = 0  # stretches in which soc_ref leaves 0..1: not used as a reference
    gaps: int = 0
    longest_gap_s: float = 0.0

    def lines(self) -> list[str]:
        """One sentence for each kind of issue; empty for a clean log."""
        out = []
        if self.nan_rows:
            out.append(f"{self.nan_rows} rows lack current or voltage: taken as lost measurements")
        for name, count in self.nan_by_column.items():
            if name not in ("current_a", "voltage_v") and count:
                out.append(f"{count} rows lack {name}")
        if self.rows_without_time:
            out.append(f"{self.rows_without_time} rows have no time: dropped")
        if self.repeated_times:
            out.append(f"{self.repeated_times} rows repeat the time of the row after them: dropped")
        if self.wild_reference_rows:
            out.append(f"{self.wild_reference_rows} rows belong to stretches in which soc_ref leaves 0..1: not used")
        if self.gaps:
            out.append(f"{self.gaps} gaps, the longest {self.longest_gap_s:.1f} s")
        return out


@dataclass(frozen=True)
class Log:
    """A measured log in SI units; arrays are float64, one value per row, read-only. Missing values are NaN.

    Current is positive when charging. `ah` is the tester's charge counter, `soc_ref` a reference SOC 0..1:
    both are for judging and identification, an estimator never reads them.
    """

    source: str
    time_s: Array
    current_a: Array
    voltage_v: Array
    temperature_c: Array | None = None
    ah: Array | None = None
    soc_ref: Array | None = None
    extras: Mapping[str, Array] = field(default_factory=dict)
    metadata: Mapping[str, object] = field(default_factory=dict)
    conversions: tuple[str, ...] = ()
    issues: LogIssues = LogIssues()

    def __post_init__(self) -> None:
        for array in (*(getattr(self, name) for name in NAMES), *self.extras.values()):
            if array is not None:
                array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.time_s)

    @property
    def seconds(self) -> float:
        """Time from the first to the last row."""
        return float(self.time_s[-1] - self.time_s[0])

    @property
    def valid(self) -> npt.NDArray[np.bool_]:
        """Rows that have current and voltage."""
        return np.isfinite(self.current_a) & np.isfinite(self.voltage_v)

    @property
    def sign_is_reversed(self) -> bool:
        """Whether the current seems to be positive on discharge: voltage falls whenever it rises."""
        return _sign_is_reversed(self)

    def rows(self, select: slice | npt.NDArray[np.bool_]) -> Log:
        """The log of some rows alone."""

        def part(array: Array | None) -> Array | None:
            return None if array is None else array[select].copy()

        return Log(
            self.source,
            self.time_s[select].copy(),
            self.current_a[select].copy(),
            self.voltage_v[select].copy(),
            part(self.temperature_c),
            part(self.ah),
            part(self.soc_ref),
            {name: array[select].copy() for name, array in self.extras.items()},
            self.metadata,
            self.conversions,
            self.issues,
        )

    def charge_ah(self) -> Array:
        """Charge since the first row by counting the current (trapezoids; interpolated where missing)."""
        known = np.isfinite(self.current_a)
        if not known.any():
            return np.zeros(len(self))
        current = np.interp(self.time_s, self.time_s[known], self.current_a[known])
        step = np.diff(self.time_s) * (current[1:] + current[:-1]) / 2
        return np.concatenate(([0.0], np.cumsum(step))) / 3600


def read_log(
    path: str | Path,
    mapping: Mapping[str, str] | None = None,
    cell: CellModel | None = None,
    cells_in_series: int = 1,
) -> Log:
    """Read a measured log.

    Args:
        path: a `.parquet` file, or text with a header line (comma, semicolon or tab between columns).
        mapping: quantity name to column name, where the file's names do not say it; `-COLUMN` turns the sign.
        cell: yardstick to notice mV given as V, mA given as A and a current with the wrong sign.
        cells_in_series: for logs of a pack.

    Raises:
        UserError: the file cannot be read or is no usable log; each problem is one line.
    """
    path = Path(path)
    table, metadata = read_table(path)
    source = path.name
    if table.num_rows == 0:
        raise UserError(f"{path}: the file has no rows: check that the export was complete")
    chosen = assign(table.column_names, mapping or {}, source)
    columns = {name: numbers(table, c, name, source) for name, c in chosen.items()}
    used = {c.column for c in chosen.values()}
    others = {name: extra_numbers(table, name) for name in table.column_names if name not in used}
    extras = {name: values for name, values in others.items() if values is not None}
    log = _clean(source, columns, extras, metadata, chosen)
    _check_usable(log)
    if cell is not None:
        check_against_cell(log, cell, cells_in_series)
    return log


def check_against_cell(log: Log, cell: CellModel, cells_in_series: int = 1) -> None:
    """Refuse a log whose units or sign cannot be those of this cell.

    Raises:
        UserError: mV given as V, mA given as A, another number of cells, or a current positive on discharge.
    """
    name = f"{cells_in_series} x {cell.name}" if cells_in_series > 1 else cell.name
    check_against_sheet(log, cell.data_sheet, name, cells_in_series)


def check_against_sheet(log: Log, sheet: DataSheet, name: str, cells_in_series: int = 1) -> None:
    """As `check_against_cell`, with the data sheet alone."""
    _check_scale(
        log,
        sheet.voltage_max_v * cells_in_series,
        max(sheet.charge_current_pulse_a, sheet.discharge_current_pulse_a),
        sheet.nominal_capacity_ah,
        name,
    )


def _clean(
    source: str,
    columns: dict[str, Array],
    extras: dict[str, Array],
    metadata: dict[str, object],
    chosen: dict[str, Conversion],
) -> Log:
    """Check the order of time, drop rows without time and repeated times, and count everything."""
    time = columns["time_s"]
    timed = np.isfinite(time)
    if not timed.any():
        raise UserError(f"{source}: no row has a time: check column '{chosen['time_s'].column}'")
    rows = np.flatnonzero(timed)
    steps = np.diff(time[rows])
    if (steps < 0).any():
        at = rows[int(np.argmax(steps < 0)) + 1]
        restarts = [c for c in ("cycle", "op", "step", "run") if c in extras]
        hint = f"it restarts for each '{restarts[0]}': give one at a time" if restarts else "sort or split the log"
        raise UserError(
            f"{source}: time runs backwards at row {at + 1} ({time[at - 1]:g} s, then {time[at]:g} s), "
            f"{int((steps < 0).sum())} times in all: {hint}"
        )
    keep = rows[np.append(steps > 0, True)]
    columns = {name: values[keep] for name, values in columns.items()}
    extras = {name: values[keep] for name, values in extras.items()}
    wild = _without_wild_reference(columns)
    gaps = _gaps(columns["time_s"])
    lost = ~(np.isfinite(columns["current_a"]) & np.isfinite(columns["voltage_v"]))
    issues = LogIssues(
        nan_rows=int(lost.sum()),
        nan_by_column={n: int(np.isnan(v).sum()) for n, v in columns.items() if np.isnan(v).any()},
        rows_without_time=int((~timed).sum()),
        repeated_times=len(rows) - len(keep),
        wild_reference_rows=wild,
        gaps=len(gaps),
        longest_gap_s=float(gaps.max(initial=0.0)),
    )
    converted = tuple(c.told(name) for name, c in chosen.items() if c.column != name or c.changes)
    return Log(
        source,
        columns["time_s"],
        columns["current_a"],
        columns["voltage_v"],
        columns.get("temperature_c"),
        columns.get("ah"),
        columns.get("soc_ref"),
        MappingProxyType(extras),
        MappingProxyType(metadata),
        converted,
        issues,
    )


def _without_wild_reference(columns: dict[str, Array]) -> int:
    """Blank `soc_ref` where it leaves 0..1, from jump to jump (testers reset counters); count the rows."""
    soc = columns.get("soc_ref")
    if soc is None or not np.isfinite(soc).any() or np.nanmax(soc) > 5:
        return 0
    wild = (soc < -0.1) | (soc > 1.1)
    if not wild.any():
        return 0
    part = np.concatenate(([0], np.cumsum(np.abs(np.diff(soc)) > 0.1)))
    blank = np.isin(part, part[wild])
    soc[blank] = np.nan
    columns["soc_ref"] = soc
    return int(blank.sum())


def _gaps(time_s: Array) -> Array:
    """Lengths of steps that are far longer than their neighbours (loggers change their rate on purpose)."""
    steps = np.diff(time_s)
    if len(steps) < 3:
        return np.zeros(0)
    usual = median_filter(steps, size=11, mode="nearest")
    return np.asarray(steps[(steps > GAP_FACTOR * usual) & (steps > GAP_MIN_S)])


def _check_usable(log: Log) -> None:
    problems = []
    if len(log) < 2:
        problems.append(f"{log.source}: only {len(log)} row: a log needs at least two")
    elif log.issues.nan_rows > MOSTLY_UNUSABLE * len(log):
        share = 100 * log.issues.nan_rows / len(log)
        problems.append(
            f"{log.source}: {log.issues.nan_rows} of {len(log)} rows ({share:.0f} %) lack current or "
            "voltage: the log is mostly unusable"
        )
    temperature, soc = log.temperature_c, log.soc_ref
    if temperature is not None and np.isfinite(temperature).any() and np.nanmedian(temperature) > 150:
        problems.append(
            f"{log.source}: temperature_c is {np.nanmedian(temperature):.0f} in the middle, too hot for a "
            "battery: kelvin given as degC? name the column temperature_k"
        )
    if soc is not None and np.isfinite(soc).any() and np.nanmax(soc) > 5:
        problems.append(
            f"{log.source}: soc_ref goes up to {np.nanmax(soc):g}, it runs from 0 to 1: "
            "percent given as a fraction? name the column soc_ref_pct"
        )
    if problems:
        raise UserError(*problems)


def _check_scale(log: Log, voltage_max_v: float, current_max_a: float, capacity_ah: float, name: str) -> None:
    problems = []
    valid = log.valid
    voltage = float(np.median(log.voltage_v[valid]))
    if 100 < voltage / voltage_max_v < 1e4:
        problems.append(
            f"{log.source}: voltage is {voltage:.0f} V in the middle, {name} ends at {voltage_max_v:g} V: "
            "mV given as V? name the column voltage_mv"
        )
    elif voltage > 1.25 * voltage_max_v:
        problems.append(
            f"{log.source}: voltage is {voltage:.1f} V in the middle, {name} ends at {voltage_max_v:g} V: "
            "a log of several cells in series, or of another cell"
        )
    elif abs(voltage) < 0.05 * voltage_max_v:
        problems.append(
            f"{log.source}: voltage is {voltage:g} V in the middle, {name} has up to {voltage_max_v:g} V: "
            "check the unit of its column"
        )
    peak = float(np.max(np.abs(log.current_a[valid])))
    swing = float(np.ptp(log.charge_ah()))
    if peak > 20 * current_max_a or swing > 50 * capacity_ah:
        problems.append(
            f"{log.source}: current goes up to {peak:.0f} A and moves {swing:.0f} Ah, {name} has "
            f"{capacity_ah:g} Ah and bears {current_max_a:g} A: mA given as A? name the column current_ma"
        )
    if not problems and _sign_is_reversed(log):
        problems.append(
            f"{log.source}: voltage falls whenever current rises: current seems to be positive on discharge, "
            "here it is positive on charge; turn it with --map current_a=-COLUMN"
        )
    if problems:
        raise UserError(*problems)


def _sign_is_reversed(log: Log) -> bool:
    """Whether steps of current move the voltage the wrong way: ohmic resistance is never negative."""
    known = log.valid
    current, voltage = log.current_a[known], log.voltage_v[known]
    step = np.diff(current)
    scale = float(np.ptp(current))
    large = np.abs(step) > 0.05 * scale
    if scale <= 0 or large.sum() < 10:
        return False
    x, y = step[large], np.diff(voltage)[large]
    return bool(np.sum(x * y) < -0.5 * np.sqrt(np.sum(x * x) * np.sum(y * y)))
