"""A plant that lives by the clock: behind the driver ports, with coils that fall off when nobody renews them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ionward.hardware.ports import Outputs
from ionward.image.inputs import Raw
from ionward.twin.faults import Place, Undo, inject
from ionward.twin.plant import Plant, advance, measure
from ionward.twin.rows import CELLS, OUT, SET, STATE

Array = npt.NDArray[np.float64]

# Coils fall off when they have not been renewed for so long, or for so many cycles where those are longer.
EXPIRY_S = 0.1
EXPIRY_CYCLES = 3


class LivingPlant:
    """A simulated battery as a source of raw samples and a sink of outputs (`hardware.ports`).

    `read` lets it live up to the time asked for, in steps of the system's cycle; the first `read` sets its clock.
    A vehicle or EMS beside the BMS would hear of the BMS's limits: tell them with `hear`.
    """

    def __init__(self, plant: Plant, cycle_s: float, expiry_s: float | None = None, started: bool = False) -> None:
        """`started`: the plant has lived before, and goes on from its own time."""
        self.plant = plant
        self.cycle_s = cycle_s
        self._expiry_s = max(EXPIRY_S, EXPIRY_CYCLES * cycle_s) if expiry_s is None else expiry_s
        self._renewed_s = -np.inf
        self._started = started

    @property
    def time_s(self) -> float:
        """Time up to which the battery has lived."""
        return self.plant.state.item(STATE.time_s)

    @property
    def fuse_blown(self) -> int:
        """The main fuse is open: 1 yes."""
        return int(self.plant.state.item(STATE.fuse_blown))

    def read(self, time_s: float, raw: Raw) -> None:
        """Live until `time_s` and write every sample that has come by then."""
        plant = self.plant
        if not self._started:
            plant.settings[SET.origin_s] = time_s
            plant.state[STATE.time_s] = time_s
            self._started = True
            measure(plant, raw)
        while self.time_s + self.cycle_s <= time_s + 1e-6:
            if self.time_s - self._renewed_s > self._expiry_s:
                plant.outputs[:] = 0.0
                plant.cells[CELLS.bleed] = 0.0
            advance(plant)
            measure(plant, raw)
        raw.clock["time_s"] = time_s

    def write(self, time_s: float, outputs: Outputs) -> None:
        """Drive coils, cooling and bleed resistors until they expire."""
        *driven, bleed = outputs
        self.drive(time_s, [float(value) for value in driven], np.asarray(bleed, np.float64))

    def drive(self, time_s: float, outputs: Sequence[float], bleed: Array | None) -> None:
        """As `write`, with plain numbers in the order of `twin.rows.OUTPUT_ROWS`; no `bleed`: nothing is bled.

        Where they go beyond the heater, load and charger hear them too.
        """
        self._renewed_s = time_s
        self.plant.outputs[: len(outputs)] = outputs
        self.plant.cells[CELLS.bleed] = 0.0 if bleed is None else bleed

    def hear(self, connected: bool, charge_limit_a: float, discharge_limit_a: float) -> None:
        """Tell load and charger what the BMS allows."""
        self.plant.outputs[OUT.connected :] = connected, charge_limit_a, discharge_limit_a

    def inject(self, name: str, place: Place = None, value: float | None = None) -> Undo:
        """Make a fault now; see `twin.faults.inject`."""
        return inject(self.plant, name, place, value)
