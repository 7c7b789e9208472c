"""The guard: what withholds its enable, what latches, and that a sound pack never meets it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.examples import example
from helpers.guarding import ALWAYS, CONTACTORS, Bench, ClosedLoop, answer
from helpers.scenarios import small_system
from ionward.battery.system import System, load_system
from ionward.image.exchange import (
    FLOW_STAGES,
    GUARD_ANSWER,
    GUARD_BLIND,
    GUARD_BUS,
    GUARD_CURRENT,
    GUARD_FLOW,
    GUARD_LATCHED,
    GUARD_NO_SAMPLES,
    GUARD_OK,
    GUARD_REASONS,
    GUARD_SILENT,
    GUARD_STARTING,
    GUARD_STOOD,
    GUARD_TEMPERATURE,
    GUARD_VOLTAGE,
    GUARD_WISH,
)
from ionward.image.guard_limits import guard_limits
from ionward.image.inputs import CHANNEL, RAW
from ionward.safety.guard_control import admissible_flows, flow_word
from ionward.twin.build import Start

SYSTEM = small_system()
LIMITS = guard_limits(SYSTEM)
CYCLE_S = LIMITS.cycle_s
CLOSED = ("main_positive", "main_negative")
Change = Any


def bench(**changes: Any) -> Bench:
    return Bench(LIMITS._replace(**changes))


def cycles_of(seconds: float) -> int:
    return math.ceil(seconds / CYCLE_S - 1e-9)


# The enable.


def test_the_enable_comes_after_some_good_cycles_in_a_row() -> None:
    b = bench()
    verdicts = [b.step() for _ in range(12)]
    given_at = [v.enable for v in verdicts].index(True)
    assert given_at >= LIMITS.start_cycles
    assert {v.reason for v in verdicts[:given_at]} <= {GUARD_SILENT, GUARD_STARTING}
    assert all(v.enable and v.reason == GUARD_OK for v in verdicts[given_at:])
    assert not any(v.tripped for v in verdicts)


def test_one_bad_cycle_while_open_starts_the_count_anew_and_does_not_latch() -> None:
    b = bench()
    b.good()
    b.control["flow"] = 0
    assert b.step().reason == GUARD_FLOW
    b.control["flow"] = ALWAYS
    verdicts = [b.step() for _ in range(LIMITS.start_cycles)]
    assert [v.enable for v in verdicts] == [False] * (LIMITS.start_cycles - 1) + [True]
    assert not verdicts[-1].tripped


@pytest.mark.parametrize("wished", [("main_negative",), ("precharge",), CLOSED])
def test_the_enable_is_never_given_onto_a_wish_for_closed_contactors(wished: tuple[str, ...]) -> None:
    b = bench()
    b.channels["bus_voltage_v"] = b.channels["pack_voltage_v"]
    b.wish(*wished)
    assert b.step(50).reason == GUARD_STARTING
    b.wish()
    b.good()


@pytest.mark.parametrize("item", [("cells", 3), ("cells", 7), ("temperatures", None), ("currents", None)])
def test_what_has_never_been_read_withholds_the_enable(item: tuple[str, int | None]) -> None:
    b = bench()
    kind, place = item
    if kind == "cells":
        b.cells[place] = math.nan
    elif kind == "temperatures":
        b.temperatures[:] = math.nan
    else:
        b.channels["current_a"] = b.channels["current_redundant_a"] = math.nan
    assert b.step(20).reason == GUARD_STARTING
    assert b.for_s(10).reason == GUARD_BLIND
    b.cells[:], b.temperatures[:] = 3.7, 25.0
    b.channels["current_a"] = 0.0
    b.good()


def test_time_that_is_no_number_gives_no_enable() -> None:
    b = bench()
    b.connected()
    verdict = b.guard.step(math.nan, b.raw, b.driven, b.control, b.control_count, b.io_count)
    assert not verdict.enable
    assert verdict.tripped


# The samples' process.


@pytest.mark.parametrize("late", [False, True])
def test_a_driver_that_stands_still_is_noticed_in_time(late: bool) -> None:
    b = bench()
    b.connected()
    b.driver_runs = False
    count = cycles_of(LIMITS.io_deadline_s)
    verdict = b.step(count + 1 if late else count)
    assert (verdict.reason == GUARD_NO_SAMPLES) == late
    assert verdict.tripped == late


def test_a_driver_that_writes_without_coming_on_counts_as_silent() -> None:
    b = bench()
    b.good()
    for _ in range(10):
        b.driven["cycle"] = 5
        verdict = b.step()
    assert verdict.reason == GUARD_NO_SAMPLES


@pytest.mark.parametrize("off_s", [-0.2, 0.2, math.nan, math.inf, -math.inf])
def test_a_driver_with_another_clock_is_not_believed(off_s: float) -> None:
    b = bench()
    b.good()
    b.driver_runs = False
    b.driven["time_s"] = b.now_s + off_s
    b.driven["cycle"] += 1
    b.io_count += 1
    assert b.step().reason == GUARD_NO_SAMPLES


# Absolute limits.

BEYOND = {
    "cell too high": ("cells", 5, LIMITS.cell_voltage.high + 0.01, GUARD_VOLTAGE, 5, LIMITS.cell_voltage),
    "cell too low": ("cells", 2, LIMITS.cell_voltage.low - 0.01, GUARD_VOLTAGE, 2, LIMITS.cell_voltage),
    "too hot": ("temperatures", 1, LIMITS.temperature.high + 0.5, GUARD_TEMPERATURE, 1, LIMITS.temperature),
    "charge current": ("channels", "current_a", LIMITS.current.high + 1, GUARD_CURRENT, CHANNEL.current_a,
                       LIMITS.current),
    "discharge current": ("channels", "current_redundant_a", LIMITS.current.low - 1, GUARD_CURRENT,
                          CHANNEL.current_redundant_a, LIMITS.current_redundant),
    "current out of range": ("channels", "current_a", math.inf, GUARD_CURRENT, CHANNEL.current_a, LIMITS.current),
}  # fmt: skip


@pytest.mark.parametrize("case", BEYOND)
def test_beyond_a_limit_trips_after_samples_and_time_and_not_before(case: str) -> None:
    block, item, value, reason, place, watch = BEYOND[case]
    b = bench()
    b.connected()
    getattr(b, block)[item] = value
    needed = max(watch.samples, cycles_of(watch.delay_s) + 1)
    before = b.step(needed - 1)
    assert before.enable
    assert not before.tripped
    verdict = b.step()
    assert not verdict.enable
    assert (verdict.reason, verdict.place, verdict.tripped) == (reason, place, True)
    assert verdict.value == pytest.approx(value)


@pytest.mark.parametrize(
    ("block", "item", "value"),
    [
        ("cells", 5, LIMITS.cell_voltage.high - 0.001),
        ("cells", 5, LIMITS.cell_voltage.low + 0.001),
        ("temperatures", 1, LIMITS.temperature.high - 0.1),
        ("temperatures", 1, -39.0),
        ("channels", "current_a", LIMITS.current.high - 0.1),
        ("channels", "current_a", LIMITS.current.low + 0.1),
    ],
)
def test_within_the_limits_nothing_happens(block: str, item: Any, value: float) -> None:
    b = bench()
    b.connected()
    getattr(b, block)[item] = value
    assert b.for_s(5.0).enable


def test_an_old_sample_read_again_and_again_decides_nothing() -> None:
    b = bench()
    b.connected()
    b.cells[4] = LIMITS.cell_voltage.high + 0.1
    b.step()
    b.silent = {"cells"}
    for _ in range(cycles_of(LIMITS.cell_voltage.blind_after_s)):
        assert b.step().reason not in (GUARD_VOLTAGE, GUARD_BLIND)
    assert b.for_s(LIMITS.cell_voltage.age_max_s + 0.05).reason == GUARD_BLIND


@pytest.mark.parametrize("times_s", [
    [-0.02, -0.01] * 20,  # two old samples in turn
    [1e6 + k for k in range(40)],
    [math.inf, math.nan, -math.inf, -1.0] * 10,
])  # fmt: skip
def test_samples_of_the_past_or_the_future_do_not_count(times_s: list[float]) -> None:
    b = bench()
    b.connected()
    newest_s = b.now_s
    b.silent = {"cells"}
    for time_s in times_s:
        b.raw.cells[:, 4] = 5.0, newest_s + time_s
        assert b.step().reason not in (GUARD_VOLTAGE, GUARD_BLIND)


def test_where_samples_are_slower_than_the_delay_their_number_decides() -> None:
    b = bench(cell_voltage=LIMITS.cell_voltage._replace(delay_s=0.0, samples=7))
    b.connected()
    b.cells[0] = 4.9
    assert b.step(6).enable
    assert b.step().reason == GUARD_VOLTAGE


def test_what_is_beyond_from_the_start_never_gets_the_enable() -> None:
    b = bench()
    b.cells[0] = 4.9
    assert not any(b.step().enable for _ in range(100))
    assert b.step().reason == GUARD_VOLTAGE


@settings(max_examples=40)
@given(
    runs=st.lists(
        st.tuples(st.integers(1, LIMITS.cell_voltage.samples - 1), st.integers(1, 3), st.floats(-1.0, 9.0)),
        min_size=1,
        max_size=12,
    )
)
def test_spikes_shorter_than_the_debounce_never_trip(runs: list[tuple[int, int, float]]) -> None:
    b = bench()
    b.connected()
    for length, calm, value in runs:
        b.cells[3] = value
        assert b.step(length).enable
        b.cells[3] = 3.7
        verdict = b.step(calm)
        assert verdict.enable
        assert not verdict.tripped


@settings(max_examples=25)
@given(gaps=st.lists(st.booleans(), min_size=60, max_size=60))
def test_a_value_that_is_lost_now_and_then_does_not_end_the_count(gaps: list[bool]) -> None:
    """NaN is never within a limit."""
    b = bench()
    b.connected()
    for lost in gaps:
        b.cells[3] = math.nan if lost else LIMITS.cell_voltage.high + 0.1
        b.step()
    enough = sum(not lost for lost in gaps) >= LIMITS.cell_voltage.samples
    first = gaps.index(False) if False in gaps else 0
    late = (len(gaps) - 1 - first) * CYCLE_S >= LIMITS.cell_voltage.delay_s
    assert b.verdict is not None
    assert b.verdict.tripped == (enough and late)


# What cannot be read.


@pytest.mark.parametrize("value", [math.nan, -0.5, 5.5, math.inf])
def test_a_lost_cell_blinds_the_guard_after_the_time_that_the_kernel_needs(value: float) -> None:
    b = bench()
    b.connected()
    b.cells[6] = value
    before = b.step(cycles_of(LIMITS.cell_voltage.blind_after_s))
    assert before.enable
    verdict = b.step(2)
    assert (verdict.reason, verdict.place, verdict.tripped) == (GUARD_BLIND, 6, True)


def test_a_lost_temperature_sensor_is_borne_but_not_all_of_a_module() -> None:
    b = bench()
    b.connected()
    b.temperatures[[0, 3]] = math.nan
    assert b.for_s(20.0).enable
    b.temperatures[2] = math.nan
    verdict = b.for_s(LIMITS.temperature.blind_after_s + 0.1)
    assert (verdict.reason, verdict.place) == (GUARD_BLIND, 2)


def test_one_of_two_current_sensors_is_enough() -> None:
    b = bench()
    b.connected()
    b.channels["current_a"] = math.nan
    assert b.for_s(20.0).enable
    b.channels["current_redundant_a"] = math.nan
    verdict = b.for_s(LIMITS.current.blind_after_s + 0.1)
    assert (verdict.reason, verdict.place) == (GUARD_BLIND, CHANNEL.current_a)


def test_what_the_pack_does_not_have_is_not_missed() -> None:
    absent = LIMITS.temperature._replace(fitted=False)
    b = Bench(LIMITS._replace(temperature=absent, current_redundant=LIMITS.current_redundant._replace(fitted=False)))
    b.temperatures[:] = math.nan
    b.channels["current_redundant_a"] = math.nan
    b.connected()
    assert b.for_s(20.0).enable
    b.temperatures[:] = 500.0
    b.channels["current_redundant_a"] = 1e6
    assert b.for_s(5.0).enable


# Control's heartbeat.


@given(run=st.integers(0, 40), connected=st.booleans())
def test_silence_always_ends_the_enable_within_the_deadline(run: int, connected: bool) -> None:
    b = bench()
    verdict = b.connected() if connected else b.good()
    b.step(run)
    b.control_runs = False
    enabled = [b.step().enable for _ in range(cycles_of(LIMITS.answer_deadline_s) + 3)]
    assert not any(enabled[cycles_of(LIMITS.answer_deadline_s) :])
    verdict = b.step()
    assert (verdict.reason, verdict.tripped) == (GUARD_SILENT, connected)


@pytest.mark.parametrize("kept", ["tick", "challenge"])
def test_control_that_writes_but_does_not_come_on_counts_as_silent(kept: str) -> None:
    b = bench()
    b.connected()
    kept_value = int(b.control[kept][0])

    def spoil(record: Any) -> None:
        record[kept] = kept_value
        answer(record)

    b.spoil = spoil
    assert b.for_s(LIMITS.answer_deadline_s + 3 * CYCLE_S).reason == GUARD_SILENT


def test_answers_that_come_later_than_the_deadline_prove_nothing() -> None:
    b = bench()
    b.good()
    late = cycles_of(LIMITS.answer_deadline_s) + 1
    challenges: list[int] = []

    def spoil(record: Any) -> None:
        challenges.append(int(record["challenge"][0]))
        record["challenge"] = challenges[max(0, len(challenges) - 1 - late)]
        answer(record)

    b.spoil = spoil
    assert b.step(4 * late).reason == GUARD_SILENT


def test_a_few_skipped_cycles_of_control_are_borne() -> None:
    b = bench()
    b.connected()
    for _ in range(20):
        b.control_runs = False
        assert b.step(3).enable
        b.control_runs = True
        assert b.step().enable


@pytest.mark.parametrize("off", [1, -1, 2**40])
def test_a_wrong_answer_is_told_at_once(off: int) -> None:
    b = bench()
    b.connected()

    def spoil(record: Any) -> None:
        record["answer"] += off

    b.spoil = spoil
    verdict = b.step()
    assert (verdict.enable, verdict.reason, verdict.tripped) == (False, GUARD_ANSWER, True)
    assert b.for_s(1.0).reason == GUARD_ANSWER


def test_challenges_differ_from_cycle_to_cycle_and_from_guard_to_guard() -> None:
    first = Bench(LIMITS, seed=1)
    made = [first.step().challenge for _ in range(20)]
    assert len(set(made)) == 20
    assert all(0 <= challenge < 2**63 for challenge in made)
    again, other = Bench(LIMITS, seed=1), Bench(LIMITS, seed=2)
    assert [again.step().challenge for _ in range(20)] == made
    assert not {other.step().challenge for _ in range(20)} & set(made)


# Program flow.


@pytest.mark.parametrize("flow", sorted(admissible_flows()))
def test_a_tick_with_or_without_the_slow_stages_is_sound(flow: int) -> None:
    b = bench()
    b.good()
    b.control["flow"] = flow
    assert b.step(5).enable


EVERY = tuple(range(len(FLOW_STAGES)))
WRONG = [EVERY[:k] + EVERY[k + 1 :] for k in range(5)]  # each stage of every tick left out
WRONG += [(1, 0, 2, 3, 4), (0, 1, 2, 3, 4, 6, 5), (0, 0, 1, 2, 3, 4), (*EVERY, 6), (), (0, 1, 2, 3, 4, 5, 5)]


@pytest.mark.parametrize("stages", WRONG)
def test_a_stage_left_out_or_in_a_wrong_order_is_told_at_once(stages: tuple[int, ...]) -> None:
    b = bench()
    b.connected()
    b.control["flow"] = flow_word(stages)
    verdict = b.step()
    assert (verdict.enable, verdict.reason, verdict.tripped) == (False, GUARD_FLOW, True)


@pytest.mark.parametrize("flow", [0, -1, 2**62])
def test_a_flow_word_that_cannot_be_is_told(flow: int) -> None:
    b = bench()
    b.good()
    b.control["flow"] = flow
    assert b.step().reason == GUARD_FLOW


@pytest.mark.parametrize("stage", ["balance", "cool"])
def test_a_slow_stage_that_does_not_come_on_is_told_after_its_time(stage: str) -> None:
    b = bench(slow_deadline_s=2.5)
    b.connected()
    kept = int(b.control[f"{stage}_runs"][0])

    def spoil(record: Any) -> None:
        record[f"{stage}_runs"] = kept

    b.spoil = spoil
    assert b.for_s(1.0).enable
    verdict = b.for_s(1.7)
    assert (verdict.reason, verdict.place) == (GUARD_FLOW, FLOW_STAGES.index(stage))


def test_slow_stages_get_their_time_again_after_a_silence() -> None:
    b = bench(slow_deadline_s=2.5)
    b.good()
    b.control_runs = False
    b.for_s(10.0)
    b.control_runs = True
    b.control["tick"] = 100  # long before the next run
    assert b.step(20).enable


# Control's wish.


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
def test_wishes_that_no_sound_control_has(changes: Change, wished: tuple[str, ...], place: int) -> None:
    b = bench(**changes)
    b.good()
    b.channels["bus_voltage_v"] = b.channels["pack_voltage_v"]
    b.step(5)
    b.wish(*wished)
    verdict = b.step()
    assert (verdict.reason, verdict.place, verdict.tripped) == (GUARD_WISH, place, True)


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


def test_the_document_tells_every_reason() -> None:
    document = (example("ev-96s").parents[1] / "docs" / "guard.md").read_text(encoding="utf-8")
    for reason in GUARD_REASONS:
        assert not reason or f"| {reason} |" in document, reason


# Standing still, restarts, latching.


@pytest.mark.parametrize("connected", [True, False])
@pytest.mark.parametrize("pause_s", [0.5, 1000.0, -1.0])
def test_a_guard_that_stood_still_latches_when_something_was_closed(pause_s: float, connected: bool) -> None:
    b = bench()
    b.connected() if connected else b.good()
    verdict = b.step(pause_s=pause_s)
    assert (verdict.enable, verdict.reason) == (False, GUARD_STOOD)
    b.wish()
    verdict = b.for_s(1.5)
    assert verdict.tripped == connected
    assert verdict.reason == (GUARD_LATCHED if connected else GUARD_OK)
    assert verdict.trip_reason == (GUARD_STOOD if connected else GUARD_OK)


def test_a_short_pause_of_the_guard_is_borne() -> None:
    b = bench()
    b.connected()
    for _ in range(5):
        assert b.step(pause_s=LIMITS.stood_after_s - 2 * CYCLE_S).enable
        assert b.step(3).enable


@pytest.mark.parametrize("connected", [True, False])
def test_a_control_that_is_started_anew_has_to_answer_again(connected: bool) -> None:
    b = bench()
    b.connected() if connected else b.good()
    b.wish()
    b.control["tick"] = 0
    verdict = b.step()
    assert not verdict.enable
    b.control["balance_runs"] = b.control["cool_runs"] = 0
    verdict = b.step(20)
    assert (verdict.enable, verdict.tripped) == (not connected, connected)


def tripped() -> Bench:
    b = bench()
    b.connected()
    b.control["flow"] = 0
    assert b.step().tripped
    b.control["flow"] = ALWAYS
    return b


def test_a_trip_waits_for_a_person_and_for_everything_to_be_open() -> None:
    b = tripped()
    b.acknowledge()  # at the very time of the trip: for something before
    b.wish()
    assert b.for_s(20.0).reason == GUARD_LATCHED
    b.acknowledge()
    verdict = b.step(20)
    assert verdict.enable
    assert not verdict.tripped
    assert (verdict.trip_reason, verdict.trip_count) == (GUARD_FLOW, 1)


def test_an_acknowledgement_while_the_cause_stands_gives_nothing_yet() -> None:
    b = bench()
    b.connected()
    b.cells[0] = 4.5
    b.for_s(1.0)
    b.wish()
    b.acknowledge()
    verdict = b.for_s(1.0)
    assert (verdict.enable, verdict.tripped, verdict.reason) == (False, True, GUARD_VOLTAGE)
    b.cells[0] = 3.7
    assert b.step(20).enable


def test_a_cause_must_be_gone_entirely() -> None:
    """A value on its way beyond the limit, or a lost cell, is not good enough to begin again."""
    b = tripped()
    b.wish()
    b.cells[0] = math.nan
    b.step()
    b.acknowledge()
    assert b.step(20).tripped
    b.cells[0] = 3.7
    assert b.step(20).enable


def test_an_earlier_acknowledgement_or_one_in_the_future_does_not_count() -> None:
    b = bench()
    b.good()
    b.acknowledge()
    b.connected()
    b.control["flow"] = 0
    b.step()
    b.control["flow"] = ALWAYS
    b.wish()
    assert b.step(50).tripped
    b.control["acknowledged_s"] = b.now_s + 1e6
    assert b.step(50).tripped
    b.control["acknowledged_s"] = math.nan
    assert b.step(50).tripped


def test_a_new_wish_without_acknowledgement_trips_again() -> None:
    b = tripped()
    b.wish()
    b.step(20)
    b.wish("main_negative")
    verdict = b.step()
    assert (verdict.trip_count, verdict.trip_reason, verdict.enable) == (2, GUARD_WISH, False)
    verdict = b.step(20)
    assert verdict.trip_count == 2


def test_control_that_lies_on_keeps_the_pack_open() -> None:
    b = tripped()
    b.wish(*CLOSED)
    b.acknowledge()
    verdict = b.for_s(5.0)
    assert not verdict.enable
    assert not b.driven["main_positive"][0]


def test_contactors_driven_closed_without_the_enable_latch_too() -> None:
    """Whatever the driver does: what is wrong while something is closed waits for a person."""
    b = bench()
    b.control["flow"] = 0
    assert not b.step(20).tripped
    b.driver_runs = False
    b.driven["main_negative"] = 1
    b.driven["cycle"] += 1
    b.driven["time_s"] = b.now_s + CYCLE_S
    b.io_count += 1
    verdict = b.step()
    assert (verdict.tripped, verdict.trip_reason) == (True, GUARD_FLOW)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("run", "pause", "control", "driver", "flow", "tick", "answer", "cell", "nan", "hot", "current",
                         "bus", "wish", "open", "pyrofuse", "acknowledge", "early", "heal")),
        st.integers(1, 12),
    ),
    min_size=1,
    max_size=25,
)  # fmt: skip


def do(b: Bench, what: str) -> None:
    """One change of the world."""
    if what == "heal":
        b.control_runs = b.driver_runs = True
        b.control["flow"] = ALWAYS
        b.spoil = lambda _record: None
        b.cells[:], b.temperatures[:], b.channels["current_a"] = 3.7, 25.0, 0.0
        b.channels["bus_voltage_v"] = b.channels["pack_voltage_v"]
        b.control["pyrofuse"] = 0
    elif what == "control":
        b.control_runs = not b.control_runs
    elif what == "driver":
        b.driver_runs = not b.driver_runs
    elif what == "flow":
        b.control["flow"] = 1
    elif what == "tick":
        b.control["tick"] = 0
    elif what == "answer":
        b.spoil = lambda record: record.__setitem__("answer", 1)
    elif what == "wish":
        b.wish(*CLOSED)
    elif what == "open":
        b.wish()
    elif what == "pyrofuse":
        b.control["pyrofuse"] = 1
    elif what == "acknowledge":
        b.acknowledge()
    elif what == "early":
        b.control["acknowledged_s"] = b.now_s - 0.5
    elif what in ("cell", "nan"):
        b.cells[1] = 4.9 if what == "cell" else math.nan
    elif what == "hot":
        b.temperatures[1] = 100.0
    elif what == "current":
        b.channels["current_a"] = -390.0
    elif what == "bus":
        b.channels["bus_voltage_v"] = 0.0


@settings(max_examples=60)
@given(steps=STEPS)
def test_no_sequence_gives_an_enable_during_a_trip_or_onto_a_wish(steps: list[tuple[str, int]]) -> None:
    b = bench()
    b.good()
    trip_s, was = -math.inf, b.verdict
    for what, count in steps:
        do(b, what)
        for k in range(count):
            verdict = b.step(pause_s=0.3 if what == "pause" and k == 0 else 0.0)
            assert was is not None
            assert not (verdict.enable and verdict.tripped)
            assert verdict.enable == (verdict.reason == GUARD_OK)
            if verdict.trip_count > was.trip_count:
                trip_s = b.now_s
                assert verdict.tripped
                assert GUARD_REASONS[verdict.trip_reason]
            if was.tripped and not verdict.tripped:
                assert b.control["acknowledged_s"][0] > trip_s
            if verdict.enable and not was.enable:
                assert not any(b.control[name][0] for name in CONTACTORS)
            was = verdict


# A whole pack.


def closed_loop(system: System, pace: float = 1.0) -> ClosedLoop:
    """At rest for 3 s, then a strong pulse of a second, recuperation, discharge, rest; all of it faster by `pace`."""
    limits = system.limits
    amperes = [0.0, 0.0, -0.95 * limits.discharge_current_pulse_a, 0.9 * limits.charge_current_pulse_a,
               -limits.discharge_current_max_a, 0.0]  # fmt: skip
    profile = np.array([[0.0, 3.0, 3.0 + 1.0 / pace, 3.0 + 3.0 / pace, 3.0 + 5.0 / pace, 3.0 + 6.0 / pace], amperes])
    return ClosedLoop(system, Start(soc=0.6), profile)


def connected_loop() -> ClosedLoop:
    loop = closed_loop(SYSTEM)
    loop.run(1.0)
    loop.command["connect"] = 1
    loop.run(3.5)
    assert loop.connected
    return loop


# Where one runs at 1 ms, everything happens in less time.
SYSTEMS = {
    "small": (small_system, 1.0),
    "ev-96s": (lambda: load_system(example("ev-96s")), 1.0),
    "home-16s": (lambda: load_system(example("home-16s")), 1.0),
    "storage-rack-240s": (lambda: load_system(example("storage-rack-240s")), 1.0),
    "small at 1 ms": (lambda: small_system(cycle={"period_s": 0.001}), 5.0),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_sound_pack_never_meets_the_guard(name: str) -> None:
    make, pace = SYSTEMS[name]
    loop = closed_loop(make(), pace)
    assert loop.run(0.5).enable
    loop.command["connect"] = 1
    loop.run(2.3)
    assert loop.connected
    largest_a = 0.0
    for _ in range(30):
        loop.run(0.25 / pace)
        largest_a = max(largest_a, abs(float(loop.raw.channels[RAW.value, CHANNEL.current_a])))
    assert largest_a > 0.8 * loop.system.limits.discharge_current_max_a
    loop.command["connect"] = 0
    verdict = loop.run(1.0 + loop.system.contactors.open_wait_s)
    assert not any(loop.wished[-10:])
    assert verdict.trip_count == 0
    assert all(loop.enabled[50:])


FAULTS: dict[str, tuple[list[tuple[Any, ...]], int]] = {
    "overcharged": ([("cell_soc", 3, 1.25)], GUARD_VOLTAGE),
    "empty": ([("cell_soc", 3, -0.2)], GUARD_VOLTAGE),
    "hot": ([("cell_temperature", cell, 95.0) for cell in range(4)], GUARD_TEMPERATURE),
    "monitor lost": ([("afe_lost", 1)], GUARD_BLIND),
    "current lost": ([("sensor_nan", "current"), ("sensor_nan", "current_redundant")], GUARD_BLIND),
    "short circuit": ([("bus_short",)], GUARD_CURRENT),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_kernel_acts_first(fault: str) -> None:
    loop = connected_loop()
    for injected in FAULTS[fault][0]:
        loop.twin.inject(*injected)
    verdict = loop.run(6.0)
    assert not any(loop.wished[-10:])
    assert verdict.trip_count == 0


@pytest.mark.parametrize("fault", FAULTS)
def test_the_guard_opens_where_control_lies(fault: str) -> None:
    loop = connected_loop()
    loop.lie = CLOSED
    for injected in FAULTS[fault][0]:
        loop.twin.inject(*injected)
    verdict = loop.run(6.0)
    assert (verdict.enable, verdict.trip_reason) == (False, FAULTS[fault][1])
    assert not any(loop.driven[name][0] for name in CONTACTORS)


def test_control_that_lies_cannot_close_onto_a_dead_bus() -> None:
    loop = closed_loop(SYSTEM)
    loop.run(1.0)
    loop.lie = CLOSED
    verdict = loop.run(0.05)
    assert (verdict.enable, verdict.trip_reason) == (False, GUARD_BUS)
    loop.run(1.0)
    assert loop.raw.channels[RAW.value, CHANNEL.main_positive_closed] == 0.0
