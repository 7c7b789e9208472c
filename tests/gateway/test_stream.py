from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.datastructures import QueryParams
from starlette.testclient import TestClient, WebSocketDenialResponse

from helpers.gateway import app_of, client_of, running_feed
from helpers.livefeed import Livefeed
from ionward.errors import UserError
from ionward.gateway.access import Access
from ionward.gateway.api_stream import Streams
from ionward.gateway.provider import Provider
from ionward.runtime.live_signals import SignalReader

STREAM = "/api/v1/stream"


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Livefeed]:
    with running_feed(tmp_path_factory.mktemp("live")) as made:
        yield made


@pytest.fixture
def provider(feed: Livefeed) -> Provider:
    return app_of(feed)[1]


@pytest.fixture
def client(feed: Livefeed) -> Iterator[TestClient]:
    with client_of(app_of(feed)[0]) as made:
        yield made


def test_frames_carry_what_was_asked_for(client: TestClient) -> None:
    with client.websocket_connect(f"{STREAM}?rate=20&signals=soc,cell_voltage_v[0:2]&views=state") as socket:
        frames = [socket.receive_json() for _ in range(3)]
    assert [f["frame"] for f in frames] == [0, 1, 2]
    assert list(frames[0]["signals"]) == ["soc", "cell_voltage_v[0]", "cell_voltage_v[1]"]
    assert frames[0]["state"]["state"] == "connected"
    assert frames[0]["time"] < frames[2]["time"]


def test_without_wishes_the_state_is_sent(client: TestClient) -> None:
    with client.websocket_connect(STREAM) as socket:
        frame = socket.receive_json()
    assert set(frame) == {"frame", "dropped", "time", "image_age_s", "state"}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("rate=0", "0.01 to 20"),
        ("rate=21", "0.01 to 20"),
        ("rate=nan", "0.01 to 20"),
        ("rate=fast", "0.01 to 20"),
        ("signals=sock", "did you mean soc, "),
        ("views=moon", "allowed: state, cells, processes"),
        ("speed=3", "'speed' is not known"),
    ],
)
def test_wishes_that_cannot_be_had_are_told_before_it_opens(client: TestClient, query: str, words: str) -> None:
    with pytest.raises(WebSocketDenialResponse) as denied, client.websocket_connect(f"{STREAM}?{query}"):
        pass
    assert denied.value.status_code == 422
    assert words in denied.value.json()["detail"]


def test_there_is_room_for_so_many_and_a_place_becomes_free_again(feed: Livefeed) -> None:
    app, _ = app_of(feed)
    api: Any = next(route.app for route in app.routes if getattr(route, "path", "") == "/api/v1")  # type: ignore[attr-defined]
    streams: Streams = api.state.streams
    streams.most = 1
    with client_of(app) as client:
        with client.websocket_connect(STREAM) as first:
            first.receive_json()
            with pytest.raises(WebSocketDenialResponse) as denied, client.websocket_connect(STREAM):
                pass
            assert denied.value.status_code == 503
        for _ in range(100):
            if streams.clients == 0:
                break
            client.get("/api/v1/recorder")
        with client.websocket_connect(STREAM) as again:
            assert again.receive_json()["frame"] == 0


def test_streams_need_the_token_and_an_own_page(feed: Livefeed) -> None:
    app, _ = app_of(feed)
    far = client_of(app, Access("0.0.0.0", "a-token-of-24-characters"))
    with pytest.raises(WebSocketDenialResponse) as denied, far.websocket_connect(STREAM):
        pass
    assert denied.value.status_code == 401
    with far.websocket_connect(f"{STREAM}?token=a-token-of-24-characters") as socket:
        assert socket.receive_json()["frame"] == 0
    with (
        pytest.raises(WebSocketDenialResponse) as denied,
        client_of(app).websocket_connect(STREAM, headers={"origin": "http://evil.example"}),
    ):
        pass
    assert denied.value.status_code == 403


class SlowSocket:
    """A client that takes its time for each frame."""

    def __init__(self, takes_s: float, frames: int) -> None:
        self.query_params = QueryParams("rate=20")
        self.scope: dict[str, Any] = {}
        self.frames: list[Any] = []
        self._takes_s, self._most = takes_s, frames
        self._gone = asyncio.Event()

    async def accept(self) -> None:
        """Open."""

    async def send_text(self, text: str) -> None:
        await asyncio.sleep(self._takes_s)
        self.frames.append(json.loads(text))
        if len(self.frames) >= self._most:
            self._gone.set()

    async def receive(self) -> Any:
        await self._gone.wait()
        return {"type": "websocket.disconnect"}


def test_a_slow_client_misses_frames_and_gets_the_newest(provider: Provider, feed: Livefeed) -> None:
    streams = Streams(provider, SignalReader(feed.size))
    socket = SlowSocket(takes_s=0.26, frames=4)
    asyncio.run(streams.serve(socket))  # type: ignore[arg-type]
    dropped = [frame["dropped"] for frame in socket.frames]
    assert dropped[0] == 0
    assert dropped == sorted(dropped)
    assert dropped[3] >= 9  # 4 x 0.26 s at 20 Hz are 20 frames, of which 4 were taken
    assert all(frame["image_age_s"] < 0.25 for frame in socket.frames)
    assert streams.clients == 0


def test_a_client_that_takes_nothing_is_left(
    provider: Provider, feed: Livefeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ionward.gateway.api_stream.SEND_S", 0.05)
    closed: list[int] = []

    class StuckSocket(SlowSocket):
        async def close(self, code: int, reason: str) -> None:
            closed.append(code)

    streams = Streams(provider, SignalReader(feed.size))
    asyncio.run(streams.serve(StuckSocket(takes_s=60.0, frames=1)))  # type: ignore[arg-type]
    assert closed == [1013]
    assert streams.clients == 0


def test_a_name_that_stands_for_too_much_is_refused(
    provider: Provider, feed: Livefeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ionward.gateway.api_stream.VALUES_MAX", 5)
    with pytest.raises(UserError, match="allowed: 5 at once"):
        Streams(provider, SignalReader(feed.size)).wanted(QueryParams("signals=cell_voltage_v"))
