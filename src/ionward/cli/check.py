"""`ionward check`: read the file of a pack or of a site, say what is wrong with it, and show what it describes."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ionward.battery.site import is_site_file, load_site
from ionward.cli.check_site import show_site
from ionward.cli.check_tables import doubts, facts, seconds
from ionward.image.build import load_pack, pack_checks
from ionward.image.fault_levels import LEVEL_NAMES
from ionward.image.summary import pack_summary

UNITS = {"v": "V", "c": "°C", "a": "A", "ohm": "Ω"}
TOLERANCE_UNITS = {"c": "K"}


def check(
    file: Annotated[Path, typer.Argument(help="File of a pack or a site (.toml).", show_default=False)],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> None:
    """Check the file of a pack, or of a site of parallel packs, and show what it describes.

    Exit code 0 when it can be used (doubts are shown), 2 when something is wrong in it.
    """
    shows = show
    if is_site_file(file):
        from ionward.peers.summary import site_summary

        summary, shows = site_summary(load_site(file, pack_checks())), show_site
    else:
        summary = pack_summary(load_pack(file)[0])
    if json:
        typer.echo(json_format.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False))
        return
    shows(summary, Console(highlight=False))


def show(summary: dict[str, Any], console: Console) -> None:
    """Print the summary of a pack for a person."""
    console.print(
        Text(summary["name"], style="bold"), Text(f"  profile {summary['profile']}, {summary['file']}", "dim")
    )
    console.print(summary["cell"]["title"])
    for table in (_pack(summary), _connection(summary), _sensors(summary), _faults(summary)):
        console.print()
        console.print(table)
    _masks(summary, console)
    doubts(summary["doubts"], console)


def _pack(summary: dict[str, Any]) -> Table:
    pack, limits = summary["pack"], summary["limits"]

    def window(low: float, high: float, unit: str) -> str:
        return f"{low:g} … {high:g} {unit}"

    modules = f"{pack['modules']} module{'s' if pack['modules'] > 1 else ''}"
    cells = f"{pack['cells_in_series']} in series ({modules}) x {pack['cells_in_parallel']} in parallel"
    return facts(
        "Pack",
        [
            ("cells", f"{cells} = {pack['cells']} cells, {pack['cell_mass_kg']:.3g} kg"),
            ("energy", f"{pack['energy_kwh']:.3g} kWh between the voltage limits, at small current and 25 °C"),
            ("capacity", f"{pack['capacity_ah']:.4g} Ah, of which {pack['usable_capacity_ah']:.4g} Ah in the limits"),
            (
                "voltage",
                f"{pack['voltage_min_v']:.1f} … {pack['voltage_nominal_v']:.1f} … {pack['voltage_max_v']:.1f} V, each "
                f"cell {window(limits['cell_voltage_min_v'], limits['cell_voltage_max_v'], 'V')}",
            ),
            ("resistance", f"{pack['resistance_ohm'] * 1e3:.3g} mΩ at half charge, 25 °C, after minutes"),
            (
                "charge",
                f"{limits['charge_current_max_a']:g} A ({pack['charge_power_kw']:.3g} kW), "
                f"{limits['charge_current_pulse_a']:g} A for {limits['pulse_s']:g} s, "
                + window(limits["charge_temperature_min_c"], limits["charge_temperature_max_c"], "°C"),
            ),
            (
                "discharge",
                f"{limits['discharge_current_max_a']:g} A ({pack['discharge_power_kw']:.3g} kW), "
                f"{limits['discharge_current_pulse_a']:g} A ({pack['discharge_pulse_kw']:.3g} kW) for "
                f"{limits['pulse_s']:g} s, "
                + window(limits["discharge_temperature_min_c"], limits["discharge_temperature_max_c"], "°C"),
            ),
        ],
    )


def _connection(summary: dict[str, Any]) -> Table:
    connection, balancing, cycle = summary["connection"], summary["balancing"], summary["cycle"]
    rows = [("contactors", "none: somebody else switches")]
    if connection["contactors"]:
        rows = [
            ("contactors", f"may break {connection['break_current_a']:g} A"),
            ("one direction", _one_direction(connection)),
        ]
    if connection["precharge"]:
        rows.append(("precharge", _precharge(connection)))
    if connection["fuse"]:
        melting = ", ".join(
            f"{current} A {'never' if time_s is None else 'after ' + seconds(time_s)}"
            for current, time_s in connection["fuse_melting_s"].items()
        )
        pyrofuse = ", with pyrofuse" if connection["pyrofuse"] else ""
        pyrofuse += ", also fired by a crash" if connection["pyrofuse_on_crash"] else ""
        pyrofuse += " in test mode (it can never be fired)" if connection["pyrofuse_test_mode"] else ""
        rows.append(("fuse", f"{connection['fuse_rating_a']:g} A{pyrofuse}; melts at {melting}"))
    if balancing["kind"] == "none":
        rows.append(("balancing", "none"))
    else:
        current = f"{balancing['kind']}, by {balancing['method']}, {balancing['current_a'] * 1e3:.0f} mA"
        board = f"board {balancing['board_c']:.0f} of {balancing['board_max_c']:g} °C"
        rows.append(("balancing", f"{current}: one percent in {balancing['hours_per_percent']:.3g} h; {board}"))
    period_s = cycle["period_s"]
    estimate, slow = seconds(period_s * cycle["estimate_every"]), seconds(period_s * cycle["slow_every"])
    rows.append(("cycle", f"{seconds(period_s)}; SOC every {estimate}, balancing and cooling every {slow}"))
    return facts("Connection and rhythm", rows)


def _one_direction(c: dict[str, Any]) -> str:
    """What a fault that forbids one direction leaves possible."""
    if c["one_way"]:
        return (
            f"each switch blocks one alone, its diode drops {c['diode_v']:g} V: a fault of charging leaves discharging "
            "possible, and the other way round"
        )
    return "cannot be blocked alone: a fault of charging ends discharging as well, and the other way round"


def _precharge(c: dict[str, Any]) -> str:
    times = f"complete after {seconds(c['precharge_time_s'])} of {seconds(c['precharge_timeout_s'])}"
    energy = f"{c['precharge_energy_j']:.0f} J ({c['precharge_energy_shorted_j']:.0f} J onto a short circuit)"
    return (
        f"R x C = {seconds(c['precharge_tau_s'])}, {times}, {c['precharge_peak_a']:.2g} A at first; "
        f"the resistor takes {energy} and bears {c['resistor_energy_j']:.0f} J"
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:g}"


def _sensors(summary: dict[str, Any]) -> Table:
    table = Table(title="Sensors", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name in ("", "every", "not used after", "range", "tolerance", "digit"):
        table.add_column(name, header_style="dim")
    missing = []
    for name, sensor in summary["sensors"].items():
        if not sensor["fitted"]:
            missing.append(name)
            continue
        row = [name, seconds(sensor["period_s"]), seconds(sensor["age_max_s"])]
        if "unit" in sensor:
            unit = UNITS[sensor["unit"]]
            difference = TOLERANCE_UNITS.get(sensor["unit"], unit)
            row.append(f"{_number(sensor['low'])} … {_number(sensor['high'])} {unit}")
            row += [f"±{_number(sensor['tolerance'])} {difference}", f"{_number(sensor['resolution'])} {difference}"]
        table.add_row(*row)
    if missing:
        table.caption = f"not fitted: {', '.join(missing)}"
        table.caption_justify = "left"
    return table


def _faults(summary: dict[str, Any]) -> Table:
    table = Table(
        title="Fault ladder: reached beyond … , decided within …", title_justify="left", title_style="bold", box=None,
        pad_edge=False,
    )  # fmt: skip
    for name in ("", *LEVEL_NAMES):
        table.add_column(name, header_style="dim", no_wrap=not name)
    not_judged = []
    for fault_id, fault in summary["faults"].items():
        if not fault["judged"]:
            not_judged.append(fault_id)
            continue
        sign = ">" if fault["direction"] == "above" else "<"
        row = [fault_id]
        for name in LEVEL_NAMES:
            level = fault["levels"].get(name)
            row.append(_level(level, sign, fault["unit"]) if level else "")
        table.add_row(*row)
    if not_judged:
        table.caption = f"not judged in this pack: {', '.join(not_judged)}"
        table.caption_justify = "left"
    return table


def _level(level: dict[str, Any], sign: str, unit: str) -> str:
    """When a level is reached; a fault that is there or not has no threshold worth reading."""
    within = seconds(level["decided_within_s"])
    if not unit and level["set"] == 0.5:
        return f"after {within}"
    return f"{sign} {level['set']:g}{' ' + unit if unit else ''}, {within}"


def _masks(summary: dict[str, Any], console: Console) -> None:
    """Faults that are told only: whose word that is, why, and until when."""
    for mask in summary["masks"]:
        if mask["in_force"]:
            words = f"by {mask['owner']}, until {mask['until']}: {mask['reason']}"
            console.print()
            console.print(
                Text(f"MASKED: {mask['fault']} is told only and nothing reacts to it, {words}", "bold magenta")
            )
