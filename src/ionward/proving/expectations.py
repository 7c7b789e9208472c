"""Expectations of a scenario: from what was written to watches, and from watches to verdicts in plain words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ionward.battery.problems import Problem, did_you_mean
from ionward.image.catalogue import Signal
from ionward.image.fault_levels import unknown_fault
from ionward.image.faults import BY_ID, FAULT_ID
from ionward.image.inputs import CHANNEL, CHANNEL_SIGNALS
from ionward.image.signals import IMAGE_SIGNALS, LEVELS
from ionward.proving.scenario import Expectation, Injection, Scenario
from ionward.proving.watch import (
    SOURCE_CHANNEL,
    SOURCE_FAULT,
    SOURCE_TRUTH,
    TRUTH,
    TRUTH_SIGNALS,
    WATCH,
    image_index,
)

Array = npt.NDArray[np.float64]


class Known(NamedTuple):
    """A number that can be watched, and where it stands."""

    signal: Signal
    source: int
    word: int


# Of one pack.
PACK_SIGNALS: Mapping[str, Known] = {
    **{s.name: Known(s, *image_index(s.name)) for s in IMAGE_SIGNALS},
    **{f"true.{s.name}": Known(s, SOURCE_TRUTH, getattr(TRUTH, s.name)) for s in TRUTH_SIGNALS},
    **{f"measured.{s.name}": Known(s, SOURCE_CHANNEL, getattr(CHANNEL, s.name)) for s in CHANNEL_SIGNALS},
}


@dataclass(frozen=True)
class Verdict:
    """What became of one expectation."""

    text: str
    met: bool
    found: str


@dataclass(frozen=True)
class Check:
    """One expectation, ready to be watched. Times are those of the run."""

    expectation: Expectation
    text: str
    from_s: float
    until_s: float
    reached: bool  # True: once inside is enough; False: never outside
    source: int = 0
    index: int = 0
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()


def signal_names() -> list[str]:
    """Everything that an expectation can name as `signal`."""
    return list(PACK_SIGNALS)


def prepare(scenario: Scenario) -> tuple[list[Check], list[Problem]]:
    """Checks of a scenario, and what is wrong with its expectations."""
    checks: list[Check] = []
    problems: list[Problem] = []
    for k, expectation in enumerate(scenario.expect):
        made = check_of(expectation, scenario.scenario.duration_s, scenario.fault, PACK_SIGNALS)
        if isinstance(made, Problem):
            problems.append(made._replace(key=f"expect[{k}]{made.key}"))
        else:
            checks.append(made)
    return checks, problems


def check_of(
    expectation: Expectation, end_s: float, faults: Sequence[Injection], known: Mapping[str, Known]
) -> Check | Problem:
    """What is to be watched for one expectation, or what is wrong with it; the key begins below the expectation.

    Args:
        expectation: as it is written.
        end_s: of the run.
        faults: that the scenario injects, from which times may count.
        known: signals that can be named.
    """
    wrong = _shape_problem(expectation)
    if wrong:
        return Problem("", None, *wrong)
    times = _times(expectation, end_s, faults)
    made = times if isinstance(times, Problem) else _check(expectation, *times, known)
    return made._replace(key=f".{made.key}") if isinstance(made, Problem) else made


def _shape_problem(e: Expectation) -> tuple[str, str] | None:
    kinds = [name for name in ("signal", "fault", "no_events") if getattr(e, name) is not None]
    if len(kinds) != 1:
        return "names none or several of signal, fault, no_events", "allowed: exactly one of them"
    if e.signal is not None:
        if e.equals is None and e.min is None and e.max is None:
            return "has nothing to compare with", "give is, min or max"
        if e.equals is not None and (e.min is not None or e.max is not None):
            return "has both is and min or max", "give one of the two"
        if e.min is not None and e.max is not None and e.max < e.min:
            return f"has max {e.max:g} below min {e.min:g}", "swap them"
    elif e.equals is not None or e.min is not None or e.max is not None:
        return "has is, min or max without a signal", "name the signal"
    if e.fault is None and (e.never or (e.level is not None and e.signal is not None)):
        return "has never or level without a fault", "name the fault"
    if e.fault is not None and e.never and (e.by_s is not None or e.within_s is not None or e.at_s is not None):
        return "says never and when", "use from_s and until_s with never"
    moments = [name for name in ("at_s", "by_s", "within_s") if getattr(e, name) is not None]
    if len(moments) > 1:
        return f"has {' and '.join(moments)}", "give one of them"
    if moments and (e.from_s is not None or e.until_s is not None):
        return f"has {moments[0]} and from_s or until_s", "give a moment or a stretch of time"
    if e.after is not None and e.within_s is None:
        return "has after without within_s", "say within how many seconds"
    return None


def _times(e: Expectation, end: float, faults: Sequence[Injection]) -> tuple[float, float, bool] | Problem:
    """Begin, end, and whether reaching it once is enough."""
    if e.at_s is not None:
        return e.at_s, e.at_s, False
    if e.by_s is not None:
        return 0.0, e.by_s, True
    if e.within_s is not None:
        begin = _after(e.after, faults)
        if isinstance(begin, Problem):
            return begin
        return begin, begin + e.within_s, True
    if e.fault is not None and not e.never and e.from_s is None and e.until_s is None:
        return 0.0, end, True  # raised at any time
    return e.from_s or 0.0, end if e.until_s is None else e.until_s, e.fault is not None and not e.never


def _after(after: float | str | None, faults: Sequence[Injection]) -> float | Problem:
    if after is None:
        if not faults:
            return Problem("within_s", None, "counts from a fault, and none is injected", "give after, or by_s")
        return faults[0].at_s
    if isinstance(after, str):
        injected = {f.name: f.at_s for f in reversed(faults)}
        if after not in injected:
            return Problem("after", after, "is no fault that this scenario injects", did_you_mean(after, injected))
        return injected[after]
    return float(after)


def _check(e: Expectation, from_s: float, until_s: float, reached: bool, known: Mapping[str, Known]) -> Check | Problem:
    when = _when(e, from_s, until_s, reached)
    if e.no_events is not None:
        return Check(e, f"no event of level {e.no_events} or above {when}".strip(), from_s, until_s, False)
    if e.fault is not None:
        if e.fault not in BY_ID:
            return Problem("fault", e.fault, "unknown fault", unknown_fault(e.fault))
        level = LEVELS.index(e.level or "info")
        index = getattr(FAULT_ID, e.fault)
        name = f"{e.fault} at level {LEVELS[level]} or above"
        if e.never:
            return Check(e, f"never {name} {when}", from_s, until_s, False, SOURCE_FAULT, index, -math.inf, level - 0.5,
                         choices=LEVELS)  # fmt: skip
        place = "" if e.place is None else f" at {e.place}"
        return Check(
            e, f"{name}{place} {when}", from_s, until_s, True, SOURCE_FAULT, index, level - 0.5, choices=LEVELS
        )
    return _signal_check(e, str(e.signal), when, (from_s, until_s, reached), known)


def _signal_check(
    e: Expectation, name: str, when: str, times: tuple[float, float, bool], known: Mapping[str, Known]
) -> Check | Problem:
    if name not in known:
        return Problem("signal", name, "unknown signal", did_you_mean(name, known))
    signal, source, index = known[name]
    low, high = -math.inf if e.min is None else e.min, math.inf if e.max is None else e.max
    wanted = f"between {low:g} and {high:g}" if e.min is not None and e.max is not None else (
        f"at least {low:g}" if e.min is not None else f"at most {high:g}")  # fmt: skip
    if e.equals is not None:
        if isinstance(e.equals, str):
            if e.equals not in signal.choices:
                return Problem("is", e.equals, f"is no value of {name}", did_you_mean(e.equals, signal.choices))
            low = high = float(signal.choices.index(e.equals))
        else:
            low = high = float(e.equals)
        wanted = f"is {e.equals}"
    unit = f" {signal.unit}" if signal.unit else ""
    return Check(e, f"{name} {wanted}{unit} {when}".strip(), *times, source, index, low, high, signal.choices)


def _when(e: Expectation, from_s: float, until_s: float, reached: bool) -> str:
    if e.at_s is not None:
        return f"at {e.at_s:g} s"
    if e.within_s is not None:
        return f"within {e.within_s:g} s after {e.after if isinstance(e.after, str) else f'{from_s:g} s'}"
    if e.by_s is not None:
        return f"by {e.by_s:g} s"
    if e.from_s is None and e.until_s is None:
        return "at some time" if reached else "at any time"
    return f"from {from_s:g} to {until_s:g} s"


def set_watches(checks: list[Check], watches: Array, cycle_s: float, end_s: float) -> None:
    """Write the checks into their watches. A moment is the first tick at or after it, at the latest the last one."""
    last_s = end_s - cycle_s
    for k, check in enumerate(checks):
        watches[WATCH.source, k] = check.source
        watches[WATCH.index, k] = check.index
        watches[WATCH.low, k] = check.low
        watches[WATCH.high, k] = check.high
        from_s = math.ceil(check.from_s / cycle_s - 1e-6) * cycle_s
        if abs(check.from_s - end_s) < cycle_s:
            from_s = last_s
        watches[WATCH.from_s, k] = from_s
        watches[WATCH.until_s, k] = max(check.until_s, from_s)


def judge(checks: list[Check], watches: Array, events: list[dict[str, Any]], end_s: float) -> list[Verdict]:
    """What became of the expectations by `end_s`.

    Left out are those whose time had not begun by then, and those that are not met yet and still have time.
    """
    verdicts = []
    for k, check in enumerate(checks):
        if check.from_s > end_s + 1e-9:
            continue
        verdict = _verdict(check, watches[:, k], events)
        if verdict.met or not check.reached or check.until_s <= end_s + 1e-9:
            verdicts.append(verdict)
    return verdicts


def _verdict(check: Check, watch: Array, events: list[dict[str, Any]]) -> Verdict:
    e = check.expectation
    between = [ev for ev in events if check.from_s - 1e-9 <= ev["time_s"] <= check.until_s + 1e-9]
    if e.no_events is not None:
        least = LEVELS.index(e.no_events)
        loud = [ev for ev in between if LEVELS.index(ev["level"]) >= least]
        return Verdict(check.text, not loud, f"{loud[0]['text']} at {loud[0]['time_s']:.3f} s" if loud else "none")
    if watch[WATCH.samples] == 0:
        return Verdict(check.text, False, "the run ended before")
    if e.fault is not None and e.place is not None:
        least = LEVELS.index(e.level or "info")
        there = [ev for ev in between if ev["fault"] == e.fault and LEVELS.index(ev["level"]) >= least]
        hit = [ev for ev in there if ev["place"] == e.place]
        if hit:
            return Verdict(check.text, True, f"at {hit[0]['time_s']:.3f} s")
        return Verdict(check.text, False, f"raised at place {there[0]['place']}" if there else "not raised")
    if check.reached:
        inside_s = watch[WATCH.inside_s]
        if math.isnan(inside_s):
            return Verdict(check.text, False, f"not reached; last {_value(check, watch[WATCH.last])}")
        return Verdict(check.text, True, f"at {inside_s:.3f} s")
    outside_s = watch[WATCH.outside_s]
    if math.isnan(outside_s):
        return Verdict(check.text, True, f"{_value(check, watch[WATCH.last])} at the end")
    return Verdict(check.text, False, f"{_value(check, watch[WATCH.outside])} at {outside_s:.3f} s")


def _value(check: Check, value: float) -> str:
    """A number as a person reads it: states by their names."""
    choices = check.choices
    if choices and value == value and 0 <= value < len(choices):
        return choices[int(value)] or "none"
    return "not known" if math.isnan(value) else f"{value:.5g}"
