"""Commands of people and wishes of the vehicle: who counts, and what is refused with which reason."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from helpers.control import small_parameters, small_size
from ionward.image import exchange as ex
from ionward.image.inputs import new_command
from ionward.image.layout import Image, new_image
from ionward.image.parameters import FAULTP
from ionward.image.signals import FAULT, LEVEL_CRITICAL, LEVEL_FAULT, LEVEL_NONE
from ionward.runtime.wishes import OverrunBudget, Wishes


class Desk:
    """Wishes with everything around them."""

    def __init__(self, lock: int = -1, **numbers: float) -> None:
        """`lock`: the fault that only a service action releases."""
        parameters = small_parameters(8, **numbers)
        parameters.faults[FAULTP.service, lock if lock >= 0 else slice(0, 0)] = 1.0
        self.wishes = Wishes(parameters)
        self.image: Image = new_image(small_size(8))
        self.image.scalars["tick"] = 1
        self.command = new_command()
        self.driven = np.zeros(1, ex.DRIVEN_RECORD)
        self.driven["cycle"] = 1
        self.driven["vehicle_balancing"] = 1
        self.driven["vehicle_charge_factor"] = self.driven["vehicle_discharge_factor"] = 1.0
        self.guard = np.zeros(1, ex.GUARD_RECORD)
        self.hear()

    def hear(self, now_s: float = 0.0, **driven: float) -> Any:
        for name, value in driven.items():
            self.driven[name] = value
        self.wishes.hear(self.driven[0], now_s, self.command[0])
        return self.command[0]

    def give(self, command: int, value: float = math.nan, now_s: float = 1.0) -> int:
        return self.wishes.take(command, value, now_s, self.image, self.driven[0], self.guard[0], self.command[0])

    def latch(self, level: int) -> None:
        self.image.faults[FAULT.latched_level, 0] = LEVEL_CRITICAL
        self.image.faults[FAULT.level, 0] = level
        self.image.scalars["latched_faults"] = 1
        self.image.scalars["fault_level"] = level


@pytest.mark.verifies("SR-135")
def test_a_pack_of_which_one_direction_is_blocked_is_connected_and_stays_so_when_acknowledged() -> None:
    desk = Desk()
    desk.latch(LEVEL_NONE)
    desk.image.faults[FAULT.latched_level, 0] = LEVEL_FAULT
    assert desk.give(ex.COMMAND_CONNECT) == ex.REFUSED_LATCHED
    desk.image.scalars["charge_open_request"] = 1
    assert desk.give(ex.COMMAND_CONNECT) == ex.REFUSED_NOT
    assert desk.hear()["connect"] == 1
    assert desk.give(ex.COMMAND_ACKNOWLEDGE) == ex.REFUSED_NOT
    assert desk.hear()["connect"] == 1
    desk.image.scalars["open_request"] = 1
    assert desk.give(ex.COMMAND_CONNECT) == ex.REFUSED_LATCHED
    desk.give(ex.COMMAND_ACKNOWLEDGE)
    assert desk.hear()["connect"] == 0


def test_the_vehicle_connects_and_disconnects() -> None:
    desk = Desk()
    assert desk.hear(vehicle_connect=1, vehicle_purpose=1)["connect"] == 1
    assert desk.command[0]["purpose"] == 1
    assert desk.hear(vehicle_connect=0)["connect"] == 0


def test_an_operators_disconnect_holds_against_the_vehicle() -> None:
    desk = Desk()
    desk.hear(vehicle_connect=1)
    assert desk.give(ex.COMMAND_DISCONNECT) == ex.REFUSED_NOT
    assert desk.hear()["connect"] == 0
    assert desk.hear(vehicle_connect=0)["connect"] == 0
    assert desk.hear(vehicle_connect=1)["connect"] == 0
    assert desk.give(ex.COMMAND_CONNECT) == ex.REFUSED_NOT
    assert desk.hear()["connect"] == 1


def test_an_operators_connect_lasts_until_the_vehicle_withdraws_its_wish() -> None:
    desk = Desk()
    desk.give(ex.COMMAND_CONNECT)
    assert desk.hear()["connect"] == 1
    assert desk.hear(vehicle_connect=1)["connect"] == 1
    assert desk.hear(vehicle_connect=0)["connect"] == 0


def test_an_acknowledgement_withdraws_every_wish() -> None:
    desk = Desk()
    desk.hear(vehicle_connect=1)
    desk.latch(LEVEL_NONE)
    assert desk.give(ex.COMMAND_ACKNOWLEDGE, now_s=7.0) == ex.REFUSED_NOT
    assert desk.command[0]["acknowledge_count"] == 1
    assert desk.wishes.acknowledged_s == 7.0
    assert desk.hear()["connect"] == 0


def test_connecting_is_refused_with_the_reason() -> None:
    desk = Desk()
    desk.latch(LEVEL_NONE)
    assert desk.give(ex.COMMAND_CONNECT) == ex.REFUSED_LATCHED
    desk = Desk()
    desk.image.scalars["fault_level"] = LEVEL_FAULT
    assert desk.give(ex.COMMAND_CONNECT) == ex.REFUSED_FAULT
    desk = Desk()
    desk.wishes.stopping = True
    assert desk.give(ex.COMMAND_CONNECT) == ex.REFUSED_STOPPING
    assert Desk(has_contactors=0).give(ex.COMMAND_CONNECT) == ex.REFUSED_NO_CONTACTORS


def test_acknowledging_is_refused_when_nothing_waits_or_all_still_stands() -> None:
    desk = Desk()
    assert desk.give(ex.COMMAND_ACKNOWLEDGE) == ex.REFUSED_NOTHING
    desk.latch(LEVEL_FAULT)
    assert desk.give(ex.COMMAND_ACKNOWLEDGE) == ex.REFUSED_ACTIVE
    assert desk.command[0]["acknowledge_count"] == 0
    desk = Desk()
    desk.driven["tripped"] = 1
    assert desk.give(ex.COMMAND_ACKNOWLEDGE) == ex.REFUSED_NOT


def test_derating_takes_the_smaller_word_and_refuses_nonsense() -> None:
    desk = Desk()
    assert desk.give(ex.COMMAND_DERATE_CHARGE, 0.5) == ex.REFUSED_NOT
    assert desk.hear(vehicle_charge_factor=0.7)["charge_factor"] == 0.5
    assert desk.hear(vehicle_charge_factor=0.3)["charge_factor"] == 0.3
    assert desk.hear(vehicle_charge_factor=math.nan)["charge_factor"] == 0.0
    for value in (-0.1, 1.1, math.nan):
        assert desk.give(ex.COMMAND_DERATE_DISCHARGE, value) == ex.REFUSED_VALUE


def test_balancing_can_be_asked_for_switched_off_and_left_to_itself() -> None:
    desk = Desk()
    assert desk.give(ex.COMMAND_BALANCE_NOW) == ex.REFUSED_NOT
    assert desk.hear()["balance_now"] == 1
    desk.give(ex.COMMAND_BALANCE_OFF)
    assert (desk.hear()["balancing_allowed"], desk.command[0]["balance_now"]) == (0, 0)
    desk.give(ex.COMMAND_BALANCE_AUTO)
    assert desk.hear()["balancing_allowed"] == 1
    assert Desk(balance_cells_per_module=0).give(ex.COMMAND_BALANCE_NOW) == ex.REFUSED_BALANCING


@pytest.mark.parametrize("number", [-1, 99])
def test_an_unknown_command_is_refused(number: int) -> None:
    assert Desk().give(number) == ex.REFUSED_UNKNOWN


def test_a_stop_withdraws_the_wish_whoever_has_it() -> None:
    desk = Desk()
    desk.give(ex.COMMAND_CONNECT)
    desk.wishes.stopping = True
    assert desk.hear(vehicle_connect=1)["connect"] == 0


def test_the_vehicle_acknowledges_once_for_each_count() -> None:
    desk = Desk()
    desk.hear(vehicle_acknowledge=1, now_s=3.0)
    desk.hear(now_s=4.0)
    assert desk.command[0]["acknowledge_count"] == 1
    assert desk.wishes.acknowledged_s == 3.0


def test_overruns_count_for_ten_seconds() -> None:
    budget = OverrunBudget(0.01, 0.05)  # 50 in ten seconds
    assert budget.share(0.0, 0) == 0.0
    assert budget.share(1.0, 25) == 0.5
    assert budget.share(2.0, 60) > 1.0
    assert budget.share(11.5, 60) == pytest.approx(0.6875)
    assert budget.share(13.0, 60) == 0.0


def test_a_lock_is_released_by_its_service_action_and_by_nothing_else() -> None:
    desk = Desk(lock=0)
    desk.latch(LEVEL_NONE)
    assert desk.give(ex.COMMAND_ACKNOWLEDGE) == ex.REFUSED_LOCK
    assert desk.command["acknowledge_count"][0] == 0
    assert desk.give(ex.COMMAND_RELEASE, 0.0) == ex.REFUSED_NOT
    assert (desk.command["release_fault"][0], desk.command["release_count"][0]) == (0, 1)


def test_what_cools_down_is_not_acknowledged_yet() -> None:
    desk = Desk()
    desk.latch(LEVEL_NONE)
    desk.image.faults[FAULT.cools_s, 0] = 3.0
    assert desk.give(ex.COMMAND_ACKNOWLEDGE) == ex.REFUSED_COOLING
    assert desk.command["acknowledge_count"][0] == 0
    desk.image.faults[FAULT.cools_s, 0] = 0.0
    assert desk.give(ex.COMMAND_ACKNOWLEDGE) == ex.REFUSED_NOT


def test_what_is_no_lock_is_not_released() -> None:
    desk = Desk(lock=1)
    desk.latch(LEVEL_NONE)
    for fault in (0.0, 1.0, -1.0, 1e6, math.nan):
        assert desk.give(ex.COMMAND_RELEASE, fault) == ex.REFUSED_NO_LOCK
    assert desk.command["release_count"][0] == 0


def test_a_lock_whose_cause_stands_is_not_released() -> None:
    desk = Desk(lock=0)
    desk.latch(LEVEL_CRITICAL)
    assert desk.give(ex.COMMAND_RELEASE, 0.0) == ex.REFUSED_ACTIVE


def test_a_refused_state_is_acknowledged() -> None:
    desk = Desk()
    desk.command["state_refused"] = 1
    assert desk.give(ex.COMMAND_ACKNOWLEDGE) == ex.REFUSED_NOT
    assert desk.command["state_refused"][0] == 0
