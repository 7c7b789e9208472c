"""What the history keeps of each signal: which values of it, how fine, and from which level on.

A kept signal is of one of four kinds:

- *spread*: mean, lowest and highest value of all ticks (voltages, currents, limits);
- *last*: the value at the end of each second (SOC, temperatures, states, counts);
- *worst*: the highest value of all ticks (fault levels, qualities), so that nothing short is missed;
- *share*: as last, and over a minute or an hour the share of time (balancing).

Numbers are decimals of a resolution that suits the sensor, stored as 32-bit integers.
"""

from __future__ import annotations

from functools import cache
from typing import Literal, NamedTuple

from ionward.image.layout import Size
from ionward.runtime.selection import CELLS, CHANNELS, FAULT_BLOCK, SCALARS, Column, default_columns

Kind = Literal["spread", "last", "worst", "share"]

# Columns of every file: start of the second, minute or hour; the segment that it came from; ticks, which weigh means.
TIME, SEGMENT, TICKS = "time", "segment", "ticks"
LEVEL_NAMES = {1: "1 s", 60: "1 min", 3600: "1 h"}  # length of a row in seconds -> what a person calls it

# Clocks, counters of ticks and of runs, and what only the next tick needs.
NOT_KEPT = frozenset(
    (
        "time_s", "tick", "dt_s", "flow", "balance_runs", "cool_runs", "current_age_s", "cell_samples",
        "temperature_samples", "current_samples", "event_count", "state_since_s", "balancing_parity",
    )
)  # fmt: skip
# Of each cell. All others follow from these and the cell model; `ionward export` gives them from a recording.
_CELL_FIELDS = frozenset(
    (
        "voltage_v", "temperature_c", "soc", "balancing", "quality", "soc_std", "residual_v", "resistance_ohm",
        "capacity_ah", "soh",
    )
)  # fmt: skip
_SPREAD = frozenset(
    (
        "current_a", "current_redundant_a", "channel.current_a", "pack_voltage_v", "bus_voltage_v", "cell_voltage_v",
        "cell_voltage_sum_v", "cell_voltage_min_v", "cell_voltage_mean_v", "cell_voltage_max_v", "charge_limit_a",
        "discharge_limit_a", "charge_limit_pulse_a", "discharge_limit_pulse_a",
    )
)  # fmt: skip
_WORST = frozenset(("fault_level", "open_request", "latched_faults", "pyrofuse_fire", "current_quality",
                    "cell_quality", "sensor_quality"))  # fmt: skip
_SHARE = frozenset(("cell_balancing",))
# Hardly anything of these happens within a minute.
_FROM_A_MINUTE = frozenset(("cell_quality", "cell_soc_std", "cell_residual_v", "cell_resistance_ohm",
                            "cell_capacity_ah", "cell_soh", "sensor_quality"))  # fmt: skip
# All cells move together: a second holds the difference from this signal of the whole pack.
_BASE = {"cell_voltage_v": "cell_voltage_mean_v", "cell_soc": "soc_mean"}

_DIGITS_BY_UNIT = {"V": 4, "A": 2, "°C": 1, "K": 1, "Ω": 0, "Ah": 3, "W": 1, "Wh": 1, "s": 2, "": 5}
_DIGITS = {
    "pack_voltage_v": 2, "bus_voltage_v": 2, "cell_voltage_sum_v": 2, "cell_sum_difference_v": 2,
    "cell_resistance_ohm": 6, "pump": 2, "fan": 2, "heater": 2,
}  # fmt: skip
_BAND_DIGITS = {"cell_voltage_v": 3}
# Held until it moves by more than so many digits: what is below is noise of the sensor.
_HOLD_BY_UNIT = {"°C": 1, "K": 1}
_HOLD = {"cell_voltage_v": 1, "cell_soc": 5}


# Minutes and hours have so many columns that finding one would take longer than reading it, so they stand in parts.
PACK_PART = "pack"
_CELL_PARTS = {"cell_voltage_v": "cell_voltage", "cell_temperature_c": "cell_temperature", "cell_soc": "cell_soc"}
PARTS = (PACK_PART, *_CELL_PARTS.values(), "cell_other")


def part_of(column: str) -> str:
    """The part of the minutes and hours that has a column: that of its family of cell signals, or that of the pack."""
    family, number, _ = column.partition("[")
    return _CELL_PARTS.get(family, "cell_other") if number and family.startswith("cell_") else PACK_PART


class Kept(NamedTuple):
    """One signal in the history.

    `digits` are decimals of its values, `band_digits` those of the distances from its mean to its lowest and highest
    value within a second. `base` names the signal that a second's value is the difference from; a second's value is
    held until it has moved by more than `hold` digits. `finest_s` is the length of the finest level that has it.
    """

    column: Column
    kind: Kind
    digits: int
    band_digits: int
    base: str
    hold: int
    finest_s: int

    @property
    def name(self) -> str:
        """The signal."""
        return self.column.name

    def renamed(self, name: str) -> Kept:
        """The same of another signal of its family."""
        return self._replace(column=self.column._replace(name=name))

    @property
    def is_step(self) -> bool:
        """A state, count or yes and no: over a minute or an hour its last value counts, for two have no mean."""
        return self.kind == "last" and self.digits == 0

    @property
    def has_range(self) -> bool:
        """Minutes and hours hold its lowest and highest value."""
        return self.kind in ("spread", "last") and self.finest_s == 1


def kept_of(column: Column) -> Kept | None:
    """What the history keeps of a signal, None where nothing."""
    family, signal = column.family, column.signal
    if (column.block == SCALARS and column.name in NOT_KEPT) or (
        column.block == CELLS and signal.name not in _CELL_FIELDS
    ):
        return None
    kind: Kind = "last"
    if column.block == FAULT_BLOCK or family in _WORST or family.endswith(".quality"):
        kind = "worst"
    elif family in _SPREAD:
        kind = "spread"
    elif family in _SHARE:
        kind = "share"
    contact = column.block == CHANNELS and not signal.unit  # yes or no, as its sensor says
    digits = 0 if column.is_whole or contact else _DIGITS.get(family, _DIGITS_BY_UNIT[signal.unit])
    hold = _HOLD.get(family, _HOLD_BY_UNIT.get(signal.unit, 0))
    finest_s = 60 if family in _FROM_A_MINUTE else 1
    return Kept(column, kind, digits, _BAND_DIGITS.get(family, digits), _BASE.get(family, ""), hold, finest_s)


@cache
def kept_signals(size: Size) -> tuple[Kept, ...]:
    """All signals that the history keeps of a pack of this size."""
    return tuple(kept for column in default_columns(size) if (kept := kept_of(column)))


@cache
def kept_families() -> dict[str, Kept]:
    """The signals of a pack of any size, by their name without number."""
    return {kept.column.family: kept for kept in kept_signals(Size(1, 1, 1))}
