"""Scenario files of sites: what is written wrong is told in one line, before anything moves."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.site_runs import prepared, small_site
from ionward.errors import UserError
from ionward.proving.site.checks import site_signals
from ionward.proving.site.loop import SITE_SIGNALS
from ionward.proving.site.scenario import built_in_site_scenario, load_site_scenario
from ionward.proving.site.simulation import SiteSimulation

HEAD = '[scenario]\nname = "test"\nduration_s = 10\n'


def problems(folder: Path, text: str) -> list[str]:
    path = folder / "site-scenario.toml"
    path.write_text(HEAD + text, encoding="utf-8")
    with pytest.raises(UserError) as told:
        SiteSimulation(small_site(), load_site_scenario(path), keep_traces=False)
    assert all(str(path) in line and "\n" not in line for line in told.value.problems)
    return list(told.value.problems)


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("[[trouble]]\nat_s = 1\n", "trouble[0]", "says nothing that happens"),
        ("[[trouble]]\nat_s = 1\nkill = 'a'\nloss = 0.1\n", "trouble[0]", "kill and loss"),
        ("[[trouble]]\nat_s = 1\nfreeze = 'a'\n", "trouble[0]", "give for_s"),
        ("[[trouble]]\nat_s = 1\nrestart = 'a'\nfor_s = 2\n", "trouble[0].for_s", "takes no time"),
        ("[[trouble]]\nat_s = 1\nkill = 'a'\nunit = 'b'\n", "trouble[0].unit", "leave unit out"),
        ("[[trouble]]\nat_s = 1\ndrift_ppm = 10.0\n", "trouble[0]", "give unit"),
        ("[[trouble]]\nat_s = 1\ndrift_ppm = 500.0\nunit = 'a'\n", "trouble[0].drift_ppm", "100"),
        ("[[trouble]]\nat_s = 1\nkill = 'x'\n", "trouble[0].kill", "no such unit"),
        ("[[trouble]]\nat_s = 1\nkill = 3\n", "trouble[0].kill", "0 to 2"),
        ("[[trouble]]\nat_s = 1\ncut = [['a', 'z']]\n", "trouble[0].cut[0]", "no such unit"),
        ("[[trouble]]\nat_s = 1\ncut = [['a', 'b'], ['b']]\n", "trouble[0].cut[1]", "two sides"),
        ("[[trouble]]\nat_s = 11\nloss = 0.1\n", "trouble[0].at_s", "after the end"),
        ("[[trouble]]\nat_s = 1\nlost = 0.1\n", "trouble[0].lost", "did you mean loss?"),
        ("[[command]]\nat_s = 1\nunit = 'pack'\n", "command[0].unit", "no such unit"),
        ("[[fault]]\nat_s = 1\nname = 'afe_lost'\nplace = 0\n", "fault[0]", "give unit"),
        ("[[fault]]\nat_s = 1\nname = 'afe_lost'\nplace = 9\nunit = 'a'\n", "fault[0]", "0 to 1"),
        ("[[fault]]\nat_s = 1\nname = 'bus_short'\nunit = 'a'\n", "fault[0].unit", "leave unit out"),
        ("[[fault]]\nat_s = 1\nname = 'bus_shot'\n", "fault[0]", "did you mean bus_short?"),
        ("[[expect]]\nsignal = 'soc'\nmin = 0.5\n", "expect[0].signal", 'unit = "each"'),
        ("[[expect]]\nsignal = 'speakr'\nis = 'a'\n", "expect[0].signal", "did you mean speaker?"),
        ("[[expect]]\nsignal = 'speaker'\nis = 'q'\n", "expect[0].is", "nobody"),
        ("[[expect]]\nunit = 'a'\nsignal = 'speaker'\nis = 'a'\n", "expect[0].signal", "unknown signal"),
        ("[[expect]]\nfault = 'cell_overvoltage'\n", "expect[0].fault", "one pack's"),
        ("[[expect]]\nunit = 'd'\nno_events = 'fault'\n", "expect[0].unit", "no such unit"),
        ("[[expect]]\nsignal = 'connected'\n", "expect[0]", "nothing to compare with"),
        ("[[load]]\nsteps = [[0, 1.0]]\nfile = 'x.csv'\n", "load[0]", "or both"),
    ],
)
def test_one_thing_wrong_is_one_line_with_its_key(tmp_path: Path, text: str, key: str, words: str) -> None:
    (line,) = problems(tmp_path, text)
    assert f"{key}:" in line
    assert words in line


def test_several_things_wrong_are_told_at_once(tmp_path: Path) -> None:
    text = "[[command]]\nat_s = 1\nunit = 'q'\n[[trouble]]\nat_s = 1\nkill = 7\n[[expect]]\nsignal = 'x'\nmin = 0\n"
    assert len(problems(tmp_path, text)) == 3


def test_each_and_events_are_expected_of_every_unit(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(
        HEAD + "[[expect]]\nunit = 'each'\nsignal = 'soc'\nmin = 0\n[[expect]]\nno_events = 'fault'\n"
        "[[expect]]\nunit = 1\nsignal = 'state'\nis = 'connected'\n[[expect]]\nsignal = 'speaker'\nis = 'B'\n",
        encoding="utf-8",
    )
    with pytest.raises(UserError, match="nobody, a, b, c"):
        SiteSimulation(small_site(), load_site_scenario(path))
    path.write_text(path.read_text(encoding="utf-8").replace("'B'", "'b'"), encoding="utf-8")
    simulation = prepared(load_site_scenario(path))
    assert [len(checks) for checks in simulation.unit_checks] == [2, 3, 2]
    assert [check.choices for check in simulation.site_checks] == [("nobody", "a", "b", "c")]


def test_what_can_be_expected_of_a_site_has_no_name_of_a_packs_own_but_its_current() -> None:
    assert set(site_signals(())) == {signal.name for signal in SITE_SIGNALS}


def test_a_shorter_run_leaves_out_what_comes_later() -> None:
    shorter = built_in_site_scenario().shortened(100.0)
    simulation = prepared(shorter)
    assert simulation.ticks * simulation.cycle_s == pytest.approx(100.0)
    assert len(simulation.actions) == len(prepared(built_in_site_scenario()).actions)
