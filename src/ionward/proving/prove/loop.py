"""The closed loop of a proof, compiled: battery and BMS tick by tick, and when what happened.

It differs from `closed_loop` in what it notes: the moment from which a fault stands in the battery, its level in the
image, the command to open, and the contacts' truth.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ionward._compile import njit
from ionward.control.entry import call_tick
from ionward.control.tick import Memory
from ionward.image.catalogue import Signal, rows
from ionward.image.inputs import Raw
from ionward.image.layout import Image
from ionward.image.parameters import Parameters
from ionward.image.signals import FAULT, LEVEL_FAULT, OPEN_NONE
from ionward.proving.closed_loop import act
from ionward.proving.prove.invariants import Watchdog, check
from ionward.proving.prove.quantities import NOW, WAY_CHARGE, WAY_DISCHARGE, path_closed, quantity
from ionward.twin.plant import Plant, advance, measure
from ionward.twin.rows import SET, STATE

Array = npt.NDArray[np.float64]

OBSERVED_SIGNALS = (
    # asked
    Signal("fault", "", "Number of the fault"),
    Signal("level", "", "Level that it has to reach"),
    Signal("kind", "", "Quantity by which it stands"),
    Signal("index", "", "Which cell, sensor, … of it"),
    Signal("sign", "", "1: stands above the threshold, -1: below"),
    Signal("threshold", "", "Beyond this the fault stands"),
    Signal("opens", "", "1: the path has to be opened"),
    Signal("way", "", "… to charge (1), to discharge (-1), or as a whole (0)"),
    Signal("settle_s", "s", "Go on for so long after everything has come"),
    # found; NaN: never
    Signal("stands_s", "s", "From when on the fault stood in the battery"),
    Signal("extreme", "", "Farthest value of the quantity"),
    Signal("detected_s", "s", "Its level was reached"),
    Signal("reacted_s", "s", "Opening was commanded"),
    Signal("opened_s", "s", "Since then no current can flow"),
    Signal("other", "", "First other fault at level fault or above, -1 none"),
    Signal("other_s", "s", "When"),
    Signal("highest", "", "Highest level that the fault reached"),
)
OBS = rows("Observed", OBSERVED_SIGNALS)

TRACE_SIGNALS = (
    Signal("time_s", "s", "When"),
    Signal("true", "", "The true quantity"),
    Signal("judged", "", "What the fault's rule judged"),
    Signal("level", "", "Level of the fault"),
    Signal("current_a", "A", "True pack current"),
    Signal("commanded", "", "The path is commanded closed"),
    Signal("closed", "", "The path is closed"),
)
TRACE = rows("Trace", TRACE_SIGNALS)


class Stand(NamedTuple):
    """A battery and its BMS on the test stand."""

    plant: Plant
    raw: Raw
    command: Any
    parameters: Parameters
    image: Image
    memory: Memory


def new_observation() -> Array:
    """Nothing asked, nothing found."""
    obs = np.zeros(len(OBS))
    obs[[OBS.stands_s, OBS.extreme, OBS.detected_s, OBS.reacted_s, OBS.opened_s, OBS.other_s]] = np.nan
    obs[OBS.other] = -1.0
    obs[OBS.settle_s] = 0.3
    return obs


@njit
def commanded_closed(s: Any, one_way: bool, way: int) -> bool:
    """Control wants the path closed (in one direction), and does not fire the pyrofuse."""
    positive = s["main_positive_close"] > 0 or s["precharge_close"] > 0
    negative = s["main_negative_close"] > 0
    closed = positive and negative
    if one_way:
        charge, discharge = negative and way != WAY_DISCHARGE, positive and way != WAY_CHARGE
        closed = charge or discharge
    return bool(closed and s["pyrofuse_fire"] == 0)


@njit
def first(noted_s: float, happens: bool, time_s: float) -> float:
    """The time noted before, or now when it happens for the first time."""
    return time_s if happens and noted_s != noted_s else noted_s


@njit
def stand_truth(obs: Array, plant: Plant, parameters: Parameters, scalars: Any) -> float:
    """Note whether the fault stands in the battery now; its true quantity."""
    kind, sign = int(obs[OBS.kind]), obs[OBS.sign]
    value = quantity(kind, int(obs[OBS.index]), plant, parameters, scalars)
    beyond = kind == NOW or sign * value > sign * obs[OBS.threshold]
    obs[OBS.stands_s] = first(obs[OBS.stands_s], beyond, plant.state[STATE.time_s])
    if value == value and not sign * value <= sign * obs[OBS.extreme]:
        obs[OBS.extreme] = value
    return value


@njit
def note_path(obs: Array, plant: Plant, time_s: float) -> None:
    """Note since when the path has been open; not at all while it is closed."""
    closed = path_closed(plant, int(obs[OBS.way]))
    obs[OBS.opened_s] = np.nan if closed else first(obs[OBS.opened_s], True, time_s)


@njit
def observe(obs: Array, image: Image, one_way: bool, time_s: float) -> None:
    """Note what the BMS made of it in this tick."""
    s, level = image.scalars[0], image.faults[FAULT.level]
    f = int(obs[OBS.fault])
    obs[OBS.highest] = max(obs[OBS.highest], level[f])
    obs[OBS.detected_s] = first(obs[OBS.detected_s], level[f] >= obs[OBS.level], time_s)
    way = int(obs[OBS.way])
    asked = s["open_request"] != OPEN_NONE
    asked = asked or (way == WAY_CHARGE and s["charge_open_request"] > 0)
    asked = asked or (way == WAY_DISCHARGE and s["discharge_open_request"] > 0)
    reacted = asked and not commanded_closed(s, one_way, way)
    obs[OBS.reacted_s] = first(obs[OBS.reacted_s], reacted, time_s)
    if obs[OBS.other] < 0.0:
        for k in range(level.shape[0]):
            if k != f and level[k] >= LEVEL_FAULT:
                obs[OBS.other], obs[OBS.other_s] = k, time_s
                break


@njit
def run_case(address: int, stand: Stand, obs: Array, trace: Array, ticks: int) -> int:
    """Run until everything awaited has come and settled, `ticks` at most; returns the ticks run.

    `trace` `[tick, TRACE]` is filled as far as it goes.
    """
    plant, image = stand.plant, stand.image
    s = image.scalars[0]
    left = -1.0
    one_way, way = plant.settings[SET.one_way] > 0.0, int(obs[OBS.way])
    for k in range(ticks):
        measure(plant, stand.raw)
        time_s = plant.state[STATE.time_s]
        value = stand_truth(obs, plant, stand.parameters, s)
        note_path(obs, plant, time_s)
        call_tick(address, stand.raw, stand.command, stand.parameters, image, stand.memory)
        act(image, plant)
        observe(obs, image, one_way, time_s)
        if k < trace.shape[0]:
            f = int(obs[OBS.fault])
            trace[k, TRACE.time_s], trace[k, TRACE.true] = time_s, value
            trace[k, TRACE.judged], trace[k, TRACE.level] = image.faults[FAULT.value, f], image.faults[FAULT.level, f]
            trace[k, TRACE.current_a] = plant.state[STATE.current_a]
            trace[k, TRACE.commanded] = 1.0 if commanded_closed(s, one_way, way) else 0.0
            trace[k, TRACE.closed] = 1.0 if path_closed(plant, way) else 0.0
        advance(plant)
        came = obs[OBS.stands_s] == obs[OBS.stands_s] and obs[OBS.detected_s] == obs[OBS.detected_s]
        opened = obs[OBS.opens] == 0.0 or not path_closed(plant, way)
        if came and opened:
            left = obs[OBS.settle_s] if left < 0.0 else left - s["dt_s"]
            if left <= 0.0:
                note_path(obs, plant, plant.state[STATE.time_s])
                return k + 1
        else:
            left = -1.0
    return ticks


@njit
def run_plain(address: int, stand: Stand, ticks: int) -> None:
    """Some ticks without looking."""
    for _ in range(ticks):
        measure(stand.plant, stand.raw)
        call_tick(address, stand.raw, stand.command, stand.parameters, stand.image, stand.memory)
        act(stand.image, stand.plant)
        advance(stand.plant)


@njit
def run_guarded_ticks(address: int, stand: Stand, dog: Watchdog, ticks: int) -> None:
    """Some ticks, with every invariant checked after each of them."""
    for _ in range(ticks):
        measure(stand.plant, stand.raw)
        call_tick(address, stand.raw, stand.command, stand.parameters, stand.image, stand.memory)
        act(stand.image, stand.plant)
        advance(stand.plant)
        check(dog, stand.plant, stand.image, stand.command)
