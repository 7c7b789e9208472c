"""Verdicts on what keeps a BMS going for years: watchdog, storage, clock, memory and software.

Pure: readings and a demand in, checks out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from ionward.runtime.doctor_check import BAD, GOOD, LIMITED, UNKNOWN, Check, Demand, text_bytes, text_ms
from ionward.runtime.doctor_readings import Clock, Memory, Processor, Readings, Rights, Software, Storage, Watchdog
from ionward.runtime.doctor_storage import endurance_years, recording_bytes_per_hour, survival_bytes_per_hour

WATCHDOG, STORAGE, CLOCK, MEMORY, SOFTWARE = "Watchdog", "State folder", "Wall clock", "Memory", "Software"

SYNC_GOOD_MS, SYNC_LIMITED_MS = 100.0, 1000.0  # what survives is written once a second
FREE_GOOD_BYTES, FREE_LIMITED_BYTES = 2e9, 2e8
FREE_GOOD_DAYS, FREE_LIMITED_DAYS = 7.0, 1.0
YEARS_GOOD, YEARS_LIMITED = 10.0, 2.0
WORN_GOOD, WORN_LIMITED = 0.7, 0.9

# Memory that the processes need (MiB): control, guard and driver; recorder, history and dashboard; and some to spare.
CORE_MIB, SERVICES_MIB, SPARE_MIB = 250.0, 350.0, 300.0
LIVE_RING_S, LIVE_RING_MIB_MAX, LIVE_OTHERS_MIB = 4.0, 64.0, 8.0

YEAR_MIN = 2025  # no machine that runs this can have an earlier date
TRIED_MACHINES = ("x86_64", "aarch64")
PYTHON_MIN = (3, 11)
WEARING = {"sd card": "SD card", "emmc": "eMMC", "usb drive": "USB drive", "ssd": "SSD", "raw flash": "raw flash"}
DO_NOT_WEAR = {"hard disk": "does not wear", "virtual disk": "the host's matter", "memory": "does not wear"}
MEDIA = WEARING | {"memory": "memory", "network": "network drive", "layer": "container layer"}


def keeping_checks(readings: Readings, demand: Demand) -> Iterator[Check]:
    """All checks of this module."""
    yield watchdog_check(readings.watchdog, readings.processor, demand)
    yield folder_check(readings.storage)
    yield space_check(readings.storage, demand)
    yield sync_check(readings.storage)
    yield endurance_check(readings.storage, demand)
    yield clock_check(readings.clock)
    yield memory_check(readings.memory)
    yield swap_check(readings.memory, readings.rights)
    yield live_folder_check(readings.memory, demand)
    yield machine_check(readings.processor)
    yield python_check(readings.software)
    yield compiler_check(readings.software)
    yield compiled_check(readings.software)


def watchdog_check(watchdog: Watchdog, processor: Processor, demand: Demand) -> Check:
    """A watchdog starts a machine again whose kernel hangs. Contactors are open by then in any case."""
    known = Check("watchdog", WATCHDOG, "hardware watchdog", "none", GOOD)
    if not watchdog.device:
        if not demand.contactors:
            return known
        how = "ask the host for one (QEMU: i6300esb)" if processor.virtual else "enable the board's watchdog driver"
        return known.found(LIMITED, change=f"{how}; `modprobe softdog` is better than none: a hung machine stays down")
    words = [watchdog.device, watchdog.identity]
    words.append(f"{watchdog.timeout_s} s" if watchdog.timeout_s is not None else "")
    words.append({True: "running", False: "idle"}.get(watchdog.active, "") if watchdog.active is not None else "")
    figure = ", ".join(word for word in words if word)
    if watchdog.active or watchdog.permitted or not demand.contactors:
        return known.found(GOOD, figure)
    return known.found(LIMITED, figure, "let systemd feed it: RuntimeWatchdogSec=10 in /etc/systemd/system.conf")


def folder_check(storage: Storage) -> Check:
    """Where the state folder lies, and whether what is written there is still there after a power failure."""
    known = Check("state_folder", STORAGE, "folder", storage.folder or "not known", UNKNOWN, needed=True)
    medium = MEDIA.get(storage.medium, storage.medium)
    below = ", ".join(word for word in (storage.device, medium) if word and word != storage.file_system)
    figure = f"{storage.folder}: {storage.file_system or 'unknown file system'}{f' on {below}' if below else ''}"
    if storage.writable is None:
        return known.found(UNKNOWN, change="name a folder with --state-dir")
    if storage.read_only or not storage.writable:
        why = "read-only" if storage.read_only else storage.trouble or "not writable"
        change = "name a folder that this user may write (--state-dir), or change its owner"
        return known.found(BAD, f"{figure}; {why}", change)
    change = {
        "memory": "it is gone after a restart: put the state folder on a disk (--state-dir)",
        "layer": "it goes with the container: mount a volume for the state folder",
        "network": "it hangs when the network does: use a local disk",
        "usb drive": "it can be pulled out: use a disk that is built in",
    }.get(storage.medium, "")
    if not change and storage.file_system in ("vfat", "exfat"):
        change = "a power failure can damage it: use a file system with a journal (ext4)"
    return known.found(LIMITED if change else GOOD, figure, change)


def recording_bytes_per_day(demand: Demand) -> float:
    """What the recorder writes for a pack."""
    return 24 * recording_bytes_per_hour(demand.cells, demand.cycle_s, demand.cell_period_s)


def space_check(storage: Storage, demand: Demand) -> Check:
    """Room for recordings."""
    known = Check("space", STORAGE, "free space", "not known", UNKNOWN)
    if storage.free_bytes is None or not storage.writable:
        return known
    per_day = recording_bytes_per_day(demand)
    days = storage.free_bytes / per_day
    figure = f"{text_bytes(storage.free_bytes)}: {_days(days)} of recording at {text_bytes(per_day)} a day"
    if days >= FREE_GOOD_DAYS and storage.free_bytes >= FREE_GOOD_BYTES:
        return known.found(GOOD, figure)
    enough = days >= FREE_LIMITED_DAYS and storage.free_bytes >= FREE_LIMITED_BYTES
    return known.found(LIMITED if enough else BAD, figure, "make room: recordings are dropped when the disk is full")


def sync_check(storage: Storage) -> Check:
    """How long an append takes until it is really there."""
    known = Check("sync", STORAGE, "append and sync", "not known", UNKNOWN)
    if storage.sync_p50_ms is None or storage.sync_p99_ms is None or storage.sync_max_ms is None:
        return known
    median, high, longest = (text_ms(v) for v in (storage.sync_p50_ms, storage.sync_p99_ms, storage.sync_max_ms))
    figure = f"median {median}, p99 {high}, max {longest} ({storage.syncs} of 4 kB)"
    if storage.sync_p99_ms <= SYNC_GOOD_MS:
        return known.found(GOOD, figure)
    verdict, why = LIMITED, "recordings may have gaps"
    if storage.sync_p99_ms > SYNC_LIMITED_MS:
        verdict, why = BAD, "the SOC on disk would be seconds old"
    return known.found(verdict, figure, f"use a faster disk (SSD, eMMC, industrial SD card): {why}")


def endurance_check(storage: Storage, demand: Demand) -> Check:
    """How long flash bears what is written each day."""
    known = Check("endurance", STORAGE, "endurance", "not known", UNKNOWN)
    if storage.worn_share is not None and storage.worn_share > WORN_GOOD:
        verdict = LIMITED if storage.worn_share <= WORN_LIMITED else BAD
        figure = f"{storage.worn_share:.0%} of its life used, as it says itself"
        return known.found(verdict, figure, "replace the flash, and copy the state folder before")
    per_day = recording_bytes_per_day(demand) + 24 * survival_bytes_per_hour(demand.cells)
    written = f"{text_bytes(per_day)} a day written"
    years = endurance_years(storage.medium, storage.capacity_bytes, per_day) if storage.capacity_bytes else None
    if years is None:
        told = DO_NOT_WEAR.get(storage.medium)
        return known.found(GOOD if told else UNKNOWN, f"{told or 'not known'}; {written}")
    figure = f"{_years(years)} by estimate for {WEARING[storage.medium]}, {written}"
    if years >= YEARS_GOOD:
        return known.found(GOOD, figure)
    change = "use larger or industrial flash, or put the state folder on an SSD"
    return known.found(LIMITED if years >= YEARS_LIMITED else BAD, figure, change)


def clock_check(clock: Clock) -> Check:
    """The wall clock names times in history and events; control itself runs on the monotonic clock."""
    known = Check("wall_clock", CLOCK, "wall clock", "not known", UNKNOWN)
    if clock.wall_time_s is None:
        return known
    today = time.gmtime(clock.wall_time_s)
    date = time.strftime("%Y-%m-%d", today)
    if today.tm_year < YEAR_MIN:
        return known.found(LIMITED, f"{date} is wrong", "set it; fit a battery-backed clock (RTC), or let NTP set it")
    if clock.synchronised is None:
        return known.found(UNKNOWN, f"{date}, not known whether synchronised")
    if not clock.synchronised:
        change = "switch NTP on (`timedatectl set-ntp true`, or chrony): times in the history drift"
        return known.found(LIMITED, f"{date}, not synchronised", change)
    within = f" within {text_ms(clock.error_s * 1e3)}" if clock.error_s is not None else ""
    return known.found(GOOD, f"{date}, synchronised{within}")


def memory_check(memory: Memory) -> Check:
    """Memory for all processes."""
    known = Check("memory", MEMORY, "memory", "not known", UNKNOWN)
    if memory.available_mib is None:
        return known
    needed_mib = CORE_MIB + SERVICES_MIB
    total = f" of {_mib(memory.total_mib)}" if memory.total_mib is not None else ""
    figure = f"{_mib(memory.available_mib)}{total} free, {_mib(needed_mib)} needed"
    if memory.available_mib >= needed_mib + SPARE_MIB:
        return known.found(GOOD, figure)
    if memory.available_mib >= needed_mib:
        return known.found(LIMITED, figure, "end other programs: there is little to spare")
    if memory.available_mib >= CORE_MIB + SPARE_MIB / 2:
        return known.found(LIMITED, figure, "run without the dashboard (--no-dashboard), or add memory")
    return known.found(BAD, figure, "end other programs or add memory: it does not hold the BMS")


def swap_check(memory: Memory, rights: Rights) -> Check:
    """Memory on disk is late memory, unless it is locked."""
    known = Check("swap", MEMORY, "swap", "not known", UNKNOWN)
    if memory.swap_mib is None:
        return known
    if memory.swap_mib == 0:
        return known.found(GOOD, "off")
    if rights.memory_locked:
        return known.found(GOOD, f"{_mib(memory.swap_mib)}; control, guard and driver lock their memory")
    return known.found(LIMITED, _mib(memory.swap_mib), "switch it off (`swapoff -a`), or permit the memory lock")


def live_folder_mib(demand: Demand) -> float:
    """Memory of the live folder: four seconds of ticks in the recorder's ring, and what is small beside it."""
    tick_bytes = 8 * (2 * (demand.cells + demand.sensors) + 60)
    return min(LIVE_RING_MIB_MAX, LIVE_RING_S / demand.cycle_s * tick_bytes / 2**20) + LIVE_OTHERS_MIB


def live_folder_check(memory: Memory, demand: Demand) -> Check:
    """The folder in memory through which processes talk."""
    known = Check("live_folder", MEMORY, "live folder", "no /dev/shm that can be written", UNKNOWN)
    if memory.live_free_mib is None:
        change = "give this user a writable /dev/shm (tmpfs): without, processes talk through a disk"
        return known.found(LIMITED, change=change)
    needed_mib = live_folder_mib(demand)
    figure = f"{_mib(memory.live_free_mib)} in {memory.live_folder}, {_mib(needed_mib)} needed"
    if memory.live_free_mib >= 1.5 * needed_mib:
        return known.found(GOOD, figure)
    verdict = LIMITED if memory.live_free_mib >= needed_mib else BAD
    return known.found(verdict, figure, f"make {memory.live_folder} larger (containers: --shm-size 256m)")


def machine_check(processor: Processor) -> Check:
    """Kind of processor."""
    known = Check("machine", SOFTWARE, "processor", processor.machine or "not known", GOOD)
    if processor.machine in TRIED_MACHINES:
        return known
    return known.found(LIMITED, change=f"not tried: take {' or '.join(TRIED_MACHINES)}, or run the tests first")


def python_check(software: Software) -> Check:
    """Version of the interpreter."""
    version = ".".join(str(part) for part in software.python)
    known = Check("python", SOFTWARE, "Python", version or "not known", UNKNOWN)
    if not version:
        return known
    if software.python[:2] >= PYTHON_MIN:
        return known.found(GOOD)
    return known.found(BAD, change=f"install Python {'.'.join(map(str, PYTHON_MIN))} or newer")


def compiler_check(software: Software) -> Check:
    """Numba, and the folder in which it keeps what it has compiled."""
    known = Check("compiler", SOFTWARE, "Numba", "not known", UNKNOWN)
    if software.numba_trouble:
        return known.found(BAD, software.numba_trouble, "install it again: `pip install --force-reinstall numba`")
    if not software.numba:
        return known
    figure = f"{software.numba}, cache in {software.cache_folder}"
    if software.cache_kept is False:
        change = "give this user a home, or XDG_CACHE_HOME: else a minute of compiling after each restart"
        return known.found(LIMITED, figure, change)
    return known.found(GOOD, figure)


def compiled_check(software: Software) -> Check:
    """Whether the control core is compiled, so that a start takes two seconds and not a minute."""
    known = Check("compiled", SOFTWARE, "control core", "not known", UNKNOWN)
    if software.warm is None:
        return known
    if software.warm:
        return known.found(GOOD, "compiled")
    return known.found(LIMITED, "not compiled yet", "run `ionward warm-up` once, as the BMS's user")


def _mib(value_mib: float) -> str:
    return text_bytes(value_mib * 2**20)


def _days(days: float) -> str:
    return f"{days:,.0f} days" if days >= 10 else f"{days:.1f} days"


def _years(years: float) -> str:
    return "over 100 years" if years > 100 else f"{years:,.0f} years" if years >= 10 else f"{years:.1f} years"
