"""`ionward faults`: the catalogue in groups, one fault explained, and as it counts in a pack."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
import typer
from typer.testing import CliRunner, Result

from helpers.examples import example
from ionward.cli.faults import GROUPS, OTHERS, faults, group_of
from ionward.errors import UserError
from ionward.image.faults import BY_ID, FAULTS


def command(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(faults)
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"})


def test_the_list_has_groups_levels_requirement_budget_and_code() -> None:
    lines = [line.split() for line in command().output.splitlines()]
    assert ["crash", "Crash", "critical", "opens", "at", "once", "SR-031", "0.1", "s", "1A3100"] in lines
    order = [lines.index(group.split()) for group in GROUPS]
    assert all(a < b for a, b in pairwise(order))
    assert {line[0] for line in lines if line} >= {f.id for f in FAULTS}
    assert OTHERS not in {group_of(f) for f in FAULTS}


def test_one_is_explained_with_reaction_budget_requirement_and_goal() -> None:
    text = command("charge_overcurrent_pulse").output
    assert "forbids charging at once, then opens the contactors in order" in text
    assert "opens the contactors at once" in text
    assert "Time budget (FTTI): 0.5 s from the fault to open contactors." in text
    assert "SR-022: The kernel shall decide by its ladder that charge current is above the pulse rating" in text
    assert "SG-04: No current flows that overheats cells" in text
    assert "from the fault to its being told." in command("crash_lost").output


def test_with_a_system_thresholds_are_those_of_the_pack() -> None:
    text = command("cell_overvoltage", "--system", str(example("ev-96s"))).output
    assert "above 4.23 V in 3 new samples and for 0.05 s; left at 4.18 V" in text
    assert "cell_voltage_max_v" not in text
    listed = command("--system", str(example("leaf-96s"))).output
    assert "not judged in this pack" in listed
    text = command("contactor_welded", "--system", str(example("leaf-96s"))).output
    assert "it is never raised here" in text


def test_as_json_for_all_and_for_one() -> None:
    found = json.loads(command("--json").output)
    assert set(found) == {f.id for f in FAULTS}
    for name, fault in found.items():
        assert fault["requirement"] == BY_ID[name].requirement
        assert fault["requirement_text"]
        assert fault["goals"]
        assert fault["ftti_s"] == BY_ID[name].ftti_s
        assert all(level["reaction"] for level in fault["levels"].values())
    assert json.loads(command("crash", "--json").output) == found["crash"]
    in_pack = json.loads(command("cell_overvoltage", "--json", "--system", str(example("ev-96s"))).output)
    assert in_pack["levels"]["fault"]["set"] == pytest.approx(4.23)
    assert in_pack["levels"]["fault"]["decided_within_s"] == pytest.approx(0.07)
    assert (in_pack["judged"], in_pack["relative_to"]) == (True, "")


@pytest.mark.parametrize("arguments", [("cell_overvoltag",), ("crash", "--system", "none.toml")])
def test_mistakes_are_user_errors(arguments: tuple[str, ...]) -> None:
    assert isinstance(command(*arguments).exception, UserError)


def test_with_a_system_it_says_what_stays_possible() -> None:
    def said(fault: str, pack: str) -> str:
        return command(fault, "--system", str(example(pack))).output

    one_way = said("cell_overvoltage", "home-16s-switches")
    assert "forbids charging and opens the switch that blocks it; discharging stays possible" in one_way
    assert "charging stays possible" in said("cell_undervoltage", "home-16s-switches")
    assert "discharging ends as well: these contactors cannot block one direction alone" in said(
        "cell_overvoltage", "home-16s"
    )
    assert "stays possible" not in said("insulation_low", "home-16s-switches")
    as_json = json.loads(command("cell_overvoltage", "--system", str(example("home-16s-switches")), "--json").output)
    assert "charge" in json.dumps(as_json)
