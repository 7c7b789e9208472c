"""The steps that lead to a connection: hold back, negative contactor, probe, precharge, positive contactor."""

from __future__ import annotations

import math
from typing import Any

from ionward._compile import njit
from ionward.control.contactors import (
    CLOSED,
    OPEN,
    SEQ,
    STABLE_SAMPLES,
    STEP_CHARGE,
    STEP_NEGATIVE,
    STEP_NONE,
    STEP_POSITIVE,
    STEP_PROBE,
    STEP_RELEASE,
    UNKNOWN,
    WAYS_CHARGE,
    WAYS_DISCHARGE,
    drive,
    elapsed_s,
    fits,
    fits_at,
    forbidden,
    go,
    is_believed,
    keeps_matching,
    open_all,
    open_in_order,
    open_now,
    stands_still,
    wanted_ways,
)
from ionward.control.join import bus_differs, consents, joins, waits_for_site
from ionward.image.inputs import Array
from ionward.image.signals import (
    HOLD_BUS_FAST,
    HOLD_BUS_FROZEN,
    HOLD_BUS_LIVE,
    HOLD_BUS_SHORT,
    HOLD_CURRENT,
    HOLD_DISCHARGE_BLOCKED,
    HOLD_ENABLES,
    HOLD_MEASUREMENT,
    HOLD_NO_WISH,
    HOLD_NONE,
    HOLD_NOT_CLOSED,
    HOLD_NOT_OPENED,
    HOLD_PRECHARGE_CURRENT,
    HOLD_PRECHARGE_SLOW,
    HOLD_RESISTOR_HOT,
    HOLD_TRIES_USED,
    HOLD_UNPROVEN,
    HOLD_WELDED,
    STATE_CLOSING,
    STATE_CONNECTED,
    STATE_FAULT,
    STATE_PRECHARGE,
    STATE_STANDBY,
)

# A short circuit is told after this share of the longest precharge. A bus that is complete in time has a time constant
# of at most timeout / ln(start / done), so that it has risen by 1 - (done / start)^share by then; half is asked for.
SHORT_SHARE = 0.25
SHORT_RISE = 0.5
# The resistor limits the current to V/R; more than this many times that comes past it.
CURRENT_MARGIN = 1.5
HIGH_TICKS = 3
# After its thermal budget was used up the resistor must have given off this part of it.
RESISTOR_RESUME = 0.5
# A negative contactor alone must not raise a dead bus by more than this share of the pack voltage.
PROBE_RISE = 0.1
# So long a live bus may take to come to the pack's voltage (an inverter that adjusts itself takes seconds). One that
# stays above the pack is refused then. One that stays below is charged from there: it may be what the last connection
# left on the capacitors, and if something holds it, the resistor bears it and the try fails.
BUS_ABOVE_WAIT_S = 30.0
BUS_BELOW_WAIT_S = 5.0


@njit
def standby(p: Any, s: Any, m: Array, command: Any) -> None:
    """Hold back with a reason, or begin to connect, for what protection leaves possible.

    Meets SR-135, SR-144, SR-240.
    """
    by_feedback = m[SEQ.positive] == CLOSED or m[SEQ.negative] == CLOSED or m[SEQ.precharge] == CLOSED
    if by_feedback or m[SEQ.positive_tap] == CLOSED or m[SEQ.negative_tap] == CLOSED:
        # Nothing is driven closed. Protection judges how long this may last, so that the fault comes with its event.
        s["state_reason"] = HOLD_NOT_OPENED
        return
    if command["connect"] != 1:
        s["precharge_tries"] = 0
        m[SEQ.refused], m[SEQ.live_s], m[SEQ.why] = 0.0, math.nan, HOLD_NONE
        s["state_reason"] = HOLD_UNPROVEN if s["state_reason"] == HOLD_UNPROVEN else HOLD_NO_WISH
        return
    reason = _held_back(p, s, m, command)
    if reason != HOLD_NONE:
        s["state_reason"] = reason
        return
    m[SEQ.bus_start_v] = m[SEQ.bus_v]
    m[SEQ.between] = 0.0
    ways = wanted_ways(p, s)
    m[SEQ.ways] = ways
    precharging = p["has_precharge"] == 1 and ways != WAYS_CHARGE and (not fits(p, s, m, ways) or stands_still(m))
    precharging = precharging and not joins(p, m, command)
    if ways != WAYS_DISCHARGE:
        drive(s, 0, 1, 0)
        go(s, m, STATE_PRECHARGE if precharging else STATE_CLOSING, STEP_NEGATIVE, HOLD_NONE)
    elif precharging:  # the switch that blocks charge stays open, and there is nothing that could be probed
        drive(s, 0, 0, 1)
        go(s, m, STATE_PRECHARGE, STEP_CHARGE, HOLD_NONE)
    else:
        drive(s, 1, 0, 0)
        go(s, m, STATE_CLOSING, STEP_POSITIVE, HOLD_NONE)


@njit
def _held_back(p: Any, s: Any, m: Array, command: Any) -> int:
    """What forbids to begin now. Meets SR-143."""
    reason = forbidden(p, s)
    if reason != HOLD_NONE:
        return reason
    if m[SEQ.complete] != 1.0:
        return HOLD_MEASUREMENT
    if command["supervised"] == 1 and command["enables"] != 1:
        return HOLD_ENABLES
    if command["site"] == 1:
        reason = bus_differs(p, m, command)
        if reason != HOLD_NONE:
            return reason
    if p["one_way"] > 0 and wanted_ways(p, s) != WAYS_DISCHARGE and stands_still(m):
        return HOLD_BUS_FROZEN  # a charge switch alone lets a bus above the pack rush into the cells
    # In a site the bus comes to the pack in its own time: there the wish is never refused.
    in_the_way = not joins(p, m, command) and _bus_is_in_the_way(p, s, m)
    if in_the_way or (m[SEQ.refused] == 1.0 and command["site"] != 1):
        return HOLD_BUS_LIVE
    if not s["time_s"] >= m[SEQ.resume_s]:
        return int(m[SEQ.why]) if m[SEQ.why] != HOLD_NONE else HOLD_RESISTOR_HOT
    if m[SEQ.heat_j] > RESISTOR_RESUME * p["precharge_energy_max_j"]:
        return HOLD_RESISTOR_HOT
    return HOLD_NONE if consents(command) else waits_for_site(command)


@njit
def _bus_is_in_the_way(p: Any, s: Any, m: Array) -> bool:
    """The bus is live and stands elsewhere than the pack, or passes by. Above it, the wish is refused after a while."""
    # A single one-way switch is enough to let current flow; of ordinary contactors it is the second one that does.
    may_begin = is_believed(m) if p["one_way"] > 0 else keeps_matching(m)
    if m[SEQ.bus_fitted] == 0.0 or may_begin or abs(m[SEQ.bus_v]) < p["bus_dead_v"]:
        m[SEQ.live_s] = math.nan
        return False
    if math.isnan(m[SEQ.live_s]):
        m[SEQ.live_s] = s["time_s"]
    waited_s = s["time_s"] - m[SEQ.live_s]
    below = m[SEQ.bus_v] < m[SEQ.pack_v]
    if p["one_way"] > 0:
        below = below and not m[SEQ.bus_v] > m[SEQ.cells_v]
    if p["has_precharge"] == 1 and below:
        return bool(s["precharge_tries"] == 0 and not waited_s >= BUS_BELOW_WAIT_S)
    if not waited_s < BUS_ABOVE_WAIT_S:
        m[SEQ.refused] = 1.0
    return True


@njit
def precharge(p: Any, s: Any, m: Array, command: Any) -> None:
    """Negative contactor, probe for a welded one, then the resistor until the bus stands at the pack's voltage.

    Meets SR-145.
    """
    if command["connect"] != 1:
        open_now(p, s, m, STATE_STANDBY, HOLD_NONE)
    elif not consents(command):
        open_now(p, s, m, STATE_STANDBY, waits_for_site(command))
    elif m[SEQ.complete] != 1.0:
        open_now(p, s, m, STATE_STANDBY, HOLD_MEASUREMENT)
    elif wanted_ways(p, s) != m[SEQ.ways]:
        open_now(p, s, m, STATE_STANDBY, HOLD_NONE)  # from there it is connected for what is possible now
    elif m[SEQ.step] == STEP_NEGATIVE:
        if _has_closed(p, s, m, command, m[SEQ.negative]):
            go(s, m, STATE_PRECHARGE, STEP_PROBE, HOLD_NONE)
    elif m[SEQ.step] == STEP_PROBE:
        _probe(p, s, m, command)
    else:
        _charge_bus(p, s, m, command)


@njit
def _has_closed(p: Any, s: Any, m: Array, command: Any, contact: float) -> bool:
    """The contactor's feedback says closed; without feedback its closing time has passed. Too late ends it all.

    Meets SR-144.
    """
    over = not elapsed_s(s, m) < p["contactor_close_s"]
    if contact == CLOSED or (contact == UNKNOWN and over):
        return True
    if over:
        open_all(s, m, STATE_FAULT, HOLD_NOT_CLOSED)
    return False


@njit
def _probe(p: Any, s: Any, m: Array, command: Any) -> None:
    """With only the negative contactor closed the bus must stay where it was; else another one is welded.

    Taps, where fitted, must agree: the positive one that its contact is open, the negative one that its is closed.

    Meets SR-141.
    """
    if m[SEQ.positive_tap] == CLOSED:
        open_all(s, m, STATE_FAULT, HOLD_WELDED)
        return
    if m[SEQ.bus_fitted] == 1.0:
        rise_v = m[SEQ.bus_v] - m[SEQ.bus_start_v]
        if not rise_v < max(PROBE_RISE * m[SEQ.pack_v], p["bus_dead_v"]):
            open_all(s, m, STATE_FAULT, HOLD_WELDED)
            return
        m[SEQ.samples] += m[SEQ.bus_new]
        if m[SEQ.samples] < STABLE_SAMPLES:
            if not elapsed_s(s, m) < p["precharge_timeout_s"]:
                open_all(s, m, STATE_STANDBY, HOLD_MEASUREMENT)
            return
    if m[SEQ.negative_tap] == OPEN:
        # Its sample may be older than the closing. If not, protection has its fault before this time is over.
        if not elapsed_s(s, m) < p["precharge_timeout_s"]:
            open_all(s, m, STATE_FAULT, HOLD_NOT_CLOSED)
    elif not elapsed_s(s, m) < p["contactor_close_s"]:
        drive(s, 0, 1, 1)
        go(s, m, STATE_PRECHARGE, STEP_CHARGE, HOLD_NONE)


@njit
def _charge_bus(p: Any, s: Any, m: Array, command: Any) -> None:
    """Charge the bus over the resistor, and judge how it rises. Meets SR-142."""
    elapsed = elapsed_s(s, m)
    current_a = abs(s["current_a"])
    span_v = m[SEQ.pack_v] - m[SEQ.bus_start_v]
    tolerance_a = max(p["precharge_done_a"], p["current_tolerance_a"])
    if m[SEQ.current_fitted] == 1.0:
        most_a = CURRENT_MARGIN * m[SEQ.pack_v] / p["precharge_resistance_ohm"] + tolerance_a
        m[SEQ.high] = m[SEQ.high] + 1.0 if not current_a <= most_a else 0.0
        if m[SEQ.high] >= HIGH_TICKS:
            _failed(p, s, m, HOLD_PRECHARGE_CURRENT)
            return
    if m[SEQ.precharge] == OPEN:
        # The relay itself has not followed yet: the clock of the bus has not begun, but its own one has.
        if not elapsed < p["contactor_close_s"]:
            open_all(s, m, STATE_FAULT, HOLD_NOT_CLOSED)
        return
    if _bus_is_charged(p, s, m):
        drive(s, 1, s["main_negative_close"], 1)
        go(s, m, STATE_CLOSING, STEP_POSITIVE, HOLD_BUS_FAST if _rose_at_once(p, m) else HOLD_NONE)
    elif m[SEQ.heat_j] > p["precharge_energy_max_j"]:
        _failed(p, s, m, HOLD_RESISTOR_HOT)
    elif not elapsed < p["precharge_timeout_s"]:
        there = fits(p, s, m, int(m[SEQ.ways]))
        _failed(p, s, m, HOLD_BUS_FROZEN if stands_still(m) and there else HOLD_PRECHARGE_SLOW)
    elif m[SEQ.bus_fitted] == 1.0 and elapsed > p["contactor_close_s"] + SHORT_SHARE * p["precharge_timeout_s"]:
        least = SHORT_RISE * (1.0 - (p["precharge_done_v"] / max(span_v, p["precharge_done_v"])) ** SHORT_SHARE)
        if not m[SEQ.bus_v] - m[SEQ.bus_start_v] >= least * span_v:
            _failed(p, s, m, HOLD_BUS_SHORT)


@njit
def _bus_is_charged(p: Any, s: Any, m: Array) -> bool:
    """Voltage and current say so in several new samples. Without a bus sensor: the current, late enough.

    A sensor of the current may read as much as its tolerance when none flows. A reading of the bus that stands still
    is not believed: whatever holds the bus elsewhere would be closed onto.

    Meets SR-140.
    """
    tolerance_a = p["precharge_done_a"] + p["current_tolerance_a"]
    settled = m[SEQ.current_fitted] == 0.0 or abs(s["current_a"]) <= tolerance_a
    if m[SEQ.bus_fitted] == 0.0:
        return bool(settled and elapsed_s(s, m) > 0.5 * p["precharge_timeout_s"])
    ways = int(m[SEQ.ways])
    if not (settled and fits(p, s, m, ways)):
        by_pack = fits_at(p, s, m[SEQ.pack_v] - m[SEQ.bus_v], ways, p["precharge_done_v"])
        if m[SEQ.bus_v] - m[SEQ.bus_start_v] > PROBE_RISE * m[SEQ.pack_v] and not by_pack:
            m[SEQ.between] += m[SEQ.bus_new]
        m[SEQ.samples] = 0.0
        return False
    m[SEQ.samples] += m[SEQ.bus_new]
    return bool(m[SEQ.samples] >= STABLE_SAMPLES and not stands_still(m))


@njit
def _rose_at_once(p: Any, m: Array) -> bool:
    """A dead bus reached the pack's voltage without one sample on the way."""
    return bool(m[SEQ.bus_fitted] == 1.0 and m[SEQ.between] < 1.0 and abs(m[SEQ.bus_start_v]) < p["bus_dead_v"])


@njit
def _failed(p: Any, s: Any, m: Array, reason: int) -> None:
    """End this try. The next one waits for the resistor; after the last one a person is asked. Meets SR-142."""
    s["precharge_tries"] += 1
    m[SEQ.resume_s] = s["time_s"] + p["precharge_pause_s"]
    if s["precharge_tries"] >= p["precharge_tries"]:
        open_now(p, s, m, STATE_FAULT, HOLD_TRIES_USED)
    else:
        open_now(p, s, m, STATE_STANDBY, reason)


@njit
def closing(p: Any, s: Any, m: Array, command: Any) -> None:
    """Positive contactor onto a bus that stands at the pack's voltage, then the precharge contactor goes.

    Meets SR-145.
    """
    if command["connect"] != 1:
        open_in_order(p, s, m, STATE_STANDBY, HOLD_NONE, HOLD_CURRENT)
    elif wanted_ways(p, s) != m[SEQ.ways]:
        open_now(p, s, m, STATE_STANDBY, HOLD_NONE)
    elif m[SEQ.positive] != CLOSED and m[SEQ.step] != STEP_RELEASE and not consents(command):
        open_now(p, s, m, STATE_STANDBY, waits_for_site(command))  # once it is closed, nobody is asked any more
    elif m[SEQ.step] == STEP_NEGATIVE:
        _negative_on_live_bus(p, s, m, command)
    elif m[SEQ.step] == STEP_POSITIVE:
        if m[SEQ.positive] != CLOSED and not _may_meet(p, s, m):
            # The bus left while the contact was on its way: its coil is let go before it gets there.
            open_now(p, s, m, STATE_STANDBY, HOLD_BUS_LIVE if m[SEQ.complete] == 1.0 else HOLD_MEASUREMENT)
        elif _has_closed(p, s, m, command, m[SEQ.positive]):
            drive(s, 1, s["main_negative_close"], 0)
            go(s, m, STATE_CLOSING, STEP_RELEASE, s["state_reason"])
    elif m[SEQ.precharge] != CLOSED:
        go(s, m, STATE_CONNECTED, STEP_NONE, s["state_reason"])
    elif not elapsed_s(s, m) < p["contactor_open_s"]:
        open_in_order(p, s, m, STATE_FAULT, HOLD_NOT_OPENED, HOLD_CURRENT)


@njit
def _may_meet(p: Any, s: Any, m: Array) -> bool:
    """The path may be closed: the bus fits, is not measured, or (without a precharge path) is dead."""
    dead = p["has_precharge"] == 0 and abs(m[SEQ.bus_v]) < p["bus_dead_v"]
    return bool(fits(p, s, m, int(m[SEQ.ways])) or dead or m[SEQ.bus_fitted] == 0.0)


@njit
def _negative_on_live_bus(p: Any, s: Any, m: Array, command: Any) -> None:
    """Without precharge: the bus must match (or, without a precharge path, be dead) until the positive one closes.

    Where discharge is blocked, that is all there is to close.

    Meets SR-140.
    """
    ways = int(m[SEQ.ways])
    if m[SEQ.complete] != 1.0:
        open_all(s, m, STATE_STANDBY, HOLD_MEASUREMENT)
    elif not (_may_meet(p, s, m) or (ways == WAYS_CHARGE and m[SEQ.negative] == CLOSED)):
        open_all(s, m, STATE_STANDBY, HOLD_BUS_LIVE)
    elif fits(p, s, m, ways) and stands_still(m):
        open_all(s, m, STATE_STANDBY, HOLD_BUS_FROZEN)
    elif _has_closed(p, s, m, command, m[SEQ.negative]):
        if ways == WAYS_CHARGE:
            go(s, m, STATE_CONNECTED, STEP_NONE, HOLD_DISCHARGE_BLOCKED)
            return
        if fits(p, s, m, ways) and not is_believed(m):
            return  # until it is, or leaves
        drive(s, 1, 1, 0)
        go(s, m, STATE_CLOSING, STEP_POSITIVE, HOLD_NONE)
