"""Control, guard and driver beside each other in simulated time: what the processes of a run do, cycle by cycle.

The coils are driven by `runtime.enables` from the words of control and guard, as in the driver's process; the guard is
the very same logic that runs in its own process. What goes wrong with control or guard is said by the attributes: they
stop, are late, or say what they should not. Interpreted, so for few cases.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ionward.battery.system import System
from ionward.control import tick as stages
from ionward.control.tick import tick
from ionward.image.challenge import answer_to, request_word, wish_word
from ionward.image.exchange import CONTROL_RECORD, DRIVEN_RECORD, FLOW_STAGES, GUARD_OK, GUARD_RECORD, GUARD_STOOD
from ionward.image.guard_limits import guard_limits
from ionward.image.inputs import RAW, new_raw
from ionward.image.signals import CELL, STATE_CONNECTED
from ionward.image.tables import slice_bounds, slices_of, table_sums
from ionward.proving.prove.stand import Bench
from ionward.runtime.cycle import fold_of
from ionward.runtime.enables import Enables, default_expiry_s
from ionward.runtime.pyrofuse import PyrofuseSetup, look
from ionward.runtime.wishes import OverrunBudget
from ionward.safety.guard import Guard, Verdict
from ionward.safety.guard_control import flow_word
from ionward.safety.guard_input import SampleSum
from ionward.twin.plant import advance, measure
from ionward.twin.rows import CELLS, OUT

COILS = ("main_positive", "main_negative", "precharge", "pyrofuse")
GUARD_WORDS = ("enable", "reason", "place", "value", "challenge", "tripped", "trip_reason", "trip_count", "pyrofuse")
SLOW = {"balance": 1, "cool": 2}  # thirds of the slow round at which these stages run


@dataclass(frozen=True)
class Break:
    """One way to break control, guard, driver, memory or clock.

    `fault` names the catalogue's, where it is the one that tells of this; `hidden` the fault of the battery that
    control no longer reacts to; `counts_after`: it takes its time, and counts from when it is done; `why_not` says why
    this cannot be done to a pack, if so; `holds_one_way`: it holds a switch that blocks one direction alone, so that
    such a path stays closed whatever the others do.
    """

    name: str
    injected: str
    make: Callable[[GuardedLoop], None]
    fault: str = ""
    hidden: str = ""
    point: str = "rest"
    extra_s: float = 0.0
    counts_after: bool = False
    why_not: Callable[[System], str] = lambda _: ""
    holds_one_way: bool = False


class GuardedLoop:
    """A test stand whose contactors obey two enables. One `step` is one cycle of driver, control and guard."""

    def __init__(self, bench: Bench, system: System, seed: int) -> None:
        self.bench, self.system = bench, system
        self._row = bench.lay_in_one_row()
        self._sums = table_sums(bench.stand.parameters, slices_of(bench.cycle_s))
        self._sample_sum = SampleSum()
        self._pyrofuse = PyrofuseSetup.of(system.as_dict())
        self.guard = Guard(guard_limits(system), seed, self._sums)
        self.expiry_s = system.cycle.enable_expiry_s or default_expiry_s(bench.cycle_s)
        self.enables = Enables(self.expiry_s, self._pyrofuse)
        self.control, self.driven = np.zeros(1, CONTROL_RECORD), np.zeros(1, DRIVEN_RECORD)
        self.guard_word = np.zeros(1, GUARD_RECORD)
        self.control["time_s"] = self.guard_word["time_s"] = self.control["acknowledged_s"] = -np.inf
        self.verdict: Verdict | None = None
        self.command = bench.command
        self.command["supervised"] = 1
        self._raw = new_raw(bench.bms.size.cells, bench.bms.size.sensors)
        self._overruns, self._budget = 0, OverrunBudget(bench.cycle_s, system.cycle.overrun_budget)
        self._control_count = self._io_count = 0
        # What can go wrong.
        self.control_runs = self.guard_runs = True
        self.control_overruns = False
        self.skipped = ""  # a stage of the tick that does not run
        self.stuck_input = False  # control sees old values as if they were new
        self.clock_ahead_s = 0.0  # of control's clock
        self.hit_memory: Callable[[], None] = lambda: None  # before each tick
        self.spoil_coils: Callable[[dict[str, float]], None] = lambda _coils: None  # what the driver does instead
        self.spoil_control: Callable[[Any], None] = lambda _record: None
        self.spoil_guard: Callable[[Any], None] = lambda _record: None

    @property
    def now_s(self) -> float:
        """Simulated time."""
        return self.bench.time_s

    def run(self, seconds: float) -> None:
        """Some cycles."""
        for _ in range(self.bench.ticks(seconds)):
            self.step()

    def step(self) -> None:
        """One cycle."""
        self._drive()
        if self.control_runs:
            self._tick()
        if self.guard_runs:
            self._guard()

    def acknowledge(self) -> None:
        """A person acknowledges."""
        self.command["acknowledge_count"] += 1
        self.control["acknowledged_s"] = self.now_s

    def _drive(self) -> None:
        bench, plant, image = self.bench, self.bench.plant, self.bench.bms.image
        path = look(self.now_s, bench.stand.raw, self._pyrofuse)
        coils = self.enables.step(self.now_s, self.control[0], self.guard_word[0], path=path)
        out, s = plant.outputs, image.scalars[0]
        driving = {name: float(getattr(coils, name)) for name in COILS}
        self.spoil_coils(driving)
        for name in COILS:
            out[getattr(OUT, name)] = driving[name]
            self.driven[name] = driving[name]
        for name in ("pump", "fan", "heater"):
            out[getattr(OUT, name)] = float(s[name]) if coils.obeyed else 0.0
        out[OUT.connected] = self.control["state"][0] == STATE_CONNECTED
        out[OUT.charge_limit_a] = self.control["charge_limit_a"][0]
        out[OUT.discharge_limit_a] = self.control["discharge_limit_a"][0]
        plant.cells[CELLS.bleed] = image.cells[CELL.balancing] if coils.obeyed else 0.0
        advance(plant)
        measure(plant, bench.stand.raw)
        driven = self.driven
        driven["time_s"] = self.now_s
        driven["cycle"] += 1
        driven["control_enable"], driven["guard_enable"] = self.enables.control_fresh, self.enables.guard_fresh
        driven["tripped"], driven["trip_count"] = self.enables.tripped, self.enables.trip_count
        self._io_count += 1

    def _supervise(self) -> None:
        """What the tick is told about the processes around it (as `runtime.cycle.supervise`)."""
        driven, guard, command = self.driven[0], self.guard_word[0], self.command
        fresh = driven["control_enable"] == 1 and driven["guard_enable"] == 1 and driven["tripped"] == 0
        command["enables"] = int(fresh)
        differs = any(driven[name] != self.control[0][name] for name in COILS[:3])
        command["driven_differs"] = int(fresh and differs)
        command["driver_tripped"], command["driver_trips"] = driven["tripped"], driven["trip_count"]
        withholds = GUARD_OK if guard["enable"] == 1 else int(guard["reason"])
        if not self.now_s - guard["time_s"] < self.expiry_s:
            withholds = GUARD_STOOD
        command["guard_withholds"] = withholds
        self._overruns += int(self.control_overruns)
        command["overrun_share"] = self._budget.share(self.now_s, self._overruns)

    def _tick(self) -> None:
        stand, record = self.bench.stand, self.control
        self._supervise()
        self.hit_memory()
        raw = self._seen()
        if self.skipped:
            self._tick_without(raw, self.skipped)
        else:
            tick(raw, stand.command, stand.parameters, stand.image, stand.memory)
        s = stand.image.scalars[0]
        for name in ("tick", "flow", "balance_runs", "cool_runs", "state", "charge_limit_a", "discharge_limit_a"):
            record[name] = s[name]
        for name in COILS[:3]:
            record[name] = s[f"{name}_close"]
        record["pyrofuse"], record["time_s"] = s["pyrofuse_fire"], self.now_s
        record["acknowledge_count"] = self.command["acknowledge_count"]
        record["challenge"] = self.guard_word["challenge"]
        record["driver_cycle"] = self.driven["cycle"]
        requests = (int(s[name]) for name in ("open_request", "charge_open_request", "discharge_open_request"))
        record["open_request"] = request_word(*requests)
        self._answer(record, raw)
        self.spoil_control(record)
        self._control_count += 1

    def _answer(self, record: Any, raw: Any) -> None:
        """Answer the guard's challenge over the live tables and the samples as control has them."""
        challenge = int(record["challenge"][0])
        first, last = slice_bounds(len(self._row), len(self._sums), challenge % len(self._sums))
        record["table_sum"] = fold_of(self._row, first, last)
        record["sample_sum"] = self._sample_sum.of(raw)
        wish = wish_word(*(int(record[name][0]) for name in (*COILS, "open_request")))
        flow, tick_number, tables, samples = (
            int(record[name][0]) for name in ("flow", "tick", "table_sum", "sample_sum")
        )  # fmt: skip
        record["answer"] = answer_to(challenge, flow, tick_number, tables, samples, wish)

    def _seen(self) -> Any:
        """The samples as control has them."""
        raw = self.bench.stand.raw
        for mine, real in zip(self._raw, raw, strict=True):
            if mine.dtype.names or not self.stuck_input:
                mine[...] = real
            else:
                mine[RAW.time_s] = real[RAW.time_s]
        self._raw.clock["time_s"] += self.clock_ahead_s
        return self._raw

    def _tick_without(self, raw: Any, left_out: str) -> None:
        """The tick as `control.tick` composes it, but for one stage."""
        stand = self.bench.stand
        p, image, memory, command = stand.parameters, stand.image, stand.memory, stand.command
        s = image.scalars[0]
        every = max(int(p.scalars["slow_every"][0]), 1)
        ran = []
        for number, name in enumerate(FLOW_STAGES):
            # The stages count ticks in the first one.
            if name == left_out or (name in SLOW and int(s["tick"]) % every != SLOW[name] * every // 3):
                continue
            stage, own = getattr(stages, name), getattr(memory, name)
            told = {"validate": (raw, p, image), "estimate": (p, image), "cool": (p, image)}
            stage(*told.get(name, (p, command, image)), own)
            ran.append(number)
            if name in SLOW:
                s[f"{name}_runs"] += 1
        s["flow"] = flow_word(tuple(ran))

    def _guard(self) -> None:
        stand = self.bench.stand
        self.verdict = self.guard.step(
            self.now_s, stand.raw, self.driven, self.control, self._control_count, self._io_count
        )
        word = self.guard_word
        for name in GUARD_WORDS:
            word[name] = getattr(self.verdict, name)
        word["time_s"] = self.now_s
        word["cycle"] += 1
        self.spoil_guard(word)
