"""What the tick is told about its pack: parameter records and tables made from the pack description."""

from __future__ import annotations

from typing import Any, NamedTuple

from ionward.image.catalogue import Signal, record, rows
from ionward.image.inputs import Array

PARAMETER_SIGNALS = (
    Signal("cycle_s", "s", "Time between ticks"),
    Signal("estimate_every", "", "Estimation runs every so many ticks", "i8"),
    Signal("slow_every", "", "Balancing and cooling run every so many ticks", "i8"),
    Signal("cycle_watch_s", "s", "In real time, a longer pause between two ticks means that the cycle stood still"),
    Signal("series", "", "Cells in series", "i8"),
    # rated limits of the pack
    Signal("charge_current_max_a", "A", "Rated continuous charge current"),
    Signal("discharge_current_max_a", "A", "Rated continuous discharge current, positive"),
    Signal("charge_current_pulse_a", "A", "Rated pulse charge current"),
    Signal("discharge_current_pulse_a", "A", "Rated pulse discharge current, positive"),
    Signal("pulse_s", "s", "Length of a rated pulse"),
    Signal("cell_voltage_max_v", "V", "Highest cell voltage in use"),
    Signal("cell_voltage_min_v", "V", "Lowest cell voltage in use"),
    Signal("cell_voltage_sheet_min_v", "V", "Lowest cell voltage that the data sheet allows"),
    Signal("charge_temperature_min_c", "°C", "Lowest cell temperature for charging"),
    Signal("charge_temperature_max_c", "°C", "Highest cell temperature for charging"),
    Signal("discharge_temperature_min_c", "°C", "Lowest cell temperature for discharging"),
    Signal("discharge_temperature_max_c", "°C", "Highest cell temperature for discharging"),
    Signal("warning_factor", "", "Limits are multiplied by this while a warning stands", minimum=0, maximum=1),
    Signal("limit_slew_a_per_s", "A/s", "Limits rise no faster than this; they fall at once"),
    # validation
    Signal("current_tolerance_a", "A", "Two current sensors may differ by this"),
    Signal("hold_s", "s", "A refused sample is bridged by the last good one for so long"),
    # connection
    Signal("has_contactors", "", "The pack switches its own contactors", "i8", 0, 1),
    Signal("has_precharge", "", "The pack has a precharge path", "i8", 0, 1),
    Signal("precharge_resistance_ohm", "Ω", "Precharge resistor"),
    Signal("precharge_done_v", "V", "Bus and pack may differ by this when precharge is complete"),
    Signal("bus_sum_match_v", "V", "Bus and sum of the cells may differ by this when the contactors close"),
    Signal("precharge_done_a", "A", "Precharge current may be this when precharge is complete"),
    Signal("precharge_timeout_s", "s", "Longest precharge"),
    Signal("precharge_tries", "", "Tries before a person is asked", "i8"),
    Signal("precharge_pause_s", "s", "Cool-down of the resistor after a failed try"),
    Signal("precharge_energy_max_j", "J", "Heat that the resistor takes before it must cool; NaN: not watched"),
    Signal("contactor_close_s", "s", "A contactor's feedback must follow within this when closing"),
    Signal("contactor_open_s", "s", "A contactor's feedback must follow within this when opening"),
    Signal("positive_break_charge_a", "A", "Charge current that the positive contactor may break"),
    Signal("positive_break_discharge_a", "A", "Discharge current that the positive contactor may break, positive"),
    Signal("negative_break_charge_a", "A", "Charge current that the negative contactor may break"),
    Signal("negative_break_discharge_a", "A", "Discharge current that the negative contactor may break, positive"),
    Signal("one_way", "", "The positive switch blocks discharge only, the negative one charge only", "i8", 0, 1),
    Signal("diode_v", "V", "An open one-way switch drops so much in the direction that it lets through"),
    Signal("precharge_rise_s", "s", "Time for the bus to rise from 0.2 to 0.9 of the pack; 0: too short to tell"),
    Signal("has_contactor_life", "", "The electrical life of the contactors is known", "i8", 0, 1),
    Signal("has_fuse", "", "The pack has a main fuse", "i8", 0, 1),
    Signal("i2t_rated_a", "A", "Current that busbars carry for ever"),
    Signal("i2t_time_s", "s", "Thermal time constant of busbars"),
    Signal("has_pyrofuse", "", "The pack has a pyrofuse that the BMS can fire", "i8", 0, 1),
    Signal("pyrofuse_on_crash", "", "A crash calls for the pyrofuse, whatever the current", "i8", 0, 1),
    Signal("open_wait_s", "s", "An opening in order waits so long at most for the current to fall"),
    Signal("bus_dead_v", "V", "A bus below this counts as dead"),
    # balancing
    Signal("balance_by_soc", "", "Balance by SOC (1) or by voltage (0)", "i8", 0, 1),
    Signal("balance_start", "", "Difference above the lowest cell at which bleeding starts (V or SOC)"),
    Signal("balance_stop", "", "Difference above the lowest cell at which bleeding stops (V or SOC)"),
    Signal("balance_min_voltage_v", "V", "Cells below this are not bled"),
    Signal("balance_resistance_ohm", "Ω", "Bleed resistor of one cell"),
    Signal("balance_cells_per_module", "", "Most cells of one module bled at once", "i8"),
    Signal("balance_period_s", "s", "Even and odd cells take turns after this time"),
    Signal("balance_rest_a", "A", "By voltage, balancing compares cells only below this current"),
    Signal("balance_rest_s", "s", "By voltage, balancing compares cells after the current was that low for so long"),
    Signal("balance_settle_s", "s", "All bleeding pauses for so long before cells are compared"),
    Signal("balance_board_max_c", "°C", "Balancing board stops bleeding above this"),
    Signal("balance_board_k_per_w", "K/W", "Thermal resistance of a module's balancing board"),
    Signal("balance_board_s", "s", "Thermal time constant of a module's balancing board"),
    # cooling
    Signal("has_cooling", "", "The pack drives cooling or heating", "i8", 0, 1),
    Signal("cooling_by_pump", "", "A pump carries the heat away (1), or a fan alone (0)", "i8", 0, 1),
    Signal("cool_start_c", "°C", "Cooling begins above this cell temperature"),
    Signal("cool_full_c", "°C", "Cooling is at full demand above this cell temperature"),
    Signal("heat_start_c", "°C", "Heating begins below this cell temperature"),
    Signal("heat_full_c", "°C", "Heating is at full demand below this cell temperature"),
    Signal("spread_start_k", "K", "Difference between modules at which the pump evens out"),
    Signal("spread_full_k", "K", "Difference between modules at which the pump runs fully"),
    Signal("cell_heat_capacity_j_per_k", "J/K", "Heat capacity of the cells in parallel together; NaN: unknown"),
    # estimation
    Signal("start_soc_std", "", "Uncertainty of the first SOC when it comes from a rest voltage"),
    Signal("voltage_noise_v", "V", "Standard deviation of a cell voltage sample, from its tolerance"),
    Signal("current_noise_a", "A", "Standard deviation of a current sample, from its tolerance"),
    Signal("hysteresis_rate", "", "Gamma of the one-state hysteresis model"),
    Signal("hysteresis_instant_v", "V", "Instantaneous part of the hysteresis"),
)  # fmt: skip

# Limits of one measurement. Items are channels, cells or temperature sensors.
MEASUREMENT_PARAMETERS = (
    Signal("fitted", "", "The sensor exists", "i8", 0, 1),
    Signal("minimum", "", "Lowest plausible value"),
    Signal("maximum", "", "Highest plausible value"),
    Signal("rate_max", "", "Largest plausible change per second"),
    Signal("age_max_s", "s", "A sample older than this is not used"),
    Signal("frozen_s", "s", "A value that has not changed by one digit for so long counts as frozen; 0 never"),
)

CELL_PARAMETERS = (
    Signal("capacity_ah", "Ah", "Capacity of the cells in parallel together"),
    Signal("resistance_factor", "", "Pack resistance of this cell against the model's (1 / cells in parallel)"),
    Signal("module", "", "Module of the cell", "i8"),
    Signal("sensor_a", "", "Temperature sensor on one side", "i8"),
    Signal("sensor_b", "", "Temperature sensor on the other side", "i8"),
    Signal("weight_b", "", "Weight of the second sensor", "f8", 0, 1),
)

SENSOR_PARAMETERS = (Signal("module", "", "Module of the temperature sensor", "i8"),)

# Derating curves: factor over temperature or SOC, straight between points, ends held. Melting time of the fuse, and
# openings that each main contactor bears, over current.
CURVE_NAMES = (
    "charge_over_temperature",
    "discharge_over_temperature",
    "charge_over_soc",
    "discharge_over_soc",
    "fuse",
    "life_positive",
    "life_negative",
)
CURVE_POINTS = 12

LEVEL_PARAMETERS = (
    Signal("set", "", "Reached beyond this; NaN: this level is not used"),
    Signal("clear", "", "Left when back within this"),
    Signal("delay_samples", "", "New samples in a row", "i8"),
    Signal("delay_s", "s", "Time in a row"),
)
FAULT_PARAMETERS = (
    Signal("above", "", "1: values above are bad, 0: values below", "i8", 0, 1),
    Signal("latching", "", "Waits to be acknowledged", "i8", 0, 1),
    Signal("blocks_charge", "", "Forbids charging", "i8", 0, 1),
    Signal("blocks_discharge", "", "Forbids discharging", "i8", 0, 1),
    Signal("wait_s", "s", "At the level fault, the budget leaves so long for the current to fall"),
    Signal("service", "", "Its latch is released by a service action only", "i8", 0, 1),
    Signal("cool_down_s", "s", "Once it is gone, its latch stays for so long at least", "f8", 0),
    Signal("retries", "", "How often within an hour its latch is let go without a person", "i8", 0),
    Signal("mask_until_s", "s", "Its mask holds before this time of the image; -inf: it has none"),
)

PARAMETER_RECORD = record(PARAMETER_SIGNALS)
MEASURE = rows("MeasurementParameters", MEASUREMENT_PARAMETERS)
CELLP = rows("CellParameters", CELL_PARAMETERS)
SENSORP = rows("SensorParameters", SENSOR_PARAMETERS)
LEVELP = rows("LevelParameters", LEVEL_PARAMETERS)
FAULTP = rows("FaultParameters", FAULT_PARAMETERS)
CURVE = rows("Curves", tuple(Signal(n, "", n) for n in CURVE_NAMES))


class Parameters(NamedTuple):
    """Everything the tick is told about a pack.

    `scalars`: record of length 1. `channel_limits`, `cell_limits`, `sensor_limits`: `[MEASURE, item]`.
    `cells`: `[CELLP, cell]`. `sensors`: `[SENSORP, sensor]`. `curves`: `[CURVE, 2 (x, factor), point]`, unused points
    repeat the last one. `faults`: `[FAULTP, fault]`. `levels`: `[level 0..3, LEVELP, fault]` for info..critical.
    `words`: the same memory as `scalars`, as bare numbers. `table`: `[temperature, soc, parameter]` of the cell model.
    `modules`: number of modules is its length.
    """

    scalars: Any
    channel_limits: Array
    cell_limits: Array
    sensor_limits: Array
    cells: Array
    sensors: Array
    curves: Array
    faults: Array
    levels: Array
    table: Array
    words: Array
