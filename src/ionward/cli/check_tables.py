"""Pieces of what `ionward check` prints."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text


def facts(title: str, rows: list[tuple[str, str]]) -> Table:
    """A table of names and what is to be said of them."""
    table = Table(title=title, title_justify="left", title_style="bold", show_header=False, box=None, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for row in rows:
        table.add_row(*row)
    return table


def seconds(value: float) -> str:
    """A time as a person reads it."""
    if value >= 120:
        return f"{value / 60:.3g} min"
    return f"{value:.3g} s" if value >= 1 else f"{value * 1e3:.3g} ms"


def doubts(found: list[str], console: Console) -> None:
    """What looks doubtful, or that nothing does."""
    console.print()
    if not found:
        console.print("The description is complete and nothing in it looks doubtful.", style="green")
        return
    console.print("It can be used. Doubtful:", style="yellow")
    for doubt in found:
        console.print(Text(f"- {doubt}"))
