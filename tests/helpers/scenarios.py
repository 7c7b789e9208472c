"""Small packs in short scenarios."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ionward.battery.cell import CellModel
from ionward.battery.system import System, system_from
from ionward.proving.scenario import Scenario
from ionward.proving.simulation import Result, Simulation


def small_system(
    profile: str = "ev", cell: str = "lg-18650hg2", cell_model: CellModel | None = None, **tables: dict[str, Any]
) -> System:
    """Two modules of four cells in series and four in parallel, with every sensor and contactors of the profile."""
    values: dict[str, Any] = {
        "system": {"name": "small", "profile": profile, "cell": cell},
        "topology": {
            "modules_in_series": 2,
            "cells_per_module": 4,
            "cells_in_parallel": 4,
            "temperature_sensors_per_module": 2,
        },
        "sensors": {
            "current": {
                "minimum_a": -400.0,
                "maximum_a": 400.0,
                "tolerance_a": 0.2,
                "resolution_a": 0.01,
                "noise_a": 0.02,
            },
            "current_redundant": {},
        },
        "limits": {"cell_voltage_max_v": 4.2, "cell_voltage_min_v": 2.8},
        "precharge": {"resistance_ohm": 10.0},
        "contactors": {"life": [[10.0, 100000.0], [100.0, 1000.0], [500.0, 10.0]]},
        "dc_link": {"capacitance_f": 0.002, "discharge_ohm": 2000.0, "dead_v": 3.0},
    }
    for name, table in tables.items():
        values[name] = {**values.get(name, {}), **table}
    return system_from(values, "small.toml", Path(), cell_model)


def scenario(duration_s: float = 30.0, **tables: Any) -> Scenario:
    """A scenario that connects at once and asks for C/2 from 4 s on, changed by `tables`."""
    values: dict[str, Any] = {
        "scenario": {"name": "test", "duration_s": duration_s},
        "command": [{"at_s": 0.5, "connect": True}],
        "load": [{"at_s": 4.0, "unit": "C", "steps": [[0.0, -0.5]]}],
        "file": "test.toml",
    }
    return Scenario.model_validate({**values, **tables})


def run(system: System, of: Scenario, seed: int = 1, keep_traces: bool = False) -> Result:
    """Run it to the end."""
    return Simulation(system, of, seed, keep_traces).run()
