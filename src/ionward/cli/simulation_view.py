"""How a simulation looks in the terminal: live progress, and a summary that a person can act on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ionward.battery.system import System
from ionward.image.signals import LEVELS
from ionward.proving.simulation import Progress as Where
from ionward.proving.simulation import Result, RunResult

LEVEL_STYLES = {"none": "dim", "info": "cyan", "warning": "yellow", "fault": "red", "critical": "bold red"}
EVENTS_SHOWN = 40


def clock(time_s: float) -> str:
    """Simulated time as hours, minutes and seconds."""
    hours, rest = divmod(time_s, 3600.0)
    minutes, seconds = divmod(rest, 60.0)
    return f"{int(hours)}:{int(minutes):02d}:{seconds:05.2f}"


@contextmanager
def progress_display(console: Console, title: str, quiet: bool) -> Iterator[Callable[[Where], None] | None]:
    """A live line: how far, state, SOC, current, speed. Gives what the simulation calls; None without a terminal."""
    if quiet or not console.is_terminal:
        yield None
        return
    bar = Progress(
        BarColumn(bar_width=12),
        TextColumn("{task.fields[clock]}"),
        TextColumn("[cyan]{task.fields[state]:<9}"),
        TextColumn("SOC {task.fields[soc]}"),
        TextColumn("{task.fields[current]:>8}"),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(compact=True),
        console=console,
        refresh_per_second=8,
    )
    console.print(f"[bold]{title}")
    with bar:
        task = bar.add_task(
            title,
            total=None,
            clock=clock(0),
            state="compiling",
            soc="  …  ",
            current="",
            speed="first run: some seconds",
        )

        def show(where: Where) -> None:
            speed = where.simulated_s / where.wall_s if where.wall_s > 0 else 0.0
            bar.update(
                task,
                total=where.duration_s,
                completed=where.simulated_s,
                clock=clock(where.simulated_s),
                state=where.state,
                soc=f"{100 * where.soc:5.1f} %" if where.soc == where.soc else "unknown",
                current=f"{where.current_a:+.1f} A" if where.current_a == where.current_a else "",
                speed=f"{speed:,.0f}x real time",
            )

        yield show


def print_result(console: Console, system: System, result: Result, out: Path | None, record: Path | None) -> None:
    """Summary, events and expectations of a run."""
    tell_masks(console, result.masks)
    console.print(_summary(system, result))
    if result.events:
        console.print(events_table(result))
    else:
        console.print("No events.")
    if result.events_lost:
        console.print(f"[yellow]{result.events_lost} events came too fast to be kept.")
    if result.verdicts:
        console.print(verdicts_table(result))
    if out is not None:
        console.print(f"Plots, summary and traces: [bold]{out}")
    if record is not None:
        console.print(f"Recording: [bold]{record}")


def tell_masks(console: Console, masks: list[str]) -> None:
    """A line for each mask, not to be missed."""
    for words in masks:
        console.print(words, style="bold magenta", markup=False)


def _summary(system: System, result: Result) -> Table:
    table = Table(title=f"{system.system.name}: {result.name}", show_header=False, title_justify="left")
    final = result.final
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    contacts = "closed" if result.contactors_closed else "open"
    if not system.contactors.fitted:
        contacts = "none fitted"
    estimated = f"{100 * final['soc']:.1f} %" if final["soc"] == final["soc"] else "unknown"
    for name, value in (
        ("simulated", f"{clock(result.simulated_s)}, {result.ticks:,} ticks of {1000 * system.cycle.period_s:g} ms"),
        ("took", f"{result.wall_s:.1f} s, {result.speed:,.0f}x real time"),
        ("final state", f"{result.final_state}, contactors {contacts}"),
        ("SOC", f"{estimated} estimated, {100 * final['soc_mean']:.1f} % true "
                f"({100 * final['soc_min']:.1f} to {100 * final['soc_max']:.1f} % over the cells)"),
        ("cell voltage", f"{final['cell_voltage_min_v']:.3f} to {final['cell_voltage_max_v']:.3f} V"),
        ("cell temperature", f"{final['temperature_min_c']:.1f} to {final['temperature_max_c']:.1f} °C"),
        ("seed", str(result.seed)),
        ("digest", result.digest),
    ):  # fmt: skip
        table.add_row(name, value)
    return table


def events_table(result: RunResult) -> Table:
    """Events, the graver ones where there are too many; of a site with their units."""
    table = Table(title="Events", title_justify="left")
    of_site = any("unit" in event for event in result.events)
    for column in ("time", *(["unit"] if of_site else []), "level", "what"):
        table.add_column(column, no_wrap=column != "what")
    # When there are too many, the graver ones are shown.
    shown = result.events
    for least in range(1, len(LEVELS)):
        if len(shown) <= EVENTS_SHOWN:
            break
        shown = [e for e in result.events if LEVELS.index(e["level"]) >= least]
    for event in shown[:EVENTS_SHOWN]:
        style = LEVEL_STYLES[event["level"]]
        level = "over" if event["level"] == "none" else event["level"]
        unit = [Text(event["unit"])] if of_site else []
        table.add_row(clock(event["time_s"]), *unit, f"[{style}]{level}", event["text"])
    if len(result.events) > min(len(shown), EVENTS_SHOWN):
        table.add_row(
            "…", *([""] * (1 + of_site)), f"{len(result.events) - min(len(shown), EVENTS_SHOWN)} more; --json lists all"
        )
    return table


def verdicts_table(result: RunResult) -> Table:
    """What was expected, and what became of it."""
    table = Table(title="Expectations", title_justify="left")
    for column in ("", "expected", "found"):
        table.add_column(column)
    for verdict in result.verdicts:
        table.add_row("[green]met" if verdict.met else "[bold red]not met", verdict.text, verdict.found)
    return table
