"""The network between the units in simulated time: messages take their time, get lost, come twice, late or broken.

Everything is drawn from one seeded generator. A message whose bytes were hit on the way is dropped where it arrives, by
its checksum. Figures travel in single precision, as on the wire (`peers.message`).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ionward._compile import njit
from ionward.image.catalogue import Signal, rows
from ionward.peers.message import MESSAGE_RECORD
from ionward.twin.noise import new_generator, next_integer

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# A switched network of a cabinet: below a millisecond there and back.
DELAY_S, JITTER_S = 0.0002, 0.0005
LARGEST_INTEGER = 2147483562.0
NEVER_US = 2**62

WAY = rows(
    "Way",
    (
        Signal("cut", "", "Nothing goes this way"),
        Signal("loss", "", "Share of messages that are lost"),
        Signal("duplicate", "", "Share that comes twice"),
        Signal("corrupt", "", "Share whose bytes are hit"),
        Signal("delay_us", "µs", "Least time under way"),
        Signal("jitter_us", "µs", "… and so much more at most: messages overtake each other"),
    ),
)
FLIGHT = rows(
    "Flight",
    (
        Signal("due_us", "µs", "When it arrives", "i8"),
        Signal("sender", "", "Of whom", "i8"),
        Signal("number", "", "Which of its messages", "i8"),
        Signal("broken", "", "Its bytes were hit", "i8", 0, 1),
    ),
)
MAIL_SIGNALS = (
    Signal("sent", "", "Messages sent, one for each unit that should hear it", "i8"),
    Signal("arrived", "", "Messages that were heard", "i8"),
    Signal("cut", "", "Messages on a way that was cut", "i8"),
    Signal("lost", "", "Messages lost", "i8"),
    Signal("doubled", "", "Messages that came twice", "i8"),
    Signal("broken", "", "Messages dropped for a wrong checksum", "i8"),
    Signal("overrun", "", "Messages that waited for so long that there was no room for them", "i8"),
)
MAIL = rows("Mail", MAIL_SIGNALS)


class Network(NamedTuple):
    """`ways` `[WAY, sender, receiver]`; the last messages of each sender `[sender, number % ring]` and how many it has
    `written`; those under way `[receiver, FLIGHT, place]`, of which the first `waiting` count; `mail` counts."""

    ways: Array
    messages: Any
    written: Integers
    flights: Integers
    waiting: Integers
    mail: Integers
    generator: Integers


def new_network(units: int, seed: int, cycle_s: float, delay_s: float = DELAY_S) -> Network:
    """A sound network.

    Args:
        units: how many.
        seed: of everything that is drawn.
        cycle_s: a unit sends once in so long at most.
        delay_s: the longest delay that is ever asked for; there is room for what is under way then, and for what waits
            at a unit that is frozen for some tenths of a second.
    """
    ring = 64 + math.ceil(2.0 * delay_s / cycle_s)
    ways = np.zeros((len(WAY), units, units))
    ways[WAY.delay_us], ways[WAY.jitter_us] = 1e6 * DELAY_S, 1e6 * JITTER_S
    return Network(
        ways, np.zeros((units, ring), MESSAGE_RECORD), np.zeros(units, np.int64),
        np.zeros((units, len(FLIGHT), (units - 1) * ring), np.int64), np.zeros(units, np.int64),
        np.zeros(len(MAIL), np.int64), new_generator(seed),
    )  # fmt: skip


@njit
def share(generator: Integers) -> float:
    """The next random number, 0 .. 1."""
    return next_integer(generator) / LARGEST_INTEGER


@njit
def post(network: Network, sender: int, message: Any, now_us: int) -> None:
    """Send a message (a record) to all others."""
    ring = network.messages.shape[1]
    number = network.written[sender]
    network.messages[sender, number % ring] = message
    as_on_the_wire(network.messages[sender, number % ring])
    network.written[sender] = number + 1
    ways, mail, generator = network.ways, network.mail, network.generator
    for to in range(ways.shape[1]):
        if to == sender:
            continue
        mail[MAIL.sent] += 1
        if ways[WAY.cut, sender, to] > 0.0:
            mail[MAIL.cut] += 1
            continue
        copies = 1
        if share(generator) < ways[WAY.duplicate, sender, to]:
            copies = 2
            mail[MAIL.doubled] += 1
        for _ in range(copies):
            if share(generator) < ways[WAY.loss, sender, to]:
                mail[MAIL.lost] += 1
                continue
            late_us = ways[WAY.delay_us, sender, to] + share(generator) * ways[WAY.jitter_us, sender, to]
            broken = 1 if share(generator) < ways[WAY.corrupt, sender, to] else 0
            place = network.waiting[to]
            if place >= network.flights.shape[2]:
                mail[MAIL.overrun] += 1
                continue
            flight = network.flights[to]
            flight[FLIGHT.due_us, place] = now_us + np.int64(late_us)
            flight[FLIGHT.sender, place], flight[FLIGHT.number, place] = sender, number
            flight[FLIGHT.broken, place] = broken
            network.waiting[to] = place + 1


@njit
def as_on_the_wire(message: Any) -> None:
    """Round what is sent in single precision."""
    message["soc"], message["soh"] = np.float32(message["soc"]), np.float32(message["soh"])
    message["energy_wh"], message["emf_v"] = np.float32(message["energy_wh"]), np.float32(message["emf_v"])
    message["resistance_ohm"] = np.float32(message["resistance_ohm"])
    message["bus_v"], message["current_a"] = np.float32(message["bus_v"]), np.float32(message["current_a"])
    message["charge_limit_a"] = np.float32(message["charge_limit_a"])
    message["discharge_limit_a"] = np.float32(message["discharge_limit_a"])


@njit
def next_due(network: Network, to: int, now_us: int) -> tuple[int, int]:
    """Take the earliest message that has arrived: its sender, and its place among the sender's; -1, 0 when there is
    none. What was broken, or waited for too long, is counted and passed over.
    """
    ring = network.messages.shape[1]
    flight, mail = network.flights[to], network.mail
    while True:
        first, first_us = -1, now_us + 1
        for k in range(network.waiting[to]):
            if flight[FLIGHT.due_us, k] < first_us:
                first, first_us = k, flight[FLIGHT.due_us, k]
        if first < 0:
            return -1, 0
        sender, number = flight[FLIGHT.sender, first], flight[FLIGHT.number, first]
        broken = flight[FLIGHT.broken, first]
        last = network.waiting[to] - 1
        for row in range(flight.shape[0]):
            flight[row, first] = flight[row, last]
        network.waiting[to] = last
        if network.written[sender] - number > ring:
            mail[MAIL.overrun] += 1
        elif broken == 1:
            mail[MAIL.broken] += 1
        else:
            mail[MAIL.arrived] += 1
            return int(sender), int(number % ring)


@njit
def forget(network: Network, to: int) -> None:
    """Nothing of what was under way to this unit arrives."""
    network.waiting[to] = 0
