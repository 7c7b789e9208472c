"""Machine code loaded before there is a plan: processes do it while the supervisor still reads the pack.

Nothing is run. Every pack has the same types, so arrays of length one stand for all.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ionward._compile import jit_disabled
from ionward.image.blocks import HEADER_WORDS
from ionward.image.inputs import new_raw
from ionward.image.layout import Size, new_image

SIZE = Size(1, 1, 1)


def preload_control() -> None:
    """The tick and the cycle around it."""
    from ionward.control.entry import tick_address
    from ionward.runtime.cycle import bind, control_cycle

    tick_address()
    if jit_disabled:
        return
    bound = bind(*_parts())
    _load(control_cycle, 1, 0.0, 0.0, True, bound)


def preload_cycle() -> None:
    """The cycle alone, by the type of what it works on: nothing is put together."""
    if jit_disabled:
        return
    from numba import typeof, types

    from ionward.control.entry import tick_address
    from ionward.runtime.cycle import BoundType, control_cycle

    tick_address()
    names = ("wires", "desk", "parameters", "image", "memory")
    bound = BoundType([(name, typeof(part)) for name, part in zip(names, _parts(), strict=True)])
    cycle: Any = control_cycle
    cycle.compile((types.intp, types.float64, types.float64, types.boolean, bound))


def preload_binding() -> None:
    """What control does around its cycle: putting all that it works on together, taking samples."""
    from ionward.runtime.cycle import bind, take_samples

    if jit_disabled:
        return
    wires, desk, *others = _parts()
    bind(wires, desk, *others)
    _load(take_samples, wires.io, desk.raw, desk.driven_words)


def _parts() -> tuple[Any, ...]:
    """Arguments of `runtime.cycle.bind` of the right types, for no pack in particular."""
    from ionward.control.entry import argument_types
    from ionward.control.tick import new_memory
    from ionward.image.parameters import PARAMETER_RECORD, Parameters
    from ionward.runtime.cycle import Wire, Wires, new_desk

    def wire(writable: bool) -> Wire:
        numbers = np.zeros((1, HEADER_WORDS), np.int64)
        counter, floats = np.zeros(1, np.int64), numbers.view(np.float64)
        for array in (counter, numbers, floats):
            array.flags.writeable = writable
        return Wire(counter, numbers, floats)

    shapes: list[Any] = [(1,) * kind.ndim for kind in argument_types()[2].types]
    parameters = Parameters(np.zeros(1, PARAMETER_RECORD), *(np.zeros(shape) for shape in shapes[1:]))
    image = new_image(SIZE)
    wires = Wires(wire(False), wire(False), wire(True), wire(True), wire(True))
    return wires, new_desk(SIZE, image), parameters, image, new_memory(SIZE)


def preload_plant() -> None:
    """What the simulated battery is built by, its step and its sensors."""
    from ionward.twin.cells import refresh
    from ionward.twin.plant import Plant, advance, measure

    if jit_disabled:
        return
    flat = {"settings", "state", "outputs", "channel_truth", "temperature_truth", "generator", "quantiles"}
    arrays: dict[str, Any] = {
        name: np.zeros((1,) * (1 if name in flat else 3 if name == "table" else 2)) for name in Plant._fields
    }
    arrays["generator"] = np.zeros(1, np.int64)
    plant = Plant(**arrays)
    _load(refresh, plant.cells, plant.table, plant.settings, 0, 1)
    _load(advance, plant)
    _load(measure, plant, new_raw(1, 1))


def _load(function: Any, *arguments: Any) -> None:
    from numba import typeof

    function.compile(tuple(typeof(argument) for argument in arguments))
