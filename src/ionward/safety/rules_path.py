"""What the faults of the path to the bus are judged by: fuse, chatter, precharge, a bus that makes no sense."""

from __future__ import annotations

from typing import Any

import numpy as np

from ionward._compile import njit
from ionward.image.faults import FAULT_ID
from ionward.image.inputs import CHANNEL, Array
from ionward.image.kernel_memory import CONTACT, CONTACTORS
from ionward.image.layout import Image
from ionward.image.parameters import Parameters
from ionward.image.signals import HOLD_WELDED, MEASURED, STATE_FAULT
from ionward.safety.ladder import give

CHATTER_S = 10.0  # unexpected changes are forgotten one after the other within this
INSULATION_S = 300.0  # what insulation was "some minutes ago"
RISE_FROM, RISE_TO = 0.2, 0.9  # of the pack voltage: between these the rise of the bus is timed


@njit
def path_rules(parameters: Parameters, image: Image, verdicts: Array, contactors: Array, state: Any) -> None:
    """Judge fuse, contactors, insulation and precharge by what they do together and over time."""
    s, p, channels = image.scalars[0], parameters.scalars[0], image.channels
    pack, new_pack = channels[MEASURED.value, CHANNEL.pack_voltage_v], channels[MEASURED.new, CHANNEL.pack_voltage_v]
    bus, new_bus = channels[MEASURED.value, CHANNEL.bus_voltage_v], channels[MEASURED.new, CHANNEL.bus_voltage_v]
    total, full = s["cell_voltage_sum_v"], p["series"] * p["cell_voltage_max_v"]
    fallen = 1.0 - pack / total
    give(verdicts, FAULT_ID.fuse_blown, fallen, fallen if new_pack > 0.0 else np.nan, CHANNEL.pack_voltage_v,
         p["has_fuse"] > 0 and total > 0.0, True, True)  # fmt: skip
    outside = max(bus / full - 1.0, -bus / full, 0.0) if bus == bus else np.nan
    give(verdicts, FAULT_ID.bus_not_understood, outside, outside if new_bus > 0.0 else np.nan, CHANNEL.bus_voltage_v,
         True, True, True)  # fmt: skip
    welded = 1.0 if s["state"] == STATE_FAULT and s["state_reason"] == HOLD_WELDED else 0.0
    give(verdicts, FAULT_ID.contactor_welded_in_probe, welded, welded, -1, True, True, True)
    chatter_rule(p, image, verdicts, contactors)
    wear_rule(p, s, verdicts)
    insulation_rule(channels, verdicts, state, s["dt_s"])
    charging_rules(p, s, bus, total, verdicts, state)


@njit
def chatter_rule(p: Any, image: Image, verdicts: Array, contactors: Array) -> None:
    """Changes of a contactor's feedback that no command explains."""
    s, channels = image.scalars[0], image.channels
    commands = (s["main_positive_close"], s["main_negative_close"], s["precharge_close"])
    longest_s = max(p["contactor_close_s"], p["contactor_open_s"])
    worst, place = np.nan, -1
    for c in range(CONTACTORS):
        channel = CHANNEL.main_positive_closed + c
        feedback = channels[MEASURED.value, channel]
        if commands[c] != contactors[CONTACT.commanded, c]:
            contactors[CONTACT.commanded, c], contactors[CONTACT.steady_s, c] = commands[c], 0.0
            contactors[CONTACT.read_steady_s, c] = 0.0
        contactors[CONTACT.steady_s, c] = min(contactors[CONTACT.steady_s, c] + s["dt_s"], CHATTER_S)
        contactors[CONTACT.changes, c] = max(contactors[CONTACT.changes, c] - s["dt_s"] / CHATTER_S, 0.0)
        if feedback != feedback:
            continue
        # The contact may have moved at any time since feedback was read last. However late this reading comes, a
        # change is unexpected only if the command had been the same for long enough by then.
        before = contactors[CONTACT.feedback, c]
        if before >= 0.0 and feedback != before and contactors[CONTACT.read_steady_s, c] > longest_s:
            contactors[CONTACT.changes, c] += 1.0
        contactors[CONTACT.feedback, c] = feedback
        if channels[MEASURED.new, channel] > 0.0:
            contactors[CONTACT.read_steady_s, c] = contactors[CONTACT.steady_s, c]
        if not contactors[CONTACT.changes, c] <= worst:
            worst, place = contactors[CONTACT.changes, c], channel
    give(verdicts, FAULT_ID.contactor_chattering, worst, worst, place, p["has_contactors"] > 0, True, True)


@njit
def wear_rule(p: Any, s: Any, verdicts: Array) -> None:
    """What control has counted of the contactors' life. It is told, and lowers limits; it opens nothing."""
    positive, negative = s["contactor_wear_positive"], s["contactor_wear_negative"]
    worst = max(positive, negative)
    place = CHANNEL.main_positive_closed if positive >= negative else CHANNEL.main_negative_closed
    give(verdicts, FAULT_ID.contactor_worn, worst, worst, place, p["has_contactor_life"] > 0, True, True)


@njit
def insulation_rule(channels: Array, verdicts: Array, state: Any, dt_s: float) -> None:
    """Insulation against its own slow mean."""
    f, value = FAULT_ID.insulation_falling, channels[MEASURED.value, CHANNEL.insulation_ohm]
    if value == value and value > 0.0:
        if not state["insulation_slow_ohm"] > 0.0:
            state["insulation_slow_ohm"] = value
        state["insulation_slow_ohm"] += min(dt_s / INSULATION_S, 1.0) * (value - state["insulation_slow_ohm"])
    share = value / state["insulation_slow_ohm"] if state["insulation_slow_ohm"] > 0.0 else np.nan
    newest = share if channels[MEASURED.new, CHANNEL.insulation_ohm] > 0.0 else np.nan
    give(verdicts, f, share, newest, CHANNEL.insulation_ohm, True, True, True)


@njit
def charging_rules(p: Any, s: Any, bus: float, pack: float, verdicts: Array, state: Any) -> None:
    """Precharge: how fast the bus rose, and what heat its resistor has taken."""
    closed, share = s["precharge_close"] > 0 and s["main_positive_close"] == 0, bus / pack
    if not closed:
        state["rise_s"] = -1.0
        state["resistor_j"] *= max(1.0 - s["dt_s"] / p["precharge_pause_s"], 0.0) if p["precharge_pause_s"] > 0 else 0.0
    else:
        if state["rise_s"] < 0.0 and share < RISE_FROM:
            state["rise_s"], state["rise_share"] = 0.0, 1.0
        elif state["rise_s"] >= 0.0 and state["rise_share"] == 1.0:
            state["rise_s"] += s["dt_s"] if share >= RISE_FROM or state["rise_s"] > 0.0 else 0.0
            if share >= RISE_TO:
                state["rise_share"] = state["rise_s"] / p["precharge_rise_s"]
        across = pack - bus if bus == bus else pack
        if across == across:
            state["resistor_j"] += across * across / p["precharge_resistance_ohm"] * s["dt_s"]
    fitted = p["has_precharge"] > 0
    rise = state["rise_share"] if p["precharge_rise_s"] > 0.0 else 1.0
    give(verdicts, FAULT_ID.precharge_too_fast, rise, rise, CHANNEL.bus_voltage_v, fitted, True, True)
    heat_j = state["resistor_j"]
    give(verdicts, FAULT_ID.precharge_resistor_hot, heat_j, heat_j, CHANNEL.precharge_closed, fitted, True, True)
