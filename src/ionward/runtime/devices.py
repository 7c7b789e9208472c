"""What can stand behind the driver's process: the simulated battery, or measured captures as if they were live.

Each one fills raw samples, does what the coils say, and tells what the vehicle beside it wishes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from ionward.errors import UserError
from ionward.image.inputs import Raw
from ionward.image.signals import STATE_CONNECTED
from ionward.runtime.enables import Coils
from ionward.runtime.plan import PLANT_FILE, Plan

Array = npt.NDArray[np.float64]
Words = Mapping[str, Any]
PURPOSES = {"drive": 0, "charge": 1}
WISHES = 6  # of the fields of `Told`
SILENT = (0.0,) * 6  # no cooling, not connected, no limits: what a battery hears of a control that is not obeyed


class Told(NamedTuple):
    """What devices tell beside samples: fields of `DRIVEN_SIGNALS`, wishes first."""

    vehicle_connect: int = 0
    vehicle_purpose: int = 0
    vehicle_acknowledge: int = 0
    vehicle_balancing: int = 1
    vehicle_charge_factor: float = 1.0
    vehicle_discharge_factor: float = 1.0
    scenario_s: float = math.nan
    scenario_rounds: int = 0
    fuse_blown: int = 0


class Devices(Protocol):
    """What the driver's process owns."""

    def write(self, now_s: float, coils: Coils, control: Words, bleed: Array) -> None:
        """Drive coils, cooling and bleed resistors as control wishes (`CONTROL_SIGNALS` by name), where obeyed."""

    def read(self, now_s: float, raw: Raw) -> None:
        """Fill in every sample that has come by now."""

    def tell(self) -> Told:
        """The vehicle's wishes, and what else is known."""

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
        self._wishes = Told()
        self._undo: dict[str, Any] = {}
        for action in plan.timeline[: int(self._player.next_action[0])]:
            if action["kind"] == "command":
                self._wish(action)

    def write(self, now_s: float, coils: Coils, control: Words, bleed: Array) -> None:
        """Drive the battery. What is not obeyed is off, and expires in the battery's own time as well."""
        closed = (coils.main_positive, coils.main_negative, coils.precharge, coils.pyrofuse)
        if coils.obeyed:
            cooling = (control["pump"], control["fan"], control["heater"])
            heard = (
                control["state"] == STATE_CONNECTED, control["charge_limit_a"], control["discharge_limit_a"]
            )  # fmt: skip
            self._living.drive(now_s, (*closed, *cooling, *heard), bleed)
        else:
            self._living.drive(now_s, (*closed, *SILENT), None)

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
        changed: dict[str, Any] = {}
        if action.get("acknowledge"):
            changed["vehicle_acknowledge"] = self._wishes.vehicle_acknowledge + 1
        for name, kind in (("connect", int), ("balancing", int), ("charge_factor", float), ("discharge_factor", float)):
            if action.get(name) is not None:
                changed[f"vehicle_{name}"] = kind(action[name])
        if action.get("purpose") is not None:
            changed["vehicle_purpose"] = PURPOSES[action["purpose"]]
        self._wishes = self._wishes._replace(**changed)

    def tell(self) -> Told:
        """The vehicle's wishes, and where its scenario stands."""
        living, player, length_s = self._living, self._player, self._plan.scenario_s
        scenario_s = min(living.time_s - player.origin_s.item(), length_s) if length_s > 0.0 else math.nan
        return self._wishes._replace(
            scenario_s=scenario_s, scenario_rounds=player.rounds.item(), fuse_blown=living.fuse_blown
        )

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

    def write(self, now_s: float, coils: Coils, control: Words, bleed: Array) -> None:
        """Nothing is driven."""

    def read(self, now_s: float, raw: Raw) -> None:
        """Every row that is due, on the clock of this machine."""
        from ionward.hardware.logs import feed

        if math.isnan(self._origin_s):
            self._origin_s = now_s
            self._schedule.times_s[:] += now_s - self._first_s
        feed(self._schedule, now_s, raw)
        raw.clock["time_s"] = now_s

    def tell(self) -> Told:
        """There is no vehicle."""
        return Told(fuse_blown=-1)

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
