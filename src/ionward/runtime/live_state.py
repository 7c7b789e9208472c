"""The state of a running BMS as plain values: what the first screen and `GET /api/v1/state` show."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from ionward.image import exchange as ex
from ionward.image import signals as sg
from ionward.image.events import LEVEL_WORDS, place_words, value_words
from ionward.image.faults import FAULTS, Fault
from ionward.image.inputs import CHANNEL
from ionward.image.signals import CELL, EVENT, EVENT_SLOTS, FAULT, MEASURED, MODULE
from ionward.runtime.live_masks import masks
from ionward.runtime.live_snapshot import STALE_S, Snapshot, contact_positions, enables
from ionward.runtime.live_values import number, whole, word
from ionward.runtime.pyrofuse import TEST_REFUSED

NO_PLACE = -1
LOCKED = "locked until a service action releases it"


Raised = Mapping[str, tuple[int, float]]


def state_view(s: Snapshot, raised: Raised | None = None) -> dict[str, Any]:
    """Everything that the overview shows, as values that JSON can hold.

    Current and power are positive when charging; SOC 0..1; ages in seconds, None where nothing has come yet. `raised`
    tells by fault where, and with which value, one that is latched was raised.
    """
    scalars = s.image.scalars[0]
    driven = s.driven[0]
    closed, disagree = contact_positions(s)
    image_age_s = s.image_age_s
    view: dict[str, Any] = {
        "name": s.traits.name,
        "profile": s.traits.profile,
        "simulated": s.plan.simulated,
        "source": s.plan.source,
        "time": iso_time(s.wall_s),
        "notes": list(s.plan.notes),
        "uptime_s": number(s.now_s - s.plan.started_monotonic_s, 1),
        "state": word(sg.STATES, scalars["state"]),
        "state_since_s": _since(s, float(scalars["state_since_s"])),
        "state_reason": word(sg.SEQUENCE_REASONS, scalars["state_reason"]),
        "blocked": blocked(scalars),
        "fault_level": word(sg.LEVELS, scalars["fault_level"]),
        "image_age_s": number(image_age_s) if image_age_s is not None else None,
        "driver_age_s": _rounded(s.driven_age_s),
        "guard_age_s": _rounded(s.guard_age_s),
        "stale": image_age_s is None or image_age_s > STALE_S,
        "contactors": {name: "closed" if is_closed else "open" for name, is_closed in closed.items()},
        "contactors_driven": {name: "closed" if driven[name] else "open" for name in closed},
        "contactors_disagree": list(disagree),
        "pyrofuse": ("fired" if driven["pyrofuse"] else "intact") if s.traits.pyrofuse else None,
        "pyrofuse_armed": bool(driven["pyrofuse_armed"]) if s.traits.pyrofuse else None,
        "pyrofuse_test": bool(driven["pyrofuse_test"]) if s.traits.pyrofuse else None,
        "watchdog": word(ex.WATCHDOG_STATES, driven["watchdog"]),
        "fuse_blown": bool(driven["fuse_blown"]) if driven["fuse_blown"] >= 0 and s.seen_driven else None,
        "enables": enables(s),
        "guard": guard_view(s),
        "trip": trip_view(s),
        "alarms": alarms(s, disagree),
        "faults": fault_list(s, raised),
        "latched_faults": int(scalars["latched_faults"]),
        "masked_faults": int(scalars["masked_faults"]),
        "masks": masks(s),
        "limits": limits(s, raised),
        "wish": {
            "connect": bool(driven["vehicle_connect"]),
            "purpose": word(("drive", "charge"), driven["vehicle_purpose"]),
        },
        "scenario": {"time_s": number(driven["scenario_s"], 2), "rounds": int(driven["scenario_rounds"])},
    }
    return view | _electric(s) | _charge(s) | cell_summary(s) | _temperatures(s) | _auxiliaries(s)


def blocked(scalars: Any) -> str:
    """The one direction that protection has blocked, where the pack's switches can block one alone; empty: none."""
    if scalars["open_request"] != sg.OPEN_NONE:
        return ""
    if scalars["charge_open_request"] > 0:
        return "charge"
    return "discharge" if scalars["discharge_open_request"] > 0 else ""


def iso_time(wall_s: float | None) -> str | None:
    """Seconds since 1970 as ISO 8601 in UTC, to the millisecond."""
    if wall_s is None or not math.isfinite(wall_s):
        return None
    try:
        return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return None


def _rounded(value: float | None) -> float | None:
    return None if value is None else number(value)


def _since(s: Snapshot, time_s: float) -> float | None:
    return number(max(0.0, s.now_s - time_s), 3) if math.isfinite(time_s) and s.seen_image else None


def _channel(s: Snapshot, column: int) -> float:
    return float(s.image.channels[MEASURED.value, column])


def _electric(s: Snapshot) -> dict[str, Any]:
    scalars = s.image.scalars[0]
    pack_v, current_a = _channel(s, CHANNEL.pack_voltage_v), float(scalars["current_a"])
    if math.isnan(pack_v):
        pack_v = float(scalars["cell_voltage_sum_v"])
    return {
        "pack_voltage_v": number(pack_v, 3),
        "bus_voltage_v": number(_channel(s, CHANNEL.bus_voltage_v), 3),
        "cell_voltage_sum_v": number(scalars["cell_voltage_sum_v"], 3),
        "current_a": number(current_a, 3),
        "current_quality": word(sg.QUALITIES, scalars["current_quality"]),
        "power_w": number(pack_v * current_a, 1),
        "insulation_ohm": number(_channel(s, CHANNEL.insulation_ohm), 0),
        "hvil_closed": _yes_no(_channel(s, CHANNEL.hvil_closed)),
        "crash": _yes_no(_channel(s, CHANNEL.crash)),
    }


def _yes_no(value: float) -> bool | None:
    return value > 0.5 if math.isfinite(value) else None


def _charge(s: Snapshot) -> dict[str, Any]:
    scalars = s.image.scalars[0]
    return {
        "soc": number(scalars["soc"]),
        "soc_std": number(scalars["soc_std"]),
        "soc_min": number(scalars["soc_min"]),
        "soc_max": number(scalars["soc_max"]),
        "soc_mean": number(scalars["soc_mean"]),
        "soh": number(scalars["soh"], 4),
        "estimate_ready": bool(scalars["estimate_ready"]),
        "remaining_energy_wh": number(scalars["remaining_energy_wh"], 1),
        "charge_throughput_ah": number(scalars["charge_throughput_ah"], 4),
        "discharge_throughput_ah": number(scalars["discharge_throughput_ah"], 4),
    }


def cell_summary(s: Snapshot) -> dict[str, Any]:
    """Lowest, highest and mean cell voltage, their difference and whose they are."""
    scalars = s.image.scalars[0]
    lowest, highest = float(scalars["cell_voltage_min_v"]), float(scalars["cell_voltage_max_v"])
    return {
        "cell_voltage_min_v": number(lowest, 4),
        "cell_voltage_min_cell": int(scalars["cell_voltage_min_cell"]),
        "cell_voltage_max_v": number(highest, 4),
        "cell_voltage_max_cell": int(scalars["cell_voltage_max_cell"]),
        "cell_voltage_mean_v": number(scalars["cell_voltage_mean_v"], 4),
        "cell_voltage_difference_v": number(highest - lowest, 4),
        "cells": s.plan.size.cells,
        "cells_usable": int(scalars["cells_usable"]),
    }


def _temperatures(s: Snapshot) -> dict[str, Any]:
    scalars = s.image.scalars[0]
    return {
        "temperature_min_c": number(scalars["temperature_min_c"], 2),
        "temperature_min_sensor": int(scalars["temperature_min_sensor"]),
        "temperature_max_c": number(scalars["temperature_max_c"], 2),
        "temperature_max_sensor": int(scalars["temperature_max_sensor"]),
        "temperature_mean_c": number(scalars["temperature_mean_c"], 2),
        "temperature_sensors": s.plan.size.sensors if "temperature" in s.traits.sensors else 0,
        "temperatures_usable": int(scalars["temperatures_usable"]),
        "ambient_c": number(_channel(s, CHANNEL.ambient_c), 2),
        "coolant_inlet_c": number(_channel(s, CHANNEL.coolant_inlet_c), 2),
        "coolant_outlet_c": number(_channel(s, CHANNEL.coolant_outlet_c), 2),
    }


def _auxiliaries(s: Snapshot) -> dict[str, Any]:
    scalars = s.image.scalars[0]
    boards = s.image.modules[MODULE.balancing_board_c]
    known = boards[np.isfinite(boards)]
    hottest = float(known.max()) if known.size else math.nan
    return {
        "balancing_cells": int(scalars["balancing_cells"]),
        "balancing_heat_w": number(scalars["balancing_heat_w"], 2),
        "balancing_board_max_c": number(hottest, 1),
        "pump": number(scalars["pump"], 3),
        "fan": number(scalars["fan"], 3),
        "heater": number(scalars["heater"], 3),
    }


# Limits and what sets them.


def limits(s: Snapshot, raised: Raised | None = None) -> dict[str, Any]:
    """Both current limits, continuous and for ten seconds, and in words what sets them; `raised` as in `fault_list`."""
    scalars = s.image.scalars[0]
    out: dict[str, Any] = {}
    for way in ("charge", "discharge"):
        rule, place = int(scalars[f"{way}_limit_rule"]), int(scalars[f"{way}_limit_place"])
        out |= {
            f"{way}_a": number(scalars[f"{way}_limit_a"], 2),
            f"{way}_pulse_a": number(scalars[f"{way}_limit_pulse_a"], 2),
            f"{way}_reason": limit_reason(s, way, rule, place, raised),
            f"{way}_rule": word(sg.LIMIT_RULES, rule),
            f"{way}_place": place,
            f"{way}_rated_a": number(s.traits.limits.get(f"{way}_current_max_a", math.nan), 2),
            f"{way}_allowed": bool(scalars[f"{way}_allowed"]),
        }
    return out


def limit_reason(s: Snapshot, way: str, rule: int, place: int, raised: Raised | None = None) -> str:
    """What sets a limit, as a person would say it: the rule, whose it is and the number that it judged."""
    name = word(sg.LIMIT_RULES, rule)
    image = s.image
    if rule in (sg.RULE_WARNING, sg.RULE_FAULT):
        return f"{name}: {_fault_words(s, place, raised)}" if 0 <= place < len(FAULTS) else name
    if rule == sg.RULE_RATED:
        rated_a = s.traits.limits.get(f"{way}_current_max_a")
        return f"{name} ({rated_a:g} A)" if isinstance(rated_a, int | float) else name
    if rule == sg.RULE_TEMPERATURE and 0 <= place < image.temperatures.shape[1]:
        return f"{name} at sensor {place}{_bracket(image.temperatures[MEASURED.value, place], '.1f', '°C')}"
    if not 0 <= place < image.cells.shape[1]:
        return name
    if rule == sg.RULE_VOLTAGE:
        return f"{name} of cell {place}{_bracket(image.cells[CELL.voltage_v, place], '.3f', 'V')}"
    if rule == sg.RULE_SOC:
        return f"{name} of cell {place}{_bracket(100 * image.cells[CELL.soc, place], '.1f', '%')}"
    return f"{name} (cell {place})"


def _bracket(value: Any, form: str, unit: str) -> str:
    return f" ({float(value):{form}} {unit})" if math.isfinite(float(value)) else ""


def _fault_words(s: Snapshot, number_of: int, raised: Raised | None) -> str:
    fault = FAULTS[number_of]
    details = _details(fault, *_where(s, number_of, (raised or {}).get(fault.id)))
    return fault.name + (f" ({details})" if details else "")


# Faults.


def fault_list(s: Snapshot, raised: Raised | None = None) -> list[dict[str, Any]]:
    """Faults that are present or wait to be acknowledged, the gravest first, then the newest.

    One that is over is told with the place where it was raised (`raised`), which is to be looked at: the fault block
    has the worst place of now.
    """
    faults = s.image.faults
    present = np.flatnonzero((faults[FAULT.level] > 0) | (faults[FAULT.latched_level] > 0)).tolist()
    items = [_fault(s, k, (raised or {}).get(FAULTS[k].id)) for k in present]
    ranks = {name: rank for rank, name in enumerate(sg.LEVELS)}
    return sorted(
        items, key=lambda f: (-ranks.get(f["level"], 0), f["since_s"] if f["since_s"] is not None else math.inf)
    )


def _fault(s: Snapshot, k: int, raised: tuple[int, float] | None) -> dict[str, Any]:
    fault, column = FAULTS[k], s.image.faults[:, k]
    level, latched = whole(column[FAULT.level], 0), whole(column[FAULT.latched_level], 0)
    place, value = _where(s, k, raised)
    raised_s = raised_at(s, k)
    details = _details(fault, place, value)
    shown = word(sg.LEVELS, level or latched)
    behind = word(sg.LEVELS, column[FAULT.masked_level])
    is_masked = bool(column[FAULT.masked] > 0)
    text = f"{fault.name}: {LEVEL_WORDS.get(shown, shown)}" + (f" ({details})" if details else "")
    if is_masked and level and level < whole(column[FAULT.masked_level], 0):
        text += f"; masked, it would be {LEVEL_WORDS.get(behind, behind)}"
    if not level:
        text = f"{fault.name}: over, {_waits(fault, float(column[FAULT.cools_s]))}"
    return {
        "id": fault.id,
        "name": fault.name,
        "level": shown,
        "active": level > 0,
        "latched": latched > 0,
        "place": place,
        "where": place_words(fault, place),
        "value": number(value),
        "unit": fault.unit,
        "text": text,
        "meaning": fault.meaning,
        "action": fault.action,
        "since_s": _since(s, raised_s),
        "since": iso_time(s.wall_of(raised_s)),
        "count": whole(column[FAULT.count], 0),
        "cools_s": number(float(column[FAULT.cools_s])),
        "retries": whole(column[FAULT.retries], 0),
        "dtc": f"{fault.dtc:06X}",
        "service": fault.service,
        "masked": is_masked,
        "masked_level": behind,
    }


def _waits(fault: Fault, cools_s: float) -> str:
    """What a latched fault that is over waits for."""
    if fault.service:
        return LOCKED
    return f"cools down for another {cools_s:.0f} s" if cools_s > 0.0 else "waits to be acknowledged"


def _where(s: Snapshot, k: int, raised: tuple[int, float] | None) -> tuple[int, float]:
    """Place and value of a fault: as the block has them while it stands, as it was raised once it is over."""
    column = s.image.faults[:, k]
    if raised is not None and not column[FAULT.level]:
        return raised
    return whole(column[FAULT.place]), float(column[FAULT.value])


def _details(fault: Fault, place: int, value: float) -> str:
    said = reason_words(fault.id, value) or value_words(fault, value)
    return ", ".join(words for words in (place_words(fault, place), said) if words)


def reason_words(fault_id: str, value: float) -> str:
    """The value of a fault whose value is the number of a reason, in words; empty for all others."""
    if fault_id == "guard_withholds" and math.isfinite(value):
        return word(ex.GUARD_REASONS, value)
    return ""


def raised_at(s: Snapshot, k: int) -> float:
    """When a fault was raised: its last step up from nothing that the event ring still has, else its present level."""
    events = s.image.events
    count = min(int(s.image.scalars["event_count"][0]), EVENT_SLOTS)
    raised = (events[EVENT.fault] == k) & (events[EVENT.previous_level] == 0) & (events[EVENT.level] > 0)
    times = events[EVENT.time_s][:count][raised[:count]] if count else np.empty(0)
    return float(times.max()) if len(times) else float(s.image.faults[FAULT.since_s, k])


# Guard, trip, and what is wrong with the BMS itself.


def guard_view(s: Snapshot) -> dict[str, Any]:
    """What the guard says: its enable, and why it withholds it or has withdrawn it."""
    guard = s.guard[0]
    age_s = s.guard_age_s
    return {
        "enable": bool(guard["enable"]) and age_s is not None and age_s < STALE_S,
        "reason": word(ex.GUARD_REASONS, guard["reason"]),
        "place": int(guard["place"]) if s.seen_guard else NO_PLACE,
        "value": number(guard["value"]),
        "tripped": bool(guard["tripped"]),
        "trip_reason": word(ex.GUARD_REASONS, guard["trip_reason"]),
        "trip_count": int(guard["trip_count"]),
        "cycle": int(guard["cycle"]),
        "age_s": _rounded(age_s),
    }


def trip_view(s: Snapshot) -> dict[str, Any]:
    """Whether the driver has dropped the contactors until a person acknowledges, and why."""
    driven = s.driven[0]
    trip_s = float(driven["trip_time_s"])
    seen = s.seen_driven and int(driven["trip_count"]) > 0
    return {
        "tripped": bool(driven["tripped"]),
        "reason": word(ex.TRIP_REASONS, driven["trip_reason"]),
        "count": int(driven["trip_count"]),
        "since_s": number(max(0.0, s.now_s - trip_s), 3) if seen and math.isfinite(trip_s) else None,
    }


def alarms(s: Snapshot, disagree: tuple[str, ...]) -> list[dict[str, Any]]:
    """What is wrong with the BMS itself rather than with the battery: `id, level, text, action`."""
    out: list[dict[str, Any]] = []

    def tell(name: str, level: str, text: str, action: str) -> None:
        out.append({"id": name, "level": level, "text": text, "action": action})

    for name, age_s, who in (
        ("control_silent", s.image_age_s, "control"),
        ("driver_silent", s.driven_age_s, f"the sensors' process ({s.plan.driver_role})"),
        ("guard_silent", s.guard_age_s, "the guard"),
    ):
        if age_s is None or age_s > STALE_S:
            said = "has said nothing yet" if age_s is None else f"has said nothing for {age_s:.1f} s"
            tell(name, "critical", f"{who[0].upper()}{who[1:]} {said}: what is shown here is not up to date",
                 "Look at the processes: one was killed, frozen or has not started.")  # fmt: skip
    driven, guard = s.driven[0], s.guard[0]
    if driven["tripped"]:
        reason = word(ex.TRIP_REASONS, driven["trip_reason"])
        tell("driver_tripped", "critical", f"Contactors were dropped: {reason}", "Find the cause, then acknowledge.")
    if guard["tripped"]:
        reason = word(ex.GUARD_REASONS, guard["trip_reason"])
        tell(
            "guard_tripped", "critical", f"The guard withdrew its enable: {reason}", "Find the cause, then acknowledge."
        )
    if driven["pyrofuse_test"]:
        refused = "; a firing was refused" if driven["pyrofuse_test"] == TEST_REFUSED else ""
        tell("pyrofuse_test", "warning", f"The pyrofuse is in test mode and can never be fired{refused}",
             "Set fuse.test_mode = false in the pack file before the pack is used.")  # fmt: skip
    if driven["watchdog"] == ex.WATCHDOG_FAILED:
        tell("watchdog_failed", "warning", "The hardware watchdog cannot be stroked",
             "Look whether another program holds it, and at its driver.")  # fmt: skip
    for name in disagree:
        tell("contactor_disagrees", "warning", f"{name}: driven and fed back differ",
             "Treat the pack as live until it is known why.")  # fmt: skip
    if s.supervisor["stopping"][0]:
        tell("stopping", "info", "The BMS is being stopped", "")
    return out
