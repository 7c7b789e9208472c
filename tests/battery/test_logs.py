"""Reading measured logs: every way of naming columns, every bad input, and what is ordinary."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ionward.battery.log_columns import assign, parse_mapping, recognise
from ionward.battery.logs import _check_scale, read_log
from ionward.errors import UserError

HEADER = "time_s,current_a,voltage_v,temperature_c\n"


def write(folder: Path, text: str | bytes, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(UserError) as caught:
        read_log(path, **options)  # type: ignore[arg-type]
    assert all("\n" not in problem for problem in caught.value.problems)
    return str(caught.value)


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("time_s,current_a,voltage_v", "1,2,3.7", (1, 2, 3.7)),
        ("Test Time (s),Current (mA),Voltage (mV)", "1,2000,3700", (1, 2, 3.7)),
        ("time_ms,I/mA,Ecell/V", "1000,2000,3.7", (1, 2, 3.7)),
        ("Time[h];Strom[A];Spannung[V]", "0,5;2,0;3,7", (1800, 2, 3.7)),
        ("t\tI\tU", "1\t2\t3.7", (1, 2, 3.7)),
        ("elapsed_time_min,current_ka,voltage_kv", "1,0.002,0.0037", (60, 2, 3.7)),
    ],
)
def test_columns_are_found_and_converted_by_their_names(
    tmp_path: Path, header: str, row: str, expected: tuple[float, ...]
) -> None:
    later = row.replace("1", "2", 1) if row[0] == "1" else row.replace("0,5", "0,6", 1)
    log = read_log(write(tmp_path, f"{header}\n{row}\n{later}\n"))
    assert (log.time_s[0], log.current_a[0], log.voltage_v[0]) == pytest.approx(expected)


def test_temperature_in_kelvin_and_reference_in_percent_are_converted(tmp_path: Path) -> None:
    text = "time_s,current_a,voltage_v,T [K],soc_ref_pct,q_mah\n0,0,3,298.15,50,100\n1,0,3,299.15,50,100\n"
    log = read_log(write(tmp_path, text))
    assert log.temperature_c == pytest.approx([25, 26])
    assert log.soc_ref == pytest.approx([0.5, 0.5])
    assert log.ah == pytest.approx([0.1, 0.1])
    assert "T [K] x 1 -273.15 -> temperature_c" in log.conversions


def test_the_users_mapping_wins_and_can_turn_the_sign(tmp_path: Path) -> None:
    path = write(tmp_path, "time_s,load_ma,current_a,voltage_v\n0,500,9,3.7\n1,500,9,3.7\n")
    log = read_log(path, {"current_a": "-load_ma"})
    assert log.current_a == pytest.approx([-0.5, -0.5])
    assert list(log.extras) == ["current_a"]


def test_times_of_day_become_seconds(tmp_path: Path) -> None:
    path = write(tmp_path, "timestamp,current_a,voltage_v\n2024-01-01T10:00,0,3\n2024-01-01T10:01:30,0,3\n")
    assert read_log(path).time_s == pytest.approx([0, 90])


def test_missing_values_gaps_and_repeats_are_ordinary_and_counted(tmp_path: Path) -> None:
    rows = [f"{t},1,3.7,25" for t in range(20)] + ["20,,3.7,25", "21,1,nan,", "21,2,3.7,25", ",1,3.7,25"]
    rows += [f"{t},1,3.7,25" for t in range(321, 340)]
    log = read_log(write(tmp_path, HEADER + "\n".join(rows)))
    issues = log.issues
    assert issues.nan_rows == 1
    assert issues.repeated_times == 1
    assert issues.rows_without_time == 1
    assert (issues.gaps, issues.longest_gap_s) == (1, 300)
    assert log.current_a[list(log.time_s).index(21)] == 2
    assert len(issues.lines()) == 4
    with pytest.raises(ValueError, match="read-only"):
        log.current_a[0] = 5


def test_a_change_of_the_logging_rate_is_not_a_gap(tmp_path: Path) -> None:
    times = [*np.arange(0, 50, 1.0), *np.arange(60, 1200, 60.0)]
    log = read_log(write(tmp_path, HEADER + "\n".join(f"{t},1,3.7,25" for t in times)))
    assert log.issues.gaps == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "empty"),
        ("\n\n", "no rows"),
        (HEADER, "no rows"),
        (HEADER + "0,1,3.7,25\n1,2", "line 3 has 2 columns instead of 4: the file is cut"),
        (HEADER + "0,1,3.7,25\n1,abc,3.7,25\n", "row 2, column 'current_a': 'abc' is text"),
        (HEADER + "0,1,3.7,25\n5,1,3.7,25\n4,1,3.7,25\n", "time runs backwards at row 3"),
        (HEADER + "0,1,3.7,25\n", "only 1 row"),
        (HEADER + "0,,3.7,25\n1,,3.7,25\n2,1,3.7,25\n", "mostly unusable"),
        (HEADER + "0,1,3.7,298\n1,1,3.7,298\n", "kelvin given as degC"),
        (
            "time_s,current_a,voltage_v\n2024-01-01,1,3\n12 o'clock,1,3\n",
            "row 2, column 'time_s': '12 o'clock'",
        ),
        ("time_s,voltage_v\n0,3.7\n", "no column for current_a: the columns are time_s, voltage_v"),
        ("time_s,i_a,I/mA,voltage_v\n0,1,1,3\n", "'i_a' and 'I/mA' could each be current_a"),
        ("time_s,current_a,voltage_v,soc_ref\n0,1,3,80\n1,1,3,80\n", "percent given as a fraction"),
        (b"\x00\x01\x02binary", "neither Parquet nor text"),
    ],
)
def test_bad_files_get_one_clear_line(tmp_path: Path, text: str | bytes, expected: str) -> None:
    assert expected in refusal(write(tmp_path, text))


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "none.csv")
    assert "is a folder" in refusal(tmp_path)


def test_a_cut_parquet_file(tmp_path: Path) -> None:
    whole = tmp_path / "whole.parquet"
    pq.write_table(pa.table({"time_s": [0.0, 1.0], "current_a": [1.0, 1.0], "voltage_v": [3.7, 3.7]}), whole)
    data = whole.read_bytes()
    for length in (3, 50, len(data) - 1):
        text = refusal(write(tmp_path, data[:length], "cut.parquet"))
        assert "cut" in text
    assert len(read_log(whole)) == 2


def test_text_in_a_number_column_of_parquet_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = pa.table({"time_s": [0.0, 1.0], "current_a": ["1", "x"], "voltage_v": [3.7, 3.7]})
    pq.write_table(table, path)
    assert "row 2, column 'current_a': 'x'" in refusal(path)


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    text = refusal(write(tmp_path, "a,b\n1,2\n"), mapping={"volts": "b"})
    assert len(text.splitlines()) == 4


def test_a_mapping_to_a_column_that_is_not_there_suggests_one(tmp_path: Path) -> None:
    path = write(tmp_path, "time_s,I_cell,voltage_v\n0,1,3\n")
    assert "did you mean 'I_cell'?" in refusal(path, mapping={"current_a": "I_cel"})


@pytest.mark.parametrize("option", ["current_a", "=x", "current_a=", ""])
def test_a_mapping_option_must_be_name_and_column(option: str) -> None:
    with pytest.raises(UserError, match="NAME=COLUMN"):
        parse_mapping([option])


def _log(tmp_path: Path, current: np.ndarray, voltage: np.ndarray) -> Path:
    path = tmp_path / "x.parquet"
    pq.write_table(
        pa.table({"time_s": np.arange(len(current)) * 1.0, "current_a": current, "voltage_v": voltage}), path
    )
    return path


def test_units_and_sign_that_cannot_be_are_refused(tmp_path: Path) -> None:
    current = np.where(np.arange(400) % 20 < 10, -3.0, 1.0)
    voltage = 3.7 + 0.02 * current
    cases = [
        (current, voltage * 1000, "mV given as V"),
        (current * 1000, voltage, "mA given as A"),
        (-current, voltage, "positive on discharge"),
        (current, voltage * 96, "several cells in series"),
        (current, voltage / 1000, "check the unit"),
    ]
    for i, v, expected in cases:
        log = read_log(_log(tmp_path, i, v))
        with pytest.raises(UserError, match=expected):
            _check_scale(log, 4.2, 20.0, 3.0, "the cell")
    _check_scale(read_log(_log(tmp_path, current, voltage)), 4.2, 20.0, 3.0, "the cell")


@given(st.text(max_size=20), st.integers(0, 5))
def test_any_column_name_can_be_read_without_an_error(name: str, which: int) -> None:
    from ionward.battery.log_columns import QUANTITIES

    found = recognise(name, QUANTITIES[which])
    assert found is None or found.column == name


def test_the_case_tells_time_from_temperature() -> None:
    chosen = assign(["t", "I", "V", "T"], {}, "log")
    assert chosen["time_s"].column == "t"
    assert chosen["temperature_c"].column == "T"
