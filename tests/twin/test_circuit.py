"""Contactors, DC link, fuse, load and charger of the simulated battery."""

from __future__ import annotations

import math

import numpy as np
import pytest

from helpers.plants import EQUAL, whole_plant
from ionward.twin import circuit
from ionward.twin.faults import inject
from ionward.twin.plant import Plant, advance
from ionward.twin.rows import KON, MAIN_NEGATIVE, MAIN_POSITIVE, OUT, PRECHARGE, SET, STATE


def with_profile(plant: Plant, *points: tuple[float, float]) -> Plant:
    return plant._replace(profile=np.ascontiguousarray(np.array(points, dtype=float).T))


def close(plant: Plant, connected: bool = True) -> None:
    out = plant.outputs
    out[OUT.main_positive] = out[OUT.main_negative] = 1.0
    out[OUT.connected] = connected
    out[OUT.charge_limit_a] = out[OUT.discharge_limit_a] = 1000.0


def live(plant: Plant, seconds: float) -> None:
    for _ in range(round(seconds / plant.settings[SET.dt_s])):
        advance(plant)


def precharged(plant: Plant) -> Plant:
    plant.state[STATE.bus_voltage_v] = plant.state[STATE.pack_voltage_v]
    close(plant)
    live(plant, 0.1)
    return plant


def test_precharge_follows_the_exponential_of_its_resistor_and_capacitor() -> None:
    plant = whole_plant()
    plant.settings[SET.bleed_down_ohm] = 1e9
    plant.outputs[OUT.main_negative] = plant.outputs[OUT.precharge] = 1.0
    live(plant, plant.contactors[KON.close_s, PRECHARGE] - plant.settings[SET.dt_s])
    pack_v = plant.state[STATE.pack_voltage_v]
    path_ohm = (
        plant.settings[SET.precharge_ohm] + 2 * plant.settings[SET.contactor_ohm] + plant.settings[SET.fuse_ohm]
        + plant.settings[SET.busbar_ohm] + plant.state[STATE.resistance_ohm]
    )  # fmt: skip
    tau_s = path_ohm * plant.settings[SET.capacitance_f]
    for step in range(1, 20):
        advance(plant)
        expected_v = pack_v * (1.0 - math.exp(-step * plant.settings[SET.dt_s] / tau_s))
        # The cells give way a little while they charge the link.
        assert plant.state[STATE.bus_voltage_v] == pytest.approx(expected_v, rel=3e-3)


def test_closing_onto_an_empty_link_gives_the_inrush_of_ohms_law() -> None:
    plant = whole_plant()
    pack_v = float(plant.state[STATE.pack_voltage_v])
    close(plant, connected=False)
    live(plant, 0.05)
    path_ohm = (
        plant.state[STATE.resistance_ohm] + plant.settings[SET.busbar_ohm] + plant.settings[SET.fuse_ohm]
        + 2 * plant.settings[SET.contactor_ohm]
    )  # fmt: skip
    assert plant.state[STATE.inrush_a] == pytest.approx(pack_v / path_ohm, rel=1e-3)
    # The charge that filled the capacitor is the charge that left the cells.
    bled_as = 0.05 * pack_v / plant.settings[SET.bleed_down_ohm]
    assert -plant.state[STATE.charge_as] == pytest.approx(
        plant.settings[SET.capacitance_f] * plant.state[STATE.bus_voltage_v], abs=2 * bled_as
    )


def test_no_load_draws_more_through_the_precharge_resistor_than_the_pack_drives() -> None:
    plant = whole_plant()
    plant.outputs[OUT.main_negative] = plant.outputs[OUT.precharge] = 1.0
    live(plant, 0.5)
    inject(plant, "unwanted_current", None, -1000.0)
    live(plant, 0.5)
    assert plant.state[STATE.bus_voltage_v] == 0.0
    assert 0.9 < -plant.state[STATE.current_a] * plant.settings[SET.precharge_ohm] / plant.state[STATE.emf_v] < 1.0


def test_an_open_pack_carries_no_current_and_its_link_bleeds_down() -> None:
    plant = with_profile(whole_plant(), (0.0, -50.0))
    plant.state[STATE.bus_voltage_v] = 10.0
    live(plant, 1.0)
    assert plant.state[STATE.current_a] == 0.0
    tau_s = plant.settings[SET.bleed_down_ohm] * plant.settings[SET.capacitance_f]
    assert plant.state[STATE.bus_voltage_v] == pytest.approx(10.0 * math.exp(-1.0 / tau_s), rel=1e-6)


@pytest.mark.parametrize("contactor", [MAIN_POSITIVE, MAIN_NEGATIVE, PRECHARGE])
def test_contacts_take_their_time_to_close_and_to_open(contactor: int) -> None:
    plant = whole_plant()
    out = (OUT.main_positive, OUT.main_negative, OUT.precharge)[contactor]
    plant.contactors[KON.close_s] = 0.05
    plant.contactors[KON.open_s] = 0.03
    plant.outputs[out] = 1.0
    live(plant, 0.04)
    assert plant.contactors[KON.closed, contactor] == 0.0
    live(plant, 0.01)
    assert plant.contactors[KON.closed, contactor] == 1.0
    plant.outputs[out] = 0.0
    live(plant, 0.02)
    assert plant.contactors[KON.closed, contactor] == 1.0
    live(plant, 0.01)
    assert plant.contactors[KON.closed, contactor] == 0.0


def test_a_contact_that_must_break_too_much_arcs_until_the_current_falls() -> None:
    plant = with_profile(precharged(whole_plant()), (0.0, -60.0), (2.0, -1.0))
    plant.contactors[[KON.break_charge_a, KON.break_discharge_a]] = 20.0
    plant.settings[SET.load_obeys] = 0.0
    live(plant, 1.0)
    plant.outputs[OUT.main_positive] = 0.0
    live(plant, 0.5)
    assert plant.contactors[KON.closed, MAIN_POSITIVE] == 1.0
    assert plant.contactors[KON.breaks, MAIN_POSITIVE] == 1.0
    live(plant, 1.0)
    assert plant.contactors[KON.closed, MAIN_POSITIVE] == 0.0


def test_a_contact_that_chatters_falls_off_for_half_of_each_period_while_its_coil_is_energised() -> None:
    plant = precharged(whole_plant())
    inject(plant, "contactor_chatters", "main_negative", 0.2)
    seen = []
    for _ in range(100):
        live(plant, 0.01)
        seen.append(plant.contactors[KON.closed, MAIN_NEGATIVE])
    assert 9 <= np.count_nonzero(np.diff(seen)) <= 10
    assert 0.4 <= np.mean(seen) <= 0.6
    assert plant.contactors[KON.closed, MAIN_POSITIVE] == 1.0
    plant.outputs[OUT.main_negative] = 0.0
    live(plant, 0.3)
    assert plant.contactors[KON.closed, MAIN_NEGATIVE] == 0.0


def test_a_foreign_source_brings_an_open_bus_to_its_own_voltage_and_no_further() -> None:
    plant = whole_plant()
    inject(plant, "foreign_source", None, 45.0)
    live(plant, 60.0)
    assert plant.state[STATE.bus_voltage_v] == pytest.approx(45.0, rel=1e-6)


def test_a_link_without_capacitors_is_there_at_once_and_a_weak_resistor_lets_more_through() -> None:
    def risen(fault: str, value: float, seconds: float) -> float:
        plant = whole_plant()
        inject(plant, fault, None, value)
        plant.outputs[OUT.main_negative] = plant.outputs[OUT.precharge] = 1.0
        live(plant, float(plant.contactors[KON.close_s, PRECHARGE]) + seconds)
        return float(plant.state[STATE.bus_voltage_v] / plant.state[STATE.pack_voltage_v])

    assert risen("dc_link_missing", 1.0, 0.02) < 0.9 < risen("dc_link_missing", 0.0, 0.02)
    assert risen("precharge_resistor_low", 1.0, 0.02) > 0.9


def test_insulation_that_creeps_falls_to_an_eth_in_its_time() -> None:
    plant = whole_plant()
    before = float(plant.state[STATE.insulation_ohm])
    inject(plant, "insulation_creeps", None, 20.0)
    live(plant, 20.0)
    assert plant.state[STATE.insulation_ohm] == pytest.approx(before / math.e, rel=0.02)


def test_a_hard_short_melts_the_fuse_and_ends_the_current() -> None:
    plant = precharged(whole_plant())
    plant.settings[SET.bus_short_s] = 1 / 0.005
    advance(plant)
    assert plant.state[STATE.current_peak_a] > 500.0
    live(plant, 0.5)
    assert plant.state[STATE.fuse_blown] == 1.0
    assert plant.state[STATE.current_a] == 0.0


def test_the_fuse_melts_when_its_curve_says() -> None:
    curve = np.array([[135.0, 200.0, 500.0, 1000.0], [3600.0, 100.0, 0.5, 0.01]])
    for amperes, seconds in curve.T:
        assert circuit.melting_time(curve, amperes) == pytest.approx(seconds)
    assert circuit.melting_time(curve, 134.0) == math.inf
    assert circuit.melting_time(curve, math.nan) == math.inf
    assert circuit.melting_time(curve, 2000.0) == pytest.approx(0.0025)  # constant I²t beyond the curve
    assert 0.5 < circuit.melting_time(curve, 300.0) < 100.0
    state = np.zeros(len(STATE))
    steps = 0
    while state[STATE.fuse_blown] == 0.0:
        circuit.melt(state, curve, 500.0**2, 0.01)
        steps += 1
    assert steps * 0.01 == pytest.approx(0.5, abs=0.011)


def test_the_fuse_carries_its_rating_for_ever() -> None:
    plant = with_profile(precharged(whole_plant(fuse={"rating_a": 90.0})), (0.0, -90.0))
    live(plant, 120.0)
    assert plant.state[STATE.fuse_blown] == 0.0
    assert plant.state[STATE.fuse_melted] == 0.0


def test_the_charger_goes_over_to_constant_voltage() -> None:
    plant = with_profile(precharged(whole_plant(EQUAL.model_copy(update={"soc": 0.9}))), (0.0, 6.0))
    plant.settings[SET.charge_voltage_v] = 8 * 4.16
    live(plant, 1.0)
    assert plant.state[STATE.current_a] == pytest.approx(6.0, abs=0.05)
    live(plant, 900.0)
    assert plant.state[STATE.bus_voltage_v] == pytest.approx(8 * 4.16, abs=0.01)
    assert 0.0 < plant.state[STATE.current_a] < 5.0


def test_who_obeys_keeps_to_the_limits_and_who_does_not_does_not() -> None:
    for obeys, expected_a in ((1.0, -10.0), (0.0, -40.0)):
        plant = with_profile(precharged(whole_plant()), (0.0, -40.0))
        plant.settings[SET.load_obeys] = obeys
        plant.outputs[OUT.discharge_limit_a] = 10.0
        live(plant, 2.0)
        assert plant.state[STATE.current_a] == pytest.approx(expected_a, abs=0.05)


def test_nobody_who_obeys_draws_before_the_pack_says_connected() -> None:
    plant = with_profile(precharged(whole_plant()), (0.0, -40.0))
    plant.outputs[OUT.connected] = 0.0
    live(plant, 2.0)
    assert abs(plant.state[STATE.current_a]) < 0.1


def test_a_load_in_watts_takes_its_power() -> None:
    plant = with_profile(precharged(whole_plant()), (0.0, -500.0))
    plant.settings[SET.load_is_power] = 1.0
    live(plant, 2.0)
    assert plant.state[STATE.source_a] * plant.state[STATE.bus_voltage_v] == pytest.approx(-500.0, rel=2e-3)


def test_more_power_than_the_battery_can_give_ends_at_its_most() -> None:
    assert circuit.current_of_power(-1e9, 30.0, 0.1) == pytest.approx(-150.0)
    for power_w in (-400.0, 250.0):
        current_a = circuit.current_of_power(power_w, 30.0, 0.1)
        assert current_a * (30.0 + 0.1 * current_a) == pytest.approx(power_w)


def test_a_pyrofuse_opens_for_good() -> None:
    plant = with_profile(precharged(whole_plant()), (0.0, -40.0))
    plant.settings[SET.has_pyrofuse] = 1.0
    live(plant, 1.0)
    plant.outputs[OUT.pyrofuse] = 1.0
    live(plant, 0.05)
    plant.outputs[OUT.pyrofuse] = 0.0
    live(plant, 0.1)
    assert plant.state[STATE.pyrofuse_fired] == 1.0
    assert plant.state[STATE.current_a] == 0.0


def test_a_pack_without_a_pyrofuse_cannot_fire_one() -> None:
    plant = with_profile(precharged(whole_plant()), (0.0, -40.0))
    live(plant, 1.0)
    plant.outputs[OUT.pyrofuse] = 1.0
    live(plant, 0.1)
    assert plant.state[STATE.pyrofuse_fired] == 0.0
    assert plant.state[STATE.current_a] < -1.0
