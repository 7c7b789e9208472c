"""The fault memory on the command line: all of it, or one fault with the second before it and the second after."""

from __future__ import annotations

import json as json_format
from datetime import datetime
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ionward.errors import UserError
from ionward.runtime.fault_frames import JUDGED
from ionward.runtime.fault_memory_view import MemoryReader, memory_view, one_fault

Item = dict[str, Any]

SHOWN_AT_S = (-1.0, -0.5, -0.1, 0.0, 0.1, 0.5, 1.0)
NEAR_S = 0.05


def tell_memory(state_dir: Path, fault: str, json: bool) -> None:
    """Print the fault memory of a state folder, or what it holds of one fault.

    Raises:
        UserError: there is no such folder, it cannot be read, or the fault is not in it.
    """
    if not state_dir.is_dir():
        raise UserError(f"{state_dir}: no such folder; give the state folder of a run (--state-dir)")
    reader = MemoryReader(state_dir)
    stored = reader.read_frames()
    if not reader.path.exists():
        raise UserError(f"{state_dir}: holds no fault memory ({reader.path.name}); give the state folder of a run")
    if stored.problems and stored.pack is None and not stored.memory.entries:
        raise UserError(*stored.problems)
    view: Item = memory_view(stored)
    if fault:
        view["entries"] = one_fault(stored, fault)
        if not view["entries"]:
            raise UserError(f"{fault}: is not in the fault memory of {state_dir}")
    if json:
        typer.echo(json_format.dumps(view, indent=2, ensure_ascii=False))
        return
    console = Console(highlight=False)
    for problem in view["problems"]:
        console.print(Text(problem, "bold"))
    if fault:
        for entry in view["entries"]:
            _tell_one(entry, view, console)
        return
    console.print(_table(view) if view["entries"] else "No fault is remembered.")
    console.print(Text(_about(view), "dim"))
    for note in view["notes"]:
        console.print(Text(f"{_clock(note['time'])}: {note['text']}", "dim"))


def status_words(entry: Item) -> str:
    """The status of an entry in words."""
    words = [
        entry["level"] if entry["test_failed"] else "",
        "latched" if entry["latched"] else "",
        "confirmed" if entry["confirmed"] else "pending" if entry["pending"] else "",
    ]
    return ", ".join(word for word in words if word) or "over"


def _table(view: Item) -> Table:
    table = Table(box=None, pad_edge=False)
    for name, widest in (("fault, DTC-status", None), ("where", 16), ("at worst, status", 16), ("count", None),
                         ("first, last, ageing", None)):  # fmt: skip
        table.add_column(name, header_style="dim", max_width=widest, no_wrap=widest is None)
    for entry in view["entries"]:  # three lines each, so that all of it stands in 80 columns
        ageing = f"{entry['cycles_without']} of {view['ageing_cycles']} cycles without"
        table.add_row(
            f"{entry['fault']}\n{entry['dtc']}-{entry['status']:02X}", entry["where"] or "pack",
            f"{entry['worst']}\n{status_words(entry)}", str(entry["count"]),
            f"{_clock(entry['first'])}\n{_clock(entry['last'])}\n{ageing}",
        )  # fmt: skip
    return table


def _about(view: Item) -> str:
    cleared = f", cleared {_clock(view['cleared'])}" if view["cleared"] else ""
    lost = f", {view['lost']} not kept for lack of room" if view["lost"] else ""
    return f"operation cycle {view['cycle']}, since {_clock(view['cycle_began'])}{cleared}{lost}"


def _tell_one(entry: Item, view: Item, console: Console) -> None:
    where = f", {entry['where']}" if entry["where"] else ""
    console.print(Text(f"{entry['name']}{where}", "bold"), Text(f"  {entry['fault']}, DTC {entry['dtc']}", "dim"))
    console.print(
        f"{status_words(entry)}; at worst {entry['worst']}; {_times(entry['count'])}, first {_clock(entry['first'])}, "
        f"last {_clock(entry['last'])}; {entry['cycles_without']} of {view['ageing_cycles']} cycles without it"
    )
    console.print(Text(f"What to do: {entry['action']}"))
    for which, frame in entry["frames"].items():
        console.print(_frame_table(which, frame))


def _frame_table(which: str, frame: Item) -> Table:
    """A frame at a few moments; what is not known in any of them is left out."""
    whole = "" if frame["complete"] else ", the second after is not whole"
    gaps = f", {frame['gaps']} gaps" if frame["gaps"] else ""
    title = f"{which} time, {_clock(frame['time'])} ({len(frame['time_s'])} rows{gaps}{whole})"
    table = Table(box=None, pad_edge=False, title=title, title_justify="left")
    table.add_column("seconds from the fault", header_style="dim")
    rows = [_nearest(frame["time_s"], at_s) for at_s in SHOWN_AT_S]
    kept = [(at_s, row) for at_s, row in zip(SHOWN_AT_S, rows, strict=True) if row is not None]
    for at_s, _ in kept:
        table.add_column(f"{at_s:+g}" if at_s else "0", header_style="dim", justify="right")
    for name, signal in frame["signals"].items():
        values = [signal["values"][row] for _, row in kept]
        if any(value is not None for value in values):
            unit = f" ({signal['unit']})" if signal["unit"] else ""
            label = "judged by its rule" if name == JUDGED else name
            table.add_row(f"{label}{unit}", *(_shown(value, signal["choices"]) for value in values))
    return table


def _shown(value: float | None, choices: list[str]) -> str:
    if value is None:
        return "–"
    return choices[int(value)] if 0 <= value < len(choices) else f"{value:.6g}"


def _nearest(times_s: list[float | None], at_s: float) -> int | None:
    """The row that is nearest to a moment; None where none is near."""
    known = [(abs(t - at_s), k) for k, t in enumerate(times_s) if t is not None]
    distance_s, row = min(known, default=(NEAR_S + 1.0, 0))
    return row if distance_s <= NEAR_S else None


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _clock(iso: str | None) -> str:
    """A time as local time of day with its date."""
    if not iso:
        return "–"
    return datetime.fromisoformat(iso.replace("Z", "+00:00")).astimezone().strftime("%Y-%m-%d %H:%M:%S")
