"""Operating points: what the pack does when a fault comes. Each is prepared once, and put back for each case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ionward.battery.system import System
from ionward.image.faults import FAULTS
from ionward.image.signals import FAULT, LEVEL_INFO, STATE_CONNECTED, STATE_PRECHARGE, STATE_STANDBY, STATES
from ionward.proving.prove.stand import Bench
from ionward.twin.build import Start
from ionward.twin.rows import KON, PRECHARGE, STATE

# The wish to connect comes when every sensor has had its say; the current when everybody knows of the connection.
WISH_S = 1.0
CONNECT_MAX_S = 60.0
AFTER_CONNECTING_S = 1.5
# Long enough for steady currents to be compared, and for the load to have heard of the limits.
SETTLE_S = 2.5
SETTLE_SAMPLES = 5
PRECHARGE_SHARE = 0.3
ROOM_C = 25.0
# A pack stands so far inside of the wall that it is prepared at.
WALL_K = 2.0
SMALL_SHARE = 0.1
# Courses of currents have so many points at most; those that are not used never come.
COURSE_MOST, NEVER_S = 128, 1e9


@dataclass(frozen=True)
class Point:
    """One operating point. `amperes` is what load and charger ask for, positive charging: the BMS may allow less."""

    name: str
    words: str
    state: int = STATE_CONNECTED
    soc: float = 0.6
    temperature_c: Callable[[System], float] = lambda _: ROOM_C
    amperes: Callable[[System], float] = lambda _: 0.0


def _charging(share: float) -> Callable[[System], float]:
    return lambda system: share * system.limits.charge_current_max_a


def _discharging(share: float) -> Callable[[System], float]:
    return lambda system: -share * system.limits.discharge_current_max_a


POINTS: tuple[Point, ...] = (
    Point("standby", "contactors open, no connection asked for", STATE_STANDBY),
    Point("precharge", "the bus is being charged over the precharge resistor", STATE_PRECHARGE),
    Point("rest", "connected, no current"),
    Point("charge", "charging with half of the rated current", amperes=_charging(0.5)),
    Point("discharge", "discharging with half of the rated current", amperes=_discharging(0.5)),
    Point("near_full", "charging near full", soc=0.97, amperes=_charging(1.0)),
    Point("near_empty", "discharging near empty", soc=0.06, amperes=_discharging(1.0)),
    Point("hot_charge", "charging, two kelvin below the hottest permitted temperature",
          temperature_c=lambda s: s.limits.charge_temperature_max_c - WALL_K, amperes=_charging(SMALL_SHARE)),
    Point("hot_discharge", "discharging, two kelvin below the hottest permitted temperature",
          temperature_c=lambda s: s.limits.discharge_temperature_max_c - WALL_K, amperes=_discharging(SMALL_SHARE)),
    Point("cold_charge", "charging, two kelvin above the coldest permitted temperature",
          temperature_c=lambda s: s.limits.charge_temperature_min_c + WALL_K, amperes=_charging(SMALL_SHARE)),
    Point("cold_discharge", "discharging, two kelvin above the coldest permitted temperature",
          temperature_c=lambda s: s.limits.discharge_temperature_min_c + WALL_K, amperes=_discharging(SMALL_SHARE)),
)  # fmt: skip
BY_NAME = {point.name: point for point in POINTS}
CONNECTED = tuple(p.name for p in POINTS if p.state == STATE_CONNECTED)
ALL = tuple(BY_NAME)


class NotReachedError(Exception):
    """This pack cannot be brought to an operating point; the text says why."""


class Prepared:
    """A test stand that stands at an operating point, whenever it is put back."""

    def __init__(self, system: System, parameters: Any, point: Point, seed: int) -> None:
        """Bring the pack there.

        Raises:
            NotReachedError: it does not get there, or faults stand there already.
        """
        self.system, self.point = system, point
        self.asked_a = point.amperes(system)
        temperature_c = point.temperature_c(system)
        start = Start(soc=point.soc, soc_spread=0.002, temperature_c=temperature_c, temperature_spread_k=0.1)
        profile = np.zeros((2, COURSE_MOST))
        profile[0, 1:] = NEVER_S
        self.bench = Bench(system, parameters, start, seed, temperature_c, profile)
        self._reach()
        self._kept = self.bench.keep()

    def fresh(self) -> Bench:
        """The test stand, put back to the operating point."""
        self.bench.put_back(self._kept)
        return self.bench

    def _reach(self) -> None:
        bench, point = self.bench, self.point
        s = bench.bms.image.scalars[0]
        bench.run(WISH_S)
        if self.system.contactors.fitted:
            if point.state == STATE_PRECHARGE and not self.system.precharge.fitted:
                raise NotReachedError("the pack has no precharge path")
        elif point.state != STATE_CONNECTED:
            raise NotReachedError("the pack does not switch its own contactors")
        if point.state != STATE_STANDBY and self.system.contactors.fitted:
            self._wait_for(point.state)
        if point.state == STATE_CONNECTED:
            bench.run(AFTER_CONNECTING_S)
            at_s = bench.time_s
            bench.plant.profile[:, 0] = at_s, self.asked_a
            bench.plant.state[STATE.profile_next] = 0
        if point.state != STATE_PRECHARGE:
            sensors = self.system.sensors
            slowest_s = max(sensors.cell_voltage.period_s, sensors.temperature.period_s, sensors.current.period_s)
            bench.run(SETTLE_S + SETTLE_SAMPLES * slowest_s)
        standing = np.flatnonzero(bench.bms.image.faults[FAULT.level] >= LEVEL_INFO)
        if len(standing):
            raise NotReachedError(f"{FAULTS[standing[0]].id} stands there already")
        if int(s["state"]) != point.state and self.system.contactors.fitted:
            raise NotReachedError(f"the BMS is in the state {STATES[int(s['state'])]} there")

    def _wait_for(self, state: int) -> None:
        bench = self.bench
        s, plant = bench.bms.image.scalars[0], bench.plant
        bench.command["connect"] = 1
        bench.command["purpose"] = 1 if self.asked_a > 0 else 0
        for _ in range(bench.ticks(CONNECT_MAX_S)):
            bench.run(bench.cycle_s)
            if state == STATE_PRECHARGE:
                share = plant.state[STATE.bus_voltage_v] / max(plant.state[STATE.pack_voltage_v], 1e-9)
                if plant.contactors[KON.closed, PRECHARGE] > 0 and share >= PRECHARGE_SHARE:
                    return
            elif int(s["state"]) == state:
                return
        raise NotReachedError(f"the BMS does not come to the state {STATES[state]} within {CONNECT_MAX_S:g} s")
