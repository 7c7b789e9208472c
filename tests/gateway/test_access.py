from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ionward.errors import UserError
from ionward.gateway.access import COOKIE, Access, Verdict, is_loopback, judge, make_access

TOKEN = "a-token-of-24-characters"
HERE = Access("127.0.0.1")
FAR = Access("0.0.0.0", TOKEN)


def asked(
    access: Access, method: str = "GET", path: str = "/", query: str = "", kind: str = "http", **headers: str
) -> Verdict:
    """The verdict on a request; header names with _ for -."""
    named = {"host": "localhost:8080", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return judge(access, kind, method, path, query, [(n.encode(), v.encode()) for n, v in named.items() if v])


# Where a token is needed.


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.3.2.1"])
def test_on_loopback_no_token_is_needed(host: str, tmp_path: Path) -> None:
    assert is_loopback(host)
    access = make_access(host, tmp_path, environment={"IONWARD_TOKEN": TOKEN})
    assert access.token is None
    assert asked(access).status == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "bms.example", ""])
def test_beyond_loopback_a_token_is_made_and_kept_from_others(host: str, tmp_path: Path) -> None:
    first = make_access(host, tmp_path / "state", environment={})
    again = make_access(host, tmp_path / "state", environment={})
    assert first.token is not None
    assert len(first.token) >= 32
    assert first.token == again.token
    assert (tmp_path / "state" / "token").stat().st_mode & 0o777 == 0o600


def test_a_token_file_that_others_could_read_is_closed(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    (tmp_path / "token").chmod(0o644)
    assert make_access("0.0.0.0", tmp_path, environment={}).token == TOKEN
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600


def test_a_given_token_goes_before_the_environment_before_the_file(tmp_path: Path) -> None:
    environment = {"IONWARD_TOKEN": "e" * 20}
    assert make_access("0.0.0.0", tmp_path, "o" * 20, environment=environment).token == "o" * 20
    assert make_access("0.0.0.0", tmp_path, environment=environment).token == "e" * 20
    assert not (tmp_path / "token").exists()


@pytest.mark.parametrize("token", ["short", "with a space in it", "ümläuts-are-not-plain"])
def test_a_weak_token_is_refused(token: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at least 16"):
        make_access("0.0.0.0", tmp_path, token)


def test_a_state_folder_that_cannot_hold_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="IONWARD_TOKEN"):
        make_access("0.0.0.0", tmp_path / "file", environment={})


# The token itself.


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("path", ["/", "/api/v1/state", "/metrics", "/_nicegui_ws/socket.io"])
def test_nothing_is_served_without_the_token(kind: str, path: str) -> None:
    assert asked(FAR, path=path, kind=kind).status == 401
    assert asked(FAR, path=path, kind=kind, authorization="Bearer wrong").status == 401
    assert asked(FAR, path=path, kind=kind, query="token=wrong").status == 401
    assert asked(FAR, path=path, kind=kind, cookie=f"{COOKIE}={TOKEN}").status == 401
    assert asked(FAR, path=path, kind=kind, authorization=f"Bearer {TOKEN}").status == 0


def test_a_page_opened_with_the_token_gets_a_cookie_and_an_address_without_it() -> None:
    verdict = asked(FAR, path="/cells", query=f"dark=1&token={TOKEN}", accept="text/html,*/*")
    assert (verdict.status, verdict.location) == (0, "/cells?dark=1")
    assert verdict.cookie
    assert TOKEN not in verdict.cookie
    assert asked(FAR, cookie=f"other=1; {COOKIE}={verdict.cookie}").status == 0
    assert asked(FAR, kind="websocket", cookie=f"{COOKIE}={verdict.cookie}").status == 0


def test_a_program_with_the_token_in_the_address_is_not_sent_elsewhere() -> None:
    verdict = asked(FAR, path="/api/v1/state", query=f"token={TOKEN}", accept="*/*")
    assert (verdict.status, verdict.location) == (0, None)
    assert asked(FAR, kind="websocket", query=f"token={TOKEN}").status == 0


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example", "///evil.example"])
def test_the_address_without_the_token_is_always_one_of_this_server(path: str) -> None:
    location = asked(FAR, path=path, query=f"token={TOKEN}", accept="text/html").location
    assert location is not None
    assert location.startswith("/")
    assert location[1:2] not in ("/", "\\")


@given(st.text(max_size=40))
def test_no_other_text_is_the_token(offered: str) -> None:
    assert FAR.matches(offered) == (offered == TOKEN)
    assert not FAR.matches(None)


# Names: DNS rebinding.


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080", "[::1]", "localhost."])
def test_loopback_answers_to_its_own_names(host: str) -> None:
    assert asked(HERE, host=host).status == 0


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example:8080", "127.0.0.1.evil.example", "[::2]", "1"]
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_loopback_answers_to_no_other_name(host: str, kind: str) -> None:
    assert asked(HERE, host=host, kind=kind).status == 403


def test_a_name_can_be_added(tmp_path: Path) -> None:
    access = make_access("127.0.0.1", tmp_path, names=["BMS.example"])
    assert asked(access, host="bms.example:443").status == 0


def test_a_host_that_is_missing_or_doubled_is_refused() -> None:
    assert asked(HERE, host="").status == 400
    twice = [(b"host", b"localhost"), (b"host", b"evil.example")]
    assert judge(HERE, "http", "GET", "/", "", twice).status == 400


# Origins: pages of other sites.


@pytest.mark.parametrize("access", [HERE, FAR])
@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://localhost:9999", "http://localhost.evil.example:8080", "x", "http://["],
)
def test_pages_of_other_sites_may_not_command_or_stream(access: Access, origin: str) -> None:
    authorization = f"Bearer {TOKEN}"
    assert asked(access, "POST", origin=origin, authorization=authorization).status == 403
    assert asked(access, kind="websocket", origin=origin, authorization=authorization).status == 403


def test_own_pages_and_programs_may() -> None:
    assert asked(HERE, "POST", origin="http://localhost:8080").status == 0
    assert asked(HERE, "POST").status == 0
    assert asked(HERE, "POST", host="localhost", origin="http://localhost").status == 0
    assert asked(HERE, "POST", host="localhost:443", origin="https://localhost").status == 0
    assert asked(HERE, kind="websocket", origin="http://localhost:8080").status == 0


def test_a_browser_that_says_that_the_page_is_another_sites_is_believed() -> None:
    assert asked(HERE, "POST", sec_fetch_site="cross-site").status == 403
    assert asked(HERE, "POST", sec_fetch_site="same-site").status == 403
    assert asked(HERE, "POST", sec_fetch_site="same-origin").status == 0


@given(
    st.sampled_from(["http", "websocket"]),
    st.sampled_from(["GET", "POST", "PUT", "TRACE"]),
    st.lists(
        st.tuples(
            st.sampled_from([b"host", b"origin", b"cookie", b"authorization", b"accept", b"sec-fetch-site"]),
            st.binary(max_size=40),
        ),
        max_size=6,
    ),
    st.text(max_size=40),
)
def test_no_request_without_the_token_gets_in_and_none_breaks_the_judge(
    kind: str, method: str, headers: list[tuple[bytes, bytes]], query: str
) -> None:
    assert judge(FAR, kind, method, "/", query, headers).status in (400, 401, 403)
    assert judge(HERE, kind, method, "/", query, headers).status in (0, 400, 403)
