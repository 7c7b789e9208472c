"""Which column of a capture is which input of the BMS, in which unit.

Beyond the columns of a log (`battery.log_columns`) a capture may hold every cell (`cell01_mv`, `cell_voltage_v[3]`,
`Zelle 7 (V)`), every temperature sensor (`temp1_c`, `sensor_temperature_c[2]`) and the channels of the image.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ionward.battery.log_columns import QUANTITIES, Conversion, Quantity, recognise
from ionward.image.inputs import CHANNEL_SIGNALS

TIME = "time_s"
VOLTAGE = "voltage_v"  # of the whole capture: a pack or a single cell, which the system file decides
TEMPERATURE = "temperature_c"  # one for the whole battery
REFERENCE = "soc_reference"  # somebody else's SOC: shown beside ours, never fed
CELL = "cell_voltage_v"
SENSOR = "sensor_temperature_c"

_BY_NAME = {q.name: q for q in QUANTITIES}
_VOLTS = dict(_BY_NAME["voltage_v"].units)
_DEGREES = dict(_BY_NAME["temperature_c"].units)
_OHMS = {unit: (factor, 0.0) for unit, factor in {
    "ohm": 1, "ohms": 1, "ω": 1, "kohm": 1e3, "kω": 1e3, "mohm": 1e6, "megaohm": 1e6, "mω": 1e6}.items()}  # fmt: skip


def _like(base: str, name: str, aliases: str) -> Quantity:
    return replace(_BY_NAME[base], name=name, aliases=frozenset(aliases.split()), required=False)


def _flag(name: str, aliases: str) -> Quantity:
    return Quantity(name, frozenset(aliases.split()), {})


SINGLE: tuple[Quantity, ...] = (
    _BY_NAME["time_s"],
    replace(_BY_NAME["current_a"], required=False),
    _like("current_a", "current_redundant_a", "current_redundant redundant_current current_2 current2 current_hall"),
    replace(_BY_NAME["voltage_v"], required=False),
    _like("voltage_v", "bus_voltage_v", "bus_voltage link_voltage dc_link_voltage dc_bus_voltage inverter_voltage"),
    Quantity("insulation_ohm", frozenset({"insulation", "insulation_resistance", "isolation", "r_iso"}), _OHMS),
    _BY_NAME["temperature_c"],
    _like("temperature_c", "coolant_inlet_c", "coolant_inlet coolant_in inlet_temperature coolant_temperature"),
    _like("temperature_c", "coolant_outlet_c", "coolant_outlet coolant_out outlet_temperature"),
    _like("temperature_c", "ambient_c", "ambient ambient_temperature ambient_temp chamber_temperature chamber_temp"),
    _flag("hvil_closed", "hvil interlock"),
    _flag("crash", "crash_signal"),
    _flag("main_positive_closed", "main_positive contactor_positive main_contactor_positive main_plus"),
    _flag("main_negative_closed", "main_negative contactor_negative main_contactor_negative main_minus"),
    _flag("precharge_closed", "precharge precharge_contactor"),
    _like("soc_ref", REFERENCE, "soc_ref soc_reference soc_true soc_bms bms_soc soc_measured soc_display"),
)  # fmt: skip
_SINGLE = {q.name: q for q in SINGLE} | {"pack_voltage_v": _like("voltage_v", "pack_voltage_v", "")}
CHANNEL_NAMES = tuple(s.name for s in CHANNEL_SIGNALS)

_UNIT = r"[\s_.\-]*[\[(/]?\s*(?P<unit>mv|uv|kv|v|volts?|degc|°c|c|k|degf|°f|f)?\s*[\])]?$"
_CELL = re.compile(r"^(?:raw\.)?(?:(?:v|u)[\s_]*)?(?:cell|zelle)[\s_.\-]*(?:voltage|v|u|spannung)?[\s_.\-]*"
                   r"(?:nr|no)?[\s_.\-]*(?P<number>\d+)[\s_.\-]*(?:voltage)?" + _UNIT, re.IGNORECASE)  # fmt: skip
_CELL_INDEX = re.compile(r"^(?:raw\.)?cell_voltage(?:_(?P<unit>mv|v))?\[(?P<number>\d+)\]$", re.IGNORECASE)
_SENSOR = re.compile(r"^(?:raw\.)?(?:cell_?|module_?|sensor_?|pack_?|battery_?)?(?:temperature|temp|ntc|t)"
                     r"[\s_.\-]*(?:sensor|nr|no)?[\s_.\-]*(?P<number>\d+)" + _UNIT, re.IGNORECASE)  # fmt: skip
_SENSOR_INDEX = re.compile(r"^(?:raw\.)?sensor_temperature(?:_(?P<unit>c|k|f))?\[(?P<number>\d+)\]$", re.IGNORECASE)


@dataclass(frozen=True)
class Assigned:
    """Columns found in one file: single inputs by name, cells and sensors by number (from 0), and the rest."""

    single: Mapping[str, Conversion]
    cells: Mapping[int, Conversion]
    sensors: Mapping[int, Conversion]
    ignored: tuple[str, ...] = ()
    problems: list[str] = field(default_factory=list)


def _numbered(
    columns: Sequence[str],
    by_index: re.Pattern[str],
    by_name: re.Pattern[str],
    units: Mapping[str, tuple[float, float]],
) -> tuple[dict[int, Conversion], list[str]]:
    """Columns that carry a number: in brackets it counts from 0, else from 1 unless there is a 0."""
    found: dict[int, Conversion] = {}
    problems: list[str] = []
    named: list[tuple[int, Conversion]] = []
    for column in columns:
        indexed = by_index.match(column.strip())
        match = indexed or by_name.match(column.strip())
        if match is None:
            continue
        unit = (match["unit"] or "").lower()
        if unit and unit not in units:
            continue
        factor, offset = units.get(unit, (1.0, 0.0))
        conversion = Conversion(column, factor, offset, unit)
        if not indexed:
            named.append((int(match["number"]), conversion))
        elif int(match["number"]) in found:
            problems.append(f"columns '{found[int(match['number'])].column}' and '{column}' are the same input")
        else:
            found[int(match["number"])] = conversion
    first = 0 if any(number == 0 for number, _ in named) else 1
    for number, conversion in named:
        if number - first in found:
            twin = found[number - first].column
            problems.append(f"columns '{twin}' and '{conversion.column}' are the same input")
        found[number - first] = conversion
    return found, problems


def _mapped(name: str, column: str, columns: Sequence[str]) -> tuple[Conversion | None, str]:
    """The user's own choice of a column for `name`, or why it cannot be."""
    sign = 1.0
    if column not in columns and column.startswith("-"):
        sign, column = -1.0, column[1:]
    if column not in columns:
        return None, column
    found = recognise(column, _SINGLE[name]) if name in _SINGLE else None
    if found is None:
        units = _VOLTS if name.startswith(CELL) else _DEGREES if name.startswith(SENSOR) else _SINGLE[name].units
        ending = column.rpartition("_")[2].lower()
        factor, offset = units.get(ending, (1.0, 0.0))
        found = Conversion(column, factor, offset, ending if ending in units else "")
    return Conversion(column, sign * found.factor, sign * found.offset, found.unit), ""


def is_input(name: str) -> bool:
    """Whether `--map NAME=…` can name this."""
    return name in _SINGLE or bool(_CELL_INDEX.match(name) or _SENSOR_INDEX.match(name))


def unknown_names(mapping: Mapping[str, str]) -> list[str]:
    """One sentence for each name of a mapping that is no input."""
    known = [*_SINGLE, f"{CELL}[0]", f"{SENSOR}[0]"]
    return [
        f"--map {name}={column}: '{name}' is no input of the BMS: choose from {', '.join(known)}"
        for name, column in mapping.items()
        if not is_input(name)
    ]


def assign(columns: Sequence[str], mapping: Mapping[str, str], source: str) -> tuple[Assigned, set[str]]:
    """Find the inputs among the columns of one file.

    Args:
        columns: names in the file.
        mapping: the user's own choice, input name to column, for all files together; `-COLUMN` turns the sign.
        source: name of the file, for messages.

    Returns:
        What was found, with problems told; and the names of the mapping that this file serves.
    """
    single: dict[str, Conversion] = {}
    problems: list[str] = []
    served: set[str] = set()
    cells: dict[int, Conversion] = {}
    sensors: dict[int, Conversion] = {}
    for name, column in mapping.items():
        conversion, _ = _mapped(name, column, columns) if is_input(name) else (None, "")
        if conversion is None:
            continue
        served.add(name)
        index = _CELL_INDEX.match(name) or _SENSOR_INDEX.match(name)
        if index is None:
            single[name] = conversion
        else:
            (cells if _CELL_INDEX.match(name) else sensors)[int(index["number"])] = conversion
    taken = {c.column for c in (*single.values(), *cells.values(), *sensors.values())}
    free = [c for c in columns if c not in taken]
    for target, by_index, by_name, units in (
        (cells, _CELL_INDEX, _CELL, _VOLTS), (sensors, _SENSOR_INDEX, _SENSOR, _DEGREES),
    ):  # fmt: skip
        found, wrong = _numbered(free, by_index, by_name, units)
        target.update({number: c for number, c in found.items() if number not in target})
        problems += [f"{source}: {w}" for w in wrong]
        free = [c for c in free if c not in {f.column for f in found.values()}]
    for quantity in SINGLE:
        if quantity.name in single or (quantity.name == VOLTAGE and "pack_voltage_v" in single):
            continue
        exact = [c for c in free if c.strip().lower() == quantity.name]
        matches = [r for c in exact or free if (r := recognise(c, quantity))]
        if len(matches) > 1:
            names = " and ".join(f"'{r.column}'" for r in matches)
            problems.append(f"{source}: {names} could each be {quantity.name}: choose with --map {quantity.name}=…")
        elif matches:
            single[quantity.name] = matches[0]
            free.remove(matches[0].column)
    if TIME not in single:
        problems.append(
            f"{source}: no column for time_s: the columns are {_some(columns)}; choose with --map time_s=COLUMN"
        )
    elif len(single) == 1 and not cells and not sensors:
        problems.append(
            f"{source}: no column is an input of the BMS: the columns are {_some(columns)}; "
            "choose with --map NAME=COLUMN"
        )
    return Assigned(single, cells, sensors, tuple(free), problems), served


def missing_mapped(mapping: Mapping[str, str], columns: Sequence[str]) -> list[str]:
    """One sentence for each mapped column that no file has."""
    out = []
    for name, column in mapping.items():
        if column in columns or column.lstrip("-") in columns:
            continue
        near = difflib.get_close_matches(column.lstrip("-"), columns, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"the columns are {_some(columns)}"
        out.append(f"--map {name}={column}: no capture has this column: {hint}")
    return out


def _some(names: Sequence[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "none") + more
