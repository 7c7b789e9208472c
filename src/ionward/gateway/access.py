"""Who may come in: loopback is open to the machine's own users, everything else needs a token.

Three things are looked at in every request, WebSocket and page alike. The *token*, wherever the server listens beyond
loopback. The *Host*, on loopback: a web page elsewhere whose name has been pointed at 127.0.0.1 must not read along
(DNS rebinding). The *Origin* of everything that can command: a page from elsewhere, open in the operator's browser,
must not act in the operator's name.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from ionward.errors import UserError

TOKEN_VARIABLE = "IONWARD_TOKEN"
TOKEN_FILE = "token"
TOKEN_LENGTH_MIN = 16
COOKIE = "ionward_access"
COOKIE_AGE_S = 30 * 86400
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}

Headers = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Access:
    """The rules of one server. `token` None: none is needed, because the server listens on loopback only.

    `names` are further names (without port) under which the server is reached, for instance behind a proxy.
    """

    host: str
    token: str | None = None
    names: frozenset[str] = frozenset()

    @property
    def cookie_value(self) -> str:
        """What the cookie holds: made from the token, but not the token."""
        return hmac.new((self.token or "").encode(), b"ionward cookie", hashlib.sha256).hexdigest()

    def matches(self, offered: str | None) -> bool:
        """Whether this is the token, without telling by its time how much of it was right."""
        return offered is not None and hmac.compare_digest(offered.encode(), (self.token or "").encode())


@dataclass(frozen=True)
class Verdict:
    """What becomes of a request: `status` 0 lets it in. `cookie` has to be set; `location` is where to go without the
    token in the address."""

    status: int = 0
    reason: str = ""
    cookie: str | None = None
    location: str | None = None


def make_access(
    host: str,
    state_dir: Path | str,
    token: str | None = None,
    names: Iterable[str] = (),
    environment: Mapping[str, str] = os.environ,
) -> Access:
    """The rules for a server on `host`. Beyond loopback the token is the given one, or that of the environment variable
    IONWARD_TOKEN, or that of the file `token` in the state folder, which is made when there is none.

    Raises:
        UserError: the token is too short, or its file cannot be read or made.
    """
    named = frozenset(name.lower().strip() for name in names if name.strip())
    if is_loopback(host):
        return Access(host, None, named)
    given = token or environment.get(TOKEN_VARIABLE) or _token_of(Path(state_dir))
    if len(given) < TOKEN_LENGTH_MIN or not given.isascii() or not given.isprintable() or " " in given:
        raise UserError(
            f"token: it must have at least {TOKEN_LENGTH_MIN} characters, plain and without spaces; "
            f"leave {TOKEN_VARIABLE} out and one is made"
        )
    return Access(host, given, named)


def is_loopback(host: str) -> bool:
    """Whether a server on this address can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _token_of(folder: Path) -> str:
    path = folder / TOKEN_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            path.chmod(0o600)
            return path.read_text(encoding="ascii").strip()
        with os.fdopen(file, "w", encoding="ascii") as out:
            made = secrets.token_urlsafe(32)
            out.write(made + "\n")
        return made
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: the token cannot be kept there: {error}; set {TOKEN_VARIABLE} instead") from None


def judge(access: Access, kind: str, method: str, path: str, query: str, headers: Headers) -> Verdict:
    """Look at a request before anything else does.

    Args:
        access: the server's rules.
        kind: `http` or `websocket`.
        method: HTTP method in capitals (GET for a WebSocket).
        path: the path, as the client sent it.
        query: the query string.
        headers: names in lower case.
    """
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1").strip())
    hosts = found.get("host", [])
    if len(hosts) != 1 or not hosts[0]:
        return Verdict(400, "the Host header is missing or there are several")
    if access.token is None and _name_of(hosts[0]) not in LOOPBACK_NAMES | access.names | {access.host.strip("[]")}:
        return Verdict(403, f"this server does not answer to the name '{_shown(hosts[0])}'; use localhost or 127.0.0.1")
    if (kind == "websocket" or method not in SAFE_METHODS) and not _own_origin(access, hosts[0], found):
        return Verdict(403, "commands and streams are not taken from pages of another site (see Origin)")
    return Verdict() if access.token is None else _by_token(access, kind, method, path, query, found)


def _by_token(access: Access, kind: str, method: str, path: str, query: str, headers: dict[str, list[str]]) -> Verdict:
    for value in headers.get("authorization", []):
        scheme, _, offered = value.partition(" ")
        if scheme.lower() == "bearer":
            return Verdict() if access.matches(offered.strip()) else Verdict(401, "the token is wrong")
    pairs = parse_qsl(query, keep_blank_values=True)
    offered_here = next((value for name, value in pairs if name == "token"), None)
    if offered_here is not None:
        if not access.matches(offered_here):
            return Verdict(401, "the token is wrong")
        if kind == "http" and method in SAFE_METHODS and "text/html" in "".join(headers.get("accept", [])):
            rest = urlencode([(name, value) for name, value in pairs if name != "token"])
            return Verdict(cookie=access.cookie_value, location=_local(path) + (f"?{rest}" if rest else ""))
        return Verdict(cookie=access.cookie_value if kind == "http" else None)
    for line in headers.get("cookie", []):
        for part in line.split(";"):
            name, _, value = part.strip().partition("=")
            if name == COOKIE and hmac.compare_digest(value.encode(), access.cookie_value.encode()):
                return Verdict()
    return Verdict(
        401, "a token is needed: send 'Authorization: Bearer TOKEN', or open the page with ?token=TOKEN once"
    )


def _local(path: str) -> str:
    """A path that a browser cannot take for another server's address."""
    return "/" + path.lstrip("/\\")


def _name_of(host: str) -> str:
    """The name in a Host header, without its port."""
    host = host.lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0].rstrip(".") if ":" in host else host.rstrip(".")


def _own_origin(access: Access, host: str, headers: dict[str, list[str]]) -> bool:
    """A request without Origin does not come from a web page; one with it must be from a page of this server."""
    origins = headers.get("origin", [])
    if not origins:
        return headers.get("sec-fetch-site", ["none"])[0] in ("none", "same-origin")
    if len(origins) != 1:
        return False
    try:
        origin = urlsplit(origins[0].lower())
        port = origin.port or DEFAULT_PORTS.get(origin.scheme)
        mine = urlsplit("//" + host.lower())
        my_port = mine.port or DEFAULT_PORTS.get(origin.scheme)
    except ValueError:
        return False
    if origin.hostname is None:
        return False
    return (origin.hostname, port) == (mine.hostname, my_port) or origin.hostname in access.names


def _shown(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text[:80])
