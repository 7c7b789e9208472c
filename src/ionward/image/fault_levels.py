"""The ladder of each fault as it counts in one pack: the catalogue's levels with the changes of profile and file."""

from __future__ import annotations

from collections.abc import Iterator

from ionward.battery.limits import FaultChange, LevelChange
from ionward.battery.problems import Problem, did_you_mean
from ionward.battery.system import System
from ionward.image.faults import BY_ID, FAULTS, Fault, Level

LEVEL_NAMES = ("info", "warning", "fault", "critical")
ABSENT = FaultChange()

Ladder = tuple[Level | None, Level | None, Level | None, Level | None]


def resolved_levels(fault: Fault, system: System) -> Ladder:
    """Levels from info to critical with absolute thresholds, in the fault's unit."""
    change = system.faults.get(fault.id, ABSENT)
    limit = _limit(fault, system)
    info, warning, fault_level, critical = (
        _changed(_absolute(level, fault, limit), getattr(change, name))
        for level, name in zip(fault.levels, LEVEL_NAMES, strict=True)
    )
    return info, warning, fault_level, critical


def _limit(fault: Fault, system: System) -> float:
    return float(getattr(system.limits, fault.relative_to)) if fault.relative_to else 0.0


def _absolute(level: Level | None, fault: Fault, limit: float) -> Level | None:
    if level is None or not fault.relative_to:
        return level
    if fault.factor:
        return Level(level.set * limit, level.clear * limit, level.delay_samples, level.delay_s)
    # Rounded to a nanounit: 4.2 + 0.03 is meant to be 4.23.
    return Level(round(limit + level.set, 9), round(limit + level.clear, 9), level.delay_samples, level.delay_s)


def _changed(level: Level | None, change: object) -> Level | None:
    if change is None:
        return level
    if not isinstance(change, LevelChange):
        return None  # switched off
    values = change.model_dump(exclude_none=True)
    if level is None:
        complete = {"delay_samples": 1, "delay_s": 0.0, "clear": values.get("set"), **values}
        return Level(**complete) if "set" in values else None
    return Level(**{**vars(level), **values})


def fault_problems(system: System) -> Iterator[Problem]:
    """What is wrong with the changes to the fault ladder in a description."""
    for fault_id in system.faults:
        fault = BY_ID.get(fault_id)
        if fault is None:
            known = [f.id for f in FAULTS]
            yield Problem(f"faults.{fault_id}", None, "unknown fault", did_you_mean(fault_id, known))
