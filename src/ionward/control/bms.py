"""A BMS in one object: parameters, image and memory of one pack, and the tick that works on them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ionward.control.outputs import output_size, output_words
from ionward.control.tick import Memory, new_memory, tick
from ionward.image.inputs import Raw, new_raw
from ionward.image.layout import Image, Size, new_image
from ionward.image.outputs import Outputs
from ionward.image.parameters import Parameters
from ionward.image.signals import CELL

if TYPE_CHECKING:
    from ionward.battery.system import System

__all__ = ["OUTPUT_WORDS", "Bms", "output_size", "output_words"]

OUTPUT_WORDS = output_size


class Bms:
    """The BMS of one pack: `parameters`, `size`, `image` and `memory`.

    Call `step` once each cycle. Compiled loops call `tick` themselves, on the same parameters, image and memory.
    """

    def __init__(self, parameters: Parameters, size: Size) -> None:
        self.parameters = parameters
        self.size = size
        self.image: Image = new_image(size)
        self.memory: Memory = new_memory(size)
        self._words = np.empty(output_size(size))

    @classmethod
    def of(cls, system: System) -> Bms:
        """The BMS of a described system."""
        # A running BMS gets its parameters ready made: it need not load what reads descriptions.
        from ionward.image.build import build_parameters, system_size

        return cls(build_parameters(system), system_size(system))

    def new_raw(self) -> Raw:
        """Raw samples for this pack, nothing measured yet."""
        return new_raw(self.size.cells, self.size.sensors)

    def step(self, raw: Raw, command: Any) -> None:
        """One tick on these samples and this command. The time of the tick is `raw.clock`."""
        tick(raw, command, self.parameters, self.image, self.memory)

    def outputs(self) -> Outputs:
        """What drivers are to do now."""
        s = self.image.scalars[0]
        return Outputs(
            main_positive=bool(s["main_positive_close"]),
            main_negative=bool(s["main_negative_close"]),
            precharge=bool(s["precharge_close"]),
            pyrofuse=bool(s["pyrofuse_fire"]),
            pump=float(s["pump"]),
            fan=float(s["fan"]),
            heater=float(s["heater"]),
            bleed=self.image.cells[CELL.balancing] > 0,
        )

    def output_digest(self) -> str:
        """SHA-256 over all outputs of this tick, in hexadecimal."""
        output_words(self.image, self._words)
        return hashlib.sha256(self._words.tobytes()).hexdigest()

    def snapshot(self) -> bytes:
        """Everything that the next tick depends on, besides its inputs and the parameters."""
        return b"".join(np.ascontiguousarray(block).tobytes() for block in self._blocks())

    def restore(self, state: bytes) -> None:
        """Take a snapshot back.

        Raises:
            ValueError: it was taken of a pack of another size, or by another build.
        """
        expected = sum(block.nbytes for block in self._blocks())
        if len(state) != expected:
            raise ValueError(f"a snapshot of this pack has {expected} bytes, not {len(state)}")
        at = 0
        for block in self._blocks():
            part = np.frombuffer(state, block.dtype, block.size, at).reshape(block.shape)
            block[...] = part
            at += block.nbytes

    def _blocks(self) -> Iterator[Any]:
        yield from _arrays(self.image)
        yield from _arrays(self.memory)


def _arrays(values: Any) -> Iterator[Any]:
    """The arrays of nested tuples, in order."""
    if isinstance(values, tuple):
        for value in values:
            yield from _arrays(value)
    else:
        yield values
