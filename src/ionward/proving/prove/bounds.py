"""What the invariants are measured by, from the description of a pack."""

from __future__ import annotations

from typing import Any

import numpy as np

from ionward.battery.system import System
from ionward.image.build import system_size
from ionward.image.fault_levels import ftti_s, resolved_levels
from ionward.image.faults import BY_ID, FAULTS
from ionward.image.guard_limits import guard_limits
from ionward.proving.prove.invariants import BOUND, Watchdog, new_watchdog

PYROFUSE_MEMORY_S = 0.1
PYROFUSE_MEMORY_SAMPLES = 5


def bounds(system: System) -> Any:
    """`[BOUND]`: where the contactors have to be open by the FTTI, sensors' tolerance allowed for."""
    out = np.zeros(len(BOUND))
    sensors, limits = system.sensors, system.limits
    for name, fault, tolerance in (
        ("cell_high", "cell_overvoltage", sensors.cell_voltage.tolerance),
        ("cell_low", "cell_undervoltage", -sensors.cell_voltage.tolerance),
        ("hot", "overtemperature", sensors.temperature.tolerance),
        ("cold", "undertemperature", -sensors.temperature.tolerance),
    ):
        row = BY_ID[fault]
        opening = next(level for level in resolved_levels(row, system)[2:] if level is not None)
        unit = "v" if name.startswith("cell") else "c"
        out[getattr(BOUND, f"{name}_{unit}")] = opening.set + tolerance
        out[getattr(BOUND, f"{name}_s")] = ftti_s(row, system)
    guard = guard_limits(system)
    out[BOUND.match_v], out[BOUND.dead_v] = guard.bus_match_v, guard.bus_dead_v
    out[BOUND.unseen_s] = sensors.bus_voltage.period_s + 2.0 * system.cycle.period_s
    contactors = system.contactors
    for bound, charge in ((BOUND.pyrofuse_charge_a, True), (BOUND.pyrofuse_discharge_a, False)):
        best_a = max(contactors.breaks_a(negative=negative, charge=charge) for negative in (False, True))
        out[bound] = best_a - sensors.current.tolerance
    out[BOUND.pyrofuse_memory_s] = PYROFUSE_MEMORY_S + PYROFUSE_MEMORY_SAMPLES * sensors.current.period_s
    out[BOUND.pyrofuse_on_crash] = system.fuse.fire_on_crash
    out[BOUND.charge_a], out[BOUND.discharge_a] = limits.charge_current_max_a, limits.discharge_current_max_a
    out[BOUND.charge_pulse_a] = limits.charge_current_pulse_a
    out[BOUND.discharge_pulse_a] = limits.discharge_current_pulse_a
    out[BOUND.has_contactors] = system.contactors.fitted
    return out


def watchdog(system: System) -> Watchdog:
    """A watchdog for this pack."""
    size = system_size(system)
    return new_watchdog(bounds(system), size.cells, size.sensors, len(FAULTS))
