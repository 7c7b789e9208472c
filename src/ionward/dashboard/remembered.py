"""The fault memory as plain values: each fault at each place with its status, and its freeze frames as small curves."""

from __future__ import annotations

from typing import Any

from ionward.dashboard import figures
from ionward.dashboard.figures import known
from ionward.dashboard.overview import LEVEL_NAMES
from ionward.dashboard.words import sentence, unmarked

Item = dict[str, Any]

# What of a freeze frame is drawn: name and digits, in this order. The unit comes with the values.
DRAWN = {
    "judged": ("What its rule judged", 3),
    "current_a": ("Current", 1),
    "current_redundant_a": ("Second current sensor", 1),
    "pack_voltage_v": ("Pack voltage", 1),
    "bus_voltage_v": ("Bus voltage", 1),
    "cell_voltage_min_v": ("Lowest cell", 3),
    "cell_voltage_max_v": ("Highest cell", 3),
    "cell_voltage_sum_v": ("Sum of the cells", 1),
    "temperature_min_c": ("Coldest sensor", 1),
    "temperature_max_c": ("Hottest sensor", 1),
    "soc": ("SOC", 2),
    "charge_limit_a": ("Charge limit", 1),
    "discharge_limit_a": ("Discharge limit", 1),
    "insulation_ohm": ("Insulation", 0),
    "state": ("State", 0),
    "open_request": ("Protection asks to open", 0),
    "main_positive_close": ("Main + asked for", 0),
    "main_positive_closed": ("Main + fed back", 0),
    "main_negative_close": ("Main − asked for", 0),
    "main_negative_closed": ("Main − fed back", 0),
    "precharge_close": ("Precharge asked for", 0),
    "precharge_closed": ("Precharge fed back", 0),
}
FED_BACK = ("open", "closed")
WHICH_WORDS = {"first": "The first time", "latest": "The latest time"}


def level_of(level: str) -> tuple[str, str]:
    """Level for colour and shape, and its word. A fault that is over is told as ok."""
    return ("ok", "Over") if level == "none" else (level, LEVEL_NAMES.get(level, level.capitalize()))


def rows(memory: Item, history: list[Item]) -> list[Item]:
    """Faults that have happened: those of the memory, and those of this run that it does not have (yet)."""
    kept = [_row(entry, memory["ageing_cycles"]) for entry in memory["entries"]]
    names = {entry["fault"] for entry in memory["entries"]}
    return kept + [_of_this_run(row) for row in history if row["fault"] not in names]


def _row(entry: Item, ageing_cycles: int) -> Item:
    level, word = level_of(entry["level"])
    return {
        "key": f"{entry['fault']}/{entry['place']}",
        "fault": entry["fault"],
        "name": entry["name"],
        "where": sentence(entry["where"]),
        "level": level,
        "word": word,
        "status": _status(entry),
        "locked": bool(entry["latched"] and entry["service"]),
        "count": entry["count"],
        "first": figures.clock(entry["first"]),
        "last": figures.clock(entry["last"]),
        "ageing": _ageing(entry, ageing_cycles),
        "action": unmarked(entry["action"]),
        "frames": len(entry["frames"]),
    }


def _of_this_run(row: Item) -> Item:
    """A fault that only this run's log knows: it has no freeze frame."""
    level, word = level_of(row["level"])
    latched = bool(row["latched"])
    return {
        "key": row["fault"],
        "fault": row["fault"],
        "name": row["name"],
        "where": "",
        "level": level,
        "word": word,
        "status": [_latched_word(row["service"])] if latched else [],
        "locked": latched and bool(row["service"]),
        "count": row["count"],
        "first": figures.clock(row["first"]),
        "last": figures.clock(row["last"]),
        "ageing": "",
        "action": unmarked(row["action"]),
        "frames": 0,
    }


def _latched_word(service: bool) -> str:
    return "locked" if service else "latched"


def _status(entry: Item) -> list[str]:
    words = [_latched_word(entry["service"])] if entry["latched"] else []
    return words + (["confirmed"] if entry["confirmed"] else ["pending"] if entry["pending"] else ["faded"])


def _ageing(entry: Item, ageing_cycles: int) -> str:
    without = entry["cycles_without"]
    if not without:
        return ""
    return f"{without} of {ageing_cycles} cycles without" if without < ageing_cycles else f"{without} cycles without"


def about(memory: Item) -> list[str]:
    """The memory itself in sentences: its cycle, when it was cleared, and what is wrong with it."""
    cleared = f" Cleared {figures.clock(memory['cleared'])}." if memory["cleared"] else ""
    out = [f"Operation cycle {memory['cycle']}, since {figures.clock(memory['cycle_began'])}.{cleared}"]
    if memory["lost"]:
        out.append(f"{memory['lost']} faults could not be kept for lack of room.")
    notes = [f"{figures.clock(note['time'])}: {note['text']}" for note in memory["notes"]]
    return out + [f"{sentence(text)}." for text in (*memory["problems"], *notes)]


def frames(entry: Item) -> Item:
    """One fault of the memory with its freeze frames, ready to be drawn."""
    return {
        "meaning": unmarked(entry["meaning"]),
        "action": unmarked(entry["action"]),
        "frames": [_frame(which, frame) for which, frame in entry["frames"].items()],
    }


def _frame(which: str, frame: Item) -> Item:
    marks = [] if frame["complete"] else ["the second after is not whole"]
    if frame["gaps"]:
        marks.append("1 gap" if frame["gaps"] == 1 else f"{frame['gaps']} gaps")
    drawn = [_curve(key, frame) for key in DRAWN if key in frame["signals"]]
    return {
        "title": f"{WHICH_WORDS[which]}, {figures.clock(frame['time'])}",
        "mark": ", ".join(marks),
        "time_s": frame["time_s"],
        "curves": [curve for curve in drawn if curve is not None and not curve["flat"]],
        "same": [f"{curve['name']} {curve['after']}" for curve in drawn if curve is not None and curve["flat"]],
    }


def _curve(key: str, frame: Item) -> Item | None:
    """One quantity with its values just before, and at the end; None where nothing is known of it."""
    signal, (name, digits) = frame["signals"][key], DRAWN[key]
    values, unit = signal["values"], signal["unit"]
    if key == "soc":
        values, unit = [None if v is None else 100 * v for v in values], "%"
    if not any(known(v) for v in values):
        return None
    choices = FED_BACK if key.endswith("_closed") else tuple(signal["choices"])
    before = [v for t, v in zip(frame["time_s"], values, strict=True) if t is not None and t < 0 and known(v)]
    after = [v for t, v in zip(frame["time_s"], values, strict=True) if t is not None and t >= 0 and known(v)]
    said = [_said(v[-1], unit, digits, choices) if v else figures.UNKNOWN for v in (before, after)]
    present = [v for v in values if known(v)]
    low, high = min(present), max(present)
    return {
        "name": name,
        "before": said[0],
        "after": said[1],
        "flat": low == high and len(present) == len(values),
        "low": _said(low, unit, digits, choices),
        "high": _said(high, unit, digits, choices),
        "steps": bool(choices),
        "values": values,
    }


def _said(value: float, unit: str, digits: int, choices: tuple[str, ...]) -> str:
    if choices:
        return choices[int(value)] if 0 <= value < len(choices) else str(int(value))
    return figures.one(figures.resistance(value)) if unit == "Ω" else figures.measure(value, unit, digits)
