"""What may be meant, but looks wrong: combinations that an experienced engineer would ask about."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from ionward.battery.checks import precharge_time_s
from ionward.battery.sensors import SENSOR_NAMES, Sensor
from ionward.battery.system import System

STILL_SHARE = 0.3  # less noise than this share of a digit does not move it
HIGH_VOLTAGE_V = 60.0  # ISO 6469-3: voltage class B begins above 60 V DC
BOARD_AIR_C = 40.0  # air around a balancing board in a warm pack
COARSE_K = 0.3  # a healthy sensor with a coarser digit may stand still while the pack becomes 1 K warmer


def system_doubts(system: System) -> Iterator[str]:
    """Doubtful combinations, one sentence each."""
    yield from _fuse(system)
    yield from _precharge(system)
    yield from _balancing(system)
    yield from _missing(system)
    yield from _cold(system)
    yield from _rhythm(system)
    for name in SENSOR_NAMES:
        yield from _sensor(name, getattr(system.sensors, name))


def full_voltage_v(system: System) -> float:
    """Voltage of the full pack."""
    return system.series * system.limits.cell_voltage_max_v


def melting_time_s(curve: list[list[float]], current_a: float) -> float:
    """Time in which a fuse melts, straight between the points in logarithms; infinite left of the curve.

    Right of it no heat gets away, so that I²t stays as in its last point.
    """
    if current_a < curve[0][0]:
        return math.inf
    for (a, time_a), (b, time_b) in itertools.pairwise(curve):
        if current_a <= b:
            share = math.log(current_a / a) / math.log(b / a)
            return float(time_a * (time_b / time_a) ** share)
    last_a, last_s = curve[-1]
    return float(last_s * (last_a / current_a) ** 2)


def melting_current_a(curve: list[list[float]], time_s: float) -> float:
    """Lowest current that melts a fuse within a time: the inverse of `melting_time_s`."""
    if time_s >= curve[0][1]:
        return curve[0][0]
    for (a, time_a), (b, time_b) in itertools.pairwise(curve):
        if time_s >= time_b:
            share = math.log(time_s / time_a) / math.log(time_b / time_a)
            return float(a * (b / a) ** share)
    last_a, last_s = curve[-1]
    return float(last_a * math.sqrt(last_s / time_s))


def precharge_energy_j(system: System) -> tuple[float, float]:
    """Energy into the precharge resistor: in a good precharge, C*U²/2, and in one onto a short, U²/R until the timeout.

    The resistor takes as much as the capacitors, whatever its resistance.
    """
    full_v, precharge = full_voltage_v(system), system.precharge
    return system.dc_link.capacitance_f * full_v**2 / 2, full_v**2 / precharge.resistance_ohm * precharge.timeout_s


def balancing_current_a(system: System) -> float:
    """Bleed current of a full cell."""
    return system.limits.cell_voltage_max_v / system.balancing.resistance_ohm


def board_temperature_c(system: System) -> float:
    """Balancing board in steady state with all permitted cells of the module bled, in warm air."""
    heat_w = system.balancing.cells_per_module * system.limits.cell_voltage_max_v**2 / system.balancing.resistance_ohm
    return BOARD_AIR_C + heat_w * system.balancing.board_k_per_w


def _fuse(system: System) -> Iterator[str]:
    fuse, limits, contactors = system.fuse, system.limits, system.contactors
    pulse_a = max(limits.charge_current_pulse_a, limits.discharge_current_pulse_a)
    if fuse.fitted:
        melting_s = melting_time_s(fuse.curve, pulse_a)
        if melting_s < 10 * limits.pulse_s:
            yield (
                f"fuse: melts in {melting_s:.3g} s at the rated pulse of {pulse_a:g} A for {limits.pulse_s:g} s: "
                "repeated pulses age it; take a larger rating_a"
            )
    if fuse.pyrofuse and fuse.test_mode:
        yield "fuse: test_mode = true: the pyrofuse can never be fired; set it to false before the pack is used"
    if not contactors.fitted:
        return
    if contactors.break_current_a < pulse_a:
        yield (
            f"contactors: break_current_a = {contactors.break_current_a:g} is below the rated pulse of {pulse_a:g} A: "
            "in a pulse they may not open"
        )
    reads_a = min(-system.sensors.current.low, system.sensors.current.high)
    if system.sensors.current.fitted and reads_a < contactors.break_current_a:
        yield (
            f"sensors.current: reads {reads_a:g} A at most, and the contactors may break "
            f"{contactors.break_current_a:g} A: beyond the range nobody knows whether they may open"
        )
    if not fuse.fitted and not fuse.pyrofuse:
        yield "fuse: there is none, so nothing ends a current that the contactors may not break"


def _contactor_senses(system: System) -> Iterator[str]:
    """How the BMS knows whether a contactor is open."""
    sensors, contactors = system.sensors, system.contactors
    feedback = sensors.contactor_feedback
    taps = sensors.positive_tap.fitted or sensors.negative_tap.fitted
    if taps and not sensors.bus_voltage.fitted:
        yield "contactors: without bus_voltage the taps across the contactors cannot tell a welded one"
    if not feedback.fitted and not (taps and sensors.bus_voltage.fitted):
        yield "contactors: without contactor_feedback a welded contactor cannot be told from an open one"
    elif (
        feedback.fitted
        and min(contactors.close_timeout_s, contactors.open_timeout_s) < 2 * feedback.period_s + feedback.delay_s
    ):
        yield "contactors: a timeout is shorter than two samples of contactor_feedback: every switching looks late"


def _precharge(system: System) -> Iterator[str]:
    contactors, precharge = system.contactors, system.precharge
    if not contactors.fitted:
        return
    yield from _contactor_senses(system)
    if not precharge.fitted:
        if system.dc_link.capacitance_f > 0:
            yield (
                f"precharge: there is none, so the main contactors charge {system.dc_link.capacitance_f * 1e3:.3g} mF "
                f"from 0 to {full_voltage_v(system):.0f} V through their contacts"
            )
        return
    good_j, shorted_j = precharge_energy_j(system)
    if good_j > precharge.resistor_energy_j:
        yield (
            f"precharge: the resistor takes {good_j:.0f} J in a good precharge and bears "
            f"{precharge.resistor_energy_j:g} J"
        )
    elif shorted_j > precharge.resistor_energy_j:
        yield (
            f"precharge: onto a short circuit the resistor takes {shorted_j:.0f} J until timeout_s = "
            f"{precharge.timeout_s:g} and bears {precharge.resistor_energy_j:g} J; precharge needs only "
            f"{precharge_time_s(system):.2g} s"
        )
    bus = system.sensors.bus_voltage
    if bus.fitted and bus.noise < STILL_SHARE * bus.resolution:
        yield (
            "sensors.bus_voltage: noise is too small to move the last digit: a bus that is live and steady will look "
            "frozen, and the pack will not be connected to it"
        )
    elif bus.fitted and contactors.one_way and bus.low > -STILL_SHARE * bus.resolution:
        yield (
            f"sensors.bus_voltage: reads nothing below {bus.low:g} V: a dead bus will look frozen, and one-way "
            "switches will not be connected to it"
        )
    tolerance_v = system.sensors.pack_voltage.tolerance + system.sensors.bus_voltage.tolerance
    if precharge.done_v < tolerance_v:
        yield (
            f"precharge: done_v = {precharge.done_v:g} is less than the tolerance of both voltage sensors together "
            f"({tolerance_v:.3g} V): it may never be reached"
        )


def _balancing(system: System) -> Iterator[str]:
    balancing, cell = system.balancing, system.cell_model
    if balancing.kind == "none":
        return
    if cell.chemistry == "LFP" and balancing.method == "voltage":
        yield (
            "balancing: LFP balanced by voltage: on the plateau cells of very different SOC have the same voltage; use "
            'method = "soc", or bleed only near full with a min_voltage_v above the plateau'
            if balancing.min_voltage_v < 3.4  # the plateau of LFP ends at about 3.35 V
            else "balancing: LFP balanced by voltage works only near full, where cells seldom stay for long"
        )
    board_c = board_temperature_c(system)
    if board_c > balancing.board_max_c:
        yield (
            f"balancing: {balancing.cells_per_module} bleed resistors heat the board to {board_c:.0f} °C, above "
            f"board_max_c = {balancing.board_max_c:g}: it will pause often"
        )


def _missing(system: System) -> Iterator[str]:
    sensors, topology = system.sensors, system.topology
    if topology.temperature_sensors == 0:
        yield "sensors: no temperature is known, so no temperature limit is watched"
    elif (cells := topology.series / topology.temperature_sensors) > 24:
        yield f"sensors: one temperature sensor for {cells:.0f} cells: a hot one may not be seen"
    if full_voltage_v(system) > HIGH_VOLTAGE_V and system.contactors.fitted:
        for name, what in (("insulation", "a fault to chassis is not seen"), ("hvil", "an open connector is not seen")):
            if not getattr(sensors, name).fitted:
                yield f"sensors: {full_voltage_v(system):.0f} V without {name}: {what}"


def _cold(system: System) -> Iterator[str]:
    for direction in ("charge", "discharge"):
        coldest = getattr(system.limits, f"{direction}_temperature_min_c")
        curve = getattr(system.derating, f"{direction}_over_temperature")
        factor = interpolate(curve, coldest)
        if factor > 0.5:
            yield (
                f"derating: at {direction}_temperature_min_c = {coldest:g} the {direction} current is still "
                f"{factor:.0%}, and is forbidden just below"
            )


def interpolate(points: list[list[float]], x: float) -> float:
    """Value of a curve, straight between its points, ends held."""
    if x <= points[0][0]:
        return points[0][1]
    for (a, low), (b, high) in itertools.pairwise(points):
        if x <= b:
            return low + (high - low) * (x - a) / (b - a)
    return points[-1][1]


def _rhythm(system: System) -> Iterator[str]:
    cycle = system.cycle
    if (estimate_s := cycle.estimate_every * cycle.period_s) > 1.0:
        yield f"cycle: SOC is estimated every {estimate_s:g} s only: voltage after load steps is followed late"
    if cycle.slow_every * cycle.period_s > 10.0:
        yield f"cycle: balancing and cooling run every {cycle.slow_every * cycle.period_s:g} s"


def _sensor(name: str, sensor: Sensor) -> Iterator[str]:
    if not sensor.fitted or not sensor.value_unit:
        return
    if 3 * sensor.noise > sensor.tolerance:
        yield f"sensors.{name}: three times noise ({sensor.noise:g}) is more than the tolerance {sensor.tolerance:g}"
    if sensor.resolution > 2 * sensor.tolerance:
        yield f"sensors.{name}: one digit ({sensor.resolution:g}) is coarser than the tolerance {sensor.tolerance:g}"
    if sensor.frozen_s > 0 and name == "temperature" and sensor.resolution > COARSE_K:
        yield (
            f"sensors.{name}: frozen_s = {sensor.frozen_s:g}, but one digit is {sensor.resolution:g} K: a healthy "
            "sensor may stand still while the pack becomes 1 K warmer, and will count as frozen"
        )
    elif sensor.frozen_s > 0 and name != "temperature" and sensor.noise < STILL_SHARE * sensor.resolution:
        yield (
            f"sensors.{name}: frozen_s = {sensor.frozen_s:g}, but noise is too small to move the last digit: "
            "a healthy sensor at rest will count as frozen"
        )
