"""What protection asks for where each switch blocks one direction alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.kernel import Kernel
from helpers.packs import size_of, small_parameters
from ionward.image.faults import FAULT_ID, FAULTS
from ionward.image.layout import new_image
from ionward.image.signals import (
    FAULT,
    LEVEL_CRITICAL,
    LEVEL_FAULT,
    LEVEL_NONE,
    OPEN_IN_ORDER,
    OPEN_NONE,
    OPEN_NOW,
)
from ionward.safety.protect import new_protect_memory, react

FULL, EMPTY, HOT = (getattr(FAULT_ID, name) for name in ("cell_overvoltage", "cell_undervoltage", "overtemperature"))


def connected(one_way: int = 1) -> Kernel:
    k = Kernel(one_way=one_way, absent=("positive_tap_v", "negative_tap_v"))
    k.close()
    k.run(0.3)
    return k


def asked(k: Kernel) -> tuple[int, int, int]:
    return tuple(int(k.s[name]) for name in ("open_request", "charge_open_request", "discharge_open_request"))


@pytest.mark.verifies("SR-132")
@pytest.mark.parametrize(
    ("volts", "fault", "wanted"),
    [(4.24, "cell_overvoltage", (OPEN_NONE, 1, 0)), (2.7, "cell_undervoltage", (OPEN_NONE, 0, 1))],
)
def test_a_fault_of_one_direction_asks_for_that_switch_alone(
    volts: float, fault: str, wanted: tuple[int, int, int]
) -> None:
    k = connected()
    k.cells(3.7, 3.7, volts, 3.7)
    assert k.until(fault, LEVEL_FAULT, 2.0) < 2.0
    assert asked(k) == wanted
    assert (k.s["charge_allowed"], k.s["discharge_allowed"]) == (1 - wanted[1], 1 - wanted[2])
    assert FAULTS[k.s["open_fault"]].id == fault


def test_contactors_that_block_both_directions_are_opened_as_ever() -> None:
    k = connected(one_way=0)
    k.cells(3.7, 3.7, 4.24, 3.7)
    k.until("cell_overvoltage", LEVEL_FAULT, 2.0)
    assert asked(k) == (OPEN_IN_ORDER, 0, 0)


@pytest.mark.verifies("SR-132")
def test_critical_and_faults_of_both_directions_ask_for_everything() -> None:
    k = connected()
    k.cells(3.7, 3.7, 4.4, 3.7)
    k.until("cell_overvoltage", LEVEL_CRITICAL, 2.0)
    assert k.s["open_request"] == OPEN_NOW
    k = connected()
    k.cells(2.7, 3.7, 3.7, 4.24)
    k.until("cell_undervoltage", LEVEL_FAULT, 2.0)
    assert asked(k) == (OPEN_IN_ORDER, 1, 1)
    k = connected()
    k.channels["hvil_closed"] = 0.0
    k.until("hvil_open", LEVEL_FAULT, 2.0)
    assert asked(k) == (OPEN_IN_ORDER, 0, 0)


@pytest.mark.verifies("SR-132")
def test_the_direction_stays_open_until_the_latch_is_acknowledged() -> None:
    k = connected()
    k.cells(3.7, 3.7, 4.24, 3.7)
    k.run(0.5)
    k.cells(3.7, 3.7, 3.7, 3.7)
    k.run(0.5)
    assert (k.level("cell_overvoltage"), asked(k)) == (LEVEL_NONE, (OPEN_NONE, 1, 0))
    k.acknowledge()
    k.run(0.05)
    assert asked(k) == (OPEN_NONE, 0, 0)


@pytest.mark.parametrize("amperes", [-20.0, 0.0, 20.0])
def test_a_direction_that_is_open_is_no_longer_overdue(amperes: float) -> None:
    k = connected()
    k.current(amperes)
    k.cells(3.7, 3.7, 4.24, 3.7)
    k.run(0.5)
    assert k.level("cell_overvoltage") == LEVEL_FAULT
    assert (k.s["open_by_s"] == k.s["open_by_s"]) == (amperes > 0.0)


def opened(k: Kernel, direction: str) -> None:
    """The switch that blocks a direction is commanded open, and has opened."""
    name = "main_negative" if direction == "charge" else "main_positive"
    k.s[f"{name}_close"], k.channels[f"{name}_closed"] = 0, 0.0


@pytest.mark.verifies("SR-133")
@pytest.mark.parametrize(("direction", "sign"), [("charge", 1.0), ("discharge", -1.0)])
def test_a_current_in_a_direction_that_is_commanded_open_opens_everything(direction: str, sign: float) -> None:
    k = connected()
    opened(k, direction)
    k.current(-sign * 50.0)
    k.run(2.0)
    assert k.levels() == {}
    k.current(sign * 15.0)
    assert k.until("current_while_open", LEVEL_FAULT, 1.0) <= 0.5
    assert k.s["open_request"] == OPEN_IN_ORDER
    k = connected()
    opened(k, direction)
    k.current(sign * 50.0)
    k.until("current_while_open", LEVEL_CRITICAL, 2.0)
    assert k.s["open_request"] == OPEN_NOW


@pytest.mark.verifies("SR-133")
def test_a_switch_is_given_its_time_to_open() -> None:
    k = connected()
    k.current(50.0)
    opened(k, "charge")
    k.run(0.1)
    assert k.level("current_while_open") == LEVEL_NONE


@pytest.mark.verifies("SR-036")
@pytest.mark.parametrize(("direction", "sign"), [("charge", 1.0), ("discharge", -1.0)])
def test_the_bus_may_stand_away_on_the_side_to_which_nothing_can_flow(direction: str, sign: float) -> None:
    k = connected()
    opened(k, direction)
    pack_v = k.channels["pack_voltage_v"]
    k.channels["bus_voltage_v"] = pack_v * (1.0 + sign * 0.1)
    k.run(2.0)
    assert k.levels() == {}
    k.channels["bus_voltage_v"] = pack_v - sign * 0.9 * (0.7 + 0.05 * pack_v)
    k.run(2.0)
    assert k.levels() == {}
    k.channels["bus_voltage_v"] = pack_v - sign * 1.1 * (0.7 + 0.15 * pack_v)
    assert k.until("bus_apart_while_closed", LEVEL_FAULT, 2.0) <= 1.0


def test_a_limit_is_ignored_only_where_current_can_flow() -> None:
    k = connected()
    k.s["charge_open_request"] = 1
    opened(k, "charge")
    k.s["charge_limit_pulse_a"], k.s["discharge_limit_pulse_a"] = 0.0, 50.0
    k.cells(3.7, 3.7, 4.24, 3.7)
    k.current(-250.0)
    assert k.until("discharge_limit_ignored", LEVEL_FAULT, 10.0) < 10.0
    assert k.s["open_request"] == OPEN_IN_ORDER  # charge by the full cell, discharge by the load


def test_a_precharge_that_is_over_before_it_is_seen_is_too_fast() -> None:
    """A switch of a millisecond, and no capacitors behind it."""
    k = Kernel(one_way=1, precharge_rise_s=0.5)
    k.s["precharge_close"], k.channels["precharge_closed"] = 1, 1.0
    k.channels["bus_voltage_v"] = k.channels["pack_voltage_v"]
    assert k.until("precharge_too_fast", LEVEL_FAULT, 0.2) < 0.2


@pytest.mark.verifies("SR-132")
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_what_is_asked_for_follows_from_the_levels_of_all_faults(data: st.DataObject) -> None:
    """Against the rule as the documents tell it, for any levels and latches."""
    parameters = small_parameters(one_way=data.draw(st.integers(0, 1)))
    image, memory = new_image(size_of(parameters)), new_protect_memory(size_of(parameters))
    count = len(FAULTS)
    for row in (FAULT.level, FAULT.latched_level):
        for f in data.draw(st.lists(st.sampled_from([FULL, EMPTY, HOT, *range(count)]), max_size=4)):
            image.faults[row, f] = data.draw(st.sampled_from([1, 2, 3, 3, 3, 4]))
    react(parameters, image, memory.state[0])
    s = image.scalars[0]
    counts = np.maximum(image.faults[FAULT.level], image.faults[FAULT.latched_level])
    opening = [(FAULTS[f].blocks, counts[f]) for f in range(count) if counts[f] >= LEVEL_FAULT]
    alone = {blocks for blocks, level in opening if level == LEVEL_FAULT and blocks != "both"}
    if parameters.scalars["one_way"][0] == 0:
        alone = set()
    rest = [level for blocks, level in opening if level == LEVEL_CRITICAL or blocks not in alone]
    wanted = max(rest, default=LEVEL_FAULT if len(alone) == 2 else LEVEL_NONE)
    assert s["open_request"] == {LEVEL_NONE: OPEN_NONE, LEVEL_FAULT: OPEN_IN_ORDER, LEVEL_CRITICAL: OPEN_NOW}[wanted]
    assert (s["charge_open_request"], s["discharge_open_request"]) == ("charge" in alone, "discharge" in alone)
