"""The overview: what an operator sees, from a BMS that runs, stands, fails or is silent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from helpers.livefeed import Livefeed
from helpers.masks import day, masked
from helpers.scenarios import small_system
from ionward.dashboard import actions
from ionward.dashboard.facts import facts_of
from ionward.dashboard.overview import banners, contactor_word, frame, overview
from ionward.dashboard.words import unmarked
from ionward.image import exchange as ex
from ionward.image.fault_levels import resolved_levels
from ionward.image.faults import BY_ID, FAULTS
from ionward.proving.prove.ground import drive_cell_voltage
from ionward.runtime.live import Live

Watch = Callable[..., Any]


def seen(watched: Any) -> dict[str, Any]:
    """The overview, as a browser gets it."""
    return json.loads(json.dumps(overview(watched.state, watched.facts), allow_nan=False))


def keys(page: dict[str, Any]) -> list[str]:
    return [banner["key"] for banner in page["banners"]]


def test_a_connected_pack(watch: Watch) -> None:
    watched = watch().after(3.0)
    page, state = seen(watched), watched.state
    assert page["state"]["word"] == "Connected"
    assert page["state"]["level"] == "ok"
    assert page["soc"]["share"] == state["soc"]
    low, high = page["soc"]["band"]
    assert low < state["soc"] < high
    assert page["soc"]["plus_minus"].startswith("± ")
    assert page["voltage"]["bus_word"] == "live"
    assert page["banners"] == []
    assert page["faults"] == []
    drawn = page["diagram"]
    assert {name: item["word"] for name, item in drawn["contactors"].items()} == {
        "main_positive": "closed", "main_negative": "closed", "precharge": "open",
    }  # fmt: skip
    assert drawn["bus_live"]
    assert drawn["fuse"] == "intact"


def test_limits_name_what_sets_them(watch: Watch) -> None:
    page = seen(watch().after(3.0))
    discharge, charge = page["limits"]
    assert discharge["why"] == "rated current of the pack (300 A)"
    assert discharge["set_by"]
    assert charge["value"] == {"v": "138", "u": "A"}
    assert 0 < charge["allowed"] < charge["pulse"] <= 1
    assert not charge["over"]


@pytest.mark.parametrize(
    ("current_a", "word", "flow"), [(-150.0, "Discharging", -1), (60.0, "Charging", 1), (0.05, "Resting", 0)]
)
def test_direction_is_told_in_a_word_and_drawn(watch: Watch, current_a: float, word: str, flow: int) -> None:
    watched = watch()
    state = watched.state | {"current_a": current_a, "power_w": current_a * 380}
    page = overview(state, watched.facts)
    assert page["power"]["word"] == word
    assert (page["diagram"]["flow"] > 0) - (page["diagram"]["flow"] < 0) == flow
    assert page["diagram"]["path"] == ("main" if flow else "")
    assert page["limits"][0]["used"] == pytest.approx(max(0.0, -current_a) / 450.0, abs=1e-3)


def test_nothing_moves_when_data_are_stale(watch: Watch) -> None:
    watched = watch().after(2.0)
    watched.feed.frozen.add("control")
    watched.after(2.0)
    page = seen(watched)
    assert not page["fresh"]
    assert not page["diagram"]["fresh"]
    assert page["diagram"]["path"] == ""
    assert page["banners"][0]["key"] == "stale"
    assert page["banners"][0]["title"].startswith("No fresh data for ")
    assert "control" in page["banners"][0]["text"]
    assert page["state"]["word"].endswith("?")
    assert frame(watched.state)["fresh"] == "stale"
    assert not any(command["primary"] for command in page["commands"] if command["key"] == "connect")


def test_a_guard_that_withholds_and_a_trip_that_waits(watch: Watch) -> None:
    watched = watch()
    watched.feed.guard_reason = ex.GUARD_VOLTAGE
    watched.after(0.5)
    page = seen(watched)
    assert "driver_tripped" in keys(page)
    tripped = next(banner for banner in page["banners"] if banner["key"] == "driver_tripped")
    assert tripped["acknowledge"]
    assert next(c for c in page["commands"] if c["key"] == "acknowledge")["primary"]
    words = " ".join(actions.question("acknowledge", watched.state, watched.facts).steps)
    assert "guard withdrew its enable" in words


def test_a_missing_enable_before_anything_is_closed(watch: Watch) -> None:
    watched = watch(connect=False)
    watched.feed.guard_reason = ex.GUARD_BLIND
    watched.after(0.5)
    page = seen(watched)
    assert keys(page) == ["enables"]
    assert "too few measurements" in page["banners"][0]["title"]
    assert page["state"]["enables"] == "No enable of guard"


def test_faults_in_plain_words_with_what_to_do(watch: Watch) -> None:
    watched = watch()
    watched.feed.twin.inject("hvil_open", None, None)
    watched.after(2.0)
    page = seen(watched)
    fault = next(item for item in page["faults"] if item["id"] == "hvil_open")
    assert fault["level_name"] in ("Fault", "Critical")
    assert len(fault["meaning"]) > 20
    assert len(fault["action"]) > 10
    assert fault["since"].startswith("for ")
    assert page["state"]["word"] in ("Fault", "Opening")
    assert frame(watched.state)["count"] >= 1
    assert "latched" in keys(page)


def test_driven_and_fed_back_are_both_told(watch: Watch) -> None:
    watched = watch()
    watched.feed.twin.inject("feedback_stuck", "main_positive", 0.0)
    watched.after(0.1)
    drawn = seen(watched)["diagram"]["contactors"]["main_positive"]
    assert (drawn["closed"], drawn["driven"]) == (False, True)
    assert drawn["word"] == "is open, driven closed"
    assert contactor_word(True, False) == "is closed, driven open"


def test_precharge_path_is_drawn_while_the_bus_rises(watch: Watch) -> None:
    watched = watch(connect=False)
    closed = {"main_positive": "open", "main_negative": "closed", "precharge": "closed"}
    state = watched.state | {"contactors": closed, "contactors_driven": closed, "current_a": -4.0}
    assert overview(state, watched.facts)["diagram"]["path"] == "precharge"
    blown = state | {"fuse_blown": True}
    assert overview(blown, watched.facts)["diagram"]["path"] == ""
    assert overview(blown, watched.facts)["diagram"]["fuse"] == "blown"


def test_a_pack_without_contactors_has_no_buttons_for_them(watch: Watch) -> None:
    watched = watch("bench-cell", connect=False).after(1.0)
    page = seen(watched)
    assert page["diagram"]["contactors"] == {}
    assert not page["pack"]["contactors"]
    assert {"connect", "disconnect"}.isdisjoint(command["key"] for command in page["commands"])


def test_before_the_first_image_everything_is_a_dash(watch: Watch, tmp_path: Any) -> None:
    watched = watch(connect=False)
    silent = Livefeed(watched.feed.system, tmp_path / "silent")
    silent.frozen.update(("control", "plant", "guard"))
    from ionward.runtime.live import Live

    live = Live(silent.folder, clock=silent.clock)
    live.refresh()
    page = json.loads(json.dumps(overview(live.state(), watched.facts), allow_nan=False))
    assert page["banners"][0]["title"] == "No data yet"
    assert page["soc"]["value"] == {"v": "–", "u": ""}
    assert page["voltage"]["pack"]["v"] == "–"
    assert page["soc"]["band"] is None
    silent.stop()


@pytest.mark.parametrize("command", sorted(actions.QUESTIONS))
def test_every_command_says_what_it_will_do(watch: Watch, command: str) -> None:
    watched = watch(connect=False)
    question = actions.question(command, watched.state, watched.facts)
    assert question.title.endswith("?")
    assert question.steps
    assert question.button
    assert command in actions.DONE


def test_connecting_names_the_voltage_that_will_be_on_the_bus(watch: Watch) -> None:
    watched = watch(connect=False)
    question = actions.question("connect", watched.state, watched.facts)
    assert "50.0 Ω" in " ".join(question.steps)
    assert "V afterwards" in question.mind
    live_bus = watched.state | {"bus_voltage_v": 377.0}
    assert "The bus is live" in actions.question("connect", live_bus, watched.facts).steps[0]


def test_a_refusal_is_one_sentence() -> None:
    assert actions.refused("nothing waits to be acknowledged") == "Refused: nothing waits to be acknowledged."
    assert actions.refused("") == "Refused: no reason was given."


def test_banners_are_the_same_as_on_the_overview(watch: Watch) -> None:
    watched = watch()
    watched.feed.guard_reason = ex.GUARD_CURRENT
    watched.after(0.5)
    assert banners(watched.state) == overview(watched.state, watched.facts)["banners"]


@pytest.mark.verifies("SR-232")
def test_a_mask_is_a_banner_on_every_page_with_whose_it_is_why_and_until_when(tmp_path: Path) -> None:
    feed = Livefeed(masked(small_system(), "pack_voltage_lost", day(20)), tmp_path / "masked")
    try:
        live = Live(feed.folder, clock=feed.clock)
        feed.run(1.0)
        live.refresh()
        (banner,) = [b for b in banners(live.state()) if b["key"] == "mask-pack_voltage_lost"]
        assert (banner["level"], banner["title"]) == ("mask", "Masked: Pack voltage lost")
        assert banner["text"] == (
            f"Told only, nothing reacts to it until {day(20)}. Ada Long: spare part is on its way"
        )
        feed.twin.inject("sensor_lost", "pack_voltage")
        feed.run(2.0)
        live.refresh()
        page = overview(live.state(), facts_of(live.plan))
        (banner,) = [b for b in page["banners"] if b["key"] == "mask-pack_voltage_lost"]
        assert banner["text"].startswith("It stands now; without the mask: warning. ")
        assert page["faults"][0]["detail"].endswith("masked: nothing reacts to it")
    finally:
        feed.stop()


def test_names_of_commands_are_quoted_and_not_in_backticks() -> None:
    assert unmarked("Then `release` it (`ionward doctor`).") == "Then “release” it (“ionward doctor”)."
    assert any("`" in fault.action + fault.meaning for fault in FAULTS)
    assert not any("`" in unmarked(fault.action) + unmarked(fault.meaning) for fault in FAULTS)


def test_a_pack_that_can_only_be_discharged_says_so(watch: Watch) -> None:
    """One cell is full beyond its limit; the switches block charging alone."""
    watched = watch("home-16s-switches").after(4.0)
    assert seen(watched)["pack"]["names"]["main_negative"] == "Charge (Main −)"
    assert (watched.state["blocked"], seen(watched)["state"]["word"]) == ("", "Connected")
    fill(watched.feed)
    watched.after(2.0)
    page = seen(watched)
    assert watched.state["blocked"] == "charge"
    assert (page["state"]["word"], page["state"]["level"]) == ("Discharge only", "warning")
    assert page["state"]["detail"] == "A fault blocks charging: the pack can only be discharged"
    drawn = page["diagram"]["contactors"]
    assert (drawn["main_positive"]["word"], drawn["main_negative"]["word"]) == ("closed", "open")
    assert "Charge (Main −) open" in page["diagram"]["words"]
    assert page["pack"]["one_way"]
    if abs(watched.state["current_a"]) > 1.0:
        assert page["diagram"]["path"] == "main"


def fill(feed: Livefeed) -> None:
    """Give one cell the charge at which its voltage forbids charging."""
    level = resolved_levels(BY_ID["cell_overvoltage"], feed.system)[2]
    assert level is not None
    drive_cell_voltage(SimpleNamespace(plant=feed.twin.plant), 3, level.set + 0.01, above=True)  # type: ignore[arg-type]
