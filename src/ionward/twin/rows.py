"""Layouts of the simulated battery's arrays: what each row of a block means.

The plant's truth is kept apart from everything that the BMS knows: these rows never enter the image.
"""

from __future__ import annotations

from ionward.image.catalogue import Signal, rows

# One column for each series cell, that is for the cells in parallel together.
CELL_ROWS = (
    # state
    Signal("soc", "", "True state of charge; may leave 0..1 when the cell is abused"),
    Signal("hysteresis", "", "Hysteresis state, -1 (discharged into) .. 1 (charged into)"),
    Signal("v1_v", "V", "Voltage of the first RC element"),
    Signal("v2_v", "V", "Voltage of the second RC element"),
    Signal("core_c", "°C", "Core temperature"),
    Signal("surface_c", "°C", "Surface temperature"),
    Signal("heat_j", "J", "Heat made since the last thermal step"),
    Signal("voltage_v", "V", "Terminal voltage"),
    Signal("current_a", "A", "Current through the cell itself: pack current less leak, short and bleed current"),
    Signal("emf_v", "V", "Voltage behind the ohmic resistance"),
    Signal("sense_v", "V", "Voltage between the cell's sense wires"),
    # looked up again now and then
    Signal("ocv_v", "V", "Open-circuit voltage at `soc_at`, mean of the branches"),
    Signal("ocv_slope_v", "V", "Slope of the open-circuit voltage there, per unit of SOC"),
    Signal("soc_at", "", "SOC at which the tables were read last"),
    Signal("hysteresis_v", "V", "Half the distance between the branches"),
    Signal("r0_ohm", "Ω", "Ohmic resistance"),
    Signal("keep1", "", "exp(-dt / tau1)"),
    Signal("gain1_ohm", "Ω", "R1 (1 - exp(-dt / tau1))"),
    Signal("keep2", "", "exp(-dt / tau2)"),
    Signal("gain2_ohm", "Ω", "R2 (1 - exp(-dt / tau2))"),
    Signal("divider", "", "1 / (1 + R0 G): ohmic resistance against everything in parallel with the cell"),
    # the cell's own
    Signal("capacity_as", "As", "Capacity"),
    Signal("resistance_factor", "", "Resistance against the model's"),
    Signal("leak_s", "S", "Conductance of self-discharge"),
    Signal("short_s", "S", "Conductance of an internal short"),
    Signal("bleed_s", "S", "Conductance of the bleed resistor now, 0 when off"),
    Signal("bleed", "", "The BMS wants this cell bled: 1 yes"),
    Signal("bleed_stuck", "", "Bleed switch: 0 works, 1 stuck on, -1 never on"),
    Signal("tap_ohm", "Ω", "Resistance of a bad joint inside the cell's taps: seen in the measured voltage"),
    Signal("wire_open", "", "The sense wire above is broken: its input falls by this part of the cell's voltage"),
    Signal("wire_drift_v", "V", "How far the floating input has drifted"),
    Signal("heat_w", "W", "Heat from elsewhere, in the core"),
    Signal("burnt_j", "J", "Heat that it has given in thermal runaway so far; 0: it does not burn"),
    Signal("coolant_c", "°C", "Coolant or air temperature at this cell"),
    Signal("module", "", "Module of the cell"),
)  # fmt: skip

CONTACTOR_ROWS = (
    Signal("wanted", "", "Coil: 1 energised"),
    Signal("closed", "", "Main contact: 1 closed"),
    Signal("changing_s", "s", "How long the coil has wanted the other position"),
    Signal("close_s", "s", "Time to close"),
    Signal("open_s", "s", "Time to open"),
    Signal("welded", "", "1: cannot open"),
    Signal("welds_next", "", "1: welds when it closes"),
    Signal("stuck", "", "1: cannot close"),
    Signal("chatters_s", "s", "It falls off and comes back with this period while its coil is energised; 0: not"),
    Signal("chatter_s", "s", "How long it has been doing so"),
    Signal("breaks", "", "How often it broke more current than it may"),
    Signal("break_charge_a", "A", "Above this charge current an opening contact keeps arcing"),
    Signal("break_discharge_a", "A", "Above this discharge current an opening contact keeps arcing"),
    Signal("contact_factor", "", "Resistance of the contact, against a good one"),
    Signal("contact_c", "°C", "Temperature of the contact"),
    Signal("joint_factor", "", "Resistance of the connector on this side, against a good one"),
    Signal("joint_c", "°C", "Temperature of the connector on this side"),
)
MAIN_POSITIVE, MAIN_NEGATIVE, PRECHARGE = range(3)

# One column for each module: its balancing board, and the frames of its cell monitor.
MODULE_ROWS = (
    Signal("board_c", "°C", "Temperature of the balancing board"),
    Signal("board_heat_w", "W", "Heat from elsewhere on the board"),
    Signal("crc_share", "", "Share of the frames that arrive corrupted, and are dropped"),
    Signal("sequence_share", "", "Share of the frames that are repeated or lost"),
)

# Constants of the plant that are not the cell's.
SETTING_ROWS = (
    Signal("dt_s", "s", "Length of one step"),
    Signal("steps_per_tick", "", "Steps of the plant between two ticks of the BMS"),
    Signal("origin_s", "s", "Time at which the simulation started, on the clock of the BMS"),
    Signal("refresh_s", "s", "Every cell's tables are read again within this time"),
    Signal("thermal_every", "", "Thermal steps come every so many electrical steps"),
    Signal("hysteresis_rate", "", "Gamma of the hysteresis"),
    Signal("hysteresis_instant_v", "V", "Instantaneous part of the hysteresis"),
    Signal("entropic_v_per_k", "V/K", "Entropic coefficient"),
    Signal("overcharge_slope_v", "V", "Least slope of the OCV above full, per unit of SOC"),
    Signal("overdischarge_slope_v", "V", "Least slope of the OCV below empty, per unit of SOC"),
    # circuit
    Signal("has_contactors", "", "0: the cells are connected for good"),
    Signal("busbar_ohm", "Ω", "All joints together"),
    Signal("contactor_ohm", "Ω", "One closed contact"),
    Signal("one_way", "", "Each switch blocks one direction only, a diode conducts the other one"),
    Signal("diode_v", "V", "Drop of that diode"),
    Signal("precharge_ohm", "Ω", "Precharge resistor"),
    Signal("weld_a", "A", "A contact that closes into more than this welds"),
    Signal("capacitance_f", "F", "DC link"),
    Signal("bleed_down_ohm", "Ω", "Resistor across the DC link"),
    Signal("bus_short_s", "S", "Conductance of a short across the bus, 0 none"),
    Signal("fuse_ohm", "Ω", "Fuse"),
    Signal("has_fuse", "", "0: none"),
    Signal("has_pyrofuse", "", "0: none"),
    Signal("pyrofuse_test", "", "1: nobody may fire the pyrofuse"),
    Signal("bleed_ohm", "Ω", "Bleed resistor of one cell"),
    # load and charger
    Signal("charge_voltage_v", "V", "Voltage at which the charger goes over to constant voltage"),
    Signal("load_min_v", "V", "The load draws nothing from a bus below this"),
    Signal("limit_period_s", "s", "The load and the charger learn of the BMS's limits this often"),
    Signal("slew_a_per_s", "A/s", "The load and the charger change their current no faster"),
    Signal("load_obeys", "", "The load keeps to the discharge limit"),
    Signal("charger_obeys", "", "The charger keeps to the charge limit"),
    Signal("load_is_power", "", "The profile is in watts, not amperes"),
    Signal("extra_load_a", "A", "What something else on the bus feeds or draws, whatever the limits"),
    # heat, of the cells in parallel together
    Signal("core_j_per_k", "J/K", "Heat capacity of the core"),
    Signal("surface_j_per_k", "J/K", "Heat capacity of the surface"),
    Signal("core_surface_w_per_k", "W/K", "Core to surface"),
    Signal("ambient_w_per_k", "W/K", "Surface to ambient"),
    Signal("coolant_w_per_k", "W/K", "Surface to coolant or moving air"),
    Signal("neighbour_w_per_k", "W/K", "Surface to the next cell of the module"),
    Signal("runaway_c", "°C", "A cell that is hotter in its core runs away"),
    Signal("runaway_j", "J", "Heat that it gives then"),
    Signal("runaway_s", "s", "... within this"),
    Signal("cooling", "", "0 none, 1 air, 2 liquid"),
    Signal("flow_w_per_k", "W/K", "Mass flow times heat capacity at full pump or fan"),
    Signal("stagnant", "", "Flow that remains without pump or fan, as a part of the full one"),
    Signal("loop_j_per_k", "J/K", "Heat capacity of the coolant loop"),
    Signal("chiller_w", "W", "Heat that the chiller takes out of the loop at full demand"),
    Signal("chiller_c", "°C", "The chiller cools the loop no further than this"),
    Signal("loop_ambient_w_per_k", "W/K", "Loop to ambient"),
    Signal("heater_w", "W", "Heater at full demand"),
    Signal("insulation_time_s", "s", "Insulation falls to 1/e within this; 0: it does not fall"),
    # measurement points
    Signal("contact_k_per_a2", "K/A²", "Rise of a good contact for the square of a lasting current"),
    Signal("joint_k_per_a2", "K/A²", "Rise of a good connector for the square of a lasting current"),
    Signal("joint_ohm", "Ω", "One good connector; it is part of the joints"),
    Signal("point_s", "s", "Thermal time constant of contacts and connectors"),
    Signal("board_k_per_w", "K/W", "Thermal resistance of a module's balancing board"),
    Signal("board_s", "s", "Thermal time constant of a module's balancing board"),
)  # fmt: skip
COOLING_NONE, COOLING_AIR, COOLING_LIQUID = range(3)

STATE_ROWS = (
    Signal("step", "", "Steps since the start"),
    Signal("time_s", "s", "Time at the end of the last step"),
    Signal("emf_v", "V", "Voltage behind the resistance of the cells in series"),
    Signal("resistance_ohm", "Ω", "Ohmic resistance of the cells in series"),
    Signal("current_a", "A", "Pack current at the end of the last step, positive when charging"),
    Signal("current_mean_a", "A", "Mean pack current over the last step"),
    Signal("current_peak_a", "A", "Largest magnitude of the pack current within the last step"),
    Signal("inrush_a", "A", "Largest peak since the start"),
    Signal("pack_voltage_v", "V", "Battery side of the contactors"),
    Signal("bus_voltage_v", "V", "Load side of the contactors"),
    Signal("source_a", "A", "Current of load and charger on the bus, positive into the battery"),
    Signal("fuse_melted", "", "How far the fuse is from melting: 0 cold, 1 open"),
    Signal("fuse_blown", "", "1: open"),
    Signal("pyrofuse_fired", "", "1: open"),
    Signal("charge_as", "As", "Charge put through the pack since the start, positive when charging"),
    Signal("refresh_next", "", "Cell whose tables are read next"),
    Signal("limits_at_s", "s", "When the load learnt of the limits last"),
    Signal("charge_limit_seen_a", "A", "Charge limit as the charger knows it"),
    Signal("discharge_limit_seen_a", "A", "Discharge limit as the load knows it"),
    Signal("connected_seen", "", "The load knows that the pack is connected"),
    Signal("profile_next", "", "Next point of the load profile"),
    Signal("ambient_c", "°C", "Ambient temperature"),
    Signal("coolant_inlet_c", "°C", "Coolant at the inlet: the loop"),
    Signal("coolant_outlet_c", "°C", "Coolant at the outlet"),
    Signal("coolant_heat_j", "J", "Heat given to coolant or moving air since the start"),
    Signal("ambient_heat_j", "J", "Heat given to ambient by the cells since the start"),
    Signal("made_heat_j", "J", "Heat made in the cells since the start"),
    Signal("insulation_ohm", "Ω", "Insulation resistance"),
    Signal("hvil_closed", "", "Interlock loop"),
    Signal("crash", "", "Crash signal"),
    Signal("flow_factor", "", "1 works, 0 pump and fan stand still"),
    Signal("chiller_factor", "", "1 works, 0 chiller lost"),
    Signal("inlet_held_c", "°C", "Coolant inlet held at this; NaN: not held"),
    Signal("square_a2s", "A²s", "Square of the current, summed up since the last thermal step"),
    Signal("monitors_disturbed", "", "Some frames of a cell monitor are corrupted, repeated or lost"),
    Signal("crc_errors", "", "Frames dropped for a wrong checksum since the start"),
    Signal("sequence_errors", "", "Frames repeated or lost since the start"),
)  # fmt: skip

# What the BMS (through its drivers) does to the plant.
OUTPUT_ROWS = (
    Signal("main_positive", "", "Coil"),
    Signal("main_negative", "", "Coil"),
    Signal("precharge", "", "Coil"),
    Signal("pyrofuse", "", "Fire"),
    Signal("pump", "", "Demand"),
    Signal("fan", "", "Demand"),
    Signal("heater", "", "Demand"),
    # what the vehicle or EMS hears from the BMS
    Signal("connected", "", "The pack says that it is connected"),
    Signal("charge_limit_a", "A", "Charge limit"),
    Signal("discharge_limit_a", "A", "Discharge limit, positive"),
)

SENSE_ROWS = (
    Signal("fitted", "", "The sensor exists"),
    Signal("period_s", "s", "Time between samples"),
    Signal("delay_s", "s", "From sampling to arrival"),
    Signal("noise", "", "Standard deviation"),
    Signal("offset", "", "Constant error"),
    Signal("gain", "", "Factor"),
    Signal("resolution", "", "One digit; 0: none"),
    Signal("minimum", "", "Lowest value that it can give"),
    Signal("maximum", "", "Highest value that it can give"),
    Signal("fault", "", "Kind of sensor fault"),
    Signal("fault_value", "", "How strong"),
    Signal("fault_since_s", "s", "Since when"),
    Signal("next_s", "s", "Time of the next sample"),
    Signal("pending", "", "Sample on its way"),
    Signal("pending_s", "s", "When it was taken; NaN: none on its way"),
    Signal("last", "", "Sample before"),
    Signal("dropped", "", "Its frame is dropped on the way: no sample this time"),
)
SENSOR_FAULTS = ("none", "lost", "frozen", "stuck", "offset", "gain", "noise", "drift", "nan")
(FAULT_NONE, FAULT_LOST, FAULT_FROZEN, FAULT_STUCK, FAULT_OFFSET, FAULT_GAIN, FAULT_NOISE, FAULT_DRIFT,
 FAULT_NAN) = range(len(SENSOR_FAULTS))  # fmt: skip

CELLS = rows("PlantCells", CELL_ROWS)
KON = rows("PlantContactors", CONTACTOR_ROWS)
MOD = rows("PlantModules", MODULE_ROWS)
SET = rows("PlantSettings", SETTING_ROWS)
STATE = rows("PlantState", STATE_ROWS)
OUT = rows("PlantOutputs", OUTPUT_ROWS)
SENSE = rows("PlantSensors", SENSE_ROWS)
