"""The recorder's process: control's ring, what must survive and the fault memory, to disk; history of what is over.

    python -m ionward.runtime.recorder LIVE_FOLDER

It reads what control publishes and nobody waits for it: a slow or full disk costs recorded ticks, which are counted,
and never a cycle of control.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import numpy as np

from ionward.image.blocks import Block
from ionward.runtime.codec import InputCodec, record_buffer
from ionward.runtime.fault_watch import FaultWatch, image_raster_s
from ionward.runtime.history_maker import HistoryMaker
from ionward.runtime.plan import Plan
from ionward.runtime.recorder_record import RECORDER_RECORD
from ionward.runtime.recording import Start
from ionward.runtime.ring_recorder import RingRecorder, Source
from ionward.runtime.role import Role
from ionward.runtime.segments import FOLDER
from ionward.runtime.state_store import StateKeeper, StateWriter
from ionward.runtime.survival_record import boot_id, pack_fingerprint

PERIOD_S = 0.05
HISTORY_FOLDER = "history"


def source_of(plan: Plan) -> Source:
    """What is recorded in a run."""
    given = plan.start
    notes = {"scenario": plan.scenario, "seed": plan.seed} if plan.simulated else {}
    start = Start(
        given.get("source") or plan.source,
        tuple(given.get("missing_channels", ())),
        tuple(given.get("missing_cells", ())),
        tuple(given.get("missing_sensors", ())),
        notes | given.get("notes", {}),
        began=(plan.started_wall_s, plan.started_monotonic_s),
    )
    return Source(plan.system, plan.size, plan.cycle_s, plan.name, start)


class RecorderRole:
    """One step after the other; blocks and files are attached here."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        # What is compiled is loaded before the ring is followed: loading can take longer than the ring holds.
        InputCodec(plan.size).encode(record_buffer(plan.size, 2), 2)
        state_dir = Path(plan.state_dir)
        recordings = state_dir / FOLDER
        self._block = Block.writer(folder / "recorder.block")
        before = np.zeros(1, RECORDER_RECORD)
        self._block.latest(before.view(np.int64))
        self.history = HistoryMaker(state_dir / HISTORY_FOLDER)
        self.history.add(recordings)  # what an earlier run has left
        self.recorder = RingRecorder(
            Block.reader(folder / "ring.block"),
            Block.reader(folder / "checkpoint.block"),
            source_of(plan),
            recordings,
            on_closed=self.history.add,
            last_request=int(before["checkpoint_request"][0]),
        )
        self.keeper = StateKeeper(Block.reader(folder / "survival.block"), StateWriter(state_dir))
        self.faults = FaultWatch(
            Block.reader(folder / "image.block"),
            Block.reader(folder / "ring.block"),
            plan.size,
            image_raster_s(plan.cycle_s),
            pack_fingerprint(plan.system, plan.size),
            boot_id(),
            state_dir,
            time.time(),
        )

    def step(self, now_s: float, wall_s: float) -> None:
        """The state first, for it is what matters more."""
        self.keeper.step(now_s)
        self.faults.step(now_s, wall_s)
        self.recorder.step(now_s, wall_s)
        self.history.poll()
        self._tell(now_s)

    def end(self, now_s: float, wall_s: float) -> None:
        """Control has ended: take the last of everything."""
        self.keeper.step(now_s, last=True)
        self.faults.end(now_s, wall_s)
        self.recorder.close(now_s, wall_s)
        self.history.end()
        self._tell(now_s)

    def _tell(self, now_s: float) -> None:
        r, keeper = self.recorder.record[0], self.keeper
        r["state_copies_written"], r["state_copy_errors"] = keeper.written, keeper.errors
        r["state_copy_time_s"], r["state_copy_age_s"] = keeper.taken_s, now_s - keeper.taken_s
        r["history_failures"] = self.history.failures
        r["fault_memory_entries"], r["fault_memory_errors"] = len(self.faults.stored.memory.entries), self.faults.errors
        self._block.publish(self.recorder.record.view(np.int64))


def wall_at(now_s: float) -> float:
    """Wall time at a time of the monotonic clock."""
    return time.time() - (time.monotonic() - now_s)


def main(folder: Path) -> None:
    """Run the process until it is told to end."""
    role = Role(folder, "recorder", deadly=signal.SIGKILL)
    recording = RecorderRole(folder, role.plan)
    for now_s in role.cycles(PERIOD_S):
        recording.step(now_s, wall_at(now_s))
    now_s = time.monotonic()
    recording.end(now_s, wall_at(now_s))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
