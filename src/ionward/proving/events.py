"""Reading the event ring of a running BMS."""

from __future__ import annotations

from typing import Any

from ionward.image.events import describe
from ionward.image.layout import Image
from ionward.image.signals import EVENT_SLOTS


class EventReader:
    """Reads what is new in the event ring of an image. Events that were overwritten unread are counted as `lost`."""

    def __init__(self) -> None:
        self.seen = 0
        self.lost = 0
        self._boots = 1

    def started(self, boots: int) -> None:
        """The BMS has been started so often by now. One that was started anew begins with an empty ring."""
        if boots != self._boots:
            self.seen, self._boots = 0, boots

    def read(self, image: Image) -> list[dict[str, Any]]:
        """New events, oldest first."""
        count = int(image.scalars["event_count"][0])
        first = max(self.seen, count - EVENT_SLOTS)
        self.lost += first - self.seen
        self.seen = count
        return [describe(image.events[:, n % EVENT_SLOTS]) for n in range(first, count)]
