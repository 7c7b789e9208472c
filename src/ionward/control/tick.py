"""The tick: all of control as one pure, compiled function of raw samples, command, parameters, image and memory.

Nothing in here reads a clock, allocates or raises. The same inputs from the same memory give the same bytes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ionward._compile import njit
from ionward.control.balance import BalanceMemory, balance, new_balance_memory
from ionward.control.cool import CoolMemory, cool, new_cool_memory
from ionward.control.estimate import estimate
from ionward.control.estimate_memory import EstimateMemory, new_estimate_memory
from ionward.control.limit import LimitMemory, limit, new_limit_memory
from ionward.control.sequence import SequenceMemory, new_sequence_memory, sequence
from ionward.image.exchange import FLOW_FACTOR, FLOW_MASK, FLOW_SEED, FLOW_STAGES
from ionward.image.inputs import Raw
from ionward.image.layout import Image, Size
from ionward.image.parameters import Parameters
from ionward.safety.protect import ProtectMemory, new_protect_memory, protect
from ionward.safety.validate import ValidateMemory, new_validate_memory, validate

(STAGE_VALIDATE, STAGE_PROTECT, STAGE_ESTIMATE, STAGE_LIMIT, STAGE_SEQUENCE, STAGE_BALANCE,
 STAGE_COOL) = range(1, len(FLOW_STAGES) + 1)  # fmt: skip


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
    """One step of everything. Balancing and cooling take every `slow_every`-th tick, each one of its own.

    Each stage leaves its mark in `flow`, from which the guard sees that all came to their end, in this order.
    """
    s = image.scalars[0]
    s["flow"] = FLOW_SEED
    validate(raw, parameters, image, memory.validate)
    passed(s, STAGE_VALIDATE)
    protect(parameters, command, image, memory.protect)
    passed(s, STAGE_PROTECT)
    estimate(parameters, image, memory.estimate)
    passed(s, STAGE_ESTIMATE)
    limit(parameters, command, image, memory.limit)
    passed(s, STAGE_LIMIT)
    sequence(parameters, command, image, memory.sequence)
    passed(s, STAGE_SEQUENCE)
    every = max(parameters.scalars[0]["slow_every"], 1)
    phase = s["tick"] % every
    if phase == every // 3:
        balance(parameters, command, image, memory.balance)
        passed(s, STAGE_BALANCE)
        s["balance_runs"] += 1
    if phase == 2 * every // 3:
        cool(parameters, image, memory.cool)
        passed(s, STAGE_COOL)
        s["cool_runs"] += 1


@njit
def passed(s: Any, stage: int) -> None:
    """A stage has come to its end."""
    s["flow"] = (s["flow"] * FLOW_FACTOR + stage) & FLOW_MASK
