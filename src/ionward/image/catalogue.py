"""What a signal is, and how layouts are made from a list of signals.

Each signal is declared once, as a row. Array layouts for compiled code, recordings, exports and the reference
documents are made from these rows.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Signal:
    """One quantity that the BMS knows.

    `unit` is empty for counts and states; `kind` is `f8` (number), `i8` (count, index or state).
    `minimum` and `maximum` bound what the value can be in a working system. `choices` names the states of an
    enumeration by value.
    """

    name: str
    unit: str
    meaning: str
    kind: str = "f8"
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()


def record(signals: Sequence[Signal]) -> np.dtype[np.void]:
    """Layout of a scalar record: use it in arrays of length one (`image.scalars[0]["soc"]`)."""
    return np.dtype([(s.name, s.kind) for s in signals], align=True)


def rows(name: str, signals: Sequence[Signal]) -> Any:
    """Row numbers of a `[field, item]` block by signal name, usable inside compiled code."""
    names = [s.name for s in signals]
    return namedtuple(name, names)(*range(len(names)))
