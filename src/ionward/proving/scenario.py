"""Scenario files: what happens to a battery, when, and what is expected of the BMS.

A scenario is a TOML file. `load_scenario` reads and checks it; what needs the pack (places of faults, signals, files
beside it) is checked when a run is prepared, before anything moves.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, ValidationError

from ionward.battery.files import read_toml
from ionward.battery.part import Positive, SystemPart
from ionward.battery.problems import Problem, problems_of
from ionward.errors import UserError
from ionward.twin.build import Start

Time = Annotated[float, Field(ge=0)]
LevelName = Literal["info", "warning", "fault", "critical"]


class About(SystemPart):
    """What the scenario is: `[scenario]`."""

    name: Annotated[str, Field(min_length=1, description="Name for reports")]
    duration_s: Annotated[Positive, Field(le=10 * 366 * 86400.0, description="Simulated time")]


class Environment(SystemPart):
    """Surroundings: `[environment]`."""

    ambient_c: Annotated[float, Field(ge=-50, le=80, description="Ambient temperature")] = 25.0


class Load(SystemPart):
    """What load and charger ask for from a time on, until the next one: `[[load]]`. Positive charges."""

    at_s: Annotated[Time, Field(description="From when on")] = 0.0
    steps: Annotated[
        list[Annotated[list[float], Field(min_length=2, max_length=2)]] | None,
        Field(min_length=1, description="[time since `at_s`, value], each value until the next"),
    ] = None
    unit: Annotated[Literal["A", "W", "C"], Field(description="Unit of the values; C: parts of the capacity")] = "A"
    file: Annotated[
        str | None,
        Field(
            min_length=1,
            description="CSV or Parquet file with time_s and current_a, power_w or current_c; or a built-in profile",
        ),
    ] = None
    repeat: Annotated[int, Field(ge=1, le=1_000_000, description="How often it is run through")] = 1
    scale: Annotated[float, Field(description="Values are multiplied by this")] = 1.0


class Source(SystemPart):
    """How load and charger behave: `[source]`."""

    load_obeys: Annotated[bool, Field(description="The load keeps to the discharge limit")] = True
    charger_obeys: Annotated[bool, Field(description="The charger keeps to the charge limit")] = True
    charge_voltage_v: Annotated[
        Positive | None, Field(description="Constant voltage of the charger (default: full pack by its limits)")
    ] = None
    slew_a_per_s: Annotated[Positive | None, Field(description="Fastest change of current")] = None


class Command(SystemPart):
    """What is told to the BMS: `[[command]]`. What is not written stays as it was."""

    at_s: Time
    connect: Annotated[bool | None, Field(description="Wish to connect or to disconnect")] = None
    purpose: Annotated[Literal["drive", "charge"] | None, Field(description="What for")] = None
    acknowledge: Annotated[bool | None, Field(description="Acknowledge latched faults")] = None
    balancing: Annotated[bool | None, Field(description="Balancing may run")] = None
    charge_factor: Annotated[float | None, Field(ge=0, le=1, description="Advisory derating")] = None
    discharge_factor: Annotated[float | None, Field(ge=0, le=1, description="Advisory derating")] = None


class Injection(SystemPart):
    """A fault of the battery: `[[fault]]`. Names and places: `docs/simulate.md`."""

    name: Annotated[str, Field(min_length=1)]
    at_s: Time
    for_s: Annotated[Positive | None, Field(description="How long (default: to the end)")] = None
    place: Annotated[int | str | None, Field(description="Cell or module number, contactor or sensor")] = None
    value: Annotated[float | None, Field(description="How strong, in the fault's unit")] = None


class Expectation(SystemPart):
    """What must be true, and when: `[[expect]]`.

    Either a `signal` with `is`, `min`, `max`, or a `fault` with a `level` or `never`, or `no_events`. Times: `by_s`
    (reached by then), `at_s` (true then), `from_s`/`until_s` (true all that time); `within_s` counts from `after`
    (a time, or the name of an injected fault).
    """

    signal: str | None = None
    equals: Annotated[float | str | None, Field(alias="is")] = None
    min: float | None = None
    max: float | None = None
    fault: str | None = None
    level: LevelName | None = None
    place: int | None = None
    never: bool = False
    no_events: LevelName | None = None
    at_s: Time | None = None
    by_s: Time | None = None
    from_s: Time | None = None
    until_s: Time | None = None
    within_s: Positive | None = None
    after: Time | str | None = None


class Course(SystemPart):
    """What the scenarios of a pack and of a site have in common."""

    scenario: About
    environment: Environment = Environment()
    start: Start = Start()
    source: Source = Source()
    load: Annotated[list[Load], Field(default_factory=list)]
    file: str = ""

    @property
    def folder(self) -> Path:
        """Where its files are looked for."""
        return Path(self.file).parent

    def shortened(self, duration_s: float) -> Self:
        """The same scenario with another duration; expectations that begin later are left out.

        One that is still to be fulfilled at the end has until the end.
        """
        about = self.scenario.model_copy(update={"duration_s": duration_s})
        return self.model_copy(update={"scenario": about})


class Scenario(Course):
    """One scenario."""

    command: Annotated[list[Command], Field(default_factory=list)]
    fault: Annotated[list[Injection], Field(default_factory=list)]
    expect: Annotated[list[Expectation], Field(default_factory=list)]


C = TypeVar("C", bound=Course)


def built_in_scenario(profile: str) -> Scenario:
    """The scenario that runs when none is named: one for each profile of system files."""
    path = resources.files("ionward.proving") / "scenarios" / f"{profile}.toml"
    with resources.as_file(path) as file:
        return load_scenario(file)


def load_scenario(path: Path | str) -> Scenario:
    """Read and check a scenario file. All problems are told at once, one line each.

    Raises:
        UserError: the file cannot be read, or something in it is wrong.
    """
    return load_course(path, Scenario, ("load", "command", "fault"))


def load_course(path: Path | str, kind: type[C], timed: Sequence[str]) -> C:
    """As `load_scenario`, for any kind of scenario. `timed` names its lists of what happens `at_s`."""
    values = read_toml(Path(path))
    file = str(path)
    problems: list[Problem] = []
    if "file" in values:
        problems.append(Problem("file", None, "unknown key", "put it into [[load]]"))
        values = {key: value for key, value in values.items() if key != "file"}
    try:
        course = kind.model_validate({**values, "file": file})
    except ValidationError as error:
        problems += [problem for _, problem in problems_of(error, kind, frozenset({"file"}))]
        raise UserError(*(p.line(file) for p in problems)) from None
    problems += _load_problems(course)
    problems += _time_problems(course, timed)
    if problems:
        raise UserError(*(p.line(file) for p in problems))
    return course


def _load_problems(scenario: Course) -> list[Problem]:
    problems = []
    for k, load in enumerate(scenario.load):
        key = f"load[{k}]"
        if (load.steps is None) == (load.file is None):
            problems.append(Problem(key, None, "has neither steps nor file, or both", "allowed: one of the two"))
        times = [step[0] for step in load.steps or []]
        for before, after in itertools.pairwise(times):
            if after <= before:
                problems.append(Problem(f"{key}.steps", after, f"time does not come after {before:g}", "rising times"))
                break
        if times and times[0] < 0:
            problems.append(Problem(f"{key}.steps", times[0], "time is negative", "allowed: 0 or more"))
    starts = [load.at_s for load in scenario.load]
    for k, (before, after) in enumerate(itertools.pairwise(starts), 1):
        if after <= before:
            problems.append(
                Problem(f"load[{k}].at_s", after, f"does not come after the load at {before:g}", "sort them")
            )
    return problems


def _time_problems(scenario: Course, timed: Sequence[str]) -> list[Problem]:
    end = scenario.scenario.duration_s
    problems = []

    def late(key: str, at_s: float | None) -> None:
        if at_s is not None and at_s > end:
            problems.append(Problem(key, at_s, f"is after the end of the scenario at {end:g} s", "lengthen duration_s"))

    for name in timed:
        for k, item in enumerate(getattr(scenario, name)):
            late(f"{name}[{k}].at_s", item.at_s)
    for k, e in enumerate(getattr(scenario, "expect", [])):
        for key in ("at_s", "by_s", "from_s", "until_s"):
            late(f"expect[{k}].{key}", getattr(e, key))
        if e.from_s is not None and e.until_s is not None and e.until_s < e.from_s:
            problems.append(Problem(f"expect[{k}].until_s", e.until_s, f"is before from_s {e.from_s:g}", "swap them"))
    commands = [c.at_s for c in getattr(scenario, "command", [])]
    for k, (before, after) in enumerate(itertools.pairwise(commands), 1):
        if after < before:
            problems.append(Problem(f"command[{k}].at_s", after, f"is before the command at {before:g}", "sort them"))
    return problems
