"""The doctor: is this machine good enough to run the BMS, and for which packs?

`measure` looks at the machine (seconds), `examine` judges what was found for each demand (pure).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ionward.battery.defaults import profile_defaults
from ionward.runtime.doctor_check import GOOD, Check, Demand, overall, weight, worst
from ionward.runtime.doctor_probe import (
    cpu_times,
    read_clock,
    read_memory,
    read_processor,
    read_rights,
    read_software,
    read_timers,
    read_watchdog,
    shares,
)
from ionward.runtime.doctor_readings import Readings, Wakeups
from ionward.runtime.doctor_rules_keeping import keeping_checks
from ionward.runtime.doctor_rules_timing import timing_checks
from ionward.runtime.doctor_storage import read_storage
from ionward.runtime.sleeper import Apart, measure_apart

if TYPE_CHECKING:
    from ionward.battery.system import System

LOOP_PERIODS_MS = (1.0, 10.0)
LOOP_S = 4.0
REPORT_EVERY_S = 0.1

# Profile, cycle (its own where None) and the cells in series of a typical pack, as in the examples.
TYPICAL: tuple[tuple[str, float | None, int], ...] = (
    ("ev", 0.001, 96), ("ev", None, 96), ("storage", None, 240), ("home", None, 16), ("bench", None, 1),
)  # fmt: skip

Report = Callable[[str, float], None]


@dataclass(frozen=True)
class Judged:
    """One demand, its checks and the verdict on it; `because` names the checks that make it so."""

    demand: Demand
    checks: tuple[Check, ...]

    @property
    def verdict(self) -> str:
        """Good, limited or bad."""
        return overall(self.checks)

    @property
    def because(self) -> tuple[Check, ...]:
        """The checks that hold the machine back for this demand; empty when it is good."""
        return tuple(c for c in self.checks if self.verdict != GOOD and weight(c) == self.verdict)


@dataclass(frozen=True)
class Finding:
    """One check as all demands together see it: the worst of them, and whom it concerns."""

    check: Check
    concerns: tuple[str, ...]


@dataclass(frozen=True)
class Examination:
    """What was found on a machine and what it means."""

    readings: Readings
    judged: tuple[Judged, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every check once, in order."""
        return merged(self.judged)

    @property
    def usable(self) -> bool:
        """It is not bad for all that was asked."""
        return any(j.verdict != "bad" for j in self.judged)

    def as_json(self) -> dict[str, Any]:
        """Plain values; what is not known is None."""
        return {
            "usable": self.usable,
            "verdicts": [
                {
                    "name": j.demand.name, "profile": j.demand.profile, "cycle_ms": j.demand.cycle_s * 1e3,
                    "cells": j.demand.cells, "verdict": j.verdict, "because": [c.id for c in j.because],
                }
                for j in self.judged
            ],
            "checks": [asdict(f.check) | {"concerns": list(f.concerns)} for f in self.findings],
            "readings": asdict(self.readings),
        }  # fmt: skip


def system_demand(system: System) -> Demand:
    """What a described pack asks of the machine."""
    return Demand(
        name=system.system.name,
        profile=system.system.profile,
        cycle_s=system.cycle.period_s,
        cells=system.topology.series,
        cell_period_s=system.sensors.cell_voltage.period_s,
        contactors=system.contactors.fitted,
        sensors=system.topology.temperature_sensors,
    )


def profile_demands() -> tuple[Demand, ...]:
    """What a typical pack of each profile asks of the machine; `ev` at 1 ms and at its own cycle."""
    demands = []
    for profile, cycle_s, cells in TYPICAL:
        values = profile_defaults(profile)
        period_s = cycle_s or float(values["cycle"]["period_s"])
        fitted = bool(values["contactors"].get("fitted", True))
        cell_period_s = float(values["sensors"]["cell_voltage"]["period_s"])
        demands.append(Demand(f"{profile} at {period_s * 1e3:g} ms", profile, period_s, cells, cell_period_s, fitted))
    return tuple(demands)


def measure(
    folder: Path, seconds: float = LOOP_S, warm: bool | None = None, report: Report = lambda _what, _share: None
) -> Readings:
    """Look at this machine.

    Args:
        folder: state folder, there or not yet.
        seconds: how long each loop is measured.
        warm: nothing is left to compile, as the caller knows.
        report: hears what is being done and how far it is, 0..1.
    """
    before = cpu_times()
    wakeups = []
    for k, period_ms in enumerate(LOOP_PERIODS_MS):
        what = f"wake-ups of a loop of {period_ms:g} ms"
        at, share = k * 0.9 / len(LOOP_PERIODS_MS), 0.9 / len(LOOP_PERIODS_MS)

        def heard(part: float, what: str = what, at: float = at, share: float = share) -> None:
            report(what, at + share * part)

        wakeups.append(measure_wakeups(period_ms, seconds, heard))
    steal, busy = shares(before, cpu_times())
    report("storage", 0.9)
    storage = read_storage(folder)
    report("the rest", 0.98)
    tried = next((w.loop for w in wakeups if w.loop), None)
    readings = Readings(
        wakeups=tuple(wakeups),
        timers=read_timers(),
        processor=replace(read_processor(), steal_share=steal, busy_share=busy),
        rights=read_rights(tried),
        watchdog=read_watchdog(),
        storage=storage,
        clock=read_clock(),
        memory=read_memory(),
        software=read_software(warm),
    )
    report("done", 1.0)
    return readings


def measure_wakeups(period_ms: float, seconds: float, report: Callable[[float], None] = lambda _: None) -> Wakeups:
    """One loop as control sleeps, and a bare sleeper beside it, at the same time; each in its own process."""
    loops: list[Apart] = []
    try:
        loops.append(measure_apart(period_ms / 1e3, seconds, fifo=True))
        loops.append(measure_apart(period_ms / 1e3, seconds))
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            report(1 - left_s / seconds)
            time.sleep(min(left_s, REPORT_EVERY_S))
        return Wakeups(period_ms, *(loop.lateness() for loop in loops))
    except OSError:
        return Wakeups(period_ms)
    finally:
        for loop in loops:
            loop.stop()


def judge(readings: Readings, demand: Demand) -> Judged:
    """All checks from one demand's point of view."""
    return Judged(demand, (*timing_checks(readings, demand), *keeping_checks(readings, demand)))


def examine(readings: Readings, demands: Iterable[Demand]) -> Examination:
    """Judge what was found for each of the demands."""
    return Examination(readings, tuple(judge(readings, demand) for demand in demands))


def merged(judged: Sequence[Judged]) -> tuple[Finding, ...]:
    """Every check once, as the demand sees it that suffers most from it (the first of equals)."""
    together: dict[str, list[tuple[str, Check]]] = {}
    for one in judged:
        for check in one.checks:
            together.setdefault(check.id, []).append((one.demand.name, check))
    findings = []
    for seen in together.values():
        counting = [(name, check) for name, check in seen if check.counts] or seen
        verdict = worst(check.verdict for _, check in counting)
        concerned = tuple(name for name, check in counting if check.verdict == verdict)
        findings.append(Finding(next(c for _, c in counting if c.verdict == verdict), concerned))
    return tuple(findings)
