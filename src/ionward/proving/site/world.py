"""A site ready to run: units with their packs, the bus and the network, and what can be done to them between cycles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ionward.battery.site import Site, site_digest
from ionward.battery.system import System
from ionward.control.bms import Bms, output_size
from ionward.control.site import new_site_wish, pack_setup, release_us
from ionward.image.build import build_parameters, system_size
from ionward.image.inputs import new_command, new_raw
from ionward.image.masks import Moment, with_masks
from ionward.peers.message import software_digest
from ionward.peers.unit import OWN_RECORD, PeerState, new_state
from ionward.proving.closed_loop import CHANGE, CHANGES_MAX
from ionward.proving.load_profile import Profile
from ionward.proving.site.loop import HEARD, LIFE, NOBODY, SITE, SPEECH, SPEECHES_MAX, Unit, World, clock_us
from ionward.proving.site.network import DELAY_S, JITTER_S, WAY, Network, new_network
from ionward.proving.watch import TRUTH, new_watches
from ionward.runtime.enables import default_expiry_s
from ionward.twin.build import Start, build_plant
from ionward.twin.plant import Plant
from ionward.twin.rows import SET, STATE
from ionward.twin.site_bus import SiteBus, build_site_bus

CLOCKS_MOST_US = 10**9  # a clock may have any time when the site begins
CLOCK_PPM = 100  # … and clocks of small computers differ in speed by less than this
UNITS_MOST = 64


class SiteWorld:
    """Units `0..n-1` of a site in simulated time, and `world`, what they have in common."""

    def __init__(
        self, site: Site, start: Start, ambient_c: float, profile: Profile, seed: int, chunk: int,
        watched: list[int], watches: int, delay_most_s: float = DELAY_S, began: Moment | None = None,
    ) -> None:  # fmt: skip
        """Build it all.

        Args:
            site: as described.
            start: start state of all packs, but for what `[unit.simulated]` says.
            ambient_c: ambient temperature.
            profile: of load and charger.
            seed: of every cell, sensor, clock and message.
            chunk: most cycles that are run at once.
            watched: number of watches of each unit.
            watches: of the site.
            delay_most_s: longest delay of a message that will ever be asked for.
            began: when the run is taken to begin: masks hold from then on.
        """
        self.site = site
        self.cycle_s = site.units[0].system.cycle.period_s
        random = np.random.default_rng([seed, len(site.units)])
        n = len(site.units)
        self.boots = [1] * n
        life = np.zeros((len(LIFE), n), np.int64)
        life[LIFE.runs] = 1
        life[LIFE.clock_us] = random.integers(CLOCKS_MOST_US, size=n)
        life[LIFE.drift_ppb] = random.integers(-1000 * CLOCK_PPM, 1000 * CLOCK_PPM + 1, size=n)
        life[LIFE.expiry_us] = [
            round(1e6 * (u.system.cycle.enable_expiry_s or default_expiry_s(self.cycle_s))) for u in site.units
        ]
        plants = [
            build_plant(unit.system, own_start(start, unit.simulated), UNITS_MOST * seed + k, ambient_c)
            for k, unit in enumerate(site.units)
        ]
        cables = [unit.cable_ohm for unit in site.units]
        bus = build_site_bus(plants, cables, site.bus.capacitance_f, profile.points, start.bus_voltage_v)
        bus.settings[SET.load_is_power] = profile.is_power
        heard, speeches = np.zeros(len(HEARD)), np.full((len(SPEECH), SPEECHES_MAX), float(NOBODY))
        heard[[HEARD.at_us, HEARD.speaker]] = -np.inf, NOBODY
        network = new_network(n, seed, self.cycle_s, delay_most_s)
        self.world = World(bus, network, life, np.arange(n), heard, np.zeros(len(SITE)), new_watches(watches), speeches)
        self.units = [self._unit(k, plants[k], chunk, watched[k], began) for k in range(n)]

    def _unit(self, k: int, plant: Plant, chunk: int, watches: int, began: Moment | None) -> Unit:
        system = self.site.units[k].system
        size = system_size(system)
        bms = Bms(with_masks(build_parameters(system), system.masks, began), size)
        changes = np.zeros((len(CHANGE), CHANGES_MAX))
        changes[CHANGE.state] = -1.0
        return Unit(
            plant=plant, raw=new_raw(size.cells, size.sensors), command=new_command(), parameters=bms.parameters,
            image=bms.image, memory=bms.memory, numbers=bms.image.scalars.view(np.float64),
            counts=bms.image.scalars.view(np.int64), truth=np.zeros(len(TRUTH)), watches=new_watches(watches),
            changes=changes, words=np.zeros((chunk, output_size(size))), peers=self._peers(k),
            own=np.zeros(1, OWN_RECORD), wish=new_site_wish(),
        )  # fmt: skip

    @property
    def bus(self) -> SiteBus:
        """What the packs hang on."""
        return self.world.bus

    @property
    def network(self) -> Network:
        """What the units talk over."""
        return self.world.network

    @property
    def now_us(self) -> int:
        """Simulated time."""
        return round(1e6 * float(self.bus.state[STATE.time_s]))

    @property
    def speaker(self) -> int:
        """Number of the unit that load and charger hear; -1 nobody."""
        return int(self.world.heard[HEARD.speaker])

    def bus_as_plant(self) -> Plant:
        """Load, charger and bus as the plant that faults are injected into."""
        return self.units[0].plant._replace(
            settings=self.bus.settings, state=self.bus.state, outputs=self.bus.outputs, profile=self.bus.profile
        )

    def _peers(self, k: int) -> PeerState:
        site, own = self.site, self.site.units[k]
        peers = site.peers
        return new_state(
            k, len(site.units), self.boots[k], clock_us(self.world.life, k, self.now_us),
            site=site_digest(site), software=software_digest(), weights=[u.weight for u in site.units],
            period_us=round(1e6 * peers.period_s), deadline_us=round(1e6 * peers.deadline_s),
            lease_us=round(1e6 * peers.lease_s), margin=peers.margin, join_share=peers.join_share,
            fallback_share=peers.fallback_share, rise_a_per_s=peers.rise_a_per_s,
            join_timeout_us=round(1e6 * peers.join_timeout_s), bring_together=peers.bring_together,
            release_us=release_us(u.system for u in site.units), **pack_setup(own.system, own.cable_ohm),
        )  # fmt: skip

    def kill(self, k: int) -> None:
        """The unit is gone. Its coils fall off when its enable expires."""
        self.world.life[LIFE.runs, k] = 0

    def start(self, k: int) -> None:
        """Start a unit anew: it has forgotten everything, and what it was told to do."""
        unit, life = self.units[k], self.world.life
        self.boots[k] += 1
        bms = Bms(unit.parameters, system_size(self.site.units[k].system))
        for old, new in ((unit.image, bms.image), (unit.memory, bms.memory), (unit.peers, self._peers(k)),
                         (unit.command, new_command()), (unit.own, np.zeros(1, OWN_RECORD)),
                         (unit.wish, new_site_wish())):  # fmt: skip
            for mine, fresh in zip(_arrays(old), _arrays(new), strict=True):
                mine[...] = fresh
        life[LIFE.acknowledged, k] = 0
        life[LIFE.runs, k] = 1

    def freeze(self, k: int, seconds: float) -> None:
        """The unit stands still."""
        self.world.life[LIFE.frozen_until_us, k] = self.now_us + round(1e6 * seconds)

    def drift(self, k: int, ppm: float) -> None:
        """Another speed of a unit's clock, which goes on from where it is."""
        life = self.world.life
        before_us = clock_us(life, k, self.now_us)
        life[LIFE.drift_ppb, k] = round(1000 * ppm)
        life[LIFE.clock_us, k] += before_us - clock_us(life, k, self.now_us)

    def cut(self, sides: list[set[int]]) -> None:
        """Units of different sides do not hear each other; those in none are one more side."""
        side = {k: number for number, members in enumerate(sides) for k in members}
        units = range(len(self.units))
        self.network.ways[WAY.cut] = [[side.get(a) != side.get(b) for b in units] for a in units]

    def spoil(self, what: str, share: float, k: int | None) -> None:
        """Lose, double or break a share of the messages; of one unit's alone, where it is named."""
        self._set_ways(getattr(WAY, what), share, k)

    def delay(self, seconds: float | None, k: int | None) -> None:
        """Messages take between nothing and so long; None: as at first."""
        self._set_ways(WAY.delay_us, 1e6 * DELAY_S if seconds is None else 0.0, k)
        self._set_ways(WAY.jitter_us, 1e6 * (JITTER_S if seconds is None else seconds), k)

    def _set_ways(self, row: int, value: float, k: int | None) -> None:
        ways = self.network.ways[row]
        if k is None:
            ways[...] = value
        else:
            ways[k, :] = ways[:, k] = value


def own_start(start: Start, simulated: Any) -> Start:
    """The start state of one pack."""
    update = {
        "capacity_factor": start.capacity_factor * simulated.capacity_factor,
        "resistance_factor": start.resistance_factor * simulated.resistance_factor,
    }
    for name in ("soc", "temperature_c"):
        if getattr(simulated, name) is not None:
            update[name] = getattr(simulated, name)
    return start.model_copy(update=update)


def capacity_ah(systems: list[System]) -> float:
    """Of the packs together."""
    return sum(system.topology.capacity_ah for system in systems)


def _arrays(values: Any) -> Iterator[Any]:
    """The arrays of nested tuples, in order."""
    if isinstance(values, tuple):
        for value in values:
            yield from _arrays(value)
    else:
        yield values
