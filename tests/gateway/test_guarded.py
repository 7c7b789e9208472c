from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from ionward.gateway.access import Access
from ionward.gateway.guarded import Guarded, Limits

HERE = Access("127.0.0.1")
FAR = Access("0.0.0.0", "a-token-of-24-characters")


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Reads the whole body and tells its length."""
    length, more = 0, True
    while more:
        message = await receive()
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(length).encode()})


async def never(scope: Any, receive: Any, send: Any) -> None:
    """Never answers."""
    await asyncio.sleep(60.0)


def request(
    app: Guarded, chunks: list[bytes] | None = None, path: str = "/api/v1/x", endless: bool = False, **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers of an answer to a body in chunks; endless: more is promised and never comes."""
    named = {"host": "localhost", **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": "http", "method": "POST", "path": path, "query_string": b"", "scheme": "http",
        "headers": [(n.encode(), v.encode()) for n, v in named.items()],
    }  # fmt: skip
    waiting = list(chunks or [b""])
    sent: list[Any] = []

    async def receive() -> Any:
        if not waiting:
            await asyncio.sleep(60.0)
        body = waiting.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(waiting) or endless}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    body = b"".join(m.get("body", b"") for m in sent)
    return sent[0]["status"], body, {n.decode(): v.decode() for n, v in sent[0]["headers"]}


def test_a_body_within_the_limit_comes_whole() -> None:
    assert request(Guarded(echo, HERE), [b"x" * 1000] * 60)[:2] == (200, b"60000")


@pytest.mark.parametrize("declared", [True, False])
def test_a_larger_body_is_refused_whether_it_says_so_or_not(declared: bool) -> None:
    headers = {"content_length": "70000"} if declared else {}
    status, body, answered = request(Guarded(echo, HERE), [b"x" * 7000] * 10, **headers)
    assert status == 413
    assert json.loads(body) == {"detail": "the body is larger than 64 kB"}
    assert answered["connection"] == "close"


def test_pages_may_send_more_than_programs() -> None:
    assert request(Guarded(echo, HERE), [b"x" * 70000], path="/_nicegui_ws/x")[0] == 200
    assert request(Guarded(echo, HERE), [b"x" * 70000] * 16, path="/_nicegui_ws/x")[0] == 413


def test_a_body_that_does_not_end_is_cut_off() -> None:
    status, body, _ = request(Guarded(echo, HERE, Limits(body_s=0.05)), [b"x"], endless=True)
    assert (status, json.loads(body)["detail"]) == (408, "the body did not come within 0.05 s")


def test_an_answer_that_does_not_come_is_given_up() -> None:
    status, body, _ = request(Guarded(never, HERE, Limits(whole_s=0.05)))
    assert (status, json.loads(body)["detail"]) == (503, "no answer within 0.05 s")


def test_browsers_are_told_not_to_guess_frame_or_keep() -> None:
    headers = request(Guarded(echo, HERE))[2]
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_a_program_without_token_gets_json_and_a_browser_a_form() -> None:
    status, body, headers = request(Guarded(echo, FAR), accept="text/html")
    assert (status, headers["www-authenticate"]) == (401, "Bearer")
    assert "token" in json.loads(body)["detail"]
    status, body, headers = request(Guarded(echo, FAR), path="/", accept="text/html")
    assert (status, headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert b'name="token"' in body


def test_the_cookie_is_kept_from_scripts_and_other_sites() -> None:
    app = Guarded(echo, FAR)
    scope = {
        "type": "http", "method": "GET", "path": "/cells", "scheme": "https",
        "query_string": b"token=a-token-of-24-characters", "headers": [(b"host", b"bms"), (b"accept", b"text/html")],
    }  # fmt: skip
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, asyncio.sleep, send))  # type: ignore[arg-type]
    headers = dict(sent[0]["headers"])
    assert (sent[0]["status"], headers[b"location"]) == (303, b"/cells")
    cookie = headers[b"set-cookie"].decode()
    assert {"HttpOnly", "SameSite=Strict", "Secure", "Path=/"} <= {part.strip() for part in cookie.split(";")}


def test_a_web_socket_is_refused_before_it_opens() -> None:
    sent: list[Any] = []

    async def connect() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/x", "query_string": b"", "headers": [(b"host", b"bms")]}
    asyncio.run(Guarded(echo, FAR)(scope, connect, send))
    assert [m["type"] for m in sent] == ["websocket.close"]
    sent.clear()
    asyncio.run(Guarded(echo, FAR)({**scope, "extensions": {"websocket.http.response": {}}}, connect, send))
    assert sent[0]["status"] == 401


def test_there_are_only_so_many_web_sockets_at_once() -> None:
    async def waiting(scope: Any, receive: Any, send: Any) -> None:
        await release.wait()

    async def both() -> list[Any]:
        app = Guarded(waiting, HERE, Limits(sockets=1))
        first = asyncio.create_task(app(scope, connect, send))
        await asyncio.sleep(0)
        await app(scope, connect, send)
        release.set()
        await first
        assert app.sockets == 0
        return sent

    async def connect() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    sent: list[Any] = []
    release = asyncio.Event()
    scope = {"type": "websocket", "path": "/x", "query_string": b"", "headers": [(b"host", b"localhost")]}
    assert [m["reason"] for m in asyncio.run(both())] == ["too many pages and streams are open"]
