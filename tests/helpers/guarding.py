"""The guard beside a BMS and a simulated battery in simulated time, and beside values that a test makes up."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from helpers.scenarios import small_system
from ionward.battery.system import System
from ionward.control.bms import Bms
from ionward.image.challenge import answer_to, request_word, wish_word
from ionward.image.exchange import CONTROL_RECORD, DRIVEN_RECORD
from ionward.image.guard_limits import guard_limits
from ionward.image.guard_table import GuardLimits
from ionward.image.inputs import CHANNEL, RAW, new_command, new_raw
from ionward.image.signals import STATE_CONNECTED
from ionward.safety.guard import Guard, Verdict
from ionward.safety.guard_control import flow_word
from ionward.safety.guard_input import SampleSum
from ionward.twin.build import Start
from ionward.twin.twin import Twin

CONTACTORS = ("main_positive", "main_negative", "precharge")
CLOSED = ("main_positive", "main_negative")
ALWAYS = flow_word((0, 1, 2, 3, 4))


# Checksums of made-up parameter tables: what a sound control tells of each slice.
SUMS = (11, 22, 33, 44, 55)


def answer(record: Any) -> None:
    """Let control's record answer the challenge that stands in it."""
    wish = wish_word(*(int(record[name][0]) for name in (*CONTACTORS, "pyrofuse", "open_request")))
    told = ("challenge", "flow", "tick", "table_sum", "sample_sum")
    record["answer"] = answer_to(*(int(record[name][0]) for name in told), wish)


class Bench:
    """Made-up inputs, all well until a test changes them. Every `step` is one cycle of driver, control and guard."""

    def __init__(self, limits: GuardLimits, seed: int = 7, start_s: float = 1000.0) -> None:
        self.limits = limits
        self.guard = Guard(limits, seed, SUMS)
        self.tables = list(SUMS)  # as control's live tables give them
        self.seen: Any = None  # the samples as control has them, where it does not have the newest
        self._sum = SampleSum()
        self.now_s = start_s
        self.raw = new_raw(limits.cells, limits.sensors)
        self.control = np.zeros(1, CONTROL_RECORD)
        self.control["flow"], self.control["acknowledged_s"] = ALWAYS, -np.inf
        self.driven = np.zeros(1, DRIVEN_RECORD)
        self.control_count = self.io_count = 0
        self.cells, self.temperatures = np.full(limits.cells, 3.7), np.full(limits.sensors, 25.0)
        self.channels = {"current_a": 0.0, "current_redundant_a": 0.0, "pack_voltage_v": 3.7 * limits.cells,
                         "bus_voltage_v": 0.0}  # fmt: skip
        self.control_runs = self.driver_runs = self.obeys = True
        self.silent: set[str] = set()  # of cells, temperatures, channels: no new samples
        self.spoil: Callable[[Any], None] = lambda _record: None  # what goes wrong in control's record
        self.verdict: Verdict | None = None

    def step(self, cycles: int = 1, pause_s: float = 0.0) -> Verdict:
        """Some cycles; the first one comes later by `pause_s`."""
        for _ in range(cycles):
            self.now_s += self.limits.cycle_s + pause_s
            pause_s = 0.0
            if self.driver_runs:
                self.drive()
            if self.control_runs:
                self.tick()
            self.verdict = self.guard.step(
                self.now_s, self.raw, self.driven, self.control, self.control_count, self.io_count
            )
        assert self.verdict is not None
        return self.verdict

    def for_s(self, seconds: float) -> Verdict:
        return self.step(max(1, round(seconds / self.limits.cycle_s)))

    def good(self) -> Verdict:
        """Until the enable is given."""
        verdict = self.step(20)
        assert verdict.enable, verdict
        return verdict

    def wish(self, *contactors: str) -> None:
        for name in CONTACTORS:
            self.control[name] = name in contactors

    def connected(self) -> Verdict:
        """Good, and then connected to a bus that matches."""
        self.good()
        self.channels["bus_voltage_v"] = self.channels["pack_voltage_v"]
        self.step(3)
        self.wish("main_positive", "main_negative")
        verdict = self.step(10)
        assert verdict.enable, verdict
        return verdict

    def acknowledge(self) -> None:
        self.control["acknowledged_s"] = self.now_s
        self.control["acknowledge_count"] += 1

    def drive(self) -> None:
        """New samples, and what is driven."""
        for name, block, values in (
            ("cells", self.raw.cells, self.cells),
            ("temperatures", self.raw.temperatures, self.temperatures),
        ):
            if name not in self.silent:
                block[RAW.value], block[RAW.time_s] = values, self.now_s
        if "channels" not in self.silent:
            for name, value in self.channels.items():
                self.raw.channels[:, getattr(CHANNEL, name)] = value, self.now_s
        self.driven["time_s"] = self.now_s
        self.driven["cycle"] += 1
        enabled = self.verdict is not None and self.verdict.enable
        for name in CONTACTORS:
            self.driven[name] = self.control[name] if enabled and self.obeys else 0
        self.io_count += 1

    def tick(self) -> None:
        """Control's next word."""
        record = self.control
        record["tick"] += 1
        record["time_s"] = self.now_s
        if int(record["tick"][0]) % 100 == 0:
            record["balance_runs"] += 1
            record["cool_runs"] += 1
        if self.verdict is not None:
            record["challenge"] = self.verdict.challenge
        record["table_sum"] = self.tables[int(record["challenge"][0]) % len(self.tables)]
        record["driver_cycle"] = self.driven["cycle"]
        record["sample_sum"] = (SampleSum() if self.seen else self._sum).of(self.seen or self.raw)
        answer(record)
        self.spoil(record)
        self.control_count += 1


SMALL = small_system()
LIMITS = guard_limits(SMALL)
CYCLE_S = LIMITS.cycle_s


def bench(**changes: Any) -> Bench:
    """A bench of the small pack, with changes to the guard's table."""
    return Bench(LIMITS._replace(**changes))


def cycles_of(seconds: float) -> int:
    """Cycles of the small pack until at least so long has passed."""
    return math.ceil(seconds / CYCLE_S - 1e-9)


class ClosedLoop:
    """A BMS, a simulated battery and the guard, whose enable the contactors obey. One `run` for some seconds.

    A control that lies answers the guard as it should, but wishes what `lie` names, whatever its tick says.
    """

    def __init__(self, system: System, start: Start | None = None, profile: Any = None, seed: int = 1) -> None:
        self.system = system
        self.bms, self.twin = Bms.of(system), Twin(system, start or Start(), seed, profile=profile)
        self.guard = Guard(guard_limits(system), seed)
        self.cycle_s = system.cycle.period_s
        self.raw, self.command = self.bms.new_raw(), new_command()
        self.control, self.driven = np.zeros(1, CONTROL_RECORD), np.zeros(1, DRIVEN_RECORD)
        self.control["acknowledged_s"] = -np.inf
        self.lie: tuple[str, ...] | None = None
        self._sum = SampleSum()
        self.steps = 0
        self.verdict: Verdict | None = None
        self.enabled: list[bool] = []
        self.wished: list[bool] = []

    @property
    def now_s(self) -> float:
        return 100.0 + self.steps * self.cycle_s

    @property
    def connected(self) -> bool:
        return bool(self.bms.image.scalars["state"][0] == STATE_CONNECTED)

    def run(self, seconds: float) -> Verdict:
        for _ in range(round(seconds / self.cycle_s)):
            self.steps += 1
            self._drive()
            self._tick()
            self.verdict = self.guard.step(self.now_s, self.raw, self.driven, self.control, self.steps, self.steps)
            self.enabled.append(self.verdict.enable)
            self.wished.append(any(bool(self.control[name][0]) for name in CONTACTORS))
        assert self.verdict is not None
        return self.verdict

    def _drive(self) -> None:
        enabled = self.verdict is not None and self.verdict.enable
        outputs = self.bms.outputs()
        for name in CONTACTORS:
            self.driven[name] = self.control[name] if enabled else 0
        coils = {name: bool(self.driven[name][0]) for name in CONTACTORS}
        self.twin.write(self.now_s, outputs._replace(**coils))
        s = self.bms.image.scalars[0]
        self.twin.hear(self.connected, float(s["charge_limit_a"]), float(s["discharge_limit_a"]))
        self.twin.read(self.now_s, self.raw)
        self.driven["time_s"] = self.now_s
        self.driven["cycle"] += 1

    def _tick(self) -> None:
        self.bms.step(self.raw, self.command)
        s, record = self.bms.image.scalars[0], self.control
        record["driver_cycle"], record["sample_sum"] = self.driven["cycle"], self._sum.of(self.raw)
        for name in ("tick", "flow", "balance_runs", "cool_runs"):
            record[name] = s[name]
        requests = (int(s[name]) for name in ("open_request", "charge_open_request", "discharge_open_request"))
        record["open_request"] = request_word(*requests)
        for name in CONTACTORS:
            record[name] = s[f"{name}_close"] if self.lie is None else name in self.lie
        record["pyrofuse"], record["time_s"] = s["pyrofuse_fire"], self.now_s
        record["challenge"] = 0 if self.verdict is None else self.verdict.challenge
        answer(record)
