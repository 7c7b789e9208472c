"""`replay`, `export`, `plot` and `simulate --from` as a person calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ionward.cli.main import run
from ionward.runtime.recording import Chunk, Recorder, Recording

ROWS = "".join(f"{k / 10:.1f},{-0.5 if k > 20 else 0},{3.7 - 0.00001 * k:.5f},25\n" for k in range(100))
LOG = "time_s,current_a,voltage_v,temperature_c\n" + ROWS


def call(*arguments: str | Path) -> int:
    """Exit code of a command."""
    try:
        run([str(a) for a in arguments])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture
def recording(tmp_path: Path, examples: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A recording of the bench cell on a made-up log."""
    (tmp_path / "log.csv").write_text(LOG)
    path = tmp_path / "a.rec"
    code = call("simulate", examples / "bench-cell.toml", "--from", tmp_path / "log.csv", "--record", path, "--json")
    assert code == 0
    (tmp_path / "run.json").write_text(capsys.readouterr().out)
    return path


def test_replay_agrees_and_has_the_digest_that_simulate_printed(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = json.loads((tmp_path / "run.json").read_text())
    assert call("replay", recording, "--verify", "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["ticks"], values["mismatches"], values["digest"]) == (printed["ticks"], 0, printed["digest"])
    assert call("replay", recording) == 0
    assert "ticks agree, bit by bit" in capsys.readouterr().out


def test_a_mismatch_ends_with_1(recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = Recording(recording)
    with Recorder(tmp_path / "b.rec", source.header) as recorder:
        for item in source.read():
            if isinstance(item, Chunk):
                digests = item.digests.copy()
                digests[5] ^= 1
                recorder.chunk(item.buffer, item.ticks, digests)
    assert call("replay", tmp_path / "b.rec", "--verify") == 1
    assert "1 of 100 ticks differ, first at 0.500 s" in capsys.readouterr().out


def test_export_and_plot_write_files(recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("export", recording, "--to", "csv", "--signals", "soc,cell_voltage_v[0],state", "--every", "1") == 0
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0] == "time_s,soc,cell_voltage_v[0],state"
    assert len(lines) == 11
    assert call("plot", recording) == 0
    assert call("plot", recording, "--signals", "soc,cell_voltage_v,fault.*.level", "--out", tmp_path / "b.svg") == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "b.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("export", "REC", "--to", "xlsx"), "choose parquet or csv"),
        (("export", "REC", "--to", "csv", "--signals", "sco"), "did you mean soh, soc"),
        (("export", "REC", "--to", "csv", "--out", "REC"), "would overwrite the recording"),
        (("plot", "REC", "--out", "DIR/a.nonsense"), "cannot be written"),
        (("replay", "DIR/log.csv"), "not an Ionward recording"),
        (("replay", "DIR/none.rec"), "does not exist"),
        (("simulate", "SYSTEM", "--from", "DIR/none.csv"), "does not exist"),
        (("simulate", "SYSTEM", "--from", "DIR/log.csv", "DIR/log.csv"), "give each input once"),
        (("simulate", "SYSTEM", "--from", "DIR/log.csv", "--map", "current_a"), "write it as NAME=COLUMN"),
        (("simulate", "SYSTEM", "DIR/log.csv"), "need --from"),
    ],
)
def test_wrong_use_is_told_in_one_line(
    recording: Path,
    tmp_path: Path,
    examples: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    places = {"REC": str(recording), "DIR": str(tmp_path), "SYSTEM": str(examples / "bench-cell.toml")}
    words = [places.get(a) or a.replace("DIR/", f"{tmp_path}/") for a in arguments]
    assert call(*words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert len(error.strip().splitlines()) == 1


def test_simulate_from_tells_what_it_cannot_know(
    tmp_path: Path, examples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log.csv").write_text(LOG)
    out = tmp_path / "out"
    assert call("simulate", examples / "bench-cell.toml", "--from", tmp_path / "log.csv", "--out", out) == 0
    text = capsys.readouterr().out
    assert "Not known" in text
    assert "SOC" in text
    assert {p.name for p in out.iterdir()} == {"overview.png", "recording.rec", "summary.json"}
