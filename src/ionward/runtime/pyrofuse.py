"""When the pyrofuse is fired: control wishes it, the guard agrees from its own samples, and it is armed.

Pure: times and flags in. It is armed while the path can carry current (a contactor was driven closed within the last
second, or both main contacts are fed back as closed) and the igniter loop, where there is one to be read, is intact.
In test mode it never fires.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from ionward.image.inputs import CHANNEL, RAW, Raw

# Contacts part and currents end well within this after a coil was switched off.
ARMED_S = 1.0
YES = 0.5
TEST_OFF, TEST_ON, TEST_REFUSED = range(3)


class PyrofuseSetup(NamedTuple):
    """What a pack has. A sample of the loop or of the contacts counts for so long; NaN: there is none to be read."""

    fitted: bool = False
    test_mode: bool = False
    loop_age_s: float = math.nan
    feedback_age_s: float = math.nan

    @classmethod
    def of(cls, system: Mapping[str, Any]) -> PyrofuseSetup:
        """From a complete description (`System.as_dict`)."""
        fuse, sensors, cycle_s = system["fuse"], system["sensors"], float(system["cycle"]["period_s"])

        def age_s(name: str) -> float:
            # The driver looks at the samples of its cycle before.
            return float(sensors[name]["age_max_s"]) + cycle_s if sensors[name]["fitted"] else math.nan

        return cls(
            bool(fuse["pyrofuse"]), bool(fuse["test_mode"]), age_s("pyrofuse_loop"), age_s("contactor_feedback")
        )  # fmt: skip


NO_PYROFUSE = PyrofuseSetup()


class Path(NamedTuple):
    """What the newest raw samples say."""

    loop_intact: bool
    contacts_closed: bool


WHOLE = Path(True, False)


def look(now_s: float, raw: Raw, setup: PyrofuseSetup) -> Path:
    """Igniter loop and main contacts. What cannot be read is neither intact nor closed; a loop that is not fitted is
    taken for intact."""

    def says_yes(channel: int, age_s: float) -> bool:
        value, time_s = raw.channels.item(RAW.value, channel), raw.channels.item(RAW.time_s, channel)
        return value > YES and abs(now_s - time_s) <= age_s

    intact = math.isnan(setup.loop_age_s) or says_yes(CHANNEL.pyrofuse_intact, setup.loop_age_s)
    closed = says_yes(CHANNEL.main_positive_closed, setup.feedback_age_s) and says_yes(
        CHANNEL.main_negative_closed, setup.feedback_age_s
    )
    return Path(intact, closed)


class Pyrofuse:
    """Arming and firing. `test` is what the driver's record says of the test mode."""

    def __init__(self, setup: PyrofuseSetup) -> None:
        self._setup = setup
        self.armed = False
        self.test = TEST_ON if setup.fitted and setup.test_mode else TEST_OFF
        self._closed_s = -math.inf

    def step(self, now_s: float, closed: bool, path: Path, wished: bool, agreed: bool) -> bool:
        """Whether to fire now.

        Args:
            now_s: time of this cycle.
            closed: some contactor is driven closed, or was until now.
            path: what the samples say.
            wished: control wishes it, and its word is fresh.
            agreed: the guard's samples call for it, and its word is fresh.
        """
        if closed:
            self._closed_s = now_s
        live = path.contacts_closed or 0.0 <= now_s - self._closed_s <= ARMED_S
        self.armed = self._setup.fitted and live and path.loop_intact
        fires = self.armed and wished and agreed
        if fires and self._setup.test_mode:
            self.test = TEST_REFUSED
            return False
        return fires
