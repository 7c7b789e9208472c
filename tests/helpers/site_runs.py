"""Small sites in short scenarios."""

from __future__ import annotations

from typing import Any

import numpy as np

from helpers.scenarios import small_system
from ionward.battery.site import Site, with_bus
from ionward.battery.system import System
from ionward.proving.site.scenario import SiteScenario
from ionward.proving.site.simulation import SiteResult, SiteSimulation

BUS_F = 0.002


def small_site(
    units: int = 3, packs: list[System] | None = None, simulated: dict[int, dict[str, float]] | None = None,
    weights: list[int] | None = None, **peers: Any,
) -> Site:  # fmt: skip
    """Packs of eight cells named a, b, c, … on one bus. The first has two votes where their number is even."""
    systems = packs or [small_system()] * units
    on_bus = {id(system): with_bus(system, BUS_F) for system in systems}
    votes = weights or [2 - len(systems) % 2, *([1] * (len(systems) - 1))]
    return Site.model_validate(
        {
            "site": {"name": "small site"},
            "bus": {"capacitance_f": BUS_F},
            "peers": {"rise_a_per_s": 1000.0, **peers},
            "link": {},
            "units": [
                {
                    "name": chr(ord("a") + k),
                    "pack": "small.toml",
                    "weight": votes[k],
                    "endpoint": f"tcp/127.0.0.1:{7451 + k}",
                    "simulated": (simulated or {}).get(k, {}),
                    "system": on_bus[id(system)],
                }
                for k, system in enumerate(systems)
            ],
            "file": "site.toml",
        }
    )


def site_scenario(duration_s: float = 10.0, **tables: Any) -> SiteScenario:
    """A scenario that connects all at once, changed by `tables`."""
    values: dict[str, Any] = {
        "scenario": {"name": "test", "duration_s": duration_s},
        "start": {"soc": 0.6, "soc_spread": 0.001},
        "command": [{"at_s": 0.5, "connect": True}],
        "file": "test.toml",
    }
    return SiteScenario.model_validate({**values, **tables})


def prepared(of: SiteScenario, site: Site | None = None, seed: int = 1) -> SiteSimulation:
    """Ready to run."""
    return SiteSimulation(site or small_site(), of, seed)


def run_site(of: SiteScenario, site: Site | None = None, seed: int = 1) -> SiteResult:
    """Run it to the end."""
    return prepared(of, site, seed).run()


def random_troubles(seed: int, units: int, duration_s: float, count: int = 12) -> SiteScenario:
    """Units that die, stand still and start anew, a network that fails, and packs that are asked for and sent away."""
    random = np.random.default_rng(seed)
    commands: list[dict[str, Any]] = [{"at_s": 0.2, "connect": True}]
    troubles: list[dict[str, Any]] = []
    for at_s in np.sort(random.uniform(0.3, duration_s - 1.0, count)).round(3).tolist():
        unit, for_s = int(random.integers(units)), round(float(random.uniform(0.02, 2.0)), 3)
        kind = str(
            random.choice(["kill", "restart", "freeze", "cut", "loss", "delay_s", "duplicate", "again", "again"])
        )
        if kind == "again":  # down and up again, so that there is something to close
            commands += [{"at_s": at_s, "unit": unit, "connect": False, "acknowledge": True}]
            commands += [{"at_s": min(at_s + 0.3, duration_s), "unit": unit, "connect": True}]
            continue
        value: Any = {"cut": [[unit]], "loss": 0.4, "delay_s": 0.15, "duplicate": 0.5}.get(kind, unit)
        trouble = {"at_s": at_s, kind: value} | ({} if kind == "restart" else {"for_s": for_s})
        troubles.append(trouble)
        if kind in ("kill", "restart"):
            up_s = min(at_s + (for_s if kind == "kill" else 0.0) + 0.1, duration_s)
            commands += [{"at_s": up_s, "unit": unit, "acknowledge": True}]
            commands += [{"at_s": min(up_s + 0.3, duration_s), "unit": unit, "connect": True}]
    commands.sort(key=lambda command: float(command["at_s"]))
    expect = [
        {"signal": "speakers", "max": 1},
        {"signal": "closing", "max": 1},
        {"unit": "each", "signal": "true.fuse_blown", "max": 0},
        {"unit": "each", "signal": "true.inrush_a", "max": 60.0},
    ]
    load = [{"at_s": 1.0, "unit": "C", "steps": [[0.0, -0.3], [duration_s / 2, 0.3]]}]
    return site_scenario(duration_s, command=commands, trouble=troubles, load=load, expect=expect)


def told(result: SiteResult, words: str, unit: str | None = None) -> list[tuple[float, str]]:
    """When, and to whom, something happened that the story tells with these words."""
    return [(at_s, who) for at_s, who, what in result.story if words in what and unit in (None, who)]
