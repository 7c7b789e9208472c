"""`ionward warm-up`, and the words on screen when something must be compiled first."""

from __future__ import annotations

import time

from rich.console import Console


def compile_first(console: Console | None = None, command: str = "") -> float:
    """Compile what a command uses (all, where none is named) and is not in the cache yet, showing what is going on.

    Returns the seconds that it took.
    """
    from ionward.proving.warm import is_warm, warm_up

    if is_warm(command):
        return 0.0
    shown = console or Console(stderr=True)
    began = time.monotonic()
    with shown.status("first use: compiling the control core") as status:
        troubles = warm_up(lambda what: status.update(f"first use: compiling the control core ({what})"), command)
    for trouble in troubles:
        shown.print(f"not compiled beforehand: {trouble}", style="yellow", markup=False)
    return time.monotonic() - began


def warm_up() -> None:
    """Compile the control core beforehand, so that every command starts at once."""
    took = compile_first()
    print(f"compiled in {took:.0f} s" if took else "everything is compiled already")
