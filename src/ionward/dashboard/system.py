"""The system as plain values: processes, enables, the rhythm of control, sensors, recorder, what was restored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ionward.dashboard import figures
from ionward.dashboard.figures import known
from ionward.runtime.plan import Plan

Item = dict[str, Any]

JOBS = {
    "supervisor": "starts and watches the others",
    "plant": "owns the simulated battery, drives the contactors",
    "io": "owns the devices, drives the contactors",
    "control": "measures, protects, limits, connects",
    "guard": "watches control, gives the second enable",
    "recorder": "takes everything to disk",
    "services": "this dashboard and the interfaces",
}
LATE_S = 2.0
HISTOGRAM_LOW_US = 1.0
QUALITY_LEVELS = {"good": "ok", "held": "warning", "bad": "fault"}


class Shares:
    """CPU shares of processes, from their CPU seconds at two looks."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[int, float, float]] = {}

    def of(self, processes: dict[str, Item], now_s: float) -> dict[str, float | None]:
        """Share of one core that each has used since the last look; None the first time."""
        out: dict[str, float | None] = {}
        for name, process in processes.items():
            pid, cpu_s = process["pid"], process["cpu_s"]
            before = self._before.get(name)
            if pid is None or cpu_s is None:
                out[name] = None
                self._before.pop(name, None)
                continue
            same = before is not None and before[0] == pid and now_s > before[1]
            out[name] = (cpu_s - before[2]) / (now_s - before[1]) if same and before else None
            if before is None or before[0] != pid or now_s - before[1] >= 5.0:
                self._before[name] = (pid, now_s, cpu_s)
        return out


def process_row(name: str, process: Item, share: float | None) -> Item:
    """One process: how it is, in a word, and its figures."""
    if process["pid"] is None:
        level, word = "none", "not seen yet"
    elif not process["alive"]:
        level, word = "critical", "dead"
    elif process["frozen"]:
        level, word = "critical", "frozen"
    elif known(process["age_s"]) and process["age_s"] > LATE_S:
        level, word = "fault", f"silent for {figures.span(process['age_s'])}"
    else:
        level, word = "ok", process["state"]
    cycle, late = process.get("cycle_us"), process.get("lateness_us")
    return {
        "name": name,
        "job": JOBS.get(name, ""),
        "level": level,
        "word": word,
        "pid": str(process["pid"] or figures.UNKNOWN),
        "age": figures.span(process["age_s"]),
        "cpu": figures.one(figures.percent(share)),
        "memory": figures.measure(process["pss_mib"] or process["rss_mib"], "MiB", 0),
        "uptime": figures.span(process["uptime_s"]),
        "cycles": _count(process["cycles"] or None),
        "overruns": overruns(process) if process["period_s"] else figures.UNKNOWN,
        "cycle": figures.microseconds(cycle["p99"]) if cycle else figures.UNKNOWN,
        "late": figures.microseconds(late["p99"]) if late else figures.UNKNOWN,
        "rights": rights(process),
    }


def overruns(process: Item) -> str:
    """Overruns by their cause."""
    own, late, skipped = process["overruns_own"], process["overruns_late"], process["skipped"]
    if not own + late + skipped:
        return "none"
    parts = [f"{own} own" if own else "", f"{late} late" if late else "", f"{skipped} skipped" if skipped else ""]
    return ", ".join(part for part in parts if part)


def rights(process: Item) -> str:
    """What the kernel permits: real-time priority and locked memory."""
    words = {"permitted": "yes", "refused": "refused", "not asked for": "no"}
    if process["pid"] is None:
        return figures.UNKNOWN
    return f"FIFO {words.get(process['fifo'], '–')}, locked {words.get(process['memory_locked'], '–')}"


def histogram(values: Item | None) -> list[Item]:
    """Bins of the lateness and of the cycle from the first that holds something to the last, shares by count."""
    if values is None:
        return []
    ends, took, late = values["bin_end_us"], values["took"], values["late"]
    used = [k for k in range(len(ends)) if took[k] or late[k]]
    if not used:
        return []
    return [
        {"end": figures.microseconds(ends[k]), "end_us": ends[k], "took": took[k], "late": late[k]}
        for k in range(max(0, used[0] - 1), min(len(ends), used[-1] + 2))
    ]


def measurement_row(row: Item) -> Item:
    """Health of one channel."""
    digits = 0 if row["unit"] in ("", "Ω") else 2
    return {
        "name": row["name"],
        "meaning": row["meaning"],
        "value": figures.measure(row["value"], row["unit"], digits),
        "age": figures.span(row["age_s"]),
        "level": QUALITY_LEVELS.get(row["quality"], "none"),
        "word": row["quality"] + (f": {row['reason']}" if row["reason"] else ""),
    }


def many_row(name: str, qualities: list[str], ages_s: list[Any] | None) -> Item:
    """Health of many sensors of a kind, as counts and the oldest sample."""
    counts = {word: qualities.count(word) for word in ("good", "held", "bad")}
    fitted = sum(counts.values())
    ages = [age for age in ages_s or [] if known(age)]
    worst = "bad" if counts["bad"] else "held" if counts["held"] else "good"
    said = [f"{count} {word}" for word, count in counts.items() if count]
    return {
        "name": name,
        "meaning": "",
        "value": f"{counts['good']} of {fitted}",
        "age": figures.span(max(ages)) if ages else figures.UNKNOWN,
        "level": QUALITY_LEVELS[worst] if fitted else "none",
        "word": ", ".join(said) if worst != "good" else "good" if fitted else "not fitted",
    }


def enable_rows(state: Item) -> list[Item]:
    """Both enables, the guard's reason, and the driver's memory of a trip."""
    guard, trip = state["guard"], state["trip"]
    rows = [
        {
            "name": f"{name.capitalize()}'s enable" if name == "control" else "The guard's enable",
            "level": "ok" if given else "fault",
            "word": "given" if given else "missing",
            "note": guard["reason"] if name == "guard" else "",
        }
        for name, given in state["enables"].items()
    ]
    tripped = trip["tripped"] or guard["tripped"]
    note = trip["reason"] or guard["trip_reason"]
    if trip["since_s"] is not None and trip["tripped"]:
        note += f", {figures.span(trip['since_s'])} ago"
    count = trip["count"] + guard["trip_count"]
    rows.append(
        {
            "name": "Trip",
            "level": "critical" if tripped else "ok",
            "word": "waits to be acknowledged" if tripped else "none" if not count else f"none now, {count} before",
            "note": note if tripped else "",
        }
    )
    return rows


def recorder_rows(recorder: Item) -> list[Item]:
    """What the recorder says: what it does, what it has written and lost, and how long the disk lasts."""
    if not recorder.get("seen"):
        return []
    state, dropped, per_day = recorder.get("state"), recorder.get("dropped_ticks"), recorder.get("bytes_per_day")
    free = recorder.get("disk_free_bytes")
    level = "ok" if state == "recording" else "info" if state == "waiting for control" else "fault"
    days = ""
    if isinstance(free, int | float) and isinstance(per_day, int | float) and per_day > 0:
        days = f", lasts {free / per_day:.0f} days"
    errors = sum(recorder.get(name) or 0 for name in ("disk_errors", "state_copy_errors", "fault_memory_errors"))
    rows = [
        ("Recorder", str(state), level),
        ("Recorded ticks", _count(recorder.get("recorded_ticks")), ""),
        ("Dropped ticks", _count(dropped) if dropped else "none", "warning" if dropped else "ok"),
        ("Written since the start", figures.size(recorder.get("bytes_written")), ""),
        ("In a day", figures.size(per_day), ""),
        ("Recordings", f"{recorder.get('segments')}, {figures.size(recorder.get('segments_bytes'))}", ""),
        ("Disk free", figures.size(free) + days, ""),
        ("State on disk", f"{figures.span(recorder.get('state_copy_age_s'))} old", ""),
        ("Failures to write", _count(errors) if errors else "none", "fault" if errors else "ok"),
    ]
    return [{"name": name, "word": word, "level": level or "none", "note": ""} for name, word, level in rows]


def _count(value: Any) -> str:
    """A whole number in groups of three."""
    return f"{int(value):,}".replace(",", "\u202f") if known(value) else figures.UNKNOWN


def notes(plan: Plan, restored: Sequence[str] = ()) -> list[Item]:
    """What was told at the start: about the pack and its source, and what became of an earlier run's state."""
    bad = ("refus", "not ", "cannot", "could not", "lost", "latched", "acknowledge")
    told = (*plan.notes, *restored)
    return [{"text": note, "level": "warning" if any(word in note for word in bad) else "info"} for note in told]
