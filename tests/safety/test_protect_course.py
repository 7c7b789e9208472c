"""Whole courses of a fault against a slow model (`helpers.slow_fault`): ladder, latch, cool-down, retries, events.

Times are sums of binary fractions here, so that the model and the kernel come to the same moment exactly.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpers.packs import size_of, small_parameters
from helpers.slow_fault import CRITICAL, FAULT, HOUR_S, NONE, WARNING, Described, Look, SlowFault, Step, Told
from ionward.image.layout import new_image
from ionward.image.parameters import FAULTP, LEVELP
from ionward.image.signals import EVENT
from ionward.image.signals import FAULT as FIELD
from ionward.safety.ladder import give
from ionward.safety.protect import judge_all, new_protect_memory

QUIET, JUDGED = 0, 1  # two faults: one that nothing ever happens to, and the one that is looked at
START_S = 4096.0


class Kernel:
    """The kernel's part that takes faults from verdicts to events, for two faults."""

    def __init__(self, described: Described) -> None:
        parameters = small_parameters()
        levels = np.full((len(described.steps), len(LEVELP), 2), math.nan)
        for k, step in enumerate(described.steps):
            if step is not None:
                levels[k, :, JUDGED] = step
        rules = parameters.faults[:, :2].copy()
        for name, value in (("above", described.above), ("latching", described.latching),
                            ("service", described.service), ("cool_down_s", described.cool_down_s),
                            ("retries", described.retries)):  # fmt: skip
            rules[getattr(FAULTP, name), JUDGED] = value
        self.parameters = parameters._replace(levels=levels, faults=rules)
        image = new_image(size_of(parameters))
        memory = new_protect_memory(size_of(parameters))
        self.image = image._replace(faults=image.faults[:, :2].copy())
        self.memory = memory._replace(verdicts=memory.verdicts[:, :2].copy(), progress=memory.progress[:, :2].copy())
        self.s: Any = self.image.scalars[0]
        self.s["time_s"], self.s["event_count"] = START_S, 0

    def tick(self, look: Look) -> int:
        self.s["time_s"] += look.dt_s
        self.s["dt_s"] = look.dt_s
        give(self.memory.verdicts, JUDGED, look.value, look.newest, look.place, look.usable, look.complete, look.active)
        judge_all(self.parameters, self.image, self.memory, look.acknowledged, JUDGED if look.released else -1)
        return int(self.field("level"))

    def field(self, name: str, fault: int = JUDGED) -> float:
        return float(self.image.faults[getattr(FIELD, name), fault])

    def events(self) -> list[Told]:
        rows = self.image.events[:, : int(self.s["event_count"])].T
        assert (rows[:, EVENT.fault] == JUDGED).all()
        return [Told(int(e[EVENT.level]), int(e[EVENT.previous_level]), int(e[EVENT.place]), float(e[EVENT.value]),
                     float(e[EVENT.time_s])) for e in rows]  # fmt: skip


def compare(described: Described, looks: list[Look]) -> tuple[Kernel, SlowFault]:
    """Both go the same way, tick by tick."""
    kernel, slow = Kernel(described), SlowFault(described, START_S)
    for number, look in enumerate(looks):
        assert kernel.tick(look) == slow.tick(look), number
        told = [kernel.field(name) for name in ("latched_level", "count", "retries", "place", "value")]
        assert told[:4] == [slow.latched, slow.raised, len(slow.used), slow.place], number
        assert told[4] == pytest.approx(slow.value, abs=0.0, nan_ok=True), number
        assert kernel.s["retried"] == slow.let_go_by_retry, number
    assert kernel.events() == slow.events
    if slow.events:
        assert kernel.field("since_s") == slow.since_s
    assert kernel.field("level", QUIET) == kernel.field("count", QUIET) == kernel.field("latched_level", QUIET) == 0
    return kernel, slow


def mirrored(described: Described, looks: list[Look]) -> tuple[Described, list[Look]]:
    """The same for a fault whose values are bad when they are low."""
    steps = tuple(step and step._replace(set=-step.set, clear=-step.clear) for step in described.steps)
    turned = [look._replace(value=-look.value, newest=-look.newest) for look in looks]
    return described._replace(steps=steps, above=False), turned


SETS, CLEARS = (1.0, 2.0, 3.0, 4.0), (0.5, 1.5, 2.0, 3.0)
WALLS = sorted({*SETS, *CLEARS})
VALUES = [f(wall) for wall in WALLS for f in (
    lambda x: math.nextafter(x, -math.inf), lambda x: x, lambda x: math.nextafter(x, math.inf))]  # fmt: skip
values = st.sampled_from([*VALUES, 0.0, 9.0, math.inf, -math.inf, math.nan])
seldom = st.integers(0, 7).map(lambda n: n == 0)
mostly = seldom.map(lambda x: not x)
SHORT_S = [0.0, 1 / 256, 1 / 128, 3 / 256, 1 / 64, 0.5]
SAMPLES, SECONDS = [0.0, 1.0, 2.0, 3.0, math.nan, -1.0], [0.0, 1 / 64, 1 / 32, 5 / 128, -1.0, math.nan]


@st.composite
def looks_at(draw: st.DrawFn, pauses_s: list[float]) -> Look:
    """What comes in a tick: a new sample, the old one again, a healthy neighbour's, or none that could be used."""
    value = draw(values)
    newest = draw(st.sampled_from([value, value, math.nan, 0.0]))
    return Look(value, newest, draw(st.integers(0, 3)), draw(mostly), draw(mostly), draw(mostly),
                draw(st.sampled_from(pauses_s)), draw(seldom), draw(seldom))  # fmt: skip


@st.composite
def descriptions(draw: st.DrawFn) -> Described:
    steps = tuple(
        Step(set_, clear, draw(st.sampled_from(SAMPLES)), draw(st.sampled_from(SECONDS))) if draw(mostly) else None
        for set_, clear in zip(SETS, CLEARS, strict=True)
    )
    return Described(steps, True, draw(mostly), draw(seldom), draw(st.sampled_from([0.0, 1 / 64, 1.0, 900.0])),
                     draw(st.integers(0, 2)))  # fmt: skip


@pytest.mark.verifies("SR-110", "SR-111", "SR-112", "SR-125", "SR-126", "SR-128")
@settings(max_examples=80)
@given(descriptions(), st.lists(looks_at(SHORT_S), max_size=60), st.booleans())
def test_any_course_of_a_fault_is_that_of_the_slow_model(described: Described, looks: list[Look], above: bool) -> None:
    compare(*(described, looks) if above else mirrored(described, looks))


# One level that is reached with the first sample and left with the first one back, so that courses are short.
QUICK = (None, None, Step(3.0, 2.0, 1.0, 0.0), Step(4.0, 3.5, 1.0, 0.0))
MINUTES_S = [1.0, 60.0, 600.0, 1200.0, 1799.0, 3599.0, HOUR_S]


@settings(max_examples=80)
@given(
    st.integers(0, 3), st.sampled_from([0.0, 1.0, 600.0]), st.booleans(),
    st.lists(st.tuples(st.sampled_from([0.0, 0.0, 3.5, 3.5, 5.0]), st.sampled_from(MINUTES_S), seldom, seldom),
             max_size=40),
)  # fmt: skip
def test_latches_retries_and_locks_go_as_in_the_slow_model_over_hours(
    retries: int, cool_down_s: float, service: bool, course: list[tuple[float, float, bool, bool]]
) -> None:
    looks = [Look(value, value, dt_s=dt_s, acknowledged=ack, released=free) for value, dt_s, ack, free in course]
    compare(Described(QUICK, service=service, cool_down_s=cool_down_s, retries=retries), looks)


def look(value: float, dt_s: float = 1.0, **more: Any) -> Look:
    return Look(value, value, dt_s=dt_s, **more)


def test_an_hour_is_counted_from_the_first_retry() -> None:
    """Two retries; the hour is over in the tick after it has passed, however late the second one was."""
    twice = [look(3.5), look(0.0, HOUR_S - 10.0), look(3.5), look(0.0)]
    kernel, _ = compare(Described(QUICK, retries=2), [look(3.5), look(0.0), *twice[2:], look(3.5), look(0.0)])
    assert (kernel.field("latched_level"), kernel.field("retries")) == (FAULT, 2)
    kernel, _ = compare(Described(QUICK, retries=1), [look(3.5), look(0.0), look(3.5, HOUR_S - 1.0), look(0.0)])
    assert kernel.field("latched_level") == FAULT  # exactly an hour: not more than one
    kernel, _ = compare(Described(QUICK, retries=1), [look(3.5), look(0.0), look(3.5, HOUR_S), look(0.0)])
    assert (kernel.field("latched_level"), kernel.field("retries")) == (NONE, 1)


def test_a_person_lets_go_before_the_retries_are_used_up_and_gives_all_of_them_back() -> None:
    course = [look(3.5), look(0.0), look(3.5), look(0.0, acknowledged=True), look(3.5), look(0.0), look(0.0)]
    kernel, slow = compare(Described(QUICK, retries=1), course)
    assert (kernel.field("latched_level"), len(slow.used)) == (NONE, 1)


def test_a_latch_of_the_level_fault_that_becomes_critical_is_a_critical_one() -> None:
    kernel, _ = compare(Described(QUICK, retries=3), [look(3.5), look(5.0), look(3.5), look(0.0), look(0.0)])
    assert kernel.field("latched_level") == CRITICAL


def test_what_has_fallen_to_a_warning_may_be_let_go_while_the_warning_stands() -> None:
    steps = (None, Step(1.0, 0.5, 1.0, 0.0), *QUICK[2:])
    kernel, _ = compare(Described(steps), [look(3.5), look(1.5), look(1.5, acknowledged=True)])
    assert (kernel.field("level"), kernel.field("latched_level")) == (WARNING, NONE)


def test_what_does_not_latch_is_over_when_it_is_over() -> None:
    kernel, _ = compare(Described(QUICK, latching=False), [look(5.0), look(0.0), look(0.0)])
    assert (kernel.field("level"), kernel.field("latched_level"), kernel.field("count")) == (NONE, NONE, 1)


@example(1)
@given(st.integers(1, 9))
def test_an_event_names_the_place_where_its_level_was_reached(place: int) -> None:
    course = [look(3.5, place=place), look(5.0, place=7), look(3.4, place=0), look(0.0, place=2)]
    kernel, _ = compare(Described(QUICK), course)
    assert [(e.level, e.place) for e in kernel.events()] == [(3, place), (4, 7), (3, 7), (0, 7)]
    assert kernel.field("place") == 2


def test_each_level_is_left_in_its_own_time_and_needs_its_whole_time_again() -> None:
    steps = tuple(Step(set_, clear, 2.0, n / 64) for set_, clear, n in zip(SETS, CLEARS, (6, 5, 4, 3), strict=True))
    tick_s = 1 / 64
    course = [look(9.0, tick_s)] * 8 + [look(0.0, tick_s)] * 40 + [look(9.0, tick_s)] * 8 + [look(2.5, tick_s)] * 20
    kernel, _ = compare(Described(steps), [*course, *[look(9.0, tick_s)] * 8])
    assert kernel.field("level") == CRITICAL
