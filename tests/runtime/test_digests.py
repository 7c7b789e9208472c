"""Digests notice any change of any output word of any tick."""

from __future__ import annotations

import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ionward.runtime.digests import Digests

WORDS = np.random.default_rng(3).normal(size=(20, 7))


def test_the_digest_of_a_run_is_the_sha256_of_its_words_however_they_come() -> None:
    parts = Digests(7)
    for start in (0, 1, 8):
        parts.update(WORDS[start : {0: 1, 1: 8, 8: 20}[start]])
    assert parts.hexdigest() == hashlib.sha256(WORDS.tobytes()).hexdigest()
    assert parts.ticks == 20


@given(st.integers(0, 19), st.integers(0, 6), st.integers(0, 63))
def test_one_flipped_bit_changes_the_digest_of_its_tick_and_no_other(tick: int, word: int, bit: int) -> None:
    changed = WORDS.copy()
    changed.view(np.uint64)[tick, word] ^= np.uint64(1 << bit)
    same = Digests(7).update(WORDS) == Digests(7).update(changed)
    assert not same[tick]
    assert same.sum() == 19


def test_exchanged_words_and_zeros_are_told_apart() -> None:
    rows = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 0], [0, 1, 1], [1, 0, 1.0]])
    assert len(set(Digests(3).update(rows).tolist())) == 7


def test_every_nan_is_the_same() -> None:
    rows = np.full((2, 3), np.nan)
    rows.view(np.uint64)[1, 2] = 0xFFF8000000000001
    first, second = Digests(3).update(rows)
    assert first == second
