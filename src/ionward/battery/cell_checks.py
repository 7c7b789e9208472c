"""Checks of a cell file that compare its values with each other: axes, shapes, signs, walls."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from ionward.battery.cell import CellModel, Circuit, Grid, OpenCircuit

POSITIVE = ("r0_ohm", "tau1_s", "tau2_s")
NOT_NEGATIVE = ("r1_ohm", "r2_ohm", "model_std_v")
SHEET_ORDERS = (
    ("voltage_min_v", "voltage_max_v"),
    ("charge_temperature_min_c", "charge_temperature_max_c"),
    ("discharge_temperature_min_c", "discharge_temperature_max_c"),
)
FAR_V = 1.0  # an OCV so far outside of the data sheet's window is not this cell's, or not in volts


def cell_problems(cell: CellModel) -> list[str]:
    """What is wrong with a cell model, `key: what is wrong; what is allowed`, one line each."""
    return [*_sheet(cell), *_capacity(cell), *_open_circuit(cell), *_circuit(cell)]


def _sheet(cell: CellModel) -> Iterator[str]:
    sheet = cell.data_sheet
    for low, high in SHEET_ORDERS:
        if not getattr(sheet, low) < getattr(sheet, high):
            yield f"data_sheet.{low}: is not below {high}; allowed: less than {getattr(sheet, high):g}"
    for direction in ("charge", "discharge"):
        rated = getattr(sheet, f"{direction}_current_max_a")
        pulse = getattr(sheet, f"{direction}_current_pulse_a")
        if not rated <= pulse:
            yield f"data_sheet.{direction}_current_pulse_a: is below the continuous current; allowed: {rated:g} or more"


def _capacity(cell: CellModel) -> Iterator[str]:
    capacity = cell.capacity
    yield from _rising("capacity.temperature_c", capacity.temperature_c)
    if len(capacity.capacity_ah) != len(capacity.temperature_c):
        yield "capacity.capacity_ah: has not one value for each temperature; write as many as temperature_c has"
    if not all(value > 0 for value in capacity.capacity_ah):
        yield "capacity.capacity_ah: a capacity is not positive; allowed: more than 0"


def _rising(key: str, axis: list[float]) -> Iterator[str]:
    if not axis:
        yield f"{key}: is empty; write at least one value"
    elif any(not a < b for a, b in itertools.pairwise(axis)):
        yield f"{key}: does not rise; write rising values, none twice"


def _axes(name: str, part: OpenCircuit | Circuit, grids: tuple[str, ...]) -> Iterator[str]:
    yield from _rising(f"{name}.temperature_c", part.temperature_c)
    yield from _rising(f"{name}.soc", part.soc)
    if any(not 0 <= soc <= 1 for soc in part.soc):
        yield f"{name}.soc: a value is outside 0 to 1; SOC is a fraction"
    for grid in grids:
        if not _fits(getattr(part, grid), part):
            shape = f"{len(part.temperature_c)} temperatures with {len(part.soc)} SOCs each"
            yield f"{name}.{grid}: is not a table of {shape}; one row for each temperature, one value for each SOC"


def _fits(grid: Grid, part: OpenCircuit | Circuit) -> bool:
    return len(grid) == len(part.temperature_c) and all(len(row) == len(part.soc) for row in grid)


def _open_circuit(cell: CellModel) -> Iterator[str]:
    yield from _axes("ocv", cell.ocv, ("charge_v", "discharge_v"))
    low, high = cell.data_sheet.voltage_min_v - FAR_V, cell.data_sheet.voltage_max_v + FAR_V
    for grid in ("charge_v", "discharge_v"):
        if any(not low <= value <= high for row in getattr(cell.ocv, grid) for value in row):
            yield f"ocv.{grid}: a voltage is far outside of the data sheet's; allowed: {low:g} to {high:g} V"


def _circuit(cell: CellModel) -> Iterator[str]:
    yield from _axes("circuit", cell.circuit, (*POSITIVE, *NOT_NEGATIVE))
    for grid in POSITIVE:
        if any(not value > 0 for row in getattr(cell.circuit, grid) for value in row):
            yield f"circuit.{grid}: a value is not positive; allowed: more than 0"
    for grid in NOT_NEGATIVE:
        if any(not value >= 0 for row in getattr(cell.circuit, grid) for value in row):
            yield f"circuit.{grid}: a value is negative; allowed: 0 or more"
