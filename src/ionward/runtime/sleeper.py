"""How late this machine wakes a loop that sleeps to fixed times: what no program on it can do better.

`python -m ionward.runtime.sleeper --period-ms 1 --seconds 5 [--fifo]` measures in a process of its own and prints one
JSON line. Without `--fifo` it is the *bare sleeper*, an ordinary program; with it, it asks for what control asks for.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import subprocess
import sys
import time
from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

START_S = 20.0  # a process may take so long to start on a slow, busy machine


@dataclass(frozen=True)
class Lateness:
    """How late a loop was woken. An overrun is a waking later than one whole period; what it missed is left out.

    `fifo` and `memory_locked` say whether the loop had these rights: it asks for both or for none.
    """

    period_ms: float
    n: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    overruns: int
    fifo: bool = False
    memory_locked: bool = False


def percentile(ordered: Sequence[float], share: float) -> float:
    """Smallest value that at least `share` (0..1) of the ordered values do not exceed (nearest rank).

    Of few values a high percentile is simply the largest: it never looks better than what was measured.
    """
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def lateness_figures(lateness_s: Sequence[float], period_s: float) -> Lateness:
    """Figures of at least one waking. Times as measured, in seconds; a waking before its time counts as in time.

    Raises:
        ValueError: there is no waking.
    """
    if not lateness_s:
        raise ValueError("no waking was measured")
    ordered = sorted(max(0.0, late) for late in lateness_s)
    p50, p99, p999 = (percentile(ordered, share) * 1e3 for share in (0.5, 0.99, 0.999))
    overruns = sum(late > period_s for late in ordered)
    return Lateness(period_s * 1e3, len(ordered), p50, p99, p999, ordered[-1] * 1e3, overruns)


def next_deadline_s(deadline_s: float, now_s: float, period_s: float) -> float:
    """The next time to wake: one period on, or the first one ahead where that has passed already."""
    if now_s < deadline_s + period_s:
        return deadline_s + period_s
    return deadline_s + (math.floor((now_s - deadline_s) / period_s) + 1) * period_s


def sleep_loop(period_s: float, seconds: float) -> Sequence[float]:
    """Sleep to one deadline after the other for so long, at least to one; returns how late each waking was (s)."""
    end_s = time.monotonic() + max(seconds, period_s)
    deadline_s = end_s - max(seconds, period_s) + period_s
    lateness_s = array("d", bytes(8 * (math.ceil(seconds / period_s) + 2)))
    n = 0
    while deadline_s <= end_s and n < len(lateness_s):
        pause_s = deadline_s - time.monotonic()
        if pause_s > 0:
            time.sleep(pause_s)
        now_s = time.monotonic()
        lateness_s[n] = now_s - deadline_s
        n += 1
        deadline_s = next_deadline_s(deadline_s, now_s, period_s)
    return lateness_s[:n]


def ask_for_rights() -> dict[str, bool]:
    """Ask for what control asks for, for the rest of this process; returns what was permitted."""
    from ionward.runtime.role import PRIORITY, ask_fifo, lock_memory

    return {"fifo": ask_fifo(PRIORITY["control"]), "memory_locked": lock_memory()}


class Apart:
    """A measurement that goes on in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], seconds: float) -> None:
        self._process, self._seconds = process, seconds
        self._lateness: Lateness | None = None

    def lateness(self) -> Lateness | None:
        """Wait for the end of the measurement; None when it failed. The process is gone afterwards in any case."""
        if self._lateness is None:
            try:
                out, _ = self._process.communicate(timeout=self._seconds + START_S)
                self._lateness = Lateness(**json.loads(out))
            except (subprocess.TimeoutExpired, ValueError, TypeError):
                return None
            finally:
                self.stop()
        return self._lateness

    def result(self) -> dict[str, Any]:
        """As `lateness`, as plain values by name: None each when the measurement failed."""
        found = self.lateness()
        return asdict(found) if found else {field.name: None for field in fields(Lateness)}

    def stop(self) -> None:
        """End a measurement that is not wanted any more."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()


def measure_apart(period_s: float, seconds: float, fifo: bool = False) -> Apart:
    """Begin a measurement in a process of its own, so that it runs beside whatever the caller does.

    Raises:
        OSError: no process can be started.
    """
    arguments = ["--period-ms", f"{period_s * 1e3:g}", "--seconds", f"{seconds:g}", *(["--fifo"] if fifo else [])]
    process = subprocess.Popen(
        [sys.executable, "-m", "ionward.runtime.sleeper", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return Apart(process, seconds)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print, as a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m ionward.runtime.sleeper", description=__doc__)
    parser.add_argument("--period-ms", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--fifo", action="store_true", help="ask for real-time priority and locked memory")
    asked = parser.parse_args(arguments)
    if not (0.01 <= asked.period_ms <= 10_000 and 0 < asked.seconds <= 86_400):
        parser.error("--period-ms takes 0.01 to 10000, --seconds up to 86400")
    rights = ask_for_rights() if asked.fifo else {}
    found = lateness_figures(sleep_loop(asked.period_ms / 1e3, asked.seconds), asked.period_ms / 1e3)
    print(json.dumps(asdict(found) | rights), flush=True)


if __name__ == "__main__":
    gc.disable()
    main()
