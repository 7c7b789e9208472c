"""The fault memory on disk: `fault-memory.log` in the state folder, records that are added and never changed.

A record is a mark, the length and the CRC-32 of what follows (four bytes each, little-endian), a line of JSON and, with
a freeze frame, its values as packed 32-bit floats. Reading goes from record to record: one that was torn by a loss of
power is left out, and damage in the middle costs what is damaged, not what comes behind it. What is read is believed no
further than it makes sense. The newest record about a thing counts; when the file has grown, it is written anew.
"""

from __future__ import annotations

import json
import math
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ionward.image.signals import LEVELS
from ionward.runtime.fault_frames import Frame
from ionward.runtime.fault_memory import BY_DTC, Entry, FaultMemory, Key
from ionward.runtime.state_store import sync_folder
from ionward.runtime.survival_record import Pack

FILE = "fault-memory.log"
MARK = b"IONFAULT"
FORMAT = 1
HEAD = struct.Struct("<8sII")
RECORD_BYTES_MAX = 1 << 20
FILE_BYTES_MAX = 1 << 26
NOTES_MAX = 20
COUNT_MAX = 1 << 53
FIRST, LATEST = "first", "latest"
WHICH = (FIRST, LATEST)
FRAME_ROWS_MAX, FRAME_COLUMNS_MAX = 1000, 100

FrameKey = tuple[int, int, str]


@dataclass
class Stored:
    """What a file held. `seen_s` is the monotonic time, in boot `boot`, up to which events are in it."""

    pack: Pack | None = None
    memory: FaultMemory = field(default_factory=FaultMemory)
    frames: dict[FrameKey, Frame] = field(default_factory=dict)
    boot: str = ""
    seen_s: float = -math.inf
    notes: list[tuple[float, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    damaged: bool = False


# Records.


def pack_record(pack: Pack) -> bytes:
    """Whose memory it is; the first record."""
    return _record({"kind": "pack", "format": FORMAT, "first": pack.first, "second": pack.second, "name": pack.name})


def entry_record(entry: Entry) -> bytes:
    """An entry as it is now."""
    values = {name: _plain(value) for name, value in vars(entry).items()}
    return _record({"kind": "entry", "fault": BY_DTC[entry.dtc].id, **values})


def drop_record(key: Key) -> bytes:
    """An entry is there no more, nor are its frames."""
    return _record({"kind": "drop", "dtc": key[0], "place": key[1]})


def cycle_record(memory: FaultMemory) -> bytes:
    """Which operation cycle it is, and when the memory was cleared last."""
    return _record({"kind": "cycle", "number": memory.cycle, "began_s": _plain(memory.cycle_began_s),
                    "cleared_s": _plain(memory.cleared_s), "lost": memory.lost})  # fmt: skip


def seen_record(boot: str, time_s: float) -> bytes:
    """Events up to this monotonic time are in the memory."""
    return _record({"kind": "seen", "boot": boot, "time_s": _plain(time_s)})


def note_record(wall_s: float, text: str) -> bytes:
    """Something about the memory itself, for people."""
    return _record({"kind": "note", "wall_s": wall_s, "text": text})


def frame_record(key: Key, which: str, frame: Frame) -> bytes:
    """A freeze frame of an entry."""
    head = {"kind": "frame", "dtc": key[0], "place": key[1], "which": which, "wall_s": frame.wall_s,
            "columns": list(frame.columns), "rows": len(frame.values), "complete": frame.complete,
            "gaps": frame.gaps}  # fmt: skip
    # Column by column, for which the same packing finds more to leave out.
    return _record(head, zlib.compress(frame.values.T.astype("<f4").tobytes(), 6))


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _record(head: dict[str, Any], data: bytes = b"") -> bytes:
    body = json.dumps(head, allow_nan=False, separators=(",", ":")).encode() + b"\n" + data
    return HEAD.pack(MARK, len(body), zlib.crc32(body)) + body


# Reading.


def read_log(path: Path, values: bool = True) -> Stored:
    """What a file holds; an empty memory where there is none. Without `values` frames have no rows, which is quicker.

    Raises:
        OSError: it is there and cannot be read.
    """
    stored = Stored()
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX)
    except FileNotFoundError:
        return stored
    wrong = 0
    for body in _bodies(data, stored):
        try:
            _take(stored, body, values)
        except (ValueError, TypeError, KeyError, OverflowError, zlib.error, RecursionError):
            wrong += 1
    if wrong:
        stored.damaged = True
        stored.problems.append(f"{path.name}: {wrong} records make no sense and were left out")
    stored.frames = {key: frame for key, frame in stored.frames.items() if key[:2] in stored.memory.entries}
    stored.memory.changed.clear()
    return stored


def _bodies(data: bytes, stored: Stored) -> Iterator[bytes]:
    """What stands in the whole records; what is skipped between them is told."""
    at = skipped = 0
    while at < len(data):
        body = _body_at(data, at)
        if body is not None:
            yield body
            at += HEAD.size + len(body)
            continue
        following = data.find(MARK, at + 1)
        if following < 0:
            skipped += 0 if _torn(data[at:]) else len(data) - at
            break
        skipped += following - at
        at = following
    if skipped:
        stored.damaged = True
        stored.problems.append(f"{FILE}: {skipped} bytes are damaged and were left out")


def _body_at(data: bytes, at: int) -> bytes | None:
    if len(data) - at < HEAD.size:
        return None
    mark, length, check = HEAD.unpack_from(data, at)
    if mark != MARK or not 0 < length <= RECORD_BYTES_MAX:
        return None
    body = data[at + HEAD.size : at + HEAD.size + length]
    return body if len(body) == length and zlib.crc32(body) == check else None


def _torn(rest: bytes) -> bool:
    """The beginning of a record that was being written: it was never told to be on the disk."""
    if len(rest) < HEAD.size:
        return rest.startswith(MARK[: len(rest)])
    mark, length, _ = HEAD.unpack_from(rest)
    return bool(mark == MARK and len(rest) - HEAD.size < length <= RECORD_BYTES_MAX)


def _take(stored: Stored, body: bytes, values: bool) -> None:
    """Take one record over. Raises ValueError and its like where it makes no sense."""
    line, _, data = body.partition(b"\n")
    head = json.loads(line)
    kind = head["kind"]
    if kind == "pack":
        if head["format"] != FORMAT:
            raise ValueError("another format")
        stored.pack = Pack(int(head["first"]), int(head["second"]), str(head["name"]))
    elif kind == "entry":
        entry = _entry(head)
        stored.memory.entries[entry.key] = entry
    elif kind == "drop":
        key = (int(head["dtc"]), int(head["place"]))
        stored.memory.entries.pop(key, None)
        for which in WHICH:
            stored.frames.pop((*key, which), None)
    elif kind == "frame":
        stored.frames[int(head["dtc"]), int(head["place"]), _which(head["which"])] = _frame(head, data, values)
    elif kind == "cycle":
        memory = stored.memory
        memory.cycle, memory.lost = _whole(head["number"], 1), _whole(head["lost"])
        memory.cycle_began_s, memory.cleared_s = _number(head["began_s"]), _number(head["cleared_s"])
    elif kind == "seen":
        stored.boot, stored.seen_s = str(head["boot"]), _number(head["time_s"], -math.inf)
    elif kind == "note":
        stored.notes = [*stored.notes, (_number(head["wall_s"]), str(head["text"])[:300])][-NOTES_MAX:]


def _entry(head: dict[str, Any]) -> Entry:
    dtc, place = int(head["dtc"]), int(head["place"])
    level, worst = _whole(head["level"]), _whole(head["worst"])
    if dtc not in BY_DTC or place < -1 or max(level, worst) >= len(LEVELS):
        raise ValueError("no entry of this version")
    entry = Entry(dtc, place, _whole(head["count"], 1), level=level, worst=worst)
    entry.first_s, entry.last_s, entry.value = (_number(head[name]) for name in ("first_s", "last_s", "value"))
    entry.this_cycle, entry.pending = head["this_cycle"] is True, head["pending"] is True
    entry.confirmed, entry.latched = head["confirmed"] is True, head["latched"] is True
    entry.aged, entry.trips = _whole(head["aged"]), _whole(head["trips"])
    return entry


def _frame(head: dict[str, Any], data: bytes, values: bool) -> Frame:
    columns, rows = tuple(str(name) for name in head["columns"]), _whole(head["rows"], 1)
    width = 1 + len(columns)
    if rows > FRAME_ROWS_MAX or width > FRAME_COLUMNS_MAX or len(set(columns)) != len(columns):
        raise ValueError("a frame of impossible size")
    found = np.zeros((0, width), np.float32)
    if values:
        unpacked = zlib.decompressobj().decompress(data, 4 * rows * width + 1)
        found = np.frombuffer(unpacked, "<f4").reshape(width, rows).T.astype(np.float32)
    return Frame(_number(head["wall_s"]), columns, found, head["complete"] is True, _whole(head["gaps"]))


def _which(name: Any) -> str:
    if name not in WHICH:
        raise ValueError("neither the first nor the latest")
    return str(name)


def _whole(value: Any, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= COUNT_MAX:
        raise ValueError("no count")
    return value


def _number(value: Any, unknown: float = math.nan) -> float:
    return unknown if value is None else float(value)


# Writing.


def everything(stored: Stored) -> list[bytes]:
    """All records that a new file needs."""
    memory = stored.memory
    return [
        *([pack_record(stored.pack)] if stored.pack else []),
        cycle_record(memory),
        *([seen_record(stored.boot, stored.seen_s)] if stored.boot else []),
        *(note_record(wall_s, text) for wall_s, text in stored.notes),
        *(entry_record(entry) for entry in memory.entries.values()),
        *(frame_record(key[:2], key[2], frame) for key, frame in stored.frames.items()),
    ]


class FaultLog:
    """Adds records to the file of a state folder, each time forced to the disk.

    `write` and `sync` are those of the operating system; tests put others in their place.
    """

    def __init__(
        self,
        folder: Path,
        write: Callable[[int, bytes], int] = os.write,
        sync: Callable[[int], None] = os.fdatasync,
    ) -> None:
        self.path = folder / FILE
        self._write, self._sync = write, sync

    def size(self) -> int:
        """Bytes of the file; 0 where there is none."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def append(self, records: Iterable[bytes]) -> None:
        """Add records; when this returns they are on the disk.

        Raises:
            OSError: they may not be. A torn one is taken off again, or left out when the file is read.
        """
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        before = os.fstat(file).st_size
        try:
            self._write_all(file, b"".join(records))
        except OSError:
            with suppress(OSError):
                os.ftruncate(file, before)
            raise
        finally:
            os.close(file)

    def replace(self, records: Iterable[bytes]) -> None:
        """Write the file anew, whole or not at all.

        Raises:
            OSError: it was not; what was there stays.
        """
        temporary = self.path.with_suffix(".new")
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            self._write_all(file, b"".join(records))
        finally:
            os.close(file)
        temporary.replace(self.path)
        sync_folder(self.path.parent)

    def _write_all(self, file: int, data: bytes) -> None:
        at = 0
        while at < len(data):
            at += self._write(file, data[at:])
        self._sync(file)

    def put_aside(self, wall_s: float) -> str:
        """Rename a file that is not used, so that nothing is lost; its new name."""
        aside = f"{FILE}.refused-{datetime.fromtimestamp(wall_s, UTC):%Y%m%dT%H%M%SZ}"
        with suppress(OSError):
            self.path.rename(self.path.with_name(aside))
        return aside
