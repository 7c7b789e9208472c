"""The HTTP application over a small pack that lives in real time, and clients of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.testclient import TestClient

from helpers.livefeed import Livefeed
from helpers.scenarios import small_system
from ionward.gateway.access import Access
from ionward.gateway.guarded import Guarded
from ionward.gateway.http import guarded, make_app
from ionward.gateway.provider import Provider
from ionward.runtime.live import Live

BASE = "http://localhost:8080"
HERE = Access("127.0.0.1", names=frozenset({"testserver"}))  # the name that Starlette's client gives WebSockets


@contextmanager
def running_feed(folder: Path) -> Iterator[Livefeed]:
    """A connected small pack that answers commands, in real time."""
    feed = Livefeed(small_system(), folder).run(1.0).connect()
    with feed:
        yield feed


def app_of(feed: Livefeed, history_dir: Path | None = None) -> tuple[FastAPI, Provider]:
    """The application over a feed."""
    provider = Provider(Live(feed.folder, writer=True, clock=feed.clock))
    return make_app(provider, history_dir), provider


def client_of(app: FastAPI | Guarded, access: Access | None = None) -> TestClient:
    """A client on the same machine."""
    served = app if isinstance(app, Guarded) else guarded(app, access or HERE)
    return TestClient(served, base_url=BASE, raise_server_exceptions=False)
