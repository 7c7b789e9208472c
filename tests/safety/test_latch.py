"""What happens after a fault: latch, cool-down, retries and the lock-out behind them."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.kernel import Kernel
from helpers.scenarios import run, scenario, small_system
from ionward.image.faults import FAULT_ID
from ionward.image.parameters import FAULTP
from ionward.image.signals import LEVEL_CRITICAL, LEVEL_FAULT, LEVEL_NONE
from ionward.safety.protect import RETRY_WINDOW_S

FAULT = "current_lost"


def kernel(cool_down_s: float = 0.0, retries: int = 0, fault: str = FAULT) -> Kernel:
    k = Kernel(settle=False)
    k.parameters.faults[FAULTP.cool_down_s, getattr(FAULT_ID, fault)] = cool_down_s
    k.parameters.faults[FAULTP.retries, getattr(FAULT_ID, fault)] = retries
    k.run(0.3)
    return k


def outage(k: Kernel) -> None:
    """The current is not known for half a second, then as before."""
    k.current(math.nan)
    k.run(0.5)
    assert k.level(FAULT) == LEVEL_FAULT
    k.current(0.0)
    k.run(0.5)


def latched(k: Kernel, fault: str = FAULT) -> int:
    return int(k.fault(fault, "latched_level"))


def settle(k: Kernel, seconds: float) -> None:
    for _ in range(round(seconds)):
        k.tick(dt_s=1.0)


def test_a_latch_stays_until_it_has_cooled_down() -> None:
    k = kernel(cool_down_s=100.0)
    outage(k)
    assert latched(k) == LEVEL_FAULT
    assert k.level(FAULT) < LEVEL_FAULT
    assert 99.0 < k.fault(FAULT, "cools_s") < 100.0
    settle(k, 50.0)
    k.acknowledge()
    k.tick()
    assert latched(k) == LEVEL_FAULT
    settle(k, 51.0)
    assert k.fault(FAULT, "cools_s") == 0.0
    assert latched(k) == LEVEL_FAULT  # nobody has asked again
    k.acknowledge()
    k.tick()
    assert latched(k) == LEVEL_NONE
    assert k.s["retried"] == 0


def test_cooling_down_begins_anew_with_the_fault() -> None:
    k = kernel(cool_down_s=100.0)
    outage(k)
    settle(k, 90.0)
    outage(k)
    assert k.fault(FAULT, "cools_s") > 99.0


def test_a_fault_is_retried_so_many_times_and_then_locked_out() -> None:
    k = kernel(cool_down_s=10.0, retries=2)
    for used in (1, 2):
        outage(k)
        settle(k, 20.0)
        assert (latched(k), k.s["retried"]) == (LEVEL_NONE, 1)
        assert k.fault(FAULT, "retries") == used
        assert k.s["open_request"] == 0
    outage(k)
    settle(k, 20.0)
    assert (latched(k), k.s["retried"]) == (LEVEL_FAULT, 0)
    assert k.s["open_request"] > 0
    k.acknowledge()
    k.tick()
    assert latched(k) == LEVEL_NONE
    assert k.fault(FAULT, "retries") == 0
    assert k.s["retried"] == 0


def test_retries_are_counted_for_an_hour() -> None:
    k = kernel(cool_down_s=10.0, retries=1)
    outage(k)
    settle(k, 20.0)
    assert latched(k) == LEVEL_NONE
    settle(k, RETRY_WINDOW_S)
    outage(k)
    settle(k, 20.0)
    assert (latched(k), k.s["retried"]) == (LEVEL_NONE, 1)


def test_what_was_critical_is_never_retried() -> None:
    k = kernel(cool_down_s=10.0, retries=5, fault="cell_undervoltage")
    for volts, level in ((2.45, LEVEL_CRITICAL), (2.7, LEVEL_FAULT)):
        k.cells(volts, 3.7, 3.7, 3.7)
        assert k.until("cell_undervoltage", level, 5.0) < 5.0
        k.cells(3.7, 3.7, 3.7, 3.7)
        k.run(2.0)
        settle(k, 60.0)
        assert latched(k, "cell_undervoltage") == (LEVEL_CRITICAL if level == LEVEL_CRITICAL else LEVEL_NONE)
        k.acknowledge()
        k.tick()


def test_without_retries_nothing_is_let_go() -> None:
    k = kernel()
    outage(k)
    settle(k, 60.0)
    assert latched(k) == LEVEL_FAULT


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 40), max_size=10), st.integers(0, 2))
def test_never_more_retries_than_the_description_grants(pauses_s: list[int], retries: int) -> None:
    """Whatever the pauses between outages: within an hour, and without a person, a latch is let go so often at most."""
    k = kernel(cool_down_s=5.0, retries=retries, fault="current_lost")
    let_go = 0
    for pause_s in pauses_s:
        k.current(math.nan)
        k.run(0.5)
        k.current(0.0)
        for _ in range(pause_s):
            before = k.fault("current_lost", "latched_level")
            k.tick(dt_s=1.0)
            let_go += before > k.fault("current_lost", "latched_level")
        assert k.fault("current_lost", "retries") == let_go
    assert let_go <= retries


def test_a_lost_sensor_that_comes_back_connects_again_once_and_no_more() -> None:
    """The whole BMS on its simulated battery: two outages, one retry."""
    system = small_system(faults={"current_lost": {"cool_down_s": 5.0, "retries": 1}})
    outages = [
        {"at_s": at_s, "for_s": 2.0, "name": "sensor_lost", "place": place}
        for at_s in (8.0, 30.0)
        for place in ("current", "current_redundant")
    ]
    result = run(system, scenario(60.0, fault=outages))
    states = [change.state for change in result.changes]
    assert states.count("connected") == 2
    assert states[-1] == "fault"
    assert result.final_state == "fault"
