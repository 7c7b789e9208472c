"""What the BMS knows: the rows of the image."""

from __future__ import annotations

from ionward.image.catalogue import Signal, record, rows

QUALITIES = ("good", "held", "bad", "not fitted")
GOOD, HELD, BAD, NOT_FITTED = range(len(QUALITIES))

# Why a measurement is not good.
REASONS = ("", "no value", "out of range", "too fast", "too old", "frozen", "disagrees", "not fitted", "wrong time")
(REASON_NONE, REASON_NO_VALUE, REASON_RANGE, REASON_RATE, REASON_OLD, REASON_FROZEN, REASON_DISAGREES,
 REASON_NOT_FITTED, REASON_TIME) = range(len(REASONS))  # fmt: skip

STATES = ("init", "standby", "precharge", "closing", "connected", "opening", "fault")
(STATE_INIT, STATE_STANDBY, STATE_PRECHARGE, STATE_CLOSING, STATE_CONNECTED, STATE_OPENING,
 STATE_FAULT) = range(len(STATES))  # fmt: skip

# Why a pack that is one of several on a common bus has to wait for the others.
SITE_REASONS = (
    "",
    "the unit is not heard",
    "the pack is not ready",
    "its voltage or resistance is not known",
    "more would flow into it than it may be charged with",
    "more would flow out of it than it may be discharged with",
    "a pack on the bus would be charged with more than it may",
    "a pack on the bus would be discharged with more than it may",
    "another pack goes first",
    "by its own measurements the bus does not match it",
    "it asks the others for its turn to close",
    "too few units are heard: no majority",
    "another unit has the same name",
    "its bus reads dead although other packs are on it: check its sensor, fuse and cable",
    "its try to close failed: it rests while others go first",
    "it was taken out for maintenance",
)
(WAIT_NONE, WAIT_SILENT, WAIT_READY, WAIT_UNKNOWN, WAIT_INTO, WAIT_OUT_OF, WAIT_OTHER_CHARGED, WAIT_OTHER_DISCHARGED,
 WAIT_TURN, WAIT_APART, WAIT_ROLE, WAIT_MAJORITY, WAIT_NAME, WAIT_BUS_DEAD, WAIT_REST,
 WAIT_OUT) = range(len(SITE_REASONS))  # fmt: skip

# What holds a connection back, or ended it. Shown to the person who asked for it. The last ones, from HOLD_PEERS on,
# are those of the site, one for each of its reasons.
SEQUENCE_REASONS = (
    "",
    "no connection asked for",
    "measurements not complete yet",
    "a fault is present",
    "a latched fault waits to be acknowledged",
    "the bus is live and does not match the pack",
    "precharge took too long",
    "precharge current too high",
    "precharge resistor must cool down",
    "a contactor did not close",
    "a contactor did not open",
    "all precharge tries are used up",
    "waiting for the current to fall",
    "the bus voltage does not rise: short circuit or load on the bus",
    "the bus voltage rose at once: no capacitor, or the precharge path is bypassed",
    "the bus became live before the positive contactor was closed: a contactor is welded",
    "opening could not be proven: no feedback contact, and the bus has kept its voltage",
    "the wish to connect must be withdrawn first",
    "the current is above what the contactors may break: left to the fuse",
    "the guard or the driver withholds its enable",
    "the reading of the bus voltage does not move: its sensor may be frozen",
    "a fault blocks charging: the pack can only be discharged",
    "a fault blocks discharging: the pack can only be charged",
    *(f"waiting for the site{': ' if reason else ''}{reason}" for reason in SITE_REASONS),
)
(HOLD_NONE, HOLD_NO_WISH, HOLD_MEASUREMENT, HOLD_FAULT, HOLD_LATCHED, HOLD_BUS_LIVE, HOLD_PRECHARGE_SLOW,
 HOLD_PRECHARGE_CURRENT, HOLD_RESISTOR_HOT, HOLD_NOT_CLOSED, HOLD_NOT_OPENED, HOLD_TRIES_USED, HOLD_CURRENT,
 HOLD_BUS_SHORT, HOLD_BUS_FAST, HOLD_WELDED, HOLD_UNPROVEN, HOLD_WISH,
 HOLD_BREAK, HOLD_ENABLES, HOLD_BUS_FROZEN, HOLD_CHARGE_BLOCKED,
 HOLD_DISCHARGE_BLOCKED, HOLD_PEERS) = range(len(SEQUENCE_REASONS) - len(SITE_REASONS) + 1)  # fmt: skip

LIMIT_RULES = (
    "none",
    "rated current of the pack",
    "cell voltage",
    "cell temperature",
    "SOC",
    "estimate not ready",
    "measurement lost",
    "warning",
    "fault",
    "pack not connected",
    "advisory",
    "pulse budget used up",
)
(RULE_NONE, RULE_RATED, RULE_VOLTAGE, RULE_TEMPERATURE, RULE_SOC, RULE_ESTIMATE, RULE_MEASUREMENT, RULE_WARNING,
 RULE_FAULT, RULE_NOT_CONNECTED, RULE_ADVISORY, RULE_PULSE) = range(len(LIMIT_RULES))  # fmt: skip

OPEN_REQUESTS = ("none", "in order", "now")
OPEN_NONE, OPEN_IN_ORDER, OPEN_NOW = range(len(OPEN_REQUESTS))

LEVELS = ("none", "info", "warning", "fault", "critical")
LEVEL_NONE, LEVEL_INFO, LEVEL_WARNING, LEVEL_FAULT, LEVEL_CRITICAL = range(len(LEVELS))

IMAGE_SIGNALS = (
    Signal("time_s", "s", "Time of the tick that made this image"),
    Signal("tick", "", "Number of ticks since the start", "i8", 0),
    Signal("dt_s", "s", "Time since the tick before"),
    Signal("flow", "", "Program flow: what each stage left when it came to its end", "i8"),
    Signal("balance_runs", "", "Runs of the balancing stage since the start", "i8", 0),
    Signal("cool_runs", "", "Runs of the cooling stage since the start", "i8", 0),
    # validate
    Signal("current_a", "A", "Pack current after comparison of the sensors, positive when charging"),
    Signal("current_quality", "", "Quality of the pack current", "i8", 0, 3, QUALITIES),
    Signal("current_age_s", "s", "Age of the pack current", minimum=0),
    Signal("cell_voltage_sum_v", "V", "Sum of the cell voltages; NaN unless all are usable"),
    Signal("cell_sum_difference_v", "V", "Cell sum minus pack voltage at steady current; NaN while not comparable"),
    Signal("cell_voltage_min_v", "V", "Lowest usable cell voltage"),
    Signal("cell_voltage_max_v", "V", "Highest usable cell voltage"),
    Signal("cell_voltage_mean_v", "V", "Mean of the usable cell voltages"),
    Signal("cell_voltage_min_cell", "", "Cell with the lowest voltage, -1 none", "i8", -1),
    Signal("cell_voltage_max_cell", "", "Cell with the highest voltage, -1 none", "i8", -1),
    Signal("temperature_min_c", "°C", "Lowest usable cell temperature"),
    Signal("temperature_max_c", "°C", "Highest usable cell temperature"),
    Signal("temperature_mean_c", "°C", "Mean of the usable cell temperatures"),
    Signal("temperature_min_sensor", "", "Sensor with the lowest temperature, -1 none", "i8", -1),
    Signal("temperature_max_sensor", "", "Sensor with the highest temperature, -1 none", "i8", -1),
    Signal("cells_usable", "", "Cell voltages that are good or held", "i8", 0),
    Signal("temperatures_usable", "", "Temperature sensors that are good or held", "i8", 0),
    Signal("cell_samples", "", "Sweeps of the cell voltages with at least one new sample", "i8", 0),
    Signal("temperature_samples", "", "Sweeps of the temperatures with at least one new sample", "i8", 0),
    Signal("current_samples", "", "New samples of the pack current", "i8", 0),
    Signal("rejected_samples", "", "Samples refused since the start", "i8", 0),
    # safety
    Signal("fault_level", "", "Highest level of all faults", "i8", 0, 4, LEVELS),
    Signal("open_request", "", "How protection wants the contactors opened", "i8", 0, 2, OPEN_REQUESTS),
    Signal("open_fault", "", "Number of the fault that asked for opening, -1 none", "i8", -1),
    Signal("open_by_s", "s", "An opening in order must not wait longer than until this time; NaN none"),
    Signal("charge_open_request", "", "Protection wants the one-way switch opened that blocks charge", "i8", 0, 1,
           ("no", "yes")),
    Signal("discharge_open_request", "", "Protection wants the one-way switch opened that blocks discharge", "i8", 0, 1,
           ("no", "yes")),
    Signal("charge_allowed", "", "Protection allows charging", "i8", 0, 1, ("no", "yes")),
    Signal("discharge_allowed", "", "Protection allows discharging", "i8", 0, 1, ("no", "yes")),
    Signal("balance_allowed", "", "Protection allows balancing", "i8", 0, 1, ("no", "yes")),
    Signal("derate", "", "A warning asks for lower limits", "i8", 0, 1, ("no", "yes")),
    Signal("latched_faults", "", "Faults that wait to be acknowledged", "i8", 0),
    Signal("masked_faults", "", "Faults that are told only, because a mask holds", "i8", 0),
    Signal("contactor_wear_positive", "", "Share of its life that the positive contactor has used up", "f8", 0),
    Signal("contactor_wear_negative", "", "Share of its life that the negative contactor has used up", "f8", 0),
    Signal("retried", "", "The last latch was let go by a retry: the wish to connect still counts", "i8", 0, 1),
    Signal("pyrofuse_fire", "", "Protection wants the pyrofuse fired", "i8", 0, 1, ("no", "yes")),
    Signal("event_count", "", "Events written to the event ring since the start", "i8", 0),
    # estimate
    Signal("soc", "", "SOC of the pack: what can be used until the first cell is empty or full", "f8", 0, 1),
    Signal("soc_std", "", "Standard deviation of the pack SOC", "f8", 0, 1),
    Signal("soc_min", "", "Lowest cell SOC", "f8", 0, 1),
    Signal("soc_max", "", "Highest cell SOC", "f8", 0, 1),
    Signal("soc_mean", "", "Mean cell SOC", "f8", 0, 1),
    Signal("soh", "", "State of health; NaN means not estimated", "f8", 0, 1),
    Signal("estimate_ready", "", "SOC has been started from a measurement", "i8", 0, 1, ("no", "yes")),
    Signal("charge_throughput_ah", "Ah", "Charge put in since the start", minimum=0),
    Signal("discharge_throughput_ah", "Ah", "Charge taken out since the start", minimum=0),
    Signal("remaining_energy_wh", "Wh", "Energy that can still be taken out at small current", minimum=0),
    # limit
    Signal("charge_limit_a", "A", "Charge current limit, continuous", minimum=0),
    Signal("discharge_limit_a", "A", "Discharge current limit, continuous, as a positive number", minimum=0),
    Signal("charge_limit_pulse_a", "A", "Charge current limit for ten seconds", minimum=0),
    Signal("discharge_limit_pulse_a", "A", "Discharge current limit for ten seconds, positive", minimum=0),
    Signal("charge_limit_rule", "", "Rule that sets the charge limit", "i8", 0, 11, LIMIT_RULES),
    Signal("discharge_limit_rule", "", "Rule that sets the discharge limit", "i8", 0, 11, LIMIT_RULES),
    Signal("charge_limit_place", "", "Cell, sensor or fault that sets the charge limit, -1 none", "i8", -1),
    Signal("discharge_limit_place", "", "Cell, sensor or fault that sets the discharge limit, -1 none", "i8", -1),
    # sequence
    Signal("state", "", "State of the connection sequence", "i8", 0, 6, STATES),
    Signal("state_since_s", "s", "Time at which this state was entered"),
    Signal("state_reason", "", "What holds the connection back or ended it", "i8", 0, len(SEQUENCE_REASONS) - 1,
           SEQUENCE_REASONS),
    Signal("precharge_tries", "", "Tries of this connection", "i8", 0),
    Signal("main_positive_close", "", "Positive main contactor is to be closed", "i8", 0, 1, ("open", "close")),
    Signal("main_negative_close", "", "Negative main contactor is to be closed", "i8", 0, 1, ("open", "close")),
    Signal("precharge_close", "", "Precharge contactor is to be closed", "i8", 0, 1, ("open", "close")),
    # balance
    Signal("balancing_cells", "", "Cells being bled now", "i8", 0),
    Signal("balancing_parity", "", "Which of the neighbouring cells may be bled now", "i8", 0, 1, ("even", "odd")),
    Signal("balancing_heat_w", "W", "Heat of all balancing resistors", minimum=0),
    # cool
    Signal("pump", "", "Coolant pump demand", "f8", 0, 1),
    Signal("fan", "", "Fan or chiller demand", "f8", 0, 1),
    Signal("heater", "", "Heater demand", "f8", 0, 1),
)  # fmt: skip

MEASUREMENT_FIELDS = (
    Signal("value", "", "Validated value; the last good one while held; NaN when bad or not fitted"),
    Signal("age_s", "s", "Age of the sample", minimum=0),
    Signal("quality", "", "Quality of the value", "i8", 0, 3, QUALITIES),
    Signal("reason", "", "Why the value is not good", "i8", 0, 8, REASONS),
    Signal("new", "", "A new sample came in this tick", "i8", 0, 1, ("no", "yes")),
)

CELL_SIGNALS = (
    # The first five are the measurement fields, so that one validation serves channels, sensors and cells.
    Signal("voltage_v", "V", "Validated cell voltage"),
    Signal("age_s", "s", "Age of the cell voltage", minimum=0),
    Signal("quality", "", "Quality of the cell voltage", "i8", 0, 3, QUALITIES),
    Signal("reason", "", "Why the cell voltage is not good", "i8", 0, 8, REASONS),
    Signal("new", "", "A new sample came in this tick", "i8", 0, 1, ("no", "yes")),
    Signal("temperature_c", "°C", "Temperature of the cell, from the sensors beside it"),
    Signal("temperature_quality", "", "Quality of the cell's temperature", "i8", 0, 3, QUALITIES),
    Signal("soc", "", "State of charge", "f8", 0, 1),
    Signal("soc_std", "", "Standard deviation of the SOC", "f8", 0, 1),
    Signal("ocv_v", "V", "Open-circuit voltage at the estimated SOC"),
    Signal("voltage_predicted_v", "V", "Voltage that the model expects before this measurement"),
    Signal("residual_v", "V", "Measured minus expected voltage"),
    Signal("resistance_ohm", "Ω", "Ohmic resistance from the model at this SOC and temperature", minimum=0),
    Signal("resistance_10s_ohm", "Ω", "R0 and what R1, R2 add in 10 s of constant current; without OCV", minimum=0),
    Signal("resistance_30s_ohm", "Ω", "R0 and what R1, R2 add in 30 s of constant current; without OCV", minimum=0),
    Signal("polarisation_v", "V", "Voltage over both RC pairs now, positive after charging"),
    Signal("polarisation_10s_v", "V", "What is left of it after 10 s without current"),
    Signal("polarisation_30s_v", "V", "What is left of it after 30 s without current"),
    Signal("capacity_ah", "Ah", "Capacity that the estimate uses", minimum=0),
    Signal("soh", "", "State of health; NaN means not estimated", "f8", 0, 1),
    Signal("charge_limit_a", "A", "Charge current that this cell allows", minimum=0),
    Signal("discharge_limit_a", "A", "Discharge current that this cell allows, positive", minimum=0),
    Signal("balancing", "", "Bleed resistor is on", "i8", 0, 1, ("no", "yes")),
)

MODULE_SIGNALS = (
    Signal("temperature_min_c", "°C", "Lowest usable temperature in the module"),
    Signal("temperature_max_c", "°C", "Highest usable temperature in the module"),
    Signal("temperature_mean_c", "°C", "Mean of the usable temperatures in the module"),
    Signal("balancing_heat_w", "W", "Heat of the module's balancing resistors", minimum=0),
    Signal("balancing_board_c", "°C", "Temperature of the balancing board, from its thermal model"),
)

FAULT_FIELDS = (
    Signal("level", "", "Level now", "i8", 0, 4, LEVELS),
    Signal("latched_level", "", "Highest level that waits to be acknowledged", "i8", 0, 4, LEVELS),
    Signal("value", "", "Value that the rule judged last, in the fault's unit"),
    Signal("place", "", "Cell, sensor or channel with the worst value, -1 none", "i8", -1),
    Signal("since_s", "s", "Time at which the level was reached"),
    Signal("count", "", "How often the fault was raised since the start", "i8", 0),
    Signal("cools_s", "s", "Its latch stays for so long yet; 0: it may be acknowledged, or is retried", "f8", 0),
    Signal("retries", "", "How often its latch was let go without a person within the last hour", "i8", 0),
    Signal("masked", "", "A mask holds it at level info at most", "i8", 0, 1, ("no", "yes")),
    Signal("masked_level", "", "Level that it would have without its mask", "i8", 0, 4, LEVELS),
)

EVENT_FIELDS = (
    Signal("time_s", "s", "Time of the event"),
    Signal("fault", "", "Number of the fault", "i8", 0),
    Signal("level", "", "New level", "i8", 0, 4, LEVELS),
    Signal("previous_level", "", "Level before", "i8", 0, 4, LEVELS),
    Signal("place", "", "Cell, sensor or channel", "i8", -1),
    Signal("value", "", "Value at that time, in the fault's unit"),
)
EVENT_SLOTS = 512

IMAGE_RECORD = record(IMAGE_SIGNALS)
MEASURED = rows("MeasurementFields", MEASUREMENT_FIELDS)
CELL = rows("CellFields", CELL_SIGNALS)
MODULE = rows("ModuleFields", MODULE_SIGNALS)
FAULT = rows("FaultFields", FAULT_FIELDS)
EVENT = rows("EventFields", EVENT_FIELDS)
