"""The steps of an identification, from logs to a cell model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ionward.battery.cell import Capacity, CellModel, Provenance
from ionward.battery.identify import ambient, belong, model
from ionward.battery.identify.description import CellDescription
from ionward.battery.identify.dynamic_runs import dynamic_runs
from ionward.battery.identify.fit import CIRCUIT_SOCS, OCV_SOCS, TEMPERATURES_C, Fit, Stiffness, fit_runs
from ionward.battery.identify.ocv_runs import branch_runs, by_script, script_capacity, script_runs
from ionward.battery.identify.runs import Run
from ionward.battery.identify.thermal import identify_thermal
from ionward.battery.logs import Log, check_against_sheet
from ionward.errors import UserError

Array = npt.NDArray[np.float64]
Progress = Callable[[str, float], None]
ITERATIONS = 40
ACTIVATION_K = 3000.0  # start value of resistance over temperature: 25 kJ/mol, usual for charge transfer and SEI
METHOD = (
    "two RC pairs and one-state hysteresis, all runs fitted at once by Gauss-Newton with smoothness over SOC "
    "and 1/T; OCV corrected for the polarisation of the slow tests by the same fit; current offset and start "
    "SOC of each slow test estimated with it"
)


@dataclass(frozen=True)
class Identified:
    """A cell model and what it was made from: runs, their fit, notes for the reader, and logs in doubt."""

    cell: CellModel
    runs: list[Run]
    fit: Fit
    notes: list[str]
    warnings: list[str]


@dataclass(frozen=True)
class _Branches:
    runs: list[Run]
    capacity_ah: float
    capacities: dict[float, float]


def identify(
    ocv: Sequence[Log],
    dynamic: Sequence[Log],
    description: CellDescription,
    temperatures: Mapping[str, float] | None = None,
    progress: Progress | None = None,
    stiffness: Stiffness | None = None,
) -> Identified:
    """Identify a cell.

    Args:
        ocv: slow charges and discharges, at least one of each.
        dynamic: drive cycles or pulse tests.
        description: name, data sheet and the like; `capacity_ah` defines SOC if given, else the slow
        discharge
            nearest to 25 degC does.
        temperatures: temperature of logs by file name, where it is not otherwise known.
        progress: called with the step's name and the share done.
        stiffness: strength of the fit's priors.

    Raises:
        UserError: logs are missing, unusable, or do not belong to one cell.
    """
    tell = progress or (lambda step, share: None)
    notes: list[str] = []
    if not ocv or not dynamic:
        raise UserError("identification needs at least one OCV log and one dynamic log")
    tell("check the logs", 0.0)
    belong.check_names([*ocv, *dynamic])
    _check_logs([*ocv, *dynamic], description)
    nominal = _temperatures([*ocv, *dynamic], temperatures or {}, notes)
    branches = _branches(ocv, nominal, description.capacity_ah)
    belong.check_branches(branches.runs, branches.capacity_ah)
    rough = _rough_ocv(branches.runs)
    runs = list(branches.runs)
    measured: set[str] = set()
    for log in dynamic:
        found = dynamic_runs(log, nominal[id(log)], branches.capacity_ah, OCV_SOCS, rough[0])
        runs += found
        if log.temperature_c is not None:
            measured.update(run.name for run in found)
    warnings = belong.check_dynamic([r for r in runs if r.kind == "dynamic"], OCV_SOCS, rough[0])
    start = _start(runs, rough)
    fit = fit_runs(
        runs,
        start,
        branches.capacity_ah,
        stiffness or Stiffness(),
        ITERATIONS,
        lambda iteration, cost: tell("fit the model", min(1 - 0.85**iteration, 0.97)),
    )
    tell("thermal model", 0.98)
    thermal = identify_thermal(runs, fit, measured, description.data_sheet.mass_kg)
    if not thermal.measured and description.thermal is not None:
        thermal = description.thermal
    cell = CellModel(
        name=description.name,
        title=description.title,
        chemistry=description.chemistry,
        data_sheet=description.data_sheet,
        capacity=Capacity(
            reference_ah=round(branches.capacity_ah, 4),
            temperature_c=sorted(branches.capacities),
            capacity_ah=[round(branches.capacities[t], 3) for t in sorted(branches.capacities)],
        ),
        ocv=model.open_circuit(fit),
        circuit=model.circuit(fit, runs),
        hysteresis=model.hysteresis(fit),
        thermal=thermal,
        provenance=Provenance(
            data=description.data,
            licence=description.licence,
            method=METHOD,
            not_measured=[*description.not_measured, *_gaps(runs)],
        ),
        fit=model.fit_results(fit, runs),
    )
    tell("done", 1.0)
    return Identified(cell, runs, fit, notes, warnings)


def _check_logs(logs: Sequence[Log], description: CellDescription) -> None:
    problems: list[str] = []
    for log in logs:
        try:
            check_against_sheet(log, description.data_sheet, description.name)
        except UserError as error:
            problems.extend(error.problems)
    if problems:
        raise UserError(*problems)


def _temperatures(logs: Sequence[Log], given: Mapping[str, float], notes: list[str]) -> dict[int, float]:
    out = {}
    problems: list[str] = []
    for log in logs:
        try:
            out[id(log)], source = ambient.temperature_of(log, given)
            notes.append(f"{log.source}: {out[id(log)]:g} degC from {source}")
        except UserError as error:
            problems.extend(error.problems)
    if problems:
        raise UserError(*problems)
    return out


def _branches(ocv: Sequence[Log], nominal: Mapping[int, float], capacity_ah: float | None) -> _Branches:
    groups, alone = by_script(ocv)
    capacities: dict[float, float] = {}
    runs: list[Run] = []
    for test, scripts in groups.items():
        temperature = nominal[id(scripts[1])]
        capacities[temperature] = script_capacity(scripts)[0]
        runs += script_runs(test, scripts, temperature)
    swings = {id(log): float(np.ptp(log.charge_ah())) for log in alone}
    nearest = min(alone, key=lambda log: abs(nominal[id(log)] - 25), default=None)
    reference = capacity_ah
    if reference is None:
        if capacities:
            reference = capacities[min(capacities, key=lambda t: abs(t - 25))]
        elif nearest is not None:
            runs_there = branch_runs(nearest, nominal[id(nearest)], 0.9 * swings[id(nearest)])
            falls = [float(np.ptp(r.soc)) * 0.9 * swings[id(nearest)] for r in runs_there if r.soc[-1] < r.soc[0]]
            reference = falls[0] if falls else swings[id(nearest)]
    assert reference is not None
    for log in alone:
        found = branch_runs(log, nominal[id(log)], reference)
        if not found:
            raise UserError(
                f"{log.source}: no slow charge or discharge over most of {reference:.2f} Ah in it: "
                "give it as a dynamic log, or leave it out"
            )
        runs += found
        falls = [float(np.ptp(r.soc)) * reference for r in found if r.soc[-1] < r.soc[0]]
        if falls:
            capacities.setdefault(nominal[id(log)], falls[0])
    return _Branches(runs, reference, capacities)


def _rough_ocv(branches: Sequence[Run]) -> tuple[Array, Array]:
    """Mean of charge and discharge, and half their distance, from the branches nearest to 25 degC."""

    def curve(direction: float) -> Array | None:
        found = [b for b in branches if direction * (b.soc[-1] - b.soc[0]) > 0]
        if not found:
            return None
        branch = min(found, key=lambda b: abs(b.nominal_c - 25))
        on = np.abs(branch.current_a) > 0.3 * np.max(np.abs(branch.current_a))
        order = np.argsort(branch.soc[on])
        return np.asarray(np.interp(OCV_SOCS, branch.soc[on][order], branch.voltage_v[on][order]))

    down, up = curve(-1.0), curve(1.0)
    if down is None and up is None:
        raise UserError("the OCV logs hold neither a slow charge nor a slow discharge over most of the capacity")
    down = up if down is None else down
    up = down if up is None else up
    assert down is not None
    assert up is not None
    return (down + up) / 2, np.clip((up - down) / 2, 1e-3, None)


def _start(runs: Sequence[Run], rough: tuple[Array, Array]) -> dict[str, Array]:
    """Start values: resistance from the steps of current, everything else usual."""
    rows = len(TEMPERATURES_C)
    estimates = []
    for run in runs:
        if run.kind != "dynamic":
            continue
        step = np.diff(run.current_a)
        large = (np.abs(step) > 0.2 * np.max(np.abs(run.current_a))) & (run.dt_s[1:] < 2.0)
        if large.sum() > 5:
            change = np.diff(run.voltage_v)[large]
            ohm = float(np.sum(step[large] * change) / np.sum(step[large] ** 2))
            mean_c = float(np.mean(run.temperature_c))
            estimates.append(ohm * np.exp(-ACTIVATION_K * (1 / (mean_c + 273.15) - 1 / 298.15)))
    at_25 = max(float(np.median(estimates)), 1e-5) if estimates else 0.02
    over_t = at_25 * np.exp(ACTIVATION_K * (1 / (TEMPERATURES_C + 273.15) - 1 / 298.15))[:, None]
    return {
        "ocv": np.tile(rough[0], (rows, 1)),
        "hysteresis": np.tile(0.7 * np.interp(CIRCUIT_SOCS, OCV_SOCS, rough[1]), (rows, 1)),
        "r0": over_t,
        "r1": 0.4 * over_t,
        "tau1": np.full((1, 1), 8.0),
        "r2": 0.6 * over_t,
        "tau2": np.full((1, 1), 200.0),
        "rate": np.array([50.0]),
        "jump": np.array([0.0]),
    }


def _gaps(runs: Sequence[Run]) -> list[str]:
    """Sentences about what the runs do not cover."""
    out = []
    temperatures = sorted({r.nominal_c for r in runs if r.kind == "dynamic"})
    if len(temperatures) == 1:
        out.append(
            f"resistances and time constants were measured at {temperatures[0]:g} degC only; elsewhere they "
            f"follow a usual activation temperature of {ACTIVATION_K:g} K"
        )
    else:
        listed = ", ".join(f"{t:g}" for t in temperatures)
        out.append(f"resistances and time constants away from {listed} degC are interpolated or continued over 1/T")
    used = [soc for r in runs if r.kind == "dynamic" for soc in (r.soc[r.weight > 0].min(),)]
    if min(used) > 0.02:
        out.append(f"no dynamic test below {100 * min(used):.0f} % SOC")
    if not any(r.soc[-1] > r.soc[0] for r in runs if r.kind == "ocv"):
        out.append("no slow charge: the hysteresis between charge and discharge is not measured")
    return out
