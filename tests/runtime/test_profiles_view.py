"""EV and storage side by side, from what the loader resolves."""

from __future__ import annotations

from pathlib import Path

import pytest

from ionward.battery.system import load_system
from ionward.image.faults import FAULTS
from ionward.runtime.profiles_view import comparison, ladders, markdown, seconds, typical


@pytest.mark.parametrize(("profile", "example"), [("ev", "ev-96s.toml"), ("storage", "storage-rack-240s.toml")])
def test_typical_packs_are_the_examples(profile: str, example: str, examples: Path) -> None:
    mine, file = typical(profile).as_dict(), load_system(examples / example).as_dict()
    assert {key: value for key, value in mine.items() if key != "file"} == {
        k: v for k, v in file.items() if k != "file"
    }


def test_sections_of_the_comparison() -> None:
    rows = comparison()
    assert list(dict.fromkeys(row.section for row in rows)) == [
        "Response", "Limits", "Balancing and temperature", "Communication", "Safety",
    ]  # fmt: skip
    assert len({(row.section, row.label) for row in rows}) == len(rows)
    for row in rows:
        assert len(row.values) == 2
        assert all(row.values)
        assert "nan" not in " ".join(row.values).lower()
        assert row.differs == (row.values[0] != row.values[1])


def test_figures_are_those_of_the_profiles() -> None:
    by_label = {row.label: row.values for row in comparison()}
    assert by_label["Cell voltages"] == ("every 20 ms", "every 100 ms")
    assert by_label["Crash line"] == ("every 10 ms", "not fitted")
    assert by_label["Pyrofuse"] == ("fitted, fired by the BMS", "not fitted")
    assert by_label["Temperature for discharging"] == ("−20 … 60 °C", "−10 … 50 °C")


def test_an_own_pack_stands_beside_them(examples: Path) -> None:
    own = load_system(examples / "home-16s.toml")
    rows = {row.label: row for row in comparison(own)}
    assert all(len(row.values) == 3 for row in rows.values())
    assert rows["Interlock loop"].values[2] == "not fitted"
    assert rows["Cooling"].values[2] == "none"
    # What differs is told of EV and storage, whatever the own pack says.
    assert not rows["Interlock opens the contactors"].differs


def test_ladders_show_what_each_judges(examples: Path) -> None:
    by_fault = {row.fault.id: row for row in ladders()}
    assert set(by_fault) <= {fault.id for fault in FAULTS}
    assert all(any(row.values) for row in by_fault.values())
    assert by_fault["crash"].values[1] == ()
    assert by_fault["crash"].differs
    assert "fault > 4.23 V, within 70 ms" in by_fault["cell_overvoltage"].values[0]
    bench = {row.fault.id: row for row in ladders(load_system(examples / "bench-cell.toml"))}
    assert bench["crash"].values[2] == ()


def test_page_sets_what_differs_in_bold() -> None:
    page = markdown()
    assert "| Control cycle | 10 ms | 10 ms |" in page
    assert "| Crash line | **every 10 ms** | **not fitted** |" in page
    assert "| **Crash** | critical within 20 ms | not judged |" in page


@pytest.mark.parametrize(
    ("time_s", "text"),
    [(0.01, "10 ms"), (0.9999, "1 s"), (1.26, "1.26 s"), (600.0, "10 min"), (float("nan"), "–")],
)
def test_times_in_the_unit_a_person_would_choose(time_s: float, text: str) -> None:
    assert seconds(time_s) == text
