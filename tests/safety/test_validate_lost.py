"""What is lost is summed up as lost, tick by tick, and told with its number and first place."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.judging import judged
from helpers.kernel import Kernel
from ionward.image.inputs import RAW
from ionward.image.kernel_memory import HISTORY
from ionward.image.parameters import MEASURE
from ionward.image.signals import BAD, CELL, GOOD, HELD, MEASURED
from ionward.safety.rules import temperature_rules


def test_cells_that_fall_silent_are_gone_from_the_sums_in_the_tick_in_which_they_are_too_old() -> None:
    k = Kernel()
    k.samples.silent.add("cells")
    k.run(0.09)
    assert (k.s["cells_usable"], k.s["cell_voltage_min_cell"]) == (4, 0)
    k.run(0.02)
    assert (k.s["cells_usable"], k.s["cell_voltage_min_cell"]) == (0, -1)
    assert math.isnan(k.s["cell_voltage_min_v"])
    k.samples.silent.clear()
    k.tick()
    assert k.s["cells_usable"] == 4


def test_temperatures_that_fall_silent_are_gone_from_the_sums_too() -> None:
    k = Kernel()
    k.samples.silent.add("temperatures")
    k.run(1.0)
    assert k.s["temperatures_usable"] == 2
    k.run(0.02)
    assert (k.s["temperatures_usable"], int(k.s["temperature_max_sensor"])) == (0, -1)
    assert math.isnan(k.image.cells[CELL.temperature_c, 0])


def test_one_sensor_that_is_refused_stands_by_its_last_value_and_is_then_gone() -> None:
    k = Kernel()
    k.samples.temperatures[1] = 30.0
    k.tick()
    k.samples.temperatures[1] = math.nan
    k.tick()
    assert (k.s["temperatures_usable"], k.s["temperature_max_c"]) == (2, 30.0)
    k.run(0.1)
    assert (k.s["temperatures_usable"], k.s["temperature_max_c"]) == (1, 25.0)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=4, max_size=4), st.lists(st.booleans(), min_size=6,
                max_size=6), st.sampled_from([0.5, 1.5]))  # fmt: skip
def test_lost_sensors_and_cells_without_a_temperature_are_counted(
    sensors: list[tuple[bool, bool]], unknown: list[bool], since_start_s: float
) -> None:
    k = Kernel(cells=6, sensors=4, settle=False)
    k.protect_memory.state["since_start_s"] = since_start_s  # the greatest age of a temperature is 1 s
    lost = [n for n, (bad, came) in enumerate(sensors) if bad and (came or since_start_s > 1.0)]
    k.image.temperatures[MEASURED.quality] = [BAD if bad else 0 for bad, _ in sensors]
    k.image.temperatures[MEASURED.age_s] = [2.0 if came else math.inf for _, came in sensors]
    k.image.temperatures[MEASURED.value] = [math.nan if bad else 25.0 for bad, _ in sensors]
    k.image.cells[CELL.temperature_quality] = [BAD if gone else 0 for gone in unknown]
    k.s["temperatures_usable"] = sum(not bad for bad, _ in sensors)
    temperature_rules(k.parameters, k.image, k.protect_memory.verdicts, k.protect_memory.state[0],
                      k.protect_memory.heat)  # fmt: skip
    cells = [c for c, gone in enumerate(unknown) if gone] if lost else []
    for fault, places in (("temperature_lost", lost), ("cell_temperature_unknown", cells)):
        assert judged(k, fault) == judged(k, fault, "newest") == len(places)
        assert judged(k, fault, "place") == (places[0] if places else -1)
        assert judged(k, fault, "usable") == judged(k, fault, "complete") == judged(k, fault, "active") == 1
    assert judged(k, "overtemperature", "complete") == (not lost)


@pytest.mark.parametrize(("usable", "complete"), [(4, 1.0), (3, 0.0)])
def test_a_cell_that_is_lost_keeps_the_others_from_clearing(usable: int, complete: float) -> None:
    k = Kernel()
    if usable < 4:
        k.samples.cells[2] = math.nan
    k.run(0.15)
    assert k.s["cells_usable"] == usable
    for fault in ("cell_overvoltage", "cell_undervoltage", "cell_voltage_spread", "deep_discharge", "sense_wire_open"):
        assert judged(k, fault, "complete") == complete
    assert (judged(k, "cell_voltage_lost"), judged(k, "cell_voltage_lost", "place")) == (
        (0, -1) if usable == 4 else (1, 2)
    )


def test_a_single_refused_temperature_is_seen_at_its_cells_at_once() -> None:
    k = Kernel(cells=4, sensors=4, modules=2)
    k.samples.silent.add("temperatures")
    k.samples.raw.temperatures[:, 1] = math.nan, k.now_s + k.cycle_s
    k.tick()
    assert k.image.cells[CELL.temperature_quality].tolist() == [HELD, HELD, GOOD, GOOD]


def test_one_of_two_that_falls_silent_before_the_other_is_gone_alone() -> None:
    """In a tick in which nothing comes and nothing is refused."""
    k = Kernel()
    k.samples.silent |= {"cells", "temperatures"}
    raw = k.samples.raw
    for _ in range(5):  # only the first ones go on
        raw.cells[RAW.time_s, 1:3] = raw.temperatures[RAW.time_s, 0] = k.now_s + k.cycle_s
        raw.cells[RAW.value, 1:3] += 1e-6
        k.tick()
    usable = []
    for _ in range(8):
        k.tick()
        usable.append(int(k.s["cells_usable"]))
    assert usable == sorted(usable, reverse=True)
    assert usable[-1] == 2
    for _ in range(92):
        k.tick()
    assert k.s["temperatures_usable"] == 1


def test_nothing_is_excused_for_standing_still_while_nothing_comes() -> None:
    k = Kernel()
    k.parameters.sensor_limits[MEASURE.frozen_s] = 0.5
    k.samples.silent.add("temperatures")
    changed_s = k.validate_memory.temperatures[HISTORY.changed_s].copy()
    k.run(0.4)
    assert (k.validate_memory.temperatures[HISTORY.changed_s] == changed_s).all()
