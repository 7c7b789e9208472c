"""The guard's look at raw samples against a slow model, item by item, over whole histories of samples.

Samples are new, old, repeated, late, from the future or without a time; values stand on and beside every limit. Times
are sums of binary fractions, so that both come to the same moment exactly.
"""

from __future__ import annotations

import itertools
import math
import random
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.guarding import LIMITS
from helpers.judging import same
from ionward.image.exchange import GUARD_BLIND, GUARD_CURRENT, GUARD_TEMPERATURE, GUARD_VOLTAGE
from ionward.image.guard_table import GuardLimits, Watch
from ionward.image.inputs import CHANNEL, RAW, new_raw
from ionward.safety.guard_samples import SampleWatch
from ionward.safety.guard_words import Finding

CYCLE_S = 1 / 64
CELL = Watch(True, 0.0, 5.0, 2.5, 4.25, 4 * CYCLE_S, 2, 3 * CYCLE_S, 9 * CYCLE_S)
SENSOR = Watch(True, -50.0, 125.0, -math.inf, 75.0, 6 * CYCLE_S, 1, 2 * CYCLE_S, 12 * CYCLE_S)
CURRENT = Watch(True, -math.inf, math.inf, -200.0, 100.0, 3 * CYCLE_S, 3, 0.0, 7 * CYCLE_S)
VOLTAGE = Watch(True, -1.0, 50.0, -math.inf, math.inf, 3 * CYCLE_S, 1, 0.0, math.inf)
YES_NO = VOLTAGE._replace(range_low=0.0, range_high=1.0)
CHANNELS = ("current_a", "current_redundant_a", "pack_voltage_v", "bus_voltage_v", "crash")
VALUES = {
    "cell": [0.0, 2.4, 2.5, 3.7, 3.7, 4.25, 4.3, 5.0, 5.1, -0.1],
    "sensor": [-50.0, 25.0, 25.0, 75.0, 75.5, 125.0, 126.0, -51.0],
    "current": [0.0, 0.0, 100.0, 100.5, -200.0, -200.5, 120.0, 120.5, -250.0, -250.5, 400.0, 400.5, -401.0, math.inf],
    "voltage": [0.0, 7.4, 50.0, 50.5, -1.0, -1.5],
    "crash": [0.0, 0.5, 0.6, 1.0, 1.5],
}  # fmt: skip


def limits_of(random_: random.Random) -> GuardLimits:
    """Two cells, three sensors in two modules; what else the pack has varies."""

    def fitted(watch: Watch) -> Watch:
        return watch._replace(fitted=random_.random() < 0.8)

    return LIMITS._replace(
        cycle_s=CYCLE_S, cells=2, sensors=3, module_sensors=np.array([0, 2]), cell_voltage=CELL,
        temperature=fitted(SENSOR), current=fitted(CURRENT), current_redundant=fitted(CURRENT), pack_voltage=VOLTAGE,
        bus_voltage=VOLTAGE, crash=YES_NO, has_pyrofuse=random_.random() < 0.7,
        pyrofuse_on_crash=random_.random() < 0.5, pyrofuse_samples=2, break_charge_a=120.0, break_discharge_a=250.0,
        current_most_a=400.0, fuse_wait_s=4 * CYCLE_S, bus_memory_s=5 * CYCLE_S,
    )  # fmt: skip


class SlowItem:
    """One measurement, as remembered sample by sample."""

    def __init__(self, watch: Watch, now_s: float) -> None:
        self.watch, self.seen_s, self.read_s, self.held = watch, -math.inf, now_s, math.nan
        self.beyond_s: list[float] = []  # when each sample of the present row beyond the limit came
        self.new = self.readable = False

    def look(self, now_s: float, value: float, sample_s: float) -> None:
        watch = self.watch
        self.new = self.seen_s < sample_s <= now_s + CYCLE_S
        if self.new:
            self.seen_s = sample_s
        measured = watch.range_low <= value <= watch.range_high
        self.readable = measured and sample_s == self.seen_s and now_s - self.seen_s <= watch.age_max_s
        if self.readable:
            self.read_s, self.held = now_s, value
        if self.new and measured:
            beyond = watch.fitted and not watch.low <= value <= watch.high
            self.beyond_s = [*self.beyond_s, now_s] if beyond else []

    def is_over(self, now_s: float) -> bool:
        enough = len(self.beyond_s) >= self.watch.samples
        return bool(self.beyond_s) and enough and now_s - self.beyond_s[0] >= self.watch.delay_s


class SlowWatch:
    """What the guard should make of all of them."""

    def __init__(self, limits: GuardLimits, now_s: float) -> None:
        self.limits = limits
        self.items = {("cell", n): SlowItem(limits.cell_voltage, now_s) for n in range(2)}
        self.items |= {("sensor", n): SlowItem(limits.temperature, now_s) for n in range(3)}
        watches = (limits.current, limits.current_redundant, limits.pack_voltage, limits.bus_voltage, limits.crash)
        for name, watch in zip(CHANNELS, watches, strict=True):
            self.items[name, getattr(CHANNEL, name)] = SlowItem(watch, now_s)
        self.currents = [key for key in self.items if key[0].startswith("current") and self.items[key].watch.fitted]
        self.calls: dict[Any, int] = dict.fromkeys(self.currents, 0) if limits.has_pyrofuse else {}
        self.crash = ("crash", CHANNEL.crash)
        if limits.has_pyrofuse and limits.pyrofuse_on_crash:
            self.calls[self.crash] = 0
        self.flows_since_s: float | None = None
        self.now_s = now_s

    def look(self, now_s: float, samples: dict[Any, tuple[float, float]]) -> None:
        self.now_s = now_s
        for key, (value, sample_s) in samples.items():
            self.items[key].look(now_s, value, sample_s)
            if key in self.calls and self.items[key].new:
                calls = value > 0.5 if key == self.crash else self.unbreakable(value)
                self.calls[key] = self.calls[key] + 1 if calls else 0

    def unbreakable(self, current_a: float) -> bool:
        return 120.0 < current_a <= 400.0 or -400.0 <= current_a < -250.0

    def counting(self) -> bool:
        return any(item.beyond_s for item in self.items.values())

    def beyond_limit(self) -> Finding | None:
        if not self.counting():
            self.flows_since_s = None
            return None
        if any(self.items[key].readable and self.unbreakable(self.items[key].held) for key in self.currents):
            self.flows_since_s = self.now_s if self.flows_since_s is None else self.flows_since_s
            if self.now_s - self.flows_since_s <= self.limits.fuse_wait_s:
                return None
        else:
            self.flows_since_s = None
        for key, item in self.items.items():
            if item.is_over(self.now_s):
                reason = {"cell": GUARD_VOLTAGE, "sensor": GUARD_TEMPERATURE}.get(key[0], GUARD_CURRENT)
                return Finding(reason, key[1], item.held)
        return None

    def unwatched(self, missing: set[Any]) -> Finding | None:
        """Every cell, a sensor of each module and a current sensor are needed, as far as the pack has them."""
        for n in range(2):
            if ("cell", n) in missing:
                return Finding(GUARD_BLIND, n)
        if self.limits.temperature.fitted:
            for module in ((0, 1), (2,)):
                if all(("sensor", n) in missing for n in module):
                    return Finding(GUARD_BLIND, module[0])
        if self.currents and all(key in missing for key in self.currents):
            return Finding(GUARD_BLIND, self.currents[0][1])
        return None

    def blind(self) -> Finding | None:
        fitted = {key: item for key, item in self.items.items() if item.watch.fitted}
        return self.unwatched({k for k, i in fitted.items() if self.now_s - i.read_s > i.watch.blind_after_s})

    def complete(self) -> bool:
        return not self.counting() and self.unwatched({k for k, i in self.items.items() if not i.readable}) is None

    def largest_current_a(self) -> float:
        return max((abs(self.items[k].held) for k in self.currents if self.items[k].readable), default=math.nan)

    def calls_for_pyrofuse(self) -> bool:
        return any(count >= 2 and self.items[key].readable for key, count in self.calls.items())

    def voltage_v(self, name: str) -> float:
        item = self.items[name, getattr(CHANNEL, name)]
        recent = self.now_s - item.read_s <= self.limits.bus_memory_s
        if recent and not math.isnan(item.held):
            return item.held
        cells = [self.items["cell", n] for n in range(2)]
        all_recent = all(self.now_s - cell.read_s <= self.limits.bus_memory_s for cell in cells)
        return sum(cell.held for cell in cells) if name == "pack_voltage_v" and all_recent else math.nan


def sample_of(random_: random.Random, kind: str, now_s: float, before: tuple[float, float]) -> tuple[float, float]:
    """What stands in the raw samples next: mostly a new, ordinary one."""
    luck = random_.random()
    if luck < 0.2:
        return before
    values = next(values for name, values in VALUES.items() if name in kind)
    value = before[0] if luck < 0.6 else math.nan if luck < 0.65 else random_.choice(values)
    times_s = [now_s] * 12 + [now_s + CYCLE_S, now_s + 2 * CYCLE_S, now_s - CYCLE_S, now_s - 5 * CYCLE_S, math.nan]
    return value, random_.choice(times_s)


def same_finding(told: Finding | None, expected: Finding | None) -> bool:
    if told is None or expected is None:
        return told is expected
    return told[:2] == expected[:2] and same(told.value, expected.value)


@settings(max_examples=80)
@given(st.integers(0, 2**32))
def test_the_guard_sees_in_its_samples_what_the_slow_model_sees(seed: int) -> None:
    random_ = random.Random(seed)
    limits, now_s = limits_of(random_), 1024.0
    watch, slow, raw = SampleWatch(limits), SlowWatch(limits, now_s), new_raw(2, 3)
    samples = dict.fromkeys(slow.items, (math.nan, -math.inf))
    for number in itertools.count():
        samples = {key: sample_of(random_, key[0], now_s, before) for key, before in samples.items()}
        for (kind, place), sample in samples.items():
            block = {"cell": raw.cells, "sensor": raw.temperatures}.get(kind, raw.channels)
            block[[RAW.value, RAW.time_s], place] = sample
        watch.look(now_s, raw)
        slow.look(now_s, samples)
        assert same_finding(watch.beyond_limit(), slow.beyond_limit()), number
        assert same_finding(watch.blind(), slow.blind()), number
        assert watch.complete() == slow.complete()
        assert watch.calls_for_pyrofuse() == slow.calls_for_pyrofuse()
        assert watch.crashed() == (slow.calls.get(slow.crash, 0) > 0)
        assert same(watch.largest_current_a(), slow.largest_current_a())
        assert same(watch.pack_voltage_v(), slow.voltage_v("pack_voltage_v"))
        assert same(watch.bus_voltage_v(), slow.voltage_v("bus_voltage_v"))
        assert watch.bus_is_new() == slow.items["bus_voltage_v", CHANNEL.bus_voltage_v].new
        if number == 30:
            return
        now_s += random_.choice([CYCLE_S] * 8 + [0.0, 2 * CYCLE_S, 5 * CYCLE_S])
