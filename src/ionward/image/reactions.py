"""What a level of a fault leads to in one pack: which direction is opened, and what stays possible.

A pack whose contactors each block both directions can only be opened as a whole. One-way switches open the forbidden
direction alone where the level is `fault`; `critical` opens everything.
"""

from __future__ import annotations

from typing import Literal

from ionward.battery.system import System
from ionward.image.fault_rows import Fault

Direction = Literal["charge", "discharge", ""]
OTHER: dict[str, str] = {"charge": "discharging", "discharge": "charging"}


def opens_only(fault: Fault, level: str, system: System) -> Direction:
    """The one direction that a level opens in this pack; empty: everything, or nothing. Meets SR-132."""
    contactors = system.contactors
    if level != "fault" or fault.blocks == "both" or not (contactors.fitted and contactors.one_way):
        return ""
    return fault.blocks


def left_possible(fault: Fault, system: System) -> str:
    """What a fault of one direction leaves possible at the level fault, in words; empty where it opens for both."""
    if fault.blocks == "both" or fault.fault is None or not system.contactors.fitted:
        return ""
    if opens_only(fault, "fault", system):
        return f"{OTHER[fault.blocks]} stays possible (one-way switches)"
    return f"{OTHER[fault.blocks]} ends as well: these contactors cannot block one direction alone"
