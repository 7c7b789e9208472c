"""A site of units with packs as simple as coordination needs them, on a network that does what a test wants."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ionward.peers.unit import OWN_RECORD, PeerState, may_close, may_speak, new_state, sent, step, take

CYCLE_US = 10_000
CLOSING_CYCLES = 10


@dataclass
class Pack:
    """A source behind a resistance. It closes its contactors as the unit wishes and the role allows."""

    emf_v: float = 350.0
    resistance_ohm: float = 0.1
    limit_a: float = 100.0
    well: bool = True
    asked: bool = True
    intent: int = 2
    connected: bool = False
    closing: int = 0
    current_a: float = 0.0


@dataclass
class Unit:
    """One BMU: its state, its pack, and when its clock began."""

    state: PeerState
    pack: Pack
    clock_us: int
    frozen_until_us: int = 0
    alive: bool = True
    closed_at: list[int] = field(default_factory=list)


class Site:
    """Units step one after the other, each at its own moment in the cycle; messages take time, or never come."""

    def __init__(self, packs: list[Pack], seed: int = 0, weights: Any = 1, **setup: Any) -> None:
        self.random = random.Random(seed)
        self.now_us = 0
        self.setup, self.weights = setup, weights
        self.boots = [1] * len(packs)
        self.units = [self._start(k, pack) for k, pack in enumerate(packs)]
        self.flying: list[tuple[int, int, np.ndarray]] = []
        self.cut: set[tuple[int, int]] = set()
        self.loss, self.delay_us, self.doubled = 0.0, 500, 0.0
        self.site_a = 0.0

    def _start(self, k: int, pack: Pack) -> Unit:
        clock_us = self.random.randrange(10**9)
        state = new_state(k, len(self.boots), self.boots[k], self.now_us + clock_us, site=7, software=3,
                          weights=self.weights, **self.setup)  # fmt: skip
        return Unit(state, pack, clock_us)

    def restart(self, k: int) -> None:
        """Kill the unit and start it anew: its contactors open, and it has forgotten everything."""
        self.boots[k] += 1
        pack = self.units[k].pack
        pack.connected, pack.closing = False, 0
        self.units[k] = self._start(k, pack)

    def kill(self, k: int) -> None:
        """The unit is gone, and its contactors fall off."""
        self.units[k].alive = False
        self.units[k].pack.connected, self.units[k].pack.closing = False, 0

    def freeze(self, k: int, seconds: float) -> None:
        """It stands still, and its contactors fall off."""
        self.units[k].frozen_until_us = self.now_us + round(seconds * 1e6)
        self.units[k].pack.connected, self.units[k].pack.closing = False, 0

    def divide(self, *sides: set[int]) -> None:
        """Only units of one side hear each other."""
        side = {k: number for number, members in enumerate(sides) for k in members}
        units = range(len(self.units))
        self.cut = {(a, b) for a in units for b in units if side.get(a) != side.get(b)}

    def run(self, seconds: float) -> None:
        """Go on. After each cycle `check` looks."""
        for _ in range(round(seconds * 1e6) // CYCLE_US):
            order = list(range(len(self.units)))
            self.random.shuffle(order)
            for place, k in enumerate(order):
                self._deliver()
                self._step(k)
                self.now_us += CYCLE_US // len(order) + (CYCLE_US % len(order) if place == 0 else 0)
            self._flow()
            self.check()

    def _deliver(self) -> None:
        due = [f for f in self.flying if f[0] <= self.now_us]
        self.flying = [f for f in self.flying if f[0] > self.now_us]
        for _, to, message in due:
            unit = self.units[to]
            if unit.alive and unit.frozen_until_us <= self.now_us:
                take(unit.state, message[0], self.now_us + unit.clock_us)

    def _step(self, k: int) -> None:
        unit = self.units[k]
        if not unit.alive or unit.frozen_until_us > self.now_us:
            return
        self._close(unit)
        own = np.zeros(1, OWN_RECORD)
        pack = unit.pack
        own[0] = (pack.emf_v, pack.resistance_ohm, self.bus_v(), pack.current_a, pack.limit_a, pack.limit_a, 0.5, 1.0,
                  1000.0, pack.connected, pack.closing > 0, pack.well and pack.asked, 0, pack.intent, 0, 0)  # fmt: skip
        now_us = self.now_us + unit.clock_us
        step(unit.state, own[0], now_us)
        if unit.state.decision[0]["send"]:
            sent(unit.state, now_us)
            self._send(k, unit.state.message.copy())

    def _close(self, unit: Unit) -> None:
        pack = unit.pack
        if pack.connected and not (pack.well and pack.asked):
            pack.connected = False
        allowed = pack.well and pack.asked and may_close(unit.state, self.now_us + unit.clock_us)
        if pack.connected or not allowed:
            pack.closing = 0
            return
        pack.closing += 1
        if pack.closing > CLOSING_CYCLES:
            pack.connected, pack.closing = True, 0
            unit.closed_at.append(self.now_us)

    def _send(self, k: int, message: np.ndarray) -> None:
        for to in range(len(self.units)):
            if to == k or (k, to) in self.cut:
                continue
            for _ in range(2 if self.random.random() < self.doubled else 1):
                if self.random.random() >= self.loss:
                    self.flying.append((self.now_us + self.random.randrange(self.delay_us), to, message))

    def bus_v(self) -> float:
        """0 while nothing is connected."""
        siemens = sum(1.0 / u.pack.resistance_ohm for u in self.units if u.pack.connected)
        if siemens == 0.0:
            return 0.0
        driven = sum(u.pack.emf_v / u.pack.resistance_ohm for u in self.units if u.pack.connected)
        return (driven + self.site_a) / siemens

    def _flow(self) -> None:
        bus_v = self.bus_v()
        for unit in self.units:
            pack = unit.pack
            pack.current_a = (bus_v - pack.emf_v) / pack.resistance_ohm if pack.connected else 0.0

    def check(self) -> None:
        """What must never happen."""
        assert len(self.speakers()) <= 1, f"two speakers {self.speakers()} at {self.now_us / 1e6} s"
        closing = [k for k, u in enumerate(self.units) if u.pack.closing > 0]
        assert len(closing) <= 1, f"two close at once: {closing} at {self.now_us / 1e6} s"

    def speakers(self) -> list[int]:
        """Who would speak now."""
        return [
            k for k, u in enumerate(self.units)
            if u.alive and u.frozen_until_us <= self.now_us and may_speak(u.state, self.now_us + u.clock_us)
        ]  # fmt: skip

    def connected(self) -> list[int]:
        """Whose contactors are closed."""
        return [k for k, u in enumerate(self.units) if u.pack.connected]

    def decision(self, k: int) -> Any:
        """What a unit has decided."""
        return self.units[k].state.decision[0]
