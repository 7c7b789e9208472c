"""`ionward replay`, `ionward export`, `ionward plot`: what can be done with a recording."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from ionward.errors import UserError

RecordingFile = Annotated[Path, typer.Argument(help="The recording.", metavar="RECORDING", show_default=False)]
Signals = Annotated[
    str,
    typer.Option(help="Names with commas between: soc,cell_voltage_v[3],cell_soc[0:8],fault.*.level (see Reference)."),
]


def replay(
    recording: RecordingFile,
    verify: Annotated[bool, typer.Option("--verify", help="Only compare; do not tell what happened.")] = False,
    from_s: Annotated[
        float, typer.Option("--from-s", min=0, help="Begin at the last checkpoint before this time after the start.")
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Run a recording again through the tick and compare every output. Exit code 1 where it differs."""
    from ionward.runtime import replay as replaying

    result = replaying.replay(recording, from_s)
    if as_json:
        typer.echo(json.dumps(asdict(result) | {"agrees": result.agrees}))
    else:
        console = Console(highlight=False, soft_wrap=True)
        if not verify:
            for line in result.story:
                console.print(line, markup=False)
        colour = "green" if result.agrees else "red"
        for line in result.lines():
            console.print(line, style=colour if line == result.lines()[-1] else None, markup=False)
        console.print(f"digest {result.digest}", markup=False)
    if not result.agrees:
        raise typer.Exit(1)


def export(
    recording: RecordingFile,
    to: Annotated[str, typer.Option("--to", help="parquet or csv.", show_default=False)],
    signals: Signals = "",
    every: Annotated[float, typer.Option(min=0, help="Seconds between rows; 0 for every tick.")] = 1.0,
    out: Annotated[Path | None, typer.Option(help="File to write (default: beside the recording).")] = None,
) -> None:
    """Write signals of a recording as a table: Parquet for analysis, CSV for everything else."""
    from ionward.runtime import export as exporting

    if to not in ("parquet", "csv"):
        raise UserError(f"--to {to}: unknown format, choose parquet or csv")
    target = out or recording.with_suffix(f".{to}")
    if target.resolve() == recording.resolve():
        raise UserError(f"{target}: would overwrite the recording, name another file with --out")
    kind: Literal["parquet", "csv"] = "parquet" if to == "parquet" else "csv"
    done = exporting.export(recording, target, kind, _names(signals), every)
    for text in done.losses:
        typer.echo(f"lost: {text}", err=True)
    if done.rows == 0:
        typer.echo(f"{recording}: no tick is recorded, {target} holds the names of the columns only", err=True)
        return
    typer.echo(f"{target}: {done.rows} rows, {done.columns} signals, {done.first_s:.3f} s to {done.last_s:.3f} s")


def plot(
    recording: RecordingFile,
    signals: Signals = "",
    out: Annotated[Path | None, typer.Option(help="Picture to write (default: .png beside the recording).")] = None,
) -> None:
    """Draw a recording: an overview of currents, voltages, cells, SOC, temperatures and states, or chosen signals."""
    from ionward.runtime import figure

    target = out or recording.with_suffix(".png")
    if target.resolve() == recording.resolve():
        raise UserError(f"{target}: would overwrite the recording, name another file with --out")
    for text in figure.plot(recording, target, _names(signals)):
        typer.echo(f"lost: {text}", err=True)
    typer.echo(str(target))


def _names(signals: str) -> list[str]:
    return [name for name in (s.strip() for s in signals.split(",")) if name]
