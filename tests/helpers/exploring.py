"""Every state that the connection sequence can reach, found breadth-first through its public stage.

A node is what the sequence remembers, with its numbers reduced to what decides; an edge is one tick with one set of
inputs. Inputs vary round a pack that behaves: contactors that follow or do not, a bus that is somewhere, currents,
wishes, requests, and a tick that comes on time, or after all the times that a step may wait for.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from helpers.bus import NEGATIVE, POSITIVE, PRECHARGE, Bus
from helpers.control import set_channel, set_current
from ionward.control.contactors import SEQ, STEPS
from ionward.control.sequence import sequence
from ionward.image.inputs import CHANNEL
from ionward.image.signals import LEVEL_FAULT, MEASURED, OPEN_IN_ORDER, OPEN_NONE, OPEN_NOW, SEQUENCE_REASONS, STATES

DT = 0.01
CONTACTS = (POSITIVE, NEGATIVE, PRECHARGE)


class Inputs(NamedTuple):
    """What one tick sees. `contacts`: `follow` the command, or where they hang; `bus`: as a share of the pack."""

    connect: int = 1
    request: int = OPEN_NONE
    wait_s: float = DT
    contacts: str = "follow"
    bus: str = "behaves"
    current_a: float = 0.0
    complete: bool = True
    acknowledge: bool = False
    latched: bool = False
    enables: bool = True
    consent: bool = True


ONE_DIFFERENCE: tuple[dict[str, Any], ...] = (
    {},
    {"contacts": "open"},
    {"contacts": "closed"},
    {"bus": "dead"},
    {"bus": "low"},
    {"bus": "pack"},
    {"bus": "above"},
    {"current_a": -50.0},
    {"current_a": -1000.0},
    {"current_a": math.nan},
    {"complete": False},
    {"acknowledge": True},
    {"latched": True},
    {"enables": False},
)
BUS_SHARE = {"dead": 0.0, "low": 0.6, "pack": 1.0, "above": 1.2}


WITHOUT_WISH: tuple[dict[str, Any], ...] = (
    {},
    {"contacts": "open"},
    {"contacts": "closed"},
    {"bus": "pack"},
    {"current_a": -1000.0},
    {"acknowledge": True},
    {"latched": True},
)
NOW_OTHERWISE: tuple[dict[str, Any], ...] = (
    {},
    {"contacts": "open"},
    {"contacts": "closed"},
    {"current_a": -1000.0},
    {"current_a": 1000.0},
)
# What the other packs say, to a pack that is one of several.
OF_A_SITE: tuple[dict[str, Any], ...] = ({"consent": False}, {"consent": False, "bus": "pack"})
# A tick on time, some slow ones with the same inputs, and one after everything that a step may wait for.
PACES = ((1, DT), (3, 0.3), (1, 40.0))


def alphabet(in_site: bool) -> Iterator[tuple[Inputs, int]]:
    """Inputs and for how many ticks: wish and request, with one thing at most that is not as it should be."""
    for ticks, wait_s in PACES:
        for other in (*ONE_DIFFERENCE, *(OF_A_SITE if in_site else ())):
            yield Inputs(1, OPEN_NONE, wait_s, **other), ticks
        for other in WITHOUT_WISH:
            yield Inputs(0, OPEN_NONE, wait_s, **other), ticks
        for other in NOW_OTHERWISE:
            yield Inputs(1, OPEN_NOW, wait_s, **other), ticks
        yield Inputs(1, OPEN_IN_ORDER, wait_s), ticks
        yield Inputs(1, OPEN_IN_ORDER, wait_s, current_a=-1000.0), ticks
        yield Inputs(0, OPEN_IN_ORDER, wait_s), ticks


class Moment(NamedTuple):
    """All that the sequence keeps from tick to tick, to go on from."""

    scalars: Any
    fields: Any
    acknowledged: int
    bus_v: float


class Explorer:
    """One pack and everything that its sequence can do."""

    def __init__(self, in_site: bool = False, **options: Any) -> None:
        self.bus, self.in_site = Bus(**options), in_site
        self.bus.command["supervised"], self.bus.command["site"] = 1, int(in_site)
        self.moments: dict[tuple[Any, ...], Moment] = {}

    def now(self) -> Moment:
        acknowledged = int(self.bus.command[0]["acknowledge_count"])
        return Moment(self.bus.image.scalars.copy(), self.bus.memory.fields.copy(), acknowledged, self.bus.bus_v)

    def go_to(self, moment: Moment) -> None:
        self.bus.image.scalars[:] = moment.scalars
        self.bus.memory.fields[:] = moment.fields
        self.bus.command["acknowledge_count"] = moment.acknowledged
        self.bus.bus_v = moment.bus_v

    def tick(self, inputs: Inputs) -> None:
        """One tick with these inputs."""
        bus, s = self.bus, self.bus.scalars
        s["time_s"] += inputs.wait_s
        s["dt_s"] = inputs.wait_s
        self._bus_goes(inputs)
        set_current(bus.image, inputs.current_a)
        set_channel(bus.image, CHANNEL.bus_voltage_v, bus.bus_v)
        if bus.feedback:
            for name, driven in bus.driven.items():
                shown = driven if inputs.contacts == "follow" else inputs.contacts == "closed"
                set_channel(bus.image, getattr(CHANNEL, f"{name}_closed"), float(shown))
        bus.image.channels[MEASURED.new, CHANNEL.bus_voltage_v] = 1
        s["cells_usable"] = 96 if inputs.complete else 95
        s["open_request"] = inputs.request
        s["fault_level"] = LEVEL_FAULT if inputs.request != OPEN_NONE else 0
        s["latched_faults"] = int(inputs.latched)
        command = bus.command
        command["connect"], command["enables"] = inputs.connect, int(inputs.enables)
        command["may_close"] = int(self.in_site and inputs.consent)
        command["acknowledge_count"] += int(inputs.acknowledge)
        sequence(bus.parameters, command, bus.image, bus.memory)

    def _bus_goes(self, inputs: Inputs) -> None:
        """A bus that behaves comes to the pack's voltage over resistor or contactors in two steps, else it dies."""
        bus, driven = self.bus, self.bus.driven
        if inputs.bus != "behaves":
            bus.bus_v = BUS_SHARE[inputs.bus] * bus.pack_v
        elif driven[NEGATIVE] and (driven[POSITIVE] or driven[PRECHARGE]):
            bus.bus_v = bus.pack_v if bus.bus_v >= 0.5 * bus.pack_v else 0.6 * bus.pack_v
        else:
            bus.bus_v = 0.0

    def node(self) -> tuple[Any, ...]:
        """What the sequence remembers, reduced to what decides."""
        s, m = self.bus.scalars, self.bus.memory.fields
        return (
            int(s["state"]), int(m[SEQ.step]), int(s["state_reason"]), *(bool(v) for v in self.bus.driven.values()),
            int(m[SEQ.after]), int(m[SEQ.why]), bool(m[SEQ.own_fault]), min(int(s["precharge_tries"]), 3),
            bool(m[SEQ.refused]),
        )  # fmt: skip

    def explore(self) -> Iterator[tuple[Moment, Inputs]]:
        """Every edge from every node, nearest first; after each, this stands where the edge has led."""
        first = self.now()
        self.moments[self.node()] = first
        waiting = deque([first])
        letters = list(alphabet(self.in_site))
        while waiting:
            start = waiting.popleft()
            for inputs, ticks in letters:
                self.go_to(start)
                for _ in range(ticks):
                    before = self.now()
                    self.tick(inputs)
                    yield before, inputs
                node = self.node()
                if node not in self.moments:
                    self.moments[node] = self.now()
                    waiting.append(self.moments[node])


def state_of(moment: Moment) -> str:
    return STATES[int(moment.scalars[0]["state"])]


def step_of(moment: Moment) -> str:
    return STEPS[int(moment.fields[SEQ.step])]


def reason_of(moment: Moment) -> str:
    return SEQUENCE_REASONS[int(moment.scalars[0]["state_reason"])]


def driven_of(moment: Moment) -> dict[str, bool]:
    return {name: bool(moment.scalars[0][f"{name}_close"]) for name in CONTACTS}
