"""`ionward simulate SITE.toml`: what a person and a script see, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from typer.testing import CliRunner, Result

from helpers.examples import example
from ionward.cli.main import app
from ionward.errors import UserError

SITE = str(example("site-4x96s"))


def ionward(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "160", "TERM": "dumb", "NO_COLOR": "1"})


def as_json(*arguments: str, exit_code: int = 0) -> dict[str, Any]:
    result = ionward("simulate", *arguments, "--json")
    assert result.exit_code == exit_code, result.output
    loaded = json.loads(result.stdout)
    assert isinstance(loaded, dict)
    return loaded


def scenario(folder: Path, text: str = "", duration_s: float = 8.0) -> str:
    path = folder / "scenario.toml"
    path.write_text(
        f'[scenario]\nname = "test"\nduration_s = {duration_s}\n[[command]]\nat_s = 1\nconnect = true\n{text}', "utf-8"
    )
    return str(path)


def test_json_tells_the_site_and_every_pack(tmp_path: Path) -> None:
    told = as_json(SITE, "--scenario", scenario(tmp_path), "--seed", "3")
    assert [pack["name"] for pack in told["packs"]] == ["pack-1", "pack-2", "pack-3", "pack-4"]
    assert [pack["connected"] for pack in told["packs"]] == [True, True, True, False]
    assert [pack["state"] for pack in told["packs"]] == ["connected"] * 3 + ["standby"]
    assert [bool(pack["reason"]) for pack in told["packs"]] == [False] * 3 + [True]
    assert sum(pack["current_a"] for pack in told["packs"]) == pytest.approx(0.0, abs=0.05)
    assert told["speaker"] in ("pack-1", "pack-2", "pack-3", "pack-4")
    assert told["term"] > 0
    assert told["site_limits"]["discharge_a"] > 100.0
    assert (told["ticks"], told["final_state"], told["contactors_closed"]) == (800, "3 of 4 connected", True)
    assert told["expectations_failed"] == 0
    again = as_json(SITE, "--scenario", scenario(tmp_path), "--seed", "3")
    assert again["digest"] == told["digest"]


def test_a_person_sees_packs_story_and_expectations(tmp_path: Path) -> None:
    text = '[[trouble]]\nat_s = 5\nkill = "pack-2"\n[[expect]]\nsignal = "speakers"\nmax = 1\n'
    result = ionward("simulate", SITE, "--scenario", scenario(tmp_path, text))
    assert result.exit_code == 0
    for words in ("Packs at the end", "What happened", "speaks for the site", "its unit is gone", "contacts closed",
                  "its unit does not run", "site may carry", "speakers at most 1 at any time"):  # fmt: skip
        assert words in result.output


def test_an_expectation_that_is_not_met_gives_exit_code_1(tmp_path: Path) -> None:
    text = '[[expect]]\nsignal = "not_connected"\nis = 0\nby_s = 5\n'
    result = ionward("simulate", SITE, "--scenario", scenario(tmp_path, text), "--json")
    assert result.exit_code == 1
    assert "not met: not_connected is 0.0 by 5 s" in result.stderr


def test_out_leaves_plots_summary_and_traces(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert ionward("simulate", SITE, "--scenario", scenario(tmp_path), "--out", str(out)).exit_code == 0
    for name in ("site.png", "course.png"):
        assert (out / name).read_bytes()[:4] == b"\x89PNG"
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert any("speaks for the site" in entry["text"] for entry in summary["story"])
    table = parquet.read_table(out / "traces.parquet")
    assert table.num_rows == 8
    assert {"site_charge_limit_a", "pack-1.current_a", "pack-4.soc_true"} <= set(table.column_names)


@pytest.mark.parametrize("option", [["--record", "x.ionrec"], ["--from", "log.csv"]])
def test_options_of_a_single_pack_are_refused_in_one_line(option: list[str]) -> None:
    result = ionward("simulate", SITE, *option)
    assert isinstance(result.exception, UserError)
    assert f"{option[0]} is for a single pack" in result.exception.problems[0]
    assert len(result.exception.problems) == 1


def test_a_scenario_of_a_site_is_told_to_be_wrong_for_a_pack_and_the_other_way(tmp_path: Path) -> None:
    site_only = scenario(tmp_path, '[[trouble]]\nat_s = 5\nkill = "pack-2"\n')
    result = ionward("simulate", str(example("ev-96s")), "--scenario", site_only)
    assert isinstance(result.exception, UserError)
    assert "trouble" in result.exception.problems[0]
    pack_only = scenario(tmp_path, "[[command]]\nat_s = 2\ncharge_factor = 0.5\n")
    result = ionward("simulate", SITE, "--scenario", pack_only)
    assert isinstance(result.exception, UserError)
    assert "charge_factor" in result.exception.problems[0]


def test_sixteen_racks_close_one_after_the_other_within_seconds() -> None:
    told = as_json(str(example("site-16x240s")), "--duration", "8")
    assert told["final_state"] == "16 of 16 connected"
    assert told["simulated_s"] == 8.0


def test_four_packs_meet_the_built_in_scenario() -> None:
    told = as_json(SITE)
    assert told["simulated_s"] == 2100.0
    assert all(pack["connected"] for pack in told["packs"])
