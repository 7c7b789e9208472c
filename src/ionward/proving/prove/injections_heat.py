"""How faults of temperatures and of cooling are made to stand: cells, contacts, connectors, boards, coolant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ionward.battery.system import System
from ionward.image.inputs import CHANNEL
from ionward.proving.prove import quantities as q
from ionward.proving.prove.ground import (
    HEATING_K_PER_S,
    SLOW_K_PER_S,
    CannotStandError,
    Ground,
    Standing,
    heat,
    kept_w,
    lead_core,
)
from ionward.proving.prove.points import ALL, CONNECTED
from ionward.proving.prove.ways import LOADED, ROOM, Injection, fitted, modules, of, one_of, plain, sensors
from ionward.safety.rules_points import DEMAND_LEAST
from ionward.twin.fault_catalogue import CONNECTORS, CONTACTORS
from ionward.twin.rows import CELLS, COOLING_LIQUID, COOLING_NONE, KON, MOD, OUT, SET, STATE

# A rise that is judged as one is so many times as fast as its threshold.
RISE_FACTOR = 1.5
# Points are heated towards so many times the rise that it takes, so that it comes within a time constant.
BEYOND_FACTOR = 3.0
# A hot point cools while it is judged: it begins so much further beyond, against ambient.
COOLING_SHARE = 0.1
# GB 38031-2025: a thermal event is told within five minutes.
PROPAGATION_S = 300.0


def _module_creeps(g: Ground, sensor: int) -> Standing:
    stands, _ = g.beyond(g.sensor("temperature").tolerance)
    heat(g, g.cells_of_module(g.module_of(sensor)), g.sign * HEATING_K_PER_S)
    return Standing(q.SENSOR_C, sensor, stands, g.sign > 0)


def _module_creeps_under_load(g: Ground, sensor: int) -> Standing:
    g.ignore_limits()
    return _module_creeps(g, sensor)


def _module_jumps(g: Ground, sensor: int) -> Standing:
    """As if something burnt beside it: hot through and through, and heated for more than what cooling takes away."""
    stands, target = g.beyond(g.sensor("temperature").tolerance)
    cells, lost_w = g.cells_of_module(g.module_of(sensor)), kept_w(g.plant, target)
    heat(g, cells, HEATING_K_PER_S)
    g.plant.cells[CELLS.heat_w, cells] += lost_w
    g.plant.cells[CELLS.surface_c, cells] = target
    g.plant.cells[CELLS.core_c, cells] = target + lost_w / g.plant.settings[SET.core_surface_w_per_k]
    return Standing(q.SENSOR_C, sensor, stands)


def _module_jumps_under_load(g: Ground, sensor: int) -> Standing:
    g.ignore_limits()
    return _module_jumps(g, sensor)


def _part_of_module_heats(g: Ground, module: int) -> Standing:
    of = [k for k in range(g.system.topology.temperature_sensors) if g.module_of(k) == module]
    if len(of) < 2:
        raise CannotStandError("the module has no two temperature sensors")
    stands, _ = g.beyond(2 * g.sensor("temperature").tolerance)
    at = g.plant.temperature_at
    position = at[0, of] + at[2, of]
    cells = g.cells_of_module(module)
    nearest = np.abs(cells[:, None] - position[None, :]).argmin(axis=1)
    heat(g, cells[nearest == 0], HEATING_K_PER_S)
    return Standing(q.MODULE_SPREAD_K, module, stands)


def _temperatures_of_module_lost(g: Ground, module: int) -> Standing:
    of = [k for k in range(g.system.topology.temperature_sensors) if g.module_of(k) == module]
    if not of:
        raise CannotStandError("the module has no temperature sensor")
    for k in of:
        g.inject("sensor_lost", f"temperature {k}")
    return Standing()


def _one_place_hotter(g: Ground, sensor: int) -> Standing:
    """A module, or where there is only one the cells beside a sensor, warms slowly against the rest."""
    if g.system.topology.temperature_sensors < 2:
        raise CannotStandError("the pack has no two temperature sensors")
    stands, target = g.beyond(2 * g.sensor("temperature").tolerance)
    cells = g.cells_of_module(g.module_of(sensor))
    if len(cells) == g.system.series:
        cells = np.unique(g.plant.temperature_at[:2, sensor].astype(int))
    heat(g, cells, SLOW_K_PER_S)
    g.plant.cells[CELLS.heat_w, cells] += kept_w(g.plant, float(g.plant.temperature_truth.min()) + target)
    return Standing(q.PACK_SPREAD_K, 0, stands)


def _module_rises(g: Ground, sensor: int) -> Standing:
    cells = g.cells_of_module(g.module_of(sensor))
    rate_k_per_s = RISE_FACTOR * g.level.set
    heat(g, cells, rate_k_per_s)
    hottest_c = float(g.plant.cells[CELLS.surface_c, cells].max()) + rate_k_per_s * g.fault.ftti_s
    g.plant.cells[CELLS.heat_w, cells] += max(kept_w(g.plant, hottest_c), 0.0)
    lead_core(g.plant, cells, rate_k_per_s)
    return Standing()


def places_of_runaway(system: System) -> list[tuple[str, Any]]:
    """The cell beside a temperature sensor, for the first, middle and last of them."""
    return [(f"the cell beside {label}", k) for label, k in sensors(system)]


def _cell_runs_away(g: Ground, sensor: int) -> Standing:
    """The cell beside a sensor: counts from when the sensor's place is beyond the maximum."""
    _ignite(g, int(g.plant.temperature_at[0, sensor]))
    hottest_c = g.system.limits.discharge_temperature_max_c + g.sensor("temperature").tolerance
    return Standing(q.SENSOR_C, sensor, hottest_c)


def _cell_runs_away_from_trigger(g: Ground, sensor: int) -> Standing:
    _ignite(g, int(g.plant.temperature_at[0, sensor]))
    return Standing()


def _cell_runs_away_unseen(g: Ground, module: int) -> Standing:
    """The cell of the module that is farthest from any sensor."""
    at, cells = g.plant.temperature_at, g.cells_of_module(module)
    position = at[0] + at[2]
    distance = np.abs(cells[:, None] - position[None, :]).min(axis=1)
    _ignite(g, int(cells[distance.argmax()]))
    return Standing()


def _ignite(g: Ground, cell: int) -> None:
    g.inject("cell_burns", cell)


def _point_heats(kind: str, side: str, channel: int) -> Callable[[Ground, None], Standing]:
    """A contact or a connector with so much resistance that the current heats it beyond."""

    def make(g: Ground, _: Any) -> Standing:
        name = {"contactor_hot": f"contactor_{side}", "connector_hot": f"connector_{side}"}[kind]
        if not g.sensor(name).fitted:
            raise CannotStandError("its temperature is not measured")
        stands, target = g.beyond(g.sensor(name).tolerance)
        settings, state = g.plant.settings, g.plant.state
        rise = SET.contact_k_per_a2 if kind == "contactor_hot" else SET.joint_k_per_a2
        now_k = float(settings[rise]) * float(state[STATE.current_a]) ** 2
        needed_k = BEYOND_FACTOR * (target - float(state[STATE.ambient_c]))
        g.ignore_limits()
        g.ask_for(float(state[STATE.current_a]))
        place = f"main_{side}" if kind == "contactor_hot" else side
        g.inject(kind, place, needed_k / now_k)
        return Standing(q.CHANNEL_TRUTH, channel, stands)

    return make


def _point_is_hot(row: int, names: dict[str, int]) -> Callable[[Ground, str], Standing]:
    """A contact or a connector that is hot at once, as after an arc."""

    def make(g: Ground, name: str) -> Standing:
        stands, target = g.beyond(g.sensor(name).tolerance)
        side = name.rsplit("_", 1)[1]
        target += COOLING_SHARE * (target - float(g.plant.state[STATE.ambient_c]))
        g.plant.contactors[row, names[side]] = target
        return Standing(q.CHANNEL_TRUTH, getattr(CHANNEL, f"{name}_c"), stands)

    return make


SIDES = {"positive": CONTACTORS["main_positive"], "negative": CONTACTORS["main_negative"]}


def _board_heats(g: Ground, module: int) -> Standing:
    stands, target = g.beyond(g.sensor("balancing_board").tolerance)
    now_c = float(g.plant.modules[MOD.board_c, module])
    g.inject("board_hot", module, BEYOND_FACTOR * (target - now_c) / float(g.plant.settings[SET.board_k_per_w]))
    return Standing(q.CHANNEL_TRUTH, CHANNEL.balancing_board_c, stands)


def _coolant_hot(g: Ground, _: None) -> Standing:
    stands, target = g.beyond(g.sensor("coolant_inlet").tolerance)
    liquid = g.plant.settings[SET.cooling] == COOLING_LIQUID
    g.inject("coolant_hot" if liquid else "ambient_changes", None, target)
    return Standing(q.CHANNEL_TRUTH, CHANNEL.coolant_inlet_c, stands)


def _cooling_stops(g: Ground, _: None) -> Standing:
    cooling = g.plant.settings[SET.cooling]
    demand = g.plant.outputs[OUT.pump if cooling == COOLING_LIQUID else OUT.fan]
    if cooling == COOLING_NONE or demand < DEMAND_LEAST:
        raise CannotStandError("no cooling is demanded here")
    g.inject("cooling_lost")
    return Standing()


HEAT_INJECTIONS: tuple[Injection, ...] = (
    Injection("charge_overtemperature", "the module is heated while the charger ignores limits",
              _module_creeps_under_load, ("hot_charge",), sensors, ("fault",), wait_s=60.0),
    Injection("charge_overtemperature", "the module becomes hot at once while the charger ignores limits",
              _module_jumps_under_load, ("hot_charge",), sensors, ("critical",)),
    Injection("charge_undertemperature", "the module is chilled while the charger ignores limits",
              _module_creeps_under_load, ("cold_charge",), sensors, ("fault",), wait_s=60.0),
    Injection("discharge_overtemperature", "the module is heated while the load ignores limits",
              _module_creeps_under_load, ("hot_discharge",), sensors, ("fault",), wait_s=60.0),
    Injection("discharge_overtemperature", "the module becomes hot at once while the load ignores limits",
              _module_jumps_under_load, ("hot_discharge",), sensors, ("critical",)),
    Injection("discharge_undertemperature", "the module is chilled while the load ignores limits",
              _module_creeps_under_load, ("cold_discharge",), sensors, ("fault",), wait_s=60.0),
    Injection("overtemperature", "the module is heated", _module_creeps, ("standby", "rest", "discharge", "charge",
              "hot_discharge"), sensors, ("fault",), wait_s=90.0),
    Injection("overtemperature", "the module becomes hot at once, and hotter", _module_jumps, ALL, sensors,
              ("critical",)),
    Injection("undertemperature", "the module is chilled", _module_creeps, ("standby", "rest", "cold_discharge"),
              sensors, ("fault",), wait_s=90.0),
    Injection("temperature_disagreement", "the cells beside one sensor of the module are heated",
              _part_of_module_heats, ("standby", "rest", "discharge"), modules, wait_s=60.0),
    Injection("temperature_lost", "no more samples of the sensor", one_of("sensor_lost", "temperature"), ROOM,
              sensors),
    Injection("temperature_lost", "samples of the sensor without a value", one_of("sensor_nan", "temperature"),
              ("rest",), sensors),
    Injection("cell_temperature_unknown", "no more samples of the module's temperature sensors",
              _temperatures_of_module_lost, ROOM, modules),
    Injection("coolant_temperature_lost", "no more samples", plain("sensor_lost"), ROOM,
              fitted("coolant_inlet", "coolant_outlet", "ambient")),
    Injection("temperature_spread", "one place warms slowly against the rest", _one_place_hotter, ("standby", "rest",
              "discharge"), sensors, wait_s=900.0),
    Injection("temperature_rising_fast", "the module is heated", _module_rises, ALL, sensors),
    Injection("thermal_propagation", "a cell beside a temperature sensor runs away", _cell_runs_away, ALL,
              places_of_runaway, wait_s=PROPAGATION_S),
    Injection("thermal_propagation", "a cell beside a temperature sensor runs away: from the trigger",
              _cell_runs_away_from_trigger, ROOM, places_of_runaway, budget_s=PROPAGATION_S),
    Injection("thermal_propagation", "a cell as far from any temperature sensor as can be runs away: from the trigger",
              _cell_runs_away_unseen, ROOM, modules, budget_s=PROPAGATION_S),
    *(Injection(f"{part}_overtemperature", f"the {part} has too much resistance, and heats up under load",
                _point_heats(f"{part}_hot", side, getattr(CHANNEL, f"{part}_{side}_c")), LOADED, of(f"{part}_{side}"),
                ("fault",), wait_s=300.0)
      for part in ("contactor", "connector") for side in SIDES),
    Injection("contactor_overtemperature", "the contact is hot at once, as after an arc",
              _point_is_hot(KON.contact_c, SIDES), CONNECTED, fitted("contactor_positive", "contactor_negative"),
              ("critical",)),
    Injection("connector_overtemperature", "the connector is hot at once", _point_is_hot(KON.joint_c, CONNECTORS),
              CONNECTED, fitted("connector_positive", "connector_negative"), ("critical",)),
    Injection("balancing_board_overtemperature", "the board heats up", _board_heats, ROOM, modules, wait_s=600.0),
    Injection("coolant_overtemperature", "coolant, or the air that cools, comes in hot", _coolant_hot, ALL,
              of("coolant_inlet")),
    Injection("cooling_lost", "pump and fan stand still", _cooling_stops, ALL),
    Injection("point_temperature_lost", "no more samples", plain("sensor_lost"), ROOM,
              fitted("contactor_positive", "contactor_negative", "connector_positive", "connector_negative",
                     "balancing_board")),
    Injection("cooling_feedback_lost", "no more samples", plain("sensor_lost"), ROOM, fitted("cooling_feedback")),
)  # fmt: skip
