"""The dashboard as a part of a web application: pages, scripts, and the connection that carries live values."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, WebSocket
from nicegui import app as nicegui_app
from nicegui import ui

from ionward.dashboard import assets
from ionward.dashboard.facts import facts_of
from ionward.dashboard.hub import Hub
from ionward.dashboard.pages import Screens
from ionward.dashboard.topics import Looking
from ionward.runtime.live import Live

TITLE = "Ionward"


def mount(live: Live, app: FastAPI, history_dir: Path | None = None) -> Hub:
    """Put the dashboard at the root of a FastAPI application; what the application serves itself goes first.

    Call it once in a process, after the application's own routes are there and before it runs. `live` gives the values
    and takes the commands; `history_dir` holds the Parquet files of the history, where there are any.
    """
    facts = facts_of(live.plan)
    looking = Looking(live, facts, history_dir)
    hub = Hub(looking.topics(), looking.look)
    app.include_router(assets.routes())
    app.include_router(looking.routes())

    @app.websocket("/live/ws")
    async def live_socket(socket: WebSocket) -> None:
        """Live values for open pages."""
        await hub.serve(socket)

    ui.add_head_html(assets.head(), shared=True)
    Screens(live, facts).register()
    nicegui_app.on_startup(hub.start)
    nicegui_app.on_shutdown(hub.stop)
    ui.run_with(
        app, title=f"{facts.name} · {TITLE}", favicon=assets.favicon(), dark=None, language="en-GB", tailwind=False,
        show_welcome_message=False, binding_refresh_interval=None, reconnect_timeout=10.0, message_history_length=100,
    )  # fmt: skip
    return hub
