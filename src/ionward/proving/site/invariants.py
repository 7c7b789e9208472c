"""What must never happen on a site, whatever fails: checked after every cycle, by the truth of the simulated packs.

For each pack those of `proving.prove.invariants`, on its own battery and image. For the site what only several packs on
one bus can do wrong. A violation is noted once for each invariant, with its time, unit and value; the run goes on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ionward._compile import njit
from ionward.battery.site import Site
from ionward.image.catalogue import Signal, rows
from ionward.peers.share import allowed
from ionward.proving.prove.invariants import (
    FOUND,
    INVARIANT,
    INVARIANT_SIGNALS,
    PAST,
    Watchdog,
    cannot_open,
    check_latches,
    check_limits,
    check_pyrofuse,
    check_switching,
    check_values,
)
from ionward.proving.prove.quantities import WAY_ANY
from ionward.proving.site.loop import HEARD, LIFE, SITE, Unit, World, run_site
from ionward.proving.site.table import at
from ionward.twin.path import is_whole
from ionward.twin.plant import Plant
from ionward.twin.rows import KON, MAIN_NEGATIVE, MAIN_POSITIVE, OUT, PRECHARGE, SET, STATE
from ionward.twin.site_bus import LEG

Array = npt.NDArray[np.float64]

SITE_INVARIANT_SIGNALS = (
    Signal("two_speakers", "", "two units would speak for the site at one moment"),
    Signal("term_shared", "", "two units spoke with one term"),
    Signal("two_closing", "", "two packs closed onto the bus at one moment"),
    Signal("mismatched_joining", "A", "a pack joined with a current beyond a pulse rating"),
    Signal("limit_above_law", "A", "the outside was told a limit above what the circuit law allows"),
    Signal("nobody_speaks", "s", "nobody spoke for the site although all was well again"),
    Signal("left_out", "", "a pack that is well and matches the bus was not connected although all was well again"),
)
SITE_INVARIANT = rows("SiteInvariants", SITE_INVARIANT_SIGNALS)
# Words and unit of every invariant that a campaign of a site can find broken.
MEANINGS = {signal.name: signal for signal in (*INVARIANT_SIGNALS, *SITE_INVARIANT_SIGNALS)}
# Of a pack alone; on a site what a mismatch does is judged by the current (`mismatched_joining`).
NOT_OF_SITES = ("mismatched_closing",)

# The outside has to follow within this: the promise of the peers after a loss. Where the network itself is troubled it
# is what load and charger wait before they stop by themselves (`loop.SILENCE_US`), and this on top.
FOLLOW_S = 0.1
FOLLOW_TROUBLED_S = 0.6
# From then on somebody speaks: units that were started anew keep silent for a lease and a release, and stand again
# after some more where votes were split.
SPEAK_WITHIN_S = 3.0
# Figures travel in single precision and are told once in 20 ms.
TOLERANCE_A = 1.0

JOIN = rows(
    "Join",
    (
        Signal("main_closed", "", "Both main contacts were closed at the cycle before"),
        Signal("charge_pulse_a", "A", "Pulse rating"),
        Signal("discharge_pulse_a", "A", "Pulse rating"),
        Signal("welded", "", "A main contact was welded before"),
        Signal("heard", "", "It stepped in this cycle"),
    ),
)
NOW = rows(
    "Now",
    (
        Signal("term", "", "Highest term that was spoken with"),
        Signal("speaker", "", "By whom"),
        Signal("follow_ticks", "", "Cycles within which the outside has to follow"),
        Signal("quiet_s", "s", "From then on all is well again"),
        Signal("tick", "", "Cycles so far"),
        Signal("mute_ticks", "", "Cycles of late in which nobody could have told the outside anything"),
        Signal("told_ticks", "", "Cycles since the last of those"),
    ),
)


class SiteDog(NamedTuple):
    """`found` `[FOUND, SITE_INVARIANT]`; `packs` `[JOIN, unit]`; `now` `[NOW]`; `laws` `[2, cycle]`: what charge and
    discharge the circuit law allowed in the last cycles, around and around."""

    found: Array
    packs: Array
    now: Array
    laws: Array


def new_site_dog(site: Site, quiet_s: float = math.inf) -> SiteDog:
    """Nothing found yet. From `quiet_s` on all is well again."""
    packs = np.zeros((len(JOIN), len(site.units)))
    packs[JOIN.charge_pulse_a] = [unit.system.limits.charge_current_pulse_a for unit in site.units]
    packs[JOIN.discharge_pulse_a] = [unit.system.limits.discharge_current_pulse_a for unit in site.units]
    now = np.zeros(len(NOW))
    now[NOW.speaker], now[NOW.term], now[NOW.quiet_s] = -1.0, -1.0, quiet_s
    cycle_s = site.units[0].system.cycle.period_s
    now[NOW.follow_ticks] = math.ceil(FOLLOW_S / cycle_s)
    laws = np.zeros((2, math.ceil(FOLLOW_TROUBLED_S / cycle_s) + 1))
    return SiteDog(np.full((len(FOUND), len(SITE_INVARIANT)), np.nan), packs, now, laws)


def found_on_site(site_dog: SiteDog, dogs: Sequence[Watchdog]) -> dict[str, tuple[float, int, float]]:
    """Invariants that did not hold: time, unit (-1: none of them alone) and value; of each pack's the first."""
    out: dict[str, tuple[float, int, float]] = {}
    for number, dog in enumerate(dogs):
        for k in np.flatnonzero(~np.isnan(dog.found[FOUND.time_s])).tolist():
            name, time_s = INVARIANT._fields[k], round(float(dog.found[FOUND.time_s, k]), 6)
            if name not in NOT_OF_SITES and (name not in out or time_s < out[name][0]):
                out[name] = (time_s, number, float(dog.found[FOUND.value, k]))
    for k in np.flatnonzero(~np.isnan(site_dog.found[FOUND.time_s])).tolist():
        time_s, unit, value = site_dog.found[[FOUND.time_s, FOUND.place, FOUND.value], k]
        out[SITE_INVARIANT._fields[k]] = (round(float(time_s), 6), int(unit), float(value))
    return out


@njit
def run_watched(
    address: int, places: Any, like: Unit, world: World, dog_places: Any, dog_like: Watchdog, site_dog: SiteDog,
    ticks: int,
) -> None:  # fmt: skip
    """Run some cycles, with every invariant checked after each of them.

    Args:
        address, places, like, world, ticks: as `loop.run_site`.
        dog_places: of the table of the packs' watchdogs.
        dog_like: any one of them.
        site_dog: of the site.
    """
    life = world.life
    for _ in range(ticks):
        begin_us = int(world.bus.state[STATE.time_s] * 1e6 + 0.5)
        run_site(address, places, like, world, 1)
        for u in range(world.order.shape[0]):
            stepped = life[LIFE.runs, u] == 1 and life[LIFE.ticked_us, u] >= begin_us
            site_dog.packs[JOIN.heard, u] = 1.0 if stepped else 0.0
            check_unit(at(dog_places, u, dog_like), at(places, u, like), stepped, life[LIFE.tripped, u] == 1)
        check_site(places, like, world, site_dog)


@njit
def check_unit(dog: Watchdog, unit: Unit, stepped: bool, tripped: bool) -> None:
    """One pack's own invariants.

    What is judged on the image is judged when the unit steps: one that is gone or stands still publishes nothing.
    Excused beside what the pack's campaign excuses: what a driver breaks whose unit does not step (it opens without
    looking, which is what it is for), and cells behind contacts that are welded at both poles while the unit that would
    have to fire the pyrofuse is gone.
    """
    plant, found = unit.plant, dog.found
    time_s = plant.state[STATE.time_s]
    past_s = dog.past[PAST.time_s]
    dt_s = time_s - past_s if past_s == past_s else 0.0
    dog.past[PAST.time_s] = time_s
    if stepped or not stays_closed(plant):
        check_values(dog, plant, dt_s, time_s)
    unbroken = found[FOUND.time_s, INVARIANT.broken_above_capability]
    check_switching(dog, plant, dt_s, time_s)
    if unbroken != unbroken and (tripped or not stepped):
        found[FOUND.time_s, INVARIANT.broken_above_capability] = np.nan
    if stepped:
        check_pyrofuse(dog, plant, unit.image, time_s)
        check_limits(dog, unit.image, time_s)
        check_latches(dog, unit.image, unit.command, plant.settings[SET.one_way] > 0.0, time_s)


@njit
def stays_closed(plant: Plant) -> bool:
    """Welded so that only the pyrofuse is left, if that."""
    welded = plant.contactors[KON.welded]
    positive = welded[MAIN_POSITIVE] > 0.0 or welded[PRECHARGE] > 0.0
    return bool(cannot_open(plant, WAY_ANY) or (positive and welded[MAIN_NEGATIVE] > 0.0))


@njit
def note_site(dog: SiteDog, invariant: int, time_s: float, unit: float, value: float) -> None:
    """Note the first violation of an invariant."""
    if dog.found[FOUND.time_s, invariant] != dog.found[FOUND.time_s, invariant]:
        dog.found[FOUND.time_s, invariant] = time_s
        dog.found[FOUND.place, invariant] = unit
        dog.found[FOUND.value, invariant] = value


@njit
def check_site(places: Any, like: Unit, world: World, dog: SiteDog) -> None:
    """Check every invariant of the site once, after a cycle and what it did to packs and bus."""
    time_s = world.bus.state[STATE.time_s]
    check_roles(world, dog, time_s)
    check_joining(places, like, world, dog, time_s)
    check_law(places, like, world, dog, time_s)
    dog.now[NOW.tick] += 1.0


@njit
def check_roles(world: World, dog: SiteDog, time_s: float) -> None:
    """One speaks, one closes; each term has one owner; and when all is well again, somebody speaks.

    Nothing is excused: votes of more than half of all weight can be had by one unit at a time, whatever network, clocks
    within their margin, and units that stand still or are started anew do. A unit counts as speaking when a frame that
    it would send now would be sent; as closing while its coils are driven on the way to being connected.
    """
    facts, heard, now = world.facts, world.heard, dog.now
    if facts[SITE.speakers] > 1.0:
        note_site(dog, SITE_INVARIANT.two_speakers, time_s, -1.0, facts[SITE.speakers])
    if facts[SITE.closing] > 1.0:
        note_site(dog, SITE_INVARIANT.two_closing, time_s, -1.0, facts[SITE.closing])
    if heard[HEARD.speaker] >= 0.0:
        if heard[HEARD.term] == now[NOW.term] and heard[HEARD.speaker] != now[NOW.speaker]:
            note_site(dog, SITE_INVARIANT.term_shared, time_s, heard[HEARD.speaker], heard[HEARD.term])
        now[NOW.term], now[NOW.speaker] = heard[HEARD.term], heard[HEARD.speaker]
    elif time_s > now[NOW.quiet_s] + SPEAK_WITHIN_S:
        note_site(dog, SITE_INVARIANT.nobody_speaks, time_s, -1.0, time_s - now[NOW.quiet_s])


@njit
def main_closed(plant: Plant) -> bool:
    """Both main contacts are closed."""
    closed = plant.contactors[KON.closed]
    return bool(closed[MAIN_POSITIVE] > 0.0 and closed[MAIN_NEGATIVE] > 0.0)


@njit
def check_joining(places: Any, like: Unit, world: World, dog: SiteDog, time_s: float) -> None:
    """A pack that has just closed carries no more than its pulse rating, and drives no other beyond theirs.

    Judged by the true voltages behind the true resistances at the step in which it closed: the current at which the
    circuit settles with it, within some time constants of the capacitors (below a millisecond). Another pack counts
    when it is beyond its rating and carries more than without the new one: what load and charger do is not judged here.

    Excused is what its unit did not do: a contact that chatters, or is welded; a fuse that is open, so that nothing is
    joined. A bus that no other pack holds is not judged here: what is left after precharge flows for less than a
    millisecond, and the pack's own campaign judges it.
    """
    legs, packs = world.bus.legs, dog.packs
    for u in range(legs.shape[1]):
        plant = at(places, u, like).plant
        closed = main_closed(plant)
        welded = plant.contactors[KON.welded, MAIN_POSITIVE] + plant.contactors[KON.welded, MAIN_NEGATIVE] > 0.0
        chatters = plant.contactors[KON.chatters_s, MAIN_POSITIVE] + plant.contactors[KON.chatters_s, MAIN_NEGATIVE]
        by_itself = welded or packs[JOIN.welded, u] > 0.0 or chatters > 0.0 or not is_whole(plant.state)
        if closed and packs[JOIN.main_closed, u] == 0.0 and not by_itself:
            judge_joining(world, dog, u, time_s)
        packs[JOIN.main_closed, u] = 1.0 if closed else 0.0
        packs[JOIN.welded, u] = 1.0 if welded else 0.0


@njit
def judge_joining(world: World, dog: SiteDog, u: int, time_s: float) -> None:
    """The currents with pack `u` on the bus, against all pulse ratings."""
    legs, source_a = world.bus.legs, world.bus.state[STATE.source_a]
    siemens, weighted = of_bus(legs, u)
    own_s, own_v = 1.0 / legs[LEG.ohm, u], legs[LEG.emf_v, u]
    if siemens == 0.0:
        return
    settled_v = (weighted + own_v * own_s + source_a) / (siemens + own_s)
    settled_a = (settled_v - own_v) * own_s
    if beyond(dog.packs, u, settled_a):
        note_site(dog, SITE_INVARIANT.mismatched_joining, time_s, u, settled_a)
    before_v = (weighted + source_a) / siemens
    for j in range(legs.shape[1]):
        if j != u and legs[LEG.conducts, j] > 0.0:
            current_a = (settled_v - legs[LEG.emf_v, j]) / legs[LEG.ohm, j]
            before_a = (before_v - legs[LEG.emf_v, j]) / legs[LEG.ohm, j]
            if beyond(dog.packs, j, current_a) and abs(current_a) > abs(before_a) + TOLERANCE_A:
                note_site(dog, SITE_INVARIANT.mismatched_joining, time_s, j, current_a)


@njit
def of_bus(legs: Array, without: int) -> tuple[float, float]:
    """Sum of 1/R and of e/R of all that conduct but one."""
    siemens = weighted = 0.0
    for k in range(legs.shape[1]):
        if k != without and legs[LEG.conducts, k] > 0.0:
            siemens += 1.0 / legs[LEG.ohm, k]
            weighted += legs[LEG.emf_v, k] / legs[LEG.ohm, k]
    return siemens, weighted


@njit
def beyond(packs: Array, u: int, current_a: float) -> bool:
    """More than the pack's pulse rating for this direction."""
    return bool(current_a > packs[JOIN.charge_pulse_a, u] or -current_a > packs[JOIN.discharge_pulse_a, u])


@njit
def check_law(places: Any, like: Unit, world: World, dog: SiteDog, time_s: float) -> None:
    """Load and charger are told no more than the circuit law allows from the packs' own limits, as it was at some time
    within the last `FOLLOW_S`: messages take their time, and limits that fall steadily are followed with this delay.

    While the network is troubled within what load and charger wait before they stop by themselves. Each cycle in which
    no unit has the role of speaking counts for nothing, for nobody could tell: how long that may last is not judged
    here, and load and charger stop by themselves after half a second.
    """
    out, now, laws = world.bus.outputs, dog.now, dog.laws
    if world.facts[SITE.speakers] == 0.0:
        now[NOW.mute_ticks] += 1.0
        now[NOW.told_ticks] = 0.0
    elif now[NOW.told_ticks] <= now[NOW.follow_ticks]:
        now[NOW.told_ticks] += 1.0
    else:
        now[NOW.mute_ticks] = 0.0
    ring, place = laws.shape[1], int(now[NOW.tick]) % laws.shape[1]
    laws[0, place], laws[1, place] = circuit_law(places, like, world, dog.packs)
    for way in range(2):
        told_a = out[OUT.charge_limit_a] if way == 0 else out[OUT.discharge_limit_a]
        most_a = 0.0
        for k in range(int(min(now[NOW.follow_ticks] + now[NOW.mute_ticks], ring - 1.0)) + 1):
            most_a = max(most_a, laws[way, (place - k) % ring])
        if told_a > most_a + TOLERANCE_A:
            note_site(dog, SITE_INVARIANT.limit_above_law, time_s, way, told_a - most_a)


@njit
def circuit_law(places: Any, like: Unit, world: World, packs: Array) -> tuple[float, float]:
    """Largest charge and discharge current that keeps every connected pack within its own limit, by true voltages and
    resistances.

    What a unit knows wrongly of its own pack (voltage without current, resistance: sensors, ageing, spread, joints) is
    given as tolerance, as large as it is at this moment: the others can only go by what it says, and what it does
    about its own sensors its own invariants judge. The limits themselves, who is on the bus, and the sums are not.

    A pack whose unit is gone or stands still while its contacts stay welded is known to nobody: it excuses all. So does
    one behind an open fuse until its unit has found that out and opened, for which the pack's own proof has its budget.
    """
    legs = world.bus.legs
    n = legs.shape[1]
    siemens = weighted = 0.0
    wrong_v = 0.0
    high, low = 0.0, math.inf
    for u in range(n):
        unit = at(places, u, like)
        if main_closed(unit.plant) and not is_whole(unit.plant.state):
            return math.inf, math.inf
        if not (main_closed(unit.plant) and legs[LEG.conducts, u] > 0.0):
            continue
        if stays_closed(unit.plant) and packs[JOIN.heard, u] == 0.0:
            return math.inf, math.inf
        own = unit.own[0]
        siemens += 1.0 / legs[LEG.ohm, u]
        weighted += legs[LEG.emf_v, u] / legs[LEG.ohm, u]
        if math.isfinite(own["emf_v"]) and own["resistance_ohm"] > 0.0:
            wrong_v = max(wrong_v, abs(own["emf_v"] - legs[LEG.emf_v, u]))
            ratio = legs[LEG.ohm, u] / own["resistance_ohm"]
            high, low = max(high, ratio), min(low, ratio)
    if siemens == 0.0:
        return 0.0, 0.0
    charge_a = discharge_a = math.inf
    spread = max(high / low, 1.0) if high > 0.0 else 1.0
    for u in range(n):
        unit = at(places, u, like)
        if not (main_closed(unit.plant) and legs[LEG.conducts, u] > 0.0):
            continue
        ohm, s = legs[LEG.ohm, u], unit.image.scalars[0]
        between_a = (weighted / siemens - legs[LEG.emf_v, u]) / ohm
        tolerance_a = spread * 2.0 * wrong_v / ohm + abs(between_a) * max(high - 1.0, 1.0 / low - 1.0, 0.0)
        times = spread * ohm * siemens
        charge_a = min(charge_a, times * (allowed(s["charge_limit_a"]) - between_a + tolerance_a))
        discharge_a = min(discharge_a, times * (allowed(s["discharge_limit_a"]) + between_a + tolerance_a))
    return max(charge_a, 0.0), max(discharge_a, 0.0)
