"""Packs of `helpers.bus` on one bus: each with its sequence and its unit among peers, over a network that delays."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np

from helpers.bus import DT, NEGATIVE, POSITIVE, Bus
from helpers.control import set_channel
from ionward.control.sequence import sequence
from ionward.control.site import new_site_wish, step_site
from ionward.image.inputs import CHANNEL
from ionward.image.signals import CELL
from ionward.peers.unit import OWN_RECORD, new_state, sent, take

CELLS = 96
CABLE_OHM = 0.008
STEP_US = round(DT * 1e6)


class Pack(Bus):
    """A source behind the resistance of its cells and cable, on a bus that others may hold."""

    def __init__(self, emf_v: float, limit_a: float = 100.0, **changes: float) -> None:
        super().__init__(CELLS, **changes)
        self.emf_v, self.limit_a = emf_v, limit_a
        self.bus_error_v = 0.0
        self.resistance_ohm = float(self.image.cells[CELL.resistance_ohm].sum()) + CABLE_OHM
        self.image.cells[CELL.voltage_v] = emf_v / CELLS
        self.pack_v = emf_v
        self.wish, self.own = new_site_wish(), np.zeros(1, OWN_RECORD)
        self.wish["connect"] = 1
        self.state_of_site: Any = None
        self.closed_at_v: list[float] = []  # pack less bus at the moment at which it was closed onto a live bus

    @property
    def on_bus(self) -> bool:
        """Current can flow."""
        return self.closed[POSITIVE] and self.closed[NEGATIVE]

    def meet(self, bus_v: float) -> None:
        """What the other packs do to this one in this tick; NaN: none is on the bus."""
        if self.on_bus:
            current_a = (bus_v - self.emf_v) / self.resistance_ohm
            self.pack_v, self.load_a, self.source_v = bus_v, -current_a, math.nan
        else:
            self.pack_v, self.load_a, self.source_v = self.emf_v, 0.0, bus_v

    def _measure(self) -> None:
        super()._measure()
        s = self.scalars
        inner_v = self.emf_v + self.current * (self.resistance_ohm - CABLE_OHM)
        s["cell_voltage_sum_v"] = inner_v
        s["cell_samples"] += 1
        s["charge_limit_a"] = s["discharge_limit_a"] = self.limit_a
        set_channel(self.image, CHANNEL.pack_voltage_v, inner_v)
        if self.bus_error_v:
            set_channel(self.image, CHANNEL.bus_voltage_v, self.bus_v + self.digit_v + self.bus_error_v)


class Parallel:
    """A site. `site_a`: what flows into it from outside while anything is connected, positive charging."""

    def __init__(self, packs: list[Pack], seed: int = 0, **setup: Any) -> None:
        self.packs, self.random = packs, random.Random(seed)
        self.setup = {"way_ohm": CABLE_OHM, "tolerance_v": 0.2, "site": 7, "software": 3, **setup}
        self.now_us = 0
        for k, pack in enumerate(packs):
            pack.state_of_site = new_state(k, len(packs), 1, self.clock_us(k), **self.setup)
        self.flying: list[tuple[int, int, Any]] = []
        self.cut: set[tuple[int, int]] = set()
        self.dead: set[int] = set()
        self.site_a = 0.0
        self.ah = 0.0  # how much charge moves a volt; 0: voltages stay

    def clock_us(self, k: int) -> int:
        """Each unit's clock began at its own time."""
        return self.now_us + k * 1_000_000

    def run(self, seconds: float) -> None:
        """Go on; what must never happen is looked at in every tick."""
        for _ in range(round(seconds / DT)):
            self.step()

    def step(self) -> None:
        """One tick of everybody."""
        bus_v = self.bus_v()
        for k, pack in enumerate(self.packs):
            self._deliver(k)
            if k not in self.dead:
                self._unit(k)
            before = pack.on_bus
            pack.meet(bus_v)
            pack._live()
            pack._measure()
            if pack.on_bus and not before and not math.isnan(bus_v):
                pack.closed_at_v.append(pack.emf_v - bus_v)
            self._sequence(k)
            if self.ah > 0.0:
                pack.emf_v += pack.current * DT / 3600.0 / self.ah
        self.now_us += STEP_US
        closing = [k for k, p in enumerate(self.packs) if p.state in ("precharge", "closing") and not p.on_bus]
        assert len(closing) <= 1, f"{closing} close at once"

    def _sequence(self, k: int) -> None:
        pack = self.packs[k]
        if k in self.dead:
            for name in pack.closed:
                pack.scalars[f"{name}_close"] = 0
        else:
            sequence(pack.parameters, pack.command, pack.image, pack.memory)
            if not pack.history or pack.history[-1] != (pack.state, pack.reason):
                pack.history.append((pack.state, pack.reason))
        pack.scalars["time_s"] += DT
        pack.scalars["dt_s"] = DT

    def _unit(self, k: int) -> None:
        pack, now_us = self.packs[k], self.clock_us(k)
        state = pack.state_of_site
        step_site(state, pack.own, pack.image, pack.parameters, pack.command, pack.wish, now_us)
        if state.decision[0]["send"]:
            sent(state, now_us)
            for to in range(len(self.packs)):
                if to != k and (k, to) not in self.cut:
                    self.flying.append((self.now_us + self.random.randrange(8_000), to, state.message.copy()))

    def _deliver(self, k: int) -> None:
        due = [f for f in self.flying if f[0] <= self.now_us and f[1] == k]
        self.flying = [f for f in self.flying if not (f[0] <= self.now_us and f[1] == k)]
        for _, _, message in due:
            if k not in self.dead:
                take(self.packs[k].state_of_site, message[0], self.clock_us(k))

    def bus_v(self) -> float:
        """Of all packs on the bus; NaN: none is."""
        on = [p for p in self.packs if p.on_bus]
        siemens = sum(1.0 / p.resistance_ohm for p in on)
        return (sum(p.emf_v / p.resistance_ohm for p in on) + self.site_a) / siemens if on else math.nan

    def connected(self) -> list[int]:
        """Packs on the bus."""
        return [k for k, p in enumerate(self.packs) if p.on_bus]

    def decision(self, k: int) -> Any:
        """What a unit has decided."""
        return self.packs[k].state_of_site.decision[0]

    def turn(self, k: int) -> Any:
        """How a unit's tries went."""
        return self.packs[k].state_of_site.turn[0]
