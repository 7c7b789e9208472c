"""`ionward simulate` and `ionward demo`: what a person and a script see, and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ionward.cli.main import app
from ionward.errors import UserError

EXAMPLES = Path(__file__).parents[2] / "examples"
EV = str(EXAMPLES / "ev-96s.toml")
KEYS = {"ticks", "simulated_s", "wall_s", "final_state", "contactors_closed", "events", "digest", "expectations_failed",
        "masks"}  # fmt: skip


def ionward(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "160", "TERM": "dumb", "NO_COLOR": "1"})


def as_json(*arguments: str, exit_code: int = 0) -> dict[str, Any]:
    result = ionward("simulate", *arguments, "--json")
    assert result.exit_code == exit_code, result.output
    loaded = json.loads(result.stdout)
    assert isinstance(loaded, dict)
    return loaded


def scenario(folder: Path, text: str) -> str:
    path = folder / "scenario.toml"
    path.write_text(
        f'[scenario]\nname = "test"\nduration_s = 12\n[[command]]\nat_s = 1\nconnect = true\n{text}', "utf-8"
    )
    return str(path)


def test_json_has_exactly_the_promised_keys() -> None:
    values = as_json(EV, "--duration", "5")
    assert set(values) == KEYS
    assert values["ticks"] == 500
    assert values["simulated_s"] == 5.0
    assert values["final_state"] == "connected"
    assert values["contactors_closed"] is True
    assert values["events"] == []
    assert values["expectations_failed"] == 0
    assert len(values["digest"]) == 64


def test_events_are_told_with_time_fault_level_place_and_words(tmp_path: Path) -> None:
    of = scenario(tmp_path, '[[fault]]\nname = "hvil_open"\nat_s = 6\n')
    values = as_json(EV, "--scenario", of)
    first = values["events"][0]
    assert set(first) == {"time_s", "fault", "level", "place", "text"}
    assert first["fault"] == "hvil_open"
    assert first["level"] == "fault"
    assert first["time_s"] == pytest.approx(6.02, abs=0.05)
    assert "Interlock loop open" in first["text"]
    assert values["final_state"] == "fault"
    assert values["contactors_closed"] is False


def test_the_seed_decides_about_the_digest() -> None:
    one, again, other = (as_json(EV, "--duration", "2", "--seed", seed)["digest"] for seed in ("5", "5", "6"))
    assert one == again
    assert one != other


def test_an_expectation_that_is_not_met_ends_with_one_and_is_told(tmp_path: Path) -> None:
    of = scenario(tmp_path, '[[expect]]\nsignal = "state"\nis = "fault"\nby_s = 10\n')
    assert as_json(EV, "--scenario", of, exit_code=1)["expectations_failed"] == 1
    result = ionward("simulate", EV, "--scenario", of)
    assert result.exit_code == 1
    assert "not met" in result.output
    assert "state is fault by 10 s" in result.output


def test_out_gets_plots_summary_and_traces(tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    result = ionward("simulate", EV, "--duration", "6", "--out", str(out))
    assert result.exit_code == 0, result.output
    names = {path.name for path in out.iterdir()}
    assert names >= {"pack.png", "cells.png", "soc.png", "temperatures.png", "balancing.png", "timeline.png"}
    assert names >= {"summary.json", "traces.parquet"}


def test_a_run_can_be_recorded_and_replayed(tmp_path: Path) -> None:
    recording = tmp_path / "run.ionrec"
    values = as_json(EV, "--duration", "5", "--record", str(recording))
    result = ionward("replay", str(recording), "--verify", "--json")
    assert result.exit_code == 0, result.output
    replayed = json.loads(result.stdout)
    assert replayed["ticks"] == values["ticks"]
    assert replayed["mismatches"] == 0
    assert replayed["digest"] == values["digest"]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('[[fault]]\nname = "cell_internal_shrt"\nat_s = 1\n', "unknown fault 'cell_internal_shrt'"),
        ('[[fault]]\nname = "cell_soc"\nat_s = 1\nplace = 96\n', "allowed: 0 to 95"),
        ('[[expect]]\nsignal = "sock"\nmin = 1\n', "unknown signal"),
        ('[[load]]\nfile = "gone.csv"\n', "does not exist"),
        ("[[load]]\nsteps = [[3, 1], [2, 1]]\n", "does not come after"),
        ("[[load\n", "not valid TOML"),
    ],
)
def test_a_wrong_scenario_is_one_line(tmp_path: Path, text: str, part: str) -> None:
    result = ionward("simulate", EV, "--scenario", scenario(tmp_path, text))
    assert isinstance(result.exception, UserError)
    assert len(result.exception.problems) == 1
    assert part in result.exception.problems[0]


@pytest.mark.parametrize(
    "arguments",
    [
        ("absent.toml",),
        (EV, "--scenario", "absent.toml"),
        (EV, "--from", "absent.csv", "--scenario", "x.toml"),
        (EV, "--duration", "1", "--record", "/proc/nowhere/file"),
    ],
)
def test_files_that_are_not_there_are_told(arguments: tuple[str, ...]) -> None:
    result = ionward("simulate", *arguments)
    assert isinstance(result.exception, UserError)


@pytest.mark.parametrize("arguments", [("--duration", "0"), ("--seed", "-1"), ("--duration", "long")])
def test_impossible_options_are_wrong_use(arguments: tuple[str, ...]) -> None:
    assert ionward("simulate", EV, *arguments).exit_code == 2


def test_an_out_folder_that_cannot_be_made_is_told() -> None:
    result = ionward("simulate", EV, "--duration", "1", "--out", "/proc/nowhere")
    assert isinstance(result.exception, UserError)


@pytest.mark.parametrize("duration", ["inf", "nan", "-5", "0"])
def test_a_duration_that_cannot_be_is_refused(duration: str) -> None:
    result = ionward("simulate", EV, "--duration", duration)
    refused = result.exit_code == 2 or isinstance(result.exception, UserError)
    assert refused, result.output
    assert "duration" in (result.output + str(result.exception))


def test_progress_is_only_drawn_in_a_terminal() -> None:
    result = ionward("simulate", EV, "--duration", "5")
    assert result.exit_code == 0, result.output
    assert "real time 00" not in result.output
    assert "\u2501\u2578" not in result.output


def test_an_interrupted_run_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ionward.image.build.load_pack", interrupted)
    result = ionward("simulate", EV, "--duration", "5")
    assert result.exit_code == 130
    assert result.output.strip() == "stopped"
