"""The guard and switches that block one direction each: what it lets be closed, and what it catches."""

from __future__ import annotations

import pytest

from helpers.data import ROOT
from helpers.guarding import Bench, ClosedLoop, bench
from ionward.image.build import load_pack
from ionward.image.exchange import GUARD_BUS, GUARD_WISH, REQUEST_CHARGE, REQUEST_DISCHARGE
from ionward.image.guard_limits import guard_limits
from ionward.proving.prove.ground import drive_cell_voltage
from ionward.safety.guard_words import MAIN_NEGATIVE, MAIN_POSITIVE, PRECHARGE

BOTH = ("main_positive", "main_negative")
SWITCHES = guard_limits(load_pack(ROOT / "examples/home-16s-switches.toml")[0])


def one_way() -> Bench:
    return bench(one_way=True, diode_v=0.7, charge_close_max_v=4.25, discharge_close_min_v=2.7)


def test_a_pack_in_one_direction_is_sound() -> None:
    for wish in (("main_positive",), ("main_negative",)):
        b = one_way()
        b.connected()
        b.control["open_request"] = REQUEST_CHARGE if wish == ("main_positive",) else REQUEST_DISCHARGE
        b.wish(*wish)
        assert b.for_s(20.0).enable
        b.control["open_request"] = 0
        b.step(5)
        b.wish(*BOTH)
        assert b.for_s(5.0).enable


def test_where_contactors_block_both_directions_the_positive_one_alone_is_no_sound_wish() -> None:
    b = bench()
    b.connected()
    b.wish("main_positive")
    assert b.step().reason == GUARD_WISH


@pytest.mark.verifies("SR-222")
@pytest.mark.parametrize(
    ("request_", "wished", "place"),
    [
        (REQUEST_CHARGE, ("main_negative",), MAIN_NEGATIVE),
        (REQUEST_DISCHARGE, ("main_positive",), MAIN_POSITIVE),
        (REQUEST_DISCHARGE, ("precharge",), PRECHARGE),
    ],
)
def test_what_protection_wants_open_is_not_newly_closed(request_: int, wished: tuple[str, ...], place: int) -> None:
    b = one_way()
    b.good()
    b.channels["bus_voltage_v"] = b.channels["pack_voltage_v"]
    b.control["open_request"] = request_
    b.step(5)
    b.wish(*wished)
    verdict = b.step()
    assert (verdict.reason, verdict.place, verdict.tripped) == (GUARD_WISH, place, True)


@pytest.mark.verifies("SR-222")
def test_what_protection_wants_open_does_not_stay_closed() -> None:
    b = one_way()
    b.connected()
    b.control["open_request"] = REQUEST_CHARGE
    assert b.for_s(b.limits.opening_max_s - b.limits.cycle_s).enable
    verdict = b.step(4)
    assert (verdict.reason, verdict.place) == (GUARD_WISH, MAIN_NEGATIVE)


@pytest.mark.verifies("SR-163")
@pytest.mark.parametrize(
    ("wished", "above_v", "reason", "place"),
    [
        ("main_negative", 20.0, GUARD_BUS, MAIN_NEGATIVE),
        ("main_negative", -20.0, None, -1),
        ("main_positive", 20.0, None, -1),
        ("main_positive", -20.0, GUARD_BUS, MAIN_POSITIVE),
    ],
)
def test_a_switch_closes_onto_a_bus_to_which_nothing_rushes(
    wished: str, above_v: float, reason: int | None, place: int
) -> None:
    b = one_way()
    b.good()
    b.channels["bus_voltage_v"] = b.channels["pack_voltage_v"] + above_v
    b.step(5)
    b.wish(wished)
    verdict = b.step(2)
    assert verdict.enable == (reason is None)
    if reason is not None:
        assert (verdict.reason, verdict.place) == (reason, place)
        assert verdict.value == pytest.approx(-above_v)


@pytest.mark.verifies("SR-163")
@pytest.mark.parametrize(
    ("volts", "wished", "place"),
    [(4.26, "main_negative", MAIN_NEGATIVE), (2.69, "main_positive", MAIN_POSITIVE)],
)
def test_a_switch_is_not_closed_while_a_cell_forbids_its_direction(volts: float, wished: str, place: int) -> None:
    other = "main_positive" if wished == "main_negative" else "main_negative"
    b = one_way()
    b.connected()
    b.cells[0] = volts
    assert b.step(5).enable  # the kernel's to judge while it is closed
    b.wish(other)
    assert b.for_s(1.0).enable
    b.wish(*BOTH)
    verdict = b.step()
    assert (verdict.reason, verdict.place, verdict.value) == (GUARD_WISH, place, pytest.approx(volts))
    # A single sample decides nothing.
    b = one_way()
    b.connected()
    b.wish(other)
    b.step(5)
    b.cells[0] = volts
    b.wish(*BOTH)
    assert b.step().enable


@pytest.mark.verifies("SR-132", "SR-166")
def test_the_guard_lets_an_overcharged_pack_feed_the_house() -> None:
    system, parameters = load_pack(ROOT / "examples/home-16s-switches.toml")
    loop = ClosedLoop(system)
    loop.run(1.0)
    loop.command["connect"] = 1
    loop.run(4.0)
    assert loop.connected
    _fill(loop, system, parameters)
    verdict = loop.run(20.0)
    assert verdict.enable
    assert [int(loop.control[name][0]) for name in BOTH] == [1, 0]
    assert loop.control["open_request"][0] == REQUEST_CHARGE
    assert verdict.reason == 0


def _fill(loop: ClosedLoop, system: object, parameters: object) -> None:
    """One cell stands a little above the level at which charging is blocked."""
    from types import SimpleNamespace

    from ionward.image.fault_levels import resolved_levels
    from ionward.image.faults import BY_ID

    level = resolved_levels(BY_ID["cell_overvoltage"], loop.system)[2]
    assert level is not None
    drive_cell_voltage(SimpleNamespace(plant=loop.twin.plant), 3, level.set + 0.01, above=True)  # type: ignore[arg-type]
