"""The two stages of the safety room around a small healthy pack, ticked by hand."""

from __future__ import annotations

from typing import Any

from helpers.packs import Samples, size_of, small_parameters
from ionward.image.faults import FAULT_ID, FAULTS
from ionward.image.inputs import CHANNEL, new_command
from ionward.image.layout import new_image
from ionward.image.parameters import LEVELP
from ionward.image.signals import EVENT, FAULT, MEASURED
from ionward.safety.protect import new_protect_memory, protect
from ionward.safety.validate import new_validate_memory, validate


class Kernel:
    """A pack whose sensors can be set, ticked every 10 ms unless said otherwise."""

    def __init__(self, start_s: float = 100.0, settle: bool = True, **pack: Any) -> None:
        self.parameters = small_parameters(**pack)
        size = size_of(self.parameters)
        self.samples = Samples(self.parameters)
        self.image = new_image(size)
        self.command = new_command()
        self.validate_memory = new_validate_memory(size)
        self.protect_memory = new_protect_memory(size)
        for name in ("charge", "discharge"):  # what the limit stage would publish
            self.s[f"{name}_limit_pulse_a"] = self.parameters.scalars[f"{name}_current_pulse_a"][0]
        self.now_s = start_s
        self.cycle_s = float(self.parameters.scalars["cycle_s"][0])
        if settle:
            self.run(0.3)

    @property
    def channels(self) -> dict[str, float]:
        return self.samples.channels

    @property
    def s(self) -> Any:
        return self.image.scalars[0]

    def current(self, current_a: float) -> None:
        """Both sensors read the same."""
        self.channels["current_a"] = self.channels["current_redundant_a"] = current_a

    def cells(self, *voltages: float) -> None:
        """Cell voltages, and a pack voltage that agrees with them."""
        self.samples.cells[:] = voltages
        self.channels["pack_voltage_v"] = float(self.samples.cells.sum())

    def close(self, closed: bool = True, precharge: bool = False) -> None:
        """Command and feedback of the contactors, the bus and the taps with them."""
        for name in ("main_positive", "main_negative"):
            self.s[f"{name}_close"] = closed
            self.channels[f"{name}_closed"] = float(closed)
        self.s["precharge_close"] = precharge
        self.channels["precharge_closed"] = float(precharge)
        at_pack_v = self.channels["pack_voltage_v"] if closed else 0.0
        for name in ("bus_voltage_v", "positive_tap_v", "negative_tap_v"):
            self.channels[name] = at_pack_v

    def tick(self, sample: bool = True, dt_s: float | None = None) -> None:
        self.now_s = round(self.now_s + (self.cycle_s if dt_s is None else dt_s), 9)
        raw = self.samples.sample(self.now_s) if sample else self.samples.tick(self.now_s)
        validate(raw, self.parameters, self.image, self.validate_memory)
        protect(self.parameters, self.command, self.image, self.protect_memory)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / self.cycle_s)):
            self.tick()

    def until(self, fault: str, level: int, at_most_s: float) -> float:
        """Tick until a fault reaches a level; the seconds that it took, infinite when it did not."""
        start_s = self.now_s
        while self.now_s - start_s < at_most_s:
            self.tick()
            if self.level(fault) >= level:
                return round(self.now_s - start_s, 6)
        return float("inf")

    def fault(self, fault: str, field: str = "level") -> float:
        return float(self.image.faults[getattr(FAULT, field), getattr(FAULT_ID, fault)])

    def level(self, fault: str) -> int:
        return int(self.fault(fault))

    def levels(self) -> dict[str, int]:
        """All faults that are raised."""
        return {f.id: self.level(f.id) for f in FAULTS if self.level(f.id) > 0}

    def ladder(self, fault: str, step: int) -> dict[str, float]:
        values = self.parameters.levels[step, :, getattr(FAULT_ID, fault)]
        return dict(zip(LEVELP._fields, values.tolist(), strict=True))

    def channel(self, name: str, field: str = "value") -> float:
        return float(self.image.channels[getattr(MEASURED, field), getattr(CHANNEL, name)])

    def acknowledge(self) -> None:
        self.command["acknowledge_count"] += 1

    def release(self, fault: str) -> None:
        """The service action on a lock."""
        self.command["release_fault"] = getattr(FAULT_ID, fault)
        self.command["release_count"] += 1

    def events(self) -> list[tuple[str, int, int, int]]:
        """Fault, level, level before, place: oldest first."""
        slots = self.image.events.shape[1]
        count = int(self.s["event_count"])
        rows = (self.image.events[:, k % slots] for k in range(max(0, count - slots), count))
        return [
            (
                FAULTS[int(e[EVENT.fault])].id,
                int(e[EVENT.level]),
                int(e[EVENT.previous_level]),
                int(e[EVENT.place]),
            )
            for e in rows
        ]


def prepare(k: Kernel, fault: str) -> None:
    """Bring the pack slowly, within what cells and sensors can do, to where the fault begins."""
    if fault.startswith("cell_over"):
        steps = [(v,) * 4 for v in (3.9, 4.1)]
    elif fault.startswith("cell_under"):
        steps = [(v,) * 4 for v in (3.3, 2.85)]
    elif fault == "cell_voltage_spread":
        steps = [(3.85, 3.62, 3.7, 3.7)]
    else:
        steps = []
    for voltages in steps:
        k.cells(*voltages)
        k.run(0.05)
