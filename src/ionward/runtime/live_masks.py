"""Masks in force in a running BMS, as plain values."""

from __future__ import annotations

from typing import Any

import numpy as np

from ionward.image import signals as sg
from ionward.image.faults import FAULTS
from ionward.image.signals import FAULT
from ionward.runtime.live_snapshot import Snapshot
from ionward.runtime.live_values import word


def masks(s: Snapshot) -> list[dict[str, Any]]:
    """Masks in force, as the image has them: whose, why, until when, and what they hold back now. Meets SR-232."""
    out = []
    for number_of in np.flatnonzero(s.image.faults[FAULT.masked] > 0).tolist():
        fault, column = FAULTS[number_of], s.image.faults[:, number_of]
        told = s.traits.masks.get(fault.id, {})
        out.append({
            "fault": fault.id,
            "name": fault.name,
            "owner": str(told.get("owner", "")),
            "reason": str(told.get("reason", "")),
            "until": str(told.get("until", "")),
            "level": word(sg.LEVELS, column[FAULT.level]),
            "masked_level": word(sg.LEVELS, column[FAULT.masked_level]),
        })  # fmt: skip
    return out
