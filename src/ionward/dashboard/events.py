"""Events as plain values: each fault with first, last and count, the log, and what was before and after an event."""

from __future__ import annotations

from typing import Any

from ionward.dashboard import figures
from ionward.dashboard.figures import known
from ionward.dashboard.overview import LEVEL_NAMES
from ionward.dashboard.words import sentence

Item = dict[str, Any]

KIND_NAMES = {
    "fault": "Fault", "state": "State", "contactor": "Contactor", "enable": "Enable", "guard": "Guard",
    "trip": "Trip", "process": "Process", "command": "Command",
}  # fmt: skip
SHOWN = 200
# What stands around an event: name, digits; the unit comes with the values.
AROUND = {
    "pack_voltage_v": ("Pack voltage", 1),
    "bus_voltage_v": ("Bus voltage", 1),
    "current_a": ("Current", 1),
    "soc": ("SOC", 3),
    "cell_voltage_min_v": ("Lowest cell", 3),
    "cell_voltage_max_v": ("Highest cell", 3),
    "temperature_min_c": ("Coldest sensor", 1),
    "temperature_max_c": ("Hottest sensor", 1),
    "charge_limit_a": ("Charge limit", 1),
    "discharge_limit_a": ("Discharge limit", 1),
    "main_positive": ("Main + driven", 0),
    "control_enable": ("Control's enable", 0),
    "guard_enable": ("Guard's enable", 0),
}


def events_page(events: list[Item], history: list[Item]) -> Item:
    """The log, newest first, and each fault that has happened."""
    return {
        "events": [event_row(event) for event in events[:SHOWN]],
        "faults": [fault_row(row) for row in history],
        "waiting": sum(bool(row["latched"]) for row in history),
    }


def level_of(level: str) -> tuple[str, str]:
    """Level for colour and shape, and its word. A fault that is over is told as ok."""
    return ("ok", "Over") if level == "none" else (level, LEVEL_NAMES.get(level, level.capitalize()))


def event_row(event: Item) -> Item:
    """One line of the log."""
    level, word = level_of(event["level"])
    return {
        "number": event["number"],
        "time": figures.clock(event["time"]),
        "ms": (event["time"] or "")[-4:-1] if event["time"] and "." in event["time"] else "",
        "kind": KIND_NAMES.get(event["kind"], event["kind"]),
        "level": level,
        "word": word,
        "text": sentence(event["text"]),
    }


def fault_row(row: Item) -> Item:
    """One fault over all its events."""
    level, word = level_of(row["level"])
    return {
        "fault": row["fault"],
        "name": row["name"],
        "level": level,
        "word": word,
        "latched": bool(row["latched"]),
        "count": row["count"],
        "first": figures.clock(row["first"]),
        "last": figures.clock(row["last"]),
        "text": sentence(row["text"]),
        "action": row["action"],
    }


def around(values: Item | None) -> Item | None:
    """What was before and after an event: numbers in words, and the samples for a small curve."""
    if values is None:
        return None
    rows = []
    for key, (name, digits) in AROUND.items():
        signal = values["signals"].get(key)
        if signal is None or not any(known(v) for v in signal["values"]):
            continue
        rows.append(
            {
                "name": name,
                "before": figures.measure(signal["before"], signal["unit"], digits),
                "after": figures.measure(signal["after"], signal["unit"], digits),
                "changed": signal["before"] != signal["after"],
                "values": signal["values"],
            }
        )
    event = values["event"]
    return {
        "text": sentence(event["text"]),
        "action": event["action"],
        "time_s": values["time_s"],
        "rows": rows,
    }
