"""`ionward bench reaction` and `ionward bench failures`: what takes how long, through the real processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

import ionward
from ionward.errors import UserError

CYCLES_MS = (1.0, 2.0, 5.0, 10.0, 20.0)


def bench_reaction(system: Path | None, cycle_ms: float, seconds: float, as_json: bool, faults: bool) -> None:
    """Measure the reaction to an overcurrent, or to ten faults, and print tables or one JSON object."""
    described = _described(system, cycle_ms)
    from ionward.proving.reaction import KINDS, OVERCURRENT, measure_reaction

    with Console(stderr=True).status("starting the processes …") as status:

        def show(elapsed_s: float, trials: int) -> None:
            status.update(f"{trials} reactions in {elapsed_s:.0f} of {seconds:.0f} s")

        values = measure_reaction(described, seconds, show, tuple(KINDS) if faults else (OVERCURRENT,)).as_json()
    if as_json:
        typer.echo(json.dumps(values))
    else:
        if faults:
            Console().print(_faults(values))
        Console().print(_table(values))


def bench_failures(system: Path | None, cycle_ms: float, trials: int, as_json: bool) -> None:
    """Measure what a dead or frozen process leads to, and print a table or one JSON object."""
    described = _described(system, cycle_ms)
    from ionward.proving.failures import measure_failures

    with Console(stderr=True).status("starting the processes …") as status:
        values = measure_failures(described, trials, lambda cause, k: status.update(f"{cause}: {k + 1} of {trials}"))
    if as_json:
        typer.echo(json.dumps(values))
        return
    table = Table(title=f"From the cause to open contacts, cycle {cycle_ms:g} ms")
    for name in ("", "trials", "within 100 ms", "p50", "largest"):
        table.add_column(name, justify="right" if name else "left")
    for cause, row in values.items():
        table.add_row(cause, str(row["n"]), str(row["within_100_ms"]), _ms(row["p50_ms"]), _ms(row["max_ms"]))
    Console().print(table)


def _described(system: Path | None, cycle_ms: float) -> Any:
    """The pack at the cycle asked for, with everything compiled."""
    if cycle_ms not in CYCLES_MS:
        raise UserError(f"--cycle-ms {cycle_ms:g}: choose one of {', '.join(f'{c:g}' for c in CYCLES_MS)}")
    from ionward.cli.warmup import compile_first
    from ionward.image.build import load_pack
    from ionward.proving.reaction import at_cycle

    chosen = system or Path(ionward.__file__).parents[2] / "examples" / "ev-96s.toml"
    if not chosen.is_file():
        raise UserError(f"{chosen}: no such file; name a pack with --system")
    compile_first()
    return at_cycle(load_pack(chosen)[0], cycle_ms / 1000.0)


def _faults(values: dict[str, Any]) -> Table:
    """One row for each fault: what the ladder waits, what was measured, and the budget."""
    table = Table(title="From the samples of a fault to the contactor output or the pyrofuse, in ms", box=None)
    for name in ("fault", "n", "missed", "debounce", "p50", "largest", "budget", ""):
        table.add_column(name, justify="left" if name in ("fault", "") else "right", no_wrap=True)
    for row in values["faults"]:
        table.add_row(
            row["fault"], str(row["n"]), str(row["missed"]), f"{row['debounce_ms']:g}",
            _number(row["p50_ms"]), _number(row["max_ms"]), f"{row['budget_ms']:g}",
            "" if row["within_budget"] else "late",
        )  # fmt: skip
    return table


def _table(values: dict[str, Any]) -> Table:
    table = Table(
        title=f"Overcurrent sample to contactor output, cycle {values['cycle_ms']:g} ms, {values['n']} reactions",
        caption="with real-time priority" if values["fifo"] else "without real-time priority: not permitted here",
    )
    for name in ("", "p50", "p99", "p99.9", "largest"):
        table.add_column(name, justify="right" if name else "left")
    keys = ("p50_ms", "p99_ms", "p999_ms", "max_ms")
    table.add_row("reaction", *(_ms(values[key]) for key in keys))
    debounce = values["debounce_ms"]
    table.add_row(
        f"beyond the debounce of {debounce:g} ms",
        *(_ms(None if values[key] is None else values[key] - debounce) for key in keys),
    )
    for role, health in values["processes"].items():
        late = [health[f"late_p{q}_ms"] for q in ("500", "990", "999")]
        table.add_row(f"{role}: woken late", *(_ms(x) for x in late), _ms(health["lateness_max_ms"]))
    bare = values["bare_sleeper"]
    if bare is not None:
        row = (bare[key] for key in keys)
        table.add_row("a bare sleeper beside it: woken late", *(_ms(x) for x in row))
    return table


def _ms(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f} ms"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.1f}"
