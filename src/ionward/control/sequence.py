"""Sequence: when which contactor is closed.

One state machine; every step waits for feedback and voltages, never for a fixed time:

    init -> standby -> precharge -> closing -> connected -> opening -> standby
                                                               |
                                                               +-> fault -> standby

Connecting closes the negative main contactor, looks whether the bus stays dead (a welded positive contactor would show
now), charges the bus over the precharge resistor, closes the positive main contactor on a bus that stands at the
pack's voltage, and lets the precharge contactor go. A bus that is live and matches needs no precharge; a live one that
does not match is waited for. Opening in order waits for the current to fall, then opens positive before negative;
when protection wants it now, all open in the same tick. A current is broken only by a contactor that may break it in
its direction; one that neither may break is left to fuse and pyrofuse for a while. Protection's request is obeyed in
every state. Switches that block one direction each are also opened and closed one by one (`control.one_way`).

A pack that does not switch its own contactors is observed: `connected` then means that its measurements are good.
"""

from __future__ import annotations

from typing import Any

from ionward._compile import njit
from ionward.control.connect import closing, precharge, standby
from ionward.control.contactors import (
    SEQ,
    STEP_HOLD,
    STEP_NONE,
    STEP_OPEN_FIRST,
    SequenceMemory,
    drive,
    go,
    go_fault,
    is_driven,
    new_sequence_memory,
    open_in_order,
    open_now,
    sense,
    watch_resistor,
)
from ionward.control.disconnect import fault, opening
from ionward.control.one_way import block, restore
from ionward.control.wear import count_wear
from ionward.image.inputs import Array
from ionward.image.layout import Image
from ionward.image.parameters import Parameters
from ionward.image.signals import (
    HOLD_CURRENT,
    HOLD_FAULT,
    HOLD_LATCHED,
    HOLD_MEASUREMENT,
    HOLD_NONE,
    LEVEL_FAULT,
    OPEN_IN_ORDER,
    OPEN_NONE,
    STATE_CLOSING,
    STATE_CONNECTED,
    STATE_FAULT,
    STATE_INIT,
    STATE_OPENING,
    STATE_PRECHARGE,
    STATE_STANDBY,
)

__all__ = ["SequenceMemory", "new_sequence_memory", "sequence"]


@njit
def sequence(parameters: Parameters, command: Any, image: Image, memory: SequenceMemory) -> None:
    """Advance the state machine by one tick and write what the contactors are to do. Meets SR-211."""
    p = parameters.scalars[0]
    s = image.scalars[0]
    m = memory.fields
    sense(parameters, image, m)
    watch_resistor(p, s, m)
    if p["has_contactors"] != 1:
        _observe(s, m)
        return
    if s["open_request"] != OPEN_NONE:
        _obey(p, s, m, command[0])
    elif p["one_way"] > 0:
        block(p, s, m)
    _advance(p, s, m, command[0])
    count_wear(parameters, s, m)


@njit
def _advance(p: Any, s: Any, m: Array, command: Any) -> None:
    """One tick of the state in which the sequence is."""
    state = s["state"]
    if state == STATE_STANDBY:
        standby(p, s, m, command)
    elif state == STATE_PRECHARGE:
        precharge(p, s, m, command)
    elif state == STATE_CLOSING:
        closing(p, s, m, command)
    elif state == STATE_CONNECTED:
        if command["connect"] != 1:
            open_in_order(p, s, m, STATE_STANDBY, HOLD_NONE, HOLD_CURRENT)
        elif p["one_way"] > 0:
            restore(p, s, m)
    elif state == STATE_OPENING:
        opening(p, s, m, command)
    elif state == STATE_FAULT:
        fault(p, s, m, command)
    else:
        drive(s, 0, 0, 0)
        complete = m[SEQ.complete] == 1.0
        go(s, m, STATE_STANDBY if complete else STATE_INIT, STEP_NONE, HOLD_NONE if complete else HOLD_MEASUREMENT)


@njit
def _obey(p: Any, s: Any, m: Array, command: Any) -> None:
    """Protection asks for opening: in order, or (whatever else the request says) now."""
    state = s["state"]
    if state == STATE_FAULT:
        return
    if not is_driven(s):
        if state == STATE_OPENING:
            _end_in_fault(m)
        else:
            go_fault(s, m, command, HOLD_FAULT)
    elif s["open_request"] != OPEN_IN_ORDER:
        if not (state == STATE_OPENING and (m[SEQ.step] == STEP_HOLD or m[SEQ.step] == STEP_OPEN_FIRST)):
            open_now(p, s, m, STATE_FAULT, HOLD_FAULT)
    elif state == STATE_OPENING:
        _end_in_fault(m)
    else:
        open_in_order(p, s, m, STATE_FAULT, HOLD_FAULT, HOLD_CURRENT)


@njit
def _end_in_fault(m: Array) -> None:
    """An opening that is under way ends in the state fault; a reason of the sequence's own is kept."""
    if m[SEQ.after] != STATE_FAULT:
        m[SEQ.after], m[SEQ.why] = STATE_FAULT, HOLD_FAULT


@njit
def _observe(s: Any, m: Array) -> None:
    """Somebody else switches this pack: nothing is driven; the state tells whether it is measured and sound."""
    drive(s, 0, 0, 0)
    if s["open_request"] != OPEN_NONE or s["fault_level"] >= LEVEL_FAULT:
        state, reason = STATE_FAULT, HOLD_FAULT
    elif s["latched_faults"] > 0:
        state, reason = STATE_FAULT, HOLD_LATCHED
    elif m[SEQ.complete] != 1.0:
        state, reason = STATE_INIT, HOLD_MEASUREMENT
    else:
        state, reason = STATE_CONNECTED, HOLD_NONE
    if s["state"] != state:
        go(s, m, state, STEP_NONE, reason)
    s["state_reason"] = reason
