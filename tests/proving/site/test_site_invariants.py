"""What must never happen on a site is found where it does: each invariant is violated on purpose, and only there."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from helpers.site_runs import small_site
from ionward.image.inputs import CHANNEL
from ionward.peers.lease import PEER
from ionward.proving.load_profile import Profile
from ionward.proving.prove.invariants import BOUND
from ionward.proving.scenario import Source
from ionward.proving.site.invariants import check_site
from ionward.proving.site.loop import HEARD, LIFE
from ionward.proving.site.random_site import Event, RandomSite
from ionward.proving.site.scenario import SiteCommand, SiteInjection, Trouble
from ionward.proving.site.watched import SiteRun
from ionward.twin.build import Start
from ionward.twin.faults import inject
from ionward.twin.rows import CELLS, FAULT_OFFSET, KON, SENSE, STATE

ALIKE = {0: {"soc": 0.6}, 1: {"soc": 0.6}, 2: {"soc": 0.6}}
APART = {0: {"soc": 0.3}, 1: {"soc": 0.95}, 2: {"soc": 0.3}}


def watched(
    *events: Event, quiet_s: float = 10.0, simulated: dict[int, dict[str, float]] | None = None, amperes: float = 0.0,
    obeys: bool = True, **peers: Any,
) -> SiteRun:  # fmt: skip
    """Three small packs that connect at 1 s, and these events."""
    site = small_site(3, simulated=ALIKE if simulated is None else simulated, **peers)
    profile = Profile(np.array([[0.0, 4.0, quiet_s], [0.0, amperes, 0.0]]), False)
    scenario = RandomSite(
        0, site, quiet_s, Start(soc=0.6, soc_spread=0.001), 25.0, Source(load_obeys=obeys, charger_obeys=obeys),
        profile, "drive", events,
    )  # fmt: skip
    return SiteRun(scenario, 1, range(len(events)))


def advanced(run: SiteRun, seconds: float) -> SiteRun:
    """Connect now, and run on."""
    for unit in run.sim.units:
        unit.wish["connect"] = 1
    run._advance(run.tick_at(seconds), None)
    return run


def look(run: SiteRun) -> set[str]:
    """Judge the site as it stands."""
    check_site(run._units.places, run.sim.units[0], run.sim.world, run.site_dog)
    return set(run.found())


def alone(run: SiteRun, *units: int) -> None:
    """These units take their own vote for all, and the network is cut between them."""
    for k in units:
        run.sim.units[k].peers.peers[PEER.weight, [j for j in range(3) if j != k]] = 0
    run.sim.cut([{k} for k in range(3)])


def test_a_site_that_behaves_breaks_nothing() -> None:
    run = watched(Trouble(at_s=4.0, for_s=2.0, kill=1), Trouble(at_s=7.0, restart="speaker"), amperes=-10.0)
    run.run()
    assert run.found() == {}
    assert all(unit.plant.contactors[KON.closed, :2].all() for unit in run.sim.units)


def test_two_that_speak_and_two_that_close_are_found() -> None:
    run = watched()
    alone(run, 0, 1)
    advanced(run, 2.0)
    assert {"two_speakers", "two_closing"} <= set(run.found())


def test_one_term_with_two_owners_is_found() -> None:
    run = advanced(watched(), 2.0)
    heard = run.sim.world.heard
    heard[HEARD.term] += 1.0
    assert look(run) == set()
    heard[HEARD.speaker] = (heard[HEARD.speaker] + 1.0) % 3.0
    assert look(run) == {"term_shared"}


def close_by_hand(run: SiteRun, k: int) -> None:
    """Its main contacts touch for this cycle, whatever its coils say."""
    contactors = run.sim.units[k].plant.contactors
    contactors[KON.closed, :2], contactors[KON.open_s], contactors[KON.changing_s] = 1.0, 1.0, 0.0
    run._advance(1, None)


def test_a_pack_closed_by_hand_onto_a_bus_that_does_not_match_is_found() -> None:
    run = advanced(watched(simulated=APART), 3.0)
    first = [bool(unit.plant.contactors[KON.closed, :2].all()) for unit in run.sim.units].index(True)
    assert first == 1
    assert run.found() == {}
    close_by_hand(run, 0)
    _, unit, current_a = run.found()["mismatched_joining"]
    assert unit in (0, 1)
    assert abs(current_a) > run.sim.site.units[0].system.limits.charge_current_pulse_a


def test_a_pack_closed_by_hand_onto_a_bus_that_matches_is_not() -> None:
    run = advanced(watched(), 0.6)
    alike = next(k for k, unit in enumerate(run.sim.units) if not unit.plant.contactors[KON.closed, :2].all())
    run.sim.bus.state[STATE.bus_voltage_v] = run.sim.units[alike].plant.state[STATE.emf_v]
    run._advance(1, None)
    close_by_hand(run, alike)
    assert "mismatched_joining" not in run.found()


@pytest.mark.parametrize(("row", "value"), [(KON.chatters_s, 0.1), (KON.welded, 1.0)])
def test_a_contact_that_closes_by_itself_is_not_the_units_doing(row: int, value: float) -> None:
    run = advanced(watched(simulated=APART), 3.0)
    run.sim.units[0].plant.contactors[row, 0] = value
    run._advance(1, None)
    close_by_hand(run, 0)
    assert "mismatched_joining" not in run.found()


def test_a_bus_sensor_that_is_off_joins_nobody_to_packs_that_do_not_match() -> None:
    """The peers' plan goes by cells: one sensor that lies is not enough."""
    offset = SiteInjection(at_s=0.5, for_s=9.0, unit=0, name="sensor_offset", place="bus_voltage", value=-6.0)
    run = watched(offset, simulated=APART, quiet_s=9.6)
    run.run()
    assert "mismatched_joining" not in run.found()
    assert FAULT_OFFSET not in run.sim.units[0].plant.channel_sensors[SENSE.fault, [CHANNEL.bus_voltage_v]]


def test_limits_above_the_circuit_law_are_found() -> None:
    run = watched(margin=0.1)
    for unit in run.sim.units:
        unit.peers.setup["margin"] = -0.6  # every unit believes that packs carry less than half of their share
    advanced(run, 6.0)
    time_s, way, excess_a = run.found()["limit_above_law"]
    assert excess_a > 1.0
    assert way in (0, 1)
    assert time_s < 6.0


def test_limits_that_do_not_fall_when_a_pack_is_lost_are_found() -> None:
    run = advanced(watched(), 5.0)
    out = run.sim.bus.outputs.copy()
    for unit in run.sim.units[:2]:
        unit.plant.contactors[KON.closed] = 0.0
        unit.plant.contactors[KON.stuck] = 1.0
    for _ in range(15):  # nobody tells the outside
        run._advance(1, None)
        run.sim.bus.outputs[:] = out
        look(run)
    assert "limit_above_law" in run.found()


def test_a_site_that_stays_silent_or_leaves_a_pack_out_is_found() -> None:
    silent = watched(quiet_s=1.0)
    silent.sim.cut([{0}, {1}, {2}])
    silent.actions = [action for action in silent.actions if action.words != "all is healed"]
    silent.run()
    assert "nobody_speaks" in silent.found()
    left = watched(quiet_s=3.0)
    left.sim.units[2].peers.turn["rests_until_us"] = 2**60
    left.run()
    assert left.found()["left_out"][1] == 2


@pytest.mark.parametrize("damage", ["welded", "falsified", "far apart"])
def test_a_pack_that_is_hurt_or_does_not_match_may_be_left_out(damage: str) -> None:
    run = watched(quiet_s=3.0, simulated=APART if damage == "far apart" else ALIKE)
    plant = run.sim.units[2].plant
    if damage == "welded":
        plant.contactors[KON.stuck, 0] = 1.0
    if damage == "falsified":
        inject(plant, "sensor_stuck", "bus_voltage", 9.0)
    run.run()
    assert not plant.contactors[KON.closed, :2].all()
    assert "left_out" not in run.found()


def test_invariants_of_each_pack_are_checked_and_of_the_right_one() -> None:
    run = advanced(watched(), 4.0)
    limit_v = float(run.dogs[2].bounds[BOUND.cell_high_v])
    assert run.found() == {}
    dog, plant = run.dogs[2], run.sim.units[2].plant
    dog.cells_s[0, 3] = 1e3
    plant.cells[CELLS.soc, 3] = 1.3
    run._advance(2, None)
    assert plant.cells[CELLS.voltage_v, 3] > limit_v
    assert run.found()["cell_overvoltage"][1] == 2


def test_an_acknowledgement_while_a_unit_stands_still_takes_no_latch_by_itself() -> None:
    hurt = SiteInjection(at_s=3.0, for_s=0.5, unit=1, name="cell_soc", place=2, value=1.2)
    again = SiteCommand(at_s=8.0, unit=1, acknowledge=True)
    run = watched(hurt, Trouble(at_s=7.99, for_s=0.05, freeze=1), again)
    run.run()
    assert "latch_lost" not in run.found()


def test_a_driver_that_opens_for_a_dead_unit_is_excused_and_one_that_works_is_not() -> None:
    for dead in (True, False):
        run = advanced(watched(), 4.0)
        if dead:
            run.sim.kill(1)
            run._advance(10, None)
            assert run.sim.world.life[LIFE.tripped, 1] == 1
        run.sim.units[1].plant.contactors[KON.breaks, 0] += 1.0
        run._advance(1, None)
        assert ("broken_above_capability" in run.found()) == (not dead)


def test_times_and_values_are_numbers() -> None:
    run = watched()
    alone(run, 0, 1)
    advanced(run, 2.0)
    assert all(math.isfinite(time_s) and math.isfinite(value) for time_s, _, value in run.found().values())
