"""Every course that a small site can take: the shipped transition function, driven through all of them.

The world is small so that it can be exhausted, and says here what it leaves out:

- Units step one after the other, once in each period, always in the same order; their clocks run alike and start apart.
- What a unit says reaches those that step after it in the same period, and the others in the next one.
- At the beginning of each period at most one *event* happens: one message of one unit to another is lost, comes twice,
  or comes a period late; a direction between two units is cut for good, or whole again; a unit stands still for some
  periods, or goes on; or it is started anew. The number of events of a course is bounded, their choice is not.
- Packs close after two periods in the role and are then connected; all are alike and want to be connected. A contact
  on its way may close and stay so for eight periods after its unit looked at the role last, which is what units keep
  their promises longer for.

After every step of every unit the invariants are checked. States that were seen at the same time with the same number
of events left are looked at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ionward.peers.message import MESSAGE_RECORD
from ionward.peers.unit import OWN_RECORD, PeerState, may_close, may_speak, new_state, sent, step, take

PERIOD_US = 20_000
CLOSING_PERIODS, OPENING_PERIODS = 2, 8
RELEASE_US = OPENING_PERIODS * PERIOD_US
EVENTS = ("lose", "double", "late", "cut", "mend", "freeze", "thaw", "restart")


class Event(NamedTuple):
    """One thing that goes wrong; `to` is -1 where it is about one unit alone."""

    kind: str
    unit: int
    to: int = -1

    def __str__(self) -> str:
        return f"{self.kind} {self.unit}" + (f">{self.to}" if self.to >= 0 else "")


class Violation(NamedTuple):
    """An invariant that does not hold, and the course that leads there: an event (or None) for each period."""

    what: str
    course: tuple[Event | None, ...]


@dataclass
class Explored:
    """What was looked at."""

    states: int = 0
    steps: int = 0
    spoke: set[int] = field(default_factory=set)
    connected_most: int = 0
    violation: Violation | None = None


def laid(state: PeerState) -> tuple[PeerState, npt.NDArray[np.uint8]]:
    """The same state with all its arrays in one row of bytes, and that row."""
    row = np.concatenate([np.ascontiguousarray(array).reshape(-1).view(np.uint8) for array in state])
    parts, at = [], 0
    for array in state:
        part = row[at : at + array.nbytes]
        parts.append(part.view(array.dtype).reshape(array.shape))
        at += array.nbytes
    return PeerState(*parts), row


class World:
    """A site whose whole state can be kept and put back."""

    def __init__(self, units: int, weights: Any = 1, release_us: int = RELEASE_US) -> None:
        self.units, self.weights, self.release_us = units, weights, release_us
        states = [laid(self._new(k, 1, 0)) for k in range(units)]
        self.states, self._rows = [s for s, _ in states], [row for _, row in states]
        # Of each pair (from, to): a message under way, one that is a period late, and whether the direction is cut.
        self.mail = np.zeros((2, units, units), MESSAGE_RECORD)
        self.there = np.zeros((2, units, units), np.int8)
        self.cut = np.zeros((units, units), np.int8)
        self.frozen, self.boots = np.zeros(units, np.int8), np.ones(units, np.int8)
        self.closing, self.connected = np.zeros(units, np.int8), np.zeros(units, np.int8)
        self.opening = np.zeros(units, np.int8)  # periods for which a contact may still be closed
        self.period = 0
        self._own = np.zeros(1, OWN_RECORD)
        self._parts = (*self._rows, self.mail, self.there, self.cut, self.frozen, self.boots, self.closing,
                       self.connected, self.opening)  # fmt: skip

    def _new(self, k: int, boot: int, now_us: int) -> PeerState:
        return new_state(
            k, self.units, boot, now_us, site=1, software=1, weights=self.weights, release_us=self.release_us
        )

    def keep(self) -> bytes:
        """Everything that the next period depends on."""
        return b"".join(part.tobytes() for part in self._parts)

    def put_back(self, kept: bytes, period: int) -> None:
        """Take a kept state back."""
        at = 0
        for part in self._parts:
            flat = part.reshape(-1).view(np.uint8)
            flat[:] = np.frombuffer(kept, np.uint8, flat.size, at)
            at += flat.size
        self.period = period

    def events(self) -> Iterator[Event]:
        """What can go wrong now."""
        for a in range(self.units):
            yield Event("thaw" if self.frozen[a] else "freeze", a)
            if not self.frozen[a]:
                yield Event("restart", a)
            for b in range(self.units):
                if a == b:
                    continue
                yield Event("mend" if self.cut[a, b] else "cut", a, b)
                if self.there[0, a, b] and not self.cut[a, b]:
                    for kind in ("lose", "double", "late"):
                        yield Event(kind, a, b)

    def happen(self, event: Event) -> None:
        """Let it go wrong."""
        a, b = event.unit, event.to
        if event.kind == "lose":
            self.there[0, a, b] = 0
        elif event.kind in ("double", "late"):
            self.mail[1, a, b], self.there[1, a, b] = self.mail[0, a, b], 1
            self.there[0, a, b] = event.kind == "double"
        elif event.kind in ("cut", "mend"):
            self.cut[a, b] = event.kind == "cut"
        elif event.kind in ("freeze", "thaw"):
            self.frozen[a] = event.kind == "freeze"
            self._let_go(a)
        else:
            self.boots[a] += 1
            self._let_go(a)
            self._rows[a][:] = laid(self._new(a, int(self.boots[a]), self.clock_us(a)))[1]

    def _let_go(self, k: int) -> None:
        """Its contactors are no longer driven. One that was on its way may be closed for a while."""
        if self.closing[k]:
            self.opening[k] = OPENING_PERIODS
        self.closing[k] = self.connected[k] = 0

    def clock_us(self, k: int) -> int:
        """A unit's clock at its moment of this period."""
        return self.period * PERIOD_US + k * PERIOD_US // self.units + k * 1_000_000

    def run_period(self, look: Any) -> None:
        """Everybody's turn. `look` is called after each with the moment of the period."""
        late, late_there = self.mail[1].copy(), self.there[1].copy()
        self.there[1] = 0
        for k in range(self.units):
            self.opening[k] = max(self.opening[k] - 1, 0)
            if not self.frozen[k]:
                self._turn(k)
            look(k)
        # What was late comes in now, behind what was not; what is under way to those whose turn is over waits.
        put = (late_there == 1) & (self.there[0] == 0)
        self.mail[0][put], self.there[0][put] = late[put], 1
        self.period += 1

    def _turn(self, k: int) -> None:
        state, now_us = self.states[k], self.clock_us(k)
        for a in range(self.units):
            if self.there[0, a, k]:
                self.there[0, a, k] = 0
                take(state, self.mail[0, a, k], now_us)
        self._close(k, now_us)
        trying = self.closing[k] > 0 or self.opening[k] > 0
        self._own[0] = (350.0, 0.1, 0.0, 0.0, 100.0, 100.0, 0.5, 1.0, 1.0, self.connected[k], trying, 1, 0, 2, 0,
                        0)  # fmt: skip
        step(state, self._own[0], now_us)
        if state.decision[0]["send"]:
            sent(state, now_us)
            for b in range(self.units):
                if b != k and not self.cut[k, b]:
                    self.mail[0, k, b], self.there[0, k, b] = state.message[0], 1

    def _close(self, k: int, now_us: int) -> None:
        if self.connected[k] or self.opening[k]:
            return
        if not may_close(self.states[k], now_us):
            self._let_go(k)
            return
        self.closing[k] += 1
        if self.closing[k] > CLOSING_PERIODS:
            self.connected[k], self.closing[k] = 1, 0

    def wrong(self, moment: int) -> str:
        """What does not hold, at the moment of the period at which unit `moment` has had its turn; "" nothing."""
        speak = [
            k for k in range(self.units) if not self.frozen[k] and may_speak(self.states[k], self._then(k, moment))
        ]
        if len(speak) > 1:
            return f"units {speak} speak at once"
        close = [k for k in range(self.units) if self.closing[k] or self.opening[k]]
        return f"units {close} close at once" if len(close) > 1 else ""

    def _then(self, k: int, moment: int) -> int:
        """What a unit's clock shows at the moment of another one's turn."""
        return self.period * PERIOD_US + moment * PERIOD_US // self.units + k * 1_000_000


def explore(
    units: int, events: int, periods: int, weights: Any = 1, settle: int = 0, release_us: int = RELEASE_US
) -> Explored:
    """Look at every course of so many periods with at most so many events, after `settle` periods without any.

    `release_us`: so much longer units keep their promises about closing (less than what contacts take is too little).
    """
    world, found = World(units, weights, release_us), Explored()
    frontier: dict[tuple[bytes, int], tuple[Event | None, ...]] = {}

    def go(course: tuple[Event | None, ...]) -> bool:
        def look(moment: int) -> None:
            what = world.wrong(moment)
            if what and found.violation is None:
                found.violation = Violation(what, course)

        world.run_period(look)
        found.steps += world.units
        found.spoke.update(k for k in range(units) if world.states[k].decision[0]["speaks"])
        found.connected_most = max(found.connected_most, int(world.connected.sum()))
        return found.violation is None

    for _ in range(settle):
        go(())
    frontier[world.keep(), events] = ()
    for period in range(settle, settle + periods):
        following: dict[tuple[bytes, int], tuple[Event | None, ...]] = {}
        for (kept, left), course in frontier.items():
            world.put_back(kept, period)
            choices: list[Event | None] = [None, *(world.events() if left > 0 else ())]
            for event in choices:
                world.put_back(kept, period)
                if event is not None:
                    world.happen(event)
                taken = (*course, event)
                if not go(taken):
                    return found
                following.setdefault((world.keep(), left - (event is not None)), taken)
        found.states += len(following)
        frontier = following
    return found
