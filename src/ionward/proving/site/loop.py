"""All units of a site, their packs, the network and the common bus in closed loop, in one compiled function.

In each cycle every unit takes its turn, in an order that is drawn anew, so that each sees the others' news sooner or
later: it hears what has arrived, decides among its peers, ticks, drives its contactors and sends. Then bus and packs
live on until the next cycle. Each unit has its own clock. One that does not step is no longer driven: its coils fall
off when its enable expires, and stay so until a person acknowledges, as in `runtime.enables`.

Outside of the site, load, charger and EMS hear the frames of the unit that speaks. They drop what is older than the
highest term that they have heard, and stop when they have heard nothing for half a second.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ionward._compile import njit
from ionward.control.bms import output_words
from ionward.control.entry import call_tick
from ionward.control.site import step_site
from ionward.control.tick import Memory
from ionward.image.catalogue import Signal, rows
from ionward.image.inputs import Raw
from ionward.image.layout import Image
from ionward.image.parameters import Parameters
from ionward.image.signals import STATE_CLOSING, STATE_PRECHARGE
from ionward.peers.unit import PeerState, may_speak, sent, take
from ionward.proving.closed_loop import act, note_changes
from ionward.proving.site.network import Network, forget, next_due, post, share
from ionward.proving.site.table import at
from ionward.proving.watch import EARLY_S, TRUTH, WATCH, look, look_at_truth, see
from ionward.twin.plant import Plant, measure
from ionward.twin.rows import CELLS, KON, MAIN_NEGATIVE, MAIN_POSITIVE, OUT, PRECHARGE, SET, STATE
from ionward.twin.site_bus import SiteBus, after_bus, before_bus, solve_bus

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

SILENCE_US = 500_000  # load and charger stop when nobody has spoken for so long
NOBODY = -1

LIFE = rows(
    "Life",
    (
        Signal("runs", "", "The unit is there", "i8", 0, 1),
        Signal("frozen_until_us", "µs", "It stands still until then", "i8"),
        Signal("ticked_us", "µs", "When it ticked last", "i8"),
        Signal("expiry_us", "µs", "Its coils fall off when it has not ticked for so long", "i8"),
        Signal("tripped", "", "They fell off, and nobody has acknowledged since", "i8", 0, 1),
        Signal("trips", "", "How often they did", "i8"),
        Signal("acknowledged", "", "Acknowledgements when they did last", "i8"),
        Signal("clock_us", "µs", "Its clock when the simulation began", "i8"),
        Signal("drift_ppb", "", "So much faster its clock runs, in parts of 10⁹", "i8"),
        Signal("noted", "", "Changes of its connection that were noted in this call", "i8"),
    ),
)
HEARD = rows(
    "Heard",
    (
        Signal("at_us", "µs", "When a frame was taken last"),
        Signal("speaker", "", "Whose it was; -1 nobody's"),
        Signal("term", "", "The highest term so far"),
        Signal("charge_limit_a", "A", "What the site may be charged with"),
        Signal("discharge_limit_a", "A", "What it may be discharged with"),
        Signal("connected", "", "Some pack is on the bus"),
        Signal("dropped", "", "Frames with an older term"),
    ),
)
SITE_SIGNALS = (
    Signal("time_s", "s", "Simulated time"),
    Signal("speaker", "", "Number of the unit whose frames load and charger hear, from 1; 0: nobody"),
    Signal("term", "", "Highest term that they have heard"),
    Signal("speakers", "", "Units that would speak at this moment; never more than one"),
    Signal("closing", "", "Units that are closing at this moment; never more than one"),
    Signal("running", "", "Units that step"),
    Signal("connected", "", "Packs whose main contacts are both closed"),
    Signal("not_connected", "", "Packs whose main contacts are not"),
    Signal("site_charge_limit_a", "A", "Charge limit as load and charger know it"),
    Signal("site_discharge_limit_a", "A", "Discharge limit as they know it"),
    Signal("current_a", "A", "Current into all packs together, positive when charging"),
    Signal("source_a", "A", "Current of load and charger"),
    Signal("bus_voltage_v", "V", "Common bus"),
    Signal("limit_used", "", "Largest current of a pack on the bus, as a part of its own limit for that direction"),
)
SITE = rows("Site", SITE_SIGNALS)
SPEECH = rows(
    "Speech",
    (Signal("time_s", "s", "When"), Signal("speaker", "", "Who speaks from now on; -1 nobody"), Signal("term", "", "")),
)
SPEECHES_MAX = 512


class Unit(NamedTuple):
    """One pack with its BMU, as `proving.closed_loop.Bench`, and what it knows of its peers. `numbers` and `counts` are
    the image's scalars as bare words, `words` `[tick, word]` its outputs."""

    plant: Plant
    raw: Raw
    command: Any
    parameters: Parameters
    image: Image
    memory: Memory
    numbers: Array
    counts: Any
    truth: Array
    watches: Array
    changes: Array
    words: Array
    peers: PeerState
    own: Any
    wish: Any


class World(NamedTuple):
    """What the units have in common: `life` `[LIFE, unit]`, the `order` `[unit]` in which they take their turns, what
    is `heard` `[HEARD]` outside, the `facts` `[SITE]` of the site with their `watches` `[WATCH, watch]`, and `speeches`
    `[SPEECH, change]`, the last column of which is the one before."""

    bus: SiteBus
    network: Network
    life: Integers
    order: Integers
    heard: Array
    facts: Array
    watches: Array
    speeches: Array


@njit
def run_site(address: int, places: Any, like: Unit, world: World, ticks: int) -> int:
    """Run some cycles of all units; returns how many changes of the speaker were noted.

    Args:
        address: of the compiled tick (`control.entry`).
        places: of the units' table (`proving.site.table`).
        like: any one of the units.
        world: what they have in common.
        ticks: how many cycles. Output words of cycle k stand in row k of each unit.
    """
    bus, life, order = world.bus, world.life, world.order
    n = order.shape[0]
    cycle_us = bus.settings[SET.dt_s] * bus.settings[SET.steps_per_tick] * 1e6
    speeches = 0
    for u in range(n):
        life[LIFE.noted, u] = 0
    for k in range(ticks):
        begin_us = bus.state[STATE.time_s] * 1e6
        shuffle(order, world.network.generator)
        for place in range(n):
            now_us = int(begin_us + cycle_us * place / n + 0.5)
            unit = at(places, order[place], like)
            step_unit(address, unit, world, order[place], now_us)
            output_words(unit.image, unit.words[k])
        now_us = int(begin_us + cycle_us + 0.5)
        tell_outside(world, now_us)
        look_at_site(places, like, world, now_us)
        look_on(world.watches, bus.state[STATE.time_s], world.facts)
        speeches = note_speaker(bus.state[STATE.time_s], world, speeches)
        for _ in range(int(bus.settings[SET.steps_per_tick])):
            for u in range(n):
                before_bus(at(places, u, like).plant, bus.legs, u)
            solve_bus(bus)
            for u in range(n):
                after_bus(at(places, u, like).plant, bus, u)
    return speeches


@njit
def shuffle(order: Integers, generator: Integers) -> None:
    """Draw the order of the next cycle (Fisher and Yates)."""
    for k in range(order.shape[0] - 1, 0, -1):
        other = min(int(share(generator) * (k + 1)), k)
        order[k], order[other] = order[other], order[k]


@njit
def clock_us(life: Integers, u: int, now_us: int) -> int:
    """The unit's own clock."""
    return int(life[LIFE.clock_us, u] + now_us + now_us * life[LIFE.drift_ppb, u] // 1_000_000_000)


@njit
def step_unit(address: int, unit: Unit, world: World, u: int, now_us: int) -> None:
    """One cycle of one unit: its sensors, and where it runs, everything that it does."""
    life, plant, image, peers = world.life, unit.plant, unit.image, unit.peers
    time_s = plant.state[STATE.time_s]
    measure(plant, unit.raw)
    if now_us - life[LIFE.ticked_us, u] > life[LIFE.expiry_us, u]:
        let_go(unit, life, u)
    if life[LIFE.runs, u] == 1 and now_us >= life[LIFE.frozen_until_us, u]:
        own_us = clock_us(life, u, now_us)
        listen(world.network, peers, u, now_us, own_us)
        supervise(unit.command, life, u)
        step_site(peers, unit.own, image, unit.parameters, unit.command, unit.wish, own_us)
        call_tick(address, unit.raw, unit.command, unit.parameters, image, unit.memory)
        act(image, plant)
        if life[LIFE.tripped, u] == 1:
            drop_coils(plant.outputs)
        life[LIFE.ticked_us, u] = now_us
        if peers.decision[0]["send"] == 1:
            sent(peers, own_us)
            post(world.network, u, peers.message[0], now_us)
        if may_speak(peers, own_us):
            speak(world.heard, peers.decision[0], u, now_us)
    elif life[LIFE.runs, u] == 0:
        forget(world.network, u)  # what is sent to it reaches nobody; one that is frozen finds it when it goes on
    look_at_truth(plant, image, unit.truth)
    look(unit.watches, time_s, image, unit.numbers, unit.counts, unit.truth)
    life[LIFE.noted, u] = note_changes(time_s, image, plant, unit.changes, life[LIFE.noted, u])


@njit
def listen(network: Network, peers: PeerState, u: int, now_us: int, own_us: int) -> None:
    """Take in what has arrived."""
    while True:
        sender, place = next_due(network, u, now_us)
        if sender < 0:
            return
        take(peers, network.messages[sender, place], own_us)


@njit
def supervise(command: Any, life: Integers, u: int) -> None:
    """What the driver tells the tick: its trip holds until somebody acknowledges."""
    c = command[0]
    if life[LIFE.tripped, u] == 1 and c["acknowledge_count"] != life[LIFE.acknowledged, u]:
        life[LIFE.tripped, u] = 0
    c["supervised"] = 1
    c["enables"] = 1 - life[LIFE.tripped, u]
    c["driver_tripped"], c["driver_trips"] = life[LIFE.tripped, u], life[LIFE.trips, u]


@njit
def let_go(unit: Unit, life: Integers, u: int) -> None:
    """Nobody renews the outputs any more: all fall off, and energised coils trip."""
    out, bleed = unit.plant.outputs, unit.plant.cells[CELLS.bleed]
    if out[OUT.main_positive] + out[OUT.main_negative] + out[OUT.precharge] > 0.0:
        life[LIFE.tripped, u] = 1
        life[LIFE.trips, u] += 1
        life[LIFE.acknowledged, u] = unit.command[0]["acknowledge_count"]
    for k in range(out.shape[0]):
        out[k] = 0.0
    for k in range(bleed.shape[0]):
        bleed[k] = 0.0


@njit
def drop_coils(outputs: Array) -> None:
    """No contactor is driven."""
    outputs[OUT.main_positive] = outputs[OUT.main_negative] = outputs[OUT.precharge] = 0.0


@njit
def speak(heard: Array, decision: Any, u: int, now_us: int) -> None:
    """A frame of the unit that speaks reaches load and charger."""
    if decision["term"] < heard[HEARD.term]:
        heard[HEARD.dropped] += 1.0
        return
    heard[HEARD.at_us], heard[HEARD.speaker], heard[HEARD.term] = now_us, u, decision["term"]
    heard[HEARD.charge_limit_a] = decision["charge_limit_a"]
    heard[HEARD.discharge_limit_a] = decision["discharge_limit_a"]
    heard[HEARD.connected] = 1.0 if decision["connected"] != 0 else 0.0


@njit
def tell_outside(world: World, now_us: int) -> None:
    """What load and charger go by until the next cycle."""
    heard, out = world.heard, world.bus.outputs
    if now_us - heard[HEARD.at_us] > SILENCE_US:
        heard[HEARD.speaker] = NOBODY
        out[OUT.connected] = out[OUT.charge_limit_a] = out[OUT.discharge_limit_a] = 0.0
        return
    out[OUT.connected] = heard[HEARD.connected]
    out[OUT.charge_limit_a], out[OUT.discharge_limit_a] = heard[HEARD.charge_limit_a], heard[HEARD.discharge_limit_a]


@njit
def look_at_site(places: Any, like: Unit, world: World, now_us: int) -> None:
    """Sum the site up: `facts` `[SITE]`."""
    facts, life, bus = world.facts, world.life, world.bus
    n = world.order.shape[0]
    speakers = closing = running = connected = 0
    current_a = used = 0.0
    for u in range(n):
        unit = at(places, u, like)
        out, closed, truth = unit.plant.outputs, unit.plant.contactors[KON.closed], unit.truth
        both = closed[MAIN_POSITIVE] > 0.0 and closed[MAIN_NEGATIVE] > 0.0
        s = unit.image.scalars[0]
        if life[LIFE.runs, u] == 1 and now_us >= life[LIFE.frozen_until_us, u]:
            running += 1
            if may_speak(unit.peers, clock_us(life, u, now_us)):
                speakers += 1
        driven = out[OUT.main_positive] + out[OUT.main_negative] + out[OUT.precharge] > 0.0
        touches = closed[MAIN_POSITIVE] + closed[MAIN_NEGATIVE] + closed[PRECHARGE] > 0.0
        if (driven or touches) and not both and (s["state"] == STATE_PRECHARGE or s["state"] == STATE_CLOSING):
            closing += 1
        if both:
            connected += 1
            used = max(used, part_of_limit(truth[TRUTH.current_a], s["charge_limit_a"], s["discharge_limit_a"]))
        current_a += truth[TRUTH.current_a]
    facts[SITE.time_s] = bus.state[STATE.time_s]
    facts[SITE.speaker], facts[SITE.term] = world.heard[HEARD.speaker] + 1.0, world.heard[HEARD.term]
    facts[SITE.speakers], facts[SITE.closing], facts[SITE.running] = speakers, closing, running
    facts[SITE.connected], facts[SITE.not_connected] = connected, n - connected
    facts[SITE.site_charge_limit_a] = bus.outputs[OUT.charge_limit_a]
    facts[SITE.site_discharge_limit_a] = bus.outputs[OUT.discharge_limit_a]
    facts[SITE.current_a], facts[SITE.source_a] = current_a, bus.state[STATE.source_a]
    facts[SITE.bus_voltage_v] = bus.state[STATE.bus_voltage_v]
    facts[SITE.limit_used] = used


@njit
def part_of_limit(current_a: float, charge_limit_a: float, discharge_limit_a: float) -> float:
    """A pack's current as a part of its limit for that direction; 0 where nothing is allowed."""
    limit_a = charge_limit_a if current_a > 0.0 else discharge_limit_a
    return abs(current_a) / limit_a if limit_a > 0.0 else 0.0


@njit
def look_on(watches: Array, time_s: float, facts: Array) -> None:
    """Let every watch of the site see this cycle."""
    for k in range(watches.shape[1]):
        if watches[WATCH.from_s, k] - EARLY_S <= time_s <= watches[WATCH.until_s, k] + EARLY_S:
            see(watches, k, time_s, facts[int(watches[WATCH.index, k])])


@njit
def note_speaker(time_s: float, world: World, count: int) -> int:
    """Write down a change of who speaks outside; returns how many there are now."""
    speeches, heard = world.speeches, world.heard
    last = speeches.shape[1] - 1
    same = speeches[SPEECH.speaker, last] == heard[HEARD.speaker]
    if same and (heard[HEARD.speaker] < 0.0 or speeches[SPEECH.term, last] == heard[HEARD.term]):
        return count
    place = min(count, last - 1)
    for column in (place, last):
        speeches[SPEECH.time_s, column] = time_s
        speeches[SPEECH.speaker, column], speeches[SPEECH.term, column] = heard[HEARD.speaker], heard[HEARD.term]
    return int(place + 1)
