"""Walls of a cell whose data sheet nobody gave: what the logs went through, and what is usual."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np

from ionward.battery.cell import DataSheet
from ionward.battery.identify.description import CellDescription, Chemistry
from ionward.battery.logs import Log
from ionward.errors import UserError

STEP_V = 0.05
# Usual for lithium-ion cells of any maker [K]; a log cannot tell what a cell would not have survived.
CHARGE_C = (0.0, 45.0)
DISCHARGE_C = (-20.0, 60.0)
WH_PER_KG = {"LFP": 120.0, "LTO": 75.0}
WH_PER_KG_OTHERS = 220.0
SOURCE = (
    "no data sheet was given: voltages and currents are the extremes of the logs, temperatures and mass are usual "
    "values; replace them by the maker's before use"
)


def usual_chemistry(voltage_max_v: float) -> Chemistry:
    """Chemistry that charges to this voltage: LTO to 2.8 V, LFP to 3.65 V, all others to 4.1 V and more."""
    if voltage_max_v < 3.0:
        return "LTO"
    return "LFP" if voltage_max_v < 3.85 else "NMC"


def description_from_logs(
    logs: Sequence[Log], name: str, title: str | None, chemistry: str | None, capacity_ah: float | None
) -> CellDescription:
    """A description with walls at what the logs went through.

    Raises:
        UserError: the logs move no charge, or the chemistry is unknown.
    """
    if chemistry is not None and chemistry not in get_args(Chemistry):
        raise UserError(f"--chemistry is '{chemistry}', allowed: {', '.join(get_args(Chemistry))}")
    voltage_v = np.concatenate([log.voltage_v[log.valid] for log in logs])
    current_a = np.concatenate([log.current_a[log.valid] for log in logs])
    moved_ah = capacity_ah or max(float(np.ptp(log.charge_ah())) for log in logs)
    if not moved_ah > 0.0:
        raise UserError("the logs move no charge: a capacity cannot be found, give --capacity-ah")
    top_v = round(float(np.max(voltage_v)) / STEP_V) * STEP_V
    bottom_v = round(float(np.min(voltage_v)) / STEP_V) * STEP_V
    kind = chemistry or usual_chemistry(top_v)
    middle_v = float(np.median(voltage_v))
    # A pulse is no proof of what a cell bears for long: 1C, or less where the logs stay below.
    charge_a = max(float(np.max(current_a)), 0.1 * moved_ah)
    discharge_a = max(float(-np.min(current_a)), 0.1 * moved_ah)
    sheet = DataSheet(
        source=SOURCE,
        nominal_capacity_ah=round(moved_ah, 3),
        nominal_voltage_v=round(middle_v, 2),
        voltage_min_v=round(bottom_v, 2),
        voltage_max_v=round(top_v, 2),
        charge_current_max_a=round(min(charge_a, moved_ah), 3),
        discharge_current_max_a=round(min(discharge_a, moved_ah), 3),
        charge_current_pulse_a=round(charge_a, 3),
        discharge_current_pulse_a=round(discharge_a, 3),
        charge_temperature_min_c=CHARGE_C[0],
        charge_temperature_max_c=CHARGE_C[1],
        discharge_temperature_min_c=DISCHARGE_C[0],
        discharge_temperature_max_c=DISCHARGE_C[1],
        mass_kg=round(middle_v * moved_ah / WH_PER_KG.get(kind, WH_PER_KG_OTHERS), 4),
    )
    return CellDescription(
        name=name,
        title=title or f"{name}, walls taken from its logs",
        chemistry=kind,
        data_sheet=sheet,
        capacity_ah=capacity_ah,
        not_measured=(
            "walls of the data sheet: none was given (see data_sheet.source)",
            *(() if chemistry else (f"chemistry: {kind} assumed from the highest voltage",)),
        ),
    )
