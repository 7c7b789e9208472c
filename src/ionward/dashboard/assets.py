"""Our own scripts and styles, served from memory under a name that changes with their content."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from importlib import resources
from typing import NamedTuple

from fastapi import APIRouter, Request, Response

KINDS = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
STYLES = ("tokens.css", "frame.css", "parts.css", "overview.css", "screens.css")
FOR_EVER = "public, max-age=31536000, immutable"


class Asset(NamedTuple):
    """One file: its bytes, the same packed, and its media type."""

    plain: bytes
    packed: bytes
    kind: str


@cache
def assets() -> dict[str, Asset]:
    """All files by name."""
    out = {}
    for item in (resources.files("ionward.dashboard") / "static").iterdir():
        kind = KINDS.get(item.name.rpartition(".")[2])
        if kind:
            plain = item.read_bytes()
            out[item.name] = Asset(plain, gzip.compress(plain, 9, mtime=0), kind)
    return out


@cache
def version() -> str:
    """A name for the content of all files: pages that were open before an update do not mix old and new."""
    total = hashlib.sha256()
    for name, asset in sorted(assets().items()):
        total.update(name.encode() + asset.plain)
    return total.hexdigest()[:12]


def url(name: str) -> str:
    """Address of a file, without a prefix."""
    return f"/live/static/{version()}/{name}"


def favicon() -> str:
    """The icon of the browser's tab."""
    return assets()["favicon.svg"].plain.decode()


def head(prefix: str = "") -> str:
    """What stands in the head of every page."""
    styles = "".join(f'<link rel="stylesheet" href="{prefix}{url(name)}">' for name in STYLES)
    return (
        f'<script src="{prefix}{url("theme.js")}"></script>{styles}'
        f'<script type="module" src="{prefix}{url("main.js")}"></script>'
    )


def routes() -> APIRouter:
    """Serves the files."""
    router = APIRouter(include_in_schema=False)

    @router.get("/live/static/{_version}/{name}")
    def asset(_version: str, name: str, request: Request) -> Response:
        """One file; an old version's address gives the present one."""
        found = assets().get(name)
        if found is None:
            return Response("no such file", 404)
        headers = {"Cache-Control": FOR_EVER if _version == version() else "no-cache", "Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(found.packed, media_type=found.kind, headers=headers | {"Content-Encoding": "gzip"})
        return Response(found.plain, media_type=found.kind, headers=headers)

    return router
