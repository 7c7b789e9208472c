"""The entry point: mistakes on the command line are one line each, and say where to read on."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ionward.cli.main import run

PACK = "examples/ev-96s.toml"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["prove"], "missing argument 'system'; `ionward prove --help`"),
        (["run", PACK, "--port", "3"], "no such option: --port"),
        (["simulate", PACK, "--seed", "x"], "invalid value for '--seed'"),
        (["simulate", PACK, "--seed", "-1"], "greater than or equal to 0"),
        (["nosuch"], "no such command 'nosuch'; `ionward --help`"),
        (["safety", "tracee"], "no such command 'tracee'"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(arguments)
    out, err = capsys.readouterr()
    assert ended.value.code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("error: ")
    assert told in err


def test_without_a_command_the_help_page_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run([])
    assert ended.value.code == 2
    assert "Usage: ionward" in "".join(capsys.readouterr())


def test_a_command_that_ends_well_exits_with_0_and_a_failed_one_with_its_own_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(["--version"])
    assert ended.value.code == 0
    with pytest.raises(SystemExit) as ended:
        run(["faults", "nosuch"])
    assert ended.value.code == 2


def test_a_reader_that_has_enough_is_no_error() -> None:
    """As with `ionward safety trace --json | head -1`."""
    command = subprocess.Popen(
        [sys.executable, "-m", "ionward.cli.main", "safety", "trace", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert command.stdout is not None
    assert command.stderr is not None
    command.stdout.close()
    assert command.stderr.read() == b""
    assert command.wait() == 0
