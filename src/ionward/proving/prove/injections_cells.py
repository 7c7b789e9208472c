"""How faults of cells and of their measurement are made to stand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ionward.battery.system import System
from ionward.image.build import system_size
from ionward.proving.prove import quantities as q
from ionward.proving.prove.ground import (
    SLOW_K_PER_S,
    CannotStandError,
    Ground,
    Standing,
    drive_cell_voltage,
    first_middle_last,
    heat,
    lead_core,
)
from ionward.proving.prove.points import ALL
from ionward.proving.prove.ways import (
    NOISE_SIGMAS,
    ROOM,
    Injection,
    cells,
    fitted,
    fitted_both_signs,
    modules,
    one_of,
    plain,
    sensors,
)
from ionward.safety.rules import JOINT_OHM
from ionward.safety.samples import MOVED
from ionward.twin.rows import CELLS, STATE

# A refused sample needs a jump: noise of this many greatest steps makes about six in ten of them refused.
NOISE_STEPS = 1.5
REFUSED_SHARE = 0.6
REFUSED_MARGIN = 1.5
# No more than this share of a monitor's frames is disturbed, and the rate has to come so far beyond the threshold.
DISTURBED_MOST, DISTURBED_FACTOR, DISTURBED_LEAST = 0.8, 2.0, 1.3
# A cell that is shorted inside falls to this share of the threshold.
SHORTED_SHARE = 0.5


def _cell_beyond(g: Ground, cell: int) -> Standing:
    stands, target = g.beyond(g.sensor("cell_voltage").tolerance)
    drive_cell_voltage(g, cell, target, g.sign > 0)
    return Standing(q.CELL_V, cell, stands, g.sign > 0)


def _overcharged(g: Ground, _: None) -> Standing:
    stands, target = g.beyond(g.sensor("cell_voltage").tolerance)
    g.inject("charger_runs_away", None, g.system.series * (target + 0.2))
    return Standing(q.CELL_MAX_V, 0, stands)


def _overdischarged(g: Ground, _: None) -> Standing:
    stands, _target = g.beyond(g.sensor("cell_voltage").tolerance)
    g.ignore_limits()
    return Standing(q.CELL_MIN_V, 0, stands, above=False)


def _cell_apart(g: Ground, cell: int) -> Standing:
    if g.system.series < 2:
        raise CannotStandError("one cell alone has no difference")
    stands, target = g.beyond(2 * g.sensor("cell_voltage").tolerance)
    voltage = g.plant.cells[CELLS.voltage_v]
    low_v = float(np.delete(voltage, cell).max()) - target
    if low_v < 0.1:
        raise CannotStandError("no cell can be so far below the others")
    drive_cell_voltage(g, cell, low_v, above=False)
    return Standing(q.CELL_SPREAD_V, 0, stands)


def _pack_voltage_off(g: Ground, place: tuple[str, float]) -> Standing:
    name, sign = place
    series = g.system.series
    drop_v = JOINT_OHM * abs(float(g.plant.state[STATE.current_a]))
    each_v = g.level.set + g.margin + 2 * drop_v + g.sensor("cell_voltage").tolerance
    g.inject("sensor_offset", name, sign * (series * each_v + 1.5 * g.sensor(name).tolerance))
    return Standing()


def _module_silent(g: Ground, module: int) -> Standing:
    g.inject("afe_lost", module)
    return Standing()


def _noisy_temperatures(g: Ground, first: int) -> Standing:
    """As many temperature sensors, from this one on, as it takes."""
    sensor, count = g.sensor("temperature"), system_size(g.system).sensors
    each_per_s = REFUSED_SHARE / sensor.period_s
    noisy = min(max(math.ceil(2 * g.level.set / each_per_s), 1), count)
    if noisy * each_per_s <= REFUSED_MARGIN * g.level.set:
        raise CannotStandError("the pack has too few samples for so many to be refused")
    for k in range(noisy):
        g.inject("sensor_noise", f"temperature {(first + k) % count}", NOISE_STEPS * sensor.rate_max * sensor.period_s)
    return Standing()


def cells_both_signs(system: System) -> list[tuple[str, Any]]:
    """First, middle and last cell, read high and low."""
    return [
        (f"{label}, reads {word}", (k, sign))
        for label, k in cells(system)
        for sign, word in ((1.0, "high"), (-1.0, "low"))
    ]


def wires(system: System) -> list[tuple[str, Any]]:
    """Sense wires between two cells of one module, by the cell below: first, middle, last."""
    within = [k for k in range(system.series - 1) if (k + 1) % system.topology.cells_per_module]
    return [(f"wire above cell {within[k]}", within[k]) for _, k in first_middle_last(len(within), "wire")]


def _one_converter_off(g: Ground, place: tuple[int, float]) -> Standing:
    cell, sign = place
    apart_v = g.level.set + g.margin + g.sensor("monitor_redundancy").tolerance
    apart_v += NOISE_SIGMAS * g.sensor("cell_voltage").noise
    g.inject("sensor_offset", f"cell_voltage {cell}", sign * apart_v)
    return Standing()


def _cell_shorts(g: Ground, cell: int) -> Standing:
    """A short inside, as small as it takes; much heat comes with it."""
    plant = g.plant
    low_v = SHORTED_SHARE * g.level.set
    emf_v, ohm = float(plant.cells[CELLS.emf_v, cell]), float(plant.cells[CELLS.r0_ohm, cell])
    g.inject("cell_internal_short", cell, ohm * low_v / (emf_v - low_v))
    return Standing(q.CELL_V, cell, g.level.set - g.sensor("cell_voltage").tolerance, above=False)


# Two neighbours that are read too high and too low, not yet so far that it can be nothing but the wire.
TORN_CELLS = ("cell_overvoltage", "cell_undervoltage", "cell_voltage_spread")


def _wire_breaks(g: Ground, cell: int) -> Standing:
    g.inject("sense_wire_open", cell)
    return Standing()


def _wire_corrodes(g: Ground, cell: int) -> Standing:
    """The current of the monitor's input drops so much at it as it takes."""
    fallen_v = g.level.set + g.margin + 2 * g.sensor("cell_voltage").tolerance
    g.inject("sense_wire_open", cell, fallen_v / float(g.plant.cells[CELLS.voltage_v, cell]))
    return Standing()


def _frozen_since(g: Ground, name: str, after_s: float = 0.0) -> Standing:
    """A reading counts as frozen when it has not moved for so long as the pack file says."""
    frozen_s = g.sensor(name).frozen_s
    if frozen_s == 0.0:
        raise CannotStandError(f"sensors.{name}.frozen_s is 0 in the pack file: frozen readings are not looked for")
    return Standing(q.TIME_S, 0, float(g.plant.state[STATE.time_s]) + after_s + frozen_s)


def _cell_freezes(g: Ground, cell: int) -> Standing:
    g.inject("sensor_frozen", f"cell_voltage {cell}")
    return _frozen_since(g, "cell_voltage")


def _monitor_freezes(g: Ground, module: int) -> Standing:
    for cell in g.cells_of_module(module).tolist():
        g.inject("sensor_frozen", f"cell_voltage {cell}")
    return _frozen_since(g, "cell_voltage")


def _temperature_freezes(g: Ground, sensor: int) -> Standing:
    """While the whole pack slowly becomes warmer. Its time starts anew when half of it is over, until others moved."""
    if system_size(g.system).sensors < 2:
        raise CannotStandError("one temperature sensor alone cannot be told from a pack that stands at one temperature")
    g.inject("sensor_frozen", f"temperature {sensor}")
    everywhere = np.arange(g.plant.cells.shape[1])
    heat(g, everywhere, SLOW_K_PER_S)
    lead_core(g.plant, everywhere, SLOW_K_PER_S)
    half_s = 0.5 * g.sensor("temperature").frozen_s
    moved_s = 2.0 * MOVED / SLOW_K_PER_S
    return _frozen_since(g, "temperature", moved_s - math.fmod(moved_s, half_s) if half_s > 0.0 else 0.0)


def _frames_disturbed(kind: str) -> Callable[[Ground, int], Standing]:
    """Frames of as many monitors, from this one on, as it takes."""

    def make(g: Ground, first: int) -> Standing:
        sweeps_per_s = 1.0 / max(g.sensor("cell_voltage").period_s, g.system.cycle.period_s)
        if g.system.topology.temperature_sensors:
            sweeps_per_s += 1.0 / max(g.sensor("temperature").period_s, g.system.cycle.period_s)
        wanted_per_s, count = DISTURBED_FACTOR * g.level.set, system_size(g.system).modules
        disturbed = min(max(math.ceil(wanted_per_s / (DISTURBED_MOST * sweeps_per_s)), 1), count)
        share = min(wanted_per_s / (disturbed * sweeps_per_s), DISTURBED_MOST)
        if share * disturbed * sweeps_per_s < DISTURBED_LEAST * g.level.set:
            raise CannotStandError("the monitors of the pack send too few frames for so many to be disturbed")
        for k in range(disturbed):
            g.inject(kind, (first + k) % count, share)
        return Standing()

    return make


CELL_INJECTIONS: tuple[Injection, ...] = (
    Injection("cell_overvoltage", "the cell's charge is raised until its voltage is beyond", _cell_beyond, ALL, cells),
    Injection("cell_overvoltage", "the charger ignores limits and its voltage control fails", _overcharged,
              ("near_full",), levels=("fault",), wait_s=600.0, by_current=True),
    Injection("cell_undervoltage", "the cell's charge is lowered until its voltage is beyond", _cell_beyond, ALL,
              cells),
    Injection("cell_undervoltage", "the load ignores limits", _overdischarged, ("near_empty",), levels=("fault",),
              wait_s=900.0, by_current=True),
    Injection("cell_voltage_spread", "one cell's charge is lowered", _cell_apart, (*ROOM, "near_full"), cells),
    Injection("cell_sum_mismatch", "the pack voltage sensor has an offset", _pack_voltage_off, ROOM,
              fitted_both_signs("pack_voltage")),
    Injection("cell_voltage_lost", "no more samples of the cell", one_of("sensor_lost", "cell_voltage"), ALL, cells),
    Injection("cell_voltage_lost", "samples of the cell without a value", one_of("sensor_nan", "cell_voltage"),
              ROOM, cells),
    Injection("cell_voltage_lost", "the module's cell monitor stops answering", _module_silent, ALL, modules),
    Injection("samples_refused", "temperature sensors become noisy", _noisy_temperatures, ROOM, sensors,
              opens=False),
    Injection("deep_discharge", "the cell's charge is lowered until its voltage is beyond", _cell_beyond, ALL, cells),
    Injection("deep_discharge", "the cell is shorted inside", _cell_shorts, ROOM, cells),
    Injection("sense_wire_open", "the sense wire between two cells breaks", _wire_breaks, ALL, wires),
    Injection("sense_wire_open", "the sense wire between two cells corrodes", _wire_corrodes, ROOM, wires,
              answered_by=TORN_CELLS),
    Injection("cell_readings_disagree", "the main converter of the cell's monitor has an offset", _one_converter_off,
              ALL, cells_both_signs),
    Injection("cell_reading_frozen", "the cell is read with the same value again and again", _cell_freezes, ROOM,
              cells, wait_s=1e4),
    Injection("cell_reading_frozen", "the module's cell monitor repeats its last answer", _monitor_freezes, ROOM,
              modules, wait_s=1e4),
    Injection("temperature_reading_stuck", "the sensor is read with the same value while the pack becomes warmer",
              _temperature_freezes, ROOM, sensors, wait_s=1e4),
    Injection("monitor_crc", "frames of the cell monitors arrive corrupted", _frames_disturbed("afe_crc"), ROOM,
              modules),
    Injection("monitor_sequence", "frames of the cell monitors are repeated or lost",
              _frames_disturbed("afe_sequence"), ROOM, modules),
    Injection("diagnosis_lost", "no more samples", plain("sensor_lost"), ROOM,
              fitted("monitor_redundancy", "monitor_crc", "monitor_sequence", "pyrofuse_loop")),
)  # fmt: skip
