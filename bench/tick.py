"""Time of the whole tick, of its protection alone, and from the start of a process to its first tick.

Every cell, every sensor and every channel has a new sample in every tick: the most that a pack can ask for. Filling
the samples is timed alone and taken off. The best of several rounds counts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ionward._compile import njit
from ionward.control.bms import Bms
from ionward.control.tick import Memory, tick
from ionward.image.build import load_pack
from ionward.image.inputs import CHANNEL, RAW, Raw, new_command
from ionward.image.layout import Image, Size
from ionward.image.parameters import CELLP, SENSORP, Parameters
from ionward.image.signals import STATE_CONNECTED
from ionward.safety.protect import protect
from ionward.safety.validate import validate

PACK = Path(__file__).parents[1] / "examples" / "ev-96s.toml"
ROUNDS = 25
CELLS_PER_ROUND = 40_000
GOOD = {"insulation_ohm": 1e7, "hvil_closed": 1.0, "crash": 0.0, "coolant_inlet_c": 25.0,
        "coolant_outlet_c": 25.0, "ambient_c": 25.0, "contactor_positive_c": 25.0, "contactor_negative_c": 25.0,
        "connector_positive_c": 25.0, "connector_negative_c": 25.0, "balancing_board_c": 25.0,
        "positive_tap_v": 0.0, "negative_tap_v": 0.0, "cooling_running": 1.0, "monitor_redundancy_v": 0.001,
        "monitor_crc_errors": 0.0, "monitor_sequence_errors": 0.0, "pyrofuse_intact": 1.0}  # fmt: skip
FIRST_TICK = """
from ionward.control.bms import Bms
from ionward.image.build import load_pack
from ionward.image.inputs import new_command
import sys
bms = Bms.of(load_pack(sys.argv[1])[0])
bms.step(bms.new_raw(), new_command())
"""


@njit
def fill(raw: Raw, noise: Any, k: int) -> None:
    """New samples of everything: a drive with a swinging current."""
    now_s = raw.clock[0]["time_s"] + 0.01
    raw.clock[0]["time_s"] = now_s
    current_a = -80.0 + 60.0 * np.sin(0.01 * k)
    for block in (raw.channels, raw.cells, raw.temperatures):
        for item in range(block.shape[1]):
            block[RAW.time_s, item] = now_s
    # Noise from a row of numbers, read from another place each time.
    length = noise.shape[0] - raw.cells.shape[1]
    first = (7919 * k) % length
    for item in range(raw.cells.shape[1]):
        raw.cells[RAW.value, item] = 3.7 + 0.0005 * current_a + 0.0005 * noise[first + item]
    for item in range(raw.temperatures.shape[1]):
        raw.temperatures[RAW.value, item] = 27.0 + 0.02 * noise[first + item]
    total_v = raw.cells.shape[1] * (3.7 + 0.0005 * current_a)
    raw.channels[RAW.value, CHANNEL.current_a] = current_a + 0.1 * noise[first]
    raw.channels[RAW.value, CHANNEL.current_redundant_a] = current_a - 0.1 * noise[first]
    raw.channels[RAW.value, CHANNEL.pack_voltage_v] = total_v + 0.1 * noise[first]
    raw.channels[RAW.value, CHANNEL.bus_voltage_v] = total_v - 0.1 * noise[first]


@njit
def fill_only(raw: Raw, noise: Any, ticks: int) -> None:
    for k in range(ticks):
        fill(raw, noise, k)


@njit
def run(raw: Raw, noise: Any, command: Any, parameters: Parameters, image: Image, memory: Memory, ticks: int) -> None:
    for k in range(ticks):
        fill(raw, noise, k)
        tick(raw, command, parameters, image, memory)


@njit
def validate_only(raw: Raw, noise: Any, parameters: Parameters, image: Image, memory: Memory, ticks: int) -> None:
    for k in range(ticks):
        fill(raw, noise, k)
        validate(raw, parameters, image, memory.validate)


@njit
def run_protect(
    raw: Raw, noise: Any, command: Any, parameters: Parameters, image: Image, memory: Memory, ticks: int
) -> None:
    for k in range(ticks):
        fill(raw, noise, k)
        validate(raw, parameters, image, memory.validate)
        protect(parameters, command, image, memory.protect)


def sized(cells: int) -> Bms:
    """The EV pack with another number of cells: modules of eight, two sensors each."""
    _, p = load_pack(PACK)
    modules = cells // 8
    size = Size(cells, 2 * modules, modules)

    def repeat(block: Any, items: int) -> Any:
        return np.tile(block, -(-items // block.shape[1]))[:, :items].copy()

    told, sensors = repeat(p.cells, cells), repeat(p.sensors, size.sensors)
    told[CELLP.module] = np.arange(cells) // 8
    told[CELLP.sensor_a], told[CELLP.sensor_b] = 2 * told[CELLP.module], 2 * told[CELLP.module] + 1
    sensors[SENSORP.module] = np.arange(size.sensors) // 2
    parameters = p._replace(
        scalars=p.scalars.copy(),
        cell_limits=repeat(p.cell_limits, cells),
        sensor_limits=repeat(p.sensor_limits, size.sensors),
        cells=told,
        sensors=sensors,
    )
    parameters.scalars["series"] = cells
    parameters.scalars["has_contactors"] = 0  # the inputs of this loop do not answer: the pack is observed
    for row in parameters.channel_limits[:2]:
        row[CHANNEL.main_positive_closed : CHANNEL.precharge_closed + 1] = 0
    parameters.channel_limits[2, CHANNEL.pack_voltage_v] = parameters.channel_limits[2, CHANNEL.bus_voltage_v] = 1e6
    return Bms(parameters, size)


def well(cells: int) -> tuple[Bms, Raw]:
    """A pack of which everything is measured and well, and its samples."""
    bms = sized(cells)
    raw = bms.new_raw()
    for name, value in GOOD.items():
        raw.channels[RAW.value, getattr(CHANNEL, name)] = value
    return bms, raw


def noise_for(cells: int) -> Any:
    """A row of numbers to take noise from."""
    return np.random.default_rng(1).normal(size=2 * cells + 10_000)


def difference_us(cells: int, whole: Callable[[int], None], part: Callable[[int], None]) -> float:
    """Time in µs that each tick of the one takes more than of the other."""
    ticks = 100 * max(1, CELLS_PER_ROUND // cells // 100)
    best_s = [np.inf, np.inf]
    for _ in range(ROUNDS):
        for which, loop in enumerate((whole, part)):
            start = time.perf_counter()
            loop(ticks)
            best_s[which] = min(best_s[which], time.perf_counter() - start)
    return 1e6 * (best_s[0] - best_s[1]) / ticks


def tick_us(cells: int, estimate_every: int = 10) -> float:
    """Mean time of a tick in µs, over many, so that each slow stage has its share."""
    (bms, raw), noise, command = well(cells), noise_for(cells), new_command()
    bms.parameters.scalars["estimate_every"] = estimate_every
    rest = (noise, command, bms.parameters, bms.image, bms.memory)
    run(raw, *rest, 300)
    assert bms.image.scalars[0]["state"] == STATE_CONNECTED, "the bench pack is not well"
    assert bms.image.scalars[0]["discharge_limit_a"] > 0, "the bench pack is not allowed to discharge"
    return difference_us(cells, lambda ticks: run(raw, *rest, ticks), lambda ticks: fill_only(raw, noise, ticks))


def protect_us(cells: int) -> float:
    """Mean time of the protection stage in µs: every rule over every cell, sensor and channel."""
    # Two packs, so that time does not jump in the one that is protected while the other is only measured.
    (bms, raw), (other, other_raw), noise, command = well(cells), well(cells), noise_for(cells), new_command()
    told, other_told = (bms.parameters, bms.image, bms.memory), (other.parameters, other.image, other.memory)
    run_protect(raw, noise, command, *told, 300)
    us = difference_us(cells, lambda ticks: run_protect(raw, noise, command, *told, ticks),
                       lambda ticks: validate_only(other_raw, noise, *other_told, ticks))  # fmt: skip
    assert bms.image.scalars[0]["fault_level"] == 0, "the bench pack is not well"
    return us


def limits_us(cells: int) -> float:
    """The reference: NumPy compares each cell with one upper and one lower limit, and nothing else."""
    volts, high_v, low_v = np.full(cells, 3.7), np.full(cells, 4.2), np.full(cells, 2.5)
    best_s = np.inf
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(1000):
            ((volts > high_v) | (volts < low_v)).any()
        best_s = min(best_s, time.perf_counter() - start)
    return 1e6 * best_s / 1000


def warm_start_s() -> float:
    """A fresh process from its start to its first tick, compiled code and bytecode in their caches.

    Where the environment forbids Python to keep bytecode, as some containers do, it is kept in a temporary folder.
    """
    env = dict(os.environ)
    times = []
    with tempfile.TemporaryDirectory() as folder:
        if env.pop("PYTHONDONTWRITEBYTECODE", ""):
            env["PYTHONPYCACHEPREFIX"] = folder
        for _ in range(4):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", FIRST_TICK, str(PACK)], check=True, env=env)
            times.append(time.perf_counter() - start)
    return min(times[1:])


def figures() -> dict[str, float | None]:
    """Times of the tick and of its protection by number of cells, NumPy's reference, and the start of a process."""
    return {
        "tick_us_400": tick_us(400),
        "tick_us_400_estimating": tick_us(400, estimate_every=1),
        "tick_us_10000": tick_us(10_000),
        "tick_us_10000_estimating": tick_us(10_000, estimate_every=1),
        "protect_us_400": protect_us(400),
        "numpy_limits_us_400": limits_us(400),
        "protect_us_4000": protect_us(4_000),
        "numpy_limits_us_4000": limits_us(4_000),
        "warm_start_s": warm_start_s(),
    }


if __name__ == "__main__":
    for name, value in figures().items():
        print(f"{name:24} {value:10.2f}")
