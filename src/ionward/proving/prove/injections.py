"""How each fault of the catalogue is made to stand in the battery: one row for each way.

Injections change the simulated battery only: never a sample that has left a sensor, never the image, never a rule. How
strong they are follows from the ladder as this pack has it, so that a changed pack file is proven by its own numbers.
The faults that only a broken control, guard, driver, memory or clock can cause are in `guard_cases`.
"""

from __future__ import annotations

from ionward.proving.prove.injections_cells import CELL_INJECTIONS
from ionward.proving.prove.injections_current import CURRENT_INJECTIONS
from ionward.proving.prove.injections_heat import HEAT_INJECTIONS
from ionward.proving.prove.injections_path import PATH_INJECTIONS
from ionward.proving.prove.ways import Injection

INJECTIONS: tuple[Injection, ...] = (*CELL_INJECTIONS, *HEAT_INJECTIONS, *CURRENT_INJECTIONS, *PATH_INJECTIONS)
