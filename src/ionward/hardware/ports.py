"""What a driver must do. The twin, measured logs and, later, real monitors stand behind the same two ports."""

from __future__ import annotations

from typing import Protocol

from ionward.image.inputs import Raw
from ionward.image.outputs import Outputs

__all__ = ["Actuators", "Outputs", "Sensors"]


class Sensors(Protocol):
    """Source of raw samples."""

    def read(self, time_s: float, raw: Raw) -> None:
        """Write every sample that has come by `time_s` into `raw`, each with the time at which it was taken.

        A driver never raises for a bad sample: it writes NaN, or leaves the old sample to age.
        """


class Actuators(Protocol):
    """Sink of outputs."""

    def write(self, time_s: float, outputs: Outputs) -> None:
        """Drive contactors, cooling and bleed resistors; what is not renewed expires by itself."""
