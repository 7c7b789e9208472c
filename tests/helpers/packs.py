"""Parameters of a small pack with round numbers, made without a system file, and a driver that feeds its samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ionward.image.faults import FAULTS
from ionward.image.inputs import CHANNEL, CHANNEL_SIGNALS, CHANNELS, RAW, Raw, new_raw
from ionward.image.layout import Size
from ionward.image.parameters import (
    CELLP,
    CURVE,
    CURVE_POINTS,
    FAULTP,
    LEVELP,
    MEASURE,
    PARAMETER_RECORD,
    Parameters,
)

SCALARS: dict[str, float] = {
    "cycle_s": 0.01,
    "cycle_watch_s": 0.1,
    "estimate_every": 1,
    "slow_every": 10,
    "charge_current_max_a": 100.0,
    "discharge_current_max_a": 200.0,
    "charge_current_pulse_a": 150.0,
    "discharge_current_pulse_a": 300.0,
    "pulse_s": 10.0,
    "cell_voltage_max_v": 4.2,
    "cell_voltage_min_v": 2.8,
    "charge_temperature_min_c": 0.0,
    "charge_temperature_max_c": 45.0,
    "discharge_temperature_min_c": -20.0,
    "discharge_temperature_max_c": 60.0,
    "warning_factor": 0.5,
    "current_tolerance_a": 2.0,
    "hold_s": 0.1,
    "has_contactors": 1,
    "has_precharge": 1,
    "precharge_done_v": 2.0,
    "precharge_done_a": 1.0,
    "precharge_timeout_s": 2.0,
    "precharge_tries": 3,
    "contactor_close_s": 0.1,
    "contactor_open_s": 0.1,
    "positive_break_charge_a": 400.0,
    "positive_break_discharge_a": 400.0,
    "negative_break_charge_a": 400.0,
    "negative_break_discharge_a": 400.0,
    "has_pyrofuse": 1,
    "pyrofuse_on_crash": 0,
    "bus_dead_v": 5.0,
    "balance_board_max_c": 85.0,
    "cell_voltage_sheet_min_v": 2.5,
    "precharge_resistance_ohm": 50.0,
    "precharge_pause_s": 5.0,
    "precharge_energy_max_j": 5000.0,
    "one_way": 0,
    "diode_v": 0.7,
    "precharge_rise_s": 0.0,
    "has_contactor_life": 1,
    "has_fuse": 1,
    "i2t_rated_a": 200.0,
    "i2t_time_s": 60.0,
    "cooling_by_pump": 1,
}

# minimum, maximum, rate_max, age_max_s, frozen_s
LIMITS: dict[str, tuple[float, float, float, float, float]] = {
    "current": (-1000.0, 1000.0, 1e6, 0.1, 0.0),
    "voltage": (0.0, 1e5, 1e7, 0.1, 0.0),
    "insulation": (0.0, 1e8, 1e9, 5.0, 0.0),
    "temperature": (-50.0, 125.0, 1e4, 1.0, 0.0),
    "hot": (-50.0, 200.0, 1e4, 1.0, 0.0),
    "counter": (0.0, 65535.0, 2e3, 1.0, 0.0),
    "switch": (0.0, 1.0, 1e9, 0.1, 0.0),
    "cell": (0.0, 5.0, 50.0, 0.1, 60.0),
}
CHANNEL_KINDS = {
    "current_a": "current",
    "current_redundant_a": "current",
    "pack_voltage_v": "voltage",
    "bus_voltage_v": "voltage",
    "insulation_ohm": "insulation",
    "coolant_inlet_c": "temperature",
    "coolant_outlet_c": "temperature",
    "ambient_c": "temperature",
    "contactor_positive_c": "hot",
    "contactor_negative_c": "hot",
    "connector_positive_c": "hot",
    "connector_negative_c": "hot",
    "balancing_board_c": "hot",
    "positive_tap_v": "voltage",
    "negative_tap_v": "voltage",
    "monitor_redundancy_v": "voltage",
    "monitor_crc_errors": "counter",
    "monitor_sequence_errors": "counter",
}
FUSE = np.array([[600.0, 3600.0], [1200.0, 10.0], [5000.0, 0.01]])
GOOD_CHANNELS = {
    "current_a": 0.0,
    "current_redundant_a": 0.0,
    "insulation_ohm": 5e6,
    "coolant_inlet_c": 25.0,
    "coolant_outlet_c": 25.0,
    "ambient_c": 25.0,
    "bus_voltage_v": 0.0,
    "hvil_closed": 1.0,
    "crash": 0.0,
    "main_positive_closed": 0.0,
    "main_negative_closed": 0.0,
    "precharge_closed": 0.0,
    "contactor_positive_c": 25.0,
    "contactor_negative_c": 25.0,
    "connector_positive_c": 25.0,
    "connector_negative_c": 25.0,
    "balancing_board_c": 25.0,
    "positive_tap_v": 0.0,
    "negative_tap_v": 0.0,
    "cooling_running": 0.0,
    "monitor_redundancy_v": 0.001,
    "monitor_crc_errors": 0.0,
    "monitor_sequence_errors": 0.0,
    "pyrofuse_intact": 1.0,
}


def breaking(amperes: float) -> dict[str, float]:
    """Scalars of contactors that may break so much, both of them and in both directions."""
    return {f"{name}_break_{way}_a": amperes for name in ("positive", "negative") for way in ("charge", "discharge")}


def limits_of(kind: str, items: int, fitted: bool = True) -> Any:
    block = np.empty((len(MEASURE), items))
    block[MEASURE.fitted] = fitted
    block[1:] = np.array(LIMITS[kind])[:, None]
    return block


def fault_levels(scalars: Any) -> Any:
    levels = np.zeros((4, len(LEVELP), len(FAULTS)))
    levels[:, : LEVELP.clear + 1] = math.nan
    for number, fault in enumerate(FAULTS):
        base = float(scalars[fault.relative_to][0]) if fault.relative_to else 0.0
        for index, level in enumerate(fault.levels):
            if level is not None:
                set_, clear = (
                    (level.set * base, level.clear * base) if fault.factor else (base + level.set, base + level.clear)
                )
                levels[index, :, number] = (round(set_, 9), round(clear, 9), level.delay_samples, level.delay_s)
    return levels


def small_parameters(
    cells: int = 4,
    sensors: int = 2,
    modules: int = 1,
    absent: tuple[str, ...] = (),
    **scalars: float,
) -> Parameters:
    """A pack with every sensor except those named in `absent` (channels, `cells`, `temperatures`)."""
    p = np.zeros(1, PARAMETER_RECORD)
    for name, value in {**SCALARS, "series": cells, **scalars}.items():
        p[name] = value
    channel_limits = np.empty((len(MEASURE), CHANNELS))
    for signal in CHANNEL_SIGNALS:
        kind = CHANNEL_KINDS.get(signal.name, "switch")
        channel_limits[:, getattr(CHANNEL, signal.name)] = limits_of(kind, 1, signal.name not in absent)[:, 0]
    per_module = max(cells // modules, 1)
    sensors_per_module = max(sensors // modules, 1)
    cell_block = np.zeros((len(CELLP), cells))
    cell_block[CELLP.capacity_ah] = 100.0
    cell_block[CELLP.resistance_factor] = 0.01
    for k in range(cells):
        module = min(k // per_module, modules - 1)
        first = module * sensors_per_module
        last = min(first + sensors_per_module, sensors) - 1
        cell_block[CELLP.module, k] = module
        cell_block[CELLP.sensor_a, k] = first
        cell_block[CELLP.sensor_b, k] = last
        cell_block[CELLP.weight_b, k] = (k % per_module + 0.5) / per_module if last > first else 0.0
    curves = np.zeros((len(CURVE), 2, CURVE_POINTS))
    curves[[CURVE.life_positive, CURVE.life_negative]] = 1e9  # openings that no contact sees
    curves[CURVE.fuse] = np.repeat(FUSE, [1, 1, CURVE_POINTS - 2], axis=0).T
    rules = np.zeros((len(FAULTP), len(FAULTS)))
    for number, fault in enumerate(FAULTS):
        rules[:, number] = (
            fault.direction == "above",
            fault.latching,
            fault.blocks in ("charge", "both"),
            fault.blocks in ("discharge", "both"),
            fault.ftti_s,
            fault.service,
            0.0,
            0.0,
            -np.inf,
        )
    return Parameters(
        scalars=p,
        channel_limits=channel_limits,
        cell_limits=limits_of("cell", cells, "cells" not in absent),
        sensor_limits=limits_of("temperature", sensors, "temperatures" not in absent),
        cells=cell_block,
        sensors=np.minimum(np.arange(sensors) // sensors_per_module, modules - 1).astype(float)[None, :],
        curves=curves,
        faults=rules,
        levels=fault_levels(p),
        table=np.zeros((19, 201, 8)),
        words=p.view(np.float64),
    )


def size_of(parameters: Parameters) -> Size:
    modules = int(parameters.sensors.max()) + 1
    return Size(parameters.cells.shape[1], parameters.sensors.shape[1], modules)


class Samples:
    """Raw samples of a healthy pack at rest. Change the values, then `sample` stamps them with a time."""

    def __init__(self, parameters: Parameters, cell_v: float = 3.7, temperature_c: float = 25.0) -> None:
        size = size_of(parameters)
        self.parameters = parameters
        self.raw: Raw = new_raw(size.cells, size.sensors)
        self.cells = np.full(size.cells, cell_v)
        self.still = False
        self.temperatures = np.full(size.sensors, temperature_c)
        self.channels = {**GOOD_CHANNELS, "pack_voltage_v": size.cells * cell_v}
        self.silent: set[str] = set()
        self._wiggle = 0.0

    def sample(self, time_s: float) -> Raw:
        """New samples of everything that is not silent. The cells move by their last digit, as measured ones do."""
        self._wiggle = 0.0 if self.still else 1e-6 - self._wiggle
        self.raw.clock["time_s"] = time_s
        if "cells" not in self.silent:
            self.raw.cells[RAW.value] = self.cells + self._wiggle
            self.raw.cells[RAW.time_s] = time_s
        if "temperatures" not in self.silent:
            self.raw.temperatures[RAW.value] = self.temperatures
            self.raw.temperatures[RAW.time_s] = time_s
        for name, value in self.channels.items():
            if name not in self.silent:
                self.raw.channels[RAW.value, getattr(CHANNEL, name)] = value
                self.raw.channels[RAW.time_s, getattr(CHANNEL, name)] = time_s
        return self.raw

    def tick(self, time_s: float) -> Raw:
        """Let time pass without a new sample."""
        self.raw.clock["time_s"] = time_s
        return self.raw
