"""Any zoom of a signal is right, gaps are gaps, and mistakes are told."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionward.errors import UserError
from ionward.image.layout import Size
from ionward.runtime import history_files as files
from ionward.runtime import history_reader
from ionward.runtime.history_columns import kept_signals
from ionward.runtime.history_query import events, query, signals, span
from ionward.runtime.history_seconds import Event, Seconds
from ionward.runtime.history_tables import coarse_table, events_table, hour_row, seconds_table

SIZE = Size(2, 1, 1)
SIGNALS = kept_signals(SIZE)
START = 1_780_056_000  # 2026-05-29 12:00:00 UTC
HOURS = (0, 1, 2, 30)  # hours with data after the start: a gap, and another day
VALUES = {"soc": 5, "cell_voltage_v[1]": 4, "current_a": 2}


def truth(name: str, second: np.ndarray) -> np.ndarray:
    """What the made-up history holds of a signal at some seconds."""
    hour = (second - START) / 3600.0
    return np.round({"soc": 0.5 + 0.01 * hour, "cell_voltage_v[1]": 3.7 + 0.05 * np.sin(hour),
                     "current_a": 10.0 * np.cos(20.0 * hour)}[name], VALUES[name])  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("history")
    spread = [k for k, kept in enumerate(SIGNALS) if kept.kind == "spread"]
    for hour in HOURS:
        second = START + 3600 * hour + np.arange(3600)
        value = np.zeros((3600, len(SIGNALS)))
        for name in VALUES:
            value[:, [k.name for k in SIGNALS].index(name)] = truth(name, second)
        seconds = Seconds(SIGNALS, second, np.full(3600, 100), value, value[:, spread] - 0.5, value[:, spread] + 0.5)
        table = seconds_table(seconds, 1)
        files.save(files.level_file(root, 1, second[0]), table, files.seconds_encodings(table.column_names))
        for part, minutes in files.parts(coarse_table(seconds, 1, 60)).items():
            for step_s, new in ((60, minutes), (3600, hour_row(minutes, int(second[0])))):
                path = files.level_file(root, step_s, second[0], part)
                old = files.read_table(path)
                table = files.merged(old, None if old is None else np.full(len(old), True), new)
                files.save(path, table, files.coarse_encodings(table.column_names))
    happened = [Event(START + 10.0 * k, "fault", "crash", "critical", "none", -1, np.nan, f"{k}") for k in range(50)]
    files.save(files.events_file(root, START), events_table(happened, 1))
    return root


@pytest.mark.parametrize(
    ("from_s", "to_s", "points", "level", "step_s"),
    [
        (START, START + 600, 500, "1 s", 1.2),
        (START, START + 60, 500, "1 s", 1.0),
        (START, START + 10800, 100, "1 min", 108.0),
        (START - 86400 * 15, START + 86400 * 15, 500, "1 h", 5184.0),
        (START - 86400 * 300, START + 86400 * 65, 500, "1 h", 63072.0),
        (START + 0.25, START + 9.75, 10, "1 s", 1.0),
    ],
)
def test_the_level_follows_from_the_zoom(
    made: Path, from_s: float, to_s: float, points: int, level: str, step_s: float
) -> None:
    found = query(made, "soc", from_s, to_s, points)
    assert (found.level, found.step_s) == (level, pytest.approx(step_s))
    assert len(found.time_s) == len(found.mean) <= points + 1
    assert np.diff(found.time_s) == pytest.approx(found.step_s)


@settings(max_examples=40)
@given(
    st.sampled_from(sorted(VALUES)), st.floats(-4e4, 2e5), st.floats(0.5, 3e5), st.integers(1, 700),
)  # fmt: skip
def test_any_zoom_tells_the_truth(made: Path, name: str, start: float, length: float, points: int) -> None:
    from_s = START + start
    found = query(made, name, from_s, from_s + length, points)
    known = np.isfinite(found.mean)
    assert (found.minimum[known] <= found.mean[known] + 1e-6).all()
    assert (found.maximum[known] >= found.mean[known] - 1e-6).all()
    level_s = {"1 s": 1, "1 min": 60, "1 h": 3600}[found.level]
    everything = np.concatenate([START + 3600 * hour + np.arange(3600) for hour in HOURS])
    rows = everything // level_s * level_s  # the row that a second belongs to
    for k in np.linspace(0, len(found.time_s) - 1, 5).astype(int):
        begin, end = found.time_s[k], min(found.time_s[k] + found.step_s, from_s + length)
        # The row that was begun before counts for the first stretch; rounding may put one at an edge on either side.
        first = from_s // level_s * level_s - 2e-3 if k == 0 else begin
        inside = everything[(rows >= first + 1e-3) & (rows < end - 1e-3)]
        if len(inside):
            values = truth(name, inside)
            assert known[k]
            assert found.minimum[k] <= values.min() + 1e-4
            assert found.maximum[k] >= values.max() - 1e-4
            assert found.minimum[k] >= truth(name, everything).min() - 0.51
            if len(inside) * 0.9 > found.step_s:
                assert found.mean[k] == pytest.approx(values.mean(), abs=0.06 * (np.ptp(values) + 0.01) + 2e-4)
        elif not ((rows >= first - 1e-3) & (rows <= end + 1e-3)).any():
            assert not known[k]


def test_gaps_are_not_known(made: Path) -> None:
    found = query(made, "soc", START, START + 31 * 3600, 31)
    assert np.flatnonzero(np.isfinite(found.mean)).tolist() == list(HOURS)
    assert np.isnan(query(made, "soc", START + 4 * 3600, START + 5 * 3600).mean).all()
    assert np.isnan(query(made, "soc", 0.0, 1000.0).mean).all()


def test_where_seconds_are_gone_minutes_answer(made: Path, tmp_path: Path) -> None:
    root = tmp_path / "h"
    shutil.copytree(made, root)
    shutil.rmtree(root / "2026" / "05" / "29")
    assert query(root, "soc", START, START + 600).level == "1 min"
    assert query(root, "soc", START + 30 * 3600, START + 30 * 3600 + 600).level == "1 s"
    shutil.rmtree(root / "minute")
    found = query(root, "soc", START, START + 600)
    assert found.level == "1 h"
    assert np.isfinite(found.mean).sum() == 1


def test_what_was_written_a_moment_ago_is_seen(made: Path, tmp_path: Path) -> None:
    root = tmp_path / "h"
    shutil.copytree(made, root)
    path = files.level_file(root, 1, START)
    before = query(root, "soc", START, START + 60)
    table = files.read_table(path)
    assert table is not None
    files.save(path, table.slice(30), files.seconds_encodings(table.column_names))
    after = query(root, "soc", START, START + 60)
    assert np.isfinite(before.mean).all()
    assert np.flatnonzero(np.isfinite(after.mean)).tolist() == list(range(30, 60))


def test_nothing_is_fetched_from_anywhere(made: Path) -> None:
    names = ("autoinstall_known_extensions", "autoload_known_extensions", "enable_external_file_cache")
    chosen = ", ".join(f"current_setting('{name}')::INT AS {name}" for name in names)
    found = history_reader.read(f"SELECT {chosen}, count(*) AS rows FROM read_parquet($1)",
                                [files.level_file(made, 3600, START)])  # fmt: skip
    assert {name: int(found.parts[0][name][0]) for name in names} == dict.fromkeys(names, 0)


def test_span_signals_and_events(made: Path) -> None:
    found = span(made)
    assert found is not None
    assert (found.from_s, found.to_s, found.days) == (START, START + 31 * 3600, 2)
    known = {s.name: s for s in signals(made)}
    assert (known["soc"].finest, known["cell_soh[1]"].finest) == ("1 s", "1 min")
    assert known["cell_voltage_v[0]"].unit == "V"
    assert "connected" in known["state"].choices
    assert [e.text for e in events(made, START + 100, START + 130)] == ["10", "11", "12"]
    assert [e.text for e in events(made, 0, START + 3600, limit=2)] == ["48", "49"]
    assert events(made, START + 86400, START + 86400 * 300) == []


@pytest.mark.parametrize(
    ("signal", "message"),
    [
        ("sco", "did you mean soh, soc"),
        ("cell_voltage_v", r"it has cell_voltage_v\[0\] to cell_voltage_v\[1\]"),
        ("cell_voltage_v[2]", r"it has cell_voltage_v\[0\] to cell_voltage_v\[1\]"),
        ("soc[0]", "soc has no number"),
        ('soc" FROM x; --', "is not in the history"),
        ("cell_ocv_v[0]", "is not in the history"),
        ("", "is not in the history"),
    ],
)
def test_an_unknown_signal_is_told_with_its_neighbours(made: Path, signal: str, message: str) -> None:
    for length in (60, 86400, 86400 * 300):
        with pytest.raises(UserError, match=message):
            query(made, signal, START, START + length)


def test_times_and_points_that_make_no_sense_are_told(made: Path, tmp_path: Path) -> None:
    for from_s, to_s in ((5.0, 5.0), (START, START - 1), (float("nan"), 1.0), (-1.0, 1.0), (0.0, float("inf"))):
        with pytest.raises(UserError, match="must be"):
            query(made, "soc", from_s, to_s)
    for points in (0, -1, 1_000_001):
        with pytest.raises(UserError, match="points"):
            query(made, "soc", 0.0, 1.0, points)
    with pytest.raises(UserError, match="limit"):
        events(made, 0.0, 1.0, 0)
    with pytest.raises(UserError, match="no history"):
        query(tmp_path / "none", "soc", 0.0, 1.0)
    assert span(tmp_path) is None
    with pytest.raises(UserError, match="empty"):
        query(tmp_path, "sco", 0.0, 1.0)
