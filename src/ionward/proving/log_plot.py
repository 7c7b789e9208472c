"""The picture of a log run: SOC with its uncertainty, voltage with its residual, and the current inside its limits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ionward.errors import UserError
from ionward.proving.logrun import LogRun
from ionward.proving.plots import BLUE, GREEN, INK, ORANGE, RED, SOFT

Array = npt.NDArray[np.float64]
POINTS = 20000  # beyond this a line is thinned: more than the picture can show


def plot_log_run(run: LogRun, path: Path) -> None:
    """Draw the run into a file; its ending names the format.

    Raises:
        UserError: the format is not known, or the file cannot be written.
    """
    figure = Figure(figsize=(11, 10), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(5, 1, sharex=True, height_ratios=[3.0, 1.1, 1.9, 0.9, 2.0])
    every = max(len(run.log) // POINTS, 1)
    scale, label = _time_unit(run.log.seconds)
    time = (run.log.time_s - run.log.time_s[0])[::every] / scale
    for axis in axes:
        axis.grid(True, color="#e3e8ec", linewidth=0.7)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
        axis.spines[["left", "bottom"]].set_color(SOFT)
        axis.tick_params(colors=INK, labelsize=9)
        axis.yaxis.label.set_color(INK)
    figure.suptitle(_title(run), x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
    _soc(axes[0], axes[1], run, time, every, scale)
    _voltage(axes[2], axes[3], run, time, every)
    _current(axes[4], run, time, every)
    axes[-1].set_xlabel(label, color=INK)
    axes[-1].set_xlim(time[0], time[-1])
    try:
        figure.savefig(path, dpi=130)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: the plot cannot be written: {error}") from None


def _time_unit(seconds: float) -> tuple[float, str]:
    if seconds > 3 * 3600:
        return 3600.0, "time in h"
    return (60.0, "time in min") if seconds > 600 else (1.0, "time in s")


def _title(run: LogRun) -> str:
    title = f"{run.log.source}, {run.system.cell_model.name}"
    score = run.score()
    if score is not None:
        return f"{title}: SOC error {score[0]:.2f} % rms, {score[1]:.2f} % at most after {run.settings.settle_s:g} s"
    return f"{title}: {100 * run.soc[-1]:.1f} ± {100 * run.soc_std[-1]:.1f} % SOC at the end"


def _soc(axis, below, run: LogRun, time: Array, every: int, scale: float) -> None:  # type: ignore[no-untyped-def]
    soc, std = 100 * run.soc[::every], 100 * run.soc_std[::every]
    axis.fill_between(
        time, np.clip(soc - 2 * std, 0, 100), np.clip(soc + 2 * std, 0, 100), color=BLUE, alpha=0.18, linewidth=0,
        label="± 2 standard deviations",
    )  # fmt: skip
    axis.plot(time, soc, color=BLUE, linewidth=1.4, label="estimate")
    below.axhline(0, color=SOFT, linewidth=0.8)
    below.fill_between(time, -2 * std, 2 * std, color=BLUE, alpha=0.18, linewidth=0)
    if run.log.soc_ref is not None:
        reference = 100 * run.log.soc_ref[::every]
        axis.plot(time, reference, color=INK, linewidth=1.0, linestyle=(0, (4, 2)), label="reference")
        error = soc - reference
        below.plot(time, error, color=RED, linewidth=1.0)
        settled = np.abs(error[run.settled[::every] & np.isfinite(error)])
        reach = 1.15 * max(float(np.max(settled, initial=0.0)), float(2 * np.nanmedian(std)), 0.5)
        below.set_ylim(-reach, reach)
        below.set_ylabel("error in %")
    else:
        widest = 2 * std[run.settled[::every] & np.isfinite(std)]
        reach = 1.15 * max(float(np.max(widest, initial=0.0)), 0.5)
        below.set_ylim(-reach, reach)
        below.set_ylabel("± 2 σ in %")
    if 0 < run.settings.settle_s < run.log.seconds:
        axis.axvspan(0, run.settings.settle_s / scale, color=SOFT, alpha=0.12, linewidth=0, label="settling")
        below.axvspan(0, run.settings.settle_s / scale, color=SOFT, alpha=0.12, linewidth=0)
    axis.set_ylim(-3, 103)
    axis.set_ylabel("SOC in %")
    _legend(axis)


def _voltage(axis, below, run: LogRun, time: Array, every: int) -> None:  # type: ignore[no-untyped-def]
    axis.plot(time, run.log.voltage_v[::every], color=INK, linewidth=0.9, label="measured")
    axis.plot(time, run.voltage_pred_v[::every], color=ORANGE, linewidth=0.9, alpha=0.9, label="expected before it")
    axis.set_ylabel("voltage in V")
    _legend(axis)
    residual = 1e3 * run.residual_v[::every]
    below.axhline(0, color=SOFT, linewidth=0.8)
    below.plot(time, residual, color=GREEN, linewidth=0.6)
    found = np.abs(residual[np.isfinite(residual)])
    reach = 1.2 * max(float(np.percentile(found, 99.5)) if len(found) else 0.0, 2.0)
    below.set_ylim(-reach, reach)
    below.set_ylabel("residual in mV")


def _legend(axis) -> None:  # type: ignore[no-untyped-def]
    axis.legend(
        frameon=False, fontsize=8.5, ncols=4, loc="lower left", bbox_to_anchor=(0, 0.99), borderaxespad=0.1
    )  # fmt: skip


def _current(axis, run: LogRun, time: Array, every: int) -> None:  # type: ignore[no-untyped-def]
    current = run.log.current_a * run.settings.current_gain + run.settings.current_offset_a
    axis.plot(time, current[::every], color=INK, linewidth=0.7, label="current")
    axis.plot(time, run.charge_limit_a[::every], color=GREEN, linewidth=1.3, label="charge limit")
    axis.plot(time, -run.discharge_limit_a[::every], color=RED, linewidth=1.3, label="discharge limit")
    axis.set_ylabel("current in A")
    _legend(axis)
