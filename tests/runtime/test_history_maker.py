"""History is made of finished recordings one after the other, and nothing is left running."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from ionward.runtime.history_maker import HistoryMaker

WRITE = (
    "import sys, pathlib; pathlib.Path(sys.argv[-1], sys.argv[1].replace('/', '_')).write_text(' '.join(sys.argv[1:]))"
)


def settle(maker: HistoryMaker, seconds: float = 20.0) -> None:
    until_s = time.monotonic() + seconds
    while maker.busy and time.monotonic() < until_s:
        maker.poll()
        time.sleep(0.01)
    assert not maker.busy


def test_recordings_are_handed_over_in_order_and_once(tmp_path: Path) -> None:
    maker = HistoryMaker(tmp_path, (sys.executable, "-c", WRITE))
    maker.add(Path("a.rec"))
    maker.poll()
    for name in ("b.rec", "c.rec", "b.rec"):
        maker.add(Path(name))
    settle(maker)
    assert (tmp_path / "a.rec").read_text() == f"a.rec --out {tmp_path}"
    assert (tmp_path / "b.rec").read_text() == f"b.rec c.rec --out {tmp_path}"
    assert maker.failures == 0


@pytest.mark.parametrize("command", [(sys.executable, "-c", "raise SystemExit(2)"), ("/no/such/program",)])
def test_a_failure_is_counted_and_the_next_one_begins(tmp_path: Path, command: tuple[str, ...]) -> None:
    maker = HistoryMaker(tmp_path, command)
    for n in range(2):
        maker.add(Path(f"{n}.rec"))
        settle(maker)
    assert maker.failures == 2


def test_ending_leaves_no_process_behind(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    text = f"import os, time, pathlib; pathlib.Path({str(told)!r}).write_text(str(os.getpid())); time.sleep(600)"
    maker = HistoryMaker(tmp_path, (sys.executable, "-c", text))
    maker.end()
    maker.add(tmp_path)
    maker.poll()
    until_s = time.monotonic() + 20.0
    while not (told.exists() and told.read_text()) and time.monotonic() < until_s:
        time.sleep(0.01)
    maker.end()
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text()), 0)
