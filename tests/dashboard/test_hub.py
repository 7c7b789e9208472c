"""One look for all browsers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from ionward.dashboard.hub import Client, Hub, Topic, encode, same_site


class Counted:
    """A hub whose topics count how often they are made."""

    def __init__(self) -> None:
        self.made: dict[str, int] = {}
        self.steady = 1
        topics = {
            "busy": Topic(self._make("busy"), always=True),
            "slow": Topic(self._make("slow"), every=5, always=True),
            "steady": Topic(lambda _: self.steady),
            "broken": Topic(lambda _: 1 / 0),
            "endless": Topic(lambda _: float("nan")),
        }
        self.looks = 0
        self.hub = Hub(topics, self._look)

    def _look(self) -> None:
        self.looks += 1

    def _make(self, name: str) -> Any:
        def make(argument: str) -> list[Any]:
            self.made[name] = self.made.get(name, 0) + 1
            return [name, argument, self.made[name]]

        return make

    def page(self, *topics: str) -> Client:
        client = Client()
        client.ask(topics)
        self.hub.clients.add(client)
        return client


def test_a_topic_is_made_once_for_all_pages_and_not_at_all_for_none() -> None:
    counted = Counted()
    counted.hub.tick()
    assert counted.made == {}
    first, second = counted.page("busy"), counted.page("busy")
    counted.hub.tick()
    assert counted.made == {"busy": 1}
    assert first.pending == second.pending == {"busy": '{"topic":"busy","data":["busy","",1]}'}
    assert counted.looks == 2


def test_a_hidden_page_gets_nothing() -> None:
    counted = Counted()
    page = counted.page("busy")
    page.ask([])
    counted.hub.tick()
    assert page.pending == {}
    assert counted.made == {}


def test_a_slow_page_gets_the_newest_only() -> None:
    counted = Counted()
    page = counted.page("busy", "busy/x")
    for _ in range(7):
        counted.hub.tick()
    assert list(page.pending) == ["busy", "busy/x"]
    assert json.loads(page.pending["busy"])["data"][2] >= 13


def test_slow_topics_come_at_once_and_then_rarely() -> None:
    counted = Counted()
    page = counted.page("slow")
    counted.hub.tick()
    assert "slow" in page.pending
    for _ in range(10):
        counted.hub.tick()
    assert counted.made["slow"] == 3


def test_what_does_not_change_is_sent_once_to_each() -> None:
    counted = Counted()
    page = counted.page("steady")
    counted.hub.tick()
    page.pending.clear()
    counted.hub.tick()
    assert page.pending == {}
    late = counted.page("steady")
    counted.hub.tick()
    assert "steady" in late.pending
    assert page.pending == {}
    counted.steady = 2
    counted.hub.tick()
    assert json.loads(page.pending["steady"])["data"] == 2


def test_a_screen_that_cannot_be_made_leaves_the_others(caplog: pytest.LogCaptureFixture) -> None:
    counted = Counted()
    page = counted.page("broken", "endless", "busy")
    counted.hub.tick()
    counted.hub.tick()
    assert list(page.pending) == ["busy"]
    assert len(caplog.records) == 2


@pytest.mark.parametrize(
    "message",
    ["", "x", "[]", "{}", '{"want": 1}', '{"want": ["no such"]}', '{"want": ["busy/<script>"]}', '{"want": [1]}',
     json.dumps({"want": ["busy"] * 9}), json.dumps({"want": ["busy/" + "x" * 5000]}), "[" * 3000],
)  # fmt: skip
def test_nonsense_is_not_understood(message: str) -> None:
    assert Counted().hub.understood(message) is None


def test_what_pages_ask_for_is_understood() -> None:
    want = ["busy", "busy/cell_voltage_v[17],raw.cell_voltage_v[3]", "slow/17"]
    assert Counted().hub.understood(json.dumps({"want": want})) == want


def test_messages_hold_no_nan() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        encode("x", [float("nan")])


def test_pages_of_other_sites_may_not_look() -> None:
    assert same_site(None, "localhost:8080")
    assert same_site("http://localhost:8080", "localhost:8080")
    assert not same_site("http://evil.example", "localhost:8080")
    assert not same_site("null", "localhost:8080")


def test_over_a_socket() -> None:
    counted = Counted()
    app = FastAPI()

    @app.websocket("/live/ws")
    async def live(socket: WebSocket) -> None:
        await counted.hub.serve(socket)

    with TestClient(app) as client:
        with client.websocket_connect("/live/ws") as socket:
            socket.send_text('{"want": ["busy"]}')
            while not any(page.want for page in counted.hub.clients):
                pass
            client.portal.call(counted.hub.tick)
            assert socket.receive_json() == {"topic": "busy", "data": ["busy", "", 1]}
            socket.send_text("nonsense")
            with pytest.raises(WebSocketDisconnect) as closed:
                socket.receive_json()
            assert closed.value.code == 1003
        with (
            pytest.raises(WebSocketDisconnect) as closed,
            client.websocket_connect("/live/ws", headers={"origin": "http://evil.example"}),
        ):
            pass
        assert closed.value.code == 1008
    assert not counted.hub.clients
