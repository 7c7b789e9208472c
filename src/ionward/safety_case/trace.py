"""From each requirement to the code that implements it and the tests that verify it, and what is missing on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ionward
from ionward.errors import UserError
from ionward.image.faults import FAULTS, Fault
from ionward.safety_case.case import Case, Technical, inner_problems
from ionward.safety_case.marks import Verifying, verifying_tests
from ionward.safety_case.sources import Source

PACKAGE = Path(ionward.__file__).parent


@dataclass(frozen=True)
class Traced:
    """What one technical requirement leads to. Code is below `src/ionward`; tests are as pytest names them."""

    requirement: Technical
    planned: bool
    goals: tuple[str, ...]
    faults: tuple[str, ...]
    code: tuple[str, ...]
    tests: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "text": self.requirement.text,
            "planned": self.planned,
            "goals": list(self.goals),
            "functional": list(self.requirement.fulfils),
            "faults": list(self.faults),
            "code": list(self.code),
            "tests": list(self.tests),
        }


@dataclass(frozen=True)
class Trace:
    """All requirements by id, and one line for each problem."""

    requirements: dict[str, Traced]
    problems: tuple[str, ...]

    @property
    def planned(self) -> list[str]:
        """Requirements whose fault is not in the catalogue yet."""
        return [name for name, traced in self.requirements.items() if traced.planned]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "ok": not self.problems,
            "problems": list(self.problems),
            "planned": self.planned,
            "requirements": {name: traced.as_dict() for name, traced in self.requirements.items()},
        }


def find_tests(given: Path | None = None) -> Path:
    """The tests of this checkout, or the folder given.

    Raises:
        UserError: there are none; an installed package has no tests.
    """
    folder = given or PACKAGE.parents[1] / "tests"
    if not any(folder.glob("**/test_*.py")):
        where = f"{folder}: no tests here" if given else "this is an installed package, without its tests"
        raise UserError(f"{where}; run it in a checkout of Ionward, or name the tests' folder by --tests")
    return folder


def trace(case: Case, tests: Path, package: Path = PACKAGE, faults: Sequence[Fault] = FAULTS) -> Trace:
    """Trace every requirement.

    Args:
        case: the safety case.
        tests: folder of the tests.
        package: folder of the source code.
        faults: the catalogue.
    """
    source = Source(package)
    marks, unreadable = verifying_tests(tests, {f.id: f.requirement for f in faults})
    named, rules = source.named_ids(), source.fault_rules()
    requirements = {r.id: _traced(case, r, named, rules, marks, faults) for r in case.technical}
    problems = (
        *inner_problems(case),
        *_fault_problems(case, faults),
        *_code_problems(case, source, named, requirements),
        *unreadable,
        *_test_problems(marks, requirements),
    )
    return Trace(requirements, tuple(problems))


def _traced(
    case: Case,
    requirement: Technical,
    named: dict[str, list[str]],
    rules: dict[str, list[str]],
    marks: list[Verifying],
    faults: Sequence[Fault],
) -> Traced:
    code = [*requirement.code, *named.get(requirement.id, ()), *rules.get(requirement.fault, ())]
    return Traced(
        requirement,
        case.is_planned(requirement),
        tuple(case.goals_of(requirement)),
        tuple(f.id for f in faults if f.requirement == requirement.id),
        tuple(dict.fromkeys(code)),
        tuple(dict.fromkeys(m.name for m in marks if m.requirement == requirement.id)),
    )


def _fault_problems(case: Case, faults: Sequence[Fault]) -> Iterator[str]:
    """Catalogue and requirements name each other; what is planned is not there yet."""
    catalogue = {f.id: f for f in faults}
    for fault in faults:
        requirement = case.requirement.get(fault.requirement)
        if requirement is None:
            yield f"{fault.id}: the catalogue gives it {fault.requirement}, which is no requirement; write one"
        elif requirement.fault != fault.id:
            yield (
                f"{fault.id}: the catalogue gives it {fault.requirement}, which stands for "
                f"'{requirement.fault or 'no fault'}'; one of both must change"
            )
    for requirement in case.technical:
        if requirement.fault and requirement.fault not in catalogue and not case.is_planned(requirement):
            yield f"{requirement.id}: names the fault '{requirement.fault}', which is not in the catalogue"
    for name in case.planned:
        if name in catalogue:
            yield f"{name}: is in the catalogue now; take it from the list `planned` of requirements.toml"
        elif name not in case.of_fault:
            yield f"{name}: is planned, but no requirement stands for it"


def _code_problems(
    case: Case, source: Source, named: dict[str, list[str]], requirements: dict[str, Traced]
) -> Iterator[str]:
    for requirement in case.technical:
        for place in requirement.code:
            if not source.exists(place):
                yield f"{requirement.id}: its code '{place}' is not there"
    for name, places in named.items():
        if name not in requirements:
            yield f"{places[0]}: names {name}, which is no requirement"
    for name, traced in requirements.items():
        if not traced.code and not traced.planned:
            yield f"{name}: no code implements it; name it where it is implemented"


def _test_problems(marks: list[Verifying], requirements: dict[str, Traced]) -> Iterator[str]:
    for mark in marks:
        if mark.requirement not in requirements:
            yield f"{mark.test}: verifies {mark.requirement}, which is no requirement"
    for name, traced in requirements.items():
        if not traced.tests and not traced.planned:
            yield f'{name}: no test verifies it; mark one with @pytest.mark.verifies("{name}")'
