"""What the taps across the main contactors prove, in every combination of contacts, commands and bus."""

from __future__ import annotations

import itertools
import math

import pytest

from helpers.kernel import Kernel
from ionward.image.inputs import CHANNEL
from ionward.image.signals import LEVEL_FAULT, LEVEL_NONE, LEVEL_WARNING, OPEN_IN_ORDER

WELDED, OPEN = "contactor_welded_by_voltage", "contactor_open_by_voltage"
SIDES = ("positive", "negative")
BOTH_OPEN = ("in turn", "connected")  # how the taps' dividers behave while everything is open


class Path(Kernel):
    """A pack whose contacts, bus and commands are set apart; the taps follow, and the feedback always says yes."""

    def __init__(self, dividers: str = "in turn", **pack: object) -> None:
        super().__init__(absent=("main_positive_closed", "main_negative_closed", "precharge_closed"), **pack)
        self.dividers = dividers
        self.closed = dict.fromkeys(("positive", "negative", "precharge"), False)
        self.bus_v = 0.0

    def command_to(self, positive: bool = False, negative: bool = False, precharge: bool = False) -> None:
        for name, closed in (("main_positive", positive), ("main_negative", negative), ("precharge", precharge)):
            self.s[f"{name}_close"] = closed

    def tick(self, sample: bool = True, dt_s: float | None = None) -> None:
        if hasattr(self, "closed"):
            pack_v = self.channels["pack_voltage_v"]
            plus, minus = self.closed["positive"] or self.closed["precharge"], self.closed["negative"]
            if self.closed["positive"] and minus:
                self.bus_v = pack_v
            open_v = 0.0 if self.dividers == "in turn" else (pack_v + self.bus_v) / 2.0
            self.channels["bus_voltage_v"] = self.bus_v
            self.channels["positive_tap_v"] = (
                pack_v if self.closed["positive"] or (plus and not minus) else self.bus_v if minus else open_v
            )
            self.channels["negative_tap_v"] = pack_v if minus else self.bus_v if plus else open_v
        super().tick(sample, dt_s)


@pytest.mark.verifies("SR-072")
@pytest.mark.parametrize("dividers", BOTH_OPEN)
@pytest.mark.parametrize("side", SIDES)
def test_a_welded_contactor_shows_on_a_dead_bus(side: str, dividers: str) -> None:
    k = Path(dividers)
    k.closed[side] = True
    assert k.until(WELDED, LEVEL_FAULT, 1.0) == pytest.approx(0.21, abs=0.02)
    assert k.fault(WELDED, "place") == getattr(CHANNEL, f"{side}_tap_v")
    assert k.fault(WELDED, "value") == pytest.approx(1.0)
    assert k.s["open_request"] == OPEN_IN_ORDER
    assert set(k.levels()) == {WELDED}


@pytest.mark.parametrize("side", SIDES)
def test_a_contactor_that_welds_while_closed_shows_when_the_bus_has_left_the_pack(side: str) -> None:
    k = Path("connected")
    k.command_to(True, True)
    k.closed.update(positive=True, negative=True)
    k.run(1.0)
    k.command_to()
    k.closed.update(positive=False, negative=False)
    k.closed[side] = True
    k.run(2.0)  # the link keeps its charge: nothing can be told yet
    assert k.level(WELDED) == LEVEL_NONE
    while k.bus_v > 0.80 * k.channels["pack_voltage_v"]:
        k.bus_v *= 0.999
        k.tick()
    k.run(0.3)
    assert k.level(WELDED) == LEVEL_FAULT


def test_a_welded_precharge_contactor_shows_at_the_positive_side() -> None:
    k = Path()
    k.closed["precharge"] = True
    k.run(0.5)
    assert k.fault(WELDED, "place") == CHANNEL.positive_tap_v
    assert k.level(WELDED) == LEVEL_FAULT


@pytest.mark.parametrize("dividers", BOTH_OPEN)
@pytest.mark.parametrize("bus_share", [0.0, 0.3, 0.6, 0.8, 0.86, 0.95, 1.0, 1.1, 1.4])
@pytest.mark.parametrize("closed", list(itertools.product((False, True), repeat=3)))
def test_contacts_that_are_where_they_should_be_raise_nothing(
    closed: tuple[bool, bool, bool], bus_share: float, dividers: str
) -> None:
    k = Path(dividers)
    k.closed = dict(zip(("positive", "negative", "precharge"), closed, strict=True))
    k.command_to(**k.closed)
    k.bus_v = bus_share * k.channels["pack_voltage_v"]
    k.run(3.0)
    assert {WELDED, OPEN} & set(k.levels()) == set()


@pytest.mark.parametrize("dividers", BOTH_OPEN)
def test_connecting_and_disconnecting_over_and_over_raises_nothing(dividers: str) -> None:
    """Samples of the taps come one tick late, contacts follow after two ticks, the bus charges and decays."""
    k = Path(dividers)
    pack_v = k.channels["pack_voltage_v"]
    course = [((False, True, False), 0.3), ((False, True, True), 0.5), ((True, True, True), 0.1),
              ((True, True, False), 1.0), ((False, True, False), 0.05), ((False, False, False), 0.5)]  # fmt: skip
    for _ in range(3):
        for wanted, seconds in course:
            named = dict(zip(("positive", "negative", "precharge"), wanted, strict=True))
            k.command_to(**named)
            k.run(2 * k.cycle_s)
            k.closed = named
            for _ in range(round(seconds / k.cycle_s)):
                if named["precharge"] and not named["positive"]:
                    k.bus_v += (pack_v - k.bus_v) * 0.1
                elif not named["negative"]:
                    k.bus_v *= 0.97
                k.tick()
    assert k.levels() == {}
    assert k.fault(WELDED, "count") == k.fault(OPEN, "count") == 0


def test_a_charger_that_holds_the_bus_proves_nothing() -> None:
    for side in SIDES:
        k = Path("connected")
        k.closed[side] = True
        k.bus_v = k.channels["pack_voltage_v"]
        k.run(5.0)
        assert k.level(WELDED) == LEVEL_NONE
        k.bus_v = 0.0
        k.run(0.5)
        assert k.level(WELDED) == LEVEL_FAULT


def test_a_live_bus_does_not_clear_a_weld() -> None:
    k = Path()
    k.closed["positive"] = True
    k.run(0.5)
    k.bus_v = k.channels["pack_voltage_v"]
    k.run(5.0)
    assert k.level(WELDED) == LEVEL_FAULT
    k.closed["positive"] = False
    k.bus_v = 0.0
    k.run(0.5)
    assert k.level(WELDED) == LEVEL_NONE


@pytest.mark.verifies("SR-073")
@pytest.mark.parametrize("side", SIDES)
def test_an_open_contactor_shows_where_the_bus_falls_away(side: str) -> None:
    k = Path()
    k.command_to(True, True)
    k.closed.update(positive=True, negative=True)
    k.run(1.0)
    k.closed[side] = False
    k.run(1.0)  # the link still stands at the pack's voltage
    assert k.level(OPEN) == LEVEL_NONE
    k.bus_v *= 0.94
    k.run(0.6)
    assert k.level(OPEN) == LEVEL_WARNING
    k.bus_v *= 0.5
    assert k.until(OPEN, LEVEL_FAULT, 1.0) == pytest.approx(0.31, abs=0.03)
    assert k.fault(OPEN, "place") == getattr(CHANNEL, f"{side}_tap_v")
    assert k.s["open_request"] == OPEN_IN_ORDER


def test_a_negative_contactor_that_never_closed_shows_at_once() -> None:
    k = Path()
    k.command_to(negative=True)
    k.run(0.5)
    assert k.level(OPEN) == LEVEL_FAULT
    assert k.fault(OPEN, "place") == CHANNEL.negative_tap_v


def test_a_wrong_pack_voltage_is_no_open_contactor() -> None:
    k = Path()
    k.command_to(True, True)
    k.closed.update(positive=True, negative=True)
    k.run(1.0)
    taps_v = k.channels["pack_voltage_v"]
    k.samples.silent |= {"positive_tap_v", "negative_tap_v", "bus_voltage_v"}
    for _ in range(300):
        for name in ("positive_tap_v", "negative_tap_v", "bus_voltage_v"):
            k.samples.raw.channels[:, getattr(CHANNEL, name)] = taps_v, k.now_s + k.cycle_s
        k.channels["pack_voltage_v"] = 0.7 * taps_v
        k.tick()
    assert k.level(OPEN) == LEVEL_NONE
    assert k.level("cell_sum_mismatch") == LEVEL_FAULT


def test_nothing_is_claimed_without_a_pack_voltage_or_a_bus_sensor() -> None:
    k = Path()
    k.closed["positive"] = True
    k.samples.cells[:] = math.nan
    k.samples.silent |= {"pack_voltage_v"}
    k.run(2.0)
    assert WELDED not in k.levels()
    k = Path()
    k.samples.silent.add("bus_voltage_v")
    k.run(0.5)
    k.closed["positive"] = True
    k.run(2.0)
    assert WELDED not in k.levels()


def test_a_blown_fuse_is_no_matter_of_the_taps() -> None:
    k = Path()
    k.channels["pack_voltage_v"] = 0.0
    k.command_to(True, True)
    k.run(2.0)
    assert {WELDED, OPEN} & set(k.levels()) == set()


def test_a_pack_that_does_not_switch_its_contactors_is_not_judged_by_taps() -> None:
    k = Path(has_contactors=0)
    k.closed["positive"] = True
    k.run(2.0)
    assert k.levels() == {}


@pytest.mark.verifies("SR-097")
@pytest.mark.parametrize("side", SIDES)
def test_a_lost_tap_is_told_and_the_other_one_still_counts(side: str) -> None:
    k = Path()
    k.samples.silent.add(f"{side}_tap_v")
    assert k.until("tap_lost", LEVEL_WARNING, 1.0) == pytest.approx(0.61, abs=0.02)
    assert k.fault("tap_lost", "place") == getattr(CHANNEL, f"{side}_tap_v")
    other = SIDES[1 - SIDES.index(side)]
    k.closed[other] = True
    k.run(0.5)
    assert k.level(WELDED) == LEVEL_FAULT


def test_a_pack_with_one_tap_is_watched_by_it() -> None:
    k = Kernel(absent=("negative_tap_v",))
    k.channels["positive_tap_v"] = k.channels["pack_voltage_v"]
    k.run(0.5)
    assert k.levels() == {WELDED: LEVEL_FAULT}
