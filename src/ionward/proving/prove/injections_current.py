"""How faults of the current, of its sensors, of load and charger are made to stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ionward.image.fault_levels import resolved_levels
from ionward.image.faults import BY_ID
from ionward.proving.prove import quantities as q
from ionward.proving.prove.ground import CannotStandError, Ground, Standing, drive_cell_voltage
from ionward.proving.prove.points import ALL
from ionward.proving.prove.ways import LOADED, NOISE_SIGMAS, ROOM, Injection, fitted, fitted_both_signs, plain
from ionward.safety.rules_load import BUSBAR_BEARS
from ionward.twin.fault_catalogue import CONTACTORS
from ionward.twin.rows import SET, STATE

# Drift of a current sensor against its tolerance, for each second: slow enough to be told on the way.
DRIFT_SHARE_PER_S = 0.02
# Pulses that follow each other too closely: over before an ignored limit is a fault, then a short pause.
PULSE_SHARE, PAUSE_S, PULSES_MOST = 0.7, 0.3, 60
# Below this share of the pulse rating no rule on overcurrent of pulses is concerned.
NO_OVERCURRENT = 1.04
DERATED_ASKS = 0.95
# Sensors whose loss is a warning.
LOWERING = ("pack_voltage", "insulation", "crash")


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


def _both_currents_lost(g: Ground, kind: str) -> Standing:
    for name in ("current", "current_redundant"):
        if g.sensor(name).fitted:
            g.inject(kind, name)
    return Standing()


def _one_way_welds(direction: float) -> Callable[[Ground, Any], Standing]:
    """The switch that has to block a direction welds unseen, a cell forbids the direction, and the current goes on."""

    def make(g: Ground, _: Any) -> Standing:
        if not g.system.contactors.one_way:
            raise CannotStandError("these contactors do not block one direction alone")
        name = "main_negative" if direction > 0 else "main_positive"
        g.inject("contactor_welded", name)
        if g.system.sensors.contactor_feedback.fitted:
            g.inject("feedback_stuck", name, 0.0)
        g.ignore_limits()
        g.ask_for(float(g.plant.state[STATE.current_a]))
        forbids = "cell_overvoltage" if direction > 0 else "cell_undervoltage"
        level = resolved_levels(BY_ID[forbids], g.system)[2]
        if level is None:
            raise CannotStandError(f"{forbids} has no level that opens")
        away_v = 2.0 * g.sensor("cell_voltage").tolerance
        drive_cell_voltage(g, 0, level.set + direction * away_v, direction > 0)
        return Standing()

    return make


def _current_sensors_drift(g: Ground, sign: float) -> Standing:
    worst_s = 0.0
    for name in ("current", "current_redundant"):
        sensor = g.sensor(name)
        if sensor.fitted:
            per_s = DRIFT_SHARE_PER_S * sensor.tolerance
            g.inject("sensor_drift", name, sign * per_s)
            worst_s = max(worst_s, (g.level.set + 0.5 * sensor.tolerance) / per_s)
    return Standing(q.TIME_S, 0, float(g.plant.state[STATE.time_s]) + worst_s)


def _pulses_too_close(g: Ground, _: None) -> Standing:
    """The busbars' heat follows the square of the current; when it has come beyond is worked out here."""
    p, limits = g.bench.stand.parameters.scalars[0], g.system.limits
    ignored = resolved_levels(BY_ID["discharge_limit_ignored"], g.system)[2]
    longest_s = limits.pulse_s if ignored is None else min(limits.pulse_s, ignored.delay_s)
    ampere, on_s = limits.discharge_current_pulse_a, PULSE_SHARE * longest_s
    rated_a, tau_s, dt_s = float(p["i2t_rated_a"]), float(p["i2t_time_s"]), g.bench.cycle_s
    share = ((ampere - g.system.sensors.current.tolerance) / rated_a) ** 2
    ramp_s = ampere / float(g.plant.settings[SET.slew_a_per_s])
    heat = since_s = 0.0
    while heat <= g.level.set * BUSBAR_BEARS:
        into_s = since_s % (on_s + PAUSE_S)
        heat += dt_s / tau_s * ((share if ramp_s < into_s < on_s else 0.0) - heat)
        since_s += dt_s
        if since_s > PULSES_MOST * (on_s + PAUSE_S):
            raise CannotStandError("rated pulses do not heat fuse and busbars so far, however close they follow")
    g.ignore_limits()
    now_s, times, values = float(g.plant.state[STATE.time_s]), [], []
    for k in range(PULSES_MOST):
        at_s = now_s + k * (on_s + PAUSE_S)
        times += [at_s, at_s + on_s]
        values += [-ampere, 0.0]
    g.ask_for_course(times, values)
    return Standing(q.TIME_S, 0, now_s + since_s)


def _more_than_allowed(direction: float) -> Callable[[Ground, None], Standing]:
    """Where the published limit is low: so much beyond it as it takes."""

    def make(g: Ground, _: Any) -> Standing:
        pulse_a, limit_a, tolerance_a = _pulse(g, direction)
        asked_a = limit_a + (g.level.set + g.margin) * pulse_a + 1.5 * tolerance_a
        if asked_a > NO_OVERCURRENT * pulse_a:
            raise CannotStandError("the published limit is so high here that more than it is an overcurrent")
        return _ask_beyond(g, direction, asked_a)

    return make


def _more_than_derated(direction: float) -> Callable[[Ground, None], Standing]:
    """A lost sensor lowers the limits, and load or charger go on at nearly the pulse rating."""

    def make(g: Ground, _: Any) -> Standing:
        pulse_a, _limit_a, tolerance_a = _pulse(g, direction)
        derated_a = g.system.limits.warning_factor * pulse_a
        if DERATED_ASKS * pulse_a - derated_a < (g.level.set + g.margin) * pulse_a + tolerance_a:
            raise CannotStandError("a warning lowers the limits by too little")
        name = next((n for n in LOWERING if g.sensor(n).fitted), None)
        if name is None:
            raise CannotStandError("the pack has no sensor whose loss only lowers the limits")
        g.inject("sensor_lost", name)
        return _ask_beyond(g, direction, DERATED_ASKS * pulse_a)

    return make


def _pulse(g: Ground, direction: float) -> tuple[float, float, float]:
    """Pulse rating, published limit and the sensor's tolerance, A."""
    word, sensor = "charge" if direction > 0 else "discharge", g.system.sensors.current
    limit_a = float(g.bench.bms.image.scalars[f"{word}_limit_pulse_a"][0])
    rating_a = float(getattr(g.system.limits, f"{word}_current_pulse_a"))
    return rating_a, limit_a, sensor.tolerance + NOISE_SIGMAS * sensor.noise


def _ask_beyond(g: Ground, direction: float, asked_a: float) -> Standing:
    pulse_a, _limit_a, tolerance_a = _pulse(g, direction)
    g.ignore_limits()
    g.ask_for(direction * asked_a)
    kind = q.CHARGE_EXCESS if direction > 0 else q.DISCHARGE_EXCESS
    return Standing(kind, 0, g.level.set + tolerance_a / pulse_a)


BOTH_SIGNS = (("reads charging", 1.0), ("reads discharging", -1.0))
CHARGE_DERATED = ("near_full", "hot_charge", "cold_charge")
DISCHARGE_DERATED = ("near_empty", "hot_discharge", "cold_discharge")

CURRENT_INJECTIONS: tuple[Injection, ...] = (
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
              fitted_both_signs("current", "current_redundant")),
    Injection("current_while_open", "every current sensor has an offset", _current_sensors_off, ("standby",),
              lambda _: [("reads charging", 1.0), ("reads discharging", -1.0)]),
    Injection("current_while_open", "both main contactors weld, and the load goes on after the wish to disconnect",
              _welded_and_drawing, LOADED, opens=False),
    Injection("current_while_open", "the charge switch welds unseen, and a cell is full", _one_way_welds(1.0),
              ("charge",), opens=False),
    Injection("current_while_open", "the discharge switch welds unseen, and a cell is empty", _one_way_welds(-1.0),
              ("discharge",), opens=False),
    Injection("current_lost", "no more samples of any current sensor", _both_currents_lost, ALL,
              lambda _: [("no samples", "sensor_lost"), ("no values", "sensor_nan")]),
    Injection("current_redundancy_lost", "no more samples of one current sensor", plain("sensor_lost"), ROOM,
              fitted("current", "current_redundant")),
    Injection("current_offset", "every current sensor has a small offset", _current_sensors_off, ("standby",),
              lambda _: list(BOTH_SIGNS)),
    Injection("current_offset", "every current sensor drifts", _current_sensors_drift, ("standby",),
              lambda _: list(BOTH_SIGNS), wait_s=600.0),
    Injection("fuse_busbar_i2t", "pulses follow each other too closely", _pulses_too_close, ("rest",),
              levels=("warning", "fault"), wait_s=600.0),
    Injection("charge_limit_ignored", "the charger gives more than the published limit", _more_than_allowed(1.0),
              CHARGE_DERATED),
    Injection("discharge_limit_ignored", "the load takes more than the published limit", _more_than_allowed(-1.0),
              DISCHARGE_DERATED),
    Injection("charge_limit_ignored", "limits are lowered, and the charger goes on at its pulse rating",
              _more_than_derated(1.0), ("rest", "charge"), levels=("warning", "fault"), wait_s=30.0),
    Injection("discharge_limit_ignored", "limits are lowered, and the load goes on at its pulse rating",
              _more_than_derated(-1.0), ("rest", "discharge"), levels=("warning", "fault"), wait_s=30.0),
)  # fmt: skip
