"""The hardware watchdog, level 3: stroked only while control and guard agree, so that it bites when they do not.

Two kinds: a watchdog of the kernel (`/dev/watchdog`), which resets the machine, and a GPIO line that is switched to and
fro (`gpio:gpiochip0/17`), for a watchdog relay or circuit in the coil supply. Both were tested against doubles only.
"""

from __future__ import annotations

import fcntl
import math
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ionward.battery.connection import WATCHDOG_GPIO, WATCHDOG_HELP
from ionward.errors import UserError
from ionward.image.exchange import (
    WATCHDOG_CLOSED,
    WATCHDOG_FAILED,
    WATCHDOG_NONE,
    WATCHDOG_STROKED,
    WATCHDOG_WAITING,
    WATCHDOG_WITHHELD,
)

Ioctl = Callable[[int, int, bytearray], object]

STROKES = 5  # in the time after which the watchdog bites
RETRY_S = 1.0  # a device that could not be opened is tried again after this

# linux/watchdog.h: _IOWR('W', 6, int). 'V' as the last byte before closing is the magic close.
WDIOC_SETTIMEOUT = 0xC0045706
MAGIC_CLOSE = b"V"
STROKE = b"\0"

# linux/gpio.h, ABI v2: struct gpio_v2_line_request (592 bytes) and gpio_v2_line_values.
GPIO_V2_GET_LINE = 0xC250B407
GPIO_V2_LINE_SET_VALUES = 0xC010B40F
GPIO_OUTPUT = 1 << 3
LINE_REQUEST = struct.Struct("=64I 32s Q I 20x 240x I I 20x i")
LINE_VALUES = struct.Struct("=QQ")
CONSUMER = b"ionward watchdog"


class Port(Protocol):
    """A watchdog that can be stroked. Every call may raise OSError."""

    def open(self) -> None:
        """Take it, which starts it."""

    def stroke(self) -> None:
        """Tell it that all is well."""

    def close(self) -> None:
        """Let it go in order, so that it does not bite."""


class CharacterDevice:
    """A watchdog of the kernel: it resets the machine unless it is written to within its timeout."""

    def __init__(self, path: str, timeout_s: float, ioctl: Ioctl = fcntl.ioctl) -> None:
        self._path, self._timeout_s, self._ioctl = path, timeout_s, ioctl
        self._file = -1

    def open(self) -> None:
        """Open it and ask for the timeout, in whole seconds; a device that cannot change its own keeps it."""
        self._file = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            self._ioctl(self._file, WDIOC_SETTIMEOUT, bytearray(struct.pack("=i", max(1, math.ceil(self._timeout_s)))))
        except OSError:
            return

    def stroke(self) -> None:
        """One byte."""
        os.write(self._file, STROKE)

    def close(self) -> None:
        """The magic close. A driver that was loaded with `nowayout` bites all the same."""
        file, self._file = self._file, -1
        if file >= 0:
            try:
                os.write(file, MAGIC_CLOSE)
            finally:
                os.close(file)


class GpioPulse:
    """A line of a GPIO chip, switched to and fro at each stroke; low when it is let go."""

    def __init__(self, chip: str, line: int, ioctl: Ioctl = fcntl.ioctl) -> None:
        self._chip, self._line, self._ioctl = chip, line, ioctl
        self._file, self._high = -1, False

    def open(self) -> None:
        """Take the line as an output, low."""
        request = bytearray(LINE_REQUEST.pack(self._line, *([0] * 63), CONSUMER, GPIO_OUTPUT, 0, 1, 0, -1))
        chip = os.open(self._chip, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._ioctl(chip, GPIO_V2_GET_LINE, request)
        finally:
            os.close(chip)
        self._file, self._high = LINE_REQUEST.unpack(request)[-1], False

    def stroke(self) -> None:
        """The other level."""
        self._high = not self._high
        self._set(self._high)

    def _set(self, high: bool) -> None:
        self._ioctl(self._file, GPIO_V2_LINE_SET_VALUES, bytearray(LINE_VALUES.pack(int(high), 1)))

    def close(self) -> None:
        """Low, and let go: the relay behind it falls off in its own time, with everything open."""
        if self._file >= 0:
            try:
                self._set(False)
            finally:
                os.close(self._file)
                self._file = -1


class Watchdog:
    """When to stroke. `state` is one of `exchange.WATCHDOG_STATES`; no port: there is none.

    It is started only when both agree for the first time: a machine that comes up with a fault is not reset over and
    over. From then on it bites whenever they have not agreed for longer than the timeout.

    Meets SR-157.
    """

    def __init__(self, port: Port | None, timeout_s: float = 1.0) -> None:
        self._port = port
        self._period_s = timeout_s / STROKES
        self._due_s, self._open = -math.inf, False
        self.state = WATCHDOG_NONE if port is None else WATCHDOG_WAITING

    @property
    def fitted(self) -> bool:
        """There is one."""
        return self._port is not None

    def step(self, now_s: float, agree: bool, ending: bool) -> None:
        """Once in each cycle. `ending`: the BMS is told to stop, and everything is open."""
        if self._port is None or self.state == WATCHDOG_CLOSED:
            return
        if ending:
            self.close()
        elif not agree:
            self.state = WATCHDOG_WITHHELD if self._open else self.state
        elif now_s >= self._due_s:
            self._stroke(now_s)
        elif self._open and self.state == WATCHDOG_WITHHELD:
            self.state = WATCHDOG_STROKED

    def _stroke(self, now_s: float) -> None:
        assert self._port is not None
        try:
            if not self._open:
                self._port.open()
                self._open = True
            self._port.stroke()
        except OSError:
            self.state, self._due_s = WATCHDOG_FAILED, now_s + RETRY_S
        else:
            self.state, self._due_s = WATCHDOG_STROKED, now_s + self._period_s

    def close(self) -> None:
        """Let it go in order."""
        if self._port is None or self.state == WATCHDOG_CLOSED:
            return
        self.state = WATCHDOG_CLOSED
        if self._open:
            self._open = False
            try:
                self._port.close()
            except OSError:
                self.state = WATCHDOG_FAILED


def make_watchdog(device: str, timeout_s: float) -> Watchdog:
    """The watchdog that a device names: a path, `gpio:CHIP/LINE`, or nothing.

    Raises:
        UserError: it is none of these.
    """
    if not device:
        return Watchdog(None)
    line = WATCHDOG_GPIO.fullmatch(device)
    if line is not None:
        return Watchdog(GpioPulse(f"/dev/{line['chip']}", int(line["line"])), timeout_s)
    if not device.startswith("/"):
        raise UserError(f"--watchdog {device}: not a watchdog; {WATCHDOG_HELP}")
    return Watchdog(CharacterDevice(device, timeout_s), timeout_s)


def check_watchdog(device: str) -> None:
    """Refuse a device that cannot be used, without opening it: that would start it.

    Raises:
        UserError: it is no watchdog's name, is not there, or may not be written.
    """
    make_watchdog(device, 1.0)
    if not device:
        return
    line = WATCHDOG_GPIO.fullmatch(device)
    path = Path(f"/dev/{line['chip']}" if line else device)
    if not path.exists():
        raise UserError(f"watchdog {device}: {path} does not exist; load its driver (`softdog`, or the board's own)")
    if not os.access(path, os.W_OK):
        raise UserError(f"watchdog {device}: {path} may not be written by this user; see docs/service.md")
