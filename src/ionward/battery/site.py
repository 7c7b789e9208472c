"""Packs in parallel on one bus, described by one TOML file: which packs, how wired, how their BMUs act as peers.

Attribute paths are the key paths of the file, but for `site.units`, which is `[[unit]]` there. After loading every
value is there, and each unit has the description of its pack. Two units that name the same file share one `System`.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from ionward.battery.defaults import Values
from ionward.battery.files import describes_site, read_toml
from ionward.battery.part import NotNegative, SystemPart
from ionward.battery.problems import Problem, did_you_mean, problems_of
from ionward.battery.site_checks import packs_problems, site_problems, with_bus
from ionward.battery.site_file import Link, PeerSettings, SiteFile, SiteIdentity, UnitTable, default_endpoint
from ionward.battery.system import Check, Place, System, load_system
from ionward.errors import UserError


class Bus(SystemPart):
    """What all packs hang on together: `[bus]`."""

    capacitance_f: Annotated[NotNegative, Field(description="Capacitors of everything on the common bus")]


class Unit(UnitTable):
    """One pack with its BMU. The DC link of its `system` is the site's bus: that hangs behind its contactors."""

    system: System


class Site(SystemPart):
    """A site with its packs. Read it with `load_site`."""

    site: SiteIdentity
    bus: Bus
    peers: PeerSettings
    link: Link
    units: list[Unit]
    file: str = ""

    def number(self, name: str) -> int:
        """Number of a unit in the list.

        Raises:
            UserError: there is none of this name.
        """
        for number, unit in enumerate(self.units):
            if unit.name.casefold() == name.casefold():
                return number
        raise UserError(f"{self.file}: no unit {name}; {did_you_mean(name, (u.name for u in self.units))}")


def is_site_file(path: Path | str) -> bool:
    """The file can be read, and describes a site rather than a pack."""
    try:
        return describes_site(read_toml(Path(path)))
    except UserError:
        return False


def load_site(path: Path | str, checks: Iterable[Check] = ()) -> Site:
    """Read and check a site file and the pack files that it names. All problems are told at once, one line each.

    Args:
        path: the TOML file.
        checks: further checks of each pack, of rooms that stand above this one.

    Raises:
        UserError: a file cannot be read, or something in one is wrong.
    """
    file, values = str(path), read_toml(Path(path))
    if not describes_site(values) and "system" in values:
        raise UserError(
            f"{file}: describes one pack, not a site; a site file has [site], and a [[unit]] with pack = "
            f'"{Path(file).name}" for each pack'
        )
    return site_from(values, file, Path(path).parent, checks)


def site_from(values: Values, file: str, folder: Path, checks: Iterable[Check] = ()) -> Site:
    """Make a site from the values of a file that stands in `folder`.

    Raises:
        UserError: something is wrong, one line for each problem.
    """
    problems: list[Problem] = []
    wrong: set[str] = set()
    written: SiteFile | None
    try:
        written = SiteFile.model_validate(values)
    except ValidationError as error:
        found = problems_of(error, SiteFile, frozenset())
        problems += [problem for _, problem in found]
        wrong = {problem.key for problem in problems}
        written = _repaired(values, [place for place, _ in found])
    lines: list[str] = []
    if written is not None:
        places = _places(values)
        systems = _packs(written, places, folder, list(checks), problems, lines)
        told = [*site_problems(written, places), *packs_problems(written, places, systems)]
        problems += [p for p in told if not any(_is_within(use, wrong) for use in p.uses or (p.key,))]
    if problems or lines or written is None:
        raise UserError(*dict.fromkeys([*(p.line(file) for p in problems), *lines]))
    return _complete(written, systems, file)


def _is_within(key: str, wrong: Iterable[str]) -> bool:
    """The key is one of those that are wrong, or stands in a table that is."""
    return any(key == w or key.startswith((f"{w}.", f"{w}[")) for w in wrong)


def _places(values: Values) -> list[int]:
    """Number in the file of each unit of the repaired description (see `_repaired`)."""
    units = values.get("unit")
    return [n for n, unit in enumerate(units) if _usable(unit)] if isinstance(units, list) else []


def _usable(unit: Any) -> bool:
    return isinstance(unit, dict) and all(isinstance(unit.get(key), str) and unit[key] for key in ("name", "pack"))


def _repaired(values: Values, wrong: list[Place]) -> SiteFile | None:
    """The description without what is wrong in it, so that the rest can still be checked; None: too little is left."""
    left: Values = copy.deepcopy(values)
    for place in wrong:
        _drop(left, place)
    left.setdefault("site", {}).setdefault("name", "?")
    if not isinstance(left.get("unit"), list):
        return None
    left["unit"] = [unit for unit in left["unit"] if _usable(unit)]
    try:
        return SiteFile.model_validate(left)
    except ValidationError:
        return None


def _drop(values: Any, place: Place) -> None:
    """Take away the key at a place, where there is one. Of a list the item stays, empty, so that numbers hold."""
    for key in place[:-1]:
        try:
            values = values[key]
        except (KeyError, IndexError, TypeError):
            return
    last = place[-1]
    if isinstance(values, dict):
        values.pop(last, None)
    elif isinstance(values, list) and isinstance(last, int) and last < len(values):
        values[last] = {}


def _packs(
    site: SiteFile, places: list[int], folder: Path, checks: list[Check], problems: list[Problem], lines: list[str]
) -> dict[str, System]:
    """The packs that can be read, by the path that the units write; what is wrong goes into `problems` and `lines`."""
    systems: dict[str, System] = {}
    by_file: dict[Path, System | None] = {}
    for place, unit in zip(places, site.unit, strict=True):
        path, key = folder / unit.pack, f"unit[{place}].pack"
        if what := _not_a_file(path):
            problems.append(Problem(key, unit.pack, what, "allowed: the path of a pack's .toml file, from this file"))
        elif is_site_file(path):
            problems.append(Problem(key, unit.pack, "describes a site", "allowed: the file of one pack"))
        else:
            real = path.resolve()
            if real not in by_file:
                try:
                    by_file[real] = load_system(path, checks=checks)
                except UserError as error:
                    lines += error.problems
                    by_file[real] = None
            found = by_file[real]
            if found is not None:
                systems[unit.pack] = found
    return systems


def _not_a_file(path: Path) -> str:
    """Why no file can be read there; empty: one can."""
    try:
        if path.is_dir():
            return "is a folder"
        return "" if path.is_file() else f"there is no such file in {path.parent}"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _complete(written: SiteFile, systems: dict[str, System], file: str) -> Site:
    capacitance_f = written.bus.capacitance_f
    if capacitance_f is None:
        capacitance_f = sum(systems[unit.pack].dc_link.capacitance_f for unit in written.unit)
    on_bus = {id(system): with_bus(system, capacitance_f) for system in systems.values()}
    kind = "tcp" if written.link.tls is None else "tls"
    units = [
        Unit(
            **unit.model_dump(exclude={"endpoint", "simulated"}),
            simulated=unit.simulated,
            endpoint=unit.endpoint or default_endpoint(number, kind),
            system=on_bus[id(systems[unit.pack])],
        )
        for number, unit in enumerate(written.unit)
    ]
    return Site(
        site=written.site, bus=Bus(capacitance_f=capacitance_f), peers=written.peers, link=written.link, units=units,
        file=file,
    )  # fmt: skip


def site_digest(site: Site) -> int:
    """63 bits of everything that the units must have in common: names in their order, weights, settings of the peers,
    wiring, and each pack's whole description with its cell. Not in it: paths, endpoints, and what is simulated.
    """
    packs: dict[int, str] = {}
    for unit in site.units:
        if id(unit.system) not in packs:
            described = unit.system.as_dict()
            described.pop("file")
            described["system"].pop("cell")  # a name or a path; the cell itself is in the description
            packs[id(unit.system)] = hashlib.sha256(_canonical(described)).hexdigest()
    common = {
        "peers": site.peers.model_dump(),
        "bus": site.bus.model_dump(),
        "units": [[u.name, u.weight, u.cable_ohm, packs[id(u.system)]] for u in site.units],
    }
    return int.from_bytes(hashlib.sha256(_canonical(common)).digest()[:8], "big") >> 1


def _canonical(values: Any) -> bytes:
    return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
