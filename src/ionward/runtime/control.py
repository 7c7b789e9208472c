"""Control's process: the tick at a fixed cycle, and around it commands, survival, checkpoints.

    python -m ionward.runtime.control LIVE_FOLDER

One thread. The cycle itself is one compiled call (`runtime.cycle`); Python around it does what is rare.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ionward.control.bms import Bms
from ionward.control.entry import tick_address
from ionward.errors import UserError
from ionward.image.blocks import Block
from ionward.image.exchange import COMMAND_MESSAGE_RECORD, REFUSED_LATE, SUPERVISOR_RECORD
from ionward.image.faults import FAULT_ID
from ionward.image.parameters import PARAMETER_RECORD, Parameters
from ionward.image.signals import FAULT, LEVEL_CRITICAL
from ionward.image.tables import in_one_row, table_sums
from ionward.runtime import survival
from ionward.runtime.cycle import Wires, bind, control_cycle, new_desk, take_samples, wire
from ionward.runtime.plan import PARAMETERS_FILE, Plan
from ionward.runtime.preload import preload_control
from ionward.runtime.recorder_record import RECORDER_RECORD
from ionward.runtime.ring import fill_checkpoint
from ionward.runtime.role import Role
from ionward.runtime.state_store import read_candidates
from ionward.runtime.wishes import OverrunBudget, Wishes

IMAGE_PERIOD_S = 0.01
SURVIVAL_PERIOD_S = 0.05
# A command that is older was given while nobody was there: who gave it was told so, and must not be surprised later.
COMMAND_AGE_MAX_S = 0.5
# The first tick waits so long at most for the driver to come up, and then for the first whole set of measurements.
DRIVER_WAIT_S = 30.0
FIRST_SAMPLES_S = 1.0


def load_parameters(folder: Path) -> Parameters:
    """The parameters that the supervisor made for this run."""
    with np.load(folder / PARAMETERS_FILE) as stored:
        parameters = Parameters(**{name: stored[name] for name in Parameters._fields})
    # A file does not keep that the record is aligned, by which compiled code tells its type.
    scalars = parameters.scalars.astype(PARAMETER_RECORD)
    return parameters._replace(scalars=scalars, words=scalars.view(np.float64))


class Control:
    """One cycle after the other: `step`. Blocks are attached here."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.parameters, row = in_one_row(load_parameters(folder))
        slices = len(plan.table_sums)
        if table_sums(self.parameters, slices) != plan.table_sums:
            raise UserError(f"{folder / PARAMETERS_FILE}: not as the supervisor wrote it; start the run again")
        self.bms = Bms(self.parameters, plan.size)
        self.desk = new_desk(plan.size, self.bms.image, row, slices)
        self.desk.command["supervised"] = 1
        self._address = tick_address()
        self._commands = Block.reader(folder / "commands.block")
        self._commands_seen = self._commands.count
        self._message = np.zeros(1, COMMAND_MESSAGE_RECORD)
        self._supervisor = Block.reader(folder / "supervisor.block")
        self._supervised = np.zeros(1, SUPERVISOR_RECORD)
        self._recorder = Block.reader(folder / "recorder.block")
        self._recording = np.zeros(1, RECORDER_RECORD)
        self._checkpoints_answered = self._checkpoint_request()
        written = [Block.writer(folder / f"{name}.block") for name in ("control", "image", "ring")]
        self._ring = written[2]
        read = [Block.reader(folder / f"{name}.block") for name in ("io", "guard")]
        self.wires = Wires(*(wire(block) for block in (*read, *written)))
        self._bound = bind(self.wires, self.desk, self.parameters, self.bms.image, self.bms.memory)
        self._checkpoint = Block.writer(folder / "checkpoint.block")
        self._checkpoint_words = np.zeros(self._checkpoint.words, np.int64)
        self._survival = Block.writer(folder / "survival.block")
        self._survival_words = survival.new_words(plan.size)
        self._pack = survival.pack_fingerprint(plan.system, plan.size)
        self._sequence = 0
        self._boot_id = survival.boot_id()
        self._survival_due_s = -np.inf
        self._image_every = max(1, round(IMAGE_PERIOD_S / plan.cycle_s))
        self._guard_deadline_s = plan.enable_expiry_s
        self._budget = OverrunBudget(plan.cycle_s, float(plan.system["cycle"]["overrun_budget"]))
        self.wishes = Wishes(self.parameters, plan.connect)
        self._cycle = 0

    def step(self, overruns: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        """One cycle: samples, commands, the tick, and what follows from it.

        The time of the tick is taken after the samples: a driver that displaces this process in between would else give
        samples from the future.
        """
        desk = self.desk
        take_samples(self.wires.io, desk.raw, desk.driven_words)
        now_s = clock()
        command = desk.command[0]
        self.wishes.hear(desk.driven[0], now_s, command)
        command["overrun_share"] = self._budget.share(now_s, overruns)
        desk.record["acknowledged_s"] = self.wishes.acknowledged_s
        publish_image = self._cycle % self._image_every == 0
        control_cycle(self._address, now_s, self._guard_deadline_s, publish_image, self._bound)
        self._cycle += 1
        self._look_around(now_s)

    def _look_around(self, now_s: float) -> None:
        """What is rare, after the cycle's word is out."""
        if self._commands.count != self._commands_seen:
            self._take_command(now_s)
        if self._checkpoint_request() != self._checkpoints_answered:
            self._give_checkpoint()
        if now_s >= self._survival_due_s:
            self._survival_due_s = now_s + SURVIVAL_PERIOD_S
            self._keep(now_s)
            if self._supervisor.latest(self._supervised.view(np.int64)):
                self.wishes.stopping = bool(self._supervised["stopping"][0] == 1)

    def _take_command(self, now_s: float) -> None:
        """The next command: one in each cycle, so that each one's answer can be seen."""
        self._commands_seen += 1
        record, desk = self.desk.record, self.desk
        message = self._message[0]
        if not self._commands.read(self._commands_seen, self._message.view(np.int64)):
            return
        result = REFUSED_LATE
        if abs(now_s - message["time_s"]) <= COMMAND_AGE_MAX_S:
            result = self.wishes.take(
                int(message["command"]), float(message["value"]), now_s, self.bms.image, desk.driven[0], desk.guard[0],
                desk.command[0],
            )  # fmt: skip
        record["command"], record["command_result"] = self._commands_seen, result

    def _checkpoint_request(self) -> int:
        if not self._recorder.latest(self._recording.view(np.int64)):
            return 0
        return int(self._recording["checkpoint_request"][0])

    def _give_checkpoint(self) -> None:
        """The whole state as it is after this tick, for the recorder."""
        self._checkpoints_answered = int(self._recording["checkpoint_request"][0])
        tick = int(self.bms.image.scalars["tick"][0])
        fill_checkpoint(self._checkpoint_words, tick, self._ring.count, self.bms.snapshot())
        self._checkpoint.publish(self._checkpoint_words)

    def _keep(self, now_s: float) -> None:
        """What must survive, for the recorder and for whoever comes after us."""
        self._sequence += 1
        survival.gather(
            self._survival_words, self.bms.image, self.bms.memory, self.desk.command, self._pack,
            self._sequence, now_s, time.time(), self._boot_id,
        )  # fmt: skip
        self._survival.publish(self._survival_words)

    def end(self) -> None:
        """Keep the state as the last tick left it: that the contactors were opened must not be forgotten."""
        self._keep(time.monotonic())

    def restore(self, folder: Path, plan: Plan) -> list[str]:
        """Wait for the first measurements, and take over what survived of an earlier run; says in words how it went.

        Without measurements in time the state is taken over without being checked against a rest voltage.
        """
        desk, io = self.desk, self.wires.io
        until_s = time.monotonic() + DRIVER_WAIT_S
        while io.counter[0] == 0 and time.monotonic() < until_s:
            time.sleep(0.002)
        until_s = time.monotonic() + FIRST_SAMPLES_S
        while time.monotonic() < until_s:
            take_samples(io, desk.raw, desk.driven_words)
            if np.isfinite(desk.raw.cells[0]).all():
                break
            time.sleep(0.002)
        desk.raw.clock["time_s"] = time.monotonic()
        report = survival.restore(
            read_candidates(folder, Path(plan.state_dir)), self.bms, self.parameters, desk.raw, time.time(),
            self._boot_id, desk.command, self._pack,
        )  # fmt: skip
        self._sequence = report.sequence
        desk.command["state_refused"] = 1 if report.refused else 0
        if report.was_closed:
            # Nobody opened in order: as after any other loss of an enable, a person has to look first.
            self.bms.image.faults[FAULT.latched_level, FAULT_ID.enable_lost] = LEVEL_CRITICAL
            self.bms.image.faults[FAULT.count, FAULT_ID.enable_lost] += 1
            report.what.append("contactors were closed when the earlier run ended: acknowledge before connecting")
        self._give_checkpoint()  # recordings begin with the first tick, from the state taken over
        return [*report.what, *report.refused]


def main(folder: Path) -> None:
    """Run the process until it is told to end."""
    preload_control()
    role = Role(folder, "control", deadly=signal.SIGKILL)
    control = Control(folder, role.plan)
    told = control.restore(folder, role.plan)
    (folder / "restored.txt").write_text("\n".join(told), encoding="utf-8")
    role.become_realtime()
    for _ in role.cycles(role.plan.cycle_s):
        control.step(role.overruns)
    control.end()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
