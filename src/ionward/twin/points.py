"""Measurement points beside the cells: warmth of contacts, connectors and balancing boards, taps, cell monitors.

A contact, a connector or a board is one thermal node that follows its heat with a time constant. The cell monitors
drop frames that a fault corrupts, repeats or loses, count them, and compare their main reading of each cell with a
redundant one, which is right.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ionward._compile import njit
from ionward.image.inputs import CHANNEL
from ionward.twin.noise import Integers, next_integer
from ionward.twin.rows import (
    CELLS,
    COOLING_LIQUID,
    COOLING_NONE,
    FAULT_LOST,
    FAULT_NAN,
    KON,
    MAIN_NEGATIVE,
    MAIN_POSITIVE,
    MOD,
    OUT,
    PRECHARGE,
    SENSE,
    SET,
    STATE,
)
from ionward.twin.sensors import EARLY_S

Array = npt.NDArray[np.float64]

TURNS_FROM = 0.01  # demand at which a pump or fan begins to turn
LARGEST_INTEGER = 2147483562.0  # of the generator of random numbers


@njit
def warm_points(contactors: Array, settings: Array, state: Array, dt_s: float) -> None:
    """One thermal step of contacts and connectors, with the current's square over it."""
    square_a2 = state[STATE.square_a2s] / dt_s
    state[STATE.square_a2s] = 0.0
    share = 1.0 - math.exp(-dt_s / settings[SET.point_s])
    ambient_c = state[STATE.ambient_c]
    for k in (MAIN_POSITIVE, MAIN_NEGATIVE):
        for temperature, factor, rise in (
            (KON.contact_c, KON.contact_factor, SET.contact_k_per_a2),
            (KON.joint_c, KON.joint_factor, SET.joint_k_per_a2),
        ):
            settled_c = ambient_c + settings[rise] * contactors[factor, k] * square_a2
            contactors[temperature, k] += share * (settled_c - contactors[temperature, k])


@njit
def warm_boards(cells: Array, modules: Array, settings: Array, dt_s: float) -> None:
    """One thermal step of each module's balancing board: from its cells' temperature, by the bleed resistors' heat."""
    share = 1.0 - math.exp(-dt_s / settings[SET.board_s])
    surface, voltage, bleed, module = (
        cells[CELLS.surface_c],
        cells[CELLS.voltage_v],
        cells[CELLS.bleed_s],
        cells[CELLS.module],
    )
    n, k = surface.shape[0], 0
    while k < n:
        m, first = int(module[k]), k
        around_c, heat_w = 0.0, modules[MOD.board_heat_w, m]
        while k < n and int(module[k]) == m:
            around_c += surface[k]
            heat_w += voltage[k] * voltage[k] * bleed[k]
            k += 1
        settled_c = around_c / (k - first) + settings[SET.board_k_per_w] * heat_w
        modules[MOD.board_c, m] += share * (settled_c - modules[MOD.board_c, m])


@njit
def bad_contacts_ohm(contactors: Array, settings: Array) -> float:
    """What contacts and connectors that are not good add to the path."""
    ohm = 0.0
    for k in (MAIN_POSITIVE, MAIN_NEGATIVE):
        ohm += settings[SET.contactor_ohm] * (contactors[KON.contact_factor, k] - 1.0)
        ohm += settings[SET.joint_ohm] * (contactors[KON.joint_factor, k] - 1.0)
    return ohm


@njit
def look_at_points(
    contactors: Array, modules: Array, settings: Array, state: Array, outputs: Array, sensors: Array, truth: Array
) -> None:
    """What the sensors of the measurement points could see now: their rows of `truth` `[channel]`."""
    truth[CHANNEL.contactor_positive_c] = contactors[KON.contact_c, MAIN_POSITIVE]
    truth[CHANNEL.contactor_negative_c] = contactors[KON.contact_c, MAIN_NEGATIVE]
    truth[CHANNEL.connector_positive_c] = contactors[KON.joint_c, MAIN_POSITIVE]
    truth[CHANNEL.connector_negative_c] = contactors[KON.joint_c, MAIN_NEGATIVE]
    hottest_c = modules[MOD.board_c, 0]
    for m in range(1, modules.shape[1]):
        hottest_c = max(hottest_c, modules[MOD.board_c, m])
    truth[CHANNEL.balancing_board_c] = hottest_c
    truth[CHANNEL.cooling_running] = cooling_turns(settings, state, outputs)
    truth[CHANNEL.pyrofuse_intact] = 1.0 - state[STATE.pyrofuse_fired]
    for channel, errors in (
        (CHANNEL.monitor_crc_errors, state[STATE.crc_errors]),
        (CHANNEL.monitor_sequence_errors, state[STATE.sequence_errors]),
    ):
        truth[channel] = errors % (sensors[SENSE.maximum, channel] + 1.0)  # the counter begins again
    look_at_taps(contactors, settings, state, truth)


@njit
def cooling_turns(settings: Array, state: Array, outputs: Array) -> float:
    """1 while the pump, or without coolant the fan, turns."""
    if settings[SET.cooling] == COOLING_NONE:
        return 0.0
    demand = outputs[OUT.pump] if settings[SET.cooling] == COOLING_LIQUID else outputs[OUT.fan]
    return 1.0 if demand * state[STATE.flow_factor] >= TURNS_FROM else 0.0


@njit
def look_at_taps(contactors: Array, settings: Array, state: Array, truth: Array) -> None:
    """Voltages at the taps across the main contactors, each measured by a divider that is connected in its turn.

    Over a closed contact a tap stands at the pack's voltage, less what the contact drops. Over an open one it sees the
    bus, as long as the other side connects the bus to the battery. Else the divider pulls it to nothing. The precharge
    resistor is nothing against the divider.
    """
    positive, negative = contactors[KON.closed, MAIN_POSITIVE] > 0.0, contactors[KON.closed, MAIN_NEGATIVE] > 0.0
    precharge = contactors[KON.closed, PRECHARGE] > 0.0
    pack_v, bus_v = state[STATE.pack_voltage_v], state[STATE.bus_voltage_v]
    drop_v = settings[SET.contactor_ohm] * state[STATE.current_a]
    at_positive_v = at_negative_v = 0.0
    if positive:
        at_positive_v = pack_v + drop_v * contactors[KON.contact_factor, MAIN_POSITIVE]
    elif negative:
        at_positive_v = bus_v
    elif precharge:
        at_positive_v = pack_v
    if negative:
        at_negative_v = pack_v + drop_v * contactors[KON.contact_factor, MAIN_NEGATIVE]
    elif positive or precharge:
        at_negative_v = bus_v
    truth[CHANNEL.positive_tap_v] = at_positive_v
    truth[CHANNEL.negative_tap_v] = at_negative_v


@njit
def drop_frames(
    cells: Array, at: Array, cell_sensors: Array, temperature_sensors: Array, modules: Array, state: Array,
    generator: Integers,
) -> None:  # fmt: skip
    """Decide which frames of the disturbed cell monitors are dropped this time: one of voltages, one of temperatures.

    A frame with a wrong checksum or out of sequence is dropped as a whole and counted, so nothing wrong arrives.
    """
    time_s = state[STATE.time_s]
    due_cells = cell_sensors[SENSE.next_s, 0] <= time_s + EARLY_S
    due_temperatures = temperature_sensors[SENSE.next_s, 0] <= time_s + EARLY_S
    for m in range(modules.shape[1]):
        drop_cells = due_cells and frame_is_dropped(modules, m, state, generator)
        drop_temperatures = due_temperatures and frame_is_dropped(modules, m, state, generator)
        for k in range(cells.shape[1]):
            if int(cells[CELLS.module, k]) == m:
                cell_sensors[SENSE.dropped, k] = 1.0 if drop_cells else 0.0
        for k in range(at.shape[1]):
            if int(cells[CELLS.module, int(at[0, k])]) == m:
                temperature_sensors[SENSE.dropped, k] = 1.0 if drop_temperatures else 0.0


@njit
def frame_is_dropped(modules: Array, m: int, state: Array, generator: Integers) -> bool:
    """Draw whether this frame of a module is dropped, and count it if so."""
    crc, sequence = modules[MOD.crc_share, m], modules[MOD.sequence_share, m]
    if crc + sequence == 0.0:
        return False
    drawn = next_integer(generator) / LARGEST_INTEGER
    if drawn < crc:
        state[STATE.crc_errors] += 1.0
    elif drawn < crc + sequence:
        state[STATE.sequence_errors] += 1.0
    else:
        return False
    return True


@njit
def compare_readings(cells: Array, sensors: Array, truth: Array) -> None:
    """The monitors compare their main and redundant reading of every cell of this sweep."""
    real, last, fault, dropped = cells[CELLS.sense_v], sensors[SENSE.last], sensors[SENSE.fault], sensors[SENSE.dropped]
    low, high = sensors[SENSE.minimum], sensors[SENSE.maximum]  # neither converter reads further
    apart_v = 0.0
    for k in range(real.shape[0]):
        if fault[k] != FAULT_LOST and fault[k] != FAULT_NAN and dropped[k] == 0.0:
            apart_v = max(apart_v, abs(last[k] - min(max(real[k], low[k]), high[k])))
    truth[CHANNEL.monitor_redundancy_v] = apart_v
