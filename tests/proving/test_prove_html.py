"""The report is complete in one file, and says of each fault what an assessor asks."""

from __future__ import annotations

import re
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from helpers.proving import quick_parameters, quick_system, silent
from ionward.errors import UserError
from ionward.proving.prove.campaign import Campaign, Finished, Violation
from ionward.proving.prove.false_trips import Drive
from ionward.proving.prove.html import page, write_html
from ionward.proving.prove.invariants import INVARIANT_SIGNALS
from ionward.proving.prove.proof import Proof, Wanted, prove

SYSTEM = quick_system()
VOID = {"meta", "br", "img", "hr", "input", "link"}


class Balanced(HTMLParser):
    """Every element that begins ends, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def proof() -> Proof:
    made = prove(SYSTEM, quick_parameters(), silent, Wanted(point="charge", workers=1))
    violation = Violation(7, "pyrofuse_unfounded", 3.25, -1, 12.0, [0], ["a <wild> fault"])
    made.campaign = Campaign(5, "pack.toml", [Finished(7, 1000, 10.0, [violation])])
    made.drives = [Drive("Rest", "all high", 10.0, [{"time_s": 1.0, "text": "Crash: critical fault"}])]
    return made


def test_everything_is_in_one_file_and_stays_there(proof: Proof) -> None:
    text = page(proof, quick_parameters())
    assert not re.search(r"""(src|href)\s*=\s*["'](?!#)""", text)
    assert "http" not in text
    assert "@import" not in text
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert parser.seen.count("svg") > 15


def test_each_fault_has_its_requirement_times_budget_and_way(proof: Proof) -> None:
    text = page(proof, quick_parameters())
    for case in proof.cases:
        section = text.split(f'<details id="{case.fault}"')[1].split("</details>")[0]
        assert case.requirement in section
        assert escape(case.injected) in section
        assert case.place in section
    assert "Reaction times against the budget" in text


def test_false_trips_invariants_and_how_to_replay_are_told_and_escaped(proof: Proof) -> None:
    text = page(proof, quick_parameters())
    assert "Crash: critical fault at 1.0 s" in text
    assert "ionward prove pack.toml --replay 5:7:0" in text
    assert "a &lt;wild&gt; fault" in text
    assert "<wild>" not in text
    for signal in INVARIANT_SIGNALS:
        assert signal.meaning in text
    assert "not proven" in text


def test_a_file_that_cannot_be_written_is_told_in_one_line(proof: Proof, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        write_html(tmp_path, proof, quick_parameters())
