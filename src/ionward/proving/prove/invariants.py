"""What must never happen, whatever fails: checked after every tick, on the true battery and on the image.

A violation is noted once for each invariant, with its time, place and value; the run goes on. What is excused, and
why, stands with each check: where it is not excused, it counts, whoever is to blame.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ionward._compile import njit
from ionward.image.catalogue import Signal, rows
from ionward.image.faults import FAULTS
from ionward.image.inputs import CHANNEL
from ionward.image.layout import Image
from ionward.image.signals import FAULT, LEVEL_CRITICAL, LEVEL_FAULT, LEVEL_NONE
from ionward.proving.prove.quantities import WAY_ANY, WAY_CHARGE, WAY_DISCHARGE, path_closed
from ionward.twin.plant import Plant
from ionward.twin.rows import (
    CELLS,
    FAULT_DRIFT,
    FAULT_GAIN,
    FAULT_LOST,
    FAULT_NAN,
    FAULT_NONE,
    FAULT_OFFSET,
    KON,
    MAIN_NEGATIVE,
    MAIN_POSITIVE,
    OUT,
    PRECHARGE,
    SENSE,
    SET,
    STATE,
)

Array = npt.NDArray[np.float64]

INVARIANT_SIGNALS = (
    Signal("cell_overvoltage", "V", "a cell above its limit for longer than its FTTI with the contactors closed"),
    Signal("cell_undervoltage", "V", "a cell below its limit for longer than its FTTI with the contactors closed"),
    Signal("overtemperature", "°C", "hotter than its limit for longer than its FTTI with the contactors closed"),
    Signal("undertemperature", "°C", "colder than its limit for longer than its FTTI with the contactors closed"),
    Signal("mismatched_closing", "V", "closed onto a bus that does not match the pack"),
    Signal("broken_above_capability", "A", "a contactor opened above the current that it can break"),
    Signal("pyrofuse_unfounded", "A", "the pyrofuse was fired without both of its conditions"),
    Signal("limit_above_rating", "A", "a published limit above what the pack or one of its cells allows"),
    Signal("latch_lost", "", "a latched fault was forgotten without an acknowledgement"),
    Signal("closed_in_spite_of_fault", "", "contactors newly closed while a fault stood or was latched"),
)
INVARIANT = rows("Invariants", INVARIANT_SIGNALS)
FOUND = rows(
    "Found",
    (
        Signal("time_s", "s", "First time of a violation; NaN: none"),
        Signal("place", "", "Cell, sensor, contactor, limit or fault, -1 none"),
        Signal("value", "", "How far"),
    ),
)
BOUND_SIGNALS = (
    Signal("cell_high_v", "V", "Level at which the contactors have to open, and the sensor's tolerance"),
    Signal("cell_high_s", "s", "FTTI"),
    Signal("cell_low_v", "V", "As above"),
    Signal("cell_low_s", "s", "FTTI"),
    Signal("hot_c", "°C", "As above"),
    Signal("hot_s", "s", "FTTI"),
    Signal("cold_c", "°C", "As above"),
    Signal("cold_s", "s", "FTTI"),
    Signal("match_v", "V", "Bus and pack may differ by this when the path closes"),
    Signal("unseen_s", "s", "A bus that leaves may go unseen for this: a sample of its sensor, and two ticks"),
    Signal("dead_v", "V", "Without precharge the bus may be below this"),
    Signal("pyrofuse_charge_a", "A", "The pyrofuse is for charge currents that neither contactor can break"),
    Signal("pyrofuse_discharge_a", "A", "... and discharge currents; sensors' tolerance allowed for"),
    Signal("pyrofuse_memory_s", "s", "… within this time before it is fired"),
    Signal("pyrofuse_on_crash", "", "A crash fires it, whatever the current"),
    Signal("charge_a", "A", "Rated charge current"),
    Signal("discharge_a", "A", "Rated discharge current"),
    Signal("charge_pulse_a", "A", "Rated pulse"),
    Signal("discharge_pulse_a", "A", "Rated pulse"),
    Signal("has_contactors", "", "The pack switches its own contactors"),
)
BOUND = rows("Bounds", BOUND_SIGNALS)
PAST = rows(
    "Past",
    (
        Signal("time_s", "s", "Time of the last check"),
        Signal("main_closed", "", "Both main contacts were closed"),
        Signal("positive_matched_s", "s", "How long the bus fitted the positive contact when it did last"),
        Signal("positive_left_s", "s", "For how long it has not since"),
        Signal("negative_matched_s", "s", "… the one-way switch that blocks charge"),
        Signal("negative_left_s", "s", "… for how long not"),
        Signal("apart_v", "V", "Bus and pack differed by this before the last step"),
        Signal("bus_v", "V", "Bus voltage before the last step"),
        Signal("current_a", "A", "Current before the last step, without its sign"),
        Signal("breaks", "", "Contacts that broke too much so far"),
        Signal("fired", "", "The pyrofuse was commanded"),
        Signal("large_s", "s", "When the current was last large enough for the pyrofuse"),
        Signal("driven", "", "Some coil was wanted closed"),
        Signal("acknowledge_count", "", "Acknowledgements seen"),
        Signal("positive_welded", "", "The positive contact was welded before"),
        Signal("negative_welded", "", "The negative contact was welded before"),
        Signal("positive_closed", "", "The positive contact was closed"),
        Signal("negative_closed", "", "The negative contact was closed"),
        Signal("charge_driven", "", "The coil that lets charge through was wanted closed"),
        Signal("discharge_driven", "", "A coil that lets discharge through was wanted closed"),
    ),
)
TOLERANCE_A = 1e-6


class Watchdog(NamedTuple):
    """`bounds` `[BOUND]`; `found` `[FOUND, INVARIANT]`; `past` `[PAST]`; how long cells and sensors have been beyond
    `[2 (high, low), item]`; `latched` `[fault]` as of the last tick; `blocks` `[2 (charge, discharge), fault]`."""

    bounds: Array
    found: Array
    past: Array
    cells_s: Array
    sensors_s: Array
    latched: Array
    blocks: Array


def new_watchdog(bounds: Array, cells: int, sensors: int, faults: int) -> Watchdog:
    """Nothing found yet."""
    found = np.full((len(FOUND), len(INVARIANT)), np.nan)
    past = np.zeros(len(PAST))
    past[PAST.large_s] = -np.inf
    past[PAST.time_s] = np.nan
    blocks = np.array([[f.blocks in (way, "both") for f in FAULTS] for way in ("charge", "discharge")], dtype=float)
    return Watchdog(bounds, found, past, np.zeros((2, cells)), np.zeros((2, sensors)), np.zeros(faults), blocks)


@njit
def note(dog: Watchdog, invariant: int, time_s: float, place: float, value: float) -> None:
    """Note the first violation of an invariant."""
    if dog.found[FOUND.time_s, invariant] != dog.found[FOUND.time_s, invariant]:
        dog.found[FOUND.time_s, invariant] = time_s
        dog.found[FOUND.place, invariant] = place
        dog.found[FOUND.value, invariant] = value


@njit
def falsified(sensors: Array, k: int) -> bool:
    """The sensor says something else than the truth. One that says nothing is no such sensor: its silence is seen."""
    fault = sensors[SENSE.fault, k]
    return bool(fault != FAULT_NONE and fault != FAULT_LOST and fault != FAULT_NAN)


@njit
def is_off(plant: Plant, channel: int) -> bool:
    """The sensor follows the truth, at a distance that is constant or grows, or by a share too much."""
    fault = plant.channel_sensors[SENSE.fault, channel]
    return bool(fault in (FAULT_OFFSET, FAULT_GAIN, FAULT_DRIFT))


@njit
def cannot_open(plant: Plant, way: int) -> bool:
    """Nothing that the BMS could do opens this path: no pyrofuse, and welded at both poles, or in the one switch that
    blocks a direction alone.
    """
    welded = plant.contactors[KON.welded]
    positive, negative = welded[MAIN_POSITIVE] > 0.0 or welded[PRECHARGE] > 0.0, welded[MAIN_NEGATIVE] > 0.0
    stays = positive and negative
    if plant.settings[SET.one_way] > 0.0:
        stays = (negative and way != WAY_DISCHARGE) or (positive and way != WAY_CHARGE)
    return bool(stays and plant.settings[SET.has_pyrofuse] == 0.0)


@njit
def judged_ways(plant: Plant, has_contactors: bool) -> tuple[bool, bool, bool]:
    """Whether charge, discharge, or any current can flow although the BMS could open the path."""
    charge = path_closed(plant, WAY_CHARGE) and not cannot_open(plant, WAY_CHARGE)
    discharge = path_closed(plant, WAY_DISCHARGE) and not cannot_open(plant, WAY_DISCHARGE)
    either = path_closed(plant) and not cannot_open(plant, WAY_ANY)
    return has_contactors and charge, has_contactors and discharge, has_contactors and either


@njit
def check_values(dog: Watchdog, plant: Plant, dt_s: float, time_s: float) -> None:
    """Cells and temperatures beyond the level at which the contactors have to open, while they are closed: full cells
    while they can be charged, empty ones while they can be discharged.

    Excused: a value whose only sensor is falsified at this moment (a second, independent fault that hides the first),
    a path that cannot be opened, and temperatures where no sensor sits.
    """
    b = dog.bounds
    charged, discharged, judged = judged_ways(plant, b[BOUND.has_contactors] > 0.0)
    voltage, sensors = plant.cells[CELLS.voltage_v], plant.cell_sensors
    for k in range(voltage.shape[0]):
        seen = not falsified(sensors, k)
        high = charged and seen and voltage[k] > b[BOUND.cell_high_v]
        low = discharged and seen and voltage[k] < b[BOUND.cell_low_v]
        dog.cells_s[0, k] = dog.cells_s[0, k] + dt_s if high else 0.0
        dog.cells_s[1, k] = dog.cells_s[1, k] + dt_s if low else 0.0
        if dog.cells_s[0, k] > b[BOUND.cell_high_s]:
            note(dog, INVARIANT.cell_overvoltage, time_s, k, voltage[k])
        if dog.cells_s[1, k] > b[BOUND.cell_low_s]:
            note(dog, INVARIANT.cell_undervoltage, time_s, k, voltage[k])
    warm, sensors = plant.temperature_truth, plant.temperature_sensors
    for k in range(warm.shape[0]):
        seen = judged and sensors[SENSE.fitted, k] > 0.0 and not falsified(sensors, k)
        hot = seen and warm[k] > b[BOUND.hot_c]
        cold = seen and warm[k] < b[BOUND.cold_c]
        dog.sensors_s[0, k] = dog.sensors_s[0, k] + dt_s if hot else 0.0
        dog.sensors_s[1, k] = dog.sensors_s[1, k] + dt_s if cold else 0.0
        if dog.sensors_s[0, k] > b[BOUND.hot_s]:
            note(dog, INVARIANT.overtemperature, time_s, k, warm[k])
        if dog.sensors_s[1, k] > b[BOUND.cold_s]:
            note(dog, INVARIANT.undertemperature, time_s, k, warm[k])


@njit
def follow_bus(past: Array, matched: int, left: int, fits: bool, dt_s: float) -> None:
    """How long the bus has fitted a contact, and for how long it has not since."""
    if not fits:
        past[left] += dt_s
    else:
        past[matched] = dt_s + (past[matched] if past[left] == 0.0 else 0.0)
        past[left] = 0.0


@njit
def is_apart(left_s: float, matched_s: float, unseen_s: float) -> bool:
    """The bus does not fit, and not only since its last sample."""
    return bool(left_s > 0.0 and not left_s <= unseen_s <= matched_s)


@njit
def check_switching(dog: Watchdog, plant: Plant, dt_s: float, time_s: float) -> None:
    """Closing onto a bus that does not match, and opening above what a contact can break in this direction.

    A one-way switch may close onto a bus to which nothing can flow: discharge onto one above, charge onto one below.

    Excused: a positive contact that was welded before, on which the negative one has to be closed to find it out; a
    contact that chatters, which falls off and closes by itself; a path in which a fuse is open, so that nothing is
    joined; a sensor of the bus that is off by a constant, a share or a drift, which nothing can tell while it is apart
    (one that stands still can be told, and is not excused; that of the pack has the cells beside it); and a bus that
    stood at the pack's voltage and has left it since its last sample, with the contact on its way.
    """
    b, past, state = dog.bounds, dog.past, plant.state
    closed, chatters = plant.contactors[KON.closed], plant.contactors[KON.chatters_s]
    main = closed[MAIN_POSITIVE] > 0.0 and closed[MAIN_NEGATIVE] > 0.0
    by_itself = chatters[MAIN_POSITIVE] > 0.0 or chatters[MAIN_NEGATIVE] > 0.0
    fuse_open = state[STATE.fuse_blown] > 0.0 or state[STATE.pyrofuse_fired] > 0.0
    off = is_off(plant, CHANNEL.bus_voltage_v)
    one_way = plant.settings[SET.one_way] > 0.0
    positive, negative = closed[MAIN_POSITIVE] > 0.0, closed[MAIN_NEGATIVE] > 0.0
    if not (by_itself or fuse_open or off) and b[BOUND.has_contactors] > 0.0:
        newly = positive and past[PAST.positive_closed] == 0.0 if one_way else main and past[PAST.main_closed] == 0.0
        dead = abs(past[PAST.bus_v]) < b[BOUND.dead_v]
        apart = is_apart(past[PAST.positive_left_s], past[PAST.positive_matched_s], b[BOUND.unseen_s])
        if newly and apart and not dead and past[PAST.positive_welded] == 0.0:
            note(dog, INVARIANT.mismatched_closing, time_s, MAIN_POSITIVE, past[PAST.apart_v])
        newly = one_way and negative and past[PAST.negative_closed] == 0.0
        apart = is_apart(past[PAST.negative_left_s], past[PAST.negative_matched_s], b[BOUND.unseen_s])
        if newly and apart and past[PAST.negative_welded] == 0.0:
            note(dog, INVARIANT.mismatched_closing, time_s, MAIN_NEGATIVE, past[PAST.apart_v])
    past[PAST.main_closed] = 1.0 if main else 0.0
    past[PAST.positive_closed], past[PAST.negative_closed] = 1.0 if positive else 0.0, 1.0 if negative else 0.0
    past[PAST.positive_welded] = plant.contactors[KON.welded, MAIN_POSITIVE]
    past[PAST.negative_welded] = plant.contactors[KON.welded, MAIN_NEGATIVE]
    above_v = state[STATE.bus_voltage_v] - state[STATE.emf_v]
    past[PAST.apart_v] = abs(above_v)
    if one_way:
        most_v = b[BOUND.match_v] + plant.settings[SET.diode_v]
        follow_bus(past, PAST.positive_matched_s, PAST.positive_left_s, above_v >= -most_v, dt_s)
        follow_bus(past, PAST.negative_matched_s, PAST.negative_left_s, above_v <= most_v, dt_s)
    else:
        fits = abs(above_v) <= b[BOUND.match_v]
        follow_bus(past, PAST.positive_matched_s, PAST.positive_left_s, fits, dt_s)
    past[PAST.bus_v] = state[STATE.bus_voltage_v]
    breaks = 0.0
    worst = -1
    for k in range(closed.shape[0]):
        breaks += plant.contactors[KON.breaks, k]
        if plant.contactors[KON.breaks, k] > 0.0:
            worst = k
    if breaks > past[PAST.breaks]:
        note(dog, INVARIANT.broken_above_capability, time_s, worst, past[PAST.current_a])
    past[PAST.breaks], past[PAST.current_a] = breaks, abs(state[STATE.current_a])


@njit
def check_pyrofuse(dog: Watchdog, plant: Plant, image: Image, time_s: float) -> None:
    """It is fired on a fault that is critical, or that should have opened by now, and a current that neither contactor
    can break; never on one of the two alone.
    """
    b, past, state = dog.bounds, dog.past, plant.state
    bound_a = b[BOUND.pyrofuse_charge_a if state[STATE.current_mean_a] > 0.0 else BOUND.pyrofuse_discharge_a]
    if max(state[STATE.current_peak_a], abs(state[STATE.current_a])) >= bound_a:
        past[PAST.large_s] = time_s
    fired = plant.outputs[OUT.pyrofuse]
    if fired > 0.0 and past[PAST.fired] == 0.0:
        crashed = b[BOUND.pyrofuse_on_crash] > 0.0 and plant.state[STATE.crash] > 0.0
        recent = crashed or time_s - past[PAST.large_s] <= b[BOUND.pyrofuse_memory_s]
        s = image.scalars[0]
        urgent = s["fault_level"] == LEVEL_CRITICAL or (s["fault_level"] >= LEVEL_FAULT and time_s >= s["open_by_s"])
        if not (recent and urgent):
            note(dog, INVARIANT.pyrofuse_unfounded, time_s, -1.0, abs(plant.state[STATE.current_a]))
    past[PAST.fired] = fired


@njit
def check_limits(dog: Watchdog, image: Image, time_s: float) -> None:
    """Published limits: numbers, never negative, never above the ratings of the pack or of the cell that allows least.

    0 where protection forbids the direction.
    """
    b, s = dog.bounds, image.scalars[0]
    for j in range(4):
        if j == 0:
            value, most, allowed = s["charge_limit_a"], b[BOUND.charge_a], s["charge_allowed"]
        elif j == 1:
            value, most, allowed = s["discharge_limit_a"], b[BOUND.discharge_a], s["discharge_allowed"]
        elif j == 2:
            value, most, allowed = s["charge_limit_pulse_a"], b[BOUND.charge_pulse_a], s["charge_allowed"]
        else:
            value, most, allowed = s["discharge_limit_pulse_a"], b[BOUND.discharge_pulse_a], s["discharge_allowed"]
        if allowed != 1 or s["open_request"] != 0:
            most = 0.0
        if not (value >= 0.0 and value <= most + TOLERANCE_A):
            note(dog, INVARIANT.limit_above_rating, time_s, j, value)


@njit
def check_latches(dog: Watchdog, image: Image, command: Any, one_way: bool, time_s: float) -> None:
    """Latched faults stay until somebody acknowledges, and nothing that one forbids is newly closed while it stands or
    is latched.
    """
    past, s = dog.past, image.scalars[0]
    acknowledged = command[0]["acknowledge_count"] != past[PAST.acknowledge_count]
    past[PAST.acknowledge_count] = command[0]["acknowledge_count"]
    for f in range(dog.latched.shape[0]):
        latched = image.faults[FAULT.latched_level, f]
        if latched < dog.latched[f] and (not acknowledged or latched > LEVEL_NONE):
            note(dog, INVARIANT.latch_lost, time_s, f, latched)
        dog.latched[f] = latched
    charge = s["main_negative_close"] > 0
    discharge = s["main_positive_close"] > 0 or s["precharge_close"] > 0
    if one_way:
        no_charge, no_discharge = forbidden_ways(dog, image)
        newly = (charge and past[PAST.charge_driven] == 0.0 and no_charge) or (
            discharge and past[PAST.discharge_driven] == 0.0 and no_discharge
        )
    else:
        forbidden = s["fault_level"] >= LEVEL_FAULT or s["latched_faults"] > 0
        newly = (charge or discharge) and past[PAST.driven] == 0.0 and forbidden
    if newly:
        note(dog, INVARIANT.closed_in_spite_of_fault, time_s, s["open_fault"], s["fault_level"])
    past[PAST.driven] = 1.0 if charge or discharge else 0.0
    past[PAST.charge_driven], past[PAST.discharge_driven] = 1.0 if charge else 0.0, 1.0 if discharge else 0.0


@njit
def forbidden_ways(dog: Watchdog, image: Image) -> tuple[bool, bool]:
    """Whether the faults that stand or are latched forbid charging, discharging, where switches block one alone.

    Worked out here from the fault table: the direction of the fault at the level fault, else both.
    """
    no_charge = no_discharge = False
    for f in range(image.faults.shape[1]):
        level = max(image.faults[FAULT.level, f], image.faults[FAULT.latched_level, f])
        if level >= LEVEL_FAULT:
            everything = level > LEVEL_FAULT
            no_charge = no_charge or everything or dog.blocks[0, f] > 0.0
            no_discharge = no_discharge or everything or dog.blocks[1, f] > 0.0
    return no_charge, no_discharge


@njit
def check(dog: Watchdog, plant: Plant, image: Image, command: Any) -> None:
    """Check every invariant once, after a tick and what it did to the battery."""
    time_s = plant.state[STATE.time_s]
    past_s = dog.past[PAST.time_s]
    dt_s = time_s - past_s if past_s == past_s else 0.0
    dog.past[PAST.time_s] = time_s
    check_values(dog, plant, dt_s, time_s)
    check_switching(dog, plant, dt_s, time_s)
    check_pyrofuse(dog, plant, image, time_s)
    check_limits(dog, image, time_s)
    check_latches(dog, image, command, plant.settings[SET.one_way] > 0.0, time_s)
