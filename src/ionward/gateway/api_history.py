"""History over HTTP: one signal from minutes to years, and events; read beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Response

from ionward.errors import UserError
from ionward.gateway import api_models as m
from ionward.gateway.api_read import ABSENT, NOT_FOUND, WRONG, json_response
from ionward.gateway.provider import render

POINTS_MAX = 20_000
EVENTS_MAX = 5000
AT_ONCE = 2
BUSY_S = 5.0

From = Annotated[float, Query(alias="from", allow_inf_nan=False, description="Seconds since 1970")]
To = Annotated[float, Query(alias="to", allow_inf_nan=False, description="Seconds since 1970")]


class History:
    """The history folder, asked by few at a time: a query takes a processor for itself."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._room = asyncio.Semaphore(AT_ONCE)

    async def ask(self, read: Callable[[Path], Any]) -> Response:
        """What `read` makes of the folder, as JSON; its mistakes as errors of the API."""
        folder = self._folder
        if folder is None or not folder.is_dir():
            raise HTTPException(503, "there is no history yet: the recorder makes it from recordings")
        try:
            async with asyncio.timeout(BUSY_S):
                await self._room.acquire()
        except TimeoutError:
            raise HTTPException(503, "the history is busy with other questions; ask again") from None
        try:
            return json_response(await asyncio.to_thread(lambda: render(read(folder))))
        except UserError as error:
            said = "; ".join(error.problems)
            status = 503 if "history is empty" in said else 404 if "is not in the history" in said else 422
            raise HTTPException(status, said.removeprefix(f"{folder}: ")) from None
        finally:
            self._room.release()


def history_routes(folder: Path | None) -> APIRouter:
    """All routes of the history."""
    history = History(folder)
    routes = APIRouter(tags=["history"])

    @routes.get("/history", response_model=m.HistoryNow, responses=ABSENT | NOT_FOUND | WRONG)
    async def one_signal(
        signal: Annotated[str, Query(min_length=1, max_length=200, description="Name of one signal")],
        begin: From,
        end: To,
        points: Annotated[int, Query(ge=1, le=POINTS_MAX, description="How many points at most")] = 1000,
    ) -> Response:
        """One signal: mean, minimum and maximum of equal stretches of time; null where nothing is known."""

        def read(root: Path) -> dict[str, Any]:
            from ionward.runtime.history_query import query

            found = asdict(query(root, signal, begin, end, points))
            return {name: value.tolist() if hasattr(value, "tolist") else value for name, value in found.items()}

        return await history.ask(read)

    @routes.get("/history/contents", response_model=m.HistoryContents, responses=ABSENT)
    async def contents() -> Response:
        """How far the history reaches, and which signals it has."""

        def read(root: Path) -> dict[str, Any]:
            from ionward.runtime.history_query import signals, span

            reach = span(root)
            return {"span": reach and asdict(reach), "signals": [asdict(s) for s in signals(root)]}

        return await history.ask(read)

    @routes.get("/history/events", response_model=m.HistoryEvents, responses=ABSENT | WRONG)
    async def past_events(
        begin: From, end: To, limit: Annotated[int, Query(ge=1, le=EVENTS_MAX, description="The latest ones")] = 1000
    ) -> Response:
        """Events between two moments, oldest first."""

        def read(root: Path) -> dict[str, Any]:
            from ionward.runtime.history_query import events

            return {"events": [event._asdict() for event in events(root, begin, end, limit)]}

        return await history.ask(read)

    return routes
