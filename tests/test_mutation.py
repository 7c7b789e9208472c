"""The tool behind `make mutate`: which faults it sets, that they are really set, and what it may remember."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from ionward.safety import guard_closing, guard_control, guard_words
from mutation.campaign import KILLED, SURVIVED, Outcome, Seen, put_in, users_of
from mutation.journal import Journal
from mutation.mutants import Mutant, mutants_of, mutated

SOURCE = '''
"""A module."""
LIMIT = 3
NAMES = ("a", "b")


class Counter:
    start = 5

    def __init__(self, at: int = 7) -> None:
        """Set up."""
        self.count = 0

    @property
    def over(self) -> bool:
        return self.count > LIMIT


def judge(values: list[float], low: float | None = None) -> float:
    """Judge. 1 + 1."""
    total = 0.5
    for value in values:
        if value != value:
            continue
        total += min(value, 2.0) * -1.0
    return values[0] if not values or total < 1.0 else total
'''


def changes(source: str = SOURCE) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for mutant in mutants_of("m.py", source):
        found.setdefault(mutant.function or mutant.constant, []).append(mutant.change)
    return found


def test_every_kind_of_fault_is_set_and_nothing_that_only_crashes_or_says_nothing() -> None:
    found = changes()
    assert found["LIMIT"] == ["3 -> 4"]
    assert found["Counter.__init__"] == ["left out: self.count = 0", "0 -> 1"]
    assert found["Counter.over"] == ["> -> >= in self.count > LIMIT", "> -> <= in self.count > LIMIT"]
    assert set(found) == {"LIMIT", "Counter.__init__", "Counter.over", "judge"}
    assert found["judge"] == [
        "0.5 -> 1.0",
        "!= -> == in value != value",
        "left out: continue",
        "left out: total += min(value, 2.0) * -1.0",
        "* -> / in min(value, 2.0) * -1.0",
        "min -> max in min(value, 2.0)",
        "2.0 -> 4.0",
        "-1.0 -> 1.0",
        "1.0 -> 2.0",
        "+= -> -=",
        "return (values[0] if not values or total < 1.0 else total) + 1",
        "or -> and in not values or total < 1.0",
        "not values -> values",
        "< -> <= in total < 1.0",
        "< -> >= in total < 1.0",
        "1.0 -> 2.0",
    ]


def test_each_fault_changes_the_module_in_one_place() -> None:
    lines = mutated(SOURCE, 0).body
    assert len(lines) == 5
    texts = {ast.unparse(mutated(SOURCE, k)) for k in range(len(mutants_of("m.py", SOURCE)))}
    assert len(texts) == len(mutants_of("m.py", SOURCE))


def mutant_of(path: str, function: str, change: str) -> tuple[Mutant, str]:
    source = (Path(guard_words.__file__).parent / path).read_text()
    found = [m for m in mutants_of(path, source) if (m.function or m.constant, m.change) == (function, change)]
    assert len(found) == 1
    return found[0], source


def test_a_fault_is_put_where_everybody_calls_it() -> None:
    class Words:
        main_positive, main_negative, precharge = 1, 0, 0

    assert guard_control.wishes_closed(Words)
    sound = guard_words.wishes_closed.__code__
    mutant = mutant_of("guard_words.py", "wishes_closed", "not (words.main_positive)")
    try:
        put_in(*mutant)
        assert not guard_control.wishes_closed(Words)  # imported by name long before
    finally:
        guard_words.wishes_closed.__code__ = sound


def test_a_changed_constant_is_seen_by_its_users() -> None:
    assert "guard_closing.py:BusWatch.difference_v" in set(users_of("guard_closing.py", "DECIDING_SAMPLES"))
    try:
        put_in(*mutant_of("guard_closing.py", "DECIDING_SAMPLES", "2 -> 3"))
        assert guard_closing.DECIDING_SAMPLES == 3
    finally:
        guard_closing.DECIDING_SAMPLES = 2


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    (tmp_path / "tests").mkdir()
    paths = [tmp_path / "tests" / name for name in ("test_a.py", "test_b.py")]
    for path in paths:
        path.write_text("a test")
    return paths


def test_a_journal_remembers_only_what_still_holds(files: list[Path]) -> None:
    root = files[0].parents[1]

    def journal(ground: str = "g", budget_s: float = 30.0) -> Journal:
        return Journal(root / "out" / "j.jsonl", root, ground, files, budget_s)

    killed, survivor = (Mutant("m.py", k, "f", "", 1, 0, "0 -> 1") for k in range(2))
    first = journal()
    first.note_outcome(killed, "module", Outcome(KILLED, "tests/test_a.py::test_x"))
    first.note_outcome(survivor, "module", Outcome(SURVIVED, ""))
    first.note_seen("tests/test_b.py::test_y", Seen(1.5, True, frozenset({"m.py:f"})))
    first.note_seen("tests/test_a.py::test_z", None)
    with (root / "out" / "j.jsonl").open("a") as file:
        file.write('{"key": "m.p')  # it was killed while it wrote

    again = journal()
    assert again.outcome(killed, "module") == Outcome(KILLED, "tests/test_a.py::test_x")
    assert again.outcome(survivor, "module") == Outcome(SURVIVED, "")
    assert again.outcome(killed, "module changed") is None
    assert again.seen("tests/test_b.py::test_y") == Seen(1.5, True, frozenset({"m.py:f"}))
    assert again.seen("tests/test_a.py::test_z") is None
    assert again.seen("tests/test_a.py::test_new") is False
    assert journal(ground="other").seen("tests/test_b.py::test_y") is False
    assert journal(budget_s=60.0).outcome(survivor, "module") is None

    files[1].write_text("another test")  # it may notice the survivor; the other one is killed as before
    assert journal().outcome(killed, "module") is not None
    assert journal().outcome(survivor, "module") is None
    files[0].write_text("another test")
    assert journal().outcome(killed, "module") is None
