"""Pictures for the report: inline SVG that takes its colours from the page, so that it is light, dark and printable."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from ionward.image.signals import LEVELS
from ionward.proving.prove.loop import TRACE

WIDTH, HEIGHT = 640, 250
LEFT, RIGHT, TOP = 62, 12, 14
VALUE_BOTTOM = 168
STRIPS = ((180, "level"), (202, "contacts"))
STRIP_HEIGHT = 14
POINTS_MAX = 500


def _ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers between two ends."""
    span = high - low
    if not span > 0:
        return [low]
    step = 10.0 ** np.floor(np.log10(span / count))
    step *= next((m for m in (1, 2, 5, 10) if span / (m * step) <= count), 10)
    first = np.ceil(low / step) * step
    return [float(x) + 0.0 for x in np.arange(first, high + 0.001 * step, step)]


def _number(value: float) -> str:
    return f"{round(value, 9) + 0.0:.6g}"


def reaction(trace: Any, stands_s: float, threshold: float | None, unit: str, budget_s: float, told_s: float | None,
             open_s: float | None) -> str:  # fmt: skip
    """One reaction: the true and the judged value against the threshold, the level, and the contacts.

    Args:
        trace: `[tick, TRACE]`.
        stands_s: when the fault stood, simulated time; 0 of the picture.
        threshold: of the true value; None where the fault stands by being injected.
        unit: of the value.
        budget_s: time budget.
        told_s: when it was told, after it stood.
        open_s: when the path was open, after it stood.
    """
    last = max([x for x in (told_s, open_s) if x is not None] or [budget_s])
    span = max(last, 0.02)
    begin, end = -0.25 * span, 1.35 * span
    time = trace[:, TRACE.time_s] - stands_s
    inside = np.flatnonzero((time >= begin) & (time <= end))
    if len(inside) < 2:
        return ""
    rows = trace[inside[:: max(1, len(inside) // POINTS_MAX)]]
    time = rows[:, TRACE.time_s] - stands_s
    begin, end = float(time[0]), float(time[-1])

    def x(at: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (at - begin) / (end - begin)

    values = [rows[:, TRACE.true], rows[:, TRACE.judged]]
    if unit == "A":  # currents of both directions are judged as positive numbers
        values[0], threshold = np.abs(values[0]), None if threshold is None else abs(threshold)
    marks = [] if threshold is None else [threshold]
    known = np.concatenate([*(v[np.isfinite(v)] for v in values), marks])
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    pad = 0.08 * (high - low) or max(abs(high), 1.0) * 0.05
    low, high = low - pad, high + pad

    def y(value: float) -> float:
        return VALUE_BOTTOM - (VALUE_BOTTOM - TOP) * (value - low) / (high - low)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" class="plot">']
    for tick in _ticks(low, high):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(
            f'<text class="tick" x="{LEFT - 6}" y="{y(tick) + 3:.1f}" text-anchor="end">{_number(tick)}</text>'
        )
    for tick in _ticks(begin, end, 6):
        label = f"{round(1000 * tick, 3) + 0.0:g} ms" if abs(end) < 10 else f"{round(tick, 6) + 0.0:g} s"
        parts.append(f'<text class="tick" x="{x(tick):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{label}</text>')
        parts.append(f'<line class="grid" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{TOP}" y2="{HEIGHT - 22}"/>')
    parts.append(f'<text class="tick" x="4" y="{TOP}">{escape(unit or "value")}</text>')
    if threshold is not None:
        parts.append(f'<line class="wall" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(threshold):.1f}" '
                     f'y2="{y(threshold):.1f}"/>')  # fmt: skip
    for name, line in (("true", values[0]), ("judged", values[1])):
        parts += _polylines(name, [x(t) for t in time], line, y)
    parts += _strip(STRIPS[0], time, rows[:, TRACE.level], x, lambda level: f"level{int(level)}")
    parts += _strip(STRIPS[1], time, rows[:, TRACE.closed], x, lambda closed: "closed" if closed else "open")
    for at, name in ((0.0, "stands"), (told_s, "told"), (open_s, "open"), (budget_s, "budget")):
        if at is not None and begin <= at <= end:
            parts.append(f'<line class="mark {name}" x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{TOP}" y2="{HEIGHT - 22}"/>')
            left = x(at) > WIDTH - 60
            where = f'x="{x(at) + (-3 if left else 3):.1f}" y="{TOP - 3 if name in ("stands", "open") else TOP + 9}"'
            parts.append(f'<text class="tick" {where} text-anchor="{"end" if left else "start"}">{name}</text>')
    return "".join([*parts, "</svg>"])


def _polylines(name: str, xs: Sequence[float], values: Any, y: Any) -> list[str]:
    """A line with gaps where there is no value."""
    out, points = [], []
    for at, value in [*zip(xs, values, strict=True), (0.0, np.nan)]:
        if np.isfinite(value):
            points.append(f"{at:.1f},{y(value):.1f}")
        elif points:
            out.append(f'<polyline class="{name}" points="{" ".join(points)}"/>')
            points = []
    return out


def _strip(where: tuple[int, str], time: Any, states: Any, x: Any, kind: Any) -> list[str]:
    """States as a coloured strip."""
    top, label = where
    out = [f'<text class="tick" x="{LEFT - 6}" y="{top + 11}" text-anchor="end">{label}</text>']
    changes = [0, *(np.flatnonzero(np.diff(states)) + 1).tolist(), len(states) - 1]
    for begin, end in itertools.pairwise(changes):
        left, right = x(time[begin]), x(time[end])
        title = LEVELS[int(states[begin])] if label == "level" else kind(states[begin])
        out.append(f'<rect class="{kind(states[begin])}" x="{left:.1f}" y="{top}" width="{max(right - left, 0.5):.1f}" '
                   f'height="{STRIP_HEIGHT}"><title>{title}</title></rect>')  # fmt: skip
    return out
