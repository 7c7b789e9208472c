"""Our scripts and styles: all there, nothing from elsewhere, kept by browsers for as long as they are the same."""

from __future__ import annotations

import gzip
import re

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from ionward.dashboard import assets

LOADED = re.compile(r"""(?:from|import)\s*\(?\s*["'](\./[^"']+)["']""")


def test_every_script_that_is_imported_is_there() -> None:
    for name, asset in assets.assets().items():
        if name.endswith(".js"):
            for other in LOADED.findall(asset.plain.decode()):
                assert other.removeprefix("./") in assets.assets(), f"{name} imports {other}"


def test_nothing_comes_from_another_server() -> None:
    for name, asset in assets.assets().items():
        text = asset.plain.decode().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//cdn", text), name


def test_head_names_files_that_are_served() -> None:
    app = FastAPI()
    app.include_router(assets.routes())
    client = TestClient(app)
    addresses = re.findall(r'(?:src|href)="([^"]+)"', assets.head())
    assert len(addresses) >= 6
    for address in addresses:
        answer = client.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-type"].split(";")[0] in ("text/css", "text/javascript")
    assert client.get("/live/static/old/main.js").headers["cache-control"] == "no-cache"
    assert client.get("/live/static/x/..%2fapp.py").status_code == 404
    assert client.get("/live/static/x/app.py").status_code == 404


@pytest.mark.parametrize("name", ["main.js", "tokens.css"])
def test_packed_and_plain_are_the_same(name: str) -> None:
    asset = assets.assets()[name]
    assert gzip.decompress(asset.packed) == asset.plain


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2)."""
    channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def themes() -> dict[str, dict[str, str]]:
    """The colours of both themes by name."""
    text = assets.assets()["tokens.css"].plain.decode()
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", part)) for part in text.split('html[data-theme="dark"]')
    )
    return {"light": light, "dark": light | dark}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read_on_every_ground(theme: str) -> None:
    colours = themes()[theme]
    for text in ("text", "text-2", "text-3", "brand", "ok", "info", "warning", "fault", "critical"):
        for ground in ("surface", "surface-2", "ground"):
            assert contrast(colours[text], colours[ground]) >= 4.5, f"{text} on {ground}"
    for level in ("ok", "info", "warning", "fault", "critical", "stale", "brand"):
        assert contrast(colours[level], colours[f"{level}-soft"]) >= 4.5, level
    assert contrast(colours["on-critical"], colours["critical-fill"]) >= 4.5
    assert contrast(colours["on-brand"], colours["brand"]) >= 4.5
    # Shapes and lines.
    for line in ("live", "line-strong", "ok-fill", "fault-fill", "critical-fill", "focus"):
        assert contrast(colours[line], colours["surface"]) >= (1.9 if line == "line-strong" else 3.0), line
