"""Do these logs belong to one cell? Capacity, voltage window and the shape of the OCV must agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from ionward.battery.identify.runs import Run
from ionward.battery.logs import Log
from ionward.errors import UserError

Array = npt.NDArray[np.float64]

CAPACITY_MORE = 0.12  # a branch may move this share more than the middle one,
CAPACITY_LESS = 0.45  # and this share less (cold, or cut short)
WINDOW_V = 0.12  # highest voltages may differ by this
# How far shapes of OCV branches may differ between 20 and 90 % SOC, RMS. Branches of one cell differ by up to
# 10 mV at 0..45 degC in the library's data, cells of another maker by 21 mV and more.
SHAPE_V = 0.015
SHAPE_COLD_V = 0.060  # where one of the two is below 5 degC: polarisation bends a branch
# How far a dynamic log may leave the OCV plus a linear circuit, RMS, before it is refused. The library's own
# logs leave it by 10..28 mV at 10..45 degC, and by up to 96 mV in the cold.
FOLLOWS_V = 0.045
FOLLOWS_COLD_V = 0.120
DOUBTFUL_V = 0.024  # from here it is flagged, at temperatures near those of the OCV
SOC_MARGIN = 0.08  # the SOC of a dynamic log may leave 0..1 by this
ROOM_C = (15.0, 35.0)
FILTERS_S = (5.0, 40.0, 400.0)


def check_names(logs: Sequence[Log]) -> None:
    """Refuse logs whose own descriptions name different cells.

    Raises:
        UserError: one line, with a log of each.
    """
    named: dict[str, list[str]] = {}
    for log in logs:
        if cell := str(log.metadata.get("cell") or ""):
            named.setdefault(cell, []).append(log.source)
    if len(named) > 1:
        listed = "; ".join(f"'{cell}' ({', '.join(sources[:3])})" for cell, sources in named.items())
        raise UserError(f"the logs describe different cells: {listed}: identify one cell at a time")


def check_branches(branches: Sequence[Run], capacity_ah: float) -> None:
    """Refuse OCV branches that cannot be of one cell.

    Raises:
        UserError: one line for each branch that differs, with what differs.
    """
    problems: dict[str, str] = {}
    moved = np.array([np.ptp(b.soc) * capacity_ah for b in branches])
    tops = np.array([np.max(b.voltage_v[b.weight > 0]) for b in branches])
    middle, top = float(np.median(moved)), float(np.median(tops))
    for branch, ah, highest in zip(branches, moved, tops, strict=True):
        if not (1 - CAPACITY_LESS) * middle < ah < (1 + CAPACITY_MORE) * middle:
            problems[branch.name] = (
                f"{branch.name}: moves {ah:.2f} Ah, the others {middle:.2f} Ah: another cell, or no complete "
                "slow charge or discharge; leave it out"
            )
        elif abs(highest - top) > WINDOW_V:
            problems[branch.name] = (
                f"{branch.name}: goes up to {highest:.2f} V, the others to {top:.2f} V: another cell; leave it out"
            )
    for branch in branches:
        rising = branch.soc[-1] > branch.soc[0]
        alike = [b for b in branches if b is not branch and (b.soc[-1] > b.soc[0]) == rising]
        if not alike or branch.name in problems:
            continue
        # As shares of what is allowed for each pair; the median tolerates other odd ones.
        excess = [_distance_v(branch, b) / _shape_limit_v(branch, b) for b in alike]
        if np.quantile(excess, 0.5, method="lower") > 1:
            problems[branch.name] = (
                f"{branch.name}: the shape of its OCV differs from the others ({alike[0].name}: "
                f"{1e3 * _distance_v(branch, alike[0]):.0f} mV RMS): another cell or chemistry; leave it out"
            )
    if problems:
        raise UserError(*problems.values())


def _shape_limit_v(a: Run, b: Run) -> float:
    return SHAPE_V if min(a.nominal_c, b.nominal_c) >= 5 else SHAPE_COLD_V


def _distance_v(a: Run, b: Run) -> float:
    """RMS difference of two branches after their means are removed (polarisation shifts a branch)."""
    low = max(0.2, float(a.soc.min()), float(b.soc.min()))
    high = min(0.9, float(a.soc.max()), float(b.soc.max()))
    grid = np.linspace(low, max(high, low + 0.1), 36)
    curves = []
    for run in (a, b):
        order = np.argsort(run.soc)
        curve = np.interp(grid, run.soc[order], run.voltage_v[order])
        curves.append(curve - curve.mean())
    return float(np.sqrt(np.mean((curves[0] - curves[1]) ** 2)))


def misfit_v(run: Run, ocv_soc: Array, ocv_v: Array) -> float:
    """What is left of the voltage, V RMS, after the OCV and the best linear circuit."""
    used = (run.weight > 0) & (run.soc > 0.12) & (run.soc < 0.98)
    if used.sum() < 100:
        return 0.0
    columns = [run.current_a]
    step = float(np.median(run.dt_s[1:]))
    columns += [np.asarray(lfilter([step / t], [1, step / t - 1], run.current_a)) for t in FILTERS_S if t > step]
    design = np.array(columns).T[used] * np.sqrt(run.weight[used, None])
    target = (run.voltage_v - np.interp(run.soc, ocv_soc, ocv_v))[used] * np.sqrt(run.weight[used])
    found = np.linalg.lstsq(design, target, rcond=None)[0]
    return float(np.sqrt(np.sum((target - design @ found) ** 2) / np.sum(run.weight[used])))


def check_dynamic(runs: Sequence[Run], ocv_soc: Array, ocv_v: Array) -> list[str]:
    """Refuse dynamic logs that do not follow the OCV of the slow ones; flag doubtful ones.

    Returns:
        A warning for each doubtful log.

    Raises:
        UserError: one line for each log that cannot be of the same cell.
    """
    problems, doubts = [], []
    highest = float(ocv_v[-1])
    for run in runs:
        left = misfit_v(run, ocv_soc, ocv_v)
        limit = FOLLOWS_V if run.nominal_c >= 5 else FOLLOWS_COLD_V
        top = float(np.quantile(run.voltage_v[run.weight > 0], 0.995))
        measure = f"leaves the measured OCV by {1e3 * left:.0f} mV (RMS, after its ohmic and RC parts"
        used = run.soc[run.weight > 0]
        if used.min() < -SOC_MARGIN or used.max() > 1 + SOC_MARGIN:
            problems.append(
                f"{run.name}: its SOC would run from {100 * used.max():.0f} to {100 * used.min():.0f} % "
                "(start from its rested voltage, then the charge counted): another cell, or a wrong "
                "capacity; leave it out"
            )
        elif top > highest + 2 * WINDOW_V:
            problems.append(
                f"{run.name}: works at up to {top:.2f} V, the OCV ends at {highest:.2f} V: another cell; leave it out"
            )
        elif left > limit:
            problems.append(
                f"{run.name}: {measure}; {1e3 * limit:.0f} mV are allowed): another cell, a wrong capacity "
                "or a wrong SOC; leave it out"
            )
        elif left > DOUBTFUL_V and ROOM_C[0] <= run.nominal_c <= ROOM_C[1]:
            doubts.append(f"{run.name}: {measure}): is it a log of the same cell?")
    if problems:
        raise UserError(*problems)
    return doubts
