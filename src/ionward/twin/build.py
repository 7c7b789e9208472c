"""From the description of a pack to its simulated battery: nominal values, spread between cells, start state."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from ionward.battery.part import Fraction, NotNegative, Positive, SystemPart
from ionward.battery.sensors import Sensor
from ionward.battery.system import System
from ionward.image.build import CHANNEL_SENSORS, sensor_positions, system_size
from ionward.image.inputs import CHANNEL, CHANNELS
from ionward.twin import cells as electric
from ionward.twin.noise import new_generator, normal_quantiles
from ionward.twin.plant import Plant
from ionward.twin.rows import (
    CELLS,
    COOLING_AIR,
    COOLING_LIQUID,
    COOLING_NONE,
    KON,
    MAIN_NEGATIVE,
    MAIN_POSITIVE,
    MOD,
    OUT,
    SENSE,
    SET,
    STATE,
)

Array = npt.NDArray[np.float64]

STEP_MAX_S = 0.01
REFRESH_S = 0.4
THERMAL_S = 0.2
# A vehicle or inverter takes its current from nothing to rated in this time, and hears of limits this often [K].
SLEW_S = 0.1
LIMIT_PERIOD_S = 0.1
CONTACTOR_OHM = 0.0002  # typical of 500 A high-voltage contactors [K]
FUSE_OHM = 0.0002
# Contactors and connectors are chosen for the pack's continuous current, at which they warm by so much: 40 K are what
# 0.2 mΩ and 5 K/W give at 200 A. They follow with a time constant of minutes, typical of parts of some 100 g [K].
CONTACT_RISE_K, CONNECTOR_RISE_K = 40.0, 30.0
CONNECTOR_OHM = 0.0001
POINT_S = 120.0
WELD_FACTOR = 10.0  # a contact that closes into ten times what it may break welds [K]
INSULATION_OHM = 5e6
NEIGHBOUR_PART = 0.1  # heat conducted to the next cell, against that to moving air or coolant [K]
# Thermal runaway begins at some 200 °C (250 °C for LFP) and gives about the stored energy as heat (half for LFP),
# within half a minute (Feng et al., Energy Storage Materials 10, 2018) [K].
RUNAWAY_C, RUNAWAY_SHARE = {"LFP": 250.0}, {"LFP": 0.5}
RUNAWAY_OTHER_C, RUNAWAY_OTHER_SHARE, RUNAWAY_S = 200.0, 1.0, 30.0
ENCLOSED_PART = 0.1  # of a cell's own convection that is left in a cabinet with fans standing still [K]
HOUSED_S = 12 * 3600.0  # a liquid-cooled pack in its closed housing cools down with this time constant [K]
LOOP_LOSS_PART = 0.01  # heat lost by the coolant's hoses to ambient, against its full flow [K]
STAGNANT_PART = 0.02  # of the full flow that remains when nothing drives it
LOOP_S = 30.0  # coolant content, as the time in which the full flow turns it over [K]
LEAST_COOLANT_C = 10.0  # set point of the chiller [K]
# Measured cells rise by some 2 V for each full capacity of overcharge, LFP by far more; below empty they collapse [K].
OVERCHARGE_SLOPE_V = {"LFP": 20.0}
OVERCHARGE_SLOPE_OTHER_V = 2.5
OVERDISCHARGE_SLOPE_V = 20.0


class Start(SystemPart):
    """How the battery is when the simulation starts: `[start]` of a scenario.

    Spreads are standard deviations between cells; every cell draws its own from the seed.
    """

    soc: Annotated[Fraction, Field(description="Mean SOC")] = 0.6
    soc_spread: Annotated[NotNegative, Field(le=0.2, description="Spread of SOC")] = 0.004
    temperature_c: Annotated[float | None, Field(ge=-50, le=100, description="Cell temperature (default: ambient)")] = (
        None
    )
    temperature_spread_k: Annotated[NotNegative, Field(le=20, description="Spread of temperature")] = 0.2
    capacity_spread: Annotated[NotNegative, Field(le=0.2, description="Spread of capacity, as a part")] = 0.005
    resistance_spread: Annotated[NotNegative, Field(le=0.5, description="Spread of resistance, as a part")] = 0.02
    capacity_factor: Annotated[Positive, Field(le=1.2, description="Capacity against new: 0.8 for an aged pack")] = 1.0
    resistance_factor: Annotated[Positive, Field(le=10, description="Resistance against the pack file's")] = 1.0
    self_discharge_per_month: Annotated[NotNegative, Field(le=0.5, description="SOC lost in 30 days")] = 0.02
    bus_voltage_v: Annotated[NotNegative, Field(description="Voltage that stands on the DC link already")] = 0.0


def build_plant(
    system: System, start: Start | None = None, seed: int = 1, ambient_c: float = 25.0, profile: Array | None = None
) -> Plant:
    """A simulated battery of this pack, in the start state, every cell drawn from the seed.

    Args:
        system: the pack.
        start: start state and spread.
        seed: the same seed gives the same battery and the same noise, in any process.
        ambient_c: ambient temperature.
        profile: load profile `[2 (time_s, value), point]`; none asks for nothing.
    """
    start = start or Start()
    size = system_size(system)
    random = np.random.default_rng(seed)
    settings = _settings(system)
    state = _state(start, ambient_c)
    cells = _cells(system, start, ambient_c, random)
    contactors = np.zeros((len(KON), 3))
    contactors[[KON.contact_factor, KON.joint_factor]] = 1.0
    contactors[[KON.contact_c, KON.joint_c]] = ambient_c
    modules = np.zeros((len(MOD), size.modules))
    modules[MOD.board_c] = ambient_c if start.temperature_c is None else start.temperature_c
    described, other = system.contactors, system.contactors.negative
    contactors[KON.close_s], contactors[KON.open_s] = described.close_time_s, described.open_time_s
    if other is not None and other.close_time_s is not None:
        contactors[KON.close_s, MAIN_NEGATIVE] = other.close_time_s
    if other is not None and other.open_time_s is not None:
        contactors[KON.open_s, MAIN_NEGATIVE] = other.open_time_s
    for row, charge in ((KON.break_charge_a, True), (KON.break_discharge_a, False)):
        contactors[row] = described.breaks_a(negative=False, charge=charge)
        contactors[row, MAIN_NEGATIVE] = described.breaks_a(negative=True, charge=charge)
    if described.one_way:  # what a switch does not block goes on through its diode: nothing is broken
        contactors[KON.break_charge_a, MAIN_POSITIVE] = contactors[KON.break_discharge_a, MAIN_NEGATIVE] = math.inf
    if not system.contactors.fitted:
        contactors[KON.closed, :2] = 1.0
    fuse_curve = np.ascontiguousarray(np.array(system.fuse.curve, dtype=np.float64).T)
    channels = np.zeros((len(SENSE), CHANNELS))
    for channel, name in CHANNEL_SENSORS.items():
        channels[:, getattr(CHANNEL, channel)] = _sensor(getattr(system.sensors, name), 1, random)[:, 0]
    temperatures = _sensor(system.sensors.temperature, size.sensors, random)
    if system.topology.temperature_sensors == 0:
        temperatures[SENSE.fitted] = 0.0
    table = np.ascontiguousarray(system.cell_model.table())
    electric.refresh(cells, table, settings, 0, size.cells)
    cells[CELLS.emf_v] = cells[CELLS.voltage_v] = cells[CELLS.ocv_v]
    state[STATE.pack_voltage_v] = cells[CELLS.voltage_v].sum()
    if not system.contactors.fitted:
        state[STATE.bus_voltage_v] = state[STATE.pack_voltage_v]
    return Plant(
        settings=settings,
        state=state,
        cells=cells,
        contactors=contactors,
        modules=modules,
        outputs=np.zeros(len(OUT)),
        table=table,
        profile=np.zeros((2, 0)) if profile is None else np.ascontiguousarray(profile, dtype=np.float64),
        fuse_curve=fuse_curve,
        channel_sensors=channels,
        cell_sensors=_sensor(system.sensors.cell_voltage, size.cells, random),
        temperature_sensors=temperatures,
        temperature_at=_sensor_places(system, size.sensors),
        channel_truth=np.zeros(CHANNELS),
        temperature_truth=np.zeros(size.sensors),
        generator=new_generator(seed),
        quantiles=normal_quantiles(),
    )


def _settings(system: System) -> Array:
    cycle_s = system.cycle.period_s
    steps = max(1, math.ceil(cycle_s / STEP_MAX_S - 1e-9))
    dt_s = cycle_s / steps
    topology, cell, cooling = system.topology, system.cell_model, system.cooling
    parallel = topology.cells_in_parallel
    thermal = cell.thermal
    kind = {"none": COOLING_NONE, "air": COOLING_AIR, "liquid": COOLING_LIQUID}[cooling.kind]
    own_w_per_k = parallel / thermal.resistance_surface_ambient_k_per_w
    capacity_j_per_k = parallel * (thermal.heat_capacity_core_j_per_k + thermal.heat_capacity_surface_j_per_k)
    to_ambient_w_per_k = {
        COOLING_NONE: own_w_per_k,
        COOLING_AIR: ENCLOSED_PART * own_w_per_k,
        COOLING_LIQUID: capacity_j_per_k / HOUSED_S,
    }[kind]
    cooled_w_per_k = parallel / cooling.cell_k_per_w
    limits = system.limits
    continuous_a = max(limits.charge_current_max_a, limits.discharge_current_max_a)
    values = {
        "dt_s": dt_s,
        "steps_per_tick": steps,
        "origin_s": 0.0,
        "refresh_s": REFRESH_S,
        "thermal_every": max(1, round(THERMAL_S / dt_s)),
        "hysteresis_rate": cell.hysteresis.rate,
        "hysteresis_instant_v": cell.hysteresis.instantaneous_v,
        "entropic_v_per_k": thermal.entropic_v_per_k,
        "overcharge_slope_v": OVERCHARGE_SLOPE_V.get(cell.chemistry, OVERCHARGE_SLOPE_OTHER_V),
        "overdischarge_slope_v": OVERDISCHARGE_SLOPE_V,
        "has_contactors": system.contactors.fitted,
        "busbar_ohm": topology.busbar_resistance_ohm * topology.series,
        "contactor_ohm": CONTACTOR_OHM,
        "one_way": system.contactors.fitted and system.contactors.one_way,
        "diode_v": system.contactors.diode_v,
        "precharge_ohm": system.precharge.resistance_ohm,
        "weld_a": WELD_FACTOR * system.contactors.break_current_a,
        "capacitance_f": system.dc_link.capacitance_f,
        "bleed_down_ohm": system.dc_link.discharge_ohm,
        "bus_short_s": 0.0,
        "fuse_ohm": FUSE_OHM if system.fuse.fitted else 0.0,
        "has_fuse": system.fuse.fitted,
        "has_pyrofuse": system.fuse.pyrofuse,
        "pyrofuse_test": system.fuse.test_mode,
        "bleed_ohm": system.balancing.resistance_ohm,
        "charge_voltage_v": limits.cell_voltage_max_v * topology.series,
        "load_min_v": 0.5 * limits.cell_voltage_min_v * topology.series,
        "limit_period_s": LIMIT_PERIOD_S,
        "slew_a_per_s": max(limits.discharge_current_pulse_a, limits.charge_current_pulse_a) / SLEW_S,
        "load_obeys": 1.0,
        "charger_obeys": 1.0,
        "load_is_power": 0.0,
        "extra_load_a": 0.0,
        "core_j_per_k": parallel * thermal.heat_capacity_core_j_per_k,
        "surface_j_per_k": parallel * thermal.heat_capacity_surface_j_per_k,
        "core_surface_w_per_k": parallel / thermal.resistance_core_surface_k_per_w,
        "ambient_w_per_k": to_ambient_w_per_k,
        "coolant_w_per_k": cooled_w_per_k,
        "neighbour_w_per_k": NEIGHBOUR_PART * cooled_w_per_k,
        "runaway_c": RUNAWAY_C.get(cell.chemistry, RUNAWAY_OTHER_C),
        "runaway_j": RUNAWAY_SHARE.get(cell.chemistry, RUNAWAY_OTHER_SHARE)
        * topology.capacity_ah
        * 3600.0
        * cell.data_sheet.nominal_voltage_v,
        "runaway_s": RUNAWAY_S,
        "cooling": kind,
        "flow_w_per_k": cooling.flow_w_per_k,
        "stagnant": STAGNANT_PART,
        "loop_j_per_k": cooling.flow_w_per_k * LOOP_S,
        "chiller_w": cooling.chiller_w,
        "chiller_c": LEAST_COOLANT_C,
        "loop_ambient_w_per_k": LOOP_LOSS_PART * cooling.flow_w_per_k,
        "heater_w": cooling.heater_w,
        "insulation_time_s": 0.0,
        "contact_k_per_a2": CONTACT_RISE_K / continuous_a**2,
        "joint_k_per_a2": CONNECTOR_RISE_K / continuous_a**2,
        "joint_ohm": CONNECTOR_OHM,
        "point_s": POINT_S,
        "board_k_per_w": system.balancing.board_k_per_w,
        "board_s": system.balancing.board_time_s,
    }
    return np.array([float(values[name]) for name in SET._fields])


def _state(start: Start, ambient_c: float) -> Array:
    state = np.zeros(len(STATE))
    state[STATE.ambient_c] = ambient_c
    temperature_c = ambient_c if start.temperature_c is None else start.temperature_c
    state[STATE.coolant_inlet_c] = state[STATE.coolant_outlet_c] = temperature_c
    state[STATE.insulation_ohm] = INSULATION_OHM
    state[STATE.hvil_closed] = 1.0
    state[STATE.flow_factor] = state[STATE.chiller_factor] = 1.0
    state[STATE.inlet_held_c] = math.nan
    state[STATE.limits_at_s] = -math.inf
    state[STATE.bus_voltage_v] = start.bus_voltage_v
    return state


def _cells(system: System, start: Start, ambient_c: float, random: np.random.Generator) -> Array:
    topology = system.topology
    n = topology.series

    def spread(width: float) -> Array:
        # Makers sort their cells: nobody ships one beyond three standard deviations.
        return width * np.clip(random.standard_normal(n), -3.0, 3.0)

    cells = np.zeros((len(CELLS), n))
    cells[CELLS.soc] = np.clip(start.soc + spread(start.soc_spread), 0.0, 1.0)
    temperature_c = ambient_c if start.temperature_c is None else start.temperature_c
    cells[CELLS.core_c] = cells[CELLS.surface_c] = temperature_c + spread(start.temperature_spread_k)
    cells[CELLS.coolant_c] = temperature_c
    capacity_as = topology.capacity_ah * start.capacity_factor * 3600.0
    cells[CELLS.capacity_as] = capacity_as * (1.0 + spread(start.capacity_spread))
    factor = topology.resistance_factor * start.resistance_factor / topology.cells_in_parallel
    cells[CELLS.resistance_factor] = factor * (1.0 + spread(start.resistance_spread))
    # Self-discharge as a conductance at nominal voltage; a trace stays, so that no state decays into denormals.
    nominal_v = system.cell_model.data_sheet.nominal_voltage_v
    leak_s = start.self_discharge_per_month * capacity_as / (30 * 86400.0) / nominal_v
    cells[CELLS.leak_s] = max(leak_s, 1e-9) * (1.0 + spread(0.2))
    cells[CELLS.module] = np.arange(n) // topology.cells_per_module
    return cells


def _sensor(sensor: Sensor, items: int, random: np.random.Generator) -> Array:
    """Sensors of one kind: `[SENSE, item]`. Each one's own error fills half of what its maker promises at most."""
    out = np.zeros((len(SENSE), items))
    out[SENSE.fitted] = sensor.fitted
    out[SENSE.period_s] = sensor.period_s
    out[SENSE.delay_s] = sensor.delay_s
    out[SENSE.noise] = sensor.noise
    own = sensor.tolerance / 6.0 * np.clip(random.standard_normal(items), -3.0, 3.0)
    out[SENSE.offset] = sensor.offset + own
    out[SENSE.gain] = 1.0
    out[SENSE.resolution] = sensor.resolution
    out[SENSE.minimum] = sensor.low
    out[SENSE.maximum] = sensor.high
    out[SENSE.pending_s] = math.nan
    out[SENSE.last] = math.nan
    return out


def _sensor_places(system: System, sensors: int) -> Array:
    """Between which two cells each temperature sensor sits: `[3 (cell, next cell, weight), sensor]`."""
    position = sensor_positions(system.topology)[:sensors]
    cell = np.clip(np.floor(position), 0, system.series - 1)
    after = np.minimum(cell + 1, system.series - 1)
    return np.ascontiguousarray(np.stack([cell, after, np.clip(position - cell, 0.0, 1.0)]))
