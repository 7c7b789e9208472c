"""The estimate stage: starting, converging, honest uncertainty, and what it does when measurements fail."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.cells import synthetic_cell
from helpers.estimation import Estimates, feed, image_for, parameters_for
from ionward.control.ekf import STATE
from ionward.control.estimate import estimate
from ionward.control.estimate_memory import PRESET, EstimateMemory, new_estimate_memory
from ionward.image.layout import Image, Size
from ionward.image.parameters import CELLP, Parameters
from ionward.image.signals import BAD, CELL, GOOD, HELD

Array = npt.NDArray[np.float64]
CELL_MODEL = synthetic_cell()
CAPACITY_AH = CELL_MODEL.capacity.reference_ah


def drive(seed: int, rows: int = 3600, start: float = 0.9, wrong_ohm: float = 1.0) -> dict[str, Array]:
    """A synthetic cell in a random drive at 1 Hz, simulated here by the exact solution of each state."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(rows) * 1.0
    current_a = np.repeat(rng.normal(-1.5, 2.5, -(-rows // 15)), 15)[:rows]
    soc, v1, v2, h = start, 0.0, 0.0, 0.0
    socs, voltages = [], []
    for row in range(rows):
        if row:
            i = (current_a[row] + current_a[row - 1]) / 2
            soc += i / 3600 / CAPACITY_AH
            v1 = v1 * math.exp(-1 / 10) + wrong_ohm * 0.01 * (1 - math.exp(-1 / 10)) * i
            v2 = v2 * math.exp(-1 / 200) + wrong_ohm * 0.01 * (1 - math.exp(-1 / 200)) * i
            a = math.exp(-abs(i) * 50 / 3600 / CAPACITY_AH)
            h = a * h + (1 - a) * np.sign(i)
        socs.append(soc)
        voltages.append(3.0 + 1.2 * soc + 0.01 * h + wrong_ohm * 0.02 * current_a[row] + v1 + v2)
    noise = rng.normal(0, 1e-3, rows)
    return {
        "time_s": time_s,
        "current_a": current_a,
        "voltage_v": np.array(voltages) + noise,
        "soc": np.array(socs),
    }


def run(
    d: dict[str, Array], start: float | None = None, every: int = 1, offset_a: float = 0.0, **options: Any
) -> Estimates:
    memory = new_estimate_memory(Size(1, 1, 1))
    if start is not None:
        memory.preset[:, 0] = start, 0.3
    parameters = parameters_for(CELL_MODEL, every=every, **options)
    return feed(parameters, memory, d["time_s"], d["current_a"] + offset_a, d["voltage_v"])


def rmse(found: Estimates, d: dict[str, Array], settle: int = 600) -> float:
    return float(np.sqrt(np.mean((found.soc - d["soc"])[settle:] ** 2)))


@pytest.mark.parametrize("wrong_by", [-0.2, 0.1, -0.5])
def test_a_wrong_start_is_forgotten(wrong_by: float) -> None:
    d = drive(1)
    assert rmse(run(d, 0.9 + wrong_by), d) < 0.01


def test_the_first_voltage_starts_the_soc() -> None:
    d = drive(2)
    found = run(d)
    assert abs(found.soc[0] - 0.9) < 3 * found.soc_std[0]
    assert found.soc_std[0] < 0.05
    assert rmse(found, d) < 0.01


def test_offset_and_wrong_capacity_do_not_accumulate() -> None:
    d = drive(3)
    assert rmse(run(d, offset_a=0.1), d) < 0.015
    assert rmse(run(d, capacity_ah=0.9 * CAPACITY_AH), d) < 0.02


def test_every_tenth_tick_gives_the_same_soc() -> None:
    d = drive(4)
    every_tick, tenth = run(d, 0.8), run(d, 0.8, every=10)
    assert np.abs(every_tick.soc - tenth.soc)[1000:].max() < 0.01


def test_uncertainty_is_honest() -> None:
    """Simulated cells whose resistances are 15 % off: the error lies within two standard deviations nearly always."""
    inside, normal = [], []
    for seed in range(12):
        d = drive(10 + seed, rows=1800, start=0.5 + 0.03 * seed, wrong_ohm=0.85 if seed % 2 else 1.15)
        found = run(d)
        error = (found.soc - d["soc"])[60:]
        inside.append(np.mean(np.abs(error) < 2 * found.soc_std[60:]))
        normal.append(np.mean((error / found.soc_std[60:]) ** 2))
    assert np.mean(inside) > 0.95
    assert 0.02 < np.mean(normal) < 1.0  # not overconfident, and not hiding behind a huge band


# What follows sets the image by hand, tick by tick.


class Stage:
    """The stage with an image that a test writes."""

    def __init__(self, cells: int = 1, **options: Any) -> None:
        self.parameters: Parameters = parameters_for(CELL_MODEL, cells, **options)
        self.memory: EstimateMemory = new_estimate_memory(Size(cells, 1, 1))
        self.image: Image = image_for(cells)
        self.time_s = 0.0

    def tick(self, dt_s: float = 1.0, current_a: float = 0.0, quality: int = GOOD) -> None:
        self.time_s += dt_s
        self.image.scalars["time_s"] = self.time_s
        self.image.scalars["current_a"] = current_a
        self.image.scalars["current_quality"] = quality
        estimate(self.parameters, self.image, self.memory)

    def scalar(self, name: str) -> float:
        return float(self.image.scalars[name][0])

    def cell(self, name: str, k: int = 0) -> float:
        return float(self.image.cells[getattr(CELL, name), k])


def test_before_any_voltage_nothing_is_known() -> None:
    stage = Stage()
    stage.image.cells[CELL.quality] = BAD
    stage.image.cells[CELL.voltage_v] = math.nan
    for _ in range(5):
        stage.tick()
    assert stage.scalar("estimate_ready") == 0
    for name in ("soc", "soc_std", "ocv_v", "voltage_predicted_v", "resistance_ohm", "polarisation_v"):
        assert math.isnan(stage.cell(name))
    assert math.isnan(stage.scalar("soc"))
    stage.image.cells[CELL.quality] = GOOD
    stage.image.cells[CELL.voltage_v] = 3.6
    stage.tick()
    assert stage.scalar("estimate_ready") == 1
    assert stage.scalar("soc") == pytest.approx(0.5, abs=0.02)
    assert math.isnan(stage.scalar("soh"))
    assert math.isnan(stage.cell("soh"))


def test_one_cell_without_voltage_keeps_the_pack_from_being_ready() -> None:
    stage = Stage(cells=20)
    stage.image.cells[CELL.quality, 7] = BAD
    stage.tick()
    assert stage.scalar("estimate_ready") == 0
    assert math.isnan(stage.cell("soc", 7))
    assert stage.scalar("soc") == pytest.approx(0.5, abs=0.02)


def test_charge_is_counted_exactly_where_current_is_known() -> None:
    stage = Stage(every=10)
    stage.tick(current_a=1.0)
    for _ in range(3600):
        stage.tick(current_a=1.0)
    assert stage.scalar("charge_throughput_ah") == pytest.approx(1.0, rel=1e-9)
    assert stage.scalar("discharge_throughput_ah") == 0.0
    for row in range(1800):
        stage.tick(dt_s=0.5 if row % 2 else 1.5, current_a=-2.0)
    # the first half second lies between +1 A and -2 A
    assert stage.scalar("discharge_throughput_ah") == pytest.approx(2.0 * 1800 / 3600, rel=2e-3)


@pytest.mark.parametrize("quality", [BAD, HELD])
def test_without_current_uncertainty_grows_and_no_charge_is_invented(quality: int) -> None:
    stage = Stage()
    stage.tick()
    stage.tick()
    stage.image.cells[CELL.quality] = BAD
    before, soc = stage.scalar("soc_std"), stage.scalar("soc")
    stds = []
    for _ in range(600):
        stage.tick(current_a=math.nan if quality == BAD else 0.0, quality=quality)
        stds.append(stage.scalar("soc_std"))
    assert stage.scalar("soc") == soc
    assert stage.scalar("charge_throughput_ah") == 0.0
    assert np.all(np.diff(stds) > 0)
    assert stds[-1] > before + 0.01


def test_a_gap_grows_the_uncertainty_once_and_by_its_length() -> None:
    def after(gap_s: float) -> float:
        stage = Stage(age_max_s=10.0)
        for _ in range(60):
            stage.tick(current_a=-3.0)
        stage.image.cells[CELL.quality] = BAD
        stage.tick(dt_s=gap_s, current_a=-3.0)
        return stage.scalar("soc_std")

    assert after(9.0) < after(60.0) < after(600.0)
    assert after(600.0) > 0.1  # ten minutes at an unknown current of about 1C


def test_an_unknown_temperature_is_doubted() -> None:
    sure, doubting = Stage(), Stage()
    doubting.image.cells[CELL.temperature_quality] = BAD
    doubting.image.cells[CELL.temperature_c] = math.nan
    doubting.image.scalars["temperature_mean_c"] = math.nan
    for _ in range(50):
        sure.tick(current_a=-1.0)
        doubting.tick(current_a=-1.0)
    assert doubting.scalar("soc_std") > 1.2 * sure.scalar("soc_std")


def test_an_old_sample_is_not_used_again() -> None:
    stage = Stage()
    stage.tick()
    stage.tick()
    known = stage.cell("soc_std")
    stage.image.cells[CELL.age_s] = 5.0
    stage.tick()
    assert math.isnan(stage.cell("residual_v"))
    assert stage.cell("soc_std") >= known


def test_pack_soc_is_what_can_be_used() -> None:
    stage = Stage(cells=3)
    stage.memory.preset[PRESET.soc] = [0.5, 0.2, 0.9]
    stage.memory.preset[PRESET.std] = 0.01
    stage.image.cells[CELL.quality] = BAD
    stage.tick()
    # empty after 0.2 of a capacity, full after 0.1: two thirds of what this pack can move
    assert stage.scalar("soc") == pytest.approx(0.2 / 0.3)
    assert stage.scalar("soc_min") == pytest.approx(0.2)
    assert stage.scalar("soc_max") == pytest.approx(0.9)
    assert stage.scalar("soc_mean") == pytest.approx(1.6 / 3)
    assert stage.scalar("soc_std") == pytest.approx(0.01 / 0.3, rel=1e-3)
    # OCV = 3 V + 1.2 V soc: each cell gives 0.2 of its capacity
    means = [3.0 + 1.2 * (soc - 0.1) for soc in (0.5, 0.2, 0.9)]
    assert stage.scalar("remaining_energy_wh") == pytest.approx(0.2 * CAPACITY_AH * sum(means), rel=1e-3)


def test_a_weak_cell_of_small_capacity_counts_by_its_charge() -> None:
    stage = Stage(cells=2)
    stage.parameters.cells[CELLP.capacity_ah] = [3.0, 1.5]
    stage.memory.preset[PRESET.soc] = 0.5
    stage.image.cells[CELL.quality] = BAD
    stage.tick()
    assert stage.scalar("soc") == pytest.approx(0.5)
    assert stage.cell("capacity_ah", 1) == 1.5


def test_horizon_resistances_follow_the_circuit() -> None:
    stage = Stage()
    stage.tick()
    expected = 0.02 + 0.01 * (1 - math.exp(-1)) + 0.01 * (1 - math.exp(-10 / 200))
    assert stage.cell("resistance_ohm") == pytest.approx(0.02)
    assert stage.cell("resistance_10s_ohm") == pytest.approx(expected, rel=1e-6)
    assert stage.cell("resistance_30s_ohm") > stage.cell("resistance_10s_ohm")


def test_a_broken_state_starts_again() -> None:
    stage = Stage()
    stage.tick()
    stage.memory.state[0, STATE.v2, 0] = math.nan
    stage.tick()
    assert 0.0 <= stage.cell("soc") <= 1.0
    assert np.isfinite(stage.memory.state).all()


ANYTHING = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True), st.floats(-5.0, 5.0), st.sampled_from([math.nan, math.inf, 0.0])
)


@given(
    ticks=st.lists(
        st.tuples(st.floats(-10.0, 1e6), ANYTHING, st.integers(0, 3), ANYTHING, st.integers(0, 3), ANYTHING, ANYTHING),
        min_size=1,
        max_size=12,
    )
)
@settings(max_examples=80, deadline=None)
def test_whatever_comes_in_the_soc_is_a_number_between_0_and_1_or_unknown(ticks: list[Any]) -> None:
    stage = Stage(cells=2)
    for dt_s, current_a, quality, voltage_v, cell_quality, temperature_c, age_s in ticks:
        stage.image.cells[CELL.voltage_v, 0] = voltage_v
        stage.image.cells[CELL.quality, 0] = cell_quality
        stage.image.cells[CELL.temperature_c, 0] = temperature_c
        stage.image.cells[CELL.temperature_quality, 0] = cell_quality
        stage.image.cells[CELL.age_s, 0] = age_s
        stage.tick(dt_s, current_a, quality)
        assert np.isfinite(stage.memory.state).all()
        assert stage.scalar("estimate_ready") in (0, 1)
        # The second cell is measured well all the time: the pack knows its SOC from the first step on.
        for value in (stage.scalar("soc"), stage.cell("soc", 1), stage.scalar("soc_std"), stage.scalar("soc_min")):
            assert 0.0 <= value <= 1.0
        assert math.isnan(stage.cell("soc")) or 0.0 <= stage.cell("soc") <= 1.0
