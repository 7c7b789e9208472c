"""The figures in which a person recognises a site: its packs side by side, and what they carry together."""

from __future__ import annotations

import time
from pathlib import PurePath
from typing import Any

import numpy as np

from ionward.battery.site import Site, site_digest
from ionward.battery.site_doubts import site_doubts
from ionward.image.summary import pack_summary
from ionward.peers.share import FACT, site_limits


def site_summary(site: Site, wall_s: float | None = None) -> dict[str, Any]:
    """The site in figures, as plain values that JSON can hold.

    Limits are those of the circuit law with all packs connected, healthy, in the middle of their temperatures and
    equally full: the best that the site can do. `wall_s` is the time for which masks of the packs are judged, in
    seconds since 1970 (default: now).
    """
    used_s = time.time() if wall_s is None else wall_s
    packs = {id(unit.system): pack_summary(unit.system, used_s) for unit in site.units}
    own = [packs[id(unit.system)] for unit in site.units]
    facts = _facts(site, own)
    shares = facts[FACT.resistance_ohm] ** -1 / np.sum(facts[FACT.resistance_ohm] ** -1)
    units = [
        {
            "name": unit.name,
            "pack": unit.pack,
            "title": pack["name"],
            "cells_in_series": pack["pack"]["cells_in_series"],
            "voltage_nominal_v": pack["pack"]["voltage_nominal_v"],
            "energy_kwh": pack["pack"]["energy_kwh"],
            "resistance_ohm": float(facts[FACT.resistance_ohm, number]),
            "cable_ohm": unit.cable_ohm,
            "share": float(shares[number]),
            "weight": unit.weight,
            "endpoint": unit.endpoint,
            "simulated": unit.simulated.model_dump(),
        }
        for number, (unit, pack) in enumerate(zip(site.units, own, strict=True))
    ]
    return {
        "file": site.file,
        "name": site.site.name,
        "digest": f"{site_digest(site):016x}",
        "site": _together(site, own, facts),
        "units": units,
        "bus": site.bus.model_dump(),
        "peers": site.peers.model_dump(),
        "tls": site.link.tls is not None,
        "doubts": [
            *site_doubts(site),
            *(f"{name}: {doubt}" for name, pack in _by_file(site, packs) for doubt in pack["doubts"]),
        ],
    }


def _by_file(site: Site, packs: dict[int, dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Each pack once, with the name of its file."""
    names: dict[int, str] = {}
    for unit in site.units:
        names.setdefault(id(unit.system), PurePath(unit.pack).name)
    return [(name, packs[key]) for key, name in names.items()]


def _facts(site: Site, own: list[dict[str, Any]]) -> Any:
    """What the circuit law needs, `[FACT, unit]`, for packs that are all connected and equally full."""
    facts = np.zeros((len(FACT), len(site.units)))
    for number, (unit, pack) in enumerate(zip(site.units, own, strict=True)):
        facts[FACT.resistance_ohm, number] = pack["pack"]["resistance_ohm"] + unit.cable_ohm
        facts[FACT.charge_limit_a, number] = pack["limits"]["charge_current_max_a"]
        facts[FACT.discharge_limit_a, number] = pack["limits"]["discharge_current_max_a"]
        facts[FACT.connected, number] = 1.0
    # Equally full: one voltage for all, so that nothing flows between them.
    facts[FACT.emf_v] = own[0]["pack"]["voltage_nominal_v"]
    return facts


def _together(site: Site, own: list[dict[str, Any]], facts: Any) -> dict[str, Any]:
    alive = np.ones(len(site.units), np.int64)
    charge_a, discharge_a = site_limits(facts, alive, site.peers.margin)
    fewer = []
    for number in range(len(site.units)):
        alive[number] = 0
        fewer.append(site_limits(facts, alive, site.peers.margin))
        alive[number] = 1
    nominal_v = own[0]["pack"]["voltage_nominal_v"]
    weights = sum(unit.weight for unit in site.units)
    return {
        "units": len(site.units),
        "energy_kwh": sum(pack["pack"]["energy_kwh"] for pack in own),
        "voltage_min_v": max(pack["pack"]["voltage_min_v"] for pack in own),
        "voltage_nominal_v": nominal_v,
        "voltage_max_v": min(pack["pack"]["voltage_max_v"] for pack in own),
        "charge_limit_a": charge_a,
        "discharge_limit_a": discharge_a,
        "charge_power_kw": charge_a * nominal_v / 1000,
        "discharge_power_kw": discharge_a * nominal_v / 1000,
        "charge_limit_without_one_a": min(a for a, _ in fewer),
        "discharge_limit_without_one_a": min(a for _, a in fewer),
        "charge_limits_sum_a": float(facts[FACT.charge_limit_a].sum()),
        "discharge_limits_sum_a": float(facts[FACT.discharge_limit_a].sum()),
        "votes": weights,
        "majority": weights // 2 + 1,
    }
