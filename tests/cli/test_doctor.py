"""`ionward doctor`: what a person and a script see."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from helpers.examples import example
from helpers.machines import GOOD_MACHINE, late, with_loop
from ionward.cli.doctor import doctor
from ionward.errors import UserError
from ionward.runtime import doctor as runtime_doctor
from ionward.runtime.doctor_readings import Readings, Storage, Watchdog

LATE_MACHINE = with_loop(late(p99_ms=5, p999_ms=8, max_ms=9))


def command(*arguments: str, columns: int = 120) -> Result:
    app = typer.Typer()
    app.command()(doctor)
    environment = {"COLUMNS": str(columns), "TERM": "dumb", "NO_COLOR": "1"}
    return CliRunner().invoke(app, list(arguments), env=environment)


def on(machine: Readings, monkeypatch: pytest.MonkeyPatch, *arguments: str, columns: int = 120) -> Result:
    """The command on a machine of which nothing has to be measured."""
    monkeypatch.setattr(runtime_doctor, "measure", lambda *_: machine)
    return command(*arguments, columns=columns)


def test_this_machine(tmp_path: Path) -> None:
    result = command("--seconds", "0.5", "--json", "--state-dir", str(tmp_path))
    told = json.loads(result.stdout)
    assert result.exit_code == (0 if told["usable"] else 1)
    assert [verdict["profile"] for verdict in told["verdicts"]] == ["ev", "ev", "storage", "home", "bench"]
    assert told["readings"]["storage"]["folder"] == str(tmp_path)
    assert all(wakeups["loop"]["n"] for wakeups in told["readings"]["wakeups"])
    assert {check["verdict"] for check in told["checks"]} <= {"good", "unknown", "limited", "bad"}


@pytest.mark.parametrize("columns", [80, 120])
def test_a_person_sees_figures_verdicts_and_what_to_change(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = replace(LATE_MACHINE, watchdog=Watchdog())
    result = on(machine, monkeypatch, columns=columns)
    assert result.exit_code == 0
    text = " ".join(result.output.split())
    for part in ("bare sleeper", "SCHED_FIFO permitted", "400 GB", "ev, 96 cells 1 ms bad wake-up at 1 ms",
                 "home, 16 cells 10 ms limited hardware watchdog", "bench, 1 cell 100 ms good",
                 "What to change", "all but bench at 100 ms"):  # fmt: skip
        assert part in text, part
    assert max(len(line.rstrip()) for line in result.output.splitlines()) <= columns


def test_a_good_machine_has_nothing_to_change(monkeypatch: pytest.MonkeyPatch) -> None:
    result = on(GOOD_MACHINE, monkeypatch, str(example("ev-96s")))
    assert result.exit_code == 0
    assert "EV 96s NMC 400 V, 96 cells" in result.output
    assert "What to change" not in result.output


def test_bad_for_the_pack_ends_with_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fast = tmp_path / "fast.toml"
    fast.write_text(example("ev-96s").read_text(encoding="utf-8") + "\n[cycle]\nperiod_s = 0.001\n", encoding="utf-8")
    assert on(LATE_MACHINE, monkeypatch, str(fast)).exit_code == 1
    assert on(LATE_MACHINE, monkeypatch, str(example("ev-96s"))).exit_code == 0
    nowhere = replace(GOOD_MACHINE, storage=Storage("/x", writable=False, trouble="Permission denied"))
    assert on(nowhere, monkeypatch).exit_code == 1


def test_a_loop_that_the_pack_does_not_need_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "not needed" in on(LATE_MACHINE, monkeypatch, str(example("home-16s"))).output


def test_what_is_asked_reaches_the_measurement(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Any] = []

    def measure(*arguments: Any) -> Readings:
        asked.extend(arguments)
        return GOOD_MACHINE

    monkeypatch.setattr(runtime_doctor, "measure", measure)
    assert command("--seconds", "7", "--state-dir", str(tmp_path)).exit_code == 0
    assert asked[:2] == [tmp_path, 7.0]


def test_json_is_one_object_without_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    result = on(Readings(), monkeypatch, "--json")
    assert json.loads(result.stdout)["usable"] is True
    assert result.stderr == ""


def test_wrong_input(monkeypatch: pytest.MonkeyPatch) -> None:
    assert on(GOOD_MACHINE, monkeypatch, "--seconds", "0").exit_code == 2
    missing = on(GOOD_MACHINE, monkeypatch, "no-such.toml")
    assert isinstance(missing.exception, UserError)
    assert "no-such.toml" in str(missing.exception)
