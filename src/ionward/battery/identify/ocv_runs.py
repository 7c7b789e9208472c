"""Runs from slow charges and discharges, one file with both or the four scripts of the ESC procedure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ionward.battery.identify.runs import Run, counter_ah, mean_current, row_weight
from ionward.battery.logs import Log
from ionward.errors import UserError

Array = npt.NDArray[np.float64]
_SCRIPT = re.compile(r"^(?P<test>.*?)[_\- ]?(?:script|s)(?P<number>[1-4])$", re.IGNORECASE)
BRANCH_S = 8000.0  # a branch counts at most as much as this many seconds of a drive cycle
WHOLE = 0.6  # a phase that moves less than this share of the capacity is no branch
QUIET_SHARE = 0.02  # of the largest current: below it the cell rests


def by_script(logs: Sequence[Log]) -> tuple[dict[str, dict[int, Log]], list[Log]]:
    """Split logs into groups of ESC scripts 1-4 (G. L. Plett: 1 slow discharge, 2 rest of it at 25 degC, 3
    slow charge, 4 rest of it at 25 degC) and those that stand alone.

    Raises:
        UserError: a group lacks a script.
    """
    groups: dict[str, dict[int, Log]] = {}
    alone = []
    for log in logs:
        match = _SCRIPT.match(log.source.rsplit(".", 1)[0])
        if match:
            groups.setdefault(match["test"], {})[int(match["number"])] = log
        else:
            alone.append(log)
    problems = [
        f"{test}: script {', '.join(str(n) for n in (1, 2, 3, 4) if n not in scripts)} is missing: "
        "the four scripts of one OCV test belong together"
        for test, scripts in groups.items()
        if len(scripts) < 4
    ]
    if problems:
        raise UserError(*problems)
    return groups, alone


def _moved_ah(log: Log) -> Array:
    return counter_ah(log, mean_current(log))


def script_capacity(scripts: Mapping[int, Log]) -> tuple[float, float]:
    """Charge of the complete discharge (scripts 1 and 2) and of the complete charge (3 and 4), Ah."""
    moved = {number: float(_moved_ah(log)[-1]) for number, log in scripts.items()}
    return -(moved[1] + moved[2]), moved[3] + moved[4]


def script_runs(test: str, scripts: Mapping[int, Log], temperature_c: float) -> list[Run]:
    """Discharge and charge branch of one ESC test; SOC from the complete charge of each direction."""
    discharge_ah, charge_ah = script_capacity(scripts)
    down, up = scripts[1], scripts[3]
    return [
        _run(f"{test} discharge", down, temperature_c, 1 + _moved_ah(down) / discharge_ah, 1.0),
        _run(f"{test} charge", up, temperature_c, _moved_ah(up) / charge_ah, -1.0),
    ]


def _run(name: str, log: Log, temperature_c: float, soc: Array, hysteresis_start: float, **std: float) -> Run:
    weight = row_weight(log.time_s)
    weight[~log.valid] = 0.0
    weight[0] = 0.0
    weight *= min(1.0, BRANCH_S / max(float(weight.sum()), 1.0))
    temperature = log.temperature_c if log.temperature_c is not None else np.full(len(log), temperature_c)
    known = np.isfinite(temperature)
    temperature = np.interp(log.time_s, log.time_s[known], temperature[known])
    return Run(
        name,
        "ocv",
        temperature_c,
        log.time_s,
        np.nan_to_num(log.current_a),
        mean_current(log),
        np.nan_to_num(log.voltage_v),
        temperature,
        soc,
        weight,
        hysteresis_start,
        **std,
    )


def phases(log: Log, capacity_ah: float) -> list[tuple[int, slice]]:
    """Slow charges (+1) and discharges (-1) that move most of the capacity, each with the rest after it."""
    mean = mean_current(log)
    moved = counter_ah(log, mean)
    quiet = QUIET_SHARE * float(np.nanmax(np.abs(log.current_a)))
    sign = np.where(mean > quiet, 1, np.where(mean < -quiet, -1, 0))
    active = np.flatnonzero(sign)
    if not len(active):
        return []
    cuts = np.flatnonzero(np.diff(sign[active])) + 1
    firsts = [int(active[c]) for c in np.concatenate(([0], cuts))]
    ends = [*firsts[1:], len(sign)]
    found = []
    for first, end in zip(firsts, ends, strict=True):
        rows = slice(max(first - 1, 0), end)
        if abs(moved[end - 1] - moved[rows.start]) > WHOLE * capacity_ah:
            found.append((int(sign[first]), rows))
    return found


def branch_runs(log: Log, temperature_c: float, capacity_ah: float) -> list[Run]:
    """Discharge and charge branches of one log.

    A discharge starts full. The charge after it starts where that ended, and its counter is scaled so that
    it ends full again if the cell rests at (nearly) the voltage of the start then: over the 20 hours of a
    C/20 charge the offset of a tester's current adds up to percents.
    """
    name = log.source.rsplit(".", 1)[0]
    charge_a = float(np.nanmax(np.abs(log.current_a)))
    runs: list[Run] = []
    soc = 1.0
    found = phases(log, capacity_ah)
    for number, (direction, rows) in enumerate(found):
        part = log.rows(rows)
        moved = _moved_ah(part) / capacity_ah
        label = f"{name} {'charge' if direction > 0 else 'discharge'}"
        if len(found) > 2:
            label += f" {number + 1}"
        std = {"offset_std_a": 0.01 * charge_a, "start_std": 0.01}
        if direction < 0:
            runs.append(_run(label, part, temperature_c, 1.0 + moved, 1.0, **std))
        else:
            begin = soc if number else 1.0 - moved[-1]
            full = 1.0 - begin
            near = abs(part.voltage_v[-1] - float(np.nanmax(log.voltage_v))) < 0.03 * np.nanmax(log.voltage_v) / 4
            scale = full / moved[-1] if near and moved[-1] > 0 else 1.0
            std["offset_std_a"] = 0.03 * charge_a
            runs.append(_run(label, part, temperature_c, begin + moved * scale, -1.0, **std))
        soc = float(runs[-1].soc[-1])
    return runs
