"""The fault catalogue: one row for each thing that can be wrong.

A fault climbs a ladder of levels. `info` tells; `warning` derates; `fault` opens the contactors in order; `critical`
opens them now. A level is reached when the value has been beyond `set` for `delay_samples` new samples *and* for
`delay_s` seconds, and is left when the value has been back within `clear` for as long.

Thresholds are absolute, or relative to a limit of the pack named by `relative_to` (added for voltages and
temperatures, multiplied for currents). Profiles and pack files change them level by level.
"""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Level:
    """One step of a fault's ladder."""

    set: float
    clear: float
    delay_samples: int
    delay_s: float


@dataclass(frozen=True)
class Fault:
    """One row of the catalogue.

    `direction` tells which side is bad. `blocks` names the current direction that a fault-level reaction forbids
    before the contactors open. `dtc` is the three-byte trouble code of UDS. `relative_to` names a pack limit.
    """

    id: str
    name: str
    meaning: str
    action: str
    unit: str
    scope: Literal["cell", "temperature", "channel", "pack"]
    direction: Literal["above", "below"]
    dtc: int
    requirement: str
    info: Level | None = None
    warning: Level | None = None
    fault: Level | None = None
    critical: Level | None = None
    relative_to: str = ""
    factor: bool = False
    blocks: Literal["charge", "discharge", "both"] = "both"
    latching: bool = True
    only_when: tuple[str, ...] = field(default=())

    @property
    def levels(self) -> tuple[Level | None, Level | None, Level | None, Level | None]:
        """The ladder from info to critical."""
        return self.info, self.warning, self.fault, self.critical


FAULTS: tuple[Fault, ...] = (
    # The safety room's rules judge these by their numbers (`FAULT_ID.cell_overvoltage`).
    Fault(
        id="cell_overvoltage", name="Cell overvoltage", unit="V", scope="cell", direction="above",
        meaning="A cell stands above the voltage its maker allows; lithium plates and the cell can catch fire.",
        action="Stop charging. Have the charger and the cell named here checked before charging again.",
        dtc=0x0A0100, requirement="SR-001", relative_to="cell_voltage_max_v", blocks="charge",
        warning=Level(0.0, -0.02, 3, 0.1), fault=Level(0.03, -0.02, 3, 0.05), critical=Level(0.08, 0.0, 2, 0.02),
    ),
    Fault(
        id="cell_undervoltage", name="Cell undervoltage", unit="V", scope="cell", direction="below",
        meaning="A cell stands below the voltage its maker allows; copper dissolves and the cell is damaged.",
        action="Stop discharging and charge soon at low current.",
        dtc=0x0A0200, requirement="SR-002", relative_to="cell_voltage_min_v", blocks="discharge",
        warning=Level(0.05, 0.15, 3, 0.5), fault=Level(0.0, 0.15, 3, 0.5), critical=Level(-0.3, 0.0, 3, 0.1),
    ),
)  # fmt: skip

FAULT_ID: Any = namedtuple("FaultNumbers", [f.id for f in FAULTS])(*range(len(FAULTS)))
BY_ID: dict[str, Fault] = {f.id: f for f in FAULTS}
