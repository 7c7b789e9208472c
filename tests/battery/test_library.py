"""The cells that come with Ionward: sound tables, and the stated fit is that of the measured data."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.data import measured
from ionward.battery import tables
from ionward.battery.cell import CellModel
from ionward.battery.ecm import STATE, STATES, simulate
from ionward.battery.library import load_cell, names
from ionward.battery.logs import check_against_cell, read_log
from ionward.errors import UserError

CELLS = ("a123-26650", "lg-18650hg2", "nissan-leaf-2013")


@pytest.fixture(params=CELLS)
def cell(request: pytest.FixtureRequest) -> CellModel:
    return load_cell(str(request.param))


def test_the_library_holds_these_cells() -> None:
    assert set(CELLS) <= set(names())


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match="allowed: a123-26650, lg-18650hg2"):
        load_cell("unobtainium")


def test_tables_are_finite_positive_and_rising(cell: CellModel) -> None:
    table = cell.table()
    assert np.isfinite(table).all()
    assert (table[..., tables.R0_OHM :] > 0).all()
    assert (table[..., tables.HYSTERESIS_V] >= 0).all()
    for half in (-1, 0, 1):
        branch = table[..., tables.OCV_V] + half * table[..., tables.HYSTERESIS_V]
        assert (np.diff(branch, axis=1) > 0).all()
    assert (table[..., tables.TAU2_S] > 3 * table[..., tables.TAU1_S]).all()
    assert table[2:-3, 20:, tables.MODEL_STD_V].max() < 0.1


def test_branches_stay_within_the_data_sheet(cell: CellModel) -> None:
    table, sheet = cell.table(), cell.data_sheet
    assert (table[..., tables.OCV_V] < sheet.voltage_max_v + 0.02).all()
    assert (table[..., tables.OCV_V] > sheet.voltage_min_v - 0.1).all()


def test_resistances_fall_with_temperature_in_the_middle(cell: CellModel) -> None:
    table = cell.table()[:, 40:181]
    for parameter in (tables.R0_OHM, tables.R1_OHM, tables.R2_OHM):
        assert (np.diff(table[..., parameter], axis=0) < 0).all()


def test_every_cell_says_its_source_licence_and_gaps(cell: CellModel) -> None:
    assert len(cell.provenance.not_measured) >= 2
    assert cell.provenance.licence
    assert "verify" in cell.data_sheet.source
    assert cell.fit


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "file", "test"),
    [
        ("lg-18650hg2", "lg_hg2/25C_UDDS_551.parquet", "25C_UDDS_551"),
        ("lg-18650hg2", "lg_hg2/0C_Mixed1_589.parquet", "0C_Mixed1_589"),
        ("a123-26650", "a123_esc/25C_DYN_s1.parquet", "25C_DYN_s1"),
    ],
)
def test_the_stated_voltage_error_is_that_of_the_measured_log(name: str, file: str, test: str) -> None:
    """By the public model alone, down to 15 % SOC: below it the drift of counting samples would show."""
    model, log = load_cell(name), read_log(measured(file))
    check_against_cell(log, model)
    stated = next(f.voltage_rmse_mv for f in model.fit if f.test == test)
    nominal = next(f.temperature_c for f in model.fit if f.test == test)
    temperature = log.temperature_c if log.temperature_c is not None else np.full(len(log), nominal)
    state = np.zeros(STATES)
    state[STATE.soc], state[STATE.h] = 1.0, 1.0
    voltage, soc = np.empty(len(log)), np.empty(len(log))
    hysteresis = model.hysteresis
    simulate(
        model.table(),
        model.capacity.reference_ah,
        hysteresis.rate,
        hysteresis.instantaneous_v,
        log.time_s,
        log.current_a,
        temperature,
        state,
        voltage,
        soc,
    )
    error_mv = 1e3 * (voltage - log.voltage_v)[soc > 0.15]
    assert 0.4 * stated < float(np.sqrt(np.mean(error_mv**2))) < stated + 4.0


@pytest.mark.data
def test_a_pack_log_is_no_cell_log_but_fits_its_pack() -> None:
    pack = read_log(measured("ev_can_logs/leaf_62kwh_eplus2_decoded.parquet"))
    leaf = load_cell("nissan-leaf-2013")
    with pytest.raises(UserError, match="several cells in series"):
        check_against_cell(pack, leaf)
    check_against_cell(pack, leaf, cells_in_series=96)
