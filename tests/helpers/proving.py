"""A small pack whose openings fit their budgets, and its parameters."""

from __future__ import annotations

from functools import cache
from typing import Any

from helpers.scenarios import small_system
from ionward.battery.system import System
from ionward.image.build import build_parameters


def quick_system(**tables: dict[str, Any]) -> System:
    """Opens in order within a tenth of a second, and its contactors break what its pulses may be.

    Frozen temperatures are looked for, the bus rises slowly enough to be timed, and its resistor bears little.
    """
    sensors = {"temperature": {"frozen_s": 20.0}, **tables.pop("sensors", {})}
    precharge = {"resistance_ohm": 30.0, "resistor_energy_j": 20.0, **tables.pop("precharge", {})}
    contactors = {"open_wait_s": 0.1, "break_current_a": 300.0, **tables.pop("contactors", {})}
    return small_system(contactors=contactors, fuse={"pyrofuse": True}, sensors=sensors, precharge=precharge, **tables)


@cache
def quick_parameters() -> Any:
    return build_parameters(quick_system())


def silent(_part: str, _done: int, _total: int) -> None:
    """No progress shown."""
