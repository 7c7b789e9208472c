"""A table of tuples of arrays, read by compiled code."""

from __future__ import annotations

from typing import Any

import numpy as np

from ionward._compile import njit
from ionward.proving.site.table import Table, at

RECORD = np.dtype([("count", "i8"), ("share", "f8")])


def things() -> list[Any]:
    # Plain tuples: a kind of this file's own would get into the cache, where other processes could not read it.
    return [
        (np.full((2, 3 * k + 1), float(k)), (np.arange(k + 2),), np.array([(k, 0.5)], RECORD)) for k in range(3)
    ]  # fmt: skip


@njit
def visit(places: Any, like: Any, sums: Any) -> None:
    for k in range(len(places)):
        thing = at(places, k, like)
        block, inner, record = thing
        sums[k] = block.sum() + inner[0].shape[0] + record[0]["count"]
        block[1, block.shape[1] - 1] = 100.0 + k
        record[0]["share"] = 0.25 * k


def test_things_of_different_sizes_are_read_and_changed_in_place() -> None:
    items = things()
    table, sums = Table(items), np.zeros(3)
    del items[1]  # the table keeps it alive
    visit(table.places, table.items[0], sums)
    assert sums.tolist() == [2.0, 3.0 + 8.0 + 1.0, 4.0 + 28.0 + 2.0]
    assert [float(thing[0][-1, -1]) for thing in table.items] == [100.0, 101.0, 102.0]
    assert [float(thing[2]["share"][0]) for thing in table.items] == [0.0, 0.25, 0.5]
