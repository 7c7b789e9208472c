"""Measurement points of the simulated battery: warmth, taps across the contactors, frames of the cell monitors."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.cells import synthetic_cell
from helpers.plants import whole_plant
from helpers.scenarios import small_system
from ionward.image.inputs import CHANNEL, RAW, Raw, new_raw
from ionward.twin.build import CONNECTOR_RISE_K, CONTACT_RISE_K, POINT_S
from ionward.twin.faults import inject
from ionward.twin.plant import Plant, advance, measure
from ionward.twin.points import look_at_taps, warm_points
from ionward.twin.rows import CELLS, KON, MAIN_NEGATIVE, MAIN_POSITIVE, MOD, OUT, PRECHARGE, SENSE, SET, STATE

FITTED = {"sensors": {"cooling_feedback": {}, "current_redundant": {}}}


def live(plant: Plant, ticks: int, raw: Raw | None = None) -> Raw:
    raw = raw or new_raw(8, 4)
    for _ in range(ticks):
        measure(plant, raw)
        advance(plant)
    return raw


def value(raw: Raw, channel: str) -> float:
    return float(raw.channels[RAW.value, getattr(CHANNEL, channel)])


def warmed(plant: Plant, current_a: float, seconds: float) -> np.ndarray:
    """Contacts and connectors after a lasting current, by the thermal step alone."""
    for _ in range(round(seconds / 0.2)):
        plant.state[STATE.square_a2s] = current_a**2 * 0.2
        warm_points(plant.contactors, plant.settings, plant.state, 0.2)
    return plant.contactors


def test_contacts_and_connectors_warm_as_their_makers_say_at_the_packs_continuous_current() -> None:
    plant = whole_plant()
    current_a = small_system(cell_model=synthetic_cell()).limits.discharge_current_max_a
    assert plant.contactors[[KON.contact_c, KON.joint_c]] == pytest.approx(25.0)
    points = warmed(plant, current_a, POINT_S)
    assert points[KON.contact_c, MAIN_POSITIVE] == pytest.approx(25.0 + CONTACT_RISE_K * (1 - np.exp(-1)), rel=1e-3)
    points = warmed(plant, current_a, 20 * POINT_S)
    assert points[KON.contact_c, :2] == pytest.approx(25.0 + CONTACT_RISE_K)
    assert points[KON.joint_c, :2] == pytest.approx(25.0 + CONNECTOR_RISE_K)


@pytest.mark.parametrize(
    ("fault", "place", "row", "side"),
    [
        ("contactor_hot", "main_negative", KON.contact_c, MAIN_NEGATIVE),
        ("connector_hot", "positive", KON.joint_c, MAIN_POSITIVE),
    ],
)
def test_a_burning_contact_heats_alone_and_drops_voltage(fault: str, place: str, row: int, side: int) -> None:
    hot, good = whole_plant(), whole_plant()
    undo = inject(hot, fault, place, 10.0)
    rise = warmed(hot, 20.0, 60.0)[row, :2] - 25.0
    other = warmed(good, 20.0, 60.0)[row, :2] - 25.0
    assert rise[side] == pytest.approx(10.0 * other[side])
    assert rise[1 - side] == pytest.approx(other[1 - side])
    undo()
    assert warmed(hot, 20.0, 20 * POINT_S)[row, side] == pytest.approx(warmed(good, 20.0, 20 * POINT_S)[row, side])


def test_a_board_warms_by_its_bleed_resistors_and_by_what_is_wrong_on_it() -> None:
    plant = whole_plant(balancing={"board_time_s": 1.0, "board_k_per_w": 8.0})
    plant.cells[CELLS.bleed, :2] = 1.0  # both of the first module of four
    inject(plant, "board_hot", 1, 5.0)
    raw = live(plant, 2000)
    resistors_w = 2 * 3.6**2 / plant.settings[SET.bleed_ohm]
    assert plant.modules[MOD.board_c, 0] == pytest.approx(25.0 + 8.0 * resistors_w, abs=0.6)
    assert plant.modules[MOD.board_c, 1] == pytest.approx(65.0, abs=0.2)
    assert value(raw, "balancing_board_c") == pytest.approx(65.0, abs=1.5)


# Contacts closed (positive, negative, precharge), and what the taps see: the pack (P), the bus (B), nothing (0).
@pytest.mark.parametrize(
    ("closed", "positive", "negative"),
    [
        ((0, 0, 0), "0", "0"),
        ((1, 0, 0), "P", "B"),
        ((0, 1, 0), "B", "P"),
        ((1, 1, 0), "P", "P"),
        ((0, 0, 1), "P", "B"),
        ((0, 1, 1), "B", "P"),
        ((1, 0, 1), "P", "B"),
        ((1, 1, 1), "P", "P"),
    ],
)
def test_taps_see_pack_bus_or_nothing(closed: tuple[int, int, int], positive: str, negative: str) -> None:
    plant = whole_plant()
    seen = {"P": 30.0, "B": 12.0, "0": 0.0}
    plant.state[STATE.pack_voltage_v], plant.state[STATE.bus_voltage_v] = seen["P"], seen["B"]
    plant.contactors[KON.closed, [MAIN_POSITIVE, MAIN_NEGATIVE, PRECHARGE]] = closed
    look_at_taps(plant.contactors, plant.settings, plant.state, plant.channel_truth)
    assert plant.channel_truth[CHANNEL.positive_tap_v] == seen[positive]
    assert plant.channel_truth[CHANNEL.negative_tap_v] == seen[negative]


def test_the_pump_tells_whether_it_turns() -> None:
    plant = whole_plant(**FITTED)
    assert value(live(plant, 60), "cooling_running") == 0.0
    plant.outputs[OUT.pump] = 0.3
    assert value(live(plant, 60), "cooling_running") == 1.0
    inject(plant, "cooling_lost")
    assert value(live(plant, 60), "cooling_running") == 0.0


def test_without_coolant_the_fan_tells() -> None:
    plant = whole_plant(**FITTED, cooling={"kind": "air"})
    plant.outputs[OUT.pump] = 1.0
    assert value(live(plant, 60), "cooling_running") == 0.0
    plant.outputs[OUT.fan] = 0.2
    assert value(live(plant, 60), "cooling_running") == 1.0


def test_the_igniter_loop_tells_of_a_fired_pyrofuse() -> None:
    plant = whole_plant(fuse={"pyrofuse": True})
    assert value(live(plant, 5), "pyrofuse_intact") == 1.0
    inject(plant, "pyrofuse_fired")
    assert value(live(plant, 5), "pyrofuse_intact") == 0.0


@pytest.mark.parametrize(
    ("fault", "counter"), [("afe_crc", "monitor_crc_errors"), ("afe_sequence", "monitor_sequence_errors")]
)
def test_dropped_frames_are_missing_and_counted(fault: str, counter: str) -> None:
    plant = whole_plant()
    undo = inject(plant, fault, 1, 0.5)
    raw, came, sweeps = new_raw(8, 4), np.zeros(2), 0
    for _ in range(2000):
        measure(plant, raw)
        now_s = raw.clock["time_s"][0]
        sweeps += int(raw.cells[RAW.time_s, 0] == now_s)
        came += (raw.cells[RAW.time_s, [0, 4]] == now_s).astype(int)
        assert len(set(raw.cells[RAW.time_s, 4:])) == 1  # a frame comes as a whole or not at all
        advance(plant)
    assert came[0] == sweeps
    assert came[1] / sweeps == pytest.approx(0.5, abs=0.06)
    dropped = sweeps - came[1]
    temperature_frames = 20.0 / 0.1
    assert value(raw, counter) == pytest.approx(dropped + 0.5 * temperature_frames, abs=50)
    undo()
    before = value(live(plant, 100, raw), counter)
    assert value(live(plant, 500, raw), counter) == before
    assert raw.cells[RAW.time_s, 4] == raw.cells[RAW.time_s, 0]


def test_a_counter_begins_again_after_its_highest_count() -> None:
    plant = whole_plant(sensors={"monitor_crc": {"highest": 255}, "current_redundant": {}})
    plant.state[STATE.crc_errors] = 250.0
    assert value(live(plant, 1), "monitor_crc_errors") == 250.0
    plant.state[STATE.crc_errors] = 258.0
    assert value(live(plant, 60), "monitor_crc_errors") == 2.0


def test_the_redundant_reading_is_right_when_the_main_one_is_not() -> None:
    plant = whole_plant()
    assert value(live(plant, 40), "monitor_redundancy_v") < 0.006
    undo = inject(plant, "sensor_offset", "cell_voltage 2", 0.1)
    assert value(live(plant, 40), "monitor_redundancy_v") == pytest.approx(0.1, abs=0.006)
    undo()
    inject(plant, "sense_wire_open", 3)  # both readings go over the same wire
    inject(plant, "sensor_lost", "cell_voltage 5")
    plant.cell_sensors[SENSE.last, 5] = 1.0
    assert value(live(plant, 200), "monitor_redundancy_v") < 0.006
