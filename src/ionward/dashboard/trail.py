"""The last minutes of the signals that trends show, kept in memory so that a chart begins with a past."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ionward.image.layout import Size
from ionward.runtime.selection import CELLS, SENSORS, Column, Gatherer, default_columns

KEPT_S = 600.0
PERIOD_S = 0.2
# Of every cell only what is looked at often: the others would take hundreds of megabytes.
CELL_FAMILIES = ("cell_voltage_v", "cell_temperature_c", "cell_soc")


def trail_columns(size: Size) -> list[Column]:
    """What is kept: every signal of the pack, and of cells and sensors their main values."""
    out = []
    for column in default_columns(size):
        if column.block == CELLS and column.family not in CELL_FAMILIES:
            continue
        if column.block == SENSORS and column.family != "sensor_temperature_c":
            continue
        if column.name.endswith(".quality"):
            continue
        out.append(column)
    return out


class Trail:
    """A ring of rows: wall time and the value of every column."""

    def __init__(self, size: Size, kept_s: float = KEPT_S) -> None:
        self.columns = trail_columns(size)
        self.index = {column.name: k for k, column in enumerate(self.columns)}
        rows = round(kept_s / PERIOD_S)
        self._times_s: npt.NDArray[np.float64] = np.full(rows, np.nan)
        self._values: npt.NDArray[np.float32] = np.full((rows, len(self.columns)), np.nan, np.float32)
        self._row = np.empty(len(self.columns))
        self._gatherer = Gatherer(self.columns)
        self._count = 0

    def keep(self, wall_s: float, image: Any, raw: Any) -> None:
        """Take one row. `image` and `raw` are those of the moment."""
        at = self._count % len(self._times_s)
        self._gatherer.gather(image, raw, None, self._row)
        self._times_s[at] = wall_s
        self._values[at] = self._row
        self._count += 1

    def gap(self, wall_s: float) -> None:
        """Take a row that says that nothing was known: charts show a gap, not a line across it."""
        at = self._count % len(self._times_s)
        self._times_s[at] = wall_s
        self._values[at] = np.nan
        self._count += 1

    def window(self, names: list[str], from_s: float, points: int) -> dict[str, Any]:
        """Signals since a wall time, thinned to about so many points: `time_s` and `values` by name.

        A thinned stretch keeps its lowest and its highest value, so that a spike stays visible.
        """
        known = [name for name in names if name in self.index]
        order = self._order()
        order = order[self._times_s[order] >= from_s]
        columns = [self.index[name] for name in known]
        times_s, values = self._times_s[order], self._values[order][:, columns].astype(float)
        if len(order) > max(2, points):
            keep = _telling(values, points)
            times_s, values = times_s[keep], values[keep]
        return {
            "time_s": [round(float(t), 3) for t in times_s],
            "values": {name: clean(values[:, k]) for k, name in enumerate(known)},
        }

    def latest(self, names: list[str]) -> dict[str, Any] | None:
        """The newest row of these signals; None before the first."""
        if self._count == 0:
            return None
        at = (self._count - 1) % len(self._times_s)
        row = self._values[at]
        return {
            "time_s": round(float(self._times_s[at]), 3),
            "values": {name: clean(row[self.index[name]]) for name in names if name in self.index},
        }

    def _order(self) -> npt.NDArray[np.int64]:
        rows = len(self._times_s)
        if self._count <= rows:
            return np.arange(self._count)
        first = self._count % rows
        return np.concatenate([np.arange(first, rows), np.arange(first)])


def _telling(values: npt.NDArray[np.float64], points: int) -> npt.NDArray[np.int64]:
    """Rows to keep: in each of `points` / 2 stretches those where any signal is lowest or highest."""
    edges = np.linspace(0, len(values), max(2, points // 2) + 1).astype(int)
    keep = {0, len(values) - 1}
    for low, high in itertools.pairwise(edges.tolist()):
        part = values[low:high]
        if not len(part):
            continue
        keep.add(low)
        for column in part.T:
            if np.isfinite(column).any():
                keep.update((low + int(np.nanargmin(column)), low + int(np.nanargmax(column))))
    return np.array(sorted(keep))


def clean(values: Any) -> Any:
    """Numbers with seven digits, None where there is none."""
    if np.ndim(values) == 0:
        return float(f"{values:.7g}") if math.isfinite(values) else None
    return [float(f"{v:.7g}") if math.isfinite(v) else None for v in values.tolist()]
