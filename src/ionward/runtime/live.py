"""The live view: what every process of a running BMS says, as private copies and plain values.

Screens, gateways and commands look through here. A look is cheap and never raises: blocks that are missing,
half-written or left by a dead process leave the last copy, and its age tells. The one thing that goes the other way is
commands (and, for the simulated battery, faults to be injected), from the one process that may write them.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ionward.errors import UserError
from ionward.image import exchange as ex
from ionward.image.blocks import Block, BlockError, words_of
from ionward.image.layout import Image
from ionward.runtime import live_commands as commands
from ionward.runtime.fault_memory_view import MemoryReader, latched_at, memory_view, one_fault
from ionward.runtime.live_blocks import Copies, Copy, image_over, raw_over, record_over
from ionward.runtime.live_cells import cell_view, cells_view, measurements_view
from ionward.runtime.live_commands import Place
from ionward.runtime.live_events import EventLog
from ionward.runtime.live_processes import ProcessTable, histograms_view, processes_view, recorder_view
from ionward.runtime.live_snapshot import Snapshot, traits_of
from ionward.runtime.live_state import guard_view, state_view
from ionward.runtime.plan import load_plan
from ionward.runtime.recorder_record import RECORDER_RECORD

Answer = tuple[bool, str]

POLL_S = 0.003
ANSWER_S = 0.5  # a process that has not answered a message by then is taken not to answer
LOG_PERIOD_S = 0.05
NOT_WRITER = "this process may only look"
OTHER_WRITER = "another process gives the commands of this BMS"
NO_ANSWER = "control does not answer"
NO_PLANT = "the simulated battery does not answer"


class Live:
    """A running BMS, looked at through its live folder. One thread looks; any may call `command` and `inject`.

    Args:
        live_folder: the folder that holds `plan.json` and the blocks.
        writer: this process gives commands; one process may.
        clock: monotonic time, as the processes use it.

    Raises:
        UserError: there is no plan in the folder.
    """

    def __init__(
        self, live_folder: Path | str, writer: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        folder = Path(live_folder)
        try:
            self.plan = load_plan(folder)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UserError(f"{folder}: no running BMS ({error}); start one with 'ionward run'") from None
        self.folder = folder
        self.traits = traits_of(self.plan)
        self.events_log = EventLog()
        self.answer_s = ANSWER_S
        self._clock = clock
        size = self.plan.size
        roles = (
            "supervisor",
            *(self.plan.roles or (self.plan.driver_role, "control", "guard", "recorder", "services")),
        )
        self._copies = copies = Copies(folder, size, roles)
        self._image = image_over(copies.image.data, size)
        self._raw = raw_over(copies.io.data, size)
        self._driven = record_over(copies.io.data[copies.raw_part :], ex.DRIVEN_RECORD)
        self._driven["trip_time_s"] = self._driven["opened_time_s"] = self._driven["scenario_s"] = math.nan
        self._driven["fuse_blown"] = -1
        self._control = record_over(copies.control.data, ex.CONTROL_RECORD)
        self._bleed = copies.control.data[words_of(ex.CONTROL_RECORD) :]
        self._guard = record_over(copies.guard.data, ex.GUARD_RECORD)
        self._guard["value"] = math.nan
        self._supervisor = record_over(copies.supervisor.data, ex.SUPERVISOR_RECORD)
        self._health = {role: record_over(copy.data, ex.HEALTH_RECORD) for role, copy in copies.health.items()}
        self._table = ProcessTable()
        self._fault_memory = MemoryReader(self.plan.state_dir)
        self._logged_s = -math.inf
        self._now_s = clock()
        self._may_write = writer
        self._writers: dict[str, Block] = {}
        self._one_command = threading.Lock()
        # Answers are read through copies of their own, so that waiting for one disturbs no screen.
        self._answers = {
            "commands": Copy(folder / "control.block", len(copies.control.data)),
            "injections": Copy(folder / "io.block", len(copies.io.data)),
        }

    # What is known.

    def refresh(self, now_s: float | None = None) -> bool:
        """Copy what is new; True when something was. Never raises; takes well below a millisecond."""
        self._now_s = now = self._clock() if now_s is None else now_s
        new = self._copies.refresh(now)
        if now - self._logged_s >= LOG_PERIOD_S or now < self._logged_s:
            self._logged_s = now
            self.events_log.look(self.snapshot())
        return new

    def restored(self) -> list[str]:
        """What control said about the state of an earlier run, when it started last."""
        try:
            return [line for line in (self.folder / "restored.txt").read_text(encoding="utf-8").splitlines() if line]
        except OSError:
            return []

    def snapshot(self) -> Snapshot:
        """This moment, for the views."""
        copies = self._copies
        return Snapshot(
            plan=self.plan,
            traits=self.traits,
            image=self._image,
            raw=self._raw,
            driven=self._driven,
            control=self._control,
            guard=self._guard,
            supervisor=self._supervisor,
            health=self._health,
            seen_image=copies.image.count > 0,
            seen_driven=copies.io.count > 0,
            seen_guard=copies.guard.count > 0,
            now_s=self._now_s,
            wall_s=time.time() - (self._clock() - self._now_s),
        )

    @property
    def image(self) -> Image:
        """The newest image; its arrays are ours and change with the next refresh."""
        return self._image

    @property
    def raw(self) -> Any:
        """The newest raw samples (`image.inputs.Raw`)."""
        return self._raw

    @property
    def driven(self) -> Any:
        """What the driver drives: DRIVEN_RECORD, length 1."""
        return self._driven

    @property
    def control(self) -> Any:
        """What control has said last: CONTROL_RECORD, length 1."""
        return self._control

    @property
    def bleed(self) -> Any:
        """Which cells control wants bled: `[cell]`, 1 yes."""
        return self._bleed

    @property
    def guard_record(self) -> Any:
        """What the guard has said last: GUARD_RECORD, length 1."""
        return self._guard

    @property
    def health(self) -> dict[str, Any]:
        """HEALTH_RECORD (length 1) by process; `pid` 0 where one has said nothing yet."""
        return self._health

    @property
    def image_count(self) -> int:
        """How many images there have been: changes with each new one."""
        return self._copies.image.count

    @property
    def image_age_s(self) -> float | None:
        """Age of the image at the last refresh; None before the first one."""
        return self.snapshot().image_age_s

    @property
    def problems(self) -> list[str]:
        """Blocks that cannot be read, and why."""
        return [copy.problem for copy in self._copies.all if copy.problem]

    # Views: plain values, as JSON holds them.

    def state(self) -> dict[str, Any]:
        """State, limits with their reasons, contactors, enables, faults: see `live_state.state_view`."""
        return state_view(self.snapshot(), latched_at(self._fault_memory.read()))

    def cells(self) -> dict[str, Any]:
        """An array for each quantity, one entry a cell: see `live_cells.cells_view`."""
        return cells_view(self.snapshot())

    def cell(self, number: int) -> dict[str, Any]:
        """Everything about one cell, from 0.

        Raises:
            IndexError: the pack has no such cell.
        """
        return cell_view(self.snapshot(), number)

    def measurements(self) -> list[dict[str, Any]]:
        """Health of every fitted channel."""
        return measurements_view(self.snapshot())

    def processes(self) -> dict[str, dict[str, Any]]:
        """Each process by name: see `live_processes.processes_view`."""
        return processes_view(self.snapshot(), self._table)

    def histograms(self, process: str) -> dict[str, Any] | None:
        """Histograms of a process's cycle and lateness; None when it has no cycle."""
        return histograms_view(self.snapshot(), process)

    def guard(self) -> dict[str, Any]:
        """What the guard says."""
        return guard_view(self.snapshot())

    def recorder(self) -> dict[str, Any]:
        """What the recorder says about itself: see `live_processes.recorder_view`."""
        copy = self._copies.recorder
        return recorder_view(record_over(copy.data, RECORDER_RECORD), copy.count > 0, self._now_s)

    def events(self, limit: int | None = 200, kind: str = "", since: int = 0) -> list[dict[str, Any]]:
        """What has happened, newest first."""
        return self.events_log.newest(limit, kind, since)

    def event_values(self, number: int) -> dict[str, Any] | None:
        """Key values from two seconds before an event to two seconds after it; None when there are none."""
        return self.events_log.values(number)

    def fault_history(self) -> list[dict[str, Any]]:
        """Each fault that has happened: first, last and how often."""
        return self.events_log.by_fault(self.snapshot())

    def fault_memory(self) -> dict[str, Any]:
        """What has failed and where, over restarts: see `fault_memory_view.memory_view`."""
        return memory_view(self._fault_memory.read())

    def remembered_fault(self, fault: str, place: int | None = None) -> list[dict[str, Any]]:
        """One fault of the memory with its freeze frames, an entry for each place."""
        return one_fault(self._fault_memory.read_frames(), fault, place)

    # Commands.

    def command(self, name: str, value: float | None = None, timeout_s: float | None = None) -> Answer:
        """Give a command and wait for control's answer: accepted, and why not."""
        with self._one_command:
            for answer in self._command(name, value, timeout_s):
                if answer is not None:
                    return answer
                time.sleep(POLL_S)
        return False, NO_ANSWER

    async def command_async(self, name: str, value: float | None = None, timeout_s: float | None = None) -> Answer:
        """As `command`, without holding other tasks up."""
        return await self._asynchronously(self._command(name, value, timeout_s))

    def inject(
        self,
        name: str | None,
        place: Place = None,
        value: float | None = None,
        end: bool = False,
        timeout_s: float | None = None,
    ) -> Answer:
        """Make a fault in the simulated battery, or end it (all of them without a name): accepted, and why not."""
        with self._one_command:
            for answer in self._inject(name, place, value, end, timeout_s):
                if answer is not None:
                    return answer
                time.sleep(POLL_S)
        return False, NO_PLANT

    async def inject_async(
        self,
        name: str | None,
        place: Place = None,
        value: float | None = None,
        end: bool = False,
        timeout_s: float | None = None,
    ) -> Answer:
        """As `inject`, without holding other tasks up."""
        return await self._asynchronously(self._inject(name, place, value, end, timeout_s))

    async def _asynchronously(self, steps: Iterator[Answer | None]) -> Answer:
        while not self._one_command.acquire(blocking=False):
            await asyncio.sleep(POLL_S)
        try:
            for answer in steps:
                if answer is not None:
                    return answer
                await asyncio.sleep(POLL_S)
        finally:
            self._one_command.release()
        return False, NO_ANSWER

    def _command(self, name: str, value: float | None, timeout_s: float | None) -> Iterator[Answer | None]:
        problem = commands.command_problem(name, value)
        if problem:
            yield False, problem
            return
        words = commands.command_message(self._clock(), name, value)
        told = name if value is None else f"{name} {value:g}"
        for answer in self._sent("commands", words, timeout_s):
            if answer is not None:
                self._told(told, answer)
            yield answer

    def _inject(
        self, name: str | None, place: Place, value: float | None, end: bool, timeout_s: float | None
    ) -> Iterator[Answer | None]:
        place = commands.clean_place(place)
        problem = self.injection_problem(name, place, value, end)
        if problem:
            yield False, problem
            return
        words = commands.injection_message(self._clock(), name, place, value, end)
        where = "" if place is None else f" at {place}"
        told = ("end " if end else "inject ") + (f"{name}{where}" if name else "all faults")
        for answer in self._sent("injections", words, timeout_s):
            if answer is not None:
                self._told(told, answer)
            yield answer

    def injection_problem(self, name: str | None, place: Place, value: float | None, end: bool = False) -> str | None:
        """What is wrong with an injection, in one line; None when it can be sent."""
        if not self.plan.simulated:
            return "faults can be injected into a simulated battery only; this one is real"
        if name is None:
            return None if end else "fault is missing; name one of the catalogue (GET /api/v1/faults)"
        if end:
            known = [fault.name for fault in commands.injectable()]
            return None if name in known else f"unknown fault '{name}'; allowed: {', '.join(known)}"
        return commands.injection_problem(self.traits, self.plan.size, name, commands.clean_place(place), value)

    def _sent(self, block: str, words: Any, timeout_s: float | None) -> Iterator[Answer | None]:
        """Send a message and look for its answer until time is up; None means not yet."""
        try:
            writer = self._writer(block)
        except BlockError:
            yield False, OTHER_WRITER if self._may_write else NOT_WRITER
            return
        number = writer.publish(words)
        end_s = time.monotonic() + (self.answer_s if timeout_s is None else timeout_s)
        while True:
            answer = self._answer(block, number)
            if answer is not None:
                yield answer
                return
            if time.monotonic() >= end_s:
                yield False, NO_ANSWER if block == "commands" else NO_PLANT
                return
            yield None

    def _writer(self, block: str) -> Block:
        if not self._may_write:
            raise BlockError(NOT_WRITER)
        if block not in self._writers:
            self._writers[block] = Block.writer(self.folder / f"{block}.block")
        return self._writers[block]

    def _answer(self, block: str, number: int) -> Answer | None:
        copy = self._answers[block]
        copy.refresh(time.monotonic())
        if copy.count == 0:
            return None
        if block == "commands":
            control = record_over(copy.data, ex.CONTROL_RECORD)[0]
            if int(control["command"]) < number:
                return None
            result = int(control["command_result"])
            reason = ex.REFUSALS[result] if 0 <= result < len(ex.REFUSALS) else f"refused ({result})"
            return result == ex.REFUSED_NOT, reason
        driven = record_over(copy.data[self._copies.raw_part :], ex.DRIVEN_RECORD)[0]
        if int(driven["injection"]) < number:
            return None
        refused = bool(driven["injection_refused"])
        return not refused, "the simulated battery refuses it" if refused else ""

    def _told(self, what: str, answer: Answer) -> None:
        accepted, reason = answer
        text = f"{what}: accepted" if accepted else f"{what}: refused, {reason}"
        self.events_log.note(self.snapshot(), "command", text, time_s=self._clock())

    def close(self) -> None:
        """Let all blocks go."""
        for copy in (*self._copies.all, *self._answers.values()):
            copy.close()
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
