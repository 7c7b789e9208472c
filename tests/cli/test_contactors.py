"""`ionward contactors`: wear is told, and set back once a contactor was replaced."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from helpers.survivors import Bench, known
from ionward.cli.main import app
from ionward.errors import UserError
from ionward.image.blocks import Block
from ionward.image.faults import FAULT_ID
from ionward.image.signals import FAULT, LEVEL_FAULT
from ionward.runtime.fault_log import FILE, read_log
from ionward.runtime.state_store import COPIES, StateWriter, lock_state_folder, read_candidates


def ionward(*arguments: object) -> Result:
    environment = {"COLUMNS": "120", "TERM": "dumb", "NO_COLOR": "1"}
    return CliRunner().invoke(app, ["contactors", *map(str, arguments)], env=environment)


@pytest.fixture
def bench() -> Bench:
    """A pack with worn contactors and a latched fault."""
    made = Bench()
    s = made.step(3)
    s["contactor_wear_positive"], s["contactor_wear_negative"] = 0.85, 0.4
    made.bms.image.faults[FAULT.latched_level, FAULT_ID.hvil_open] = LEVEL_FAULT
    return made


@pytest.fixture
def state(tmp_path: Path, bench: Bench) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    writer = StateWriter(folder)
    for _ in COPIES:
        writer.write(bench.record())
    return folder


def test_wear_is_told(state: Path) -> None:
    told = ionward(state).output
    assert "positive  85.0%" in told
    assert "negative  40.0%" in told
    assert json.loads(ionward(state, "--json").output)["positive"] == 0.85


def test_a_replaced_contactor_counts_from_nothing_after_the_next_start(
    state: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a crash has left a newer copy in memory than those on disk."""
    live = state.parent / "live"
    live.mkdir()
    last = bench.record()
    Block.create(live / "survival.previous", 2, len(last) // 8)
    Block.writer(live / "survival.previous").publish(np.frombuffer(last, np.int64))
    monkeypatch.setattr("ionward.cli.contactors.live_folder_of", lambda _: live)
    result = ionward(state, "--replaced", "positive", "--by", "Ada Long")
    assert result.exit_code == 0, result.output
    assert "positive: was worn 85.0%, counts from nothing again; noted for Ada Long" in result.output
    copies = [known((state / name).read_bytes()) for name in COPIES]
    assert {(c.contactor_wear_positive, c.contactor_wear_negative) for c in copies} == {(0.0, 0.4)}
    assert min(c.sequence for c in copies) > known(last).sequence
    begun = Bench()
    found = [data for _, data in read_candidates(live, state)]
    assert last in found
    report = begun.take_over(*found, wall_s=known(last).wall_s + 3600.0)
    assert report.restored
    s = begun.bms.image.scalars[0]
    assert (s["contactor_wear_positive"], s["contactor_wear_negative"]) == (0.0, 0.4)
    assert begun.bms.image.faults[FAULT.latched_level, FAULT_ID.hvil_open] == LEVEL_FAULT  # nothing else is touched


def test_it_is_noted_in_the_fault_memory_with_the_wear_before_and_the_name(state: Path) -> None:
    ionward(state, "--replaced", "both", "--by", "Ada Long")
    ionward(state, "--replaced", "negative", "--by", "Bob Short")
    notes = [text for _, text in read_log(state / FILE).notes]
    assert notes == [
        "contactor replaced: positive (worn 85.0%), negative (worn 40.0%); its wear was set back by Ada Long",
        "contactor replaced: negative (worn 0.0%); its wear was set back by Bob Short",
    ]
    assert read_log(state / FILE).problems == []


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--replaced", "positive"), "--replaced needs --by"),
        (("--replaced", "positive", "--by", " "), "--replaced needs --by"),
        (("--by", "Ada Long"), "--by goes with --replaced"),
    ],
)
def test_what_is_missing_is_told_in_one_line(state: Path, arguments: tuple[str, ...], line: str) -> None:
    result = ionward(state, *arguments)
    assert isinstance(result.exception, UserError)
    assert line in str(result.exception)


def test_a_running_bms_has_to_be_stopped_first(state: Path) -> None:
    with lock_state_folder(state):
        result = ionward(state, "--replaced", "positive", "--by", "Ada Long")
    assert isinstance(result.exception, UserError)
    assert "in use by another Ionward" in str(result.exception)
    assert known((state / COPIES[0]).read_bytes()).contactor_wear_positive == 0.85


def test_a_folder_without_a_state_is_told_and_not_made(tmp_path: Path) -> None:
    result = ionward(tmp_path / "nothing", "--replaced", "positive", "--by", "Ada Long")
    assert isinstance(result.exception, UserError)
    assert "holds no state of a BMS" in str(result.exception)
    assert not (tmp_path / "nothing").exists()
