"""Live values over a WebSocket: JSON frames at a chosen rate. A slow client misses frames; nothing is queued for it."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.datastructures import QueryParams
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from ionward.errors import UserError
from ionward.gateway.provider import Provider, render
from ionward.runtime.live_signals import SignalReader
from ionward.runtime.live_state import iso_time
from ionward.runtime.selection import Gatherer

CLIENTS_MAX = 16
RATE_MAX_HZ = 20.0
RATE_DEFAULT_HZ = 5.0
VALUES_MAX = 5000
SEND_S = 10.0
VIEWS = ("state", "cells", "processes")
TRY_AGAIN, WRONG = 1013, 1008


@dataclass(frozen=True)
class Wanted:
    """What a client wants to have sent."""

    period_s: float
    reader: Gatherer | None
    views: tuple[str, ...]


class Streams:
    """All clients of the stream."""

    def __init__(self, provider: Provider, signals: SignalReader, most: int = CLIENTS_MAX) -> None:
        self.provider = provider
        self.signals = signals
        self.most = most
        self.clients = 0
        self.dropped = 0

    def wanted(self, query: QueryParams) -> Wanted:
        """What the address asks for: `rate` in Hz, `signals` by name, `views` (state, cells, processes).

        Raises:
            UserError: it cannot be had; one sentence.
        """
        try:
            rate_hz = float(query.get("rate", RATE_DEFAULT_HZ))
        except ValueError:
            rate_hz = math.nan
        if not 0.01 <= rate_hz <= RATE_MAX_HZ:
            raise UserError(f"rate: give frames per second, 0.01 to {RATE_MAX_HZ:g}")
        unknown = sorted(set(query) - {"rate", "signals", "views", "token"})
        if unknown:
            raise UserError(f"'{unknown[0][:40]}' is not known here; allowed: rate, signals, views")
        named = tuple(name for name in query.get("signals", "").split(",") if name.strip())
        views = tuple(dict.fromkeys(v for v in query.get("views", "" if named else "state").split(",") if v))
        for view in views:
            if view not in VIEWS:
                raise UserError(f"views: '{view[:40]}' is not known; allowed: {', '.join(VIEWS)}")
        return Wanted(1.0 / rate_hz, self.signals.reader(named, VALUES_MAX) if named else None, views)

    def frame(self, wanted: Wanted, number: int, dropped: int) -> bytes:
        """One frame as JSON."""
        live = self.provider.look()
        snapshot = live.snapshot()
        frame: dict[str, Any] = {
            "frame": number,
            "dropped": dropped,
            "time": iso_time(snapshot.wall_s),
            "image_age_s": snapshot.image_age_s,
        }
        if wanted.reader is not None:
            frame["signals"] = self.signals.values(live, wanted.reader)
        for view in wanted.views:
            frame[view] = self.provider.view(view)
        return render(frame)

    async def serve(self, socket: WebSocket) -> None:
        """Send frames until the client goes."""
        try:
            wanted = self.wanted(socket.query_params)
        except UserError as error:
            await _refuse(socket, 422, WRONG, "; ".join(error.problems))
            return
        if self.clients >= self.most:
            await _refuse(socket, 503, TRY_AGAIN, f"{self.most} streams are open already; close one")
            return
        self.clients += 1
        try:
            await socket.accept()
            listening = asyncio.create_task(_listen(socket))
            sending = asyncio.create_task(self._send(socket, wanted))
            try:
                await asyncio.wait((listening, sending), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (listening, sending):
                    task.cancel()
                    with suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError, OSError):
                        await task
        finally:
            self.clients -= 1

    async def _send(self, socket: WebSocket, wanted: Wanted) -> None:
        clock = asyncio.get_running_loop().time
        due_s, number, dropped = clock(), 0, 0
        while True:
            text = self.frame(wanted, number, dropped).decode()
            try:
                async with asyncio.timeout(SEND_S):
                    await socket.send_text(text)
            except TimeoutError:
                with suppress(RuntimeError, OSError):
                    await socket.close(TRY_AGAIN, "too slow")
                return
            number += 1
            due_s += wanted.period_s
            late = math.floor((clock() - due_s) / wanted.period_s)
            if late > 0:  # frames that should have gone out meanwhile
                dropped += late
                self.dropped += late
                due_s += late * wanted.period_s
            await asyncio.sleep(max(0.0, due_s - clock()))


async def _listen(socket: WebSocket) -> None:
    """Nothing is expected from clients; what comes is thrown away until they go."""
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return


async def _refuse(socket: WebSocket, status: int, code: int, reason: str) -> None:
    if "websocket.http.response" in socket.scope.get("extensions", {}):
        await socket.send_denial_response(JSONResponse({"detail": reason}, status))
    else:
        await socket.close(code, reason[:120])


def stream_routes(streams: Streams) -> APIRouter:
    """The stream."""
    routes = APIRouter()

    @routes.websocket("/stream")
    async def stream(socket: WebSocket) -> None:
        await streams.serve(socket)

    return routes
