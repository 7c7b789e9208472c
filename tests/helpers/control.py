"""A small pack for tests of single stages: parameters, and an image in which everything is known and well."""

from __future__ import annotations

from typing import Any

import numpy as np

from helpers.cells import synthetic_cell
from ionward.image.faults import FAULTS
from ionward.image.inputs import CHANNEL, CHANNELS
from ionward.image.layout import Image, Size, new_image
from ionward.image.parameters import (
    CELLP,
    CURVE,
    CURVE_POINTS,
    FAULTP,
    LEVELP,
    MEASURE,
    PARAMETER_RECORD,
    SENSORP,
    Parameters,
)
from ionward.image.signals import CELL, GOOD, MEASURED, MODULE, NOT_FITTED, STATE_STANDBY

CELLS_PER_MODULE = 4
SENSORS_PER_MODULE = 2
CAPACITY_AH = 30.0
PARALLEL = 10.0

SCALARS: dict[str, float] = {
    "cycle_s": 0.01,
    "cycle_watch_s": 0.1,
    "estimate_every": 1,
    "slow_every": 1,
    "charge_current_max_a": 30.0,
    "discharge_current_max_a": 60.0,
    "charge_current_pulse_a": 60.0,
    "discharge_current_pulse_a": 120.0,
    "pulse_s": 10.0,
    "cell_voltage_max_v": 4.2,
    "cell_voltage_min_v": 2.8,
    "charge_temperature_min_c": 0.0,
    "charge_temperature_max_c": 50.0,
    "discharge_temperature_min_c": -20.0,
    "discharge_temperature_max_c": 60.0,
    "warning_factor": 0.5,
    "limit_slew_a_per_s": 1e9,
    "current_tolerance_a": 1.0,
    "hold_s": 0.2,
    "has_contactors": 1,
    "has_precharge": 1,
    "precharge_resistance_ohm": 50.0,
    "precharge_done_v": 1.0,
    "bus_sum_match_v": 1.5,
    "precharge_done_a": 0.5,
    "precharge_timeout_s": 2.0,
    "precharge_tries": 3,
    "precharge_pause_s": 5.0,
    "precharge_energy_max_j": np.nan,
    "contactor_close_s": 0.1,
    "contactor_open_s": 0.1,
    "positive_break_charge_a": 500.0,
    "positive_break_discharge_a": 500.0,
    "negative_break_charge_a": 500.0,
    "negative_break_discharge_a": 500.0,
    "cell_voltage_sheet_min_v": 2.5,
    "one_way": 0,
    "diode_v": 0.7,
    "precharge_rise_s": 0.0,
    "has_contactor_life": 1,
    "has_fuse": 1,
    "i2t_rated_a": 300.0,
    "i2t_time_s": 60.0,
    "has_pyrofuse": 1,
    "pyrofuse_on_crash": 0,
    "open_wait_s": 3.0,
    "bus_dead_v": 5.0,
    "balance_by_soc": 1,
    "balance_start": 0.02,
    "balance_stop": 0.01,
    "balance_min_voltage_v": 3.0,
    "balance_resistance_ohm": 30.0,
    "balance_cells_per_module": 2,
    "balance_period_s": 10.0,
    "balance_rest_a": 1.0,
    "balance_rest_s": 20.0,
    "balance_settle_s": 1.0,
    "balance_board_max_c": 80.0,
    "balance_board_k_per_w": 20.0,
    "balance_board_s": 60.0,
    "has_cooling": 1,
    "cooling_by_pump": 1,
    "cool_start_c": 35.0,
    "cool_full_c": 45.0,
    "heat_start_c": 5.0,
    "heat_full_c": -5.0,
    "spread_start_k": 3.0,
    "spread_full_k": 8.0,
    "cell_heat_capacity_j_per_k": 450.0,
    "start_soc_std": 0.05,
    "voltage_noise_v": 0.001,
    "current_noise_a": 0.1,
    "hysteresis_rate": 50.0,
    "hysteresis_instant_v": 0.0,
}


def small_size(cells: int = 8) -> Size:
    modules = -(-cells // CELLS_PER_MODULE)
    return Size(cells, modules * SENSORS_PER_MODULE, modules)


def small_parameters(cells: int = 8, **changes: float) -> Parameters:
    """Parameters of a pack of synthetic cells; `changes` are scalars by name."""
    size = small_size(cells)
    scalars = np.zeros(1, PARAMETER_RECORD)
    for name in PARAMETER_RECORD.names or ():
        scalars[name] = {**SCALARS, "series": cells, **changes}[name]

    def measured(items: int, lowest: float, highest: float) -> Any:
        block = np.zeros((len(MEASURE), items))
        block[MEASURE.fitted] = 1
        block[MEASURE.minimum], block[MEASURE.maximum] = lowest, highest
        block[MEASURE.rate_max], block[MEASURE.age_max_s] = np.inf, 1.0
        return block

    cell_block = np.zeros((len(CELLP), size.cells))
    cell_block[CELLP.capacity_ah] = CAPACITY_AH
    cell_block[CELLP.resistance_factor] = 1.0 / PARALLEL
    cell_block[CELLP.module] = np.arange(size.cells) // CELLS_PER_MODULE
    cell_block[CELLP.sensor_a] = cell_block[CELLP.module] * SENSORS_PER_MODULE
    cell_block[CELLP.sensor_b] = cell_block[CELLP.sensor_a] + 1
    cell_block[CELLP.weight_b] = 0.5
    sensors = np.zeros((len(SENSORP), size.sensors))
    sensors[SENSORP.module] = np.arange(size.sensors) // SENSORS_PER_MODULE
    levels = np.full((4, len(LEVELP), len(FAULTS)), np.nan)
    faults = np.zeros((len(FAULTP), len(FAULTS)))
    faults[FAULTP.blocks_charge] = faults[FAULTP.blocks_discharge] = 1
    return Parameters(
        scalars,
        measured(CHANNELS, -1e6, 1e9),
        measured(size.cells, 1.0, 5.0),
        measured(size.sensors, -50.0, 120.0),
        cell_block,
        sensors,
        small_curves(),
        faults,
        levels,
        synthetic_cell().table(),
        scalars.view(np.float64),
    )


def small_curves() -> Any:
    """Derating over temperature and SOC; full in the middle."""
    points = {
        "charge_over_temperature": ([0.0, 10.0, 40.0, 50.0], [0.0, 1.0, 1.0, 0.0]),
        "discharge_over_temperature": ([-20.0, 0.0, 50.0, 60.0], [0.0, 1.0, 1.0, 0.0]),
        "charge_over_soc": ([0.9, 1.0], [1.0, 0.1]),
        "discharge_over_soc": ([0.0, 0.1], [0.0, 1.0]),
    }
    curves = np.zeros((len(CURVE), 2, CURVE_POINTS))
    curves[[CURVE.life_positive, CURVE.life_negative]] = 1e9  # openings that no contact sees
    for name, (x, y) in points.items():
        row = getattr(CURVE, name)
        curves[row, 0], curves[row, 1] = x[-1], y[-1]
        curves[row, 0, : len(x)], curves[row, 1, : len(y)] = x, y
    return curves


def well_image(parameters: Parameters, soc: float = 0.5, temperature_c: float = 25.0) -> Image:
    """An image after many ticks at rest: all measured, SOC known, no fault, bus dead, standby."""
    cells = parameters.cells.shape[1]
    image = new_image(small_size(cells))
    s = image.scalars[0]
    s["time_s"], s["tick"], s["dt_s"] = 100.0, 10_000, 0.01
    s["state"] = STATE_STANDBY
    s["state_since_s"] = 90.0
    s["charge_allowed"] = s["discharge_allowed"] = s["balance_allowed"] = 1
    s["estimate_ready"] = 1
    s["cell_samples"] = s["temperature_samples"] = s["current_samples"] = 100
    image.cells[CELL.soc] = soc
    image.cells[CELL.soc_std] = 0.005
    image.cells[CELL.quality] = image.cells[CELL.temperature_quality] = GOOD
    image.cells[CELL.age_s] = 0.0
    image.cells[CELL.new] = 1
    image.cells[CELL.capacity_ah] = CAPACITY_AH
    image.cells[CELL.voltage_v] = image.cells[CELL.ocv_v] = 3.0 + 1.2 * soc
    image.temperatures[MEASURED.value] = temperature_c
    image.temperatures[MEASURED.quality] = GOOD
    set_resistances(image)
    set_temperatures(image, temperature_c)
    set_current(image, 0.0)
    for channel in (CHANNEL.pack_voltage_v, CHANNEL.bus_voltage_v, *contacts()):
        set_channel(image, channel, 0.0)
    set_channel(image, CHANNEL.pack_voltage_v, float(image.cells[CELL.voltage_v].sum()))
    s["cell_voltage_sum_v"] = image.cells[CELL.voltage_v].sum()
    s["cells_usable"] = s["temperatures_usable"] = cells
    return image


def set_resistances(image: Image, scale: float = 1.0) -> None:
    """Resistances of the synthetic cell at 25 degC in parallel, at rest."""
    r0, r1, r2 = (scale * r / PARALLEL for r in (0.02, 0.01, 0.01))
    image.cells[CELL.resistance_ohm] = r0
    for row, seconds in ((CELL.resistance_10s_ohm, 10.0), (CELL.resistance_30s_ohm, 30.0)):
        image.cells[row] = r0 + r1 * (1 - np.exp(-seconds / 10.0)) + r2 * (1 - np.exp(-seconds / 200.0))
    for row in (CELL.polarisation_v, CELL.polarisation_10s_v, CELL.polarisation_30s_v):
        image.cells[row] = 0.0


def set_temperatures(image: Image, *by_module: float) -> None:
    """Temperatures of the modules; a single one counts for all."""
    s = image.scalars[0]
    modules = image.modules.shape[1]
    values = np.array(by_module if len(by_module) > 1 else by_module * modules, dtype=float)
    image.modules[MODULE.temperature_min_c] = image.modules[MODULE.temperature_max_c] = values
    image.modules[MODULE.temperature_mean_c] = values
    image.cells[CELL.temperature_c] = np.repeat(values, CELLS_PER_MODULE)[: image.cells.shape[1]]
    coldest, hottest = int(values.argmin()), int(values.argmax())
    s["temperature_min_c"], s["temperature_max_c"] = values[coldest], values[hottest]
    s["temperature_mean_c"] = values.mean()
    s["temperature_min_sensor"] = coldest * SENSORS_PER_MODULE
    s["temperature_max_sensor"] = hottest * SENSORS_PER_MODULE


def set_current(image: Image, current_a: float) -> None:
    s = image.scalars[0]
    s["current_a"], s["current_quality"], s["current_age_s"] = current_a, GOOD, 0.0
    set_channel(image, CHANNEL.current_a, current_a)


def set_channel(image: Image, channel: int, value: float) -> None:
    image.channels[:, channel] = 0.0
    image.channels[MEASURED.value, channel] = value
    image.channels[MEASURED.quality, channel] = GOOD
    image.channels[MEASURED.new, channel] = 1


def unfit(parameters: Parameters, image: Image, *channels: int) -> None:
    """Take a channel away from the pack."""
    for channel in channels:
        parameters.channel_limits[MEASURE.fitted, channel] = 0
        image.channels[:, channel] = np.nan
        image.channels[MEASURED.quality, channel] = NOT_FITTED
        image.channels[MEASURED.new, channel] = 0


def contacts() -> tuple[int, int, int]:
    return CHANNEL.main_positive_closed, CHANNEL.main_negative_closed, CHANNEL.precharge_closed


def advance(image: Image, seconds: float = 0.01) -> None:
    s = image.scalars[0]
    s["time_s"] += seconds
    s["dt_s"] = seconds
    s["tick"] += 1
