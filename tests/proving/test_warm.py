"""Compiling beforehand: everything once, then never again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ionward import _compile
from ionward.proving import warm


def test_a_job_that_fails_is_named_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "GROUPS", (("no such job",),))
    monkeypatch.setattr(warm, "is_warm", lambda: False)
    (trouble,) = warm.warm_up()
    assert trouble.startswith("no such job: ")


def test_every_job_can_be_run() -> None:
    """With the compiler off a job only goes through its motions, which is quick."""
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    for job in ("simulation", "logs", "recordings"):
        command = [sys.executable, "-m", "ionward.proving.warm", job]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_what_is_compiled_is_not_compiled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "is_warm", lambda: True)
    monkeypatch.setattr(warm, "_compile_apart", lambda job: pytest.fail(f"compiled {job} again"))
    assert warm.warm_up() == []


def test_old_caches_go_and_the_newest_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / _compile.cache_key()
    folders = [tmp_path / f"{k:016x}" for k in range(5)]
    for age, folder in enumerate([*folders, mine]):
        folder.mkdir()
        os.utime(folder, (age, age))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(mine))
    _compile.forget_old_caches(keep=3)
    assert {f.name for f in tmp_path.iterdir()} == {mine.name, folders[3].name, folders[4].name}


def test_a_folder_that_the_user_named_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "theirs"))
    _compile.forget_old_caches(keep=1)
    assert (tmp_path / "other").is_dir()
