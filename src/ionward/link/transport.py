"""What every transport does: it carries messages to all other units, and hands over those that came in.

A transport promises little, so that the peers rest on nothing but messages:

- `send` and `receive` never wait. What cannot go out now is dropped: but `AT_ONCE` messages in a row always can, while
  somebody takes them in.
- A message arrives whole and unchanged at the others, or not at all (a simulated network can be told otherwise), and
  never at the transport that sent it. It may arrive late, twice, or behind one that was sent after it.
- Whether anybody is there is not its business: that is told by the messages themselves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from types import TracebackType
from typing import Self

AT_ONCE = 16  # messages that may be sent in one go; a unit sends one in a cycle
LARGEST_BYTES = 1024  # far more than a message of peers has, far less than what a network splits

CLOSED = "the transport is closed"


class TooLargeError(ValueError):
    """A message that is too large for any transport: a mistake of the program that made it."""


class Transport(ABC):
    """One unit's way to all others. What it has done so far is counted in `sent`, `received` and `dropped`.

    `dropped` counts messages by reason: those that this transport could not send, or could not keep until somebody
    asked for them. What is lost on the way it cannot know; the peers do, from the counters in the messages.
    """

    def __init__(self) -> None:
        self.sent = 0
        self.received = 0
        self.dropped: Counter[str] = Counter()
        self.closed = False

    def send(self, message: bytes) -> None:
        """Send a message to all other units, or drop it; never waits.

        Raises:
            TooLargeError: it has more than `LARGEST_BYTES`.
        """
        if len(message) > LARGEST_BYTES:
            raise TooLargeError(f"a message of {len(message)} bytes; a transport carries {LARGEST_BYTES} at most")
        reason = CLOSED if self.closed else self._send(message)
        if reason:
            self.dropped[reason] += 1
        else:
            self.sent += 1

    def receive(self) -> list[bytes]:
        """The messages that came in since the last call, in the order in which they did; never waits."""
        messages = [] if self.closed else self._receive()
        self.received += len(messages)
        return messages

    def close(self) -> None:
        """Leave. What is sent afterwards is dropped, and nothing comes in any more; may be called again."""
        if not self.closed:
            self.closed = True
            self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def _send(self, message: bytes) -> str:
        """Send; the reason why not where it cannot, else an empty text."""

    @abstractmethod
    def _receive(self) -> list[bytes]:
        """What came in."""

    @abstractmethod
    def _close(self) -> None:
        """Leave the network."""
