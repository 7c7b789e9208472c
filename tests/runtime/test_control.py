"""Control's process: it works on the tables that the supervisor made, or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.scenarios import small_system
from ionward.errors import UserError
from ionward.image.build import build_parameters
from ionward.proving.live import live_plan
from ionward.runtime.control import Control, load_parameters
from ionward.runtime.live_folder import write_live_folder
from ionward.runtime.plan import PARAMETERS_FILE, load_plan

SYSTEM = small_system()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_live_folder(tmp_path, live_plan(SYSTEM), build_parameters(SYSTEM))
    return tmp_path


@pytest.mark.verifies("SR-220")
def test_it_answers_over_the_very_tables_that_its_tick_reads(folder: Path) -> None:
    plan = load_plan(folder)
    control = Control(folder, plan)
    assert len(plan.table_sums) == 50  # half a second of a cycle of 10 ms
    for name, block in control.parameters._asdict().items():
        assert np.shares_memory(block, control.desk.tables), name
    assert control.bms.parameters is control.parameters


@pytest.mark.verifies("SR-220")
def test_tables_that_are_not_as_the_supervisor_wrote_them_are_refused(folder: Path) -> None:
    parameters = load_parameters(folder)
    parameters.levels.reshape(-1).view(np.int64)[17] ^= 1 << 40
    np.savez(folder / PARAMETERS_FILE, **parameters._asdict())
    with pytest.raises(UserError, match=r"parameters\.npz: not as the supervisor wrote it"):
        Control(folder, load_plan(folder))
