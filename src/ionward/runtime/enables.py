"""Where contactors are driven: only while two enables keep being renewed. Each one expires by itself.

Pure: records and times in, coils out. Whoever owns the coil drivers steps it in each of its cycles and does what it
says. A stop while coils were energised is a *trip*: it holds until a person acknowledges after it, and both enables
are back. The pyrofuse (`runtime.pyrofuse`) needs two who call for it as well, but no enable: it can only ever
disconnect.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ionward.image.exchange import (
    TRIP_CONTROL_EXPIRED,
    TRIP_GUARD_EXPIRED,
    TRIP_GUARD_WITHDREW,
    TRIP_NONE,
    TRIP_STOOD,
    TRIP_SUPERVISOR,
)
from ionward.runtime.pyrofuse import NO_PYROFUSE, WHOLE, Path, Pyrofuse, PyrofuseSetup

# Default: control or guard dead, and the contactors open within 100 ms with the driver's cycle and their own release.
EXPIRY_S = 0.05
EXPIRY_CYCLES = 3


def default_expiry_s(cycle_s: float) -> float:
    """How long an enable lasts without being renewed. Meets SR-151."""
    return max(EXPIRY_S, EXPIRY_CYCLES * cycle_s)


class Coils(NamedTuple):
    """What is driven in this cycle. The rest of the wishes (cooling, bleeding) counts only while `obeyed`."""

    main_positive: bool
    main_negative: bool
    precharge: bool
    pyrofuse: bool
    obeyed: bool

    @property
    def closed(self) -> bool:
        """Some coil is energised."""
        return self.main_positive or self.main_negative or self.precharge


ALL_OPEN = Coils(False, False, False, False, False)


class Enables:
    """Both enables, the trip, and when coils were switched off last."""

    def __init__(self, expiry_s: float, pyrofuse: PyrofuseSetup = NO_PYROFUSE) -> None:
        self.expiry_s = expiry_s
        self.pyrofuse = Pyrofuse(pyrofuse)
        self.tripped = False
        self.trip_reason = TRIP_NONE
        self.trip_count = 0
        self.trip_time_s = math.nan
        self.opened_time_s = math.nan
        self.control_fresh = False
        self.guard_fresh = False
        self.coils = ALL_OPEN
        self._last_s = math.nan

    def step(self, now_s: float, control: Any, guard: Any, alive: bool = True, path: Path = WHOLE) -> Coils:
        """What to drive now.

        Args:
            now_s: time of this cycle.
            control: newest word of control, by the names of `CONTROL_SIGNALS`; time minus infinity: there is none.
            guard: newest word of the guard, by those of `GUARD_SIGNALS`.
            alive: False when the supervisor has gone: everything opens.
            path: what the samples say of igniter loop and contacts.

        Meets SR-150, SR-152, SR-153, SR-154, SR-156.
        """
        self.control_fresh = self._is_fresh(now_s, control["time_s"])
        guard_heard = self._is_fresh(now_s, guard["time_s"])
        self.guard_fresh = guard_heard and guard["enable"] == 1
        stood = now_s - self._last_s > self.expiry_s
        self._last_s = now_s
        if self.tripped and self._acknowledged(control) and not stood:
            self.tripped = False
        reason = TRIP_NONE
        if not alive:
            reason = TRIP_SUPERVISOR
        elif stood:
            reason = TRIP_STOOD
        elif not self.control_fresh:
            reason = TRIP_CONTROL_EXPIRED
        elif not self.guard_fresh:
            reason = TRIP_GUARD_WITHDREW if guard_heard else TRIP_GUARD_EXPIRED
        if reason != TRIP_NONE and self.coils.closed:
            self.tripped, self.trip_reason, self.trip_time_s = True, reason, now_s
            self.trip_count += 1
        may_close = reason == TRIP_NONE and not self.tripped
        fires = self.pyrofuse.step(
            now_s, self.coils.closed, path, self.control_fresh and bool(control["pyrofuse"] == 1),
            guard_heard and bool(guard["pyrofuse"] == 1), not may_close,
        )  # fmt: skip
        coils = ALL_OPEN._replace(pyrofuse=fires and alive)
        if self.control_fresh and alive:
            coils = Coils(
                may_close and bool(control["main_positive"] == 1),
                may_close and bool(control["main_negative"] == 1),
                may_close and bool(control["precharge"] == 1),
                fires,
                True,
            )
        if self.coils.closed and not coils.closed:
            self.opened_time_s = now_s
        self.coils = coils
        return coils

    def _is_fresh(self, now_s: float, time_s: float) -> bool:
        """Renewed within the expiry; a time in the future by more than that is as wrong as an old one. Meets SR-151."""
        return bool(abs(now_s - time_s) <= self.expiry_s)

    def _acknowledged(self, control: Any) -> bool:
        """A person has acknowledged after the trip, and both enables are there again. Meets SR-152."""
        return bool(self.control_fresh and self.guard_fresh and control["acknowledged_s"] > self.trip_time_s)

    def told(self) -> tuple[float, ...]:
        """Coils, enables, trip, pyrofuse: in the order of `DRIVEN_SIGNALS` from `main_positive` to `pyrofuse_test`."""
        coils = self.coils
        return (
            coils.main_positive, coils.main_negative, coils.precharge, coils.pyrofuse, self.control_fresh,
            self.guard_fresh, self.tripped, self.trip_reason, self.trip_count, self.trip_time_s, self.opened_time_s,
            self.pyrofuse.armed, self.pyrofuse.test,
        )  # fmt: skip
