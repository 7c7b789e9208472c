"""The driver's process: the only one that touches devices. It drives contactors only while both enables are fresh.

    python -m ionward.runtime.driver LIVE_FOLDER ROLE

Each cycle: the newest word of control and guard, coils by `runtime.enables`, then samples, then all of it into
`io.block`. When its parent goes, or it is told to end, it opens everything, says so, and ends.
"""

from __future__ import annotations

import math
import signal
import struct
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from ionward.image.blocks import Block
from ionward.image.exchange import (
    CONTROL_RECORD,
    DRIVEN_RECORD,
    GUARD_RECORD,
    INJECTION_RECORD,
)
from ionward.image.inputs import new_raw
from ionward.runtime.devices import Devices, make_devices
from ionward.runtime.enables import Enables
from ionward.runtime.plan import Plan
from ionward.runtime.role import Role

PLACE_NUMBER, PLACE_TEXT = 1, 2
INJECTION_AGE_MAX_S = 2.0  # older ones were given while nobody was there


class Driver:
    """One cycle after the other: `step`. Blocks are attached here; devices are given."""

    def __init__(self, folder: Path, plan: Plan, devices: Devices) -> None:
        self.devices = devices
        self.enables = Enables(plan.enable_expiry_s)
        self.raw = new_raw(plan.size.cells, plan.size.sensors)
        self.driven = np.zeros(1, DRIVEN_RECORD)
        self._out = Block.writer(folder / "io.block")
        self._words = np.zeros(self._out.words, np.int64)
        self._control_block = Block.reader(folder / "control.block")
        self._guard_block = Block.reader(folder / "guard.block")
        self._injections = Block.reader(folder / "injections.block")
        control_words = np.zeros(self._control_block.words, np.int64)
        head = CONTROL_RECORD.itemsize // 8
        self._control_words = control_words
        self._control = control_words[:head].view(CONTROL_RECORD)
        self._bleed = control_words[head:].view(np.float64)
        self._guard = np.zeros(1, GUARD_RECORD)
        self._guard_words = self._guard.view(np.int64)
        self._injection = np.zeros(1, INJECTION_RECORD)
        self._names = _fault_names() if plan.simulated else ()
        # The first control of a run must be a live one: what stands in the blocks of a run before is old.
        self._control["time_s"] = self._guard["time_s"] = -math.inf
        self._injected = self._injections.count

    def step(self, now_s: float, alive: bool = True) -> None:
        """Drive, sample, publish."""
        self._control_block.latest(self._control_words)
        self._guard_block.latest(self._guard_words)
        coils = self.enables.step(now_s, self._control[0], self._guard[0], alive)
        self.devices.write(now_s, coils, self._control[0], self._bleed)
        if self._injections.count != self._injected:
            self._inject(now_s)
        self.devices.read(now_s, self.raw)
        self._publish(now_s)

    def _inject(self, now_s: float) -> None:
        number = self._injected + 1
        self._injected = number
        record = self._injection
        done = False
        if self._injections.read(number, record.view(np.int64)):
            fault, place, value = understand(record[0], self._names)
            if fault is not None and abs(now_s - record["time_s"][0]) <= INJECTION_AGE_MAX_S:
                done = self.devices.inject(fault, place, value, bool(record[0]["end"] == 1))
        self.driven["injection"], self.driven["injection_refused"] = number, not done

    def _publish(self, now_s: float) -> None:
        driven, words, raw = self.driven, self._words, self.raw
        row = driven[0]
        row["time_s"] = now_s
        row["cycle"] += 1
        self.enables.write(row)
        self.devices.tell(row)
        words[0] = raw.clock.view(np.int64)[0]
        at = 1
        for block in (raw.channels, raw.cells, raw.temperatures):
            words[at : at + block.size] = block.reshape(-1).view(np.int64)
            at += block.size
        words[at:] = driven.view(np.int64)
        self._out.publish(words)

    def open(self, now_s: float) -> None:
        """Open everything and say so."""
        self.step(now_s, alive=False)


def _fault_names() -> tuple[str, ...]:
    from ionward.twin.faults import FAULT_CATALOGUE

    return tuple(fault.name for fault in FAULT_CATALOGUE)


def understand(record: Any, names: tuple[str, ...]) -> tuple[str | None, int | str | None, float | None]:
    """Fault, place and value of an injection (`INJECTION_RECORD`, one row); a fault of None makes no sense."""
    number = int(record["fault"])
    if number == -1 and record["end"] == 1:
        return "", None, None
    if not 0 <= number < len(names):
        return None, None, None
    place: int | str | None = None
    if record["place_kind"] == PLACE_NUMBER:
        place = int(record["place_number"])
    elif record["place_kind"] == PLACE_TEXT:
        packed = b"".join(struct.pack("<q", int(record[f"place_text_{k}"])) for k in range(8))
        place = packed.rstrip(b"\0").decode(errors="replace")
    value = float(record["value"])
    return names[number], place, None if math.isnan(value) else value


def main(folder: Path, name: str) -> None:
    """Run the process until it is told to end."""
    if name == "plant":
        from ionward.runtime.preload import preload_plant

        preload_plant()
    role = Role(folder, name, deadly=signal.SIGTERM)
    devices = make_devices(folder, role.plan)
    driver = Driver(folder, role.plan, devices)
    # Loads compiled code, and lets a battery that was left live up to now, before anybody waits for samples.
    devices.read(time.monotonic(), driver.raw)
    role.become_realtime()
    for now_s in role.cycles(role.plan.cycle_s):
        driver.step(now_s)
    driver.open(time.monotonic())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
