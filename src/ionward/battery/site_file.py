"""The tables of a site file, as they are written."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from ionward.battery.part import Count, Fraction, NotNegative, Positive, SystemPart

FIRST_PORT = 7451
ENDPOINT = re.compile(r"(?P<kind>tcp|tls)/(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):(?P<port>\d{1,5})")


class SiteIdentity(SystemPart):
    """What the site is: `[site]`."""

    name: Annotated[str, Field(min_length=1, max_length=80, description="Name that reports and screens show")]


class BusTable(SystemPart):
    """`[bus]` as it is written."""

    capacitance_f: Annotated[
        NotNegative | None,
        Field(
            description="Capacitors of everything on the common bus: what the first pack precharges "
            "(default: the sum of the packs' `dc_link.capacitance_f`)"
        ),
    ] = None


class PeerSettings(SystemPart):
    """How the BMUs act as peers: `[peers]`."""

    period_s: Annotated[Positive, Field(le=1.0, description="Each unit sends a message at least so often")] = 0.02
    deadline_s: Annotated[Positive, Field(le=5.0, description="A unit that was not heard for so long is lost")] = 0.06
    lease_s: Annotated[
        Positive, Field(le=10.0, description="A vote for who speaks or closes lasts so long; nobody has two")
    ] = 0.1
    margin: Annotated[
        NotNegative,
        Field(le=1.0, description="A pack's share of the current may be larger by this part than its resistance says"),
    ] = 0.1
    join_share: Annotated[
        Positive, Field(le=1.0, description="A pack that joins carries at most this part of its limits")
    ] = 0.5
    fallback_share: Annotated[
        Fraction, Field(description="Part of its own limits that a unit keeps to without a majority; 0: no current")
    ] = 0.0
    rise_a_per_s: Annotated[Positive, Field(description="The site's limits rise no faster; they fall at once")] = 50.0
    join_timeout_s: Annotated[
        Positive, Field(description="A pack that waits longer to join tells a warning with the reason")
    ] = 1800.0
    bring_together: Annotated[
        bool,
        Field(
            description="Packs too far apart to join are brought together: to charge the lowest goes first, to "
            "discharge the highest"
        ),
    ] = True


class Simulated(SystemPart):
    """How the simulated pack differs from its description: `[unit.simulated]`. The BMS never sees it."""

    soc: Annotated[Fraction | None, Field(description="State of charge at first (default: the scenario's)")] = None
    temperature_c: Annotated[
        float | None, Field(ge=-60.0, le=100.0, description="Temperature at first (default: the scenario's)")
    ] = None
    capacity_factor: Annotated[
        Positive, Field(le=2.0, description="Capacity against the description: 0.9 for a pack that has lost 10 %")
    ] = 1.0
    resistance_factor: Annotated[
        Positive, Field(le=20.0, description="Resistance against the description: 1.3 for one that has grown by 30 %")
    ] = 1.0


class UnitTable(SystemPart):
    """One pack with its BMU, as it is written: `[[unit]]`."""

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=40,
            description="Name of the unit: letters, digits, `-`, `_` and `.`; capitals make no other name",
        ),
    ]
    pack: Annotated[str, Field(min_length=1, description="The pack's description: a .toml file beside this one")]
    weight: Annotated[
        Count, Field(le=1000, description="Weight of its vote; a unit with more decides when a site falls in halves")
    ] = 1
    cable_ohm: Annotated[NotNegative, Field(description="Both conductors from its contactors to the common bus")] = (
        0.001
    )
    endpoint: Annotated[
        str,
        Field(
            description="Where its unit listens: `tcp/HOST:PORT` or `tls/HOST:PORT`; empty: this machine, port 7451 "
            "for the first unit, 7452 for the second, …"
        ),
    ] = ""
    simulated: Simulated = Simulated()


class Tls(SystemPart):
    """Certificates for messages between the units: `[link.tls]`. `{unit}` in a path stands for the unit's name."""

    ca: Annotated[str, Field(min_length=1, description="Certificate of the authority that signed all units' (PEM)")]
    certificate: Annotated[str, Field(min_length=1, description="Certificate of the unit (PEM)")]
    key: Annotated[str, Field(min_length=1, description="Private key of the unit (PEM)")]


class Link(SystemPart):
    """How messages travel: `[link]`."""

    tls: Tls | None = None


class SiteFile(SystemPart):
    """A site as it is written."""

    site: SiteIdentity
    bus: BusTable = BusTable()
    peers: PeerSettings = PeerSettings()
    link: Link = Link()
    unit: list[UnitTable]


def default_endpoint(number: int, kind: str = "tcp") -> str:
    """Where a unit listens when its table does not say it."""
    return f"{kind}/127.0.0.1:{FIRST_PORT + number}"
