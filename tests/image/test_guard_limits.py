"""The guard's table: farther out and later than the kernel, and the same after a way through JSON."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.examples import NAMES, example
from helpers.scenarios import small_system
from ionward.battery.system import System, load_system
from ionward.image.fault_levels import decision_time_s, resolved_levels, sample_period_s
from ionward.image.faults import BY_ID, Level
from ionward.image.guard_limits import guard_limits
from ionward.image.guard_table import GuardLimits, Watch

FAULTS = ("cell_overvoltage", "cell_undervoltage", "overtemperature", "charge_overcurrent_pulse",
          "discharge_overcurrent_pulse")  # fmt: skip


def critical(system: System, fault_id: str) -> Level:
    level = resolved_levels(BY_ID[fault_id], system)[-1]
    assert level is not None
    return level


def watch_of(limits: GuardLimits, fault_id: str) -> Watch:
    if fault_id.startswith("cell"):
        return limits.cell_voltage
    return limits.temperature if "temperature" in fault_id else limits.current


def check_farther_out_and_later(system: System) -> None:
    limits = guard_limits(system)
    assert limits.cell_voltage.high > critical(system, "cell_overvoltage").set
    assert limits.cell_voltage.low < critical(system, "cell_undervoltage").set
    assert limits.temperature.high > critical(system, "overtemperature").set
    assert limits.current.high > critical(system, "charge_overcurrent_pulse").set
    assert limits.current.low < -critical(system, "discharge_overcurrent_pulse").set
    for fault_id in FAULTS:
        level, watch = critical(system, fault_id), watch_of(limits, fault_id)
        period_s = sample_period_s(BY_ID[fault_id], system)
        assert watch.samples > level.delay_samples
        # From the first sample on; the kernel's time has the wait for that one in it.
        assert watch.delay_s >= decision_time_s(level, period_s) - period_s + 3 * system.cycle.period_s


@pytest.mark.verifies("SR-166")
@pytest.mark.parametrize("name", sorted({*NAMES} - {"leaf-96s"}))  # whose logged sensor cannot see as far
def test_the_kernel_stands_nearer_and_decides_sooner(name: str) -> None:
    check_farther_out_and_later(load_system(example(name)))


@pytest.mark.verifies("SR-166")
@settings(max_examples=25)
@given(
    cycle_s=st.sampled_from((0.001, 0.01, 0.02)),
    period_s=st.sampled_from((0.002, 0.02, 0.1)),
    over_v=st.floats(4.2, 4.28),
    samples=st.integers(1, 10),
    factor=st.floats(1.2, 1.5),
)
def test_also_where_a_pack_changes_its_ladder(
    cycle_s: float, period_s: float, over_v: float, samples: int, factor: float
) -> None:
    pulse_a = small_system().limits.discharge_current_pulse_a
    system = small_system(
        cycle={"period_s": cycle_s},
        sensors={"cell_voltage": {"period_s": max(period_s, cycle_s)}},
        faults={
            "cell_overvoltage": {
                "critical": {"set": over_v, "clear": 4.2, "delay_samples": samples, "delay_s": 1.0},
                "fault": {"set": min(over_v, 4.21)},
                "warning": {"set": 4.2, "clear": 4.19},
            },
            "discharge_overcurrent_pulse": {"critical": {"set": factor * pulse_a, "clear": pulse_a}},
        },
    )
    check_farther_out_and_later(system)


@pytest.mark.parametrize("name", NAMES)
def test_the_sensors_can_see_the_limits(name: str) -> None:
    system = load_system(example(name))
    limits, sensors = guard_limits(system), system.sensors
    assert sensors.cell_voltage.low < limits.cell_voltage.low < limits.cell_voltage.high < sensors.cell_voltage.high
    assert limits.temperature.high < sensors.temperature.high
    assert sensors.current.low < limits.current.low < limits.current.high < sensors.current.high


def test_a_limit_beyond_the_sensors_range_counts_from_its_last_digit() -> None:
    system = load_system(example("leaf-96s"))
    resolution_a, lowest_a = system.sensors.current.resolution, system.sensors.current.low
    assert guard_limits(system).current.low == pytest.approx(lowest_a + resolution_a)


def test_a_rated_pulse_at_the_end_of_the_sensors_range_is_no_violation() -> None:
    pulse_a = small_system().limits.discharge_current_pulse_a
    system = small_system(sensors={"current": {"minimum_a": -pulse_a}})
    assert guard_limits(system).current.low == -pulse_a


def test_limits_of_the_ev_example_by_hand() -> None:
    """4.2 V + 80 mV and 2.8 V - 300 mV critical, 10 mV on; 60 degC + 12 K, 3 K on; 1.5 times the pulse, 5 % on."""
    limits = guard_limits(load_system(example("ev-96s")))
    assert (limits.cell_voltage.high, limits.cell_voltage.low) == pytest.approx((4.29, 2.49))
    assert limits.temperature.high == pytest.approx(75.0)
    assert (limits.current.high, limits.current.low) == pytest.approx((180 * 1.5 * 1.05, -450 * 1.5 * 1.05))
    assert (limits.cells, limits.sensors, limits.cycle_s) == (96, 24, 0.01)
    assert (limits.io_deadline_s, limits.answer_deadline_s) == pytest.approx((0.05, 0.06))
    assert limits.module_sensors.tolist() == list(range(0, 24, 2))
    assert (limits.has_contactors, limits.has_precharge, limits.has_pyrofuse) == (True, True, True)


@pytest.mark.verifies("SR-151")
@pytest.mark.parametrize("cycle_s", [0.001, 0.005, 0.01])
def test_no_contactor_stays_closed_for_longer_than_100_ms_after_control_has_stopped(cycle_s: float) -> None:
    """The deadline, until the guard looks, until the driver looks, and until the contact has opened."""
    system = small_system(cycle={"period_s": cycle_s})
    assert guard_limits(system).answer_deadline_s + 2 * cycle_s + system.contactors.open_time_s <= 0.1


def test_slow_cycles_and_a_longer_expiry_give_longer_deadlines() -> None:
    slow = guard_limits(load_system(example("bench-cell")))
    assert slow.answer_deadline_s == pytest.approx(4 * slow.cycle_s)
    assert slow.io_deadline_s == pytest.approx(3 * slow.cycle_s)
    patient = guard_limits(small_system(cycle={"enable_expiry_s": 0.2}))
    assert patient.io_deadline_s == pytest.approx(0.2)
    assert patient.answer_deadline_s > 0.2


def test_what_a_pack_does_not_have() -> None:
    bench = guard_limits(load_system(example("bench-cell")))
    assert not bench.has_contactors
    assert not bench.has_precharge
    assert not bench.current_redundant.fitted
    leaf = guard_limits(load_system(example("leaf-96s")))
    assert not leaf.temperature.fitted
    assert not leaf.bus_voltage.fitted


def test_without_a_precharge_path_a_dead_bus_may_be_closed_onto() -> None:
    assert guard_limits(small_system(precharge={"fitted": False})).bus_dead_v > 3.0
    assert guard_limits(small_system()).bus_dead_v == 0.0


def test_modules_without_sensors_are_left_out() -> None:
    topology = {"modules_in_series": 4, "modules_without_sensor": [1], "temperature_sensors_per_module": 2}
    assert guard_limits(small_system(topology=topology)).module_sensors.tolist() == [0, 2, 4]


def test_a_level_that_is_switched_off_is_taken_from_the_catalogue() -> None:
    """A pack that does not switch itself may switch critical levels off; the guard's table stays complete."""
    system = load_system(example("bench-cell"))
    off = system.model_copy(update={"faults": {}})
    changed = System.from_dict({**system.as_dict(), "faults": {"overtemperature": {"critical": False}}})
    assert guard_limits(changed).temperature == guard_limits(off).temperature


@pytest.mark.parametrize("name", NAMES)
def test_the_way_through_json_changes_nothing(name: str) -> None:
    limits = guard_limits(load_system(example(name)))
    values = json.loads(json.dumps(limits.as_dict(), allow_nan=False))
    back = GuardLimits.from_dict(values)
    for field in GuardLimits._fields:
        assert np.array_equal(getattr(back, field), getattr(limits, field)), field
    assert isinstance(back.cell_voltage, Watch)
    assert back.pack_voltage.high == math.inf
    assert back.pack_voltage.low == -math.inf


def test_a_table_with_a_value_missing_is_refused() -> None:
    values = guard_limits(small_system()).as_dict()
    del values["bus_match_v"]
    with pytest.raises(KeyError, match="bus_match_v"):
        GuardLimits.from_dict(values)
