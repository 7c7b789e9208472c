"""How late a loop is woken: the figures, the deadlines, and the measurement in a process of its own."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ionward.runtime.sleeper import lateness_figures, main, measure_apart, next_deadline_s, percentile, sleep_loop

lateness = st.lists(st.floats(-1e-6, 10.0), min_size=1, max_size=300)


@given(lateness, st.sampled_from([0.001, 0.01]))
def test_figures_are_of_what_was_measured(lateness_s: list[float], period_s: float) -> None:
    found = lateness_figures(lateness_s, period_s)
    assert 0 <= found.p50_ms <= found.p99_ms <= found.p999_ms <= found.max_ms
    assert found.max_ms == pytest.approx(max(0.0, *lateness_s) * 1e3)
    assert found.n == len(lateness_s)
    assert found.overruns == sum(late > period_s for late in lateness_s)


@given(lateness, st.floats(0.01, 1.0))
def test_a_percentile_is_the_smallest_value_that_enough_do_not_exceed(values: list[float], share: float) -> None:
    ordered = sorted(values)
    found = percentile(ordered, share)
    needed = math.ceil(share * len(ordered))
    assert sum(v <= found for v in ordered) >= needed
    assert sum(v < found for v in ordered) < needed


def test_high_percentiles_of_few_wakings_are_the_latest() -> None:
    found = lateness_figures([0.0001] * 99 + [0.02], 0.01)
    assert (found.p50_ms, found.p99_ms) == (pytest.approx(0.1), pytest.approx(0.1))
    assert (found.p999_ms, found.max_ms, found.overruns) == (pytest.approx(20), pytest.approx(20), 1)


def test_nothing_measured_has_no_figures() -> None:
    with pytest.raises(ValueError, match="no waking"):
        lateness_figures([], 0.01)


@given(st.floats(0, 1e6), st.floats(-0.5, 500.0), st.sampled_from([0.001, 0.01, 0.1]))
def test_the_next_deadline_is_the_first_ahead_on_the_same_grid(deadline_s: float, late: float, period_s: float) -> None:
    now_s = deadline_s + late * period_s
    following = next_deadline_s(deadline_s, now_s, period_s)
    steps = (following - deadline_s) / period_s
    assert round(steps) >= 1
    assert steps == pytest.approx(round(steps), abs=1e-3)
    assert following > now_s - 1e-9
    assert following <= max(now_s, deadline_s) + period_s * (1 + 1e-3)


def test_the_loop_sleeps_to_each_deadline_or_leaves_it_out() -> None:
    lateness_s = sleep_loop(0.002, 0.02)
    assert 1 <= len(lateness_s) <= 10
    assert min(lateness_s) > -1e-6


def test_a_measurement_apart_tells_its_figures_and_ends() -> None:
    apart = measure_apart(0.005, 0.05)
    found = apart.lateness()
    assert found is not None
    assert (found.period_ms, found.fifo, found.memory_locked) == (5.0, False, False)
    assert 1 <= found.n <= 10
    assert apart.result() == {**apart.result(), "n": found.n, "max_ms": found.max_ms, "overruns": found.overruns}


def test_a_measurement_that_is_ended_early_has_no_figures() -> None:
    apart = measure_apart(0.005, 600)
    apart.stop()
    assert apart.lateness() is None
    assert set(apart.result().values()) == {None}


def test_it_says_whether_it_had_the_rights_that_it_asked_for() -> None:
    found = measure_apart(0.005, 0.02, fifo=True).lateness()
    assert found is not None
    assert isinstance(found.fifo, bool)
    assert isinstance(found.memory_locked, bool)


def test_as_a_program_it_prints_one_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--period-ms", "2", "--seconds", "0.01"])
    found = json.loads(capsys.readouterr().out)
    assert found["period_ms"] == 2.0
    assert found["n"] >= 1


@pytest.mark.parametrize("arguments", [["--period-ms", "0"], ["--seconds", "-1"], ["--seconds", "nan"], ["--what"]])
def test_wrong_arguments_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
