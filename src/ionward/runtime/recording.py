"""Recordings: a crash-safe log of what entered the tick, what it had in mind, and a fingerprint of what left it.

A recording holds the complete description of the system, the raw samples and commands of every tick, the whole state
from time to time (checkpoints) and a 64-bit digest of the outputs of every tick. The outputs themselves are made again
by replay. The file can be cut anywhere and is readable up to the cut; `docs/recordings.md` describes its bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

import ionward
from ionward._cache import cache_key, jit_disabled
from ionward.errors import UserError
from ionward.image import inputs, signals
from ionward.image.faults import FAULTS
from ionward.image.layout import Size
from ionward.runtime import frames
from ionward.runtime.codec import CodecError, InputCodec, RecordBuffer

__all__ = [
    "Checkpoint", "Chunk", "End", "Header", "Loss", "Recorder", "Recording", "Start", "build_key", "describe_build",
    "layout_key",
]  # fmt: skip

MAGIC = b"IONWARD\x00REC\r\n\x1a\n\x00"
FORMAT = 1
Words = npt.NDArray[np.uint64]


def layout_key() -> str:
    """Hash over the names, kinds and order of everything that a recording holds as bytes."""
    lists = {name: getattr(module, name) for module in (inputs, signals) for name in sorted(vars(module))
             if name.endswith(("_SIGNALS", "_FIELDS"))}  # fmt: skip
    text = repr([(name, [(s.name, s.kind) for s in row]) for name, row in lists.items()])
    text += repr([f.id for f in FAULTS]) + repr(signals.EVENT_SLOTS)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def build_key() -> str:
    """Outputs are promised to be equal bit by bit where this is equal: sources, libraries, processor."""
    return cache_key() + ("-interpreted" if jit_disabled else "")


def describe_build() -> str:
    """The build in words."""
    how = "interpreted" if jit_disabled else f"numba {version('numba')}"
    python = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    return f"ionward {ionward.__version__}, Python {python}, {how}, {platform.machine()} {build_key()}"


@dataclass(frozen=True)
class Start:
    """How the recorded run was started, beyond its system description.

    `missing` names inputs that the source of the samples does not have, and that the system description has: channel
    names, and numbers of cells and sensors. A recording that `continues` begins within a run, or with a restored
    state, at `first_tick`: the state before that tick is its first checkpoint, not that of a new BMS.
    `began` is the start of the run on both clocks, from which its masks count: wall time, and the image's time then.
    """

    source: str = ""
    missing_channels: tuple[str, ...] = ()
    missing_cells: tuple[int, ...] = ()
    missing_sensors: tuple[int, ...] = ()
    notes: dict[str, Any] = field(default_factory=dict)
    continues: bool = False
    first_tick: int = 0
    began: tuple[float, float] | None = None


@dataclass(frozen=True)
class Header:
    """What a recording is about. Replay needs no other file."""

    system: dict[str, Any]
    size: Size
    cycle_s: float
    start: Start = Start()
    format: int = FORMAT
    ionward: str = ionward.__version__
    layout: str = field(default_factory=layout_key)
    build: str = field(default_factory=build_key)
    build_text: str = field(default_factory=describe_build)

    def to_json(self) -> bytes:
        """As stored."""
        values = asdict(self) | {"size": list(self.size)}
        return json.dumps(values, separators=(",", ":"), allow_nan=True).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Header:
        """The inverse of `to_json`; raises ValueError, KeyError or TypeError for anything else."""
        values = json.loads(data)
        start: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.pop("start").items()}
        size = Size(*(int(n) for n in values.pop("size")))
        return cls(**values, size=size, start=Start(**start))


class Chunk(NamedTuple):
    """Inputs of consecutive ticks, and the digest of the outputs of each."""

    first_tick: int
    buffer: RecordBuffer
    digests: Words

    @property
    def ticks(self) -> int:
        """How many."""
        return len(self.digests)


class Checkpoint(NamedTuple):
    """The whole state of the BMS after `tick` ticks."""

    tick: int
    state: bytes


class End(NamedTuple):
    """The recording was closed after `ticks` ticks, whose outputs have this SHA-256."""

    ticks: int
    digest: str


class Loss(NamedTuple):
    """Something of the file is lost, told as a sentence; `cut` where nothing follows."""

    text: str
    cut: bool


class Recorder:
    """Writes a recording. Nothing that was handed over is lost by a crash of this process later on.

    `ticks` is the number of the next tick; it begins with the header's first tick.
    With `sync_every` each so many chunks are forced to the disk (fdatasync), so that no more than these are lost when
    the power fails; 0 leaves this to the operating system until `close`.
    """

    def __init__(
        self,
        path: Path | str,
        header: Header,
        sync_every: int = 0,
        opener: Callable[[Path], BinaryIO] | None = None,
    ) -> None:
        """Begin the file.

        Raises:
            UserError: the file cannot be made or written.
        """
        self.path = Path(path)
        self.ticks = header.start.first_tick
        self.bytes = 0
        self._sync_every = sync_every
        self._unsynced = 0
        self._codec = InputCodec(header.size)
        self._packer = frames.Packer()
        self._file: BinaryIO | None = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: a chunk is with the operating system when `chunk` returns, or is known not to be.
            self._file = opener(self.path) if opener else self.path.open("wb", buffering=0)
        except OSError as error:
            raise UserError(
                f"{self.path}: the recording cannot be written: {error.strerror}; choose another folder"
            ) from error
        self._write(MAGIC + struct.pack("<I", FORMAT))
        self._write(self._packer.pack(frames.HEADER, header.to_json()))

    def chunk(self, buffer: RecordBuffer, ticks: int, digests: Words) -> None:
        """Write the first `ticks` rows of a buffer and the digests of their outputs, uint64 `[ticks]`.

        Raises:
            UserError: it cannot be written (once; what was written before stays readable).
        """
        if self._file is None or ticks == 0:
            return
        head = struct.pack("<QI", self.ticks, ticks)
        fingerprint = np.ascontiguousarray(digests[:ticks], np.uint64).tobytes()
        self._write(self._packer.pack(frames.INPUTS, head + fingerprint + self._codec.encode(buffer, ticks)))
        self.ticks += ticks
        self._unsynced += 1
        if self._sync_every and self._unsynced >= self._sync_every:
            self._sync()

    def skip_to(self, tick: int) -> None:
        """Leave out the ticks before this one, which are lost. A checkpoint must follow: replay goes on from there."""
        self.ticks = max(tick, self.ticks)

    def sync(self) -> None:
        """Force everything to the disk. Raises UserError like `chunk`."""
        if self._file is not None and self._unsynced:
            self._sync()

    def checkpoint(self, state: bytes) -> None:
        """Write the whole state as it is after the ticks written so far. Raises UserError like `chunk`."""
        if self._file is not None:
            self._write(self._packer.pack(frames.CHECKPOINT, struct.pack("<Q", self.ticks) + state))

    def close(self, digest: str = "") -> None:
        """Write the end mark with the digest over all outputs, and force everything to the disk.

        Raises UserError like `chunk`.
        """
        if self._file is None:
            return
        self._write(self._packer.pack(frames.END, struct.pack("<Q", self.ticks) + digest.encode()))
        self._sync()
        self._file.close()
        self._file = None

    def _write(self, data: bytes) -> None:
        assert self._file is not None
        try:
            view = memoryview(data)
            while len(view):
                view = view[self._file.write(view) :]
        except OSError as error:
            self._fail(error)
        self.bytes += len(data)

    def _sync(self) -> None:
        assert self._file is not None
        self._unsynced = 0
        try:
            self._file.flush()
            os.fdatasync(self._file.fileno())
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        """Take the half-written frame off, give the file up, and say so."""
        assert self._file is not None
        with suppress(OSError):
            self._file.truncate(self.bytes)
        with suppress(OSError):
            self._file.close()
        self._file = None
        raise UserError(
            f"{self.path}: the recording stopped after {self.ticks} ticks: {error.strerror or error}; "
            "what was written before can be read; free the disk and start again"
        ) from error

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """After an error the file ends without its end mark, as after a crash; what was written can be read."""
        if kind is None:
            self.close()
        elif self._file is not None:
            self._file.close()
            self._file = None


class Recording:
    """A recording to be read: `header`, and `read()` for what follows, in bounded memory.

    Raises:
        UserError: the file is missing, empty, no recording, of another format, or its header is damaged.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            what = "is a folder, not a recording" if self.path.is_dir() else "does not exist: check the path"
            raise UserError(f"{self.path}: {what}")
        try:
            with self.path.open("rb") as file:
                self._first, self.header = self._read_header(file)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read: {error.strerror}") from None

    def _read_header(self, file: BinaryIO) -> tuple[int, Header]:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            raise UserError(f"{self.path}: the file is empty (0 bytes): nothing was recorded")
        start = file.read(len(MAGIC) + 4)
        if start[: len(MAGIC)] != MAGIC:
            if MAGIC.startswith(start):
                raise UserError(f"{self.path}: cut after {size} bytes, before anything was recorded")
            raise UserError(f"{self.path}: not an Ionward recording (it begins with other bytes)")
        if len(start) == len(MAGIC) + 4 and (number := struct.unpack_from("<I", start, len(MAGIC))[0]) != FORMAT:
            raise UserError(
                f"{self.path}: recording of format {number}, this Ionward {ionward.__version__} reads format {FORMAT}: "
                "read it with the Ionward that wrote it"
            )
        first = next(iter(frames.read_frames(file, len(start), size)), None)
        if not isinstance(first, frames.Frame) or first.kind != frames.HEADER:
            state = "cut" if not isinstance(first, frames.Damage) else "damaged"
            raise UserError(f"{self.path}: the header is {state}, so nothing after it can be understood")
        try:
            header = Header.from_json(frames.content(first))
        except (ValueError, KeyError, TypeError, frames.ContentError):
            raise UserError(f"{self.path}: the header makes no sense: written by another program?") from None
        if header.layout != layout_key():
            raise UserError(
                f"{self.path}: written by Ionward {header.ionward}, which knows other signals than this "
                f"{ionward.__version__}: read it with that version"
            )
        return frames.frame_end(first), header

    def read(self, from_tick: int = 0) -> Iterator[Chunk | Checkpoint | End | Loss]:
        """Everything in order; chunks that end at or before `from_tick` are skipped without decoding them.

        What is damaged, missing or cut comes as `Loss`; the sentence says where.
        """
        codec = InputCodec(self.header.size)
        expected = -1
        with self.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            for item in frames.read_frames(file, self._first, size):
                if not isinstance(item, frames.Frame):
                    yield Loss(item.told(), isinstance(item, frames.Cut))
                    continue
                try:
                    found = self._understand(item, codec, from_tick)
                except (frames.ContentError, CodecError, struct.error, ValueError) as error:
                    yield Loss(f"the frame at byte {item.offset} cannot be understood ({error})", False)
                    continue
                if isinstance(found, range):
                    expected = found.stop
                    continue
                if isinstance(found, Chunk):
                    if expected >= 0 and found.first_tick != expected:
                        yield Loss(f"ticks {expected} to {found.first_tick - 1} are missing", False)
                    expected = found.first_tick + found.ticks
                if isinstance(found, Chunk | Checkpoint | End):
                    yield found

    def ticks(self) -> int:
        """How many ticks the recording reaches, without making anything of them."""
        last = 0
        with self.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            for item in frames.read_frames(file, self._first, size):
                if isinstance(item, frames.Frame) and item.kind == frames.INPUTS:
                    with suppress(frames.ContentError, struct.error):
                        last = sum(struct.unpack_from("<QI", frames.content(item)))
        return last

    @staticmethod
    def _understand(frame: frames.Frame, codec: InputCodec, from_tick: int) -> Chunk | Checkpoint | End | range | None:
        data = frames.content(frame)
        if frame.kind == frames.INPUTS:
            first, ticks = struct.unpack_from("<QI", data)
            if first + ticks <= from_tick:
                return range(first, first + ticks)
            digests = np.frombuffer(data, np.uint64, ticks, 12)
            buffer = codec.decode(data[12 + 8 * ticks :])
            if len(buffer.time_s) != ticks:
                raise CodecError("digests do not fit the ticks")
            return Chunk(first, buffer, digests)
        if frame.kind == frames.CHECKPOINT:
            return Checkpoint(struct.unpack_from("<Q", data)[0], data[8:])
        if frame.kind == frames.END:
            return End(struct.unpack_from("<Q", data)[0], data[8:].decode())
        return None
