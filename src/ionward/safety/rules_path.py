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
# A precharge resistor lets through V/R; more than this many times that comes past it.
INRUSH_MARGIN = 1.5
DECIDING_SAMPLES = 2  # a single wrong one decides nothing


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
    rise_rule(p, s, bus, new_bus, total, verdicts, state)
    resistor_rule(p, s, bus, total, verdicts, state)


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
def through_resistor(s: Any) -> bool:
    """The bus is charged over the precharge resistor alone."""
    return bool(s["precharge_close"] > 0 and s["main_positive_close"] == 0)


@njit
def rise_rule(p: Any, s: Any, bus: float, new_bus: float, pack: float, verdicts: Array, state: Any) -> None:
    """How fast the bus rose in precharge: by its voltage, and by a current that the resistor cannot let through.

    The samples that show it may come after a try was given up, so it is judged until the path is open for certain.
    """
    closed, share, before = through_resistor(s), bus / pack, state["bus_share"]
    state["bus_share"] = share
    if state["discharge_open_s"] > p["contactor_open_s"]:
        state["rise_s"], state["rise_share"], state["rise_samples"] = -1.0, 1.0, 0
    elif state["rise_s"] < 0.0:
        # A one-way switch is fast: it may have closed, and the bus be there, before this tick sees either.
        low = share < RISE_FROM or (p["one_way"] > 0 and before < RISE_FROM)
        state["rise_s"] = 0.0 if closed and low else -1.0
    elif state["rise_samples"] < DECIDING_SAMPLES and p["precharge_rise_s"] > 0.0:
        if not share >= RISE_TO:
            state["rise_samples"] = 0
            state["rise_s"] += s["dt_s"] if share >= RISE_FROM or state["rise_s"] > 0.0 else 0.0
        elif new_bus > 0.0:
            state["rise_samples"] += 1
            if state["rise_samples"] == DECIDING_SAMPLES:
                rise = (state["rise_s"] + s["dt_s"]) / p["precharge_rise_s"]
                state["rise_share"] = min(state["rise_share"], rise)
    if not closed:
        state["inrush_samples"], state["inrush_a"] = 0, 0.0
    elif state["current_is_new"] == 1:
        inrush_rule(p, s, pack, state)
    rise = state["rise_share"]
    give(verdicts, FAULT_ID.precharge_too_fast, rise, rise, CHANNEL.bus_voltage_v, p["has_precharge"] > 0, True, True)


@njit
def inrush_rule(p: Any, s: Any, pack: float, state: Any) -> None:
    """A current past the precharge resistor charges the bus as much faster as it is larger than the resistor's."""
    most_a, current_a = pack / p["precharge_resistance_ohm"], abs(s["current_a"])
    if not current_a > INRUSH_MARGIN * most_a + p["current_tolerance_a"]:
        state["inrush_samples"], state["inrush_a"] = 0, 0.0
        return
    state["inrush_samples"] += 1
    state["inrush_a"] = max(state["inrush_a"], current_a)
    if state["inrush_samples"] >= DECIDING_SAMPLES:
        state["rise_share"] = min(state["rise_share"], most_a / state["inrush_a"])


@njit
def resistor_rule(p: Any, s: Any, bus: float, pack: float, verdicts: Array, state: Any) -> None:
    """What heat the precharge resistor has taken and not yet given off."""
    if not through_resistor(s):
        state["resistor_j"] *= max(1.0 - s["dt_s"] / p["precharge_pause_s"], 0.0) if p["precharge_pause_s"] > 0 else 0.0
    else:
        across = pack - bus if bus == bus else pack
        if across == across:
            state["resistor_j"] += across * across / p["precharge_resistance_ohm"] * s["dt_s"]
    heat_j = state["resistor_j"]
    give(verdicts, FAULT_ID.precharge_resistor_hot, heat_j, heat_j, CHANNEL.precharge_closed, p["has_precharge"] > 0,
         True, True)  # fmt: skip
