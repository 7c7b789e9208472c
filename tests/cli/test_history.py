"""`ionward history` as a person calls it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from helpers.history import NOON, write_recording
from helpers.recordings import small_system
from ionward.cli.main import run


def call(*arguments: str | Path) -> int:
    """Exit code of a command."""
    try:
        run(["history", *(str(a) for a in arguments)])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with a recording, its history, and a recording that does not know the time."""
    folder = tmp_path_factory.mktemp("state")
    system = small_system(folder)
    (folder / "recordings").mkdir()
    write_recording(folder / "recordings" / "a.rec", system, 5.0, spike=range(210, 220))
    write_recording(folder / "timeless.rec", system, 2.0, None)
    assert call("make", folder / "recordings", "--out", folder / "history") == 0
    return folder


def test_the_summary_tells_span_size_and_events(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(state) == 0
    text = capsys.readouterr().out
    assert "2026-05-29 12:00:00 to 2026-05-29 12:00:05 UTC" in text
    assert "Cell overvoltage: critical fault (cell 2" in text
    assert call(state / "history", "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["from_s"], values["to_s"]) == (NOON, NOON + 5)
    assert values["levels"]["seconds"]["files"] == 1
    assert call(state, "--signals") == 0
    text = capsys.readouterr().out
    assert "cell_voltage_v[0..4]" in text
    assert call(state, "--signals", "--json") == 0
    assert {"name": "soc", "finest": "1 s"}.items() <= {s["name"]: s for s in json.loads(capsys.readouterr().out)}[
        "soc"
    ].items()
    assert call(state, "--events", "--json", "--from", "-2s") == 0
    happened = json.loads(capsys.readouterr().out)
    assert all(e["time_s"] >= NOON + 3 for e in happened)


def test_signals_are_shown_written_and_drawn(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(state, "--signal", "cell_voltage_v[2]", "state") == 0
    text = capsys.readouterr().out
    assert "cell_voltage_v[2] / V" in text
    assert "4.5" in text
    assert "2026-05-29 12:00:04" in text
    table, picture = tmp_path / "a.csv", tmp_path / "a.svg"
    code = call(state, "--signal", "cell_voltage_v[2]", "fault.cell_overvoltage.level", "--from", "2026-05-29T12:00:01",
                "--to", "2026-05-29T12:00:04Z", "--to-csv", table, "--plot", picture, "--json")  # fmt: skip
    assert code == 0
    values = json.loads(capsys.readouterr().out)
    assert values["cell_voltage_v[2]"]["time_s"] == [NOON + 1, NOON + 2, NOON + 3]
    assert values["cell_voltage_v[2]"]["maximum"][1] == pytest.approx(4.5, abs=1e-3)
    assert values["fault.cell_overvoltage.level"]["mean"] == [0, 4, 0]
    rows = list(csv.DictReader(table.open()))
    assert len(rows) == 6
    assert rows[1]["time"] == "2026-05-29T12:00:02Z"
    assert rows[4] == {"signal": "fault.cell_overvoltage.level", "time": "2026-05-29T12:00:02Z",
                       "time_s": f"{NOON + 2:.3f}", "mean": "critical", "minimum": "critical",
                       "maximum": "critical"}  # fmt: skip
    assert "<svg" in picture.read_text()


def test_a_gap_is_null_and_left_out(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = call(state, "--signal", "soc", "--from", "2026-05-29T11:59:58", "--to", "2026-05-29T12:00:30", "--json",
                "--to-csv", tmp_path / "a.csv")  # fmt: skip
    assert code == 0
    values = json.loads(capsys.readouterr().out)["soc"]
    assert values["mean"][0] is None
    assert values["mean"][-1] is None
    assert len((tmp_path / "a.csv").read_text().splitlines()) - 1 == sum(v is not None for v in values["mean"])
    assert call(state, "--signal", "soc", "--from", "2026-05-29T11:59:58", "--points", "4") == 0
    assert "–" in capsys.readouterr().out


def test_history_is_made_by_hand(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("make", state / "recordings", "--out", state / "history", "--json") == 0
    assert json.loads(capsys.readouterr().out)["recordings"][0]["unchanged"]
    out = tmp_path / "h"
    assert call("make", state / "timeless.rec", "--out", out, "--epoch", "2026-01-02T03:04:05") == 0
    assert "2 s from 2026-01-02 03:04:05" in capsys.readouterr().out
    assert (out / "2026/01/02/03.parquet").exists()
    assert call("prune", out, "--days", "0") == 0
    assert "1 files removed" in capsys.readouterr().out
    assert not (out / "2026").exists()


def test_one_bad_recording_does_not_keep_the_others_out(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.rec").write_bytes(b"nonsense")
    assert call("make", tmp_path / "bad.rec", state / "recordings", "--out", tmp_path / "h") == 2
    told = capsys.readouterr()
    assert "a.rec: 5 s from" in told.out
    assert "not an Ionward recording" in told.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("STATE", "--signal", "sco"), "did you mean soh, soc"),
        (("STATE", "--signal", "cell_voltage_v[7]"), "it has cell_voltage_v[0] to cell_voltage_v[4]"),
        (("STATE", "--signal", "soc", "--from", "yesterday"), "--from yesterday: not a time"),
        (("STATE", "--signal", "soc", "--from", "1960-01-01"), "before 1970"),
        (("STATE", "--signal", "soc", "--to", "2026-01-01"), "must be after"),
        (("STATE", "--signal", "soc", "--points", "0"), "points is 0"),
        (("STATE", "--to-csv", "a.csv"), "need a signal"),
        (("STATE", "--signal", "soc", "--plot", "DIR/a.nonsense"), "name a .png"),
        (("STATE", "--signal", "soc", "--to-csv", "DIR"), "cannot be written"),
        (("STATE", "--signal", "soc", "--plot", "DIR/a.png", "--from", "2026-05-28", "--to", "2026-05-29"),
         "nothing is known"),
        (("DIR",), "holds no history"),
        (("DIR/none",), "does not exist"),
        (("make", "DIR", "--out", "DIR/h"), "holds no recordings"),
        (("make", "DIR/none.rec", "--out", "DIR/h"), "does not exist"),
        (("make", "STATE/timeless.rec", "--out", "DIR/h", "--epoch", "-2h"), "--epoch -2h: not a time"),
        (("prune", "DIR/none"), "does not exist"),
    ],
)  # fmt: skip
def test_wrong_use_is_told_in_one_line(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    words = [a.replace("STATE", str(state)).replace("DIR", str(tmp_path)) for a in arguments]
    assert call(*words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert len(error.strip().splitlines()) == 1
