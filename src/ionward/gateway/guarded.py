"""What stands around every application of the server: access, limits of size and time, and headers for browsers.

It is plain ASGI, so that it holds for the API, the metrics, the pages of the dashboard and their WebSockets alike.
"""

from __future__ import annotations

import asyncio
import html
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException

from ionward.gateway.access import COOKIE, COOKIE_AGE_S, Access, Verdict, judge

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BROWSER_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),  # nobody lays a page of theirs over the command buttons
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
POLICY_VIOLATION = 1008
STYLE = (
    ":root{color-scheme:light dark}body{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;"
    "padding:0 1.5rem}form{display:flex;gap:.75rem;align-items:center}input{flex:1;min-width:0}"
    "input,button{font:inherit;padding:.5rem .75rem;border-radius:.4rem;border:1px solid #8888}"
    "button{background:#0b5cad;color:#fff;border:0}"
)
CLOSE = {"connection": "close"}  # what is left of a body is not read


@dataclass(frozen=True)
class Limits:
    """Limits of one request. `programs` are the paths that programs use; pages of the dashboard have wider limits."""

    body_bytes: int = 64 * 1024
    page_body_bytes: int = 1024 * 1024
    body_s: float = 10.0
    whole_s: float = 30.0
    sockets: int = 128
    programs: tuple[str, ...] = ("/api/", "/metrics")


class BodyError(HTTPException):
    """A body is larger than it may be, or does not come to its end. Applications pass this kind of error on."""


class Guarded:
    """An application behind access rules and limits."""

    def __init__(self, app: App, access: Access, limits: Limits | None = None) -> None:
        self.app = app
        self.access = access
        self.limits = limits or Limits()
        self.sockets = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge a request, then let the application answer it within the limits."""
        kind = scope["type"]
        if kind not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        method = scope.get("method", "GET")
        query = scope.get("query_string", b"").decode("latin-1")
        verdict = judge(self.access, kind, method, scope["path"], query, scope["headers"])
        if verdict.status:
            await self._refuse(scope, receive, send, verdict)
        elif kind == "websocket":
            await self._socket(scope, receive, send)
        elif verdict.location is not None:
            await self._answer(send, 303, b"", self._cookie(scope, verdict), (b"location", _header(verdict.location)))
        else:
            await self._within_limits(scope, receive, self._with_headers(scope, send, verdict))

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.sockets >= self.limits.sockets:
            await self._refuse_socket(scope, receive, send, Verdict(503, "too many pages and streams are open"))
            return
        self.sockets += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.sockets -= 1

    async def _within_limits(self, scope: Scope, receive: Receive, send: Send) -> None:
        limits = self.limits
        is_program = scope["path"].startswith(limits.programs)
        most = limits.body_bytes if is_program else limits.page_body_bytes
        begun = False

        async def watched_send(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        if _declared_bytes(scope) > most:
            await self._problem(send, 413, too_large(most), close=True)
            return
        try:
            async with asyncio.timeout(limits.whole_s if is_program else None):
                await self.app(scope, _limited(receive, most, limits.body_s), watched_send)
        except (BodyError, TimeoutError) as error:
            if begun:
                raise
            if isinstance(error, BodyError):
                await self._problem(send, error.status_code, error.detail, close=True)
            else:
                await self._problem(send, 503, f"no answer within {limits.whole_s:g} s", close=True)

    def _with_headers(self, scope: Scope, send: Send, verdict: Verdict) -> Send:
        cookie = self._cookie(scope, verdict)
        no_store = scope["path"].startswith(self.limits.programs)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                known = {name.lower() for name, _ in message.get("headers", ())}
                extra = [pair for pair in BROWSER_HEADERS if pair[0] not in known]
                if no_store and b"cache-control" not in known:
                    extra.append((b"cache-control", b"no-store"))
                message = {**message, "headers": [*message.get("headers", ()), *extra, *cookie]}
            await send(message)

        return sending

    def _cookie(self, scope: Scope, verdict: Verdict) -> list[tuple[bytes, bytes]]:
        if verdict.cookie is None:
            return []
        secure = "; Secure" if scope.get("scheme") == "https" else ""
        value = f"{COOKIE}={verdict.cookie}; Max-Age={COOKIE_AGE_S}; Path=/; HttpOnly; SameSite=Strict{secure}"
        return [(b"set-cookie", value.encode())]

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, verdict: Verdict) -> None:
        if scope["type"] == "websocket":
            await self._refuse_socket(scope, receive, send, verdict)
            return
        accept = b"".join(value for name, value in scope["headers"] if name == b"accept")
        if b"text/html" in accept and not scope["path"].startswith(self.limits.programs):
            page = _page(verdict).encode()
            headers = ((b"content-type", b"text/html; charset=utf-8"), *_challenge(verdict))
            await self._answer(send, verdict.status, page, [], *headers)
        else:
            await self._problem(send, verdict.status, verdict.reason, *_challenge(verdict))

    async def _refuse_socket(self, scope: Scope, receive: Receive, send: Send, verdict: Verdict) -> None:
        await receive()
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": verdict.reason[:120]})
            return
        body = json.dumps({"detail": verdict.reason}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "websocket.http.response.start", "status": verdict.status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": body})

    async def _problem(
        self, send: Send, status: int, reason: str, *headers: tuple[bytes, bytes], close: bool = False
    ) -> None:
        body = json.dumps({"detail": reason}).encode()
        closing = ((b"connection", b"close"),) if close else ()
        await self._answer(send, status, body, [], (b"content-type", b"application/json"), *headers, *closing)

    async def _answer(
        self,
        send: Send,
        status: int,
        body: bytes,
        cookie: list[tuple[bytes, bytes]],
        *headers: tuple[bytes, bytes],
    ) -> None:
        fixed = [(b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store"), *BROWSER_HEADERS]
        await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers, *cookie]})
        await send({"type": "http.response.body", "body": body})


def too_large(most: int) -> str:
    """What is said of a body of more bytes."""
    return f"the body is larger than {most // 1024} kB"


def _limited(receive: Receive, most: int, seconds: float) -> Receive:
    """`receive` that counts the body's bytes and does not wait for ever for its end."""
    taken = 0
    ended = False
    end_s = asyncio.get_running_loop().time() + seconds

    async def receiving() -> Message:
        nonlocal taken, ended
        if ended:  # from here on only the client's going away can come
            return await receive()
        try:
            async with asyncio.timeout_at(end_s):
                message = await receive()
        except TimeoutError:
            raise BodyError(408, f"the body did not come within {seconds:g} s", CLOSE) from None
        if message["type"] == "http.request":
            taken += len(message.get("body", b""))
            ended = not message.get("more_body", False)
            if taken > most:
                raise BodyError(413, too_large(most), CLOSE)
        return message

    return receiving


def _declared_bytes(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0


def _challenge(verdict: Verdict) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"www-authenticate", b"Bearer"),) if verdict.status == 401 else ()


def _header(text: str) -> bytes:
    """A value that cannot end its header."""
    return text.replace("\r", "").replace("\n", "").encode("ascii", "ignore")


def _page(verdict: Verdict) -> str:
    said = html.escape(verdict.reason[:1].upper() + verdict.reason[1:])
    form = ""
    if verdict.status == 401:
        said = (
            "This BMS is reached over a network, so it asks for its token. The token stands in the file "
            "<code>token</code> of the state folder on its machine."
        )
        form = (
            '<form method="get"><label for="t">Token</label>'
            '<input id="t" name="token" type="password" autofocus autocomplete="current-password" required>'
            "<button>Open</button></form>"
        )
        if "wrong" in verdict.reason:
            said = f"<strong>The token is wrong.</strong> {said}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Ionward</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><h1>Ionward</h1><p>{said}</p>{form}</body></html>"
    )
