"""The fault memory and locks on the screens: words, small curves, and what is asked before a lock is released."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from dashboard.conftest import Watched
from ionward.dashboard import actions, overview, remembered
from ionward.image import exchange as ex
from ionward.image.faults import FAULT_ID
from ionward.runtime.service_locks import CHECKS

Watch = Callable[..., Watched]
LOCK = "deep_discharge"


@pytest.fixture
def locked(watch: Watch) -> Watched:
    """A pack whose cell 17 was read far below its limit, and reads well again."""
    watched = watch()
    undo = watched.feed.twin.inject("sensor_stuck", "cell_voltage 17", 1.2)
    watched.after(3.0)
    undo()
    return watched.after(3.0)


def test_each_remembered_fault_has_place_status_and_curves(locked: Watched) -> None:
    rows = remembered.rows(locked.live.fault_memory(), locked.live.fault_history())
    [row] = [row for row in rows if row["fault"] == LOCK]
    assert (row["where"], row["level"], row["locked"]) == ("Cell 17", "ok", True)
    assert row["status"] == ["locked", "confirmed"]
    assert row["key"] == "deep_discharge/17"
    found = remembered.frames(locked.live.remembered_fault(LOCK, 17)[0])
    json.dumps(found, allow_nan=False)
    [frame] = found["frames"]
    assert frame["title"].startswith("The first time, 2")
    curves = {curve["name"]: curve for curve in frame["curves"]}
    assert "What its rule judged 1.200 V" in frame["same"]
    assert (curves["State"]["after"], curves["State"]["high"], curves["State"]["steps"]) == ("fault", "fault", True)
    assert curves["SOC"]["after"].endswith("%")
    assert all(len(curve["values"]) == len(frame["time_s"]) for curve in curves.values())


def test_faults_that_only_this_run_knows_are_shown_as_well(locked: Watched) -> None:
    memory: dict[str, Any] = {"entries": [], "ageing_cycles": 40}
    rows = remembered.rows(memory, locked.live.fault_history())
    [row] = [row for row in rows if row["fault"] == LOCK]
    assert (row["locked"], row["frames"], row["status"]) == (True, 0, ["locked"])


def test_what_is_wrong_with_the_memory_itself_is_told(watch: Watch) -> None:
    memory = watch().live.fault_memory() | {
        "lost": 2,
        "problems": ["fault-memory.log: 9 bytes are damaged"],
        "notes": [{"time": "2027-01-01T00:00:00.000Z", "text": "put aside"}],
        "cleared": "2027-01-01T00:00:00.000Z",
    }
    told = remembered.about(memory)
    assert told[0].startswith("Operation cycle 1, since 2")
    assert "Cleared 20" in told[0]
    assert told[1:3] == ["2 faults could not be kept for lack of room.", "Fault-memory.log: 9 bytes are damaged."]
    assert told[3].endswith(": put aside.")


def test_a_lock_has_a_banner_of_its_own_that_offers_no_acknowledging(locked: Watched) -> None:
    banners = {banner["key"]: banner for banner in overview.banners(locked.state)}
    banner = banners[f"lock-{LOCK}"]
    assert banner["title"] == "The pack is locked: Deep discharge, cell 17"
    assert (banner["release"], banner["acknowledge"]) == (LOCK, False)
    assert "Deep discharge" not in banners.get("latched", {"title": ""})["title"]
    [item] = [item for item in map(overview.fault_item, locked.state["faults"]) if item["id"] == LOCK]  # type: ignore[call-overload]
    assert (item["locked"], "over, locked" in item["detail"]) == (True, True)
    acknowledge = actions.question("acknowledge", locked.state, locked.facts)
    assert not any("deep discharge" in step.lower() for step in acknowledge.steps)


def test_before_a_release_all_that_must_be_checked_is_asked(locked: Watched) -> None:
    question = actions.release_question(LOCK, locked.state)
    assert question.title == "Release the lock “Deep discharge: cell 17”?"
    assert question.steps == CHECKS[LOCK]
    assert "You state that all of this has been done. The lowest cell now is cell" in question.mind
    with pytest.raises(KeyError):
        actions.release_question("hvil_open", locked.state)


def test_the_lock_goes_by_release_only(locked: Watched) -> None:
    feed = locked.feed
    feed.command["acknowledge_count"] += 1
    locked.after(0.3)
    assert locked.state["latched_faults"] == 1
    assert feed._obey("release", float(FAULT_ID.deep_discharge)) == ex.REFUSED_NOT
    locked.after(0.3)
    assert locked.state["latched_faults"] == 0
