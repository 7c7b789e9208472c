"""Replay: the recorded run again, compared tick by tick with what it did then.

Bit by bit equal outputs are promised for the same build (sources, libraries, processor). Elsewhere rounding may differ
in the last digits, so there the states are compared at the checkpoints, within `TOLERANCE`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ionward.control.bms import Bms, output_size
from ionward.image.events import describe
from ionward.image.layout import Image
from ionward.image.parameters import Parameters
from ionward.image.signals import EVENT_SLOTS, LEVELS, STATES
from ionward.runtime.digests import Digests
from ionward.runtime.playback import Playback, Played
from ionward.runtime.recording import Checkpoint, Recording, Start, build_key
from ionward.runtime.selection import Column, Gatherer, all_columns

TOLERANCE = 1e-6  # of a value, or of 1 where it is smaller; states, counts and places must be equal
_SHOWN = 8


@dataclass
class Replay:
    """What a replay found. Times are those of the recording's clock."""

    ticks: int = 0
    mismatches: int = 0
    digest: str = ""
    recorded_digest: str | None = None
    first_mismatch_s: float | None = None
    differs: list[str] = field(default_factory=list)
    checkpoints: int = 0
    checkpoint_mismatches: int = 0
    same_build: bool = True
    recorded_build: str = ""
    first_tick: int = 0
    cut: bool = False
    skipped_ticks: int = 0
    losses: list[str] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    last_s: float | None = None

    @property
    def agrees(self) -> bool:
        """The run did again what it did then: to the bit in the same build, else within the tolerance."""
        if not self.same_build:
            return self.checkpoint_mismatches == 0
        whole = self.first_tick == 0 and not self.losses and self.recorded_digest
        return (
            self.mismatches == 0
            and self.checkpoint_mismatches == 0
            and (not whole or self.digest == self.recorded_digest)
        )

    def lines(self) -> list[str]:
        """The findings as sentences."""
        out = [f"lost: {text}" for text in self.losses]
        if self.skipped_ticks:
            out.append(f"{self.skipped_ticks} ticks after a loss were left out, up to the next checkpoint")
        upto = " up to the cut" if self.cut else ""
        if not self.same_build:
            out.append(
                f"recorded by another build ({self.recorded_build}): outputs are promised to be equal bit by bit only "
                f"for the same build, so the state was compared at {self.checkpoints} checkpoints within {TOLERANCE:g}"
            )
            if self.checkpoints == 0:
                out.append("there is no checkpoint to compare with: nothing is verified")
            out.append(f"{self.mismatches} of {self.ticks} ticks differ in some bit, which is no error here")
        if not self.agrees:
            if self.first_mismatch_s is not None:
                out.append(f"{self.mismatches} of {self.ticks} ticks differ, first at {self.first_mismatch_s:.3f} s")
            elif self.checkpoint_mismatches == 0:
                out.append("every tick agrees, but the digest over all of them does not: the end mark is wrong")
            if self.checkpoint_mismatches:
                out.append(f"{self.checkpoint_mismatches} of {self.checkpoints} checkpoints differ")
            out += [f"differs: {text}" for text in self.differs]
        elif self.same_build:
            out.append(f"{self.ticks} ticks agree{upto}, bit by bit")
        else:
            out.append(f"{self.ticks} ticks agree{upto}, within the tolerance")
        return out


def replay(path: Path | str, from_s: float = 0.0, parameters: Parameters | None = None) -> Replay:
    """Run a recording again and compare.

    Args:
        path: the recording.
        from_s: start from the last checkpoint at or before this time after the recording's start.
        parameters: run with these instead of the recorded ones, to see what they change.

    Raises:
        UserError: the file is no recording that can be read.
    """
    playback = Playback(Recording(path), parameters)
    header = playback.recording.header
    result = Replay(same_build=header.build == build_key(), recorded_build=header.build_text)
    digests = Digests(output_size(header.size))
    judge = _Judge(playback, result)
    for item in playback.run(from_s):
        if isinstance(item, Played):
            _compare_ticks(item, digests, result)
        else:
            judge.compare(item)
    result.ticks = digests.ticks
    result.digest = digests.hexdigest()
    result.recorded_digest = playback.end.digest if playback.end else None
    result.first_tick = max(playback.first_tick, 0)
    result.cut, result.losses, result.skipped_ticks = playback.cut, playback.losses, playback.skipped_ticks
    result.story = _story(playback, result)
    return result


def _story(playback: Playback, result: Replay) -> list[str]:
    """What happened in the run, in a few sentences: where it came from, events, and how it ended."""
    start, image = playback.recording.header.start, playback.image
    out = [f"source: {start.source}"] if start.source else []
    out += [f"not there: {text}" for text in missing_inputs(start)]
    count = int(image.scalars["event_count"][0])
    kept = min(count, EVENT_SLOTS)
    if count > kept:
        out.append(f"{count - kept} earlier events are no longer known")
    out += [told_event(image, number % EVENT_SLOTS) for number in range(count - kept, count)]
    if result.last_s is not None:
        s = image.scalars[0]
        soc = f"SOC {100 * s['soc']:.2f} %" if np.isfinite(s["soc"]) else "SOC unknown"
        out.append(f"at {result.last_s:.3f} s: {STATES[s['state']]}, {soc}, fault level {LEVELS[s['fault_level']]}")
    return out


def missing_inputs(start: Start) -> list[str]:
    """What the source of a run did not have, in words."""
    out = list(start.missing_channels)
    for what, items in (("cell", start.missing_cells), ("temperature sensor", start.missing_sensors)):
        if items:
            out.append(f"{len(items)} {what}s ({numbers_in_short(items)})")
    return out


def numbers_in_short(numbers: Sequence[int]) -> str:
    """0, 1, 2, 5 as `0-2, 5`."""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and n == runs[-1][1] + 1:
            runs[-1][1] = n
        else:
            runs.append([n, n])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def told_event(image: Image, slot: int) -> str:
    """One event of the ring as a sentence."""
    event = describe(image.events[:, slot])
    return f"{event['time_s']:.3f} s: {event['text']}"


def _compare_ticks(played: Played, digests: Digests, result: Replay) -> None:
    differ = np.flatnonzero(digests.update(played.words) != played.recorded)
    result.mismatches += len(differ)
    if len(differ) and result.first_mismatch_s is None:
        result.first_mismatch_s = float(played.time_s[differ[0]])
    result.last_s = float(played.time_s[-1])


class _Judge:
    """Compares the state with recorded checkpoints, signal by signal."""

    def __init__(self, playback: Playback, result: Replay) -> None:
        self.playback = playback
        self.result = result
        size = playback.recording.header.size
        self.columns = [c for c in all_columns(size) if not c.name.startswith(("raw.", "command."))]
        self.gatherer = Gatherer(self.columns)
        assert playback.parameters is not None
        self.recorded = Bms(playback.parameters, size)

    def compare(self, checkpoint: Checkpoint) -> None:
        """Count a difference, and tell the first ones."""
        result = self.result
        result.checkpoints += 1
        if self.playback.bms.snapshot() == checkpoint.state:
            return
        self.recorded.restore(checkpoint.state)
        then, now = self._values(self.recorded.image), self._values(self.playback.image)
        equal = (then == now) | (np.isnan(then) & np.isnan(now))
        if not result.same_build:
            with np.errstate(invalid="ignore"):  # infinity less infinity; equal ones are known already
                near = np.abs(now - then) <= TOLERANCE * np.maximum(np.abs(then), 1.0)
            numbers = np.array([not c.is_whole for c in self.columns])
            equal |= near & numbers
            if equal.all():
                return
        result.checkpoint_mismatches += 1
        if result.differs:
            return
        where = np.flatnonzero(~equal)
        at = f"after tick {checkpoint.tick}"
        told = [_told(self.columns[k], then[k], now[k], at) for k in where[:_SHOWN]]
        if len(where) > _SHOWN:
            told.append(f"and {len(where) - _SHOWN} more signals {at}")
        result.differs = told or [f"the memory of a stage, in no signal of the image, {at}"]

    def _values(self, image: Image) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        out = np.zeros(len(self.columns))
        self.gatherer.gather(image, self.playback.raw, self.playback.command, out)
        return out


def _told(column: Column, then: float, now: float, at: str) -> str:
    unit = f" {column.signal.unit}" if column.signal.unit else ""
    return f"{column.name} was {then:.9g}{unit}, is {now:.9g}{unit}, {at}"
