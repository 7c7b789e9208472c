"""Certificates of a unit, looked at before they are used: what is wrong with them is told, not found out by silence."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NamedTuple

from ionward.errors import UserError

# What OpenSSL says of a certificate, and what to do about it.
ADVICE = {
    "certificate has expired": "have the authority sign a new one",
    "certificate is not yet valid": "check this machine's clock, and from when it is valid",
    "unable to get local issuer certificate": "the authority in link.tls.ca did not sign it; name the one that did",
    "self-signed certificate": "the authority in link.tls.ca did not sign it; name the one that did",
    "certificate signature failure": "the authority in link.tls.ca did not sign it; name the one that did",
}


class TlsFiles(NamedTuple):
    """Paths of the authority's certificate, and of this unit's certificate and key (PEM)."""

    ca: Path
    certificate: Path
    key: Path


def check_certificates(files: TlsFiles, host: str) -> None:
    """Make sure that a unit at `host` can use these files: it talks to itself, in memory, as it will with the others.

    Raises:
        UserError: a file is missing or is no certificate, the key is another one's, the certificate has expired, is not
            of this authority, or is not for this host.
    """
    for name, path in files._asdict().items():
        if not path.is_file():
            raise UserError(f"{path}: no such file (link.tls.{name}); check the path, seen from the site file")
    try:
        authority = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(files.ca))
    except (ssl.SSLError, OSError) as error:
        raise UserError(f"{files.ca}: is no certificate of an authority: {_words(error)}; it is a PEM file") from None
    own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(files.ca))
    try:
        for context in (own, authority):
            context.load_cert_chain(files.certificate, files.key, password=_no_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        if "KEY_VALUES_MISMATCH" in str(error):
            raise UserError(f"{files.key}: is the key of another certificate than {files.certificate}") from None
        raise UserError(
            f"{files.certificate}: cannot be used with {files.key}: {_words(error)}; both are PEM files, the key "
            "without a password"
        ) from None
    own.verify_mode = ssl.CERT_REQUIRED
    try:
        _handshake(own, authority, host.strip("[]"))
    except ssl.SSLCertVerificationError as error:
        what = error.verify_message.rstrip(".")
        advice = ADVICE.get(what, f"it must name the host of the unit's endpoint, {host}, as a subjectAltName")
        raise UserError(f"{files.certificate}: {what}; {advice}") from None
    except ssl.SSLError as error:
        raise UserError(f"{files.certificate}: {_words(error)}; check the certificate") from None


def _no_password() -> str:
    """A key with a password is refused, rather than waiting for somebody to type it."""
    return ""


def _words(error: Exception) -> str:
    return str(getattr(error, "reason", None) or getattr(error, "strerror", None) or error).replace("_", " ").lower()


def _handshake(own: ssl.SSLContext, other: ssl.SSLContext, host: str) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = own.wrap_bio(to_server, to_client, server_side=True)
    client = other.wrap_bio(to_client, to_server, server_hostname=host)
    waiting = [client, server]
    while waiting:
        for side in tuple(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                continue
