"""Commands and fault injections as messages in their blocks, and what is wrong with them before they are sent."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ionward.battery.problems import did_you_mean
from ionward.image import exchange as ex
from ionward.image.faults import FAULT_ID, FAULTS
from ionward.image.layout import Size
from ionward.runtime.service_locks import LOCKS

if TYPE_CHECKING:
    from ionward.runtime.live_snapshot import Traits
    from ionward.twin.fault_catalogue import PlantFault

Words = npt.NDArray[np.float64]
Place = int | str | None

RELEASE = "release"
WITH_VALUE = ("derate_charge", "derate_discharge")
PLACE_NONE, PLACE_NUMBER, PLACE_TEXT = range(3)
PLACE_BYTES = 64
END_ALL = -1


def command_problem(name: str, value: float | None) -> str | None:
    """What is wrong with a command, in one line; None when it can be given."""
    if name not in ex.COMMANDS:
        return f"unknown command '{name}'; allowed: {', '.join(ex.COMMANDS)}"
    if name in WITH_VALUE:
        if value is None:
            return f"{name}: value is missing; give the part of the limit that is left, 0 to 1"
        if not (math.isfinite(value) and 0.0 <= value <= 1.0):
            return f"{name}: value {value:g} is impossible; allowed: 0 to 1"
    elif name == RELEASE:
        if value is None or not 0 <= value < len(FAULTS) or not FAULTS[int(value)].service:
            return f"{name}: fault is missing or no lock; allowed: {', '.join(LOCKS)}"
    elif value is not None:
        return f"{name}: takes no value; leave it out"
    return None


def release_value(fault: str | None) -> float:
    """The value of a release command for a fault by its id; -1 for none."""
    return float(getattr(FAULT_ID, fault)) if fault in LOCKS else -1.0


def command_message(time_s: float, name: str, value: float | None) -> Words:
    """A command as the words of its message."""
    message = np.zeros(1, ex.COMMAND_MESSAGE_RECORD)
    message["time_s"] = time_s
    message["command"] = ex.COMMANDS.index(name)
    message["value"] = math.nan if value is None else value
    return message.view(np.float64)


def injectable() -> tuple[PlantFault, ...]:
    """The faults that can be injected into a simulated battery. The first call loads the simulation."""
    from ionward.twin.fault_catalogue import FAULT_CATALOGUE

    return FAULT_CATALOGUE


def injection_problem(traits: Traits, size: Size, name: str, place: Place, value: float | None) -> str | None:
    """What is wrong with an injection into this pack, in one line; None when it can be sent."""
    by_name = {fault.name: fault for fault in injectable()}
    fault = by_name.get(name)
    if fault is None:
        return f"unknown fault '{name}'; {did_you_mean(name, by_name)}"
    wrong = _place_problem(traits, size, fault, place)
    if wrong:
        return f"{name}: {wrong}"
    if value is not None and not fault.takes_value:
        return f"{name}: takes no value; leave it out"
    if value is None and fault.takes_value and fault.default is None:
        return f"{name}: value is missing; give the {fault.value} ({fault.unit or '1'})"
    if value is not None and not (math.isfinite(value) and fault.minimum <= value <= fault.maximum):
        return f"{name}: value {value:g} is impossible; allowed: {fault.allowed}"
    return None


def _place_problem(traits: Traits, size: Size, fault: PlantFault, place: Place) -> str | None:
    if fault.place == "pack":
        return None if place is None else f"place '{place}' is too much; it concerns the whole pack, leave it out"
    if place is None:
        return f"place is missing; give the {fault.place}"
    if fault.place in ("cell", "module"):
        last = (size.cells if fault.place == "cell" else size.modules) - 1
        if isinstance(place, int) and 0 <= place <= last:
            return None
        return f"place '{place}' is no {fault.place} of this pack; allowed: 0 to {last}"
    if fault.place in ("contactor", "main contactor", "connector"):
        return _named_place_problem(traits, fault, place)
    return _sensor_problem(traits, size, str(place))


def _named_place_problem(traits: Traits, fault: PlantFault, place: Place) -> str | None:
    from ionward.twin.fault_catalogue import CONTACTORS, NAMED_PLACES

    known = [name for name in NAMED_PLACES[fault.place] if name in traits.contactors or name not in CONTACTORS]
    if place in known:
        return None
    allowed = f"allowed: {', '.join(known)}" if known else "this pack switches none"
    return f"place '{place}' is no {fault.place} of this pack; {allowed}"


def _sensor_problem(traits: Traits, size: Size, place: str) -> str | None:
    from ionward.twin.fault_catalogue import CHANNEL_PLACES, CONTACTORS

    name, _, number = place.replace("[", " ").replace("]", "").strip().partition(" ")
    counts = {"cell_voltage": size.cells, "temperature": size.sensors}
    if name in counts:
        if number and not (number.isdecimal() and int(number) < counts[name]):
            return f"place '{place}' does not exist; allowed: '{name} 0' to '{name} {counts[name] - 1}'"
    elif name not in CHANNEL_PLACES or number:
        known = ", ".join([*CHANNEL_PLACES, "cell_voltage N", "temperature N"])
        return f"place '{place}' is no sensor; allowed: {known}"
    fitted = traits.has_feedback and name in traits.contactors if name in CONTACTORS else name in traits.sensors
    return None if fitted else f"place '{place}' is not fitted in this pack; choose another sensor"


def clean_place(place: Place) -> Place:
    """A place as people write it: digits are a number."""
    if isinstance(place, str):
        place = place.strip()
        return int(place) if place.isdecimal() and len(place) <= 9 else place or None
    return place


def injection_message(time_s: float, fault: str | None, place: Place, value: float | None, end: bool) -> Words:
    """An injection as the words of its message; without a fault all are ended."""
    message = np.zeros(1, ex.INJECTION_RECORD)
    message["time_s"] = time_s
    names = [f.name for f in injectable()]
    message["fault"] = END_ALL if fault is None else names.index(fault)
    message["end"] = end
    message["value"] = math.nan if value is None else value
    message["place_number"] = -1
    if isinstance(place, int):
        message["place_kind"], message["place_number"] = PLACE_NUMBER, place
    elif place is not None:
        message["place_kind"] = PLACE_TEXT
        padded = place.encode()[:PLACE_BYTES].ljust(PLACE_BYTES, b"\0")
        for k, part in enumerate(np.frombuffer(padded, np.int64)):
            message[f"place_text_{k}"] = part
    return message.view(np.float64)


def place_of(message: Any) -> Place:
    """The place that an injection's message (record of length 1) names."""
    kind = int(message["place_kind"][0])
    if kind == PLACE_NUMBER:
        return int(message["place_number"][0])
    if kind != PLACE_TEXT:
        return None
    parts = np.array([message[f"place_text_{k}"][0] for k in range(PLACE_BYTES // 8)], np.int64)
    return parts.tobytes().rstrip(b"\0").decode(errors="replace")
