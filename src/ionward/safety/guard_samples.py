"""The guard's look at the raw samples: can they be read, and are they within the absolute limits.

All measurements stand in one row of items: cells, temperature sensors, then all channels. Each look is a few
operations over that row, whatever the size of the pack.

A limit is decided by new samples: one whose time is later than the last one's. A NaN is neither within a limit nor
beyond it: it cannot be read, and ends no count.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ionward.image.exchange import GUARD_BLIND, GUARD_CURRENT, GUARD_TEMPERATURE, GUARD_VOLTAGE
from ionward.image.guard_table import GuardLimits, Watch
from ionward.image.inputs import CHANNEL, CHANNELS, RAW, Array, Raw
from ionward.safety.guard_words import Finding

NOT_READ = Watch(False, -math.inf, math.inf, -math.inf, math.inf, 0.0, 1, 0.0, math.inf)
# A delay is over when this much is missing: times are sums of cycles.
TIME_SLACK_S = 1e-9
CRASHED = 0.5  # a yes-no signal above this says yes

Flags = npt.NDArray[np.bool_]


class SampleWatch:
    """Reads raw samples each cycle with `look`, and answers questions about them.

    Arrays are `[item]`: cells, temperature sensors, channels. Most channels are not read.
    """

    def __init__(self, limits: GuardLimits) -> None:
        self._limits = limits
        self._cells = slice(0, limits.cells)
        self._sensors = slice(limits.cells, limits.cells + limits.sensors)
        self._first_channel = limits.cells + limits.sensors
        channels = [NOT_READ] * CHANNELS
        channels[CHANNEL.current_a], channels[CHANNEL.current_redundant_a] = limits.current, limits.current_redundant
        channels[CHANNEL.pack_voltage_v], channels[CHANNEL.bus_voltage_v] = limits.pack_voltage, limits.bus_voltage
        channels[CHANNEL.crash] = limits.crash
        rows = [limits.cell_voltage] * limits.cells + [limits.temperature] * limits.sensors + [*channels]
        self._range_low, self._range_high = _column(rows, "range_low"), _column(rows, "range_high")
        self._low, self._high = _column(rows, "low"), _column(rows, "high")
        self._age_max_s, self._delay_s = _column(rows, "age_max_s"), _column(rows, "delay_s") - TIME_SLACK_S
        self._needed, self._blind_after_s = _column(rows, "samples"), _column(rows, "blind_after_s")
        both = (CHANNEL.current_a, CHANNEL.current_redundant_a)
        self._currents = [self._first_channel + k for k in both if channels[k].fitted]
        # What calls for the pyrofuse: its item, and new samples in a row so far.
        self._calls = dict.fromkeys(self._currents, 0) if limits.has_pyrofuse else {}
        if limits.has_pyrofuse and limits.pyrofuse_on_crash:
            self._calls[self._first_channel + CHANNEL.crash] = 0
        self._module_sensors = limits.module_sensors if limits.temperature.fitted else None

        items = len(rows)
        self._samples = np.full((2, items), np.nan)
        self._seen_s = np.full(items, -np.inf)
        self._readable_s = np.full(items, np.nan)
        self._held = np.full(items, np.nan)
        self._count, self._since_s = np.zeros(items), np.zeros(items)
        self._new: Flags = np.zeros(items, np.bool_)
        self._readable: Flags = np.zeros(items, np.bool_)
        self._measured: Flags = np.zeros(items, np.bool_)
        self._beyond: Flags = np.zeros(items, np.bool_)
        self._flags: Flags = np.zeros(items, np.bool_)
        self._numbers = np.zeros(items)
        self._counting = False
        self._fuse_since_s = math.nan  # since when a fuse is waited for
        self._started = False
        self.now_s = math.nan

    def look(self, now_s: float, raw: Raw) -> None:
        """Take the samples as they stand now."""
        self.now_s = now_s
        if not self._started:
            self._started = True
            self._readable_s[:] = now_s
        self._take(raw)
        self._find_new()
        self._find_readable()
        self._count_beyond()
        self._count_calls()

    def _take(self, raw: Raw) -> None:
        samples = self._samples
        samples[:, self._cells] = raw.cells
        samples[:, self._sensors] = raw.temperatures
        samples[:, self._first_channel :] = raw.channels

    def _find_new(self) -> None:
        """New is what was taken later than the last one, and not in the future. A NaN time is not new."""
        time_s, new, flags = self._samples[RAW.time_s], self._new, self._flags
        np.greater(time_s, self._seen_s, out=new)
        np.less_equal(time_s, self.now_s + self._limits.cycle_s, out=flags)
        np.logical_and(new, flags, out=new)
        np.copyto(self._seen_s, time_s, where=new)

    def _find_readable(self) -> None:
        """Readable is a value within the sensor's range whose time is plausible and not too old."""
        value, measured, readable, flags = self._samples[RAW.value], self._measured, self._readable, self._flags
        np.greater_equal(value, self._range_low, out=measured)
        np.less_equal(value, self._range_high, out=flags)
        np.logical_and(measured, flags, out=measured)
        np.subtract(self.now_s, self._seen_s, out=self._numbers)
        np.less_equal(self._numbers, self._age_max_s, out=readable)
        np.equal(self._samples[RAW.time_s], self._seen_s, out=flags)
        np.logical_and(readable, flags, out=readable)
        np.logical_and(readable, measured, out=readable)
        np.copyto(self._readable_s, self.now_s, where=readable)
        np.copyto(self._held, value, where=readable)

    def _count_beyond(self) -> None:
        """Count new samples beyond their limit, in a row. One within ends the row."""
        value, beyond, flags = self._samples[RAW.value], self._beyond, self._flags
        np.greater(value, self._high, out=beyond)
        np.less(value, self._low, out=flags)
        np.logical_or(beyond, flags, out=beyond)
        if not (self._counting or beyond.any()):
            return
        np.logical_and(beyond, self._measured, out=beyond)
        counted, within = self._new & beyond, self._new & self._measured & ~beyond
        self._since_s[counted & (self._count == 0.0)] = self.now_s
        self._count[within] = 0.0
        self._count[counted] += 1.0
        self._counting = bool(self._count.any())

    def _count_calls(self) -> None:
        """Count new samples in a row that call for the pyrofuse. Firing cannot be undone: a NaN ends the row here."""
        for item in self._calls:
            if self._new.item(item):
                value = self._samples.item(RAW.value, item)
                calls = self._unbreakable(value) if item in self._currents else value > CRASHED
                self._calls[item] = self._calls[item] + 1 if calls else 0

    def _unbreakable(self, current_a: float) -> bool:
        """Neither contactor may break this current."""
        limits = self._limits
        above = current_a > limits.break_charge_a or current_a < -limits.break_discharge_a
        return above and abs(current_a) <= limits.current_most_a

    def calls_for_pyrofuse(self) -> bool:
        """A current above what contactors may break, or a crash, in enough new samples in a row, and readable now.

        Meets SR-169.
        """
        needed = self._limits.pyrofuse_samples
        calling = [item for item, count in self._calls.items() if count >= needed]
        return bool(calling) and any(self._readable[item] for item in calling)

    def crashed(self) -> bool:
        """The crash signal says so now, in a pack whose pyrofuse fires on it."""
        return self._calls.get(self._first_channel + CHANNEL.crash, 0) > 0

    def beyond_limit(self) -> Finding | None:
        """A measurement that has been beyond its absolute limit for enough new samples and long enough.

        While a current flows that no contactor may break, that is left to fuse and pyrofuse for a while, as by the
        kernel.

        Meets SR-160.
        """
        if not self._counting:
            self._fuse_since_s = math.nan
            return None
        if self._waits_for_fuse():
            return None
        over = (self._count >= self._needed) & (self.now_s - self._since_s >= self._delay_s)
        return self._named(over) if over.any() else None

    def _waits_for_fuse(self) -> bool:
        """Something is beyond its limit, and a current flows that had better be ended by something else."""
        flows = any(self._readable[item] and self._unbreakable(float(self._held[item])) for item in self._currents)
        if not flows:
            self._fuse_since_s = math.nan
        elif math.isnan(self._fuse_since_s):
            self._fuse_since_s = self.now_s
        return self.now_s - self._fuse_since_s <= self._limits.fuse_wait_s

    def blind(self) -> Finding | None:
        """Measurements that have not been readable for too long, so that the pack is not watched. Meets SR-164."""
        np.subtract(self.now_s, self._readable_s, out=self._numbers)
        np.greater(self._numbers, self._blind_after_s, out=self._flags)
        return self._unwatched(self._flags) if self._flags.any() else None

    def complete(self) -> bool:
        """Everything that must be watched is readable now, and nothing is on its way beyond a limit."""
        return not self._counting and self._unwatched(~self._readable) is None

    def _unwatched(self, missing: Flags) -> Finding | None:
        """What the pack cannot be watched without: every cell, one sensor of each module, one current sensor."""
        if missing[self._cells].any():
            return Finding(GUARD_BLIND, int(missing[self._cells].argmax()))
        if self._module_sensors is not None and missing[self._sensors].any():
            modules = np.logical_and.reduceat(missing[self._sensors], self._module_sensors)
            if modules.any():
                return Finding(GUARD_BLIND, int(self._module_sensors[modules.argmax()]))
        if self._currents and missing[self._currents].all():
            return Finding(GUARD_BLIND, self._currents[0] - self._first_channel)
        return None

    def _named(self, over: Flags) -> Finding:
        item = int(over.argmax())
        value = float(self._held[item])
        if item < self._limits.cells:
            return Finding(GUARD_VOLTAGE, item, value)
        if item < self._first_channel:
            return Finding(GUARD_TEMPERATURE, item - self._limits.cells, value)
        return Finding(GUARD_CURRENT, item - self._first_channel, value)

    def largest_current_a(self) -> float:
        """The largest readable current of either sensor and direction; NaN when none can be read."""
        largest = math.nan
        for item in self._currents:
            if self._readable.item(item) and not abs(self._held.item(item)) <= largest:
                largest = abs(self._held.item(item))
        return largest

    def pack_voltage_v(self) -> float:
        """Pack voltage as read a short while ago; the sum of the cells stands in for it. NaN unknown."""
        measured_v = self._recent(CHANNEL.pack_voltage_v)
        if measured_v == measured_v:
            return measured_v
        oldest_s = float(self._readable_s[self._cells].min())
        recent = self.now_s - oldest_s <= self._limits.bus_memory_s
        return float(self._held[self._cells].sum()) if recent else math.nan

    def bus_voltage_v(self) -> float:
        """Bus voltage as read a short while ago; NaN unknown."""
        return self._recent(CHANNEL.bus_voltage_v)

    def cells_v(self) -> tuple[float, float]:
        """Lowest and highest cell voltage that can be read; NaN: none can."""
        values = self._held[self._cells][self._readable[self._cells]]
        return (float(values.min()), float(values.max())) if values.size else (math.nan, math.nan)

    def cells_are_new(self) -> bool:
        """A new sample of some cell came in this cycle."""
        return bool(self._new[self._cells].any())

    def bus_is_new(self) -> bool:
        """A new sample of the bus voltage came in this cycle."""
        return self._new.item(self._first_channel + CHANNEL.bus_voltage_v)

    def _recent(self, channel: int) -> float:
        item = self._first_channel + channel
        recent = self.now_s - self._readable_s.item(item) <= self._limits.bus_memory_s
        return self._held.item(item) if recent else math.nan


def _column(rows: list[Watch], name: str) -> Array:
    """One number of every item; what is not fitted has no limit and is never missed."""
    absent = {"low": -math.inf, "high": math.inf, "blind_after_s": math.inf}
    return np.array([absent[name] if name in absent and not row.fitted else float(getattr(row, name)) for row in rows])
