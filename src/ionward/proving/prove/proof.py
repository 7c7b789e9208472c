"""A whole proof: every fault of the catalogue, control and guard, false trips and random faults; and the verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ionward.battery.problems import did_you_mean
from ionward.battery.system import System
from ionward.errors import UserError
from ionward.image.faults import BY_ID, FAULTS
from ionward.image.summary import applies
from ionward.proving.prove.cases import Case, CaseRunner, Skipped, Task, tasks
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
    wall_s: float = 0.0

    @property
    def failed(self) -> list[Case]:
        """Cases that were missed or late."""
        return [case for case in self.cases if not case.ok]

    @property
    def ok(self) -> bool:
        """Everything went as it has to."""
        return bool(self.cases) and not self.failed

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


def prove(system: System, parameters: Any, report: Report, fault: str | None = None, point: str | None = None) -> Proof:
    """Prove a pack.

    Raises:
        UserError: the fault or the operating point asked for does not exist.
    """
    check_selection(fault, point)
    began = time.perf_counter()
    cases, skipped = prove_cases(system, parameters, report, fault, point)
    return Proof(system, cases, skipped, wall_s=time.perf_counter() - began)
