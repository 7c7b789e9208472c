"""How faults of the path to the bus are made to stand: contactors, fuse, precharge, bus, insulation, interlock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ionward.battery.system import System
from ionward.image.inputs import CHANNEL
from ionward.proving.prove import quantities as q
from ionward.proving.prove.ground import CannotStandError, Ground, Standing
from ionward.proving.prove.points import ALL, CONNECTED
from ionward.proving.prove.ways import (
    LOADED,
    ROOM,
    Injection,
    contactors,
    feedbacks,
    fitted,
    fitted_both_signs,
    of,
    plain,
)
from ionward.safety.rules_path import INSULATION_S
from ionward.twin.fault_catalogue import CONTACTORS
from ionward.twin.rows import KON, SET, STATE

MAINS = of("main_positive", "main_negative")
UNDER_LOAD = ("rest", "discharge", "near_empty", "hot_discharge", "cold_discharge")
# Insulation that falls to 1/e within this falls faster than its slow mean can follow.
CREEPING_S = 100.0
# A contact that chatters is off for so long, so that its feedback is seen to change.
CHATTER_LEAST_S, CHATTER_SAMPLES = 0.04, 3
# Of the pack voltage, at which a bus in precharge counts as there (`safety/rules_path.py`).
BUS_THERE = 0.9
# What is left of a precharge resistor that is bypassed: so little that the bus is there before the current is judged.
RESISTOR_LEFT = 0.02


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


def taps(system: System) -> list[tuple[str, Any]]:
    """Main contactors with a tap across them."""
    return [
        (f"main {side}", f"main_{side}")
        for side in ("positive", "negative")
        if getattr(system.sensors, f"{side}_tap").fitted
    ]


def _welds_unseen(g: Ground, name: str) -> Standing:
    """Its feedback hangs open as well: nothing but the voltage tells."""
    if g.system.sensors.contactor_feedback.fitted:
        g.inject("feedback_stuck", name, 0.0)
    return _welds_and_is_to_open(g, name)


def _precharge_welds_and_is_to_open(g: Ground, _: Any) -> Standing:
    return _welds_and_is_to_open(g, "precharge")


def _drops_out_unseen(g: Ground, name: str) -> Standing:
    """Its feedback hangs closed: nothing but the voltages tell, when the bus moves away."""
    g.inject("contactor_drops_out", name)
    if g.system.sensors.contactor_feedback.fitted:
        g.inject("feedback_stuck", name, 1.0)
    return Standing(q.TAP_APART, CONTACTORS[name], _tap_stands(g, name))


def _contact_drops_voltage(g: Ground, name: str) -> Standing:
    pack_v, flowing_a = float(g.plant.state[STATE.pack_voltage_v]), float(g.plant.state[STATE.current_a])
    good_ohm = float(g.plant.settings[SET.contactor_ohm])
    share = _tap_stands(g, name) + g.margin
    g.ignore_limits()
    g.ask_for(flowing_a)
    g.inject("contactor_hot", name, share * pack_v / abs(flowing_a) / good_ohm)
    return Standing(q.TAP_APART, CONTACTORS[name], _tap_stands(g, name))


def _tap_stands(g: Ground, name: str) -> float:
    tap, pack = g.sensor(f"{name.removeprefix('main_')}_tap"), g.sensor("pack_voltage")
    return g.level.set + (tap.tolerance + pack.tolerance) / float(g.plant.state[STATE.pack_voltage_v])


def _welded_before(g: Ground, name: str) -> Standing:
    """It welded when it was closed last, and neither its feedback nor its tap shows it; then the wish comes."""
    if g.system.contactors.one_way:
        raise CannotStandError("a welded one-way switch raises the bus before the probe, through the other's diode")
    g.plant.contactors[KON.welded, CONTACTORS[name]] = 1.0
    if g.system.sensors.contactor_feedback.fitted:
        g.inject("feedback_stuck", name, 0.0)
    if g.sensor("positive_tap").fitted:
        g.inject("sensor_lost", "positive_tap")
    g.wish(True)
    return Standing(q.BUS_SHARE, 0, 0.5)


def _chatters(g: Ground, name: str) -> Standing:
    k, kon = CONTACTORS[name], g.plant.contactors
    half_s = max(CHATTER_LEAST_S, CHATTER_SAMPLES * g.sensor("contactor_feedback").period_s,
                 2.0 * float(kon[KON.close_s, k]), 2.0 * float(kon[KON.open_s, k]))  # fmt: skip
    g.inject("contactor_chatters", name, 2.0 * half_s)
    return Standing()


def _pyrofuse_fires(g: Ground, _: None) -> Standing:
    g.inject("pyrofuse_fired")
    return Standing()


def _igniter_breaks(g: Ground, _: None) -> Standing:
    g.inject("sensor_stuck", "pyrofuse_loop", 0.0)
    return Standing()


def _fuse_blows(g: Ground, _: None) -> Standing:
    g.inject("fuse_blown")
    tolerance = g.sensor("pack_voltage").tolerance / float(g.plant.state[STATE.emf_v])
    return Standing(q.FUSE_FALLEN, 0, g.level.set + tolerance)


def _insulation_falls(g: Ground, _: None) -> Standing:
    """At once, to a value that is not dangerous yet."""
    before_ohm, tolerance_ohm = float(g.plant.state[STATE.insulation_ohm]), g.sensor("insulation").tolerance
    g.inject("insulation_drop", None, (g.level.set - g.margin) * (before_ohm - tolerance_ohm) - tolerance_ohm)
    return Standing()


def _insulation_creeps(g: Ground, _: None) -> Standing:
    """Exponentially; when it has come below the share of its slow mean is worked out here."""
    start_ohm, tolerance_ohm = float(g.plant.state[STATE.insulation_ohm]), g.sensor("insulation").tolerance
    now_ohm, mean_ohm, dt_s, since_s = start_ohm, start_ohm, 0.1, 0.0
    while now_ohm + tolerance_ohm >= g.level.set * (mean_ohm - tolerance_ohm):
        now_ohm -= dt_s / CREEPING_S * now_ohm
        mean_ohm += dt_s / INSULATION_S * (now_ohm - mean_ohm)
        since_s += dt_s
        if now_ohm < tolerance_ohm:
            raise CannotStandError("the insulation monitor is not accurate enough")
    g.inject("insulation_creeps", None, CREEPING_S)
    return Standing(q.TIME_S, 0, float(g.plant.state[STATE.time_s]) + since_s)


def _rises_at_once(kind: str) -> Callable[[Ground, None], Standing]:
    def make(g: Ground, _: Any) -> Standing:
        if float(g.bench.stand.parameters.scalars["precharge_rise_s"][0]) == 0.0:
            raise CannotStandError("the bus of this pack rises too fast to be timed by its sensor")
        ohm = RESISTOR_LEFT * g.system.precharge.resistance_ohm
        g.inject(kind, None, ohm if kind == "precharge_resistor_low" else 0.0)
        g.wish(True)
        return Standing(q.BUS_SHARE, 0, BUS_THERE)

    return make


def _foreign_source(g: Ground, _: None) -> Standing:
    full_v = g.system.series * g.system.limits.cell_voltage_max_v
    sensor = g.sensor("bus_voltage")
    stands_v, target_v = full_v * (1 + g.level.set) + sensor.tolerance, full_v * (1 + g.level.set + 2 * g.margin)
    if target_v > sensor.high:
        raise CannotStandError("the sensor of the bus voltage cannot read so high")
    g.inject("foreign_source", None, max(target_v, stands_v + sensor.tolerance))
    return Standing(q.CHANNEL_TRUTH, CHANNEL.bus_voltage_v, stands_v)


def _bus_sensor_off(g: Ground, place: tuple[str, float]) -> Standing:
    name, sign = place
    sensor, full_v = g.sensor(name), g.system.series * g.system.limits.cell_voltage_max_v
    beyond_v = (g.level.set + g.margin) * full_v + 1.5 * sensor.tolerance
    shown_v = full_v + beyond_v if sign > 0 else -beyond_v
    if not sensor.low < shown_v < sensor.high:
        raise CannotStandError("the sensor of the bus voltage cannot give such a value")
    g.inject("sensor_offset", name, shown_v - float(g.plant.state[STATE.bus_voltage_v]))
    return Standing()


PATH_INJECTIONS: tuple[Injection, ...] = (
    Injection("hvil_open", "the interlock loop is opened", plain("hvil_open"), ALL),
    Injection("crash", "the crash signal comes", plain("crash"), ALL),
    Injection("insulation_low", "the insulation to chassis fails", _insulation_fails, ALL),
    Injection("contactor_welded", "the contact welds, and is to open", _welds_and_is_to_open, ("rest", *LOADED),
              of("main_positive", "main_negative")),
    Injection("contactor_welded", "both main contacts weld, and are to open", _both_weld, ("rest", *LOADED),
              opens=False),
    Injection("contactor_welded", "the precharge contact welds", _precharge_welds, ("precharge",)),
    Injection("contactor_stuck_open", "the contact cannot close, and the wish to connect comes", _does_not_close,
              ("standby",), contactors),
    Injection("contactor_stuck_open", "the contact drops out", _drops_out, CONNECTED,
              of("main_positive", "main_negative")),
    Injection("contactor_stuck_open", "the feedback contact hangs open", _feedback_says_open, ("rest", *LOADED),
              of("main_positive", "main_negative")),
    Injection("bus_live_while_open", "another source feeds the bus", _fed_from_outside, ("standby",)),
    Injection("bus_apart_while_closed", "a contact burns: its resistance rises", _contact_burns, ("discharge",
              "near_empty")),
    Injection("precharge_failed", "a load stays on the bus", _bus_cannot_rise("bus_load"), ("standby",), wait_s=300.0),
    Injection("precharge_failed", "the precharge resistor is burnt out", _bus_cannot_rise("precharge_resistor_open"),
              ("standby",), wait_s=300.0),
    Injection("precharge_failed", "a short lies across the bus", _bus_cannot_rise("bus_short"), ("standby",),
              wait_s=300.0),
    Injection("pack_voltage_lost", "no more samples", plain("sensor_lost"), ROOM, fitted("pack_voltage")),
    Injection("bus_voltage_lost", "no more samples", plain("sensor_lost"), ROOM, fitted("bus_voltage")),
    Injection("insulation_lost", "no more samples", plain("sensor_lost"), ROOM, fitted("insulation")),
    Injection("hvil_lost", "no more samples", plain("sensor_lost"), ALL, fitted("hvil")),
    Injection("crash_lost", "no more samples", plain("sensor_lost"), ROOM, fitted("crash")),
    Injection("contactor_feedback_lost", "no more samples of the feedback contact", plain("sensor_lost"), ROOM,
              feedbacks),
    Injection("contactor_welded_by_voltage", "the contact welds, its feedback hangs open, and it is to open",
              _welds_unseen, ("rest",), taps, wait_s=30.0),
    Injection("contactor_welded_by_voltage", "the contact welds, and is to open", _welds_and_is_to_open,
              ("rest", *LOADED), taps, wait_s=30.0),
    Injection("contactor_welded_by_voltage", "the precharge contact welds, and is to open",
              _precharge_welds_and_is_to_open, ("precharge",)),
    # A charger holds the bus at its own voltage, which is too near to the pack's to tell an open contact or fuse.
    Injection("contactor_open_by_voltage", "the contact drops out, and its feedback hangs closed", _drops_out_unseen,
              UNDER_LOAD, taps, wait_s=120.0),
    Injection("contactor_open_by_voltage", "the contact burns: its resistance rises", _contact_drops_voltage,
              ("discharge", "near_empty"), taps),
    Injection("contactor_welded_in_probe", "the contact has welded before, unseen, and the wish to connect comes",
              _welded_before, ("standby",), of("main_positive", "precharge"), wait_s=20.0),
    # Under load the first bounce of the positive contact closes onto a dead bus, which may weld it.
    Injection("contactor_chattering", "the contact chatters", _chatters, ("rest", "charge"), MAINS),
    Injection("pyrofuse_fired", "the pyrofuse fires by itself", _pyrofuse_fires, ALL),
    Injection("pyrofuse_fired", "the igniter loop breaks", _igniter_breaks, ALL),
    Injection("fuse_blown", "the fuse opens", _fuse_blows, ("standby", "precharge", *UNDER_LOAD), wait_s=120.0),
    Injection("insulation_falling", "the insulation to chassis falls, and is still good enough", _insulation_falls,
              ROOM),
    Injection("insulation_falling", "the insulation to chassis fails slowly", _insulation_creeps, ROOM, wait_s=900.0),
    Injection("precharge_too_fast", "the capacitors of the DC link are missing", _rises_at_once("dc_link_missing"),
              ("standby",), wait_s=20.0),
    Injection("precharge_too_fast", "the precharge resistor is bypassed",
              _rises_at_once("precharge_resistor_low"), ("standby",), wait_s=20.0),
    Injection("bus_not_understood", "a foreign source feeds the bus above the full pack", _foreign_source,
              ("standby",), wait_s=60.0),
    Injection("bus_not_understood", "the sensor of the bus voltage has an offset", _bus_sensor_off, ROOM,
              fitted_both_signs("bus_voltage")),
    Injection("tap_lost", "no more samples", plain("sensor_lost"), ROOM, fitted("positive_tap", "negative_tap")),
)  # fmt: skip
