"""This checkout is traced without a gap; each kind of gap is found where one is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.data import ROOT
from ionward.errors import UserError
from ionward.image.faults import BY_ID, FAULTS, Fault
from ionward.safety_case.case import Case, Functional, Goal, Hazard, HazardousEvent, Technical, load_case
from ionward.safety_case.trace import Trace, find_tests, trace

CASE = load_case()
TESTS = ROOT / "tests"


def test_every_requirement_leads_to_code_and_tests() -> None:
    traced = trace(CASE, TESTS)
    assert traced.problems == ()
    assert {f for t in traced.requirements.values() for f in t.faults} == {f.id for f in FAULTS}
    assert all(t.code and t.tests for t in traced.requirements.values() if not t.planned)


def test_a_faults_rule_and_its_own_cases_are_found() -> None:
    crash = trace(CASE, TESTS).requirements["SR-031"]
    assert crash.faults == ("crash",)
    assert crash.code == ("safety/rules_connection.py:channel_rules",)
    assert "tests/safety/test_protect.py::test_fault_is_raised_in_its_time_and_place[crash]" in crash.tests
    assert not any("hvil" in test for test in crash.tests)
    assert crash.goals == ("SG-05", "SG-06")


# A checkout in small: one fault, its requirement, and one more.

CRASH = BY_ID["crash"]
RULE = 'def rule():\n    give(FAULT_ID.crash)\n\ndef react():\n    """Implements: SR-122."""\n'
TEST = """
import pytest

CASES: list[tuple[str, int]] = [("crash", 1), ("crash", 2)]

@pytest.mark.verifies("SR-122")
def test_reaction():
    assert True

@pytest.mark.parametrize(("fault", "level"), CASES)
@pytest.mark.verifies(each="fault")
def test_case(fault, level):
    assert fault
"""
SMALL = Case(
    hazards=(Hazard(id="H-01", name="x", harm="y"),),
    events=(HazardousEvent(id="EV-01", hazard="H-01", setting="ev", situation="", why="", goals=("SG-01",)),),
    goals=(Goal(id="SG-01", text="x", safe_state="y", standards=()),),
    functional=(Functional(id="FSR-01", text="x", goals=("SG-01",)),),
    technical=(
        Technical(id="SR-031", text="x", fulfils=("FSR-01",), fault="crash"),
        Technical(id="SR-122", text="x", fulfils=("FSR-01",)),
    ),
    failures=(), assumptions=(), dependences=(), methods=(),
)  # fmt: skip


def small(
    folder: Path, rule: str = RULE, test: str = TEST, case: Case = SMALL, faults: tuple[Fault, ...] = (CRASH,)
) -> Trace:
    for path, text in ((folder / "package/safety/rules.py", rule), (folder / "tests/safety/test_x.py", test)):
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    return trace(case, folder / "tests", folder / "package", faults)


def test_the_small_checkout_is_sound(tmp_path: Path) -> None:
    traced = small(tmp_path)
    assert traced.problems == ()
    assert traced.requirements["SR-031"].code == ("safety/rules.py:rule",)
    assert traced.requirements["SR-122"].code == ("safety/rules.py:react",)
    assert traced.requirements["SR-031"].tests == ("tests/safety/test_x.py::test_case[crash]",)
    assert traced.as_dict()["requirements"]["SR-122"] == {
        "text": "x", "planned": False, "goals": ["SG-01"], "functional": ["FSR-01"], "faults": [],
        "code": ["safety/rules.py:react"], "tests": ["tests/safety/test_x.py::test_reaction"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('@pytest.mark.verifies("SR-122")', "", "SR-122: no test verifies it; mark one with "),
        ('("SR-122")', '("SR-122", "SR-999")', "x.py::test_reaction: verifies SR-999, which is no requirement"),
        ('("crash", 1), ("crash", 2)', "", "x.py:11: no literal cases with a parameter 'fault' stand in this file"),
        ('("crash", 2)', '("crush", 2)', "x.py:11: a case names the fault 'crush', which is not in the catalogue"),
        ('each="fault"', 'each="level"', "x.py:11: no literal cases with a parameter 'level' stand in this file"),
        ('each="fault"', 'every="fault"', 'x.py:11: a mark takes requirements, or each="'),
        ("def test_reaction", "def check_reaction", "x.py:6: this mark is on no test; write it above a test"),
        ('("SR-122")', "(NAME)", 'x.py:6: write the requirements as text, such as "SR-129"'),
    ],
)
def test_a_gap_in_the_tests_is_told(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert old in TEST
    assert any(problem in told for told in small(tmp_path, test=TEST.replace(old, new)).problems)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("FAULT_ID.crash", "0", "SR-031: no code implements it; name it where it is implemented"),
        ("Implements: SR-122.", "", "SR-122: no code implements it; name it where it is implemented"),
        ("SR-122", "SR-998", "safety/rules.py:react: names SR-998, which is no requirement"),
    ],
)
def test_a_gap_in_the_code_is_told(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert problem in small(tmp_path, rule=RULE.replace(old, new)).problems


def with_technical(**changes: object) -> Case:
    first, second = SMALL.technical
    return SMALL.model_copy(update={"technical": (first.model_copy(update=changes), second)})


@pytest.mark.parametrize(
    ("case", "faults", "problem"),
    [
        (SMALL, (CRASH, BY_ID["hvil_open"]),
         "hvil_open: the catalogue gives it SR-030, which is no requirement; write one"),
        (with_technical(fault="hvil_open"), (CRASH,),
         "crash: the catalogue gives it SR-031, which stands for 'hvil_open'; one of both must change"),
        (with_technical(fault="hvil_open"), (CRASH,),
         "SR-031: names the fault 'hvil_open', which is not in the catalogue"),
        (SMALL.model_copy(update={"planned": ("crash",)}), (CRASH,),
         "crash: is in the catalogue now; take it from the list `planned` of requirements.toml"),
        (SMALL.model_copy(update={"planned": ("nothing",)}), (CRASH,),
         "nothing: is planned, but no requirement stands for it"),
        (with_technical(code=("safety/rules.py:gone",)), (CRASH,),
         "SR-031: its code 'safety/rules.py:gone' is not there"),
    ],
)  # fmt: skip
def test_a_gap_between_catalogue_and_requirements_is_told(
    tmp_path: Path, case: Case, faults: tuple[Fault, ...], problem: str
) -> None:
    assert problem in small(tmp_path, case=case, faults=faults).problems


def test_a_planned_fault_needs_neither_code_nor_tests(tmp_path: Path) -> None:
    more = Technical(id="SR-084", text="x", fulfils=("FSR-01",), fault="thermal_propagation")
    case = SMALL.model_copy(update={"technical": (*SMALL.technical, more), "planned": ("thermal_propagation",)})
    traced = small(tmp_path, case=case)
    assert traced.problems == ()
    assert traced.planned == ["SR-084"]


def test_marks_on_a_file_and_on_a_class_count_for_their_tests(tmp_path: Path) -> None:
    text = 'import pytest\npytestmark = [pytest.mark.verifies("SR-122")]\n\n'
    text += '@pytest.mark.verifies("SR-031")\nclass TestCrash:\n    def test_one(self):\n        assert True\n'
    traced = small(tmp_path, test=text)
    assert traced.problems == ()
    for name in ("SR-031", "SR-122"):
        assert traced.requirements[name].tests == ("tests/safety/test_x.py::TestCrash::test_one",)


def test_without_tests_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no tests here; run it in a checkout of Ionward, or name the tests' folder"):
        find_tests(tmp_path)
