"""The HTTP API and the server that carries it: `make_api`, `make_app`, `server_config`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from uvicorn.protocols.http.h11_impl import H11Protocol

from ionward import __version__
from ionward.gateway.access import Access
from ionward.gateway.api_commands import command_routes
from ionward.gateway.api_docs import page
from ionward.gateway.api_errors import handle_errors
from ionward.gateway.api_history import history_routes
from ionward.gateway.api_read import WRONG, read_routes
from ionward.gateway.api_stream import Streams, stream_routes
from ionward.gateway.guarded import Guarded, Limits
from ionward.gateway.prometheus import CONTENT_TYPE, exposition
from ionward.gateway.provider import Provider
from ionward.runtime.live_signals import SignalReader

BASE = "/api/v1"
ABOUT = (
    "What an Ionward BMS knows and takes. Current and power are positive when charging, SOC is 0 to 1, cells count "
    "from 0, times are ISO 8601 in UTC, null is what is not known."
)
STREAM_ABOUT = (
    "WebSocket /api/v1/stream?rate=5&signals=soc,current_a&views=state sends one JSON object a frame: frame, dropped, "
    "time, image_age_s, then signals by name and the views state, cells, processes that were asked for. At most 20 "
    "frames a second; a slow client misses frames."
)

CONNECTIONS_MAX = 200
HEAD_MAX_BYTES = 16 * 1024
HEAD_S = 10.0
KEEP_ALIVE_S = 15
MESSAGE_MAX_BYTES = 64 * 1024


def make_api(provider: Provider, history_dir: Path | None = None) -> FastAPI:
    """The API as an application of its own, to be mounted under /api/v1."""
    api = FastAPI(
        title="Ionward", version=__version__, description=ABOUT, docs_url=None, redoc_url=None,
        openapi_url="/openapi.json", root_path_in_servers=False, servers=[{"url": BASE}],
        redirect_slashes=False,
    )  # fmt: skip
    handle_errors(api)
    signals = SignalReader(provider.live.plan.size)
    streams = Streams(provider, signals)
    api.include_router(read_routes(provider, signals))
    api.include_router(history_routes(history_dir))
    api.include_router(command_routes(provider))
    api.include_router(stream_routes(streams))
    api.state.streams = streams

    @api.get("/metrics", response_class=PlainTextResponse, responses=WRONG, tags=["system"])
    async def metrics(cells: bool = False) -> Response:
        """Metrics for Prometheus (text format 0.0.4); `cells=true` adds those of every cell."""
        return metrics_response(provider, cells)

    @cache
    def documents() -> str:
        return page(api.openapi(), STREAM_ABOUT)

    @api.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(documents())

    @api.get("/", include_in_schema=False)
    async def index() -> dict[str, Any]:
        paths = [f"{BASE}{path}" for path in api.openapi()["paths"]]
        return {"name": "Ionward", "version": __version__, "paths": [*paths, f"{BASE}/stream", f"{BASE}/docs"]}

    return api


def metrics_response(provider: Provider, cells: bool) -> Response:
    """All metrics as Prometheus reads them."""
    views = (provider.view("state"), provider.view("processes"), provider.view("recorder"))
    text = exposition(*views, provider.view("cells") if cells else None)
    return Response(text, headers={"content-type": CONTENT_TYPE})


def make_app(provider: Provider, history_dir: Path | None = None) -> FastAPI:
    """The whole application: the API under /api/v1, and /metrics. The dashboard's pages may be put beside them.

    It looks at the BMS as long as it runs.
    """

    @asynccontextmanager
    async def looking(_: FastAPI) -> AsyncIterator[None]:
        provider.start()
        warming = asyncio.get_running_loop().create_task(asyncio.to_thread(_load_late_parts, provider))
        try:
            yield
        finally:
            await warming
            await provider.stop()

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=looking, redirect_slashes=False)
    handle_errors(app)
    app.mount(BASE, make_api(provider, history_dir))

    @app.get("/metrics", response_class=PlainTextResponse, include_in_schema=False)
    async def metrics(cells: bool = False) -> Response:
        return metrics_response(provider, cells)

    return app


def _load_late_parts(provider: Provider) -> None:
    """Import what the first injection needs, beside the event loop: it takes a second."""
    if provider.live.plan.simulated:
        from ionward.runtime.live_commands import injectable

        injectable()


def guarded(app: FastAPI, access: Access, limits: Limits | None = None) -> Guarded:
    """The application behind its access rules and limits: what the server serves."""
    return Guarded(app, access, limits)


class PatientProtocol(H11Protocol):
    """HTTP/1.1 that does not wait for ever for the head of a request (slowloris): uvicorn itself has no such limit."""

    head_s = HEAD_S
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection begins: its first head has to come in time."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Bytes have come: stop waiting when they made a head whole, else go on with the same deadline."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self._head_timer is None and not self.transport.is_closing():
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: Any) -> None:
        """From here on it is a WebSocket."""
        self._stop_waiting()
        super().handle_websocket_upgrade(event)

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_s, self._give_up)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


def server_config(app: Guarded, host: str, port: int, **changes: Any) -> uvicorn.Config:
    """Settings of the server: nothing is unbounded, nothing of what clients send is logged, no header is believed that
    says who the client is."""
    settings: dict[str, Any] = {
        "host": host,
        "port": port,
        "http": PatientProtocol,
        "h11_max_incomplete_event_size": HEAD_MAX_BYTES,
        "limit_concurrency": CONNECTIONS_MAX,
        "timeout_keep_alive": KEEP_ALIVE_S,
        "timeout_graceful_shutdown": 2,
        "ws_max_size": MESSAGE_MAX_BYTES,
        "ws_max_queue": 8,
        "access_log": False,
        "log_level": "warning",
        "server_header": False,
        "proxy_headers": False,
    }
    return uvicorn.Config(app, **(settings | changes))
