"""A system file becomes a complete description."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from helpers.cells import synthetic_cell
from helpers.examples import NAMES, changed, example
from ionward.battery.defaults import merge, profile_defaults
from ionward.battery.library import load_cell
from ionward.battery.reference import configuration_reference, default_text, keys
from ionward.battery.sensors import SENSOR_NAMES
from ionward.battery.system import System, load_system
from ionward.battery.topology import PROFILES
from ionward.errors import UserError


@pytest.mark.parametrize("name", NAMES)
def test_examples_load_and_survive_the_way_through_json(name: str) -> None:
    system = load_system(example(name))
    assert System.from_dict(json.loads(json.dumps(system.as_dict(), allow_nan=False))) == system


def test_the_users_value_counts_before_profile_and_data_sheet(tmp_path: Path) -> None:
    system = load_system(example("ev-96s"), synthetic_cell())
    assert system.limits.cell_voltage_min_v == 2.8  # the file; the data sheet says 2.5
    assert system.sensors.hold_s == 0.1  # the profile
    assert system.limits.charge_temperature_max_c == 50.0  # the data sheet
    assert system.limits.pulse_s == 10.0  # the field's own default
    assert system.topology.capacity_ah == 46 * 3.0  # follows from cell and topology
    assert system.sensors.cell_voltage.age_max_s == pytest.approx(0.1)  # five periods of 20 ms


def test_limits_that_are_not_written_come_from_the_data_sheet_times_the_cells_in_parallel() -> None:
    system = load_system(example("bench-cell"))
    sheet = load_cell("lg-18650hg2").data_sheet
    assert system.limits.charge_current_max_a == sheet.charge_current_max_a
    assert system.limits.discharge_current_pulse_a == sheet.discharge_current_pulse_a
    assert system.limits.cell_voltage_max_v == sheet.voltage_max_v


def test_writing_the_table_of_a_sensor_fits_it(tmp_path: Path) -> None:
    assert load_system(example("ev-96s")).sensors.current_redundant.fitted
    without = changed(tmp_path, ("[sensors.current_redundant]", ""))
    assert not load_system(without).sensors.current_redundant.fitted
    off = changed(tmp_path, ("[sensors.current_redundant]", "[sensors.current_redundant]\nfitted = false"))
    assert not load_system(off).sensors.current_redundant.fitted


def test_sensors_of_a_part_are_there_with_the_part(tmp_path: Path) -> None:
    def fitted(*changes: tuple[str, str], of: str = "ev-96s") -> set[str]:
        sensors = load_system(changed(tmp_path, *changes, of=of) if changes else example(of)).sensors
        return {name for name in SENSOR_NAMES if getattr(sensors, name).fitted}

    whole = fitted()
    contacts = {"contactor_positive", "contactor_negative", "positive_tap", "negative_tap"}
    assert contacts | {"balancing_board", "pyrofuse_loop", "monitor_crc", "connector_positive"} <= whole
    assert whole - fitted(("pyrofuse = true", "pyrofuse = false")) == {"pyrofuse_loop"}
    assert whole - fitted(("", '[balancing]\nkind = "none"')) == {"balancing_board"}
    none = (("[contactors]", "[contactors]\nfitted = false"), ("[precharge]", "[precharge]\nfitted = false"))
    assert whole - fitted(*none) == contacts
    # Who writes the table has the sensor; a profile may say that it has none.
    assert "positive_tap" in fitted(*none, ("", "[sensors.positive_tap]"))
    assert fitted(of="home-16s") & {*contacts, "balancing_board", "monitor_crc"} == {"balancing_board", "monitor_crc"}
    assert fitted(of="bench-cell") == {"cell_voltage", "temperature", "current"}


def test_a_pack_without_temperature_sensors_has_none_fitted() -> None:
    system = load_system(example("leaf-96s"))
    assert system.topology.temperature_sensors == 0
    assert not system.sensors.temperature.fitted


def test_a_cell_file_is_taken_from_the_folder_of_the_pack_file(tmp_path: Path) -> None:
    library = Path(load_system.__code__.co_filename).parent / "cells" / "lg-18650hg2.toml"
    (tmp_path / "mine.toml").write_text(library.read_text(encoding="utf-8"), encoding="utf-8")
    path = changed(tmp_path, ('cell = "lg-18650hg2"', 'cell = "mine.toml"'))
    assert load_system(path).cell_model == load_cell("lg-18650hg2")


def test_a_description_cannot_be_changed_after_its_check() -> None:
    system = load_system(example("ev-96s"))
    with pytest.raises(ValueError, match="frozen"):
        system.limits.cell_voltage_max_v = 5.0  # type: ignore[misc]


def test_a_damaged_recorded_description_is_one_clear_line_each() -> None:
    values = load_system(example("bench-cell")).as_dict()
    values["topology"]["cells_per_module"] = "one"
    del values["limits"]["pulse_s"]  # has a default, so it may be absent
    del values["cycle"]["period_s"]
    with pytest.raises(UserError) as caught:
        System.from_dict(values)
    file = example("bench-cell")
    assert set(caught.value.problems) == {
        f'{file}: topology.cells_per_module: value "one": is not a whole number; '
        "allowed: a whole number without quotes",
        f"{file}: cycle.period_s: is missing; write it",
    }


def test_tables_are_merged_deeply_and_neither_side_changes() -> None:
    below, above = {"a": {"x": 1, "y": 2}, "b": 1}, {"a": {"y": 3}, "c": 4}
    assert merge(below, above) == {"a": {"x": 1, "y": 3}, "b": 1, "c": 4}
    assert below == {"a": {"x": 1, "y": 2}, "b": 1}


@pytest.mark.parametrize("profile", PROFILES)
def test_every_value_of_a_profile_is_a_key_of_the_reference_with_that_default(profile: str) -> None:
    known = {key.path: key for key in keys()}

    def leaves(table: dict[str, object], prefix: str = "") -> list[str]:
        paths = []
        for name, value in table.items():
            path = f"{prefix}{name}"
            paths += leaves(value, f"{path}.") if isinstance(value, dict) else [path]
        return paths

    defaults = profile_defaults(profile)
    for path in leaves(defaults):
        assert path in known, f"{path} of profile {profile} is no key"
        assert default_text(known[path], defaults) not in ("", "required")


def test_the_reference_explains_every_key() -> None:
    text = configuration_reference()
    for key in keys():
        assert key.meaning, key.path
        assert f"| `{key.path.rpartition('.')[2]}` |" in text
    assert "| `period_s` | number | s | ev: `0.02`<br>storage: `0.1`" in text
    assert "*data sheet x cells in parallel*" in text


def test_every_key_of_the_reference_is_accepted_and_an_invented_one_is_not(tmp_path: Path) -> None:
    for key in keys():
        if key.path.startswith(("system.", "faults.")):
            continue
        table, _, name = key.path.rpartition(".")
        path = tmp_path / "pack.toml"
        base = example("bench-cell").read_text(encoding="utf-8").split("[sensors.cell_voltage]")[0]
        shown = key.path
        if table == "masks[]":
            path.write_text(f"{base}\n[[masks]]\n{name}x = 1\n", encoding="utf-8")
            shown = re.escape(f"masks[0].{name}")
        elif table == "topology":
            path.write_text(f"{base}\n{name}x = 1\n", encoding="utf-8")
        else:
            path.write_text(f"{base}\n[{table}]\n{name}x = 1\n", encoding="utf-8")
        with pytest.raises(UserError, match=f"{shown}x: unknown key; did you mean {name}"):
            load_system(path)
