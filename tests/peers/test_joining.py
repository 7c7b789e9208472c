"""Who connects next: in order of voltage, by resistance, and nobody beyond its limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ionward.peers.joining import (
    INTENT_CHARGE,
    INTENT_DISCHARGE,
    WAIT_INTO,
    WAIT_NONE,
    WAIT_OTHER_CHARGED,
    WAIT_OUT_OF,
    WAIT_READY,
    WAIT_SILENT,
    WAIT_TURN,
    WAIT_UNKNOWN,
    plan,
)
from ionward.peers.share import FACT, bus_of, current_in

PACK = st.tuples(st.floats(340.0, 360.0), st.floats(0.02, 0.5), st.floats(0.0, 300.0), st.booleans(), st.booleans())


def packs(*emf_v: float, resistance_ohm: float = 0.1, limit_a: float = 100.0) -> np.ndarray:
    """Ready and not connected."""
    facts = np.zeros((len(FACT), len(emf_v)))
    facts[FACT.emf_v], facts[FACT.resistance_ohm] = emf_v, resistance_ohm
    facts[FACT.charge_limit_a] = facts[FACT.discharge_limit_a] = limit_a
    facts[FACT.ready] = 1.0
    return facts


class Plan:
    """What `plan` says."""

    def __init__(self, facts: np.ndarray, intent: int, site_a: float = 0.0, share: float = 0.5, silent: int = -1):
        alive = np.ones(facts.shape[1], np.int64)
        if silent >= 0:
            alive[silent] = 0
        self.alive = alive
        self.reasons, self.flows = np.zeros(facts.shape[1], np.int64), np.zeros(facts.shape[1])
        self.first = plan(facts, alive, intent, site_a, share, self.reasons, self.flows)


@pytest.mark.parametrize(("intent", "first"), [(INTENT_CHARGE, 2), (INTENT_DISCHARGE, 1)])
def test_to_charge_the_emptiest_goes_first_to_discharge_the_fullest(intent: int, first: int) -> None:
    found = Plan(packs(350.0, 353.0, 347.0), intent)
    assert found.first == first
    assert [int(r) for r in found.reasons] == [WAIT_NONE if k == first else WAIT_TURN for k in range(3)]


def test_of_equal_packs_the_first_of_the_list_goes_first() -> None:
    assert Plan(packs(350.0, 350.0), INTENT_CHARGE).first == 0


def test_the_current_that_would_flow_decides_not_the_voltage() -> None:
    """Three volts apart: 150 A between packs of 10 mohm, 15 A between packs of 100 mohm."""
    for ohm, reason in ((0.01, WAIT_INTO), (0.1, WAIT_NONE)):
        facts = packs(350.0, 347.0, resistance_ohm=ohm)
        facts[FACT.connected, 0] = 1.0
        found = Plan(facts, INTENT_DISCHARGE)
        assert (found.reasons[1], found.first) == (reason, 1 if reason == WAIT_NONE else -1)
        assert found.flows[1] == pytest.approx(3.0 / (2 * ohm))


def test_the_sign_is_told_and_a_full_pack_on_the_bus_is_protected() -> None:
    facts = packs(350.0, 356.0)
    facts[FACT.connected, 0] = 1.0
    assert Plan(facts, INTENT_CHARGE, share=0.2).reasons[1] == WAIT_OUT_OF
    facts[FACT.charge_limit_a, 0] = 0.0
    assert Plan(facts, INTENT_CHARGE).reasons[1] == WAIT_OTHER_CHARGED


def test_a_load_that_brings_the_bus_down_lets_the_lower_pack_join() -> None:
    facts = packs(350.0, 344.0)
    facts[FACT.connected, 0] = 1.0
    assert Plan(facts, INTENT_DISCHARGE, share=0.2).first == -1
    assert Plan(facts, INTENT_DISCHARGE, site_a=-60.0, share=0.2).first == 1


def test_who_cannot_join_keeps_nobody_else_waiting_and_has_a_reason() -> None:
    facts = packs(360.0, 355.0, 350.0, 345.0)
    facts[FACT.ready, 0] = 0.0
    facts[FACT.resistance_ohm, 1] = np.nan
    found = Plan(facts, INTENT_DISCHARGE, silent=2)
    assert [int(r) for r in found.reasons] == [WAIT_READY, WAIT_UNKNOWN, WAIT_SILENT, WAIT_NONE]
    assert found.first == 3


@given(st.lists(PACK, min_size=1, max_size=8), st.sampled_from([INTENT_CHARGE, INTENT_DISCHARGE]), st.floats(-200, 200))
def test_whoever_may_join_leaves_every_pack_inside_its_limits(rows, intent: int, site_a: float) -> None:
    facts = packs(*(row[0] for row in rows))
    for k, (_, ohm, limit_a, connected, ready) in enumerate(rows):
        facts[FACT.resistance_ohm, k] = ohm
        facts[FACT.charge_limit_a, k] = facts[FACT.discharge_limit_a, k] = limit_a
        facts[FACT.connected, k], facts[FACT.ready, k] = connected, ready
    found = Plan(facts, intent, site_a)
    if found.first < 0:
        return
    assert facts[FACT.ready, found.first] == 1.0
    assert facts[FACT.connected, found.first] == 0.0
    bus_v, _ = bus_of(facts, found.alive, found.first, site_a)
    for k in range(facts.shape[1]):
        if k == found.first or facts[FACT.connected, k] > 0.0:
            share = 0.5 if k == found.first else 1.0
            assert abs(current_in(facts, k, bus_v)) <= share * facts[FACT.charge_limit_a, k] + 1e-9
    waiting = [k for k in range(facts.shape[1]) if found.reasons[k] == WAIT_TURN]
    ahead = facts[FACT.emf_v, found.first] - facts[FACT.emf_v, waiting]
    assert (ahead <= 0.0).all() if intent == INTENT_CHARGE else (ahead >= 0.0).all()
