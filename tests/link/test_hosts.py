"""Units on hosts of their own: network namespaces with a cable each to one switch, which can be pulled.

Needs the right to make network namespaces (root, or CAP_NET_ADMIN); without it the tests are skipped, and say so.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

pytestmark = pytest.mark.xdist_group("live")

UNITS = 3
SWITCH = f"iw{os.getpid() % 100_000}"
CODE = """
import json, sys, time
from ionward.link.zenoh import ZenohTransport
me, endpoints = int(sys.argv[1]), sys.argv[2:]
transport, last, told = ZenohTransport(me, endpoints, 1), {}, None
while True:
    transport.send(bytes([me]) * 145)
    now = time.monotonic()
    last |= {message[0]: now for message in transport.receive() if len(message) == 145}
    heard = sorted(unit for unit, then in last.items() if now - then < 0.5)
    if heard != told:
        told = heard
        print(json.dumps(heard), flush=True)
    time.sleep(0.02)
"""


def ip(*arguments: str) -> None:
    """Run `ip`."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


class Hosts:
    """Three hosts on one switch, with a unit on each."""

    def __init__(self) -> None:
        self.heard: list[list[int]] = [[] for _ in range(UNITS)]
        self.processes: list[subprocess.Popen[str]] = []

    def start(self) -> None:
        ip("link", "add", SWITCH, "type", "bridge")
        ip("link", "set", SWITCH, "up")
        for n in range(UNITS):
            ip("netns", "add", self.host(n))
            ip("link", "add", self.cable(n), "type", "veth", "peer", "name", "eth0", "netns", self.host(n))
            ip("link", "set", self.cable(n), "master", SWITCH, "up")
            ip("-n", self.host(n), "addr", "add", f"{self.address(n)}/24", "dev", "eth0")
            ip("-n", self.host(n), "link", "set", "eth0", "up")
        endpoints = [f"tcp/{self.address(n)}:7451" for n in range(UNITS)]
        for n in range(UNITS):
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.host(n), sys.executable, "-c", CODE, str(n), *endpoints],
                stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": ":".join(p for p in sys.path if p)},
            )  # fmt: skip
            self.processes.append(process)
            threading.Thread(target=self.listen, args=(n, process), daemon=True).start()

    def listen(self, n: int, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.heard[n] = json.loads(line)

    def host(self, n: int) -> str:
        return f"{SWITCH}-{n}"

    def cable(self, n: int) -> str:
        return f"{SWITCH}c{n}"

    def address(self, n: int) -> str:
        return f"198.18.7.{n + 1}"  # RFC 2544: for tests of networks

    def pull(self, n: int) -> None:
        """Pull a host's cable out of the switch: the hosts themselves notice nothing."""
        ip("link", "set", self.cable(n), "nomaster")

    def plug(self, n: int) -> None:
        ip("link", "set", self.cable(n), "master", SWITCH)

    def become(self, *heard: list[int]) -> bool:
        """Wait until each unit hears these others."""
        for _ in range(2000):
            if self.heard == list(heard):
                return True
            time.sleep(0.01)
        return False

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        for n in range(UNITS):
            subprocess.run(["ip", "netns", "del", self.host(n)], capture_output=True)
            subprocess.run(["ip", "link", "del", self.cable(n)], capture_output=True)
        subprocess.run(["ip", "link", "del", SWITCH], capture_output=True)


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    hosts = Hosts()
    try:
        try:
            hosts.start()
        except (OSError, subprocess.CalledProcessError) as error:
            told = str(getattr(error, "stderr", None) or error).strip()
            pytest.skip(f"no network namespaces here: {told}")
        yield hosts
    finally:
        hosts.end()


ALL = ([1, 2], [0, 2], [0, 1])


def test_a_pulled_cable_is_silence_and_plugged_in_again_all_hear_each_other(hosts: Hosts) -> None:
    assert hosts.become(*ALL), hosts.heard
    for n, rest in ((2, ([1], [0], [])), (0, ([], [2], [1]))):
        hosts.pull(n)
        assert hosts.become(*rest), hosts.heard
        hosts.plug(n)
        assert hosts.become(*ALL), hosts.heard


def test_all_cables_pulled_at_once_heal_without_a_person(hosts: Hosts) -> None:
    assert hosts.become(*ALL), hosts.heard
    for n in range(UNITS):
        hosts.pull(n)
    assert hosts.become([], [], []), hosts.heard
    for n in range(UNITS):
        hosts.plug(n)
    assert hosts.become(*ALL), hosts.heard


def test_units_hear_each_other_over_a_slow_network_that_loses(hosts: Hosts) -> None:
    assert hosts.become(*ALL), hosts.heard
    worse = ["tc", "qdisc", "add", "dev", hosts.cable(1), "root", "netem", "delay", "20ms", "5ms", "loss", "5%"]
    done = subprocess.run(worse, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this machine cannot delay and lose packets: {done.stderr.strip()}")
    time.sleep(2.0)
    assert hosts.become(*ALL), hosts.heard
