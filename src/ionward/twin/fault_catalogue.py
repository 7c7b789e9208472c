"""What can be broken in the simulated battery: names, places, and what the value of each fault means."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ionward.image.inputs import CHANNEL
from ionward.twin.rows import MAIN_NEGATIVE, MAIN_POSITIVE, PRECHARGE

PlaceKind = Literal["cell", "module", "contactor", "main contactor", "connector", "sensor", "pack"]

CONTACTORS = {"main_positive": MAIN_POSITIVE, "main_negative": MAIN_NEGATIVE, "precharge": PRECHARGE}
CONNECTORS = {"positive": MAIN_POSITIVE, "negative": MAIN_NEGATIVE}
# Places with names, by the kind of place.
NAMED_PLACES = {
    "contactor": CONTACTORS,
    "main contactor": {name: k for name, k in CONTACTORS.items() if name.startswith("main")},
    "connector": CONNECTORS,
}
# Sensors by the names of the pack file; the feedback contacts by those of the contactors.
CHANNEL_PLACES = {
    "current": CHANNEL.current_a,
    "current_redundant": CHANNEL.current_redundant_a,
    "pack_voltage": CHANNEL.pack_voltage_v,
    "bus_voltage": CHANNEL.bus_voltage_v,
    "insulation": CHANNEL.insulation_ohm,
    "coolant_inlet": CHANNEL.coolant_inlet_c,
    "coolant_outlet": CHANNEL.coolant_outlet_c,
    "ambient": CHANNEL.ambient_c,
    "hvil": CHANNEL.hvil_closed,
    "crash": CHANNEL.crash,
    "main_positive": CHANNEL.main_positive_closed,
    "main_negative": CHANNEL.main_negative_closed,
    "precharge": CHANNEL.precharge_closed,
    "contactor_positive": CHANNEL.contactor_positive_c,
    "contactor_negative": CHANNEL.contactor_negative_c,
    "connector_positive": CHANNEL.connector_positive_c,
    "connector_negative": CHANNEL.connector_negative_c,
    "balancing_board": CHANNEL.balancing_board_c,
    "positive_tap": CHANNEL.positive_tap_v,
    "negative_tap": CHANNEL.negative_tap_v,
    "cooling_feedback": CHANNEL.cooling_running,
    "monitor_redundancy": CHANNEL.monitor_redundancy_v,
    "monitor_crc": CHANNEL.monitor_crc_errors,
    "monitor_sequence": CHANNEL.monitor_sequence_errors,
    "pyrofuse_loop": CHANNEL.pyrofuse_intact,
}


@dataclass(frozen=True)
class PlantFault:
    """One fault that can be injected. `value` is in `unit`; `default` None means that the scenario has to give it."""

    name: str
    place: PlaceKind
    meaning: str
    unit: str = ""
    value: str = ""
    default: float | None = None
    minimum: float = -math.inf
    maximum: float = math.inf
    takes_value: bool = True
    lasting: bool = False  # a change of state: it cannot be taken back

    @property
    def allowed(self) -> str:
        """Values that are possible, in words."""
        most = "or more" if math.isinf(self.maximum) else f"to {self.maximum:g}"
        return f"{self.minimum:g} {most} ({self.unit or '1'})"


def _fault(name: str, place: PlaceKind, meaning: str) -> PlantFault:
    return PlantFault(name, place, meaning, takes_value=False)


FAULT_CATALOGUE: tuple[PlantFault, ...] = (
    PlantFault("cell_internal_short", "cell", "Short inside a cell", "Ω", "resistance", 0.05, 1e-6),
    PlantFault("cell_self_discharge", "cell", "A cell that loses charge by itself", "Ω", "resistance", 10.0, 1e-3),
    PlantFault("cell_soc", "cell", "A cell's SOC jumps: overcharged above 1", "", "SOC", 1.05, -0.5, lasting=True),
    PlantFault("cell_temperature", "cell", "A cell's temperature jumps", "°C", "temperature", None, lasting=True),
    PlantFault("cell_weak_capacity", "cell", "A cell with less capacity", "", "part that is left", 0.8, 0.01),
    PlantFault("cell_high_resistance", "cell", "A cell with more resistance", "", "factor", 3.0, 0.01),
    PlantFault("high_resistance_joint", "cell", "A loose joint between a cell's taps", "Ω", "resistance", 0.001, 0.0),
    PlantFault("thermal_runaway", "cell", "Heat from inside a cell", "W", "heat", 2000.0, 0.0),
    PlantFault("cell_burns", "cell", "Thermal runaway of a cell, which may set its neighbours on fire",
               takes_value=False, lasting=True),
    PlantFault("sense_wire_open", "cell", "The sense wire above a cell is broken: its input drifts down", "",
               "part of the cell's voltage; less where it is corroded only", 0.9, 0.0, 1.0),
    _fault("bleed_stuck_on", "cell", "A bleed resistor that never goes off"),
    _fault("bleed_stuck_off", "cell", "A bleed resistor that never comes on"),
    _fault("afe_lost", "module", "The cell monitor of a module stops answering"),
    PlantFault("afe_crc", "module", "Frames of a cell monitor arrive corrupted", "", "share of them", 0.2, 0.0, 1.0),
    PlantFault("afe_sequence", "module", "Frames of a cell monitor are repeated or lost", "", "share of them", 0.2, 0.0,
               1.0),
    PlantFault("board_hot", "module", "Heat from elsewhere on a balancing board", "W", "heat", 10.0, 0.0),
    _fault("contactor_welded", "contactor", "The contact cannot open"),
    _fault("contactor_stuck_open", "contactor", "The contact cannot close"),
    _fault("contactor_drops_out", "contactor", "The contact opens by itself and cannot close"),
    PlantFault("contactor_chatters", "contactor", "The contact falls off and comes back while its coil is energised",
               "s", "period; it is off for half of it", 0.1, 0.01),
    PlantFault("contactor_slow", "contactor", "The contact needs longer", "s", "time to close and open", 0.5, 0.0),
    PlantFault("contactor_hot", "main contactor", "A contact that burns", "", "resistance, factor", 20.0, 0.0),
    PlantFault("connector_hot", "connector", "A connector or joint that burns", "", "resistance, factor", 20.0, 0.0),
    PlantFault("contact_burns", "pack", "A main contact conducts badly", "Ω", "resistance", 0.1, 0.0),
    PlantFault("feedback_stuck", "contactor", "The feedback contact hangs", "", "1 closed, 0 open", 0.0, 0.0),
    _fault("sensor_lost", "sensor", "No more samples"),
    _fault("sensor_frozen", "sensor", "The last value again and again, with new times"),
    _fault("sensor_nan", "sensor", "Samples without a value"),
    PlantFault("sensor_stuck", "sensor", "Always the same value", "of the sensor", "value"),
    PlantFault("sensor_offset", "sensor", "A constant error", "of the sensor", "error"),
    PlantFault("sensor_gain", "sensor", "A wrong factor", "", "factor"),
    PlantFault("sensor_noise", "sensor", "More noise", "of the sensor", "standard deviation", None, 0.0),
    PlantFault("sensor_drift", "sensor", "An error that grows", "of the sensor, per s", "growth"),
    _fault("precharge_resistor_open", "pack", "The precharge resistor is burnt out"),
    PlantFault("precharge_resistor_low", "pack", "The precharge resistor has lost resistance", "Ω", "resistance", 5.0,
               1e-3),
    PlantFault("dc_link_missing", "pack", "Capacitors of the DC link are not there", "", "part that is left", 0.0, 0.0,
               1.0),
    PlantFault("foreign_source", "pack", "Something else feeds an open bus", "V", "voltage it goes to", None, 0.0),
    PlantFault("bus_short", "pack", "A short across the DC link", "Ω", "resistance", 0.02, 1e-6),
    PlantFault("bus_load", "pack", "A resistor that stays on the DC link", "Ω", "resistance", 100.0, 1e-3),
    _fault("fuse_blown", "pack", "The main fuse is open"),
    _fault("pyrofuse_fired", "pack", "The pyrofuse has fired by itself"),
    _fault("load_ignores_limits", "pack", "The load takes what the profile asks for, whatever the BMS says"),
    _fault("charger_ignores_limits", "pack", "The charger gives what the profile asks for, whatever the BMS says"),
    PlantFault("charger_runs_away", "pack", "… and its voltage control fails", "V", "voltage it goes to", None, 0.0),
    PlantFault("unwanted_current", "pack", "Something else draws or feeds", "A", "current, positive charging"),
    _fault("cooling_lost", "pack", "Pump and fan stand still"),
    _fault("chiller_lost", "pack", "The chiller does not cool"),
    PlantFault("coolant_hot", "pack", "The coolant comes in hot", "°C", "inlet temperature", 55.0),
    PlantFault("ambient_changes", "pack", "Another ambient temperature", "°C", "temperature"),
    _fault("hvil_open", "pack", "The interlock loop is open"),
    _fault("crash", "pack", "The vehicle crashes"),
    PlantFault("insulation_drop", "pack", "Insulation to chassis fails", "Ω", "resistance", 20e3, 0.0),
    PlantFault("insulation_creeps", "pack", "Insulation to chassis fails slowly", "s", "time to fall to 1/e", 100.0,
               0.1),
)  # fmt: skip
FAULTS_BY_NAME = {fault.name: fault for fault in FAULT_CATALOGUE}
