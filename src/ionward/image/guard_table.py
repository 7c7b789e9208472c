"""The guard's own table: what it is told about a pack. Plain numbers, so that the guard needs nothing else to load.

`image.guard_limits` makes it from a pack description; the plan of a run carries it as JSON.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


class Watch(NamedTuple):
    """How the samples of one kind of measurement are watched. All in the kind's own unit and in seconds.

    A sample outside `range_low`..`range_high` is no measurement. New samples beyond `low`..`high`, `samples` in a row
    and for `delay_s`, are beyond the absolute limit. Nothing readable for `blind_after_s` blinds the guard. Minus and
    plus infinity stand for no limit.
    """

    fitted: bool
    range_low: float
    range_high: float
    low: float
    high: float
    age_max_s: float
    samples: int
    delay_s: float
    blind_after_s: float


class GuardLimits(NamedTuple):
    """Everything that the guard is told. Currents positive when charging.

    `module_sensors` `[module with sensors]`: number of each module's first temperature sensor. A module whose sensors
    are all lost is not watched.
    """

    cycle_s: float
    cells: int
    sensors: int
    cell_voltage: Watch
    temperature: Watch
    current: Watch
    current_redundant: Watch
    pack_voltage: Watch
    bus_voltage: Watch
    crash: Watch
    module_sensors: Numbers
    # The processes beside it.
    io_deadline_s: float  # the samples' process must come on within this
    answer_deadline_s: float  # a challenge that control has answered may be so old
    stood_after_s: float  # a longer pause between two steps of the guard itself counts as standing still
    slow_deadline_s: float  # balancing and cooling must each have run again within this
    start_cycles: int  # good cycles in a row before the enable is given
    # Control's wish.
    has_contactors: bool
    has_precharge: bool
    has_pyrofuse: bool
    one_way: bool  # the positive switch blocks discharge only, the negative one charge only
    diode_v: float  # over an open one-way switch bus and pack may differ by this as well
    # A one-way switch may not be newly wished closed while new samples of a cell in a row are beyond these.
    charge_close_max_v: float
    discharge_close_min_v: float
    bus_match_v: float  # bus and pack may differ by this when the positive contactor is wished closed
    bus_dead_v: float  # a bus below this may be closed onto; 0 where there is a precharge path
    bus_memory_s: float  # a reading of bus or pack voltage counts for so long
    precharge_max_s: float  # the precharge path may be wished closed for so long
    pyrofuse_least_a: float  # the pyrofuse may be wished for only after a current above this
    pyrofuse_memory_s: float  # … within this time
    opening_max_s: float  # something may be wished closed for so long while protection asks to open
    # Above this, neither contactor may break the current of this direction: it is left to the fuse for `fuse_wait_s`.
    break_charge_a: float
    break_discharge_a: float
    current_most_a: float  # no sensor can read more: such a reading is no current
    fuse_wait_s: float
    # Its own condition for the pyrofuse: new samples of such a current, or of a crash.
    pyrofuse_samples: int  # in a row
    pyrofuse_on_crash: bool

    def as_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold; an infinite number becomes None."""
        return {name: _plain(value) for name, value in self._asdict().items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> GuardLimits:
        """Take `as_dict` back.

        Raises:
            KeyError: a value is missing.
        """
        return cls(**{name: _value(name, values[name]) for name in cls._fields})


_WATCHES = frozenset(("cell_voltage", "temperature", "current", "current_redundant", "pack_voltage", "bus_voltage",
                      "crash"))  # fmt: skip
# Numbers that may be infinite, and the sign that they then have.
_LOWEST = frozenset(("range_low", "low"))


def _plain(value: Any) -> Any:
    if isinstance(value, Watch):
        return {name: _plain(each) for name, each in value._asdict().items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    return None if isinstance(value, float) and math.isinf(value) else value


def _value(name: str, value: Any) -> Any:
    if name in _WATCHES:
        return Watch(**{field: _value(field, value[field]) for field in Watch._fields})
    if name == "module_sensors":
        return np.array(value, dtype=np.int64)
    if value is None:
        return -math.inf if name in _LOWEST else math.inf
    return value
