"""Reading machines that are described by folders, and this one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.machines import late
from ionward.runtime.doctor_probe import (
    container,
    cpu_quota_cores,
    cpu_times,
    preemption,
    read_clock,
    read_memory,
    read_processor,
    read_rights,
    read_software,
    read_timers,
    read_watchdog,
    shares,
    virtual_machine,
)
from ionward.runtime.doctor_readings import Processor, Timers, Watchdog


def machine(root: Path, **files: str) -> Path:
    """A folder with files; `__` stands for a slash in their names."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_an_empty_machine_is_unknown_and_no_error(tmp_path: Path) -> None:
    assert read_watchdog(tmp_path) == Watchdog()
    memory = read_memory(tmp_path)
    assert (memory.available_mib, memory.swap_mib, memory.live_free_mib) == (None, None, None)
    processor = read_processor(tmp_path)
    assert (processor.virtual, processor.container, processor.governors) == ("", "", ())
    assert processor.quota_cores is None
    assert read_timers(tmp_path).clock_source == ""
    assert cpu_times(tmp_path) == ()
    assert shares((), ()) == (None, None)


def test_this_machine_can_be_read() -> None:
    assert isinstance(read_timers(), Timers)
    assert isinstance(read_processor(), Processor)
    assert read_clock().wall_time_s
    assert read_software(True).numba
    rights = read_rights(late(fifo=True))
    assert (rights.fifo, rights.memory_locked) == (True, False)
    assert rights.user
    assert rights.nice_lowest is not None
    assert read_rights(None).fifo is None


@pytest.mark.parametrize(
    ("version", "command_line", "found"),
    [
        ("#1 SMP PREEMPT_RT Debian 6.1.90-1 (2024-05-03)", "", ("rt", False)),
        ("#1 SMP PREEMPT Tue Mar 5 2024", "", ("full", False)),
        ("#1 SMP PREEMPT_DYNAMIC Debian 6.1.90-1", "quiet preempt=full", ("full", True)),
        ("#1 SMP PREEMPT_DYNAMIC Debian 6.1.90-1", "quiet preempt=voluntary", ("voluntary", True)),
        ("#1 SMP PREEMPT_DYNAMIC Debian 6.1.90-1", "quiet", ("", True)),
        ("#88-Ubuntu SMP Tue Jul 9 2024", "", ("none", False)),
        ("", "", ("", False)),
    ],
)
def test_preemption(version: str, command_line: str, found: tuple[str, bool], tmp_path: Path) -> None:
    assert preemption(version, command_line, tmp_path) == found


def test_preemption_that_was_switched_while_running(tmp_path: Path) -> None:
    root = machine(tmp_path, sys__kernel__debug__sched__preempt="none voluntary (full)")
    assert preemption("#1 SMP PREEMPT_DYNAMIC", "preempt=none", root) == ("full", True)


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"proc__cpuinfo": "flags\t\t: fpu vme hypervisor lahf_lm"}, "kind unknown"),
        ({"proc__cpuinfo": "flags\t\t: fpu vme lahf_lm"}, ""),
        ({"sys__class__dmi__id__sys_vendor": "QEMU", "sys__class__dmi__id__product_name": "Standard PC"}, "QEMU"),
        ({"sys__class__dmi__id__sys_vendor": "Dell Inc.", "sys__class__dmi__id__product_name": "Edge 3200"}, ""),
        ({"sys__class__dmi__id__sys_vendor": "Microsoft Corporation",
          "sys__class__dmi__id__product_name": "Virtual Machine"}, "Hyper-V"),
        ({"sys__class__dmi__id__sys_vendor": "Amazon EC2", "sys__class__dmi__id__product_name": "c7g.metal"}, ""),
        ({"sys__class__dmi__id__sys_vendor": "Amazon EC2", "sys__class__dmi__id__product_name": "c7g.large"},
         "Amazon EC2"),
        ({"proc__device-tree__hypervisor__compatible": "xen,xen"}, "xen,xen"),
    ],
)  # fmt: skip
def test_virtual_machines(files: dict[str, str], kind: str, tmp_path: Path) -> None:
    assert virtual_machine(machine(tmp_path, **files)) == kind


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({".dockerenv": ""}, "docker"),
        ({"run__.containerenv": ""}, "podman"),
        ({"run__systemd__container": "lxc"}, "lxc"),
        ({"proc__1__environ": "PATH=/bin\0container=oci\0"}, "oci"),
        ({"proc__1__cgroup": "0::/kubepods/burstable/pod1"}, "kubepods"),
        ({"proc__1__cgroup": "0::/init.scope"}, ""),
    ],
)
def test_containers(files: dict[str, str], kind: str, tmp_path: Path) -> None:
    assert container(machine(tmp_path, **files)) == kind


def test_governors_of_all_cores(tmp_path: Path) -> None:
    machine(
        tmp_path,
        sys__devices__system__cpu__cpu0__cpufreq__scaling_governor="ondemand\n",
        sys__devices__system__cpu__cpu1__cpufreq__scaling_governor="performance\n",
    )
    assert read_processor(tmp_path).governors == ("ondemand", "performance")


def test_the_smallest_quota_of_all_groups_above_counts(tmp_path: Path) -> None:
    machine(
        tmp_path,
        proc__self__cgroup="0::/site/bms\n",
        **{
            "sys__fs__cgroup__cpu.max": "max 100000",
            "sys__fs__cgroup__site__cpu.max": "150000 100000",
            "sys__fs__cgroup__site__bms__cpu.max": "400000 100000",
        },
    )
    assert cpu_quota_cores(tmp_path) == 1.5


def test_quota_of_the_first_version_of_groups(tmp_path: Path) -> None:
    files = {"sys__fs__cgroup__cpu__cpu.cfs_quota_us": "50000", "sys__fs__cgroup__cpu__cpu.cfs_period_us": "100000"}
    assert cpu_quota_cores(machine(tmp_path, **files)) == 0.5
    (tmp_path / "sys/fs/cgroup/cpu/cpu.cfs_quota_us").write_text("-1", encoding="utf-8")
    assert cpu_quota_cores(tmp_path) is None


def test_memory_is_what_the_container_may_have(tmp_path: Path) -> None:
    machine(
        tmp_path,
        proc__meminfo="MemTotal: 8000000 kB\nMemAvailable: 6000000 kB\nSwapTotal: 1024 kB\n",
        **{
            "sys__fs__cgroup__memory.max": str(512 * 2**20),
            "sys__fs__cgroup__memory.current": str(112 * 2**20),
        },
    )
    memory = read_memory(tmp_path)
    assert (memory.available_mib, memory.total_mib, memory.swap_mib) == (400, 512, 1)
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("max", encoding="utf-8")
    assert read_memory(tmp_path).available_mib == pytest.approx(6e6 / 1024)


def test_the_watchdog_is_looked_at_and_not_opened(tmp_path: Path) -> None:
    machine(
        tmp_path,
        dev__watchdog="",
        dev__watchdog0="",
        dev__watchdog1="",
        sys__class__watchdog__watchdog0__identity="iTCO_wdt\n",
        sys__class__watchdog__watchdog0__timeout="30\n",
        sys__class__watchdog__watchdog0__state="inactive\n",
    )
    before = (tmp_path / "dev/watchdog0").stat()
    assert read_watchdog(tmp_path) == Watchdog("/dev/watchdog0", True, "iTCO_wdt", 30, False)
    assert (tmp_path / "dev/watchdog0").stat().st_atime_ns == before.st_atime_ns


@given(st.lists(st.integers(0, 10**6), min_size=8, max_size=8), st.lists(st.integers(0, 10**6), min_size=8, max_size=8))
def test_shares_are_shares(before: list[int], spent: list[int]) -> None:
    after = tuple(b + s for b, s in zip(before, spent, strict=True))
    steal, busy = shares(tuple(before), after)
    if sum(spent):
        assert steal == pytest.approx(spent[7] / sum(spent))
        assert busy == pytest.approx(1 - (spent[3] + spent[4] + spent[7]) / sum(spent))
    else:
        assert (steal, busy) == (None, None)


def test_steal_time_of_a_busy_host(tmp_path: Path) -> None:
    root = machine(tmp_path, proc__stat="cpu  100 0 50 800 20 0 5 25 0 0\ncpu0 1 2 3\n")
    assert shares((0,) * 8, cpu_times(root)) == (pytest.approx(0.025), pytest.approx(0.155))
