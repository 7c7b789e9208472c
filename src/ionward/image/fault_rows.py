"""What a row of the fault catalogue consists of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Level:
    """One step of a fault's ladder. Meets SR-201."""

    set: float
    clear: float
    delay_samples: int
    delay_s: float


@dataclass(frozen=True)
class Fault:
    """One row of the catalogue.

    `direction` tells which side is bad. `blocks` names the current direction that a fault-level reaction forbids
    before the contactors open. `dtc` is the three-byte trouble code of UDS, in the range that SAE J2012 leaves to the
    maker (P1Axx). `relative_to` names a pack limit, a scalar of the parameters. `scope` says what the place of the
    fault counts: a cell, a temperature sensor, a channel, a module, or nothing (the pack). A `latching` fault that
    reached the level fault or critical waits to be acknowledged. `ftti_s` is the budget from the fault's standing in
    the battery, at the level that opens the contactors, to their being open (the fault tolerant time interval of ISO
    26262-1, 3.61); for one that opens nothing, to its being told. `only_when` names what the pack must have (a fitted
    channel, a parameter that is 1, or several of which one is enough: `a or b`) for the fault to be judged at all.
    A fault whose latch is a lock for `service` is released by a named service action only, never by acknowledging.
    One that may `retry` is let go without a person where the pack file says how often: its cause is gone once the pack
    has rested, and closing again harms nothing.
    One that is `maskable` may be told only, for a while, where the pack file names who answers for it: another fault
    stands behind it, so that it is no safety goal's last defence. All others can never be masked.
    `sensor` names the sensor of the pack file whose samples are counted, where the unit does not tell it.

    Meets SR-200.
    """

    id: str
    name: str
    meaning: str
    action: str
    unit: str
    scope: Literal["cell", "temperature", "channel", "module", "pack"]
    direction: Literal["above", "below"]
    dtc: int
    requirement: str
    ftti_s: float
    info: Level | None = None
    warning: Level | None = None
    fault: Level | None = None
    critical: Level | None = None
    relative_to: str = ""
    factor: bool = False
    blocks: Literal["charge", "discharge", "both"] = "both"
    latching: bool = True
    only_when: tuple[str, ...] = field(default=())
    sensor: str = ""
    service: bool = False
    retry: bool = False
    maskable: bool = False

    @property
    def levels(self) -> tuple[Level | None, Level | None, Level | None, Level | None]:
        """The ladder from info to critical."""
        return self.info, self.warning, self.fault, self.critical
