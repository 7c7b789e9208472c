"""The hardware watchdog: stroked only while both agree, let go in order, and left to bite otherwise."""

from __future__ import annotations

import os
import pty
import struct
from pathlib import Path

import pytest

from ionward.errors import UserError
from ionward.image.exchange import (
    WATCHDOG_CLOSED,
    WATCHDOG_FAILED,
    WATCHDOG_NONE,
    WATCHDOG_STROKED,
    WATCHDOG_WAITING,
    WATCHDOG_WITHHELD,
)
from ionward.runtime import watchdog
from ionward.runtime.watchdog import CharacterDevice, GpioPulse, Watchdog, check_watchdog, make_watchdog

TIMEOUT_S = 1.0


class Double:
    """Notes what is done to it; `broken` raises."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.broken = False

    def _do(self, what: str) -> None:
        if self.broken:
            raise OSError(5, "broken")
        self.done.append(what)

    def open(self) -> None:
        self._do("open")

    def stroke(self) -> None:
        self._do("stroke")

    def close(self) -> None:
        self._do("close")


def run(dog: Watchdog, from_s: float, seconds: float, agree: bool = True) -> None:
    for k in range(round(seconds / 0.01)):
        dog.step(from_s + 0.01 * k, agree, ending=False)


@pytest.mark.verifies("SR-157")
def test_it_is_started_at_the_first_agreement_and_stroked_several_times_in_its_timeout() -> None:
    double = Double()
    dog = Watchdog(double, TIMEOUT_S)
    run(dog, 0.0, 5.0, agree=False)
    assert (double.done, dog.state) == ([], WATCHDOG_WAITING)
    run(dog, 5.0, 10.0)
    assert double.done[0] == "open"
    assert double.done.count("open") == 1
    assert 40 <= double.done.count("stroke") <= 60
    assert dog.state == WATCHDOG_STROKED


@pytest.mark.verifies("SR-157")
def test_without_agreement_nothing_strokes_it_and_nothing_closes_it() -> None:
    double = Double()
    dog = Watchdog(double, TIMEOUT_S)
    run(dog, 0.0, 1.0)
    done = list(double.done)
    run(dog, 1.0, 5.0, agree=False)
    assert (double.done, dog.state) == (done, WATCHDOG_WITHHELD)
    run(dog, 6.0, 0.01)
    assert (double.done, dog.state) == ([*done, "stroke"], WATCHDOG_STROKED)


def test_in_order_it_is_closed_once_and_never_stroked_again() -> None:
    double = Double()
    dog = Watchdog(double, TIMEOUT_S)
    run(dog, 0.0, 0.1)
    dog.step(0.2, agree=False, ending=True)
    dog.close()
    run(dog, 0.3, 5.0)
    assert (double.done, dog.state) == (["open", "stroke", "close"], WATCHDOG_CLOSED)


def test_one_that_was_never_started_is_not_closed() -> None:
    double = Double()
    dog = Watchdog(double, TIMEOUT_S)
    dog.step(0.0, agree=False, ending=True)
    assert (double.done, dog.state) == ([], WATCHDOG_CLOSED)


def test_a_broken_one_is_told_and_tried_again() -> None:
    double = Double()
    double.broken = True
    dog = Watchdog(double, TIMEOUT_S)
    run(dog, 0.0, 0.5)
    assert dog.state == WATCHDOG_FAILED
    double.broken = False
    run(dog, 0.5, 2.0)
    assert double.done[:2] == ["open", "stroke"]
    assert dog.state == WATCHDOG_STROKED
    double.broken = True
    dog.close()
    assert dog.state == WATCHDOG_FAILED


def test_without_one_nothing_happens() -> None:
    dog = make_watchdog("", TIMEOUT_S)
    dog.step(0.0, agree=True, ending=False)
    dog.close()
    assert (dog.fitted, dog.state) == (False, WATCHDOG_NONE)


# The kernel's watchdog, with a terminal in its place.


def test_the_character_device_is_written_to_and_closed_by_the_magic_byte() -> None:
    master, slave = pty.openpty()
    try:
        os.set_blocking(master, False)
        asked: list[tuple[int, int]] = []

        def ioctl(_file: int, request: int, argument: bytearray) -> None:
            asked.append((request, struct.unpack("=i", argument)[0]))

        port = CharacterDevice(os.ttyname(slave), 2.3, ioctl)
        port.open()
        port.stroke()
        port.stroke()
        assert os.read(master, 100) == b"\0\0"
        port.close()
        assert os.read(master, 100) == b"V"
        assert asked == [(0xC0045706, 3)]  # WDIOC_SETTIMEOUT, whole seconds
        port.close()  # a second time nothing happens
    finally:
        os.close(master)
        os.close(slave)


def test_a_device_without_the_ioctl_keeps_its_own_timeout(tmp_path: Path) -> None:
    path = tmp_path / "watchdog"
    path.touch()
    port = CharacterDevice(str(path), 2.0)  # the real ioctl, refused by a plain file
    port.open()
    port.stroke()
    port.close()
    assert path.read_bytes() == b"\0V"


# A GPIO line, with the kernel's answers made up. Layouts and numbers are those of linux/gpio.h.


def test_the_line_is_asked_for_as_the_kernel_wants_it_and_switched_to_and_fro(tmp_path: Path) -> None:
    chip = tmp_path / "gpiochip0"
    chip.touch()
    levels: list[int] = []
    line_file = os.open(chip, os.O_RDONLY)

    def ioctl(file: int, request: int, argument: bytearray) -> None:
        if request == 0xC250B407:  # GPIO_V2_GET_LINE_IOCTL
            assert len(argument) == 592
            assert struct.unpack_from("=I", argument, 0) == (17,)
            assert argument[256:288].rstrip(b"\0") == b"ionward watchdog"
            assert struct.unpack_from("=QI", argument, 288) == (8, 0)  # output, no attributes: low
            assert struct.unpack_from("=I", argument, 560) == (1,)  # one line
            struct.pack_into("=i", argument, 588, line_file)
        else:
            assert request == 0xC010B40F  # GPIO_V2_LINE_SET_VALUES_IOCTL
            assert file == line_file
            bits, mask = struct.unpack("=QQ", argument)
            assert mask == 1
            levels.append(bits)

    port = GpioPulse(str(chip), 17, ioctl)
    port.open()
    for _ in range(3):
        port.stroke()
    port.close()
    assert levels == [1, 0, 1, 0]
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(line_file)


# What a person writes.


@pytest.mark.parametrize("device", ["watchdog", "gpio:", "gpio:gpiochip0", "gpio:gpiochip0/x", "gpio:../0/1"])
def test_what_is_no_watchdog_is_refused_in_one_line(device: str) -> None:
    with pytest.raises(UserError, match="not a watchdog; write a device as /dev/watchdog, or gpio:CHIP/LINE"):
        check_watchdog(device)


def test_a_device_that_is_not_there_or_not_ours_is_told_without_opening_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="does not exist"):
        check_watchdog(str(tmp_path / "none"))
    path = tmp_path / "watchdog"
    path.touch()
    monkeypatch.setattr(watchdog.os, "access", lambda *_: False)
    with pytest.raises(UserError, match="may not be written"):
        check_watchdog(str(path))
    monkeypatch.undo()
    check_watchdog(str(path))
    assert path.read_bytes() == b""
