"""Identification recovers a cell whose parameters are known, and refuses logs that do not belong together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.battery import synthetic as cell

from ionward.battery import tables
from ionward.battery.ecm import lookup
from ionward.battery.identify import Identified, identify
from ionward.battery.identify.ambient import parse_temperatures, temperature_of
from ionward.battery.identify.model import monotone
from ionward.battery.identify.ocv_runs import by_script
from ionward.battery.identify.write import cell_toml
from ionward.battery.library import load_cell
from ionward.battery.logs import Log
from ionward.errors import UserError


@pytest.fixture(scope="module")
def result() -> Identified:
    slow = [cell.slow_log(t) for t in (5.0, 25.0)]
    drives = [cell.drive_log(t, seed) for seed, t in enumerate((5.0, 15.0, 25.0, 35.0))]
    return identify(slow, drives, cell.description(capacity_ah=cell.CAPACITY_AH))


def at(result: Identified, soc: float, temperature_c: float) -> np.ndarray:
    out = np.empty(tables.PARAMETERS)
    lookup(result.cell.table(), soc, temperature_c, out)
    return out


@pytest.mark.parametrize("soc", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("temperature_c", [5.0, 20.0, 30.0])
def test_known_parameters_come_back(result: Identified, soc: float, temperature_c: float) -> None:
    found = at(result, soc, temperature_c)
    factor = float(cell.resistance_factor(temperature_c))
    assert found[tables.OCV_V] == pytest.approx(float(cell.ocv(np.array(soc))), abs=0.004)
    assert found[tables.R0_OHM] == pytest.approx(cell.R0_OHM * factor, rel=0.03)
    assert found[tables.R1_OHM] == pytest.approx(cell.R1_OHM * factor, rel=0.15)
    assert found[tables.R2_OHM] == pytest.approx(cell.R2_OHM * factor, rel=0.25)
    assert found[tables.TAU1_S] == pytest.approx(cell.TAU1_S, rel=0.2)
    assert found[tables.TAU2_S] == pytest.approx(cell.TAU2_S, rel=0.3)
    assert found[tables.HYSTERESIS_V] == pytest.approx(cell.HYSTERESIS_V, abs=0.006)


def test_the_fit_reaches_the_noise_and_says_so(result: Identified) -> None:
    drives = [f for f in result.cell.fit if f.test.startswith("drive")]
    assert len(drives) == 4
    assert max(f.voltage_rmse_mv for f in drives) < 3.0


def test_resistances_never_rise_with_temperature_nor_leave_reason_where_nothing_was_measured(
    result: Identified,
) -> None:
    table = result.cell.table()
    for parameter in (tables.R0_OHM, tables.R1_OHM, tables.R2_OHM):
        assert (np.diff(table[:, 20:-10, parameter], axis=0) < 0).all()
        assert table[0, 100, parameter] < 12 * table[11, 100, parameter]


def test_what_was_not_measured_is_said(result: Identified) -> None:
    said = " ".join(result.cell.provenance.not_measured)
    assert "no dynamic test below 6 % SOC" in said
    assert not result.cell.thermal.measured


def test_a_cell_file_reads_back_as_the_same_model(result: Identified, tmp_path: Path) -> None:
    text = cell_toml(result.cell)
    (tmp_path / "c.toml").write_text(text, encoding="utf-8")
    assert load_cell("c.toml", tmp_path) == result.cell
    assert max(map(len, text.splitlines())) < 900


def test_a_log_of_another_chemistry_is_refused_by_name() -> None:
    slow, drive = cell.slow_log(25.0), cell.drive_log(25.0, 1)
    flat = replace(drive, source="flat_25C.csv", voltage_v=3.3 + 0.15 * (drive.voltage_v - 3.3))
    with pytest.raises(UserError, match=r"flat_25C: its SOC would run from"):
        identify([slow], [drive, flat], cell.description())


def test_a_log_that_does_not_follow_the_ocv_is_refused_by_name() -> None:
    slow, drive = cell.slow_log(25.0), cell.drive_log(25.0, 1)
    bent = drive.voltage_v + 0.1 * np.sin(12 * drive.voltage_v)
    other = replace(drive, source="other_25C.csv", voltage_v=bent, soc_ref=1 + drive.charge_ah() / cell.CAPACITY_AH)
    with pytest.raises(UserError, match=r"other_25C: leaves the measured OCV by"):
        identify([slow], [drive, other], cell.description(capacity_ah=cell.CAPACITY_AH))


def test_a_slow_log_of_another_cell_is_refused_by_name() -> None:
    logs = [cell.slow_log(25.0), cell.slow_log(15.0), cell.slow_log(20.0)]
    bent = logs[0].voltage_v + 0.08 * np.sin(9 * logs[0].voltage_v)
    logs[0] = replace(logs[0], source="other.csv", voltage_v=bent)
    with pytest.raises(UserError, match="other discharge: the shape of its OCV differs") as caught:
        identify(logs, [cell.drive_log(25.0, 1)], cell.description())
    assert "slow" not in "".join(p.split(":")[0] for p in caught.value.problems)


def test_logs_whose_descriptions_name_two_cells_are_refused() -> None:
    slow = replace(cell.slow_log(25.0), metadata={"cell": "A"})
    drive = replace(cell.drive_log(25.0, 1), metadata={"cell": "B"})
    with pytest.raises(UserError, match="different cells: 'A'"):
        identify([slow], [drive], cell.description())


def test_a_drive_cycle_given_as_slow_log_is_refused() -> None:
    short = cell.slow_log(25.0).rows(slice(0, 300))
    with pytest.raises(UserError, match="no slow charge or discharge"):
        identify([short], [cell.drive_log(25.0, 1)], cell.description(capacity_ah=2.5))


def test_millivolts_given_as_volts_are_refused_with_the_data_sheet_as_yardstick() -> None:
    slow = cell.slow_log(25.0)
    with pytest.raises(UserError, match="mV given as V"):
        identify([replace(slow, voltage_v=1000 * slow.voltage_v)], [cell.drive_log(25.0, 1)], cell.description())


def test_nothing_given_is_refused() -> None:
    with pytest.raises(UserError, match="at least one OCV log"):
        identify([], [], cell.description())


@pytest.mark.parametrize(
    ("name", "expected"),
    [("25C_UDDS.csv", 25), ("n20C_x.csv", -20), ("run_-5degC.csv", -5), ("x_40C.csv", 40)],
)
def test_temperature_from_the_name(name: str, expected: float) -> None:
    log = Log(name, np.arange(2.0), np.zeros(2), np.zeros(2))
    value, source = temperature_of(log, {})
    assert value == expected
    assert "name" in source


def test_a_temperature_option_wins_and_an_unknown_one_is_asked_for() -> None:
    log = Log("some.csv", np.arange(2.0), np.zeros(2), np.zeros(2))
    assert temperature_of(log, parse_temperatures(["data/some.csv=-5"]))[0] == -5
    with pytest.raises(UserError, match=r"--temperature some\.csv=DEGREES"):
        temperature_of(log, {})
    with pytest.raises(UserError, match="FILE=DEGREES"):
        parse_temperatures(["some.csv=warm"])


def test_scripts_are_grouped_and_a_missing_one_is_named() -> None:
    logs = [Log(f"25C_OCV_S{n}.csv", np.arange(2.0), np.zeros(2), np.zeros(2)) for n in (1, 2, 3, 4)]
    groups, alone = by_script([*logs, Log("slow.csv", np.arange(2.0), np.zeros(2), np.zeros(2))])
    assert list(groups) == ["25C_OCV"]
    assert [log.source for log in alone] == ["slow.csv"]
    with pytest.raises(UserError, match="script 3 is missing"):
        by_script([logs[0], logs[1], logs[3]])


def test_monotone_keeps_a_rising_curve_and_repairs_a_falling_one() -> None:
    socs = np.linspace(0, 1, 50)
    rising = 3 + socs
    assert monotone(socs, rising) == pytest.approx(rising)
    assert (np.diff(monotone(socs, 3 + 0.1 * np.sin(12 * socs))) > 0).all()
