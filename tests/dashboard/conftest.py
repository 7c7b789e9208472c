"""A BMS that lives in simulated time, for screens to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers.examples import example
from helpers.livefeed import Livefeed, feed_of
from ionward.dashboard.facts import Facts, facts_of
from ionward.runtime.live import Live


class Watched:
    """A feed, the live view over it, and the facts of its pack."""

    def __init__(self, feed: Livefeed) -> None:
        self.feed = feed
        self.live = Live(feed.folder, clock=feed.clock)
        self.facts: Facts = facts_of(self.live.plan)

    def after(self, duration_s: float = 0.0) -> Watched:
        """Live on for so long, looking ten times a second."""
        for _ in range(round(duration_s / 0.1)):
            self.feed.run(0.1)
            self.live.refresh()
        self.live.refresh()
        return self

    @property
    def state(self) -> dict[str, object]:
        """The state now."""
        return self.live.state()


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    """Starts the feed of an example and looks at it; connected, or not."""
    made: list[Watched] = []

    def start(name: str = "ev-96s", connect: bool = True) -> Watched:
        feed = feed_of(example(name), tmp_path / f"live-{len(made)}")
        watched = Watched(feed.run(0.5))
        watched.live.refresh()
        if connect:
            feed.connect()
        watched.after(0.5)
        made.append(watched)
        return watched

    yield start
    for watched in made:
        watched.live.close()
        watched.feed.stop()
