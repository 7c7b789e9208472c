"""Checking a site's scenario against the site, before anything moves: units, faults, signals, load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ionward.battery.problems import Problem, did_you_mean
from ionward.battery.site import Site
from ionward.errors import UserError
from ionward.proving.expectations import PACK_SIGNALS, Check, Known, check_of
from ionward.proving.load_profile import Profile, build_profile
from ionward.proving.site.loop import SITE_SIGNALS
from ionward.proving.site.scenario import EACH, SPEAKER, SiteExpectation, SiteScenario, Trouble
from ionward.proving.site.world import capacity_ah
from ionward.twin.build import build_plant
from ionward.twin.fault_catalogue import FAULTS_BY_NAME
from ionward.twin.faults import problem_of

# Of the load, the charger and the common bus, not of one pack.
BUS_FAULTS = (
    "load_ignores_limits", "charger_ignores_limits", "charger_runs_away", "unwanted_current", "foreign_source",
    "bus_short", "bus_load", "dc_link_missing",
)  # fmt: skip
_SOURCE = 0  # watches of the site look at one block


class Ready(NamedTuple):
    """What a run needs: the checks of each unit, those of the site, and the load."""

    units: list[list[Check]]
    site: list[Check]
    profile: Profile


def site_signals(names: Sequence[str]) -> Mapping[str, Known]:
    """What an expectation without a unit can name."""
    known = {signal.name: Known(signal, _SOURCE, k) for k, signal in enumerate(SITE_SIGNALS)}
    speaker = known["speaker"]
    known["speaker"] = speaker._replace(signal=replace(speaker.signal, choices=("nobody", *names)))
    return known


def unit_number(site: Site, unit: str | int) -> int | None:
    """Number of the unit that a scenario names; None: there is none."""
    if isinstance(unit, int):
        return unit if 0 <= unit < len(site.units) else None
    names = [u.name.casefold() for u in site.units]
    return names.index(unit.casefold()) if unit.casefold() in names else None


def checked(site: Site, scenario: SiteScenario) -> Ready:
    """The checks and the load of a scenario.

    Raises:
        UserError: something does not fit the site; all problems at once, one line each.
    """
    lines: list[str] = []
    profile = Profile(np.zeros((2, 0)), False)
    try:
        profile = build_profile(scenario, capacity_ah([unit.system for unit in site.units]))
    except UserError as error:
        lines += error.problems
    problems: list[Problem] = []
    for k, command in enumerate(scenario.command):
        problems += _unit_problems(site, command.unit, f"command[{k}].unit")
    for k, fault in enumerate(scenario.fault):
        found = _unit_problems(site, fault.unit, f"fault[{k}].unit")
        problems += found or _fault_problems(site, scenario, k)
    for k, trouble in enumerate(scenario.trouble):
        problems += _trouble_problems(site, trouble, f"trouble[{k}]")
    units: list[list[Check]] = [[] for _ in site.units]
    on_site: list[Check] = []
    for k, expectation in enumerate(scenario.expect):
        problems += _expect(site, scenario, expectation, f"expect[{k}]", units, on_site)
    lines += [problem.line(scenario.file or scenario.scenario.name) for problem in problems]
    if lines:
        raise UserError(*lines)
    return Ready(units, on_site, profile)


def _unit_problems(site: Site, unit: str | int | None, key: str, more: Sequence[str] = ()) -> list[Problem]:
    if unit is None or unit in more or unit_number(site, unit) is not None:
        return []
    names = [u.name for u in site.units]
    if isinstance(unit, int):
        return [Problem(key, unit, "there is no such unit", f"allowed: 0 to {len(names) - 1}, or a name")]
    return [Problem(key, unit, "there is no such unit", did_you_mean(unit, [*names, *more]))]


def _fault_problems(site: Site, scenario: SiteScenario, k: int) -> list[Problem]:
    fault = scenario.fault[k]
    number = 0 if fault.unit is None else unit_number(site, fault.unit)
    found = problem_of(build_plant(site.units[number or 0].system), fault.name, fault.place, fault.value)
    if found:
        wrong, _, allowed = found.partition("; ")
        return [Problem(f"fault[{k}]", None, wrong, allowed)]
    of_bus = fault.name in BUS_FAULTS
    if of_bus and fault.unit is not None:
        return [
            Problem(f"fault[{k}].unit", fault.unit, f"{fault.name} concerns what all packs share", "leave unit out")
        ]
    if not of_bus and fault.unit is None and fault.name in FAULTS_BY_NAME:
        return [Problem(f"fault[{k}]", None, f"{fault.name} happens in a pack", "give unit")]
    return []


def _trouble_problems(site: Site, trouble: Trouble, key: str) -> list[Problem]:
    problems = _unit_problems(site, trouble.unit, f"{key}.unit", (SPEAKER,))
    for kind in ("kill", "restart", "freeze"):
        problems += _unit_problems(site, getattr(trouble, kind), f"{key}.{kind}", (SPEAKER,))
    named: list[str | int] = []
    for k, side in enumerate(trouble.cut or []):
        for unit in side:
            problems += _unit_problems(site, unit, f"{key}.cut[{k}]", (SPEAKER,))
            number = SPEAKER if unit == SPEAKER else unit_number(site, unit)
            if number is not None and number in named:
                problems.append(Problem(f"{key}.cut[{k}]", unit, "is on two sides, or named twice", "name it once"))
            elif number is not None:
                named.append(number)
    return problems


def _expect(
    site: Site, scenario: SiteScenario, e: SiteExpectation, key: str, units: list[list[Check]], on_site: list[Check]
) -> list[Problem]:
    """Put one expectation where it is watched; what is wrong with it."""
    wrong = _unit_problems(site, e.unit, f"{key}.unit", (EACH,))
    if wrong:
        return wrong
    of_pack = e.unit is not None or e.no_events is not None
    if not of_pack and e.fault is not None:
        return [Problem(f"{key}.fault", e.fault, "a fault is one pack's", 'give unit, or unit = "each"')]
    if not of_pack and e.signal in PACK_SIGNALS and e.signal not in site_signals(()):
        return [Problem(f"{key}.signal", e.signal, "is a signal of one pack", 'give unit, or unit = "each"')]
    known = PACK_SIGNALS if of_pack else site_signals([unit.name for unit in site.units])
    check = check_of(e, scenario.scenario.duration_s, scenario.fault, known)
    if isinstance(check, Problem):
        return [check._replace(key=f"{key}{check.key}")]
    if not of_pack:
        on_site.append(check)
    for number, checks in enumerate(units):
        if of_pack and (e.unit in (None, EACH) or unit_number(site, e.unit) == number):
            checks.append(check)
    return []
