"""Signals over any stretch of time: from the files of the history, and behind their end from memory."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ionward.dashboard.trail import Trail, clean
from ionward.errors import UserError

AT_ONCE = 2  # a query takes a processor for itself

Item = dict[str, Any]


class Past:
    """Reads the history's folder beside the event loop. A folder that is not there yet is looked for each time."""

    def __init__(self, folder: Path | None, trail: Trail) -> None:
        self.folder, self.trail = folder, trail
        self._room = asyncio.Semaphore(AT_ONCE)

    async def ask(self, names: Sequence[str], from_s: float, to_s: float, points: int) -> Item:
        """Signals between two moments: `series` with `time_s, values, low, high` by name; `source` tells where from.

        Times are seconds since 1970. A signal that the history does not keep comes from memory alone.
        """
        files: dict[str, Item] = {}
        problems: list[str] = []
        if self.folder is not None and self.folder.is_dir():
            async with self._room:
                files, problems = await asyncio.to_thread(read, self.folder, names, from_s, to_s, points)
        return {
            "series": joined(files, self.trail.window(list(names), from_s, points), to_s),
            "source": "history" if files else "memory",
            "problems": problems,
        }


def read(
    folder: Path, names: Sequence[str], from_s: float, to_s: float, points: int
) -> tuple[dict[str, Item], list[str]]:
    """What the files hold of these signals, and what is wrong in one line each; known signals only."""
    from ionward.runtime.history_query import query

    found: dict[str, Item] = {}
    problems: list[str] = []
    for name in names:
        try:
            series = query(folder, name, from_s, to_s, points)
        except UserError as error:
            problems += [problem.removeprefix(f"{folder}: ") for problem in error.problems]
            continue
        problems += series.problems
        found[name] = {
            "time_s": [round(float(t), 3) for t in series.time_s],
            "values": clean(series.mean),
            "low": clean(series.minimum),
            "high": clean(series.maximum),
        }
    return found, list(dict.fromkeys(problems))


def joined(files: dict[str, Item], memory: Item, to_s: float) -> dict[str, Item]:
    """Series from files, each continued from memory where the files end."""
    out: dict[str, Item] = {}
    for name in dict.fromkeys([*files, *memory["values"]]):
        series = files.get(name, {"time_s": [], "values": [], "low": [], "high": []})
        while series["values"] and series["values"][-1] is None:  # stretches that nothing was written of yet
            series = {key: column[:-1] for key, column in series.items()}
        last_s = series["time_s"][-1] if series["time_s"] else -math.inf
        values = memory["values"].get(name, [])
        newer = [(t, v) for t, v in zip(memory["time_s"], values, strict=False) if last_s < t <= to_s]
        added = [v for _, v in newer]
        out[name] = {
            "time_s": series["time_s"] + [t for t, _ in newer],
            "values": series["values"] + added,
            "low": series["low"] + added,
            "high": series["high"] + added,
        }
    return out
