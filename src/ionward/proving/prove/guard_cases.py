"""Control or guard broken: stopped, late, lying, a stage skipped, bits flipped; and what opens the contactors."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ionward.battery.system import System
from ionward.image.exchange import GUARD_OK, GUARD_REASONS, GUARD_WISH, TRIP_REASONS
from ionward.image.fault_levels import ftti_s, resolved_levels
from ionward.image.faults import BY_ID, FAULT_ID
from ionward.image.parameters import LEVELP
from ionward.image.signals import FAULT, LEVELS, STATE_CONNECTED
from ionward.proving.prove.cases import SEED, Case, final_state
from ionward.proving.prove.ground import Ground, drive_cell_voltage, kept_w
from ionward.proving.prove.guard_hits import HITS, highest_level, without_precharge
from ionward.proving.prove.guarded import Break, GuardedLoop
from ionward.proving.prove.points import BY_NAME as POINTS
from ionward.proving.prove.quantities import path_closed
from ionward.proving.prove.stand import Bench
from ionward.proving.prove.ways import OPENING_LEVELS
from ionward.twin.build import Start
from ionward.twin.rows import CELLS, KON, PRECHARGE, SET

BEGIN_S = 0.5
CONNECT_MAX_S = 30.0
SETTLE_S = 1.5
# Where the catalogue has no budget of its own: as docs/guard.md promises it.
CONTROL_DEAD_S = 0.1
# The guard sees the raw samples: a cell is driven so many tolerances beyond its limit, to be beyond it for long.
BEYOND_TOLERANCES = 6
AT_ONCE_A_PER_S = 1e9
# Bits of a number that make a threshold far too large: the lowest of the exponent that is 0 there.
EXPONENT_SHIFT = 52


@dataclass
class GuardCase:
    """A fault of control or guard. `fault`: the catalogue's, where it is the one that tells of this."""

    name: str
    injected: str
    operating_point: str
    requirement: str
    budget_ms: float
    fault: str = ""
    level: str = "fault"
    told_by: str = ""
    detected_ms: float | None = None
    opened_ms: float | None = None
    final_state: str = ""
    contactors_closed: bool = False
    ok: bool = False
    reason: str = ""
    stays_closed: bool = False

    @property
    def opens(self) -> bool:
        """The contactors have to open."""
        return self.level in OPENING_LEVELS and not self.stays_closed

    def as_json(self) -> dict[str, Any]:
        """As `ionward prove --json` shows it."""
        values = asdict(self)
        del values["stays_closed"]
        return values


def _ground(loop: GuardedLoop, fault: str) -> Ground:
    level = resolved_levels(BY_ID[fault], loop.system)[-1]
    assert level is not None
    return Ground(loop.bench, loop.system, POINTS["rest"], BY_ID[fault], level)


def _overcharge(loop: GuardedLoop) -> None:
    """A cell so far beyond that the guard, which stands farther out, has to see it."""
    watch = loop.guard.limits.cell_voltage
    target_v = watch.high + BEYOND_TOLERANCES * loop.system.sensors.cell_voltage.tolerance
    drive_cell_voltage(_ground(loop, "cell_overvoltage"), 0, target_v, above=True)


def _empty(loop: GuardedLoop) -> None:
    watch = loop.guard.limits.cell_voltage
    target_v = watch.low - BEYOND_TOLERANCES * loop.system.sensors.cell_voltage.tolerance
    drive_cell_voltage(_ground(loop, "cell_undervoltage"), loop.system.series - 1, target_v, above=False)


def _overheat(loop: GuardedLoop) -> None:
    target_c = loop.guard.limits.temperature.high + 3 * loop.system.sensors.temperature.tolerance
    plant = loop.bench.plant
    first = np.flatnonzero(plant.cells[CELLS.module] == 0)
    lost_w = kept_w(plant, target_c)
    plant.cells[CELLS.heat_w, first] = lost_w
    plant.cells[CELLS.surface_c, first] = target_c
    plant.cells[CELLS.core_c, first] = target_c + lost_w / plant.settings[SET.core_surface_w_per_k]


def _overcurrent(loop: GuardedLoop) -> None:
    """It is there at once: what breaks beside it must not have opened while it was still small."""
    ground = _ground(loop, "discharge_overcurrent_pulse")
    ground.ignore_limits()
    ground.plant.settings[SET.slew_a_per_s] = AT_ONCE_A_PER_S
    ground.ask_for(1.03 * loop.guard.limits.current.low - loop.system.sensors.current.tolerance)


HIDDEN: dict[str, Callable[[GuardedLoop], None]] = {
    "cell_overvoltage": _overcharge,
    "cell_undervoltage": _empty,
    "overtemperature": _overheat,
    "discharge_overcurrent_pulse": _overcurrent,
}


def _stop(loop: GuardedLoop) -> None:
    loop.control_runs = False


def _pause(share: float) -> Callable[[GuardedLoop], None]:
    """Control stands still for so many of its watch times, then goes on."""

    def make(loop: GuardedLoop) -> None:
        loop.control_runs = False
        watch_s = float(loop.bench.stand.parameters.scalars["cycle_watch_s"][0])
        loop.run(share * watch_s)
        loop.control_runs = True

    return make


def _overrun(loop: GuardedLoop) -> None:
    loop.control_overruns = True


def _no_guard(loop: GuardedLoop) -> None:
    loop.guard_runs = False


def _guard_withdraws(reason: int) -> Callable[[GuardedLoop], None]:
    def make(loop: GuardedLoop) -> None:
        def lie(word: Any) -> None:
            word["enable"], word["reason"] = 0, reason

        loop.spoil_guard = lie

    return make


def _wants_closed(loop: GuardedLoop) -> None:
    def lie(record: Any) -> None:
        record["main_positive"] = record["main_negative"] = 1
        record["precharge"] = 0

    loop.spoil_control = lie


def _wrong_answer(loop: GuardedLoop) -> None:
    def lie(record: Any) -> None:
        record["answer"] ^= 1 << 20

    loop.spoil_control = lie


def _same_word(loop: GuardedLoop) -> None:
    said = loop.control.copy()

    def lie(record: Any) -> None:
        time_s = record["time_s"].copy()
        record[...] = said
        record["time_s"] = time_s

    loop.spoil_control = lie


def _skip(stage: str) -> Callable[[GuardedLoop], None]:
    def make(loop: GuardedLoop) -> None:
        loop.skipped = stage

    return make


def _stuck_input(loop: GuardedLoop) -> None:
    loop.stuck_input = True


def _flipped_bits(loop: GuardedLoop) -> None:
    """One bit in the exponent of every threshold of the fault's ladder: it lies out of reach then."""
    levels = loop.bench.stand.parameters.levels
    for fault, sign in (("cell_overvoltage", 1.0), ("cell_undervoltage", -1.0)):
        for step in range(levels.shape[0]):
            at = levels[step, LEVELP.set, getattr(FAULT_ID, fault)]
            if not math.isnan(at):
                levels[step, LEVELP.set, getattr(FAULT_ID, fault)] = _flipped(at, sign)


def _flipped(value: float, sign: float) -> float:
    """The number with that bit of its exponent flipped which moves it farthest to one side."""
    bits = np.array(value).view(np.int64)
    candidates = [float((bits ^ (1 << (EXPONENT_SHIFT + k))).view(np.float64)) for k in range(11)]
    finite = [c for c in candidates if math.isfinite(c)]
    return max(finite) if sign > 0 else min(finite)


BREAKS: tuple[Break, ...] = (
    Break("control paused", "control stands still for three of its watch times, then goes on", _pause(3.0),
          fault="cycle_stopped"),
    Break("control paused shortly", "control stands still for longer than its enable lasts, but not for its watch time",
          _pause(0.8), fault="enable_lost"),
    Break("control overruns", "every cycle of control takes too long", _overrun, fault="cycle_overrun", extra_s=12.0),
    Break("guard withdraws", "the guard withdraws its enable", _guard_withdraws(GUARD_WISH), fault="guard_withholds"),
    Break("guard withdraws without a reason", "the guard withdraws its enable and gives no reason",
          _guard_withdraws(GUARD_OK)),
    Break("guard gone", "the guard no longer runs", _no_guard),
    Break("sequence skipped in precharge", "the sequence no longer runs, and the precharge contactor stays closed",
          _skip("sequence"), fault="precharge_too_long", point="precharge", why_not=without_precharge),
    Break("control gone", "control no longer runs", _stop),
    Break("wrong answer", "one bit of control's answer to the guard's challenge is wrong", _wrong_answer),
    Break("repeated word", "control says the same again and again, with new times", _same_word),
    *(Break(f"{stage} skipped", f"the stage {stage} of the tick does not run", _skip(stage))
      for stage in ("validate", "protect", "estimate", "limit", "sequence")),
    *(Break(f"wish corrupted, {fault}", "control wants the contactors closed whatever protection says", _wants_closed,
            hidden=fault) for fault in HIDDEN),
    *(Break(f"input stuck, {fault}", "control sees old values as if they were new", _stuck_input, hidden=fault)
      for fault in HIDDEN),
    *(Break(f"bits flipped, {fault}", "the thresholds in control's parameter table have a flipped bit", _flipped_bits,
            hidden=fault) for fault in ("cell_overvoltage", "cell_undervoltage")),
    Break("closes onto a dead bus", "control wants the main contactors closed at once", _wants_closed,
          point="standby"),
    *HITS,
)  # fmt: skip


def catalogued() -> dict[str, str]:
    """Faults of the catalogue that are injected here, and how."""
    return {b.fault: b.injected for b in BREAKS if b.fault}


def why_not(system: System, broken: Break) -> str:
    """Why this cannot be done to a pack; empty when it can."""
    return broken.why_not(system) if system.contactors.fitted else "the pack does not switch its own contactors"


def run_guard_case(system: System, parameters: Any, number: int) -> GuardCase:
    """Bring the pack to the operating point with guard and driver beside it, break, and look."""
    broken = BREAKS[number]
    loop = _at_point(system, parameters, broken)
    telling = broken.fault or broken.hidden
    budget_s = ftti_s(BY_ID[telling], system) if telling else max(CONTROL_DEAD_S, 10 * system.cycle.period_s)
    requirement = BY_ID[telling].requirement if telling else "SR-062"
    case = GuardCase(broken.name, broken.injected, broken.point, requirement, 1000 * budget_s, broken.fault)
    case.stays_closed = broken.holds_one_way and system.contactors.one_way
    if broken.fault:
        case.level = highest_level(BY_ID[broken.fault], system)
    trips = loop.guard_word["trip_count"][0], loop.enables.trip_count
    began_s = loop.now_s
    broken.make(loop)
    if broken.hidden or broken.counts_after:
        began_s = loop.now_s
    if broken.hidden:
        HIDDEN[broken.hidden](loop)
    _watch(loop, case, began_s, budget_s + broken.extra_s + 3.0, trips)
    case.final_state = final_state(int(loop.bench.bms.image.scalars["state"][0]), loop.bench.plant)
    case.contactors_closed = path_closed(loop.bench.plant)
    _judge(case, broken)
    return case


def _at_point(system: System, parameters: Any, broken: Break) -> GuardedLoop:
    # Its own parameters: they are what gets corrupted.
    own = type(parameters)(*(block.copy() for block in parameters))
    profile = np.zeros((2, 2))
    profile[0, 1] = 1e9
    bench = Bench(system, own, Start(soc=0.6, soc_spread=0.002), SEED, 25.0, profile)
    loop = GuardedLoop(bench, system, SEED)
    loop.run(BEGIN_S)
    if broken.point == "standby":
        return loop
    loop.command["connect"] = 1
    s = bench.bms.image.scalars[0]
    for _ in range(bench.ticks(CONNECT_MAX_S)):
        loop.step()
        if broken.point == "precharge" and bench.plant.contactors[KON.closed, PRECHARGE] > 0:
            return loop
        if int(s["state"]) == STATE_CONNECTED:
            break
    loop.run(SETTLE_S)
    return loop


def _watch(loop: GuardedLoop, case: GuardCase, began_s: float, longest_s: float, trips: tuple[int, int]) -> None:
    """Until it is told and open, for so long at most; who told it first."""
    faults, plant = loop.bench.bms.image.faults, loop.bench.plant
    least = LEVELS.index(case.level)
    own = getattr(FAULT_ID, case.fault) if case.fault else None
    guard_trips, driver_trips = trips
    end_s = began_s + longest_s
    if not path_closed(plant) and case.operating_point != "standby":
        case.opened_ms = round(1000 * (loop.enables.opened_time_s - began_s), 6)
    while loop.now_s < end_s:
        raised = np.flatnonzero(faults[FAULT.level] >= least)
        since_ms = round(1000 * (loop.now_s - began_s), 6)
        told = ""
        if own is not None:
            told = f"fault {case.fault}" if own in raised else ""
        elif loop.guard_word["trip_count"][0] > guard_trips:
            told = f"guard: {GUARD_REASONS[int(loop.guard_word['trip_reason'][0])]}"
        elif loop.enables.trip_count > driver_trips:
            told = f"driver: {TRIP_REASONS[loop.enables.trip_reason]}"
        elif len(raised):
            told = f"fault {list(BY_ID)[raised[0]]}"
        if told and not case.told_by:
            case.told_by, case.detected_ms = told, since_ms
        if path_closed(plant):
            case.opened_ms = None
        elif case.opened_ms is None:
            case.opened_ms = since_ms
        if case.told_by and case.opened_ms is not None and loop.now_s > began_s + min(0.5, longest_s):
            return
        loop.step()


def _judge(case: GuardCase, broken: Break) -> None:
    if case.detected_ms is None:
        case.reason = "missed: nobody told of it"
    elif not case.opens:
        late = case.detected_ms > case.budget_ms
        case.reason = f"late: told after {case.detected_ms:g} ms of {case.budget_ms:g} ms" if late else ""
    elif case.opened_ms is None:
        case.reason = "contactors still closed"
    elif max(case.opened_ms, case.detected_ms if broken.fault else 0.0) > case.budget_ms:
        case.reason = (
            f"late: told after {case.detected_ms:g} ms, open after {case.opened_ms:g} ms of {case.budget_ms:g} ms"
        )
    case.ok = not case.reason


def as_case(case: GuardCase) -> Case:
    """A case of the catalogue's list, for the faults that are proven here."""
    return Case(
        case.fault, case.requirement, case.level, case.injected, case.operating_point, case.name,
        case.budget_ms, case.opens, case.detected_ms, case.opened_ms, case.opened_ms, case.final_state,
        case.contactors_closed, case.ok, case.reason,
    )  # fmt: skip
