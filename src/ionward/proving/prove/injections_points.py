"""How the faults of measurement points are made to stand: contacts, taps, boards, coolant, cell monitors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ionward.battery.system import System
from ionward.image.build import CHANNEL_SENSORS
from ionward.image.faults_points import BUS_APART
from ionward.image.inputs import CHANNEL
from ionward.proving.prove import quantities as q
from ionward.proving.prove.ground import CannotStandError, Ground, Standing
from ionward.twin.faults import CONNECTORS, CONTACTORS
from ionward.twin.rows import MOD, SET, STATE

# A contact or connector settles so much further above its surroundings than the threshold: it comes there in a time
# constant or less.
BEYOND_SHARE = 1.6
BOARD_SHARE = 3.0
LEAST_RISE_K = 0.1  # below it the resistance would have to be absurd
JUMP_K = 3.0
SIDES = CONTACTORS | CONNECTORS
DROPPED_MARGIN = 2.0


def _channel(sensor: str) -> int:
    """The channel that a sensor of the pack file measures."""
    return int(getattr(CHANNEL, next(channel for channel, of in CHANNEL_SENSORS.items() if of == sensor)))


def readings_apart(g: Ground, cell: int) -> Standing:
    """The main converter of one cell gets an offset; the redundant one does not."""
    margin_v = g.sensor("cell_voltage").tolerance + g.sensor("monitor_redundancy").tolerance
    sign = 1.0 if cell % 2 == 0 else -1.0
    g.inject("sensor_offset", f"cell_voltage {cell}", sign * (g.level.set + g.margin + margin_v))
    return Standing()


def point_burns(fault: str, rise: int, row: int, at_once: bool) -> Callable[[Ground, tuple[str, str, int]], Standing]:
    """A contact or connector whose resistance has grown so that the current of the operating point overheats it.

    At once: it is as hot already, as after an arc; a temperature that creeps up opens at a lower level first.
    """

    def make(g: Ground, place: tuple[str, str, int]) -> Standing:
        name, sensor, item = place
        flowing_a = float(g.plant.state[STATE.current_a])
        stands, target = g.beyond(g.sensor(sensor).tolerance)
        rise_k = float(g.plant.settings[rise]) * flowing_a**2
        if rise_k < LEAST_RISE_K:
            raise CannotStandError("the current of this operating point is too small")
        g.ignore_limits()
        g.ask_for(flowing_a)
        g.inject(fault, name, BEYOND_SHARE * (target - float(g.plant.state[STATE.ambient_c])) / rise_k)
        if at_once:
            g.plant.contactors[row, SIDES[name]] = target + JUMP_K
        return Standing(q.CHANNEL_TRUTH, item, stands)

    return make


def sides(fitted_as: str, places: tuple[str, str]) -> Callable[[System], list[tuple[str, Any]]]:
    """Both sides of a kind of point, as far as their sensors are fitted."""

    def of(system: System) -> list[tuple[str, Any]]:
        found = []
        for side, place in zip(("positive", "negative"), places, strict=True):
            sensor = f"{fitted_as}_{side}"
            if getattr(system.sensors, sensor).fitted:
                found.append((f"{fitted_as} {side}", (place, sensor, _channel(sensor))))
        return found

    return of


def board_burns(g: Ground, module: int) -> Standing:
    """Heat from elsewhere on one board, as a bleed transistor that fails makes it."""
    stands, target = g.beyond(g.sensor("balancing_board").tolerance)
    board_c = float(g.plant.modules[MOD.board_c, module])
    g.inject("board_hot", module, BOARD_SHARE * (target - board_c) / float(g.plant.settings[SET.board_k_per_w]))
    return Standing(q.CHANNEL_TRUTH, CHANNEL.balancing_board_c, stands)


def coolant_heated(g: Ground, _: None) -> Standing:
    """The coolant comes in hot."""
    stands, target = g.beyond(g.sensor("coolant_inlet").tolerance)
    if g.system.cooling.kind != "liquid":
        raise CannotStandError("there is no coolant")
    g.inject("coolant_hot", None, target)
    return Standing(q.CHANNEL_TRUTH, CHANNEL.coolant_inlet_c, stands)


def cooling_stands(g: Ground, _: None) -> Standing:
    """Pump and fan stand still where they are demanded."""
    s = g.bench.bms.image.scalars[0]
    if (s["pump"] if g.system.cooling.kind == "liquid" else s["fan"]) <= 0.0:
        raise CannotStandError("no cooling is demanded here")
    g.inject("cooling_lost")
    return Standing()


def welds_and_lies(g: Ground, name: str) -> Standing:
    """The contact welds, its feedback hangs open, and the pack is to be disconnected.

    It stands when the bus has left the pack's voltage: before, nobody could tell (see the rule).
    """
    g.inject("contactor_welded", name)
    if g.system.sensors.contactor_feedback.fitted:
        g.inject("feedback_stuck", name, 0.0)
    g.wish(False)
    tolerance_v = g.sensor("pack_voltage").tolerance + g.sensor("bus_voltage").tolerance
    share = BUS_APART - tolerance_v / float(g.plant.state[STATE.pack_voltage_v])
    return Standing(q.BUS_SHARE, 0, share, above=False)


def drops_out_and_lies(g: Ground, name: str) -> Standing:
    """The contact opens by itself while its feedback says closed; the load goes on until the bus has fallen away."""
    if g.system.sensors.contactor_feedback.fitted:
        g.inject("feedback_stuck", name, 1.0)
    g.inject("contactor_drops_out", name)
    g.ignore_limits()
    tolerance_v = g.sensor("pack_voltage").tolerance + g.sensor("positive_tap").tolerance
    share = g.level.set + g.margin + tolerance_v / float(g.plant.state[STATE.pack_voltage_v])
    return Standing(q.BUS_APART, 0, share)


def frames_dropped(kind: str) -> Callable[[Ground, int], Standing]:
    """So many frames of one monitor are dropped that the rate is well beyond, as far as it has so many."""

    def make(g: Ground, module: int) -> Standing:
        frames_per_s = 1.0 / g.sensor("cell_voltage").period_s
        if g.sensor("temperature").fitted:
            frames_per_s += 1.0 / g.sensor("temperature").period_s
        share = DROPPED_MARGIN * g.level.set / frames_per_s
        if share > 0.5:
            raise CannotStandError("one monitor sends too few frames for so many to be dropped")
        g.inject(kind, module, share)
        return Standing()

    return make
