"""The guard's process: what it loads, what it takes from the blocks, and what it says in its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from helpers.guarding import Bench
from helpers.scenarios import small_system
from ionward.image.blocks import Block, BlockError, words_of
from ionward.image.build import system_size
from ionward.image.exchange import (
    CONTROL_RECORD,
    DRIVEN_RECORD,
    GUARD_NO_SAMPLES,
    GUARD_OK,
    GUARD_RECORD,
    GUARD_SILENT,
    HEALTH_RECORD,
)
from ionward.image.guard_limits import guard_limits
from ionward.runtime.guard import GuardProcess
from ionward.runtime.live_blocks import raw_words
from ionward.runtime.plan import Plan

SYSTEM = small_system()
SIZE = system_size(SYSTEM)
PLAN = Plan("small", {}, SIZE, SYSTEM.cycle.period_s, "", guard=guard_limits(SYSTEM).as_dict(), realtime=False)


def make_blocks(folder: Path) -> None:
    for name, words in {
        "io": raw_words(SIZE) + words_of(DRIVEN_RECORD),
        "control": words_of(CONTROL_RECORD) + SIZE.cells,
        "guard": words_of(GUARD_RECORD),
        "health-guard": words_of(HEALTH_RECORD),
    }.items():
        Block.create(folder / f"{name}.block", 8, words)


class World:
    """The processes beside the guard, from the made-up values of a bench."""

    def __init__(self, folder: Path) -> None:
        self.bench = Bench(guard_limits(SYSTEM))
        self.io, self.control = (Block.writer(folder / f"{name}.block") for name in ("io", "control"))
        self.guard = Block.reader(folder / "guard.block")
        self.record = np.zeros(1, GUARD_RECORD)

    def publish(self, now_s: float, driver: bool = True, control: bool = True) -> None:
        b = self.bench
        b.now_s = now_s
        if driver:
            b.drive()
            raw = (b.raw.clock.view(np.float64), b.raw.channels, b.raw.cells, b.raw.temperatures)
            self.io.publish(np.concatenate([*(block.ravel() for block in raw), b.driven.view(np.float64)]))
        if control:
            b.control["challenge"] = self.record["challenge"]
            b.tick()
            self.control.publish(np.concatenate([b.control.view(np.float64), np.zeros(SIZE.cells)]))

    def hear(self) -> None:
        self.guard.latest(self.record.view(np.int64))


@pytest.fixture
def world(tmp_path: Path) -> World:
    make_blocks(tmp_path)
    return World(tmp_path)


def test_the_enable_follows_the_blocks(world: World, tmp_path: Path) -> None:
    process = GuardProcess(tmp_path, PLAN, seed=3)
    now_s = 500.0

    def live(cycles: int, **alive: bool) -> None:
        nonlocal now_s
        for _ in range(cycles):
            now_s += PLAN.cycle_s
            world.publish(now_s, **alive)
            process.step(now_s)
            world.hear()

    live(20)
    record = world.record[0]
    assert (record["enable"], record["reason"], record["tripped"]) == (1, GUARD_OK, 0)
    assert (record["time_s"], record["cycle"]) == (now_s, 20)
    live(20, control=False)
    assert (record["enable"], record["reason"], record["place"]) == (0, GUARD_SILENT, -1)
    assert record["value"] > 0.06
    live(20)
    assert record["enable"] == 1
    live(20, driver=False)
    assert (record["enable"], record["reason"]) == (0, GUARD_NO_SAMPLES)


def test_before_anybody_has_written_there_is_no_enable(world: World, tmp_path: Path) -> None:
    process = GuardProcess(tmp_path, PLAN, seed=3)
    for cycle in range(20):
        assert process.step(500.0 + cycle * PLAN.cycle_s).reason == GUARD_NO_SAMPLES


def test_each_cell_and_sensor_comes_from_its_own_place_in_the_block(world: World, tmp_path: Path) -> None:
    process = GuardProcess(tmp_path, PLAN, seed=3)
    now_s = 500.0
    for block, item, value in (("cells", 7, 4.9), ("temperatures", 3, 99.0)):
        values = getattr(world.bench, block)
        good, values[item] = float(values[item]), value
        for _ in range(200):
            now_s += PLAN.cycle_s
            world.publish(now_s)
            verdict = process.step(now_s)
            world.hear()
        assert (verdict.place, verdict.value) == (item, pytest.approx(value))
        values[item] = good


def test_blocks_of_another_pack_are_refused(world: World, tmp_path: Path) -> None:
    Block.create(tmp_path / "control.block", 8, words_of(CONTROL_RECORD) + 400)
    with pytest.raises(BlockError, match=r"control\.block"):
        GuardProcess(tmp_path, PLAN, seed=3)


def test_there_is_one_guard_only(world: World, tmp_path: Path) -> None:
    GuardProcess(tmp_path, PLAN, seed=3)
    with pytest.raises(BlockError, match=r"guard\.block"):
        GuardProcess(tmp_path, PLAN, seed=4)


@pytest.mark.verifies("SR-167")
def test_it_loads_nothing_heavy() -> None:
    """Level 2 shares no compiled code with level 1, and fits where a BMS has little memory."""
    told = subprocess.run(
        [sys.executable, "-c", "import ionward.runtime.guard, sys; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert "ionward.safety.guard" in told
    heavy = ("numba", "llvmlite", "pydantic", "pyarrow", "scipy", "matplotlib", "nicegui", "duckdb")
    ours = ("ionward._compile", "ionward.battery", "ionward.control", "ionward.safety.protect")
    assert [name for name in told if name.startswith((*heavy, *ours))] == []


@pytest.fixture
def running(world: World, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    PLAN.save(tmp_path)
    environment = {**os.environ, "IONWARD_SUPERVISOR": str(os.getpid())}
    process = subprocess.Popen([sys.executable, "-m", "ionward.runtime.guard", str(tmp_path)], env=environment)
    yield process
    process.kill()
    process.wait()


def until_spoken(world: World, process: subprocess.Popen[bytes]) -> None:
    until_s = time.monotonic() + 60.0
    while world.guard.count < 5 and process.poll() is None and time.monotonic() < until_s:
        time.sleep(0.02)
    world.hear()


def test_the_process_runs_until_it_is_told_to_end(world: World, running: subprocess.Popen[bytes]) -> None:
    until_spoken(world, running)
    assert (world.record["enable"][0], world.record["reason"][0]) == (0, GUARD_NO_SAMPLES)
    status = Path(f"/proc/{running.pid}/status").read_text(encoding="utf-8")
    assert int(status.split("VmRSS:")[1].split()[0]) < 45 * 1024
    running.send_signal(signal.SIGTERM)
    assert running.wait(30.0) == 0
