"""A BMU that is one of several on a common bus: what it tells the others of its pack, and what follows for its command.

`step_site` is called in each cycle before the tick, by simulation and real-time loop alike. It makes this pack's facts
from the image of the last tick, lets `peers.unit` decide, and writes into the command of this tick whether the pack
may close. That is all that the others can do: the sequence judges by its own measurements, and protection never asks.

Beside the plan of the peers, which compares the cells of all packs, the current that the *measured* bus would drive
through the pack's own resistance is looked at here: a plan made from wrong facts ends there. Meets SR-241.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ionward._compile import njit
from ionward.control.contactors import usable
from ionward.control.disconnect import SMALL_SHARE
from ionward.image.catalogue import Signal, record
from ionward.image.inputs import CHANNEL
from ionward.image.layout import Image
from ionward.image.parameters import MEASURE, Parameters
from ionward.image.signals import (
    CELL,
    HOLD_BUS_FROZEN,
    HOLD_BUS_LIVE,
    HOLD_PEERS,
    STATE_CLOSING,
    STATE_CONNECTED,
    STATE_OPENING,
    STATE_PRECHARGE,
    STATE_STANDBY,
    WAIT_APART,
    WAIT_BUS_DEAD,
    WAIT_INTO,
    WAIT_MAJORITY,
    WAIT_NAME,
    WAIT_NONE,
    WAIT_OUT,
    WAIT_OUT_OF,
    WAIT_READY,
    WAIT_REST,
    WAIT_ROLE,
)
from ionward.peers.joining import INTENT_CHARGE, INTENT_DISCHARGE, INTENT_NONE
from ionward.peers.share import allowed
from ionward.peers.turns import follow_try, follow_wait, leaves, may_open, rests
from ionward.peers.unit import PeerState, step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ionward.battery.system import System

SITE_WISH_RECORD = record(
    (
        Signal("connect", "", "The site is to be connected", "i8", 0, 1, ("disconnect", "connect")),
        Signal("purpose", "", "What for", "i8", 0, 1, ("drive", "charge")),
        Signal("intent", "", "Which pack goes first; none: as the purpose says", "i8", 0, 2,
               ("none", "charge", "discharge")),
        Signal("leave", "", "This pack is to be taken out, for maintenance", "i8", 0, 1, ("no", "yes")),
    )
)  # fmt: skip


def new_site_wish() -> Any:
    """A record of length 1 that wishes nothing."""
    return np.zeros(1, SITE_WISH_RECORD)


def pack_setup(system: System, cable_ohm: float) -> dict[str, Any]:
    """What `peers.unit.new_state` is told of this unit's own pack.

    `way_ohm`: from its cells to the bus as the description has it: joints and cable (contactors and fuse add some
    tenths of a milliohm). `tolerance_v`: how far its two voltage sensors may differ.
    """
    joints_ohm = system.topology.busbar_resistance_ohm * system.topology.series
    sensors = system.sensors
    return {
        "way_ohm": joints_ohm + cable_ohm,
        "tolerance_v": sensors.pack_voltage.tolerance + sensors.bus_voltage.tolerance,
    }


def release_us(systems: Iterable[System]) -> int:
    """How long after the last look at the role of closing the contactors of any of these packs are open for certain: a
    cycle, the life of the enables (for a unit that froze), and the time after which a contactor counts as stuck.
    """
    # A running BMS need not load what reads descriptions.
    from ionward.image.guard_limits import expiry_s

    return round(1e6 * max(s.cycle.period_s + expiry_s(s) + s.contactors.open_timeout_s for s in systems))


@njit
def step_site(
    state: PeerState, own: Any, image: Image, parameters: Parameters, command: Any, wish: Any, now_us: int
) -> None:
    """One cycle of a unit among its peers, before its tick.

    Args:
        state: what the unit knows of its site. Messages that came in have been taken (`peers.unit.take`).
        own: `OWN_RECORD` of length 1, written.
        image: of the last tick.
        parameters: of the pack.
        command: `COMMAND_RECORD` of length 1; `connect`, `purpose` and the fields of the site are written.
        wish: `SITE_WISH_RECORD` of length 1.
        now_us: the unit's clock.

    Meets SR-240, SR-242.
    """
    setup, turn, decision, me = state.setup[0], state.turn[0], state.decision[0], state.unit[0]["me"]
    o, w, c, s = own[0], wish[0], command[0], image.scalars[0]
    own_facts(state, own, image, parameters, wish)
    asked_out = w["leave"] == 1
    leaving = leaves(turn, state.facts, state.peers, me, asked_out and o["connected"] == 1, now_us)
    if o["connected"] == 1 and (leaving or w["connect"] != 1 or s["state"] == STATE_OPENING):
        o["leaving"] = 1

    apart_v = measured_apart_v(image)
    flow_a = -apart_v / o["resistance_ohm"] if o["resistance_ohm"] > 0.0 else math.nan
    follow_try(turn, o["connected"], o["closing"], apart_v, flow_a, now_us)
    follow_wait(turn, w["connect"] == 1 and not asked_out, o["connected"], setup["join_timeout_us"], now_us)
    dead = bus_is_dead(image, parameters)
    if o["closing"] == 0:
        turn["onto_live"] = 1 if not dead and c["bus_free"] != 1 else 0
    refusal = WAIT_NONE
    if o["connected"] == 0 and dead and decision["connected"] != 0:
        refusal = WAIT_BUS_DEAD
    elif o["connected"] == 0 and turn["onto_live"] == 1:
        refusal = too_much(own, image, setup["join_share"], setup["tolerance_v"])
    if refusal != WAIT_NONE:
        o["apart"] = 1
    resting = rests(turn, now_us)
    if resting and o["connected"] == 0:
        o["ready"] = 0
    step(state, o, now_us)

    may_close = decision["may_close"] == 1 and o["ready"] == 1 and refusal == WAIT_NONE
    turn["had_role"] = 1 if may_close and (o["closing"] == 0 or turn["had_role"] == 1) else 0
    out = asked_out and (o["connected"] == 0 or may_open(turn, s["current_a"], small_a(parameters), now_us))
    c["site"] = 1
    c["connect"] = 1 if w["connect"] == 1 and not out else 0
    c["purpose"] = w["purpose"]
    c["may_close"] = 1 if may_close else 0
    c["bus_free"] = 1 if decision["everybody"] == 1 and decision["connected"] == 0 else 0
    c["site_reason"] = WAIT_NONE
    if o["connected"] == 0 and not may_close:
        c["site_reason"] = why_it_waits(state, asked_out, resting, refusal)


@njit
def own_facts(state: PeerState, own: Any, image: Image, parameters: Parameters, wish: Any) -> None:
    """Write this unit's record from the image of the last tick.

    The voltage without current is made from each new sweep of the cells and the current at that moment, so that it is
    as accurate as the cells. With open contactors no current flows, whatever its sensor reads. The resistance is the
    ohmic one, and the voltage over the slower parts of the model counts as the pack's own: so both hold for the
    current that flows at once when contactors close.
    """
    turn, o, w, s = state.turn[0], own[0], wish[0], image.scalars[0]
    cells_ohm = 0.0
    for k in range(image.cells.shape[1]):
        cells_ohm += image.cells[CELL.resistance_ohm, k]
    connected = is_connected(image, parameters)
    if s["cell_samples"] != turn["cell_samples"] or math.isnan(turn["emf_v"]):
        turn["cell_samples"] = s["cell_samples"]
        turn["emf_v"] = s["cell_voltage_sum_v"] - (cells_ohm * s["current_a"] if connected else 0.0)
    if math.isnan(s["cell_voltage_sum_v"]):
        turn["emf_v"] = math.nan
    o["emf_v"], o["resistance_ohm"] = turn["emf_v"], cells_ohm + state.setup[0]["way_ohm"]
    o["bus_v"] = usable(image.channels, CHANNEL.bus_voltage_v)
    o["current_a"] = s["current_a"] if connected else 0.0
    o["charge_limit_a"], o["discharge_limit_a"] = s["charge_limit_a"], s["discharge_limit_a"]
    o["soc"], o["soh"], o["energy_wh"] = s["soc"], s["soh"], s["remaining_energy_wh"]
    o["state"] = s["state"]
    wants = w["connect"] == 1 and w["leave"] == 0
    differs = s["state_reason"] == HOLD_BUS_LIVE or s["state_reason"] == HOLD_BUS_FROZEN
    waits = s["state"] == STATE_STANDBY and (s["state_reason"] >= HOLD_PEERS or differs)
    trying = s["state"] == STATE_PRECHARGE or s["state"] == STATE_CLOSING
    # A try that was given up lasts until its contacts are proven open.
    closing = not connected and (trying or (s["state"] == STATE_OPENING and turn["closing"] == 1))
    o["connected"], o["closing"] = 1 if connected else 0, 1 if closing else 0
    o["ready"] = 1 if wants and (waits or closing or s["state"] == STATE_CONNECTED) else 0
    o["apart"] = 1 if waits and differs else 0
    o["leaving"] = 0
    intent = w["intent"]
    if intent == INTENT_NONE:
        intent = INTENT_CHARGE if w["purpose"] == 1 else INTENT_DISCHARGE
    o["intent"] = intent if wants else INTENT_NONE


@njit
def is_connected(image: Image, parameters: Parameters) -> bool:
    """Current can flow between cells and bus: both feedback contacts say closed; without them, the sequence does."""
    s, channels = image.scalars[0], image.channels
    fitted = parameters.channel_limits[MEASURE.fitted]
    if fitted[CHANNEL.main_positive_closed] == 1.0 and fitted[CHANNEL.main_negative_closed] == 1.0:
        positive = usable(channels, CHANNEL.main_positive_closed)
        negative = usable(channels, CHANNEL.main_negative_closed)
        if not (math.isnan(positive) or math.isnan(negative)):
            return bool(positive > 0.5 and negative > 0.5)
    driven = s["main_positive_close"] == 1 and s["main_negative_close"] == 1
    return bool(driven and (s["state"] == STATE_CONNECTED or s["state"] == STATE_OPENING))


@njit
def measured_apart_v(image: Image) -> float:
    """Pack less bus voltage by the pack's own two sensors; the sum of the cells stands in for the pack's."""
    pack_v = usable(image.channels, CHANNEL.pack_voltage_v)
    if math.isnan(pack_v):
        pack_v = image.scalars[0]["cell_voltage_sum_v"]
    return pack_v - usable(image.channels, CHANNEL.bus_voltage_v)


@njit
def bus_is_dead(image: Image, parameters: Parameters) -> bool:
    """By its own sensor. An unknown voltage is not dead."""
    return bool(abs(usable(image.channels, CHANNEL.bus_voltage_v)) < parameters.scalars[0]["bus_dead_v"])


@njit
def too_much(own: Any, image: Image, share: float, tolerance_v: float) -> int:
    """Would the live bus drive more through the pack than its share of its limits? By its own sensors, and by the sum
    of its cells; either may be wrong by the tolerance. An unknown current is too much.
    """
    o = own[0]
    for source in range(2):
        apart_v = measured_apart_v(image) if source == 0 else o["emf_v"] - o["bus_v"]
        flow_a = max(abs(apart_v) - tolerance_v, 0.0) / o["resistance_ohm"] if o["resistance_ohm"] > 0.0 else math.nan
        out_of = apart_v > 0.0
        if not flow_a <= share * allowed(o["discharge_limit_a"] if out_of else o["charge_limit_a"]):
            return WAIT_OUT_OF if out_of else WAIT_INTO
    return WAIT_NONE


@njit
def small_a(parameters: Parameters) -> float:
    """A current that a contactor opens without an arc worth mentioning, as the sequence has it."""
    p = parameters.scalars[0]
    return float(max(SMALL_SHARE * p["discharge_current_max_a"], 3.0 * p["current_noise_a"]))


@njit
def why_it_waits(state: PeerState, asked_out: bool, resting: bool, refusal: int) -> int:
    """The first reason of `SITE_REASONS` that a person can do something about."""
    decision, planned = state.decision[0], state.reasons[state.unit[0]["me"]]
    if asked_out:
        return WAIT_OUT
    if decision["isolated"] != 0:
        return WAIT_NAME
    if decision["majority"] == 0:
        return WAIT_MAJORITY
    if resting:
        return WAIT_REST
    if refusal != WAIT_NONE:
        return refusal
    by_itself = planned == WAIT_READY or planned == WAIT_APART  # what is in its own way, its sequence says
    if planned != WAIT_NONE and not by_itself:
        return int(planned)
    return WAIT_ROLE
