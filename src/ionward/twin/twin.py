"""The simulated battery of a described system, behind the driver ports: what a runtime uses instead of hardware."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ionward.battery.system import System
from ionward.twin.build import Start, build_plant
from ionward.twin.living import LivingPlant

__all__ = ["Twin"]


class Twin(LivingPlant):
    """A simulated battery made from its description."""

    def __init__(
        self,
        system: System,
        start: Start | None = None,
        seed: int = 1,
        ambient_c: float = 25.0,
        profile: npt.NDArray[np.float64] | None = None,
    ) -> None:
        super().__init__(build_plant(system, start, seed, ambient_c, profile), system.cycle.period_s)
