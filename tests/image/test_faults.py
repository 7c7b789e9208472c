"""The catalogue keeps the promises that every reader of it relies on."""

from __future__ import annotations

import itertools
import re

import pytest

from ionward.battery.sensors import SENSOR_NAMES
from ionward.image.faults import BY_ID, FAULT_ID, FAULTS, Fault
from ionward.image.inputs import CHANNEL
from ionward.image.parameters import PARAMETER_RECORD

fault = pytest.mark.parametrize("fault", FAULTS, ids=[f.id for f in FAULTS])


def test_ids_codes_and_requirements_are_unique() -> None:
    for values in ([f.id for f in FAULTS], [f.name for f in FAULTS], [f.dtc for f in FAULTS],
                   [f.requirement for f in FAULTS]):  # fmt: skip
        assert len(set(values)) == len(FAULTS)
    assert all(getattr(FAULT_ID, f.id) == number for number, f in enumerate(FAULTS))
    assert set(BY_ID) == {f.id for f in FAULTS}


@fault
def test_texts_are_sentences_and_codes_belong_to_the_maker(fault: Fault) -> None:
    assert fault.meaning.endswith(".")
    assert fault.action.endswith(".")
    assert re.fullmatch(r"SR-\d{3}", fault.requirement)
    assert fault.dtc >> 16 == 0x1A
    assert fault.dtc & 0xFF == 0


@fault
def test_names_lead_somewhere(fault: Fault) -> None:
    assert not fault.relative_to or fault.relative_to in (PARAMETER_RECORD.names or ())
    known = {*CHANNEL._fields, *(PARAMETER_RECORD.names or ())}
    assert all(name in known for needed in fault.only_when for name in needed.split(" or "))
    assert not fault.sensor or fault.sensor in SENSOR_NAMES


@fault
def test_ladder_is_in_order(fault: Fault) -> None:
    sign = 1.0 if fault.direction == "above" else -1.0
    levels = [level for level in fault.levels if level is not None]
    assert levels
    for level in levels:
        assert sign * level.clear <= sign * level.set
        assert level.delay_samples >= 1
        assert level.delay_s >= 0.0
    for lower, higher in itertools.pairwise(levels):
        assert sign * lower.set <= sign * higher.set
        assert sign * lower.clear <= sign * higher.clear


@fault
def test_a_fault_that_only_tells_or_derates_does_not_latch(fault: Fault) -> None:
    opens = fault.fault is not None or fault.critical is not None
    # What the probe found waits for a person in the sequence itself, which holds its state until then.
    assert fault.latching == (opens and fault.id != "contactor_welded_in_probe")


@pytest.mark.verifies("SR-201")
def test_no_single_sample_opens_a_contactor() -> None:
    """Faults judged by sampled values need two samples; those judged by time alone are marked by their unit."""
    judged_by_time = {"precharge_too_long", "precharge_failed"}
    judged_by_time |= {"precharge_resistor_hot", "contactor_welded_in_probe"}
    of_the_bms_itself = {"cycle_stopped", "cycle_overrun", "guard_withholds", "enable_lost"}  # no sample at all
    of_the_bms_itself |= {"configuration_changed", "image_corrupted", "clock_jumped"}
    for f in FAULTS:
        for level in (f.fault, f.critical):
            if level is not None and f.id not in judged_by_time | of_the_bms_itself:
                assert level.delay_samples >= 2, f.id
