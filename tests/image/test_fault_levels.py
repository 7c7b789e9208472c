"""Changes of the fault ladder that would leave nothing protected, or come too late, are refused with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.scenarios import small_system
from ionward.errors import UserError
from ionward.image.build import build_parameters
from ionward.image.fault_levels import fault_problems


def refused(**faults: Any) -> str:
    with pytest.raises(UserError) as caught:
        build_parameters(small_system(faults=faults))
    return str(caught.value)


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ({"short_circuit": {"critical": {"set": 2000.0}}}, "data sheet permits"),
        ({"insulation_low": {"fault": {"set": 10.0, "clear": 20.0}}}, "nothing would be protected"),
        ({"temperature_rising_fast": {"fault": {"set": 5.0}}}, "nothing would be protected"),
        ({"crash": {"critical": {"set": 1.0}}}, "either there or not"),
        ({"thermal_propagation": {"critical": {"set": 7.0}}}, "either there or not"),
        ({"cell_overvoltage": {"fault": {"delay_s": 30.0}}}, "longer than the budget of 1 s"),
        ({"current_lost": {"fault": {"delay_samples": 500, "delay_s": 5.0}}}, "longer than the budget of 0.5 s"),
        ({"cell_overvoltage": {"ftti_s": 60.0}}, "is no budget any more"),
        ({"deep_discharge": {"critical": {"set": 0.5}}}, "nothing would be protected"),
        ({"insulation_low": {"retries": 1, "cool_down_s": 60.0}}, "a person has to look at this"),
        ({"discharge_overtemperature": {"retries": 1}}, "contactors would flutter"),
        ({"overtemperature": {"retries": 1, "cool_down_s": 60.0}}, "a person has to look at this"),
        ({"discharge_overtemperature": {"retries": 11, "cool_down_s": 60.0}}, "retries"),
        ({"overtemperature": {"cool_down_s": -1.0}}, "cool_down_s"),
    ],
)
def test_what_would_disarm_protection_is_refused(faults: dict[str, Any], words: str) -> None:
    assert words in refused(**faults)


@pytest.mark.parametrize(
    "faults",
    [
        {"temperature_rising_fast": {"fault": {"set": 0.8}}},
        {"insulation_low": {"fault": {"set": 80.0}}},
        {"cell_overvoltage": {"fault": {"delay_s": 0.3}}},
        {"cell_overvoltage": {"ftti_s": 3.0, "fault": {"delay_s": 2.0}}},
        {"cell_voltage_spread": {"info": False}},
        {"crash": {"critical": {"delay_samples": 3}, "cool_down_s": 60.0}},
        {"discharge_overtemperature": {"cool_down_s": 60.0, "retries": 3}},
    ],
)
def test_what_leaves_protection_in_place_is_allowed(faults: dict[str, Any]) -> None:
    assert list(fault_problems(small_system(faults=faults))) == []
