"""What a BMU tells its peers in every period: one message, the same for all, small enough for three CAN FD frames.

On the wire it is packed and little-endian, with a CRC-32 over everything before it, and room for an authentication tag
behind it that is zero as long as messages are not authenticated.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import Any

import numpy as np

from ionward import __version__
from ionward.image.catalogue import Signal, record
from ionward.peers.lease import NOBODY

PROTOCOL = 1
TAG_BYTES = 16

# name, wire type (struct), unit, meaning
_FIELDS = (
    ("protocol", "B", "", "Version of this layout"),
    ("unit", "B", "", "Number of the sender at the site"),
    ("units", "B", "", "How many units its site has"),
    ("flags", "B", "", "Bits: see FLAG_…"),
    ("site", "q", "", "Digest of the site's description and of the pack's cells"),
    ("software", "q", "", "Digest of the software's version"),
    ("boot", "I", "", "How often the sender has been started"),
    ("counter", "I", "", "Counts its messages since then"),
    ("time_us", "q", "µs", "Its clock when it sent this"),
    ("echo_unit", "b", "", "A message that it heard, for the others' clocks: of whom; -1 none"),
    ("echo_counter", "I", "", "… its counter"),
    ("echo_held_us", "I", "µs", "… and how long ago"),
    ("view", "q", "", "Units that it hears, a bit each"),
    ("speak_term", "I", "", "Speaking: the term it stands with, or the highest that it knows"),
    ("speak_vote", "b", "", "… for whom it votes; -1 nobody"),
    ("speak_vote_term", "I", "", "… with which term"),
    ("speak_vote_boot", "I", "", "… of which start"),
    ("speak_vote_heard", "I", "", "… and the message of that one that was heard"),
    ("close_term", "I", "", "Closing: as above"),
    ("close_vote", "b", "", "…"),
    ("close_vote_term", "I", "", "…"),
    ("close_vote_boot", "I", "", "…"),
    ("close_vote_heard", "I", "", "…"),
    ("state", "B", "", "State of its sequence"),
    ("intent", "B", "", "What it would connect for: none, charge, discharge"),
    ("soc", "f", "", "State of charge"),
    ("soh", "f", "", "State of health"),
    ("energy_wh", "f", "Wh", "Energy that it can give"),
    ("emf_v", "f", "V", "Voltage without current"),
    ("resistance_ohm", "f", "Ω", "Pack and its way to the bus"),
    ("bus_v", "f", "V", "Voltage of the bus at its contactors"),
    ("current_a", "f", "A", "Current, positive charging"),
    ("charge_limit_a", "f", "A", "What it may be charged with"),
    ("discharge_limit_a", "f", "A", "What it may be discharged with"),
)
FLAG_CONNECTED, FLAG_READY, FLAG_LEAVING, FLAG_SPEAK_STANDS, FLAG_CLOSE_STANDS, FLAG_APART = 1, 2, 4, 8, 16, 32

_WIRE = struct.Struct("<" + "".join(kind for _, kind, _, _ in _FIELDS))
_CRC = struct.Struct("<I")
NAMES = tuple(name for name, _, _, _ in _FIELDS)
SIGNALS = tuple(Signal(name, unit, meaning, "f8" if kind == "f" else "i8") for name, kind, unit, meaning in _FIELDS)
MESSAGE_RECORD = record(SIGNALS)
BYTES = _WIRE.size + _CRC.size + TAG_BYTES


class BadMessageError(ValueError):
    """Bytes that are no message; the text says why."""


def software_digest() -> int:
    """63 bits of what units must have in common in their software: its version and that of the message."""
    return int.from_bytes(hashlib.sha256(f"{__version__} {PROTOCOL}".encode()).digest()[:8], "big") >> 1


def new_message() -> Any:
    """A record of length 1 that says nothing yet."""
    message = np.zeros(1, MESSAGE_RECORD)
    message["protocol"] = PROTOCOL
    for name in ("echo_unit", "speak_vote", "close_vote"):
        message[name] = NOBODY
    return message


def encode(message: Any) -> bytes:
    """The bytes of a message. Counters wrap at 32 bits; a float is rounded to single precision."""
    body = _WIRE.pack(*(_fitting(message[name], kind) for name, kind, _, _ in _FIELDS))
    return body + _CRC.pack(zlib.crc32(body)) + bytes(TAG_BYTES)


def _fitting(value: Any, kind: str) -> float | int:
    if kind == "f":
        return float(value)
    return int(value) & 0xFFFFFFFF if kind == "I" else int(value)


def decode(data: bytes) -> Any:
    """The record of a message.

    Raises:
        BadMessageError: the length, the CRC or the version of the layout is another one.
    """
    if not data or data[0] != PROTOCOL:
        raise BadMessageError(f"protocol version {data[0] if data else 'missing'}, not {PROTOCOL}")
    if len(data) != BYTES:
        raise BadMessageError(f"{len(data)} bytes long, not {BYTES}")
    body = data[: _WIRE.size]
    if _CRC.unpack_from(data, _WIRE.size)[0] != zlib.crc32(body):
        raise BadMessageError("its checksum is wrong")
    message = np.zeros(1, MESSAGE_RECORD)
    for name, value in zip(NAMES, _WIRE.unpack(body), strict=True):
        message[name] = value
    return message
