"""Requests made up from the API's own description: none is answered by a mistake of the server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from helpers.gateway import HERE, app_of
from helpers.livefeed import Livefeed
from helpers.scenarios import small_system
from ionward.gateway.http import guarded

PATHS = (
    "/state", "/cells", "/cells/{number}", "/processes", "/recorder", "/measurements", "/events", "/events/{number}",
    "/faults", "/faults/memory", "/faults/memory/{fault}", "/system", "/profiles", "/signals", "/signals/{names}",
    "/history", "/history/contents", "/history/events", "/commands", "/metrics",
)  # fmt: skip

WITH_INPUT = (
    "/cells/{number}",
    "/events",
    "/events/{number}",
    "/faults/memory/{fault}",
    "/signals/{names}",
    "/history",
    "/history/events",
    "/commands",
    "/metrics",
)


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The API of a pack that stands still: commands are sent to a control that does not answer."""
    feed = Livefeed(small_system(), tmp_path_factory.mktemp("live")).run(1.0).connect()
    app, provider = app_of(feed)
    provider.live.answer_s = 0.0
    yield schemathesis.openapi.from_asgi("/api/v1/openapi.json", guarded(app, HERE))
    feed.stop()


def test_every_path_is_tried(described: Any) -> None:
    assert set(described) == set(PATHS)


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize("path", PATHS)
def test_no_request_is_answered_by_a_mistake_of_the_server(described: Any, path: str, mode: GenerationMode) -> None:
    """Requests as described (positive) and otherwise (negative)."""
    for operation in described[path].values():
        if mode == GenerationMode.NEGATIVE and path not in WITH_INPUT:
            continue
        requests = operation.as_strategy(generation_mode=mode)

        @settings(
            max_examples=20, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=requests)
        def all_of(case: Any) -> None:
            answer = case.call(headers={"host": "localhost"})
            assert answer.status_code != 500
            case.validate_response(answer, checks=[status_code_conformance, response_schema_conformance])

        all_of()
