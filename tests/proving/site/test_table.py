"""A table of tuples of arrays, read by compiled code."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ionward._compile import njit
from ionward.proving.site.table import Table, at


class Inner(NamedTuple):
    words: Any


class Thing(NamedTuple):
    block: Any
    inner: Inner
    record: Any


RECORD = np.dtype([("count", "i8"), ("share", "f8")])


def things() -> list[Thing]:
    return [
        Thing(np.full((2, 3 * k + 1), float(k)), Inner(np.arange(k + 2)), np.array([(k, 0.5)], RECORD))
        for k in range(3)
    ]  # fmt: skip


@njit
def visit(places: Any, like: Any, sums: Any) -> None:
    for k in range(len(places)):
        thing = at(places, k, like)
        sums[k] = thing.block.sum() + thing.inner.words.shape[0] + thing.record[0]["count"]
        thing.block[1, thing.block.shape[1] - 1] = 100.0 + k
        thing.record[0]["share"] = 0.25 * k


def test_things_of_different_sizes_are_read_and_changed_in_place() -> None:
    items = things()
    table, sums = Table(items), np.zeros(3)
    del items[1]  # the table keeps it alive
    visit(table.places, table.items[0], sums)
    assert sums.tolist() == [2.0, 3.0 + 8.0 + 1.0, 4.0 + 28.0 + 2.0]
    assert [float(thing.block[-1, -1]) for thing in table.items] == [100.0, 101.0, 102.0]
    assert [float(thing.record["share"][0]) for thing in table.items] == [0.0, 0.25, 0.5]
