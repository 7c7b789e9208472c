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

from ionward.image.blocks import Block, words_of
from ionward.image.exchange import (
    CONTROL_RECORD,
    DRIVEN_RECORD,
    DRIVEN_SIGNALS,
    GUARD_RECORD,
    INJECTION_RECORD,
    SUPERVISOR_RECORD,
)
from ionward.runtime.devices import WISHES, Devices, make_devices
from ionward.runtime.enables import Enables
from ionward.runtime.live_blocks import raw_over
from ionward.runtime.plan import Plan
from ionward.runtime.pyrofuse import PyrofuseSetup, look
from ionward.runtime.role import Role
from ionward.runtime.watchdog import Watchdog, make_watchdog

CONTROL_NAMES, GUARD_NAMES = CONTROL_RECORD.names or (), GUARD_RECORD.names or ()
DRIVEN_WORDS = struct.Struct("=" + "".join("d" if s.kind == "f8" else "q" for s in DRIVEN_SIGNALS))
PLACE_NUMBER, PLACE_TEXT = 1, 2
INJECTION_AGE_MAX_S = 2.0  # older ones were given while nobody was there


class Driver:
    """One cycle after the other: `step`. Blocks are attached here; devices and the hardware watchdog are given.

    Meets SR-154.
    """

    def __init__(self, folder: Path, plan: Plan, devices: Devices, watchdog: Watchdog | None = None) -> None:
        self.devices = devices
        self._pyrofuse = PyrofuseSetup.of(plan.system)
        self.enables = Enables(plan.enable_expiry_s, self._pyrofuse)
        self.watchdog = watchdog or Watchdog(None)
        self._supervisor_block = Block.reader(folder / "supervisor.block")
        self._supervisor = np.zeros(1, SUPERVISOR_RECORD)
        self._out = Block.writer(folder / "io.block")
        # Samples are taken where they are published from.
        self._words = np.zeros(self._out.words)
        self.raw = raw_over(self._words, plan.size)
        self._driven_at = 8 * (self._out.words - words_of(DRIVEN_RECORD))
        self._cycle, self._injection_taken, self._injection_refused = 0, 0, False
        self._control_block = Block.reader(folder / "control.block")
        self._guard_block = Block.reader(folder / "guard.block")
        self._injections = Block.reader(folder / "injections.block")
        control_words = np.zeros(self._control_block.words, np.int64)
        head = CONTROL_RECORD.itemsize // 8
        self._control_words = control_words
        self._control = control_words[:head].view(CONTROL_RECORD)[0]
        self._bleed = control_words[head:].view(np.float64)
        guard = np.zeros(1, GUARD_RECORD)
        self._guard = guard[0]
        self._guard_words = guard.view(np.int64)
        self._injection = np.zeros(1, INJECTION_RECORD)
        self._names = _fault_names() if plan.simulated else ()
        # The first control of a run must be a live one: what stands in the blocks of a run before is old.
        self._control["time_s"] = self._guard["time_s"] = -math.inf
        self._injected = self._injections.count

    def step(self, now_s: float, alive: bool = True) -> None:
        """Drive, sample, publish."""
        self._control_block.latest(self._control_words)
        self._guard_block.latest(self._guard_words)
        # Plain values in one go: a field of an array costs ten times as much, most of all in a cold cache.
        control = dict(zip(CONTROL_NAMES, self._control.item(), strict=True))
        guard = dict(zip(GUARD_NAMES, self._guard.item(), strict=True))
        path = look(now_s, self.raw, self._pyrofuse)
        coils = self.enables.step(now_s, control, guard, alive, path)
        self._stroke(now_s, guard)
        self.devices.write(now_s, coils, control, self._bleed)
        if self._injections.count != self._injected:
            self._inject(now_s)
        self.devices.read(now_s, self.raw)
        self._publish(now_s)

    def _stroke(self, now_s: float, guard: dict[str, Any]) -> None:
        """The hardware watchdog: stroked while both agree, closed in order when the BMS is told to stop.

        Meets SR-157.
        """
        if not self.watchdog.fitted:
            return
        enables = self.enables
        agree = enables.control_fresh and enables.guard_fresh and not enables.tripped and guard["tripped"] == 0
        self._supervisor_block.latest(self._supervisor.view(np.int64))
        stopping = bool(self._supervisor["stopping"][0] == 1)
        self.watchdog.step(now_s, agree, ending=stopping and not enables.coils.closed)

    def _inject(self, now_s: float) -> None:
        number = self._injected + 1
        self._injected = number
        record = self._injection
        done = False
        if self._injections.read(number, record.view(np.int64)):
            fault, place, value = understand(record[0], self._names)
            if fault is not None and abs(now_s - record["time_s"][0]) <= INJECTION_AGE_MAX_S:
                done = self.devices.inject(fault, place, value, bool(record[0]["end"] == 1))
        self._injection_taken, self._injection_refused = number, not done

    def _publish(self, now_s: float) -> None:
        told = self.devices.tell()
        self._cycle += 1
        DRIVEN_WORDS.pack_into(
            self._words.data, self._driven_at, now_s, self._cycle, *self.enables.told(), self.watchdog.state,
            *told[:WISHES], self._injection_taken, self._injection_refused, *told[WISHES:],
        )  # fmt: skip
        self._out.publish(self._words)

    def open(self, now_s: float) -> None:
        """Open everything and say so; then the watchdog is closed in order."""
        self.step(now_s, alive=False)
        self.watchdog.close()


def _fault_names() -> tuple[str, ...]:
    from ionward.twin.fault_catalogue import FAULT_CATALOGUE

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
    driver = Driver(folder, role.plan, devices, make_watchdog(role.plan.watchdog, role.plan.watchdog_timeout_s))
    # Loads compiled code, and lets a battery that was left live up to now, before anybody waits for samples.
    devices.read(time.monotonic(), driver.raw)
    role.become_realtime()
    for now_s in role.cycles(role.plan.cycle_s):
        driver.step(now_s)
    driver.open(time.monotonic())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
