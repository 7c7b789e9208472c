"""Messages over real sockets, with and without certificates. Nothing here depends on how fast the machine is."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from helpers.certificates import Authority
from helpers.sites import units, written_site
from ionward.battery.site import load_site, site_digest
from ionward.errors import UserError
from ionward.link.tls import TlsFiles
from ionward.link.transport import Transport
from ionward.link.zenoh import ZenohTransport, zenoh_of
from link.conformance import UNITS, TransportConformance, connected, until

pytestmark = pytest.mark.xdist_group("live")

DIGEST = 0x0123_4567_89AB_CDEF


def free_ports(number: int) -> list[int]:
    """Ports of this machine at which nobody listens."""
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class ZenohWorld:
    def __init__(self, number: int = UNITS, tls: list[TlsFiles] | None = None, digest: int = DIGEST) -> None:
        kind = "tcp" if tls is None else "tls"
        self.endpoints = [f"{kind}/127.0.0.1:{port}" for port in free_ports(number)]
        self.tls, self.digest = tls, digest
        self.open: list[Transport] = []

    def transport(self, unit: int) -> Transport:
        transport = ZenohTransport(unit, self.endpoints, self.digest, self.tls[unit] if self.tls else None)
        self.open.append(transport)
        return transport

    def wait(self) -> None:
        time.sleep(0.005)

    def die(self, transport: Transport) -> None:
        transport.close()

    def end(self) -> None:
        for transport in self.open:
            transport.close()


class TestZenoh(TransportConformance):
    @pytest.fixture
    def world(self) -> Iterator[ZenohWorld]:
        world = ZenohWorld()
        yield world
        world.end()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> list[TlsFiles]:
    authority = Authority(tmp_path_factory.mktemp("keys"))
    return [authority.sign(f"unit-{n}") for n in range(UNITS)]


class TestZenohWithCertificates(TransportConformance):
    @pytest.fixture
    def world(self, tls: list[TlsFiles]) -> Iterator[ZenohWorld]:
        world = ZenohWorld(tls=tls)
        yield world
        world.end()


@pytest.fixture
def world() -> Iterator[ZenohWorld]:
    world = ZenohWorld()
    yield world
    world.end()


def test_a_unit_with_another_description_is_heard_so_that_the_peers_can_say_why(world: ZenohWorld) -> None:
    ours = world.transport(0)
    world.digest += 1
    connected(world, ours, world.transport(1))


def test_a_certificate_of_somebody_else_is_not_let_in(tmp_path: Path) -> None:
    ours, others = Authority(tmp_path, "ours"), Authority(tmp_path, "others")
    # The stranger trusts our authority, but it was another that signed its certificate.
    stranger = others.sign("stranger")
    world = ZenohWorld(tls=[ours.sign("a"), ours.sign("b"), ours.sign("c")])
    a, b = world.transport(0), world.transport(1)
    connected(world, a, b)
    code = (
        "import sys, time, ionward.link.zenoh as z\n"
        "z.check_certificates = lambda *_: None\n"
        "from pathlib import Path\n"
        f"files = z.TlsFiles(Path({str(ours.certificate)!r}), Path({str(stranger.certificate)!r}), "
        f"Path({str(stranger.key)!r}))\n"
        f"t = z.ZenohTransport(2, {world.endpoints!r}, {DIGEST}, files)\n"
        "for _ in range(200):\n"
        "    t.send(b'let me in'); time.sleep(0.005)\n"
        "print(t.sent, len(t.receive()))\n"
        "t.close()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment())
    heard: list[bytes] = []
    while process.poll() is None:
        a.send(b"secret")
        heard += [m for m in (*a.receive(), *b.receive()) if m != b"secret"]
        world.wait()
    out, _ = process.communicate()
    world.end()
    assert out.split() == ["200", "0"]  # it was there, sent, and heard nothing
    assert heard == []


def environment() -> dict[str, str]:
    return {"PYTHONPATH": ":".join(p for p in sys.path if p)}


@contextmanager
def speaking(world: ZenohWorld) -> Iterator[subprocess.Popen[bytes]]:
    """Unit 0 as a process of its own that says that it is alive, until it is killed."""
    code = (
        "import time\nfrom ionward.link.zenoh import ZenohTransport\n"
        f"t = ZenohTransport(0, {world.endpoints!r}, {DIGEST})\n"
        "while True:\n    t.send(b'alive'); t.receive(); time.sleep(0.005)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], env=environment())
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_killed_unit_is_replaced_by_a_new_process(world: ZenohWorld) -> None:
    """A process that ends without closing anything, and another one at the same address."""
    one = world.transport(1)
    for _ in range(2):
        with speaking(world):
            assert until(world, lambda: b"alive" in one.receive())
        assert until(world, lambda: not one.receive())


def test_a_frozen_unit_holds_nobody_up(world: ZenohWorld) -> None:
    """A stopped process reads nothing: its links fill, and what is meant for it is dropped; the others go on."""
    one, two = world.transport(1), world.transport(2)
    connected(world, one, two)
    with speaking(world) as process:
        assert until(world, lambda: b"alive" in one.receive())
        process.send_signal(signal.SIGSTOP)
        for turn in range(20_000):  # more than the buffers of a connection hold
            one.send(b"%05d" % turn * 100)
        two.receive()
        heard: set[bytes] = set()
        for turn in range(20):
            one.send(b"after %d" % turn)
            world.wait()
            heard.update(two.receive())
        assert until(world, lambda: heard.update(two.receive()) or b"after 19" in heard)
        process.send_signal(signal.SIGCONT)
        one.receive()
        assert until(world, lambda: b"alive" in one.receive())


def test_an_endpoint_that_is_taken_is_told(world: ZenohWorld) -> None:
    world.transport(0)
    with pytest.raises(UserError) as caught:
        world.transport(0)
    endpoint = world.endpoints[0]
    told = f"link: {endpoint} is taken; is this unit running already, or another program at its port?"
    assert caught.value.problems == (told,)


def test_an_address_of_another_machine_is_told(world: ZenohWorld) -> None:
    world.endpoints[0] = "tcp/192.0.2.1:7451"  # RFC 5737: for documentation, nobody's
    with pytest.raises(UserError, match="is no address of this machine; correct the unit's endpoint"):
        world.transport(0)


def test_a_site_without_the_library_is_told(world: ZenohWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zenoh", None)
    with pytest.raises(UserError, match="eclipse-zenoh is not installed"):
        world.transport(0)


def test_a_wrong_certificate_is_told_and_not_found_out_by_silence(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    world = ZenohWorld(tls=[authority.sign("old", days=-1)] * UNITS)
    with pytest.raises(UserError, match="certificate has expired; have the authority sign a new one"):
        world.transport(0)


def test_units_of_a_site_find_each_other_by_their_file(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    for name in ("u0", "u1"):
        authority.sign(name)
    ports = free_ports(2)
    tls = '[link.tls]\nca = "ca.pem"\ncertificate = "{unit}.pem"\nkey = "{unit}.key"\n'
    text = units(*(f'endpoint = "tls/127.0.0.1:{port}"' for port in ports), head=tls)
    site = load_site(written_site(tmp_path, text))
    assert site_digest(site) > 0
    with zenoh_of(site, "u0") as a, zenoh_of(site, "U1") as b:
        connected(ZenohWorld(), a, b)
    with pytest.raises(UserError, match="no unit u2"):
        zenoh_of(site, "u2")
