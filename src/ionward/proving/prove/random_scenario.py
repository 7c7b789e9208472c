"""Random scenarios: an operating profile, commands, and one to four faults of the battery. One number, one scenario."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ionward.battery.system import System
from ionward.image.build import CHANNEL_SENSORS, system_size
from ionward.image.inputs import CHANNEL
from ionward.twin.build import Start
from ionward.twin.fault_catalogue import CHANNEL_PLACES, FAULT_CATALOGUE, NAMED_PLACES, PlantFault

SHORTEST_S, LONGEST_S = 40.0, 160.0
FAULTS_MOST = 4
# Faults come when the pack has had time to connect; later ones while it may already have opened and closed again.
FIRST_FAULT_S = 4.0
GUARDED_EVERY = 25
GUARDED_LONGEST_S = 30.0
OBEYS, HEALS, CONNECTS_AT_ONCE, LIVE_BUS = 0.8, 0.5, 0.95, 0.1


class RandomFault(NamedTuple):
    """One fault: `for_s` None: it lasts to the end."""

    at_s: float
    for_s: float | None
    name: str
    place: int | str | None
    value: float | None

    def words(self) -> str:
        """As a person reads it."""
        text = f"{self.name.replace('_', ' ')}" + ("" if self.place is None else f" at {self.place}")
        text += "" if self.value is None else f" ({self.value:.4g})"
        return f"{text} at {self.at_s:.1f} s" + (" for good" if self.for_s is None else f" for {self.for_s:.1f} s")


class Wish(NamedTuple):
    """A person or a vehicle: connects, disconnects, acknowledges."""

    at_s: float
    connect: bool
    acknowledge: bool


@dataclass(frozen=True)
class RandomScenario:
    """Everything that happens."""

    number: int
    duration_s: float
    start: Start
    ambient_c: float
    load_obeys: bool
    charger_obeys: bool
    profile: Any
    wishes: tuple[Wish, ...]
    faults: tuple[RandomFault, ...]

    def habits(self) -> list[str]:
        """What load and charger do that they should not."""
        return [
            f"the {who} ignores limits"
            for who, obeys in (("load", self.load_obeys), ("charger", self.charger_obeys))
            if not obeys
        ]

    @property
    def guarded(self) -> bool:
        """Runs with the guard and the driver's enables in the loop."""
        return self.number % GUARDED_EVERY == GUARDED_EVERY - 1


def make_scenario(system: System, seed: int, number: int) -> RandomScenario:
    """Scenario `number` of a seed: the same in every process."""
    random = np.random.default_rng([seed, number])
    duration_s = float(random.uniform(SHORTEST_S, LONGEST_S))
    if number % GUARDED_EVERY == GUARDED_EVERY - 1:
        duration_s = min(duration_s, GUARDED_LONGEST_S)
    limits = system.limits
    temperature_c = float(random.choice([
        random.uniform(5.0, 40.0),
        random.uniform(limits.discharge_temperature_min_c, limits.discharge_temperature_max_c),
    ]))  # fmt: skip
    full_v = system.series * limits.cell_voltage_max_v
    start = Start(
        soc=float(random.uniform(0.02, 0.99)), soc_spread=float(random.uniform(0.0, 0.02)),
        temperature_c=temperature_c,
        bus_voltage_v=float(random.uniform(0, full_v) if random.random() < LIVE_BUS else 0),
    )  # fmt: skip
    return RandomScenario(
        number, duration_s, start, temperature_c,
        bool(random.random() < OBEYS), bool(random.random() < OBEYS),
        _profile(random, system, duration_s), _wishes(random, duration_s),
        tuple(sorted(random_fault(random, system, duration_s) for _ in range(random.integers(1, FAULTS_MOST + 1)))),
    )  # fmt: skip


def _profile(random: Any, system: System, duration_s: float) -> Any:
    times, amperes = [0.0, 3.0], [0.0, 0.0]
    while times[-1] < duration_s:
        times.append(times[-1] + float(random.uniform(1.0, 15.0)))
        amperes.append(float(random.choice([
            0.0,
            random.uniform(-system.limits.discharge_current_pulse_a, system.limits.charge_current_pulse_a),
            random.uniform(-0.5, 0.5) * system.limits.charge_current_max_a,
        ])))  # fmt: skip
    return np.array([times, amperes])


def _wishes(random: Any, duration_s: float) -> tuple[Wish, ...]:
    """Connect; then now and then disconnect and acknowledge, and connect again: somebody who does not give up."""
    wishes = [Wish(1.0 if random.random() < CONNECTS_AT_ONCE else float(random.uniform(1.0, 20.0)), True, False)]
    at_s = wishes[0].at_s
    while True:
        at_s += float(random.uniform(8.0, 40.0))
        if at_s >= duration_s:
            return tuple(wishes)
        wishes.append(Wish(at_s, False, bool(random.random() < 0.9)))
        at_s += float(random.uniform(0.05, 4.0))
        wishes.append(Wish(at_s, True, bool(random.random() < 0.1)))


def random_fault(random: Any, system: System, duration_s: float) -> RandomFault:
    """One fault of the catalogue, at a random place, time and strength."""
    at_s = float(random.uniform(FIRST_FAULT_S if random.random() < 0.9 else 0.0, max(0.8 * duration_s, 5.0)))
    for_s = float(random.uniform(0.1, 40.0)) if random.random() < HEALS else None
    while True:
        row = FAULT_CATALOGUE[int(random.integers(len(FAULT_CATALOGUE)))]
        places = _places(row, system)
        if not places:
            continue
        place = places[int(random.integers(len(places)))]
        return RandomFault(at_s, for_s, row.name, place, _value(random, row, place, system))


def _places(row: PlantFault, system: System) -> list[int | str | None]:
    size = system_size(system)
    if row.place == "pack":
        return [None]
    if row.place == "cell":
        return list(range(size.cells))
    if row.place == "module":
        return list(range(size.modules))
    if row.place in NAMED_PLACES:
        switched = system.contactors.fitted or row.place == "connector"
        fitted = switched and (row.name != "feedback_stuck" or system.sensors.contactor_feedback.fitted)
        return list(NAMED_PLACES[row.place]) if fitted else []
    of = {getattr(CHANNEL, channel): sensor for channel, sensor in CHANNEL_SENSORS.items()}
    # Every channel as often as one cell and one temperature sensor together: what there is once matters most.
    places: list[int | str | None] = []
    for name, at in CHANNEL_PLACES.items():
        if getattr(system.sensors, of[at]).fitted:
            places += [name, name]
    cells = [f"cell_voltage {k}" for k in range(size.cells)]
    warm = [f"temperature {k}" for k in range(system.topology.temperature_sensors)]
    share = max(1, len(places))
    return [*places, *cells[:: max(1, len(cells) // share)], *warm[:: max(1, len(warm) // share)]]


def _log(random: Any, low: float, high: float) -> float:
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


_OF_CURRENT: dict[str, Callable[[Any, System], float]] = {
    "cell_internal_short": lambda r, _: _log(r, 0.001, 10.0),
    "cell_self_discharge": lambda r, _: _log(r, 0.1, 100.0),
    "cell_soc": lambda r, _: float(r.uniform(-0.1, 1.3)),
    "cell_temperature": lambda r, _: float(r.uniform(-40.0, 130.0)),
    "cell_weak_capacity": lambda r, _: float(r.uniform(0.05, 1.0)),
    "cell_high_resistance": lambda r, _: _log(r, 1.0, 50.0),
    "high_resistance_joint": lambda r, _: _log(r, 1e-4, 0.05),
    "thermal_runaway": lambda r, s: _log(r, 100.0, 1e4) * s.topology.cells_in_parallel / 46.0,
    "sense_wire_open": lambda r, _: float(r.uniform(0.01, 1.0)),
    "contactor_chatters": lambda r, _: _log(r, 0.02, 2.0),
    "contactor_slow": lambda r, _: _log(r, 0.005, 2.0),
    "afe_crc": lambda r, _: float(r.uniform(0.0, 1.0)),
    "afe_sequence": lambda r, _: float(r.uniform(0.0, 1.0)),
    "contactor_hot": lambda r, _: _log(r, 1.0, 1000.0),
    "connector_hot": lambda r, _: _log(r, 1.0, 1000.0),
    "board_hot": lambda r, _: _log(r, 1.0, 100.0),
    "precharge_resistor_low": lambda r, s: float(r.uniform(0.01, 1.0) * s.precharge.resistance_ohm),
    "dc_link_missing": lambda r, _: float(r.uniform(0.0, 1.0)),
    "foreign_source": lambda r, s: float(s.series * s.limits.cell_voltage_max_v * r.uniform(0.2, 1.5)),
    "insulation_creeps": lambda r, _: _log(r, 1.0, 300.0),
    "contact_burns": lambda r, s: _log(r, 1e-3, 1.0) * s.series * 4.0 / 400.0,
    "feedback_stuck": lambda r, _: float(r.integers(2)),
    "bus_short": lambda r, s: _log(r, 1e-3, 1.0) * s.series / 96.0,
    "bus_load": lambda r, _: _log(r, 1.0, 1000.0),
    "charger_runs_away": lambda r, s: float(s.series * s.limits.cell_voltage_max_v * r.uniform(0.9, 1.2)),
    "unwanted_current": lambda r, s: float(r.uniform(-3.0, 1.5) * s.limits.discharge_current_pulse_a),
    "coolant_hot": lambda r, _: float(r.uniform(-30.0, 95.0)),
    "ambient_changes": lambda r, _: float(r.uniform(-40.0, 60.0)),
    "insulation_drop": lambda r, _: _log(r, 10.0, 1e6),
}  # fmt: skip


def _value(random: Any, row: PlantFault, place: int | str | None, system: System) -> float | None:
    if not row.takes_value:
        return None
    if row.name in _OF_CURRENT:
        return _OF_CURRENT[row.name](random, system)
    if row.place == "sensor":
        return _sensor_value(random, row.name, str(place).split(" ")[0], system)
    return row.default


def _sensor_value(random: Any, kind: str, place: str, system: System) -> float:
    sensor = getattr(system.sensors, place, None) or getattr(system.sensors, CHANNEL_SENSORS[f"{place}_closed"])
    sign = float(random.choice([-1.0, 1.0]))
    if kind == "sensor_stuck":
        return float(random.uniform(sensor.low, sensor.high))
    if kind == "sensor_gain":
        return float(random.uniform(0.0, 2.0))
    size = _log(random, 0.3, 300.0) * max(float(sensor.tolerance), 0.01)
    if kind == "sensor_noise":
        return size
    return sign * size * (0.1 if kind == "sensor_drift" else 1.0)
