"""Signals by name: what can be exported and plotted, and where it stands in the image.

Names are those of the catalogue: `soc`, `pack_voltage_v` (a channel's validated value), `pack_voltage_v.quality`,
`cell_voltage_v[3]` (cells count from 0, as in the image), `sensor_temperature_c[2]`, `module_temperature_mean_c[0]`,
`fault.cell_overvoltage.level`, `raw.cell_voltage_v[3]` (as the sensor gave it), `command.connect`. A name without its
number means all of them, `cell_voltage_v[0:8]` some, and `*` stands for anything.
"""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ionward.errors import UserError
from ionward.image import signals as sg
from ionward.image.catalogue import Signal
from ionward.image.faults import FAULTS
from ionward.image.inputs import CHANNEL_SIGNALS, COMMAND_SIGNALS, Raw
from ionward.image.layout import Image, Size

SCALARS, CHANNELS, CELLS, SENSORS, MODULES, FAULT_BLOCK, RAW_CHANNELS, RAW_CELLS, RAW_SENSORS, COMMAND = range(10)
BY_DEFAULT = (SCALARS, CHANNELS, CELLS, SENSORS, MODULES, FAULT_BLOCK)
NOT_BY_DEFAULT = ("age_s", "reason", "new")  # of every measurement; can be named


class Column(NamedTuple):
    """One exported column: its name, what it is, and its place `[row, item]` in a block."""

    name: str
    signal: Signal
    block: int
    row: int
    item: int

    @property
    def family(self) -> str:
        """The name without its number."""
        return self.name.partition("[")[0]

    @property
    def is_whole(self) -> bool:
        """Whether values are counts or states rather than measured numbers."""
        return self.signal.kind == "i8"

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the states, empty where values are numbers; yes and no stay 0 and 1."""
        choices = self.signal.choices
        return choices if len(choices) > 2 else ()


def all_columns(size: Size) -> list[Column]:
    """Every signal of a pack of this size."""
    out = [Column(s.name, s, SCALARS, row, 0) for row, s in enumerate(sg.IMAGE_SIGNALS)]
    taken = {c.name for c in out}
    for item, channel in enumerate(CHANNEL_SIGNALS):
        # The pack current has a scalar of its own; its channel is the single sensor.
        base = f"channel.{channel.name}" if channel.name in taken else channel.name
        for row, field in enumerate(sg.MEASUREMENT_FIELDS):
            name = base if field.name == "value" else f"{base}.{field.name}"
            signal = field if field.name != "value" else channel
            out.append(Column(name, signal, CHANNELS, row, item))
    out += _many("cell_", sg.CELL_SIGNALS, CELLS, size.cells)
    sensor = [Signal("temperature_c", "°C", "Validated temperature"), *sg.MEASUREMENT_FIELDS[1:]]
    out += _many("sensor_", sensor, SENSORS, size.sensors)
    out += _many("module_", sg.MODULE_SIGNALS, MODULES, size.modules)
    for item, fault in enumerate(FAULTS):
        for row, field in enumerate(sg.FAULT_FIELDS):
            out.append(Column(f"fault.{fault.id}.{field.name}", field, FAULT_BLOCK, row, item))
    for item, channel in enumerate(CHANNEL_SIGNALS):
        out.append(Column(f"raw.{channel.name}", channel, RAW_CHANNELS, 0, item))
        out.append(Column(f"raw.{channel.name}.time_s", _SAMPLE_TIME, RAW_CHANNELS, 1, item))
    out += _many("raw.cell_", _raw("voltage_v", "V"), RAW_CELLS, size.cells)
    out += _many("raw.sensor_", _raw("temperature_c", "°C"), RAW_SENSORS, size.sensors)
    out += [Column(f"command.{s.name}", s, COMMAND, row, 0) for row, s in enumerate(COMMAND_SIGNALS)]
    return out


_SAMPLE_TIME = Signal("time_s", "s", "Time at which the sample was taken")


def _raw(name: str, unit: str) -> list[Signal]:
    return [Signal(name, unit, "As the sensor gave it"), _SAMPLE_TIME]


def _many(prefix: str, signals: Sequence[Signal], block: int, items: int) -> list[Column]:
    return [
        Column(f"{prefix}{signal.name}[{item}]", signal, block, row, item)
        for row, signal in enumerate(signals)
        for item in range(items)
    ]


def default_columns(size: Size) -> list[Column]:
    """Everything but ages, reasons, fault details and inputs, which can be named."""
    out = []
    for column in all_columns(size):
        if column.block not in BY_DEFAULT or column.name in ("time_s",):
            continue
        field = column.signal.name
        if column.block in (CHANNELS, CELLS, SENSORS) and field in NOT_BY_DEFAULT:
            continue
        if column.block == FAULT_BLOCK and field != "level":
            continue
        out.append(column)
    return out


def select(names: Sequence[str], size: Size) -> list[Column]:
    """The columns that names stand for, in the order of the names; without names the default ones.

    Raises:
        UserError: a name stands for nothing; near matches are told.
    """
    if not names:
        return default_columns(size)
    known = all_columns(size)
    by_name = {c.name: c for c in known}
    families: dict[str, list[Column]] = {}
    for column in known:
        families.setdefault(column.family, []).append(column)
    problems: list[str] = []
    chosen: dict[str, Column] = {}
    for name in (n.strip() for n in names):
        found = _matches(name, by_name, families)
        if not found:
            problems.append(_unknown(name, by_name, families))
        chosen.update((c.name, c) for c in found)
    if problems:
        raise UserError(*problems)
    chosen.pop("time_s", None)
    return list(chosen.values())


_RANGE = re.compile(r"^(?P<family>.+)\[(?P<from>\d*):(?P<to>\d*)\]$")


def _matches(name: str, by_name: dict[str, Column], families: dict[str, list[Column]]) -> list[Column]:
    if name in by_name:
        return [by_name[name]]
    if name in families:
        return families[name]
    if (part := _RANGE.match(name)) and part["family"] in families:
        items = families[part["family"]]
        return items[int(part["from"] or 0) : int(part["to"]) if part["to"] else len(items)]
    if name.endswith("[*]") and name[:-3] in families:
        return families[name[:-3]]
    if "*" in name:
        pattern = re.compile(fnmatch.translate(name.replace("[", "[[]")))
        return [c for c in by_name.values() if pattern.match(c.name) or pattern.match(c.family)]
    return []


def _unknown(name: str, by_name: dict[str, Column], families: dict[str, list[Column]]) -> str:
    family = name.partition("[")[0]
    if family in families and "[" in name:
        count = len(families[family])
        if count > 1 or families[family][0].name != family:
            return f"signal '{name}' does not exist: there are {family}[0] to {family}[{count - 1}]"
        return f"signal '{name}' does not exist: {family} has no number"
    near = difflib.get_close_matches(name, dict.fromkeys([*families, *by_name]), 4, 0.5)
    near += [f for f in families if name and name.lower() in f and f not in near][: 4 - len(near)]
    hint = f"did you mean {', '.join(near)}?" if near else "docs/reference/signals.md lists them"
    return f"signal '{name}' does not exist: {hint}"


class Gatherer:
    """Takes the values of columns out of the image, raw samples and command."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = columns
        blocks: dict[int, list[int]] = {}
        for index, column in enumerate(columns):
            blocks.setdefault(column.block, []).append(index)
        self._places = [
            (block, np.array(at), np.array([columns[i].row for i in at]), np.array([columns[i].item for i in at]))
            for block, at in blocks.items()
        ]

    def gather(self, image: Image, raw: Raw, command: Any, out: npt.NDArray[np.float64]) -> None:
        """Write one row of values; whole numbers fit a float64 exactly up to 2**53."""
        for block, indices, rows, items in self._places:
            if block in (SCALARS, COMMAND):
                record = image.scalars[0] if block == SCALARS else command[0]
                out[indices] = np.array(list(record.item()), float)[rows]
                continue
            source = (
                None, image.channels, image.cells, image.temperatures, image.modules, image.faults,
                raw.channels, raw.cells, raw.temperatures,
            )[block]  # fmt: skip
            assert source is not None
            out[indices] = source[rows, items]
