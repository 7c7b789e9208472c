"""Two-node thermal model of a cell from the surface temperature of its dynamic logs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from ionward._compile import njit
from ionward.battery.cell import Thermal
from ionward.battery.identify.fit import OCV_SOCS, TEMPERATURES_C, Fit
from ionward.battery.identify.runs import Run

Array = npt.NDArray[np.float64]

SPECIFIC_HEAT = 950.0  # J/(kg K), 18650 and 26650 cells: 830-1100 in A. Loges et al., J. Power Sources 336 (2016)
CORE_SURFACE_K_PER_W = 3.0  # 18650 cells: 2-4 K/W, C. Forgez et al., J. Power Sources 195 (2010) for a 26650
SURFACE_SHARE = 0.1  # of the heat capacity: the can
RISE_K = 1.2  # a run that warms less says nothing
STEP_S = 5.0


@njit
def two_nodes(
    heat_w: Array, step_s: float, ambient_c: float, start_c: float, parameters: Array, surface_c: Array
) -> None:
    """Surface temperature of one cell, explicit steps.

    Args:
        heat_w: `[row]`, heat in the core over the step before each row.
        step_s: s, small against C_s R_c.
        ambient_c: degC.
        start_c: of core and surface, degC.
        parameters: heat capacity of core and surface (J/K), resistance core-surface and surface-ambient
        (K/W).
        surface_c: `[row]`, written.
    """
    core, surface = start_c, start_c
    for k in range(len(heat_w)):
        inner = (core - surface) / parameters[2]
        core += step_s / parameters[0] * (heat_w[k] - inner)
        surface += step_s / parameters[1] * (inner - (surface - ambient_c) / parameters[3])
        surface_c[k] = surface


def _heat(run: Run, fit: Fit, soc: Array) -> tuple[Array, Array]:
    """Irreversible heat (current times overpotential) and measured surface temperature on an even grid."""
    grid = np.arange(run.time_s[0], run.time_s[-1], STEP_S)
    row = int(np.argmin(np.abs(TEMPERATURES_C - np.mean(run.temperature_c))))
    ocv = np.interp(soc, OCV_SOCS, fit.values["ocv"][row])
    energy = np.cumsum(run.mean_current_a * (run.voltage_v - ocv) * run.dt_s)
    heat = np.diff(np.interp(grid, run.time_s, energy), prepend=0.0) / STEP_S
    return heat, np.interp(grid, run.time_s, run.temperature_c)


def identify_thermal(runs: Sequence[Run], fit: Fit, measured: set[str], mass_kg: float) -> Thermal:
    """Heat capacity and cooling of the cell as it stood in the chamber.

    The total heat capacity and the resistance to ambient come from the measured surface temperature. How
    the total splits into core and surface cannot be seen in it; that is held near values from literature.

    Args:
        runs: all runs.
        fit: their fit.
        measured: names of runs that have a measured temperature.
        mass_kg: for the values from literature.
    """
    total = mass_kg * SPECIFIC_HEAT
    start = np.log([total, CORE_SURFACE_K_PER_W, 8.0])
    spread = np.array([0.3, 0.3, 1.5])
    data = [
        _heat(run, fit, soc)
        for run, soc in zip(runs, fit.soc, strict=True)
        if run.kind == "dynamic" and run.name in measured and np.ptp(run.temperature_c) > RISE_K
    ]
    if not data:
        return _thermal(np.exp(start), False, "typical of cylindrical cells, scaled with the mass: not measured")

    def residuals(x: Array) -> Array:
        values = np.exp(x[:3])
        parameters = _parameters(values)
        out = [(x[:3] - start) / spread]
        for (heat, temperature), ambient in zip(data, x[3:], strict=True):
            surface = np.empty_like(temperature)
            first = float(np.median(temperature[:10]))
            two_nodes(heat, STEP_S, ambient, first, parameters, surface)
            # Neighbouring errors are alike: one independent value a minute, 0.3 K.
            out.append((surface - temperature) / 0.3 / np.sqrt(60 / STEP_S))
            out.append(np.array([(ambient - first) / 0.5]))
        return np.concatenate(out)

    ambient = [float(np.median(temperature[:10])) for _, temperature in data]
    found = least_squares(residuals, np.concatenate((start, ambient)))
    parameters = _parameters(np.exp(found.x[:3]))
    errors = []
    for (heat, temperature), outside in zip(data, found.x[3:], strict=True):
        surface = np.empty_like(temperature)
        two_nodes(heat, STEP_S, float(outside), float(np.median(temperature[:10])), parameters, surface)
        errors.append(np.mean((surface - temperature) ** 2))
    rmse = float(np.sqrt(np.mean(errors)))
    source = (
        f"surface temperature of {len(data)} dynamic logs, RMSE {rmse:.2f} K; cooling is that of the test "
        f"chamber; the split into core and surface is held near {CORE_SURFACE_K_PER_W:g} K/W and "
        f"{SURFACE_SHARE:.0%} (literature)"
    )
    return _thermal(np.exp(found.x[:3]), True, source)


def _parameters(values: Array) -> Array:
    total, inner, outer = values
    return np.array([(1 - SURFACE_SHARE) * total, SURFACE_SHARE * total, inner, outer])


def _thermal(values: Array, measured: bool, source: str) -> Thermal:
    core, surface, inner, outer = (round(float(v), 2) for v in _parameters(values))
    return Thermal(
        heat_capacity_core_j_per_k=core,
        heat_capacity_surface_j_per_k=surface,
        resistance_core_surface_k_per_w=inner,
        resistance_surface_ambient_k_per_w=outer,
        measured=measured,
        source=source,
    )
