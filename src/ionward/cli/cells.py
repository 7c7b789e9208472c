"""`ionward cells`: the cell library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from ionward.battery.cell import CellModel
from ionward.battery.ecm import lookup
from ionward.battery.identify.plots import cell_figure
from ionward.battery.library import load_cell, names
from ionward.battery.tables import OCV_V, PARAMETERS, R0_OHM, R1_OHM, R2_OHM

cells_app = typer.Typer(help="The cell library: what each model knows, and how well it fits.", no_args_is_help=False)


@cells_app.callback(invoke_without_command=True)
def list_cells(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")] = False,
) -> None:
    """List the cells of the library."""
    if context.invoked_subcommand is not None:
        return
    cells = [load_cell(name) for name in names()]
    if as_json:
        print(json.dumps({cell.name: _facts(cell) for cell in cells}, indent=1))
        return
    table = Table(title="Cell library", title_justify="left")
    for column in (
        "name",
        "chemistry",
        "Ah",
        "V",
        "R0 at 25 °C, 50 %",
        "tested at °C",
        "voltage RMSE",
        "cell",
    ):
        table.add_column(column)
    for cell in cells:
        facts = _facts(cell)
        table.add_row(
            cell.name,
            cell.chemistry,
            f"{cell.capacity.reference_ah:.2f}",
            f"{cell.data_sheet.voltage_min_v:g}..{cell.data_sheet.voltage_max_v:g}",
            f"{1e3 * facts['r0_ohm_25c_50pct']:.2f} mΩ",
            ", ".join(f"{t:g}" for t in facts["tested_c"]),
            f"{facts['voltage_rmse_mv_min']:.0f}..{facts['voltage_rmse_mv_max']:.0f} mV",
            cell.title,
        )
    console = Console()
    console.print(table)
    console.print("Details: ionward cells show NAME --plot FILE.png", style="dim")


def _facts(cell: CellModel) -> dict[str, Any]:
    parameters = np.empty(PARAMETERS)
    lookup(cell.table(), 0.5, 25.0, parameters)
    errors = [result.voltage_rmse_mv for result in cell.fit]
    return {
        "title": cell.title,
        "chemistry": cell.chemistry,
        "capacity_ah": cell.capacity.reference_ah,
        "ocv_v_25c_50pct": round(float(parameters[OCV_V]), 4),
        "r0_ohm_25c_50pct": round(float(parameters[R0_OHM]), 6),
        "resistance_ohm_25c_50pct": round(float(parameters[[R0_OHM, R1_OHM, R2_OHM]].sum()), 6),
        "tested_c": sorted({result.temperature_c for result in cell.fit}),
        "voltage_rmse_mv_min": min(errors, default=float("nan")),
        "voltage_rmse_mv_max": max(errors, default=float("nan")),
        "not_measured": cell.provenance.not_measured,
    }


@cells_app.command("show")
def show_cell(
    name: Annotated[str, typer.Argument(help="Name in the library, or a .toml file.")],
    plot: Annotated[Path | None, typer.Option("--plot", help="Write a picture of the tables to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The whole model as one JSON object.")] = False,
) -> None:
    """Show one cell: data sheet, capacity, circuit, fit, sources, and what was not measured."""
    cell = load_cell(name)
    if plot is not None:
        plot.parent.mkdir(parents=True, exist_ok=True)
        cell_figure(cell).savefig(plot, dpi=110)
    if as_json:
        print(json.dumps(cell.model_dump(), ensure_ascii=False))
        return
    console = Console()
    print_cell(cell, console)
    if plot is not None:
        console.print(f"Picture: {plot}")


def print_cell(cell: CellModel, console: Console) -> None:
    """A cell as text and tables."""
    sheet = cell.data_sheet
    console.print(f"[bold]{cell.name}[/bold]  {cell.title}")
    console.print(
        f"{sheet.nominal_capacity_ah:g} Ah nominal, {cell.capacity.reference_ah:g} Ah measured "
        f"(defines SOC); {sheet.voltage_min_v:g}..{sheet.voltage_max_v:g} V; "
        f"charge {sheet.charge_current_max_a:g} A "
        f"({sheet.charge_temperature_min_c:g}..{sheet.charge_temperature_max_c:g} °C), discharge "
        f"{sheet.discharge_current_max_a:g} A "
        f"({sheet.discharge_temperature_min_c:g}..{sheet.discharge_temperature_max_c:g} °C)"
    )
    console.print(f"Data sheet: {sheet.source}", style="dim")
    console.print(_circuit_table(cell))
    console.print(fit_table(cell))
    thermal = cell.thermal
    console.print(
        f"Heat: {thermal.heat_capacity_core_j_per_k + thermal.heat_capacity_surface_j_per_k:.0f} J/K, "
        f"{thermal.resistance_core_surface_k_per_w:.1f} K/W core to surface, "
        f"{thermal.resistance_surface_ambient_k_per_w:.1f} K/W to ambient "
        f"({'measured' if thermal.measured else 'not measured'}: {thermal.source})"
    )
    console.print(f"Hysteresis: rate {cell.hysteresis.rate:g}, {1e3 * cell.hysteresis.instantaneous_v:.1f} mV at once")
    console.print(f"Data: {cell.provenance.data}")
    console.print(f"Licence: {cell.provenance.licence}")
    for line in cell.provenance.not_measured:
        console.print(f"Not measured: {line}", style="yellow")


def _circuit_table(cell: CellModel) -> Table:
    table = Table(title="At 50 % SOC", title_justify="left")
    for column in (
        "°C",
        "capacity Ah",
        "OCV V",
        "R0 mΩ",
        "R1 mΩ",
        "tau1 s",
        "R2 mΩ",
        "tau2 s",
        "model error mV",
    ):
        table.add_column(column, justify="right")
    grid = cell.table()
    for temperature in cell.capacity.temperature_c:
        p = np.empty(PARAMETERS)
        lookup(grid, 0.5, temperature, p)
        capacity = np.interp(temperature, cell.capacity.temperature_c, cell.capacity.capacity_ah)
        values = (f"{1e3 * p[2]:.2f}", f"{1e3 * p[3]:.2f}", f"{p[4]:.1f}", f"{1e3 * p[5]:.2f}", f"{p[6]:.0f}")
        table.add_row(f"{temperature:g}", f"{capacity:.3f}", f"{p[OCV_V]:.4f}", *values, f"{1e3 * p[7]:.1f}")
    return table


def fit_table(cell: CellModel) -> Table:
    """Voltage error of the model on each test it was made from."""
    table = Table(title="Fit by test", title_justify="left")
    for column in ("test", "°C", "hours", "RMSE mV", "largest mV"):
        table.add_column(column, justify="left" if column == "test" else "right")
    for result in sorted(cell.fit, key=lambda r: (r.temperature_c, r.test)):
        table.add_row(
            result.test,
            f"{result.temperature_c:g}",
            f"{result.seconds / 3600:.1f}",
            f"{result.voltage_rmse_mv:.1f}",
            f"{result.voltage_max_mv:.0f}",
        )
    return table
