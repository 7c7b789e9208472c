"""What survives the end of control comes back to the next one, or is refused with a reason."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.survivors import BOOT, OTHER_BOOT, WALL_S, Bench, known
from ionward.control.contactors import SEQ, STEP_PROVE
from ionward.image.faults import BY_ID, FAULT_ID, FAULTS
from ionward.image.inputs import CHANNEL, RAW
from ionward.image.signals import (
    CELL,
    FAULT,
    HOLD_NOT_OPENED,
    HOLD_WELDED,
    LEVEL_CRITICAL,
    OPEN_NONE,
    STATE_CONNECTED,
    STATE_FAULT,
    STATE_OPENING,
    STATE_STANDBY,
)
from ionward.runtime.survival import Refusal, Survived, decode, encode, pack_fingerprint, survival_words, urgent_part
from ionward.runtime.survival_record import HEAD_RECORD, HEAD_WORDS, SURVIVING_CELL, SURVIVING_FAULT, Pack, seal


@pytest.fixture(scope="module")
def data() -> bytes:
    """The record of an EV pack that has run for a second."""
    bench = Bench(soc=0.62)
    bench.step(100)
    bench.bms.image.scalars["charge_throughput_ah"], bench.bms.image.scalars["discharge_throughput_ah"] = 812.5, 790.25
    bench.command["acknowledge_count"] = 3
    return bench.record()


@st.composite
def states(draw: st.DrawFn) -> Survived:
    cells = draw(st.integers(1, 4))
    socs = draw(st.lists(st.floats(0, 1) | st.just(np.nan), min_size=cells, max_size=cells))
    faults = np.array([[0x1A0100, 0x1A0200], [0, draw(st.integers(0, 4))], [0, 7], [0.0, 12.5]], dtype=float)
    word = st.integers(-(2**63), 2**63 - 1)
    return Survived(
        Pack(draw(word), draw(word), draw(st.text(max_size=16))),
        draw(st.integers(0, 2**62)),
        (draw(word), draw(word)),
        draw(st.floats(0, 4e9)),
        draw(st.floats(0, 4e9)),
        draw(st.integers(0, 2**40)),
        draw(st.integers(0, 6)),
        draw(st.integers(0, 1000)),
        *draw(st.tuples(*[st.floats(0, 1e6)] * 4)),
        draw(st.booleans()),
        draw(st.integers(0, 18)),
        *draw(st.tuples(st.integers(0, 9), st.integers(0, 9), st.floats(0, 1e5))),
        draw(st.just(-np.inf) | st.floats(-1e6, 1e9)),
        np.array([socs, [0.01] * cells, [50.0] * cells, [np.nan] * cells, [0.0] * cells]),
        faults,
    )


@given(states())
def test_what_was_encoded_is_decoded(survived: Survived) -> None:
    found = decode(encode(survived))
    assert isinstance(found, Survived)
    assert found.cells.tobytes() == survived.cells.tobytes()
    assert found.faults.tobytes() == survived.faults.tobytes()
    nothing = np.zeros(0)
    # A name is kept without the zeros that fill it up.
    assert found.pack == survived.pack._replace(name=survived.pack.name.rstrip("\0"))
    assert replace(found, cells=nothing, faults=nothing, pack=survived.pack) == replace(
        survived, cells=nothing, faults=nothing
    )


@pytest.mark.verifies("SR-171")
@given(st.data())
@settings(max_examples=300)
def test_any_flipped_bit_is_refused(data: bytes, draw: st.DataObject) -> None:
    bit = draw.draw(st.integers(0, 8 * len(data) - 1))
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    assert isinstance(decode(bytes(changed)), Refusal)


@given(st.data())
@settings(max_examples=100)
def test_any_cut_and_anything_added_is_refused(data: bytes, draw: st.DataObject) -> None:
    assert isinstance(decode(data[: draw.draw(st.integers(0, len(data) - 1))]), Refusal)
    assert isinstance(decode(data + draw.draw(st.binary(min_size=1, max_size=40))), Refusal)


@given(st.binary(max_size=2000))
def test_bytes_of_anything_else_are_refused(other: bytes) -> None:
    assert isinstance(decode(other), Refusal)
    assert decode(bytes(8 * survival_words(96))) == Refusal("nothing was written yet")


@pytest.mark.parametrize("field", ["words", "cells", "faults"])
@pytest.mark.parametrize("value", [-1, 0, 3, 97, 2**40, 2**62, -(2**63)])
def test_a_count_that_lies_is_refused_though_its_checksum_is_right(data: bytes, field: str, value: int) -> None:
    words = np.frombuffer(data, np.int64).copy()
    words[:HEAD_WORDS].view(HEAD_RECORD)[field] = value
    seal(words)
    assert isinstance(decode(words), Refusal)


@pytest.mark.verifies("SR-171")
@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("wall_s", np.nan, "times"),
        ("resume_s", np.inf, "times"),
        ("charge_throughput_ah", np.inf, "counters"),
        ("acknowledge_count", -1, "counters"),
        ("lock_reason", 1000, "sequence"),
        ("state", -1, "sequence"),
        ("version", 1, "version 1"),
        ("magic", 0, "no state"),
    ],
)
def test_values_that_no_bms_writes_are_refused(data: bytes, field: str, value: float, named: str) -> None:
    words = np.frombuffer(data, np.int64).copy()
    words[:HEAD_WORDS].view(HEAD_RECORD)[field] = value
    seal(words)
    found = decode(words)
    assert isinstance(found, Refusal)
    assert named in found.reason


@pytest.mark.parametrize(("row", "value"), [(SURVIVING_CELL.soc, 1.5), (SURVIVING_CELL.soc_std, -0.1)])
def test_a_soc_that_cannot_be_is_refused(data: bytes, row: int, value: float) -> None:
    survived = known(data)
    survived.cells[row, 17] = value
    assert decode(encode(survived)) == Refusal("no BMS can have written this: SOC")


@pytest.mark.parametrize("value", [4.5, -1.0, 9.0, np.nan])
def test_a_latched_level_that_cannot_be_is_refused(data: bytes, value: float) -> None:
    survived = known(data)
    survived.faults[SURVIVING_FAULT.latched_level, 5] = value
    assert isinstance(decode(encode(survived)), Refusal)


def test_the_record_holds_what_the_image_shows(data: bytes) -> None:
    survived = known(data)
    assert survived.pack.name == "EV 96s NMC 400 V"
    assert survived.cells[SURVIVING_CELL.soc] == pytest.approx(np.full(96, 0.62), abs=0.05)
    assert np.all(survived.cells[SURVIVING_CELL.soc_std] > 0.0)
    assert survived.cells[SURVIVING_CELL.capacity_ah] == pytest.approx(np.full(96, 127.926))
    assert survived.faults[SURVIVING_FAULT.dtc].tolist() == [fault.dtc for fault in FAULTS]
    assert (survived.charge_throughput_ah, survived.discharge_throughput_ah) == (812.5, 790.25)
    assert (survived.tick, survived.acknowledge_count) == (100, 3)
    assert survived.wall_s == pytest.approx(WALL_S + survived.time_s)


def test_soc_and_counters_come_back(data: bytes) -> None:
    kept = known(data)
    new = Bench(soc=0.62, now_s=130.0)
    report = new.take_over(data)
    assert report.restored
    assert report.soc_restored
    assert report.refused == []
    assert "29.0 s old" in report.what[0]
    assert (report.sequence, int(new.command["acknowledge_count"][0])) == (1, 3)
    s = new.step()
    assert new.bms.image.cells[CELL.soc] == pytest.approx(kept.cells[SURVIVING_CELL.soc], abs=2e-3)
    assert s["estimate_ready"] == 1
    assert (s["charge_throughput_ah"], s["discharge_throughput_ah"]) == (812.5, 790.25)
    again = Bench(soc=0.62, now_s=131.0)
    new.step(100)
    assert again.take_over(new.record()).restored


def test_uncertainty_grows_with_the_time_that_nobody_looked() -> None:
    bench = Bench()
    bench.step(50)
    data = bench.record()
    stds = []
    for down_s in (0.0, 86400.0, 30 * 86400.0, 600 * 86400.0):
        new = Bench(now_s=bench.now_s + down_s)
        assert new.take_over(data).soc_restored
        stds.append(float(new.bms.memory.estimate.preset[1].max()))
    assert stds == sorted(stds)
    assert stds[0] == pytest.approx(known(data).cells[SURVIVING_CELL.soc_std].max(), abs=2e-3)
    assert 0.03 <= stds[2] < 0.2
    assert stds[3] > 0.5


def test_time_is_told_by_the_wall_clock_after_a_boot() -> None:
    bench = Bench(now_s=50_000.0)
    bench.step(10)
    new = Bench(now_s=20.0)  # a fresh boot, one hour later
    report = new.take_over(bench.record(), boot=OTHER_BOOT, wall_s=WALL_S + 53_600.0)
    assert report.down_s == pytest.approx(3600.0, abs=1.0)
    assert "60 minutes old" in report.what[0]


def test_a_clock_that_was_set_back_leaves_a_month_of_doubt() -> None:
    bench = Bench(now_s=50_000.0)
    bench.step(10)
    new = Bench(now_s=20.0)
    report = new.take_over(bench.record(), boot=OTHER_BOOT, wall_s=WALL_S)
    assert report.soc_restored
    assert np.isnan(report.down_s)
    assert any("may be a month old" in text for text in report.what)
    assert new.bms.memory.estimate.preset[1].min() >= 0.03


def test_a_soc_that_does_not_fit_the_voltage_is_refused_and_starts_from_it() -> None:
    bench = Bench(soc=0.8)
    bench.step(100)
    new = Bench(soc=0.3, now_s=200.0)
    report = new.take_over(bench.record())
    assert report.restored
    assert not report.soc_restored
    [text] = report.refused
    assert "cell " in text
    assert "starts from the cell voltages" in text
    new.step()
    assert new.bms.image.cells[CELL.soc] == pytest.approx(np.full(96, 0.3), abs=0.05)


def test_one_cell_that_was_changed_refuses_the_pack_and_is_named() -> None:
    bench = Bench(soc=0.6)
    bench.step(100)
    new = Bench(soc=0.6, now_s=200.0)
    new.cell_v[41] -= 0.3
    report = new.take_over(bench.record())
    assert "cell 41 was kept at SOC" in report.refused[0]
    assert not report.soc_restored


@given(st.floats(0.02, 0.98), st.floats(0.02, 0.98), st.sampled_from(["ev-96s", "home-16s"]))
@settings(max_examples=25)
def test_what_is_refused_is_far_from_the_voltage_and_what_fits_is_taken(kept: float, true: float, pack: str) -> None:
    ended_s, data = rested(pack)
    survived = known(data)
    survived.cells[SURVIVING_CELL.soc] = kept
    survived.cells[SURVIVING_CELL.soc_std] = 0.01
    new = Bench(pack, soc=true, now_s=ended_s)
    taken = new.take_over(encode(survived).tobytes()).soc_restored
    if abs(kept - true) < 0.03:
        assert taken
    if pack == "ev-96s" and abs(kept - true) > 0.4:
        assert not taken, "an NMC cell cannot be mistaken so far"
    if pack == "home-16s" and (kept - true) * (0.5 - true) > 0 and 0.4 < kept < 0.7 and 0.4 < true < 0.7:
        assert taken, "on the plateau of an LFP cell the voltage refutes nothing"


@cache
def rested(pack: str) -> tuple[float, bytes]:
    """When a pack at rest ended, and its record."""
    bench = Bench(pack)
    bench.step(60)
    return bench.now_s, bench.record()


def test_polarisation_that_has_not_relaxed_refutes_nothing() -> None:
    bench = Bench(soc=0.5)
    bench.step(60)
    survived = known(bench.record())
    survived.cells[SURVIVING_CELL.polarisation_v] = -0.12
    data = encode(survived).tobytes()
    for down_s, taken in ((0.5, True), (24 * 3600.0, False)):
        new = Bench(soc=0.5, now_s=survived.time_s + down_s)
        new.cell_v -= 0.12  # as after a hard discharge
        assert new.take_over(data).soc_restored == taken


@pytest.mark.parametrize("current_a", [60.0, np.nan])
def test_a_voltage_under_load_is_no_rest_voltage(current_a: float) -> None:
    bench = Bench(soc=0.8)
    bench.step(60)
    new = Bench(soc=0.3, now_s=200.0)
    new.channels[CHANNEL.current_a] = new.channels[CHANNEL.current_redundant_a] = current_a
    report = new.take_over(bench.record())
    assert report.soc_restored
    assert any("could not be compared" in text for text in report.what)


@pytest.mark.verifies("SR-170")
def test_a_latched_fault_blocks_until_it_is_acknowledged() -> None:
    bench = Bench()
    bench.step(10)
    faults = bench.bms.image.faults
    f = FAULT_ID.cell_overvoltage
    faults[FAULT.latched_level, f], faults[FAULT.count, f], faults[FAULT.since_s, f] = LEVEL_CRITICAL, 4, 42.0
    data = bench.record()
    for boot, now_s, shift in ((BOOT, 700.0, 0.0), (OTHER_BOOT, 5.0, -695.0)):
        new = Bench(now_s=now_s)
        report = new.take_over(data, boot=boot, wall_s=WALL_S + 700.0)
        assert any("Cell overvoltage (critical)" in text for text in report.what)
        new.command["connect"] = 1
        s = new.step()
        assert (s["state"], s["latched_faults"], s["charge_allowed"]) == (STATE_FAULT, 1, 0)
        assert s["open_request"] != OPEN_NONE
        assert s["open_fault"] == f
        assert new.bms.image.faults[FAULT.count, f] == 4
        assert new.bms.image.faults[FAULT.since_s, f] == pytest.approx(42.0 + shift, abs=1e-6)
        s = new.step(300)
        assert (s["main_negative_close"], s["latched_faults"]) == (0, 1)
        new.command["acknowledge_count"] += 1
        new.command["connect"] = 0
        s = new.step(3)
        assert (s["latched_faults"], s["state"]) == (0, STATE_STANDBY)


def test_an_unknown_trouble_code_that_is_latched_is_told() -> None:
    bench = Bench()
    bench.step(10)
    survived = known(bench.record())
    survived.faults[SURVIVING_FAULT.dtc, 0] = 0x1AFFFF
    assert Bench(now_s=200.0).take_over(encode(survived).tobytes()).refused == []
    survived.faults[SURVIVING_FAULT.latched_level, 0] = 3
    [text] = Bench(now_s=200.0).take_over(encode(survived).tobytes()).refused
    assert "0x1affff" in text


@pytest.mark.verifies("SR-170")
@pytest.mark.parametrize("opening", [False, True])
def test_a_lock_of_the_sequence_holds_until_it_is_acknowledged(opening: bool) -> None:
    bench = Bench()
    bench.step(20)
    s, m = bench.bms.image.scalars[0], bench.bms.memory.sequence.fields
    bench.command["acknowledge_count"] = 2
    reason = HOLD_WELDED if opening else HOLD_NOT_OPENED
    if opening:
        s["state"], m[SEQ.step], m[SEQ.after], m[SEQ.why] = STATE_OPENING, STEP_PROVE, STATE_FAULT, reason
    else:
        s["state"], s["state_reason"], m[SEQ.own_fault], m[SEQ.acknowledged] = STATE_FAULT, reason, 1.0, 2
    new = Bench(now_s=300.0)
    report = new.take_over(bench.record())
    assert any("waiting to be acknowledged" in text for text in report.what)
    new.command["connect"] = 1
    s = new.step(200)
    assert (s["state"], s["state_reason"]) == (STATE_FAULT, reason)
    new.command["connect"] = 0
    new.step(1)
    new.command["acknowledge_count"] += 1
    assert new.step(2)["state"] == STATE_STANDBY


def test_a_lock_that_was_acknowledged_is_none() -> None:
    bench = Bench()
    bench.step(20)
    s, m = bench.bms.image.scalars[0], bench.bms.memory.sequence.fields
    s["state"], s["state_reason"], m[SEQ.own_fault], m[SEQ.acknowledged] = STATE_FAULT, HOLD_WELDED, 1.0, 2
    bench.command["acknowledge_count"] = 3
    assert not known(bench.record()).locked


@pytest.mark.verifies("SR-170")
def test_the_precharge_resistor_stays_hot_and_its_pause_goes_on() -> None:
    bench = Bench()
    bench.step(20)
    m = bench.bms.memory.sequence.fields
    pause_s = float(bench.parameters.scalars["precharge_pause_s"][0])
    m[SEQ.heat_j], m[SEQ.resume_s] = 900.0, bench.now_s + pause_s
    bench.bms.image.scalars["precharge_tries"] = 2
    data = bench.record()
    new = Bench(now_s=bench.now_s + 1.0)
    report = new.take_over(data)
    fields = new.bms.memory.sequence.fields
    assert 900.0 > fields[SEQ.heat_j] >= 900.0 * np.exp(-1.1 / pause_s)
    assert fields[SEQ.resume_s] == pytest.approx(new.now_s + pause_s - 1.0, abs=0.1)
    assert any("cools down" in text for text in report.what)
    new.command["connect"] = 1
    assert new.step(20)["state"] == STATE_STANDBY
    later = Bench(now_s=bench.now_s + 1e5)
    later.take_over(data)
    assert later.bms.memory.sequence.fields[SEQ.heat_j] < 1e-3
    assert not later.bms.memory.sequence.fields[SEQ.resume_s] > later.now_s


@pytest.mark.verifies("SR-171")
def test_the_newest_whole_copy_is_taken_and_the_others_are_told() -> None:
    bench = Bench()
    bench.step(10)
    old = bench.record()
    bench.bms.image.scalars["charge_throughput_ah"] = 5.0
    new = bench.record()
    damaged = bytearray(new)
    damaged[100] ^= 1
    foreign = encode(replace(known(new), pack=Pack(1, 2, "Somebody else's"), sequence=99)).tobytes()
    bench = Bench(now_s=150.0)
    report = bench.take_over(old, bytes(damaged), new, foreign)
    assert report.what[0].startswith("state taken from c")
    assert bench.bms.image.scalars["charge_throughput_ah"][0] == 5.0
    assert [text.split(":")[0] for text in report.refused] == ["b", "d"]
    assert "'Somebody else's'" in report.refused[1]


def test_without_a_usable_copy_a_new_bms_stays_new() -> None:
    bench = Bench()
    before = bench.bms.snapshot()
    report = bench.take_over(b"", b"\0" * 4096)
    assert not report.restored
    assert len(report.refused) == 2
    assert bench.bms.snapshot() == before


@pytest.mark.verifies("SR-172")
def test_contactors_that_were_closed_are_told() -> None:
    bench = Bench()
    bench.step(10)
    assert not Bench(now_s=200.0).take_over(bench.record()).was_closed
    bench.bms.image.scalars["state"] = STATE_CONNECTED
    assert Bench(now_s=200.0).take_over(bench.record()).was_closed
    watched = Bench(now_s=200.0)
    watched.parameters.scalars["has_contactors"] = 0  # somebody else switches this pack
    assert not watched.take_over(bench.record()).was_closed


def test_limits_and_sensors_may_change_but_cells_and_capacity_make_another_pack() -> None:
    bench = Bench()
    system, size = bench.system.as_dict(), bench.bms.size
    same = pack_fingerprint({**system, "limits": {}}, size)
    assert same == bench.pack
    for part, key, value in (("system", "name", "B"), ("topology", "capacity_ah", 99.0), ("cell_model", "name", "x")):
        other = {**system, part: {**system[part], key: value}}
        assert pack_fingerprint(other, size)[:2] != bench.pack[:2]
    assert pack_fingerprint(system, size._replace(cells=95))[:2] != bench.pack[:2]


def test_only_latches_counts_and_locks_are_urgent() -> None:
    bench = Bench()
    bench.step(20)
    bench.record()
    before = urgent_part(bench.words)
    bench.step(30)
    bench.bms.image.scalars["charge_throughput_ah"] += 1.0
    bench.record()
    assert urgent_part(bench.words) == before
    for change in ("latched_level", "count"):
        bench.bms.image.faults[getattr(FAULT, change), FAULT_ID.crash] = 3
        bench.record()
        assert urgent_part(bench.words) != before
        before = urgent_part(bench.words)
    bench.command["acknowledge_count"] += 1
    bench.record()
    assert urgent_part(bench.words) != before


def test_samples_out_of_range_say_nothing_about_soc() -> None:
    bench = Bench(soc=0.6)
    bench.step(60)
    new = Bench(soc=0.6, now_s=200.0)
    new.sample()
    new.cell_v[3] = 0.0  # a broken wire
    assert new.take_over(bench.record()).soc_restored
    assert BY_ID["cell_overvoltage"].dtc == FAULTS[FAULT_ID.cell_overvoltage].dtc
    assert new.raw.cells[RAW.value, 3] < 0.1
