"""Faults that can be injected: each changes the simulated battery itself, never what the BMS has made of it.

`twin.fault_catalogue` names them all; `inject` makes one and gives back how to end it. A sensor's fault is in the
sensor, so the BMS sees it as it would see the real one.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ionward.errors import UserError
from ionward.twin import cells as electric
from ionward.twin.fault_catalogue import CHANNEL_PLACES, FAULTS_BY_NAME, NAMED_PLACES, PlantFault
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
    MOD,
    SENSE,
    SET,
    STATE,
)

Array = npt.NDArray[np.float64]
Place = int | str | None
Undo = Callable[[], None]

NEVER_OHM = 1e12
# What a foreign source feeds, against what the bleed-down resistor draws at its voltage.
FOREIGN_FACTOR = 20.0
JUST_BURNING_J = 1e-6

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


def _change_both(block: Array, first: tuple[int, float], second: tuple[int, float]) -> Undo:
    """Set two numbers of one column and give back how to restore them."""
    undo_first, undo_second = (_change(block, (row,), value) for row, value in (first, second))

    def undo() -> None:
        undo_first()
        undo_second()

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
        across_s = 1.0 / strength if strength else math.inf  # an SOC or a heat may well be 0, a resistance is more
        row, value = {
            "cell_internal_short": (CELLS.short_s, across_s),
            "cell_self_discharge": (CELLS.leak_s, cells[CELLS.leak_s, cell] + across_s),
            "cell_soc": (CELLS.soc, strength),
            "cell_weak_capacity": (CELLS.capacity_as, strength * cells[CELLS.capacity_as, cell]),
            "cell_high_resistance": (CELLS.resistance_factor, strength * cells[CELLS.resistance_factor, cell]),
            "high_resistance_joint": (CELLS.tap_ohm, strength),
            "thermal_runaway": (CELLS.heat_w, strength),
            "cell_burns": (CELLS.burnt_j, JUST_BURNING_J),
            "sense_wire_open": (CELLS.wire_open, strength),
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
        return _change_both(plant.contactors[:, k], (KON.close_s, strength), (KON.open_s, strength))
    if name == "contactor_chatters":
        return _change(plant.contactors, (KON.chatters_s, k), strength)
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
        return _change_both(settings, (SET.charger_obeys, 0.0), (SET.charge_voltage_v, strength))
    if name == "foreign_source":
        fed_a = FOREIGN_FACTOR * strength / float(settings[SET.bleed_down_ohm])
        return _change_both(settings, (SET.charge_voltage_v, strength), (SET.extra_load_a, fed_a))
    across_s = 1.0 / strength if strength else math.inf  # an insulation of 0 Ω is meant seriously
    block, row, value = {
        "precharge_resistor_open": (settings, SET.precharge_ohm, NEVER_OHM),
        "precharge_resistor_low": (settings, SET.precharge_ohm, strength),
        "dc_link_missing": (settings, SET.capacitance_f, strength * float(settings[SET.capacitance_f])),
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
        "insulation_creeps": (settings, SET.insulation_time_s, strength),
    }[name]
    return _change(block, (row,), value)


def _nothing() -> None:
    """A change of state cannot be taken back."""
