"""Watching signals at every tick: what a run can be asked about afterwards, without keeping everything.

A watch looks at one number, of the image or of the true battery, during a stretch of time, and remembers when it was
first inside and first outside of a band. Every expectation of a scenario becomes such a watch.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ionward._compile import njit
from ionward.image.catalogue import Signal, rows
from ionward.image.layout import Image
from ionward.image.signals import FAULT, IMAGE_RECORD, MEASURED
from ionward.twin.path import can_flow
from ionward.twin.plant import Plant
from ionward.twin.rows import CELLS, KON, MAIN_NEGATIVE, MAIN_POSITIVE, PRECHARGE, STATE

Array = npt.NDArray[np.float64]

TRUTH_SIGNALS = (
    Signal("soc_min", "", "Lowest true SOC of a cell"),
    Signal("soc_mean", "", "Mean true SOC"),
    Signal("soc_max", "", "Highest true SOC of a cell"),
    Signal("soc_error", "", "Estimated minus true mean SOC"),
    Signal("cell_voltage_min_v", "V", "Lowest cell voltage"),
    Signal("cell_voltage_max_v", "V", "Highest cell voltage"),
    Signal("temperature_min_c", "°C", "Lowest surface temperature"),
    Signal("temperature_max_c", "°C", "Highest surface temperature"),
    Signal("core_max_c", "°C", "Highest core temperature"),
    Signal("current_a", "A", "Pack current"),
    Signal("pack_voltage_v", "V", "Battery side of the contactors"),
    Signal("bus_voltage_v", "V", "Load side of the contactors"),
    Signal("inrush_a", "A", "Largest current so far, within steps too"),
    Signal("coolant_inlet_c", "°C", "Coolant at the inlet"),
    Signal("coolant_outlet_c", "°C", "Coolant at the outlet"),
    Signal("main_positive_closed", "", "Main contact"),
    Signal("main_negative_closed", "", "Main contact"),
    Signal("precharge_closed", "", "Precharge contact"),
    Signal("contactors_closed", "", "Both main contacts"),
    Signal("charge_possible", "", "Charge current can flow into the cells"),
    Signal("discharge_possible", "", "Discharge current can flow out of them"),
    Signal("fuse_blown", "", "Main fuse"),
    Signal("pyrofuse_fired", "", "Pyrofuse"),
)
TRUTH = rows("Truth", TRUTH_SIGNALS)

WATCH_SIGNALS = (
    Signal("source", "", "Where the number stands"),
    Signal("index", "", "Which number there"),
    Signal("low", "", "Lower end of the band"),
    Signal("high", "", "Upper end of the band"),
    Signal("from_s", "s", "Watching begins"),
    Signal("until_s", "s", "Watching ends"),
    Signal("samples", "", "Ticks watched"),
    Signal("inside_s", "s", "First time inside the band; NaN: never"),
    Signal("outside_s", "s", "First time outside; NaN: never"),
    Signal("outside", "", "Value then"),
    Signal("last", "", "Value at the last tick watched"),
)
WATCH = rows("Watches", WATCH_SIGNALS)
SOURCE_NUMBER, SOURCE_COUNT, SOURCE_TRUTH, SOURCE_FAULT, SOURCE_CHANNEL = range(5)

EARLY_S = 1e-9


def image_index(name: str) -> tuple[int, int]:
    """Source and word of a scalar of the image."""
    kind, offset = IMAGE_RECORD.fields[name][:2] if IMAGE_RECORD.fields else (None, 0)
    assert kind is not None
    return SOURCE_NUMBER if kind == np.float64 else SOURCE_COUNT, offset // 8


def new_watches(count: int) -> Array:
    """Watches that have not seen anything: `[WATCH, watch]`."""
    watches = np.zeros((len(WATCH), count))
    watches[[WATCH.inside_s, WATCH.outside_s, WATCH.outside, WATCH.last]] = math.nan
    return watches


@njit
def look_at_truth(plant: Plant, image: Image, truth: Array) -> None:
    """Sum the true battery up: `[TRUTH]`."""
    cells, state = plant.cells, plant.state
    soc, voltage = cells[CELLS.soc], cells[CELLS.voltage_v]
    surface, core = cells[CELLS.surface_c], cells[CELLS.core_c]
    low_soc = high_soc = soc[0]
    low_v = high_v = voltage[0]
    low_c = high_c = surface[0]
    hot_c = core[0]
    total = 0.0
    n = soc.shape[0]
    for k in range(n):
        total += soc[k]
        low_soc, high_soc = min(low_soc, soc[k]), max(high_soc, soc[k])
        low_v, high_v = min(low_v, voltage[k]), max(high_v, voltage[k])
        low_c, high_c = min(low_c, surface[k]), max(high_c, surface[k])
        hot_c = max(hot_c, core[k])
    truth[TRUTH.soc_min] = low_soc
    truth[TRUTH.soc_mean] = total / n
    truth[TRUTH.soc_max] = high_soc
    truth[TRUTH.soc_error] = image.scalars[0]["soc_mean"] - total / n
    truth[TRUTH.cell_voltage_min_v] = low_v
    truth[TRUTH.cell_voltage_max_v] = high_v
    truth[TRUTH.temperature_min_c] = low_c
    truth[TRUTH.temperature_max_c] = high_c
    truth[TRUTH.core_max_c] = hot_c
    truth[TRUTH.current_a] = state[STATE.current_a]
    truth[TRUTH.pack_voltage_v] = state[STATE.pack_voltage_v]
    truth[TRUTH.bus_voltage_v] = state[STATE.bus_voltage_v]
    truth[TRUTH.inrush_a] = state[STATE.inrush_a]
    truth[TRUTH.coolant_inlet_c] = state[STATE.coolant_inlet_c]
    truth[TRUTH.coolant_outlet_c] = state[STATE.coolant_outlet_c]
    positive, negative = plant.contactors[KON.closed, MAIN_POSITIVE], plant.contactors[KON.closed, MAIN_NEGATIVE]
    truth[TRUTH.main_positive_closed] = positive
    truth[TRUTH.main_negative_closed] = negative
    truth[TRUTH.precharge_closed] = plant.contactors[KON.closed, PRECHARGE]
    truth[TRUTH.contactors_closed] = positive * negative
    truth[TRUTH.charge_possible] = 1.0 if can_flow(plant.contactors, plant.settings, state, True) else 0.0
    truth[TRUTH.discharge_possible] = 1.0 if can_flow(plant.contactors, plant.settings, state, False) else 0.0
    truth[TRUTH.fuse_blown] = state[STATE.fuse_blown]
    truth[TRUTH.pyrofuse_fired] = state[STATE.pyrofuse_fired]


@njit
def look(watches: Array, time_s: float, image: Image, numbers: Array, counts: Any, truth: Array) -> None:
    """Let every watch see this tick. `numbers` and `counts` are the words of `image.scalars` as float and integer."""
    for k in range(watches.shape[1]):
        if time_s < watches[WATCH.from_s, k] - EARLY_S or time_s > watches[WATCH.until_s, k] + EARLY_S:
            continue
        index = int(watches[WATCH.index, k])
        source = int(watches[WATCH.source, k])
        if source == SOURCE_NUMBER:
            value = numbers[index]
        elif source == SOURCE_COUNT:
            value = float(counts[index])
        elif source == SOURCE_TRUTH:
            value = truth[index]
        elif source == SOURCE_FAULT:
            value = image.faults[FAULT.level, index]
        else:
            value = image.channels[MEASURED.value, index]
        see(watches, k, time_s, value)


@njit
def see(watches: Array, k: int, time_s: float, value: float) -> None:
    """One watch sees one value."""
    watches[WATCH.samples, k] += 1.0
    watches[WATCH.last, k] = value
    if watches[WATCH.low, k] <= value <= watches[WATCH.high, k]:
        if math.isnan(watches[WATCH.inside_s, k]):
            watches[WATCH.inside_s, k] = time_s
    elif math.isnan(watches[WATCH.outside_s, k]):
        watches[WATCH.outside_s, k] = time_s
        watches[WATCH.outside, k] = value
