"""Values that follow from the cell's data sheet or from other values, where neither file nor profile says them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ionward.battery.cell import CellModel, DataSheet
from ionward.battery.defaults import Values, merge
from ionward.battery.sensors import SENSOR_NAMES

AGE_MIN_S = 0.02  # a shorter age would trip over the scheduling of any bus

# Multiples of the rating and melting times of fuses for battery systems (class aR/gBat with time delay), typical of
# their published curves. Field knowledge, for consistency checks and the twin: take the curve of your own fuse.
FUSE_CURVE = ((1.35, 3600.0), (2.0, 100.0), (3.0, 10.0), (5.0, 0.5), (10.0, 0.01))


class _Tables:
    """Numbers and tables of a half-checked description; what is absent or of a wrong kind raises KeyError."""

    def __init__(self, values: Values) -> None:
        self.values = values

    def table(self, path: str) -> Values:
        """The table at a path."""
        table: Any = self.values
        for key in path.split("."):
            table = table[key] if isinstance(table, dict) else None
        if not isinstance(table, dict):
            raise KeyError(path)
        return table

    def number(self, path: str) -> float:
        """The finite number at a path."""
        table, _, key = path.rpartition(".")
        value = self.table(table)[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise KeyError(path)
        return float(value)


def _from_sheet(key: str, parallel: bool) -> Callable[[_Tables, CellModel | None], Any]:
    def value(tables: _Tables, cell: CellModel | None) -> float:
        number = float(getattr(_sheet(cell), key))
        return number * _parallel(tables) if parallel else number

    return value


def _sheet(cell: CellModel | None) -> DataSheet:
    return _known(cell).data_sheet


def _known(cell: CellModel | None) -> CellModel:
    if cell is None:
        raise KeyError("cell")
    return cell


def _parallel(tables: _Tables) -> float:
    return tables.number("topology.cells_in_parallel")


def _age_max(sensor: str) -> Callable[[_Tables, CellModel | None], Any]:
    def value(tables: _Tables, _: CellModel | None) -> float:
        table = tables.table(f"sensors.{sensor}")
        delay_s = tables.number(f"sensors.{sensor}.delay_s") if "delay_s" in table else 0.0
        cycle_s = tables.number("cycle.period_s")
        return max(5 * tables.number(f"sensors.{sensor}.period_s") + delay_s, 2 * cycle_s, AGE_MIN_S)

    return value


def _charge_over_temperature(tables: _Tables, _: CellModel | None) -> list[list[float]]:
    """Nothing at the coldest, little near it (lithium plating), all 15 K above, and down again over the last 10 K.

    Shape: charge tables that makers of NMC and LFP cells publish (JEITA-like steps); field knowledge.
    """
    low = tables.number("limits.charge_temperature_min_c")
    high = tables.number("limits.charge_temperature_max_c")
    up, down = min(15.0, 0.4 * (high - low)), min(10.0, 0.3 * (high - low))
    return [[low, 0.0], [low + up / 3, 0.2], [low + up, 1.0], [high - down, 1.0], [high, 0.0]]


def _discharge_over_temperature(tables: _Tables, _: CellModel | None) -> list[list[float]]:
    """Discharge shrinks in the cold because resistance grows, and towards the hottest; field knowledge."""
    low = tables.number("limits.discharge_temperature_min_c")
    high = tables.number("limits.discharge_temperature_max_c")
    up, down = min(30.0, 0.5 * (high - low)), min(10.0, 0.3 * (high - low))
    return [[low, 0.0], [low + up / 3, 0.3], [low + up, 1.0], [high - down, 1.0], [high, 0.0]]


def _agree(tables: _Tables, _: CellModel | None) -> float:
    return tables.number("sensors.current.tolerance_a") + tables.number("sensors.current_redundant.tolerance_a")


def _redundant(key: str) -> Callable[[_Tables, CellModel | None], Any]:
    return lambda tables, _: tables.number(f"sensors.current.{key}")


def _pack_range(edge: str) -> Callable[[_Tables, CellModel | None], Any]:
    """Range of pack and bus sensors: from below zero to 25 % above the full pack, in round numbers."""

    def value(tables: _Tables, _: CellModel | None) -> float:
        full = _full_voltage(tables)
        step = 10.0 ** math.floor(math.log10(full))
        return step * math.ceil(1.25 * full / step) if edge == "high" else -step * 0.1

    return value


def _pack_tolerance(tables: _Tables, _: CellModel | None) -> float:
    return round(0.005 * _full_voltage(tables), 3)


def _full_voltage(tables: _Tables) -> float:
    series = tables.number("topology.modules_in_series") * tables.number("topology.cells_per_module")
    full = series * tables.number("limits.cell_voltage_max_v")
    if full <= 0:
        raise KeyError("limits.cell_voltage_max_v")
    return full


def _has(part: str, key: str, wanted: object, otherwise: object) -> Callable[[_Tables, CellModel | None], Any]:
    """Whether a part of the pack has this value; `otherwise` is what the part has where nobody writes it."""

    def value(tables: _Tables, _: CellModel | None) -> bool:
        table = tables.values.get(part)
        return (table.get(key, otherwise) if isinstance(table, dict) else otherwise) == wanted

    return value


def _min_bleed_voltage(tables: _Tables, _: CellModel | None) -> float:
    low, high = tables.number("limits.cell_voltage_min_v"), tables.number("limits.cell_voltage_max_v")
    return round(low + 0.25 * (high - low), 3)


def _fuse_curve(tables: _Tables, _: CellModel | None) -> list[list[float]]:
    rating = tables.number("fuse.rating_a")
    return [[multiple * rating, time_s] for multiple, time_s in FUSE_CURVE]


def _fuse_rating(tables: _Tables, _: CellModel | None) -> float:
    limits = ("limits.charge_current_max_a", "limits.discharge_current_max_a")
    return 1.25 * max(tables.number(limit) for limit in limits)


def _done_v(tables: _Tables, _: CellModel | None) -> float:
    both = tables.number("sensors.pack_voltage.tolerance_v") + tables.number("sensors.bus_voltage.tolerance_v")
    return max(1.0, 1.5 * both)


class Rule(NamedTuple):
    """Where a value comes from when nobody writes it: in words for the reference, and as a function."""

    text: str
    value: Callable[[_Tables, CellModel | None], Any]


# Sensors that come with a part, in profiles that do not say otherwise.
CONTACTORS_FITTED = Rule("true where the pack has contactors", _has("contactors", "fitted", True, True))
BALANCES = Rule("true where the pack balances", _has("balancing", "kind", "passive", "passive"))
PYROFUSE_FITTED = Rule("true where there is a pyrofuse", _has("fuse", "pyrofuse", True, False))


def _sensor_rules() -> dict[str, Rule]:
    rules = {
        f"sensors.{sensor}.{key}": rule
        for sensor in ("pack_voltage", "bus_voltage", "positive_tap", "negative_tap")
        for key, rule in (
            ("minimum_v", Rule("a little below zero", _pack_range("low"))),
            ("maximum_v", Rule("25 % above the full pack, rounded up", _pack_range("high"))),
            ("tolerance_v", Rule("0.5 % of the full pack", _pack_tolerance)),
        )
    }
    for sensors, part in (
        (("contactor_positive", "contactor_negative", "positive_tap", "negative_tap"), CONTACTORS_FITTED),
        (("balancing_board",), BALANCES),
        (("pyrofuse_loop",), PYROFUSE_FITTED),
    ):
        rules |= {f"sensors.{sensor}.fitted": part for sensor in sensors}
    text = "five periods and the delay; at least two cycles and 20 ms"
    return rules | {f"sensors.{sensor}.age_max_s": Rule(text, _age_max(sensor)) for sensor in SENSOR_NAMES}


def _sheet_rule(key: str, parallel: bool = False) -> Rule:
    text = "data sheet x cells in parallel" if parallel else "data sheet"
    return Rule(text, _from_sheet(key, parallel))


# In this order: a value may follow from one above it.
DERIVED: dict[str, Rule] = {
    "sensors.temperature.fitted": Rule(
        "true where the topology has sensors", lambda t, _: t.number("topology.temperature_sensors_per_module") > 0
    ),
    "limits.cell_voltage_max_v": _sheet_rule("voltage_max_v"),
    "limits.cell_voltage_min_v": _sheet_rule("voltage_min_v"),
    "limits.charge_current_max_a": _sheet_rule("charge_current_max_a", parallel=True),
    "limits.discharge_current_max_a": _sheet_rule("discharge_current_max_a", parallel=True),
    "limits.charge_current_pulse_a": _sheet_rule("charge_current_pulse_a", parallel=True),
    "limits.discharge_current_pulse_a": _sheet_rule("discharge_current_pulse_a", parallel=True),
    "limits.charge_temperature_min_c": _sheet_rule("charge_temperature_min_c"),
    "limits.charge_temperature_max_c": _sheet_rule("charge_temperature_max_c"),
    "limits.discharge_temperature_min_c": _sheet_rule("discharge_temperature_min_c"),
    "limits.discharge_temperature_max_c": _sheet_rule("discharge_temperature_max_c"),
    "limits.slew_a_per_s": Rule("full discharge in 5 s", lambda t, _: t.number("limits.discharge_current_max_a") / 5),
    "topology.capacity_ah": Rule(
        "cell's capacity x cells in parallel", lambda t, cell: _known(cell).capacity.reference_ah * _parallel(t)
    ),
    "derating.charge_over_temperature": Rule(
        "0 at the coldest, 0.2 5 K above, 1 from 15 K above to 10 K below the hottest, 0 there",
        _charge_over_temperature,
    ),
    "derating.discharge_over_temperature": Rule(
        "0 at the coldest, 0.3 10 K above, 1 from 30 K above to 10 K below the hottest, 0 there",
        _discharge_over_temperature,
    ),
    "sensors.current_redundant.minimum_a": Rule("as sensors.current", _redundant("minimum_a")),
    "sensors.current_redundant.maximum_a": Rule("as sensors.current", _redundant("maximum_a")),
    "sensors.current_redundant.tolerance_a": Rule(
        "twice that of sensors.current", lambda t, _: 2 * t.number("sensors.current.tolerance_a")
    ),
    "sensors.current_redundant.resolution_a": Rule("as sensors.current", _redundant("resolution_a")),
    "sensors.current_redundant.period_s": Rule("as sensors.current", _redundant("period_s")),
    "sensors.current_redundant.agree_a": Rule("both tolerances together", _agree),
    **_sensor_rules(),
    "precharge.done_v": Rule("1.5 x the tolerances of both voltage sensors, at least 1 V", _done_v),
    "precharge.done_a": Rule(
        "tolerance of sensors.current, at least 50 mA", lambda t, _: max(0.05, t.number("sensors.current.tolerance_a"))
    ),
    "contactors.break_current_a": Rule(
        "discharge pulse of the limits", lambda t, _: t.number("limits.discharge_current_pulse_a")
    ),
    "fuse.rating_a": Rule("1.25 x the larger continuous current", _fuse_rating),
    "fuse.curve": Rule("typical curve of battery fuses, from the rating", _fuse_curve),
    "balancing.min_voltage_v": Rule("a quarter up the voltage window of the limits", _min_bleed_voltage),
    "balancing.cells_per_module": Rule(
        "half of the module's cells, rounded up", lambda t, _: math.ceil(t.number("topology.cells_per_module") / 2)
    ),
    "balancing.rest_current_a": Rule("C/50", lambda t, _: t.number("topology.capacity_ah") / 50),
}


def is_derived(path: str) -> bool:
    """The value at this key path, or all of this table, follows from other values where the file says nothing."""
    return path in DERIVED or path == "cell_model"


def with_derived(values: Values, cell: CellModel | None) -> Values:
    """Values with those added that follow from the cell's data sheet and from other values.

    What cannot be worked out, because something it needs is absent or wrong, stays absent.
    """
    out = merge({}, values)
    tables = _Tables(out)
    for path, rule in DERIVED.items():
        table_path, _, key = path.rpartition(".")
        _own_table(out, table_path)
        try:
            table = tables.table(table_path)
            if key not in table:
                table[key] = rule.value(tables, cell)
        except (KeyError, OverflowError, ValueError):
            continue
    return out


def _own_table(values: Values, path: str) -> None:
    """Make the table at a path, so that values can be added, a copy of our own."""
    for key in path.split("."):
        inner = values.get(key, {})
        if not isinstance(inner, dict):
            return
        values[key] = dict(inner)
        values = values[key]
