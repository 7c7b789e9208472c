"""The figures in which a person recognises a pack."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from ionward.battery import tables
from ionward.battery.checks import precharge_time_s
from ionward.battery.doubts import (
    balancing_current_a,
    board_temperature_c,
    full_voltage_v,
    melting_time_s,
    precharge_energy_j,
    system_doubts,
)
from ionward.battery.sensors import SENSOR_NAMES, Sensor
from ionward.battery.system import System
from ionward.image.build import CHANNEL_SENSORS
from ionward.image.fault_levels import LEVEL_NAMES, decision_time_s, fault_doubts, resolved_levels, sample_period_s
from ionward.image.faults import BY_ID, FAULTS, Fault
from ionward.image.masks import holds
from ionward.image.scalars import scalars

ROOM_C = 25.0


def pack_summary(system: System, wall_s: float | None = None) -> dict[str, Any]:
    """The pack in figures, as plain values that JSON can hold.

    `wall_s` is the time for which masks are told to hold or to have ended, in seconds since 1970 (default: now).
    """
    used_s = time.time() if wall_s is None else wall_s
    return {
        "file": system.file,
        "name": system.system.name,
        "profile": system.system.profile,
        "cell": {"name": system.cell_model.name, "title": system.cell_model.title},
        "pack": _pack(system),
        "limits": system.limits.model_dump(),
        "sensors": {name: _sensor(getattr(system.sensors, name)) for name in SENSOR_NAMES},
        "connection": _connection(system),
        "balancing": _balancing(system),
        "cycle": system.cycle.model_dump(),
        "faults": {fault.id: _fault(fault, system) for fault in FAULTS},
        "masks": [mask.model_dump() | {"in_force": holds(mask, used_s)} for mask in system.masks],
        "doubts": [*system_doubts(system), *fault_doubts(system), *mask_doubts(system, used_s)],
    }


def _room_row(system: System) -> Any:
    """The cell's table at room temperature: `[soc, parameter]`."""
    row = round((ROOM_C - tables.TEMPERATURE_MIN_C) / tables.TEMPERATURE_STEP_K)
    return system.cell_model.table()[row]


def _pack(system: System) -> dict[str, Any]:
    topology, limits, row = system.topology, system.limits, _room_row(system)
    discharge_v = row[:, tables.OCV_V] - row[:, tables.HYSTERESIS_V]
    charge_v = row[:, tables.OCV_V] + row[:, tables.HYSTERESIS_V]
    usable = (discharge_v >= limits.cell_voltage_min_v) & (charge_v <= limits.cell_voltage_max_v)
    soc = np.linspace(0.0, 1.0, tables.SOCS)[usable]
    share = float(soc[-1] - soc[0]) if len(soc) else 0.0
    mean_v = float(np.trapezoid(discharge_v[usable], soc)) / share if share else 0.0
    middle = tables.SOCS // 2
    cell_ohm = float(row[middle, [tables.R0_OHM, tables.R1_OHM, tables.R2_OHM]].sum())
    joints_ohm = (topology.series - 1) * topology.busbar_resistance_ohm
    nominal_v = topology.series * system.cell_model.data_sheet.nominal_voltage_v
    return {
        "modules": topology.modules_in_series,
        "cells_in_series": topology.series,
        "cells_in_parallel": topology.cells_in_parallel,
        "cells": topology.series * topology.cells_in_parallel,
        "temperature_sensors": topology.temperature_sensors,
        "capacity_ah": topology.capacity_ah,
        "usable_capacity_ah": topology.capacity_ah * share,
        "energy_kwh": topology.series * topology.capacity_ah * share * mean_v / 1000,
        "voltage_min_v": topology.series * limits.cell_voltage_min_v,
        "voltage_nominal_v": nominal_v,
        "voltage_max_v": full_voltage_v(system),
        "resistance_ohm": (
            topology.series * cell_ohm * topology.resistance_factor / topology.cells_in_parallel + joints_ohm
        ),
        "charge_power_kw": nominal_v * limits.charge_current_max_a / 1000,
        "discharge_power_kw": nominal_v * limits.discharge_current_max_a / 1000,
        "discharge_pulse_kw": nominal_v * limits.discharge_current_pulse_a / 1000,
        "cell_mass_kg": (
            topology.series * topology.cells_in_parallel * system.cell_model.data_sheet.mass_kg
        ),
    }  # fmt: skip


def _sensor(sensor: Sensor) -> dict[str, Any]:
    values: dict[str, Any] = {"fitted": sensor.fitted, "period_s": sensor.period_s, "age_max_s": sensor.age_max_s}
    if sensor.value_unit:
        names = ("low", "high", "tolerance", "resolution")
        values |= {"unit": sensor.value_unit, **{name: getattr(sensor, name) for name in names}}
    return values


def _connection(system: System) -> dict[str, Any]:
    contactors, precharge, fuse = system.contactors, system.precharge, system.fuse
    values: dict[str, Any] = {"contactors": contactors.fitted, "precharge": False, "fuse": fuse.fitted}
    if contactors.fitted:
        values |= {
            "break_current_a": contactors.break_current_a,
            "open_wait_s": contactors.open_wait_s,
            "one_way": contactors.one_way,
            "diode_v": contactors.diode_v,
        }
        if precharge.fitted:
            good_j, shorted_j = precharge_energy_j(system)
            values |= {
                "precharge": True,
                "precharge_tau_s": precharge.resistance_ohm * system.dc_link.capacitance_f,
                "precharge_time_s": precharge_time_s(system),
                "precharge_timeout_s": precharge.timeout_s,
                "precharge_peak_a": full_voltage_v(system) / precharge.resistance_ohm,
                "precharge_energy_j": good_j,
                "precharge_energy_shorted_j": shorted_j,
                "resistor_energy_j": precharge.resistor_energy_j,
            }
    if fuse.fitted:
        melting_s = {
            f"{current_a:g}": melting_time_s(fuse.curve, current_a)
            for current_a in (system.limits.discharge_current_pulse_a, contactors.break_current_a)
        }
        values |= {
            "fuse_rating_a": fuse.rating_a,
            "pyrofuse": fuse.pyrofuse,
            "pyrofuse_on_crash": fuse.pyrofuse and fuse.fire_on_crash,
            "pyrofuse_test_mode": fuse.pyrofuse and fuse.test_mode,
            "fuse_melting_s": {a: (s if np.isfinite(s) else None) for a, s in melting_s.items()},
        }
    return values


def _balancing(system: System) -> dict[str, Any]:
    balancing = system.balancing
    if balancing.kind == "none":
        return {"kind": "none"}
    current_a = balancing_current_a(system)
    return {
        "kind": balancing.kind,
        "method": balancing.method,
        "current_a": current_a,
        "hours_per_percent": 0.01 * system.topology.capacity_ah / current_a,
        "board_c": board_temperature_c(system),
        "board_max_c": balancing.board_max_c,
    }


def applies(fault: Fault, system: System) -> bool:
    """The pack has what a fault's rule judges: channels that are fitted, parameters that are 1."""
    if fault.scope in ("temperature", "module") and not system.sensors.temperature.fitted:
        return False
    parameters = scalars(system)

    def is_there(needed: str) -> bool:
        if needed in CHANNEL_SENSORS:
            return bool(getattr(system.sensors, CHANNEL_SENSORS[needed]).fitted)
        return bool(parameters[needed][0] == 1)

    return all(any(is_there(one) for one in needed.split(" or ")) for needed in fault.only_when)


def _fault(fault: Fault, system: System) -> dict[str, Any]:
    period_s = sample_period_s(fault, system)
    levels = {
        name: {**asdict(level), "decided_within_s": decision_time_s(level, period_s)}
        for name, level in zip(LEVEL_NAMES, resolved_levels(fault, system), strict=True)
        if level is not None
    }
    return {
        "name": fault.name,
        "unit": fault.unit,
        "direction": fault.direction,
        "judged": applies(fault, system),
        "levels": levels,
    }


def mask_doubts(system: System, wall_s: float) -> Iterator[str]:
    """Masks that do nothing: they have ended, or the pack does not judge their fault."""
    for k, mask in enumerate(system.masks):
        if not holds(mask, wall_s):
            yield f"masks[{k}]: the mask of {mask.fault} ended with {mask.until} and has no effect: take it out"
        elif mask.fault in BY_ID and not applies(BY_ID[mask.fault], system):
            yield f"masks[{k}]: {mask.fault} is not judged in this pack: take the mask out"
