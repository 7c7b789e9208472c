"""`ionward prove`: what a person and a script see, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ionward.cli.main import app
from ionward.errors import UserError
from ionward.proving.prove import campaign
from ionward.proving.prove.cases import tasks

CASE_KEYS = {"fault", "requirement", "operating_point", "place", "detected_ms", "reacted_ms", "budget_ms",
             "final_state", "ok"}  # fmt: skip
PACK = """
[system]
name = "Small"
profile = "ev"
cell = "lg-18650hg2"

[topology]
modules_in_series = 2
cells_per_module = 4
cells_in_parallel = 4

[sensors.current]
minimum_a = -400.0
maximum_a = 400.0
tolerance_a = 0.2

[sensors.current_redundant]

[precharge]
resistance_ohm = 10.0

[dc_link]
capacitance_f = 0.002
discharge_ohm = 2000.0
dead_v = 3.0

[contactors]
open_wait_s = 0.1
break_current_a = 300.0

[fuse]
pyrofuse = true
"""


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    path = tmp_path / "pack.toml"
    path.write_text(PACK, "utf-8")
    return path


def ionward(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["prove", *arguments], env={"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"})


def as_json(*arguments: str, exit_code: int = 0) -> dict[str, Any]:
    result = ionward(*arguments, "--json", "--workers", "1")
    loaded = json.loads(result.stdout)
    assert isinstance(loaded, dict)
    assert result.exit_code == exit_code, [case for case in loaded["cases"] if not case["ok"]]
    return loaded


def test_json_has_what_others_rely_on_and_is_the_same_for_the_same_seed(
    pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign, "default_count", lambda _: 3)
    monkeypatch.setattr("ionward.proving.prove.proof.drives", lambda: [])
    # A twentieth of all cases.
    monkeypatch.setattr("ionward.proving.prove.proof.tasks", lambda *selected: tasks(*selected)[::20])
    first = as_json(str(pack), "--seed", "4")
    assert set(first) >= {"ok", "cases", "false_trips", "random", "wall_s"}
    assert first["ok"] is True
    assert first["false_trips"] == 0
    assert all(set(case) >= CASE_KEYS for case in first["cases"])
    assert set(first["random"]) >= {"seed", "simulated_h", "ticks", "violations"}
    assert first["random"]["seed"] == 4
    assert first["random"]["violations"] == []
    again = as_json(str(pack), "--seed", "4")
    assert {**first, "wall_s": 0} == {**again, "wall_s": 0}


def test_a_pack_that_cannot_hold_a_budget_ends_with_one_and_says_which_and_why(pack: Path) -> None:
    # Of a pack that switches its own contactors such a delay is refused before it is proven.
    others = PACK.replace("[contactors]", "[contactors]\nfitted = false")
    pack.write_text(others + "\n[faults.hvil_open]\nfault = { delay_s = 0.7 }\n", "utf-8")
    values = as_json(str(pack), "--fault", "hvil_open", exit_code=1)
    assert values["ok"] is False
    assert {c["fault"] for c in values["cases"] if not c["ok"]} == {"hvil_open"}
    result = ionward(str(pack), "--fault", "hvil_open", "--workers", "1")
    assert result.exit_code == 1
    assert "Interlock loop open" in result.output
    assert "its samples and delays take 710 ms" in " ".join(result.output.split())
    assert "not proven" in result.output


def test_one_fault_at_one_point_is_shown_case_by_case(pack: Path) -> None:
    result = ionward(str(pack), "--fault", "cell_overvoltage", "--point", "charge", "--all", "--workers", "1")
    assert result.exit_code == 0, result.output
    for place in ("cell 0", "cell 4", "cell 7"):
        assert place in result.output
    assert "6 cases of 1 faults: all in time" in result.output


def test_html_is_written_where_it_was_asked_for(pack: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    result = ionward(str(pack), "--fault", "crash", "--html", str(report), "--workers", "1")
    assert result.exit_code == 0, result.output
    assert "Crash" in report.read_text("utf-8")


def test_the_campaign_alone_says_that_it_is_no_proof(pack: Path) -> None:
    arguments = (str(pack), "--no-cases", "--hours", "0.02", "--workers", "1")
    result = ionward(*arguments)
    assert result.exit_code == 0, result.output
    assert "the campaign alone: no invariant broken" in result.output
    assert "cases" not in result.output
    values = as_json(*arguments[:-2])
    assert (values["ok"], values["cases"], values["not_injected"]) == (True, [], [])
    assert values["random"]["simulated_h"] >= 0.02


def test_a_scenario_can_be_replayed(pack: Path) -> None:
    result = ionward(str(pack), "--replay", "1:2")
    assert result.exit_code == 0, result.output
    assert "connect" in result.output
    assert "Every invariant holds" in result.output


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--fault", "crsh"), "did you mean crash"),
        (("--point", "nowhere"), "unknown operating point"),
        (("--hours", "-1"), "--hours -1"),
        (("--hours", "nan"), "--hours nan"),
        (("--no-cases", "--no-random"), "nothing is left to prove"),
        (("--no-cases", "--point", "rest"), "choose among the cases"),
        (("--html", "/nowhere/at/all.html"), "does not exist"),
        (("--replay", "what"), "is no scenario"),
    ],
)
def test_a_persons_mistake_is_one_clear_line(pack: Path, arguments: tuple[str, ...], part: str) -> None:
    result = ionward(str(pack), *arguments)
    assert isinstance(result.exception, UserError)
    assert len(result.exception.problems) == 1
    assert part in result.exception.problems[0]
