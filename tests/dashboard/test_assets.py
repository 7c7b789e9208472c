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
