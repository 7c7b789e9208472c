"""What can go wrong inside of the BMS itself: bits of its memory flip, its clock jumps, its driver does something else.

Memory, clock and coil driver are hardware here, and are hit directly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ionward.battery.system import System
from ionward.control.contactors import SEQ
from ionward.image.build import system_size
from ionward.image.fault_levels import LEVEL_NAMES, resolved_levels
from ionward.image.faults import BY_ID, Fault
from ionward.image.signals import FAULT, STATE_STANDBY
from ionward.proving.prove.guarded import Break, GuardedLoop
from ionward.runtime.survival import gather, new_words
from ionward.runtime.survival_record import Refusal, decode, pack_fingerprint
from ionward.twin.faults import inject
from ionward.twin.rows import KON, PRECHARGE, SET, STATE

BIT = 40  # of the mantissa: a number moves by a thousandth of a millionth, and nothing else follows from it
# Tables of limits and thresholds.
TABLES = (
    "levels",
    "faults",
    "channel_limits",
    "cell_limits",
    "sensor_limits",
    "curves",
    "words",
    "cells",
    "sensors",
    "table",
)
CLOCK_JUMPS_S = (-10.0, -0.5, 10.0)
BOOT = "simulated"
# The bus hangs at this share of the pack voltage, which looks like a precharge that is slow.
HANGING_SHARE = 0.4
TRIES_MOST, REST_S = 40, 0.3
CERTAIN = 1.1  # whatever the tolerance of the two voltages


def highest_level(fault: Fault, system: System) -> str:
    """The highest level that a fault has in this pack."""
    ladder = resolved_levels(fault, system)
    return next(name for name, level in zip(reversed(LEVEL_NAMES), reversed(ladder), strict=True) if level)


def without_precharge(system: System) -> str:
    """Why there is nothing to precharge with."""
    return "" if system.precharge.fitted else "the pack has no precharge path"


def flip(block: Any, at: int, bit: int = BIT) -> None:
    """Flip one bit of one word of an array in memory."""
    block.reshape(-1).view(np.int64)[at] ^= np.int64(1) << np.int64(bit)


def _flip_in_table(name: str) -> Callable[[GuardedLoop], None]:
    def make(loop: GuardedLoop) -> None:
        block = getattr(loop.bench.stand.parameters, name)
        flip(block, block.size // 2)

    return make


def _flip_in_faults(row: str) -> Callable[[GuardedLoop], None]:
    def make(loop: GuardedLoop) -> None:
        faults = loop.bench.bms.image.faults
        flip(faults[getattr(FAULT, row)], faults.shape[1] // 2)

    return make


def _clock_jumps(seconds: float) -> Callable[[GuardedLoop], None]:
    def make(loop: GuardedLoop) -> None:
        loop.clock_ahead_s = seconds

    return make


def _drives(name: str, value: float) -> Callable[[GuardedLoop], None]:
    def make(loop: GuardedLoop) -> None:
        def instead(coils: dict[str, float]) -> None:
            coils[name] = value

        loop.spoil_coils = instead

    return make


def _kept_state_flips(loop: GuardedLoop) -> None:
    """What would be kept of this run is written as at its end, one bit flips, and it is read as at the next start."""
    size, stand = system_size(loop.system), loop.bench.stand
    pack = pack_fingerprint(loop.system.model_dump(mode="json"), size)
    words = gather(
        new_words(size), stand.image, stand.memory, loop.command, pack, 1, loop.now_s, loop.now_s, BOOT
    )  # fmt: skip
    flip(words, len(words) // 2)
    loop.command["state_refused"] = int(isinstance(decode(words.tobytes()), Refusal))


def _contactors_worn(loop: GuardedLoop) -> None:
    """The count of the contactors' life, which control keeps from run to run, stands at its end."""
    loop.bench.bms.image.scalars["contactor_wear_positive"] = CERTAIN


def _without_life(system: System) -> str:
    known = any(system.contactors.life_of(negative) for negative in (False, True))
    return "" if known else "the contactors' electrical life is not given"


def _resistor_forgotten(loop: GuardedLoop) -> None:
    """Control forgets the heat of its precharge resistor and the pause after a try; somebody connects again and again.

    Ends when the resistor has truly taken so much that the fault stands, or a fault is latched.
    """
    system, plant, command = loop.system, loop.bench.plant, loop.command
    level = resolved_levels(BY_ID["precharge_resistor_hot"], system)[2]
    assert level is not None
    ohm, pause_s = system.precharge.resistance_ohm, system.precharge.pause_s
    fields, s = loop.bench.stand.memory.sequence.fields, loop.bench.bms.image.scalars[0]

    def forget() -> None:
        fields[SEQ.heat_j], fields[SEQ.resume_s] = 0.0, -math.inf

    loop.hit_memory = forget
    inject(plant, "bus_load", None, ohm * HANGING_SHARE / (1.0 - HANGING_SHARE))
    heat_j, pause, rest, cycle_s = 0.0, 0, loop.bench.ticks(REST_S), loop.bench.cycle_s
    command["connect"] = 1
    for _ in range(loop.bench.ticks(TRIES_MOST * (system.precharge.timeout_s + 1.0))):
        loop.step()
        if plant.contactors[KON.closed, PRECHARGE] > 0.0:
            heat_j += float(plant.state[STATE.current_a]) ** 2 * float(plant.settings[SET.precharge_ohm]) * cycle_s
        else:
            heat_j *= 1.0 - cycle_s / pause_s
        if heat_j > CERTAIN * level.set or s["latched_faults"] > 0:
            return
        # After each try that failed the wish is given anew: then the tries are counted anew as well.
        if int(s["state"]) == STATE_STANDBY and s["precharge_tries"] > 0:
            pause = rest
        command["connect"], pause = int(pause == 0), max(pause - 1, 0)


def _resistor_stays_cool(system: System) -> str:
    """Why the resistor cannot come to its fault at all, if so."""
    if not system.precharge.fitted:
        return without_precharge(system)
    level = resolved_levels(BY_ID["precharge_resistor_hot"], system)[2]
    precharge, pack_v = system.precharge, system.series * system.cell_model.data_sheet.nominal_voltage_v
    # What a try brings and the pauses between the tries take away.
    most_w = ((1.0 - HANGING_SHARE) * pack_v) ** 2 / precharge.resistance_ohm
    cooled_share = min(2.0 * REST_S / precharge.pause_s, 1.0)
    if level is None or most_w * precharge.timeout_s < 1.2 * cooled_share * level.set:
        return "the resistor gives off its heat faster than precharge can bring it"
    return ""


HITS: tuple[Break, ...] = (
    Break("driver drops a coil", "the driver does not energise the positive contactor although both enables stand",
          _drives("main_positive", 0.0), fault="output_not_confirmed"),
    Break("driver holds a coil", "the driver energises the precharge contactor although nobody asks for it",
          _drives("precharge", 1.0), fault="output_not_confirmed", why_not=without_precharge,
          holds_one_way=True),
    Break("contactors worn", "what was counted of the positive contactor's life stands at its end", _contactors_worn,
          fault="contactor_worn", why_not=_without_life),
    Break("kept state flipped", "one bit of the state that was kept has flipped before it is read again",
          _kept_state_flips, fault="stored_state_corrupt", point="standby"),
    *(Break(f"bit flipped in {name}", f"one bit of the parameter table {name} flips", _flip_in_table(name),
            fault="configuration_changed") for name in TABLES),
    *(Break(f"bit flipped in the faults' {row}", f"one bit of the fault block ({row}) flips between two ticks",
            _flip_in_faults(row), fault="image_corrupted") for row in ("level", "latched_level", "count")),
    *(Break(f"clock jumps by {jump:+g} s", f"control's clock goes {'back' if jump < 0 else 'ahead'} at once",
            _clock_jumps(jump), fault="clock_jumped") for jump in CLOCK_JUMPS_S),
    Break("precharge resistor forgotten", "control forgets the heat of the precharge resistor, and is asked to connect "
          "again and again onto a loaded bus", _resistor_forgotten, fault="precharge_resistor_hot", point="standby",
          counts_after=True, why_not=_resistor_stays_cool),
)  # fmt: skip
