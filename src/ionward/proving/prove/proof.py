"""A whole proof: every fault of the catalogue, control and guard, false trips and random faults; and the verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ionward.battery.problems import did_you_mean
from ionward.battery.system import System
from ionward.errors import UserError
from ionward.image.faults import BY_ID, FAULTS
from ionward.image.summary import applies
from ionward.proving.prove.campaign import Campaign, run_campaign
from ionward.proving.prove.cases import Case, CaseRunner, Skipped, Task, tasks
from ionward.proving.prove.false_trips import Drive, drives, run_drive
from ionward.proving.prove.guard_cases import BREAKS, GuardCase, as_case, run_guard_case, why_not
from ionward.proving.prove.points import BY_NAME as POINTS_BY_NAME
from ionward.proving.prove.workers import each, worker_count

PIECE = 16
Report = Callable[[str, int, int], None]


@dataclass
class Proof:
    """What was proven, and how it went."""

    system: System
    cases: list[Case]
    skipped: list[Skipped] = field(default_factory=list)
    guard_cases: list[GuardCase] = field(default_factory=list)
    drives: list[Drive] = field(default_factory=list)
    campaign: Campaign | None = None
    wall_s: float = 0.0

    @property
    def failed(self) -> list[Case]:
        """Cases that were missed or late."""
        return [case for case in self.cases if not case.ok]

    @property
    def ok(self) -> bool:
        """Everything went as it has to."""
        sound = not self.failed and all(c.ok for c in self.guard_cases) and not self.false_trips
        violated = self.campaign is not None and bool(self.campaign.violations)
        return bool(self.cases or self.guard_cases or self.campaign) and sound and not violated

    @property
    def false_trips(self) -> int:
        """What was raised at level warning or above although nothing was wrong."""
        return sum(len(drive.raised) for drive in self.drives)

    def unproven(self) -> list[tuple[str, str]]:
        """Faults without a case: the pack does not judge them, or they cannot stand in it; with the reason."""
        proven = {case.fault for case in self.cases}
        reasons = {skip.fault: skip.reason for skip in reversed(self.skipped)}
        out = []
        for fault in FAULTS:
            if fault.id not in proven:
                judged = applies(fault, self.system)
                out.append((fault.id, reasons.get(fault.id, "") if judged else "the pack does not have what it needs"))
        return out

    def as_json(self) -> dict[str, Any]:
        """The object that `ionward prove --json` prints."""
        return {
            "ok": self.ok,
            "cases": [case.as_json() for case in self.cases],
            "guard": [case.as_json() for case in self.guard_cases],
            "false_trips": self.false_trips,
            "drives": [drive.as_json() for drive in self.drives],
            "random": None if self.campaign is None else self.campaign.as_json(),
            "not_injected": [{"fault": fault, "reason": why} for fault, why in self.unproven()] if self.cases else [],
            "wall_s": round(self.wall_s, 3),
        }


def check_selection(fault: str | None, point: str | None) -> None:
    """Raise a UserError for a fault or an operating point that does not exist."""
    if fault is not None and fault not in BY_ID:
        raise UserError(f"--fault {fault}: unknown fault; {did_you_mean(fault, BY_ID)}")
    if point is not None and point not in POINTS_BY_NAME:
        raise UserError(f"--point {point}: unknown operating point; {did_you_mean(point, POINTS_BY_NAME)}")


def prove_cases(
    system: System,
    parameters: Any,
    report: Report,
    fault: str | None = None,
    point: str | None = None,
    workers: int = 0,
) -> tuple[list[Case], list[Skipped]]:
    """Inject every fault; results in the order of the catalogue, whatever the number of workers."""
    todo = tasks(system, fault, point)
    pieces = [todo[k : k + PIECE] for k in range(0, len(todo), PIECE)]
    runner = CaseRunner(system, parameters)

    def job(piece: Sequence[Task]) -> list[Case | Skipped]:
        return [runner.run(task) for task in piece]

    found: list[Case | Skipped] = []
    for answers in each(job, pieces, workers or worker_count()):
        found += answers
        report("faults", len(found), len(todo))
    order = {f.id: k for k, f in enumerate(FAULTS)}
    cases = sorted((c for c in found if isinstance(c, Case)), key=lambda c: order[c.fault])
    return cases, [s for s in found if isinstance(s, Skipped)]


def prove_guard(
    system: System,
    parameters: Any,
    report: Report,
    fault: str | None = None,
    point: str | None = None,
    workers: int = 0,
) -> list[GuardCase]:
    """Break control and guard in every way."""
    todo = [
        k
        for k, broken in enumerate(BREAKS)
        if not why_not(system, broken) and fault in (None, broken.fault) and point in (None, broken.point)
    ]

    def job(number: int) -> GuardCase:
        return run_guard_case(system, parameters, number)

    out: list[GuardCase] = []
    for case in each(job, todo, workers or worker_count()):
        out.append(case)
        report("control and guard", len(out), len(todo))
    return out


def prove_silence(system: System, report: Report, workers: int = 0) -> list[Drive]:
    """Run the fault-free cycles."""
    todo = drives()

    def job(which: tuple[int, str]) -> Drive:
        return run_drive(system, which)

    out: list[Drive] = []
    for drive in each(job, todo, workers or worker_count()):
        out.append(drive)
        report("fault-free drives", len(out), len(todo))
    return out


@dataclass(frozen=True)
class Wanted:
    """What is to be proven. A fault or an operating point named leaves out the rest."""

    fault: str | None = None
    point: str | None = None
    random: bool = True
    seed: int = 1
    hours: float | None = None
    journal: Path | None = None
    workers: int = 0
    cases: bool = True

    @property
    def everything(self) -> bool:
        """No fault and no operating point was chosen."""
        return self.fault is None and self.point is None


def prove(system: System, parameters: Any, report: Report, wanted: Wanted) -> Proof:
    """Prove a pack.

    Raises:
        UserError: the fault or the operating point asked for does not exist, or the journal cannot be used.
    """
    check_selection(wanted.fault, wanted.point)
    began = time.perf_counter()
    proof = Proof(system, [])
    if wanted.cases:
        prove_each(proof, parameters, report, wanted)
    if wanted.everything and wanted.random:
        proof.campaign = run_campaign(
            system, parameters, wanted.seed, wanted.hours, wanted.journal, report, wanted.workers
        )
    proof.wall_s = time.perf_counter() - began
    return proof


def prove_each(proof: Proof, parameters: Any, report: Report, wanted: Wanted) -> None:
    """Every fault of the catalogue, every one of control and guard, and (of a whole proof) the fault-free drives."""
    system, fault, point, workers = proof.system, wanted.fault, wanted.point, wanted.workers
    proof.cases, proof.skipped = prove_cases(system, parameters, report, fault, point, workers)
    guard_cases = prove_guard(system, parameters, report, fault, point, workers)
    proof.cases += [as_case(case) for case in guard_cases if case.fault]
    proof.skipped += [Skipped(b.fault, b.point, why) for b in BREAKS if b.fault and (why := why_not(system, b))]
    proof.guard_cases = [case for case in guard_cases if not case.fault]
    if wanted.everything:
        proof.drives = prove_silence(system, report, workers)
