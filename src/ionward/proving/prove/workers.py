"""Work on several cores: pieces that do not depend on each other, results in the order of the pieces."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

WORKERS_MAX = 2

# What the workers do: they are forks, and find it here with all that it has prepared.
_job: Callable[[Any], Any] | None = None


def worker_count() -> int:
    """As many as there are cores, and no more than leave others their share."""
    return max(1, min(WORKERS_MAX, len(os.sched_getaffinity(0))))


def each(job: Callable[[Item], Answer], items: Sequence[Item], workers: int) -> Iterator[Answer]:
    """What the job makes of each item, in order, as soon as it is there."""
    global _job
    if workers <= 1 or len(items) <= 1:
        yield from map(job, items)
        return
    _job = job
    pool = ProcessPoolExecutor(workers, get_context("fork"), _begin)
    try:
        yield from pool.map(_do, items)
    finally:
        pool.shutdown(cancel_futures=True)
        _job = None


def _begin() -> None:
    """An interrupt is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _do(item: Any) -> Any:
    assert _job is not None
    return _job(item)
