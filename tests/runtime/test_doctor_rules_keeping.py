"""Verdicts on watchdog, storage, clock, memory and software."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from helpers.machines import BENCH, EV_1MS, EV_10MS, GOOD_MACHINE
from ionward.runtime.doctor_check import Check, Demand
from ionward.runtime.doctor_readings import Clock, Memory, Readings, Storage, Watchdog
from ionward.runtime.doctor_rules_keeping import keeping_checks, live_folder_mib


def check(name: str, readings: Readings, demand: Demand = EV_10MS) -> Check:
    return {c.id: c for c in keeping_checks(readings, demand)}[name]


def changed(part: str, **values: Any) -> Readings:
    return replace(GOOD_MACHINE, **{part: replace(getattr(GOOD_MACHINE, part), **values)})


def test_a_watchdog_that_nobody_may_feed_is_none() -> None:
    assert check("watchdog", changed("watchdog", permitted=False, active=True)).verdict == "good"
    idle = check("watchdog", changed("watchdog", permitted=False, active=False))
    assert idle.verdict == "limited"
    assert "RuntimeWatchdogSec" in idle.change
    none = replace(GOOD_MACHINE, watchdog=Watchdog())
    assert check("watchdog", none).verdict == "limited"
    assert check("watchdog", none, BENCH).verdict == "good"
    virtual = replace(none, processor=replace(none.processor, virtual="KVM"))
    assert "host" in check("watchdog", virtual).change


@pytest.mark.parametrize(
    ("values", "verdict", "told"),
    [
        ({}, "good", ""),
        ({"read_only": True, "writable": False}, "bad", "may write"),
        ({"writable": False, "trouble": "Permission denied"}, "bad", "may write"),
        ({"medium": "memory", "file_system": "tmpfs"}, "limited", "gone after a restart"),
        ({"medium": "layer", "file_system": "overlay"}, "limited", "volume"),
        ({"medium": "network", "file_system": "nfs4"}, "limited", "local disk"),
        ({"medium": "usb drive"}, "limited", "pulled"),
        ({"file_system": "vfat"}, "limited", "power failure"),
        ({"writable": None}, "unknown", "--state-dir"),
    ],
)
def test_where_the_state_lies(values: dict[str, Any], verdict: str, told: str) -> None:
    found = check("state_folder", changed("storage", **values))
    assert found.verdict == verdict
    assert told in found.change


@pytest.mark.parametrize(
    ("free_bytes", "verdict"), [(400e9, "good"), (2.5e9, "limited"), (1.5e8, "bad"), (0, "bad"), (None, "unknown")]
)
def test_room_for_recordings(free_bytes: float | None, verdict: str) -> None:
    free = None if free_bytes is None else int(free_bytes)
    assert check("space", changed("storage", free_bytes=free)).verdict == verdict


@pytest.mark.parametrize(("p99_ms", "verdict"), [(2.0, "good"), (100.0, "good"), (400.0, "limited"), (1500.0, "bad")])
def test_slow_disks(p99_ms: float, verdict: str) -> None:
    assert check("sync", changed("storage", sync_p99_ms=p99_ms)).verdict == verdict


def test_small_cards_wear_out_and_large_ones_later() -> None:
    def years(gigabytes: int, demand: Demand = EV_10MS) -> str:
        card = changed("storage", medium="sd card", capacity_bytes=gigabytes * 10**9)
        return check("endurance", card, demand).verdict

    # 8 GB x 1000 erasures / (1.1 GB a day x 8) = 2.5 years
    assert years(4) == "bad"
    assert years(8) == "limited"
    assert years(64) == "good"
    assert years(64, BENCH) == "good"


def test_flash_that_says_itself_that_it_is_worn() -> None:
    assert check("endurance", changed("storage", worn_share=0.5)).verdict == "good"
    assert check("endurance", changed("storage", worn_share=0.9)).verdict == "limited"
    assert check("endurance", changed("storage", worn_share=1.0)).verdict == "bad"


def test_a_disk_of_the_host_is_its_own_matter() -> None:
    assert check("endurance", changed("storage", medium="virtual disk")).verdict == "good"
    assert check("endurance", changed("storage", medium="")).verdict == "unknown"


def test_nothing_is_said_of_storage_that_was_not_found() -> None:
    nowhere = replace(GOOD_MACHINE, storage=Storage())
    assert [check(name, nowhere).verdict for name in ("space", "sync", "endurance")] == ["unknown"] * 3


@pytest.mark.parametrize(
    ("clock", "verdict", "told"),
    [
        (Clock(True, 0.01, 1.79e9), "good", ""),
        (Clock(False, None, 1.79e9), "limited", "NTP"),
        (Clock(None, None, 1.79e9), "unknown", ""),
        (Clock(True, None, 86_400.0), "limited", "RTC"),  # 1970
        (Clock(), "unknown", ""),
    ],
)
def test_the_wall_clock(clock: Clock, verdict: str, told: str) -> None:
    found = check("wall_clock", replace(GOOD_MACHINE, clock=clock))
    assert found.verdict == verdict
    assert told in found.change


@pytest.mark.parametrize(
    ("available_mib", "verdict"), [(2000, "good"), (700, "limited"), (450, "limited"), (200, "bad"), (None, "unknown")]
)
def test_memory(available_mib: float | None, verdict: str) -> None:
    assert check("memory", replace(GOOD_MACHINE, memory=Memory(available_mib))).verdict == verdict


def test_swap_is_harmless_where_memory_is_locked() -> None:
    swapping = changed("memory", swap_mib=2048.0)
    assert check("swap", swapping).verdict == "good"
    unlocked = replace(swapping, rights=replace(swapping.rights, memory_locked=False))
    assert check("swap", unlocked).verdict == "limited"


def test_the_live_folder_holds_four_seconds() -> None:
    # a small container: 64 MB of /dev/shm
    docker = changed("memory", live_free_mib=64.0)
    assert check("live_folder", docker, EV_10MS).verdict == "good"
    assert live_folder_mib(EV_1MS) > live_folder_mib(EV_10MS) > live_folder_mib(BENCH)
    assert check("live_folder", changed("memory", live_free_mib=1.0), EV_1MS).verdict == "bad"
    assert check("live_folder", changed("memory", live_free_mib=None)).verdict == "limited"


def test_software() -> None:
    assert check("machine", changed("processor", machine="riscv64")).verdict == "limited"
    assert check("python", changed("software", python=(3, 9, 1))).verdict == "bad"
    broken = check("compiler", changed("software", numba="", numba_trouble="ImportError: llvmlite"))
    assert (broken.verdict, broken.figure) == ("bad", "ImportError: llvmlite")
    assert check("compiler", changed("software", cache_kept=False)).verdict == "limited"
    cold = check("compiled", changed("software", warm=False))
    assert cold.verdict == "limited"
    assert "ionward warm-up" in cold.change
    assert check("compiled", changed("software", warm=None)).verdict == "unknown"
