"""How the inputs of consecutive ticks become few bytes, without losing one bit.

Inputs barely change from tick to tick: a sample is kept until the next one comes. So each tick stores which items
have a new sample (one bit each), and for these alone the value and the sample time.

- Values of real sensors are multiples of a resolution. Where each new value of an item in the chunk is exactly
  `n * step` or `n / divisor` in float64 (`STEPS`), the integer `n` is stored, less a prediction: the item's own
  smoothed past plus the common movement of its block in this tick. Else the bits are stored, XOR those before.
- Sample times are stored less the time of the item before (the clock for the first), as difference of their bits:
  zero where all cells of a sweep share one time.

Each stream is cut to the bytes that it needs and laid out byte plane by byte plane; the frame's Zstandard does the
rest. Every chunk stands alone: it needs nothing of the chunk before.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ionward._compile import allocating, njit
from ionward.image.inputs import CHANNELS, COMMAND_RECORD, RAW, Array, Raw
from ionward.image.layout import Size

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

COMMAND_WORDS = COMMAND_RECORD.itemsize // 8
NEVER_BITS = int(np.array(-np.inf).view(np.int64))
NAN_BITS = int(np.array(np.nan).view(np.int64))
NEGATIVE_ZERO_BITS = int(np.array(-0.0).view(np.int64))

# Resolutions of sensors: 1, 2, 2.5, 5, … per decade and 1.5 (monitors of 1.5 mV), as factor and as divisor.
_FACTORS = [float(f"{m}e-{e}") for e in range(7) for m in ("1", "5", "2", "2.5", "1.5")]
_DIVISORS = [float(f"1e{e}") for e in range(1, 7)] + [2.0**e for e in (1, 2, 4, 8, 12, 16)]
STEPS = np.array([[0.0, 1.0]] + [[1.0, d] for d in _DIVISORS] + [[f, 1.0] for f in _FACTORS])
RAW_STEP = 0
INTEGER_MAX = 2.0**40

# Codes of quantised values: two special values, then signed residuals folded to be non-negative.
CODE_NAN, CODE_NEGATIVE_ZERO, CODE_FIRST = 0, 1, 2
FRACTION_BITS = 4  # of the fixed-point prediction


class RecordBuffer(NamedTuple):
    """Inputs of some ticks, kept until they are written: `[tick]` and `[tick, item]`.

    Items are the channels, then the cells, then the temperature sensors.
    """

    time_s: Array
    values: Array
    sample_times_s: Array
    commands: Any


def record_buffer(size: Size, ticks: int) -> RecordBuffer:
    """Room for the inputs of `ticks` ticks."""
    items = CHANNELS + size.cells + size.sensors
    return RecordBuffer(
        np.zeros(ticks), np.zeros((ticks, items)), np.zeros((ticks, items)), np.zeros(ticks, COMMAND_RECORD)
    )


@njit
def push(buffer: RecordBuffer, raw: Raw, command: Any, k: int) -> None:
    """Keep the inputs of a tick in row `k`."""
    buffer.time_s[k] = raw.clock[0]["time_s"]
    at = 0
    for block in (raw.channels, raw.cells, raw.temperatures):
        for i in range(block.shape[1]):
            buffer.values[k, at] = block[RAW.value, i]
            buffer.sample_times_s[k, at] = block[RAW.time_s, i]
            at += 1
    buffer.commands[k] = command[0]


@njit
def pull(buffer: RecordBuffer, k: int, raw: Raw, command: Any) -> None:
    """Write the inputs of row `k` back into `raw` and `command`."""
    raw.clock[0]["time_s"] = buffer.time_s[k]
    at = 0
    for block in (raw.channels, raw.cells, raw.temperatures):
        for i in range(block.shape[1]):
            block[RAW.value, i] = buffer.values[k, at]
            block[RAW.time_s, i] = buffer.sample_times_s[k, at]
            at += 1
    command[0] = buffer.commands[k]


@njit
def _choose_steps(values: Array, bits: Ints, times: Ints, steps: Array, nan_bits: int, chosen: Ints) -> None:
    """Find for each item the first step that gives all its new values exactly; `chosen` holds a first guess."""
    ticks, items = values.shape
    candidates = steps.shape[0]
    for i in range(items):
        guess = chosen[i]
        chosen[i] = 0
        for attempt in range(candidates):
            candidate = guess if attempt == 0 else attempt
            if candidate == 0 or (attempt > 0 and candidate == guess):
                continue
            factor, divisor = steps[candidate, 0], steps[candidate, 1]
            exact = True
            for k in range(ticks):
                if k > 0 and bits[k, i] == bits[k - 1, i] and times[k, i] == times[k - 1, i]:
                    continue
                value = values[k, i]
                if bits[k, i] == nan_bits or value == 0.0:
                    continue
                n = np.rint(value * divisor / factor)
                # NaN with other bits, infinity and huge values fail here too.
                if not (abs(n) < INTEGER_MAX and n * factor / divisor == value):
                    exact = False
                    break
            if exact:
                chosen[i] = candidate
                break


@njit
def _fold(value: int) -> int:
    """Signed to non-negative with small values staying small: 0, -1, 1, -2, … -> 0, 1, 2, 3, …"""
    return (value << 1) ^ (value >> 63)


@njit
def _unfold(code: int) -> int:
    return ((code >> 1) & 0x7FFFFFFFFFFFFFFF) ^ -(code & 1)


@allocating
def _encode(
    clock: Ints,
    values: Array,
    bits: Ints,
    times: Ints,
    chosen: Ints,
    steps: Array,
    shifts: Ints,
    ends: Ints,
    special: Ints,
    mask: Bytes,
    quantised: Ints,
    plain: Ints,
    time_codes: Ints,
) -> tuple[int, int, int]:
    """Fill the streams; returns how many quantised values, plain values and times there are.

    `shifts` is the smoothing of each block's own past, `ends` its end among the items, `special` the bits of
    (never, NaN, minus zero). A block with shift 0 is predicted by its last value alone.
    """
    ticks, items = values.shape
    before = np.full(items, special[1])
    before_time = np.full(items, special[0])
    smooth = np.zeros(items, np.int64)
    started = np.zeros(items, np.uint8)
    n_quantised = n_plain = n_times = 0
    for k in range(ticks):
        reference = clock[k]
        block = 0
        common = 0
        first = True
        for i in range(items):
            while i == ends[block]:
                block += 1
                common = 0
                first = True
            b, t = bits[k, i], times[k, i]
            if b == before[i] and t == before_time[i]:
                continue
            mask[k, i >> 3] |= np.uint8(1 << (i & 7))
            time_codes[n_times] = _fold(t - reference)
            n_times += 1
            reference = t
            before_time[i] = t
            if chosen[i] == RAW_STEP:
                plain[n_plain] = b ^ before[i]
                n_plain += 1
            elif b == special[1] or b == special[2]:
                quantised[n_quantised] = CODE_NAN if b == special[1] else CODE_NEGATIVE_ZERO
                n_quantised += 1
            else:
                step = chosen[i]
                n = int(np.rint(values[k, i] * steps[step, 1] / steps[step, 0]))
                predicted = (smooth[i] + common) >> FRACTION_BITS
                quantised[n_quantised] = _fold(n - predicted) + CODE_FIRST
                n_quantised += 1
                scaled = n << FRACTION_BITS
                if shifts[block] > 0:
                    moved = scaled - smooth[i]
                    common = moved if first else common + ((moved - common) >> 3)
                    first = False
                if started[i]:
                    smooth[i] += (scaled - smooth[i]) >> shifts[block]
                else:
                    smooth[i] = scaled
                    started[i] = 1
            before[i] = b
    return n_quantised, n_plain, n_times


@allocating
def _decode(
    clock: Ints,
    values: Array,
    bits: Ints,
    times: Ints,
    chosen: Ints,
    steps: Array,
    shifts: Ints,
    ends: Ints,
    special: Ints,
    mask: Bytes,
    quantised: Ints,
    plain: Ints,
    time_codes: Ints,
) -> None:
    """The inverse of `_encode`; `bits` is the integer view of `values`."""
    ticks, items = values.shape
    before = np.full(items, special[1])
    before_time = np.full(items, special[0])
    smooth = np.zeros(items, np.int64)
    started = np.zeros(items, np.uint8)
    n_quantised = n_plain = n_times = 0
    for k in range(ticks):
        reference = clock[k]
        block = 0
        common = 0
        first = True
        for i in range(items):
            while i == ends[block]:
                block += 1
                common = 0
                first = True
            if (mask[k, i >> 3] >> (i & 7)) & 1:
                reference += _unfold(time_codes[n_times])
                n_times += 1
                before_time[i] = reference
                if chosen[i] == RAW_STEP:
                    before[i] ^= plain[n_plain]
                    bits[k, i] = before[i]
                    n_plain += 1
                else:
                    code = quantised[n_quantised]
                    n_quantised += 1
                    if code == CODE_NAN:
                        bits[k, i] = special[1]
                    elif code == CODE_NEGATIVE_ZERO:
                        bits[k, i] = special[2]
                    else:
                        n = _unfold(code - CODE_FIRST) + ((smooth[i] + common) >> FRACTION_BITS)
                        values[k, i] = n * steps[chosen[i], 0] / steps[chosen[i], 1]
                        scaled = n << FRACTION_BITS
                        if shifts[block] > 0:
                            moved = scaled - smooth[i]
                            common = moved if first else common + ((moved - common) >> 3)
                            first = False
                        if started[i]:
                            smooth[i] += (scaled - smooth[i]) >> shifts[block]
                        else:
                            smooth[i] = scaled
                            started[i] = 1
                    before[i] = bits[k, i]
            else:
                bits[k, i] = before[i]
            times[k, i] = before_time[i]


def _planes(codes: Ints) -> bytes:
    """Byte planes of non-negative or plain 64-bit codes, as many as they need, led by count and width."""
    raw = np.ascontiguousarray(codes).view(np.uint8).reshape(len(codes), 8)
    used = np.flatnonzero(raw.any(axis=0))
    width = int(used[-1]) + 1 if len(used) else 0
    return struct.pack("<IB", len(codes), width) + np.ascontiguousarray(raw[:, :width].T).tobytes()


class CodecError(Exception):
    """A payload that no encoder wrote."""


class _Reader:
    """Takes streams off a payload."""

    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        self.at = 0

    def take(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self.payload):
            raise CodecError("a stream is shorter than it says")
        part = self.payload[self.at : self.at + count]
        self.at += count
        return part

    def planes(self) -> Ints:
        count, width = struct.unpack("<IB", self.take(5))
        if width > 8:
            raise CodecError("a stream is wider than a number")
        part = np.frombuffer(self.take(count * width), np.uint8).reshape(width, count)
        raw = np.zeros((count, 8), np.uint8)
        raw[:, :width] = part.T
        return raw.reshape(-1).view(np.int64)


def _clock_codes(bits: Ints) -> Ints:
    """Second differences of the clock's bits, folded."""
    with np.errstate(over="ignore"):
        twice = np.diff(bits, n=2, prepend=np.zeros(2, np.int64))
    return (twice << 1) ^ (twice >> 63)


def _clock_bits(codes: Ints) -> Ints:
    twice = ((codes >> 1) & np.int64(0x7FFFFFFFFFFFFFFF)) ^ -(codes & 1)
    return np.cumsum(np.cumsum(twice))


class InputCodec:
    """Encodes and decodes the inputs of chunks of a pack of one size."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.items = CHANNELS + size.cells + size.sensors
        self._guess = np.zeros(self.items, np.int64)
        self._shifts = np.array([0, 2, 2, 0], np.int64)
        self._ends = np.array([CHANNELS, CHANNELS + size.cells, self.items, self.items + 1], np.int64)
        self._special = np.array([NEVER_BITS, NAN_BITS, NEGATIVE_ZERO_BITS], np.int64)
        self._scratch: Ints = np.zeros((3, 0), np.int64)

    def encode(self, buffer: RecordBuffer, ticks: int) -> bytes:
        """The first `ticks` rows of a buffer as bytes, not compressed yet."""
        if self._scratch.shape[1] < ticks * self.items:
            self._scratch = np.zeros((3, ticks * self.items), np.int64)
        values = np.ascontiguousarray(buffer.values[:ticks])
        bits = values.view(np.int64)
        times = np.ascontiguousarray(buffer.sample_times_s[:ticks]).view(np.int64)
        clock = np.ascontiguousarray(buffer.time_s[:ticks]).view(np.int64)
        mask = np.zeros((ticks, (self.items + 7) // 8), np.uint8)
        quantised, plain, time_codes = self._scratch
        with np.errstate(all="ignore"):
            _choose_steps(values, bits, times, STEPS, NAN_BITS, self._guess)
            counts = _encode(
                clock, values, bits, times, self._guess, STEPS, self._shifts, self._ends, self._special,
                mask, quantised, plain, time_codes,
            )  # fmt: skip
        words = np.ascontiguousarray(buffer.commands[:ticks]).view(np.int64).reshape(ticks, COMMAND_WORDS)
        new_command = np.append(True, (words[1:] != words[:-1]).any(axis=1)) if ticks else np.zeros(0, bool)
        return b"".join(
            (
                struct.pack("<I", ticks),
                self._guess.astype(np.uint8).tobytes(),
                mask.tobytes(),
                np.packbits(new_command).tobytes(),
                _planes(_clock_codes(clock)),
                _planes(quantised[: counts[0]]),
                _planes(plain[: counts[1]]),
                _planes(time_codes[: counts[2]]),
                _planes(words[new_command].reshape(-1)),
            )
        )

    def decode(self, payload: bytes) -> RecordBuffer:
        """The inverse of `encode`.

        Raises:
            CodecError: the payload is not consistent in itself.
        """
        reader = _Reader(payload)
        (ticks,) = struct.unpack("<I", reader.take(4))
        chosen = np.frombuffer(reader.take(self.items), np.uint8).astype(np.int64)
        if chosen.max(initial=0) >= len(STEPS):
            raise CodecError("unknown resolution")
        width = (self.items + 7) // 8
        mask = np.frombuffer(reader.take(ticks * width), np.uint8).reshape(ticks, width).copy()
        new_command = np.unpackbits(np.frombuffer(reader.take((ticks + 7) // 8), np.uint8), count=ticks).astype(bool)
        clock_codes, quantised, plain, time_codes, words = (reader.planes() for _ in range(5))
        if reader.at != len(payload):
            raise CodecError("bytes left over")
        changed = np.unpackbits(mask, axis=1, bitorder="little", count=self.items).sum(axis=0)
        expected = int(changed[chosen != RAW_STEP].sum()), int(changed[chosen == RAW_STEP].sum()), int(changed.sum())
        if (len(quantised), len(plain), len(time_codes)) != expected or len(clock_codes) != ticks:
            raise CodecError("streams do not fit each other")
        if len(words) != int(new_command.sum()) * COMMAND_WORDS or (ticks and not new_command[0]):
            raise CodecError("commands do not fit the ticks")
        out = record_buffer(self.size, ticks)
        clock = out.time_s.view(np.int64)
        with np.errstate(all="ignore"):
            clock[:] = _clock_bits(clock_codes)
            _decode(
                clock, out.values, out.values.view(np.int64), out.sample_times_s.view(np.int64), chosen, STEPS,
                self._shifts, self._ends, self._special, mask, quantised, plain, time_codes,
            )  # fmt: skip
        if ticks:
            rows = np.cumsum(new_command) - 1
            out.commands.view(np.int64).reshape(ticks, COMMAND_WORDS)[:] = words.reshape(-1, COMMAND_WORDS)[rows]
        return out
