"""Live recordings: their names, when a new one begins, and which ones have to go."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ionward.image.layout import Size
from ionward.runtime.recording import Start
from ionward.runtime.segments import (
    DAY_S,
    Rules,
    Segment,
    listed,
    live_header,
    next_boundary_s,
    segment_path,
    to_remove,
    wall_minus_monotonic_s,
)

WALL_S = 1_800_000_000.0
RULES = Rules(keep_bytes=1000, keep_s=10 * DAY_S, free_bytes=500)
SEGMENTS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 400)), max_size=12).map(
    lambda pairs: sorted(
        Segment(WALL_S - days * DAY_S, n, Path(f"{n}.rec"), size) for n, (days, size) in enumerate(pairs)
    )
)


def test_names_tell_pack_and_time_and_never_clash(tmp_path: Path) -> None:
    first = segment_path(tmp_path, "EV 96s NMC/400 V", WALL_S)
    assert first.name == "EV-96s-NMC-400-V-20270115T080000Z.rec"
    for expected in ("Z.rec", "Z-2.rec", "Z-3.rec"):
        path = segment_path(tmp_path, "EV 96s NMC/400 V", WALL_S + 0.7)
        assert path.name.endswith(expected)
        path.write_bytes(b"x")
    assert segment_path(tmp_path, "…", WALL_S).name.startswith("pack-")
    assert [s.path.name[-11:] for s in listed(tmp_path)] == ["080000Z.rec", "0000Z-2.rec", "0000Z-3.rec"]


def test_only_live_recordings_are_listed_oldest_first(tmp_path: Path) -> None:
    for name in ("b-20270115T080000Z.rec", "a-20270115T090000Z.rec", "drive.rec", "x-20279915T080000Z.rec", "n.txt"):
        (tmp_path / name).write_bytes(b"1234")
    found = listed(tmp_path)
    assert [s.path.name[0] for s in found] == ["b", "a"]
    assert found[0][:2] == (WALL_S, 1)
    assert found[0].size == 4
    assert listed(tmp_path / "none") == []


@given(st.floats(0, 4e9), st.sampled_from([60.0, 600.0, 3600.0]))
def test_a_new_one_begins_on_the_wall_clock(wall_s: float, segment_s: float) -> None:
    boundary = next_boundary_s(wall_s, segment_s)
    assert wall_s < boundary <= wall_s + segment_s
    assert boundary % segment_s == 0


@given(SEGMENTS, st.integers(0, 2000), st.integers(-1, 11))
def test_what_stays_is_within_the_rules_and_no_more_goes_than_must(
    segments: list[Segment], free_bytes: int, current: int
) -> None:
    path = Path(f"{current}.rec")
    gone = to_remove(segments, RULES, WALL_S, free_bytes, 10**9, path)
    assert path not in gone
    removable = [s for s in segments if s.path != path]
    assert gone == [s.path for s in removable[: len(gone)]], "the oldest first"
    left = [s for s in segments if s.path not in gone]
    freed = free_bytes + sum(s.size for s in segments) - sum(s.size for s in left)
    others = [s for s in left if s.path != path]
    if others:
        assert all(WALL_S - s.began_s <= RULES.keep_s + RULES.segment_s for s in others)
        assert sum(s.size for s in left) <= RULES.keep_bytes
        assert freed >= RULES.free_bytes or free_bytes + sum(s.size for s in removable) < RULES.free_bytes
    if gone:
        last = removable[len(gone) - 1]
        before = [last, *left]
        assert (
            WALL_S - last.began_s > RULES.keep_s
            or sum(s.size for s in before) > RULES.keep_bytes
            or freed - last.size < RULES.free_bytes
        )


def test_nothing_goes_for_space_that_it_would_not_make() -> None:
    segments = [Segment(WALL_S - 900.0 + n, 1, Path(f"{n}.rec"), 100) for n in range(3)]
    assert to_remove(segments, RULES, WALL_S, 350, 10**9, None) == [Path("0.rec"), Path("1.rec")]
    assert to_remove(segments, RULES, WALL_S, 350, 10**9, Path("0.rec")) == [Path("1.rec"), Path("2.rec")]
    assert to_remove(segments, RULES, WALL_S, 199, 10**9, None) == []


@pytest.mark.parametrize(("disk", "floor"), [(2 * 10**12, 500_000_000), (4 * 10**9, 200_000_000)])
def test_small_disks_keep_a_share_free(disk: int, floor: int) -> None:
    assert Rules().floor_bytes(disk) == floor


def test_the_header_tells_the_wall_clock_and_where_it_begins() -> None:
    start = Start("simulated battery", missing_cells=(3,), notes={"scenario": "ev"})
    header = live_header({}, Size(4, 1, 1), 0.01, start, 500, 20.0, WALL_S + 20.0)
    assert (header.start.continues, header.start.first_tick, header.start.missing_cells) == (True, 500, (3,))
    assert header.start.notes["scenario"] == "ev"
    assert wall_minus_monotonic_s(header) == WALL_S
    assert wall_minus_monotonic_s(header.from_json(header.to_json())) == WALL_S
