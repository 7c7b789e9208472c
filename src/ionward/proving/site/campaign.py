"""The random campaign of a site: scenarios of combined faults from a seed, invariants checked after every cycle."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ionward.battery.site import Site
from ionward.errors import UserError
from ionward.proving.prove.campaign import Finished, Journal, Violation, run_missing, shrunk, which_scenario
from ionward.proving.site.invariants import MEANINGS
from ionward.proving.site.random_site import RandomSite, cells_of, make_site_scenario
from ionward.proving.site.watched import SiteRun, event_words

# Without `--hours` and `--scenarios` as many are run as take about a minute on two cores of a small virtual machine.
# The number follows from these costs, not from a clock: the same seed gives the same result on every machine.
DEFAULT_WALL_S, DEFAULT_CORES = 55.0, 2
UNIT_S, CELL_S, SCENARIO_S = 13e-6, 80e-9, 0.05

Report = Callable[[str, int, int], None]


@dataclass
class SiteViolation(Violation):
    """An invariant of a site that did not hold. `place` is the unit, or of limits the direction."""

    def sentence(self) -> str:
        """In words."""
        signal = MEANINGS[self.invariant]
        unit = f" {signal.unit}" if signal.unit else ""
        return f"{signal.meaning} ({self.value:.4g}{unit})"


@dataclass
class SiteCampaign:
    """All scenarios of a seed."""

    seed: int
    file: str
    finished: list[Finished] = field(default_factory=list)
    wall_s: float = 0.0

    @property
    def violations(self) -> list[Violation]:
        """Everything that was found."""
        return [v for f in self.finished for v in f.violations]

    @property
    def ok(self) -> bool:
        """Scenarios were run, and every invariant held in each."""
        return bool(self.finished) and not self.violations

    @property
    def simulated_s(self) -> float:
        """Simulated seconds."""
        return round(math.fsum(f.simulated_s for f in self.finished), 6)

    def as_json(self) -> dict[str, Any]:
        """As `ionward prove --json` shows it."""
        return {
            "ok": self.ok,
            "seed": self.seed,
            "scenarios": len(self.finished),
            "simulated_s": self.simulated_s,
            "violations": [
                {"invariant": v.invariant, "time_s": v.time_s, "command": v.command(self.file, self.seed),
                 "place": v.place, "value": v.value, "faults": v.words, "meaning": v.sentence()}
                for v in self.violations
            ],
            "wall_s": round(self.wall_s, 3),
        }  # fmt: skip


def run_site_scenario(site: Site, seed: int, number: int) -> Finished:
    """Run a scenario; what does not hold is run again with fewer events, as long as it still does not hold."""
    scenario = make_site_scenario(site, seed, number)
    everything = list(range(len(scenario.events)))
    ticks = 0

    def broken(keep: Sequence[int]) -> dict[str, tuple[float, int, float]]:
        nonlocal ticks
        run = SiteRun(scenario, seed, keep)
        run.run()
        ticks = run.ticks
        return run.found()

    violations: list[Violation] = []
    for invariant, values in broken(everything).items():
        keep, values = shrunk(invariant, everything, values, broken)
        violations.append(SiteViolation(number, invariant, *values, keep, _words(scenario, keep)))
    cycle_s = site.units[0].system.cycle.period_s
    return Finished(number, ticks, round(ticks * cycle_s, 9), violations)


def _words(scenario: RandomSite, keep: Sequence[int]) -> list[str]:
    return [*scenario.habits(), *(event_words(scenario.site, scenario.events[k]) for k in keep)]


def default_site_count(site: Site) -> int:
    """How many scenarios take about a minute on two cores."""
    cycle_s, mean_s = site.units[0].system.cycle.period_s, 0.0
    for number in range(20):
        cycles = make_site_scenario(site, 0, number).duration_s / cycle_s
        mean_s += (cycles * (UNIT_S * len(site.units) + CELL_S * cells_of(site)) + SCENARIO_S) / 20
    return max(1, int(DEFAULT_WALL_S * DEFAULT_CORES / mean_s))


def site_numbers(site: Site, seed: int, scenarios: int | None, hours: float | None) -> int:
    """How many scenarios to run: so many, or so many simulated hours, or about a minute's worth."""
    if scenarios is not None:
        return scenarios
    if hours is None:
        return default_site_count(site)
    simulated_s, number = 0.0, 0
    while simulated_s < 3600.0 * hours:
        simulated_s += make_site_scenario(site, seed, number).duration_s
        number += 1
    return number


def run_site_campaign(
    site: Site, seed: int, count: int, journal: Path | None, report: Report, workers: int = 0
) -> SiteCampaign:
    """Run the first `count` scenarios of a seed, but those that the journal has already.

    Raises:
        UserError: the journal cannot be used.
    """
    book = Journal(journal, site, seed, SiteViolation) if journal is not None else None

    def job(number: int) -> Finished:
        return run_site_scenario(site, seed, number)

    return SiteCampaign(seed, site.file, run_missing(job, count, book, report, workers))


def replay_site(site: Site, which: str) -> Iterator[tuple[float, str]]:
    """What happens in one scenario, in order: what is done, what the units tell, what does not hold.

    Args:
        site: as described.
        which: `SEED:NUMBER`, or `SEED:NUMBER:FAULTS` with the numbers of the events that are kept, by commas.

    Raises:
        UserError: there is no such scenario.
    """
    seed, number, keep = which_scenario(which)
    scenario = make_site_scenario(site, seed, number)
    if keep is None:
        keep = list(range(len(scenario.events)))
    if any(not 0 <= k < len(scenario.events) for k in keep):
        raise UserError(f"--replay {which}: the scenario has the faults 0 to {len(scenario.events) - 1}")
    story: list[tuple[float, str]] = []
    run = SiteRun(scenario, seed, keep)
    run.run(lambda time_s, words: story.append((time_s, words)))
    names = [unit.name for unit in site.units]
    for invariant, values in run.found().items():
        violation = SiteViolation(number, invariant, *values, keep)
        where = f"{names[values[1]]}: " if values[1] >= 0 and invariant != "limit_above_law" else ""
        story.append((values[0], f"VIOLATION {invariant}: {where}{violation.sentence()}"))
    return iter(sorted(story, key=lambda entry: entry[0]))
