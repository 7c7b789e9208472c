"""One entry into the tick for every compiled loop, so that all of them run the very same machine code.

Compiled into a loop, the tick is optimised together with it: multiplications and additions are fused in other places,
and results differ in the last bit from loop to loop. A recording made by one loop could not be replayed bit by bit by
another. So loops call the tick through its address.

For the same reason the tick is compiled in a process of its own and read from the cache: in the process that compiles
it, its calls are bound to stages that were optimised by themselves, in all later ones to its own copies of them.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ionward._cache import module_key
from ionward._compile import cache_folder, jit_disabled, njit
from ionward.control.tick import Memory, new_memory, tick
from ionward.image.inputs import Raw, new_command, new_raw
from ionward.image.layout import Image, Size, new_image
from ionward.image.parameters import PARAMETER_RECORD, Parameters

if jit_disabled:

    def tick_address() -> int:
        """Address of the compiled tick; without compiling there is none."""
        return 0

    def call_tick(address: int, raw: Raw, command: Any, parameters: Parameters, image: Image, memory: Memory) -> None:
        """The tick, silent about NaN and infinity as compiled code is."""
        with np.errstate(all="ignore"):
            tick(raw, command, parameters, image, memory)

else:
    from numba import typeof, types
    from numba.core import cgutils
    from numba.extending import intrinsic

    def argument_types() -> tuple[Any, ...]:
        """Types of the tick's arguments: the same for every pack."""
        size = Size(1, 1, 1)
        flat, deep = np.zeros((1, 1)), np.zeros((1, 1, 1))
        parameters = Parameters(
            np.zeros(1, PARAMETER_RECORD), flat, flat, flat, flat, flat, deep, flat, deep, deep,
            np.zeros(1),
        )  # fmt: skip
        return tuple(typeof(a) for a in (new_raw(1, 1), new_command(), parameters, new_image(size), new_memory(size)))

    def _marker() -> Path:
        """Exists when the tick is in the cache, compiled in a process of its own."""
        return cache_folder() / f"tick-{module_key('ionward.control.tick')}"

    def _compiled() -> Any:
        """The tick compiled by itself."""
        dispatcher: Any = tick
        arguments = argument_types()
        if arguments not in dispatcher.overloads:
            if not _marker().exists():
                # Where this fails (nowhere to write, no new processes), it is compiled here below.
                with suppress(OSError):
                    subprocess.run([sys.executable, "-m", "ionward.control.entry"], check=False)
            dispatcher.compile(arguments)
        return dispatcher.overloads[arguments]

    def tick_address() -> int:
        """Address of the compiled tick, to be handed to `call_tick`; valid in this process."""
        compiled = _compiled()
        return int(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))

    @intrinsic  # type: ignore[untyped-decorator]
    def _call(
        typing_context: Any, address: Any, raw: Any, command: Any, parameters: Any, image: Any, memory: Any
    ) -> Any:
        arguments = (raw, command, parameters, image, memory)
        if arguments != argument_types():
            raise TypeError("the arrays of a pack are not of the types that the tick is compiled for")

        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            described = _compiled().fndesc
            function = context.call_conv.get_function_type(described.restype, described.argtypes)
            pointer = builder.inttoptr(values[0], function.as_pointer())
            status, _ = context.call_conv.call_function(
                builder, pointer, described.restype, described.argtypes, values[1:]
            )
            with cgutils.if_unlikely(builder, status.is_error):
                context.call_conv.return_status_propagate(builder, status)
            return context.get_dummy_value()

        return types.void(types.intp, *arguments), codegen

    @njit
    def call_tick(address: int, raw: Raw, command: Any, parameters: Parameters, image: Image, memory: Memory) -> None:
        """The tick, at the address that `tick_address` gave."""
        _call(address, raw, command, parameters, image, memory)

    def compile_tick() -> None:
        """Compile the tick into the cache, in a process that does nothing else with it."""
        dispatcher: Any = tick
        dispatcher.compile(argument_types())
        with suppress(OSError):
            _marker().touch()

    if __name__ == "__main__":
        compile_tick()
