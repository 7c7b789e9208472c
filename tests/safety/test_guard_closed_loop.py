"""The guard beside a whole pack: a sound one never meets it, and it opens where control lies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from helpers.examples import example
from helpers.guarding import (
    CLOSED,
    CONTACTORS,
    SMALL,
    ClosedLoop,
)
from helpers.scenarios import small_system
from ionward.battery.system import System, load_system
from ionward.image.exchange import (
    GUARD_BLIND,
    GUARD_BUS,
    GUARD_CURRENT,
    GUARD_TEMPERATURE,
    GUARD_VOLTAGE,
)
from ionward.image.inputs import CHANNEL, RAW
from ionward.twin.build import Start


def closed_loop(system: System, pace: float = 1.0) -> ClosedLoop:
    """At rest for 3 s, then a strong pulse of a second, recuperation, discharge, rest; all of it faster by `pace`."""
    limits = system.limits
    amperes = [0.0, 0.0, -0.95 * limits.discharge_current_pulse_a, 0.9 * limits.charge_current_pulse_a,
               -limits.discharge_current_max_a, 0.0]  # fmt: skip
    profile = np.array([[0.0, 3.0, 3.0 + 1.0 / pace, 3.0 + 3.0 / pace, 3.0 + 5.0 / pace, 3.0 + 6.0 / pace], amperes])
    return ClosedLoop(system, Start(soc=0.6), profile)


def connected_loop() -> ClosedLoop:
    loop = closed_loop(SMALL)
    loop.run(1.0)
    loop.command["connect"] = 1
    loop.run(3.5)
    assert loop.connected
    return loop


# Where one runs at 1 ms, everything happens in less time.
SYSTEMS = {
    "small": (small_system, 1.0),
    "ev-96s": (lambda: load_system(example("ev-96s")), 1.0),
    "home-16s": (lambda: load_system(example("home-16s")), 1.0),
    "storage-rack-240s": (lambda: load_system(example("storage-rack-240s")), 1.0),
    "small at 1 ms": (lambda: small_system(cycle={"period_s": 0.001}), 5.0),
}


@pytest.mark.verifies("SR-200")
@pytest.mark.parametrize("name", SYSTEMS)
def test_a_sound_pack_never_meets_the_guard(name: str) -> None:
    make, pace = SYSTEMS[name]
    loop = closed_loop(make(), pace)
    assert loop.run(0.5).enable
    loop.command["connect"] = 1
    loop.run(2.3)
    assert loop.connected
    largest_a = 0.0
    for _ in range(30):
        loop.run(0.25 / pace)
        largest_a = max(largest_a, abs(float(loop.raw.channels[RAW.value, CHANNEL.current_a])))
    assert largest_a > 0.8 * loop.system.limits.discharge_current_max_a
    loop.command["connect"] = 0
    verdict = loop.run(1.0 + loop.system.contactors.open_wait_s)
    assert not any(loop.wished[-10:])
    assert verdict.trip_count == 0
    assert all(loop.enabled[50:])


FAULTS: dict[str, tuple[list[tuple[Any, ...]], int]] = {
    "overcharged": ([("cell_soc", 3, 1.25)], GUARD_VOLTAGE),
    "empty": ([("cell_soc", 3, -0.2)], GUARD_VOLTAGE),
    "hot": ([("cell_temperature", cell, 95.0) for cell in range(4)], GUARD_TEMPERATURE),
    "monitor lost": ([("afe_lost", 1)], GUARD_BLIND),
    "current lost": ([("sensor_nan", "current"), ("sensor_nan", "current_redundant")], GUARD_BLIND),
    "short circuit": ([("bus_short",)], GUARD_CURRENT),
}


@pytest.mark.verifies("SR-166")
@pytest.mark.parametrize("fault", FAULTS)
def test_the_kernel_acts_first(fault: str) -> None:
    loop = connected_loop()
    for injected in FAULTS[fault][0]:
        loop.twin.inject(*injected)
    verdict = loop.run(6.0)
    assert not any(loop.wished[-10:])
    assert verdict.trip_count == 0


@pytest.mark.verifies("SR-160", "SR-163")
@pytest.mark.parametrize("fault", FAULTS)
def test_the_guard_opens_where_control_lies(fault: str) -> None:
    loop = connected_loop()
    loop.lie = CLOSED
    for injected in FAULTS[fault][0]:
        loop.twin.inject(*injected)
    verdict = loop.run(6.0)
    assert (verdict.enable, verdict.trip_reason) == (False, FAULTS[fault][1])
    assert not any(loop.driven[name][0] for name in CONTACTORS)


@pytest.mark.verifies("SR-163")
def test_control_that_lies_cannot_close_onto_a_dead_bus() -> None:
    loop = closed_loop(SMALL)
    loop.run(1.0)
    loop.lie = CLOSED
    verdict = loop.run(0.05)
    assert (verdict.enable, verdict.trip_reason) == (False, GUARD_BUS)
    loop.run(1.0)
    assert loop.raw.channels[RAW.value, CHANNEL.main_positive_closed] == 0.0
