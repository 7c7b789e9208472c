"""Control and guard broken in simulated time: something opens, in time, and says why; no fault is raised falsely."""

from __future__ import annotations

import math

import numpy as np
import pytest

from helpers.proving import quick_parameters, quick_system
from helpers.scenarios import scenario
from ionward.image.build import build_parameters
from ionward.proving.prove import false_trips, guard_hits
from ionward.proving.prove.false_trips import PATTERNS, mislead, run_drive
from ionward.proving.prove.guard_cases import BREAKS, HIDDEN, run_guard_case, why_not
from ionward.proving.prove.guarded import GuardedLoop
from ionward.proving.prove.quantities import path_closed
from ionward.proving.prove.stand import Bench
from ionward.twin.build import Start, build_plant
from ionward.twin.rows import SENSE, STATE

SYSTEM = quick_system()


def held() -> np.ndarray:
    """A course of currents that can be changed on the way; none so far."""
    profile = np.zeros((2, 2))
    profile[0, 1] = 1e9
    return profile


def test_everything_can_be_broken_in_the_small_pack() -> None:
    assert [why_not(SYSTEM, broken) for broken in BREAKS] == [""] * len(BREAKS)


def test_what_cannot_be_done_to_a_pack_has_its_reason() -> None:
    """Half a megajoule is more than precharge can bring; and without a precharge path there is nothing to heat."""
    sturdy = quick_system(precharge={"resistor_energy_j": 5e5})
    bare = quick_system(precharge={"fitted": False})
    open_ended = quick_system(contactors={"fitted": False})
    hot = next(b for b in BREAKS if b.fault == "precharge_resistor_hot")
    assert "gives off its heat" in why_not(sturdy, hot)
    assert "no precharge path" in why_not(bare, hot)
    assert "does not switch its own contactors" in why_not(open_ended, hot)


@pytest.mark.parametrize("number", range(len(BREAKS)), ids=[b.name for b in BREAKS])
def test_whatever_breaks_in_control_or_guard_opens_in_time(number: int) -> None:
    case = run_guard_case(SYSTEM, quick_parameters(), number)
    assert case.ok, case
    assert case.told_by
    if case.fault == "contactor_worn":  # it is told, and opens nothing
        assert case.contactors_closed
        return
    assert not case.contactors_closed
    assert case.opened_ms is not None
    assert case.opened_ms <= case.budget_ms


@pytest.mark.verifies("SR-156")
@pytest.mark.parametrize("name", ["control gone", "input stuck, discharge_overcurrent_pulse"])
def test_a_current_that_no_contactor_breaks_is_ended_though_control_cannot_wish_for_it(name: str) -> None:
    system = quick_system(contactors={"break_current_a": 60.0})
    loop = GuardedLoop(Bench(system, build_parameters(system), Start(soc=0.6), 1, 25.0, held()), system, 1)
    loop.run(0.5)
    loop.command["connect"] = 1
    loop.run(6.0)
    assert loop.enables.coils.main_positive
    HIDDEN["discharge_overcurrent_pulse"](loop)
    next(b for b in BREAKS if b.name == name).make(loop)
    loop.run(0.15)
    assert loop.bench.plant.state[STATE.pyrofuse_fired] == 1.0
    assert loop.control["pyrofuse"][0] == 0
    assert not path_closed(loop.bench.plant)


def test_breaking_never_reaches_the_parameters_of_others() -> None:
    before = quick_parameters().levels.copy()
    flipped = next(k for k, b in enumerate(BREAKS) if b.name.startswith("bits flipped"))
    run_guard_case(SYSTEM, quick_parameters(), flipped)
    assert (quick_parameters().levels == before).sum() == (~(before != before)).sum()


def test_a_bit_that_flips_in_any_table_is_seen_within_a_fifth_of_a_second() -> None:
    cases = [run_guard_case(SYSTEM, quick_parameters(), k) for k, b in enumerate(BREAKS) if b.name.startswith("bit ")]
    assert {c.fault for c in cases} == {"configuration_changed", "image_corrupted"}
    assert all(c.detected_ms is not None and c.detected_ms <= 200.0 for c in cases)


def test_a_sound_kept_state_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    number = next(k for k, b in enumerate(BREAKS) if b.fault == "stored_state_corrupt")
    assert run_guard_case(SYSTEM, quick_parameters(), number).told_by == "fault stored_state_corrupt"
    monkeypatch.setattr(guard_hits, "flip", lambda *_: None)
    assert run_guard_case(SYSTEM, quick_parameters(), number).reason == "missed: nobody told of it"


def test_a_sound_control_and_guard_connect_and_stay_connected() -> None:
    loop = GuardedLoop(Bench(SYSTEM, quick_parameters(), Start(), 1, 25.0), SYSTEM, 1)
    loop.run(0.5)
    loop.command["connect"] = 1
    loop.run(6.0)
    assert loop.enables.coils.main_positive
    assert loop.enables.coils.main_negative
    assert loop.enables.trip_count == 0
    assert loop.verdict is not None
    assert loop.verdict.trip_count == 0


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_sensor_errs_by_its_whole_tolerance(pattern: str) -> None:
    plant = build_plant(SYSTEM)
    mislead(plant, SYSTEM, pattern)
    for block, sensor in ((plant.cell_sensors, SYSTEM.sensors.cell_voltage),
                          (plant.temperature_sensors, SYSTEM.sensors.temperature)):  # fmt: skip
        assert abs(block[SENSE.offset]) == pytest.approx([sensor.tolerance] * block.shape[1])
    first, second = plant.channel_sensors[SENSE.offset, :2]
    assert math.copysign(1, first) == (-math.copysign(1, second) if "turn" in pattern else math.copysign(1, second))


def test_an_alarm_that_is_set_too_narrow_is_a_false_trip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sound current sensors at opposite ends of their tolerance, and a warning that does not allow for that."""
    cycle = scenario(4.0)
    monkeypatch.setattr(false_trips, "CYCLES", (lambda _: cycle,))
    assert run_drive(SYSTEM, (0, PATTERNS[2])).ok
    narrow = quick_system(faults={"current_sensors_disagree": {"warning": {"set": 0.3, "clear": 0.2}}})
    drive = run_drive(narrow, (0, PATTERNS[2]))
    assert not drive.ok
    assert {e["fault"] for e in drive.raised} == {"current_sensors_disagree"}
