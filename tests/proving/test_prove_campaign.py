"""The random campaign: what is never to happen is seen when it does, scenarios repeat exactly, and journals go on."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.proving import quick_parameters, quick_system, silent
from ionward.errors import UserError
from ionward.image.build import build_parameters
from ionward.image.faults import FAULT_ID
from ionward.image.inputs import CHANNEL
from ionward.image.parameters import LEVELP
from ionward.image.signals import FAULT, LEVEL_CRITICAL, LEVEL_FAULT
from ionward.proving.prove import campaign
from ionward.proving.prove.bounds import watchdog
from ionward.proving.prove.campaign import Campaign, Journal, Run, found, replay, run_campaign, run_scenario
from ionward.proving.prove.invariants import BOUND, INVARIANT, Watchdog, check
from ionward.proving.prove.random_scenario import RandomFault, RandomScenario, Wish, make_scenario
from ionward.proving.prove.stand import Bench
from ionward.twin.build import Start
from ionward.twin.faults import inject
from ionward.twin.rows import CELLS, FAULT_DRIFT, FAULT_FROZEN, FAULT_GAIN, FAULT_OFFSET, KON, OUT, SENSE, SET, STATE

SYSTEM = quick_system()


class World:
    """A watchdog beside a battery and an image that a test sets as it likes."""

    def __init__(self, system: Any = SYSTEM) -> None:
        self.bench = Bench(system, build_parameters(system), Start(), 1, 25.0)
        self.plant, self.image = self.bench.plant, self.bench.bms.image
        self.bench.run(0.1)
        self.dog: Watchdog = watchdog(system)
        self.look()

    def look(self, seconds: float = 0.0) -> set[str]:
        self.plant.state[STATE.time_s] += seconds
        check(self.dog, self.plant, self.image, self.bench.stand.command)
        return set(found(self.dog))

    def close(self) -> None:
        self.plant.state[STATE.bus_voltage_v] = self.plant.state[STATE.emf_v]
        self.look()
        self.plant.contactors[KON.closed, :2] = 1.0
        self.look()


@pytest.mark.parametrize(("rows", "name", "side"), [
    (("cell_high_v", "cell_high_s"), "cell_overvoltage", 1.0),
    (("cell_low_v", "cell_low_s"), "cell_undervoltage", -1.0),
])  # fmt: skip
def test_a_cell_beyond_its_limit_counts_after_its_budget_and_only_with_closed_contactors(rows, name, side) -> None:
    world = World()
    limit_v, budget_s = (float(world.dog.bounds[getattr(BOUND, row)]) for row in rows)
    world.plant.cells[CELLS.voltage_v, 3] = limit_v + side * 0.001
    assert world.look(10 * budget_s) == set()
    world.close()
    assert world.look(0.99 * budget_s) == set()
    assert world.look(0.02 * budget_s) == {name}
    assert found(world.dog)[name][1] == 3


def test_a_temperature_counts_where_a_sensor_sits() -> None:
    world = World()
    world.close()
    world.plant.temperature_truth[1] = world.dog.bounds[BOUND.hot_c] + 0.1
    world.look()
    assert world.look(1.01 * world.dog.bounds[BOUND.hot_s]) == {"overtemperature"}


@pytest.mark.parametrize(("fault", "value", "excused"), [("sensor_stuck", 3.7, True), ("sensor_lost", None, False)])
def test_only_a_falsified_sensor_excuses_and_a_silent_one_does_not(fault, value, excused) -> None:
    world = World()
    world.close()
    world.plant.cells[CELLS.voltage_v, 3] = 5.0
    inject(world.plant, fault, "cell_voltage 3", value)
    assert world.look(60.0) == (set() if excused else {"cell_overvoltage"})


@pytest.mark.parametrize(("pyrofuse", "excused"), [(False, True), (True, False)])
def test_welded_at_both_poles_excuses_only_without_a_pyrofuse(pyrofuse: bool, excused: bool) -> None:
    world = World()
    world.plant.settings[SET.has_pyrofuse] = pyrofuse
    world.close()
    world.plant.contactors[KON.welded, :2] = 1.0
    world.plant.cells[CELLS.voltage_v, 0] = 5.0
    assert world.look(60.0) == (set() if excused else {"cell_overvoltage"})


def test_closing_onto_a_bus_that_does_not_match_is_seen() -> None:
    world = World()
    world.plant.state[STATE.bus_voltage_v] = 0.0
    world.look(0.01)
    world.plant.contactors[KON.closed, :2] = 1.0
    assert world.look(0.01) == {"mismatched_closing"}
    matching = World()
    matching.plant.state[STATE.bus_voltage_v] = matching.plant.state[STATE.emf_v]
    matching.look(0.01)
    matching.plant.contactors[KON.closed, :2] = 1.0
    assert matching.look(0.01) == set()


@pytest.mark.parametrize(("fault", "channel", "excused"), [
    (FAULT_OFFSET, CHANNEL.bus_voltage_v, True), (FAULT_GAIN, CHANNEL.bus_voltage_v, True),
    (FAULT_DRIFT, CHANNEL.bus_voltage_v, True), (FAULT_FROZEN, CHANNEL.bus_voltage_v, False),
    (FAULT_OFFSET, CHANNEL.pack_voltage_v, False),
])  # fmt: skip
def test_a_bus_sensor_that_is_off_excuses_the_closing_and_what_can_be_told_does_not(fault, channel, excused) -> None:
    world = World()
    world.plant.state[STATE.bus_voltage_v] = 0.5 * world.plant.state[STATE.emf_v]
    world.plant.channel_sensors[SENSE.fault, channel] = fault
    world.look(0.01)
    world.plant.contactors[KON.closed, :2] = 1.0
    assert world.look(0.01) == (set() if excused else {"mismatched_closing"})


@pytest.mark.parametrize(("matched_s", "left_s", "excused"), [
    (1.0, 0.02, True), (1.0, 0.5, False), (0.01, 0.02, False),
])  # fmt: skip
def test_only_a_bus_that_stood_and_left_since_its_last_sample_excuses(matched_s, left_s, excused) -> None:
    """One that passes by the pack's voltage, or that left long ago, was there to be seen."""
    world = World()
    state = world.plant.state
    state[STATE.bus_voltage_v] = state[STATE.emf_v] + 50.0
    world.look(1.0)
    state[STATE.bus_voltage_v] = state[STATE.emf_v]
    world.look(matched_s)
    state[STATE.bus_voltage_v] = state[STATE.emf_v] - 50.0
    world.look(left_s)
    world.plant.contactors[KON.closed, :2] = 1.0
    assert world.look(0.01) == (set() if excused else {"mismatched_closing"})


def test_breaking_more_than_a_contact_can_is_seen() -> None:
    world = World()
    world.plant.contactors[KON.breaks, 1] = 1.0
    assert world.look(0.01) == {"broken_above_capability"}


@pytest.mark.parametrize(("amperes", "level", "founded"), [
    (400.0, LEVEL_CRITICAL, True), (400.0, LEVEL_FAULT, False), (100.0, LEVEL_CRITICAL, False),
])  # fmt: skip
def test_the_pyrofuse_needs_both_of_its_conditions(amperes: float, level: int, founded: bool) -> None:
    world = World()
    world.plant.state[STATE.current_a] = -amperes
    world.image.scalars["fault_level"] = level
    world.look(0.01)
    world.plant.outputs[OUT.pyrofuse] = 1.0
    assert world.look(0.01) == (set() if founded else {"pyrofuse_unfounded"})


@pytest.mark.parametrize(("overdue_s", "founded"), [(0.1, True), (-0.1, False), (np.nan, False)])
def test_a_fault_that_should_have_opened_by_now_founds_the_pyrofuse_too(overdue_s: float, founded: bool) -> None:
    world = World()
    s = world.image.scalars[0]
    s["fault_level"], s["open_by_s"] = LEVEL_FAULT, world.plant.state[STATE.time_s] - overdue_s
    world.plant.state[STATE.current_a] = world.plant.state[STATE.current_mean_a] = -3000.0
    world.plant.outputs[OUT.pyrofuse] = 1.0
    assert world.look(0.0) == (set() if founded else {"pyrofuse_unfounded"})


@pytest.mark.parametrize(("amperes", "founded"), [(250.0, True), (150.0, False), (-450.0, True), (-350.0, False)])
def test_the_pyrofuse_is_for_what_the_better_contactor_cannot_break_in_this_direction(amperes, founded) -> None:
    negative = {"break_current_a": 400.0, "break_charge_a": 100.0}
    world = World(quick_system(contactors={"break_charge_a": 200.0, "negative": negative}))
    world.plant.state[STATE.current_a] = world.plant.state[STATE.current_mean_a] = amperes
    world.image.scalars["fault_level"] = LEVEL_CRITICAL
    world.look(0.01)
    world.plant.outputs[OUT.pyrofuse] = 1.0
    assert world.look(0.01) == (set() if founded else {"pyrofuse_unfounded"})


@pytest.mark.parametrize("value", [-1.0, math.nan, 1e6])
@pytest.mark.parametrize(
    "name", ["charge_limit_a", "discharge_limit_a", "charge_limit_pulse_a", "discharge_limit_pulse_a"]
)
def test_a_limit_is_a_number_between_nothing_and_its_rating(name: str, value: float) -> None:
    world = World()
    world.image.scalars[name] = value
    assert world.look(0.01) == {"limit_above_rating"}


def test_a_latch_that_goes_by_itself_is_seen_and_one_that_was_acknowledged_is_not() -> None:
    for acknowledges, expected in ((False, {"latch_lost"}), (True, set())):
        world = World()
        world.image.faults[FAULT.latched_level, 3] = LEVEL_FAULT
        world.look(0.01)
        world.image.faults[FAULT.latched_level, 3] = 0
        world.bench.command["acknowledge_count"] += acknowledges
        assert world.look(0.01) == expected


def test_closing_while_a_fault_waits_to_be_acknowledged_is_seen() -> None:
    world = World()
    world.image.scalars["latched_faults"] = 1
    world.look(0.01)
    world.image.scalars["main_negative_close"] = 1
    assert world.look(0.01) == {"closed_in_spite_of_fault"}


def blind_parameters() -> Any:
    """Protection that does not see overvoltage at all."""
    parameters = build_parameters(SYSTEM)
    parameters.levels[:, LEVELP.set, FAULT_ID.cell_overvoltage] = math.nan
    return parameters


def overcharged(number: int = 3) -> RandomScenario:
    """Three faults, of which one alone leads to a cell beyond its limit."""
    faults = (RandomFault(4.0, None, "sensor_lost", "ambient", None), RandomFault(5.0, None, "cell_soc", 3, 1.08),
              RandomFault(6.0, 2.0, "cooling_lost", None, None))  # fmt: skip
    return RandomScenario(number, 10.0, Start(soc=0.6), 25.0, True, True, np.zeros((2, 0)), (Wish(1.0, True, False),),
                          faults)  # fmt: skip


def test_what_is_found_is_brought_down_to_the_faults_that_it_takes_and_replays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "make_scenario", lambda _system, _seed, number: overcharged(number))
    (violation,) = run_scenario(SYSTEM, blind_parameters(), 1, 3).violations
    assert violation.invariant == "cell_overvoltage"
    assert violation.place == 3
    assert violation.faults == [1]
    assert violation.command("pack.toml", 7) == "ionward prove pack.toml --replay 7:3:1"
    story = list(replay(SYSTEM, blind_parameters(), "1:3:1"))
    (told,) = [(t, words) for t, words in story if words.startswith("VIOLATION")]
    assert told[0] == violation.time_s
    assert run_scenario(SYSTEM, quick_parameters(), 1, 3).violations == []


def test_scenarios_follow_from_seed_and_number_alone() -> None:
    one, again, other = (make_scenario(SYSTEM, seed, 12) for seed in (1, 1, 2))
    assert one.faults == again.faults
    assert one.wishes == again.wishes
    assert (one.profile == again.profile).all()
    assert one.faults != other.faults
    kinds = {f.name for n in range(300) for f in make_scenario(SYSTEM, 1, n).faults}
    assert len(kinds) > 35


def test_every_random_fault_can_be_injected() -> None:
    plant = Bench(SYSTEM, quick_parameters(), Start(), 1, 25.0).plant
    for number in range(150):
        for fault in make_scenario(SYSTEM, 5, number).faults:
            inject(plant, fault.name, fault.place, fault.value)()


@pytest.mark.parametrize("guarded", [False, True])
def test_a_scenario_runs_the_same_each_time(guarded: bool) -> None:
    number = 24 if guarded else 7
    scenario = make_scenario(SYSTEM, 3, number)
    assert scenario.guarded == guarded
    images = []
    for _ in range(2):
        run = Run(SYSTEM, quick_parameters(), 3, scenario, range(len(scenario.faults)))
        run.run()
        images.append(b"".join(block.tobytes() for block in run.bench.bms.image))
    assert images[0] == images[1]


def test_a_journal_goes_on_where_it_was_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "numbers", lambda *_: 4)
    path = tmp_path / "journal.jsonl"
    whole = run_campaign(SYSTEM, quick_parameters(), 1, None, path, silent, 1)
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) == 5
    path.write_text("\n".join(lines[:3]) + "\n" + lines[3][:20], "utf-8")
    ran: list[int] = []
    real = campaign.run_scenario
    monkeypatch.setattr(campaign, "run_scenario", lambda *a: (ran.append(a[3]), real(*a))[1])
    again = run_campaign(SYSTEM, quick_parameters(), 1, None, path, silent, 1)
    assert ran == [2, 3]
    assert again.as_json() == whole.as_json()
    assert [json.loads(line)["number"] for line in path.read_text("utf-8").splitlines()[1:]] == [0, 1, 2, 3]


def test_a_journal_of_another_pack_or_seed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    Journal(path, SYSTEM, 1).close()
    with pytest.raises(UserError, match="belongs to another pack"):
        Journal(path, SYSTEM, 2)
    with pytest.raises(UserError, match="belongs to another pack"):
        Journal(path, quick_system(topology={"modules_in_series": 3}), 1)
    path.write_text("what is this\n", "utf-8")
    with pytest.raises(UserError, match="is no journal"):
        Journal(path, SYSTEM, 1)
    with pytest.raises(UserError, match="name another file"):
        Journal(tmp_path / "nowhere" / "journal.jsonl", SYSTEM, 1)


@pytest.mark.parametrize("which", ["", "1", "1:x", "-1:3", "1:2:3:4", "1:0:9"])
def test_a_scenario_that_does_not_exist_is_refused(which: str) -> None:
    with pytest.raises(UserError, match="--replay"):
        list(replay(SYSTEM, quick_parameters(), which))


def test_hours_decide_how_many_scenarios_there_are() -> None:
    count = campaign.numbers(SYSTEM, 1, 0.1)
    times = [make_scenario(SYSTEM, 1, n).duration_s for n in range(count)]
    assert sum(times[:-1]) < 360.0 <= sum(times)
    assert campaign.numbers(SYSTEM, 1, None) > 100
    assert Campaign(1, "x").as_json()["violations"] == []
    assert len(INVARIANT) == 10
