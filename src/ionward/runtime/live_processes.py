"""The processes of a running BMS: what each says about itself, and what the kernel says about it."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ionward.image import exchange as ex
from ionward.runtime.live_snapshot import Snapshot
from ionward.runtime.live_values import by_signal, number, word
from ionward.runtime.recorder_record import RECORDER_SIGNALS

HEALTH_STATES = ("starting", "running", "ending")
# Upper ends of the histogram bins, in µs; below the first one there is half of it.
BIN_ENDS_US = 2.0 ** ((np.arange(ex.LATENESS_BINS) + 1) / 2)
QUANTILES = (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))
PSS_PERIOD_S = 5.0

Counts = npt.NDArray[np.int64]


def histogram(health: Any, prefix: str) -> Counts:
    """Counts `[LATENESS_BINS]` of a health record (length 1): prefix `late` or `took`."""
    first = ex.HEALTH_RECORD.fields[f"{prefix}_0"][1] // 8  # type: ignore[index]
    whole: Counts = health.view(np.int64)[first : first + ex.LATENESS_BINS]
    return whole


def quantiles_us(counts: Counts, longest_s: float) -> dict[str, float | None]:
    """`p50, p99, p999, max` in µs from a histogram; within a bin the place is interpolated, never above the longest."""
    total = int(counts.sum())
    longest_us = longest_s * 1e6 if math.isfinite(longest_s) else math.inf
    out: dict[str, float | None] = {name: None for name, _ in QUANTILES}
    if total > 0:
        reached = np.cumsum(counts)
        for name, share in QUANTILES:
            wanted = share * total
            k = int(np.searchsorted(reached, wanted))
            k = min(k, len(counts) - 1)
            before = float(reached[k] - counts[k])
            part = (wanted - before) / float(counts[k]) if counts[k] else 1.0
            value = float(BIN_ENDS_US[k]) * 2.0 ** ((part - 1.0) / 2)
            out[name] = number(min(value, longest_us), 1)
    out["max"] = number(longest_us, 1) if total > 0 else None
    return out


class ProcessTable:
    """Looks processes up in /proc. The costly figure (PSS) is read every few seconds only."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._ticks_per_s = os.sysconf("SC_CLK_TCK")
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._pss: dict[int, tuple[float, float | None]] = {}

    def figures(self, pid: int, now_s: float) -> dict[str, Any]:
        """`alive, frozen, cpu_s, rss_mib, pss_mib, threads`; None for what cannot be read."""
        dead: dict[str, Any] = {"alive": False, "frozen": False, "cpu_s": None, "rss_mib": None, "pss_mib": None}
        if pid <= 0:
            return dead
        try:
            text = (self._proc / str(pid) / "stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            return dead
        fields = text.rpartition(")")[2].split()
        if len(fields) < 22 or fields[0] in "ZX":
            return dead
        return {
            "alive": True,
            "frozen": fields[0] in "Tt",
            "cpu_s": round((int(fields[11]) + int(fields[12])) / self._ticks_per_s, 2),
            "rss_mib": round(int(fields[21]) * self._page / 2**20, 1),
            "pss_mib": self._pss_mib(pid, now_s),
        }

    def _pss_mib(self, pid: int, now_s: float) -> float | None:
        known = self._pss.get(pid)
        if known is not None and now_s - known[0] < PSS_PERIOD_S:
            return known[1]
        value: float | None = None
        try:
            text = (self._proc / str(pid) / "smaps_rollup").read_text(encoding="ascii", errors="replace")
            lines = (line for line in text.splitlines() if line.startswith("Pss:"))
            value = round(int(next(lines).split()[1]) / 1024, 1)
        except (OSError, StopIteration, ValueError, IndexError):
            value = None
        self._pss = {k: v for k, v in self._pss.items() if now_s - v[0] < 60.0} | {pid: (now_s, value)}
        return value


def processes_view(s: Snapshot, table: ProcessTable) -> dict[str, dict[str, Any]]:
    """Each process by name: `pid, alive, age_s, cpu_s, rss_mib, overruns` and more; with a cycle, `cycle_us`."""
    return {role: _process(s, role, record, table) for role, record in s.health.items()}


def _process(s: Snapshot, role: str, record: Any, table: ProcessTable) -> dict[str, Any]:
    health = record[0]
    pid = int(health["pid"])
    time_s, started_s = float(health["time_s"]), float(health["started_s"])
    seen = pid > 0
    view: dict[str, Any] = {
        "pid": pid if seen else None,
        **table.figures(pid, s.now_s),
        "age_s": number(max(0.0, s.now_s - time_s), 4) if seen else None,
        "state": word(HEALTH_STATES, health["state"]) if seen else "not seen",
        "uptime_s": number(max(0.0, s.now_s - started_s), 1) if seen else None,
        "cycles": int(health["cycles"]),
        "overruns": int(health["overruns_own"]) + int(health["overruns_late"]),
        "overruns_own": int(health["overruns_own"]),
        "overruns_late": int(health["overruns_late"]),
        "skipped": int(health["skipped"]),
        "period_s": number(health["period_s"]),
        "fifo": word(ex.RIGHTS, health["fifo"]),
        "memory_locked": word(ex.RIGHTS, health["memory_locked"]),
    }
    if float(health["period_s"]) > 0 or role == "control":
        took, late = histogram(record, "took"), histogram(record, "late")
        view["cycle_us"] = quantiles_us(took, float(health["cycle_max_s"]))
        view["lateness_us"] = quantiles_us(late, float(health["lateness_max_s"]))
    return view


def histograms_view(s: Snapshot, role: str) -> dict[str, Any] | None:
    """Both histograms of a process: `bin_end_us`, `took`, `late`; None when it has none."""
    record = s.health.get(role)
    if record is None or not float(record["period_s"][0]) > 0:
        return None
    return {
        "bin_end_us": [round(float(v), 2) for v in BIN_ENDS_US],
        "took": histogram(record, "took").tolist(),
        "late": histogram(record, "late").tolist(),
    }


def recorder_view(record: Any, seen: bool, now_s: float) -> dict[str, Any]:
    """What the recorder says (RECORDER_RECORD, length 1), by the names of its record; `seen` False before it has."""
    row = record[0]
    view: dict[str, Any] = {"seen": seen, "state": RECORDER_SIGNALS[1].choices[0], "age_s": None}
    if seen:
        view |= {signal.name: by_signal(signal, row[signal.name]) for signal in RECORDER_SIGNALS}
        view["age_s"] = number(max(0.0, now_s - float(row["time_s"])), 3)
        copied_s = float(row["state_copy_time_s"])
        # Older by the time since: the recorder itself may have stopped.
        view["state_copy_age_s"] = number(max(0.0, now_s - copied_s), 3)
    return view
