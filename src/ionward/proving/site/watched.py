"""One random scenario of a site, watched: what happens between cycles, what is told of it, and what did not hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ionward.battery.site import Site
from ionward.control.entry import tick_address
from ionward.image.signals import (
    HOLD_BUS_FROZEN,
    HOLD_BUS_LIVE,
    HOLD_PEERS,
    LEVEL_FAULT,
    SEQUENCE_REASONS,
    STATE_STANDBY,
    STATES,
)
from ionward.proving.events import EventReader
from ionward.proving.prove.bounds import watchdog
from ionward.proving.prove.invariants import BOUND, FOUND, PAST
from ionward.proving.simulation import fault_words
from ionward.proving.site.actions import Action, actions_of, command_words, trouble_words
from ionward.proving.site.invariants import (
    FOLLOW_S,
    FOLLOW_TROUBLED_S,
    NOW,
    SITE_INVARIANT,
    found_on_site,
    new_site_dog,
    run_watched,
)
from ionward.proving.site.loop import LIFE
from ionward.proving.site.network import DELAY_S, WAY
from ionward.proving.site.random_site import Event, OldBoot, OneWay, RandomSite
from ionward.proving.site.scenario import NETWORK_TROUBLES, SiteCommand, SiteInjection, Trouble
from ionward.proving.site.table import Table
from ionward.proving.site.world import SiteWorld
from ionward.twin.rows import KON, SENSE, SET, STATE
from ionward.twin.site_bus import LEG

Tell = Callable[[float, str], None]
# After the network is whole again peers compare clocks, elect and hear each other anew.
RECOVERS_S = 1.0
# A pack counts as matching the bus well within what would let it join, so that sensors' tolerance is no matter.
MATCH_SHARE = 0.4
# Who is left out has been waiting for so many seconds at the end: a bus that comes to match with the last pack that
# joined leaves the next one its turn, and one whose try failed its rest (`peers.turns`).
LEFT_OUT_S = 8


def event_words(site: Site, event: Event) -> str:
    """An event as a person reads it."""
    names = [unit.name for unit in site.units]
    whom: int | str | None = None
    if isinstance(event, OneWay):
        way = [", ".join(names[k] for k in side) for side in (event.senders, event.hearers)]
        words = f"messages of {way[0]} do not reach {way[1]}"
    elif isinstance(event, OldBoot):
        whom, words = event.unit, f"is gone for {event.after_s:.1f} s and counts its starts anew"
    elif isinstance(event, SiteCommand):
        whom, words = "all" if event.unit is None else event.unit, command_words(event)
    elif isinstance(event, SiteInjection):
        whom, words = event.unit, fault_words(event)
    else:
        whom, words = _hit(event), trouble_words(event, names)
    who = "" if whom is None else f"{names[whom] if isinstance(whom, int) else whom}: "
    for_s = getattr(event, "for_s", None)
    lasts = f" for {for_s:.2f} s" if for_s is not None else ""
    return f"{who}{words} at {event.at_s:.2f} s{'' if ' for ' in words else lasts}"


def _hit(trouble: Trouble) -> int | str | None:
    kind = trouble.kinds[0]
    return getattr(trouble, kind) if kind in ("kill", "restart", "freeze") else trouble.unit


class SiteRun:
    """One scenario of a site, some of its events left out. `run` it once."""

    def __init__(self, scenario: RandomSite, seed: int, keep: Sequence[int]) -> None:
        self.scenario, site = scenario, scenario.site
        n = len(site.units)
        self.names = [unit.name for unit in site.units]
        self.kept = [scenario.events[k] for k in keep]
        delays = [e.delay_s for e in self.kept if isinstance(e, Trouble) and e.delay_s is not None]
        self.sim = SiteWorld(
            site, scenario.start, scenario.ambient_c, scenario.profile, seed * 1_000_003 + scenario.number, 1, [0] * n,
            0, max([DELAY_S, *delays]),
        )  # fmt: skip
        settings, source = self.sim.bus.settings, scenario.source
        settings[SET.load_obeys], settings[SET.charger_obeys] = source.load_obeys, source.charger_obeys
        self.dogs = [watchdog(unit.system) for unit in site.units]
        self.site_dog = new_site_dog(site, scenario.quiet_s)
        self._units, self._dogs = Table(self.sim.units), Table(self.dogs)
        self.cycle_s = self.sim.cycle_s
        self.ticks = max(1, self.tick_at(scenario.duration_s))
        self._readers = [EventReader() for _ in site.units]
        self._seen: list[tuple[str, bool]] = [("", False)] * n
        self._speaker = -1
        self._waited_s = [0] * n
        actions = [*actions_of(self.sim, scenario.scenario(list(keep)), self.tick_at), *self._more()]
        self.actions = sorted(actions, key=lambda action: action.tick)

    def tick_at(self, time_s: float) -> int:
        """The first cycle at or after a time."""
        return int(np.ceil(time_s / self.cycle_s - 1e-6))

    def _more(self) -> list[Action]:
        """What scenario files do not know: one-way cuts, lost memories, and how fast the outside has to follow."""
        at, out = self.tick_at, [Action(self.tick_at(self.scenario.quiet_s), "all is healed", self._heal)]
        for event in self.kept:
            if isinstance(event, OneWay):
                words = event_words(self.scenario.site, event)
                out.append(Action(at(event.at_s), words, self._one_way(event, 1.0)))
                out.append(Action(at(event.at_s + event.for_s), f"{words} ends", self._one_way(event, 0.0)))
            if isinstance(event, OldBoot):
                back_s = min(event.at_s + event.after_s, self.scenario.quiet_s)
                out.append(Action(at(event.at_s), "its unit is gone", self._killer(event.unit)))
                out.append(Action(at(back_s), "is started, and counts its starts anew", self._starter(event.unit)))
        out += [Action(self.ticks - at(second), "", self._count_waiting) for second in range(1, LEFT_OUT_S + 1)]
        for from_s, until_s in self._troubled():
            out += [Action(at(from_s), "", self._follow), Action(at(until_s) + 1, "", self._follow)]
        return out

    def _one_way(self, event: OneWay, cut: float) -> Callable[[], str]:
        def do() -> str:
            for a in event.senders:
                for b in event.hearers:
                    self.sim.network.ways[WAY.cut, a, b] = cut if a != b else 0.0
            return ""

        return do

    def _killer(self, k: int) -> Callable[[], str]:
        def do() -> str:
            self.sim.kill(k)
            return self.names[k]

        return do

    def _starter(self, k: int) -> Callable[[], str]:
        def do() -> str:
            self.sim.boots[k] = 0
            self.sim.start(k)
            self._forget(k)
            return self.names[k]

        return do

    def _heal(self) -> str:
        """The network is whole, clocks run evenly, every unit runs, load and charger keep to limits."""
        sim = self.sim
        sim.cut([])
        for what in ("loss", "duplicate", "corrupt"):
            sim.spoil(what, 0.0, None)
        sim.delay(None, None)
        for k in range(len(self.names)):
            if not sim.world.life[LIFE.runs, k]:
                sim.start(k)
                self._forget(k)
        sim.bus.settings[[SET.load_obeys, SET.charger_obeys]] = 1.0
        return ""

    def _troubled(self) -> list[tuple[float, float]]:
        """When the network is troubled, and recovers from it."""
        return [
            (e.at_s, e.at_s + (e.for_s or 0.0) + RECOVERS_S)
            for e in self.kept
            if isinstance(e, OneWay) or (isinstance(e, Trouble) and e.kinds[0] in NETWORK_TROUBLES)
        ]

    def _follow(self) -> str:
        time_s = float(self.sim.bus.state[STATE.time_s])
        troubled = any(from_s - self.cycle_s <= time_s <= until_s for from_s, until_s in self._troubled())
        follow_s = FOLLOW_TROUBLED_S if troubled else FOLLOW_S
        self.site_dog.now[NOW.follow_ticks] = np.ceil(follow_s / self.cycle_s)
        return ""

    def _forget(self, k: int) -> None:
        """A unit that is started anew has no latches: the watchdog of its pack begins anew with them."""
        dog = self.dogs[k]
        dog.latched[:] = 0.0
        dog.past[[PAST.acknowledge_count, PAST.driven, PAST.charge_driven, PAST.discharge_driven, PAST.fired]] = 0.0

    def run(self, tell: Tell | None = None) -> None:
        """To the end; `tell` hears of everything that happens."""
        done = 0
        for action in [*self.actions, Action(self.ticks, "", lambda: "")]:
            if action.tick > self.ticks:
                break
            self._advance(action.tick - done, tell)
            done = action.tick
            boots = list(self.sim.boots)
            who = action.do()
            for k, reader in enumerate(self._readers):
                if self.sim.boots[k] != boots[k]:
                    self._forget(k)
                    reader.started(self.sim.boots[k])
            if tell is not None and action.words:
                tell(done * self.cycle_s, f"{who}: {action.words}" if who else action.words)
        self._judge_end()

    def _advance(self, ticks: int, tell: Tell | None) -> None:
        sim, address = self.sim, tick_address()
        step = ticks if tell is None else 1
        for _ in range(ticks if tell is not None else 1):
            run_watched(
                address, self._units.places, sim.units[0], sim.world, self._dogs.places, self.dogs[0], self.site_dog,
                step,
            )  # fmt: skip
            if tell is not None:
                self._tell(tell)

    def _tell(self, tell: Tell) -> None:
        """Tell what has changed in this cycle."""
        time_s = float(self.sim.bus.state[STATE.time_s])
        if self.sim.speaker != self._speaker:
            self._speaker = self.sim.speaker
            tell(time_s, f"{self.names[self._speaker]} speaks" if self._speaker >= 0 else "nobody speaks")
        for k, unit in enumerate(self.sim.units):
            for event in self._readers[k].read(unit.image):
                tell(time_s, f"{self.names[k]}: {event['level']}: {event['text']}")
            s = unit.image.scalars[0]
            state, closed = STATES[int(s["state"])], bool(unit.plant.contactors[KON.closed, :2].min())
            if (state, closed) != self._seen[k]:
                self._seen[k] = (state, closed)
                reason = SEQUENCE_REASONS[int(s["state_reason"])]
                words = f"{state}{f' ({reason})' if reason else ''}, contacts {'closed' if closed else 'open'}"
                tell(time_s, f"{self.names[k]}: {words}")

    def _judge_end(self) -> None:
        """Who was left out in the last seconds of the quiet time, and is so at its end."""
        closed = self._closed()
        for k, waited_s in enumerate(self._waited_s):
            if waited_s == LEFT_OUT_S and self._is_left_out(k, closed):
                column = self.site_dog.found[:, SITE_INVARIANT.left_out]
                if np.isnan(column[FOUND.time_s]):
                    column[FOUND.time_s] = self.ticks * self.cycle_s
                    column[FOUND.place], column[FOUND.value] = k, float(sum(closed))
                return

    def _count_waiting(self) -> str:
        """Once in each of the last seconds."""
        closed = self._closed()
        for k in range(len(self.names)):
            self._waited_s[k] = self._waited_s[k] + 1 if self._is_left_out(k, closed) else 0
        return ""

    def _closed(self) -> list[bool]:
        return [bool(unit.plant.contactors[KON.closed, :2].min()) for unit in self.sim.units]

    def _is_left_out(self, k: int, closed: list[bool]) -> bool:
        """It is well, matches the bus and is not connected.

        Where nobody is on the bus, one that is well has to be: the first precharges it. But what is left on a bus above
        the pack's voltage has to drain away first.
        """
        return not closed[k] and self._is_well(k) and (self._matches(k) if any(closed) else self._is_below(k))

    def _is_well(self, k: int) -> bool:
        """Nothing in the pack or its unit is in its own way: no fault stands or is latched, nothing is broken, it does
        not try just now, and it waits for the site or for the bus."""
        unit, life = self.sim.units[k], self.sim.world.life
        s, plant = unit.image.scalars[0], unit.plant
        if s["fault_level"] >= LEVEL_FAULT or s["latched_faults"] > 0 or s["state"] != STATE_STANDBY:
            return False
        waits = s["state_reason"] >= HOLD_PEERS or s["state_reason"] in (HOLD_BUS_LIVE, HOLD_BUS_FROZEN)
        sensors = (plant.channel_sensors, plant.cell_sensors, plant.temperature_sensors)
        whole = plant.state[STATE.fuse_blown] == 0.0 and plant.state[STATE.pyrofuse_fired] == 0.0
        switches = not plant.contactors[[KON.welded, KON.stuck]].any()
        unhurt = whole and switches and not any(block[SENSE.fault].any() for block in sensors)
        return bool(waits and unhurt and life[LIFE.runs, k] == 1 and life[LIFE.tripped, k] == 0)

    def _is_below(self, k: int) -> bool:
        """What is left on the bus is below the pack's voltage."""
        return bool(self.sim.bus.state[STATE.bus_voltage_v] < self.sim.units[k].plant.state[STATE.emf_v])

    def _matches(self, k: int) -> bool:
        """By true voltage and resistance it could join well within its limits and what its sensors have to show."""
        legs, unit = self.sim.bus.legs, self.sim.units[k]
        bus_v = float(self.sim.bus.state[STATE.bus_voltage_v])
        apart_v = bus_v - float(unit.plant.state[STATE.emf_v])
        s = unit.image.scalars[0]
        limit_a = s["charge_limit_a"] if apart_v > 0.0 else s["discharge_limit_a"]
        most_a = MATCH_SHARE * self.scenario.site.peers.join_share * float(limit_a)
        small = abs(apart_v) / float(legs[LEG.ohm, k]) <= most_a
        return bool(small and abs(apart_v) <= MATCH_SHARE * float(self.dogs[k].bounds[BOUND.match_v]))

    def found(self) -> dict[str, tuple[float, int, float]]:
        """Invariants that did not hold: time, unit, value."""
        return found_on_site(self.site_dog, self.dogs)
