"""`ionward estimate` as a person uses it: a log in, SOC and limits out, one clear line for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.data import measured
from ionward.battery import ecm
from ionward.battery.library import load_cell
from ionward.cli.main import run as ionward

Array = npt.NDArray[np.float64]
CELL = "lg-18650hg2"
COLUMNS = ["time_s", "soc", "soc_std", "voltage_pred_v", "charge_limit_a", "discharge_limit_a"]


def log_columns(rows: int = 1500, start: float = 0.9, seed: int = 0) -> dict[str, Array]:
    """A drive of the library's cell, simulated with its own model."""
    rng = np.random.default_rng(seed)
    cell = load_cell(CELL)
    time_s = np.arange(rows) * 1.0
    current_a = np.repeat(rng.normal(-2.0, 2.0, -(-rows // 20)), 20)[:rows]
    state = np.array([start, 0.0, 0.0, 0.0])
    voltage_v, soc = np.empty(rows), np.empty(rows)
    ecm.simulate(
        cell.table(), cell.capacity.reference_ah, cell.hysteresis.rate, cell.hysteresis.instantaneous_v, time_s,
        current_a, np.full(rows, 25.0), state, voltage_v, soc,
    )  # fmt: skip
    return {
        "time_s": time_s,
        "current_a": current_a,
        "voltage_v": voltage_v + rng.normal(0, 5e-4, rows),
        "temperature_c": np.full(rows, 25.0),
        "soc_ref": soc,
    }


def write_log(path: Path, columns: dict[str, Any]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
    else:
        lines = [",".join(columns)] + [",".join(str(v) for v in row) for row in zip(*columns.values(), strict=True)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def call(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command."""
    with pytest.raises(SystemExit) as end:
        ionward(["estimate", *map(str, arguments)])
    out = capsys.readouterr()
    code = end.value.code
    return (code if isinstance(code, int) else 0), out.out, out.err


def estimate_json(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    code, out, err = call(capsys, *arguments, "--cell", CELL, "--json")
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def test_json_says_what_came_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = log_columns()
    found = estimate_json(capsys, write_log(tmp_path / "log.parquet", columns), "--start-soc", "0.7")
    assert found["rows"] == 1500
    assert found["seconds"] == 1499.0
    assert found["soc_end"] == pytest.approx(columns["soc_ref"][-1], abs=0.02)
    assert 0 < found["soc_rmse_pct"] < 2.0
    assert found["soc_rmse_pct"] <= found["soc_max_pct"] < 4.0
    assert found["nan_rows"] == 0
    assert found["gaps"] == 0
    assert found["voltage_rmse_mv"] < 20


def test_without_a_reference_there_is_no_score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = log_columns()
    del columns["soc_ref"]
    found = estimate_json(capsys, write_log(tmp_path / "log.csv", columns))
    assert "soc_rmse_pct" not in found
    assert "soc_max_pct" not in found


def test_the_reference_changes_the_score_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = log_columns()
    honest = estimate_json(capsys, write_log(tmp_path / "a.parquet", columns), "--out", tmp_path / "a_out.parquet")
    columns["soc_ref"] = np.random.default_rng(1).permutation(columns["soc_ref"])
    shuffled = estimate_json(capsys, write_log(tmp_path / "b.parquet", columns), "--out", tmp_path / "b_out.parquet")
    assert shuffled["soc_rmse_pct"] > 2 * honest["soc_rmse_pct"]
    assert pq.read_table(tmp_path / "a_out.parquet").equals(pq.read_table(tmp_path / "b_out.parquet"))


def test_out_has_one_row_for_each_row_of_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = log_columns()
    columns["voltage_v"][100:130] = np.nan
    columns["current_a"][500] = np.nan
    log = write_log(tmp_path / "log.parquet", columns)
    found = estimate_json(capsys, log, "--out", tmp_path / "out.parquet")
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.column_names == COLUMNS
    assert table.num_rows == len(columns["time_s"])
    np.testing.assert_array_equal(table["time_s"].to_numpy(), columns["time_s"])
    soc, std = table["soc"].to_numpy(), table["soc_std"].to_numpy()
    assert ((soc >= 0) & (soc <= 1)).all()
    assert std[129] > std[99]
    assert found["nan_rows"] == 31


def test_a_gap_is_counted_and_grows_the_uncertainty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = log_columns()
    keep = (columns["time_s"] < 700) | (columns["time_s"] > 1000)
    columns = {name: values[keep] for name, values in columns.items()}
    found = estimate_json(capsys, write_log(tmp_path / "log.parquet", columns), "--out", tmp_path / "out.parquet")
    assert found["gaps"] == 1
    assert found["longest_gap_s"] == pytest.approx(302.0)
    std = pq.read_table(tmp_path / "out.parquet")["soc_std"].to_numpy()
    assert std[701] > 1.5 * std[699]


def test_offset_and_gain_are_applied_to_the_current(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = log_columns()
    plain = estimate_json(capsys, write_log(tmp_path / "a.parquet", columns))
    bent = dict(columns, current_a=(columns["current_a"] - 0.5) / 1.25)
    options = ("--current-gain", "1.25", "--current-offset-a", "0.5")
    straightened = estimate_json(capsys, write_log(tmp_path / "b.parquet", bent), *options)
    assert straightened["soc_end"] == pytest.approx(plain["soc_end"], abs=1e-9)


def test_people_get_a_summary_and_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = log_columns()
    columns["voltage_v"][200:205] = np.nan
    log = write_log(tmp_path / "log.parquet", columns)
    code, out, _ = call(capsys, log, "--cell", CELL, "--plot", tmp_path / "run.png")
    assert code == 0
    for words in ("SOC at the end", "against soc_ref", "5 rows lack current or voltage", "charge limit"):
        assert words in out
    assert (tmp_path / "run.png").stat().st_size > 20_000


def test_a_log_of_another_cell_is_doubted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = log_columns()
    columns["voltage_v"] = 3.3 + 0.2 * (columns["voltage_v"] - 3.7)
    code, _, err = call(capsys, write_log(tmp_path / "log.parquet", columns), "--cell", CELL, "--json")
    assert code == 0
    assert "warning: " in err
    assert "another cell" in err


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({}, ["--cell", "lg-18650"], "unknown cell 'lg-18650'"),
        ({"voltage_v": None}, [], "voltage"),
        ({"voltage_v": "text"}, [], "voltage_v"),
        ({"voltage_v": 1000.0}, [], "mV given as V"),
        ({"current_a": 1000.0}, [], "mA given as A"),
        ({"current_a": -1.0}, [], "positive on discharge"),
        ({"time_s": -1.0}, [], "time runs backwards"),
        ({}, ["--start-soc", "80"], "--start-soc is 80"),
        ({}, ["--capacity-ah", "-3"], "--capacity-ah is -3"),
        ({}, ["--current-gain", "0"], "--current-gain is 0"),
        ({}, ["--plot", "no/such/folder/run.png"], "does not exist"),
        ({}, ["--out", "run.txt"], "unknown ending"),
    ],
)
def test_bad_input_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], options: list[str], words: str
) -> None:
    columns: dict[str, Any] = dict(log_columns(300))
    for name, how in change.items():
        if how is None:
            del columns[name]
        elif how == "text":
            columns[name] = ["much"] * 300
        else:
            columns[name] = columns[name] * how
    code, out, err = call(capsys, write_log(tmp_path / "log.csv", columns), "--cell", CELL, *options)
    assert code == 2
    assert out == ""
    lines = err.strip().splitlines()
    assert all(line.startswith("error: ") for line in lines)
    assert any(words in line for line in lines)
    assert "Traceback" not in err


def test_missing_and_empty_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    for path in (tmp_path / "none.csv", empty):
        code, _, err = call(capsys, path, "--cell", CELL)
        assert code == 2
        assert len(err.strip().splitlines()) == 1


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "limit_pct"),
    [("0C_UDDS_589", 1.0), ("0C_Mixed4_590", 1.5), ("10C_Mixed2_567", 1.0), ("25C_Mixed1_551", 1.0),
     ("40C_UDDS_556", 1.0)],
)  # fmt: skip
def test_measured_drive_cycles_20_points_wrong(name: str, limit_pct: float, capsys: pytest.CaptureFixture[str]) -> None:
    found = estimate_json(capsys, measured(f"lg_hg2/{name}.parquet"), "--start-soc", "0.8")
    assert found["soc_rmse_pct"] <= limit_pct
    assert found["soc_max_pct"] <= 3.0


@pytest.mark.data
def test_measured_lfp_with_an_offset(capsys: pytest.CaptureFixture[str]) -> None:
    path = measured("a123_esc/25C_DYN_s1.parquet")
    options = ("--cell", "a123-26650", "--start-soc", "0.8", "--current-offset-a", "0.02", "--json")
    code, out, _ = call(capsys, path, *options)
    assert code == 0
    # The counter of this log is 2.0024 Ah from full to its end: 1.5 % of 2.033 Ah are left (script 2 takes them out).
    assert json.loads(out)["soc_end"] == pytest.approx(0.015, abs=0.03)
