"""Small sites in short scenarios."""

from __future__ import annotations

from typing import Any

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


def told(result: SiteResult, words: str, unit: str | None = None) -> list[tuple[float, str]]:
    """When, and to whom, something happened that the story tells with these words."""
    return [(at_s, who) for at_s, who, what in result.story if words in what and unit in (None, who)]
