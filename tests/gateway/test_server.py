"""The real server on a loopback port: what only sockets can show."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
import uvicorn

from helpers.gateway import app_of, running_feed
from helpers.livefeed import Livefeed
from ionward.gateway.access import Access
from ionward.gateway.guarded import Limits
from ionward.gateway.http import PatientProtocol, guarded, server_config


class Impatient(PatientProtocol):
    """As the server's, with a shorter patience."""

    head_s = 0.3


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Livefeed]:
    with running_feed(tmp_path_factory.mktemp("live")) as made:
        yield made


@pytest.fixture(scope="module")
def port(feed: Livefeed) -> Iterator[int]:
    """A server in a thread."""
    app = guarded(app_of(feed)[0], Access("127.0.0.1"), Limits(body_s=0.3))
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(server_config(app, "127.0.0.1", 0, http=Impatient, timeout_keep_alive=1))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(10.0)
    assert not thread.is_alive()


def talk(port: int, *parts: bytes, pause_s: float = 0.0) -> bytes:
    """Send parts one by one; everything that comes until the server closes."""
    received = b""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=20.0)) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(pause_s)
            while chunk := connection.recv(65536):
                received += chunk
        except (ConnectionResetError, BrokenPipeError):
            pass
    return received


def head(method: str = "POST", path: str = "/api/v1/commands", *lines: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


def test_it_serves_over_a_socket(port: int) -> None:
    answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/state")
    assert answer.json()["state"] == "connected"
    assert "server" not in answer.headers


def test_a_head_that_never_ends_is_cut_off(port: int) -> None:
    trickle = [b"GET /api/v1/state HTTP/1.1\r\n"] + [b"x-a: b\r\n"] * 40
    assert talk(port, *trickle, pause_s=0.05) == b""


def test_a_connection_that_says_nothing_is_closed(port: int) -> None:
    assert talk(port) == b""


def test_a_second_request_on_the_same_connection_has_the_same_patience(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20.0)
    connection.request("GET", "/api/v1/recorder")
    assert connection.getresponse().read()
    assert connection.sock is not None
    connection.sock.sendall(b"GET /api/v1/state HTTP/1.1\r\nx-a: ")
    assert connection.sock.recv(1000) == b""
    connection.close()


def test_an_enormous_head_is_refused(port: int) -> None:
    answer = talk(port, head("GET", "/api/v1/state", "x-long: " + "y" * 400_000))
    assert answer.startswith(b"HTTP/1.1 400")


def test_a_body_that_never_ends_is_refused(port: int) -> None:
    chunk = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"
    begin = head("POST", "/api/v1/commands", "Transfer-Encoding: chunked", "Content-Type: application/json")
    assert talk(port, begin, *[chunk] * 17).startswith(b"HTTP/1.1 413")
    # Whoever goes on sending is cut off, and may not get to read why.
    assert not talk(port, begin, *[chunk] * 400).startswith(b"HTTP/1.1 2")


def test_a_body_that_does_not_come_is_given_up(port: int) -> None:
    begin = head("POST", "/api/v1/commands", "Content-Length: 100", "Content-Type: application/json")
    answer = talk(port, begin, b'{"comm')
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"the body did not come within" in answer


def test_nonsense_is_refused_and_the_server_goes_on(port: int) -> None:
    assert talk(port, b"\x16\x03\x01\x02\x00\x01\x00" * 20).startswith(b"HTTP/1.1 400")
    assert httpx.get(f"http://127.0.0.1:{port}/api/v1/state").status_code == 200


def test_another_name_for_this_machine_is_refused(port: int) -> None:
    answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/state", headers={"host": "evil.example"})
    assert answer.status_code == 403


def test_frames_come_through_a_real_web_socket(port: int) -> None:
    from websockets.sync.client import connect

    with connect(f"ws://127.0.0.1:{port}/api/v1/stream?rate=20&signals=soc") as stream:
        frames = [json.loads(stream.recv(timeout=10.0)) for _ in range(2)]
    assert [frame["frame"] for frame in frames] == [0, 1]


def test_a_web_socket_of_another_site_is_refused(port: int) -> None:
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://127.0.0.1:{port}/api/v1/stream", origin="http://evil.example")  # type: ignore[arg-type]
    assert refused.value.response.status_code == 403
