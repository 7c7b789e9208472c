"""`ionward check` of a site: what a person and a script see."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from helpers.examples import example
from helpers.sites import SITES, site_file, units, written_site
from ionward.cli.check import check
from ionward.errors import UserError


def checked(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(check)
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"})


def summary(path: Path) -> dict[str, Any]:
    result = checked(str(path), "--json")
    assert result.exit_code == 0, result.output
    loaded = json.loads(result.output)
    assert isinstance(loaded, dict)
    return loaded


@pytest.mark.parametrize("name", SITES)
def test_the_examples_are_shown_without_a_doubt(name: str) -> None:
    result = checked(str(example(name)))
    assert result.exit_code == 0
    for part in ("Units", "energy", "charge", "majority", "digest", "nothing in it looks doubtful"):
        assert part in result.output


def test_the_site_of_four_is_recognised_by_its_figures() -> None:
    text = checked(str(example("site-4x96s"))).output
    assert "site of 4 packs" in text
    row = next(line for line in text.splitlines() if line.startswith("pack-1"))
    assert row.split() == ["pack-1", "ev-96s.toml", "96", "345.6", "45.6", "101", "25.1%", "2", "tcp/127.0.0.1:7451"]
    assert "268.8 … 345.6 … 403.2 V" in text
    assert "3 of 5 votes; without it a unit keeps to no current" in text
    assert "a message every 20 ms; lost after 60 ms of silence; a vote lasts 100 ms" in text
    assert "4.4 mF" in text


def test_the_limits_follow_from_the_circuit_law(tmp_path: Path) -> None:
    """Two equal packs, one behind a cable of its own pack's resistance: currents of two to one."""
    pack_ohm = summary(example("ev-96s"))["pack"]["resistance_ohm"]
    text = units("cable_ohm = 0", f"cable_ohm = {pack_ohm}", head="[peers]\nmargin = 0.0\n")
    site = summary(written_site(tmp_path, text))
    assert [unit["share"] for unit in site["units"]] == pytest.approx([2 / 3, 1 / 3])
    together = site["site"]
    # The near pack carries two thirds: at its limit the site carries half as much again, not twice.
    assert together["discharge_limit_a"] == pytest.approx(300.0 * 3 / 2)
    assert together["charge_limit_a"] == pytest.approx(138.0 * 3 / 2)
    assert together["discharge_limits_sum_a"] == 600.0
    assert together["discharge_limit_without_one_a"] == pytest.approx(300.0)
    assert together["energy_kwh"] == pytest.approx(2 * summary(example("ev-96s"))["pack"]["energy_kwh"])
    assert together["discharge_power_kw"] == pytest.approx(450.0 * 345.6 / 1000)


def test_the_margin_for_resistances_lowers_the_limits(tmp_path: Path) -> None:
    def limit_a(margin: float) -> float:
        text = units("", "", "", head=f"[peers]\nmargin = {margin}\n")
        return float(summary(written_site(tmp_path, text))["site"]["charge_limit_a"])

    assert limit_a(0.0) == pytest.approx(3 * 138.0)
    assert limit_a(0.25) == pytest.approx(3 * 138.0 / 1.25)


def test_doubts_of_the_site_and_of_its_packs_are_told(tmp_path: Path) -> None:
    path = site_file(tmp_path, ("weight = 2", "weight = 1"))
    pack = tmp_path / "ev-96s.toml"
    pack.write_text(pack.read_text(encoding="utf-8").replace("pyrofuse = true", ""), encoding="utf-8")
    doubts = summary(path)["doubts"]
    assert any(doubt.startswith("unit: the 4 units can fall into two halves of 2 votes each") for doubt in doubts)
    assert sum(doubt.startswith("ev-96s.toml: ") for doubt in doubts) == len(doubts) - 1 > 0
    assert "weight = 2 for pack-1" in checked(str(path)).output.replace("\n", " ")


def test_the_fault_ladder_of_the_packs_is_checked_too(tmp_path: Path) -> None:
    path = site_file(tmp_path)
    pack = tmp_path / "ev-96s.toml"
    pack.write_text(pack.read_text(encoding="utf-8").replace("[faults.cell_over", "[faults.celll_over"))
    result = checked(str(path))
    assert isinstance(result.exception, UserError)
    assert result.exception.problems[0].startswith(f"{pack}: faults.celll_overvoltage: ")


def test_a_wrong_site_is_one_clear_line(tmp_path: Path) -> None:
    result = checked(str(site_file(tmp_path, ("weight = 2", "weight = -2"))))
    assert isinstance(result.exception, UserError)
    assert str(result.exception).endswith("unit[0].weight: value -2: is too small; allowed: 1 or more")
