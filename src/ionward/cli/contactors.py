"""`ionward contactors`: how far the main contactors are worn, and that one was replaced."""

from __future__ import annotations

import json as json_format
import time
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.text import Text

from ionward.errors import UserError
from ionward.runtime.plan import live_folder_of
from ionward.runtime.replacement import CONTACTORS, Wear, read_state, replace_contactors, wear_of
from ionward.runtime.state_store import lock_state_folder


def contactors(
    state_dir: Annotated[Path, typer.Argument(help="State folder of `ionward run`.", show_default=False)],
    replaced: Annotated[
        Literal["positive", "negative", "both"] | None,
        typer.Option(help="This one was replaced: its wear counts from nothing again.", show_default=False),
    ] = None,
    by: Annotated[str, typer.Option(help="Who replaced it and answers for it.", show_default=False)] = "",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> None:
    """Tell how far the main contactors are worn; with --replaced, set the wear of new ones back.

    The BMS has to be stopped for that, as for the work itself. It is noted in the fault memory, with the wear before
    and the name given.
    """
    if by.strip() and replaced is None:
        raise UserError("--by goes with --replaced: say which contactor was replaced")
    live_folder = live_folder_of(state_dir)
    if replaced is None:
        show(wear_of(read_state(state_dir, live_folder)), json)
        return
    if not by.strip():
        raise UserError("--replaced needs --by: the name of who replaced it and answers for it")
    chosen = CONTACTORS if replaced == "both" else (replaced,)
    read_state(state_dir, live_folder)  # a folder that is not there is not made
    with lock_state_folder(state_dir):
        before = replace_contactors(state_dir, live_folder, chosen, by.strip(), time.time())
        after = wear_of(read_state(state_dir, live_folder))
    if not json:
        for name in chosen:
            typer.echo(
                f"{name}: was worn {getattr(before, name):.1%}, counts from nothing again; noted for {by.strip()}"
            )
    show(after, json)


def show(wear: Wear, json: bool) -> None:
    """Print the wear."""
    if json:
        typer.echo(json_format.dumps(wear._asdict(), ensure_ascii=False))
        return
    console = Console(highlight=False)
    console.print(Text(f"{wear.pack}: share of the contactors' life that is used up", "bold"))
    for name in CONTACTORS:
        console.print(Text(f"  {name}  {getattr(wear, name):.1%}"))
