"""`ionward release`: the service action that takes a lock away, for whoever has examined what locked the pack."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from ionward.cli.service import host_and_port
from ionward.errors import UserError
from ionward.image.fault_levels import unknown_fault
from ionward.image.faults import BY_ID
from ionward.runtime.service_locks import LOCKS, checks_of

TOKEN_VARIABLE = "IONWARD_TOKEN"
DEFAULT_HTTP = "127.0.0.1:8080"
ANSWER_S = 5.0


def release(
    fault: Annotated[
        str, typer.Argument(help=f"The lock: {', '.join(LOCKS)}; none: say which ones hold.", show_default=False)
    ] = "",
    http: Annotated[str, typer.Option(help="Where the BMS serves its API.", metavar="HOST:PORT")] = DEFAULT_HTTP,
    token: Annotated[
        str, typer.Option(help=f"Token of the API; left out: that of {TOKEN_VARIABLE}.", show_default=False)
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: all that must be checked has been checked.")] = False,
) -> None:
    """Release a lock after what caused it has been examined.

    Shows what locked the pack and what must have been checked, asks, and gives the BMS's answer. The pack stays open
    until somebody connects it. Exit code 1: nothing was released; 2: wrong use, or no BMS there.
    """
    if fault and fault not in BY_ID:
        raise UserError(f"unknown fault '{fault}'; {unknown_fault(fault)}")
    if fault and fault not in LOCKS:
        raise UserError(f"{fault}: is no lock, acknowledge it instead; locks are: {', '.join(LOCKS)}")
    host, port = host_and_port(http)
    bms = Api(f"http://{f'[{host}]' if ':' in host else host}:{port}", token or os.environ.get(TOKEN_VARIABLE, ""))
    console = Console(highlight=False)
    state = bms.get("state")
    held = {item["id"]: item for item in state["faults"] if item["latched"] and item["id"] in LOCKS}
    if not fault:
        for item in held.values():
            since = item["since"] or "before the last start"
            console.print(Text(f"{item['id']}: {told(item)}, since {since}"))
        if not held:
            console.print(f"No lock holds {state['name']}.")
        return
    if fault not in held:
        console.print(f"Nothing to release: {state['name']} is not locked by {fault}.")
        raise typer.Exit(1)
    show(state, held[fault], console)
    if not (yes or confirmed()):
        console.print("Not released.")
        raise typer.Exit(1)
    answer = bms.post("commands", {"command": "release", "fault": fault})
    if not answer["accepted"]:
        console.print(f"Refused: {answer['reason']}.")
        raise typer.Exit(1)
    console.print("Released. The pack stays open until somebody connects it.")


def told(item: dict[str, Any]) -> str:
    """A fault in words, with its place."""
    where = "" if not item["where"] or item["where"] in item["text"] else f" ({item['where']})"
    return f"{item['text']}{where}"


def show(state: dict[str, Any], item: dict[str, Any], console: Console) -> None:
    """What locked the pack, how it is now, and what must have been checked."""
    console.print(Text(f"{state['name']}: {told(item)}", "bold"))
    console.print(Text(item["meaning"]))
    low_v, cell = state["cell_voltage_min_v"], state["cell_voltage_min_cell"]
    if low_v is not None:
        console.print(f"Lowest cell now: {low_v:.3f} V (cell {cell}).")
    console.print("Release it only after all of this:")
    for check in checks_of(item["id"]):
        console.print(Text(f"  - {check}"))


def confirmed() -> bool:
    """Ask the person; without a terminal nobody has said yes."""
    if not at_terminal():
        raise UserError("nobody can be asked here: run this in a terminal, or say --yes once all has been checked")
    said: str = typer.prompt("All of it has been done; release? Type 'release'", default="no")
    return said.strip().lower() == "release"


def at_terminal() -> bool:
    """Somebody sits there who can answer."""
    return sys.stdin.isatty()


class Api:
    """The HTTP API of a running BMS, through errors of one line."""

    def __init__(self, address: str, token: str) -> None:
        self.address, self._token = address, token

    def get(self, path: str) -> dict[str, Any]:
        """An answer."""
        return self._asked(path, None)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """An answer to something sent."""
        return self._asked(path, json.dumps(body).encode())

    def _asked(self, path: str, data: bytes | None) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {self._token}"} if self._token else {}
        )
        request = urllib.request.Request(f"{self.address}/api/v1/{path}", data, headers)
        # No proxy stands between an operator and the BMS beside them.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=ANSWER_S) as answer:
                found: Any = json.load(answer)
        except urllib.error.HTTPError as error:
            raise UserError(self._refusal(error)) from None
        except (OSError, ValueError) as error:
            why = getattr(error, "reason", error)
            raise UserError(f"{self.address}: no BMS answers ({why}); start 'ionward run', or give --http") from None
        if not isinstance(found, dict):
            raise UserError(f"{self.address}: this is not the API of a BMS; give another --http")
        return found

    def _refusal(self, error: urllib.error.HTTPError) -> str:
        """Why the API did not take a request."""
        if error.code == 401:
            return f"{self.address}: the token is missing or wrong; give --token (the file 'token' of the state folder)"
        try:
            told = json.load(error)["detail"]
        except (ValueError, KeyError, TypeError):
            told = error.reason
        return f"{self.address}: {told}"
