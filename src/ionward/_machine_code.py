"""Compiling by Numba, in a cache that notices every edit (`ionward._cache`). `ionward._compile` hands it out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from ionward._cache import module_folder, use_cache_folder

F = TypeVar("F", bound=Callable[..., object])

use_cache_folder()

import numba  # noqa: E402 - the cache folder must be named before Numba is imported
from numba import types  # noqa: E402
from numba.core import sigutils  # noqa: E402
from numba.core.caching import CacheImpl, UserProvidedCacheLocator  # noqa: E402
from numba.core.compiler_lock import global_compiler_lock  # noqa: E402
from numba.extending import intrinsic  # noqa: E402


class ByImports(UserProvidedCacheLocator):  # type: ignore[misc]
    """Where Numba keeps the machine code of our functions: by what a module and all its imports are now.

    `inside` names the place of code that has no way in from Python.
    """

    inside = False

    def __init__(self, function: Any, source: str) -> None:
        super().__init__(function, source)
        self._cache_path = str(module_folder(source)) + ("/inside" if self.inside else "")

    @classmethod
    def from_function(cls, function: Any, source: str) -> Any:
        """A locator for a function of ours; none for those of others, or where nothing can be written."""
        folder = module_folder(source)
        return cls(function, source) if folder is not None and _is_ready(folder) else None


@cache
def _is_ready(folder: Path) -> bool:
    try:
        (folder / "inside").mkdir(parents=True, exist_ok=True)
        os.utime(folder)  # it is in use: the tidying up goes by age
    except OSError:
        return False
    return os.access(folder, os.W_OK)


CacheImpl._locator_classes.insert(0, ByImports)


class _EitherCache:
    """Machine code with or without a way in from Python is equally good inside; what is made is without."""

    def __init__(self, entered: Any, function: Any) -> None:
        self._entered = entered
        ByImports.inside = True
        try:
            self._inside = type(entered)(function)
        finally:
            ByImports.inside = False

    def load_overload(self, signature: Any, target: Any) -> Any:
        return self._entered.load_overload(signature, target) or self._inside.load_overload(signature, target)

    def save_overload(self, signature: Any, data: Any) -> None:
        self._inside.save_overload(signature, data)


class _Ways:
    """Makes a dispatcher compile the way in from Python only when Python comes in.

    Most of our functions are only called by compiled ones. Unpacking their arguments, arrays by the dozen, would be a
    quarter of all that has to be compiled.
    """

    def __init__(self, dispatcher: Any) -> None:
        self._dispatcher = dispatcher
        self._template, self._compile = dispatcher.get_call_template, dispatcher.compile
        self._add, self._cache = dispatcher.add_overload, dispatcher._cache
        # Kept in one place (a folder that cannot be written), the two kinds could be taken for each other.
        self._apart = isinstance(self._cache._impl.locator, ByImports)
        self._either: Any = None
        self._inside = False
        self._closed: set[Any] = set()  # signatures that Python cannot come in by
        dispatcher.get_call_template = self.call_template
        dispatcher.compile, dispatcher.add_overload = self.compile, self.add

    def call_template(self, args: Any, keywords: Any) -> Any:
        """Compiled code asks for this function, and compiles it where it is not compiled yet.

        Numba would do so for each constant that it is called with (states, reasons, rows).
        """
        args = tuple(types.unliteral(a) for a in args)
        keywords = {name: types.unliteral(a) for name, a in keywords.items()}
        if not self._apart:
            return self._template(args, keywords)
        with global_compiler_lock:
            self._either = self._either or _EitherCache(self._cache, self._dispatcher.py_func)
            self._set(inside=True, storage=self._either)
            try:
                return self._template(args, keywords)
            finally:
                self._set(inside=False, storage=self._cache)

    def _set(self, inside: bool, storage: Any) -> None:
        self._inside, self._dispatcher._cache = inside, storage
        self._dispatcher.targetoptions["no_cpython_wrapper"] = inside

    def compile(self, signature: Any) -> Any:
        """Python asks, or compiled code from within `call_template`."""
        with global_compiler_lock:
            args, _ = sigutils.normalize_signature(signature)
            if not self._inside and tuple(args) in self._closed:
                self._closed.discard(tuple(args))
                self._dispatcher.overloads.pop(tuple(args), None)
            return self._compile(signature)

    def add(self, compiled: Any) -> None:
        """Take a compiled version in; Python is told only of those by which it can come in."""
        args = tuple(compiled.signature.args)
        if self._inside:
            self._closed.add(args)
            self._dispatcher.overloads[args] = compiled
        else:
            self._add(compiled)


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

    Nothing can be allocated inside, which no tick may do: it does not compile. Leaving out Numba's counting of
    references, which then has nothing to count, saves a third of the compiling.
    """
    return _compiled(function)


def inlined(function: F) -> F:
    """As `njit`, but always part of its caller's machine code: a part of a loop that must become vector code."""
    return _compiled(function, forceinline=True)


def allocating(function: F) -> F:
    """As `njit`, for what is no part of a tick: it may make arrays."""
    return _compiled(function, _nrt=True)


def compile_inside(function: Any, arguments: tuple[Any, ...]) -> None:
    """Compile a function for these types, to be called by compiled code only."""
    function.get_call_template(arguments, {})


def _compiled(function: F, **options: bool) -> F:
    compiled = numba.njit(
        cache=True,
        error_model="numpy",
        fastmath={"contract"},
        no_cfunc_wrapper=True,  # nothing of ours is called as a C function; it saves compiling time
        **{"_nrt": False, **options},
    )(function)
    _Ways(compiled)
    return cast(F, compiled)


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
