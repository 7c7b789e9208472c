"""Single numbers of the rules at their edges: the exact tick, the exact step, the figure that is told."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.judging import judged
from helpers.kernel import Kernel
from ionward.image.faults import FAULT_ID, FAULTS
from ionward.image.inputs import CHANNEL, RAW
from ionward.image.parameters import FAULTP, MEASURE
from ionward.image.signals import LEVEL_CRITICAL, LEVEL_NONE, LEVEL_WARNING
from ionward.safety.protect import protect
from ionward.safety.validate import validate


def test_in_a_healthy_pack_every_rule_may_raise_and_clear_its_fault() -> None:
    k = Kernel()
    for fault in FAULTS:
        by_direction = fault.id.startswith(("charge_", "discharge_")) and fault.id.endswith("temperature")
        assert judged(k, fault.id, "active") == (not by_direction), fault.id
        assert judged(k, fault.id, "complete") == 1.0, fault.id
        assert judged(k, fault.id, "usable") == (fault.id not in {"coolant_overtemperature", "cooling_lost"}), fault.id


def test_a_healthy_pack_is_judged_by_the_figures_of_its_sensors() -> None:
    k = Kernel()
    told = {f.id: judged(k, f.id) for f in FAULTS}
    assert told["insulation_low"] == pytest.approx(5e6 / (4 * 4.2))
    assert told["precharge_too_fast"] == 1.0  # no rise time is known: nothing is claimed
    assert told["insulation_falling"] == pytest.approx(1.0)
    assert told["hvil_open"] == 1.0
    assert told["pyrofuse_fired"] == 1.0
    assert told["cell_readings_disagree"] == 0.001
    for fault in ("crash", "current_lost", "cell_voltage_lost", "bus_live_while_open", "bus_apart_while_closed",
                  "precharge_failed", "precharge_too_long", "contactor_welded", "contactor_stuck_open", "fuse_blown",
                  "samples_refused", "clock_jumped", "image_corrupted", "configuration_changed"):  # fmt: skip
        assert told[fault] == pytest.approx(0.0, abs=1e-6), fault


@pytest.mark.parametrize("bus_v", [-16.8, -1.0, 0.0, 14.8, 16.8, 20.0, 33.6])
def test_a_bus_is_judged_by_what_no_pack_can_make_of_it(bus_v: float) -> None:
    k = Kernel()
    k.parameters.channel_limits[1, CHANNEL.bus_voltage_v] = -1e5
    k.channels["bus_voltage_v"] = bus_v
    k.tick()
    full_v = 4 * 4.2
    assert judged(k, "bus_not_understood") == pytest.approx(max(bus_v / full_v - 1.0, -bus_v / full_v, 0.0))


@pytest.mark.parametrize(("step_k", "rate"), [(5.0, True), (5.0001, False), (-5.0, True)])
def test_a_step_is_a_rise_up_to_what_a_sensor_can_follow(step_k: float, rate: bool) -> None:
    k = Kernel(start_s=0.0, settle=False)
    k.tick(dt_s=0.25)
    k.samples.temperatures[:] = 25.0 + step_k
    k.tick(dt_s=0.25)
    expected = step_k * (1.0 - 0.25 / 3.25) / 3.0 if rate else 0.0
    assert judged(k, "temperature_rising_fast") == pytest.approx(max(expected, 0.0))


@pytest.mark.parametrize("name", ["current_a", "current_redundant_a"])
def test_a_current_sensor_that_never_comes_is_lost_once_it_could_have_come(name: str) -> None:
    k = Kernel(settle=False)
    k.samples.silent.add(name)
    for _ in range(11):
        k.tick()
        assert judged(k, "current_redundancy_lost") == 0.0
    k.run(0.05)
    assert judged(k, "current_redundancy_lost") == 1.0
    assert judged(k, "current_redundancy_lost", "place") == getattr(CHANNEL, name)
    assert judged(k, "current_lost") == 0.0


def test_a_current_sensor_that_came_once_is_lost_as_soon_as_it_is_bad() -> None:
    k = Kernel(settle=False)
    k.tick()
    k.channels["current_redundant_a"] = math.nan
    k.parameters.scalars["hold_s"] = 0.02
    k.run(0.04)
    assert judged(k, "current_redundancy_lost") == 1.0


@pytest.mark.parametrize(("apart_s", "compared"), [(0.02, True), (0.0201, False)])
def test_two_currents_are_compared_when_they_were_taken_together(apart_s: float, compared: bool) -> None:
    k = Kernel(start_s=0.0, settle=False)
    raw = k.samples.sample(0.03)
    k.samples.raw.channels[RAW.value, CHANNEL.current_redundant_a] = 5.0
    raw.channels[RAW.time_s, CHANNEL.current_redundant_a] = 0.03 - apart_s
    raw.channels[RAW.time_s, CHANNEL.current_a] = 0.03
    raw.clock["time_s"] = 0.03
    if compared:  # binary fractions would be exact; this is the nearest number of seconds that is
        raw.channels[RAW.time_s, CHANNEL.current_redundant_a] = 0.0
        raw.channels[RAW.time_s, CHANNEL.current_a] = raw.clock["time_s"] = 0.02
    validate(raw, k.parameters, k.image, k.validate_memory)
    protect(k.parameters, k.command, k.image, k.protect_memory)
    assert judged(k, "current_sensors_disagree", "usable") == compared


@settings(max_examples=10, deadline=None)
@given(st.sampled_from([1.0, -1.0]), st.floats(0.0, 400.0), st.floats(0.0, 400.0))
def test_ignoring_a_limit_is_judged_by_what_flows_beyond_it(sign: float, current_a: float, limit_a: float) -> None:
    k = Kernel()
    k.close()
    name, pulse_a = ("charge", 150.0) if sign > 0 else ("discharge", 300.0)
    k.s[f"{name}_limit_pulse_a"] = limit_a
    k.current(sign * current_a)
    k.tick()
    beyond = max(current_a - limit_a, 0.0) / pulse_a if current_a > 3.0 else 0.0
    assert judged(k, f"{name}_limit_ignored") == pytest.approx(beyond)
    k.s["main_positive_close"] = 0
    k.tick()
    assert judged(k, f"{name}_limit_ignored") == 0.0


@pytest.mark.parametrize("offset_a", [1.5, -1.5])
def test_an_offset_is_the_mean_of_what_is_read_while_open(offset_a: float) -> None:
    k = Kernel()
    k.current(offset_a)
    before = judged(k, "current_offset")
    for n in range(1, 30):
        k.tick()
        mean = 1.5 * (1.0 - (1.0 - 0.01 / 5.0) ** n)
        assert before == 0.0
        assert judged(k, "current_offset") == pytest.approx(mean)
    k.tick(dt_s=6.0)  # longer than it remembers: what is read now is all there is
    assert judged(k, "current_offset") == 1.5
    k.close()
    k.tick()
    assert judged(k, "current_offset") == 0.0


def test_a_new_pack_voltage_is_compared_with_the_cells_that_are_there() -> None:
    k = Kernel()
    k.samples.silent.add("cells")
    k.tick()
    k.channels["pack_voltage_v"] = 14.7
    k.tick()
    assert k.s["cell_sum_difference_v"] == pytest.approx(0.1, abs=1e-5)
    told = float(k.s["cell_sum_difference_v"])
    k.samples.silent.add("pack_voltage_v")
    k.tick()
    assert k.s["cell_sum_difference_v"] == told


@pytest.mark.parametrize("current_a", [0.0, 100.0, -100.0])
def test_the_cell_sum_is_judged_for_each_cell_less_what_joints_drop(current_a: float) -> None:
    k = Kernel()
    k.close()
    k.current(current_a)
    k.run(0.05)
    k.channels["pack_voltage_v"] = 14.6
    k.tick()
    assert judged(k, "cell_sum_mismatch") == pytest.approx(0.05 - abs(current_a) * 1e-4, abs=1e-6)


@pytest.mark.parametrize(
    ("positive_v", "negative_v", "told"), [(14.8, 14.8, 0.0), (13.32, 14.8, 0.1), (14.8, 7.4, 0.5)]
)
def test_an_open_contact_is_judged_by_how_far_its_tap_is_from_the_pack(
    positive_v: float, negative_v: float, told: float
) -> None:
    k = Kernel()
    k.close()
    k.run(0.2)
    k.channels.update(positive_tap_v=positive_v, negative_tap_v=negative_v)
    k.tick()
    assert judged(k, "contactor_open_by_voltage") == pytest.approx(told, abs=1e-6)
    assert judged(k, "contactor_open_by_voltage", "newest") == judged(k, "contactor_open_by_voltage")
    if told:
        place = CHANNEL.positive_tap_v if positive_v < 14.0 else CHANNEL.negative_tap_v
        assert judged(k, "contactor_open_by_voltage", "place") == place


def test_seconds_of_a_welded_and_of_a_stuck_contactor_count_from_nothing() -> None:
    k = Kernel()
    k.channels["main_negative_closed"] = 1.0
    k.s["main_positive_close"] = 1
    for n in range(12):
        k.tick()
        assert judged(k, "contactor_welded") == pytest.approx(0.01 * n)
        assert judged(k, "contactor_stuck_open") == pytest.approx(0.01 * n)
    assert judged(k, "contactor_welded", "place") == CHANNEL.main_negative_closed
    assert judged(k, "contactor_stuck_open", "place") == CHANNEL.main_positive_closed


def test_bus_and_current_of_an_open_pack_are_judged_after_its_contactors_had_time_to_open() -> None:
    k = Kernel()
    k.close()
    k.current(50.0)
    k.run(0.05)
    assert (judged(k, "bus_live_while_open"), judged(k, "current_while_open")) == (0.0, 0.0)
    k.s["main_positive_close"] = k.s["main_negative_close"] = 0
    for _ in range(11):
        k.tick()
        assert (judged(k, "bus_live_while_open"), judged(k, "current_while_open")) == (0.0, 0.0)
    k.run(0.02)
    assert judged(k, "bus_live_while_open") == pytest.approx(1.0, abs=1e-6)
    assert judged(k, "current_while_open") == 50.0


def test_a_bus_apart_from_a_closed_pack_is_judged_by_its_share() -> None:
    k = Kernel()
    k.close()
    k.channels["bus_voltage_v"] = 0.75 * 14.8
    k.tick()
    assert judged(k, "bus_apart_while_closed") == pytest.approx(0.25, abs=1e-6)
    k.s["main_negative_close"] = 0
    k.tick()
    assert judged(k, "bus_apart_while_closed") == 0.0


def test_refused_samples_are_a_rate_that_flies_off_in_ten_seconds() -> None:
    k = Kernel()
    k.channels["ambient_c"] = 900.0
    k.tick()
    assert judged(k, "samples_refused") == pytest.approx(0.1)
    k.channels["ambient_c"] = 25.0
    k.tick()
    assert judged(k, "samples_refused") == pytest.approx(0.1 * (1.0 - 0.01 / 10.0))


def test_the_latest_time_to_open_is_that_of_the_fault_that_is_most_urgent() -> None:
    k = Kernel()
    waits_s = k.parameters.faults[FAULTP.wait_s]
    k.channels["insulation_ohm"] = 499.0 * 4 * 4.2
    k.run(2.1)
    assert k.levels() == dict.fromkeys(("insulation_low", "insulation_falling"), LEVEL_WARNING)
    assert math.isnan(k.s["open_by_s"])
    k.channels["hvil_closed"] = 0.0
    k.run(0.05)
    hvil_by_s = k.fault("hvil_open", "since_s") + waits_s[FAULT_ID.hvil_open]
    assert k.s["open_by_s"] == pytest.approx(hvil_by_s)
    k.parameters.faults[FAULTP.wait_s, FAULT_ID.crash] = 0.0
    k.channels["crash"] = 1.0
    k.run(0.02)
    assert k.s["open_by_s"] == pytest.approx(k.fault("crash", "since_s"))
    assert k.s["open_fault"] == FAULT_ID.crash


def test_the_rise_of_the_bus_is_timed_between_a_fifth_and_nine_tenths() -> None:
    k = Kernel(precharge_rise_s=0.1)
    k.s["main_negative_close"] = k.s["precharge_close"] = 1
    k.channels["main_negative_closed"] = k.channels["precharge_closed"] = 1.0
    for share, told in ((0.0, 1.0), (0.1, 1.0), (0.1, 1.0), (0.2, 1.0), (0.5, 1.0), (0.89, 1.0), (0.91, 1.0)):
        k.channels["bus_voltage_v"] = share * 14.8001
        k.tick()
        assert judged(k, "precharge_too_fast") == pytest.approx(told)
    k.channels["bus_voltage_v"] = 14.8
    k.tick()
    assert judged(k, "precharge_too_fast") == pytest.approx(0.4)


def test_an_unexpected_change_of_a_contact_is_forgotten_within_ten_seconds() -> None:
    k = Kernel()
    k.run(0.2)
    k.channels["main_negative_closed"] = 1.0
    k.tick()
    assert judged(k, "contactor_chattering") == 1.0
    assert judged(k, "contactor_chattering", "place") == CHANNEL.main_negative_closed
    for _ in range(100):
        k.tick()
    assert judged(k, "contactor_chattering") == pytest.approx(0.9)
    k.channels["main_negative_closed"] = 0.0
    k.tick()
    assert judged(k, "contactor_chattering") == pytest.approx(1.9 - 0.001)


@pytest.mark.parametrize("known", [0, 1, 2])
def test_a_mean_is_that_of_the_sensors_that_are_known(known: int) -> None:
    k = Kernel(sensors=2, settle=False)
    k.samples.temperatures[:] = [20.0 if known > 0 else math.nan, 30.0 if known > 1 else math.nan]
    k.tick()
    mean_c = {0: math.nan, 1: 20.0, 2: 25.0}[known]
    assert k.s["temperature_mean_c"] == pytest.approx(mean_c, nan_ok=True)
    assert k.s["temperature_min_c"] == pytest.approx(20.0 if known else math.nan, nan_ok=True)


@pytest.mark.parametrize("fault", ["contactor_welded_by_voltage", "contactor_open_by_voltage", "fuse_blown",
                                   "bus_not_understood", "insulation_low", "insulation_falling", "hvil_open",
                                   "contactor_overtemperature", "pyrofuse_fired", "bus_live_while_open",
                                   "charge_overcurrent", "short_circuit", "cell_overvoltage", "overtemperature",
                                   "cell_voltage_spread", "temperature_disagreement", "cell_sum_mismatch",
                                   "fuse_busbar_i2t", "current_offset", "temperature_spread",
                                   "temperature_rising_fast", "thermal_propagation", "sense_wire_open"])  # fmt: skip
def test_a_value_that_is_read_again_is_no_new_sample(fault: str) -> None:
    k = Kernel()
    assert not math.isnan(judged(k, fault, "newest"))
    value = judged(k, fault)
    k.tick(sample=False)
    assert math.isnan(judged(k, fault, "newest"))
    assert judged(k, fault) == pytest.approx(value, abs=1e-9)


def test_samples_beyond_that_do_not_follow_each_other_are_never_counted_together() -> None:
    k = Kernel()
    k.close()
    for _ in range(10):
        k.current(610.0)
        k.tick()
        k.current(0.0)
        k.tick()
        assert k.level("short_circuit") == LEVEL_NONE
    k.current(610.0)
    k.tick()
    k.tick()
    assert k.level("short_circuit") == LEVEL_CRITICAL


def test_a_current_beyond_a_small_sensor_is_a_short_circuit_all_the_same() -> None:
    k = Kernel()
    k.parameters.channel_limits[MEASURE.maximum, [CHANNEL.current_a, CHANNEL.current_redundant_a]] = 500.0
    k.current(501.0)
    k.run(0.03)
    assert judged(k, "short_circuit") == 601.0
    assert k.level("short_circuit") == LEVEL_CRITICAL


@pytest.mark.parametrize(("from_c", "rate", "told"), [(56.0, 1.5, 1.0), (40.0, 1.5, 0.0), (56.0, 0.8, 0.0)])
def test_a_fast_rise_beyond_the_maximum_runs_away(from_c: float, rate: float, told: float) -> None:
    k = Kernel(start_s=0.0, settle=False)
    for n in range(100):
        k.samples.temperatures[1] = from_c + rate * 0.1 * n
        k.tick(dt_s=0.1)
    assert judged(k, "thermal_propagation") == told
    assert judged(k, "thermal_propagation", "place") == (1 if told else -1)


def test_one_cell_of_the_module_that_collapses_beside_a_fast_rise_runs_away() -> None:
    k = Kernel(cells=4, sensors=2, modules=2, start_s=0.0, settle=False)
    k.samples.cells[3] = 2.5
    for n in range(100):
        k.samples.temperatures[1] = 30.0 + 0.15 * n
        k.tick(dt_s=0.1)
    assert judged(k, "thermal_propagation") == 1.0
    k.samples.cells[:] = 3.7, 2.5, 3.7, 3.7  # of the other module
    k.parameters.cell_limits[MEASURE.rate_max] = 1e9
    k.samples.temperatures[1] += 0.15
    k.tick(dt_s=0.1)
    assert judged(k, "thermal_propagation") == 0.0


def test_of_two_contacts_that_are_welded_alike_the_first_one_is_named() -> None:
    k = Kernel()
    k.channels["main_positive_closed"] = k.channels["main_negative_closed"] = 1.0
    k.run(0.05)
    assert judged(k, "contactor_welded", "place") == CHANNEL.main_positive_closed


def test_when_both_current_sensors_are_lost_it_is_no_matter_of_one_left() -> None:
    k = Kernel()
    k.samples.silent.update({"current_a", "current_redundant_a"})
    k.run(0.2)
    assert (judged(k, "current_lost"), judged(k, "current_lost", "place")) == (1.0, CHANNEL.current_a)
    assert (judged(k, "current_redundancy_lost"), judged(k, "current_redundancy_lost", "place")) == (0.0, -1.0)


@pytest.mark.parametrize("fitted", [0, 1])
def test_only_a_fuse_that_is_there_can_blow(fitted: int) -> None:
    assert judged(Kernel(has_fuse=fitted), "fuse_blown", "usable") == fitted


@pytest.mark.parametrize(("by_pump", "pump", "fan", "idle"), [(1, 1.0, 0.0, True), (1, 0.0, 1.0, False),
                                                              (0, 1.0, 0.0, False), (0, 0.0, 1.0, True)])  # fmt: skip
def test_what_cools_is_what_has_to_run(by_pump: int, pump: float, fan: float, idle: bool) -> None:
    k = Kernel(cooling_by_pump=by_pump, has_cooling=1)
    k.s["pump"], k.s["fan"] = pump, fan
    for _ in range(11):
        k.tick()
    assert judged(k, "cooling_lost") == pytest.approx(0.1 if idle else 0.0)


def test_a_contactor_that_drops_out_is_late_from_then_on() -> None:
    k = Kernel()
    k.close()
    k.run(0.05)
    k.channels["main_positive_closed"] = 0.0
    for n in range(5):
        k.tick()
        assert judged(k, "contactor_stuck_open") == pytest.approx(0.01 * n)
