"""The profiles `ev` and `storage` side by side, in figures that a typical pack of each gets from the loader.

Every figure is read from a complete system: the profile's defaults, what follows from the cell's data sheet, and the
fault ladders as they count. A system of one's own can stand beside the two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ionward.battery.defaults import Values
from ionward.battery.system import System, system_from
from ionward.image.fault_levels import LEVEL_NAMES, decision_time_s, resolved_levels, sample_period_s
from ionward.image.faults import BY_ID, FAULTS, Fault, Level
from ionward.image.summary import applies, pack_summary

UNKNOWN = "–"
NOT_FITTED = "not fitted"

# A typical pack of each profile: those of examples/ev-96s.toml and examples/storage-rack-240s.toml (a test compares).
TYPICAL: dict[str, Values] = {
    "ev": {
        "system": {"name": "EV 96s NMC 400 V", "profile": "ev", "cell": "lg-18650hg2"},
        "topology": {
            "modules_in_series": 12, "cells_per_module": 8, "cells_in_parallel": 46,
            "temperature_sensors_per_module": 2, "busbar_resistance_ohm": 0.00008,
        },
        "limits": {
            "cell_voltage_max_v": 4.2, "cell_voltage_min_v": 2.8,
            "charge_current_max_a": 138.0, "discharge_current_max_a": 300.0,
            "charge_current_pulse_a": 180.0, "discharge_current_pulse_a": 450.0,
        },
        "sensors": {
            "cell_voltage": {"period_s": 0.02, "tolerance_v": 0.002, "resolution_v": 0.0001},
            "current": {
                "period_s": 0.01, "minimum_a": -1000.0, "maximum_a": 1000.0, "tolerance_a": 1.0, "resolution_a": 0.01,
            },
            "current_redundant": {},
            "cooling_feedback": {},
        },
        "contactors": {
            "close_time_s": 0.02,
            "break_current_a": 500.0,
            "life": [[10.0, 200000.0], [100.0, 10000.0], [300.0, 500.0], [500.0, 50.0]],
        },
        "precharge": {"resistance_ohm": 50.0, "timeout_s": 1.5},
        "fuse": {"rating_a": 400.0, "pyrofuse": True},
        "dc_link": {"capacitance_f": 0.0011},
        "cooling": {"kind": "liquid"},
        "faults": {
            "cell_overvoltage": {"fault": {"set": 4.23, "clear": 4.18, "delay_samples": 3, "delay_s": 0.05}},
        },
    },
    "storage": {
        "system": {"name": "Storage rack 240s LFP", "profile": "storage", "cell": "a123-26650"},
        "topology": {
            "modules_in_series": 20, "cells_per_module": 12, "cells_in_parallel": 136,
            "temperature_sensors_per_module": 4, "busbar_resistance_ohm": 0.00005,
        },
        "limits": {
            "cell_voltage_max_v": 3.55, "cell_voltage_min_v": 2.8,
            "charge_current_max_a": 140.0, "discharge_current_max_a": 140.0,
            "charge_current_pulse_a": 210.0, "discharge_current_pulse_a": 210.0, "pulse_s": 30.0,
            "charge_temperature_max_c": 50.0,
            "discharge_temperature_min_c": -10.0, "discharge_temperature_max_c": 50.0,
        },
        "sensors": {
            "current": {
                "minimum_a": -1200.0, "maximum_a": 1200.0, "tolerance_a": 0.7, "resolution_a": 0.01, "noise_a": 0.05,
            },
            "cooling_feedback": {},
        },
        "contactors": {"break_current_a": 1000.0},
        "precharge": {"resistance_ohm": 100.0, "timeout_s": 2.0, "resistor_energy_j": 20000.0},
        "fuse": {
            "rating_a": 250.0,
            "curve": [[280.0, 3600.0], [320.0, 60.0], [400.0, 2.5], [800.0, 0.1], [2500.0, 0.01]],
        },
        "dc_link": {"capacitance_f": 0.003},
        "cooling": {"kind": "air"},
        "faults": {
            "charge_overcurrent": {"warning": {"delay_s": 31.0}, "fault": {"delay_s": 40.0}},
            "discharge_overcurrent": {"warning": {"delay_s": 31.0}, "fault": {"delay_s": 40.0}},
        },
        "balancing": {"method": "soc", "start_soc": 0.02, "stop_soc": 0.008},
    },
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One line of the comparison: what `values` say for each system, in their order, and why it matters."""

    section: str
    label: str
    why: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """The first two, EV and storage, do not say the same."""
        return len(set(self.values[:2])) > 1


@dataclass(frozen=True)
class LadderRow:
    """One fault as it counts in each system; a value is empty where the system does not judge it."""

    fault: Fault
    values: tuple[tuple[str, ...], ...]

    @property
    def differs(self) -> bool:
        """The first two, EV and storage, do not say the same."""
        return len(set(self.values[:2])) > 1


@cache
def typical(profile: str) -> System:
    """The typical pack of a profile (`ev` or `storage`)."""
    return system_from(TYPICAL[profile], f"typical pack of the profile {profile}", Path(), None)


def _systems(own: System | None) -> tuple[System, ...]:
    return (typical("ev"), typical("storage"), *([own] if own is not None else []))


def comparison(own: System | None = None) -> list[Row]:
    """What differs between an electric car's and a storage pack, row by row; `own` stands behind them as a third."""
    systems = _systems(own)
    summaries = [pack_summary(system) for system in systems]
    return [
        Row(section, label, why, tuple(told(s, p) for s, p in zip(systems, summaries, strict=True)))
        for section, items in SECTIONS.items()
        for label, told, why in items
    ]


def ladders(own: System | None = None) -> list[LadderRow]:
    """Every fault that at least one of the systems judges, with its levels as they count."""
    systems = _systems(own)
    rows = [LadderRow(fault, tuple(_ladder_texts(fault, system) for system in systems)) for fault in FAULTS]
    return [row for row in rows if any(row.values)]


def _ladder_texts(fault: Fault, system: System) -> tuple[str, ...]:
    if not applies(fault, system):
        return ()
    period_s = sample_period_s(fault, system)
    return tuple(
        f"{name} {_level_text(fault, level, period_s)}"
        for name, level in zip(LEVEL_NAMES, resolved_levels(fault, system), strict=True)
        if level is not None
    )


def _level_text(fault: Fault, level: Level, period_s: float) -> str:
    sign = ">" if fault.direction == "above" else "<"
    within = f"within {seconds(decision_time_s(level, period_s))}"
    return f"{sign} {_number(level.set)} {fault.unit}".strip() + f", {within}" if fault.unit else within


def markdown() -> str:
    """The comparison as a page of the documents."""
    ev, storage = typical("ev"), typical("storage")
    text = (
        "# EV or storage\n\nThe same program runs a traction battery and a storage rack; the profile in the pack file "
        f"tells them apart. Here are the figures of a typical pack of each: **{ev.system.name}** and "
        f"**{storage.system.name}**, as the loader resolves them from profile, cell data sheet and pack file. What "
        "differs is set in bold.\n\n"
    )
    section = ""
    for row in comparison():
        if row.section != section:
            section = row.section
            text += f"\n## {section}\n\n| | EV | storage | why |\n| --- | --- | --- | --- |\n"
        shown = [f"**{value}**" if row.differs else value for value in row.values]
        text += f"| {row.label} | {' | '.join(shown)} | {row.why} |\n"
    text += (
        "\n## Every fault\n\nThresholds as they count, and the longest time from the cause to the decision "
        "(waiting for the first sample included).\n\n| fault | EV | storage |\n| --- | --- | --- |\n"
    )
    for ladder in ladders():
        shown = ["<br>".join(levels) or "not judged" for levels in ladder.values]
        text += f"| {'**' if ladder.differs else ''}{ladder.fault.name}{'**' if ladder.differs else ''} "
        text += f"| {' | '.join(shown)} |\n"
    return text


# Words for numbers


def seconds(time_s: float) -> str:
    """A time with the unit that a person would choose."""
    if not math.isfinite(time_s):
        return UNKNOWN
    if time_s < 0.9995:
        return f"{time_s * 1000:.3g} ms"
    return f"{time_s:.3g} s" if time_s < 120 else f"{time_s / 60:.3g} min"


def _number(value: float, digits: int = 4) -> str:
    return f"{value:.{digits}g}".replace("-", "−")


def _window(low: float, high: float, unit: str) -> str:
    return f"{_number(low)} … {_number(high)} {unit}"


def _energy(energy_j: float) -> str:
    return f"{energy_j:.3g} J" if energy_j < 1000 else f"{energy_j / 1000:.3g} kJ"


def _current(current_a: float, capacity_ah: float) -> str:
    return f"{current_a:.4g} A ({current_a / capacity_ah:.2g}C)"


def _curve(points: Sequence[Sequence[float]], percent: bool) -> str:
    """A derating curve in words: where it begins to fall and what is left at its steps."""

    def x(value: float) -> str:
        return f"{value * 100:g} %" if percent else f"{_number(value)} °C"

    return ", ".join(f"{factor * 100:.0f} % at {x(value)}" for value, factor in points)


def _decided(fault_id: str, level: str) -> Callable[[System, Values], str]:
    def told(_: System, summary: Values) -> str:
        fault = summary["faults"][fault_id]
        if not fault["judged"]:
            return "not judged"
        step = fault["levels"].get(level)
        if step is None:
            return UNKNOWN
        unit = f" {fault['unit']}" if fault["unit"] else ""
        beyond = f" ({'above' if BY_ID[fault_id].direction == 'above' else 'below'} {_number(step['set'])}{unit})"
        return f"{seconds(step['decided_within_s'])}{beyond if unit else ''}"

    return told


def _period(sensor: str) -> Callable[[System, Values], str]:
    def told(system: System, _: Values) -> str:
        fitted = getattr(system.sensors, sensor)
        return f"every {seconds(fitted.period_s)}" if fitted.fitted else NOT_FITTED

    return told


def _silence(sensor: str, fault_id: str) -> Callable[[System, Values], str]:
    """How long a sensor may be silent until its values are no longer used, and until that opens the contactors."""

    def told(system: System, summary: Values) -> str:
        fitted = getattr(system.sensors, sensor)
        if not fitted.fitted:
            return NOT_FITTED
        levels = summary["faults"][fault_id]["levels"]
        step = levels.get("fault") or levels.get("critical") or levels.get("warning")
        opens = "open" if "fault" in levels or "critical" in levels else "warning"
        after_s = fitted.age_max_s + (step["decided_within_s"] if step else math.nan)
        return f"not used after {seconds(fitted.age_max_s)}, {opens} after {seconds(after_s)}"

    return told


def _yes(told: Callable[[System], bool], yes: str = "yes", no: str = "no") -> Callable[[System, Values], str]:
    return lambda system, _: yes if told(system) else no


def _limit(key: str) -> Callable[[System, Values], str]:
    return lambda system, summary: _current(getattr(system.limits, key), summary["pack"]["capacity_ah"])


def _current_limits(direction: str) -> Callable[[System, Values], str]:
    def told(system: System, summary: Values) -> str:
        value_a = getattr(system.limits, f"{direction}_current_pulse_a")
        return f"{_current(value_a, summary['pack']['capacity_ah'])} for {seconds(system.limits.pulse_s)}"

    return told


def _temperatures(direction: str) -> Callable[[System, Values], str]:
    def told(system: System, _: Values) -> str:
        low, high = (getattr(system.limits, f"{direction}_temperature_{end}_c") for end in ("min", "max"))
        return _window(low, high, "°C")

    return told


def _derating(curve: str) -> Callable[[System, Values], str]:
    return lambda system, _: _curve(getattr(system.derating, curve), curve.endswith("soc"))


def _precharge(system: System, summary: Values) -> str:
    connection = summary["connection"]
    if not connection["precharge"]:
        return NOT_FITTED
    return (
        f"{seconds(connection['precharge_time_s'])} (given up after {seconds(connection['precharge_timeout_s'])}, "
        f"{system.precharge.tries} tries {seconds(system.precharge.pause_s)} apart)"
    )


def _resistor(_: System, summary: Values) -> str:
    connection = summary["connection"]
    if not connection["precharge"]:
        return NOT_FITTED
    return f"{_energy(connection['precharge_energy_j'])} of {_energy(connection['resistor_energy_j'])}"


def _heat_and_cool(system: System, _: Values) -> str:
    cooling = system.cooling
    if cooling.kind == "none":
        return "none"
    return f"{cooling.kind}: from {cooling.start_c:g} °C, full at {cooling.full_c:g} °C"


def _heater(system: System, _: Values) -> str:
    cooling = system.cooling
    if cooling.kind == "none" or cooling.heater_w == 0:
        return "none"
    return (
        f"{cooling.heater_w / 1000:g} kW: from {cooling.heat_start_c:g} °C, full at {_number(cooling.heat_full_c)} °C"
    )


def _method(system: System, _: Values) -> str:
    balancing = system.balancing
    if balancing.kind == "none":
        return "none"
    if balancing.method == "soc":
        return f"by SOC, from {balancing.start_soc * 100:g} % down to {balancing.stop_soc * 100:g} % apart"
    return f"by voltage, from {balancing.start_v * 1000:g} mV down to {balancing.stop_v * 1000:g} mV apart"


def _bleed(system: System, summary: Values) -> str:
    if system.balancing.kind == "none":
        return "none"
    balancing: dict[str, Any] = summary["balancing"]
    return f"{balancing['current_a'] * 1000:.3g} mA: 1 % takes {balancing['hours_per_percent']:.3g} h of bleeding"


def _above_break(system: System, _: Values) -> str:
    if not system.contactors.fitted:
        return NOT_FITTED
    beyond = "the pyrofuse is fired" if system.fuse.pyrofuse else "left to the melting fuse"
    return f"{system.contactors.break_current_a:g} A; above it {beyond}"


def _insulation(_: System, summary: Values) -> str:
    fault = summary["faults"]["insulation_low"]
    if not fault["judged"]:
        return "not judged"
    levels = fault["levels"]
    return ", ".join(f"{name} below {levels[name]['set']:g} Ω/V" for name in LEVEL_NAMES if name in levels)


Told = Callable[[System, Values], str]

SECTIONS: dict[str, tuple[tuple[str, Told, str], ...]] = {
    "Response": (
        ("Control cycle", lambda s, _: seconds(s.cycle.period_s), "Protection judges, limits and wishes once a cycle"),
        ("SOC of every cell", lambda s, _: f"every {seconds(s.cycle.period_s * s.cycle.estimate_every)}",
         "Driving changes the current in milliseconds, a container in seconds"),
        ("Cell voltages", _period("cell_voltage"), "A rule counts new samples: slower ones decide later"),
        ("Pack current", _period("current"), "Short circuits are decided on the second sample"),
        ("Cell temperatures", _period("temperature"), "Heat is slow; a large rack has many sensors on one wire"),
        ("Short circuit, open now", _decided("short_circuit", "critical"), "From the cause to the decision"),
        ("Discharge overcurrent, open now", _decided("discharge_overcurrent_pulse", "critical"),
         "Half as much again as the pulse rating"),
        ("Discharge overcurrent, open in order", _decided("discharge_overcurrent_pulse", "fault"),
         "A tenth above the pulse rating"),
        ("Cell overvoltage, open now", _decided("cell_overvoltage", "critical"), "Lithium plates within seconds"),
        ("Cell overvoltage, open in order", _decided("cell_overvoltage", "fault"), "Before damage is done"),
        ("Overtemperature, open in order", _decided("overtemperature", "fault"), "A wall for resting cells too"),
        ("Opening in order waits for the current", lambda s, _: f"{seconds(s.contactors.open_wait_s)} at most",
         "Inverters ramp down slower than a traction drive"),
        ("Precharge", _precharge, "The larger the DC link, the longer"),
    ),
    "Limits": (
        ("Cell voltage in use", lambda s, _: _window(s.limits.cell_voltage_min_v, s.limits.cell_voltage_max_v, "V"),
         "From the cell's data sheet, or tighter"),
        ("Charge current, continuous", _limit("charge_current_max_a"), "C is the capacity in one hour"),
        ("Discharge current, continuous", _limit("discharge_current_max_a"), "A car accelerates, a rack lasts"),
        ("Charge current, pulse", _current_limits("charge"), "Recuperation, or grid services"),
        ("Discharge current, pulse", _current_limits("discharge"), "Acceleration, or grid services"),
        ("Temperature for charging", _temperatures("charge"), "Below, lithium plates"),
        ("Temperature for discharging", _temperatures("discharge"), "A car has to move in the cold"),
        ("Charging over SOC", _derating("charge_over_soc"), "What is left of the charge current"),
        ("Discharging over SOC", _derating("discharge_over_soc"), "What is left of the discharge current"),
        ("Charging over temperature", _derating("charge_over_temperature"), "Of the coldest and hottest cell"),
        ("While a warning stands", lambda s, _: f"× {s.limits.warning_factor:g}", "Every limit is multiplied by this"),
        ("Limits rise by", lambda s, _: f"{s.limits.slew_a_per_s:g} A/s", "They fall at once"),
    ),
    "Balancing and temperature": (
        ("Balancing", _method, "On the plateau of LFP a voltage tells nothing"),
        ("Bleed current", _bleed, "Evens out what self-discharge leaves"),
        ("Cooling", _heat_and_cool, "Large cells at low current need little"),
        ("Heating", _heater, "Only while connected"),
        ("Modules evened out", lambda s, _: "none" if s.cooling.kind == "none" else
         f"from {s.cooling.spread_start_k:g} K, full at {s.cooling.spread_full_k:g} K", "Cells age alike when even"),
    ),
    "Communication": (
        ("Cell monitors silent", _silence("cell_voltage", "cell_voltage_lost"), "A lost value is never a good one"),
        ("Temperatures silent", _silence("temperature", "cell_temperature_unknown"), "Another sensor stands in"),
        ("Current sensor silent", _silence("current", "current_lost"), "A second sensor stands in"),
        ("A refused sample is bridged for", lambda s, _: seconds(s.sensors.hold_s), "By the last good value"),
        ("Contactor feedback", _period("contactor_feedback"), "Closed is believed only when it is seen"),
        ("Interlock loop", _period("hvil"), "Connectors and doors"),
        ("Crash line", _period("crash"), "A rack does not crash"),
        ("Insulation monitor", _period("insulation"), "Slow by nature"),
    ),
    "Safety": (
        ("Current that contactors may break", _above_break, "Above it an arc may stay"),
        ("Main fuse", lambda s, _: f"{s.fuse.rating_a:g} A" if s.fuse.fitted else NOT_FITTED, "Carried for ever"),
        ("Pyrofuse", _yes(lambda s: s.fuse.pyrofuse, "fitted, fired by the BMS", NOT_FITTED),
         "Opens what contactors may not"),
        ("Second current sensor", _yes(lambda s: s.sensors.current_redundant.fitted, "fitted, compared", NOT_FITTED),
         "The larger reading counts"),
        ("Crash opens the contactors", _decided("crash", "critical"), "And keeps them open until acknowledged"),
        ("Interlock opens the contactors", _decided("hvil_open", "fault"), "Somebody may be touching a connector"),
        ("Insulation", _insulation, "Scaled with the highest voltage of the pack"),
        ("Precharge resistor takes", _resistor, "It must bear a precharge that fails"),
        ("Bus counts as dead below", lambda s, _: f"{s.dc_link.dead_v:g} V", "Where touching is permitted"),
    ),
}  # fmt: skip
