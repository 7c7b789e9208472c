"""The contactors' electrical life: what each opening takes, that it is told, and that it outlives a power loss."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.bus import Bus
from helpers.packs import breaking
from helpers.scenarios import scenario, small_system
from ionward.control.wear import openings
from ionward.errors import UserError
from ionward.image.build import build_parameters, curves
from ionward.image.parameters import CURVE
from ionward.image.signals import OPEN_IN_ORDER, OPEN_NOW
from ionward.proving.simulation import Simulation

LIFE = [[10.0, 100000.0], [100.0, 1000.0], [500.0, 10.0]]


def life_curve() -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return curves(small_system(contactors={"life": LIFE}))[CURVE.life_positive]


@pytest.mark.parametrize(
    ("current_a", "borne"),
    [(0.0, 100000.0), (10.0, 100000.0), (55.0, 10000.0), (100.0, 1000.0), (300.0, 100.0), (500.0, 10.0), (900.0, 10.0)],
)
def test_openings_borne_lie_between_the_points_on_a_logarithmic_scale(current_a: float, borne: float) -> None:
    assert openings(life_curve(), current_a) == pytest.approx(borne)


def connected(load_a: float) -> Bus:
    bus = Bus(**breaking(500.0))
    bus.parameters.curves[CURVE.life_positive] = bus.parameters.curves[CURVE.life_negative] = life_curve()
    bus.load_a = load_a
    bus.connect()
    assert (bus.scalars["contactor_wear_positive"], bus.scalars["contactor_wear_negative"]) == (0.0, 0.0)
    return bus


@pytest.mark.verifies("SR-066")
def test_the_contact_that_parts_first_wears_by_the_current_it_breaks() -> None:
    bus = connected(100.0)
    bus.scalars["open_request"] = OPEN_IN_ORDER
    bus.until("fault")
    assert bus.scalars["contactor_wear_positive"] == pytest.approx(1.0 / 1000.0)
    assert bus.scalars["contactor_wear_negative"] == pytest.approx(1.0 / 100000.0)


@pytest.mark.verifies("SR-066")
def test_contacts_that_part_together_share_no_current() -> None:
    """Nobody knows which is first: both are charged."""
    bus = connected(300.0)
    bus.scalars["open_request"] = OPEN_NOW
    bus.until("fault")
    assert bus.scalars["contactor_wear_positive"] == bus.scalars["contactor_wear_negative"] == pytest.approx(0.01)


def test_an_opening_without_current_takes_next_to_nothing() -> None:
    bus = connected(0.0)
    bus.command["connect"] = 0
    bus.until("standby")
    assert bus.scalars["contactor_wear_positive"] == pytest.approx(1e-5)


def test_a_pack_whose_contactors_life_is_unknown_counts_nothing_that_matters() -> None:
    parameters = build_parameters(small_system(contactors={"life": []}))
    assert parameters.scalars["has_contactor_life"][0] == 0
    assert openings(parameters.curves[CURVE.life_positive], 1000.0) > 1e8


def test_the_negative_contactor_may_have_a_life_of_its_own() -> None:
    other = curves(small_system(contactors={"life": LIFE, "negative": {"life": [[0.0, 7.0]]}}))
    assert openings(other[CURVE.life_negative], 50.0) == 7.0
    assert openings(other[CURVE.life_positive], 10.0) == 100000.0


@pytest.mark.parametrize("life", [[[10.0, 5.0], [5.0, 2.0]], [[10.0, 5.0], [20.0, 9.0]], [[10.0, 0.5]]])
def test_what_is_no_life_is_refused(life: list[list[float]]) -> None:
    with pytest.raises(UserError, match=r"contactors\.life: .*is no curve of an electrical life"):
        build_parameters(small_system(contactors={"life": life}))


def test_the_whole_system_counts_what_its_fault_takes() -> None:
    """A crash under load: both contacts are charged with the current of that moment."""
    system = small_system(contactors={"life": LIFE})
    crash = {"at_s": 8.0, "name": "crash"}
    load = [{"at_s": 4.0, "unit": "A", "steps": [[0.0, -20.0]]}]
    simulation = Simulation(system, scenario(12.0, fault=[crash], load=load))
    assert simulation.run().final_state == "fault"
    worn = float(simulation.bms.image.scalars["contactor_wear_positive"][0])
    assert worn == pytest.approx(1.0 / openings(life_curve(), 20.0), rel=0.05)
