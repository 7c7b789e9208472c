"""Live recordings on disk: how they are called, when a new one begins, which are removed. Pure, but for `listed`."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from ionward.image.layout import Size
from ionward.runtime.recording import Header, Start

SUFFIX = ".rec"
FOLDER = "recordings"
_TIME = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"-(\d{8}T\d{6}Z)(?:-(\d+))?\.rec$")
DAY_S = 86400.0
# In the notes of a live recording's start: wall time less the time that its ticks know.
CLOCK_NOTE = "wall_minus_monotonic_s"


@dataclass(frozen=True)
class Rules:
    """How long a recording is, how often it holds the whole state, and what is kept of them.

    Free space stays above `free_bytes`, or above `free_share` of a disk so small that this is less.
    """

    segment_s: float = 600.0
    segment_bytes: int = 64_000_000
    checkpoint_s: float = 300.0
    keep_s: float = 30 * DAY_S
    keep_bytes: int = 2_000_000_000
    free_bytes: int = 500_000_000
    free_share: float = 0.05

    def floor_bytes(self, disk_bytes: int) -> int:
        """Space that stays free on a disk of this size."""
        return int(min(self.free_bytes, self.free_share * disk_bytes))


class Segment(NamedTuple):
    """One recording in the folder: when it began (wall time), its number within that second, its size."""

    began_s: float
    number: int
    path: Path
    size: int


def segment_path(folder: Path, pack_name: str, wall_s: float) -> Path:
    """A name that no file has yet: pack and start in UTC."""
    pack = re.sub(r"[^A-Za-z0-9]+", "-", pack_name).strip("-")[:40] or "pack"
    stem = f"{pack}-{datetime.fromtimestamp(wall_s, UTC).strftime(_TIME)}"
    path, number = folder / f"{stem}{SUFFIX}", 2
    while path.exists():
        path, number = folder / f"{stem}-{number}{SUFFIX}", number + 1
    return path


def next_boundary_s(wall_s: float, segment_s: float) -> float:
    """Wall time at which the next recording begins: the next multiple of its length."""
    return (math.floor(wall_s / segment_s) + 1) * segment_s


def listed(folder: Path) -> list[Segment]:
    """The recordings of live runs in a folder, oldest first. Files of other names are nobody's business."""
    found = []
    try:
        paths = list(folder.iterdir())
    except OSError:
        return []
    for path in paths:
        match = _NAME.search(path.name)
        if match is None:
            continue
        try:
            began = datetime.strptime(match[1], _TIME).replace(tzinfo=UTC)
            found.append(Segment(began.timestamp(), int(match[2] or 1), path, path.stat().st_size))
        except (OSError, ValueError):
            continue
    return sorted(found)


def to_remove(
    segments: Sequence[Segment], rules: Rules, wall_s: float, free_bytes: int, disk_bytes: int, current: Path | None
) -> list[Path]:
    """Which recordings must go, oldest first: too old, too many bytes, or too little space. Never the current one.

    Where even all of them would not make enough space, it is somebody else who fills the disk: none goes for that.

    Args:
        segments: oldest first.
        rules: what is kept.
        wall_s: now.
        free_bytes: free space on the disk.
        disk_bytes: its size.
        current: the recording that is being written.
    """
    total = sum(s.size for s in segments)
    lacking = rules.floor_bytes(disk_bytes) - free_bytes
    if lacking > sum(s.size for s in segments if s.path != current):
        lacking = 0
    out = []
    for segment in segments:
        if segment.path == current:
            continue
        too_old = wall_s - segment.began_s > rules.keep_s + rules.segment_s
        if not (too_old or total > rules.keep_bytes or lacking > 0):
            break
        out.append(segment.path)
        total -= segment.size
        lacking -= segment.size
    return out


def live_header(
    system: dict[str, Any], size: Size, cycle_s: float, start: Start, tick: int, now_s: float, wall_s: float
) -> Header:
    """Header of a live recording that begins at a tick. `start` is that of the run; times are those of now."""
    notes = {**start.notes, CLOCK_NOTE: wall_s - now_s, "began": datetime.fromtimestamp(wall_s, UTC).isoformat()}
    begins = Start(
        start.source, start.missing_channels, start.missing_cells, start.missing_sensors, notes, True, tick, start.began
    )  # fmt: skip
    return Header(system, size, cycle_s, begins)


def wall_minus_monotonic_s(header: Header) -> float | None:
    """What makes wall times of a live recording's tick times; None for recordings of simulations and logs."""
    value = header.start.notes.get(CLOCK_NOTE)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
