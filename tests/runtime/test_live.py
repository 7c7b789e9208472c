from __future__ import annotations

import asyncio
import json
import math
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.livefeed import Livefeed
from helpers.masks import masked
from helpers.scenarios import small_system
from ionward.errors import UserError
from ionward.gateway.prometheus import exposition
from ionward.image import exchange as ex
from ionward.image.blocks import Block, words_of
from ionward.image.inputs import CHANNEL, RAW
from ionward.image.signals import CELL, RULE_FAULT, RULE_SOC, RULE_TEMPERATURE, RULE_VOLTAGE
from ionward.runtime.live import Live
from ionward.runtime.live_blocks import image_words, raw_words
from ionward.runtime.live_commands import (
    command_message,
    injectable,
    injection_message,
    place_of,
)
from ionward.runtime.live_processes import BIN_ENDS_US, ProcessTable, quantiles_us
from ionward.runtime.live_snapshot import contact_positions
from ionward.runtime.live_state import iso_time, limit_reason

VIEWS = ("state", "cells", "processes", "recorder", "guard", "events", "fault_history", "measurements")


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[Livefeed]:
    """A connected small pack, in simulated time."""
    made = Livefeed(small_system(), tmp_path / "live")
    yield made.run(1.0).connect()
    made.stop()


@pytest.fixture
def live(feed: Livefeed) -> Live:
    """A look at it that may command."""
    made = Live(feed.folder, writer=True, clock=feed.clock)
    made.refresh()
    return made


def look(feed: Livefeed, live: Live, seconds: float) -> None:
    """Live on, with a look every 50 ms."""
    for _ in range(round(seconds / 0.05)):
        feed.run(0.05)
        live.refresh()


def plain(live: Live) -> dict[str, object]:
    """All views, as strict JSON would carry them."""
    return {name: json.loads(json.dumps(getattr(live, name)(), allow_nan=False)) for name in VIEWS}


# What is seen.


def test_a_connected_pack_is_seen_as_it_is(feed: Livefeed, live: Live) -> None:
    state = live.state()
    assert state["state"] == "connected"
    assert state["contactors"] == {"main_positive": "closed", "main_negative": "closed", "precharge": "open"}
    assert state["contactors_disagree"] == []
    assert state["enables"] == {"control": True, "guard": True}
    assert state["pack_voltage_v"] == pytest.approx(feed.measure("pack_voltage_v"), abs=0.5)
    assert state["bus_voltage_v"] == pytest.approx(state["pack_voltage_v"], abs=1.0)
    assert 0.5 < state["soc"] < 0.9
    assert state["faults"] == state["alarms"] == []
    assert state["image_age_s"] == pytest.approx(0.0, abs=0.05)
    assert not state["stale"]
    assert state["power_w"] == pytest.approx(state["pack_voltage_v"] * state["current_a"], abs=1.0)


def test_arrays_have_an_entry_for_each_cell_and_are_those_of_the_image(feed: Livefeed, live: Live) -> None:
    cells = live.cells()
    assert [len(cells[name]) for name in ("voltage_v", "temperature_c", "soc", "balancing", "quality")] == [8] * 5
    assert cells["voltage_v"] == pytest.approx(feed.bms.image.cells[CELL.voltage_v].tolist(), abs=1e-4)
    lowest = int(np.argmin(cells["voltage_v"]))
    assert cells["summary"]["cell_voltage_min_cell"] == lowest
    assert live.cell(lowest)["voltage_rank"] == 1


def test_a_cell_that_does_not_exist_is_an_error_that_says_which_do(live: Live) -> None:
    with pytest.raises(IndexError, match="cells 0 to 7"):
        live.cell(8)


def test_a_lost_cell_is_null_not_a_number(feed: Livefeed, live: Live) -> None:
    feed.twin.inject("sensor_lost", "cell_voltage 3")
    look(feed, live, 2.0)
    cells = live.cells()
    assert cells["voltage_v"][3] is None
    assert cells["quality"][3] == "bad"
    assert cells["voltage_v"][2] is not None
    plain(live)


def test_every_view_is_plain_json(live: Live) -> None:
    assert set(plain(live)) == set(VIEWS)


def test_a_pack_without_contactors_has_none(tmp_path: Path) -> None:
    system = small_system(profile="bench", contactors={"fitted": False}, precharge={"fitted": False})
    feed = Livefeed(system, tmp_path / "live").run(1.0)
    live = Live(feed.folder, clock=feed.clock)
    live.refresh()
    assert live.state()["contactors"] == {}
    plain(live)


# Contactors and enables: the truth.


def test_the_feedback_contact_decides_where_it_is_fresh(feed: Livefeed, live: Live) -> None:
    live.raw.channels[RAW.value, CHANNEL.main_positive_closed] = 0.0
    closed, disagree = contact_positions(live.snapshot())
    assert (closed["main_positive"], disagree) == (False, ("main_positive",))
    live.raw.channels[RAW.value, CHANNEL.main_positive_closed] = math.nan
    closed, disagree = contact_positions(live.snapshot())
    assert (closed["main_positive"], disagree) == (True, ())


def test_a_welded_contactor_is_told_as_closed_and_as_disagreeing(feed: Livefeed, live: Live) -> None:
    feed.twin.inject("contactor_welded", "main_positive")
    feed.command["connect"] = 0
    look(feed, live, 2.0)
    state = live.state()
    assert state["contactors"]["main_positive"] == "closed"
    assert state["contactors_driven"]["main_positive"] == "open"
    assert state["contactors_disagree"] == ["main_positive"]
    assert "contactor_disagrees" in [alarm["id"] for alarm in state["alarms"]]


def test_a_silent_control_is_seen_by_its_age(feed: Livefeed, live: Live) -> None:
    feed.frozen.add("control")
    look(feed, live, 2.0)
    state = live.state()
    assert state["image_age_s"] == pytest.approx(2.0, abs=0.1)
    assert state["stale"]
    assert state["enables"] == {"control": False, "guard": True}
    assert state["contactors"]["main_positive"] == "open"
    assert state["trip"]["tripped"]
    assert {"control_silent", "driver_tripped"} <= {alarm["id"] for alarm in state["alarms"]}


def test_a_silent_driver_enables_nothing(feed: Livefeed, live: Live) -> None:
    feed.frozen.add("plant")
    look(feed, live, 1.5)
    state = live.state()
    assert state["enables"] == {"control": False, "guard": False}
    assert state["driver_age_s"] == pytest.approx(1.5, abs=0.1)


def test_the_guard_says_why_it_withholds_its_enable(feed: Livefeed, live: Live) -> None:
    feed.guard_reason = ex.GUARD_VOLTAGE
    look(feed, live, 0.5)
    state = live.state()
    assert state["guard"]["reason"] == "cell voltage beyond its absolute limit"
    assert not state["guard"]["enable"]
    assert not state["enables"]["guard"]
    assert state["trip"]["reason"] == "the guard withdrew its enable"


# Limits and faults in words.


@pytest.mark.parametrize(
    ("rule", "place", "words"),
    [
        (RULE_VOLTAGE, 5, "cell voltage of cell 5 ("),
        (RULE_SOC, 2, "SOC of cell 2 ("),
        (RULE_TEMPERATURE, 1, "cell temperature at sensor 1 ("),
        (RULE_VOLTAGE, -1, "cell voltage"),
        (RULE_FAULT, 999, "fault"),
        (77, 0, "77 (cell 0)"),
    ],
)
def test_a_limit_tells_rule_place_and_number(live: Live, rule: int, place: int, words: str) -> None:
    reason = limit_reason(live.snapshot(), "charge", rule, place)
    assert reason.startswith(words)
    assert reason.count("(") == reason.count(")")


def test_a_fault_tells_what_where_how_long_and_what_to_do(feed: Livefeed, live: Live) -> None:
    feed.twin.inject("sensor_stuck", "cell_voltage 3", 4.5)
    look(feed, live, 2.0)
    state = live.state()
    fault = next(f for f in state["faults"] if f["id"] == "cell_overvoltage")
    assert (fault["level"], fault["place"], fault["where"], fault["latched"]) == ("critical", 3, "cell 3", True)
    assert fault["text"] == "Cell overvoltage: critical fault (cell 3, 4.5 V)"
    assert 1.5 < fault["since_s"] < 2.1
    assert fault["action"].startswith("Stop charging")
    assert state["limits"]["charge_a"] == 0
    assert state["limits"]["charge_reason"].startswith("fault: Cell overvoltage (cell 3")
    assert state["contactors"]["main_positive"] == "open"


def test_a_fault_that_is_over_stays_until_it_is_acknowledged(feed: Livefeed, live: Live) -> None:
    end = feed.twin.inject("sensor_stuck", "cell_voltage 3", 4.5)
    look(feed, live, 1.0)
    end()
    look(feed, live, 4.0)
    fault = next(f for f in live.state()["faults"] if f["id"] == "cell_overvoltage")
    assert (fault["active"], fault["latched"], fault["level"]) == (False, True, "critical")
    assert fault["text"] == "Cell overvoltage: over, waits to be acknowledged"


# The log of events.


def test_events_are_logged_with_what_was_before_and_after(feed: Livefeed, live: Live) -> None:
    look(feed, live, 2.5)
    feed.twin.inject("sensor_stuck", "cell_voltage 3", 4.5)
    look(feed, live, 3.0)
    events = live.events()
    numbers = [event["number"] for event in events]
    assert numbers == sorted(numbers, reverse=True)
    kinds = {event["kind"] for event in events}
    assert {"fault", "state", "contactor"} <= kinds
    opened = next(e for e in events if e["text"] == "main_positive open")
    values = live.event_values(opened["number"])
    assert values is not None
    voltage = values["signals"]["cell_voltage_max_v"]
    assert (voltage["before"] < 4.3, voltage["after"]) == (True, 4.5)
    assert -2.1 < values["time_s"][0] < -1.8
    assert 1.8 < values["time_s"][-1] < 2.1
    row = next(f for f in live.fault_history() if f["fault"] == "cell_overvoltage")
    assert (row["count"], row["level"], row["latched"]) == (1, "critical", True)
    assert row["first"] <= row["last"]


def test_events_can_be_asked_for_by_kind_and_from_a_number_on(feed: Livefeed, live: Live) -> None:
    feed.command["connect"] = 0
    look(feed, live, 2.0)
    assert {e["kind"] for e in live.events(kind="state")} == {"state"}
    newest = live.events()[0]["number"]
    assert live.events(since=newest) == []
    assert len(live.events(limit=1)) == 1
    assert live.event_values(10**6) is None


def test_what_the_image_still_remembers_is_read_by_a_later_screen(feed: Livefeed) -> None:
    feed.twin.inject("sensor_stuck", "cell_voltage 3", 4.5)
    feed.run(10.0)
    late = Live(feed.folder, clock=feed.clock)
    late.refresh()
    texts = [e["text"] for e in late.events()]
    assert any(text.startswith("Cell overvoltage: critical") for text in texts)


def test_a_restart_of_control_does_not_repeat_or_lose_the_log(feed: Livefeed, live: Live) -> None:
    feed.twin.inject("sensor_stuck", "cell_voltage 3", 4.5)
    look(feed, live, 1.0)
    before = len(live.events(kind="fault"))
    feed.bms.image.scalars["event_count"] = 0
    look(feed, live, 0.2)
    assert len(live.events(kind="fault")) == before


# Processes.


def test_processes_tell_age_memory_overruns_and_cycle_times(feed: Livefeed, live: Live) -> None:
    control = live.processes()["control"]
    assert (control["pid"], control["alive"], control["frozen"]) == (os.getpid(), True, False)
    assert control["rss_mib"] > 10
    assert control["age_s"] == pytest.approx(0.0, abs=0.05)
    assert control["cycle_us"]["p50"] <= control["cycle_us"]["p99"] <= control["cycle_us"]["max"] == 400.0
    assert control["overruns"] == control["overruns_own"] + control["overruns_late"]
    histogram = live.histograms("control")
    assert histogram is not None
    assert sum(histogram["took"]) == control["cycles"]
    assert live.histograms("recorder") is None


def test_a_process_that_is_gone_is_told_as_dead(feed: Livefeed, live: Live) -> None:
    feed.healths["guard"]["pid"] = 2**22 + 1  # above any pid of Linux
    look(feed, live, 0.1)
    guard = live.processes()["guard"]
    assert (guard["alive"], guard["rss_mib"]) == (False, None)
    assert any(e["kind"] == "process" and "guard" in e["text"] for e in live.events())


def test_states_of_a_process_come_from_the_kernel(tmp_path: Path) -> None:
    def stat(state: str) -> str:
        return f"7 (a (b) c) {state} " + " ".join(["0"] * 10) + " 150 50 " + " ".join(["0"] * 7) + " 1000 0"

    folder = tmp_path / "7"
    folder.mkdir()
    figures = {}
    for state in "RTZ":
        (folder / "stat").write_text(stat(state))
        figures[state] = ProcessTable(tmp_path).figures(7, 0.0)
    assert (figures["R"]["alive"], figures["R"]["frozen"]) == (True, False)
    assert (figures["T"]["alive"], figures["T"]["frozen"]) == (True, True)
    assert not figures["Z"]["alive"]
    assert figures["R"]["cpu_s"] == pytest.approx(200 / os.sysconf("SC_CLK_TCK"))


@given(st.lists(st.integers(0, 10**6), min_size=ex.LATENESS_BINS, max_size=ex.LATENESS_BINS), st.floats(0, 100))
def test_quantiles_of_any_histogram_rise_and_stay_below_the_longest(counts: list[int], longest_s: float) -> None:
    found = quantiles_us(np.array(counts), longest_s)
    if sum(counts) == 0:
        assert found == {"p50": None, "p99": None, "p999": None, "max": None}
        return
    row = [found[name] for name in ("p50", "p99", "p999", "max")]
    assert row == sorted(row)


def test_a_quantile_lies_in_its_bin() -> None:
    counts = np.zeros(ex.LATENESS_BINS, np.int64)
    counts[20] = 100
    p50 = quantiles_us(counts, 10.0)["p50"]
    assert p50 is not None
    assert BIN_ENDS_US[19] <= p50 <= BIN_ENDS_US[20]


# Blocks in any state.


def test_a_folder_without_a_run_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no running BMS"):
        Live(tmp_path)


def test_missing_and_foreign_blocks_leave_what_was_seen(feed: Livefeed, live: Live) -> None:
    soc = live.state()["soc"]
    (feed.folder / "nonsense").write_bytes(b"nonsense" * 40)
    (feed.folder / "nonsense").rename(feed.folder / "image.block")
    Block.create(feed.folder / "guard.block", 2, 3)
    (feed.folder / "control.block").unlink()
    now_s = feed.time_s + 5.0
    for _ in range(3):
        now_s += 1.0
        live.refresh(now_s)
    state = live.state()
    assert state["soc"] == soc
    assert state["image_age_s"] > 5.0
    assert len(live.problems) == 3


def test_a_block_that_is_made_anew_is_found_again(feed: Livefeed, live: Live) -> None:
    words = image_words(feed.size)
    Block.create(feed.folder / "image.block", 4, words)
    feed.blocks["image"] = Block.writer(feed.folder / "image.block")
    look(feed, live, 1.0)
    assert live.state()["image_age_s"] == pytest.approx(0.0, abs=0.1)


def test_a_half_written_slot_is_not_taken(feed: Livefeed, live: Live) -> None:
    seen = live.image_count
    block = feed.blocks["image"]
    block.publish(feed._flat(feed.bms.image))
    block.numbers[(block.count - 1) % len(block.numbers), -1] = 0  # as a writer killed in the middle leaves it
    live.refresh(feed.time_s)
    assert live.image_count == seen


@pytest.fixture(scope="module")
def garbled(tmp_path_factory: pytest.TempPathFactory) -> Livefeed:
    """A feed whose blocks may be filled with anything."""
    return Livefeed(small_system(), tmp_path_factory.mktemp("garbled")).run(0.1)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_garbage_in_every_block_never_raises_and_stays_json(garbled: Livefeed, seed: int, bits: bool) -> None:
    random = np.random.default_rng(seed)
    for name, block in garbled.blocks.items():
        if bits:
            data = random.integers(-(2**63), 2**63 - 1, block.words, np.int64).view(np.float64)
        else:
            data = random.choice([np.nan, np.inf, -np.inf, -1.0, 0.0, 1.0, 3.0, 1e300, -1e300], block.words)
        if not name.startswith("health"):  # a random pid would be one of somebody's processes
            block.publish(data)
    live = Live(garbled.folder, clock=garbled.clock)
    live.refresh()
    plain(live)
    live.cell(0)


def test_what_is_published_is_what_is_read(feed: Livefeed, live: Live) -> None:
    """Layouts of both sides agree, word for word."""
    for mine, theirs in zip(live.image, feed.bms.image, strict=True):
        assert mine.tobytes() == np.ascontiguousarray(theirs).tobytes()
    for mine, theirs in zip(live.raw, feed.raw, strict=True):
        assert mine.tobytes() == np.ascontiguousarray(theirs).tobytes()
    assert live.driven.tobytes() == feed.driven.tobytes()
    assert live.control.tobytes() == feed.control.tobytes()
    assert raw_words(feed.size) + words_of(ex.DRIVEN_RECORD) == feed.blocks["io"].words


# Commands.


@pytest.fixture
def answering(feed: Livefeed, live: Live) -> Iterator[Live]:
    """A pack in real time, which answers."""
    with feed:
        yield live


def test_a_command_is_answered_by_control(answering: Live) -> None:
    assert answering.command("disconnect", timeout_s=5.0) == (True, "")
    assert answering.command("acknowledge", timeout_s=5.0) == (False, "nothing waits to be acknowledged")
    texts = [e["text"] for e in answering.events(kind="command")]
    assert texts == ["acknowledge: refused, nothing waits to be acknowledged", "disconnect: accepted"]


def test_commands_of_several_threads_get_their_own_answers(answering: Live) -> None:
    answers: dict[str, tuple[bool, str]] = {}
    names = ("disconnect", "acknowledge", "balance_off", "balance_auto")
    threads = [
        threading.Thread(target=lambda n=name: answers.update({n: answering.command(n, timeout_s=5.0)}))  # type: ignore[misc]
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: answers[name][0] for name in names} == dict.fromkeys(names, True) | {"acknowledge": False}


def test_commands_can_be_awaited(answering: Live) -> None:
    async def both() -> list[tuple[bool, str]]:
        return await asyncio.gather(
            answering.command_async("derate_charge", 0.5, timeout_s=5.0),
            answering.inject_async("cell_soc", 3, 0.5, timeout_s=5.0),
        )

    assert asyncio.run(both()) == [(True, ""), (True, "")]


def test_a_fault_is_injected_and_ended(answering: Live, feed: Livefeed) -> None:
    assert answering.inject("hvil_open", timeout_s=5.0) == (True, "")
    assert len(feed._undo["hvil_open"]) == 1
    assert answering.inject("hvil_open", end=True, timeout_s=5.0) == (True, "")
    assert answering.inject(None, end=True, timeout_s=5.0) == (True, "")
    assert feed._undo == {}


def test_a_control_that_does_not_answer_is_told(live: Live) -> None:
    assert live.command("connect", timeout_s=0.01) == (False, "control does not answer")
    assert live.inject("crash", timeout_s=0.01) == (False, "the simulated battery does not answer")


def test_only_one_process_commands(feed: Livefeed, live: Live) -> None:
    assert live.command("connect", timeout_s=0.0)[1] == "control does not answer"
    second = Live(feed.folder, writer=True, clock=feed.clock)
    assert second.command("connect") == (False, "another process gives the commands of this BMS")
    assert Live(feed.folder, clock=feed.clock).command("connect") == (False, "this process may only look")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("fly", None, "unknown command 'fly'; allowed: connect"),
        ("connect", 1.0, "takes no value"),
        ("derate_charge", None, "value is missing"),
        ("derate_charge", 1.5, "allowed: 0 to 1"),
        ("derate_charge", math.nan, "allowed: 0 to 1"),
    ],
)
def test_a_command_without_sense_is_not_sent(live: Live, name: str, value: float | None, words: str) -> None:
    accepted, reason = live.command(name, value)
    assert not accepted
    assert words in reason
    assert Block.reader(live.folder / "commands.block").count == 0


@pytest.mark.parametrize(
    ("fault", "place", "value", "words"),
    [
        ("fly", None, None, "unknown fault 'fly'"),
        ("cell_sock", 3, None, "did you mean cell_soc?"),
        ("cell_soc", None, None, "place is missing"),
        ("cell_soc", 8, None, "allowed: 0 to 7"),
        ("cell_soc", "x", None, "allowed: 0 to 7"),
        ("afe_lost", 2, None, "allowed: 0 to 1"),
        ("crash", 1, None, "leave it out"),
        ("crash", None, 1.0, "takes no value"),
        ("contactor_welded", "middle", None, "allowed: main_positive"),
        ("contactor_hot", "precharge", None, "allowed: main_positive, main_negative"),
        ("connector_hot", "main_positive", None, "allowed: positive, negative"),
        ("afe_crc", 1, 1.5, "allowed: 0 to 1 (1)"),
        ("sensor_stuck", "cell_voltage 9", 1.0, "'cell_voltage 0' to 'cell_voltage 7'"),
        ("sensor_stuck", "nose", 1.0, "no sensor"),
        ("sensor_lost", "ambient", None, "not fitted"),
        ("sensor_stuck", "current", None, "value is missing"),
        ("cell_internal_short", 1, -1.0, "impossible"),
    ],
)
def test_an_injection_without_sense_is_not_sent(
    tmp_path: Path, fault: str, place: int | str | None, value: float | None, words: str
) -> None:
    system = small_system(sensors={"ambient": {"fitted": False}})
    feed = Livefeed(system, tmp_path / "live")
    live = Live(feed.folder, writer=True, clock=feed.clock)
    accepted, reason = live.inject(fault, place, value)
    assert not accepted
    assert words in reason
    assert Block.reader(live.folder / "injections.block").count == 0


@pytest.mark.parametrize(
    ("fault", "place", "value"),
    [
        ("cell_soc", "3", None),
        ("sensor_stuck", "cell_voltage", 3.0),
        ("sensor_lost", "temperature[2]", None),
        ("sensor_lost", "main_positive", None),
        ("sensor_lost", "current_redundant", None),
        ("contactor_slow", "precharge", None),
        ("contactor_hot", "main_negative", None),
        ("connector_hot", "positive", 5.0),
        ("afe_crc", "1", 1.0),
        ("sensor_offset", "positive_tap", 2.0),
        ("sensor_lost", "monitor_redundancy", None),
    ],
)
def test_what_the_catalogue_allows_is_allowed(live: Live, fault: str, place: str, value: float | None) -> None:
    assert live.injection_problem(fault, place, value) is None


@given(st.none() | st.integers(0, 10**6) | st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=16))
def test_a_place_comes_back_as_it_was_sent(place: int | str | None) -> None:
    words = injection_message(1.0, "crash", place, None, False)
    sent = words.view(ex.INJECTION_RECORD)
    assert place_of(sent) == place
    assert injectable()[int(sent["fault"][0])].name == "crash"


def test_a_command_message_names_its_command() -> None:
    sent = command_message(2.0, "derate_discharge", 0.25).view(ex.COMMAND_MESSAGE_RECORD)
    assert (sent["time_s"][0], ex.COMMANDS[sent["command"][0]], sent["value"][0]) == (2.0, "derate_discharge", 0.25)


@pytest.mark.verifies("SR-232")
def test_a_mask_is_told_until_it_ends_and_its_end_is_an_event(tmp_path: Path) -> None:
    system = masked(small_system(), "pack_voltage_lost", iso_time(time.time() + 6.0) or "")
    feed = Livefeed(system, tmp_path / "masked")
    try:
        live = Live(feed.folder, clock=feed.clock)
        feed.run(1.0)
        live.refresh()
        feed.twin.inject("sensor_lost", "pack_voltage")
        look(feed, live, 2.0)
        state = live.state()
        (mask,) = state["masks"]
        assert (mask["fault"], mask["owner"], mask["level"], mask["masked_level"]) == (
            "pack_voltage_lost", "Ada Long", "info", "warning",
        )  # fmt: skip
        (fault,) = state["faults"]
        assert (fault["level"], fault["masked"]) == ("info", True)
        assert fault["text"].endswith("; masked, it would be warning")
        text = exposition(state, live.processes(), live.recorder())
        assert "ionward_masked_faults 1\n" in text
        assert 'ionward_mask{fault="pack_voltage_lost",owner="Ada Long",' in text
        look(feed, live, 4.0)
        state = live.state()
        assert (state["masks"], state["masked_faults"]) == ([], 0)
        assert state["faults"][0]["level"] == "warning"
        (ended,) = live.events(kind="mask")
        assert ended["text"] == "Pack voltage lost: its mask has ended; from now on it is reacted to"
    finally:
        feed.stop()
