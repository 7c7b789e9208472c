"""The documents of the safety case take every table, and know every one they take."""

from __future__ import annotations

import re

import pytest

from helpers.data import ROOT
from ionward.errors import UserError
from ionward.safety_case.case import load_case
from ionward.safety_case.pages import TABLES, filled

PAGES = {p.name: p.read_text(encoding="utf-8") for p in sorted((ROOT / "docs" / "safety").glob("*.md"))}


def test_every_table_is_taken_and_nothing_else() -> None:
    taken = {name for text in PAGES.values() for name in re.findall(r"<!-- table: (.+?) -->", text)}
    assert taken == set(TABLES)


@pytest.mark.parametrize("name", PAGES)
def test_each_page_is_filled_and_its_tables_are_whole(name: str) -> None:
    text = filled(PAGES[name], name)
    assert "<!--" not in text
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(columns) == 1, block.splitlines()[0]


def test_links_within_the_pages_lead_to_what_is_there() -> None:
    pages = {name: filled(text, name) for name, text in PAGES.items()}
    anchors = {name: set(re.findall(r'<span id="([^"]+)">', text)) for name, text in pages.items()}
    for name, text in pages.items():
        for page, anchor in re.findall(r"\]\(([a-z-]*(?:\.md)?)#([a-z]+-\d+)\)", text):
            assert anchor in anchors[page or name], f"{name} -> {page}#{anchor}"


def test_ids_in_the_prose_exist() -> None:
    case = load_case()
    known = {r.id for rows in (case.hazards, case.events, case.goals, case.functional, case.technical, case.assumptions)
             for r in rows}  # fmt: skip
    for name, text in PAGES.items():
        for found in re.findall(r"\b(?:SR-\d{3}|FSR-\d\d|SG-\d\d|A-\d\d|H-\d\d)\b", text):
            assert found in known, f"{name}: {found}"


def test_an_unknown_table_is_a_user_error() -> None:
    with pytest.raises(UserError, match=r"x\.md: there is no table 'hazard'; allowed: hazards"):
        filled("<!-- table: hazard -->", "x.md")
