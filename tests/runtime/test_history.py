"""Recordings are taken into the history completely, once, and without harm from crashes."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from helpers.history import NOON, write_recording
from helpers.recordings import SIZE, small_system
from ionward.battery.system import System
from ionward.errors import UserError
from ionward.runtime import history, history_files
from ionward.runtime.export import read_samples
from ionward.runtime.history import Keep, convert, convert_all, prune
from ionward.runtime.history_columns import kept_signals
from ionward.runtime.history_query import events, query, signals, span
from ionward.runtime.selection import default_columns

SECONDS = 12
START_S = 50.4  # the recording's clock when wall time is NOON + 0.4: the first second is not whole


@pytest.fixture
def system(tmp_path: Path) -> System:
    return small_system(tmp_path)


@pytest.fixture
def recording(tmp_path: Path, system: System) -> Path:
    return write_recording(tmp_path / "a.rec", system, SECONDS, NOON + 0.4, START_S)


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_a_second_holds_mean_and_extremes_of_all_its_ticks(tmp_path: Path, recording: Path) -> None:
    done = convert(recording, tmp_path / "h")
    assert (done.seconds, done.complete, done.problems) == (SECONDS + 1, True, [])
    assert (done.from_s, done.to_s) == (NOON, NOON + SECONDS + 1)
    every = read_samples(recording, ["cell_voltage_v[1]", "current_a", "soc", "cells_usable"], 0.0)
    second = np.floor(every.time_s - START_S + 0.4 + 1e-6)
    for name, unit, band in (("cell_voltage_v[1]", 1e-4, 1e-3), ("current_a", 1e-2, 1e-2)):
        found = query(tmp_path / "h", name, NOON, NOON + SECONDS + 1, 500)
        assert found.level == "1 s"
        assert found.time_s.tolist() == [NOON + k for k in range(SECONDS + 1)]
        for k in range(SECONDS + 1):
            ticks = every[name][second == k]
            ticks = ticks[np.isfinite(ticks)]
            assert found.mean[k] == pytest.approx(ticks.mean(), abs=1.6 * unit)
            # The band is never narrower than the ticks, and wider by less than one of its digits.
            assert ticks.min() - 1.01 * band < found.minimum[k] < ticks.min() + 1e-9
            assert ticks.max() - 1e-9 < found.maximum[k] < ticks.max() + 1.01 * band
    soc = query(tmp_path / "h", "soc", NOON, NOON + SECONDS + 1)
    last = [every["soc"][second == k][-1] for k in range(SECONDS + 1)]
    assert soc.mean == pytest.approx(last, abs=1e-5, nan_ok=True)
    assert query(tmp_path / "h", "cells_usable", NOON + 3, NOON + 4).mean.tolist() == [SIZE.cells]


def test_a_fault_shorter_than_a_second_is_seen_and_told(tmp_path: Path, system: System) -> None:
    spike = range(510, 520)  # 0.1 s within the sixth second; over long before its end
    write_recording(tmp_path / "a.rec", system, 9.0, NOON, 50.0, spike=spike)
    convert(tmp_path / "a.rec", tmp_path / "h")
    name = "fault.cell_overvoltage.level"
    every = read_samples(tmp_path / "a.rec", [name], 0.0)
    assert every[name][600 - 1] == 0.0
    assert query(tmp_path / "h", name, NOON, NOON + 9).mean.tolist() == [0, 0, 0, 0, 0, 4, 0, 0, 0]
    assert query(tmp_path / "h", name, NOON, NOON + 9, 1).mean.tolist() == [4]
    assert query(tmp_path / "h", name, NOON - 30 * 86400, NOON + 9, 2).maximum[-1] == 4
    told = [e for e in events(tmp_path / "h", NOON, NOON + 60) if e.name == "cell_overvoltage"]
    assert told[0].kind == "fault"
    assert (told[0].place, told[0].value) == (2, pytest.approx(4.5))
    assert NOON + 5.1 <= told[0].time_s < NOON + 5.2
    assert "critical" in [e.level for e in told]
    assert told[-1].level == "none"
    assert told[-1].text == "Cell overvoltage: over"


def test_changes_of_state_are_events_at_their_tick(tmp_path: Path, recording: Path) -> None:
    convert(recording, tmp_path / "h")
    every = read_samples(recording, ["state"], 0.0)
    changes = np.flatnonzero(np.diff(every["state"], prepend=0.0))
    found = [e for e in events(tmp_path / "h", NOON, NOON + 60) if e.kind == "state"]
    assert len(found) == len(changes) > 0
    assert [e.time_s for e in found] == pytest.approx(every.time_s[changes] - START_S + NOON + 0.4, abs=1e-5)


def test_taking_a_recording_in_again_changes_nothing(tmp_path: Path, recording: Path) -> None:
    convert(recording, tmp_path / "h")
    before = contents(tmp_path / "h")
    assert convert(recording, tmp_path / "h").unchanged
    assert contents(tmp_path / "h") == before
    copy = tmp_path / "copy.rec"
    copy.write_bytes(recording.read_bytes())
    assert convert(copy, tmp_path / "h").unchanged
    assert not convert(recording, tmp_path / "h", again=True).unchanged
    assert contents(tmp_path / "h") == before


def test_a_recording_that_is_still_written_is_replaced_when_it_has_grown(tmp_path: Path, recording: Path) -> None:
    convert(recording, tmp_path / "whole")
    data = recording.read_bytes()
    growing = tmp_path / "growing.rec"
    growing.write_bytes(data[: len(data) // 2])
    early = convert(growing, tmp_path / "h")
    assert not early.complete
    assert 1 < early.seconds < SECONDS
    growing.write_bytes(data)
    assert convert(growing, tmp_path / "h").complete
    growing.rename(tmp_path / "a.rec")
    ours, theirs = contents(tmp_path / "h"), contents(tmp_path / "whole")
    tables = [name for name in theirs if name.endswith(".parquet")]
    assert len(tables) == 1 + 5 + 5 + 1  # seconds, parts of minutes and hours, events
    assert {name: ours[name] for name in tables} == {name: theirs[name] for name in tables}


def test_segments_meet_within_a_second_and_an_hour(tmp_path: Path, system: System) -> None:
    whole = write_recording(tmp_path / "1.rec", system, 3.5, NOON, 50.0)
    after = write_recording(tmp_path / "2.rec", system, 3.5, NOON + 3.5, 53.5, seed=9)
    far = write_recording(tmp_path / "3.rec", system, 2.0, NOON + 3600.0, 3650.0, seed=10)
    done = convert_all(tmp_path, tmp_path / "h")
    assert [d.recording for d in done] == ["1.rec", "2.rec", "3.rec"]
    found = query(tmp_path / "h", "cell_voltage_v[0]", NOON, NOON + 7, 500)
    assert np.isfinite(found.mean).all()
    parts = [read_samples(p, ["cell_voltage_v[0]"], 0.0)["cell_voltage_v[0]"] for p in (whole, after)]
    shared = np.concatenate([parts[0][300:], parts[1][:50]])
    assert found.mean[3] == pytest.approx(np.nanmean(shared), abs=3e-4)
    assert found.minimum[3] == pytest.approx(np.nanmin(shared), abs=1.2e-3)
    hours = query(tmp_path / "h", "cell_voltage_v[0]", NOON, NOON + 7200, 2)
    assert hours.level == "1 h"
    assert np.isfinite(hours.mean).all()
    assert hours.minimum[0] == pytest.approx(np.nanmin(np.concatenate(parts)), abs=1e-4)
    assert span(tmp_path / "h") is not None
    assert convert_all(tmp_path, tmp_path / "h")[1].unchanged
    assert far.exists()


@pytest.mark.parametrize("survived", [0, 1, 5, 10, 11, 12])
def test_a_crash_leaves_whole_files_and_the_rest_is_done_again(
    tmp_path: Path, recording: Path, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    convert(recording, tmp_path / "whole")
    write = history_files.write_whole
    calls = 0

    def dies(path: Path, writer: Callable[[Path], None]) -> None:
        nonlocal calls
        if calls == survived:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(f".{path.name}.tmp").write_bytes(b"half")
            raise KeyboardInterrupt
        calls += 1
        write(path, writer)

    monkeypatch.setattr(history_files, "write_whole", dies)
    with pytest.raises(KeyboardInterrupt):
        convert(recording, tmp_path / "h")
    monkeypatch.undo()
    done = contents(tmp_path / "h")
    whole = contents(tmp_path / "whole")
    assert all(whole[name] == data for name, data in done.items() if not name.endswith(".tmp"))
    assert not convert(recording, tmp_path / "h").unchanged
    prune(tmp_path / "h", Keep())
    assert contents(tmp_path / "h") == whole


def test_a_full_disk_is_told_and_nothing_is_lost(
    tmp_path: Path, recording: Path, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert(recording, tmp_path / "h")
    before = contents(tmp_path / "h")
    write_recording(tmp_path / "b.rec", system, 2.0, NOON + 20.0, 70.0)

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(history_files.HistoryWriteError, match="No space left on device; free the disk"):
        convert_all(tmp_path, tmp_path / "h")
    assert contents(tmp_path / "h") == before
    monkeypatch.undo()
    assert [d.unchanged for d in convert_all(tmp_path, tmp_path / "h")] == [True, False]


def test_a_damaged_file_is_set_aside_and_told(tmp_path: Path, recording: Path) -> None:
    convert(recording, tmp_path / "h")
    file = history_files.level_file(tmp_path / "h", 1, NOON)
    file.write_bytes(file.read_bytes()[:-30])
    found = query(tmp_path / "h", "soc", NOON, NOON + 60, 60)
    assert np.isnan(found.mean).all()
    assert len(found.problems) == 1
    assert "12.parquet: damaged" in found.problems[0]
    assert np.isfinite(query(tmp_path / "h", "cell_soh[0]", NOON, NOON + 60, 60).mean).sum() <= 1
    done = convert(recording, tmp_path / "h", again=True)
    assert "set aside" in done.problems[0]
    assert file.with_suffix(".damaged").exists()
    assert not query(tmp_path / "h", "soc", NOON, NOON + 60, 60).problems


def test_a_damaged_list_of_recordings_is_made_anew(tmp_path: Path, recording: Path) -> None:
    convert(recording, tmp_path / "h")
    before = contents(tmp_path / "h")
    listed = history_files.segments_file(tmp_path / "h", NOON)
    listed.write_text("{")
    assert not convert(recording, tmp_path / "h").unchanged
    assert contents(tmp_path / "h") == before
    assert json.loads(listed.read_text()).popitem()[1]["file"] == "a.rec"


def test_wall_time_comes_from_the_recording_or_from_the_caller(tmp_path: Path, system: System) -> None:
    write_recording(tmp_path / "a.rec", system, 2.0, None, 77.25)
    assert convert(tmp_path / "a.rec", tmp_path / "relative").from_s == 0.0
    assert convert(tmp_path / "a.rec", tmp_path / "given", NOON).from_s == NOON
    with pytest.raises(UserError, match="makes no sense"):
        convert(tmp_path / "a.rec", tmp_path / "h", -5.0)
    with pytest.raises(UserError, match="does not exist"):
        convert(tmp_path / "none.rec", tmp_path / "h")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        convert(tmp_path / "a.rec", tmp_path / "file")


def test_nothing_recorded_yet_is_no_error(tmp_path: Path, system: System) -> None:
    write_recording(tmp_path / "a.rec", system, 0.0, close=False)
    assert convert(tmp_path / "a.rec", tmp_path / "h").seconds == 0


def test_an_unreadable_recording_of_a_folder_does_not_keep_the_others_out(
    tmp_path: Path, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "b.rec").write_bytes(b"nonsense")
    assert history.main([str(tmp_path), "--out", str(tmp_path / "h")]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["recording"], line["seconds"]) for line in lines] == [("a.rec", SECONDS + 1), ("b.rec", 0)]
    assert "not an Ionward recording" in lines[1]["problems"][0]
    assert history.main([str(tmp_path / "b.rec"), "--out", str(tmp_path / "h")]) == 2
    assert (tmp_path / "h/2026/05/29/12.parquet").exists()
    assert history.main([str(tmp_path / "a.rec"), "--out", str(tmp_path / "h"), "--seconds-days", "0"]) == 0
    assert not (tmp_path / "h/2026").exists()


def test_a_pack_that_grew_a_module_is_read_across_the_change(tmp_path: Path, system: System) -> None:
    write_recording(tmp_path / "a.rec", system, 2.0, NOON)
    convert(tmp_path / "a.rec", tmp_path / "h")
    file = history_files.level_file(tmp_path / "h", 1, NOON)
    old = history_files.read_table(file)
    assert old is not None
    history_files.save(file, old.drop_columns(["cell_temperature_c[4]"]))
    write_recording(tmp_path / "b.rec", system, 2.0, NOON + 3600.0, 3650.0)
    convert(tmp_path / "b.rec", tmp_path / "h")
    found = query(tmp_path / "h", "cell_temperature_c[4]", NOON, NOON + 3602, 3602)
    assert np.isnan(found.mean[:2]).all()
    assert np.isfinite(found.mean[3600:]).any()
    assert not found.problems
    write_recording(tmp_path / "c.rec", system, 2.0, NOON + 10.0, 60.0)
    convert(tmp_path / "c.rec", tmp_path / "h")
    assert np.isfinite(query(tmp_path / "h", "cell_temperature_c[4]", NOON, NOON + 20, 20).mean[10:12]).any()


def test_every_kept_signal_has_a_name_of_the_catalogue_and_is_listed(tmp_path: Path, recording: Path) -> None:
    convert(recording, tmp_path / "h")
    kept = [k.name for k in kept_signals(SIZE)]
    listed = [s.name for s in signals(tmp_path / "h")]
    assert sorted(listed) == sorted(kept)
    assert listed[0] == kept[0]
    assert set(kept) <= {c.name for c in default_columns(SIZE)}
    for name in ("soc", "state", "current_a", "cell_voltage_v[4]", "cell_balancing[0]", "fault.crash.level"):
        assert name in kept


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x" * 100)


def test_old_files_go_and_hours_stay(tmp_path: Path) -> None:
    days = [f"2026/05/{day:02d}/{hour:02d}.parquet" for day in range(1, 6) for hour in (0, 1)]
    minutes = [f"minute/2026-05-{day:02d}/{part}.parquet" for day in range(1, 6) for part in ("cell_soc", "pack")]
    touch(
        tmp_path, *days, *minutes, "hour/2026-05/pack.parquet", "events/2026-05.parquet", "2026/05/05/.00.parquet.tmp"
    )
    touch(tmp_path, "2099/01/01/00.parquet")  # the clock was wrong for an hour
    done = prune(tmp_path, Keep(seconds_days=3, minutes_days=4))
    left = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.*") if p.is_file())
    assert done.files == 8
    assert [n for n in left if n.startswith("20")] == [*days[6:], "2099/01/01/00.parquet"]
    assert [n for n in left if n.startswith("minute")] == minutes[2:]
    assert "hour/2026-05/pack.parquet" in left
    assert not (tmp_path / "2026/05/01").exists()
    assert not any(n.endswith(".tmp") for n in left)
    done = prune(tmp_path, Keep(seconds_days=3, minutes_days=4, max_bytes=700))
    assert done.left_bytes == 600
    left = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.parquet"))
    assert left == ["events/2026-05.parquet", "hour/2026-05/pack.parquet", *minutes[6:]]
    assert prune(tmp_path, Keep(0, 0, 0)).left_bytes == 200
