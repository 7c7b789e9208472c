"""What peers tell each other, as bytes: whole, small, and refused when anything is wrong with it."""

from __future__ import annotations

import math
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ionward.peers.message import BYTES, NAMES, PROTOCOL, BadMessageError, decode, encode, new_message

CAN_FD_PAYLOAD, FRAME_HEADER = 64, 4
WORD = st.integers(0, 2**32 - 1)


@given(
    counter=WORD, boot=WORD, view=st.integers(0, 2**63 - 1), time_us=st.integers(-(2**62), 2**62),
    vote=st.integers(-1, 63), emf_v=st.floats(width=32, allow_nan=False),
)  # fmt: skip
def test_what_was_said_is_what_is_heard(counter, boot, view, time_us, vote, emf_v) -> None:
    message = new_message()
    said = {"counter": counter, "boot": boot, "view": view, "time_us": time_us, "speak_vote": vote, "emf_v": emf_v}
    for name, value in said.items():
        message[name] = value
    heard = decode(encode(message[0]))
    assert all(heard[name][0] == value for name, value in said.items())
    assert all(heard[name][0] == message[name][0] for name in NAMES)


def test_what_is_not_known_stays_unknown() -> None:
    message = new_message()
    message["resistance_ohm"] = math.nan
    assert math.isnan(decode(encode(message[0]))["resistance_ohm"][0])


def test_a_message_fits_three_can_fd_frames() -> None:
    assert BYTES <= 3 * (CAN_FD_PAYLOAD - FRAME_HEADER)


@given(st.integers(0, 8 * (BYTES - 16) - 1))
def test_every_flipped_bit_is_noticed(bit: int) -> None:
    data = bytearray(encode(new_message()[0]))
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BadMessageError):
        decode(bytes(data))


@given(st.binary(max_size=300))
def test_noise_is_refused(data: bytes) -> None:
    with pytest.raises(BadMessageError):
        decode(data)


def test_another_version_is_told_as_such_even_where_its_length_is_another() -> None:
    other = bytes([PROTOCOL + 1]) + encode(new_message()[0])[1:]
    for data in (other, other + b"more"):
        with pytest.raises(BadMessageError, match=f"protocol version {PROTOCOL + 1}, not {PROTOCOL}"):
            decode(data)
    assert zlib.crc32(b"123456789") == 0xCBF43926  # the check value of the CRC-32 that the wire format names
