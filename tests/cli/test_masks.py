"""What commands say about the masks of a pack file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from helpers.examples import example
from helpers.masks import day
from ionward.cli.main import app
from ionward.errors import UserError

pytestmark = pytest.mark.verifies("SR-232")
FAULT = "cooling_lost"


def pack(folder: Path, until: str) -> str:
    path = folder / "pack.toml"
    who = 'owner = "Ada Long"\nreason = "fan wire broken [/] [4711]"'
    mask = f'[[masks]]\nfault = "{FAULT}"\n{who}\nuntil = "{until}"\n'
    path.write_text(example("ev-96s").read_text(encoding="utf-8") + "\n" + mask, encoding="utf-8")
    return str(path)


def ionward(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"})


def told(text: str, until: str) -> bool:
    """Which fault, by whom, why and until when."""
    one_line = " ".join(text.split())
    return all(part in one_line for part in ("MASKED", FAULT, "Ada Long", "fan wire broken [/] [4711]", until))


def test_check_and_faults_and_simulate_and_prove_tell_a_mask(tmp_path: Path) -> None:
    until = day(20)
    file = pack(tmp_path, until)
    checked = ionward("check", file)
    assert checked.exit_code == 0
    assert told(checked.output, until)
    assert json.loads(ionward("check", file, "--json").output)["masks"][0]["in_force"] is True
    assert told(ionward("faults", FAULT, "--system", file).output, until)
    assert f"MASKED until {until}" in ionward("faults", "--system", file).output
    assert told(ionward("simulate", file, "--duration", "1").output, until)
    simulated = ionward("simulate", file, "--duration", "1", "--json")
    assert told(json.loads(simulated.stdout)["masks"][0], until)
    assert told(simulated.stderr, until)
    proven = ionward("prove", file, "--fault", FAULT, "--point", "charge")
    assert proven.exit_code == 1
    assert told(proven.output.replace("masked", "MASKED"), until)


def test_a_mask_that_has_ended_is_a_doubt_and_has_no_effect(tmp_path: Path) -> None:
    file = pack(tmp_path, "2026-01-31")
    checked = ionward("check", file)
    assert checked.exit_code == 0
    assert "MASKED" not in checked.output
    assert "the mask of cooling_lost ended with 2026-01-31 and has no effect" in " ".join(checked.output.split())
    assert "Its mask has ended" in ionward("faults", FAULT, "--system", file).output


def test_faults_tells_what_may_be_masked() -> None:
    assert "A pack file may mask it for 90 days at most" in ionward("faults", FAULT).output
    assert "It can never be masked" in ionward("faults", "cell_overvoltage").output
    assert json.loads(ionward("faults", FAULT, "--json").output)["maskable"] is True


def test_an_unknown_fault_names_the_nearest_and_not_the_whole_catalogue() -> None:
    result = ionward("faults", "thermal")
    assert isinstance(result.exception, UserError)
    (line,) = result.exception.problems
    assert line.startswith("unknown fault 'thermal'; the nearest: thermal_propagation")
    assert line.endswith("; `ionward faults` lists all")
    assert len(line) < 160
