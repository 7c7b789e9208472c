"""What a person is told of a unit that waits."""

from __future__ import annotations

import math

from ionward.image.signals import SITE_REASONS, WAIT_REST
from ionward.peers.lease import NEVER_US
from ionward.peers.unit import PeerState


def wait_told(state: PeerState, reason: int, now_us: int) -> str:
    """Since when a unit waits, why, and what would flow; empty while it does not wait.

    Args:
        state: of the unit itself.
        reason: of `SITE_REASONS`, as its command has it; 0 where its own sequence says what is in the way.
        now_us: its clock.
    """
    turn, me = state.turn[0], state.unit[0]["me"]
    if turn["waits_since_us"] == NEVER_US:
        return ""
    minutes = (now_us - int(turn["waits_since_us"])) / 60e6
    parts = [SITE_REASONS[reason]] if reason else []
    flow_a = float(state.flows[me])
    if reason == WAIT_REST and math.isfinite(turn["apart_v"]):
        parts.append(
            f"pack and bus were {turn['apart_v']:+.1f} V apart, which would drive {turn['flow_a']:+.0f} A into it"
        )
    elif math.isfinite(flow_a) and flow_a != 0.0:
        parts.append(f"{flow_a:+.0f} A would flow into it")
    what = f"has waited {minutes:.0f} min to join" + (": " + "; ".join(parts) if parts else "")
    if turn["overdue"]:
        what += ". Charge or discharge the site until the bus has come to it, or take it out and have it looked at"
    return what
