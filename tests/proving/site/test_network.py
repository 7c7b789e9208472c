"""The simulated network: what comes when, what never comes, and that the same seed gives the same again."""

from __future__ import annotations

import numpy as np
import pytest

from ionward.peers.message import decode, encode, new_message
from ionward.proving.site.network import MAIL, WAY, Network, forget, new_network, next_due, post

CYCLE_S = 0.01


def network(units: int = 3, seed: int = 1, **ways: float) -> Network:
    made = new_network(units, seed, CYCLE_S, delay_s=0.5)
    for name, value in ways.items():
        made.ways[getattr(WAY, name)] = value
    return made


def send(over: Network, sender: int, counter: int, now_us: int) -> None:
    message = new_message()
    message["unit"], message["counter"], message["emf_v"] = sender, counter, 350.123456789
    post(over, sender, message[0], now_us)


def heard(over: Network, to: int, now_us: int) -> list[tuple[int, int]]:
    """Sender and counter of what has arrived, in order."""
    out = []
    while (found := next_due(over, to, now_us))[0] >= 0:
        message = over.messages[found]
        out.append((int(message["unit"]), int(message["counter"])))
    return out


def test_a_message_reaches_all_others_unchanged_after_its_delay() -> None:
    over = network(delay_us=2000.0, jitter_us=0.0)
    send(over, 1, 7, now_us=10_000)
    assert heard(over, 0, 11_999) == []
    sender, place = next_due(over, 0, 12_000)
    assert sender == 1
    assert next_due(over, 2, 12_000)[0] == 1
    assert heard(over, 1, 10**9) == []  # not oneself
    arrived = over.messages[1, place]
    assert arrived == decode(encode(arrived))[0]  # as it would be after its way over the wire
    assert arrived["emf_v"] == np.float32(350.123456789)


def test_a_way_can_be_cut_in_one_direction() -> None:
    over = network()
    over.ways[WAY.cut, 0, 1] = 1.0
    send(over, 0, 1, 0)
    send(over, 1, 1, 0)
    assert heard(over, 1, 10**6) == []
    assert heard(over, 0, 10**6) == [(1, 1)]
    assert sorted(heard(over, 2, 10**6)) == [(0, 1), (1, 1)]
    assert over.mail[MAIL.cut] == 1


def test_what_overtakes_comes_first() -> None:
    over = network(delay_us=0.0, jitter_us=50_000.0)
    for counter in range(40):
        send(over, 0, counter, counter * 10_000)
    counters = [counter for _, counter in heard(over, 1, 10**9)]
    assert sorted(counters) == list(range(40))
    assert counters != sorted(counters)


@pytest.mark.parametrize(
    ("trouble", "count", "least", "most"),
    [("loss", "lost", 800, 1200), ("duplicate", "doubled", 800, 1200), ("corrupt", "broken", 800, 1200)],
)
def test_a_share_of_the_messages_is_hit(trouble: str, count: str, least: int, most: int) -> None:
    over = network(2, **{trouble: 0.25})
    arrived = 0
    for counter in range(4000):
        send(over, 0, counter, counter * 10_000)
        arrived += len(heard(over, 1, counter * 10_000 + 5000))
    hit = int(over.mail[getattr(MAIL, count)])
    assert least < hit < most
    assert arrived == 4000 + (hit if trouble == "duplicate" else -hit)
    assert over.mail[MAIL.arrived] == arrived


def test_the_same_seed_draws_the_same() -> None:
    def course(seed: int) -> list[tuple[int, int]]:
        over = network(seed=seed, loss=0.3, jitter_us=20_000.0)
        for counter in range(100):
            send(over, 0, counter, counter * 10_000)
        return heard(over, 1, 10**9)

    assert course(3) == course(3)
    assert course(3) != course(4)


def test_a_unit_that_does_not_listen_loses_the_oldest_and_nobody_else_anything() -> None:
    over = network(2)
    ring = over.messages.shape[1]
    for counter in range(ring + 10):
        send(over, 0, counter, counter)
    counters = [counter for _, counter in heard(over, 1, 10**9)]
    assert len(counters) == ring - 10  # those that had no room at all are the last, those overwritten the first
    assert over.mail[MAIL.overrun] == 20
    send(over, 0, 999, 0)
    forget(over, 1)
    assert heard(over, 1, 10**9) == []
