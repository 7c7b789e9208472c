"""A recording gives back exactly what was handed over, and says plainly what it cannot."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from helpers.recordings import SIZE, header, measured
from ionward.errors import UserError
from ionward.image.inputs import CHANNELS, new_command, new_raw
from ionward.image.layout import Size
from ionward.runtime import frames
from ionward.runtime.codec import InputCodec, RecordBuffer, pull, push, record_buffer
from ionward.runtime.recording import MAGIC, Checkpoint, Chunk, End, Loss, Recorder, Recording


def same(a: RecordBuffer, b: RecordBuffer) -> bool:
    return all(x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))


def write(path: Path, chunks: int = 3, ticks: int = 10) -> list[RecordBuffer]:
    buffers = [measured(ticks, seed=n, first=n * ticks) for n in range(chunks)]
    with Recorder(path, header()) as recorder:
        recorder.checkpoint(b"state 0")
        for n, buffer in enumerate(buffers):
            recorder.chunk(buffer, ticks, np.arange(ticks, dtype=np.uint64) + n)
        recorder.checkpoint(b"state 1")
        recorder.close("abc")
    return buffers


def read(path: Path) -> list[Any] | UserError:
    try:
        return list(Recording(path).read())
    except UserError as error:
        return error


def check_prefix(items: list[Any], buffers: list[RecordBuffer], ticks: int = 10) -> None:
    """Whatever was read is right, in order."""
    for item in items:
        if isinstance(item, Chunk):
            n, rest = divmod(item.first_tick, ticks)
            assert rest == 0
            assert same(item.buffer, buffers[n])
            assert item.digests.tolist() == [k + n for k in range(ticks)]
        elif isinstance(item, Checkpoint):
            assert item in (Checkpoint(0, b"state 0"), Checkpoint(3 * ticks, b"state 1"))
        elif isinstance(item, End):
            assert item == End(3 * ticks, "abc")


def test_what_was_recorded_is_read_back_bit_by_bit(tmp_path: Path) -> None:
    buffers = write(tmp_path / "a.rec")
    recording = Recording(tmp_path / "a.rec")
    assert recording.header == header()
    items = list(recording.read())
    assert [type(i) for i in items] == [Checkpoint, Chunk, Chunk, Chunk, Checkpoint, End]
    check_prefix(items, buffers)


def test_reading_from_a_tick_skips_the_chunks_before_it(tmp_path: Path) -> None:
    write(tmp_path / "a.rec")
    chunks = [i for i in Recording(tmp_path / "a.rec").read(from_tick=15) if isinstance(i, Chunk | Loss)]
    assert [c.first_tick for c in chunks] == [10, 20]


def test_push_and_pull_are_inverse() -> None:
    buffer = measured(4)
    raw, command = new_raw(SIZE.cells, SIZE.sensors), new_command()
    other = record_buffer(SIZE, 4)
    for k in range(4):
        pull(buffer, k, raw, command)
        push(other, raw, command, k)
    assert same(buffer, other)


def test_a_file_cut_anywhere_is_read_up_to_the_cut(tmp_path: Path) -> None:
    buffers = write(tmp_path / "a.rec")
    data = (tmp_path / "a.rec").read_bytes()
    cut = tmp_path / "cut.rec"
    most = 0
    for length in range(len(data)):
        cut.write_bytes(data[:length])
        items = read(cut)
        if isinstance(items, UserError):
            assert most == 0, "a longer file must not say less"
            assert len(items.problems) == 1
            continue
        check_prefix(items, buffers)
        assert isinstance(items[-1], Loss)
        assert items[-1].cut
        assert str(length) in items[-1].text or "bytes of it cannot be used" in items[-1].text
        assert sum(isinstance(i, Loss) for i in items) == 1
        chunks = sum(isinstance(i, Chunk) for i in items)
        assert chunks >= most
        most = chunks
    assert most == 3


def test_a_flipped_byte_anywhere_is_told_and_the_rest_is_right(tmp_path: Path) -> None:
    buffers = write(tmp_path / "a.rec")
    data = (tmp_path / "a.rec").read_bytes()
    flipped = tmp_path / "flipped.rec"
    readable = 0
    for at in range(len(data)):
        flipped.write_bytes(data[:at] + bytes([data[at] ^ (1 << (at % 8))]) + data[at + 1 :])
        items = read(flipped)
        if isinstance(items, UserError):
            assert len(items.problems) == 1
            continue
        readable += 1
        check_prefix(items, buffers)
        losses = [i.text for i in items if isinstance(i, Loss)]
        assert losses, f"byte {at} is wrong and nobody says so"
        assert sum(isinstance(i, Chunk) for i in items) >= 2, "one damaged frame costs one frame"
    assert readable > len(data) / 3


def test_a_missing_frame_is_told(tmp_path: Path) -> None:
    write(tmp_path / "a.rec")
    data = (tmp_path / "a.rec").read_bytes()
    with (tmp_path / "a.rec").open("rb") as file:
        found = [f for f in frames.read_frames(file, len(MAGIC) + 4, len(data)) if isinstance(f, frames.Frame)]
    second = [f for f in found if f.kind == frames.INPUTS][1]
    (tmp_path / "b.rec").write_bytes(data[: second.offset] + data[frames.frame_end(second) :])
    losses = [i.text for i in Recording(tmp_path / "b.rec").read() if isinstance(i, Loss)]
    assert losses == ["ticks 10 to 19 are missing"]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "empty (0 bytes)"),
        (b"PAR1 something else entirely", "not an Ionward recording"),
        (b"\x00" * 4096, "not an Ionward recording"),
        (MAGIC[:5], "cut after 5 bytes"),
        (MAGIC + b"\x01\x00", "the header is cut"),
        (MAGIC + b"\x07\x00\x00\x00" + b"\x00" * 100, "recording of format 7"),
        (MAGIC + b"\x01\x00\x00\x00" + frames.Packer().pack(frames.HEADER, b"{}"), "makes no sense"),
        (MAGIC + b"\x01\x00\x00\x00" + frames.Packer().pack(frames.HEADER, b"\xff"), "makes no sense"),
        (MAGIC + b"\x01\x00\x00\x00" + frames.Packer().pack(frames.END, b"{}"), "the header is"),
    ],
)
def test_foreign_files_are_refused_in_one_line(tmp_path: Path, data: bytes, text: str) -> None:
    path = tmp_path / "x.rec"
    path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        Recording(path)
    assert len(caught.value.problems) == 1
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        Recording(tmp_path / "none.rec")
    with pytest.raises(UserError, match="is a folder"):
        Recording(tmp_path)


class FullDisk(io.FileIO):
    """A file on a disk with room for `room` bytes."""

    room = 0

    def write(self, data: Any) -> int:
        left = self.room - self.tell()
        if left <= 0:
            raise OSError(28, "No space left on device")
        return super().write(memoryview(data)[:left])


@pytest.mark.parametrize("room_after", [1, 40, 300])
def test_a_full_disk_is_told_once_and_earlier_data_stay_readable(tmp_path: Path, room_after: int) -> None:
    path = tmp_path / "a.rec"
    opened: list[FullDisk] = []

    def opener(where: Path) -> BinaryIO:
        opened.append(FullDisk(where, "w"))
        opened[0].room = 1 << 20
        return opened[0]  # type: ignore[return-value]

    recorder = Recorder(path, header(), opener=opener)
    buffer = measured(10)
    digests = np.arange(10, dtype=np.uint64)
    recorder.chunk(buffer, 10, digests)
    opened[0].room = recorder.bytes + room_after
    with pytest.raises(UserError, match=r"stopped after 10 ticks: No space left on device"):
        recorder.chunk(buffer, 10, digests)
    recorder.chunk(buffer, 10, digests)  # said once, then silent
    recorder.checkpoint(b"state")
    recorder.close()
    items = list(Recording(path).read())
    assert [type(i) for i in items] == [Chunk, Loss]
    assert same(items[0].buffer, buffer)  # type: ignore[union-attr]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_device_that_is_full_from_the_start_is_told() -> None:
    with pytest.raises(UserError, match="No space left"):
        Recorder("/dev/full", header())


def test_a_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        Recorder(tmp_path / "file" / "a.rec", header())


def test_each_chunk_is_on_its_way_when_chunk_returns(tmp_path: Path) -> None:
    path = tmp_path / "a.rec"
    recorder = Recorder(path, header(), sync_every=1)
    recorder.chunk(measured(10), 10, np.zeros(10, np.uint64))
    assert os.path.getsize(path) == recorder.bytes  # noqa: PTH202 - as another process sees it
    assert [type(i) for i in Recording(path).read()] == [Chunk, Loss]
    recorder.close()


def test_after_an_error_the_file_is_like_after_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "a.rec"

    def crash() -> None:
        with Recorder(path, header()) as recorder:
            recorder.chunk(measured(10), 10, np.zeros(10, np.uint64))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        crash()
    assert [type(i) for i in Recording(path).read()] == [Chunk, Loss]


values = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True, width=64),
    st.integers(-60000, 60000).map(lambda n: n * 1e-4),
    st.integers(-6000, 6000).map(lambda n: n / 1000),
    st.sampled_from([0.0, -0.0, 1.0, 0.5, np.inf, -np.inf, np.nan, 1e300, 5e-324]),
)


@settings(max_examples=80, deadline=None)
@given(data=st.data(), ticks=st.integers(0, 6), cells=st.integers(0, 9), sensors=st.integers(0, 2))
def test_any_inputs_survive_the_codec(data: st.DataObject, ticks: int, cells: int, sensors: int) -> None:
    size = Size(cells, sensors, 1)
    shape = (ticks, CHANNELS + cells + sensors)
    pool = data.draw(st.lists(values, min_size=1, max_size=6))
    pick = st.integers(0, len(pool) - 1)
    buffer = record_buffer(size, ticks)
    buffer.time_s[:] = data.draw(hnp.arrays(float, ticks, elements=values))
    buffer.values[:] = np.array(pool)[data.draw(hnp.arrays(int, shape, elements=pick))]
    buffer.sample_times_s[:] = np.array(pool)[data.draw(hnp.arrays(int, shape, elements=pick))]
    buffer.commands["connect"] = data.draw(hnp.arrays(np.int64, ticks, elements=st.integers(-(2**63), 2**63 - 1)))
    codec = InputCodec(size)
    for _ in range(2):  # the second time with what the codec learnt in the first
        assert same(codec.decode(codec.encode(buffer, ticks)), buffer)


def test_nan_with_a_payload_keeps_its_bits() -> None:
    buffer = measured(3)
    buffer.values.view(np.int64)[1, 0] = 0x7FF8000000000123
    buffer.values.view(np.int64)[2, 0] = -1
    codec = InputCodec(SIZE)
    assert same(codec.decode(codec.encode(buffer, 3)), buffer)


def test_noisy_sensors_take_well_under_30_megabytes_an_hour(tmp_path: Path) -> None:
    """96 cells every 20 ms with 2 mV (3 sigma) of noise at 0.1 mV, current every 10 ms."""
    size = Size(96, 24, 12)
    with Recorder(tmp_path / "a.rec", header(size)) as recorder:
        for n in range(3):
            digests = np.random.default_rng(n).integers(0, 2**63, 100).astype(np.uint64)
            recorder.chunk(measured(100, size, n, 100 * n), 100, digests)
    assert recorder.bytes / 3 * 3600 < 30e6
