"""Plots of recordings: an overview that a battery engineer reads at a glance, or chosen signals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ionward.errors import UserError
from ionward.image.signals import LEVELS, STATES
from ionward.runtime.export import Samples, sampled
from ionward.runtime.playback import Playback
from ionward.runtime.recording import Recording
from ionward.runtime.selection import Column, select

Array = npt.NDArray[np.float64]
POINTS = 3000  # more than a screen has columns; steps shorter than one are seen by `export --every 0`

INK, FAINT, GRID = "#1f2933", "#7b8794", "#e4e7eb"
BLUE, ORANGE, GREEN, RED, VIOLET, TEAL = "#2563ab", "#d9730d", "#2e8540", "#c92a2a", "#7048a8", "#0c8599"
COLOURS = (BLUE, ORANGE, GREEN, VIOLET, TEAL, RED, "#866118", "#a61e4d")
STATE_COLOURS = ("#ced4da", "#adb5bd", "#ffd43b", "#ffa94d", "#8ce99a", "#ffc9c9", "#ff6b6b")
_STYLE = {
    "font.size": 9,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.1,
}
_OVERVIEW = (
    "current_a", "charge_limit_a", "discharge_limit_a", "pack_voltage_v", "bus_voltage_v", "cell_voltage_sum_v",
    "cell_voltage_min_v", "cell_voltage_mean_v", "cell_voltage_max_v", "soc", "soc_std", "soc_min", "soc_max",
    "temperature_min_c", "temperature_mean_c", "temperature_max_c", "state", "fault_level", "cell_voltage_v",
)  # fmt: skip


def plot(path: Path | str, out: Path, names: Sequence[str] = ()) -> list[str]:
    """Draw a recording into a picture; returns what of the recording is lost.

    Without `names` an overview: current and limits, voltages, cells, SOC, temperatures, states and fault levels.

    Raises:
        UserError: unknown signals, nothing recorded, a file that cannot be read or written.
    """
    recording = Recording(path)
    playback = Playback(recording)
    columns = select(names or _OVERVIEW, recording.header.size)
    samples = _sample(playback, columns)
    if len(samples.time_s) < 2:
        raise UserError(f"{path}: fewer than two ticks are recorded: there is nothing to draw")
    import matplotlib as mpl  # half a second that other commands need not wait for

    mpl.use("Agg")
    with mpl.rc_context(_STYLE):
        figure = _chosen(samples) if names else _overview(samples)
        title = str(recording.header.system.get("system", {}).get("name", Path(path).name))
        source = recording.header.start.source
        inch = 1 / figure.get_figheight()
        figure.text(0.01, 1 - 0.12 * inch, title, ha="left", va="top", fontsize=13, fontweight="bold")
        figure.text(0.01, 1 - 0.38 * inch, source, ha="left", va="top", color=FAINT, fontsize=8)
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(out, dpi=130)
        except (OSError, ValueError) as error:
            raise UserError(f"{out}: cannot be written: {error}; name a .png, .svg or .pdf file") from None
    return playback.losses


def _sample(playback: Playback, columns: Sequence[Column]) -> Samples:
    """At most about `POINTS` rows over the whole recording."""
    every_s = max(playback.recording.ticks() // POINTS, 1) * playback.recording.header.cycle_s
    parts = list(sampled(playback, columns, every_s))
    if not parts:
        return Samples(columns, np.zeros(0), np.zeros((0, len(columns))))
    return Samples(columns, np.concatenate([p.time_s for p in parts]), np.concatenate([p.values for p in parts]))


def time_axis(time_s: Array) -> tuple[Array, str]:
    """Times in the unit that suits their length, and its label."""
    length = float(time_s[-1] - time_s[0])
    factor, unit = (3600.0, "h") if length > 3 * 3600 else (60.0, "min") if length > 600 else (1.0, "s")
    return time_s / factor, f"time / {unit}"


def _leave_room(figure: Any) -> None:
    """For the title."""
    figure.get_layout_engine().set(rect=(0, 0, 1, 1 - 0.6 / figure.get_figheight()))


def _overview(samples: Samples) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 11), layout="constrained")
    _leave_room(figure)
    axes = figure.subplots(6, 1, sharex=True, height_ratios=[3, 3, 3, 3, 3, 0.9])
    t, label = time_axis(samples.time_s)
    _current(axes[0], t, samples)
    _voltage(axes[1], t, samples)
    _cells(axes[2], t, samples)
    _soc(axes[3], t, samples)
    _temperature(axes[4], t, samples)
    _states(axes[5], t, samples)
    axes[-1].set_xlabel(label)
    axes[0].set_xlim(t[0], t[-1])
    return figure


def _current(axis: Any, t: Array, s: Samples) -> None:
    charge, discharge = s["charge_limit_a"], -s["discharge_limit_a"]
    axis.fill_between(t, discharge, charge, color=GREEN, alpha=0.10, linewidth=0, label="allowed", step="post")
    axis.plot(t, charge, color=GREEN, linewidth=0.7)
    axis.plot(t, discharge, color=GREEN, linewidth=0.7)
    axis.axhline(0, color=FAINT, linewidth=0.6)
    axis.plot(t, s["current_a"], color=BLUE, label="current (+ charging)")
    axis.set_ylabel("current / A")
    _legend(axis)


def _voltage(axis: Any, t: Array, s: Samples) -> None:
    for name, colour, label, width in (
        ("pack_voltage_v", BLUE, "pack", 1.3),
        ("cell_voltage_sum_v", TEAL, "sum of cells", 0.9),
        ("bus_voltage_v", ORANGE, "bus", 0.9),
    ):
        if np.isfinite(s[name]).any():
            axis.plot(t, s[name], color=colour, label=label, linewidth=width)
    axis.set_ylabel("voltage / V")
    _legend(axis)


def _cells(axis: Any, t: Array, s: Samples) -> None:
    cells = s.values[:, [k for k, c in enumerate(s.columns) if c.family == "cell_voltage_v"]]
    if cells.shape[1] > 1 and np.isfinite(cells).any():
        axis.plot(t, cells, color=BLUE, alpha=0.12, linewidth=0.6, rasterized=True)
    low, high = s["cell_voltage_min_v"], s["cell_voltage_max_v"]
    if cells.shape[1] == 1:
        axis.plot(t, low, color=BLUE)
    elif np.isfinite(low).any():
        axis.plot(t, high, color=RED, label="highest", linewidth=0.8)
        axis.plot(t, s["cell_voltage_mean_v"], color=INK, label="mean", linewidth=0.8)
        axis.plot(t, low, color=VIOLET, label="lowest", linewidth=0.8)
    else:
        _absent(axis, "no cell voltage")
    axis.set_ylabel("cells / V")
    _legend(axis)


def _soc(axis: Any, t: Array, s: Samples) -> None:
    soc, std = 100 * s["soc"], 100 * s["soc_std"]
    if np.isfinite(soc).any():
        low, high = np.clip(soc - 2 * std, 0, 100), np.clip(soc + 2 * std, 0, 100)
        axis.fill_between(t, low, high, color=BLUE, alpha=0.15, linewidth=0, label="± 2 σ")
        axis.fill_between(t, 100 * s["soc_min"], 100 * s["soc_max"], color=TEAL, alpha=0.3, linewidth=0, label="cells")
        axis.plot(t, soc, color=BLUE, label="pack")
    else:
        _absent(axis, "SOC is not known")
    axis.set_ylabel("SOC / %")
    _legend(axis)


def _temperature(axis: Any, t: Array, s: Samples) -> None:
    low, high = s["temperature_min_c"], s["temperature_max_c"]
    if np.isfinite(low).any():
        axis.fill_between(t, low, high, color=ORANGE, alpha=0.25, linewidth=0, label="lowest to highest")
        axis.plot(t, s["temperature_mean_c"], color=ORANGE, label="mean")
    else:
        _absent(axis, "no temperature")
    axis.set_ylabel("temperature / °C")
    _legend(axis)


def _states(axis: Any, t: Array, s: Samples) -> None:
    """Two bands: the state of the connection sequence above, the highest fault level below."""
    _band(axis, t, s["state"], STATES, STATE_COLOURS, 1.0)
    _band(axis, t, s["fault_level"], LEVELS, ("#f1f3f5", "#d0ebff", "#ffe066", "#ff922b", "#e03131"), 0.0)
    axis.set_yticks([0.45, 1.45], ["faults", "state"])
    axis.set_ylim(0, 1.95)
    axis.grid(visible=False)


def _band(axis: Any, t: Array, values: Array, names: Sequence[str], colours: Sequence[str], bottom: float) -> None:
    starts = np.flatnonzero(np.append(True, values[1:] != values[:-1]))
    ends = np.append(starts[1:], len(t) - 1)
    for start, end in zip(starts, ends, strict=True):
        number = int(values[start]) if np.isfinite(values[start]) else -1
        if not 0 <= number < len(names) or end <= start:
            continue
        axis.fill_between([t[start], t[end]], bottom, bottom + 0.9, color=colours[number], linewidth=0)
        if t[end] - t[start] > 0.06 * (t[-1] - t[0]):
            axis.text((t[start] + t[end]) / 2, bottom + 0.42, names[number], ha="center", va="center", fontsize=8)


def _absent(axis: Any, text: str) -> None:
    axis.set_yticks([])
    axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", va="center", color=FAINT)


def _legend(axis: Any) -> None:
    if axis.get_legend_handles_labels()[0]:
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)


def _chosen(samples: Samples) -> Any:
    """One panel for each unit and kind; a family of many items is drawn as thin lines."""
    from matplotlib.figure import Figure

    panels: dict[str, list[int]] = {}
    for index, column in enumerate(samples.columns):
        panels.setdefault(column.signal.unit or column.family, []).append(index)
    figure = Figure(figsize=(11, 1.2 + 2.2 * len(panels)), layout="constrained")
    _leave_room(figure)
    axes = np.atleast_1d(figure.subplots(len(panels), 1, sharex=True))
    t, label = time_axis(samples.time_s)
    for axis, (unit, indices) in zip(axes, panels.items(), strict=True):
        colour = 0
        seen: set[str] = set()
        many = {f for f in (samples.columns[k].family for k in indices)
                if sum(samples.columns[k].family == f for k in indices) > 8}  # fmt: skip
        for k in indices:
            column = samples.columns[k]
            crowded = column.family in many
            name = f"{column.family} (all)" if crowded else column.name
            draw = axis.step if column.is_whole else axis.plot
            draw(
                t, samples.values[:, k], color=COLOURS[colour % len(COLOURS)], label=None if name in seen else name,
                linewidth=0.6 if crowded else 1.1, alpha=0.4 if crowded else 1.0,
                **({"where": "post"} if column.is_whole else {}),
            )  # fmt: skip
            if not crowded or k == indices[-1] or samples.columns[k + 1].family != column.family:
                colour += 1
            seen.add(name)
        states = samples.columns[indices[0]].states
        if states and len(indices) == 1:
            axis.set_yticks(range(len(states)), states)
        axis.set_ylabel(unit)
        _legend(axis)
    axes[-1].set_xlabel(label)
    axes[0].set_xlim(t[0], t[-1])
    return figure
