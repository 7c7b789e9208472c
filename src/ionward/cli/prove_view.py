"""How a proof looks in the terminal: progress, what failed and why, and a line for each fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from ionward.image.faults import BY_ID
from ionward.proving.prove.cases import Case
from ionward.proving.prove.proof import Proof, Report

FAILURES_SHOWN = 60


@contextmanager
def progress_display(console: Console, quiet: bool) -> Iterator[Report]:
    """A line for each part of the proof."""
    if quiet or not console.is_terminal:
        yield lambda _part, _done, _total: None
        return
    # No thread of its own for refreshing: the workers are forks of this process.
    bar = Progress(
        TextColumn("{task.description:<28}"), BarColumn(bar_width=30), MofNCompleteColumn(), console=console,
        auto_refresh=False,
    )  # fmt: skip
    parts: dict[str, object] = {}
    with bar:

        def show(part: str, done: int, total: int) -> None:
            if part not in parts:
                parts[part] = bar.add_task(part, total=total)
            bar.update(parts[part], completed=done, total=total, refresh=True)  # type: ignore[arg-type]

        yield show


def print_proof(console: Console, proof: Proof, show_all: bool) -> None:
    """Failures first, then a line for each fault, then the verdict."""
    if proof.failed and not show_all:
        console.print(case_table("Missed or late", proof.failed[:FAILURES_SHOWN]))
        if len(proof.failed) > FAILURES_SHOWN:
            console.print(f"… and {len(proof.failed) - FAILURES_SHOWN} more (--all shows them)")
    if show_all:
        console.print(case_table("All cases", sorted(proof.cases, key=lambda c: c.ok)))
    console.print(fault_table(proof))
    for fault, why in proof.unproven():
        console.print(f"[dim]{fault}: not injected: {why or 'its levels are switched off, or nothing is fitted'}")
    console.print(_verdict(proof))


def _verdict(proof: Proof) -> str:
    bad = len(proof.failed)
    if not proof.cases:
        return "[red]Nothing was proven: no fault could be injected in this pack."
    if proof.ok:
        return f"[green]{len(proof.cases)} cases, all in time ({proof.wall_s:.0f} s)."
    return f"[red]{bad} of {len(proof.cases)} cases missed or late ({proof.wall_s:.0f} s)."


def case_table(title: str, cases: list[Case]) -> Table:
    """One line for each case."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in ("fault", "level", "at", "place", "told", "open", "budget"):
        table.add_column(name, header_style="dim", justify="right" if name in ("told", "open", "budget") else "left")
    table.add_column("", header_style="dim", overflow="fold")
    for c in cases:
        words = f"[green]ok[/] [dim]{c.reason}[/]" if c.ok else f"[red]{c.reason}[/]"
        table.add_row(
            c.fault, c.level, c.operating_point.replace("_", " "), c.place, ms(c.detected_ms),
            ms(c.opened_ms) if c.opens else "–", ms(c.budget_ms), words,
        )  # fmt: skip
    return table


def fault_table(proof: Proof) -> Table:
    """One line for each fault: its slowest case."""
    table = Table(title=f"{proof.system.system.name}: each fault, slowest case", title_justify="left", box=None,
                  pad_edge=False)  # fmt: skip
    for name in ("", "fault", "requirement", "cases", "told after", "open after", "budget", "margin"):
        left = name in ("", "fault", "requirement")
        table.add_column(name, header_style="dim", justify="left" if left else "right")
    groups: dict[str, list[Case]] = {}
    for case in proof.cases:
        groups.setdefault(case.fault, []).append(case)
    for fault, cases in groups.items():
        told = worst(cases, lambda c: c.detected_ms)
        opened = worst([c for c in cases if c.opens], lambda c: c.opened_ms)
        margins = [c.margin_ms for c in cases if c.margin_ms is not None]
        margin = min(margins) if len(margins) else None
        bad = sum(not c.ok for c in cases)
        table.add_row(
            "[red]✗" if bad else "[green]✓", BY_ID[fault].name, cases[0].requirement,
            f"[red]{bad} of {len(cases)}" if bad else str(len(cases)), ms(told), ms(opened), ms(cases[0].budget_ms),
            ms(margin),
        )  # fmt: skip
    return table


def worst(cases: list[Case], of: Callable[[Case], float | None]) -> float | None:
    """The longest of the times that there are."""
    times = [t for t in map(of, cases) if t is not None]
    return max(times) if times else None


def ms(value: float | None) -> str:
    """A time as a person reads it."""
    if value is None:
        return "–"
    if abs(value) >= 10_000.0:
        return f"{value / 1000.0:.1f} s"
    return f"{value:.0f} ms"
