"""What a history holds: its signals, its events, and the time that it spans."""

from __future__ import annotations

import difflib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ionward.errors import UserError
from ionward.runtime import history_files as files
from ionward.runtime.history_columns import LEVEL_NAMES, PARTS, SEGMENT, TICKS, TIME, kept_families
from ionward.runtime.history_files import HOUR_S, MINUTE_S, SECOND_S
from ionward.runtime.history_reader import check_times, existing, micros, read
from ionward.runtime.history_seconds import Event

_MONTHS_LISTED = 24


@dataclass(frozen=True)
class SignalInfo:
    """A signal that the history has: `finest` names the finest level that has it."""

    name: str
    unit: str
    meaning: str
    finest: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Span:
    """What is there: first and last moment (wall time), days with seconds, files and bytes."""

    from_s: float
    to_s: float
    days: int
    files: int
    bytes: int
    problems: tuple[str, ...] = ()


def signals(history: Path | str) -> list[SignalInfo]:
    """Every signal of the last two years of the history: those of the pack first, then those of each cell.

    Raises:
        UserError: there is no history.
    """
    root = existing(history)
    names: dict[str, None] = {}
    for part in PARTS:
        for folder in sorted((root / "hour").glob("*"), reverse=True)[:_MONTHS_LISTED]:
            with suppress(pa.ArrowException, OSError):
                names.update(dict.fromkeys(pq.read_schema(folder / f"{part}.parquet").names))
    families = kept_families()
    out = []
    for name in names:
        kept = families.get(name.partition("[")[0])
        if kept and name not in (TIME, SEGMENT, TICKS) and not name.endswith((".min", ".max")):
            about = kept.column.signal
            out.append(SignalInfo(name, about.unit, about.meaning, LEVEL_NAMES[kept.finest_s], about.choices))
    return out


def unknown_signal(root: Path, name: str) -> UserError:
    """The error for a name that the history does not have, with those that are near."""
    known = [signal.name for signal in signals(root)]
    if not known:
        return UserError(f"{root}: the history is empty yet")
    family = name.partition("[")[0]
    of_family = [n for n in known if n.partition("[")[0] == family]
    if of_family and family not in known:
        what = f"it has {of_family[0]} to {of_family[-1]}" if len(of_family) > 1 else f"it has {of_family[0]}"
    elif of_family:
        what = f"{family} has no number"
    else:
        families = dict.fromkeys(n.partition("[")[0] for n in known)
        near = difflib.get_close_matches(family, families, 4, 0.5)
        near += [f for f in families if family and family.lower() in f and f not in near][: 4 - len(near)]
        what = f"did you mean {', '.join(near)}?" if near else "`ionward history DIR --signals` lists them"
    return UserError(f"signal '{name}' is not in the history: {what}")


def events(history: Path | str, from_s: float, to_s: float, limit: int = 1000) -> list[Event]:
    """The latest events between two moments, at most `limit`, oldest first.

    Raises:
        UserError: there is no history, the times make no sense.
    """
    root = existing(history)
    check_times(from_s, to_s)
    if limit < 1:
        raise UserError(f"limit is {limit}, allowed: 1 or more")
    paths = [files.events_file(root, at) for at in files.period_starts(HOUR_S, from_s, to_s)]
    sql = f"""SELECT epoch("{TIME}") AS time_s, kind, name, level, previous, place, value, text FROM read_parquet($1)
              WHERE "{TIME}" >= make_timestamp($2) AND "{TIME}" < make_timestamp($3)
              ORDER BY "{TIME}" DESC LIMIT {int(limit)}"""
    found: list[Event] = []
    for part in read(sql, [p for p in paths if p.is_file()], [micros(from_s), micros(to_s)]).parts:
        rows = zip(*(part[name] for name in Event._fields), strict=True)
        found += [
            Event(float(time_s), kind, name, level, previous, int(place), float(value), text)
            for time_s, kind, name, level, previous, place, value, text in rows
        ]
    return sorted(found, key=lambda event: event.time_s)[-limit:]


def span(history: Path | str) -> Span | None:
    """How far a history reaches and how large it is; None while it is empty.

    Raises:
        UserError: there is no history.
    """
    root = existing(history)
    found = files.all_files(root)
    problems: list[str] = []
    hours = _edges(found["hours"], problems)
    if hours is None:
        return None
    from_s, to_s = hours[0], hours[1] + HOUR_S
    for name, step_s in (("minutes", MINUTE_S), ("seconds", SECOND_S)):
        edges = _edges(found[name], problems)
        if edges and from_s <= edges[0] < from_s + HOUR_S:
            from_s = edges[0]
        if edges and hours[1] <= edges[1] < to_s:
            to_s = edges[1] + step_s
    size = 0
    for path in (path for paths in found.values() for path in paths):
        with suppress(OSError):  # it may just have been pruned
            size += path.stat().st_size
    days = len({path.parent for path in found["seconds"]})
    return Span(from_s, to_s, days, sum(len(paths) for paths in found.values()), size, tuple(problems))


def _edges(paths: list[Path], problems: list[str]) -> tuple[float, float] | None:
    """First and last time of files in order of time; damaged files at the ends are told and passed over."""
    ends = []
    for some in (paths, paths[::-1]):
        for path in some:
            found = read(_EDGES, [path])
            problems += [text for text in found.problems if text not in problems]
            if found.parts:
                ends.append(found.parts[0])
                break
    return (float(ends[0]["first"][0]), float(ends[1]["last"][0])) if ends else None


_EDGES = f'SELECT min(epoch("{TIME}")) AS first, max(epoch("{TIME}")) AS last FROM read_parquet($1)'
