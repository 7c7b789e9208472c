"""Measured captures are fed as hardware would: every sample at its own time, and what is absent is said."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.cells import synthetic_cell
from ionward.battery.system import System, load_system
from ionward.errors import UserError
from ionward.hardware.captures import Capture, Captures, read_captures
from ionward.hardware.logs import LogSensors
from ionward.image.build import system_size
from ionward.image.inputs import CHANNEL, RAW, new_raw
from ionward.image.layout import Size

PACK = """
[system]
name = "Four"
profile = "home"
cell = "any"
[topology]
modules_in_series = 2
cells_per_module = 2
cells_in_parallel = 4
temperature_sensors_per_module = 1
[dc_link]
dead_v = 1.0
"""
SINGLE = PACK.replace("modules_in_series = 2", "modules_in_series = 1").replace(
    "cells_per_module = 2", "cells_per_module = 1"
)


def make_system(folder: Path, text: str = PACK) -> System:
    path = folder / "system.toml"
    path.write_text(text)
    return load_system(path, synthetic_cell())


@pytest.fixture
def system(tmp_path: Path) -> System:
    return make_system(tmp_path)


def csv(folder: Path, text: str, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def read(system: System, *paths: Path, **mapping: str) -> Captures:
    return read_captures(paths, system, system_size(system), mapping)


def refusal(system: System, *paths: Path, **mapping: str) -> str:
    with pytest.raises(UserError) as caught:
        read(system, *paths, **mapping)
    assert all("\n" not in p for p in caught.value.problems)
    return str(caught.value)


PACK_ROWS = "time_s,current_a,voltage_v\n" + "".join(f"{k / 100},{-k},{15 - k / 100}\n" for k in range(1, 30))
CELL_ROWS = "time_s,cell1_mv,cell2_mv,cell3_mv,cell4_mv\n0.1,3700,3701,3702,3703\n0.2,3600,3601,3602,3603\n"


def test_files_of_different_rates_are_merged_on_one_clock(system: System, tmp_path: Path) -> None:
    captures = read(system, csv(tmp_path, PACK_ROWS), csv(tmp_path, CELL_ROWS, "cells.csv"))
    assert (captures.first_s, captures.last_s) == (0.01, 0.29)
    source, raw = LogSensors(captures), new_raw(4, 2)
    source.read(0.155, raw)
    assert raw.channels[:, CHANNEL.current_a].tolist() == [-15, 0.15]
    assert raw.channels[:, CHANNEL.pack_voltage_v] == pytest.approx([14.85, 0.15])
    assert raw.cells[RAW.value] == pytest.approx([3.7, 3.701, 3.702, 3.703])
    assert raw.cells[RAW.time_s].tolist() == [0.1] * 4
    assert np.isnan(raw.temperatures[RAW.value]).all()
    assert (raw.temperatures[RAW.time_s] == -np.inf).all()


def test_what_no_file_holds_is_missing(system: System, tmp_path: Path) -> None:
    text = "time_s,current_a,cell2_v,temp1_c\n0,0,3.7,25\n1,0,3.7,25\n"
    channels, cells, sensors = read(system, csv(tmp_path, text)).missing()
    assert cells == (0, 2, 3)
    assert sensors == (1,)
    assert "current_a" not in channels
    assert "bus_voltage_v" in channels


def test_nan_is_a_sample_that_says_there_is_no_value(system: System, tmp_path: Path) -> None:
    text = "time_s,current_a,voltage_v\n0,1,14\n1,,14\n2,1,14\n3,1,14\n"
    source, raw = LogSensors(read(system, csv(tmp_path, text))), new_raw(4, 2)
    source.read(1.5, raw)
    assert np.isnan(raw.channels[RAW.value, CHANNEL.current_a])
    assert raw.channels[RAW.time_s, CHANNEL.current_a] == 1


def test_a_column_that_is_mostly_empty_was_sampled_slower(system: System, tmp_path: Path) -> None:
    rows = "".join(f"{k},1,{3.7 if k % 5 == 0 else ''}\n" for k in range(20))
    captures = read(system, csv(tmp_path, "time_s,current_a,cell1_v\n" + rows))
    source, raw = LogSensors(captures), new_raw(4, 2)
    source.read(7.0, raw)
    assert raw.cells[:, 0].tolist() == [3.7, 5.0]
    assert raw.channels[:, CHANNEL.current_a].tolist() == [1, 7]
    assert any("slower rate" in note for c in captures.files for note in c.notes)


@pytest.mark.parametrize(
    ("header", "row", "cell", "value"),
    [
        ("time_s,cell01_mv,cell02_mv", "3700,3600", 0, 3.7),
        ("time_s,cell_voltage_v[0],cell_voltage_v[3]", "3.7,3.6", 3, 3.6),
        ("time_s,cell0,cell1", "3700,3600", 1, 3.6),
        ("time_s,Cell 1 (mV),Cell 2 (mV)", "3700,3600", 1, 3.6),
        ("time_s,v_cell_1,v_cell_2", "3.7,3.6", 0, 3.7),
        ("time_s,Zelle 3 [V],Zelle 4 [V]", "3.7,3.6", 3, 3.6),
        ("time_s,cell_1_voltage_v,cell_4_voltage_v", "3.7,3.6", 3, 3.6),
    ],
)
def test_cells_are_found_by_name_and_unit(
    system: System, tmp_path: Path, header: str, row: str, cell: int, value: float
) -> None:
    captures = read(system, csv(tmp_path, f"{header}\n0,{row}\n1,{row}\n"))
    column = captures.files[0].column(f"cell_voltage_v[{cell}]")
    assert column is not None
    assert column == pytest.approx(value)


def test_other_channels_are_found_and_converted(system: System, tmp_path: Path) -> None:
    header = "time_ms,current_ma,link_voltage_v,insulation_kohm,hvil_closed,main_positive_closed,ambient_k,soc_bms_pct"
    captures = read(system, csv(tmp_path, f"{header}\n0,-500,12,800,1,0,298.15,55\n1000,0,12,800,1,1,298.15,54\n"))
    source, raw = LogSensors(captures), new_raw(4, 2)
    source.read(0.5, raw)
    found = {name: raw.channels[RAW.value, getattr(CHANNEL, name)] for name in CHANNEL._fields}
    assert found["current_a"] == -0.5
    assert found["bus_voltage_v"] == 12
    assert found["insulation_ohm"] == 800e3
    assert (found["hvil_closed"], found["main_positive_closed"]) == (1, 0)
    assert found["ambient_c"] == pytest.approx(25)
    assert captures.files[0].reference_soc == pytest.approx([0.55, 0.54])


def test_one_temperature_stands_in_for_all_sensors_and_says_so(system: System, tmp_path: Path) -> None:
    captures = read(system, csv(tmp_path, "time_s,current_a,temperature_c\n0,0,20\n1,0,21\n"))
    assert captures.missing()[2] == ()
    assert any("stands in for 2 sensors" in note for note in captures.files[0].notes)


def test_the_voltage_of_a_single_cell_goes_to_the_cell(tmp_path: Path) -> None:
    single = make_system(tmp_path, SINGLE)
    captures = read(single, csv(tmp_path, "time_s,current_a,voltage_v\n0,0,3.7\n1,0,3.7\n"))
    assert captures.source_of("cell_voltage_v[0]") is not None


def test_a_mapping_names_columns_and_turns_signs(system: System, tmp_path: Path) -> None:
    path = csv(tmp_path, "tick,I_dis,U1_mv\n0,5,3700\n1,5,3700\n")
    captures = read(system, path, time_s="tick", current_a="-I_dis", **{"cell_voltage_v[2]": "U1_mv"})
    source, raw = LogSensors(captures), new_raw(4, 2)
    source.read(0.0, raw)
    assert raw.channels[RAW.value, CHANNEL.current_a] == -5
    assert raw.cells[RAW.value, 2] == pytest.approx(3.7)


def test_files_with_dates_share_one_clock(system: System, tmp_path: Path) -> None:
    a = csv(tmp_path, "time,current_a\n2024-05-01 10:00:00,1\n2024-05-01 10:00:10,2\n")
    start = datetime(2024, 5, 1, 10, 0, 4)
    times = pa.array([start, start + timedelta(seconds=2)], pa.timestamp("s"))
    table = pa.table({"time": times, "cell1_mv": [3700, 3701]})
    pq.write_table(table, tmp_path / "b.parquet")
    captures = read(system, a, tmp_path / "b.parquet")
    assert {c.source: c.time_s.tolist() for c in captures.files} == {"a.csv": [0, 10], "b.parquet": [4, 6]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("time_s,current_a\n", "no rows"),
        ("current_a,voltage_v\n1,14\n", "no column for time_s"),
        ("time_s,colour\n1,2\n", "no column is an input"),
        ("time_s,current_a\n0,1\n1,red\n", "'red' is text"),
        ("time_s,current_a\n0,1\n2,1\n1,1\n", "time runs backwards at row 3"),
        ("time_s,current_a\n,1\n,2\n", "no row has a time"),
        ("time_s,current_a,voltage_v\n0,,\n1,,\n", "no row holds a single number"),
        ("time_s,cell1_mv,cell5_mv\n0,3700,3700\n", "holds cells up to number 5, Four has 4"),
        ("time_s,temp1_c,temp3_c\n0,20,20\n", "holds temperature sensors up to number 3, Four has 2"),
        ("time_s,cell1,cell2\n0,3700,3.7\n1,3700,3.7\n", "mixed units"),
        ("time_s,cell1_v,cell2_v\n0,3700,3.7\n1,3700,3.7\n", "mV given as V"),
        ("time_s,current_a,voltage_v\n0,0,3.7\n1,0,3.7\n", "single cell"),
        ("time_s,current_a,voltage_v\n0,0,14700\n1,0,14700\n", "mV given as V"),
        ("time_s,current_a,voltage_v\n0,0,350\n1,0,350\n", "another battery"),
        ("time_s,current_a,voltage_v\n0,-20000,14\n1,0,14\n", "mA given as A"),
        ("time_s,cell1_v,cell_voltage_v[0]\n0,3.7,3.7\n", "the same input"),
        ("time_s,current_a,I_a\n0,1,2\n1,1,2\n", ""),
        ("time_s,curr,amps\n0,1,2\n1,1,2\n", "could each be current_a"),
    ],
)
def test_bad_captures_are_refused_in_clear_lines(system: System, tmp_path: Path, text: str, message: str) -> None:
    path = csv(tmp_path, text)
    if not message:
        assert read(system, path).names == {"current_a"}
        return
    assert message in refusal(system, path)


def test_a_turned_sign_is_noticed(system: System, tmp_path: Path) -> None:
    rows = "".join(f"{k},{10 * (k % 2)},{15 - 0.3 * (k % 2)}\n" for k in range(40))
    assert "positive on discharge" in refusal(system, csv(tmp_path, "time_s,current_a,voltage_v\n" + rows))


def test_files_that_do_not_belong_together_are_refused(system: System, tmp_path: Path) -> None:
    a = csv(tmp_path, PACK_ROWS)
    late = csv(tmp_path, "time_s,cell1_mv\n100,3700\n101,3700\n", "late.csv")
    assert "must overlap in time" in refusal(system, a, late)
    assert "current_a and 1 more inputs in both" in refusal(system, a, csv(tmp_path, PACK_ROWS, "b.csv"))
    dated = csv(tmp_path, "time,cell1_mv\n2024-05-01 10:00:00,3700\n2024-05-01 10:00:10,3700\n", "dated.csv")
    assert "bring them to one clock" in refusal(system, a, dated)


def test_a_wrong_mapping_is_told(system: System, tmp_path: Path) -> None:
    a = csv(tmp_path, PACK_ROWS)
    assert "did you mean 'current_a'?" in refusal(system, a, current_a="current")
    assert "is no input of the BMS" in refusal(system, a, colour="current_a")
    assert "no capture given" in refusal(system)
    assert "does not exist" in refusal(system, tmp_path / "none.csv")


def test_all_problems_of_all_files_are_told_at_once(system: System, tmp_path: Path) -> None:
    text = refusal(system, csv(tmp_path, "", "empty.csv"), csv(tmp_path, "time_s,x\n0,1\n", "foreign.csv"))
    assert re.search(r"empty\.csv.*\n.*foreign\.csv", text)


times = st.lists(st.floats(0, 100), min_size=1, max_size=8, unique=True).map(lambda t: np.array(sorted(t)))


@settings(max_examples=60, deadline=None)
@given(st.lists(times, min_size=1, max_size=3), st.lists(st.floats(-5, 110), min_size=1, max_size=20))
def test_raw_always_holds_the_newest_sample_that_has_come(rates: list[np.ndarray], clock: list[float]) -> None:
    files = tuple(
        Capture(f"{n}", t, (f"cell_voltage_v[{n}]", f"sensor_temperature_c[{n}]"), np.array([t * 2, t * 3]))
        for n, t in enumerate(rates)
    )
    source, raw = LogSensors(Captures(files, Size(3, 3, 1))), new_raw(3, 3)
    for now in sorted(clock):
        source.read(now, raw)
        for n, t in enumerate(rates):
            come = t[t <= now]
            if len(come):
                assert raw.cells[:, n].tolist() == [come[-1] * 2, come[-1]]
                assert raw.temperatures[:, n].tolist() == [come[-1] * 3, come[-1]]
            else:
                assert raw.cells[RAW.time_s, n] == -np.inf
