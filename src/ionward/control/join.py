"""What a pack that is one of several on a common bus looks at before it closes, beside what a pack alone does.

A dead bus is precharged as ever. A live one is held by other packs: no resistor is put between two batteries, the pack
waits until the bus stands at its own voltage, by its sensors and by the sum of its cells, and does not move or freeze.
What is left on a bus that nobody holds is precharged from there. The other packs' consent comes last: so a pack asks
for it only when nothing of its own is in the way.
"""

from __future__ import annotations

from typing import Any

from ionward._compile import njit
from ionward.control.contactors import SEQ, is_believed, keeps_matching, stands_still
from ionward.image.inputs import Array
from ionward.image.signals import (
    HOLD_BUS_FROZEN,
    HOLD_BUS_LIVE,
    HOLD_MEASUREMENT,
    HOLD_NONE,
    HOLD_PEERS,
    SITE_REASONS,
)


@njit
def consents(command: Any) -> bool:
    """The other packs let this one begin to close, and go on; a pack alone asks nobody. Meets SR-240."""
    return bool(command["site"] != 1 or command["may_close"] == 1)


@njit
def waits_for_site(command: Any) -> int:
    """The reason of the sequence for what the site says."""
    return HOLD_PEERS + int(min(max(command["site_reason"], 0), len(SITE_REASONS) - 1))


@njit
def joins(p: Any, m: Array, command: Any) -> bool:
    """The bus is live, and may be held by other packs. An unknown voltage counts as live."""
    dead = abs(m[SEQ.bus_v]) < p["bus_dead_v"]
    return bool(command["site"] == 1 and not dead and command["bus_free"] != 1)


@njit
def bus_differs(p: Any, m: Array, command: Any) -> int:
    """What forbids to join the bus as it stands. Meets SR-241."""
    if m[SEQ.bus_fitted] != 1.0:
        return HOLD_MEASUREMENT
    if not joins(p, m, command):
        return HOLD_NONE
    if stands_still(m) and keeps_matching(m):
        return HOLD_BUS_FROZEN
    # Before it begins, so that no turn is taken for a reading that froze where it matches.
    return HOLD_NONE if is_believed(m) else HOLD_BUS_LIVE
