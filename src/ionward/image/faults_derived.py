"""Faults that are told by what measurements do together, or over time: nothing here has a sensor of its own."""

from __future__ import annotations

from ionward.image.fault_rows import Fault, Level

_CELLS = (
    Fault(
        id="deep_discharge", name="Deep discharge", unit="V", scope="cell", direction="below",
        meaning="A cell was emptied far below what its maker allows. Copper has dissolved from its electrode and may "
        "grow through the separator when it is charged: the pack is locked, also after a restart.",
        action="Do not charge. Have the cell named here examined; whoever has done so releases the lock by the "
        "service action `release`.",
        dtc=0x1A0600, requirement="SR-006", ftti_s=5, relative_to="cell_voltage_sheet_min_v", factor=True, service=True,
        critical=Level(0.8, 1.0, 5, 1.0),
    ),
    Fault(
        id="sense_wire_open", name="Sense wire open", unit="V", scope="cell", direction="above",
        meaning="Of two neighbouring cells one reads as far above the mean as the other below it (half of their "
        "difference is given): the sense wire between them is broken, and neither of them is watched. The lower one of "
        "the two is named.",
        action="Have the sense wire between the cell named here and the next one checked.",
        dtc=0x1A0700, requirement="SR-007", ftti_s=2,
        warning=Level(0.25, 0.15, 5, 2.0), critical=Level(0.5, 0.2, 2, 0.02),
    ),
    Fault(
        id="cell_reading_frozen", name="Cell reading frozen", unit="", scope="cell", direction="above",
        meaning="Cells are read with exactly the same value again and again (their number is given): the monitor no "
        "longer converts, or repeats an old answer.",
        action="Have the cell monitor of the cell named here checked.",
        dtc=0x1A0800, requirement="SR-008", ftti_s=10, latching=False,
        warning=Level(0.5, 0.5, 1, 0.1),
    ),
)  # fmt: skip

_HEAT = (
    Fault(
        id="temperature_spread", name="Cells differ in temperature", unit="K", scope="temperature", direction="above",
        meaning="The hottest and the coldest place of the pack lie far apart; cells age unevenly, and the limits are "
        "set by the worst. The hottest one is named.",
        action="Check the flow of coolant or air through all modules, and whether one place heats by itself.",
        dtc=0x1A1A00, requirement="SR-082", maskable=True, ftti_s=60,
        info=Level(12.0, 9.0, 5, 10.0), warning=Level(20.0, 15.0, 5, 10.0), fault=Level(35.0, 25.0, 5, 5.0),
    ),
    Fault(
        id="temperature_rising_fast", name="Temperature rises fast", unit="K/s", scope="temperature",
        direction="above",
        meaning="A cell heats faster than any current that it may carry can heat it: an inner short circuit, a "
        "burning joint or heat from outside.",
        action="Get people away from the battery and watch it from a distance. Keep cooling.",
        dtc=0x1A1B00, requirement="SR-083", ftti_s=15,
        warning=Level(0.2, 0.1, 5, 5.0), fault=Level(0.5, 0.2, 5, 5.0),
    ),
    Fault(
        id="thermal_propagation", name="Thermal runaway", unit="", scope="temperature", direction="above",
        meaning="At a place of the pack the temperature rises by 1 K/s or more for over three seconds, and it is "
        "beyond its maximum or a cell there has lost a quarter of its voltage (GB 38031-2025); or such a cell has no "
        "sensor close by, and one of its module warms apart from the pack or is lost: cells have run away. The number "
        "of such places is given.",
        action="Leave the vehicle or room at once, keep people away, call the fire brigade. Do not open the battery.",
        dtc=0x1A1C00, requirement="SR-084", ftti_s=20,
        critical=Level(0.5, 0.5, 3, 3.0),
    ),
    Fault(
        id="temperature_reading_stuck", name="Temperature reading stuck", unit="", scope="temperature",
        direction="above",
        meaning="Temperature sensors give exactly the same value again and again (their number is given); neighbours "
        "stand in for them.",
        action="Have the sensor named here and its converter checked.",
        dtc=0x1A1D00, requirement="SR-094", maskable=True, ftti_s=60, latching=False,
        warning=Level(0.5, 0.5, 1, 1.0),
    ),
)  # fmt: skip

_CURRENT = (
    Fault(
        id="fuse_busbar_i2t", name="Fuse and busbars heat up", unit="", scope="channel", direction="above",
        meaning="The squared current of the last minutes has heated fuse and busbars to what they bear (1 is the end "
        "of it), though no single current was too high: pulses follow each other too closely.",
        action="Lower the load and let the pack cool for some minutes.",
        dtc=0x1A2700, requirement="SR-085", retry=True, ftti_s=5,
        warning=Level(0.9, 0.8, 3, 0.1), fault=Level(1.0, 0.8, 3, 0.1),
    ),
    Fault(
        id="current_offset", name="Current sensor drifts", unit="A", scope="channel", direction="above",
        meaning="With open contactors the current sensor reads more than its tolerance, averaged over seconds: its "
        "zero has drifted, and the charge that is counted drifts with it.",
        action="Have the current sensor calibrated or replaced.",
        dtc=0x1A2800, requirement="SR-086",
        maskable=True, ftti_s=60, relative_to="current_tolerance_a", factor=True, latching=False,
        only_when=("has_contactors",),
        info=Level(1.2, 1.0, 5, 10.0), warning=Level(1.5, 1.1, 5, 10.0),
    ),
    Fault(
        id="charge_limit_ignored", name="Charger ignores the limit", unit="", scope="channel", direction="above",
        meaning="Charge current stays above the published limit, by this share of the pulse rating: the charger does "
        "not follow what it is told.",
        action="Stop charging; have the charger and its link to the BMS checked.",
        dtc=0x1A2900, requirement="SR-087", retry=True,
        maskable=True, ftti_s=15, blocks="charge", only_when=("has_contactors",),
        warning=Level(0.05, 0.03, 5, 2.0), fault=Level(0.15, 0.05, 5, 5.0),
    ),
    Fault(
        id="discharge_limit_ignored", name="Load ignores the limit", unit="", scope="channel", direction="above",
        meaning="Discharge current stays above the published limit, by this share of the pulse rating: the load does "
        "not follow what it is told.",
        action="Switch the load off; have it and its link to the BMS checked.",
        dtc=0x1A2A00, requirement="SR-088", retry=True,
        maskable=True, ftti_s=15, blocks="discharge", only_when=("has_contactors",),
        warning=Level(0.05, 0.03, 5, 2.0), fault=Level(0.15, 0.05, 5, 5.0),
    ),
)  # fmt: skip

_PATH = (
    Fault(
        id="fuse_blown", name="Fuse blown", unit="", scope="channel", direction="above",
        meaning="The voltage behind the fuse has fallen away from the cells' by this share of their sum: the main "
        "fuse is open (or the sensor of the pack voltage has failed).",
        action="Find out what made the fuse blow before replacing it.",
        dtc=0x1A7000, requirement="SR-075", ftti_s=2, only_when=("pack_voltage_v", "has_fuse"),
        fault=Level(0.5, 0.2, 3, 0.1),
    ),
    Fault(
        id="contactor_worn", name="Contactor worn", unit="", scope="channel", direction="above",
        meaning="By the currents that it has broken, a main contactor has used up this share of the electrical life in "
        "its data sheet: it may weld, or fail to break what it should.",
        action="Have the contactor named here replaced; its count is kept until the kept state is removed.",
        dtc=0x1A7700, requirement="SR-066", maskable=True, ftti_s=10, only_when=("has_contactor_life",), latching=False,
        info=Level(0.8, 0.75, 2, 0.0), warning=Level(1.0, 0.95, 2, 0.0),
    ),
    Fault(
        id="contactor_chattering", name="Contactor chatters", unit="", scope="channel", direction="above",
        meaning="A contactor's feedback changes although its command does not (so many times in the last seconds): "
        "its coil voltage is low, or its feedback is loose. Arcs wear the contacts.",
        action="Have the coil supply and the feedback of the contactor named here checked.",
        dtc=0x1A7100, requirement="SR-076", ftti_s=10, only_when=("has_contactors",),
        warning=Level(1.5, 0.5, 2, 0.0), fault=Level(2.5, 0.5, 2, 0.0),
    ),
    Fault(
        id="insulation_falling", name="Insulation falls", unit="", scope="channel", direction="below",
        meaning="Insulation resistance has fallen to this share of what it was some minutes ago, and is still above "
        "what is dangerous: moisture, coolant or chafed insulation.",
        action="Have the high-voltage system checked soon, before it falls further.",
        dtc=0x1A7200, requirement="SR-077", maskable=True, ftti_s=120, only_when=("insulation_ohm",), latching=False,
        warning=Level(0.3, 0.6, 3, 2.0),
    ),
    Fault(
        id="precharge_too_fast", name="Precharge too fast", unit="", scope="channel", direction="below",
        meaning="The bus rose to the pack's voltage in this share of the time that its capacitors need, or so much "
        "more current flowed than the resistor lets through: it is bypassed and the contactor took the inrush, or the "
        "capacitors are missing.",
        action="Check that inverter and charger are connected, and measure the precharge resistor and its contactor.",
        dtc=0x1A7300, requirement="SR-078", ftti_s=5, only_when=("has_precharge", "bus_voltage_v"),
        info=Level(0.5, 0.6, 2, 0.0), fault=Level(0.25, 0.6, 2, 0.0),
    ),
    Fault(
        id="precharge_resistor_hot", name="Precharge resistor overloaded", unit="J", scope="channel", direction="above",
        meaning="The precharge resistor has taken more heat than it bears before it must cool.",
        action="Let it cool for some minutes, and have it measured before the next connection.",
        dtc=0x1A7500, requirement="SR-095", ftti_s=2, relative_to="precharge_energy_max_j", factor=True,
        only_when=("has_precharge",),
        warning=Level(1.1, 0.9, 1, 0.0), fault=Level(1.5, 0.9, 1, 0.0),
    ),
    Fault(
        id="bus_not_understood", name="Bus voltage not understood", unit="", scope="channel", direction="above",
        meaning="The bus stands where neither pack nor charger can hold it (above the full pack, or below zero, by "
        "this share of the full pack's voltage): its sensor is wrong, or something foreign feeds it.",
        action="Do not connect. Check the bus voltage by hand, its sensor and what else is on the bus.",
        dtc=0x1A7400, requirement="SR-079", ftti_s=2, only_when=("bus_voltage_v",),
        warning=Level(0.10, 0.06, 5, 0.2), fault=Level(0.25, 0.1, 5, 0.2),
    ),
    Fault(
        id="contactor_welded_in_probe", name="Bus came alive in the probe", unit="", scope="pack", direction="above",
        meaning="Before anything was connected, the bus rose with the negative contactor alone: the positive or the "
        "precharge contactor is welded.",
        action="Treat the bus as live. Have the positive and the precharge contactor replaced.",
        dtc=0x1A7600, requirement="SR-065", ftti_s=1, only_when=("has_contactors", "bus_voltage_v"), latching=False,
        fault=Level(0.5, 0.5, 1, 0.0),
    ),
)  # fmt: skip

_INSIDE = (
    Fault(
        id="output_not_confirmed", name="Driver does something else", unit="s", scope="pack", direction="above",
        meaning="What the driver says it drives differs (for the seconds given) from what control asks for, though "
        "both enables stand.",
        action="Find out what is wrong with the driver's process or the coil drivers, then acknowledge.",
        dtc=0x1A5400, requirement="SR-089", ftti_s=0.5, only_when=("has_contactors",),
        critical=Level(0.1, 0.0, 3, 0.0),
    ),
    Fault(
        id="stored_state_corrupt", name="Stored state could not be used", unit="", scope="pack", direction="above",
        meaning="What the BMS had kept of the last run (SOC, counters, latched faults) was damaged or of another "
        "pack, and was refused. It begins without it.",
        action="Look at the screen `System` for the reason; check latched faults of the last run by hand, then "
        "acknowledge.",
        dtc=0x1A5500, requirement="SR-090", ftti_s=5, latching=False,
        warning=Level(0.5, 0.5, 1, 0.0),
    ),
    Fault(
        id="configuration_changed", name="Configuration changed while running", unit="", scope="pack",
        direction="above",
        meaning="The table of limits and thresholds is not what it was at the start: memory is damaged, or somebody "
        "wrote to it. The number of the table is given.",
        action="Restart the BMS. If it comes back, replace the computer.",
        dtc=0x1A5600, requirement="SR-091", ftti_s=5,
        critical=Level(0.5, 0.5, 1, 0.0),
    ),
    Fault(
        id="image_corrupted", name="Fault memory corrupted", unit="", scope="pack", direction="above",
        meaning="The list of faults was changed between two ticks by something other than the protection kernel: "
        "memory is damaged.",
        action="Restart the BMS. If it comes back, replace the computer.",
        dtc=0x1A5700, requirement="SR-092", ftti_s=0.5,
        critical=Level(0.5, 0.5, 1, 0.0),
    ),
    Fault(
        id="clock_jumped", name="Clock jumped", unit="s", scope="pack", direction="above",
        meaning="The clock of the tick went back, or ahead by more than a pause of the cycle can explain: delays can "
        "no longer be judged.",
        action="Restart the BMS; check the clock of the computer (`ionward doctor`).",
        dtc=0x1A5800, requirement="SR-093", ftti_s=0.5,
        critical=Level(0.0, 0.0, 1, 0.0),
    ),
)  # fmt: skip

DERIVED = (*_CELLS, *_HEAT, *_CURRENT, *_PATH, *_INSIDE)
