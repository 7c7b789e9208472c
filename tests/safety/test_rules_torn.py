"""A broken sense wire between two cells, asked directly: which readings it explains, and which nothing but it can."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.kernel import Kernel
from ionward.image.faults import FAULT_ID
from ionward.image.kernel_memory import VERDICT
from ionward.image.signals import CELL, REASON_NONE, REASON_RANGE
from ionward.safety.rules import extremes_beside, torn_apart, torn_place

MEAN_V = 3.75
NOWHERE = -9
readings = st.sampled_from([0.0, 0.01, 0.02, 2.75, 3.25, 3.5, 3.75, 3.75, 3.75, 4.0, 4.25, 4.75, 4.98, 4.99, 5.0,
                            math.nan])  # fmt: skip
cell = st.tuples(readings, st.integers(0, 9).map(lambda n: n == 0))


def expected(cells: list[tuple[float, bool]], known: int) -> tuple[float, int]:
    """Half the difference of the two that explain each other best; of equals the first pair. Modules of three."""
    worst, place = 0.0, -1
    for k in (k for k in range(len(cells) - 1) if (k + 1) % 3):
        away, refused = [cells[n][0] - MEAN_V for n in (k, k + 1)], [cells[n][1] for n in (k, k + 1)]
        gone = [refused[n] or (k == known and math.isnan(away[n])) for n in (0, 1)]
        if gone[0]:  # it may stand as far out as the other one needs
            away[0] = -away[1]
        elif gone[1]:
            away[1] = -away[0]
        if math.isnan(sum(away)) or not away[0] * away[1] < 0.0:
            continue
        half, moved = abs(away[0] - away[1]) / 2, sum(away)
        top = any(cells[n][0] >= 4.99 for n in (k, k + 1))
        bottom = any(cells[n][0] <= 0.01 for n in (k, k + 1))
        explained = abs(moved) < 0.4 * half or (top and moved < 0.0) or (bottom and moved > 0.0)
        if explained and half > worst:
            worst, place = half, k
    return worst, place


@settings(max_examples=150)
@given(st.lists(cell, min_size=6, max_size=6), st.sampled_from([NOWHERE, 0, 1, 3, 4]), st.sampled_from([0.1, 0.11]))
def test_two_neighbours_of_which_one_has_what_the_other_lacks_share_a_broken_wire(
    cells: list[tuple[float, bool]], known: int, spread_v: float
) -> None:
    k = Kernel(cells=6, modules=2, settle=False)
    k.image.cells[CELL.voltage_v] = [volts for volts, _ in cells]
    k.image.cells[CELL.reason] = [REASON_RANGE if refused else REASON_NONE for _, refused in cells]
    told = torn_apart(k.parameters, k.image.cells, MEAN_V, spread_v, known)
    assert told == (expected(cells, known) if spread_v > 0.1 else (0.0, -1))


def test_a_pack_whose_spread_is_not_known_has_no_broken_wire() -> None:
    k = Kernel(cells=6, settle=False)
    k.image.cells[CELL.voltage_v] = (3.75, 4.75, 2.75, 3.75, 3.75, 3.75)
    assert torn_apart(k.parameters, k.image.cells, MEAN_V, math.nan, NOWHERE) == (0.0, -1)
    assert torn_apart(k.parameters, k.image.cells, MEAN_V, 2.0, NOWHERE) == (1.0, 1)


@pytest.mark.parametrize(("volts", "half_v"), [
    ((4.0, 1.5), 0.0),  # 1.5 above and 1.0 below: their sum has moved by 0.4 of the half difference, which is too much
    ((1.5, 4.0), 0.0),
    ((4.0, 1.4375), 1.28125),
])  # fmt: skip
def test_two_that_are_apart_from_the_mean_by_about_the_same_are_torn(volts: tuple[float, float], half_v: float) -> None:
    k = Kernel(cells=2, settle=False)
    k.image.cells[CELL.voltage_v] = volts
    assert torn_apart(k.parameters, k.image.cells, 2.5, 2.0, NOWHERE)[0] == half_v


@pytest.mark.parametrize(("mean_v", "volts", "torn"), [
    (1.5, (0.0, 4.5), True),  # the lower one may stand still lower
    (1.5, (4.5, 0.0), True),
    (1.5, (0.0625, 4.5), False),
    (3.5, (5.0, 0.5), True),  # the upper one may stand still higher
    (3.5, (0.5, 5.0), True),
    (3.5, (0.5, 4.9375), False),
    (3.0, (5.0, 2.5), False),  # more has come to the one than the other has lost, and it would be still more
    (2.0, (0.0, 2.5), False),
])  # fmt: skip
def test_a_reading_at_the_end_of_its_range_may_stand_for_more(
    mean_v: float, volts: tuple[float, float], torn: bool
) -> None:
    k = Kernel(cells=2, settle=False)
    k.image.cells[CELL.voltage_v] = volts
    expected = (abs(volts[0] - volts[1]) / 2, 0) if torn else (0.0, -1)
    assert torn_apart(k.parameters, k.image.cells, mean_v, 2.0, NOWHERE) == expected


@pytest.mark.parametrize(("half_v", "place"), [(0.5, NOWHERE), (math.nextafter(0.5, 1.0), 2), (math.nan, NOWHERE)])
def test_a_wire_is_broken_for_certain_where_its_fault_is_critical(half_v: float, place: int) -> None:
    k = Kernel(settle=False)
    f = FAULT_ID.sense_wire_open
    assert k.ladder("sense_wire_open", 3)["set"] == 0.5
    k.protect_memory.verdicts[[VERDICT.value, VERDICT.place], f] = half_v, 2
    assert torn_place(k.protect_memory.verdicts, k.parameters.levels) == place


@settings(max_examples=100)
@given(st.lists(st.sampled_from([math.nan, 3.0, 3.5, 3.5, 4.0]), min_size=4, max_size=4),
       st.sampled_from([NOWHERE, 0, 1, 2]))  # fmt: skip
def test_the_other_cells_go_on_being_judged_by_their_extremes(volts: list[float], torn: int) -> None:
    rest = [(v, k) for k, v in enumerate(volts) if k not in (torn, torn + 1) and not math.isnan(v)]
    low, low_cell, high, high_cell = extremes_beside(np.array(volts), torn)
    if not rest:
        assert math.isnan(low)
        assert math.isnan(high)
        assert (low_cell, high_cell) == (-1, -1)
    else:
        assert (low, low_cell) == min(rest)
        assert (high, -high_cell) == max((v, -k) for v, k in rest)
