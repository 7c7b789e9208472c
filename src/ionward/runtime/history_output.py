"""Signals of the history as a CSV table, as values for JSON, and as a picture."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ionward.errors import UserError
from ionward.runtime.figure import COLOURS, FAINT, GRID, INK
from ionward.runtime.history_query import Series

Array = npt.NDArray[np.float64]

CSV_COLUMNS = ("signal", "time", "time_s", "mean", "minimum", "maximum")


def time_text(time_s: float, fractions: bool = False) -> str:
    """A moment in UTC as ISO 8601 wants it, to the second or to the millisecond."""
    moment = datetime.fromtimestamp(round(time_s, 3), UTC)
    return moment.isoformat(timespec="milliseconds" if fractions else "seconds").replace("+00:00", "Z")


def number_texts(series: Series, values: Array) -> list[str]:
    """Values in the shortest form, states as words; empty where nothing is known."""
    names = dict(enumerate(series.choices)) if len(series.choices) > 2 else {}
    return ["" if np.isnan(v) else names.get(int(v), f"{v:.10g}") for v in values]


def as_json(series: Series) -> dict[str, Any]:
    """A signal for JSON: null where nothing is known; states are numbers, `choices` names them."""
    columns = {"time_s": series.time_s, "mean": series.mean, "minimum": series.minimum, "maximum": series.maximum}
    return {
        "signal": series.signal, "unit": series.unit, "choices": list(series.choices), "level": series.level,
        "step_s": series.step_s, "problems": list(series.problems),
    } | {
        name: [None if np.isnan(v) else round(float(v), 9) for v in values] for name, values in columns.items()
    }  # fmt: skip


def write_csv(path: Path, all_series: Sequence[Series]) -> int:
    """Write signals below each other; returns the number of rows. Stretches of which nothing is known are left out.

    Raises:
        UserError: the file cannot be written.
    """
    rows = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(CSV_COLUMNS)
            for series in all_series:
                times = [time_text(t, series.step_s % 1.0 > 0.0) for t in series.time_s]
                numbers = [number_texts(series, v) for v in (series.mean, series.minimum, series.maximum)]
                seconds = [f"{t:.3f}" for t in series.time_s]
                for time, second, mean, low, high in zip(times, seconds, *numbers, strict=True):
                    if mean:
                        writer.writerow([series.signal, time, second, mean, low, high])
                        rows += 1
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}; choose another file") from None
    return rows


def plot(path: Path, all_series: Sequence[Series]) -> None:
    """Draw signals, one panel for each unit; the band is from the lowest to the highest value.

    Raises:
        UserError: the file cannot be written, nothing is known.
    """
    if not any(np.isfinite(s.mean).any() for s in all_series):
        raise UserError("nothing is known of this time: there is nothing to draw")
    import matplotlib as mpl  # half a second that other commands need not wait for

    mpl.use("Agg")
    style = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
             "axes.edgecolor": FAINT, "grid.color": GRID, "text.color": INK, "legend.frameon": False}  # fmt: skip
    with mpl.rc_context(style):
        figure = _figure(all_series)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, dpi=130)
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: cannot be written: {error}; name a .png, .svg or .pdf file") from None


def _figure(all_series: Sequence[Series]) -> Any:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    panels: dict[str, list[Series]] = {}
    for series in all_series:
        panels.setdefault(series.unit or series.signal.partition("[")[0], []).append(series)
    figure = Figure(figsize=(11, 1.0 + 2.4 * len(panels)), layout="constrained")
    axes = np.atleast_1d(figure.subplots(len(panels), 1, sharex=True))
    for axis, (label, some) in zip(axes, panels.items(), strict=True):
        for series, colour in zip(some, COLOURS * (1 + len(some) // len(COLOURS)), strict=False):
            _draw(axis, series, colour)
        axis.set_ylabel(label)
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)
        if len(some) == 1 and len(some[0].choices) > 2:
            axis.set_yticks(range(len(some[0].choices)), some[0].choices)
    locator = AutoDateLocator()
    axes[-1].xaxis.set_major_locator(locator)
    axes[-1].xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes[-1].set_xlabel("UTC")
    return figure


def _draw(axis: Any, series: Series, colour: str) -> None:
    step = bool(series.choices)
    # A stretch is drawn at its middle, a state from its beginning.
    times = (1000.0 * (series.time_s + (0.0 if step else series.step_s / 2))).astype("datetime64[ms]")
    place = "post" if step else None
    axis.fill_between(times, series.minimum, series.maximum, color=colour, alpha=0.25, linewidth=0, step=place)
    (axis.step if step else axis.plot)(
        times, series.mean, color=colour, linewidth=1.1, label=series.signal, **({"where": "post"} if step else {})
    )
