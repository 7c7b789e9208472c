"""Switches that block one direction each: opened and closed one by one while the pack stays connected.

The positive switch blocks discharge, the negative one charge; each conducts the other direction over its diode. A fault
that forbids one direction opens its switch at once, within what that may break, and the other direction goes on. The
switch is closed again when the fault is gone and acknowledged (or retried), on a bus onto which it may be closed: a
charge switch on a bus above the pack would let the bus discharge into the cells, a discharge switch on one below it the
cells into the bus, which is charged over the resistor first.
"""

from __future__ import annotations

import math
from typing import Any

from ionward._compile import njit
from ionward.control.connect import RESISTOR_RESUME
from ionward.control.contactors import (
    SEQ,
    STEP_CHARGE,
    WAYS_BOTH,
    WAYS_DISCHARGE,
    WAYS_NONE,
    drive,
    fits,
    go,
    is_believed,
    is_driven,
    may_break,
    open_all,
    stands_still,
    wanted_ways,
)
from ionward.control.disconnect import FUSE_WINDOW_S
from ionward.image.inputs import Array
from ionward.image.signals import (
    HOLD_BREAK,
    HOLD_BUS_FROZEN,
    HOLD_BUS_LIVE,
    HOLD_CHARGE_BLOCKED,
    HOLD_DISCHARGE_BLOCKED,
    HOLD_MEASUREMENT,
    HOLD_NONE,
    HOLD_RESISTOR_HOT,
    STATE_CONNECTED,
    STATE_OPENING,
    STATE_PRECHARGE,
    STATE_STANDBY,
)


@njit
def block(p: Any, s: Any, m: Array) -> None:
    """Open the switch of a direction that protection forbids, at once; above what it may break, the fuse comes first.

    While a connection is under way its steps notice by themselves.

    Meets SR-130, SR-132.
    """
    ways = wanted_ways(p, s)
    if ways in (WAYS_BOTH, WAYS_NONE) or s["state"] not in (STATE_CONNECTED, STATE_OPENING):
        m[SEQ.held_s] = math.nan
        return
    charge = ways == WAYS_DISCHARGE  # is what has to be blocked
    reason = HOLD_CHARGE_BLOCKED if charge else HOLD_DISCHARGE_BLOCKED
    closed = (s["main_negative_close"] if charge else s["main_positive_close"]) == 1
    if closed and _must_be_held(p, s, m, charge):
        reason = HOLD_BREAK
    elif charge:
        drive(s, s["main_positive_close"], 0, s["precharge_close"])
    else:
        drive(s, 0, s["main_negative_close"], 0)
    if s["state"] == STATE_CONNECTED:  # an opening that is under way keeps its own
        s["state_reason"] = reason


@njit
def _must_be_held(p: Any, s: Any, m: Array, charge: bool) -> bool:
    """The current is more than the switch may break, and the fuse has not had its time yet."""
    flows = s["current_a"] > 0.0 if charge else s["current_a"] < 0.0
    if not flows or may_break(p, s, 1 if charge else 0):
        m[SEQ.held_s] = math.nan
        return False
    if math.isnan(m[SEQ.held_s]):
        m[SEQ.held_s] = s["time_s"]
    return bool(s["time_s"] - m[SEQ.held_s] < FUSE_WINDOW_S)


@njit
def restore(p: Any, s: Any, m: Array) -> None:
    """Close a switch whose direction is no longer forbidden, on a bus onto which it may be closed. Meets SR-134."""
    if not is_driven(s):  # one direction has been forbidden after the other
        open_all(s, m, STATE_STANDBY, HOLD_NONE)
    elif wanted_ways(p, s) == WAYS_BOTH and (s["main_positive_close"] == 0 or s["main_negative_close"] == 0):
        above = m[SEQ.bus_v] >= m[SEQ.pack_v]
        if m[SEQ.complete] != 1.0:
            s["state_reason"] = HOLD_MEASUREMENT
        elif stands_still(m):
            s["state_reason"] = HOLD_BUS_FROZEN
        elif s["main_negative_close"] == 0 or is_believed(m) or above:
            _close(s, is_believed(m))
        elif p["has_precharge"] == 0:
            _close(s, abs(m[SEQ.bus_v]) < p["bus_dead_v"])
        elif not fits(p, s, m, WAYS_DISCHARGE):
            _charge_bus_first(p, s, m)


@njit
def _close(s: Any, may_be_closed: bool) -> None:
    """Both switches, or wait for the bus."""
    if may_be_closed:
        drive(s, 1, 1, 0)
    s["state_reason"] = HOLD_NONE if may_be_closed else HOLD_BUS_LIVE


@njit
def _charge_bus_first(p: Any, s: Any, m: Array) -> None:
    """Precharge, with the charge switch closed as it is."""
    if not s["time_s"] >= m[SEQ.resume_s] or m[SEQ.heat_j] > RESISTOR_RESUME * p["precharge_energy_max_j"]:
        s["state_reason"] = HOLD_RESISTOR_HOT
        return
    m[SEQ.bus_start_v], m[SEQ.between], m[SEQ.ways] = m[SEQ.bus_v], 0.0, WAYS_BOTH
    drive(s, 0, 1, 1)
    go(s, m, STATE_PRECHARGE, STEP_CHARGE, HOLD_NONE)
