"""`ionward service print`: a systemd unit that runs the BMS with the rights and limits that it needs."""

from __future__ import annotations

import math
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

import ionward
from ionward.errors import UserError

service_app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Run the BMS as a service of this machine (systemd)."
)

SYSTEM_FILE = "/etc/ionward/system.toml"
STATE_FOLDER = "/var/lib/ionward"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
HOMES = ("/home", "/root", "/run/user")
PRIVATE = ("/tmp", "/var/tmp")
USER_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,30}\$?")
STOP_S = 25.0  # opening in order and ending the processes, without what the pack waits for the current to fall


@dataclass(frozen=True)
class Service:
    """What the unit is made from; paths are absolute. `http` is HOST:PORT, empty for the default of `ionward run`."""

    command: tuple[str, ...]
    system: str = SYSTEM_FILE
    name: str = ""
    user: str = "ionward"
    state_folder: str = STATE_FOLDER
    http: str = ""
    priority: int = 40
    stop_s: float = STOP_S


@service_app.callback()
def service() -> None:
    """Run the BMS as a service of this machine (systemd)."""


@service_app.command("print")
def print_unit(
    system: Annotated[
        Path | None, typer.Argument(help=f"System file (.toml); left out: {SYSTEM_FILE}.", show_default=False)
    ] = None,
    user: Annotated[str, typer.Option(help="System user that the BMS runs as.")] = "ionward",
    state_dir: Annotated[Path, typer.Option(help="Folder for what must survive.")] = Path(STATE_FOLDER),
    http: Annotated[
        str, typer.Option(help="HOST:PORT of dashboard and API; left out: loopback only.", metavar="HOST:PORT")
    ] = "",
) -> None:
    """Print a systemd unit for `ionward run`, to be saved as /etc/systemd/system/ionward.service.

    Notes about what may not work stand on stderr. Exit code 2 for wrong input.
    """
    if not USER_NAME.fullmatch(user):
        raise UserError(f"--user '{user}': a user name has small letters, digits, - and _, and begins with a letter")
    if http:
        host_and_port(http)
    for path in (state_dir, *([system] if system else [])):
        if not str(path).isprintable() or "\\" in str(path):
            raise UserError(f"{str(path)!r}: a unit cannot hold this path; take one without \\ and control characters")
    wanted = Service(
        command=ionward_command(), user=user, state_folder=str(state_dir.absolute()), http=http, priority=_priority()
    )
    if system is not None:
        wanted = _for_system(wanted, system)
    typer.echo(unit(wanted), nl=False)
    for note in notes(wanted):
        typer.echo(f"note: {note}", err=True)


def _priority() -> int:
    from ionward.runtime.role import PRIORITY

    return max(PRIORITY.values())


def _for_system(wanted: Service, file: Path) -> Service:
    """The same service for a system file, which is checked here rather than at the next start of the machine."""
    from dataclasses import replace

    from ionward.image.build import load_pack

    described, _ = load_pack(file)
    wait_s = described.contactors.open_wait_s if described.contactors.fitted else 0.0
    return replace(wanted, system=str(file.resolve()), name=described.system.name, stop_s=STOP_S + math.ceil(wait_s))


def ionward_command() -> tuple[str, ...]:
    """How this installation of Ionward is started, with an absolute path."""
    beside = Path(sys.executable).parent / "ionward"
    if os.access(beside, os.X_OK):
        return (str(beside),)
    found = shutil.which("ionward")
    return (str(Path(found).absolute()),) if found else (sys.executable, "-m", "ionward.cli.main")


def host_and_port(text: str) -> tuple[str, int]:
    """Split HOST:PORT, or PORT of loopback; an IPv6 address stands in brackets.

    Raises:
        UserError: it is not of this form.
    """
    host, separator, port = (text if ":" in text else f"{LOOPBACK[0]}:{text}").rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host.strip("[]") if bracketed else host
    plain = re.fullmatch(r"[0-9A-Za-z.:-]+" if bracketed else r"[0-9A-Za-z.-]+", host)
    if not separator or not plain or not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise UserError(f"--http '{text}': give HOST:PORT with a port from 1 to 65535, such as 127.0.0.1:8080")
    return host, int(port)


def quoted(word: str) -> str:
    """A word of a unit's command line: systemd expands % and $ and splits at spaces."""
    word = word.replace("\\", "\\\\").replace("%", "%%").replace("$", "$$").replace('"', '\\"')
    return f'"{word}"' if re.search(r"[\s'\";]", word) else word


def path_value(path: str) -> str:
    """A path as the value of a setting: there systemd expands % only."""
    path = path.replace("\\", "\\\\").replace("%", "%%").replace('"', '\\"')
    return f'"{path}"' if re.search(r"[\s']", path) else path


def _below(path: str, folders: tuple[str, ...]) -> bool:
    return any(Path(folder) in Path(path).parents for folder in folders)


def _own_state_folder(service: Service) -> str:
    """The state folder as a name below /var/lib, where systemd makes it; empty where it lies elsewhere."""
    relative = os.path.relpath(service.state_folder, "/var/lib")
    # A colon would name a link to make beside it.
    return "" if relative.startswith("..") or relative == "." or ":" in relative else relative


def _visible_at_home(service: Service) -> bool:
    """Something that the service needs lies in somebody's home."""
    return any(_below(path, HOMES) for path in (service.command[0], service.system, service.state_folder))


def notes(service: Service) -> list[str]:
    """What may keep this unit from working, one line each."""
    found = []
    needed = (("program", service.command[0]), ("system file", service.system), ("state folder", service.state_folder))
    for what, path in needed:
        if _below(path, PRIVATE):
            found.append(f"a service has a /tmp of its own and does not see the {what} {path}: take another place")
        elif _below(path, ("/root",)) and service.user != "root":
            found.append(f"only root can reach the {what} {path}: put it elsewhere, such as /opt, /etc or /var/lib")
    if service.http and host_and_port(service.http)[0] not in LOOPBACK:
        token = f"{service.state_folder}/token"
        found.append(f"{service.http} can be reached from the network: visitors need the token in {token}")
    return found


def unit(service: Service) -> str:
    """The text of the unit."""
    return "\n".join((*_head(service), *_unit_section(service), *_service_section(service), *_install_section()))


def _head(service: Service) -> tuple[str, ...]:
    return (
        f"# Made by `ionward service print`, Ionward {ionward.__version__}. How to install it:",
        f"#   sudo useradd --system --no-create-home --shell /usr/sbin/nologin {service.user}",
        "#   ionward service print SYSTEM.toml | sudo tee /etc/systemd/system/ionward.service",
        "#   sudo systemctl daemon-reload && sudo systemctl enable --now ionward",
        "#   journalctl -u ionward -f",
        "# Take a system user: at the end of a session systemd-logind removes what an ordinary user has in /dev/shm.",
        "",
    )


def _unit_section(service: Service) -> tuple[str, ...]:
    plain = "".join(character if character.isprintable() else " " for character in service.name)
    name = f" of {plain}" if plain else ""
    return (
        "[Unit]",
        f"Description=Ionward, battery management system{name}".replace("%", "%%").replace("\\", "/"),
        "# It waits for no network: cells must be watched without one.",
        "After=local-fs.target",
        "# Ten restarts in five minutes, then it stays down, with contactors open, and waits for a person.",
        "StartLimitIntervalSec=300",
        "StartLimitBurst=10",
        "",
    )


def _service_section(service: Service) -> tuple[str, ...]:
    arguments = ["run", service.system, "--state-dir", service.state_folder]
    arguments += ["--http", service.http] if service.http else []
    started = " ".join(quoted(word) for word in (*service.command, *arguments))
    return (
        "[Service]",
        "# exec: started when the program runs. It sends no readiness message (sd_notify), and none is waited for.",
        "Type=exec",
        f"User={service.user}",
        f"ExecStart={started}",
        "# Compiles the control core before the first start (up to a minute); afterwards this takes a second.",
        f"ExecStartPre={' '.join(quoted(word) for word in (*service.command, 'warm-up'))}",
        "TimeoutStartSec=300",
        *_folders(service),
        "",
        "# Ends: SIGINT to the supervisor alone, which opens the contactors in order and ends the other processes;",
        "# who is left after the time-out is killed. Enables expire then, and the contactors open all the same.",
        "KillMode=mixed",
        "KillSignal=SIGINT",
        f"TimeoutStopSec={service.stop_s:g}",
        "# Interrupted while it was still starting.",
        "SuccessExitStatus=130",
        "",
        "# Started again after a crash, but not after wrong input (2), which the next start would find again.",
        "Restart=on-failure",
        "RestartSec=2",
        "RestartPreventExitStatus=2",
        "",
        "# Rights of control, guard and driver. Each chooses its own priority and locks its own memory, so that",
        "# dashboard and recorder stay ordinary: hence no CPUSchedulingPolicy= here.",
        f"LimitRTPRIO={service.priority}",
        "LimitMEMLOCK=infinity",
        "LimitNICE=-10",
        "RestrictRealtime=no",
        "# What has no real-time priority goes before other programs. Remove this line if SCHED_FIFO is refused in the",
        "# service although LimitRTPRIO permits it: a kernel with CONFIG_RT_GROUP_SCHED gives weighted groups none.",
        "CPUWeight=500",
        "# The last to be ended when memory runs out, and never on disk.",
        "OOMScoreAdjust=-900",
        "MemorySwapMax=0",
        "",
        *_hardening(service),
        "",
    )


def _folders(service: Service) -> tuple[str, ...]:
    own = _own_state_folder(service)
    state = (
        (f"StateDirectory={path_value(own)}", "StateDirectoryMode=0750")
        if own
        else ("# Make it yourself, for this user to write.", f"ReadWritePaths={path_value(service.state_folder)}")
    )
    return (
        "# What must survive, and compiled code.",
        *state,
        "WorkingDirectory=" + service.state_folder.replace("%", "%%"),
        "CacheDirectory=ionward",
        "Environment=XDG_CACHE_HOME=/var/cache/ionward",
    )


def _hardening(service: Service) -> tuple[str, ...]:
    home: tuple[str, ...] = ("ProtectHome=yes",)
    if _visible_at_home(service):
        home = ("# Program or files lie in a home: it can be read.", "ProtectHome=read-only")
        if _below(service.state_folder, HOMES):
            home = ("# The state folder lies in a home.", "ProtectHome=no")
    low_port = bool(service.http) and host_and_port(service.http)[1] < 1024
    capabilities = "CAP_NET_BIND_SERVICE" if low_port else ""
    return (
        "# Nothing but its state folder, its cache and /dev/shm can be written. Memory stays executable: the control",
        "# core is compiled (no MemoryDenyWriteExecute=).",
        "NoNewPrivileges=yes",
        f"CapabilityBoundingSet={capabilities}",
        *((f"AmbientCapabilities={capabilities}",) if low_port else ()),
        "ProtectSystem=strict",
        *home,
        "PrivateTmp=yes",
        "ProtectKernelTunables=yes",
        "ProtectKernelModules=yes",
        "ProtectKernelLogs=yes",
        "ProtectControlGroups=yes",
        "ProtectClock=yes",
        "ProtectHostname=yes",
        "RestrictNamespaces=yes",
        "RestrictSUIDSGID=yes",
        "LockPersonality=yes",
        "SystemCallArchitectures=native",
        "# Devices: the usual ones and the hardware watchdog. Add what your monitors hang on, for example",
        "# DeviceAllow=char-spidev rw, DeviceAllow=char-gpiochip rw, DeviceAllow=char-ttyUSB rw; CAN needs none.",
        "DevicePolicy=closed",
        "DeviceAllow=/dev/watchdog rw",
        "DeviceAllow=/dev/watchdog0 rw",
        "# CAN, dashboard and API; netlink tells the state of CAN interfaces.",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_CAN AF_NETLINK",
        "UMask=0027",
    )


def _install_section() -> tuple[str, ...]:
    return ("[Install]", "WantedBy=multi-user.target", "")
