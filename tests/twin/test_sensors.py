"""Sensors of the simulated battery, and its random numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionward.image.inputs import RAW
from ionward.twin import noise
from ionward.twin.rows import (
    FAULT_DRIFT,
    FAULT_FROZEN,
    FAULT_GAIN,
    FAULT_LOST,
    FAULT_NAN,
    FAULT_NOISE,
    FAULT_OFFSET,
    FAULT_STUCK,
    SENSE,
)
from ionward.twin.sensors import sample

QUANTILES = noise.normal_quantiles()


def sensors(items: int = 1, **values: float) -> np.ndarray:
    block = np.zeros((len(SENSE), items))
    block[SENSE.fitted] = block[SENSE.gain] = 1.0
    block[SENSE.period_s] = 0.1
    block[SENSE.minimum], block[SENSE.maximum] = -100.0, 100.0
    block[SENSE.pending_s] = block[SENSE.last] = math.nan
    for name, value in values.items():
        block[getattr(SENSE, name)] = value
    return block


def new_raw(items: int = 1) -> np.ndarray:
    raw = np.full((len(RAW), items), math.nan)
    raw[RAW.time_s] = -math.inf
    return raw


def read(block: np.ndarray, truth: float, times: np.ndarray, seed: int = 1) -> list[tuple[float, float]]:
    """Value and time in the raw block after each tick."""
    raw, generator = new_raw(block.shape[1]), noise.new_generator(seed)
    out = []
    for time_s in times:
        sample(block, np.full(block.shape[1], truth), raw, time_s, generator, QUANTILES)
        out.append((float(raw[RAW.value, 0]), float(raw[RAW.time_s, 0])))
    return out


TIMES = np.arange(50) * 0.01


def test_samples_come_at_their_period_with_their_own_times() -> None:
    seen = read(sensors(), 3.0, TIMES)
    assert sorted({t for _, t in seen}) == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])


def test_a_delayed_sample_comes_late_with_the_time_at_which_it_was_taken() -> None:
    seen = read(sensors(delay_s=0.03), 3.0, TIMES)
    assert seen[2][1] == -math.inf
    assert seen[3] == (3.0, 0.0)
    assert seen[12][1] == 0.0
    assert seen[13][1] == pytest.approx(0.1)


def test_a_sensor_that_is_not_fitted_never_speaks() -> None:
    value, time_s = read(sensors(fitted=0.0), 3.0, TIMES)[-1]
    assert math.isnan(value)
    assert time_s == -math.inf


def test_offset_gain_digits_and_range() -> None:
    assert read(sensors(offset=0.05, gain=1.01, resolution=0.1), 3.0, TIMES)[0][0] == pytest.approx(3.1)
    assert read(sensors(), 500.0, TIMES)[0][0] == 100.0
    assert read(sensors(), -500.0, TIMES)[0][0] == -100.0


def test_noise_has_its_standard_deviation() -> None:
    values = [v for v, _ in read(sensors(noise=0.2, period_s=0.01), 3.0, np.arange(4000) * 0.01)]
    assert np.std(values) == pytest.approx(0.2, rel=0.05)
    assert np.mean(values) == pytest.approx(3.0, abs=0.015)
    assert np.abs(np.array(values) - 3.0).max() <= 0.2 * 4.0


@pytest.mark.parametrize(
    ("fault", "strength", "expected"),
    [(FAULT_STUCK, 7.0, 7.0), (FAULT_OFFSET, 0.5, 3.5), (FAULT_GAIN, 2.0, 6.0), (FAULT_DRIFT, 10.0, 7.0)],
)
def test_broken_sensors_say_what_their_fault_makes_of_the_truth(fault: int, strength: float, expected: float) -> None:
    seen = read(sensors(fault=fault, fault_value=strength), 3.0, TIMES)
    assert seen[-1] == pytest.approx((expected, 0.4))


def test_lost_frozen_and_nan_differ_in_value_and_time() -> None:
    for fault, value, time_s in ((FAULT_LOST, 3.0, 0.2), (FAULT_FROZEN, 3.0, 0.4), (FAULT_NAN, math.nan, 0.4)):
        block, raw, generator = sensors(), new_raw(), noise.new_generator(1)
        for k, time in enumerate(TIMES):
            if k == 25:
                block[SENSE.fault] = fault
            sample(block, np.array([3.0 if k < 25 else 4.0]), raw, time, generator, QUANTILES)
        assert raw[:, 0] == pytest.approx([value, time_s], nan_ok=True)


def test_a_noisy_sensor_is_noisier() -> None:
    block = sensors(fault=FAULT_NOISE, fault_value=1.0, period_s=0.01)
    assert np.std([v for v, _ in read(block, 3.0, np.arange(2000) * 0.01)]) == pytest.approx(1.0, rel=0.1)


def test_the_generator_is_the_published_one() -> None:
    # First numbers of L'Ecuyer's generator from the seeds 12345 and 67890, by the definition in his paper.
    generator = np.array([12345, 67890], dtype=np.int64)
    a, b = 12345, 67890
    for _ in range(1000):
        a, b = 40014 * a % 2147483563, 40692 * b % 2147483399
        z = a - b
        assert noise.next_integer(generator) == (z if z >= 0 else z + 2147483562)


def test_the_generator_is_the_same_from_the_same_seed_and_differs_from_others() -> None:
    def draw(seed: int) -> list[float]:
        generator = noise.new_generator(seed)
        return [noise.next_normal(generator, QUANTILES) for _ in range(20)]

    assert draw(5) == draw(5)
    assert draw(5) != draw(6)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**63))
def test_any_seed_gives_a_valid_state(seed: int) -> None:
    a, b = noise.new_generator(seed)
    assert 1 <= a < 2147483563
    assert 1 <= b < 2147483399


def test_a_sensor_of_what_is_not_there_says_nothing_compiled_or_not() -> None:
    """A truth that is no number passes the rounding to a digit."""
    for function in (sample, getattr(sample, "py_func", sample)):
        raw = new_raw()
        function(sensors(resolution=0.1), np.array([math.nan]), raw, 0.0, noise.new_generator(1), QUANTILES)
        assert math.isnan(raw[RAW.value, 0])
        assert raw[RAW.time_s, 0] == 0.0
