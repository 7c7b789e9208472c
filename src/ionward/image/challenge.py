"""The guard's challenge and control's answer to it.

`mix` is plain integer arithmetic on 31-bit words: products stay within 63 bits, so Python and compiled code (the
caller compiles it) give the same number. It is no cryptography: it tells a control that computes from one that repeats
what it said before, or whose program went astray.
"""

from __future__ import annotations

WORD = 0x7FFFFFFF  # 31 bits
# Odd factors below 31 bits whose products spread well over the bits that are kept, and starts that are not zero.
FACTOR_A, FACTOR_B = 1103515245, 1664525013
START_A, START_B = 0x2545F491, 0x19D699A5


def mix(challenge: int, flow: int, tick: int) -> int:
    """The answer to a challenge, out of the tick's program flow and number: 0 to 2**62 - 1.

    The low 62 bits of challenge and tick and the low 31 bits of the flow count.
    """
    a, b = START_A, START_B
    for word in (challenge & WORD, (challenge >> 31) & WORD, flow & WORD, tick & WORD, (tick >> 31) & WORD, 0):
        a = ((a ^ word) * FACTOR_A + b) & WORD
        b = ((b ^ (a >> 13)) * FACTOR_B + word) & WORD
        a = a ^ (b >> 11)
    return (a << 31) | b
