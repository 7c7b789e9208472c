"""A pack's contactors, precharge resistor and DC link, as simple as tests of the sequence need them."""

from __future__ import annotations

import math
from typing import Any

from helpers.control import advance, set_channel, set_current, small_parameters, small_size, unfit, well_image
from ionward.control.sequence import new_sequence_memory, sequence
from ionward.image.inputs import CHANNEL, new_command
from ionward.image.signals import MEASURED, SEQUENCE_REASONS, STATE_INIT, STATES

DT = 0.01
POSITIVE, NEGATIVE, PRECHARGE = "main_positive", "main_negative", "precharge"


class Bus:
    """Contactors follow after two ticks unless they are `stuck` or `welded`; the link is an RC circuit."""

    def __init__(self, cells: int = 96, feedback: bool = True, taps: bool = False, **changes: float) -> None:
        self.parameters = small_parameters(cells, **changes)
        self.image = well_image(self.parameters)
        self.image.scalars["state"] = STATE_INIT
        self.memory = new_sequence_memory(small_size(cells))
        self.command = new_command()
        self.pack_v = float(self.image.cells[0].sum())
        self.bus_v = 0.0
        self.capacitance = 0.001
        self.load_ohm = math.inf
        self.source_v = math.nan  # something else that holds the bus
        self.load_a = 0.0  # while connected
        self.source_a, self.most_v = (
            0.0,
            math.inf,
        )  # one-way switches: what a charger feeds into the bus, and up to where
        self.closed = {POSITIVE: False, NEGATIVE: False, PRECHARGE: False}
        self.coming = dict.fromkeys(self.closed, 0)
        self.welded: set[str] = set()
        self.stuck: set[str] = set()
        self.feedback, self.taps = feedback, taps
        self.lies: dict[str, float] = {}  # feedback contacts that hang
        self.offset_a = 0.0  # error of the current sensor
        self.frozen_v = math.nan  # what a bus sensor reads that no longer measures
        self.digit_v = 0.001  # noise moves the bus reading by it in every other sample
        self.history: list[tuple[str, str]] = []
        if not feedback:
            unfit(self.parameters, self.image, *(getattr(CHANNEL, f"{name}_closed") for name in self.closed))
        if not taps:
            unfit(self.parameters, self.image, CHANNEL.positive_tap_v, CHANNEL.negative_tap_v)

    @property
    def state(self) -> str:
        return STATES[self.scalars["state"]]

    @property
    def reason(self) -> str:
        return SEQUENCE_REASONS[self.scalars["state_reason"]]

    @property
    def scalars(self) -> Any:
        return self.image.scalars[0]

    @property
    def driven(self) -> dict[str, bool]:
        return {name: bool(self.scalars[f"{name}_close"]) for name in self.closed}

    def step(self, count: int = 1) -> None:
        for _ in range(count):
            self._live()
            self._measure()
            sequence(self.parameters, self.command, self.image, self.memory)
            if not self.history or self.history[-1] != (self.state, self.reason):
                self.history.append((self.state, self.reason))
            advance(self.image, DT)

    def until(self, state: str, seconds: float = 60.0) -> float:
        """Step until a state is reached; returns how long it took."""
        start = self.scalars["time_s"]
        while self.state != state:
            self.step()
            assert self.scalars["time_s"] - start < seconds, f"{state} not reached: {self.history}"
        return float(self.scalars["time_s"] - start)

    def connect(self) -> None:
        self.step(2)
        self.command["connect"] = 1
        self.until("connected")

    def _live(self) -> None:
        for name, wish in self.driven.items():
            self.coming[name] = self.coming[name] + 1 if wish != self.closed[name] else 0
            if self.coming[name] >= 2 and not (wish and name in self.stuck):
                self.closed[name] = wish
            if name in self.welded:
                self.closed[name] = True
        self.current = 0.0
        if not math.isnan(self.source_v):
            self.bus_v = self.source_v
        if self.parameters.scalars[0]["one_way"] > 0:
            self._live_one_way()
        elif self.closed[NEGATIVE] and self.closed[POSITIVE]:
            self.bus_v, self.current = self.pack_v, -self.load_a
        elif self.closed[NEGATIVE] and self.closed[PRECHARGE]:
            resistance = float(self.parameters.scalars[0]["precharge_resistance_ohm"])
            self.current = -(self.pack_v - self.bus_v) / resistance
            if math.isnan(self.source_v):
                share = self.load_ohm / (self.load_ohm + resistance) if self.load_ohm < math.inf else 1.0
                end_v = self.pack_v * share
                tau = resistance * share * self.capacitance
                self.bus_v += (end_v - self.bus_v) * (1 - math.exp(-DT / tau))
        elif math.isnan(self.source_v):
            self.bus_v *= math.exp(-DT / 50.0)

    def _live_one_way(self) -> None:
        """The positive switch blocks discharge, the negative one charge; the open one's diode drops its voltage.

        `source_a` flows into the bus.
        """
        p = self.parameters.scalars[0]
        positive, negative = self.closed[POSITIVE], self.closed[NEGATIVE]
        charge_v = self.pack_v + (0.0 if positive else float(p["diode_v"]))
        discharge_v = self.pack_v - (0.0 if negative else float(p["diode_v"]))
        if math.isnan(self.source_v):
            self.bus_v = max(self.bus_v + (self.source_a - self.load_a - self.bus_v / 5e4) * DT / self.capacitance, 0.0)
            self.bus_v = min(self.bus_v, self.most_v)
        if negative and self.bus_v > charge_v:
            self.current = self.source_a - self.load_a if math.isnan(self.source_v) else self.bus_v - charge_v
            self.bus_v = charge_v if math.isnan(self.source_v) else self.bus_v
        elif positive and self.bus_v < discharge_v:
            self.current = self.source_a - self.load_a if math.isnan(self.source_v) else self.bus_v - discharge_v
            self.bus_v = discharge_v if math.isnan(self.source_v) else self.bus_v
        elif self.closed[PRECHARGE] and not positive and self.bus_v < discharge_v:
            resistance = float(p["precharge_resistance_ohm"])
            self.current = -(discharge_v - self.bus_v) / resistance
            if math.isnan(self.source_v):
                self.bus_v += (discharge_v - self.bus_v) * (1 - math.exp(-DT / (resistance * self.capacitance)))

    def _tap(self, own: str, other: str) -> float:
        """Voltage at the load side of a contactor: the pack's over a closed one, the bus's over the other side."""
        if self.closed[own]:
            return self.pack_v
        return self.bus_v if self.closed[other] else 0.5 * (self.pack_v + self.bus_v)

    def _measure(self) -> None:
        self.digit_v = -self.digit_v
        read_v = self.bus_v + self.digit_v if math.isnan(self.frozen_v) else self.frozen_v
        set_channel(self.image, CHANNEL.bus_voltage_v, read_v)
        set_current(self.image, self.current + self.offset_a)
        if self.feedback:
            for name, closed in self.closed.items():
                set_channel(self.image, getattr(CHANNEL, f"{name}_closed"), self.lies.get(name, float(closed)))
        if self.taps:
            set_channel(self.image, CHANNEL.positive_tap_v, self._tap(POSITIVE, NEGATIVE))
            set_channel(self.image, CHANNEL.negative_tap_v, self._tap(NEGATIVE, POSITIVE))
        self.image.channels[MEASURED.new, CHANNEL.bus_voltage_v] = 1
