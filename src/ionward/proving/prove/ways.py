"""One way in which a fault is made to stand: what every injection is described by, and where it can be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ionward.battery.system import System
from ionward.image.build import system_size
from ionward.proving.prove.ground import Ground, Standing, first_middle_last
from ionward.proving.prove.points import ALL
from ionward.twin.fault_catalogue import CONTACTORS

Places = Callable[[System], list[tuple[str, Any]]]

OPENING_LEVELS = ("fault", "critical")
LOADED = ("charge", "discharge")
ROOM = ("standby", "rest", *LOADED)
OF_FLOWING_CURRENT = frozenset({
    "charge_overtemperature", "charge_undertemperature", "discharge_overtemperature", "discharge_undertemperature",
    "charge_overcurrent", "discharge_overcurrent", "charge_overcurrent_pulse", "discharge_overcurrent_pulse",
    "short_circuit", "bus_apart_while_closed", "contactor_open_by_voltage", "charge_limit_ignored",
    "discharge_limit_ignored", "fuse_busbar_i2t", "contactor_chattering",
})  # fmt: skip
# A contact that cannot open any more: where it blocks one direction alone, that direction stays closed.
OF_WELDED_CONTACT = frozenset({"contactor_welded"})
# Beyond a threshold in every sample, noise and all.
NOISE_SIGMAS = 3.5


@dataclass(frozen=True)
class Injection:
    """One way in which a fault is made to stand.

    `levels` names those that it can reach (none: every level that opens, or the highest where none does); `opens`
    False: the path cannot be opened or is not to be; `wait_s`: it takes so long at most until it stands; `budget_s`: a
    budget of its own, where a rule or law gives one for this way; `by_current`: the current brings it about, so that
    it never comes where another fault opens first.
    """

    fault: str
    words: str
    make: Callable[[Ground, Any], Standing]
    points: tuple[str, ...] = ALL
    places: Places = lambda _: [("pack", None)]
    levels: tuple[str, ...] = ()
    opens: bool | None = None
    wait_s: float = 5.0
    # Faults that answer it as well where they open first, because it shows in what they watch.
    answered_by: tuple[str, ...] = ()
    budget_s: float | None = None
    by_current: bool = False

    @property
    def while_closed(self) -> bool:
        """The fault stands only while current flows: where another one opens first, it is over."""
        return self.by_current or self.fault in OF_FLOWING_CURRENT


def cells(system: System) -> list[tuple[str, Any]]:
    """First, middle and last cell."""
    return list(first_middle_last(system_size(system).cells, "cell"))


def sensors(system: System) -> list[tuple[str, Any]]:
    """First, middle and last temperature sensor."""
    if system.topology.temperature_sensors == 0:
        return []
    return list(first_middle_last(system_size(system).sensors, "temperature sensor"))


def modules(system: System) -> list[tuple[str, Any]]:
    """First, middle and last module."""
    return list(first_middle_last(system_size(system).modules, "module"))


def of(*places: str) -> Places:
    """Places by their names."""
    return lambda _: [(place.replace("_", " "), place) for place in places]


def fitted(*names: str) -> Places:
    """Those of the sensors that the pack has."""
    return lambda system: [(n.replace("_", " "), n) for n in names if getattr(system.sensors, n).fitted]


def fitted_both_signs(*names: str) -> Places:
    """Those of the sensors that the pack has, reading high and low."""
    return lambda system: [
        (f"{n.replace('_', ' ')}, reads {word}", (n, sign))
        for n in names
        if getattr(system.sensors, n).fitted
        for sign, word in ((1.0, "high"), (-1.0, "low"))
    ]


def contactors(system: System) -> list[tuple[str, Any]]:
    """Every contactor that the pack has."""
    return [(name.replace("_", " "), name) for name in CONTACTORS if name != "precharge" or system.precharge.fitted]


def feedbacks(system: System) -> list[tuple[str, Any]]:
    """Every feedback contact that the pack has."""
    return contactors(system) if system.sensors.contactor_feedback.fitted else []


def plain(kind: str) -> Callable[[Ground, str], Standing]:
    """A fault of the battery at the place itself."""

    def make(g: Ground, place: str) -> Standing:
        g.inject(kind, place)
        return Standing()

    return make


def one_of(kind: str, name: str) -> Callable[[Ground, int], Standing]:
    """A fault of the battery at one of many alike."""

    def make(g: Ground, k: int) -> Standing:
        g.inject(kind, f"{name} {k}")
        return Standing()

    return make
