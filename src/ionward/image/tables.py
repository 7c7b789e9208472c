"""Control's parameter tables as one row of words, and checksums over slices of it.

The supervisor makes the checksums when it makes the tables. Control computes them again over its live tables, one
slice in each tick, and the guard compares: so a bit that flips in a table is noticed within a second.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ionward.image.challenge import fold
from ionward.image.parameters import PARAMETER_RECORD, Parameters

Integers = npt.NDArray[np.int64]

# The whole of the tables is read within half of the second that is promised; more slices would only fill the plan.
ROUND_S = 0.5
SLICES_MAX = 256


def slices_of(cycle_s: float) -> int:
    """Number of slices for a control of this cycle."""
    return min(max(int(ROUND_S / cycle_s), 1), SLICES_MAX)


def in_one_row(parameters: Parameters) -> tuple[Parameters, Integers]:
    """A copy of the tables whose arrays all lie in one row of words `[word]`, and that row."""
    # `words` is the same memory as `scalars`.
    blocks = {name: block for name, block in parameters._asdict().items() if name != "words"}
    row = np.concatenate([np.ascontiguousarray(block).reshape(-1).view(np.int64) for block in blocks.values()])
    laid: dict[str, object] = {}
    at = 0
    for name, block in blocks.items():
        words = block.nbytes // 8
        part = row[at : at + words]
        laid[name] = part.view(PARAMETER_RECORD) if name == "scalars" else part.view(np.float64).reshape(block.shape)
        if name == "scalars":
            laid["words"] = part.view(np.float64)
        at += words
    return Parameters(**laid), row  # type: ignore[arg-type]


def slice_bounds(words: int, slices: int, number: int) -> tuple[int, int]:
    """First word of a slice and the one behind its last."""
    return words * number // slices, words * (number + 1) // slices


def table_sums(parameters: Parameters, slices: int) -> tuple[int, ...]:
    """The checksum of every slice. Meets SR-220."""
    row = in_one_row(parameters)[1].tolist()
    return tuple(fold(row, *slice_bounds(len(row), slices, number)) for number in range(slices))
