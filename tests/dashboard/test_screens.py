"""Cells, events, system and profiles as plain values."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ionward.dashboard import cells, events, profiles, system, words
from ionward.dashboard.cells import QUANTITIES
from ionward.dashboard.topics import Looking

Watch = Callable[..., Any]


@pytest.mark.parametrize("key", sorted(QUANTITIES))
def test_all_cells_of_a_quantity(watch: Watch, key: str) -> None:
    watched = watch()
    page = cells.all_cells(watched.live.cells(), watched.facts, key)
    json.dumps(page, allow_nan=False)
    assert len(page["values"]) == 96
    assert page["modules"] * page["per_module"] == 96
    lowest, highest = page["lowest"]["cell"], page["highest"]["cell"]
    assert page["values"][lowest] == min(page["values"])
    assert page["values"][highest] == max(page["values"])
    assert page["low"] <= min(page["values"])
    assert page["high"] >= max(page["values"])
    assert page["bad"] == []


def test_lost_cells_are_marked_and_have_no_value(watch: Watch) -> None:
    watched = watch()
    watched.feed.twin.inject("sensor_lost", "cell_voltage 17", None)
    watched.after(1.0)
    page = cells.all_cells(watched.live.cells(), watched.facts, "voltage")
    assert page["values"][17] is None
    assert [17, "bad"] in page["bad"]
    one = cells.one_cell(watched.live.cell(17), watched.facts)
    assert one["headline"][0]["figure"]["v"] == "–"
    assert one["reason"] == "too old"


@given(st.floats(2.5, 4.2), st.floats(0, 0.5), st.floats(0, 1))
def test_scale_holds_every_value_and_never_blows_noise_up(low: float, spread: float, at: float) -> None:
    mean = low + at * spread
    for quantity in QUANTITIES.values():
        bottom, top = cells.scale(quantity, low, low + spread, mean)
        assert bottom is not None
        assert top is not None
        assert bottom <= low + 1e-4
        assert top >= low + spread - 1e-4
        assert top - bottom >= quantity.least_span - 1e-4
        if quantity.around_mean:
            assert (bottom + top) / 2 == pytest.approx(mean, abs=1e-4)


def test_one_cell_stands_in_its_module(watch: Watch) -> None:
    watched = watch()
    one = cells.one_cell(watched.live.cell(17), watched.facts)
    json.dumps(one, allow_nan=False)
    assert one["where"] == "module 2, cell 1 of it"
    assert "to the mean" in one["headline"][0]["note"]
    assert {item["name"] for item in one["details"]} >= {"Residual", "Resistance", "Capacity"}


def test_events_have_levels_in_words_and_values_around_them(watch: Watch) -> None:
    watched = watch()
    watched.feed.twin.inject("hvil_open", None, None)
    watched.after(3.0)
    page = events.events_page(watched.live.events(), watched.live.fault_history(), watched.live.fault_memory())
    row = next(row for row in page["faults"] if row["fault"] == "hvil_open")
    assert row["status"] == ["latched", "confirmed"]
    assert row["count"] >= 1
    assert page["waiting"] >= 1
    raised = next(row for row in page["events"] if "nterlock" in row["text"])
    assert raised["word"] in ("Warning", "Fault", "Critical")
    around = events.around(watched.live.event_values(raised["number"]))
    assert around is not None
    assert {one["name"] for one in around["rows"]} >= {"Pack voltage", "Current"}
    assert events.around(None) is None


def test_words_of_contactors_in_the_log() -> None:
    assert words.sentence("main_positive closed") == "Main + closed"
    assert words.sentence("opening: a fault is present") == "Opening: a fault is present"


def test_system_page(watch: Watch) -> None:
    watched = watch()
    looking = Looking(watched.live, watched.facts, None)
    looking.look()
    page = json.loads(json.dumps(looking.system(), allow_nan=False))
    names = [row["name"] for row in page["processes"]]
    assert names[:3] == ["supervisor", "plant", "control"]
    control = page["processes"][2]
    assert control["word"] == "running"
    assert control["overruns"] == "none"
    assert page["processes"][0]["word"] == "not seen yet"
    assert [row["word"] for row in page["enables"]] == ["given", "given", "none"]
    assert sum(one["took"] for one in page["cycle"]["bins"]) > 0
    voltages = page["sensors"][0]
    assert voltages["value"] == "96 of 96"
    assert voltages["level"] == "ok"


def test_a_silent_process_is_told(watch: Watch) -> None:
    watched = watch()
    watched.feed.frozen.add("guard")
    watched.after(3.0)
    processes = watched.live.processes()
    row = system.process_row("guard", processes["guard"], None)
    assert row["level"] == "fault"
    assert row["word"].startswith("silent for ")
    dead = system.process_row("guard", processes["guard"] | {"alive": False}, None)
    assert (dead["level"], dead["word"]) == ("critical", "dead")


def test_cpu_shares_come_from_two_looks() -> None:
    shares = system.Shares()
    assert shares.of({"control": {"pid": 7, "cpu_s": 1.0}}, 10.0) == {"control": None}
    assert shares.of({"control": {"pid": 7, "cpu_s": 1.5}}, 12.0) == {"control": pytest.approx(0.25)}
    assert shares.of({"control": {"pid": 8, "cpu_s": 0.1}}, 14.0) == {"control": None}
    assert shares.of({"control": {"pid": None, "cpu_s": None}}, 15.0) == {"control": None}


def test_notes_of_the_start(watch: Watch) -> None:
    plan = replace(watch(connect=False).live.plan, notes=("state restored: SOC 0.61", "FIFO priority refused"))
    assert [row["level"] for row in system.notes(plan)] == ["info", "warning"]


def test_profiles_page_has_three_columns_and_marks_differences(watch: Watch) -> None:
    page = profiles.page(watch("home-16s", connect=False).feed.system)
    assert "<th>EV</th><th>Storage</th><th>This pack: Home 16s LFP 48 V</th>" in page
    assert 'data-differs="1"' in page
    assert 'data-differs="0"' in page
    assert page.count('class="own"') > 40


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("fault: Interlock loop open (hvil_closed, value 0)", "fault: Interlock loop open"),
        ("Crash: critical fault (value 1)", "Crash: critical fault"),
        ("Cell overvoltage: fault (cell 17, 4.24 V)", "Cell overvoltage: fault (cell 17, 4.24 V)"),
        ("main_negative: driven and fed back differ", "Main −: driven and fed back differ"),
    ],
)
def test_names_of_the_program_in_words(told: str, shown: str) -> None:
    assert words.plain(told) == shown
