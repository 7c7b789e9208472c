"""Certificates for tests, made with the openssl command."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ionward.link.tls import TlsFiles


class Authority:
    """An authority in a folder, and what it signs."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        if shutil.which("openssl") is None:
            pytest.skip("needs the openssl command to make certificates")
        self.folder, self.name = folder, name
        self.certificate, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        extensions = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign")
        openssl("req", "-x509", *NEW_KEY, "-keyout", self.key, "-out", self.certificate, "-days", "2",
                "-subj", f"/CN={name}", *extensions)  # fmt: skip

    def sign(self, name: str, host: str = "127.0.0.1", days: int = 2) -> TlsFiles:
        """A certificate and key of a unit at a host. With negative days it has expired."""
        path = {ending: self.folder / f"{name}.{ending}" for ending in ("pem", "key", "csr", "ext")}
        kind = "IP" if host[:1].isdigit() else "DNS"
        path["ext"].write_text(f"subjectAltName={kind}:{host}\nbasicConstraints=CA:FALSE\n", encoding="utf-8")
        openssl("req", "-new", *NEW_KEY, "-keyout", path["key"], "-out", path["csr"], "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", path["csr"], "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
                "-out", path["pem"], "-days", days, "-extfile", path["ext"])  # fmt: skip
        return TlsFiles(self.certificate, path["pem"], path["key"])


NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def openssl(*arguments: object) -> None:
    """Run openssl."""
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
