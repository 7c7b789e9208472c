"""Recordings of a small pack that runs for some seconds of wall time, for tests of the history."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from helpers.recordings import SIZE
from ionward.battery.system import System
from ionward.control.bms import Bms, output_size
from ionward.control.entry import tick_address
from ionward.image.build import build_parameters
from ionward.image.inputs import CHANNEL, RAW, new_command, new_raw
from ionward.runtime.codec import RecordBuffer, push, record_buffer
from ionward.runtime.digests import Digests
from ionward.runtime.playback import play
from ionward.runtime.recording import Header, Recorder, Start

CYCLE_S = 0.01
NOON = 1_780_056_000.0  # 2026-05-29 12:00:00 UTC
SPIKE_V = 4.5


def samples(ticks: int, start_s: float, seed: int, spike: range = range(0)) -> RecordBuffer:
    """Inputs of a pack at rest, a new sample of everything in each tick; cell 2 far too high during `spike`."""
    rng = np.random.default_rng(seed)
    raw, command = new_raw(SIZE.cells, SIZE.sensors), new_command()
    buffer = record_buffer(SIZE, ticks)
    for k in range(ticks):
        t = start_s + k * CYCLE_S
        raw.clock[0]["time_s"] = t
        raw.channels[:, CHANNEL.current_a] = np.round(rng.normal(0, 0.05) / 0.01) * 0.01, t
        raw.channels[:, CHANNEL.pack_voltage_v] = 18.5, t
        raw.channels[:, CHANNEL.ambient_c] = 22.0, t
        for name in ("bus_voltage_v", "main_positive_closed", "main_negative_closed", "precharge_closed"):
            raw.channels[:, getattr(CHANNEL, name)] = 0.0, t
        raw.cells[RAW.value] = np.round(rng.normal(3.7, 0.001, SIZE.cells) / 1e-4) * 1e-4
        if k in spike:
            raw.cells[RAW.value, 2] = SPIKE_V
        raw.cells[RAW.time_s] = t
        raw.temperatures[RAW.value] = np.round(rng.normal(25, 0.05, SIZE.sensors), 1)
        raw.temperatures[RAW.time_s] = t
        push(buffer, raw, command, k)
    return buffer


def write_recording(
    path: Path,
    system: System,
    seconds: float,
    wall_s: float | None = NOON,
    start_s: float = 50.0,
    seed: int = 1,
    spike: range = range(0),
    close: bool = True,
) -> Path:
    """A recording that begins at `start_s` of its own clock, which is `wall_s` in wall time (None: it does not know).

    `spike` are ticks in which cell 2 stands far too high.
    """
    parameters = build_parameters(system)
    bms, raw, command = Bms(parameters, SIZE), new_raw(SIZE.cells, SIZE.sensors), new_command()
    notes = {} if wall_s is None else {"wall_minus_monotonic_s": wall_s - start_s}
    ticks, digests = round(seconds / CYCLE_S), Digests(output_size(SIZE))
    recorder = Recorder(path, Header(system.as_dict(), SIZE, CYCLE_S, Start("a test", notes=notes)))
    recorder.checkpoint(bms.snapshot())
    for first in range(0, ticks, 70):  # chunks end within seconds
        count = min(70, ticks - first)
        here = range(spike.start - first, spike.stop - first)
        buffer = samples(count, start_s + first * CYCLE_S, seed + first, here)
        words = np.zeros((count, output_size(SIZE)))
        play(tick_address(), buffer, 0, count, raw, command, parameters, bms.image, bms.memory, words)
        recorder.chunk(buffer, count, digests.update(words))
    if close:
        recorder.close(digests.hexdigest())
    return path
