"""The services' process: dashboard, HTTP API and metrics in one server.

    python -m ionward.cli.services LIVE_FOLDER

Ordinary priority, and nothing of it is near the cells: what it knows are copies, what it says are commands that control
judges. Where it stands still or dies, the battery does not notice.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import uvicorn

from ionward.errors import UserError
from ionward.runtime.live import Live
from ionward.runtime.role import Role

HEALTH_PERIOD_S = 0.1
NICE = 5


class Server(uvicorn.Server):
    """A server that leaves signals to the role."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        """The role has taken them."""
        yield


async def serve(role: Role, server: uvicorn.Server) -> None:
    """Serve until the role is told to end; tells ten times a second that this process is there, and how late."""
    task = asyncio.create_task(server.serve())
    for_s = HEALTH_PERIOD_S
    due_s = time.monotonic() + for_s
    while not role.stopping and not task.done():
        await asyncio.sleep(max(due_s - time.monotonic(), 0.0))
        now_s = time.monotonic()
        role.looked(now_s, now_s - due_s, for_s)
        due_s = max(due_s + for_s, now_s)
    server.should_exit = True
    await task


def main(folder: Path) -> None:
    """Run the process until it is told to end."""
    from ionward.dashboard.app import mount
    from ionward.gateway.access import make_access
    from ionward.gateway.http import guarded, make_app, server_config
    from ionward.gateway.provider import Provider

    role = Role(folder, "services", deadly=signal.SIGTERM)
    os.nice(NICE)
    plan = role.plan
    history = Path(plan.state_dir) / "history"
    live = Live(folder, writer=True)
    app = make_app(Provider(live), history)
    mount(live, app, history)
    access = make_access(plan.http_host, plan.state_dir, names=plan.http_names)
    config = server_config(guarded(app, access), plan.http_host, plan.http_port)
    asyncio.run(serve(role, Server(config)))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except UserError as error:
        sys.exit(f"error: {error}")
