"""The tick: all of control as one pure, compiled function of raw samples, command, parameters, image and memory.

Nothing in here reads a clock, allocates or raises. The same inputs from the same memory give the same bytes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ionward._compile import njit
from ionward.control.balance import BalanceMemory, balance, new_balance_memory
from ionward.control.cool import CoolMemory, cool, new_cool_memory
from ionward.control.estimate import EstimateMemory, estimate, new_estimate_memory
from ionward.control.limit import LimitMemory, limit, new_limit_memory
from ionward.control.sequence import SequenceMemory, new_sequence_memory, sequence
from ionward.image.inputs import Raw
from ionward.image.layout import Image, Size
from ionward.image.parameters import Parameters
from ionward.safety.protect import ProtectMemory, new_protect_memory, protect
from ionward.safety.validate import ValidateMemory, new_validate_memory, validate


class Memory(NamedTuple):
    """What each stage remembers from tick to tick; no stage touches another one's."""

    validate: ValidateMemory
    protect: ProtectMemory
    estimate: EstimateMemory
    limit: LimitMemory
    sequence: SequenceMemory
    balance: BalanceMemory
    cool: CoolMemory


def new_memory(size: Size) -> Memory:
    """Memory before the first tick."""
    return Memory(
        new_validate_memory(size),
        new_protect_memory(size),
        new_estimate_memory(size),
        new_limit_memory(size),
        new_sequence_memory(size),
        new_balance_memory(size),
        new_cool_memory(size),
    )


@njit
def tick(raw: Raw, command: Any, parameters: Parameters, image: Image, memory: Memory) -> None:
    """One step of everything. Balancing and cooling take every `slow_every`-th tick, each one of its own."""
    validate(raw, parameters, image, memory.validate)
    protect(parameters, command, image, memory.protect)
    estimate(parameters, image, memory.estimate)
    limit(parameters, command, image, memory.limit)
    sequence(parameters, command, image, memory.sequence)
    every = max(parameters.scalars[0]["slow_every"], 1)
    phase = image.scalars[0]["tick"] % every
    if phase == every // 3:
        balance(parameters, command, image, memory.balance)
    if phase == 2 * every // 3:
        cool(parameters, image, memory.cool)
