"""What follows from all levels together, and when the pyrofuse is wished for, worked out anew for any levels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.judging import same
from helpers.kernel import Kernel
from ionward.image.faults import FAULT_ID, FAULTS
from ionward.image.parameters import FAULTP
from ionward.image.signals import (
    FAULT,
    GOOD,
    HELD,
    LEVEL_CRITICAL,
    LEVEL_FAULT,
    LEVEL_NONE,
    LEVEL_WARNING,
    OPEN_IN_ORDER,
    OPEN_NONE,
    OPEN_NOW,
)
from ionward.safety.protect import clear_counts, opening_fault, react

EXAMPLES = 100
NOW_S = 1000.0
levels = st.sampled_from([LEVEL_NONE, LEVEL_NONE, LEVEL_WARNING, LEVEL_FAULT, LEVEL_CRITICAL])
standing = st.dictionaries(
    st.sampled_from([f.id for f in FAULTS]), st.tuples(levels, levels, st.integers(900, 999)), max_size=6
)


def bench(faults: dict[str, tuple[int, int, int]]) -> Kernel:
    """Faults with their level, latched level and the time since when."""
    k = Kernel(settle=False)
    for fault, (level, latched, since_s) in faults.items():
        f = getattr(FAULT_ID, fault)
        k.image.faults[FAULT.level, f], k.image.faults[FAULT.latched_level, f] = level, latched
        k.image.faults[FAULT.since_s, f] = since_s
    k.s["time_s"] = NOW_S
    return k


@settings(max_examples=EXAMPLES)
@given(standing, st.sampled_from([-1, *range(0, len(FAULTS), 7)]))
def test_the_gravest_level_decides_and_each_fault_blocks_its_own_direction(
    faults: dict[str, tuple[int, int, int]], before: int
) -> None:
    k = bench(faults)
    k.s["open_fault"] = before
    react(k.parameters, k.image, k.protect_memory.state[0])
    counts = {getattr(FAULT_ID, fault): max(level, latched) for fault, (level, latched, _) in faults.items()}
    since_s = {getattr(FAULT_ID, fault): since for fault, (_, _, since) in faults.items()}
    gravest = max(counts.values(), default=LEVEL_NONE)
    asks = {f for f, level in counts.items() if level >= LEVEL_FAULT}
    assert k.s["fault_level"] == max((level for level, _, _ in faults.values()), default=LEVEL_NONE)
    assert k.s["latched_faults"] == sum(latched > LEVEL_NONE for _, latched, _ in faults.values())
    assert k.s["derate"] == (gravest >= LEVEL_WARNING)
    blocks = {FAULTS[f].blocks for f in asks}
    assert k.s["charge_allowed"] == (not blocks & {"charge", "both"})
    assert k.s["discharge_allowed"] == (not blocks & {"discharge", "both"})
    board = counts.get(FAULT_ID.balancing_board_overtemperature, LEVEL_NONE)
    assert k.s["balance_allowed"] == (board < LEVEL_WARNING)
    wanted = OPEN_NOW if gravest == LEVEL_CRITICAL else OPEN_IN_ORDER if asks else OPEN_NONE
    assert k.s["open_request"] == wanted
    worst = sorted(f for f in asks if counts[f] == gravest)
    if before in worst:
        assert k.s["open_fault"] == before
    else:
        assert k.s["open_fault"] == min(worst, key=lambda f: since_s[f], default=-1)
    due_s = [since_s[f] + FAULTS[f].ftti_s for f in asks if k.image.faults[FAULT.level, f] >= LEVEL_FAULT]
    assert same(float(k.s["open_by_s"]), min(due_s, default=math.nan))


@pytest.mark.parametrize("level", range(LEVEL_CRITICAL + 1))
@pytest.mark.parametrize("latched", [LEVEL_NONE, LEVEL_FAULT])
def test_a_hot_balancing_board_stops_balancing_from_its_warning_on(level: int, latched: int) -> None:
    k = bench({"balancing_board_overtemperature": (level, latched, 0), "overtemperature": (LEVEL_CRITICAL, 0, 0)})
    react(k.parameters, k.image, k.protect_memory.state[0])
    assert k.s["balance_allowed"] == (max(level, latched) < LEVEL_WARNING)


def test_of_faults_that_came_together_the_first_of_the_catalogue_is_named() -> None:
    k = bench({"hvil_open": (3, 3, 950), "crash": (3, 3, 950), "insulation_low": (3, 0, 960)})
    assert opening_fault(k.image.faults, -1, LEVEL_FAULT) == min(FAULT_ID.hvil_open, FAULT_ID.crash)
    assert opening_fault(k.image.faults, FAULT_ID.insulation_low, LEVEL_FAULT) == FAULT_ID.insulation_low
    assert opening_fault(k.image.faults, FAULT_ID.insulation_low, LEVEL_WARNING) == -1


@settings(max_examples=40)
@given(standing)
def test_counts_are_forgotten_of_faults_that_neither_stand_nor_wait(faults: dict[str, tuple[int, int, int]]) -> None:
    k, counts = bench(faults), range(1, len(FAULTS) + 1)
    k.image.faults[FAULT.count] = counts
    clear_counts(k.image.faults)
    kept = {getattr(FAULT_ID, fault) for fault, (level, latched, _) in faults.items() if level or latched}
    assert k.image.faults[FAULT.count].tolist() == [n if f in kept else 0 for f, n in enumerate(counts)]


# What either contactor may break, by direction; the pyrofuse is for what neither can.
BREAKS = {"positive_break_charge_a": 100.0, "negative_break_charge_a": 200.0, "positive_break_discharge_a": 400.0,
          "negative_break_discharge_a": 300.0}  # fmt: skip
EDGES = [math.nextafter(x, way) for x in (200.0, -400.0) for way in (0.0, math.copysign(math.inf, x))]
flowing = st.sampled_from([*EDGES, 200.0, -400.0, 0.0, 150.0, -350.0, 1000.0, -1000.0, 1000.0, -1000.0, math.nan])
fuse_tick = st.tuples(flowing, st.sampled_from([GOOD, GOOD, GOOD, GOOD, HELD]), st.integers(0, 3).map(bool))


@settings(max_examples=EXAMPLES)
@given(
    st.lists(fuse_tick, min_size=1, max_size=12),
    st.sampled_from(["nothing", "warning", "waits", "overdue", "just due", "critical", "crash", "latched"]),
    st.booleans(), st.booleans(),
)  # fmt: skip
def test_the_pyrofuse_is_wished_for_by_two_conditions_only(
    course: list[tuple[float, int, bool]], cause: str, fitted: bool, on_crash: bool
) -> None:
    """Something is critical or overdue, and two good new samples in a row are above what either contactor may break."""
    wait_s = FAULTS[FAULT_ID.hvil_open].ftti_s
    faults = {
        "warning": {"hvil_open": (LEVEL_WARNING, 0, 0)},
        "waits": {"hvil_open": (LEVEL_FAULT, LEVEL_FAULT, NOW_S)},
        "overdue": {"hvil_open": (LEVEL_FAULT, LEVEL_FAULT, NOW_S - wait_s - 1.0)},
        "just due": {"hvil_open": (LEVEL_FAULT, LEVEL_FAULT, NOW_S - wait_s)},
        "critical": {"overtemperature": (LEVEL_CRITICAL, LEVEL_CRITICAL, NOW_S)},
        "crash": {"crash": (LEVEL_CRITICAL, LEVEL_CRITICAL, NOW_S)},
        "latched": {"crash": (LEVEL_NONE, LEVEL_CRITICAL, 0)},
    }.get(cause, {})
    k = bench(faults)  # type: ignore[arg-type]
    for name, amperes in BREAKS.items():
        k.parameters.scalars[name] = amperes
    k.parameters.scalars["has_pyrofuse"], k.parameters.scalars["pyrofuse_on_crash"] = fitted, on_crash
    k.parameters.faults[FAULTP.wait_s] = [f.ftti_s for f in FAULTS]
    urgent = cause in ("overdue", "just due", "critical", "crash")
    in_a_row: list[float] = []
    for current_a, quality, new in course:
        k.s["current_a"], k.s["current_quality"] = current_a, quality
        k.protect_memory.state["current_is_new"] = new
        react(k.parameters, k.image, k.protect_memory.state[0])
        beyond = (current_a > 200.0 or current_a < -400.0) and quality == GOOD
        if not beyond:
            in_a_row = []
        elif new:
            in_a_row.append(current_a)
        wished = urgent and (len(in_a_row) >= 2 or (cause == "crash" and on_crash))
        assert k.s["pyrofuse_fire"] == (fitted and wished)


def test_a_start_of_the_memory_is_that_of_a_pack_that_is_open_and_not_judged_yet() -> None:
    k = Kernel(settle=False)
    react(k.parameters, k.image, k.protect_memory.state[0])
    assert (k.s["fault_level"], k.s["open_request"], k.s["open_fault"], k.s["pyrofuse_fire"]) == (0, 0, -1, 0)
    assert (k.s["charge_allowed"], k.s["discharge_allowed"], k.s["balance_allowed"]) == (1, 1, 1)
    assert not np.isfinite(k.s["open_by_s"])


@pytest.mark.parametrize(("current_a", "fires"), [(200.0, 0), (math.nextafter(200.0, 300.0), 1), (-400.0, 0),
                                                  (math.nextafter(-400.0, -500.0), 1)])  # fmt: skip
def test_the_pyrofuse_leaves_to_a_contactor_what_the_better_one_may_break(current_a: float, fires: int) -> None:
    k = bench({"overtemperature": (LEVEL_CRITICAL, LEVEL_CRITICAL, 0)})
    for name, amperes in BREAKS.items():
        k.parameters.scalars[name] = amperes
    k.s["current_a"], k.s["current_quality"] = current_a, GOOD
    k.protect_memory.state["current_is_new"] = 1
    told = []
    for _ in range(3):
        react(k.parameters, k.image, k.protect_memory.state[0])
        told.append(int(k.s["pyrofuse_fire"]))
    assert told == [0, fires, fires]
