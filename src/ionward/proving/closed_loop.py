"""BMS and simulated battery in closed loop, in one compiled function.

Each tick: the sensors sample the battery, the BMS ticks, what it wants is done to the battery, and the battery lives
on until the next tick. A call runs some ticks; between calls Python reads events, writes recordings and makes faults.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ionward._compile import njit
from ionward.control.bms import output_words
from ionward.control.entry import call_tick
from ionward.control.tick import Memory
from ionward.image.catalogue import Signal, rows
from ionward.image.inputs import Raw
from ionward.image.layout import Image
from ionward.image.parameters import Parameters
from ionward.image.signals import CELL, STATE_CONNECTED
from ionward.proving.watch import look, look_at_truth
from ionward.runtime.codec import RecordBuffer, push
from ionward.twin.plant import Plant, advance, measure
from ionward.twin.rows import CELLS, KON, OUT, SET, STATE

Array = npt.NDArray[np.float64]

CHANGE_SIGNALS = (
    Signal("time_s", "s", "When"),
    Signal("state", "", "State of the sequence"),
    Signal("reason", "", "Why"),
    Signal("main_positive", "", "Main contact, truly"),
    Signal("main_negative", "", "Main contact, truly"),
    Signal("precharge", "", "Precharge contact, truly"),
)
CHANGE = rows("Changes", CHANGE_SIGNALS)
CHANGES_MAX = 512


class Bench(NamedTuple):
    """Everything that a closed loop works on. `numbers` and `counts` are the image's scalars as bare words."""

    plant: Plant
    raw: Raw
    command: Any
    parameters: Parameters
    image: Image
    memory: Memory
    numbers: Array
    counts: Any
    truth: Array
    watches: Array
    changes: Array
    record: RecordBuffer
    words: Any


@njit
def act(image: Image, plant: Plant) -> None:
    """Do to the battery what the BMS wants, and tell load and charger what it allows."""
    s = image.scalars[0]
    out = plant.outputs
    out[OUT.main_positive] = s["main_positive_close"]
    out[OUT.main_negative] = s["main_negative_close"]
    out[OUT.precharge] = s["precharge_close"]
    # In test mode nobody fires it: here there is no driver that would refuse.
    out[OUT.pyrofuse] = s["pyrofuse_fire"] if plant.settings[SET.pyrofuse_test] == 0.0 else 0.0
    out[OUT.pump] = s["pump"]
    out[OUT.fan] = s["fan"]
    out[OUT.heater] = s["heater"]
    out[OUT.connected] = 1.0 if s["state"] == STATE_CONNECTED else 0.0
    out[OUT.charge_limit_a] = s["charge_limit_a"]
    out[OUT.discharge_limit_a] = s["discharge_limit_a"]
    balancing, bleed = image.cells[CELL.balancing], plant.cells[CELLS.bleed]
    for k in range(bleed.shape[0]):
        bleed[k] = balancing[k]


@njit
def note_changes(time_s: float, image: Image, plant: Plant, changes: Array, count: int) -> int:
    """Write down a change of state or contacts; returns how many there are now. The last column is the state before."""
    s = image.scalars[0]
    last = changes.shape[1] - 1
    closed = plant.contactors[KON.closed]
    same = (
        changes[CHANGE.state, last] == s["state"]
        and changes[CHANGE.reason, last] == s["state_reason"]
        and changes[CHANGE.main_positive, last] == closed[0]
        and changes[CHANGE.main_negative, last] == closed[1]
        and changes[CHANGE.precharge, last] == closed[2]
    )
    if same:
        return count
    at = min(count, last - 1)
    for column in (at, last):
        changes[CHANGE.time_s, column] = time_s
        changes[CHANGE.state, column] = s["state"]
        changes[CHANGE.reason, column] = s["state_reason"]
        changes[CHANGE.main_positive, column] = closed[0]
        changes[CHANGE.main_negative, column] = closed[1]
        changes[CHANGE.precharge, column] = closed[2]
    return int(at + 1)


@njit
def run_ticks(address: int, bench: Bench, ticks: int) -> int:
    """Run some ticks; returns how many changes were noted. Inputs and output words of tick k stand in row k.

    `address` is that of the compiled tick (`control.entry`).
    """
    noted = 0
    for k in range(ticks):
        measure(bench.plant, bench.raw)
        push(bench.record, bench.raw, bench.command, k)
        call_tick(address, bench.raw, bench.command, bench.parameters, bench.image, bench.memory)
        output_words(bench.image, bench.words[k])
        act(bench.image, bench.plant)
        time_s = bench.plant.state[STATE.time_s]
        look_at_truth(bench.plant, bench.image, bench.truth)
        look(bench.watches, time_s, bench.image, bench.numbers, bench.counts, bench.truth)
        noted = note_changes(time_s, bench.image, bench.plant, bench.changes, noted)
        advance(bench.plant)
    return noted
