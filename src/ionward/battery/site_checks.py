"""Checks that compare the values of a site with each other, and its packs with one another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from ionward.battery.checks import precharge_time_s
from ionward.battery.problems import Problem
from ionward.battery.site_file import ENDPOINT, SiteFile, default_endpoint
from ionward.battery.system import System

UNITS_MAX = 64  # a unit is one bit of a 64-bit view
NAME_MARKS = frozenset("-_.")
EVERYWHERE = {"0.0.0.0", "[::]"}
NOMINAL_APART = 0.05  # packs whose nominal voltages differ by more are of no use on one bus


def site_problems(site: SiteFile, places: list[int]) -> Iterator[Problem]:
    """What cannot be right in the site file itself. `places` are the units' numbers in the file."""
    yield from _rhythm(site)
    if not places:
        yield Problem("unit", None, "no unit is described", "write a [[unit]] with name and pack for each pack", ())
        return
    if len(places) == 1:
        yield Problem(
            "unit", None, "there is only one unit", "describe two or more; a pack alone needs no site file: use the "
            "pack's file itself", ("unit",),
        )  # fmt: skip
    if len(places) > UNITS_MAX:
        yield Problem("unit", None, f"there are {len(places)} units", f"allowed: {UNITS_MAX} at most", ("unit",))
    yield from _names(site, places)
    yield from _endpoints(site, places)
    yield from _weights(site, places)


def _rhythm(site: SiteFile) -> Iterator[Problem]:
    peers = site.peers
    if peers.deadline_s < 2 * peers.period_s:
        yield Problem(
            "peers.deadline_s", peers.deadline_s,
            f"is less than two periods of {peers.period_s:g} s: one lost message would count as a lost unit",
            f"allowed: {2 * peers.period_s:g} or more", ("peers.deadline_s", "peers.period_s"),
        )  # fmt: skip
    if peers.lease_s <= peers.deadline_s:
        yield Problem(
            "peers.lease_s", peers.lease_s, "is not above peers.deadline_s: roles would change hands before a unit "
            "counts as lost", f"allowed: more than {peers.deadline_s:g}", ("peers.lease_s", "peers.deadline_s"),
        )  # fmt: skip


def _names(site: SiteFile, places: list[int]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for place, unit in zip(places, site.unit, strict=True):
        key, name = f"unit[{place}].name", unit.name
        if not (name.isascii() and name[0].isalnum() and all(c.isalnum() or c in NAME_MARKS for c in name)):
            yield Problem(
                key, name, "cannot be a unit's name",
                "allowed: letters a to z, digits, - _ and . inside, a letter or digit first", (key,),
            )  # fmt: skip
        other = first.setdefault(name.casefold(), place)
        if other != place:
            yield Problem(
                key, name, f"is the name of unit[{other}] already",
                "allowed: a name of its own for each unit (capitals make no other name)", (key, f"unit[{other}].name"),
            )  # fmt: skip


def _endpoints(site: SiteFile, places: list[int]) -> Iterator[Problem]:
    first: dict[tuple[str, int], int] = {}
    kind = "tcp" if site.link.tls is None else "tls"
    for number, (place, unit) in enumerate(zip(places, site.unit, strict=True)):
        key, endpoint = f"unit[{place}].endpoint", unit.endpoint or default_endpoint(number, kind)
        match = ENDPOINT.fullmatch(endpoint)
        if match is None or not 1 <= int(match["port"]) <= 65535:
            yield Problem(
                key, endpoint, "is no endpoint",
                "allowed: tcp/HOST:PORT or tls/HOST:PORT with a port of 1 to 65535, as tcp/192.168.1.11:7451", (key,),
            )  # fmt: skip
            continue
        host, port = match["host"].lower(), int(match["port"])
        if host in EVERYWHERE:
            yield Problem(key, endpoint, "is no address that the other units could reach",
                          "allowed: the address of the unit's own network interface", (key,))  # fmt: skip
        if match["kind"] != kind:
            why = "there are certificates in [link.tls]" if kind == "tls" else "there is no [link.tls]"
            yield Problem(key, endpoint, f"does not fit: {why}", f"allowed: {kind}/{match['host']}:{port}, or "
                          f"{'no' if kind == 'tls' else 'a'} [link.tls]", (key, "link.tls"))  # fmt: skip
        other = first.setdefault(("127.0.0.1" if host == "localhost" else host, port), place)
        if other != place:
            yield Problem(key, endpoint, f"is where unit[{other}] listens already",
                          "allowed: an own port or host for each unit", (key, f"unit[{other}].endpoint"))  # fmt: skip


def _weights(site: SiteFile, places: list[int]) -> Iterator[Problem]:
    weights = [unit.weight for unit in site.unit]
    uses = tuple(f"unit[{place}].weight" for place in places)
    for place, weight in zip(places, weights, strict=True):
        others = sum(weights) - weight
        if len(weights) > 2 and weight > others:
            yield Problem(
                f"unit[{place}].weight", weight, f"is more than all others have together ({others}): this unit alone "
                "would be the majority, and without it there would never be one", f"allowed: less than {others}", uses,
            )  # fmt: skip


def packs_problems(site: SiteFile, places: list[int], systems: dict[str, System]) -> Iterator[Problem]:
    """What keeps packs from sharing a bus, one problem for each unit and cause."""
    first: tuple[str, System] | None = None
    seen: dict[int, list[tuple[str, str]]] = {}
    for place, unit in zip(places, site.unit, strict=True):
        if unit.pack not in systems:
            continue
        system = systems[unit.pack]
        if id(system) not in seen:
            found = list(_alone(system))
            if first is None:
                first = (unit.name, system)
            elif first[1] is not system:
                found += _together(first, system)
            seen[id(system)] = found
            key = f"unit[{place}].pack"
            yield from (Problem(key, unit.pack, wrong, allowed, (key,)) for wrong, allowed in found)
    yield from _on_the_bus(site, places, systems)


def _alone(system: System) -> Iterator[tuple[str, str]]:
    """What a pack must have in any site."""
    if not system.contactors.fitted:
        yield "the pack has no contactors of its own, so it could not part from the others", "allowed: a pack that has"
    elif system.contactors.one_way:
        yield (
            "its switches block one direction each, and a pack that carries current one way only cannot be shared "
            "out by resistance", "allowed: contactors.one_way = false (a site does not support one-way switches yet)",
        )  # fmt: skip
    if not system.sensors.bus_voltage.fitted:
        yield (
            "the pack does not measure the bus behind its contactors, and no pack closes onto a bus that it does not "
            "see", "allowed: sensors.bus_voltage.fitted = true",
        )  # fmt: skip


def _together(first: tuple[str, System], system: System) -> Iterator[tuple[str, str]]:
    """What a pack must have in common with the first one."""
    name, other = first
    ours, theirs = system.cell_model, other.cell_model
    if system.series != other.series:
        yield (
            f"has {system.series} cells in series, that of {name} {other.series}",
            "allowed: packs on one bus have the same number of cells in series",
        )
    elif ours.chemistry != theirs.chemistry:
        yield (
            f"has {ours.chemistry} cells, that of {name} {theirs.chemistry}: at one voltage of the bus one would be "
            "nearly full while the other is nearly empty", "allowed: packs on one bus have cells of one chemistry",
        )  # fmt: skip
    else:
        a_v, b_v = ours.data_sheet.nominal_voltage_v, theirs.data_sheet.nominal_voltage_v
        if abs(a_v - b_v) > NOMINAL_APART * b_v:
            yield (
                f"has cells of {a_v:g} V nominal, that of {name} {b_v:g} V",
                f"allowed: packs on one bus differ by {NOMINAL_APART:.0%} of it at most",
            )
    low_v = max(s.limits.cell_voltage_min_v for s in (system, other))
    high_v = min(s.limits.cell_voltage_max_v for s in (system, other))
    if low_v >= high_v:
        yield (
            f"its cells may have {system.limits.cell_voltage_min_v:g} … {system.limits.cell_voltage_max_v:g} V, those "
            f"of {name} {other.limits.cell_voltage_min_v:g} … {other.limits.cell_voltage_max_v:g} V: no voltage of "
            "the bus suits both", "allowed: limits that overlap",
        )  # fmt: skip
    if system.cycle.period_s != other.cycle.period_s:
        yield (
            f"its BMU has a cycle of {system.cycle.period_s:g} s, that of {name} {other.cycle.period_s:g} s",
            "allowed: the same cycle.period_s in all packs of a site",
        )


def _on_the_bus(site: SiteFile, places: list[int], systems: dict[str, System]) -> Iterator[Problem]:
    """The peers' rhythm against the BMUs' cycle, and the precharge of the whole bus."""
    packs = [(place, unit, systems[unit.pack]) for place, unit in zip(places, site.unit, strict=True)
             if unit.pack in systems]  # fmt: skip
    cycle_s = max((system.cycle.period_s for _, _, system in packs), default=0.0)
    if site.peers.period_s < cycle_s * (1 - 1e-9):
        yield Problem(
            "peers.period_s", site.peers.period_s, f"is shorter than the BMUs' cycle of {cycle_s:g} s, in which "
            "messages are made", f"allowed: {cycle_s:g} or more", ("peers.period_s",),
        )  # fmt: skip
    if len(packs) < len(places):
        return  # the default capacitance of the bus is not known
    bus_f = site.bus.capacitance_f
    total_f = sum(system.dc_link.capacitance_f for _, _, system in packs) if bus_f is None else bus_f
    told: set[int] = set()
    for place, unit, system in packs:
        if id(system) in told or not (system.contactors.fitted and system.precharge.fitted):
            continue
        told.add(id(system))
        needed_s, timeout_s = precharge_time_s(with_bus(system, total_f)), system.precharge.timeout_s
        if needed_s > timeout_s:
            says = "" if bus_f is not None else " (no value: the sum of the packs' dc_link.capacitance_f)"
            yield Problem(
                "bus.capacitance_f", total_f,
                f"{PurePath(unit.pack).name} could not precharge the bus by itself: that takes {needed_s:.3g} s, and "
                f"its precharge.timeout_s is {timeout_s:g}{says}",
                f"allowed: {total_f * timeout_s / needed_s:.3g} or less, or a larger precharge.timeout_s",
                ("bus.capacitance_f", f"unit[{place}].pack"),
            )  # fmt: skip


def with_bus(system: System, capacitance_f: float) -> System:
    """A pack behind whose contactors hangs a bus of this capacitance."""
    dc_link = system.dc_link.model_copy(update={"capacitance_f": float(capacitance_f)})
    return system.model_copy(update={"dc_link": dc_link})


def splits_in_halves(weights: list[int]) -> bool:
    """The units can fall into two parts of the same weight."""
    total = sum(weights)
    sums = 1  # bit k: some of the units weigh k together
    for weight in weights:
        sums |= sums << weight
    return total % 2 == 0 and bool(sums >> total // 2 & 1)


def heaviest_alone(weights: list[int]) -> int:
    """The unit without which the others have no majority; -1: there is no such unit."""
    total = sum(weights)
    return next((n for n, weight in enumerate(weights) if 2 * (total - weight) <= total), -1)
