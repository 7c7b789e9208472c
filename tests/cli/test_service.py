"""`ionward service print`: the unit as systemd reads it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from helpers.examples import changed, example
from ionward.cli.service import Service, host_and_port, ionward_command, notes, quoted, service_app, unit
from ionward.errors import UserError

Unit = dict[str, dict[str, list[str]]]


def command(*arguments: str) -> Result:
    return CliRunner().invoke(service_app, ["print", *arguments], env={"NO_COLOR": "1", "TERM": "dumb"})


def parsed(text: str) -> Unit:
    """Sections, keys and their values, in the syntax of systemd.syntax(7) as far as it is used here."""
    found: Unit = {}
    section = ""
    for line in text.splitlines():
        if not line or line.startswith(("#", ";")):
            continue
        if line.startswith("["):
            assert line.endswith("]")
            section = line[1:-1]
            assert section not in found, "a section stands once"
            found[section] = {}
            continue
        key, separator, value = line.partition("=")
        assert separator, line
        assert key.isalpha(), line
        found[section].setdefault(key, []).append(value)
    return found


def unit_of(*arguments: str) -> dict[str, list[str]]:
    result = command(*arguments)
    assert result.exit_code == 0, result.output
    return parsed(result.stdout)["Service"]


def words(line: str) -> list[str]:
    """A command line as systemd splits and expands it, where no variable or specifier is meant."""
    return [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(line)]


def test_the_unit_for_a_system_file() -> None:
    file = example("ev-96s").resolve()
    result = command(str(file))
    sections = parsed(result.stdout)
    assert list(sections) == ["Unit", "Service", "Install"]
    assert "EV 96s NMC 400 V" in sections["Unit"]["Description"][0]
    assert sections["Install"] == {"WantedBy": ["multi-user.target"]}
    started = words(sections["Service"]["ExecStart"][0])
    assert started[-4:] == ["run", str(file), "--state-dir", "/var/lib/ionward"]
    assert Path(started[0]).is_absolute()
    assert result.stdout.endswith("\n")


def test_rights_and_limits() -> None:
    service = unit_of()
    expected = {
        "Type": "exec", "User": "ionward", "Restart": "on-failure", "KillSignal": "SIGINT", "KillMode": "mixed",
        "LimitMEMLOCK": "infinity", "StateDirectory": "ionward", "NoNewPrivileges": "yes", "ProtectSystem": "strict",
        "ProtectHome": "yes", "PrivateTmp": "yes", "DevicePolicy": "closed", "RestartPreventExitStatus": "2",
    }  # fmt: skip
    assert {key: service[key] for key in expected} == {key: [value] for key, value in expected.items()}
    assert int(service["LimitRTPRIO"][0]) >= 40
    assert "AF_CAN" in service["RestrictAddressFamilies"][0].split()
    assert "/dev/watchdog rw" in service["DeviceAllow"]
    assert int(service["OOMScoreAdjust"][0]) < 0
    assert int(service["CPUWeight"][0]) > 100
    assert all(len(values) == 1 for key, values in service.items() if key != "DeviceAllow")


def test_nothing_in_it_takes_away_what_the_bms_needs() -> None:
    service = unit_of()
    assert service["RestrictRealtime"] == ["no"]  # SCHED_FIFO
    assert "MemoryDenyWriteExecute" not in service  # compiled code
    assert "CPUSchedulingPolicy" not in service  # each process chooses its own
    assert "PrivateDevices" not in service  # the watchdog
    assert "PrivateNetwork" not in service
    assert "WatchdogSec" not in service  # nobody would feed it


def test_real_time_priorities_are_within_the_limit() -> None:
    from ionward.runtime.role import PRIORITY

    assert int(unit_of()["LimitRTPRIO"][0]) == max(PRIORITY.values())


def test_options() -> None:
    service = unit_of("--user", "bms", "--state-dir", "/srv/bms", "--http", "127.0.0.1:9000")
    assert service["User"] == ["bms"]
    assert service["ReadWritePaths"] == ["/srv/bms"]
    assert "StateDirectory" not in service
    arguments = "run /etc/ionward/system.toml --state-dir /srv/bms --http 127.0.0.1:9000"
    assert words(service["ExecStart"][0])[-6:] == arguments.split()
    assert service["CapabilityBoundingSet"] == [""]


def test_a_low_port_needs_one_capability() -> None:
    service = unit_of("--http", "0.0.0.0:443")
    assert service["AmbientCapabilities"] == service["CapabilityBoundingSet"] == ["CAP_NET_BIND_SERVICE"]


def test_a_pack_that_waits_for_its_current_gets_time_to_open() -> None:
    def seconds(name: str) -> float:
        return float(unit_of(str(example(name)))["TimeoutStopSec"][0])

    assert seconds("storage-rack-240s") > seconds("bench-cell")


@pytest.mark.parametrize(
    ("service", "home", "told"),
    [
        (Service(("/opt/ionward/bin/ionward",)), "yes", []),
        (Service(("/home/pi/.venv/bin/ionward",)), "read-only", []),
        (Service(("/opt/bin/ionward",), state_folder="/home/pi/state"), "no", []),
        (Service(("/root/venv/bin/ionward",)), "read-only", ["only root can reach the program"]),
        (Service(("/root/venv/bin/ionward",), user="root"), "read-only", []),
        (Service(("/opt/bin/ionward",), system="/tmp/pack.toml"), "yes", ["does not see the system file"]),
        (Service(("/opt/bin/ionward",), http="0.0.0.0:8080"), "yes", ["token"]),
        (Service(("/opt/bin/ionward",), http="[::1]:8080"), "yes", []),
    ],
)
def test_what_the_service_cannot_reach_is_said(service: Service, home: str, told: list[str]) -> None:
    assert parsed(unit(service))["Service"]["ProtectHome"] == [home]
    found = notes(service)
    assert len(found) == len(told)
    assert all(part in note for part, note in zip(told, found, strict=True))


plain = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1).filter(lambda text: text.strip())


@given(plain)
def test_any_path_comes_through_the_command_line(name: str) -> None:
    service = parsed(unit(Service(("/opt/bin/ionward",), system=f"/etc/{name}")))["Service"]
    assert words(service["ExecStart"][0])[2] == f"/etc/{name}"
    assert quoted("/etc/plain-1.toml") == "/etc/plain-1.toml"


@given(plain)
def test_any_state_folder_below_var_lib_is_made_by_systemd(name: str) -> None:
    folder = f"/var/lib/{name.replace('/', '-').replace('.', '-').replace(':', '-')}"
    service = parsed(unit(Service(("/opt/bin/ionward",), state_folder=folder)))["Service"]
    read = [word.replace("%%", "%") for word in shlex.split(service["StateDirectory"][0])]
    assert read == [folder.removeprefix("/var/lib/")]
    assert service["WorkingDirectory"] == [folder.replace("%", "%%")]


def test_a_name_cannot_add_lines_of_its_own(tmp_path: Path) -> None:
    file = changed(tmp_path, ('name = "EV 96s NMC 400 V"', 'name = "a\\n[Service]\\nUser=root 5% \\\\"'))
    sections = parsed(command(str(file)).stdout)
    assert sections["Service"]["User"] == ["ionward"]
    assert sections["Unit"]["Description"][0].endswith("a [Service] User=root 5%% /")


@pytest.mark.parametrize(
    "text", ["http", "70000", "host:", ":80", "host:0", "host:70000", "a b:80", "x:80\nUser=root", "::1:80"]
)
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(UserError, match="HOST:PORT"):
        host_and_port(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("[::1]:80", ("::1", 80)),
        ("bms.local:443", ("bms.local", 443)),
        ("8080", ("127.0.0.1", 8080)),
    ],
)
def test_addresses(text: str, found: tuple[str, int]) -> None:
    assert host_and_port(text) == found


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--user", "a b"], "--user"),
        (["--user", "x\nUser=root"], "--user"),
        (["--http", "nowhere"], "HOST:PORT"),
        (["--state-dir", "/srv/a\nUser=root"], "control characters"),
        (["no-such.toml"], "no-such.toml"),
    ],
)
def test_wrong_input(arguments: list[str], told: str) -> None:
    result = command(*arguments)
    assert isinstance(result.exception, UserError)
    assert told in str(result.exception)
    assert result.stdout == ""


def test_the_program_is_found_where_it_is() -> None:
    assert Path(ionward_command()[0]).is_absolute()
    assert Path(ionward_command()[0]).exists()
