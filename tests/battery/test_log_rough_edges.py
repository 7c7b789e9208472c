"""Logs as people really have them: the message stays one readable line, and ordinary flaws are read over."""

from __future__ import annotations

from pathlib import Path

import pytest

from ionward.battery.logs import read_log
from ionward.errors import UserError


def written(folder: Path, text: str) -> Path:
    path = folder / "log.csv"
    path.write_text(text, "utf-8")
    return path


def test_a_first_row_without_a_date_is_dropped_and_the_others_keep_their_time(tmp_path: Path) -> None:
    rows = "timestamp,current_a,voltage_v\n,0,3.7\n2024-01-01 00:00:10,0,3.7\n2024-01-01 00:00:12.5,0,3.7\n"
    log = read_log(written(tmp_path, rows))
    assert log.time_s.tolist() == [0.0, 2.5]
    assert log.issues.rows_without_time == 1


def test_two_columns_of_one_name_are_refused_even_where_one_is_chosen(tmp_path: Path) -> None:
    path = written(tmp_path, "time_s,current_a,voltage_v,voltage_v\n0,0,3.7,3.7\n1,0,3.7,3.7\n")
    for mapping in ({}, {"voltage_v": "voltage_v"}):
        with pytest.raises(UserError) as caught:
            read_log(path, mapping)
        assert len(caught.value.problems) == 1
        assert "several columns are named 'voltage_v'" in caught.value.problems[0]


def test_a_log_of_hundreds_of_columns_gives_a_message_that_can_be_read(tmp_path: Path) -> None:
    names = ["time_s", "current_a", *(f"cell{k:03d}_mv" for k in range(300))]
    path = written(tmp_path, ",".join(names) + "\n" + ",".join("1" for _ in names) + "\n")
    with pytest.raises(UserError) as caught:
        read_log(path)
    assert len(caught.value.problems) == 1
    assert "and 290 more" in caught.value.problems[0]
    assert len(caught.value.problems[0]) < 400
