"""Runs: the same from the same seed, expectations that fail when they should, no trip without a cause."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.scenarios import run, scenario, small_system
from ionward.image.signals import LIMIT_RULES, STATES
from ionward.proving.expectations import signal_names
from ionward.proving.report import PLOTS, write_report
from ionward.proving.simulation import Simulation


def verdict(
    duration_s: float = 12.0, faults: list[dict[str, Any]] | None = None, **expectation: Any
) -> tuple[bool, str]:
    result = run(small_system(), scenario(duration_s, fault=faults or [], expect=[expectation]))
    assert len(result.verdicts) == 1
    return result.verdicts[0].met, result.verdicts[0].found


CRASH = [{"name": "crash", "at_s": 5.0}]


@pytest.mark.parametrize(
    ("expectation", "faults", "met"),
    [
        ({"signal": "state", "is": "connected", "by_s": 3.0}, [], True),
        ({"signal": "state", "is": "connected", "by_s": 0.6}, [], False),
        ({"signal": "state", "is": "connected", "at_s": 3.0}, [], True),
        ({"signal": "state", "is": "connected", "at_s": 0.2}, [], False),
        ({"signal": "state", "is": "connected", "from_s": 3.0}, [], True),
        ({"signal": "state", "is": "connected", "from_s": 3.0}, CRASH, False),
        ({"signal": "state", "is": "connected", "from_s": 3.0, "until_s": 5.0}, CRASH, True),
        ({"signal": "true.contactors_closed", "max": 0.0, "within_s": 0.1}, CRASH, True),
        ({"signal": "true.contactors_closed", "max": 0.0, "within_s": 0.005, "after": "crash"}, CRASH, False),
        ({"signal": "true.contactors_closed", "max": 0.0, "within_s": 2.0, "after": 3.0}, [], False),
        ({"fault": "crash"}, CRASH, True),
        ({"fault": "crash"}, [], False),
        ({"fault": "crash", "level": "critical", "within_s": 0.05}, CRASH, True),
        ({"fault": "crash", "level": "critical", "by_s": 4.0}, CRASH, False),
        ({"fault": "crash", "never": True}, CRASH, False),
        ({"fault": "crash", "never": True}, [], True),
        ({"fault": "crash", "never": True, "until_s": 4.9}, CRASH, True),
        ({"fault": "crash", "place": 9}, CRASH, True),
        ({"fault": "crash", "place": 3}, CRASH, False),
        ({"no_events": "info"}, [], True),
        ({"no_events": "info"}, CRASH, False),
        ({"no_events": "critical", "until_s": 4.0}, CRASH, True),
        ({"signal": "true.soc_mean", "min": 0.5, "max": 0.7}, [], True),
        ({"signal": "true.soc_mean", "min": 0.65}, [], False),
        ({"signal": "measured.current_a", "max": -3.0, "at_s": 10.0}, [], True),
        ({"signal": "soh", "min": 0.0, "at_s": 10.0}, [], False),  # not estimated: NaN is never within bounds
        ({"signal": "charge_limit_rule", "is": "rated current of the pack", "at_s": 11.0}, [], True),
    ],
)
def test_an_expectation_is_met_when_it_is_true_and_only_then(expectation, faults, met) -> None:
    found = verdict(faults=faults, **expectation)
    assert found[0] is met, found


def test_what_was_found_is_told() -> None:
    assert verdict(signal="state", **{"is": "connected", "by_s": 0.6}) == (False, "not reached; last precharge")
    assert verdict(faults=CRASH, no_events="info")[1].startswith("Crash: critical fault (crash, value 1) at 5.0")


def test_choices_and_names_come_from_the_catalogue() -> None:
    assert "soc" in signal_names()
    assert "true.soc_error" in signal_names()
    assert "measured.bus_voltage_v" in signal_names()
    assert "connected" in STATES
    assert "rated current of the pack" in LIMIT_RULES


def test_expectations_beyond_a_shortened_run_are_left_out() -> None:
    expect = [
        {"signal": "soc", "min": 0.0, "at_s": 50.0},
        {"fault": "crash", "by_s": 50.0},
        {"signal": "state", "is": "connected", "from_s": 3.0, "until_s": 50.0},
        {"fault": "crash", "by_s": 2.0},
    ]
    short = scenario(60.0, expect=expect).shortened(5.0)
    assert [v.met for v in run(small_system(), short).verdicts] == [True, False]


def test_the_same_seed_gives_the_same_run_in_any_process() -> None:
    own = run(small_system(), scenario(8.0, fault=CRASH), seed=3)
    again = run(small_system(), scenario(8.0, fault=CRASH), seed=3)
    other = run(small_system(), scenario(8.0, fault=CRASH), seed=4)
    assert own.digest == again.digest
    assert own.events == again.events
    assert own.digest != other.digest
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from helpers.scenarios import run, scenario, small_system\n"
        "r = run(small_system(), scenario(8.0, fault=[{'name': 'crash', 'at_s': 5.0}]), seed=3)\n"
        "print(r.digest)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == own.digest


def test_the_digest_does_not_depend_on_how_the_run_is_cut_into_chunks() -> None:
    whole = run(small_system(), scenario(6.0))
    at_odd_times = [{"at_s": 0.5, "connect": True}, *({"at_s": 1.0 + 0.37 * k} for k in range(10))]
    assert run(small_system(), scenario(6.0, command=at_odd_times)).digest == whole.digest


def test_faults_come_and_go_at_their_ticks() -> None:
    faults = [{"name": "sensor_offset", "place": "pack_voltage", "value": 2.0, "at_s": 5.003, "for_s": 0.5}]
    simulation = Simulation(small_system(), scenario(7.0, fault=faults), keep_traces=False)
    result = simulation.run()
    assert [(round(t, 6), words) for t, words in result.actions[1:]] == [
        (5.01, "sensor offset at pack_voltage"),
        (5.51, "sensor offset at pack_voltage ends"),
    ]


def test_a_report_has_every_plot_and_the_numbers(tmp_path) -> None:
    system = small_system()
    faults = [{"name": "sensor_lost", "place": "cell_voltage 2", "at_s": 6.0}]
    result = run(system, scenario(10.0, fault=faults, expect=[{"fault": "cell_voltage_lost"}]), keep_traces=True)
    write_report(tmp_path, system, result)
    for name, _, _ in PLOTS:
        assert (tmp_path / name).stat().st_size > 10_000
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert summary["digest"] == result.digest
    assert summary["expectations"][0]["met"]
    assert (tmp_path / "traces.parquet").stat().st_size > 1000
    assert result.traces is not None
    assert result.traces.signal("time_s") == pytest.approx(np.arange(10.0))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32),
    soc=st.floats(0.05, 1.0),
    ambient_c=st.floats(-5.0, 42.0),
    steps=st.lists(st.floats(-6.0, 2.0), min_size=3, max_size=8),
)
def test_a_load_that_obeys_never_trips_anything(seed: int, soc: float, ambient_c: float, steps: list[float]) -> None:
    """Whatever is asked for, within limits that are obeyed nothing reaches a level that opens the contactors."""
    load = [{"at_s": 4.0, "unit": "C", "steps": [[20.0 * k, c] for k, c in enumerate(steps)]}]
    of = scenario(
        4.0 + 20.0 * len(steps), load=load, start={"soc": soc}, environment={"ambient_c": ambient_c},
        expect=[{"no_events": "fault"}, {"signal": "state", "is": "connected", "from_s": 4.0}],
    )  # fmt: skip
    result = run(small_system(), of, seed)
    assert not result.failed, [(v.text, v.found) for v in result.failed] + [e["text"] for e in result.events]
