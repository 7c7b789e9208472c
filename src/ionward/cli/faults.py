"""`ionward faults`: the catalogue of faults, and what each one means."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ionward.battery.problems import did_you_mean
from ionward.errors import UserError
from ionward.image.fault_levels import LEVEL_NAMES
from ionward.image.faults import BY_ID, FAULTS, Fault, Level


def faults(
    fault: Annotated[str, typer.Argument(help="A fault to explain; none: list all.", show_default=False)] = "",
) -> None:
    """List the faults that Ionward knows, or explain one of them.

    Thresholds here are the catalogue's; `ionward check FILE` shows them as they count in a pack.
    """
    console = Console(highlight=False)
    if not fault:
        console.print(catalogue())
        return
    if fault not in BY_ID:
        raise UserError(f"unknown fault '{fault}'; {did_you_mean(fault, BY_ID)}")
    explain(BY_ID[fault], console)


def catalogue() -> Table:
    """All faults with their levels."""
    table = Table(box=None, pad_edge=False)
    for name in ("fault", "name", "levels", "DTC"):
        table.add_column(name, header_style="dim")
    for fault in FAULTS:
        levels = [name for name, level in zip(LEVEL_NAMES, fault.levels, strict=True) if level is not None]
        table.add_row(fault.id, fault.name, ", ".join(levels), f"{fault.dtc:06X}")
    return table


def explain(fault: Fault, console: Console) -> None:
    """Print one fault: what it means, what to do, and its ladder."""
    console.print(
        Text(fault.name, style="bold"), Text(f"  {fault.id}, DTC {fault.dtc:06X}, {fault.requirement}", "dim")
    )
    console.print(Text(fault.meaning))
    console.print(Text(f"What to do: {fault.action}"))
    latching = "waits to be acknowledged once it reached fault or critical" if fault.latching else "goes by itself"
    console.print(Text(f"It {latching}."))
    for name, level in zip(LEVEL_NAMES, fault.levels, strict=True):
        if level is not None:
            console.print(Text(f"  {name:<9}{_ladder_step(fault, level)}"))


def _ladder_step(fault: Fault, level: Level) -> str:
    unit = f" {fault.unit}" if fault.unit else ""

    def threshold(value: float) -> str:
        if not fault.relative_to:
            return f"{value:g}{unit}"
        return f"{value:g} x {fault.relative_to}" if fault.factor else f"{fault.relative_to} {value:+g}{unit}"

    samples = f"{level.delay_samples} new sample{'s' if level.delay_samples > 1 else ''}"
    return (
        f"{fault.direction} {threshold(level.set)} in {samples} and for {level.delay_s:g} s; "
        f"left at {threshold(level.clear)}"
    )
