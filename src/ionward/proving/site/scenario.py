"""Scenario files of a site: what happens to its packs, units and network, when, and what is expected.

`load_site_scenario` reads and checks one; what needs the site (names of units, places of faults, signals) is checked
when a run is prepared, before anything moves.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from ionward.battery.part import Fraction, Positive, SystemPart
from ionward.battery.problems import Problem
from ionward.errors import UserError
from ionward.proving.scenario import Course, Expectation, Injection, Time, load_course

UnitName = Annotated[str | int, Field(description="Name of the unit, or its number in the site's file, from 0")]
# Whoever speaks for the site at that moment.
SPEAKER = "speaker"
# Every unit in turn.
EACH = "each"

DELAY_MOST_S = 1.0
DRIFT_MOST_PPM = 100.0


class SiteCommand(SystemPart):
    """What the site or one unit is told: `[[command]]`. What is not written stays as it was."""

    at_s: Time
    unit: Annotated[UnitName | None, Field(description="For one unit alone; left out: for all")] = None
    connect: Annotated[bool | None, Field(description="Wish to connect or to disconnect")] = None
    purpose: Annotated[Literal["drive", "charge"] | None, Field(description="What for")] = None
    leave: Annotated[bool | None, Field(description="Taken out for maintenance; false: back again")] = None
    acknowledge: Annotated[bool | None, Field(description="Acknowledge latched faults and trips")] = None
    balancing: Annotated[bool | None, Field(description="Balancing may run")] = None


class SiteInjection(Injection):
    """A fault: `[[fault]]`. With `unit` in that pack, without it in load, charger or the common bus."""

    unit: Annotated[UnitName | None, Field(description="In which pack; left out: load, charger, common bus")] = None


class Trouble(SystemPart):
    """What happens to a unit or to the network: `[[trouble]]`. Exactly one kind in each.

    For the network's, `unit` limits it to what one unit sends and hears.
    """

    at_s: Time
    for_s: Annotated[Positive | None, Field(description="How long (default: to the end)")] = None
    unit: Annotated[UnitName | None, Field(description="The network's trouble concerns this unit alone")] = None
    kill: Annotated[UnitName | None, Field(description="The unit is gone; after `for_s` it is started anew")] = None
    restart: Annotated[UnitName | None, Field(description="Killed and at once started anew, with nothing kept")] = None
    freeze: Annotated[UnitName | None, Field(description="The unit stands still for `for_s`, and goes on")] = None
    cut: Annotated[
        list[list[UnitName]] | None,
        Field(min_length=1, description="Sides that do not hear each other; units in none of them are one more side"),
    ] = None
    loss: Annotated[Fraction | None, Field(description="Share of messages that are lost")] = None
    duplicate: Annotated[Fraction | None, Field(description="Share of messages that come twice")] = None
    corrupt: Annotated[Fraction | None, Field(description="Share of messages whose bytes are hit")] = None
    delay_s: Annotated[
        float | None,
        Field(ge=0, le=DELAY_MOST_S, description="Messages take between nothing and so long: they overtake each other"),
    ] = None
    drift_ppm: Annotated[
        float | None, Field(ge=-DRIFT_MOST_PPM, le=DRIFT_MOST_PPM, description="The unit's clock runs so much faster")
    ] = None

    @property
    def kinds(self) -> list[str]:
        """Which kinds are given."""
        return [name for name in (*UNIT_TROUBLES, *NETWORK_TROUBLES) if getattr(self, name) is not None]


UNIT_TROUBLES = ("kill", "restart", "freeze")
NETWORK_TROUBLES = ("cut", "loss", "duplicate", "corrupt", "delay_s", "drift_ppm")


class SiteExpectation(Expectation):
    """As `[[expect]]` of a pack. With `unit` (or "each") about that pack; without it a signal of the site."""

    unit: Annotated[UnitName | None, Field(description='About this unit, or "each"; left out: the site')] = None


class SiteScenario(Course):
    """One scenario of a site."""

    command: Annotated[list[SiteCommand], Field(default_factory=list)]
    fault: Annotated[list[SiteInjection], Field(default_factory=list)]
    trouble: Annotated[list[Trouble], Field(default_factory=list)]
    expect: Annotated[list[SiteExpectation], Field(default_factory=list)]


def built_in_site_scenario() -> SiteScenario:
    """The scenario that runs when none is named."""
    path = resources.files("ionward.proving") / "scenarios" / "site.toml"
    with resources.as_file(path) as file:
        return load_site_scenario(file)


def load_site_scenario(path: Path | str) -> SiteScenario:
    """Read and check a site's scenario file. All problems are told at once, one line each.

    Raises:
        UserError: the file cannot be read, or something in it is wrong.
    """
    scenario = load_course(path, SiteScenario, ("load", "command", "fault", "trouble"))
    problems = [
        problem.line(scenario.file) for k, trouble in enumerate(scenario.trouble) for problem in _wrong(k, trouble)
    ]
    if problems:
        raise UserError(*problems)
    return scenario


def _wrong(k: int, trouble: Trouble) -> list[Problem]:
    key, kinds = f"trouble[{k}]", trouble.kinds
    allowed = ", ".join((*UNIT_TROUBLES, *NETWORK_TROUBLES))
    if len(kinds) != 1:
        what = f"has {' and '.join(kinds)}" if kinds else "says nothing that happens"
        return [Problem(key, None, what, f"give exactly one of {allowed}")]
    kind = kinds[0]
    if kind == "freeze" and trouble.for_s is None:
        return [Problem(key, None, "freezes a unit for ever", "give for_s, or kill it instead")]
    if kind == "restart" and trouble.for_s is not None:
        return [Problem(f"{key}.for_s", trouble.for_s, "a restart takes no time", "leave it out, or use kill")]
    if trouble.unit is not None and kind in (*UNIT_TROUBLES, "cut"):
        return [Problem(f"{key}.unit", trouble.unit, f"{kind} names its units itself", "leave unit out")]
    if kind == "drift_ppm" and trouble.unit is None:
        return [Problem(key, None, "drift_ppm concerns one unit's clock", "give unit")]
    return []
