"""From a description to what the tick is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.cells import synthetic_cell
from helpers.examples import NAMES, changed, example
from ionward.battery.system import System, load_system
from ionward.errors import UserError
from ionward.image.build import build_parameters, load_pack, sensor_positions, system_size
from ionward.image.faults import BY_ID, FAULT_ID, FAULTS
from ionward.image.inputs import CHANNEL, CHANNEL_SIGNALS
from ionward.image.layout import Size, new_image
from ionward.image.parameters import CELLP, CURVE, FAULTP, LEVELP, MEASURE, SENSORP


@pytest.mark.parametrize("name", NAMES)
def test_parameters_of_all_examples_have_numbers_wherever_the_tick_reads_them(name: str) -> None:
    system, parameters = load_pack(example(name))
    for field in parameters.scalars.dtype.names:
        assert np.isfinite(parameters.scalars[field][0]), field
    for block_name, block in zip(parameters._fields[1:], parameters[1:], strict=True):
        assert block.dtype == np.float64
        if block_name == "faults":  # where there is no mask its end is -inf
            block = np.delete(block, FAULTP.mask_until_s, axis=0)
        if block_name != "levels":
            assert np.isfinite(block).all(), block_name
    used = ~np.isnan(parameters.levels[:, LEVELP.set])
    assert np.isfinite(np.moveaxis(parameters.levels, 1, 2)[used]).all()
    assert (parameters.levels[:, LEVELP.delay_samples][used] >= 1).all()
    size = system_size(system)
    assert parameters.cells.shape[1] == parameters.cell_limits.shape[1] == size.cells == system.series
    assert parameters.sensors.shape[1] == parameters.sensor_limits.shape[1] == size.sensors
    assert parameters.channel_limits.shape[1] == len(CHANNEL_SIGNALS)
    assert new_image(size).cells.shape[1] == size.cells


def test_a_recorded_description_gives_the_same_parameters() -> None:
    system, parameters = load_pack(example("ev-96s"))
    again = build_parameters(System.from_dict(system.as_dict()))
    for block, other in zip(parameters, again, strict=True):
        assert block.tobytes() == other.tobytes()


def test_blocks_of_all_packs_have_the_same_types() -> None:
    kinds = {tuple((b.dtype, b.ndim, b.flags.c_contiguous) for b in load_pack(example(n))[1]) for n in NAMES}
    assert len(kinds) == 1


def test_ev_numbers_by_hand() -> None:
    system, parameters = load_pack(example("ev-96s"), synthetic_cell(3.0))
    s = parameters.scalars[0]
    assert system_size(system) == Size(96, 24, 12)
    assert s["series"] == 96
    assert s["cycle_s"] == 0.01
    assert s["voltage_noise_v"] == pytest.approx(0.002 / 3)
    assert s["current_tolerance_a"] == pytest.approx(1.0 + 2.0)  # shunt, and twice that for the second sensor
    assert s["balance_by_soc"] == 1
    assert s["balance_start"] == 0.01
    assert s["hysteresis_rate"] == 50.0
    assert s["has_precharge"] == s["has_contactors"] == s["has_cooling"] == 1
    assert parameters.cells[CELLP.capacity_ah] == pytest.approx(138.0)
    assert parameters.cells[CELLP.resistance_factor] == pytest.approx(1 / 46)
    assert parameters.channel_limits[MEASURE.minimum, CHANNEL.current_a] == -1000.0
    assert parameters.cell_limits[MEASURE.age_max_s, 95] == pytest.approx(0.1)
    assert parameters.channel_limits[MEASURE.maximum, CHANNEL.hvil_closed] == 1.0
    assert parameters.table[11, 100, 0] == 3.6  # 25 °C, half charged


def test_thresholds_are_the_catalogues_at_the_packs_limits_with_the_files_changes() -> None:
    _, parameters = load_pack(example("ev-96s"))
    level = parameters.levels[:, :, FAULT_ID.cell_overvoltage]
    assert np.isnan(level[0, LEVELP.set])
    assert level[1, LEVELP.set] == 4.215  # catalogue: 15 mV above the limit
    assert level[2].tolist() == [4.23, 4.18, 3.0, 0.05]  # the file
    under = parameters.levels[:, :, FAULT_ID.cell_undervoltage]
    assert under[2, LEVELP.set] == 2.75
    current = parameters.levels[:, :, FAULT_ID.discharge_overcurrent_pulse]
    assert current[3, LEVELP.set] == pytest.approx(1.5 * 450)
    timeout = parameters.levels[:, :, FAULT_ID.precharge_too_long]
    assert timeout[2, LEVELP.set] == pytest.approx(1.5 + 0.3)


def test_a_change_of_one_number_keeps_the_others(tmp_path: Path) -> None:
    path = changed(
        tmp_path,
        ("fault = { set = 4.23, clear = 4.18, delay_samples = 3, delay_s = 0.05 }", "fault = { delay_s = 0.2 }"),
    )
    _, parameters = load_pack(path)
    level = parameters.levels[2, :, FAULT_ID.cell_overvoltage]
    catalogue = BY_ID["cell_overvoltage"].fault
    assert catalogue is not None
    assert level.tolist() == pytest.approx([4.2 + catalogue.set, 4.2 + catalogue.clear, catalogue.delay_samples, 0.2])


def test_a_level_that_is_switched_off_is_not_used(tmp_path: Path) -> None:
    path = changed(tmp_path, ("fault = { set = 4.23", "warning = false\nfault = { set = 4.23"))
    _, parameters = load_pack(path)
    assert np.isnan(parameters.levels[1, LEVELP.set, FAULT_ID.cell_overvoltage])
    assert parameters.levels[2, LEVELP.set, FAULT_ID.cell_overvoltage] == 4.23


def test_a_level_that_the_catalogue_has_not_can_be_added(tmp_path: Path) -> None:
    path = changed(tmp_path, ("fault = { set = 4.23", "info = { set = 4.19 }\nfault = { set = 4.23"))
    _, parameters = load_pack(path)
    assert parameters.levels[0, :, FAULT_ID.cell_overvoltage].tolist() == [4.19, 4.19, 1.0, 0.0]


def test_rules_carry_direction_and_reaction_of_every_fault() -> None:
    _, parameters = load_pack(example("ev-96s"))
    for number, fault in enumerate(FAULTS):
        assert parameters.faults[FAULTP.above, number] == (fault.direction == "above")
        assert parameters.faults[FAULTP.blocks_charge, number] == (fault.blocks != "discharge")
        assert parameters.faults[FAULTP.blocks_discharge, number] == (fault.blocks != "charge")
        assert parameters.faults[FAULTP.latching, number] == fault.latching


def test_sensors_stand_evenly_along_their_module_and_cells_take_the_two_beside_them() -> None:
    system, parameters = load_pack(example("ev-96s"))
    positions = sensor_positions(system.topology)
    assert positions[:4].tolist() == [1.5, 5.5, 9.5, 13.5]
    a, b, weight = parameters.cells[CELLP.sensor_a], parameters.cells[CELLP.sensor_b], parameters.cells[CELLP.weight_b]
    assert (a[:8].tolist(), b[:8].tolist()) == ([0, 0, 0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 1, 1, 1, 1])
    assert weight[:8].tolist() == [0.0, 0.0, 0.125, 0.375, 0.625, 0.875, 0.0, 0.0]
    assert parameters.sensors[SENSORP.module].tolist() == sorted(list(range(12)) * 2)
    # No cell takes a sensor of another module.
    module = parameters.cells[CELLP.module]
    assert (parameters.sensors[SENSORP.module][a.astype(int)] == module).all()
    assert (parameters.sensors[SENSORP.module][b.astype(int)] == module).all()


def test_modules_without_a_sensor_take_their_neighbours(tmp_path: Path) -> None:
    path = changed(
        tmp_path,
        (
            "temperature_sensors_per_module = 2",
            "temperature_sensors_per_module = 1\nmodules_without_sensor = [0, 2, 3, 11]",
        ),
    )
    system, parameters = load_pack(path)
    assert system_size(system).sensors == 8
    assert parameters.sensors[SENSORP.module].tolist() == [1, 4, 5, 6, 7, 8, 9, 10]
    a, b, weight = parameters.cells[CELLP.sensor_a], parameters.cells[CELLP.sensor_b], parameters.cells[CELLP.weight_b]
    assert a[0] == b[0] == 0  # the first module has only the one behind it
    assert a[95] == b[95] == 7
    assert (a[16], b[16]) == (0, 1)  # between modules 1 (cell 11.5) and 4 (cell 35.5)
    assert weight[16] == pytest.approx((16 - 11.5) / 24)


def test_a_pack_without_temperature_sensors_keeps_one_that_is_not_fitted() -> None:
    system, parameters = load_pack(example("leaf-96s"))
    assert system_size(system).sensors == 1
    assert parameters.sensor_limits[MEASURE.fitted].tolist() == [0.0]
    assert (parameters.cells[[CELLP.sensor_a, CELLP.sensor_b]] == 0).all()


def test_what_is_not_fitted_is_told() -> None:
    _, parameters = load_pack(example("leaf-96s"))
    fitted = parameters.channel_limits[MEASURE.fitted]
    assert [s.name for s, f in zip(CHANNEL_SIGNALS, fitted, strict=True) if f] == ["current_a", "pack_voltage_v"]
    assert parameters.scalars[0]["has_contactors"] == parameters.scalars[0]["has_precharge"] == 0
    assert parameters.scalars[0]["balance_cells_per_module"] == 0
    assert parameters.scalars[0]["current_tolerance_a"] == 1.5  # of the only sensor


def test_used_packs_have_their_own_capacity_and_resistance(tmp_path: Path) -> None:
    path = changed(
        tmp_path, ("cells_in_parallel = 46 ", "capacity_ah = 100.0\nresistance_factor = 1.5\ncells_in_parallel = 46 ")
    )
    _, parameters = load_pack(path)
    assert (parameters.cells[CELLP.capacity_ah] == 100.0).all()
    assert parameters.cells[CELLP.resistance_factor] == pytest.approx(1.5 / 46)


def test_curves_repeat_their_last_point_and_start_at_the_walls() -> None:
    system, parameters = load_pack(example("ev-96s"))
    cold = parameters.curves[CURVE.charge_over_temperature]
    assert cold[:, 0].tolist() == [system.limits.charge_temperature_min_c, 0.0]
    assert cold[:, -1].tolist() == [system.limits.charge_temperature_max_c, 0.0]
    assert (np.diff(parameters.curves[:, 0]) >= 0).all()
    factors = parameters.curves[: CURVE.fuse, 1]
    assert ((factors >= 0) & (factors <= 1)).all()
    fuse = parameters.curves[CURVE.fuse]
    assert fuse[:, 0].tolist() == system.fuse.curve[0]
    assert fuse[:, -1].tolist() == system.fuse.curve[-1]


def test_a_changed_ladder_is_also_checked_without_load_pack(tmp_path: Path) -> None:
    path = changed(tmp_path, ("[faults.cell_overvoltage]", "[faults.cell_overvoltag]"))
    system = load_system(path)
    with pytest.raises(UserError) as caught:
        build_parameters(system)
    assert str(caught.value) == f"{path}: faults.cell_overvoltag: unknown fault; did you mean cell_overvoltage?"
