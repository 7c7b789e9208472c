"""`ionward bench reaction`: raw overcurrent sample in to contactor output, through the real processes."""

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


def bench_reaction(system: Path | None, cycle_ms: float, seconds: float, as_json: bool) -> None:
    """Measure, and print a table or one JSON object."""
    if cycle_ms not in CYCLES_MS:
        raise UserError(f"--cycle-ms {cycle_ms:g}: choose one of {', '.join(f'{c:g}' for c in CYCLES_MS)}")
    from ionward.cli.warmup import compile_first
    from ionward.image.build import load_pack
    from ionward.proving.reaction import measure_reaction

    example = Path(ionward.__file__).parents[2] / "examples" / "ev-96s.toml"
    chosen = system or example
    if not chosen.is_file():
        raise UserError(f"{chosen}: no such file; name a pack with --system")
    compile_first()
    described, _ = load_pack(chosen)
    console = Console(stderr=True)
    with console.status("starting the processes …") as status:

        def show(elapsed_s: float, trials: int) -> None:
            status.update(f"{trials} reactions in {elapsed_s:.0f} of {seconds:.0f} s")

        values = measure_reaction(described, cycle_ms / 1000.0, seconds, show).as_json()
    if as_json:
        typer.echo(json.dumps(values))
        return
    Console().print(_table(values))


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
