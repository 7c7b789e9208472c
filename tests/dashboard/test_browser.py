"""The dashboard in a real browser, wide and on a phone, dark and light."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from helpers.browser import browser
from helpers.dashboard_server import dashboard_server
from helpers.examples import example
from helpers.masks import day

PAGES = {
    "/": ".hero .big",
    "/cells": ".tile",
    "/cells/17": ".headline .figure",
    "/trends": ".chosen li",
    "/events": "table.data",
    "/system": ".histogram .bar",
    "/profiles": "table.compare",
}
WAIT_MS = 15_000


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with dashboard_server(example("ev-96s"), tmp_path_factory.mktemp("live") / "feed") as found:
        yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@contextmanager
def opened(chromium: Browser, width: int = 1400, scheme: Any = "light") -> Iterator[tuple[Page, list[str]]]:
    """A page, and what its console complains of."""
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on(
        "requestfailed", lambda request: told.append(request.url) if "ERR_ABORTED" not in str(request.failure) else 0
    )
    yield page, told
    context.close()


def ask(address: str, path: str) -> Any:
    with urllib.request.urlopen(f"{address}/feed/{path}", timeout=10) as answer:
        return json.load(answer)


def until(seen: Callable[[], object]) -> None:
    """Wait until something is so."""
    end_s = time.monotonic() + WAIT_MS / 1000
    while not seen():
        assert time.monotonic() < end_s
        time.sleep(0.05)


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (400, "dark")])
def test_every_page_is_drawn_without_complaint(address: str, chromium: Browser, width: int, scheme: str) -> None:
    with opened(chromium, width, scheme) as (page, told):
        for path, drawn in PAGES.items():
            page.goto(f"{address}{path}")
            page.wait_for_selector(drawn, state="attached")
            page.wait_for_timeout(250)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{path} scrolls sideways"
            assert page.locator('.ion-rail a[aria-current="page"]').count() == 1
            assert page.evaluate("document.documentElement.dataset.theme") == scheme
            assert "NaN" not in page.inner_text("main")
            assert not page.url.endswith("#")
        assert told == []


def test_pages_are_reached_without_loading_anew_and_show_what_is_true(address: str, chromium: Browser) -> None:
    with opened(chromium) as (page, told):
        page.goto(address)
        page.evaluate("window.stayed = true")
        state = ask(address, "state")
        expect(page.locator('[data-part="state-word"]')).to_have_text("Connected")
        shown = float(page.inner_text('[data-part="soc"]').split("%")[0])
        assert abs(shown - 100 * state["soc"]) < 2.0
        assert page.text_content('ion-diagram [class="t-big"]').startswith(str(state["pack_voltage_v"])[:2])
        page.get_by_role("link", name="Cells").click()
        page.wait_for_selector(".tile")
        assert page.locator(".tile").count() == 96
        page.get_by_role("button", name="Temperature").click()
        expect(page.locator('[data-part="low"]')).to_contain_text("°C")
        page.locator(".tile").nth(40).click()
        expect(page.locator("ion-cell h1")).to_have_text("Cell 40")
        assert page.url.endswith("/cells/40")
        page.go_back()
        page.wait_for_selector(".tile")
        assert page.evaluate("window.stayed")
        for nobody in ("96", "x%3Cb%3E"):
            page.goto(f"{address}/cells/{nobody}")
            expect(page.locator(".ion-empty")).to_contain_text("This pack has no cell")
        page.locator("ion-theme button").click(click_count=2, delay=20)
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        assert told == []


def test_commands_ask_before_they_act_and_say_why_not(address: str, chromium: Browser) -> None:
    with opened(chromium) as (page, told):
        page.goto(address)
        page.locator('[data-command="disconnect"]').click()
        dialog = page.locator(".ion-dialog")
        expect(dialog).to_contain_text("Main + opens, then Main −")
        page.wait_for_timeout(300)
        assert ask(address, "state")["wish"]["connect"]
        dialog.get_by_role("button", name="Cancel").click()
        expect(dialog).to_have_count(0)
        assert ask(address, "state")["wish"]["connect"]

        page.locator('[data-command="acknowledge"]').click()
        dialog.get_by_role("button", name="Acknowledge").click()
        expect(dialog.locator(".refused")).to_have_text("Refused: nothing waits to be acknowledged.")
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)

        page.locator('[data-command="disconnect"]').click()
        dialog.get_by_role("button", name="Disconnect").click()
        expect(dialog.locator(".done")).to_be_visible()
        until(lambda: not ask(address, "state")["wish"]["connect"])
        dialog.get_by_role("button", name="Close").click()
        expect(dialog).to_have_count(0)
        page.locator('[data-command="connect"]').click()
        expect(dialog).to_contain_text("nobody works on the load side")
        dialog.get_by_role("button", name="Connect").click()
        expect(dialog.locator(".done")).to_contain_text("Accepted")
        until(lambda: ask(address, "state")["wish"]["connect"])
        assert told == []


def test_stale_data_and_faults_cannot_be_overlooked(address: str, chromium: Browser, tmp_path: Path) -> None:
    with opened(chromium) as (page, told):
        page.goto(address)
        ask(address, "freeze/control")
        banner = page.locator('.banner[data-level="critical"]').first
        expect(banner).to_contain_text("No fresh data for", timeout=WAIT_MS)
        expect(page.locator("ion-diagram")).to_have_attribute("data-stale", "1")
        expect(page.locator("ion-fresh")).to_have_attribute("data-fresh", "stale")
        assert page.locator('ion-diagram .flow[data-on="1"]').count() == 0
        ask(address, "thaw/control")
        expect(page.locator("ion-diagram")).to_have_attribute("data-stale", "0")
        ask(address, "inject/hvil_open")
        expect(page.locator(".fault").first).to_contain_text("What to do:", timeout=WAIT_MS)
        page.get_by_role("link", name="Events").click()
        page.locator('[data-part="log"] tr').first.click()
        expect(page.locator("tr.detail")).to_be_visible()
        expect(page.locator("tr.detail")).not_to_have_text("…")
        assert told == []
    ask(address, "end/all")


def test_a_remembered_fault_opens_to_the_second_before_and_after(address: str, chromium: Browser) -> None:
    ask(address, "inject/hvil_open")
    for width in (1400, 400):
        with opened(chromium, width) as (page, told):
            page.goto(f"{address}/events")
            row = page.locator('[data-part="faults"] tr', has_text="Interlock loop open")
            expect(row).to_contain_text("confirmed")
            page.wait_for_timeout(1500)
            row.click()
            drawn = page.locator("tr.detail figure.frozen")
            expect(drawn.first).to_be_visible()
            assert drawn.count() > 8
            expect(page.locator("tr.detail .same")).to_contain_text("The same all the time")
            expect(page.locator("tr.detail figure", has_text="State")).to_contain_text("fault")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            row.click()
            expect(drawn).to_have_count(0)
            assert told == []
    ask(address, "end/all")


def test_a_lock_is_released_after_it_was_asked(address: str, chromium: Browser) -> None:
    ask(address, "inject/sensor_stuck?place=cell_voltage%2017&value=1.2")
    until(lambda: any(fault["service"] and fault["latched"] for fault in ask(address, "state")["faults"]))
    with opened(chromium) as (page, told):
        page.goto(address)
        button = page.locator(".fault", has_text="Deep discharge").get_by_role("button", name="Release")
        button.click()
        dialog = page.locator(".ion-dialog")
        expect(dialog).to_contain_text("measured by hand")
        dialog.get_by_role("button", name="Release").click()
        expect(dialog.locator(".refused")).to_contain_text("Refused: ")
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        ask(address, "end/all")
        banner = page.locator(".banner", has_text="The pack is locked")
        banner.get_by_role("button", name="Release").click()
        dialog.get_by_role("button", name="Cancel").click()
        expect(dialog).to_have_count(0)
        assert any(fault["service"] for fault in ask(address, "state")["faults"])
        banner.get_by_role("button", name="Release").click()
        dialog.get_by_role("button", name="Release").click()
        expect(dialog.locator(".done")).to_contain_text("Released.")
        until(lambda: not any(fault["service"] for fault in ask(address, "state")["faults"]))
        expect(banner).to_have_count(0)
        assert told == []


def test_a_trend_is_saved_as_a_table(address: str, chromium: Browser) -> None:
    with opened(chromium) as (page, told):
        page.goto(f"{address}/trends?signals=soc,cell_voltage_v[17]")
        expect(page.locator(".chosen .now").first).not_to_have_text("–")
        page.get_by_label("Find a signal").fill("coolant inlet")
        page.get_by_role("button", name="coolant_inlet_c").first.click()
        expect(page.locator(".chosen li")).to_have_count(3)
        page.wait_for_timeout(400)
        with page.expect_download() as saving:
            page.get_by_role("button", name="CSV").click()
        lines = Path(saving.value.path()).read_text(encoding="utf-8").splitlines()
        assert lines[0] == "time,soc,cell_voltage_v[17],coolant_inlet_c"
        assert len(lines) > 5
        assert all(len(line.split(",")) == 4 for line in lines)
        assert told == []


@pytest.mark.verifies("SR-232")
@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (400, "dark")])
def test_a_mask_stands_on_every_page_also_when_the_connection_is_lost(
    tmp_path: Path, chromium: Browser, width: int, scheme: str
) -> None:
    pack = tmp_path / "pack.toml"
    mask = f'[[masks]]\nfault = "cooling_lost"\nowner = "Ada Long"\nreason = "fan wire broken"\nuntil = "{day(20)}"\n'
    pack.write_text(example("ev-96s").read_text(encoding="utf-8") + "\n" + mask, encoding="utf-8")
    with opened(chromium, width, scheme) as (page, _):
        banner = page.locator('.banner[data-level="mask"]')
        with dashboard_server(pack, tmp_path / "feed") as address:
            for path in PAGES:
                page.goto(f"{address}{path}")
                expect(banner).to_have_count(1)
                expect(banner).to_be_visible()
                for part in ("Masked: Cooling lost", "Ada Long", "fan wire broken", day(20)):
                    expect(banner).to_contain_text(part)
                assert page.evaluate("document.documentElement.scrollWidth") <= width
        expect(page.locator('.banner[data-level="critical"]')).to_contain_text("No connection to the BMS")
        expect(banner).to_be_visible()
