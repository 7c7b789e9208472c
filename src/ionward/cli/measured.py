"""`ionward simulate … --from CAPTURE`: the complete BMS on measured data, and what it cannot know."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ionward.errors import UserError

EVENTS_SHOWN = 30
LEVEL_STYLES = {"none": "dim", "info": "cyan", "warning": "yellow", "fault": "red", "critical": "bold red"}


def simulate_from(
    system: Path,
    captures: Sequence[Path],
    duration: float | None = None,
    out: Path | None = None,
    record: Path | None = None,
    as_json: bool = False,
    mapping: Sequence[str] = (),
) -> None:
    """Run a system on captures and tell the result.

    Args:
        system: its file.
        captures: Parquet or CSV files.
        duration: stop after so many seconds.
        out: folder for an overview picture, a summary and the recording.
        record: recording to write.
        as_json: one JSON object instead of text.
        mapping: `NAME=COLUMN` where the columns do not say what they are.

    Raises:
        UserError: a file cannot be read or written, or does not fit.
    """
    from ionward.battery.logs import parse_mapping
    from ionward.hardware.captures import read_captures
    from ionward.image.build import load_pack, system_size
    from ionward.proving.measured import run_measured

    described, _ = load_pack(system)
    read = read_captures(captures, described, system_size(described), parse_mapping(mapping))
    if out is not None:
        if out.is_file():
            raise UserError(f"{out}: is a file; --out names a folder")
        record = record or out / "recording.rec"
    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    with Progress(
        TextColumn("[bold]{task.description}"), BarColumn(bar_width=30), TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(), console=console, transient=True, disable=as_json,
    ) as bar:  # fmt: skip
        task = bar.add_task(described.system.name, total=1.0, state="compiling, some seconds when for the first time")

        def show(where: Any) -> None:
            state = f"{where.done_s:.0f} of {where.whole_s:.0f} s, {where.events} events"
            bar.update(task, completed=where.done_s / where.whole_s, state=state)

        result = run_measured(described, read, duration, record, show, time.time())
    values = result.as_json()
    if out is not None and record is not None:
        _write(out, record, values)
    if as_json:
        typer.echo(json.dumps(values))
    else:
        _tell(console, result)
        for path in (record, out):
            if path is not None:
                console.print(f"written: {path}", markup=False)


def _write(out: Path, record: Path, values: dict[str, Any]) -> None:
    from ionward.runtime.figure import plot

    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "summary.json").write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror}; choose another folder") from None
    if values["ticks"] > 1:
        plot(record, out / "overview.png")


def _tell(console: Console, result: Any) -> None:
    console.print(f"[bold]{escape(result.name)}[/] on {escape(', '.join(result.sources))}")
    speed = result.simulated_s / result.wall_s if result.wall_s > 0 else 0.0
    console.print(
        f"{result.ticks} ticks from {result.first_s:.3f} s over {result.simulated_s:.3f} s, {speed:.0f} x real time"
    )
    soc = (
        f"{100 * result.soc_end:.1f} % ± {100 * result.soc_std_end:.1f}" if math.isfinite(result.soc_end) else "unknown"
    )
    console.print(f"state {result.final_state}, SOC {soc}")
    other = result.comparison
    if other is not None:
        beside = f"the captures' own SOC went from {100 * other.column_start:.1f} to {100 * other.column_end:.1f} %"
        if math.isfinite(other.rmse):
            beside += f"; ours differs by {100 * other.rmse:.1f} points RMS from {other.from_s:.1f} s on"
        console.print(beside)
    limits = result.limits
    console.print(
        f"limits at the end: charge {limits['charge_a']:.0f} A ({limits['charge_rule']}), "
        f"discharge {limits['discharge_a']:.0f} A ({limits['discharge_rule']})"
    )
    console.print(f"contactors: {escape(result.connection.text)}")
    console.print(f"\n[bold]Events[/] ({len(result.events)})")
    for event in result.events[:EVENTS_SHOWN]:
        style = LEVEL_STYLES.get(event["level"], "")
        console.print(f"  {event['time_s']:10.3f} s  [{style}]{event['level']:<8}[/] {escape(event['text'])}")
    if len(result.events) > EVENTS_SHOWN:
        console.print(f"  and {len(result.events) - EVENTS_SHOWN} more (--json has all)")
    console.print(f"\n[bold]Not known[/] ({len(result.unknown)})")
    for text in result.unknown:
        console.print(f"  - {escape(text)}")
    if result.notes:
        console.print("\n[bold]Notes[/]")
        for text in result.notes:
            console.print(f"  - {escape(text)}")
    console.print(f"\ndigest {result.digest}")
