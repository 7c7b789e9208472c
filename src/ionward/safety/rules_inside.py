"""What the faults of the BMS itself are judged by, in real time: its rhythm, the guard's word, the driver's trips.

In simulated time (`supervised` is 0) every value is 0: nothing here can be raised.
"""

from __future__ import annotations

from typing import Any

from ionward._compile import njit
from ionward.image.faults import FAULT_ID
from ionward.image.inputs import Array
from ionward.image.layout import Image
from ionward.safety.ladder import give


@njit
def inside_rules(command: Any, image: Image, verdicts: Array, state: Any) -> None:
    """Rhythm of the cycle, the guard's enable while contactors are closed, and new trips of the driver.

    A trip that the driver still holds counts as new in the first tick: it happened before this process was started.
    """
    s = image.scalars[0]
    supervised = command["supervised"] == 1
    pause_s = s["dt_s"] if supervised and s["dt_s"] == s["dt_s"] else 0.0
    _tell(verdicts, FAULT_ID.cycle_stopped, pause_s)
    _tell(verdicts, FAULT_ID.cycle_overrun, command["overrun_share"] if supervised else 0.0)

    closed = s["main_positive_close"] + s["main_negative_close"] + s["precharge_close"] > 0
    withheld = float(command["guard_withholds"]) if supervised and closed else 0.0
    _tell(verdicts, FAULT_ID.guard_withholds, withheld)

    trips = command["driver_trips"]
    new = trips != state["driver_trips"] or state["driver_seen"] == 0
    lost = supervised and command["driver_tripped"] == 1 and new
    state["driver_trips"], state["driver_seen"] = trips, 1
    _tell(verdicts, FAULT_ID.enable_lost, 1.0 if lost else 0.0)


@njit
def _tell(verdicts: Array, f: int, value: float) -> None:
    """Every tick counts as a sample."""
    give(verdicts, f, value, value, -1, True, True, True)
