from __future__ import annotations

import re
from pathlib import Path

import pytest

from helpers.livefeed import Livefeed
from helpers.scenarios import small_system
from ionward.gateway.prometheus import _labels, exposition
from ionward.runtime.live import Live

SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*\})? (\S+)$')


def samples(text: str) -> dict[str, float]:
    """Every sample by name and labels; fails on what is not in the format."""
    assert text.endswith("\n")
    found: dict[str, float] = {}
    described: dict[str, set[str]] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            _, what, name, rest = line.split(" ", 3)
            assert what in ("HELP", "TYPE")
            assert what not in described.setdefault(name, set())
            assert what == "HELP" or rest in ("gauge", "counter")
            described[name].add(what)
            continue
        match = SAMPLE.match(line)
        assert match, line
        assert described[match[1]] == {"HELP", "TYPE"}
        key = match[1] + (match[2] or "")
        assert key not in found
        found[key] = float(match[3])
    return found


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Live:
    feed = Livefeed(small_system(), tmp_path_factory.mktemp("live")).run(1.0).connect()
    live = Live(feed.folder, clock=feed.clock)
    live.refresh()
    return live


def test_metrics_are_well_formed_and_those_of_the_pack(live: Live) -> None:
    state = live.state()
    found = samples(exposition(state, live.processes(), live.recorder(), live.cells()))
    assert found["ionward_soc_ratio"] == state["soc"]
    assert found["ionward_current_amperes"] == state["current_a"]
    assert found['ionward_state{state="connected"}'] == 1
    assert sum(v for k, v in found.items() if k.startswith("ionward_state{")) == 1
    assert found['ionward_contactor_closed{contactor="precharge"}'] == 0
    assert found['ionward_enable{by="guard"}'] == 1
    assert found['ionward_cell_voltage_volts{cell="7"}'] == pytest.approx(state["cell_voltage_mean_v"], abs=0.1)
    assert found['ionward_process_up{process="control"}'] == 1


def test_cells_are_told_only_when_asked_for(live: Live) -> None:
    found = samples(exposition(live.state(), live.processes(), live.recorder()))
    assert not [name for name in found if name.startswith("ionward_cell_voltage_volts")]
    assert found['ionward_cell_voltage_extreme_volts{which="max"}'] > 3.0


def test_what_is_not_known_is_left_out(tmp_path: Path) -> None:
    feed = Livefeed(small_system(), tmp_path)
    live = Live(feed.folder, clock=feed.clock)
    live.refresh()
    found = samples(exposition(live.state(), live.processes(), live.recorder(), live.cells()))
    assert "ionward_soc_ratio" not in found
    assert 'ionward_cell_voltage_volts{cell="0"}' not in found


def test_names_with_quotes_and_line_breaks_stay_one_line() -> None:
    assert _labels({"name": 'a "b"\n\\c'}) == '{name="a \\"b\\"\\n\\\\c"}'
