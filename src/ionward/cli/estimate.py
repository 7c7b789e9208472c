"""`ionward estimate`: a measured log of a cell through the BMS."""

from __future__ import annotations

import json as json_format
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ionward.errors import UserError

if TYPE_CHECKING:
    from ionward.battery.logs import Log
    from ionward.proving.logrun import LogRun, Settings


def estimate(
    log: Annotated[Path, typer.Argument(help="Measured log (.parquet or .csv).", show_default=False)],
    cell: Annotated[str, typer.Option(help="Cell of the library (see `ionward cells`), or a .toml file.")],
    start_soc: Annotated[
        float | None,
        typer.Option(help="SOC to start from, 0 to 1, held to be uncertain; left out: from the first voltage."),
    ] = None,
    capacity_ah: Annotated[float | None, typer.Option(help="Capacity instead of the cell's.")] = None,
    current_offset_a: Annotated[float, typer.Option(help="Added to the measured current.")] = 0.0,
    current_gain: Annotated[float, typer.Option(help="Multiplied with the measured current, before the offset.")] = 1.0,
    settle_s: Annotated[float, typer.Option(help="The score begins after so many seconds.")] = 600.0,
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="NAME=COLUMN", help="Column of a quantity; -COLUMN turns its sign."),
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Cell temperature in °C, where the log has none or a wrong one.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write SOC and limits of every row (.parquet).")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the run (.png, .svg or .pdf).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Put a measured log of a cell through validation, protection, SOC estimate and limits.

    Current is positive when charging. A column `soc_ref` is only used to judge the result.
    """
    from ionward.battery.library import load_cell
    from ionward.battery.logs import parse_mapping, read_log
    from ionward.proving.logrun import Settings, check_settings

    settings = Settings(start_soc, capacity_ah, current_offset_a, current_gain, settle_s, temperature)
    check_settings(settings)
    check_outputs(out, plot)
    model = load_cell(cell)
    measured = read_log(log, parse_mapping(map_ or []), model)
    run = _run(measured, model, settings, quiet=as_json)
    if out is not None:
        write_table(run, out)
    if plot is not None:
        from ionward.proving.log_plot import plot_log_run

        plot_log_run(run, plot)
    if as_json:
        typer.echo(json_format.dumps(run.summary(), ensure_ascii=False, allow_nan=False))
        for note in run.notes:
            print(f"warning: {note}", file=sys.stderr)
    else:
        show(run, Console(highlight=False), out, plot)


def check_outputs(out: Path | None, plot: Path | None) -> None:
    """Refuse paths that cannot be written, before the work is done.

    Raises:
        UserError: one line for each.
    """
    problems = []
    for path, endings in ((out, (".parquet",)), (plot, (".png", ".svg", ".pdf"))):
        if path is None:
            continue
        if path.suffix.lower() not in endings:
            problems.append(f"{path}: unknown ending, allowed: {', '.join(endings)}")
        elif not path.absolute().parent.is_dir():
            problems.append(f"{path}: the folder {path.parent} does not exist; make it, or name another")
    if problems:
        raise UserError(*problems)


def _run(measured: Log, model: object, settings: Settings, quiet: bool) -> LogRun:
    from ionward.battery.cell import CellModel
    from ionward.proving.logrun import run_log

    assert isinstance(model, CellModel)
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        return run_log(measured, model, settings)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"{measured.source}, rows", total=len(measured))
        return run_log(measured, model, settings, lambda done: progress.update(task, completed=done))


def write_table(run: LogRun, path: Path) -> None:
    """Write one row for each row of the log.

    Raises:
        UserError: the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = ("soc", "soc_std", "voltage_pred_v", "charge_limit_a", "discharge_limit_a")
    table = pa.table({"time_s": run.log.time_s} | {name: getattr(run, name) for name in names})
    try:
        pq.write_table(table, path, compression="zstd")
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error}") from None


def show(run: LogRun, console: Console, out: Path | None, plot: Path | None) -> None:
    """Print what was found, for a person."""
    console.print(Text(run.log.source, style="bold"), Text(run.system.cell_model.title, style="dim"))
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, text in _facts(run):
        table.add_row(name, text)
    console.print(table)
    if run.faults:
        console.print()
        console.print(_faults(run))
    for note in run.notes:
        console.print(Text(f"warning: {note}", style="yellow"))
    for path, what in ((out, "rows"), (plot, "plot")):
        if path is not None:
            console.print(Text(f"{what} written to {path}", style="green"))


def _facts(run: LogRun) -> list[tuple[str, str]]:
    log, settings = run.log, run.settings
    facts = [("log", f"{len(log):,} rows, {_time(log.seconds)}; temperature {run.temperature_source}")]
    facts += [("columns", text) for text in log.conversions]
    facts += [("irregular", text) for text in log.issues.lines() if "gap" not in text]
    if run.gaps:
        facts.append(("gaps", f"{run.gaps}, the longest {_time(run.longest_gap_s)}: no charge was counted in them"))
    if run.rejected_samples:
        facts.append(("refused", f"{run.rejected_samples} samples were not plausible"))
    if settings.current_offset_a or settings.current_gain != 1.0:
        facts.append(
            ("current", f"measured x {settings.current_gain:g} {settings.current_offset_a:+g} A, as asked for")
        )
    start = "the first voltage" if settings.start_soc is None else f"{100 * settings.start_soc:.1f} %, as given"
    facts.append(("started from", start))
    facts.append(("SOC at the end", f"{_percent(run.soc[-1])} ± {_percent(run.soc_std[-1])}"))
    score = run.score()
    if score is not None:
        facts.append(
            ("against soc_ref", f"{score[0]:.2f} % rms, {score[1]:.2f} % at most, after {settings.settle_s:g} s")
        )
    rmse_mv = run.voltage_rmse_mv()
    if rmse_mv is not None:
        facts.append(("voltage", f"{rmse_mv:.1f} mV rms between measured and expected"))
    facts.append(("charge limit", f"{run.charge_limit_a[-1]:.2f} A at the end, by: {run.charge_limit_rule}"))
    facts.append(("discharge limit", f"{run.discharge_limit_a[-1]:.2f} A at the end, by: {run.discharge_limit_rule}"))
    if not run.faults:
        facts.append(("faults", "none"))
    return facts


def _faults(run: LogRun) -> Table:
    table = Table(title="Faults", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name in ("first at", "fault", "highest level", "rows"):
        table.add_column(name, header_style="dim")
    for fault in run.faults:
        table.add_row(_time(fault.first_s), f"{fault.name} ({fault.fault})", fault.level, f"{fault.rows:,}")
    return table


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %" if value == value else "not known"


def _time(seconds: float) -> str:
    if seconds >= 7200:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.1f} min" if seconds >= 120 else f"{seconds:.1f} s"
