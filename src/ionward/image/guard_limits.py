"""The guard's own table, made from the description of a pack.

The guard is the second line: it stands a little farther out than the protection kernel's critical levels and waits a
little longer, so that the kernel always acts first and the guard only where it did not. How much, is told here and in
docs/guard.md.
"""

from __future__ import annotations

import math

import numpy as np

from ionward.battery.sensors import Sensor
from ionward.battery.system import System
from ionward.image.build import sensor_modules, system_size
from ionward.image.fault_levels import resolved_levels, sample_period_s
from ionward.image.faults import BY_ID, Level
from ionward.image.guard_table import GuardLimits, Watch

# The processes beside the guard are silent when they are so for as long as an enable lasts. An answer may be a little
# older, because its challenge was made before. A contactor must not stay closed for longer than 100 ms after control
# has stopped: the answer's deadline, a cycle of the guard and one of the driver are less, at cycles of up to 10 ms.
EXPIRY_S, EXPIRY_CYCLES = 0.05, 3
ANSWER_LATER_S, ANSWER_CYCLES = 0.01, 4
START_CYCLES = 5
SLOW_ROUNDS, SLOW_GRACE_S = 3, 0.5

# How much farther out than the kernel's critical level: twice the sensor's tolerance, and at least this.
TOLERANCES = 2.0
MARGIN_V = 0.01
MARGIN_K = 2.0
MARGIN_CURRENT_SHARE = 0.05
# How much later: the kernel's validation refuses up to two samples of a jump before it believes it, its decision
# reaches the driver within two cycles, and the guard looks once in a cycle.
KERNEL_JUMP_SAMPLES = 3
LATER_CYCLES = 3
BLIND_GRACE_S = 0.1

# Control's wish. It may close onto a bus within `precharge.done_v`, by samples that are a cycle older than the guard's.
BUS_MARGIN = 1.5
PRECHARGE_GRACE_S = 0.5
PYROFUSE_SHARE = 0.95
# What protection asks to open may stay closed while the current falls and while a fuse is waited for.
FUSE_WAIT_S, OPENING_GRACE_S = 3.0, 0.5
PYROFUSE_SAMPLES = 2  # one wrong sample decides nothing
PYROFUSE_MEMORY_S, PYROFUSE_MEMORY_CYCLES, PYROFUSE_MEMORY_SAMPLES = 0.1, 5, 4


def expiry_s(system: System) -> float:
    """How long the driver's enables live without being renewed."""
    return float(max(system.cycle.enable_expiry_s or EXPIRY_S, EXPIRY_CYCLES * system.cycle.period_s))


def guard_limits(system: System) -> GuardLimits:
    """Everything that the guard is told about this pack. Meets SR-166."""
    cycle_s, size, sensors = system.cycle.period_s, system_size(system), system.sensors
    contactors, precharge = system.contactors, system.precharge
    has_precharge = contactors.fitted and precharge.fitted
    enable_s = expiry_s(system)
    answer_deadline_s = max(enable_s + ANSWER_LATER_S, ANSWER_CYCLES * cycle_s)
    above_a = {charge: _unbreakable_a(system, charge) for charge in (True, False)}
    return GuardLimits(
        cycle_s=cycle_s,
        cells=size.cells,
        sensors=size.sensors,
        cell_voltage=_cell_voltage(system),
        temperature=_temperature(system),
        current=_current(system, sensors.current),
        current_redundant=_current(system, sensors.current_redundant),
        pack_voltage=_seen_only(sensors.pack_voltage),
        bus_voltage=_seen_only(sensors.bus_voltage),
        crash=_seen_only(sensors.crash),
        module_sensors=np.unique(sensor_modules(system.topology), return_index=True)[1],
        io_deadline_s=enable_s,
        answer_deadline_s=answer_deadline_s,
        stood_after_s=answer_deadline_s,
        slow_deadline_s=SLOW_ROUNDS * system.cycle.slow_every * cycle_s + SLOW_GRACE_S,
        start_cycles=START_CYCLES,
        has_contactors=contactors.fitted,
        has_precharge=has_precharge,
        has_pyrofuse=system.fuse.pyrofuse,
        one_way=contactors.fitted and contactors.one_way,
        diode_v=contactors.diode_v if contactors.fitted and contactors.one_way else 0.0,
        charge_close_max_v=_closes_to_v(system, "cell_overvoltage"),
        discharge_close_min_v=_closes_to_v(system, "cell_undervoltage"),
        bus_match_v=BUS_MARGIN * precharge.done_v + sensors.pack_voltage.tolerance + sensors.bus_voltage.tolerance,
        bus_dead_v=0.0 if has_precharge else system.dc_link.dead_v + sensors.bus_voltage.tolerance,
        bus_memory_s=max(sensors.pack_voltage.age_max_s, sensors.bus_voltage.age_max_s) + sensors.hold_s,
        precharge_max_s=precharge.timeout_s + contactors.close_timeout_s + PRECHARGE_GRACE_S,
        pyrofuse_least_a=PYROFUSE_SHARE * min(above_a.values()),
        pyrofuse_memory_s=max(
            PYROFUSE_MEMORY_S,
            PYROFUSE_MEMORY_CYCLES * cycle_s,
            PYROFUSE_MEMORY_SAMPLES * sensors.current.period_s,
        ),
        opening_max_s=contactors.open_wait_s + FUSE_WAIT_S + 2 * contactors.open_timeout_s + OPENING_GRACE_S,
        break_charge_a=above_a[True],
        break_discharge_a=above_a[False],
        current_most_a=_most_a(sensors.current, sensors.current_redundant),
        fuse_wait_s=FUSE_WAIT_S + 2 * contactors.open_timeout_s + OPENING_GRACE_S if contactors.fitted else 0.0,
        pyrofuse_samples=PYROFUSE_SAMPLES,
        pyrofuse_on_crash=system.fuse.fire_on_crash,
    )


def _unbreakable_a(system: System, charge: bool) -> float:
    """Above this, neither contactor may break the current."""
    return max(system.contactors.breaks_a(negative, charge) for negative in (False, True))


def _most_a(*sensors: Sensor) -> float:
    """The largest current of either direction that a fitted sensor can read."""
    return max(max(abs(s.low), abs(s.high)) for s in sensors if s.fitted)


def critical_level(system: System, fault_id: str) -> Level:
    """The kernel's critical level of a fault; the catalogue's where the description has switched it off."""
    level = resolved_levels(BY_ID[fault_id], system)[-1]
    return level or _catalogue_level(system, fault_id, -1)


def _catalogue_level(system: System, fault_id: str, step: int) -> Level:
    level = resolved_levels(BY_ID[fault_id], system.model_copy(update={"faults": {}}))[step]
    if level is None:
        raise ValueError(f"the catalogue has no such level of {fault_id}")
    return level


def _closes_to_v(system: System, fault_id: str) -> float:
    """Beyond the kernel's level fault, its one-way switch is not to be closed: the sensor's tolerances allowed for."""
    level = resolved_levels(BY_ID[fault_id], system)[2] or _catalogue_level(system, fault_id, 2)
    sign = 1.0 if BY_ID[fault_id].direction == "above" else -1.0
    return round(level.set + sign * max(MARGIN_V, TOLERANCES * system.sensors.cell_voltage.tolerance), 9)


def _samples(*levels: Level) -> int:
    return max(level.delay_samples for level in levels) + KERNEL_JUMP_SAMPLES


def _delay_s(system: System, fault_id: str, *levels: Level) -> float:
    """Until the kernel must have decided and the driver must have obeyed, and a little longer."""
    period_s, cycle_s = sample_period_s(BY_ID[fault_id], system), system.cycle.period_s
    kernel_s = max(max(level.delay_s, (level.delay_samples - 1) * period_s) for level in levels)
    return (KERNEL_JUMP_SAMPLES - 1) * period_s + kernel_s + max(period_s, LATER_CYCLES * cycle_s)


def _blind_after_s(system: System, fault_id: str) -> float:
    """Until the kernel has called a measurement lost, and has opened in order because of it."""
    level = resolved_levels(BY_ID[fault_id], system)[2] or _catalogue_level(system, fault_id, 2)
    cycle_s, contactors = system.cycle.period_s, system.contactors
    kernel_s = system.sensors.hold_s + max(level.delay_s, level.delay_samples * cycle_s)
    opening_s = contactors.open_wait_s + 2 * contactors.open_timeout_s
    return kernel_s + opening_s + LATER_CYCLES * cycle_s + BLIND_GRACE_S


def _cell_voltage(system: System) -> Watch:
    """Beyond overvoltage and undervoltage as the kernel calls them critical."""
    sensor, limits = system.sensors.cell_voltage, system.limits
    over, under = critical_level(system, "cell_overvoltage"), critical_level(system, "cell_undervoltage")
    margin_v = max(MARGIN_V, TOLERANCES * sensor.tolerance)
    return Watch(
        sensor.fitted,
        sensor.low,
        sensor.high,
        _visible_low(under.set - margin_v, limits.cell_voltage_min_v, sensor),
        _visible_high(over.set + margin_v, limits.cell_voltage_max_v, sensor),
        sensor.age_max_s,
        _samples(over, under),
        _delay_s(system, "cell_overvoltage", over, under),
        _blind_after_s(system, "cell_voltage_lost"),
    )


def _temperature(system: System) -> Watch:
    """Beyond overtemperature as the kernel calls it critical. Cold is left to the kernel: it hurts slowly."""
    sensor = system.sensors.temperature
    over = critical_level(system, "overtemperature")
    margin_k = max(MARGIN_K, TOLERANCES * sensor.tolerance)
    return Watch(
        sensor.fitted,
        sensor.low,
        sensor.high,
        -math.inf,
        _visible_high(over.set + margin_k, system.limits.discharge_temperature_max_c, sensor),
        sensor.age_max_s,
        _samples(over),
        _delay_s(system, "overtemperature", over),
        _blind_after_s(system, "cell_temperature_unknown"),
    )


def _current(system: System, sensor: Sensor) -> Watch:
    """Beyond the overcurrent of either direction as the kernel calls it critical. Out of range is beyond as well."""
    limits = system.limits
    charge = critical_level(system, "charge_overcurrent_pulse")
    discharge = critical_level(system, "discharge_overcurrent_pulse")

    def margin_a(level: Level) -> float:
        return max(MARGIN_CURRENT_SHARE * level.set, TOLERANCES * sensor.tolerance)

    return Watch(
        sensor.fitted,
        -math.inf,
        math.inf,
        _visible_low(-(discharge.set + margin_a(discharge)), -limits.discharge_current_pulse_a, sensor),
        _visible_high(charge.set + margin_a(charge), limits.charge_current_pulse_a, sensor),
        sensor.age_max_s,
        _samples(charge, discharge),
        _delay_s(system, "discharge_overcurrent_pulse", charge, discharge),
        _blind_after_s(system, "current_lost"),
    )


def _seen_only(sensor: Sensor) -> Watch:
    """Read for comparison; no limit of its own, and the guard can do without it."""
    return Watch(sensor.fitted, sensor.low, sensor.high, -math.inf, math.inf, sensor.age_max_s, 1, 0.0, math.inf)


def _visible_high(limit: float, rated: float, sensor: Sensor) -> float:
    """A limit that the sensor cannot reach would never be seen: its last digit is beyond, unless that is rated."""
    return round(max(min(limit, sensor.high - sensor.resolution), rated), 9)


def _visible_low(limit: float, rated: float, sensor: Sensor) -> float:
    return round(min(max(limit, sensor.low + sensor.resolution), rated), 9)
