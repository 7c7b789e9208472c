"""What follows from faults: latch, derating, opening, the pyrofuse, and what is told of it."""

from __future__ import annotations

import pytest

from helpers.kernel import Kernel, prepare
from helpers.packs import breaking
from ionward.image.faults import FAULTS
from ionward.image.inputs import CHANNEL
from ionward.image.signals import (
    EVENT_SLOTS,
    LEVEL_CRITICAL,
    LEVEL_FAULT,
    LEVEL_NONE,
    LEVEL_WARNING,
    OPEN_IN_ORDER,
    OPEN_NONE,
    OPEN_NOW,
)


@pytest.mark.verifies("SR-125", "SR-126", "SR-121")
def test_a_fault_stays_latched_until_it_is_acknowledged_without_its_condition() -> None:
    k = Kernel()
    k.channels["hvil_closed"] = 0.0
    k.run(0.1)
    assert (k.s["open_request"], k.s["latched_faults"], k.s["fault_level"]) == (OPEN_IN_ORDER, 1, LEVEL_FAULT)
    assert FAULTS[k.s["open_fault"]].id == "hvil_open"
    k.acknowledge()
    k.run(0.1)
    assert k.s["latched_faults"] == 1, "acknowledged while the loop is open"
    k.channels["hvil_closed"] = 1.0
    k.run(0.1)
    assert (k.s["open_request"], k.s["latched_faults"], k.s["fault_level"]) == (OPEN_IN_ORDER, 1, LEVEL_NONE)
    assert (k.s["charge_allowed"], k.s["discharge_allowed"], k.s["derate"]) == (0, 0, 1)
    k.acknowledge()
    k.tick()
    assert (k.s["open_request"], k.s["latched_faults"], k.s["open_fault"]) == (OPEN_NONE, 0, -1)
    assert (k.s["charge_allowed"], k.s["discharge_allowed"], k.s["derate"]) == (1, 1, 0)


@pytest.mark.verifies("SR-120")
def test_a_warning_derates_and_leaves_by_itself() -> None:
    k = Kernel()
    k.samples.silent.add("crash")
    k.run(1.0)
    assert (k.s["fault_level"], k.s["derate"], k.s["open_request"]) == (LEVEL_WARNING, 1, OPEN_NONE)
    assert (k.s["charge_allowed"], k.s["discharge_allowed"]) == (1, 1)
    k.samples.silent.clear()
    k.run(1.0)
    assert (k.s["fault_level"], k.s["derate"], k.s["latched_faults"]) == (LEVEL_NONE, 0, 0)


@pytest.mark.verifies("SR-122")
def test_the_gravest_fault_is_named_and_stays_named() -> None:
    k = Kernel()
    k.channels["hvil_closed"] = 0.0
    k.run(0.1)
    k.channels["insulation_ohm"] = 100.0
    k.run(3.0)
    assert FAULTS[k.s["open_fault"]].id == "hvil_open", "of the same level the first one"
    k.channels["crash"] = 1.0
    k.run(0.1)
    assert (FAULTS[k.s["open_fault"]].id, k.s["open_request"]) == ("crash", OPEN_NOW)


@pytest.mark.verifies("SR-128", "SR-111")
def test_events_tell_each_step_up_and_down() -> None:
    k = Kernel()
    prepare(k, "cell_overvoltage")
    k.cells(4.1, 4.24, 4.1, 4.1)
    k.run(0.2)
    k.cells(4.1, 4.1, 4.1, 4.1)
    k.run(0.5)
    assert k.events() == [
        ("cell_overvoltage", LEVEL_FAULT, LEVEL_NONE, 1),
        ("cell_overvoltage", LEVEL_WARNING, LEVEL_FAULT, 1),
        ("cell_overvoltage", LEVEL_NONE, LEVEL_WARNING, 1),
    ]


@pytest.mark.verifies("SR-128")
def test_the_event_ring_keeps_the_newest_when_it_is_full() -> None:
    k = Kernel()
    k.s["event_count"] = 3 * EVENT_SLOTS - 1
    k.channels["hvil_closed"] = 0.0
    k.run(0.1)
    k.channels["hvil_closed"] = 1.0
    k.run(0.1)
    assert k.s["event_count"] == 3 * EVENT_SLOTS + 1
    assert k.events()[-2:] == [
        ("hvil_open", LEVEL_FAULT, LEVEL_NONE, CHANNEL.hvil_closed),
        ("hvil_open", LEVEL_NONE, LEVEL_FAULT, CHANNEL.hvil_closed),
    ]


@pytest.mark.verifies("SR-129")
@pytest.mark.parametrize(
    ("current_a", "redundant_a", "fire"),
    [(-470.0, -470.0, 1), (470.0, 470.0, 1), (-399.0, -399.0, 0), (-470.0, -300.0, 0), (-2000.0, -2000.0, 0)],
)
def test_the_pyrofuse_is_wished_for_only_above_what_contactors_break(
    current_a: float, redundant_a: float, fire: int
) -> None:
    k = Kernel()
    k.close()
    k.channels.update(crash=1.0, current_a=current_a, current_redundant_a=redundant_a)
    k.run(0.05)
    assert k.s["fault_level"] == LEVEL_CRITICAL
    assert k.s["pyrofuse_fire"] == fire
    k.current(0.0)
    k.run(0.05)
    assert k.s["pyrofuse_fire"] == 0


@pytest.mark.verifies("SR-129")
@pytest.mark.parametrize("on_crash", [0, 1])
@pytest.mark.parametrize("fitted", [0, 1])
def test_a_crash_calls_for_the_pyrofuse_where_the_description_says_so(on_crash: int, fitted: int) -> None:
    k = Kernel(pyrofuse_on_crash=on_crash, has_pyrofuse=fitted)
    k.close()
    k.channels["hvil_closed"] = 0.0  # another fault does not
    k.run(0.1)
    assert k.s["pyrofuse_fire"] == 0
    k.channels["crash"] = 1.0
    k.run(0.1)
    assert k.s["pyrofuse_fire"] == on_crash * fitted
    k.channels["crash"] = 0.0  # the fault stays latched; the signal is over
    k.run(1.0)
    assert k.s["pyrofuse_fire"] == 0


@pytest.mark.verifies("SR-129")
def test_the_pyrofuse_never_fires_by_current_alone_or_on_a_single_sample() -> None:
    k = Kernel(**breaking(100.0))
    k.close()
    k.current(-140.0)
    k.run(1.0)
    assert (k.s["fault_level"], k.s["pyrofuse_fire"]) == (LEVEL_NONE, 0)
    k.current(0.0)
    k.channels["crash"] = 1.0
    k.run(0.1)
    k.current(-140.0)
    k.tick()
    assert k.s["pyrofuse_fire"] == 0
    k.tick()
    assert k.s["pyrofuse_fire"] == 1


@pytest.mark.verifies("SR-129")
@pytest.mark.parametrize("fitted", [0, 1])
def test_only_a_pyrofuse_that_is_there_is_fired(fitted: int) -> None:
    k = Kernel(**breaking(100.0), has_pyrofuse=fitted)
    k.current(-120.0)
    k.run(0.85)
    assert (k.level("current_while_open"), k.s["pyrofuse_fire"]) == (LEVEL_CRITICAL, fitted)


@pytest.mark.verifies("SR-026", "SR-129")
def test_welded_contactors_that_carry_too_much_call_for_the_pyrofuse() -> None:
    k = Kernel(**breaking(100.0))
    k.current(-120.0)
    k.run(0.45)
    assert (k.level("current_while_open"), k.s["pyrofuse_fire"]) == (LEVEL_FAULT, 0)
    k.run(0.4)
    assert (k.level("current_while_open"), k.s["pyrofuse_fire"]) == (LEVEL_CRITICAL, 1)
