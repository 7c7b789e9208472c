"""What may be meant in a site, but looks wrong: combinations that an experienced engineer would ask about."""

from __future__ import annotations

from collections.abc import Iterator

from ionward.battery.site import Site
from ionward.battery.site_checks import heaviest_alone, splits_in_halves
from ionward.battery.site_file import ENDPOINT

LOOPBACK = ("127.", "localhost", "[::1]")
NOTICED_S = 0.1  # so soon a lost unit should be noticed and its share of the limits given up
REPLACED_S = 0.2  # so soon another should speak for the site


def site_doubts(site: Site) -> Iterator[str]:
    """Doubtful combinations, one sentence each."""
    yield from _halves(site)
    yield from _slow(site)
    yield from _network(site)


def _halves(site: Site) -> Iterator[str]:
    weights = [unit.weight for unit in site.units]
    keeps = f"{site.peers.fallback_share:.0%} of its own limits" if site.peers.fallback_share else "no current at all"
    if splits_in_halves(weights):
        then = f"nobody speaks or closes then, and each unit keeps to {keeps} (peers.fallback_share)"
        yield (
            f"unit: the {len(weights)} units can fall into two halves of {sum(weights) // 2} votes each, and half of "
            f"the site has no majority: {then}" + _way_out(site, weights)
        )
    alone = heaviest_alone(weights)
    if alone >= 0 and not (len(weights) == 2 and splits_in_halves(weights)):
        yield (
            f"unit[{alone}].weight: without {site.units[alone].name} the others have no majority: when it is lost, "
            f"nobody speaks or closes, and each unit keeps to {keeps} (peers.fallback_share)"
        )


def _way_out(site: Site, weights: list[int]) -> str:
    """How one more vote for the first unit would change that, where it does."""
    more = [weights[0] + 1, *weights[1:]]
    if splits_in_halves(more):
        return ""
    price = f", but the others no longer do without {site.units[0].name}" if heaviest_alone(more) == 0 else ""
    return f"; with weight = {more[0]} for {site.units[0].name} the half with it goes on{price}"


def _slow(site: Site) -> Iterator[str]:
    peers = site.peers
    noticed_s = peers.deadline_s + peers.period_s
    if noticed_s > NOTICED_S + 1e-9:
        yield (
            f"peers: a lost unit is noticed after up to {noticed_s:g} s (deadline_s and period_s); until then the site "
            f"is told limits that count its pack, and the others carry its share; {NOTICED_S:g} s or less is usual"
        )
    replaced_s = peers.lease_s + 2 * peers.period_s
    if replaced_s > REPLACED_S + 1e-9:
        yield (
            f"peers: a speaker that fell silent is replaced after {replaced_s:g} s or more (lease_s and two messages); "
            f"{REPLACED_S:g} s or less is usual"
        )


def _network(site: Site) -> Iterator[str]:
    hosts = {unit.name: _host(unit.endpoint) for unit in site.units}
    own = [name for name, host in hosts.items() if host.startswith(LOOPBACK)]
    others = [name for name in hosts if name not in own]
    if own and others:
        yield (
            f"unit: {', '.join(own[:3])} listen{'s' if len(own) == 1 else ''} on this machine only, and "
            f"{', '.join(others[:3])} on the network: units on other machines cannot reach the former"
        )
    if others and site.link.tls is None:
        yield (
            f"link: {others[0]} is reached over the network without certificates: whoever is in that network can "
            "listen, and pretend to be a unit; write [link.tls]"
        )


def _host(endpoint: str) -> str:
    match = ENDPOINT.fullmatch(endpoint)
    return match["host"].lower() if match else ""
