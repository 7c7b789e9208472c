"""Faults of measurement points beside the cells: contacts, connectors, boards, coolant, taps, monitors, pyrofuse.

Temperatures are typical of parts on the market (field knowledge): contactors and connectors bear some 125 °C at their
terminals, vehicle connectors some 105 °C at their contacts. Take those of your own parts' data sheets.
"""

from __future__ import annotations

from ionward.image.fault_rows import Fault, Level

# A tap at the pack's voltage proves a closed contact only while the bus stands below this share of it: a tap that
# floats in the middle between both is then below 0.93 (`safety/rules_taps.py`).
BUS_APART = 0.85

_CONTACTOR_POINTS = "contactor_positive_c or contactor_negative_c"
_CONNECTOR_POINTS = "connector_positive_c or connector_negative_c"
_TAPS = "positive_tap_v or negative_tap_v"

_POINTS = (
    Fault(
        id="cell_readings_disagree", name="Redundant cell readings disagree", unit="V", scope="channel",
        direction="above",
        meaning="A cell monitor reads a cell's voltage twice, and the two readings differ by more than both may be "
        "wrong: one of its converters has failed.",
        action="Have the cell monitors checked; the one that differs tells which cell.",
        dtc=0x1A0500, requirement="SR-005", ftti_s=5, only_when=("monitor_redundancy_v",), sensor="monitor_redundancy",
        warning=Level(0.02, 0.012, 3, 0.2), fault=Level(0.05, 0.025, 3, 0.2),
    ),
    # Control stops bleeding by its own model of the boards; this is for a model that is wrong, or heat from elsewhere.
    Fault(
        id="balancing_board_overtemperature", name="Balancing board too hot", unit="°C", scope="channel",
        direction="above",
        meaning="A balancing board is hotter than its bleed resistors may make it. Balancing stops.",
        action="Let the board cool. If it stays hot although nothing is balanced, have it checked for a short circuit.",
        dtc=0x1A1700, requirement="SR-017", retry=True, ftti_s=30, relative_to="balance_board_max_c",
        only_when=("balancing_board_c",), sensor="balancing_board",
        warning=Level(5.0, -5.0, 3, 2.0), fault=Level(20.0, 5.0, 3, 2.0),
    ),
    Fault(
        id="contactor_overtemperature", name="Contactor too hot", unit="°C", scope="channel", direction="above",
        meaning="The contact of a main contactor is too hot: it is worn or burnt, or carries more than it is made for.",
        action="Lower the current. Have the contactor named here and its terminals checked.",
        dtc=0x1A1800, requirement="SR-018", ftti_s=30, only_when=(_CONTACTOR_POINTS,), sensor="contactor_positive",
        warning=Level(105.0, 95.0, 3, 2.0), fault=Level(125.0, 105.0, 3, 2.0), critical=Level(140.0, 120.0, 3, 2.0),
    ),
    Fault(
        id="connector_overtemperature", name="Connector too hot", unit="°C", scope="channel", direction="above",
        meaning="A high-voltage connector or busbar joint is too hot: it is loose, corroded or overloaded.",
        action="Lower the current. Have the connector named here opened, cleaned and tightened.",
        dtc=0x1A1900, requirement="SR-019", ftti_s=30, only_when=(_CONNECTOR_POINTS,), sensor="connector_positive",
        warning=Level(90.0, 80.0, 3, 2.0), fault=Level(105.0, 90.0, 3, 2.0), critical=Level(120.0, 100.0, 3, 2.0),
    ),
    Fault(
        id="coolant_overtemperature", name="Coolant too hot", unit="°C", scope="channel", direction="above",
        meaning="The coolant is hotter than the cells may be, so that it heats instead of cooling.",
        action="Stop the heater and lower the load. Check chiller, radiator, valves and coolant level.",
        dtc=0x1A1E00, requirement="SR-070", retry=True,
        maskable=True, ftti_s=60, relative_to="discharge_temperature_max_c",
        only_when=("has_cooling", "coolant_inlet_c or coolant_outlet_c"), sensor="coolant_inlet",
        warning=Level(0.0, -3.0, 3, 2.0), fault=Level(10.0, 5.0, 3, 5.0),
    ),
    Fault(
        id="cooling_lost", name="Cooling lost", unit="s", scope="channel", direction="above",
        meaning="The pump or fan stands still (for the seconds given) although it is demanded.",
        action="Check the pump or fan, its fuse and its wiring. The load is lowered meanwhile.",
        dtc=0x1A1F00, requirement="SR-071",
        maskable=True, ftti_s=30, only_when=("has_cooling", "cooling_running"), latching=False,
        warning=Level(5.0, 0.0, 3, 0.0),
    ),
    # The value is the tap's share of the pack voltage. 0.95 lies below what a closed contact and the tolerances of two
    # sensors leave, and above what taps see whose dividers float between pack and bus.
    Fault(
        id="contactor_welded_by_voltage", name="Contactor does not open, by its voltage", unit="", scope="channel",
        direction="above",
        meaning="The load side of a contactor stays at this share of the pack voltage although the contactor is "
        "commanded open and the bus is elsewhere: it is welded, whatever its feedback says. At the positive side it "
        "may be the precharge contactor.",
        action="Treat the pack as live. Have the contactor named here replaced, and its feedback checked.",
        dtc=0x1A3D00, requirement="SR-072", ftti_s=30, only_when=("has_contactors", "bus_voltage_v", _TAPS),
        sensor="positive_tap", fault=Level(0.95, 0.93, 3, 0.2),
    ),
    Fault(
        id="contactor_open_by_voltage", name="Contactor does not carry, by its voltage", unit="", scope="channel",
        direction="above",
        meaning="The load side of a contactor stands apart from the pack by this share of its voltage although the "
        "contactor is commanded closed: it is open or burnt, whatever its feedback says.",
        action="Stop the load. Have the contactor named here and its driver checked.",
        dtc=0x1A3E00, requirement="SR-073", ftti_s=2, only_when=("has_contactors", _TAPS), sensor="positive_tap",
        warning=Level(0.05, 0.03, 5, 0.5), fault=Level(0.12, 0.05, 5, 0.3),
    ),
    Fault(
        id="pyrofuse_fired", name="Pyrofuse fired", unit="", scope="channel", direction="below",
        meaning="The igniter loop of the pyrofuse is open: it has fired, or its wiring is broken. The path is cut for "
        "good, or could not be cut any more.",
        action="Do not connect. Have the cause found and the pyrofuse replaced; acknowledging alone changes nothing.",
        dtc=0x1A3F00, requirement="SR-074", ftti_s=0.5, only_when=("has_pyrofuse", "pyrofuse_intact"),
        sensor="pyrofuse_loop", critical=Level(0.5, 0.5, 3, 0.02),
    ),
    Fault(
        id="monitor_crc", name="Cell monitors: frames corrupted", unit="1/s", scope="channel", direction="above",
        meaning="Frames of the cell monitors arrive with a wrong checksum and are dropped (given per second, averaged "
        "over ten seconds): noise on the line, a loose plug or a failing monitor.",
        action="Check plugs, shielding and length of the monitors' communication line.",
        dtc=0x1A6000, requirement="SR-080", maskable=True, ftti_s=60, only_when=("monitor_crc_errors",), latching=False,
        info=Level(0.5, 0.2, 1, 0.0), warning=Level(5.0, 2.0, 1, 2.0),
    ),
    Fault(
        id="monitor_sequence", name="Cell monitors: frames repeated or lost", unit="1/s", scope="channel",
        direction="above",
        meaning="Frames of the cell monitors come twice or not at all and are dropped (given per second, averaged over "
        "ten seconds): a monitor was reset, or the communication is overloaded or disturbed.",
        action="Check the supply of the monitors and their communication line.",
        dtc=0x1A6100, requirement="SR-081",
        maskable=True, ftti_s=60, only_when=("monitor_sequence_errors",), latching=False,
        info=Level(0.5, 0.2, 1, 0.0), warning=Level(5.0, 2.0, 1, 2.0),
    ),
    # Lost ones. The value is their number.
    Fault(
        id="point_temperature_lost", name="Contactor, connector or board temperature lost", unit="", scope="channel",
        direction="above",
        meaning="Temperature sensors of contactors, connectors or balancing boards give no usable value; a hot one "
        "would not be seen.",
        action="Have the sensor named here checked.",
        dtc=0x1A4D00, requirement="SR-096", maskable=True, ftti_s=60,
        only_when=(f"{_CONTACTOR_POINTS} or {_CONNECTOR_POINTS} or balancing_board_c",), latching=False,
        warning=Level(0.5, 0.5, 3, 5.0),
    ),
    Fault(
        id="tap_lost", name="Tap across a contactor lost", unit="", scope="channel", direction="above",
        meaning="The voltage across a main contactor cannot be read; a welded contact whose feedback is wrong would "
        "not be seen.",
        action="Have the tap named here checked.",
        dtc=0x1A4E00, requirement="SR-097",
        maskable=True, ftti_s=5, only_when=("has_contactors", _TAPS), latching=False,
        warning=Level(0.5, 0.5, 3, 0.5),
    ),
    Fault(
        id="cooling_feedback_lost", name="Feedback of pump or fan lost", unit="", scope="channel", direction="above",
        meaning="Whether the pump or fan turns cannot be read; lost cooling would be seen by the cells' temperatures "
        "only.",
        action="Have the wiring of the feedback checked.",
        dtc=0x1A4F00, requirement="SR-098", maskable=True, ftti_s=60, only_when=("cooling_running",), latching=False,
        info=Level(0.5, 0.5, 3, 5.0),
    ),
    Fault(
        id="diagnosis_lost", name="Diagnosis of monitors or pyrofuse lost", unit="", scope="channel",
        direction="above",
        meaning="What the cell monitors tell about themselves (redundant readings, error counters) or the igniter loop "
        "of the pyrofuse cannot be read; what they would tell is not seen.",
        action="Have the cell monitors, or the loop named here, checked.",
        dtc=0x1A6200, requirement="SR-099", maskable=True, ftti_s=60,
        only_when=("monitor_redundancy_v or monitor_crc_errors or monitor_sequence_errors or pyrofuse_intact",),
        latching=False, warning=Level(0.5, 0.5, 3, 5.0),
    ),
)  # fmt: skip
