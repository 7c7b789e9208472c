"""The guard on control's wish: is it plausible against the samples, and against what protection asks for."""

from __future__ import annotations

import math
from typing import Any

import pytest

from helpers.guarding import (
    CLOSED,
    LIMITS,
    answer,
    bench,
)
from ionward.image.exchange import (
    GUARD_ANSWER,
    GUARD_BUS,
    GUARD_FLOW,
    GUARD_INPUT,
    GUARD_LATCHED,
    GUARD_OK,
    GUARD_SILENT,
    GUARD_WISH,
)
from ionward.image.inputs import CHANNEL


@pytest.mark.verifies("SR-163")
def test_closing_onto_a_bus_that_does_not_match_is_refused_at_once() -> None:
    b = bench()
    b.good()
    b.channels["bus_voltage_v"] = b.channels["pack_voltage_v"] - LIMITS.bus_match_v - 1.0
    b.step(5)
    b.wish(*CLOSED)
    verdict = b.step()
    assert (verdict.enable, verdict.reason, verdict.tripped) == (False, GUARD_BUS, True)
    assert verdict.value == pytest.approx(LIMITS.bus_match_v + 1.0)


@pytest.mark.parametrize("difference_v", [-0.9, 0.0, 0.9])
def test_closing_onto_a_bus_that_matches_is_allowed(difference_v: float) -> None:
    b = bench()
    b.good()
    b.channels["bus_voltage_v"] = b.channels["pack_voltage_v"] + difference_v * LIMITS.bus_match_v
    b.step(5)
    b.wish(*CLOSED)
    assert b.for_s(5.0).enable


@pytest.mark.verifies("SR-163", "SR-241")
@pytest.mark.parametrize(("apart_v", "sound"), [(0.5, True), (-0.5, True), (20.0, False), (-20.0, False)])
def test_a_pack_joins_a_bus_that_others_hold_where_it_matches_and_only_there(apart_v: float, sound: bool) -> None:
    """Live for long before, negative contactor first and no precharge. The guard goes by the samples alone: no word of
    control tells it that the pack is one of several.
    """
    b = bench()
    b.good()
    b.channels["bus_voltage_v"] = b.channels["pack_voltage_v"] + apart_v
    assert b.for_s(60.0).enable
    b.wish("main_negative")
    assert b.for_s(0.1).enable
    b.wish(*CLOSED)
    assert b.step().enable == sound
    b.channels["bus_voltage_v"] = b.channels["pack_voltage_v"] + 0.1
    assert b.for_s(20.0).enable == sound


@pytest.mark.parametrize("when", [-1, 0, 1])
@pytest.mark.parametrize("sensor", ["bus_voltage_v", "pack_voltage_v"])
@pytest.mark.parametrize("value", [0.0, 1e3, math.nan])
def test_one_wrong_sample_around_the_closing_decides_nothing(when: int, sensor: str, value: float) -> None:
    b = bench()
    b.good()
    b.channels["bus_voltage_v"] = b.channels["pack_voltage_v"]
    b.step(5)
    for k in range(-2, 5):
        good = b.channels[sensor]
        if k == 0:
            b.wish(*CLOSED)
        if k == when:
            b.channels[sensor] = value
        assert b.step().enable
        b.channels[sensor] = good


@pytest.mark.parametrize("sensor", ["bus_voltage_v", "pack_voltage_v"])
def test_closing_without_a_voltage_to_go_by(sensor: str) -> None:
    """The sum of the cells stands in for the pack voltage; nothing does for the bus."""
    b = bench()
    b.good()
    b.channels["bus_voltage_v"] = b.channels["pack_voltage_v"]
    b.step(5)
    b.channels[sensor] = math.nan
    b.for_s(LIMITS.bus_memory_s + 0.05)
    b.wish(*CLOSED)
    assert b.step().reason == (GUARD_BUS if sensor == "bus_voltage_v" else GUARD_OK)


def test_two_wrong_samples_at_the_closing_decide() -> None:
    b = bench()
    b.good()
    b.channels["bus_voltage_v"] = b.channels["pack_voltage_v"]
    b.step(5)
    b.wish(*CLOSED)
    b.channels["bus_voltage_v"] = 0.0
    assert b.step().enable
    assert b.step().reason == GUARD_BUS


def test_a_bus_that_has_not_been_heard_of_for_long_does_not_match() -> None:
    b = bench()
    b.good()
    b.channels["bus_voltage_v"] = b.channels["pack_voltage_v"]
    b.step(5)
    b.silent = {"channels"}
    b.for_s(LIMITS.bus_memory_s + 0.05)
    b.wish(*CLOSED)
    assert b.step().reason == GUARD_BUS


def test_a_bus_sample_with_a_wrong_time_says_nothing() -> None:
    b = bench()
    b.good()
    b.silent = {"channels"}
    for channel in (CHANNEL.pack_voltage_v, CHANNEL.bus_voltage_v):
        b.raw.channels[:, channel] = b.channels["pack_voltage_v"], b.now_s - 0.05
    b.wish(*CLOSED)
    assert b.step().reason == GUARD_BUS


def test_a_bus_that_falls_after_closing_is_left_to_the_kernel() -> None:
    b = bench()
    b.connected()
    b.channels["bus_voltage_v"] = 0.0
    assert b.for_s(2.0).enable


@pytest.mark.parametrize(("bus_v", "reason"), [(0.5, GUARD_OK), (15.0, GUARD_BUS)])
def test_without_a_precharge_path_a_dead_bus_may_be_closed_onto(bus_v: float, reason: int) -> None:
    b = bench(has_precharge=False, bus_dead_v=3.0)
    b.good()
    b.channels["bus_voltage_v"] = bus_v
    b.step(5)
    b.wish(*CLOSED)
    assert b.step(3).reason == reason


def test_without_a_bus_sensor_the_bus_is_not_judged() -> None:
    b = bench(bus_voltage=LIMITS.bus_voltage._replace(fitted=False))
    b.channels["bus_voltage_v"] = math.nan
    b.good()
    b.wish(*CLOSED)
    assert b.for_s(2.0).enable


@pytest.mark.verifies("SR-163")
@pytest.mark.parametrize(
    ("changes", "wished", "place"),
    [
        ({}, ("main_positive",), 0),
        ({}, ("main_positive", "precharge"), 0),
        ({"has_precharge": False}, ("precharge", "main_negative"), 2),
        ({"has_contactors": False}, ("main_negative",), 1),
        ({"has_contactors": False}, CLOSED, 0),
        ({"has_contactors": False}, ("precharge",), 2),
    ],
)
def test_wishes_that_no_sound_control_has(changes: dict[str, Any], wished: tuple[str, ...], place: int) -> None:
    b = bench(**changes)
    b.good()
    b.channels["bus_voltage_v"] = b.channels["pack_voltage_v"]
    b.step(5)
    b.wish(*wished)
    verdict = b.step()
    assert (verdict.reason, verdict.place, verdict.tripped) == (GUARD_WISH, place, True)


@pytest.mark.verifies("SR-222")
@pytest.mark.parametrize(("wished", "place"), [(("main_positive", "main_negative"), 0), (("main_negative",), 1),
                                               (("precharge",), 2)])  # fmt: skip
def test_what_is_wished_closed_in_the_first_word_while_protection_asks_to_open_is_named(
    wished: tuple[str, ...], place: int
) -> None:
    b = bench()
    b.channels["bus_voltage_v"] = b.channels["pack_voltage_v"]
    b.control["open_request"] = 1
    b.wish(*wished)
    verdict = b.step(3)
    assert (verdict.reason, verdict.place, verdict.enable) == (GUARD_WISH, place, False)


@pytest.mark.verifies("SR-163")
def test_precharging_for_too_long_is_told() -> None:
    b = bench()
    b.good()
    b.wish("main_negative", "precharge")
    assert b.for_s(LIMITS.precharge_max_s - 0.05).enable
    verdict = b.for_s(0.1)
    assert (verdict.reason, verdict.place) == (GUARD_WISH, 2)


def test_each_precharge_has_its_own_time() -> None:
    b = bench()
    b.good()
    for _ in range(3):
        b.wish("main_negative", "precharge")
        assert b.for_s(LIMITS.precharge_max_s - 0.1).enable
        b.wish()
        assert b.step(2).enable


@pytest.mark.verifies("SR-163")
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_the_pyrofuse_may_be_wished_for_only_with_a_large_current(sign: float) -> None:
    b = bench(has_pyrofuse=True, pyrofuse_least_a=150.0)
    b.connected()
    b.channels["current_a"] = sign * 149.0
    b.step(3)
    b.control["pyrofuse"] = 1
    verdict = b.step()
    assert (verdict.reason, verdict.place) == (GUARD_WISH, 3)
    b.channels["current_a"] = sign * 151.0
    b.step()
    b.channels["current_a"] = 0.0  # it has fired
    assert b.step().reason == GUARD_LATCHED
    b.control["pyrofuse"] = 0
    assert b.step().reason == GUARD_LATCHED


def test_a_pack_without_a_pyrofuse_never_has_the_wish() -> None:
    b = bench(has_pyrofuse=False, pyrofuse_least_a=150.0)
    b.good()
    b.channels["current_a"] = 170.0
    b.step(3)
    b.control["pyrofuse"] = 1
    assert b.step().reason == GUARD_WISH


@pytest.mark.verifies("SR-163")
@pytest.mark.parametrize("on_crash", [True, False])
def test_a_crash_makes_the_wish_plausible_where_the_description_says_so(on_crash: bool) -> None:
    b = bench(has_pyrofuse=True, pyrofuse_on_crash=on_crash)
    b.channels["crash"] = 0.0
    b.connected()
    b.channels["crash"] = 1.0
    b.step(2)
    b.control["pyrofuse"] = 1
    assert b.step().reason == (GUARD_OK if on_crash else GUARD_WISH)


@pytest.mark.parametrize("what", ["silent", "answer", "flow", "input"])
def test_what_is_wrong_with_control_itself_has_no_place(what: str) -> None:
    b = bench()
    b.good()
    if what == "silent":
        b.control_runs = False

    def spoil(record: Any) -> None:
        if what == "answer":
            record["answer"] ^= 1
            return
        record["flow" if what == "flow" else "sample_sum"] = 0
        answer(record)

    b.spoil = spoil
    verdict = b.step(20)
    expected = {"silent": GUARD_SILENT, "answer": GUARD_ANSWER, "flow": GUARD_FLOW, "input": GUARD_INPUT}[what]
    assert (verdict.reason, verdict.place) == (expected, -1)
