"""What the faults of the BMS itself are judged by, in real time: its rhythm, the guard's word, the driver's trips.

In simulated time (`supervised` is 0) every value is 0: nothing here can be raised.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ionward._compile import njit
from ionward.image.faults import FAULT_ID
from ionward.image.inputs import Array
from ionward.image.layout import Image
from ionward.image.parameters import Parameters
from ionward.safety.ladder import give
from ionward.safety.rules_connection import follow

# A pause that stands for a machine that slept or a clock that was set, rather than for a cycle that was late.
CLOCK_AHEAD_S, CLOCK_CYCLES = 5.0, 50.0
# Tables that are looked at, and the rows of their parities: known, and as found first.
TABLES = 10
# The words of one table that are read in a tick: about a microsecond's worth.
WORDS_A_TICK = 4096
SUMS_KNOWN, SUMS_FIRST = 0, 1


@njit
def inside_rules(command: Any, image: Image, verdicts: Array, state: Any) -> None:
    """Rhythm of the cycle, the guard's enable while contactors are closed, and new trips of the driver.

    A trip that the driver still holds counts as new in the first tick: it happened before this process was started.
    """
    s = image.scalars[0]
    supervised = command["supervised"] == 1
    pause_s = s["dt_s"] if supervised and s["dt_s"] == s["dt_s"] else 0.0
    _tell(verdicts, FAULT_ID.cycle_stopped, pause_s)
    _tell(verdicts, FAULT_ID.cycle_overrun, command["overrun_share"] if supervised else 0.0)

    closed = s["main_positive_close"] + s["main_negative_close"] + s["precharge_close"] > 0
    withheld = float(command["guard_withholds"]) if supervised and closed else 0.0
    _tell(verdicts, FAULT_ID.guard_withholds, withheld)

    trips = command["driver_trips"]
    new = trips != state["driver_trips"] or state["driver_seen"] == 0
    lost = supervised and command["driver_tripped"] == 1 and new
    state["driver_trips"], state["driver_seen"] = trips, 1
    _tell(verdicts, FAULT_ID.enable_lost, 1.0 if lost else 0.0)

    differs = supervised and command["driven_differs"] == 1
    state["differs_s"] = follow(state["differs_s"], differs, s["dt_s"])
    _tell(verdicts, FAULT_ID.output_not_confirmed, max(state["differs_s"], 0.0))
    refused = supervised and command["state_refused"] == 1
    _tell(verdicts, FAULT_ID.stored_state_corrupt, 1.0 if refused else 0.0)


@njit
def clock_rule(p: Any, s: Any, verdicts: Array, state: Any) -> None:
    """How far the clock went back, or ahead by more than a pause of the machine explains, since the tick before."""
    step_s, state["tick_s"] = s["time_s"] - state["tick_s"], s["time_s"]
    jump_s = abs(step_s) if step_s < 0.0 or step_s > max(CLOCK_AHEAD_S, CLOCK_CYCLES * p["cycle_s"]) else 0.0
    _tell(verdicts, FAULT_ID.clock_jumped, jump_s if jump_s == jump_s else 0.0)


@njit
def memory_rules(parameters: Parameters, faults: Array, verdicts: Array, state: Any, sums: Array) -> None:
    """Parities of the parameter tables against those of the first round, a part in each tick; and that of the fault
    block against what the tick before left. Parity shows every single flipped bit.
    """
    _tell(verdicts, FAULT_ID.image_corrupted, 1.0 if state["sealed"] == 1 and parity(faults) != state["seal"] else 0.0)
    k = state["table"]
    if k == 0:
        over = read_on(parameters.levels, state)
    elif k == 1:
        over = read_on(parameters.faults, state)
    elif k == 2:
        over = read_on(parameters.channel_limits, state)
    elif k == 3:
        over = read_on(parameters.cell_limits, state)
    elif k == 4:
        over = read_on(parameters.sensor_limits, state)
    elif k == 5:
        over = read_on(parameters.curves, state)
    elif k == 6:
        over = read_on(parameters.words, state)
    elif k == 7:
        over = read_on(parameters.cells, state)
    elif k == 8:
        over = read_on(parameters.sensors, state)
    else:
        over = read_on(parameters.table, state)
    if over:
        if sums[SUMS_KNOWN, k] == 0:
            sums[SUMS_KNOWN, k], sums[SUMS_FIRST, k] = 1, state["table_odd"]
        elif sums[SUMS_FIRST, k] != state["table_odd"]:
            state["changed_table"] = k + 1
        state["table"], state["table_word"], state["table_odd"] = (k + 1) % sums.shape[1], 0, 0
    _tell(verdicts, FAULT_ID.configuration_changed, float(state["changed_table"]))


@njit
def read_on(block: Any, state: Any) -> bool:
    """Take the next words of a table into its parity; True when it has been read to its end."""
    words = block.reshape(-1).view(np.int64)
    last = min(state["table_word"] + WORDS_A_TICK, words.shape[0])
    odd = state["table_odd"]
    for k in range(state["table_word"], last):
        odd ^= words[k]
    state["table_odd"], state["table_word"] = odd, last
    return bool(last == words.shape[0])


@njit
def parity(block: Any) -> int:
    """Parity of all words of an array, bit by bit."""
    words = block.reshape(-1).view(np.int64)
    odd = np.int64(0)
    for k in range(words.shape[0]):
        odd ^= words[k]
    return int(odd)


@njit
def _tell(verdicts: Array, f: int, value: float) -> None:
    """Every tick counts as a sample."""
    give(verdicts, f, value, value, -1, True, True, True)
