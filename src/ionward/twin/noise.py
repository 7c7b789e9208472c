"""Random numbers inside compiled code: reproducible on every machine, with or without the compiler.

The generator is L'Ecuyer's combined one (Communications of the ACM 31, 1988, fig. 3; period 2.3e18): its products
stay below 2^47, so that it needs no overflow and gives the same numbers in compiled and in interpreted code. Normal
deviates come from a table of quantiles, which bounds them to 3.5 standard deviations.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from ionward._compile import njit

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

QUANTILES = 4096  # a power of two
_MODULUS_1, _FACTOR_1 = 2147483563, 40014
_MODULUS_2, _FACTOR_2 = 2147483399, 40692


def new_generator(seed: int) -> Integers:
    """State of a generator: two numbers drawn from the seed."""
    words = np.random.SeedSequence(seed).generate_state(2, np.uint64)
    return np.array(
        [int(words[0]) % (_MODULUS_1 - 1) + 1, int(words[1]) % (_MODULUS_2 - 1) + 1],
        dtype=np.int64,
    )


def normal_quantiles() -> Array:
    """Middle quantiles of the normal distribution, scaled to a standard deviation of one."""
    quantile = NormalDist().inv_cdf  # SciPy's would cost every live process a quarter of a second
    values = np.array([quantile((k + 0.5) / QUANTILES) for k in range(QUANTILES)])
    return np.asarray(values / values.std(), dtype=np.float64)


@njit
def next_integer(generator: Integers) -> int:
    """Next number, 0 .. 2147483561."""
    a = generator[0] * _FACTOR_1 % _MODULUS_1
    b = generator[1] * _FACTOR_2 % _MODULUS_2
    generator[0] = a
    generator[1] = b
    z = a - b
    if z < 0:
        z += _MODULUS_1 - 1
    return int(z)


@njit
def next_normal(generator: Integers, quantiles: Array) -> float:
    """Next normal deviate, mean 0, standard deviation 1."""
    return float(quantiles[(next_integer(generator) >> 4) & (QUANTILES - 1)])
