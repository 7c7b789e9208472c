"""Time of the simulated battery beside PyBaMM's Thevenin model, and of BMS and battery in closed loop.

The battery alone: 2RC with hysteresis, tables, two-node thermal, coolant, contactors, DC link; sensors left out.
The closed loop: sensors, the whole tick, the battery, and the digest over all outputs. The best of several rounds
counts. PyBaMM solves the same cell (2RC, OCV straight over SOC) through the same current; both have to agree.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from ionward._compile import njit
from ionward.battery.system import load_system
from ionward.control.entry import tick_address
from ionward.proving.closed_loop import run_ticks
from ionward.proving.load_profile import read_profile
from ionward.proving.scenario import built_in_scenario
from ionward.proving.simulation import Simulation
from ionward.runtime.digests import Digests
from ionward.twin import cells as electric
from ionward.twin.build import Start, build_plant
from ionward.twin.plant import Plant, advance
from ionward.twin.rows import CELLS, OUT, SET, STATE

ROOT = Path(__file__).parents[1]
PACK = ROOT / "examples" / "ev-96s.toml"
ROUNDS = 5
STEPS = 20_000
AGREE_V = 0.002  # PyBaMM interpolates the current between its points, the twin holds it over its step
PROFILE_S = 1800.0


@njit
def live(plant: Plant, steps: int) -> None:
    for _ in range(steps):
        advance(plant)


def connected_plant(cells: int) -> Plant:
    """The EV example widened to so many cells, connected and driving."""
    system = load_system(PACK)
    topology = system.topology.model_copy(update={"modules_in_series": cells // system.topology.cells_per_module})
    system = system.model_copy(update={"topology": topology})
    times, values, _ = read_profile("mixed-drive", Path())
    plant = build_plant(system, Start(soc=0.8), profile=np.stack([times, values * topology.capacity_ah]))
    plant.state[STATE.bus_voltage_v] = plant.state[STATE.pack_voltage_v]
    plant.outputs[[OUT.main_positive, OUT.main_negative, OUT.connected]] = 1.0
    plant.outputs[[OUT.charge_limit_a, OUT.discharge_limit_a]] = 1e3
    plant.outputs[OUT.pump] = 0.5
    return plant


def ns_per_cell_step(cells: int) -> float:
    plant = connected_plant(cells)
    live(plant, 10)
    best = np.inf
    for _ in range(ROUNDS):
        began = time.perf_counter()
        live(plant, STEPS)
        best = min(best, time.perf_counter() - began)
    assert abs(plant.state[STATE.current_a]) > 1.0, "the pack is not driving"
    assert np.isfinite(plant.cells[CELLS.voltage_v]).all()
    return best / STEPS / cells * 1e9


def closed_loop_x_realtime() -> float:
    simulation = Simulation(load_system(PACK), built_in_scenario("ev"), keep_traces=False)
    bench = simulation.bench
    digests = Digests(bench.words.shape[1])
    ticks = bench.words.shape[0]
    address = tick_address()
    run_ticks(address, bench, 0)
    simulation.actions[0].do()
    seconds = 0.0
    best = np.inf
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(60):
            run_ticks(address, bench, ticks)
            digests.update(bench.words)
        seconds = 60 * ticks * simulation.cycle_s
        best = min(best, time.perf_counter() - began)
    assert abs(bench.plant.state[STATE.current_a]) > 1.0, "the pack is not driving"
    return seconds / best


def comparison_cell() -> Any:
    """The round-numbered cell of the tests, without hysteresis, which PyBaMM's model has not."""
    sys.path.insert(0, str(ROOT / "tests"))
    from helpers.cells import synthetic_cell

    return synthetic_cell(hysteresis_v=0.0)


def twin_cell(current_a: np.ndarray, dt_s: float) -> tuple[np.ndarray, float]:
    """Voltages of one simulated cell at the end of each step, and seconds of computing."""
    cell = comparison_cell()
    system = load_system(ROOT / "examples" / "bench-cell.toml", cell)
    start = Start(soc=0.8, soc_spread=0, capacity_spread=0, resistance_spread=0, temperature_spread_k=0,
                  self_discharge_per_month=0)  # fmt: skip
    plant = build_plant(system, start)
    plant.settings[SET.dt_s] = dt_s
    plant.cells[CELLS.capacity_as] = cell.capacity.reference_ah * 3600.0
    plant.cells[CELLS.resistance_factor] = 1.0
    electric.refresh(plant.cells, plant.table, plant.settings, 0, 1)
    plant.cells[CELLS.emf_v] = plant.cells[CELLS.ocv_v]
    voltages = np.empty(len(current_a))
    through(plant, current_a[:1], voltages)
    plant.cells[CELLS.soc] = 0.8
    plant.cells[[CELLS.v1_v, CELLS.v2_v]] = 0.0
    electric.refresh(plant.cells, plant.table, plant.settings, 0, 1)
    plant.cells[CELLS.emf_v] = plant.cells[CELLS.ocv_v]
    began = time.perf_counter()
    through(plant, current_a, voltages)
    return voltages, time.perf_counter() - began


@njit
def through(plant: Plant, current_a: Any, voltages: Any) -> None:
    for k in range(current_a.shape[0]):
        if k % 40 == 0:
            electric.refresh(plant.cells, plant.table, plant.settings, 0, 1)
        electric.advance(plant.cells, plant.settings, current_a[k], current_a[k])
        voltages[k] = plant.cells[CELLS.voltage_v, 0]


def pybamm_cell(times_s: np.ndarray, current_a: np.ndarray) -> tuple[np.ndarray, float]:
    """PyBaMM's 2RC Thevenin model through the same current (its discharge is positive)."""
    import pybamm

    pybamm.set_logging_level("ERROR")
    model = pybamm.equivalent_circuit.Thevenin(options={"number of rc elements": 2})
    values = model.default_parameter_values

    def constant(number: float) -> Any:
        return lambda *_: pybamm.Scalar(number)

    values.update(
        {
            "Initial SoC": 0.8,
            "Cell capacity [A.h]": 3.0,
            "Nominal cell capacity [A.h]": 3.0,
            "Open-circuit voltage [V]": lambda soc: 3.0 + 1.2 * soc,
            "Upper voltage cut-off [V]": 5.0,
            "Lower voltage cut-off [V]": 1.0,
            "R0 [Ohm]": constant(0.02),
            "R1 [Ohm]": constant(0.01),
            "C1 [F]": constant(10.0 / 0.01),
            "R2 [Ohm]": constant(0.01),
            "C2 [F]": constant(200.0 / 0.01),
            "Element-1 initial overpotential [V]": 0.0,
            "Element-2 initial overpotential [V]": 0.0,
            "Entropic change [V/K]": constant(0.0),
            "Current function [A]": pybamm.Interpolant(times_s, -current_a, pybamm.t),
        },
        check_already_exists=False,
    )
    simulation = pybamm.Simulation(model, parameter_values=values)
    simulation.solve([0.0, float(times_s[-1])], t_interp=times_s)  # building is no part of solving
    began = time.perf_counter()
    solution = simulation.solve([0.0, float(times_s[-1])], t_interp=times_s)
    return np.asarray(solution["Voltage [V]"](times_s)), time.perf_counter() - began


def against_pybamm() -> float | None:
    """Time of the twin over PyBaMM's, for one cell through half an hour of driving; None without PyBaMM."""
    if importlib.util.find_spec("pybamm") is None:
        return None
    dt_s = 0.01
    times, values, _ = read_profile("mixed-drive", Path())
    times_s = np.arange(0.0, PROFILE_S, 1.0)
    current_a = 3.0 * np.interp(times_s, times, values)
    fine_s = np.arange(round(PROFILE_S / dt_s)) * dt_s
    # The mean over each step of what PyBaMM interpolates.
    ours, our_s = twin_cell(np.interp(fine_s + dt_s / 2, times_s, current_a), dt_s)
    theirs, their_s = pybamm_cell(times_s, current_a)
    seen = np.interp(times_s, fine_s + dt_s, ours)
    apart = float(np.abs(seen[1:-1] - theirs[1:-1]).max())
    assert apart < AGREE_V, f"twin and PyBaMM differ by {1000 * apart:.2f} mV"
    print(f"twin and PyBaMM agree within {1000 * apart:.3f} mV; {our_s:.4f} s against {their_s:.3f} s", file=sys.stderr)
    return our_s / their_s


def figures() -> dict[str, float | None]:
    """What `ionward bench twin` shows."""
    return {
        "twin_ns_per_cell_step": ns_per_cell_step(96),
        "twin_ns_per_cell_step_400": ns_per_cell_step(400),
        "twin_vs_pybamm": against_pybamm(),
        "closed_loop_x_realtime_96": closed_loop_x_realtime(),
    }


if __name__ == "__main__":
    print(figures())
