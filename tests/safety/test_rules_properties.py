"""Rules of protection as properties: what each judges by, for values on and beside every boundary, NaN, infinities, and
samples that come early, late or not at all. The expected figures are worked out anew with NumPy, from the documents."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.judging import beside, judged, same, usable
from helpers.kernel import Kernel
from ionward.image.faults import FAULTS
from ionward.image.inputs import CHANNEL, CHANNEL_SIGNALS, RAW
from ionward.image.parameters import CELLP, FAULTP
from ionward.image.signals import EVENT, FAULT, LEVEL_CRITICAL, LEVEL_FAULT, OPEN_IN_ORDER, OPEN_NONE, OPEN_NOW
from ionward.safety.protect import protect
from ionward.safety.validate import validate

EXAMPLES = 60


# --- cells and temperatures

cell_volts = st.lists(beside(0.0, 2.0, 2.5, 2.8, 3.7, 4.2, 4.25, 5.0) | st.floats(2.0, 4.5), min_size=6, max_size=6)


@settings(max_examples=EXAMPLES)
@given(cell_volts)
def test_cells_are_judged_by_the_highest_the_lowest_and_what_lies_between(volts: list[float]) -> None:
    k = Kernel(cells=6, modules=2, settle=False)
    k.samples.still = True
    k.samples.cells[:] = volts
    k.tick()
    known = usable(volts, 0.0, 5.0)
    if np.isnan(known).all():
        assert not any(judged(k, f, "usable") for f in ("cell_overvoltage", "cell_undervoltage", "deep_discharge"))
        return
    torn, place = judged(k, "sense_wire_open"), int(judged(k, "sense_wire_open", "place"))
    at_end = ((known <= 0.01) | (known >= 4.99)).any()
    if not (np.isnan(known).any() or at_end):  # else one of two may stand further out than it is read
        assert same(torn, torn_apart(k, known))
    if torn > k.ladder("sense_wire_open", LEVEL_CRITICAL - 1)["set"]:
        known[place : place + 2] = math.nan  # they are known to be wrong
        if np.isnan(known).all():
            return
    high, low = np.nanmax(known), np.nanmin(known)
    for fault, value, places in (
        ("cell_overvoltage", high, known == high),
        ("cell_undervoltage", low, known == low),
        ("deep_discharge", low, known == low),
        ("cell_voltage_spread", high - low, known == low),
    ):
        assert same(judged(k, fault), value)
        assert places[int(judged(k, fault, "place"))]
        assert judged(k, fault, "newest") == judged(k, fault)
    assert judged(k, "cell_voltage_lost") == 0.0  # they may still come


def torn_apart(k: Kernel, volts: np.ndarray) -> float:
    """The largest half difference of neighbours in a module that lean away from the mean by about the same."""
    away, module = volts - np.nanmean(volts), k.parameters.cells[CELLP.module]
    torn = [0.0]
    if np.nanmax(volts) - np.nanmin(volts) > 0.1:
        for one, other, here, there in zip(away, away[1:], module, module[1:], strict=False):
            if here == there and abs(one + other) < 0.4 * abs(one - other) / 2:
                torn.append(abs(one - other) / 2)
    return max(torn)


@settings(max_examples=EXAMPLES)
@given(
    st.lists(beside(-50.0, -20.0, 0.0, 45.0, 60.0, 125.0), min_size=4, max_size=4), st.sampled_from([-50.0, 0.0, 50.0])
)
def test_temperatures_are_judged_by_the_worst_sensor_and_the_direction(celsius: list[float], current_a: float) -> None:
    k = Kernel(sensors=4, modules=2, settle=False)
    k.samples.temperatures[:] = celsius
    k.current(current_a)
    k.tick()
    known = usable(celsius, -50.0, 125.0)
    for direction, flows in (("charge_", current_a > 3.0), ("discharge_", current_a < -3.0), ("", True)):
        for kind, worst in (("over", np.nanmax), ("under", np.nanmin)):
            fault = f"{direction}{kind}temperature"
            assert judged(k, fault, "active") == flows
            assert judged(k, fault, "usable") == (not np.isnan(known).all())
            if not np.isnan(known).all():
                assert same(judged(k, fault), worst(known))
                assert same(judged(k, fault, "newest"), worst(known))
                assert known[int(judged(k, fault, "place"))] == worst(known)
    if not np.isnan(known).all():
        modules = [known[:2], known[2:]]
        spreads = [np.nanmax(m) - np.nanmin(m) for m in modules if not np.isnan(m).all()]
        assert same(judged(k, "temperature_disagreement"), max(spreads))
        assert same(judged(k, "temperature_spread"), np.nanmax(known) - np.nanmin(known))


# --- currents

amperes = beside(-1000.0, -600.0, -3.0, 0.0, 3.0, 225.0, 600.0, 1000.0) | st.floats(-999.0, 999.0)


@settings(max_examples=2 * EXAMPLES)
@given(amperes, amperes)
def test_each_direction_takes_the_worse_reading_of_two_sensors(first: float, second: float) -> None:
    k = Kernel(settle=False)
    k.channels["current_a"], k.channels["current_redundant_a"] = first, second
    k.tick()
    known = usable([first, second], -1000.0, 1000.0)
    unknown = bool(np.isnan(known).all())
    for fault, readings in (("charge_overcurrent", known), ("charge_overcurrent_pulse", known),
                            ("discharge_overcurrent", -known), ("discharge_overcurrent_pulse", -known)):  # fmt: skip
        assert judged(k, fault, "usable") == (not unknown)
        if not unknown:
            assert judged(k, fault) == judged(k, fault, "newest") == np.nanmax(readings)
            assert readings[int(judged(k, fault, "place")) - CHANNEL.current_a] == np.nanmax(readings)
    beyond_range = [math.isinf(x) or abs(x) > 1000.0 for x in (first, second)]
    short = judged(k, "short_circuit")
    if any(beyond_range):
        assert short >= 1000.0
        assert judged(k, "short_circuit", "newest") == short
    elif not unknown:
        assert short == np.nanmax(np.abs(known))
    if not np.isnan(known).any():
        assert same(judged(k, "current_sensors_disagree"), abs(known[0] - known[1]))
    else:
        assert not judged(k, "current_sensors_disagree", "usable")


@settings(max_examples=30, deadline=None)
@given(st.floats(0.0, 599.0), st.integers(10, 400))
def test_busbars_heat_towards_the_square_of_the_current(current_a: float, ticks: int) -> None:
    k = Kernel()
    k.close()
    k.current(current_a)
    for _ in range(ticks):
        k.tick()
    heat = (current_a / 200.0) ** 2 * (1.0 - (1.0 - 0.01 / 60.0) ** ticks)
    assert judged(k, "fuse_busbar_i2t") == pytest.approx(heat / 1.5, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("current_a", [600.0, 700.0, 1000.0, 1200.0, 2000.0, 5000.0, 6000.0])
def test_a_fuse_melts_by_its_curve(current_a: float) -> None:
    k = Kernel()
    k.parameters.channel_limits[2, [CHANNEL.current_a, CHANNEL.current_redundant_a]] = 1e4
    k.parameters.scalars["i2t_rated_a"] = 1e9  # busbars that nothing heats
    k.current(current_a)
    k.tick()
    curve_a, curve_s = [600.0, 1200.0, 5000.0], [3600.0, 10.0, 0.01]
    melts_s = math.exp(np.interp(math.log(current_a), np.log(curve_a), np.log(curve_s)))
    if current_a > curve_a[-1]:
        melts_s = curve_s[-1] * (curve_a[-1] / current_a) ** 2  # I²t is constant
    assert judged(k, "fuse_busbar_i2t") == pytest.approx(min(0.01 / melts_s, 1.0) / 0.8, rel=1e-9)


def test_a_fuse_gets_its_strength_back() -> None:
    k = Kernel()
    k.parameters.scalars["i2t_rated_a"] = 1e9
    k.current(1000.0)
    k.run(0.1)
    melted = judged(k, "fuse_busbar_i2t")
    k.current(0.0)
    k.run(1.0)
    assert judged(k, "fuse_busbar_i2t") == pytest.approx(melted * (1.0 - 0.01 / 100.0) ** 100, rel=1e-6)


# --- points, taps, insulation, precharge


@settings(max_examples=EXAMPLES)
@given(beside(-50.0, 25.0, 90.0, 200.0), beside(-50.0, 25.0, 90.0, 200.0))
def test_of_two_points_the_hotter_one_counts(positive_c: float, negative_c: float) -> None:
    k = Kernel(settle=False)
    k.channels["contactor_positive_c"], k.channels["contactor_negative_c"] = positive_c, negative_c
    k.tick()
    known = usable([positive_c, negative_c], -50.0, 200.0)
    assert judged(k, "contactor_overtemperature", "usable") == (not np.isnan(known).all())
    if not np.isnan(known).all():
        hottest = float(np.nanmax(known))
        assert judged(k, "contactor_overtemperature") == judged(k, "contactor_overtemperature", "newest") == hottest
        assert known[int(judged(k, "contactor_overtemperature", "place")) - CHANNEL.contactor_positive_c] == hottest
        assert judged(k, "contactor_overtemperature", "complete") == (not np.isnan(known).any())


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=5, max_size=40), st.integers(0, 65000))
def test_no_error_of_a_monitor_is_counted_twice_or_lost(errors: list[int], start: int) -> None:
    """Each error adds a tenth of one per second, and what has flown off since is the rate over time."""
    k = Kernel(settle=False)
    k.channels["monitor_crc_errors"] = float(start)
    k.tick()
    flown = 0.0
    for new in errors:
        flown += 0.01 * judged(k, "monitor_crc")
        k.channels["monitor_crc_errors"] += new
        k.tick()
    assert 10.0 * judged(k, "monitor_crc") + flown == pytest.approx(sum(errors))


@settings(max_examples=EXAMPLES)
@given(beside(0.0, 7.4, 12.57, 12.58, 14.06, 14.8, 16.0), beside(0.0, 7.4, 12.57, 12.58, 14.8), st.booleans())
def test_a_tap_proves_a_weld_only_on_a_bus_that_stands_apart(tap_v: float, bus_v: float, feedback: bool) -> None:
    k = Kernel()
    k.channels["positive_tap_v"] = k.channels["bus_voltage_v"] = 0.0
    k.run(0.2)
    k.channels.update(positive_tap_v=tap_v, bus_voltage_v=bus_v, main_positive_closed=float(feedback))
    k.tick()
    tap, bus = usable([tap_v, bus_v], 0.0, 1e5)
    if math.isnan(tap):
        tap = 0.0  # held
    if math.isnan(bus):
        bus = 0.0
    share = tap / 14.8
    proven = bus / 14.8 < 0.85 or share <= 0.95
    told = judged(k, "contactor_welded_by_voltage")
    assert same(told, share) if proven else not judged(k, "contactor_welded_by_voltage", "complete")


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(1e5, 9e6), min_size=2, max_size=30))
def test_insulation_is_compared_with_its_own_slow_mean(ohms: list[float]) -> None:
    k = Kernel(settle=False)
    seen: list[float] = []
    for ohm in ohms:
        k.channels["insulation_ohm"] = ohm
        k.tick()
        seen.append(ohm)
        share = judged(k, "insulation_falling")
        assert ohm / max(seen) - 1e-9 <= share <= ohm / min(seen) + 1e-9
    assert judged(k, "insulation_falling", "newest") == judged(k, "insulation_falling")


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0.0, 14.8), min_size=1, max_size=30))
def test_the_precharge_resistor_takes_the_square_of_the_voltage_across_it(bus_v: list[float]) -> None:
    k = Kernel()
    k.s["main_negative_close"] = k.s["precharge_close"] = 1
    k.channels["main_negative_closed"] = k.channels["precharge_closed"] = 1.0
    taken_j = 0.0
    for volts in bus_v:
        k.channels["bus_voltage_v"] = volts
        k.tick()
        pack_v = float(k.samples.raw.cells[RAW.value].sum())
        taken_j += (pack_v - volts) ** 2 / 50.0 * 0.01
    assert judged(k, "precharge_resistor_hot") == pytest.approx(taken_j, rel=1e-4)
    k.s["precharge_close"] = 0
    k.tick()
    assert judged(k, "precharge_resistor_hot") == pytest.approx(taken_j * (1.0 - 0.01 / 5.0), rel=1e-4)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.05, 1.0), st.integers(0, 5))
def test_a_steady_rise_is_never_read_as_faster_than_it_is(kelvin_per_s: float, silent: int) -> None:
    k = Kernel()
    for n in range(600):
        k.samples.temperatures[:] = 25.0 + kelvin_per_s * 0.01 * (n + 1)
        k.tick(sample=n % (silent + 1) == 0)
        assert judged(k, "temperature_rising_fast") <= kelvin_per_s * (1.0 + 1e-9)
    assert judged(k, "temperature_rising_fast") == pytest.approx(kelvin_per_s * (1.0 - math.exp(-2.0)), rel=0.03)


# --- the whole kernel


def fuzz(k: Kernel, data: st.DataObject) -> None:
    """Something happens to some of the samples; some are late, some come twice or from the future."""
    name = data.draw(st.sampled_from(sorted(k.channels)))
    k.channels[name] = data.draw(beside(0.0, 1.0, 14.8, 200.0) | st.floats(allow_nan=True, allow_infinity=True))
    k.samples.cells[data.draw(st.integers(0, 3))] = data.draw(beside(2.0, 2.5, 2.8, 3.7, 4.2, 4.25, 5.0))
    k.samples.temperatures[data.draw(st.integers(0, 1))] = data.draw(beside(-50.0, 0.0, 25.0, 45.0, 70.0))
    for name in ("main_positive", "main_negative", "precharge"):
        k.s[f"{name}_close"] = data.draw(st.sampled_from([0, 0, 1]))


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_whatever_comes_levels_events_and_requests_agree(data: st.DataObject) -> None:
    k = Kernel()
    counted = int(k.s["event_count"])
    for _ in range(15):
        fuzz(k, data)
        acknowledged = data.draw(st.integers(0, 4)) == 0
        if acknowledged:
            k.acknowledge()
        for n in range(data.draw(st.integers(1, 12))):
            before = k.image.faults.copy()
            k.now_s += data.draw(st.sampled_from([0.0, 0.001, 0.01, 0.01, 0.03, 0.2]))
            raw = k.samples.sample(k.now_s)
            shift = data.draw(st.sampled_from([0.0, 0.0, -0.005, 0.005, -0.2, 0.02]))
            for block in (raw.cells, raw.temperatures, raw.channels):
                block[RAW.time_s] += shift
            validate(raw, k.parameters, k.image, k.validate_memory)
            protect(k.parameters, k.command, k.image, k.protect_memory)
            counted = agrees(k, before, counted, acknowledged and n == 0)


def agrees(k: Kernel, before: np.ndarray, counted: int, acknowledged: bool) -> int:
    """Check what follows from the levels in this tick; the number of events so far."""
    faults, s, rules = k.image.faults, k.s, k.parameters.faults
    level, latched = faults[FAULT.level], faults[FAULT.latched_level]
    changed = np.flatnonzero(level != before[FAULT.level])
    assert s["event_count"] == counted + len(changed)
    slots = [n % k.image.events.shape[1] for n in range(counted, int(s["event_count"]))]
    assert sorted(k.image.events[EVENT.fault, slots]) == sorted(changed)
    assert ((level >= 0) & (level <= LEVEL_CRITICAL)).all()
    latching = rules[FAULTP.latching] > 0.0
    assert (latched[latching] >= np.where(level >= LEVEL_FAULT, level, 0)[latching]).all()
    if not acknowledged:
        kept = rules[FAULTP.service] == 0.0
        assert (latched[kept] >= before[FAULT.latched_level][kept]).all()
    counts = np.maximum(level, latched)
    worst = counts.max()
    wanted = OPEN_NOW if worst == LEVEL_CRITICAL else OPEN_IN_ORDER if worst == LEVEL_FAULT else OPEN_NONE
    assert s["open_request"] == wanted
    assert s["fault_level"] == level.max()
    assert s["latched_faults"] == (latched > 0).sum()
    opening = counts >= LEVEL_FAULT
    assert s["charge_allowed"] == (not (opening & (rules[FAULTP.blocks_charge] > 0.0)).any())
    assert s["discharge_allowed"] == (not (opening & (rules[FAULTP.blocks_discharge] > 0.0)).any())
    assert (s["open_fault"] == -1) == (worst < LEVEL_FAULT)
    if worst >= LEVEL_FAULT:
        assert counts[s["open_fault"]] == worst
    return int(s["event_count"])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.floats(0.004, 0.02), st.floats(0.0, 0.003)), min_size=30, max_size=60))
def test_jitter_of_ticks_and_samples_raises_nothing_and_delays_no_overvoltage(steps: list[tuple[float, float]]) -> None:
    k = Kernel()
    k.cells(4.0, 4.1, 4.1, 4.1)
    k.run(0.05)
    k.cells(4.0, 4.15, 4.1, 4.1)
    since_s, beyond_s = math.nan, math.nan
    for n, (dt_s, age_s) in enumerate(steps):
        if n == 10:
            k.cells(4.0, 4.24, 4.1, 4.1)
            since_s = k.now_s + dt_s
        k.now_s += dt_s
        raw = k.samples.sample(k.now_s)
        for block in (raw.cells, raw.temperatures, raw.channels):
            block[RAW.time_s] -= age_s
        validate(raw, k.parameters, k.image, k.validate_memory)
        protect(k.parameters, k.command, k.image, k.protect_memory)
        raised = set(k.levels())
        assert raised <= ({"cell_overvoltage"} if n >= 10 else set())
        if math.isnan(beyond_s) and k.level("cell_overvoltage") >= LEVEL_FAULT:
            beyond_s = k.now_s
    if k.now_s - since_s > 0.05 + 0.02 + 1e-6:
        assert 0.05 - 1e-6 <= beyond_s - since_s <= 0.05 + 0.02 + 1e-6


def test_every_fault_that_has_a_sensor_is_judged_in_a_healthy_pack() -> None:
    k = Kernel()
    unjudged = {f.id for f in FAULTS if not judged(k, f.id, "usable")}
    assert unjudged <= {"coolant_overtemperature", "cooling_lost"}  # the small pack does not cool
    assert len(CHANNEL_SIGNALS) >= len(k.channels)
