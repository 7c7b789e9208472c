"""One look for all browsers: what open pages want is made once per tick and sent as small JSON over a WebSocket.

A page names the topics that it shows (`overview`, `cells`, `cell/17`, …); a hidden page names none. A browser that is
slower than the ticks gets the newest of each topic and misses the others: nothing is queued up.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from starlette.websockets import WebSocket, WebSocketDisconnect

TICK_S = 0.2
CLIENTS_MAX = 64
TOPICS_MAX = 8
MESSAGE_MAX = 4096
SEND_TIMEOUT_S = 10.0
TOPIC = re.compile(r"[a-z]{1,16}(/[A-Za-z0-9_.,\[\]]{1,2000})?")

log = logging.getLogger(__name__)


class Topic(NamedTuple):
    """How the data of one kind of topic are made: from what stands behind the slash; None where there is nothing.

    `every` counts ticks; data that do not change are sent again only where `always` says so.
    """

    make: Callable[[str], Any]
    every: int = 1
    always: bool = False


class Client:
    """One browser page: what it wants, and the newest message of each topic that it has not been sent yet."""

    def __init__(self) -> None:
        self.want: tuple[str, ...] = ()
        self.pending: dict[str, str] = {}
        self.ready = asyncio.Event()
        self.new: set[str] = set()  # topics that it has had nothing of yet

    def ask(self, topics: Iterable[str]) -> None:
        """Follow these topics from now on, and no others."""
        before = set(self.want)
        self.want = tuple(dict.fromkeys(topics))
        self.new = (self.new & set(self.want)) | (set(self.want) - before)
        self.pending = {topic: message for topic, message in self.pending.items() if topic in self.want}

    def offer(self, topic: str, message: str) -> None:
        """Have this sent; an older one of the same topic that still waits is replaced."""
        self.pending[topic] = message
        self.new.discard(topic)
        self.ready.set()


class Hub:
    """All pages that look at one BMS.

    Args:
        topics: how each kind of topic is made.
        look: called once in every tick, whether anybody looks or not.
    """

    def __init__(self, topics: dict[str, Topic], look: Callable[[], None]) -> None:
        self.topics = topics
        self.look = look
        self.clients: set[Client] = set()
        self.ticks = 0
        self._last: dict[str, str] = {}
        self._failed: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin ticking, in the running event loop."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End ticking."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        due_s = time.monotonic()
        while True:
            self.tick()
            due_s = max(due_s + TICK_S, time.monotonic())
            await asyncio.sleep(due_s - time.monotonic())

    def tick(self) -> None:
        """Look, make every topic that somebody wants and that is due, and offer it to those who want it."""
        self.ticks += 1
        try:
            self.look()
        except Exception:
            self._tell_once("look")
        wanted: dict[str, list[Client]] = {}
        for client in self.clients:
            for topic in client.want:
                wanted.setdefault(topic, []).append(client)
        self._last = {topic: message for topic, message in self._last.items() if topic in wanted}
        for topic, clients in wanted.items():
            self._offer(topic, clients)

    def _offer(self, topic: str, clients: list[Client]) -> None:
        kind, _, argument = topic.partition("/")
        about = self.topics[kind]
        fresh = [client for client in clients if topic in client.new]
        if self.ticks % about.every and not fresh:
            return
        try:
            message = encode(topic, about.make(argument))
        except Exception:
            self._tell_once(kind)
            return
        changed = about.always or message != self._last.get(topic)
        self._last[topic] = message
        for client in clients if changed else fresh:
            client.offer(topic, message)

    def _tell_once(self, what: str) -> None:
        """A screen that cannot be made must not take the others with it, nor fill the log."""
        if what not in self._failed:
            self._failed.add(what)
            log.exception("the dashboard cannot make '%s'", what)

    async def serve(self, socket: WebSocket) -> None:
        """Follow one page until it goes. Pages of other sites and senders of nonsense are turned away."""
        if not same_site(socket.headers.get("origin"), socket.headers.get("host")):
            await socket.close(1008, "a page of another site may not look")
            return
        if len(self.clients) >= CLIENTS_MAX:
            await socket.close(1013, "too many pages are open")
            return
        await socket.accept()
        client = Client()
        self.clients.add(client)
        sending = asyncio.create_task(_send(client, socket))
        try:
            while True:
                message = await socket.receive_text()
                topics = self.understood(message)
                if topics is None:
                    await socket.close(1003, 'send {"want": [topics]}')
                    break
                client.ask(topics)
        except (WebSocketDisconnect, RuntimeError, KeyError):
            pass
        finally:
            self.clients.discard(client)
            sending.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await sending

    def understood(self, message: str) -> list[str] | None:
        """The topics that a page's message asks for; None where it makes no sense."""
        if len(message) > MESSAGE_MAX:
            return None
        try:
            want = json.loads(message)["want"]
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        if not isinstance(want, list) or len(want) > TOPICS_MAX:
            return None
        known = [t for t in want if isinstance(t, str) and TOPIC.fullmatch(t) and t.partition("/")[0] in self.topics]
        return known if len(known) == len(want) else None


async def _send(client: Client, socket: WebSocket) -> None:
    """Send what is pending, the newest only; a page that takes nothing for long is left."""
    while True:
        await client.ready.wait()
        client.ready.clear()
        while client.pending:
            topic = next(iter(client.pending))
            message = client.pending.pop(topic)
            try:
                await asyncio.wait_for(socket.send_text(message), SEND_TIMEOUT_S)
            except (TimeoutError, WebSocketDisconnect, RuntimeError, OSError):
                with suppress(Exception):
                    await socket.close(1011)
                return


def encode(topic: str, data: Any) -> str:
    """A message as compact JSON.

    Raises:
        ValueError: the data hold NaN or infinity, which JSON does not know.
    """
    return json.dumps({"topic": topic, "data": data}, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def same_site(origin: str | None, host: str | None) -> bool:
    """A browser's page may look when it comes from here; what is no browser sends no origin."""
    return origin is None or urlsplit(origin).netloc == host
