"""Masks for packs of tests."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from ionward.battery.masks import Mask
from ionward.battery.system import System


def day(ahead: int, wall_s: float | None = None) -> str:
    """A day so many days from a moment (default: now), as a pack file has it."""
    now = datetime.fromtimestamp(time.time() if wall_s is None else wall_s, UTC)
    return (now + timedelta(days=ahead)).date().isoformat()


def masked(system: System, fault: str, until: str) -> System:
    """The same pack with a mask that is Ada Long's."""
    mask = Mask(fault=fault, owner="Ada Long", reason="spare part is on its way", until=until)
    return system.model_copy(update={"masks": [*system.masks, mask]})
