"""Challenge and answer: the same number in Python and in compiled code, and another one for whatever else goes in."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ionward._compile import njit
from ionward.image.challenge import answer_to, fold, sample_keys, wish_word

WORDS = st.integers(-(2**63), 2**63 - 1)
COUNTS = st.integers(0, 2**62 - 1)
FLOWS = st.integers(0, 2**31 - 1)


compiled_answer, compiled_fold = njit(answer_to), njit(fold)
WISHES = st.integers(0, 63)


@given(parts=st.tuples(WORDS, WORDS, WORDS, WORDS, WORDS, WISHES), which=st.integers(0, 5), bit=st.integers(0, 30))
def test_the_answer_is_the_same_in_both_and_changes_with_every_part(
    parts: tuple[int, int, int, int, int, int], which: int, bit: int
) -> None:
    answer = answer_to(*parts)
    assert compiled_answer(*parts) == answer
    assert 0 <= answer < 2**62
    changed = list(parts)
    changed[which] ^= 1 << bit
    assert answer_to(*changed) != answer


@given(st.lists(WORDS, min_size=1, max_size=20), st.integers(0, 19), st.integers(0, 63))
def test_the_checksum_is_the_same_in_both_and_every_bit_counts(words: list[int], at: int, bit: int) -> None:
    row = np.array(words, np.int64)
    total = fold(words, 0, len(words))
    assert compiled_fold(row, 0, len(row)) == total == fold(row, 0, len(row))
    row[at % len(row)] ^= np.int64(np.array(1 << bit, np.uint64).view(np.int64))
    assert fold(row.tolist(), 0, len(row)) != total


def test_wishes_have_a_bit_each() -> None:
    told = {wish_word(a, b, c, d, e) for a in (0, 1) for b in (0, 1) for c in (0, 1) for d in (0, 1) for e in range(3)}
    assert len(told) == 48


def test_keys_are_odd_and_differ() -> None:
    keys = sample_keys(2000).tolist()
    assert len(set(keys)) == 2000
    assert all(key % 2 for key in keys)
