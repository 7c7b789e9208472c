"""The plant: all of the simulated battery's arrays, and its compiled step."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ionward._compile import njit
from ionward.image.inputs import CHANNEL, Raw
from ionward.twin import cells as electric
from ionward.twin import circuit, heat, points, sensors
from ionward.twin.noise import Integers
from ionward.twin.rows import CELLS, KON, MAIN_NEGATIVE, MAIN_POSITIVE, PRECHARGE, SENSE, SET, STATE

Array = npt.NDArray[np.float64]


class Plant(NamedTuple):
    """A simulated battery. Blocks are `[row, item]` of `twin.rows`; `build_plant` makes one.

    `profile` is `[2 (time_s, A or W), point]`, each value from its time on; `fuse_curve` `[2 (A, s), point]`;
    `temperature_at` `[3 (cell, next cell, weight of the next), sensor]`; the `…_sensors` blocks are `[SENSE, item]`.
    """

    settings: Array
    state: Array
    cells: Array
    contactors: Array
    modules: Array
    outputs: Array
    table: Array
    profile: Array
    fuse_curve: Array
    channel_sensors: Array
    cell_sensors: Array
    temperature_sensors: Array
    temperature_at: Array
    channel_truth: Array
    temperature_truth: Array
    generator: Integers
    quantiles: Array


@njit
def advance(plant: Plant) -> None:
    """Advance the plant from one tick of the BMS to the next.

    The arrays are taken out of the tuple once: handing the tuple on would cost as much as eighty cells.
    """
    settings, state, cells, contactors, modules = (
        plant.settings, plant.state, plant.cells, plant.contactors, plant.modules,
    )  # fmt: skip
    outputs, table, profile, fuse_curve = plant.outputs, plant.table, plant.profile, plant.fuse_curve
    for _ in range(int(settings[SET.steps_per_tick])):
        step(settings, state, cells, contactors, modules, outputs, table, profile, fuse_curve)


@njit
def step(
    settings: Array,
    state: Array,
    cells: Array,
    contactors: Array,
    modules: Array,
    outputs: Array,
    table: Array,
    profile: Array,
    fuse_curve: Array,
) -> None:
    """Advance the plant by one step of its own."""
    begin_step(settings, state, cells, contactors, outputs, table)
    circuit.solve(contactors, settings, state, outputs, profile, fuse_curve)
    end_step(settings, state, cells, contactors, modules, outputs)


@njit
def begin_step(settings: Array, state: Array, cells: Array, contactors: Array, outputs: Array, table: Array) -> None:
    """What comes before the circuit: contacts as they stand during this step, and the cells as one source."""
    n = cells.shape[1]
    count = min(n, int(n * settings[SET.dt_s] / settings[SET.refresh_s]) + 1)
    first = int(state[STATE.refresh_next])
    electric.refresh(cells, table, settings, first, count)
    state[STATE.refresh_next] = (first + count) % n

    circuit.switch(contactors, settings, state, outputs)
    electric.emf(cells, state)


@njit
def end_step(settings: Array, state: Array, cells: Array, contactors: Array, modules: Array, outputs: Array) -> None:
    """What comes after the circuit: what the current does to the cells, the time, and now and then the heat."""
    dt_s = settings[SET.dt_s]
    electric.advance(cells, settings, state[STATE.current_mean_a], state[STATE.current_a])

    number = int(state[STATE.step]) + 1
    state[STATE.step] = number
    state[STATE.time_s] = settings[SET.origin_s] + number * dt_s  # a product, so that errors do not add up
    every = int(settings[SET.thermal_every])
    if number % every == 0:
        heat.advance(cells, settings, state, outputs, every * dt_s)
        if settings[SET.insulation_time_s] > 0.0:
            state[STATE.insulation_ohm] *= math.exp(-every * dt_s / settings[SET.insulation_time_s])
        points.warm_points(contactors, settings, state, every * dt_s)
        points.warm_boards(cells, modules, settings, every * dt_s)


@njit
def measure(plant: Plant, raw: Raw) -> None:
    """Let the sensors sample the plant as it is now, and hand over what has arrived by now."""
    state, cells = plant.state, plant.cells
    time_s = state[STATE.time_s]
    truth = plant.channel_truth
    truth[CHANNEL.current_a] = state[STATE.current_a]
    truth[CHANNEL.current_redundant_a] = state[STATE.current_a]
    truth[CHANNEL.pack_voltage_v] = state[STATE.pack_voltage_v]
    truth[CHANNEL.bus_voltage_v] = state[STATE.bus_voltage_v]
    truth[CHANNEL.insulation_ohm] = state[STATE.insulation_ohm]
    truth[CHANNEL.coolant_inlet_c] = state[STATE.coolant_inlet_c]
    truth[CHANNEL.coolant_outlet_c] = state[STATE.coolant_outlet_c]
    truth[CHANNEL.ambient_c] = state[STATE.ambient_c]
    truth[CHANNEL.hvil_closed] = state[STATE.hvil_closed]
    truth[CHANNEL.crash] = state[STATE.crash]
    truth[CHANNEL.main_positive_closed] = plant.contactors[KON.closed, MAIN_POSITIVE]
    truth[CHANNEL.main_negative_closed] = plant.contactors[KON.closed, MAIN_NEGATIVE]
    truth[CHANNEL.precharge_closed] = plant.contactors[KON.closed, PRECHARGE]
    points.look_at_points(
        plant.contactors, plant.modules, plant.settings, state, plant.outputs, plant.channel_sensors, truth
    )
    at = plant.temperature_at
    surface = cells[CELLS.surface_c]
    for k in range(at.shape[1]):
        weight = at[2, k]
        plant.temperature_truth[k] = (1.0 - weight) * surface[int(at[0, k])] + weight * surface[int(at[1, k])]
    electric.sense(cells, plant.settings, state[STATE.current_a])
    sensors.sample(plant.channel_sensors, truth, raw.channels, time_s, plant.generator, plant.quantiles)
    if state[STATE.monitors_disturbed] > 0.0:
        points.drop_frames(
            cells, at, plant.cell_sensors, plant.temperature_sensors, plant.modules, state, plant.generator
        )
    swept = sensors.sample(
        plant.cell_sensors, cells[CELLS.sense_v], raw.cells, time_s, plant.generator, plant.quantiles
    )
    if swept > 0 and plant.channel_sensors[SENSE.fitted, CHANNEL.monitor_redundancy_v] > 0.0:
        points.compare_readings(cells, plant.cell_sensors, truth)
    sensors.sample(
        plant.temperature_sensors, plant.temperature_truth, raw.temperatures, time_s, plant.generator, plant.quantiles
    )
    raw.clock[0]["time_s"] = time_s
