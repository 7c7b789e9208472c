"""The last minutes in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ionward.dashboard.trail import PERIOD_S, Trail
from ionward.image.inputs import new_raw
from ionward.image.layout import Size, new_image

SIZE = Size(8, 2, 1)


def filled(count: int, kept_s: float = 10.0, change: Callable[[Any, int], None] | None = None) -> Trail:
    trail, image, raw = Trail(SIZE, kept_s), new_image(SIZE), new_raw(8, 2)
    for n in range(count):
        image.scalars["soc"] = n / 1000
        if change is not None:
            change(image, n)
        trail.keep(100.0 + n * PERIOD_S, image, raw)
    return trail


def test_names_are_those_of_the_catalogue() -> None:
    names = Trail(SIZE).index
    assert {"soc", "current_a", "pack_voltage_v", "cell_voltage_v[7]", "cell_soc[0]", "sensor_temperature_c[1]"} <= set(
        names
    )
    assert "cell_ocv_v[0]" not in names  # hundreds of megabytes in a large pack


def test_oldest_rows_give_way() -> None:
    trail = filled(120)
    window = trail.window(["soc"], 0.0, 1000)
    assert len(window["time_s"]) == 50
    assert window["time_s"] == sorted(window["time_s"])
    assert window["values"]["soc"][-1] == 0.119
    assert trail.latest(["soc", "no such"]) == {"time_s": 123.8, "values": {"soc": 0.119}}


def test_a_thinned_window_keeps_spikes() -> None:
    def spike(image: Any, n: int) -> None:
        image.scalars["current_a"] = 900.0 if n == 33 else -900.0 if n == 77 else 1.0

    window = filled(100, 20.0, spike).window(["current_a"], 0.0, 10)
    assert len(window["time_s"]) < 30
    assert {900.0, -900.0} <= set(window["values"]["current_a"])


def test_gaps_and_unknown_values_are_null() -> None:
    trail = filled(3)
    trail.gap(110.0)
    assert trail.window(["soc"], 0.0, 100)["values"]["soc"] == [0.0, 0.001, 0.002, None]
    assert np.isnan(new_image(SIZE).scalars["soc"][0])
    assert trail.window(["no such"], 0.0, 100)["values"] == {}
    assert Trail(SIZE).latest(["soc"]) is None
