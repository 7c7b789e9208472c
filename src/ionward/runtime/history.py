"""The history: minutes to years of what the BMS knew, as Parquet files made from recordings.

`convert` takes a recording in, `convert_all` a folder of them, `prune` lets old files go; `history_query` reads.
Taking the same recording in again changes nothing; one that has grown meanwhile replaces what was there of it. All
rows of a recording carry its number, so whatever a crash left half done is done again without harm.

`python -m ionward.runtime.history RECORDING... --out DIR` is the same in a process of its own, for whoever must not
be delayed by it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ionward.errors import UserError
from ionward.runtime import history_files as files
from ionward.runtime.history_columns import SEGMENT, TICKS, TIME
from ionward.runtime.history_files import HOUR_S, MINUTE_S, SECOND_S
from ionward.runtime.history_seconds import (
    CLOCK_NOISE_S,
    Event,
    Seconds,
    SecondsReader,
    first_time_s,
    segment_id,
    wall_offset_s,
)
from ionward.runtime.history_tables import coarse_table, events_table, hour_row, mask, seconds_table
from ionward.runtime.recording import Recording

__all__ = ["Converted", "Keep", "Pruned", "convert", "convert_all", "prune"]

Bools = npt.NDArray[np.bool_]


@dataclass
class Converted:
    """What became of a recording. Times are wall time; `unchanged` means that it had been taken in before.

    `complete` is false for a recording that is still being written or was cut; `problems` tells losses and damage.
    """

    recording: str
    unchanged: bool = False
    complete: bool = False
    seconds: int = 0
    events: int = 0
    from_s: float | None = None
    to_s: float | None = None
    problems: list[str] = field(default_factory=list)


def convert(recording: Path | str, history: Path | str, epoch_s: float | None = None, again: bool = False) -> Converted:
    """Take a recording into a history. It may still be open: what is complete of it is taken.

    Args:
        recording: the file.
        history: the folder; made when it is not there.
        epoch_s: wall time of the first tick, seconds since 1970 UTC. Left out: as the recording says
            (`notes["wall_minus_monotonic_s"]`), else the first tick is at 0 s.
        again: also when it was taken in before.

    Raises:
        UserError: the recording cannot be read, the history cannot be written, the wall time makes no sense.
    """
    path, root = Path(recording), Path(history)
    source = Recording(path)
    size = path.stat().st_size
    first_s = first_time_s(source)
    if first_s is None:
        return Converted(path.name)
    offset_s = wall_offset_s(source, first_s, epoch_s)
    if not 0.0 <= first_s + offset_s + CLOCK_NOISE_S < files.LATEST_S:
        raise UserError(
            f"{path}: its first tick would be {first_s + offset_s:g} s after 1970, which makes no sense: give its wall "
            "time with --epoch"
        )
    number = segment_id(source, first_s, offset_s)
    listed = files.segments_file(root, first_s + offset_s)
    with files.locked(root):
        segments = files.read_segments(listed)
        known = segments.get(str(number))
        if isinstance(known, dict) and known.get("bytes") == size and not again:
            return Converted(path.name, unchanged=True, complete=bool(known.get("complete")))
        result = _take_in(source, root, number, offset_s)
        told = {key: value for key, value in asdict(result).items() if key not in ("recording", "unchanged")}
        segments[str(number)] = {"file": path.name, "bytes": size} | told
        files.save_segments(listed, segments)
    return result


def _take_in(source: Recording, root: Path, number: int, offset_s: float) -> Converted:
    result = Converted(source.path.name)
    reader = SecondsReader(source, offset_s)
    events: list[Event] = []
    for seconds in reader.read():
        _store(root, seconds, number, result.problems)
        result.from_s = float(seconds.second[0]) if result.from_s is None else result.from_s
        result.to_s = float(seconds.second[-1] + 1)
        result.seconds += len(seconds.second)
        events += seconds.events
    _store_events(root, events, number, result.problems)
    result.events = len(events)
    result.complete = reader.playback.end is not None
    result.problems += reader.playback.losses
    if reader.lost_events:
        result.problems.append(f"{reader.lost_events} events came faster than they could be kept")
    return result


def _store(root: Path, seconds: Seconds, number: int, problems: list[str]) -> None:
    """Seconds of one hour into the three levels. The hour is made from all minutes that are known of it."""
    hour_s = int(seconds.second[0]) // HOUR_S * HOUR_S
    for part, new in files.parts(coarse_table(seconds, number, MINUTE_S)).items():
        path = files.level_file(root, MINUTE_S, hour_s, part)
        minutes = _with(path, new, number, hour_s, problems)
        files.save(path, minutes, files.coarse_encodings(minutes.column_names))
        path = files.level_file(root, HOUR_S, hour_s, part)
        hour = hour_row(minutes.filter(mask(_within(minutes, hour_s))), hour_s)
        hours = _with_hour(path, hour, hour_s, problems)
        files.save(path, hours, files.coarse_encodings(hours.column_names))
    path = files.level_file(root, SECOND_S, hour_s)
    rows = _with(path, seconds_table(seconds, number), number, hour_s, problems)
    files.save(path, rows, files.seconds_encodings(rows.column_names))


def _within(table: pa.Table, hour_s: int) -> Bools:
    """Which rows lie in an hour."""
    start = np.datetime64(hour_s, "s")
    time = table[TIME].to_numpy()
    return np.asarray((time >= start) & (time < start + np.timedelta64(HOUR_S, "s")))


def _with(path: Path, new: pa.Table, number: int, hour_s: int, problems: list[str]) -> pa.Table:
    """A file's rows with those of a recording in one hour replaced by new ones."""
    old = files.read_or_set_aside(path, problems)
    if old is None:
        return new
    ours = (old[SEGMENT].to_numpy() == number) & _within(old, hour_s)
    return files.merged(old, ~ours, new)


def _with_hour(path: Path, new: pa.Table, hour_s: int, problems: list[str]) -> pa.Table:
    """A file's rows with one hour replaced, unless it knows more of that hour: then its minutes are gone by now."""
    old = files.read_or_set_aside(path, problems)
    if old is None:
        return new
    same = _within(old, hour_s)
    if old[TICKS].to_numpy()[same].sum() > new[TICKS].to_numpy().sum():
        return old
    return files.merged(old, ~same, new)


def _store_events(root: Path, events: Sequence[Event], number: int, problems: list[str]) -> None:
    by_file: dict[Path, list[Event]] = {}
    for event in events:
        by_file.setdefault(files.events_file(root, max(event.time_s, 0.0)), []).append(event)
    for path, some in by_file.items():
        old = files.read_or_set_aside(path, problems)
        keep = None if old is None else old[SEGMENT].to_numpy() != number
        files.save(path, files.merged(old, keep, events_table(some, number)))


def convert_all(
    recordings: Path | str, history: Path | str, report: Callable[[Converted], None] = lambda _: None
) -> list[Converted]:
    """Take every `.rec` file of a folder in, in order of names; what was taken in before costs next to nothing.

    A file that cannot be read is told in its `problems`, and keeps no other one out.

    Raises:
        HistoryWriteError: the history cannot be written.
    """
    out = []
    for path in sorted(Path(recordings).glob("*.rec")):
        try:
            done = convert(path, history)
        except files.HistoryWriteError:
            raise
        except UserError as error:
            done = Converted(path.name, problems=list(error.problems))
        out.append(done)
        report(done)
    return out


@dataclass(frozen=True)
class Keep:
    """What is kept: the newest so many days with seconds and with minutes, and bytes in all. Hours stay for ever.

    Days are counted that hold data, so that a clock that was wrong for a day takes no history with it.
    """

    seconds_days: int = 400
    minutes_days: int = 3653
    max_bytes: int | None = None


@dataclass
class Pruned:
    """What was removed, and what is left."""

    files: int = 0
    bytes: int = 0
    left_bytes: int = 0


def prune(history: Path | str, keep: Keep) -> Pruned:
    """Remove old files: seconds beyond their days, then minutes beyond theirs.

    Where the whole is still larger than `max_bytes`, the oldest seconds go, and after them the oldest minutes.

    Raises:
        UserError: the folder cannot be written.
    """
    root, result = Path(history), Pruned()
    with files.locked(root):
        for left in root.rglob(".*.tmp"):  # of a writer that was killed
            left.unlink(missing_ok=True)
        found = files.all_files(root)
        sizes = {path: path.stat().st_size for paths in found.values() for path in paths}
        total = sum(sizes.values())
        seconds, minutes = _by_folder(found["seconds"]), _by_folder(found["minutes"])
        old_seconds, old_minutes = len(seconds) - keep.seconds_days, len(minutes) - keep.minutes_days
        for k, paths in enumerate([*seconds, *minutes]):
            old = k < old_seconds or len(seconds) <= k < len(seconds) + old_minutes
            if old or (keep.max_bytes is not None and total > keep.max_bytes):
                for path in paths:
                    path.unlink(missing_ok=True)
                    total -= sizes[path]
                    result.files += 1
                    result.bytes += sizes[path]
                _remove_empty(paths[0].parent, root)
    result.left_bytes = total
    return result


def _by_folder(paths: Sequence[Path]) -> list[list[Path]]:
    """Files of each day together."""
    days: dict[Path, list[Path]] = {}
    for path in paths:
        days.setdefault(path.parent, []).append(path)
    return list(days.values())


def _remove_empty(folder: Path, root: Path) -> None:
    """Take empty folders away, up to the root."""
    with suppress(OSError):
        while folder != root:
            folder.rmdir()
            folder = folder.parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Take recordings in, let old files go; one JSON object a line tells what became of each recording.

    Runs at the lowest priority. Returns 2 where something could not be done, which stderr tells.
    """
    parser = argparse.ArgumentParser(
        prog="python -m ionward.runtime.history", description="Take recordings into a history."
    )
    parser.add_argument("recordings", nargs="+", type=Path, help="recordings, or folders of them")
    parser.add_argument("--out", required=True, type=Path, help="the history")
    parser.add_argument("--seconds-days", type=int, default=Keep.seconds_days, help="days of seconds that are kept")
    parser.add_argument("--minutes-days", type=int, default=Keep.minutes_days, help="days of minutes that are kept")
    parser.add_argument("--max-bytes", type=int, help="size of the whole history")
    told = parser.parse_args(arguments)
    with suppress(OSError):
        os.nice(19)
    failed = 0
    for path in told.recordings:
        try:
            if path.is_dir():
                convert_all(path, told.out, lambda done: print(json.dumps(asdict(done)), flush=True))
            else:
                print(json.dumps(asdict(convert(path, told.out))), flush=True)
        except UserError as error:
            print(error, file=sys.stderr, flush=True)
            failed = 2
    try:
        prune(told.out, Keep(told.seconds_days, told.minutes_days, told.max_bytes))
    except UserError as error:
        print(error, file=sys.stderr, flush=True)
        failed = 2
    return failed


if __name__ == "__main__":
    sys.exit(main())
