"""Several simulated packs on one bus: against Kirchhoff's laws solved otherwise, and against a pack alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from helpers.plants import EQUAL, whole_plant
from ionward.twin.faults import inject
from ionward.twin.plant import Plant, advance
from ionward.twin.rows import KON, MAIN_POSITIVE, OUT, SET, STATE
from ionward.twin.site_bus import LEG, SiteBus, advance_site, as_one, build_site_bus, solve_bus


def packs(*socs: float) -> list[Plant]:
    return [whole_plant(EQUAL.model_copy(update={"soc": soc}), seed=k + 1) for k, soc in enumerate(socs)]


def close(plant: Plant) -> None:
    plant.outputs[OUT.main_positive] = plant.outputs[OUT.main_negative] = 1.0


def precharge(plant: Plant) -> None:
    plant.outputs[OUT.precharge] = plant.outputs[OUT.main_negative] = 1.0


def hear(outputs: np.ndarray, limit_a: float = 1000.0) -> None:
    outputs[OUT.connected], outputs[OUT.charge_limit_a], outputs[OUT.discharge_limit_a] = 1.0, limit_a, limit_a


def live(bus: SiteBus, plants: list[Plant], seconds: float) -> None:
    for _ in range(round(seconds / (bus.settings[SET.dt_s] * bus.settings[SET.steps_per_tick]))):
        advance_site(bus, plants)


def on_bus(plants: list[Plant], cable_ohm: float = 0.001, **options: object) -> SiteBus:
    """All closed onto a bus that stands at their mean voltage already."""
    volts = float(np.mean([plant.state[STATE.pack_voltage_v] for plant in plants]))
    bus = build_site_bus(plants, [cable_ohm] * len(plants), bus_voltage_v=volts, **options)  # type: ignore[arg-type]
    for plant in plants:
        close(plant)
    live(bus, plants, 0.1)
    return bus


@pytest.mark.parametrize("source_a", [-40.0, 0.0, 25.0])
@pytest.mark.parametrize("farad", [2e-6, 1e-3, 0.5])
def test_one_step_is_what_the_differential_equation_gives(source_a: float, farad: float) -> None:
    random = np.random.default_rng(5)
    plants = packs(0.5, 0.5, 0.5, 0.5)
    bus = build_site_bus(plants, [0.0] * 4, capacitance_f=farad, bus_voltage_v=30.0)
    bus.settings[SET.extra_load_a] = source_a
    legs = bus.legs
    legs[LEG.conducts] = [1.0, 1.0, 0.0, 1.0]
    legs[LEG.emf_v] = random.uniform(30.0, 50.0, 4)
    legs[LEG.ohm] = [0.02, 0.5, 0.1, 30.0]
    drain_s = 1.0 / float(bus.settings[SET.bleed_down_ohm])
    closed = legs[LEG.conducts] > 0
    emf_v, ohm, dt_s = legs[LEG.emf_v][closed], legs[LEG.ohm][closed], float(bus.settings[SET.dt_s])

    def slope(_: float, y: np.ndarray) -> np.ndarray:
        amperes = (y[0] - emf_v) / ohm
        return np.concatenate([[(source_a - drain_s * y[0] - amperes.sum()) / farad], amperes, amperes**2])

    solved = solve_ivp(
        slope, (0.0, dt_s), np.concatenate([[30.0], np.zeros(6)]), method="LSODA", rtol=1e-10, atol=1e-12
    )
    end = solved.y[:, -1]
    solve_bus(bus)
    assert bus.state[STATE.bus_voltage_v] == pytest.approx(end[0], rel=1e-6)
    assert legs[LEG.last_a][closed] == pytest.approx((end[0] - emf_v) / ohm, rel=1e-5, abs=1e-5)
    assert legs[LEG.mean_a][closed] * dt_s == pytest.approx(end[1:4], rel=1e-5, abs=1e-9)
    assert legs[LEG.square_a2][closed] * dt_s == pytest.approx(end[4:], rel=1e-5, abs=1e-9)
    first_a = (30.0 - emf_v) / ohm
    largest = np.where(np.abs(first_a) > np.abs(legs[LEG.last_a][closed]), first_a, legs[LEG.last_a][closed])
    assert legs[LEG.peak_a][closed] == pytest.approx(largest)
    assert not legs[LEG.last_a : LEG.peak_a + 1, 2].any()


def test_a_single_pack_lives_on_the_bus_as_it_does_alone() -> None:
    profile = np.array([[0.0, 1.0, 4.0, 6.0], [0.0, -30.0, 20.0, 0.0]])
    alone, sited = packs(0.5)[0]._replace(profile=profile), packs(0.5)[0]
    bus = build_site_bus([sited], [0.0], profile=profile)
    bus.settings[SET.limit_period_s] = alone.settings[SET.limit_period_s]
    hear(alone.outputs)
    hear(bus.outputs)
    for plant in (alone, sited):
        precharge(plant)
    for tick in range(800):
        if tick == 60:
            close(alone)
            close(sited)
        advance(alone)
        advance_site(bus, [sited])
        assert sited.state[STATE.current_a] == pytest.approx(alone.state[STATE.current_a], rel=1e-9, abs=1e-9)
        assert sited.state[STATE.bus_voltage_v] == pytest.approx(alone.state[STATE.bus_voltage_v], rel=1e-9, abs=1e-9)
    assert sited.cells == pytest.approx(alone.cells, rel=1e-9, abs=1e-9)
    assert alone.state[STATE.charge_as] < -30.0  # something happened


def test_charge_that_leaves_one_pack_arrives_in_the_others_and_in_the_capacitors() -> None:
    plants = packs(0.5, 0.55, 0.62)
    bus = build_site_bus(plants, [0.001, 0.002, 0.003], bus_voltage_v=0.0)
    bus.settings[SET.bleed_down_ohm] = 1e12
    for plant in plants:
        precharge(plant)
    live(bus, plants, 2.0)
    for plant in plants:
        close(plant)
    live(bus, plants, 5.0)
    charges = [float(plant.state[STATE.charge_as]) for plant in plants]
    stored = float(bus.settings[SET.capacitance_f] * bus.state[STATE.bus_voltage_v])
    assert sum(charges) == pytest.approx(-stored, rel=1e-6)
    assert charges[2] < -1.0 < 1.0 < charges[0]  # from the fullest into the emptiest


def test_packs_share_the_load_by_their_conductances() -> None:
    start = EQUAL
    plants = [whole_plant(start), whole_plant(start.model_copy(update={"resistance_factor": 2.0}))]
    bus = on_bus(plants)
    bus.settings[SET.extra_load_a] = -30.0
    live(bus, plants, 0.1)
    first_a, second_a = (float(plant.state[STATE.current_a]) for plant in plants)
    legs = bus.legs
    volts = float(bus.state[STATE.bus_voltage_v])
    assert [first_a, second_a] == pytest.approx((volts - legs[LEG.emf_v]) / legs[LEG.ohm], rel=1e-9)
    assert first_a < second_a < -5.0
    drained_a = volts / float(bus.settings[SET.bleed_down_ohm])
    assert first_a + second_a == pytest.approx(-30.0 - drained_a, rel=1e-3)
    # Each sees the bus less what its cable drops.
    for plant, amperes in zip(plants, (first_a, second_a), strict=True):
        assert plant.state[STATE.bus_voltage_v] == pytest.approx(volts - 0.001 * amperes, rel=1e-12)


def test_closing_without_precharge_onto_a_live_bus_gives_the_inrush_of_the_loop() -> None:
    plants = packs(0.3, 0.9)
    bus = build_site_bus(plants, [0.001, 0.001], bus_voltage_v=float(plants[0].state[STATE.pack_voltage_v]))
    close(plants[0])
    live(bus, plants, 0.1)
    close(plants[1])
    live(bus, plants, 0.1)
    legs = bus.legs
    loop_ohm = legs[LEG.ohm].sum()
    apart_v = float(plants[1].state[STATE.pack_voltage_v] - plants[0].state[STATE.pack_voltage_v])
    peaks = [float(plant.state[STATE.inrush_a]) for plant in plants]
    # The capacitors feed the first moment, and the cells give way a little.
    assert peaks[0] > 0.8 * apart_v / loop_ohm
    assert peaks[1] >= peaks[0]


def test_too_much_current_between_packs_welds_contacts_and_melts_the_fuse() -> None:
    plants = packs(0.02, 0.98)
    for plant in plants:
        plant.settings[SET.weld_a] = 5.0
        plant.settings[SET.has_fuse] = 1.0
        plant.fuse_curve[0] = np.linspace(1.0, 2.0, plant.fuse_curve.shape[1])
        plant.fuse_curve[1] = 0.02
    bus = build_site_bus(plants, [0.0, 0.0], bus_voltage_v=float(plants[0].state[STATE.pack_voltage_v]))
    for plant in plants:
        close(plant)
    live(bus, plants, 0.5)
    assert [plant.contactors[KON.welded, MAIN_POSITIVE] for plant in plants] == [1.0, 1.0]
    assert max(plant.state[STATE.fuse_blown] for plant in plants) == 1.0
    live(bus, plants, 0.1)
    assert [plant.state[STATE.current_a] for plant in plants] == pytest.approx([0.0, 0.0], abs=0.1)


def test_the_charger_of_a_site_holds_its_voltage_with_any_number_of_packs() -> None:
    plants = packs(0.95, 0.95)
    bus = on_bus(plants, profile=np.array([[0.0], [200.0]]))
    bus.settings[SET.charge_voltage_v] = float(bus.state[STATE.bus_voltage_v]) + 0.05
    hear(bus.outputs)
    live(bus, plants, 1.0)
    assert bus.state[STATE.bus_voltage_v] == pytest.approx(bus.settings[SET.charge_voltage_v], abs=1e-3)
    assert plants[0].state[STATE.current_a] > 0.0


def test_a_dead_bus_gives_the_load_nothing_and_the_charger_keeps_to_what_it_heard() -> None:
    plants = packs(0.5, 0.5)
    bus = build_site_bus(plants, [0.0, 0.0], profile=np.array([[0.0], [-50.0]]))
    hear(bus.outputs)
    live(bus, plants, 0.5)
    assert bus.state[STATE.source_a] == bus.state[STATE.bus_voltage_v] == 0.0
    charged = on_bus(packs(0.5, 0.5), profile=np.array([[0.0], [50.0]]))
    assert charged.state[STATE.source_a] == 0.0  # nothing heard, nothing given


def test_a_short_at_one_pack_drains_all_of_them() -> None:
    plants = packs(0.5, 0.5)
    bus = on_bus(plants)
    undo = inject(plants[1], "bus_short", None, 0.5)
    live(bus, plants, 0.05)
    assert all(plant.state[STATE.current_a] < -20.0 for plant in plants)
    undo()
    live(bus, plants, 0.05)
    assert all(abs(plant.state[STATE.current_a]) < 2.0 for plant in plants)


def test_without_a_pack_on_it_the_bus_is_no_source() -> None:
    legs = np.zeros((len(LEG), 3))
    assert as_one(legs)[0] is False
    legs[LEG.conducts, 1], legs[LEG.emf_v, 1], legs[LEG.ohm, 1] = 1.0, 50.0, 0.2
    assert as_one(legs) == (True, pytest.approx(50.0), pytest.approx(0.2))
