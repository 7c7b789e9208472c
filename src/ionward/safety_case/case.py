"""The facts of the safety case as they stand in the TOML files of this folder, checked against each other.

    hazard -> hazardous event -> safety goal (SG) -> functional requirement (FSR) -> technical requirement (SR)

Every technical requirement leads to code and tests, which `trace` finds. Documents are made from the same facts
(`pages`). Ratings are proposals for whoever integrates the pack to confirm.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

FILES = (
    "hazards.toml", "requirements.toml", "fault_requirements.toml", "fmea.toml", "dependence.toml", "deviations.toml",
)  # fmt: skip


class Fact(BaseModel):
    """A row of the safety case."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Hazard(Fact):
    """What can hurt somebody."""

    id: str
    name: str
    harm: str


class HazardousEvent(Fact):
    """A hazard in a situation. EV: S, E, C of ISO 26262-3; stationary: a class and an integrity in words."""

    id: str
    hazard: str
    setting: Literal["ev", "stationary"]
    situation: str
    why: str
    goals: tuple[str, ...]
    severity: int = 0
    exposure: int = 0
    controllability: int = 0
    control_class: str = ""
    integrity: str = ""

    @property
    def asil(self) -> str:
        """ISO 26262-3:2018, table 4, which adds up: S + E + C of 10 is D, 9 is C, 8 is B, 7 is A; else QM."""
        if 0 in (self.severity, self.exposure, self.controllability):
            return "QM"
        total = self.severity + self.exposure + self.controllability
        return {10: "D", 9: "C", 8: "B", 7: "A"}.get(total, "QM")


class Goal(Fact):
    """What must never happen, and the state in which it cannot."""

    id: str
    text: str
    safe_state: str
    standards: tuple[str, ...]


class Functional(Fact):
    """What the BMS as a whole shall do for a goal. `also` names what others than this software must add."""

    id: str
    text: str
    goals: tuple[str, ...]
    also: str = ""


class Technical(Fact):
    """What a part of this software shall do. `fault` names the row of the catalogue that it stands for.

    `code` lists `path:function` below `src/ionward` where the source does not name the requirement itself. For a
    fault: `coverage` is the diagnostic coverage proposed (ISO 26262-5, annex D: low 60 %, medium 90 %, high 99 %),
    `seen` and `unseen` argue it.
    """

    id: str
    text: str
    fulfils: tuple[str, ...]
    fault: str = ""
    code: tuple[str, ...] = ()
    coverage: Literal["", "low", "medium", "high"] = ""
    seen: str = ""
    unseen: str = ""


class FailureMode(Fact):
    """A row of the FMEA: how a part fails, what follows, and which requirements meet it."""

    kind: Literal["measurement", "actuator", "computing"]
    part: str
    mode: str
    effect: str
    met_by: tuple[str, ...]
    left: str


class Assumption(Fact):
    """What must hold outside this software."""

    id: str
    about: Literal["hardware", "platform", "integration"]
    text: str
    otherwise: str


class Dependence(Fact):
    """Something that control and guard share, or through which one can hurt the other."""

    shared: str
    kind: Literal["common cause", "cascade"]
    failure: str
    against: str
    left: str


class Method(Fact):
    """A method of ISO 26262-6:2018 and what stands for it here."""

    table: str
    method: str
    state: Literal["done", "partly", "not done", "not applicable"]
    here: str


class Case(Fact):
    """All facts. `planned` lists faults whose requirement stands although their code does not yet."""

    hazards: tuple[Hazard, ...]
    events: tuple[HazardousEvent, ...]
    goals: tuple[Goal, ...]
    functional: tuple[Functional, ...]
    technical: tuple[Technical, ...]
    failures: tuple[FailureMode, ...]
    assumptions: tuple[Assumption, ...]
    dependences: tuple[Dependence, ...]
    methods: tuple[Method, ...]
    planned: tuple[str, ...] = ()

    @property
    def requirement(self) -> dict[str, Technical]:
        """Technical requirements by id."""
        return {r.id: r for r in self.technical}

    @property
    def of_fault(self) -> dict[str, Technical]:
        """Technical requirements by the fault that they stand for."""
        return {r.fault: r for r in self.technical if r.fault}

    def is_planned(self, requirement: Technical) -> bool:
        """Its fault is not in the catalogue yet."""
        return requirement.fault in self.planned

    def goals_of(self, requirement: Technical) -> list[str]:
        """Safety goals that a technical requirement serves, in order."""
        goals = {f.id: f.goals for f in self.functional}
        wanted = {goal for f in requirement.fulfils for goal in goals.get(f, ())}
        return [g.id for g in self.goals if g.id in wanted]


@cache
def load_case() -> Case:
    """The safety case that comes with Ionward."""
    folder = resources.files("ionward.safety_case")
    tables: dict[str, Any] = {}
    for name in FILES:
        for key, rows in tomllib.loads((folder / name).read_text(encoding="utf-8")).items():
            tables[key] = [*tables.get(key, ()), *rows]
    return Case(**tables)


def inner_problems(case: Case) -> Iterator[str]:
    """What does not fit together within the facts: ids given twice, links that lead nowhere, ends that hang loose."""
    for what, rows in (
        ("hazard", case.hazards), ("hazardous event", case.events), ("goal", case.goals),
        ("functional requirement", case.functional), ("requirement", case.technical),
        ("assumption", case.assumptions),
    ):  # fmt: skip
        yield from _twice(what, [row.id for row in rows])
    hazards, goals = {h.id for h in case.hazards}, {g.id for g in case.goals}
    functional, technical = {f.id for f in case.functional}, {t.id for t in case.technical}
    for event in case.events:
        yield from _unknown(event.id, "hazard", (event.hazard,), hazards)
        yield from _unknown(event.id, "goal", event.goals, goals)
    for f in case.functional:
        yield from _unknown(f.id, "goal", f.goals, goals)
    for t in case.technical:
        yield from _unknown(t.id, "functional requirement", t.fulfils, functional)
    for mode in case.failures:
        yield from _unknown(f"FMEA {mode.part}, {mode.mode}", "requirement", mode.met_by, technical)
    yield from _unused("hazard", hazards, (e.hazard for e in case.events), "hazardous event")
    yield from _unused("goal", goals, (g for e in case.events for g in e.goals), "hazardous event")
    yield from _unused("goal", goals, (g for f in case.functional for g in f.goals), "functional requirement")
    yield from _unused("functional requirement", functional, (f for t in case.technical for f in t.fulfils),
                       "technical requirement")  # fmt: skip


def _twice(what: str, ids: Sequence[str]) -> Iterator[str]:
    for name in sorted({i for i in ids if ids.count(i) > 1}):
        yield f"{name}: this {what} is written twice; give one of them another id"


def _unknown(where: str, what: str, named: Sequence[str], known: set[str]) -> Iterator[str]:
    for name in named:
        if name not in known:
            yield f"{where}: names the {what} {name}, which does not exist"


def _unused(what: str, known: set[str], used: Iterator[str], by: str) -> Iterator[str]:
    for name in sorted(known - set(used)):
        yield f"{name}: no {by} leads to this {what}"
