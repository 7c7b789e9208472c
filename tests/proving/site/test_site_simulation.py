"""Whole sites in closed loop: joining, roles, units that die, stand still or are started anew, networks that fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.scenarios import small_system
from helpers.site_runs import prepared, random_troubles, run_site, site_scenario, small_site, told
from ionward.peers.lease import PEER
from ionward.proving.site.loop import LIFE
from ionward.proving.site.scenario import built_in_site_scenario
from ionward.twin.rows import CELLS, SET, STATE

LOAD: list[dict[str, Any]] = [{"at_s": 2.0, "unit": "C", "steps": [[0.0, -0.3]]}]
ONE_OF_EACH = [{"signal": "speakers", "max": 1}, {"signal": "closing", "max": 1}]


def test_packs_join_one_after_the_other_from_a_dead_bus_and_share_the_load() -> None:
    site = small_site(4, simulated={1: {"soc": 0.602, "resistance_factor": 1.5}})
    result = run_site(site_scenario(6.0, load=LOAD, expect=[*ONE_OF_EACH, {"no_events": "warning"}]), site)
    assert not result.failed
    assert told(result, "precharge")[0][1] == "b"  # the fullest; the others find a bus that is live
    assert len(told(result, "precharge")) == 1
    assert len(told(result, "contacts closed")) == 4
    currents = [pack.current_a for pack in result.packs]
    assert max(currents) < 0.0
    # The pack that is fuller and has more resistance than the others carries another share than they do.
    assert abs(currents[1] - currents[0]) > 3 * abs(currents[2] - currents[0])
    assert sum(currents) == pytest.approx(result.facts["source_a"], abs=0.1)
    assert result.facts["site_discharge_limit_a"] > -result.facts["source_a"]


def test_a_pack_too_far_away_waits_and_says_why() -> None:
    result = run_site(site_scenario(4.0), small_site(3, simulated={2: {"soc": 0.2}}))
    waits = result.packs[2]
    assert not waits.connected
    assert "waiting for the site" in waits.reason or "does not match" in waits.reason
    assert [pack.connected for pack in result.packs[:2]] == [True, True]


def test_a_speaker_that_dies_is_replaced_while_the_load_goes_on() -> None:
    trouble = [{"at_s": 4.0, "kill": "speaker"}]
    expect = [*ONE_OF_EACH, {"signal": "source_a", "max": -1.0, "from_s": 3.0}]
    result = run_site(site_scenario(6.0, load=LOAD, trouble=trouble, expect=expect))
    assert not result.failed
    (_, first), (at_s, second) = told(result, "speaks for the site")[:2]
    assert second != first
    assert at_s <= 4.2
    gone = next(pack for pack in result.packs if pack.name == first)
    assert (gone.state, gone.connected, gone.running) == ("gone", False, False)
    # Its contactors fell off when its enable had expired, not before.
    opened_s = told(result, "contacts open", first)[0][0]
    assert 4.04 < opened_s < 4.15


def test_without_anybody_who_speaks_the_load_stops_after_half_a_second() -> None:
    trouble = [{"at_s": 4.0, "kill": unit} for unit in ("a", "b")]
    result = run_site(site_scenario(6.0, load=LOAD, trouble=trouble))
    silent_s = told(result, "nobody speaks")[-1][0]
    assert 4.4 < silent_s < 4.7  # one of three is no majority
    assert result.facts["source_a"] == 0.0
    assert result.speaker is None


@pytest.mark.parametrize(("for_s", "falls_off"), [(0.03, False), (0.3, True)])
def test_a_unit_that_stands_still_for_longer_than_its_enable_lasts_drops_its_contactors(
    for_s: float, falls_off: bool
) -> None:
    result = run_site(site_scenario(5.0, trouble=[{"at_s": 3.0, "freeze": "b", "for_s": for_s}]))
    assert bool(told(result, "contacts open", "b")) == falls_off
    assert result.packs[1].connected != falls_off
    told_it = [event for event in result.events if event["fault"] == "enable_lost"]
    assert [event["unit"] for event in told_it[:1]] == (["b"] if falls_off else [])


def test_dropped_contactors_stay_open_until_somebody_acknowledges() -> None:
    trouble = [{"at_s": 3.0, "freeze": "b", "for_s": 0.3}]
    again = [
        {"at_s": 0.5, "connect": True},
        {"at_s": 5.0, "unit": "b", "connect": False, "acknowledge": True},
        {"at_s": 5.5, "unit": "b", "connect": True},
    ]
    result = run_site(site_scenario(8.0, trouble=trouble, command=again))
    closings = [at_s for at_s, _ in told(result, "contacts closed", "b")]
    assert len(closings) == 2
    assert closings[1] > 5.5
    assert result.packs[1].connected


def test_a_unit_that_is_started_anew_has_forgotten_everything_and_its_events_are_read_again() -> None:
    fault = [{"at_s": 3.0, "name": "insulation_drop", "unit": "b", "value": 1000.0}]
    simulation = prepared(site_scenario(12.0, trouble=[{"at_s": 6.0, "restart": "b"}], fault=fault))
    result = simulation.run()
    assert simulation.sim.boots == [1, 2, 1]
    raised = [event["time_s"] for event in result.events if event["fault"].startswith("insulation")]
    assert min(raised) < 6.0 < max(raised)
    assert simulation.sim.units[1].wish["connect"] == 0
    assert simulation.sim.units[0].peers.peers[1, 1] == 2  # its peers have noticed


def test_a_divided_site_goes_on_where_the_majority_is() -> None:
    cut = [{"at_s": 3.0, "for_s": 2.0, "cut": [["a"]]}]
    expect = [*ONE_OF_EACH, {"signal": "site_discharge_limit_a", "min": 1.0, "from_s": 3.3}]
    site = small_site(5, weights=[1] * 5)
    result = run_site(site_scenario(7.0, load=LOAD, trouble=cut, expect=expect), site)
    assert not result.failed
    assert result.speaker != "a" or told(result, "speaks for the site", "a")[-1][0] > 5.0
    assert all(pack.connected for pack in result.packs)


def test_messages_that_are_lost_doubled_late_and_broken_leave_one_speaker_at_most() -> None:
    trouble = [
        {"at_s": 1.0, "loss": 0.3}, {"at_s": 1.0, "duplicate": 0.3}, {"at_s": 1.0, "corrupt": 0.1},
        {"at_s": 1.0, "delay_s": 0.03}, {"at_s": 2.0, "drift_ppm": 100.0, "unit": "a"},
        {"at_s": 2.0, "drift_ppm": -100.0, "unit": "b"}, {"at_s": 4.0, "for_s": 1.0, "cut": [["speaker"]]},
    ]  # fmt: skip
    result = run_site(site_scenario(8.0, trouble=trouble, load=LOAD, expect=ONE_OF_EACH), small_site(4), seed=5)
    assert not result.failed
    assert result.mail["lost"] > 100 < result.mail["broken"]
    assert result.mail["doubled"] > 100 < result.mail["cut"]


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_no_two_speak_or_close_and_no_current_gets_out_of_hand(seed: int) -> None:
    units = 2 + seed % 4
    simulated = {k: {"soc": 0.6 + 0.004 * ((7 * seed + 3 * k) % 5 - 2)} for k in range(units)}
    result = run_site(random_troubles(seed, units, 12.0), small_site(units, simulated=simulated), seed)
    assert not result.failed
    assert len(told(result, "contacts closed")) >= units  # something closed, and not only once


def test_units_that_each_believe_to_be_the_majority_are_found_out() -> None:
    cut = [{"at_s": 0.0, "cut": [["a"], ["b"], ["c"]]}]
    simulation = prepared(site_scenario(3.0, trouble=cut, expect=ONE_OF_EACH))
    for k, unit in enumerate(simulation.sim.units):
        unit.peers.peers[PEER.weight, k] = 100
    result = simulation.run()
    assert "speakers at most 1 at any time" in [verdict.text for verdict in result.failed]
    assert "closing at most 1 at any time" in [verdict.text for verdict in result.failed]


def test_one_pack_that_fails_takes_itself_out_and_the_others_carry_on() -> None:
    fault = [{"at_s": 4.0, "name": "afe_lost", "unit": 1, "place": 0}]
    result = run_site(site_scenario(8.0, load=LOAD, fault=fault))
    assert [pack.state for pack in result.packs] == ["connected", "fault", "connected"]
    assert {event["unit"] for event in result.events} == {"b"}
    assert result.facts["source_a"] < -1.0


def test_a_fault_of_the_bus_is_felt_by_all_packs_and_ends() -> None:
    fault = [{"at_s": 3.0, "name": "unwanted_current", "value": -9.0, "for_s": 1.0}]
    simulation = prepared(site_scenario(3.5, fault=fault))
    assert sum(pack.current_a for pack in simulation.run().packs) == pytest.approx(-9.0, abs=0.1)
    assert sum(pack.current_a for pack in run_site(site_scenario(5.0, fault=fault)).packs) == pytest.approx(0, abs=0.1)


def test_a_pack_is_taken_out_for_maintenance_and_comes_back() -> None:
    command = [
        {"at_s": 0.5, "connect": True},
        {"at_s": 3.0, "unit": "c", "leave": True},
        {"at_s": 16.0, "unit": "c", "leave": False},
    ]
    expect = [*ONE_OF_EACH, {"signal": "not_connected", "max": 1, "from_s": 2.0}]
    result = run_site(site_scenario(18.0, load=LOAD, command=command, expect=expect))
    assert not result.failed
    assert {who for _, who in told(result, "contacts open")} == {"c"}
    assert all(pack.connected for pack in result.packs)


def test_simulated_differences_are_in_the_pack_and_nowhere_in_what_its_bms_is_told() -> None:
    simulated = {1: {"soc": 0.5, "temperature_c": 31.0, "capacity_factor": 0.8, "resistance_factor": 2.0}}
    first, second = prepared(site_scenario(1.0), small_site(2, simulated=simulated)).sim.units
    assert second.plant.cells[CELLS.soc].mean() == pytest.approx(0.5, abs=0.005)
    assert second.plant.cells[CELLS.surface_c].mean() == pytest.approx(31.0, abs=0.3)
    for row, factor in ((CELLS.capacity_as, 0.8), (CELLS.resistance_factor, 2.0)):
        assert second.plant.cells[row].mean() == pytest.approx(factor * first.plant.cells[row].mean(), rel=0.03)
    for mine, other in zip(first.parameters, second.parameters, strict=True):
        assert mine.tobytes() == other.tobytes()


def test_packs_of_different_sizes_run_in_one_site() -> None:
    wide = small_system(topology={"modules_in_series": 2, "cells_per_module": 4, "cells_in_parallel": 8})
    narrow = small_system(topology={"modules_in_series": 4, "cells_per_module": 2, "cells_in_parallel": 4})
    result = run_site(site_scenario(5.0, load=LOAD), small_site(packs=[wide, narrow]))
    first_a, second_a = (pack.current_a for pack in result.packs)
    assert first_a < 1.3 * second_a < 0.0


def test_clocks_differ_and_the_site_does_not_care() -> None:
    simulation = prepared(site_scenario(2.0))
    life = simulation.sim.world.life
    assert len(set(life[LIFE.clock_us])) == len(set(life[LIFE.drift_ppb])) == 3
    life[LIFE.clock_us] = [10**15, 5, 10**9]
    for k in range(3):
        simulation.sim.start(k)
    assert all(pack.connected for pack in simulation.run().packs)


def test_load_and_charger_behave_as_the_scenario_says() -> None:
    source = {"charge_voltage_v": 28.0, "slew_a_per_s": 7.0, "load_obeys": False}
    settings = prepared(site_scenario(1.0, source=source)).sim.bus.settings
    assert settings[SET.charge_voltage_v] == 28.0
    assert settings[SET.slew_a_per_s] == 7.0
    assert (settings[SET.load_obeys], settings[SET.charger_obeys]) == (0.0, 1.0)


def test_the_same_seed_gives_the_same_digest_whatever_the_chunks_and_another_one_another() -> None:
    plain = site_scenario(3.0, load=LOAD)
    with_stop = site_scenario(3.0, load=LOAD, command=[{"at_s": 0.5, "connect": True}, {"at_s": 1.505, "unit": 0}])
    digest = run_site(plain).digest
    assert run_site(with_stop).digest == digest
    assert run_site(plain, seed=2).digest != digest


def test_another_process_with_another_hash_seed_gives_the_same_digest() -> None:
    code = (
        "from helpers.site_runs import *; "
        "print(run_site(site_scenario(2.0, trouble=[{'at_s': 1.0, 'loss': 0.2}])).digest)"
    )
    source = Path(__file__).parents[3]
    paths = os.pathsep.join([str(source / "src"), str(source / "tests")])
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": "7"},
    ).stdout.strip()  # fmt: skip
    assert found == run_site(site_scenario(2.0, trouble=[{"at_s": 1.0, "loss": 0.2}])).digest


def test_charge_is_kept_over_the_whole_site() -> None:
    simulation = prepared(site_scenario(8.0, load=LOAD))
    before = [unit.plant.cells[CELLS.soc] * unit.plant.cells[CELLS.capacity_as] for unit in simulation.sim.units]
    simulation.run()
    moved_as = 0.0
    for unit, was in zip(simulation.sim.units, before, strict=True):
        cells = unit.plant.cells
        put_as = float((cells[CELLS.soc] * cells[CELLS.capacity_as] - was).mean())
        assert put_as == pytest.approx(unit.plant.state[STATE.charge_as], abs=0.05)
        moved_as += unit.plant.state[STATE.charge_as]
    assert moved_as < -10.0


def test_traces_hold_whole_seconds_of_site_and_packs() -> None:
    result = run_site(site_scenario(5.0, load=LOAD))
    traces = result.traces
    assert traces is not None
    assert traces.fact("time_s").round(6).tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert traces.pack("current_a").shape == (3, 5)
    assert traces.pack("current_a").sum(axis=0) == pytest.approx(traces.fact("current_a"))
    assert np.all(traces.pack("connected")[:, -1] == 1.0)


def test_the_built_in_scenario_fits_any_site_of_three() -> None:
    assert prepared(built_in_site_scenario()).actions[0].words == "connect, purpose drive"
