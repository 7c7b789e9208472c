"""The guard on control: does it live, are its tables and its input right, and does its program run as it should."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.guarding import (
    CYCLE_S,
    LIMITS,
    SUMS,
    Bench,
    answer,
    bench,
    cycles_of,
)
from ionward.image.exchange import (
    FLOW_STAGES,
    GUARD_ANSWER,
    GUARD_FLOW,
    GUARD_INPUT,
    GUARD_SILENT,
    GUARD_TABLES,
    GUARD_WISH,
)
from ionward.safety.guard_control import admissible_flows, flow_word

# Control's heartbeat.


@pytest.mark.verifies("SR-161")
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


@pytest.mark.verifies("SR-161")
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


@pytest.mark.verifies("SR-161")
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


# Control's tables, input and output.


@pytest.mark.verifies("SR-220")
@pytest.mark.parametrize("number", range(len(SUMS)))
def test_a_changed_table_is_told_within_a_round_and_until_it_is_right_again(number: int) -> None:
    b = bench()
    b.connected()
    b.tables[number] ^= 1
    verdict = b.step(len(SUMS) + 1)
    assert (verdict.enable, verdict.trip_reason, verdict.tripped) == (False, GUARD_TABLES, True)
    b.wish()
    b.acknowledge()
    verdict = b.step(5 * len(SUMS))  # the other slices are right all the while
    assert (verdict.reason, verdict.place, verdict.tripped) == (GUARD_TABLES, number, True)
    b.tables[number] ^= 1
    assert b.step(20).enable


@pytest.mark.verifies("SR-220")
def test_of_several_changed_slices_the_first_one_is_named() -> None:
    b = bench()
    b.good()
    for number in (1, 3):
        b.tables[number] ^= 1
    verdict = b.step(2 * len(SUMS))
    assert (verdict.reason, verdict.place) == (GUARD_TABLES, 1)


@pytest.mark.verifies("SR-220")
def test_control_that_tells_of_one_slice_only_does_not_pass() -> None:
    """Whatever it tells: each challenge names the next slice."""
    b = bench()
    b.connected()

    def spoil(record: Any) -> None:
        record["table_sum"] = SUMS[0]
        answer(record)

    b.spoil = spoil
    assert b.step(3).trip_reason == GUARD_TABLES


def test_slices_take_turns_although_answers_are_missed() -> None:
    b = bench()
    b.good()
    asked = set()
    for k in range(40):
        b.control_runs = k % 3 == 0
        asked.add(int(b.step().challenge) % len(SUMS))
    assert asked == set(range(len(SUMS)))
    assert b.verdict is not None
    assert b.verdict.enable


@pytest.mark.verifies("SR-221")
@pytest.mark.parametrize("connected", [True, False])
def test_control_on_samples_that_stand_still_is_told_at_once(connected: bool) -> None:
    """It claims the newest driver cycle, and its samples are those of an earlier one."""
    b = bench()
    b.connected() if connected else b.good()
    b.seen = type(b.raw)(*(block.copy() for block in b.raw))
    verdict = b.step(2)
    assert (verdict.enable, verdict.reason, verdict.tripped) == (False, GUARD_INPUT, connected)
    b.seen = None
    b.wish()
    b.acknowledge()
    assert b.step(20).enable


@pytest.mark.verifies("SR-221")
@pytest.mark.parametrize(("block", "field"), [("cells", 0), ("temperatures", 0), ("channels", 0), ("channels", 1)])
def test_one_wrong_bit_in_one_sample_is_told(block: str, field: int) -> None:
    b = bench()
    b.connected()
    b.seen = type(b.raw)(*(values.copy() for values in b.raw))
    b.drive()
    for mine, real in zip(b.seen[1:], b.raw[1:], strict=True):
        mine[...] = real
    getattr(b.seen, block)[field].view("i8")[-1] ^= 1
    b.driver_runs = False
    assert b.step().reason == GUARD_INPUT


@pytest.mark.verifies("SR-221")
def test_control_that_stays_with_an_old_driver_cycle_is_told_after_the_deadline() -> None:
    b = bench()
    b.connected()
    b.seen = type(b.raw)(*(block.copy() for block in b.raw))
    cycle = int(b.driven["cycle"][0])

    def spoil(record: Any) -> None:
        record["driver_cycle"] = cycle
        answer(record)

    b.spoil = spoil
    assert b.step(cycles_of(LIMITS.answer_deadline_s)).enable
    assert b.step(3).reason == GUARD_INPUT


def test_a_driver_cycle_that_the_guard_has_not_seen_proves_nothing() -> None:
    b = bench()
    b.connected()

    def spoil(record: Any) -> None:
        record["driver_cycle"] += 1000
        record["sample_sum"] = 7
        answer(record)

    b.spoil = spoil
    assert b.step(2).enable
    assert b.for_s(LIMITS.answer_deadline_s + 2 * CYCLE_S).reason == GUARD_SILENT


def test_a_driver_that_is_started_anew_counts_from_its_first_cycle() -> None:
    b = bench()
    b.good()
    b.driven["cycle"] = 0
    assert b.step(20).enable


@pytest.mark.verifies("SR-222")
@pytest.mark.parametrize("name", ["main_positive", "main_negative", "precharge", "pyrofuse", "open_request"])
def test_a_wish_that_is_not_the_ticks_does_not_fit_the_answer(name: str) -> None:
    """As if a bit flipped in the record on its way, behind the arithmetic of the answer."""
    b = bench(has_pyrofuse=True)
    b.connected()

    def spoil(record: Any) -> None:
        record[name] ^= 1

    b.spoil = spoil
    assert b.step().reason == GUARD_ANSWER


@pytest.mark.verifies("SR-222")
@pytest.mark.parametrize("wished", [("main_negative",), ("main_negative", "precharge")])
def test_nothing_is_newly_closed_while_protection_asks_to_open(wished: tuple[str, ...]) -> None:
    b = bench()
    b.good()
    b.control["open_request"] = 1
    assert b.step().enable
    b.wish(*wished)
    verdict = b.step()
    assert (verdict.reason, verdict.tripped) == (GUARD_WISH, True)


@pytest.mark.verifies("SR-222")
def test_what_protection_asks_to_open_is_open_after_the_longest_opening() -> None:
    b = bench()
    b.connected()
    b.control["open_request"] = 2
    assert b.for_s(LIMITS.opening_max_s - CYCLE_S).enable
    verdict = b.step(4)
    assert (verdict.reason, verdict.place) == (GUARD_WISH, 0)


def test_an_opening_in_order_under_protections_request_is_sound() -> None:
    b = bench()
    b.connected()
    b.control["open_request"] = 1
    assert b.for_s(1.0).enable
    b.wish("main_negative")
    assert b.for_s(0.5).enable
    b.wish()
    assert b.for_s(10.0).enable


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


@pytest.mark.verifies("SR-162")
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


@pytest.mark.verifies("SR-162")
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
