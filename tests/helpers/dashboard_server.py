"""The dashboard over a feed, as a server of its own: `dashboard_server.py SYSTEM.toml FOLDER PORT`.

`/feed/freeze/NAME`, `/feed/thaw/NAME`, `/feed/guard/REASON`, `/feed/inject/FAULT?place=…&value=…` and `/feed/end/all`
change what runs behind it. In tests: `with dashboard_server(example("ev-96s"), tmp_path) as address:`.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from helpers.livefeed import Livefeed
    from ionward.twin.faults import Undo

START_S = 120.0  # the very first time something may have to be compiled


def serve(system_file: str, folder: Path, port: int) -> None:
    """Feed and serve until ended."""
    import uvicorn
    from fastapi import FastAPI

    from helpers.livefeed import feed_of
    from ionward.dashboard.app import mount
    from ionward.runtime.live import Live

    feed = feed_of(system_file, folder)
    feed.run(1.0).connect()
    feed.run(2.0)
    app = FastAPI()
    undo: list[Undo] = []

    @app.get("/feed/{what}/{name}")
    def change(what: str, name: str, place: str = "", value: float | None = None) -> str:
        if what == "freeze":
            feed.frozen.add(name)
        elif what == "thaw":
            feed.frozen.discard(name)
        elif what == "guard":
            feed.guard_reason = int(name)
        elif what == "inject":
            undo.append(feed.twin.inject(name, int(place) if place.isdecimal() else place or None, value))
        elif what == "end":
            while undo:
                undo.pop()()
        return "done"

    live = Live(folder, writer=True, clock=feed.clock)
    app.add_api_route("/feed/state", live.state)
    mount(live, app)
    # The feed's own time: on a busy machine it falls behind, and nobody takes that for a control that stood still.
    threading.Thread(target=_live_on, args=(feed,), daemon=True).start()
    uvicorn.run(app, port=port, log_level="warning", timeout_graceful_shutdown=1)


def _live_on(feed: Livefeed) -> None:
    while True:
        began_s = time.monotonic()
        feed.step()
        time.sleep(max(0.001, feed.cycle_s - (time.monotonic() - began_s)))


@contextmanager
def dashboard_server(system_file: Path, folder: Path) -> Iterator[str]:
    """A server in a process of its own; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    here = Path(__file__).parents[1]
    process = subprocess.Popen(
        [sys.executable, __file__, str(system_file), str(folder), str(port)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(here), os.environ.get("PYTHONPATH", "")])},
        stdout=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        began_s = time.monotonic()
        while True:
            try:
                urllib.request.urlopen(f"{address}/live/signals", timeout=5).close()
                break
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                if process.poll() is not None or time.monotonic() - began_s > START_S:
                    raise RuntimeError("the dashboard's server has not started") from None
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
