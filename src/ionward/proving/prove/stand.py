"""A battery and its BMS on the test stand: made from a pack, run, kept and put back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ionward.battery.system import System
from ionward.control.bms import Bms
from ionward.control.entry import tick_address
from ionward.image.inputs import new_command
from ionward.image.tables import in_one_row
from ionward.proving.prove.loop import Stand, run_plain
from ionward.twin.build import Start, build_plant

Array = npt.NDArray[np.float64]


def arrays_of(values: Any) -> list[Any]:
    """The arrays of nested tuples, in order."""
    if isinstance(values, tuple):
        return [array for value in values for array in arrays_of(value)]
    return [values]


class Bench:
    """One pack's battery and BMS, whose whole state can be kept and put back. Parameters are kept as well."""

    def __init__(
        self, system: System, parameters: Any, start: Start, seed: int, ambient_c: float, profile: Array | None = None
    ) -> None:
        self.system, self.cycle_s = system, system.cycle.period_s
        self.bms = Bms(parameters, _size(system))
        self.plant = build_plant(system, start, seed, ambient_c, profile)
        self.command = new_command()
        self.stand = Stand(
            self.plant, self.bms.new_raw(), self.command, self.bms.parameters, self.bms.image, self.bms.memory
        )
        self.address = tick_address()
        self._arrays = arrays_of(self.stand)

    def lay_in_one_row(self) -> npt.NDArray[np.int64]:
        """Put the parameter tables into one row of words, as control's process has them; the row, which is alive."""
        self.bms.parameters, row = in_one_row(self.bms.parameters)
        self.stand = self.stand._replace(parameters=self.bms.parameters)
        self._arrays = arrays_of(self.stand)
        return row

    @property
    def time_s(self) -> float:
        """Simulated time."""
        from ionward.twin.rows import STATE

        return float(self.plant.state[STATE.time_s])

    def ticks(self, seconds: float) -> int:
        """How many ticks take at least so long."""
        return max(1, math.ceil(seconds / self.cycle_s - 1e-6))

    def run(self, seconds: float) -> None:
        """Run without looking."""
        run_plain(self.address, self.stand, self.ticks(seconds))

    def keep(self) -> list[Any]:
        """Everything that the next tick depends on."""
        return [array.copy() for array in self._arrays]

    def put_back(self, kept: list[Any]) -> None:
        """Take a kept state back."""
        for array, before in zip(self._arrays, kept, strict=True):
            array[...] = before


def _size(system: System) -> Any:
    from ionward.image.build import system_size

    return system_size(system)
