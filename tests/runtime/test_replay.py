"""A recorded run can be run again, and any difference is found and named."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from helpers.recordings import PACK, SIZE, measured, small_system
from ionward.battery.system import System
from ionward.control.bms import Bms, output_size
from ionward.control.entry import tick_address
from ionward.image.build import build_parameters
from ionward.image.inputs import new_command, new_raw
from ionward.image.layout import Image, new_image
from ionward.image.signals import CELL
from ionward.runtime import frames
from ionward.runtime import recording as recording_module
from ionward.runtime import replay as replay_module
from ionward.runtime.digests import Digests
from ionward.runtime.export import export, read_samples
from ionward.runtime.playback import play, without_missing
from ionward.runtime.recording import MAGIC, Chunk, Header, Recorder, Recording, Start
from ionward.runtime.replay import numbers_in_short, replay

TICKS, CHUNKS = 20, 6


def record(path: Path, system: System, start: Start = Start("a test"), close: bool = True) -> tuple[str, list[Image]]:  # noqa: B008 - frozen
    """Run a pack on made-up samples and record it; returns the digest and the image after each chunk."""
    parameters = without_missing(build_parameters(system), start)
    bms, raw, command = Bms(parameters, SIZE), new_raw(SIZE.cells, SIZE.sensors), new_command()
    digests, images = Digests(output_size(SIZE)), []
    words = np.zeros((TICKS, output_size(SIZE)))
    recorder = Recorder(path, Header(system.as_dict(), SIZE, system.cycle.period_s, start))
    recorder.checkpoint(bms.snapshot())
    for n in range(CHUNKS):
        buffer = measured(TICKS, seed=n, first=n * TICKS)
        play(tick_address(), buffer, 0, TICKS, raw, command, parameters, bms.image, bms.memory, words)
        recorder.chunk(buffer, TICKS, digests.update(words))
        if n % 2 == 1:
            recorder.checkpoint(bms.snapshot())
        images.append(Image(*(np.array(block) for block in bms.image)))
    if close:
        recorder.close(digests.hexdigest())
    return digests.hexdigest(), images


def inputs_at(path: Path, number: int) -> int:
    """Offset of a frame of inputs."""
    with path.open("rb") as file:
        found = frames.read_frames(file, len(MAGIC) + 4, path.stat().st_size)
        return [f.offset for f in found if isinstance(f, frames.Frame) and f.kind == frames.INPUTS][number]


@pytest.fixture
def system(tmp_path: Path) -> System:
    return small_system(tmp_path)


def test_a_replay_does_the_same_again(tmp_path: Path, system: System) -> None:
    digest, _ = record(tmp_path / "a.rec", system)
    result = replay(tmp_path / "a.rec")
    assert result.agrees, result.lines()
    assert (result.ticks, result.mismatches, result.digest) == (TICKS * CHUNKS, 0, digest)
    assert (result.checkpoints, result.checkpoint_mismatches, result.losses) == (4, 0, [])
    assert result.lines() == [f"{TICKS * CHUNKS} ticks agree, bit by bit"]
    assert "source: a test" in result.story


def test_a_replay_can_begin_at_a_checkpoint(tmp_path: Path, system: System) -> None:
    record(tmp_path / "a.rec", system)
    result = replay(tmp_path / "a.rec", from_s=0.5)
    assert result.agrees
    assert (result.first_tick, result.ticks) == (2 * TICKS, 4 * TICKS)


def test_a_cut_recording_is_verified_up_to_the_cut(tmp_path: Path, system: System) -> None:
    record(tmp_path / "a.rec", system)
    data = (tmp_path / "a.rec").read_bytes()
    (tmp_path / "b.rec").write_bytes(data[: inputs_at(tmp_path / "a.rec", 3) + 50])
    result = replay(tmp_path / "b.rec")
    assert result.agrees
    assert result.cut
    assert result.ticks == 3 * TICKS
    assert "up to the cut" in result.lines()[-1]
    assert "without its end mark" in result.lines()[0]


def test_after_a_damaged_frame_the_replay_goes_on_at_the_next_checkpoint(tmp_path: Path, system: System) -> None:
    record(tmp_path / "a.rec", system)
    data = bytearray((tmp_path / "a.rec").read_bytes())
    offset = inputs_at(tmp_path / "a.rec", 2) + 20
    data[offset] ^= 0xFF
    (tmp_path / "b.rec").write_bytes(data)
    result = replay(tmp_path / "b.rec")
    assert result.agrees
    assert result.skipped_ticks == TICKS
    assert result.ticks == 4 * TICKS
    assert any("checksum" in line for line in result.lines())
    assert any("left out" in line for line in result.lines())


def test_a_changed_parameter_is_found_and_the_signal_named(tmp_path: Path, system: System) -> None:
    record(tmp_path / "a.rec", system)
    other = build_parameters(small_system(tmp_path, PACK.replace("cells_in_parallel = 4", "cells_in_parallel = 3")))
    result = replay(tmp_path / "a.rec", parameters=other)
    assert not result.agrees
    assert result.mismatches > 0
    assert result.first_mismatch_s is not None
    assert any("capacity" in text or "soc" in text for text in result.differs), result.differs
    assert any("first at" in line for line in result.lines())


def test_a_changed_header_is_found(tmp_path: Path, system: System) -> None:
    changed = small_system(tmp_path, PACK.replace("cells_in_parallel = 4", "cells_in_parallel = 3"))
    record(tmp_path / "a.rec", system)
    source = Recording(tmp_path / "a.rec")
    with Recorder(tmp_path / "b.rec", Header(changed.as_dict(), SIZE, 0.01)) as recorder:
        for item in source.read():
            if isinstance(item, Chunk):
                recorder.chunk(item.buffer, item.ticks, item.digests)
    result = replay(tmp_path / "b.rec")
    assert result.mismatches > 0
    assert not result.agrees


def test_a_wrong_digest_of_the_whole_is_found(tmp_path: Path, system: System) -> None:
    record(tmp_path / "a.rec", system, close=False)
    source = Recording(tmp_path / "a.rec")
    recorder = Recorder(tmp_path / "b.rec", source.header)
    for item in source.read():
        if isinstance(item, Chunk):
            recorder.chunk(item.buffer, item.ticks, item.digests)
    recorder.close("0" * 64)
    result = replay(tmp_path / "b.rec")
    assert result.mismatches == 0
    assert not result.agrees


def test_another_build_is_compared_within_a_tolerance(
    tmp_path: Path, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(tmp_path / "a.rec", system)
    monkeypatch.setattr(replay_module, "build_key", lambda: "another processor")
    result = replay(tmp_path / "a.rec")
    assert result.agrees
    assert not result.same_build
    assert any("only for the same build" in line for line in result.lines())
    other = build_parameters(small_system(tmp_path, PACK.replace("cells_in_parallel = 4", "cells_in_parallel = 3")))
    assert not replay(tmp_path / "a.rec", parameters=other).agrees


def test_inputs_that_were_missing_are_missing_again(tmp_path: Path, system: System) -> None:
    start = Start("three cells", ("bus_voltage_v",), (3, 4), ())
    digest, _ = record(tmp_path / "a.rec", system, start)
    result = replay(tmp_path / "a.rec")
    assert result.digest == digest
    assert "not there: 2 cells (3-4)" in result.story


def test_the_result_fits_into_json(tmp_path: Path, system: System) -> None:
    record(tmp_path / "a.rec", system)
    values = json.loads(json.dumps(asdict(replay(tmp_path / "a.rec"))))
    assert {"ticks", "mismatches", "digest"} <= set(values)


def test_exported_values_are_those_of_the_image(tmp_path: Path, system: System) -> None:
    _, images = record(tmp_path / "a.rec", system)
    done = export(tmp_path / "a.rec", tmp_path / "a.parquet", "parquet", (), every_s=0.0)
    assert done.rows == TICKS * CHUNKS
    table = pq.read_table(tmp_path / "a.parquet")
    for n, image in enumerate(images):
        row = (n + 1) * TICKS - 1
        assert table["time_s"][row].as_py() == image.scalars["time_s"][0]
        for cell in range(SIZE.cells):
            got = table[f"cell_voltage_v[{cell}]"][row].as_py()
            assert np.array_equal(got, image.cells[CELL.voltage_v, cell], equal_nan=True)
        assert np.array_equal(table["soc"][row].as_py(), image.scalars["soc"][0], equal_nan=True)
        assert table["tick"][row].as_py() == image.scalars["tick"][0]
    assert table.schema.field("cell_voltage_v[0]").metadata[b"unit"] == b"V"
    assert table["state"][0].as_py() in ("init", "standby")


def test_csv_holds_the_same_as_parquet(tmp_path: Path, system: System) -> None:
    record(tmp_path / "a.rec", system)
    names = ("current_a", "cell_voltage_v", "state", "tick", "raw.cell_voltage_v[1]")
    export(tmp_path / "a.rec", tmp_path / "a.csv", "csv", names, every_s=0.05)
    export(tmp_path / "a.rec", tmp_path / "a.parquet", "parquet", names, every_s=0.05)
    table = pq.read_table(tmp_path / "a.parquet")
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0].split(",") == table.column_names
    assert len(lines) - 1 == table.num_rows == TICKS * CHUNKS / 5
    for row, line in enumerate(lines[1:]):
        for name, text in zip(table.column_names, line.split(","), strict=True):
            value = table[name][row].as_py()
            if isinstance(value, str) or value is None:
                assert text == (value or "")
            else:
                assert (text == "" and np.isnan(value)) or float(text) == value


def test_samples_come_at_the_rate_asked_for(tmp_path: Path, system: System) -> None:
    record(tmp_path / "a.rec", system)
    samples = read_samples(tmp_path / "a.rec", ("tick", "current_a"), 0.1)
    assert samples.time_s == pytest.approx(np.arange(12) * 0.1)
    assert samples["tick"].tolist() == [1 + 10 * k for k in range(12)]


def test_a_recording_of_other_signals_is_refused(
    tmp_path: Path, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(tmp_path / "a.rec", system)
    monkeypatch.setattr(recording_module, "layout_key", lambda: "another catalogue")
    with pytest.raises(recording_module.UserError, match="knows other signals"):
        Recording(tmp_path / "a.rec")


def test_numbers_are_told_in_short() -> None:
    assert numbers_in_short([0, 1, 2, 5, 7, 8]) == "0-2, 5, 7-8"
    assert numbers_in_short([]) == ""


def test_an_image_before_the_first_tick_has_no_story() -> None:
    assert new_image(SIZE).scalars["event_count"][0] == 0
