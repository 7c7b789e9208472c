"""Rules of contactors, bus and single channels as properties, over whole histories of measurements and commands.

The rules are asked directly, so that a measurement may be anything. What they should say is worked out anew from
`docs/protection.md`: each count from the tick in which it began.
"""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.judging import beside, judged, measure, measured, newest_is, same
from helpers.kernel import Kernel
from ionward.image.inputs import CHANNEL, CHANNELS
from ionward.image.parameters import MEASURE
from ionward.image.signals import BAD, GOOD, HELD, MEASURED, NOT_FITTED
from ionward.safety.rules_connection import (
    bus_rules,
    channel_rules,
    contactor_rules,
    lost_channel_rules,
    precharge_rules,
)

EXAMPLES = 60
CONTACTORS = ("main_positive", "main_negative", "precharge")
ALLOWED_S = 0.125  # to open, a binary fraction: sums of cycles are exact
PAUSES_S = st.sampled_from([0.0, 1 / 64, 1 / 32, 3 / 64, 1 / 8])


def bench() -> Kernel:
    return Kernel(settle=False, contactor_open_s=ALLOWED_S, contactor_close_s=ALLOWED_S)


@settings(max_examples=EXAMPLES)
@given(beside(0.0, 0.5, 1.0), beside(0.0, 0.5, 1.0), beside(0.0, 1680.0, 8400.0), st.booleans())
def test_interlock_crash_and_insulation_are_judged_as_they_are_read(
    hvil: float, crash: float, ohm: float, new: bool
) -> None:
    k = bench()
    for name, value in (("hvil_closed", hvil), ("crash", crash), ("insulation_ohm", ohm)):
        measure(k, name, value, new)
    channel_rules(k.parameters, k.image, k.protect_memory.verdicts)
    for fault, expected, name in (("hvil_open", hvil, "hvil_closed"), ("crash", crash, "crash"),
                                  ("insulation_low", ohm / (4 * 4.2), "insulation_ohm")):  # fmt: skip
        assert same(judged(k, fault), expected)
        assert newest_is(k, fault, new)
        assert judged(k, fault, "place") == getattr(CHANNEL, name)
        assert judged(k, fault, "usable") == (not math.isnan(expected))
        assert judged(k, fault, "complete") == judged(k, fault, "active") == 1


GROUPS = {
    "pack_voltage_lost": ["pack_voltage_v"],
    "bus_voltage_lost": ["bus_voltage_v"],
    "insulation_lost": ["insulation_ohm"],
    "coolant_temperature_lost": ["coolant_inlet_c", "coolant_outlet_c", "ambient_c"],
    "hvil_lost": ["hvil_closed"],
    "crash_lost": ["crash"],
    "contactor_feedback_lost": ["main_positive_closed", "main_negative_closed", "precharge_closed"],
    "point_temperature_lost": ["contactor_positive_c", "contactor_negative_c", "connector_positive_c",
                               "connector_negative_c", "balancing_board_c"],
    "tap_lost": ["positive_tap_v", "negative_tap_v"],
    "cooling_feedback_lost": ["cooling_running"],
    "diagnosis_lost": ["monitor_redundancy_v", "monitor_crc_errors", "monitor_sequence_errors", "pyrofuse_intact"],
}  # fmt: skip
state_of_channel = st.tuples(st.sampled_from([BAD, BAD, BAD, GOOD, HELD, NOT_FITTED]), st.booleans())


@settings(max_examples=EXAMPLES)
@given(st.lists(state_of_channel, min_size=CHANNELS, max_size=CHANNELS),
       st.sampled_from([0.0, 0.1, math.nextafter(0.1, 1.0), 0.5, 1.0, 1.5, 5.0, 5.5]))  # fmt: skip
def test_a_channel_is_lost_when_it_is_bad_and_has_come_or_could_have(
    states: list[tuple[int, bool]], since_start_s: float
) -> None:
    k = bench()
    k.protect_memory.state["since_start_s"] = since_start_s
    for channel, (quality, came) in enumerate(states):
        k.image.channels[MEASURED.quality, channel] = quality
        k.image.channels[MEASURED.age_s, channel] = 0.3 if came else math.inf
    lost_channel_rules(k.parameters, k.image, k.protect_memory.verdicts, k.protect_memory.state[0])
    for fault, names in GROUPS.items():
        channels = [getattr(CHANNEL, name) for name in names]
        due = since_start_s > k.parameters.channel_limits[MEASURE.age_max_s]
        lost = [c for c in channels if states[c][0] == BAD and (states[c][1] or due[c])]
        assert judged(k, fault) == judged(k, fault, "newest") == len(lost)
        assert judged(k, fault, "place") == (lost[0] if lost else -1)
        assert judged(k, fault, "usable") == judged(k, fault, "complete") == judged(k, fault, "active") == 1


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from([0.0, 0.01, 2.5, 10.0, 11.0, 60.0])), max_size=20))
def test_refused_samples_are_counted_once_each_and_forgotten_within_ten_seconds(
    course: list[tuple[int, float]],
) -> None:
    k, rate, total = bench(), 0.0, 0
    for refused, dt_s in course:
        total += refused
        k.s["rejected_samples"], k.s["dt_s"] = total, dt_s
        lost_channel_rules(k.parameters, k.image, k.protect_memory.verdicts, k.protect_memory.state[0])
        rate = rate * max(1.0 - dt_s / 10.0, 0.0) + refused / 10.0
        assert same(judged(k, "samples_refused"), rate)
        assert newest_is(k, "samples_refused", True)
        assert judged(k, "samples_refused", "place") == -1


reading = st.sampled_from([0.0, 0.5, math.nextafter(0.5, 1.0), 1.0, 1.0, math.nan])
contact_tick = st.tuples(*[st.tuples(reading, st.booleans(), st.booleans())] * 3, PAUSES_S)


class Contact:
    """When one contact began to be closed against its command."""

    def __init__(self) -> None:
        self.welded: list[float] = []  # pauses between the ticks in which it was so

    def look(self, feedback: float, commanded: bool, dt_s: float) -> None:
        if not math.isnan(feedback):
            self.welded = [*self.welded, dt_s] if feedback > 0.5 and not commanded else []

    @property
    def welded_s(self) -> float:
        return sum(self.welded[1:])


@settings(max_examples=EXAMPLES)
@given(st.lists(contact_tick, min_size=1, max_size=25), st.booleans())
def test_a_welded_contactor_is_judged_by_how_long_it_has_stayed_closed(
    course: list[tuple[tuple[float, bool, bool], tuple[float, bool, bool], tuple[float, bool, bool], float]],
    fitted: bool,
) -> None:
    k, contacts = bench(), [Contact() for _ in CONTACTORS]
    k.parameters.scalars["has_contactors"] = fitted
    for *states, dt_s in course:
        k.s["dt_s"] = dt_s
        for name, contact, (feedback, new, commanded) in zip(CONTACTORS, contacts, states, strict=True):
            measure(k, f"{name}_closed", feedback, new)
            k.s[f"{name}_close"] = commanded
            contact.look(feedback, commanded, dt_s)
        contactor_rules(k.parameters, k.image, k.protect_memory.verdicts, k.protect_memory.contactors, True)
        known = [c for c, state in enumerate(states) if not math.isnan(state[0])]
        for fault in ("contactor_welded", "contactor_stuck_open"):
            assert judged(k, fault, "usable") == (fitted and bool(known))
            assert newest_is(k, fault, any(states[c][1] for c in known))
            assert judged(k, fault, "complete") == judged(k, fault, "active") == 1
        if known:
            worst_s = max(contacts[c].welded_s for c in known)
            first = next(c for c in known if contacts[c].welded_s == worst_s)
            assert judged(k, "contactor_welded") == worst_s
            assert judged(k, "contactor_welded", "place") == CHANNEL.main_positive_closed + first
        else:
            assert judged(k, "contactor_welded", "place") == judged(k, "contactor_stuck_open", "place") == -1


@settings(max_examples=EXAMPLES)
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.booleans(), PAUSES_S), min_size=1, max_size=25))
def test_a_contactor_that_is_commanded_is_judged_by_how_long_it_has_stayed_open(
    course: list[tuple[float, bool, float]],
) -> None:
    """Nobody wishes for the connection, and the fault is told already: what is not commanded any more is forgotten."""
    k = bench()
    k.image.faults[0] = 3  # every fault is told
    late: list[float] = []
    for feedback, commanded, dt_s in course:
        k.s["dt_s"], k.s["main_negative_close"] = dt_s, commanded
        measure(k, "main_negative_closed", feedback)
        for name in ("main_positive_closed", "precharge_closed"):
            measure(k, name, math.nan)
        contactor_rules(k.parameters, k.image, k.protect_memory.verdicts, k.protect_memory.contactors, False)
        late = [*late, dt_s] if commanded and feedback <= 0.5 else []
        assert judged(k, "contactor_stuck_open") == sum(late[1:])
        assert judged(k, "contactor_stuck_open", "place") == CHANNEL.main_negative_closed


volts = measured(st.just(0.0) | beside(-1.0, 0.85 * 14.8, 14.8, 29.6) | st.floats(-20.0, 20.0, width=16))
bus_tick = st.tuples(volts, volts, st.booleans(), st.tuples(st.booleans(), st.booleans(), st.booleans()), PAUSES_S,
                     beside(-100.0, 0.0, 10.0), st.booleans())  # fmt: skip


@settings(max_examples=EXAMPLES)
@given(st.lists(bus_tick, min_size=1, max_size=12), volts, st.booleans())
def test_bus_and_current_are_judged_by_what_the_commands_let_be(
    course: list[tuple[float, float, bool, tuple[bool, bool, bool], float, float, bool]], sum_v: float, fitted: bool
) -> None:
    k = bench()
    opened: float | None = 0.0  # as everything is before the first tick
    k.parameters.scalars["has_contactors"] = fitted
    k.s["cell_voltage_sum_v"] = sum_v
    for bus_v, pack_v, new, (positive, negative, precharge), dt_s, current_a, new_a in course:
        measure(k, "bus_voltage_v", bus_v, new)
        measure(k, "pack_voltage_v", pack_v)
        k.s["main_positive_close"], k.s["main_negative_close"], k.s["precharge_close"] = positive, negative, precharge
        k.s["dt_s"], k.s["current_a"], k.protect_memory.state["current_is_new"] = dt_s, current_a, new_a
        bus_rules(k.parameters, k.image, k.protect_memory.verdicts, k.protect_memory.state[0], True)
        path = negative and (positive or precharge)
        opened = None if path else 0.0 if opened is None else opened + dt_s
        is_open = opened is not None and opened > ALLOWED_S
        reference_v = sum_v if math.isnan(pack_v) else pack_v
        share = bus_v / reference_v if reference_v > 0.0 else math.nan
        known = not math.isnan(share)
        assert same(judged(k, "bus_live_while_open"), share if is_open or not known else 0.0)
        assert same(
            judged(k, "bus_apart_while_closed"), abs(share - 1.0) if (positive and negative) or not known else 0.0
        )
        flows = not math.isnan(current_a)
        assert same(judged(k, "current_while_open"), abs(current_a) if is_open or not flows else 0.0)
        for fault, usable, is_new in (("bus_live_while_open", known, new), ("bus_apart_while_closed", known, new),
                                      ("current_while_open", flows, new_a or (flows and not is_open))):  # fmt: skip
            assert judged(k, fault, "usable") == (fitted and usable)
            assert newest_is(k, fault, is_new)
            assert judged(k, fault, "complete") == judged(k, fault, "active") == 1
        for fault in ("bus_live_while_open", "bus_apart_while_closed"):
            assert judged(k, fault, "place") == CHANNEL.bus_voltage_v


precharge_tick = st.tuples(st.booleans(), st.booleans(), st.integers(0, 3).map(bool), st.integers(0, 5), PAUSES_S)


@settings(max_examples=2 * EXAMPLES)
@given(st.lists(precharge_tick, min_size=1, max_size=25), st.booleans())
def test_precharge_is_judged_by_its_time_and_by_the_tries_that_came_to_nothing(
    course: list[tuple[bool, bool, bool, int, float]], fitted: bool
) -> None:
    """A try came to nothing when it ended without a connection, without a call to open, and while it was wished for."""
    k = bench()
    k.parameters.scalars["has_precharge"] = fitted
    run: list[float] = []
    failed, wished_before = 0, False
    for closed, positive, wished, other, dt_s in course:
        negative, asks = other < 3, other == 5
        k.s["precharge_close"], k.s["main_positive_close"], k.s["main_negative_close"] = closed, positive, negative
        k.s["dt_s"], k.s["open_request"] = dt_s, 2 * asks
        precharge_rules(k.parameters, k.image, k.protect_memory.verdicts, k.protect_memory.state[0], wished)
        ended = bool(run) and not closed
        run = [*run, dt_s] if closed else []
        if (positive and negative) or not (wished or wished_before):
            failed = 0
        elif ended and not asks:
            failed += 1
        wished_before = wished
        assert judged(k, "precharge_too_long") == judged(k, "precharge_too_long", "newest") == sum(run[1:])
        assert judged(k, "precharge_failed") == judged(k, "precharge_failed", "newest") == failed
        for fault in ("precharge_too_long", "precharge_failed"):
            assert judged(k, fault, "usable") == fitted
            assert judged(k, fault, "place") == CHANNEL.precharge_closed
            assert judged(k, fault, "complete") == judged(k, fault, "active") == 1


def late_contact(allowed_s: float = ALLOWED_S) -> Kernel:
    """A negative contactor that is commanded closed and stays open."""
    k = bench()
    k.parameters.scalars["contactor_close_s"] = allowed_s
    for name in CONTACTORS:
        measure(k, f"{name}_closed", 0.0)
    k.s["dt_s"] = 1 / 64
    k.s["main_negative_close"] = 1
    return k


def stuck_s(k: Kernel, wished: bool, told: int = 0, ticks: int = 1) -> float:
    k.image.faults[0] = told
    for _ in range(ticks):
        contactor_rules(k.parameters, k.image, k.protect_memory.verdicts, k.protect_memory.contactors, wished)
    return judged(k, "contactor_stuck_open")


def test_a_command_that_is_withdrawn_before_its_time_is_over_blames_nobody() -> None:
    k = late_contact()
    assert stuck_s(k, True, ticks=7) == 6 / 64  # more than a tick and a half before 8/64
    k.s["main_negative_close"] = 0
    assert stuck_s(k, True) == 0.0
    k.s["main_negative_close"] = 1
    assert stuck_s(k, True) == 0.0  # counts from nothing


def test_a_command_that_is_withdrawn_as_its_time_runs_out_counts_on_until_it_is_told() -> None:
    k = late_contact()
    assert stuck_s(k, True, ticks=8) == 7 / 64
    k.s["main_negative_close"] = 0
    assert stuck_s(k, False) == 9 / 64  # the whole time, and this tick
    assert stuck_s(k, False) == 10 / 64
    assert stuck_s(k, True, told=3) == 10 / 64  # stands while it is wished for
    assert stuck_s(k, True, told=3) == 10 / 64
    assert stuck_s(k, True, told=2) == 11 / 64  # a warning is not told yet
    assert stuck_s(k, False, told=3) == 0.0


def test_a_contactor_that_closes_late_is_no_longer_blamed() -> None:
    k = late_contact()
    stuck_s(k, True, ticks=20)
    measure(k, "main_negative_closed", 1.0)
    assert stuck_s(k, True) == 0.0


def test_without_time_to_close_every_command_that_is_withdrawn_counts() -> None:
    k = late_contact(allowed_s=0.0)
    assert stuck_s(k, True) == 0.0
    k.s["main_negative_close"] = 0
    assert stuck_s(k, True) == 1 / 64
    assert CHANNEL.main_negative_closed == judged(k, "contactor_stuck_open", "place")


def test_of_contactors_that_are_stuck_alike_the_first_one_is_named() -> None:
    k = late_contact()
    k.s["precharge_close"] = 1
    assert stuck_s(k, True, ticks=5) == 4 / 64
    assert judged(k, "contactor_stuck_open", "place") == CHANNEL.main_negative_closed


def test_without_any_feedback_no_contactor_is_named() -> None:
    k = late_contact()
    for name in CONTACTORS:
        measure(k, f"{name}_closed", math.nan)
    contactor_rules(k.parameters, k.image, k.protect_memory.verdicts, k.protect_memory.contactors, True)
    for fault in ("contactor_welded", "contactor_stuck_open"):
        assert (judged(k, fault, "usable"), judged(k, fault, "place")) == (0, -1)
