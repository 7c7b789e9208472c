"""A cell file that contradicts itself is refused with a line for each contradiction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from helpers.cells import synthetic_cell
from ionward.battery.cell import CellModel
from ionward.battery.cell_checks import cell_problems
from ionward.battery.library import load_cell, names
from ionward.errors import UserError

CASES: list[tuple[str, Any, str]] = [
    ("data_sheet.voltage_min_v", 4.2, "data_sheet.voltage_min_v: is not below voltage_max_v; allowed: less than 4.2"),
    (
        "data_sheet.charge_current_pulse_a",
        1.0,
        "data_sheet.charge_current_pulse_a: is below the continuous current; allowed: 6 or more",
    ),
    ("capacity.capacity_ah", [0.0], "capacity.capacity_ah: a capacity is not positive; allowed: more than 0"),
    (
        "capacity.capacity_ah",
        [3.0, 3.0],
        "capacity.capacity_ah: has not one value for each temperature; write as many as temperature_c has",
    ),
    ("capacity.temperature_c", [], "capacity.temperature_c: is empty; write at least one value"),
    (
        "circuit.temperature_c",
        [25.0, -20.0, 45.0],
        "circuit.temperature_c: does not rise; write rising values, none twice",
    ),
    ("ocv.soc", [5.0 * k for k in range(21)], "ocv.soc: a value is outside 0 to 1; SOC is a fraction"),
    (
        "ocv.charge_v",
        [[3.0, 4.0]],
        "ocv.charge_v: is not a table of 1 temperatures with 21 SOCs each; "
        "one row for each temperature, one value for each SOC",
    ),
    (
        "ocv.discharge_v",
        [[3700.0] * 21],
        "ocv.discharge_v: a voltage is far outside of the data sheet's; allowed: 1.5 to 5.2 V",
    ),
    ("circuit.r0_ohm", [[0.0] * 21] * 3, "circuit.r0_ohm: a value is not positive; allowed: more than 0"),
    ("circuit.r1_ohm", [[-0.01] * 21] * 3, "circuit.r1_ohm: a value is negative; allowed: 0 or more"),
]


@pytest.mark.parametrize(("key", "value", "line"), CASES)
def test_a_contradiction_is_told(key: str, value: object, line: str) -> None:
    values = synthetic_cell().model_dump()
    part, _, name = key.partition(".")
    values[part][name] = value
    assert line in cell_problems(CellModel.model_validate(values))


def test_sound_cells_have_no_problems() -> None:
    assert cell_problems(synthetic_cell()) == []
    for name in names():
        assert cell_problems(load_cell(name)) == []


def test_a_users_file_is_checked_when_it_is_loaded(tmp_path: Path) -> None:
    library = Path(load_cell.__code__.co_filename).parent / "cells" / "lg-18650hg2.toml"
    text = library.read_text(encoding="utf-8").replace(
        "charge_temperature_max_c = 50.0", "charge_temperature_max_c = -5.0"
    )
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_cell("mine.toml", tmp_path)
    path = tmp_path / "mine.toml"
    assert str(caught.value) == (
        f"{path}: data_sheet.charge_temperature_min_c: is not below charge_temperature_max_c; allowed: less than -5"
    )


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    library = Path(load_cell.__code__.co_filename).parent / "cells" / "lg-18650hg2.toml"
    text = library.read_text(encoding="utf-8").replace("mass_kg = 0.048", "mass_kg = inf")
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"mine\.toml: data_sheet\.mass_kg: value inf: is not a finite number"):
        load_cell("mine.toml", tmp_path)
