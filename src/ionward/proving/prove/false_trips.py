"""False trips: a sound pack in ordinary use, with every sensor as wrong as its maker allows, must raise nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ionward.battery.system import System
from ionward.image.inputs import CHANNEL
from ionward.image.signals import LEVEL_WARNING, LEVELS
from ionward.proving.prove.cases import SEED
from ionward.proving.scenario import Scenario, built_in_scenario
from ionward.proving.simulation import Simulation
from ionward.twin.rows import SENSE

# Long cycles at a fast rate are shortened: so many ticks are enough.
TICKS_MAX = 360_000


@dataclass
class Drive:
    """One fault-free cycle and what was raised in it: `raised` are events of level warning or above."""

    cycle: str
    sensors: str
    simulated_s: float
    raised: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Nothing was raised."""
        return not self.raised

    def as_json(self) -> dict[str, Any]:
        """As `ionward prove --json` shows it."""
        return asdict(self)


def _made(name: str, duration_s: float, soc: float, purpose: str, per_hour: float, **start: float) -> Scenario:
    """Connected after a second; from 10 s on a current, as a part of the capacity for each hour, within the limits."""
    return Scenario.model_validate({
        "scenario": {"name": name, "duration_s": duration_s},
        "environment": {"ambient_c": 25.0},
        "start": {"soc": soc, **start},
        "command": [{"at_s": 1.0, "connect": True, "purpose": purpose}],
        "load": [{"at_s": 10.0, "unit": "C", "steps": [[0.0, per_hour]]}],
    })  # fmt: skip


CYCLES: tuple[Callable[[System], Scenario], ...] = (
    lambda system: built_in_scenario(system.system.profile),
    lambda _: _made("Rest, connected", 600.0, 0.6, "drive", 0.0),
    lambda _: _made("Charging until full, unbalanced", 1800.0, 0.85, "charge", 1.0, soc_spread=0.015),
    lambda _: _made("Discharging until empty", 1200.0, 0.15, "drive", -1.0),
)

PATTERNS = ("all high", "all low", "in turn high and low")


def mislead(plant: Any, system: System, pattern: str) -> None:
    """Give every sensor an error as large as its tolerance; two current sensors err to opposite sides in turn."""
    sensors = system.sensors

    def signs(count: int) -> Any:
        if pattern == "all high":
            return np.ones(count)
        if pattern == "all low":
            return -np.ones(count)
        return np.where(np.arange(count) % 2 == 0, 1.0, -1.0)

    for block, sensor in (
        (plant.cell_sensors, sensors.cell_voltage),
        (plant.temperature_sensors, sensors.temperature),
    ):
        block[SENSE.offset] = signs(block.shape[1]) * sensor.tolerance
    from ionward.image.build import CHANNEL_SENSORS

    of_channels = signs(len(CHANNEL_SENSORS))
    for name, of in CHANNEL_SENSORS.items():
        at = getattr(CHANNEL, name)
        plant.channel_sensors[SENSE.offset, at] = of_channels[at] * getattr(sensors, of).tolerance


def drives() -> list[tuple[int, str]]:
    """Every cycle with every pattern of errors."""
    return [(cycle, pattern) for cycle in range(len(CYCLES)) for pattern in PATTERNS]


def run_drive(system: System, which: tuple[int, str]) -> Drive:
    """One fault-free cycle."""
    cycle, pattern = which
    scenario = CYCLES[cycle](system)
    duration_s = min(scenario.scenario.duration_s, TICKS_MAX * system.cycle.period_s)
    scenario = scenario.shortened(duration_s).model_copy(update={"expect": []})
    simulation = Simulation(system, scenario, SEED, keep_traces=False)
    mislead(simulation.bench.plant, system, pattern)
    result = simulation.run()
    raised = [e for e in result.events if LEVELS.index(e["level"]) >= LEVEL_WARNING]
    return Drive(scenario.scenario.name, pattern, result.simulated_s, raised)
