"""What the steps of the connection sequence share: its memory, its senses, and how steps are entered."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ionward._compile import njit
from ionward.image.catalogue import Signal, rows
from ionward.image.faults_points import BUS_APART
from ionward.image.inputs import CHANNEL, Array
from ionward.image.layout import Image
from ionward.image.parameters import MEASURE, Parameters
from ionward.image.signals import (
    BAD,
    HELD,
    HOLD_BREAK,
    HOLD_FAULT,
    HOLD_LATCHED,
    HOLD_NONE,
    LEVEL_FAULT,
    MEASURED,
    OPEN_NONE,
    STATE_CONNECTED,
    STATE_FAULT,
    STATE_OPENING,
    STATE_STANDBY,
)

STEPS = (
    "none",
    "negative",
    "probe",
    "charge",
    "positive",
    "release",
    "wait",
    "open positive",
    "open negative",
    "prove",
    "hold",
    "open first",
)
(STEP_NONE, STEP_NEGATIVE, STEP_PROBE, STEP_CHARGE, STEP_POSITIVE, STEP_RELEASE, STEP_WAIT, STEP_OPEN_POSITIVE,
 STEP_OPEN_NEGATIVE, STEP_PROVE, STEP_HOLD, STEP_OPEN_FIRST) = range(len(STEPS))  # fmt: skip

# What a path of one-way switches is to be connected for.
WAYS_BOTH, WAYS_DISCHARGE, WAYS_CHARGE, WAYS_NONE = range(4)
# A contact's feedback, and what the tap across it says.
UNKNOWN, OPEN, CLOSED = -1.0, 0.0, 1.0
# A tap further than this share from the pack voltage proves an open contact.
TAP_APART = 0.1
# New bus samples in a row that read the same to the last digit: noise moves that of a sensor that measures.
STILL_SAMPLES = 5
# New bus samples in a row that must agree before a step trusts them.
STABLE_SAMPLES = 3

SEQ = rows(
    "SequenceFields",
    (
        # What goes on.
        Signal("step", "", "Step within the state", "i8", 0, len(STEPS) - 1, STEPS),
        Signal("since_s", "s", "Time at which the step was entered"),
        Signal("after", "", "State that follows the opening"),
        Signal("why", "", "Reason that the opening leaves behind"),
        Signal(
            "ways",
            "",
            "One-way switches: what the connection under way is for",
            "i8",
            0,
            3,
            ("both", "discharge only", "charge only", "nothing"),
        ),
        Signal("held_s", "s", "Since when a one-way switch is held because of what it may break; NaN: none is"),
        Signal("own_fault", "", "The state fault was entered by the sequence itself: a person must acknowledge"),
        Signal("acknowledged", "", "Acknowledgements counted when the state fault was entered"),
        # Wear.
        Signal("was_positive", "", "Command of the positive contactor in the tick before", "i8", 0, 1),
        Signal("was_negative", "", "Command of the negative contactor in the tick before", "i8", 0, 1),
        Signal("broken_a", "A", "Last known current, positive charging"),
        # Precharge.
        Signal("bus_start_v", "V", "Bus voltage when the connection began"),
        Signal("samples", "", "New bus samples in a row that satisfied the step"),
        Signal("between", "", "Bus samples seen on the way up"),
        Signal("high", "", "Ticks in a row with too much current, or with a contact closed that should be open"),
        Signal("live_s", "s", "Since when a live bus holds the connection back; NaN: it does not"),
        Signal("refused", "", "The bus did not come to match in time: the wish must be given anew"),
        Signal("resume_s", "s", "No new try before this time"),
        Signal("heat_j", "J", "Heat in the precharge resistor"),
        # Senses of this tick.
        Signal("positive", "", "Feedback of the positive contactor: 1 closed, 0 open, -1 unknown"),
        Signal("negative", "", "Feedback of the negative contactor"),
        Signal("precharge", "", "Feedback of the precharge contactor"),
        Signal("positive_tap", "", "Tap across the positive contactor: 1 closed, 0 open, -1 cannot be told"),
        Signal("negative_tap", "", "Tap across the negative contactor"),
        Signal("pack_v", "V", "Pack voltage; NaN unknown"),
        Signal("cells_v", "V", "Sum of the cells; NaN unknown"),
        Signal("bus_v", "V", "Bus voltage; NaN unknown"),
        Signal("bus_fitted", "", "The bus voltage is measured"),
        Signal("bus_new", "", "A new bus sample came"),
        Signal("bus_read_v", "V", "Bus voltage when a sample came last"),
        Signal("bus_still", "", "New bus samples in a row that read the same as the one before"),
        Signal("bus_apart_v", "V", "Pack voltage less bus voltage when a sample came last"),
        Signal("bus_ways", "", "For which ways the bus was looked at when a sample came last"),
        Signal("bus_agrees", "", "New bus samples in a row that matched, and moved so little that the next one will"),
        Signal("current_fitted", "", "The current is measured"),
        Signal("complete", "", "Everything that a connection needs is measured"),
    ),
)


class SequenceMemory(NamedTuple):
    """`fields`: `[SEQ]`."""

    fields: Array


def new_sequence_memory(_size: object = None) -> SequenceMemory:
    """Nothing began; the resistor is cold."""
    fields = np.zeros(len(SEQ))
    fields[SEQ.resume_s] = -np.inf
    fields[SEQ.bus_start_v] = fields[SEQ.live_s] = fields[SEQ.bus_read_v] = fields[SEQ.held_s] = np.nan
    fields[SEQ.bus_apart_v] = np.nan
    fields[SEQ.after] = STATE_STANDBY
    return SequenceMemory(fields)


@njit
def sense(parameters: Parameters, image: Image, m: Array) -> None:
    """Read feedback contacts and voltages of this tick, and judge whether all that a connection needs is there."""
    s = image.scalars[0]
    cells = image.cells.shape[1]
    m[SEQ.positive] = _contact(image.channels, CHANNEL.main_positive_closed)
    m[SEQ.negative] = _contact(image.channels, CHANNEL.main_negative_closed)
    m[SEQ.precharge] = _contact(image.channels, CHANNEL.precharge_closed)
    m[SEQ.pack_v] = usable(image.channels, CHANNEL.pack_voltage_v)
    if math.isnan(m[SEQ.pack_v]):
        m[SEQ.pack_v] = s["cell_voltage_sum_v"]
    m[SEQ.cells_v] = s["cell_voltage_sum_v"]
    m[SEQ.bus_v] = usable(image.channels, CHANNEL.bus_voltage_v)
    m[SEQ.positive_tap] = _by_tap(usable(image.channels, CHANNEL.positive_tap_v), m)
    m[SEQ.negative_tap] = _by_tap(usable(image.channels, CHANNEL.negative_tap_v), m)
    m[SEQ.bus_new] = image.channels[MEASURED.new, CHANNEL.bus_voltage_v]
    m[SEQ.bus_fitted] = parameters.channel_limits[MEASURE.fitted, CHANNEL.bus_voltage_v]
    if m[SEQ.bus_new] > 0.0:
        m[SEQ.bus_still] = m[SEQ.bus_still] + 1.0 if m[SEQ.bus_v] == m[SEQ.bus_read_v] else 0.0
        m[SEQ.bus_read_v] = m[SEQ.bus_v]
        _follow_bus(parameters.scalars[0], s, m)
    elif next_ways(parameters.scalars[0], s) != m[SEQ.bus_ways]:
        m[SEQ.bus_agrees] = 0.0  # what fitted the ways of before need not fit these
    fitted = parameters.channel_limits[MEASURE.fitted, CHANNEL.current_a]
    if parameters.channel_limits[MEASURE.fitted, CHANNEL.current_redundant_a] > fitted:
        fitted = 1.0
    m[SEQ.current_fitted] = fitted
    current_known = s["current_quality"] <= HELD and not math.isnan(s["current_a"])
    complete = s["cells_usable"] >= cells and not math.isnan(s["temperature_max_c"])
    complete = complete and (current_known or fitted == 0.0)
    complete = complete and m[SEQ.pack_v] > 0.0 and (m[SEQ.bus_fitted] == 0.0 or not math.isnan(m[SEQ.bus_v]))
    m[SEQ.complete] = 1.0 if complete else 0.0


@njit
def _follow_bus(p: Any, s: Any, m: Array) -> None:
    """A bus on its way matches the pack for a moment as it passes by: its next sample has to match as well."""
    apart_v, ways = m[SEQ.pack_v] - m[SEQ.bus_v], next_ways(p, s)
    next_v = apart_v + (apart_v - m[SEQ.bus_apart_v])
    agrees = fits(p, s, m, ways) and fits_at(p, s, next_v, ways, p["precharge_done_v"])
    m[SEQ.bus_agrees] = m[SEQ.bus_agrees] + 1.0 if agrees and ways == m[SEQ.bus_ways] else 0.0
    m[SEQ.bus_apart_v], m[SEQ.bus_ways] = apart_v, ways


@njit
def usable(channels: Array, channel: int) -> float:
    """Value of a channel; NaN unless it is good or held."""
    value: float = channels[MEASURED.value, channel]
    return value if channels[MEASURED.quality, channel] < BAD else math.nan


@njit
def _contact(channels: Array, channel: int) -> float:
    value = usable(channels, channel)
    if math.isnan(value):
        return UNKNOWN
    return CLOSED if value > 0.5 else OPEN


@njit
def _by_tap(tap_v: float, m: Array) -> float:
    """What the voltage at a contact's load side says of it. Over an open contact it may be the bus that is seen."""
    if abs(tap_v - m[SEQ.pack_v]) > TAP_APART * m[SEQ.pack_v]:
        return OPEN
    if m[SEQ.pack_v] > 0.0 and not math.isnan(tap_v) and m[SEQ.bus_v] < BUS_APART * m[SEQ.pack_v]:
        return CLOSED
    return UNKNOWN


@njit
def watch_resistor(p: Any, s: Any, m: Array) -> None:
    """Heat of the precharge resistor: V²/R while its contactor is closed, cooled down within the pause.

    Meets SR-142.
    """
    dt = s["dt_s"] if s["dt_s"] > 0.0 else 0.0
    resistance, pause = p["precharge_resistance_ohm"], p["precharge_pause_s"]
    if s["precharge_close"] == 1 or m[SEQ.precharge] == CLOSED:
        across_v = m[SEQ.pack_v] - m[SEQ.bus_v]
        if math.isnan(across_v):
            across_v = m[SEQ.pack_v]
        if resistance > 0.0 and not math.isnan(across_v):
            m[SEQ.heat_j] += across_v * across_v / resistance * dt
    elif pause > 0.0:
        m[SEQ.heat_j] *= max(1.0 - dt / pause, 0.0)


@njit
def elapsed_s(s: Any, m: Array) -> float:
    """Time in this step. Compare it as `not elapsed < limit`, so that an unknown time counts as over."""
    elapsed: float = s["time_s"] - m[SEQ.since_s]
    return elapsed


@njit
def matches(p: Any, m: Array) -> bool:
    """The bus stands at the pack's voltage."""
    difference_v = abs(m[SEQ.pack_v] - m[SEQ.bus_v])
    return bool(difference_v <= p["precharge_done_v"])


@njit
def fits(p: Any, s: Any, m: Array, ways: int) -> bool:
    """The bus stands where the path may be closed for these ways, by the pack's sensor (which may be off) and by the
    sum of the cells.
    """
    by_cells_v = m[SEQ.cells_v] - m[SEQ.bus_v]
    by_cells = math.isnan(by_cells_v) or fits_at(p, s, by_cells_v, ways, p["bus_sum_match_v"])
    return by_cells and fits_at(p, s, m[SEQ.pack_v] - m[SEQ.bus_v], ways, p["precharge_done_v"])


@njit
def fits_at(p: Any, s: Any, apart_v: float, ways: int, most_v: float) -> bool:
    """Pack voltage less bus voltage lets the path be closed: little, or on the side to which nothing can flow.

    A path that can only be discharged bears any bus above the pack, one that can only be charged any bus below it.
    Over the diode of a charge switch that is open, the bus comes no closer than the diode's drop.
    """
    if ways == WAYS_BOTH:
        return bool(abs(apart_v) <= most_v)
    if ways == WAYS_CHARGE:
        return bool(apart_v >= -most_v)
    return bool(apart_v <= (most_v if s["main_negative_close"] == 1 else most_v + p["diode_v"]))


@njit
def next_ways(p: Any, s: Any) -> int:
    """For what the path is to be closed next: the one way that a connected pack lacks, else what protection leaves."""
    if p["one_way"] > 0 and s["state"] == STATE_CONNECTED and s["main_positive_close"] != s["main_negative_close"]:
        return WAYS_CHARGE if s["main_negative_close"] == 0 else WAYS_DISCHARGE
    return wanted_ways(p, s)


@njit
def wanted_ways(p: Any, s: Any) -> int:
    """What protection leaves possible, where switches block one direction each. Meets SR-132."""
    if p["one_way"] == 0:
        return WAYS_BOTH
    if s["charge_open_request"] > 0:
        return WAYS_DISCHARGE if s["discharge_open_request"] == 0 else WAYS_NONE
    return WAYS_CHARGE if s["discharge_open_request"] > 0 else WAYS_BOTH


@njit
def forbidden(p: Any, s: Any) -> int:
    """Why protection lets nothing be connected at all; none where it does, if only in one direction."""
    one_way_left = wanted_ways(p, s) in (WAYS_DISCHARGE, WAYS_CHARGE) and s["open_request"] == OPEN_NONE
    if one_way_left:
        return HOLD_NONE
    if s["fault_level"] >= LEVEL_FAULT:
        return HOLD_FAULT
    return HOLD_LATCHED if s["latched_faults"] > 0 else HOLD_NONE


@njit
def keeps_matching(m: Array) -> bool:
    """The bus has stood where the path may be closed for some samples, and does not leave."""
    return bool(m[SEQ.bus_agrees] >= STABLE_SAMPLES)


@njit
def is_believed(m: Array) -> bool:
    """The bus has matched for longer than a reading that is frozen takes to be known as one. Meets SR-140."""
    return bool(m[SEQ.bus_agrees] > STILL_SAMPLES and not stands_still(m))


@njit
def stands_still(m: Array) -> bool:
    """The bus reading has not moved by one digit of late: it may be frozen, and tells nothing of the bus then."""
    return bool(m[SEQ.bus_still] >= STILL_SAMPLES)


@njit
def may_break(p: Any, s: Any, contact: int) -> bool:
    """The positive (0) or the negative (1) contactor may break the current that flows; an unknown one is not held."""
    current_a = s["current_a"]
    if current_a > 0.0:
        limit_a = p["positive_break_charge_a"] if contact == 0 else p["negative_break_charge_a"]
    else:
        limit_a = p["positive_break_discharge_a"] if contact == 0 else p["negative_break_discharge_a"]
    return not abs(current_a) > limit_a


@njit
def carries(p: Any, s: Any) -> bool:
    """The main contactors can carry current: both of them closed, or one that blocks a single direction."""
    closed = s["main_positive_close"] + s["main_negative_close"]
    return bool(closed == 2 or (p["one_way"] > 0 and closed == 1))


@njit
def open_now(p: Any, s: Any, m: Array, after: int, why: int) -> None:
    """Open at once what may be opened; a current that neither contactor may break is left to fuse and pyrofuse."""
    positive, negative = may_break(p, s, 0), may_break(p, s, 1)
    if (positive and negative) or not carries(p, s):
        open_all(s, m, after, why)
        return
    m[SEQ.after], m[SEQ.why] = after, why
    if positive or negative:
        open_first(s, m, positive)
    else:
        drive(s, s["main_positive_close"], s["main_negative_close"], 0)
        go(s, m, STATE_OPENING, STEP_HOLD, HOLD_BREAK)


@njit
def open_first(s: Any, m: Array, positive: bool) -> None:
    """Open the one contactor that may break the current; the other one follows without any."""
    drive(s, 0 if positive else s["main_positive_close"], s["main_negative_close"] if positive else 0, 0)
    go(s, m, STATE_OPENING, STEP_OPEN_FIRST, int(m[SEQ.why]))


@njit
def drive(s: Any, positive: int, negative: int, precharge: int) -> None:
    """What the contactors are to do from now on."""
    s["main_positive_close"] = positive
    s["main_negative_close"] = negative
    s["precharge_close"] = precharge


@njit
def is_driven(s: Any) -> bool:
    """Some contactor is to be closed."""
    return bool(s["main_positive_close"] != 0 or s["main_negative_close"] != 0 or s["precharge_close"] != 0)


@njit
def go(s: Any, m: Array, state: int, step: int, reason: int) -> None:
    """Enter a step, and its state if that is a new one."""
    if s["state"] != state:
        s["state"] = state
        s["state_since_s"] = s["time_s"]
    s["state_reason"] = reason
    m[SEQ.step] = step
    m[SEQ.since_s] = s["time_s"]
    m[SEQ.samples] = 0.0
    m[SEQ.high] = 0.0


@njit
def go_fault(s: Any, m: Array, command: Any, reason: int) -> None:
    """Enter the state fault with everything open. A reason of the sequence's own waits for a person."""
    drive(s, 0, 0, 0)
    m[SEQ.own_fault] = 0.0 if reason == HOLD_FAULT else 1.0
    m[SEQ.acknowledged] = command["acknowledge_count"]
    go(s, m, STATE_FAULT, STEP_NONE, reason)


@njit
def open_all(s: Any, m: Array, after: int, why: int) -> None:
    """Open everything in this tick, then prove it. Meets SR-122."""
    drive(s, 0, 0, 0)
    m[SEQ.after], m[SEQ.why] = after, why
    go(s, m, STATE_OPENING, STEP_PROVE, why)


@njit
def open_in_order(p: Any, s: Any, m: Array, after: int, why: int, hold: int) -> None:
    """Begin to open in order: while the main contactors carry current, it gets time to fall."""
    if s["main_positive_close"] == 0 and not carries(p, s):
        open_all(s, m, after, why)
        return
    s["precharge_close"] = 0
    m[SEQ.after], m[SEQ.why] = after, why
    go(s, m, STATE_OPENING, STEP_WAIT, hold)
