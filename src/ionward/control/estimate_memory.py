"""What the stage `estimate` remembers from tick to tick."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ionward.battery import tables
from ionward.control.ekf import LANES, STATE, STEP, WORK
from ionward.image.catalogue import Signal, record, rows
from ionward.image.inputs import Array
from ionward.image.layout import Size

RECORD_SIGNALS = (
    Signal("time_s", "s", "Time of the last tick; NaN before the first"),
    Signal("step_time_s", "s", "Time of the last filter step; NaN before the first"),
    Signal("energy_time_s", "s", "Time at which the remaining energy was last summed; NaN before the first"),
    Signal("current_a", "A", "Last known current; NaN while it is not known"),
    Signal("charge_as", "As", "Charge since the last filter step"),
    Signal("charge_var_as2", "A²s²", "Variance of that charge"),
    Signal("square_a2", "A²", "Mean square of the current over the last ten minutes"),
    Signal("square_s", "s", "Time that this mean covers, up to ten minutes"),
    Signal("blind_s", "s", "Time since the current was last measured"),
    Signal("sign", "", "Sign of the last current that was clearly not zero", "f8", -1, 1),
    Signal("ticks", "", "Ticks since the start", "i8"),
)
ESTIMATE_RECORD = record(RECORD_SIGNALS)
PRESET = rows(
    "Preset",
    (
        Signal("soc", "", "SOC to start from instead of the first voltage; NaN none", "f8", 0, 1),
        Signal("std", "", "Its standard deviation", "f8", 0, 1),
    ),
)
DEFAULT_TEMPERATURE_C = 25.0  # where none is known


class EstimateMemory(NamedTuple):
    """Memory of the stage. `preset` `[PRESET, cell]` may be written before the first tick."""

    record: Any
    state: Array  # [chunk, STATE, lane]: cell = chunk * LANES + lane, the last chunk is padded
    work: Array  # [chunk, WORK, lane]
    looked: Array  # [chunk, parameter, lane], what was read from the table
    step: Array  # [STEP]
    preset: Array  # [PRESET, cell]
    started: Array  # [cell], 1 once a cell has a state
    energy: Array  # [temperature, soc], V: integral of the OCV from empty


def new_estimate_memory(size: Size) -> EstimateMemory:
    """Memory before the first tick: no cell is known."""
    chunks = -(-size.cells // LANES)
    memory = EstimateMemory(
        np.zeros(1, ESTIMATE_RECORD),
        np.zeros((chunks, len(STATE), LANES)),
        np.zeros((chunks, len(WORK), LANES)),
        np.ones((chunks, tables.PARAMETERS, LANES)),
        np.zeros(len(STEP)),
        np.full((len(PRESET), size.cells), np.nan),
        np.zeros(size.cells),
        np.full((tables.TEMPERATURES, tables.SOCS), np.nan),
    )
    for name in ("time_s", "step_time_s", "energy_time_s", "current_a"):
        memory.record[name] = np.nan
    # The padding beyond the last cell takes part in the arithmetic: it must be harmless.
    memory.work[:, WORK.temperature_c] = DEFAULT_TEMPERATURE_C
    memory.work[:, WORK.capacity_ah] = 1.0
    memory.work[:, WORK.factor] = 1.0
    memory.work[:, WORK.doubt] = 1.0
    return memory
