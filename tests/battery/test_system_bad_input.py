"""Whatever is wrong in a system file is told in one line: file, key, value, what is wrong, what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.examples import changed, example
from ionward.battery.system import load_system
from ionward.errors import UserError
from ionward.image.build import load_pack

# What is changed in the EV example, and the line that it must give (without the file's name).
CASES = [
    (
        ("modules_in_series = 12", "modules_in_series = 0"),
        "topology.modules_in_series: value 0: is too small; allowed: 1 or more",
    ),
    (
        ("cells_per_module = 8", "cells_per_modul = 8"),
        "topology.cells_per_modul: unknown key; did you mean cells_per_module?",
    ),
    (
        ("[topology]", "[topolgy]"),
        "topolgy: unknown key; did you mean topology?",
    ),
    (
        ("cells_in_parallel = 46", "cells_in_parallel = 46.5"),
        "topology.cells_in_parallel: value 46.5: is not a whole number; allowed: a whole number without quotes",
    ),
    (
        ("cell_voltage_max_v = 4.2", 'cell_voltage_max_v = "4.2"'),
        'limits.cell_voltage_max_v: value "4.2": is not a number; allowed: a number without quotes',
    ),
    (
        ("cell_voltage_max_v = 4.2", "cell_voltage_max_v = nan"),
        "limits.cell_voltage_max_v: value nan: is not a finite number; allowed: a finite number",
    ),
    (
        ("charge_current_max_a = 138.0", "charge_current_max_a = inf"),
        "limits.charge_current_max_a: value inf: is not a finite number; allowed: a finite number",
    ),
    (
        ("charge_current_max_a = 138.0", "charge_current_max_a = true"),
        "limits.charge_current_max_a: value true: is not a number; allowed: a number without quotes",
    ),
    (
        ("cell_voltage_min_v = 2.8", "cell_voltage_min_v = 4.2"),
        "limits.cell_voltage_min_v: value 4.2: is not below limits.cell_voltage_max_v; allowed: less than 4.2",
    ),
    (
        ("charge_current_max_a = 138.0", "charge_current_max_a = 181.0"),
        "limits.charge_current_max_a: value 181: is above limits.charge_current_pulse_a; allowed: 180 or less",
    ),
    (
        ("cell_voltage_max_v = 4.2", "cell_voltage_max_v = 4.25"),
        "limits.cell_voltage_max_v: value 4.25: is outside the cell's data sheet; allowed: 4.2 or less",
    ),
    (
        ("cell_voltage_min_v = 2.8", "cell_voltage_min_v = 2.4"),
        "limits.cell_voltage_min_v: value 2.4: is outside the cell's data sheet; allowed: 2.5 or more",
    ),
    (
        ("charge_current_max_a = 138.0", "charge_current_max_a = 138.0\ncharge_temperature_min_c = -5"),
        "limits.charge_temperature_min_c: value -5: is outside the cell's data sheet; allowed: 0 or more",
    ),
    (
        ("charge_current_pulse_a = 180.0", "charge_current_pulse_a = 300.0"),
        "limits.charge_current_pulse_a: value 300: is outside the cell's data sheet; "
        "allowed: 276 or less (46 cells x 6 A)",
    ),
    (
        ("tolerance_v = 0.002", "tolerance_v = 6.0"),
        "sensors.cell_voltage.tolerance_v: value 6: is wider than the sensor's range; allowed: less than 5",
    ),
    (
        ("period_s = 0.02\n", "period_s = 0.02\nage_max_s = 0.01\n"),
        "sensors.cell_voltage.period_s: value 0.02: samples come too late for age_max_s = 0.01 and delay_s = 0; "
        "allowed: 0.01 or less, or a larger age_max_s",
    ),
    (
        ("period_s = 0.02\n", "period_s = 0.02\nfrozen_s = 0.02\n"),
        "sensors.cell_voltage.frozen_s: value 0.02: every sample would count as frozen; "
        "allowed: 0 (never), or more than period_s = 0.02",
    ),
    (
        ("minimum_a = -1000.0", "minimum_a = 1000.0"),
        "sensors.current.minimum_a: value 1000: is not below the maximum; allowed: less than 1000",
    ),
    (
        ("minimum_a = -1000.0", "minimum_a = -300.0"),
        "sensors.current.minimum_a: value -300: the sensor cannot see the pack's limit -450; allowed: -450 or less",
    ),
    (
        ("[sensors.cell_voltage]", "[sensors.cell_voltage]\nfitted = false"),
        "sensors.cell_voltage.fitted: value false: no pack can be protected without it; allowed: true",
    ),
    (
        ("", "[sensors.bus_voltage]\nfitted = false"),
        "sensors.bus_voltage.fitted: value false: precharge cannot be judged without it; "
        "allowed: true, or precharge.fitted = false",
    ),
    (
        ("pyrofuse = true", "pyrofuse = false\n\n[sensors.pyrofuse_loop]"),
        "sensors.pyrofuse_loop.fitted: value true: there is no pyrofuse whose loop could be read; "
        "allowed: false, or fuse.pyrofuse = true",
    ),
    (
        ("pyrofuse = true", "pyrofuse = true\nfire_on_crash = true\n\n[sensors.crash]\nfitted = false"),
        "fuse.fire_on_crash: value true: there is no crash signal; allowed: false, or sensors.crash.fitted = true",
    ),
    (
        ("pyrofuse = true", "fire_on_crash = true"),
        "fuse.fire_on_crash: value true: there is no pyrofuse; allowed: false, or fuse.pyrofuse = true",
    ),
    (
        ("", '[watchdog]\ndevice = "gpio17"'),
        'watchdog.device: value "gpio17": is no watchdog; '
        "write a device as /dev/watchdog, or gpio:CHIP/LINE as gpio:gpiochip0/17",
    ),
    (
        ("", "[sensors.positive_tap]\nmaximum_v = 300.0"),
        "sensors.positive_tap.maximum_v: value 300: the sensor cannot see the pack's limit 403.2; "
        "allowed: 403.2 or more",
    ),
    (
        ("", "[sensors.monitor_crc]\nhighest = 100"),
        "sensors.monitor_crc.highest: value 100: is too small; allowed: 255 or more",
    ),
    (
        ("resistance_ohm = 50.0", "resistance_ohm = -50.0"),
        "precharge.resistance_ohm: value -50: is too small; allowed: more than 0",
    ),
    (
        ("busbar_resistance_ohm = 0.00008", "busbar_resistance_ohm = -0.001"),
        "topology.busbar_resistance_ohm: value -0.001: is too small; allowed: 0 or more",
    ),
    (
        ("timeout_s = 1.5", "timeout_s = 0.1"),
        "precharge.timeout_s: value 0.1: precharge cannot be complete by then (R x C = 0.055 s); "
        "allowed: more than 0.231",
    ),
    (
        ("rating_a = 400.0", "rating_a = 200.0"),
        "fuse.rating_a: value 200: is below the pack's continuous current; allowed: 300 or more",
    ),
    (
        ("rating_a = 400.0", "rating_a = 400.0\ncurve = [[500, 1.0], [600, 2.0]]"),
        "fuse.curve: value [[500.0, 1.0], [600.0, 2.0]]: is not a melting curve; "
        "allowed: rising currents with falling times",
    ),
    (
        ("rating_a = 400.0", "rating_a = 400.0\ncurve = [[500, 1.0], [600, 2.0, 3.0]]"),
        "fuse.curve[1]: value [600, 2.0, 3.0]: has 3 entries; allowed: 2 or less",
    ),
    (
        ("close_time_s = 0.02", "close_time_s = 0.3"),
        "contactors.close_time_s: value 0.3: is not below contactors.close_timeout_s; allowed: less than 0.2",
    ),
    (
        ('kind = "liquid"', 'kind = "water"'),
        'cooling.kind: value "water": is unknown; allowed: none, air or liquid',
    ),
    (
        ('kind = "liquid"', "kind = 3"),
        "cooling.kind: value 3: is unknown; allowed: none, air or liquid",
    ),
    (
        ('cell = "lg-18650hg2"', 'cell = "lg-18650hg3"'),
        'system.cell: value "lg-18650hg3": unknown cell; did you mean lg-18650hg2? or a .toml file beside this',
    ),
    (
        ('cell = "lg-18650hg2"', "cell = 7"),
        "system.cell: value 7: is not text; allowed: text in quotes",
    ),
    (
        ('profile = "ev" ', 'profile = "EV" '),
        'system.profile: value "EV": is unknown; allowed: ev, storage, home or bench',
    ),
    (
        ('name = "EV 96s NMC 400 V"', 'name = ""'),
        'system.name: value "": is empty; allowed: text that is not empty',
    ),
    (
        ('name = "EV 96s NMC 400 V"\n', ""),
        "system.name: is missing; write it",
    ),
    (
        ("[sensors.current_redundant] ", "[sensors.curent_redundant] "),
        "sensors.curent_redundant: unknown key; did you mean current_redundant?",
    ),
    (
        ("[dc_link]\n", "[[dc_link]]\n"),
        'dc_link: value [{"capacitance_f": 0.0011}]: is not a table; allowed: a table of keys and values',
    ),
    (
        ("", "[derating]\ncharge_over_soc = [[0.5, 1.0], [0.4, 0.0]]"),
        "derating.charge_over_soc: value [[0.5, 1.0], [0.4, 0.0]]: the points do not rise; "
        "allowed: rising first numbers",
    ),
    (
        ("", "[derating]\ncharge_over_soc = [[0.5, 1.0], [1.0, 1.5]]"),
        "derating.charge_over_soc: value [[0.5, 1.0], [1.0, 1.5]]: a factor is outside 0 to 1; "
        "allowed: factors from 0 to 1",
    ),
    (
        ("temperature_sensors_per_module = 2", "temperature_sensors_per_module = 2\nmodules_without_sensor = [12]"),
        "topology.modules_without_sensor: value 12: there is no such module; allowed: 0 to 11",
    ),
    (
        ("", "[balancing]\ncells_per_module = 9"),
        "balancing.cells_per_module: value 9: is above topology.cells_per_module; allowed: 8 or less",
    ),
    (
        ("", "[balancing]\nstop_soc = 0.02"),
        "balancing.stop_soc: value 0.02: is not below balancing.start_soc; allowed: less than 0.01",
    ),
    # the fault ladder
    (
        ("[faults.cell_overvoltage]", "[faults.cell_overvoltag]"),
        "faults.cell_overvoltag: unknown fault; did you mean cell_overvoltage?",
    ),
    (
        ("fault = { set = 4.23", "faults = { set = 4.23"),
        "faults.cell_overvoltage.faults: unknown key; did you mean fault?",
    ),
    (
        ("delay_samples = 3, delay_s = 0.05", "delay_samples = 3, delay = 0.05"),
        "faults.cell_overvoltage.fault.delay: unknown key; did you mean delay_s?",
    ),
    (
        ("clear = 4.18", "clear = 4.24"),
        "faults.cell_overvoltage.fault.clear: value 4.24: is on the wrong side of set; allowed: 4.23 or below",
    ),
    (
        ("set = 4.23, clear = 4.18", "set = 4.21, clear = 4.18"),
        "faults.cell_overvoltage.fault.set: value 4.21: warning and fault are in the wrong order; "
        "allowed: 4.215 or more (warning is set at 4.215)",
    ),
    (
        ("set = 4.23, clear = 4.18", "set = 4.26, clear = 4.18"),
        "faults.cell_overvoltage.fault.set: value 4.26: is further out than cell_voltage_max_v of the cell's data "
        "sheet permits; allowed: 4.23 or less",
    ),
    (
        ("delay_samples = 3, delay_s = 0.05", "delay_samples = 3, delay_s = 0.03"),
        "faults.cell_overvoltage.fault.delay_s: value 0.03: 3 samples of 0.02 s take longer; "
        "allowed: 0.04 or more, or fewer delay_samples",
    ),
    (
        ("fault = { set = 4.23, clear = 4.18, delay_samples = 3, delay_s = 0.05 }", "critical = false"),
        "faults.cell_overvoltage.critical: value false: a level that opens the contactors cannot be switched off; "
        "allowed: other thresholds and delays",
    ),
    (
        ("fault = { set = 4.23, clear = 4.18, delay_samples = 3, delay_s = 0.05 }", "critical = 3"),
        "faults.cell_overvoltage.critical: value 3: is neither a table nor false; "
        "allowed: { set, clear, delay_samples, delay_s } or false",
    ),
    (
        ("fault = { set = 4.23, clear = 4.18, delay_samples = 3, delay_s = 0.05 }", "info = { delay_s = 1.0 }"),
        "faults.cell_overvoltage.info.set: is missing, and the catalogue has no such level; write it",
    ),
]


@pytest.mark.verifies("SR-190", "SR-191")
@pytest.mark.parametrize(("change", "line"), CASES)
def test_one_clear_line(tmp_path: Path, change: tuple[str, str], line: str) -> None:
    path = changed(tmp_path, change)
    with pytest.raises(UserError) as caught:
        load_pack(path)
    assert f"{path}: {line}" in caught.value.problems
    assert all("\n" not in problem for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            ("one_way = true", "one_way = true\nfitted = false"),
            "contactors.one_way: value true: the pack does not switch its own contactors; "
            "allowed: false, or contactors.fitted = true",
        ),
        (
            ("[contactors]", "[sensors.negative_tap]\nfitted = true\n\n[contactors]"),
            "sensors.negative_tap.fitted: value true: a tap tells nothing where the switch's diode conducts; "
            "allowed: false, or contactors.one_way = false",
        ),
        (
            ("[contactors]", "[sensors.bus_voltage]\nfitted = false\n\n[contactors]"),
            "sensors.bus_voltage.fitted: value false: one direction cannot be closed again without it; "
            "allowed: true, or contactors.one_way = false",
        ),
        (("diode_v = 0.8", "diode_v = 5.0"), "contactors.diode_v: value 5: is too large; allowed: 3 or less"),
    ],
)
def test_one_way_switches_that_make_no_sense(tmp_path: Path, change: tuple[str, str], line: str) -> None:
    path = changed(tmp_path, change, of="home-16s-switches")
    with pytest.raises(UserError) as caught:
        load_pack(path)
    assert any(problem.startswith(f"{path}: {line}") for problem in caught.value.problems), caught.value.problems


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    path = changed(
        tmp_path,
        ("modules_in_series = 12", "modules_in_series = 0"),
        ('cell = "lg-18650hg2"', 'cell = "unobtainium"'),
        ("tolerance_v = 0.002", "tolerance_v = 60"),
        ("cell_voltage_min_v = 2.8", "cell_voltage_min_v = 5.0"),
        ("close_time_s = 0.02", 'close_time_s = "fast"'),
        ("[faults.cell_overvoltage]", "[faults.cell_overvoltag]"),
    )
    with pytest.raises(UserError) as caught:
        load_pack(path)
    keys = {problem.split(": ")[1] for problem in caught.value.problems}
    assert keys == {
        "topology.modules_in_series",
        "system.cell",
        "sensors.cell_voltage.tolerance_v",
        "limits.cell_voltage_min_v",
        "contactors.close_time_s",
        "faults.cell_overvoltag",
    }


def test_a_wrong_value_brings_no_followers(tmp_path: Path) -> None:
    """Nothing is told about values that are only wrong because another one, told already, is missing."""
    path = changed(
        tmp_path,
        (
            "charge_current_pulse_a = 180.0",
            'charge_current_pulse_a = "180"',
        ),
    )
    with pytest.raises(UserError) as caught:
        load_pack(path)
    assert caught.value.problems == (
        f'{path}: limits.charge_current_pulse_a: value "180": is not a number; allowed: a number without quotes',
    )


def test_a_level_that_opens_contactors_may_be_off_where_the_pack_has_none() -> None:
    system, _ = load_pack(example("leaf-96s"))
    assert not system.contactors.fitted
    assert system.faults["cell_temperature_unknown"].fault is False


def test_invalid_toml_names_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "pack.toml"
    path.write_text('[system]\nname = "x\n', encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_system(path)
    assert str(caught.value).startswith(f"{path}: is not valid TOML: ")
    assert "line 2, column 10" in str(caught.value)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    missing = tmp_path / "none.toml"
    with pytest.raises(UserError) as caught:
        load_system(missing)
    assert str(caught.value) == f"{missing}: no such file; check the path"
    with pytest.raises(UserError) as caught:
        load_system(tmp_path)
    assert str(caught.value) == f"{tmp_path}: is a folder; name the .toml file in it"
    with pytest.raises(UserError, match="cannot be read"):
        load_system("pack\0.toml")


@pytest.mark.parametrize("text", [b"", b" \n\t\n"])
def test_an_empty_file(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "pack.toml"
    path.write_bytes(text)
    with pytest.raises(UserError) as caught:
        load_system(path)
    assert str(caught.value) == f"{path}: is empty; start from one of the examples"


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "pack.toml"
    path.write_bytes('[system]\nname = "Größe"\n'.encode("latin-1"))
    with pytest.raises(UserError) as caught:
        load_system(path)
    assert str(caught.value) == f"{path}: is not UTF-8 text (line 2); save it as UTF-8"


def test_a_cell_file_that_is_missing_or_wrong(tmp_path: Path) -> None:
    path = changed(tmp_path, ('cell = "lg-18650hg2"', 'cell = "mine.toml"'))
    with pytest.raises(UserError, match=r"system\.cell: value \"mine\.toml\": .*mine\.toml: no such file"):
        load_system(path)
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"system\.cell: value \"mine\.toml\": .*UTF-8"):
        load_system(path)
    (tmp_path / "mine.toml").write_text("name = 3", encoding="utf-8")
    with pytest.raises(UserError, match=r"system\.cell: value \"mine\.toml\""):
        load_system(path)
