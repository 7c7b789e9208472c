"""`ionward safety`: what a person and a script see, and the exit codes."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from helpers.data import ROOT
from helpers.examples import changed, example
from ionward.cli.safety import safety_app
from ionward.errors import UserError
from ionward.image.faults import FAULTS


def command(*arguments: str) -> Result:
    return CliRunner().invoke(safety_app, list(arguments), env={"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"})


def test_the_trace_of_this_checkout_is_sound_and_leads_somewhere() -> None:
    result = command("trace", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert (found["ok"], found["problems"]) == (True, [])
    for fault in FAULTS:
        requirement = found["requirements"][fault.requirement]
        assert requirement["faults"] == [fault.id]
        assert requirement["code"]
        assert requirement["tests"]
        assert requirement["goals"]
    assert set(found["planned"]) == {name for name, r in found["requirements"].items() if r["planned"]}


def test_a_person_sees_one_line_for_each_requirement() -> None:
    result = command("trace")
    assert result.exit_code == 0
    assert "SR-129" in result.output
    assert re.search(r"SR-001 +cell_overvoltage +SG-01 +\d+ +\d+\b", result.output)
    assert "requirements traced" in result.output


def test_a_test_that_is_gone_ends_with_exit_code_1_and_is_named(tmp_path: Path) -> None:
    tests = tmp_path / "tests"
    shutil.copytree(ROOT / "tests", tests, ignore=shutil.ignore_patterns("__pycache__", "test_enables.py"))
    result = command("trace", "--tests", str(tests))
    assert result.exit_code == 1
    assert "problem: SR-150: no test verifies it" in result.output
    found = json.loads(command("trace", "--tests", str(tests), "--json").output)
    assert not found["ok"]
    assert any(problem.startswith("SR-150: no test verifies it") for problem in found["problems"])


def test_outside_a_checkout_it_says_so(tmp_path: Path) -> None:
    result = command("trace", "--tests", str(tmp_path))
    assert isinstance(result.exception, UserError)
    assert "no tests here; run it in a checkout of Ionward" in str(result.exception)


def test_reactions_that_can_be_late_end_with_exit_code_1_and_others_do_not(tmp_path: Path) -> None:
    late = command("reaction", str(example("ev-96s")))
    assert late.exit_code == 1
    assert "shorten the delays of these levels or contactors.open_wait_s" in late.output
    quick = changed(tmp_path, ("break_current_a = 500.0", "break_current_a = 500.0\nopen_wait_s = 0.1"))
    result = command("reaction", str(quick), "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert found["ok"]
    assert all(r["in_time"] and r["total_s"] <= r["budget_s"] for r in found["reactions"])
    text = command("reaction", str(quick)).output
    assert f"all {len(found['reactions'])} answers keep their FTTI" in text


def test_what_was_measured_stands_beside(tmp_path: Path) -> None:
    path = tmp_path / "prove.json"
    path.write_text(json.dumps({"cases": [{"fault": "crash", "reacted_ms": 17.0}]}))
    crash = next(
        line
        for line in command("reaction", str(example("ev-96s")), "--prove", str(path)).output.splitlines()
        if line.startswith("crash ")
    )
    assert crash.split()[-2:] == ["17", "yes"]


@pytest.mark.parametrize(
    "arguments", [("reaction", "none.toml"), ("reaction", str(example("ev-96s")), "--prove", "none")]
)
def test_a_missing_file_is_a_user_error(arguments: tuple[str, ...]) -> None:
    assert isinstance(command(*arguments).exception, UserError)
