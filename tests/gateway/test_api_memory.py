"""The fault memory and locks over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from helpers.gateway import app_of, client_of
from helpers.livefeed import Livefeed
from helpers.scenarios import small_system
from ionward.gateway import api_models as m
from ionward.image.faults import BY_ID

API = "/api/v1"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    feed = Livefeed(small_system(), tmp_path_factory.mktemp("live")).run(1.0).connect().run(1.5)
    feed.twin.inject("hvil_open", None, None)
    feed.run(1.5)
    with client_of(app_of(feed)[0]) as made:
        yield made
    feed.stop()


def get(client: TestClient, path: str) -> Any:
    answer = client.get(f"{API}{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_memory_is_what_the_description_says(client: TestClient) -> None:
    found = get(client, "/faults/memory")
    TypeAdapter(m.FaultMemoryNow).validate_python(found)
    [entry] = found["entries"]
    assert (entry["fault"], entry["status"], entry["latched"]) == ("hvil_open", 0x2F, True)
    assert entry["frames"] == ["first"]
    assert (found["cycle"], found["ageing_cycles"], found["problems"]) == (1, 40, [])


def test_one_fault_comes_with_its_freeze_frame(client: TestClient) -> None:
    found = get(client, "/faults/memory/hvil_open")
    TypeAdapter(m.RememberedFaults).validate_python(found)
    [entry] = found["entries"]
    frame = entry["frames"]["first"]
    assert frame["complete"]
    assert (frame["time_s"][0], frame["time_s"][-1]) == (pytest.approx(-1, abs=0.02), pytest.approx(1, abs=0.02))
    state = frame["signals"]["state"]
    assert [state["choices"][int(state["values"][k])] for k in (0, -1)] == ["connected", "fault"]
    assert get(client, f"/faults/memory/hvil_open?place={entry['place']}") == found


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("nonsense", 404, "there is no fault 'nonsense'"),
        ("crash", 404, "crash is not in the fault memory"),
        ("hvil_open?place=3", 404, "hvil_open is not in the fault memory at this place"),
        ("hvil_open?place=x", 422, "place 'x'"),
    ],
)
def test_what_is_not_there_is_told(client: TestClient, path: str, code: int, words: str) -> None:
    answer = client.get(f"{API}/faults/memory/{path}")
    assert answer.status_code == code
    assert answer.json()["detail"].startswith(words)


def test_the_catalogue_tells_locks_and_what_must_be_checked(client: TestClient) -> None:
    kinds = {kind["id"]: kind for kind in get(client, "/faults")["faults"]}
    assert {name for name, kind in kinds.items() if kind["service"]} == {f.id for f in BY_ID.values() if f.service}
    assert len(kinds["deep_discharge"]["checks"]) >= 2
    assert kinds["hvil_open"]["checks"] == []
    assert not get(client, "/state")["faults"][0]["service"]
