"""Every deadline of the guard to the cycle: what is there exactly in time is in time, and a cycle later it is not."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.guarding import LIMITS, Bench, answer
from ionward.image.exchange import (
    FLOW_STAGES,
    GUARD_BUS,
    GUARD_FLOW,
    GUARD_NO_SAMPLES,
    GUARD_OK,
    GUARD_SILENT,
    GUARD_STARTING,
    GUARD_STOOD,
    GUARD_WISH,
)

CYCLE_S = 1 / 64  # a binary fraction: sums of it are exact


def bench(**changes: Any) -> Bench:
    wide = 100 * CYCLE_S
    return Bench(LIMITS._replace(**{
        "cycle_s": CYCLE_S, "io_deadline_s": wide, "answer_deadline_s": wide, "stood_after_s": wide,
        "slow_deadline_s": 1e3, "opening_max_s": wide, "precharge_max_s": wide, "fuse_wait_s": wide, **changes,
    }), start_s=1024.0)  # fmt: skip


def found(b: Bench, cycles: int = 1) -> tuple[int, int, float]:
    """What is found in the last of some cycles; nothing may be found before it."""
    for _ in range(cycles - 1):
        assert b.step().reason == GUARD_OK
    verdict = b.step()
    return verdict.reason, verdict.place, verdict.value


def test_a_driver_is_silent_a_cycle_after_its_deadline() -> None:
    b = bench(io_deadline_s=4 * CYCLE_S)
    b.good()
    b.driver_runs = False
    assert found(b, 5) == (GUARD_NO_SAMPLES, -1, 5 * CYCLE_S)


@pytest.mark.parametrize(("ahead", "reason"), [(1, GUARD_OK), (2, GUARD_NO_SAMPLES), (-4, GUARD_OK),
                                               (-5, GUARD_NO_SAMPLES)])  # fmt: skip
def test_the_drivers_clock_may_be_a_cycle_ahead_and_a_deadline_behind(ahead: int, reason: int) -> None:
    b = bench(io_deadline_s=4 * CYCLE_S)
    b.good()
    drive = b.drive

    def off() -> None:
        drive()
        b.driven["time_s"] += ahead * CYCLE_S

    b.drive = off  # type: ignore[method-assign]
    assert found(b)[0] == reason


def test_a_driver_that_writes_without_coming_on_is_silent_a_cycle_after_its_deadline() -> None:
    b = bench(io_deadline_s=4 * CYCLE_S)
    b.good()

    def stuck() -> None:
        b.driven["time_s"] = b.now_s
        b.io_count += 1

    b.drive = stuck  # type: ignore[method-assign]
    assert found(b, 5) == (GUARD_NO_SAMPLES, -1, 0.0)


def test_control_is_silent_when_its_last_answer_is_older_than_the_deadline() -> None:
    b = bench(answer_deadline_s=4 * CYCLE_S)
    b.good()
    b.control_runs = False  # its last answer was to the challenge of the cycle before
    assert found(b, 4) == (GUARD_SILENT, -1, 5 * CYCLE_S)


def test_control_may_say_the_same_tick_twice() -> None:
    b = bench(answer_deadline_s=4 * CYCLE_S)
    b.good()

    def again(record: Any) -> None:
        record["tick"] -= 1

    b.spoil = again
    assert found(b, 3)[0] == GUARD_OK


@pytest.mark.parametrize("first_cycle", [0, 1, 2, 5000])
def test_the_first_cycle_of_the_driver_counts_whatever_its_number(first_cycle: int) -> None:
    b = bench(start_cycles=5)
    b.driven["cycle"] = first_cycle - 1
    assert [b.step().enable for _ in range(8)] == [False] * 5 + [True] * 3


@pytest.mark.parametrize("first_tick", [0, 1, 2, 5000])
def test_the_first_word_of_control_counts_whatever_the_number_of_its_tick(first_tick: int) -> None:
    b = bench(start_cycles=5)
    b.control["tick"] = first_tick - 1
    told = [b.step().enable for _ in range(8)]
    assert told == [False] * 5 + [True] * 3  # the first challenge is answered in the second cycle


@pytest.mark.parametrize(("pause", "reason"), [(3, GUARD_OK), (4, GUARD_STOOD), (-1, GUARD_OK), (-2, GUARD_STOOD)])
def test_the_guard_stood_when_its_own_pause_is_too_long_or_its_clock_goes_back(pause: int, reason: int) -> None:
    b = bench(stood_after_s=4 * CYCLE_S)
    b.good()
    verdict = b.step(pause_s=pause * CYCLE_S)
    assert verdict.reason == reason
    if reason == GUARD_STOOD:
        assert verdict.value == (pause + 1) * CYCLE_S
        assert not verdict.enable


@pytest.mark.parametrize(("name", "stage"), [("balance_runs", "balance"), ("cool_runs", "cool")])
def test_a_slow_stage_has_to_come_on_within_its_deadline(name: str, stage: str) -> None:
    b = bench(slow_deadline_s=128 * CYCLE_S)

    def stands(record: Any) -> None:
        record[name] = 777

    b.good()
    b.spoil = stands
    b.step()  # it is seen to come on once more
    assert found(b, 129) == (GUARD_FLOW, FLOW_STAGES.index(stage), 129 * CYCLE_S)


@pytest.mark.parametrize(("wished", "place"), [(("main_positive", "main_negative"), 0), (("main_negative",), 1)])
def test_what_is_still_wished_closed_after_the_longest_opening_is_named(wished: tuple[str, ...], place: int) -> None:
    b = bench(opening_max_s=8 * CYCLE_S)
    b.connected()
    b.control["open_request"] = 1
    b.step()
    b.wish(*wished)
    assert found(b, 9) == (GUARD_WISH, place, 9 * CYCLE_S)


def test_a_request_that_is_withdrawn_gives_the_opening_its_whole_time_again() -> None:
    b = bench(opening_max_s=8 * CYCLE_S)
    b.connected()
    for _ in range(3):
        b.control["open_request"] = 1
        assert found(b, 8)[0] == GUARD_OK
        b.control["open_request"] = 0
        assert found(b)[0] == GUARD_OK


def test_a_precharge_may_be_wished_for_so_long() -> None:
    b = bench(precharge_max_s=8 * CYCLE_S)
    b.good()
    b.wish("main_negative", "precharge")
    b.step()
    assert found(b, 9) == (GUARD_WISH, 2, 9 * CYCLE_S)


@pytest.mark.parametrize(("current_a", "later", "reason"), [
    (114.0, 4, GUARD_OK), (114.0, 5, GUARD_WISH), (113.5, 1, GUARD_WISH), (-114.0, 4, GUARD_OK),
])  # fmt: skip
def test_the_pyrofuse_may_be_wished_for_so_long_after_a_large_current(
    current_a: float, later: int, reason: int
) -> None:
    b = bench(has_pyrofuse=True, pyrofuse_memory_s=4 * CYCLE_S, pyrofuse_least_a=114.0)
    b.good()
    b.channels["current_a"] = current_a
    b.step()
    b.channels["current_a"] = 0.0
    b.step(later - 1)
    b.control["pyrofuse"] = 1
    assert found(b)[:2] == ((reason, 3) if reason == GUARD_WISH else (GUARD_OK, -1))


def test_an_acknowledgement_counts_after_the_trip_and_up_to_a_cycle_ahead() -> None:
    for ahead, lets_go in ((0, True), (1, True), (2, False)):
        b = bench()
        b.connected()
        b.control["flow"] = 0
        b.step()
        b.wish()
        b.control["flow"] = Bench(LIMITS).control["flow"]
        b.step(3)
        b.control["acknowledged_s"] = b.now_s + CYCLE_S + ahead * CYCLE_S  # as of the next step
        assert b.step().tripped != lets_go


def test_an_acknowledgement_in_the_cycle_of_the_trip_is_none() -> None:
    b = bench()
    b.connected()
    b.control["flow"] = 0
    tripped_s = b.now_s + CYCLE_S
    b.step()
    b.wish()
    b.control["flow"] = Bench(LIMITS).control["flow"]
    b.control["acknowledged_s"] = tripped_s
    assert b.step(5).tripped
    b.control["acknowledged_s"] = tripped_s + CYCLE_S
    assert not b.step().tripped


def test_the_samples_of_cycle_zero_are_remembered() -> None:
    """Control's first answer may have been made of them."""
    b = bench()
    b.driven["cycle"] = -1
    b.step()
    first_sum = int(b.control["sample_sum"][0])

    def late(record: Any) -> None:
        record["driver_cycle"], record["sample_sum"] = 0, first_sum
        answer(record)

    b.spoil = late
    assert found(b)[0] == GUARD_STARTING


@pytest.mark.parametrize(("bus_v", "reason"), [(29.0, GUARD_OK), (28.875, GUARD_BUS), (30.0, GUARD_OK),
                                               (30.125, GUARD_BUS)])  # fmt: skip
def test_a_bus_matches_up_to_the_difference_that_is_allowed(bus_v: float, reason: int) -> None:
    b = bench(bus_match_v=0.5)
    b.channels.update(pack_voltage_v=29.5, bus_voltage_v=bus_v)
    b.good()
    b.wish("main_positive", "main_negative")
    assert found(b)[0] == reason
