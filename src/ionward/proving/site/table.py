"""A table of things of one kind and different sizes, which compiled code can go through without Python.

The arrays of packs differ in length, but their types do not. So a tuple of arrays is written down once, as compiled
code holds it (pointers, lengths, strides), and is read back by its number. Nothing is compiled anew for another site.
What is compiled is kept by type, so the tuples have to be of types that every process can import.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ionward._compile import jit_disabled, njit

if jit_disabled:

    def written(items: Sequence[Any]) -> tuple[Any, Any]:
        """Their places: the things themselves. And memory that has to stay."""
        return list(items), None

    def at(places: Any, k: int, like: Any) -> Any:
        """Thing number `k`."""
        return places[k]

else:
    from numba import types
    from numba.extending import intrinsic

    ALIGNED = 64

    @intrinsic  # type: ignore[untyped-decorator]
    def _size(typing_context: Any, like: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            kind = context.get_value_type(signature.args[0])
            return context.get_constant(types.intp, context.get_abi_sizeof(kind))

        return types.intp(like), codegen

    @intrinsic  # type: ignore[untyped-decorator]
    def _write(typing_context: Any, place: Any, item: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            kind = context.get_value_type(signature.args[1])
            builder.store(values[1], builder.inttoptr(values[0], kind.as_pointer()))
            return context.get_dummy_value()

        return types.void(types.intp, item), codegen

    @intrinsic  # type: ignore[untyped-decorator]
    def _read(typing_context: Any, place: Any, like: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            kind = context.get_value_type(signature.return_type)
            return builder.load(builder.inttoptr(values[0], kind.as_pointer()))

        return like(types.intp, like), codegen

    @njit
    def size_of(like: Any) -> int:
        """Bytes of a thing as compiled code holds it."""
        return int(_size(like))

    @njit
    def write(place: int, item: Any) -> None:
        """Write a thing down at an address."""
        _write(place, item)

    def written(items: Sequence[Any]) -> tuple[Any, Any]:
        """Their places, `[item]` addresses at which each is written down; and the memory there, which has to stay."""
        size = -(-size_of(items[0]) // ALIGNED) * ALIGNED
        memory = np.zeros(size * len(items) + ALIGNED, np.uint8)
        first = -(-memory.ctypes.data // ALIGNED) * ALIGNED
        places = first + size * np.arange(len(items), dtype=np.int64)
        for place, item in zip(places, items, strict=True):
            write(int(place), item)
        return places, memory

    @njit
    def at(places: Any, k: int, like: Any) -> Any:
        """Thing number `k` of a table's `places`. `like` is any thing of the same kind; it says the type."""
        return _read(places[k], like)


class Table:
    """Tuples of arrays of one kind. It keeps them alive; hand `places` and one of `items` to compiled code (`at`)."""

    def __init__(self, items: Sequence[Any]) -> None:
        self.items = list(items)
        self.places, self._memory = written(self.items)
