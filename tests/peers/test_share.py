"""What a site may carry: against a solver that nobody here wrote, and as a rule over any packs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ionward.peers.share import FACT, bus_of, current_in, site_limits

PACK = st.tuples(st.floats(300.0, 420.0), st.floats(0.01, 1.0), st.floats(0.0, 300.0), st.floats(0.0, 300.0))


def facts_of(*packs: tuple[float, float, float, float]) -> np.ndarray:
    """All of them connected: EMF, resistance, charge limit, discharge limit."""
    facts = np.zeros((len(FACT), len(packs)))
    for k, (emf_v, resistance_ohm, charge_a, discharge_a) in enumerate(packs):
        facts[FACT.emf_v, k], facts[FACT.resistance_ohm, k] = emf_v, resistance_ohm
        facts[FACT.charge_limit_a, k], facts[FACT.discharge_limit_a, k] = charge_a, discharge_a
    facts[FACT.connected] = 1.0
    return facts


def everybody(facts: np.ndarray) -> np.ndarray:
    return np.ones(facts.shape[1], np.int64)


def solved(facts: np.ndarray, site_a: float) -> np.ndarray:
    """Currents by nodal analysis: one equation for each pack and one for the bus, solved by LAPACK."""
    packs = facts.shape[1]
    matrix, right = np.zeros((packs + 1, packs + 1)), np.zeros(packs + 1)
    for k in range(packs):
        matrix[k, k], matrix[k, packs], right[k] = -facts[FACT.resistance_ohm, k], 1.0, facts[FACT.emf_v, k]
    matrix[packs, :packs], right[packs] = 1.0, site_a
    return np.linalg.solve(matrix, right)[:packs]


def within(facts: np.ndarray, currents: np.ndarray, slack_a: float) -> bool:
    above = currents <= facts[FACT.charge_limit_a] + slack_a
    below = currents >= -facts[FACT.discharge_limit_a] - slack_a
    return bool(above.all() and below.all())


@given(st.lists(PACK, min_size=1, max_size=8), st.floats(-500.0, 500.0))
def test_currents_are_those_of_nodal_analysis(packs: list[tuple[float, float, float, float]], site_a: float) -> None:
    facts = facts_of(*packs)
    bus_v, _ = bus_of(facts, everybody(facts), -1, site_a)
    mine = [current_in(facts, k, bus_v) for k in range(len(packs))]
    assert mine == pytest.approx(solved(facts, site_a), rel=1e-6, abs=1e-6)


@given(st.lists(PACK, min_size=1, max_size=8))
def test_no_pack_is_asked_for_more_than_it_may_and_one_is_used_fully(packs) -> None:
    facts = facts_of(*packs)
    at_rest = solved(facts, 0.0)
    charge_a, discharge_a = site_limits(facts, everybody(facts), 0.0)
    assert charge_a >= 0.0
    assert discharge_a >= 0.0
    if not within(facts, at_rest, 0.0):
        return  # they are out of their limits by themselves; what that takes is another matter
    for site_a in (charge_a, -discharge_a):
        currents = solved(facts, site_a)
        slack_a = 1e-6 * (1.0 + np.abs(currents).max())
        assert within(facts, currents, slack_a)
        assert not within(facts, solved(facts, site_a * (1.0 + 1e-3) + np.sign(site_a) * 0.01), 0.0) or site_a == 0.0


@given(st.lists(PACK, min_size=2, max_size=8), st.floats(0.0, 0.5))
def test_a_margin_never_allows_more(packs, margin: float) -> None:
    facts = facts_of(*packs)
    plain, careful = site_limits(facts, everybody(facts), 0.0), site_limits(facts, everybody(facts), margin)
    assert careful[0] <= plain[0]
    assert careful[1] <= plain[1]


def test_unequal_packs_carry_less_than_the_sum_of_their_limits() -> None:
    """Two packs of 100 A, one of them with twice the resistance: the better one carries two thirds."""
    facts = facts_of((350.0, 0.05, 100.0, 100.0), (350.0, 0.1, 100.0, 100.0))
    assert site_limits(facts, everybody(facts), 0.0) == pytest.approx((150.0, 150.0))


def test_what_flows_between_packs_is_taken_off() -> None:
    """One volt apart over 0.2 ohm: 5 A flow from the fuller to the emptier one, which may be charged with 5 A less."""
    facts = facts_of((351.0, 0.1, 100.0, 100.0), (350.0, 0.1, 100.0, 100.0))
    assert site_limits(facts, everybody(facts), 0.0) == pytest.approx((190.0, 190.0))


@pytest.mark.parametrize(("row", "charge_a", "discharge_a"), [
    (FACT.emf_v, 0.0, 0.0), (FACT.resistance_ohm, 0.0, 0.0),
    (FACT.charge_limit_a, 0.0, 200.0), (FACT.discharge_limit_a, 200.0, 0.0),
])  # fmt: skip
def test_what_is_not_known_of_a_pack_on_the_bus_allows_nothing(row: int, charge_a: float, discharge_a: float) -> None:
    facts = facts_of((350.0, 0.1, 100.0, 100.0), (350.0, 0.1, 100.0, 100.0))
    facts[row, 1] = np.nan
    assert site_limits(facts, everybody(facts), 0.0) == pytest.approx((charge_a, discharge_a))


def test_a_silent_pack_is_not_counted_and_an_empty_bus_allows_nothing() -> None:
    facts = facts_of((350.0, 0.1, 100.0, 100.0), (350.0, 0.1, 100.0, 100.0))
    alive = everybody(facts)
    alive[1] = 0
    assert site_limits(facts, alive, 0.0) == pytest.approx((100.0, 100.0))
    alive[0] = 0
    assert site_limits(facts, alive, 0.0) == (0.0, 0.0)


def test_before_a_pack_leaves_the_site_carries_what_the_others_can() -> None:
    facts = facts_of((350.0, 0.1, 100.0, 100.0), (350.0, 0.1, 100.0, 100.0), (350.0, 0.1, 100.0, 100.0))
    facts[FACT.leaving, 2] = 1.0
    assert site_limits(facts, everybody(facts), 0.0) == pytest.approx((200.0, 200.0))
