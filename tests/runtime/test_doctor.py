"""The doctor as a whole: what is asked, what is judged, what a person is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.examples import NAMES, example
from helpers.machines import BENCH, EV_1MS, EV_10MS, GOOD_MACHINE, any_demand, any_machine, late, with_loop
from ionward.battery.system import load_system
from ionward.runtime.doctor import examine, judge, measure, profile_demands, system_demand
from ionward.runtime.doctor_check import SEVERITY, Check, Demand, overall
from ionward.runtime.doctor_readings import Readings, Storage

SLOW_LOOP = late(p99_ms=5, p999_ms=8, max_ms=9)


def test_a_good_machine_is_good_for_every_profile() -> None:
    examination = examine(GOOD_MACHINE, profile_demands())
    assert [(j.demand.name, j.verdict, j.because) for j in examination.judged] == [
        ("ev at 1 ms", "good", ()), ("ev at 10 ms", "good", ()), ("storage at 10 ms", "good", ()),
        ("home at 10 ms", "good", ()), ("bench at 100 ms", "good", ()),
    ]  # fmt: skip
    assert {f.check.verdict for f in examination.findings} == {"good"}


def test_a_machine_of_which_nothing_is_known_is_neither_good_nor_bad() -> None:
    for one in examine(Readings(), profile_demands()).judged:
        assert one.verdict == "limited"


@given(any_machine, any_demand)
def test_every_verdict_can_be_acted_on(readings: Readings, demand: Demand) -> None:
    judged = judge(readings, demand)
    for check in judged.checks:
        assert check.figure
        assert bool(check.change) == (check.verdict in ("limited", "bad")) or check.verdict == "unknown", check
        assert "\n" not in check.change
    assert len({check.id for check in judged.checks}) == len(judged.checks)
    assert bool(judged.because) == (judged.verdict != "good")


@given(any_machine, st.lists(any_demand, min_size=1, max_size=3))
def test_it_can_always_be_told_as_json(readings: Readings, demands: list[Demand]) -> None:
    examination = examine(readings, demands)
    told = json.loads(json.dumps(examination.as_json(), allow_nan=False))
    assert told["usable"] == any(v["verdict"] != "bad" for v in told["verdicts"])
    ids = {check["id"] for check in told["checks"]}
    assert all(set(verdict["because"]) <= ids for verdict in told["verdicts"])


@given(st.lists(st.sampled_from(sorted(SEVERITY)), max_size=6))
def test_the_verdict_is_that_of_the_worst_check(verdicts: list[str]) -> None:
    checks = [Check(str(k), "", "", "", verdict) for k, verdict in enumerate(verdicts)]
    assert overall(checks) == ("bad" if "bad" in verdicts else "limited" if "limited" in verdicts else "good")
    assert overall([replace(c, counts=False) for c in checks]) == "good"
    assert overall([replace(c, needed=True) for c in checks]) == (
        "bad" if "bad" in verdicts else "good" if set(verdicts) <= {"good"} else "limited"
    )


def test_a_slow_loop_of_a_millisecond_concerns_only_who_needs_it() -> None:
    examination = examine(with_loop(SLOW_LOOP), profile_demands())
    assert {j.demand.name: j.verdict for j in examination.judged} == {
        "ev at 1 ms": "bad", "ev at 10 ms": "good", "storage at 10 ms": "good", "home at 10 ms": "good",
        "bench at 100 ms": "good",
    }  # fmt: skip
    finding = next(f for f in examination.findings if f.check.id == "wake_1ms")
    assert (finding.check.verdict, finding.concerns) == ("bad", ("ev at 1 ms",))
    assert examination.usable


def test_alone_with_a_slow_pack_the_fast_loop_is_told_but_does_not_count() -> None:
    examination = examine(with_loop(SLOW_LOOP), [EV_10MS])
    finding = next(f for f in examination.findings if f.check.id == "wake_1ms")
    assert (finding.check.verdict, finding.check.counts) == ("bad", False)
    assert examination.judged[0].verdict == "good"


def test_bad_for_all_that_is_asked_is_unusable() -> None:
    nowhere = replace(GOOD_MACHINE, storage=Storage("/x", writable=False))
    assert not examine(nowhere, [EV_1MS, BENCH]).usable
    assert not examine(with_loop(SLOW_LOOP), [EV_1MS]).usable


@pytest.mark.parametrize("name", NAMES)
def test_what_a_pack_asks_is_in_its_file(name: str) -> None:
    system = load_system(example(name))
    demand = system_demand(system)
    assert (demand.name, demand.cycle_s) == (system.system.name, system.cycle.period_s)
    assert demand.cells == system.topology.series
    assert demand.contactors == system.contactors.fitted


def test_profiles_ask_what_their_files_say() -> None:
    asked = {demand.name: demand for demand in profile_demands()}
    assert asked["ev at 1 ms"].fast
    assert not asked["ev at 10 ms"].fast
    assert asked["storage at 10 ms"].cell_period_s == 0.1
    assert [name for name, demand in asked.items() if not demand.contactors] == ["bench at 100 ms"]


def test_a_real_machine_is_measured_and_left_as_it_was(tmp_path: Path) -> None:
    heard: list[float] = []
    folder = tmp_path / "not" / "there"
    readings = measure(folder, 0.05, True, lambda _what, share: heard.append(share))
    assert heard == sorted(heard)
    assert heard[-1] == 1.0
    assert [w.period_ms for w in readings.wakeups] == [1.0, 10.0]
    assert all(w.loop and w.loop.n and w.bare and w.bare.n for w in readings.wakeups)
    assert readings.storage.writable
    assert readings.storage.syncs
    assert readings.software.warm
    assert list(tmp_path.iterdir()) == []
    json.dumps(examine(readings, profile_demands()).as_json(), allow_nan=False)
