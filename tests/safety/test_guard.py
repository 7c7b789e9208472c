"""The guard: when its enable is given, withheld and withdrawn, and what latches."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.examples import example
from helpers.guarding import (
    ALWAYS,
    CLOSED,
    CONTACTORS,
    CYCLE_S,
    LIMITS,
    Bench,
    bench,
    cycles_of,
)
from ionward.image.exchange import (
    GUARD_BLIND,
    GUARD_FLOW,
    GUARD_LATCHED,
    GUARD_NO_SAMPLES,
    GUARD_OK,
    GUARD_REASONS,
    GUARD_SILENT,
    GUARD_STARTING,
    GUARD_STOOD,
    GUARD_VOLTAGE,
    GUARD_WISH,
)

# The enable.


@pytest.mark.verifies("SR-165")
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


@pytest.mark.verifies("SR-165")
@pytest.mark.parametrize("wished", [("main_negative",), ("precharge",), CLOSED])
def test_the_enable_is_never_given_onto_a_wish_for_closed_contactors(wished: tuple[str, ...]) -> None:
    b = bench()
    b.channels["bus_voltage_v"] = b.channels["pack_voltage_v"]
    b.wish(*wished)
    assert b.step(50).reason == GUARD_STARTING
    b.wish()
    b.good()


@pytest.mark.verifies("SR-164")
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


@pytest.mark.verifies("SR-192")
def test_time_that_is_no_number_gives_no_enable() -> None:
    b = bench()
    b.connected()
    verdict = b.guard.step(math.nan, b.raw, b.driven, b.control, b.control_count, b.io_count)
    assert not verdict.enable
    assert verdict.tripped


# The samples' process.


@pytest.mark.verifies("SR-168")
@pytest.mark.parametrize("late", [False, True])
def test_a_driver_that_stands_still_is_noticed_in_time(late: bool) -> None:
    b = bench()
    b.connected()
    b.driver_runs = False
    count = cycles_of(LIMITS.io_deadline_s)
    verdict = b.step(count + 1 if late else count)
    assert (verdict.reason == GUARD_NO_SAMPLES) == late
    assert verdict.tripped == late
    assert verdict.place == -1


def test_a_driver_that_writes_without_coming_on_counts_as_silent() -> None:
    b = bench()
    b.good()
    for _ in range(10):
        b.driven["cycle"] = 5
        verdict = b.step()
    assert verdict.reason == GUARD_NO_SAMPLES


@pytest.mark.verifies("SR-168")
@pytest.mark.parametrize("off_s", [-0.2, 0.2, math.nan, math.inf, -math.inf])
def test_a_driver_with_another_clock_is_not_believed(off_s: float) -> None:
    b = bench()
    b.good()
    b.driver_runs = False
    b.driven["time_s"] = b.now_s + off_s
    b.driven["cycle"] += 1
    b.io_count += 1
    assert b.step().reason == GUARD_NO_SAMPLES


def test_the_document_tells_every_reason() -> None:
    document = (example("ev-96s").parents[1] / "docs" / "guard.md").read_text(encoding="utf-8")
    for reason in GUARD_REASONS:
        assert not reason or f"| {reason} |" in document, reason


# Standing still, restarts, latching.


@pytest.mark.verifies("SR-168")
@pytest.mark.parametrize("connected", [True, False])
@pytest.mark.parametrize("pause_s", [0.5, 1000.0, -1.0])
def test_a_guard_that_stood_still_latches_when_something_was_closed(pause_s: float, connected: bool) -> None:
    b = bench()
    b.connected() if connected else b.good()
    verdict = b.step(pause_s=pause_s)
    assert (verdict.enable, verdict.reason, verdict.place) == (False, GUARD_STOOD, -1)
    assert verdict.value == pytest.approx(pause_s, abs=2 * CYCLE_S)
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


@pytest.mark.verifies("SR-165")
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


@pytest.mark.verifies("SR-165")
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
