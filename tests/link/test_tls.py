"""What is wrong with a unit's certificates is told before they are used."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.certificates import Authority, openssl
from ionward.errors import UserError
from ionward.link.tls import TlsFiles, check_certificates


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("keys"))


def refusal(files: TlsFiles, host: str = "127.0.0.1") -> str:
    with pytest.raises(UserError) as caught:
        check_certificates(files, host)
    assert len(caught.value.problems) == 1
    return str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "pack-1.site"])
def test_a_good_certificate_passes(authority: Authority, host: str) -> None:
    check_certificates(authority.sign(f"good-{host}", host), host)


def test_a_missing_file_is_named_with_its_key(authority: Authority, tmp_path: Path) -> None:
    files = authority.sign("whole")
    for key in ("ca", "certificate", "key"):
        missing = files._replace(**{key: tmp_path / "none.pem"})
        assert refusal(missing).startswith(f"{tmp_path / 'none.pem'}: no such file (link.tls.{key}); ")


def test_an_expired_certificate_is_told(authority: Authority) -> None:
    files = authority.sign("old", days=-1)
    assert refusal(files) == f"{files.certificate}: certificate has expired; have the authority sign a new one"


def test_a_certificate_of_another_authority_is_told(authority: Authority, tmp_path: Path) -> None:
    files = authority.sign("ours")._replace(ca=Authority(tmp_path, "other").certificate)
    assert "the authority in link.tls.ca did not sign it; name the one that did" in refusal(files)


def test_a_certificate_for_another_host_is_told(authority: Authority) -> None:
    told = refusal(authority.sign("elsewhere", "10.0.0.7"))
    assert "127.0.0.1" in told
    assert told.endswith("it must name the host of the unit's endpoint, 127.0.0.1, as a subjectAltName")


def test_the_key_of_another_certificate_is_told(authority: Authority) -> None:
    a, b = authority.sign("a"), authority.sign("b")
    assert refusal(a._replace(key=b.key)) == f"{b.key}: is the key of another certificate than {a.certificate}"


@pytest.mark.parametrize("key", ["ca", "certificate", "key"])
def test_a_file_that_is_something_else_is_told(authority: Authority, tmp_path: Path, key: str) -> None:
    path = tmp_path / "text.pem"
    path.write_text("hello", encoding="utf-8")
    told = refusal(authority.sign("text")._replace(**{key: path}))
    assert str(path) in told
    assert "PEM file" in told


def test_a_key_with_a_password_is_refused_and_asks_nobody(authority: Authority, tmp_path: Path) -> None:
    files = authority.sign("locked")
    locked = tmp_path / "locked.key"
    openssl("pkcs8", "-topk8", "-in", files.key, "-out", locked, "-passout", "pass:secret")
    assert "without a password" in refusal(files._replace(key=locked))
