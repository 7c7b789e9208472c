"""What the guard's checks take and give: the records of other processes as plain values, and findings."""

from __future__ import annotations

import math
from collections import namedtuple
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ionward.image.exchange import CONTROL_RECORD, DRIVEN_RECORD

Records = npt.NDArray[np.void]

# Places of findings about contactors.
CONTACTORS = ("main_positive", "main_negative", "precharge", "pyrofuse")
MAIN_POSITIVE, MAIN_NEGATIVE, PRECHARGE, PYROFUSE = range(len(CONTACTORS))


def _words_of(name: str, record: np.dtype[np.void]) -> Any:
    names = list(record.names or ())
    return namedtuple(name, names)


CONTROL_WORDS = _words_of("ControlWords", CONTROL_RECORD)
DRIVEN_WORDS = _words_of("DrivenWords", DRIVEN_RECORD)


NONE = float("nan")


class Finding(NamedTuple):
    """Something that is not as it must be: a reason of `image.exchange`, where, and the value that was judged."""

    reason: int
    place: int = -1
    value: float = NONE


def control_words(control: Records) -> Any:
    """A record of control (length 1) as plain values."""
    return CONTROL_WORDS._make(control.item())


def driven_words(driven: Records) -> Any:
    """A record of what is driven (length 1) as plain values."""
    return DRIVEN_WORDS._make(driven.item())


def wishes_closed(words: Any) -> bool:
    """Some contactor is wished (or driven) closed."""
    return bool(words.main_positive or words.main_negative or words.precharge)


def known_age_s(age_s: float) -> float:
    """An age, or no number for something that has never been."""
    return age_s if math.isfinite(age_s) else NONE
