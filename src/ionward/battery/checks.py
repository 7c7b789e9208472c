"""Checks that compare the values of a system with each other and with the cell's data sheet.

What cannot be right is a problem and stops loading; what may be meant but looks wrong is a doubt (`battery.doubts`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ionward.battery.connection import WATCHDOG_GPIO, WATCHDOG_HELP
from ionward.battery.problems import Problem
from ionward.battery.sensors import SENSOR_NAMES, Sensor

if TYPE_CHECKING:
    from ionward.battery.system import System

CELLS_MAX = 20_000  # in series; far beyond any system built, and what memory and time are tested for
SLACK = 1.0 + 1e-9  # of a wall, for numbers that were multiplied


def system_problems(system: System) -> Iterator[Problem]:
    """Everything that cannot be right, one problem each."""
    yield from _topology(system)
    yield from _orders(system)
    yield from _walls(system)
    for name in SENSOR_NAMES:
        yield from _sensor(f"sensors.{name}", getattr(system.sensors, name))
    yield from _sensors_of_the_pack(system)
    yield from _derating(system)
    yield from _connection(system)
    yield from _one_way(system)
    yield from _contactor_life(system)
    yield from _fuse(system)


def _topology(system: System) -> Iterator[Problem]:
    topology = system.topology
    if topology.series > CELLS_MAX:
        yield Problem(
            "topology.cells_per_module", topology.cells_per_module, f"{topology.series} cells in series are too many",
            f"allowed: modules_in_series x cells_per_module up to {CELLS_MAX}",
        )  # fmt: skip
    without = topology.modules_without_sensor
    beyond = [module for module in without if module >= topology.modules_in_series]
    if beyond:
        yield Problem(
            "topology.modules_without_sensor", beyond[0], "there is no such module",
            f"allowed: 0 to {topology.modules_in_series - 1}",
        )  # fmt: skip
    elif len(set(without)) == topology.modules_in_series:
        yield Problem(
            "topology.modules_without_sensor", without, "no module is left that has a sensor",
            "write temperature_sensors_per_module = 0 where no temperature is known",
        )  # fmt: skip
    if topology.temperature_sensors_per_module > 2 * topology.cells_per_module + 8:
        yield Problem(
            "topology.temperature_sensors_per_module", topology.temperature_sensors_per_module,
            f"is too many for a module of {topology.cells_per_module} cells",
            f"allowed: up to {2 * topology.cells_per_module + 8}",
        )  # fmt: skip


# The first must be less than the second, …
LESS = (
    ("limits.cell_voltage_min_v", "limits.cell_voltage_max_v"),
    ("limits.charge_temperature_min_c", "limits.charge_temperature_max_c"),
    ("limits.discharge_temperature_min_c", "limits.discharge_temperature_max_c"),
    ("contactors.close_time_s", "contactors.close_timeout_s"),
    ("contactors.open_time_s", "contactors.open_timeout_s"),
    ("cooling.start_c", "cooling.full_c"),
    ("cooling.heat_full_c", "cooling.heat_start_c"),
    ("cooling.heat_start_c", "cooling.start_c"),
    ("cooling.spread_start_k", "cooling.spread_full_k"),
    ("balancing.stop_soc", "balancing.start_soc"),
    ("balancing.stop_v", "balancing.start_v"),
    ("balancing.min_voltage_v", "limits.cell_voltage_max_v"),
)
# … or at most as large.
AT_MOST = (
    ("limits.charge_current_max_a", "limits.charge_current_pulse_a"),
    ("limits.discharge_current_max_a", "limits.discharge_current_pulse_a"),
    ("balancing.cells_per_module", "topology.cells_per_module"),
)
# Limits of the pack, the walls of the data sheet, and whether the wall counts once for each cell in parallel.
UPPER_WALLS = (
    ("cell_voltage_max_v", "voltage_max_v", False),
    ("charge_temperature_max_c", "charge_temperature_max_c", False),
    ("discharge_temperature_max_c", "discharge_temperature_max_c", False),
    ("charge_current_max_a", "charge_current_max_a", True),
    ("discharge_current_max_a", "discharge_current_max_a", True),
    ("charge_current_pulse_a", "charge_current_pulse_a", True),
    ("discharge_current_pulse_a", "discharge_current_pulse_a", True),
)
LOWER_WALLS = (
    ("cell_voltage_min_v", "voltage_min_v"),
    ("charge_temperature_min_c", "charge_temperature_min_c"),
    ("discharge_temperature_min_c", "discharge_temperature_min_c"),
)


def _value(system: System, path: str) -> float:
    table, _, key = path.rpartition(".")
    return float(getattr(getattr(system, table), key))


def _orders(system: System) -> Iterator[Problem]:
    for low, high in LESS:
        a, b = _value(system, low), _value(system, high)
        if not a < b:
            yield Problem(low, a, f"is not below {high}", f"allowed: less than {b:g}", (low, high))
    for low, high in AT_MOST:
        a, b = _value(system, low), _value(system, high)
        if not a <= b:
            yield Problem(low, a, f"is above {high}", f"allowed: {b:g} or less", (low, high))


def _walls(system: System) -> Iterator[Problem]:
    """Limits of the pack against what the cell's maker allows."""
    sheet, limits, parallel = system.cell_model.data_sheet, system.limits, system.topology.cells_in_parallel
    wrong = "is outside the cell's data sheet"
    for key, wall_key, each in UPPER_WALLS:
        value, wall = getattr(limits, key), getattr(sheet, wall_key)
        most = wall * parallel if each else wall
        if value > most * (SLACK if each else 1.0):
            how = f" ({parallel} cells x {wall:g} A)" if each else ""
            uses = (f"limits.{key}", "system.cell", "topology.cells_in_parallel")
            yield Problem(f"limits.{key}", value, wrong, f"allowed: {most:g} or less{how}", uses)
    for key, wall_key in LOWER_WALLS:
        value, wall = getattr(limits, key), getattr(sheet, wall_key)
        if value < wall:
            yield Problem(f"limits.{key}", value, wrong, f"allowed: {wall:g} or more", (f"limits.{key}", "system.cell"))


def _sensor(path: str, sensor: Sensor) -> Iterator[Problem]:
    unit, difference = sensor.value_unit, sensor.difference_unit
    if unit and not sensor.low < sensor.high:
        yield Problem(
            f"{path}.minimum_{unit}", sensor.low, "is not below the maximum", f"allowed: less than {sensor.high:g}",
            (f"{path}.minimum_{unit}", f"{path}.maximum_{unit}"),
        )  # fmt: skip
    elif unit:
        width = sensor.high - sensor.low
        for name in ("tolerance", "resolution", "noise"):
            value = getattr(sensor, name)
            if value >= width:
                yield Problem(
                    f"{path}.{name}_{difference}", value, "is wider than the sensor's range",
                    f"allowed: less than {width:g}",
                    (f"{path}.{name}_{difference}", f"{path}.minimum_{unit}", f"{path}.maximum_{unit}"),
                )  # fmt: skip
    if sensor.period_s + sensor.delay_s > sensor.age_max_s:
        yield Problem(
            f"{path}.period_s", sensor.period_s,
            f"samples come too late for age_max_s = {sensor.age_max_s:g} and delay_s = {sensor.delay_s:g}",
            f"allowed: {max(sensor.age_max_s - sensor.delay_s, 0):g} or less, or a larger age_max_s",
            (f"{path}.period_s", f"{path}.age_max_s"),
        )  # fmt: skip
    if 0 < sensor.frozen_s <= sensor.period_s:
        yield Problem(
            f"{path}.frozen_s", sensor.frozen_s, "every sample would count as frozen",
            f"allowed: 0 (never), or more than period_s = {sensor.period_s:g}",
            (f"{path}.frozen_s", f"{path}.period_s"),
        )  # fmt: skip


def _sensors_of_the_pack(system: System) -> Iterator[Problem]:
    """Sensors that a pack cannot do without, and ranges that must see past the limits."""
    sensors, limits = system.sensors, system.limits
    for name in ("cell_voltage", "current"):
        if not getattr(sensors, name).fitted:
            yield Problem(f"sensors.{name}.fitted", False, "no pack can be protected without it", "allowed: true", ())
    if sensors.temperature.fitted and system.topology.temperature_sensors == 0:
        yield Problem(
            "sensors.temperature.fitted", True, "topology.temperature_sensors_per_module is 0",
            "allowed: false, or a number of sensors in the topology",
            ("sensors.temperature.fitted", "topology.temperature_sensors_per_module"),
        )  # fmt: skip
    if system.contactors.fitted and system.precharge.fitted:
        for name in ("pack_voltage", "bus_voltage"):
            if not getattr(sensors, name).fitted:
                yield Problem(
                    f"sensors.{name}.fitted", False, "precharge cannot be judged without it",
                    "allowed: true, or precharge.fitted = false",
                )  # fmt: skip
    if sensors.pyrofuse_loop.fitted and not system.fuse.pyrofuse:
        yield Problem(
            "sensors.pyrofuse_loop.fitted", True, "there is no pyrofuse whose loop could be read",
            "allowed: false, or fuse.pyrofuse = true", ("sensors.pyrofuse_loop.fitted", "fuse.pyrofuse"),
        )  # fmt: skip
    device = system.watchdog.device
    if device and not device.startswith("/") and not WATCHDOG_GPIO.fullmatch(device):
        yield Problem("watchdog.device", device, "is no watchdog", WATCHDOG_HELP, ("watchdog.device",))
    if system.fuse.fire_on_crash and not (system.fuse.pyrofuse and sensors.crash.fitted):
        missing = "a crash signal" if system.fuse.pyrofuse else "a pyrofuse"
        needs = "sensors.crash.fitted = true" if system.fuse.pyrofuse else "fuse.pyrofuse = true"
        yield Problem(
            "fuse.fire_on_crash", True, f"there is no {missing[2:]}", f"allowed: false, or {needs}",
            ("fuse.fire_on_crash", "fuse.pyrofuse", "sensors.crash.fitted"),
        )  # fmt: skip
    full = system.series * limits.cell_voltage_max_v
    coldest = min(limits.charge_temperature_min_c, limits.discharge_temperature_min_c)
    hottest = max(limits.charge_temperature_max_c, limits.discharge_temperature_max_c)
    for name, low, high in (
        ("cell_voltage", limits.cell_voltage_min_v, limits.cell_voltage_max_v),
        ("temperature", coldest, hottest),
        ("current", -limits.discharge_current_pulse_a, limits.charge_current_pulse_a),
        ("current_redundant", -limits.discharge_current_pulse_a, limits.charge_current_pulse_a),
        ("pack_voltage", 0.0, full),
        ("bus_voltage", 0.0, full),
        ("positive_tap", 0.0, full),
        ("negative_tap", 0.0, full),
    ):
        sensor: Sensor = getattr(sensors, name)
        if sensor.fitted and sensor.low < sensor.high:
            yield from _sees(f"sensors.{name}", sensor, low, high)


def _sees(path: str, sensor: Sensor, low: float, high: float) -> Iterator[Problem]:
    unit = sensor.value_unit
    if not sensor.low <= low:
        yield Problem(
            f"{path}.minimum_{unit}", sensor.low, f"the sensor cannot see the pack's limit {low:g}",
            f"allowed: {low:g} or less",
        )  # fmt: skip
    if not sensor.high >= high:
        yield Problem(
            f"{path}.maximum_{unit}", sensor.high, f"the sensor cannot see the pack's limit {high:g}",
            f"allowed: {high:g} or more",
        )  # fmt: skip


def _derating(system: System) -> Iterator[Problem]:
    for name in type(system.derating).model_fields:
        path, points = f"derating.{name}", getattr(system.derating, name)
        if any(b[0] <= a[0] for a, b in itertools.pairwise(points)):
            yield Problem(path, points, "the points do not rise", "allowed: rising first numbers", (path,))
        if any(not 0 <= factor <= 1 for _, factor in points):
            yield Problem(path, points, "a factor is outside 0 to 1", "allowed: factors from 0 to 1", (path,))
        if name.endswith("soc") and any(not 0 <= x <= 1 for x, _ in points):
            yield Problem(path, points, "an SOC is outside 0 to 1", "allowed: SOC from 0 to 1", (path,))


def precharge_time_s(system: System) -> float:
    """Time until the precharge of an empty DC link is complete, by voltage and by current.

    RC charging: the difference falls as U*exp(-t/RC), and the current with it as that over R.
    """
    precharge = system.precharge
    difference_v = min(precharge.done_v, precharge.done_a * precharge.resistance_ohm)
    full_v = system.series * system.limits.cell_voltage_max_v
    tau_s = precharge.resistance_ohm * system.dc_link.capacitance_f
    return tau_s * math.log(full_v / difference_v) if full_v > difference_v else 0.0


def _connection(system: System) -> Iterator[Problem]:
    precharge = system.precharge
    empty_v = system.series * system.limits.cell_voltage_min_v
    if system.contactors.fitted and system.dc_link.dead_v >= empty_v:
        yield Problem(
            "dc_link.dead_v", system.dc_link.dead_v, f"is not below the empty pack's {empty_v:g} V",
            f"allowed: less than {empty_v:g}",
        )  # fmt: skip
    if not (system.contactors.fitted and precharge.fitted):
        return
    needed_s = precharge_time_s(system)
    if needed_s > precharge.timeout_s:
        tau_s = precharge.resistance_ohm * system.dc_link.capacitance_f
        yield Problem(
            "precharge.timeout_s", precharge.timeout_s,
            f"precharge cannot be complete by then (R x C = {tau_s:.3g} s)", f"allowed: more than {needed_s:.3g}",
        )  # fmt: skip


def _one_way(system: System) -> Iterator[Problem]:
    """One-way switches: what they need, and what tells nothing where diodes conduct."""
    contactors, sensors = system.contactors, system.sensors
    if not contactors.one_way:
        return
    if not contactors.fitted:
        yield Problem(
            "contactors.one_way", True, "the pack does not switch its own contactors",
            "allowed: false, or contactors.fitted = true", ("contactors.one_way", "contactors.fitted"),
        )  # fmt: skip
        return
    for name in ("positive_tap", "negative_tap"):
        if getattr(sensors, name).fitted:
            yield Problem(
                f"sensors.{name}.fitted", True, "a tap tells nothing where the switch's diode conducts",
                "allowed: false, or contactors.one_way = false", (f"sensors.{name}.fitted", "contactors.one_way"),
            )  # fmt: skip
    if not sensors.bus_voltage.fitted:
        yield Problem(
            "sensors.bus_voltage.fitted", False, "one direction cannot be closed again without it",
            "allowed: true, or contactors.one_way = false", ("sensors.bus_voltage.fitted", "contactors.one_way"),
        )  # fmt: skip


def _contactor_life(system: System) -> Iterator[Problem]:
    other = system.contactors.negative
    for path, life in (
        ("contactors.life", system.contactors.life),
        ("contactors.negative.life", (other.life if other is not None else None) or []),
    ):
        falling = all(a < b and n >= m for (a, n), (b, m) in itertools.pairwise(life))
        if not falling or any(openings < 1.0 for _, openings in life):
            yield Problem(path, life, "is no curve of an electrical life",
                          "allowed: rising currents, openings that do not rise and are 1 or more", (path,))  # fmt: skip


def _fuse(system: System) -> Iterator[Problem]:
    fuse = system.fuse
    if not fuse.fitted:
        return
    for (a, time_a), (b, time_b) in itertools.pairwise(fuse.curve):
        if not (a < b and time_a > time_b):
            yield Problem("fuse.curve", [[a, time_a], [b, time_b]], "is not a melting curve",
                          "allowed: rising currents with falling times", ("fuse.curve",))  # fmt: skip
            break
    if fuse.curve[0][0] <= fuse.rating_a:
        yield Problem("fuse.curve", fuse.curve[0], "melts at a current that the fuse carries for ever",
                      f"allowed: currents above rating_a = {fuse.rating_a:g}",
                      ("fuse.curve", "fuse.rating_a"))  # fmt: skip
    continuous = max(system.limits.charge_current_max_a, system.limits.discharge_current_max_a)
    if fuse.rating_a < continuous:
        yield Problem("fuse.rating_a", fuse.rating_a, "is below the pack's continuous current",
                      f"allowed: {continuous:g} or more",
                      ("fuse.rating_a", "limits.charge_current_max_a", "limits.discharge_current_max_a"))  # fmt: skip
