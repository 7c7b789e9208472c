"""Measured captures through the complete BMS: what it would have known, said and done.

Somebody else's controller drove this battery; the BMS watches. So contactors and precharge count as not ours, inputs
that the captures do not hold count as not fitted, and what cannot be known is listed in words (`unknown`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ionward._compile import njit
from ionward.battery.system import System
from ionward.control.bms import Bms, output_size, output_words
from ionward.control.entry import call_tick, tick_address
from ionward.control.tick import Memory
from ionward.hardware.captures import Captures
from ionward.hardware.logs import Schedule, feed, new_schedule
from ionward.image.build import build_parameters, system_size
from ionward.image.catalogue import Signal, rows
from ionward.image.inputs import Raw, new_command
from ionward.image.layout import Image
from ionward.image.masks import Moment, masked_words, with_masks
from ionward.image.parameters import Parameters
from ionward.image.signals import BAD, LIMIT_RULES, STATES
from ionward.proving.events import EventReader
from ionward.proving.measured_story import Connection, infer_connection, what_is_unknown
from ionward.runtime.codec import RecordBuffer, push, record_buffer
from ionward.runtime.digests import Digests
from ionward.runtime.playback import without_missing
from ionward.runtime.recording import Header, Recorder, Start

CHUNK_S = 1.0
CHUNK_TICKS = 100  # at least: between chunks Python runs
CHECKPOINT_S = 60.0
COVERED = 0.99  # share of the time in which a logger's period counts as its period, and not as a gap
LOGGER_PERIOD_MAX_S = 300.0
SETTLE_S = 600.0  # a SOC beside ours is compared from here on, or over the last half of a shorter capture

SEEN_SIGNALS = (
    Signal("cells", "", "Ticks in which every fitted cell voltage was usable"),
    Signal("soc", "", "Ticks with a SOC"),
    Signal("current", "", "Ticks with a usable current"),
    Signal("charge", "", "Ticks in which charging was allowed"),
    Signal("discharge", "", "Ticks in which discharging was allowed"),
)
SEEN = rows("Seen", SEEN_SIGNALS)


@njit
def run_ticks(
    address: int,
    schedule: Schedule,
    first: int,
    ticks: int,
    start_s: float,
    raw: Raw,
    command: Any,
    parameters: Parameters,
    image: Image,
    memory: Memory,
    record: RecordBuffer,
    words: npt.NDArray[np.float64],
    seen: npt.NDArray[np.float64],
    fitted_cells: int,
) -> None:
    """Some ticks on captures. Inputs and output words of each go to their rows; `seen` `[SEEN]` counts."""
    cycle_s = parameters.scalars[0]["cycle_s"]
    s = image.scalars[0]
    for k in range(ticks):
        now_s = start_s + (first + k) * cycle_s
        raw.clock[0]["time_s"] = now_s
        feed(schedule, now_s, raw)
        push(record, raw, command, k)
        call_tick(address, raw, command, parameters, image, memory)
        output_words(image, words[k])
        seen[SEEN.cells] += 1.0 if fitted_cells > 0 and s["cells_usable"] >= fitted_cells else 0.0
        seen[SEEN.soc] += 1.0 if s["soc"] == s["soc"] else 0.0
        seen[SEEN.current] += 1.0 if s["current_quality"] < BAD else 0.0
        seen[SEEN.charge] += 1.0 if s["charge_limit_a"] > 0.0 else 0.0
        seen[SEEN.discharge] += 1.0 if s["discharge_limit_a"] > 0.0 else 0.0


@dataclass
class Comparison:
    """Somebody else's SOC beside ours, as fractions."""

    source: str
    column_start: float
    column_end: float
    ours_end: float
    rmse: float
    largest: float
    from_s: float


@dataclass
class MeasuredResult:
    """What came out of a run on captures."""

    name: str
    sources: tuple[str, ...]
    ticks: int
    first_s: float
    simulated_s: float
    wall_s: float
    final_state: str
    contactors_closed: bool
    events: list[dict[str, Any]]
    digest: str
    unknown: list[str]
    notes: list[str]
    soc_end: float
    soc_std_end: float
    seen: dict[str, float]
    limits: dict[str, Any]
    connection: Connection
    comparison: Comparison | None
    largest_sum_difference_v: float | None = None
    traces: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict, repr=False)

    def as_json(self) -> dict[str, Any]:
        """The object of `ionward simulate --json`, with what is not known. NaN becomes null."""
        values: dict[str, Any] = {
            "ticks": self.ticks,
            "simulated_s": self.simulated_s,
            "wall_s": self.wall_s,
            "final_state": self.final_state,
            "contactors_closed": self.contactors_closed,
            "events": self.events,
            "digest": self.digest,
            "expectations_failed": 0,
            "sources": list(self.sources),
            "unknown": self.unknown,
            "notes": self.notes,
            "soc_end": self.soc_end,
            "soc_std_end": self.soc_std_end,
            "share_of_time": self.seen,
            "limits": self.limits,
            "connection": self.connection.as_json(),
            "soc_comparison": None if self.comparison is None else vars(self.comparison),
            "cell_sum_difference_max_v": self.largest_sum_difference_v,
        }
        return {name: _finite(value) for name, value in values.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return value


class Progress(NamedTuple):
    """Where a run is."""

    done_s: float
    whole_s: float
    events: int


def observed(system: System, captures: Captures) -> tuple[System, list[str]]:
    """The system as somebody sees it who only watches, and what was changed for that, in words.

    Contactors and precharge belong to the controller that drove the battery. In the profile `bench` the sensors are a
    logger's, so a sample stays usable for as long as that logger usually takes for two.
    """
    notes = []
    parts: dict[str, Any] = {}
    if system.contactors.fitted:
        parts["contactors"] = system.contactors.model_copy(update={"fitted": False})
        parts["precharge"] = system.precharge.model_copy(update={"fitted": False})
        notes.append("contactors and precharge are another controller's: the BMS watches and drives nothing")
    if system.system.profile == "bench":
        sensors = {}
        for name, source in (
            ("cell_voltage", "cell_voltage_v[0]"),
            ("current", "current_a"),
            ("temperature", "sensor_temperature_c[0]"),
        ):
            capture, sensor = captures.source_of(source), getattr(system.sensors, name)
            if capture is None or len(capture.time_s) < 3:
                continue
            slow_s = 2.0 * min(slow_period_s(capture.time_s), LOGGER_PERIOD_MAX_S)
            if slow_s > sensor.age_max_s:
                sensors[name] = sensor.model_copy(update={"age_max_s": slow_s})
                notes.append(f"{name}: {capture.source} has a row every {capture.period_s:g} s, so a sample counts for "
                             f"{slow_s:.3g} s instead of {sensor.age_max_s:g} s")  # fmt: skip
        if sensors:
            parts["sensors"] = system.sensors.model_copy(update=sensors)
    return (system.model_copy(update=parts) if parts else system), notes


def slow_period_s(time_s: npt.NDArray[np.float64]) -> float:
    """The period of a logger where it is slow: nearly all of the time, its rows come at least so often."""
    steps = np.sort(np.diff(time_s))
    covered = np.cumsum(steps)
    return float(steps[int(np.searchsorted(covered, COVERED * covered[-1]))])


class MeasuredRun:
    """A system on captures, prepared. `run` it once."""

    def __init__(
        self, system: System, captures: Captures, duration_s: float | None = None, wall_s: float | None = None
    ) -> None:
        self.system, self.changes = observed(system, captures)
        self.captures = captures
        self.size = system_size(system)
        channels, cells, sensors = captures.missing()
        source = " + ".join(dict.fromkeys(f.source for f in captures.files))
        # Masks hold by when the captures are run, not by when they were taken.
        began = Moment(wall_s, captures.first_s) if wall_s is not None else None
        self.changes += masked_words(system.masks, began) if began is not None else []
        self.start = Start(source, channels, cells, sensors, began=began)
        told = with_masks(build_parameters(self.system), system.masks, began)
        self.parameters = without_missing(told, self.start)
        self.bms = Bms(self.parameters, self.size)
        self._address = tick_address()
        self.raw, self.command = self.bms.new_raw(), new_command()
        self.command["connect"] = 1
        self.cycle_s = system.cycle.period_s
        length_s = captures.last_s - captures.first_s
        if duration_s is not None:
            length_s = min(length_s, duration_s)
        self.ticks = math.floor(length_s / self.cycle_s + 1e-6) + 1
        self.fitted_cells = self.size.cells - len(cells)

    def run(self, progress: Callable[[Progress], None] | None = None, record: Path | None = None) -> MeasuredResult:
        """Run to the end of the captures.

        Raises:
            UserError: the recording cannot be written.
        """
        chunk = max(CHUNK_TICKS, round(CHUNK_S / self.cycle_s))
        schedule, bms = new_schedule(self.captures), self.bms
        buffer = record_buffer(self.size, chunk)
        words = np.empty((chunk, output_size(self.size)))
        seen = np.zeros(len(SEEN))
        digests, reader = Digests(words.shape[1]), EventReader()
        events: list[dict[str, Any]] = []
        traces = _Traces()
        recorder = None
        if record is not None:
            header = Header(self.system.as_dict(), self.size, self.cycle_s, self.start)
            recorder = Recorder(record, header)
            recorder.checkpoint(bms.snapshot())
        next_checkpoint = checkpoint_ticks = max(1, round(CHECKPOINT_S / self.cycle_s))
        done = 0
        # No ticks: compiles what is not compiled yet, which is no part of the run's time.
        self._advance(schedule, 0, 0, buffer, words, seen)
        began = time.perf_counter()
        while done < self.ticks:
            ticks = min(chunk, self.ticks - done)
            self._advance(schedule, done, ticks, buffer, words, seen)
            done += ticks
            fingerprints = digests.update(words[:ticks])
            if recorder is not None:
                recorder.chunk(buffer, ticks, fingerprints)
                if done >= next_checkpoint:
                    recorder.checkpoint(bms.snapshot())
                    next_checkpoint += checkpoint_ticks
            events += reader.read(bms.image)
            traces.keep(bms.image)
            if progress is not None:
                progress(Progress(done * self.cycle_s, self.ticks * self.cycle_s, len(events)))
        wall_s = time.perf_counter() - began
        digest = digests.hexdigest()
        if recorder is not None:
            recorder.checkpoint(bms.snapshot())
            recorder.close(digest)
        return self._result(digest, wall_s, events, seen / max(done, 1), traces.arrays())

    def _advance(
        self,
        schedule: Schedule,
        first: int,
        ticks: int,
        buffer: RecordBuffer,
        words: npt.NDArray[np.float64],
        seen: npt.NDArray[np.float64],
    ) -> None:
        bms = self.bms
        run_ticks(
            self._address, schedule, first, ticks, self.captures.first_s, self.raw, self.command, self.parameters,
            bms.image, bms.memory, buffer, words, seen, self.fitted_cells,
        )  # fmt: skip

    def _result(
        self,
        digest: str,
        wall_s: float,
        events: list[dict[str, Any]],
        seen: npt.NDArray[np.float64],
        traces: dict[str, npt.NDArray[np.float64]],
    ) -> MeasuredResult:
        s = self.bms.image.scalars[0]
        shares = {name: float(seen[getattr(SEEN, name)]) for name in SEEN._fields}
        connection = infer_connection(self.captures, self.system)
        limits = {
            "charge_a": float(s["charge_limit_a"]),
            "charge_rule": LIMIT_RULES[int(s["charge_limit_rule"])],
            "discharge_a": float(s["discharge_limit_a"]),
            "discharge_rule": LIMIT_RULES[int(s["discharge_limit_rule"])],
        }
        difference = np.abs(traces["cell_sum_difference_v"])
        files = self.captures.files
        notes = self.changes + [f"{f.source}: {n}" for f in files for n in (*f.conversions, *f.notes)]
        notes += [f"{f.source}: not used: {', '.join(f.ignored)}" for f in files if f.ignored]
        return MeasuredResult(
            name=self.system.system.name,
            sources=tuple(dict.fromkeys(f.source for f in files)),
            ticks=self.ticks,
            first_s=self.captures.first_s,
            simulated_s=round((self.ticks - 1) * self.cycle_s, 9),
            wall_s=wall_s,
            final_state=STATES[int(s["state"])],
            contactors_closed=connection.closed_at_end,
            events=events,
            digest=digest,
            unknown=what_is_unknown(self.system, self.captures, self.bms.image, shares, limits, connection),
            notes=notes,
            soc_end=float(s["soc"]),
            soc_std_end=float(s["soc_std"]),
            seen=shares,
            limits=limits,
            connection=connection,
            comparison=_compare(self.captures, traces),
            largest_sum_difference_v=float(np.nanmax(difference)) if np.isfinite(difference).any() else None,
            traces=traces,
        )


_TRACED = ("time_s", "current_a", "soc", "soc_std", "cell_sum_difference_v", "charge_limit_a", "discharge_limit_a")


class _Traces:
    """Some scalars after each chunk."""

    def __init__(self) -> None:
        self._rows: list[list[float]] = []

    def keep(self, image: Image) -> None:
        s = image.scalars[0]
        self._rows.append([float(s[name]) for name in _TRACED])

    def arrays(self) -> dict[str, npt.NDArray[np.float64]]:
        columns = np.array(self._rows).T
        return dict(zip(_TRACED, columns, strict=True))


def _compare(captures: Captures, traces: dict[str, npt.NDArray[np.float64]]) -> Comparison | None:
    """The first SOC column of the captures beside ours."""
    capture = next((f for f in captures.files if f.reference_soc is not None), None)
    if capture is None or capture.reference_soc is None:
        return None
    known = np.isfinite(capture.reference_soc)
    if not known.any():
        return None
    reference = capture.reference_soc[known]
    t, ours = traces["time_s"], traces["soc"]
    theirs = np.interp(t, capture.time_s[known], reference)
    from_s = float(t[0]) + min(SETTLE_S, (float(t[-1]) - float(t[0])) / 2)
    both = np.isfinite(ours) & (t >= from_s)
    error = np.abs(ours[both] - theirs[both])
    return Comparison(
        source=capture.source,
        column_start=float(reference[0]),
        column_end=float(reference[-1]),
        ours_end=float(ours[-1]),
        rmse=float(np.sqrt(np.mean(error**2))) if both.any() else math.nan,
        largest=float(error.max()) if both.any() else math.nan,
        from_s=from_s,
    )


def run_measured(
    system: System,
    captures: Captures,
    duration_s: float | None = None,
    record: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    wall_s: float | None = None,
) -> MeasuredResult:
    """The complete BMS of `system` on measured captures.

    Args:
        system: as described by its file.
        captures: from `hardware.captures.read_captures`.
        duration_s: stop after so long.
        record: write a recording here.
        progress: called about once for each second of the captures.
        wall_s: when the run is taken to begin, in seconds since 1970; without it no mask holds.

    Raises:
        UserError: the recording cannot be written.
    """
    return MeasuredRun(system, captures, duration_s, wall_s).run(progress, record)
