"""Signals are found by their names, and a wrong name is answered by near ones."""

from __future__ import annotations

import numpy as np
import pytest

from ionward.errors import UserError
from ionward.image.inputs import CHANNEL, new_command, new_raw
from ionward.image.layout import Image, Size, new_image
from ionward.image.signals import CELL, FAULT, MEASURED, MODULE
from ionward.runtime.selection import Gatherer, all_columns, default_columns, select

SIZE = Size(6, 3, 2)


def names(*wanted: str) -> list[str]:
    return [c.name for c in select(wanted, SIZE)]


def test_names_are_unique() -> None:
    found = [c.name for c in all_columns(SIZE)]
    assert len(found) == len(set(found))


def test_scalars_channels_cells_sensors_modules_and_faults_are_there_by_default() -> None:
    found = {c.name for c in default_columns(SIZE)}
    assert {"soc", "pack_voltage_v", "pack_voltage_v.quality", "cell_voltage_v[5]", "sensor_temperature_c[2]"} <= found
    assert {"module_temperature_mean_c[1]", "fault.cell_overvoltage.level", "channel.current_a"} <= found
    assert not any(name.startswith(("raw.", "command.")) or ".age_s" in name for name in found)


def test_a_name_can_mean_one_some_or_all() -> None:
    assert names("cell_voltage_v[3]") == ["cell_voltage_v[3]"]
    assert names("cell_voltage_v") == names("cell_voltage_v[*]") == [f"cell_voltage_v[{k}]" for k in range(6)]
    assert names("cell_voltage_v[1:3]") == ["cell_voltage_v[1]", "cell_voltage_v[2]"]
    assert names("fault.*overvoltage.level")[0] == "fault.cell_overvoltage.level"
    assert names("soc", "soc", "current_a") == ["soc", "current_a"]


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("cell_voltage", "cell_voltage_v"),
        ("sco", "soc"),
        ("cell_voltage_v[6]", "cell_voltage_v[0] to cell_voltage_v[5]"),
        ("soc[2]", "soc has no number"),
        ("xyzzy", "signals.md"),
        ("", "does not exist"),
    ],
)
def test_unknown_names_are_answered(name: str, answer: str) -> None:
    with pytest.raises(UserError, match="does not exist") as caught:
        names(name)
    assert answer in str(caught.value)


def test_values_are_those_of_the_image() -> None:
    rng = np.random.default_rng(0)
    image: Image = new_image(SIZE)
    for block in image[1:]:
        block[:] = rng.normal(size=block.shape)
    image.scalars["soc"] = 0.25
    image.scalars["state"] = 3
    raw, command = new_raw(6, 3), new_command()
    raw.cells[:] = rng.normal(size=raw.cells.shape)
    command["connect"] = 1
    wanted = {
        "soc": 0.25,
        "state": 3,
        "pack_voltage_v": image.channels[MEASURED.value, CHANNEL.pack_voltage_v],
        "pack_voltage_v.age_s": image.channels[MEASURED.age_s, CHANNEL.pack_voltage_v],
        "cell_soc[4]": image.cells[CELL.soc, 4],
        "sensor_temperature_c[1]": image.temperatures[MEASURED.value, 1],
        "module_balancing_heat_w[1]": image.modules[MODULE.balancing_heat_w, 1],
        "fault.cell_undervoltage.value": image.faults[FAULT.value, 1],
        "raw.cell_voltage_v[2]": raw.cells[0, 2],
        "raw.cell_time_s[2]": raw.cells[1, 2],
        "command.connect": 1,
    }
    columns = select(list(wanted), SIZE)
    out = np.zeros(len(columns))
    Gatherer(columns).gather(image, raw, command, out)
    assert dict(zip([c.name for c in columns], out.tolist(), strict=True)) == wanted
