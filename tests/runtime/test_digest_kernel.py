"""The compiled digest of one tick is the same number as the one that recordings are verified with."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ionward.runtime.digest_kernel import digest_keys, digest_words
from ionward.runtime.digests import Digests

WORDS = 9
ANY_BITS = hnp.arrays(np.uint64, (3, WORDS), elements=st.integers(0, 2**64 - 1))
ODD_VALUES = hnp.arrays(
    np.float64, (3, WORDS), elements=st.sampled_from([0.0, -0.0, np.nan, -np.nan, np.inf, -np.inf, 5e-324, 1.0, -3.7])
)


@given(ANY_BITS.map(lambda bits: bits.view(np.float64)) | ODD_VALUES)
def test_it_equals_the_digest_of_recordings_bit_by_bit(rows: np.ndarray) -> None:
    keys = digest_keys(WORDS)
    expected = Digests(WORDS).update(rows).tolist()
    assert [int(digest_words(np.ascontiguousarray(row), keys)) for row in rows] == expected
