"""Verdicts on timing and rights."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.machines import BENCH, EV_1MS, EV_10MS, GOOD_MACHINE, late, with_loop
from ionward.runtime.doctor_check import SEVERITY, Check, Demand
from ionward.runtime.doctor_readings import Readings, Timers, Wakeups
from ionward.runtime.doctor_rules_timing import loop_for, timing_checks, wake_verdict


def check(name: str, readings: Readings, demand: Demand = EV_1MS) -> Check:
    return {c.id: c for c in timing_checks(readings, demand)}[name]


def with_processor(**values: object) -> Readings:
    return replace(GOOD_MACHINE, processor=replace(GOOD_MACHINE.processor, **values))


def with_rights(**values: object) -> Readings:
    return replace(GOOD_MACHINE, rights=replace(GOOD_MACHINE.rights, **values))


@pytest.mark.parametrize(
    ("figures", "verdict"),
    [
        ({}, "good"),
        ({"p999_ms": 1.0, "max_ms": 24.9}, "good"),
        ({"p999_ms": 1.1, "max_ms": 1.1}, "limited"),  # one in a thousand is a cycle late
        ({"max_ms": 26.0}, "limited"),  # half way to the contactors opening
        ({"max_ms": 51.0}, "bad"),  # enables last 50 ms
        ({"p99_ms": 1.2, "p999_ms": 2.0, "max_ms": 2.0}, "bad"),
        ({"p99_ms": 1.2, "p999_ms": 2.0, "max_ms": 2.0, "n": 90}, "limited"),  # one of 90 may be chance
    ],
)
def test_a_loop_is_judged_by_its_cycle_and_by_the_enables(figures: dict[str, float], verdict: str) -> None:
    assert wake_verdict(late(**figures), EV_1MS)[0] == verdict


@given(st.lists(st.floats(0, 200), min_size=3, max_size=3), st.lists(st.floats(0, 200), min_size=3, max_size=3))
def test_a_later_loop_is_never_better(one: list[float], other: list[float]) -> None:
    better = [min(a, b) for a, b in zip(sorted(one), sorted(other), strict=True)]
    worse = [max(a, b) for a, b in zip(sorted(one), sorted(other), strict=True)]
    verdicts = [wake_verdict(late(1.0, *figures), EV_10MS)[0] for figures in (better, worse)]
    assert SEVERITY[verdicts[0]] <= SEVERITY[verdicts[1]]


@given(st.floats(0, 1000), st.floats(0.001, 0.5), st.floats(0.001, 0.5))
def test_a_longer_cycle_is_never_harder(max_ms: float, one_s: float, other_s: float) -> None:
    short, long = (replace(EV_1MS, cycle_s=s) for s in sorted((one_s, other_s)))
    loop = late(1.0, max_ms / 10, max_ms / 3, max_ms)
    assert SEVERITY[wake_verdict(loop, long)[0]] <= SEVERITY[wake_verdict(loop, short)[0]]


def test_without_contactors_nothing_can_open() -> None:
    assert wake_verdict(late(p99_ms=1, p999_ms=90, max_ms=500), BENCH)[0] == "good"


@pytest.mark.parametrize(("cycle_s", "period_ms"), [(0.0005, 1), (0.001, 1), (0.005, 1), (0.01, 10), (0.1, 10)])
def test_the_loop_that_counts_is_not_slower_than_the_cycle(cycle_s: float, period_ms: float) -> None:
    counted = loop_for(GOOD_MACHINE.wakeups, cycle_s)
    assert counted is not None
    assert counted.period_ms == period_ms
    checks = timing_checks(GOOD_MACHINE, replace(EV_1MS, cycle_s=cycle_s))
    assert [c.id for c in checks if c.id.startswith("wake") and c.counts] == [f"wake_{period_ms}ms"]


def test_a_loop_that_was_not_measured_limits() -> None:
    found = check("wake_1ms", with_loop(None))
    assert (found.verdict, found.needed) == ("unknown", True)
    assert "ionward.runtime.sleeper" in found.change


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"rights": replace(GOOD_MACHINE.rights, fifo=False)}, "SCHED_FIFO"),
        ({"processor": replace(GOOD_MACHINE.processor, quota_cores=1.5)}, "quota"),
        ({"processor": replace(GOOD_MACHINE.processor, virtual="KVM", busy_share=0.9)}, "busy"),
        ({"processor": replace(GOOD_MACHINE.processor, virtual="KVM")}, "dedicated cores"),
        ({"processor": replace(GOOD_MACHINE.processor, governors=("ondemand",))}, "governor"),
        ({"timers": replace(GOOD_MACHINE.timers, preemption="full")}, "PREEMPT_RT"),
        ({}, "BIOS"),
    ],
)
def test_what_to_do_about_late_wakings_is_the_likeliest_cause(parts: dict[str, object], told: str) -> None:
    assert told in check("wake_1ms", with_loop(late(p99_ms=3, p999_ms=4, max_ms=5), **parts)).change


def test_the_bare_sleeper_stands_beside_it() -> None:
    readings = replace(GOOD_MACHINE, wakeups=(Wakeups(1.0, late(max_ms=0.9), late(max_ms=7.0)),))
    assert "max 0.9 ms" in check("wake_1ms", readings).figure
    assert "bare sleeper max 7 ms" in check("wake_1ms", readings).figure


@pytest.mark.parametrize(
    ("timers", "demand", "verdict"),
    [
        (Timers(1e-9, 50_000), EV_1MS, "good"),
        (Timers(0.004, 50_000), EV_1MS, "bad"),  # jiffies
        (Timers(0.001, 50_000), EV_10MS, "limited"),
        (Timers(1e-9, 10_000_000), EV_10MS, "limited"),  # slack as desktops set for hidden programs
        (Timers(None, None), EV_1MS, "unknown"),
    ],
)
def test_timers(timers: Timers, demand: Demand, verdict: str) -> None:
    assert check("timer", replace(GOOD_MACHINE, timers=timers), demand).verdict == verdict


@pytest.mark.parametrize(
    ("preemption", "fast", "slow"),
    [
        ("rt", "good", "good"), ("full", "good", "good"), ("lazy", "limited", "good"),
        ("voluntary", "limited", "good"), ("none", "limited", "good"), ("", "unknown", "unknown"),
    ],
)  # fmt: skip
def test_preemption_matters_at_a_millisecond(preemption: str, fast: str, slow: str) -> None:
    readings = replace(GOOD_MACHINE, timers=replace(GOOD_MACHINE.timers, preemption=preemption))
    assert check("kernel", readings, EV_1MS).verdict == fast
    assert check("kernel", readings, EV_10MS).verdict == slow


def test_a_dynamic_kernel_is_switched_at_boot_and_another_replaced() -> None:
    dynamic = Timers(preemption="voluntary", preemption_switchable=True)
    assert "preempt=full" in check("kernel", replace(GOOD_MACHINE, timers=dynamic)).change
    fixed = Timers(preemption="none")
    assert "use a kernel" in check("kernel", replace(GOOD_MACHINE, timers=fixed)).change


def test_what_others_take_away() -> None:
    assert check("host", GOOD_MACHINE).figure == "own hardware"
    assert check("host", with_processor(virtual="KVM", steal_share=0.001)).verdict == "limited"
    assert check("host", with_processor(virtual="KVM", steal_share=0.001), EV_10MS).verdict == "good"
    stolen = check("host", with_processor(virtual="KVM", steal_share=0.08), EV_10MS)
    assert stolen.verdict == "limited"
    assert "steal 8.0%" in stolen.figure
    assert check("cpu_quota", with_processor(quota_cores=0.5)).verdict == "limited"
    assert check("cores", with_processor(cores=1)).verdict == "limited"
    assert check("cores", with_processor(cores=1), BENCH).verdict == "good"


def test_no_governor_on_a_virtual_machine_is_no_fault() -> None:
    found = check("governor", with_processor(governors=(), virtual="KVM"))
    assert (found.verdict, found.change) == ("unknown", "")
    assert "virtual machine" in found.figure
    assert check("governor", with_processor(governors=("ondemand",))).verdict == "limited"
    assert check("governor", with_processor(governors=("ondemand",)), EV_10MS).verdict == "good"


def test_rights_that_are_refused_and_how_to_give_them() -> None:
    refused = with_rights(fifo=False, memory_locked=False, memlock_free=False, memlock_mib=8.0, rtprio_limit=0)
    for name, limit in (("fifo", "ionward - rtprio 40"), ("memory_lock", "ionward - memlock unlimited")):
        found = check(name, refused)
        assert found.verdict == "limited"
        assert limit in found.change
        assert "ionward service print" in found.change
        assert check(name, refused, BENCH).verdict == "good"
    contained = replace(refused, processor=replace(refused.processor, container="docker"))
    assert "--cap-add SYS_NICE" in check("fifo", contained).change


def test_a_small_limit_does_not_hold_what_is_loaded_later() -> None:
    small = with_rights(memory_locked=True, memlock_free=False, memlock_mib=64.0)
    assert check("memory_lock", small).verdict == "limited"
    large = with_rights(memory_locked=True, memlock_free=False, memlock_mib=4096.0)
    assert check("memory_lock", large).verdict == "good"
