"""A whole battery system, described by one TOML file.

Attribute paths are the key paths of the file: `system.sensors.cell_voltage.period_s`. After loading every value is
there: the user's, else the profile's, else the one that follows from the cell's data sheet or from other values
(`battery.derived`), else the field's own default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from ionward.battery.cell import CellModel
from ionward.battery.checks import system_problems
from ionward.battery.connection import Contactors, DcLink, Fuse, Precharge, Watchdog
from ionward.battery.cooling import Balancing, Cooling
from ionward.battery.defaults import Values, merge, profile_defaults
from ionward.battery.derived import is_derived, with_derived
from ionward.battery.files import describes_site, read_toml
from ionward.battery.library import load_cell, names
from ionward.battery.limits import Derating, FaultChange, Limits
from ionward.battery.masks import Mask
from ionward.battery.part import Count, Fraction, Positive, SystemPart
from ionward.battery.problems import MISSING, Problem, did_you_mean, problems_of
from ionward.battery.sensors import SENSOR_NAMES, Sensors
from ionward.battery.topology import PROFILES, Identity, Topology
from ionward.errors import UserError


class Cycle(SystemPart):
    """The rhythm of the BMS: `[cycle]`."""

    period_s: Annotated[Positive, Field(le=1.0, description="Time between ticks")]
    estimate_every: Annotated[Count, Field(description="SOC is estimated every so many ticks")]
    slow_every: Annotated[Count, Field(description="Balancing and cooling run every so many ticks")]
    overrun_budget: Annotated[
        Fraction, Field(gt=0, description="Part of the cycles of ten seconds that may be over too late, in real time")
    ] = 0.05
    enable_expiry_s: Annotated[
        Positive | None,
        Field(
            le=1.0,
            description="In real time, contactors drop when control or the guard has been silent for so long "
            "(default: 50 ms, or three cycles where those are longer)",
        ),
    ] = None


class Estimate(SystemPart):
    """Settings of the SOC estimate: `[estimate]`."""

    start_soc_std: Annotated[
        Fraction, Field(gt=0, description="Uncertainty of the first SOC when it comes from a rest voltage")
    ] = 0.1


class System(SystemPart):
    """One battery system. Read it with `load_system`, or rebuild it from a recording with `System.from_dict`."""

    system: Identity
    topology: Topology
    sensors: Sensors
    limits: Limits
    derating: Derating
    faults: Annotated[dict[str, FaultChange], Field(default_factory=dict)]
    masks: Annotated[list[Mask], Field(default_factory=list)]
    contactors: Contactors
    precharge: Precharge
    fuse: Fuse
    dc_link: DcLink
    cooling: Cooling
    balancing: Balancing
    cycle: Cycle
    estimate: Estimate = Estimate()
    watchdog: Watchdog = Watchdog()
    cell_model: CellModel
    file: str = ""  # where the description came from, for messages

    @property
    def series(self) -> int:
        """Pack cells in series."""
        return self.topology.series

    def as_dict(self) -> Values:
        """The complete description with its cell, as plain values that JSON can hold."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, values: Values) -> System:
        """Rebuild a system from `as_dict`, without any file.

        Raises:
            UserError: the values are not a complete description.
        """
        file = str(values.get("file") or "description")
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise UserError(*(p.line(file) for _, p in problems_of(error, cls, NOT_IN_FILES))) from None


NOT_IN_FILES = frozenset({"cell_model", "file"})
Place = tuple[int | str, ...]
Check = Callable[[System], Iterable[Problem]]


def load_system(path: Path | str, cell_model: CellModel | None = None, checks: Iterable[Check] = ()) -> System:
    """Read and check a system file. All problems are told at once, one line each.

    Args:
        path: the TOML file.
        cell_model: this cell instead of the one that the file names.
        checks: further checks of the whole system, of rooms that stand above this one.

    Raises:
        UserError: the file cannot be read, or something in it is wrong.
    """
    file = str(path)
    user = read_toml(Path(path))
    if describes_site(user):
        raise UserError(f"{file}: describes a site, not one pack; name the file of a pack, as its [[unit]] tables do")
    return system_from(user, file, Path(path).parent, cell_model, checks)


def system_from(
    user: Values, file: str, folder: Path, cell_model: CellModel | None, checks: Iterable[Check] = ()
) -> System:
    """Make a system from the values of a file that stands in `folder`.

    Raises:
        UserError: something is wrong, one line for each problem.
    """
    problems = [
        Problem(key, None, "unknown key", did_you_mean(key, (k for k in System.model_fields if k not in NOT_IN_FILES)))
        for key in sorted(NOT_IN_FILES & user.keys())
    ]
    user = {key: value for key, value in user.items() if key not in NOT_IN_FILES}
    cell = cell_model or _cell_of(user, folder, problems)
    values = merge(profile_defaults(_profile_of(user)), _fitted(user))
    system: System | None
    try:
        system = _validated(values, cell, file)
    except ValidationError as error:
        everything = problems_of(error, System, NOT_IN_FILES)
        # That a value is missing which follows from others is only a consequence of what is wrong with those.
        found = [(at, p) for at, p in everything if not (p.wrong == MISSING and is_derived(p.key))]
        problems += [p for _, p in found or ([] if problems else everything)]
        system, values = _repaired(values, [place for place, _ in found], cell, file)
    if system is not None:
        sure = not problems
        found_too = [p for check in (system_problems, *checks) for p in check(system)]
        problems += [p for p in found_too if sure or _stands_alone(p, values)]
    if problems or system is None:
        raise UserError(*dict.fromkeys(p.line(file) for p in problems))
    return system


def _fitted(user: Values) -> Values:
    """Somebody who writes a sensor's or a part's table has that part, whatever the profile says."""

    # Whether there are temperature sensors is told by their number, in the topology.
    fitted_by_table = {*SENSOR_NAMES} - {"temperature"}

    def written(table: Any) -> Any:
        return {"fitted": True, **table} if isinstance(table, dict) else table

    parts: Values = {name: written(user[name]) for name in ("contactors", "precharge", "fuse") if name in user}
    sensors = user.get("sensors")
    if isinstance(sensors, dict):
        known = {name: written(table) for name, table in sensors.items() if name in fitted_by_table}
        parts["sensors"] = {**sensors, **known}
    return {**user, **parts}


def _identity(user: Values, key: str) -> str | None:
    table = user.get("system")
    value = table.get(key) if isinstance(table, dict) else None
    return value if isinstance(value, str) and value else None


def _profile_of(user: Values) -> str | None:
    """The profile that the file names; None where it names none that exists, which validation then tells."""
    profile = _identity(user, "profile")
    return profile if profile in PROFILES else None


def _cell_of(user: Values, folder: Path, problems: list[Problem]) -> CellModel | None:
    name = _identity(user, "cell")
    if name is None:
        return None  # validation tells that it is missing
    if not name.endswith(".toml") and name not in names():
        known = f"{did_you_mean(name, names())} or a .toml file beside this"
        problems.append(Problem("system.cell", name, "unknown cell", known))
        return None
    try:
        return load_cell(name, folder)
    except UserError as error:
        problems += [Problem("system.cell", name, line, "correct the cell file") for line in error.problems]
    return None


def _validated(values: Values, cell: CellModel | None, file: str) -> System:
    complete = {**with_derived(values, cell), "file": file}
    if cell is not None:
        complete["cell_model"] = cell
    return System.model_validate(complete)


# What every file must say. Where it does not, these let the checks look at the rest.
STAND_INS: Values = {
    "system": {"name": "?", "profile": "ev", "cell": "?"},
    "topology": {"modules_in_series": 1, "cells_per_module": 1, "cells_in_parallel": 1},
}


def _repaired(values: Values, wrong: list[Place], cell: CellModel | None, file: str) -> tuple[System | None, Values]:
    """A system without the wrong values, so that the checks that compare values can still look at the others.

    Returns the system, None where there is too little left, and the values that are the user's or the profile's.
    """
    for place in wrong:
        values = _without(values, place)
    if cell is None:
        values = _without(values, ("system", "cell"))
        known = names()
        cell = load_cell(known[0]) if known else None
    try:
        return _validated(merge(STAND_INS, values), cell, file), values
    except ValidationError:
        return None, values


def _stands_alone(problem: Problem, values: Values) -> bool:
    """The problem is there whatever the values that were put aside should have been."""
    return problem.uses is not None and all(_is_written(values, path) for path in problem.uses)


def _is_written(values: Any, path: str) -> bool:
    for key in path.split("."):
        if not isinstance(values, dict) or key not in values:
            return False
        values = values[key]
    return True


def _without(values: Values, place: Place) -> Values:
    """A copy of the values without the key at `place` (of a list: without the whole list)."""
    out = dict(values)
    key = place[0] if place else ""
    inner = out.get(str(key))
    if len(place) > 1 and isinstance(inner, dict) and inner:
        out[str(key)] = _without(inner, place[1:])
    else:
        out.pop(str(key), None)
    return out
