"""What every transport does: one class of tests, run over each of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Protocol

import pytest

from ionward.link.transport import AT_ONCE, CLOSED, LARGEST_BYTES, TooLargeError, Transport

UNITS = 3
FEW = 400  # turns after which something that should have happened did not


class World(Protocol):
    """Units of one site, and time that passes."""

    def transport(self, unit: int) -> Transport:
        """A unit that starts."""

    def wait(self) -> None:
        """Let a little time pass."""

    def die(self, transport: Transport) -> None:
        """A unit ends without a word."""


def until(world: World, done: Callable[[], bool]) -> bool:
    """Let time pass until something has happened; whether it has."""
    for _ in range(FEW):
        if done():
            return True
        world.wait()
    return done()


def connected(world: World, *transports: Transport) -> None:
    """Let all hear each other, and then forget what was said."""
    heard: dict[int, set[bytes]] = {n: set() for n in range(len(transports))}
    everybody = {b"hello %d" % n for n in range(len(transports))}

    def all_heard() -> bool:
        for n, transport in enumerate(transports):
            transport.send(b"hello %d" % n)
            heard[n] |= set(transport.receive())
        return all(everybody - {b"hello %d" % n} <= heard[n] for n in heard)

    assert until(world, all_heard), heard
    for _ in range(20):
        world.wait()
    for transport in transports:
        transport.receive()


def collected(world: World, transport: Transport, wanted: int) -> list[bytes]:
    """What comes in, until there are so many messages."""
    messages: list[bytes] = []

    def enough() -> bool:
        messages.extend(transport.receive())
        return len(messages) >= wanted

    until(world, enough)
    return messages


class TransportConformance:
    """Subclasses give the fixture `world`."""

    @pytest.fixture
    def units(self, world: World) -> list[Transport]:
        transports = [world.transport(unit) for unit in range(UNITS)]
        connected(world, *transports)
        return transports

    def test_what_is_sent_arrives_unchanged_at_all_others_and_not_at_oneself(self, world: World, units) -> None:
        said = [bytes(range(256)), b"", bytes(LARGEST_BYTES), b"\xff" * 145]
        for message in said:
            units[0].send(message)
        for other in units[1:]:
            assert sorted(collected(world, other, len(said))) == sorted(said)
        assert units[0].receive() == []

    def test_all_talk_at_once(self, world: World, units) -> None:
        rounds = 50
        heard: list[list[bytes]] = [[] for _ in units]
        for turn in range(rounds):
            for n, unit in enumerate(units):
                unit.send(b"%d %d" % (n, turn))
            world.wait()
            for n, unit in enumerate(units):
                heard[n] += unit.receive()
        for n, unit in enumerate(units):
            heard[n] += collected(world, unit, rounds * (UNITS - 1) - len(heard[n]))
            wanted = {b"%d %d" % (u, turn) for u in range(UNITS) if u != n for turn in range(rounds)}
            assert set(heard[n]) == wanted

    def test_messages_from_one_unit_come_in_their_order_while_nothing_disturbs(self, world: World, units) -> None:
        said = [b"%d" % n for n in range(100)]
        for message in said:
            units[2].send(message)
            world.wait()
        assert collected(world, units[0], len(said)) == said

    def test_what_was_done_is_counted(self, world: World, units) -> None:
        sent, received = units[0].sent, units[1].received
        for _ in range(7):
            units[0].send(b"x")
        assert len(collected(world, units[1], 7)) == 7
        assert units[0].sent == sent + 7
        assert units[1].received == received + 7
        assert not units[0].dropped

    def test_nothing_is_there_when_nothing_was_sent(self, world: World, units) -> None:
        for unit in units:
            assert unit.receive() == []

    def test_garbage_is_bytes_like_any_other(self, world: World, units) -> None:
        said = [bytes([n % 256 for n in range(k * 37 % 300)]) for k in range(40)]
        for message in said:
            units[1].send(message)
            world.wait()
        assert sorted(collected(world, units[0], len(said))) == sorted(said)

    def test_a_few_messages_in_a_row_all_arrive(self, world: World, units) -> None:
        said = [b"%03d" % n * 48 for n in range(AT_ONCE)]
        for message in said:
            units[0].send(message)
        for other in units[1:]:
            assert collected(world, other, len(said)) == said

    def test_a_message_that_is_too_large_is_refused_and_hurts_nobody(self, world: World, units) -> None:
        with pytest.raises(TooLargeError, match=f"{LARGEST_BYTES + 1} bytes; a transport carries {LARGEST_BYTES}"):
            units[0].send(bytes(LARGEST_BYTES + 1))
        units[0].send(b"fits")
        assert collected(world, units[1], 1) == [b"fits"]

    def test_a_closed_transport_drops_and_counts_and_says_nothing(self, world: World, units) -> None:
        units[0].close()
        units[0].close()
        units[0].send(b"too late")
        assert units[0].dropped[CLOSED] == 1
        assert units[0].receive() == []
        units[1].send(b"we go on")
        assert collected(world, units[2], 1) == [b"we go on"]

    def test_a_transport_closes_at_the_end_of_its_block(self, world: World) -> None:
        with world.transport(0) as transport:
            assert not transport.closed
        assert transport.closed

    def test_a_dead_unit_harms_nobody(self, world: World, units) -> None:
        world.die(units[0])
        heard: list[bytes] = []
        for turn in range(50):
            units[1].send(b"%d" % turn)
            world.wait()
            heard += units[2].receive()
        heard += collected(world, units[2], 50 - len(heard))
        assert heard == [b"%d" % turn for turn in range(50)]

    @pytest.mark.parametrize("unit", range(UNITS))
    def test_a_unit_that_starts_anew_is_heard_again_and_hears(self, world: World, units, unit: int) -> None:
        world.die(units[unit])
        world.wait()
        units[unit] = world.transport(unit)
        connected(world, *units)

    def test_the_first_unit_alone_has_nobody_to_talk_to_and_waits_for_nobody(self, world: World) -> None:
        alone = world.transport(UNITS - 1)  # the one that would connect to all others
        for _ in range(10):
            alone.send(b"is anybody there?")
            world.wait()
        assert alone.receive() == []
        other = world.transport(0)
        connected(world, other, alone)

    def test_units_may_start_in_any_order(self, world: World) -> None:
        for order in itertools.islice(itertools.permutations(range(UNITS)), 0, None, 2):
            transports = {unit: world.transport(unit) for unit in order}
            connected(world, *(transports[unit] for unit in range(UNITS)))
            for transport in transports.values():
                world.die(transport)

    def test_a_burst_nobody_takes_in_is_dropped_somewhere_and_then_all_goes_on(self, world: World, units) -> None:
        for n in range(20_000):  # far more than a site says in a minute
            units[0].send(b"%05d" % n * 29)
        assert units[0].sent + sum(units[0].dropped.values()) >= 20_000
        # Nobody has asked for them. What was kept is whole, and newer messages still come through.
        for other in units[1:]:
            assert all(len(message) in (145, 7, 8) for message in other.receive())
        heard: set[bytes] = set()

        def goes_on() -> bool:
            units[0].send(b"go on")
            heard.update(units[1].receive())
            return b"go on" in heard

        assert until(world, goes_on)
