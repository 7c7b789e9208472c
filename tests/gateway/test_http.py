from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter
from starlette.testclient import TestClient

from helpers.gateway import app_of, client_of, running_feed
from helpers.livefeed import Livefeed
from ionward.gateway import api_models as m
from ionward.gateway import api_now as now
from ionward.gateway.access import Access
from ionward.gateway.provider import Provider
from ionward.image.faults import FAULTS

API = "/api/v1"


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Livefeed]:
    with running_feed(tmp_path_factory.mktemp("live")) as made:
        yield made


@pytest.fixture(scope="module")
def client(feed: Livefeed) -> Iterator[TestClient]:
    with client_of(app_of(feed)[0]) as made:
        yield made


def get(client: TestClient, path: str) -> Any:
    answer = client.get(f"{API}{path}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def command(client: TestClient, **body: Any) -> tuple[int, dict[str, Any]]:
    answer = client.post(f"{API}/commands", json=body)
    return answer.status_code, answer.json()


# What is told.


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/state", now.StateNow),
        ("/cells", now.CellsNow),
        ("/cells/7", now.CellNow),
        ("/processes", dict[str, now.Process]),
        ("/recorder", now.RecorderNow),
        ("/measurements", list[now.Measurement]),
        ("/events", m.Events),
        ("/faults", m.FaultKinds),
        ("/signals", m.SignalKinds),
        ("/signals/soc,fault.*.level", m.SignalValues),
        ("/profiles", m.Profiles),
        ("/system", dict[str, Any]),
    ],
)
def test_every_answer_is_what_the_description_says(client: TestClient, path: str, model: type[BaseModel]) -> None:
    TypeAdapter(model).validate_python(get(client, path))


def test_the_state_has_the_names_that_others_rely_on(client: TestClient) -> None:
    state = get(client, "/state")
    names = {
        "state", "soc", "soc_std", "pack_voltage_v", "bus_voltage_v", "current_a", "contactors", "enables", "limits",
        "faults", "image_age_s",
    }  # fmt: skip
    assert names <= set(state)
    assert set(state["enables"]) == {"control", "guard"}
    assert {"charge_a", "discharge_a", "charge_reason", "discharge_reason"} <= set(state["limits"])
    assert set(state["contactors"].values()) <= {"open", "closed"}
    assert {"voltage_v", "temperature_c", "soc", "balancing"} <= set(get(client, "/cells"))
    processes = get(client, "/processes")
    assert {"plant", "control", "guard", "recorder", "services"} <= set(processes)
    for process in processes.values():
        assert {"pid", "alive", "age_s", "cpu_s", "rss_mib", "overruns"} <= set(process)
    assert set(processes["control"]["cycle_us"]) == {"p50", "p99", "p999", "max"}


def test_live_values_come_by_name(client: TestClient) -> None:
    values = get(client, "/signals/soc,cell_voltage_v[1:3],state,pack_voltage_v.quality,raw.pack_voltage_v")
    assert list(values["values"])[:3] == ["soc", "cell_voltage_v[1]", "cell_voltage_v[2]"]
    assert values["values"]["state"] == "connected"
    assert values["values"]["pack_voltage_v.quality"] == "good"
    assert values["units"]["cell_voltage_v[1]"] == "V"
    known = {s["name"] for s in get(client, "/signals")["signals"]}
    assert {"soc", "cell_voltage_v", "module_balancing_board_c"} <= known
    assert not [name for name in known if name.startswith("command.")]


def test_the_catalogue_explains_each_fault_and_what_can_be_injected(client: TestClient) -> None:
    kinds = get(client, "/faults")
    assert [k["id"] for k in kinds["faults"]] == [f.id for f in FAULTS]
    assert all(k["meaning"] and k["action"] for k in kinds["faults"])
    assert {"name": "crash", "place": "pack"}.items() <= next(
        k for k in kinds["injectable"] if k["name"] == "crash"
    ).items()


def test_metrics_are_at_both_addresses(client: TestClient) -> None:
    for path in ("/metrics", f"{API}/metrics"):
        answer = client.get(path)
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "# TYPE ionward_soc_ratio gauge" in answer.text
    assert 'ionward_cell_soc_ratio{cell="7"}' in client.get("/metrics?cells=true").text


def test_the_api_describes_itself_without_any_network(client: TestClient) -> None:
    description = client.get(f"{API}/openapi.json").json()
    assert description["servers"] == [{"url": API}]
    page = client.get(f"{API}/docs").text
    for path in description["paths"]:
        assert path in page
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page
    index = client.get(f"{API}/").json()
    assert f"{API}/state" in index["paths"]


# Commands.


def test_a_command_is_answered_with_controls_answer(client: TestClient, feed: Livefeed) -> None:
    assert command(client, command="acknowledge") == (
        200, {"accepted": False, "reason": "nothing waits to be acknowledged"},
    )  # fmt: skip
    assert command(client, command="derate_charge", value=0.5) == (200, {"accepted": True, "reason": ""})
    assert feed.command["charge_factor"][0] == 0.5


def test_a_fault_is_injected_seen_and_explained(client: TestClient) -> None:
    body = {"command": "inject", "fault": "sensor_stuck", "place": "cell_voltage 3", "value": 4.5}
    assert command(client, **body) == (200, {"accepted": True, "reason": ""})
    for _ in range(200):
        state = get(client, "/state")
        if state["faults"]:
            break
    assert state["faults"][0]["id"] == "cell_overvoltage"
    assert state["faults"][0]["place"] == 3
    assert command(client, command="connect")[1] == {
        "accepted": False,
        "reason": "latched faults wait to be acknowledged first",
    }
    assert command(client, command="inject", end=True) == (200, {"accepted": True, "reason": ""})
    events = get(client, "/events")
    assert "Cell overvoltage" in " ".join(e["text"] for e in events["events"])
    assert events["faults"][0]["count"] >= 1
    assert client.get(f"{API}/events/{events['events'][0]['number']}").status_code in (200, 404)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"command": "fly"}, "unknown command 'fly'; allowed: connect, disconnect, acknowledge, clear_faults"),
        ({}, "command is missing"),
        ({"command": 7}, "unknown command '7'"),
        ({"command": "connect", "speed": 1}, "speed is not known here"),
        ({"command": "connect", "fault": "crash"}, "fault goes with inject and release only"),
        ({"command": "connect", "value": 1.0}, "takes no value"),
        ({"command": "derate_charge"}, "value is missing"),
        ({"command": "derate_charge", "value": 2.0}, "allowed: 0 to 1"),
        ({"command": "derate_charge", "value": "0.5"}, "value '0.5'"),
        ({"command": "derate_charge", "value": True}, "value 'True'"),
        ({"command": "inject"}, "fault is missing"),
        ({"command": "inject", "place": 3}, "fault is missing"),
        ({"command": "inject", "fault": "fly"}, "unknown fault 'fly'"),
        ({"command": "inject", "fault": "cell_soc", "place": 8}, "allowed: 0 to 7"),
        ({"command": "inject", "fault": "cell_soc", "place": 10**30}, "place"),
        ({"command": "inject", "fault": "x" * 1000}, "fault"),
        ({"command": "release"}, "allowed: deep_discharge"),
        ({"command": "release", "fault": "crash"}, "allowed: deep_discharge"),
        ({"command": "release", "fault": "deep_discharge", "place": 3}, "takes a fault only"),
        ({"command": "x" * 30000}, "unknown command"),
    ],
)
def test_a_command_without_sense_is_told_in_one_sentence(client: TestClient, body: dict[str, Any], words: str) -> None:
    status, answer = command(client, **body)
    assert status == 422
    assert words in answer["detail"]
    assert answer == {"accepted": False, "reason": answer["detail"], "detail": answer["detail"]}
    assert "\n" not in answer["detail"]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (b"connect", 422),
        (b"[]", 422),
        (b"null", 422),
        (b'{"command": "connect"', 422),
        (b'{"command": "derate_charge", "value": NaN}', 422),
        (b'{"command": "derate_charge", "value": 1e999}', 422),
        (b"\xff\xfe", 422),
        (b"[" * 60000, 422),
        (b"x" * 70000, 413),
    ],
)
def test_what_is_no_command_at_all_is_told_as_well(client: TestClient, content: bytes, status: int) -> None:
    answer = client.post(f"{API}/commands", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert answer.json()["detail"]


def test_faults_are_not_injected_into_a_real_battery(tmp_path: Path) -> None:
    from dataclasses import replace

    from helpers.scenarios import small_system

    feed = Livefeed(small_system(), tmp_path)
    replace(feed.plan, simulated=False).save(tmp_path)
    client = client_of(app_of(feed)[0])
    status, answer = command(client, command="inject", fault="crash")
    assert (status, answer["accepted"]) == (200, False)
    assert "simulated battery only" in answer["reason"]
    assert get(client, "/faults")["injectable"] == []


# What is not there.


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", f"{API}/nothing", 404, "there is nothing at /api/v1/nothing"),
        ("GET", "/nothing", 404, "there is nothing at /nothing"),
        ("DELETE", f"{API}/state", 405, "does not take DELETE"),
        ("GET", f"{API}/commands", 405, "does not take GET"),
        ("GET", f"{API}/cells/8", 404, "cells 0 to 7"),
        ("GET", f"{API}/cells/-1", 404, "cells 0 to 7"),
        ("GET", f"{API}/cells/x", 422, "number 'x'"),
        ("GET", f"{API}/events/123456", 404, "123456"),
        ("GET", f"{API}/events?limit=0", 422, "limit '0'"),
        ("GET", f"{API}/signals/sock", 404, "did you mean soc, "),
        ("GET", f"{API}/signals/command.connect", 404, "not shared between processes"),
        ("GET", f"{API}/history?signal=soc&from=0&to=1", 503, "no history yet"),
        ("GET", f"{API}/history?signal=soc", 422, "from is missing; to is missing"),
    ],
)
def test_errors_are_one_sentence_of_json(client: TestClient, method: str, path: str, status: int, words: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert words in answer.json()["detail"]


def test_too_many_values_at_once_are_refused(feed: Livefeed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ionward.gateway.api_read.VALUES_MAX", 10)
    answer = client_of(app_of(feed)[0]).get(f"{API}/signals/*")
    assert "allowed: 10 at once" in answer.json()["detail"]


def test_a_mistake_of_the_server_is_no_traceback(feed: Livefeed, monkeypatch: pytest.MonkeyPatch) -> None:
    app, provider = app_of(feed)
    monkeypatch.setattr(provider, "rendered", lambda name: 1 / 0)
    answer = client_of(app).get(f"{API}/state")
    assert (answer.status_code, answer.json()) == (500, {"detail": "the server made a mistake; its log says which"})


# Together with the access rules.


def test_other_machines_need_the_token_for_everything(feed: Livefeed) -> None:
    access = Access("0.0.0.0", "a-token-of-24-characters")
    app, _ = app_of(feed)
    client = client_of(app, access)
    for path in ("/", f"{API}/state", "/metrics", f"{API}/openapi.json", f"{API}/docs"):
        assert client.get(path).status_code == 401
    assert client.post(f"{API}/commands", json={"command": "disconnect"}).status_code == 401
    client.headers["authorization"] = "Bearer a-token-of-24-characters"
    assert client.get(f"{API}/state").status_code == 200


def test_a_page_of_another_site_cannot_command(client: TestClient, feed: Livefeed) -> None:
    before = feed.blocks["control"].count
    sent = feed._commands.count
    answer = client.post(f"{API}/commands", json={"command": "disconnect"}, headers={"origin": "http://evil.example"})
    assert answer.status_code == 403
    assert feed.blocks["control"].count >= before
    assert feed._commands.count == sent


# One look for all.


def test_the_blocks_are_read_once_in_fifty_milliseconds_however_many_ask(feed: Livefeed) -> None:
    _, provider = app_of(feed)
    now = [0.0]
    counted = Provider(provider.live, clock=lambda: now[0])
    for k in range(100):
        now[0] = k * 0.01
        counted.rendered("state")
        counted.rendered("cells")
    assert 15 <= counted.looks <= 20  # of 100 moments within a second


def test_a_view_is_made_once_a_look(feed: Livefeed) -> None:
    _, provider = app_of(feed)
    counted = Provider(provider.live, clock=lambda: 1.0)
    assert counted.view("state") is counted.view("state")
    assert counted.rendered("state") is counted.rendered("state")
