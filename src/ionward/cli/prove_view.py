"""How a proof looks in the terminal: progress, what failed and why, and a line for each fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from ionward.battery.system import System
from ionward.image.faults import BY_ID
from ionward.proving.prove.campaign import Campaign, replay
from ionward.proving.prove.cases import Case, alike
from ionward.proving.prove.guard_cases import GuardCase
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
    for points, case in alike(proof.failed):
        at = ", ".join(points).replace("_", " ")
        console.print(f"[red]✗ {case.fault}[/] ({case.level}) at {at}; {case.place}: {case.injected}")
        console.print(f"  [red]{case.reason}")
    if show_all:
        console.print(case_table(sorted(proof.cases, key=_is_ok)))
    if proof.cases:
        console.print(fault_table(proof))
    if proof.guard_cases:
        console.print(guard_table(proof.guard_cases))
    if proof.campaign is not None and proof.campaign.violations:
        console.print(violation_table(proof.campaign))
    for drive in proof.drives:
        for event in drive.raised[:3]:
            console.print(f"[red]false trip[/] in {drive.cycle} ({drive.sensors}) at {event['time_s']:.2f} s: "
                          f"{event['text']}")  # fmt: skip
    for fault, why in proof.unproven():
        if not _is_selected(proof):
            console.print(f"[dim]{fault}: not injected: {why or 'its levels are switched off, or nothing is fitted'}")
    for line in _verdict(proof):
        console.print(line)


def print_replay(console: Console, system: System, parameters: Any, which: str) -> bool:
    """Tell a scenario of the campaign in order; True when an invariant is broken in it."""
    violated = False
    for time_s, words in replay(system, parameters, which):
        violated = violated or words.startswith("VIOLATION")
        console.print(
            f"{time_s:10.3f} s  {words}", style="bold red" if words.startswith("VIOLATION") else "", markup=False
        )
    console.print("[red]An invariant is broken." if violated else "[green]Every invariant holds.")
    return violated


def _is_ok(case: Case) -> bool:
    return case.ok


def _is_selected(proof: Proof) -> bool:
    """Only a part was asked for: what else there is, is no news."""
    return not proof.drives


def _verdict(proof: Proof) -> list[str]:
    if not proof.cases and not proof.guard_cases and proof.campaign is None:
        return ["[red]Nothing was proven: no fault could be injected in this pack."]
    lines = []
    if proof.cases:
        bad = len(proof.failed)
        lines.append(_line(not bad, f"{len(proof.cases)} cases of {len({c.fault for c in proof.cases})} faults",
                           "all in time", f"{bad} missed or late"))  # fmt: skip
    if proof.guard_cases:
        wrong = sum(not c.ok for c in proof.guard_cases)
        lines.append(_line(not wrong, f"{len(proof.guard_cases)} faults of control and guard", "all in time",
                           f"{wrong} missed or late"))  # fmt: skip
    if proof.drives:
        hours = sum(d.simulated_s for d in proof.drives) / 3600
        lines.append(_line(not proof.false_trips, f"{len(proof.drives)} fault-free drives, {hours:.1f} h",
                           "nothing raised", f"{proof.false_trips} false trips"))  # fmt: skip
    if proof.campaign is not None:
        c = proof.campaign
        what = f"{len(c.finished)} random scenarios of seed {c.seed}, {c.simulated_h:.2f} h, {c.ticks:,} ticks"
        lines.append(_line(not c.violations, what, "every invariant holds", f"{len(c.violations)} violations"))
    word = "proven" if proof.cases else "the campaign alone: no invariant broken"
    verdict = f"[green]{word}" if proof.ok else "[red]not proven"
    return [*lines, f"{verdict}[/], in {proof.wall_s:.0f} s"]


def _line(good: bool, what: str, well: str, badly: str) -> str:
    return f"[green]✓[/] {what}: {well}" if good else f"[red]✗[/] {what}: [red]{badly}"


def guard_table(cases: list[GuardCase]) -> Table:
    """One line for each way to break control or guard."""
    table = Table(title="Control and guard", title_justify="left", box=None, pad_edge=False)
    for name in ("", "what", "told by", "told after", "open after", "budget"):
        table.add_column(name, header_style="dim", justify="right" if name in ("told after", "open after", "budget")
                         else "left", overflow="fold")  # fmt: skip
    for c in sorted(cases, key=lambda c: c.ok):
        told = c.told_by if c.ok else f"{c.told_by} [red]{c.reason}"
        table.add_row("[green]✓" if c.ok else "[red]✗", c.name, told, ms(c.detected_ms), ms(c.opened_ms),
                      ms(c.budget_ms))  # fmt: skip
    return table


def violation_table(campaign: Campaign) -> Table:
    """One line for each broken invariant, with the command that replays it."""
    table = Table(title="Broken invariants", title_justify="left", box=None, pad_edge=False)
    for name in ("at", "what", "faults that it takes", "replay with"):
        table.add_column(name, header_style="dim", overflow="fold")
    for v in campaign.violations[:FAILURES_SHOWN]:
        table.add_row(f"{v.time_s:.2f} s", f"[red]{v.sentence()}", "; ".join(v.words) or "none",
                      v.command(campaign.file, campaign.seed))  # fmt: skip
    return table


def case_table(cases: list[Case]) -> Table:
    """One line for each case."""
    table = Table(title="All cases", title_justify="left", box=None, pad_edge=False)
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
