"""The pyrofuse where it is driven: two words, both fresh, and armed; never in test mode."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.scenarios import small_system
from ionward.image import exchange as ex
from ionward.image.inputs import CHANNEL, RAW, Raw, new_raw
from ionward.runtime.enables import Enables
from ionward.runtime.pyrofuse import TEST_OFF, TEST_ON, TEST_REFUSED, WHOLE, Path, PyrofuseSetup, look

EXPIRY_S, NOW_S = 0.05, 100.0
FITTED = PyrofuseSetup(fitted=True)
# What has to come together. Each is taken away alone, and in every combination.
CONDITIONS = ("wished", "agreed", "control_fresh", "guard_fresh", "was_closed", "loop_intact", "alive", "fitted")


def fired(setup: PyrofuseSetup = FITTED, **given: bool) -> tuple[bool, Enables]:
    """Whether it fires; everything that is not named is there."""
    has = dict.fromkeys(CONDITIONS, True) | given
    enables = Enables(EXPIRY_S, setup if has["fitted"] else PyrofuseSetup())
    control, guard = np.zeros(1, ex.CONTROL_RECORD), np.zeros(1, ex.GUARD_RECORD)
    control["main_positive"] = control["main_negative"] = has["was_closed"]
    control["acknowledged_s"], guard["enable"] = -np.inf, 1
    for time_s in (NOW_S - 0.02, NOW_S - 0.01):
        control["time_s"] = guard["time_s"] = time_s
        enables.step(time_s, control[0], guard[0])
    assert enables.coils.closed == has["was_closed"]
    control["pyrofuse"], guard["pyrofuse"] = has["wished"], has["agreed"]
    control["time_s"] = NOW_S if has["control_fresh"] else NOW_S - 0.1
    guard["time_s"] = NOW_S if has["guard_fresh"] else NOW_S - 0.1
    path = Path(has["loop_intact"], contacts_closed=False)
    return enables.step(NOW_S, control[0], guard[0], has["alive"], path).pyrofuse, enables


@pytest.mark.verifies("SR-156")
def test_it_fires_only_when_every_condition_is_there() -> None:
    for combination in itertools.product((False, True), repeat=len(CONDITIONS)):
        fires, _ = fired(**dict(zip(CONDITIONS, combination, strict=True)))
        assert fires == all(combination), combination


def test_the_guards_enable_is_not_needed() -> None:
    """A guard that has withdrawn its enable opens; a current that contactors may not break still calls for it."""
    enables = Enables(EXPIRY_S, FITTED)
    control, guard = np.zeros(1, ex.CONTROL_RECORD), np.zeros(1, ex.GUARD_RECORD)
    control["main_positive"] = control["main_negative"] = guard["enable"] = 1
    for time_s in (NOW_S - 0.01, NOW_S):
        control["time_s"] = guard["time_s"] = time_s
        enables.step(time_s, control[0], guard[0])
    control["pyrofuse"] = guard["pyrofuse"] = 1
    guard["enable"] = 0
    coils = enables.step(NOW_S + 0.01, control[0], guard[0])
    assert (coils.closed, coils.pyrofuse) == (False, True)


def test_in_test_mode_it_never_fires_and_says_that_it_was_refused() -> None:
    setup = FITTED._replace(test_mode=True)
    fires, enables = fired(setup, agreed=False)
    assert (fires, enables.pyrofuse.test) == (False, TEST_ON)
    fires, enables = fired(setup)
    assert (fires, enables.pyrofuse.test, enables.pyrofuse.armed) == (False, TEST_REFUSED, True)
    assert fired()[1].pyrofuse.test == TEST_OFF


def test_it_stays_armed_for_a_second_after_the_coils_were_switched_off_or_while_contacts_are_fed_back_closed() -> None:
    for after_s, contacts, armed in ((0.9, False, True), (1.1, False, False), (60.0, True, True)):
        _, enables = fired(wished=False)
        control, guard = np.zeros(1, ex.CONTROL_RECORD), np.zeros(1, ex.GUARD_RECORD)
        now_s = NOW_S + 0.01
        enables.step(now_s, control[0], guard[0])  # everything is open from here on
        enables.step(now_s + after_s, control[0], guard[0], path=Path(True, contacts))
        assert enables.pyrofuse.armed == armed, after_s


STEPS = st.lists(
    st.tuples(
        st.floats(0.001, 1.5),  # pause before this cycle
        st.floats(0.0, 0.2),  # age of control's word
        st.floats(0.0, 0.2),  # age of the guard's word
        st.booleans(),  # closed wished
        st.booleans(),  # pyrofuse wished
        st.booleans(),  # the guard agrees
        st.booleans(),  # loop intact
        st.booleans(),  # the guard gives its enable
    ),
    min_size=1,
    max_size=40,
)


@pytest.mark.verifies("SR-156")
@settings(max_examples=150, deadline=None)
@given(steps=STEPS, test_mode=st.booleans())
def test_whatever_happens_both_words_are_fresh_and_the_path_was_live(
    steps: list[tuple[Any, ...]], test_mode: bool
) -> None:
    enables, now_s, closed_s = Enables(EXPIRY_S, FITTED._replace(test_mode=test_mode)), 0.0, -math.inf
    for pause_s, control_age_s, guard_age_s, closed, wished, agreed, intact, enable in steps:
        now_s += pause_s
        control, guard = np.zeros(1, ex.CONTROL_RECORD), np.zeros(1, ex.GUARD_RECORD)
        control["time_s"], guard["time_s"] = now_s - control_age_s, now_s - guard_age_s
        control["main_positive"], control["pyrofuse"] = closed, wished
        guard["enable"], guard["pyrofuse"] = enable, agreed
        if enables.coils.closed:
            closed_s = now_s
        coils = enables.step(now_s, control[0], guard[0], path=Path(intact, False))
        if coils.pyrofuse:
            assert wished
            assert agreed
            assert intact
            assert not test_mode
            assert max(control_age_s, guard_age_s) <= EXPIRY_S + 1e-9
            assert now_s - closed_s <= 1.0 + 1e-9


# Nobody wishes it: an enable is lost, and the driver itself reads what contactors may not break.

LOST = ("withdrawn", "silent control", "tripped before")


def dropped(samples: int = 2, agreed: bool = True, lost: str = "withdrawn", **setup: Any) -> tuple[bool, bool]:
    """Whether it fires and whether coils are closed, after so many new samples above and the loss of an enable."""
    enables = Enables(EXPIRY_S, FITTED._replace(**setup))
    control, guard = np.zeros(1, ex.CONTROL_RECORD), np.zeros(1, ex.GUARD_RECORD)
    control["main_positive"] = control["main_negative"] = guard["enable"] = 1
    control["acknowledged_s"] = -np.inf
    coils, now_s = None, NOW_S
    for k in range(4):
        now_s = NOW_S + 0.01 * k
        control["time_s"] = guard["time_s"] = now_s
        if lost == "tripped before" and k >= 1:
            guard["enable"] = k >= 2  # it is back, but nobody has acknowledged
        if k == 3:
            guard["pyrofuse"] = agreed
            if lost == "withdrawn":
                guard["enable"] = 0
            elif lost == "silent control":
                control["time_s"] = now_s - 0.1
        sample_s = NOW_S + 0.01 * (min(k, samples - 1) if samples else 0)
        path = Path(True, False, sample_s if samples else math.nan)
        coils = enables.step(now_s, control[0], guard[0], path=path)
    assert coils is not None
    return coils.pyrofuse, coils.closed


@pytest.mark.verifies("SR-156")
@pytest.mark.parametrize("lost", LOST)
def test_a_lost_enable_under_a_current_that_no_contactor_breaks_fires_it(lost: str) -> None:
    assert dropped(lost=lost) == (True, False)
    assert dropped(lost=lost, agreed=False) == (False, False)
    assert dropped(lost=lost, samples=1) == (False, False)
    assert dropped(lost=lost, samples=0) == (False, False)
    assert dropped(lost=lost, test_mode=True) == (False, False)
    assert dropped(lost=lost, fitted=False) == (False, False)


@pytest.mark.verifies("SR-156")
def test_what_the_driver_reads_fires_nothing_while_both_enables_stand() -> None:
    """Control may know better: the current falls, or a pulse is what the pack is for."""
    assert dropped(lost="nothing") == (False, True)


# What the samples say.


def samples(loop: float, positive: float, negative: float, time_s: float) -> Raw:
    raw = new_raw(2, 1)
    for channel, value in (
        (CHANNEL.pyrofuse_intact, loop), (CHANNEL.main_positive_closed, positive),
        (CHANNEL.main_negative_closed, negative),
    ):  # fmt: skip
        raw.channels[RAW.value, channel], raw.channels[RAW.time_s, channel] = value, time_s
    return raw


SETUP = PyrofuseSetup(True, False, 0.1, 0.1)


@pytest.mark.parametrize(
    ("loop", "positive", "negative", "age_s", "path"),
    [
        (1.0, 1.0, 1.0, 0.05, Path(True, True)),
        (0.0, 1.0, 1.0, 0.05, Path(False, True)),
        (math.nan, 1.0, 0.0, 0.05, Path(False, False)),
        (1.0, 1.0, math.nan, 0.05, Path(True, False)),
        (1.0, 1.0, 1.0, 0.2, Path(False, False)),
        (1.0, 1.0, 1.0, -0.2, Path(False, False)),
    ],
)
def test_loop_and_contacts_are_read_from_fresh_samples(
    loop: float, positive: float, negative: float, age_s: float, path: Path
) -> None:
    assert look(NOW_S, samples(loop, positive, negative, NOW_S - age_s), SETUP)[:2] == path[:2]


def test_what_is_not_fitted_says_nothing() -> None:
    assert look(NOW_S, new_raw(2, 1), FITTED)[:2] == WHOLE[:2]
    assert look(NOW_S, new_raw(2, 1), SETUP)[:2] == (False, False)


BREAKS = PyrofuseSetup(
    True, currents=((CHANNEL.current_a, 0.1, 1000.0), (CHANNEL.current_redundant_a, 0.1, 1000.0)),
    break_charge_a=300.0, break_discharge_a=500.0,
)  # fmt: skip


@pytest.mark.verifies("SR-156")
@pytest.mark.parametrize(
    ("first_a", "second_a", "second_age_s", "unbreakable"),
    [
        (-501.0, -510.0, 0.02, True),
        (301.0, 310.0, 0.02, True),
        (-1000.0, -1000.0, 0.02, True),  # the end of the range
        (-501.0, -499.0, 0.02, False),
        (-500.0, -510.0, 0.02, False),
        (400.0, -400.0, 0.02, False),
        (-501.0, -510.0, 0.2, False),
        (-501.0, -510.0, -0.2, False),
        (-501.0, math.nan, 0.02, False),
        (-501.0, -1200.0, 0.02, False),  # no sensor can read this
    ],
)
def test_the_driver_believes_a_large_current_only_if_every_sensor_reads_it(
    first_a: float, second_a: float, second_age_s: float, unbreakable: bool
) -> None:
    raw = new_raw(2, 1)
    for channel, value, age_s in (
        (CHANNEL.current_a, first_a, 0.01), (CHANNEL.current_redundant_a, second_a, second_age_s)
    ):  # fmt: skip
        raw.channels[RAW.value, channel], raw.channels[RAW.time_s, channel] = value, NOW_S - age_s
    found_s = look(NOW_S, raw, BREAKS).unbreakable_s
    assert (found_s == pytest.approx(NOW_S - 0.02)) if unbreakable else math.isnan(found_s)


def test_without_a_current_sensor_the_driver_reads_nothing() -> None:
    assert math.isnan(look(NOW_S, new_raw(2, 1), FITTED).unbreakable_s)


def test_the_description_says_what_contactors_break() -> None:
    contactors = {"break_current_a": 300.0, "break_charge_a": 200.0, "negative": {"break_current_a": 250.0}}
    setup = PyrofuseSetup.of(small_system(fuse={"pyrofuse": True}, contactors=contactors).as_dict())
    assert (setup.break_charge_a, setup.break_discharge_a) == (250.0, 300.0)
    assert [(channel, most_a) for channel, _, most_a in setup.currents] == [
        (CHANNEL.current_a, 400.0), (CHANNEL.current_redundant_a, 400.0)
    ]  # fmt: skip


def test_the_description_says_what_there_is() -> None:
    system = small_system(fuse={"pyrofuse": True, "test_mode": True})
    setup = PyrofuseSetup.of(system.as_dict())
    assert (setup.fitted, setup.test_mode) == (True, True)
    assert setup.loop_age_s == pytest.approx(system.sensors.pyrofuse_loop.age_max_s + system.cycle.period_s)
    none = PyrofuseSetup.of(small_system(fuse={"pyrofuse": False}).as_dict())
    assert not none.fitted
    assert math.isnan(none.loop_age_s)
