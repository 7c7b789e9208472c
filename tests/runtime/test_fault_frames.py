"""Freeze frames: which rows are cut, what stands in them, and what is told of what nobody saw."""

from __future__ import annotations

import numpy as np
import pytest

from ionward.image.faults import FAULT_ID
from ionward.image.inputs import CHANNEL
from ionward.image.layout import Size, new_image
from ionward.image.signals import FAULT, MEASURED
from ionward.runtime.fault_frames import COLUMNS, JUDGED, MEANINGS, UNITS, Seen, Window

NUMBER = FAULT_ID.cell_overvoltage


def feed(window: Window, from_s: float, to_s: float, step_s: float = 0.01) -> None:
    """Images whose values tell their time."""
    image = new_image(Size(4, 2, 1))
    for k in range(round((to_s - from_s) / step_s)):
        t = from_s + k * step_s
        image.scalars["time_s"], image.scalars["current_a"] = t, 10 * t
        image.channels[MEASURED.value, CHANNEL.pack_voltage_v] = 400 + t
        image.faults[FAULT.value, NUMBER] = t
        window.add(Seen(image.scalars, image.channels, image.faults))


def test_a_frame_holds_a_second_before_and_a_second_after() -> None:
    window = Window(0.01)
    feed(window, 0.0, 6.0)
    frame = window.cut(4.0, NUMBER, 1e9)
    assert frame is not None
    assert (frame.complete, frame.gaps, frame.wall_s, frame.columns) == (True, 0, 1e9, COLUMNS)
    time_s = frame.column("time_s")
    assert (time_s[0], time_s[-1], len(time_s)) == (pytest.approx(-1.0), pytest.approx(1.0), 201)
    assert np.allclose(frame.column(JUDGED), 4.0 + time_s, atol=1e-5)
    assert np.allclose(frame.column("current_a"), 10 * (4.0 + time_s), atol=1e-4)
    assert np.allclose(frame.column("pack_voltage_v"), 404 + time_s, atol=1e-4)


def test_the_second_after_is_not_complete_before_it_is_over() -> None:
    window = Window(0.01)
    feed(window, 0.0, 2.0)
    frame = window.cut(1.6, NUMBER, 0.0)
    assert frame is not None
    assert not frame.complete
    assert frame.column("time_s")[-1] == pytest.approx(0.39, abs=1e-3)


def test_stretches_that_nobody_saw_are_counted() -> None:
    window = Window(0.02)
    feed(window, 0.0, 1.0, 0.02)
    feed(window, 1.2, 3.0, 0.02)
    frame = window.cut(1.3, NUMBER, 0.0)
    assert frame is not None
    assert frame.gaps == 1


def test_images_that_come_too_often_are_left_out_and_a_new_control_begins_anew() -> None:
    window = Window(0.02)
    feed(window, 10.0, 12.0, 0.005)
    frame = window.cut(11.0, NUMBER, 0.0)
    assert frame is not None
    assert 101 <= len(frame.values) <= 140
    feed(window, 0.0, 0.5, 0.02)
    assert window.cut(11.0, NUMBER, 0.0) is None
    assert window.cut(0.2, NUMBER, 0.0) is not None


def test_every_column_has_a_unit_and_a_meaning() -> None:
    for name in COLUMNS:
        assert name == JUDGED or (name in UNITS and MEANINGS[name])
