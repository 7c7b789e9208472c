"""The guard's challenge and control's answer to it.

The answer is made of the challenge, the program flow and number of the tick, a checksum over a slice of control's
parameter tables, a sum over the raw samples that the tick has seen, and what the tick wants done. So a control whose
tables have changed, that works on old samples, or whose word was changed on its way, answers wrongly.

All of it is plain integer arithmetic: products of 31-bit words stay within 63 bits, so Python and compiled code (the
caller compiles it) give the same number. It is no cryptography: it tells a control that computes from one that repeats
what it said before, or whose program went astray.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

WORD = 0x7FFFFFFF  # 31 bits
# Odd factors below 31 bits whose products spread well over the bits that are kept, and starts that are not zero.
FACTOR_A, FACTOR_B = 1103515245, 1664525013
START_A, START_B = 0x2545F491, 0x19D699A5
HALF = 0xFFFFFFFF  # 32 bits
GOLDEN = 0x9E3779B97F4A7C15  # 2**64 divided by the golden ratio, odd: its multiples spread over 64 bits (Knuth)

Keys = npt.NDArray[np.uint64]


def answer_to(challenge: int, flow: int, tick: int, table_sum: int, sample_sum: int, wish: int) -> int:
    """The answer to a challenge: 0 to 2**62 - 1.

    Of challenge, tick and sample sum the low 62 bits count, of the rest the low 31. Parts are laid over each other
    before they are mixed: one that changes alone always gives another answer.

    Meets SR-161, SR-222.
    """
    a, b = START_A, START_B
    for word in ((challenge ^ sample_sum) & WORD, ((challenge ^ sample_sum) >> 31) & WORD, (tick ^ wish) & WORD,
                 (flow ^ table_sum ^ (tick >> 31)) & WORD, 0):  # fmt: skip
        a = ((a ^ word) * FACTOR_A + b) & WORD
        b = ((b ^ (a >> 13)) * FACTOR_B + word) & WORD
        a = a ^ (b >> 11)
    return (a << 31) | b


def wish_word(main_positive: int, main_negative: int, precharge: int, pyrofuse: int, open_request: int) -> int:
    """What a tick wants done, as one small number."""
    return main_positive | main_negative << 1 | precharge << 2 | pyrofuse << 3 | open_request << 4


def request_word(open_request: int, charge_open: int, discharge_open: int) -> int:
    """What protection asks for as one number, by the names of `exchange.REQUESTS`: everything counts before one
    direction.
    """
    if open_request != 0:
        return open_request
    if charge_open != 0:
        return 3
    return 4 if discharge_open != 0 else 0


def fold(words: Any, first: int, last: int) -> int:
    """Checksum of the words `first` to `last - 1`, 32 bits. `words` are 64-bit integers, in an array or a list.

    Every step can be undone, so one changed word always gives another number.
    """
    total = START_A
    for k in range(first, last):
        total = ((total ^ (words[k] & HALF)) * FACTOR_A) & HALF
        total = total ^ (total >> 15)
        total = ((total ^ ((words[k] >> 32) & HALF)) * FACTOR_B) & HALF
        total = total ^ (total >> 15)
    return int(total)


def sample_keys(count: int) -> Keys:
    """Odd factors for the words of the raw samples: the sum of words times keys tells every single changed word."""
    return (np.arange(1, count + 1, dtype=np.uint64) * np.uint64(GOLDEN)) | np.uint64(1)
