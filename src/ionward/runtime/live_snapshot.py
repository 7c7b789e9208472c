"""What the views of a running BMS are made from: private copies of one moment, and what the pack is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from ionward.image.inputs import CHANNEL, RAW, Raw
from ionward.image.layout import Image
from ionward.runtime.plan import Plan

CONTACTORS = ("main_positive", "main_negative", "precharge")
# A process that has said nothing for so long is taken for silent.
SILENT_S = 1.0
STALE_S = 0.5


@dataclass(frozen=True)
class Traits:
    """What of the pack's description the views need, looked up once."""

    name: str
    profile: str
    contactors: tuple[str, ...]
    feedback_age_max_s: float
    pyrofuse: bool
    sensors: tuple[str, ...]
    limits: dict[str, Any]
    cells_per_module: int
    masks: dict[str, dict[str, Any]]  # by fault: whose, why, until when

    @property
    def has_feedback(self) -> bool:
        """The contactors have auxiliary contacts."""
        return "contactor_feedback" in self.sensors


def traits_of(plan: Plan) -> Traits:
    """The traits of the pack that a plan describes."""
    system = plan.system
    sensors = system.get("sensors", {})
    fitted = bool(system.get("contactors", {}).get("fitted"))
    precharge = bool(system.get("precharge", {}).get("fitted"))
    feedback = sensors.get("contactor_feedback", {})
    return Traits(
        name=plan.name or str(system.get("system", {}).get("name", "")),
        profile=str(system.get("system", {}).get("profile", "")),
        contactors=(CONTACTORS if precharge else CONTACTORS[:2]) if fitted else (),
        feedback_age_max_s=float(feedback.get("age_max_s", 0.0)),
        pyrofuse=bool(system.get("fuse", {}).get("fitted") and system["fuse"].get("pyrofuse")),
        sensors=tuple(k for k, sensor in sensors.items() if isinstance(sensor, dict) and sensor.get("fitted")),
        limits=dict(system.get("limits", {})),
        cells_per_module=max(1, plan.size.cells // max(1, plan.size.modules)),
        masks={str(mask["fault"]): dict(mask) for mask in system.get("masks", ())},
    )


class Snapshot(NamedTuple):
    """One moment. The arrays are those of `Live` and change with its next refresh: views copy what they give out.

    `now_s` is the monotonic time of the look, `wall_s` the same moment as seconds since 1970.
    """

    plan: Plan
    traits: Traits
    image: Image
    raw: Raw
    driven: Any
    control: Any
    guard: Any
    supervisor: Any
    health: dict[str, Any]
    seen_image: bool
    seen_driven: bool
    seen_guard: bool
    now_s: float
    wall_s: float

    @property
    def image_age_s(self) -> float | None:
        """Age of the image; None before the first one."""
        return self._age(self.seen_image, self.image.scalars)

    @property
    def driven_age_s(self) -> float | None:
        """Age of the driver's record; None before the first one."""
        return self._age(self.seen_driven, self.driven)

    @property
    def guard_age_s(self) -> float | None:
        """Age of the guard's record; None before the first one."""
        return self._age(self.seen_guard, self.guard)

    def _age(self, seen: bool, record: Any) -> float | None:
        age_s = self.now_s - float(record["time_s"][0])
        return max(0.0, age_s) if seen and math.isfinite(age_s) else None

    def wall_of(self, time_s: float) -> float | None:
        """A monotonic time as seconds since 1970."""
        return self.wall_s - (self.now_s - time_s) if math.isfinite(time_s) else None


def contact_positions(s: Snapshot) -> tuple[dict[str, bool], tuple[str, ...]]:
    """Which contactors are closed, and which ones are driven otherwise than their feedback says.

    The feedback contact decides where there is a fresh one, else what the driver drives.
    """
    driven = s.driven[0]
    closed: dict[str, bool] = {}
    disagree = []
    for name in s.traits.contactors:
        is_driven = bool(driven[name])
        fed_back = _fed_back(s, name)
        closed[name] = is_driven if fed_back is None else fed_back
        if fed_back is not None and fed_back != is_driven:
            disagree.append(name)
    return closed, tuple(disagree)


def _fed_back(s: Snapshot, name: str) -> bool | None:
    if not s.traits.has_feedback:
        return None
    column = getattr(CHANNEL, f"{name}_closed")
    value, time_s = float(s.raw.channels[RAW.value, column]), float(s.raw.channels[RAW.time_s, column])
    # Age against the driver's own clock: a driver that stands still does not make its last samples wrong.
    age_s = float(s.driven["time_s"][0]) - time_s
    if not math.isfinite(value) or not age_s <= max(s.traits.feedback_age_max_s, STALE_S):
        return None
    return value > 0.5


def enables(s: Snapshot) -> dict[str, bool]:
    """Both enables as the driver sees them; a driver that is silent enables nothing."""
    age_s = s.driven_age_s
    fresh = age_s is not None and age_s < SILENT_S
    driven = s.driven[0]
    return {
        "control": fresh and bool(driven["control_enable"]),
        "guard": fresh and bool(driven["guard_enable"]),
    }
