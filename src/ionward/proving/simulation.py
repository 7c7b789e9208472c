"""One run: a pack, a scenario and a seed in; events, verdicts, a digest and traces out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ionward.battery.problems import Problem
from ionward.battery.system import System
from ionward.control.bms import Bms, output_size
from ionward.control.entry import tick_address
from ionward.errors import UserError
from ionward.image.build import build_parameters, system_size
from ionward.image.inputs import new_command, new_raw
from ionward.image.masks import Moment, masked_words, with_masks
from ionward.image.signals import SEQUENCE_REASONS, STATES
from ionward.proving.closed_loop import CHANGE, CHANGES_MAX, Bench, run_ticks
from ionward.proving.events import EventReader
from ionward.proving.expectations import Check, Verdict, judge, prepare, set_watches
from ionward.proving.load_profile import Profile, build_profile
from ionward.proving.recording import RunRecorder
from ionward.proving.scenario import Command, Injection, Scenario
from ionward.proving.traces import Traces
from ionward.proving.watch import TRUTH, new_watches
from ionward.runtime.codec import record_buffer
from ionward.runtime.digests import Digests
from ionward.twin.build import build_plant
from ionward.twin.faults import Undo, inject, problem_of
from ionward.twin.rows import SET

CHUNK_S = 1.0
PURPOSES = {"drive": 0, "charge": 1}


class Progress(NamedTuple):
    """Where a run is."""

    simulated_s: float
    duration_s: float
    wall_s: float
    state: str
    soc: float
    current_a: float
    events: int


@dataclass
class Change:
    """A change of the connection: the BMS's state and reason, and the true contacts."""

    time_s: float
    state: str
    reason: str
    main_positive: bool
    main_negative: bool
    precharge: bool


@dataclass
class RunResult:
    """What came out of a run, of a pack or of a site."""

    name: str
    seed: int
    ticks: int
    simulated_s: float
    wall_s: float
    final_state: str
    contactors_closed: bool
    digest: str
    events: list[dict[str, Any]]
    events_lost: int
    actions: list[tuple[float, str]]
    verdicts: list[Verdict]
    masks: list[str] = field(default_factory=list)

    @property
    def failed(self) -> list[Verdict]:
        """Expectations that were not met."""
        return [v for v in self.verdicts if not v.met]

    @property
    def speed(self) -> float:
        """Simulated against real time."""
        return self.simulated_s / self.wall_s if self.wall_s > 0 else math.inf

    def as_json(self) -> dict[str, Any]:
        """The object that `ionward simulate --json` prints."""
        return {
            "ticks": self.ticks,
            "simulated_s": self.simulated_s,
            "wall_s": self.wall_s,
            "final_state": self.final_state,
            "contactors_closed": self.contactors_closed,
            "events": self.events,
            "digest": self.digest,
            "expectations_failed": len(self.failed),
            "masks": self.masks,
        }


@dataclass
class Result(RunResult):
    """What came out of a pack's run."""

    changes: list[Change] = field(default_factory=list)
    final: dict[str, float] = field(default_factory=dict)
    traces: Traces | None = field(repr=False, default=None)


class Action(NamedTuple):
    """Something that happens before a tick."""

    tick: int
    words: str
    do: Callable[[], None]


class Simulation:
    """A pack in a scenario, prepared and checked. `run` it once."""

    def __init__(
        self, system: System, scenario: Scenario, seed: int = 1, keep_traces: bool = True, wall_s: float | None = None
    ) -> None:
        """Prepare a run. `wall_s` is when it is taken to begin, in seconds since 1970: without it no mask holds.

        Raises:
            UserError: the scenario does not fit the pack; all problems at once.
        """
        self.system, self.scenario, self.seed = system, scenario, seed
        self.cycle_s = system.cycle.period_s
        self.ticks = max(1, self._tick_at(scenario.scenario.duration_s))
        size = system_size(system)
        self.checks, profile = self._checked(system, scenario)
        self.began = Moment(wall_s) if wall_s is not None else None
        self.bms = Bms(with_masks(build_parameters(system), system.masks, self.began), size)
        image = self.bms.image
        chunk = max(1, round(CHUNK_S / self.cycle_s))
        watches = new_watches(len(self.checks))
        set_watches(self.checks, watches, self.cycle_s, self.ticks * self.cycle_s)
        changes = np.zeros((len(CHANGE), CHANGES_MAX))
        changes[CHANGE.state] = -1.0
        self.command = new_command()
        plant = build_plant(system, scenario.start, seed, scenario.environment.ambient_c, profile.points)
        self._set_source(plant.settings, profile)
        self.bench = Bench(
            plant=plant,
            raw=new_raw(size.cells, size.sensors),
            command=self.command,
            parameters=self.bms.parameters,
            image=image,
            memory=self.bms.memory,
            numbers=image.scalars.view(np.float64),
            counts=image.scalars.view(np.int64),
            truth=np.zeros(len(TRUTH)),
            watches=watches,
            changes=changes,
            record=record_buffer(size, chunk),
            words=np.zeros((chunk, output_size(size))),
        )
        self.traces = Traces(scenario.scenario.duration_s) if keep_traces else None
        self._undo: dict[int, Undo] = {}
        self.actions = self._actions()
        self.done: list[tuple[float, str]] = []

    def _tick_at(self, time_s: float) -> int:
        """The first tick at or after a time."""
        return math.ceil(time_s / self.cycle_s - 1e-6)

    @staticmethod
    def _checked(system: System, scenario: Scenario) -> tuple[list[Check], Profile]:
        problems: list[str] = []
        checks, wrong = prepare(scenario)
        profile = Profile(np.zeros((2, 0)), False)
        try:
            profile = build_profile(scenario, system.topology.capacity_ah)
        except UserError as error:
            problems += error.problems
        trial = build_plant(system)
        for k, fault in enumerate(scenario.fault):
            found = problem_of(trial, fault.name, fault.place, fault.value)
            if found:
                wrong.append(Problem(f"fault[{k}]", None, *_parts(found)))
        problems += [problem.line(scenario.file or scenario.scenario.name) for problem in wrong]
        if problems:
            raise UserError(*problems)
        return checks, profile

    def _set_source(self, settings: Any, profile: Profile) -> None:
        source = self.scenario.source
        settings[SET.load_obeys] = source.load_obeys
        settings[SET.charger_obeys] = source.charger_obeys
        settings[SET.load_is_power] = profile.is_power
        if source.charge_voltage_v is not None:
            settings[SET.charge_voltage_v] = source.charge_voltage_v
        if source.slew_a_per_s is not None:
            settings[SET.slew_a_per_s] = source.slew_a_per_s

    def _actions(self) -> list[Action]:
        actions = [Action(self._tick_at(c.at_s), _command_words(c), self._commander(c)) for c in self.scenario.command]
        for k, fault in enumerate(self.scenario.fault):
            words = fault_words(fault)
            actions.append(Action(self._tick_at(fault.at_s), words, self._injector(k, fault)))
            if fault.for_s is not None:
                end = self._tick_at(fault.at_s + fault.for_s)
                actions.append(Action(end, f"{words} ends", self._healer(k)))
        return sorted(actions, key=lambda action: action.tick)

    def _commander(self, wanted: Command) -> Callable[[], None]:
        def do() -> None:
            command = self.command
            if wanted.connect is not None:
                command["connect"] = wanted.connect
            if wanted.purpose is not None:
                command["purpose"] = PURPOSES[wanted.purpose]
            if wanted.acknowledge:
                command["acknowledge_count"] += 1
            if wanted.balancing is not None:
                command["balancing_allowed"] = wanted.balancing
            for name in ("charge_factor", "discharge_factor"):
                value = getattr(wanted, name)
                if value is not None:
                    command[name] = value

        return do

    def _injector(self, number: int, fault: Injection) -> Callable[[], None]:
        def do() -> None:
            self._undo[number] = inject(self.bench.plant, fault.name, fault.place, fault.value)

        return do

    def _healer(self, number: int) -> Callable[[], None]:
        return lambda: self._undo[number]()

    def run(
        self,
        progress: Callable[[Progress], None] | None = None,
        recorder: RunRecorder | None = None,
    ) -> Result:
        """Run to the end of the scenario."""
        bench, image = self.bench, self.bms.image
        digests, reader = Digests(bench.words.shape[1]), EventReader()
        events: list[dict[str, Any]] = []
        changes: list[Change] = []
        pending = list(self.actions)
        chunk = bench.words.shape[0]
        done = 0
        address = tick_address()
        run_ticks(address, bench, 0)  # compiling takes a while the first time: no part of the run
        began = time.perf_counter()
        if recorder is not None:
            recorder.begin(self.bms)
        while done < self.ticks:
            while pending and pending[0].tick <= done:
                action = pending.pop(0)
                action.do()
                self.done.append((done * self.cycle_s, action.words))
            # Chunks end one tick after whole seconds, so that traces show whole seconds.
            ticks = min(self.ticks - done, chunk - (done - 1) % chunk)
            if pending:
                ticks = min(ticks, pending[0].tick - done)
            noted = run_ticks(address, bench, ticks)
            done += ticks
            fingerprints = digests.update(bench.words[:ticks])
            if recorder is not None:
                recorder.chunk(bench.record, ticks, fingerprints, self.bms)
            events += reader.read(image)
            changes += [_change(bench.changes[:, k]) for k in range(noted)]
            whole_second = (done - 1) % chunk == 0
            if self.traces is not None and whole_second:
                self.traces.keep(image, bench.plant, bench.truth)
            if progress is not None and whole_second:
                progress(self._progress(done, began, len(events)))
        wall_s = time.perf_counter() - began
        digest = digests.hexdigest()
        if recorder is not None:
            recorder.end(digest)
        if self.traces is not None:
            self.traces.close()
        return self._result(done, wall_s, digest, events, reader.lost, changes)

    def _progress(self, done: int, began: float, events: int) -> Progress:
        s = self.bms.image.scalars
        return Progress(
            done * self.cycle_s, self.ticks * self.cycle_s, time.perf_counter() - began,
            STATES[int(s["state"][0])], float(s["soc"][0]), float(s["current_a"][0]), events,
        )  # fmt: skip

    def _result(
        self, ticks: int, wall_s: float, digest: str, events: list[dict[str, Any]], lost: int, changes: list[Change]
    ) -> Result:
        s, truth = self.bms.image.scalars, self.bench.truth
        end_s = ticks * self.cycle_s
        final = {name: float(truth[getattr(TRUTH, name)]) for name in TRUTH._fields}
        final |= {"soc": float(s["soc"][0]), "soc_std": float(s["soc_std"][0])}
        return Result(
            name=self.scenario.scenario.name,
            seed=self.seed,
            ticks=ticks,
            simulated_s=round(end_s, 9),
            wall_s=wall_s,
            final_state=STATES[int(s["state"][0])],
            contactors_closed=bool(truth[TRUTH.contactors_closed]),
            digest=digest,
            events=events,
            events_lost=lost,
            changes=changes,
            actions=self.done,
            verdicts=judge(self.checks, self.bench.watches, events, end_s),
            final=final,
            masks=masked_words(self.system.masks, self.began),
            traces=self.traces,
        )


def _parts(found: str) -> tuple[str, str]:
    wrong, _, allowed = found.partition("; ")
    return wrong, allowed


def _change(column: Any) -> Change:
    return Change(
        float(column[CHANGE.time_s]),
        STATES[int(column[CHANGE.state])],
        SEQUENCE_REASONS[int(column[CHANGE.reason])],
        bool(column[CHANGE.main_positive]),
        bool(column[CHANGE.main_negative]),
        bool(column[CHANGE.precharge]),
    )


def _command_words(command: Command) -> str:
    words = []
    if command.connect is not None:
        words.append("connect" if command.connect else "disconnect")
    if command.purpose is not None:
        words.append(f"purpose {command.purpose}")
    if command.acknowledge:
        words.append("acknowledge")
    if command.balancing is not None:
        words.append(f"balancing {'allowed' if command.balancing else 'forbidden'}")
    factors = {"charge factor": command.charge_factor, "discharge factor": command.discharge_factor}
    words += [f"{name} {factor:g}" for name, factor in factors.items() if factor is not None]
    return ", ".join(words) or "nothing"


def fault_words(fault: Injection) -> str:
    """A fault as a person would say it."""
    words = fault.name.replace("_", " ")
    if fault.place is not None:
        words += f" at {fault.place}"
    return words
