"""Balance: bleed the cells that stand above the lowest one, one neighbour at a time and no board too hot.

A turn has two phases. First all bleeding pauses (`balance_settle_s`), so that cell voltages are measured without the
drop that a bleed current makes on the sense wires; at its end the cells are compared. Then the chosen cells bleed for
`balance_period_s`. Even and odd cells take turns, because two neighbours share a sense wire.

By SOC, a difference counts only when it is larger than its own uncertainty: on the plateau of an LFP cell, where the
SOC cannot be told from the voltage, nothing is bled for a guess. By voltage, cells are compared only when the pack has
rested.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ionward._compile import njit
from ionward.image.catalogue import Signal, rows
from ionward.image.inputs import CHANNEL, Array
from ionward.image.layout import Image, Size
from ionward.image.parameters import CELLP, Parameters
from ionward.image.signals import (
    BAD,
    CELL,
    GOOD,
    HELD,
    LEVEL_FAULT,
    MEASURED,
    MODULE,
    OPEN_NONE,
    STATE_CONNECTED,
    STATE_STANDBY,
)

# A hot board bleeds again when it is so much below its limit.
BOARD_HYSTERESIS_K = 5.0

BALANCE = rows(
    "BalanceFields",
    (
        Signal("time_s", "s", "Time of the last run; NaN before the first"),
        Signal("bleeding", "", "Phase: cells bleed (1), or pause and are compared (0)"),
        Signal("since_s", "s", "Time at which the phase began"),
        Signal("parity", "", "Cells with even (0) or odd (1) number have their turn"),
        Signal("busy_s", "s", "Time at which the current was last too high for a comparison by voltage"),
    ),
)
WISH = rows(
    "BalanceCellFields",
    (
        Signal("wanted", "", "Stood above the lowest cell when cells were compared last"),
        Signal("excess", "", "By how much (V or SOC)"),
    ),
)
BOARD = rows(
    "BalanceBoardFields",
    (
        Signal("hot", "", "The board waits to cool down"),
        Signal("power_w", "W", "Heat of its resistors since the last run"),
        Signal("wanted", "", "Cells of this turn that want to be bled"),
    ),
)


class BalanceMemory(NamedTuple):
    """`fields`: `[BALANCE]`. `cells`: `[WISH, cell]`. `boards`: `[BOARD, module]`."""

    fields: Array
    cells: Array
    boards: Array


def new_balance_memory(size: Size) -> BalanceMemory:
    """Nothing compared yet, boards as warm as their modules."""
    fields = np.zeros(len(BALANCE))
    fields[BALANCE.time_s] = fields[BALANCE.since_s] = fields[BALANCE.busy_s] = np.nan
    return BalanceMemory(fields, np.zeros((len(WISH), size.cells)), np.zeros((len(BOARD), size.modules)))


@njit
def balance(parameters: Parameters, command: Any, image: Image, memory: BalanceMemory) -> None:
    """Choose the cells that bleed now, and follow the heat of their boards."""
    p = parameters.scalars[0]
    s = image.scalars[0]
    m = memory.fields
    now_s = s["time_s"]
    dt_s = now_s - m[BALANCE.time_s]
    m[BALANCE.time_s] = now_s
    _warm_boards(p, image, memory, dt_s if dt_s > 0.0 else 0.0)
    resting = s["current_quality"] <= HELD and abs(s["current_a"]) <= p["balance_rest_a"]
    if not resting or math.isnan(m[BALANCE.busy_s]):
        m[BALANCE.busy_s] = now_s
    if not _may_balance(s, command[0]):
        m[BALANCE.bleeding], m[BALANCE.since_s] = 0.0, now_s
        _stop(image.cells)
    elif m[BALANCE.bleeding] == 1.0:
        if not now_s - m[BALANCE.since_s] < p["balance_period_s"]:
            m[BALANCE.bleeding], m[BALANCE.since_s] = 0.0, now_s
            m[BALANCE.parity] = 1.0 - m[BALANCE.parity]
            _stop(image.cells)
        else:
            _drop_cells(parameters, image, memory)
    else:
        _stop(image.cells)
        if math.isnan(m[BALANCE.since_s]):
            m[BALANCE.since_s] = now_s
        if now_s - m[BALANCE.since_s] >= p["balance_settle_s"] and _compare(parameters, command[0], image, memory):
            _begin_turn(parameters, image, memory, now_s)
    _count(parameters, image, memory)


@njit
def _may_balance(s: Any, command: Any) -> bool:
    """Somebody allows it, the pack is at rest or connected, protection sees no fault and the boards are not hot.

    Meets SR-182.
    """
    state = s["state"]
    sound = (
        s["balance_allowed"] == 1
        and s["open_request"] == OPEN_NONE
        and s["fault_level"] < LEVEL_FAULT
        and s["latched_faults"] == 0
    )
    return bool(command["balancing_allowed"] == 1 and sound and (state in (STATE_STANDBY, STATE_CONNECTED)))


@njit
def _compare(parameters: Parameters, command: Any, image: Image, memory: BalanceMemory) -> bool:
    """Compare all cells with the lowest one, with hysteresis for each cell. False when they cannot be compared now."""
    p = parameters.scalars[0]
    by_soc = p["balance_by_soc"] == 1
    now_s, busy_s = image.scalars[0]["time_s"], memory.fields[BALANCE.busy_s]
    if by_soc and image.scalars[0]["estimate_ready"] != 1:
        return False
    if not by_soc and not now_s - busy_s >= p["balance_rest_s"]:
        return False
    cells, wish = image.cells, memory.cells
    row = CELL.soc if by_soc else CELL.voltage_v
    lowest, lowest_std = math.inf, 0.0
    for k in range(cells.shape[1]):
        if cells[CELL.quality, k] == GOOD and cells[row, k] < lowest:
            lowest = cells[row, k]
            lowest_std = cells[CELL.soc_std, k]
    if lowest == math.inf:
        return False
    for k in range(cells.shape[1]):
        excess = cells[row, k] - lowest
        # An excess within its own standard deviation is a guess.
        doubt = math.sqrt(cells[CELL.soc_std, k] ** 2 + lowest_std**2) if by_soc else 0.0
        running = wish[WISH.wanted, k] == 1.0 or command["balance_now"] == 1
        needed = p["balance_stop"] if running else p["balance_start"]
        wanted = _may_bleed(p, cells, k) and excess > needed and excess > doubt
        wish[WISH.wanted, k] = 1.0 if wanted else 0.0
        wish[WISH.excess, k] = excess if wanted else 0.0
    return True


@njit
def _may_bleed(p: Any, cells: Array, k: int) -> bool:
    """The cell is measured well and not low. Meets SR-182."""
    return bool(cells[CELL.quality, k] == GOOD and cells[CELL.voltage_v, k] >= p["balance_min_voltage_v"])


@njit
def _begin_turn(parameters: Parameters, image: Image, memory: BalanceMemory, now_s: float) -> None:
    """Give even or odd cells their turn, whichever is due and has any."""
    p = parameters.scalars[0]
    m = memory.fields
    for _ in range(2):
        parity = int(m[BALANCE.parity])
        if _choose(p, parameters.cells[CELLP.module], image.cells, memory, parity):
            m[BALANCE.bleeding], m[BALANCE.since_s] = 1.0, now_s
            return
        m[BALANCE.parity] = 1.0 - m[BALANCE.parity]


@njit
def _choose(p: Any, module_of: Array, cells: Array, memory: BalanceMemory, parity: int) -> bool:
    """Switch on the cells of this parity that want it, the highest ones where a board bears no more. False: none."""
    wish, boards = memory.cells, memory.boards
    most = p["balance_cells_per_module"]
    for module in range(boards.shape[1]):
        boards[BOARD.wanted, module] = 0.0
    for k in range(parity, cells.shape[1], 2):
        boards[BOARD.wanted, int(module_of[k])] += wish[WISH.wanted, k]
    crowded = False
    for module in range(boards.shape[1]):
        crowded = crowded or boards[BOARD.wanted, module] > most
    chosen = False
    for k in range(parity, cells.shape[1], 2):
        module = int(module_of[k])
        if wish[WISH.wanted, k] != 1.0 or boards[BOARD.hot, module] == 1.0:
            continue
        if crowded and boards[BOARD.wanted, module] > most and _higher(wish, module_of, k, parity) >= most:
            continue
        cells[CELL.balancing, k] = 1.0
        chosen = True
    return chosen


@njit
def _higher(wish: Array, module_of: Array, k: int, parity: int) -> int:
    """How many cells of the same module and parity come before cell `k`: higher ones, or equal ones before it."""
    count = 0
    first, last = k, k
    while first - 2 >= 0 and module_of[first - 2] == module_of[k]:
        first -= 2
    while last + 2 < wish.shape[1] and module_of[last + 2] == module_of[k]:
        last += 2
    for other in range(first, last + 1, 2):
        excess = wish[WISH.excess, other]
        if excess > wish[WISH.excess, k] or (excess == wish[WISH.excess, k] and other < k):
            count += 1
    return count


@njit
def _drop_cells(parameters: Parameters, image: Image, memory: BalanceMemory) -> None:
    """While bleeding: switch off what has become low, badly measured or sits on a hot board. Meets SR-182, SR-183."""
    p = parameters.scalars[0]
    cells, module_of = image.cells, parameters.cells[CELLP.module]
    for k in range(cells.shape[1]):
        if cells[CELL.balancing, k] != 0.0:
            hot = memory.boards[BOARD.hot, int(module_of[k])] == 1.0
            if hot or not _may_bleed(p, cells, k):
                cells[CELL.balancing, k] = 0.0


@njit
def _stop(cells: Array) -> None:
    for k in range(cells.shape[1]):
        cells[CELL.balancing, k] = 0.0


@njit
def _warm_boards(p: Any, image: Image, memory: BalanceMemory, dt_s: float) -> None:
    """First-order thermal model of each board: towards its module's temperature plus K/W times its heat.

    A board of unknown temperature counts as hot.

    Meets SR-183.
    """
    boards, modules = memory.boards, image.modules
    share = 1.0
    if p["balance_board_s"] > 0.0:
        share = 1.0 - math.exp(-dt_s / p["balance_board_s"])
    ambient_c = math.nan
    if image.channels[MEASURED.quality, CHANNEL.ambient_c] < BAD:
        ambient_c = image.channels[MEASURED.value, CHANNEL.ambient_c]
    for module in range(boards.shape[1]):
        around_c = modules[MODULE.temperature_mean_c, module]
        if math.isnan(around_c):
            around_c = ambient_c
        board_c = modules[MODULE.balancing_board_c, module]
        if math.isnan(board_c):
            board_c = around_c
        target_c = around_c + p["balance_board_k_per_w"] * boards[BOARD.power_w, module]
        board_c += share * (target_c - board_c)
        modules[MODULE.balancing_board_c, module] = board_c
        resume_c = p["balance_board_max_c"] - BOARD_HYSTERESIS_K
        threshold_c = resume_c if boards[BOARD.hot, module] == 1.0 else p["balance_board_max_c"]
        boards[BOARD.hot, module] = 0.0 if board_c <= threshold_c else 1.0


@njit
def _count(parameters: Parameters, image: Image, memory: BalanceMemory) -> None:
    """Write how many cells bleed, and the heat: V²/R of each."""
    p = parameters.scalars[0]
    s = image.scalars[0]
    cells, modules, boards = image.cells, image.modules, memory.boards
    for module in range(boards.shape[1]):
        boards[BOARD.power_w, module] = 0.0
    count, heat_w = 0, 0.0
    for k in range(cells.shape[1]):
        if cells[CELL.balancing, k] != 0.0:
            count += 1
            power_w = cells[CELL.voltage_v, k] ** 2 / p["balance_resistance_ohm"]
            heat_w += power_w
            boards[BOARD.power_w, int(parameters.cells[CELLP.module, k])] += power_w
    for module in range(boards.shape[1]):
        modules[MODULE.balancing_heat_w, module] = boards[BOARD.power_w, module]
    s["balancing_cells"] = count
    s["balancing_parity"] = int(memory.fields[BALANCE.parity])
    s["balancing_heat_w"] = heat_w
