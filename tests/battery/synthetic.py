"""A cell that no one measured: known parameters, slow and dynamic logs made from them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ionward.battery import tables
from ionward.battery.cell import DataSheet
from ionward.battery.ecm import STATES, simulate
from ionward.battery.identify import CellDescription
from ionward.battery.logs import Log

Array = npt.NDArray[np.float64]

CAPACITY_AH = 2.5
RATE = 40.0
R0_OHM, R1_OHM, TAU1_S, R2_OHM, TAU2_S = 0.020, 0.010, 9.0, 0.014, 180.0
HYSTERESIS_V = 0.015
TEMPERATURES_C = tables.TEMPERATURE_MIN_C + tables.TEMPERATURE_STEP_K * np.arange(tables.TEMPERATURES)

SHEET = DataSheet(
    source="synthetic",
    nominal_capacity_ah=CAPACITY_AH,
    nominal_voltage_v=3.6,
    voltage_min_v=2.5,
    voltage_max_v=4.2,
    charge_current_max_a=2.5,
    discharge_current_max_a=10.0,
    charge_current_pulse_a=5.0,
    discharge_current_pulse_a=20.0,
    charge_temperature_min_c=0.0,
    charge_temperature_max_c=45.0,
    discharge_temperature_min_c=-20.0,
    discharge_temperature_max_c=60.0,
    mass_kg=0.05,
)


def description(**changes: object) -> CellDescription:
    known: dict[str, object] = {"name": "synthetic", "title": "synthetic cell", "chemistry": "NMC"}
    return CellDescription.model_validate({**known, "data_sheet": SHEET, **changes})


def ocv(soc: Array) -> Array:
    """Rises from 3.0 V to 4.15 V, steeper at both ends."""
    return 3.45 + 0.6 * soc - 0.45 * np.exp(-20 * soc) + 0.1 * np.exp(-20 * (1 - soc))


def resistance_factor(temperature_c: Array | float) -> Array:
    return np.asarray(np.exp(2500 * (1 / (np.asarray(temperature_c) + 273.15) - 1 / 298.15)))


def table() -> Array:
    out = np.empty((tables.TEMPERATURES, tables.SOCS, tables.PARAMETERS))
    factor = resistance_factor(TEMPERATURES_C)[:, None]
    out[..., tables.OCV_V] = ocv(np.linspace(0, 1, tables.SOCS))
    out[..., tables.HYSTERESIS_V] = HYSTERESIS_V
    out[..., tables.R0_OHM] = R0_OHM * factor
    out[..., tables.R1_OHM] = R1_OHM * factor
    out[..., tables.TAU1_S] = TAU1_S
    out[..., tables.R2_OHM] = R2_OHM * factor
    out[..., tables.TAU2_S] = TAU2_S
    out[..., tables.MODEL_STD_V] = 0.001
    return out


def log(name: str, time_s: Array, current_a: Array, temperature_c: float, seed: int = 0) -> Log:
    """What a tester would have logged: starts full, 0.3 mV of noise."""
    state = np.zeros(STATES)
    state[0], state[3] = 1.0, 1.0
    voltage, soc = np.empty_like(time_s), np.empty_like(time_s)
    temperature = np.full_like(time_s, temperature_c)
    simulate(table(), CAPACITY_AH, RATE, 0.0, time_s, current_a, temperature, state, voltage, soc)
    noise = np.random.default_rng(seed).normal(0, 3e-4, len(time_s))
    return Log(name, time_s, current_a, voltage + noise, temperature)


def slow_log(temperature_c: float) -> Log:
    """C/20 down to 2 % SOC, one hour of rest, and back up."""
    step = 60.0
    rows = int(0.98 * 20 * 3600 / step)
    current = np.concatenate(
        (
            np.zeros(5),
            np.full(rows, -CAPACITY_AH / 20),
            np.zeros(60),
            np.full(rows, CAPACITY_AH / 20),
            np.zeros(60),
        )
    )
    return log(f"slow_{temperature_c:g}.csv", step * np.arange(len(current)), current, temperature_c)


def drive_log(temperature_c: float, seed: int, name: str = "drive") -> Log:
    """Random steps of 5 to 40 s, mostly discharge, until 8 % SOC."""
    random = np.random.default_rng(seed)
    pieces: list[Array] = [np.zeros(30)]
    moved = 0.0
    while moved < 0.92 * CAPACITY_AH * 3600:
        length = int(random.integers(5, 40))
        level = float(random.choice([0.0, 2.0, -1.5, -3.0, -6.0], p=[0.2, 0.15, 0.25, 0.25, 0.15]))
        pieces.append(np.full(length, level))
        moved -= level * length
    current = np.concatenate(pieces)
    return log(f"{name}_{temperature_c:g}.csv", np.arange(len(current), dtype=float), current, temperature_c, seed)
