"""A network in simulated time: messages that are late, lost, doubled, out of order or damaged, and directions cut.

All units of a site hang on one `SimulatedNetwork`. Time is what `advance` was told last. Each direction from one unit
to another draws from its own sequence of random numbers, which follows from the seed and the two unit numbers alone:
the same calls give the same network, on every machine and in every process, and what happens on one direction does not
change what happens on another.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass

from ionward.link.transport import Transport

NUMBERS = 1 << 16  # unit numbers are smaller


@dataclass(frozen=True)
class Conditions:
    """How one direction treats messages. Parts are probabilities, 0..1, of each message.

    Attributes:
        delay_us: every message takes so long.
        jitter_us: … and up to so much longer, evenly spread; more than the time between messages changes their order.
        loss: part that never arrives.
        duplicate: part that arrives twice, the second time with a delay of its own.
        late: part that is held up by `late_us`: others overtake it.
        late_us: see `late`.
        corrupt: part that arrives with a bit turned over, or cut off.
    """

    delay_us: int = 300
    jitter_us: int = 0
    loss: float = 0.0
    duplicate: float = 0.0
    late: float = 0.0
    late_us: int = 50_000
    corrupt: float = 0.0

    def __post_init__(self) -> None:
        for name in ("loss", "duplicate", "late", "corrupt"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is a part, 0 to 1, not {getattr(self, name)}")
        for name in ("delay_us", "jitter_us", "late_us"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is no time: {getattr(self, name)}")


class SimulatedNetwork:
    """All that lies between the units. `lost`, `doubled`, `corrupted`, `cut_off` and `carried` count what it did.

    Args:
        seed: of everything that happens by chance.
        conditions: of every direction that has none of its own.
        now_us: simulated time to begin with.
    """

    def __init__(self, seed: int = 0, conditions: Conditions | None = None, now_us: int = 0) -> None:
        self.conditions = conditions or Conditions()
        self.now_us = now_us
        self.carried = self.lost = self.doubled = self.corrupted = self.cut_off = 0
        self._seed = seed
        self._own: dict[tuple[int, int], Conditions] = {}
        self._cuts: set[tuple[int, int]] = set()
        self._chances: dict[tuple[int, int], random.Random] = {}
        self._transports: list[SimulatedTransport] = []
        self._order = 0

    def transport(self, unit: int) -> SimulatedTransport:
        """A new transport of a unit. One that starts anew gets another; two at once are two units of one number."""
        if not 0 <= unit < NUMBERS:
            raise ValueError(f"no unit number: {unit}")
        made = SimulatedTransport(self, unit)
        self._transports.append(made)
        return made

    def advance(self, now_us: int) -> None:
        """It is this time now.

        Raises:
            ValueError: time would run backwards.
        """
        if now_us < self.now_us:
            raise ValueError(f"time runs backwards, from {self.now_us} to {now_us} us")
        self.now_us = now_us

    def set_conditions(self, conditions: Conditions, source: int | None = None, target: int | None = None) -> None:
        """From now on, of one direction, or (without units) of every direction that has none of its own."""
        if source is None and target is None:
            self.conditions = conditions
        elif source is None or target is None:
            raise ValueError("a direction has a source and a target")
        else:
            self._own[source, target] = conditions

    def cut(self, source: int, target: int) -> None:
        """Cut one direction: nothing goes from source to target any more. What is on the way arrives."""
        self._cuts.add((source, target))

    def mend(self, source: int, target: int) -> None:
        """Mend one direction; one that is whole stays so."""
        self._cuts.discard((source, target))

    def split(self, *groups: set[int]) -> None:
        """Cut every direction between units of different groups, and mend all others. No groups: all is whole."""
        self._cuts = {(a, b) for one in groups for other in groups if one is not other for a in one for b in other}

    def _carry(self, sender: SimulatedTransport, message: bytes) -> None:
        for receiver in self._transports:
            if receiver is not sender:
                self._between(sender.unit, receiver, message)

    def _between(self, source: int, receiver: SimulatedTransport, message: bytes) -> None:
        way = (source, receiver.unit)
        if way in self._cuts:
            self.cut_off += 1
            return
        c, chance = self._own.get(way, self.conditions), self._chance(way)
        if chance.random() < c.loss:
            self.lost += 1
            return
        copies = 1
        if chance.random() < c.duplicate:
            copies = 2
            self.doubled += 1
        for _ in range(copies):
            arrives_us = self.now_us + c.delay_us
            if c.jitter_us:
                arrives_us += chance.randint(0, c.jitter_us)
            if chance.random() < c.late:
                arrives_us += c.late_us
            data = message
            if message and chance.random() < c.corrupt:
                data = _damaged(message, chance)
                self.corrupted += 1
            self.carried += 1
            self._order += 1
            heapq.heappush(receiver.inbox, (arrives_us, self._order, data))

    def _chance(self, way: tuple[int, int]) -> random.Random:
        chance = self._chances.get(way)
        if chance is None:
            chance = self._chances[way] = random.Random((self._seed * NUMBERS + way[0]) * NUMBERS + way[1])
        return chance

    def _leave(self, transport: SimulatedTransport) -> None:
        self._transports.remove(transport)


def _damaged(message: bytes, chance: random.Random) -> bytes:
    """The message with one bit turned over, or without its end."""
    bit = chance.randrange(8 * len(message))
    if chance.random() < 0.25:
        return message[: bit // 8]
    data = bytearray(message)
    data[bit // 8] ^= 1 << bit % 8
    return bytes(data)


class SimulatedTransport(Transport):
    """A unit's place in a simulated network; see `SimulatedNetwork.transport`."""

    def __init__(self, network: SimulatedNetwork, unit: int) -> None:
        super().__init__()
        self.unit = unit
        self.inbox: list[tuple[int, int, bytes]] = []
        self._network = network

    def _send(self, message: bytes) -> str:
        self._network._carry(self, bytes(message))
        return ""

    def _receive(self) -> list[bytes]:
        messages = []
        while self.inbox and self.inbox[0][0] <= self._network.now_us:
            messages.append(heapq.heappop(self.inbox)[2])
        return messages

    def _close(self) -> None:
        self._network._leave(self)
        self.inbox.clear()
