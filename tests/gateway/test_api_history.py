from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from helpers.gateway import app_of, client_of
from helpers.history import NOON, write_recording
from helpers.livefeed import Livefeed
from helpers.recordings import small_system
from helpers.scenarios import small_system as live_system
from ionward.gateway import api_models as m
from ionward.runtime.history import convert

API = "/api/v1/history"
SECONDS = 12


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """The API of a pack with some seconds of history, in which a cell stood far too high."""
    folder = tmp_path_factory.mktemp("history")
    system = small_system(folder)
    recording = write_recording(folder / "a.rec", system, SECONDS, NOON, spike=range(500, 700))
    convert(recording, folder / "history")
    feed = Livefeed(live_system(), folder / "live")
    return client_of(app_of(feed, folder / "history")[0])


def got(client: TestClient, path: str, model: Any) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    TypeAdapter(model).validate_python(answer.json())
    return answer.json()


def test_a_signal_comes_with_its_extremes(client: TestClient) -> None:
    path = f"{API}?signal=cell_voltage_v[2]&from={NOON}&to={NOON + SECONDS}&points=500"
    found = got(client, path, m.HistoryNow)
    assert (found["unit"], found["level"], len(found["time_s"])) == ("V", "1 s", SECONDS)
    assert max(v for v in found["maximum"] if v is not None) == pytest.approx(4.5, abs=0.01)
    assert found["time_s"][0] == NOON


def test_what_is_there_is_told(client: TestClient) -> None:
    found = got(client, f"{API}/contents", m.HistoryContents)
    assert found["span"]["from_s"] == NOON
    assert {"soc", "cell_voltage_v[2]"} <= {s["name"] for s in found["signals"]}


def test_events_come_from_the_history_too(client: TestClient) -> None:
    found = got(client, f"{API}/events?from={NOON}&to={NOON + 3600}", m.HistoryEvents)
    assert "cell_overvoltage" in {e["name"] for e in found["events"]}


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        (f"?signal=sock&from={NOON}&to={NOON + 1}", 404, "did you mean soc"),
        (f"?signal=cell_voltage_v[99]&from={NOON}&to={NOON + 1}", 404, "is not in the history"),
        (f"?signal=soc&from={NOON}&to={NOON}", 422, "must be after the beginning"),
        ("?signal=soc&from=nan&to=1", 422, "from 'nan'"),
        ("?signal=soc&from=-5&to=1", 422, "seconds since 1970"),
        (f"?signal=soc&from={NOON}&to={NOON + 1}&points=0", 422, "points '0'"),
        ("/events?from=2&to=1", 422, "must be after the beginning"),
    ],
)
def test_questions_without_sense_are_told_in_one_sentence(
    client: TestClient, query: str, status: int, words: str
) -> None:
    answer = client.get(f"{API}{query}")
    assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text


def test_an_empty_history_is_told_as_not_there_yet(tmp_path: Path) -> None:
    (tmp_path / "history").mkdir()
    client = client_of(app_of(Livefeed(live_system(), tmp_path / "live"), tmp_path / "history")[0])
    answer = client.get(f"{API}?signal=soc&from=1&to=2")
    assert (answer.status_code, answer.json()["detail"]) == (503, "the history is empty yet")
    assert client.get(f"{API}/contents").json() == {"span": None, "signals": []}
