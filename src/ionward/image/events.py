"""Events of the BMS in plain words, the same wherever they are told."""

from __future__ import annotations

import math
from typing import Any

from ionward.image.faults import FAULTS, Fault
from ionward.image.inputs import CHANNEL_SIGNALS
from ionward.image.signals import EVENT, LEVELS

LEVEL_WORDS = {"info": "info", "warning": "warning", "fault": "fault", "critical": "critical fault"}


def place_words(fault: Fault, place: int) -> str:
    """Where, as a person would say it; empty for the pack as a whole."""
    if place < 0 or fault.scope == "pack":
        return ""
    if fault.scope == "channel":
        return CHANNEL_SIGNALS[place].name if place < len(CHANNEL_SIGNALS) else ""
    words = {"cell": "cell", "temperature": "temperature sensor", "module": "module"}
    return f"{words[fault.scope]} {place}"


def value_words(fault: Fault, value: float) -> str:
    """The value that was judged, with its unit; empty where there is none."""
    if math.isnan(value):
        return ""
    if fault.unit:
        return f"{value:.4g} {fault.unit}"
    counts = fault.id.endswith(("_lost", "_unknown"))
    return f"{value:.0f} of them" if counts else f"value {value:.3g}"


def ends_mask(row: Any) -> bool:
    """The event is no step of the ladder, for its level is the level before: the fault's mask has ended."""
    return bool(row[EVENT.level] == row[EVENT.previous_level])


def describe(row: Any) -> dict[str, Any]:
    """One column of the event ring as `time_s, fault, level, place, text`."""
    fault = FAULTS[int(row[EVENT.fault])]
    level, before = int(row[EVENT.level]), int(row[EVENT.previous_level])
    place = int(row[EVENT.place])
    mask = ends_mask(row)
    if mask:
        text = f"{fault.name}: its mask has ended; from now on it is reacted to"
    elif level == 0:
        text = f"{fault.name}: over"
    else:
        falls = level < before
        details = [words for words in (place_words(fault, place), value_words(fault, float(row[EVENT.value]))) if words]
        change = f"down to {LEVEL_WORDS[LEVELS[level]]}" if falls else LEVEL_WORDS[LEVELS[level]]
        text = f"{fault.name}: {change}" + (f" ({', '.join(details)})" if details else "")
    return {
        "time_s": float(row[EVENT.time_s]),
        "fault": fault.id,
        "level": "info" if mask else LEVELS[level],
        "place": place,
        "text": text,
    }
