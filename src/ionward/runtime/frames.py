"""Frames: the pieces of a recording, each with its own checksum.

A frame is a marker, its kind, the length of its payload, a CRC-32 over kind, length and payload, and the payload
(Zstandard). Whatever happens to a file, each frame is whole or known not to be: a reader stops at a cut, and steps
over a damaged stretch to the next whole frame, and says both.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import zstandard

MARKER = b"\xc3ION"
_HEAD = struct.Struct("<4sBII")  # marker, kind, length, crc
PAYLOAD_MAX = 1 << 26  # compressed; a longer length field is a damaged one
CONTENT_MAX = 1 << 28  # decompressed; keeps memory bounded whatever a file claims
_WINDOW = 1 << 20

HEADER, INPUTS, CHECKPOINT, END = range(4)
KINDS = ("header", "inputs", "checkpoint", "end")


class Frame(NamedTuple):
    """A whole frame."""

    offset: int
    kind: int
    payload: bytes


class Damage(NamedTuple):
    """A stretch of a file that is not whole frames, though whole frames follow."""

    offset: int
    length: int
    reason: str

    def told(self) -> str:
        """What and where, for a person."""
        return f"{self.length} bytes from byte {self.offset} on are damaged ({self.reason})"


class Cut(NamedTuple):
    """The place from which nothing whole follows; `offset` equals the file's length where only the end is missing."""

    offset: int
    length: int
    reason: str

    def told(self) -> str:
        """What and where, for a person."""
        rest = f", {self.length} bytes of it cannot be used" if self.length else ""
        return f"the recording ends at byte {self.offset} without its end mark ({self.reason}{rest})"


def _crc(kind: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(struct.pack("<BI", kind, len(payload))))


class Packer:
    """Makes frames."""

    def __init__(self, level: int = 3) -> None:
        self._compressor = zstandard.ZstdCompressor(level=level)

    def pack(self, kind: int, content: bytes) -> bytes:
        """A frame that carries `content`."""
        payload = self._compressor.compress(content)
        return _HEAD.pack(MARKER, kind, len(payload), _crc(kind, payload)) + payload


def _parse(file: BinaryIO, offset: int, end: int) -> Frame | str:
    """The frame at `offset`, or why there is none."""
    if end - offset < _HEAD.size:
        return "a frame's head is cut"
    file.seek(offset)
    marker, kind, length, crc = _HEAD.unpack(file.read(_HEAD.size))
    if marker != MARKER:
        return "no frame begins here"
    if kind >= len(KINDS) or length > PAYLOAD_MAX:
        return "a frame's head makes no sense"
    if offset + _HEAD.size + length > end:
        return f"a frame of kind {KINDS[kind]} is cut"
    payload = file.read(length)
    if _crc(kind, payload) != crc:
        return f"the checksum of a frame of kind {KINDS[kind]} is wrong"
    return Frame(offset, kind, payload)


def _next_whole(file: BinaryIO, offset: int, end: int) -> Frame | None:
    """The first whole frame at or after `offset`, in bounded memory."""
    at = offset
    while at < end:
        file.seek(at)
        window = file.read(_WINDOW + len(MARKER) - 1)
        found = window.find(MARKER)
        while found >= 0:
            frame = _parse(file, at + found, end)
            if isinstance(frame, Frame):
                return frame
            found = window.find(MARKER, found + 1)
        at += _WINDOW
    return None


def frame_end(frame: Frame) -> int:
    """Offset of the byte behind a frame."""
    return frame.offset + _HEAD.size + len(frame.payload)


def read_frames(file: BinaryIO, offset: int, end: int) -> Iterator[Frame | Damage | Cut]:
    """Every whole frame from `offset` on, with what is damaged between them, and the cut where the end is missing."""
    at = offset
    last = -1
    while at < end:
        frame = _parse(file, at, end)
        if isinstance(frame, str):
            reason = frame
            whole = _next_whole(file, at + 1, end)
            if whole is None:
                yield Cut(at, end - at, reason)
                return
            yield Damage(at, whole.offset - at, reason)
            frame = whole
        yield frame
        last = frame.kind
        at = frame_end(frame)
    if last != END:
        yield Cut(end, 0, "it was not closed")


class ContentError(Exception):
    """A payload that is no Zstandard content of sensible size."""


def content(frame: Frame) -> bytes:
    """What a frame carries.

    Raises:
        ContentError: the payload does not decompress, or to more than a frame may hold.
    """
    try:
        parameters = zstandard.get_frame_parameters(frame.payload)
        if parameters.content_size > CONTENT_MAX:
            raise ContentError("larger than a frame may be")
        return zstandard.ZstdDecompressor().decompress(frame.payload, max_output_size=CONTENT_MAX)
    except zstandard.ZstdError as error:
        raise ContentError(str(error)) from None
