"""A network in simulated time, with all that networks do to messages."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionward.link.simulated import Conditions, SimulatedNetwork
from ionward.link.transport import Transport
from link.conformance import TransportConformance


class SimulatedWorld:
    def __init__(self) -> None:
        self.network = SimulatedNetwork(seed=1)

    def transport(self, unit: int) -> Transport:
        return self.network.transport(unit)

    def wait(self) -> None:
        self.network.advance(self.network.now_us + 1000)

    def die(self, transport: Transport) -> None:
        transport.close()


class TestSimulated(TransportConformance):
    @pytest.fixture
    def world(self) -> SimulatedWorld:
        return SimulatedWorld()


def sent_over(conditions: Conditions, messages: int = 4000, seed: int = 7) -> tuple[SimulatedNetwork, list[bytes]]:
    """Messages from unit 0, one each millisecond, and what unit 1 got, in its order."""
    network = SimulatedNetwork(seed, conditions)
    source, target = network.transport(0), network.transport(1)
    got = []
    for n in range(messages):
        network.advance(n * 1000)
        source.send(n.to_bytes(4, "big"))
        got += target.receive()
    network.advance(messages * 1000 + 10_000_000)
    return network, got + target.receive()


def number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def test_a_message_takes_exactly_the_delay() -> None:
    network = SimulatedNetwork(conditions=Conditions(delay_us=2500))
    source, target = network.transport(0), network.transport(1)
    source.send(b"x")
    network.advance(2499)
    assert target.receive() == []
    network.advance(2500)
    assert target.receive() == [b"x"]


def test_loss_is_the_part_that_was_asked_for() -> None:
    network, got = sent_over(Conditions(loss=0.2))
    assert network.lost == 4000 - len(got)
    assert 0.17 < network.lost / 4000 < 0.23
    assert [number(m) for m in got] == sorted(number(m) for m in got)


def test_doubled_messages_come_twice() -> None:
    network, got = sent_over(Conditions(duplicate=0.1, jitter_us=3000))
    times = Counter(got)
    assert set(times.values()) == {1, 2}
    assert len(times) == 4000
    assert sum(n == 2 for n in times.values()) == network.doubled
    assert 0.08 < network.doubled / 4000 < 0.12


@pytest.mark.parametrize("conditions", [Conditions(jitter_us=5000), Conditions(late=0.05, late_us=20_000)])
def test_messages_overtake_each_other_and_none_is_missing(conditions: Conditions) -> None:
    _, got = sent_over(conditions)
    numbers = [number(m) for m in got]
    assert numbers != sorted(numbers)
    assert sorted(numbers) == list(range(4000))


def test_damaged_messages_are_short_or_have_one_bit_turned_over() -> None:
    network = SimulatedNetwork(3, Conditions(corrupt=0.5))
    source, target = network.transport(0), network.transport(1)
    whole = bytes(range(145))
    for _ in range(1000):
        source.send(whole)
    network.advance(1000)
    damaged = [data for data in target.receive() if data != whole]
    assert len(damaged) == network.corrupted
    assert 400 < len(damaged) < 600
    for data in damaged:
        flipped = sum((a ^ b).bit_count() for a, b in zip(data, whole, strict=False))
        assert (len(data) < len(whole) and flipped == 0) or flipped == 1
    assert any(len(data) < len(whole) for data in damaged)


def test_an_empty_message_cannot_be_damaged() -> None:
    network = SimulatedNetwork(0, Conditions(corrupt=1.0))
    source, target = network.transport(0), network.transport(1)
    source.send(b"")
    network.advance(1000)
    assert target.receive() == [b""]


def test_directions_are_cut_and_mended_by_themselves() -> None:
    network = SimulatedNetwork()
    a, b = network.transport(0), network.transport(1)
    network.cut(0, 1)
    a.send(b"from a")
    b.send(b"from b")
    network.advance(1000)
    assert (a.receive(), b.receive()) == ([b"from b"], [])
    assert network.cut_off == 1
    network.mend(0, 1)
    network.mend(0, 1)
    a.send(b"again")
    network.advance(2000)
    assert b.receive() == [b"again"]


def test_what_is_on_the_way_arrives_though_the_direction_is_cut() -> None:
    network = SimulatedNetwork()
    a, b = network.transport(0), network.transport(1)
    a.send(b"on the way")
    network.cut(0, 1)
    network.advance(1000)
    assert b.receive() == [b"on the way"]


def test_a_site_falls_into_groups_and_becomes_whole() -> None:
    network = SimulatedNetwork()
    units = [network.transport(n) for n in range(5)]

    def hearers() -> list[set[int]]:
        for n, unit in enumerate(units):
            unit.send(bytes([n]))
        network.advance(network.now_us + 1000)
        return [{m[0] for m in unit.receive()} for unit in units]

    network.split({0, 1}, {2, 3, 4})
    assert hearers() == [{1}, {0}, {3, 4}, {2, 4}, {2, 3}]
    network.split()
    assert hearers() == [set(range(5)) - {n} for n in range(5)]


def test_one_direction_has_conditions_of_its_own() -> None:
    network = SimulatedNetwork()
    a, b, c = (network.transport(n) for n in range(3))
    network.set_conditions(Conditions(delay_us=5000), 0, 1)
    a.send(b"x")
    network.advance(1000)
    assert (b.receive(), c.receive()) == ([], [b"x"])
    network.advance(5000)
    assert b.receive() == [b"x"]
    network.set_conditions(Conditions(loss=1.0))
    a.send(b"y")
    network.advance(20_000)
    assert (b.receive(), c.receive()) == ([b"y"], [])


def test_two_units_of_one_number_hear_each_other() -> None:
    network = SimulatedNetwork()
    first, second = network.transport(0), network.transport(0)
    first.send(b"me")
    network.advance(1000)
    assert (first.receive(), second.receive()) == ([], [b"me"])


def test_what_happens_on_one_direction_changes_nothing_on_another() -> None:
    def heard(with_traffic: bool) -> list[bytes]:
        network = SimulatedNetwork(5, Conditions(loss=0.3, jitter_us=4000))
        a, b, c = (network.transport(n) for n in range(3))
        got = []
        for n in range(300):
            network.advance(n * 1000)
            a.send(n.to_bytes(2, "big"))
            if with_traffic:
                c.send(b"more")
            got += [m for m in b.receive() if m != b"more"]
        return got

    assert heard(True) == heard(False)


WORLDS = st.builds(
    Conditions, delay_us=st.integers(0, 10_000), jitter_us=st.integers(0, 10_000), loss=st.floats(0, 1),
    duplicate=st.floats(0, 1), late=st.floats(0, 1), corrupt=st.floats(0, 0),
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(WORLDS, st.integers(0, 2**40))
def test_any_network_brings_only_what_was_sent_at_most_twice_and_the_same_every_time(
    conditions: Conditions, seed: int
) -> None:
    _, got = sent_over(conditions, 60, seed)
    times = Counter(got)
    assert set(times) <= {n.to_bytes(4, "big") for n in range(60)}
    assert max(times.values(), default=0) <= 2
    assert sent_over(conditions, 60, seed)[1] == got


def course() -> str:
    """Digest of a long course of a bad network."""
    _, got = sent_over(Conditions(loss=0.1, jitter_us=9000, duplicate=0.1, late=0.1, corrupt=0.1), 500, 42)
    return hashlib.sha256(b"|".join(got)).hexdigest()


def test_a_course_is_the_same_in_every_process() -> None:
    path = ":".join(p for p in sys.path if p)
    code = "from link.test_simulated import course; print(course())"
    told = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": path}, text=True,
            capture_output=True, check=True,
        ).stdout.strip()
        for seed in ("0", "1")
    }  # fmt: skip
    assert told == {course()}


@pytest.mark.parametrize(
    "wrong", [{"loss": 1.1}, {"loss": -0.1}, {"corrupt": float("nan")}, {"delay_us": -1}, {"late_us": -5}]
)
def test_conditions_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Conditions(**wrong)


def test_time_runs_forwards() -> None:
    network = SimulatedNetwork(now_us=1000)
    with pytest.raises(ValueError, match="time runs backwards, from 1000 to 999"):
        network.advance(999)
    with pytest.raises(ValueError, match="a direction has a source and a target"):
        network.set_conditions(Conditions(), source=1)
    with pytest.raises(ValueError, match="no unit number"):
        network.transport(-1)
