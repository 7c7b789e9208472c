"""Compiling beforehand: everything once, then never again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ionward import _cache
from ionward.proving import warm


def test_a_job_that_fails_is_named_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "JOBS", {"no such job": ()})
    monkeypatch.setattr(warm, "is_warm", lambda _: False)
    (trouble,) = warm.warm_up()
    assert trouble.startswith("no such job: ")


def test_a_process_that_dies_is_told_and_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm.sys, "executable", "/bin/false")
    with warm._Workers() as workers:
        assert workers.compile("tick") == "tick: exit code 1"
        monkeypatch.undo()
        monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
        assert workers.compile("recordings") == ""


def test_every_job_can_be_run() -> None:
    """With the compiler off a job only goes through its motions, which is quick."""
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    jobs = ("simulation", "site", "logs", "recordings", "live cycle", "live", "battery", "no such job", "recordings")
    done = subprocess.run(
        [sys.executable, "-m", "ionward.proving.warm"],
        input="\n".join(jobs), env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split("\n") == [*[warm.DONE] * 7, "KeyError: 'no such job'", warm.DONE, ""]


def test_what_is_compiled_is_not_compiled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "is_warm", lambda _: True)
    monkeypatch.setattr(warm._Workers, "compile", lambda _, job: pytest.fail(f"compiled {job} again"))
    assert warm.warm_up() == []


def test_jobs_stand_behind_what_they_need() -> None:
    for command in ("", *warm.USED):
        jobs = warm.jobs_for(command)
        for number, job in enumerate(jobs):
            assert set(warm.JOBS[job]) <= set(jobs[:number])
    assert set(warm.jobs_for()) == set(warm.JOBS)
    assert "proof" not in warm.jobs_for("run")


def test_a_job_waits_for_those_it_needs_and_for_no_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(warm, "cache_folder", lambda: tmp_path)
    over: list[str] = []

    def compile_apart(_: object, job: str) -> str:
        assert set(warm.JOBS[job]) <= set(over)
        over.append(job)
        return ""

    monkeypatch.setattr(warm._Workers, "compile", compile_apart)
    monkeypatch.setattr(warm, "jit_disabled", False)
    assert warm.warm_up(command="run") == []
    assert sorted(over) == sorted(warm.jobs_for("run"))
    assert warm.is_warm("run")
    assert not warm.is_warm()
    assert warm.warm_up() == []
    assert sorted(over) == sorted(warm.JOBS)


DAY_S = 86400.0


def test_old_caches_go_and_what_is_in_use_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cache, "cache_folder", lambda: tmp_path)
    in_use = f"tick-{_cache.module_key('ionward.control.tick')}"
    for age_d, name in enumerate([in_use, "tick-0123456789abcdef", "warm-0123456789abcdef", "notes"]):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (-age_d * DAY_S, -age_d * DAY_S))
    _cache.forget_old_caches(days=1.5, now_s=0.0)
    assert {f.name for f in tmp_path.iterdir()} == {in_use, "tick-0123456789abcdef", "notes"}
    _cache.forget_old_caches(days=-1.0, now_s=0.0)
    assert {f.name for f in tmp_path.iterdir()} == {in_use, "notes"}


def test_the_user_may_name_the_folder(tmp_path: Path) -> None:
    code = "from ionward._cache import cache_folder; print(cache_folder())"
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(tmp_path)
