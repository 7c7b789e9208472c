"""Second stage of the tick: the protection kernel. Every rule, every tick, in every state of the sequence.

It sees validated measurements and the contactors' commands only: never an estimate, never what another part thinks.
Its word can only make the pack more careful.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ionward._compile import njit
from ionward.image.faults import FAULT_ID, FAULTS
from ionward.image.inputs import Array
from ionward.image.kernel_memory import CONTACT, CONTACTORS, PROGRESS, PROTECT_RECORD, STEPS, UP_SAMPLES, VERDICT
from ionward.image.layout import Image, Size
from ionward.image.parameters import FAULTP, LEVELP, Parameters
from ionward.image.signals import (
    EVENT,
    FAULT,
    GOOD,
    LEVEL_CRITICAL,
    LEVEL_FAULT,
    LEVEL_INFO,
    LEVEL_NONE,
    LEVEL_WARNING,
    OPEN_IN_ORDER,
    OPEN_NONE,
    OPEN_NOW,
)
from ionward.safety.ladder import step_fault
from ionward.safety.rules import cell_rules, sum_rule, temperature_rules
from ionward.safety.rules_connection import (
    bus_rules,
    channel_rules,
    contactor_rules,
    lost_channel_rules,
    precharge_rules,
)
from ionward.safety.rules_current import current_rules, lost_current_rules
from ionward.safety.rules_heat import new_heat
from ionward.safety.rules_inside import TABLES, clock_rule, inside_rules, memory_rules, parity
from ionward.safety.rules_load import load_rules
from ionward.safety.rules_path import path_rules
from ionward.safety.rules_points import new_points, point_rules
from ionward.safety.rules_taps import tap_rules

# The pyrofuse is wished for only after this many samples in a row above what a contactor may break.
PYROFUSE_SAMPLES = 2
# So long retries are counted; then they begin anew.
RETRY_WINDOW_S = 3600.0


class ProtectMemory(NamedTuple):
    """`verdicts`: `[VERDICT, fault]`, `progress`: `[PROGRESS, fault]`, `contactors`: `[CONTACT, contactor]`,
    `points`: `[POINT]`, `heat`: `[HEAT, sensor]`, `sums`: `[2, table]`."""

    verdicts: Array
    progress: Array
    contactors: Array
    points: Array
    heat: Array
    sums: Any
    state: Any


def new_protect_memory(size: Size) -> ProtectMemory:
    """Memory before the first tick: nothing judged yet, everything open."""
    state = np.zeros(1, PROTECT_RECORD)
    state["precharge_s"] = state["differs_s"] = state["rise_s"] = -1.0
    state["rise_share"], state["tick_s"] = 1.0, np.nan
    state["fallen_s"] = state["bus_share"] = np.nan
    return ProtectMemory(
        np.zeros((len(VERDICT), len(FAULTS))),
        np.zeros((len(PROGRESS), len(FAULTS))),
        np.full((len(CONTACT), CONTACTORS), -1.0),
        new_points(),
        new_heat(size.sensors),
        np.zeros((2, TABLES), np.int64),
        state,
    )


@njit
def protect(parameters: Parameters, command: Any, image: Image, memory: ProtectMemory) -> None:
    """Judge every fault and say what must follow.

    Writes the fault block, the event ring, and the scalars from `fault_level` to `event_count`.

    Meets SR-123, SR-124, SR-126.
    """
    s, state, verdicts = image.scalars[0], memory.state[0], memory.verdicts
    starts = state["started"] == 0
    if starts:
        state["started"] = 1
        state["acknowledge_count"] = command[0]["acknowledge_count"]
        state["clear_count"] = command[0]["clear_count"]
        state["release_count"] = command[0]["release_count"]
    else:
        state["since_start_s"] += s["dt_s"]
    current_rules(parameters, image, verdicts, state)
    lost_current_rules(parameters, image, verdicts, state)
    cell_rules(parameters, image, verdicts, state)
    sum_rule(parameters, image, verdicts)
    temperature_rules(parameters, image, verdicts, state, memory.heat)
    channel_rules(parameters, image, verdicts)
    connect = command[0]["connect"] > 0
    contactor_rules(parameters, image, verdicts, memory.contactors, connect)
    bus_rules(parameters, image, verdicts, state, command[0]["site"] == 0)
    precharge_rules(parameters, image, verdicts, state, connect)
    lost_channel_rules(parameters, image, verdicts, state)
    point_rules(parameters, image, verdicts, memory.points)
    tap_rules(parameters, image, verdicts, memory.points)
    path_rules(parameters, image, verdicts, memory.contactors, state)
    load_rules(parameters, image, verdicts, state, state["open_s"])
    inside_rules(command[0], image, verdicts, state)
    clock_rule(parameters.scalars[0], s, verdicts, state)
    memory_rules(parameters, image.faults, verdicts, state, memory.sums)

    released = -1
    if command[0]["release_count"] != state["release_count"]:
        state["release_count"], released = command[0]["release_count"], int(command[0]["release_fault"])
    acknowledged = command[0]["acknowledge_count"] != state["acknowledge_count"]
    state["acknowledge_count"] = command[0]["acknowledge_count"]
    hold_masks(parameters, image, starts)
    judge_all(parameters, image, memory, acknowledged, released)
    if command[0]["clear_count"] != state["clear_count"]:
        state["clear_count"] = command[0]["clear_count"]
        clear_counts(image.faults)
    react(parameters, image, state)
    state["seal"], state["sealed"] = parity(image.faults), 1


@njit
def clear_counts(faults: Array) -> None:
    """Forget how often faults were raised that neither stand nor wait to be acknowledged."""
    for f in range(faults.shape[1]):
        if faults[FAULT.level, f] == LEVEL_NONE and faults[FAULT.latched_level, f] == LEVEL_NONE:
            faults[FAULT.count, f] = 0.0


@njit
def hold_masks(parameters: Parameters, image: Image, starts: bool) -> None:
    """Masks hold from the first tick to their end, by the image's time; one that has ended never comes back.

    Its end is an event whose level is the level before. Meets SR-230.
    """
    s, faults, until_s = image.scalars[0], image.faults, parameters.faults[FAULTP.mask_until_s]
    if not (starts or s["masked_faults"] > 0):
        return  # no mask holds, and none can begin
    held = 0
    for f in range(faults.shape[1]):
        held_before = faults[FAULT.masked, f] > 0.0
        if s["time_s"] < until_s[f] and (starts or held_before):
            faults[FAULT.masked, f] = 1.0
            held += 1
        elif held_before:
            faults[FAULT.masked, f] = 0.0
            level = int(faults[FAULT.level, f])
            write_event(image, f, level, level, -1.0)
    s["masked_faults"] = held


@njit
def judge_all(parameters: Parameters, image: Image, memory: ProtectMemory, acknowledged: bool, released: int) -> None:
    """Take every fault one tick further. Most are quiet, for which there is nothing but the value to note.

    Meets SR-123.
    """
    faults, verdicts, levels = image.faults, memory.verdicts, parameters.levels
    level, latched_level, value, place = (
        faults[FAULT.level],
        faults[FAULT.latched_level],
        faults[FAULT.value],
        faults[FAULT.place],
    )
    judged, judged_place, usable = verdicts[VERDICT.value], verdicts[VERDICT.place], verdicts[VERDICT.usable]
    above, busy = parameters.faults[FAULTP.above], memory.progress[PROGRESS.busy]
    for f in range(level.shape[0]):
        is_beyond = False
        for step in range(STEPS):
            threshold = levels[step, LEVELP.set, f]
            is_beyond = is_beyond or (judged[f] > threshold if above[f] > 0.0 else judged[f] < threshold)
        if is_beyond or busy[f] > 0.0 or level[f] > LEVEL_NONE or latched_level[f] > LEVEL_NONE:
            service = parameters.faults[FAULTP.service, f] > 0.0
            judge(parameters, image, memory, f, f == released if service else acknowledged)
        elif usable[f] > 0.0:
            value[f] = judged[f]
            place[f] = judged_place[f]


@njit
def judge(parameters: Parameters, image: Image, memory: ProtectMemory, f: int, acknowledged: bool) -> None:
    """Take one fault a tick further: level, latch, record, event. `acknowledged`: its latch may go.

    Behind a mask the ladder goes on, so that its level is there in the tick in which the mask ends.

    Meets SR-125, SR-230.
    """
    s, faults, verdicts = image.scalars[0], image.faults, memory.verdicts
    level = int(faults[FAULT.level, f])
    behind = max(level, int(faults[FAULT.masked_level, f]))
    above = parameters.faults[FAULTP.above, f] > 0.0
    after = step_fault(verdicts, memory.progress, parameters.levels, behind, f, above, s["dt_s"])
    if faults[FAULT.masked, f] > 0.0:
        faults[FAULT.masked_level, f] = after
        after = min(after, LEVEL_INFO)
    else:
        faults[FAULT.masked_level, f] = LEVEL_NONE
    longest = 0.0
    for step in range(STEPS):
        longest = max(longest, memory.progress[UP_SAMPLES + step, f])
    memory.progress[PROGRESS.busy, f] = longest > 0.0
    if verdicts[VERDICT.usable, f] > 0.0:
        faults[FAULT.value, f] = verdicts[VERDICT.value, f]
        faults[FAULT.place, f] = verdicts[VERDICT.place, f]
    if after != level:
        faults[FAULT.level, f] = after
        faults[FAULT.since_s, f] = s["time_s"]
        if level == LEVEL_NONE:
            faults[FAULT.count, f] += 1.0
        if after > level:
            memory.progress[PROGRESS.raised_place, f] = faults[FAULT.place, f]
        write_event(image, f, after, level, memory.progress[PROGRESS.raised_place, f])
    latch(parameters, image, memory.progress, f, acknowledged)


@njit
def latch(parameters: Parameters, image: Image, progress: Array, f: int, acknowledged: bool) -> None:
    """Latch what has opened the contactors. Once it is gone and has cooled down, a person lets it go, or a retry.

    A critical fault is never retried.
    """
    s, faults, rules = image.scalars[0], image.faults, parameters.faults
    if faults[FAULT.level, f] >= LEVEL_FAULT:
        if rules[FAULTP.latching, f] > 0.0:
            faults[FAULT.latched_level, f] = max(faults[FAULT.latched_level, f], faults[FAULT.level, f])
            faults[FAULT.cools_s, f], s["retried"] = rules[FAULTP.cool_down_s, f], 0
        return
    if faults[FAULT.latched_level, f] == LEVEL_NONE:
        return
    cooled = faults[FAULT.cools_s, f] <= 0.0
    faults[FAULT.cools_s, f] = max(faults[FAULT.cools_s, f] - s["dt_s"], 0.0)
    if acknowledged and cooled:
        faults[FAULT.latched_level, f], faults[FAULT.retries, f], s["retried"] = LEVEL_NONE, 0.0, 0
    elif cooled and faults[FAULT.latched_level, f] < LEVEL_CRITICAL and rules[FAULTP.retries, f] > 0.0:
        if s["time_s"] - progress[PROGRESS.retried_s, f] > RETRY_WINDOW_S:
            faults[FAULT.retries, f] = 0.0
        if faults[FAULT.retries, f] < rules[FAULTP.retries, f]:
            if faults[FAULT.retries, f] == 0.0:
                progress[PROGRESS.retried_s, f] = s["time_s"]
            faults[FAULT.retries, f] += 1.0
            faults[FAULT.latched_level, f], s["retried"] = LEVEL_NONE, 1


@njit
def write_event(image: Image, f: int, level: int, previous: int, place: float) -> None:
    """Append to the event ring; a level of none tells that the fault has cleared. `place` is where it was raised.

    Meets SR-128.
    """
    s, events, faults = image.scalars[0], image.events, image.faults
    slot = s["event_count"] % events.shape[1]
    events[EVENT.time_s, slot] = s["time_s"]
    events[EVENT.fault, slot] = f
    events[EVENT.level, slot] = level
    events[EVENT.previous_level, slot] = previous
    events[EVENT.place, slot] = place
    events[EVENT.value, slot] = faults[FAULT.value, f]
    s["event_count"] += 1


@njit
def react(parameters: Parameters, image: Image, state: Any) -> None:
    """What follows from all levels together. A latched fault counts like a standing one until it is acknowledged.

    Where each switch blocks one direction, a fault that forbids one direction, at the level fault, opens that switch
    only. Faults of both directions, and whatever was critical, open everything.

    Meets SR-120, SR-121, SR-122, SR-125, SR-132.
    """
    s, faults, rules = image.scalars[0], image.faults, parameters.faults
    one_way = parameters.scalars[0]["one_way"] > 0
    standing, counting, latched, open_by_s = LEVEL_NONE, LEVEL_NONE, 0, np.inf
    charge = discharge = 1
    everything, charge_only, discharge_only = LEVEL_NONE, 0, 0  # what is to be opened
    for f in range(faults.shape[1]):
        level, latched_level = int(faults[FAULT.level, f]), int(faults[FAULT.latched_level, f])
        counts = max(level, latched_level)
        standing, counting = max(standing, level), max(counting, counts)
        latched += 1 if latched_level > LEVEL_NONE else 0
        if counts < LEVEL_FAULT:
            continue
        blocks_charge, blocks_discharge = rules[FAULTP.blocks_charge, f] > 0.0, rules[FAULTP.blocks_discharge, f] > 0.0
        charge = 0 if blocks_charge else charge
        discharge = 0 if blocks_discharge else discharge
        due = True
        if one_way and counts == LEVEL_FAULT and blocks_charge != blocks_discharge:
            charge_only, discharge_only = 1 if blocks_charge else charge_only, 1 if blocks_discharge else discharge_only
            # Once its direction is open, it is in time, however long it stands.
            due = state["charging"] == 1 if blocks_charge else state["discharging"] == 1
        else:
            everything = max(everything, counts)
        if level >= LEVEL_FAULT and due:
            open_by_s = min(open_by_s, faults[FAULT.since_s, f] + rules[FAULTP.wait_s, f])
    if charge_only == 1 and discharge_only == 1:
        everything = max(everything, LEVEL_FAULT)
    s["charge_open_request"], s["discharge_open_request"] = charge_only, discharge_only
    s["fault_level"], s["latched_faults"] = standing, latched
    s["derate"] = 1 if counting >= LEVEL_WARNING else 0
    s["charge_allowed"], s["discharge_allowed"] = charge, discharge
    board = FAULT_ID.balancing_board_overtemperature
    hot = max(faults[FAULT.level, board], faults[FAULT.latched_level, board]) >= LEVEL_WARNING
    s["balance_allowed"] = 0 if hot else 1
    s["open_fault"] = opening_fault(faults, s["open_fault"], counting)
    s["open_request"] = OPEN_NONE
    if everything >= LEVEL_FAULT:
        s["open_request"] = OPEN_NOW if everything == LEVEL_CRITICAL else OPEN_IN_ORDER
    s["open_by_s"] = open_by_s if open_by_s < np.inf else np.nan
    wish_pyrofuse(parameters, image, state, standing == LEVEL_CRITICAL or s["time_s"] >= open_by_s)


@njit
def opening_fault(faults: Array, before: int, counting: int) -> int:
    """The fault that asks for opening with the highest level: the one named before while it does, else the first.

    The fault that opens one direction only is named as well.
    """
    if counting < LEVEL_FAULT:
        return -1
    first = -1
    for f in range(faults.shape[1]):
        if max(faults[FAULT.level, f], faults[FAULT.latched_level, f]) == counting:
            if f == before:
                return before
            if first < 0 or faults[FAULT.since_s, f] < faults[FAULT.since_s, first]:
                first = f
    return first


@njit
def wish_pyrofuse(parameters: Parameters, image: Image, state: Any, urgent: bool) -> None:
    """The pyrofuse is wished for while no contactor could break the current, and a fault is critical or overdue.

    A current that is held, or on which two sensors disagree, never fires it. A pack without one is never asked to.
    Where the description says so, a crash calls for it too, whatever the current.

    Meets SR-129.
    """
    s, p = image.scalars[0], parameters.scalars[0]
    current = s["current_a"]
    break_a = max(p["positive_break_charge_a"], p["negative_break_charge_a"])
    if current < 0.0:
        break_a = max(p["positive_break_discharge_a"], p["negative_break_discharge_a"])
    if not (abs(current) > break_a and s["current_quality"] == GOOD):
        state["above_break"] = 0
    elif state["current_is_new"] == 1:
        state["above_break"] = min(state["above_break"] + 1, PYROFUSE_SAMPLES)
    crashed = p["pyrofuse_on_crash"] > 0 and image.faults[FAULT.level, FAULT_ID.crash] == LEVEL_CRITICAL
    wished = crashed or state["above_break"] >= PYROFUSE_SAMPLES
    s["pyrofuse_fire"] = 1 if p["has_pyrofuse"] > 0 and urgent and wished else 0
