"""Reading a machine: clocks, processor, rights, watchdog, memory and software. Nothing here changes anything.

Files are read below `root`, so that any machine can be described by a folder. What is missing or unreadable is
unknown, never an error. Storage is in `doctor_storage`.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ionward.runtime.doctor_readings import Clock, Memory, Processor, Rights, Software, Timers, Watchdog
from ionward.runtime.sleeper import Lateness

ROOT = Path("/")
MIB = 2**20
CAP_IPC_LOCK = 14  # <linux/capability.h>
CAP_SYS_NICE = 23
STA_UNSYNC = 0x40  # <sys/timex.h>
TIME_ERROR = 5
NO_LIMIT_BYTES = 2**60  # cgroups of the first version write a number near 2**63 for none

PREEMPTION_MODES = ("full", "lazy", "voluntary", "none")
CONTAINER_MARKS = {".dockerenv": "docker", "run/.containerenv": "podman"}
CONTAINER_GROUPS = re.compile(r"docker|kubepods|libpod|lxc|containerd")


def text_of(path: Path) -> str:
    """Content of a small text file without spaces around it; empty where it cannot be read."""
    try:
        return path.read_bytes().decode(errors="replace").strip("\0 \n\t")
    except OSError:
        return ""


def integer_of(path: Path) -> int | None:
    """A file that holds one integer."""
    try:
        return int(text_of(path))
    except ValueError:
        return None


def read_timers(root: Path = ROOT, kernel: str = "", version: str = "") -> Timers:
    """Clocks and the kernel's preemption model (`uname -r` and `-v` are given, or asked of this machine)."""
    try:
        resolution_s = time.clock_getres(time.CLOCK_MONOTONIC)
    except OSError:
        resolution_s = None
    named = kernel or platform.release()
    told = version or platform.version()
    mode, switchable = preemption(told, text_of(root / "proc/cmdline"), root)
    return Timers(
        resolution_s,
        integer_of(root / "proc/self/timerslack_ns"),
        text_of(root / "sys/devices/system/clocksource/clocksource0/current_clocksource"),
        named,
        mode,
        switchable,
    )


def preemption(version: str, command_line: str, root: Path = ROOT) -> tuple[str, bool]:
    """Preemption model out of `uname -v` and what was chosen at boot; empty where it cannot be told.

    Returns:
        The model, and whether it can be switched at boot.
    """
    words = version.replace("-", "_").split()
    if "PREEMPT_RT" in words or text_of(root / "sys/kernel/realtime") == "1":
        return "rt", False
    if "PREEMPT_DYNAMIC" in words:
        now = re.search(r"\((\w+)\)", text_of(root / "sys/kernel/debug/sched/preempt"))
        chosen = now or re.search(r"\bpreempt=(\w+)", command_line)
        return (chosen[1] if chosen and chosen[1] in PREEMPTION_MODES else ""), True
    if "PREEMPT" in words:
        return "full", False
    return ("none" if version else ""), False


def read_processor(root: Path = ROOT) -> Processor:
    """Cores, governor, virtual machine or container. Steal time is measured by `cpu_times` around the loops."""
    governors = {text_of(path) for path in root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")}
    return Processor(
        machine=platform.machine(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        isolated=text_of(root / "sys/devices/system/cpu/isolated"),
        quota_cores=cpu_quota_cores(root),
        governors=tuple(sorted(governors - {""})),
        virtual=virtual_machine(root),
        container=container(root),
    )


def virtual_machine(root: Path = ROOT) -> str:
    """Kind of virtual machine that this is, empty for none that can be seen."""
    vendor = text_of(root / "sys/class/dmi/id/sys_vendor")
    product = text_of(root / "sys/class/dmi/id/product_name")
    known = {"qemu": "QEMU", "vmware": "VMware", "innotek": "VirtualBox", "virtualbox": "VirtualBox", "xen": "Xen",
             "amazon ec2": "Amazon EC2", "google compute": "Google Compute Engine", "parallels": "Parallels",
             "openstack": "OpenStack", "kvm": "KVM", "virtual machine": "Hyper-V"}  # fmt: skip
    described = f"{vendor} {product}".lower()
    named = next((name for mark, name in known.items() if mark in described), "")
    kind = text_of(root / "sys/hypervisor/type") or text_of(root / "proc/device-tree/hypervisor/compatible")
    flagged = re.search(r"^flags\s*:.*\bhypervisor\b", text_of(root / "proc/cpuinfo"), re.MULTILINE)
    if ".metal" in product:
        return ""  # a cloud's bare machine: its maker's name is that of the virtual ones
    if named or kind:
        return named or kind
    source = text_of(root / "sys/devices/system/clocksource/clocksource0/available_clocksource")
    return ("KVM" if "kvm-clock" in source else "kind unknown") if flagged else ""


def container(root: Path = ROOT) -> str:
    """Kind of container that this runs in, empty for none that can be seen."""
    named = text_of(root / "run/systemd/container") or text_of(root / "run/host/container-manager")
    if named:
        return named
    told = re.search(r"(?:^|\0)container=([^\0]+)", text_of(root / "proc/1/environ"))
    if told:
        return told[1]
    marked = next((kind for mark, kind in CONTAINER_MARKS.items() if (root / mark).exists()), "")
    if marked:
        return marked
    group = CONTAINER_GROUPS.search(text_of(root / "proc/1/cgroup"))
    return group[0] if group else ""


def _group_files(root: Path, name: str) -> Iterator[str]:
    """A setting of this process's control group and of those above it (second version of cgroups)."""
    own = re.search(r"^0::(/.*)$", text_of(root / "proc/self/cgroup"), re.MULTILINE)
    top = root / "sys/fs/cgroup"
    folder = top / (own[1].lstrip("/") if own else "")
    while True:
        yield text_of(folder / name)
        if folder == top or top not in folder.parents:
            return
        folder = folder.parent


def cpu_quota_cores(root: Path = ROOT) -> float | None:
    """Cores that this program may use on average, by its control group; None for no such limit."""
    limits = (re.match(r"(\d+) (\d+)", told) for told in _group_files(root, "cpu.max"))
    found = [int(limit[1]) / int(limit[2]) for limit in limits if limit]
    quota = integer_of(root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us")
    period = integer_of(root / "sys/fs/cgroup/cpu/cpu.cfs_period_us")
    if quota and period and quota > 0:
        found.append(quota / period)
    return min(found, default=None)


def cpu_times(root: Path = ROOT) -> tuple[int, ...]:
    """Counters of all cores together (user, nice, system, idle, iowait, irq, softirq, steal), or nothing."""
    first = text_of(root / "proc/stat").partition("\n")[0].split()
    if first[:1] != ["cpu"] or len(first) < 9:
        return ()
    return tuple(int(word) for word in first[1:9])


def shares(before: tuple[int, ...], after: tuple[int, ...]) -> tuple[float | None, float | None]:
    """Steal and busy share (0..1) of all cores between two readings of `cpu_times`; None where not known."""
    spent = [b - a for a, b in zip(before, after, strict=False)]
    total = sum(spent)
    if len(spent) < 8 or total <= 0:
        return None, None
    steal, idle = max(0, spent[7]), max(0, spent[3]) + max(0, spent[4])
    return steal / total, min(1.0, max(0.0, 1.0 - (idle + steal) / total))


def read_rights(loop: Lateness | None, root: Path = ROOT) -> Rights:
    """Rights of this user; what real-time priority and memory lock concerns, `loop` has tried in its own process."""
    try:
        import pwd

        user = pwd.getpwuid(os.geteuid()).pw_name
    except (ImportError, KeyError):
        user = str(os.geteuid())
    effective = re.search(r"^CapEff:\s*([0-9a-f]+)", text_of(root / "proc/self/status"), re.MULTILINE)
    capabilities = int(effective[1], 16) if effective else 0
    memlock, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    free = memlock == resource.RLIM_INFINITY or bool(capabilities >> CAP_IPC_LOCK & 1)
    may_nice = bool(capabilities >> CAP_SYS_NICE & 1)
    nice_limit, _ = resource.getrlimit(resource.RLIMIT_NICE)
    return Rights(
        user=user,
        fifo=loop.fifo if loop else None,
        memory_locked=loop.memory_locked if loop else None,
        rtprio_limit=resource.getrlimit(resource.RLIMIT_RTPRIO)[0],
        memlock_mib=None if memlock == resource.RLIM_INFINITY else memlock / MIB,
        memlock_free=free,
        nice_lowest=-20 if may_nice or nice_limit == resource.RLIM_INFINITY else 20 - max(1, min(40, nice_limit or 20)),
    )


def read_watchdog(root: Path = ROOT) -> Watchdog:
    """The first watchdog device, looked at from outside."""
    devices = sorted(root.glob("dev/watchdog*"), key=lambda path: (len(path.name), path.name))
    if not devices:
        return Watchdog()
    numbered = [path for path in devices if path.name[-1].isdigit()]
    device = (numbered or devices)[0]
    about = root / "sys/class/watchdog" / (device.name if numbered else "watchdog0")
    state = text_of(about / "state")
    return Watchdog(
        device="/" + str(device.relative_to(root)),
        permitted=os.access(device, os.W_OK),
        identity=text_of(about / "identity"),
        timeout_s=integer_of(about / "timeout"),
        active=state == "active" if state else None,
    )


class _Timex(ctypes.Structure):
    """`struct timex` up to what is read here; the rest is room."""

    _fields_ = (
        ("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long), ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long), ("status", ctypes.c_int), ("room", ctypes.c_char * 256),
    )  # fmt: skip


def read_clock(root: Path = ROOT) -> Clock:
    """Whether somebody keeps the wall clock right: the kernel's word, else the mark of systemd-timesyncd."""
    wall_time_s = time.time()
    timex = _Timex()
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):
        state = -1
    if state < 0:
        marked = (root / "run/systemd/timesync/synchronized").exists()
        return Clock(True if marked else None, None, wall_time_s)
    synchronised = state != TIME_ERROR and not timex.status & STA_UNSYNC
    return Clock(synchronised, timex.maxerror / 1e6 if synchronised else None, wall_time_s)


def read_memory(root: Path = ROOT) -> Memory:
    """Memory that can be had now, swap, and room in the folder in memory that processes share."""
    told = dict(re.findall(r"^(\w+):\s+(\d+) kB", text_of(root / "proc/meminfo"), re.MULTILINE))
    total, free = (int(told[name]) / 1024 if name in told else None for name in ("MemTotal", "MemAvailable"))
    limit_mib, left_mib = _group_memory_mib(root)
    shared = root / "dev/shm"
    live_free_mib = None
    if shared.is_dir() and os.access(shared, os.W_OK):
        usage = os.statvfs(shared)
        live_free_mib = usage.f_bavail * usage.f_frsize / MIB
    return Memory(
        available_mib=min((m for m in (free, left_mib) if m is not None), default=None),
        total_mib=min((m for m in (total, limit_mib) if m is not None), default=None),
        swap_mib=int(told["SwapTotal"]) / 1024 if "SwapTotal" in told else None,
        live_folder="/dev/shm" if live_free_mib is not None else "",
        live_free_mib=live_free_mib,
    )


def _group_memory_mib(root: Path) -> tuple[float | None, float | None]:
    """The limit of this process's control groups, and what is left of it."""
    pairs = list(zip(_group_files(root, "memory.max"), _group_files(root, "memory.current"), strict=True))
    old = root / "sys/fs/cgroup/memory"
    pairs.append((text_of(old / "memory.limit_in_bytes"), text_of(old / "memory.usage_in_bytes")))
    known = [(int(limit), int(used)) for limit, used in pairs if limit.isdigit() and used.isdigit()]
    limits = [(limit, limit - used) for limit, used in known if limit < NO_LIMIT_BYTES]
    if not limits:
        return None, None
    return min(limit for limit, _ in limits) / MIB, max(0, min(left for _, left in limits)) / MIB


def read_software(warm: bool | None = None) -> Software:
    """Interpreter, Numba and its cache folder. `warm`: nothing is left to compile, as the caller knows."""
    try:
        import numba

        from ionward._compile import cache_folder
    except Exception as error:  # whatever a broken compiler raises
        told = str(error).partition("\n")[0]
        return Software(sys.version_info[:3], "", f"{type(error).__name__}: {told}", "", None, None)
    folder = cache_folder()
    kept = os.access(folder, os.W_OK) and not str(folder).startswith("/tmp/")
    return Software(sys.version_info[:3], str(numba.__version__), "", str(folder), kept, warm)
