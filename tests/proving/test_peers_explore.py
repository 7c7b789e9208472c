"""The exploration of small sites: it finds what is wrong, reaches what is to happen, and finds nothing otherwise."""

from __future__ import annotations

import pytest

from ionward.peers.unit import PeerState
from ionward.proving.peers import explore as module
from ionward.proving.peers.explore import World, explore


@pytest.mark.parametrize(
    ("units", "events", "periods", "settle", "speakers"), [(3, 1, 20, 0, 2), (3, 2, 5, 14, 1), (4, 1, 9, 12, 2)]
)
def test_nothing_breaks_in_small_worlds(units: int, events: int, periods: int, settle: int, speakers: int) -> None:
    found = explore(units, events, periods, settle=settle)
    assert found.violation is None
    assert found.states > 1000
    assert len(found.spoke) >= speakers  # in the longer courses another unit comes to speak


def test_without_events_all_are_connected_in_the_end() -> None:
    assert explore(3, 0, 40).connected_most == 3


class Forgetful(World):
    """Units that forget their promises when they are started anew, and do not wait for them to expire."""

    def _new(self, k: int, boot: int, now_us: int) -> PeerState:
        state = super()._new(k, boot, now_us)
        state.unit["started_us"] = -(10**9)
        return state


def test_a_broken_assumption_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that `peers.lease` names: otherwise nothing would show that the exploration can see."""
    monkeypatch.setattr(module, "World", Forgetful)
    found = explore(3, 2, 7, settle=12)
    assert found.violation is not None
    assert "at once" in found.violation.what
    assert "restart" in " ".join(map(str, found.violation.course))


def test_a_promise_that_ends_with_the_lease_lets_two_close_at_once() -> None:
    """A unit freezes while it closes: its contact may be closed until its enables have expired and it has fallen."""
    found = explore(3, 1, 12, settle=10, release_us=0)
    assert found.violation is not None
    assert "close at once" in found.violation.what
    assert explore(3, 1, 12, settle=20).violation is None
