"""`ionward check` and `ionward faults`: what a person and a script see."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from helpers.examples import NAMES, changed, example
from ionward.cli.check import check
from ionward.cli.faults import faults
from ionward.errors import UserError
from ionward.image.faults import FAULTS


def command(function: Any, *arguments: str) -> Result:
    app = typer.Typer()
    app.command()(function)
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"})


def summary(path: Path) -> dict[str, Any]:
    result = command(check, str(path), "--json")
    assert result.exit_code == 0, result.output
    loaded = json.loads(result.output)
    assert isinstance(loaded, dict)
    return loaded


@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_shown(name: str) -> None:
    result = command(check, str(example(name)))
    assert result.exit_code == 0
    for part in ("energy", "voltage", "Sensors", "Fault ladder", "cell_overvoltage"):
        assert part in result.output


def test_the_ev_is_recognised_by_its_figures() -> None:
    text = command(check, str(example("ev-96s"))).output
    assert "96 in series (12 modules) x 46 in parallel = 4416 cells" in text
    assert "268.8 … 345.6 … 403.2 V, each cell 2.8 … 4.2 V" in text
    assert "R x C = 55 ms, complete after 231 ms of 1.5 s" in text
    assert "89 J" in text  # C*U²/2 = 0.0011 * 403.2² / 2
    assert "> 4.23 V, 70 ms" in text
    assert "nothing in it looks doubtful" in text


def test_figures_by_hand() -> None:
    pack = summary(example("ev-96s"))["pack"]
    # 4416 cells of 2.781 Ah at about 3.7 V
    assert pack["energy_kwh"] == pytest.approx(4416 * 2.781 * 3.7 / 1000, rel=0.03)
    assert pack["voltage_max_v"] == pytest.approx(403.2)
    assert pack["discharge_power_kw"] == pytest.approx(96 * 3.6 * 300 / 1000)
    connection = summary(example("ev-96s"))["connection"]
    assert connection["precharge_tau_s"] == pytest.approx(0.055)
    assert connection["precharge_energy_j"] == pytest.approx(0.0011 * 403.2**2 / 2)
    assert connection["precharge_energy_shorted_j"] == pytest.approx(403.2**2 / 50 * 1.5)


def test_a_fault_is_decided_within_period_and_delays() -> None:
    levels = summary(example("ev-96s"))["faults"]["cell_overvoltage"]["levels"]
    assert levels["fault"]["decided_within_s"] == pytest.approx(0.02 + 0.05)
    assert levels["critical"]["decided_within_s"] == pytest.approx(0.02 + 0.02)
    slow = summary(example("leaf-96s"))["faults"]["cell_overvoltage"]["levels"]
    assert slow["fault"]["decided_within_s"] == pytest.approx(4.0 + 2 * 4.0)


def test_what_a_pack_lacks_is_not_judged() -> None:
    judged = {name: fault["judged"] for name, fault in summary(example("leaf-96s"))["faults"].items()}
    assert judged["cell_overvoltage"]
    assert not any(
        judged[name] for name in ("hvil_open", "crash", "insulation_low", "contactor_welded", "overtemperature")
    )
    assert all(fault["judged"] for fault in summary(example("ev-96s"))["faults"].values())


DOUBTS = [
    (("pyrofuse = true", "pyrofuse = true\ncurve = [[410, 200.0], [600, 1.0]]"), "fuse: melts in"),
    (("pyrofuse = true", "pyrofuse = true\ntest_mode = true"), "the pyrofuse can never be fired"),
    (("pyrofuse = true", ""), "may break 500 A, and the fuse melts within the 0.1 s of a short circuit from 2660 A on"),
    (("pyrofuse = true", "\n[faults.short_circuit]\nftti_s = 1.0"), "within the 1 s of a short circuit from 1777 A on"),
    (("break_current_a = 500.0", "break_current_a = 1100.0"), "beyond the range nobody knows whether they may open"),
    (("", "[sensors.bus_voltage]\nmaximum_v = 500.0"), "must read as far as 506 V to see a bus that stands too high"),
    (("", "[sensors.bus_voltage]\nnoise_v = 0.01"), "will look frozen, and the pack will not be connected"),
    (("pyrofuse = true", "fitted = false"), "fuse: there is none"),
    (("break_current_a = 500.0", "break_current_a = 400.0"), "is below the rated pulse of 450 A"),
    (("timeout_s = 1.5", "timeout_s = 5.0"), "precharge: onto a short circuit the resistor takes 16257 J"),
    (("timeout_s = 1.5", "timeout_s = 1.5\nresistor_energy_j = 50"), "takes 89 J in a good precharge and bears 50 J"),
    (("timeout_s = 1.5", "timeout_s = 1.5\ndone_v = 1.0"), "done_v = 1 is less than the tolerance"),
    (("[precharge]", "[precharge]\nfitted = false"), "through their contacts"),
    (
        (
            "",
            "".join(
                f"[sensors.{name}]\nfitted = false\n" for name in ("contactor_feedback", "positive_tap", "negative_tap")
            ),
        ),
        "a welded contactor cannot be told",
    ),
    (("[precharge]", "[sensors.bus_voltage]\nfitted = false\n\n[precharge]\nfitted = false"), "the taps across"),
    (("", "[sensors.contactor_feedback]\nperiod_s = 0.08"), "every switching looks late"),
    (("", "[sensors.insulation]\nfitted = false"), "403 V without insulation"),
    (("", "[sensors.hvil]\nfitted = false"), "403 V without hvil"),
    (("", "[balancing]\nresistance_ohm = 5.0"), "bleed resistors heat the board to 153 °C"),
    (("", "[cycle]\nestimate_every = 200"), "SOC is estimated every 2 s"),
    (("", "[cycle]\nslow_every = 2000"), "run every 20 s"),
    (("", "[derating]\ncharge_over_temperature = [[-10.0, 1.0], [50.0, 0.0]]"), "the charge current is still 83%"),
    (("temperature_sensors_per_module = 2", "temperature_sensors_per_module = 0"), "no temperature is known"),
    (("resolution_v = 0.0001", "resolution_v = 0.005"), "is coarser than the tolerance 0.002"),
    (("resolution_v = 0.0001", "resolution_v = 0.0001\nnoise_v = 0.001"), "is more than the tolerance 0.002"),
    (
        ("resolution_v = 0.0001", "resolution_v = 0.0001\nnoise_v = 0.0"),
        "a healthy sensor at rest will count as frozen",
    ),
    (("", "[sensors.temperature]\nperiod_s = 5.0"), "samples every 5 s are too slow"),
    (("maximum_a = 1000.0", "maximum_a = 200.0"), "charge_overcurrent_pulse.critical: the sensor cannot read"),
    (("charge_current_max_a = 138.0", "charge_current_max_a = 138.0\npulse_s = 30"), "ends a rated pulse of 30 s"),
    (("", "[sensors.temperature]\nresolution_k = 1.0"), "may stand still while the pack becomes 1 K warmer"),
]


@pytest.mark.parametrize(("change", "doubt"), DOUBTS)
def test_a_doubtful_combination_is_named(tmp_path: Path, change: tuple[str, str], doubt: str) -> None:
    found = summary(changed(tmp_path, change))["doubts"]
    assert any(doubt in told for told in found), found
    assert doubt not in str(summary(example("ev-96s"))["doubts"])


@pytest.mark.parametrize(("minimum", "part"), [("2.9", "on the plateau"), ("3.45", "only near full")])
def test_lfp_balanced_by_voltage_is_doubtful(tmp_path: Path, minimum: str, part: str) -> None:
    change = ('method = "soc" ', f'method = "voltage"\nmin_voltage_v = {minimum} ')
    assert any(part in told for told in summary(changed(tmp_path, change, of="storage-rack-240s"))["doubts"])


def test_a_few_sensors_for_many_cells_are_doubtful(tmp_path: Path) -> None:
    path = changed(
        tmp_path, ("cells_per_module = 8", "cells_per_module = 8\nmodules_without_sensor = [0,1,2,3,4,5,6,7,8,9,11]")
    )
    assert any("one temperature sensor for 48 cells" in told for told in summary(path)["doubts"])


def test_a_wrong_file_is_a_user_error(tmp_path: Path) -> None:
    result = command(check, str(tmp_path / "none.toml"))
    assert isinstance(result.exception, UserError)


def test_the_fault_catalogue_is_listed_and_explained() -> None:
    text = command(faults).output
    for fault in FAULTS:
        assert fault.id in text
    text = command(faults, "cell_overvoltage").output
    assert "above cell_voltage_max_v +0.03 V in 3 new samples and for 0.05 s" in text
    assert "What to do: Stop charging." in text
    text = command(faults, "discharge_overcurrent_pulse").output
    assert "above 1.1 x discharge_current_pulse_a in 3 new samples" in text


def test_an_unknown_fault_is_a_user_error_with_the_near_one() -> None:
    result = command(faults, "cell_overvoltag")
    assert isinstance(result.exception, UserError)
    assert str(result.exception) == "unknown fault 'cell_overvoltag'; did you mean cell_overvoltage?"


@pytest.mark.parametrize(
    ("pack", "words"),
    [
        ("home-16s-switches", "leaves discharging possible, and the other way round"),
        ("home-16s", "cannot be blocked alone: a fault of charging ends discharging as well"),
    ],
)
def test_what_a_fault_of_one_direction_leaves_possible_is_told(pack: str, words: str) -> None:
    assert words in command(check, str(example(pack))).output
    assert summary(example(pack))["connection"]["one_way"] == (pack == "home-16s-switches")


def test_a_bus_sensor_that_cannot_read_below_zero_is_doubtful_for_one_way_switches(tmp_path: Path) -> None:
    change = ("[contactors]", "[sensors.bus_voltage]\nminimum_v = 0.0\n\n[contactors]")
    told = summary(changed(tmp_path, change, of="home-16s-switches"))["doubts"]
    assert any("a dead bus will look frozen" in doubt for doubt in told)
    assert not summary(example("home-16s-switches"))["doubts"]
