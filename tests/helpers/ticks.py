"""A short run of the whole tick on the home pack: connect, charge, lose samples, disconnect. Always the same."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np

from ionward.control.bms import Bms, output_size, output_words
from ionward.image.build import load_pack
from ionward.image.inputs import CHANNEL, RAW, new_command

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(ticks: int, pack: str = "home-16s.toml", bms: Bms | None = None, start: int = 0) -> tuple[Bms, np.ndarray]:
    """Outputs of each tick `[tick, word]`, and the BMS after them. The inputs depend on the tick's number alone."""
    system, parameters = load_pack(EXAMPLES / pack)
    bms = bms or Bms.of(system)
    cycle_s = float(parameters.scalars[0]["cycle_s"])
    raw, command = bms.new_raw(), new_command()
    words = np.empty((ticks, output_size(bms.size)))
    cell_v = 3.31
    pack_v = cell_v * bms.size.cells
    for k in range(start, start + ticks):
        random = np.random.default_rng(k)
        time_s = k * cycle_s
        s = bms.image.scalars[0]
        closed = [float(s[f"{name}_close"]) for name in ("main_positive", "main_negative", "precharge")]
        command["connect"] = int(100 <= k < ticks - 100)
        raw.clock["time_s"] = time_s
        current = 5.0 * math.sin(k / 50.0) if closed[0] and closed[1] else 0.0
        raw.cells[RAW.value] = cell_v + 0.001 * current + random.normal(0.0, 0.0005, bms.size.cells)
        raw.cells[RAW.time_s] = time_s
        if k % 37 == 0:
            raw.cells[RAW.value, k % bms.size.cells] = np.nan
        raw.temperatures[RAW.value] = 22.0 + random.normal(0.0, 0.02, bms.size.sensors)
        raw.temperatures[RAW.time_s] = time_s
        raw.channels[RAW.time_s] = time_s
        for name, value in {
            "current_a": current + random.normal(0.0, 0.01),
            "current_redundant_a": current + random.normal(0.0, 0.01),
            "pack_voltage_v": pack_v + random.normal(0.0, 0.01),
            "bus_voltage_v": (pack_v if any(closed[::2]) and closed[1] else 0.0) + random.normal(0.0, 0.01),
            "insulation_ohm": 5e6,
            "coolant_inlet_c": 20.0 + random.normal(0.0, 0.01),
            "coolant_outlet_c": 20.0 + random.normal(0.0, 0.01),
            "ambient_c": 20.0 + random.normal(0.0, 0.01),
            "hvil_closed": 1.0,
            "crash": 0.0,
            "main_positive_closed": closed[0],
            "main_negative_closed": closed[1],
            "precharge_closed": closed[2],
            "balancing_board_c": 23.0,
            "monitor_crc_errors": 0.0,
            "monitor_sequence_errors": 0.0,
        }.items():
            raw.channels[RAW.value, getattr(CHANNEL, name)] = value
        bms.step(raw, command)
        output_words(bms.image, words[k - start])
    return bms, words


if __name__ == "__main__":
    np.save(sys.argv[1], run(int(sys.argv[2]))[1])
