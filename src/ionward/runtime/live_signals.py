"""Live values by the names of the catalogue: what `selection` can name, out of the copies of a running BMS."""

from __future__ import annotations

from typing import Any

import numpy as np

from ionward.errors import UserError
from ionward.image.inputs import new_command
from ionward.image.layout import Size
from ionward.runtime.live import Live
from ionward.runtime.live_values import by_signal
from ionward.runtime.selection import COMMAND, Column, Gatherer, all_columns, select

KEPT = 64
NO_COMMANDS = "what control was told is not shared between processes; recordings hold it"


class SignalReader:
    """Names to values. The table of names is made once; the last selections are kept."""

    def __init__(self, size: Size) -> None:
        self._size = size
        columns = [column for column in all_columns(size) if column.block != COMMAND]
        self._families: dict[str, list[Column]] = {}
        for column in columns:
            self._families.setdefault(column.family, []).append(column)
        self._by_name = {column.name: column for column in columns}
        self._readers: dict[tuple[str, ...], Gatherer] = {}
        self._command = new_command()

    def kinds(self) -> list[dict[str, Any]]:
        """Every quantity once: `name, unit, meaning, count, choices`."""
        return [
            {
                "name": family,
                "unit": columns[0].signal.unit,
                "meaning": columns[0].signal.meaning,
                "count": len(columns),
                "choices": list(columns[0].signal.choices),
            }
            for family, columns in self._families.items()
        ]

    def reader(self, names: tuple[str, ...], most: int) -> Gatherer:
        """What reads these names: single ones, families (all of them), ranges and patterns.

        Raises:
            UserError: a name stands for nothing, or there are more than `most` values.
        """
        kept = self._readers.get(names)
        if kept is None:
            columns = [column for name in names for column in self._columns(name.strip())]
            columns = list({column.name: column for column in columns}.values())
            if len(columns) > most:
                raise UserError(f"these names stand for {len(columns)} values; allowed: {most} at once")
            if len(self._readers) >= KEPT:
                self._readers.clear()
            kept = self._readers[names] = Gatherer(columns)
        return kept

    def _columns(self, name: str) -> list[Column]:
        if name in self._by_name:
            return [self._by_name[name]]
        if name in self._families:
            return self._families[name]
        if name.startswith("command."):
            raise UserError(f"signal '{name}': {NO_COMMANDS}")
        return [column for column in select([name], self._size) if column.block != COMMAND]

    def values(self, live: Live, reader: Gatherer) -> dict[str, Any]:
        """The values by name: states by their names, None where a value is not known."""
        out = np.empty(len(reader.columns))
        reader.gather(live.image, live.raw, self._command, out)
        return {column.name: by_signal(column.signal, value) for column, value in zip(reader.columns, out, strict=True)}
