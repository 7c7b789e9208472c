"""The guard's look at the moment in which a switch is newly wished closed: does the bus match, do the cells bear it.

One-way switches (each blocks one direction) are closed one by one: the positive one lets discharge through and may be
closed onto any bus above the pack, the negative one lets charge through and may be closed onto any bus below it.
"""

from __future__ import annotations

from ionward.image.guard_table import GuardLimits
from ionward.safety.guard_samples import SampleWatch
from ionward.safety.guard_words import MAIN_NEGATIVE, MAIN_POSITIVE

# A single wrong sample decides nothing.
DECIDING_SAMPLES = 2


class BusWatch:
    """One switch against the bus that it is closed onto. Meets SR-163."""

    def __init__(self, limits: GuardLimits, samples: SampleWatch, place: int) -> None:
        self._limits, self._samples, self.place = limits, samples, place
        self._wished = False
        self._proving = False  # it is wished closed, and no sample yet said that the bus matches
        self._apart = 0  # new bus samples in a row that do not match

    def look(self, wished: bool) -> None:
        """Once in each cycle."""
        matches = self._matches()
        if self._samples.bus_is_new():
            self._apart = 0 if matches else self._apart + 1
        newly, self._wished = wished and not self._wished, wished
        self._proving = wished and (newly or self._proving) and not matches

    def difference_v(self) -> float | None:
        """Pack less bus voltage, where it was closed onto a bus that does not match by more than a single sample."""
        if not self._proving:
            return None
        difference_v = self._samples.pack_voltage_v() - self._samples.bus_voltage_v()
        known = difference_v == difference_v
        return None if self._apart < DECIDING_SAMPLES and known else difference_v

    def _matches(self) -> bool:
        """It may be closed onto the bus. An unknown voltage does not match."""
        limits = self._limits
        pack_v, bus_v = self._samples.pack_voltage_v(), self._samples.bus_voltage_v()
        above_v, most_v = bus_v - pack_v, limits.bus_match_v + limits.diode_v
        if self.place == MAIN_NEGATIVE:
            return above_v <= most_v
        if limits.one_way:
            return above_v >= -most_v or abs(bus_v) < limits.bus_dead_v
        return abs(above_v) <= most_v or abs(bus_v) < limits.bus_dead_v


class CellWatch:
    """A one-way switch newly wished closed although cells stand beyond what its direction allows. Meets SR-163."""

    def __init__(self, limits: GuardLimits, samples: SampleWatch) -> None:
        self._limits, self._samples = limits, samples
        self._beyond = {MAIN_POSITIVE: 0, MAIN_NEGATIVE: 0}  # new samples in a row
        self._wished = {MAIN_POSITIVE: False, MAIN_NEGATIVE: False}
        self._wrong: dict[int, float] = {}

    def look(self, positive: bool, negative: bool) -> None:
        """Once in each cycle."""
        low_v, high_v = self._samples.cells_v()
        new = self._samples.cells_are_new()
        for place, wished, value_v, beyond in (
            (MAIN_POSITIVE, positive, low_v, low_v < self._limits.discharge_close_min_v),
            (MAIN_NEGATIVE, negative, high_v, high_v > self._limits.charge_close_max_v),
        ):
            if new:
                self._beyond[place] = self._beyond[place] + 1 if beyond else 0
            if wished and not self._wished[place] and self._beyond[place] >= DECIDING_SAMPLES:
                self._wrong[place] = value_v
            elif not wished:
                self._wrong.pop(place, None)
            self._wished[place] = wished

    def wrong(self) -> tuple[int, float] | None:
        """The switch, and the voltage of the cell that forbids it."""
        return next(iter(self._wrong.items()), None)
