"""Inputs like those of real sensors, and recordings of a small pack that ran on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from helpers.cells import synthetic_cell
from ionward.battery.system import System, load_system
from ionward.image.inputs import CHANNEL, RAW, new_command, new_raw
from ionward.image.layout import Size
from ionward.runtime.codec import RecordBuffer, push, record_buffer
from ionward.runtime.recording import Header, Start

SIZE = Size(5, 2, 1)


def header(size: Size = SIZE) -> Header:
    return Header({"name": "test"}, size, 0.01, Start("test", missing_cells=(3,)))


def measured(ticks: int, size: Size = SIZE, seed: int = 0, first: int = 0) -> RecordBuffer:
    """A buffer with samples like those of real sensors: noise, resolution, sample and hold, some lost."""
    rng = np.random.default_rng(seed)
    raw, command = new_raw(size.cells, size.sensors), new_command()
    buffer = record_buffer(size, ticks)
    for k in range(ticks):
        t = (first + k) * 0.01
        raw.clock[0]["time_s"] = t
        raw.channels[:, CHANNEL.current_a] = np.round(rng.normal() / 0.01) * 0.01, t
        if k % 2 == 0:
            raw.cells[RAW.value] = np.round(rng.normal(3.7, 0.001, size.cells) / 1e-4) * 1e-4
            raw.cells[RAW.time_s] = t - 0.003
        if k % 7 == 3:
            raw.temperatures[RAW.value] = rng.normal(25, 1, size.sensors)  # not a multiple of anything
            raw.temperatures[RAW.time_s] = t
            raw.channels[RAW.value, CHANNEL.insulation_ohm] = np.nan
            command["connect"] = 1 - command["connect"]
        push(buffer, raw, command, k)
    return buffer


PACK = """
[system]
name = "Five"
profile = "home"
cell = "any"
[topology]
modules_in_series = 1
cells_per_module = 5
cells_in_parallel = 4
temperature_sensors_per_module = 2
[cycle]
estimate_every = 5
slow_every = 10
"""


def small_system(folder: Path, text: str = PACK) -> System:
    """A pack of the size of `SIZE`."""
    path = folder / "five.toml"
    path.write_text(text)
    return load_system(path, synthetic_cell())
