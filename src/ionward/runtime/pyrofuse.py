"""When the pyrofuse is fired: two of those who judge for themselves call for it, and it is armed.

The guard must agree from its own samples. The other one is control, which wishes it; or, where an enable is lost so
that the coils have to be switched off, the driver itself: its own look finds, in every current sensor, more than either
contactor may break. Else contacts would part under a current that they cannot end, and nobody would be left to end it.

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
# One wrong sample decides nothing.
UNBREAKABLE_SAMPLES = 2
CURRENT_SENSORS = {"current": CHANNEL.current_a, "current_redundant": CHANNEL.current_redundant_a}
YES = 0.5
TEST_OFF, TEST_ON, TEST_REFUSED = range(3)


class PyrofuseSetup(NamedTuple):
    """What a pack has. A sample of the loop or of the contacts counts for so long; NaN: there is none to be read.

    `currents`: channel of each fitted current sensor, how long its sample counts [s], and the end of its range [A].
    Above the break currents neither contactor may break a current of that direction [A].
    """

    fitted: bool = False
    test_mode: bool = False
    loop_age_s: float = math.nan
    feedback_age_s: float = math.nan
    currents: tuple[tuple[int, float, float], ...] = ()
    break_charge_a: float = math.inf
    break_discharge_a: float = math.inf
    one_way: bool = False  # each main contact conducts one direction by itself

    @classmethod
    def of(cls, system: Mapping[str, Any]) -> PyrofuseSetup:
        """From a complete description (`System.as_dict`)."""
        fuse, sensors, cycle_s = system["fuse"], system["sensors"], float(system["cycle"]["period_s"])

        def age_s(name: str) -> float:
            # The driver looks at the samples of its cycle before.
            return float(sensors[name]["age_max_s"]) + cycle_s if sensors[name]["fitted"] else math.nan

        currents = tuple(
            (channel, age_s(name), max(-float(sensors[name]["minimum_a"]), float(sensors[name]["maximum_a"])))
            for name, channel in CURRENT_SENSORS.items()
            if sensors[name]["fitted"]
        )
        return cls(
            bool(fuse["pyrofuse"]), bool(fuse["test_mode"]), age_s("pyrofuse_loop"), age_s("contactor_feedback"),
            currents, _breaks_a(system["contactors"], "charge"), _breaks_a(system["contactors"], "discharge"),
            bool(system["contactors"]["one_way"]),
        )  # fmt: skip


def _breaks_a(contactors: Mapping[str, Any], direction: str) -> float:
    """What the better of both contactors may break in one direction; of one-way switches, the one that blocks it."""
    positive = contactors[f"break_{direction}_a"] or contactors["break_current_a"]
    own = contactors["negative"] or {}
    negative = own.get(f"break_{direction}_a") or own.get("break_current_a") or positive
    if contactors["one_way"]:
        return float(negative if direction == "charge" else positive)
    return float(max(positive, negative))


NO_PYROFUSE = PyrofuseSetup()


class Path(NamedTuple):
    """What the newest raw samples say.

    `unbreakable_s`: every current sensor reads more than either contactor may break, as of this sample time (the older
    one's); NaN: not so.
    """

    loop_intact: bool
    contacts_closed: bool
    unbreakable_s: float = math.nan


WHOLE = Path(True, False)


def look(now_s: float, raw: Raw, setup: PyrofuseSetup) -> Path:
    """Igniter loop, main contacts, current. What cannot be read is neither intact nor closed; a loop that is not
    fitted is taken for intact."""

    def says_yes(channel: int, age_s: float) -> bool:
        value, time_s = raw.channels.item(RAW.value, channel), raw.channels.item(RAW.time_s, channel)
        return value > YES and abs(now_s - time_s) <= age_s

    intact = math.isnan(setup.loop_age_s) or says_yes(CHANNEL.pyrofuse_intact, setup.loop_age_s)
    positive = says_yes(CHANNEL.main_positive_closed, setup.feedback_age_s)
    negative = says_yes(CHANNEL.main_negative_closed, setup.feedback_age_s)
    closed = positive or negative if setup.one_way else positive and negative
    return Path(intact, closed, _unbreakable_s(now_s, raw.channels, setup))


def _unbreakable_s(now_s: float, channels: Any, setup: PyrofuseSetup) -> float:
    """Sample time of a current that neither contactor may break, if every sensor reads one; else NaN."""
    oldest_s = now_s if setup.currents else math.nan
    for channel, age_s, most_a in setup.currents:
        value, time_s = channels.item(RAW.value, channel), channels.item(RAW.time_s, channel)
        above = value > setup.break_charge_a or value < -setup.break_discharge_a
        if not (above and abs(value) <= most_a and abs(now_s - time_s) <= age_s):
            return math.nan
        oldest_s = min(oldest_s, time_s)
    return oldest_s


class Pyrofuse:
    """Arming and firing. `test` is what the driver's record says of the test mode. Meets SR-156."""

    def __init__(self, setup: PyrofuseSetup) -> None:
        self._setup = setup
        self.armed = False
        self.test = TEST_ON if setup.fitted and setup.test_mode else TEST_OFF
        self._closed_s = -math.inf
        self._unbreakable_s, self._unbreakable = -math.inf, 0

    def step(self, now_s: float, closed: bool, path: Path, wished: bool, agreed: bool, dropping: bool) -> bool:
        """Whether to fire now.

        Args:
            now_s: time of this cycle.
            closed: some contactor is driven closed, or was until now.
            path: what the samples say.
            wished: control wishes it, and its word is fresh.
            agreed: the guard's samples call for it, and its word is fresh.
            dropping: an enable is lost, so that the coils are switched off whatever flows.
        """
        if closed:
            self._closed_s = now_s
        self._count(path.unbreakable_s)
        live = path.contacts_closed or 0.0 <= now_s - self._closed_s <= ARMED_S
        self.armed = self._setup.fitted and live and path.loop_intact
        own_call = dropping and self._unbreakable >= UNBREAKABLE_SAMPLES
        fires = self.armed and agreed and (wished or own_call)
        if fires and self._setup.test_mode:
            self.test = TEST_REFUSED
            return False
        return fires

    def _count(self, unbreakable_s: float) -> None:
        """Count new samples in a row of a current that contactors may not break."""
        if math.isnan(unbreakable_s):
            self._unbreakable = 0
        elif unbreakable_s > self._unbreakable_s:
            self._unbreakable_s = unbreakable_s
            self._unbreakable += 1
