"""The steps that end a connection: wait for the current, positive, negative, proof; and the state fault."""

from __future__ import annotations

import math
from typing import Any

from ionward._compile import njit
from ionward.control.contactors import (
    CLOSED,
    OPEN,
    SEQ,
    STEP_HOLD,
    STEP_NONE,
    STEP_OPEN_FIRST,
    STEP_OPEN_NEGATIVE,
    STEP_OPEN_POSITIVE,
    STEP_PROVE,
    STEP_WAIT,
    drive,
    elapsed_s,
    forbidden,
    go,
    go_fault,
    matches,
    may_break,
    open_all,
    open_now,
)
from ionward.image.inputs import Array
from ionward.image.signals import (
    HOLD_FAULT,
    HOLD_NONE,
    HOLD_NOT_OPENED,
    HOLD_UNPROVEN,
    HOLD_WISH,
    OPEN_NONE,
    STATE_FAULT,
    STATE_OPENING,
    STATE_STANDBY,
)

# Below this share of the rated discharge current an opening contactor draws no arc worth mentioning.
SMALL_SHARE = 0.02
# Above what a contactor may break the fuse is left to act for so long (foxBMS 2 waits as long).
FUSE_WINDOW_S = 3.0
# Protection counts the same time on the feedback contacts, and needs these ticks more for its fault: the sequence
# follows it, so that a contactor that opens at the last moment is either no failure for both or one for both.
PROTECTION_TICKS = 5.0
# Without feedback contacts the bus voltage has so long to leave the pack's; a bare DC link keeps its charge longer.
PROOF_S = 5.0


@njit
def opening(p: Any, s: Any, m: Array, command: Any) -> None:
    """Open in order: the current falls, or the wait is over; positive; negative; proof.

    A current that neither contactor may break is left to the fuse for a while (`hold`); then there is nothing better
    than to open. Where only one of them may break it, that one opens first. An unknown current is not waited for.

    Meets SR-121, SR-130, SR-131.
    """
    step = m[SEQ.step]
    if step == STEP_WAIT:
        small_a = max(SMALL_SHARE * p["discharge_current_max_a"], 3.0 * p["current_noise_a"])
        over = not elapsed_s(s, m) < p["open_wait_s"] or s["time_s"] >= s["open_by_s"]
        if not abs(s["current_a"]) > small_a or (over and may_break(p, s, 0)):
            drive(s, 0, s["main_negative_close"], 0)
            go(s, m, STATE_OPENING, STEP_OPEN_POSITIVE, int(m[SEQ.why]))
        elif over:
            open_now(p, s, m, int(m[SEQ.after]), int(m[SEQ.why]))
    elif step == STEP_HOLD:
        if may_break(p, s, 0) or may_break(p, s, 1):
            open_now(p, s, m, int(m[SEQ.after]), int(m[SEQ.why]))
        elif not elapsed_s(s, m) < FUSE_WINDOW_S:
            open_all(s, m, int(m[SEQ.after]), int(m[SEQ.why]))
    elif step == STEP_OPEN_FIRST:
        contact = m[SEQ.positive] if s["main_positive_close"] == 0 else m[SEQ.negative]
        if contact == OPEN or not elapsed_s(s, m) < p["contactor_open_s"]:
            open_all(s, m, int(m[SEQ.after]), int(m[SEQ.why]))
    elif step == STEP_OPEN_POSITIVE:
        if m[SEQ.positive] == OPEN or not elapsed_s(s, m) < p["contactor_open_s"]:
            drive(s, 0, 0, 0)
            go(s, m, STATE_OPENING, STEP_OPEN_NEGATIVE, int(m[SEQ.why]))
    elif step == STEP_OPEN_NEGATIVE:
        if m[SEQ.negative] == OPEN or not elapsed_s(s, m) < p["contactor_open_s"]:
            go(s, m, STATE_OPENING, STEP_PROVE, int(m[SEQ.why]))
    else:
        _prove(p, s, m, command)


@njit
def _prove(p: Any, s: Any, m: Array, command: Any) -> None:
    """Feedback contacts, or the bus voltage, say that the pack is disconnected. Meets SR-146."""
    closed = m[SEQ.positive] == CLOSED or m[SEQ.negative] == CLOSED or m[SEQ.precharge] == CLOSED
    if closed:
        if not elapsed_s(s, m) < p["contactor_open_s"] + PROTECTION_TICKS * p["cycle_s"]:
            go_fault(s, m, command, HOLD_NOT_OPENED)
        return
    if (m[SEQ.positive] == OPEN and m[SEQ.negative] == OPEN) or (
        m[SEQ.bus_fitted] == 1.0 and not math.isnan(m[SEQ.bus_v]) and not matches(p, m)
    ):
        _opened(s, m, command, int(m[SEQ.why]))
    elif not elapsed_s(s, m) < PROOF_S:
        _opened(s, m, command, HOLD_UNPROVEN if m[SEQ.why] == HOLD_NONE else int(m[SEQ.why]))


@njit
def _opened(s: Any, m: Array, command: Any, why: int) -> None:
    if m[SEQ.after] == STATE_FAULT:
        go_fault(s, m, command, why)
    else:
        go(s, m, STATE_STANDBY, STEP_NONE, why)


@njit
def fault(p: Any, s: Any, m: Array, command: Any) -> None:
    """Stay until protection is content (with one direction at least), a person has acknowledged, and nobody wishes to
    connect.

    So a pack never closes by itself because a fault went away: the wish must be given anew, except where the
    description lets protection retry.

    Meets SR-127.
    """
    drive(s, 0, 0, 0)
    if command["connect"] != 1:
        # The next connection counts its tries anew, so that protection can take back its own fault about them.
        s["precharge_tries"] = 0
    if m[SEQ.own_fault] == 1.0 and command["acknowledge_count"] <= m[SEQ.acknowledged]:
        return  # its own reason stays
    reason = HOLD_FAULT if s["open_request"] != OPEN_NONE else forbidden(p, s)
    if reason != HOLD_NONE:
        s["state_reason"] = reason
    elif command["connect"] == 1 and s["retried"] == 0:
        s["state_reason"] = HOLD_WISH
    else:
        m[SEQ.own_fault] = 0.0
        go(s, m, STATE_STANDBY, STEP_NONE, HOLD_NONE)
