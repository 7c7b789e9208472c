"""Control's tables as one row of words, and the checksums of its slices."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.scenarios import small_system
from ionward.image.build import build_parameters
from ionward.image.tables import in_one_row, slice_bounds, slices_of, table_sums

PARAMETERS = build_parameters(small_system())
SLICES = 50
SUMS = table_sums(PARAMETERS, SLICES)


def test_the_copy_holds_the_same_values_in_one_piece_of_memory() -> None:
    copy, row = in_one_row(PARAMETERS)
    for name, block in PARAMETERS._asdict().items():
        mine = getattr(copy, name)
        assert mine.dtype == block.dtype
        assert mine.shape == block.shape
        assert mine.tobytes() == block.tobytes()
        assert np.shares_memory(mine, row)
        assert mine.flags.c_contiguous
    copy.words[0] = 77.0
    assert copy.scalars[PARAMETERS.scalars.dtype.names[0]][0] == 77.0


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 63))
def test_every_flipped_bit_changes_the_checksum_of_its_slice_and_no_other(place: float, bit: int) -> None:
    copy, row = in_one_row(PARAMETERS)
    word = int(place * len(row))
    row[word] ^= np.int64(np.uint64(1 << bit).astype(np.int64))
    found = table_sums(copy, SLICES)
    wrong = [k for k in range(SLICES) if found[k] != SUMS[k]]
    assert wrong == [k for k in range(SLICES) if slice_bounds(len(row), SLICES, k)[0] <= word
                     < slice_bounds(len(row), SLICES, k)[1]]  # fmt: skip
    assert len(wrong) == 1


@pytest.mark.parametrize(("words", "slices"), [(1, 1), (10, 3), (7, 20), (1000, 256)])
def test_slices_cover_every_word_once(words: int, slices: int) -> None:
    bounds = [slice_bounds(words, slices, k) for k in range(slices)]
    assert bounds[0][0] == 0
    assert bounds[-1][1] == words
    assert all(a[1] == b[0] for a, b in itertools.pairwise(bounds))


@pytest.mark.verifies("SR-220")
@pytest.mark.parametrize("cycle_s", [0.0005, 0.001, 0.002, 0.01, 0.02, 0.1, 1.0])
def test_a_round_takes_no_longer_than_a_second(cycle_s: float) -> None:
    assert slices_of(cycle_s) * cycle_s <= 1.0
