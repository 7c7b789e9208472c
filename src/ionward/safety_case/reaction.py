"""How fast each fault of a pack is answered, from its configuration: an upper bound against its FTTI.

    shown       until the measurement shows the fault: the sensor's own delay; for a lack, the time after which it
                counts as one
    believed    samples that validation refuses before it believes a jump, where a sensor can be outrun
    decided     waiting for the first sample, then the ladder's delays
    passed on   two cycles, from the sample to the tick and from the tick to the coil
    open        the contactors: all at once, or in order after the longest wait for the current to fall, which is used
                up only where the load draws on although its limits are zero

Not in it: what software cannot bound (an operating system that does not wake it), the wait for a fuse above what
contactors may break, and contactors slower than their `open_time_s`, which is a fault of its own. What was measured
by injecting faults can stand beside it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ionward.battery.sensors import Sensor
from ionward.battery.system import System
from ionward.errors import UserError
from ionward.image.build import CHANNEL_SENSORS
from ionward.image.fault_levels import LEVEL_NAMES, decision_time_s, ftti_s, resolved_levels, sample_period_s
from ionward.image.faults import FAULTS, Fault, Level
from ionward.image.faults_points import BUS_APART
from ionward.image.summary import applies

# A jump is believed with its third sample (docs/protection.md).
REFUSED_SAMPLES = 2
PASSING_CYCLES = 2
# In order, a contact's feedback is awaited before the next one opens, and one tick begins the opening.
ORDER_CYCLES = 1
# What the kernel counts or averages over ten seconds.
_AVERAGED, AVERAGE_S = {"samples_refused", "cycle_overrun", "monitor_crc", "monitor_sequence"}, 10.0
# Everything is commanded open already, or all at once; no current can flow that would be waited for.
_OPEN_ALREADY = {
    "contactor_welded",
    "contactor_welded_by_voltage",
    "current_while_open",
    "cycle_stopped",
    "enable_lost",
}
_AT_ONCE = {"precharge_too_long", "precharge_failed"}
_NO_CURRENT = {"contactor_stuck_open"}
# Judged only when the contacts have had their time to open.
_WHILE_OPEN = {"current_while_open", "bus_live_while_open", "contactor_welded_by_voltage"}
# Sensors of faults whose row does not name their channels.
_BY_FAULT = {
    "coolant_temperature_lost": ("coolant_inlet", "coolant_outlet", "ambient"),
    "contactor_feedback_lost": ("contactor_feedback",),
}
# Sensors behind units that several channels share.
_BY_UNIT = {"A": "current", "Ω/V": "insulation", "°C": "temperature", "K": "temperature"}


@dataclass(frozen=True)
class Reaction:
    """Upper bound for one level of one fault, in seconds. `measured_s` is the slowest case that `prove` measured."""

    fault: str
    requirement: str
    level: str
    opens: bool
    shown_s: float
    believed_s: float
    decided_s: float
    passed_on_s: float
    open_s: float
    budget_s: float
    measured_s: float | None = None

    @property
    def total_s(self) -> float:
        """From the fault's standing to its answer."""
        return self.shown_s + self.believed_s + self.decided_s + self.passed_on_s + self.open_s

    @property
    def in_time(self) -> bool:
        """The bound keeps the budget."""
        return self.total_s <= self.budget_s + 1e-9

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "total_s": round(self.total_s, 6), "in_time": self.in_time}


def reactions(system: System, measured: dict[tuple[str, str], float] | None = None) -> list[Reaction]:
    """Each fault that this pack judges: the levels that open the contactors, or its highest one where none does.

    Args:
        system: the pack.
        measured: slowest measured answer in seconds by fault and level (`measured_reactions`).
    """
    return [
        _reaction(fault, name, level, system, (measured or {}).get((fault.id, name)))
        for fault in FAULTS
        if applies(fault, system)
        for name, level in _answering(fault, system)
    ]


def _answering(fault: Fault, system: System) -> Iterator[tuple[str, Level]]:
    used = [(n, x) for n, x in zip(LEVEL_NAMES, resolved_levels(fault, system), strict=True) if x is not None]
    opening = [(n, x) for n, x in used if n in ("fault", "critical")] if system.contactors.fitted else []
    yield from opening or used[-1:]


def _reaction(fault: Fault, name: str, level: Level, system: System, measured_s: float | None) -> Reaction:
    period_s, cycle_s, contactors = sample_period_s(fault, system), system.cycle.period_s, system.contactors
    opens = contactors.fitted and name in ("fault", "critical")
    return Reaction(
        fault=fault.id,
        requirement=fault.requirement,
        level=name,
        opens=opens,
        shown_s=_shown_s(fault, level, system),
        believed_s=_believed_s(fault, system),
        decided_s=decision_time_s(level, period_s),
        passed_on_s=PASSING_CYCLES * cycle_s,
        open_s=_open_s(fault, name, system) if opens else 0.0,
        budget_s=ftti_s(fault, system),
        measured_s=measured_s,
    )


def _open_s(fault: Fault, level: str, system: System) -> float:
    contactors, cycle_s = system.contactors, system.cycle.period_s
    if level == "critical" or fault.id in _OPEN_ALREADY | _AT_ONCE:
        return contactors.open_time_s
    each_s = contactors.open_time_s + PASSING_CYCLES * cycle_s
    wait_s = 0.0 if fault.id in _NO_CURRENT else contactors.open_wait_s
    return wait_s + ORDER_CYCLES * cycle_s + 2 * each_s


def _is_lack(fault: Fault) -> bool:
    """The fault is that something is not measured; an enable is none, and neither is cooling."""
    return fault.id.endswith(("_lost", "_unknown")) and fault.id not in ("enable_lost", "cooling_lost")


def _sensors(fault: Fault, system: System) -> list[Sensor]:
    """The sensors whose samples a fault's rule goes by."""
    needed = [name for entry in fault.only_when for name in entry.split(" or ")]
    names = [*_BY_FAULT.get(fault.id, ()), *(CHANNEL_SENSORS[n] for n in needed if n in CHANNEL_SENSORS)]
    if fault.scope == "cell" and fault.unit != "°C":
        names.append("temperature" if "temperature" in fault.id else "cell_voltage")
    elif fault.scope in ("temperature", "module"):
        names.append("temperature")
    elif not names and fault.unit in _BY_UNIT:
        names.append(_BY_UNIT[fault.unit])
    return [s for s in (getattr(system.sensors, name) for name in names) if s.fitted]


def _shown_s(fault: Fault, level: Level, system: System) -> float:
    sensors = _sensors(fault, system)
    if _is_lack(fault):
        # Silence counts after the greatest age, refused samples after the time for which they are bridged.
        return max(system.sensors.hold_s, *(s.age_max_s for s in sensors or _all_sensors(system)))
    late_s = max((s.delay_s for s in sensors), default=0.0)
    if fault.unit == "s":
        late_s += level.set  # the value is a time, which has to pass
    if fault.id in _WHILE_OPEN:
        late_s += system.contactors.open_timeout_s
    if fault.id == "contactor_welded_by_voltage":
        # A link that keeps its charge hides it until the bus has left the pack's voltage.
        late_s += system.dc_link.discharge_ohm * system.dc_link.capacitance_f * math.log(1.0 / BUS_APART)
    return late_s + (AVERAGE_S if fault.id in _AVERAGED else 0.0)


def _all_sensors(system: System) -> list[Sensor]:
    return [s for name in CHANNEL_SENSORS.values() if (s := getattr(system.sensors, name)).fitted]


def _believed_s(fault: Fault, system: System) -> float:
    outrun = [
        s.period_s
        for s in _sensors(fault, system)
        if s.value_unit and s.rate_max * s.period_s < s.high - s.low and not _is_lack(fault)
    ]
    return REFUSED_SAMPLES * max(outrun, default=0.0)


def measured_reactions(path: Path) -> dict[tuple[str, str], float]:
    """Slowest measured answer by fault and level, from what `ionward prove --json` printed.

    A case without a level counts for every level. Where contactors open, the later one of coil and contact counts;
    where nothing opens, its being told.

    Raises:
        UserError: the file cannot be read or is not such a result.
    """
    try:
        cases = json.loads(path.read_text(encoding="utf-8"))["cases"]
        slowest: dict[tuple[str, str], float] = {}
        for case in cases:
            answered_ms = _answered_ms(case)
            if answered_ms is None:
                continue
            for level in (case["level"],) if case.get("level") else LEVEL_NAMES:
                key = (str(case["fault"]), str(level))
                slowest[key] = max(slowest.get(key, -math.inf), answered_ms / 1000)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path}: is not a result of `ionward prove --json`; make one and name it here") from None
    return slowest


def _answered_ms(case: dict[str, Any]) -> float | None:
    """When a measured case was answered; None: never."""
    times = [case["reacted_ms"], case.get("opened_ms")] if case.get("opens", True) else [case.get("detected_ms")]
    return max((float(t) for t in times if t is not None), default=None)
