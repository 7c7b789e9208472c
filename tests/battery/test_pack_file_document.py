"""What docs/pack-file.md says is so: its files load, and its error lines are those that come."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ionward.battery.system import load_system
from ionward.errors import UserError
from ionward.image.build import load_pack

DOCUMENT = (Path(__file__).parents[2] / "docs" / "pack-file.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL)


def written(folder: Path, text: str) -> Path:
    path = folder / "my-pack.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_first_block_is_a_complete_file(tmp_path: Path) -> None:
    system, _ = load_pack(written(tmp_path, BLOCKS[0]))
    assert system.series == 96


def test_all_blocks_together_are_a_file(tmp_path: Path) -> None:
    assert len(BLOCKS) >= 6
    system, _ = load_pack(written(tmp_path, "\n".join(BLOCKS)))
    assert system.sensors.current_redundant.fitted
    assert not system.sensors.crash.fitted
    assert system.faults["cell_overvoltage"].warning is False


@pytest.mark.parametrize("line", re.findall(r"^error: (.*)$", DOCUMENT, re.MULTILINE))
def test_the_error_lines_are_those_that_come(tmp_path: Path, line: str) -> None:
    wrong = {
        "topology.cells_per_modul": BLOCKS[0].replace("cells_per_module", "cells_per_modul"),
        "limits.cell_voltage_max_v": BLOCKS[0] + "[limits]\ncell_voltage_max_v = 4.25\n",
        "sensors.cell_voltage.period_s": BLOCKS[0] + "[sensors.cell_voltage]\nage_max_s = 0.01\n",
    }
    path = written(tmp_path, wrong[line.split(": ")[1]])
    with pytest.raises(UserError) as caught:
        load_system(path)
    assert line.replace("my-pack.toml", str(path), 1) in caught.value.problems
