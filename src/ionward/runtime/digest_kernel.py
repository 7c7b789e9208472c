"""The fingerprint of one tick's outputs in compiled code, for loops that run in real time.

It is the same number as `digests.Digests` makes, bit by bit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ionward._compile import jit_disabled, njit
from ionward.runtime.digests import digest_keys, digest_rows

__all__ = ["digest_keys", "digest_words"]

NAN_BITS = np.uint64(0x7FF8000000000000)
FIRST_SHIFT, SECOND_SHIFT, THIRD_SHIFT = np.uint64(30), np.uint64(27), np.uint64(31)
FIRST_FACTOR, SECOND_FACTOR = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)

if jit_disabled:

    def digest_words(words: npt.NDArray[np.float64], keys: npt.NDArray[np.uint64]) -> np.uint64:
        """Digest of one tick's output words `[word]`, contiguous; `keys` `[word]` are those of `digest_keys`."""
        return np.uint64(digest_rows(words[None, :], keys)[0])

else:

    @njit
    def mixed(word: np.uint64) -> np.uint64:
        """The finisher of SplitMix64, as in `digests`."""
        word = (word ^ (word >> FIRST_SHIFT)) * FIRST_FACTOR
        word = (word ^ (word >> SECOND_SHIFT)) * SECOND_FACTOR
        return word ^ (word >> THIRD_SHIFT)

    @njit
    def digest_words(words: npt.NDArray[np.float64], keys: npt.NDArray[np.uint64]) -> np.uint64:
        """Digest of one tick's output words `[word]`, contiguous; `keys` `[word]` are those of `digest_keys`."""
        bits = words.view(np.uint64)
        total = np.uint64(0)
        for k in range(bits.shape[0]):
            word = NAN_BITS if words[k] != words[k] else bits[k]
            total += mixed((word + keys[k]) * keys[k])
        return mixed(total)
