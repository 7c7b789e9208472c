"""`ionward release`: what is shown before, what is asked, and what becomes of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from ionward.cli import release as module
from ionward.cli.release import release
from ionward.errors import UserError
from ionward.runtime.service_locks import CHECKS, LOCKS, checks_of

LOCK = "deep_discharge"


class Bms(HTTPServer):
    """The two addresses of the API that are used; `locked`, `refuses` and `token` say how it is."""

    locked, refuses, token = True, "", ""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.given: list[dict[str, Any]] = []

    def state(self) -> dict[str, Any]:
        """As much of the state as is read."""
        fault = {"id": LOCK, "latched": True, "text": "Deep discharge: over", "where": "cell 17",
                 "meaning": "A cell was emptied.", "since": None}  # fmt: skip
        return {"name": "Van 7", "faults": [fault] if self.locked else [], "cell_voltage_min_v": 2.9,
                "cell_voltage_min_cell": 17}  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    server: Bms

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def _answer(self, code: int, body: dict[str, Any]) -> None:
        self.send_response(code)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def _let_in(self) -> bool:
        good = self.headers.get("Authorization", "") == (f"Bearer {self.server.token}" if self.server.token else "")
        if not good:
            self._answer(401, {"detail": "the token is wrong"})
        return good

    def do_GET(self) -> None:
        if self._let_in():
            self._answer(200, self.server.state())

    def do_POST(self) -> None:
        if self._let_in():
            self.server.given.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._answer(200, {"accepted": not self.server.refuses, "reason": self.server.refuses})


@pytest.fixture
def bms() -> Iterator[Bms]:
    with Bms() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def command(bms: Bms, *arguments: str, said: str = "") -> Result:
    app = typer.Typer()
    app.command()(release)
    http = f"127.0.0.1:{bms.server_address[1]}"
    environment = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb", "IONWARD_TOKEN": ""}
    return CliRunner().invoke(app, [*arguments, "--http", http], input=said, env=environment)


def test_it_shows_what_must_be_checked_and_releases_when_told_to(bms: Bms) -> None:
    result = command(bms, LOCK, "--yes")
    assert result.exit_code == 0, result.output
    for words in ("Van 7: Deep discharge: over (cell 17)", "Lowest cell now: 2.900 V (cell 17).", *CHECKS[LOCK]):
        assert words in result.output
    assert bms.given == [{"command": "release", "fault": LOCK}]
    assert "Released." in result.output


@pytest.mark.parametrize(("said", "released"), [("release\n", True), ("y\n", False), ("\n", False)])
def test_it_asks_first(bms: Bms, monkeypatch: pytest.MonkeyPatch, said: str, released: bool) -> None:
    monkeypatch.setattr(module, "at_terminal", lambda: True)
    result = command(bms, LOCK, said=said)
    assert (result.exit_code, bool(bms.given)) == (0 if released else 1, released)


def test_without_a_terminal_nobody_has_agreed(bms: Bms) -> None:
    with pytest.raises(UserError, match="say --yes"):
        raise command(bms, LOCK).exception  # type: ignore[misc]
    assert bms.given == []


def test_a_refusal_says_why(bms: Bms) -> None:
    bms.refuses = "the cause is still there"
    result = command(bms, LOCK, "--yes")
    assert (result.exit_code, result.output.splitlines()[-1]) == (1, "Refused: the cause is still there.")


def test_what_is_not_locked_is_not_released(bms: Bms) -> None:
    bms.locked = False
    result = command(bms, LOCK, "--yes")
    assert (result.exit_code, bms.given) == (1, [])
    assert "Van 7 is not locked by deep_discharge" in result.output
    assert "No lock holds Van 7." in command(bms).output


def test_without_a_name_it_tells_what_locks_the_pack(bms: Bms) -> None:
    result = command(bms)
    assert result.output.startswith("deep_discharge: Deep discharge: over")
    assert bms.given == []


def test_a_token_is_sent_and_a_wrong_one_is_told(bms: Bms) -> None:
    bms.token = "secret-enough-to-be-one"
    assert command(bms, LOCK, "--yes", "--token", bms.token).exit_code == 0
    with pytest.raises(UserError, match="the token is missing or wrong; give --token"):
        raise command(bms, LOCK, "--yes").exception  # type: ignore[misc]


def test_mistakes_get_one_line(bms: Bms) -> None:
    for arguments, words in (
        (("deep_discharg",), "unknown fault 'deep_discharg'; did you mean deep_discharge"),
        (("hvil_open",), "hvil_open: is no lock, acknowledge it instead; locks are: deep_discharge"),
    ):
        with pytest.raises(UserError, match=words):
            raise command(bms, *arguments).exception  # type: ignore[misc]
    bms.shutdown()
    bms.server_close()
    with pytest.raises(UserError, match="no BMS answers"):
        raise command(bms, LOCK).exception  # type: ignore[misc]


def test_each_lock_says_what_must_be_checked() -> None:
    assert set(CHECKS) == set(LOCKS) != set()
    assert all(len(checks_of(lock)) >= 2 for lock in LOCKS)
    assert checks_of("hvil_open") == ()
