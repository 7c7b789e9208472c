"""The `cells` and `identify` commands as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from tests.battery import synthetic
from typer.testing import CliRunner

from ionward.battery.library import load_cell, names
from ionward.battery.logs import Log
from ionward.cli.cells import cells_app
from ionward.cli.identify import identify_command
from ionward.cli.spread import SpreadCommand, spread_values
from ionward.errors import UserError

app = typer.Typer()
app.add_typer(cells_app, name="cells")
app.command("identify", cls=SpreadCommand)(identify_command)
runner = CliRunner()


def write(log: Log, folder: Path) -> str:
    assert log.temperature_c is not None
    path = folder / log.source
    columns = np.column_stack((log.time_s, 1000 * log.current_a, log.voltage_v, log.temperature_c))
    np.savetxt(path, columns, "%.6g", ",", header="time_s,I/mA,Voltage(V),T_cell [degC]", comments="")
    return str(path)


def test_several_values_may_follow_one_option() -> None:
    typed = ["--ocv", "a", "b", "--out", "o", "--dynamic", "c", "--name", "n", "--dynamic", "d", "e"]
    expected = ["--ocv", "a", "--ocv", "b", "--out", "o", "--dynamic", "c", "--name", "n"]
    options = {"--ocv", "--dynamic"}
    assert spread_values(typed, options) == [*expected, "--dynamic", "d", "--dynamic", "e"]


def test_cells_lists_the_library() -> None:
    result = runner.invoke(app, ["cells", "--json"])
    assert result.exit_code == 0
    assert set(json.loads(result.stdout)) == set(names())
    assert runner.invoke(app, ["cells"]).exit_code == 0


def test_a_cell_is_shown_with_a_picture(tmp_path: Path) -> None:
    picture = tmp_path / "new" / "lg.png"
    result = runner.invoke(app, ["cells", "show", "lg-18650hg2", "--plot", str(picture)])
    assert result.exit_code == 0
    assert "Not measured" in result.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
    shown = runner.invoke(app, ["cells", "show", "lg-18650hg2", "--json"])
    assert json.loads(shown.stdout)["capacity"]["reference_ah"] == 2.781


def test_a_cell_is_identified_from_csv_files(tmp_path: Path) -> None:
    slow = write(synthetic.slow_log(25.0), tmp_path)
    drive = write(synthetic.drive_log(25.0, 1), tmp_path)
    out, plots = tmp_path / "cell.toml", tmp_path / "plots"
    options = ["--like", "lg-18650hg2", "--chemistry", "NMC", "--name", "mine", "--plots", str(plots)]
    result = runner.invoke(app, ["identify", "--ocv", slow, "--dynamic", drive, "--out", str(out), *options])
    assert result.exit_code == 0, result.output
    cell = load_cell("cell.toml", tmp_path)
    assert cell.name == "mine"
    assert cell.capacity.reference_ah == pytest.approx(0.98 * synthetic.CAPACITY_AH, rel=0.01)
    assert len(list(plots.glob("*.png"))) == 4


def test_without_a_data_sheet_the_walls_are_those_of_the_logs(tmp_path: Path) -> None:
    slow = write(synthetic.slow_log(25.0), tmp_path)
    drive = write(synthetic.drive_log(25.0, 1), tmp_path)
    out = tmp_path / "cell.toml"
    result = runner.invoke(app, ["identify", "--ocv", slow, "--dynamic", drive, "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "walls of the data sheet" in " ".join(result.stdout.split())
    cell = load_cell("cell.toml", tmp_path)
    assert cell.chemistry == "NMC"
    assert "no data sheet was given" in cell.data_sheet.source
    lowest, highest = cell.ocv.discharge_v[0][0], cell.ocv.charge_v[0][-1]
    assert cell.data_sheet.voltage_min_v <= lowest + 0.1
    assert cell.data_sheet.voltage_max_v == pytest.approx(highest, abs=0.1)


def test_an_unknown_chemistry_is_refused(tmp_path: Path) -> None:
    slow = write(synthetic.slow_log(25.0), tmp_path)
    arguments = ["identify", "--ocv", slow, "--dynamic", slow, "--out", str(tmp_path / "c.toml"), "--chemistry", "XYZ"]
    result = runner.invoke(app, arguments)
    assert isinstance(result.exception, UserError)
    assert "allowed: NMC, NCA, LFP" in str(result.exception)


def test_every_unreadable_log_is_named(tmp_path: Path) -> None:
    arguments = ["identify", "--ocv", "a.csv", "b.csv", "--dynamic", "c.csv", "--like", "a123-26650"]
    result = runner.invoke(app, [*arguments, "--out", str(tmp_path / "c.toml")])
    assert isinstance(result.exception, UserError)
    assert "a.csv" in str(result.exception)
    assert "b.csv" in str(result.exception)
