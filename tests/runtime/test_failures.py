"""What a died, killed, frozen, hanging or lying process leads to: each row of the table in docs/live.md is a test.

Real processes, started by `ionward run`. What is asserted are the driver's own records and the battery's contacts, not
how fast this machine is; `ionward bench failures` measures that.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from helpers.live_runs import LiveRun
from ionward.image import exchange as ex
from ionward.image.blocks import Block, words_of

pytestmark = pytest.mark.xdist_group("live")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveRun]:
    run = LiveRun(tmp_path_factory.mktemp("live"), "--no-dashboard", environment={"IONWARD_TEST_HANG": "control"})
    run.wait_connected()
    yield run
    assert run.stop() == 0, run.told()
    assert run.processes() == []


def opened_and_latched(run: LiveRun, trips: int, *reasons: str) -> None:
    """The contacts are open: dropped by the driver for one of these reasons, or opened by control, and latched."""
    run.wait(lambda: not run.closed(), 10.0, "coils off")
    run.wait(lambda: run.state()["contactors"]["main_positive"] == "open", 10.0, "contact open")
    driven = run.driven()
    if driven["trip_count"] > trips:
        assert ex.TRIP_REASONS[int(driven["trip_reason"])] in reasons
    else:
        assert "guard_withholds" in faults(run)
    run.wait(lambda: all(run.state()["enables"].values()) or run.driven()["tripped"] == 1, 10.0)
    time.sleep(0.5)
    assert not run.closed()
    accepted, reason = run.command("connect")
    assert not accepted, reason
    assert not run.closed()


def faults(run: LiveRun) -> set[str]:
    return {fault["id"] for fault in run.state()["faults"]}


CONTROL_EXPIRED, GUARD_EXPIRED, GUARD_WITHDREW = ex.TRIP_REASONS[1:4]


@pytest.mark.verifies("SR-154")
def test_control_killed(run: LiveRun) -> None:
    trips, old = int(run.driven()["trip_count"]), run.pid("control")
    run.send("control", signal.SIGKILL)
    opened_and_latched(run, trips, CONTROL_EXPIRED, GUARD_WITHDREW)
    run.wait(lambda: run.pid("control") != old, 10.0, "control started again")
    run.wait(lambda: "enable_lost" in faults(run), 10.0, "enable_lost")
    run.recover()


@pytest.mark.verifies("SR-154", "SR-060")
def test_control_frozen_stays_open_after_it_goes_on(run: LiveRun) -> None:
    trips = int(run.driven()["trip_count"])
    run.send("control", signal.SIGSTOP)
    run.wait(lambda: not run.closed(), 10.0, "coils off")
    # What is said to a control that is not there is not done when it comes back.
    assert run.live.command("acknowledge", timeout_s=0.1) == (False, "control does not answer")
    time.sleep(1.0)
    run.send("control", signal.SIGCONT)
    opened_and_latched(run, trips, CONTROL_EXPIRED, GUARD_WITHDREW)
    run.wait(lambda: {"cycle_stopped", "enable_lost"} <= faults(run), 10.0, "both faults latched")
    run.recover()


@pytest.mark.verifies("SR-154")
def test_control_hangs_with_the_interpreter_lock(run: LiveRun) -> None:
    trips, old = int(run.driven()["trip_count"]), run.pid("control")
    os.kill(old, signal.SIGUSR1)
    run.wait(lambda: not run.closed(), 10.0, "coils off")
    time.sleep(0.5)
    assert not run.closed()
    # Nobody but a person or a watchdog ends a process that hangs; killed, it is started again and stays open.
    os.kill(old, signal.SIGKILL)
    run.wait(lambda: run.pid("control") != old, 10.0, "control started again")
    opened_and_latched(run, trips, CONTROL_EXPIRED, GUARD_WITHDREW)
    run.recover()


@pytest.mark.verifies("SR-154")
def test_guard_killed(run: LiveRun) -> None:
    trips, old = int(run.driven()["trip_count"]), run.pid("guard")
    run.send("guard", signal.SIGKILL)
    opened_and_latched(run, trips, GUARD_EXPIRED, GUARD_WITHDREW)
    run.wait(lambda: run.pid("guard") != old, 10.0, "guard started again")
    run.recover()


@pytest.mark.verifies("SR-154")
def test_guard_frozen_stays_open_after_it_goes_on(run: LiveRun) -> None:
    trips = int(run.driven()["trip_count"])
    run.send("guard", signal.SIGSTOP)
    run.wait(lambda: not run.closed(), 10.0, "coils off")
    time.sleep(0.5)
    run.send("guard", signal.SIGCONT)
    opened_and_latched(run, trips, GUARD_EXPIRED, GUARD_WITHDREW)
    assert "guard_withholds" in faults(run) or "enable_lost" in faults(run)
    run.recover()


@pytest.mark.verifies("SR-154")
def test_driver_killed_leaves_the_battery_open(run: LiveRun) -> None:
    old = run.pid("plant")
    run.send("plant", signal.SIGKILL)
    run.wait(lambda: run.pid("plant") != old, 20.0, "driver started again")
    run.wait(lambda: run.driven()["time_s"] > time.monotonic() - 1.0, 20.0, "samples again")
    run.wait(lambda: run.state()["contactors"]["main_positive"] == "open", 10.0, "contact open")
    run.wait(lambda: run.state()["latched_faults"] > 0, 10.0, "control has latched it")
    assert not run.closed()
    run.recover()


@pytest.mark.verifies("SR-154", "SR-153")
def test_driver_frozen_the_coils_expire_in_the_batterys_own_time(run: LiveRun) -> None:
    trips = int(run.driven()["trip_count"])
    run.send("plant", signal.SIGSTOP)
    time.sleep(1.0)
    run.send("plant", signal.SIGCONT)
    opened_and_latched(run, trips, ex.TRIP_REASONS[ex.TRIP_STOOD])
    run.recover()


@pytest.mark.verifies("SR-155")
def test_recorder_killed_or_frozen_changes_nothing(run: LiveRun) -> None:
    trips = int(run.driven()["trip_count"])
    for number in (signal.SIGSTOP, signal.SIGCONT, signal.SIGKILL):
        run.send("recorder", number)
        time.sleep(0.7)
        assert run.closed()
    assert run.driven()["trip_count"] == trips


def test_supervisor_frozen_changes_nothing(run: LiveRun) -> None:
    run.process.send_signal(signal.SIGSTOP)
    time.sleep(1.0)
    assert run.closed()
    assert run.connected()
    run.process.send_signal(signal.SIGCONT)


def without_supervisor(run: LiveRun, role: str) -> Block:
    """Take a role's place: its block, to be written with lies. The supervisor is frozen, so that nobody replaces it."""
    run.process.send_signal(signal.SIGSTOP)
    run.send(role, signal.SIGKILL)
    for _ in range(200):
        with suppress(Exception):
            return Block.writer(run.live_folder / f"{role}.block")
        time.sleep(0.01)
    raise AssertionError(f"{role} does not give its place up")


@pytest.mark.verifies("SR-161")
def test_control_lies(run: LiveRun) -> None:
    """Something writes control's record, in time and wishing closed, but cannot answer the guard's challenge."""
    trips = int(run.driven()["trip_count"])
    forged = without_supervisor(run, "control")
    words = np.zeros(forged.words, np.int64)
    control = words[: words_of(ex.CONTROL_RECORD)].view(ex.CONTROL_RECORD)
    control["main_positive"] = control["main_negative"] = 1
    control["acknowledged_s"] = -np.inf
    control["tick"] = 1
    until_s = time.monotonic() + 3.0
    while time.monotonic() < until_s and run.driven()["trip_count"] == trips:
        control["time_s"] = time.monotonic()
        control["tick"] += 1
        control["answer"] = 42
        forged.publish(words)
        time.sleep(0.01)
    driven = run.driven()
    assert driven["trip_count"] > trips
    assert driven["trip_reason"] == ex.TRIP_GUARD_WITHDREW
    assert not run.closed()
    forged.close()
    run.process.send_signal(signal.SIGCONT)
    run.recover()


@pytest.mark.verifies("SR-123")
def test_guard_lies(run: LiveRun) -> None:
    """A guard that says yes to everything: control opens by itself all the same."""
    forged = without_supervisor(run, "guard")
    done = threading.Event()

    def say_yes() -> None:
        record = np.zeros(1, ex.GUARD_RECORD)
        record["enable"] = 1
        while not done.wait(0.005):
            record["time_s"] = time.monotonic()
            record["cycle"] += 1
            forged.publish(record.view(np.int64))

    liar = threading.Thread(target=say_yes)
    liar.start()
    try:
        run.recover()  # its place was empty for a moment, which is a trip of its own
        assert run.live.inject("hvil_open", None)[0]
        run.wait(lambda: not run.closed(), 10.0, "control opened")
        assert "hvil_open" in faults(run)
        assert run.live.inject("hvil_open", None, end=True)[0]
    finally:
        done.set()
        liar.join()
        forged.close()
    run.process.send_signal(signal.SIGCONT)
    run.recover()


def test_a_sensor_lies(run: LiveRun) -> None:
    """The driver hands on what a broken sensor says: validation, protection and the guard are there for that."""
    trips = run.state()["trip"]["count"]
    assert run.live.inject("sensor_nan", "cell_voltage")[0]
    run.wait(lambda: not run.closed(), 10.0, "opened")
    assert "cell_voltage_lost" in faults(run)
    assert run.live.inject("sensor_nan", "cell_voltage", end=True)[0]
    assert run.state()["trip"]["count"] >= trips
    run.recover()


@pytest.mark.verifies("SR-155")
def test_services_killed_or_frozen_changes_nothing(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    run = LiveRun(tmp_path, "--http", str(port))
    run.wait_connected()
    run.wait(lambda: run.live.refresh() and run.live.processes()["services"]["state"] == "running", 60.0, "services")
    trips, old = int(run.driven()["trip_count"]), run.pid("services")
    for number in (signal.SIGSTOP, signal.SIGCONT, signal.SIGKILL):
        run.send("services", number)
        time.sleep(0.7)
        assert run.closed()

    def again() -> bool:
        run.live.refresh()
        services = run.live.processes()["services"]
        return services["pid"] not in (None, old) and services["state"] == "running"

    run.wait(again, 60.0, "services started again")
    assert run.closed()
    assert run.driven()["trip_count"] == trips
    assert run.stop() == 0, run.told()
    assert run.processes() == []


@pytest.mark.verifies("SR-153")
def test_supervisor_killed_takes_everything_with_it(tmp_path: Path) -> None:
    run = LiveRun(tmp_path, "--no-dashboard")
    run.wait_connected()
    io = Block.reader(run.live_folder / "io.block")
    run.process.kill()
    run.process.wait()
    run.wait(lambda: not run.processes(), 10.0, "no process left")
    words = np.zeros(io.words, np.int64)
    assert io.latest(words)
    driven = words[-words_of(ex.DRIVEN_RECORD) :].view(ex.DRIVEN_RECORD)[0]
    assert driven["main_positive"] + driven["main_negative"] + driven["precharge"] == 0
    run.live.close()
    run.out.close()
