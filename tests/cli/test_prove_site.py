"""`ionward prove SITE.toml`: what a person and a script see, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from helpers.examples import example
from ionward.cli.main import app
from ionward.errors import UserError
from ionward.proving.prove.campaign import Finished
from ionward.proving.site import campaign
from ionward.proving.site.campaign import SiteViolation

SITE = str(example("site-4x96s"))


def prove(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["prove", *arguments], env={"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"})


def test_json_has_what_others_rely_on_and_a_journal_goes_on(tmp_path: Path) -> None:
    journal = str(tmp_path / "site.jsonl")
    arguments = (SITE, "--scenarios", "2", "--seed", "3", "--workers", "1", "--json", "--resume", journal)
    result = prove(*arguments)
    told = json.loads(result.stdout)
    assert set(told) == {"ok", "seed", "scenarios", "simulated_s", "violations", "wall_s"}
    assert (told["seed"], told["scenarios"]) == (3, 2)
    assert told["simulated_s"] >= 120.0
    assert told["ok"] == (told["violations"] == [])
    assert result.exit_code == (0 if told["ok"] else 1)
    again = json.loads(prove(*arguments).stdout)
    assert {**again, "wall_s": 0} == {**told, "wall_s": 0}


def test_a_person_sees_what_was_found_and_how_to_replay_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = SiteViolation(0, "left_out", 71.0, 2, 0.0, [1], ["pack-3: disconnect at 6.42 s"])
    monkeypatch.setattr(campaign, "run_site_scenario", lambda *_: Finished(0, 7200, 72.0, [found]))
    result = prove(SITE, "--scenarios", "1")
    assert result.exit_code == 1
    told = " ".join(result.output.split())
    for words in ("was not connected", "pack-3: disconnect", "--replay 1:0:1", "4 packs, 1 random scenarios of seed 1"):
        assert words in told
    monkeypatch.setattr(campaign, "run_site_scenario", lambda *_: Finished(0, 7200, 72.0, []))
    result = prove(SITE, "--scenarios", "1")
    assert result.exit_code == 0
    assert "every invariant holds" in result.output


def test_a_scenario_can_be_replayed() -> None:
    result = prove(SITE, "--replay", "1:14:")
    assert result.exit_code == 0, result.output
    for words in ("pack-1: connected", "speaks", "all is healed", "Every invariant holds"):
        assert words in result.output


@pytest.mark.parametrize(("arguments", "part"), [
    (("--fault", "crash"), "leave --fault out"), (("--point", "rest"), "leave --point out"),
    (("--html", "report.html"), "leave --html out"), (("--all",), "leave --all out"),
    (("--no-random",), "leave --no-random out"), (("--no-cases",), "leave --no-cases out"),
    (("--hours", "1", "--scenarios", "3"), "leave one of them out"), (("--hours", "nan"), "--hours nan"),
    (("--replay", "what"), "is no scenario"),
])  # fmt: skip
def test_what_makes_no_sense_for_a_site_is_one_line(arguments: tuple[str, ...], part: str) -> None:
    result = prove(SITE, *arguments)
    assert isinstance(result.exception, UserError)
    assert part in str(result.exception)
    assert "\n" not in str(result.exception)


def test_scenarios_are_counted_for_sites_alone() -> None:
    result = prove(str(example("ev-96s")), "--scenarios", "3")
    assert isinstance(result.exception, UserError)
    assert "--hours" in str(result.exception)
