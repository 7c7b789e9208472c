"""Two enables where contactors are driven: silence, age, withdrawal and standing still all open."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionward.image import exchange as ex
from ionward.runtime.enables import Enables, default_expiry_s

EXPIRY_S = 0.05


def control(time_s: float, closed: bool = True, acknowledged_s: float = -math.inf, pyrofuse: bool = False) -> Any:
    record = np.zeros(1, ex.CONTROL_RECORD)
    record["time_s"], record["acknowledged_s"], record["pyrofuse"] = time_s, acknowledged_s, pyrofuse
    record["main_positive"] = record["main_negative"] = closed
    return record[0]


def guard(time_s: float, enable: bool = True) -> Any:
    record = np.zeros(1, ex.GUARD_RECORD)
    record["time_s"], record["enable"] = time_s, enable
    return record[0]


def closed_at(time_s: float) -> Enables:
    enables = Enables(EXPIRY_S)
    enables.step(time_s - 0.01, control(time_s - 0.01), guard(time_s - 0.01))
    assert enables.step(time_s, control(time_s), guard(time_s)).closed
    return enables


@pytest.mark.verifies("SR-150")
def test_nothing_closes_without_both_enables() -> None:
    for heard_control, heard_guard in ((-math.inf, 1.0), (1.0, -math.inf), (0.9, 1.0), (1.0, 0.9), (1.2, 1.0)):
        enables = Enables(EXPIRY_S)
        assert not enables.step(1.0, control(heard_control), guard(heard_guard)).closed
        assert not enables.tripped  # nothing was closed


@pytest.mark.verifies("SR-151", "SR-152")
def test_silence_of_control_opens_when_its_enable_expires_and_stays_open_until_acknowledged() -> None:
    enables = closed_at(1.0)
    assert enables.step(1.04, control(1.0), guard(1.04)).closed
    assert not enables.step(1.06, control(1.0), guard(1.06)).closed
    assert enables.tripped
    assert enables.trip_reason == ex.TRIP_CONTROL_EXPIRED
    # Back, and wishing as before: not obeyed. An acknowledgement from before the trip does not count.
    assert not enables.step(1.07, control(1.07), guard(1.07)).closed
    assert not enables.step(1.08, control(1.08, acknowledged_s=1.0), guard(1.08)).closed
    assert enables.step(1.09, control(1.09, acknowledged_s=1.085), guard(1.09)).closed
    assert enables.trip_count == 1
    assert enables.opened_time_s == 1.06


@pytest.mark.verifies("SR-150", "SR-151")
def test_the_guards_word_opens_at_once_and_its_silence_when_it_expires() -> None:
    enables = closed_at(1.0)
    assert not enables.step(1.01, control(1.01), guard(1.01, enable=False)).closed
    assert enables.trip_reason == ex.TRIP_GUARD_WITHDREW
    enables = closed_at(1.0)
    assert enables.step(1.03, control(1.03), guard(1.0)).closed
    assert not enables.step(1.06, control(1.06), guard(1.0)).closed
    assert enables.trip_reason == ex.TRIP_GUARD_EXPIRED


@pytest.mark.verifies("SR-153")
def test_a_driver_that_stood_still_opens_although_both_enables_are_fresh() -> None:
    enables = closed_at(1.0)
    assert not enables.step(2.0, control(2.0), guard(2.0)).closed
    assert enables.trip_reason == ex.TRIP_STOOD


@pytest.mark.verifies("SR-153")
def test_without_a_supervisor_everything_opens() -> None:
    enables = closed_at(1.0)
    assert not enables.step(1.01, control(1.01), guard(1.01), alive=False).obeyed
    assert enables.trip_reason == ex.TRIP_SUPERVISOR


def test_an_orderly_opening_is_no_trip() -> None:
    enables = closed_at(1.0)
    assert not enables.step(1.01, control(1.01, closed=False), guard(1.01)).closed
    assert not enables.tripped
    assert enables.opened_time_s == 1.01


def test_the_pyrofuse_can_be_fired_while_the_guard_is_silent_but_not_by_an_old_wish() -> None:
    enables = Enables(EXPIRY_S)
    assert enables.step(1.0, control(1.0, pyrofuse=True), guard(-math.inf)).pyrofuse
    assert not enables.step(1.01, control(0.9, pyrofuse=True), guard(1.01)).pyrofuse


@pytest.mark.verifies("SR-151")
def test_expiry_leaves_room_for_the_release_within_a_tenth_of_a_second() -> None:
    assert default_expiry_s(0.001) == default_expiry_s(0.01) == 0.05
    assert default_expiry_s(0.1) > 0.2


STEPS = st.lists(
    st.tuples(
        st.floats(0.001, 0.2),  # pause before this cycle
        st.floats(0.0, 0.2),  # age of control's word
        st.floats(0.0, 0.2),  # age of the guard's word
        st.booleans(),  # closed wished
        st.booleans(),  # guard's enable
        st.booleans(),  # a person acknowledges
    ),
    min_size=1,
    max_size=40,
)


@pytest.mark.verifies("SR-150", "SR-152")
@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_closed_means_both_fresh_and_a_trip_ends_only_by_a_person(steps: list[tuple[Any, ...]]) -> None:
    enables, now_s, acknowledged_s = Enables(EXPIRY_S), 0.0, -math.inf
    tripped_s = -math.inf
    for pause_s, control_age_s, guard_age_s, wished, enable, acknowledges in steps:
        now_s += pause_s
        if acknowledges:
            acknowledged_s = now_s
        was_closed = enables.coils.closed
        coils = enables.step(
            now_s, control(now_s - control_age_s, wished, acknowledged_s), guard(now_s - guard_age_s, enable)
        )
        if coils.closed:
            assert control_age_s <= EXPIRY_S + 1e-9
            assert guard_age_s <= EXPIRY_S + 1e-9
            assert enable
            assert wished
            assert acknowledged_s > tripped_s or tripped_s == -math.inf
            assert not (was_closed and pause_s > EXPIRY_S + 1e-9)
        if enables.tripped and enables.trip_time_s == now_s:
            tripped_s = now_s
