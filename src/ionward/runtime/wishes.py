"""What people and machines ask of control: commands are judged here, and become what the tick is told.

Pure: the newest image and records in, a verdict and the command record out.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from ionward.image import exchange as ex
from ionward.image.exchange import DRIVEN_RECORD
from ionward.image.layout import Image
from ionward.image.parameters import FAULTP, Parameters
from ionward.image.signals import FAULT, LEVEL_FAULT, LEVEL_NONE, OPEN_NONE, STATE_FAULT

# Where the vehicle's wishes stand in the driver's record.
_PLACES = dict(DRIVEN_RECORD.fields or {})
VEHICLE_BYTES = slice(_PLACES["vehicle_connect"][1], _PLACES["vehicle_discharge_factor"][1] + 8)
OVERRUN_WINDOW_S = 10.0
OVERRUN_STEP = 1.0 / 16.0  # shares are told in such steps, so that a recording does not hold a new one in each tick


class Wishes:
    """Who wants the pack connected, and what else a person has asked for.

    An operator's word counts over the vehicle's: a disconnect until the operator connects again, a connect until the
    vehicle withdraws its own wish. Acknowledging a fault withdraws every wish, so that nothing closes by itself.
    """

    def __init__(self, parameters: Parameters, connect: bool = False) -> None:
        p = parameters.scalars[0]
        self._has_contactors = bool(p["has_contactors"] == 1)
        self._has_balancing = bool(p["balance_cells_per_module"] > 0)
        self._locks = parameters.faults[FAULTP.service] > 0.0
        self.operator: bool | None = True if connect else None
        self.stopping = False
        self.acknowledged_s = float("-inf")
        self._vehicle = False
        self._vehicle_acknowledge = -1
        self._said = b""
        self._balancing = True
        self._charge_factor = self._discharge_factor = 1.0

    def hear(self, driven: Any, now_s: float, command: Any) -> None:
        """Take the vehicle's wishes in, and write what the tick is told to want into the command record.

        It is called in every cycle, and mostly finds nothing new.
        """
        said = driven.tobytes()[VEHICLE_BYTES] + bytes((int(driven["cycle"] > 0), self.stopping))
        if said == self._said:
            return
        self._said = said
        wished = bool(driven["vehicle_connect"] == 1)
        if self._vehicle and not wished and self.operator:
            self.operator = None
        self._vehicle = wished
        wish = wished if self.operator is None else self.operator
        command["connect"] = 1 if wish and not self.stopping else 0
        command["purpose"] = driven["vehicle_purpose"]
        if driven["cycle"] == 0:
            return
        command["balancing_allowed"] = 1 if self._balancing and driven["vehicle_balancing"] == 1 else 0
        for name, own in (("charge_factor", self._charge_factor), ("discharge_factor", self._discharge_factor)):
            asked = float(driven[f"vehicle_{name}"])
            command[name] = min(own, asked) if 0.0 <= asked <= 1.0 else 0.0
        count = int(driven["vehicle_acknowledge"])
        if count > self._vehicle_acknowledge >= 0:
            command["acknowledge_count"] += 1
            command["state_refused"] = 0
            self.acknowledged_s = now_s
        self._vehicle_acknowledge = count

    def take(self, number: int, value: float, now_s: float, image: Image, driven: Any, guard: Any, command: Any) -> int:
        """Judge one command and do it; returns the reason of a refusal, or 0 (`exchange.REFUSALS`)."""
        self._said = b""  # what the vehicle says may count differently now
        if number == ex.COMMAND_CONNECT:
            return self._connect(image)
        if number == ex.COMMAND_DISCONNECT:
            self.operator = False
            return ex.REFUSED_NOT if self._has_contactors else ex.REFUSED_NO_CONTACTORS
        if number == ex.COMMAND_ACKNOWLEDGE:
            return self._acknowledge(now_s, image, driven, guard, command)
        if number == ex.COMMAND_CLEAR:
            command["clear_count"] += 1
            return ex.REFUSED_NOT
        if number in (ex.COMMAND_BALANCE_NOW, ex.COMMAND_BALANCE_AUTO, ex.COMMAND_BALANCE_OFF):
            return self._balance(number, image, command)
        if number in (ex.COMMAND_DERATE_CHARGE, ex.COMMAND_DERATE_DISCHARGE):
            if not 0.0 <= value <= 1.0:
                return ex.REFUSED_VALUE
            if number == ex.COMMAND_DERATE_CHARGE:
                self._charge_factor = value
            else:
                self._discharge_factor = value
            return ex.REFUSED_NOT
        if number == ex.COMMAND_RELEASE:
            return self._release(value, image, command)
        return ex.REFUSED_UNKNOWN

    def _release(self, value: float, image: Image, command: Any) -> int:
        """The service action on a lock; the pack stays open until somebody wants it connected again."""
        fault = int(value) if 0 <= value < len(self._locks) else -1
        if fault < 0 or not self._locks[fault] or not image.faults[FAULT.latched_level, fault] > LEVEL_NONE:
            return ex.REFUSED_NO_LOCK
        if image.faults[FAULT.level, fault] >= LEVEL_FAULT:
            return ex.REFUSED_ACTIVE
        command["release_fault"] = fault
        command["release_count"] += 1
        self.operator = False
        return ex.REFUSED_NOT

    def _connect(self, image: Image) -> int:
        s = image.scalars[0]
        if not self._has_contactors:
            return ex.REFUSED_NO_CONTACTORS
        if self.stopping:
            return ex.REFUSED_STOPPING
        if not _one_way_left(s):
            if s["latched_faults"] > 0:
                return ex.REFUSED_LATCHED
            if s["fault_level"] >= LEVEL_FAULT:
                return ex.REFUSED_FAULT
        if s["tick"] == 0:
            return ex.REFUSED_MEASUREMENT
        self.operator = True
        return ex.REFUSED_NOT

    def _acknowledge(self, now_s: float, image: Image, driven: Any, guard: Any, command: Any) -> int:
        latched = image.faults[FAULT.latched_level] > LEVEL_NONE
        gone = latched & (image.faults[FAULT.level] < LEVEL_FAULT)
        tripped = driven["tripped"] == 1 or guard["tripped"] == 1 or command["state_refused"] == 1
        locked = latched & self._locks
        if locked.any() and (locked == latched).all() and not tripped:
            return ex.REFUSED_LOCK
        if not latched.any() and not tripped and image.scalars[0]["state"] != STATE_FAULT:
            return ex.REFUSED_NOTHING
        if latched.any() and not gone.any() and not tripped:
            return ex.REFUSED_ACTIVE
        if gone.any() and (image.faults[FAULT.cools_s][gone] > 0.0).all() and not tripped:
            return ex.REFUSED_COOLING
        command["acknowledge_count"] += 1
        command["state_refused"] = 0
        self.acknowledged_s = now_s
        if not _one_way_left(image.scalars[0]):  # a pack that goes on in one direction is not disconnected by it
            self.operator = False
        return ex.REFUSED_NOT

    def _balance(self, number: int, image: Image, command: Any) -> int:
        if not self._has_balancing:
            return ex.REFUSED_BALANCING
        s = image.scalars[0]
        if number == ex.COMMAND_BALANCE_NOW and (s["fault_level"] >= LEVEL_FAULT or s["latched_faults"] > 0):
            return ex.REFUSED_FAULT
        self._balancing = number != ex.COMMAND_BALANCE_OFF
        command["balance_now"] = 1 if number == ex.COMMAND_BALANCE_NOW else 0
        return ex.REFUSED_NOT


def _one_way_left(s: Any) -> bool:
    """Protection has blocked one direction only, so that the pack may be connected for the other one."""
    return bool(s["open_request"] == OPEN_NONE and (s["charge_open_request"] > 0 or s["discharge_open_request"] > 0))


class OverrunBudget:
    """Overruns of the last ten seconds against what is permitted."""

    def __init__(self, cycle_s: float, budget: float) -> None:
        self._permitted = max(budget * OVERRUN_WINDOW_S / cycle_s, 1.0)
        self._times: deque[tuple[float, int]] = deque()
        self._sum = 0
        self._seen = 0

    def share(self, now_s: float, overruns: int) -> float:
        """Share that is used up, where `overruns` is their number since the start."""
        if overruns != self._seen:
            self._times.append((now_s, overruns - self._seen))
            self._sum += overruns - self._seen
            self._seen = overruns
        while self._times and now_s - self._times[0][0] > OVERRUN_WINDOW_S:
            self._sum -= self._times.popleft()[1]
        if not self._sum:
            return 0.0
        return round(self._sum / self._permitted / OVERRUN_STEP) * OVERRUN_STEP
