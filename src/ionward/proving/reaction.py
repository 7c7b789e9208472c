"""Reaction time through the real processes: raw samples of a fault in, contactor coils off or pyrofuse fired.

A test rig (`runtime.rig`) stands where the battery would be; driver, control and guard are the processes of a run.
Beside it runs a bare sleeper: a process that only sleeps to the next period, without any rights.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ionward.battery.system import System
from ionward.errors import UserError
from ionward.image.blocks import Block
from ionward.image.build import build_parameters
from ionward.image.exchange import HEALTH_RECORD
from ionward.image.fault_levels import ftti_s, resolved_levels
from ionward.image.faults import BY_ID, Level
from ionward.image.summary import applies
from ionward.proving.live import live_plan
from ionward.runtime.live_folder import write_live_folder
from ionward.runtime.plan import live_root
from ionward.runtime.rig import RIG_BLOCK, RIG_SLOTS
from ionward.runtime.role import PERMITTED, bin_end_s, health_block
from ionward.runtime.sleeper import Lateness, measure_apart
from ionward.runtime.supervisor import Supervisor, make_live_folder

ROLES = ("io", "control", "guard")
START_WAIT_S = 60.0
LOOK_S = 0.05


OVERCURRENT = "discharge_overcurrent_pulse"
# The ten faults that matter most, each with what the rig does to the samples (`runtime.rig`).
KINDS = {
    "cell_overvoltage": "cell",
    "cell_undervoltage": "cell",
    "overtemperature": "temperature",
    "charge_overcurrent_pulse": "current",
    OVERCURRENT: "current",
    "short_circuit": "current",
    "hvil_open": "hvil_closed",
    "crash": "crash",
    "current_lost": "silent current",
    "cell_voltage_lost": "silent cells",
}
BEYOND = {"V": 0.05, "°C": 2.0}  # so far beyond what opens; currents a tenth of it


@dataclass(frozen=True)
class OfFault:
    """Reactions to one fault in seconds, one for each trial; infinite where none came."""

    fault: str
    reactions_s: np.ndarray[tuple[int], np.dtype[np.float64]]
    debounce_s: float
    budget_s: float

    def quantile_ms(self, q: float) -> float | None:
        """Of the reactions, in milliseconds; None: none came."""
        ms = 1000.0 * np.sort(self.reactions_s)
        value = float(ms[min(math.ceil(q * len(ms)) - 1, len(ms) - 1)]) if len(ms) else math.inf
        return round(value, 3) if math.isfinite(value) else None

    def as_json(self) -> dict[str, Any]:
        """One entry of `faults`."""
        largest = self.quantile_ms(1.0)
        return {
            "fault": self.fault,
            "requirement": BY_ID[self.fault].requirement,
            **self.figures(),
            "budget_ms": round(1000.0 * self.budget_s, 3),
            "within_budget": bool(largest is not None and largest <= 1000.0 * self.budget_s),
        }

    def figures(self) -> dict[str, Any]:
        """Quantiles, and what they are to be compared with."""
        quantiles = {"p50_ms": 0.5, "p99_ms": 0.99, "p999_ms": 0.999, "max_ms": 1.0}
        return {
            **{name: self.quantile_ms(q) for name, q in quantiles.items()},
            "n": len(self.reactions_s),
            "missed": int(np.isinf(self.reactions_s).sum()),
            "debounce_ms": round(1000.0 * self.debounce_s, 3),
        }


@dataclass
class Reaction:
    """What was measured. The figures of the overcurrent stand at the top, or of the only fault."""

    faults: list[OfFault]
    cycle_s: float
    fifo: bool
    health: dict[str, dict[str, float]]
    bare_sleeper: Lateness | None
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """The object of `ionward bench reaction --json`."""
        first = next((f for f in self.faults if f.fault == OVERCURRENT), self.faults[0])
        return {
            **first.figures(),
            "cycle_ms": 1000.0 * self.cycle_s,
            "fifo": self.fifo,
            "seconds": self.seconds,
            "bare_sleeper_max_ms": None if self.bare_sleeper is None else round(self.bare_sleeper.max_ms, 3),
            "bare_sleeper": None if self.bare_sleeper is None else asdict(self.bare_sleeper),
            "processes": self.health,
            "faults": [f.as_json() for f in self.faults],
        }


def measure_reaction(
    system: System,
    seconds: float,
    progress: Callable[[float, int], None] = lambda _s, _n: None,
    faults: Sequence[str] = (OVERCURRENT,),
) -> Reaction:
    """Run the rig for some seconds.

    Args:
        system: the pack whose ladder, sizes, limits and cycle count.
        seconds: how long to measure.
        progress: hears seconds and trials so far.
        faults: of `KINDS`, in turn; those that this pack cannot see are left out.

    Raises:
        UserError: the processes do not come up.
    """
    trials = [trial_of(fault, system) for fault in faults if applies(BY_ID[fault], system)]
    root = live_root()
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=root) as made:
        folder = Path(made)
        make_live_folder(folder)
        supervisor = Supervisor(folder, folder / "log")
        try:
            supervisor.start(["control"])
            supervisor.start(["io"])
            plan = replace(
                live_plan(system),
                state_dir=str(folder / "state"),
                driver="rig",
                watchdog="",
                simulated=False,
                roles=ROLES,
                trials=tuple(trials),
            )
            Block.create(folder / RIG_BLOCK, RIG_SLOTS, 2)
            write_live_folder(folder, plan, build_parameters(system))
            supervisor.start(["guard"])
            return _measure(supervisor, folder, system, seconds, progress, [t["fault"] for t in trials])
        finally:
            supervisor.end()


def trial_of(fault: str, system: System) -> dict[str, Any]:
    """What the rig does for a fault in this pack: beyond the highest level in use, short of the next graver fault."""
    kind, row = KINDS[fault], BY_ID[fault]
    sign = 1.0 if row.direction == "above" else -1.0
    at = _gravest(fault, system).set
    if kind == "current":
        value = 1.1 * at * (-1.0 if fault in (OVERCURRENT, "short_circuit") else 1.0)
    elif kind == "silent cells":
        value = float(system.topology.cells_per_module)
    elif kind in ("cell", "temperature"):
        value = at + sign * BEYOND[row.unit]
    else:  # a channel, or silence
        value = 1.0 if row.direction == "above" else 0.0
    return {"fault": fault, "kind": kind, "value": value}


def _gravest(fault: str, system: System) -> Level:
    return next(level for level in reversed(resolved_levels(BY_ID[fault], system)) if level is not None)


def _debounce_s(fault: str, system: System) -> float:
    """What the ladder waits before it opens, with a sample of the rig in every cycle."""
    level = _gravest(fault, system)
    return max(level.delay_s, (level.delay_samples - 1) * system.cycle.period_s)


def at_cycle(system: System, cycle_s: float) -> System:
    """The same pack at another cycle; the slow stages keep their pace in seconds."""
    own = system.cycle
    ratio = own.period_s / cycle_s
    cycle = own.model_copy(
        update={
            "period_s": cycle_s,
            "estimate_every": max(1, round(own.estimate_every * ratio)),
            "slow_every": max(3, round(own.slow_every * ratio)),
        }
    )
    return system.model_copy(update={"cycle": cycle})


def _measure(
    supervisor: Supervisor,
    folder: Path,
    system: System,
    seconds: float,
    progress: Callable[[float, int], None],
    faults: list[str],
) -> Reaction:
    block = Block.reader(folder / RIG_BLOCK)
    _await_first(supervisor, block)
    first, began_s = block.count, time.monotonic()
    sleeper = measure_apart(system.cycle.period_s, seconds)
    while (elapsed_s := time.monotonic() - began_s) < seconds:
        supervisor.step(time.monotonic())
        progress(elapsed_s, block.count - first)
        time.sleep(LOOK_S)
    last = min(block.count, first + RIG_SLOTS)
    slot = np.zeros(2)
    values: list[list[float]] = [[] for _ in faults]
    for number in range(first + 1, last + 1):
        if block.read(number, slot):
            values[int(slot[0])].append(float(slot[1]))
    health = {role: _health(folder, role) for role in ROLES}
    fifo = all(h["fifo"] == PERMITTED for h in health.values())
    return Reaction(
        faults=[
            OfFault(fault, np.array(times), _debounce_s(fault, system), ftti_s(BY_ID[fault], system))
            for fault, times in zip(faults, values, strict=True)
        ],
        cycle_s=system.cycle.period_s,
        fifo=fifo,
        health=health,
        bare_sleeper=sleeper.lateness(),
        seconds=round(elapsed_s, 1),
    )


def _await_first(supervisor: Supervisor, block: Block) -> None:
    until_s = time.monotonic() + START_WAIT_S
    while block.count == 0:
        supervisor.step(time.monotonic())
        if supervisor.messages or time.monotonic() > until_s:
            why = supervisor.messages[-1] if supervisor.messages else "no contactor was closed"
            raise UserError(f"the test rig does not come up: {why}")
        time.sleep(LOOK_S)


def _health(folder: Path, role: str) -> dict[str, float]:
    """Cycles, overruns and lateness of one process."""
    record = np.zeros(1, HEALTH_RECORD)
    Block.reader(folder / health_block(role)).latest(record.view(np.int64))
    h = record[0]
    out: dict[str, float] = {name: int(h[name]) for name in ("cycles", "overruns_own", "overruns_late", "fifo")}
    out |= {f"{name}_ms": round(1000.0 * float(h[f"{name}_s"]), 3) for name in ("lateness_max", "cycle_max")}
    for q in (0.5, 0.99, 0.999):
        for kind in ("late", "took"):
            counts = np.array([h[f"{kind}_{k}"] for k in range(48)])
            at = int(np.searchsorted(np.cumsum(counts), q * counts.sum()))
            out[f"{kind}_p{1000 * q:g}_ms"] = round(1000.0 * bin_end_s(min(at, 47)), 3)
    return out
