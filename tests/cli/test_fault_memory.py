"""`ionward faults --memory`: what has failed, told from a state folder without a running BMS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from helpers.livefeed import Livefeed
from helpers.scenarios import small_system
from ionward.cli.faults import faults
from ionward.errors import UserError
from ionward.runtime.fault_log import FILE


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("feed")
    feed = Livefeed(small_system(), folder).run(1.0).connect().run(1.0)
    feed.twin.inject("hvil_open", None, None)
    feed.run(1.5).stop()
    return folder / "state"


def command(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(faults)
    environment = {"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1", "TZ": "UTC"}
    return CliRunner().invoke(app, [str(a) for a in arguments], env=environment)


def test_the_memory_is_listed_with_status_counts_and_code(state: Path) -> None:
    lines = command("--memory", state).output.splitlines()
    [at] = [k for k, line in enumerate(lines) if line.startswith("hvil_open")]
    entry = lines[at:-1]
    assert max(map(len, lines)) <= 80
    assert entry[1].startswith("1A3000-2F")
    status = [word for line in entry[1:] for word in ("fault,", "latched,", "confirmed") if word in line]
    assert status == ["fault,", "latched,", "confirmed"]
    assert "0 of 40 cycles without" in entry[2]
    assert lines[-1].startswith("operation cycle 1, since 2")


def test_one_fault_is_told_with_the_second_before_and_after(state: Path) -> None:
    text = command("hvil_open", "--memory", state).output
    assert "What to do:" in text
    header = next(line for line in text.splitlines() if line.startswith("seconds from the fault"))
    assert header.split()[-7:] == ["-1", "-0.5", "-0.1", "0", "+0.1", "+0.5", "+1"]
    [closed] = [line.split() for line in text.splitlines() if line.startswith("main_positive_closed")]
    assert (closed[1], closed[-1]) == ("1", "0")
    [state_words] = [line.split() for line in text.splitlines() if line.startswith("state ")]
    assert (state_words[1], state_words[-1]) == ("connected", "fault")


def test_scripts_get_every_row(state: Path) -> None:
    found = json.loads(command("hvil_open", "--memory", state, "--json").output)
    frame = found["entries"][0]["frames"]["first"]
    assert frame["complete"]
    assert len(frame["time_s"]) == len(frame["signals"]["current_a"]["values"]) > 150
    assert found["status_available"] == 0x2F


def test_an_empty_memory_says_so(tmp_path: Path) -> None:
    Livefeed(small_system(), tmp_path).run(0.2).stop()
    assert command("--memory", tmp_path / "state").output.startswith("No fault is remembered.")


def test_mistakes_get_one_line(state: Path, tmp_path: Path) -> None:
    for arguments, words in (
        (("--memory", tmp_path / "none"), "no such folder"),
        (("--memory", tmp_path), f"holds no fault memory \\({FILE}\\)"),
        (("crash", "--memory", state), "crash: is not in the fault memory of"),
        (("--memory", state, "--system", "x.toml"), "give one of them"),
    ):
        with pytest.raises(UserError, match=words):
            raise command(*arguments).exception  # type: ignore[misc]


def test_a_file_that_is_no_memory_is_told_as_one(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"something else entirely" * 9)
    with pytest.raises(UserError, match="207 bytes are damaged"):
        raise command("--memory", tmp_path).exception  # type: ignore[misc]
