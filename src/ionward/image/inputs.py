"""What enters the tick: raw samples with their times, and commands.

A channel is one measurement that a pack has at most once (current, bus voltage, HVIL, …). Cells and temperature
sensors are measured many times and have blocks of their own. Every raw sample is a value and the time at which it was
taken, on the clock of `time_s`; a value that has not come yet has the time minus infinity.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ionward.image.catalogue import Signal, record, rows
from ionward.image.signals import SITE_REASONS

Array = npt.NDArray[np.float64]

CLOCK_SIGNALS = (Signal("time_s", "s", "Time of this tick, monotonic"),)

RAW_FIELDS = (
    Signal("value", "", "Value as the sensor gave it, in SI units; NaN when the sensor says that it has none"),
    Signal("time_s", "s", "Time at which the sample was taken"),
)

CHANNEL_SIGNALS = (
    Signal("current_a", "A", "Pack current, positive when charging"),
    Signal("current_redundant_a", "A", "Pack current from the second, independent sensor"),
    Signal("pack_voltage_v", "V", "Voltage at the battery side of the contactors"),
    Signal("bus_voltage_v", "V", "Voltage of the DC link, at the load side of the contactors"),
    Signal("insulation_ohm", "Ω", "Insulation resistance of the high-voltage system to chassis"),
    Signal("coolant_inlet_c", "°C", "Coolant temperature at the inlet"),
    Signal("coolant_outlet_c", "°C", "Coolant temperature at the outlet"),
    Signal("ambient_c", "°C", "Ambient temperature"),
    Signal("hvil_closed", "", "High-voltage interlock loop: 1 closed, 0 open"),
    Signal("crash", "", "Crash signal: 1 crash, 0 none"),
    Signal("main_positive_closed", "", "Feedback of the positive main contactor: 1 closed, 0 open"),
    Signal("main_negative_closed", "", "Feedback of the negative main contactor: 1 closed, 0 open"),
    Signal("precharge_closed", "", "Feedback of the precharge contactor: 1 closed, 0 open"),
    # measurement points of the high-voltage path
    Signal("contactor_positive_c", "°C", "Contact of the positive main contactor"),
    Signal("contactor_negative_c", "°C", "Contact of the negative main contactor"),
    Signal("connector_positive_c", "°C", "High-voltage connector or busbar joint at the positive side"),
    Signal("connector_negative_c", "°C", "High-voltage connector or busbar joint at the negative side"),
    Signal("balancing_board_c", "°C", "Hottest balancing board, as the cell monitors report it"),
    Signal("positive_tap_v", "V", "Load side of the positive main contactor against the battery's minus"),
    Signal("negative_tap_v", "V", "The battery's plus against the load side of the negative main contactor"),
    Signal("cooling_running", "", "Tacho or flow feedback of the pump or fan: 1 turns, 0 stands still"),
    # what the cell monitors tell about themselves, and the pyrofuse about itself
    Signal("monitor_redundancy_v", "V", "Largest difference between main and redundant reading of a cell"),
    Signal("monitor_crc_errors", "", "Frames of the cell monitors dropped for a wrong checksum, counted"),
    Signal("monitor_sequence_errors", "", "Frames of the cell monitors repeated or lost, counted"),
    Signal("pyrofuse_intact", "", "Igniter loop of the pyrofuse: 1 intact, 0 open"),
)

COMMAND_SIGNALS = (
    Signal("connect", "", "Wish of the vehicle, EMS or operator", "i8", 0, 1, ("disconnect", "connect")),
    Signal("purpose", "", "What the connection is for", "i8", 0, 1, ("drive", "charge")),
    Signal("acknowledge_count", "", "Raised by one to acknowledge latched faults", "i8", 0),
    Signal("balancing_allowed", "", "Passive balancing may run", "i8", 0, 1, ("no", "yes")),
    Signal("charge_factor", "", "Advisory derating of the charge limit; can only lower it", "f8", 0, 1),
    Signal("discharge_factor", "", "Advisory derating of the discharge limit; can only lower it", "f8", 0, 1),
    Signal("balance_now", "", "Balance down to the stop threshold, without waiting for the start threshold", "i8", 0, 1,
           ("no", "yes")),
    Signal("clear_count", "", "Raised by one to clear the counts of faults that are over", "i8", 0),
    # In real time, what the processes around the tick say about it. All zero in simulated time.
    Signal("supervised", "", "Real time: enables and the rhythm of the cycle are watched", "i8", 0, 1, ("no", "yes")),
    Signal("enables", "", "The driver and the guard would let contactors be closed", "i8", 0, 1, ("no", "yes")),
    Signal("guard_withholds", "", "Why the guard withholds its enable; 0: it does not", "i8", 0),
    Signal("driver_tripped", "", "The driver has dropped the contactors until acknowledged", "i8", 0, 1, ("no", "yes")),
    Signal("driver_trips", "", "How often it did so since it started", "i8", 0),
    Signal("driven_differs", "", "The driver drives something else than control asked for last", "i8", 0, 1,
           ("no", "yes")),
    Signal("state_refused", "", "The kept state of the last run could not be used", "i8", 0, 1, ("no", "yes")),
    Signal("release_fault", "", "Fault whose lock the service action releases", "i8", 0),
    Signal("release_count", "", "Raised by one to release it", "i8", 0),
    Signal("overrun_share", "", "Overruns of the last ten seconds against what is permitted", minimum=0),
    # Of a pack that is one of several on a common bus. All zero for a pack alone.
    Signal("site", "", "This pack is one of several on a common bus", "i8", 0, 1, ("no", "yes")),
    Signal("may_close", "", "The other packs let it begin to close, and go on closing, now", "i8", 0, 1, ("no", "yes")),
    Signal("site_reason", "", "Why it has to wait for them", "i8", 0, len(SITE_REASONS) - 1, SITE_REASONS),
    Signal("bus_free", "", "All packs are heard, and none is on the bus: what is left there is precharged", "i8", 0, 1,
           ("no", "yes")),
)  # fmt: skip

CLOCK_RECORD = record(CLOCK_SIGNALS)
COMMAND_RECORD = record(COMMAND_SIGNALS)
RAW = rows("RawFields", RAW_FIELDS)
CHANNEL = rows("Channels", CHANNEL_SIGNALS)
CHANNELS = len(CHANNEL_SIGNALS)


class Raw(NamedTuple):
    """Raw samples of one tick. `cells`, `temperatures`, `channels` are `[RAW field, item]`."""

    clock: Any
    channels: Array
    cells: Array
    temperatures: Array


def new_raw(cells: int, temperatures: int) -> Raw:
    """Raw samples of a pack that has not been measured yet."""

    def block(items: int) -> Array:
        values = np.full((len(RAW), items), np.nan)
        values[RAW.time_s] = -np.inf
        return values

    return Raw(np.zeros(1, CLOCK_RECORD), block(CHANNELS), block(cells), block(temperatures))


def new_command() -> Any:
    """A command record that asks for nothing: disconnected, balancing allowed, no derating."""
    command = np.zeros(1, COMMAND_RECORD)
    command["balancing_allowed"] = 1
    command["charge_factor"] = 1.0
    command["discharge_factor"] = 1.0
    return command
