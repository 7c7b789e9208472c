"""Compiled functions, in a cache that notices every edit (`ionward._cache`). Import `njit` from here, nowhere else."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from ionward._cache import cache_folder, cache_key, compiled_sources, jit_disabled, module_folder, use_cache_folder

__all__ = ["cache_folder", "cache_key", "compiled_sources", "inlined", "jit_disabled", "njit", "order_stores"]

F = TypeVar("F", bound=Callable[..., object])

use_cache_folder()

import numba  # noqa: E402 - the cache folder must be named before Numba is imported
from numba import types  # noqa: E402
from numba.core.caching import CacheImpl, UserProvidedCacheLocator  # noqa: E402


class ByImports(UserProvidedCacheLocator):  # type: ignore[misc]
    """Where Numba keeps the machine code of our functions: by what a module and all its imports are now."""

    def __init__(self, function: Any, source: str) -> None:
        super().__init__(function, source)
        self._cache_path = str(module_folder(source))

    @classmethod
    def from_function(cls, function: Any, source: str) -> Any:
        """A locator for a function of ours; none for those of others, or where nothing can be written."""
        folder = module_folder(source)
        return cls(function, source) if folder is not None and _is_ready(folder) else None


@cache
def _is_ready(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)  # it is in use: the tidying up goes by age
    except OSError:
        return False
    return os.access(folder, os.W_OK)


CacheImpl._locator_classes.insert(0, ByImports)


def _load_without_blas() -> None:
    """Let Numba load what it needs, but not look for a BLAS in SciPy: none of our compiled code uses one.

    It would cost half a second and 20 MB in every process that runs the tick.
    """
    if "scipy.linalg" in sys.modules:
        return
    sys.modules["scipy.linalg"] = None  # type: ignore[assignment]
    try:
        import numba.np.arraymath  # noqa: F401
    finally:
        del sys.modules["scipy.linalg"]


_load_without_blas()


def njit(function: F) -> F:
    """Compile for arrays of any length, cached. A NaN stays a NaN: no `fastmath` beyond contraction.

    Numba would compile a function again for each constant that it is called with (states, reasons, rows); this halves
    the time of the first compilation by compiling for the constant's type.
    """
    return _compiled(function, forceinline=False)


def inlined(function: F) -> F:
    """As `njit`, but always part of its caller's machine code: a part of a loop that must become vector code."""
    return _compiled(function, forceinline=True)


def _compiled(function: F, forceinline: bool) -> F:
    compiled = numba.njit(
        cache=True,
        error_model="numpy",
        fastmath={"contract"},
        forceinline=forceinline,
        no_cfunc_wrapper=True,  # nothing of ours is called as a C function; it saves compiling time
    )(function)
    if not jit_disabled:
        template = compiled.get_call_template
        compiled.get_call_template = lambda args, kws: template(
            tuple(types.unliteral(a) for a in args), {name: types.unliteral(a) for name, a in kws.items()}
        )
    return cast(F, compiled)


if jit_disabled:

    def order_stores() -> None:
        """Keep stores and loads before this from moving behind it. The interpreter does so anyway."""

else:
    from numba.extending import intrinsic

    @intrinsic  # type: ignore[untyped-decorator]
    def _fence(typing_context: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            builder.fence("seq_cst")
            return context.get_dummy_value()

        return types.void(), codegen

    @inlined
    def order_stores() -> None:
        """Keep stores and loads before this from moving behind it, by the compiler or the processor."""
        _fence()
