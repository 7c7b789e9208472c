"""Events as plain values: the log, each fault that has happened, and what was before and after an event."""

from __future__ import annotations

from typing import Any

from ionward.dashboard import figures, remembered
from ionward.dashboard.figures import known
from ionward.dashboard.remembered import level_of
from ionward.dashboard.words import sentence, unmarked

Item = dict[str, Any]

KIND_NAMES = {
    "fault": "Fault", "state": "State", "contactor": "Contactor", "enable": "Enable", "guard": "Guard",
    "trip": "Trip", "mask": "Mask", "process": "Process", "command": "Command",
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


def events_page(events: list[Item], history: list[Item], memory: Item) -> Item:
    """The log, newest first, and each fault that has happened, as the fault memory keeps it over restarts."""
    return {
        "events": [event_row(event) for event in events[:SHOWN]],
        "faults": remembered.rows(memory, history),
        "about": remembered.about(memory),
        "waiting": sum(bool(row["latched"]) and not row["service"] for row in history),
        "locked": sum(bool(row["latched"]) and bool(row["service"]) for row in history),
    }


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
        "action": unmarked(event["action"]),
        "time_s": values["time_s"],
        "rows": rows,
    }
