"""Pictures of a cell model and of its fit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.figure import Figure

from ionward.battery import tables
from ionward.battery.cell import CellModel
from ionward.battery.identify.flow import Identified
from ionward.battery.identify.runs import Run

Array = npt.NDArray[np.float64]
SHOWN_C = (-20.0, -10.0, 0.0, 10.0, 25.0, 40.0, 60.0)
_TEMPERATURES_C = tables.TEMPERATURE_MIN_C + tables.TEMPERATURE_STEP_K * np.arange(tables.TEMPERATURES)
_MEASURED_BAND_K = 6.0


def cell_figure(cell: CellModel) -> Figure:
    """OCV branches, hysteresis, resistances, time constants and model error over SOC, a line for each
    temperature.

    Temperatures at which nothing was measured nearby are dashed.
    """
    table = cell.table()
    socs = np.linspace(0, 1, tables.SOCS)
    figure = Figure(figsize=(13, 10), layout="constrained")
    figure.suptitle(cell.title)
    axes = figure.subplots(3, 3).ravel()
    tested = np.array([result.temperature_c for result in cell.fit] or [25.0])
    for number, temperature in enumerate(SHOWN_C):
        row = int(np.argmin(np.abs(_TEMPERATURES_C - temperature)))
        near = np.min(np.abs(tested - temperature)) <= _MEASURED_BAND_K
        style: dict[str, Any] = {
            "color": colormaps["coolwarm"](number / (len(SHOWN_C) - 1)),
            "linestyle": "-" if near else "--",
            "linewidth": 1.2,
        }
        values = table[row]
        ocv, half = values[:, tables.OCV_V], values[:, tables.HYSTERESIS_V]
        axes[0].plot(socs, ocv + half, **style, label=f"{temperature:g} °C")
        axes[0].plot(socs, ocv - half, **style)
        axes[1].plot(socs, 1e3 * half, **style)
        axes[2].plot(socs, np.gradient(ocv, socs), **style)
        shown = ((3, tables.R0_OHM, 1e3), (4, tables.R1_OHM, 1e3), (5, tables.R2_OHM, 1e3))
        for place, parameter, factor in (*shown, (6, tables.TAU1_S, 1.0), (7, tables.TAU2_S, 1.0)):
            axes[place].semilogy(socs, factor * values[:, parameter], **style)
        axes[8].plot(socs, 1e3 * values[:, tables.MODEL_STD_V], **style)
    titles = ["OCV, charge and discharge branch (V)", "hysteresis, half distance (mV)"]
    titles += ["OCV slope (V per 100 %)"]
    titles += ["R0 (mΩ)", "R1 (mΩ)", "R2 (mΩ)", "tau1 (s)", "tau2 (s)", "model error, 1 sigma (mV)"]
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("SOC")
        axis.grid(alpha=0.3)
    slope = np.quantile(np.gradient(table[10, :, tables.OCV_V], socs), 0.9)
    axes[2].set_ylim(-0.2 * slope, 3 * slope)
    axes[0].legend(fontsize=8, title="dashed: not measured", title_fontsize=7)
    return figure


def run_figure(run: Run, predicted_v: Array, soc: Array) -> Figure:
    """Measured and modelled voltage of one run over time, their difference, and SOC with temperature."""
    hours = (run.time_s - run.time_s[0]) / 3600
    figure = Figure(figsize=(12, 8), layout="constrained")
    figure.suptitle(f"{run.name}, {run.nominal_c:g} °C")
    top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 1.5))
    top.plot(hours, run.voltage_v, color="black", linewidth=0.8, label="measured")
    top.plot(hours, predicted_v, color="tab:red", linewidth=0.8, label="model")
    top.set_ylabel("V")
    top.legend()
    middle.plot(hours, 1e3 * (predicted_v - run.voltage_v), color="tab:red", linewidth=0.6)
    middle.set_ylabel("model - measured (mV)")
    bottom.plot(hours, 100 * soc, color="tab:blue")
    bottom.set_ylabel("SOC (%)", color="tab:blue")
    other = bottom.twinx()
    other.plot(hours, run.temperature_c, color="tab:orange")
    other.set_ylabel("°C", color="tab:orange")
    bottom.set_xlabel("h")
    for axis in (top, middle, bottom):
        axis.grid(alpha=0.3)
    return figure


def save_plots(result: Identified, folder: Path) -> list[Path]:
    """Write the cell's picture and one for each run into `folder`; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{result.cell.name}.png"]
    cell_figure(result.cell).savefig(files[0], dpi=110)
    for run, predicted, soc in zip(result.runs, result.fit.predicted_v, result.fit.soc, strict=True):
        files.append(folder / (re.sub(r"[^\w.-]+", "_", run.name) + ".png"))
        run_figure(run, predicted, soc).savefig(files[-1], dpi=100)
    return files
