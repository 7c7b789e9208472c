"""`ionward safety`: the safety case, from requirements to code and tests, and how fast each fault is answered."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ionward.cli.spread import SpreadCommand
from ionward.image.build import load_pack
from ionward.safety_case.case import load_case
from ionward.safety_case.reaction import Reaction, measured_reactions, reactions
from ionward.safety_case.trace import Trace, find_tests
from ionward.safety_case.trace import trace as trace_case

safety_app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="The safety case: requirements, traces, reaction times."
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")]


@safety_app.command("trace", cls=SpreadCommand)
def trace(
    tests: Annotated[
        Path | None, typer.Option("--tests", help="Folder of the tests; default: that of this checkout.")
    ] = None,
    json: Json = False,
) -> None:
    """Trace each requirement to code, tests, faults and safety goals.

    Exit code 1 when a requirement has no verifying test or no code, a test names a requirement that does not exist, a
    fault has no requirement, or something else does not fit together. It reads source files, so it needs a checkout.
    """
    traced = trace_case(load_case(), find_tests(tests))
    if json:
        typer.echo(json_format.dumps(traced.as_dict(), indent=2, ensure_ascii=False))
    else:
        _show_trace(traced, Console(highlight=False))
    if traced.problems:
        raise typer.Exit(1)


def _show_trace(traced: Trace, console: Console) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("requirement", "fault", "goals", "code", "tests"):
        table.add_column(name, header_style="dim", justify="right" if name in ("code", "tests") else "left")
    for name, row in sorted(traced.requirements.items()):
        fault = f"{row.requirement.fault} (planned)" if row.planned else row.requirement.fault
        table.add_row(name, fault, " ".join(row.goals), str(len(row.code)), str(len(row.tests)))
    console.print(table)
    done = len(traced.requirements) - len(traced.planned)
    console.print(f"{done} requirements traced, {len(traced.planned)} planned; --json names code and tests")
    for problem in traced.problems:
        console.print(Text.assemble(("problem: ", "bold red"), problem))


@safety_app.command("reaction", cls=SpreadCommand)
def reaction(
    file: Annotated[Path, typer.Argument(help="System file (.toml).", show_default=False)],
    prove: Annotated[
        Path | None, typer.Option("--prove", help="What `ionward prove --json` printed: shown beside.")
    ] = None,
    json: Json = False,
) -> None:
    """Show the longest time to the answer of each fault, from a pack's configuration, against its FTTI.

    Exit code 1 when an answer can be later than its FTTI.
    """
    system, _ = load_pack(file)
    rows = reactions(system, measured_reactions(prove) if prove else None)
    late = [r for r in rows if not r.in_time]
    if json:
        found = {"ok": not late, "reactions": [r.as_dict() for r in rows]}
        typer.echo(json_format.dumps(found, indent=2, ensure_ascii=False))
    else:
        _show_reactions(rows, bool(prove), Console(highlight=False))
    if late:
        raise typer.Exit(1)


def _show_reactions(rows: list[Reaction], measured: bool, console: Console) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), caption="milliseconds", caption_justify="left")
    columns = ["decided", "open", "bound", "FTTI"]
    if measured:
        columns.append("measured")
    for name in ("fault", "level", *columns, "in time"):
        table.add_column(name, header_style="dim", justify="right" if name in columns else "left", no_wrap=True)
    for r in rows:
        shown = [f"{1000 * t:.0f}" for t in (r.total_s - r.open_s, r.open_s, r.total_s, r.budget_s)]
        if measured:
            shown.append("–" if r.measured_s is None else f"{1000 * r.measured_s:.0f}")
        table.add_row(r.fault, r.level, *shown, Text("yes") if r.in_time else Text("no", "bold red"))
    console.print(table)
    late = sum(not r.in_time for r in rows)
    if late:
        console.print(
            f"{late} of {len(rows)} answers can be later than their FTTI; shorten the delays of these levels or "
            "contactors.open_wait_s"
        )
    else:
        console.print(f"all {len(rows)} answers keep their FTTI")
