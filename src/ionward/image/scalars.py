"""The scalar parameters of a pack, from its description."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ionward.battery.system import System
from ionward.image.parameters import PARAMETER_RECORD

# A control that stood still for longer than this opens and waits for a person. Its enable has expired long before.
CYCLE_WATCH_S = 0.1
CYCLE_WATCH_CYCLES = 5
# Between these shares of the pack voltage the rise of the bus is timed, where it takes so many samples at least.
RISE = (0.2, 0.9)
RISE_SAMPLES = 5
# Thermal time constant of busbars: typical for copper bars of EV packs, and long against a rated pulse.
BUSBAR_S, BUSBAR_PULSES = 60.0, 6.0


def scalars(system: System) -> Any:
    """The scalar parameters: a record of length 1."""
    values = {
        **_rhythm_and_limits(system),
        **_connection(system),
        **_balancing(system),
        **_cooling(system),
        **_estimation(system),
    }
    out = np.zeros(1, PARAMETER_RECORD)
    for name in PARAMETER_RECORD.names or ():
        out[name] = values[name]
    return out


def _rhythm_and_limits(system: System) -> dict[str, float]:
    limits = {name: value for name, value in system.limits.model_dump().items() if name != "slew_a_per_s"}
    redundant = system.sensors.current_redundant
    return {
        "cycle_s": system.cycle.period_s,
        "estimate_every": system.cycle.estimate_every,
        "slow_every": system.cycle.slow_every,
        "cycle_watch_s": max(CYCLE_WATCH_S, CYCLE_WATCH_CYCLES * system.cycle.period_s),
        "series": system.series,
        **limits,
        "cell_voltage_sheet_min_v": system.cell_model.data_sheet.voltage_min_v,
        "limit_slew_a_per_s": system.limits.slew_a_per_s,
        "current_tolerance_a": redundant.agree_a if redundant.fitted else system.sensors.current.tolerance_a,
        "hold_s": system.sensors.hold_s,
    }


def _connection(system: System) -> dict[str, float]:
    contactors, precharge, limits = system.contactors, system.precharge, system.limits
    rise_s = precharge.resistance_ohm * system.dc_link.capacitance_f * math.log((1.0 - RISE[0]) / (1.0 - RISE[1]))
    sampled_s = max(system.sensors.bus_voltage.period_s, system.cycle.period_s)
    return {
        "has_contactors": contactors.fitted,
        "has_precharge": contactors.fitted and precharge.fitted,
        "precharge_resistance_ohm": precharge.resistance_ohm,
        "precharge_done_v": precharge.done_v,
        "bus_sum_match_v": precharge.done_v + system.topology.series * system.sensors.cell_voltage.tolerance,
        "precharge_done_a": precharge.done_a,
        "precharge_timeout_s": precharge.timeout_s,
        "precharge_tries": precharge.tries,
        "precharge_pause_s": precharge.pause_s,
        "precharge_energy_max_j": precharge.resistor_energy_j,
        "contactor_close_s": contactors.close_timeout_s,
        "contactor_open_s": contactors.open_timeout_s,
        "positive_break_charge_a": contactors.breaks_a(negative=False, charge=True),
        "positive_break_discharge_a": contactors.breaks_a(negative=False, charge=False),
        "negative_break_charge_a": contactors.breaks_a(negative=True, charge=True),
        "negative_break_discharge_a": contactors.breaks_a(negative=True, charge=False),
        "one_way": contactors.fitted and contactors.one_way,
        "diode_v": contactors.diode_v,
        "precharge_rise_s": rise_s if rise_s >= RISE_SAMPLES * sampled_s else 0.0,
        "has_contactor_life": contactors.fitted and any(contactors.life_of(negative) for negative in (False, True)),
        "has_fuse": system.fuse.fitted,
        "i2t_rated_a": max(limits.charge_current_max_a, limits.discharge_current_max_a),
        "i2t_time_s": max(BUSBAR_S, BUSBAR_PULSES * limits.pulse_s),
        "has_pyrofuse": system.fuse.pyrofuse,
        "pyrofuse_on_crash": system.fuse.pyrofuse and system.fuse.fire_on_crash,
        "open_wait_s": contactors.open_wait_s,
        "bus_dead_v": system.dc_link.dead_v,
    }


def _balancing(system: System) -> dict[str, float]:
    balancing = system.balancing
    by_soc = balancing.method == "soc"
    return {
        "balance_by_soc": by_soc,
        "balance_start": balancing.start_soc if by_soc else balancing.start_v,
        "balance_stop": balancing.stop_soc if by_soc else balancing.stop_v,
        "balance_min_voltage_v": balancing.min_voltage_v,
        "balance_resistance_ohm": balancing.resistance_ohm,
        "balance_cells_per_module": balancing.cells_per_module if balancing.kind == "passive" else 0,
        "balance_period_s": balancing.period_s,
        "balance_rest_a": balancing.rest_current_a,
        "balance_rest_s": balancing.rest_s,
        "balance_settle_s": balancing.settle_s,
        "balance_board_max_c": balancing.board_max_c,
        "balance_board_k_per_w": balancing.board_k_per_w,
        "balance_board_s": balancing.board_time_s,
    }


def _cooling(system: System) -> dict[str, float]:
    cooling, thermal = system.cooling, system.cell_model.thermal
    heat_capacity_j_per_k = thermal.heat_capacity_core_j_per_k + thermal.heat_capacity_surface_j_per_k
    return {
        "has_cooling": cooling.kind != "none",
        "cooling_by_pump": cooling.kind == "liquid",
        "cool_start_c": cooling.start_c,
        "cool_full_c": cooling.full_c,
        "heat_start_c": cooling.heat_start_c,
        "heat_full_c": cooling.heat_full_c,
        "spread_start_k": cooling.spread_start_k,
        "spread_full_k": cooling.spread_full_k,
        "cell_heat_capacity_j_per_k": heat_capacity_j_per_k * system.topology.cells_in_parallel,
    }


def _estimation(system: System) -> dict[str, float]:
    sensors, hysteresis = system.sensors, system.cell_model.hysteresis
    return {
        "start_soc_std": system.estimate.start_soc_std,
        "voltage_noise_v": sensors.cell_voltage.tolerance / 3,  # a tolerance is three standard deviations
        "current_noise_a": sensors.current.tolerance / 3,
        "hysteresis_rate": hysteresis.rate,
        "hysteresis_instant_v": hysteresis.instantaneous_v,
    }
