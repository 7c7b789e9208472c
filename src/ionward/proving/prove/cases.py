"""Cases: one fault, made to stand in one way at one operating point and place; what the BMS made of it; the verdict."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ionward.battery.masks import Mask
from ionward.battery.system import System
from ionward.errors import UserError
from ionward.image.fault_levels import LEVEL_NAMES, decision_time_s, ftti_s, resolved_levels, sample_period_s
from ionward.image.faults import BY_ID, FAULT_ID, FAULTS, Fault, Level
from ionward.image.parameters import FAULTP, Parameters
from ionward.image.reactions import opens_only
from ionward.image.signals import LEVELS, STATES
from ionward.image.summary import applies
from ionward.proving.prove.ground import CannotStandError, Ground, Standing
from ionward.proving.prove.injections import INJECTIONS
from ionward.proving.prove.loop import OBS, TRACE, new_observation, run_case
from ionward.proving.prove.points import BY_NAME as POINT_BY_NAME
from ionward.proving.prove.points import NotReachedError, Prepared
from ionward.proving.prove.quantities import NOW, WAY_ANY, WAY_CHARGE, WAY_DISCHARGE, path_closed
from ionward.proving.prove.ways import OF_WELDED_CONTACT, OPENING_LEVELS, Injection
from ionward.twin.rows import STATE

Array = npt.NDArray[np.float64]

SEED = 1
# After the budget is over a case goes on for a while, to tell "late" from "missed".
GRACE_S, GRACE_SHARE = 3.0, 1.0
PIECE_S = 5.0
WAYS = {"": WAY_ANY, "charge": WAY_CHARGE, "discharge": WAY_DISCHARGE}
NOT_TRACED = np.zeros((0, len(TRACE)))


class Task(NamedTuple):
    """A case still to be run: numbers and names only, so that any process can run it."""

    injection: int
    level: str
    point: str
    place: int


@dataclass
class Case:
    """One case and what came of it. Times count from when the fault stood in the battery; 0: before; None: never."""

    fault: str
    requirement: str
    level: str
    injected: str
    operating_point: str
    place: str
    budget_ms: float
    opens: bool
    detected_ms: float | None = None
    reacted_ms: float | None = None
    opened_ms: float | None = None
    final_state: str = ""
    contactors_closed: bool = False
    ok: bool = False
    reason: str = ""
    also: str = ""
    fuse_acted: bool = field(default=False, repr=False)
    task: Task | None = field(default=None, repr=False)
    stands_s: float | None = field(default=None, repr=False)
    threshold: float | None = field(default=None, repr=False)

    @property
    def margin_ms(self) -> float | None:
        """What is left of the budget; None where what was awaited never came."""
        needed = self.opened_ms if self.opens else self.detected_ms
        return None if needed is None else self.budget_ms - needed

    def as_json(self) -> dict[str, Any]:
        """As `ionward prove --json` shows it."""
        values = asdict(self)
        for name in ("task", "stands_s", "threshold", "fuse_acted"):
            del values[name]
        return values | {"margin_ms": self.margin_ms}


class Skipped(NamedTuple):
    """A fault that was not injected in some way, and why."""

    fault: str
    operating_point: str
    reason: str


def levels_to_prove(fault: Fault, system: System, injection: Injection) -> list[tuple[str, Level]]:
    """Levels of the ladder that an injection is to reach: all that open, or the highest where none does."""
    used = [(name, level) for name, level in zip(LEVEL_NAMES, resolved_levels(fault, system), strict=True) if level]
    if injection.levels:
        return [(name, level) for name, level in used if name in injection.levels]
    opening = [(name, level) for name, level in used if name in OPENING_LEVELS]
    return opening or used[-1:]


def tasks(system: System, fault: str | None = None, point: str | None = None) -> list[Task]:
    """Every case of a pack, by operating point, so that each is prepared once."""
    found = []
    for number, injection in enumerate(INJECTIONS):
        row = BY_ID[injection.fault]
        if (fault and fault != row.id) or not applies(row, system):
            continue
        for name, _ in levels_to_prove(row, system, injection):
            for at in injection.points:
                if point in (None, at):
                    found += [Task(number, name, at, k) for k in range(len(injection.places(system)))]
    order = list(POINT_BY_NAME)
    return sorted(found, key=lambda task: (order.index(task.point), task))


def masks_in(system: System, parameters: Parameters) -> list[Mask]:
    """The masks of a pack that hold in a proof, whose time begins at 0. Meets SR-232."""
    until_s = parameters.faults[FAULTP.mask_until_s]
    return [mask for mask in system.masks if until_s[getattr(FAULT_ID, mask.fault)] > 0.0]


class CaseRunner:
    """Runs cases of one pack; every operating point is prepared when it is first needed."""

    def __init__(self, system: System, parameters: Any) -> None:
        self.system, self.parameters = system, parameters
        self._masks = {mask.fault: mask for mask in masks_in(system, parameters)}
        self._prepared: dict[str, Prepared | NotReachedError] = {}

    def _point(self, name: str) -> Prepared:
        if name not in self._prepared:
            try:
                self._prepared[name] = Prepared(self.system, self.parameters, POINT_BY_NAME[name], SEED)
            except NotReachedError as why:
                self._prepared[name] = why
        found = self._prepared[name]
        if isinstance(found, NotReachedError):
            raise found
        return found

    def run(self, task: Task, trace: Array = NOT_TRACED) -> Case | Skipped:
        """Run one case."""
        injection = INJECTIONS[task.injection]
        fault = BY_ID[injection.fault]
        level = dict(levels_to_prove(fault, self.system, injection))[task.level]
        label, place = injection.places(self.system)[task.place]
        try:
            prepared = self._point(task.point)
            bench = prepared.fresh()
            ground = Ground(bench, self.system, prepared.point, fault, level)
            standing = injection.make(ground, place)
        except (NotReachedError, CannotStandError, UserError) as why:  # the latter: what is to fail is not fitted
            return Skipped(fault.id, task.point, str(why))
        opens = injection.opens
        if opens is None:
            opens = task.level in OPENING_LEVELS
        opens = opens and self.system.contactors.fitted and not self._stays_closed(fault.id)
        budget_s = injection.budget_s or ftti_s(fault, self.system)
        case = Case(
            fault.id, fault.requirement, task.level, injection.words, task.point, label,
            1000.0 * budget_s, opens, task=task,
        )  # fmt: skip
        obs = _asked(fault, task.level, standing, opens)
        obs[OBS.way] = WAYS[opens_only(fault, task.level, self.system)]
        over_s = (1 + GRACE_SHARE) * budget_s + GRACE_S
        over_s += decision_time_s(level, sample_period_s(fault, self.system))
        _run(bench, obs, trace, injection.wait_s if standing.kind != NOW else 0.0, over_s)
        _fill(case, obs, bench)
        case.fuse_acted = bool(bench.plant.state[STATE.fuse_blown] > 0.0)
        case.ok, case.reason = verdict(case, obs, decision_time_s(level, sample_period_s(fault, self.system)))
        answered = injection.while_closed or case.also in injection.answered_by
        if not case.ok and answered and opened_by_another(case, obs):
            case.ok, case.reason = True, f"{case.also} opened first, which ended it"
        if fault.id in self._masks:
            case.ok, case.reason = False, f"masked: not proven, {self._masks[fault.id].words}"
        return case

    def _stays_closed(self, fault: str) -> bool:
        """A one-way switch that is welded goes on conducting its direction, whatever else is opened: it is told."""
        return self.system.contactors.one_way and fault in OF_WELDED_CONTACT


def _asked(fault: Fault, level: str, standing: Standing, opens: bool) -> Array:
    obs = new_observation()
    obs[OBS.fault] = getattr(FAULT_ID, fault.id)
    obs[OBS.level] = LEVELS.index(level)
    obs[OBS.kind], obs[OBS.index] = standing.kind, standing.item
    obs[OBS.sign], obs[OBS.threshold] = 1.0 if standing.above else -1.0, standing.threshold
    obs[OBS.opens] = opens
    return obs


def _run(bench: Any, obs: Array, trace: Array, wait_s: float, over_s: float) -> None:
    """In pieces: it takes `wait_s` at most until the fault stands, and is over `over_s` after that."""
    left = bench.ticks(wait_s + over_s)
    done = 0
    piece = bench.ticks(PIECE_S)
    while left > 0:
        ticks = min(piece, left)
        ran = run_case(bench.address, bench.stand, obs, trace[done:], ticks)
        done, left = done + ran, left - ran
        stands_s = obs[OBS.stands_s]
        if ran < ticks or (not math.isnan(stands_s) and bench.time_s > stands_s + over_s):
            return


def _since(time_s: float, stands_s: float) -> float | None:
    if math.isnan(time_s) or math.isnan(stands_s):
        return None
    return max(round(1000.0 * float(time_s - stands_s), 6), 0.0)


def _fill(case: Case, obs: Array, bench: Any) -> None:
    if math.isnan(obs[OBS.stands_s]) and not (case.opens and math.isnan(obs[OBS.opened_s])):
        # Told, and open where it has to be, before the sensor's tolerance was used up: it counts from then.
        obs[OBS.stands_s] = obs[OBS.detected_s]
    stands_s = float(obs[OBS.stands_s])
    case.stands_s = None if math.isnan(stands_s) else stands_s
    case.threshold = None if obs[OBS.kind] == NOW else float(obs[OBS.threshold])
    case.detected_ms = _since(obs[OBS.detected_s], stands_s)
    case.reacted_ms = _since(obs[OBS.reacted_s], stands_s)
    case.opened_ms = _since(obs[OBS.opened_s], stands_s)
    case.final_state = final_state(int(bench.bms.image.scalars["state"][0]), bench.plant)
    case.contactors_closed = bool(path_closed(bench.plant, int(obs[OBS.way])))
    if obs[OBS.other] >= 0:
        case.also = FAULTS[int(obs[OBS.other])].id


def final_state(state: int, plant: Any) -> str:
    """State of the sequence; and the direction that is left, where the path conducts one only."""
    charge, discharge = path_closed(plant, WAY_CHARGE), path_closed(plant, WAY_DISCHARGE)
    only = "" if charge == discharge else f", {'charge' if charge else 'discharge'} only"
    return STATES[state] + only


def verdict(case: Case, obs: Array, decision_s: float) -> tuple[bool, str]:
    """Whether the case went well; if not, why, in words. `decision_s`: what samples and delays of the level take."""
    if math.isnan(obs[OBS.stands_s]):
        return False, f"never stood: the battery did not come beyond {obs[OBS.threshold]:.6g}" + (
            f" because {case.also} came first" if case.also else f", only to {obs[OBS.extreme]:.6g}"
        )
    if case.detected_ms is None:
        came = f"it came to {LEVELS[int(obs[OBS.highest])]} only" if obs[OBS.highest] > 0 else "nothing was told of it"
        wrong = f"; {case.also} was told instead" if case.also else ""
        return False, f"missed: {came}{wrong}"
    if not case.opens:
        return (True, "") if case.detected_ms <= case.budget_ms else (False, f"late: {_late(case, decision_s)}")
    if case.opened_ms is None:
        return False, "contactors still closed"
    if max(case.opened_ms, case.detected_ms) <= case.budget_ms:
        return True, ""
    return False, f"late: {_late(case, decision_s)}"


def opened_by_another(case: Case, obs: Array) -> bool:
    """It was not told, because another fault had opened the path before its delays were over, and in time."""
    in_time = case.opened_ms is None or case.opened_ms <= case.budget_ms
    return bool(case.detected_ms is None and case.also and not case.contactors_closed and in_time)


def _late(case: Case, decision_s: float) -> str:
    """Where the time went."""
    detected, least_ms = case.detected_ms or 0.0, 1000.0 * decision_s
    if detected > case.budget_ms:
        return f"told after {detected:g} ms of {case.budget_ms:g} ms; its samples and delays take {least_ms:g} ms"
    parts = f"told after {detected:g} ms"
    if case.reacted_ms is not None and case.opened_ms is not None:
        parts += f", opening commanded after {case.reacted_ms:g} ms, open after {case.opened_ms:g} ms"
    left = "; more than the contactors may break, it was left to the fuse" if case.fuse_acted else ""
    return f"{parts} of {case.budget_ms:g} ms{left}"


def alike(cases: list[Case]) -> list[tuple[list[str], Case]]:
    """Cases that failed for one reason in many places, once each with their operating points: the slowest one."""
    groups: dict[tuple[str, ...], list[Case]] = {}
    for case in cases:
        kind = case.reason.split(":")[0]
        groups.setdefault((case.fault, case.level, case.injected, kind), []).append(case)
    out = []
    for group in groups.values():
        slowest = max(group, key=lambda c: -(c.margin_ms if c.margin_ms is not None else -1e12))
        out.append((sorted({c.operating_point for c in group}), slowest))
    return out
