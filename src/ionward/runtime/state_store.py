"""The state folder: whose it is, and two copies on disk of what must survive.

The copies are written in turn, each in place and as a whole, and forced to the disk before the other one is touched:
whatever happens in the middle of a write, the other copy is whole. `runtime.survival_record` tells a whole one from
any other.
"""

from __future__ import annotations

import errno
import fcntl
import math
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import numpy as np

from ionward.errors import UserError
from ionward.image.blocks import Block, BlockError
from ionward.runtime.survival_record import (
    HEAD_RECORD,
    HEAD_WORDS,
    Candidate,
    Pack,
    Refusal,
    Survived,
    decode,
    is_whole,
    urgent_part,
)

COPIES = ("state-a.bin", "state-b.bin")
LOCK = "lock"
LIVE = ("survival.block", "survival.previous")  # of this run, and of the one before it on this boot
COPY_BYTES_MAX = 1 << 28
COPY_PERIOD_S = 0.8  # with the time that a record waits and the disk takes, a copy stays younger than a second


class StateLock:
    """The right to use a state folder, held until `release` or the end of the process."""

    def __init__(self, path: Path, file: int) -> None:
        self.path = path
        self._file = file

    def release(self) -> None:
        """Give it up."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> StateLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def lock_state_folder(path: Path) -> StateLock:
    """Make the state folder if there is none, and take it for this process.

    Raises:
        UserError: it cannot be made or written, or another Ionward uses it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        file = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise _unusable(path, error) from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError:
        owner = os.pread(file, 32, 0).decode(errors="replace").strip()
        os.close(file)
        who = f" (process {owner})" if owner.isdigit() else ""
        raise UserError(f"{path}: in use by another Ionward{who}: stop that one, or use another --state-dir") from None
    except OSError as error:
        os.close(file)
        raise _unusable(path, error) from None
    return StateLock(path, file)


def _unusable(path: Path, error: OSError) -> UserError:
    what = "is not a folder" if error.errno in (errno.EEXIST, errno.ENOTDIR) else f"cannot be used: {error.strerror}"
    return UserError(f"{path}: the state folder {what}; check it, or use another --state-dir")


def check_copies(path: Path, pack: Pack, now_wall_s: float) -> list[str]:
    """Look at the copies before a run: damaged ones are put aside, and told.

    Args:
        path: the state folder.
        pack: the one that is going to run.
        now_wall_s: wall time, for the names of copies that are put aside.

    Returns:
        Sentences about copies that are not used.

    Raises:
        UserError: a copy belongs to another pack, or the folder cannot be read.

    Meets SR-171.
    """
    told = []
    for name in COPIES:
        try:
            data = _read(path / name)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise UserError(
                f"{path / name}: cannot be read: {error.strerror}; check its rights, or use another --state-dir"
            ) from None
        found = decode(data)
        if isinstance(found, Survived):
            if found.pack[:2] != pack[:2]:
                raise UserError(_foreign(path / name, found, pack))
            continue
        aside = f"{name}.refused-{datetime.fromtimestamp(now_wall_s, UTC):%Y%m%dT%H%M%SZ}"
        told.append(f"{name}: {found.reason}; kept aside as {aside}")
        with suppress(OSError):
            (path / name).rename(path / aside)
    return told


def _foreign(path: Path, found: Survived, pack: Pack) -> str:
    cells = found.cells.shape[1]
    same = f", of other cells or capacity ({cells} cells)" if found.pack.name == pack.name else ""
    return (
        f"{path}: state of another pack ('{found.pack.name}'{same}), this one is '{pack.name}': use another "
        "--state-dir or move it away"
    )


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(COPY_BYTES_MAX)


def read_candidates(live_folder: Path, state_folder: Path) -> list[Candidate]:
    """Every copy there is: in the live folder's blocks, of this run and the one before, and on disk."""
    found = []
    for name in LIVE:
        found += [Candidate(f"memory ({name}, {n})", data) for n, data in _slots(live_folder / name)]
    for name in COPIES:
        try:
            found.append(Candidate(f"disk ({name})", _read(state_folder / name)))
        except FileNotFoundError:
            continue
        except OSError as error:
            found.append(Candidate(f"disk ({name}, {error.strerror})", b""))
    return found


def newest(candidates: Sequence[Candidate]) -> Survived | None:
    """The state with which a BMS would start: the whole copy with the highest number; None where there is none."""
    whole = [found for found in (decode(data) for _, data in candidates) if isinstance(found, Survived)]
    return max(whole, key=lambda survived: survived.sequence, default=None)


def last_wall_s(live_folder: Path, state_folder: Path) -> float:
    """Wall time of the state with which a BMS would start; -inf where there is none. The clock may stand before it."""
    survived = newest(read_candidates(live_folder, state_folder))
    return survived.wall_s if survived is not None else -math.inf


def _slots(path: Path) -> list[tuple[int, bytes]]:
    """The slots of a block that hold something, newest first."""
    try:
        block = Block.reader(path)
    except BlockError:
        return []
    try:
        words = np.zeros(block.words, np.int64)
        numbers = range(block.count, max(block.count - len(block.numbers), 0), -1)
        return [(number, words.tobytes()) for number in numbers if block.read(number, words)]
    finally:
        block.close()


def holds_state(path: Path) -> bool:
    """A block of the live folder holds a whole record: it must not be replaced by one that holds none."""
    return any(isinstance(decode(data), Survived) for _, data in _slots(path))


class StateWriter:
    """Writes the copies in turn, the older one first.

    `write` and `sync` are those of the operating system; tests put others in their place.
    """

    def __init__(
        self,
        folder: Path,
        write: Callable[[int, bytes, int], int] = os.pwrite,
        sync: Callable[[int], None] = os.fdatasync,
    ) -> None:
        self.folder = folder
        self._write, self._sync = write, sync
        sequences = [_sequence(folder / name) for name in COPIES]
        self._next = sequences.index(min(sequences))

    def write(self, data: bytes) -> None:
        """Put one record on disk; when this returns it is there.

        Raises:
            OSError: it is not. The copy before is untouched, and this one is tried again next time.

        Meets SR-173.
        """
        path = self.folder / COPIES[self._next]
        new = not path.exists()
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if os.fstat(file).st_size > len(data):
                os.ftruncate(file, len(data))
            at = 0
            while at < len(data):
                at += self._write(file, data[at:], at)
            self._sync(file)
        finally:
            os.close(file)
        if new:
            sync_folder(self.folder)
        self._next = 1 - self._next


def _sequence(path: Path) -> int:
    try:
        found = decode(_read(path))
    except OSError:
        return -1
    return -1 if isinstance(found, Refusal) else found.sequence


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


class StateKeeper:
    """Takes `survival.block` to disk: once in `COPY_PERIOD_S`, and at once when latches, counts or locks change."""

    def __init__(self, block: Block, writer: StateWriter) -> None:
        self.written = 0
        self.errors = 0
        self.taken_s = float("nan")  # time of the tick whose state is on disk
        self._block, self._writer = block, writer
        self._words = np.zeros(block.words, np.int64)
        self._head = self._words[:HEAD_WORDS].view(HEAD_RECORD)
        self._seen = 0
        self._due_s = float("-inf")
        self._urgent = b""

    def step(self, now_s: float, last: bool = False) -> None:
        """Look once; to be called at least every 50 ms. `last` writes whatever is not on disk yet."""
        count = self._block.count
        if count == self._seen or not self._block.latest(self._words):
            return
        if not is_whole(self._words):
            self._seen = count
            self.errors += 1
            return
        urgent = urgent_part(self._words)
        if urgent == self._urgent and now_s < self._due_s and not last:
            return
        self._due_s = now_s + COPY_PERIOD_S
        try:
            self._writer.write(self._words.tobytes())
        except OSError:
            self.errors += 1
            return
        self._seen, self._urgent = count, urgent
        self.written += 1
        self.taken_s = float(self._head["time_s"][0])
