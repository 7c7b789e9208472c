"""Machines as the doctor reads them: a good one, and any."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from ionward.runtime.doctor_check import Demand
from ionward.runtime.doctor_readings import (
    Clock,
    Memory,
    Processor,
    Readings,
    Rights,
    Software,
    Storage,
    Timers,
    Wakeups,
    Watchdog,
)
from ionward.runtime.sleeper import Lateness

EV_1MS = Demand("ev at 1 ms", "ev", 0.001, 96, 0.02)
EV_10MS = Demand("ev at 10 ms", "ev", 0.01, 96, 0.02)
BENCH = Demand("bench at 100 ms", "bench", 0.1, 1, 0.1, contactors=False)


def late(
    period_ms: float = 1.0, p99_ms: float = 0.1, p999_ms: float = 0.3, max_ms: float = 0.9, **more: Any
) -> Lateness:
    return Lateness(period_ms, more.pop("n", 4000), 0.05, p99_ms, p999_ms, max_ms, 0, **({"fifo": True} | more))


GOOD_MACHINE = Readings(
    wakeups=(Wakeups(1.0, late(), late(fifo=False)), Wakeups(10.0, late(10.0, n=400), late(10.0, n=400, fifo=False))),
    timers=Timers(1e-9, 50_000, "tsc", "6.1.0-rt", "rt", False),
    processor=Processor("aarch64", 4, "3", None, ("performance",), "", "", 0.0, 0.05),
    rights=Rights("ionward", True, True, 40, None, True, -10),
    watchdog=Watchdog("/dev/watchdog0", True, "Broadcom BCM2835 Watchdog timer", 15, False),
    storage=Storage("/var/lib/ionward", "/var/lib/ionward", "ext4", "/dev/nvme0n1", "ssd", False, True, 400 * 10**9,
                    500 * 10**9, 50, 0.5, 2.0, 5.0),
    clock=Clock(True, 0.004, 1_790_000_000.0),
    memory=Memory(6000.0, 8000.0, 0.0, "/dev/shm", 4000.0),
    software=Software((3, 11, 2), "0.61.0", "", "/var/cache/ionward/abc", True, True),
)  # fmt: skip


def with_loop(loop: Lateness | None, **parts: Any) -> Readings:
    """The good machine with another loop at 1 ms, and other parts."""
    return replace(GOOD_MACHINE, wakeups=(Wakeups(1.0, loop, None), GOOD_MACHINE.wakeups[1]), **parts)


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


_ms = st.floats(0, 1e5)
_share = st.floats(0, 1)
_lateness = st.builds(
    Lateness, period_ms=st.just(1.0), n=st.integers(1, 10**6), p50_ms=_ms, p99_ms=_ms, p999_ms=_ms, max_ms=_ms,
    overruns=st.integers(0, 1000), fifo=st.booleans(), memory_locked=st.booleans(),
)  # fmt: skip
any_machine = st.builds(
    Readings,
    wakeups=st.just(())
    | st.tuples(
        st.builds(Wakeups, st.just(1.0), _maybe(_lateness), _maybe(_lateness)),
        st.builds(Wakeups, st.just(10.0), _maybe(_lateness), _maybe(_lateness)),
    ),
    timers=st.builds(
        Timers, _maybe(st.floats(1e-9, 1.0)), _maybe(st.integers(0, 10**9)), st.sampled_from(["", "tsc", "hpet"]),
        st.just("6.1"), st.sampled_from(["", "rt", "full", "lazy", "voluntary", "none"]), st.booleans(),
    ),
    processor=st.builds(
        Processor, st.sampled_from(["", "x86_64", "riscv64"]), _maybe(st.integers(1, 64)), st.sampled_from(["", "1-3"]),
        _maybe(st.floats(0.1, 8)), st.sampled_from([(), ("performance",), ("ondemand", "performance")]),
        st.sampled_from(["", "KVM"]), st.sampled_from(["", "docker"]), _maybe(_share), _maybe(_share),
    ),
    rights=st.builds(
        Rights, st.just("pi"), _maybe(st.booleans()), _maybe(st.booleans()), _maybe(st.integers(0, 99)),
        _maybe(st.floats(0, 1e5)), st.booleans(), _maybe(st.integers(-20, 0)),
    ),
    watchdog=st.builds(
        Watchdog, st.sampled_from(["", "/dev/watchdog0"]), st.booleans(), st.just("softdog"),
        _maybe(st.integers(1, 60)), _maybe(st.booleans()),
    ),
    storage=st.builds(
        Storage, st.just("/var/lib/ionward"), st.just("/var/lib"), st.sampled_from(["", "ext4", "vfat", "tmpfs"]),
        st.just("/dev/x"),
        st.sampled_from(["", "ssd", "sd card", "emmc", "usb drive", "hard disk", "virtual disk", "raw flash", "memory",
                         "network", "layer"]),
        _maybe(st.booleans()), _maybe(st.booleans()), _maybe(st.integers(0, 10**13)), _maybe(st.integers(1, 10**13)),
        st.integers(0, 50), _maybe(_ms), _maybe(_ms), _maybe(_ms), _maybe(_share), st.sampled_from(["", "No space"]),
    ),
    clock=st.builds(Clock, _maybe(st.booleans()), _maybe(st.floats(0, 100)), _maybe(st.floats(0, 4e9))),
    memory=st.builds(
        Memory, _maybe(st.floats(0, 1e6)), _maybe(st.floats(0, 1e6)), _maybe(st.floats(0, 1e5)), st.just("/dev/shm"),
        _maybe(st.floats(0, 1e5)),
    ),
    software=st.builds(
        Software, st.sampled_from([(3, 11, 2), (3, 10, 0), ()]), st.sampled_from(["", "0.61.0"]),
        st.sampled_from(["", "ImportError: no llvmlite"]), st.just("/x"), _maybe(st.booleans()), _maybe(st.booleans()),
    ),
)  # fmt: skip
any_demand = st.builds(
    Demand, st.just("some pack"), st.sampled_from(["ev", "storage", "home", "bench"]), st.floats(0.0005, 1.0),
    st.integers(1, 1000), st.floats(0.001, 1.0), st.booleans(), st.integers(0, 500),
)  # fmt: skip
