"""Traps that other battery management systems have fallen into (foxBMS 2 among them), through the whole tick.

- A second closing that never finishes stops the state machine, and protection with it.
- A counter that goes below nothing, or past the end of its type, wraps round and is enormous, or negative.
- An abort in the middle of a nested step is forgotten, or ends with a contactor closed.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from helpers.ticks import EXAMPLES
from ionward.control.bms import Bms
from ionward.control.contactors import SEQ, STEPS
from ionward.image.build import load_pack
from ionward.image.faults import FAULT_ID
from ionward.image.inputs import CHANNEL, RAW, new_command
from ionward.image.kernel_memory import PROGRESS
from ionward.image.signals import EVENT, FAULT, LEVEL_NONE, STATES
from ionward.safety.ladder import COUNT_MAX

CONTACTS = ("main_positive", "main_negative", "precharge")
CELL_V, HIGH_V = 3.7, 4.4


class Pack:
    """The EV example, all sensors sampled in every tick; contactors follow after one tick unless they hang."""

    def __init__(self) -> None:
        system, parameters = load_pack(EXAMPLES / "ev-96s.toml")
        self.bms = Bms.of(system)
        self.cycle_s = float(parameters.scalars[0]["cycle_s"])
        self.raw, self.command = self.bms.new_raw(), new_command()
        self.cells = np.full(self.bms.size.cells, CELL_V)
        self.now_s, self.bus_v, self.load_a = 100.0, 0.0, 0.0
        self.hangs: set[str] = set()  # contactors that stay open, or `bus` that stays dead
        self.closed = dict.fromkeys(CONTACTS, False)
        self.channels = {"insulation_ohm": 5e6, "hvil_closed": 1.0, "crash": 0.0, "pyrofuse_intact": 1.0}

    @property
    def state(self) -> str:
        return STATES[self.bms.image.scalars[0]["state"]]

    @property
    def step_name(self) -> str:
        return STEPS[int(self.bms.memory.sequence.fields[SEQ.step])]

    @property
    def driven(self) -> dict[str, bool]:
        return {name: bool(self.bms.image.scalars[0][f"{name}_close"]) for name in CONTACTS}

    def level(self, fault: str) -> int:
        return int(self.bms.image.faults[FAULT.level, getattr(FAULT_ID, fault)])

    def tick(self, count: int = 1) -> None:
        for _ in range(count):
            self.closed = {name: on and name not in self.hangs for name, on in self.driven.items()}
            self._bus_goes()
            self._sample()
            self.bms.step(self.raw, self.command)
            self.now_s += self.cycle_s

    def _bus_goes(self) -> None:
        pack_v = float(self.cells.sum())
        live = self.closed["main_negative"] and (self.closed["main_positive"] or self.closed["precharge"])
        if "bus" in self.hangs:
            return
        self.bus_v = self.bus_v + 0.1 * (pack_v - self.bus_v) if live else 0.95 * self.bus_v
        if self.closed["main_negative"] and self.closed["main_positive"]:
            self.bus_v = pack_v

    def _sample(self) -> None:
        raw, through = self.raw, self.closed["main_negative"] and self.closed["main_positive"]
        # A digit moves in every sample, as with a real converter: what stands quite still is frozen.
        digit = 1e-4 * (round(self.now_s / self.cycle_s) % 2)
        current_a = self.load_a if through else 0.0
        pack_v = float(self.cells.sum())
        values = {
            "current_a": current_a, "current_redundant_a": current_a, "pack_voltage_v": pack_v,
            "bus_voltage_v": self.bus_v, "positive_tap_v": pack_v if through else 0.0,
            "negative_tap_v": pack_v if self.closed["main_negative"] else 0.0,
            **{f"{name}_closed": float(on) for name, on in self.closed.items()}, **self.channels,
        }  # fmt: skip
        switches = {"hvil_closed", "crash", "pyrofuse_intact", *(f"{name}_closed" for name in CONTACTS)}
        raw.clock["time_s"] = self.now_s
        raw.cells[RAW.value], raw.temperatures[RAW.value] = self.cells + digit, 25.0 + digit
        raw.channels[RAW.value] = 25.0 + digit  # temperatures of points; counters that do not count
        for channel in (CHANNEL.monitor_crc_errors, CHANNEL.monitor_sequence_errors, CHANNEL.monitor_redundancy_v):
            raw.channels[RAW.value, channel] = 0.0
        for name, value in values.items():
            raw.channels[RAW.value, getattr(CHANNEL, name)] = value if name in switches else value + digit
        for block in (raw.cells, raw.temperatures, raw.channels):
            block[RAW.time_s] = self.now_s

    def until(self, state: str, seconds: float = 20.0) -> None:
        for _ in range(round(seconds / self.cycle_s)):
            if self.state == state:
                return
            self.tick()
        raise AssertionError(f"{state} not reached: {self.state}, {self.step_name}, {self.driven}")

    def reach(self, step: str) -> None:
        for _ in range(1000):
            if self.step_name == step and self.state != "standby":
                return
            self.tick()
        raise AssertionError(f"step {step} not reached: {self.state}, {self.step_name}")

    def connected(self) -> None:
        self.tick(50)
        self.command["connect"] = 1
        self.until("connected")

    def ticks_until_told(self, fault: str) -> int:
        for count in range(200):
            if self.level(fault) > LEVEL_NONE:
                return count
            self.tick()
        raise AssertionError(f"{fault} is never told")


@pytest.mark.parametrize("hangs", [{"bus"}, {"main_negative"}, {"precharge"}, {"main_positive"}])
def test_a_second_closing_that_does_not_finish_does_not_stop_protection(hangs: set[str]) -> None:
    idle = Pack()
    idle.tick(50)
    idle.cells[7] = HIGH_V
    told_after = idle.ticks_until_told("cell_overvoltage")

    pack = Pack()
    pack.connected()
    pack.command["connect"] = 0
    pack.until("standby")
    pack.bus_v = 0.0
    pack.tick(5)
    pack.hangs = hangs
    pack.command["connect"] = 1
    pack.reach({"bus": "charge", "main_negative": "negative", "precharge": "charge", "main_positive": "positive"}
               [next(iter(hangs))])  # fmt: skip
    assert any(pack.driven.values())
    pack.cells[7] = HIGH_V
    assert pack.ticks_until_told("cell_overvoltage") == told_after
    pack.tick(10)
    assert not any(pack.driven.values())
    pack.until("fault", 2.0)


def test_a_closing_that_never_finishes_ends_by_itself_as_often_as_it_is_tried() -> None:
    pack = Pack()
    pack.tick(50)
    pack.hangs = {"bus"}
    pack.command["connect"] = 1
    longest = ticks = 0
    for _ in range(round(60.0 / pack.cycle_s)):
        pack.tick()
        ticks = ticks + 1 if any(pack.driven.values()) else 0
        longest = max(longest, ticks)
    system = load_pack(EXAMPLES / "ev-96s.toml")[1].scalars[0]
    assert longest * pack.cycle_s <= system["precharge_timeout_s"] + 2 * system["contactor_close_s"] + 0.1
    assert pack.state == "fault"


@pytest.mark.parametrize("step", ["negative", "probe", "charge", "positive", "release", "none", "wait",
                                  "open positive", "open negative", "prove"])  # fmt: skip
def test_a_crash_in_every_step_ends_with_everything_open(step: str) -> None:
    pack = Pack()
    if step in ("negative", "probe", "charge", "positive", "release"):
        pack.tick(50)
        pack.command["connect"] = 1
        pack.reach(step)
    else:
        pack.connected()
        pack.load_a = -50.0 if step == "wait" else 0.0
        pack.tick(2)
        if step != "none":
            pack.command["connect"] = 0
            pack.reach(step)
    pack.channels["crash"] = 1.0
    pack.tick(4)
    assert not any(pack.driven.values())
    pack.until("fault", 2.0)
    pack.tick(100)
    assert (pack.state, any(pack.driven.values())) == ("fault", False)


@pytest.mark.parametrize("back_s", [0.05, 10.0])
def test_a_clock_that_goes_back_makes_no_count_negative(back_s: float) -> None:
    pack = Pack()
    pack.connected()
    pack.cells[7] = HIGH_V
    pack.tick(1)
    pack.now_s -= back_s
    for _ in range(60):
        pack.tick()
        progress = pack.bms.memory.protect.progress
        counts = np.delete(progress, PROGRESS.raised_place, axis=0)
        assert (counts >= 0.0).all()
        assert (counts <= COUNT_MAX).all()
    assert not any(pack.driven.values())
    assert pack.bms.image.faults[FAULT.latched_level, FAULT_ID.clock_jumped] > LEVEL_NONE


def test_an_acknowledgement_count_below_nothing_is_an_acknowledgement_and_nothing_else() -> None:
    pack = Pack()
    pack.tick(50)
    pack.cells[7] = HIGH_V
    pack.tick(50)
    pack.cells[7] = CELL_V
    pack.tick(200)
    latched = pack.bms.image.faults[FAULT.latched_level, FAULT_ID.cell_overvoltage]
    assert latched > LEVEL_NONE
    pack.command["acknowledge_count"] = -1
    pack.tick(2)
    assert pack.bms.image.scalars[0]["latched_faults"] == 0
    pack.tick(200)
    assert pack.state == "standby"


@pytest.mark.parametrize("count", [2**31 - 1, 2**32 - 1, 2**53])
def test_event_and_tick_counters_go_on_past_the_end_of_smaller_types(count: int) -> None:
    pack = Pack()
    pack.tick(50)
    s, events = pack.bms.image.scalars[0], pack.bms.image.events
    s["event_count"] = s["tick"] = count
    events[EVENT.time_s] = math.nan
    pack.cells[7] = HIGH_V
    pack.tick(50)
    assert s["event_count"] > count
    assert s["tick"] == count + 50
    written = ~np.isnan(events[EVENT.time_s])
    assert written.sum() == s["event_count"] - count
    assert FAULT_ID.cell_overvoltage in events[EVENT.fault, written]
