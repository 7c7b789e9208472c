"""Packs that do not match are brought together on purpose: by charging the lowest first, or discharging the highest."""

from __future__ import annotations

import pytest

from helpers.parallel import Pack, Parallel

# A volt for each of these moves within seconds what takes hours in a real pack.
AH_PER_V = 0.004


def apart(intent: str, **setup: float) -> Parallel:
    """Three packs of which no two match, wished together for the intent."""
    site = Parallel([Pack(350.0), Pack(344.0), Pack(347.0)], **setup)
    for pack in site.packs:
        pack.wish["purpose"] = 1 if intent == "charge" else 0
    site.ah = AH_PER_V
    return site


def order_of_joining(site: Parallel, seconds: float, site_a: float) -> list[int]:
    """Let the outside follow the site's limits for a while; who came onto the bus when."""
    order: list[int] = []
    for _ in range(round(seconds * 100)):
        decision = site.decision(0)
        site.site_a = 0.0
        if site.connected():
            site.site_a = min(site_a, decision["charge_limit_a"]) if site_a > 0 else max(
                site_a, -decision["discharge_limit_a"]
            )  # fmt: skip
        site.step()
        order += [k for k in site.connected() if k not in order]
    return order


@pytest.mark.parametrize(("intent", "site_a", "order"), [("charge", 4.0, [1, 2, 0]), ("discharge", -4.0, [0, 2, 1])])
def test_the_lowest_is_charged_or_the_highest_discharged_until_the_next_one_matches(
    intent: str, site_a: float, order: list[int]
) -> None:
    site = apart(intent)
    assert order_of_joining(site, 2.0, site_a) == order[:1]
    others = set(range(3)) - set(order[:1])
    assert all("does not match" in site.packs[k].reason for k in others)
    assert [*order[:1], *(k for k in order_of_joining(site, 40.0, site_a) if k not in order[:1])] == order
    assert all(abs(v) <= 1.0 + 1e-6 for p in site.packs for v in p.closed_at_v)


def test_while_nothing_flows_nobody_comes_closer_and_the_wait_is_told() -> None:
    site = apart("charge", join_timeout_us=5_000_000)
    site.run(7.0)
    assert site.connected() == [1]
    assert [int(site.turn(k)["overdue"]) for k in range(3)] == [1, 0, 1]


def test_without_it_packs_go_in_the_order_of_the_list() -> None:
    site = apart("charge", bring_together=False)
    site.run(3.0)
    assert site.connected() == [0]


def test_the_limits_of_the_site_are_those_of_who_is_on_the_bus() -> None:
    """So the one that is brought to the others is not charged with what all together could take."""
    site = apart("charge", rise_a_per_s=1000.0)
    site.run(3.0)
    assert site.connected() == [1]
    assert site.decision(0)["charge_limit_a"] == pytest.approx(100.0)
