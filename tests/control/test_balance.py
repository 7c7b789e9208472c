"""Passive balancing: who is bled, when, and what the boards bear."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.control import CELLS_PER_MODULE, advance, set_current, set_temperatures, small_parameters, small_size
from helpers.control import well_image as well
from ionward.control.balance import balance, new_balance_memory
from ionward.image.inputs import new_command
from ionward.image.layout import Image
from ionward.image.signals import (
    BAD,
    CELL,
    HELD,
    LEVEL_FAULT,
    MODULE,
    OPEN_IN_ORDER,
    STATE_FAULT,
    STATE_INIT,
    STATE_PRECHARGE,
)

CELLS = 8
DT = 0.1


class Balancer:
    def __init__(self, soc: list[float] | None = None, voltage: list[float] | None = None, **changes: float) -> None:
        cells = len(soc or voltage or [0] * CELLS)
        self.parameters = small_parameters(cells, **changes)
        self.image: Image = well(self.parameters)
        self.image.cells[CELL.soc_std] = 0.002
        if soc:
            self.image.cells[CELL.soc] = soc
        if voltage:
            self.image.cells[CELL.voltage_v] = voltage
        self.memory = new_balance_memory(small_size(cells))
        self.command = new_command()

    def run(self, seconds: float) -> np.ndarray[Any, Any]:
        """Step; returns which cells were bled at each step, `[step, cell]`."""
        seen = []
        for _ in range(round(seconds / DT)):
            balance(self.parameters, self.command, self.image, self.memory)
            seen.append(self.image.cells[CELL.balancing].copy())
            advance(self.image, DT)
        return np.array(seen)


HIGH = [0.50, 0.55, 0.56, 0.50, 0.50, 0.50, 0.53, 0.50]


def test_high_cells_are_bled_in_turns_with_a_pause_before_each_comparison() -> None:
    seen = Balancer(HIGH).run(60.0)
    assert set(np.flatnonzero(seen.any(axis=0))) == {1, 2, 6}
    even, odd = seen[:, [2, 6]].any(axis=1), seen[:, 1] > 0
    assert not (even & odd).any()
    assert even.any()
    assert odd.any()
    # Each turn is as long as the period, and a pause as long as the settling time comes before it.
    on = seen.any(axis=1)
    edges = np.flatnonzero(np.diff(on.astype(int)))
    lengths = np.diff(edges) * DT
    assert lengths[1::2] == pytest.approx(1.0, abs=2 * DT)
    assert lengths[0::2] == pytest.approx(10.0, abs=2 * DT)
    assert not on[: round(1.0 / DT)].any()


def test_a_cell_is_bled_down_to_the_stop_threshold_and_not_started_below_the_start() -> None:
    b = Balancer([0.50, 0.515, 0.525, 0.50])
    assert set(np.flatnonzero(b.run(30.0).any(axis=0))) == {2}
    b.image.cells[CELL.soc, 2] = 0.515  # between stop and start: goes on
    assert b.run(30.0).any()
    b.image.cells[CELL.soc, 2] = 0.509
    b.run(15.0)
    assert not b.run(30.0).any()
    b.image.cells[CELL.soc, 2] = 0.515  # and does not begin again
    assert not b.run(30.0).any()


def test_a_difference_within_its_uncertainty_is_a_guess() -> None:
    b = Balancer([0.50, 0.56, 0.50, 0.50])
    b.image.cells[CELL.soc_std] = 0.05
    assert not b.run(40.0).any()
    b.image.cells[CELL.soc_std] = 0.02
    assert b.run(40.0).any()


def test_by_voltage_cells_are_compared_only_after_a_rest() -> None:
    voltage = [3.60, 3.65, 3.60, 3.60]
    b = Balancer(voltage=voltage, balance_by_soc=0, balance_start=0.02, balance_stop=0.01)
    set_current(b.image, -20.0)
    assert not b.run(60.0).any()
    set_current(b.image, 0.2)
    assert not b.run(19.0).any()
    assert b.run(20.0).any()


def test_the_highest_cells_go_first_where_a_board_bears_no_more() -> None:
    soc = [0.50, 0.50, 0.60, 0.50, 0.70, 0.50, 0.65, 0.50, 0.80, 0.50, 0.55, 0.50]
    b = Balancer(soc, balance_cells_per_module=1)
    b.parameters.cells[2] = np.repeat([0, 1], 6)  # CELLP.module: two modules of six cells
    seen = b.run(12.0)
    assert set(np.flatnonzero(seen.any(axis=0))) == {4, 8}


@pytest.mark.verifies("SR-182")
@pytest.mark.parametrize(
    "reason", ["command", "fault", "open", "latched", "hot board", "init", "precharge", "state fault"]
)
def test_nothing_is_bled_when_something_forbids_it_and_what_runs_stops_at_once(reason: str) -> None:
    b = Balancer(HIGH)
    assert b.run(5.0)[-1].any()
    s = b.image.scalars
    if reason == "command":
        b.command["balancing_allowed"] = 0
    elif reason == "fault":
        s["fault_level"] = LEVEL_FAULT
    elif reason == "open":
        s["open_request"] = OPEN_IN_ORDER
    elif reason == "latched":
        s["latched_faults"] = 1
    elif reason == "hot board":
        s["balance_allowed"] = 0
    else:
        s["state"] = {"init": STATE_INIT, "precharge": STATE_PRECHARGE, "state fault": STATE_FAULT}[reason]
    assert not b.run(30.0).any()
    assert s["balancing_cells"] == 0
    assert s["balancing_heat_w"] == 0.0


@pytest.mark.verifies("SR-182")
def test_low_or_badly_measured_cells_are_not_bled() -> None:
    b = Balancer(HIGH)
    b.image.cells[CELL.voltage_v, 2] = 2.99
    b.image.cells[CELL.quality, 1] = HELD
    assert set(np.flatnonzero(b.run(40.0).any(axis=0))) == {6}
    b.image.cells[CELL.quality, 6], b.image.cells[CELL.voltage_v, 6] = BAD, np.nan
    assert not b.run(0.1).any()


@pytest.mark.verifies("SR-183")
def test_heat_is_counted_and_a_hot_board_stops() -> None:
    b = Balancer(HIGH, balance_resistance_ohm=12.0, balance_board_k_per_w=60.0, balance_board_s=5.0)
    b.run(2.0)
    s = b.image.scalars[0]
    bled = b.image.cells[CELL.balancing] > 0
    assert s["balancing_cells"] == bled.sum()
    assert s["balancing_heat_w"] == pytest.approx((b.image.cells[CELL.voltage_v][bled] ** 2 / 12.0).sum())
    assert b.image.modules[MODULE.balancing_heat_w].sum() == pytest.approx(s["balancing_heat_w"])
    boards = []
    for _ in range(600):
        b.run(DT)
        boards.append(b.image.modules[MODULE.balancing_board_c].max())
    # One cell makes 25 + 60 * 1.08 = 90 degC: it has to pause at 80.
    assert 79.0 < max(boards) < 82.0
    assert min(boards[200:]) < 79.0


def test_the_board_model_is_a_first_order_lag() -> None:
    b = Balancer([0.5, 0.5, 0.6, 0.5], balance_period_s=1000.0, balance_board_s=60.0, balance_settle_s=0.0)
    b.run(DT)
    power = 3.6**2 / 30.0
    b.run(60.0)
    assert b.image.modules[MODULE.balancing_board_c, 0] == pytest.approx(25 + 20 * power * (1 - np.exp(-1)), abs=0.1)


@pytest.mark.verifies("SR-183")
def test_a_board_of_unknown_temperature_counts_as_hot() -> None:
    b = Balancer(HIGH)
    set_temperatures(b.image, np.nan, 25.0)
    seen = b.run(40.0)
    assert not seen[:, :CELLS_PER_MODULE].any()
    assert seen[:, CELLS_PER_MODULE:].any()


def test_without_soc_nothing_is_compared_by_soc() -> None:
    b = Balancer(HIGH)
    b.image.scalars["estimate_ready"] = 0
    assert not b.run(20.0).any()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_neighbours_are_never_bled_at_once_nor_too_many_of_a_board(data: st.DataObject) -> None:
    cells = 12
    b = Balancer([0.5] * cells, balance_settle_s=0.2, balance_period_s=0.5, balance_cells_per_module=1)
    soc = st.one_of(st.floats(0.0, 1.0), st.just(np.nan))
    for _ in range(8):
        b.image.cells[CELL.soc] = data.draw(st.lists(soc, min_size=cells, max_size=cells))
        k = data.draw(st.integers(0, cells - 1))
        b.image.cells[CELL.quality, k] = data.draw(st.sampled_from([0, 0, 0, HELD, BAD]))
        b.image.cells[CELL.voltage_v, k] = data.draw(st.floats(2.0, 4.5))
        b.command["balancing_allowed"] = data.draw(st.sampled_from([1, 1, 1, 0]))
        seen = b.run(1.0)
        assert not (seen[:, 1:] * seen[:, :-1]).any()
        assert seen.reshape(len(seen), -1, CELLS_PER_MODULE).sum(axis=2).max() <= 1
        assert set(np.unique(seen)) <= {0.0, 1.0}
