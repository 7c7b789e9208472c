"""Which column of a measured log is which quantity, and in which unit: read from the column's name.

`Voltage(V)`, `voltage_mv`, `I/mA`, `Cell Temperature [K]`, `test_time_h` are all understood. A name without a
unit is taken as SI. What is not understood is left alone; a person can always say `NAME=COLUMN`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ionward.errors import UserError


@dataclass(frozen=True)
class Conversion:
    """SI value = (value of the column) * `factor` + `offset`."""

    column: str
    factor: float = 1.0
    offset: float = 0.0
    unit: str = ""

    @property
    def changes(self) -> bool:
        """Whether values differ from those of the file."""
        return self.factor != 1.0 or self.offset != 0.0

    def told(self, name: str) -> str:
        """What was done, for a report."""
        if not self.changes:
            return f"{self.column} -> {name}"
        shift = f" {self.offset:+g}" if self.offset else ""
        return f"{self.column} x {self.factor:g}{shift} -> {name}"


@dataclass(frozen=True)
class Quantity:
    """A quantity that logs carry: names by which people call it, and factor and offset of each unit to SI."""

    name: str
    aliases: frozenset[str]
    units: Mapping[str, tuple[float, float]]
    required: bool = False


def _quantity(name: str, aliases: str, units: dict[str, tuple[float, float]], required: bool) -> Quantity:
    return Quantity(name, frozenset(aliases.split()), units, required)


def _scaled(**factors: float) -> dict[str, tuple[float, float]]:
    return {unit: (factor, 0.0) for unit, factor in factors.items()}


_SECONDS = _scaled(s=1, sec=1, secs=1, second=1, seconds=1, ms=1e-3, us=1e-6, min=60, minutes=60, h=3600)
_SECONDS |= _scaled(hr=3600, hrs=3600, hour=3600, hours=3600)
_CHARGE = _scaled(ah=1, mah=1e-3, as_=1 / 3600, coulomb=1 / 3600)
_TEMPERATURE = dict.fromkeys(("c", "degc", "deg_c", "°c", "℃", "celsius", "grad_c"), (1.0, 0.0))
_TEMPERATURE |= dict.fromkeys(("k", "kelvin"), (1.0, -273.15))
_TEMPERATURE |= dict.fromkeys(("f", "degf", "deg_f", "°f"), (5 / 9, -160 / 9))

QUANTITIES: tuple[Quantity, ...] = (
    _quantity(
        "time_s", "time t test_time testtime elapsed elapsed_time total_time run_time time_since_start "
        "timestamp date_time datetime zeit", _SECONDS, True,
    ),
    _quantity(
        "current_a", "current i curr amps ampere amperes cell_current battery_current pack_current strom",
        _scaled(a=1, ma=1e-3, ua=1e-6, ka=1e3, amp=1, amps=1), True,
    ),
    _quantity(
        "voltage_v", "voltage v u volt volts ecell ewe cell_voltage battery_voltage terminal_voltage "
        "pack_voltage spannung", _scaled(v=1, mv=1e-3, uv=1e-6, kv=1e3, volt=1, volts=1), True,
    ),
    _quantity(
        "temperature_c", "temperature temp cell_temperature cell_temp battery_temperature battery_temp "
        "battery_temp_degc case_temperature surface_temperature tcell t_cell temperatur", _TEMPERATURE, False,
    ),
    _quantity("ah", "charge amp_hours amphours ampere_hours charge_counter q", _CHARGE, False),
    _quantity(
        "soc_ref", "soc_ref soc_reference soc_true soc_measured",
        _scaled(pct=0.01, percent=0.01, fraction=1) | {"%": (0.01, 0.0), "1": (1.0, 0.0)}, False,
    ),
)  # fmt: skip
NAMES = tuple(q.name for q in QUANTITIES)
_BRACKETS = re.compile(r"^(?P<base>.*?)\s*[\[(/]\s*(?P<unit>[^\])]*?)\s*[\])]?\s*$")


def _plain(text: str) -> str:
    return re.sub(r"[\s.\-]+", "_", text.strip()).strip("_")


def _split(column: str) -> Iterable[tuple[str, str]]:
    """Ways to read a column name as base name and unit: `I/mA`, `Voltage (V)`, `voltage_mv`, `voltage`."""
    match = _BRACKETS.match(column)
    if match and match["base"]:
        yield _plain(match["base"]), _plain(match["unit"]).lower()
        return
    name = _plain(column)
    yield name, ""
    for cut in (i for i, char in enumerate(name) if char == "_"):
        yield name[:cut], name[cut + 1 :].lower()


def recognise(column: str, quantity: Quantity) -> Conversion | None:
    """How `column` gives `quantity`, or None if its name does not say so."""
    if column.strip().lower() == quantity.name:
        return Conversion(column, unit=quantity.name.rpartition("_")[2])
    for base, unit in _split(column):
        if base == "T":  # the one name where the case decides: T is a temperature, t a time
            known = quantity.name == "temperature_c"
        else:
            known = base.lower() in quantity.aliases or base.lower() == quantity.name
        if quantity.name == "ah" and base.lower() in quantity.units and not unit:
            known, unit = True, base.lower()
        if not known:
            continue
        if not unit:
            return Conversion(column)
        unit = {"as": "as_", "a_s": "as_"}.get(unit, unit)
        if unit in quantity.units:
            factor, offset = quantity.units[unit]
            return Conversion(column, factor, offset, unit.strip("_"))
    return None


def _listed(columns: Sequence[str], most: int = 12) -> str:
    """Names of columns for a message, which stays one readable line where a log has hundreds of them."""
    more = f" and {len(columns) - most} more" if len(columns) > most else ""
    return (", ".join(columns[:most]) or "none") + more


def _mapped(column: str, quantity: Quantity, columns: Sequence[str], source: str) -> Conversion:
    sign = 1.0
    if column not in columns and column.startswith("-"):
        sign, column = -1.0, column[1:]
    if column not in columns:
        near = difflib.get_close_matches(column, columns, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"the columns are {_listed(columns)}"
        raise UserError(f"{source}: column '{column}', named for {quantity.name}, does not exist: {hint}")
    found = recognise(column, quantity)
    if found is None:  # a name of the user's own; the unit at its end still counts
        units = [unit for _, unit in _split(column) if unit in quantity.units]
        factor, offset = quantity.units[units[-1]] if units else (1.0, 0.0)
        found = Conversion(column, factor, offset, units[-1] if units else "")
    return Conversion(column, sign * found.factor, sign * found.offset, found.unit)


def assign(columns: Sequence[str], mapping: Mapping[str, str], source: str) -> dict[str, Conversion]:
    """Which column gives each quantity.

    Args:
        columns: names in the file.
        mapping: the user's own choice, quantity name to column; `-COLUMN` turns the sign.
        source: name of the file, for messages.

    Raises:
        UserError: a required quantity has no column, two columns could be the same quantity, or the mapping
            names something that does not exist, or columns share a name. All problems at once.
    """
    twice = sorted({c for c in columns if columns.count(c) > 1})
    if twice:
        raise UserError(f"{source}: several columns are named {', '.join(map(repr, twice[:5]))}: rename all but one")
    problems = [
        f"'{name}' is not a quantity of a log: choose from {', '.join(NAMES)}" for name in mapping if name not in NAMES
    ]
    chosen: dict[str, Conversion] = {}
    for quantity in QUANTITIES:
        if quantity.name in mapping:
            try:
                chosen[quantity.name] = _mapped(mapping[quantity.name], quantity, columns, source)
            except UserError as error:
                problems.extend(error.problems)
            continue
        taken = {c.lstrip("-") for c in mapping.values()}
        free = [c for c in columns if c not in taken]
        exact = [c for c in free if c.strip().lower() == quantity.name]
        found = [r for c in exact or free if (r := recognise(c, quantity))]
        if len(found) > 1 and quantity.required:
            names = " and ".join(f"'{r.column}'" for r in found)
            problems.append(
                f"{source}: {names} could each be {quantity.name}: choose with --map {quantity.name}=COLUMN"
            )
        elif len(found) == 1:
            chosen[quantity.name] = found[0]
        elif not found and quantity.required:
            problems.append(
                f"{source}: no column for {quantity.name}: the columns are {_listed(columns)}; "
                f"choose with --map {quantity.name}=COLUMN"
            )
    if problems:
        raise UserError(*problems)
    return chosen


def parse_mapping(options: Iterable[str]) -> dict[str, str]:
    """`NAME=COLUMN` options as a mapping. Raises UserError where an option has another form."""
    mapping: dict[str, str] = {}
    for option in options:
        name, equals, column = option.partition("=")
        if not equals or not name.strip() or not column.strip():
            raise UserError(f"--map {option}: write it as NAME=COLUMN, for example --map current_a=I_cell")
        mapping[name.strip()] = column.strip()
    return mapping
