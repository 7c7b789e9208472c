"""The plan of a run: what the supervisor tells every process, as a file in the live folder.

Light on purpose: the guard reads it without loading what a description of a pack needs.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ionward.image.layout import Size

PLAN_FILE = "plan.json"
PARAMETERS_FILE = "parameters.npz"
PLANT_FILE = "plant.npz"
BATTERY_FILE = "battery.bin"


@dataclass(frozen=True)
class Plan:
    """One run of one pack.

    `system` is the complete description (`System.as_dict`), `guard` the guard's own table, `source` what the samples
    come from in words, `scenario` and `captures` files that the driver's process reads, `roles` the processes.
    `timeline` is what the vehicle and the world do in a scenario, in order: `at_s`, `kind` (command, inject or end) and
    its values; `scenario_s` its length, after which it begins again where `repeat` is set. `table_sums` are checksums
    over slices of the parameters (`image.tables`), `watchdog` the hardware watchdog's device (`runtime.watchdog`).
    `trials` is what a test rig does to the samples, in turn: `kind` and `value` (`runtime.rig`).
    """

    name: str
    system: dict[str, Any]
    size: Size
    cycle_s: float
    state_dir: str
    source: str = "simulated battery"
    simulated: bool = True
    driver: str = "twin"  # twin, captures or rig
    scenario: str = ""
    scenario_s: float = 0.0
    repeat: bool = True
    timeline: tuple[dict[str, Any], ...] = ()
    captures: tuple[str, ...] = ()
    mapping: tuple[str, ...] = ()
    seed: int = 1
    start: dict[str, Any] = field(default_factory=dict)  # of the recording: inputs that are missing
    started_wall_s: float = 0.0
    started_monotonic_s: float = 0.0
    http_host: str = "127.0.0.1"
    http_port: int = 8080
    http_names: tuple[str, ...] = ()
    dashboard: bool = True
    roles: tuple[str, ...] = ()
    guard: dict[str, Any] = field(default_factory=dict)
    table_sums: tuple[int, ...] = ()
    watchdog: str = ""
    watchdog_timeout_s: float = 5.0
    enable_expiry_s: float = 0.06
    realtime: bool = True
    connect: bool = False
    trials: tuple[dict[str, Any], ...] = ()  # of the test rig (`runtime.rig`)
    notes: tuple[str, ...] = ()

    @property
    def driver_role(self) -> str:
        """Name of the process that owns the devices."""
        return "plant" if self.simulated else "io"

    def save(self, live_folder: Path) -> None:
        """Write it, whole or not at all."""
        values = asdict(self) | {"size": list(self.size)}
        temporary = live_folder / (PLAN_FILE + ".new")
        temporary.write_text(json.dumps(values), encoding="utf-8")
        temporary.rename(live_folder / PLAN_FILE)


def load_plan(live_folder: Path | str) -> Plan:
    """Read the plan of a live folder.

    Raises:
        FileNotFoundError: there is none (yet).
    """
    values = json.loads((Path(live_folder) / PLAN_FILE).read_text(encoding="utf-8"))
    values["size"] = Size(*(int(n) for n in values["size"]))
    for name in ("captures", "mapping", "roles", "notes", "timeline", "http_names", "table_sums", "trials"):
        values[name] = tuple(values[name])
    return Plan(**values)


def live_root() -> Path:
    """Where live folders are made: memory where there is some, so that no disk is in the way."""
    shm = Path("/dev/shm")
    base = shm if shm.is_dir() and os.access(shm, os.W_OK) else Path(os.environ.get("TMPDIR", "/tmp"))
    return base / f"ionward-{os.getuid()}"


def live_folder_of(state_dir: Path) -> Path:
    """The live folder that belongs to a state folder: the same one after a restart, so that memory outlives a crash."""
    import hashlib

    key = hashlib.sha256(str(state_dir.resolve()).encode()).hexdigest()[:16]
    return live_root() / key
