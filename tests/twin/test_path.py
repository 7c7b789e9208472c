"""The path of the simulated battery where each switch blocks one direction alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.plants import whole_plant
from ionward.twin import path
from ionward.twin.faults import inject
from ionward.twin.plant import Plant, advance
from ionward.twin.rows import KON, MAIN_NEGATIVE, MAIN_POSITIVE, OUT, PRECHARGE, SET, STATE

DIODE_V = 0.8


def one_way(positive: int, negative: int, precharge: int = 0) -> Plant:
    """Switches that have followed their coils, on a bus at the pack's voltage that nothing drains."""
    plant = whole_plant()
    plant.settings[SET.one_way], plant.settings[SET.diode_v] = 1.0, DIODE_V
    plant.settings[SET.bleed_down_ohm] = 1e9
    plant.state[STATE.bus_voltage_v] = plant.state[STATE.pack_voltage_v]
    out = plant.outputs
    out[OUT.main_positive], out[OUT.main_negative], out[OUT.precharge] = positive, negative, precharge
    plant.contactors[KON.closed] = positive, negative, precharge
    advance(plant)
    return plant


def feed(plant: Plant, amperes: float, steps: int = 400) -> float:
    """Something on the bus feeds or draws; the current into the cells."""
    plant.settings[SET.extra_load_a] = amperes
    for _ in range(steps):
        advance(plant)
    return float(plant.state[STATE.current_a])


@pytest.mark.parametrize(
    ("positive", "negative", "charges", "discharges"),
    [(1, 1, True, True), (1, 0, False, True), (0, 1, True, False), (0, 0, False, False)],
)
def test_each_switch_blocks_its_direction_and_no_other(
    positive: int, negative: int, charges: bool, discharges: bool
) -> None:
    for amperes, flows in ((30.0, charges), (-30.0, discharges)):
        plant = one_way(positive, negative)
        assert feed(plant, amperes, 40) == pytest.approx(amperes if flows else 0.0, rel=1e-3, abs=1e-9)
        assert path.can_flow(plant.contactors, plant.settings, plant.state, amperes > 0.0) == flows


@pytest.mark.parametrize(("positive", "negative", "amperes"), [(0, 1, 30.0), (1, 0, -30.0)])
def test_over_an_open_switch_its_diode_drops_its_voltage(positive: int, negative: int, amperes: float) -> None:
    both, one = one_way(1, 1), one_way(positive, negative)
    feed(both, amperes, 40)
    feed(one, amperes, 40)
    dropped_v = one.state[STATE.bus_voltage_v] - both.state[STATE.bus_voltage_v]
    assert dropped_v == pytest.approx(math.copysign(DIODE_V, amperes), rel=0.02)


def test_a_dead_bus_is_charged_to_a_diodes_drop_below_the_pack_while_charge_is_blocked() -> None:
    plant = one_way(0, 0, 1)
    plant.state[STATE.bus_voltage_v] = 0.0
    tau_s = plant.settings[SET.precharge_ohm] * plant.settings[SET.capacitance_f]
    for _ in range(math.ceil(12 * tau_s / plant.settings[SET.dt_s])):
        advance(plant)
    assert plant.state[STATE.bus_voltage_v] == pytest.approx(plant.state[STATE.emf_v] - DIODE_V, abs=0.01)
    assert plant.state[STATE.inrush_a] <= 1.01 * plant.state[STATE.emf_v] / plant.settings[SET.precharge_ohm]


def test_a_charge_switch_that_closes_onto_a_bus_above_the_pack_takes_the_inrush_and_welds() -> None:
    plant = one_way(0, 0)
    plant.state[STATE.bus_voltage_v] = 1.5 * plant.state[STATE.emf_v]
    plant.settings[SET.weld_a] = 100.0
    plant.outputs[OUT.main_negative] = 1.0
    for _ in range(20):
        advance(plant)
    assert plant.contactors[KON.welded, MAIN_NEGATIVE] == 1.0
    assert plant.contactors[KON.welded, MAIN_POSITIVE] == 0.0
    ohm = path.branch(plant.contactors, plant.settings, plant.state, True)[2]
    assert plant.state[STATE.inrush_a] == pytest.approx((0.5 * plant.state[STATE.emf_v] - DIODE_V) / ohm, rel=0.05)


def test_a_welded_switch_no_longer_blocks_its_direction_whatever_its_coil_says() -> None:
    plant = one_way(1, 1)
    inject(plant, "contactor_welded", "main_negative")
    plant.outputs[OUT.main_positive] = plant.outputs[OUT.main_negative] = 0.0
    assert feed(plant, 30.0) == pytest.approx(30.0, rel=1e-3)
    assert plant.contactors[KON.closed, MAIN_POSITIVE] == 0.0


def test_a_blown_fuse_ends_both_directions() -> None:
    plant = one_way(1, 1)
    inject(plant, "fuse_blown")
    assert feed(plant, 30.0, 5) == feed(plant, -30.0, 5) == 0.0


def test_an_open_switch_breaks_nothing_of_what_goes_on_through_its_diode() -> None:
    plant = one_way(1, 1)
    plant.contactors[KON.break_charge_a, MAIN_POSITIVE] = math.inf
    feed(plant, 60.0, 5)
    plant.outputs[OUT.main_positive] = 0.0
    assert feed(plant, 60.0, 100) == pytest.approx(60.0, rel=1e-3)
    assert plant.contactors[KON.closed, MAIN_POSITIVE] == 0.0
    assert plant.contactors[KON.breaks].sum() == 0.0


VOLTS = st.floats(0.0, 80.0)


@given(
    VOLTS, st.floats(-100.0, 100.0), st.floats(1e-4, 1.0), st.floats(1e-4, 0.02), st.booleans(), st.booleans(),
    st.floats(0.002, 5.0), st.floats(0.002, 5.0), st.floats(1e-5, 0.05),
)  # fmt: skip
def test_a_step_agrees_with_many_small_ones(
    bus_v: float, source_a: float, drain_s: float, farad: float, charges: bool, discharges: bool, in_ohm: float,
    out_ohm: float, dt_s: float,
) -> None:  # fmt: skip
    """Against explicit integration in steps far below the time constants."""
    charge, discharge = (charges, 50.8, in_ohm), (discharges, 49.2, out_ohm)
    end_v, last_a, mean_a, square, peak_a = path.flow(bus_v, source_a, drain_s, farad, charge, discharge, dt_s, 1e9)
    count = int(min(40_000, 40 * dt_s / (farad * min(in_ohm, out_ohm)) + 400))
    v, charge_as, square_a2s, peak = bus_v, 0.0, 0.0, 0.0
    for _ in range(count):
        i = 0.0
        if charges and v > 50.8:
            i = (v - 50.8) / in_ohm
        elif discharges and v < 49.2:
            i = (v - 49.2) / out_ohm
        charge_as += i * dt_s / count
        square_a2s += i * i * dt_s / count
        peak = max(peak, abs(i))
        v = max(v + (source_a - drain_s * v - i) / farad * dt_s / count, 0.0)
    if count < 40_000 and end_v > 0.0:
        assert end_v == pytest.approx(v, abs=0.02 * abs(bus_v - v) + 0.02 * abs(end_v) + 0.02)
        assert mean_a == pytest.approx(charge_as / dt_s, rel=0.06, abs=0.02 * peak + 0.02)
        assert square == pytest.approx(square_a2s / dt_s, rel=0.12, abs=0.02 * peak * peak + 0.02)
    assert abs(peak_a) >= abs(last_a)
    assert mean_a * mean_a <= square * (1.0 + 1e-9) + 1e-12
    assert charges or last_a <= 0.0
    assert discharges or last_a >= 0.0
    assert np.isfinite([end_v, last_a, mean_a, square]).all()


def test_the_precharge_contact_alone_lets_discharge_through_over_its_resistor() -> None:
    plant = one_way(0, 1, 1)
    assert path.branch(plant.contactors, plant.settings, plant.state, False)[2] > plant.settings[SET.precharge_ohm]
    assert path.branch(plant.contactors, plant.settings, plant.state, True)[2] < plant.settings[SET.precharge_ohm]
    assert plant.contactors[KON.closed, PRECHARGE] == 1.0
