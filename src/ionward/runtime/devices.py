"""What can stand behind the driver's process: the simulated battery, or measured captures as if they were live.

Each one fills raw samples, does what the coils say, and tells what the vehicle beside it wishes.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ionward.errors import UserError
from ionward.hardware.ports import Outputs
from ionward.image.inputs import Raw
from ionward.image.signals import STATE_CONNECTED
from ionward.runtime.enables import Coils
from ionward.runtime.plan import PLANT_FILE, Plan

Array = npt.NDArray[np.float64]
PURPOSES = {"drive": 0, "charge": 1}


class Devices(Protocol):
    """What the driver's process owns."""

    def write(self, now_s: float, coils: Coils, control: Any, bleed: Array) -> None:
        """Drive coils, cooling and bleed resistors as control wishes (`CONTROL_RECORD`, one row), where obeyed."""

    def read(self, now_s: float, raw: Raw) -> None:
        """Fill in every sample that has come by now."""

    def tell(self, driven: Any) -> None:
        """Put the vehicle's wishes and what else is known into the driver's record (one row)."""

    def inject(self, fault: str, place: int | str | None, value: float | None, end: bool) -> bool:
        """Make or end a fault; an empty name ends all. False: it cannot be done here."""


class TwinDevices:
    """The simulated battery, with a vehicle beside it that goes through a timeline."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        from ionward.runtime.battery_file import open_battery
        from ionward.twin.living import LivingPlant

        plant, self._player = open_battery(folder, folder / PLANT_FILE, time.monotonic())
        self._living = LivingPlant(plant, plan.cycle_s, plan.enable_expiry_s, bool(self._player.started[0]))
        self._plan = plan
        self._wishes: dict[str, float] = {
            "vehicle_connect": 0, "vehicle_purpose": 0, "vehicle_acknowledge": 0, "vehicle_balancing": 1,
            "vehicle_charge_factor": 1.0, "vehicle_discharge_factor": 1.0,
        }  # fmt: skip
        self._undo: dict[str, Any] = {}
        for action in plan.timeline[: int(self._player.next_action[0])]:
            if action["kind"] == "command":
                self._wish(action)

    def write(self, now_s: float, coils: Coils, control: Any, bleed: Array) -> None:
        """Drive the battery. What is not obeyed is off, and expires in the battery's own time as well."""
        if not coils.obeyed:
            bleed = np.zeros_like(bleed)
        on = 1.0 if coils.obeyed else 0.0
        self._living.write(
            now_s,
            Outputs(
                coils.main_positive, coils.main_negative, coils.precharge, coils.pyrofuse,
                on * float(control["pump"]), on * float(control["fan"]), on * float(control["heater"]), bleed,
            ),
        )  # fmt: skip
        connected = coils.obeyed and bool(control["state"] == STATE_CONNECTED)
        self._living.hear(connected, on * float(control["charge_limit_a"]), on * float(control["discharge_limit_a"]))

    def read(self, now_s: float, raw: Raw) -> None:
        """Let the battery live until now, and its vehicle follow the timeline."""
        player = self._player
        if not player.started[0]:
            player.origin_s[0], player.started[0] = now_s, 1
        self._follow(now_s)
        self._living.read(now_s, raw)

    def _follow(self, now_s: float) -> None:
        plan, player = self._plan, self._player
        if plan.repeat and plan.scenario_s > 0.0:
            while now_s - player.origin_s[0] >= plan.scenario_s:
                self._begin_again(plan.scenario_s)
        since_s = now_s - player.origin_s[0]
        while player.next_action[0] < len(plan.timeline):
            action = plan.timeline[int(player.next_action[0])]
            if action["at_s"] > since_s + 1e-9:
                break
            self._do(action)
            player.next_action[0] += 1

    def _begin_again(self, length_s: float) -> None:
        from ionward.twin.rows import STATE

        self.inject("", None, None, end=True)
        plant, player = self._living.plant, self._player
        plant.profile[0] += length_s
        plant.state[STATE.profile_next] = 0
        player.origin_s[0] += length_s
        player.next_action[0] = 0
        player.rounds[0] += 1

    def _do(self, action: dict[str, Any]) -> None:
        if action["kind"] == "inject":
            self.inject(action["name"], action["place"], action["value"], end=False)
        elif action["kind"] == "end":
            self.inject(action["name"], action["place"], None, end=True)
        else:
            self._wish(action)

    def _wish(self, action: dict[str, Any]) -> None:
        wishes = self._wishes
        wishes["vehicle_acknowledge"] += 1 if action.get("acknowledge") else 0
        for name in ("connect", "balancing", "charge_factor", "discharge_factor"):
            if action.get(name) is not None:
                wishes[f"vehicle_{name}"] = float(action[name])
        if action.get("purpose") is not None:
            wishes["vehicle_purpose"] = PURPOSES[action["purpose"]]

    def tell(self, driven: Any) -> None:
        """The vehicle's wishes, and where its scenario stands."""
        from ionward.twin.rows import STATE

        for name, value in self._wishes.items():
            driven[name] = value
        plan, living = self._plan, self._living
        if plan.scenario_s > 0.0:
            driven["scenario_s"] = min(living.time_s - float(self._player.origin_s[0]), plan.scenario_s)
        else:
            driven["scenario_s"] = math.nan
        driven["scenario_rounds"] = self._player.rounds[0]
        driven["fuse_blown"] = living.plant.state[STATE.fuse_blown]

    def inject(self, fault: str, place: int | str | None, value: float | None, end: bool) -> bool:
        """Make or end a fault of the battery."""
        key = f"{fault} {place}"
        if end:
            found = [k for k in self._undo if not fault or k == key]
            for name in found:
                self._undo.pop(name)()
            return bool(found) or not fault
        if key in self._undo:
            self._undo.pop(key)()
        try:
            self._undo[key] = self._living.inject(fault, place, value)
        except UserError:
            return False
        return True


class CaptureDevices:
    """Measured captures in real time: somebody else's controller drives that battery, so nothing is driven here."""

    def __init__(self, plan: Plan) -> None:
        from ionward.battery.logs import parse_mapping
        from ionward.battery.system import System
        from ionward.hardware.captures import read_captures
        from ionward.hardware.logs import new_schedule

        system = System.from_dict(plan.system)
        captures = read_captures([Path(p) for p in plan.captures], system, plan.size, parse_mapping(plan.mapping))
        self._schedule = new_schedule(captures)
        self._first_s = captures.first_s
        self._length_s = captures.last_s - captures.first_s
        self._origin_s = math.nan

    def write(self, now_s: float, coils: Coils, control: Any, bleed: Array) -> None:
        """Nothing is driven."""

    def read(self, now_s: float, raw: Raw) -> None:
        """Every row that is due, on the clock of this machine."""
        from ionward.hardware.logs import feed

        if math.isnan(self._origin_s):
            self._origin_s = now_s
            self._schedule.times_s[:] += now_s - self._first_s
        feed(self._schedule, now_s, raw)
        raw.clock["time_s"] = now_s

    def tell(self, driven: Any) -> None:
        """There is no vehicle."""
        driven["vehicle_balancing"] = 1
        driven["vehicle_charge_factor"] = driven["vehicle_discharge_factor"] = 1.0
        driven["scenario_s"] = math.nan
        driven["fuse_blown"] = -1

    def inject(self, fault: str, place: int | str | None, value: float | None, end: bool) -> bool:
        """What was measured cannot be changed."""
        return False


def make_devices(folder: Path, plan: Plan) -> Devices:
    """The devices that the plan names."""
    if plan.driver == "captures":
        return CaptureDevices(plan)
    if plan.driver == "rig":
        from ionward.runtime.rig import RigDevices

        return RigDevices(folder, plan)
    return TwinDevices(folder, plan)
