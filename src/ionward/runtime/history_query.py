"""Reading the history: one signal over any stretch of time, events, and what there is.

The level (seconds, minutes, hours) follows from the zoom: the coarsest one that gives at least half as many rows as
points are asked for. Only the columns of the one signal are read. Nothing is kept between calls, so what was written
a moment ago is seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ionward.errors import UserError
from ionward.runtime import history_files as files
from ionward.runtime.history_columns import LEVEL_NAMES, TICKS, TIME, Kept, kept_families, part_of
from ionward.runtime.history_files import HOUR_S, MINUTE_S, SECOND_S
from ionward.runtime.history_listing import SignalInfo, Span, events, signals, span, unknown_signal
from ionward.runtime.history_reader import Columns, check_times, existing, micros, quoted, read
from ionward.runtime.history_seconds import Event
from ionward.runtime.history_tables import above_column, below_column, value_column

__all__ = ["Event", "Series", "SignalInfo", "Span", "events", "query", "signals", "span"]

Array = npt.NDArray[np.float64]

POINTS_MAX = 1_000_000


@dataclass(frozen=True)
class Series:
    """One signal over time, in physical units; NaN where nothing is known.

    `time_s` `[point]` is the start of each stretch of `step_s` seconds, in seconds since 1970 UTC. For states, counts
    and yes-no signals `mean` is the last value in it, for fault levels and qualities the highest. `level` names the
    rows that it was made from, `problems` the files that could not be read.
    """

    signal: str
    unit: str
    choices: tuple[str, ...]
    level: str
    step_s: float
    time_s: Array
    mean: Array
    minimum: Array
    maximum: Array
    problems: tuple[str, ...] = ()


def query(history: Path | str, signal: str, from_s: float, to_s: float, points: int = 500) -> Series:
    """One signal between two moments, as `points` equal stretches, or fewer where the rows are not that fine.

    Args:
        history: the folder.
        signal: its name, such as `soc`, `cell_voltage_v[17]`, `fault.cell_overvoltage.level`.
        from_s: begin, seconds since 1970 UTC.
        to_s: end.
        points: 1 to 1,000,000.

    Raises:
        UserError: there is no history, the signal or the time makes no sense.
    """
    root = existing(history)
    check_times(from_s, to_s)
    if not 1 <= points <= POINTS_MAX:
        raise UserError(f"points is {points}, allowed: 1 to {POINTS_MAX:,}")
    kept = kept_families().get(signal.partition("[")[0])
    if kept is None:
        raise unknown_signal(root, signal)
    step_s = _level(root, kept.finest_s, from_s, to_s, points)
    bins = _Bins(from_s, to_s, points, step_s)
    first_s = from_s // step_s * step_s  # the row that was begun before counts too
    part = part_of(signal)
    paths = [files.level_file(root, step_s, at, part) for at in files.period_starts(step_s, first_s, to_s)]
    parameters = [bins.start_s, bins.width_s, micros(first_s), micros(to_s)]
    found = read(_sql(kept, signal, step_s), [path for path in paths if path.is_file()], parameters)
    if not found.parts and signal not in {known.name for known in signals(root)}:
        raise unknown_signal(root, signal)
    mean, low, high = bins.fill(found.parts, kept)
    about = kept.column.signal
    return Series(
        signal, about.unit, about.choices, LEVEL_NAMES[step_s], bins.width_s, bins.times_s(), mean, low, high,
        tuple(found.problems),
    )  # fmt: skip


def _level(root: Path, finest_s: int, from_s: float, to_s: float, points: int) -> int:
    """Length of the rows to read, in seconds.

    The coarsest that gives half as many rows as points, but none that is finer than the signal has, and none whose
    files are gone where those of a coarser level are still there.
    """
    enough = [step_s for step_s in files.LEVELS_S if (to_s - from_s) / step_s >= points / 2]
    step_s = max([*enough, SECOND_S, finest_s])
    while step_s < HOUR_S and not _covered(root, step_s, from_s, to_s):
        step_s = MINUTE_S if step_s == SECOND_S else HOUR_S
    return step_s


def _covered(root: Path, step_s: int, from_s: float, to_s: float) -> bool:
    """Whether a level has a file wherever between two moments a coarser one has."""
    for coarser_s in (level_s for level_s in files.LEVELS_S if level_s > step_s):
        starts = list(files.period_starts(coarser_s, from_s, to_s))
        for start_s, end_s in zip(starts, [*starts[1:], to_s], strict=True):
            if files.level_file(root, coarser_s, start_s).is_file():
                fine = files.period_starts(step_s, max(start_s, from_s), min(end_s, to_s))
                if not any(files.level_file(root, step_s, at).is_file() for at in fine):
                    return False
    return True


class _Bins:
    """Equal stretches of time, as long as a row at least; where they are just as long, they are the rows."""

    def __init__(self, from_s: float, to_s: float, points: int, step_s: int) -> None:
        self.width_s = max((to_s - from_s) / points, float(step_s))
        self.start_s = from_s if self.width_s > step_s else from_s // step_s * step_s
        self.count = max(1, math.ceil((to_s - self.start_s) / self.width_s - 1e-9))

    def times_s(self) -> Array:
        """Where each begins."""
        return np.asarray(self.start_s + self.width_s * np.arange(self.count))

    def fill(self, parts: Sequence[Columns], kept: Kept) -> tuple[Array, Array, Array]:
        """Mean, minimum and maximum of each from what one or several files gave; NaN where there is nothing."""
        weight, total = np.zeros(self.count), np.zeros(self.count)
        low, high = np.full(self.count, np.nan), np.full(self.count, np.nan)
        latest, last = np.full(self.count, -np.inf), np.full(self.count, np.nan)
        for part in parts:
            at = np.minimum(part["bin"].astype(np.int64), self.count - 1)  # an end may round up
            weight[at] += part["weight"]
            total[at] += part["total"]
            low[at], high[at] = np.fmin(low[at], part["low"]), np.fmax(high[at], part["high"])
            newer = part["latest"] > latest[at]
            last[at] = np.where(newer, part["last"], last[at])
            latest[at] = np.where(newer, part["latest"], latest[at])
        if kept.kind == "worst":
            return high, low, high
        if kept.is_step:
            return last, low, high
        return np.divide(total, weight, out=np.full(self.count, np.nan), where=weight > 0), low, high


def _sql(kept: Kept, signal: str, step_s: int) -> str:
    """Rows of a signal gathered into stretches; `$2` is their start, `$3` their width; rows from `$4` to `$5`."""
    if step_s == SECOND_S:
        named = kept.renamed(signal)
        value = f"{quoted(value_column(named))}::DOUBLE"
        if kept.base:
            value += f" + coalesce({quoted(kept.base)}::DOUBLE, 0)"
        low = high = value
        if kept.kind == "spread":
            low = f"{value} - {quoted(below_column(named))}::DOUBLE"
            high = f"{value} + {quoted(above_column(named))}::DOUBLE"
    else:
        value = f"{quoted(signal)}::DOUBLE"
        low, high = (f"{quoted(f'{signal}.{end}')}::DOUBLE" if kept.has_range else value for end in ("min", "max"))
    return f"""
        SELECT bin, sum(ticks)::DOUBLE AS weight, sum(value * ticks) AS total, min(low) AS low, max(high) AS high,
               max(at_s) AS latest, arg_max(value, at_s) AS last
        FROM (SELECT greatest(floor((epoch("{TIME}") - $2) / $3), 0) AS bin, epoch("{TIME}") AS at_s,
                     "{TICKS}" AS ticks, {value} AS value, {low} AS low, {high} AS high
              FROM read_parquet($1) WHERE "{TIME}" >= make_timestamp($4) AND "{TIME}" < make_timestamp($5))
        WHERE value IS NOT NULL GROUP BY bin"""
