"""The ladder of each fault as it counts in one pack: the catalogue's levels with the changes of profile and file."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

from ionward.battery.checks import LOWER_WALLS, UPPER_WALLS
from ionward.battery.doubts import melting_current_a, melting_time_s
from ionward.battery.limits import FaultChange, LevelChange
from ionward.battery.problems import Problem, did_you_mean
from ionward.battery.system import System
from ionward.image.faults import BY_ID, FAULTS, Fault, Level
from ionward.image.scalars import scalars

LEVEL_NAMES = ("info", "warning", "fault", "critical")
MAY_BE_OFF = ("info", "warning")
ABSENT = FaultChange()
SHEET_LIMITS = {key for key, *_ in (*UPPER_WALLS, *LOWER_WALLS)}
YES_NO = 0.5
# A threshold that opens contactors may stand at so many times the catalogue's (half as low where values below are bad),
# and a budget be so many times as long.
FURTHEST, WIDEST = 2.0, 10.0
FOR_EVER_S = 1e9
LEAST_REST_S = 5.0  # before a retry
WAY_CYCLES = 4  # from the decision to the coils: two contactors one after the other, a cycle each to see and to act

Ladder = tuple[Level | None, Level | None, Level | None, Level | None]


def resolved_levels(fault: Fault, system: System) -> Ladder:
    """Levels from info to critical with absolute thresholds, in the fault's unit; None: not used."""
    return _ladder(fault, scalars(system), system.faults.get(fault.id, ABSENT))


def _ladder(fault: Fault, limits: Any, change: FaultChange) -> Ladder:
    info, warning, fault_level, critical = (
        _changed(_absolute(level, fault, limits), getattr(change, name))
        for level, name in zip(fault.levels, LEVEL_NAMES, strict=True)
    )
    return info, warning, fault_level, critical


def _absolute(level: Level | None, fault: Fault, limits: Any) -> Level | None:
    if level is None or not fault.relative_to:
        return level
    limit = float(limits[fault.relative_to][0])
    # Rounded to nine digits: 4.2 + 0.03 is meant to be 4.23.
    set_at, clear_at = (round(x * limit if fault.factor else x + limit, 9) for x in (level.set, level.clear))
    return Level(set_at, clear_at, level.delay_samples, level.delay_s)


def _changed(level: Level | None, change: object) -> Level | None:
    if change is None:
        return level
    if not isinstance(change, LevelChange):
        return None  # switched off
    values = change.model_dump(exclude_none=True)
    if level is not None:
        return Level(**{**vars(level), **values})
    # A level that the catalogue does not have: one sample decides where the change does not say otherwise.
    return (
        Level(**{"clear": values.get("set"), "delay_samples": 1, "delay_s": 0.0, **values}) if "set" in values else None
    )


def ftti_s(fault: Fault, system: System) -> float:
    """Budget from a fault's standing in the battery to the safe state, in this pack."""
    changed = system.faults.get(fault.id, ABSENT).ftti_s
    return fault.ftti_s if changed is None else changed


def sample_period_s(fault: Fault, system: System) -> float:
    """Time between the samples that a fault's rule counts; rules on the lack of something count ticks."""
    sensors, cycle_s = system.sensors, system.cycle.period_s
    if fault.sensor:
        period_s = float(getattr(sensors, fault.sensor).period_s)
    elif fault.unit == "V" and fault.scope == "cell":
        period_s = sensors.cell_voltage.period_s
    elif fault.unit in ("°C", "K"):
        period_s = sensors.temperature.period_s
    elif fault.unit == "A":
        period_s = sensors.current.period_s
    elif fault.unit == "Ω/V":
        period_s = sensors.insulation.period_s
    else:
        period_s = cycle_s
    return max(period_s, cycle_s)


def unknown_fault(word: str) -> str:
    """What to do about an id that no fault has."""
    return did_you_mean(word, BY_ID, "`ionward faults`")


def fault_problems(system: System) -> Iterator[Problem]:
    """What is wrong with the changes to the fault ladder in a description. Meets SR-190, SR-191."""
    limits = scalars(system)
    for fault_id, change in system.faults.items():
        fault = BY_ID.get(fault_id)
        if fault is None:
            yield Problem(f"faults.{fault_id}", None, "unknown fault", unknown_fault(fault_id), uses=())
            continue
        for name in change.model_fields_set & set(LEVEL_NAMES):
            yield from _change_problems(fault, name, getattr(change, name), system, limits)
        yield from _budget_problems(fault, change)
        yield from _retry_problems(fault, change)
        yield from _order_problems(fault, _ladder(fault, limits, change), change)


def _change_problems(fault: Fault, name: str, change: object, system: System, limits: Any) -> Iterator[Problem]:
    path = f"faults.{fault.id}.{name}"
    catalogue: Level | None = getattr(fault, name)
    if change is False:
        if name not in MAY_BE_OFF and system.contactors.fitted:
            yield Problem(path, False, "a level that opens the contactors cannot be switched off",
                          "allowed: other thresholds and delays")  # fmt: skip
        return
    if not isinstance(change, LevelChange):
        return
    if catalogue is None and change.set is None:
        yield Problem(f"{path}.set", None, "is missing, and the catalogue has no such level", "write it")
    of_sheet = fault.relative_to in SHEET_LIMITS
    wall = _absolute(catalogue, fault, _walls(system, limits)) if of_sheet else None
    sign = 1.0 if fault.direction == "above" else -1.0
    if wall is not None and change.set is not None and sign * change.set > sign * wall.set + 1e-9 * abs(wall.set):
        yield Problem(
            f"{path}.set", change.set, f"is further out than {fault.relative_to} of the cell's data sheet permits",
            f"allowed: {wall.set:g} or {'less' if sign > 0 else 'more'}",
            (f"{path}.set", "system.cell", "topology.cells_in_parallel"),
        )  # fmt: skip
    yield from _disarming_problems(fault, name, change, system, limits)
    period_s = sample_period_s(fault, system)
    samples = change.delay_samples or (catalogue.delay_samples if catalogue else 1)
    if change.delay_s is not None and change.delay_s < (samples - 1) * period_s - 1e-9:
        yield Problem(
            f"{path}.delay_s", change.delay_s, f"{samples} samples of {period_s:g} s take longer",
            f"allowed: {(samples - 1) * period_s:g} or more, or fewer delay_samples",
        )  # fmt: skip


def _disarming_problems(fault: Fault, name: str, change: LevelChange, system: System, limits: Any) -> Iterator[Problem]:
    """Changes with which a level that opens contactors would no longer protect: out of reach, or too late."""
    path, catalogue = f"faults.{fault.id}.{name}", _absolute(getattr(fault, name), fault, limits)
    if name in MAY_BE_OFF or catalogue is None or not system.contactors.fitted:
        return
    if change.set is not None and catalogue.set == catalogue.clear == YES_NO and change.set != YES_NO:
        yield Problem(f"{path}.set", change.set, "this fault is either there or not, and has no threshold to move",
                      "leave it out")  # fmt: skip
    elif change.set is not None and fault.relative_to not in SHEET_LIMITS:
        above = fault.direction == "above"
        furthest = catalogue.set + (FURTHEST - 1.0) * abs(catalogue.set) * (1.0 if above else -0.5)
        if (change.set > furthest if above else change.set < furthest) and catalogue.set != 0.0:
            yield Problem(f"{path}.set", change.set, "is so far out that nothing would be protected",
                          f"allowed: {furthest:g} or {'less' if above else 'more'} (the catalogue says "
                          f"{catalogue.set:g})")  # fmt: skip
    if change.delay_s is None and change.delay_samples is None:
        return
    level = _changed(catalogue, change)
    budget_s, release_s = ftti_s(fault, system), system.contactors.open_time_s
    needed_s = decision_time_s(level, sample_period_s(fault, system)) + release_s if level is not None else 0.0
    if needed_s > budget_s + 1e-9:
        yield Problem(f"{path}.{'delay_s' if change.delay_s is not None else 'delay_samples'}",
                      change.delay_s if change.delay_s is not None else change.delay_samples,
                      f"opening takes {needed_s:g} s with it, longer than the budget of {budget_s:g} s",
                      f"allowed: what keeps it within faults.{fault.id}.ftti_s")  # fmt: skip


def _budget_problems(fault: Fault, change: FaultChange) -> Iterator[Problem]:
    """A budget may be widened for slower cells and sensors, not done away with."""
    if change.ftti_s is not None and change.ftti_s > WIDEST * fault.ftti_s:
        yield Problem(f"faults.{fault.id}.ftti_s", change.ftti_s, "is no budget any more",
                      f"allowed: {WIDEST * fault.ftti_s:g} or less (the catalogue says {fault.ftti_s:g})")  # fmt: skip


def _retry_problems(fault: Fault, change: FaultChange) -> Iterator[Problem]:
    """What a person has to look at is not retried; what is retried has to rest first."""
    path = f"faults.{fault.id}"
    if change.cool_down_s > 0.0 and not fault.latching:
        yield Problem(f"{path}.cool_down_s", change.cool_down_s, "this fault does not latch", "leave it out")
    if change.retries and not fault.retry:
        allowed = ", ".join(f.id for f in FAULTS if f.retry)
        yield Problem(f"{path}.retries", change.retries, "a person has to look at this before the pack closes again",
                      f"leave it out; allowed for {allowed}")  # fmt: skip
    elif change.retries and change.cool_down_s < LEAST_REST_S:
        yield Problem(f"{path}.cool_down_s", change.cool_down_s, "is too short for a retry: contactors would flutter",
                      f"allowed: {LEAST_REST_S:g} or more, or no retries")  # fmt: skip


def _walls(system: System, limits: Any) -> Any:
    """The scalar parameters with the limits as far out as the cell's data sheet allows."""
    sheet, out = system.cell_model.data_sheet, limits.copy()
    for key, wall_key, each in UPPER_WALLS:
        out[key] = getattr(sheet, wall_key) * (system.topology.cells_in_parallel if each else 1)
    for key, wall_key in LOWER_WALLS:
        out[key] = getattr(sheet, wall_key)
    return out


def _order_problems(fault: Fault, ladder: Ladder, change: FaultChange) -> Iterator[Problem]:
    """Thresholds of one ladder against each other: `clear` back from `set`, higher levels further out."""
    sign = 1.0 if fault.direction == "above" else -1.0
    side = "below" if fault.direction == "above" else "above"
    beyond = "or more" if fault.direction == "above" else "or less"
    used = [(name, level) for name, level in zip(LEVEL_NAMES, ladder, strict=True) if level is not None]
    for name, level in used:
        if sign * level.clear > sign * level.set:
            yield Problem(f"faults.{fault.id}.{name}.clear", level.clear, "is on the wrong side of set",
                          f"allowed: {level.set:g} or {side}")  # fmt: skip
    for (low_name, low), (high_name, high) in itertools.pairwise(used):
        if sign * high.set < sign * low.set:
            told = high_name if high_name in change.model_fields_set else low_name
            value, allowed = (
                (high.set, f"{low.set:g} {beyond} ({low_name} is set at {low.set:g})")
                if told == high_name
                else (low.set, f"{high.set:g} or {side} ({high_name} is set at {high.set:g})")
            )
            yield Problem(f"faults.{fault.id}.{told}.set", value, f"{low_name} and {high_name} are in the wrong order",
                          f"allowed: {allowed}")  # fmt: skip


def decision_time_s(level: Level, period_s: float) -> float:
    """Longest time from the cause to the decision: waiting for the first sample, then the delays."""
    return period_s + max(level.delay_s, (level.delay_samples - 1) * period_s)


def wait_s(fault: Fault, system: System) -> float:
    """What the budget of a fault leaves, at the level fault, for the current to fall before the contactors must open.

    The rest of it goes into the decision, the contactors' own time, and two cycles on the way.
    """
    level = resolved_levels(fault, system)[LEVEL_NAMES.index("fault")]
    if level is None:
        return FOR_EVER_S
    taken_s = decision_time_s(level, sample_period_s(fault, system)) + system.contactors.open_time_s
    return max(ftti_s(fault, system) - taken_s - WAY_CYCLES * system.cycle.period_s, 0.0)


def fault_doubts(system: System) -> Iterator[str]:
    """Ladders that cannot do what they say: samples too slow for the delay, thresholds that the sensor cannot see,
    currents that nothing ends in time.
    """
    yield from _gap_doubts(system)
    yield from _bus_doubts(system)
    limits = scalars(system)
    slow: dict[float, list[str]] = {}
    for fault in FAULTS:
        period_s = sample_period_s(fault, system)
        low, high = _visible(fault, system)
        for name, level in zip(LEVEL_NAMES, _ladder(fault, limits, system.faults.get(fault.id, ABSENT)), strict=True):
            if level is None:
                continue
            if decision_time_s(level, period_s) > 3 * level.delay_s + 1.0:
                slow.setdefault(period_s, []).append(f"{fault.id}.{name}")
            if fault.relative_to.endswith("current_max_a") and level.delay_s <= system.limits.pulse_s:
                yield (
                    f"faults.{fault.id}.{name}: delay_s = {level.delay_s:g} ends a rated pulse of "
                    f"{system.limits.pulse_s:g} s"
                )
            if not low <= level.set <= high:
                yield f"faults.{fault.id}.{name}: the sensor cannot read as far as {level.set:g} {fault.unit}"
    for period_s, levels in slow.items():
        shown = ", ".join(levels[:3]) + (f" and {len(levels) - 3} more" if len(levels) > 3 else "")
        yield f"faults: samples every {period_s:g} s are too slow for the delays of {shown}"


def _gap_doubts(system: System) -> Iterator[str]:
    """Currents above what the contactors may break, at which the fuse takes longer than a short circuit may last."""
    fuse, contactors = system.fuse, system.contactors
    if not (fuse.fitted and contactors.fitted) or fuse.pyrofuse:
        return
    budget_s = ftti_s(BY_ID["short_circuit"], system)
    breaks_a = min(max(contactors.breaks_a(negative, charge) for negative in (False, True)) for charge in (False, True))
    melts_a = melting_current_a(fuse.curve, budget_s)
    if breaks_a >= melts_a:
        return
    melting_s = melting_time_s(fuse.curve, breaks_a)
    slow = "never melts" if math.isinf(melting_s) else f"takes {melting_s:.3g} s"
    yield (
        f"fuse: the contactors may break {breaks_a:g} A, and the fuse melts within the {budget_s:g} s of a short "
        f"circuit from {melts_a:.0f} A on; nothing ends a current between them in time (just above {breaks_a:g} A the "
        f"fuse {slow}): take contactors that break more, a faster fuse, or a pyrofuse"
    )


def _bus_doubts(system: System) -> Iterator[str]:
    """A bus voltage above the full pack that its sensor cannot tell from a full one."""
    sensor, level = system.sensors.bus_voltage, resolved_levels(BY_ID["bus_not_understood"], system)[2]
    if not sensor.fitted or level is None:
        return
    least_v = (1.0 + level.set) * system.series * system.limits.cell_voltage_max_v + sensor.tolerance
    if sensor.high < least_v:
        yield (
            f"faults.bus_not_understood.fault: the sensor of the bus voltage must read as far as {least_v:.0f} V to "
            f"see a bus that stands too high, and ends at {sensor.high:g} V"
        )


def _visible(fault: Fault, system: System) -> tuple[float, float]:
    """Thresholds that the sensor behind a fault can see. Discharge currents are judged as positive numbers."""
    sensors = system.sensors
    if fault.sensor and fault.unit in ("°C", "V"):
        sensor = getattr(sensors, fault.sensor)
        return sensor.low, sensor.high
    if fault.relative_to.startswith("cell_voltage"):
        return sensors.cell_voltage.low, sensors.cell_voltage.high
    if fault.relative_to.startswith("charge_current"):
        return 0.0, sensors.current.high
    if fault.relative_to.startswith("discharge_current"):
        return 0.0, -sensors.current.low
    if "temperature" in fault.relative_to:
        return sensors.temperature.low, sensors.temperature.high
    return -math.inf, math.inf
