"""The random campaign: scenarios of combined faults from a seed, every invariant checked after every tick."""

from __future__ import annotations

import hashlib
import json
import math
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import ionward
from ionward.battery.site import Site
from ionward.battery.system import System
from ionward.errors import UserError
from ionward.image.build import system_size
from ionward.proving.events import EventReader
from ionward.proving.prove.bounds import watchdog
from ionward.proving.prove.guarded import GuardedLoop
from ionward.proving.prove.invariants import FOUND, INVARIANT, INVARIANT_SIGNALS, Watchdog, check
from ionward.proving.prove.loop import run_guarded_ticks
from ionward.proving.prove.random_scenario import RandomScenario, make_scenario
from ionward.proving.prove.stand import Bench
from ionward.proving.prove.workers import each, worker_count
from ionward.twin.faults import Undo, inject
from ionward.twin.rows import SET

# Without `--hours` as many scenarios are run as take about a minute on two cores of a small virtual machine. The number
# follows from these costs, not from a clock: the same seed gives the same result on every machine.
DEFAULT_WALL_S, DEFAULT_CORES = 55.0, 2
TICK_S, CELL_S = 7e-6, 75e-9
GUARDED_TICK_S = 130e-6
SCENARIO_S = 0.01


@dataclass
class Violation:
    """An invariant that did not hold; `faults` are those that it takes."""

    number: int
    invariant: str
    time_s: float
    place: int
    value: float
    faults: list[int]
    words: list[str] = field(default_factory=list)

    def command(self, file: str, seed: int) -> str:
        """Replays exactly this."""
        which = ",".join(map(str, self.faults))
        return f"ionward prove {shlex.quote(file)} --replay {seed}:{self.number}:{which}"

    def sentence(self) -> str:
        """In words."""
        signal = INVARIANT_SIGNALS[INVARIANT._fields.index(self.invariant)]
        unit = f" {signal.unit}" if signal.unit else ""
        place = f" at {self.place}" if self.place >= 0 else ""
        return f"{signal.meaning} ({self.value:.4g}{unit}{place})"


@dataclass
class Finished:
    """A scenario that was run."""

    number: int
    ticks: int
    simulated_s: float
    violations: list[Violation]

    def as_line(self) -> str:
        """One line of the journal."""
        found = [vars(v) for v in self.violations]
        return json.dumps({"number": self.number, "ticks": self.ticks, "simulated_s": self.simulated_s, "found": found})


@dataclass
class Campaign:
    """All scenarios of a seed."""

    seed: int
    file: str
    finished: list[Finished] = field(default_factory=list)

    @property
    def violations(self) -> list[Violation]:
        """Everything that was found."""
        return [v for f in self.finished for v in f.violations]

    @property
    def simulated_h(self) -> float:
        """Simulated hours."""
        return math.fsum(f.simulated_s for f in self.finished) / 3600.0

    @property
    def ticks(self) -> int:
        """Ticks of the BMS."""
        return sum(f.ticks for f in self.finished)

    def as_json(self) -> dict[str, Any]:
        """As `ionward prove --json` shows it."""
        return {
            "seed": self.seed,
            "scenarios": len(self.finished),
            "simulated_h": round(self.simulated_h, 6),
            "ticks": self.ticks,
            "violations": [
                {"invariant": v.invariant, "time_s": v.time_s, "command": v.command(self.file, self.seed),
                 "place": v.place, "value": v.value, "faults": v.words, "meaning": v.sentence()}
                for v in self.violations
            ],
        }  # fmt: skip


class Run:
    """One scenario on a test stand, some of its faults left out."""

    def __init__(
        self, system: System, parameters: Any, seed: int, scenario: RandomScenario, keep: Sequence[int]
    ) -> None:
        self.scenario = scenario
        bench = Bench(system, parameters, scenario.start, seed * 1_000_003 + scenario.number, scenario.ambient_c,
                      scenario.profile)  # fmt: skip
        bench.plant.settings[SET.load_obeys] = scenario.load_obeys
        bench.plant.settings[SET.charger_obeys] = scenario.charger_obeys
        self.bench, self.dog = bench, watchdog(system)
        self.loop = GuardedLoop(bench, system, seed) if scenario.guarded else None
        self.ticks = bench.ticks(scenario.duration_s)
        self._undo: dict[int, Undo] = {}
        self.actions = sorted(self._actions(keep), key=lambda action: (action[0], action[1]))

    def _actions(self, keep: Sequence[int]) -> Iterator[tuple[int, str, Callable[[], None]]]:
        at = self.bench.ticks
        for wish in self.scenario.wishes:
            words = "connect" if wish.connect else "disconnect"
            yield at(wish.at_s), words + (", acknowledge" if wish.acknowledge else ""), self._wisher(wish)
        for k in keep:
            fault = self.scenario.faults[k]
            yield at(fault.at_s), fault.words(), self._injector(k)
            if fault.for_s is not None:
                yield at(fault.at_s + fault.for_s), f"{fault.name.replace('_', ' ')} ends", self._healer(k)

    def _wisher(self, wish: Any) -> Callable[[], None]:
        def do() -> None:
            self.bench.command["connect"] = int(wish.connect)
            if wish.acknowledge and self.loop is not None:
                self.loop.acknowledge()
            elif wish.acknowledge:
                self.bench.command["acknowledge_count"] += 1

        return do

    def _injector(self, k: int) -> Callable[[], None]:
        fault = self.scenario.faults[k]

        def do() -> None:
            self._undo[k] = inject(self.bench.plant, fault.name, fault.place, fault.value)

        return do

    def _healer(self, k: int) -> Callable[[], None]:
        return lambda: self._undo[k]()

    def run(self, tell: Callable[[float, str], None] = lambda _t, _w: None) -> None:
        """To the end; `tell` hears of everything done."""
        done = 0
        for tick, words, do in [*self.actions, (self.ticks, "", lambda: None)]:
            if tick > self.ticks:
                break
            self._advance(tick - done)
            done = tick
            do()
            if words:
                tell(self.bench.time_s, words)

    def _advance(self, ticks: int) -> None:
        bench = self.bench
        if self.loop is None:
            run_guarded_ticks(bench.address, bench.stand, self.dog, ticks)
            return
        for _ in range(ticks):
            self.loop.step()
            check(self.dog, bench.plant, bench.bms.image, bench.stand.command)


def found(dog: Watchdog) -> dict[str, tuple[float, int, float]]:
    """Invariants that did not hold: time, place, value."""
    times_s, places, values = (dog.found[getattr(FOUND, name)] for name in ("time_s", "place", "value"))
    return {
        INVARIANT._fields[k]: (round(float(times_s[k]), 6), int(places[k]), float(values[k]))
        for k in np.flatnonzero(~np.isnan(times_s)).tolist()
    }


def run_scenario(system: System, parameters: Any, seed: int, number: int) -> Finished:
    """Run a scenario; what does not hold is run again with fewer faults, as long as it still does not hold."""
    scenario = make_scenario(system, seed, number)
    everything = list(range(len(scenario.faults)))

    def broken(keep: Sequence[int]) -> dict[str, tuple[float, int, float]]:
        run = Run(system, parameters, seed, scenario, keep)
        run.run()
        return found(run.dog)

    violations = []
    for invariant, values in broken(everything).items():
        keep, values = shrunk(invariant, everything, values, broken)
        words = [*scenario.habits(), *(scenario.faults[k].words() for k in keep)]
        violations.append(Violation(number, invariant, *values, keep, words))
    ticks = max(1, math.ceil(scenario.duration_s / system.cycle.period_s - 1e-6))
    return Finished(number, ticks, round(ticks * system.cycle.period_s, 9), violations)


def shrunk(
    invariant: str, keep: list[int], values: tuple[float, int, float],
    broken: Callable[[Sequence[int]], dict[str, tuple[float, int, float]]],
) -> tuple[list[int], tuple[float, int, float]]:  # fmt: skip
    """Leave out every fault without which the invariant is broken as well."""
    for k in list(keep):
        fewer = [x for x in keep if x != k]
        still = broken(fewer)
        if invariant in still:
            keep, values = fewer, still[invariant]
    return keep, values


def default_count(system: System) -> int:
    """How many scenarios take about a minute on two cores."""
    size = system_size(system)
    seconds = DEFAULT_WALL_S * DEFAULT_CORES
    mean_s = 0.0
    for number in range(50):
        scenario = make_scenario(system, 0, number)
        tick_s = GUARDED_TICK_S if scenario.guarded else TICK_S + CELL_S * size.cells
        mean_s += (scenario.duration_s / system.cycle.period_s * tick_s + SCENARIO_S) / 50
    return max(1, int(seconds / mean_s))


def numbers(system: System, seed: int, hours: float | None) -> int:
    """How many scenarios to run: about a minute's worth, or so many simulated hours."""
    if hours is None:
        return default_count(system)
    simulated_s, number = 0.0, 0
    while simulated_s < 3600.0 * hours:
        simulated_s += make_scenario(system, seed, number).duration_s
        number += 1
    return number


class Journal:
    """Finished scenarios in a file of JSON lines, so that a long campaign goes on where it was interrupted."""

    def __init__(self, path: Path, described: System | Site, seed: int, violation: type[Violation] = Violation) -> None:
        """Open or continue.

        Raises:
            UserError: the file cannot be used, or belongs to another pack or site, seed or version.
        """
        self._path, self._violation = path, violation
        head = {"ionward": ionward.__version__, "seed": seed, "pack": _fingerprint(described)}
        self.finished: list[Finished] = []
        try:
            if path.exists() and path.stat().st_size:
                self._read(head)
                self._file = path.open("a", encoding="utf-8")
            else:
                self._file = path.open("w", encoding="utf-8")
                self._write(json.dumps(head))
        except OSError as error:
            raise UserError(f"--resume {path}: {error.strerror}; name another file") from None

    def _read(self, head: dict[str, Any]) -> None:
        lines = self._path.read_text(encoding="utf-8", errors="replace").split("\n")
        whole = lines[:-1]  # what was being written when it was interrupted has no end of line
        try:
            values = [json.loads(line) for line in whole]
            if values and values[0] != head:
                raise UserError(
                    f"--resume {self._path}: belongs to another pack or site, seed or version; name another file"
                )
            self.finished = [
                Finished(v["number"], v["ticks"], v["simulated_s"], [self._violation(**found) for found in v["found"]])
                for v in values[1:]
            ]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UserError(f"--resume {self._path}: is no journal of `ionward prove`; name another file") from None
        if lines[-1]:
            self._path.write_text("".join(f"{line}\n" for line in whole), encoding="utf-8")

    def _write(self, line: str) -> None:
        self._file.write(line + "\n")
        self._file.flush()

    def add(self, finished: Finished) -> None:
        """Write down what was finished."""
        self._write(finished.as_line())

    def close(self) -> None:
        """Nothing more comes."""
        self._file.close()


def _fingerprint(described: System | Site) -> str:
    exclude: dict[str, Any] = {"file": True}
    if isinstance(described, Site):
        exclude["units"] = {"__all__": {"system": {"file": True}}}
    return hashlib.sha256(repr(described.model_dump(exclude=exclude)).encode()).hexdigest()[:16]


def run_campaign(
    system: System, parameters: Any, seed: int, hours: float | None, journal: Path | None,
    report: Callable[[str, int, int], None], workers: int = 0,
) -> Campaign:  # fmt: skip
    """Run the scenarios of a seed that are not in the journal yet."""
    book = Journal(journal, system, seed) if journal is not None else None

    def job(number: int) -> Finished:
        return run_scenario(system, parameters, seed, number)

    return Campaign(seed, system.file, run_missing(job, numbers(system, seed, hours), book, report, workers))


def run_missing(
    job: Callable[[int], Finished], count: int, book: Journal | None, report: Callable[[str, int, int], None],
    workers: int,
) -> list[Finished]:  # fmt: skip
    """The first `count` scenarios in order: those that the journal has, and the job's, which are added to it.

    The journal is closed in the end. `workers`: processes; 0: as many as there are cores, at most two.
    """
    before = {f.number: f for f in book.finished if f.number < count} if book else {}
    todo = [n for n in range(count) if n not in before]
    after = []
    report("random faults", len(before), count)
    try:
        for finished in each(job, todo, workers or worker_count()):
            after.append(finished)
            if book is not None:
                book.add(finished)
            report("random faults", len(before) + len(after), count)
    finally:
        if book is not None:
            book.close()
    return sorted([*before.values(), *after], key=lambda f: f.number)


def replay(system: System, parameters: Any, which: str) -> Iterator[tuple[float, str]]:
    """What happens in one scenario, in order: what is done, what the BMS tells, what does not hold.

    Args:
        system: the pack.
        parameters: what the tick is told about it.
        which: `SEED:NUMBER`, or `SEED:NUMBER:FAULTS` with the numbers of the faults that are kept, by commas.

    Raises:
        UserError: there is no such scenario.
    """
    seed, number, keep = which_scenario(which)
    scenario = make_scenario(system, seed, number)
    if keep is None:
        keep = list(range(len(scenario.faults)))
    if any(not 0 <= k < len(scenario.faults) for k in keep):
        raise UserError(f"--replay {which}: the scenario has the faults 0 to {len(scenario.faults) - 1}")
    run = Run(system, parameters, seed, scenario, keep)
    reader, story = EventReader(), []
    run.run(lambda time_s, words: story.append((time_s, words)))
    story += [(e["time_s"], f"{e['level']}: {e['text']}") for e in reader.read(run.bench.bms.image)]
    for invariant, values in found(run.dog).items():
        violation = Violation(number, invariant, *values, keep)
        story.append((values[0], f"VIOLATION {invariant}: {violation.sentence()}"))
    return iter(sorted(story))


def which_scenario(text: str) -> tuple[int, int, list[int] | None]:
    """Seed, number and faults (None: all) of `SEED:NUMBER[:FAULTS]`.

    Raises:
        UserError: it is written in another way.
    """
    parts = text.split(":")
    try:
        if len(parts) not in (2, 3):
            raise ValueError
        seed, number = int(parts[0]), int(parts[1])
        keep = [int(k) for k in parts[2].split(",") if k] if len(parts) == 3 else None
        if seed < 0 or number < 0:
            raise ValueError
    except ValueError:
        raise UserError(f"--replay {text}: is no scenario; allowed: SEED:NUMBER or SEED:NUMBER:FAULTS") from None
    return seed, number, keep
