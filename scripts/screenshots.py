"""Take the pictures of the dashboard again: run from the project's folder after `make env`; needs chromium.

Starts `ionward run` on the EV example, lets it drive for a while, takes every page wide and on a phone, light and dark;
then breaks something and takes what the operator sees.
"""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from helpers.browser import browser  # noqa: E402

ASSETS = ROOT / "docs" / "assets"
PORT = 8791
ADDRESS = f"http://127.0.0.1:{PORT}"
DRIVE_S = 75.0  # so that trends have a past
COLOURS = 240
WIDE, PHONE = (1400, 900), (400, 860)
PAGES = {
    "overview": "/",
    "cells": "/cells",
    "cell": "/cells/24",
    "trends": "/trends?signals=current_a,pack_voltage_v,cell_voltage_min_v,cell_voltage_max_v,soc,discharge_limit_a",
    "events": "/events",
    "system": "/system",
    "profiles": "/profiles",
}
# What is broken for the last pictures: name, place, value.
BROKEN = (("sensor_lost", "temperature 3", None), ("hvil_open", None, None))


@contextmanager
def running(state: Path) -> Iterator[None]:
    """`ionward run` until the end of the block."""
    command = [str(Path(sys.executable).with_name("ionward")), "run", str(ROOT / "examples" / "ev-96s.toml")]
    process = subprocess.Popen([*command, "--http", str(PORT), "--state-dir", str(state), "--fresh"])
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def asked(path: str, body: object = None) -> dict[str, object]:
    """An answer of the HTTP API."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{ADDRESS}/api/v1/{path}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: dict[str, object] = json.load(answer)
        return found


def wait_until_connected() -> None:
    """Until the pack is connected; a first compilation may come before."""
    end_s = time.monotonic() + 300.0
    while time.monotonic() < end_s:
        with suppress(OSError):
            if asked("state")["state"] == "connected":
                return
        time.sleep(0.5)
    raise SystemExit("the pack did not connect")


def picture(page: Page, name: str, settle_s: float = 1.5) -> None:
    """Keep what the page shows, in few colours."""
    page.wait_for_timeout(1000 * settle_s)
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    path = ASSETS / f"dashboard-{name}.png"
    shot.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} kB")


@contextmanager
def opened(chromium: Browser, size: tuple[int, int], scheme: str) -> Iterator[Page]:
    """A page of this size."""
    context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)  # type: ignore[arg-type]
    yield context.new_page()
    context.close()


def main() -> None:
    """Take all pictures."""
    ASSETS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as state, running(Path(state) / "state"), browser() as chromium:
        wait_until_connected()
        time.sleep(DRIVE_S)
        for scheme in ("light", "dark"):
            with opened(chromium, WIDE, scheme) as page:
                for name, path in PAGES.items():
                    if scheme == "light" or name in ("overview", "cells", "trends"):
                        page.goto(ADDRESS + path)
                        picture(page, f"{name}{'-dark' if scheme == 'dark' else ''}")
        for name, scheme in (("overview", "dark"), ("cells", "light"), ("trends", "dark")):
            with opened(chromium, PHONE, scheme) as page:
                page.goto(ADDRESS + PAGES[name])
                picture(page, f"{name}-phone")
        with opened(chromium, WIDE, "dark") as page:
            page.goto(ADDRESS)
            page.locator('[data-command="disconnect"]').click()
            picture(page, "ask")
        for name, place, value in BROKEN:
            asked("commands", {"command": "inject", "fault": name, "place": place, "value": value})
        time.sleep(4.0)
        with opened(chromium, WIDE, "light") as page:
            page.goto(ADDRESS)
            picture(page, "fault")
            page.goto(ADDRESS + PAGES["events"])
            page.locator('[data-part="faults"] tr', has_text="nterlock").first.click()
            picture(page, "events")


if __name__ == "__main__":
    main()
