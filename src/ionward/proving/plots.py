"""Plots of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ionward.battery.system import System
from ionward.image.signals import LEVELS, LIMIT_RULES, STATES
from ionward.proving.simulation import Result
from ionward.proving.traces import Traces

Array = npt.NDArray[np.float64]

INK, SOFT = "#22303c", "#8a97a3"
BLUE, ORANGE, GREEN, RED, VIOLET = "#1f6fb4", "#e07b1a", "#2b8a5a", "#c23b3b", "#7a5aa8"
RULE_COLOURS = {
    "none": "#e6eaee", "rated current of the pack": "#cfd8e0", "cell voltage": BLUE, "cell temperature": ORANGE,
    "SOC": GREEN, "estimate not ready": "#b7a3d6", "measurement lost": VIOLET, "warning": "#e3c341", "fault": RED,
    "pack not connected": "#9aa5ae", "advisory": "#5fb8b0", "pulse budget used up": "#d68fb5",
}  # fmt: skip
STATE_COLOURS = dict(zip(STATES, ("#e6eaee", "#cfd8e0", "#e3c341", "#e0a01a", GREEN, ORANGE, RED), strict=True))
LEAST_SPAN_K = 2.0
LEAST_SPAN_MV = 5.0
LEVEL_COLOURS = {"none": SOFT, "info": "#4aa3c7", "warning": "#d8a31a", "fault": RED, "critical": "#7d0f2b"}


def new_figure(title: str, rows: list[float], height: float) -> tuple[Figure, list[Any]]:
    """A figure with axes one above the other, as high as `rows` says, all over the same time."""
    figure = Figure(figsize=(11, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
    axes = figure.subplots(len(rows), 1, sharex=True, height_ratios=rows, squeeze=False)[:, 0]
    for axis in axes:
        axis.grid(True, color="#e3e8ec", linewidth=0.7)
        axis.set_axisbelow(True)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            axis.spines[side].set_color(SOFT)
        axis.tick_params(colors=INK, labelsize=9)
        axis.yaxis.label.set_color(INK)
    return figure, list(axes)


def time_axis(times_s: Array) -> tuple[Array, str]:
    """Times in the unit that a person would choose."""
    span = float(times_s[-1]) if len(times_s) else 0.0
    if span > 3 * 3600:
        return times_s / 3600.0, "time in h"
    if span > 600:
        return times_s / 60.0, "time in min"
    return times_s, "time in s"


def _at_least(axis: Any, span: float) -> None:
    """Widen a y axis about its middle, so that noise alone does not fill it."""
    low, high = axis.get_ylim()
    if high - low < span:
        axis.set_ylim((low + high - span) / 2, (low + high + span) / 2)


def save(figure: Figure, axes: list[Any], label: str, path: Path) -> None:
    """Write the figure; `label` names its time."""
    axes[-1].set_xlabel(label, color=INK)
    axes[0].margins(x=0.005)
    figure.savefig(path, dpi=110)


def legend(axis: Any, columns: int = 4, **options: Any) -> None:
    """A legend above the axis."""
    axis.legend(
        frameon=False,
        fontsize=8.5,
        ncols=columns,
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        borderaxespad=0.1,
        **options,
    )


def pack(path: Path, system: System, result: Result, traces: Traces) -> None:
    """Voltage, current between its limits, and which rule sets each limit."""
    figure, (voltage, current, rules) = new_figure(f"{system.system.name}: {result.name}", [2, 3, 0.9], 8.5)
    t, label = time_axis(traces.signal("time_s"))
    if not np.isnan(traces.channel("pack_voltage_v")).all():
        voltage.plot(t, traces.channel("pack_voltage_v"), color=BLUE, lw=1.2, label="pack, measured")
    if not np.isnan(traces.channel("bus_voltage_v")).all():
        voltage.plot(t, traces.channel("bus_voltage_v"), color=ORANGE, lw=1.0, ls="--", label="bus, measured")
    voltage.plot(t, traces.signal("cell_voltage_sum_v"), color=GREEN, lw=0.8, label="sum of the cells")
    voltage.set_ylabel("V")
    legend(voltage)
    charge, discharge = traces.signal("charge_limit_a"), -traces.signal("discharge_limit_a")
    current.fill_between(t, discharge, charge, color=GREEN, alpha=0.10, lw=0, label="allowed")
    current.plot(t, charge, color=GREEN, lw=0.9, label="charge limit")
    current.plot(t, discharge, color=VIOLET, lw=0.9, label="discharge limit")
    current.plot(t, traces.signal("current_a"), color=INK, lw=0.8, label="current (positive charges)")
    current.set_ylabel("A")
    legend(current)
    seen = []
    for row, name in enumerate(("discharge_limit_rule", "charge_limit_rule")):
        seen += strip(rules, t, traces.signal(name), row, [RULE_COLOURS[rule] for rule in LIMIT_RULES])
    rules.set_yticks([0, 1], ["discharge set by", "charge set by"])
    rules.set_ylim(-0.5, 1.5)
    rules.grid(False)
    handles = [Patch(color=RULE_COLOURS[LIMIT_RULES[k]], label=LIMIT_RULES[k]) for k in sorted(set(seen))]
    rules.legend(handles=handles, frameon=False, fontsize=8.5, ncols=5, loc="upper left", bbox_to_anchor=(0, -0.45))
    save(figure, [voltage, current, rules], label, path)


def strip(axis: Any, t: Array, values: Array, row: float, colours: list[str]) -> list[int]:
    """Draw states as a coloured strip; returns the states that occur."""
    if len(t) == 0:
        return []
    states = values.astype(int)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(states)) + 1])
    ends = np.append(t[starts[1:]], t[-1])
    for start, end in zip(starts, ends, strict=True):
        axis.barh(row, end - t[start], left=t[start], height=0.7, color=colours[states[start]], lw=0)
    return [int(states[start]) for start in starts]


def cells(path: Path, system: System, result: Result, traces: Traces) -> None:
    """Cell voltages as a band, single cells that stand out, and the spread."""
    figure, (voltage, spread) = new_figure(f"Cell voltages: {result.name}", [3, 2], 7)
    t, label = time_axis(traces.cell_times)
    v = traces.cell_rows()[0]
    low, middle, high = _quantiles(v)
    voltage.fill_between(t, low, high, color=BLUE, alpha=0.25, lw=0, label=f"all {v.shape[1]} cells")
    voltage.plot(t, middle, color=BLUE, lw=1.0, label="median")
    limits = system.limits
    bottom, top = _reach(low), _reach(-high)
    for limit_v in (limits.cell_voltage_min_v, limits.cell_voltage_max_v):
        if bottom - 0.2 < limit_v < -top + 0.2:
            voltage.axhline(limit_v, color=RED, lw=0.8, ls="--", label=f"limit {limit_v:g} V")
    voltage.set_ylabel("V")
    legend(voltage)
    spread.plot(t, 1000 * (high - low), color=ORANGE, lw=0.9, label="highest less lowest")
    far: list[int] = []
    if len(v):
        away = np.nanmax(np.abs(v - middle[:, None]), axis=0)
        far = np.argsort(-np.nan_to_num(away, nan=-1.0))[:2].tolist()
    for cell, colour in zip(far, (VIOLET, GREEN), strict=False):
        spread.plot(t, 1000 * (v[:, cell] - middle), color=colour, lw=0.7, label=f"cell {cell} less median")
    spread.set_ylabel("mV")
    _at_least(spread, LEAST_SPAN_MV)
    legend(spread)
    save(figure, [voltage, spread], label, path)


def _reach(values: Array) -> float:
    """The lowest known value; 0 where none is known."""
    known = values[~np.isnan(values)]
    return float(known.min()) if len(known) else 0.0


def _quantiles(block: Any) -> tuple[Array, Array, Array]:
    """Lowest, middle and highest over the cells, ignoring those that are not known."""
    known = ~np.isnan(block).all(axis=1)
    out = np.full((3, len(block)), np.nan)
    if known.any():
        rows = block[known].astype(np.float64)
        out[:, known] = np.nanmin(rows, axis=1), np.nanmedian(rows, axis=1), np.nanmax(rows, axis=1)
    return out[0], out[1], out[2]


def soc(path: Path, system: System, result: Result, traces: Traces) -> None:
    """SOC as the BMS knows it and as it is, with the uncertainty it claims."""
    figure, (level, error) = new_figure(f"State of charge: {result.name}", [3, 2], 7)
    t, label = time_axis(traces.signal("time_s"))
    tc, _ = time_axis(traces.cell_times)
    if label == "time in min":
        tc = traces.cell_times / 60.0
    estimated, std = traces.signal("soc_mean"), traces.signal("soc_std")
    level.fill_between(t, 100 * traces.true("soc_min"), 100 * traces.true("soc_max"), color=SOFT, alpha=0.35, lw=0,
                       label="true, all cells")  # fmt: skip
    level.plot(t, 100 * traces.true("soc_mean"), color=INK, lw=1.2, label="true, mean")
    level.plot(t, 100 * estimated, color=ORANGE, lw=1.0, ls="--", label="estimated, mean")
    level.plot(t, 100 * traces.signal("soc"), color=GREEN, lw=0.8, label="estimated, of the pack")
    level.set_ylabel("%")
    legend(level, 5)
    difference = 100 * (estimated - traces.true("soc_mean"))
    error.fill_between(t, -200 * std, 200 * std, color=BLUE, alpha=0.15, lw=0, label="two standard deviations claimed")
    _, estimate, true, _, _ = traces.cell_rows()
    low, _, high = _quantiles(100 * (estimate - true))
    error.fill_between(tc, low, high, color=ORANGE, alpha=0.25, lw=0, label="estimated less true, all cells")
    error.plot(t, difference, color=ORANGE, lw=1.0, label="mean")
    error.axhline(0, color=INK, lw=0.6)
    reach = np.nanmax(np.abs(np.concatenate([low, high, [1.0]])))
    known = std[np.isfinite(std)]
    if len(known):  # the claim is seen where it is not far outside of the errors
        reach = max(reach, min(200 * float(np.median(known)), 6 * reach))
    error.set_ylim(-1.3 * reach, 1.3 * reach)
    error.set_ylabel("points of SOC")
    legend(error)
    save(figure, [level, error], label, path)


def temperatures(path: Path, system: System, result: Result, traces: Traces) -> None:
    """Modules from the coolant's inlet to its outlet, and what pump, fan and heater are asked for."""
    figure, (warmth, demand) = new_figure(f"Temperatures: {result.name}", [3, 1.2], 7)
    t, label = time_axis(traces.signal("time_s"))
    count = traces.modules.shape[1]
    for k, part in enumerate(np.linspace(0.0, 1.0, count)):
        shade = (0.12 + 0.75 * part, 0.45 - 0.1 * part, 0.70 - 0.5 * part)  # blue at the inlet, red at the outlet
        name = f"module {k}" if k in (0, count - 1) else None
        warmth.plot(t, traces.modules[:, k], color=shade, lw=0.9, label=name)
    warmth.plot(t, traces.true("core_max_c"), color=RED, lw=0.9, ls=":", label="hottest core, true")
    if system.cooling.kind == "liquid":
        warmth.plot(t, traces.true("coolant_inlet_c"), color=BLUE, lw=0.9, ls="--", label="coolant in, true")
        warmth.plot(t, traces.true("coolant_outlet_c"), color=ORANGE, lw=0.9, ls="--", label="coolant out, true")
    warmth.set_ylabel("°C")
    _at_least(warmth, LEAST_SPAN_K)
    legend(warmth, 6)
    for name, colour in (("pump", BLUE), ("fan", GREEN), ("heater", RED)):
        demand.plot(t, 100 * traces.signal(name), color=colour, lw=1.0, label=name)
    demand.set_ylim(-4, 104)
    demand.set_ylabel("demand in %")
    legend(demand)
    save(figure, [warmth, demand], label, path)


def balancing(path: Path, system: System, result: Result, traces: Traces) -> None:
    """Which cells are bled when, the heat of it, and the spread of SOC."""
    figure, (which, heat, spread) = new_figure(f"Balancing: {result.name}", [3, 1, 1.4], 8)
    t, label = time_axis(traces.signal("time_s"))
    tc = time_axis(traces.cell_times)[0] if len(traces.cell_times) else traces.cell_times
    _, estimate, true, bled, _ = traces.cell_rows()
    extent = (float(t[0]), float(t[-1]), bled.shape[1] - 0.5, -0.5)
    which.imshow(bled.T, aspect="auto", interpolation="nearest", cmap="Oranges", vmin=0, vmax=1, extent=extent)
    which.set_ylabel("cell (bled when coloured)")
    which.grid(False)
    watts = traces.signal("balancing_heat_w")
    heat.fill_between(t, 0, watts, color=RED, alpha=0.2, lw=0)
    heat.plot(t, _smooth(watts, round(60 / traces.period_s)), color=RED, lw=1.0, label="mean over a minute")
    heat.set_ylabel("heat in W")
    legend(heat)
    spread.plot(tc, 100 * (true.max(axis=1) - true.min(axis=1)), color=INK, lw=1.0, label="true")
    low, _, high = _quantiles(estimate)
    spread.plot(tc, 100 * (high - low), color=ORANGE, lw=0.9, ls="--", label="estimated")
    spread.set_ylabel("SOC spread, points")
    legend(spread)
    save(figure, [which, heat, spread], label, path)


def _smooth(values: Array, width: int) -> Array:
    """Running mean; at the ends over what there is."""
    width = max(1, min(width, len(values)))
    window = np.ones(width)
    return np.convolve(values, window, "same") / np.convolve(np.ones(len(values)), window, "same")


def timeline(path: Path, system: System, result: Result, traces: Traces) -> None:
    """States, contacts, commands and injected faults, and events."""
    figure, (axis,) = new_figure(f"Course of events: {result.name}", [1], 6.5)
    end_s = result.simulated_s
    span, label = time_axis(np.array([0.0, end_s]))
    unit = span[1] / end_s
    names = ["precharge contact", "negative contact", "positive contact", "state"]
    bounds = [c.time_s for c in result.changes] + [end_s]
    seen: set[str] = set()
    for change, until_s in zip(result.changes, bounds[1:], strict=True):
        left, width = change.time_s * unit, (until_s - change.time_s) * unit
        axis.barh(3, width, left=left, height=0.6, color=STATE_COLOURS[change.state], lw=0)
        seen.add(change.state)
        for row, closed in enumerate((change.precharge, change.main_negative, change.main_positive)):
            axis.barh(row, width, left=left, height=0.45, color=BLUE if closed else "#eef1f4", lw=0)
    lanes = 4 + write_notes(axis, [(at * unit, words, INK) for at, words in result.actions], 4, span[1])
    names += ["commands and faults"] + [""] * (lanes - 5)
    first = lanes
    notes = [(e["time_s"] * unit, e["text"], LEVEL_COLOURS[e["level"]]) for e in _grave(result)]
    lanes += write_notes(axis, notes, lanes, span[1])
    names += ["events"] + [""] * (lanes - first - 1) if lanes > first else []
    axis.set_yticks(range(len(names)), names)
    axis.tick_params(axis="y", length=0)
    axis.set_ylim(lanes - 0.3, -0.6)
    axis.grid(axis="y", visible=False)
    handles = [Patch(color=STATE_COLOURS[s], label=s) for s in STATES if s in seen]
    told = {e["level"] for e in _grave(result)}
    handles += [Patch(color=LEVEL_COLOURS[level], label=f"event: {level}") for level in LEVELS if level in told]
    legend(axis, 8, handles=handles)
    axis.set_xlim(0, span[1])
    figure.set_figheight(2.2 + 0.32 * lanes)
    save(figure, [axis], label, path)


def _grave(result: Result) -> list[dict[str, Any]]:
    """The gravest events that fit a drawing, in their order."""
    for least in range(1, len(LEVELS)):
        chosen = [e for e in result.events if LEVELS.index(e["level"]) >= least]
        if len(chosen) <= 24:
            break
    return chosen[:24]


def write_notes(axis: Any, notes: list[tuple[float, str, str]], first: int, width: float) -> int:
    """Write notes at their times, each in the first lane where it does not cover another; returns lanes used."""
    ends: list[float] = []
    for at, words, colour in notes:
        needed = width * (0.014 + 0.0068 * len(words))
        right = at + needed > width  # no room to the right: written to the left
        left_end = at - needed if right else at
        lane = next((k for k, end in enumerate(ends) if end <= left_end), len(ends))
        if lane == len(ends):
            ends.append(0.0)
        ends[lane] = at + width * 0.01 if right else at + needed
        y = first + lane
        axis.plot([at, at], [y - 0.3, y + 0.3], color=colour, lw=2)
        shift = -5 if right else 5
        axis.annotate(words, (at, y), (shift, 0), textcoords="offset points", va="center", fontsize=8,
                      ha="right" if right else "left", color=colour)  # fmt: skip
    return len(ends)
