"""How each fault of the catalogue is made to stand in the battery: one row for each way.

Injections change the simulated battery only: never a sample that has left a sensor, never the image, never a rule. How
strong they are follows from the ladder as this pack has it, so that a changed pack file is proven by its own numbers.
The faults that only a broken control or guard can cause are in `guarded`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ionward.battery.system import System
from ionward.image.build import system_size
from ionward.proving.prove import injections_points as points
from ionward.proving.prove import quantities as q
from ionward.proving.prove.ground import (
    HEATING_K_PER_S,
    CannotStandError,
    Ground,
    Standing,
    drive_cell_voltage,
    first_middle_last,
    heat,
)
from ionward.proving.prove.points import ALL, CONNECTED
from ionward.safety.rules import JOINT_OHM
from ionward.twin.faults import CONTACTORS
from ionward.twin.rows import CELLS, KON, SET, STATE

Places = Callable[[System], list[tuple[str, Any]]]

OPENING_LEVELS = ("fault", "critical")
LOADED = ("charge", "discharge")
ROOM = ("standby", "rest", *LOADED)
OF_FLOWING_CURRENT = frozenset({
    "charge_overtemperature", "charge_undertemperature", "discharge_overtemperature", "discharge_undertemperature",
    "charge_overcurrent", "discharge_overcurrent", "charge_overcurrent_pulse", "discharge_overcurrent_pulse",
    "short_circuit", "bus_apart_while_closed",
})  # fmt: skip
# Beyond a threshold in every sample, noise and all.
NOISE_SIGMAS = 3.5
# A refused sample needs a jump: noise of this many greatest steps makes about six in ten of them refused.
NOISE_STEPS = 1.5
REFUSED_SHARE = 0.6
REFUSED_MARGIN = 1.5
_CONTACTS = points.sides("contactor", ("main_positive", "main_negative"))
_JOINTS = points.sides("connector", ("positive", "negative"))


@dataclass(frozen=True)
class Injection:
    """One way in which a fault is made to stand.

    `levels` names those that it can reach (none: every level that opens, or the highest where none does); `opens`
    False: the path cannot be opened or is not to be; `wait_s`: it takes so long at most until it stands.
    """

    fault: str
    words: str
    make: Callable[[Ground, Any], Standing]
    points: tuple[str, ...] = ALL
    places: Places = lambda _: [("pack", None)]
    levels: tuple[str, ...] = ()
    opens: bool | None = None
    wait_s: float = 5.0

    @property
    def while_closed(self) -> bool:
        """The fault stands only while current flows: where another one opens first, it is over."""
        return self.fault in OF_FLOWING_CURRENT


def _cells(system: System) -> list[tuple[str, Any]]:
    return list(first_middle_last(system_size(system).cells, "cell"))


def _sensors(system: System) -> list[tuple[str, Any]]:
    if system.topology.temperature_sensors == 0:
        return []
    return list(first_middle_last(system_size(system).sensors, "temperature sensor"))


def _modules(system: System) -> list[tuple[str, Any]]:
    return list(first_middle_last(system_size(system).modules, "module"))


def _of(*places: str) -> Places:
    return lambda _: [(place.replace("_", " "), place) for place in places]


def _fitted(*names: str) -> Places:
    return lambda system: [(n.replace("_", " "), n) for n in names if getattr(system.sensors, n).fitted]


def _fitted_both_signs(*names: str) -> Places:
    return lambda system: [
        (f"{n.replace('_', ' ')}, reads {word}", (n, sign))
        for n in names
        if getattr(system.sensors, n).fitted
        for sign, word in ((1.0, "high"), (-1.0, "low"))
    ]


def _contactors(system: System) -> list[tuple[str, Any]]:
    return [(name.replace("_", " "), name) for name in CONTACTORS if name != "precharge" or system.precharge.fitted]


def _feedbacks(system: System) -> list[tuple[str, Any]]:
    return _contactors(system) if system.sensors.contactor_feedback.fitted else []


# Cells


def _cell_beyond(g: Ground, cell: int) -> Standing:
    stands, target = g.beyond(g.sensor("cell_voltage").tolerance)
    drive_cell_voltage(g, cell, target, g.sign > 0)
    return Standing(q.CELL_V, cell, stands, g.sign > 0)


def _overcharged(g: Ground, _: None) -> Standing:
    stands, target = g.beyond(g.sensor("cell_voltage").tolerance)
    g.inject("charger_runs_away", None, g.system.series * (target + 0.2))
    return Standing(q.CELL_MAX_V, 0, stands)


def _overdischarged(g: Ground, _: None) -> Standing:
    stands, _target = g.beyond(g.sensor("cell_voltage").tolerance)
    g.ignore_limits()
    return Standing(q.CELL_MIN_V, 0, stands, above=False)


def _cell_apart(g: Ground, cell: int) -> Standing:
    if g.system.series < 2:
        raise CannotStandError("one cell alone has no difference")
    stands, target = g.beyond(2 * g.sensor("cell_voltage").tolerance)
    voltage = g.plant.cells[CELLS.voltage_v]
    low_v = float(np.delete(voltage, cell).max()) - target
    if low_v < 0.1:
        raise CannotStandError("no cell can be so far below the others")
    drive_cell_voltage(g, cell, low_v, above=False)
    return Standing(q.CELL_SPREAD_V, 0, stands)


def _pack_voltage_off(g: Ground, place: tuple[str, float]) -> Standing:
    name, sign = place
    cells = g.system.series
    drop_v = JOINT_OHM * abs(float(g.plant.state[STATE.current_a]))
    each_v = g.level.set + g.margin + 2 * drop_v + g.sensor("cell_voltage").tolerance
    g.inject("sensor_offset", name, sign * (cells * each_v + 1.5 * g.sensor(name).tolerance))
    return Standing()


# Temperatures


def _module_creeps(g: Ground, sensor: int) -> Standing:
    stands, _ = g.beyond(g.sensor("temperature").tolerance)
    heat(g, g.cells_of_module(g.module_of(sensor)), g.sign * HEATING_K_PER_S)
    return Standing(q.SENSOR_C, sensor, stands, g.sign > 0)


def _module_creeps_under_load(g: Ground, sensor: int) -> Standing:
    g.ignore_limits()
    return _module_creeps(g, sensor)


def _module_jumps(g: Ground, sensor: int) -> Standing:
    """As if something burnt beside it: hot through and through, and heated for more than what cooling takes away."""
    stands, target = g.beyond(g.sensor("temperature").tolerance)
    cells, settings, state = g.cells_of_module(g.module_of(sensor)), g.plant.settings, g.plant.state
    coldest_c = min(state[STATE.ambient_c], state[STATE.coolant_inlet_c])
    kept_w = (settings[SET.ambient_w_per_k] + settings[SET.coolant_w_per_k]) * (target - coldest_c)
    heat(g, cells, HEATING_K_PER_S)
    g.plant.cells[CELLS.heat_w, cells] += kept_w
    g.plant.cells[CELLS.surface_c, cells] = target
    g.plant.cells[CELLS.core_c, cells] = target + kept_w / settings[SET.core_surface_w_per_k]
    return Standing(q.SENSOR_C, sensor, stands)


def _module_jumps_under_load(g: Ground, sensor: int) -> Standing:
    g.ignore_limits()
    return _module_jumps(g, sensor)


def _part_of_module_heats(g: Ground, module: int) -> Standing:
    of = [k for k in range(g.system.topology.temperature_sensors) if g.module_of(k) == module]
    if len(of) < 2:
        raise CannotStandError("the module has no two temperature sensors")
    stands, _ = g.beyond(2 * g.sensor("temperature").tolerance)
    at = g.plant.temperature_at
    position = at[0, of] + at[2, of]
    cells = g.cells_of_module(module)
    nearest = np.abs(cells[:, None] - position[None, :]).argmin(axis=1)
    heat(g, cells[nearest == 0], HEATING_K_PER_S)
    return Standing(q.MODULE_SPREAD_K, module, stands)


# Current


def _too_much_current(direction: float) -> Callable[[Ground, None], Standing]:
    def make(g: Ground, _: None) -> Standing:
        stands, target = g.beyond(g.system.sensors.current.tolerance)
        g.ignore_limits()
        g.ask_for(direction * target)
        return Standing(q.CURRENT_A, 0, direction * stands, direction > 0)

    return make


def _bus_shorted(g: Ground, _: None) -> Standing:
    stands, target = g.beyond(g.system.sensors.current.tolerance)
    settings, state = g.plant.settings, g.plant.state
    path_ohm = state[STATE.resistance_ohm] + settings[SET.busbar_ohm] + settings[SET.fuse_ohm]
    path_ohm += 2 * settings[SET.contactor_ohm] * settings[SET.has_contactors]
    ohm = float(state[STATE.emf_v]) / (1.05 * target) - float(path_ohm)
    if ohm <= 0:
        raise CannotStandError(f"the cells cannot give {target:.0f} A here")
    g.inject("bus_short", None, ohm)
    return Standing(q.CURRENT_A, 0, -stands, above=False)


def _current_sensor_off(g: Ground, place: tuple[str, float]) -> Standing:
    name, sign = place
    two = (g.system.sensors.current, g.system.sensors.current_redundant)
    both_a = sum(sensor.tolerance + NOISE_SIGMAS * sensor.noise for sensor in two)
    g.inject("sensor_offset", name, sign * (g.level.set + g.margin + both_a))
    return Standing()


def _current_sensors_off(g: Ground, sign: float) -> Standing:
    for name in ("current", "current_redundant"):
        if g.sensor(name).fitted:
            g.inject("sensor_offset", name, sign * (g.level.set + g.margin + 1.5 * g.sensor(name).tolerance))
    return Standing()


def _welded_and_drawing(g: Ground, _: None) -> Standing:
    asked_a = abs(float(g.plant.state[STATE.current_a]))
    if asked_a <= g.level.set + g.system.sensors.current.tolerance:
        raise CannotStandError("the current of this operating point is not large enough")
    g.ignore_limits()
    for name in ("main_positive", "main_negative"):
        g.inject("contactor_welded", name)
    g.wish(False)
    return Standing(q.NOT_OPENED, CONTACTORS["main_positive"], 0.5)


# High voltage


def _insulation_fails(g: Ground, _: None) -> Standing:
    working_v = g.system.series * g.system.limits.cell_voltage_max_v
    ohm = (g.level.set - g.margin) * working_v - g.sensor("insulation").tolerance
    g.inject("insulation_drop", None, max(ohm, 0.0))
    return Standing()


def _welds_and_is_to_open(g: Ground, name: str) -> Standing:
    g.inject("contactor_welded", name)
    g.wish(False)
    return Standing(q.NOT_OPENED, CONTACTORS[name], 0.5)


def _both_weld(g: Ground, _: None) -> Standing:
    g.inject("contactor_welded", "main_negative")
    return _welds_and_is_to_open(g, "main_positive")


def _precharge_welds(g: Ground, _: None) -> Standing:
    g.inject("contactor_welded", "precharge")
    return Standing(q.NOT_OPENED, CONTACTORS["precharge"], 0.5)


def _does_not_close(g: Ground, name: str) -> Standing:
    g.inject("contactor_stuck_open", name)
    g.wish(True)
    return Standing(q.NOT_CLOSED, CONTACTORS[name], 0.5)


def _drops_out(g: Ground, name: str) -> Standing:
    g.inject("contactor_drops_out", name)
    return Standing(q.NOT_CLOSED, CONTACTORS[name], 0.5)


def _feedback_says_open(g: Ground, name: str) -> Standing:
    if g.plant.contactors[KON.closed, CONTACTORS[name]] == 0.0:
        raise CannotStandError("this contactor is open here")
    g.inject("feedback_stuck", name, 0.0)
    return Standing()


def _fed_from_outside(g: Ground, _: None) -> Standing:
    drain_a = float(g.plant.settings[SET.charge_voltage_v] / g.plant.settings[SET.bleed_down_ohm])
    g.inject("unwanted_current", None, 10 * drain_a + 1.0)
    pack_v = float(g.plant.state[STATE.pack_voltage_v])
    return Standing(q.BUS_SHARE, 0, g.level.set + g.sensor("bus_voltage").tolerance / pack_v)


def _contact_burns(g: Ground, _: None) -> Standing:
    pack_v, flowing_a = float(g.plant.state[STATE.pack_voltage_v]), float(g.plant.state[STATE.current_a])
    share = g.level.set + g.margin + 2 * g.sensor("bus_voltage").tolerance / pack_v
    g.ignore_limits()
    g.ask_for(flowing_a)
    g.inject("contact_burns", None, 1.1 * share * pack_v / abs(flowing_a))
    return Standing(q.BUS_APART, 0, g.level.set + g.sensor("bus_voltage").tolerance / pack_v)


def _bus_cannot_rise(how: str) -> Callable[[Ground, None], Standing]:
    def make(g: Ground, _: None) -> Standing:
        values = {"bus_load": 0.2 * g.system.precharge.resistance_ohm, "bus_short": 0.02}
        g.inject(how, None, values.get(how))
        g.wish(True)
        return Standing(q.PRECHARGE_TRIES, 0, g.system.precharge.tries - 0.5)

    return make


# Lost measurements


def _plain(kind: str) -> Callable[[Ground, str], Standing]:
    def make(g: Ground, place: str) -> Standing:
        g.inject(kind, place)
        return Standing()

    return make


def _one_of(kind: str, name: str) -> Callable[[Ground, int], Standing]:
    def make(g: Ground, k: int) -> Standing:
        g.inject(kind, f"{name} {k}")
        return Standing()

    return make


def _module_silent(g: Ground, module: int) -> Standing:
    g.inject("afe_lost", module)
    return Standing()


def _temperatures_of_module_lost(g: Ground, module: int) -> Standing:
    of = [k for k in range(g.system.topology.temperature_sensors) if g.module_of(k) == module]
    if not of:
        raise CannotStandError("the module has no temperature sensor")
    for k in of:
        g.inject("sensor_lost", f"temperature {k}")
    return Standing()


def _both_currents_lost(g: Ground, kind: str) -> Standing:
    for name in ("current", "current_redundant"):
        if g.sensor(name).fitted:
            g.inject(kind, name)
    return Standing()


def _noisy_temperatures(g: Ground, first: int) -> Standing:
    """As many temperature sensors, from this one on, as it takes."""
    sensor, count = g.sensor("temperature"), system_size(g.system).sensors
    each_per_s = REFUSED_SHARE / sensor.period_s
    noisy = min(max(math.ceil(2 * g.level.set / each_per_s), 1), count)
    if noisy * each_per_s <= REFUSED_MARGIN * g.level.set:
        raise CannotStandError("the pack has too few samples for so many to be refused")
    for k in range(noisy):
        g.inject("sensor_noise", f"temperature {(first + k) % count}", NOISE_STEPS * sensor.rate_max * sensor.period_s)
    return Standing()


INJECTIONS: tuple[Injection, ...] = (
    Injection("cell_overvoltage", "the cell's charge is raised until its voltage is beyond", _cell_beyond, ALL, _cells),
    Injection("cell_overvoltage", "the charger ignores limits and its voltage control fails", _overcharged,
              ("near_full",), levels=("fault",), wait_s=600.0),
    Injection("cell_undervoltage", "the cell's charge is lowered until its voltage is beyond", _cell_beyond, ALL,
              _cells),
    Injection("cell_undervoltage", "the load ignores limits", _overdischarged, ("near_empty",), levels=("fault",),
              wait_s=900.0),
    Injection("cell_voltage_spread", "one cell's charge is lowered", _cell_apart, (*ROOM, "near_full"), _cells),
    Injection("cell_sum_mismatch", "the pack voltage sensor has an offset", _pack_voltage_off, ROOM,
              _fitted_both_signs("pack_voltage")),
    Injection("charge_overtemperature", "the module is heated while the charger ignores limits",
              _module_creeps_under_load, ("hot_charge",), _sensors, ("fault",), wait_s=60.0),
    Injection("charge_overtemperature", "the module becomes hot at once while the charger ignores limits",
              _module_jumps_under_load, ("hot_charge",), _sensors, ("critical",)),
    Injection("charge_undertemperature", "the module is chilled while the charger ignores limits",
              _module_creeps_under_load, ("cold_charge",), _sensors, ("fault",), wait_s=60.0),
    Injection("discharge_overtemperature", "the module is heated while the load ignores limits",
              _module_creeps_under_load, ("hot_discharge",), _sensors, ("fault",), wait_s=60.0),
    Injection("discharge_overtemperature", "the module becomes hot at once while the load ignores limits",
              _module_jumps_under_load, ("hot_discharge",), _sensors, ("critical",)),
    Injection("discharge_undertemperature", "the module is chilled while the load ignores limits",
              _module_creeps_under_load, ("cold_discharge",), _sensors, ("fault",), wait_s=60.0),
    Injection("overtemperature", "the module is heated", _module_creeps, ("standby", "rest", "discharge", "charge",
              "hot_discharge"), _sensors, ("fault",), wait_s=90.0),
    Injection("overtemperature", "the module becomes hot at once, and hotter", _module_jumps, ALL, _sensors,
              ("critical",)),
    Injection("undertemperature", "the module is chilled", _module_creeps, ("standby", "rest", "cold_discharge"),
              _sensors, ("fault",), wait_s=90.0),
    Injection("temperature_disagreement", "the cells beside one sensor of the module are heated",
              _part_of_module_heats, ("standby", "rest", "discharge"), _modules, wait_s=60.0),
    Injection("charge_overcurrent", "the charger ignores limits", _too_much_current(1.0), ("rest", "charge",
              "discharge")),
    Injection("discharge_overcurrent", "the load ignores limits", _too_much_current(-1.0), ("rest", "charge",
              "discharge")),
    Injection("charge_overcurrent_pulse", "the charger ignores limits", _too_much_current(1.0), ("rest", "charge",
              "discharge", "cold_charge")),
    Injection("discharge_overcurrent_pulse", "the load ignores limits", _too_much_current(-1.0), ("rest", "charge",
              "discharge", "hot_discharge")),
    Injection("short_circuit", "a resistor as small as it takes lies across the bus", _bus_shorted,
              ("rest", *LOADED, "near_full", "near_empty", "hot_discharge")),
    Injection("current_sensors_disagree", "one current sensor has an offset", _current_sensor_off, ROOM,
              _fitted_both_signs("current", "current_redundant")),
    Injection("current_while_open", "every current sensor has an offset", _current_sensors_off, ("standby",),
              lambda _: [("reads charging", 1.0), ("reads discharging", -1.0)]),
    Injection("current_while_open", "both main contactors weld, and the load goes on after the wish to disconnect",
              _welded_and_drawing, LOADED, opens=False),
    Injection("hvil_open", "the interlock loop is opened", _plain("hvil_open"), ALL),
    Injection("crash", "the crash signal comes", _plain("crash"), ALL),
    Injection("insulation_low", "the insulation to chassis fails", _insulation_fails, ALL),
    Injection("contactor_welded", "the contact welds, and is to open", _welds_and_is_to_open, ("rest", *LOADED),
              _of("main_positive", "main_negative")),
    Injection("contactor_welded", "both main contacts weld, and are to open", _both_weld, ("rest", *LOADED),
              opens=False),
    Injection("contactor_welded", "the precharge contact welds", _precharge_welds, ("precharge",)),
    Injection("contactor_stuck_open", "the contact cannot close, and the wish to connect comes", _does_not_close,
              ("standby",), _contactors),
    Injection("contactor_stuck_open", "the contact drops out", _drops_out, CONNECTED,
              _of("main_positive", "main_negative")),
    Injection("contactor_stuck_open", "the feedback contact hangs open", _feedback_says_open, ("rest", *LOADED),
              _of("main_positive", "main_negative")),
    Injection("bus_live_while_open", "another source feeds the bus", _fed_from_outside, ("standby",)),
    Injection("bus_apart_while_closed", "a contact burns: its resistance rises", _contact_burns, ("discharge",
              "near_empty")),
    Injection("precharge_failed", "a load stays on the bus", _bus_cannot_rise("bus_load"), ("standby",), wait_s=300.0),
    Injection("precharge_failed", "the precharge resistor is burnt out", _bus_cannot_rise("precharge_resistor_open"),
              ("standby",), wait_s=300.0),
    Injection("precharge_failed", "a short lies across the bus", _bus_cannot_rise("bus_short"), ("standby",),
              wait_s=300.0),
    Injection("cell_voltage_lost", "no more samples of the cell", _one_of("sensor_lost", "cell_voltage"), ALL, _cells),
    Injection("cell_voltage_lost", "samples of the cell without a value", _one_of("sensor_nan", "cell_voltage"),
              ROOM, _cells),
    Injection("cell_voltage_lost", "the module's cell monitor stops answering", _module_silent, ALL, _modules),
    Injection("temperature_lost", "no more samples of the sensor", _one_of("sensor_lost", "temperature"), ROOM,
              _sensors),
    Injection("temperature_lost", "samples of the sensor without a value", _one_of("sensor_nan", "temperature"),
              ("rest",), _sensors),
    Injection("cell_temperature_unknown", "no more samples of the module's temperature sensors",
              _temperatures_of_module_lost, ROOM, _modules),
    Injection("current_lost", "no more samples of any current sensor", _both_currents_lost, ALL,
              lambda _: [("no samples", "sensor_lost"), ("no values", "sensor_nan")]),
    Injection("current_redundancy_lost", "no more samples of one current sensor", _plain("sensor_lost"), ROOM,
              _fitted("current", "current_redundant")),
    Injection("pack_voltage_lost", "no more samples", _plain("sensor_lost"), ROOM, _fitted("pack_voltage")),
    Injection("bus_voltage_lost", "no more samples", _plain("sensor_lost"), ROOM, _fitted("bus_voltage")),
    Injection("insulation_lost", "no more samples", _plain("sensor_lost"), ROOM, _fitted("insulation")),
    Injection("hvil_lost", "no more samples", _plain("sensor_lost"), ALL, _fitted("hvil")),
    Injection("crash_lost", "no more samples", _plain("sensor_lost"), ROOM, _fitted("crash")),
    Injection("contactor_feedback_lost", "no more samples of the feedback contact", _plain("sensor_lost"), ROOM,
              _feedbacks),
    Injection("coolant_temperature_lost", "no more samples", _plain("sensor_lost"), ROOM,
              _fitted("coolant_inlet", "coolant_outlet", "ambient")),
    Injection("samples_refused", "temperature sensors become noisy", _noisy_temperatures, ROOM, _sensors,
              opens=False),
    Injection("cell_readings_disagree", "the main converter of the cell has an offset", points.readings_apart, ROOM,
              _cells),
    Injection("balancing_board_overtemperature", "heat from elsewhere on the module's board", points.board_burns,
              ("standby", "rest", "discharge"), _modules, wait_s=300.0),
    Injection("contactor_overtemperature", "the resistance of the contact grows", points.point_burns(
              "contactor_hot", SET.contact_k_per_a2, KON.contact_c, False), LOADED, _CONTACTS, ("fault",),
              wait_s=300.0),
    Injection("contactor_overtemperature", "the contact is hot after an arc, and stays hot", points.point_burns(
              "contactor_hot", SET.contact_k_per_a2, KON.contact_c, True), LOADED, _CONTACTS, ("critical",)),
    Injection("connector_overtemperature", "the resistance of the connector grows", points.point_burns(
              "connector_hot", SET.joint_k_per_a2, KON.joint_c, False), LOADED, _JOINTS, ("fault",),
              wait_s=300.0),
    Injection("connector_overtemperature", "the connector is hot after an arc, and stays hot", points.point_burns(
              "connector_hot", SET.joint_k_per_a2, KON.joint_c, True), LOADED, _JOINTS, ("critical",)),
    Injection("coolant_overtemperature", "the coolant comes in hot", points.coolant_heated, ("standby", *LOADED)),
    Injection("cooling_lost", "pump and fan stand still", points.cooling_stands, ("hot_charge", "hot_discharge")),
    Injection("contactor_welded_by_voltage", "the contact welds with its feedback hanging open, and is to open",
              points.welds_and_lies, ("rest", *LOADED), _of("main_positive", "main_negative"), wait_s=300.0),
    Injection("contactor_open_by_voltage", "the contact drops out with its feedback hanging closed",
              points.drops_out_and_lies, ("discharge", "near_empty"), _of("main_positive", "main_negative")),
    Injection("pyrofuse_fired", "the pyrofuse fires by itself", _plain("pyrofuse_fired"), ALL),
    Injection("monitor_crc", "frames of the module's monitor arrive corrupted", points.frames_dropped("afe_crc"), ROOM,
              _modules),
    Injection("monitor_sequence", "frames of the module's monitor are repeated or lost",
              points.frames_dropped("afe_sequence"), ROOM, _modules),
    Injection("point_temperature_lost", "no more samples", _plain("sensor_lost"), ROOM, _fitted(
              "contactor_positive", "contactor_negative", "connector_positive", "connector_negative",
              "balancing_board")),
    Injection("tap_lost", "no more samples", _plain("sensor_lost"), ROOM, _fitted("positive_tap", "negative_tap")),
    Injection("cooling_feedback_lost", "no more samples", _plain("sensor_lost"), ROOM, _fitted("cooling_feedback")),
    Injection("diagnosis_lost", "no more samples", _plain("sensor_lost"), ROOM, _fitted(
              "monitor_redundancy", "monitor_crc", "monitor_sequence", "pyrofuse_loop")),
)  # fmt: skip
