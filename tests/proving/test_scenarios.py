"""Scenario files: what they say, and one clear line for everything that is wrong in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from helpers.scenarios import scenario, small_system
from ionward.battery.topology import PROFILES
from ionward.errors import UserError
from ionward.proving.load_profile import build_profile, built_in_profiles, read_profile
from ionward.proving.scenario import built_in_scenario, load_scenario
from ionward.proving.simulation import Simulation

EXAMPLES = Path(__file__).parents[2] / "examples" / "scenarios"
SMALL = small_system()
CAPACITY_AH = SMALL.topology.capacity_ah
GOOD = '[scenario]\nname = "x"\nduration_s = 100\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "scenario.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str) -> list[str]:
    """Lines told for a scenario with this text, by reading or by preparing it for the small pack."""
    with pytest.raises(UserError) as error:
        Simulation(small_system(), load_scenario(written(folder, GOOD + text)), keep_traces=False)
    for line in error.value.problems:
        assert "\n" not in line
        assert line.startswith(str(folder / "scenario.toml"))
    return [line.removeprefix(f"{folder / 'scenario.toml'}: ") for line in error.value.problems]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[[fault]]\nname = 'cell_internal_shrt'\nat_s = 1\nplace = 2",
         "unknown fault 'cell_internal_shrt'; did you mean"),
        ("[[fault]]\nname = 'crash'\nat_s = 200",
         "fault[0].at_s: value 200: is after the end of the scenario at 100 s"),
        ("[[fault]]\nname = 'cell_soc'\nat_s = 1\nplace = 90", "place '90' is no cell of this pack; allowed: 0 to 7"),
        ("[[fault]]\nname = 'crash'", "fault[0].at_s: is missing"),
        ("[[fault]]\nname = 'crash'\nat_s = -1", "fault[0].at_s: value -1: is too small; allowed: 0 or more"),
        ("[[fault]]\nname = 'crash'\nat_s = 1\nfor_s = 0", "fault[0].for_s"),
        ("[[expect]]\nsignal = 'socc'\nmin = 0.1",
         "expect[0].signal: value \"socc\": unknown signal; did you mean soc"),
        ("[[expect]]\nsignal = 'state'\nis = 'conected'", "is no value of state; did you mean connected?"),
        ("[[expect]]\nfault = 'cell_overvoltag'", "unknown fault; did you mean cell_overvoltage?"),
        ("[[expect]]\nsignal = 'soc'", "has nothing to compare with; give is, min or max"),
        ("[[expect]]\nsignal = 'soc'\nmin = 0.9\nmax = 0.1", "has max 0.1 below min 0.9"),
        ("[[expect]]\nsignal = 'soc'\nis = 0.5\nmax = 0.1", "has both is and min or max"),
        ("[[expect]]\nsignal = 'soc'\nfault = 'crash'\nmin = 0.1", "names none or several of signal, fault, no_events"),
        ("[[expect]]\nmin = 0.1", "names none or several"),
        ("[[expect]]\nfault = 'crash'\nmin = 0.1", "has is, min or max without a signal"),
        ("[[expect]]\nsignal = 'soc'\nmin = 0.1\nby_s = 3\nat_s = 4", "has at_s and by_s; give one of them"),
        ("[[expect]]\nsignal = 'soc'\nmin = 0.1\nby_s = 3\nfrom_s = 4", "has by_s and from_s or until_s"),
        ("[[expect]]\nsignal = 'soc'\nmin = 0.1\nfrom_s = 30\nuntil_s = 4", "until_s: value 4: is before from_s 30"),
        ("[[expect]]\nsignal = 'soc'\nmin = 0.1\nby_s = 300", "by_s: value 300: is after the end"),
        ("[[expect]]\nsignal = 'soc'\nmin = 0.1\nwithin_s = 3", "counts from a fault, and none is injected"),
        ("[[expect]]\nsignal = 'soc'\nmin = 0.1\nwithin_s = 3\nafter = 'crash'",
         "is no fault that this scenario injects"),
        ("[[expect]]\nsignal = 'soc'\nmin = 0.1\nafter = 3", "has after without within_s"),
        ("[[expect]]\nfault = 'crash'\nnever = true\nby_s = 3", "says never and when"),
        ("[[expect]]\nno_events = 'loud'", "expect[0].no_events: value \"loud\": is unknown; allowed: info, warning"),
        ("[[load]]\nat_s = 1", "load[0]: has neither steps nor file, or both"),
        ("[[load]]\nsteps = [[5, 1.0], [5, 2.0]]", "time does not come after 5"),
        ("[[load]]\nsteps = [[-5, 1.0]]", "time is negative"),
        ("[[load]]\nsteps = [[0, 1.0, 3.0]]", "has 3 entries; allowed: 2 or less"),
        ("[[load]]\nsteps = []", "load[0].steps"),
        ("[[load]]\nsteps = [[0, nan]]", "is not a finite number"),
        ("[[load]]\nat_s = 9\nsteps = [[0, 1]]\n[[load]]\nat_s = 3\nsteps = [[0, 1]]",
         "does not come after the load at 9"),
        ("[[load]]\nsteps = [[0, 1]]\nunit = 'kW'", "allowed: A, W or C"),
        ("[[load]]\nat_s = 1\nsteps = [[0, 1]]\n[[load]]\nat_s = 3\nunit='W'\nsteps = [[0, 1]]",
         "currents and powers are mixed"),
        ("[[load]]\nsteps = [[0, 1]]\nrepeat = 5", "repeat needs a profile of at least two times"),
        ("[[load]]\nfile = 'absent.csv'", "does not exist; paths are taken from the scenario's folder"),
        ("[[load]]\nfile = 'mixed-drve'", "no such built-in profile; did you mean mixed-drive?"),
        ("[[command]]\nat_s = 9\nconnect = true\n[[command]]\nat_s = 3", "is before the command at 9"),
        ("[[command]]\nat_s = 9\nconnect = 'yes'", "command[0].connect: value \"yes\": is neither true nor false"),
        ("[start]\nsoc = 1.5", "start.soc: value 1.5: is too large; allowed: 1 or less"),
        ("[start]\nsok = 0.5", "start.sok: unknown key; did you mean soc?"),
        ("file = 'x'\n", "unknown key"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_one_line(tmp_path: Path, text: str, part: str) -> None:
    lines = problems(tmp_path, text)
    assert any(part in line for line in lines), lines
    assert len(lines) == 1


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    text = "[[fault]]\nname='x'\nat_s=1\n[[fault]]\nname='y'\nat_s=1\n"
    text += "[[expect]]\nsignal='z'\nmin=1\n[[load]]\nfile='f.csv'"
    assert len(problems(tmp_path, text)) == 4


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("time_s,current_a\n0,1\n2,x\n", "column current_a holds text"),
        ("time_s,current_a\n0,1\n2,\n", "column current_a has no number in row 2"),
        ("time_s,current_a\n0,1\n3,1\n2,1\n", "time_s does not rise at row 3"),
        ("time,current_a\n0,1\n", "has the columns time, current_a; needed: time_s and one of"),
        ("time_s,current_a,power_w\n0,1,2\n", "needed: time_s and one of"),
        ("time_s,current_a\n", "has no rows"),
        ("", "cannot be read as CSV"),
    ],
)
def test_a_wrong_load_file_is_told(tmp_path: Path, content: str, part: str) -> None:
    (tmp_path / "load.csv").write_text(content, encoding="utf-8")
    lines = problems(tmp_path, "[[load]]\nfile = 'load.csv'")
    assert len(lines) == 1
    assert part in lines[0]


@pytest.mark.parametrize("name", ["no.toml", "."])
def test_a_scenario_that_cannot_be_read_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError):
        load_scenario(tmp_path / name)


def test_loads_follow_each_other_repeat_and_scale(tmp_path: Path) -> None:
    of = scenario(100.0, load=[
        {"at_s": 10.0, "steps": [[0.0, -1.0], [2.0, -2.0]], "repeat": 3, "scale": 2.0},
        {"at_s": 50.0, "unit": "C", "steps": [[5.0, 0.5]]},
    ])  # fmt: skip
    profile = build_profile(of, CAPACITY_AH)
    capacity_ah = small_system().topology.capacity_ah
    assert (
        pytest.approx(
            np.array([[10, -2], [12, -4], [14, -2], [16, -4], [18, -2], [20, -4], [50, 0], [55, 0.5 * capacity_ah]])
        )
        == profile.points.T
    )
    assert not profile.is_power


def test_loads_beyond_a_shortened_end_are_left_out() -> None:
    loads = [{"at_s": 1.0, "steps": [[0.0, 1.0]]}, {"at_s": 50.0, "steps": [[0.0, 2.0], [1.0, 3.0]], "repeat": 4}]
    profile = build_profile(scenario(100.0, load=loads).shortened(20.0), CAPACITY_AH)
    assert profile.points.T.tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_load_files_of_both_kinds_say_the_same(tmp_path: Path, kind: str) -> None:
    table = pa.table({"time_s": [5, 6, 8], "power_w": [1.0, -2.0, 3.5]})
    if kind == "csv":
        (tmp_path / "load.csv").write_text("time_s,power_w\n5,1\n6,-2\n8,3.5\n", encoding="utf-8")
    else:
        parquet.write_table(table, tmp_path / "load.parquet")
    times, values, unit = read_profile(f"load.{kind}", tmp_path)
    assert times.tolist() == [0.0, 1.0, 3.0]
    assert values.tolist() == [1.0, -2.0, 3.5]
    assert unit == "W"


def test_the_built_in_drive_is_a_drive() -> None:
    times, values, unit = read_profile(built_in_profiles()[0], Path())
    assert unit == "C"
    assert 1500 < times[-1] < 2400
    assert values.min() > -2.2  # within what the EV example may give
    assert values.max() < 1.0
    assert -0.2 < np.sum(values * np.gradient(times)) / 3600 < -0.1


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_has_a_scenario_of_its_own(profile: str) -> None:
    built_in = built_in_scenario(profile)
    assert built_in.expect
    Simulation(small_system(), built_in, keep_traces=False)


@settings(deadline=None, max_examples=30)
@given(profile=st.sampled_from(PROFILES), duration_s=st.floats(1e-3, 1e5))
def test_every_built_in_scenario_can_have_any_duration(profile: str, duration_s: float) -> None:
    shorter = built_in_scenario(profile).shortened(duration_s)
    points = build_profile(shorter, CAPACITY_AH).points
    assert (np.diff(points[0]) > 0).all()
    assert (points[0] < duration_s).all()
    Simulation(SMALL, shorter, keep_traces=False)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda p: p.stem)
def test_examples_can_be_read(path: Path) -> None:
    example = load_scenario(path)
    assert example.expect
    build_profile(example, CAPACITY_AH)
