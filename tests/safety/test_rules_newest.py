"""Which samples count as new: cells and temperatures that are measured one after the other, asked directly."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.judging import judged, same
from helpers.kernel import Kernel
from ionward.image.kernel_memory import VERDICT
from ionward.image.signals import BAD, CELL, GOOD, MEASURED, MODULE
from ionward.safety.rules import cell_rules, count_bad, temperature_rules, worst_new
from ionward.safety.rules_heat import heat_rules
from ionward.safety.summary import cell_summary, temperature_summary

NOWHERE = -9
cell = st.tuples(st.sampled_from([1.9, 2.7, 3.0, 3.7, 3.7, 4.2, 4.22, 4.3, math.nan]), st.booleans(), st.booleans())


def bench(cells: list[tuple[float, bool, bool]]) -> Kernel:
    """Cells with their voltage, whether it is new, and whether one that is lost had ever come."""
    k = Kernel(cells=len(cells), settle=False)
    k.image.cells[CELL.voltage_v] = [volts for volts, _, _ in cells]
    k.image.cells[CELL.new] = [new and not math.isnan(volts) for volts, new, _ in cells]
    k.image.cells[CELL.quality] = [BAD if math.isnan(volts) else GOOD for volts, _, _ in cells]
    k.image.cells[MEASURED.age_s] = [0.0 if came else math.inf for _, _, came in cells]
    cell_summary(k.image)
    return k


@settings(max_examples=150)
@given(st.lists(cell, min_size=5, max_size=5), st.booleans(), st.sampled_from([0.05, 0.15]))
def test_a_cell_beyond_counts_with_its_own_new_samples_only(
    cells: list[tuple[float, bool, bool]], sampled: bool, since_start_s: float
) -> None:
    k = bench(cells)
    state = k.protect_memory.state
    k.s["cell_samples"], state["cell_samples"], state["since_start_s"] = 7, 6 if sampled else 7, since_start_s
    cell_rules(k.parameters, k.image, k.protect_memory.verdicts, state[0])
    assert state["cell_samples"][0] == 7
    known = [volts for volts, _, _ in cells if not math.isnan(volts)]
    new = [volts for volts, is_new, _ in cells if is_new and not math.isnan(volts)]
    lost = [n for n, (volts, _, came) in enumerate(cells) if math.isnan(volts) and (came or since_start_s > 0.1)]
    torn = sampled and judged(k, "sense_wire_open") > 0.5
    assert judged(k, "cell_voltage_lost") == judged(k, "cell_voltage_lost", "newest") == len(lost)
    assert judged(k, "cell_voltage_lost", "place") == (lost[0] if lost else -1)
    assert judged(k, "sense_wire_open", "complete") == (not lost) or not sampled
    if torn or not known:
        return
    # The first walls of the small pack lie between these voltages: above 4.2, below 2.8 and at 2.0 V.
    for fault, worst, beyond in (("cell_overvoltage", max, lambda v: v > 4.21),
                                 ("cell_undervoltage", min, lambda v: v < 2.79),
                                 ("deep_discharge", min, lambda v: v < 2.0)):  # fmt: skip
        value = worst(known)
        assert judged(k, fault) == value
        # Healthy, any sweep clears; beyond, a neighbour's sample must not count as one of the bad cell.
        expected = math.nan if not sampled else worst(new, default=math.nan) if beyond(value) else value
        assert same(judged(k, fault, "newest"), expected), fault
        assert judged(k, fault, "complete") == (not lost)
    spread = max(known) - min(known)
    assert same(judged(k, "cell_voltage_spread"), spread)
    assert same(judged(k, "cell_voltage_spread", "newest"), spread if sampled else math.nan)


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from([1.0, 2.0, 2.0, 3.0]), st.booleans()), min_size=4, max_size=4),
       st.booleans(), st.sampled_from([NOWHERE, 0, 1, 2]))  # fmt: skip
def test_the_worst_new_one_is_looked_for_beside_a_broken_wire(
    items: list[tuple[float, bool]], above: bool, torn: int
) -> None:
    new = [value for n, (value, is_new) in enumerate(items) if is_new and n not in (torn, torn + 1)]
    expected = (max if above else min)(new, default=math.nan)
    values, flags = np.array([v for v, _ in items]), np.array([float(is_new) for _, is_new in items])
    assert same(worst_new(values, flags, above, torn), expected)


item = st.tuples(st.sampled_from([GOOD, BAD, BAD]), st.booleans(), st.sampled_from([0.1, 0.2]))


@settings(max_examples=60)
@given(st.lists(item, min_size=1, max_size=5), st.sampled_from([0.1, 0.15, 0.25]))
def test_an_item_is_lost_when_it_has_come_or_could_have(items: list[tuple[int, bool, float]], since_s: float) -> None:
    k = Kernel(cells=len(items), settle=False)
    k.image.cells[CELL.quality] = [q for q, _, _ in items]
    k.image.cells[MEASURED.age_s] = [5.0 if came else math.inf for _, came, _ in items]
    limits: Any = k.parameters.cell_limits
    limits[4] = [age_s for _, _, age_s in items]  # the greatest age
    lost = [n for n, (q, came, age_s) in enumerate(items) if q == BAD and (came or since_s > age_s)]
    assert count_bad(k.image.cells, CELL.quality, limits, since_s) == (len(lost), lost[0] if lost else -1)


sensor = st.tuples(st.sampled_from([-20.0, 0.0, 25.0, 25.0, 45.0, 60.0, math.nan]), st.booleans())


@settings(max_examples=100)
@given(st.lists(sensor, min_size=4, max_size=4), st.booleans(), st.booleans(), st.booleans(), st.booleans())
def test_temperatures_are_judged_by_direction_and_new_samples(
    sensors: list[tuple[float, bool]], sampled: bool, charging: bool, discharging: bool, direction: bool
) -> None:
    k = Kernel(cells=4, sensors=4, modules=2, settle=False)
    block, state = k.image.temperatures, k.protect_memory.state
    block[MEASURED.value] = [celsius for celsius, _ in sensors]
    block[MEASURED.new] = [new and not math.isnan(celsius) for celsius, new in sensors]
    block[MEASURED.quality] = [BAD if math.isnan(celsius) else GOOD for celsius, _ in sensors]
    block[MEASURED.age_s] = 0.0
    temperature_summary(k.parameters, k.image, k.validate_memory.module_sensors)
    k.s["temperature_samples"], state["temperature_samples"] = 3, 2 if sampled else 3
    state["charging"], state["discharging"], state["direction_known"] = charging, discharging, direction
    k.protect_memory.verdicts[VERDICT.newest] = 5.0  # of the tick before
    temperature_rules(k.parameters, k.image, k.protect_memory.verdicts, state[0], k.protect_memory.heat)
    assert state["temperature_samples"][0] == 3
    known = [celsius for celsius, _ in sensors if not math.isnan(celsius)]
    new = [celsius for celsius, is_new in sensors if is_new and not math.isnan(celsius)] if sampled else []
    for prefix, active, judged_now in (("charge_", charging, direction), ("discharge_", discharging, direction),
                                       ("", True, True)):  # fmt: skip
        for kind, worst in (("over", max), ("under", min)):
            fault = f"{prefix}{kind}temperature"
            assert judged(k, fault, "usable") == (judged_now and bool(known))
            assert judged(k, fault, "active") == active
            assert judged(k, fault, "complete") == (len(known) == 4)
            assert same(judged(k, fault, "newest"), worst(new, default=math.nan))
            if known:
                value = worst(known)
                assert judged(k, fault) == value
                assert judged(k, fault, "place") == [celsius for celsius, _ in sensors].index(value)
    modules = [[c for c, _ in sensors[n : n + 2] if not math.isnan(c)] for n in (0, 2)]
    spreads = [(max(m) - min(m), n) for n, m in enumerate(modules) if m]
    told = ("temperature_disagreement", "temperature_spread")
    if not sampled:
        assert all(math.isnan(judged(k, fault, "newest")) for fault in told)
    elif spreads:
        widest = max(spread for spread, _ in spreads)
        assert judged(k, "temperature_disagreement") == judged(k, "temperature_disagreement", "newest") == widest
        assert judged(k, "temperature_disagreement", "place") == next(n for spread, n in spreads if spread == widest)
        assert judged(k, "temperature_spread") == max(known) - min(known)
    assert k.image.modules[MODULE.temperature_max_c].shape == (2,)


@pytest.mark.parametrize("sampled", [True, False])
def test_heat_is_judged_in_ticks_too_where_a_sensor_is_lost(sampled: bool) -> None:
    """A lost sensor sends nothing that could be counted."""
    k = Kernel(cells=4, sensors=2, settle=False)
    verdicts = k.protect_memory.verdicts
    for usable, newest in ((2, math.nan), (1, 0.0)):
        k.s["temperatures_usable"] = usable
        heat_rules(k.parameters, k.image, verdicts, k.protect_memory.state[0], k.protect_memory.heat, sampled, NOWHERE)
        assert same(judged(k, "thermal_propagation", "newest"), 0.0 if sampled else newest)
