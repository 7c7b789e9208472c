"""A synthetic cell with round numbers, for tests that must not depend on the cell library."""

from __future__ import annotations

import numpy as np

from ionward.battery.cell import CellModel


def synthetic_cell(capacity_ah: float = 3.0, hysteresis_v: float = 0.01) -> CellModel:
    """NMC-like: OCV straight from 3.0 V to 4.2 V, resistances that double towards the cold."""
    soc = np.linspace(0.0, 1.0, 21)
    temperature_c = [-20.0, 25.0, 45.0]
    ocv_v = 3.0 + 1.2 * soc

    def grid(value: float, scales: tuple[float, ...] = (3.0, 1.0, 0.8)) -> list[list[float]]:
        return [[value * s] * len(soc) for s in scales]

    return CellModel.model_validate(
        {
            "name": "synthetic",
            "title": "Synthetic cell",
            "chemistry": "NMC",
            "data_sheet": {
                "source": "made up for tests",
                "nominal_capacity_ah": capacity_ah,
                "nominal_voltage_v": 3.6,
                "voltage_min_v": 2.5,
                "voltage_max_v": 4.2,
                "charge_current_max_a": 2 * capacity_ah,
                "discharge_current_max_a": 6 * capacity_ah,
                "charge_current_pulse_a": 3 * capacity_ah,
                "discharge_current_pulse_a": 10 * capacity_ah,
                "charge_temperature_min_c": 0.0,
                "charge_temperature_max_c": 50.0,
                "discharge_temperature_min_c": -20.0,
                "discharge_temperature_max_c": 60.0,
                "mass_kg": 0.047,
            },
            "capacity": {"reference_ah": capacity_ah, "temperature_c": [25.0], "capacity_ah": [capacity_ah]},
            "ocv": {
                "temperature_c": [25.0],
                "soc": soc.tolist(),
                "charge_v": [(ocv_v + hysteresis_v).tolist()],
                "discharge_v": [(ocv_v - hysteresis_v).tolist()],
            },
            "circuit": {
                "temperature_c": temperature_c,
                "soc": soc.tolist(),
                "r0_ohm": grid(0.02),
                "r1_ohm": grid(0.01),
                "tau1_s": grid(10.0, (1.0, 1.0, 1.0)),
                "r2_ohm": grid(0.01),
                "tau2_s": grid(200.0, (1.0, 1.0, 1.0)),
                "model_std_v": grid(0.005, (2.0, 1.0, 1.0)),
            },
            "hysteresis": {"rate": 50.0, "instantaneous_v": 0.0},
            "thermal": {
                "heat_capacity_core_j_per_k": 35.0,
                "heat_capacity_surface_j_per_k": 8.0,
                "resistance_core_surface_k_per_w": 2.0,
                "resistance_surface_ambient_k_per_w": 12.0,
                "measured": False,
                "source": "made up for tests",
            },
            "provenance": {"data": "none", "licence": "none", "method": "made up for tests"},
        }
    )
