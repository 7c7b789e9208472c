"""Compiled functions: import `njit` from here, nowhere else.

Without compiling (`NUMBA_DISABLE_JIT`, or in a process that runs none of them for long) they are plain Python, and
Numba, half a second to load, stays outside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ionward._cache import cache_folder, cache_key, compiled_sources, jit_disabled

__all__ = ["allocating", "cache_folder", "cache_key", "compile_inside", "compiled_sources", "inlined", "jit_disabled",
           "njit", "order_stores"]  # fmt: skip

F = TypeVar("F", bound=Callable[..., object])

if jit_disabled:

    def njit(function: F) -> F:
        """The function as it is."""
        return function

    inlined = allocating = njit

    def compile_inside(function: Any, arguments: tuple[Any, ...]) -> None:
        """Nothing is compiled."""

    def order_stores() -> None:
        """Keep stores and loads before this from moving behind it. The interpreter does so anyway."""

else:
    from ionward._machine_code import allocating, compile_inside, inlined, njit, order_stores
