"""What the processes of a running BMS tell each other, each record with one writer.

`image.blocks` carries them. Times are seconds of the machine's monotonic clock, which all processes share.
"""

from __future__ import annotations

from ionward.image.catalogue import Signal, record

YES_NO = ("no", "yes")

# Why a process withholds its enable, or why the driver lets the contactors drop.
GUARD_REASONS = (
    "",
    "starting",
    "no samples from the sensors' process",
    "control is silent",
    "control's answer to the challenge is wrong",
    "a stage of the tick did not run",
    "cell voltage beyond its absolute limit",
    "temperature beyond its absolute limit",
    "current beyond its absolute limit",
    "too few measurements to watch the pack",
    "control wants to close onto a bus that does not match",
    "control's wish for the contactors is not plausible",
    "the guard itself stood still",
    "a stop is waiting to be acknowledged",
    "control's parameter tables have changed",
    "control works on other samples than the driver gave",
)
(GUARD_OK, GUARD_STARTING, GUARD_NO_SAMPLES, GUARD_SILENT, GUARD_ANSWER, GUARD_FLOW, GUARD_VOLTAGE, GUARD_TEMPERATURE,
 GUARD_CURRENT, GUARD_BLIND, GUARD_BUS, GUARD_WISH, GUARD_STOOD, GUARD_LATCHED, GUARD_TABLES,
 GUARD_INPUT) = range(len(GUARD_REASONS))  # fmt: skip

TRIP_REASONS = (
    "",
    "control's enable expired",
    "the guard's enable expired",
    "the guard withdrew its enable",
    "the driver itself stood still",
    "the supervisor has gone",
)
(TRIP_NONE, TRIP_CONTROL_EXPIRED, TRIP_GUARD_EXPIRED, TRIP_GUARD_WITHDREW, TRIP_STOOD,
 TRIP_SUPERVISOR) = range(len(TRIP_REASONS))  # fmt: skip

# The hardware watchdog, as the driver treats it.
WATCHDOG_STATES = ("none", "not started", "stroked", "not stroked", "closed in order", "failed")
(WATCHDOG_NONE, WATCHDOG_WAITING, WATCHDOG_STROKED, WATCHDOG_WITHHELD, WATCHDOG_CLOSED,
 WATCHDOG_FAILED) = range(len(WATCHDOG_STATES))  # fmt: skip

# Written by `io` (or `plant`, with the simulated battery behind it) in each of its cycles, behind the raw samples.
DRIVEN_SIGNALS = (
    Signal("time_s", "s", "Time of this cycle"),
    Signal("cycle", "", "Cycles of the driver since it started", "i8", 0),
    Signal("main_positive", "", "Coil of the positive main contactor, as driven", "i8", 0, 1, ("open", "closed")),
    Signal("main_negative", "", "Coil of the negative main contactor, as driven", "i8", 0, 1, ("open", "closed")),
    Signal("precharge", "", "Coil of the precharge contactor, as driven", "i8", 0, 1, ("open", "closed")),
    Signal("pyrofuse", "", "Pyrofuse, as driven", "i8", 0, 1, ("no", "fired")),
    Signal("control_enable", "", "Control's enable is fresh", "i8", 0, 1, YES_NO),
    Signal("guard_enable", "", "The guard's enable is fresh and given", "i8", 0, 1, YES_NO),
    Signal("tripped", "", "Coils were dropped and stay so until acknowledged", "i8", 0, 1, YES_NO),
    Signal("trip_reason", "", "Why", "i8", 0, len(TRIP_REASONS) - 1, TRIP_REASONS),
    Signal("trip_count", "", "Trips since the driver started", "i8", 0),
    Signal("trip_time_s", "s", "Time of the last trip; NaN none"),
    Signal("opened_time_s", "s", "Time at which the coils were last switched from closed to open; NaN never"),
    Signal("pyrofuse_armed", "", "The path can carry current and the igniter loop is intact", "i8", 0, 1, YES_NO),
    Signal("pyrofuse_test", "", "Test mode: the pyrofuse can never be fired", "i8", 0, 2,
           ("no", "yes", "yes, and a firing was refused")),
    Signal("watchdog", "", "Hardware watchdog", "i8", 0, len(WATCHDOG_STATES) - 1, WATCHDOG_STATES),
    Signal("vehicle_connect", "", "The vehicle or inverter wishes to be connected", "i8", 0, 1, YES_NO),
    Signal("vehicle_purpose", "", "What for", "i8", 0, 1, ("drive", "charge")),
    Signal("vehicle_acknowledge", "", "Acknowledgements that came over the vehicle's side", "i8", 0),
    Signal("vehicle_balancing", "", "The vehicle or inverter allows balancing", "i8", 0, 1, YES_NO),
    Signal("vehicle_charge_factor", "", "Derating of the charge limit that it asks for", "f8", 0, 1),
    Signal("vehicle_discharge_factor", "", "Derating of the discharge limit that it asks for", "f8", 0, 1),
    Signal("injection", "", "Number of the last fault injection that was taken up", "i8", 0),
    Signal("injection_refused", "", "It was refused", "i8", 0, 1, YES_NO),
    Signal("scenario_s", "s", "Where the scenario stands; NaN: none runs"),
    Signal("scenario_rounds", "", "How often the scenario has been run through", "i8", 0),
    Signal("fuse_blown", "", "The main fuse has blown, as the simulated battery knows it; -1 not known", "i8", -1, 1),
)  # fmt: skip

# What protection asks for, as control's record says it.
REQUESTS = ("nothing", "open in order", "open now", "open the charge switch", "open the discharge switch")
(REQUEST_NOTHING, REQUEST_IN_ORDER, REQUEST_NOW, REQUEST_CHARGE, REQUEST_DISCHARGE) = range(len(REQUESTS))

# Written by control in each tick. `bleed`, one word for each cell, stands behind it in the block.
CONTROL_SIGNALS = (
    Signal("time_s", "s", "Time of this tick"),
    Signal("tick", "", "Number of the tick since the start of this process's memory", "i8", 0),
    Signal("driver_cycle", "", "Driver cycle whose samples this tick has seen", "i8", 0),
    Signal("challenge", "", "Challenge of the guard that is answered here", "i8"),
    Signal("answer", "", "Answer to it", "i8"),
    Signal("table_sum", "", "Checksum of the slice of control's parameter tables that the challenge names", "i8"),
    Signal("sample_sum", "", "Sum over the raw samples that this tick has seen", "i8"),
    Signal("flow", "", "Program flow of the tick: what its stages left when each came to its end", "i8"),
    Signal("balance_runs", "", "How often the balancing stage has run", "i8", 0),
    Signal("cool_runs", "", "How often the cooling stage has run", "i8", 0),
    Signal("main_positive", "", "Wish", "i8", 0, 1, ("open", "close")),
    Signal("main_negative", "", "Wish", "i8", 0, 1, ("open", "close")),
    Signal("precharge", "", "Wish", "i8", 0, 1, ("open", "close")),
    Signal("pyrofuse", "", "Wish", "i8", 0, 1, YES_NO),
    Signal("open_request", "", "What protection asks for", "i8", 0, len(REQUESTS) - 1, REQUESTS),
    Signal("pump", "", "Demand", "f8", 0, 1),
    Signal("fan", "", "Demand", "f8", 0, 1),
    Signal("heater", "", "Demand", "f8", 0, 1),
    Signal("state", "", "State of the sequence", "i8", 0),
    Signal("charge_limit_a", "A", "Charge limit", minimum=0),
    Signal("discharge_limit_a", "A", "Discharge limit", minimum=0),
    Signal("acknowledge_count", "", "Acknowledgements of a person since the start, as control counts them", "i8", 0),
    Signal("acknowledged_s", "s", "Time at which a person acknowledged last; -inf never"),
    Signal("command", "", "Number of the last command taken up", "i8", 0),
    Signal("command_result", "", "Why it was refused; 0: accepted", "i8", 0),
)  # fmt: skip

# Written by the guard in each of its cycles.
GUARD_SIGNALS = (
    Signal("time_s", "s", "Time of this cycle"),
    Signal("cycle", "", "Cycles since the guard started", "i8", 0),
    Signal("enable", "", "The guard lets contactors be closed", "i8", 0, 1, YES_NO),
    Signal("reason", "", "Why not", "i8", 0, len(GUARD_REASONS) - 1, GUARD_REASONS),
    Signal("place", "", "Cell, sensor or contactor that it is about, -1 none", "i8", -1),
    Signal("value", "", "Value that was judged; NaN none"),
    Signal("challenge", "", "Challenge that control has to answer", "i8"),
    Signal("tripped", "", "The enable was withdrawn and waits to be acknowledged", "i8", 0, 1, YES_NO),
    Signal("trip_reason", "", "Why it was withdrawn", "i8", 0, len(GUARD_REASONS) - 1, GUARD_REASONS),
    Signal("trip_count", "", "How often it was withdrawn since the guard started", "i8", 0),
    Signal("pyrofuse", "", "Its own samples call for the pyrofuse", "i8", 0, 1, YES_NO),
)  # fmt: skip

COMMANDS = (
    "connect", "disconnect", "acknowledge", "clear_faults", "balance_now", "balance_auto", "balance_off",
    "derate_charge", "derate_discharge", "release",
)  # fmt: skip
(COMMAND_CONNECT, COMMAND_DISCONNECT, COMMAND_ACKNOWLEDGE, COMMAND_CLEAR, COMMAND_BALANCE_NOW, COMMAND_BALANCE_AUTO,
 COMMAND_BALANCE_OFF, COMMAND_DERATE_CHARGE, COMMAND_DERATE_DISCHARGE,
 COMMAND_RELEASE) = range(len(COMMANDS))  # fmt: skip

# Why control refuses a command.
REFUSALS = (
    "",
    "a fault is present: see the list of faults",
    "latched faults wait to be acknowledged first",
    "the pack does not switch its own contactors",
    "a fault is still active: it can be acknowledged when its cause is gone",
    "nothing waits to be acknowledged",
    "the pack has no balancing",
    "unknown command",
    "the value must lie between 0 and 1",
    "the BMS is being stopped",
    "measurements are not complete yet",
    "already so",
    "it came too late: control was not there when it was given; give it again",
    "this fault is no lock, or is not locked",
    "what waits is a lock: it is released by the service action `release` only",
    "what waits must cool down first: see its fault for how long",
)
(REFUSED_NOT, REFUSED_FAULT, REFUSED_LATCHED, REFUSED_NO_CONTACTORS, REFUSED_ACTIVE, REFUSED_NOTHING,
 REFUSED_BALANCING, REFUSED_UNKNOWN, REFUSED_VALUE, REFUSED_STOPPING, REFUSED_MEASUREMENT,
 REFUSED_ALREADY, REFUSED_LATE, REFUSED_NO_LOCK, REFUSED_LOCK, REFUSED_COOLING) = range(len(REFUSALS))  # fmt: skip

# Written by `services`: one slot for each command of a person or a gateway.
COMMAND_MESSAGE_SIGNALS = (
    Signal("time_s", "s", "When it was given"),
    Signal("command", "", "Which", "i8", 0, len(COMMANDS) - 1, COMMANDS),
    Signal("value", "", "Its value, where it takes one"),
)
# Written by `services`: one slot for each fault to be injected into the simulated battery.
INJECTION_SIGNALS = (
    Signal("time_s", "s", "When it was given"),
    Signal("fault", "", "Number in the catalogue of faults to inject", "i8", 0),
    Signal("end", "", "End this fault (and all others, where fault is -1) instead of making it", "i8", 0, 1, YES_NO),
    Signal("place_kind", "", "How the place is given", "i8", 0, 2, ("none", "number", "text")),
    Signal("place_number", "", "Cell or module", "i8"),
    *(Signal(f"place_text_{k}", "", "Name of the place, eight bytes of UTF-8 a word", "i8") for k in range(8)),
    Signal("value", "", "How strong; NaN: the fault's default"),
)  # fmt: skip

# Written by the supervisor.
SUPERVISOR_SIGNALS = (
    Signal("time_s", "s", "Time of its last look at the processes"),
    Signal("stopping", "", "The BMS is to open its contactors and end", "i8", 0, 1, YES_NO),
)
# Written by every process about itself.
RIGHTS = ("not asked for", "permitted", "refused")
LATENESS_BINS = 48  # bin k ends at 2 ** ((k + 1) / 2) µs: 1.4 µs to 16.8 s
HEALTH_SIGNALS = (
    Signal("pid", "", "Process", "i8", 0),
    Signal("time_s", "s", "Time of its last cycle"),
    Signal("started_s", "s", "When it started"),
    Signal("period_s", "s", "Length of its cycle; 0 none"),
    Signal("cycles", "", "Cycles since it started", "i8", 0),
    Signal("overruns_own", "", "Cycles that took longer than the period of own CPU time", "i8", 0),
    Signal("overruns_late", "", "Cycles that were over too late because it was woken late or displaced", "i8", 0),
    Signal("skipped", "", "Cycles left out to catch up", "i8", 0),
    Signal("lateness_max_s", "s", "Latest waking"),
    Signal("cycle_max_s", "s", "Longest cycle"),
    Signal("fifo", "", "Real-time priority", "i8", 0, 2, RIGHTS),
    Signal("memory_locked", "", "Memory locked", "i8", 0, 2, RIGHTS),
    Signal("state", "", "0 starting, 1 running, 2 ending", "i8", 0, 2, ("starting", "running", "ending")),
    *(Signal(f"late_{k}", "", "Cycles woken so late (histogram)", "i8", 0) for k in range(LATENESS_BINS)),
    *(Signal(f"took_{k}", "", "Cycles that took so long (histogram)", "i8", 0) for k in range(LATENESS_BINS)),
)  # fmt: skip

DRIVEN_RECORD = record(DRIVEN_SIGNALS)
CONTROL_RECORD = record(CONTROL_SIGNALS)
GUARD_RECORD = record(GUARD_SIGNALS)
COMMAND_MESSAGE_RECORD = record(COMMAND_MESSAGE_SIGNALS)
INJECTION_RECORD = record(INJECTION_SIGNALS)
SUPERVISOR_RECORD = record(SUPERVISOR_SIGNALS)
HEALTH_RECORD = record(HEALTH_SIGNALS)

FLOW_SEED = 0x5EED
FLOW_FACTOR = 1103515245
FLOW_MASK = 0x7FFFFFFF
FLOW_STAGES = ("validate", "protect", "estimate", "limit", "sequence", "balance", "cool")
