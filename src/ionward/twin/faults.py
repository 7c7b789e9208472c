"""Faults that can be injected: each changes the simulated battery itself, never what the BMS has made of it.

`FAULT_CATALOGUE` names every fault, where it can be and what its value means; `inject` makes it and gives back how to
end it. A sensor's fault is in the sensor, so the BMS sees it as it would see the real one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ionward.errors import UserError
from ionward.image.inputs import CHANNEL
from ionward.twin import cells as electric
from ionward.twin.plant import Plant
from ionward.twin.rows import (
    CELLS,
    FAULT_DRIFT,
    FAULT_FROZEN,
    FAULT_GAIN,
    FAULT_LOST,
    FAULT_NAN,
    FAULT_NOISE,
    FAULT_OFFSET,
    FAULT_STUCK,
    KON,
    MAIN_NEGATIVE,
    MAIN_POSITIVE,
    MOD,
    PRECHARGE,
    SENSE,
    SET,
    STATE,
)

Array = npt.NDArray[np.float64]
Place = int | str | None
PlaceKind = Literal["cell", "module", "contactor", "main contactor", "connector", "sensor", "pack"]
Undo = Callable[[], None]

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
NEVER_OHM = 1e12


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
    _fault("sense_wire_open", "cell", "The sense wire above a cell is broken"),
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
)  # fmt: skip
FAULTS_BY_NAME = {fault.name: fault for fault in FAULT_CATALOGUE}

SENSOR_FAULT_KINDS = {
    "sensor_lost": FAULT_LOST,
    "sensor_frozen": FAULT_FROZEN,
    "sensor_nan": FAULT_NAN,
    "sensor_stuck": FAULT_STUCK,
    "sensor_offset": FAULT_OFFSET,
    "sensor_gain": FAULT_GAIN,
    "sensor_noise": FAULT_NOISE,
    "sensor_drift": FAULT_DRIFT,
}


def inject(plant: Plant, name: str, place: Place = None, value: float | None = None) -> Undo:
    """Make a fault in the plant now.

    Args:
        plant: the simulated battery.
        name: a name of the catalogue.
        place: cell or module number from 0, contactor name, or sensor (`current`, `cell_voltage 17`,
            `temperature 3`, `cell_voltage` for all of them); none for the pack.
        value: in the unit that the catalogue names; left out where it has a default.

    Returns:
        Call it to end the fault. What happened to the cells meanwhile stays, and so does a change of state.

    Raises:
        UserError: unknown fault, a place that this pack does not have, or a value that is missing or impossible.
    """
    problem = problem_of(plant, name, place, value)
    if problem:
        raise UserError(problem)
    fault = FAULTS_BY_NAME[name]
    number = fault.default if value is None else value
    strength = math.nan if number is None else float(number)
    if fault.place == "sensor":
        return _break_sensor(*sensor_block(plant, str(place)), SENSOR_FAULT_KINDS[name], strength, plant)
    if fault.place == "cell":
        return _break_cell(plant, name, int(place or 0), strength)
    if fault.place in NAMED_PLACES:
        return _break_contactor(plant, name, str(place), NAMED_PLACES[fault.place][str(place)], strength)
    if fault.place == "module":
        return _break_module(plant, name, int(place or 0), strength)
    return _break_pack(plant, name, strength)


def problem_of(plant: Plant, name: str, place: Place, value: float | None) -> str | None:
    """What is wrong with this fault for this plant, in one line; None when it can be injected."""
    fault = FAULTS_BY_NAME.get(name)
    if fault is None:
        from ionward.battery.problems import did_you_mean  # loads much that a running driver does not need

        return f"unknown fault '{name}'; {did_you_mean(name, FAULTS_BY_NAME)}"
    wrong_place = _place_problem(plant, fault, place)
    if wrong_place:
        return f"{name}: {wrong_place}"
    if value is not None and not fault.takes_value:
        return f"{name}: takes no value; leave it out"
    if value is None and fault.takes_value and fault.default is None:
        return f"{name}: value is missing; give the {fault.value} ({fault.unit})"
    if value is not None and not (math.isfinite(value) and fault.minimum <= value <= fault.maximum):
        return f"{name}: value {value:g} is impossible; allowed: {fault.allowed}"
    return None


def _place_problem(plant: Plant, fault: PlantFault, place: Place) -> str | None:
    if fault.place == "pack":
        return None if place is None else f"place '{place}' is too much; it concerns the whole pack, leave it out"
    if fault.place in ("cell", "module"):
        last = plant.cells.shape[1] - 1 if fault.place == "cell" else int(plant.cells[CELLS.module].max())
        if isinstance(place, int) and 0 <= place <= last:
            return None
        return f"place '{place}' is no {fault.place} of this pack; allowed: 0 to {last}"
    if fault.place in NAMED_PLACES:
        known = NAMED_PLACES[fault.place]
        return None if place in known else f"place '{place}' is no {fault.place}; allowed: {', '.join(known)}"
    try:
        sensor_block(plant, str(place))
    except ValueError as error:
        return str(error)
    return None


def sensor_block(plant: Plant, place: str) -> tuple[Array, list[int]]:
    """Block and columns of the sensors that a place names.

    Raises:
        ValueError: there is no such sensor.
    """
    name, _, number = place.replace("[", " ").replace("]", "").strip().partition(" ")
    if name in CHANNEL_PLACES and not number:
        block, columns = plant.channel_sensors, [CHANNEL_PLACES[name]]
    elif name in ("cell_voltage", "temperature"):
        block = plant.cell_sensors if name == "cell_voltage" else plant.temperature_sensors
        count = block.shape[1]
        if number and not (number.isdigit() and int(number) < count):
            raise ValueError(f"place '{place}' does not exist; allowed: '{name} 0' to '{name} {count - 1}'")
        columns = [int(number)] if number else list(range(count))
    else:
        known = ", ".join([*CHANNEL_PLACES, "cell_voltage N", "temperature N"])
        raise ValueError(f"place '{place}' is no sensor; allowed: {known}")
    if not block[SENSE.fitted, columns].any():
        raise ValueError(f"place '{place}' is not fitted in this pack; choose another sensor")
    return block, columns


def _change(block: Array, where: tuple[int, ...], value: float) -> Undo:
    """Set one number and give back how to restore it."""
    before = float(block[where])
    block[where] = value

    def undo() -> None:
        block[where] = before

    return undo


def _break_sensor(block: Array, columns: list[int], kind: int, strength: float, plant: Plant) -> Undo:
    before = block[SENSE.fault, columns].copy()
    block[SENSE.fault, columns] = kind
    block[SENSE.fault_value, columns] = strength
    block[SENSE.fault_since_s, columns] = plant.state[STATE.time_s]

    def undo() -> None:
        block[SENSE.fault, columns] = before

    return undo


def _break_module(plant: Plant, name: str, module: int, strength: float) -> Undo:
    if name == "afe_lost":
        return _lose_module(plant, module)
    if name == "board_hot":
        return _change(plant.modules, (MOD.board_heat_w, module), strength)
    row = {"afe_crc": MOD.crc_share, "afe_sequence": MOD.sequence_share}[name]
    undo_share = _change(plant.modules, (row, module), strength)
    _disturb_monitors(plant)

    def undo() -> None:
        undo_share()
        _disturb_monitors(plant)

    return undo


def _disturb_monitors(plant: Plant) -> None:
    """Let dropping of frames begin, or end where no monitor is disturbed any more."""
    plant.state[STATE.monitors_disturbed] = plant.modules[[MOD.crc_share, MOD.sequence_share]].any()
    plant.cell_sensors[SENSE.dropped] = plant.temperature_sensors[SENSE.dropped] = 0.0


def _lose_module(plant: Plant, module: int) -> Undo:
    of_cell = plant.cells[CELLS.module]
    cells = np.flatnonzero(of_cell == module).tolist()
    of_sensor = of_cell[plant.temperature_at[0].astype(int)]
    sensors = np.flatnonzero((of_sensor == module) & (plant.temperature_sensors[SENSE.fitted] > 0)).tolist()
    undo_cells = _break_sensor(plant.cell_sensors, cells, FAULT_LOST, math.nan, plant)
    undo_sensors = _break_sensor(plant.temperature_sensors, sensors, FAULT_LOST, math.nan, plant)

    def undo() -> None:
        undo_cells()
        undo_sensors()

    return undo


def _break_cell(plant: Plant, name: str, cell: int, strength: float) -> Undo:
    cells = plant.cells
    if name == "cell_temperature":
        cells[[CELLS.core_c, CELLS.surface_c], cell] = strength
        undo: Undo = _nothing
    else:
        row, value = {
            "cell_internal_short": (CELLS.short_s, 1.0 / strength),
            "cell_self_discharge": (CELLS.leak_s, cells[CELLS.leak_s, cell] + 1.0 / strength),
            "cell_soc": (CELLS.soc, strength),
            "cell_weak_capacity": (CELLS.capacity_as, strength * cells[CELLS.capacity_as, cell]),
            "cell_high_resistance": (CELLS.resistance_factor, strength * cells[CELLS.resistance_factor, cell]),
            "high_resistance_joint": (CELLS.tap_ohm, strength),
            "thermal_runaway": (CELLS.heat_w, strength),
            "sense_wire_open": (CELLS.wire_open, 1.0),
            "bleed_stuck_on": (CELLS.bleed_stuck, 1.0),
            "bleed_stuck_off": (CELLS.bleed_stuck, -1.0),
        }[name]
        undo = _change(cells, (row, cell), value)
        if FAULTS_BY_NAME[name].lasting:
            undo = _nothing
    _read_tables(plant, cell)

    def undo_and_read() -> None:
        undo()
        if name == "sense_wire_open":
            cells[CELLS.wire_drift_v, cell] = 0.0
        _read_tables(plant, cell)

    return undo_and_read


def _read_tables(plant: Plant, cell: int) -> None:
    """Let a changed cell count from now on, not from its turn on."""
    electric.refresh(plant.cells, plant.table, plant.settings, cell, 1)


def _break_contactor(plant: Plant, name: str, place: str, k: int, strength: float) -> Undo:
    if name in ("contactor_hot", "connector_hot"):
        row = KON.contact_factor if name == "contactor_hot" else KON.joint_factor
        return _change(plant.contactors, (row, k), strength)
    if name == "feedback_stuck":
        return _break_sensor(plant.channel_sensors, [CHANNEL_PLACES[place]], FAULT_STUCK, strength, plant)
    if name == "contactor_slow":
        close, open_ = (_change(plant.contactors, (row, k), strength) for row in (KON.close_s, KON.open_s))

        def undo() -> None:
            close()
            open_()

        return undo
    if name == "contactor_drops_out":
        plant.contactors[KON.closed, k] = 0.0
        return _change(plant.contactors, (KON.stuck, k), 1.0)
    row = {"contactor_welded": KON.welded, "contactor_stuck_open": KON.stuck}[name]
    if name == "contactor_welded" and plant.contactors[KON.closed, k] == 0.0:
        # An open contact welds when it closes next; held open it would be closed by magic.
        row = KON.welds_next
    return _change(plant.contactors, (row, k), 1.0)


def _break_pack(plant: Plant, name: str, strength: float) -> Undo:
    settings, state = plant.settings, plant.state
    if name == "charger_runs_away":
        undo_limits = _change(settings, (SET.charger_obeys,), 0.0)
        undo_voltage = _change(settings, (SET.charge_voltage_v,), strength)

        def undo() -> None:
            undo_limits()
            undo_voltage()

        return undo
    across_s = 1.0 / strength if strength else math.inf  # an insulation of 0 Ω is meant seriously
    block, row, value = {
        "precharge_resistor_open": (settings, SET.precharge_ohm, NEVER_OHM),
        "contact_burns": (settings, SET.contactor_ohm, float(settings[SET.contactor_ohm]) + 0.5 * strength),
        "bus_short": (settings, SET.bus_short_s, across_s),
        "bus_load": (settings, SET.bus_short_s, across_s),
        "fuse_blown": (state, STATE.fuse_blown, 1.0),
        "pyrofuse_fired": (state, STATE.pyrofuse_fired, 1.0),
        "load_ignores_limits": (settings, SET.load_obeys, 0.0),
        "charger_ignores_limits": (settings, SET.charger_obeys, 0.0),
        "unwanted_current": (settings, SET.extra_load_a, strength),
        "cooling_lost": (state, STATE.flow_factor, 0.0),
        "chiller_lost": (state, STATE.chiller_factor, 0.0),
        "coolant_hot": (state, STATE.inlet_held_c, strength),
        "ambient_changes": (state, STATE.ambient_c, strength),
        "hvil_open": (state, STATE.hvil_closed, 0.0),
        "crash": (state, STATE.crash, 1.0),
        "insulation_drop": (state, STATE.insulation_ohm, strength),
    }[name]
    return _change(block, (row,), value)


def _nothing() -> None:
    """A change of state cannot be taken back."""
