"""Do these logs belong to one cell? Capacity, voltage window and the shape of the OCV must agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from ionward.battery.identify.runs import Run
from ionward.errors import UserError

Array = npt.NDArray[np.float64]

CAPACITY_MORE = 0.12  # a branch may move this share more than the middle one,
CAPACITY_LESS = 0.45  # and this share less (cold, or cut short)
WINDOW_V = 0.12  # highest voltages may differ by this
SHAPE_V = 0.05  # OCV branches may differ by this between 20 and 90 % SOC after their offset is removed
FOLLOWS_V = 0.045  # a dynamic log may leave the OCV plus a linear circuit by this, at 5 degC and above,
FOLLOWS_COLD_V = 0.12  # and by this below
FILTERS_S = (5.0, 40.0, 400.0)


def check_branches(branches: Sequence[Run], capacity_ah: float) -> None:
    """Refuse OCV branches that cannot be of one cell.

    Raises:
        UserError: one line for each branch that differs, with what differs.
    """
    problems: list[str] = []
    moved = np.array([np.ptp(b.soc) * capacity_ah for b in branches])
    middle = float(np.median(moved))
    tops = np.array([np.max(b.voltage_v[b.weight > 0]) for b in branches])
    top = float(np.median(tops))
    grid = np.linspace(0.2, 0.9, 36)
    curves = {}
    for branch, ah, highest in zip(branches, moved, tops, strict=True):
        if not (1 - CAPACITY_LESS) * middle < ah < (1 + CAPACITY_MORE) * middle:
            problems.append(
                f"{branch.name}: moves {ah:.2f} Ah, the others {middle:.2f} Ah: another cell, or no complete "
                "slow charge or discharge; leave it out"
            )
        elif abs(highest - top) > WINDOW_V:
            problems.append(
                f"{branch.name}: goes up to {highest:.2f} V, the others to {top:.2f} V: another cell; leave it out"
            )
        order = np.argsort(branch.soc)
        curve = np.interp(grid, branch.soc[order], branch.voltage_v[order])
        curves[branch.name] = curve - curve.mean()
    typical = np.median(list(curves.values()), axis=0)
    named = " ".join(problems)
    for name, curve in curves.items():
        off = float(np.sqrt(np.mean((curve - typical) ** 2)))
        if off > SHAPE_V and name not in named:
            problems.append(
                f"{name}: the shape of its OCV differs from the others by {1e3 * off:.0f} mV (RMS): "
                "another cell or chemistry; leave it out"
            )
    if problems:
        raise UserError(*problems)


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


def check_dynamic(runs: Sequence[Run], ocv_soc: Array, ocv_v: Array) -> None:
    """Refuse dynamic logs that do not follow the OCV of the slow ones.

    Raises:
        UserError: one line for each.
    """
    problems = []
    highest = float(ocv_v[-1])
    for run in runs:
        left = misfit_v(run, ocv_soc, ocv_v)
        limit = FOLLOWS_V if run.nominal_c >= 5 else FOLLOWS_COLD_V
        top = float(np.quantile(run.voltage_v[run.weight > 0], 0.995))
        if top > highest + 2 * WINDOW_V:
            problems.append(
                f"{run.name}: works at up to {top:.2f} V, the OCV ends at {highest:.2f} V: another cell; leave it out"
            )
        elif left > limit:
            problems.append(
                f"{run.name}: leaves the measured OCV by {1e3 * left:.0f} mV (RMS, after its ohmic and RC "
                f"parts; {1e3 * limit:.0f} mV are allowed): another cell, a wrong capacity or a wrong SOC; "
                "leave it out"
            )
    if problems:
        raise UserError(*problems)
