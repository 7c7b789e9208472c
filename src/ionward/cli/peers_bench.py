"""`ionward bench peers`: how soon units in real processes notice the loss of one, and go on without it."""

from __future__ import annotations

import json

import typer
from rich.console import Console
from rich.table import Table

from ionward.cli.bench import load_benchmark
from ionward.errors import UserError

MEASURES = {
    "loss_detect_ms": "until both others miss it",
    "takeover_ms": "until another speaks for the site",
    "reshare_ms": "until its share of the limits is given up",
}


def bench_peers(trials: int, as_json: bool) -> None:
    """Measure, and print as a table or as JSON.

    Raises:
        UserError: there is no source tree, or the units did not come together.
    """
    measure = load_benchmark("peers").measure
    with Console(stderr=True).status("three units, of which the speaker is lost again and again …"):
        try:
            figures = measure(trials)
        except RuntimeError as error:
            raise UserError(f"peers: {error}; try again on a machine with less to do") from None
    if as_json:
        typer.echo(json.dumps(figures))
        return
    table = Table(title=f"Three units over Zenoh, the speaker lost {trials} times each way, in ms")
    table.add_column("From the loss")
    for name in ("", "median", "p99", "largest"):
        table.add_column(name, justify="right")
    for name, meaning in MEASURES.items():
        for n, (how, values) in enumerate(figures[name].items()):
            row = [f"{values[part]:.1f}" for part in ("p50", "p99", "max")]
            table.add_row("" if n else meaning, how, *row, end_section=how == "partitioned")
    trip = figures["round_trip_ms"]
    table.add_row("a message there and back", "", *(f"{trip[part]:.2f}" for part in ("p50", "p99", "max")))
    Console().print(table)
