"""What the state folder lies on, how fast it is, and how long it lasts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ionward.runtime.doctor_storage import (
    default_state_folder,
    describe_mount,
    endurance_years,
    existing_folder,
    read_storage,
    recording_bytes_per_hour,
    survival_bytes_per_hour,
    sync_times_s,
)


def disk(root: Path, name: str, partition: str = "", **files: str) -> Path:
    """A disk in /sys, mounted at `root`/data, with a partition where one is named; `__` stands for a slash."""
    folder = root / "sys/devices/platform/bus" / name
    at = folder / partition if partition else folder
    at.mkdir(parents=True)
    (folder / "size").write_text("62333952", encoding="utf-8")
    if partition:
        (at / "partition").write_text("2", encoding="utf-8")
    for file, text in files.items():
        path = folder / file.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    number = root / "sys/dev/block/179:2"
    number.parent.mkdir(parents=True)
    number.symlink_to(at)
    mount(root, f"/dev/{partition or name}", "ext4", "179:2")
    return root / "data"


def mount(root: Path, source: str, file_system: str, number: str = "0:50") -> None:
    (root / "data").mkdir(exist_ok=True)
    (root / "proc/self").mkdir(parents=True, exist_ok=True)
    lines = (
        "1 0 8:1 / / rw,relatime - xfs /dev/sda1 rw\n",
        f"2 1 {number} / {root}/data rw,relatime shared:1 - {file_system} {source} rw\n",
        "broken line\n",
    )
    (root / "proc/self/mountinfo").write_text("".join(lines), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "partition", "files", "medium"),
    [
        ("mmcblk0", "mmcblk0p2", {"device__type": "SD\n"}, "sd card"),
        ("mmcblk1", "mmcblk1p1", {"device__type": "MMC\n"}, "emmc"),
        ("nvme0n1", "nvme0n1p1", {}, "ssd"),
        ("sda", "sda1", {"queue__rotational": "0"}, "ssd"),
        ("sda", "", {"queue__rotational": "1"}, "hard disk"),
        ("sdb", "sdb1", {"removable": "1", "queue__rotational": "1"}, "usb drive"),
        ("vda", "vda1", {"queue__rotational": "1"}, "virtual disk"),
        ("zram0", "", {}, "memory"),
        ("xyz", "", {}, ""),
    ],
)
def test_kinds_of_storage(name: str, partition: str, files: dict[str, str], medium: str, tmp_path: Path) -> None:
    storage = describe_mount(disk(tmp_path, name, partition, **files), tmp_path)
    assert (storage.device, storage.medium, storage.file_system) == (f"/dev/{name}", medium, "ext4")
    assert storage.capacity_bytes == 62333952 * 512


def test_an_encrypted_disk_is_the_disk_below(tmp_path: Path) -> None:
    folder = disk(tmp_path, "dm-0")
    below = tmp_path / "sys/devices/platform/bus/nvme0n1/nvme0n1p3"
    below.mkdir(parents=True)
    (below / "partition").write_text("3", encoding="utf-8")
    slaves = tmp_path / "sys/devices/platform/bus/dm-0/slaves"
    slaves.mkdir()
    (slaves / "nvme0n1p3").symlink_to(below)
    storage = describe_mount(folder, tmp_path)
    assert (storage.device, storage.medium) == ("/dev/nvme0n1", "ssd")


@pytest.mark.parametrize(
    ("life_time", "worn"), [("0x01 0x02", 0.2), ("0x0b 0x01", 1.0), ("0x00 0x00", None), ("", None), ("x", None)]
)
def test_an_emmc_tells_its_age(life_time: str, worn: float | None, tmp_path: Path) -> None:
    folder = disk(tmp_path, "mmcblk0", device__type="MMC", device__life_time=life_time)
    assert describe_mount(folder, tmp_path).worn_share == worn


@pytest.mark.parametrize(
    ("file_system", "medium"),
    [("tmpfs", "memory"), ("nfs4", "network"), ("overlay", "layer"), ("ubifs", "raw flash"), ("btrfs", "")],
)
def test_file_systems_without_a_disk(file_system: str, medium: str, tmp_path: Path) -> None:
    mount(tmp_path, "none", file_system)
    assert describe_mount(tmp_path / "data", tmp_path).medium == medium


def test_the_innermost_mount_counts(tmp_path: Path) -> None:
    mount(tmp_path, "none", "tmpfs")
    (tmp_path / "database").mkdir()
    assert describe_mount(tmp_path / "data", tmp_path).file_system == "tmpfs"
    assert describe_mount(tmp_path / "database", tmp_path).file_system == "xfs"


def test_what_was_measured_in_a_folder_is_gone_afterwards(tmp_path: Path) -> None:
    storage = read_storage(tmp_path / "a" / "b")
    assert (storage.folder, storage.measured_in) == (str(tmp_path / "a" / "b"), str(tmp_path))
    assert storage.writable
    assert storage.sync_p50_ms is not None
    assert storage.sync_max_ms is not None
    assert 0 < storage.sync_p50_ms <= storage.sync_max_ms
    assert list(tmp_path.iterdir()) == []


def test_a_very_slow_disk_is_known_after_fewer_appends(tmp_path: Path) -> None:
    assert len(sync_times_s(tmp_path, syncs=50, limit_s=0.0)) == 1
    assert len(sync_times_s(tmp_path, syncs=3)) == 3


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    storage = read_storage(tmp_path / "file")
    assert not storage.writable
    assert "not a folder" in storage.trouble


def test_a_place_where_nothing_can_be_written_is_told() -> None:
    storage = read_storage(Path("/proc/ionward"))
    assert storage.writable is False
    assert storage.trouble


def test_the_nearest_folder_that_is_there(tmp_path: Path) -> None:
    assert existing_folder(tmp_path) == tmp_path
    assert existing_folder(tmp_path / "a/b/c") == tmp_path


def test_a_users_own_state_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/data/state")
    assert default_state_folder() == Path("/data/state/ionward")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/pi")
    assert default_state_folder() == Path("/home/pi/.local/state/ionward")


def test_disk_use_of_the_ev_example() -> None:
    assert recording_bytes_per_hour(96, 0.01, 0.02) == pytest.approx(17e6, rel=0.05)  # docs/recordings.md


@given(st.integers(1, 1000), st.floats(0.0005, 1.0), st.floats(0.001, 4.0), st.floats(1.01, 10))
def test_more_cells_or_a_faster_rhythm_write_more(cells: int, cycle_s: float, period_s: float, more: float) -> None:
    written = recording_bytes_per_hour(cells, cycle_s, period_s)
    assert recording_bytes_per_hour(cells + 1, cycle_s, period_s) > written
    assert recording_bytes_per_hour(cells, cycle_s / more, period_s) > written
    assert recording_bytes_per_hour(cells, cycle_s, period_s / more) > written
    assert survival_bytes_per_hour(cells + 1) >= survival_bytes_per_hour(cells) > 0


def test_endurance_by_hand() -> None:
    # 32 GB x 1000 erasures, each byte written eight times over: 4 TB of ours, at 1 GB a day eleven years
    years = endurance_years("sd card", 32 * 10**9, 1e9)
    assert years == pytest.approx(4000 / 365.25, rel=1e-6)
    assert endurance_years("hard disk", 32 * 10**9, 1e9) is None
    assert endurance_years("ssd", 32 * 10**9, 0.0) is None
