"""The state folder's storage: what it is, how long a synchronised append takes, how long it will bear the writing."""

from __future__ import annotations

import math
import os
import re
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from ionward.runtime.doctor_probe import ROOT, integer_of, text_of
from ionward.runtime.doctor_readings import Storage
from ionward.runtime.sleeper import percentile
from ionward.runtime.survival_record import survival_words

SYNCS = 50
BLOCK_BYTES = 4096
SYNC_LIMIT_S = 3.0  # a very slow card is known well enough after fewer
SECTOR_BYTES = 512  # of /sys/class/block/*/size, whatever the device's own sector is

IN_MEMORY = {"tmpfs", "ramfs", "rootfs"}
NETWORK = {"nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs", "ceph", "glusterfs", "fuse.sshfs", "vboxsf"}
LAYERS = {"overlay", "overlayfs", "aufs", "squashfs"}
RAW_FLASH = {"ubifs", "jffs2", "yaffs2"}

# How often a cell of the flash may be erased, and how many bytes are written for one of ours when small appends are
# synchronised. Typical of parts on the market: field knowledge, for planning only; a data sheet's TBW is better.
ERASE_CYCLES = {"sd card": 1000, "usb drive": 1000, "emmc": 3000, "ssd": 1000, "raw flash": 10_000}
AMPLIFICATION = {"sd card": 8.0, "usb drive": 8.0, "emmc": 4.0, "ssd": 3.0, "raw flash": 2.0}


def recording_bytes_per_hour(cells: int, cycle_s: float, cell_period_s: float) -> float:
    """Disk use of a recording, from the number of cells in series, the BMS cycle and the cells' sampling period.

    Fitted to recordings of the example packs (EV at 10 ms and 1 ms, storage rack, home, one cell), each within a tenth:
    a part for the pack's other sensors, one for the state kept each minute, one for each cell sample, one for each
    tick. The EV example at 10 ms takes 17 MB. Measured noise is not the simulated one's: expect half to twice as much.
    """
    samples, ticks = cells * 3600.0 / cell_period_s, 3600.0 / cycle_s
    return 2.4e6 + 17e3 * cells + 0.735 * samples + 1.4 * ticks


def survival_bytes_per_hour(cells: int, saved_every_s: float = 1.0) -> float:
    """Disk use of the state that must survive: one of its two copies is written anew, in whole blocks of 4 kB."""
    return 3600.0 / saved_every_s * math.ceil(8 * survival_words(cells) / BLOCK_BYTES) * BLOCK_BYTES


def endurance_years(medium: str, capacity_bytes: int, bytes_per_day: float) -> float | None:
    """Years until the flash is worn out by so much writing, spread over all of it; None where it does not wear so."""
    cycles = ERASE_CYCLES.get(medium)
    if cycles is None or bytes_per_day <= 0:
        return None
    return capacity_bytes * cycles / (bytes_per_day * AMPLIFICATION[medium] * 365.25)


def default_state_folder() -> Path:
    """Where a user's programs keep what must survive: XDG_STATE_HOME, or ~/.local/state; /var/lib without a home."""
    if base := os.environ.get("XDG_STATE_HOME"):
        return Path(base) / "ionward"
    try:
        return Path.home() / ".local/state/ionward"
    except RuntimeError:
        return Path("/var/lib/ionward")


def existing_folder(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that is there."""
    here = folder.absolute()
    while not here.is_dir() and here != here.parent:
        here = here.parent
    return here


def read_storage(folder: Path, root: Path = ROOT) -> Storage:
    """Everything about the storage below a folder, sync times included. Writes one small file and removes it."""
    here = existing_folder(folder)
    storage = replace(describe_mount(here, root), folder=str(folder), measured_in=str(here))
    try:
        usage = os.statvfs(here)
    except OSError as error:
        return replace(storage, writable=False, trouble=error.strerror or str(error))
    capacity = storage.capacity_bytes or usage.f_blocks * usage.f_frsize or None
    storage = replace(storage, free_bytes=usage.f_bavail * usage.f_frsize, capacity_bytes=capacity)
    storage = replace(storage, read_only=bool(usage.f_flag & os.ST_RDONLY))
    if folder.exists() and not folder.is_dir():
        return replace(storage, writable=False, trouble="it is a file, not a folder")
    try:
        times_s = sorted(sync_times_s(here))
    except OSError as error:
        return replace(storage, writable=False, trouble=error.strerror or str(error))
    return replace(
        storage,
        writable=True,
        syncs=len(times_s),
        sync_p50_ms=percentile(times_s, 0.5) * 1e3,
        sync_p99_ms=percentile(times_s, 0.99) * 1e3,
        sync_max_ms=times_s[-1] * 1e3,
    )


def sync_times_s(folder: Path, syncs: int = SYNCS, limit_s: float = SYNC_LIMIT_S) -> list[float]:
    """Time of each of some appends with fdatasync, as the recorder writes; at least one, then no longer than `limit_s`.

    Raises:
        OSError: nothing can be written there.
    """
    block = os.urandom(BLOCK_BYTES)  # what can be compressed on the way would look faster than a recording is
    times_s: list[float] = []
    began_s = time.monotonic()
    with tempfile.NamedTemporaryFile(prefix=".ionward-doctor-", dir=folder) as file:
        while len(times_s) < syncs and (not times_s or time.monotonic() - began_s < limit_s):
            start_s = time.monotonic()
            file.write(block)
            file.flush()
            os.fdatasync(file.fileno())
            times_s.append(time.monotonic() - start_s)
    return times_s


def describe_mount(folder: Path, root: Path = ROOT) -> Storage:
    """File system and device below a folder that exists."""
    mount = _mount_of(folder, text_of(root / "proc/self/mountinfo"))
    if mount is None:
        return Storage()
    number, file_system, source = mount
    if file_system in IN_MEMORY:
        return Storage(file_system=file_system, device=source, medium="memory")
    if file_system in NETWORK:
        return Storage(file_system=file_system, device=source, medium="network")
    if file_system in LAYERS:
        return Storage(file_system=file_system, device=source, medium="layer")
    if file_system in RAW_FLASH:
        return Storage(file_system=file_system, device=source, medium="raw flash")
    disk = _disk_of(root, number, source)
    if disk is None:
        return Storage(file_system=file_system, device=source)
    sectors = integer_of(disk / "size")
    return Storage(
        file_system=file_system,
        device=f"/dev/{disk.name}",
        medium=_medium(disk),
        capacity_bytes=sectors * SECTOR_BYTES if sectors else None,
        worn_share=_worn_share(text_of(disk / "device/life_time")),
    )


def _mount_of(folder: Path, mountinfo: str) -> tuple[str, str, str] | None:
    """Device number, file system and source of the mount that a folder lies in; of two in one place the later one."""
    best: tuple[str, str, str] | None = None
    longest = -1
    here = f"{folder.resolve()}/"
    for line in mountinfo.splitlines():
        about, separator, rest = line.partition(" - ")
        fields, kinds = about.split(), rest.split()
        if not separator or len(fields) < 5 or len(kinds) < 2:
            continue
        point = re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), fields[4]).rstrip("/")
        if here.startswith(f"{point}/") and len(point) >= longest:
            longest, best = len(point), (fields[2], kinds[0], kinds[1])
    return best


def _disk_of(root: Path, number: str, source: str) -> Path | None:
    """The whole disk in /sys that a mount lies on, through partitions and device mapper; None where there is none."""
    by_number = root / "sys/dev/block" / number
    by_name = root / "sys/class/block" / Path(source).name
    found = next((path for path in (by_number, by_name) if path.exists()), None)
    for _ in range(8):
        if found is None:
            return None
        found = found.resolve()
        below = sorted((found / "slaves").glob("*"))
        if below:
            found = below[0]
        elif (found / "partition").exists():
            found = found.parent
        else:
            return found
    return found


def _medium(disk: Path) -> str:
    """What kind of storage a disk is, by its name and what /sys says of it."""
    name = disk.name
    if name.startswith("mmcblk"):
        return "sd card" if text_of(disk / "device/type") == "SD" else "emmc"
    if name.startswith("nvme"):
        return "ssd"
    if re.match(r"(vd|xvd)[a-z]", name):
        return "virtual disk"
    if name.startswith(("zram", "ram")):
        return "memory"
    if name.startswith("mtdblock"):
        return "raw flash"
    if "/usb" in str(disk) or text_of(disk / "removable") == "1":
        return "usb drive"
    rotational = text_of(disk / "queue/rotational")
    return {"0": "ssd", "1": "hard disk"}.get(rotational, "")


def _worn_share(life_time: str) -> float | None:
    """What an eMMC says of itself (JEDEC JESD84-B51): two counts of tenths of its life, 0 where it does not say."""
    try:
        tenths = max(int(word, 16) for word in life_time.split())
    except ValueError:
        return None
    return min(tenths, 10) / 10 if tenths else None
