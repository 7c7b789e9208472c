"""The model of one cell type: what its data sheet says and what was identified from measurements."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from ionward.battery import tables

Floats = list[float]
Grid = list[list[float]]  # [temperature, soc]


class Part(BaseModel):
    """A part of a description: unknown keys, NaN and infinity are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataSheet(Part):
    """Walls that the maker names. No limit of a pack may lie outside of them."""

    source: str
    nominal_capacity_ah: Annotated[float, Field(gt=0)]
    nominal_voltage_v: Annotated[float, Field(gt=0)]
    voltage_min_v: float
    voltage_max_v: float
    charge_current_max_a: Annotated[float, Field(gt=0)]
    discharge_current_max_a: Annotated[float, Field(gt=0)]
    charge_current_pulse_a: Annotated[float, Field(gt=0)]
    discharge_current_pulse_a: Annotated[float, Field(gt=0)]
    charge_temperature_min_c: float
    charge_temperature_max_c: float
    discharge_temperature_min_c: float
    discharge_temperature_max_c: float
    mass_kg: Annotated[float, Field(gt=0)]


class Capacity(Part):
    """Discharge capacity at small current over temperature; `reference_ah` is the one that defines SOC."""

    reference_ah: Annotated[float, Field(gt=0)]
    temperature_c: Floats
    capacity_ah: Floats


class OpenCircuit(Part):
    """Open-circuit voltage over SOC and temperature, with charge and discharge branch."""

    temperature_c: Floats
    soc: Floats
    charge_v: Grid
    discharge_v: Grid


class Circuit(Part):
    """Two-RC equivalent circuit over SOC and temperature."""

    temperature_c: Floats
    soc: Floats
    r0_ohm: Grid
    r1_ohm: Grid
    tau1_s: Grid
    r2_ohm: Grid
    tau2_s: Grid
    model_std_v: Grid


class Hysteresis(Part):
    """Hysteresis between the OCV branches.

    `rate` is gamma of Plett's one-state model, `instantaneous_v` the part that follows the sign of the
    current at once.
    """

    rate: Annotated[float, Field(gt=0)]
    instantaneous_v: Annotated[float, Field(ge=0)] = 0.0


class Thermal(Part):
    """Two-node thermal model of one cell."""

    heat_capacity_core_j_per_k: Annotated[float, Field(gt=0)]
    heat_capacity_surface_j_per_k: Annotated[float, Field(gt=0)]
    resistance_core_surface_k_per_w: Annotated[float, Field(gt=0)]
    resistance_surface_ambient_k_per_w: Annotated[float, Field(gt=0)]
    entropic_v_per_k: float = 0.0
    measured: bool
    source: str


class FitResult(Part):
    """How well the model follows one measured test."""

    test: str
    temperature_c: float
    seconds: float
    voltage_rmse_mv: float
    voltage_max_mv: float


class Provenance(Part):
    """Where the numbers come from, and what was not measured."""

    data: str
    licence: str
    method: str
    not_measured: list[str] = []


class CellModel(Part):
    """One cell type. Read it with `ionward.battery.library.load_cell`."""

    name: str
    title: str
    chemistry: Literal["NMC", "NCA", "LFP", "LMO", "LCO", "LTO"]
    data_sheet: DataSheet
    capacity: Capacity
    ocv: OpenCircuit
    circuit: Circuit
    hysteresis: Hysteresis
    thermal: Thermal
    provenance: Provenance
    fit: list[FitResult] = []

    def table(self) -> npt.NDArray[np.float64]:
        """The cell on the uniform grid of `battery.tables`: float64 `[temperature, soc, parameter]`."""
        temperatures = tables.TEMPERATURE_MIN_C + tables.TEMPERATURE_STEP_K * np.arange(tables.TEMPERATURES)
        socs = np.linspace(0.0, 1.0, tables.SOCS)

        def resample(grid: Grid, of: OpenCircuit | Circuit) -> npt.NDArray[np.float64]:
            over_soc = np.array([np.interp(socs, of.soc, row) for row in grid])
            columns = [np.interp(temperatures, of.temperature_c, column) for column in over_soc.T]
            return np.array(columns).T

        charge_v = resample(self.ocv.charge_v, self.ocv)
        discharge_v = resample(self.ocv.discharge_v, self.ocv)
        out = np.empty((tables.TEMPERATURES, tables.SOCS, tables.PARAMETERS))
        out[..., tables.OCV_V] = (charge_v + discharge_v) / 2
        out[..., tables.HYSTERESIS_V] = (charge_v - discharge_v) / 2
        for index, grid in (
            (tables.R0_OHM, self.circuit.r0_ohm),
            (tables.R1_OHM, self.circuit.r1_ohm),
            (tables.TAU1_S, self.circuit.tau1_s),
            (tables.R2_OHM, self.circuit.r2_ohm),
            (tables.TAU2_S, self.circuit.tau2_s),
            (tables.MODEL_STD_V, self.circuit.model_std_v),
        ):
            out[..., index] = resample(grid, self.circuit)
        return out
