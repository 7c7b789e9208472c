"""One look at the BMS for all who ask: however many requests come, the blocks are read at most every 50 ms."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson

from ionward.runtime.live import Live

LOOK_PERIOD_S = 0.05
# The log of events needs looks also when nobody asks.
KEEP_PERIOD_S = 0.1


class Provider:
    """Looks through `live` and keeps each view, made and as JSON, until the next look."""

    def __init__(self, live: Live, clock: Callable[[], float] = time.monotonic) -> None:
        self.live = live
        self.looks = 0
        self._clock = clock
        self._looked_s = float("-inf")
        self._made: dict[str, tuple[int, Any]] = {}
        self._rendered: dict[str, tuple[int, bytes]] = {}
        self._task: asyncio.Task[None] | None = None

    def look(self) -> Live:
        """The live view, not older than the look period."""
        now_s = self._clock()
        if now_s - self._looked_s >= LOOK_PERIOD_S:
            self._looked_s = now_s
            self.live.refresh()
            self.looks += 1
        return self.live

    def view(self, name: str) -> Any:
        """A view by the name of its method in `Live`; made once for each look. Not to be changed."""
        live = self.look()
        kept = self._made.get(name)
        if kept is None or kept[0] != self.looks:
            kept = self._made[name] = (self.looks, getattr(live, name)())
        return kept[1]

    def rendered(self, name: str) -> bytes:
        """A view as JSON; rendered once for each look."""
        view = self.view(name)
        kept = self._rendered.get(name)
        if kept is None or kept[0] != self.looks:
            kept = self._rendered[name] = (self.looks, render(view))
        return kept[1]

    def start(self) -> None:
        """Go on looking, in the running event loop, also when nobody asks."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._keep_looking())

    async def stop(self) -> None:
        """End looking."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _keep_looking(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(KEEP_PERIOD_S)


def render(value: Any) -> bytes:
    """JSON of plain values; what is no number becomes null."""
    return orjson.dumps(value)
