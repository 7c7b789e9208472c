"""Plants for tests: a string of synthetic cells on an ideal current source, or a whole small pack."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from helpers.cells import synthetic_cell
from helpers.scenarios import small_system
from ionward.twin import cells as electric
from ionward.twin.build import Start, build_plant
from ionward.twin.plant import Plant
from ionward.twin.rows import CELLS, SET, STATE

CAPACITY_AS = 3.0 * 3600.0
EQUAL = Start(soc=0.5, soc_spread=0, temperature_c=25.0, temperature_spread_k=0, capacity_spread=0, resistance_spread=0,
              self_discharge_per_month=0)  # fmt: skip


def bare_plant(cells: int = 1, dt_s: float = 0.01) -> Plant:
    """Equal synthetic cells at half charge and 25 °C; only their electrical side is of use."""
    whole = build_plant(small_system(cell_model=synthetic_cell()), EQUAL)
    plant = whole._replace(cells=np.ascontiguousarray(whole.cells[:, :1].repeat(cells, axis=1)))
    plant.cells[CELLS.capacity_as] = CAPACITY_AS
    plant.cells[CELLS.resistance_factor] = 1.0
    plant.cells[CELLS.leak_s] = 1e-12
    plant.settings[SET.dt_s] = dt_s
    electric.refresh(plant.cells, plant.table, plant.settings, 0, cells)
    plant.cells[CELLS.emf_v] = plant.cells[CELLS.voltage_v] = plant.cells[CELLS.ocv_v]
    return plant


def drive(
    plant: Plant, current_a: Callable[[float], float], seconds: float, every_s: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Put a current through the cells; times and voltages of the first cell each `every_s`."""
    dt_s = float(plant.settings[SET.dt_s])
    cells = plant.cells.shape[1]
    read_every = max(1, round(0.4 / dt_s))
    steps = round(seconds / dt_s)
    keep_every = round(every_s / dt_s) if every_s else steps
    times, voltages = [], []
    for k in range(steps):
        if k % read_every == 0:
            electric.refresh(plant.cells, plant.table, plant.settings, 0, cells)
        amperes = current_a(k * dt_s)
        electric.advance(plant.cells, plant.settings, amperes, amperes)
        plant.state[STATE.charge_as] += amperes * dt_s
        if (k + 1) % keep_every == 0:
            times.append((k + 1) * dt_s)
            voltages.append(float(plant.cells[CELLS.voltage_v, 0]))
    return np.array(times), np.array(voltages)


def whole_plant(start: Start = EQUAL, seed: int = 1, ambient_c: float = 25.0, **tables: dict) -> Plant:
    """A small pack of synthetic cells."""
    return build_plant(small_system(cell_model=synthetic_cell(), **tables), start, seed, ambient_c)
