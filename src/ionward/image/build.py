"""From the description of a pack to what the tick is told: sizes and parameters."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np

from ionward.battery.cell import CellModel
from ionward.battery.limits import FaultChange
from ionward.battery.sensors import Sensor
from ionward.battery.system import Check, System, load_system
from ionward.battery.topology import Topology
from ionward.errors import UserError
from ionward.image.fault_levels import fault_problems, resolved_levels, wait_s
from ionward.image.faults import FAULTS
from ionward.image.inputs import CHANNEL, CHANNELS, Array
from ionward.image.layout import Size
from ionward.image.masks import mask_problems
from ionward.image.parameters import (
    CELLP,
    CURVE,
    CURVE_NAMES,
    CURVE_POINTS,
    FAULTP,
    LEVELP,
    MEASURE,
    Parameters,
)
from ionward.image.scalars import scalars

NEVER_A = 1e12  # where there is no fuse to melt
# The sensor of the description behind each channel of the image.
CHANNEL_SENSORS = {
    "current_a": "current",
    "current_redundant_a": "current_redundant",
    "pack_voltage_v": "pack_voltage",
    "bus_voltage_v": "bus_voltage",
    "insulation_ohm": "insulation",
    "coolant_inlet_c": "coolant_inlet",
    "coolant_outlet_c": "coolant_outlet",
    "ambient_c": "ambient",
    "hvil_closed": "hvil",
    "crash": "crash",
    "main_positive_closed": "contactor_feedback",
    "main_negative_closed": "contactor_feedback",
    "precharge_closed": "contactor_feedback",
    "contactor_positive_c": "contactor_positive",
    "contactor_negative_c": "contactor_negative",
    "connector_positive_c": "connector_positive",
    "connector_negative_c": "connector_negative",
    "balancing_board_c": "balancing_board",
    "positive_tap_v": "positive_tap",
    "negative_tap_v": "negative_tap",
    "cooling_running": "cooling_feedback",
    "monitor_redundancy_v": "monitor_redundancy",
    "monitor_crc_errors": "monitor_crc",
    "monitor_sequence_errors": "monitor_sequence",
    "pyrofuse_intact": "pyrofuse_loop",
}


def load_pack(
    path: Path | str, cell_model: CellModel | None = None, wall_s: float | None = None
) -> tuple[System, Parameters]:
    """Read a system file and make its parameters, with fault ladder and masks checked in the same go.

    `wall_s` is when the file is used, in seconds since 1970 (default: now): masks may not reach further than some
    months from then. No mask holds in the parameters before `with_masks` is told when the run begins.

    Raises:
        UserError: the file cannot be read, or something in it is wrong; all problems at once.
    """
    system = load_system(path, cell_model, checks=pack_checks(wall_s))
    return system, build_parameters(system)


def pack_checks(wall_s: float | None = None) -> tuple[Check, ...]:
    """What this room checks of a pack, for `load_system` and `load_site`: fault ladder and masks (see `load_pack`)."""
    used_s = time.time() if wall_s is None else wall_s
    return fault_problems, lambda system: mask_problems(system, used_s)


def system_size(system: System) -> Size:
    """Sizes of the image's blocks. A system without any temperature sensor keeps one that is not fitted."""
    topology = system.topology
    return Size(topology.series, max(topology.temperature_sensors, 1), topology.modules_in_series)


def build_parameters(system: System) -> Parameters:
    """Everything the tick is told about this pack.

    Raises:
        UserError: a change to the fault ladder names an unknown fault or has levels in a wrong order, or a mask is
            one that may not be.
    """
    problems = [*fault_problems(system), *mask_problems(system)]
    if problems:
        raise UserError(*(p.line(system.file or system.system.name) for p in problems))
    size = system_size(system)
    sensors = system.sensors
    channel_limits = np.empty((len(MEASURE), CHANNELS))
    for channel, sensor in CHANNEL_SENSORS.items():
        channel_limits[:, getattr(CHANNEL, channel)] = measurement_limits(getattr(sensors, sensor))
    if not system.precharge.fitted:
        channel_limits[MEASURE.fitted, CHANNEL.precharge_closed] = 0
    sensor_limits = np.repeat(measurement_limits(sensors.temperature)[:, None], size.sensors, axis=1)
    values = scalars(system)
    return Parameters(
        scalars=values,
        channel_limits=channel_limits,
        cell_limits=np.repeat(measurement_limits(sensors.cell_voltage)[:, None], size.cells, axis=1),
        sensor_limits=sensor_limits,
        cells=cell_parameters(system),
        sensors=sensor_modules(system.topology)[None, :],
        curves=curves(system),
        faults=fault_rules(system),
        levels=fault_levels(system),
        table=np.ascontiguousarray(system.cell_model.table()),
        words=values.view(np.float64),
    )


def measurement_limits(sensor: Sensor) -> Array:
    """What one sensor's samples are judged by: a column `[MEASURE]`."""
    column = np.empty(len(MEASURE))
    column[MEASURE.fitted] = sensor.fitted
    column[MEASURE.minimum] = sensor.low
    column[MEASURE.maximum] = sensor.high
    column[MEASURE.rate_max] = sensor.rate_max
    column[MEASURE.age_max_s] = sensor.age_max_s
    column[MEASURE.frozen_s] = sensor.frozen_s
    return column


def sensor_modules(topology: Topology) -> Array:
    """Module of each temperature sensor."""
    per_module = topology.temperature_sensors_per_module
    modules = [module for module in topology.modules_with_sensor for _ in range(per_module)]
    return np.array(modules or [0], dtype=float)


def sensor_positions(topology: Topology) -> Array:
    """Where each temperature sensor sits, in cells from the start of the pack: evenly spread along its module.

    Two sensors of a module of eight cells sit at a quarter and three quarters: beside cells 1.5 and 5.5.
    """
    per_module = max(topology.temperature_sensors_per_module, 1)
    within = (np.arange(per_module) + 0.5) / per_module * topology.cells_per_module - 0.5
    modules = topology.modules_with_sensor or [0]
    return np.concatenate([module * topology.cells_per_module + within for module in modules])


def cell_parameters(system: System) -> Array:
    """Capacity, resistance, module and temperature sensors of each cell: `[CELLP, cell]`.

    A cell takes its temperature from its module's sensors on both sides, weighted by distance, and beyond the
    outermost from that one alone. In a module without sensors the nearest sensors of the neighbours count.
    """
    topology = system.topology
    cells = np.zeros((len(CELLP), topology.series))
    cells[CELLP.capacity_ah] = topology.capacity_ah
    cells[CELLP.resistance_factor] = topology.resistance_factor / topology.cells_in_parallel
    cells[CELLP.module] = np.arange(topology.series) // topology.cells_per_module
    position, module = sensor_positions(topology), sensor_modules(topology)
    for cell in range(topology.series):
        own = np.flatnonzero(module == cells[CELLP.module, cell])
        usable = own if len(own) else np.arange(len(position))
        after = int(np.searchsorted(position[usable], cell))
        a = int(usable[max(after - 1, 0)])
        b = int(usable[min(after, len(usable) - 1)])
        distance = position[b] - position[a]
        cells[CELLP.sensor_a, cell] = a
        cells[CELLP.sensor_b, cell] = b
        cells[CELLP.weight_b, cell] = (cell - position[a]) / distance if distance > 0 else 0.0
    return cells


def curves(system: System) -> Array:
    """Derating curves, the fuse's, the contactors' life: `[CURVE, 2 (x, value), point]`, the last point repeated."""
    never = [[NEVER_A, NEVER_A]] * 2
    out = np.empty((len(CURVE_NAMES), 2, CURVE_POINTS))
    others = {
        "fuse": system.fuse.curve if system.fuse.fitted else never,
        "life_positive": system.contactors.life_of(negative=False) or never,
        "life_negative": system.contactors.life_of(negative=True) or never,
    }
    for name in CURVE_NAMES:
        chosen = others[name][-CURVE_POINTS:] if name in others else getattr(system.derating, name)
        points = np.array(chosen, dtype=float)
        padded = np.vstack([points, np.repeat(points[-1:], CURVE_POINTS - len(points), axis=0)])
        out[getattr(CURVE, name)] = padded.T
    return out


def fault_rules(system: System) -> Array:
    """Direction and reaction of each fault: `[FAULTP, fault]`."""
    out = np.zeros((len(FAULTP), len(FAULTS)))
    for number, fault in enumerate(FAULTS):
        out[FAULTP.above, number] = fault.direction == "above"
        out[FAULTP.latching, number] = fault.latching
        out[FAULTP.service, number] = fault.service
        out[FAULTP.wait_s, number] = wait_s(fault, system)
        change = system.faults.get(fault.id, FaultChange())
        out[FAULTP.cool_down_s, number], out[FAULTP.retries, number] = change.cool_down_s, change.retries
        out[FAULTP.mask_until_s, number] = -math.inf  # see `with_masks`
        out[FAULTP.blocks_charge, number] = fault.blocks in ("charge", "both")
        out[FAULTP.blocks_discharge, number] = fault.blocks in ("discharge", "both")
    return out


def fault_levels(system: System) -> Array:
    """Thresholds and delays: `[level, LEVELP, fault]`; `set` is NaN where a level is not used."""
    out = np.zeros((4, len(LEVELP), len(FAULTS)))
    out[:, LEVELP.set] = math.nan
    out[:, LEVELP.clear] = math.nan
    for number, fault in enumerate(FAULTS):
        for index, level in enumerate(resolved_levels(fault, system)):
            if level is not None:
                out[index, LEVELP.set, number] = level.set
                out[index, LEVELP.clear, number] = level.clear
                out[index, LEVELP.delay_samples, number] = level.delay_samples
                out[index, LEVELP.delay_s, number] = level.delay_s
    return out
