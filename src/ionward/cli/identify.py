"""`ionward identify`: a cell model from measured logs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ionward.battery.identify import CellDescription, identify, read_description
from ionward.battery.identify.ambient import parse_temperatures
from ionward.battery.identify.description import like
from ionward.battery.identify.plots import save_plots
from ionward.battery.identify.walls import description_from_logs
from ionward.battery.identify.write import cell_toml
from ionward.battery.library import load_cell
from ionward.battery.logs import Log, parse_mapping, read_log
from ionward.cli.cells import fit_table
from ionward.errors import UserError


def identify_command(
    ocv: Annotated[list[str], typer.Option("--ocv", help="Slow charge and discharge logs, several after one --ocv.")],
    dynamic: Annotated[list[str], typer.Option("--dynamic", help="Drive cycle or pulse logs, several.")],
    out: Annotated[Path, typer.Option("--out", help="Cell file to write.")],
    name: Annotated[str | None, typer.Option("--name", help="Name of the cell; default: that of the file.")] = None,
    title: Annotated[str | None, typer.Option("--title", help="One line that says what the cell is.")] = None,
    chemistry: Annotated[str | None, typer.Option("--chemistry", help="NMC, NCA, LFP, LMO, LCO or LTO.")] = None,
    capacity_ah: Annotated[float | None, typer.Option("--capacity-ah", help="Capacity that defines SOC.")] = None,
    data_sheet: Annotated[Path | None, typer.Option("--data-sheet", help="Description of the cell (TOML).")] = None,
    like_cell: Annotated[str | None, typer.Option("--like", help="Take the data sheet of this library cell.")] = None,
    temperature: Annotated[list[str] | None, typer.Option("--temperature", help="FILE=DEGREES, several.")] = None,
    mapping: Annotated[list[str] | None, typer.Option("--map", help="NAME=COLUMN, several.")] = None,
    plots: Annotated[Path | None, typer.Option("--plots", help="Folder for pictures of the fit.")] = None,
) -> None:
    """Make a cell model from measured OCV and dynamic logs, and report how well it fits."""
    console = Console()
    described = _description(name or out.stem, title, chemistry, capacity_ah, data_sheet, like_cell)
    columns = parse_mapping(mapping or [])
    degrees = parse_temperatures(temperature or [])
    with Progress(
        TextColumn("{task.description:24}"), BarColumn(), TimeElapsedColumn(), console=console, transient=True
    ) as progress:
        task = progress.add_task("read logs", total=1.0)
        slow, fast = _read_all(ocv, columns), _read_all(dynamic, columns)
        description = described or description_from_logs(
            [*slow, *fast], name or out.stem, title, chemistry, capacity_ah
        )
        result = identify(
            slow,
            fast,
            description,
            degrees,
            lambda step, share: progress.update(task, description=step, completed=share),
        )
    for log in (*slow, *fast):
        for line in log.issues.lines():
            console.print(f"{log.source}: {line}", style="yellow")
    for warning in result.warnings:
        console.print(f"Doubtful: {warning}", style="bold yellow")
    for note in result.notes:
        console.print(note, style="dim")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(cell_toml(result.cell), encoding="utf-8")
    console.print(fit_table(result.cell))
    for line in result.cell.provenance.not_measured:
        console.print(f"Not measured: {line}", style="yellow")
    if plots is not None:
        files = save_plots(result, plots)
        console.print(f"{len(files)} pictures in {plots}")
    console.print(f"Cell model: {out}")


def _read_all(patterns: Sequence[str], columns: dict[str, str]) -> list[Log]:
    """All logs; every unreadable one is named at once."""
    logs: list[Log] = []
    problems: list[str] = []
    for pattern in patterns:
        for path in _matching(pattern):
            try:
                logs.append(read_log(path, columns))
            except UserError as error:
                problems.extend(error.problems)
    if problems:
        raise UserError(*problems)
    return logs


def _matching(pattern: str) -> list[Path]:
    """Files that match, for shells that leave patterns alone; the pattern itself where none does."""
    path = Path(pattern)
    if path.exists() or not set("*?[") & set(path.name) or not path.parent.is_dir():
        return [path]
    return sorted(path.parent.glob(path.name)) or [path]


def _description(
    name: str,
    title: str | None,
    chemistry: str | None,
    capacity_ah: float | None,
    data_sheet: Path | None,
    like_cell: str | None,
) -> CellDescription | None:
    """What the options say of the cell; None where they name no data sheet."""
    changes = {"title": title, "chemistry": chemistry, "capacity_ah": capacity_ah}
    changes = {key: value for key, value in changes.items() if value is not None}
    if data_sheet is not None and like_cell is not None:
        raise UserError("--data-sheet and --like exclude each other: give one")
    if data_sheet is not None:
        found = read_description(data_sheet)
        return CellDescription.model_validate({**found.model_dump(), "name": name, **changes})
    if like_cell is not None:
        return like(load_cell(like_cell), name=name, **changes)
    return None
