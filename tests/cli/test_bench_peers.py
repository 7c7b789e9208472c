"""`ionward bench peers` measures real processes. How fast they are is no matter of a test; that they go on is."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner, Result

from ionward.cli.bench import bench
from ionward.errors import UserError

HARMS = {"killed", "frozen", "hung", "partitioned"}


def command(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(bench)
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.xdist_group("live")
def test_three_units_go_on_without_the_one_that_is_lost() -> None:
    result = command("peers", "--trials", "1", "--json")
    assert result.exit_code == 0, result.exception
    figures = json.loads(result.stdout)
    for name in ("loss_detect_ms", "takeover_ms", "reshare_ms"):
        assert set(figures[name]) == HARMS
        for values in figures[name].values():
            assert 0 < values["p50"] <= values["p99"] <= values["max"]
    for how in HARMS:  # nobody is replaced, or its share given up, before it is missed
        assert figures["loss_detect_ms"][how]["max"] <= figures["reshare_ms"][how]["max"]
    assert figures["round_trip_ms"]["p50"] > 0


@pytest.mark.parametrize("wrong", [["peers", "--cycle-ms", "10"], ["peers", "ekf"]])
def test_what_does_not_belong_to_it_is_refused(wrong: list[str]) -> None:
    assert isinstance(command(*wrong).exception, UserError)
