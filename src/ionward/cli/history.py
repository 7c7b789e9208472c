"""`ionward history`: what is kept of minutes to years, made from recordings."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from ionward.cli.spread import SpreadCommand
from ionward.errors import UserError

if TYPE_CHECKING:
    from ionward.runtime.history_query import Series

POINTS, POINTS_SHOWN, EVENTS_SHOWN, EVENTS_MAX = 500, 24, 12, 1000
_AGO = re.compile(r"^-(?P<count>\d+(?:\.\d+)?)(?P<unit>s|min|h|d)$")
_UNITS_S = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_TAKES_VALUE = ("--from", "--to")


class HistoryGroup(TyperGroup):
    """`ionward history STATE_DIR` means `ionward history show STATE_DIR`; a time may begin with a minus."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert `show` where no command is named."""
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h"):
            args = ["show", *args]
        return super().parse_args(ctx, args)


class TimesCommand(SpreadCommand):
    """Takes `--from -1h` as well as `--from=-1h`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Tie a time to its option, so that its minus is not taken for another option."""
        tied: list[str] = []
        for argument in args:
            if tied and tied[-1] in _TAKES_VALUE:
                tied[-1] += f"={argument}"
            else:
                tied.append(argument)
        return super().parse_args(ctx, tied)


history_app = typer.Typer(
    cls=HistoryGroup, add_completion=False, no_args_is_help=True,
    help="What is kept of minutes to years. `ionward history STATE_DIR` tells what there is.",
)  # fmt: skip

Folder = Annotated[
    Path, typer.Argument(help="State folder of `ionward run`, or a history.", metavar="STATE_DIR", show_default=False)
]


@history_app.command("show", cls=TimesCommand)
def show(
    state_dir: Folder,
    signal: Annotated[
        list[str] | None, typer.Option(help="Signals to show: soc cell_voltage_v[17] fault.cell_overvoltage.level …")
    ] = None,
    from_: Annotated[
        str, typer.Option("--from", help="Begin: 2026-05-31, 2026-05-31T14:30 (UTC), or -2h, -7d before the end.")
    ] = "",
    to: Annotated[str, typer.Option(help="End, likewise; left out: the end of the history.")] = "",
    points: Annotated[int | None, typer.Option(help="Stretches that the time is cut into.")] = None,
    to_csv: Annotated[Path | None, typer.Option(help="Write the signals as a table.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the signals into a .png, .svg or .pdf file.")] = None,
    signals: Annotated[bool, typer.Option("--signals", help="List the signals that are kept.")] = False,
    events: Annotated[
        bool, typer.Option("--events", help="List faults and changes of state, the latest 1,000.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Tell what a history holds, or show, write or draw signals of it."""
    from ionward.runtime import history_output, history_query

    root = history_of(state_dir)
    if (to_csv or plot) and not signal:
        raise UserError("--to-csv and --plot need a signal: --signal soc")
    span = history_query.span(root)
    if span is None:
        raise UserError(f"{root}: the history is empty yet; `ionward history make` takes recordings in")
    to_s = moment(to, "--to", span.to_s) if to else span.to_s
    from_s = moment(from_, "--from", span.to_s) if from_ else span.from_s
    for problem in span.problems:
        typer.echo(problem, err=True)
    if signals:
        _show_signals(root, as_json)
    elif events:
        _show_events(history_query.events(root, from_s, to_s, EVENTS_MAX), as_json)
    elif signal:
        written = to_csv or plot or as_json
        count = points if points is not None else POINTS if written else POINTS_SHOWN
        found = [history_query.query(root, name, from_s, to_s, count) for name in signal]
        for problem in dict.fromkeys(text for series in found for text in series.problems):
            typer.echo(problem, err=True)
        if to_csv:
            typer.echo(f"{to_csv}: {history_output.write_csv(to_csv, found)} rows", err=as_json)
        if plot:
            history_output.plot(plot, found)
            typer.echo(str(plot), err=as_json)
        if as_json:
            typer.echo(json.dumps({series.signal: history_output.as_json(series) for series in found}))
        elif not written:
            _show_series(found)
    else:
        _show_summary(root, span, as_json)


@history_app.command("make", cls=SpreadCommand)
def make(
    recordings: Annotated[list[Path], typer.Argument(help="Recordings, or folders of them.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The history; made when it is not there.", show_default=False)],
    epoch: Annotated[
        str, typer.Option(help="When the first tick was (UTC), for recordings that do not know: 2026-05-31T14:30.")
    ] = "",
    again: Annotated[bool, typer.Option("--again", help="Also what was taken in before.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make history from recordings by hand. `ionward run` does so by itself."""
    from ionward.cli.warmup import compile_first

    epoch_s = moment(epoch, "--epoch") if epoch else None
    paths = [path for given in recordings for path in (sorted(given.glob("*.rec")) if given.is_dir() else [given])]
    if not paths:
        raise UserError(f"{recordings[0]}: holds no recordings (*.rec)")
    compile_first()
    from ionward.runtime.history import convert
    from ionward.runtime.history_files import HistoryWriteError

    results, failed = [], False
    for path in paths:
        try:
            done = convert(path, out, epoch_s, again)
        except UserError as error:
            if len(paths) == 1 or isinstance(error, HistoryWriteError):
                raise
            typer.echo(f"error: {error}", err=True)
            failed = True
            continue
        results.append(asdict(done))
        for problem in done.problems:
            typer.echo(f"{path.name}: {problem}", err=True)
        if as_json:
            continue
        if done.unchanged:
            typer.echo(f"{path.name}: taken in before")
        elif done.from_s is None:
            typer.echo(f"{path.name}: no tick is recorded")
        else:
            open_yet = "" if done.complete else ", open or cut"
            typer.echo(f"{path.name}: {done.seconds} s from {_text(done.from_s)}, {done.events} events{open_yet}")
    if as_json:
        typer.echo(json.dumps({"history": str(out), "recordings": results}))
    if failed:
        raise typer.Exit(2)


@history_app.command("prune")
def prune(
    state_dir: Folder,
    days: Annotated[int, typer.Option(min=0, help="Days of which seconds are kept, the newest.")] = 400,
    minute_days: Annotated[int, typer.Option(min=0, help="Days of which minutes are kept.")] = 3653,
    max_gb: Annotated[float | None, typer.Option(min=0, help="Size of the whole history in GB.")] = None,
) -> None:
    """Remove old files. Hours and events stay."""
    from ionward.runtime.history import Keep
    from ionward.runtime.history import prune as prune_history

    limit = None if max_gb is None else round(max_gb * 1e9)
    done = prune_history(history_of(state_dir), Keep(days, minute_days, limit))
    typer.echo(f"{done.files} files removed ({_size(done.bytes)}), {_size(done.left_bytes)} left")


def history_of(folder: Path) -> Path:
    """The history of a state folder; a folder that is a history itself is taken as such.

    Raises:
        UserError: there is neither.
    """
    for root in (folder / "history", folder):
        if (root / "hour").is_dir():
            return root
    if not folder.is_dir():
        raise UserError(f"{folder}: does not exist: give the state folder of `ionward run`, or a history")
    if (folder / "history").is_dir():
        raise UserError(f"{folder / 'history'}: the history is empty yet; `ionward history make` takes recordings in")
    raise UserError(f"{folder}: holds no history: it is made from recordings, see `ionward history make --help`")


def moment(text: str, option: str, end_s: float | None = None) -> float:
    """A moment as a person gives it, in seconds since 1970 UTC.

    Raises:
        UserError: it is none.
    """
    if (ago := _AGO.match(text)) and end_s is not None:
        return max(end_s - float(ago["count"]) * _UNITS_S[ago["unit"]], 0.0)
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        allowed = "2026-05-31 or 2026-05-31T14:30 (UTC)" + (", or -2h, -7d before the end" if end_s is not None else "")
        raise UserError(f"{option} {text}: not a time; allowed: {allowed}") from None
    time_s = (given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp()
    if time_s < 0:
        raise UserError(f"{option} {text}: before 1970")
    return time_s


def _text(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def _show_summary(root: Path, span: Any, as_json: bool) -> None:
    from ionward.runtime import history_files, history_query

    found = history_files.all_files(root)
    levels = {name: sum(path.stat().st_size for path in paths if path.exists()) for name, paths in found.items()}
    known = history_query.signals(root)
    if as_json:
        sizes = {name: {"files": len(found[name]), "bytes": size} for name, size in levels.items()}
        typer.echo(json.dumps(asdict(span) | {"signals": len(known), "levels": sizes}))
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]{root}[/bold]  {_text(span.from_s)} to {_text(span.to_s)} UTC, {_size(span.bytes)}")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, how in (("", "left"), ("files", "right"), ("size", "right")):
        table.add_column(name, justify=how)  # type: ignore[arg-type]
    for name, size in levels.items():
        table.add_row(name, str(len(found[name])), _size(size))
    console.print(table)
    console.print(f"{len(known)} signals; --signals lists them, --signal NAME shows one", style="dim")
    latest = history_query.events(root, span.from_s, span.to_s + 1.0, EVENTS_SHOWN)
    for event in latest:
        console.print(f"{_text(event.time_s)}  {event.text}", markup=False)


def _show_signals(root: Path, as_json: bool) -> None:
    from ionward.runtime import history_query

    known = history_query.signals(root)
    if as_json:
        typer.echo(json.dumps([asdict(signal) for signal in known], ensure_ascii=False))
        return
    families: dict[str, list[Any]] = {}
    for signal in known:
        families.setdefault(signal.name.partition("[")[0], []).append(signal)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("signal", "unit", "from", "meaning"):
        table.add_column(name, no_wrap=name != "meaning")
    for name, some in families.items():
        shown = name if some[0].name == name else f"{name}\\[0..{len(some) - 1}]"
        table.add_row(shown, some[0].unit, some[0].finest, some[0].meaning)
    Console().print(table)


def _show_events(found: Sequence[Any], as_json: bool) -> None:
    if as_json:
        rows = [e._asdict() | {"value": e.value if e.value == e.value else None} for e in found]
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    for event in found:
        typer.echo(f"{_text(event.time_s)}  {event.text}")


def _show_series(found: Sequence[Series]) -> None:
    from ionward.runtime.history_output import number_texts

    for series in found:
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.title = f"{series.signal}" + (f" / {series.unit}" if series.unit else "")
        table.title_justify = "left"
        table.caption = f"UTC; from rows of {series.level}, {series.step_s:.4g} s each"
        table.caption_justify = "left"
        for name in ("time", "mean", "minimum", "maximum"):
            table.add_column(name, justify="left" if name == "time" else "right", no_wrap=True)
        columns = [number_texts(series, values) for values in (series.mean, series.minimum, series.maximum)]
        for time_s, *texts in zip(series.time_s, *columns, strict=True):
            table.add_row(_text(time_s), *(text or "–" for text in texts))
        Console().print(table)
