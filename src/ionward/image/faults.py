"""The fault catalogue: one row for each thing that can be wrong.

A fault climbs a ladder of levels. `info` tells; `warning` derates; `fault` opens the contactors in order; `critical`
opens them now. A level is reached when the value has been beyond `set` for `delay_samples` new samples *and* for
`delay_s` seconds, and is left when the value has been back within `clear` for as long. A level can be reached on its
own; levels are left one by one.

Thresholds are absolute, or relative to a limit of the pack named by `relative_to`: added to it, or multiplied with it
where `factor` is set. Profiles and pack files change them level by level.

Where a rule judges the lack of something (a lost sample, a contactor that does not follow), every tick counts as a
sample. A yes/no value is 1 for yes and 0 for no, with both thresholds half way.

The default delays are chosen so that each fault is decided several times sooner than by foxBMS 2's defaults
(cell voltage 50 evaluations of 10 ms + 200 ms, current 10 + 100 ms, temperature 500 + 1 s, contactor feedback
20 + 100 ms), while a single wrong sample never decides anything.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from ionward.image.fault_rows import Fault, Level
from ionward.image.faults_derived import DERIVED
from ionward.image.faults_points import _POINTS

__all__ = ["BY_ID", "FAULTS", "FAULT_ID", "Fault", "Level"]

# Cells. A warning stands well outside what sensor tolerance can make of a cell that is held exactly at its limit.
_CELLS = (
    Fault(
        id="cell_overvoltage", name="Cell overvoltage", unit="V", scope="cell", direction="above",
        meaning="A cell stands above the voltage its maker allows; lithium plates and the cell can catch fire.",
        action="Stop charging. Have the charger and the cell named here checked before charging again.",
        dtc=0x1A0100, requirement="SR-001", ftti_s=1, relative_to="cell_voltage_max_v", blocks="charge",
        warning=Level(0.015, -0.005, 3, 0.1), fault=Level(0.03, -0.005, 3, 0.05), critical=Level(0.08, 0.0, 2, 0.02),
    ),
    Fault(
        id="cell_undervoltage", name="Cell undervoltage", unit="V", scope="cell", direction="below",
        meaning="A cell stands below the voltage its maker allows; copper dissolves and the cell is damaged.",
        action="Stop discharging and charge soon at low current.",
        dtc=0x1A0200, requirement="SR-002", retry=True, ftti_s=2, relative_to="cell_voltage_min_v", blocks="discharge",
        warning=Level(-0.015, 0.1, 3, 0.5), fault=Level(-0.05, 0.1, 3, 0.5), critical=Level(-0.3, 0.0, 3, 0.1),
    ),
    Fault(
        id="cell_voltage_spread", name="Cell voltages far apart", unit="V", scope="cell", direction="above",
        meaning="The highest and the lowest cell voltage differ by more than balancing explains; a cell has lost "
        "capacity, leaks, or is not connected well. The lowest cell is named.",
        action="Let the pack balance. If the difference comes back, have the cell named here measured.",
        dtc=0x1A0300, requirement="SR-003", maskable=True, ftti_s=30,
        info=Level(0.25, 0.20, 5, 10.0), warning=Level(0.45, 0.35, 5, 10.0), fault=Level(1.0, 0.6, 5, 5.0),
    ),
    Fault(
        id="cell_sum_mismatch", name="Cell sum and pack voltage differ", unit="V", scope="pack", direction="above",
        meaning="The sum of the cell voltages and the measured pack voltage do not agree (given per cell in series, "
        "for samples taken at steady current, with 0.1 mΩ per cell allowed for joints): one of them is wrong.",
        action="Have the cell monitors, the sense wires and the pack voltage sensor checked.",
        dtc=0x1A0400, requirement="SR-004", ftti_s=10, only_when=("pack_voltage_v",),
        warning=Level(0.03, 0.02, 5, 2.0), fault=Level(0.10, 0.05, 5, 2.0),
    ),
)  # fmt: skip

# Temperature. A direction's wall is judged only while current flows in that direction: a pack that is too cold to be
# charged may rest and may be discharged. What no cell may ever see, resting or not, has walls of its own.
_TEMPERATURES = (
    Fault(
        id="charge_overtemperature", name="Too hot to charge", unit="°C", scope="temperature", direction="above",
        meaning="The pack is charged while a cell is hotter than its maker allows for charging; it ages fast and can "
        "run away.",
        action="Stop charging and let the pack cool. Check coolant, pump and fan.",
        dtc=0x1A1000, requirement="SR-010",
        retry=True, ftti_s=10, relative_to="charge_temperature_max_c", blocks="charge",
        warning=Level(0.5, -1.0, 3, 1.0), fault=Level(3.0, 0.0, 3, 1.0), critical=Level(8.0, 3.0, 3, 0.5),
    ),
    Fault(
        id="charge_undertemperature", name="Too cold to charge", unit="°C", scope="temperature", direction="below",
        meaning="The pack is charged while a cell is colder than its maker allows for charging; lithium plates.",
        action="Stop charging and warm the pack first. Discharging is still possible.",
        dtc=0x1A1100, requirement="SR-011",
        retry=True, ftti_s=10, relative_to="charge_temperature_min_c", blocks="charge",
        warning=Level(-0.5, 1.0, 3, 2.0), fault=Level(-3.0, 0.0, 3, 2.0),
    ),
    Fault(
        id="discharge_overtemperature", name="Too hot to discharge", unit="°C", scope="temperature", direction="above",
        meaning="The pack is discharged while a cell is hotter than its maker allows; it can run away.",
        action="Stop the load and let the pack cool. Check coolant, pump and fan.",
        dtc=0x1A1200, requirement="SR-012",
        retry=True, ftti_s=10, relative_to="discharge_temperature_max_c", blocks="discharge",
        warning=Level(0.5, -1.0, 3, 1.0), fault=Level(3.0, 0.0, 3, 1.0), critical=Level(8.0, 3.0, 3, 0.5),
    ),
    Fault(
        id="discharge_undertemperature", name="Too cold to discharge", unit="°C", scope="temperature",
        direction="below",
        meaning="The pack is discharged while a cell is colder than its maker allows; its voltage collapses.",
        action="Warm the pack before using it.",
        dtc=0x1A1300, requirement="SR-013",
        retry=True, ftti_s=10, relative_to="discharge_temperature_min_c", blocks="discharge",
        warning=Level(-0.5, 1.0, 3, 2.0), fault=Level(-3.0, 0.0, 3, 2.0),
    ),
    Fault(
        id="overtemperature", name="Overtemperature", unit="°C", scope="temperature", direction="above",
        meaning="A cell is hotter than it may ever be, resting or not; thermal runaway may be near.",
        action="Get people away from the battery. Keep cooling. Have it inspected before any further use.",
        dtc=0x1A1400, requirement="SR-014", ftti_s=5, relative_to="discharge_temperature_max_c",
        warning=Level(3.0, 1.0, 3, 1.0), fault=Level(6.0, 2.0, 3, 1.0), critical=Level(12.0, 5.0, 2, 0.5),
    ),
    Fault(
        id="undertemperature", name="Undertemperature", unit="°C", scope="temperature", direction="below",
        meaning="A cell is colder than it may be even at rest; the electrolyte can freeze and seals can leak.",
        action="Bring the pack to a warmer place and let it warm through before use.",
        dtc=0x1A1500, requirement="SR-015", retry=True, ftti_s=60, relative_to="discharge_temperature_min_c",
        warning=Level(-5.0, -3.0, 3, 5.0), fault=Level(-15.0, -10.0, 3, 5.0),
    ),
    Fault(
        id="temperature_disagreement", name="Temperature sensors of a module disagree", unit="K", scope="module",
        direction="above",
        meaning="Sensors of one module differ by more than a module can: a sensor is wrong or loose, or one cell "
        "heats alone.",
        action="Have the sensors and cells of the module named here checked.",
        dtc=0x1A1600, requirement="SR-016", maskable=True, ftti_s=30,
        info=Level(10.0, 8.0, 5, 10.0), warning=Level(15.0, 12.0, 5, 5.0), fault=Level(25.0, 18.0, 5, 5.0),
    ),
)  # fmt: skip

# Current. Continuous ratings have delays longer than the ten seconds of a rated pulse.
_CURRENTS = (
    Fault(
        id="charge_overcurrent", name="Charge current too high for long", unit="A", scope="channel",
        direction="above",
        meaning="Charge current stays above the continuous rating for longer than a pulse may last.",
        action="Lower the charge current; check that the charger follows the published limit.",
        dtc=0x1A2000, requirement="SR-020",
        retry=True, ftti_s=60, relative_to="charge_current_max_a", factor=True, blocks="charge",
        warning=Level(1.05, 1.0, 5, 11.0), fault=Level(1.10, 1.0, 5, 15.0),
    ),
    Fault(
        id="discharge_overcurrent", name="Discharge current too high for long", unit="A", scope="channel",
        direction="above",
        meaning="Discharge current stays above the continuous rating for longer than a pulse may last.",
        action="Lower the load; check that it follows the published limit.",
        dtc=0x1A2100, requirement="SR-021", retry=True, ftti_s=60, relative_to="discharge_current_max_a", factor=True,
        blocks="discharge", warning=Level(1.05, 1.0, 5, 11.0), fault=Level(1.10, 1.0, 5, 15.0),
    ),
    Fault(
        id="charge_overcurrent_pulse", name="Charge overcurrent", unit="A", scope="channel", direction="above",
        meaning="Charge current is above the pulse rating of the pack.",
        action="Stop charging; have the charger checked.",
        dtc=0x1A2200, requirement="SR-022", ftti_s=0.5, relative_to="charge_current_pulse_a", factor=True,
        blocks="charge",
        warning=Level(1.05, 1.0, 3, 0.05), fault=Level(1.10, 1.0, 3, 0.1), critical=Level(1.5, 1.05, 3, 0.02),
    ),
    Fault(
        id="discharge_overcurrent_pulse", name="Discharge overcurrent", unit="A", scope="channel", direction="above",
        meaning="Discharge current is above the pulse rating of the pack.",
        action="Switch the load off; have it checked.",
        dtc=0x1A2300, requirement="SR-023", ftti_s=0.5, relative_to="discharge_current_pulse_a", factor=True,
        blocks="discharge",
        warning=Level(1.05, 1.0, 3, 0.05), fault=Level(1.10, 1.0, 3, 0.1), critical=Level(1.5, 1.05, 3, 0.02),
    ),
    Fault(
        id="short_circuit", name="Short circuit", unit="A", scope="channel", direction="above",
        meaning="Current of either direction is at twice the pulse rating or beyond what the sensor can read.",
        action="Do not reconnect. Have the high-voltage system searched for a short circuit.",
        dtc=0x1A2400, requirement="SR-024", ftti_s=0.1, relative_to="discharge_current_pulse_a", factor=True,
        critical=Level(2.0, 1.0, 2, 0.002),
    ),
    Fault(
        id="current_sensors_disagree", name="Current sensors disagree", unit="A", scope="channel", direction="above",
        meaning="The two current sensors differ by more than their tolerance. The one that reads more is used, and "
        "is named here; which one is wrong cannot be known.",
        action="Have both current sensors checked.",
        dtc=0x1A2500, requirement="SR-025", maskable=True, ftti_s=3, relative_to="current_tolerance_a", factor=True,
        only_when=("current_redundant_a",),
        warning=Level(1.25, 1.0, 5, 0.2), fault=Level(2.0, 1.0, 10, 1.0),
    ),
    Fault(
        id="current_while_open", name="Current while contactors are open", unit="A", scope="channel",
        direction="above",
        meaning="Current flows although the contactors are commanded open: they are welded or bypassed, or the "
        "current sensor has an offset.",
        action="Treat the pack as live. Have contactors and current sensor checked.",
        dtc=0x1A2600, requirement="SR-026", ftti_s=2, relative_to="current_tolerance_a", factor=True,
        only_when=("has_contactors",),
        warning=Level(2.0, 1.5, 5, 0.1), fault=Level(5.0, 2.0, 5, 0.1), critical=Level(20.0, 5.0, 5, 0.5),
    ),
)  # fmt: skip

# High voltage.
_HIGH_VOLTAGE = (
    Fault(
        id="hvil_open", name="Interlock loop open", unit="", scope="channel", direction="below",
        meaning="A high-voltage connector or cover is open; live parts may be touchable.",
        action="Close all covers and connectors of the high-voltage system.",
        dtc=0x1A3000, requirement="SR-030", ftti_s=0.5, only_when=("hvil_closed",),
        fault=Level(0.5, 0.5, 3, 0.02),
    ),
    Fault(
        id="crash", name="Crash", unit="", scope="channel", direction="above",
        meaning="The vehicle reports a crash.",
        action="Keep the pack disconnected. Have it inspected before any further use.",
        dtc=0x1A3100, requirement="SR-031", ftti_s=0.1, only_when=("crash",),
        critical=Level(0.5, 0.5, 2, 0.0),
    ),
    Fault(
        id="insulation_low", name="Insulation low", unit="Ω/V", scope="channel", direction="below",
        meaning="Insulation resistance to chassis is low for the working voltage (the highest voltage of the pack): "
        "below 500 Ω/V it is watched, below 100 Ω/V (the DC minimum of ISO 6469-3 and UN R100) touching can kill.",
        action="Do not touch high-voltage parts. Have the system searched for moisture and damaged insulation.",
        dtc=0x1A3200, requirement="SR-032", ftti_s=30, only_when=("insulation_ohm",),
        warning=Level(500.0, 600.0, 3, 2.0), fault=Level(100.0, 150.0, 3, 2.0),
    ),
    Fault(
        id="contactor_welded", name="Contactor does not open", unit="s", scope="channel", direction="above",
        meaning="A contactor's feedback stays closed (for the seconds given) although it is commanded open: it is "
        "welded, or its feedback is wrong.",
        action="Treat the pack as live. Have the contactor named here replaced.",
        dtc=0x1A3300, requirement="SR-033", ftti_s=1, relative_to="contactor_open_s", only_when=("has_contactors",),
        fault=Level(0.0, 0.0, 2, 0.0),
    ),
    Fault(
        id="contactor_stuck_open", name="Contactor does not close", unit="s", scope="channel", direction="above",
        meaning="A contactor's feedback stays open (for the seconds given) although it is commanded closed: coil, "
        "driver or feedback has failed, or it dropped out.",
        action="Have the contactor named here and its driver checked.",
        dtc=0x1A3400, requirement="SR-034", ftti_s=1, relative_to="contactor_close_s", only_when=("has_contactors",),
        fault=Level(0.0, 0.0, 2, 0.0),
    ),
    Fault(
        id="bus_live_while_open", name="Bus follows the pack while open", unit="", scope="channel",
        direction="above",
        meaning="The DC link stays at this share of the pack voltage although the contactors are commanded open: "
        "they are welded, or another source holds the bus.",
        action="Treat the bus as live. Check the contactors, and what else feeds the bus.",
        dtc=0x1A3500, requirement="SR-035",
        maskable=True, ftti_s=30, only_when=("has_contactors", "bus_voltage_v"), latching=False,
        warning=Level(0.95, 0.90, 5, 10.0),
    ),
    Fault(
        id="bus_apart_while_closed", name="Bus apart from the pack while closed", unit="", scope="channel",
        direction="above",
        meaning="Bus and pack voltage differ by this share although the contactors are commanded closed: a contactor "
        "dropped out, a fuse has blown, or a contact burns.",
        action="Stop the load. Have fuse and contactors checked.",
        dtc=0x1A3600, requirement="SR-036", ftti_s=2, only_when=("has_contactors", "bus_voltage_v"),
        warning=Level(0.05, 0.03, 5, 0.5), fault=Level(0.15, 0.05, 5, 0.5),
    ),
    Fault(
        id="precharge_too_long", name="Precharge path closed too long", unit="s", scope="channel", direction="above",
        meaning="The precharge path is commanded closed for longer than its resistor bears.",
        action="Let the resistor cool for some minutes. Check for a load on the bus.",
        dtc=0x1A3700, requirement="SR-037", ftti_s=5, relative_to="precharge_timeout_s", only_when=("has_precharge",),
        fault=Level(0.3, 0.0, 1, 0.0),
    ),
    Fault(
        id="precharge_failed", name="Precharge failed", unit="", scope="channel", direction="above",
        meaning="Precharge did not bring the bus to the pack voltage in any of its tries.",
        action="Withdraw the wish to connect. Check for a load, a short circuit or an open resistor on the bus.",
        dtc=0x1A3800, requirement="SR-038", ftti_s=30, relative_to="precharge_tries", only_when=("has_precharge",),
        fault=Level(-0.5, -0.5, 1, 0.0),
    ),
)  # fmt: skip

# Lost measurements, by how much protection depends on them. The value is the number of lost ones.
_LOST = (
    Fault(
        id="cell_voltage_lost", name="Cell voltage lost", unit="", scope="cell", direction="above",
        meaning="Cells are not watched: their voltage is missing, too old or not plausible. The first one is named.",
        action="Have the cell monitor and the sense wires checked.",
        dtc=0x1A4000, requirement="SR-040", retry=True, ftti_s=2,
        warning=Level(0.5, 0.5, 1, 0.1), fault=Level(0.5, 0.5, 3, 0.5),
    ),
    Fault(
        id="temperature_lost", name="Temperature sensor lost", unit="", scope="temperature", direction="above",
        meaning="Temperature sensors are missing, too old or not plausible; neighbours stand in for them.",
        action="Have the sensor named here checked.",
        dtc=0x1A4100, requirement="SR-041", maskable=True, ftti_s=10, latching=False,
        warning=Level(0.5, 0.5, 3, 1.0),
    ),
    Fault(
        id="cell_temperature_unknown", name="Cell temperature unknown", unit="", scope="cell", direction="above",
        meaning="Cells have no usable temperature sensor beside them.",
        action="Have the temperature sensors beside the cell named here checked.",
        dtc=0x1A4200, requirement="SR-042", retry=True, ftti_s=10,
        warning=Level(0.5, 0.5, 1, 0.5), fault=Level(0.5, 0.5, 3, 2.0),
    ),
    Fault(
        id="current_lost", name="Current lost", unit="", scope="channel", direction="above",
        meaning="No current sensor gives a usable value.",
        action="Have the current sensor checked.",
        dtc=0x1A4300, requirement="SR-043", retry=True, ftti_s=0.5, only_when=("current_a",),
        warning=Level(0.5, 0.5, 1, 0.02), fault=Level(0.5, 0.5, 3, 0.1),
    ),
    Fault(
        id="current_redundancy_lost", name="One current sensor lost", unit="", scope="channel", direction="above",
        meaning="One of the two current sensors gives no usable value; the other one is used.",
        action="Have the sensor named here checked soon.",
        dtc=0x1A4400, requirement="SR-044",
        maskable=True, ftti_s=5, only_when=("current_a", "current_redundant_a"), latching=False,
        warning=Level(0.5, 0.5, 3, 0.5),
    ),
    Fault(
        id="pack_voltage_lost", name="Pack voltage lost", unit="", scope="channel", direction="above",
        meaning="The pack voltage sensor gives no usable value; the sum of the cells stands in for it.",
        action="Have the pack voltage sensor checked.",
        dtc=0x1A4500, requirement="SR-045", maskable=True, ftti_s=5, only_when=("pack_voltage_v",), latching=False,
        warning=Level(0.5, 0.5, 3, 0.5),
    ),
    Fault(
        id="bus_voltage_lost", name="Bus voltage lost", unit="", scope="channel", direction="above",
        meaning="The bus voltage sensor gives no usable value; contactors cannot be closed safely.",
        action="Have the bus voltage sensor checked.",
        dtc=0x1A4600, requirement="SR-046", maskable=True, ftti_s=5, only_when=("bus_voltage_v",), latching=False,
        warning=Level(0.5, 0.5, 3, 0.5),
    ),
    Fault(
        id="insulation_lost", name="Insulation monitor lost", unit="", scope="channel", direction="above",
        meaning="The insulation monitor gives no usable value; a fault to chassis would not be seen.",
        action="Have the insulation monitor checked.",
        dtc=0x1A4700, requirement="SR-047", ftti_s=60, only_when=("insulation_ohm",), latching=False,
        warning=Level(0.5, 0.5, 3, 5.0),
    ),
    Fault(
        id="hvil_lost", name="Interlock loop not readable", unit="", scope="channel", direction="above",
        meaning="The interlock loop cannot be read; it must be taken for open.",
        action="Have the interlock wiring checked.",
        dtc=0x1A4800, requirement="SR-048", ftti_s=2, only_when=("hvil_closed",),
        warning=Level(0.5, 0.5, 1, 0.1), fault=Level(0.5, 0.5, 3, 0.5),
    ),
    Fault(
        id="crash_lost", name="Crash signal not readable", unit="", scope="channel", direction="above",
        meaning="The crash signal cannot be read; a crash would not be seen.",
        action="Have the crash signal's wiring checked.",
        dtc=0x1A4900, requirement="SR-049", ftti_s=5, only_when=("crash",), latching=False,
        warning=Level(0.5, 0.5, 3, 0.5),
    ),
    Fault(
        id="contactor_feedback_lost", name="Contactor feedback lost", unit="", scope="channel", direction="above",
        meaning="Feedback of a contactor cannot be read; a welded contact would not be seen.",
        action="Have the feedback wiring of the contactor named here checked.",
        dtc=0x1A4A00, requirement="SR-050", maskable=True, ftti_s=5, only_when=("has_contactors",), latching=False,
        warning=Level(0.5, 0.5, 3, 0.5),
    ),
    Fault(
        id="coolant_temperature_lost", name="Coolant or ambient temperature lost", unit="", scope="channel",
        direction="above",
        meaning="A coolant or ambient temperature sensor gives no usable value; cooling goes by the cells alone.",
        action="Have the sensor named here checked.",
        dtc=0x1A4B00, requirement="SR-051", maskable=True, ftti_s=60, latching=False,
        info=Level(0.5, 0.5, 3, 5.0),
    ),
    Fault(
        id="samples_refused", name="Many samples refused", unit="1/s", scope="pack", direction="above",
        meaning="Many samples are refused as not plausible (given per second, averaged over ten seconds), though each "
        "measurement still gets good ones in between: noise, a loose wire or a failing sensor.",
        action="Look at the measurements marked as held; check wiring and shielding.",
        dtc=0x1A4C00, requirement="SR-052", maskable=True, ftti_s=60, latching=False,
        info=Level(1.0, 0.5, 1, 0.0), warning=Level(5.0, 2.0, 1, 2.0),
    ),
)  # fmt: skip

# The BMS itself, in real time: two enables, and the rhythm of the cycle. Nothing here is raised in simulated time.
_INSIDE = (
    Fault(
        id="cycle_stopped", name="Control stood still", unit="s", scope="pack", direction="above",
        meaning="The control cycle paused for the time given: its process was frozen or displaced. Its enable expired "
        "meanwhile, so the contactors are open already.",
        action="Find out what stopped the process (`ionward doctor`), then acknowledge.",
        dtc=0x1A5000, requirement="SR-060", ftti_s=0.5, relative_to="cycle_watch_s",
        critical=Level(0.0, 0.0, 1, 0.0),
    ),
    Fault(
        id="cycle_overrun", name="Control cycle overruns", unit="", scope="pack", direction="above",
        meaning="Too many cycles of the last ten seconds were not over in time. The value is their number against what "
        "is permitted (`cycle.overrun_budget`).",
        action="Look at the cycle histogram of the screen `System`; relieve the machine, or choose a longer cycle.",
        dtc=0x1A5100, requirement="SR-061", ftti_s=30,
        warning=Level(0.5, 0.25, 1, 0.0), fault=Level(1.0, 0.5, 1, 0.0),
    ),
    Fault(
        id="guard_withholds", name="The guard withholds its enable", unit="", scope="pack", direction="above",
        meaning="The guard, which watches the same samples by rules of its own, does not let the contactors be closed. "
        "The value is the number of its reason; the screen `System` tells it in words.",
        action="Look at the guard's reason. When its cause is gone, acknowledge.",
        dtc=0x1A5200, requirement="SR-062", ftti_s=0.5,
        critical=Level(0.5, 0.5, 1, 0.0),
    ),
    Fault(
        id="enable_lost", name="Contactors dropped by an expired enable", unit="", scope="pack", direction="above",
        meaning="The driver let the contactors drop: the enable of control or of the guard was no longer renewed.",
        action="Look at the processes on the screen `System`: one was killed, frozen or too slow. Then acknowledge.",
        dtc=0x1A5300, requirement="SR-063", ftti_s=0.5,
        critical=Level(0.5, 0.5, 1, 0.0),
    ),
)  # fmt: skip

FAULTS: tuple[Fault, ...] = (*_CELLS, *_TEMPERATURES, *_CURRENTS, *_HIGH_VOLTAGE, *_LOST, *_INSIDE, *_POINTS, *DERIVED)

FAULT_ID: Any = namedtuple("FaultNumbers", [f.id for f in FAULTS])(*range(len(FAULTS)))
BY_ID: dict[str, Fault] = {f.id: f for f in FAULTS}
