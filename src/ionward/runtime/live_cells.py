"""Cells, sensors and modules of a running BMS as plain values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ionward.image import signals as sg
from ionward.image.inputs import CHANNEL_SIGNALS
from ionward.image.signals import CELL, MEASURED, MODULE
from ionward.runtime.live_snapshot import Snapshot
from ionward.runtime.live_state import cell_summary
from ionward.runtime.live_values import by_signal, number, numbers, whole, words


def cells_view(s: Snapshot) -> dict[str, Any]:
    """One array entry for each cell, None where a value is not known; then sensors and modules."""
    cells, sensors, modules = s.image.cells, s.image.temperatures, s.image.modules
    return {
        "voltage_v": numbers(cells[CELL.voltage_v]),
        "temperature_c": numbers(cells[CELL.temperature_c], 2),
        "soc": numbers(cells[CELL.soc], 5),
        "soc_std": numbers(cells[CELL.soc_std], 5),
        "balancing": (cells[CELL.balancing] > 0).tolist(),
        "quality": words(sg.QUALITIES, cells[CELL.quality]),
        "temperature_quality": words(sg.QUALITIES, cells[CELL.temperature_quality]),
        "cells_per_module": s.traits.cells_per_module,
        "sensors": {
            "temperature_c": numbers(sensors[MEASURED.value], 2),
            "quality": words(sg.QUALITIES, sensors[MEASURED.quality]),
            "age_s": numbers(sensors[MEASURED.age_s], 3),
        },
        "modules": {
            "temperature_min_c": numbers(modules[MODULE.temperature_min_c], 2),
            "temperature_max_c": numbers(modules[MODULE.temperature_max_c], 2),
            "balancing_heat_w": numbers(modules[MODULE.balancing_heat_w], 3),
            "balancing_board_c": numbers(modules[MODULE.balancing_board_c], 2),
        },
        "summary": cell_summary(s) | _soc_summary(s),
        "image_age_s": number(s.image_age_s) if s.image_age_s is not None else None,
    }


def _soc_summary(s: Snapshot) -> dict[str, Any]:
    """Lowest and highest SOC, their difference and whose they are."""
    soc = s.image.cells[CELL.soc]
    known = np.flatnonzero(np.isfinite(soc))
    if not len(known):
        nothing: dict[str, Any] = dict.fromkeys(("soc_min", "soc_max", "soc_mean", "soc_difference"))
        return nothing | {"soc_min_cell": -1, "soc_max_cell": -1}
    lowest, highest = int(known[np.argmin(soc[known])]), int(known[np.argmax(soc[known])])
    return {
        "soc_min": number(soc[lowest], 5),
        "soc_min_cell": lowest,
        "soc_max": number(soc[highest], 5),
        "soc_max_cell": highest,
        "soc_mean": number(soc[known].mean(), 5),
        "soc_difference": number(soc[highest] - soc[lowest], 5),
    }


def cell_view(s: Snapshot, cell: int) -> dict[str, Any]:
    """Everything that is known about one cell (from 0), and how it stands to the others.

    Raises:
        IndexError: the pack has no such cell.
    """
    cells = s.image.cells
    if not 0 <= cell < cells.shape[1]:
        raise IndexError(f"cell {cell} does not exist: there are cells 0 to {cells.shape[1] - 1}")
    column = cells[:, cell]
    module = min(cell // s.traits.cells_per_module, s.plan.size.modules - 1)
    values = {signal.name: by_signal(signal, column[row]) for row, signal in enumerate(sg.CELL_SIGNALS)}
    mean_v = float(s.image.scalars["cell_voltage_mean_v"][0])
    return {
        "cell": cell,
        "module": module,
        **values,
        "voltage_against_mean_v": number(float(column[CELL.voltage_v]) - mean_v, 4),
        "voltage_rank": _rank(cells[CELL.voltage_v], cell),
        "soc_rank": _rank(cells[CELL.soc], cell),
        "module_temperature_max_c": number(s.image.modules[MODULE.temperature_max_c, module], 2),
        "image_age_s": number(s.image_age_s) if s.image_age_s is not None else None,
    }


def _rank(values: Any, cell: int) -> int | None:
    """Place of a cell among all, 1 the lowest; None where its value is not known."""
    mine = float(values[cell])
    return int(np.count_nonzero(values < mine)) + 1 if math.isfinite(mine) else None


def measurements_view(s: Snapshot) -> list[dict[str, Any]]:
    """Health of every fitted channel: its value, quality, age and why it is not good."""
    out = []
    for item, channel in enumerate(CHANNEL_SIGNALS):
        column = s.image.channels[:, item]
        if whole(column[MEASURED.quality]) == sg.NOT_FITTED:
            continue
        out.append(
            {
                "name": channel.name,
                "meaning": channel.meaning,
                "unit": channel.unit,
                "value": number(column[MEASURED.value]),
                "age_s": number(column[MEASURED.age_s], 3),
                "quality": words(sg.QUALITIES, column[MEASURED.quality : MEASURED.quality + 1])[0],
                "reason": words(sg.REASONS, column[MEASURED.reason : MEASURED.reason + 1])[0],
            }
        )
    return out
