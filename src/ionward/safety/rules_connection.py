"""What the faults of contactors, bus, insulation, interlock and other single channels are judged by."""

from __future__ import annotations

from typing import Any

import numpy as np

from ionward._compile import njit
from ionward.image.faults import FAULT_ID
from ionward.image.inputs import CHANNEL, Array
from ionward.image.kernel_memory import CONTACT, CONTACTORS, VERDICT
from ionward.image.layout import Image
from ionward.image.parameters import MEASURE, Parameters
from ionward.image.signals import BAD, FAULT, LEVEL_FAULT, MEASURED, OPEN_NONE
from ionward.safety.ladder import give

REFUSED_MEAN_S = 10.0


@njit
def channel_rules(parameters: Parameters, image: Image, verdicts: Array) -> None:
    """Interlock, crash signal, insulation."""
    channels = image.channels
    for f, channel in ((FAULT_ID.hvil_open, CHANNEL.hvil_closed), (FAULT_ID.crash, CHANNEL.crash)):
        value = channels[MEASURED.value, channel]
        give(verdicts, f, value, value if channels[MEASURED.new, channel] > 0.0 else np.nan, channel, True, True, True)
    # Scaled with the working voltage, which is the highest voltage of the pack (UN R100 §2.42), not the present one.
    channel = CHANNEL.insulation_ohm
    working_v = image.cells.shape[1] * parameters.scalars[0]["cell_voltage_max_v"]
    value = channels[MEASURED.value, channel] / working_v
    newest = value if channels[MEASURED.new, channel] > 0.0 else np.nan
    give(verdicts, FAULT_ID.insulation_low, value, newest, channel, True, True, True)


@njit
def lost_channel_rules(parameters: Parameters, image: Image, verdicts: Array, state: Any) -> None:
    """Lost channels other than the current, one fault for each group, and the rate of refused samples."""
    quality, age_s = image.channels[MEASURED.quality], image.channels[MEASURED.age_s]
    age_max_s, since_start_s = parameters.channel_limits[MEASURE.age_max_s], state["since_start_s"]
    for f, first, last in (
        (FAULT_ID.pack_voltage_lost, CHANNEL.pack_voltage_v, CHANNEL.pack_voltage_v),
        (FAULT_ID.bus_voltage_lost, CHANNEL.bus_voltage_v, CHANNEL.bus_voltage_v),
        (FAULT_ID.insulation_lost, CHANNEL.insulation_ohm, CHANNEL.insulation_ohm),
        (FAULT_ID.coolant_temperature_lost, CHANNEL.coolant_inlet_c, CHANNEL.ambient_c),
        (FAULT_ID.hvil_lost, CHANNEL.hvil_closed, CHANNEL.hvil_closed),
        (FAULT_ID.crash_lost, CHANNEL.crash, CHANNEL.crash),
        (FAULT_ID.contactor_feedback_lost, CHANNEL.main_positive_closed, CHANNEL.precharge_closed),
        (FAULT_ID.point_temperature_lost, CHANNEL.contactor_positive_c, CHANNEL.balancing_board_c),
        (FAULT_ID.tap_lost, CHANNEL.positive_tap_v, CHANNEL.negative_tap_v),
        (FAULT_ID.cooling_feedback_lost, CHANNEL.cooling_running, CHANNEL.cooling_running),
        (FAULT_ID.diagnosis_lost, CHANNEL.monitor_redundancy_v, CHANNEL.pyrofuse_intact),
    ):
        lost, place = 0.0, -1
        for channel in range(first, last + 1):
            # What has never come is lost once it could have come.
            due = age_s[channel] < np.inf or since_start_s > age_max_s[channel]
            if quality[channel] == BAD and due:
                place = channel if lost == 0.0 else place
                lost += 1.0
        give(verdicts, f, lost, lost, place, True, True, True)
    s = image.scalars[0]
    refused = s["rejected_samples"] - state["rejected_samples"]
    state["rejected_samples"] = s["rejected_samples"]
    share = min(s["dt_s"] / REFUSED_MEAN_S, 1.0)
    state["refused_per_s"] += refused / REFUSED_MEAN_S - share * state["refused_per_s"]
    give(verdicts, FAULT_ID.samples_refused, state["refused_per_s"], state["refused_per_s"], -1, True, True, True)


@njit
def follow(mismatch_s: float, wrong: bool, dt_s: float) -> float:
    """Seconds for which something has been wrong; -1 while it is not."""
    if not wrong:
        return -1.0
    return mismatch_s + dt_s if mismatch_s >= 0.0 else 0.0


@njit
def stuck(
    stuck_s: float, closed: bool, commanded: bool, wanted: bool, told: bool, allowed_s: float, dt_s: float
) -> float:
    """Seconds for which a contactor has not followed the command to close; -1 while nothing is wrong.

    The sequence gives up when the allowed time is over, and the wish may be withdrawn at the same moment. Neither hides
    the failure: once the time was used up, it counts on until it is told (whatever the ladder asks for), and then
    stands until the contactor closes or nobody wants the connection any more.
    """
    if closed:
        return -1.0
    if commanded:
        return follow(stuck_s, True, dt_s)
    if stuck_s >= max(allowed_s - 1.5 * dt_s, 0.0) and (wanted or not told):
        return max(stuck_s, allowed_s) if told else max(stuck_s, allowed_s) + dt_s
    return -1.0


@njit
def contactor_rules(parameters: Parameters, image: Image, verdicts: Array, contactors: Array, connect: bool) -> None:
    """Feedback of each contactor against its command of the tick before.

    Without its own contactors a pack is not judged, and a contactor without feedback never.
    """
    s, channels, allowed_s = image.scalars[0], image.channels, parameters.scalars[0]["contactor_close_s"]
    fitted = parameters.scalars[0]["has_contactors"] > 0
    told = image.faults[FAULT.level, FAULT_ID.contactor_stuck_open] >= LEVEL_FAULT
    commands = (s["main_positive_close"], s["main_negative_close"], s["precharge_close"])
    worst_welded = worst_stuck = np.nan
    welded_place = stuck_place = -1
    sampled = False
    for c in range(CONTACTORS):
        channel = CHANNEL.main_positive_closed + c
        feedback = channels[MEASURED.value, channel]
        if feedback != feedback:
            continue  # lost: held where it is, or not fitted
        closed, commanded = feedback > 0.5, commands[c] > 0
        welded = follow(contactors[CONTACT.welded_s, c], closed and not commanded, s["dt_s"])
        late = stuck(contactors[CONTACT.stuck_s, c], closed, commanded, connect, told, allowed_s, s["dt_s"])
        contactors[CONTACT.welded_s, c], contactors[CONTACT.stuck_s, c] = welded, late
        sampled = sampled or channels[MEASURED.new, channel] > 0.0
        if not max(welded, 0.0) <= worst_welded:
            worst_welded, welded_place = max(welded, 0.0), channel
        if not max(late, 0.0) <= worst_stuck:
            worst_stuck, stuck_place = max(late, 0.0), channel
    newest = worst_welded if sampled else np.nan
    give(verdicts, FAULT_ID.contactor_welded, worst_welded, newest, welded_place, fitted, True, True)
    newest = worst_stuck if sampled else np.nan
    give(verdicts, FAULT_ID.contactor_stuck_open, worst_stuck, newest, stuck_place, fitted, True, True)


@njit
def bus_rules(parameters: Parameters, image: Image, verdicts: Array, state: Any, alone: bool) -> None:
    """Bus voltage and current against what the commands say: open, closed, precharging.

    A live bus says nothing of the contacts of a pack that is not `alone` on it.
    """
    s, p, channels = image.scalars[0], parameters.scalars[0], image.channels
    fitted = p["has_contactors"] > 0
    follow_path(p, s, state)
    is_open = state["open_s"] > p["contactor_open_s"]

    bus, pack = channels[MEASURED.value, CHANNEL.bus_voltage_v], channels[MEASURED.value, CHANNEL.pack_voltage_v]
    if pack != pack:
        pack = s["cell_voltage_sum_v"]
    share = bus / pack if pack > 0.0 else np.nan
    new_bus = channels[MEASURED.new, CHANNEL.bus_voltage_v] > 0.0
    live = 0.0 if not is_open and share == share else share
    give(verdicts, FAULT_ID.bus_live_while_open, live, live if new_bus else np.nan, CHANNEL.bus_voltage_v,
         fitted and alone, True, True)  # fmt: skip
    apart = apart_share(p, s, bus, pack)
    give(verdicts, FAULT_ID.bus_apart_while_closed, apart, apart if new_bus else np.nan, CHANNEL.bus_voltage_v,
         fitted, True, True)  # fmt: skip

    value, blocked = blocked_current(s["current_a"], state, p["contactor_open_s"])
    # While its direction is closed, every tick says that nothing is wrong.
    newest = value if state["current_is_new"] == 1 or not blocked else np.nan
    place = int(verdicts[VERDICT.place, FAULT_ID.short_circuit])  # the sensor that reads more
    give(verdicts, FAULT_ID.current_while_open, value, newest, place, fitted, True, True)


@njit
def follow_path(p: Any, s: Any, state: Any) -> None:
    """How long the path has been commanded open: to charge, to discharge, and as a whole.

    One-way switches each open one direction; the precharge resistor bypasses the positive one.
    """
    positive = s["main_positive_close"] > 0 or s["precharge_close"] > 0
    negative = s["main_negative_close"] > 0
    charge = discharge = path = negative and positive
    if p["one_way"] > 0:
        charge, discharge, path = negative, positive, negative or positive
    state["open_s"] = follow(state["open_s"], not path, s["dt_s"])
    state["charge_open_s"] = follow(state["charge_open_s"], not charge, s["dt_s"])
    state["discharge_open_s"] = follow(state["discharge_open_s"], not discharge, s["dt_s"])


@njit
def blocked_current(current_a: float, state: Any, open_s: float) -> tuple[float, bool]:
    """Size of a current that flows although its direction has been commanded open for long enough, else 0; and whether
    its direction has been. One that is not known stays unknown.

    Meets SR-026, SR-133.
    """
    since_s = state["charge_open_s"] if current_a > 0.0 else state["discharge_open_s"]
    blocked = since_s > open_s
    return (abs(current_a) if blocked or current_a != current_a else 0.0), blocked


@njit
def apart_share(p: Any, s: Any, bus: float, pack: float) -> float:
    """How far the bus stands from the pack although it is connected, as a share of the pack voltage.

    With one one-way switch open, the bus may stand away on the side to which no current can flow.
    """
    away = bus / pack - 1.0 if pack > 0.0 else np.nan
    positive, negative = s["main_positive_close"] > 0, s["main_negative_close"] > 0
    if away != away or (positive and negative):
        return float(abs(away))
    if p["one_way"] == 0 or not (positive or negative):
        return 0.0
    return float(max((away if negative else -away) - p["diode_v"] / pack, 0.0))


@njit
def precharge_rules(parameters: Parameters, image: Image, verdicts: Array, state: Any, connect: bool) -> None:
    """How long the precharge path stays closed, and how many tries failed since connecting was asked for."""
    s = image.scalars[0]
    fitted = parameters.scalars[0]["has_precharge"] > 0
    closed = s["precharge_close"] > 0
    state["precharge_s"] = follow(state["precharge_s"], closed, s["dt_s"])
    give_s = max(state["precharge_s"], 0.0)
    give(verdicts, FAULT_ID.precharge_too_long, give_s, give_s, CHANNEL.precharge_closed, fitted, True, True)

    connected = s["main_positive_close"] > 0 and (s["main_negative_close"] > 0 or parameters.scalars[0]["one_way"] > 0)
    # The command that ended a try was given in the tick before: the wish of that tick tells whether it was called off.
    if connected or not (connect or state["wished"] == 1):
        state["failed_tries"] = 0
    elif state["precharging"] == 1 and not closed and s["open_request"] == OPEN_NONE:
        state["failed_tries"] += 1
    state["precharging"], state["wished"] = 1 if closed else 0, 1 if connect else 0
    tries = float(state["failed_tries"])
    give(verdicts, FAULT_ID.precharge_failed, tries, tries, CHANNEL.precharge_closed, fitted, True, True)
