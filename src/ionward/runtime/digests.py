"""Fingerprints of outputs: one over a whole run, and a small one for each tick."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
_GOLDEN = 0x9E3779B97F4A7C15


def _mixed(words: Words) -> Words:
    """The finisher of SplitMix64 (Steele, Lea, Flood 2014): every bit in moves every bit out. Wraps on purpose."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def digest_keys(count: int) -> Words:
    """A different odd factor for each word, so that words cannot change places unnoticed."""
    with np.errstate(over="ignore"):
        return _mixed(np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_GOLDEN)) | np.uint64(1)


def digest_rows(words: npt.NDArray[np.float64], keys: Words) -> Words:
    """A 64-bit digest for each row of `[tick, word]`."""
    with np.errstate(over="ignore"):
        # Adding the keys first keeps a row of zeros from hiding which of its words is zero.
        return _mixed(_mixed((_whole(words) + keys) * keys).sum(axis=1, dtype=np.uint64))


def _whole(words: npt.NDArray[np.float64]) -> Words:
    """Words as bits. Sign and payload of a NaN mean nothing, and may differ between equal computations."""
    return np.where(np.isnan(words), np.nan, words).view(np.uint64)


class Digests:
    """Fingerprints of the output words of consecutive ticks.

    `hexdigest` is the SHA-256 over all output words so far, as little-endian float64 in which every NaN is the same.
    """

    def __init__(self, words: int) -> None:
        self.ticks = 0
        self._keys = digest_keys(words)
        self._sha = hashlib.sha256()

    def update(self, words: npt.NDArray[np.float64]) -> Words:
        """Take in `[tick, word]`; returns a 64-bit digest for each tick."""
        self.ticks += len(words)
        self._sha.update(_whole(words).tobytes())
        return digest_rows(words, self._keys)

    def hexdigest(self) -> str:
        """SHA-256 over everything taken in."""
        return self._sha.hexdigest()
