"""What the doctor has measured and read on a machine: values only. None (or an empty text) means: not known here."""

from __future__ import annotations

from dataclasses import dataclass, field

from ionward.runtime.sleeper import Lateness


@dataclass(frozen=True)
class Wakeups:
    """One loop as control sleeps, and the bare sleeper measured beside it."""

    period_ms: float
    loop: Lateness | None = None
    bare: Lateness | None = None


@dataclass(frozen=True)
class Timers:
    """Clocks that a program sleeps and measures with. `preemption`: rt, full, lazy, voluntary or none."""

    resolution_s: float | None = None
    slack_ns: int | None = None
    clock_source: str = ""
    kernel: str = ""
    preemption: str = ""
    preemption_switchable: bool = False


@dataclass(frozen=True)
class Processor:
    """Cores, and who else decides about them. `virtual` and `container` are names, empty for none.

    `steal_share` and `busy_share` (0..1) are what the host took away and what was used, of all cores, while the loops
    were measured. `quota_cores` is the part of a core, or number of cores, that this program may use.
    """

    machine: str = ""
    cores: int | None = None
    isolated: str = ""
    quota_cores: float | None = None
    governors: tuple[str, ...] = ()
    virtual: str = ""
    container: str = ""
    steal_share: float | None = None
    busy_share: float | None = None


@dataclass(frozen=True)
class Rights:
    """What this user may do. Limits are those of this process; a memory limit of None with `memlock_free` is none."""

    user: str = ""
    fifo: bool | None = None
    memory_locked: bool | None = None
    rtprio_limit: int | None = None
    memlock_mib: float | None = None
    memlock_free: bool = False
    nice_lowest: int | None = None


@dataclass(frozen=True)
class Watchdog:
    """Hardware watchdog of the machine. It is never opened here: that would start it."""

    device: str = ""
    permitted: bool = False
    identity: str = ""
    timeout_s: int | None = None
    active: bool | None = None


@dataclass(frozen=True)
class Storage:
    """The state folder and what is below it.

    `medium`: ssd, hard disk, sd card, emmc, usb drive, virtual disk, raw flash, memory, network, layer or empty.
    Sync times are of appends of 4 kB, each followed by fdatasync. `worn_share` is what an eMMC says of itself, 0..1.
    """

    folder: str = ""
    measured_in: str = ""
    file_system: str = ""
    device: str = ""
    medium: str = ""
    read_only: bool | None = None
    writable: bool | None = None
    free_bytes: int | None = None
    capacity_bytes: int | None = None
    syncs: int = 0
    sync_p50_ms: float | None = None
    sync_p99_ms: float | None = None
    sync_max_ms: float | None = None
    worn_share: float | None = None
    trouble: str = ""


@dataclass(frozen=True)
class Clock:
    """The wall clock. `wall_time_s` since 1970; `error_s` the largest error that the kernel assumes."""

    synchronised: bool | None = None
    error_s: float | None = None
    wall_time_s: float | None = None


@dataclass(frozen=True)
class Memory:
    """Memory that can be had, with the limit of a container counted; swap; room for the live folder in memory."""

    available_mib: float | None = None
    total_mib: float | None = None
    swap_mib: float | None = None
    live_folder: str = ""
    live_free_mib: float | None = None


@dataclass(frozen=True)
class Software:
    """Interpreter and compiler. `numba_trouble` says why Numba cannot be used; `warm`: nothing is left to compile."""

    python: tuple[int, ...] = ()
    numba: str = ""
    numba_trouble: str = ""
    cache_folder: str = ""
    cache_kept: bool | None = None
    warm: bool | None = None


@dataclass(frozen=True)
class Readings:
    """All of it."""

    wakeups: tuple[Wakeups, ...] = ()
    timers: Timers = field(default_factory=Timers)
    processor: Processor = field(default_factory=Processor)
    rights: Rights = field(default_factory=Rights)
    watchdog: Watchdog = field(default_factory=Watchdog)
    storage: Storage = field(default_factory=Storage)
    clock: Clock = field(default_factory=Clock)
    memory: Memory = field(default_factory=Memory)
    software: Software = field(default_factory=Software)
