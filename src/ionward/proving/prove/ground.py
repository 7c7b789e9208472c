"""What an injection works with: the test stand at its operating point, and the fault's ladder as this pack has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ionward.battery.sensors import Sensor
from ionward.battery.system import System
from ionward.image.faults import Fault, Level
from ionward.image.parameters import SENSORP
from ionward.proving.prove import quantities as q
from ionward.proving.prove.points import NEVER_S, Point
from ionward.proving.prove.stand import Bench
from ionward.twin import cells as electric
from ionward.twin.faults import inject
from ionward.twin.rows import CELLS, SET, STATE

# What is injected goes beyond the threshold by this share of the distance between set and clear.
MARGIN_SHARE = 0.1
# Heating and chilling from outside, as fast as a short or a fire beside a module does at first.
HEATING_K_PER_S = 2.0
# So slowly that no rule on the rate of rise is concerned.
SLOW_K_PER_S = 0.12
BISECTIONS = 60
# Polarisation against the target is taken so much larger: it still grows while the fault is being judged.
GROWING = 1.5
SOC_LOW, SOC_HIGH = -2.0, 6.0


class CannotStandError(Exception):
    """The fault cannot physically stand here; the text says why."""


class Standing(NamedTuple):
    """By which true quantity the fault stands, and beyond which value. `q.NOW`: from the injection on."""

    kind: int = q.NOW
    item: int = 0
    threshold: float = 0.0
    above: bool = True


@dataclass(frozen=True)
class Ground:
    """One case about to begin."""

    bench: Bench
    system: System
    point: Point
    fault: Fault
    level: Level

    @property
    def plant(self) -> Any:
        """The battery: the only thing that an injection may change, besides the wish to connect."""
        return self.bench.plant

    @property
    def sign(self) -> float:
        """1 when values above are bad."""
        return 1.0 if self.fault.direction == "above" else -1.0

    @property
    def margin(self) -> float:
        """How far beyond, to be no matter of a last digit."""
        return MARGIN_SHARE * abs(self.level.set - self.level.clear) or MARGIN_SHARE * abs(self.level.set)

    def beyond(self, tolerance: float) -> tuple[float, float]:
        """From where on the fault stands whatever the sensor's error, and a value that is a little beyond that."""
        stands = self.level.set + self.sign * tolerance
        return stands, stands + self.sign * (self.margin + 0.5 * tolerance)

    def inject(self, name: str, place: int | str | None = None, value: float | None = None) -> None:
        """A fault of the simulated battery."""
        inject(self.plant, name, place, value)

    def wish(self, connect: bool) -> None:
        """What the vehicle or the operator wants."""
        self.bench.command["connect"] = int(connect)

    def ignore_limits(self) -> None:
        """Load and charger take and give what they like."""
        self.plant.settings[[SET.load_obeys, SET.charger_obeys]] = 0.0

    def ask_for(self, amperes: float) -> None:
        """Load and charger ask for another current from now on, positive charging."""
        self.ask_for_course([0.0], [amperes])

    def ask_for_course(self, times_s: list[float], amperes: list[float]) -> None:
        """A course of currents, each from its time on; at most `points.COURSE_MOST` of them."""
        profile = self.plant.profile
        profile[0], profile[1] = NEVER_S, 0.0
        profile[0, : len(times_s)], profile[1, : len(amperes)] = times_s, amperes
        self.plant.state[STATE.profile_next] = 0

    def sensor(self, name: str) -> Sensor:
        """A sensor of the description."""
        found: Sensor = getattr(self.system.sensors, name)
        return found

    def module_of(self, sensor: int) -> int:
        """Module of a temperature sensor."""
        return int(self.bench.stand.parameters.sensors[SENSORP.module, sensor])

    def cells_of_module(self, module: int) -> Any:
        """Cells of a module."""
        return np.flatnonzero(self.plant.cells[CELLS.module] == module)


def drive_cell_voltage(ground: Ground, cell: int, target_v: float, above: bool) -> None:
    """Give a cell the charge at which its voltage is the target, now and when the current has gone.

    What current and polarisation add in the target's direction does not count, for it goes away; what they take away
    counts for more than it is, for it still grows.
    """
    plant, cells = ground.plant, ground.plant.cells
    worse = min if above else max
    current_a = worse(float(plant.state[STATE.current_a]), 0.0)
    faded_v = GROWING * worse(float(cells[CELLS.v1_v, cell] + cells[CELLS.v2_v, cell]), 0.0)
    instant_v = float(plant.settings[SET.hysteresis_instant_v]) * (-1.0 if above else 1.0)
    low, high = SOC_LOW, SOC_HIGH
    for _ in range(BISECTIONS):
        soc = 0.5 * (low + high)
        cells[CELLS.soc, cell] = soc
        electric.refresh(cells, plant.table, plant.settings, cell, 1)
        hysteresis_v = cells[CELLS.hysteresis_v, cell] * cells[CELLS.hysteresis, cell]
        emf_v = cells[CELLS.ocv_v, cell] + hysteresis_v + instant_v + faded_v
        voltage_v = (emf_v + cells[CELLS.r0_ohm, cell] * current_a) * cells[CELLS.divider, cell]
        if voltage_v < target_v:
            low = soc
        else:
            high = soc


def heat(ground: Ground, cells: Any, kelvin_per_s: float) -> None:
    """Heat (or, negative, chill) cells from outside, steadily."""
    settings = ground.plant.settings
    capacity_j_per_k = settings[SET.core_j_per_k] + settings[SET.surface_j_per_k]
    ground.plant.cells[CELLS.heat_w, cells] = kelvin_per_s * capacity_j_per_k


def lead_core(plant: Any, cells: Any, kelvin_per_s: float) -> None:
    """Heated through and through already: the cells' surface rises as fast as their core from the first moment on."""
    settings = plant.settings
    lead_k = kelvin_per_s * settings[SET.surface_j_per_k] / settings[SET.core_surface_w_per_k]
    plant.cells[CELLS.core_c, cells] = plant.cells[CELLS.surface_c, cells] + lead_k


def kept_w(plant: Any, target_c: float) -> float:
    """What cooling takes away from a cell at a temperature: so much more heat keeps it there."""
    settings, state = plant.settings, plant.state
    coldest_c = min(state[STATE.ambient_c], state[STATE.coolant_inlet_c])
    return float((settings[SET.ambient_w_per_k] + settings[SET.coolant_w_per_k]) * (target_c - coldest_c))


def first_middle_last(count: int, word: str) -> list[tuple[str, int]]:
    """Places out of many alike."""
    return [(f"{word} {k}", k) for k in sorted({0, count // 2, count - 1}) if 0 <= k < count]
