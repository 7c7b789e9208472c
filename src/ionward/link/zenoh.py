"""Messages over Ethernet with Zenoh: each unit is a peer with a link to each other one, at addresses that are written.

Nobody is searched for: no multicast, no gossip. Of two units the one with the higher number connects, and tries again
for ever. A unit sends its messages under `ionward/<digest of the site>/<its number>` and hears all of `ionward/*/*`:
what comes from a unit with another description is for the peers to refuse, with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ionward.battery.site import Site, site_digest
from ionward.battery.site_file import ENDPOINT
from ionward.errors import UserError
from ionward.link.tls import TlsFiles, check_certificates
from ionward.link.transport import AT_ONCE, Transport

KEPT = 4096  # messages that wait until somebody asks: 64 units for more than a second; then the oldest go
# Zenoh closes a link on which it heard nothing for so long, and connects anew. Not what tells whether a unit lives: a
# program that hangs keeps its links. Long enough for a busy machine, short enough that a cut cable is soon looked at.
LINK_SILENT_S = 0.4
OPENS_MS = 500  # a link that is not open by then is tried anew: TCP itself would wait longer and longer
RETRY = {"period_init_ms": 50, "period_max_ms": 200, "period_increase_factor": 1.5}


class ZenohTransport(Transport):
    """A unit's transport over Zenoh. Its threads are Zenoh's own: none of them runs Python.

    `dropped` has no entry for a link whose queue is full: Zenoh drops without a word.

    Args:
        me: number of the unit.
        endpoints: of all units, in their order: `tcp/HOST:PORT` or `tls/HOST:PORT`.
        digest: of the site's description.
        tls: certificates, where the endpoints are `tls/`.

    Raises:
        UserError: the library is not installed, the endpoint is taken or not of this machine, or a certificate cannot
            be used.
    """

    def __init__(self, me: int, endpoints: Sequence[str], digest: int, tls: TlsFiles | None = None) -> None:
        super().__init__()
        try:
            import zenoh
        except ImportError:
            raise UserError("link: eclipse-zenoh is not installed; run `make env`, or install eclipse-zenoh") from None
        if tls is not None:
            match = ENDPOINT.fullmatch(endpoints[me])
            check_certificates(tls, match["host"] if match else endpoints[me])
        config = zenoh.Config()
        for key, value in _settings(me, endpoints, tls).items():
            config.insert_json5(key, json.dumps(value))
        try:
            self._session: Any = zenoh.open(config)
        except zenoh.ZError as error:
            raise UserError(_why_not(endpoints[me], str(error))) from None
        self._error: type[Exception] = zenoh.ZError
        self._subscriber = self._session.declare_subscriber(
            "ionward/*/*", zenoh.handlers.RingChannel(KEPT), allowed_origin=zenoh.Locality.REMOTE
        )
        self._publisher = self._session.declare_publisher(
            f"ionward/{digest:016x}/{me}",
            congestion_control=zenoh.CongestionControl.DROP,
            priority=zenoh.Priority.REAL_TIME,
            reliability=zenoh.Reliability.BEST_EFFORT,
            express=True,
        )

    def _send(self, message: bytes) -> str:
        try:
            self._publisher.put(message)
        except self._error:
            return "the session was lost"
        return ""

    def _receive(self) -> list[bytes]:
        messages = []
        try:
            for _ in range(KEPT):  # no more than were there at first, however fast others send
                sample = self._subscriber.try_recv()
                if sample is None:
                    break
                messages.append(bytes(sample.payload))
        except self._error:
            self.dropped["the session was lost"] += 1
        return messages

    def _close(self) -> None:
        self._session.close()


def zenoh_of(site: Site, unit: str) -> ZenohTransport:
    """The transport of a unit, as its site file says.

    Raises:
        UserError: there is no such unit, or see `ZenohTransport`.
    """
    me = site.number(unit)
    tls = None
    if site.link.tls is not None:
        folder = Path(site.file).parent
        paths = site.link.tls.model_dump()
        tls = TlsFiles(**{key: folder / path.replace("{unit}", site.units[me].name) for key, path in paths.items()})
    return ZenohTransport(me, [other.endpoint for other in site.units], site_digest(site), tls)


def _settings(me: int, endpoints: Sequence[str], tls: TlsFiles | None) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "mode": "peer",
        "scouting/multicast/enabled": False,
        "scouting/gossip/enabled": False,
        "open/return_conditions/connect_scouted": False,
        "listen/endpoints": [endpoints[me]],
        "listen/exit_on_failure": True,
        "listen/timeout_ms": 0,
        "connect/endpoints": list(endpoints[:me]),
        "connect/exit_on_failure": False,
        "connect/timeout_ms": -1,
        "connect/retry": RETRY,
        "transport/link/tx/lease": round(LINK_SILENT_S * 1000),
        "transport/link/tx/keep_alive": 4,
        "transport/link/tx/queue/size/real_time": AT_ONCE,
        "transport/link/tx/queue/congestion_control/drop/wait_before_drop": 0,
        "transport/unicast/open_timeout": OPENS_MS,
        "transport/unicast/accept_timeout": OPENS_MS,
        "transport/shared_memory/enabled": False,
    }
    if tls is not None:
        certificate, key = str(tls.certificate.resolve()), str(tls.key.resolve())
        settings |= {
            "transport/link/tls/root_ca_certificate": str(tls.ca.resolve()),
            "transport/link/tls/listen_certificate": certificate,
            "transport/link/tls/listen_private_key": key,
            "transport/link/tls/connect_certificate": certificate,
            "transport/link/tls/connect_private_key": key,
            "transport/link/tls/enable_mtls": True,
            "transport/link/tls/verify_name_on_connect": True,
            "transport/link/tls/close_link_on_expiration": True,
        }
    return settings


def _why_not(endpoint: str, told: str) -> str:
    """What a person can do about a session that does not open."""
    if "in use" in told:
        return f"link: {endpoint} is taken; is this unit running already, or another program at its port?"
    if "assign requested address" in told:
        return f"link: {endpoint} is no address of this machine; correct the unit's endpoint, or run it where that is"
    if "ermission denied" in told:
        return f"link: {endpoint} may not be used by this user; take a port from 1024 on"
    return f"link: {endpoint} cannot be opened: {told.split(' at /')[0]}; check the unit's endpoint"
