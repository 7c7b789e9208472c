"""What the processes of a run have in common, where it needs no process."""

from __future__ import annotations

from pathlib import Path

import pytest

from ionward.runtime.role import StolenTime, bin_end_s, lateness_bin


def stat(path: Path, stolen: int) -> None:
    path.write_text(f"cpu  879969 759346 135749 883616 7673 0 1891 {stolen} 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n")


def test_what_the_host_takes_away_is_noticed_once(tmp_path: Path) -> None:
    stat(tmp_path / "stat", 4466)
    stolen = StolenTime(str(tmp_path / "stat"))
    assert not stolen.more()
    stat(tmp_path / "stat", 4467)
    assert stolen.more()
    assert not stolen.more()


@pytest.mark.parametrize("text", ["", "cpu  1 2 3\n", "cpu  1 2 3 4 5 6 7 x 9\n"])
def test_a_kernel_that_does_not_tell_has_stolen_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "stat").write_text(text)
    stolen = StolenTime(str(tmp_path / "stat"))
    assert not stolen.more()
    assert not StolenTime(str(tmp_path / "absent")).more()


@pytest.mark.parametrize("seconds", [1e-7, 1.4e-6, 1e-4, 0.9e-3, 0.01, 3.0, 60.0])
def test_a_time_lies_in_its_bin(seconds: float) -> None:
    k = lateness_bin(seconds)
    assert k == 0 or bin_end_s(k - 1) < seconds
    assert seconds <= bin_end_s(k) * (1 + 1e-12) or k == 47
