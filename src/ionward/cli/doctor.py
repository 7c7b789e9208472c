"""`ionward doctor`: is this machine good enough to run the BMS, and what to change."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from ionward.runtime.doctor import Examination, Finding
    from ionward.runtime.doctor_check import Demand
    from ionward.runtime.doctor_readings import Readings
    from ionward.runtime.sleeper import Lateness

WAKE = "Wake-up"  # the area whose figures are a table of their own
STYLES = {"good": "green", "unknown": "dim", "limited": "yellow", "bad": "bold red"}


def doctor(
    system: Annotated[
        Path | None, typer.Argument(help="System file (.toml) to judge for; all profiles if left out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    seconds: Annotated[
        float, typer.Option(min=0.5, max=3600, help="How long each of the two loops is measured.")
    ] = 4.0,
    state_dir: Annotated[
        Path | None, typer.Option(help="State folder that the BMS will use (default: in the user's state).")
    ] = None,
) -> None:
    """Say whether this machine is good enough to run the BMS, and what to change.

    Exit code 0 when it is good or limited, 1 when it is bad for the system (without one: for every profile), 2 for
    wrong input.
    """
    from ionward.runtime.doctor import examine, profile_demands
    from ionward.runtime.doctor_storage import default_state_folder

    demands = (_described(system),) if system else profile_demands()
    folder = state_dir or default_state_folder() / (system.stem if system else "")
    examination = examine(_measured(seconds, folder, quiet=as_json), demands)
    if as_json:
        typer.echo(json.dumps(examination.as_json(), ensure_ascii=False, allow_nan=False))
    else:
        show(examination, Console(highlight=False))
    if not examination.usable:
        raise typer.Exit(1)


def _described(system: Path) -> Demand:
    from ionward.image.build import load_pack
    from ionward.runtime.doctor import system_demand

    return system_demand(load_pack(system)[0])


def _measured(seconds: float, folder: Path, quiet: bool) -> Readings:
    from ionward.runtime.doctor import measure

    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(None), TimeRemainingColumn())
    hidden = quiet or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        task = progress.add_task("measuring", total=1.0)

        def report(what: str, share: float) -> None:
            progress.update(task, description=f"measuring {what}", completed=share)

        return measure(folder, seconds, _is_warm(), report)


def _is_warm() -> bool | None:
    """Nothing is left to compile; not known where the compiler cannot even be loaded."""
    try:
        from ionward.proving.warm import is_warm
    except Exception:  # whatever a broken compiler raises: the doctor tells it as a finding
        return None
    return is_warm()


def show(examination: Examination, console: Console) -> None:
    """Print what was found for a person."""
    console.print(_wakeups(examination))
    console.print()
    console.print(_checks(examination.findings))
    console.print()
    console.print(_verdicts(examination))
    _changes(examination, console)


def _verdict(verdict: str) -> Text:
    return Text(verdict, STYLES[verdict])


def _table(title: str, *columns: str, right: Sequence[str] = ()) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(
            column, header_style="dim", no_wrap=column != "found", justify="right" if column in right else "left"
        )
    return table


def _wakeups(examination: Examination) -> Table:
    numbers = ("p50", "p99", "p99.9", "max", "overruns", "of")
    table = _table("How late it is woken, in ms", "loop", "", *numbers, "verdict", right=numbers)
    checks = [finding.check for finding in examination.findings if finding.check.area == WAKE]
    for one, check in zip(examination.readings.wakeups, checks, strict=True):
        verdict = _verdict(check.verdict) if check.counts else Text("not needed", "dim")
        table.add_row(f"{one.period_ms:g} ms", "as control", *_lateness(one.loop), verdict)
        table.add_row("", "bare sleeper", *_lateness(one.bare), style="dim")
    loops = [one.loop for one in examination.readings.wakeups if one.loop]
    if loops:
        rights = (loops[0].fifo, "with SCHED_FIFO"), (loops[0].memory_locked, "its memory locked")
        had = " and ".join(name for right, name in rights if right) or "without any right, as none is permitted here"
        table.caption = f"as control: {had}; bare sleeper: an ordinary program beside it, at the same time"
        table.caption_justify = "left"
    return table


def _lateness(late: Lateness | None) -> list[str]:
    if late is None:
        return ["–"] * 6
    figures = (late.p50_ms, late.p99_ms, late.p999_ms, late.max_ms)
    return [*(f"{value:.3f}" for value in figures), f"{late.overruns:,}", f"{late.n:,}"]


def _checks(findings: Sequence[Finding]) -> Table:
    table = _table("What was found", "", "verdict", "found")
    area = ""
    for finding in findings:
        check = finding.check
        if check.area == WAKE:
            continue  # in a table of their own
        if check.area != area:
            area = check.area
            table.add_row(Text(area, "bold"))
        table.add_row(f"  {check.name}", _verdict(check.verdict), Text(check.figure))
    return table


def _verdicts(examination: Examination) -> Table:
    table = _table("Good enough for", "", "cycle", "verdict", "found")
    table.columns[-1].header = "because of"
    for one in examination.judged:
        demand = one.demand
        cells = f"{demand.cells} cell{'s' if demand.cells > 1 else ''}"
        name = demand.profile if demand.name.startswith(f"{demand.profile} at ") else demand.name
        because = ", ".join(check.name for check in one.because)
        table.add_row(f"{name}, {cells}", f"{demand.cycle_s * 1e3:g} ms", _verdict(one.verdict), Text(because))
    return table


def _changes(examination: Examination, console: Console) -> None:
    wanted = [f for f in examination.findings if f.check.change and f.check.counts]
    if not wanted:
        return
    console.print()
    console.print(Text("What to change", "bold"))
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column()
    for finding in sorted(wanted, key=lambda f: f.check.verdict != "bad"):
        change = Text(finding.check.change)
        if others := [j.demand.name for j in examination.judged if j.demand.name not in finding.concerns]:
            few = len(finding.concerns) <= len(others)
            change.append(f" ({', '.join(finding.concerns) if few else 'all but ' + ', '.join(others)})", "dim")
        table.add_row(Text(finding.check.name, STYLES[finding.check.verdict]), change)
    console.print(table)
