"""Random scenarios of a site: a start, a load, and combined faults of packs, units, network and people.

One seed and one number, one scenario. It ends with a quiet time: everything is healed, acknowledged and asked to
connect, so that what is left out then can be judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ionward.battery.site import Site
from ionward.battery.site_file import Simulated
from ionward.image.build import system_size
from ionward.proving.load_profile import Profile
from ionward.proving.prove.random_scenario import random_fault
from ionward.proving.scenario import About, Source
from ionward.proving.site.checks import BUS_FAULTS
from ionward.proving.site.scenario import SPEAKER, SiteCommand, SiteInjection, SiteScenario, Trouble
from ionward.twin.build import Start

BUSY_SHORTEST_S, BUSY_LONGEST_S = 45.0, 90.0
# Long enough for a pack that tries in vain twice, rests, and then goes.
QUIET_S = 30.0
EVENTS_MOST = 6
CONNECT_S, FIRST_EVENT_S = 1.0, 2.0
OBEYS = 0.8
# Units stand still from one cycle to longer than every lease.
FREEZE_S = (0.01, 2.0)
DELAY_S = (0.001, 0.3)
OWN_DRIFT_PPM = 100.0


@dataclass(frozen=True)
class OneWay:
    """What some units send does not reach some others; the other direction goes on."""

    at_s: float
    for_s: float
    senders: tuple[int, ...]
    hearers: tuple[int, ...]


@dataclass(frozen=True)
class OldBoot:
    """A unit is started anew with the number of its start before, as one whose memory was lost. `after_s` it was gone:
    longer than the others listen for its old numbers."""

    at_s: float
    after_s: float
    unit: int


Event = SiteCommand | SiteInjection | Trouble | OneWay | OldBoot


@dataclass(frozen=True)
class RandomSite:
    """Everything that happens. `site` is the one given, its simulated packs drawn anew."""

    number: int
    site: Site
    quiet_s: float
    start: Start
    ambient_c: float
    source: Source
    profile: Profile
    purpose: str
    events: tuple[Event, ...]

    @property
    def duration_s(self) -> float:
        """With the quiet time."""
        return self.quiet_s + QUIET_S

    def habits(self) -> list[str]:
        """What load and charger do that they should not."""
        return [
            f"the {who} ignores limits"
            for who, obeys in (("load", self.source.load_obeys), ("charger", self.source.charger_obeys))
            if not obeys
        ]

    def scenario(self, keep: list[int]) -> SiteScenario:
        """The events that are kept, but those that scenario files do not know, with the commands of every scenario."""
        kept = [self.events[k] for k in keep]
        # After a fault the wish has to be withdrawn first; a fault that heals slowly is acknowledged once more.
        quiet = [
            SiteCommand(at_s=self.quiet_s + after_s, connect=connect, leave=False, acknowledge=True)
            for after_s, connect in ((0.5, False), (3.0, True), (6.0, True))
        ]
        first = SiteCommand.model_validate({"at_s": CONNECT_S, "connect": True, "purpose": self.purpose})
        return SiteScenario(
            scenario=About(name=f"number {self.number}", duration_s=self.duration_s),
            start=self.start,
            source=self.source,
            load=[],
            command=[first, *(e for e in kept if isinstance(e, SiteCommand)), *quiet],
            fault=[e for e in kept if isinstance(e, SiteInjection)],
            trouble=[e for e in kept if isinstance(e, Trouble)],
            expect=[],
        )


def make_site_scenario(site: Site, seed: int, number: int) -> RandomSite:
    """Scenario `number` of a seed: the same in every process."""
    random = np.random.default_rng([seed, number, len(site.units)])
    quiet_s = float(random.uniform(BUSY_SHORTEST_S, BUSY_LONGEST_S))
    soc = float(random.uniform(0.05, 0.98))
    ambient_c = float(random.uniform(5.0, 40.0))
    # From alike to far apart.
    apart = float(random.choice([0.002, 0.02, 0.1, 0.4]))
    warmer_k = float(random.choice([0.5, 3.0, 15.0]))
    units = [
        unit.model_copy(update={"simulated": Simulated(
            soc=float(np.clip(soc + random.uniform(-apart, apart), 0.02, 0.99)),
            temperature_c=ambient_c + float(random.uniform(0.0, warmer_k)),
            capacity_factor=float(random.uniform(0.85, 1.0)), resistance_factor=float(random.uniform(0.9, 1.4)),
        )})
        for unit in site.units
    ]  # fmt: skip
    start = Start(soc=soc, soc_spread=float(random.uniform(0.0, 0.01)), temperature_c=ambient_c)
    source = Source(load_obeys=bool(random.random() < OBEYS), charger_obeys=bool(random.random() < OBEYS))
    purpose = str(random.choice(["drive", "charge"]))
    victim = int(random.integers(len(units)))
    events: list[Event] = []
    for _ in range(int(random.integers(1, EVENTS_MOST + 1))):
        event = _event(random, site, victim, quiet_s)
        if not _is_taken(event, events):
            events.append(event)
    events.sort(key=lambda event: event.at_s)
    return RandomSite(
        number, site.model_copy(update={"units": units}), quiet_s, start, ambient_c, source,
        Profile(_profile(random, site, quiet_s), False), purpose, tuple(events),
    )  # fmt: skip


def _is_taken(event: Event, events: list[Event]) -> bool:
    """Of two faults in one place the one that ends first would bring back what the other made."""
    places = {(e.unit, e.place) for e in events if isinstance(e, SiteInjection)}
    return isinstance(event, SiteInjection) and (event.unit, event.place) in places


def _profile(random: Any, site: Site, quiet_s: float) -> Any:
    """Currents between what all packs may be discharged and charged with in pulses; nothing at first and at the end."""
    limits = [unit.system.limits for unit in site.units]
    most_a = sum(limit.charge_current_pulse_a for limit in limits)
    least_a = -sum(limit.discharge_current_pulse_a for limit in limits)
    times, amperes = [0.0, float(random.uniform(3.0, 12.0))], [0.0, 0.0]
    while times[-1] < quiet_s:
        amperes[-1] = float(random.choice([
            0.0, random.uniform(0.5 * least_a, 0.5 * most_a), random.uniform(least_a, most_a),
        ]))  # fmt: skip
        times.append(times[-1] + float(random.uniform(1.0, 15.0)))
        amperes.append(0.0)
    times[-1] = quiet_s
    return np.array([times, amperes])


def _event(random: Any, site: Site, victim: int, quiet_s: float) -> Event:
    """One event that has ended when all is quiet. `victim` is the unit that most faults of this scenario hit."""
    at_s = float(random.uniform(FIRST_EVENT_S if random.random() < 0.9 else 0.0, 0.9 * quiet_s))
    left_s = quiet_s - at_s
    for_s = float(min(np.exp(random.uniform(np.log(0.05), np.log(40.0))), left_s))
    n = len(site.units)
    unit: int | str = int(random.integers(n)) if random.random() < 0.5 else victim
    kind = str(random.choice(["fault", "unit", "network", "command"], p=[0.35, 0.25, 0.25, 0.15]))
    if kind == "fault":
        return _fault(random, site, int(unit), at_s, quiet_s)
    if kind == "command":
        return _command(random, int(unit), at_s)
    if kind == "network":
        return _network_trouble(random, n, int(unit), at_s, for_s)
    who = unit if random.random() < 0.6 else SPEAKER
    what = str(random.choice(["kill", "freeze", "restart", "old boot"], p=[0.3, 0.35, 0.2, 0.15]))
    if what == "kill":
        return Trouble(at_s=at_s, for_s=for_s, kill=who)
    if what == "freeze":
        low_s, high_s = np.log(FREEZE_S)
        return Trouble(at_s=at_s, for_s=float(min(np.exp(random.uniform(low_s, high_s)), left_s)), freeze=who)
    if what == "restart":
        return Trouble(at_s=at_s, restart=who)
    return OldBoot(at_s, float(random.uniform(2.5, 5.0)), int(unit))


def _fault(random: Any, site: Site, unit: int, at_s: float, quiet_s: float) -> SiteInjection:
    """A fault of the pack's catalogue, in one pack or, where it concerns what all share, on the bus."""
    drawn = random_fault(random, site.units[unit].system, quiet_s)
    ends_s = quiet_s if drawn.for_s is None else min(at_s + drawn.for_s, quiet_s)
    return SiteInjection(
        at_s=at_s, for_s=ends_s - at_s, unit=None if drawn.name in BUS_FAULTS else unit, name=drawn.name,
        place=drawn.place, value=drawn.value,
    )  # fmt: skip


def _command(random: Any, unit: int, at_s: float) -> SiteCommand:
    """A person, or the EMS, at whatever moment."""
    whom = unit if random.random() < 0.5 else None
    values = random.choice(np.array([
        {"connect": False}, {"connect": True}, {"leave": True}, {"leave": False}, {"acknowledge": True},
        {"purpose": "charge"}, {"purpose": "drive"}, {"connect": False, "acknowledge": True},
    ], dtype=object))  # fmt: skip
    return SiteCommand.model_validate({"at_s": at_s, "unit": whom, **values})


def _network_trouble(random: Any, n: int, unit: int, at_s: float, for_s: float) -> Event:
    what = str(random.choice(["cut", "one way", "loss", "duplicate", "corrupt", "delay", "drift"]))
    whom = unit if random.random() < 0.5 else None
    some = tuple(k for k in range(n) if random.random() < 0.5) or (unit,)
    share = float(random.choice([0.05, 0.3, 1.0]) * random.uniform(0.5, 1.0))
    if what == "cut":
        sides = [[k for k in range(n) if k % 3 == side] for side in range(min(n, 3))]
        three = random.random() < 0.2
        return Trouble.model_validate({"at_s": at_s, "for_s": for_s, "cut": sides if three else [list(some)]})
    if what == "one way":
        hearers = tuple(k for k in range(n) if k not in some) or tuple(range(n))
        return OneWay(at_s, for_s, some, hearers)
    if what == "delay":
        low_s, high_s = np.log(DELAY_S)
        return Trouble(at_s=at_s, for_s=for_s, unit=whom, delay_s=float(np.exp(random.uniform(low_s, high_s))))
    if what == "drift":
        return Trouble(at_s=at_s, for_s=for_s, unit=unit, drift_ppm=float(random.uniform(-1.0, 1.0) * OWN_DRIFT_PPM))
    return Trouble.model_validate({"at_s": at_s, "for_s": for_s, "unit": whom, what: share})


def cells_of(site: Site) -> int:
    """Cells of all packs."""
    return sum(system_size(unit.system).cells for unit in site.units)
